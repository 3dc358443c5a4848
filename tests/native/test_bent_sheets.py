"""Each rule that the C code keeps when it reads and asks sheets, bent: the named batch must show it. Needs a C compiler."""

import dataclasses

import pytest

from chainnode import transactions
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
from tests.execution.record_twin import TwinSheet
from tests.native.compiled import load_bent
from tests.native.letting_go import lets_others_run
from tests.test_transactions import BODY, SIGNATURE, make_raw

LIMITS = (
    *(TX_BYTES_MAX, TX_SIGNERS_MAX, TX_CALLS_MAX, TX_MEMO_BYTES_MAX),
    *(DID_BYTES_MAX, NAME_BYTES_MAX, CHAIN_ID_BYTES_MAX, CODEC_DEPTH_MAX),
)
RULES = ("evidence", "record", ("sha-256", "sm3"), 3, 100)
KEY, OTHER = generate("e", bytes(range(32))), generate("e", bytes(range(1, 33)))
RECORD = ("sha-256", b"d" * 32, b"meta")
ONE, FIRST, LAST = b"k" * 32, b"l" + b"k" * 31, b"k" * 31 + b"l"


@pytest.fixture(scope="module")
def straight(objects):
    """The module with no rule bent, but with the lock let go of sooner."""
    return load_bent(objects, "sheetobject.c", "(16 * 1024)", "(8 * 1024)")


def read(module, *raws):
    known = module.layout(Transaction, TransactionBody, Invocation, Signature, LIMITS)
    return module.read_sheet(known, transactions.encode_batch(raws), 2000)


def twin(*raws):
    return TwinSheet([transactions.decode_transaction(raw) for raw in raws])


def changed(**change):
    return make_raw(dataclasses.replace(BODY, **change))


def spoken(signers, *keys):
    body_bytes = transactions.encode_body(dataclasses.replace(BODY, signers=signers))
    return transactions.encode_transaction(body_bytes, [dataclasses.replace(SIGNATURE, public_key=key) for key in keys])


def evidence(*records, **change):
    return changed(**({"calls": (Invocation("evidence", "record", (records,)),)} | change))


def called(*calls):
    return changed(calls=calls)


def answers(*raws):
    """A check: the sheet says of these what the plain one says."""

    def check(module):
        sheet, plain = read(module, *raws), twin(*raws)
        said = (sheet.ids(), sheet.chain_id(), sheet.valid_until_ms(), sheet.longest(), sheet.speakers(), sheet.raw_digests())
        return said == (plain.ids, plain.chain_id, plain.valid_until_ms, plain.longest, plain.speakers, plain.raw_digests())

    return check


def left(*raws):
    """A check: the batch is left to Python."""
    return lambda module: read(module, *raws) is None


def takes(*raws, rules=RULES):
    """A check: the records of these are taken as the plain sheet takes them."""
    return lambda module: read(module, *raws).take(*rules) == twin(*raws).take(*rules)


def records(*raws):
    """A check: these are recorded and kept as the plain sheet does it."""

    def check(module):
        sheet, plain = read(module, *raws), twin(*raws)
        beginnings = [b"\x98" + signers[0].encode() for signers, _ in plain.speakers]
        if sheet.take(*RULES) != plain.take(*RULES):
            return False
        return sheet.record(beginnings, 7) == plain.record(beginnings, 7) and sheet.keep(beginnings, 3, 4) == plain.keep(beginnings, 3, 4)

    return check


def signed(prefix, *keys, **change):
    body_bytes = transactions.encode_body(dataclasses.replace(BODY, signers=("a", "b")[: len(keys)], **change))
    return transactions.encode_transaction(body_bytes, [Signature("e", key.public, sign(key, prefix + body_bytes)) for key in keys])


def broken(raw, from_end):
    """The same with a bit of the byte that is so far from the end."""
    place = len(raw) - from_end
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def verifies(marks, *raws, prefix=b"prefix"):
    """A check: each transaction has its mark."""
    return lambda module: read(module, *raws).verify(prefix, 0) == bytes(marks) == read(module, *raws).verify(prefix, 0, False)


def verifies_all_lengths(module):
    for length in (*range(150), 250, 300):
        raws = [signed(b"p" * length, KEY, memo="m" * number) for number in (0, 1, 50, 100, 101, 102, 103, 200)]
        if not verifies([1] * 8, *raws, prefix=b"p" * length)(module):
            return False
    return True


def others_run(module):
    """Whether others run while a sheet hashes."""
    sheet = read(module, *[changed(calls=(Invocation("a", "b", (bytes(10_000),)),))] * 500)
    return lets_others_run(sheet.raw_digests)


