"""Each rule of validators by hand: who votes with how much power, which nodes may connect, what equivocators lose, and from when on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chainnode import blocks
from chainnode.bid import did_of
from chainnode.cometbytes import vote_sign_bytes
from chainnode.crypto.keys import address, public_key_of, validator, validator_set
from chainnode.crypto.suites import PrivateKey, sign
from chainnode.digests import genesis_hash, validators_hash
from chainnode.node.chain import Applied, Chain
from chainnode.storage.kv import MemoryKV
from chainnode.storage.ledger import Ledger
from chainnode.storage.state import StateStore
from chainnode.types.block import BlockId, PartSetHeader, Vote, VoteType
from chainnode.types.genesis import Genesis
from chainnode.types.limits import OPERATOR_NODES_MAX, VALIDATOR_KEYS_MAX, VALIDATORS_MAX
from chainnode.types.transaction import Invocation
from contracts import roles, validators
from contracts.registry import SystemContracts, node_ids
from contracts.validators import NODES_MAX, POWER_MAX, Registered, decode_validator, registered
from tests.chain_maker import key_of, make_transaction, sign_commit
from tests.contracts.council import CHAIN_ID, EVIDENCE, Council, did, genesis_of
from tests.contracts.receipt_world import START_MS

OTHER = b"\x06" * 32


def address_of(name: str, suite: str = "e") -> bytes:
    """Of a validator by its name."""
    return address(public_key_of(key_of(name, suite)))


def setting(name: str = "v9", power: Any = 7, **changes: Any) -> tuple[Any, ...]:
    """The arguments of set_validator."""
    given = {
        "operator": did("bob"),
        "name": name,
        "key_type": "ed25519",
        "key": key_of(name).public,
        "power": power,
        "node_key": key_of(f"{name} node").public,
        "peer_address": f"{name}.example:26650",
    }
    return tuple((given | changes).values())


def powers(world: Council) -> dict[str, int]:
    """Names and powers of those who vote, in the order of the set."""
    names = {address(one.public_key): one.name for one in registered(world.state)}
    return {names[one.address]: one.power for one in validators.validator_set(world.state).validators}


@pytest.fixture
def world() -> Council:
    """One super node, three validators of power 10."""
    return Council(("ada",))


# Coming, changing, going


def test_a_validator_is_added_with_what_the_council_decided(world: Council) -> None:
    world.decide("set_validator", *setting())
    value = world.value("validators", validators.validator_key(address_of("v9")))
    assert value is not None
    assert decode_validator(value) == Registered(
        did("bob"), "v9", public_key_of(key_of("v9")), 7, key_of("v9 node").public, "v9.example:26650"
    )
    assert world.events[1].attributes == {"operator": did("bob"), "name": "v9", "power": 7}
    assert powers(world) == {"v1": 10, "v2": 10, "v3": 10, "v9": 7} and list(powers(world))[-1] == "v9"
    assert node_ids(world.state)[did_of("e", key_of("v9 node").public)] == key_of("v9 node").public


def test_a_validator_has_a_key_of_either_type(world: Council) -> None:
    key = public_key_of(key_of("v9", "s"))
    world.decide("set_validator", *setting(key_type="secp256k1", key=key.data))
    assert address_of("v9", "s") in [one.address for one in validators.validator_set(world.state).validators]


def test_one_key_is_one_validator(world: Council) -> None:
    """Setting a key again changes its validator: nobody votes twice with it."""
    world.decide("set_validator", *setting())
    world.decide(
        "set_validator", *setting("v9-again", 9, key=key_of("v9").public, operator=did("sam"), node_key=key_of("another node").public)
    )
    assert powers(world) == {"v1": 10, "v2": 10, "v3": 10, "v9-again": 9}
    assert len(registered(world.state)) == 4


@pytest.mark.parametrize("power", [1, 10, POWER_MAX])
def test_power_has_bounds_that_it_may_reach(world: Council, power: int) -> None:
    world.decide("set_validator", *setting(power=power))
    assert powers(world)["v9"] == power


@pytest.mark.parametrize("power", [0, -1, POWER_MAX + 1, 2**31, 2**60, 2**63, 2**64 - 1])
def test_inv_29_power_stays_within_its_bounds(world: Council, power: int) -> None:
    """So that no sum overflows, and that nobody loses power but by remove_validator."""
    world.refused("bad-arguments", "ada", "governance.propose", "set_validator", setting(power=power), "because")


@pytest.mark.parametrize(
    "code, changes",
    [
        ("bad-did", {"operator": "bob"}),
        ("bad-did", {"operator": "did:bid:abcd"}),
        ("bad-did", {"operator": did("bob").replace("did:bid:ef", "did:bid:es")}),
        ("bad-arguments", {"name": ""}),
        ("bad-arguments", {"name": "x" * 65}),
        ("bad-arguments", {"name": "v\n9"}),
        ("bad-key", {"key": key_of("v9").public[:-1]}),
        ("bad-key", {"key": key_of("v9").public + b"\x00"}),
        ("bad-key", {"key_type": "secp256k1"}),
        ("bad-key", {"key_type": "secp256k1", "key": b"\x05" + b"x" * 32}),
        ("bad-key", {"node_key": b"short"}),
        ("bad-arguments", {"peer_address": ""}),
        ("bad-arguments", {"peer_address": "v9.example"}),
        ("bad-arguments", {"peer_address": "v9.example:65536"}),
        ("bad-arguments", {"peer_address": "http://v9.example:1"}),
        ("already-exists", {"node_key": key_of("v1 node").public}),
    ],
    ids=str,
)
def test_a_validator_is_one_that_others_can_find_and_check(world: Council, code: str, changes: dict[str, Any]) -> None:
    world.refused(code, "ada", "governance.propose", "set_validator", setting(**changes), "because")


def test_a_node_key_is_free_again_when_its_validator_is_gone(world: Council) -> None:
    world.decide("remove_validator", address_of("v1"))
    world.decide("set_validator", *setting(node_key=key_of("v1 node").public))
    assert powers(world) == {"v2": 10, "v3": 10, "v9": 7}


def test_a_validator_is_removed_once_and_stays_on_record(world: Council) -> None:
    world.decide("remove_validator", address_of("v2"))
    assert powers(world) == {"v1": 10, "v3": 10} and len(registered(world.state)) == 3
    assert world.events[1].attributes == {"operator": did("bob"), "name": "v2", "power": 10}
    world.refused("not-found", "ada", "governance.propose", "remove_validator", (address_of("v2"),), "because")
    world.refused("not-found", "ada", "governance.propose", "remove_validator", (address_of("v9"),), "because")
    assert did_of("e", key_of("v2 node").public) not in node_ids(world.state)
    world.decide("set_validator", *setting("v2", 5))  # and may come back
    assert powers(world) == {"v1": 10, "v3": 10, "v2": 5}


def test_inv_29_somebody_is_left_to_decide(world: Council) -> None:
    world.decide("remove_validator", address_of("v1"))
    world.decide("remove_validator", address_of("v2"))
    world.refused("last-validator", "ada", "governance.propose", "remove_validator", (address_of("v3"),), "because")
    world.decide("set_validator", *setting("v1", 1))
    world.decide("remove_validator", address_of("v3"))
    assert powers(world) == {"v1": 1}


def test_the_number_of_validators_is_bounded(world: Council) -> None:
    for number in range(VALIDATORS_MAX - 3):
        validators.set_validator(world.state, Registered(*made(f"n{number}")))
    world.refused("too-many", "ada", "governance.propose", "set_validator", setting(), "because")
    world.decide("set_validator", *setting("v1", 11))  # one of them may change
    world.decide("remove_validator", address_of("v1"))
    world.decide("set_validator", *setting())
    assert len(powers(world)) == VALIDATORS_MAX


def made(name: str, power: int = 1) -> tuple[Any, ...]:
    """The fields of a validator."""
    return did("bob"), name, public_key_of(key_of(name)), power, key_of(f"{name} node").public, f"{name}.example:1"


def test_the_keys_that_ever_voted_are_bounded(world: Council) -> None:
    for number in range(VALIDATOR_KEYS_MAX - 3):
        one = Registered(*made(f"n{number}", power=0))
        world.state.store("validators").put(validators.validator_key(address(one.public_key)), validators.encode_validator(one))
    assert len(registered(world.state)) == VALIDATOR_KEYS_MAX
    world.refused("too-many", "ada", "governance.propose", "set_validator", setting(), "because")
    world.decide("set_validator", *setting("n7"))  # a known key may come back


def test_the_set_stands_in_cometbfts_order(world: Council) -> None:
    for name, power in (("v9", 10), ("v8", 11), ("v7", 9)):
        world.decide("set_validator", *setting(name, power))
    found = validators.validator_set(world.state)
    assert found == validator_set(validator(one.public_key, one.power) for one in registered(world.state))
    assert [(-one.power, one.address) for one in found.validators] == sorted((-one.power, one.address) for one in found.validators)
    assert found.power_total == 60


# Operators


def test_a_validator_votes_on_when_its_operator_loses_every_role(world: Council) -> None:
    """Otherwise who takes roles away could stop the chain. The council removes validators itself."""
    before = powers(world)
    world.decide("revoke_role", did("bob"), roles.BACKBONE)
    assert roles.grants(world.state, did("bob")) == () and powers(world) == before
    assert len(node_ids(world.state, world.next_ms)) == 3  # and its nodes may connect
    world.refused("role-missing", "bob", "validators.register_node", key_of("n").public, "n.example:1")


def test_the_other_nodes_of_an_operator_stay_away_when_its_role_ends(world: Council) -> None:
    node_id = did_of("e", key_of("n").public)
    world.do(["bob"], "validators.register_node", key_of("n").public, "n.example:1")
    world.decide("revoke_role", did("bob"), roles.BACKBONE)
    assert node_id not in node_ids(world.state, world.next_ms)
    world.decide("grant_role", did("bob"), roles.SUPERVISION, 0, EVIDENCE)  # another role will do
    assert node_id in node_ids(world.state, world.next_ms)


# Nodes


@pytest.mark.parametrize(
    "who, code", [("stranger", "role-missing"), ("mia", "role-missing"), ("cus", "role-missing"), ("mia bob", "role-missing")]
)
def test_mere_members_run_no_nodes(world: Council, who: str, code: str) -> None:
    world.refused(code, who, "validators.register_node", key_of("n").public, "n.example:1")


@pytest.mark.parametrize("who", ["ada", "bob", "sam", "sue"])
def test_those_who_run_nodes_register_move_and_remove_them(world: Council, who: str) -> None:
    key = key_of("n").public
    for peer_address in ("n.example:1", "[::1]:2"):
        world.do([who], "validators.register_node", key, peer_address)
        (node,) = [one for one in validators.nodes(world.state, world.next_ms) if one.node_key == key]
        assert node == validators.Node(did(who), key, peer_address)
    assert world.events[0].attributes == {"operator": did(who), "node_id": did_of("e", key), "peer_address": "[::1]:2"}
    before = Council(("ada",)).everything()
    assert before != world.everything()
    world.do([who], "validators.register_node", key, "")
    assert len(validators.nodes(world.state)) == 3
    left = {(store, key): value for store, entries in world.state.writes().items() for key, value in entries if value is not None}
    assert left == {(store, key): value for store, entries in before.items() for key, value in entries}  # the counts too
    world.refused("not-found", who, "validators.register_node", key, "")


@pytest.mark.parametrize(
    "code, key, peer_address", [("bad-key", b"short", "n.example:1"), ("bad-key", b"", ""), ("bad-arguments", b"n" * 32, "n.example")]
)
def test_a_node_is_one_that_others_can_find(world: Council, code: str, key: bytes, peer_address: str) -> None:
    world.refused(code, "bob", "validators.register_node", key, peer_address)


def test_inv_26_nobody_moves_the_node_of_a_validator(world: Council) -> None:
    """Else any business node could send all validators to an address where nobody answers, and stop the chain."""
    before = validators.nodes(world.state, world.next_ms)
    world.do(["sam"], "validators.register_node", key_of("v1 node").public, "nowhere.example:1")
    assert validators.nodes(world.state, world.next_ms) == before
    world.do(["sam"], "validators.register_node", key_of("v9 node").public, "nowhere.example:1")  # before it votes
    world.decide("set_validator", *setting())
    addresses = {one.node_key: one.peer_address for one in validators.nodes(world.state, world.next_ms)}
    assert addresses[key_of("v9 node").public] == "v9.example:26650" and len(validators.nodes(world.state, world.next_ms)) == 4


def test_inv_26_another_operator_neither_moves_nor_removes_a_node(world: Council) -> None:
    key = key_of("n").public
    world.do(["bob"], "validators.register_node", key, "n.example:1")
    for peer_address in ("m.example:1", ""):
        world.refused("already-exists", "sam", "validators.register_node", key, peer_address)
        world.refused("already-exists", "sam bob", "validators.register_node", key, peer_address)
    world.refused("already-exists", "ada", "validators.register_node", key, "m.example:1")  # a super node may not move it either
    world.do(["ada"], "validators.register_node", key, "")  # but remove it
    assert world.events[0].attributes["operator"] == did("bob")


def test_inv_26_who_has_the_key_has_the_node(world: Council) -> None:
    """Somebody else may have registered it first, out of spite: no proof of the key was asked for."""
    key = key_of("n").public
    for number in range(OPERATOR_NODES_MAX - 1):
        world.do(["sam"], "validators.register_node", key_of(f"sam {number}").public, "sam.example:1")
    world.do(["sam"], "validators.register_node", key, "nowhere.example:1")
    world.refused("role-missing", "mia n", "validators.register_node", key, "n.example:1")
    world.do(["bob", "n"], "validators.register_node", key, "n.example:1")
    (node,) = [one for one in validators.nodes(world.state, world.next_ms) if one.node_key == key]
    assert (node.operator, node.peer_address) == (did("bob"), "n.example:1")
    world.do(["sam"], "validators.register_node", key_of("sam last").public, "sam.example:1")  # it counts as bob's now
    world.refused("too-many", "sam", "validators.register_node", key_of("sam more").public, "sam.example:1")


def test_the_nodes_of_one_operator_are_bounded(world: Council) -> None:
    keys = [key_of(f"n{number}").public for number in range(OPERATOR_NODES_MAX + 1)]
    for key in keys[:-1]:
        world.do(["bob"], "validators.register_node", key, "n.example:1")
    world.refused("too-many", "bob", "validators.register_node", keys[-1], "n.example:1")
    world.do(["bob"], "validators.register_node", keys[0], "n.example:2")  # a known one may move
    world.do(["sam"], "validators.register_node", key_of("sam").public, "n.example:1")  # others have places of their own
    world.do(["ada"], "validators.register_node", keys[0], "")
    world.do(["bob"], "validators.register_node", keys[-1], "n.example:1")
    world.refused("too-many", "bob", "validators.register_node", keys[0], "n.example:1")


def test_all_nodes_together_are_bounded(world: Council, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NODES_MAX == 4 * VALIDATORS_MAX
    monkeypatch.setattr(validators, "NODES_MAX", 2)
    world.do(["bob"], "validators.register_node", b"1" * 32, "n.example:1")
    world.do(["sam"], "validators.register_node", b"2" * 32, "n.example:1")
    world.refused("too-many", "ada", "validators.register_node", b"3" * 32, "n.example:1")
    world.do(["bob"], "validators.register_node", b"1" * 32, "")
    world.do(["ada"], "validators.register_node", b"3" * 32, "n.example:1")


# Equivocation


def vote(block: bytes | None, key: PrivateKey | None = None, *, chain_id: str = CHAIN_ID, **changes: Any) -> bytes:
    """A signed precommit of v1 at height 1."""
    key = key or key_of("v1")
    block_id = None if block is None else BlockId(block, PartSetHeader(1, block))
    made = replace(Vote(VoteType.PRECOMMIT, 1, 0, block_id, START_MS * 10**6, address(public_key_of(key)), 0), **changes)
    return blocks.encode_vote(replace(made, signature=sign(key, vote_sign_bytes(chain_id, made))))


@pytest.mark.parametrize("blocks_voted", [(EVIDENCE, OTHER), (OTHER, EVIDENCE), (EVIDENCE, None), (None, EVIDENCE)])
def test_inv_30_who_signs_two_blocks_in_one_round_votes_no_more(world: Council, blocks_voted: Sequence[bytes | None]) -> None:
    vote_a, vote_b = map(vote, blocks_voted)
    world.do(["stranger"], "validators.report_equivocation", vote_a, vote_b)
    assert powers(world) == {"v2": 10, "v3": 10}
    assert world.events[0].attributes == {"operator": did("bob"), "name": "v1", "height": 1, "power": 10}
    world.refused("already-exists", "stranger", "validators.report_equivocation", vote_a, vote_b)
    world.refused("already-exists", "stranger", "validators.report_equivocation", vote(b"\x07" * 32), vote_b)
    world.refused("validator-barred", "ada", "governance.propose", "set_validator", setting("v1"), "because")  # for ever


def test_inv_30_both_types_of_keys_are_held_to_it(world: Council) -> None:
    key = key_of("v9", "s")
    world.decide("set_validator", *setting(key_type="secp256k1", key=key.public))
    world.do(["stranger"], "validators.report_equivocation", vote(EVIDENCE, key), vote(OTHER, key))
    assert powers(world) == {"v1": 10, "v2": 10, "v3": 10}


GENUINE = vote(EVIDENCE)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(vote(EVIDENCE), id="the same vote"),
        pytest.param(vote(EVIDENCE, time_ns=1), id="the same block at another time"),
        pytest.param(vote(OTHER, height=2), id="another height"),
        pytest.param(vote(OTHER, round=1), id="another round"),
        pytest.param(vote(OTHER, type=VoteType.PREVOTE), id="another step"),
        pytest.param(vote(OTHER, key_of("v2")), id="another validator"),
        pytest.param(vote(OTHER, key_of("v2"), validator_address=address_of("v1")), id="another's signature"),
        pytest.param(vote(OTHER, chain_id="other-1"), id="another chain"),
        pytest.param(vote(OTHER)[:-1], id="cut short"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"x" * 70_000, id="too long"),
    ],
)
def test_inv_30_what_proves_no_equivocation_costs_nothing(world: Council, other: bytes) -> None:
    for votes in ((GENUINE, other), (other, GENUINE)):
        world.refused("not-equivocation", "stranger", "validators.report_equivocation", *votes)
    assert powers(world) == {"v1": 10, "v2": 10, "v3": 10}


@pytest.mark.parametrize("height, is_past", [(0, False), (1, True), (2, True), (3, False), (2**62, False)])
def test_equivocation_lies_in_the_past(world: Council, height: int, is_past: bool) -> None:
    world.do(["ada"], "roles.grant", did("eve"), roles.MEMBER, 0, EVIDENCE)  # the next block has height 2
    votes = (vote(EVIDENCE, height=height), vote(OTHER, height=height))
    if is_past:
        world.do(["stranger"], "validators.report_equivocation", *votes)
    else:
        world.refused("not-equivocation", "stranger", "validators.report_equivocation", *votes)


def test_equivocation_is_that_of_a_validator(world: Council) -> None:
    stranger = key_of("stranger")
    world.refused("not-found", "stranger", "validators.report_equivocation", vote(EVIDENCE, stranger), vote(OTHER, stranger))


def test_a_validator_of_the_past_is_barred_too(world: Council) -> None:
    world.decide("remove_validator", address_of("v1"))
    world.do(["stranger"], "validators.report_equivocation", vote(EVIDENCE), vote(OTHER))
    assert powers(world) == {"v2": 10, "v3": 10} and world.events[0].attributes["power"] == 0
    world.refused("validator-barred", "ada", "governance.propose", "set_validator", setting("v1"), "because")


def test_a_chain_of_one_validator_goes_on_whatever_it_signed() -> None:
    world = Council(("ada",), ("v1",))
    world.do(["stranger"], "validators.report_equivocation", vote(EVIDENCE), vote(OTHER))
    assert powers(world) == {"v1": 10}
    world.decide("set_validator", *setting())
    world.decide("remove_validator", address_of("v1"))
    world.refused("validator-barred", "ada", "governance.propose", "set_validator", setting("v1"), "because")


# From when on


class Blocks:
    """A real chain in memory, whose validators all sign."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        ledger = Ledger.open(MemoryKV(), chain_id=genesis.chain_id, genesis_hash=genesis_hash(genesis), node_id="n")
        self.chain = Chain(genesis, StateStore.open(ledger), SystemContracts())
        self.keys = {address(public_key_of(key_of(name))): key_of(name) for name in ("v1", "v2", "v3", "v7", "v8", "v9")}
        self.nonce = 0

    def decide(self, *calls: tuple[str, str, tuple[Any, ...]]) -> Applied:
        """The next block, with one transaction of ada's for each call."""
        tip = self.chain.tip
        raws = []
        for contract, method, arguments in calls:
            self.nonce += 1
            until_ms = tip.time_ns // 10**6 + 60_000
            invocation = Invocation(contract, method, arguments)
            raws.append(make_transaction(self.genesis, [key_of("ada")], [invocation], nonce=self.nonce, valid_until_ms=until_ms))
        batches = [self.chain.read_batch(blocks.codec.encode(tuple(raws)))] if raws else []
        block, block_bytes, block_id = self.chain.build(batches, tip.validators.validators[0].address, tip.time_ns + 10**9)
        applied = self.chain.apply(block_bytes, sign_commit(block.header, block_id, tip.validators, self.keys), batches)
        assert all(result.code == 0 for result in applied.results), applied.results
        return applied


