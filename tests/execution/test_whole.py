"""A batch of evidence is done whole when everything about it is good, and only then; the disk holds the same either way."""

from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest

from chainnode.did.record import SIGNING, Document, Method, document_value
from chainnode.digests import batch_digest
from chainnode.mempool.batch import Batch
from chainnode.sheets import PlainSheet, Sheet
from chainnode.storage.kv import MemoryKV
from chainnode.transactions import decode_batch, encode_batch
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX
from chainnode.types.transaction import Invocation, Transaction
from tests.chain_maker import key_of, make_transaction
from tests.contracts.council import did
from tests.execution.record_twin import TwinSheet
from tests.execution.twins import BAD_ARGUMENTS, DIGESTS, PARAMS, Twins, as_read, codes_of, recorded, row
from tests.node.small_chain import CLIENT, SmallChain, genesis_of, proposal

LONGEST_MS = PARAMS.tx_lifetime_ms_max
GRANT = Invocation("roles", "grant", (did("stranger"), "member", 0, b"\x05" * 32))
REVOKE = Invocation("roles", "revoke", (did("stranger"), "member", "because"))
FREEZE = Invocation("supervision", "propose", ("account", did("mia"), "because", b"\x05" * 32, 0))


def apply(twins: Twins, *batches: Sequence[Transaction]) -> tuple[list[str], list[bool]]:
    """The codes of a block, and which of its batches were done whole."""
    outcome = twins.apply_batches(*batches)
    return codes_of(outcome), [batch.keep is not None for batch in outcome.batches]


def good(twins: Twins, number: int, name: str = "mia") -> Transaction:
    """One that can be put on record."""
    return twins.signed((name,), recorded(row(sha256(b"good %d" % number).digest())))


def test_good_batches_are_done_whole() -> None:
    twins = Twins()
    long = [row(sha256(b"long %d" % number).digest(), b"m" * EVIDENCE_META_BYTES_MAX, "sm3") for number in range(30)]
    first = [good(twins, 0), twins.signed(("cus",), recorded(*long)), good(twins, 1, "ada"), good(twins, 2)]
    assert apply(twins, first, [good(twins, 3)]) == (["ok"] * 5, [True, True])
    assert apply(twins, [good(twins, 4)]) == (["ok"], [True])
    assert twins.log.size == 35


def test_what_is_at_the_edge_of_its_time_is_good() -> None:
    twins = Twins()
    batch = [twins.signed(("mia",), recorded(row(DIGESTS[n])), until_ms=twins.time_ms + after) for n, after in enumerate((0, LONGEST_MS))]
    assert apply(twins, batch) == (["ok", "ok"], [True])


@pytest.mark.parametrize(
    "make, code",
    [
        (lambda twins: twins.signed(("mia",), recorded(row()), until_ms=twins.time_ms - 1), "expired"),
        (lambda twins: twins.signed(("mia",), recorded(row()), until_ms=twins.time_ms + LONGEST_MS + 1), "too-far-ahead"),
        (lambda twins: twins.signed(("mia",), recorded(row()), chain_id="other-1"), "wrong-chain"),
        (lambda twins: twins.signed(("mia",), recorded(*BAD_ARGUMENTS[-1])), "too-large"),
        (lambda twins: twins.signed(("mia",), recorded(row()), key="cus"), "key-not-authorised"),
        (lambda twins: twins.signed(("stranger",), recorded(row())), "not-member"),
        (lambda twins: twins.signed(("mia", "cus"), recorded(row())), "ok"),
        (lambda twins: twins.signed(("mia",), recorded()), "too-many"),
        (lambda twins: twins.signed(("ada",), GRANT), "ok"),
    ],
    ids=["expired", "too far ahead", "another chain", "too long", "another's key", "no member", "two signers", "no record", "other call"],
)
def test_one_that_is_not_plainly_good_sends_its_batch_the_other_way(make: Callable[[Twins], Transaction], code: str) -> None:
    for place in (0, 1):
        twins = Twins()
        batch = [good(twins, 0), good(twins, 1)]
        batch.insert(place, make(twins))
        wanted = ["ok", "ok"]
        wanted.insert(place, code)
        assert apply(twins, [good(twins, 2)], batch, [good(twins, 3)]) == (["ok", *wanted, "ok"], [True, False, True])


def test_a_transaction_of_an_earlier_batch_or_block_is_not_done_again() -> None:
    twins = Twins()
    one, two, three = (good(twins, number) for number in range(3))
    assert apply(twins, [one, two], [one, two], [two, three]) == (
        ["ok", "ok", "replayed", "replayed", "replayed", "ok"],
        [True, False, False],
    )
    assert apply(twins, [one, good(twins, 5)], [good(twins, 6)]) == (["replayed", "ok", "ok"], [False, True])
    again = good(twins, 7)
    assert apply(twins, [again, good(twins, 8), again]) == (["ok", "ok", "replayed"], [False])


def test_a_transaction_that_failed_before_is_not_done_again_though_its_records_are_new() -> None:
    twins = Twins()
    one = good(twins, 0, "stranger")
    assert apply(twins, [one], [twins.signed(("ada",), GRANT)], [one], [good(twins, 1, "stranger")]) == (
        ["not-member", "ok", "replayed", "ok"],
        [False, False, False, True],
    )
    assert apply(twins, [good(twins, 2), one], [good(twins, 3)]) == (["ok", "replayed", "ok"], [False, True])


