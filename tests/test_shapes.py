"""A batch whose transactions are of few shapes answers as its transactions do; what is not of a shape for sure is left to others."""

import os
import random

import pytest

from chainnode import codec, shapes, sheets, transactions
from chainnode.columnsheet import ColumnSheet
from chainnode.errors import Malformed
from chainnode.shapes import read_shapes
from chainnode.sheets import PlainSheet
from chainnode.types.transaction import Invocation, Signature, TransactionBody
from tests.execution.record_twin import TwinSheet
from tests.native.forms import Forms
from tests.test_columnsheet import ALGORITHMS, GENESIS_HASH, KEYS, RECORD, assert_same, assert_same_records, records_of

SEED = int(os.environ.get("CHAINNODE_SEED", "20261126"))
TIME_MS = 1_795_000_000_000
NAMES = ["did:bid:ef" + letter * length for letter, length in (("a", 21), ("b", 22), ("c", 22), ("d", 24))]
RULES = ("evidence", "record", ALGORITHMS, 4096, 1024)
MANY = 40


def made(
    records, *, name=NAMES[1], time_ms=TIME_MS, nonce=b"n" * 16, memo="", call=("evidence", "record"), more=(), signers=1, chain="c-1"
):
    """The bytes of a transaction with these records, signed by nobody."""
    names = (name, *NAMES[:signers])[:signers]
    body = TransactionBody(chain, names, nonce, time_ms, (Invocation(*call, (tuple(records), *more)),), memo)
    signature = Signature("e", KEYS[0].public, bytes(range(64)))
    return transactions.encode_transaction(transactions.encode_body(body), [signature] * len(names))


def sheet_of(raws) -> ColumnSheet | None:
    found = read_shapes(raws)
    return None if found is None else ColumnSheet(transactions.encode_batch(raws), *found)


def twin_of(raws) -> TwinSheet:
    return TwinSheet([transactions.decode_transaction(raw) for raw in raws])


def alike(draw: random.Random, kinds, each: int, meta_bytes: int) -> list[bytes]:
    """Transactions of these kinds, (records, name, memo), so many of each, in no order."""
    algorithm = draw.choice(ALGORITHMS)
    raws = []
    for count, name, memo in kinds * each:
        records = [(algorithm, digest, meta) for _, digest, meta in records_of(draw, count, meta_bytes=meta_bytes)]
        raws.append(made(records, name=name, memo=memo, nonce=draw.randbytes(16), time_ms=draw.choice([2**32, TIME_MS, 2**63 - 1])))
    draw.shuffle(raws)
    return raws


KINDS = {
    "one record": [(1, NAMES[1], "")],
    "one record, names of three lengths": [(1, name, "") for name in (NAMES[0], NAMES[1], NAMES[3])],
    "two names of a length, by turns": [(1, NAMES[1], ""), (1, NAMES[2], "")],
    "sixteen records": [(16, NAMES[1], "")],
    "some more, some less": [(count, NAMES[1], "") for count in (1, 2, 15, 17, 40)],
    "with memos": [(3, NAMES[0], "é" * 128), (3, NAMES[1], "memo")],
}


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("meta_bytes", [0, 68, 255, 256])
def test_transactions_that_are_alike_are_read_by_their_shapes(kinds, meta_bytes):
    draw = random.Random(SEED + meta_bytes)
    print(f"CHAINNODE_SEED={SEED}")
    raws = alike(draw, kinds, MANY, meta_bytes)
    sheet, twin = sheet_of(raws), twin_of(raws)
    assert sheet is not None
    assert_same(sheet, twin)
    assert sheet.verify_each(GENESIS_HASH) == twin.verify_each(GENESIS_HASH)
    for chunk in (256, 3):
        assert assert_same_records(sheet, twin, first=127, number=7, chunk=chunk, rules=RULES)


def test_bytes_of_all_kinds_are_read_as_one_by_one_or_left_to_that():
    print(f"CHAINNODE_SEED={SEED}")
    sure = 0
    for raw in Forms(SEED).raws(2000):
        try:
            twin = TwinSheet([transactions.decode_transaction(raw)] * MANY)
        except Malformed:
            assert read_shapes([raw] * MANY) is None
            continue
        sheet = sheet_of([raw] * MANY)
        if sheet is not None:
            sure += 1
            assert_same(sheet, twin)
            assert_same_records(sheet, twin, rules=RULES)
    assert sure > 20


