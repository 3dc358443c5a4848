"""An EVM chain, as the relay follows it: our light client and outbox there, packets, proofs. What it is believed by is its ground.

A header of such a chain fixes the state after its own block. The relay counts as chains of CometBFT do, where the header above proves
what a block did: what happened in block n is told at height n - 1. The client's parameters are read without proof. What the client
knows of us, its latest height, whether it is frozen, and the digest of each state, is as good as the ground (`slot`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.foreign import trie
from chainnode.foreign.abi import call, dynamic, encode, number, word
from chainnode.foreign.evmclient import KeptState
from chainnode.foreign.evmoutbox import ACKNOWLEDGEMENT_TOPIC, SEND_TOPIC, read_received, read_sent
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.merkleproof import OUR_SPECS
from chainnode.foreign.packetbytes import encode_acknowledgement
from chainnode.foreign.tendermint import FROZEN_HEIGHT, NAME, TRUST, UPGRADE_PATH
from chainnode.foreign.tendermintbytes import ClientState, ConsensusState, encode_client_state, encode_consensus_state
from chainnode.relay import evmjson
from chainnode.relay.adapter import Answered, Ended, Message, PacketEvent, Proved, Scan, Sent, Submitted
from chainnode.relay.endpoints import Endpoint, Endpoints, Lie
from chainnode.relay.evmjson import EvmLog
from chainnode.relay.evmrpc import ask, hexed
from chainnode.relay.evmsender import EvmSender
from chainnode.relay.facts import ClientView, Tip
from chainnode.types.codes import CLIENT_UNKNOWN, CONSENSUS_UNKNOWN, READ_ONLY
from chainnode.types.limits import EVM_LOG_BACK, EVM_LOG_BLOCKS, RELAY_HEADERS_KEPT, RELAY_SCAN_BACK, RELAY_SCAN_BLOCKS

NS = 1_000_000_000
_WORD = 32
_UPDATED_TOPIC = keccak256(b"Updated(uint64,bytes32,bytes32,bytes32,uint256)")
_ENDED_TOPICS = (keccak256(b"AcknowledgePacket(uint64,bytes)"), keccak256(b"TimeoutPacket(uint64)"))
_ID_SLOT, _CLIENT_SLOT = (2).to_bytes(_WORD, "big"), (4).to_bytes(_WORD, "big")  # of the outbox
_LATEST_SLOT, _STATES_SLOT = (1).to_bytes(_WORD, "big"), (2).to_bytes(_WORD, "big")  # of the light client


class EvmGround(Protocol):
    """What a chain is believed by."""

    @property
    def chain_id(self) -> str:
        """The name of the chain in its clients; empty where they name none."""

    @property
    def trust(self) -> str:
        """The class of trust of clients that follow the chain by it."""

    async def tip(self, at_least: int = 0) -> Tip:
        """As `ChainAdapter.tip`."""

    async def newest(self) -> int:
        """The height at which our contracts are read."""

    async def slot(self, contract: bytes, place: bytes, height: int) -> bytes | None:
        """What a slot of a contract holds after that block, None for zeros."""

    async def prove(self, key: bytes, height: int, root: bytes | None = None) -> Proved:
        """What the outbox holds under an ICS-24 key after a block, with the proof for the client."""

    async def client_messages(self, known: ClientView, height: int) -> tuple[bytes, ...]:
        """As `ChainAdapter.client_messages`."""

    async def misbehaviour(self, known: ClientView, evidence: object) -> bytes:
        """As `ChainAdapter.misbehaviour`."""

    async def check(self) -> list[str]:
        """What is wrong with it; a sentence each."""

    def condition(self) -> dict[str, object]:
        """Where it stands: `height`, `time_ns`, and what else there is to say."""

    async def close(self) -> None:
        """Let its connections go."""


@dataclass(slots=True)
class EvmChain:
    """The chain behind some endpoints, with our outbox on it."""

    name: str
    number: int
    endpoints: Endpoints
    outbox: bytes
    ground: EvmGround
    sender: EvmSender | None = None
    now_ns: Callable[[], int] = time.time_ns
    _states: dict[int, KeptState] = field(default_factory=dict)  # of our headers, as the light client keeps them

    @property
    def chain_id(self) -> str:
        """As its clients name it."""
        return self.ground.chain_id

    @property
    def revision(self) -> int:
        """An EVM chain has none."""
        return 0

    # Headers

    async def tip(self, at_least: int = 0) -> Tip:
        """The highest header that is believed."""
        return await self.ground.tip(at_least)

    async def client_messages(self, known: ClientView, height: int) -> tuple[bytes, ...]:
        """What brings a client of this chain to a height."""
        return await self.ground.client_messages(known, height)

    async def misbehaviour(self, known: ClientView, evidence: object) -> bytes:
        """What freezes a client of this chain, after TwoHeaders."""
        return await self.ground.misbehaviour(known, evidence)

    # Our light client there

    async def light_client(self) -> bytes:
        """The client that the outbox goes by."""
        found = await self.ground.slot(self.outbox, _CLIENT_SLOT, await self.ground.newest())
        return (found or bytes(_WORD))[-20:]

    async def client(self, client_id: str) -> ClientView:
        """The light client of the outbox, the only one here."""
        height = await self.ground.newest()
        named = await self.ground.slot(self.outbox, _ID_SLOT, height)
        if named is None or named[: named[-1] // 2] != client_id.encode():
            raise Rejected(CLIENT_UNKNOWN, f"the outbox on {self.name} has no client {client_id}")
        address = await self.light_client()
        latest = int.from_bytes(await self.ground.slot(address, _LATEST_SLOT, height) or b"", "big")
        our_height, is_frozen = latest & (2**64 - 1), bool(latest >> 192 & 1)
        kept = await self.kept(our_height)
        trusting_ns = await self._parameter(address, "trustingPeriod()") * NS
        chain_id = dynamic(await self._ask_contract(address, call("chainId()")), 0).decode(errors="replace")
        state = ClientState(
            chain_id=chain_id,
            trust_numerator=1,
            trust_denominator=3,
            trusting_period_ns=trusting_ns,
            unbonding_period_ns=2 * trusting_ns,
            max_clock_drift_ns=await self._parameter(address, "clockDrift()") * NS,
            frozen_height=FROZEN_HEIGHT if is_frozen else RevisionHeight(0, 0),
            latest_height=RevisionHeight(await self._parameter(address, "revision()"), our_height),
            proof_specs=OUR_SPECS,
            upgrade_path=UPGRADE_PATH,
        )
        return ClientView(
            client_id=client_id,
            kind=NAME,
            trust=TRUST,
            chain_id=chain_id,
            latest=our_height,
            latest_time_ns=kept.time_ns,
            root=kept.app_hash,
            next_validators_hash=kept.next_validators_hash,
            trusting_ns=trusting_ns,
            is_frozen=is_frozen,
            state=encode_client_state(state),
            consensus=encode_consensus_state(ConsensusState(kept.time_ns, kept.app_hash, kept.next_validators_hash)),
        )

    async def kept(self, height: int) -> KeptState:
        """What the light client keeps of header `height` of ours: as it was sent, or as was logged, whichever has the digest."""
        address, at = await self.light_client(), await self.ground.newest()
        digest = await self.ground.slot(address, trie.mapping_slot(height.to_bytes(_WORD, "big"), _STATES_SLOT), at)
        known = self._states.get(height)
        if digest is None:
            raise Rejected(CONSENSUS_UNKNOWN, f"the light client on {self.name} has no state of height {height}")
        if known is None or keccak256(encode(known.value())) != digest:
            known = await self.endpoints.first_good(lambda endpoint: self._logged(endpoint, address, height, digest, at))
            self.remember(known)
        return known

    def remember(self, state: KeptState) -> None:
        """The light client keeps this now."""
        self._states[state.height] = state
        while len(self._states) > RELAY_HEADERS_KEPT:
            del self._states[min(self._states)]

    async def _logged(self, endpoint: Endpoint, address: bytes, height: int, digest: bytes, tip: int) -> KeptState:
        topics = [hexed(_UPDATED_TOPIC), hexed(height.to_bytes(_WORD, "big"))]
        for last in range(tip, max(-1, tip - EVM_LOG_BACK), -EVM_LOG_BLOCKS):
            for log in await self._logs(endpoint, address, max(0, last - EVM_LOG_BLOCKS + 1), last, topics):
                parts = [word(log.data, place) for place in range(3)]
                state = KeptState(height, parts[1], parts[2], parts[0], number(log.data, 3, 2**128))
                if keccak256(encode(state.value())) == digest:
                    return state
        raise Lie(f"{endpoint.url} shows no log of what the light client keeps of height {height}")

    # State and packets

    async def prove(self, key: bytes, height: int, root: bytes | None = None) -> Proved:
        """What the outbox holds under a key after block `height`."""
        return await self.ground.prove(key, height, root)

    async def packets(self, since: int) -> Scan:
        """Packet events of the RELAY_SCAN_BLOCKS blocks after `since`."""
        tip = await self.tip()
        since = max(0, tip.height - RELAY_SCAN_BACK) if since == 0 else since
        last = min(tip.height, since + RELAY_SCAN_BLOCKS)
        if last <= since:
            return Scan(since, ())
        topics = [[hexed(one) for one in (SEND_TOPIC, ACKNOWLEDGEMENT_TOPIC, *_ENDED_TOPICS)]]
        found = await self.endpoints.first_good(lambda endpoint: self._logs(endpoint, self.outbox, since + 1, last, topics))
        named = await self.ground.slot(self.outbox, _ID_SLOT, await self.ground.newest()) or bytes(_WORD)
        own = named[: named[-1] // 2].decode(errors="replace")
        return Scan(last, tuple(event for event in (_event(own, log) for log in found) if event is not None))

    async def _logs(self, endpoint: Endpoint, address: bytes, first: int, last: int, topics: Sequence[object]) -> tuple[EvmLog, ...]:
        asked = {"address": hexed(address), "fromBlock": hexed(first), "toBlock": hexed(last), "topics": topics}
        found = await ask(self.endpoints, endpoint, evmjson.logs, "eth_getLogs", asked)
        return tuple(log for log in found if log.address == address and first <= log.height <= last)

    async def _parameter(self, address: bytes, signature: str) -> int:
        return number(await self._ask_contract(address, call(signature)), 0)

    async def _ask_contract(self, address: bytes, data: bytes) -> bytes:
        asked = {"to": hexed(address), "data": hexed(data)}
        return await self.endpoints.first_good(lambda endpoint: ask(self.endpoints, endpoint, evmjson.data, "eth_call", asked, "latest"))

    def doubt(self, detail: str) -> None:
        """Pass over the endpoint that answered last."""
        self.endpoints.blame(self.endpoints.all[0], Lie(detail))

    def turn(self) -> None:
        """Ask another endpoint first."""
        self.endpoints.turn()

    # Transactions

    async def submit(self, messages: Sequence[Message]) -> Submitted:
        """One message in one transaction, as `room` says. Rejected(READ_ONLY) without an account."""
        if self.sender is None:
            raise Rejected(READ_ONLY, f"{self.name}: {READ_ONLY.meaning}")
        (message,) = messages
        return await self.sender.submit(self.endpoints, self, message)

    def room(self, messages: Sequence[Message]) -> int:
        """One: the contracts take one call per transaction."""
        return 1

    async def check(self) -> list[str]:
        """Whether each endpoint answers, for this chain; what the ground says of them; and whether the account can pay."""
        found: list[str] = []
        for endpoint in list(self.endpoints.all):
            try:
                said = await ask(self.endpoints, endpoint, evmjson.quantity, "eth_chainId")
                if said != self.number:
                    found.append(f"{self.name}: {endpoint.url} is of chain {said}, not {self.number}")
            except ChainError as error:
                found.append(f"{self.name}: {endpoint.url}: {error.detail}")
        if not found:
            found += [f"{self.name}: {one}" for one in await self.ground.check()]
        if self.sender is not None and len(found) < len(self.endpoints.all):
            found += [f"{self.name}: {one}" for one in await self.sender.check(self.endpoints)]
        return found

    async def check_client(self, client_id: str, counterparty: str) -> list[str]:
        """That the outbox names the other client of the route."""
        said = dynamic(await self._ask_contract(self.outbox, call("counterparty()")), 0).decode(errors="replace")
        return [] if said == counterparty else [f"{self.name}: the outbox has the counterparty {said or 'none yet'}, not {counterparty}"]

    def condition(self) -> dict[str, object]:
        """Height and endpoints."""
        names = {"chain_id": f"eip155:{self.number}", "trust": self.ground.trust}
        return {**names, **self.ground.condition(), "endpoints": [one.condition() for one in self.endpoints.all]}

    def memory(self) -> dict[str, object]:
        """Nothing: what the operator gave does not expire, and all else follows from it."""
        return {}

    def recall(self, memory: Mapping[str, object]) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Let the connections go."""
        await self.endpoints.close()
        await self.ground.close()


def _event(own: str, log: EvmLog) -> PacketEvent | None:
    """What a log of the outbox tells; None for a log of another form, which a lie would be as well."""
    height = log.height - 1
    try:
        if log.topics[0] == SEND_TOPIC:
            return Sent(height, read_sent(log.data))
        if log.topics[0] == ACKNOWLEDGEMENT_TOPIC:
            found = read_received(log.data)
            return Answered(height, found.packet, encode_acknowledgement(found.acknowledgement))
        if len(log.topics) == 2 and log.topics[0] in _ENDED_TOPICS:
            return Ended(height, own, int.from_bytes(log.topics[1], "big"))
    except Malformed:
        return None
    return None
