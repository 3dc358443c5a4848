"""Each rule that the C code keeps, bent: the named input must show it. Needs a C compiler."""

import pytest

from chainnode.crypto.acceptance import CLAUSES
from chainnode.crypto.suites import generate, sign
from tests.crypto.edwards import BASE, L, challenge, encode, multiply
from tests.native.compiled import load_bent

KEY = generate("e", bytes(range(32)))
GOOD = ("e", KEY.public, sign(KEY, b"m"), b"m")
ROOM = 1024 * 1024
SECRET, NONCE = 0x1F3C5B7D9, 0x2468ACE13579


@pytest.fixture(scope="module")
def straight(objects):
    """The module with no rule bent, but in smaller steps."""
    return load_bent(objects, "batch.c", "#define CHUNK 64", "#define CHUNK 16")


def clause(name):
    """A check: whether the clause of the rule is decided as it should, at first sight and later."""
    row = next(row for row in CLAUSES if row[0] == name)
    item = ("e", *(bytes.fromhex(text) for text in row[1:4]))
    return lambda module: module.verify_many([item] * 20, ROOM) == bytes([row[4]]) * 20


def other_sign_of_the_commitment(module):
    """S fits R; what is sent as R is -R, and the challenge is over what is sent."""
    public, commitment = encode(multiply(SECRET, BASE)), bytearray(encode(multiply(NONCE, BASE)))
    commitment[31] ^= 0x80
    s = (NONCE + challenge(bytes(commitment), public, b"m") * SECRET) % L
    return module.verify_many([("e", public, bytes(commitment) + s.to_bytes(32, "little"), b"m")] * 20, ROOM) == bytes(20)


def good_ones(module):
    """Signatures of some keys, with tables and without, among others."""
    items = []
    for number in range(40):
        key = generate("e", bytes([number % 5]) * 32)
        items.append(("e", key.public, sign(key, bytes(7 * number)), bytes(7 * number)))  # of one to three blocks
    module.forget()
    return all(module.verify_many(items, ROOM, lanes) == b"\x01" * 40 for lanes in (False, True, False, True))


def bad_signatures_build_no_table(module):
    module.forget()
    module.verify_many([(*GOOD[:3], b"n")] * 10, ROOM)
    return module.tables()["tables"] == 0


def fresh_ones(module):
    """Good signatures of keys that are seen once."""
    keys = [generate("e", bytes([number]) * 32) for number in range(8)]
    return module.verify_many([("e", key.public, sign(key, b"m"), b"m") for key in keys], 0) == b"\x01" * 8


def use(module, number, times):
    key = generate("e", bytes([number]) * 32)
    module.verify_many([("e", key.public, sign(key, b"m"), b"m")] * times, 2 * 50_000)


def tables_stay_within_their_bytes(module):
    module.forget()
    for number in range(4):
        use(module, number, 100)
    return module.tables()["bytes"] <= 2 * 50_000


def tables_in_steady_use_stay(module):
    module.forget()
    for number in (0, 1, 0, 1, 2):
        use(module, number, 3)
    return module.tables()["evicted"] == 0


def the_least_recently_used_goes(module):
    module.forget()
    for number in (0, 1, 0):
        use(module, number, 3)
    use(module, 2, 100)
    built = module.tables()["built"]
    use(module, 0, 1)
    use(module, 2, 1)
    return built == 3 and module.tables()["tables"] == 2 and module.tables()["built"] == 3 and not rebuilt(module, 0)


def rebuilt(module, number):
    before = module.tables()["built"]
    use(module, number, 3)
    return module.tables()["built"] > before


def a_table_is_built_once_it_is_due(module):
    module.forget()
    module.verify_many([GOOD] * 3, ROOM)
    return module.tables()["built"] == 1


