"""What a request asks for: its path and query, read once with all bounds checked."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from chainnode.api.backend import REFERRED_HEADER, Backend, Reach
from chainnode.errors import Malformed, Unavailable
from chainnode.types.codes import HEIGHT_UNKNOWN, MALFORMED
from chainnode.types.limits import HTTP_BODY_MS_MAX, STATE_KEY_BYTES_MAX, SUBMIT_WAIT_MS_MAX

INT64_MAX = 2**63 - 1
LATEST = "latest"
HASH_BYTES = 32
_STORE_NAME_LENGTH_MAX = 64


def whole(text: str, name: str, maximum: int = INT64_MAX) -> int:
    """A number in plain decimals from 0 to `maximum`; `name` is what it stands for."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > maximum:
        raise Malformed(MALFORMED, f"{name} is a whole number from 0 to {maximum}")
    return int(text)


def hexadecimal(text: str, name: str, *, length: int | None = None, length_max: int | None = None) -> bytes:
    """Bytes in hexadecimal of either case."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise Malformed(MALFORMED, f"{name} is written in hexadecimal") from None
    if length is not None and len(value) != length:
        raise Malformed(MALFORMED, f"{name} has {length} bytes, {2 * length} hexadecimal digits")
    if length_max is not None and not 0 < len(value) <= length_max:
        raise Malformed(MALFORMED, f"{name} has 1 to {length_max} bytes")
    return value


def waits_to_send(request: web.Request) -> bool:
    """Whether a client sends its body when it is told to go on (RFC 9110, 10.1.1)."""
    return request.version == (1, 1) and request.headers.get("Expect", "").lower() == "100-continue"


async def body_of(request: web.Request) -> bytes:
    """The body; who lets us wait for it longer than HTTP_BODY_MS_MAX is refused."""
    if request.content.is_eof():  # it came with the head, as short ones do
        return await request.read()
    if waits_to_send(request):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # of the answer, which has not begun
    try:
        async with asyncio.timeout(HTTP_BODY_MS_MAX / 1000):
            return await request.read()
    except TimeoutError:
        raise Malformed(MALFORMED, f"the body did not come within {HTTP_BODY_MS_MAX} ms") from None


def query_whole(query: Mapping[str, str], name: str, maximum: int = INT64_MAX) -> int | None:
    """A number of the query, None when it is not there."""
    return whole(query[name], name, maximum) if name in query else None


def path_height(request: web.Request, backend: Backend) -> int:
    """The height in the path: a number, or `latest`."""
    text = request.match_info["height"]
    return backend.last_height() if text == LATEST else whole(text, "a height, unless it is `latest`,")


def path_hash(request: web.Request, name: str) -> bytes:
    """A hash in the path."""
    return hexadecimal(request.match_info[name], name, length=HASH_BYTES)


def path_state_key(request: web.Request) -> tuple[str, bytes]:
    """Store and key in the path."""
    store = request.match_info["store"]
    if len(store) > _STORE_NAME_LENGTH_MAX or not (store.isascii() and store.isprintable()):
        raise Malformed(MALFORMED, f"store is a name of 1 to {_STORE_NAME_LENGTH_MAX} plain letters")
    return store, hexadecimal(request.match_info["key"], "key", length_max=STATE_KEY_BYTES_MAX)


def query_wait_ms(request: web.Request) -> int | None:
    """How long the client wants to wait for a block, None when it does not say."""
    return query_whole(request.query, "wait_ms", SUBMIT_WAIT_MS_MAX)


def query_choice(request: web.Request, name: str, choices: tuple[str, ...], default: str) -> str:
    """One of a few words."""
    word = request.query.get(name, default)
    if word not in choices:
        raise Malformed(MALFORMED, f"{name} is one of {', '.join(choices)}")
    return word


def reach_of(request: web.Request, *, is_fresh: bool = False) -> Reach:
    """How far a question goes: no further when a node referred it to us. `is_fresh`: what others said before does not count."""
    if REFERRED_HEADER in request.headers:
        return Reach.NO_FURTHER
    return Reach.OTHERS_NOW if is_fresh else Reach.OTHERS


async def wait_for_state(backend: Backend, request: web.Request) -> None:
    """With `min_height` in the query: wait until the state after that height can be proved, which its next header does."""
    height = query_whole(request.query, "min_height")
    if height is not None:
        wait_ms = query_wait_ms(request)
        await wait_for_height(backend, height + 1, SUBMIT_WAIT_MS_MAX if wait_ms is None else wait_ms)


async def wait_for_height(backend: Backend, height: int, wait_ms: int) -> None:
    """Return when the height is applied; Unavailable(HEIGHT_UNKNOWN) when it is not within `wait_ms`."""
    if backend.last_height() >= height:
        return
    try:
        async with asyncio.timeout(wait_ms / 1000):
            await backend.wait_height(height)
    except TimeoutError:
        raise Unavailable(HEIGHT_UNKNOWN, f"height {height} is not decided yet; the last is {backend.last_height()}") from None
