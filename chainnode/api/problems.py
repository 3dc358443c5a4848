"""Errors as problem details (RFC 9457) with the stable code of the failure."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.types.codes import (
    HEIGHT_UNKNOWN,
    MALFORMED,
    NO_ROUTE,
    NOT_FOUND,
    STATE_PRUNED,
    TOO_LARGE,
    TX_UNKNOWN,
    UNAUTHORISED,
    UNSUPPORTED_MEDIA,
    WRONG_HTTP_METHOD,
    Code,
)

PROBLEM_MEDIA = "application/problem+json"
RETRY_AFTER_SECONDS = "1"
_BY_CODE = {
    NOT_FOUND: HTTPStatus.NOT_FOUND,
    TX_UNKNOWN: HTTPStatus.NOT_FOUND,
    STATE_PRUNED: HTTPStatus.GONE,
    TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UNSUPPORTED_MEDIA: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    UNAUTHORISED: HTTPStatus.UNAUTHORIZED,
}
_BY_STATUS = {
    HTTPStatus.NOT_FOUND: NO_ROUTE,
    HTTPStatus.METHOD_NOT_ALLOWED: WRONG_HTTP_METHOD,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TOO_LARGE,
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class NothingHere(ChainError):
    """What the path names is not here; HTTP 404 whatever the code."""


def status_of(error: ChainError) -> HTTPStatus:
    """The HTTP status that says whose fault an error is."""
    if isinstance(error, NothingHere):
        return HTTPStatus.NOT_FOUND
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if isinstance(error, Malformed):
        return HTTPStatus.BAD_REQUEST
    if isinstance(error, Rejected):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, Unavailable):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(status: HTTPStatus, code: Code, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    """The answer that tells of a failure."""
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code.name,
        "number": code.number,
        "detail": detail,
    }
    headers = dict(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(status=status, text=json.dumps(document), content_type=PROBLEM_MEDIA, headers=headers)


def problem_of(error: ChainError) -> web.Response:
    """The answer that tells of an error with a code."""
    return problem(status_of(error), error.code, error.detail)


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with a problem where a handler, or aiohttp itself, refuses. Our own faults pass on to aiohttp's log and a plain 500."""
    try:
        return await handler(request)
    except ChainError as error:
        return problem_of(error)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        status = HTTPStatus(error.status)
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem(status, _BY_STATUS.get(status, MALFORMED), _detail(status, request), allow)


def _detail(status: HTTPStatus, request: web.Request) -> str:
    match status:
        case HTTPStatus.NOT_FOUND:
            return f"there is nothing at {request.path}; GET / lists what there is"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return f"{request.path} does not take {request.method}"
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return "the body is larger than the node takes"
    return status.description or status.phrase


def unknown_height(height: int) -> NothingHere:
    """A height without a block here."""
    return NothingHere(HEIGHT_UNKNOWN, f"there is no block at height {height} here")
