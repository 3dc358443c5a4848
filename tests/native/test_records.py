"""What C does with a sheet of evidence, and keeps of it, is what the plain functions do and keep, byte for byte."""

import importlib
import os
import random
import sys
import threading

import pytest

from chainnode import codec, sheets, transactions
from chainnode.storage import layout
from chainnode.storage.punched import fill
from chainnode.types.limits import BATCH_TXS_MAX, EVIDENCE_RECORDS_MAX
from chainnode.types.transaction import Invocation, Signature, TransactionBody
from tests.execution.record_twin import TwinSheet
from tests.native.recordforms import LENGTHS, RULES, batch_of, record_of, seeking_ends, signed

if transactions.NATIVE is None:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)
native = importlib.import_module("chainnode.native._verify")
SEED = int(os.environ.get("CHAINNODE_SEED", "20261126"))
FIRSTS = sorted({max(0, limit + near) for limit in (128, 256, 65_536, 2**32, 2**40) for near in (-400, -2, -1, 0)} | {1, 2**64 - 5_000})
CHUNKS = [1, 2, 3, 7, 255, 256, 257, 5_000]


def both(batch):
    """The sheet of a batch in C, and in Python; records are found."""
    one, twin = sheets.read_sheet(batch), TwinSheet(transactions.decode_batch(batch))
    assert isinstance(one, sheets.NativeSheet), "C takes these"
    assert one.take(*RULES) == twin.take(*RULES) is not None
    return one, twin


def check(batch, dice, words=""):
    """C and Python do and keep the same, and what is kept can be read back."""
    one, twin = both(batch)
    beginnings = [dice.randbytes(dice.choice([0, 1, 50, 62, 63, 64, 300])) for _ in one.speakers]
    first, number, chunk = dice.choice(FIRSTS), dice.choice([0, 1, 255, 70_000]), dice.choice(CHUNKS)
    told = f"CHAINNODE_SEED={SEED} {words} {len(one.ids)} transactions, {first=} {number=} {chunk=}"
    does, should = one.record(beginnings, first), twin.record(beginnings, first)
    assert does == should and type(does) is type(should), told
    kept, values = one.keep(beginnings, number, chunk)
    assert (kept, values) == twin.keep(beginnings, number, chunk), told
    middles = [middle for _, value in values for group in layout.split_groups(value) for middle in group.middles]
    assert fill(kept, lambda start, count: middles[start - number : start - number + count]) == batch, told


