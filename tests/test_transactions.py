"""Transactions, batches and results as bytes: round trips, limits, and the fast reader against its plain twin."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec, transactions
from chainnode.crypto.suites import generate, sign
from chainnode.crypto.verify import verify_many
from chainnode.errors import Malformed
from chainnode.types.limits import BATCH_BYTES_MAX, BATCH_TXS_MAX, TX_BYTES_MAX, TX_CALLS_MAX, TX_SIGNERS_MAX
from chainnode.types.transaction import Event, Invocation, Signature, Transaction, TransactionBody, TxResult

KEYS = [generate("e", bytes([number]) * 32) for number in range(1, 4)]
GENESIS_HASH = hashlib.sha256(b"genesis").digest()
DID = "did:bid:ef" + "x" * 22
BODY = TransactionBody("test-1", (DID,), b"n" * 16, 1_795_000_000_000, (Invocation("evidence", "put", ("sha-256", b"d" * 32)),))
SIGNATURE = Signature("e", KEYS[0].public, b"s" * 64)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS | st.binary(max_size=40)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=10
)
NAMES = st.text(st.characters(codec="ascii"), min_size=1, max_size=64)
CALLS = st.builds(Invocation, NAMES, NAMES, st.lists(VALUES, max_size=4).map(tuple))
BODIES = st.builds(
    TransactionBody,
    st.text(st.characters(codec="ascii"), min_size=1, max_size=50),
    st.lists(st.text(st.characters(codec="ascii"), min_size=1, max_size=57), min_size=1, max_size=4, unique=True).map(tuple),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**63 - 1),
    st.lists(CALLS, min_size=1, max_size=4).map(tuple),
    TEXTS,
)
SIGNATURES = st.sampled_from([SIGNATURE, Signature("s", b"\x02" + b"k" * 32, b"t" * 64), Signature("z", b"\x04" + b"k" * 64, b"u" * 64)])


def decode_plainly(raw: bytes) -> Transaction:
    """What `decode_transaction` must equal: the same rules by `codec.decode` and its readers, nothing in line."""
    body_value, signatures_value = codec.as_array(codec.decode(raw, bytes_max=TX_BYTES_MAX), 2)
    body_bytes = codec.as_bytes(body_value)
    fields = codec.as_array(codec.decode(body_bytes, bytes_max=TX_BYTES_MAX), 7)
    codec.as_int(fields[0], 1, 1)
    signers = tuple(_ascii(one, 57) for one in codec.as_array(fields[2]))
    calls = codec.as_array(fields[5])
    if not 1 <= len(set(signers)) == len(signers) <= 16 or not 1 <= len(calls) <= 64:
        raise Malformed(transactions.MALFORMED, "")
    body = TransactionBody(
        _ascii(fields[1], 50),
        signers,
        codec.as_bytes(fields[3], 16),
        codec.as_int(fields[4], 0, 2**63 - 1),
        tuple(
            Invocation(_ascii(one, 64), _ascii(two, 64), codec.as_array(three))
            for one, two, three in (codec.as_array(call, 3) for call in calls)
        ),
        codec.as_str(fields[6], 256),
    )
    signatures = []
    for value in codec.as_array(signatures_value, len(signers)):
        suite, public_key, signature = codec.as_array(value, 3)
        transactions.check_public_key(codec.as_str(suite, 1), codec.as_bytes(public_key))
        signatures.append(Signature(suite, public_key, codec.as_bytes(signature, 64)))
    return Transaction(raw, body_bytes, hashlib.sha256(body_bytes).digest(), body, tuple(signatures))


def _ascii(value, length_max: int) -> str:
    text = codec.as_str(value, length_max)
    if not text or not text.isascii():
        raise Malformed(transactions.MALFORMED, "")
    return text


def outcome(decode, raw: bytes):
    try:
        return decode(raw)
    except Malformed:
        return None


def make_raw(body: TransactionBody = BODY, signatures=None) -> bytes:
    return transactions.encode_transaction(
        transactions.encode_body(body), [SIGNATURE] * len(body.signers) if signatures is None else signatures
    )


def values_of(body: TransactionBody = BODY) -> list:
    return list(codec.decode(transactions.encode_body(body), bytes_max=TX_BYTES_MAX))


@given(BODIES, st.data())
def test_a_transaction_is_read_back_and_keeps_its_bytes(body, data):
    signatures = tuple(data.draw(SIGNATURES) for _ in body.signers)
    raw = make_raw(body, signatures)
    transaction = transactions.decode_transaction(raw)
    body_bytes = transactions.encode_body(body)
    assert transaction == Transaction(raw, body_bytes, hashlib.sha256(body_bytes).digest(), body, signatures)
    assert transaction == decode_plainly(raw)


@given(BODIES, st.data())
def test_the_fast_reader_refuses_what_its_plain_twin_refuses(body, data):
    signatures = [data.draw(SIGNATURES) for _ in body.signers]
    encoded = bytearray(make_raw(body, signatures))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(encoded)
    assert outcome(transactions.decode_transaction, raw) == outcome(decode_plainly, raw)


ODD = st.sampled_from([None, True, 0, 1, -1, 2**63, "", "é", "a" * 65, b"", b"n" * 16, (), ("a",), ((),), {}, {"a": 1}])


@given(st.integers(0, 6), ODD | VALUES)
def test_a_field_of_another_kind_is_judged_as_by_the_plain_twin(index, value):
    values = values_of()
    values[index] = value
    raw = codec.encode((codec.encode(tuple(values)), (("e", SIGNATURE.public_key, SIGNATURE.signature),)))
    assert outcome(transactions.decode_transaction, raw) == outcome(decode_plainly, raw)


ODD_SHAPES = [None, True, 5, "text", "e", b"", b"s" * 64, {}, (), ("a",), ("a", "b"), ("a", "b", ()), ("a", "b", (), ())]
CALL = ("evidence", "put", ())
FIELDS = ("e", SIGNATURE.public_key, SIGNATURE.signature)


def replaced(values: tuple, index: int, value) -> tuple:
    return (*values[:index], value, *values[index + 1 :])


@pytest.mark.parametrize("odd", [*ODD_SHAPES, "é", ("é", "b", ())], ids=repr)
def test_a_value_of_another_shape_is_malformed_and_nothing_worse(odd):
    body_values = tuple(values_of())
    body = codec.encode(body_values)
    calls = [odd, *(replaced(CALL, index, odd) for index in range(3))]
    bodies = [codec.encode(odd), codec.encode((*body_values, odd))]
    bodies += [codec.encode(replaced(body_values, index, odd)) for index in range(7)]
    bodies += [codec.encode(replaced(body_values, 2, (odd,)))]
    bodies += [codec.encode(replaced(body_values, 5, (call,))) for call in calls]
    wholes = [odd, (body, odd), (odd, (FIELDS,)), (body, (FIELDS,), odd), (body, (odd,)), (body, ((*FIELDS, odd),))]
    wholes += [(body, (replaced(FIELDS, index, odd),)) for index in range(3)]
    for raw in map(codec.encode, [*wholes, *((one, (FIELDS,)) for one in bodies)]):
        assert outcome(transactions.decode_transaction, raw) == outcome(decode_plainly, raw), raw


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": ""},
        {"chain_id": "c" * 51},
        {"chain_id": "ü-1"},
        {"signers": ()},
        {"signers": (DID, DID)},
        {"signers": tuple(f"did:bid:{number}" for number in range(TX_SIGNERS_MAX + 1))},
        {"signers": ("",)},
        {"signers": ("d" * 58,)},
        {"signers": ("did:bid:é",)},
        {"nonce": b"n" * 15},
        {"nonce": b"n" * 17},
        {"valid_until_ms": -1},
        {"valid_until_ms": 2**63},
        {"calls": ()},
        {"calls": BODY.calls * (TX_CALLS_MAX + 1)},
        {"calls": (Invocation("", "put", ()),)},
        {"calls": (Invocation("evidence", "", ()),)},
        {"calls": (Invocation("e" * 65, "put", ()),)},
        {"calls": (Invocation("evidence", "p" * 65, ()),)},
        {"memo": "m" * 257},
        {"memo": "é" * 129},
    ],
)
def test_each_field_has_its_limit(change):
    raw = make_raw(replace(BODY, **change))
    with pytest.raises(Malformed):
        transactions.decode_transaction(raw)
    assert outcome(decode_plainly, raw) is None


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": "c" * 50},
        {"signers": tuple(f"did:bid:{number}" for number in range(TX_SIGNERS_MAX))},
        {"signers": ("d" * 57,)},
        {"valid_until_ms": 0},
        {"valid_until_ms": 2**63 - 1},
        {"calls": BODY.calls * TX_CALLS_MAX},
        {"calls": (Invocation("e" * 64, "p" * 64, ({"b": ({"a": 1},)},)),)},
        {"memo": "é" * 128},
    ],
)
def test_each_limit_itself_is_taken(change):
    body = replace(BODY, **change)
    assert transactions.decode_transaction(make_raw(body)).body == body


def test_the_version_is_one():
    for version in (0, 2, True):
        values = values_of()
        values[0] = version
        with pytest.raises(Malformed, match="version"):
            transactions.decode_body(codec.encode(tuple(values)))


@pytest.mark.parametrize(
    "signatures",
    [
        [],
        [SIGNATURE, SIGNATURE],
        [replace(SIGNATURE, signature=b"s" * 63)],
        [replace(SIGNATURE, public_key=b"k" * 31)],
        [replace(SIGNATURE, suite="s")],
        [replace(SIGNATURE, suite="z")],
        [replace(SIGNATURE, suite="x")],
        [replace(SIGNATURE, suite="")],
        [Signature("s", b"\x05" + b"k" * 32, b"t" * 64)],
    ],
)
def test_each_signer_signs_once_with_a_key_of_its_suite(signatures):
    raw = make_raw(signatures=signatures)
    with pytest.raises(Malformed):
        transactions.decode_transaction(raw)
    assert outcome(decode_plainly, raw) is None


def test_other_bytes_of_the_same_transaction_are_refused():
    body = transactions.encode_body(BODY)
    values = values_of(replace(BODY, calls=(Invocation("evidence", "put", ({"a": 1, "b": 2},)),)))
    with_map = codec.encode(tuple(values))
    loose_bodies = [
        body + b"\x00",
        b"\xdc\x00\x07" + body[1:],
        body[:1] + b"\xcc\x01" + body[2:],
        with_map.replace(b"\xa1a\x01\xa1b\x02", b"\xa1b\x02\xa1a\x01"),
        with_map.replace(b"\xa1a\x01", b"\xa1a\xcc\x01"),
    ]
    signature = (SIGNATURE.suite, SIGNATURE.public_key, SIGNATURE.signature)
    for loose in loose_bodies:
        assert loose not in (body, with_map)
        with pytest.raises(Malformed):
            transactions.decode_transaction(codec.encode((loose, (signature,))))
    raw = make_raw()
    for loose in (raw + b"\x00", b"\xdc\x00\x02" + raw[1:], raw.replace(b"\xa1e", b"\xd9\x01e")):
        assert loose != raw
        with pytest.raises(Malformed):
            transactions.decode_transaction(loose)


@pytest.mark.parametrize(
    "argument", [b"\xca\x00\x00\x00\x00", b"\xd4\x05\x00", b"\x81\x01\x02", b"\x91\xca\x00\x00\x00\x00", b"\x91" * 20 + b"\xc0"]
)
def test_arguments_without_canonical_bytes_are_refused(argument):
    marker = b"marker that the argument replaces"
    body = transactions.encode_body(replace(BODY, calls=(Invocation("evidence", "put", (marker,)),)))
    body = body.replace(codec.encode(marker), argument)
    with pytest.raises(Malformed):
        transactions.decode_body(body)


@pytest.mark.parametrize("depth", range(10, 17))
def test_arguments_nest_as_deep_as_the_codec_writes_them(depth):
    value = None
    for _ in range(depth):
        value = (value,)
    marker = b"marker that the argument replaces"
    body = transactions.encode_body(replace(BODY, calls=(Invocation("evidence", "put", (marker,)),)))
    raw = codec.encode((body.replace(codec.encode(marker), b"\x91" * depth + b"\xc0"), (FIELDS,)))
    if depth <= 12:  # below the body, its calls, the call and its arguments
        assert transactions.decode_transaction(raw).body.calls[0].arguments == (value,)
    else:
        assert outcome(transactions.decode_transaction, raw) is outcome(decode_plainly, raw) is None


@pytest.mark.parametrize("raw", [b"", b"\xc0", b"\x90", b"\x92\xc0\x90", b"\x92\xc4\x00\xc0", b"\x92\xc4\x01\xc0\x90", b"\x91\xc4\x00"])
def test_what_is_no_transaction_is_refused(raw):
    with pytest.raises(Malformed):
        transactions.decode_transaction(raw)


def test_a_transaction_has_a_limit_of_bytes():
    filler = TX_BYTES_MAX - len(make_raw(replace(BODY, calls=(Invocation("evidence", "put", (b"x" * 70_000,)),)))) + 70_000 - 8
    body = replace(BODY, calls=(Invocation("evidence", "put", (b"x" * (filler + 8),)),))
    raw = make_raw(body)
    assert len(raw) == TX_BYTES_MAX
    assert transactions.decode_transaction(raw).body == body
    with pytest.raises(Malformed) as caught:
        transactions.decode_transaction(make_raw(replace(BODY, calls=(Invocation("evidence", "put", (b"x" * (filler + 9),)),))))
    assert caught.value.code == transactions.TOO_LARGE


def test_a_signature_is_for_one_chain_and_one_body():
    body_bytes = transactions.encode_body(replace(BODY, signers=("did:bid:1", "did:bid:2", "did:bid:3")))
    message = transactions.sign_bytes(GENESIS_HASH, body_bytes)
    assert message == b"chainnode/tx/1\x00" + GENESIS_HASH + body_bytes
    raw = transactions.encode_transaction(body_bytes, [Signature("e", key.public, sign(key, message)) for key in KEYS])
    transaction = transactions.decode_transaction(raw)
    assert verify_many(transactions.signature_items(transaction, GENESIS_HASH)) == b"\x01\x01\x01"
    assert verify_many(transactions.signature_items(transaction, hashlib.sha256(b"other").digest())) == b"\x00\x00\x00"
    with pytest.raises(AssertionError):
        transactions.sign_bytes(b"short", body_bytes)


def test_signatures_do_not_change_the_transaction_id():
    one, two = (transactions.decode_transaction(make_raw(signatures=[replace(SIGNATURE, signature=byte * 64)])) for byte in (b"a", b"b"))
    assert one.tx_id == two.tx_id
    assert one.raw != two.raw


def test_a_batch_keeps_its_order():
    raws = [make_raw(replace(BODY, nonce=bytes([number]) * 16)) for number in range(20)]
    batch = transactions.encode_batch(raws)
    assert [one.raw for one in transactions.decode_batch(batch)] == raws
    assert transactions.decode_batch(transactions.encode_batch(raws[::-1]))[0].raw == raws[-1]


def test_a_batch_has_limits():
    raw = make_raw()
    full = transactions.encode_batch([raw] * BATCH_TXS_MAX)
    assert len(transactions.decode_batch(full)) == BATCH_TXS_MAX
    big = make_raw(replace(BODY, calls=(Invocation("evidence", "put", (b"x" * 500_000,)),)))
    too_big = transactions.encode_batch([big, big, big])
    assert len(too_big) > BATCH_BYTES_MAX
    for batch in (transactions.encode_batch([]), transactions.encode_batch([raw] * (BATCH_TXS_MAX + 1)), too_big):
        with pytest.raises(Malformed):
            transactions.decode_batch(batch)


@pytest.mark.parametrize("batch", [b"", b"\xc0", b"\x91\xc0", b"\x91\xc4\x00", b"\xdc\x00\x01" + codec.encode(make_raw())])
def test_what_is_no_batch_is_refused(batch):
    with pytest.raises(Malformed):
        transactions.decode_batch(batch)


@given(
    st.builds(
        TxResult,
        st.integers(0, 130) | st.integers(0, 2**32 - 1),
        st.binary(max_size=50) | st.binary(min_size=254, max_size=258),
        st.lists(st.builds(Event, NAMES, NAMES, st.dictionaries(TEXTS, VALUES, max_size=4)), max_size=4).map(tuple),
    )
)
def test_a_result_is_read_back_with_its_events(result):
    assert transactions.decode_result(transactions.encode_result(result)) == result
    assert transactions.result_head(transactions.encode_result(result)) == (result.code, result.data)


@pytest.mark.parametrize(
    "value",
    [
        None,
        (),
        (-1, b"", ()),
        (2**32, b"", ()),
        (0, "", ()),
        (0, b"", ((),)),
        (0, b"", (("a", "b", ()),)),
        (0, b"", (("a" * 65, "b", {}),)),
    ],
)
def test_what_is_no_result_is_refused(value):
    with pytest.raises(Malformed):
        transactions.decode_result(codec.encode(value))
