"""A stranger's reader of binary bundles, from docs/proof-bundle.md alone: it gives the JSON form. None of our code is in it.

It trusts that the bytes are canonical; that only they are read is what `chainnode/bundlebytes.py` is tested for.
"""

from datetime import UTC, datetime
from hashlib import sha256

import msgpack

NOTHING = sha256(b"").hexdigest()
TYPES = {1: "ed25519", 2: "secp256k1"}


def json_of(data):
    """The JSON form of a bundle's bytes, as Python's json module reads it."""
    tag, chain_id, genesis_hash, blocks, claim = msgpack.unpackb(data)
    assert tag == "chainnode/bundle/1"
    headers = []
    for header, (round, total, parts_hash, votes), validators in blocks:
        known = headers[-1]["validators"] if validators is None else [validator_json(*one) for one in validators]
        commit = {"round": round, "parts": {"total": total, "hash": parts_hash.hex()}, "signatures": [vote_json(vote) for vote in votes]}
        headers.append({"header": header_json(header, validators_root(known)), "commit": commit, "validators": known})
    kind, members = claim_json(claim, headers[-1]["header"]["validators_hash"])
    return {
        "version": 1,
        "kind": kind,
        "chain_id": chain_id,
        "genesis_hash": genesis_hash.hex(),
        "headers": headers,
        "claim": members,
    }


def header_json(fields, validators_hash):
    version_app, height, time, last, last_commit, data, following, consensus, app, results, evidence, proposer = fields
    hash, total, parts_hash = last or (b"", 0, b"")
    return {
        "version_app": str(version_app),
        "height": str(height),
        "time": time_text(time),
        "last_block_id": {"hash": hash.hex(), "parts": {"total": total, "hash": parts_hash.hex()}},
        "last_commit_hash": hash_text(last_commit),
        "data_hash": hash_text(data),
        "validators_hash": validators_hash,
        "next_validators_hash": validators_hash if following is None else following.hex(),
        "consensus_hash": hash_text(consensus),
        "app_hash": hash_text(app),
        "last_results_hash": hash_text(results),
        "evidence_hash": hash_text(evidence),
        "proposer_address": proposer.hex(),
    }


def hash_text(hash):
    return NOTHING if hash is None else hash.hex()


def time_text(time):
    seconds, nanos = divmod(time, 10**9)
    decimals = f".{nanos:09}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{decimals}Z"


def vote_json(vote):
    if vote is None:
        return None
    is_for_block, time, signature = vote
    return {"vote": "block" if is_for_block else "nil", "time": time_text(time), "signature": signature.hex()}


def validator_json(type, key, power):
    return {"type": TYPES[type], "key": key.hex(), "power": str(power)}


def validators_root(validators):
    """RFC 6962 over SimpleValidator{1: PublicKey{1: ed25519 | 2: secp256k1}, 2: power}."""
    leaves = []
    for one in validators:
        key = bytes.fromhex(one["key"])
        public_key = bytes([10 if one["type"] == "ed25519" else 18, len(key)]) + key
        leaves.append(bytes([10, len(public_key)]) + public_key + b"\x10" + varint(int(one["power"])))
    return root(leaves).hex()


def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def root(leaves):
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def claim_json(claim, validators_hash):
    number, *parts = claim
    if number in (5, 6, 7):
        hop = {name: state_json(*part) for name, part in zip(("chain", "client", "anchor"), parts[:3], strict=True)}
        if number == 5:
            return "anchor", hop
        if number == 7:
            chain_id, linked, inner = parts[3:]
            headers = []
            for fields, own in linked:
                headers.append(header_json(fields, headers[-1]["validators_hash"] if own is None else own.hex()))
            *links, header = headers
            kind, members = claim_json(inner, header["validators_hash"])
            return "linked", {**hop, "chain_id": chain_id, "links": links, "header": header, "kind": kind, "claim": members}
        chain_id, other_validators, header, inner = parts[3:]
        kind, members = claim_json(inner, other_validators.hex())
        header = header_json(header, other_validators.hex())
        return "anchored", {**hop, "chain_id": chain_id, "header": header, "kind": kind, "claim": members}
    if number == 1:
        return "header", {}
    if number == 2:
        return "state", state_json(*parts[0])
    if number == 3:
        leaf, index, path, head = parts
        return "evidence", {"leaf": leaf.hex(), "index": str(index), "path": [one.hex() for one in path], "head": state_json(*head)}
    assert number == 4
    raw, path, result = parts
    steps = [{"right": right.hex()} if left is None else {"left": left.hex()} for left, right in path]
    return "transaction", {"raw": raw.hex(), "path": steps, "result": result and result_json(*result, validators_hash)}


def result_json(header, own, code, data, path, validators_hash):
    block = header_json(header, validators_hash if own is None else own.hex())
    return {"block": block, "code": code, "data": data.hex(), "path": [one.hex() for one in path]}


def state_json(store, key, below, path):
    above = [["01", right.hex()] if left is None else ["01" + left.hex(), ""] for left, right in path]
    found = {}
    if len(below) == 2:
        found["presence"] = {"value": below[0].hex(), "path": steps_json(below[1])}
    else:
        left, right, shared = below
        found["absence"] = {"left": neighbour_json(left, shared), "right": neighbour_json(right, shared)}
    return {"store": store, "key": key.hex(), **found, "store_path": above}


def neighbour_json(neighbour, shared):
    if neighbour is None:
        return None
    key, value, path = neighbour
    return {"key": key.hex(), "value": value.hex(), "path": steps_json(path + shared)}


def steps_json(steps):
    return [
        [head.hex() + "0020", "20" + right.hex()] if left is None else [head.hex() + "0020" + left.hex() + "20", ""]
        for head, left, right in steps
    ]
