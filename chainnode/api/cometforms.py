"""CometBFT's JSON forms (RPC of v0.38): hashes in upper-case hexadecimal, other bytes in base64, 64-bit numbers as texts."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import ip_address

from chainnode.api.backend import NodeInfo, PeerStatus, ProvedValue, Status, StoredBlock
from chainnode.api.forms import Json
from chainnode.crypto.keys import address, validator
from chainnode.proofbytes import encode_proof
from chainnode.rfc3339 import time_to_text
from chainnode.types.block import (
    BLOCK_PROTOCOL,
    GO_ZERO_TIME_NS,
    NIL_BLOCK_ID,
    BlockId,
    Commit,
    Header,
    KeyType,
    PublicKey,
    Validator,
)
from chainnode.types.bundle import LightBlock
from chainnode.types.genesis import ChainParams, Genesis

RPC_VERSION = "0.38.0"  # the version of CometBFT whose RPC this is; clients choose their dialect by it
KEY_NAMES = {KeyType.ED25519: "tendermint/PubKeyEd25519", KeyType.SECP256K1: "tendermint/PubKeySecp256k1"}
KEY_TYPES = {KeyType.ED25519: "ed25519", KeyType.SECP256K1: "secp256k1"}
PROOF_IAVL = "ics23:iavl"
PROOF_SIMPLE = "ics23:simple"
_EVIDENCE_AGE_BLOCKS = 100_000
_PEER_PROTOCOL = "0"  # peers speak our own protocol
_NS_PER_MS = 1_000_000


def _hash(value: bytes) -> str:
    return value.hex().upper()


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def block_id_form(block_id: BlockId) -> dict[str, Json]:
    """BlockID."""
    return {"hash": _hash(block_id.hash), "parts": {"total": block_id.parts.total, "hash": _hash(block_id.parts.hash)}}


def header_form(header: Header) -> dict[str, Json]:
    """Header."""
    return {
        "version": {"block": str(BLOCK_PROTOCOL), "app": str(header.version_app)},
        "chain_id": header.chain_id,
        "height": str(header.height),
        "time": time_to_text(header.time_ns),
        "last_block_id": block_id_form(header.last_block_id),
        "last_commit_hash": _hash(header.last_commit_hash),
        "data_hash": _hash(header.data_hash),
        "validators_hash": _hash(header.validators_hash),
        "next_validators_hash": _hash(header.next_validators_hash),
        "consensus_hash": _hash(header.consensus_hash),
        "app_hash": _hash(header.app_hash),
        "last_results_hash": _hash(header.last_results_hash),
        "evidence_hash": _hash(header.evidence_hash),
        "proposer_address": _hash(header.proposer_address),
    }


def commit_form(commit: Commit | None) -> dict[str, Json]:
    """Commit; None is that of the first block's parent, which is empty."""
    if commit is None:
        return {"height": "0", "round": 0, "block_id": block_id_form(NIL_BLOCK_ID), "signatures": []}
    signatures: list[Json] = [
        {
            "block_id_flag": int(place.flag),
            "validator_address": _hash(place.validator_address),
            "timestamp": time_to_text(place.time_ns),
            "signature": _base64(place.signature) if place.signature else None,
        }
        for place in commit.signatures
    ]
    return {
        "height": str(commit.height),
        "round": commit.round,
        "block_id": block_id_form(commit.block_id),
        "signatures": signatures,
    }


def signed_header_form(light: LightBlock, *, is_canonical: bool) -> dict[str, Json]:
    """ResultCommit. A commit is canonical when the next block holds it."""
    return {"signed_header": {"header": header_form(light.header), "commit": commit_form(light.commit)}, "canonical": is_canonical}


def block_form(stored: StoredBlock, block_id: BlockId) -> dict[str, Json]:
    """ResultBlock."""
    return {
        "block_id": block_id_form(block_id),
        "block": {
            "header": header_form(stored.block.header),
            "data": {"txs": [_base64(raw) for raw in stored.raws]},
            "evidence": {"evidence": []},
            "last_commit": commit_form(stored.block.last_commit),
        },
    }


def unknown_block_form() -> dict[str, Json]:
    """ResultBlock of a hash that is no block's."""
    return {"block_id": block_id_form(NIL_BLOCK_ID), "block": None}


def block_meta_form(stored: StoredBlock, block_id: BlockId) -> dict[str, Json]:
    """BlockMeta. The size is that of our block with its transactions."""
    size = len(stored.block_bytes) + sum(map(len, stored.raws))
    return {
        "block_id": block_id_form(block_id),
        "block_size": str(size),
        "header": header_form(stored.block.header),
        "num_txs": str(len(stored.raws)),
    }


def public_key_form(key: PublicKey) -> dict[str, Json]:
    """PubKey under its amino name."""
    return {"type": KEY_NAMES[key.type], "value": _base64(key.data)}


def validator_form(one: Validator) -> dict[str, Json]:
    """Validator. Proposers are chosen by another rule than CometBFT's, so there is no priority to tell."""
    return {
        "address": _hash(one.address),
        "pub_key": public_key_form(one.public_key),
        "voting_power": str(one.power),
        "proposer_priority": "0",
    }


