"""Each rule of identity by hand: whose keys speak for an identifier, how they change, and that nothing of it comes back."""

from hashlib import sha256
from typing import Any

import pytest

from chainnode.bid import did_of
from chainnode.types.limits import IDENTITY_KEYS_MAX
from contracts import identity, roles
from contracts.identity import Identity, decode_identity, encode_identity, identity_key, may_sign, version_key
from tests.chain_maker import key_of
from tests.contracts.council import EVIDENCE, Council, did

MIA = ("e", key_of("mia").public)
NEW_E = ("e", key_of("new").public)
NEW_S = ("s", key_of("new", "s").public)
NEW_Z = ("z", key_of("new", "z").public)


@pytest.fixture
def world() -> Council:
    return Council()


def current(world: Council, name: str = "mia") -> tuple[int, bytes]:
    """What the next version must name."""
    found = identity.identity(world.state, did(name))
    assert found is not None
    return found.sequence, sha256(encode_identity(found)).digest()


def speaks(world: Council, name: str = "mia") -> list[str]:
    """Which of these keys speak for somebody."""
    candidates = {"own": (MIA if name == "mia" else ("e", key_of(name).public)), "e": NEW_E, "s": NEW_S, "z": NEW_Z}
    return [label for label, key in candidates.items() if may_sign(world.state, did(name), *key)]


# Without a record


@pytest.mark.parametrize("suite", ["e", "s", "z"])
def test_the_key_that_an_identifier_is_the_hash_of_speaks_for_it(world: Council, suite: str) -> None:
    key, other = key_of("anybody", suite), key_of("other", suite)
    name = did_of(suite, key.public)
    assert may_sign(world.state, name, suite, key.public) and not may_sign(world.state, name, suite, other.public)
    for another in {"e", "s", "z"} - {suite}:
        assert not may_sign(world.state, name, another, key.public)
        assert not may_sign(world.state, name.replace(f"did:bid:{suite}f", f"did:bid:{another}f"), suite, key.public)


@pytest.mark.parametrize("name", ["", "anna", "did:bid:abcd", "did:bid:efABC", "did:web:example.com"])
def test_what_is_no_identifier_has_no_key(world: Council, name: str) -> None:
    assert not may_sign(world.state, name, *MIA)


# The first version


def test_from_its_first_version_on_the_listed_keys_alone_speak(world: Council) -> None:
    assert speaks(world) == ["own"]
    assert world.do(["mia"], "identity.register", (NEW_S, NEW_E)) == 1
    assert speaks(world) == ["e", "s"]
    assert identity.identity(world.state, did("mia")) == Identity(did("mia"), 1, b"", (NEW_E, NEW_S), True, world.height)  # in order
    assert world.events[0].name == "identity_changed" and world.events[0].attributes == {"did": did("mia"), "sequence": 1}


def test_a_key_speaks_in_its_own_suite_only(world: Council) -> None:
    world.do(["mia"], "identity.register", (NEW_E,))
    assert not may_sign(world.state, did("mia"), "s", NEW_E[1]) and not may_sign(world.state, did("ben"), *NEW_E)


def test_one_registers_once(world: Council) -> None:
    world.do(["mia"], "identity.register", (NEW_E,))
    world.refused("already-exists", "mia", "identity.register", (NEW_E,))
    world.do(["mia"], "identity.deactivate", *current(world))
    world.refused("already-exists", "mia", "identity.register", (NEW_E,))  # nor again after the end


@pytest.mark.parametrize(
    "code, keys",
    [
        ("no-keys", ()),
        ("bad-key", (NEW_E, NEW_E)),
        ("bad-key", (("x", NEW_E[1]),)),
        ("bad-key", (("", NEW_E[1]),)),
        ("bad-key", (("e", b""),)),
        ("bad-key", (("e", NEW_S[1]),)),
        ("bad-key", (NEW_E, ("s", NEW_E[1]))),
        ("bad-key", (("z", b"\x03" + NEW_Z[1][1:]),)),
        ("too-many", tuple(("e", key_of(f"k{number}").public) for number in range(IDENTITY_KEYS_MAX + 1))),
    ],
)
def test_keys_are_few_different_and_of_their_suite(world: Council, code: str, keys: tuple[Any, ...]) -> None:
    world.refused(code, "mia", "identity.register", keys)
    world.do(["mia"], "identity.register", (NEW_E,))
    world.refused(code, "mia", "identity.rotate", *current(world), keys)


def test_as_many_keys_as_the_limit_says(world: Council) -> None:
    keys = tuple(("z", key_of(f"k{number}", "z").public) for number in range(IDENTITY_KEYS_MAX))  # the longest
    world.do(["mia"], "identity.register", keys)
    assert all(may_sign(world.state, did("mia"), *key) for key in keys)


