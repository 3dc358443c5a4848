"""Status lists: the W3C's example, entries of all sizes against a plain list, and lists made to hurt."""

import base64
import gzip
import json
import tracemalloc
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_STATUS_LIST, STATUS_LIST_SHORT, STATUS_OUT_OF_RANGE
from chainnode.types.limits import STATUS_LIST_BYTES_MAX
from chainnode.vc.statuslist import (
    ENTRIES_MIN,
    PROBLEM_TYPES,
    check_status,
    decode_list,
    encode_list,
    list_credential,
    read_entry,
    status_of,
    with_status,
)
from tests.vc.vc_case import refused
from tests.vector_files import require_vectors

EMPTY = bytes(ENTRIES_MIN // 8)
URL = "https://a.example/lists/1"
SIZES = st.sampled_from([1, 2, 3, 4, 5, 7, 8])


def entry(**changes: Any) -> dict[str, Any]:
    """An entry; a member set to None is left out."""
    made = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": URL,
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def listed(bits: bytes = EMPTY, purpose: str = "revocation", **changes: Any) -> dict[str, Any]:
    """A list's credential."""
    made = list_credential(id=URL, issuer="did:x:y", purpose=purpose, bits=bits, valid_from="2026-01-01T00:00:00Z")
    return {**made, **changes}


def as_text(data: bytes) -> str:
    """Bytes as an encodedList."""
    return "u" + base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_the_published_list_and_the_bits_made_of_it() -> None:
    known = json.loads((require_vectors("vc", "status-list") / "bitstring.json").read_text())
    for name in ("published", "derived"):
        one = known[name]
        bits = decode_list(one["encodedList"])
        assert len(bits) == one["decodedLength"] and sha256(bits).hexdigest() == one["sha256"]
        assert decode_list(encode_list(bits)) == bits
        assert all(status_of(bits, index) == 1 for index in one["setBits"])
        assert all(status_of(bits, index) == 0 for index in one.get("clearBits", range(0, ENTRIES_MIN, 997)))
    short, *others = known["mustReject"]
    with refused(STATUS_LIST_SHORT):
        status_of(decode_list(short["encodedList"]), 0)
    for other in others:
        with refused(BAD_STATUS_LIST):
            decode_list(other["encodedList"])


def test_the_published_entries_and_credential() -> None:
    folder = require_vectors("vc", "status-list")
    published = json.loads((folder / "status-list-credential.json").read_text())
    first, second = json.loads((folder / "credential-two-entries.json").read_text())["credentialStatus"]
    assert check_status(first, published).is_valid
    with refused(BAD_STATUS_LIST, "another id"):
        check_status(second, published)


@given(SIZES, st.lists(st.tuples(st.integers(0, ENTRIES_MIN - 1), st.integers(0, 255)), max_size=12))
def test_entries_are_as_in_a_plain_list(size: int, changes: list[tuple[int, int]]) -> None:
    bits, model = bytes(ENTRIES_MIN * size // 8), dict[int, int]()
    for index, value in changes:
        bits = with_status(bits, index, value % (1 << size), size)
        model[index] = value % (1 << size)
    neighbours = [other for index in model for other in (index - 1, index, index + 1) if 0 <= other < ENTRIES_MIN]
    assert all(status_of(bits, index, size) == model.get(index, 0) for index in neighbours)
    # By the definition: value, most significant bit first, at index times size.
    text = "".join(f"{byte:08b}" for byte in bits)
    assert all(int(text[index * size : (index + 1) * size], 2) == value for index, value in model.items())
    assert decode_list(encode_list(bits)) == bits


def test_one_list_has_one_text() -> None:
    assert encode_list(EMPTY) == encode_list(EMPTY) and gzip.decompress(base64.urlsafe_b64decode(encode_list(EMPTY)[1:] + "==")) == EMPTY


@pytest.mark.parametrize("index", [ENTRIES_MIN, ENTRIES_MIN + 1, 10**14])
def test_an_index_beyond_the_end_is_refused(index: int) -> None:
    assert status_of(EMPTY, ENTRIES_MIN - 1) == 0
    with refused(STATUS_OUT_OF_RANGE):
        status_of(EMPTY, index)
    with refused(STATUS_OUT_OF_RANGE):
        with_status(EMPTY, index, 1)


def test_a_list_is_long_enough_in_entries_not_in_bits() -> None:
    assert status_of(EMPTY, 0) == 0 and status_of(EMPTY * 2, 0, 2) == 0
    for bits, size in ((EMPTY[:-1], 1), (EMPTY, 2), (EMPTY * 8, 9)):
        with refused(STATUS_LIST_SHORT):
            status_of(bits, 0, size)


# Lists made to hurt


def test_a_small_text_never_expands_beyond_the_limit() -> None:
    assert len(decode_list(as_text(gzip.compress(bytes(STATUS_LIST_BYTES_MAX), 9)))) == STATUS_LIST_BYTES_MAX
    bomb = as_text(gzip.compress(bytes(200 * 1024 * 1024), 9))
    tracemalloc.start()
    with refused(BAD_STATUS_LIST, "at most"):
        decode_list(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * STATUS_LIST_BYTES_MAX


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "u",
        "U" + encode_list(EMPTY)[1:],
        encode_list(EMPTY) + "=",
        encode_list(EMPTY)[:-1],
        encode_list(EMPTY)[:-9],
        encode_list(EMPTY).replace("A", "+", 1),
        "u\u00e9",
        as_text(gzip.compress(EMPTY, mtime=0) + b"x"),
        as_text(gzip.compress(EMPTY, mtime=0) * 2),
        as_text(gzip.compress(EMPTY, mtime=0)[:-8] + bytes(8)),
        as_text(EMPTY),
        "u" + "A" * (2 * STATUS_LIST_BYTES_MAX + 1),
    ],
)
def test_texts_that_hold_no_list_are_refused(text: str) -> None:
    with refused(BAD_STATUS_LIST):
        decode_list(text)


@pytest.mark.parametrize("seed", range(40))
def test_damage_changes_nothing_unseen(seed: int) -> None:
    dice = Random(seed)
    bits = with_status(EMPTY, dice.randrange(ENTRIES_MIN), 1)
    packed = bytearray(gzip.compress(bits, mtime=0))
    packed[dice.randrange(len(packed))] ^= 1 << dice.randrange(8)
    try:
        assert decode_list(as_text(bytes(packed))) == bits  # in the header, or between the last bit and the checksum
    except Malformed as refusal:
        assert refusal.code == BAD_STATUS_LIST


# Entries


@pytest.mark.parametrize(
    "change",
    [
        {"type": "StatusList2021Entry"},
        {"type": None},
        {"statusPurpose": None},
        {"statusPurpose": ""},
        {"statusPurpose": ["revocation"]},
        {"statusListIndex": 94567},
        {"statusListIndex": "-1"},
        {"statusListIndex": "1.0"},
        {"statusListIndex": "٣"},
        {"statusListIndex": ""},
        {"statusListIndex": "1" * 16},
        {"statusListCredential": None},
        {"statusListCredential": "list"},
        {"id": URL},
        {"statusSize": 0},
        {"statusSize": True},
        {"statusSize": "1"},
        {"statusSize": 9},
        {"statusSize": 2},
        {"statusMessage": []},
        {"statusMessage": ["unset", "set"]},
        {"statusMessage": [{"status": "0x0", "message": "a"}, {"status": "0x0", "message": "b"}]},
        {"statusMessage": [{"status": "0x0", "message": "a"}, {"status": "1", "message": "b"}]},
        {"statusMessage": [{"status": "0x0", "message": "a"}, {"status": "0x1"}]},
    ],
)
def test_entries_of_another_form_are_refused(change: dict[str, Any]) -> None:
    read_entry(entry())
    with refused(BAD_STATUS_LIST):
        read_entry(entry(**change))
    with refused(BAD_STATUS_LIST):
        read_entry([entry()])


def test_a_status_is_what_the_list_says() -> None:
    revoked = with_status(EMPTY, 94567, 1)
    assert check_status(entry(), listed()).is_valid
    found = check_status(entry(id=URL + "#94567"), listed(revoked))
    assert (found.purpose, found.value, found.is_valid, found.message) == ("revocation", 1, False, "")
    assert check_status(entry(statusListIndex="94566"), listed(revoked)).is_valid
    both = listed(revoked)
    both["credentialSubject"]["statusPurpose"] = ["revocation", "suspension"]
    assert not check_status(entry(statusPurpose="suspension"), both).is_valid
    with refused(BAD_STATUS_LIST, "not about"):
        check_status(entry(statusPurpose="suspension"), listed(revoked))
    with refused(BAD_STATUS_LIST, "another id"):
        check_status(entry(statusListCredential=URL + "0"), listed())
    anonymous = listed()
    del anonymous["id"]
    assert check_status(entry(statusListCredential=URL + "0"), anonymous).is_valid  # the caller knows whence it came


def test_messages_have_words_for_each_value() -> None:
    messages = [{"status": f"{number:#x}", "message": f"m{number}"} for number in range(4)]
    one = entry(statusPurpose="message", statusSize=2, statusMessage=messages)
    made = list_credential(id=URL, issuer="did:x:y", purpose="message", bits=with_status(EMPTY * 2, 94567, 3, 2), valid_from="", size=2)
    assert made["credentialSubject"]["statusSize"] == 2
    found = check_status(one, made)
    assert (found.value, found.is_valid, found.message) == (3, False, "m3")
    with refused(BAD_STATUS_LIST, "2 bits"):
        check_status(one, {**made, "credentialSubject": {**made["credentialSubject"], "statusSize": 1}})


@pytest.mark.parametrize(
    "change",
    [
        {"type": ["VerifiableCredential"]},
        {"type": None},
        {"credentialSubject": None},
        {"credentialSubject": [{"type": "BitstringStatusList"}]},
        {"credentialSubject": {"type": "BitstringStatusList", "statusPurpose": "revocation"}},
        {"credentialSubject": {"type": "Other", "statusPurpose": "revocation", "encodedList": encode_list(EMPTY)}},
        {"credentialSubject": {"type": "BitstringStatusList", "statusPurpose": [], "encodedList": encode_list(EMPTY)}},
        {
            "credentialSubject": {
                "type": "BitstringStatusList",
                "statusPurpose": "revocation",
                "encodedList": encode_list(EMPTY),
                "ttl": "1",
            }
        },
    ],
)
def test_lists_of_another_form_are_refused(change: dict[str, Any]) -> None:
    with refused(BAD_STATUS_LIST):
        check_status(entry(), listed(**change))


def test_a_made_list_says_how_long_a_copy_may_be_kept() -> None:
    made = list_credential(id=URL, issuer="did:x:y", purpose="revocation", bits=EMPTY, valid_from="", ttl_ms=300_000)
    assert made["credentialSubject"]["ttl"] == 300_000 and "statusSize" not in made["credentialSubject"]
    assert len(PROBLEM_TYPES) == 4 and all("#" in text for text in PROBLEM_TYPES.values())
