"""All contracts as the engine sees them: whatever is called with whatever, only Rejected comes out, and every record can be read again."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import blocks, codec
from chainnode.bid import did_of
from chainnode.cometbytes import vote_sign_bytes
from chainnode.crypto.keys import address, public_key_of
from chainnode.crypto.suites import sign
from chainnode.did import chainapplication, chainfeeds, chainrecord, record
from chainnode.errors import Malformed, Rejected
from chainnode.execution.engine import NothingYet, apply_genesis
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.types.block import BlockId, PartSetHeader, Vote, VoteType
from chainnode.types.codes import BAD_GENESIS, UNKNOWN_CONTRACT, UNKNOWN_METHOD
from chainnode.types.genesis import GenesisGrant
from chainnode.types.transaction import Invocation, Value
from contracts import credentials, devices, governance, roles, validators
from contracts.clientrecords import decode_evidence, decode_record
from contracts.identityrecords import identity, identity_key
from contracts.registry import METHODS, node_ids
from contracts.supervision import order
from contracts.supervisionrecords import decode_freeze, decode_order
from tests.chain_maker import key_of
from tests.contracts.admission import arguments as application
from tests.contracts.admission import form_of, status_of
from tests.contracts.clients_story import CLIENT_STEPS
from tests.contracts.council import CHAIN_ID, EVIDENCE, LAW, WEEK_MS, Council, did, genesis_hash_of, genesis_of
from tests.contracts.packets_story import PACKET_STEPS
from tests.contracts.receipt_world import START_MS, Refused
from tests.execution.readers import by_key

WHO = ("ada", "ben", "mia", "bob", "cus", "sue", "stranger")
NUMBERS = (0, 1, 2, 3, -1, 10**6, 10**6 + 1, 2**31, 2**32, 2**53, START_MS, START_MS + 10**6, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -(2**63))
ADDRESS = address(public_key_of(key_of("v1")))


def vote(block: bytes | None, *, name: str = "v1", chain_id: str = CHAIN_ID, height: int = 1, round: int = 0) -> bytes:
    """A signed prevote."""
    block_id = None if block is None else BlockId(block, PartSetHeader(1, block))
    key = key_of(name)
    made = Vote(VoteType.PREVOTE, height, round, block_id, START_MS * 10**6, address(public_key_of(key)), 0)
    return blocks.encode_vote(replace(made, signature=sign(key, vote_sign_bytes(chain_id, made))))


TEXTS = (
    *map(did, WHO),
    *roles.ROLES,
    *governance._KINDS,
    *("", "x", "ed25519", "secp256k1", "sha-256", "sm3", "e", "s", "z", "kg", "KGM", "CNY", "r1", "r2", "2026-12-31"),
    *(
        "did:bid:abcd",
        f"did:bid:abcd:{did('mia').removeprefix('did:bid:')}",
        did("mia") + " ",
        "did:bid:ef" + "1" * 47,
        "did:bid:zt" + "q" * 30,
    ),
    *("byo1", "https://b.example/x", "http://b:99999"),
    *("a.example:1", "a.example:٣", "é" * 200 + ":1", "x" * 255 + ":65535", "[::1]:26650", "host:0", ":1", "h:65536"),
    *(
        "é" * 64,
        "x" * 64,
        "x" * 65,
        "x" * 300,
        "x" * 70_000,
        "\x00",
        "\u2028",
        "‮",
        "\U0010ffff" * 20,
        "name\n",
        "(01)10614141123459(21)400",
    ),
)
BYTES = (
    *(b"", b"\x00", EVIDENCE, ADDRESS, b"\xff" * 20, b"\xff" * 32, b"\x00" * 32, b"\x02" + b"\xff" * 32, b"\x04" * 65, b"\x02" * 33),
    *(key_of("v9").public, key_of("v1").public, key_of("k", "s").public, key_of("k", "z").public, key_of("v1 node").public),
    *(vote(EVIDENCE), vote(b"\x06" * 32), vote(None), vote(EVIDENCE, chain_id="other-1"), vote(EVIDENCE, name="v9"), vote(EVIDENCE)[:-1]),
    *(b"x" * 1024, b"x" * 1025, b"x" * 70_000),
)
LEAVES = st.sampled_from(TEXTS) | st.sampled_from(BYTES) | st.sampled_from(NUMBERS) | st.booleans() | st.none()
VALUES: st.SearchStrategy[Value] = st.recursive(
    LEAVES | st.text(max_size=8) | st.binary(max_size=40) | st.integers(-(2**63), 2**64 - 1),
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.sampled_from(("heartbeat_ms", "a", "block_txs_max")), inner, max_size=3)
    ),
    max_leaves=8,
)
Step = tuple[str, str, Callable[["Council"], tuple[Any, ...]]]


def current(world: Council) -> tuple[Any, ...]:
    """DID, sequence and digest of mia's version."""
    found = identity(world.state, did("mia"))
    return did("mia"), *((0, b"") if found is None else (found.sequence, sha256(record.encode_identity(found)).digest()))


