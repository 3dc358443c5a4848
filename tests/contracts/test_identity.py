"""Each rule of the registry of DIDs by hand: who decides, how versions follow each other, recovery, and the end."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from chainnode import codec
from chainnode.bid import did_of
from chainnode.did import record
from chainnode.did.record import (
    AUTHENTICATION,
    DELEGATION,
    INVOCATION,
    SIGNING,
    Control,
    Document,
    Facts,
    Identity,
    Method,
    Service,
    encode_identity,
)
from chainnode.types.limits import IDENTITY_FACTS_BYTES_MAX, IDENTITY_KEYS_MAX
from contracts import roles
from contracts.identityrecords import NAME, identity, identity_key, may_sign, old_version, recovery_key, version_key
from tests.chain_maker import key_of
from tests.contracts.council import EVIDENCE, did
from tests.contracts.identity_world import CHANGES, HOUR_MS, NO_SIGNING, SHOP, Registry, control_of, method_of, methods


@pytest.fixture
def world() -> Registry:
    return Registry()


# Without a record


@pytest.mark.parametrize("suite", ["e", "s", "z"])
def test_the_key_that_an_identifier_is_the_hash_of_speaks_for_it(world: Registry, suite: str) -> None:
    key, other = key_of("anybody", suite), key_of("other", suite)
    name = did_of(suite, key.public)
    assert may_sign(world.state, name, suite, key.public) and not may_sign(world.state, name, suite, other.public)
    for another in {"e", "s", "z"} - {suite}:
        assert not may_sign(world.state, name, another, key.public)
        assert not may_sign(world.state, name.replace(f"did:bid:{suite}f", f"did:bid:{another}f"), suite, key.public)


@pytest.mark.parametrize("name", ["", "anna", "did:bid:abcd", "did:bid:efABC", "did:web:example.com"])
def test_what_is_no_identifier_has_no_key(world: Registry, name: str) -> None:
    assert not may_sign(world.state, name, "e", key_of("mia").public)


# The first version


def test_inv_33_from_its_first_version_on_the_listed_keys_alone_speak(world: Registry) -> None:
    assert world.speaking("dev", "dev", "new") == ["dev"]
    assert world.create("dev", "new", facts=SHOP) == 1
    assert world.speaking("dev", "dev", "new") == ["new"]
    document = Document((method_of("new"),), Control(), SHOP)
    assert world.found("dev") == Identity(did("dev"), 1, b"", world.height, world.time_ms, world.time_ms, True, document)
    assert world.events[0].name == "identity_changed" and world.events[0].attributes == {"did": did("dev"), "sequence": 1}
    assert not [key for _, key in written(world) if key[:1] != b"\x01" and key != b"\x00"]  # one record, no history yet


def written(world: Registry) -> list[tuple[str, bytes]]:
    """Places in the store."""
    return [(NAME, key) for key, _ in world.state.writes()[NAME]]


def test_inv_33_a_key_speaks_for_invocation_only_and_in_its_own_suite(world: Registry) -> None:
    listed = tuple(method_of(f"k{bits}", purposes=bits) for bits in (AUTHENTICATION, INVOCATION, SIGNING, SIGNING - INVOCATION, DELEGATION))
    seven = (*listed, method_of("sec", "s"), method_of("sm", "z"))
    world.do(["mia", "dev"], "identity.create", did("dev"), record.document_value(Document(seven)))
    for one in seven:
        assert may_sign(world.state, did("dev"), one.kind, one.key) is bool(one.purposes & INVOCATION)
        assert not may_sign(world.state, did("dev"), {"e": "s", "s": "z", "z": "e"}[one.kind], one.key)
        assert not may_sign(world.state, did("dev"), one.kind, one.key[:-1])
        assert not may_sign(world.state, did("ben"), one.kind, one.key)


def test_keys_are_looked_for_in_the_record_as_it_is_read(world: Registry) -> None:
    """`may_sign` reads a part of the record only: it finds what the whole says."""
    listed = tuple(method_of(f"k{number}", "esz"[number % 3], 1 + 7 * number % 15) for number in range(IDENTITY_KEYS_MAX))
    listed = tuple(replace(one, purposes=one.purposes & SIGNING or AUTHENTICATION) for one in listed)
    document = Document(listed, control_of("ada ben"), SHOP)
    for is_active in (True, False):
        one = Identity(did("dev"), 2, EVIDENCE, 5, 6, 4, is_active, document)
        world.state.store(NAME).put(identity_key(did("dev")), encode_identity(one))
        for known in listed:
            assert may_sign(world.state, did("dev"), known.kind, known.key) is bool(is_active and known.purposes & INVOCATION)


def test_inv_33_one_registers_only_what_signs(world: Registry) -> None:
    value = record.document_value(Document((method_of("mia"),)))
    world.refused("signer-missing", "mia", "identity.create", did("dev"), value)
    world.refused("signer-missing", "mia ada ben", "identity.create", did("dev"), value)
    world.do(["mia", "dev"], "identity.create", did("dev"), value)


def test_one_registers_once(world: Registry) -> None:
    world.create("dev")
    again = record.document_value(Document((method_of("dev"),)))
    world.refused("already-exists", "mia dev", "identity.create", did("dev"), again)
    world.do(["mia", "dev"], "identity.deactivate", *world.current("dev"))
    world.refused("already-exists", "mia dev", "identity.create", did("dev"), again)  # nor again after the end


@pytest.mark.parametrize("name", ["", "dev", "did:bid:abcd", "did:web:dev.example", "did:bid:zt" + "q" * 30, did("dev") + " "])
def test_what_cannot_be_a_keys_did_is_not_registered(world: Registry, name: str) -> None:
    world.refused("bad-did", "mia dev", "identity.create", name, record.document_value(Document((method_of("dev"),))))


def test_a_did_of_a_sub_chain_is_registered_too(world: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    name = did_of("e", key_of("dev").public, "byo1")
    monkeypatch.setattr(world, "did", lambda one: name if one == "dev" else did(one))
    assert world.do(["mia", "dev"], "identity.create", name, record.document_value(Document((method_of("new"),)))) == 1
    assert may_sign(world.state, name, "e", key_of("new").public) and not may_sign(world.state, name, "e", key_of("dev").public)
    assert world.speaking("dev", "dev", "new") == ["dev"]  # on the main chain it is another DID


GOOD = record.document_value(Document((method_of("dev"),)))
assert isinstance(GOOD, tuple)


@pytest.mark.parametrize(
    "code, document",
    [
        ("no-keys", ((), *GOOD[1:])),
        ("no-keys", (NO_SIGNING, *GOOD[1:])),
        ("bad-document", None),
        ("bad-document", GOOD[:2]),
        ("bad-document", ((("dev", "e", b"", SIGNING),), *GOOD[1:])),
        ("bad-document", ((("dev", "e", key_of("dev").public, SIGNING),) * 2, *GOOD[1:])),
        ("bad-document", (methods(*(f"k{number}" for number in range(IDENTITY_KEYS_MAX + 1))), *GOOD[1:])),
        ("bad-document", (GOOD[0], ((), 2, (), 1, HOUR_MS), GOOD[2])),
        ("bad-document", (GOOD[0], (tuple(did(f"c{number}") for number in range(16)), 16, (), 1, HOUR_MS), GOOD[2])),
        ("bad-document", (GOOD[0], ((), 1, tuple(did(f"c{number}") for number in range(16)), 16, HOUR_MS), GOOD[2])),
        ("bad-document", (GOOD[0], ((), 1, (), 1, HOUR_MS - 1), GOOD[2])),
        ("bad-did", (GOOD[0], (("did:web:a.example",), 1, (), 1, HOUR_MS), GOOD[2])),
        ("bad-did", (GOOD[0], (("did:bid:abcd",), 1, (), 1, HOUR_MS), GOOD[2])),
        ("bad-did", (GOOD[0], ((), 1, ("did:bid:abcd",), 1, HOUR_MS), GOOD[2])),
    ],
)
def test_documents_that_are_not_taken(world: Registry, code: str, document: Any) -> None:
    world.refused(code, "mia dev", "identity.create", did("dev"), document)


def test_as_many_keys_controllers_and_facts_as_the_limits_say(world: Registry) -> None:
    listed = tuple(method_of(f"k{number}", "z") for number in range(IDENTITY_KEYS_MAX))  # the longest
    people = tuple(did_of("e", key_of(f"c{number}").public, "byo1") for number in range(32))
    control = Control(people, 8, people, 7, 90 * 24 * HOUR_MS)
    facts = facts_of_length(IDENTITY_FACTS_BYTES_MAX)
    world.do(["mia", "dev"], "identity.create", did("dev"), record.document_value(Document(listed, control, facts)))
    assert all(may_sign(world.state, did("dev"), one.kind, one.key) for one in listed)
    world.do(["mia", "dev2"], "identity.create", did("dev2"), record.document_value(Document(listed, Control(), facts)))
    world.do(["mia", "dev2"], "identity.update", *world.current("dev2"), record.facts_value(facts))
    assert len(world.value(NAME, version_key(did("dev2"), 1)) or b"") < 32_000


def facts_of_length(length: int) -> Facts:
    """Facts whose encoding has so many bytes."""
    names = tuple((101, "x" * 900) for _ in range(length // 905 - 1))
    missing = length - len(codec.encode(record.facts_value(Facts(also_known_as=(*names, (101, "x" * 300))))))
    facts = Facts(also_known_as=(*names, (101, "x" * (300 + missing))))
    assert len(codec.encode(record.facts_value(facts))) == length
    return facts


def test_facts_have_a_limit_of_bytes(world: Registry) -> None:
    facts = facts_of_length(IDENTITY_FACTS_BYTES_MAX + 1)
    value = record.document_value(Document((method_of("dev"),), facts=facts))
    assert "16385 bytes" in world.refused("bad-document", "mia dev", "identity.create", did("dev"), value)
    world.create("dev")
    world.refused("bad-document", "mia dev", "identity.update", *world.current("dev"), record.facts_value(facts))


# The next versions


def test_each_change_touches_its_own_part(world: Registry) -> None:
    world.create("dev")
    first = world.found("dev")
    assert world.do(["mia", "dev"], "identity.update", *world.current("dev"), record.facts_value(SHOP)) == 2
    assert world.found("dev").document == replace(first.document, facts=SHOP)
    assert world.rotate("mia dev", "dev", "new") == 3
    assert world.found("dev").document == Document((method_of("new"),), Control(), SHOP)
    assert world.set_control("mia dev", "dev", control_of("ada", recovery="ben")) == 4
    assert world.found("dev").document == Document((method_of("new"),), control_of("ada", recovery="ben"), SHOP)
    found = world.found("dev")
    assert (found.created_ms, found.height, found.time_ms) == (first.created_ms, world.height, world.time_ms)


def test_no_change_lets_a_fragment_name_a_key_and_a_service(world: Registry) -> None:
    clash = Facts((Service("dev", "LinkedDomains", "https://shop.example"),))
    both = record.document_value(Document((method_of("dev"),), facts=clash))
    world.refused("bad-document", "mia dev", "identity.create", did("dev"), both)
    world.create("dev")
    world.refused("bad-document", "mia dev", "identity.update", *world.current("dev"), record.facts_value(clash))
    world.do(["mia", "dev"], "identity.update", *world.current("dev"), record.facts_value(SHOP))
    shop = record.methods_value((replace(method_of("dev"), fragment="shop"),))
    world.refused("bad-document", "mia dev", "identity.rotate", *world.current("dev"), shop)


@pytest.mark.parametrize("method", CHANGES)
def test_inv_22_a_change_names_the_version_that_it_changes(world: Registry, method: str) -> None:
    world.create("dev")
    name, sequence, digest = world.current("dev")
    call = f"identity.{method}"
    for wrong in (
        (0, digest),
        (2, digest),
        (sequence, b""),
        (sequence, EVIDENCE),
        (sequence, digest[:-1]),
        (2**63 - 1, digest),
        (-1, digest),
    ):
        world.refused("stale-version", "mia dev", call, name, *wrong, *CHANGES[method])
    assert world.do(["mia", "dev"], call, name, sequence, digest, *CHANGES[method]) == 2
    code = "deactivated" if method == "deactivate" else "signer-missing" if method == "set_control" else "stale-version"
    world.refused(code, "mia dev", call, name, sequence, digest, *CHANGES[method])  # the same again


@pytest.mark.parametrize("method", CHANGES)
def test_inv_33_those_whom_the_document_names_decide(world: Registry, method: str) -> None:
    call = f"identity.{method}"
    world.create("dev")
    world.refused("signer-missing", "mia ada", call, *world.current("dev"), *CHANGES[method])
    world.create("car", control=control_of("ada ben cas", 2))
    for signers in ("mia", "mia car", "ada", "mia ben", "ada car mia", "ada dan"):
        world.refused("signer-missing", signers, call, *world.current("car"), *CHANGES[method])
    assert world.do(["mia", "ben", "cas"], call, *world.current("car"), *CHANGES[method]) == 2


def test_inv_33_controllers_decide_without_a_key_of_the_did_itself(world: Registry) -> None:
    document = Document((), control_of("ada"))
    world.do(["mia", "dev"], "identity.create", did("dev"), record.document_value(document))
    assert world.speaking("dev", "dev", "ada") == []
    world.refused("no-keys", "ada", "identity.set_control", *world.current("dev"), record.control_value(Control()))
    world.rotate("ada", "dev", "new")
    world.set_control("ada", "dev", Control())
    world.refused("no-keys", "mia dev", "identity.rotate", *world.current("dev"), NO_SIGNING)
    world.refused("no-keys", "mia dev", "identity.rotate", *world.current("dev"), ())


def test_inv_34_versions_are_one_line_and_all_of_them_stay(world: Registry) -> None:
    world.create("dev")
    values = [world.value(NAME, identity_key(did("dev")))]
    for method, arguments in (*CHANGES.items(), ("deactivate", ())):
        if method == "set_control":
            arguments = (record.control_value(control_of(recovery="ben")),)
        if len(values) < 5:
            world.do(["mia", "dev"], f"identity.{method}", *world.current("dev"), *arguments)
            values.append(world.value(NAME, identity_key(did("dev"))))
    previous = b""
    for sequence, value in enumerate(values, start=1):
        assert value is not None
        one = record.decode_identity(value)
        assert (one.sequence, one.previous) == (sequence, previous)
        previous = sha256(value).digest()
        if sequence < len(values):
            old = world.old("dev", sequence)
            later = record.decode_identity(values[sequence] or b"")
            assert old.identity == one and (old.until_height, old.until_ms) == (later.height, later.time_ms)
    assert old_version(world.state, did("dev"), len(values)) is None  # the current one stands in its own place alone


@pytest.mark.parametrize("method", CHANGES)
def test_inv_35_a_did_has_one_version_of_a_height(world: Registry, method: str) -> None:
    world.create("dev")
    world.refused_same_height("changed-this-block", "mia dev", f"identity.{method}", *world.current("dev"), *CHANGES[method])
    world.rotate("mia dev", "dev", "new")
    world.refused_same_height("changed-this-block", "mia dev", f"identity.{method}", *world.current("dev"), *CHANGES[method])
    world.do(["mia", "dev"], f"identity.{method}", *world.current("dev"), *CHANGES[method])


def test_only_what_is_registered_is_changed(world: Registry) -> None:
    for method, arguments in (*CHANGES.items(), ("recover", (methods("new"),))):
        world.refused("not-found", "mia dev", f"identity.{method}", did("dev"), 1, b"", *arguments)
    for method in ("veto_recovery", "finish_recovery"):
        world.refused("not-found", "mia dev", f"identity.{method}", did("dev"))


def test_inv_21_strangers_change_nothing_and_anybody_with_a_role_sends_for_them(world: Registry) -> None:
    world.refused("not-member", "dev", "identity.create", did("dev"), GOOD)
    world.create("dev", control=control_of(recovery="dan"), by="sue")
    for method, arguments in (*CHANGES.items(), ("recover", (methods("new"),))):
        world.refused("not-member", "dev dan mia", f"identity.{method}", *world.current("dev"), *arguments)
    world.recover("mia dan", "dev", "new")
    for method in ("veto_recovery", "finish_recovery"):
        world.refused("not-member", "dev mia", f"identity.{method}", did("dev"))
    world.do(["ada"], "roles.revoke", did("mia"), roles.MEMBER, "left")
    world.refused("not-member", "mia dev", "identity.rotate", *world.current("dev"), methods("new"))
    world.rotate("cus dev", "dev", "new")


# The end


def test_inv_36_a_deactivated_identifier_never_speaks_again(world: Registry) -> None:
    control = control_of(recovery="ben cas", recovery_threshold=1)
    world.create("dev", "dev new", control=control, facts=SHOP)
    before = world.current("dev")
    assert world.do(["mia", "dev"], "identity.deactivate", *before) == 2
    assert world.event_names() == ["identity_deactivated"]
    assert world.speaking("dev", "dev", "new") == []  # not even the key that it is the hash of
    assert world.found("dev").document == Document((), control, Facts()) and not world.found("dev").is_active
    assert world.old("dev", 1).identity.document.facts == SHOP  # the past stays
    for method, arguments in (*CHANGES.items(), ("recover", (methods("new"),))):
        world.refused("deactivated", "mia dev ben cas", f"identity.{method}", *world.current("dev"), *arguments)
    for method in ("veto_recovery", "finish_recovery"):
        world.refused("deactivated", "mia dev ben cas", f"identity.{method}", did("dev"))


# Super nodes


def test_inv_23_a_super_node_does_not_end_itself(world: Registry) -> None:
    world.create("ada", control=control_of(recovery="ben"), by="ada")
    for signers in ("ada", "ben"):
        world.refused("role-by-governance", signers, "identity.deactivate", *world.current("ada"))
    world.decide("grant_role", did("ada"), roles.SERVICE, 0, EVIDENCE)
    world.decide("revoke_role", did("ada"), roles.SUPER)
    world.do(["ada"], "identity.deactivate", *world.current("ada"))
    assert world.speaking("ada", "ada") == []


def test_inv_23_a_super_node_keeps_a_key_that_votes(world: Registry) -> None:
    mute = (NO_SIGNING, record.control_value(control_of("ben")), record.facts_value(Facts()))
    world.refused("role-by-governance", "ada", "identity.create", did("ada"), mute)
    world.create("ada", control=control_of("ben"), by="ada")
    world.refused("role-by-governance", "ben", "identity.rotate", *world.current("ada"), NO_SIGNING)
    world.refused("role-by-governance", "ben", "identity.rotate", *world.current("ada"), ())
    world.rotate("ben", "ada", "new")


# The record


def test_keys_of_the_store_have_33_bytes() -> None:
    places = [identity_key(did("mia")), version_key(did("mia"), 3), recovery_key(did("mia"))]
    assert [len(place) for place in places] == [33] * 3 and len({place[:1] for place in places}) == 3
    assert identity(Registry().state, did("mia")) is None


def test_a_method_has_a_fragment(world: Registry) -> None:
    bad = record.methods_value((Method("a b", "e", key_of("dev").public, SIGNING),))
    world.create("dev")
    world.refused("bad-document", "mia dev", "identity.rotate", *world.current("dev"), bad)
