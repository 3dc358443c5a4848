"""The light client against model-based traces of tendermint-rs and against real answers of Tendermint nodes."""

import json
from dataclasses import replace

import pytest

from chainnode.digests import header_hash, validators_hash
from chainnode.errors import ChainError
from chainnode.light import (
    TrustRules,
    trusted_state,
    verify_commit,
    verify_commit_light,
    verify_signed_header,
    verify_skipping,
)
from chainnode.types.bundle import LightBlock
from chainnode.types.codes import BAD_COMMIT, NOT_ENOUGH_TRUST
from tests.vector_files import require_vectors
from tests.vectors.comet_json import read_commit, read_header, read_light_block, read_time, read_validators

RPC_FAMILIES = ("gaia_v0_34", "kvstore_v0_34", "kvstore_v0_37", "kvstore_v0_38")


def verdict_of(trusted, trusted_validators, block_json, rules, now_ns, **options):
    """The model's word for what the light client says of one step, and the trust that follows.

    Some steps bring a block without validators, which is refused when it is read.
    """
    try:
        return "SUCCESS", verify_skipping(trusted, trusted_validators, read_light_block(block_json), rules, now_ns, **options)
    except ChainError as error:
        return "NOT_ENOUGH_TRUST" if error.code == NOT_ENOUGH_TRUST else "INVALID", trusted


@pytest.mark.parametrize("every_signature", [False, True])
def test_single_steps_of_the_model_have_its_verdicts(every_signature):
    files = sorted(require_vectors("comet", "light", "single_step").glob("*.json"))
    verdicts = []
    for file in files:
        trace = json.loads(file.read_text())
        initial = trace["initial"]
        header = read_header(initial["signed_header"]["header"])
        trusted = trusted_state(header)
        validators = read_validators(initial["next_validator_set"]["validators"])
        rules = TrustRules(header.chain_id, int(initial["trusting_period"]) // 1_000_000, clock_drift_ms=0)
        for number, step in enumerate(trace["input"]):
            now_ns = read_time(step["now"])
            verdict, after = verdict_of(trusted, validators, step["block"], rules, now_ns, every_signature=every_signature)
            assert verdict == step["verdict"], f"{file.name}, step {number}"
            verdicts.append(verdict)
            if after is not trusted:
                trusted, validators = after, read_validators(step["block"]["next_validator_set"]["validators"])
    assert len(verdicts) >= 51
    assert {"SUCCESS", "NOT_ENOUGH_TRUST", "INVALID"} == set(verdicts)


@pytest.mark.parametrize("family", RPC_FAMILIES)
def test_commits_of_real_nodes_verify(family):
    folder = require_vectors("comet", "rpc", family)
    status = json.loads((folder / "status.json").read_text())["result"]
    signed = json.loads((folder / "commit_at_height_10.json").read_text())["result"]["signed_header"]
    validators = read_validators([status["validator_info"]])
    header, commit = read_header(signed["header"]), read_commit(signed["commit"])
    assert header_hash(header) == commit.block_id.hash
    assert validators_hash(validators) == header.validators_hash
    assert verify_commit(header.chain_id, validators, commit.block_id, 10, commit) == validators.power_total
    verify_commit_light(header.chain_id, validators, commit.block_id, 10, commit)
    rules = TrustRules(header.chain_id, None)
    verify_signed_header(LightBlock(header, commit, validators), rules, header.time_ns)
    for changed in (replace(commit, round=commit.round + 1), replace(commit, signatures=(replace(commit.signatures[0], time_ns=1),))):
        with pytest.raises(ChainError) as caught:
            verify_commit(header.chain_id, validators, commit.block_id, 10, changed)
        assert caught.value.code == BAD_COMMIT
