"""What is done at once for speed does the same as one by one: random blocks, good and bad, against the plain twin; and who may, when."""

import random
from dataclasses import dataclass, field
from hashlib import sha256

import pytest

from chainnode.crypto.suites import sign
from chainnode.did.record import SIGNING, Document, Method, document_value
from chainnode.digests import genesis_hash
from chainnode.evidencelog import EMPTY_LOG, LogState
from chainnode.execution.engine import BlockContext, BlockOutcome, NothingYet, apply_block, apply_genesis
from chainnode.execution.state import State
from chainnode.transactions import decode_transaction, encode_body, encode_transaction, sign_bytes
from chainnode.types.codes import CODES
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX
from chainnode.types.transaction import Invocation, Signature, Transaction, TransactionBody, Value
from contracts import evidencelane
from contracts.registry import SystemContracts
from tests.chain_maker import key_of
from tests.contracts.council import did, genesis_of
from tests.execution.plain_way import apply_plainly
from tests.execution.readers import DictReader

LAW = SystemContracts()
GENESIS: Genesis = genesis_of(("ada",), ("v1",))
START_MS = GENESIS.time_ns // 1_000_000
NAMES = ("ada", "mia", "cus", "sue", "sid", "stranger")
DIGESTS = [sha256(b"%d" % number).digest() for number in range(12)]
PARAMS = ChainParams(tx_bytes_max=40_000)
SEEDS = range(6)
NUMBERS = {code.number: name for name, code in CODES.items()}


def row(digest: bytes = DIGESTS[0], meta: bytes = b"scan", algorithm: str = "sha-256") -> tuple[Value, ...]:
    """A record."""
    return (algorithm, digest, meta)


def recorded(*rows: Value) -> Invocation:
    """A call to put them on record."""
    return Invocation("evidence", "record", (rows,))


