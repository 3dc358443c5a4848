"""A node made of a small chain in memory, for tests of the HTTP interface; it decides a block when a test says so."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from chainnode import codec
from chainnode.api.backend import (
    Committed,
    Finding,
    Looked,
    NodeInfo,
    PeerStatus,
    ProvedValue,
    Reach,
    Resolved,
    Status,
    StoredBlock,
    Submitted,
    SubmittedBatch,
)
from chainnode.bid import did_of
from chainnode.blocks import encode_block
from chainnode.claims import transaction_claim
from chainnode.crypto.keys import public_key_of
from chainnode.did.versions import Wanted
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.execution.engine import NothingYet
from chainnode.execution.state import State
from chainnode.transactions import decode_transaction, encode_body, encode_result, encode_transaction
from chainnode.types.block import Block, Header, ValidatorSet
from chainnode.types.bundle import Bundle, HeaderClaim, LightBlock, StateClaim
from chainnode.types.codes import (
    BAD_OPTION,
    BAD_SIGNATURE,
    HEIGHT_UNKNOWN,
    NOT_FOUND,
    OK,
    OVERLOADED,
    STATE_PRUNED,
    TX_UNKNOWN,
    WAIT_TIMEOUT,
)
from chainnode.types.genesis import ChainParams
from chainnode.types.transaction import Event, Invocation, TxResult
from contracts.identityrecords import identity_key
from tests.bundle_world import World, make_world
from tests.chain_maker import key_of, make_transaction

NODE_DID = did_of("e", key_of("north node").public)


def moved(number: int) -> TxResult:
    """A result with two events."""
    events = (
        Event("goods", "moved", {"by": "did:bid:x", "item": b"\x07", "number": number}),
        Event("receipts", "noted", {"number": 2**60 + number}),
    )
    return TxResult(number % 2, codec.encode(("moved", number)), events)


class WorldReader(NothingYet):
    """The state of a world after block 2."""

    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, store: str, key: bytes) -> bytes | None:
        return self.world.stores.get(store, {}).get(key)

    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        pairs = sorted(self.world.stores.get(store, {}).items())
        return [pair for pair in pairs if pair[0].startswith(prefix) and (after is None or pair[0] > after)][:limit]


@dataclass
class FakeNode:
    """Implements `chainnode.api.backend.Backend`. The world's state is that after block 2."""

    world: World = field(default_factory=make_world)
    blocks: dict[int, tuple[tuple[bytes, ...], tuple[TxResult, ...]]] = field(default_factory=dict)
    submitted: list[tuple[tuple[bytes, ...], int | None]] = field(default_factory=list)
    ready: tuple[bool, str] = (True, "")
    room: tuple[int, int] = (2**63, 2**63)  # bytes and transactions
    asked: list[tuple[int, int]] = field(default_factory=list)  # for room
    batches: list[tuple[bytes, int, int | None]] = field(default_factory=list)  # that were submitted whole
    batch_answer: SubmittedBatch | Sequence[Submitted] | None = None  # to those; None: each transaction has to be looked at
    pruned_below: int = 0
    new_params: ChainParams | None = None
    reads: list[int] = field(default_factory=list)
    _decided: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.blocks = {1: ((), ()), 2: (tuple(self.world.raws), tuple(moved(n) for n in range(5))), 3: ((), ())}

    @property
    def info(self) -> NodeInfo:
        genesis = self.world.genesis
        return NodeInfo(genesis, genesis_hash(genesis), NODE_DID, "north", "0.1.0", "127.0.0.1:26656")

    def last_height(self) -> int:
        return len(self.world.maker.blocks)

    def is_ready(self) -> tuple[bool, str]:
        return self.ready

    def status(self) -> Status:
        last = self.world.maker.blocks[-1]
        return Status(
            height=last.header.height,
            time_ns=last.header.time_ns,
            block_hash=last.commit.block_id.hash,
            app_hash=self.world.maker.app_hash,
            first_height=max(1, self.pruned_below),
            first_header_height=1,
            validator_key=public_key_of(key_of("north")),
            validator_power=40,
            peers=1,
            is_catching_up=False,
        )

    def peers(self) -> tuple[PeerStatus, ...]:
        return (PeerStatus(did_of("e", key_of("east node").public), "east", "127.0.0.1:26657", 3, True),)

    def params(self) -> ChainParams:
        return self.new_params or self.world.genesis.params

    async def wait_height(self, height: int) -> None:
        async with self._decided:
            await self._decided.wait_for(lambda: self.last_height() >= height)

    async def decide(self, numbers: Sequence[int] = ()) -> int:
        """The next block, with a transaction of two events for each number."""
        anna = key_of("anna")
        calls = [Invocation("goods", "move", (b"\x01", 1, "x"))]
        raws = tuple(make_transaction(self.world.genesis, [anna], calls, nonce=1000 + number) for number in numbers)
        results = tuple(moved(number) for number in numbers)
        async with self._decided:
            block = self.world.maker.decide(raws=raws, results=results)
            self.blocks[block.header.height] = (raws, results)
            self._decided.notify_all()
        return block.header.height

    def check_room(self, size: int, count: int) -> None:
        self.asked.append((size, count))
        if size > self.room[0] or count > self.room[1]:
            raise Unavailable(OVERLOADED, "there is no room")

    async def submit(self, raws: Sequence[bytes], *, wait_ms: int | None) -> Sequence[Submitted]:
        self.submitted.append((tuple(raws), wait_ms))
        return [self._submit_one(raw, wait_ms) for raw in raws]

    async def submit_batch(self, body: bytes, count: int, *, wait_ms: int | None) -> SubmittedBatch | Sequence[Submitted] | None:
        self.batches.append((body, count, wait_ms))
        return self.batch_answer

    def _submit_one(self, raw: bytes, wait_ms: int | None) -> Submitted:
        try:
            tx = decode_transaction(raw)
        except ChainError as error:
            return Submitted(None, error.code, error.detail)
        if tx.body.memo == "bad":
            return Submitted(tx.tx_id, BAD_SIGNATURE, "no")
        if wait_ms is None:
            return Submitted(tx.tx_id, OK, "")
        found = self._find(tx.tx_id)
        if found is None:
            return Submitted(tx.tx_id, WAIT_TIMEOUT, WAIT_TIMEOUT.meaning)
        return Submitted(tx.tx_id, OK, "", found.height, found.index, encode_result(found.result))

    def _find(self, tx_id: bytes) -> Committed | None:
        for height, (raws, results) in self.blocks.items():
            for index, (raw, result) in enumerate(zip(raws, results, strict=True)):
                if decode_transaction(raw).tx_id == tx_id:
                    return Committed(height, index, raw, result)
        return None

    async def transaction(self, tx_id: bytes) -> Committed | None:
        return self._find(tx_id)

    async def light_block(self, height: int) -> LightBlock | None:
        return self.world.maker.blocks[height - 1] if 1 <= height <= self.last_height() else None

    async def validators(self, height: int) -> ValidatorSet | None:
        if height == self.last_height() + 1:
            return self.world.maker.validators
        light = await self.light_block(height)
        return None if light is None else light.validators

    async def block(self, height: int) -> StoredBlock | None:
        self.reads.append(height)
        light = await self.light_block(height)
        if light is None or height < self.pruned_below:
            return None
        parent = await self.light_block(height - 1)
        block = Block(light.header, (sha256(b"batch").digest(),), None if parent is None else parent.commit)
        return StoredBlock(block, encode_block(block), self.blocks[height][0])

    async def height_of_block(self, block_hash: bytes) -> int | None:
        return next((one.header.height for one in self.world.maker.blocks if one.commit.block_id.hash == block_hash), None)

    async def results(self, height: int) -> tuple[TxResult, ...] | None:
        return self.blocks[height][1] if height in self.blocks and height >= self.pruned_below else None

    async def prove_state(self, store: str, key: bytes, height: int | None) -> ProvedValue:
        if height is not None and height > self.last_height() - 1:
            raise Unavailable(HEIGHT_UNKNOWN, "not yet")
        if height not in (None, 2):
            raise Unavailable(STATE_PRUNED, "too old")
        if store not in self.world.stores:
            raise Rejected(NOT_FOUND, f"there is no store '{store}'")
        return ProvedValue(self.world.stores[store].get(key), self.world.state_proof(store, key), 2)

    async def look(self, work: Callable[[State, int], Finding], height: int | None = None) -> Looked[Finding]:
        assert height in (None, 2)
        time_ns = self.world.maker.blocks[2].header.time_ns
        return Looked(work(State(WorldReader(self.world)), time_ns), 2, time_ns)

    async def bundle_state(self, store: str, key: bytes, height: int | None) -> Bundle:
        return self.world.bundle(StateClaim((await self.prove_state(store, key, height)).proof))

    async def bundle_evidence(self, record: bytes | int, height: int | None = None) -> Bundle:
        index = record if isinstance(record, int) else self._record_of(record)
        if index >= len(self.world.leaves):
            raise Rejected(NOT_FOUND, "there is no such record")
        await self.prove_state("evidence", b"log", height)
        return self.world.evidence(index)

    def _record_of(self, digest: bytes) -> int:
        for index, leaf in enumerate(self.world.leaves):
            if codec.as_array(codec.decode(leaf, bytes_max=len(leaf)))[5] == digest:
                return index
        raise Rejected(NOT_FOUND, "no record has this digest")

    async def bundle_transaction(self, tx_id: bytes, header: int | None = None) -> Bundle:
        found = self._find(tx_id)
        if found is None:
            raise Rejected(TX_UNKNOWN)
        raws, results = self.blocks[found.height]
        if header == found.height:
            return self.world.bundle(transaction_claim(raws, found.index), (header,))
        if header not in (None, found.height + 1):
            raise Malformed(BAD_OPTION, "another header")
        if found.height == self.last_height():
            raise Unavailable(HEIGHT_UNKNOWN, "the next header is not decided yet")
        return self.world.bundle(
            transaction_claim(raws, found.index, (self.world.maker.blocks[found.height - 1].header, results)), (found.height + 1,)
        )

    async def bundle_anchor(self, ac: str, height: int | None) -> Bundle:
        """No other chain is on record; `tests/anchor_world.py` has a node with one."""
        raise Rejected(NOT_FOUND, f"no chain is on record as {ac}")

    async def bundle_header(self, height: int) -> Bundle:
        if not 1 <= height <= self.last_height():
            raise Unavailable(HEIGHT_UNKNOWN, "not decided")
        return self.world.bundle(HeaderClaim(), (height,))

    async def links(self, height: int, to: int) -> tuple[Header, ...]:
        if height > self.last_height():
            raise Unavailable(HEIGHT_UNKNOWN, "not decided")
        return tuple(self.world.maker.blocks[one - 1].header for one in range(height, to, -1))

    async def resolve(self, did: str, wanted: Wanted, *, has_proof: bool, reach: Reach = Reach.OTHERS) -> Resolved:
        """Nobody is registered; `tests/api/did_world.py` has a node with DIDs."""
        bundles = (self.world.bundle(StateClaim(self.world.state_proof("identity", identity_key(did)))),) if has_proof else ()
        return Resolved(None, {}, f"{did} is not registered", height=2, time_ns=0, bundles=bundles)


def with_memo(node: FakeNode, memo: str) -> bytes:
    """A transaction with a memo; its signature is not looked at by the fake node."""
    tx = decode_transaction(node.world.raws[1])
    return encode_transaction(encode_body(replace(tx.body, memo=memo)), tx.signatures)
