"""Each rule that the C code keeps for a sheet of evidence, bent: the named batch must show it. Needs a C compiler."""

import importlib
import random

import pytest

from chainnode import codec, transactions
from chainnode.types.limits import BATCH_TXS_MAX
from chainnode.types.transaction import Invocation, Signature, TransactionBody
from tests.execution.record_twin import TwinSheet
from tests.native.compiled import load_bent
from tests.native.recordforms import RULES, batch_of, seeking_ends, signed
from tests.native.test_bent_decoding import layout

if transactions.NATIVE is None:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)
native = importlib.import_module("chainnode.native._verify")
DICE = random.Random(7)


def same(batch, first=0, number=0, chunk=256):
    """A check: what a sheet does and keeps is what the twin does and keeps."""
    twin = TwinSheet(transactions.decode_batch(batch))
    beginnings = [b"beginning %d" % place for place in range(len(twin.speakers))]
    assert twin.take(*RULES) is not None
    should = (tuple(twin.record(beginnings, first)), twin.keep(beginnings, number, chunk))

    def check(module):
        sheet = module.read_sheet(layout(module), batch, BATCH_TXS_MAX)
        assert sheet.take(*RULES) is not None
        return (sheet.record(beginnings, first), sheet.keep(beginnings, number, chunk)) == should

    return check


def refused(method, *arguments):
    """A check: an error comes of this."""

    def check(module):
        sheet = module.read_sheet(layout(module), TWO, BATCH_TXS_MAX)
        assert sheet.take(*RULES) is not None
        try:
            getattr(sheet, method)(*arguments)
        except (ValueError, OverflowError):
            return True
        return False

    return check


def record(length=100):
    return ("sha-256", DICE.randbytes(32), DICE.randbytes(length))


def looked_for(known, other=b"\x00"):
    """A batch in which the first `known` bytes of a record, and no more, stand in a signature before it; two more are behind it."""
    sought, others = record(), [record(), record()]
    piece = codec.encode(sought)[1 : 1 + known]
    piece += bytes([codec.encode(sought)[1 + known] ^ 1])
    raws = [signed([record()], signature=other + piece + bytes(63 - len(piece))), signed([sought]), *(signed([one]) for one in others)]
    return transactions.encode_batch(raws)


def joined(separator):
    """A batch in which two records stand, before themselves, in a signature and what is behind it, with something between them.

    The second one's digest is the end of the signature and the head of its own transaction, its description the nonce.
    """
    first, nonce, head = ("sm3", DICE.randbytes(32), b""), DICE.randbytes(16), bytes(20)
    for _ in range(2):  # the head is known once there is a transaction of that length
        second = ("sm3", b"twelve bytes" + head, nonce)
        call = Invocation("evidence", "record", ((first, second),))
        body = TransactionBody("bench-1", ("d",), nonce, 0, (call,), "m" * 200)
        raw = transactions.encode_transaction(transactions.encode_body(body), [Signature("e", bytes(32), bytes(64))])
        head = transactions.encode_batch([raw])[1:21]
    assert transactions.encode_batch([raw])[21:23] == b"\xc4\x10"
    signature = b"padd\x00" + codec.encode(first)[1:] + separator + codec.encode(second)[1:19]
    return transactions.encode_batch([signed([record()], "d", signature=signature), raw])


def chained():
    """A batch in which the beginnings of two records in a row stand in the signatures before them; one more is behind them."""
    records = [record() for _ in range(4)]
    ends = [codec.encode(one)[1:49] for one in records[1:3]]
    signatures = [end.ljust(64) for end in ends] + [bytes(64)] * 2
    return transactions.encode_batch([signed([one], signature=end) for one, end in zip(records, signatures, strict=True)])


