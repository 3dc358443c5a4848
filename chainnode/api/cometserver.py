"""CometBFT's RPC over HTTP: each method by its path, all of them by JSON-RPC 2.0 in POST / and over a websocket."""

import asyncio
import json
from http import HTTPStatus

from aiohttp import WSMsgType, web

from chainnode.api import comet, cometcalls
from chainnode.api.asking import body_of
from chainnode.api.backend import Backend
from chainnode.api.cometcalls import Arguments, CometError
from chainnode.api.forms import Json
from chainnode.api.jsonbody import read_json
from chainnode.errors import Malformed, Unavailable
from chainnode.types.codes import OVERLOADED, TOO_LARGE
from chainnode.types.limits import COMET_BATCH_MAX, COMET_REQUEST_BYTES_MAX, COMET_SOCKETS_MAX

_URI_ID = -1  # CometBFT's id of answers to calls without one
_SOCKET_HEARTBEAT_S = 30


class CometSockets:
    """The open websockets of CometBFT clients."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """End all of them."""
        for task in self.tasks:
            task.cancel()


SOCKETS = web.AppKey("sockets", CometSockets)


async def by_path(backend: Backend, request: web.Request) -> web.Response:
    """A method by its path, arguments in the query, texts between quotation marks; an error has status 500, as CometBFT's has."""
    name = request.path.removeprefix("/")
    try:
        result = await comet.call(backend, name, _query_arguments(request))
    except CometError as error:
        return web.json_response(_failure(_URI_ID, error), status=HTTPStatus.INTERNAL_SERVER_ERROR)
    return web.json_response(_success(_URI_ID, result))


async def by_post(backend: Backend, request: web.Request) -> web.Response:
    """One JSON-RPC call or several; errors too have status 200."""
    body = await body_of(request)
    if len(body) > COMET_REQUEST_BYTES_MAX:
        raise Malformed(TOO_LARGE, f"a JSON-RPC request has at most {COMET_REQUEST_BYTES_MAX} bytes")
    answer = await _answer(backend, body)
    return web.Response() if answer is None else web.json_response(answer)


async def by_socket(backend: Backend, request: web.Request) -> web.WebSocketResponse:
    """JSON-RPC calls over a websocket, answered in order. Events are not sent here: /v1/events has them."""
    sockets = request.app[SOCKETS]
    if len(sockets.tasks) >= COMET_SOCKETS_MAX:
        raise Unavailable(OVERLOADED, f"{COMET_SOCKETS_MAX} websockets are open already")
    task = asyncio.current_task()
    assert task is not None
    sockets.tasks.add(task)
    try:
        socket = web.WebSocketResponse(heartbeat=_SOCKET_HEARTBEAT_S, max_msg_size=COMET_REQUEST_BYTES_MAX)
        await socket.prepare(request)
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            answer = await _answer(backend, message.data)
            if answer is not None:
                await socket.send_str(json.dumps(answer))
    finally:
        sockets.tasks.discard(task)
    return socket


async def _answer(backend: Backend, body: bytes | str) -> Json:
    """What to answer to a text of one call or several; None to notices, which want no answer."""
    try:
        document = read_json(body)
    except Malformed as error:
        return _failure(None, CometError(cometcalls.PARSE, error.detail))
    if not isinstance(document, list):
        return await _answer_one(backend, document)
    if not 0 < len(document) <= COMET_BATCH_MAX:
        return _failure(None, CometError(cometcalls.INVALID_REQUEST, f"1 to {COMET_BATCH_MAX} calls are taken at once"))
    answers = [await _answer_one(backend, one) for one in document]
    return [answer for answer in answers if answer is not None] or None


async def _answer_one(backend: Backend, document: object) -> Json:
    if not isinstance(document, dict) or not isinstance(document.get("method"), str) or document.get("jsonrpc", "2.0") != "2.0":
        return _failure(None, CometError(cometcalls.INVALID_REQUEST, "a call is an object with a method"))
    call_id = document.get("id")
    if call_id is None:
        return None
    if type(call_id) not in (int, str):
        return _failure(None, CometError(cometcalls.INVALID_REQUEST, "an id is a number or a text"))
    try:
        name = str(document["method"])
        return _success(call_id, await comet.call(backend, name, _arguments(name, document.get("params"))))
    except CometError as error:
        return _failure(call_id, error)


def _arguments(name: str, params: Json) -> Arguments:
    """The arguments of a call by name, whichever way they are given."""
    if params is None:
        return Arguments({})
    if isinstance(params, dict):
        return Arguments(params)
    names = comet.METHODS[name][1] if name in comet.METHODS else ()
    if not isinstance(params, list) or len(params) > len(names):
        raise CometError(cometcalls.INVALID_PARAMS, f"{name} takes the arguments {', '.join(names) or 'none'}")
    return Arguments(dict(zip(names, params, strict=False)))


def _query_arguments(request: web.Request) -> Arguments:
    """The arguments of a query; data between quotation marks stands for the bytes of its text."""
    given: dict[str, Json] = {}
    for name, text in request.query.items():
        is_quoted = len(text) >= 2 and text[0] == text[-1] == '"'
        plain = text[1:-1] if is_quoted else text
        given[name] = plain.encode().hex() if is_quoted and name == "data" else plain
    return Arguments(given)


def _success(call_id: Json, result: Json) -> Json:
    return {"jsonrpc": "2.0", "id": call_id, "result": result}


def _failure(call_id: Json, error: CometError) -> Json:
    return {
        "jsonrpc": "2.0",
        "id": call_id,
        "error": {"code": error.number, "message": cometcalls.MESSAGES[error.number], "data": error.detail},
    }
