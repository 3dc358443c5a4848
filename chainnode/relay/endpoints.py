"""The endpoints of one chain: asked one after the other, each for a limited time, and passed over while they are silent or lie.

A lie is an answer that does not verify; it costs an endpoint RELAY_LIAR_MS. Silence costs a little, doubled each time. An endpoint that
is passed over is asked all the same once no other is left.
"""

import asyncio
import errno
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp

from chainnode.errors import ChainError, Malformed, Unavailable
from chainnode.types.codes import CHAIN_SILENT, ENDPOINT_LIES, MALFORMED, TOO_LARGE
from chainnode.types.limits import (
    CLIENT_DETAIL_LENGTH_MAX,
    RELAY_ANSWER_BYTES_MAX,
    RELAY_ATTEMPT_MS,
    RELAY_CALL_MS,
    RELAY_LIAR_MS,
    RELAY_LOOP_BYTES_MAX,
    RELAY_SILENT_MS_MAX,
    RELAY_SILENT_MS_MIN,
)

log = logging.getLogger(__name__)
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Answer = TypeVar("Answer")
_NO_LIMIT = aiohttp.ClientTimeout(total=None)  # `_in_time` has the limits


class Lie(ChainError):
    """What an endpoint says does not verify."""

    def __init__(self, detail: str) -> None:
        super().__init__(ENDPOINT_LIES, detail[:CLIENT_DETAIL_LENGTH_MAX])


@dataclass(slots=True)
class Endpoint:
    """Where a chain is asked, and what it did to us. `avoided_until` is of the monotonic clock.

    `url` is how it is told of, in logs, metrics and `status`; `address` is where it is asked, and may hold a password or a key.
    """

    url: str
    address: str
    avoided_until: float = 0.0
    silences: int = 0
    lies: int = 0
    last_error: str = ""

    def condition(self) -> dict[str, object]:
        """For `status`."""
        is_avoided = self.avoided_until > time.monotonic()
        return {"url": self.url, "is_avoided": is_avoided, "lies": self.lies, "silences": self.silences, "last_error": self.last_error}


