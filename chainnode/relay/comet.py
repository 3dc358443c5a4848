"""A chain with CometBFT's RPC, of this program or another, as the relay follows it: headers, clients, packets and proofs, all verified.

The state of such a chain before header h is what that header's app_hash fixes: a proof "at header h" is of the state after block h - 1.
Packet events are read from the results of blocks, which need no index of the node. They alone cannot be verified: an endpoint can hide
a packet, but what it invents fails at the proof.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from chainnode import light
from chainnode.digests import header_hash
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.foreign.heights import revision_of
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key
from chainnode.foreign.merkleproof import OUR_SPECS, encode_merkle_proof
from chainnode.ics23 import check_chained
from chainnode.light import TrustedState, TrustRules
from chainnode.relay import clientviews, cometjson
from chainnode.relay.adapter import Message, PacketEvent, Proved, Scan, Submitted, TwoHeaders
from chainnode.relay.clientviews import rules_of
from chainnode.relay.endpoints import Endpoint, Endpoints, Lie
from chainnode.relay.facts import ClientView, Tip
from chainnode.relay.packetevents import packet_event
from chainnode.relay.trust import Believed, Hop, climb
from chainnode.types.block import Validator, ValidatorSet
from chainnode.types.bundle import LightBlock
from chainnode.types.codes import CHAIN_SILENT, READ_ONLY, TRUST_ROOT_WRONG, TWO_HEADERS
from chainnode.types.limits import (
    COMET_BLOCKS_MAX,
    COMET_PAGE_MAX,
    RELAY_EVENTS_MAX,
    RELAY_SCAN_BACK,
    RELAY_SCAN_BLOCKS,
    RELAY_TIP_MS,
    RELAY_TIP_WAIT_MS,
)

log = logging.getLogger(__name__)
Read = TypeVar("Read")
STORE = b"ibc"
_POLL_S = 0.05
_STALE_S = 30.0  # without a new header for so long, another endpoint is asked too


class Sender(Protocol):
    """How transactions get onto a chain."""

    async def submit(self, endpoints: Endpoints, messages: Sequence[Message]) -> Submitted:
        """As `ChainAdapter.submit`."""

    def room(self, messages: Sequence[Message]) -> int:
        """As `ChainAdapter.room`."""

    async def check(self, chain: "CometChain") -> list[str]:
        """As `ChainAdapter.check`."""

    async def check_client(self, chain: "CometChain", client_id: str, counterparty: str) -> list[str]:
        """As `ChainAdapter.check_client`."""


@dataclass(frozen=True, slots=True)
class TrustedHash:
    """A header that the operator trusts, by its hash."""

    height: int
    hash: bytes


@dataclass(slots=True)
class CometChain:
    """The chain behind some endpoints. `root` is where trust begins; `sender` None: it is only read."""

    name: str
    chain_id: str
    endpoints: Endpoints
    root: TrustedState | TrustedHash
    trusting_period_ms: int
    sender: Sender | None = None
    now_ns: Callable[[], int] = time.time_ns
    believed: Believed | None = None
    _remembered: TrustedState | None = None
    _asked: float = 0.0
    _grown: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def revision(self) -> int:
        """The number that the chain id ends with."""
        return revision_of(self.chain_id)

    # Headers

    async def tip(self, at_least: int = 0) -> Tip:
        """The highest header, verified; not asked for more often than every RELAY_TIP_MS."""
        deadline = time.monotonic() + RELAY_TIP_WAIT_MS / 1000
        while True:
            async with self._lock:
                state = await self._look(at_least)
            if state.height >= at_least:
                return Tip(state.height, state.time_ns)
            if time.monotonic() > deadline:
                raise Unavailable(CHAIN_SILENT, f"{self.name} has not reached height {at_least}; it stands at {state.height}")
            await asyncio.sleep(_POLL_S)

    async def _look(self, at_least: int) -> TrustedState:
        now = time.monotonic()
        believed = self.believed
        if believed is not None and now - self._asked < RELAY_TIP_MS / 1000:
            state = believed.highest(self.now_ns())
            if state.height >= at_least and state.height > 0:
                return state
        before = 0 if believed is None else believed.highest(self.now_ns()).height
        state = await self.endpoints.first_good(self._climb_to_tip)
        if state.height > before:
            self._grown = now
        elif now - self._grown > _STALE_S:
            self._grown = now
            found = await self.endpoints.ask_another(self._climb_to_tip)
            state = state if found is None else found[1]
        self._asked = time.monotonic()
        return state

    async def _climb_to_tip(self, endpoint: Endpoint) -> TrustedState:
        believed = await self._trust(endpoint)
        height, network = await self._ask(endpoint, cometjson.standing, "status")
        if network not in ("", self.chain_id):
            raise Lie(f"{endpoint.url} is a node of {network!r}, not of {self.chain_id!r}")
        start = believed.highest(self.now_ns())
        if height < start.height:
            raise Unavailable(CHAIN_SILENT, f"{endpoint.url} stands at height {height}, behind {start.height}, which is known")
        for hop in await self._climb(endpoint, believed, start, height):
            believed.add(hop.block)
        state = believed.highest(self.now_ns())
        if state.height == 0:
            raise Unavailable(CHAIN_SILENT, f"{self.name} has decided no block yet")
        return state

    async def _trust(self, endpoint: Endpoint) -> Believed:
        """What is believed; at first the root of trust alone."""
        if self.believed is None:
            rules = TrustRules(self.chain_id, self.trusting_period_ms)
            root = (
                self.root
                if isinstance(self.root, TrustedState)
                else light.trusted_state((await self._trusted_block(endpoint, self.root)).header)
            )
            self.believed = Believed(rules, root, self._remembered)
        return self.believed

    async def _trusted_block(self, endpoint: Endpoint, wanted: TrustedHash) -> LightBlock:
        """The header that the operator trusts, with what else the endpoint says of it, which nobody has checked."""
        block = await self._block(endpoint, wanted.height)
        if header_hash(block.header) != wanted.hash or block.header.chain_id != self.chain_id:
            raise Lie(f"{TRUST_ROOT_WRONG.meaning} ({self.name}, height {wanted.height})")
        return block

    async def _climb(self, endpoint: Endpoint, believed: Believed, start: TrustedState, height: int) -> list[Hop]:
        if height <= start.height:
            return []
        rules = believed.rules_from(start)
        return await climb(start, height, rules, self.now_ns(), lambda at: self._block(endpoint, at), lambda at: self._set(endpoint, at))

    async def header(self, height: int) -> LightBlock:
        """A header, verified."""
        tip = await self.tip(at_least=height)
        assert self.believed is not None and height <= tip.height
        known = self.believed.blocks.get(height)
        return known if known is not None else await self.endpoints.first_good(lambda endpoint: self._old_header(endpoint, height))

    async def _old_header(self, endpoint: Endpoint, height: int) -> LightBlock:
        believed = await self._trust(endpoint)
        if isinstance(self.root, TrustedHash) and height == self.root.height:
            return await self._trusted_block(endpoint, self.root)
        below = [block for at, block in believed.blocks.items() if at < height]
        nearest = max(below, key=lambda block: block.header.height, default=None)
        start = believed.root if nearest is None else light.trusted_state(nearest.header)
        if height <= start.height:
            raise Rejected(TRUST_ROOT_WRONG, f"header {height} of {self.name} is below the root of trust")
        for hop in await self._climb(endpoint, believed, start, height):
            believed.add(hop.block)
        return believed.blocks[height]

    async def _block(self, endpoint: Endpoint, height: int) -> LightBlock:
        """A header with commit and validators, as an endpoint has it. Validators known by their hash are not asked for again."""
        header, commit = await self._ask(endpoint, cometjson.light_parts, "commit", height=str(height))
        if header.height != height:
            raise Lie(f"{endpoint.url} shows header {header.height} where {height} was asked for")
        known = () if self.believed is None else self.believed.blocks.values()
        validators = next((one.validators for one in known if one.header.validators_hash == header.validators_hash), None)
        return LightBlock(header, commit, await self._set(endpoint, height) if validators is None else validators)

    async def _set(self, endpoint: Endpoint, height: int) -> ValidatorSet:
        """The validators of a height, as an endpoint has them, in their order."""
        found: list[Validator] = []
        total = 1
        while len(found) < total:
            pages = {"page": str(len(found) // COMET_PAGE_MAX + 1), "per_page": str(COMET_PAGE_MAX)}
            members, total = await self._ask(endpoint, cometjson.validators, "validators", height=str(height), **pages)
            if not members:
                raise Lie(f"{endpoint.url} announces {total} validators of height {height} and shows {len(found)}")
            found += members
        return cometjson.in_order(found)

    async def _ask(self, endpoint: Endpoint, read: Callable[[object], Read], method: str, **arguments: str) -> Read:
        """The result of a method, read. Unavailable with what the endpoint says when it refuses, or says it in no form that is known."""

        def read_result(document: object) -> Read:
            if isinstance(document, dict) and isinstance(document.get("error"), dict):
                raise Unavailable(CHAIN_SILENT, f"{endpoint.url} /{method}: {str(document['error'])[:200]}")
            try:
                return read(cometjson.member(document, "result"))
            except Malformed as error:
                raise Unavailable(CHAIN_SILENT, f"{endpoint.url} /{method}: {error.detail}") from error

        return await self.endpoints.get(endpoint, f"/{method}", arguments, read_result)

    # Clients

    async def client(self, client_id: str) -> ClientView:
        """A client that the chain keeps, by its state as proved at the tip."""
        height = (await self.tip()).height
        state = await self.prove(client_state_key(client_id), height)
        latest = clientviews.latest_of(client_id, state.value)
        consensus = None if latest is None else (await self.prove(consensus_state_key(client_id, latest), height)).value
        return clientviews.view(client_id, state.value, consensus)

    async def client_messages(self, known: ClientView, height: int) -> tuple[bytes, ...]:
        """Header messages for a client of this chain, each verified as the client will verify it."""
        await self.header(height)
        self._compare_with_client(known)
        hops = await self.endpoints.first_good(lambda endpoint: self._hops(endpoint, known, height))
        await self._compare_with_witness(hops, known)
        return tuple(clientviews.header_message(hop, self.revision) for hop in hops)

    async def _hops(self, endpoint: Endpoint, known: ClientView, height: int) -> list[Hop]:
        assert self.believed is not None
        blocks = self.believed.blocks

        async def block_at(at: int) -> LightBlock:
            return blocks[at] if at in blocks else await self._block(endpoint, at)

        start = TrustedState(known.latest, known.latest_time_ns, known.next_validators_hash)
        rules = rules_of(known)
        return await climb(start, height, rules, self.now_ns(), block_at, lambda at: self._set(endpoint, at), every_signature=True)

    def _compare_with_client(self, known: ClientView) -> None:
        """Rejected(TWO_HEADERS) when the client knows another header of a height than the one that is believed here."""
        assert self.believed is not None
        block = self.believed.blocks.get(known.latest)
        if block is None:
            return
        own = block.header
        if (own.time_ns, own.app_hash, own.next_validators_hash) != (known.latest_time_ns, known.root, known.next_validators_hash):
            log.error("client_disagrees", extra={"chain": self.name, "client": known.client_id, "height": known.latest})
            raise Rejected(TWO_HEADERS, f"{known.client_id} knows another header {known.latest} of {self.name} than its endpoints show")

    async def _compare_with_witness(self, hops: Sequence[Hop], known: ClientView) -> None:
        """INV-79: before a header is passed on, another endpoint is asked for its own of that height."""
        if not hops:
            return
        hop = hops[-1]
        height = hop.block.header.height
        found = await self.endpoints.ask_another(lambda endpoint: self._block(endpoint, height))
        if found is None or header_hash(found[1].header) == header_hash(hop.block.header):
            return
        witness, block = found
        try:
            light.verify_skipping(hop.trusted, hop.trusted_validators, block, rules_of(known), self.now_ns())
        except (Malformed, Rejected) as error:
            self.endpoints.blame(witness, Lie(f"{witness.url} shows another header {height}, which does not verify: {error.detail}"))
            return
        log.error("chain_forked", extra={"chain": self.name, "height": height, "url": witness.url})
        raise TwoHeaders(f"{self.name} has two decided headers of height {height}", (hop, Hop(hop.trusted, hop.trusted_validators, block)))

    async def misbehaviour(self, known: ClientView, evidence: object) -> bytes:
        """Both headers of a fork, for a client that knows what they follow from."""
        assert isinstance(evidence, tuple) and all(isinstance(one, Hop) for one in evidence)
        return clientviews.misbehaviour_message(known.client_id, evidence[0], evidence[1], self.revision)

    # State and packets

    async def prove(self, key: bytes, height: int, root: bytes | None = None) -> Proved:
        """What store `ibc` holds under a key in the state that header `height` fixes."""
        root = (await self.header(height)).header.app_hash if root is None else root
        return await self.endpoints.first_good(lambda endpoint: self._prove(endpoint, key, height, root))

    async def _prove(self, endpoint: Endpoint, key: bytes, height: int, root: bytes) -> Proved:
        path = f"/store/{STORE.decode()}/key"
        query = {"path": f'"{path}"', "data": f"0x{key.hex()}", "height": str(height - 1), "prove": "true"}
        answer = await self._ask(endpoint, cometjson.query_answer, "abci_query", **query)
        try:
            check_chained(OUR_SPECS, answer.proofs, (STORE, key), root, answer.value)
        except Malformed as error:
            raise Lie(f"{endpoint.url} does not prove key {key.hex()} at header {height}: {error.detail}") from error
        return Proved(answer.value, encode_merkle_proof(answer.proofs))

    async def packets(self, since: int) -> Scan:
        """Packet events of the RELAY_SCAN_BLOCKS blocks after `since`, fewer when there are many events."""
        tip = await self.tip()
        since = max(0, tip.height - RELAY_SCAN_BACK) if since == 0 else since
        return await self.endpoints.first_good(lambda endpoint: self._packets(endpoint, since, min(tip.height, since + RELAY_SCAN_BLOCKS)))

    async def _packets(self, endpoint: Endpoint, since: int, last: int) -> Scan:
        events: list[PacketEvent] = []
        for first in range(since + 1, last + 1, COMET_BLOCKS_MAX):
            highest = min(last, first + COMET_BLOCKS_MAX - 1)
            sizes = await self._ask(endpoint, cometjson.block_sizes, "blockchain", minHeight=str(first), maxHeight=str(highest))
            for height in sorted(at for at, size in sizes.items() if size and first <= at <= highest):
                found = await self._ask(endpoint, cometjson.result_events, "block_results", height=str(height))
                events += [event for event in (packet_event(height, one) for one in found) if event is not None]
                if len(events) >= RELAY_EVENTS_MAX:
                    return Scan(height, tuple(events))
        return Scan(max(since, last), tuple(events))

    def doubt(self, detail: str) -> None:
        """Pass over the endpoint that answered last."""
        self.endpoints.blame(self.endpoints.all[0], Lie(detail))

    def turn(self) -> None:
        """Ask another endpoint first."""
        self.endpoints.turn()

    # Transactions

    async def submit(self, messages: Sequence[Message]) -> Submitted:
        """Through the sender. Rejected(READ_ONLY) without one."""
        if self.sender is None:
            raise Rejected(READ_ONLY, f"{self.name}: {READ_ONLY.meaning}")
        return await self.sender.submit(self.endpoints, messages)

    def room(self, messages: Sequence[Message]) -> int:
        """As the sender says."""
        return len(messages) if self.sender is None else self.sender.room(messages)

    async def check(self) -> list[str]:
        """Whether each endpoint answers, for this chain, from the root of trust on; and what the sender finds."""
        found: list[str] = []
        for endpoint in list(self.endpoints.all):
            try:
                async with self._lock:
                    await self._climb_to_tip(endpoint)
            except ChainError as error:
                is_named = error.detail.startswith(endpoint.url)
                found.append(f"{self.name}: {error.detail}" if is_named else f"{self.name}: {endpoint.url}: {error.detail}")
        if self.sender is not None and len(found) < len(self.endpoints.all):
            found += await self.sender.check(self)
        return found

    async def check_client(self, client_id: str, counterparty: str) -> list[str]:
        """As the sender says."""
        return [] if self.sender is None else await self.sender.check_client(self, client_id, counterparty)

    def condition(self) -> dict[str, object]:
        """Height and endpoints."""
        state = None if self.believed is None else self.believed.learned
        return {
            "chain_id": self.chain_id,
            "height": 0 if state is None else state.height,
            "time_ns": 0 if state is None else state.time_ns,
            "endpoints": [one.condition() for one in self.endpoints.all],
        }

    def memory(self) -> dict[str, object]:
        """The highest header that is believed, to begin with next time."""
        state = None if self.believed is None else self.believed.learned
        if state is None:
            return {}
        return {"chain_id": self.chain_id, "root": self._root_text(), "height": state.height, "time_ns": state.time_ns} | {
            "next_validators_hash": state.next_validators_hash.hex()
        }

    def recall(self, memory: Mapping[str, object]) -> None:
        """Begin with a header of an earlier run, if it was learned from the same root of trust."""
        height, time_ns, announced = (memory.get(name) for name in ("height", "time_ns", "next_validators_hash"))
        is_ours = memory.get("chain_id") == self.chain_id and memory.get("root") == self._root_text()
        if is_ours and type(height) is int and type(time_ns) is int and isinstance(announced, str):
            with suppress(ValueError):
                self._remembered = TrustedState(height, time_ns, bytes.fromhex(announced))

    def _root_text(self) -> str:
        root = self.root
        if isinstance(root, TrustedHash):
            return f"{root.height}-{root.hash.hex()}"
        return f"{root.height}-{root.time_ns}-{root.next_validators_hash.hex()}"  # a chain begun anew may have its old validators

    async def close(self) -> None:
        """Let the connections go."""
        await self.endpoints.close()