def reduces_near_multiples(module):
    numbers = (0, L - 1, L, 2**512 // L * L - 1, 2**512 // L * L, 2**512 - 1)
    return all(module.reduce(number.to_bytes(64, "little")) == (number % L).to_bytes(32, "little") for number in numbers)


BENT = {
    "S below L": ("batch.c", "if (!scalar_is_canonical(one->signature + 32)) return 0;", "", clause("S + L")),
    "A canonical": ("batch.c", "if (!is_canonical(key)) return 0;", "", clause("A not canonical")),
    "A not of small order": ("batch.c", "if (is_small_order(key)) return 0;", "", clause("A of small order")),
    "R not of small order": ("batch.c", "if (is_small_order(commitment)) return 0;", "", clause("R of small order")),
    "R to its last bit": (
        "batch.c",
        "= memcmp(encoding, one->item->signature, 32) == 0;",
        "= memcmp(encoding, one->item->signature, 31) == 0 && !((encoding[31] ^ one->item->signature[31]) & 0x7f);",
        other_sign_of_the_commitment,
    ),
    "the digits of h": ("scalar.c", "int carry = 0, half", "int carry = 1, half", good_ones),
    "the reduction of h": ("scalar.c", "while (!subtract(less, rest, ORDER, 5))", "while (0)", reduces_near_multiples),
    "the last block of a text": ("sha512.c", "= 0x80;", "= 0x81;", good_ones),
    "the sign of x": ("group.c", "if (fe_parity(x) != encoding[31] >> 7)", "if (0)", good_ones),
    "the other root": ("group.c", "x = fe_mul(x, FE_SQRT_MINUS_1);", "", good_ones),
    "lanes in order": ("ifma_sums.c", "first[k * step].v[i] = limb[k];", "first[k * step].v[i] = limb[k ^ 1];", good_ones),
    "what a lane subtracts": ("lanes.h", "_mm512_mask_sub_epi64(t2d.v[i], negative,", "_mm512_mask_sub_epi64(t2d.v[i], 0,", good_ones),
    "what a fresh lane subtracts": (
        "ifma_sums.c",
        "_mm512_mask_sub_epi64(out.t2d.v[i], (__mmask8)negative,",
        "_mm512_mask_sub_epi64(out.t2d.v[i], 0,",
        fresh_ones,
    ),
    "a window chooses its multiple": (
        "ifma_sums.c",
        "size <= KEY_HALF; size++) {\n        unsigned same",
        "size < KEY_HALF; size++) {\n        unsigned same",
        fresh_ones,
    ),
    "roots in lanes": ("ifma_sums.c", "fe8_mul(squared_times(x250, 2), a)", "fe8_mul(squared_times(x250, 3), a)", fresh_ones),
    "lanes that are done": ("ifma_sha512.c", "_mm512_mask_add_epi64(state[i], active,", "_mm512_mask_add_epi64(state[i], 0xff,", good_ones),
    "valid signatures alone count": (
        "batch.c",
        "if (*one->item->verdict && table_is_due",
        "if (table_is_due",
        bad_signatures_build_no_table,
    ),
    "tables are bounded": ("tables.c", "while (state.bytes + sizeof(table) > bytes_max) {", "while (0) {", tables_stay_within_their_bytes),
    "tables in use stay": ("tables.c", "#define STEADY 16", "#define STEADY 0", tables_in_steady_use_stay),
    "which table goes": ("tables.c", "        evict(oldest);", "        evict(newest);", the_least_recently_used_goes),
    "use makes a table newer": ("tables.c", "        unlink_use(one);\n        link_newest(one);", "", the_least_recently_used_goes),
    "tables are built": ("tables.c", "#define SIGHTINGS_DUE 3", "#define SIGHTINGS_DUE 4", a_table_is_built_once_it_is_due),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_rule_is_noticed(objects, straight, name):
    file, find, replace, check = BENT[name]
    if file.startswith(("ifma", "lanes")) and not straight.HAS_IFMA:
        pytest.skip("this processor has no AVX-512 IFMA")
    assert not check(load_bent(objects, file, find, replace))


def test_every_check_passes_as_the_rules_are(straight):
    assert [name for name, (*_, check) in BENT.items() if not check(straight)] == []
