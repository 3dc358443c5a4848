"""Reads CometBFT's JSON forms (RPC answers, model-based test files) into our words."""

import base64
from datetime import UTC, datetime

from chainnode.crypto.keys import validator, validator_set
from chainnode.types.block import (
    ABSENT_SIG,
    NIL_BLOCK_ID,
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    KeyType,
    PartSetHeader,
    PublicKey,
    ValidatorSet,
)
from chainnode.types.bundle import LightBlock

_KEY_TYPES = {"tendermint/PubKeyEd25519": KeyType.ED25519, "tendermint/PubKeySecp256k1": KeyType.SECP256K1}


def read_time(text: str) -> int:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = datetime.fromisoformat(whole).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (seconds.days * 86400 + seconds.seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)


def read_block_id(value: dict | None) -> BlockId:
    if value is None:
        return NIL_BLOCK_ID
    parts = value.get("parts") or value.get("part_set_header")
    return BlockId(bytes.fromhex(value["hash"]), PartSetHeader(parts["total"], bytes.fromhex(parts["hash"])))


def read_header(value: dict) -> Header:
    assert value["version"]["block"] == "11"
    hashes = {
        name: bytes.fromhex(value[name])
        for name in (
            "last_commit_hash",
            "data_hash",
            "validators_hash",
            "next_validators_hash",
            "consensus_hash",
            "app_hash",
            "last_results_hash",
            "evidence_hash",
            "proposer_address",
        )
    }
    return Header(
        chain_id=value["chain_id"],
        height=int(value["height"]),
        time_ns=read_time(value["time"]),
        last_block_id=read_block_id(value["last_block_id"]),
        version_app=int(value["version"].get("app", "0")),
        **hashes,
    )


def read_commit(value: dict) -> Commit:
    places = []
    for item in value["signatures"]:
        flag = BlockIdFlag(item["block_id_flag"])
        if flag == BlockIdFlag.ABSENT:
            places.append(ABSENT_SIG)
            continue
        signature = base64.b64decode(item["signature"])
        places.append(CommitSig(flag, bytes.fromhex(item["validator_address"]), read_time(item["timestamp"]), signature))
    return Commit(int(value["height"]), value["round"], read_block_id(value["block_id"]), tuple(places))


def read_public_key(value: dict) -> PublicKey:
    return PublicKey(_KEY_TYPES[value["type"]], base64.b64decode(value["value"]))


def read_validators(values: list[dict]) -> ValidatorSet:
    return validator_set(validator(read_public_key(one["pub_key"]), int(one.get("voting_power") or one.get("power"))) for one in values)


def read_light_block(value: dict) -> LightBlock:
    signed = value["signed_header"]
    validators = read_validators(value["validator_set"]["validators"])
    return LightBlock(read_header(signed["header"]), read_commit(signed["commit"]), validators)
