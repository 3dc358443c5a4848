"""Each rule of governance by hand, and a council whose members, roles and votes come in any order against a plain model."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chainnode import codec
from chainnode.crypto.keys import address, public_key_of
from chainnode.genesisfile import PARAM_BOUNDS
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import PROPOSAL_BYTES_MAX, PROPOSALS_OPEN_MAX, TEXT_BYTES_MAX
from contracts import governance, roles
from contracts.governance import PROPOSAL_LIFE_MS, decode_proposal, encode_proposal, params, proposal, proposal_key
from tests.chain_maker import key_of
from tests.contracts.council import EVIDENCE, WEEK_MS, Council, did
from tests.contracts.identity_world import NO_SIGNING, Registry, control_of
from tests.contracts.receipt_world import Refused

CHANGE = {"heartbeat_ms": 5_000}


def found(world: Council, number: int) -> governance.Proposal:
    """A proposal that is there."""
    one = proposal(world.state, number)
    assert one is not None
    return one


# Who decides


@pytest.mark.parametrize("size, needed", [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (9, 7), (10, 7)])
def test_inv_20_more_than_two_thirds_of_the_super_nodes_decide(size: int, needed: int) -> None:
    names = [f"n{number}" for number in range(size)]
    world = Council(names)
    number = world.propose(names[0], "set_params", CHANGE)
    for voter in names[1:needed]:
        assert world.status(number) == "open" and params(world.state) == ChainParams()
        world.do([voter], "governance.vote", number, True)
    assert world.status(number) == "passed" and params(world.state) == replace(ChainParams(), heartbeat_ms=5_000)
    for voter in names[needed:]:
        world.refused("proposal-closed", voter, "governance.vote", number, True)


@pytest.mark.parametrize("size, enough", [(2, 1), (3, 1), (4, 2), (5, 2), (7, 3), (10, 4)])
def test_a_proposal_fails_once_it_can_no_longer_pass(size: int, enough: int) -> None:
    names = [f"n{number}" for number in range(size)]
    world = Council(names)
    number = world.propose(names[0], "set_params", CHANGE)
    for place, voter in enumerate(names[-enough:], start=1):
        assert world.do([voter], "governance.vote", number, False) == ("failed" if place == enough else "open")
    assert world.event_names() == ["voted", "decided"]
    for voter in names[1:-enough]:
        world.refused("proposal-closed", voter, "governance.vote", number, True)
    assert params(world.state) == ChainParams()


def test_inv_20_a_member_counts_once() -> None:
    world = Council()
    number = world.propose("ada", "set_params", CHANGE)
    world.refused("already-voted", "ada", "governance.vote", number, True)  # by asking
    world.refused("already-voted", "ada", "governance.vote", number, False)
    assert world.do(["ben"], "governance.vote", number, True) == "open"
    world.refused("already-voted", "ben", "governance.vote", number, True)
    assert found(world, number).votes == ((did("ada"), True), (did("ben"), True))


@pytest.mark.parametrize("who", ["stranger", "mia", "bob", "sam", "sue", "cus"])
def test_only_super_nodes_ask_and_vote(who: str) -> None:
    world = Council()
    number = world.propose("ada", "set_params", CHANGE)
    # Nor does it help that a super node signs too: the sender is who votes.
    for signers in (who, f"{who} ben"):
        world.refused("role-missing", signers, "governance.vote", number, True)
        world.refused("role-missing", signers, "governance.propose", "set_params", (CHANGE,), "because")


def test_the_votes_of_those_who_left_do_not_count() -> None:
    world = Council()
    number = world.propose("ada", "set_params", CHANGE)
    world.do(["ben"], "governance.vote", number, True)
    world.decide("revoke_role", did("ben"), roles.SUPER, by=("ada", "cas", "dan"))
    assert world.do(["cas"], "governance.vote", number, True) == "open"  # two of three, ben's not among them
    world.refused("role-missing", "ben", "governance.vote", number, False)
    assert world.do(["dan"], "governance.vote", number, True) == "passed"


def test_nor_do_their_votes_against() -> None:
    world = Council(("ada", "ben", "cas", "dan", "eve"))
    number = world.propose("ada", "set_params", CHANGE)
    world.do(["ben"], "governance.vote", number, False)
    world.decide("revoke_role", did("ben"), roles.SUPER, by=("ada", "cas", "dan", "eve"))
    assert world.do(["cas"], "governance.vote", number, False) == "open"  # three of four could still agree
    assert world.do(["dan"], "governance.vote", number, False) == "failed"


def test_the_votes_of_those_who_came_back_count_again() -> None:
    world = Council()
    number = world.propose("ada", "set_params", CHANGE)
    world.do(["ben"], "governance.vote", number, False)
    world.decide("revoke_role", did("ben"), roles.SUPER, by=("ada", "cas", "dan"))
    world.decide("grant_role", did("ben"), roles.SUPER, 0, EVIDENCE, by=("ada", "cas", "dan"))
    world.refused("already-voted", "ben", "governance.vote", number, True)
    assert world.do(["cas"], "governance.vote", number, False) == "failed"


def test_who_joined_since_the_question_has_a_vote_and_is_counted() -> None:
    world = Council(("ada", "ben", "cas"))
    number = world.propose("ada", "set_params", CHANGE)
    world.do(["ben"], "governance.vote", number, True)
    world.decide("grant_role", did("eve"), roles.SUPER, 0, EVIDENCE)
    world.decide("grant_role", did("fay"), roles.SUPER, 0, EVIDENCE, by=("ada", "ben", "eve"))
    assert world.do(["cas"], "governance.vote", number, True) == "open"  # three of five
    assert world.do(["eve"], "governance.vote", number, True) == "passed"


def test_a_super_node_whose_role_has_expired_neither_votes_nor_counts() -> None:
    world = Council(("ada", "ben", "cas"))
    expires_ms = world.next_ms + 60_000
    world.decide("grant_role", did("cas"), roles.SUPER, expires_ms, EVIDENCE)
    number = world.propose("ada", "set_params", CHANGE)
    world.do(["cas"], "governance.vote", number, True)
    world.wait_until(expires_ms)
    world.refused("role-missing", "cas", "governance.propose", "set_params", (CHANGE,), "because")
    other = world.propose("ada", "set_params", {"heartbeat_ms": 6_000})
    assert world.do(["ben"], "governance.vote", other, True) == "passed"  # two of two
    assert world.do(["ben"], "governance.vote", number, False) == "failed"


def test_a_vote_says_where_the_proposal_stands() -> None:
    world = Council()
    number = world.propose("ada", "set_params", CHANGE)
    assert world.event_names() == ["proposed"]
    assert world.do(["ben"], "governance.vote", number, True) == "open" and world.event_names() == ["voted"]
    assert world.do(["cas"], "governance.vote", number, True) == "passed"
    assert world.event_names() == ["voted", "params_changed", "decided"]


# How long


def test_a_proposal_is_open_for_fourteen_days() -> None:
    assert PROPOSAL_LIFE_MS == 2 * WEEK_MS
    world = Council(("ada", "ben", "cas", "dan", "eve"))
    number = world.propose("ada", "set_params", CHANGE)
    expires_ms = found(world, number).expires_ms
    assert expires_ms == world.time_ms + PROPOSAL_LIFE_MS
    world.wait_until(expires_ms - 1)
    assert world.do(["ben"], "governance.vote", number, True) == "open"
    world.wait_until(expires_ms)
    world.refused("proposal-closed", "cas", "governance.vote", number, True)
    assert params(world.state) == ChainParams()


@pytest.mark.parametrize("number", [0, 1, 99, -1, 2**63, 2**64 - 1])
def test_one_votes_on_what_is_there(number: int) -> None:
    world = Council()
    world.refused("not-found", "ada", "governance.vote", number, True)


def test_a_vote_that_cannot_be_carried_out_is_not_cast() -> None:
    world = Council()
    number = world.propose("ada", "revoke_role", did("mia"), roles.BUSINESS)  # which mia does not have
    world.do(["ben"], "governance.vote", number, True)
    world.refused("not-found", "cas", "governance.vote", number, True)
    assert found(world, number).votes[-1] == (did("ben"), True) and world.status(number) == "open"
    assert world.do(["dan"], "governance.vote", number, False) == "open"
    world.do(["ada"], "roles.grant", did("mia"), roles.BUSINESS, 0, EVIDENCE)
    assert world.do(["cas"], "governance.vote", number, True) == "passed"
    assert not roles.has_role(world.state, did("mia"), roles.BUSINESS, world.next_ms)


# What may be asked


@pytest.mark.parametrize(
    "kind, arguments",
    [
        ("nothing", ()),
        ("", (CHANGE,)),
        ("set_params", ()),
        ("set_params", (CHANGE, 1)),
        ("set_params", ((("heartbeat_ms", 5_000),),)),
        ("grant_role", (did("eve"), roles.SUPER, 0)),
        ("grant_role", (did("eve"), roles.SUPER, True, EVIDENCE)),  # a bool is no number
        ("grant_role", (did("eve"), roles.SUPER, 0, "evidence")),
        ("revoke_role", (did("ben"), None)),
        ("set_validator", (did("bob"), "v", "ed25519", b"k" * 32, "7", b"n" * 32, "v.example:1")),
        ("remove_validator", ("v1",)),
        ("remove_validator", tuple(b"v" * 20 for _ in range(10_000))),
    ],
)
def test_a_question_has_a_kind_and_its_arguments(kind: str, arguments: tuple[Any, ...]) -> None:
    world = Council()
    world.refused("bad-proposal", "ada", "governance.propose", kind, arguments, "because")
    assert world.propose("ada", "set_params", CHANGE) == 1  # no number was used up


def test_a_question_is_not_longer_than_the_limit() -> None:
    world = Council()
    overhead = len(codec.encode(({"k": b"x" * PROPOSAL_BYTES_MAX},))) - PROPOSAL_BYTES_MAX
    longest = PROPOSAL_BYTES_MAX - overhead
    assert world.propose("ada", "set_params", {"k": b"x" * longest}) == 1
    world.refused("bad-proposal", "ada", "governance.propose", "set_params", ({"k": b"x" * (longest + 1)},), "because")


@pytest.mark.parametrize("reason", ["", " ", "x" * (TEXT_BYTES_MAX + 1), "two\nlines", "\x00"])
def test_a_question_says_why(reason: str) -> None:
    Council().refused("bad-arguments", "ada", "governance.propose", "set_params", (CHANGE,), reason)


def test_a_proposal_stays_on_record() -> None:
    world = Council()
    assert [world.propose("ada", "set_params", CHANGE), world.propose("ben", "revoke_role", did("mia"), roles.MEMBER)] == [1, 2]
    one = found(world, 2)
    assert (one.number, one.kind, one.arguments, one.reason, one.by) == (
        2,
        "revoke_role",
        (did("mia"), roles.MEMBER),
        "because",
        did("ben"),
    )
    assert (one.height, one.expires_ms) == (world.height, world.time_ms + PROPOSAL_LIFE_MS)
    assert decode_proposal(encode_proposal(one)) == one and world.value("governance", proposal_key(2)) == encode_proposal(one)
    world.do(["ada"], "governance.vote", 2, False)
    world.do(["cas"], "governance.vote", 2, False)
    assert found(world, 2) == replace(one, status="failed", votes=((did("ben"), True), (did("ada"), False), (did("cas"), False)))


def test_inv_27_nobody_buries_the_council_in_questions() -> None:
    world = Council()
    for number in range(1, PROPOSALS_OPEN_MAX + 1):
        assert world.propose("dan", "set_params", {"heartbeat_ms": number}) == number
    world.refused("too-many", "dan", "governance.propose", "set_params", (CHANGE,), "because")
    assert world.propose("ada", "set_params", CHANGE) == PROPOSALS_OPEN_MAX + 1  # the others' are not touched
    for name in ("ada", "ben"):
        world.do([name], "governance.vote", 7, False)
    assert world.status(7) == "failed"
    world.propose("dan", "set_params", CHANGE)  # one was decided
    world.refused("too-many", "dan", "governance.propose", "set_params", (CHANGE,), "because")
    world.wait_until(found(world, 1).expires_ms)
    world.propose("dan", "set_params", CHANGE)  # one has expired


def test_the_votes_on_one_proposal_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governance, "PROPOSAL_VOTES_MAX", 2)
    world = Council()
    number = world.propose("ada", "set_params", CHANGE)
    world.do(["ben"], "governance.vote", number, True)
    world.refused("too-many", "cas", "governance.vote", number, True)


# What is carried out


def test_parameters_change_by_name() -> None:
    world = Council(("ada",))
    world.decide("set_params", {"heartbeat_ms": 5_000, "block_txs_max": 2_000})
    world.decide("set_params", {"tx_bytes_max": 4_096})
    assert params(world.state) == replace(ChainParams(), heartbeat_ms=5_000, block_txs_max=2_000, tx_bytes_max=4_096)
    assert world.events[1].attributes == {"changes": {"tx_bytes_max": 4_096}}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nothing": 1},
        {"heartbeat_ms": 5_000, "nothing": 1},
        {"heartbeat_ms": "5000"},
        {"heartbeat_ms": True},
        {"heartbeat_ms": None},
        {"heartbeat_ms": -1},
        {"heartbeat_ms": 2**63},
        {"heartbeat_ms": 2**64 - 1},
        {"timeout_ms_max": 1_000, "timeout_vote_ms": 1_001},
        {"tx_lifetime_ms_max": 1_000, "block_interval_ms": 1_001},
        *[{name: least - 1} for name, (least, _) in PARAM_BOUNDS.items()],
        *[{name: most + 1} for name, (_, most) in PARAM_BOUNDS.items()],
    ],
    ids=str,
)
def test_inv_28_parameters_stay_within_their_bounds(changes: dict[str, Any]) -> None:
    Council(("ada",)).refused("bad-proposal", "ada", "governance.propose", "set_params", (changes,), "because")


@pytest.mark.parametrize("role", roles.ROLES)
def test_every_role_is_granted_and_revoked_by_governance(role: str) -> None:
    world = Council()
    number = world.decide("grant_role", did("eve"), role, world.next_ms + WEEK_MS, EVIDENCE)
    (grant,) = roles.grants(world.state, did("eve"))
    assert grant == roles.Grant(role, grant.expires_ms, EVIDENCE, f"governance:{number}", world.height)
    world.decide("revoke_role", did("eve"), role)
    assert roles.grants(world.state, did("eve")) == ()


@pytest.mark.parametrize(
    "code, arguments",
    [
        ("role-unknown", (did("eve"), "emperor", 0, EVIDENCE)),
        ("bad-did", ("did:bid:nobody", roles.SUPER, 0, EVIDENCE)),
        ("bad-arguments", (did("eve"), roles.SUPER, 0, b"short")),
        ("bad-arguments", (did("eve"), roles.SUPER, -1, EVIDENCE)),
        ("expiry-past", (did("eve"), roles.SUPER, 1, EVIDENCE)),
    ],
)
def test_governance_grants_what_roles_take(code: str, arguments: tuple[Any, ...]) -> None:
    Council(("ada",)).refused(code, "ada", "governance.propose", "grant_role", arguments, "because")


def test_inv_23_who_can_never_vote_gets_no_vote() -> None:
    world = Registry(("ada",))
    world.create("mia")
    world.do(["mia"], "identity.deactivate", *world.current("mia"))
    world.refused("deactivated", "ada", "governance.propose", "grant_role", (did("mia"), roles.SUPER, 0, EVIDENCE), "because")
    world.create("eve", control=control_of("ada"), by="ada")
    world.do(["ada"], "identity.rotate", *world.current("eve"), NO_SIGNING)
    world.refused("no-keys", "ada", "governance.propose", "grant_role", (did("eve"), roles.SUPER, 0, EVIDENCE), "because")
    world.decide("grant_role", did("eve"), roles.SERVICE, 0, EVIDENCE)  # others may do without a key of their own
    world.rotate("ada", "eve", "new")
    world.decide("grant_role", did("eve"), roles.SUPER, 0, EVIDENCE)


def test_validators_come_and_go_by_governance() -> None:
    world = Council()
    new = address(public_key_of(key_of("v9")))
    world.decide(
        "set_validator", did("bob"), "v9", "ed25519", key_of("v9").public, 7, key_of("v9 node").public, "v9.example:1", by=world.council
    )
    assert world.event_names() == ["voted", "validator_set", "decided"]
    world.decide("remove_validator", new)
    assert world.event_names() == ["voted", "validator_removed", "decided"]
    one = Council(("ada",))
    for odd in (b"", new[:-1], new + b"x"):
        one.refused("bad-proposal", "ada", "governance.propose", "remove_validator", (odd,), "because")
    arguments = (did("bob"), "v9", "sm2", key_of("v9").public, 7, key_of("v9 node").public, "v9.example:1")
    one.refused("bad-proposal", "ada", "governance.propose", "set_validator", arguments, "because")


# Taking the council over, and locking it


def test_inv_23_the_last_super_node_for_ever_stays() -> None:
    world = Council(("ada", "ben"))
    world.decide("revoke_role", did("ben"), roles.SUPER)
    for kind, arguments in (
        ("revoke_role", (did("ada"), roles.SUPER)),
        ("grant_role", (did("ada"), roles.SUPER, world.next_ms + WEEK_MS, EVIDENCE)),  # would take her place when it expires
    ):
        world.refused("last-super-node", "ada", "governance.propose", kind, arguments, "because")
    world.decide("grant_role", did("ben"), roles.SUPER, world.next_ms + WEEK_MS, EVIDENCE, by=("ada",))
    number = world.propose("ada", "revoke_role", did("ada"), roles.SUPER)
    world.refused("last-super-node", "ben", "governance.vote", number, True)  # ben's role ends in a week


def test_those_whose_role_does_not_expire_are_left_with_the_council() -> None:
    """Why all super nodes should expire together or not at all: docs/contracts.md says so."""
    world = Council(("ada", "ben", "cas", "dan"))
    expires_ms = world.next_ms + WEEK_MS
    for name in ("ben", "cas", "dan"):
        world.decide("grant_role", did(name), roles.SUPER, expires_ms, EVIDENCE)
    world.wait_until(expires_ms)
    assert world.supers() == {did("ada")}
    world.decide("set_params", CHANGE, by=("ada",))


def test_a_minority_changes_nothing_whatever_it_does() -> None:
    world = Council()
    before = (params(world.state), world.supers(), world.value("roles", roles.holder_key(did("eve"))))
    for by, other in (("cas", "dan"), ("dan", "cas")):
        for kind, arguments in (
            ("grant_role", (did("eve"), roles.SUPER, 0, EVIDENCE)),
            ("revoke_role", (did("ada"), roles.SUPER)),
            ("set_params", (CHANGE,)),
        ):
            number = world.propose(by, kind, *arguments)
            assert world.do([other], "governance.vote", number, True) == "open"
        world.refused("role-by-governance", by, "roles.grant", did("eve"), roles.SUPER, 0, EVIDENCE)
        world.refused("role-by-governance", by, "roles.revoke", did("ada"), roles.SUPER, "because")
    assert (params(world.state), world.supers(), world.value("roles", roles.holder_key(did("eve")))) == before


class AnyCouncil(RuleBasedStateMachine):
    """Questions, votes, time and members in any order; the model is dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Council(("ada", "ben", "cas"))
        self.expires: dict[str, int] = {"ada": 0, "ben": 0, "cas": 0}
        self.questions: dict[int, tuple[str, str, int, int, dict[str, bool]]] = {}  # kind, who, expiry granted, open until, votes
        self.open: set[int] = set()

    names = st.sampled_from(("ada", "ben", "cas", "dan", "eve", "fay"))

    def members(self, time_ms: int) -> list[str]:
        return [name for name, expires_ms in self.expires.items() if expires_ms == 0 or time_ms < expires_ms]

    def settled(self, number: int, votes: dict[str, bool], time_ms: int) -> str | None:
        """The status after these votes; None when it cannot be carried out."""
        members = self.members(time_ms)
        kind, who, expires_ms, _, _ = self.questions[number]
        yes = sum(votes.get(name) is True for name in members)
        no = sum(votes.get(name) is False for name in members)
        needed = len(members) * 2 // 3 + 1
        if yes < needed:
            return "failed" if len(members) - no < needed else "open"
        after = {name: expires for name, expires in self.expires.items() if name != who}
        if kind == "grant_role":
            if 0 < expires_ms <= time_ms:
                return None
            after[who] = expires_ms
        elif who not in self.expires:
            return None
        if 0 not in after.values():
            return None
        self.expires = after
        return "passed"

    @rule(by=names, who=names, kind=st.sampled_from(("grant_role", "revoke_role")), days=st.sampled_from((0, 0, 1, 10)))
    def ask(self, by: str, who: str, kind: str, days: int) -> None:
        expires_ms = self.world.next_ms + days * WEEK_MS // 7 if days else 0
        arguments = (did(who), roles.SUPER, expires_ms, EVIDENCE) if kind == "grant_role" else (did(who), roles.SUPER)
        now_ms, number = self.world.next_ms, len(self.questions) + 1
        self.questions[number] = kind, who, expires_ms, now_ms + PROPOSAL_LIFE_MS, {by: True}
        status = self.settled(number, {by: True}, now_ms) if by in self.members(now_ms) else None
        try:
            assert self.world.propose(by, kind, *arguments) == number and self.world.status(number) == status
        except Refused:
            assert status is None
            del self.questions[number]
            return
        if status == "open":
            self.open.add(number)

    @precondition(lambda self: self.questions)
    @rule(data=st.data(), by=names, yes=st.booleans())
    def vote(self, data: st.DataObject, by: str, yes: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.questions)))
        _, _, _, until_ms, votes = self.questions[number]
        now_ms = self.world.next_ms
        may = by in self.members(now_ms) and number in self.open and now_ms < until_ms and by not in votes
        status = self.settled(number, {**votes, by: yes}, now_ms) if may else None
        try:
            assert self.world.do([by], "governance.vote", number, yes) == status
        except Refused:
            assert status is None
            return
        votes[by] = yes
        if status != "open":
            self.open.remove(number)

    @rule(days=st.integers(1, 5))
    def wait(self, days: int) -> None:
        self.world.wait_until(self.world.next_ms + days * WEEK_MS // 7)

    @invariant()
    def the_members_are_those_of_the_model(self) -> None:
        assert self.world.supers() == {did(name) for name in self.members(self.world.next_ms)}

    @invariant()
    def inv_23_somebody_can_decide_for_ever(self) -> None:
        assert self.world.supers()


TestAnyCouncil = AnyCouncil.TestCase