def proposed(kind: str, *arguments: Any) -> tuple[str, str, tuple[Any, ...]]:
    """A call that asks, which in a council of one decides."""
    return "governance", "propose", (kind, arguments, "because")


def test_inv_31_what_is_decided_in_one_block_is_in_force_two_blocks_later() -> None:
    """Even when every validator is replaced at once: each header announces its successor's validators."""
    chain = Blocks(genesis_of(("ada",), ("v1", "v2", "v3")))
    old = validators_hash(chain.chain.tip.validators)
    chain.decide()
    changes = [proposed("set_validator", *setting(name, 100)) for name in ("v7", "v8", "v9")]
    changes += [proposed("remove_validator", address_of(name)) for name in ("v1", "v2", "v3")]
    first = chain.decide(*changes).header
    assert (first.height, first.validators_hash, first.next_validators_hash) == (2, old, old)
    second = chain.decide().header
    new = validators_hash(validator_set(validator(public_key_of(key_of(name)), 100) for name in ("v7", "v8", "v9")))
    assert (second.validators_hash, second.next_validators_hash) == (old, new) and old != new
    third = chain.decide().header
    assert (third.validators_hash, third.next_validators_hash) == (new, new)
    assert chain.chain.tip.commit is not None and len(chain.chain.tip.commit.signatures) == 3


def test_inv_31_changes_of_blocks_in_a_row_do_not_mix() -> None:
    chain = Blocks(genesis_of(("ada",), ("v1", "v2")))
    chain.decide(proposed("set_validator", *setting("v7", 5)))  # height 1
    chain.decide(proposed("set_validator", *setting("v8", 6)))
    chain.decide(proposed("remove_validator", address_of("v7")))
    in_force = []
    for _ in range(2):
        in_force.append([one.power for one in chain.chain.tip.validators.validators])
        chain.decide()
    in_force.append([one.power for one in chain.chain.tip.validators.validators])
    assert in_force == [[10, 10, 6, 5], [10, 10, 6], [10, 10, 6]]
    assert [one.power for one in chain.chain._validators_at(3).validators] == [10, 10, 5]