def sequence(world: Council, receipt_id: str) -> int:
    """Of a receipt, 0 without one."""
    found = world.receipt(receipt_id)
    return 0 if found is None else found.sequence


def on(method: str, signers: str, *arguments: Any, receipt_id: str = "r1") -> Step:
    """A call on a receipt as it is."""
    return f"receipts.{method}", signers, lambda world: (receipt_id, sequence(world, receipt_id), *arguments, EVIDENCE)


def given_as(method: str, signers: str, *arguments: Any) -> Step:
    """A call with these arguments."""
    return method, signers, lambda world: arguments


def asked(kind: str, *arguments: Any) -> Step:
    """A proposal."""
    return given_as("governance.propose", "ada", kind, arguments, "because")


def item(code: str) -> tuple[str, str, int, str, bytes]:
    """A package."""
    return code, "rice", 10, "KGM", EVIDENCE


def child(name: str, *codes: str) -> tuple[str, int, tuple[str, ...], bytes]:
    """A part of a receipt."""
    return name, 10 * len(codes), codes, EVIDENCE


def later(world: Council, *arguments: Any) -> tuple[Any, ...]:
    """A call after the delay of a recovery."""
    world.wait_until(world.next_ms + 3_600_000)
    return arguments


def after_order(world: Council) -> tuple[Any, ...]:
    """A call on the first order of supervision when it has ended."""
    found = order(world.state, 1)
    if found is not None and world.next_ms < found.ends_ms:
        world.wait_until(found.ends_ms)
    return 1, "r1"


def device_signature(control: Value, facts: Value) -> bytes:
    """What a device signs."""
    key = key_of("v1 node")
    digest = devices.template_digest(record.read_control(control), record.read_facts(facts))
    return sign(key, devices.device_message(genesis_hash_of(("ada",)), did_of("e", key.public), digest))


KEYS: Any = (("a", "e", key_of("mia").public, 27), ("b", "s", key_of("k", "s").public, 8), ("c", "x", b"\x05" * 32, 4))
CONTROL = record.control_value(record.Control(recovery=(did("bob"),)))
FACTS = record.facts_value(
    record.Facts(
        (record.Service("shop", "LinkedDomains", "https://shop.example", (("port", 1), ("z", "x"))),),
        ((101, did("mia")),),
        record.Extension(101, 60, (record.Attribute("k", "d", 0, "text", "v"),), ("byo1",), ((did("ada"), 201),), did("ada"), b"\x01" * 64),
    )
)

