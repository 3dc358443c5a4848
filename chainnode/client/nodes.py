"""HTTP to one or several nodes of a chain: one attempt after the other until one of them answers well."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp

from chainnode.client.failures import NotProved
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.types.codes import BAD_CONFIG, CODES, MALFORMED, NODE_UNREACHABLE, OVERLOADED, TOO_LARGE
from chainnode.types.limits import (
    CLIENT_ANSWER_BYTES_MAX,
    CLIENT_ASK_FIRST_BYTES,
    CLIENT_DETAIL_LENGTH_MAX,
    CLIENT_EVENT_BYTES_MAX,
    CLIENT_RETRY_AFTER_S_MAX,
    CLIENT_RETRY_MS_MAX,
    CLIENT_RETRY_MS_MIN,
    CLIENT_TRIES_MIN,
)

log = logging.getLogger(__name__)

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Answer = TypeVar("Answer")

_OK, _TOO_MANY_REQUESTS, _SERVER_FAULT = 200, 429, 500
_ROUNDS_AFTER_REFUSAL = 2  # nodes that can not be reached get as many chances once another has refused
_NO_LIMIT = aiohttp.ClientTimeout(total=None)  # `in_time` has the limits


@dataclass(slots=True)
class Load:
    """What a node without room said: how long it wants to be left alone with submissions, and until when by the loop's clock."""

    pause_s: float = 0.0
    until: float = 0.0
    is_over: bool = False  # it said so last

    def told(self, retry_after: str) -> None:
        """It has no room; `retry_after` is in seconds, at least one."""
        seconds = int(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10 else 0
        self.pause_s = min(max(seconds, 1), CLIENT_RETRY_AFTER_S_MAX)
        self.until = asyncio.get_running_loop().time() + self.pause_s
        self.is_over = True


@dataclass(frozen=True, slots=True)
class Node:
    """One node's HTTP interface. A request takes at most `attempt_ms`, whatever the node does.

    A good answer has status 200; anything else is Unavailable, Rejected with the node's code, or NotProved for what is no answer at all.
    """

    url: str
    session: aiohttp.ClientSession
    attempt_ms: int
    load: Load = field(default_factory=Load)

    @property
    def wait_ms(self) -> int:
        """How long the node may be asked to wait for a block, so that its answer still comes in time."""
        return self.attempt_ms // 2

    async def get(self, path: str, query: Mapping[str, str], accept: str = "*/*") -> bytes:
        """The body of a good answer; `accept` says which media types are asked for."""
        async with in_time(self.url, self.attempt_ms):
            return await self._read_good(await self._request("GET", path, query, headers={"Accept": accept}))

    async def post(self, path: str, query: Mapping[str, str], body: bytes, media: str) -> bytes:
        """The body of a good answer. A node that had no room last time is asked before it gets a long body (`Expect: 100-continue`)."""
        has_to_ask = self.load.is_over and len(body) >= CLIENT_ASK_FIRST_BYTES
        self.load.is_over = False  # a node, or what stands before it, that does not know the question is not asked twice
        async with in_time(self.url, self.attempt_ms):
            headers = {"Content-Type": media}
            return await self._read_good(await self._request("POST", path, query, body, headers, has_to_ask=has_to_ask))

    async def stream(self, path: str, query: Mapping[str, str], media: str) -> aiohttp.ClientResponse:
        """A good answer of this media type that has only begun. Whoever reads it closes it."""
        async with in_time(self.url, self.attempt_ms):
            response = await self._request("GET", path, query)
            if response.status == _OK and response.content_type == media:
                return response
            await self._read_good(response)
            raise NotProved(MALFORMED, f"{self.url} answered with {response.content_type}, not {media}")

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        has_to_ask: bool = False,
    ) -> aiohttp.ClientResponse:
        if self.session.closed:
            raise Rejected(NODE_UNREACHABLE, "the client was closed")
        return await self.session.request(
            method,
            self.url + path,
            params=query,
            data=body,
            headers=headers,
            expect100=has_to_ask,
            timeout=_NO_LIMIT,
            allow_redirects=False,
            read_bufsize=CLIENT_EVENT_BYTES_MAX // 2,  # a line of a stream has at most twice as many bytes
        )

    async def _read_good(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, unless it is longer than any answer."""
        content = bytearray()
        async with response:
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > CLIENT_ANSWER_BYTES_MAX:
                    response.close()
                    raise NotProved(TOO_LARGE, f"an answer has at most {CLIENT_ANSWER_BYTES_MAX} bytes")
        if response.status != _OK:
            error = problem_of(self.url, response.status, bytes(content))
            if error.code is OVERLOADED:
                self.load.told(response.headers.get("Retry-After", ""))
            raise error
        return bytes(content)


@asynccontextmanager
async def in_time(url: str, timeout_ms: int) -> AsyncIterator[None]:
    """Whatever goes wrong with a connection, and taking longer too, is Unavailable(NODE_UNREACHABLE)."""
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            yield
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        raise Unavailable(NODE_UNREACHABLE, f"{url}: {error or type(error).__name__}") from error


def problem_of(url: str, status: int, content: bytes) -> ChainError:
    """The error that an answer of another status than 200 tells of."""
    document = parse_json(content, otherwise={})
    members = document if isinstance(document, dict) else {}
    code = CODES.get(str(members.get("code")))
    detail = str(members.get("detail") or f"{url} answered with HTTP status {status}")[:CLIENT_DETAIL_LENGTH_MAX]
    if status == _TOO_MANY_REQUESTS or status >= _SERVER_FAULT:
        return Unavailable(code or NODE_UNREACHABLE, detail)
    return NotProved(MALFORMED, detail) if code is None else Rejected(code, detail)


def parse_json(content: bytes, *, otherwise: Json = None) -> Json:
    """What a text in JSON holds, or `otherwise` when it is none."""
    try:
        document: Json = json.loads(content)
    except (ValueError, RecursionError):
        return otherwise
    return document


def check_urls(urls: Sequence[str]) -> None:
    """Malformed(BAD_CONFIG) unless there is a URL, and all look like one."""
    if not urls or not all(url.startswith(("http://", "https://")) for url in urls):
        raise Malformed(BAD_CONFIG, "a client needs the URL of one node or of several, each with http:// or https://")


class Nodes:
    """The nodes that a client may ask, the last good one first."""

    def __init__(self, urls: Sequence[str], session: aiohttp.ClientSession, timeout_ms: int) -> None:
        assert urls
        attempt_ms = timeout_ms // CLIENT_TRIES_MIN
        self._nodes = [Node(url.rstrip("/"), session, attempt_ms) for url in dict.fromkeys(urls)]
        self._session = session
        self._timeout_ms = timeout_ms

    def __len__(self) -> int:
        """How many."""
        return len(self._nodes)

    def others(self, urls: Sequence[str]) -> "Nodes":
        """Nodes of another chain, asked with the same patience. Malformed(BAD_CONFIG)."""
        check_urls(urls)
        return Nodes(urls, self._session, self._timeout_ms)

    @property
    def wait_ms(self) -> int:
        """How long each may be asked to wait for a block."""
        return self._nodes[0].wait_ms

    def defer(self, node: Node) -> None:
        """Ask this node last from now on."""
        self._nodes.sort(key=lambda one: one is node)

    async def first_good(self, attempt: Callable[[Node], Awaitable[Answer]], *, is_submission: bool = False) -> Answer:
        """What the first attempt that succeeds gives. Each node is tried, again and again while it is Unavailable, until time is up.

        A node that refuses or does not prove its answer is not tried again, and what it said counts when no node does better. So what
        can not be proved, that something does not exist, is believed when no node says otherwise. Raises Rejected, NotProved or
        Unavailable; ChainForked passes through. Submissions leave a node alone for as long as it said when it had no room.
        """
        refusals: dict[str, ChainError] = {}
        lasting: list[Unavailable] = []
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                return await self._rounds(attempt, refusals, lasting, heeds_load=is_submission)
        except TimeoutError:
            error = lasting[-1] if lasting else _foremost(refusals) if refusals else None
            raise error or Unavailable(NODE_UNREACHABLE, f"no node answered within {self._timeout_ms} ms") from None

    async def _rounds(
        self, attempt: Callable[[Node], Awaitable[Answer]], refusals: dict[str, ChainError], lasting: list[Unavailable], *, heeds_load: bool
    ) -> Answer:
        """Rounds of all nodes, with a longer pause after each; of a length by chance, so that many clients do not come back at once."""
        pause_ms = CLIENT_RETRY_MS_MIN
        rounds = 0
        while True:
            if heeds_load:
                await self._wait_for_room(refusals, lasting)
            for node in [one for one in self._nodes if one.url not in refusals and not (heeds_load and is_resting(one))]:
                try:
                    answer = await attempt(node)
                except Unavailable as error:
                    lasting[:] = [error]
                except (NotProved, Rejected, Malformed) as error:
                    refusals[node.url] = error
                    if isinstance(error, NotProved):
                        log.warning("answer_not_proved", extra={"url": node.url, "code": error.code.name, "detail": error.detail})
                else:
                    self._nodes.sort(key=lambda one: one is not node)
                    return answer
            rounds += 1
            is_refused = rounds >= _ROUNDS_AFTER_REFUSAL and any(isinstance(one, Rejected) for one in refusals.values())
            if len(refusals) == len(self._nodes) or is_refused:
                raise _foremost(refusals)
            await asyncio.sleep(random.uniform(pause_ms / 2, pause_ms) / 1000)
            pause_ms = min(2 * pause_ms, CLIENT_RETRY_MS_MAX)

    async def _wait_for_room(self, refusals: Mapping[str, ChainError], lasting: list[Unavailable]) -> None:
        """Until a node may be asked that was not told to rest, up to half its pause longer: it told many the same."""
        while nodes := [one for one in self._nodes if one.url not in refusals]:
            if not all(is_resting(one) for one in nodes):
                return
            lasting[:] = lasting or [Unavailable(OVERLOADED, f"{nodes[0].url} had no room, and wants to be left alone for a while")]
            first = min(nodes, key=lambda one: one.load.until).load
            await asyncio.sleep(first.until - asyncio.get_running_loop().time() + random.uniform(0, first.pause_s / 2))


def is_resting(node: Node) -> bool:
    """Whether a node has no room by its own word, and for how long it said is not over."""
    return node.load.until > asyncio.get_running_loop().time()


def _foremost(refusals: dict[str, ChainError]) -> ChainError:
    """Of what several nodes said, a plain refusal before what merely proves nothing."""
    return next((error for error in refusals.values() if isinstance(error, Rejected)), next(iter(refusals.values())))
