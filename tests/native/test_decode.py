"""What C makes of transactions, batches and values is what Python makes of them, and C takes whatever Python takes."""

import dataclasses
import gc
import hashlib
import importlib
import itertools
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec, transactions
from chainnode.crypto.suites import generate, sign
from chainnode.crypto.verify import verify_many
from chainnode.errors import Malformed
from chainnode.types.codes import TOO_LARGE
from chainnode.types.limits import BATCH_BYTES_MAX, BATCH_TXS_MAX, CODEC_DEPTH_MAX, TX_BYTES_MAX, TX_CALLS_MAX, TX_SIGNERS_MAX
from chainnode.types.transaction import Invocation, Signature, Transaction, TransactionBody
from tests.native.forms import NUMBERS, Forms
from tests.native.nomemory import failures
from tests.test_transactions import BODIES, BODY, GENESIS_HASH, SIGNATURE, VALUES, decode_plainly, make_raw

if transactions.NATIVE is None:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)
native = importlib.import_module("chainnode.native._verify")
NATIVE = transactions.NATIVE
SEED = int(os.environ.get("CHAINNODE_SEED", "20261126"))
KEYS = [generate("e", bytes([number]) * 32) for number in range(1, 5)]


def plainly(function, *args):
    """What a function gives without C; of Malformed, the code and the words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "NATIVE", None)
        patch.setattr(codec, "NATIVE", None)
        return outcome(function, *args)


def outcome(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Malformed as error:
        return error.code, error.detail


def taken(raw):
    """What C makes of one, None when it leaves it to Python."""
    (one,) = NATIVE.decode([raw])
    assert type(one) is Transaction or one is raw
    return one if type(one) is Transaction else None


def check(raws):
    """C and Python agree on each; how many are taken. What is taken has the same types to its last leaf, which `repr` shows."""
    raws, count = list(raws), 0
    found = NATIVE.decode(raws)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "NATIVE", None)
        patch.setattr(codec, "NATIVE", None)
        for raw, one in zip(raws, found, strict=True):
            expected = outcome(transactions.decode_transaction, raw)
            if type(one) is Transaction:
                assert one == expected and repr(one) == repr(expected), f"CHAINNODE_SEED={SEED} {raw.hex()}"
                count += 1
            else:
                assert type(expected) is not Transaction or is_of_another_suite(expected), f"CHAINNODE_SEED={SEED} {raw.hex()}"
    return count


def read_plainly(data):
    """What Python reads, in a tuple as C gives it; None when these are not canonical bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "NATIVE", None)
        try:
            return (codec.decode(data, bytes_max=len(data)),)
        except Malformed:
            return None


def is_of_another_suite(tx):
    return any(one.suite != "e" for one in tx.signatures)


def body_with(argument):
    """The bytes of a body whose only argument has these bytes."""
    marker = b"marker that the argument replaces"
    body = transactions.encode_body(dataclasses.replace(BODY, calls=(Invocation("evidence", "put", (marker,)),)))
    return body.replace(codec.encode(marker), argument)


def signed(body_bytes, signers=1):
    return transactions.encode_transaction(body_bytes, [SIGNATURE] * signers)


@given(BODIES)
def test_a_transaction_of_any_kind_is_taken_and_is_what_python_makes_of_it(body):
    raw = make_raw(body)
    assert check([raw]) == 1
    assert taken(raw) == decode_plainly(raw)


@given(BODIES, st.data())
def test_changed_bytes_are_judged_as_python_judges_them(body, data):
    encoded = bytearray(make_raw(body))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    check([bytes(encoded)])


@given(st.binary(max_size=100))
def test_any_bytes_are_judged_as_python_judges_them(content):
    check([content, signed(content), signed(body_with(content))])


def test_every_bit_of_real_transactions_counts_for_the_same():
    forms = Forms(SEED)
    raws = sorted({forms.good() for _ in range(60)}, key=len)[10:16]
    raws.append(make_raw(dataclasses.replace(BODY, memo="é中\U0001f600", calls=(Invocation("a", "b", ({"a": -129, "b": (None, True)},)),))))
    for raw in raws:
        flipped = [raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :] for at in range(len(raw)) for bit in range(8)]
        assert 0 < check(flipped) < len(flipped)
        assert check([raw[:length] for length in range(len(raw))]) == 0
        assert check([raw + bytes([byte]) for byte in range(256)]) == 0