def status_form(info: NodeInfo, now: Status, earliest: LightBlock | None, latest: LightBlock | None) -> dict[str, Json]:
    """ResultStatus. Where CometBFT has the 20-byte id of a node, ours has a hash of its DID."""
    key = now.validator_key
    validator_info: dict[str, Json] = {"address": "", "pub_key": None, "voting_power": "0"}
    if key is not None:
        validator_info = {"address": _hash(address(key)), "pub_key": public_key_form(key), "voting_power": str(now.validator_power)}
    first = None if earliest is None else earliest.header
    return {
        "node_info": _node_info(info.node_id, info.address, info.moniker, info.genesis.chain_id),
        "sync_info": {
            "latest_block_hash": _hash(now.block_hash),
            "latest_app_hash": "" if latest is None else _hash(latest.header.app_hash),
            "latest_block_height": str(now.height),
            "latest_block_time": time_to_text(now.time_ns),
            "earliest_block_hash": "" if earliest is None else _hash(earliest.commit.block_id.hash),
            "earliest_app_hash": "" if first is None else _hash(first.app_hash),
            "earliest_block_height": str(0 if first is None else first.height),
            "earliest_block_time": time_to_text(info.genesis.time_ns if first is None else first.time_ns),
            "catching_up": now.is_catching_up,
        },
        "validator_info": validator_info,
    }


def _node_info(node_id: str, address: str, moniker: str, chain_id: str) -> dict[str, Json]:
    return {
        "protocol_version": {"p2p": _PEER_PROTOCOL, "block": str(BLOCK_PROTOCOL), "app": "0"},
        "id": sha256(node_id.encode()).digest()[:20].hex(),
        "listen_addr": f"tcp://{address}",
        "network": chain_id,
        "version": RPC_VERSION,
        "channels": "",
        "moniker": moniker,
        "other": {"tx_index": "on", "rpc_address": ""},
    }


def net_info_form(info: NodeInfo, peers: Sequence[PeerStatus]) -> dict[str, Json]:
    """ResultNetInfo. Traffic is counted in /metrics, not here; an address that is not known is 0.0.0.0."""
    monitor: dict[str, Json] = {
        "Start": time_to_text(GO_ZERO_TIME_NS),
        **dict.fromkeys(("Bytes", "Samples", "InstRate", "CurRate", "AvgRate", "PeakRate", "BytesRem", "Duration", "Idle", "TimeRem"), "0"),
        "Progress": 0,
        "Active": True,
    }
    rows: list[Json] = [
        {
            "node_info": _node_info(one.node_id, one.address, one.moniker, info.genesis.chain_id),
            "is_outbound": one.is_outbound,
            "connection_status": {"Duration": "0", "SendMonitor": monitor, "RecvMonitor": monitor, "Channels": []},
            "remote_ip": _ip_of(one.address),
        }
        for one in peers
    ]
    return {"listening": True, "listeners": ["Listener(@)"], "n_peers": str(len(rows)), "peers": rows}


def _ip_of(address: str) -> str:
    try:
        return str(ip_address(address.rpartition(":")[0].strip("[]")))
    except ValueError:
        return "0.0.0.0"


def query_form(proved: ProvedValue, key: bytes, *, has_proof: bool) -> dict[str, Json]:
    """ResponseQuery: the proof leads to the app_hash of the header one above its height."""
    ops: Json = None
    if has_proof:
        proof = proved.proof
        ops = {
            "ops": [
                _proof_op(PROOF_IAVL, key, encode_proof(proof.proof)),
                _proof_op(PROOF_SIMPLE, proof.store.encode(), encode_proof(proof.store_proof)),
            ]
        }
    return {
        "response": {
            "code": 0,
            "log": "",
            "info": "",
            "index": "0",
            "key": _base64(key),
            "value": None if proved.value is None else _base64(proved.value),
            "proofOps": ops,
            "height": str(proved.height),
            "codespace": "",
        }
    }


def failed_query_form(number: int, name: str, detail: str, height: int) -> dict[str, Json]:
    """ResponseQuery of a query that could not be answered."""
    return {
        "response": {
            "code": number,
            "log": f"{name}: {detail}",
            "info": "",
            "index": "0",
            "key": None,
            "value": None,
            "proofOps": None,
            "height": str(height),
            "codespace": "chainnode",
        }
    }


def _proof_op(kind: str, key: bytes, content: bytes) -> dict[str, Json]:
    return {"type": kind, "key": _base64(key), "data": _base64(content)}


def genesis_form(genesis: Genesis) -> dict[str, Json]:
    """ResultGenesis: what CometBFT's genesis file would hold for this chain. Ours is at /v1/genesis."""
    validators: list[Json] = [
        {
            "address": _hash(validator(one.public_key, one.power).address),
            "pub_key": public_key_form(one.public_key),
            "power": str(one.power),
            "name": one.name,
        }
        for one in genesis.validators
    ]
    return {
        "genesis": {
            "genesis_time": time_to_text(genesis.time_ns),
            "chain_id": genesis.chain_id,
            "initial_height": "1",
            "consensus_params": params_form(genesis, genesis.params),
            "validators": validators,
            "app_hash": "",
        }
    }


def params_form(genesis: Genesis, params: ChainParams) -> dict[str, Json]:
    """ConsensusParams, as far as our parameters have a place in them."""
    kinds = sorted({KEY_TYPES[one.public_key.type] for one in genesis.validators})
    return {
        "block": {"max_bytes": str(params.block_bytes_max), "max_gas": "-1"},
        "evidence": {
            "max_age_num_blocks": str(_EVIDENCE_AGE_BLOCKS),
            "max_age_duration": str(params.trusting_period_ms * _NS_PER_MS),
            "max_bytes": "0",
        },
        "validator": {"pub_key_types": [*kinds]},
        "version": {"app": "0"},
        "abci": {"vote_extensions_enable_height": "0"},
    }
