"""Fetch small documents over HTTPS from servers that a stranger chose: never from our own network, never much, never for long.

The host name is looked up once, all its addresses must be of the public internet, and the connection goes to those very addresses, so
that a second look-up cannot lead elsewhere: INV-46. The certificate must still be the name's. Redirects are not followed.
Where an operator says so, servers that no stranger chose are asked anywhere, by plain HTTP too.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Network, ip_address
from types import MappingProxyType

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.types.codes import MALFORMED, NOT_FOUND, WEB_DID_BAD, WEB_DID_UNREACHABLE
from chainnode.types.limits import WEB_DOCUMENT_BYTES_MAX, WEB_FETCH_MS_MAX, WEB_FETCHES_MAX

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_OK, _NOT_FOUND, _GONE = 200, 404, 410
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def is_public(address: str) -> bool:
    """Whether an address is one of a single machine on the public internet.

    Addresses of IPv6 that lead to one of IPv4 (mapped, 6to4, Teredo, NAT64) are not: they would hide a private one.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast
    return ip in _GLOBAL_UNICAST and ip.is_global and ip.sixtofour is None and ip.teredo is None


async def look_up(host: str, port: int) -> Sequence[str]:
    """All addresses of a host name, as this machine knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for _, _, _, _, place in found]


class WebFetcher:
    """Fetches at most `places` documents at once; `is_anywhere`: by http too, and from any address. The other arguments are for tests."""

    def __init__(
        self,
        *,
        places: int = WEB_FETCHES_MAX,
        is_anywhere: bool = False,
        look_up: Lookup = look_up,
        is_allowed: Callable[[str], bool] = is_public,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._look_up = look_up
        self._is_anywhere = is_anywhere
        self._is_allowed = is_allowed
        self._context = context
        self._places = asyncio.Semaphore(places)

    async def fetch(self, url: str, *, bytes_max: int = WEB_DOCUMENT_BYTES_MAX, headers: Mapping[str, str] = _NO_HEADERS) -> bytes:
        """The body of a good answer, of at most `bytes_max` bytes.

        Rejected(NOT_FOUND) when there is none, Rejected(WEB_DID_BAD) when it is too long, Unavailable(WEB_DID_UNREACHABLE) for the rest.
        """
        try:
            async with asyncio.timeout(WEB_FETCH_MS_MAX / 1000), self._places:
                return await self._fetch(_checked(url, self._is_anywhere), bytes_max, headers)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise _unreachable(f"{url}: {error or type(error).__name__}") from error

    async def _fetch(self, url: URL, bytes_max: int, others: Mapping[str, str]) -> bytes:
        host, port = url.host, url.port
        assert host is not None and port is not None
        addresses = await self._look_up(host, port)
        if not addresses or not (self._is_anywhere or all(self._is_allowed(one) for one in addresses)):
            raise _unreachable(f"{host} has no address, or one that is not of the public internet")
        connector = aiohttp.TCPConnector(resolver=_Pinned(addresses), use_dns_cache=False, ssl=self._context or True)
        timeout = aiohttp.ClientTimeout(total=None)  # `fetch` has the limit
        headers = {"Accept": "application/did, application/did+json, application/json", "Accept-Encoding": "identity", **others}
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, headers=headers
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status in (_NOT_FOUND, _GONE):
                raise Rejected(NOT_FOUND, f"{url} answered with HTTP status {response.status}")
            if response.status != _OK:
                raise _unreachable(f"{url} answered with HTTP status {response.status}; redirects are not followed")
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > bytes_max:
                    raise Rejected(WEB_DID_BAD, f"{url} is longer than {bytes_max} bytes")
            return bytes(content)


class _Pinned(AbstractResolver):
    """Knows the addresses that were checked, and no others."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Where to connect to."""
        return [
            ResolveResult(
                hostname=host,
                host=one,
                port=port,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for one in self._addresses
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def _checked(text: str, is_anywhere: bool) -> URL:
    """The parts of an https URL whose host is a name: a client would connect to a bare address without any look-up.

    With `is_anywhere` http and bare addresses too.
    """
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError as error:
        raise Malformed(MALFORMED, f"{text!r} is no URL") from error
    if url.scheme not in (("https", "http") if is_anywhere else ("https",)) or not host or port is None or url.user is not None:
        raise Malformed(MALFORMED, f"{text!r} is no https URL of a host")
    if is_anywhere:
        return url
    try:
        ip_address(host)
    except ValueError:
        return url
    raise _unreachable(f"{host} is a bare address")


def _unreachable(detail: str) -> ChainError:
    return Unavailable(WEB_DID_UNREACHABLE, detail)
