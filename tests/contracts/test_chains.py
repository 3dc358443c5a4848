"""AC numbers by hand: admission, uniqueness, expiry, status, the operator's role; and all of it in any order against plain dicts."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chainnode import codec
from chainnode.bid import did_of
from chainnode.bundle import beginning_of
from chainnode.did import bidview, w3c
from chainnode.did.chainrecord import Permit, beginning_of_chain, decode_chain, encode_chain, identity_of_chain
from chainnode.did.record import SIGNING, Document, Method, document_value
from chainnode.errors import Malformed, Rejected
from chainnode.execution.table import Call
from chainnode.types.limits import CHAIN_ENDPOINT_LENGTH_MAX, CHAIN_ENDPOINTS_MAX, CHAINS_OF_OPERATOR_MAX, VALIDATORS_MAX
from contracts import chains, roles
from contracts.chains import chain_key
from contracts.identityrecords import identity_key
from contracts.registry import SystemContracts
from tests.chain_maker import key_of, make_genesis
from tests.contracts.admission import CITY, PORT, URLS, admitted, applied, arguments, chain_of, form_of
from tests.contracts.council import WEEK_MS, Council, did, genesis_of
from tests.contracts.receipt_world import Refused

OWN = genesis_of(("ada",), ("v1", "v2", "v3"))


@pytest.fixture
def world() -> Council:
    return Council(("ada",))


def role_of(world: Council, name: str) -> int | None:
    """When somebody's role of a backbone node ends, None when there is none."""
    found = [one.expires_ms for one in roles.grants(world.state, did(name)) if one.role == roles.BACKBONE]
    return found[0] if found else None


def test_the_super_nodes_admit_what_was_applied_for() -> None:
    world = Council(("ada", "ben", "cas", "dan"))
    number = applied(world, evidence=(b"\x07" * 32,))
    assert world.event_names() == ["applied"]
    proposal = world.propose("ada", "admit_chain", number, "byo9", world.time_ms + WEEK_MS)
    world.do(["ben"], "governance.vote", proposal, True)
    assert chains.chain(world.state, "byo9") is None  # half of them do not admit
    world.do(["cas"], "governance.vote", proposal, True)
    assert "chain_admitted" in world.event_names() and "application_admitted" in world.event_names()
    found = chain_of(world, "byo9")  # they gave another number than the one wished for
    assert (found.sequence, found.chain_id, found.name, found.operator, found.industry) == (1, "city-1", "City", did("bob"), "I")
    assert (found.endpoints, found.ttl_s, found.status, found.by, found.reason) == (URLS, 60, "active", f"governance:{proposal}", "because")
    assert (found.gateways, found.application, found.appeals) == ((did("bob"),), number, 0)
    assert found.permit == Permit("B2-2026", "F-7", "Office of Chains", "2029-12-31")
    assert (found.height, found.time_ms, found.created_ms) == (world.height, world.time_ms, world.time_ms)
    assert decode_chain(encode_chain(found)) == found


def test_a_record_has_what_trust_in_the_chain_begins_with(world: Council) -> None:
    for genesis, ac in ((CITY, "byo1"), (PORT, "0000")):
        found = admitted(world, ac, genesis)
        assert beginning_of_chain(found) == replace(beginning_of(genesis), names=())
        assert chains.ac_of(world.state, found.genesis_hash) == ac
        followed = chains.chain_of_client(world.state, found.client_id)
        assert found.client_id and followed == found
    assert chain_of(world).client_id != chain_of(world, "0000").client_id
    assert chains.chain_of_client(world.state, "07-tendermint-77") is None


def test_this_very_chain_has_no_light_client_of_itself(world: Council) -> None:
    assert admitted(world, "0000", OWN).client_id == ""


