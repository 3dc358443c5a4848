"""Each rule of credentials by hand, and issuers, lists and entries in any order against plain dicts."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chainnode import codec
from chainnode.types.limits import ISSUER_LISTS_MAX, ISSUER_SCHEMAS_MAX, SCHEMA_VERSIONS_MAX, STATE_VALUE_BYTES_MAX, STATUS_CHANGES_MAX
from chainnode.vc.listrecord import CHUNK_BYTES, LIST_ENTRIES, StatusList, chunk_key, decode_chunk, list_bits, list_key
from chainnode.vc.statuslist import ENTRIES_MIN, PURPOSES, status_of
from contracts import credentials, roles
from contracts.credentials import Issuer, SchemaVersion, issuer_key
from tests.contracts.council import EVIDENCE, Council, did
from tests.contracts.receipt_world import Refused

OTHER = b"\x06" * 32
LAST = LIST_ENTRIES - 1


def admitted(*names: str, supers: tuple[str, ...] = ("ada",)) -> Council:
    """A world with issuers."""
    world = Council(supers)
    for name in names:
        world.decide("admit_issuer", did(name), name, EVIDENCE)
    return world


@pytest.fixture
def world() -> Council:
    return admitted("mia", "bob")


def issuer_of(world: Council, name: str) -> Issuer:
    """An issuer that is there."""
    found = credentials.issuer(world.state, did(name))
    assert found is not None
    return found


def list_of(world: Council, name: str, list_id: str) -> StatusList:
    """A list that is there."""
    found = credentials.status_list(world.state, did(name), list_id)
    assert found is not None
    return found


def bits_of(world: Council, name: str, list_id: str) -> bytes:
    """The bits of a list, from the values in the state."""
    one = list_of(world, name, list_id)
    return list_bits(one, tuple(world.value("credentials", chunk_key(did(name), list_id, number)) for number in range(len(one.chunks))))


def begun(world: Council, purpose: str = "revocation", size: int = 1, name: str = "mia", list_id: str = "l") -> None:
    """Begin a list."""
    world.do([name], "credentials.create_list", did(name), list_id, purpose, size)


def chunks_kept(world: Council, name: str, list_id: str) -> list[int]:
    """The numbers of the chunks that are in the state."""
    return [number for number in range(128) if world.value("credentials", chunk_key(did(name), list_id, number)) is not None]


# Issuers


def test_inv_40_the_super_nodes_admit_and_remove_issuers() -> None:
    world = Council(("ada", "ben", "cas", "dan"))
    begin = did("mia"), "l", "revocation", 1
    world.refused("not-issuer", "mia", "credentials.create_list", *begin)
    number = world.propose("ada", "admit_issuer", did("mia"), "School", EVIDENCE)
    world.do(["ben"], "governance.vote", number, True)
    world.refused("not-issuer", "mia", "credentials.create_list", *begin)  # half of them do not admit
    world.do(["cas"], "governance.vote", number, True)
    assert world.event_names() == ["voted", "issuer_admitted", "decided"]
    assert issuer_of(world, "mia") == Issuer(did("mia"), "School", EVIDENCE, True, f"governance:{number}", world.height, 0, 0)
    world.do(["mia"], "credentials.create_list", *begin)
    number = world.decide("remove_issuer", did("mia"))
    assert "issuer_removed" in world.event_names()
    assert issuer_of(world, "mia") == Issuer(did("mia"), "School", EVIDENCE, False, f"governance:{number}", world.height, 0, 1)
    world.refused("not-issuer", "mia", "credentials.set_status", did("mia"), "l", ((0, 1),))
    world.refused("not-issuer", "mia", "credentials.register_schema", did("mia"), "s", EVIDENCE)
    world.refused("not-issuer", "mia", "credentials.create_list", did("mia"), "l2", "revocation", 1)
    world.decide("admit_issuer", did("mia"), "School again", OTHER)
    assert world.do(["mia"], "credentials.set_status", did("mia"), "l", ((0, 1),)) == 1  # with what it had
    assert issuer_of(world, "mia").lists == 1


def test_no_method_admits() -> None:
    world = Council(("ada",))
    for name in ("admit", "dismiss", "admit_issuer"):
        with pytest.raises(KeyError):
            world.do(["ada"], f"credentials.{name}", did("mia"), "School", EVIDENCE)


@pytest.mark.parametrize(
    "code, arguments",
    [
        ("bad-did", ("did:web:school.example", "School", EVIDENCE)),
        ("bad-did", ("did:bid:abcd", "School", EVIDENCE)),
        ("bad-did", ("", "School", EVIDENCE)),
        ("bad-arguments", (did("mia"), "", EVIDENCE)),
        ("bad-arguments", (did("mia"), "two\nlines", EVIDENCE)),
        ("bad-arguments", (did("mia"), "x" * 257, EVIDENCE)),
        ("bad-arguments", (did("mia"), "School", EVIDENCE[1:])),
        ("bad-proposal", (did("mia"), "School")),
        ("bad-proposal", (did("mia"), "School", "evidence")),
    ],
)
def test_what_is_no_admission(code: str, arguments: tuple[Any, ...]) -> None:
    Council(("ada",)).refused(code, "ada", "governance.propose", "admit_issuer", arguments, "because")


def test_only_an_issuer_is_removed(world: Council) -> None:
    world.refused("not-found", "ada", "governance.propose", "remove_issuer", (did("sam"),), "because")
    world.decide("remove_issuer", did("bob"))
    world.refused("not-found", "ada", "governance.propose", "remove_issuer", (did("bob"),), "because")


CALLS = [
    ("register_schema", "s", EVIDENCE),
    ("create_list", "new", "revocation", 1),
    ("set_status", "l", ((5, 1),)),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_inv_40_an_issuer_signs_whoever_sends(world: Council, call: tuple[Any, ...]) -> None:
    name, *arguments = call
    begun(world)
    for signers in ("bob", "ada", "ada bob", "cus sam"):
        world.refused("signer-missing", signers, f"credentials.{name}", did("mia"), *arguments)
    world.refused("not-issuer", "cus", f"credentials.{name}", did("cus"), *arguments)
    world.do(["cus", "mia"], f"credentials.{name}", did("mia"), *arguments)


def test_inv_21_the_sender_holds_a_role() -> None:
    world = admitted("eve")
    for name, *arguments in CALLS:
        world.refused("not-member", "eve", f"credentials.{name}", did("eve"), *arguments)
    world.do(["sam", "eve"], "credentials.create_list", did("eve"), "l", "revocation", 1)


# Schemas


def test_inv_42_a_version_of_a_schema_never_changes(world: Council) -> None:
    arguments = did("mia"), "https://school.example/degree"
    assert world.do(["mia"], "credentials.register_schema", *arguments, EVIDENCE) == 1
    first = SchemaVersion(*arguments, 1, EVIDENCE, world.height, world.time_ms)
    assert world.event_names() == ["schema_registered"]
    assert world.do(["mia"], "credentials.register_schema", *arguments, OTHER) == 2
    assert world.do(["bob"], "credentials.register_schema", did("bob"), arguments[1], OTHER) == 1  # another's
    assert credentials.schema_version(world.state, *arguments, 1) == first
    assert credentials.schema_version(world.state, *arguments, 2) == SchemaVersion(
        *arguments, 2, OTHER, world.height - 1, world.time_ms - 1_000
    )
    assert credentials.schema_version(world.state, *arguments, 3) is None
    assert (issuer_of(world, "mia").schemas, issuer_of(world, "bob").schemas) == (1, 1)


@pytest.mark.parametrize("name, digest", [("", EVIDENCE), ("a b", EVIDENCE), ("x" * 129, EVIDENCE), ("s", b""), ("s", EVIDENCE + b"\x00")])
def test_schemas_of_another_form(world: Council, name: str, digest: bytes) -> None:
    world.refused("bad-arguments", "mia", "credentials.register_schema", did("mia"), name, digest)


def test_schemas_and_their_versions_are_bounded(world: Council) -> None:
    store = world.state.store("credentials")
    world.do(["mia"], "credentials.register_schema", did("mia"), "s", EVIDENCE)
    store.put(credentials.schema_key(did("mia"), "s"), codec.encode(SCHEMA_VERSIONS_MAX - 1))
    assert world.do(["mia"], "credentials.register_schema", did("mia"), "s", EVIDENCE) == SCHEMA_VERSIONS_MAX
    world.refused("too-many", "mia", "credentials.register_schema", did("mia"), "s", EVIDENCE)
    full = Issuer(did("mia"), "School", EVIDENCE, True, "", 1, ISSUER_SCHEMAS_MAX, ISSUER_LISTS_MAX - 1)
    store.put(issuer_key(did("mia")), credentials.encode_issuer(full))
    world.refused("too-many", "mia", "credentials.register_schema", did("mia"), "s2", EVIDENCE)
    world.refused("too-many", "mia", "credentials.register_schema", did("mia"), "s", EVIDENCE)
    begun(world)
    world.refused("too-many", "mia", "credentials.create_list", did("mia"), "l2", "revocation", 1)


# Lists


@pytest.mark.parametrize(
    "purpose, size, chunks", [*((one, 1, 16) for one in PURPOSES), ("message", 2, 32), ("message", 4, 64), ("message", 8, 128)]
)
def test_a_list_begins_with_zeros_and_without_chunks(world: Council, purpose: str, size: int, chunks: int) -> None:
    begun(world, purpose, size)
    found = list_of(world, "mia", "l")
    assert found == StatusList(did("mia"), "l", purpose, size, world.height, world.height, world.time_ms, (b"",) * chunks)
    assert bits_of(world, "mia", "l") == bytes(ENTRIES_MIN * size // 8) and chunks_kept(world, "mia", "l") == []
    world.do(["mia"], "credentials.set_status", did("mia"), "l", tuple((number * LIST_ENTRIES // chunks, 1) for number in range(chunks)))
    value = world.value("credentials", list_key(did("mia"), "l"))
    assert value is not None and len(value) < STATE_VALUE_BYTES_MAX // 10


@pytest.mark.parametrize(
    "list_id, purpose, size",
    [
        *(("", "revocation", 1), ("a b", "revocation", 1), ("x" * 129, "revocation", 1), ("l", "other", 1), ("l", "", 1)),
        *(
            ("l", "revocation", 2),
            ("l", "suspension", 8),
            ("l", "message", 0),
            ("l", "message", 3),
            ("l", "message", 16),
            ("l", "message", -1),
        ),
    ],
)
def test_lists_of_another_form(world: Council, list_id: str, purpose: str, size: int) -> None:
    world.refused("bad-arguments", "mia", "credentials.create_list", did("mia"), list_id, purpose, size)


def test_a_list_begins_once_and_belongs_to_its_issuer(world: Council) -> None:
    begun(world)
    world.refused("already-exists", "mia", "credentials.create_list", did("mia"), "l", "message", 8)
    begun(world, "message", 8, "bob")
    world.do(["bob"], "credentials.set_status", did("bob"), "l", ((0, 200),))
    assert bits_of(world, "mia", "l") == bytes(16_384) and status_of(bits_of(world, "bob", "l"), 0, 8) == 200
    assert (issuer_of(world, "mia").lists, issuer_of(world, "bob").lists) == (1, 1)


def test_inv_41_what_is_revoked_stays_revoked(world: Council) -> None:
    for purpose in PURPOSES:
        begun(world, purpose, list_id=purpose)
        arguments = did("mia"), purpose
        assert world.do(["mia"], "credentials.set_status", *arguments, ((7, 1), (9, 0))) == 1
        assert world.do(["mia"], "credentials.set_status", *arguments, ((7, 1),)) == 0  # said again
        if purpose in ("revocation", "refresh"):
            world.refused("status-final", "mia", "credentials.set_status", *arguments, ((9, 1), (7, 0)))
        else:
            assert world.do(["mia"], "credentials.set_status", *arguments, ((9, 1), (7, 0))) == 2
            assert world.do(["mia"], "credentials.set_status", *arguments, ((7, 1),)) == 1


def test_a_status_is_in_force_from_its_block_on(world: Council) -> None:
    begun(world)
    before = list_of(world, "mia", "l")
    assert world.do(["mia"], "credentials.set_status", did("mia"), "l", ((94_567, 1), (3, 0))) == 1
    after = list_of(world, "mia", "l")
    assert (after.height, after.changed_height, after.changed_ms) == (before.height, world.height, world.time_ms)
    assert world.events[0].attributes == {"issuer": did("mia"), "list": "l", "entries": ((94_567, 1),)}
    assert status_of(bits_of(world, "mia", "l"), 94_567) == 1 and bits_of(world, "mia", "l").count(0) == 16_383
    height = world.height
    world.do(["mia"], "credentials.set_status", did("mia"), "l", ((94_567, 1),))
    assert list_of(world, "mia", "l").changed_height == height and not world.events  # nothing new was said


def test_inv_43_the_record_of_a_list_shows_all_its_bits(world: Council) -> None:
    begun(world, "suspension")
    world.do(["mia"], "credentials.set_status", did("mia"), "l", ((0, 1), (8_191, 1), (8_192, 1), (LAST, 1)))
    assert chunks_kept(world, "mia", "l") == [0, 1, 15]
    found = list_of(world, "mia", "l")
    for number, digest in enumerate(found.chunks):
        value = world.value("credentials", chunk_key(did("mia"), "l", number))
        assert digest == (b"" if value is None else sha256(decode_chunk(value)).digest())
    world.do(["mia"], "credentials.set_status", did("mia"), "l", ((8_192, 0),))
    assert chunks_kept(world, "mia", "l") == [0, 15] and list_of(world, "mia", "l").chunks[1] == b""
    with pytest.raises(AssertionError):
        list_bits(found, (None,) * 16)


def test_a_change_writes_its_chunk_alone(world: Council) -> None:
    begun(world)
    world.do(["mia"], "credentials.set_status", did("mia"), "l", ((0, 1), (LAST, 1)))
    before = world.state.writes()["credentials"]
    world.do(["mia"], "credentials.set_status", did("mia"), "l", ((9_000, 1), (9_001, 1)))
    changed = {key for key, _ in {*world.state.writes()["credentials"]} - {*before}}
    assert changed == {chunk_key(did("mia"), "l", 1), list_key(did("mia"), "l")}


@pytest.mark.parametrize(
    "code, changes",
    [
        ("too-many", ()),
        ("too-many", tuple((index, 1) for index in range(STATUS_CHANGES_MAX + 1))),
        ("status-out-of-range", ((0, 1), (LIST_ENTRIES, 1))),
        ("status-out-of-range", ((-1, 1),)),
        ("status-out-of-range", ((2**63, 1),)),
        ("bad-arguments", ((0, 2),)),
        ("bad-arguments", ((0, -1),)),
        ("bad-arguments", ((0, 1), (0, 1))),
        ("bad-arguments", ((0, True),)),
        ("bad-arguments", (("0", 1),)),
    ],
)
def test_changes_of_another_form(world: Council, code: str, changes: tuple[Any, ...]) -> None:
    begun(world)
    world.refused(code, "mia", "credentials.set_status", did("mia"), "l", changes)


def test_as_many_changes_as_the_limit_says(world: Council) -> None:
    begun(world)
    changes = tuple((index * 128, 1) for index in range(STATUS_CHANGES_MAX))
    assert world.do(["mia"], "credentials.set_status", did("mia"), "l", changes) == STATUS_CHANGES_MAX
    assert chunks_kept(world, "mia", "l") == list(range(16))
    world.refused("not-found", "mia", "credentials.set_status", did("mia"), "l2", ((0, 1),))


def test_a_role_that_is_lost_stops_the_sender_and_a_sponsor_helps(world: Council) -> None:
    begun(world)
    world.do(["ada"], "roles.revoke", did("mia"), roles.MEMBER, "left")
    world.refused("not-member", "mia", "credentials.set_status", did("mia"), "l", ((0, 1),))
    world.do(["sam", "mia"], "credentials.set_status", did("mia"), "l", ((0, 1),))


# In any order

NAMES = st.sampled_from(("mia", "bob", "sam"))
LISTS = st.sampled_from(("a", "b"))
INDEXES = st.sampled_from((0, 1, 7, 8, 8_191, 8_192, 4_095, LAST - 1, LAST, LIST_ENTRIES, -1))


class CredentialsMachine(RuleBasedStateMachine):
    """Contract and model decide by themselves, and must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Council(("ada",))
        self.issuers: dict[str, bool] = {}
        self.lists: dict[tuple[str, str], tuple[str, int, dict[int, int]]] = {}
        self.schemas: dict[tuple[str, str], list[bytes]] = {}

    def expect(self, may: bool, signers: str, method: str, *arguments: Any) -> None:
        """Call, and compare whether it was taken."""
        try:
            self.world.do(signers.split(), method, *arguments)
        except Refused as refusal:
            assert not may, refusal
        else:
            assert may, method

    @rule(name=NAMES)
    def admit(self, name: str) -> None:
        """Anew, or again."""
        self.expect(True, "ada", "governance.propose", "admit_issuer", (did(name), name, EVIDENCE), "because")
        self.issuers[name] = True

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        """Those who are admitted."""
        self.expect(self.issuers.get(name, False), "ada", "governance.propose", "remove_issuer", (did(name),), "because")
        if name in self.issuers:
            self.issuers[name] = False

    @rule(name=NAMES, signer=NAMES, schema=LISTS, digest=st.sampled_from((EVIDENCE, OTHER)))
    def register(self, name: str, signer: str, schema: str, digest: bytes) -> None:
        """The next version."""
        may = self.issuers.get(name, False) and signer == name
        self.expect(may, f"cus {signer}", "credentials.register_schema", did(name), schema, digest)
        if may:
            self.schemas.setdefault((name, schema), []).append(digest)

    @rule(name=NAMES, list_id=LISTS, purpose=st.sampled_from(PURPOSES), size=st.sampled_from((1, 2, 4, 8)))
    def begin(self, name: str, list_id: str, purpose: str, size: int) -> None:
        """A list, once."""
        may = self.issuers.get(name, False) and (name, list_id) not in self.lists and (size == 1 or purpose == "message")
        self.expect(may, name, "credentials.create_list", did(name), list_id, purpose, size)
        if may:
            self.lists[name, list_id] = purpose, size, {}

    @rule(name=NAMES, signer=NAMES, list_id=LISTS, changes=st.lists(st.tuples(INDEXES, st.sampled_from((0, 1, 1, 3, 255))), max_size=4))
    def change(self, name: str, signer: str, list_id: str, changes: list[tuple[int, int]]) -> None:
        """Some entries."""
        may = self.issuers.get(name, False) and signer == name and (name, list_id) in self.lists and bool(changes)
        purpose, size, entries = self.lists.get((name, list_id), ("", 1, {}))
        may = may and len({index for index, _ in changes}) == len(changes)
        for index, value in changes:
            may = may and 0 <= index < LIST_ENTRIES and value < 1 << size
            may = may and not (purpose in ("revocation", "refresh") and entries.get(index, 0) > 0 and value == 0)
        self.expect(may, f"cus {signer}", "credentials.set_status", did(name), list_id, tuple(changes))
        if may:
            entries.update(changes)

    @invariant()
    def the_ledger_is_as_the_model_says(self) -> None:
        """Issuers, versions, and every list bit by bit; chunks are there exactly where something is set."""
        for name, is_admitted in self.issuers.items():
            found = issuer_of(self.world, name)
            assert found.is_admitted == is_admitted
            assert found.lists == sum(owner == name for owner, _ in self.lists)
            assert found.schemas == sum(owner == name for owner, _ in self.schemas)
        for (name, schema), digests in self.schemas.items():
            known = [credentials.schema_version(self.world.state, did(name), schema, number + 1) for number in range(len(digests) + 1)]
            assert [one and one.digest for one in known] == [*digests, None]
        for (name, list_id), (purpose, size, entries) in self.lists.items():
            found_list = list_of(self.world, name, list_id)
            assert (found_list.purpose, found_list.size) == (purpose, size)
            bits = bits_of(self.world, name, list_id)
            assert all(status_of(bits, index, size) == value for index, value in entries.items())
            assert sum(byte.bit_count() for byte in bits) == sum(value.bit_count() for value in entries.values())
            wanted = {index * size // 8 // CHUNK_BYTES for index, value in entries.items() if value}
            assert set(chunks_kept(self.world, name, list_id)) == wanted


TestCredentials = CredentialsMachine.TestCase
TestCredentials.settings = settings(stateful_step_count=25)
