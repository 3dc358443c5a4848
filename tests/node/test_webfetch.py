"""Fetching from servers that a stranger chose: what addresses are refused, and that nothing else is connected to, followed or awaited."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.x509.oid import NameOID

from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.node import webfetch
from chainnode.node.webfetch import WebFetcher, is_public
from chainnode.types.codes import MALFORMED, NOT_FOUND, WEB_DID_BAD, WEB_DID_UNREACHABLE
from chainnode.types.limits import WEB_DOCUMENT_BYTES_MAX, WEB_FETCHES_MAX
from tests.patience import DEADLINE_S

HOST = "party.example"


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server that is HOST, and for a client that believes it."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
    certificate = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False).sign(key, hashes.SHA256())
    path = folder / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())


@dataclass
class Site:
    """A server for HOST on loopback, and a fetcher whose look-up leads to it."""

    server: TestServer
    context: ssl.SSLContext
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    asked: list[web.Request] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    addresses: tuple[str, ...] = ("127.0.0.1",)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return web.Response(text="{}") if self.answer is None else await self.answer(request)

    async def look_up(self, host: str, port: int) -> tuple[str, ...]:
        self.looked_up.append(host)
        return self.addresses

    def fetcher(self, **changes) -> WebFetcher:
        return WebFetcher(**{"look_up": self.look_up, "is_allowed": lambda _: True, "context": self.context} | changes)

    def url(self, path: str = "/.well-known/did.json", host: str = HOST) -> str:
        return f"https://{host}:{self.server.port}{path}"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    server_context, client_context = contexts(tmp_path)
    app = web.Application()
    server = TestServer(app)
    made = Site(server, client_context)
    app.router.add_get("/{path:.*}", made.handle)
    await server.start_server(ssl=server_context)
    yield made
    await server.close()


async def refused(work: Awaitable[bytes], kind: type[ChainError], code: object) -> ChainError:
    with pytest.raises(kind) as caught:
        await work
    assert caught.value.code is code
    return caught.value


def answering(status: int = 200, body: bytes = b"{}", **headers: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return answer


# Addresses


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "2001:4860:4860::8888"])
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "233.252.18.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_addresses_that_are_not_of_one_machine_on_the_internet(address):
    assert not is_public(address)


# A good fetch


async def test_a_document_is_fetched_from_the_address_that_was_checked(site):
    site.answer = answering(body=b'{"id":"x"}')
    assert await site.fetcher().fetch(site.url("/a/did.json")) == b'{"id":"x"}'
    (request,) = site.asked
    assert request.path == "/a/did.json" and request.headers["Host"] == f"{HOST}:{site.server.port}"
    assert site.looked_up == [HOST], "the name is looked up once, by us"


async def test_the_certificate_must_be_the_names(site):
    await refused(site.fetcher().fetch(site.url(host="other.example")), Unavailable, WEB_DID_UNREACHABLE)
    await refused(site.fetcher(context=None).fetch(site.url()), Unavailable, WEB_DID_UNREACHABLE)
    assert site.asked == []


# What is refused before anything is connected to


async def test_inv_46_a_name_with_an_address_of_our_own_network_is_not_connected_to(site):
    for addresses in (("127.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("127.0.0.1", "8.8.8.8"), ()):
        site.addresses = addresses
        await refused(site.fetcher(is_allowed=is_public).fetch(site.url()), Unavailable, WEB_DID_UNREACHABLE)
    assert site.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "8.8.8.8", "[2606:4700:4700::1111]"])
async def test_bare_addresses_are_refused_without_a_look_up(site, host):
    await refused(site.fetcher().fetch(site.url(host=host)), Unavailable, WEB_DID_UNREACHABLE)
    assert site.asked == [] and site.looked_up == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "localhost"])
async def test_other_names_of_this_machine_are_found_out_by_looking_them_up(site, host):
    fetcher = WebFetcher(context=site.context)
    await refused(fetcher.fetch(site.url(host=host)), Unavailable, WEB_DID_UNREACHABLE)
    assert site.asked == []


@pytest.mark.parametrize(
    "url", ["http://party.example/did.json", "ftp://party.example/", "party.example", "https://me@party.example/", "https:///x"]
)
async def test_only_https_urls_of_a_host_are_fetched(site, url):
    await refused(site.fetcher().fetch(url), Malformed, MALFORMED)
    assert site.looked_up == []


async def test_where_an_operator_says_so_any_address_and_plain_http_are_asked():
    app = web.Application()

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["Chainnode-Test"])

    app.router.add_get("/x", hello)
    async with TestServer(app) as server:
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{server.port}/x"
            assert await WebFetcher(is_anywhere=True).fetch(url, headers={"Chainnode-Test": "yes"}) == b"yes"
            await refused(WebFetcher().fetch(url), Malformed, MALFORMED)
        for text in ("ftp://localhost/", "http:///x", "http://me@localhost/"):
            await refused(WebFetcher(is_anywhere=True).fetch(text), Malformed, MALFORMED)


async def test_a_caller_may_set_another_limit(site):
    site.answer = answering(body=b"x" * 11)
    await refused(site.fetcher().fetch(site.url(), bytes_max=10), Rejected, WEB_DID_BAD)
    assert len(await site.fetcher().fetch(site.url(), bytes_max=11)) == 11


# What a server may do


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(site, status):
    site.answer = answering(status, Location=site.url("/elsewhere"))
    error = await refused(site.fetcher().fetch(site.url()), Unavailable, WEB_DID_UNREACHABLE)
    assert "redirects" in error.detail and len(site.asked) == 1


@pytest.mark.parametrize("status", [404, 410])
async def test_what_is_not_there_is_not_found(site, status):
    site.answer = answering(status)
    await refused(site.fetcher().fetch(site.url()), Rejected, NOT_FOUND)


@pytest.mark.parametrize("status", [204, 401, 500])
async def test_any_other_status_is_no_document(site, status):
    site.answer = answering(status)
    await refused(site.fetcher().fetch(site.url()), Unavailable, WEB_DID_UNREACHABLE)


async def test_a_body_may_have_so_many_bytes_and_no_more(site):
    site.answer = answering(body=b"x" * WEB_DOCUMENT_BYTES_MAX)
    assert len(await site.fetcher().fetch(site.url())) == WEB_DOCUMENT_BYTES_MAX
    site.answer = answering(body=b"x" * (WEB_DOCUMENT_BYTES_MAX + 1))
    await refused(site.fetcher().fetch(site.url()), Rejected, WEB_DID_BAD)


async def test_a_body_that_is_packed_is_not_unpacked(site):
    site.answer = answering(body=b"\x1f\x8b", **{"Content-Encoding": "gzip"})
    assert await site.fetcher().fetch(site.url()) == b"\x1f\x8b"
    assert site.asked[0].headers["Accept-Encoding"] == "identity"


async def test_a_server_that_does_not_answer_is_left_in_time(site, monkeypatch):
    async def silence(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(webfetch, "WEB_FETCH_MS_MAX", 100)
    site.answer = silence
    async with asyncio.timeout(DEADLINE_S):
        await refused(site.fetcher().fetch(site.url()), Unavailable, WEB_DID_UNREACHABLE)


async def test_a_look_up_that_fails_or_hangs_ends_in_time(site, monkeypatch):
    async def failing(host: str, port: int) -> tuple[str, ...]:
        raise OSError("no such name")

    async def hanging(host: str, port: int) -> tuple[str, ...]:
        await asyncio.Event().wait()
        return ()

    monkeypatch.setattr(webfetch, "WEB_FETCH_MS_MAX", 100)
    for look_up in (failing, hanging):
        async with asyncio.timeout(DEADLINE_S):
            await refused(site.fetcher(look_up=look_up).fetch(site.url()), Unavailable, WEB_DID_UNREACHABLE)


async def test_so_many_documents_are_fetched_at_once(site):
    busy, full, go_on = [0], asyncio.Event(), asyncio.Event()

    async def counted(_: web.Request) -> web.StreamResponse:
        busy[0] += 1
        if busy[0] == WEB_FETCHES_MAX:
            full.set()
        await go_on.wait()
        return web.Response(text="{}")

    site.answer, fetcher = counted, site.fetcher()
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetcher.fetch(site.url())) for _ in range(WEB_FETCHES_MAX + 3)]
        await full.wait()
        await asyncio.sleep(0)
        assert busy[0] == WEB_FETCHES_MAX == len(site.looked_up)
        go_on.set()
    assert [task.result() for task in tasks] == [b"{}"] * (WEB_FETCHES_MAX + 3)