def test_inv_48_keys_of_another_chains_dids_sign_nothing_here(world: Council) -> None:
    key, law = key_of("ida"), SystemContracts()
    here, there, elsewhere = (did_of("e", key.public, acsn) for acsn in (None, "byo1", "0000"))
    assert all(law.may_sign(world.state, one, "e", key.public) for one in (here, there, elsewhere))
    admitted(world)
    admitted(world, "0000", OWN)
    assert [law.may_sign(world.state, one, "e", key.public) for one in (here, there, elsewhere)] == [True, False, True]
    world.decide("revoke_chain", "byo1")
    assert not law.may_sign(world.state, there, "e", key.public)


def test_inv_47_a_number_is_one_chains_for_ever_and_a_chain_has_one(world: Council) -> None:
    early = applied(world, "byo1", PORT)
    second = applied(world, "byo2", CITY)
    admitted(world)
    world.refused("ac-taken", "ada", "governance.propose", "admit_chain", (early, "byo1", 0), "because")
    world.refused("ac-taken", "ada", "governance.propose", "admit_chain", (second, "byo2", 0), "because")
    world.refused("ac-taken", "bob", "chains.apply", *arguments("byo1", PORT))  # at once, before anybody votes
    world.refused("ac-taken", "bob", "chains.apply", *arguments("byo2", CITY))
    world.decide("revoke_chain", "byo1")
    world.refused("ac-taken", "ada", "governance.propose", "admit_chain", (early, "byo1", 0), "because")
    world.refused("ac-taken", "ada", "governance.propose", "admit_chain", (second, "byo2", 0), "because")
    world.decide("admit_chain", early, "byo2", 0)
    assert chain_of(world).chain_id == "city-1" and chain_of(world, "byo2").chain_id == "port-1"


# How long, and for whom


def test_inv_68_an_admission_ends_to_the_millisecond_and_is_renewed(world: Council) -> None:
    end = world.time_ms + WEEK_MS
    found = admitted(world, expires_ms=end)
    assert found.is_open_at(end - 1) and not found.is_open_at(end)
    assert found.closed_because(end - 1) == "" and "has expired at 20" in found.closed_because(end)
    world.refused("expiry-past", "ada", "governance.propose", "renew_chain", ("byo1", world.time_ms), "because")
    world.refused("bad-chain", "ada", "governance.propose", "renew_chain", ("byo1", -1), "because")
    world.time_ms = end + 5
    number = world.decide("renew_chain", "byo1", end + WEEK_MS)
    again = chain_of(world)
    assert again.is_open_at(world.time_ms) and again.expires_ms == end + WEEK_MS and again.by == f"governance:{number}"
    assert again.client_id == found.client_id and again.sequence == 2
    world.decide("renew_chain", "byo1", 0)
    assert chain_of(world).is_open_at(2**62)
    world.decide("revoke_chain", "byo1")
    world.refused("wrong-chain-status", "ada", "governance.propose", "renew_chain", ("byo1", 0), "because")


def test_an_admission_that_would_be_over_is_refused(world: Council) -> None:
    number = applied(world)
    world.refused("expiry-past", "ada", "governance.propose", "admit_chain", (number, "byo1", world.next_ms), "because")
    for expires_ms in (-1, 2**63):
        world.refused("bad-chain", "ada", "governance.propose", "admit_chain", (number, "byo1", expires_ms), "because")
    for ac in ("", "byo", "BYO1", "byo12", "бyo1"):
        world.refused("bad-chain", "ada", "governance.propose", "admit_chain", (number, ac, 0), "because")