def test_many_inputs_of_all_kinds_are_judged_as_python_judges_them():
    print(f"CHAINNODE_SEED={SEED}")
    assert 5_000 < check(Forms(SEED).raws(15_000)) < 10_000


@pytest.mark.soak
def test_a_million_inputs_of_all_kinds_are_judged_as_python_judges_them():
    for number in range(20):
        check(Forms(SEED + 1 + number).raws(50_000))


def test_python_s_reader_refuses_what_its_own_plain_twin_refuses():
    for raw in Forms(SEED + 7).raws(5_000):
        expected = outcome(decode_plainly, raw)
        assert (expected if type(expected) is Transaction else None) == taken(raw), raw.hex()


@pytest.mark.parametrize("depth", range(9, 20))
@pytest.mark.parametrize("argument", [b"\x91", b"\x81\xa1a"])
@pytest.mark.parametrize("end", [b"\xc0", b"\x90", b"\x80"])
def test_values_nest_as_deep_as_the_codec_writes_them(depth, argument, end):
    raw = signed(body_with(argument * depth + end))
    is_taken = 4 + depth + (end != b"\xc0") <= CODEC_DEPTH_MAX  # body, calls, call, arguments
    assert check([raw]) == is_taken
    assert (
        (type(outcome(decode_plainly, raw)) is Transaction)
        == is_taken
        == (type(plainly(transactions.decode_transaction, raw)) is Transaction)
    )


def test_numbers_have_one_form_each():
    for number in {number + near for number in NUMBERS for near in (-1, 0, 1)}:
        forms = [bytes([number & 0xFF])] if -32 <= number < 128 else []
        for width, mark in enumerate((0xCC, 0xCD, 0xCE, 0xCF)):
            if 0 <= number < 256**2**width:
                forms.append(bytes([mark]) + number.to_bytes(2**width, "big"))
        for width, mark in enumerate((0xD0, 0xD1, 0xD2, 0xD3)):
            if -(256**2**width) // 2 <= number < 256**2**width // 2:
                forms.append(bytes([mark]) + number.to_bytes(2**width, "big", signed=True))
        assert check(signed(body_with(form)) for form in forms) == (-(2**63) <= number < 2**64), number


EDGES = b"\x00\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff"


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_text_is_utf8_as_python_reads_it(length):
    for letters in itertools.product(EDGES, repeat=length) if length > 2 else itertools.product(range(256), repeat=length):
        text = bytes(letters)
        try:
            expected = (text.decode(),)
        except UnicodeDecodeError:
            expected = None
        assert native.decode_value(bytes([0xA0 | length]) + text, 1, 1) == expected, text


def test_text_ends_where_its_length_says_though_its_last_letter_goes_on():
    for text in ("aé", "a" * 9 + "中", "a" * 8 + "\U0001f600"):
        whole = text.encode()
        for length in range(len(whole) + 1):
            data = b"\x92" + bytes([0xA0 | length]) + whole[:length] + b"\xa2\xc3\xa9"
            assert native.decode_value(data, 1, 9) == read_plainly(data)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": "c" * 50},
        {"chain_id": "c" * 51},
        {"chain_id": ""},
        {"signers": tuple(f"did:bid:{number}" for number in range(TX_SIGNERS_MAX))},
        {"signers": tuple(f"did:bid:{number}" for number in range(TX_SIGNERS_MAX + 1))},
        {"signers": ("a", "b", "c", "a")},
        {"signers": ("a", "ab", "b")},
        {"signers": ()},
        {"signers": ("d" * 57,)},
        {"signers": ("d" * 58,)},
        {"nonce": b"n" * 15},
        {"nonce": b"n" * 17},
        {"valid_until_ms": 2**63 - 1},
        {"valid_until_ms": 2**63},
        {"valid_until_ms": -1},
        {"calls": BODY.calls * TX_CALLS_MAX},
        {"calls": BODY.calls * (TX_CALLS_MAX + 1)},
        {"calls": ()},
        {"calls": (Invocation("e" * 64, "p" * 64, ()),)},
        {"calls": (Invocation("e" * 65, "p", ()),)},
        {"calls": (Invocation("e", "p" * 65, ()),)},
        {"memo": "m" * 256},
        {"memo": "é" * 128},
        {"memo": "é" * 129},
    ],
)
def test_each_limit_is_the_same(change):
    body = dataclasses.replace(BODY, **change)
    check([make_raw(body)])


