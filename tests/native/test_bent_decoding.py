"""Each rule that the C code keeps when it reads transactions, bent: the named input must show it. Needs a C compiler."""

import dataclasses
import gc
import hashlib
import sys

import pytest

from chainnode import codec, transactions
from chainnode.crypto.suites import generate, sign
from chainnode.types.limits import (
    CHAIN_ID_BYTES_MAX,
    CODEC_DEPTH_MAX,
    DID_BYTES_MAX,
    NAME_BYTES_MAX,
    TX_BYTES_MAX,
    TX_CALLS_MAX,
    TX_MEMO_BYTES_MAX,
    TX_SIGNERS_MAX,
)
from chainnode.types.transaction import Invocation, Signature, Transaction, TransactionBody
from tests.native.compiled import load_bent
from tests.native.letting_go import lets_others_run
from tests.test_transactions import BODY, SIGNATURE, make_raw, values_of

LIMITS = (
    *(TX_BYTES_MAX, TX_SIGNERS_MAX, TX_CALLS_MAX, TX_MEMO_BYTES_MAX),
    *(DID_BYTES_MAX, NAME_BYTES_MAX, CHAIN_ID_BYTES_MAX, CODEC_DEPTH_MAX),
)
KEY, OTHER = generate("e", bytes(range(32))), generate("e", bytes(range(1, 33)))


@pytest.fixture(scope="module")
def straight(objects):
    """The module with no rule bent, but with the lock let go of sooner."""
    return load_bent(objects, "decode.c", "(16 * 1024)", "(8 * 1024)")


def layout(module):
    return module.layout(Transaction, TransactionBody, Invocation, Signature, LIMITS)


def taken(module, raw):
    return type(module.decode(layout(module), [raw])[0]) is Transaction


def refused(*raws):
    """A check: what Python refuses is not taken."""
    for raw in raws:
        with pytest.raises(transactions.Malformed):
            transactions.decode_transaction(raw)
    return lambda module: not any(taken(module, raw) for raw in raws)


def same(*raws):
    """A check: what is taken is what Python makes of it."""
    return lambda module: (
        [repr(one) for one in module.decode(layout(module), raws)] == [repr(transactions.decode_transaction(raw)) for raw in raws]
    )


def changed(**change):
    return make_raw(dataclasses.replace(BODY, **change))


def with_argument(data):
    """A transaction whose only argument has these bytes."""
    body = transactions.encode_body(dataclasses.replace(BODY, calls=(Invocation("a", "b", (b"the marker",)),)))
    return transactions.encode_transaction(body.replace(codec.encode(b"the marker"), data), [SIGNATURE])


def with_field(index, value):
    values = values_of()
    values[index] = value
    return transactions.encode_transaction(codec.encode(tuple(values)), [SIGNATURE])


def with_signature(*fields):
    return codec.encode((transactions.encode_body(BODY), (fields,)))


def splits(batch, count_max, is_batch):
    """A check: whether these bytes are taken for a batch."""
    return lambda module: (module.decode_batch(layout(module), batch, count_max) is not None) == is_batch


def signed(*keys):
    body_bytes = transactions.encode_body(BODY)
    signatures = [Signature("e", key.public, sign(key, b"prefix" + body_bytes)) for key in keys]
    return Transaction(b"", body_bytes, b"", BODY, tuple(signatures))


def verifies(txs, marks):
    """A check: each transaction has its mark."""
    return lambda module: module.verify_transactions(layout(module), txs, b"prefix", 0) == marks


def broken(tx, place=0, **change):
    signatures = list(tx.signatures)
    signatures[place] = dataclasses.replace(signatures[place], **change)
    return dataclasses.replace(tx, signatures=tuple(signatures))


def hashes_all_lengths(module):
    texts = [bytes(length) for length in range(200)]
    return all(module.sha256(text, portable) == hashlib.sha256(text).digest() for text in texts for portable in (True, False))


def others_run(module):
    """Whether others run while bytes are read; when objects are made the lock is needed."""
    raw, known = changed(calls=(Invocation("a", "b", (b"x" * 1_000_000,)),)), layout(module)
    return lets_others_run(lambda: module.decode(known, [raw] * 3))


def nothing_is_held(module):
    (made,) = module.decode(layout(module), [RAW])
    return sys.getrefcount(made.signatures) == 2 and sys.getrefcount(made.body.calls) == 2