def test_inv_69_the_operator_is_a_backbone_node_as_long_as_a_chain_of_its_is_admitted(world: Council) -> None:
    assert role_of(world, "mia") is None
    end = world.time_ms + WEEK_MS
    admitted(world, by="mia", expires_ms=end)
    assert role_of(world, "mia") == end
    admitted(world, "byo2", PORT, by="mia", expires_ms=end + 7)
    assert role_of(world, "mia") == end + 7  # until the last of them ends
    world.decide("renew_chain", "byo2", end - 7)
    assert role_of(world, "mia") == end
    world.decide("suspend_chain", "byo1")
    assert role_of(world, "mia") == end
    world.decide("revoke_chain", "byo1")
    assert role_of(world, "mia") == end - 7
    world.decide("renew_chain", "byo2", 0)
    assert role_of(world, "mia") == 0
    world.decide("transfer_chain", "byo2", did("sam"))
    assert role_of(world, "mia") is None and role_of(world, "sam") == 0
    world.decide("resume_chain", "byo1")
    assert role_of(world, "mia") == end
    world.time_ms = end
    assert not roles.has_role(world.state, did("mia"), roles.BACKBONE, world.time_ms)


def test_a_role_that_governance_gave_is_left_alone(world: Council) -> None:
    assert role_of(world, "bob") == 0  # from genesis
    admitted(world, expires_ms=world.time_ms + WEEK_MS)
    assert role_of(world, "bob") == 0
    world.decide("revoke_chain", "byo1")
    assert role_of(world, "bob") == 0


def test_a_deactivated_operator_gets_nothing(world: Council) -> None:
    world.do(["mia"], "identity.create", did("mia"), document_value(Document((Method("key-1", "e", key_of("mia").public, SIGNING),))))
    number = applied(world, by="mia")
    previous = hashlib.sha256(world.value("identity", identity_key(did("mia"))) or b"").digest()
    world.do(["mia"], "identity.deactivate", did("mia"), 1, previous)
    world.refused("deactivated", "ada", "governance.propose", "admit_chain", (number, "byo1", 0), "because")
    admitted(world, "byo2", PORT)
    world.refused("deactivated", "ada", "governance.propose", "transfer_chain", ("byo2", did("mia")), "because")


# Status


def test_inv_68_a_chain_is_suspended_resumed_and_revoked_with_the_reason_on_record(world: Council) -> None:
    first = admitted(world)
    world.refused("wrong-chain-status", "ada", "governance.propose", "resume_chain", ("byo1",), "because")
    world.decide("suspend_chain", "byo1")
    found = chain_of(world)
    assert (found.status, found.reason, found.sequence) == ("suspended", "because", 2) and "chain_suspended" in world.event_names()
    assert found.closed_because(0) == f"the chain did:bid:byo1 was suspended at height {world.height}: because"
    assert not found.is_open_at(world.time_ms) and found.client_id == first.client_id
    world.refused("wrong-chain-status", "ada", "governance.propose", "suspend_chain", ("byo1",), "because")
    world.decide("resume_chain", "byo1")
    assert chain_of(world).is_open_at(world.time_ms) and chain_of(world).client_id == first.client_id
    world.decide("revoke_chain", "byo1")
    assert chain_of(world).status == "revoked"
    world.refused("wrong-chain-status", "ada", "governance.propose", "revoke_chain", ("byo1",), "because")
    world.decide("resume_chain", "byo1")
    back = chain_of(world)
    assert back.status == "active" and back.client_id != first.client_id  # the one before was frozen
    assert chains.chain_of_client(world.state, first.client_id) == back


def test_what_has_expired_is_renewed_before_it_is_resumed(world: Council) -> None:
    end = world.time_ms + WEEK_MS
    admitted(world, expires_ms=end)
    world.decide("suspend_chain", "byo1")
    world.time_ms = end
    world.refused("expiry-past", "ada", "governance.propose", "resume_chain", ("byo1",), "because")
    world.decide("renew_chain", "byo1", 0)
    assert chain_of(world).status == "suspended"
    world.decide("resume_chain", "byo1")
    assert chain_of(world).is_open_at(world.time_ms)