def test_the_bytes_of_a_transaction_have_the_same_limit():
    spare = TX_BYTES_MAX - len(make_raw(dataclasses.replace(BODY, calls=(Invocation("a", "b", (b"x" * 70_000,)),)))) + 70_000
    for more, is_taken in ((0, 1), (1, 0)):
        raw = make_raw(dataclasses.replace(BODY, calls=(Invocation("a", "b", (b"x" * (spare + more),)),)))
        assert len(raw) == TX_BYTES_MAX + more and check([raw]) == is_taken


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1024, 1025, 65_535, 65_536])
@pytest.mark.parametrize("element", [b"\xc0", b"\x90", b"\xa1a"])
def test_lists_of_every_length_are_read(count, element):
    head = (
        bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big") if count < 2**16 else b"\xdd" + count.to_bytes(4, "big")
    )
    assert check([signed(body_with(head + element * count))]) == 1
    assert check([signed(body_with(head + element * wrong)) for wrong in (count - 1, count + 1) if wrong >= 0]) == 0


def test_suites_other_than_ed25519_are_left_to_python():
    others = [
        Signature("s", b"\x02" + b"k" * 32, b"t" * 64),
        Signature("z", b"\x04" + b"k" * 64, b"u" * 64),
        Signature("x", b"k" * 32, b"u" * 64),
    ]
    raws = [make_raw(signatures=[one]) for one in (SIGNATURE, *others)]
    assert [taken(raw) is not None for raw in raws] == [True, False, False, False]
    assert [type(outcome(transactions.decode_transaction, raw)) is Transaction for raw in raws] == [True, True, True, False]
    check(raws)


@given(VALUES)
def test_a_value_of_any_kind_is_read(value):
    data = codec.encode(value)
    read = native.decode_value(data, CODEC_DEPTH_MAX, len(data))
    assert repr(read) == repr(read_plainly(data)) == repr((codec.decode(data, bytes_max=len(data)),))


def elements(value):
    """How many elements a value has, itself and keys of maps among them."""
    parts = value if type(value) is tuple else [*value, *value.values()] if type(value) is dict else ()
    return 1 + sum(map(elements, parts))


@given(VALUES, st.integers(-1, 3))
def test_a_value_of_too_many_elements_is_left_to_python(value, more):
    data, count = codec.encode(value), elements(value)
    assert native.decode_value(data, CODEC_DEPTH_MAX, count) is not None
    assert native.decode_value(data, CODEC_DEPTH_MAX, count - 1) is None
    assert (native.decode_value(data, CODEC_DEPTH_MAX, more) is None) == (count > more)


def test_a_long_value_of_few_elements_is_read_in_c_and_one_of_many_refused(monkeypatch):
    few, many = codec.encode((b"x" * 5_000, (1, 2))), codec.encode(tuple(range(2_000)))
    seen = []
    read = codec.NATIVE.decode
    monkeypatch.setattr(codec, "NATIVE", dataclasses.replace(codec.NATIVE, decode=lambda *given: seen.append(read(*given)) or seen[-1]))
    assert codec.decode(few, bytes_max=6_000, elements_max=5) == (b"x" * 5_000, (1, 2))
    with pytest.raises(Malformed) as caught:
        codec.decode(many, bytes_max=6_000, elements_max=2_000)
    assert caught.value.code == TOO_LARGE
    assert codec.decode(many, bytes_max=6_000, elements_max=2_001) == tuple(range(2_000))
    assert [found is None for found in seen] == [False, True, False]


def test_values_are_judged_as_python_judges_them():
    forms = Forms(SEED + 3)
    for _ in range(20_000):
        data = codec.encode(forms.value())
        data = forms.changed(data) if forms.random.random() < 0.7 else data
        read = native.decode_value(data, CODEC_DEPTH_MAX, len(data))
        assert repr(read) == repr(read_plainly(data)), f"CHAINNODE_SEED={SEED} {data.hex()}"


def test_a_batch_is_its_transactions_in_their_order():
    raws = [raw for raw in Forms(SEED).raws(300) if taken(raw) is not None]
    other = make_raw(signatures=[Signature("s", b"\x02" + b"k" * 32, b"t" * 64)])
    for rows in (raws[:1], raws[:15], raws[:16], [*raws[:20], other, *raws[20:40]]):
        batch = transactions.encode_batch(rows)
        found = transactions.decode_batch(batch)
        assert [one.raw for one in found] == rows and found == plainly(transactions.decode_batch, batch)
        assert transactions.decode_each(rows) == list(found)


