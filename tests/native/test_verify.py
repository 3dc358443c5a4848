"""The C verifier decides as libsodium does, with and without lanes, whatever its tables hold."""

import importlib
import itertools
import json
import os
import subprocess
import sys
import threading

import pytest

from chainnode.crypto import ed25519, verify
from chainnode.crypto.acceptance import CLAUSES
from chainnode.crypto.suites import generate, sign
from chainnode.crypto.verify import verify_many_plainly
from chainnode.types.limits import VERIFY_TABLES_BYTES_MAX
from tests.crypto import edwards
from tests.crypto.edwards import L, challenge
from tests.native.inputs import ODD, SMALL, Inputs
from tests.native.letting_go import lets_others_run
from tests.vector_files import require_vectors

if verify.NATIVE is None:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)
native = importlib.import_module("chainnode.native._verify")

TABLE_BYTES = 48 * 1024 + 128  # a table and what is kept with it
ROOMY, TIGHT, NONE = VERIFY_TABLES_BYTES_MAX, 3 * TABLE_BYTES, 0
LANES = [False, True] if native.HAS_IFMA else [False]
SEED = int(os.environ.get("CHAINNODE_SEED", "20260726"))
KEY = generate("e", bytes(range(32)))


@pytest.fixture(autouse=True)
def fresh():
    native.forget()
    yield
    native.forget()


@pytest.fixture(scope="module")
def mixed():
    """100,000 items of all kinds, and libsodium's verdicts."""
    print(f"CHAINNODE_SEED={SEED}")
    items = list(Inputs(SEED).items(100_000))
    return items, verify_many_plainly(items)


def differences(items, found, expected):
    return [(items[index], mark) for index, mark in enumerate(found) if mark != expected[index]]


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("room", [NONE, ROOMY])
def test_every_clause_of_the_rule_is_kept_from_the_first_sight_of_a_key_to_the_tenth(lanes, room):
    items = [("e", *(bytes.fromhex(text) for text in row[1:4])) for row in CLAUSES]
    for _ in range(10):
        assert list(native.verify_many(items * 9, room, lanes)) == [int(row[4]) for row in CLAUSES] * 9
    assert native.tables()["tables"] == (2 if room else 0)


@pytest.fixture(scope="module")
def torsion():
    """Signatures with each torsion part of A and of R, and what plain integers decide."""
    inputs = Inputs(SEED)
    items = [inputs.signed(a, r, length) for a in range(8) for r in range(8) for length in (0, 1)]
    return items, [edwards.accepts(*item[1:]) for item in items]


@pytest.mark.parametrize("lanes", LANES)
def test_all_torsion_parts_are_decided_as_plain_integers_decide_them(torsion, lanes):
    items, expected = torsion
    assert any(expected[16:]) and not all(expected[16:])  # with a torsion part of A the message decides
    for _ in range(4):
        assert list(map(bool, native.verify_many(items, ROOMY, lanes))) == expected


@pytest.mark.parametrize("lanes", LANES)
def test_a_hundred_thousand_inputs_of_all_kinds_are_decided_as_libsodium_decides_them(mixed, lanes):
    items, expected = mixed
    assert 40_000 < sum(expected) < 60_000
    for room in (NONE, TIGHT, ROOMY) if not lanes else (TIGHT, ROOMY):
        part = len(items) if room == ROOMY else 20_000
        assert differences(items, native.verify_many(items[:part], room, lanes), expected) == [], f"CHAINNODE_SEED={SEED}"


@pytest.mark.soak
def test_ten_million_inputs_of_all_kinds_are_decided_as_libsodium_decides_them():
    for number in range(100):
        seed = SEED + number
        items = list(Inputs(seed).items(100_000))
        expected = verify_many_plainly(items)
        for lanes in LANES:
            assert differences(items, native.verify_many(items, ROOMY, lanes), expected) == [], f"CHAINNODE_SEED={seed}"


@pytest.mark.parametrize("lanes", LANES)
def test_wycheproofs_cases_are_decided_as_stated(lanes):
    document = json.loads(require_vectors("ed25519", "ed25519_test.json").read_text(encoding="utf-8"))
    cases = [(group["publicKey"]["pk"], test) for group in document["testGroups"] for test in group["tests"]]
    items = [("e", bytes.fromhex(key), bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])) for key, test in cases]
    assert len(items) > 100
    for _ in range(4):
        assert [bool(mark) for mark in native.verify_many(items, ROOMY, lanes)] == [test["result"] == "valid" for _, test in cases]


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("encoding", ODD, ids=bytes.hex)
def test_no_odd_encoding_serves_as_key_or_commitment(lanes, encoding):
    items = []
    for number in range(16):
        message = bytes([number])
        s = challenge(encoding, KEY.public, message)
        items += [("e", encoding, encoding + bytes(32), message), ("e", KEY.public, encoding + s.to_bytes(32, "little"), message)]
    assert native.verify_many(items, ROOMY, lanes) == verify_many_plainly(items) == bytes(len(items))