def test_only_a_chain_that_is_there_changes(world: Council) -> None:
    for kind, *rest in (("suspend_chain",), ("resume_chain",), ("revoke_chain",), ("reject_appeal",), ("renew_chain", 0)):
        for ac in ("byo1", "BYO1", "", "x" * 1_000):
            world.refused("not-found", "ada", "governance.propose", kind, (ac, *rest), "because")
    world.refused("not-found", "ada", "governance.propose", "transfer_chain", ("byo1", did("sam")), "because")


def test_a_revoked_chain_comes_back_by_a_new_application_under_its_number(world: Council) -> None:
    first = admitted(world)
    world.refused("ac-taken", "sam", "chains.apply", *arguments(operator=did("sam")))  # bob runs it
    world.decide("revoke_chain", "byo1")
    number = applied(world, by="sam", name="City again")
    world.refused("ac-taken", "ada", "governance.propose", "admit_chain", (number, "byo2", 0), "because")
    world.decide("admit_chain", number, "byo1", 0)
    found = chain_of(world)
    assert (found.operator, found.name, found.sequence, found.created_ms) == (did("sam"), "City again", 3, first.created_ms)
    assert found.client_id != first.client_id and found.application == number


def test_an_operator_has_what_was_judged_judged_again(world: Council) -> None:
    first = admitted(world)
    number = applied(world, name="City of Light", permit={"permitNumber": "B2-2030"})
    assert chain_of(world) == first  # until it is admitted
    world.decide("admit_chain", number, "byo1", 0)
    found = chain_of(world)
    assert (found.name, found.permit.number, found.client_id, found.sequence) == ("City of Light", "B2-2030", first.client_id, 2)
    world.decide("suspend_chain", "byo1")
    world.refused("wrong-chain-status", "bob", "chains.apply", *arguments())


def test_another_beginning_takes_another_light_client(world: Council) -> None:
    first = admitted(world)
    changed = list(arguments())
    changed[5] = ((1, b"\x07" * 32, 9),)
    number = world.do(["bob"], "chains.apply", *changed)
    world.decide("admit_chain", number, "byo1", 0)
    assert chain_of(world).client_id != first.client_id and chain_of(world).validators.power_total == 9


def test_a_chain_older_than_its_trusting_period_is_not_admitted_from_its_genesis(world: Council) -> None:
    old = list(arguments())
    old[3], old[4] = 1, 86_400_000
    number = world.do(["bob"], "chains.apply", *old)
    world.refused("client-expired", "ada", "governance.propose", "admit_chain", (number, "byo1", 0), "because")


def test_no_method_records(world: Council) -> None:
    for name in ("admit", "reject", "write", "change", "suspend", "freeze", "thaw", "revoke", "renew", "hand_over", "settle_role"):
        with pytest.raises(KeyError):
            world.do(["ada"], f"chains.{name}", *arguments())


def test_supervision_freezes_and_thaws(world: Council) -> None:
    admitted(world)
    call = Call(did("sue"), (did("sue"),), b"\x01" * 32, world.chain_id, world.height + 1, world.next_ms, 0)
    chains.freeze(call, world.state, "byo1", "an order", by="supervision:1")
    assert (chain_of(world).status, chain_of(world).reason) == ("frozen", "an order")
    world.refused("wrong-chain-status", "ada", "governance.propose", "resume_chain", ("byo1",), "because")
    with pytest.raises(Rejected):
        chains.freeze(call, world.state, "byo1", "an order", by="supervision:1")
    chains.thaw(call, world.state, "byo1", "the order ended", by="supervision:1")
    assert chain_of(world).status == "active"
    with pytest.raises(Rejected):
        chains.thaw(call, world.state, "byo1", "the order ended", by="supervision:1")


