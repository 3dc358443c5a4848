"""Ethereum's JSON-RPC over the endpoints of a chain."""

import json
from collections.abc import Callable
from typing import TypeVar

from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.foreign.evmerrors import refusal
from chainnode.relay import evmjson
from chainnode.relay.endpoints import Endpoint, Endpoints, beside_loop, read_json
from chainnode.types.codes import CHAIN_SILENT, EVM_REVERTED

Read = TypeVar("Read")
_MEDIA = "application/json"


def hexed(content: bytes | int) -> str:
    """Bytes or a number, as the RPC writes them."""
    return hex(content) if isinstance(content, int) else "0x" + content.hex()


async def ask(endpoints: Endpoints, endpoint: Endpoint, read: Callable[[object], Read], method: str, *params: object) -> Read:
    """The result of a method, read.

    Rejected(EVM_REVERTED) when a contract refused; Unavailable with what the endpoint says when it refuses itself, or says it in no
    form that is known.
    """
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    content = await endpoints.request(endpoint, "POST", "", {}, body, _MEDIA)
    return await beside_loop(content, lambda: _result(endpoint, read, method, read_json(endpoint.url, content)))


def _result(endpoint: Endpoint, read: Callable[[object], Read], method: str, answer: object) -> Read:
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        reverted = error.get("data")
        if isinstance(reverted, str) and reverted.startswith("0x"):
            raise Rejected(EVM_REVERTED, refusal(_bytes(reverted)))
        raise Unavailable(CHAIN_SILENT, f"{endpoint.url} {method}: {str(error.get('message'))[:200]}")
    try:
        return read(evmjson.member(answer, "result"))
    except Malformed as failure:
        raise Unavailable(CHAIN_SILENT, f"{endpoint.url} {method}: {failure.detail}") from failure


def _bytes(text: str) -> bytes:
    try:
        return evmjson.data(text)
    except Malformed:
        return b""
