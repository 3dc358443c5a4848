"""A batch read by columns answers as its transactions do, and as the functions that make one thing at a time."""

import os
import random

import msgpack
import pytest

from chainnode import codec, columns, sheets, transactions
from chainnode.columnsheet import ColumnSheet
from chainnode.crypto.suites import generate, sign
from chainnode.errors import Malformed
from chainnode.keytable import packed
from chainnode.sheets import PlainSheet
from chainnode.storage.punched import fill
from chainnode.types.limits import TX_BYTES_MAX
from chainnode.types.transaction import Invocation, Signature, TransactionBody
from tests.execution.record_twin import TwinSheet
from tests.native.forms import DIDS, LENGTHS, SIGNATURE, Forms

SEED = int(os.environ.get("CHAINNODE_SEED", "20261126"))
GENESIS_HASH = bytes(range(32))
KEYS = [generate("e", bytes([number]) * 32) for number in range(1, 5)]
RECORD = ("sha-256", b"d" * 32, b"meta")
CALL = ("evidence", "record", ((RECORD,),))
FIELDS = (1, "bench-1", (DIDS[0],), b"n" * 16, 1_795_000_000_000, (CALL,), "")
ROW = ("e", SIGNATURE.public_key, SIGNATURE.signature)
ALGORITHMS = ("sha-256", "sm3", "sha3-256")
RULES = ("evidence", "record", ALGORITHMS, 4096, 1024)


def whole(fields=FIELDS, rows=(ROW,)) -> bytes:
    """A transaction of these fields, whatever they are."""
    return write((write(fields), rows))


def write(value) -> bytes:
    """As msgpack, without our rules."""
    return msgpack.packb(value)


def field(place: int, value) -> bytes:
    return whole((*FIELDS[:place], value, *FIELDS[place + 1 :]))


def sheet_of(raws) -> ColumnSheet | None:
    found = columns.read_columns(raws)
    return None if found is None else ColumnSheet(transactions.encode_batch(raws), found)


def assert_same(sheet, plain) -> None:
    assert sheet.txs == plain.txs
    assert sheet.ids == plain.ids and sheet.chain_id == plain.chain_id
    assert sheet.valid_until_ms == plain.valid_until_ms and sheet.longest == plain.longest
    assert sheet.speakers == plain.speakers and sheet.raw_digests() == plain.raw_digests()


def assert_same_records(sheet, twin, *, first: int = 0, number: int = 0, chunk: int = 256, rules=RULES) -> bool:
    digests, wanted = sheet.take(*rules), twin.take(*rules)
    assert (None if digests is None else packed(digests)) == wanted
    if digests is None:
        return False
    beginnings = [b"beginning %d" % place for place in range(len(sheet.speakers))]
    assert sheet.record(beginnings, first) == twin.record(beginnings, first)
    assert sheet.keep(beginnings, number, chunk) == twin.keep(beginnings, number, chunk)
    return True


def test_bytes_of_all_kinds_are_read_as_one_by_one_or_left_to_that():
    print(f"CHAINNODE_SEED={SEED}")
    forms = Forms(SEED)
    sure = 0
    for number, raw in enumerate(forms.raws(3000)):
        raws = [raw] if number % 2 else [forms.good(), raw, forms.good()]
        try:
            txs = [transactions.decode_transaction(one) for one in raws]
        except Malformed:
            assert columns.read_columns(raws) is None
            continue
        sheet = sheet_of(raws)
        if sheet is not None:
            sure += 1
            assert_same(sheet, PlainSheet(txs))
            assert_same_records(sheet, TwinSheet(txs))
    assert sure > 400


ODD = [None, True, 0, 1, 2, -1, 2**63, 1.5, "", "é", "a" * 65, b"", b"n" * 15, b"n" * 17, (), ("a",), ((),), {}, {"a": 1}]


def nested(levels: int):
    value = None
    for _ in range(levels):
        value = (value,)
    return value


def of_length(length: int) -> bytes:
    """A transaction of so many bytes."""
    spare = length - len(field(5, ((*CALL[:2], (bytes(0x10000),)),)))
    return field(5, ((*CALL[:2], (bytes(0x10000 + spare),)),))