SHAPES = {
    "one of one": ([1], LENGTHS),
    "one of many": ([1000], [0, 31, 32]),
    "one of very many": ([EVIDENCE_RECORDS_MAX], [0]),
    "many of one": ([1] * 1000, [100, 255, 256]),
    "some of some": ([1, 2, 15, 16, 17, 127, 128, 255, 256, 257, 300, 1, 1], [0, 31, 100]),
    "all lengths": ([3] * 20, LENGTHS),
    "long ones": ([1, 40, 1], [1024]),
    "as many as a value holds": ([256, 256, 128, 128, 255, 1, 1, 255], [0, 1]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_inv_87_a_sheet_does_and_keeps_what_the_plain_functions_do(shape):
    dice = random.Random(f"{SEED}{shape}")
    counts, lengths = SHAPES[shape]
    check(batch_of(dice, counts, lengths), dice, shape)


def draw(dice):
    """A batch of any shape."""
    most = dice.choice([1, 2, 20, 300])
    counts = [dice.choice([1, 1, dice.randint(1, most)]) for _ in range(dice.choice([1, 2, 3, 10, 40]))]
    return batch_of(dice, counts, dice.sample(LENGTHS, dice.randint(1, 4)))


@pytest.mark.parametrize("number", range(30))
def test_random_sheets(number):
    dice = random.Random(f"{SEED}{number}")
    check(draw(dice), dice, f"{number=}")


@pytest.mark.parametrize("first", FIRSTS)
@pytest.mark.parametrize("chunk", CHUNKS)
def test_numbers_have_their_shortest_form_and_values_their_ends(first, chunk):
    dice = random.Random(f"{SEED}{first}{chunk}")
    one, twin = both(batch_of(dice, [1, 127, 128, 255, 1], [0]))
    beginnings = [b"beginning"] * len(one.speakers)
    assert one.record(beginnings, first) == twin.record(beginnings, first)
    assert one.keep(beginnings, first % 2**20, chunk) == twin.keep(beginnings, first % 2**20, chunk)


def odd(dice):
    """A batch in which records of others, or what looks like their beginnings, stand where the plain way finds them first."""
    pool = [record_of(dice, dice.choice([0, 0, 6, 100])) for _ in range(4)]
    packed = [codec.encode(record)[1:] for record in pool]

    def signature():
        piece = dice.choice(packed)[: dice.choice([40, 48, 48, 64])]
        return (dice.randbytes(dice.choice([0, 1, 64 - len(piece)])) + piece + dice.randbytes(64))[:64]

    raws = []
    for _ in range(dice.choice([1, 2, 3, 5, 9])):
        records = [dice.choice(pool) for _ in range(dice.choice([1, 1, 2, 3]))]
        raws.append(signed(records, signature=signature() if dice.random() < 0.6 else dice.randbytes(64)))
    return transactions.encode_batch(raws)


def test_what_stands_elsewhere_too_is_kept_as_the_plain_way_keeps_it():
    dice = random.Random(SEED)
    kinds = set()
    for number in range(1_000):
        batch = odd(dice)
        check(batch, dice, f"{number=}")
        one, _ = both(batch)
        kept, _ = one.keep([b""], 0, 256)
        kinds.add(int.from_bytes(kept[1:5], "big") == len(one.ids))
    assert kinds == {True, False}


def early(meta_end, *others):
    """A batch whose first record stands before itself: partly in its nonce, its digest in what lies between. Only its description tells."""
    between = b"\x00\x91\x93\xa8evidence\xa6record\x91\x91\x93\xa3sm3"  # from a time of 0 on
    digest = b"nonce!" + between
    record = ("sm3", digest, digest[: 32 - len(meta_end)] + meta_end)
    call = Invocation("evidence", "record", ((record,),))
    body = TransactionBody("bench-1", ("d",), b"fill\xa3sm3\xc4\x20nonce!", 0, (call,), "")
    raw = transactions.encode_transaction(transactions.encode_body(body), [Signature("e", bytes(32), bytes(64))])
    return transactions.encode_batch([raw, *others])


@pytest.mark.parametrize(("meta_end", "others", "holes"), [(b"", 0, 1), (b"", 2, 3), (b"x", 0, 0), (b"x", 1, 1), (b"x", 3, 3)])
def test_a_record_that_stands_before_itself(meta_end, others, holes):
    dice = random.Random(SEED)
    batch = early(meta_end, *[signed([record_of(dice, 50)], "d") for _ in range(others)])
    check(batch, dice)
    kept, _ = both(batch)[0].keep([b""], 0, 256)
    assert kept[0] == (holes > 0) and (holes == 0 or int.from_bytes(kept[1:5], "big") == holes)
    assert holes or kept == b"\x00" + batch


@pytest.mark.parametrize("vain", [1, 2, 3, 4, 8])
def test_nobody_can_make_the_search_take_long(vain):
    batch = seeking_ends(vain)
    check(batch, random.Random(SEED), f"{vain=}")
    kept, _ = both(batch)[0].keep([b""], 0, 256)
    assert int.from_bytes(kept[1:5], "big") < 2 * vain + 1


def one_of(*counts):
    return sheets.read_sheet(batch_of(random.Random(SEED), counts, [0, 100]))


def test_nothing_is_done_before_the_records_are_found():
    one = one_of(1, 2)
    beginnings = [b""] * len(one.speakers)
    for call in (lambda: one.record(beginnings, 0), lambda: one.keep(beginnings, 0, 256)):
        with pytest.raises(ValueError, match="take"):
            call()
        assert one.take("other", *RULES[1:]) is None
        with pytest.raises(ValueError, match="take"):
            call()


@pytest.mark.parametrize("beginnings", [[], [b"", b""], (b"",) * 9], ids=len)
def test_each_speaker_has_one_beginning(beginnings):
    one, _ = both(transactions.encode_batch([signed([("sm3", bytes(32), b"")])]))
    with pytest.raises(ValueError, match="beginnings"):
        one.record(beginnings, 0)
    with pytest.raises(ValueError, match="beginnings"):
        one.keep(beginnings, 0, 256)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda one: one.record(["text"], 0), TypeError),
        (lambda one: one.record([bytearray(b"a")], 0), TypeError),
        (lambda one: one.record(7, 0), TypeError),
        (lambda one: one.record([b""], "0"), TypeError),
        (lambda one: one.record([b""], -1), OverflowError),
        (lambda one: one.record([b""], 2**64), OverflowError),
        (lambda one: one.record([b""], 2**64 - 2), OverflowError),
        (lambda one: one.record([bytes(65_536)], 0), OverflowError),
        (lambda one: one.keep([None], 0, 256), TypeError),
        (lambda one: one.keep([b""], 0.0, 256), TypeError),
        (lambda one: one.keep([b""], 0, 0), ValueError),
        (lambda one: one.keep([b""], 0, -1), ValueError),
        (lambda one: one.keep([b""], -1, 256), OverflowError),
        (lambda one: one.keep([b""], 2**32 - 2, 256), OverflowError),
        (lambda one: one.keep([bytes(65_536)], 0, 256), OverflowError),
        (lambda one: one.keep([b""], 0, 2**64), OverflowError),
    ],
)
def test_what_is_none_of_its_business_is_refused(call, error):
    one, _ = both(transactions.encode_batch([signed([("sm3", bytes(32), b"")] * 3)]))
    with pytest.raises(error):
        call(one)


