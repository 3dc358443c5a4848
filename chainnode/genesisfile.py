"""Reads and writes genesis.json, and makes the canonical bytes of a genesis, whose SHA-256 names the chain's beginning.

The text is strict: every member is known and of its type, and none stands twice. Missing parameters have their defaults;
the hash covers what the text means, not how it is laid out.
"""

import json
import re
from dataclasses import asdict, fields
from typing import NoReturn

from chainnode import codec
from chainnode.bid import parse_did
from chainnode.crypto.keys import POWER_TOTAL_MAX, validator, validator_set
from chainnode.crypto.suites import PUBLIC_KEY_BYTES
from chainnode.errors import Malformed
from chainnode.rfc3339 import time_from_text, time_to_text
from chainnode.types.block import KEY_TYPE_NAMES, PublicKey
from chainnode.types.codes import BAD_GENESIS
from chainnode.types.genesis import ChainParams, Genesis, GenesisGrant, GenesisValidator
from chainnode.types.limits import (
    ADDRESS_LENGTH_MAX,
    BATCH_BYTES_MAX,
    CHAIN_ID_BYTES_MAX,
    GENESIS_BYTES_MAX,
    GENESIS_GRANTS_MAX,
    NAME_BYTES_MAX,
    TX_BYTES_MAX,
    VALIDATORS_MAX,
)

GENESIS_VERSION = 1
_INT64_MAX = 2**63 - 1
_DAY_MS = 24 * 3_600_000
_CHAIN_ID = re.compile(r"[a-z0-9][a-z0-9-]*-[1-9][0-9]{0,7}", re.ASCII)  # revisions that light clients follow: foreign/heights.py
_PEER_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?):([1-9][0-9]{0,4})", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_KEY_TYPES = {name: key_type for key_type, name in KEY_TYPE_NAMES.items()}

# What each parameter may be, at genesis and by governance after it; both bounds included. A network that cannot decide cannot
# change its parameters either, so those that consensus waits by leave room for a slow network and ordinary clocks (INV-28).
PARAM_BOUNDS: dict[str, tuple[int, int]] = {
    "block_bytes_max": (BATCH_BYTES_MAX, 6 * 1024 * 1024),  # a full batch fits into a block, a block with its batches into a frame
    "block_txs_max": (1000, 1_000_000),
    "tx_bytes_max": (1024, TX_BYTES_MAX),
    "tx_lifetime_ms_max": (1000, 600_000),
    "precision_ms": (50, 60_000),
    "message_delay_ms": (500, 600_000),
    "timeout_propose_ms": (1, 600_000),
    "timeout_vote_ms": (1, 600_000),
    "timeout_delta_ms": (1, 600_000),  # without growth a slow network never decides
    "timeout_ms_max": (1000, 600_000),
    "block_interval_ms": (0, 600_000),
    "heartbeat_ms": (1, _DAY_MS),
    "trusting_period_ms": (_DAY_MS, 100 * 366 * _DAY_MS),
}

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]


