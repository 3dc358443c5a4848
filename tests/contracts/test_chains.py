"""Each rule of AC numbers by hand, and numbers, chains and removals in any order against plain dicts."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chainnode import codec
from chainnode.bid import did_of
from chainnode.bundle import beginning_of
from chainnode.crypto.keys import public_key_of
from chainnode.did import bidview, w3c
from chainnode.did.chainrecord import ChainRecord, beginning_of_chain, decode_chain, encode_chain, identity_of_chain
from chainnode.errors import Malformed
from chainnode.types.limits import CHAIN_ENDPOINT_LENGTH_MAX, CHAIN_ENDPOINTS_MAX, CHAIN_TTL_S_MAX, PROPOSAL_BYTES_MAX, VALIDATORS_MAX
from contracts import chains
from contracts.chains import arguments_of, chain_key
from contracts.registry import SystemContracts
from tests.chain_maker import key_of, make_genesis
from tests.contracts.council import Council, did, genesis_of
from tests.contracts.receipt_world import Refused

CITY = make_genesis({"west": 3, "east": 5}, chain_id="city-1")
PORT = make_genesis({"quay": 1}, chain_id="port-1", suite="s")
URLS = ("https://resolver.city.example", "http://10.1.2.3:8080/did")


def arguments(ac: str = "byo1", genesis=CITY, **changes: Any) -> tuple[Any, ...]:
    """Of `set_chain`, as a genesis file has them."""
    return arguments_of(genesis, ac, **{"name": "City", "operator": did("bob"), "endpoints": URLS, "ttl_s": 60} | changes)


def bent(place: int, value: Any) -> tuple[Any, ...]:
    """Arguments with one of them changed."""
    whole = arguments()
    return (*whole[:place], value, *whole[place + 1 :])


def chain_of(world: Council, ac: str = "byo1") -> ChainRecord:
    """A chain that is on record."""
    found = chains.chain(world.state, ac)
    assert found is not None
    return found


@pytest.fixture
def world() -> Council:
    return Council(("ada",))


def test_the_super_nodes_record_and_remove_chains() -> None:
    world = Council(("ada", "ben", "cas", "dan"))
    number = world.propose("ada", "set_chain", *arguments())
    world.do(["ben"], "governance.vote", number, True)
    assert chains.chain(world.state, "byo1") is None  # half of them do not record
    world.do(["cas"], "governance.vote", number, True)
    assert world.event_names() == ["voted", "chain_set", "decided"]
    found = chain_of(world)
    assert (found.sequence, found.ac, found.chain_id, found.name, found.operator) == (1, "byo1", "city-1", "City", did("bob"))
    assert (found.endpoints, found.ttl_s, found.is_active, found.by) == (URLS, 60, True, f"governance:{number}")
    assert (found.height, found.time_ms, found.created_ms) == (world.height, world.time_ms, world.time_ms)
    number = world.decide("remove_chain", "byo1")
    assert "chain_removed" in world.event_names()
    gone = replace(found, sequence=2, status="removed", by=f"governance:{number}", height=world.height, time_ms=world.time_ms)
    assert chain_of(world) == gone and not gone.is_active
    world.decide("set_chain", *arguments())
    assert (chain_of(world).sequence, chain_of(world).is_active, chain_of(world).created_ms) == (3, True, found.created_ms)


def test_a_record_has_what_trust_in_the_chain_begins_with(world: Council) -> None:
    for genesis, ac in ((CITY, "byo1"), (PORT, "0000")):
        world.decide("set_chain", *arguments(ac, genesis))
        assert beginning_of_chain(chain_of(world, ac)) == replace(beginning_of(genesis), names=())
        assert chains.ac_of(world.state, beginning_of(genesis).genesis_hash) == ac


def test_inv_48_keys_of_another_chains_dids_sign_nothing_here(world: Council) -> None:
    key, law = key_of("ida"), SystemContracts()
    here, there, elsewhere = (did_of("e", key.public, acsn) for acsn in (None, "byo1", "0000"))
    assert all(law.may_sign(world.state, one, "e", key.public) for one in (here, there, elsewhere))
    world.decide("set_chain", *arguments("byo1"))
    world.decide("set_chain", *arguments("0000", genesis_of(("ada",), ("v1", "v2", "v3"))))  # this very chain
    assert [law.may_sign(world.state, one, "e", key.public) for one in (here, there, elsewhere)] == [True, False, True]
    world.decide("remove_chain", "byo1")
    assert not law.may_sign(world.state, there, "e", key.public)


def test_inv_47_a_number_is_one_chains_for_ever_and_a_chain_has_one(world: Council) -> None:
    world.decide("set_chain", *arguments())
    other = "set_chain", arguments("byo1", PORT), "because"
    second = "set_chain", arguments("byo2"), "because"
    world.refused("ac-taken", "ada", "governance.propose", *other)
    world.refused("ac-taken", "ada", "governance.propose", *second)
    world.decide("remove_chain", "byo1")
    world.refused("ac-taken", "ada", "governance.propose", *other)
    world.refused("ac-taken", "ada", "governance.propose", *second)
    world.decide("set_chain", *arguments("byo2", PORT))
    world.refused("ac-taken", "ada", "governance.propose", "set_chain", arguments("byo1", PORT), "because")
    assert chain_of(world).chain_id == "city-1" and chain_of(world, "byo2").chain_id == "port-1"


def test_all_but_the_genesis_can_be_changed(world: Council) -> None:
    world.decide("set_chain", *arguments())
    changed = (*arguments(name="City again", operator=did("sam"), endpoints=URLS[:1], ttl_s=5)[:5], 7, 86_400_000, ((1, b"\x07" * 32, 9),))
    world.decide("set_chain", *changed, URLS[:1], 5)
    found = chain_of(world)
    assert (found.sequence, found.name, found.operator, found.endpoints, found.ttl_s) == (2, "City again", did("sam"), URLS[:1], 5)
    assert (found.genesis_time_ns, found.trusting_period_ms, found.validators.power_total) == (7, 86_400_000, 9)
    assert found.created_ms < found.time_ms


FULL = tuple((1, bytes([number]) * 32, 10**6) for number in range(VALIDATORS_MAX))
KEY = public_key_of(key_of("west")).data


@pytest.mark.parametrize(
    "code, place, value",
    [
        *(("bad-chain", 0, ac) for ac in ("", "byo", "byo12", "BYO1", "by-1", "by 1", "бyo1", "byo1:", "x" * 7_000)),
        *(("bad-chain", 1, name) for name in ("", "city", "City-1", "city-0", "x" * 49 + "-1", "city-1\n")),
        *(("bad-arguments", 2, name) for name in ("", "two\nlines", "x" * 257)),
        *(("bad-did", 3, did) for did in ("", "did:bid:byo1", "did:web:city.example")),
        *(("bad-arguments", 4, digest) for digest in (b"", b"\x01" * 31)),
        *(("bad-chain", 5, time_ns) for time_ns in (0, -1, 2**63)),
        *(("bad-chain", 6, period_ms) for period_ms in (0, 86_399_999, 3_162_240_000_001)),
        *(("bad-chain", 7, keys) for keys in ((), ((1, KEY, 1), (1, KEY, 2)), (*FULL, (1, KEY, 1)), (1,), ((1, KEY),))),
        *(("bad-chain", 7, ((kind, KEY, power),)) for kind, power in ((0, 1), (2, 1), (3, 1), (1, 0), (1, -1), (1, 2**63), (True, 1))),
        *(("bad-chain", 7, ((1, key, 1),)) for key in (b"", KEY[1:], KEY + b"\x00", "key")),
        ("bad-chain", 8, ()),
        ("bad-chain", 8, (URLS[0], URLS[0])),
        ("bad-chain", 8, tuple(f"http://a:{number}" for number in range(1, CHAIN_ENDPOINTS_MAX + 2))),
        ("bad-chain", 8, (7,)),
        *(("bad-chain", 9, ttl_s) for ttl_s in (0, -1, CHAIN_TTL_S_MAX + 1)),
        ("bad-proposal", 7, b""),
        ("bad-proposal", 9, "60"),
        ("bad-proposal", 7, tuple((1, bytes([number]) * 32, 1) for number in range(256)) * 3),
    ],
)
def test_what_is_no_record_of_a_chain(world: Council, code: str, place: int, value: Any) -> None:
    world.refused(code, "ada", "governance.propose", "set_chain", bent(place, value), "because")


@pytest.mark.parametrize(
    "url",
    [
        *("", "city.example", "ftp://city.example", "https://", "https://City.example", "https://a_b.example", "https://-a.example"),
        *(
            "https://me@city.example",
            "https://city.example/",
            "https://city.example//x",
            "https://city.example/?x",
            "https://city.example#x",
        ),
        *(
            "https://city.example:0",
            "https://city.example:65536",
            "https://city.example:99999",
            "https://city.example/a b",
            "https://é.example",
        ),
        *("https://city.example/%2e", "https://city.example\n", "https://" + "a" * CHAIN_ENDPOINT_LENGTH_MAX),
    ],
)
def test_what_is_no_url_of_a_resolver(world: Council, url: str) -> None:
    world.refused("bad-chain", "ada", "governance.propose", "set_chain", bent(8, (url,)), "because")


def test_the_largest_record_is_taken_and_is_no_long_value(world: Council) -> None:
    urls = tuple(f"https://{number}{'a' * (CHAIN_ENDPOINT_LENGTH_MAX - 9)}" for number in range(CHAIN_ENDPOINTS_MAX))
    most = (*arguments()[:7], FULL, (*urls[:-1], "https://[::1]:65535/x/y"), CHAIN_TTL_S_MAX)
    world.decide("set_chain", *most)
    assert len(encode_chain(chain_of(world))) < PROPOSAL_BYTES_MAX
    assert decode_chain(encode_chain(chain_of(world))) == chain_of(world)


def test_only_a_chain_that_is_there_is_removed(world: Council) -> None:
    for ac in ("byo1", "BYO1", ""):
        world.refused("not-found", "ada", "governance.propose", "remove_chain", (ac,), "because")
    world.decide("set_chain", *arguments())
    world.decide("remove_chain", "byo1")
    world.refused("not-found", "ada", "governance.propose", "remove_chain", ("byo1",), "because")


def test_no_method_records(world: Council) -> None:
    for name in ("put_chain", "set_chain", "remove_chain"):
        with pytest.raises(KeyError):
            world.do(["ada"], f"chains.{name}", *arguments())


def test_a_key_is_that_of_an_ac_number() -> None:
    assert chain_key("byo1") == b"\x01byo1"
    for text in ("", "byo", "byo12", "Byo1", "byo1:ef"):
        with pytest.raises(Malformed):
            chain_key(text)


# Its documents


def test_a_chain_has_a_document_in_both_forms(world: Council) -> None:
    world.decide("set_chain", *arguments())
    one = identity_of_chain(chain_of(world))
    members = w3c.document(one)
    assert members is not None
    assert (members["id"], members["controller"]) == ("did:bid:byo1", [did("bob")])
    assert members["service"] == [
        {"id": "did:bid:byo1#resolver-1", "type": "DIDSubResolver", "serviceEndpoint": URLS[0]},
        {"id": "did:bid:byo1#resolver-2", "type": "DIDSubResolver", "serviceEndpoint": URLS[1]},
    ]
    whole: Any = bidview.document(one)
    assert (whole["extension"]["type"], whole["extension"]["ttl"], whole["authentication"]) == (206, 60, [])
    assert {each["key"]: each["value"] for each in whole["extension"]["attributes"]}["chainId"] == "city-1"
    assert {"type": "DIDSubResolver", "protocol": 3, "serverType": 0, "serviceEndpoint": "resolver.city.example"}.items() <= whole[
        "service"
    ][0].items()
    world.decide("remove_chain", "byo1")
    assert w3c.document(identity_of_chain(chain_of(world))) is None


# In any order

ACS = st.sampled_from(("aaaa", "bbbb", "cccc"))
OWN_HASH = beginning_of(genesis_of(("ada",), ("v1", "v2", "v3"))).genesis_hash
GENESES = st.sampled_from((CITY, PORT, make_genesis({"x": 1}, chain_id="third-1")))


class ChainsMachine(RuleBasedStateMachine):
    """Contract and model decide by themselves, and must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Council(("ada",))
        self.numbers: dict[str, bytes] = {}  # a number's genesis, for ever
        self.records: dict[str, tuple[int, str, bool]] = {}  # sequence, name, is active

    def expect(self, may: bool, kind: str, *arguments: Any) -> None:
        """Decide, and compare whether it was taken."""
        try:
            self.world.do(["ada"], "governance.propose", kind, arguments, "because")
        except Refused as refusal:
            assert not may, refusal
        else:
            assert may, kind

    @rule(ac=ACS, genesis=GENESES, name=st.sampled_from(("one", "two")))
    def record(self, ac: str, genesis: Any, name: str) -> None:
        """A chain, anew or again."""
        beginning = beginning_of(genesis).genesis_hash
        may = self.numbers.get(ac) == beginning or (ac not in self.numbers and beginning not in self.numbers.values())
        self.expect(may, "set_chain", *arguments(ac, genesis, name=name))
        if may:
            self.numbers[ac] = beginning
            self.records[ac] = (self.records.get(ac, (0, "", False))[0] + 1, name, True)

    @rule(ac=ACS)
    def remove(self, ac: str) -> None:
        """Those that are there."""
        sequence, name, is_active = self.records.get(ac, (0, "", False))
        self.expect(is_active, "remove_chain", ac)
        if is_active:
            self.records[ac] = (sequence + 1, name, False)

    @invariant()
    def the_ledger_is_as_the_model_says(self) -> None:
        """Each number, each genesis, and nothing besides."""
        for ac in ("aaaa", "bbbb", "cccc"):
            found = chains.chain(self.world.state, ac)
            known = None if found is None else (found.sequence, found.name, found.is_active)
            assert known == self.records.get(ac)
            assert found is None or (found.genesis_hash == self.numbers[ac] and chains.ac_of(self.world.state, found.genesis_hash) == ac)
        written = [key for key, value in self.world.state.writes()["chains"] if value is not None]
        assert len(written) == 1 + 2 * len(self.numbers)
        assert codec.decode(self.world.value("chains", b"\x00") or b"", bytes_max=34) == OWN_HASH


TestChains = ChainsMachine.TestCase
TestChains.settings = settings(stateful_step_count=20)