def test_the_largest_numbers_are_taken():
    one, twin = both(transactions.encode_batch([signed([("sm3", bytes(32), b"")] * 3)]))
    for beginnings in ([b""], (bytes(65_535),), iter([b"a"])):
        held = list(beginnings)
        assert one.record(held, 2**64 - 4) == twin.record(held, 2**64 - 4)
        assert one.keep(held, 2**32 - 3, sys.maxsize) == twin.keep(held, 2**32 - 3, sys.maxsize)


def test_nothing_is_held():
    one, _ = both(transactions.encode_batch([signed([("sm3", bytes(32), b"")] * 3)]))
    things = [b"a" * 70, 2**40, [b"b" * 70]]
    things[2][0] = things[0]
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(200):
        for call in (lambda: one.record(things[2], things[1]), lambda: one.keep(things[2], 0, 2)):
            call()
        for bad in (lambda: one.record(things[2], -1), lambda: one.keep([*things[2], 7], 0, 256), lambda: one.keep(things[2], 0, 0)):
            with pytest.raises((OverflowError, ValueError, TypeError)):
                bad()
    assert max(abs(sys.getrefcount(thing) - count) for thing, count in zip(things, before, strict=True)) < 50


def test_threads_may_share_a_sheet():
    one, twin = both(batch_of(random.Random(SEED), [1] * 300, [256]))
    beginnings, wrong = [b"beginning"] * len(one.speakers), []
    does, keeps = twin.record(beginnings, 5), twin.keep(beginnings, 0, 256)

    def ask():
        for _ in range(30):
            if (one.record(beginnings, 5), one.keep(beginnings, 0, 256)) != (does, keeps):
                wrong.append(threading.get_ident())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.soak
def test_random_sheets_at_length():
    for number in range(5_000):
        dice = random.Random(f"soak {SEED}{number}")
        check(draw(dice), dice, f"soak {number=}")
        for _ in range(20):
            check(odd(dice), dice, f"soak {number=}")


def test_a_batch_has_room_for_as_many_as_a_sheet_can_have():
    assert len(both(batch_of(random.Random(SEED), [1] * BATCH_TXS_MAX, [0]))[0].ids) == BATCH_TXS_MAX
