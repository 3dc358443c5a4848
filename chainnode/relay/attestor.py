"""An attestor: signs for one EVM chain which time a final height has, and what our outbox holds after it; for what it has itself seen.

What is final its operator says: the block that the chain's own rule calls finalized, or so many blocks below the newest. A height is
named only when its time is later than that of the block before: clients want times that rise, and attestors who look at the same
chain then name the same heights. The block that was named stays so for ever (`attestguard`, INV-85); what the outbox holds is
proved to the attestor under the state root of that very block.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from chainnode.crypto.suites import PrivateKey
from chainnode.errors import Corrupt, Malformed, Rejected, Unavailable
from chainnode.foreign import attested, trie
from chainnode.foreign.attested import NOTHING, PacketAttestation, StateAttestation
from chainnode.foreign.ethkeys import address_of
from chainnode.foreign.evmoutbox import slot_of
from chainnode.foreign.keccak import keccak256
from chainnode.relay import evmjson
from chainnode.relay.attestguard import Guard, Guarded, SeenBlock
from chainnode.relay.attestsettings import FINALIZED, AttestSettings
from chainnode.relay.endpoints import Endpoints, told_of
from chainnode.relay.evmrpc import ask, hexed
from chainnode.types.codes import CHAIN_SILENT, CHAIN_TURNED, MALFORMED, NOT_FINAL, TIME_NOT_RISING
from chainnode.types.limits import ATTEST_FINAL_MS, ATTEST_KEY_BYTES_MAX, ATTEST_STEPS_MAX

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement and the attestor's signature."""

    statement: bytes
    signature: bytes


@dataclass(slots=True)
class Counts:
    """What an attestor has done since its start."""

    states: int = 0
    packets: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # by code


@dataclass(slots=True)
class EvmView:
    """The one endpoint of an attestor, its own, whose word it takes."""

    settings: AttestSettings
    endpoints: Endpoints
    _final: int = 0
    _asked: float = -1e9

    @property
    def last_final(self) -> int:
        """The highest final block as it was last told."""
        return self._final

    async def final_height(self) -> int:
        """The highest final block; not asked for more often than every ATTEST_FINAL_MS."""
        if time.monotonic() - self._asked > ATTEST_FINAL_MS / 1000:
            (endpoint,) = self.endpoints.all
            if self.settings.finality == FINALIZED:
                self._final = await ask(self.endpoints, endpoint, evmjson.height, "eth_getBlockByNumber", "finalized", False)
            else:
                newest = await ask(self.endpoints, endpoint, evmjson.quantity, "eth_blockNumber")
                self._final = max(0, newest - self.settings.confirmations)
            self._asked = time.monotonic()
        return self._final

    async def block(self, height: int) -> SeenBlock:
        """A block. Unavailable when the node has none."""
        (endpoint,) = self.endpoints.all
        found = await ask(self.endpoints, endpoint, evmjson.seen_block, "eth_getBlockByNumber", hexed(height), False)
        if found.height != height:
            raise Unavailable(CHAIN_SILENT, f"{endpoint.url} gave block {found.height} for {height}")
        return found

    async def proof(self, contract: bytes, place: bytes, height: int) -> bytes:
        """The proof of a slot after a block."""
        (endpoint,) = self.endpoints.all
        return await ask(self.endpoints, endpoint, evmjson.slot_proof, "eth_getProof", hexed(contract), [hexed(place)], hexed(height))

    async def chain_id(self) -> int:
        """Which chain the node is of."""
        (endpoint,) = self.endpoints.all
        return await ask(self.endpoints, endpoint, evmjson.quantity, "eth_chainId")

    async def code(self, contract: bytes) -> bytes:
        """The code of a contract."""
        (endpoint,) = self.endpoints.all
        return await ask(self.endpoints, endpoint, evmjson.data, "eth_getCode", hexed(contract), "latest")