@pytest.mark.parametrize(("count", "step"), [(1, 1), (1, 0x80), (2, 0x80), (16, 1)])
def test_a_byte_that_is_another_is_seen_wherever_it_stands(count, step):
    raws = alike(random.Random(SEED), [(count, NAMES[1], "m")], {1: MANY, 2: MANY, 16: 12}[count], 3)
    txs, taken = [transactions.decode_transaction(raw) for raw in raws], 0
    for place in range(len(raws[0])):
        changed = bytearray(raws[3])
        changed[place] = (changed[place] + step) % 256
        batch = [*raws[:3], bytes(changed), *raws[4:]]
        sheet = sheet_of(batch)
        try:
            twin = TwinSheet([*txs[:3], transactions.decode_transaction(batch[3]), *txs[4:]])
        except Malformed:
            assert sheet is None, place
            continue
        if sheet is not None:
            taken += 1
            assert sheet.txs == twin.txs
            assert_same_records(sheet, twin, rules=RULES)
    assert taken >= (32 + 3) * count + 16 + 32 + 64  # digests and descriptions, nonce, key, signature


@pytest.mark.parametrize("time", [0, 2**32 - 1, 2**63, 2**64 - 1])
def test_a_time_that_has_another_form_or_is_none_is_not_taken(time):
    raws = [made([RECORD])] * MANY
    assert sheet_of(raws) is not None
    wrong = raws[0].replace(TIME_MS.to_bytes(8), time.to_bytes(8))
    with pytest.raises(Malformed):
        transactions.decode_transaction(wrong)
    assert sheet_of([*raws, wrong]) is None


@pytest.mark.parametrize("time_ms", [0, 2**16, 2**32 - 1])
def test_transactions_with_a_time_long_ago_have_no_shape(time_ms):
    assert sheet_of([made([RECORD], time_ms=time_ms)] * MANY) is None


def test_a_name_of_other_letters_is_not_taken():
    raws = [made([RECORD], name=f"did{number % 9 + 1}") for number in range(MANY)]
    assert sheet_of(raws) is not None
    for other in (b"d\xc3\xa91", b"di\xff1"):
        assert sheet_of([*raws, raws[0].replace(b"did1", other)]) is None


OTHER = {
    "no records": made([]),
    "records that are none": made(["abc"]),
    "numbers": made([7]),
    "a record of two": made([RECORD[:2]]),
    "a record of four": made([(*RECORD, 1)]),
    "an algorithm of bytes": made([(b"sha-256", *RECORD[1:])]),
    "a digest of text": made([(RECORD[0], "d" * 32, b"")]),
    "a description of text": made([(*RECORD[:2], "text")]),
    "a short digest": made([(RECORD[0], bytes(31), b"")]),
    "algorithms that differ": made([RECORD, ("sm3", *RECORD[1:])]),
    "descriptions that differ": made([RECORD, (*RECORD[:2], b"m")]),
    "two arguments": made([RECORD], more=(1,)),
    "two signers": made([RECORD], signers=2),
}


@pytest.mark.parametrize("raw", OTHER.values(), ids=OTHER)
def test_what_is_not_one_list_of_records_of_one_length_has_no_shape(raw):
    transactions.decode_transaction(raw)
    assert sheet_of([raw] * MANY) is None


def test_two_calls_have_no_shape():
    call = Invocation("evidence", "record", ((RECORD,),))
    body = transactions.encode_body(TransactionBody("c-1", (NAMES[0],), b"n" * 16, TIME_MS, (call, call)))
    raw = transactions.encode_transaction(body, [Signature("e", KEYS[0].public, bytes(64))])
    assert sheet_of([raw] * MANY) is None


def test_no_argument_has_no_shape():
    body = transactions.encode_body(TransactionBody("c-1", (NAMES[0],), b"n" * 16, TIME_MS, (Invocation("evidence", "record", ()),)))
    raw = transactions.encode_transaction(body, [Signature("e", KEYS[0].public, bytes(64))])
    assert sheet_of([raw] * MANY) is None