# A story in which each method is called rightly at least once. The other tests bend it.
STORY: tuple[Step, ...] = (
    asked("set_params", {"heartbeat_ms": 5_000, "block_txs_max": 2_000}),
    asked("grant_role", did("ben"), roles.SUPER, 0, EVIDENCE),
    asked("set_validator", did("bob"), "v9", "ed25519", key_of("v9").public, 7, key_of("v9 node").public, "v9.example:1"),
    given_as("governance.vote", "ben", 3, True),
    asked("remove_validator", address(public_key_of(key_of("v9")))),
    given_as("governance.vote", "ben", 4, True),
    asked("revoke_role", did("bob"), roles.BACKBONE),
    given_as("governance.vote", "ben", 5, False),
    given_as("roles.grant", "ada", did("cus"), roles.BUSINESS, 0, EVIDENCE),
    given_as("roles.revoke", "ada", did("cus"), roles.BUSINESS, "closed"),
    given_as("validators.register_node", "bob", key_of("n").public, "n.example:26650"),
    given_as("validators.register_node", "bob", key_of("n").public, ""),
    given_as("validators.report_equivocation", "stranger", vote(EVIDENCE), vote(b"\x06" * 32)),
    given_as("identity.create", "mia", did("mia"), (KEYS, CONTROL, FACTS)),
    ("identity.update", "mia", lambda world: (*current(world), FACTS)),
    ("identity.rotate", "mia", lambda world: (*current(world), (("k", "z", key_of("k", "z").public, 31 - 4),))),
    ("identity.set_control", "mia", lambda world: (*current(world), CONTROL)),
    ("identity.recover", "bob", lambda world: (*current(world), KEYS)),
    given_as("identity.veto_recovery", "mia", did("mia")),
    given_as("identity.create_many", "mia", CONTROL, FACTS, key_of("v1 node").public, device_signature(CONTROL, FACTS)),
    given_as("evidence.record", "mia", (("sha-256", EVIDENCE, b"first"), ("sm3", EVIDENCE, b""))),
    asked("admit_issuer", did("mia"), "School", EVIDENCE),
    given_as("governance.vote", "ben", 6, True),
    given_as("credentials.register_schema", "mia", did("mia"), "https://school.example/degree", EVIDENCE),
    given_as("credentials.create_list", "mia", did("mia"), "degrees", "revocation", 1),
    given_as("credentials.create_list", "bob mia", did("mia"), "messages", "message", 4),
    given_as("credentials.set_status", "mia", did("mia"), "degrees", ((0, 1), (131_071, 1))),
    given_as("credentials.set_status", "bob mia", did("mia"), "messages", ((7, 9), (8_191, 15))),
    asked("admit_issuer", did("cus"), "Store", EVIDENCE),
    given_as("governance.vote", "ben", 7, True),
    asked("remove_issuer", did("cus")),
    given_as("governance.vote", "ben", 8, True),
    given_as("chains.apply", "bob", *application(evidence=(EVIDENCE,))),
    given_as("chains.apply", "bob", *application("byo2")),
    given_as("chains.withdraw", "bob", 2),
    asked("admit_chain", 1, "byo1", START_MS + WEEK_MS),
    given_as("governance.vote", "ben", 9, True),
    given_as("chains.update", "bob", "byo1", form_of(gateways=(did("mia"),)), 9),
    given_as("chains.report", "mia", "byo1", "status", status_of("byo1")),
    given_as("chains.transfer", "bob mia", "byo1", did("mia")),
    asked("suspend_chain", "byo1"),
    given_as("governance.vote", "ben", 10, True),
    given_as("chains.appeal", "mia", "byo1", "it is a mistake", EVIDENCE),
    given_as("goods.commission", "cus", "in1", "site", tuple(item(f"p{number}") for number in range(6))),
    given_as("goods.decommission", "cus", ("p5",), "spoilt", EVIDENCE),
    given_as("receipts.issue", "cus mia", "r1", did("cus"), did("mia"), 40, ("p0", "p1", "p2", "p3"), False, EVIDENCE),
    on("offer_transfer", "mia", did("bob")),
    on("withdraw_transfer", "mia"),
    on("offer_transfer", "mia", did("bob")),
    on("reject_transfer", "bob"),
    on("offer_transfer", "mia", did("bob")),
    on("accept_transfer", "bob"),
    on("transfer", "bob mia", did("mia")),
    on("pledge_propose", "mia", did("bob"), 5, "CNY", START_MS + WEEK_MS, "质押", START_MS + 10**6),
    on("pledge_withdraw", "mia"),
    on("pledge_propose", "mia", did("bob"), 5, "CNY", START_MS + WEEK_MS, "质押", START_MS + 10**6),
    on("pledge_accept", "bob cus"),
    on("pledge_release", "bob"),
    on("pledge", "mia bob cus", did("bob"), 5, "CNY", START_MS + WEEK_MS, "质押"),
    on("pledge_release", "bob"),
    given_as("receipts.hold_set", "sue", "r1", "court", "a case", EVIDENCE),
    given_as("receipts.hold_clear", "sue", "r1", "court", did("sue"), "settled", EVIDENCE),
    ("supervision.propose", "sue", lambda world: ("receipt", "r1", "recall", EVIDENCE, world.next_ms + 5_000)),
    given_as("supervision.sign", "sid", 1),
    ("supervision.release", "mia", after_order),
    given_as("supervision.propose", "sid", "account", did("cus"), "a case", EVIDENCE, 0),
    given_as("supervision.sign", "sue", 2),
    given_as("supervision.appeal", "cus", 2, "I did nothing", EVIDENCE),
    given_as("supervision.uphold", "sue", 2, "see the file"),
    given_as("supervision.lift", "sid", 2, "enough"),
    given_as("supervision.lift", "sue", 2, "enough"),
    on("split", "mia cus", (child("a", "p0", "p1"), child("b", "p2", "p3"))),
    (
        "receipts.merge",
        "mia cus",
        lambda world: ((("a", sequence(world, "a"), ("p0", "p1")), ("b", sequence(world, "b"), ("p2", "p3"))), "m", 40, EVIDENCE, EVIDENCE),
    ),
    on("delivery_order", "mia", did("bob"), ("p0",), receipt_id="m"),
    on("delivery_reject", "cus", "no lorry", receipt_id="m"),
    on("delivery_order", "mia", did("bob"), ("p0",), receipt_id="m"),
    on("delivery_confirm", "cus bob", ("p0",), (child("n", "p1", "p2", "p3"),), receipt_id="m"),
    on("cancel", "mia cus", ("p1", "p2", "p3"), receipt_id="n"),
    *CLIENT_STEPS,
    *PACKET_STEPS,
    ("identity.recover", "bob", lambda world: (*current(world), KEYS)),
    ("identity.finish_recovery", "sue", lambda world: later(world, did("mia"))),
    ("identity.recover", "bob", lambda world: (*current(world), KEYS)),
    given_as("identity.create", "mia bob", did("bob"), (KEYS, CONTROL, FACTS)),
    (
        "identity.deactivate",
        "bob",
        lambda world: (did("bob"), 1, sha256(world.value("identity", identity_key(did("bob"))) or b"").digest()),
    ),
)


