"""An EVM chain that decides by QBFT, as the relay follows it: sealed headers, our light client and outbox there, packets, proofs.

A header of such a chain fixes the state after its own block. The relay counts as chains of CometBFT do, where the header above proves
what a block did: what happened in block n is told at height n - 1. The client's parameters are read without proof; what it knows of us
is proved: its latest height, whether it is frozen, and the digest of each state.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.foreign import trie
from chainnode.foreign.abi import call, dynamic, encode, number, word
from chainnode.foreign.evmclient import KeptState
from chainnode.foreign.evmoutbox import ACKNOWLEDGEMENT_TOPIC, SEND_TOPIC, read_received, read_sent, slot_of
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.merkleproof import OUR_SPECS
from chainnode.foreign.packetbytes import encode_acknowledgement
from chainnode.foreign.qbft import QbftRules, TrustedHeader, decode_header, trusted_of, verify_header
from chainnode.foreign.qbftclient import (
    HeaderMessage,
    decode_client_state,
    decode_consensus_state,
    encode_header,
    encode_misbehaviour,
    rules_of,
)
from chainnode.foreign.tendermint import FROZEN_HEIGHT, NAME, TRUST, UPGRADE_PATH
from chainnode.foreign.tendermintbytes import ClientState, ConsensusState, encode_client_state, encode_consensus_state
from chainnode.relay import evmjson
from chainnode.relay.adapter import Answered, Ended, Message, PacketEvent, Proved, Scan, Sent, Submitted, TwoHeaders
from chainnode.relay.endpoints import Endpoint, Endpoints, Lie
from chainnode.relay.evmjson import EvmLog
from chainnode.relay.evmrpc import ask, hexed
from chainnode.relay.evmsender import EvmSender
from chainnode.relay.evmtrust import BelievedEvm, EvmHop, climb
from chainnode.relay.facts import ClientView, Tip
from chainnode.types.codes import CHAIN_SILENT, CLIENT_UNKNOWN, CONSENSUS_UNKNOWN, READ_ONLY, TRUST_ROOT_WRONG, TWO_HEADERS
from chainnode.types.limits import EVM_LOG_BACK, EVM_LOG_BLOCKS, RELAY_SCAN_BACK, RELAY_SCAN_BLOCKS, RELAY_TIP_MS, RELAY_TIP_WAIT_MS

NS = 1_000_000_000
_POLL_S = 0.2
_WORD = 32
_UPDATED_TOPIC = keccak256(b"Updated(uint64,bytes32,bytes32,bytes32,uint256)")
_ENDED_TOPICS = (keccak256(b"AcknowledgePacket(uint64,bytes)"), keccak256(b"TimeoutPacket(uint64)"))
_ID_SLOT, _CLIENT_SLOT = (2).to_bytes(_WORD, "big"), (4).to_bytes(_WORD, "big")  # of the outbox
_LATEST_SLOT, _STATES_SLOT = (1).to_bytes(_WORD, "big"), (2).to_bytes(_WORD, "big")  # of the light client


@dataclass(slots=True)
class EvmChain:
    """The chain behind some endpoints, with our outbox on it. `root` is the header that the operator trusts, by height and hash."""

    name: str
    number: int
    endpoints: Endpoints
    outbox: bytes
    root: tuple[int, bytes]
    rules: QbftRules
    sender: EvmSender | None = None
    now_ns: Callable[[], int] = time.time_ns
    believed: BelievedEvm | None = None
    _asked: float = 0.0
    _states: dict[int, KeptState] = field(default_factory=dict)  # of our headers, as the light client keeps them
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def chain_id(self) -> str:
        """As CAIP-2 has it."""
        return f"eip155:{self.number}"

    @property
    def revision(self) -> int:
        """An EVM chain has none."""
        return 0

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

    # Our light client there

    async def light_client(self) -> bytes:
        """The client that the outbox goes by, proved at the tip."""
        found = await self._slot(self.outbox, _CLIENT_SLOT, (await self.tip()).height)
        return (found or bytes(_WORD))[-20:]

    async def client(self, client_id: str) -> ClientView:
        """The light client of the outbox, the only one here."""
        height = (await self.tip()).height
        named = await self._slot(self.outbox, _ID_SLOT, height)
        if named is None or named[: named[-1] // 2] != client_id.encode():
            raise Rejected(CLIENT_UNKNOWN, f"the outbox on {self.name} has no client {client_id}")
        address = await self.light_client()
        latest = int.from_bytes(await self._slot(address, _LATEST_SLOT, height) or b"", "big")
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
        """What the light client keeps of header `height` of ours: as it was sent, or as was logged, whichever has the proved digest."""
        address, at = await self.light_client(), (await self.tip()).height
        digest = await self._slot(address, trie.mapping_slot(height.to_bytes(_WORD, "big"), _STATES_SLOT), at)
        known = self._states.get(height)
        if digest is None:
            raise Rejected(CONSENSUS_UNKNOWN, f"the light client on {self.name} has no state of height {height}")
        if known is None or keccak256(encode(known.value())) != digest:
            known = await self.endpoints.first_good(lambda endpoint: self._logged(endpoint, address, height, digest, at))
            self._states[height] = known
        return known

    def remember(self, state: KeptState) -> None:
        """The light client keeps this now."""
        self._states[state.height] = state

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
        root = (await self.header(height)).state_root if root is None else root
        return await self.endpoints.first_good(lambda endpoint: self._prove(endpoint, self.outbox, slot_of(key), height, root))

    async def _slot(self, contract: bytes, place: bytes, height: int) -> bytes | None:
        root = (await self.header(height)).state_root
        return (await self.endpoints.first_good(lambda endpoint: self._prove(endpoint, contract, place, height, root))).value

    async def _prove(self, endpoint: Endpoint, contract: bytes, place: bytes, height: int, root: bytes) -> Proved:
        asked = hexed(contract), [hexed(place)], hexed(height)
        proof = await ask(self.endpoints, endpoint, evmjson.slot_proof, "eth_getProof", *asked)
        try:
            return Proved(trie.proved_slot(root, contract, place, proof), proof)
        except Malformed as error:
            raise Lie(f"{endpoint.url} does not prove slot {place.hex()} at height {height}: {error.detail}") from error

    async def packets(self, since: int) -> Scan:
        """Packet events of the RELAY_SCAN_BLOCKS blocks after `since`."""
        tip = await self.tip()
        since = max(0, tip.height - RELAY_SCAN_BACK) if since == 0 else since
        last = min(tip.height, since + RELAY_SCAN_BLOCKS)
        if last <= since:
            return Scan(since, ())
        topics = [[hexed(one) for one in (SEND_TOPIC, ACKNOWLEDGEMENT_TOPIC, *_ENDED_TOPICS)]]
        found = await self.endpoints.first_good(lambda endpoint: self._logs(endpoint, self.outbox, since + 1, last, topics))
        named = await self._slot(self.outbox, _ID_SLOT, tip.height) or bytes(_WORD)
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
        """Whether each endpoint answers, for this chain, from the root of trust on; and whether the account can pay."""
        found: list[str] = []
        for endpoint in list(self.endpoints.all):
            try:
                said = await ask(self.endpoints, endpoint, evmjson.quantity, "eth_chainId")
                if said != self.number:
                    found.append(f"{self.name}: {endpoint.url} is of chain {said}, not {self.number}")
                    continue
                async with self._lock:
                    await self._climb_to_tip(endpoint)
            except ChainError as error:
                found.append(f"{self.name}: {endpoint.url}: {error.detail}")
        if self.sender is not None and len(found) < len(self.endpoints.all):
            found += [f"{self.name}: {one}" for one in await self.sender.check(self.endpoints)]
        return found

    async def check_client(self, client_id: str, counterparty: str) -> list[str]:
        """That the outbox names the other client of the route."""
        said = dynamic(await self._ask_contract(self.outbox, call("counterparty()")), 0).decode(errors="replace")
        return [] if said == counterparty else [f"{self.name}: the outbox has the counterparty {said or 'none yet'}, not {counterparty}"]

    def condition(self) -> dict[str, object]:
        """Height and endpoints."""
        known = None if self.believed is None else self.believed.highest
        return {
            "chain_id": self.chain_id,
            "height": 0 if known is None else known.height,
            "time_ns": 0 if known is None else known.time_s * NS,
            "endpoints": [one.condition() for one in self.endpoints.all],
        }

    def memory(self) -> dict[str, object]:
        """Nothing: the operator's header does not expire, and all else follows from it."""
        return {}

    def recall(self, memory: Mapping[str, object]) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Let the connections go."""
        await self.endpoints.close()


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