def test_changed_batches_are_judged_as_python_judges_them():
    forms, few = Forms(SEED), Forms(SEED + 1)
    count = 0
    for _ in range(1_500):
        raws = [few.good() if few.random.random() < 0.98 else few.raw() for _ in range(few.random.choice([1, 1, 2, 16]))]
        batch = transactions.encode_batch(raws)
        if forms.random.random() < 0.5:
            at = forms.random.randrange(6)
            batch = forms.changed(batch[:at]) + batch[at:] if at else forms.changed(batch)
        found = outcome(transactions.decode_batch, batch)
        assert repr(found) == repr(plainly(transactions.decode_batch, batch)), f"CHAINNODE_SEED={SEED} {batch.hex()}"
        count += type(found[0]) is Transaction
    assert 300 < count < 1_200


def test_a_batch_has_the_same_limits():
    raw = make_raw()
    big = make_raw(dataclasses.replace(BODY, calls=(Invocation("evidence", "put", (b"x" * 349_700,)),)))
    batches = [transactions.encode_batch(rows) for rows in ([], [raw] * BATCH_TXS_MAX, [raw] * (BATCH_TXS_MAX + 1), [big] * 3, [big] * 2)]
    assert len(batches[3]) > BATCH_BYTES_MAX
    for batch in batches:
        assert repr(outcome(transactions.decode_batch, batch)) == repr(plainly(transactions.decode_batch, batch))
    assert [type(outcome(transactions.decode_batch, batch)[0]) is Transaction for batch in batches] == [False, True, False, False, True]


def test_one_of_many_that_is_malformed_is_told_as_python_tells_it():
    raws = [make_raw(), b"\xc0", make_raw(dataclasses.replace(BODY, memo="x"))[:-1], make_raw()]
    found = transactions.decode_each(raws)
    assert [type(one) is Transaction for one in found] == [True, False, False, True]
    for raw, one in zip(raws, found, strict=True):
        expected = plainly(transactions.decode_transaction, raw)
        assert (one if type(one) is Transaction else (one.code, one.detail)) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "NATIVE", None)
        assert repr(transactions.decode_each(raws)) == repr(found)


@pytest.mark.parametrize("content", [bytearray(make_raw()), memoryview(make_raw()), "text", None])
def test_what_is_no_bytes_is_left_to_python(content):
    assert NATIVE.decode([content])[0] is content
    assert NATIVE.decode_batch(content, 10) is None
    assert native.decode_value(content, 16, 100) is None


# Objects


def test_what_c_makes_is_as_immutable_and_whole_as_any():
    one, other = taken(make_raw()), plainly(transactions.decode_transaction, make_raw())
    for made, plain in (
        (one, other),
        (one.body, other.body),
        (one.body.calls[0], other.body.calls[0]),
        (one.signatures[0], other.signatures[0]),
    ):
        assert type(made) is type(plain) and made == plain and hash(made) == hash(plain)
        assert dataclasses.replace(made) == plain and dataclasses.asdict(made) == dataclasses.asdict(plain)
        for field in dataclasses.fields(made):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(made, field.name, None)
        assert not hasattr(type(made), "__post_init__")  # which C would not call


def test_the_collector_leaves_alone_what_never_changes():
    (one,) = NATIVE.decode([make_raw(dataclasses.replace(BODY, calls=(Invocation("a", "b", ((1, (b"x",)),)),)))])
    call, signature = one.body.calls[0], one.signatures[0]
    parts = [one, one.body, one.body.signers, one.body.calls, call, call.arguments, call.arguments[0], one.signatures, signature]
    assert not any(map(gc.is_tracked, parts))


def test_the_names_that_many_transactions_share_are_one_object():
    raws = [make_raw(dataclasses.replace(BODY, nonce=bytes([number]) * 16)) for number in range(3)]
    one, two, three = NATIVE.decode(raws)
    for pick in (
        lambda tx: tx.body.chain_id,
        lambda tx: tx.body.signers[0],
        lambda tx: tx.body.calls[0].contract,
        lambda tx: tx.signatures[0].public_key,
    ):
        assert pick(one) is pick(two) is pick(three)
    assert one.body.nonce != two.body.nonce