def test_an_operator_has_a_bounded_number_of_chains(world: Council, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CHAINS_OF_OPERATOR_MAX < 100
    monkeypatch.setattr(chains, "CHAINS_OF_OPERATOR_MAX", 1)
    admitted(world)
    number = applied(world, "byo2", PORT)
    world.refused("too-many", "ada", "governance.propose", "admit_chain", (number, "byo2", 0), "because")


def test_a_key_is_that_of_an_ac_number() -> None:
    assert chain_key("byo1") == b"\x01byo1"
    for text in ("", "byo", "byo12", "Byo1", "byo1:ef"):
        with pytest.raises(Malformed):
            chain_key(text)


def test_the_largest_record_can_be_read_again(world: Council) -> None:
    urls = tuple(f"https://{number}{'a' * (CHAIN_ENDPOINT_LENGTH_MAX - 20)}" for number in range(CHAIN_ENDPOINTS_MAX))
    keys = tuple((1, bytes([number]) * 32, 10**6) for number in range(VALIDATORS_MAX))
    gateways = [did_of("e", key_of(f"gateway {number}").public) for number in range(16)]
    form = form_of(
        endpoints=urls, gateways=gateways, permit=dict.fromkeys(("permitNumber", "filingNumber"), "證" * 64) | {"authority": "署" * 128}
    )
    whole = list(arguments())
    whole[0], whole[5] = form, keys
    world.decide("admit_chain", world.do(["bob"], "chains.apply", *whole), "byo1", 2**63 - 1)
    assert decode_chain(encode_chain(chain_of(world))) == chain_of(world)
    assert len(chain_of(world).gateways) == 16 and len(chain_of(world).endpoints) == CHAIN_ENDPOINTS_MAX


# Its documents


def test_a_chain_has_a_document_in_both_forms(world: Council) -> None:
    end = world.time_ms + WEEK_MS
    one = identity_of_chain(admitted(world, expires_ms=end))
    members = w3c.document(one)
    assert members is not None
    assert (members["id"], members["controller"]) == ("did:bid:byo1", [did("bob")])
    assert members["service"] == [
        {"id": "did:bid:byo1#resolver-1", "type": "DIDSubResolver", "serviceEndpoint": URLS[0]},
        {"id": "did:bid:byo1#resolver-2", "type": "DIDSubResolver", "serviceEndpoint": URLS[1]},
    ]
    whole: Any = bidview.document(one)
    assert (whole["extension"]["type"], whole["extension"]["ttl"], whole["authentication"]) == (206, 60, [])
    said = {each["key"]: each["value"] for each in whole["extension"]["attributes"]}
    assert (said["chainId"], said["status"]) == ("city-1", "active") and said["expires"].startswith("20")
    assert {"type": "DIDSubResolver", "protocol": 3, "serverType": 0, "serviceEndpoint": "resolver.city.example"}.items() <= whole[
        "service"
    ][0].items()
    world.decide("suspend_chain", "byo1")
    still: Any = bidview.document(identity_of_chain(chain_of(world)))
    assert {each["key"]: each["value"] for each in still["extension"]["attributes"]}["status"] == "suspended"
    world.decide("revoke_chain", "byo1")
    assert w3c.document(identity_of_chain(chain_of(world))) is None


# In any order

ACS = ("aaaa", "bbbb", "cccc")
GENESES = (CITY, PORT, make_genesis({"x": 1}, chain_id="third-1"))


class ChainsMachine(RuleBasedStateMachine):
    """Contract and model decide by themselves, and must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Council(("ada",))
        self.numbers: dict[str, Any] = {}  # a number's genesis, for ever
        self.records: dict[str, tuple[int, str, str, str]] = {}  # sequence, name, status, operator
        self.applications: dict[int, tuple[Any, str, str]] = {}  # open ones: genesis, name, operator

    def expect(self, may: bool, names: list[str], method: str, *arguments: Any) -> Any:
        """Do, and compare whether it was taken."""
        try:
            done = self.world.do(names, method, *arguments)
        except Refused as refusal:
            assert not may, refusal
            return None
        assert may, method
        return done

    def may_return(self, ac: str, genesis: Any, operator: str) -> bool:
        """Whether this operator may have this chain admitted under this number."""
        if ac not in self.numbers and genesis not in self.numbers.values():
            return True
        if self.numbers.get(ac) is not genesis:
            return False
        _, _, status, before = self.records[ac]
        return status == "revoked" or (status == "active" and before == operator)

    @rule(
        ac=st.sampled_from(ACS), genesis=st.sampled_from(GENESES), name=st.sampled_from(("one", "two")), by=st.sampled_from(("bob", "sam"))
    )
    def apply(self, ac: str, genesis: Any, name: str, by: str) -> None:
        """By two operators, at most four each."""
        few = sum(operator == by for _, _, operator in self.applications.values()) < 4
        number = self.expect(
            few and self.may_return(ac, genesis, by), [by], "chains.apply", *arguments(ac, genesis, name=name, operator=did(by))
        )
        if number is not None:
            self.applications[number] = (genesis, name, by)

    @rule(number=st.integers(1, 12), ac=st.sampled_from(ACS))
    def admit(self, number: int, ac: str) -> None:
        """Any of them, under any number."""
        genesis, name, by = self.applications.get(number, (None, "", ""))
        may = genesis is not None and self.may_return(ac, genesis, by)
        self.expect(may, ["ada"], "governance.propose", "admit_chain", (number, ac, 0), "because")
        if may:
            del self.applications[number]
            self.numbers[ac] = genesis
            self.records[ac] = (self.records.get(ac, (0, "", "", ""))[0] + 1, name, "active", by)

    @rule(number=st.integers(1, 12))
    def reject(self, number: int) -> None:
        """Those that are open."""
        self.expect(number in self.applications, ["ada"], "governance.propose", "reject_application", (number,), "because")
        self.applications.pop(number, None)

    @rule(
        ac=st.sampled_from(ACS),
        move=st.sampled_from(
            (
                ("suspend_chain", ("active",), "suspended"),
                ("resume_chain", ("suspended", "revoked"), "active"),
                ("revoke_chain", ("active", "suspended"), "revoked"),
            )
        ),
    )
    def move(self, ac: str, move: tuple[str, tuple[str, ...], str]) -> None:
        """From status to status."""
        kind, before, after = move
        sequence, name, status, operator = self.records.get(ac, (0, "", "", ""))
        self.expect(status in before, ["ada"], "governance.propose", kind, (ac,), "because")
        if status in before:
            self.records[ac] = (sequence + 1, name, after, operator)

    @rule(ac=st.sampled_from(ACS), to=st.sampled_from(("bob", "sam")))
    def hand_over(self, ac: str, to: str) -> None:
        """By the signatures of both, or who is left."""
        sequence, name, status, operator = self.records.get(ac, (0, "", "", ""))
        may = status == "active"
        self.expect(may, list(dict.fromkeys((operator or "bob", to))), "chains.transfer", ac, did(to))
        if may:
            self.records[ac] = (sequence + 1, name, status, to)

    @invariant()
    def the_ledger_is_as_the_model_says(self) -> None:
        """Each number, each genesis, and who is a backbone node."""
        for ac in ACS:
            found = chains.chain(self.world.state, ac)
            known = (
                None
                if found is None
                else (found.sequence, found.name, found.status, {did("bob"): "bob", did("sam"): "sam"}[found.operator])
            )
            assert known == self.records.get(ac)
            if found is not None:
                assert found.genesis_hash == beginning_of(self.numbers[ac]).genesis_hash
                assert chains.ac_of(self.world.state, found.genesis_hash) == ac
        has_chain = any(status != "revoked" and operator == "sam" for _, _, status, operator in self.records.values())
        assert (role_of(self.world, "sam") == 0) == has_chain  # bob's is from genesis
        assert codec.decode(self.world.value("chains", b"\x00") or b"", bytes_max=34) == beginning_of(OWN).genesis_hash


TestChains = ChainsMachine.TestCase
TestChains.settings = settings(stateful_step_count=20)
