"""The sheet in C answers as the plain sheet of the same batch does, and is made of whatever transactions C takes."""

import dataclasses
import gc
import importlib
import itertools
import os
import random
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec, transactions
from chainnode.crypto.suites import generate, sign
from chainnode.crypto.verify import verify_many
from chainnode.errors import Malformed
from chainnode.sheets import NativeSheet, PlainSheet, read_sheet
from chainnode.types.limits import BATCH_BYTES_MAX, BATCH_TXS_MAX, TX_BYTES_MAX
from chainnode.types.transaction import Invocation, Signature, Transaction
from tests.execution.record_twin import TwinSheet
from tests.native.forms import Forms
from tests.native.letting_go import lets_others_run
from tests.native.nomemory import failures
from tests.test_transactions import BODIES, BODY, GENESIS_HASH, SIGNATURE, make_raw

if transactions.NATIVE is None:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)
native = importlib.import_module("chainnode.native._verify")
NATIVE = transactions.NATIVE
SEED = int(os.environ.get("CHAINNODE_SEED", "20261126"))
KEYS = [generate("e", bytes([number]) * 32) for number in range(1, 5)]
OTHER_CHAIN = bytes(32)
RULES = ("evidence", "record", ("sha-256", "sm3", "sha3-256"), 1000, 1024)
COUNTS = [1, 2, 15, 16, 17, 255, 256, 257, 999, 1000]


def answers(sheet):
    """All that a sheet says, with the types of its least parts."""
    said = (sheet.ids, sheet.chain_id, sheet.valid_until_ms, sheet.longest, sheet.speakers, sheet.raw_digests())
    return repr((*said, sheet.verify_each(GENESIS_HASH), sheet.verify_each(OTHER_CHAIN), sheet.txs))