def genesis_from_json(text: str) -> Genesis:
    """The genesis that a file holds. Malformed(BAD_GENESIS) names the member that is wrong."""
    if len(text) > GENESIS_BYTES_MAX:
        _refuse("the file", "is too long")
    try:
        document: Json = json.loads(text, object_pairs_hook=_object_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Malformed(BAD_GENESIS, f"the file is not JSON: {error}") from error
    root = _object(document, "the file", ("chain_id", "genesis_time", "params", "validators", "grants"))
    genesis = Genesis(
        _text(root["chain_id"], "chain_id", CHAIN_ID_BYTES_MAX),
        _time(root["genesis_time"], "genesis_time"),
        _params(root["params"]),
        tuple(
            _validator(one, f"validators[{index}]") for index, one in enumerate(_array(root["validators"], "validators", VALIDATORS_MAX))
        ),
        tuple(_grant(one, f"grants[{index}]") for index, one in enumerate(_array(root["grants"], "grants", GENESIS_GRANTS_MAX))),
    )
    check_genesis(genesis)
    return genesis


def genesis_to_json(genesis: Genesis) -> str:
    """The file of a genesis, in one fixed layout, all parameters written out."""
    document = {
        "chain_id": genesis.chain_id,
        "genesis_time": time_to_text(genesis.time_ns),
        "params": asdict(genesis.params),
        "validators": [
            {
                "operator": one.operator,
                "name": one.name,
                "public_key": {"type": KEY_TYPE_NAMES[one.public_key.type], "value": one.public_key.data.hex()},
                "power": one.power,
                "node_key": one.node_key.hex(),
                "peer_address": one.peer_address,
            }
            for one in genesis.validators
        ],
        "grants": [{"did": one.did, "role": one.role, "expires_ms": one.expires_ms} for one in genesis.grants],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def encode_genesis(genesis: Genesis) -> bytes:
    """The canonical bytes: `[version, chain_id, time_ns, params by name, validators, grants]`."""
    return codec.encode(
        (
            GENESIS_VERSION,
            genesis.chain_id,
            genesis.time_ns,
            asdict(genesis.params),
            tuple(
                (one.operator, one.name, one.public_key.type, one.public_key.data, one.power, one.node_key, one.peer_address)
                for one in genesis.validators
            ),
            tuple((one.did, one.role, one.expires_ms) for one in genesis.grants),
        )
    )


def check_chain_id(chain_id: str) -> None:
    """Malformed(BAD_GENESIS) unless the chain id is `name-<revision>`, at most 50 bytes; IBC reads the revision from it."""
    if len(chain_id) > CHAIN_ID_BYTES_MAX or not _CHAIN_ID.fullmatch(chain_id):
        _refuse(
            "chain_id",
            f"is not lower-case letters, digits and dashes, then - and a revision of 1 to 8 digits, at most {CHAIN_ID_BYTES_MAX} bytes",
        )


def check_params(params: ChainParams) -> None:
    """Malformed(BAD_GENESIS) unless every parameter is within PARAM_BOUNDS and they fit each other."""
    for name, (least, most) in PARAM_BOUNDS.items():
        value: int = getattr(params, name)
        if not least <= value <= most:
            _refuse(f"params.{name}", f"is {value}, not between {least} and {most}")
    if params.timeout_ms_max < max(params.timeout_propose_ms, params.timeout_vote_ms):
        _refuse("params.timeout_ms_max", "is below the timeouts that it caps")
    if params.tx_lifetime_ms_max < params.block_interval_ms:
        _refuse("params.tx_lifetime_ms_max", "is below the block interval: transactions would expire before their block")


def check_peer_address(address: str, where: str = "the peer address") -> None:
    """Malformed(BAD_GENESIS) unless it is host:port, of at most ADDRESS_LENGTH_MAX ASCII characters."""
    found = _PEER_ADDRESS.fullmatch(address)
    if found is None or int(found[1]) > 65_535 or len(address) > ADDRESS_LENGTH_MAX:
        _refuse(where, "is not host:port")


def check_genesis(genesis: Genesis) -> None:
    """Malformed(BAD_GENESIS) unless a chain can begin with it: known members in their ranges, validators that differ."""
    check_chain_id(genesis.chain_id)
    if not 0 < genesis.time_ns <= _INT64_MAX:
        _refuse("genesis_time", "is not between the years 1970 and 2262")
    check_params(genesis.params)
    try:
        validator_set(validator(one.public_key, one.power) for one in genesis.validators)
    except Malformed as error:
        raise Malformed(BAD_GENESIS, f"validators: {error.detail}") from error
    for index, one in enumerate(genesis.validators):
        _check_validator(one, f"validators[{index}]")
    if len({one.node_key for one in genesis.validators}) != len(genesis.validators):
        _refuse("validators", "have the same node_key twice")
    for index, grant in enumerate(genesis.grants):
        _check_did(grant.did, f"grants[{index}].did")
    if len({(grant.did, grant.role) for grant in genesis.grants}) != len(genesis.grants):
        _refuse("grants", "give one role twice to one DID")


def _check_validator(one: GenesisValidator, where: str) -> None:
    _check_did(one.operator, f"{where}.operator")
    if len(one.node_key) != PUBLIC_KEY_BYTES["e"]:
        _refuse(f"{where}.node_key", f"has {len(one.node_key)} bytes, not {PUBLIC_KEY_BYTES['e']}")
    check_peer_address(one.peer_address, f"{where}.peer_address")


def _check_did(text: str, where: str) -> None:
    try:
        did = parse_did(text)
    except Malformed as error:
        raise Malformed(BAD_GENESIS, f"{where}: {error.detail}") from error
    if not did.is_registrable:
        _refuse(where, "is not a DID in Base58 with 22 bytes of a key's digest")


def _params(value: Json) -> ChainParams:
    names = tuple(field.name for field in fields(ChainParams))
    members = _object(value, "params", names, optional=names)
    return ChainParams(**{name: _integer(member, f"params.{name}", _INT64_MAX) for name, member in members.items()})


def _validator(value: Json, where: str) -> GenesisValidator:
    members = _object(value, where, ("operator", "name", "public_key", "power", "node_key", "peer_address"))
    return GenesisValidator(
        _text(members["operator"], f"{where}.operator", NAME_BYTES_MAX),
        _text(members["name"], f"{where}.name", NAME_BYTES_MAX),
        _public_key(members["public_key"], f"{where}.public_key"),
        _integer(members["power"], f"{where}.power", POWER_TOTAL_MAX),
        _bytes(members["node_key"], f"{where}.node_key"),
        _text(members["peer_address"], f"{where}.peer_address", ADDRESS_LENGTH_MAX),
    )


def _public_key(value: Json, where: str) -> PublicKey:
    members = _object(value, where, ("type", "value"))
    name = _text(members["type"], f"{where}.type", NAME_BYTES_MAX)
    if name not in _KEY_TYPES:
        _refuse(f"{where}.type", "is neither ed25519 nor secp256k1")
    return PublicKey(_KEY_TYPES[name], _bytes(members["value"], f"{where}.value"))


def _grant(value: Json, where: str) -> GenesisGrant:
    members = _object(value, where, ("did", "role", "expires_ms"))
    return GenesisGrant(
        _text(members["did"], f"{where}.did", NAME_BYTES_MAX),
        _text(members["role"], f"{where}.role", NAME_BYTES_MAX),
        _integer(members["expires_ms"], f"{where}.expires_ms", _INT64_MAX),
    )


def _object(value: Json, where: str, names: tuple[str, ...], *, optional: tuple[str, ...] = ()) -> dict[str, Json]:
    if not isinstance(value, dict):
        _refuse(where, "is not an object")
    for name in value:
        if name not in names:
            _refuse(where, f"has a member '{name[:NAME_BYTES_MAX]}' that is not known")
    for name in names:
        if name not in value and name not in optional:
            _refuse(where, f"has no member '{name}'")
    return value


def _array(value: Json, where: str, length_max: int) -> list[Json]:
    if not isinstance(value, list):
        _refuse(where, "is not an array")
    if len(value) > length_max:
        _refuse(where, f"has more than {length_max} elements")
    return value


def _text(value: Json, where: str, length_max: int) -> str:
    if not isinstance(value, str):
        _refuse(where, "is not a text")
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        _refuse(where, "is not Unicode text")
    if not 0 < length <= length_max:
        _refuse(where, f"is empty, or longer than {length_max} bytes")
    return value


def _bytes(value: Json, where: str) -> bytes:
    text = _text(value, where, 2 * NAME_BYTES_MAX)
    if not _HEX.fullmatch(text):
        _refuse(where, "is not lower-case hexadecimal")
    return bytes.fromhex(text)


def _integer(value: Json, where: str, maximum: int) -> int:
    if type(value) is not int:
        _refuse(where, "is not a whole number")
    if not 0 <= value <= maximum:
        _refuse(where, f"is not between 0 and {maximum}")
    return value


def _time(value: Json, where: str) -> int:
    try:
        return time_from_text(_text(value, where, NAME_BYTES_MAX))
    except Malformed as error:
        raise Malformed(BAD_GENESIS, f"{where}: {error.detail}") from error


def _object_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has one member twice")
    return members


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _refuse(where: str, what: str) -> NoReturn:
    raise Malformed(BAD_GENESIS, f"{where} {what}")