# The next versions


def test_inv_22_a_version_names_the_one_before(world: Council) -> None:
    world.do(["mia"], "identity.register", (NEW_E,))
    sequence, digest = current(world)
    for wrong in ((0, digest), (2, digest), (sequence, b""), (sequence, EVIDENCE), (sequence, digest[:-1]), (2**63 - 1, digest)):
        world.refused("stale-version", "mia", "identity.rotate", *wrong, (NEW_S,))
        world.refused("stale-version", "mia", "identity.deactivate", *wrong)
    assert world.do(["mia"], "identity.rotate", sequence, digest, (NEW_S,)) == 2
    world.refused("stale-version", "mia", "identity.rotate", sequence, digest, (NEW_E,))  # the same again
    second = identity.identity(world.state, did("mia"))
    assert second == Identity(did("mia"), 2, digest, (NEW_S,), True, world.height - 1)


def test_inv_22_every_version_stays(world: Council) -> None:
    world.do(["mia"], "identity.register", (NEW_E,))
    versions = [world.value("identity", identity_key(did("mia")))]
    for keys in ((NEW_S,), (NEW_Z,), (MIA,)):
        world.do(["mia"], "identity.rotate", *current(world), keys)
        versions.append(world.value("identity", identity_key(did("mia"))))
    world.do(["mia"], "identity.deactivate", *current(world))
    versions.append(world.value("identity", identity_key(did("mia"))))
    previous = b""
    for sequence, value in enumerate(versions, start=1):
        assert value is not None and world.value("identity", version_key(did("mia"), sequence)) == value
        assert (decode_identity(value).sequence, decode_identity(value).previous) == (sequence, previous)
        previous = sha256(value).digest()
    assert world.value("identity", version_key(did("mia"), len(versions) + 1)) is None


def test_a_key_that_was_replaced_speaks_no_more(world: Council) -> None:
    world.do(["mia"], "identity.register", (MIA, NEW_E))
    assert speaks(world) == ["own", "e"]
    world.do(["mia"], "identity.rotate", *current(world), (NEW_S, NEW_Z))
    assert speaks(world) == ["s", "z"]
    world.do(["mia"], "identity.rotate", *current(world), (MIA,))  # the first key may come back
    assert speaks(world) == ["own"]


def test_only_what_is_registered_is_changed(world: Council) -> None:
    world.refused("not-found", "mia", "identity.rotate", 1, b"", (NEW_E,))
    world.refused("not-found", "mia", "identity.deactivate", 1, b"")


def test_inv_21_strangers_register_nothing(world: Council) -> None:
    world.refused("not-member", "stranger", "identity.register", (NEW_E,))
    world.do(["mia"], "identity.register", (NEW_E,))
    world.do(["ada"], "roles.revoke", did("mia"), roles.MEMBER, "left")
    for method, arguments in (("rotate", (*current(world), (NEW_S,))), ("deactivate", current(world))):
        world.refused("not-member", "mia", f"identity.{method}", *arguments)
    assert speaks(world) == ["e"]  # the keys stay as they were


def test_one_changes_oneself_alone(world: Council) -> None:
    """The identifier is the sender's; there is no argument for another's, and a co-signature changes nothing."""
    world.do(["mia"], "identity.register", (NEW_E,))
    world.refused("not-found", "ben mia", "identity.rotate", *current(world), (NEW_S,))
    assert speaks(world) == ["e"]


# The end


def test_a_deactivated_identifier_never_speaks_again(world: Council) -> None:
    world.do(["mia"], "identity.register", (MIA, NEW_E))
    assert world.do(["mia"], "identity.deactivate", *current(world)) == 2
    assert world.events[0].name == "identity_deactivated"
    assert speaks(world) == []  # not even the key that it is the hash of
    world.refused("deactivated", "mia", "identity.rotate", *current(world), (NEW_S,))
    world.refused("deactivated", "mia", "identity.deactivate", *current(world))


def test_inv_23_a_super_node_does_not_end_itself(world: Council) -> None:
    world.do(["ada"], "identity.register", (NEW_E,))
    world.refused("role-by-governance", "ada", "identity.deactivate", *current(world, "ada"))
    world.decide("grant_role", did("ada"), roles.SERVICE, 0, EVIDENCE)
    world.decide("revoke_role", did("ada"), roles.SUPER)
    world.do(["ada"], "identity.deactivate", *current(world, "ada"))
    assert speaks(world, "ada") == []


# The record


def test_a_version_is_read_back() -> None:
    one = Identity(did("mia"), 3, EVIDENCE, (NEW_E, NEW_S, NEW_Z), True, 7)
    assert decode_identity(encode_identity(one)) == one
    assert len(identity_key(did("mia"))) == len(version_key(did("mia"), 3)) == 33
