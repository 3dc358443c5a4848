"""The JSON forms of blocks, results and values in the native interface.

Bytes are lower-case hexadecimal, times RFC 3339 with up to nine decimals, heights and indexes numbers,
powers decimal texts. Codec values: bytes as "0x…", whole numbers beyond 2^53 as decimal texts.
"""

from hashlib import sha256

from chainnode import codec
from chainnode.api.backend import StoredBlock
from chainnode.errors import Malformed
from chainnode.rfc3339 import time_to_text
from chainnode.types.block import HEADER_HASHES, KEY_TYPE_NAMES, VOTE_NAMES, BlockId, BlockIdFlag, Commit, Header, ValidatorSet
from chainnode.types.codes import CODES
from chainnode.types.limits import TX_BYTES_MAX
from chainnode.types.transaction import Event, Transaction, TxResult, Value

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]

CODE_NAMES = {code.number: code.name for code in CODES.values()}
_EXACT_MAX = 2**53 - 1  # whole numbers that every JSON reader keeps


def tx_id_of(raw: bytes) -> bytes:
    """The id of a transaction that the chain holds: the hash of its body. About 1 us; nothing is checked."""
    fields = codec.parse(raw, bytes_max=TX_BYTES_MAX)
    return sha256(codec.as_bytes(codec.as_array(fields, 2)[0])).digest()


def value_json(value: Value) -> Json:
    """A codec value for people and simple programs; the exact bytes stand beside it."""
    match value:
        case bytes():
            return "0x" + value.hex()
        case tuple():
            return [value_json(one) for one in value]
        case dict():
            return {name: value_json(one) for name, one in value.items()}
        case bool() | None | str():
            return value
    return value if -_EXACT_MAX <= value <= _EXACT_MAX else str(value)


def encoded_value_json(encoded: bytes) -> Json:
    """What canonical bytes spell, null when they are not canonical."""
    try:
        return value_json(codec.decode(encoded, bytes_max=len(encoded)))
    except Malformed:
        return None


def code_name(number: int) -> str:
    """The name of a code that a result holds."""
    return CODE_NAMES.get(number, "unknown")


def event_json(event: Event) -> dict[str, Json]:
    """An event of a contract."""
    return {"contract": event.contract, "name": event.name, "attributes": value_json(event.attributes)}


def result_json(result: TxResult) -> dict[str, Json]:
    """A transaction's result: its code, its bytes, what they spell, and the events."""
    return {
        "code": result.code,
        "name": code_name(result.code),
        "data": result.data.hex(),
        "value": encoded_value_json(result.data),
        "events": [event_json(event) for event in result.events],
    }


def transaction_json(tx: Transaction) -> dict[str, Json]:
    """What a transaction asks for, and who signed it."""
    body = tx.body
    return {
        "chain_id": body.chain_id,
        "signers": list(body.signers),
        "nonce": body.nonce.hex(),
        "valid_until": time_to_text(body.valid_until_ms * 1_000_000) if body.valid_until_ms < 253_402_300_800_000 else None,
        "calls": [{"contract": call.contract, "method": call.method, "arguments": value_json(call.arguments)} for call in body.calls],
        "memo": body.memo,
        "signatures": [{"suite": one.suite, "public_key": one.public_key.hex(), "signature": one.signature.hex()} for one in tx.signatures],
    }


def header_json(header: Header) -> dict[str, Json]:
    """A header."""
    document: dict[str, Json] = {
        "chain_id": header.chain_id,
        "version_app": header.version_app,
        "height": header.height,
        "time": time_to_text(header.time_ns),
        "last_block_id": block_id_json(header.last_block_id),
    }
    return document | {name: getattr(header, name).hex() for name in HEADER_HASHES}


def block_id_json(block_id: BlockId) -> dict[str, Json]:
    """A block's id; empty hashes for none."""
    return {"hash": block_id.hash.hex(), "parts": {"total": block_id.parts.total, "hash": block_id.parts.hash.hex()}}


def commit_json(commit: Commit) -> dict[str, Json]:
    """A commit; null for a validator that did not sign."""
    places: list[Json] = [
        None
        if place.flag == BlockIdFlag.ABSENT
        else {
            "vote": VOTE_NAMES[place.flag],
            "address": place.validator_address.hex(),
            "time": time_to_text(place.time_ns),
            "signature": place.signature.hex(),
        }
        for place in commit.signatures
    ]
    return {"height": commit.height, "round": commit.round, "block_id": block_id_json(commit.block_id), "signatures": places}


def validators_json(height: int, validators: ValidatorSet) -> dict[str, Json]:
    """A validator set in its order."""
    members: list[Json] = [
        {
            "address": one.address.hex(),
            "type": KEY_TYPE_NAMES[one.public_key.type],
            "key": one.public_key.data.hex(),
            "power": str(one.power),
        }
        for one in validators.validators
    ]
    return {"height": height, "power_total": str(validators.power_total), "validators": members}


def block_json(stored: StoredBlock, block_id: BlockId, *, has_raws: bool) -> dict[str, Json]:
    """A block with the ids, or the bytes, of its transactions."""
    document: dict[str, Json] = {
        "block_id": block_id_json(block_id),
        "header": header_json(stored.block.header),
        "bytes": len(stored.block_bytes),
        "batches": [digest.hex() for digest in stored.block.batch_digests],
        "transactions": [raw.hex() if has_raws else tx_id_of(raw).hex() for raw in stored.raws],
    }
    return document
