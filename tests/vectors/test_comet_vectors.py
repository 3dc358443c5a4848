"""CometBFT's published vectors, and the hashes in real answers of Tendermint nodes."""

import base64
import hashlib
import json

import pytest

from chainnode import cometbytes, digests, merkle
from chainnode.crypto.keys import address
from chainnode.types.block import GO_ZERO_TIME_NS, KeyType, PublicKey, Vote
from tests.vector_files import require_vectors
from tests.vectors.comet_json import read_block_id, read_commit, read_header, read_time, read_validators

RPC_FAMILIES = ("gaia_v0_34", "kvstore_v0_34", "kvstore_v0_37", "kvstore_v0_38")
TX_FAMILIES = ("kvstore_v0_34", "kvstore_v0_37", "kvstore_v0_38")
GO_ZERO_TIME = "0001-01-01T00:00:00Z"


def load(*parts: str) -> dict:
    return json.loads(require_vectors("comet", *parts).read_text())


def result_of(family: str, name: str) -> dict:
    return load("rpc", family, name)["result"]


def test_vote_sign_bytes():
    vectors = load("vote_sign_bytes.json")["vectors"]
    assert len(vectors) >= 6
    for one in vectors:
        time_ns = GO_ZERO_TIME_NS if one["timestamp"] == GO_ZERO_TIME else read_time(one["timestamp"])
        block_id = None if one["block_id"] is None else read_block_id(one["block_id"])
        vote = Vote(one["type"], one["height"], one["round"], block_id, time_ns, b"", 0)
        assert cometbytes.vote_sign_bytes(one["chain_id"], vote).hex() == one["sign_bytes"], one["note"]


def test_header_hashes():
    vectors = [one for one in load("header_hash.json")["vectors"] if one["hash"] is not None]
    assert len(vectors) >= 2
    for one in vectors:
        fields = load(one["headerFile"]) if "headerFile" in one else one["header"]
        version = fields["version"]["block"]
        fields["version"]["block"] = "11"
        leaves = list(cometbytes.header_leaves(read_header(fields)))
        if version == "11":
            assert digests.header_hash(read_header(fields)).hex().upper() == one["hash"]
        assert leaves[0][:2] == b"\x08\x0b"
        leaves[0] = b"\x08" + bytes([int(version)]) + leaves[0][2:]  # our headers are of version 11 alone
        assert merkle.root(leaves).hex().upper() == one["hash"], one["note"]


def test_merkle_roots():
    vectors = load("merkle_root.json")["vectors"]
    assert vectors
    for one in vectors:
        assert merkle.root([bytes.fromhex(item) for item in one["items"]]).hex() == one["root"], one["note"]


def test_secp256k1_addresses():
    vectors = load("secp256k1_address.json")["vectors"]
    assert vectors
    for one in vectors:
        assert address(PublicKey(KeyType.SECP256K1, bytes.fromhex(one["publicKey"]))).hex() == one["address"]


@pytest.mark.parametrize("family", RPC_FAMILIES)
def test_a_chain_of_ten_real_headers(family):
    metas = sorted(result_of(family, "blockchain_from_1_to_10.json")["block_metas"], key=lambda meta: int(meta["header"]["height"]))
    assert len(metas) == 10
    last_id = None
    for meta in metas:
        header, block_id = read_header(meta["header"]), read_block_id(meta["block_id"])
        assert digests.header_hash(header) == block_id.hash
        assert last_id is None or header.last_block_id == last_id
        last_id = block_id


@pytest.mark.parametrize("family", RPC_FAMILIES)
def test_real_blocks_have_the_hashes_of_their_headers(family):
    for name in ("block_at_height_1.json", "block_at_height_10.json", "block_by_hash.json"):
        if not require_vectors("comet", "rpc", family).joinpath(name).exists():
            continue
        block = result_of(family, name)["block"]
        header = read_header(block["header"])
        commit = read_commit(block["last_commit"]) if header.height > 1 else None
        raws = [base64.b64decode(raw) for raw in block["data"]["txs"] or ()]
        assert digests.header_hash(header) == read_block_id(result_of(family, name)["block_id"]).hash
        assert digests.commit_hash(commit) == header.last_commit_hash
        assert digests.data_hash([hashlib.sha256(raw).digest() for raw in raws]) == header.data_hash
        assert not block["evidence"]["evidence"]
        assert digests.evidence_hash(()) == header.evidence_hash
        assert digests.results_hash(()) == header.last_results_hash


@pytest.mark.parametrize("family", RPC_FAMILIES)
def test_real_commits_validators_and_parameters_have_their_hashes(family):
    signed = result_of(family, "commit_at_height_10.json")["signed_header"]
    header, commit = read_header(signed["header"]), read_commit(signed["commit"])
    assert digests.header_hash(header) == commit.block_id.hash
    info = result_of(family, "status.json")["validator_info"]
    validators = read_validators([info])
    assert validators.validators[0].address.hex().upper() == info["address"]
    assert digests.validators_hash(validators) == header.validators_hash == header.next_validators_hash
    params = result_of(family, "consensus_params.json")["consensus_params"]["block"]
    assert digests.consensus_hash(int(params["max_bytes"]), int(params["max_gas"])) == header.consensus_hash


@pytest.mark.parametrize("family", TX_FAMILIES)
def test_real_transactions_are_in_the_data_hash(family):
    answers = result_of(family, "tx_search_with_prove.json")["txs"]
    assert answers
    for one in answers:
        raw = base64.b64decode(one["tx"])
        proof = one["proof"]["proof"]
        leaf = merkle.leaf_hash(hashlib.sha256(raw).digest())
        assert leaf == base64.b64decode(proof["leaf_hash"])
        path = [base64.b64decode(aunt) for aunt in proof["aunts"]]
        root = bytes.fromhex(one["proof"]["root_hash"])
        assert merkle.verify_inclusion(int(proof["index"]), int(proof["total"]), leaf, path, root)
        if int(proof["total"]) == 1:
            assert digests.data_hash([hashlib.sha256(raw).digest()]) == root