@dataclass(slots=True)
class Attestor:
    """One key's word of one chain. `turned`: why it signs nothing new any more, empty while all is well."""

    settings: AttestSettings
    key: PrivateKey
    view: EvmView
    guard: Guard
    counts: Counts = field(default_factory=Counts)
    turned: str = ""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def address(self) -> bytes:
        """By which its signatures are known."""
        return address_of(self.key.public)

    async def newest(self) -> int:
        """The highest height that it would name now."""
        final = await self.view.final_height()
        block = await self.view.block(final)
        for _ in range(ATTEST_STEPS_MAX):
            if block.height <= max(1, self.guard.floor.height):
                break
            below = await self.view.block(block.height - 1)
            if below.time_s < block.time_s:
                return block.height
            block = below
        raise Rejected(TIME_NOT_RISING, f"no height above {self.guard.floor.height} and up to {final} has a time that rises")

    async def state(self, height: int) -> Signed:
        """The height and its time. Rejected(NOT_FINAL), (TIME_NOT_RISING), (ATTESTOR_BEHIND), (CHAIN_TURNED)."""
        block = await self._named(height)
        said = StateAttestation(block.height, block.time_s)
        self.counts.states += 1
        log.info("state_attested", extra={"height": height, "time_s": block.time_s})
        return Signed(attested.encode_state(said), attested.sign_state(self.key.secret, said))

    async def packet(self, height: int, key: bytes) -> Signed:
        """What the outbox holds under an ICS-24 key after the height. Rejected as `state`."""
        if not 0 < len(key) <= ATTEST_KEY_BYTES_MAX:
            raise Malformed(MALFORMED, f"a key has 1 to {ATTEST_KEY_BYTES_MAX} bytes")
        block = await self._named(height)
        proof = await self.view.proof(self.settings.outbox, slot_of(key), height)
        try:
            value = trie.proved_slot(block.state_root, self.settings.outbox, slot_of(key), proof)
        except Malformed as error:
            await self._look_again(block)
            raise Unavailable(CHAIN_SILENT, f"the node does not prove its state after block {height}: {error.detail}") from error
        said = PacketAttestation(height, ((keccak256(key), value or NOTHING),))
        self.counts.packets += 1
        log.info("packet_attested", extra={"height": height, "key": key.hex(), "is_empty": value is None})
        return Signed(attested.encode_packets(said), attested.sign_packets(self.key.secret, said))

    async def _named(self, height: int) -> SeenBlock:
        """The block that stands for a height, named now if it was not before."""
        known = self.guard.seen(height)
        if known is not None:
            return known
        if self.turned:
            raise Rejected(CHAIN_TURNED, self.turned)
        final = await self.view.final_height()
        if not 0 < height <= final:
            raise Rejected(NOT_FINAL, f"height {height} is not final; {final} is the highest that is")
        async with self._lock:
            highest = self.guard.highest
            if highest is not None and highest.height <= final:
                await self._look_again(highest)
            below, block = await self.view.block(height - 1), await self.view.block(height)
            if block.time_s <= below.time_s:
                raise Rejected(TIME_NOT_RISING, f"block {height} is not later than the one before")
            try:
                await asyncio.to_thread(self.guard.record, block)
            except Corrupt as error:
                self.turned = error.detail
                raise
        return block

    async def _look_again(self, known: SeenBlock) -> None:
        """Rejected(CHAIN_TURNED) when a block that was named is no longer the chain's."""
        now = await self.view.block(known.height)
        if now.hash == known.hash:
            return
        self.turned = f"block {known.hash.hex()} was named for height {known.height}, the chain now shows {now.hash.hex()}"
        log.error("chain_turned", extra={"height": known.height, "named": known.hash.hex(), "shown": now.hash.hex()})
        raise Rejected(CHAIN_TURNED, self.turned)

    async def check(self) -> list[str]:
        """What is wrong with the settings; a sentence each."""
        return await check_chain(self.view)

    def close(self) -> None:
        """Release the guard."""
        self.guard.close()


async def check_chain(view: EvmView) -> list[str]:
    """Whether the endpoint is of the chain, has the outbox, and knows what is final."""
    settings = view.settings
    number = await view.chain_id()
    if number != settings.chain_id:
        return [f"{told_of(settings.endpoint)} is of chain {number}, not {settings.chain_id}"]
    found = [] if await view.code(settings.outbox) else [f"there is no contract at 0x{settings.outbox.hex()}"]
    await view.final_height()
    return found


def owner_of(settings: AttestSettings, key: PrivateKey) -> Guarded:
    """Whose guard it must be."""
    return Guarded(address_of(key.public), settings.chain_id, settings.outbox)


def make_view(settings: AttestSettings) -> EvmView:
    """The attestor's way to its chain."""
    return EvmView(settings, Endpoints("chain", [settings.endpoint]))