BROKEN = {
    "six fields": whole(FIELDS[:6]),
    "eight fields": whole((*FIELDS, "")),
    "version True": field(0, True),
    "a chain id too long": field(1, "c" * 51),
    "a DID too long": field(2, ("d" * 58,)),
    "a DID of other letters": field(2, ("é",)),
    "an empty DID": field(2, ("",)),
    "a DID twice": whole((*FIELDS[:2], (DIDS[0],) * 2, *FIELDS[3:]), (ROW,) * 2),
    "seventeen signers": whole((*FIELDS[:2], tuple(f"did{number}" for number in range(17)), *FIELDS[3:]), (ROW,) * 17),
    "no signer": whole((*FIELDS[:2], (), *FIELDS[3:]), ()),
    "sixty-five calls": field(5, (CALL,) * 65),
    "a call of two": field(5, (CALL[:2],)),
    "a call of four": field(5, ((*CALL, ()),)),
    "a call that is no list": field(5, ("abc",)),
    "a contract without name": field(5, (("", *CALL[1:]),)),
    "a contract with a long name": field(5, (("c" * 65, *CALL[1:]),)),
    "a contract with a name of bytes": field(5, ((b"c", *CALL[1:]),)),
    "a method without name": field(5, ((CALL[0], "", ()),)),
    "a method of other letters": field(5, ((CALL[0], "é", ()),)),
    "arguments that are no list": field(5, ((*CALL[:2], "abc"),)),
    "arguments with a number that is broken": field(5, ((*CALL[:2], (1.5,)),)),
    "records with a number that is broken": field(5, ((*CALL[:2], ((RECORD, ("sha-256", 1.5, b"")),)),)),
    "arguments with an extension": field(5, ((*CALL[:2], (msgpack.ExtType(1, b""),)),)),
    "arguments too deep": field(5, ((*CALL[:2], (nested(13),)),)),
    "a memo too long": field(6, "m" * 257),
    "a memo of too many bytes": field(6, "é" * 129),
    "a body that is text": write(("abc", (ROW,))),
    "signatures that are no list": write((write(FIELDS), "e")),
    "signatures that are a number": write((write(FIELDS), 1)),
    "three parts": write((write(FIELDS), (ROW,), 1)),
    "one part": write((write(FIELDS),)),
    "no signature": whole(rows=()),
    "two signatures of one": whole(rows=(ROW, ROW)),
    "a signature that is no list": whole(rows=("abc",)),
    "a signature that is a number": whole(rows=(1,)),
    "a signature of two": whole(rows=(ROW[:2],)),
    "a signature of four": whole(rows=((*ROW, b""),)),
    "a suite of bytes": whole(rows=((b"e", *ROW[1:]),)),
    "a suite that is a map": whole(rows=(({}, *ROW[1:]),)),
    "a short key": whole(rows=(("e", bytes(31), ROW[2]),)),
    "a key of text": whole(rows=(("e", "k" * 32, ROW[2]),)),
    "a short signature": whole(rows=((*ROW[:2], bytes(63)),)),
    "a signature of text": whole(rows=((*ROW[:2], "s" * 64),)),
    "an unknown suite": whole(rows=(("x", *ROW[1:]),)),
    "a body in another form": write((write(FIELDS).replace(b"\xa7bench-1", b"\xd9\x07bench-1"), (ROW,))),
    "in another form": whole().replace(b"\x91\x93\xa1e", b"\x91\x93\xd9\x01e"),
    "something behind it": whole() + b"\x00",
    "something behind the body": write((write(FIELDS) + b"\x00", (ROW,))),
    "cut off": whole()[:-1],
    "a body cut off": write((write(FIELDS)[:-1], (ROW,))),
    "no text": whole().replace(b"bench-1", b"bench-\xff"),
    "nothing": b"",
    "too long": of_length(TX_BYTES_MAX + 1),
}
LEFT = {
    "a map": field(5, ((*CALL[:2], ({"a": 1},)),)),
    "a map in a list": field(5, ((*CALL[:2], (((1, {}),),)),)),
    "another suite": whole(rows=(("s", b"\x02" + bytes(32), ROW[2]),)),
    "an array of very many": field(5, ((*CALL[:2], ((0,) * 1025,)),)),
}
SURE = {
    "as it is": whole(),
    "arguments as deep as they may be": field(5, ((*CALL[:2], (nested(12),)),)),
    "no arguments": field(5, ((*CALL[:2], ()),)),
    "a memo as long as may be": field(6, "é" * 128),
    "sixty-four calls": field(5, (CALL,) * 64),
    "sixteen signers": whole((*FIELDS[:2], tuple(DIDS[:16]), *FIELDS[3:]), (ROW,) * 16),
    "the last time": field(4, 2**63 - 1),
    "as long as may be": of_length(TX_BYTES_MAX),
}


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_a_field_of_another_kind_is_judged_as_by_the_plain_reader(place, value):
    raw = field(place, value)
    sheet = sheet_of([whole(), raw])
    try:
        txs = [transactions.decode_transaction(one) for one in (whole(), raw)]
    except Malformed:
        assert sheet is None
    else:
        assert sheet is not None
        assert_same(sheet, PlainSheet(txs))


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_what_is_not_allowed_is_left_to_the_reader_that_says_why(raw):
    with pytest.raises(Malformed):
        transactions.decode_transaction(raw)
    assert columns.read_columns([raw]) is None
    assert columns.read_columns([whole(), raw]) is None