@dataclass(slots=True)
class Endpoints:
    """The endpoints of a chain, the one that answered well last first."""

    name: str
    urls: Sequence[str]
    call_ms: int = RELAY_CALL_MS
    all: list[Endpoint] = field(init=False, default_factory=list)
    _session: aiohttp.ClientSession | None = None

    def __post_init__(self) -> None:
        for url in dict.fromkeys(self.urls):
            told = told_of(url)
            number = sum(one.url.partition(" ")[0] == told for one in self.all)
            self.all.append(Endpoint(f"{told} ({number + 1})" if number else told, url.rstrip("/")))

    async def first_good(self, attempt: Callable[[Endpoint], Awaitable[Answer]]) -> Answer:
        """What the first attempt gives that neither lies nor fails for the moment. Lie or Unavailable when none does.

        Any other error passes: a refusal is an answer.
        """
        now = time.monotonic()
        error: ChainError | None = None
        for endpoint in sorted(self.all, key=lambda one: one.avoided_until > now):
            try:
                answer = await _try(endpoint, attempt)
            except (Lie, Unavailable) as failure:
                error = self.blame(endpoint, failure)
            else:
                self._praise(endpoint)
                return answer
        assert error is not None
        raise error

    def standing(self) -> tuple[list[Endpoint], list[Endpoint]]:
        """Those to be asked, and those to be passed over for now."""
        now = time.monotonic()
        return [one for one in self.all if one.avoided_until <= now], [one for one in self.all if one.avoided_until > now]

    async def ask_another(self, attempt: Callable[[Endpoint], Awaitable[Answer]]) -> tuple[Endpoint, Answer] | None:
        """What some other endpoint than the first says, if one answers: a witness."""
        now = time.monotonic()
        for endpoint in [one for one in self.all[1:] if one.avoided_until <= now]:
            try:
                return endpoint, await _try(endpoint, attempt)
            except (Lie, Unavailable) as failure:
                self.blame(endpoint, failure)
        return None

    def turn(self) -> None:
        """Ask the first endpoint last from now on, without a word against it."""
        self.all.append(self.all.pop(0))

    def blame(self, endpoint: Endpoint, failure: ChainError) -> ChainError:
        """Pass the endpoint over for a while."""
        if isinstance(failure, Lie):
            endpoint.lies += 1
            avoid_ms = RELAY_LIAR_MS
            log.warning("endpoint_lies", extra={"chain": self.name, "url": endpoint.url, "reason": failure.detail})
        else:
            avoid_ms = min(RELAY_SILENT_MS_MIN * 2 ** min(endpoint.silences, 16), RELAY_SILENT_MS_MAX)
            endpoint.silences += 1
        endpoint.avoided_until = time.monotonic() + avoid_ms / 1000
        endpoint.last_error = f"{failure.code.name}: {failure.detail}"
        return failure

    def _praise(self, endpoint: Endpoint) -> None:
        endpoint.silences = 0
        if endpoint.avoided_until <= time.monotonic():
            self.all.sort(key=lambda one: one is not endpoint)

    async def get(self, endpoint: Endpoint, path: str, query: Mapping[str, str], read: Callable[[Json], Answer]) -> Answer:
        """What `read` makes of the JSON of an answer, whatever its status: errors of JSON-RPC have others than 200.

        Long answers are read in a thread, beside the event loop.
        """
        content = await self.request(endpoint, "GET", path, query)
        return await beside_loop(content, lambda: read(read_json(endpoint.url, content)))

    async def request(
        self, endpoint: Endpoint, method: str, path: str, query: Mapping[str, str], body: bytes = b"", media: str = "", wait_ms: int = 0
    ) -> bytes:
        """The body of an answer. Unavailable(CHAIN_SILENT) when it takes longer than it may; Lie when it is too long."""
        try:
            async with asyncio.timeout((self.call_ms + wait_ms) / 1000):
                return await self._read(endpoint, method, path, query, body, media)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise Unavailable(CHAIN_SILENT, f"{endpoint.url}: {_words(error)}") from error

    async def _read(self, endpoint: Endpoint, method: str, path: str, query: Mapping[str, str], body: bytes, media: str) -> bytes:
        if self._session is None or self._session.closed:
            # What an endpoint wants remembered, or packs a million times smaller, is its attack.
            self._session = aiohttp.ClientSession(timeout=_NO_LIMIT, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        headers = {"Accept-Encoding": "identity"} | ({"Content-Type": media, "Accept": media} if media else {})
        content = bytearray()
        async with self._session.request(
            method, endpoint.address + path, params=query, data=body or None, headers=headers, allow_redirects=False
        ) as response:
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > RELAY_ANSWER_BYTES_MAX:
                    raise Lie(f"{endpoint.url}: an answer has at most {RELAY_ANSWER_BYTES_MAX} bytes")
            if response.status >= 500 and not content:
                raise Unavailable(CHAIN_SILENT, f"{endpoint.url} answers with HTTP status {response.status}")
        return bytes(content)

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()


async def beside_loop(content: bytes, read: Callable[[], Answer]) -> Answer:
    """What `read` makes of an answer: in a thread, when it is so long that the event loop would stand still meanwhile."""
    return await asyncio.to_thread(read) if len(content) > RELAY_LOOP_BYTES_MAX else read()


async def _try(endpoint: Endpoint, attempt: Callable[[Endpoint], Awaitable[Answer]]) -> Answer:
    """An attempt of many calls, each in time, may still drag on: Unavailable(CHAIN_SILENT) when all take too long together."""
    try:
        async with asyncio.timeout(RELAY_ATTEMPT_MS / 1000):
            return await attempt(endpoint)
    except TimeoutError as error:
        raise Unavailable(CHAIN_SILENT, f"{endpoint.url}: all that was asked took more than {RELAY_ATTEMPT_MS // 1000} s") from error


def _words(error: Exception) -> str:
    """What went wrong with a connection, without the address, which some errors repeat."""
    if isinstance(error, aiohttp.InvalidURL):
        return "this is no URL"
    if (
        isinstance(error, aiohttp.ClientConnectorError)
        and error.errno is not None
        and error.errno in errno.errorcode
        and not isinstance(error, aiohttp.ClientSSLError)
    ):
        return f"Cannot connect: {os.strerror(error.errno)}"
    return (error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)) or type(error).__name__


def told_of(url: str) -> str:
    """A URL without what may be secret in it: name and password, and, as `/…`, its path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{'/…' if parts.path.strip('/') or parts.query else ''}"


def read_json(url: str, content: bytes) -> Json:
    """What an answer holds. Unavailable when it is no JSON: a proxy's page, say."""
    try:
        document: Json = json.loads(content)
    except (ValueError, RecursionError):
        raise Unavailable(CHAIN_SILENT, f"{url} does not answer in JSON") from None
    return document


def check_urls(name: str, urls: Sequence[str], most: int) -> None:
    """Malformed(MALFORMED) unless these are URLs, not too many. It names the place of one that is none: a URL may hold a key."""
    if not urls:
        raise Malformed(MALFORMED, f"{name}: a chain has one endpoint at least")
    for place, url in enumerate(urls, 1):
        if not _is_url(url):
            rule = "endpoints are URLs that begin with http:// or https:// and name a host"
            raise Malformed(MALFORMED, f"{name}: {rule}; number {place} does not")
    if len(urls) > most:
        raise Malformed(TOO_LARGE, f"{name}: a chain has at most {most} endpoints")


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_whole = parts.hostname and parts.port != 0
    except ValueError:  # of the host or the port
        return False
    return parts.scheme in ("http", "https") and bool(is_whole) and not parts.fragment and url.isprintable() and " " not in url