@dataclass
class Twins:
    """One chain applied both ways, block by block."""

    seed: int = 0
    height: int = 0
    log: LogState = EMPTY_LOG
    reader: DictReader = field(default_factory=DictReader)
    used: list[Transaction] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._keep(apply_genesis(LAW, GENESIS))

    @property
    def time_ms(self) -> int:
        """Of the next block."""
        return START_MS + (self.height + 1) * 1_000

    def signed(
        self, names: tuple[str, ...], *calls: Invocation, key: str = "", until_ms: int | None = None, chain_id: str = ""
    ) -> Transaction:
        """A transaction of these. `key`: whose key signs in place of the first signer's own."""
        until_ms = self.time_ms + 60_000 if until_ms is None else until_ms
        body = TransactionBody(chain_id or GENESIS.chain_id, tuple(map(did, names)), self.random.randbytes(16), until_ms, calls)
        body_bytes = encode_body(body)
        keys = [key_of(key or names[0]), *map(key_of, names[1:])]
        message = sign_bytes(genesis_hash(GENESIS), body_bytes)
        return decode_transaction(encode_transaction(body_bytes, [Signature("e", one.public, sign(one, message)) for one in keys]))

    def apply(self, *txs: Transaction) -> list[str]:
        """The codes of a block; both ways agree on all that is written."""
        context = BlockContext(GENESIS.chain_id, self.height + 1, self.time_ms)
        fast = apply_block(LAW, self.reader, self.log, context, PARAMS, txs)
        plain = apply_plainly(LAW, self.reader, self.log, context, PARAMS, txs)
        for place, (one, other) in enumerate(zip(fast.results, plain.results, strict=True)):
            assert one == other, f"seed {self.seed}, height {context.height}, transaction {place}"
        assert fast == plain, f"seed {self.seed}, height {context.height}"
        assert {space: list(entries) for space, entries in fast.index_writes.items()} == {
            space: list(entries) for space, entries in plain.index_writes.items()
        }
        self.height += 1
        self._keep(fast)
        return [NUMBERS[result.code] for result in fast.results]

    def _keep(self, outcome: BlockOutcome) -> None:
        for store, entries in outcome.store_writes.items():
            for key, value in entries:
                if value is None:
                    self.reader.values.pop((store, key), None)
                else:
                    self.reader.values[store, key] = value
        self.reader.index |= {(space, key): value for space, entries in outcome.index_writes.items() for key, value in entries.items()}
        self.log = outcome.log_growth[0]

    # Random transactions

    def any(self) -> Transaction:
        """Good ones mostly."""
        dice = self.random
        kind = dice.randrange(20)
        who = dice.choice(NAMES)
        if kind < 8:
            return self.signed((who,), recorded(*(self.any_row() for _ in range(dice.choice((1, 1, 2, 5))))))
        if kind < 11:
            return self.signed((who,), recorded(*dice.choice(BAD_ARGUMENTS)))
        if kind == 11:
            return self.signed((who,), recorded(self.any_row()), recorded(*dice.choice(((self.any_row(),), ()))))
        if kind == 12:
            return self.signed((who, dice.choice([name for name in NAMES if name != who])), recorded(self.any_row()))
        if kind == 13:
            until_ms = self.time_ms + dice.choice((-1, 0, PARAMS.tx_lifetime_ms_max, PARAMS.tx_lifetime_ms_max + 1))
            return self.signed((who,), recorded(self.any_row()), until_ms=until_ms)
        if kind == 14 and self.used:
            return dice.choice(self.used)
        if kind == 15:
            return self.signed((who,), recorded(self.any_row()), key=dice.choice(NAMES), chain_id=dice.choice(("", "other-1")))
        return self.signed((who,), *self.any_change(who))

    def any_row(self) -> tuple[Value, ...]:
        """A record of one of few digests, or of a new one."""
        digest = self.random.choice([*DIGESTS, self.random.randbytes(32)])
        return row(digest, self.random.randbytes(self.random.choice((0, 3, 300))), self.random.choice(("sha-256", "sm3", "sha3-256")))

    def any_change(self, who: str) -> tuple[Invocation, ...]:
        """Calls that change who may do what, and calls that fail behind them."""
        dice = self.random
        whom, tail = did(dice.choice(NAMES)), dice.choice(((), (), (recorded(),), (recorded(self.any_row()),)))
        listed = document_value(Document((Method("new", "e", key_of(dice.choice(NAMES)).public, SIGNING),)))
        return dice.choice(
            (
                (Invocation("roles", "grant", (whom, "member", 0, b"\x05" * 32)), *tail),
                (Invocation("roles", "revoke", (whom, "member", "because")), *tail),
                (Invocation("identity", "create", (did(who), listed)), *tail),
                (Invocation("supervision", "propose", ("account", whom, "because", b"\x05" * 32, 0)), *tail),
                (Invocation("supervision", "sign", (dice.randrange(1, 4),)), *tail),
                (Invocation("supervision", "lift", (dice.randrange(1, 4), "because")), *tail),
                (Invocation("goods", "commission", (f"i-{dice.randrange(3)}", "s", (("code", "tea", 5, "KGM", b"\x01" * 32),))), *tail),
                (Invocation("nothing", "here", ()), *tail),
            )
        )


BAD_ARGUMENTS: tuple[tuple[Value, ...], ...] = (
    (),
    (row(b"\x01" * 31),),
    (row(algorithm="md5"),),
    (row(algorithm="evidence"), row()),
    (row(meta=b"m" * (EVIDENCE_META_BYTES_MAX + 1)),),
    (row(), row(meta=b"m" * (EVIDENCE_META_BYTES_MAX + 1))),
    (row(meta=b"m" * EVIDENCE_META_BYTES_MAX),),
    (("sha-256", DIGESTS[0]),),
    (row(), ("sha-256", DIGESTS[0])),
    ((*row(), b""),),
    ("sha-256",),
    (row(), 7),
    ((b"sha-256", DIGESTS[0], b""),),
    (("sha-256", "d" * 32, b""),),
    (("sha-256", DIGESTS[0], "scan"),),
    (("sha-256", DIGESTS[0], None),),
    ((("sha-256",), DIGESTS[0], b""),),
    (({"sha-256": 1}, DIGESTS[0], b""),),
    tuple(row(sha256(b"many %d" % number).digest()) for number in range(300)),
    tuple(row(sha256(b"big %d" % number).digest(), b"m" * 900) for number in range(60)),  # beyond tx_bytes_max
)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_blocks_do_the_same_both_ways(seed: int) -> None:
    twins, seen = Twins(seed), set[str]()
    for size in (40, 0, 1, *(40,) * 9):
        block: list[Transaction] = []
        for _ in range(size):
            block.append(twins.any())
            twins.used.append(block[-1])
        seen |= set(twins.apply(*block))
    assert seen >= {"ok", "not-member", "bad-arguments", "bad-digest", "replayed", "key-not-authorised"}, f"seed {seed}: too little: {seen}"