@pytest.mark.parametrize("raw", LEFT.values(), ids=LEFT)
def test_rare_kinds_are_left_to_the_plain_reader(raw):
    transactions.decode_transaction(raw)
    assert columns.read_columns([whole(), raw]) is None


@pytest.mark.parametrize("raw", SURE.values(), ids=SURE)
def test_what_is_common_is_read(raw):
    raws = [raw, whole(), raw]
    sheet = sheet_of(raws)
    assert sheet is not None
    assert_same(sheet, PlainSheet([transactions.decode_transaction(one) for one in raws]))


def signed(
    key, records, *, memo: str = "", calls=None, others=(), chain_id: str = "bench-1", valid_until_ms: int = 1_795_000_000_000
) -> bytes:
    """A transaction that puts records on the log, signed."""
    keys = (key, *others)
    dids = tuple(DIDS[KEYS.index(one)] for one in keys)
    calls = (Invocation("evidence", "record", (tuple(records),)),) if calls is None else calls
    body = transactions.encode_body(TransactionBody(chain_id, dids, random.Random(SEED).randbytes(16), valid_until_ms, calls, memo))
    message = transactions.sign_bytes(GENESIS_HASH, body)
    return transactions.encode_transaction(body, [Signature("e", one.public, sign(one, message)) for one in keys])


def records_of(draw: random.Random, count: int, *, meta_bytes: int | None = None):
    lengths = [length for length in LENGTHS if length <= 1024]
    return [
        (draw.choice(ALGORITHMS), draw.randbytes(32), draw.randbytes(draw.choice(lengths) if meta_bytes is None else meta_bytes))
        for _ in range(count)
    ]


def both(raws) -> tuple[ColumnSheet, TwinSheet]:
    sheet = sheet_of(raws)
    assert sheet is not None
    return sheet, TwinSheet([transactions.decode_transaction(one) for one in raws])


COUNTS = [[1], [2], [1] * 7, [100], [1, 3, 1], [1000], [255, 1, 1], [255, 2, 300], [256, 256], [1] * 300, [1, 1000, 1]]


@pytest.mark.parametrize("counts", COUNTS, ids=lambda counts: f"{len(counts)} of {sum(counts)}")
@pytest.mark.parametrize("first", [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**40])
def test_records_are_put_on_record_as_one_by_one(counts, first):
    draw = random.Random(SEED + first)
    memos = ["", "", "m", "memo" * 10, "é" * 128]
    raws = [signed(draw.choice(KEYS), records_of(draw, count), memo=draw.choice(memos)) for count in counts]
    sheet, twin = both(raws)
    assert_same(sheet, twin)
    for chunk in (256, 1, 3, 100):
        assert assert_same_records(sheet, twin, first=first, number=first % 1000, chunk=chunk)


@pytest.mark.parametrize("meta_bytes", [0, 31, 32, 255, 256, 1024])
def test_bodies_of_every_length_of_head_have_their_holes_where_the_records_were(meta_bytes):
    draw = random.Random(SEED)
    for count in (1, 2, 60, 300):
        raws = [signed(KEYS[0], records_of(draw, count, meta_bytes=meta_bytes)) for _ in range(3)]
        assert assert_same_records(*both(raws))


def test_records_that_stand_there_twice_are_kept_like_others():
    records = [RECORD, RECORD, ("sm3", b"e" * 32, RECORD[2])]
    raws = [signed(key, records[:count]) for key in KEYS for count in (1, 2, 3, 1)]
    assert assert_same_records(*both(raws))


def test_a_hole_is_where_the_records_are_whatever_looks_like_them_before():
    draw = random.Random(SEED)
    records = records_of(draw, 3, meta_bytes=100)
    made = [transactions.decode_transaction(signed(KEYS[0], [record])) for record in records]
    looks = codec.pack(records[1])[1:49].rjust(64, b"\x93")
    raws = [transactions.encode_transaction(made[0].body_bytes, [Signature("e", KEYS[0].public, looks)]), made[1].raw, made[2].raw]
    sheet, twin = both(raws)
    assert packed(sheet.take(*RULES)) == twin.take(*RULES)
    beginnings = [b"beginning"] * len(sheet.speakers)
    (kept, values), (other, other_values) = sheet.keep(beginnings, 7, 256), twin.keep(beginnings, 7, 256)
    assert values == other_values and kept != other
    middles = [codec.pack(record)[1:] for record in records]
    for one in (kept, other):
        assert fill(one, lambda first, count: middles[first - 7 : first - 7 + count]) == transactions.encode_batch(raws)