def test_bytes_and_text_that_are_equal_as_bytes_stay_apart():
    arguments = tuple(pair for number in range(200) for pair in (b"k" * 31 + bytes([number % 128]), "k" * 31 + chr(number % 128)))
    body = dataclasses.replace(BODY, calls=(Invocation("evidence", "put", arguments),))
    raw = make_raw(body, [dataclasses.replace(SIGNATURE, public_key=b"k" * 32)])
    assert check([raw]) == 1
    text_of_key = make_raw(dataclasses.replace(BODY, memo="k" * 32), [dataclasses.replace(SIGNATURE, public_key=b"k" * 32)])
    assert check([text_of_key]) == 1


def test_nothing_is_held_after_a_batch():
    raws = list(Forms(SEED).raws(50))
    batch = transactions.encode_batch([make_raw()] * 20)
    things = [None, True, Transaction, TransactionBody, Invocation, Signature, raws[0], batch]
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(100):
        assert NATIVE.decode(raws) and NATIVE.decode_batch(batch, 100) and NATIVE.decode_batch(b"\xc0", 100) is None
        assert NATIVE.verify(NATIVE.decode_batch(batch, 100), b"prefix", 0) == bytes(20)
        with pytest.raises(TypeError):
            NATIVE.verify([*NATIVE.decode_batch(batch, 100), None], b"prefix", 0)
    gc.collect()
    grown = [sys.getrefcount(thing) - count for thing, count in zip(things, before, strict=True)]
    assert max(grown) < 50, grown


CALLS = """
from chainnode import codec, transactions
from tests.native.forms import Forms
raws = [raw for raw in Forms(5).raws(12)]
good = [one for one in transactions.NATIVE.decode(raws) if type(one) is transactions.Transaction]
batch = transactions.encode_batch([one.raw for one in good])
calls = (lambda: transactions.NATIVE.decode(raws), lambda: transactions.NATIVE.decode_batch(batch, 100),
         lambda: transactions.NATIVE.verify(good, b"prefix", 0), lambda: transactions.NATIVE.sha256_each(raws),
         lambda: codec.encode(tuple(raws)), lambda: codec.encode({"b": "é" * 600, "a": (1, {"c": None})}))
"""


def test_each_allocation_may_fail():
    assert failures(CALLS, 400) > 100


@pytest.mark.parametrize(
    "given",
    [
        (),
        (Transaction, TransactionBody, Invocation, Signature, (1,) * 7),
        (Transaction, TransactionBody, Invocation, None, (1,) * 8),
        (Transaction, TransactionBody, Invocation, Invocation, (1,) * 8),
        (Transaction, TransactionBody, Invocation, dataclasses.make_dataclass("Open", ["suite", "public_key", "signature"]), (1,) * 8),
        (Transaction, TransactionBody, Invocation, Signature, (1, 65, 1, 1, 1, 1, 1, 16)),
        (Transaction, TransactionBody, Invocation, Signature, (1, 16, 1, 1, 1, 1, 1, 2)),
    ],
)
def test_what_is_no_layout_is_refused(given):
    with pytest.raises((TypeError, AttributeError, ValueError)):
        native.layout(*given)


@pytest.mark.parametrize("function", [native.decode, native.decode_batch, native.verify_transactions])
def test_nothing_is_done_without_a_layout(function):
    rest = {native.decode: ([],), native.decode_batch: (b"", 1), native.verify_transactions: ([], b"", 0)}[function]
    with pytest.raises((TypeError, ValueError)):
        function(object(), *rest)


@pytest.mark.parametrize("is_portable", [False, True])
def test_sha_256_is_sha_256(is_portable):
    content = Forms(SEED).random.randbytes(1000)
    for length in [*range(300), 1000]:
        assert native.sha256(content[:length], is_portable) == hashlib.sha256(content[:length]).digest()


@pytest.mark.parametrize("count", [0, 1, 3, 100])
def test_many_texts_are_hashed_in_their_order(count):
    texts = [bytes([number]) * (number * 7) for number in range(count)]
    for _ in range(3):
        assert native.sha256_each(iter(texts)) == [hashlib.sha256(text).digest() for text in texts]
    assert native.sha256_each([b"x" * 20_000] * 2) == [hashlib.sha256(b"x" * 20_000).digest()] * 2  # outside the lock


@pytest.mark.parametrize("given", [None, 7, [None], ["text"], [b"a", bytearray(b"b")]])
def test_what_is_no_list_of_bytes_is_not_hashed(given):
    with pytest.raises(TypeError):
        native.sha256_each(given)