def test_records_whose_lengths_differ_are_seen_though_heads_stand_where_they_would_be_if_they_did_not():
    """Each description has the bytes of a record's head, and those before a description, 50 bytes behind where its own stand."""
    written = codec.pack(("sha-256", bytes(32), bytes(60)))
    looks = bytes(5) + written[:45] + bytes(10)
    raw = made([("sha-256", bytes(32), looks), ("sha-256", bytes(32), looks + bytes(50))])
    region = raw[raw.index(written[:45]) + 50 :]
    assert len(written) == 105 and region[:45] == region[105:150] == written[:45]
    transactions.decode_transaction(raw)
    assert sheet_of([raw] * MANY) is None


def test_an_algorithm_with_a_long_name_has_no_shape():
    """To look at each byte of such in all records took 45 ms of a batch of 1 MiB."""
    longest = "a" * (64 - len(b"\x93\xd9\x3d\xc4\x20"))
    assert sheet_of([made([(longest, *RECORD[1:])] * 2)] * MANY) is not None
    assert sheet_of([made([(longest + "a", *RECORD[1:])] * 2)] * MANY) is None


def test_descriptions_of_two_lengths_in_a_batch_are_left_to_the_columns():
    raws = [made([RECORD])] * MANY + [made([(*RECORD[:2], b"another")])] * MANY
    assert sheet_of(raws) is None
    assert sheet_of(raws[:MANY]) is not None and sheet_of(raws[MANY:]) is not None


def test_too_few_of_a_length_are_left_to_the_columns():
    raw, short = made([RECORD]), made([RECORD], name=NAMES[0])
    enough = 3 + -(-6_000 // len(raw))
    assert sheet_of([raw] * enough) is not None
    assert sheet_of([raw] * (enough - 1)) is None
    assert sheet_of([raw] * enough + [short]) is None
    assert sheet_of([raw] * enough * 2 + [short]) is not None
    large = made([(*RECORD[:2], bytes(70))] * 100)
    assert sheet_of([large] * 4) is not None and sheet_of([large] * 3) is None


def test_two_chains_of_a_batch_are_told():
    raws = [made([RECORD], chain=chain) for chain in ("c-1", "c-23")] * MANY
    sheet, twin = sheet_of(raws), twin_of(raws)
    assert sheet is not None
    assert_same(sheet, twin)
    assert sheet.chain_id is None


@pytest.mark.parametrize(
    "rules",
    [
        ("goods", "record", ALGORITHMS, 3, 40),
        ("evidence", "put", ALGORITHMS, 3, 40),
        ("evidence", "record", ("sm3",), 3, 40),
        ("evidence", "record", ALGORITHMS, 2, 40),
        ("evidence", "record", ALGORITHMS, 3, 39),
    ],
    ids=["contract", "method", "algorithm", "records", "description"],
)
def test_records_are_taken_under_the_rules_of_evidence_alone(rules):
    raws = [made([(*RECORD[:2], bytes(40))] * 3)] * MANY
    sheet, twin = sheet_of(raws), twin_of(raws)
    assert sheet is not None
    assert assert_same_records(sheet, twin, rules=("evidence", "record", ALGORITHMS, 3, 40))
    assert sheet.take(*rules) is None and twin.take(*rules) is None


@pytest.mark.parametrize(
    ("count", "other"),
    [(2, {"call": ("evidence", "put")}), (2, {"call": ("goods", "record"), "name": NAMES[0]}), (3, {})],
    ids=["method", "contract", "records"],
)
def test_under_the_rules_of_evidence_are_all_shapes_or_none(count, other):
    records = [(*RECORD[:2], bytes(40))] * 3
    raws = [made(records[:2])] * MANY + [made(records[:count], **other)] * MANY
    sheet, twin = sheet_of(raws), twin_of(raws)
    assert sheet is not None
    rules = ("evidence", "record", ALGORITHMS, 2, 40)
    assert sheet.take(*rules) is None and twin.take(*rules) is None


def test_a_sheet_of_what_is_alike_is_made_by_shapes_where_there_is_no_c(monkeypatch):
    monkeypatch.setattr(transactions, "NATIVE", None)
    raws = [made([RECORD])] * MANY
    monkeypatch.setattr(shapes, "_shape_of", lambda raw, plainly=shapes._shape_of: seen.append(raw) or plainly(raw))
    seen: list[bytes] = []
    sheet = sheets.read_sheet(transactions.encode_batch(raws))
    assert isinstance(sheet, ColumnSheet) and seen == raws[:1]
    assert_same(sheet, PlainSheet([transactions.decode_transaction(raw) for raw in raws]))