MANY = batch_of(DICE, [1, 127, 128, 2, 1, 300], [0, 100])
TWO = transactions.encode_batch([signed([record()], "d"), signed([record(), record(5)], "e", memo="m" * 40), signed([record()], "d")])
RECORDS, SHELF, OBJECT = "records.c", "recordshelf.c", "recordobject.c"
BENT = {
    "leaves are told from nodes": (RECORDS, "room[0] = 0;", "room[0] = 1;", same(TWO)),
    "the head of a tx id": (RECORDS, "uint8_t suffix[SUFFIX] = {0xc4, 32}", "uint8_t suffix[SUFFIX] = {0xc4, 33}", same(TWO)),
    "the tx id": (RECORDS, "memcpy(suffix + 2, one->taken[i].tx_id, 32);", "", same(TWO)),
    "each has its speaker's beginning": (RECORDS, "beginnings[one->speaker[i]]", "beginnings[0]", same(TWO)),
    "the place of a leaf hash": (RECORDS, "hashes + at * LEAF_HASH", "hashes + i * LEAF_HASH", same(TWO)),
    "a leaf stays until it is hashed": (RECORDS, "at % SHA256_LANES * room_size", "0 * room_size", same(TWO)),
    "a result stays until it is hashed": (RECORDS, "rooms[i % SHA256_LANES]", "rooms[0]", same(TWO)),
    "the place of a result's hash": (RECORDS, "hashes + i * LEAF_HASH", "hashes", same(TWO)),
    "results are leaves": (RECORDS, "= {0, 0x12, 0,", "= {1, 0x12, 0,", same(TWO)),
    "the field of the data": (RECORDS, "= {0, 0x12, 0,", "= {0, 0x0a, 0,", same(TWO)),
    "what the call gave": (RECORDS, "0x91, 0x93}; /*", "0x91, 0x92}; /*", same(TWO)),
    "nothing is repeated": (RECORDS, "*end++ = 0x90;", "*end++ = 0x91;", same(TWO)),
    "the length of the data": (RECORDS, "(uint8_t)(end - hashed - 3)", "(uint8_t)(end - hashed - 2)", same(TWO)),
    "a result has three parts": (RECORDS, "*out++ = 0x93;", "*out++ = 0x94;", same(TWO)),
    "the code": (RECORDS, "*out++ = 0; /* OK */", "*out++ = 1;", same(TWO)),
    "the data are bytes": (RECORDS, "*out++ = 0xc4;", "*out++ = 0xd9;", same(TWO)),
    "the contract": (RECORDS, '"evidence" "\\xa8"', '"evidense" "\\xa8"', same(TWO)),
    "the event": (RECORDS, '"recorded" "\\x83', '"recordet" "\\x83', same(TWO)),
    "who": (RECORDS, '"by";', '"my";', same(TWO)),
    "how many": (RECORDS, '"\\xa5" "count"', '"\\xa5" "COUNT"', same(TWO)),
    "from which on": (RECORDS, '"\\xa5" "first"', '"\\xa5" "FIRST"', same(TWO)),
    "indexes go on": (RECORDS, "        first += count;\n", "", same(TWO)),
    "records are counted": (RECORDS, "        at = one->record_ends[i];\n", "", same(TWO)),
    "shortest numbers": (RECORDS, "number < 0x80 ?", "number <= 0x80 ?", same(TWO, 128)),
    "numbers of two bytes": (RECORDS, "number < 0x80 ?", "number < 0x7f ?", same(TWO, 127)),
    "numbers of three bytes": (RECORDS, "number <= 0xff ?", "number < 0xff ?", same(TWO, 255)),
    "numbers of five bytes": (RECORDS, "number <= 0xffff ?", "number < 0xffff ?", same(TWO, 65_535)),
    "numbers of nine bytes": (RECORDS, "number <= 0xffffffff ?", "number < 0xffffffff ?", same(TWO, 2**32 - 1)),
    "the highest byte first": (RECORDS, "number >> 8 * i)", "number >> 8 * (width - 1 - i))", same(TWO, 2**40 + 77)),
    "how much is sought": (SHELF, "#define SOUGHT 48", "#define SOUGHT 40", same(looked_for(45))),
    "no more is sought": (SHELF, "#define SOUGHT 48", "#define SOUGHT 56", same(looked_for(50))),
    "the first place counts": (SHELF, "memcmp(from, sought.at, sought.size) == 0", "from == sought.at", same(looked_for(50))),
    "all of a record": (SHELF, "|| memcmp(found, middle.at, middle.size) != 0", "", same(looked_for(50))),
    "a hole before the records": (SHELF, "out->end = (size_t)(found - start);", "out->end = out->begin;", same(joined(b"\x00"))),
    "one byte before each": (SHELF, "*found++ != start[out->begin]", "*found++ == 7", same(joined(b"\x01"))),
    "that byte": (SHELF, "        *out++ = one->batch.at[holes[i].begin];", "        *out++ = 0x93;", same(joined(b"\x00"))),
    "one that is not found is passed": (SHELF, "!find_hole(one, at, i + 1, &following)) break;", "1) break;", same(looked_for(50))),
    "when the next is there": (SHELF, "!find_hole(one, at, i + 1, &following)) break;", "0) break;", same(chained())),
    "the number of one that is passed": (SHELF, "        number += one", "        if (found > i) number += one", same(looked_for(50))),
    "an end of seeking": (SHELF, "seeking = 4 *", "seeking = 40 *", same(seeking_ends(8))),
    "not too soon": (SHELF, "seeking = 4 *", "seeking = 1 *", same(looked_for(50))),
    "what is sought in vain": (SHELF, "seeking -= 2 *", "seeking -= 1 *", same(seeking_ends(8))),
    "the first number": (SHELF, "holes[found].number = number;", "holes[found].number = 0;", same(TWO, number=5)),
    "numbers of holes go on": (SHELF, "        number += one->record_ends[i] - first_record(one, i);\n", "", same(TWO)),
    "bytes between": (SHELF, "out = put_length(out, holes[i].begin - at);", "out = put_length(out, holes[i].begin);", same(TWO)),
    "how many holes": (SHELF, "out = put_length(out, count);", "out = put_length(out, count + 1);", same(TWO)),
    "whether there are holes": (SHELF, "*out++ = count > 0;", "*out++ = 0;", same(TWO)),
    "parts of a group": (
        SHELF,
        "uint8_t *length = put_length(out, PARTS * groups);",
        "uint8_t *length = put_length(out, groups);",
        same(TWO),
    ),
    "a value's beginning": (SHELF, "span beginning = beginnings[one->speaker[owner]];", "span beginning = beginnings[0];", same(TWO)),
    "the size of a beginning": (
        SHELF,
        "length = put_length(put_length(put_length(length, beginning.size)",
        "length = put_length(put_length(put_length(length, 0)",
        same(TWO),
    ),
    "a value's tx id": (SHELF, "out = put(out, one->taken[owner].tx_id, 32);", "out = put(out, one->taken[0].tx_id, 32);", same(TWO)),
    "a value's suffix": (SHELF, "*out++ = 0xc4;", "*out++ = 0xc5;", same(TWO)),
    "how many middles": (SHELF, "out = put_length(out, some.end - some.begin);", "out = put_length(out, 1);", same(TWO)),
    "their lengths": (
        SHELF,
        "put_length(out, one->records[i].middle.size);",
        "put_length(out, one->records[some.begin].middle.size);",
        same(TWO),
    ),
    "no heads of records": (SHELF, "with_heads - (to - begin - 1)", "with_heads", same(TWO)),
    "the end of a value": (
        SHELF,
        "one->record_ends[owner] < end ? one->record_ends[owner] : end",
        "one->record_ends[owner]",
        same(MANY, chunk=2),
    ),
    "so many in a value": (OBJECT, "? one->record_count : begin + chunk;", "? one->record_count : begin + 1;", same(MANY, chunk=2)),
    "how many are in it": (OBJECT, "(Py_ssize_t)(end - begin), value)", "(Py_ssize_t)chunk, value)", same(MANY)),
    "the index": (OBJECT, "write_results(one, first,", "write_results(one, 0,", same(TWO, 5)),
    "a beginning for each": (OBJECT, "count != one->speaker_count", "count < one->speaker_count", refused("record", [b""] * 3, 0)),
    "no long beginnings": (
        OBJECT,
        "size > BEGINNING_BYTES_MAX",
        "size > BEGINNING_BYTES_MAX + 1",
        refused("record", [bytes(65_536), b""], 0),
    ),
    "no index goes over": (
        OBJECT,
        "number_of(number, one->record_count, UINT64_MAX, &first)",
        "number_of(number, 0, UINT64_MAX, &first)",
        refused("record", [b"", b""], 2**64 - 2),
    ),
    "no number of a hole goes over": (
        OBJECT,
        "(uint64_t)UINT32_MAX + 1, &number",
        "(uint64_t)UINT32_MAX + 2, &number",
        refused("keep", [b"", b""], 2**32 - 3, 256),
    ),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_rule_is_noticed(objects, name):
    file, find, replace, check = BENT[name]
    assert not check(load_bent(objects, file, find, replace))


def test_every_check_passes_as_the_rules_are():
    assert [name for name, (*_, check) in BENT.items() if not check(native)] == []