def test_the_lane_takes_what_it_should_and_nothing_else() -> None:
    twins = Twins()
    good = [
        twins.signed(("mia",), recorded(row())),
        twins.signed(("mia",), recorded(row(), row(DIGESTS[1]))),
        twins.signed(("cus",), recorded(*(row(sha256(b"%d" % n).digest(), b"m" * EVIDENCE_META_BYTES_MAX) for n in range(9)))),
    ]
    bad = [twins.signed(("mia",), recorded(*rows)) for rows in BAD_ARGUMENTS[:6] + BAD_ARGUMENTS[7:18]]
    other = [
        twins.signed(("mia",), recorded(row()), recorded(row())),
        twins.signed(("mia", "cus"), recorded(row())),
        twins.signed(("mia",), Invocation("roles", "record", ((row(),),))),
        twins.signed(("mia",), Invocation("evidence", "forget", ((row(),),))),
        twins.signed(("mia",), Invocation("evidence", "record", ((row(),), 1))),
        twins.signed(("mia",), Invocation("evidence", "record", ("rows",))),
        twins.signed(("stranger",), recorded(row())),
    ]
    for tx in good:
        lane = evidencelane.lane(State(twins.reader), 1, twins.time_ms, [tx])
        assert (lane.ends, lane.may(0)) == ([1], True)
    for tx in (*bad, *other):
        lane = evidencelane.lane(State(twins.reader), 1, twins.time_ms, [tx])
        assert lane.ends == [0] or not lane.may(0)
    ends = evidencelane.lane(State(twins.reader), 1, twins.time_ms, [good[0], good[1], bad[0], bad[1], good[2]]).ends
    assert ends == [2, 2, 2, 3, 5]
    twins.apply(*good, *bad, *other)


def test_what_is_refused_one_by_one_is_refused_in_a_run() -> None:
    twins = Twins()
    first, second = twins.signed(("mia",), recorded(row())), twins.signed(("mia",), recorded(row(DIGESTS[1])))
    block = [
        first,
        twins.signed(("mia",), recorded(row()), until_ms=twins.time_ms - 1),
        second,
        twins.signed(("mia",), recorded(row()), until_ms=twins.time_ms + PARAMS.tx_lifetime_ms_max + 1),
        twins.signed(("mia",), recorded(row()), until_ms=twins.time_ms),
        twins.signed(("mia",), recorded(row()), chain_id="other-1"),
        twins.signed(("cus",), recorded(row())),
        twins.signed(("mia",), recorded(*BAD_ARGUMENTS[-1])),
        first,
        twins.signed(("cus",), recorded(row()), key="mia"),
        twins.signed(("cus",), recorded(row())),
    ]
    wanted = ["ok", "expired", "ok", "too-far-ahead", "ok", "wrong-chain", "ok", "too-large", "replayed", "key-not-authorised", "ok"]
    assert twins.apply(*block) == wanted
    assert twins.apply(second, twins.signed(("mia",), recorded(row())), second) == ["replayed", "ok", "replayed"]


def test_a_role_that_comes_or_goes_within_a_block_counts_for_the_next_transaction() -> None:
    twins = Twins()
    grant = Invocation("roles", "grant", (did("stranger"), "member", 0, b"\x05" * 32))
    revoke = Invocation("roles", "revoke", (did("stranger"), "member", "because"))

    def record() -> Transaction:
        return twins.signed(("stranger",), recorded(row()))

    block = [record(), twins.signed(("ada",), grant), record(), record(), twins.signed(("ada",), revoke), record()]
    assert twins.apply(*block) == ["not-member", "ok", "ok", "ok", "ok", "not-member"]
    block = [twins.signed(("mia",), recorded(row())) for _ in range(3)]
    assert twins.apply(block[0], record(), block[1], record(), record(), block[2]) == [
        "ok",
        "not-member",
        "ok",
        "not-member",
        "not-member",
        "ok",
    ]
    undone = twins.signed(("ada",), grant, recorded())
    assert twins.apply(record(), undone, record()) == ["not-member", "too-many", "not-member"]