MANY = [spoken((f"did:{number}",), ONE) for number in range(500)]
GOOD, THREE = evidence(RECORD), evidence(RECORD, ("sm3", b"e" * 32, b""), ("sm3", b"f" * 32, b"m" * 100))
PAIR = signed(b"prefix", KEY, OTHER)
BENT = {
    "words have a length": (
        "sheet.c",
        "return one.size == other.size && memcmp",
        "return one.size <= other.size && memcmp",
        takes(called(Invocation("evidenc", "record", ((RECORD,),)))),
    ),
    "words are compared": (
        "sheet.c",
        "other.size && memcmp(one.at, other.at, one.size) == 0",
        "other.size",
        takes(called(Invocation("evidenca", "record", ((RECORD,),)))),
    ),
    "a key begins there": ("sheet.c", "#define KEY_AT 5", "#define KEY_AT 6", answers(spoken(("a",), ONE), spoken(("a",), FIRST))),
    "a key ends there": ("sheet.c", "#define KEY_SIZE 32", "#define KEY_SIZE 31", answers(spoken(("a",), ONE), spoken(("a",), LAST))),
    "signatures follow each other": (
        "sheet.c",
        "#define SIGNATURE_SIZE 103",
        "#define SIGNATURE_SIZE 102",
        answers(spoken(("a", "b"), ONE, ONE), spoken(("a", "b"), ONE, LAST)),
    ),
    "speakers have signers": (
        "sheet.c",
        "if (!is_same(one->signers, other->signers)) return 0;",
        "",
        answers(spoken(("a",), ONE), spoken(("b",), ONE)),
    ),
    "speakers have keys": (
        "sheet.c",
        "if (memcmp(key_of(one, i), key_of(other, i), KEY_SIZE) != 0) return 0;",
        "",
        answers(spoken(("a",), ONE), spoken(("a",), FIRST)),
    ),
    "speakers in one slot": ("sheet.c", "while (slots[slot] != 0 && !is_same", "while (0 && !is_same", answers(*MANY)),
    "speakers that were there before": (
        "sheet.c",
        "if (slots[slot] == 0) {",
        "{",
        answers(spoken(("a",), ONE), spoken(("b",), ONE), spoken(("a",), ONE)),
    ),
    "the speaker of each": (
        "sheet.c",
        "one->speaker[i] = slots[slot] - 1;",
        "one->speaker[i] = 0;",
        records(evidence(RECORD, signers=("a",)), evidence(RECORD, signers=("b",)), evidence(RECORD, signers=("a",))),
    ),
    "the speaker of the one before": (
        "sheet.c",
        "one->speaker[i] = one->speaker[i - 1];",
        "one->speaker[i] = 0;",
        records(evidence(RECORD, signers=("a",)), evidence(RECORD, signers=("b",)), evidence(RECORD, signers=("b",))),
    ),
    "each is read": (
        "sheet.c",
        "if (!read_transaction(raws[i], max, one)) return 0;",
        "(void)read_transaction(raws[i], max, one);",
        left(make_raw(), make_raw() + b"\x00"),
    ),
    "ids are of bodies": ("sheet.c", "one->body.at, one->body.size", "one->raw.at, one->raw.size", answers(GOOD)),
    "one signs": (
        "sheet.c",
        "if (one->signer_count != 1) return 0;",
        "",
        takes(
            make_raw(
                dataclasses.replace(BODY, signers=("a", "b"), calls=(Invocation("evidence", "record", ((RECORD,),)),)), [SIGNATURE] * 2
            )
        ),
    ),
    "one call": (
        "sheet.c",
        "if (one->call_count != 1) return 0;",
        "",
        takes(called(*[Invocation("evidence", "record", ((RECORD,),))] * 2)),
    ),
    "the contract": (
        "sheet.c",
        "if (!is_same(contract.content, rules->contract)) return 0;",
        "",
        takes(called(Invocation("other", "record", ((RECORD,),)))),
    ),
    "the method": (
        "sheet.c",
        "if (!is_same(method.content, rules->method)) return 0;",
        "",
        takes(called(Invocation("evidence", "other", ((RECORD,),)))),
    ),
    "one argument": ("sheet.c", " || arguments.number != 1", "", takes(called(Invocation("evidence", "record", ((RECORD,), (RECORD,)))))),
    "there are records": ("sheet.c", " || rows.number == 0", "", takes(GOOD, evidence())),
    "records are few": ("sheet.c", " || rows.number > rules->records_max", "", takes(evidence(*[RECORD] * 4))),
    "a record has three fields": ("sheet.c", " || row.number != 3", "", takes(evidence((*RECORD, ())))),
    "algorithms are known": ("sheet.c", " || !is_algorithm(algorithm.content, rules)", "", takes(evidence(("sha3-256", *RECORD[1:])))),
    "all algorithms": ("sheet.c", "i < rules->algorithm_count", "i < 1", takes(evidence(("sm3", *RECORD[1:])))),
    "algorithms are text": (
        "sheet.c",
        "if (!read_kind(in, TEXT, &algorithm) ||",
        "if (!read_token(in, &algorithm) ||",
        takes(evidence((b"sha-256", *RECORD[1:]))),
    ),
    "digests have 32 bytes": ("sheet.c", " || digest.content.size != 32", "", takes(evidence(("sm3", b"d" * 33, b"")))),
    "digests are bytes": (
        "sheet.c",
        "if (!read_kind(in, BYTES, &digest) ||",
        "if (!read_token(in, &digest) ||",
        takes(evidence(("sm3", "d" * 32, b""))),
    ),
    "descriptions are bytes": (
        "sheet.c",
        "if (!read_kind(in, BYTES, &meta) ||",
        "if (!read_token(in, &meta) ||",
        takes(evidence(("sm3", b"d" * 32, "m"))),
    ),
    "descriptions are short": (
        "sheet.c",
        " || meta.content.size > rules->meta_bytes_max",
        "",
        takes(evidence(("sm3", b"d" * 32, b"m" * 101))),
    ),
    "the records of each": (
        "sheet.c",
        "one->record_ends[i] = (uint32_t)(next - one->records);",
        "one->record_ends[i] = (uint32_t)count;",
        records(GOOD, THREE, GOOD, GOOD),
    ),
    "a record's middle": (
        "sheet.c",
        "    out->middle.at = in->at;\n",
        "    out->middle.at = in->at + 1;\n",
        records(GOOD, THREE),
    ),
    "where records end": (
        "sheet.c",
        "(span){begin, (size_t)(in.at - begin)}",
        "(span){begin, (size_t)(in.at - begin) - 1}",
        records(evidence(*[(*RECORD[:2], b"m" * 100)] * 3)),
    ),
    "digests follow each other": (
        "sheetobject.c",
        "memcpy(to + i * DIGEST_SIZE, one->records[i].digest",
        "memcpy(to + i * DIGEST_SIZE, one->records[0].digest",
        takes(evidence(("sm3", b"d" * 32, b""), ("sm3", b"e" * 32, b""))),
    ),
    "nothing is recorded that was not taken": (
        "sheetobject.c",
        "one->is_taken = 1;",
        "one->is_taken = 0;",
        lambda module: records_at_all(module),
    ),
    "chains have a length": (
        "sheetobject.c",
        "if (other.size != first.size || memcmp",
        "if (memcmp",
        answers(changed(chain_id="test-1"), changed(chain_id="test-12")),
    ),
    "chains are compared": (
        "sheetobject.c",
        " || memcmp(other.at, first.at, first.size) != 0",
        "",
        answers(changed(chain_id="test-1"), changed(chain_id="test-2")),
    ),
    "all chains are compared": (
        "sheetobject.c",
        "for (size_t i = 1; i < one->count; i++) {\n        span other",
        "for (size_t i = 1; i < one->count - 1; i++) {\n        span other",
        answers(changed(chain_id="test-1"), changed(chain_id="test-2")),
    ),
    "the least time": (
        "sheetobject.c",
        "if (time < least) least = time;",
        "",
        answers(changed(valid_until_ms=2), changed(valid_until_ms=1)),
    ),
    "the greatest time": (
        "sheetobject.c",
        "if (time > greatest) greatest = time;",
        "",
        answers(changed(valid_until_ms=1), changed(valid_until_ms=2)),
    ),
    "the longest": ("sheetobject.c", "if (one->taken[i].raw.size > longest) longest", "longest", answers(changed(memo="long"), make_raw())),
    "digests are of whole transactions": (
        "sheetobject.c",
        "one->taken[i].raw.at, one->taken[i].raw.size)",
        "one->taken[i].body.at, one->taken[i].body.size)",
        answers(GOOD),
    ),
    "all signatures count": (
        "sheetobject.c",
        "marks[i] &= verdicts[next++]",
        "marks[i] = verdicts[next++]",
        verifies([0, 1, 0], broken(PAIR, 103 + 1), PAIR, broken(PAIR, 1)),
    ),
    "a verdict for its transaction": (
        "sheetobject.c",
        "marks[i] &= verdicts[next++]",
        "marks[i] &= verdicts[next++ % 2]",
        verifies([1, 0, 1], PAIR, broken(PAIR, 1), PAIR),
    ),
    "the prefix is signed": ("sheetobject.c", "prefix.at, prefix.size, tx->body.at", "NULL, 0, tx->body.at", verifies([1], PAIR)),
    "the body is signed": ("sheetobject.c", "tx->body.at, tx->body.size", "tx->raw.at, tx->raw.size", verifies([1], PAIR)),
    "others run": ("sheetobject.c", "return one->batch.size < WORTH_LETTING_GO ? NULL", "return 1 ? NULL", others_run),
    "pieces of a text follow each other": ("sha512.c", "        skipped = 0;\n", "", verifies_all_lengths),
    "a prefix has a length": ("sha512.c", "(64 + text->prefix_length + text->length + 1", "(64 + text->length + 1", verifies_all_lengths),
}


def records_at_all(module):
    sheet = read(module, GOOD)
    sheet.take(*RULES)
    try:
        return bool(sheet.record([b"\x98"], 0))
    except ValueError:
        return False


@pytest.mark.parametrize("name", BENT)
def test_a_bent_rule_is_noticed(objects, name):
    file, find, replace, check = BENT[name]
    assert not check(load_bent(objects, file, find, replace))


def test_every_check_passes_as_the_rules_are(straight):
    assert [name for name, (*_, check) in BENT.items() if not check(straight)] == []