def paths(value: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """Where the arguments can be bent: each value within them, as places from outside in."""
    found = [path] if path else []
    if isinstance(value, tuple):
        for place, part in enumerate(value):
            found += paths(part, (*path, place))
    return found


def at(value: Any, path: tuple[int, ...]) -> Any:
    """What stands there."""
    return at(value[path[0]], path[1:]) if path else value


def bent(value: Any, path: tuple[int, ...], other: Any) -> Any:
    """The value with something else there."""
    if not path:
        return other
    return (*value[: path[0]], bent(value[path[0]], path[1:], other), *value[path[0] + 1 :])


def instead_of(value: Any) -> st.SearchStrategy[Any]:
    """Values of its type, chosen to hurt; or anything."""
    if type(value) is str:
        return st.sampled_from(TEXTS) | st.text(max_size=70)
    if type(value) is bytes:
        return st.sampled_from(BYTES) | st.binary(max_size=70)
    if type(value) is int:
        return st.sampled_from(NUMBERS) | st.integers(-(2**63), 2**64 - 1)
    if type(value) is dict:
        names = st.sampled_from(("heartbeat_ms", "block_txs_max", "timeout_ms_max", "timeout_vote_ms", "tx_bytes_max", "nothing", ""))
        return st.dictionaries(names, st.sampled_from(NUMBERS) | VALUES, max_size=3)
    if type(value) is tuple and value:
        return st.sampled_from(((), value[:1], value[1:], value + value, value * 300, value[::-1]))
    return VALUES


def bend(data: st.DataObject, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with something wrong with them, or nothing."""
    for _ in range(data.draw(st.sampled_from((0, 1, 1, 1, 2)), "bends")):
        places = paths(arguments)
        if not places or data.draw(st.integers(0, 9)) == 0:
            arguments = data.draw(st.sampled_from((arguments[1:], (*arguments, None)))) if arguments else (None,)
            continue
        path = data.draw(st.sampled_from(places), "place")
        arguments = bent(arguments, path, data.draw(instead_of(at(arguments, path)) | VALUES, "value"))
    return arguments


def read_all(world: Council) -> None:
    """Every record of the state decodes, and the engine gets what it asks for."""
    state = world.state
    assert LAW.validators(state).validators
    LAW.params(state)
    node_ids(state)
    assert roles.supers(state, world.next_ms)
    readers: dict[tuple[str, int], Callable[[bytes], object]] = {
        ("roles", 1): roles.decode_grants,
        ("validators", 1): validators.decode_validator,
        ("validators", 3): validators._decode_node,
        ("identity", 1): record.decode_identity,
        ("identity", 2): record.decode_superseded,
        ("identity", 3): record.decode_recovery,
        ("governance", 2): governance.decode_proposal,
        ("chains", 1): chainrecord.decode_chain,
        ("chains", 3): chainapplication.decode_application,
        ("chains", 5): chainapplication.decode_appeal,
        ("chains", 6): chainfeeds.decode_report,
        ("credentials", 1): credentials.decode_issuer,
        ("credentials", 3): credentials.decode_schema_version,
        ("credentials", 4): credentials.decode_list,
        ("credentials", 5): credentials.decode_chunk,
        ("clients", 1): decode_record,
        ("clients", 4): decode_evidence,
        ("supervision", 1): decode_order,
        ("supervision", 2): decode_freeze,
    }
    for store, entries in state.writes().items():
        for key, value in entries:
            if value is not None and (store, key[0]) in readers:
                readers[store, key[0]](value)


def play(world: Council, step: Step, arguments: tuple[Any, ...] | None = None, signers: Sequence[str] = ()) -> str:
    """Call, check that a refusal leaves no trace, read everything; the outcome."""
    method, names, made = step
    arguments = made(world) if arguments is None else arguments  # which may end a block or let time pass
    before = world.everything(), by_key(world.state.index_writes()), world.state.log_groups()
    outcome = "ok"
    try:
        world.do(signers or names.split(), method, *arguments)
    except Refused as refusal:
        assert (world.everything(), by_key(world.state.index_writes()), world.state.log_groups()) == before
        outcome = refusal.code
    read_all(world)
    return outcome


def test_the_story_calls_each_method_rightly() -> None:
    world = Council(("ada",))
    for step in STORY:
        assert play(world, step) == "ok", step[0]
    assert {step[0] for step in STORY} == {f"{contract}.{method}" for contract, methods in METHODS.items() for method in methods}


# Keys that name a client have no one length.
CLIENT_KEYS = {
    "ibc": rb"clients/[a-z0-9-]+/(clientState|(consensusStates|headers)/[0-9]+-[0-9]+)|[a-z0-9-]+[\x01\x02\x03].{8}",
    "packets": rb"\x01[a-z0-9-]+|\x03[a-z0-9-]+.{8}",
}


def test_every_key_that_is_written_is_on_the_page_of_contracts() -> None:
    world = Council(("ada",))
    for step in STORY:
        play(world, step)
    page = (Path(__file__).resolve().parents[2] / "docs" / "contracts.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `([0-9a-f]+)\b[^|]* \| (\d+) \|", page, re.MULTILINE)
    listed = {(store, prefix, int(length)) for store, prefix, length in rows}
    # A key is its prefix alone, or a prefix of one byte and what names the thing.
    written = {(store, key) for store, entries in world.state.writes().items() for key, _ in entries}
    written -= {(store, key) for store, key in written if store in CLIENT_KEYS and re.fullmatch(CLIENT_KEYS[store], key, re.DOTALL)}
    unlisted = {
        (store, key.hex()) for store, key in written if not listed & {(store, key.hex(), len(key)), (store, key[:1].hex(), len(key))}
    }
    assert not unlisted
    for store, prefix, length in listed:
        assert any(name == store and key.hex().startswith(prefix) and len(key) == length for name, key in written), (store, prefix)


@given(st.data())
def test_whatever_is_called_only_a_refusal_comes_out(data: st.DataObject) -> None:
    world = Council(("ada", "ben")[: data.draw(st.integers(1, 2), "supers")])
    for step in STORY[: data.draw(st.integers(0, len(STORY)), "steps of the story")]:
        play(world, step)
    for _ in range(data.draw(st.integers(1, 4), "calls")):
        step = data.draw(st.sampled_from(STORY), "call")
        signers = data.draw(st.just(()) | st.lists(st.sampled_from(WHO), min_size=1, max_size=3, unique=True).map(tuple), "signers")
        arguments = bend(data, step[2](world))
        try:
            codec.encode(arguments)
        except Malformed:
            continue  # no transaction carries it
        play(world, step, arguments, signers)


ANY_VALUES = st.lists(VALUES, max_size=10).map(tuple)


@given(st.sampled_from(STORY), st.sampled_from(WHO), ANY_VALUES)
def test_any_values_in_any_number_are_refused_or_taken(step: Step, who: str, arguments: tuple[Value, ...]) -> None:
    play(Council(("ada",)), step, arguments, (who,))


def test_a_call_names_a_contract_and_a_method_that_exist() -> None:
    world = Council()
    call = Call(did("ada"), (did("ada"),), EVIDENCE, CHAIN_ID, 1, START_MS, 0)
    with pytest.raises(Rejected) as refusal:
        LAW.call(call, world.state, Invocation("nothing", "grant", ()))
    assert refusal.value.code == UNKNOWN_CONTRACT
    # What is not marked as a method cannot be called, whatever its name.
    for contract, name in (("roles", "put_grant"), ("roles", "nothing"), ("validators", "set_validator"), ("governance", "genesis")):
        with pytest.raises(Rejected) as refusal:
            LAW.call(call, world.state, Invocation(contract, name, ()))
        assert refusal.value.code == UNKNOWN_METHOD


STRANGERS_MAY = {"validators.report_equivocation"}  # the two votes prove it by themselves


@pytest.mark.parametrize("step", range(len(STORY)), ids=lambda place: f"{place}-{STORY[place][0]}")
def test_inv_21_strangers_write_nothing(step: int) -> None:
    world = Council(("ada",))
    for earlier in STORY[:step]:
        play(world, earlier)
    outcome = play(world, STORY[step], signers=("stranger",))
    assert (outcome == "ok") == (STORY[step][0] in STRANGERS_MAY), outcome


def test_each_provable_store_begins_with_a_key() -> None:
    outcome = apply_genesis(LAW, genesis_of(("ada",), ("v1",)))
    assert set(outcome.store_writes) == {*METHODS, "ibc"}
    assert all(value is not None for entries in outcome.store_writes.values() for _, value in entries)
    assert outcome.validators is not None and outcome.params is not None


def test_a_genesis_has_a_super_node_for_ever() -> None:
    plain = genesis_of((), ("v1",))
    for grants in ((), (GenesisGrant(did("ada"), "super", START_MS + 1),), (GenesisGrant(did("ada"), "member", 0),)):
        with pytest.raises(Malformed) as refusal:
            LAW.genesis(State(NothingYet()), replace(plain, grants=grants))
        assert refusal.value.code == BAD_GENESIS


def test_nodes_may_connect_while_their_operator_may_run_them() -> None:
    world = Council()
    node_id, key = did_of("e", key_of("n").public), key_of("n").public
    assert len(node_ids(world.state)) == 3 and node_id not in node_ids(world.state)
    world.do(["bob"], "validators.register_node", key, "n.example:1")
    assert node_ids(world.state, world.next_ms)[node_id] == key
    world.decide("revoke_role", did("bob"), roles.BACKBONE)
    assert node_id not in node_ids(world.state, world.next_ms)
    world.decide("grant_role", did("bob"), roles.SERVICE, world.next_ms + 60_000, EVIDENCE)
    assert node_id in node_ids(world.state, world.next_ms) and node_id not in node_ids(world.state, world.next_ms + 100_000)