OTHERS = {
    "another contract": {"calls": (Invocation("goods", "record", ((RECORD,),)),)},
    "another method": {"calls": (Invocation("evidence", "put", ((RECORD,),)),)},
    "two calls": {"calls": (Invocation("evidence", "record", ((RECORD,),)),) * 2},
    "two signers": {"others": (KEYS[3],)},
    "two arguments": {"calls": (Invocation("evidence", "record", ((RECORD,), 1)),)},
    "no argument": {"calls": (Invocation("evidence", "record", ()),)},
    "no list": {"calls": (Invocation("evidence", "record", (7,)),)},
    "no records": {"records": ()},
    "too many records": {"records": (RECORD,) * 4},
    "a record that is none": {"records": ("abc",)},
    "a record that is a number": {"records": (7,)},
    "a record of two": {"records": (RECORD[:2],)},
    "a record of four": {"records": ((*RECORD, 1),)},
    "another algorithm": {"records": (("md5", *RECORD[1:]),)},
    "an algorithm of bytes": {"records": ((b"sha-256", *RECORD[1:]),)},
    "a short digest": {"records": ((RECORD[0], bytes(31), b""),)},
    "a digest of text": {"records": ((RECORD[0], "d" * 32, b""),)},
    "a long description": {"records": ((*RECORD[:2], bytes(41)),)},
    "a description of text": {"records": ((*RECORD[:2], "text"),)},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_is_not_evidence_alone_is_not_taken(other):
    raws = [signed(KEYS[0], [RECORD]), signed(KEYS[1], **{"records": [RECORD], **other})]
    sheet, twin = both(raws)
    rules = ("evidence", "record", ALGORITHMS, 3, 40)
    assert_same(sheet, twin)
    assert sheet.take(*rules) is None
    assert not assert_same_records(sheet, twin, rules=rules)


def test_as_many_records_as_long_as_may_be_are_taken():
    raws = [signed(KEYS[0], [(*RECORD[:2], bytes(40))] * 3)]
    assert assert_same_records(*both(raws), rules=("evidence", "record", ALGORITHMS, 3, 40))


def test_a_sheet_tells_of_its_chain_and_of_its_times():
    raws = [signed(KEYS[0], [RECORD], chain_id=chain, valid_until_ms=time) for chain, time in (("one", 5), ("two", 3), ("one", 9))]
    sheet, twin = both(raws)
    assert_same(sheet, twin)
    assert sheet.chain_id is None and sheet.valid_until_ms == (3, 9)
    assert both(raws[:1])[0].chain_id == "one"


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("signer", [0, 1])
def test_each_transaction_counts_when_all_its_signatures_do(place, signer):
    groups = [KEYS[:1], KEYS[:2], KEYS[1:2], KEYS[:3]]
    for chosen in (groups, [group[:1] for group in groups]):
        raws = [signed(group[0], [RECORD], others=group[1:]) for group in chosen]
        assert both(raws)[0].verify_each(GENESIS_HASH) == [True] * 4
        assert both(raws)[0].verify_each(bytes(32)) == [False] * 4
        tx = transactions.decode_transaction(raws[place])
        at = signer % len(tx.signatures)
        signatures = list(tx.signatures)
        signatures[at] = Signature("e", signatures[at].public_key, bytes(64))
        raws[place] = transactions.encode_transaction(tx.body_bytes, signatures)
        sheet, plain = both(raws)
        assert sheet.verify_each(GENESIS_HASH) == plain.verify_each(GENESIS_HASH) == [number != place for number in range(4)]


def test_speakers_are_those_who_sign_with_the_same_keys_each_once():
    other = Signature("e", KEYS[3].public, bytes(64))
    raws = [signed(KEYS[1], [RECORD]), signed(KEYS[0], [RECORD]), signed(KEYS[1], [RECORD]), signed(KEYS[0], [RECORD], others=KEYS[1:2])]
    raws.append(transactions.encode_transaction(transactions.decode_transaction(raws[0]).body_bytes, [other]))
    sheet, plain = both(raws)
    assert sheet.speakers == plain.speakers
    assert len(sheet.speakers) == 4


def test_without_c_a_batch_is_read_by_columns_if_all_in_it_is_common(monkeypatch):
    monkeypatch.setattr(transactions, "NATIVE", None)
    raws = [signed(key, [RECORD]) for key in KEYS]
    batch_bytes = transactions.encode_batch(raws)
    sheet = sheets.read_sheet(batch_bytes)
    assert isinstance(sheet, ColumnSheet) and sheet.records() is sheet
    assert_same(sheet, PlainSheet([transactions.decode_transaction(raw) for raw in raws]))
    for rare in LEFT.values():
        assert isinstance(sheets.read_sheet(transactions.encode_batch([*raws, rare])), PlainSheet)
    with pytest.raises(Malformed, match="7 fields"):
        sheets.read_sheet(transactions.encode_batch([*raws, BROKEN["six fields"]]))
    with pytest.raises(Malformed, match="1 to 1000"):
        sheets.read_sheet(transactions.encode_batch([]))
