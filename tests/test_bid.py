"""did:bid identifiers and key strings: grammar, and defects of others. The vectors are in `vectors/test_bid_vectors.py`."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import bid
from chainnode.bid import did_of, is_did_of, normalise, parse_did
from chainnode.crypto import base58
from chainnode.crypto.keystrings import (
    decode_private_key,
    decode_public_key,
    digest_suffix,
    encode_private_key,
    encode_public_key,
)
from chainnode.crypto.suites import SUITES, generate
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DID, BAD_KEY, MALFORMED

KEYS = {suite: generate(suite, bytes(range(1, 33))) for suite in SUITES}
SUFFIX = digest_suffix("e", KEYS["e"].public)
GOOD = did_of("e", KEYS["e"].public)


def refuses(code, act, *arguments):
    with pytest.raises(Malformed) as caught:
        act(*arguments)
    assert caught.value.code == code


def bech32(data):
    """BIP-173 with an empty prefix, written apart from the decoder."""
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[start : start + 5], 2) for start in range(0, len(bits), 5)]
    rest = bid._bech32_remainder([0, *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [rest >> 5 * (5 - index) & 31 for index in range(6)]
    return "".join("qpzry9x8gf2tvdw0s3jn54khce6mua7l"[value] for value in values)


@given(st.binary(max_size=80))
def test_base58_round_trips(data):
    assert base58.decode(base58.encode(data)) == data


def test_base58_exchanges_two_letters_with_bitcoin_s():
    bitcoin = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    assert bitcoin.translate(str.maketrans("BbUu", "bBuU")) == base58.ALPHABET
    assert base58.encode(b"\x00\x00hello world") == "11" + "StV1DL6CwTryKyV".translate(str.maketrans("BbUu", "bBuU"))


@pytest.mark.parametrize("text", ["0", "O", "I", "l", "ab c", "\u661f", "1" * 129])
def test_base58_refuses_foreign_letters_and_endless_text(text):
    refuses(MALFORMED, base58.decode, text)


@pytest.mark.parametrize("suite", SUITES)
def test_a_did_carries_suite_encoding_and_22_digest_bytes(suite):
    did = parse_did(did_of(suite, KEYS[suite].public))
    assert (did.acsn, did.suite, did.encoding) == (None, suite, "f")
    assert did.suffix == digest_suffix(suite, KEYS[suite].public) and len(did.suffix) == 22
    assert did.is_registrable


def test_the_suffix_is_the_last_22_bytes_of_sha256():
    assert hashlib.sha256(KEYS["e"].public).digest()[10:] == SUFFIX


def test_the_same_key_on_a_sub_chain_only_gains_the_acsn():
    assert did_of("e", KEYS["e"].public, "byo1") == GOOD.replace("did:bid:", "did:bid:byo1:")
    did = parse_did(did_of("e", KEYS["e"].public, "byo1"))
    assert (did.acsn, did.suffix) == ("byo1", SUFFIX)
    assert did.is_registrable


def test_an_acsn_alone_names_a_chain():
    did = parse_did("did:bid:byo1")
    assert (did.acsn, did.suite, did.encoding, did.suffix) == ("byo1", None, None, b"")
    assert not did.is_registrable
    assert normalise("did:bid:BYO1") == "did:bid:byo1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "did:bid:",
        "did:bid",
        "abcd",
        "did:web:example.org",
        "DID:BID:" + GOOD[8:],
        " " + GOOD,
        GOOD + " ",
        GOOD + "#key-1",
        GOOD[:-12],
        GOOD + "1" * 30,
        "did:bid:BYO1",
        "did:bid:byo",
        "did:bid:byo12",
        "did:bid:by-1:" + GOOD[8:],
        "did:bid:BYO1:" + GOOD[8:],
        "did:bid::" + GOOD[8:],
        "did:bid:byo1:",
        "did:bid:byo1:byo1",
        "did:bid:a:b:" + GOOD[8:],
        GOOD.replace("did:bid:ef", "did:bid:xf"),
        GOOD.replace("did:bid:ef", "did:bid:ex"),
        GOOD.replace("did:bid:ef", "did:bid:EF"),
        GOOD[:-1] + "0",
        GOOD[:-1] + "\u661f",
        "did:bid:ef" + base58.encode(bytes([7] * 18)),
        "did:bid:ef" + base58.encode(bytes([7] * 25)),
        "did:bid:" + base58.encode(b"\x02" + SUFFIX),
        "did:bid:et" + bech32(SUFFIX)[:-1] + "q",
        "did:bid:et" + bech32(SUFFIX).upper(),
        "did:bid:es" + base64.urlsafe_b64encode(SUFFIX).decode()[:-3] + "*==",
    ],
)
def test_what_is_no_did_bid_is_refused(text):
    refuses(BAD_DID, parse_did, text)


@pytest.mark.parametrize("length", [19, 20, 21, 23, 24])
def test_published_misprints_parse_but_cannot_be_registered(length):
    did = parse_did("did:bid:ef" + base58.encode(bytes([9] * length)))
    assert len(did.suffix) == length
    assert not did.is_registrable


@given(st.binary(min_size=22, max_size=22))
def test_all_three_encodings_are_read_and_base58_is_written(suffix):
    plain = "did:bid:ef" + base58.encode(suffix)
    forms = [
        "did:bid:et" + bech32(suffix),
        "did:bid:es" + base64.b64encode(suffix).decode(),
        "did:bid:es" + base64.b64encode(suffix).decode().rstrip("="),
        "did:bid:es" + base64.urlsafe_b64encode(suffix).decode(),
    ]
    assert parse_did(plain).suffix == suffix
    for form in forms:
        assert parse_did(form).suffix == suffix
        assert not parse_did(form).is_registrable
        assert normalise(form) == plain


def test_bech32_is_36_data_and_6_checksum_letters_and_guards_each():
    text = bech32(SUFFIX)
    assert len(text) == 42
    for index, letter in enumerate(text):
        other = "q" if letter != "q" else "p"
        refuses(BAD_DID, parse_did, "did:bid:et" + text[:index] + other + text[index + 1 :])


def test_base64_with_stray_bits_is_refused():
    text = base64.urlsafe_b64encode(SUFFIX).decode().rstrip("=")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    refuses(BAD_DID, parse_did, "did:bid:es" + text[:-1] + letters[letters.index(text[-1]) + 1])


@given(st.text(max_size=60))
def test_no_text_raises_anything_but_bad_did(text):
    for candidate in (text, "did:bid:" + text, "did:bid:ef" + text):
        for act in (parse_did, normalise):
            try:
                act(candidate)
            except Malformed as error:
                assert error.code == BAD_DID


@pytest.mark.parametrize("suite", SUITES)
def test_only_the_written_form_speaks_for_a_key(suite):
    public = KEYS[suite].public
    did = did_of(suite, public)
    assert is_did_of(did, suite, public)
    assert is_did_of(did_of(suite, public, "byo1"), suite, public)
    other = generate(suite, b"\x09" * 32).public
    encoded = base64.urlsafe_b64encode(digest_suffix(suite, public)).decode()
    assert not is_did_of(did, suite, other)
    assert not is_did_of(f"did:bid:{suite}s{encoded}", suite, public)
    assert not is_did_of(f"did:bid:{suite}t{bech32(digest_suffix(suite, public))}", suite, public)
    assert not is_did_of(did + " ", suite, public)
    assert not is_did_of("did:bid:byo1", suite, public)
    assert not is_did_of("rubbish", suite, public)
    assert not is_did_of(did, suite, public[:-1])
    assert not is_did_of(did, "x", public)


def test_a_key_speaks_in_its_own_suite_only():
    assert not is_did_of(did_of("e", KEYS["e"].public).replace(":ef", ":zf"), "e", KEYS["e"].public)
    assert not is_did_of(GOOD, "s", KEYS["s"].public)


def test_an_sm2_key_with_sha256_is_another_did():
    public = KEYS["z"].public
    wrong = "did:bid:zf" + base58.encode(hashlib.sha256(public).digest()[10:])
    assert not is_did_of(wrong, "z", public)


def test_the_sub_chain_alias_of_sdks_is_read_with_the_key_and_never_counts_as_authority():
    public = KEYS["z"].public
    right = did_of("z", public, "byo1")
    alias = right.replace(":zf", ":ef")
    assert normalise(alias, ("z", public)) == right
    assert not is_did_of(alias, "z", public)
    refuses(BAD_DID, normalise, alias.replace("byo1:", ""), ("z", public))  # no SDK writes it on the main chain
    refuses(BAD_DID, normalise, alias, ("e", KEYS["e"].public))


def test_blanks_and_upper_case_ac_numbers_are_repaired_only_by_normalise():
    assert normalise(f"  {GOOD}\n") == GOOD
    assert normalise(GOOD.replace("did:bid:", "did:bid:BYO1:")) == GOOD.replace("did:bid:", "did:bid:byo1:")
    assert normalise(GOOD, ("e", KEYS["e"].public)) == GOOD
    refuses(BAD_DID, normalise, GOOD, ("e", generate("e", b"\x02" * 32).public))
    refuses(BAD_KEY, normalise, GOOD, ("e", b""))


def test_a_legacy_did_needs_its_key():
    legacy = "did:bid:" + base58.encode(b"\x01" + SUFFIX)
    assert parse_did(legacy).suffix == SUFFIX
    assert not parse_did(legacy).is_registrable
    assert normalise(legacy, ("e", KEYS["e"].public)) == GOOD
    refuses(BAD_DID, normalise, legacy)


@pytest.mark.parametrize("acsn", ["", "byo", "byo12", "BYO1", "by 1"])
def test_no_did_is_made_for_a_wrong_ac_number(acsn):
    refuses(BAD_DID, did_of, "e", KEYS["e"].public, acsn)


@pytest.mark.parametrize("suite", SUITES)
def test_key_strings_round_trip_and_look_as_published(suite):
    key = KEYS[suite]
    public, private = encode_public_key(suite, key.public), encode_private_key(key)
    assert decode_public_key(public) == decode_public_key(public.upper()) == (suite, key.public)
    assert decode_private_key(private) == key
    assert public.startswith({"e": "b06566", "s": "b07366", "z": "b07a6604"}[suite])
    assert len(private) == 50 and private.startswith("priS")


def test_a_public_key_string_of_another_form_is_refused():
    text = encode_public_key("e", KEYS["e"].public)
    for wrong in ("", "xy", text[:-2], text + "00", "c0" + text[2:], text[:4] + "73" + text[6:], "b07866" + text[6:], " " + text, text[6:]):
        refuses(BAD_KEY, decode_public_key, wrong)


def test_a_private_key_string_of_another_form_is_refused_and_never_quoted():
    raw = base58.decode(encode_private_key(KEYS["e"]))
    for wrong in (
        raw[:-1],
        raw + b"\x00",
        b"\x18\x93\x99" + raw[3:],  # a misprint that is in circulation
        raw[:3] + b"x" + raw[4:],
        raw[:3] + b"\xff" + raw[4:],
        raw[:4] + b"s" + raw[5:],
    ):
        with pytest.raises(Malformed) as caught:
            decode_private_key(base58.encode(wrong))
        assert caught.value.code == BAD_KEY
        assert base58.encode(wrong) not in str(caught.value)
    refuses(BAD_KEY, decode_private_key, "0OIl")
    refuses(BAD_KEY, decode_private_key, "")


def test_the_uncompressed_secp256k1_key_has_no_did():
    refuses(BAD_KEY, did_of, "s", b"\x04" + bytes(64))