def test_the_digests_of_transactions_are_those_of_their_bytes():
    txs = NATIVE.decode([make_raw(dataclasses.replace(BODY, nonce=bytes([number]) * 16)) for number in range(5)])
    expected = [hashlib.sha256(tx.raw).digest() for tx in txs]
    assert transactions.raw_digests(txs) == plainly(transactions.raw_digests, txs) == expected


# Signatures


def really_signed(number, count=1, genesis_hash=GENESIS_HASH, **change):
    body = dataclasses.replace(BODY, signers=tuple(f"did:bid:{place}" for place in range(count)), nonce=bytes([number]) * 16)
    body_bytes = transactions.encode_body(body)
    message = transactions.sign_bytes(genesis_hash, body_bytes)
    signatures = [Signature("e", KEYS[place].public, sign(KEYS[place], message)) for place in range(count)]
    signatures[-1] = dataclasses.replace(signatures[-1], **change)
    return Transaction(b"", body_bytes, bytes(32), body, tuple(signatures))


def test_signatures_of_transactions_count_as_those_of_their_items():
    txs = [really_signed(number, number % 4 + 1) for number in range(40)]
    txs[3] = really_signed(3, 2, signature=b"s" * 64)
    txs[7] = really_signed(7, 3, genesis_hash=hashlib.sha256(b"other").digest())
    txs[8] = really_signed(8, 4, public_key=b"k" * 31)
    txs[9] = really_signed(9, 1, signature=b"s" * 63)
    txs[10] = dataclasses.replace(txs[10], body_bytes=txs[10].body_bytes + b"\x00")
    txs[11] = dataclasses.replace(txs[11], signatures=txs[11].signatures[::-1])  # whose each still signs this body
    txs[12] = dataclasses.replace(txs[12], signatures=())
    txs[13] = dataclasses.replace(txs[13], signatures=(txs[3].signatures[-1], *txs[13].signatures))
    expected = [all(verify_many(transactions.signature_items(tx, GENESIS_HASH))) for tx in txs]
    assert [place for place, is_good in enumerate(expected) if not is_good] == [3, 7, 8, 9, 10, 13]
    for _ in range(4):
        assert transactions.verify_each(txs, GENESIS_HASH) == expected
        assert transactions.verify_each(txs[::-1], GENESIS_HASH) == expected[::-1]
    assert plainly(transactions.verify_each, txs, GENESIS_HASH) == expected
    assert transactions.verify_each([], GENESIS_HASH) == []


def test_signatures_of_other_suites_count_among_those_of_ed25519():
    key = generate("s", bytes([7]) * 32)
    txs = [really_signed(number, 2) for number in range(6)]
    message = transactions.sign_bytes(GENESIS_HASH, txs[0].body_bytes)
    good = Signature("s", key.public, sign(key, message))
    txs[1] = dataclasses.replace(txs[0], signatures=(good, *txs[0].signatures))
    txs[2] = dataclasses.replace(txs[2], signatures=(*txs[2].signatures, good))  # of another body
    txs[3] = dataclasses.replace(txs[0], signatures=(good, dataclasses.replace(txs[0].signatures[0], signature=b"s" * 64)))
    txs[4] = dataclasses.replace(txs[0], signatures=(dataclasses.replace(txs[0].signatures[0], signature=b"s" * 64), good))
    assert transactions.verify_each(txs, GENESIS_HASH) == [True, True, False, False, False, True]
    assert plainly(transactions.verify_each, txs, GENESIS_HASH) == [True, True, False, False, False, True]


@pytest.mark.parametrize(
    "given",
    [
        None,
        [None],
        [make_raw()],
        [dataclasses.replace(really_signed(1), body_bytes="text")],
        [dataclasses.replace(really_signed(1), signatures=[SIGNATURE])],
        [dataclasses.replace(really_signed(1), signatures=(("e", b"", b""),))],
        [really_signed(1, suite=b"e")],
        [really_signed(1, public_key="text")],
        [really_signed(1, signature=None)],
    ],
)
def test_what_is_no_transaction_is_a_type_error(given):
    with pytest.raises(TypeError):
        NATIVE.verify(given, b"prefix", 0)


SAY_NATIVE = "from chainnode import codec, transactions; print(transactions.NATIVE, codec.NATIVE)"


def test_it_is_switched_off_by_the_environment():
    environment = os.environ | {"CHAINNODE_NATIVE": "0"}
    done = subprocess.run([sys.executable, "-c", SAY_NATIVE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "None None\n"