def test_there_are_fourteen_encodings_of_small_order_points_among_the_odd_ones():
    assert len(SMALL) == 14 and set(SMALL) <= set(ODD)


@pytest.mark.parametrize("lanes", LANES)
def test_s_of_l_or_more_is_refused_by_first_sight_and_by_table(lanes):
    signature = sign(KEY, b"m")
    s = int.from_bytes(signature[32:], "little")
    items = [("e", KEY.public, signature[:32] + (s + multiple * L).to_bytes(32, "little"), b"m") for multiple in range(16)]
    for _ in range(5):
        assert native.verify_many(items, ROOMY, lanes) == b"\x01" + bytes(15)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 9, 63, 64, 65, 73, 1000])
def test_batches_of_every_size_are_decided_in_their_order(mixed, lanes, size):
    items, expected = mixed
    native.verify_many(items[:5000], ROOMY, lanes)  # so that most keys have their tables
    for start in (0, 1, 5000):
        assert native.verify_many(items[start : start + size], ROOMY, lanes) == expected[start : start + size]


@pytest.mark.parametrize("lanes", LANES)
def test_messages_of_every_length_up_to_three_blocks_and_of_a_mebibyte(lanes):
    lengths = [*range(400), 65_535, 65_536, 65_537, 2**20 - 1, 2**20]
    items = [("e", KEY.public, sign(KEY, bytes(length)), bytes(length)) for length in lengths]
    longer = [(suite, public, signature, message + b"\x00") for suite, public, signature, message in items]
    for rows, mark in ((items, 1), (items[::-1], 1), (longer, 0)):
        assert set(native.verify_many(rows, ROOMY, lanes)) == {mark}


@pytest.mark.parametrize("lanes", LANES)
def test_a_key_that_is_no_point_changes_nothing_for_its_neighbours(lanes):
    off = [("e", y.to_bytes(32, "little"), sign(KEY, b"m"), b"m") for y in (2, 7, 8, 11)]
    assert all(edwards.decode(row[1], canonical=True) is None for row in off)
    good = ("e", KEY.public, sign(KEY, b"m"), b"m")
    rows = [row for one in off for row in (one, good, good, one)]
    assert list(native.verify_many(rows, NONE, lanes)) == [0, 1, 1, 0] * 4


