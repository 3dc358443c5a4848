"""What an EVM chain that decides by QBFT is believed by: sealed headers from the one that the operator trusts, and proofs under them.

Headers are verified once for the relay and once by the rules of the client that will get them.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.foreign import trie
from chainnode.foreign.evmoutbox import slot_of
from chainnode.foreign.qbft import QbftRules, TrustedHeader, decode_header, trusted_of, verify_header
from chainnode.foreign.qbftclient import (
    TRUST,
    HeaderMessage,
    decode_client_state,
    decode_consensus_state,
    encode_header,
    encode_misbehaviour,
    rules_of,
)
from chainnode.relay import evmjson
from chainnode.relay.adapter import Proved, TwoHeaders
from chainnode.relay.endpoints import Endpoint, Endpoints, Lie
from chainnode.relay.evmrpc import ask, hexed
from chainnode.relay.evmtrust import BelievedEvm, EvmHop, climb
from chainnode.relay.facts import ClientView, Tip
from chainnode.types.codes import BAD_EVM_HEADER, CHAIN_SILENT, TRUST_ROOT_WRONG, TWO_HEADERS
from chainnode.types.limits import RELAY_TIP_MS, RELAY_TIP_WAIT_MS

NS = 1_000_000_000
_POLL_S = 0.2


@dataclass(slots=True)
class QbftGround:
    """Implements `EvmGround`. `root` is the header that the operator trusts, by height and hash."""

    name: str
    number: int
    endpoints: Endpoints
    outbox: bytes
    root: tuple[int, bytes]
    rules: QbftRules
    now_ns: Callable[[], int] = time.time_ns
    believed: BelievedEvm | None = None
    _asked: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def chain_id(self) -> str:
        """As CAIP-2 has it."""
        return f"eip155:{self.number}"

    @property
    def trust(self) -> str:
        """Of clients by sealed headers."""
        return TRUST

    # Headers

    async def tip(self, at_least: int = 0) -> Tip:
        """The highest header, verified; not asked for more often than every RELAY_TIP_MS."""
        deadline = time.monotonic() + RELAY_TIP_WAIT_MS / 1000
        while True:
            async with self._lock:
                known = await self._look(at_least)
            if known.height >= at_least:
                return Tip(known.height, known.time_s * NS)
            if time.monotonic() > deadline:
                raise Unavailable(CHAIN_SILENT, f"{self.name} has not reached height {at_least}; it stands at {known.height}")
            await asyncio.sleep(_POLL_S)

    async def _look(self, at_least: int) -> TrustedHeader:
        if self.believed is not None and time.monotonic() - self._asked < RELAY_TIP_MS / 1000 and self.believed.highest.height >= at_least:
            return self.believed.highest
        known = await self.endpoints.first_good(self._climb_to_tip)
        self._asked = time.monotonic()
        return known

    async def _climb_to_tip(self, endpoint: Endpoint) -> TrustedHeader:
        believed = await self._trust(endpoint)
        height = await ask(self.endpoints, endpoint, evmjson.quantity, "eth_blockNumber")
        if height < believed.highest.height:
            raise Unavailable(CHAIN_SILENT, f"{endpoint.url} stands at height {height}, behind {believed.highest.height}, which is known")
        await self._climb(endpoint, believed, height)
        return believed.highest

    async def _trust(self, endpoint: Endpoint) -> BelievedEvm:
        """What is believed; at first the root of trust alone."""
        if self.believed is None:
            header = decode_header(await self._raw(endpoint, self.root[0]))
            if (header.height, header.hash) != self.root:
                raise Lie(f"{TRUST_ROOT_WRONG.meaning} ({self.name}, height {self.root[0]})")
            self.believed = BelievedEvm(self.rules, trusted_of(header))
        return self.believed

    async def _climb(self, endpoint: Endpoint, believed: BelievedEvm, height: int) -> None:
        start = believed.below(height, self.now_ns())
        rules = believed.rules_from(start)
        for hop in await climb(start, height, rules, self.now_ns(), lambda at: self._raw(endpoint, at)):
            believed.add(hop.header)

    async def header(self, height: int) -> TrustedHeader:
        """A header, verified."""
        await self.tip(at_least=height)
        assert self.believed is not None
        if height == self.believed.root.height:
            return self.believed.root
        if height < self.believed.root.height:
            raise Rejected(TRUST_ROOT_WRONG, f"header {height} of {self.name} is below the root of trust")
        if height not in self.believed.headers:
            believed = self.believed
            await self.endpoints.first_good(lambda endpoint: self._climb(endpoint, believed, height))
        return self.believed.headers[height]

    async def _raw(self, endpoint: Endpoint, height: int) -> bytes:
        return await ask(self.endpoints, endpoint, evmjson.header, "eth_getBlockByNumber", hexed(height), False)

    async def client_messages(self, known: ClientView, height: int) -> tuple[bytes, ...]:
        """Headers for a 21-qbft client of this chain, each verified as the client will verify it."""
        trusted = await self.header(height)
        start = decode_consensus_state(known.consensus, known.latest)
        assert self.believed is not None
        own = self.believed.headers.get(known.latest)
        if own is not None and own.hash != start.hash:
            raise Rejected(TWO_HEADERS, f"{known.client_id} knows another header {known.latest} of {self.name} than its endpoints show")
        rules = rules_of(decode_client_state(known.state))
        hops = await self.endpoints.first_good(
            lambda endpoint: climb(start, height, rules, self.now_ns(), lambda at: self._raw(endpoint, at))
        )
        if hops and hops[-1].header.hash != trusted.hash:
            raise Rejected(TWO_HEADERS, f"the endpoints of {self.name} show two headers of height {height}")
        if hops:
            await self._compare_with_witness(hops[-1], rules)
        return tuple(encode_header(HeaderMessage(hop.trusted.height, hop.raw)) for hop in hops)

    async def _compare_with_witness(self, hop: EvmHop, rules: QbftRules) -> None:
        """INV-79: before a header is passed on, another endpoint is asked for its own of that height."""
        found = await self.endpoints.ask_another(lambda endpoint: self._raw(endpoint, hop.header.height))
        if found is None:
            return
        witness, raw = found
        try:
            header = decode_header(raw)
            if header.hash == hop.header.hash:
                return
            if header.height != hop.header.height:
                raise Malformed(BAD_EVM_HEADER, f"header {header.height} was given for it")
            verify_header(hop.trusted, header, rules, self.now_ns())
        except (Malformed, Rejected) as error:
            self.endpoints.blame(witness, Lie(f"{witness.url} shows another header {hop.header.height}: {error.detail}"))
            return
        raise TwoHeaders(f"{self.name} has two sealed headers of height {hop.header.height}", (hop, raw))

    async def misbehaviour(self, known: ClientView, evidence: object) -> bytes:
        """Both headers of a fork, for a client that knows what they follow from."""
        assert isinstance(evidence, tuple)
        hop, raw = evidence
        assert isinstance(hop, EvmHop) and isinstance(raw, bytes)
        return encode_misbehaviour(HeaderMessage(hop.trusted.height, hop.raw), HeaderMessage(hop.trusted.height, raw))

    # State

    async def newest(self) -> int:
        """Where our contracts are read: at the tip, with proof."""
        return (await self.tip()).height

    async def slot(self, contract: bytes, place: bytes, height: int) -> bytes | None:
        """What a contract holds, proved."""
        root = (await self.header(height)).state_root
        return (await self.endpoints.first_good(lambda endpoint: self._prove(endpoint, contract, place, height, root))).value

    async def prove(self, key: bytes, height: int, root: bytes | None = None) -> Proved:
        """What the outbox holds under a key after block `height`."""
        root = (await self.header(height)).state_root if root is None else root
        return await self.endpoints.first_good(lambda endpoint: self._prove(endpoint, self.outbox, slot_of(key), height, root))

    async def _prove(self, endpoint: Endpoint, contract: bytes, place: bytes, height: int, root: bytes) -> Proved:
        asked = hexed(contract), [hexed(place)], hexed(height)
        proof = await ask(self.endpoints, endpoint, evmjson.slot_proof, "eth_getProof", *asked)
        try:
            return Proved(trie.proved_slot(root, contract, place, proof), proof)
        except Malformed as error:
            raise Lie(f"{endpoint.url} does not prove slot {place.hex()} at height {height}: {error.detail}") from error

    async def check(self) -> list[str]:
        """That each endpoint leads from the root of trust to its tip."""
        found: list[str] = []
        for endpoint in list(self.endpoints.all):
            try:
                async with self._lock:
                    await self._climb_to_tip(endpoint)
            except ChainError as error:
                found.append(f"{endpoint.url}: {error.detail}")
        return found

    def condition(self) -> dict[str, object]:
        """The highest header."""
        known = None if self.believed is None else self.believed.highest
        return {"height": 0 if known is None else known.height, "time_ns": 0 if known is None else known.time_s * NS}

    async def close(self) -> None:
        """It has no connections of its own."""
