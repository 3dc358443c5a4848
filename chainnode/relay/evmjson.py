"""Reads the JSON of Ethereum's RPC into our values: headers as the RLP that was sealed, logs, proofs.

Everything is Malformed that is not of the form; whether it is true is for others to find out. Source: Ethereum execution-apis.
"""

import re
from dataclasses import dataclass

from chainnode.errors import Malformed
from chainnode.foreign import rlp
from chainnode.foreign.trie import encode_nodes
from chainnode.relay.attestguard import SeenBlock
from chainnode.types.codes import MALFORMED
from chainnode.types.limits import RELAY_EVENTS_MAX, TRIE_NODES_MAX

Json = object
_HASH_BYTES = 32
_DATA = re.compile(r"0x((?:[0-9a-fA-F]{2})*)", re.ASCII)
_QUANTITY = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})", re.ASCII)
_NUMBERS = frozenset(("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas"))
_FIELDS = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
)
_LATER_FIELDS = ("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash")


@dataclass(frozen=True, slots=True)
class EvmLog:
    """What a contract logged in a block."""

    height: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class EvmReceipt:
    """What became of a transaction."""

    height: int
    is_done: bool


def member(document: Json, name: str) -> Json:
    """A member of an object. Malformed(MALFORMED)."""
    if not isinstance(document, dict) or name not in document:
        raise Malformed(MALFORMED, f"the answer has no {name}")
    return document[name]


def data(document: Json) -> bytes:
    """Bytes, as 0x with two digits each."""
    found = _DATA.fullmatch(document) if isinstance(document, str) else None
    if found is None:
        raise Malformed(MALFORMED, "bytes of the answer are not 0x with digits in pairs")
    return bytes.fromhex(found[1])


def quantity(document: Json) -> int:
    """A number, as 0x without zeros in front."""
    found = _QUANTITY.fullmatch(document) if isinstance(document, str) else None
    if found is None:
        raise Malformed(MALFORMED, "a number of the answer is not 0x with digits")
    return int(found[1], 16)


def header(document: Json) -> bytes:
    """The header of a block in RLP. Fields of later forks of Ethereum follow as far as they are there."""
    fields = [_field(document, name) for name in _FIELDS]
    for name in _LATER_FIELDS:
        if not isinstance(document, dict) or document.get(name) is None:
            break
        fields.append(_field(document, name))
    return rlp.encode(tuple(fields))


def height(document: Json) -> int:
    """The number of a block."""
    return quantity(member(document, "number"))


def seen_block(document: Json) -> SeenBlock:
    """What names a block: number, time, hash and state root, as the node says."""
    block_hash, root = data(member(document, "hash")), data(member(document, "stateRoot"))
    if len(block_hash) != _HASH_BYTES or len(root) != _HASH_BYTES:
        raise Malformed(MALFORMED, "a hash of the block has not 32 bytes")
    return SeenBlock(height(document), quantity(member(document, "timestamp")), block_hash, root)


def slot_proof(document: Json) -> bytes:
    """The proof of one slot, from the answer to `eth_getProof`: RLP[nodes to the account, nodes to the slot]."""
    slots = _array(member(document, "storageProof"), 1)
    if len(slots) != 1:
        raise Malformed(MALFORMED, "not the proof of one slot")
    return encode_nodes(_nodes(member(document, "accountProof")), _nodes(member(slots[0], "proof")))


def logs(document: Json) -> tuple[EvmLog, ...]:
    """Logs, in order."""
    found = []
    for one in _array(document, RELAY_EVENTS_MAX * 2):
        topics = tuple(map(data, _array(member(one, "topics"), 4)))
        at = quantity(member(one, "blockNumber"))
        found.append(EvmLog(at, data(member(one, "address")), topics, data(member(one, "data"))))
    return tuple(found)


def receipt(document: Json) -> EvmReceipt | None:
    """What became of a transaction; None while no block has it."""
    if document is None:
        return None
    return EvmReceipt(quantity(member(document, "blockNumber")), quantity(member(document, "status")) == 1)


def _field(document: Json, name: str) -> rlp.Item:
    content = member(document, name)
    return rlp.number(quantity(content)) if name in _NUMBERS else data(content)


def _nodes(document: Json) -> list[bytes]:
    return [data(one) for one in _array(document, TRIE_NODES_MAX)]


def _array(document: Json, most: int) -> list[Json]:
    if not isinstance(document, list) or len(document) > most:
        raise Malformed(MALFORMED, f"not a list of at most {most}")
    return document
