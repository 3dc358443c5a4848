"""Refuse what is too much before it is read, in a way that its sender learns of it.

A flooded node refuses many more submissions than it takes: what it refuses must cost little. A client that asks first
(`Expect: 100-continue`) is spared the sending, too.
"""

import asyncio

from aiohttp import web

from chainnode.api.asking import waits_to_send
from chainnode.api.backend import Backend
from chainnode.api.problems import Handler, problem_of
from chainnode.api.routeforms import Handle
from chainnode.api.submissions import JSON_MEDIA
from chainnode.errors import Malformed
from chainnode.types.codes import TOO_LARGE
from chainnode.types.limits import HTTP_UNREAD_MS_MAX


async def expect_later(request: web.Request) -> None:
    """An Expect header is answered where the body is read (`asking.body_of`), if it is; any but 100-continue is refused."""
    if request.version == (1, 1) and not waits_to_send(request):
        raise web.HTTPExpectationFailed(text="the one thing that can be expected is 100-continue")


@web.middleware
async def admission_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body that says it is too large, and let go in peace whoever has an answer before all of the body was read."""
    if (request.content_length or 0) > request.client_max_size:
        answer: web.StreamResponse = problem_of(Malformed(TOO_LARGE, "the body is larger than the node takes"))
        answer.force_close()
    else:
        answer = await handler(request)
    if not request.content.is_eof():
        await _see_out(request, answer)
    return answer


async def _see_out(request: web.Request, answer: web.StreamResponse) -> None:
    """Send an answer and read on for a while, as much as the node would take: a connection closed at once may lose it (RFC 9112, 9.6)."""
    if waits_to_send(request):
        answer.force_close()  # what comes next is the body or another request: nobody can tell
    await answer.prepare(request)
    await answer.write_eof()
    left = request.client_max_size
    try:
        async with asyncio.timeout(HTTP_UNREAD_MS_MAX / 1000):
            while left > 0 and not request.content.is_eof():
                left -= len(await request.content.readany())
    except (OSError, TimeoutError):
        pass  # gone, or too slow
    if not request.content.is_eof():
        request.protocol.force_close()


def with_room(handle: Handle) -> Handle:
    """A handler of submissions that is called when there is room for at least one transaction of the body's length."""

    async def admitted(backend: Backend, request: web.Request) -> web.StreamResponse:
        length = request.content_length or 0
        backend.check_room(length // 2 if request.content_type == JSON_MEDIA else length, 1)  # in JSON a byte is at most two digits
        return await handle(backend, request)

    return admitted
