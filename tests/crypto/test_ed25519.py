"""The acceptance rule of ADR-0002, clause by clause, against plain integers and against ZIP-215."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainnode.crypto import acceptance, ed25519
from chainnode.crypto.acceptance import CLAUSES, first_deviation
from chainnode.crypto.suites import generate, sign
from tests.crypto import edwards
from tests.crypto.edwards import BASE, IDENTITY, TORSION, L, P, add, challenge, encode, multiply

KEY = generate("e", bytes(range(32)))
SECRET, NONCE = 0x1F3C5B7D9, 0x2468ACE13579
ENCODINGS_OF_SMALL_ORDER = [
    (y + offset * P | sign << 255).to_bytes(32, "little")
    for y in sorted({point[1] for point in TORSION})
    for offset in (0, 1)
    for sign in (0, 1)
    if y + offset * P < 2**255
]


def forge(a_torsion: int, r_torsion: int, message: bytes, *, a: int = SECRET, r: int = NONCE) -> tuple[bytes, bytes]:
    """A key and signature that satisfy the equation times eight, shifted by points of small order."""
    public = encode(add(multiply(a, BASE), TORSION[a_torsion]))
    commitment = encode(add(multiply(r, BASE), TORSION[r_torsion]))
    s = (r + challenge(commitment, public, message) * a) % L
    return public, commitment + s.to_bytes(32, "little")


@pytest.mark.parametrize("clause", CLAUSES, ids=[row[0] for row in CLAUSES])
def test_each_clause_is_decided_as_plain_integers_decide_it(clause):
    _, public, signature, message, accepted = clause
    arguments = bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message)
    assert edwards.accepts(*arguments) == accepted
    assert ed25519.verify(*arguments) == accepted


def test_the_installed_library_keeps_every_clause():
    assert first_deviation() is None


def test_a_library_with_the_cofactored_equation_is_noticed(monkeypatch):
    monkeypatch.setattr(acceptance.ed25519, "verify", edwards.accepts_zip215)
    assert first_deviation() == "A of mixed order, equation holds only times eight"


@pytest.mark.parametrize("sights", [0, 1, 3])
def test_a_bulk_verifier_that_deviates_is_noticed_even_if_only_once_it_knows_the_keys(monkeypatch, sights):
    calls = []

    def deviating(items):
        calls.append(len(items))
        verify = edwards.accepts_zip215 if len(calls) > sights else edwards.accepts
        return bytes(verify(*item[1:]) for item in items)

    monkeypatch.setattr(acceptance, "verify_many", deviating)
    assert first_deviation() == "A of mixed order, equation holds only times eight"


@given(st.integers(0, 7), st.integers(0, 7), st.binary(max_size=8), st.sampled_from([0, 1, SECRET]), st.sampled_from([0, 1, NONCE]))
@settings(max_examples=150, deadline=None)
def test_library_equals_plain_rule_over_all_torsion_and_zip215_accepts_what_we_accept(a_torsion, r_torsion, message, a, r):
    public, signature = forge(a_torsion, r_torsion, message, a=a, r=r)
    ours = ed25519.verify(public, signature, message)
    assert ours == edwards.accepts(public, signature, message)
    assert edwards.accepts_zip215(public, signature, message)  # by construction; so it accepts all that we accept


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 511))
@settings(deadline=None)
def test_an_honest_signature_is_accepted_by_both_rules_and_no_flipped_bit_is(seed, message, bit):
    key = generate("e", seed)
    signature = sign(key, message)
    assert ed25519.verify(key.public, signature, message)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not ed25519.verify(key.public, bytes(flipped), message)


def test_an_honest_signature_is_accepted_under_zip215():
    assert edwards.accepts_zip215(KEY.public, sign(KEY, b"m"), b"m")


@pytest.mark.parametrize("encoding", ENCODINGS_OF_SMALL_ORDER, ids=bytes.hex)
def test_no_encoding_of_a_small_order_point_serves_as_key_or_commitment(encoding):
    zero = bytes(32)
    for number in range(16):  # some message makes the challenge a multiple of eight
        message = bytes([number])
        assert not ed25519.verify(encoding, encoding + zero, message)
        assert not ed25519.verify(encoding, encode(IDENTITY) + zero, message)
        s = challenge(encoding, encode(multiply(SECRET, BASE)), message) * SECRET % L
        assert not ed25519.verify(encode(multiply(SECRET, BASE)), encoding + s.to_bytes(32, "little"), message)


def test_there_are_fourteen_encodings_of_small_order_points():
    assert len(ENCODINGS_OF_SMALL_ORDER) == 14


@pytest.mark.parametrize("multiple", range(1, 15))
def test_s_of_l_or_more_is_refused(multiple):
    signature = sign(KEY, b"m")
    s = int.from_bytes(signature[32:], "little") + multiple * L
    assert not ed25519.verify(KEY.public, signature[:32] + s.to_bytes(32, "little"), b"m")


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_a_key_of_another_length_is_refused_and_not_read_beyond(length):
    signature = sign(KEY, b"m")
    assert not ed25519.verify((KEY.public * 2)[:length], signature, b"m")


@pytest.mark.parametrize("length", [0, 32, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(length):
    signature = sign(KEY, b"m")
    assert not ed25519.verify(KEY.public, (signature * 2)[:length], b"m")


def test_a_boundary_moved_between_signature_and_message_is_refused():
    signature = sign(KEY, b"message")
    assert not ed25519.verify(KEY.public, signature + b"m", b"essage")
    assert not ed25519.verify(KEY.public, signature[:-1], signature[-1:] + b"message")