def test_an_account_that_is_frozen_or_freed_within_a_block_is_so_for_the_next_transaction() -> None:
    twins = Twins()
    propose = Invocation("supervision", "propose", ("account", did("mia"), "because", b"\x05" * 32, 0))
    block = [
        twins.signed(("mia",), recorded(row())),
        twins.signed(("sue",), propose),
        twins.signed(("mia",), recorded(row())),
        twins.signed(("sid",), Invocation("supervision", "sign", (1,))),
        twins.signed(("mia",), recorded(row())),
        *(twins.signed((name,), Invocation("supervision", "lift", (1, "enough"))) for name in ("sue", "sid")),
        twins.signed(("mia",), recorded(row())),
    ]
    assert twins.apply(*block) == ["ok", "ok", "ok", "ok", "account-frozen", "ok", "ok", "ok"]


def test_keys_that_a_document_lists_within_a_block_speak_from_the_next_transaction_on() -> None:
    twins = Twins()
    listed = document_value(Document((Method("new", "e", key_of("new").public, SIGNING),)))
    create = Invocation("identity", "create", (did("mia"), listed))
    block = [
        twins.signed(("mia",), recorded(row())),
        twins.signed(("mia",), recorded(row()), key="new"),
        twins.signed(("mia",), create, recorded()),
        twins.signed(("mia",), recorded(row())),
        twins.signed(("mia",), create),
        twins.signed(("mia",), recorded(row())),
        twins.signed(("mia",), recorded(row()), key="new"),
    ]
    assert twins.apply(*block) == ["ok", "key-not-authorised", "too-many", "ok", "ok", "key-not-authorised", "ok"]


def test_a_memo_ends_with_a_write_to_what_it_rests_on_and_with_its_undoing() -> None:
    state = State(NothingYet())
    memo = state.memo("answers", "roles", "chains")
    other = state.memo("others", "goods")

    def fill() -> None:
        memo["asked"] = other["asked"] = True

    fill()
    state.store("roles").put(b"k", b"v")
    assert (memo, other) == ({}, {"asked": True})
    fill()
    state.store("chains").delete(b"k")
    assert (memo, other) == ({}, {"asked": True})
    state.checkpoint()
    mark = state.mark()
    state.store("roles").put(b"k", b"w")
    fill()
    state.undo_to(mark)
    assert (memo, other) == ({}, {"asked": True})
    assert state.memo("answers", "roles", "chains") is memo


def test_keys_of_the_index_are_new_until_they_are_set() -> None:
    reader = DictReader(index={("tx", b"old"): b"1"})
    for ahead in ((), (b"a", b"b", b"old")):
        state = State(reader)
        state.index_expect("tx", ahead)
        assert state.are_new("tx", (b"a", b"b")) and not state.are_new("tx", (b"a", b"a"))
        assert not state.are_new("tx", (b"a", b"old")) and not state.are_new("tx", (b"old",)) and state.are_new("tx", ())
        assert state.index_get_many("tx", (b"old", b"a")) == [b"1", None] and state.index_get("tx", b"old") == b"1"
        state.checkpoint()
        state.index_put("tx", b"a", b"2")
        assert not state.are_new("tx", (b"b", b"a")) and state.index_get_many("tx", (b"a", b"b", b"old")) == [b"2", None, b"1"]
        state.index_settle("tx", {b"b": b"3"})
        state.rollback()
        assert state.index_writes() == {"tx": {b"b": b"3"}} and state.are_new("tx", (b"a",)) and not state.are_new("tx", (b"b",))
        with pytest.raises(AssertionError):
            state.index_settle("tx", {b"b": b"4"})
        with pytest.raises(AssertionError):
            state.index_put_many("tx", {b"b": b"4"})