def test_reduction_modulo_l_is_right_near_every_multiple_that_is_tried():
    inputs = Inputs(SEED).random
    near = [inputs.randrange(2**259) * L + inputs.randrange(-3, 4) for _ in range(5000)]
    for number in (
        *(x for x in near if 0 <= x < 2**512),
        0,
        1,
        L - 1,
        L,
        2 * L,
        2**252,
        2**512 - 1,
        *(2**512 // L * L + d for d in (-1, 0, 1)),
    ):
        assert int.from_bytes(native.reduce(number.to_bytes(64, "little")), "little") == number % L


@pytest.mark.parametrize("length", [0, 63, 65])
def test_other_lengths_are_not_reduced(length):
    with pytest.raises(ValueError, match="64 bytes"):
        native.reduce(bytes(length))


def test_a_table_is_built_at_the_third_valid_signature_and_at_no_bad_one():
    good = ("e", KEY.public, sign(KEY, b"m"), b"m")
    bad = ("e", KEY.public, sign(KEY, b"m"), b"n")
    for seen in range(1, 6):
        native.verify_many([bad] * 5, ROOMY)
        native.verify_many([good], ROOMY)
        assert native.tables()["built"] == (seen >= 3)
    assert native.tables() == {"tables": 1, "bytes": native.tables()["bytes"], "built": 1, "evicted": 0}


def test_keys_that_are_seen_once_take_nobodys_place():
    good = ("e", KEY.public, sign(KEY, b"m"), b"m")
    native.verify_many([good] * 3, TIGHT)
    for number in range(300):
        key = generate("e", number.to_bytes(32, "big"))
        assert native.verify_many([("e", key.public, sign(key, b"m"), b"m")], TIGHT) == b"\x01"
    assert native.tables()["tables"] == 1 and native.tables()["evicted"] == 0


def test_tables_stay_within_their_bytes_and_the_least_recently_used_goes():
    keys = [generate("e", bytes([number]) * 32) for number in range(5)]
    items = [("e", key.public, sign(key, b"m"), b"m") for key in keys]
    for item in items[:3]:
        native.verify_many([item] * 3, TIGHT)
    state = native.tables()
    assert state["tables"] == 3 and state["bytes"] <= TIGHT and state["evicted"] == 0
    native.verify_many([items[0], items[2]] * 100, TIGHT)  # now the second has not been used for long
    native.verify_many([items[3]] * 3, TIGHT)
    assert native.tables()["tables"] == 3 and native.tables()["evicted"] == 1
    built = native.tables()["built"]
    native.verify_many([items[0], items[2], items[3]] * 3, TIGHT)
    assert native.tables()["built"] == built
    native.verify_many([items[1]] * 100, TIGHT)
    assert native.tables()["built"] == built + 1 and native.tables()["bytes"] <= TIGHT


def test_more_keys_than_there_is_room_for_do_not_push_each_other_out():
    keys = [generate("e", bytes([number]) * 32) for number in range(12)]
    items = [("e", key.public, sign(key, b"m"), b"m") for key in keys]
    for _ in range(40):
        assert native.verify_many(items, TIGHT) == b"\x01" * 12
    assert native.tables() == {"tables": 3, "bytes": native.tables()["bytes"], "built": 3, "evicted": 0}


def test_threads_that_build_and_evict_each_others_tables_decide_rightly():
    inputs = Inputs(SEED)
    items = list(inputs.items(3000))
    expected = verify_many_plainly(items)
    wrong = []

    def work(offset, lanes):
        rows, marks = items[offset:] + items[:offset], expected[offset:] + expected[:offset]
        for room in (TIGHT, ROOMY, 2 * TABLE_BYTES):
            for start in range(0, len(rows), 100):
                if native.verify_many(rows[start : start + 100], room, lanes) != marks[start : start + 100]:
                    wrong.append((offset, start))

    threads = [threading.Thread(target=work, args=(700 * number, lanes)) for number, lanes in zip(range(4), itertools.cycle(LANES))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [], f"CHAINNODE_SEED={SEED}"
    assert native.tables()["evicted"] > 10


def test_other_threads_run_while_a_batch_is_verified():
    items = [("e", KEY.public, sign(KEY, b"m"), b"m")] * 1_000
    assert lets_others_run(lambda: native.verify_many(items, NONE))


def test_items_of_other_suites_are_left_alone_and_of_wrong_lengths_refused():
    signature = sign(KEY, b"m")
    rows = [("s", KEY.public, signature, b"m"), ("e", KEY.public, signature, b"m"), ("", b"", b"", b"")]
    rows += [("e", KEY.public[:31], signature, b"m"), ("e", KEY.public + b"\x00", signature, b"m"), ("e", KEY.public, signature[:63], b"m")]
    assert list(native.verify_many(rows, ROOMY)) == [native.OTHER_SUITE, 1, native.OTHER_SUITE, 0, 0, 0]
    assert native.OTHER_SUITE == verify.OTHER_SUITE


ROW = ("e", KEY.public, sign(KEY, b"m"), b"m")


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        [None],
        [ROW[:3]],
        [(*ROW, b"")],
        [list(ROW)],
        [(b"e", *ROW[1:])],
        [("e", "x", *ROW[2:])],
        [ROW, (*ROW[:3], bytearray(b"m"))],
    ],
)
def test_what_is_no_sequence_of_items_is_a_type_error_and_nothing_is_held(given):
    before = sys.getrefcount(ROW), sys.getrefcount(ROW[1])
    for _ in range(3):
        with pytest.raises(TypeError):
            native.verify_many(given, ROOMY)
    assert (sys.getrefcount(ROW), sys.getrefcount(ROW[1])) == before


def test_nothing_is_held_after_a_batch():
    before = sys.getrefcount(ROW), sys.getrefcount(ROW[1])
    assert native.verify_many((ROW for _ in range(20)), ROOMY) == b"\x01" * 20
    assert (sys.getrefcount(ROW), sys.getrefcount(ROW[1])) == before


def test_the_package_uses_it_when_it_is_there():
    assert native.verify_many is verify.NATIVE and verify.PATH.startswith("native")
    assert verify.verify_many([ROW]) == b"\x01" and ed25519.verify(*ROW[1:])


SAY_PATH = """
from chainnode.crypto.acceptance import first_deviation
from chainnode.crypto.verify import NATIVE, PATH
print(NATIVE, PATH, first_deviation())
"""


def test_it_is_switched_off_by_the_environment():
    environment = os.environ | {"CHAINNODE_NATIVE": "0"}
    done = subprocess.run([sys.executable, "-c", SAY_PATH], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "None pynacl None\n"
