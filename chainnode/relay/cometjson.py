"""Reads the JSON of CometBFT's RPC (v0.37 and later) into our values: headers, commits, validators, proofs, results.

Everything is Malformed that is not of the form; whether it is true is for others to find out.
"""

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import NoReturn

from chainnode.crypto.keys import validator
from chainnode.errors import Malformed
from chainnode.proofbytes import decode_proof
from chainnode.rfc3339 import time_from_text
from chainnode.types.block import (
    ABSENT_SIG,
    GO_ZERO_TIME_NS,
    HEADER_HASHES,
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    KeyType,
    PartSetHeader,
    PublicKey,
    Validator,
    ValidatorSet,
)
from chainnode.types.codes import MALFORMED
from chainnode.types.proof import CommitmentProof

Json = object
_KEY_TYPES = {"Ed25519": KeyType.ED25519, "Secp256k1": KeyType.SECP256K1}
_KEY_NAME = re.compile(r"(?:tendermint|cometbft)/PubKey(Ed25519|Secp256k1)")
_INT64_MAX = 2**63 - 1
_VOTERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """The answer to /abci_query: the value (None: nothing is there), the height of that state, and its proofs, the lowest first."""

    value: bytes | None
    height: int
    proofs: tuple[CommitmentProof, ...]


@dataclass(frozen=True, slots=True)
class EventText:
    """An event of a transaction, its attributes as texts."""

    type: str
    attributes: dict[str, str]


def _bad(detail: str) -> NoReturn:
    raise Malformed(MALFORMED, detail)


def member(document: Json, name: str) -> Json:
    """A member of an object."""
    if not isinstance(document, dict) or name not in document:
        _bad(f"'{name}' is missing")
    return document[name]


def items(document: Json) -> list[Json]:
    """The items of a list; null is an empty one, as Go writes it."""
    if document is None:
        return []
    if not isinstance(document, list):
        _bad("a list is expected")
    return document


def text(document: Json, length_max: int = 1024) -> str:
    """A text."""
    if not isinstance(document, str) or len(document) > length_max:
        _bad("a text is expected")
    return document


def whole(document: Json) -> int:
    """A number of 64 bits, as one or as text."""
    value = str(document) if type(document) in (int, str) else ""
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 19 or abs(int(value)) > _INT64_MAX:
        _bad("a number is expected")
    return int(value)


def octets(document: Json) -> bytes:
    """Bytes in base64; null is none."""
    if document is None:
        return b""
    try:
        return b64decode(text(document, 2**31), validate=True)
    except ValueError:
        _bad("base64 is expected")


def hexadecimal(document: Json) -> bytes:
    """Bytes in hexadecimal."""
    try:
        return bytes.fromhex(text(document))
    except ValueError:
        _bad("hexadecimal is expected")


def standing(document: Json) -> tuple[int, str]:
    """The last height of /status, and the chain id that the node says is its own; empty where it says none."""
    height = whole(member(member(document, "sync_info"), "latest_block_height"))
    info = document.get("node_info") if isinstance(document, dict) else None
    network = info.get("network") if isinstance(info, dict) else None
    return height, network if isinstance(network, str) else ""


def light_parts(document: Json) -> tuple[Header, Commit]:
    """Header and commit of /commit."""
    signed = member(document, "signed_header")
    return header(member(signed, "header")), commit(member(signed, "commit"))


def header(document: Json) -> Header:
    """A header. Its protocol version is compared by the hash."""
    return Header(
        chain_id=text(member(document, "chain_id")),
        height=whole(member(document, "height")),
        time_ns=time_ns(member(document, "time")),
        last_block_id=block_id(member(document, "last_block_id")),
        version_app=_app_version(document),
        **{name: hexadecimal(member(document, name)) for name in HEADER_HASHES},
    )


def _app_version(document: Json) -> int:
    version = member(document, "version")
    return whole(version["app"]) if isinstance(version, dict) and "app" in version else 0


def time_ns(document: Json) -> int:
    """A time; Go's zero time, of an absent signature, is before 1970."""
    found = text(document)
    return GO_ZERO_TIME_NS if found == "0001-01-01T00:00:00Z" else time_from_text(found)


def block_id(document: Json) -> BlockId:
    """A block's id; that of the first block's parent is empty."""
    parts = member(document, "parts")
    return BlockId(hexadecimal(member(document, "hash")), PartSetHeader(whole(member(parts, "total")), hexadecimal(member(parts, "hash"))))


def commit(document: Json) -> Commit:
    """A commit."""
    places = items(member(document, "signatures"))
    if len(places) > _VOTERS_MAX:
        _bad("a commit has too many places")
    return Commit(
        whole(member(document, "height")),
        whole(member(document, "round")),
        block_id(member(document, "block_id")),
        tuple(_commit_sig(place) for place in places),
    )


def _commit_sig(document: Json) -> CommitSig:
    flag = whole(member(document, "block_id_flag"))
    if flag == BlockIdFlag.ABSENT:
        return ABSENT_SIG
    if flag not in (BlockIdFlag.COMMIT, BlockIdFlag.NIL):
        _bad("a place of a commit has an unknown flag")
    return CommitSig(
        BlockIdFlag(flag),
        hexadecimal(member(document, "validator_address")),
        time_ns(member(document, "timestamp")),
        octets(member(document, "signature")),
    )


def validators(document: Json) -> tuple[list[Validator], int]:
    """The validators of one page of /validators, and how many there are on all pages."""
    total = whole(member(document, "total"))
    if not 0 < total <= _VOTERS_MAX:
        _bad("a set of validators has too few or too many")
    return [_validator(one) for one in items(member(document, "validators"))], total


def _validator(document: Json) -> Validator:
    key = member(document, "pub_key")
    name = _KEY_NAME.fullmatch(text(member(key, "type")))
    if name is None:
        _bad("a validator has a key of an unknown kind")
    return validator(PublicKey(_KEY_TYPES[name[1]], octets(member(key, "value"))), whole(member(document, "voting_power")))


def in_order(found: list[Validator]) -> ValidatorSet:
    """A set of validators in the order in which they were told, which is the chain's."""
    return ValidatorSet(tuple(found), sum(one.power for one in found))


def query_answer(document: Json) -> QueryAnswer:
    """The answer to /abci_query; Malformed too when the node refused."""
    response = member(document, "response")
    if whole(member(response, "code")) != 0:
        _bad(f"the query was refused: {text(member(response, 'log'), 4096)[:200]}")
    value = octets(member(response, "value"))
    assert isinstance(response, dict)
    operations = items(member(response["proofOps"], "ops")) if response.get("proofOps") else []
    proofs = tuple(decode_proof(octets(member(one, "data"))) for one in operations)
    return QueryAnswer(value or None, whole(member(response, "height")), proofs)


def block_sizes(document: Json) -> dict[int, int]:
    """How many transactions the blocks of /blockchain have, by height."""
    metas = items(member(document, "block_metas"))
    return {whole(member(member(meta, "header"), "height")): whole(member(meta, "num_txs")) for meta in metas}


def result_events(document: Json) -> list[EventText]:
    """The events of the transactions of /block_results that did not fail, in order."""
    found: list[EventText] = []
    for result in items(member(document, "txs_results")):
        if whole(member(result, "code")) == 0:
            assert isinstance(result, dict)
            found += [_event(one) for one in items(result.get("events"))]
    return found


def _event(document: Json) -> EventText:
    attributes: dict[str, str] = {}
    for one in items(member(document, "attributes")):
        value = member(one, "value")
        attributes[text(member(one, "key"))] = value if isinstance(value, str) else ""
    return EventText(text(member(document, "type")), attributes)