def test_digests_that_are_known_are_told_of() -> None:
    twins = Twins()

    def of(*numbers: int) -> Transaction:
        return twins.signed(("mia",), recorded(*(row(DIGESTS[number]) for number in numbers)))

    assert apply(twins, [of(0), of(1)], [of(2), of(1)], [of(3, 4)], [of(5, 5)], [of(6), of(6)])[1] == [True, False, True, False, False]
    assert apply(twins, [of(7), of(4)], [of(8)], [of(8)])[1] == [False, True, False]
    assert twins.log.size == 14


def test_what_an_earlier_batch_changes_counts() -> None:
    twins = Twins()
    block = [[good(twins, 0, "stranger")], [twins.signed(("ada",), GRANT)], [good(twins, 1, "stranger")]]
    assert apply(twins, *block) == (["not-member", "ok", "ok"], [False, False, True])
    block = [[good(twins, 2, "stranger")], [twins.signed(("ada",), REVOKE)], [good(twins, 3, "stranger")], [good(twins, 4)]]
    assert apply(twins, *block) == (["ok", "ok", "not-member", "ok"], [True, False, False, True])
    freezing = [twins.signed(("sue",), FREEZE), twins.signed(("sid",), Invocation("supervision", "sign", (1,)))]
    block = [[good(twins, 5)], freezing, [good(twins, 6)], [good(twins, 7, "cus")]]
    assert apply(twins, *block) == (["ok", "ok", "ok", "account-frozen", "ok"], [True, False, False, True])


def test_keys_that_an_earlier_batch_lists_speak_and_others_do_not() -> None:
    twins = Twins()
    listed = document_value(Document((Method("new", "e", key_of("new").public, SIGNING),)))

    def of(number: int, key: str) -> list[Transaction]:
        return [twins.signed(("mia",), recorded(row(sha256(b"%d" % number).digest())), key=key)]

    block = [
        of(0, "mia"),
        of(1, "new"),
        [twins.signed(("mia",), Invocation("identity", "create", (did("mia"), listed)))],
        of(2, "mia"),
        of(3, "new"),
    ]
    wanted = ["ok", "key-not-authorised", "ok", "key-not-authorised", "ok"]
    assert apply(twins, *block) == (wanted, [True, False, False, False, True])


# On the disk


def evidence(number: int, count: int, *, meta: bytes = b"m" * 60) -> bytes:
    """A transaction of the one member of a small chain."""
    rows = tuple(("sha-256", sha256(b"%d %d" % (number, place)).digest(), meta) for place in range(count))
    return make_transaction(genesis_of(), [CLIENT], [Invocation("evidence", "record", (rows,))], nonce=number)


def blocks() -> list[list[list[bytes]]]:
    """Blocks of batches of transactions."""
    stranger = make_transaction(genesis_of(), [key_of("stranger")], [Invocation("evidence", "record", ((),))], nonce=1)
    return [
        [[evidence(1, 1), evidence(2, 3)], [evidence(3, 700), evidence(4, 1)], [proposal(1, "nothing")]],
        [[evidence(5, 1), stranger], [evidence(6, 2)], [evidence(7, 256)], [evidence(5, 1)]],
        [],
        [[evidence(8, 1, meta=b"")], [evidence(9, 255), evidence(10, 257)], [evidence(1, 1), evidence(11, 300)]],
    ]


def filled(make: Callable[[Sequence[Transaction]], Sheet]) -> tuple[SmallChain, MemoryKV, list[bytes]]:
    """A chain of these blocks, whose sheets are made so."""
    kv = MemoryKV()
    small, app_hashes = SmallChain.open(kv), list[bytes]()
    for block in blocks():
        raws = [encode_batch(one) for one in block]
        applied = small.decide(*(Batch(batch_digest(raw), raw, make(decode_batch(raw))) for raw in raws))
        app_hashes += (applied.tip.app_hash, applied.tip.results_hash)
        assert [batch.ids for batch in applied.batches] == [tuple(tx.tx_id for tx in decode_batch(raw)) for raw in raws]
        assert [batch.first for batch in applied.batches] == [sum(len(one) for one in block[:place]) for place in range(len(block))]
        assert [batch.digest for batch in applied.batches] == [batch_digest(raw) for raw in raws]
        assert [result for batch in applied.batches for result in batch.results] == list(applied.results)
    return small, kv, app_hashes


@pytest.mark.parametrize("make", [TwinSheet, as_read], ids=["plain twin", "as read"])
def test_the_disk_holds_the_same_bytes_and_gives_all_back(make: Callable[[Sequence[Transaction]], Sheet]) -> None:
    plain, plain_kv, plain_hashes = filled(PlainSheet)
    small, kv, hashes = filled(make)
    assert hashes == plain_hashes
    assert list(kv.iterate(b"\x00", b"\xff")) == list(plain_kv.iterate(b"\x00", b"\xff"))
    ledger = small.chain.state.ledger
    assert ledger.log_state() == plain.chain.state.ledger.log_state()
    for height, block in enumerate(blocks(), start=1):
        assert ledger.batches(height) == tuple(encode_batch(one) for one in block)
    for index in range(ledger.log_state().size):
        assert ledger.log_record(index) == plain.chain.state.ledger.log_record(index)
    assert ledger._records.tile(0, ledger.log_state().size) == plain.chain.state.ledger._records.tile(0, ledger.log_state().size)
