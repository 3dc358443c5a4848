"""Each rule by which channels of Fabric are followed, against channels made by hand; and real blocks where they are at hand."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chainnode.errors import Malformed
from chainnode.foreign.fabric import FabricRefusal, begin, verify_blocks
from chainnode.foreign.fabricbytes import Read, Write, read_block, read_ledger_file
from chainnode.foreign.fabricpolicy import n_of
from chainnode.foreign.protobuf import data, message, number, text
from tests.foreign.fabric_case import CONSENTERS, ORDERER, TWO, definition, follow, proves, refusal, refused
from tests.foreign.fabric_maker import (
    CHANNEL,
    Setup,
    block_bytes,
    envelope_of,
    first_block,
    org,
    out_of,
    person,
    role_of,
    signature,
    signed_by,
    tx,
)

# What is proved


def test_a_transaction_is_proved_with_what_it_wrote() -> None:
    first = first_block(Setup())
    one = tx("Org1MSP", "Org2MSP", writes=(("goods", "k", b"v"), ("goods", "gone", None)))
    block = read_block(block_bytes(first, [one.envelope], [ORDERER], last_config=0))
    (fact,) = verify_blocks([block], begin(first), TWO).facts
    assert (fact.channel, fact.block_number, fact.block_hash, fact.index) == (CHANNEL, 1, block.hash, 0)
    assert (fact.chaincode, fact.creator, fact.endorsers) == ("goods", "Org1MSP", ("Org1MSP", "Org2MSP"))
    assert fact.results.writes == (Write("goods", "k", b"v"), Write("goods", "gone", None))
    assert fact.results.reads == (Read("goods", "r", (4, 2)), Read("goods", "absent", None))
    assert fact.trust == "attested" and len(fact.tx_id) == 64


def test_the_digest_tells_one_fact_from_another() -> None:
    (fact,) = proves(Setup(), tx("Org1MSP", "Org2MSP"))
    others = (
        replace(fact, channel="other"),
        replace(fact, block_number=2),
        replace(fact, block_hash=b"\x01" * 32),
        replace(fact, index=1),
        replace(fact, tx_id="0" * 64),
        replace(fact, chaincode="other"),
        replace(fact, endorsers=("Org1MSP",)),
        replace(fact, results_hash=b"\x01" * 32),
    )
    assert len({one.digest for one in (fact, *others)}) == 9 and len(fact.digest) == 32


def test_good_and_bad_transactions_stand_side_by_side() -> None:
    outcome = follow(Setup(), tx("Org1MSP", nonce=1), tx("Org1MSP", "Org3MSP", nonce=2), tx("Org2MSP", "Org3MSP", nonce=3))
    assert [one.index for one in outcome.facts] == [1, 2]
    assert [(one.index, one.code.name) for one in outcome.refusals] == [(0, "fabric-not-endorsed")]
    assert outcome.refusals[0].tx_id and isinstance(outcome.refusals[0], FabricRefusal)


def test_the_channel_is_followed_on() -> None:
    first = first_block(Setup())
    trust, previous = begin(first), first
    for place in range(1, 4):
        block = read_block(block_bytes(previous, [tx("Org1MSP", "Org2MSP", nonce=place).envelope], [ORDERER], last_config=0))
        outcome = verify_blocks([block], trust, TWO)
        trust, previous = outcome.trust, block
        assert (trust.number, trust.hash, len(outcome.facts)) == (place, block.hash, 1)


# The chain of blocks


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"block_number": 2}, "does not follow"),
        ({"previous_hash": b"\x01" * 32}, "does not follow"),
        ({"changed_data": b"\x01" * 32}, "does not hold the data"),
    ],
)
def test_a_block_follows_the_one_before(changes: dict[str, Any], words: str) -> None:
    first = first_block(Setup())
    block = read_block(block_bytes(first, [tx("Org1MSP", "Org2MSP").envelope], [ORDERER], **changes))
    code, detail = refusal(verify_blocks, [block], begin(first), TWO)
    assert code == "fabric-chain-broken" and words in detail


def test_the_block_with_the_configuration_is_the_one_that_the_orderers_name() -> None:
    first = first_block(Setup())
    block = read_block(block_bytes(first, [tx("Org1MSP", "Org2MSP").envelope], [ORDERER], last_config=1))
    code, detail = refusal(verify_blocks, [block], begin(first), TWO)
    assert code == "fabric-chain-broken" and "as that of the configuration" in detail


def test_the_first_block_holds_what_its_header_says() -> None:
    setup = Setup()
    assert refusal(begin, read_block(block_bytes(None, [setup.envelope], changed_data=b"\x01" * 32)))[0] == "fabric-chain-broken"
    assert refusal(begin, read_block(block_bytes(None, [setup.envelope] * 2)))[0] == "bad-fabric-config"
    assert refusal(begin, read_block(block_bytes(None, [tx("Org1MSP").envelope])))[0] == "bad-fabric-config"


# Who signed it


def test_an_orderer_of_the_channel_has_signed() -> None:
    one = tx("Org1MSP", "Org2MSP")
    for signers in ((), (person("Org1MSP", "peer0"),), (person("FakeMSP", "o1", "orderer"),)):
        with pytest.raises(Malformed) as refused:
            follow(Setup(), one, signers=signers)
        assert refused.value.code.name == "fabric-not-signed"
    forger = replace(ORDERER, key=person("FakeMSP", "o1", "orderer").key)
    with pytest.raises(Malformed):
        follow(Setup(), one, signers=(forger,))
    assert follow(Setup(), one, signers=(forger, ORDERER)).facts  # one good signature is what the policy asks for


def test_signatures_have_s_in_the_lower_half() -> None:
    first = first_block(Setup())
    block = read_block(block_bytes(first, [tx("Org1MSP", "Org2MSP").envelope], [ORDERER], is_high=True))
    assert refusal(verify_blocks, [block], begin(first), TWO)[0] == "fabric-not-signed"
    assert refused(Setup(), tx("Org1MSP", "Org2MSP", is_high=True))[0] == "bad-fabric-identity"
    assert refused(Setup(), tx("Org1MSP", "Org2MSP", endorsers_high=True))[0] == "fabric-not-endorsed"


def test_a_channel_without_a_policy_for_blocks_proves_nothing() -> None:
    with pytest.raises(Malformed) as refused:
        follow(Setup(validation=b""), tx("Org1MSP", "Org2MSP"))
    assert refused.value.code.name == "fabric-not-signed"
    with pytest.raises(Malformed):
        follow(Setup(orderer_orgs=()), tx("Org1MSP", "Org2MSP"))  # a policy over no groups holds for nobody here


@pytest.mark.parametrize(("known", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3)])
def test_a_quorum_of_consenters_has_signed(known: int, needed: int) -> None:
    setup = Setup(consensus="BFT", consenters=CONSENTERS[:known])
    assert begin(first_block(setup)).trust_class == "header-quorum"
    one = tx("Org1MSP", "Org2MSP")
    (fact,) = follow(setup, one, signers=CONSENTERS[:needed]).facts
    assert fact.trust == "header-quorum"
    for signers in (CONSENTERS[: needed - 1], (CONSENTERS[0],) * needed if needed > 1 else ()):
        with pytest.raises(Malformed) as refused:
            follow(setup, one, signers=signers)
        assert refused.value.code.name == "fabric-not-signed"


def test_only_consenters_count_for_a_quorum() -> None:
    setup = Setup(consensus="BFT", consenters=CONSENTERS)
    others = tuple(person("OrdererMSP", f"x{place}", "orderer") for place in range(3))
    one = tx("Org1MSP", "Org2MSP")
    for signers in (others, (*CONSENTERS[:2], *others), ((9, CONSENTERS[0][1]), *CONSENTERS[1:3]), ((1, others[0]), *CONSENTERS[1:3])):
        with pytest.raises(Malformed) as refused:
            follow(setup, one, signers=signers)
        assert refused.value.code.name == "fabric-not-signed"
    assert follow(setup, one, signers=(CONSENTERS[0][1], *CONSENTERS[1:3])).facts  # by its certificate, too


def test_consenters_are_distinct() -> None:
    for consenters in ((CONSENTERS[0], (1, CONSENTERS[1][1])), (CONSENTERS[0], (2, CONSENTERS[0][1])), ()):
        assert refusal(begin, first_block(Setup(consensus="BFT", consenters=consenters)))[0] == "bad-fabric-config"


def test_the_policy_of_blocks_counts_beside_the_quorum() -> None:
    principals = [number(1, 2) + data(2, one.identity) for _, one in CONSENTERS]
    rule = signature(out_of(3, *map(signed_by, range(4))), *principals)
    setup = Setup(consensus="BFT", consenters=CONSENTERS, validation=rule)
    assert follow(setup, tx("Org1MSP", "Org2MSP"), signers=CONSENTERS[1:]).facts
    strict = replace(setup, validation=signature(out_of(4, *map(signed_by, range(4))), *principals))
    with pytest.raises(Malformed):
        follow(strict, tx("Org1MSP", "Org2MSP"), signers=CONSENTERS[1:])


# New configurations


def changed(setup: Setup, **changes: Any) -> Setup:
    """The next configuration."""
    return replace(setup, sequence=setup.sequence + 1, **changes)


def test_a_new_configuration_is_in_force_from_the_next_block_on() -> None:
    old = Setup()
    new = changed(old, orderer_orgs=(org("NewOrdererMSP"),))
    newcomer = person("NewOrdererMSP", "n1", "orderer")
    first = first_block(old)
    second = read_block(block_bytes(first, [new.envelope], [ORDERER], last_config=1))
    one = tx("Org1MSP", "Org2MSP").envelope
    third = read_block(block_bytes(second, [one], [newcomer], last_config=1))
    outcome = verify_blocks([second, third], begin(first), TWO)
    assert (len(outcome.facts), outcome.trust.config_number, outcome.trust.config.sequence) == (1, 1, 2)
    by_old = read_block(block_bytes(second, [one], [ORDERER]))
    assert refusal(verify_blocks, [second, by_old], begin(first), TWO)[0] == "fabric-not-signed"
    by_new = read_block(block_bytes(first, [new.envelope], [newcomer]))
    assert refusal(verify_blocks, [by_new], begin(first), TWO)[0] == "fabric-not-signed"


@pytest.mark.parametrize("changes", [{"sequence": 1}, {"sequence": 3}, {"sequence": 2, "channel": "other"}])
def test_a_new_configuration_follows_the_old_one(changes: dict[str, Any]) -> None:
    first = first_block(Setup())
    block = read_block(block_bytes(first, [replace(Setup(), **changes).envelope], [ORDERER]))
    assert refusal(verify_blocks, [block], begin(first), TWO)[0] == "bad-fabric-config"


def test_a_configuration_stands_alone_in_its_block() -> None:
    first = first_block(Setup())
    block = read_block(block_bytes(first, [changed(Setup()).envelope, tx("Org1MSP", "Org2MSP").envelope], [ORDERER]))
    outcome = verify_blocks([block], begin(first), TWO)
    assert [one.code.name for one in outcome.refusals] == ["bad-fabric-block"]
    assert outcome.trust.config.sequence == 1


# Transactions


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad-fabric-block", {"channel": "other"}),
        ("bad-fabric-block", {"kind": 2}),
        ("bad-fabric-block", {"tx_id": "0" * 64}),
        ("bad-fabric-block", {"nonce": b""}),
        ("bad-fabric-block", {"action_nonce": b""}),
        ("bad-fabric-block", {"proposal_hash": b"\x01" * 32}),
        ("bad-fabric-block", {"ran": "other"}),
        ("bad-fabric-block", {"actions": 2}),
        ("bad-fabric-block", {"epoch": 1}),
        ("bad-fabric-identity", {"signed_by": person("Org1MSP", "mallory", "client")}),
        ("bad-fabric-identity", {"creator": person("FakeMSP", "alice", "client")}),
        ("fabric-not-endorsed", {"endorsed_by": person("Org1MSP", "mallory", "client")}),
        ("fabric-not-endorsed", {"endorsers": ()}),
        ("fabric-not-endorsed", {"endorsers": (person("Org1MSP", "peer0"),) * 2}),
        ("fabric-not-endorsed", {"endorsers": (person("Org1MSP", "peer0"), person("Org1MSP", "peer1"))}),
        ("fabric-not-endorsed", {"endorsers": (person("Org1MSP", "peer0"), person("FakeMSP", "peer0"))}),
    ],
)
def test_what_proves_nothing(code: str, changes: dict[str, Any]) -> None:
    assert refused(Setup(), replace(tx("Org1MSP", "Org2MSP"), **changes))[0] == code


def test_an_id_counts_once() -> None:
    one = tx("Org1MSP", "Org2MSP")
    outcome = follow(Setup(), one, one)
    assert len(outcome.facts) == 1 and [each.code.name for each in outcome.refusals] == ["fabric-repeated"]
    first = first_block(Setup())
    block = read_block(block_bytes(first, [one.envelope], [ORDERER]))
    again = verify_blocks([block], begin(first), TWO, seen=[outcome.facts[0].tx_id])
    assert [each.code.name for each in again.refusals] == ["fabric-repeated"]


def test_a_copy_that_nobody_signed_uses_up_no_id() -> None:
    one = tx("Org1MSP", "Org2MSP")
    outcome = follow(Setup(), replace(one, signed_by=person("Org1MSP", "mallory", "client")), one)
    assert [each.index for each in outcome.facts] == [1]


@pytest.mark.parametrize(
    "changes", [{"writes": (("goods", "k", b"v"), ("cash", "k", b"v"))}, {"private": ("cash",)}, {"metadata": ("cash",)}]
)
def test_each_chaincode_that_is_written_to_has_its_say(changes: dict[str, Any]) -> None:
    one = tx("Org1MSP", "Org2MSP", **changes)
    assert refused(Setup(), one)[0] == "fabric-policy-unknown"
    assert refused(Setup(), one, {**TWO, "cash": n_of(1, ("Org3MSP",))})[0] == "fabric-not-endorsed"
    assert proves(Setup(), one, policies={**TWO, "cash": n_of(1, ("Org2MSP",))})


def test_nobody_writes_definitions_but_the_lifecycle() -> None:
    one = tx("Org1MSP", "Org2MSP", writes=(("_lifecycle", "k", b"v"),))
    code, detail = refused(Setup(), one, {**TWO, "_lifecycle": n_of(0, ())})
    assert code == "bad-fabric-block" and "_lifecycle" in detail


def test_who_has_not_said_who_must_endorse_proves_nothing() -> None:
    assert refused(Setup(), tx("Org1MSP", "Org2MSP"), {})[0] == "fabric-policy-unknown"


def test_the_channel_says_who_must_endorse() -> None:
    three = envelope_of(out_of(3, *map(signed_by, range(3))), *(role_of(name, 3) for name in ("Org1MSP", "Org2MSP", "Org3MSP")))
    strict = definition(message(1, three))
    outcome = follow(Setup(), strict, tx("Org1MSP", "Org2MSP"), tx("Org1MSP", "Org2MSP", "Org3MSP", nonce=2), policies={})
    assert [one.index for one in outcome.facts] == [0, 2]
    named = definition(text(2, "/Channel/Application/Endorsement"))
    outcome = follow(Setup(), named, tx("Org1MSP"), tx("Org1MSP", "Org3MSP", nonce=2), policies={})
    assert [one.index for one in outcome.facts] == [0, 2]
    lost = definition(text(2, "/Channel/Application/Nowhere/Endorsement"))
    assert [one.index for one in follow(Setup(), lost, tx("Org1MSP", "Org2MSP"), policies={}).facts] == [0]
    # What the caller says comes first, and what too few have endorsed defines nothing.
    assert len(follow(Setup(), strict, tx("Org1MSP", "Org2MSP")).facts) == 2
    weak = definition(message(1, three), endorsers=(person("Org1MSP", "peer0"),))
    assert [one.code.name for one in follow(Setup(), weak, tx("Org1MSP", "Org2MSP"), policies={}).refusals] == [
        "fabric-not-endorsed",
        "fabric-policy-unknown",
    ]


# Real blocks


def real_files() -> list[Path]:
    """Block files of Fabric in the folder that CHAINNODE_FABRIC_BLOCKS names."""
    folder = os.environ.get("CHAINNODE_FABRIC_BLOCKS")
    return sorted(Path(folder).iterdir()) if folder else []


@pytest.mark.skipif(not real_files(), reason="CHAINNODE_FABRIC_BLOCKS names no folder with block files of Fabric")
def test_real_blocks_are_read_and_followed() -> None:
    seen: dict[str, tuple[int, int]] = {}
    for path in real_files():
        raw = path.read_bytes()
        blocks = read_ledger_file(raw) if "blockfile" in path.name else (read_block(raw),)
        try:
            trust = begin(blocks[0])
        except Malformed as error:
            assert error.code.name in ("bad-fabric-config", "fabric-chain-broken")
            continue
        facts = 0
        for block in blocks[1:]:
            try:
                outcome = verify_blocks([block], trust)
            except Malformed as error:
                assert error.code.name in ("fabric-not-signed", "fabric-chain-broken")
                break
            trust, facts = outcome.trust, facts + len(outcome.facts)
        seen[path.name] = (trust.number, facts)
    assert sum(number for number, _ in seen.values()) > 0 and sum(facts for _, facts in seen.values()) > 0, seen
