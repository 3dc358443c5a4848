"""Verify all transactions of a block with their results at once: one pass, where proofs one by one would each cost the node as much."""

import asyncio
from hashlib import sha256

from chainnode.client.asking import Asker
from chainnode.client.failures import NotProved
from chainnode.client.nodes import Json, Node, parse_json
from chainnode.client.questions import NOT_APPLIED, about_header
from chainnode.digests import data_hash, results_hash
from chainnode.errors import Malformed
from chainnode.transactions import decode_transaction
from chainnode.types.block import Header
from chainnode.types.codes import BAD_PROOF, MALFORMED
from chainnode.types.transaction import TxResult

_UINT32_MAX = 2**32 - 1

Results = dict[bytes, TxResult]  # by transaction id, without events


async def block_results(asker: Asker, node: Node, height: int) -> Results:
    """The result of each transaction that block `height` applied, by one node's answers. NotProved, Unavailable, Rejected; ChainForked."""
    header = await asker.ask_node(node, about_header(height))
    above = await asker.ask_node(node, about_header(height + 1))
    block = await node.get(f"/v1/blocks/{height}", {"transactions": "raw"})
    results = await node.get(f"/v1/blocks/{height}/results", {})
    return await asyncio.to_thread(read_results, block, results, header.fact.header, above.fact.header)


def read_results(block: bytes, results: bytes, header: Header, above: Header) -> Results:
    """What a node's answers say of a block. NotProved unless the block's header and the one above it fix every byte of it."""
    try:
        raws = [bytes.fromhex(_text(raw)) for raw in _list(parse_json(block), "transactions")]
        rows = [
            TxResult(_code(row, "code"), bytes.fromhex(_text(_member(row, "data"))), ()) for row in _list(parse_json(results), "results")
        ]
    except ValueError as error:
        raise NotProved(MALFORMED, f"the block of height {header.height}: {error}") from None
    if data_hash([sha256(raw).digest() for raw in raws]) != header.data_hash:
        raise NotProved(BAD_PROOF, f"the transactions are not those of block {header.height}")
    if results_hash(rows) != above.last_results_hash or len(rows) != len(raws):
        raise NotProved(BAD_PROOF, f"the results are not those of block {header.height}")
    try:
        return {decode_transaction(raw).tx_id: row for raw, row in zip(raws, rows, strict=True) if row.code not in NOT_APPLIED}
    except Malformed as error:
        raise NotProved(MALFORMED, error.detail) from error


def _member(document: Json, name: str) -> Json:
    return document.get(name) if isinstance(document, dict) else None


def _list(document: Json, name: str) -> list[Json]:
    value = _member(document, name)
    if not isinstance(value, list):
        raise ValueError(f"{name} are missing")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError("hexadecimal is missing")
    return value


def _code(row: Json, name: str) -> int:
    value = _member(row, name)
    if type(value) is not int or not 0 <= value <= _UINT32_MAX:
        raise ValueError("a code is missing")
    return value