def makes_it(raw):
    """A check: no error comes of making objects, since what cannot be made is not taken."""

    def check(module):
        try:
            return not taken(module, raw)
        except UnicodeDecodeError:
            return False

    return check


def with_body(body_bytes):
    return transactions.encode_transaction(body_bytes, [SIGNATURE])


def reads(data, value):
    """A check: what the bytes of a value are read as, None when they are none."""
    return lambda module: module.decode_value(data, 16, len(data)) == value


def writes(value, *expected):
    """A check: what is written of a value, None when it is left to Python; when not given, what Python writes."""

    def check(module):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codec, "NATIVE", None)
            try:
                data = expected[0] if expected else codec.encode(value)
            except transactions.Malformed:
                data = None
        return module.encode_value(value, CODEC_DEPTH_MAX) == data

    return check


def nested(depth):
    value = None
    for _ in range(depth):
        value = (value,)
    return value


RAW = make_raw()
MANY_TEXTS = tuple(f"{number % 7}" * (number * 37 % 64) for number in range(2_000)) + tuple(f"text{number:04}" for number in range(500))
BODY_BYTES = transactions.encode_body(BODY)
TWO, PAIR = (signed(KEY), signed(OTHER)), signed(KEY, OTHER)
BENT = {
    "short naturals": (
        "canonical.c",
        "case 0xcc: out->kind = NATURAL; return read_long(in, 1, 0x7f,",
        "case 0xcc: out->kind = NATURAL; return read_long(in, 1, 0x7e,",
        refused(with_argument(b"\xcc\x7f")),
    ),
    "naturals of two bytes": (
        "canonical.c",
        "case 0xcd: out->kind = NATURAL; return read_long(in, 2, 0xff,",
        "case 0xcd: out->kind = NATURAL; return read_long(in, 2, 0xfe,",
        refused(with_argument(b"\xcd\x00\xff")),
    ),
    "naturals of four bytes": (
        "canonical.c",
        "read_long(in, 4, 0xffff, &out->number);\n    case 0xcf",
        "read_long(in, 4, 0xfffe, &out->number);\n    case 0xcf",
        refused(with_argument(b"\xce\x00\x00\xff\xff")),
    ),
    "naturals of eight bytes": (
        "canonical.c",
        "read_long(in, 8, 0xffffffff,",
        "read_long(in, 8, 0xfffffffe,",
        refused(with_argument(b"\xcf" + bytes(4) + b"\xff" * 4)),
    ),
    "short negatives": ("canonical.c", "< (uint64_t)-32;", "< (uint64_t)-31;", refused(with_argument(b"\xd0\xe0"))),
    "negatives of two bytes": ("canonical.c", "< (uint64_t)-0x80;", "< (uint64_t)-0x7f;", refused(with_argument(b"\xd1\xff\x80"))),
    "negatives of four bytes": (
        "canonical.c",
        "< (uint64_t)-0x8000;",
        "< (uint64_t)-0x7fff;",
        refused(with_argument(b"\xd2\xff\xff\x80\x00")),
    ),
    "negatives of eight bytes": (
        "canonical.c",
        "< (uint64_t)INT32_MIN;",
        "<= (uint64_t)INT32_MIN;",
        refused(with_argument(b"\xd3" + b"\xff" * 4 + b"\x80\x00\x00\x00")),
    ),
    "no positive number with a sign": (
        "canonical.c",
        "read_long(in, 1, 0x7f, &out->number) && (out",
        "read_number(in, 1, &out->number) && (out",
        refused(with_argument(b"\xd0\x01")),
    ),
    "no long positive number with a sign": (
        "canonical.c",
        "read_long(in, 8, INT64_MAX, &out->number) &&",
        "read_number(in, 8, &out->number) &&",
        refused(with_argument(b"\xd3\x7f" + bytes(7))),
    ),
    "short text": ("canonical.c", "read_long(in, 1, 0x1f,", "read_long(in, 1, 0x1e,", refused(with_argument(b"\xd9\x1f" + b"a" * 31))),
    "short bytes": (
        "canonical.c",
        "case 0xc5: out->kind = BYTES; return read_long(in, 2, 0xff,",
        "case 0xc5: out->kind = BYTES; return read_long(in, 2, 0xfe,",
        refused(with_argument(b"\xc5\x00\xff" + bytes(255))),
    ),
    "short arrays": (
        "canonical.c",
        "case 0xdc: out->kind = ARRAY; return read_long(in, 2, 0x0f,",
        "case 0xdc: out->kind = ARRAY; return read_long(in, 2, 0x0e,",
        refused(with_argument(b"\xdc\x00\x0f" + bytes(15))),
    ),
    "short maps": (
        "canonical.c",
        "case 0xde: out->kind = MAP; return read_long(in, 2, 0x0f,",
        "case 0xde: out->kind = MAP; return read_long(in, 2, 0x00,",
        refused(with_argument(b"\xde\x00\x01\xa1a\x00")),
    ),
    "no floats": (
        "canonical.c",
        "    case 0xcc: out->kind = NATURAL; return",
        "    case 0xca: out->kind = NATURAL; return read_number(in, 4, &out->number);\n    case 0xcc: out->kind = NATURAL; return",
        refused(with_argument(b"\xca\x00\x00\x00\x00")),
    ),
    "what is there of a content": (
        "canonical.c",
        "if (left(in) < out->number) return 0;",
        "if (left(in) < out->number) out->number = left(in);",
        reads(b"\xa2a", None),
    ),
    "what is there of a length": (
        "canonical.c",
        "if (left(in) < width) return 0;",
        "if (left(in) < width) width = left(in);",
        reads(b"\xc4", None),
    ),
    "something is there": (
        "canonical.c",
        "if (left(in) == 0) return 0;",
        "if (left(in) == 0) return (*out = (token){.kind = NIL}, 1);",
        reads(b"", None),
    ),
    "there are no more elements than may be": (
        "canonical.c",
        "if (in->tokens == 0) return 0;",
        "",
        lambda module: module.decode_value(b"\x92\xc0\xc0", 16, 2) is None,
    ),
    "text is UTF-8": (
        "canonical.c",
        "if (one.kind == TEXT) return is_utf8(one.content);",
        "if (one.kind == TEXT) return 1;",
        makes_it(with_argument(b"\xa1\xff")),
    ),
    "no surrogates": ("canonical.c", "first == 0xed ? 0x9f", "first == 0xed ? 0xbf", makes_it(with_argument(b"\xa3\xed\xa0\x80"))),
    "no long letters": ("canonical.c", "first == 0xe0 ? 0xa0", "first == 0xe0 ? 0x80", makes_it(with_argument(b"\xa3\xe0\x80\x80"))),
    "letters up to the last": (
        "canonical.c",
        "first == 0xf4 ? 0x8f",
        "first == 0xf4 ? 0xbf",
        makes_it(with_argument(b"\xa4\xf4\x90\x80\x80")),
    ),
    "whole letters": ("canonical.c", "if ((text.at[i + k] & 0xc0) != 0x80) return 0;", "", makes_it(with_argument(b"\xa3\xe1\x80\x41"))),
    "keys are text": (
        "canonical.c",
        "if (!read_kind(in, TEXT, &key) || !is_utf8(key.content)) return 0;",
        "if (!read_token(in, &key)) return 0;",
        refused(with_argument(b"\x81\xc4\x01a\x00")),
    ),
    "keys in order": (
        "canonical.c",
        "if (i > 0 && !is_before(before, key.content)) return 0;",
        "",
        refused(with_argument(b"\x82\xa1b\x00\xa1a\x00")),
    ),
    "keys once": ("canonical.c", "one.size < other.size);", "one.size <= other.size);", refused(with_argument(b"\x82\xa1a\x00\xa1a\x00"))),
    "levels of arrays": ("canonical.c", "if (levels == 0) return 0;", "", refused(with_argument(b"\x91" * 13 + b"\xc0"))),
    "levels of a call": ("transaction.h", "#define CALL_DEPTH 3 ", "#define CALL_DEPTH 2 ", refused(with_argument(b"\x91" * 13 + b"\xc0"))),
    "levels within a map": (
        "canonical.c",
        "skip_pairs(in, one.number, levels - 1)",
        "skip_pairs(in, one.number, levels)",
        refused(with_argument(b"\x91" * 8 + b"\x81\xa1a" * 5 + b"\xc0")),
    ),
    "the version": ("transaction.c", " || version.number != VERSION", "", refused(with_field(0, 2))),
    "the version is a number": (
        "transaction.c",
        "if (!read_kind(&in, NATURAL, &version) ||",
        "if (!read_token(&in, &version) ||",
        refused(with_body(b"\x97\x91" + BODY_BYTES[2:])),
    ),
    "a chain id has a length": (
        "transaction.c",
        "read_ascii(&in, max->chain_id_bytes,",
        "read_ascii(&in, 99,",
        refused(changed(chain_id="c" * 51)),
    ),
    "no name is empty": (
        "transaction.c",
        "return out->size > 0 && out->size",
        "return out->size",
        refused(changed(chain_id=""), changed(signers=("",)), changed(calls=(Invocation("", "b", ()),))),
    ),
    "names are ASCII": (
        "transaction.c",
        "size_max && is_ascii(*out)",
        "size_max",
        refused(changed(chain_id="ü-1"), changed(signers=("é",))),
    ),
    "signers are few": (
        "transaction.c",
        "read_array(in, 1, max->signers,",
        "read_array(in, 1, SIGNERS_ROOM,",
        refused(changed(signers=tuple(map(str, range(17))))),
    ),
    "there are signers": (
        "transaction.c",
        "read_array(in, 1, max->signers,",
        "read_array(in, 0, max->signers,",
        refused(changed(signers=())),
    ),
    "a signer has a length": (
        "transaction.c",
        "read_ascii(in, max->did_bytes,",
        "read_ascii(in, 99,",
        refused(changed(signers=("d" * 58,))),
    ),
    "each signer once": ("transaction.c", "if (is_same(signers[k], signers[i])) return 0;", "", refused(changed(signers=("a", "b", "a")))),
    "a nonce has 16 bytes": ("transaction.c", "#define NONCE_BYTES 16", "#define NONCE_BYTES 17", refused(changed(nonce=b"n" * 17))),
    "bytes of a size": (
        "transaction.c",
        "return out->size == size;",
        "return out->size >= size;",
        refused(changed(nonce=b"n" * 17), with_signature("e", b"k" * 33, b"s" * 64)),
    ),
    "a time has 63 bits": ("transaction.c", " || time.number > INT64_MAX", "", refused(changed(valid_until_ms=2**63))),
    "a time is a number": (
        "transaction.c",
        "if (!read_kind(&in, NATURAL, &time) ||",
        "if (!read_token(&in, &time) ||",
        refused(with_field(4, "abc")),
    ),
    "calls are few": ("transaction.c", "read_array(in, 1, max->calls,", "read_array(in, 1, 99,", refused(changed(calls=BODY.calls * 65))),
    "there are calls": ("transaction.c", "read_array(in, 1, max->calls,", "read_array(in, 0, max->calls,", refused(changed(calls=()))),
    "a call has three fields": (
        "transaction.c",
        "if (!read_array(in, 3, 3, &fields)) return 0;\n        if (!read_ascii(in, max->name",
        "if (!read_array(in, 3, 4, &fields)) return 0;\n        if (!read_ascii(in, max->name",
        refused(with_body(BODY_BYTES.replace(b"\x91\x93", b"\x91\x94"))),
    ),
    "arguments are an array": (
        "transaction.c",
        "if ((*arguments < 0x90 || *arguments > 0x9f) && *arguments != 0xdc && *arguments != 0xdd) return 0;",
        "",
        refused(with_field(5, (("a", "b", None),)), with_field(5, (("a", "b", {}),))),
    ),
    "a memo has a length": ("transaction.c", " || memo.content.size > max->memo_bytes", "", refused(changed(memo="m" * 257))),
    "a memo is UTF-8": ("transaction.c", " || !is_utf8(memo.content)", "", makes_it(with_body(BODY_BYTES[:-1] + b"\xa1\xff"))),
    "a body ends": (
        "transaction.c",
        "    out->memo = memo.content;\n    return in.at == in.end;",
        "    out->memo = memo.content;\n    return 1;",
        refused(with_body(BODY_BYTES + b"\x00")),
    ),
    "as many signatures as signers": (
        "transaction.c",
        "read_array(in, out->signer_count, out->signer_count, &count)",
        "read_array(in, out->signer_count, 99, &count)",
        refused(make_raw(signatures=[SIGNATURE] * 2)),
    ),
    "suites that are not ours": ("transaction.c", " || suite.at[0] != 'e'", "", refused(with_signature("x", b"k" * 32, b"s" * 64))),
    "a key has 32 bytes": (
        "transaction.c",
        "read_bytes(in, 32, &key)",
        "read_bytes(in, 31, &key)",
        refused(with_signature("e", b"k" * 31, b"s" * 64)),
    ),
    "a signature has 64 bytes": (
        "transaction.c",
        "read_bytes(in, 64, &signature)",
        "read_bytes(in, 63, &signature)",
        refused(with_signature("e", b"k" * 32, b"s" * 63)),
    ),
    "a transaction has a length": (
        "transaction.c",
        "    if (raw.size > max->tx_bytes) return 0;\n",
        "",
        refused(changed(calls=(Invocation("a", "b", (bytes(TX_BYTES_MAX),)),))),
    ),
    "a transaction ends": (
        "transaction.c",
        "read_signatures(&in, out) && in.at == in.end",
        "read_signatures(&in, out)",
        refused(RAW + b"\x00"),
    ),
    "a batch is not empty": (
        "transaction.c",
        "read_array(&in, 1, count_max, count)",
        "read_array(&in, 0, count_max, count)",
        splits(b"\x90", 10, False),
    ),
    "a batch is not too long": (
        "transaction.c",
        "read_array(&in, 1, count_max, count)",
        "read_array(&in, 1, count_max + 1, count)",
        splits(transactions.encode_batch([RAW] * 11), 10, False),
    ),
    "a batch is of bytes": (
        "transaction.c",
        "if (!read_kind(&in, BYTES, &piece)) return 0;",
        "if (!read_token(&in, &piece)) return 0;",
        splits(codec.encode((RAW, "text")), 10, False),
    ),
    "a batch ends": (
        "transaction.c",
        "        raws[i] = piece.content;\n    }\n    return in.at == in.end;",
        "        raws[i] = piece.content;\n    }\n    return 1;",
        splits(transactions.encode_batch([RAW]) + b"\x00", 10, False),
    ),
    "the id is of the body": (
        "decode.c",
        "sha256_put(&queue, one->tx_id, one->body.at, one->body.size)",
        "sha256_put(&queue, one->tx_id, one->raw.at, one->raw.size)",
        same(RAW),
    ),
    "values end": ("decode.c", " || looked.at != looked.end", "", reads(b"\x00\x00", None)),
    "negative numbers": (
        "objects.c",
        "PyLong_FromLongLong(negative)",
        "PyLong_FromUnsignedLongLong((unsigned long long)negative)",
        same(with_argument(b"\xff")),
    ),
    "large numbers": (
        "objects.c",
        "case NATURAL: return PyLong_FromUnsignedLongLong(one.number);",
        "case NATURAL: return PyLong_FromLongLong((long long)one.number);",
        same(with_argument(b"\xcf" + b"\xff" * 8)),
    ),
    "the pool compares sizes": ("objects.c", "same.size != bytes.size || ", "", same(with_argument(codec.encode(MANY_TEXTS)))),
    "the pool compares bytes": (
        "objects.c",
        " || memcmp(same.at, bytes.at, bytes.size) != 0",
        "",
        same(with_argument(codec.encode(MANY_TEXTS))),
    ),
    "the pool compares kinds": (
        "objects.c",
        "!Py_IS_TYPE(known, type) || ",
        "",
        same(make_raw(dataclasses.replace(BODY, memo="k" * 32), [dataclasses.replace(SIGNATURE, public_key=b"k" * 32)])),
    ),
    "what is made is let go of": ("objects.c", "        Py_XDECREF(fields[i]);\n", "", nothing_is_held),
    "the collector leaves objects alone": (
        "objects.c",
        "        Py_XDECREF(fields[i]);\n    }\n    if (made != NULL) PyObject_GC_UnTrack(made);\n",
        "        Py_XDECREF(fields[i]);\n    }\n",
        lambda module: not gc.is_tracked(module.decode(layout(module), [RAW])[0]),
    ),
    "the collector leaves tuples alone": (
        "objects.c",
        "Py_CLEAR(made);\n    }\n    if (made != NULL) PyObject_GC_UnTrack(made);\n",
        "Py_CLEAR(made);\n    }\n",
        lambda module: not gc.is_tracked(module.decode(layout(module), [RAW])[0].body.calls),
    ),
    "others run": ("decode.c", "if (bytes < WORTH_LETTING_GO) {", "if (1) {", others_run),
    "a block that has no room for its length": ("sha256.c", "rest + 9 <= SHA256_BLOCK", "rest + 8 <= SHA256_BLOCK", hashes_all_lengths),
    "words in their lanes": (
        "sha256_x86.c",
        "_mm_alignr_epi8(*last, w[(i + 2) & 3], 4)",
        "_mm_alignr_epi8(*last, w[(i + 2) & 3], 8)",
        hashes_all_lengths,
    ),
    "small naturals": ("encode.c", "if (number < 0x80)", "if (number < 0x7f)", writes(127)),
    "naturals of a byte": (
        "encode.c",
        "if (number <= 0xff) return write_number(out, 0xcc",
        "if (number < 0xff) return write_number(out, 0xcc",
        writes(255),
    ),
    "small negatives": ("encode.c", "if (number >= -32)", "if (number > -32)", writes(-32)),
    "negatives of a byte": ("encode.c", "if (number >= INT8_MIN)", "if (number > INT8_MIN)", writes(-128)),
    "counts up to fifteen": ("encode.c", "if (count <= 15)", "if (count <= 14)", writes((None,) * 15)),
    "texts up to 31": ("encode.c", "size <= 31 ?", "size <= 30 ?", writes("a" * 31)),
    "exact texts as keys": (
        "encode.c",
        "!Py_IS_TYPE(key, &PyUnicode_Type) || ",
        "!PyUnicode_Check(key) || ",
        writes({type("Letter", (str,), {})("a"): 1}, None),
    ),
    "maps in order": ("encode.c", "    qsort(pairs, count, sizeof *pairs, compare);\n", "", writes({"b": 1, "a": 2})),
    "shorter keys first": (
        "encode.c",
        "return order != 0 ? order : (a.size > b.size) - (a.size < b.size);",
        "return order;",
        writes({f"a{'b' * (number * 7 % 16)}": 1 for number in range(16)}),
    ),
    "levels that are written": ("encode.c", "    if (levels == 0) return 0;\n", "", writes(nested(17), None)),
    "levels of maps that are written": (
        "encode.c",
        "write_map(out, value, levels - 1)",
        "write_map(out, value, levels)",
        writes({"a": nested(16)}, None),
    ),
    "what was written before": (
        "encode.c",
        "if (out->bytes == out->first) memcpy(moved, out->first, out->size);",
        "",
        writes(("a", "b" * 700)),
    ),
    "a verdict for its transaction": (
        "gather.c",
        "marks[all->owners[i]]",
        "marks[0]",
        verifies([TWO[0], broken(TWO[1], signature=b"s" * 64)], b"\x01\x00"),
    ),
    "all signatures count": (
        "gather.c",
        "if (!all->verdicts[i] && *mark == 1) *mark = 0;",
        "*mark = all->verdicts[i];",
        verifies([broken(PAIR, 0, signature=b"s" * 64)], b"\x00"),
    ),
    "a key of another length": (
        "gather.c",
        "if (is_long != 1) return is_long;",
        "if (is_long != 1) return 1;",
        verifies([broken(TWO[0], public_key=b"k" * 31)], b"\x00"),
    ),
    "no signature is left out": (
        "gather.c",
        " || (mark == 0 && marks[i] == 1)",
        "",
        verifies([broken(TWO[0], signature=b"s" * 63)], b"\x00"),
    ),
    "another suite is Python's": (
        "gather.c",
        "if (!is_ours) return OTHER_SUITE;",
        "if (!is_ours) return 1;",
        verifies([broken(TWO[0], suite="s")], b"\x02"),
    ),
    "the prefix is signed": ("gather.c", "memcpy(to, prefix.at, prefix.size);", "memset(to, 0, prefix.size);", verifies([TWO[0]], b"\x01")),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_rule_is_noticed(objects, straight, name):
    file, find, replace, check = BENT[name]
    if file == "sha256_x86.c" and not straight.HAS_SHA_X86:
        pytest.skip("this processor has no SHA extensions")
    assert not check(load_bent(objects, file, find, replace))


def test_every_check_passes_as_the_rules_are(straight):
    assert [name for name, (*_, check) in BENT.items() if not check(straight)] == []