def read_plainly(batch):
    """The sheet of transactions that Python has read; what is wrong with the batch when it is none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "NATIVE", None)
        patch.setattr(codec, "NATIVE", None)
        try:
            return TwinSheet(transactions.decode_batch(batch))
        except Malformed as error:
            return error.code, error.detail


def taken(batch):
    """The sheet in C, None where it is left to Python."""
    columns = NATIVE.read_sheet(batch, BATCH_TXS_MAX)
    return None if columns is None else NativeSheet(batch, columns)


def check(batch):
    """C and Python agree on a batch; whether C took it. It takes those whose transactions are all of Ed25519."""
    expected, found = read_plainly(batch), taken(batch)
    if isinstance(expected, tuple):
        assert found is None, f"CHAINNODE_SEED={SEED} {batch.hex()}"
        with pytest.raises(Malformed) as caught:
            read_sheet(batch)
        assert (caught.value.code, caught.value.detail) == expected
        return False
    assert (found is not None) == all(one.suite == "e" for tx in expected.txs for one in tx.signatures), f"CHAINNODE_SEED={SEED}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "NATIVE", None)
        said = answers(expected)
    assert answers(read_sheet(batch)) == said, f"CHAINNODE_SEED={SEED} {batch.hex()}"
    assert found is None or (type(read_sheet(batch)) is NativeSheet and found.take(*RULES) == expected.take(*RULES))
    return found is not None


def batch_of(*raws):
    return transactions.encode_batch(raws)


def changed(**change):
    return make_raw(dataclasses.replace(BODY, **change))


def really_signed(body, keys, prefix):
    body_bytes = transactions.encode_body(body)
    return transactions.encode_transaction(body_bytes, [Signature("e", key.public, sign(key, prefix + body_bytes)) for key in keys])


def evidence(*records, **change):
    """A transaction that puts these on record."""
    return changed(**({"calls": (Invocation("evidence", "record", (records,)),)} | change))


@given(st.lists(BODIES, min_size=1, max_size=5))
def test_a_batch_of_any_kind_is_taken_and_its_sheet_answers_as_the_plain_one(bodies):
    assert check(batch_of(*map(make_raw, bodies)))


@given(BODIES, st.data())
def test_changed_bytes_are_judged_as_python_judges_them(body, data):
    batch = bytearray(batch_of(make_raw(), make_raw(body)))
    for _ in range(data.draw(st.integers(1, 3))):
        batch[data.draw(st.integers(0, len(batch) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(batch))


@given(st.binary(max_size=100))
def test_any_bytes_are_judged_as_python_judges_them(content):
    check(content)
    check(batch_of(make_raw(), content))


def check_many(forms, count):
    """Random batches, some of whose transactions, or whose own bytes, are changed; how many are taken."""
    number = 0
    for _ in range(count):
        raws = [forms.good() for _ in range(forms.random.choice([1, 1, 2, 3, 17]))]
        if forms.random.random() < 0.4:
            raws[forms.random.randrange(len(raws))] = forms.raw()
        batch = batch_of(*raws)
        number += check(forms.changed(batch) if forms.random.random() < 0.3 else batch)
    return number


def test_many_batches_of_all_kinds_are_judged_as_python_judges_them():
    print(f"CHAINNODE_SEED={SEED}")
    assert 120 < check_many(Forms(SEED), 300) < 260


@pytest.mark.soak
def test_a_hundred_thousand_batches_of_all_kinds_are_judged_as_python_judges_them():
    for number in range(20):
        check_many(Forms(SEED + 1 + number), 5_000)


def test_no_end_of_a_batch_is_missed():
    batch = batch_of(make_raw(), evidence(("sm3", b"d" * 32, b"")))
    assert check(batch)
    assert not any(check(batch[:length]) for length in range(len(batch)))
    assert not any(check(batch + bytes([byte])) for byte in range(0, 256, 5))


@pytest.mark.parametrize("count", COUNTS)
def test_a_batch_has_one_to_a_thousand_transactions(count):
    forms = Forms(SEED)
    raws = sorted((forms.good() for _ in range(100)), key=len)[20:40]
    assert check(batch_of(*(raws[number * number % 20] for number in range(count))))


def test_a_batch_has_the_same_limits():
    assert not check(b"\x90")
    assert not check(batch_of(*[make_raw()] * (BATCH_TXS_MAX + 1)))
    longest = BATCH_BYTES_MAX - len(batch_of(changed(calls=(Invocation("a", "b", (bytes(100_000),)),)))) + 100_000
    assert longest > TX_BYTES_MAX  # so that a batch of one is as long as its transaction may be
    small = len(changed(calls=(Invocation("a", "b", (bytes(100_000),)),))) - 100_000
    assert check(batch_of(changed(calls=(Invocation("a", "b", (bytes(TX_BYTES_MAX - small),)),))))
    assert not check(batch_of(changed(calls=(Invocation("a", "b", (bytes(TX_BYTES_MAX - small + 1),)),))))
    half = changed(calls=(Invocation("a", "b", (bytes(TX_BYTES_MAX // 2 - 200),)),))
    assert check(batch_of(half, half))
    too_long = batch_of(half, half, changed(calls=(Invocation("a", "b", (bytes(2_000),)),)))
    assert len(too_long) > BATCH_BYTES_MAX and not isinstance(read_plainly(too_long), TwinSheet)
    with pytest.raises(Malformed):
        read_sheet(too_long)  # which C alone would take


def test_one_of_another_suite_leaves_the_batch_to_python():
    other = make_raw(signatures=[Signature("s", b"\x02" + b"k" * 32, b"t" * 64)])
    assert not check(batch_of(make_raw(), other))
    sheet = PlainSheet(transactions.decode_batch(batch_of(make_raw(), other)))
    assert type(read_sheet(batch_of(make_raw(), other))) is not NativeSheet and sheet.records() is None


def test_chains_and_times_and_lengths_are_of_all():
    raws = [changed(valid_until_ms=5), changed(valid_until_ms=3, memo="long"), changed(valid_until_ms=2**63 - 1), changed(valid_until_ms=0)]
    for order in itertools.permutations(raws):
        sheet = taken(batch_of(*order))
        assert (sheet.chain_id, sheet.valid_until_ms, sheet.longest) == ("test-1", (0, 2**63 - 1), max(map(len, raws)))
    for others in (["test-1", "test-2"], ["test-1", "test-1", "test-"], ["test-", "test-1"], ["a", "b", "a"]):
        assert taken(batch_of(*(changed(chain_id=one) for one in others))).chain_id is None
        assert check(batch_of(*(changed(chain_id=one) for one in others)))


def test_a_transaction_that_stands_in_a_batch_twice_is_there_twice():
    sheet = taken(batch_of(make_raw(), changed(memo="other"), make_raw()))
    assert sheet.ids[0] == sheet.ids[2] != sheet.ids[1] and len(sheet.txs) == 3
    assert check(batch_of(make_raw(), make_raw()))


# Speakers


def spoken(signers, *keys):
    body_bytes = transactions.encode_body(dataclasses.replace(BODY, signers=signers))
    return transactions.encode_transaction(body_bytes, [dataclasses.replace(SIGNATURE, public_key=key) for key in keys])


ONE, TWO = b"k" * 32, b"k" * 31 + b"l"


def test_speakers_are_the_same_when_signers_and_keys_are():
    raws = [
        *(spoken(("a",), ONE), spoken(("a",), TWO), spoken(("b",), ONE), spoken(("a",), ONE), spoken(("ab",), ONE)),
        *(spoken(("a", "b"), ONE, TWO), spoken(("b", "a"), ONE, TWO), spoken(("a", "b"), TWO, ONE), spoken(("a", "b"), ONE, ONE)),
        *(spoken(("a", "b"), ONE, TWO), spoken(("b", "a"), TWO, ONE), spoken(("b", "a"), ONE, ONE), spoken(("b",), ONE)),
    ]
    sheet = taken(batch_of(*raws))
    assert len(sheet.speakers) == 10 and sheet.speakers[1] == (("a",), (("e", TWO),))
    assert sheet.speakers[4] == (("a", "b"), (("e", ONE), ("e", TWO)))
    for order in (raws, raws[::-1], sorted(raws), raws * 3):
        assert check(batch_of(*order))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 31, 32, 33, 1000])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_so_many_speakers_are_found_in_order_of_appearance(count, is_mixed):
    draw = random.Random(SEED)
    keys = [draw.randbytes(32) for _ in range(3)]
    raws = [spoken((f"did:{number // 3}",), keys[number % 3]) for number in range(count)]
    if is_mixed:
        raws = [draw.choice(raws) for _ in range(1000)]
    sheet, plain = taken(batch_of(*raws)), PlainSheet(transactions.decode_batch(batch_of(*raws)))
    assert sheet.speakers == plain.speakers and (is_mixed or len(sheet.speakers) == count)


# Signatures


@pytest.mark.parametrize("lanes", [False, pytest.param(True, marks=pytest.mark.skipif(not native.HAS_IFMA, reason="no AVX-512 IFMA"))])
@pytest.mark.parametrize("length", [0, 1, 15, 47, 62, 63, 64, 65, 127, 128, 129, 191, 192, 300])
def test_prefixes_of_every_length_are_signed(lanes, length):
    prefix = bytes(range(256)) * 2
    bodies = [dataclasses.replace(BODY, memo="m" * number) for number in range(150)]
    batch = batch_of(*(really_signed(body, [KEYS[0]], prefix[:length]) for body in bodies))
    columns = NATIVE.read_sheet(batch, BATCH_TXS_MAX)
    assert columns.verify(prefix[:length], 1 << 20, lanes) == bytes([1] * 150)
    assert columns.verify(prefix[1 : length + 2], 1 << 20, lanes) == bytes(150)


def test_signatures_count_as_those_of_their_items():
    prefix = transactions.sign_bytes(GENESIS_HASH, b"")
    raws = []
    for number in range(40):
        body = dataclasses.replace(BODY, signers=tuple(f"did:bid:{place}" for place in range(number % 4 + 1)), nonce=bytes([number]) * 16)
        raws.append(really_signed(body, KEYS[: number % 4 + 1], prefix))
    for place, from_end in ((3, 1), (7, 74), (10, 104), (11, 103 + 98)):  # in a signature and a key of the last signer, of another
        raws[place] = raws[place][:-from_end] + bytes([raws[place][-from_end] ^ 1]) + raws[place][len(raws[place]) - from_end + 1 :]
    txs = transactions.decode_batch(batch_of(*raws))
    expected = [all(verify_many(transactions.signature_items(tx, GENESIS_HASH))) for tx in txs]
    assert [place for place, is_good in enumerate(expected) if not is_good] == [3, 7, 10, 11]
    for _ in range(4):  # by first sight and by table
        assert taken(batch_of(*raws)).verify_each(GENESIS_HASH) == expected
        assert taken(batch_of(*raws[::-1])).verify_each(GENESIS_HASH) == expected[::-1]
    assert taken(batch_of(*raws)).verify_each(OTHER_CHAIN) == [False] * 40


# Records

RECORD = ("sha-256", b"d" * 32, b"meta")


def test_records_are_taken_in_order():
    raws = [evidence(*[("sm3", bytes([number]) * 32, b"m" * place) for place in range(number)]) for number in (1, 2, 15, 16, 17, 1)]
    sheet, twin = taken(batch_of(*raws)), read_plainly(batch_of(*raws))
    assert sheet.take(*RULES) == twin.take(*RULES)
    assert list(sheet.take(*RULES)[::32]) == [number for number in (1, 2, 15, 16, 17, 1) for _ in range(number)]


ODD_CALLS = {
    "another contract": (Invocation("evidenc", "record", ((RECORD,),)),),
    "another method": (Invocation("evidence", "recorded", ((RECORD,),)),),
    "two calls": (Invocation("evidence", "record", ((RECORD,),)),) * 2,
    "no argument": (Invocation("evidence", "record", ()),),
    "two arguments": (Invocation("evidence", "record", ((RECORD,), (RECORD,))),),
    "an argument that is no list": (Invocation("evidence", "record", (b"a",)),),
    "a map": (Invocation("evidence", "record", ({"a": RECORD},)),),
    "no records": (Invocation("evidence", "record", ((),)),),
    "a record that is no list": (Invocation("evidence", "record", ((RECORD, None),)),),
    "two fields": (Invocation("evidence", "record", ((RECORD, RECORD[:2]),)),),
    "four fields": (Invocation("evidence", "record", (((*RECORD, b""), RECORD),)),),
    "another algorithm": (Invocation("evidence", "record", ((("sha-25", *RECORD[1:]),),)),),
    "an algorithm in bytes": (Invocation("evidence", "record", (((b"sha-256", *RECORD[1:]),),)),),
    "a short digest": (Invocation("evidence", "record", ((("sha-256", b"d" * 31, b""),),)),),
    "a long digest": (Invocation("evidence", "record", ((("sha-256", b"d" * 33, b""),),)),),
    "a digest in text": (Invocation("evidence", "record", ((("sha-256", "d" * 32, b""),),)),),
    "a long description": (Invocation("evidence", "record", ((("sha-256", b"d" * 32, b"m" * 1025),),)),),
    "a description in text": (Invocation("evidence", "record", ((("sha-256", b"d" * 32, "m"),),)),),
    "many records": (Invocation("evidence", "record", ((RECORD,) * 1001,)),),
}


@pytest.mark.parametrize("name", ODD_CALLS)
def test_what_is_no_plain_call_is_not_taken_wherever_it_stands(name):
    odd, good = changed(calls=ODD_CALLS[name]), evidence(RECORD)
    for raws in ([odd], [odd, good], [good, good, odd]):
        assert taken(batch_of(*raws)).take(*RULES) is None and read_plainly(batch_of(*raws)).take(*RULES) is None


def test_two_signers_are_not_taken():
    raw = make_raw(dataclasses.replace(BODY, signers=("a", "b"), calls=(Invocation("evidence", "record", ((RECORD,),)),)), [SIGNATURE] * 2)
    assert taken(batch_of(raw)).take(*RULES) is None and taken(batch_of(evidence(RECORD))).take(*RULES) == b"d" * 32


def test_the_rules_of_records_come_from_python():
    batch = batch_of(evidence(("sm3", b"d" * 32, b"m" * 10), ("sha-256", b"e" * 32, b"")), evidence(("sm3", b"f" * 32, b"")))
    sheet, twin = taken(batch), read_plainly(batch)
    for algorithms, records_max, meta_bytes_max in itertools.product(
        [(), ("sm3",), ["sm3", "sha-256"], ("sha-256", "é")], [0, 1, 2, 3], [0, 9, 10, 2**40]
    ):
        for names in (("evidence", "record"), ("evidence", "recor"), ("", "record")):
            rules = (*names, algorithms, records_max, meta_bytes_max)
            assert sheet.take(*rules) == twin.take(*rules), rules
    assert sheet.take("evidence", "record", ("sm3", "sha-256"), -1, 10) is None
    assert sheet.take("evidence", "record", ("sm3", "sha-256"), 2, -1) is None


def test_the_limits_of_records_themselves_are_taken():
    batch = batch_of(evidence(*[("sha3-256", bytes(32), b"m" * 900)] * 1000, ("sm3", bytes(32), b"")))
    assert taken(batch).take(*RULES) is None
    batch = batch_of(evidence(*[("sha3-256", bytes(32), b"m" * 900)] * 999, ("sm3", bytes(32), b"m" * 1024)))
    assert taken(batch).take(*RULES) == bytes(32) * 1000


@pytest.mark.parametrize(
    "given", [(), ("a",), (b"evidence", *RULES[1:]), (*RULES[:2], None, 1, 1), (*RULES[:2], (b"sm3",), 1, 1), (*RULES, 1)]
)
def test_what_are_no_rules_is_a_type_error(given):
    columns = NATIVE.read_sheet(batch_of(evidence(RECORD)), 10)
    with pytest.raises(TypeError):
        columns.take(*given)


def test_nothing_is_recorded_or_kept_before_it_is_taken():
    sheet = taken(batch_of(evidence(RECORD)))
    for call in (lambda: sheet.record([b"\x98"], 0), lambda: sheet.keep([b"\x98"], 0, 256)):
        with pytest.raises(ValueError, match="take finds"):
            call()
    assert sheet.take("evidence", "put", *RULES[2:]) is None
    with pytest.raises(ValueError, match="take finds"):
        sheet.record([b"\x98"], 0)
    assert sheet.records() is sheet and sheet.take(*RULES) and sheet.record([b"\x98"], 0)
    assert sheet.take("evidence", "put", *RULES[2:]) is None and sheet.record([b"\x98"], 0)  # what was taken stays


# The object


def test_threads_may_share_a_sheet():
    raws = [evidence(*[("sm3", bytes([number]) * 32, b"m" * 50)] * 20) for number in range(200)]
    batch = batch_of(*raws)
    said, digests, wrong = answers(read_plainly(batch)), read_plainly(batch).take(*RULES), []

    def work(sheet, begin):
        begin.wait()
        if sheet.take(*RULES) != digests or answers(sheet) != said or sheet.take(*RULES) != digests:
            wrong.append(sheet)

    for _ in range(10):
        sheet, begin = taken(batch), threading.Barrier(4)
        threads = [threading.Thread(target=work, args=(sheet, begin)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_other_threads_run_while_a_batch_is_read_hashed_and_verified():
    batch = batch_of(*[changed(calls=(Invocation("a", "b", (b"x" * 1_000,)),))] * 1_000)
    columns = NATIVE.read_sheet(batch, 1_000)
    assert lets_others_run(lambda: NATIVE.read_sheet(batch, 1_000))
    assert lets_others_run(columns.raw_digests)
    signed = NATIVE.read_sheet(batch_of(*[really_signed(BODY, [KEYS[0]], b"prefix")] * 1_000), 1_000)
    assert lets_others_run(lambda: signed.verify(b"prefix", 0))  # the false signatures above are refused in no time
    assert not lets_others_run(columns.longest)


def test_a_sheet_holds_the_bytes_of_its_batch_and_lets_go_of_them():
    batch = batch_of(evidence(RECORD), make_raw())
    before, held = sys.getrefcount(batch), NATIVE.read_sheet(batch, 10)
    assert sys.getrefcount(batch) == before + 1
    del held
    things = [None, True, native.Sheet, batch]
    counts = [sys.getrefcount(thing) for thing in things]
    for _ in range(200):
        columns = NATIVE.read_sheet(batch, 10)
        assert NATIVE.read_sheet(batch, 1) is None and NATIVE.read_sheet(b"\xc0", 10) is None and NATIVE.read_sheet(batch[:-1], 10) is None
        assert columns.ids() and columns.speakers() and columns.raw_digests() and columns.verify(b"", 0) and columns.take(*RULES) is None
        assert columns.chain_id() and columns.valid_until_ms() and columns.longest()
    del columns
    gc.collect()
    grown = [sys.getrefcount(thing) - count for thing, count in zip(things, counts, strict=True)]
    assert max(grown) < 50, grown


def test_a_sheet_is_made_by_reading_alone_and_does_not_change():
    with pytest.raises(TypeError):
        native.Sheet()
    columns = NATIVE.read_sheet(batch_of(make_raw()), 10)
    with pytest.raises(AttributeError):
        columns.other = 1
    with pytest.raises(TypeError):
        native.Sheet.ids = None
    assert not gc.is_tracked(columns)


@pytest.mark.parametrize(
    "content",
    [bytearray(batch_of(make_raw())), memoryview(batch_of(make_raw())), "text", None],
    ids=["bytearray", "memoryview", "text", "None"],
)
def test_what_is_no_bytes_is_left_to_python(content):
    assert NATIVE.read_sheet(content, 10) is None
    assert NATIVE.read_sheet(batch_of(make_raw()), -1) is None and NATIVE.read_sheet(batch_of(make_raw()), 0) is None


def test_nothing_is_read_without_a_layout():
    with pytest.raises((TypeError, ValueError)):
        native.read_sheet(None, b"", 1)


def test_the_transactions_of_a_sheet_are_made_once():
    sheet = read_sheet(batch_of(make_raw()))
    assert sheet.txs is sheet.txs and sheet.ids is sheet.ids and sheet.speakers is sheet.speakers
    assert all(type(tx) is Transaction for tx in sheet.txs)


CALLS = """
from chainnode import transactions
from tests.native.test_sheet import RULES, RECORD, batch_of, evidence, spoken
batch = batch_of(evidence(RECORD, RECORD), spoken(("a", "b"), b"k" * 32, b"l" * 32))
records = batch_of(evidence(RECORD, RECORD))
read = transactions.NATIVE.read_sheet
sheet = read(batch, 10)
calls = (lambda: read(batch, 10).ids(), sheet.ids, sheet.chain_id, sheet.valid_until_ms, sheet.speakers, sheet.raw_digests,
         lambda: sheet.verify(b"prefix", 0), lambda: read(records, 10).take(*RULES))
"""


def test_each_allocation_may_fail():
    assert failures(CALLS, 100) > 10


def test_without_c_there_is_no_sheet_in_c(monkeypatch):
    monkeypatch.setattr(transactions, "NATIVE", None)
    assert type(read_sheet(batch_of(make_raw()))) is not NativeSheet
