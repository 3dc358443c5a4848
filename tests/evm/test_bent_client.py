"""Each rule of the Solidity light client, bent: the check that is named must notice."""

import pytest

from tests.evm import client_checks as client
from tests.evm import proof_checks as proof
from tests.evm.bending import bent_codes
from tests.evm.followed import Chain, Followed
from tests.evm.machine import Reverted

PARTS = ("CometBytes.sol", "CometClient.sol", "ILightClient.sol", "StateProof.sol")
CLIENT, BYTES, STATE = "CometClient.sol", "CometBytes.sol", "StateProof.sol"
BENT = {
    client.wants_more_than_two_thirds: [
        ("two thirds", CLIENT, "power * 3 <= _total(signed.validators) * 2", "power * 3 < _total(signed.validators) * 2"),
    ],
    client.counts_a_vote_once: [
        ("votes once", CLIENT, "if (vote.index < next)", "if (false)"),
    ],
    client.takes_signatures_of_the_validators_alone: [
        ("low s", CLIENT, "uint256(vote.s) > HALF_ORDER", "false"),
        ("the signer", CLIENT, "signer != validator.account", "false"),
        ("times of votes", CLIENT, "if (vote.timeNanos >= NS)", "if (false)"),
        ("a whole block", CLIENT, "signed.partsTotal == 0", "false"),
    ],
    client.keeps_to_what_it_trusts: [
        ("the trusted state", CLIENT, "states[signed.trustedHeight] != keccak256(abi.encode(trusted))", "false"),
        ("heights rise", CLIENT, "header.height <= signed.trustedHeight", "header.height < signed.trustedHeight"),
    ],
    client.keeps_to_the_clock: [
        ("times rise", CLIENT, "timeNs <= trusted.timeNs", "timeNs < trusted.timeNs"),
        ("not ahead", CLIENT, "timeNs >= (block.timestamp + clockDrift) * NS", "false"),
        ("trust expires", CLIENT, "trusted.timeNs + trustingPeriod * NS <= block.timestamp * NS", "false"),
        ("times of headers", CLIENT, "header.timeNanos >= NS || ", ""),
    ],
    client.asks_for_registered_sets: [
        ("registered sets", CLIENT, "digest == 0 || digest != keccak256(abi.encode(validators))", "digest == 0"),
    ],
    client.follows_a_change_of_validators: [
        ("the announced set", CLIENT, "if (header.height == signed.trustedHeight + 1) revert", "if (false) revert"),
    ],
    client.a_third_is_not_enough: [
        ("a third of the trusted", CLIENT, "trustedPower * 3 <= _total", "trustedPower * 3 < _total"),
    ],
    client.counts_a_trusted_validator_once: [
        ("trusted ones once", CLIENT, " || seen & bit != 0", ""),
        ("trusted ones themselves", CLIENT, "trusted.account != signer || ", ""),
    ],
    client.freezes_on_a_second_header: [
        ("a second header", CLIENT, "if (known != 0 || isAgainstTime)", "if (isAgainstTime)"),
        ("frozen for headers", CLIENT, "if (isFrozen) revert NotActive();", ""),
    ],
    client.follows_headers_one_by_one_and_skips: [
        ("a known header", CLIENT, "if (known == digest) return UpdateResult.NoOp;", ""),
    ],
    client.freezes_when_time_runs_backwards: [
        ("time against a later header", CLIENT, "state.timeNs >= latestTimeNs", "state.timeNs > latestTimeNs"),
        ("time against an earlier header", CLIENT, "state.timeNs <= latestTimeNs", "state.timeNs < latestTimeNs"),
    ],
    client.freezes_on_proof_of_misbehaviour: [
        ("what misbehaviour is", CLIENT, "if (!isContrary) revert", "if (false) revert"),
        ("time as misbehaviour", CLIENT, "_timeNs(high) <= _timeNs(low)", "_timeNs(high) < _timeNs(low)"),
    ],
    client.refuses_what_is_no_key: [
        ("points of the curve", CLIENT, "if (!_isPoint(uint256(key.x), uint256(key.y)) || ", "if ("),
        ("coordinates below the field", CLIENT, "x < FIELD && y < FIELD && ", ""),
        ("power", CLIENT, " || key.power == 0", ""),
        ("sets have a limit", CLIENT, " || keys.length > VALIDATORS_MAX", ""),
    ],
    client.registers_sets_by_their_hash: [
        ("the sign of a key", CLIENT, "bytes1(0x02) : bytes1(0x03)", "bytes1(0x03) : bytes1(0x02)"),
        ("an odd leaf", BYTES, "if (count % 2 == 1) nodes[count / 2] = nodes[count - 1];", ""),
    ],
    client.reads_every_form_of_the_bytes: [
        ("a round of zero", BYTES, 'round == 0 ? bytes("")', 'false ? bytes("")'),
        ("nanoseconds of zero", BYTES, "if (nanos == 0) return", "if (false) return"),
        ("a version of zero", BYTES, 'header.versionApp == 0 ? bytes("")', 'false ? bytes("")'),
    ],
    proof.nothing_else_is_proved: [
        ("another root", CLIENT, "StateProof.appHashOf(store, root, path) != appHash", "false"),
        ("paths", CLIENT, "if (pathLength != 2)", "if (pathLength < 2)"),
        ("empty keys", STATE, "key.length > 0 && value.length > 0", "true"),
    ],
    proof.only_known_states_prove: [
        ("states that prove", CLIENT, "states[height] != keccak256(abi.encode(state))", "false"),
        ("the revision", CLIENT, "number != revision || ", ""),
    ],
    proof.nothing_is_proved_by_who_is_frozen_or_expired: [
        ("active for proofs", CLIENT, "if (!isActive()) revert NotActive();", ""),
        ("frozen for proofs", CLIENT, "return !isFrozen && ", "return "),
        ("expired for proofs", CLIENT, "return !isFrozen && latestTimeNs + trustingPeriod * NS > block.timestamp * NS", "return !isFrozen"),
    ],
    proof.a_node_is_not_taken_for_a_leaf: [
        ("depth", STATE, '_require(path.length <= DEPTH_MAX, "too deep");', ""),
        ("layers", STATE, '_require(step.height > layer, "a height below its layer");', ""),
    ],
    proof.a_key_that_is_there_is_not_proved_missing: [
        ("right of the left one", STATE, '_require(_isBelow(left.key, key), "not right of the left neighbour");', ""),
        ("left of the right one", STATE, '_require(_isBelow(key, right.key), "not left of the right neighbour");', ""),
        ("a beginning comes first", STATE, "return one.length < other.length;", "return one.length <= other.length;"),
    ],
    proof.neighbours_are_of_one_tree: [
        ("one tree", STATE, "!hasLeft || other == root", "true"),
    ],
    proof.neighbours_are_neighbours: [
        ("side by side", STATE, "_requireNeighbours(left.path, right.path);", ""),
        ("the left one's edge", STATE, "_requireEdge(left, below - 1, true);", ""),
        ("the right one's edge", STATE, "_requireEdge(right, belowRight - 1, false);", ""),
        ("the last key", STATE, "_requireEdge(left.path, left.path.length, true);", ""),
        ("the first key", STATE, "_requireEdge(right.path, right.path.length, false);", ""),
    ],
}
ROWS = {name: (file, find, replace, check) for check, rows in BENT.items() for name, file, find, replace in rows}


@pytest.fixture(scope="module")
def bent(node) -> dict[str, bytes]:
    """The creation code of each bent client, by the name of the rule."""
    made = bent_codes([row[:3] for row in ROWS.values()], PARTS)
    return {name: codes["CometClient"] for name, codes in zip(ROWS, made, strict=True)}


@pytest.mark.parametrize("name", ROWS)
def test_inv_83_a_bent_rule_is_noticed(name, evm, bent):
    with pytest.raises((AssertionError, Reverted)):
        ROWS[name][3](Followed(evm, bent[name], Chain()))
