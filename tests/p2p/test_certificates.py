"""What proves a node key, and what does not."""

import asyncio
import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chainnode.bid import did_of
from chainnode.crypto.suites import PrivateKey
from chainnode.errors import Rejected
from chainnode.p2p.certificates import authenticate, client_context, make_leaf, node_id, server_context, trust
from chainnode.types.codes import NOT_ADMITTED
from tests.p2p.loopback import HOST, IDS, KEYS
from tests.patience import DEADLINE_S

ADMITTED = {node: key.public for node, key in zip(IDS[:2], KEYS[:2], strict=True)}


def der_of(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def secret(key: PrivateKey) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key.secret)


def certificate(subject: str, issuer: str, public: Ed25519PrivateKey, signer: Ed25519PrivateKey, *, ca: bool) -> x509.Certificate:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signer, None)
    )


def pem_of(key: Ed25519PrivateKey, *chain: x509.Certificate) -> bytes:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"".join(one.public_bytes(Encoding.PEM) for one in chain) + private


def refused(der: bytes | None, admitted: dict[str, bytes]) -> None:
    with pytest.raises(Rejected) as caught:
        authenticate(der, admitted)
    assert caught.value.code == NOT_ADMITTED


def test_a_node_id_is_the_did_of_its_key() -> None:
    assert node_id(KEYS[0].public) == did_of("e", KEYS[0].public)


def test_a_leaf_proves_the_key_that_signed_it() -> None:
    assert authenticate(der_of(make_leaf(KEYS[0])), ADMITTED) == IDS[0]
    assert authenticate(der_of(make_leaf(KEYS[1])), ADMITTED) == IDS[1]


def test_each_leaf_has_a_key_of_its_own() -> None:
    first, second = (x509.load_pem_x509_certificate(make_leaf(KEYS[0])) for _ in range(2))
    assert first.public_key() != second.public_key()


def test_a_leaf_of_a_stranger_proves_nothing() -> None:
    refused(der_of(make_leaf(KEYS[2])), ADMITTED)
    refused(der_of(make_leaf(KEYS[0])), {IDS[1]: KEYS[1].public})


def test_a_leaf_that_another_admitted_key_signed_proves_nothing() -> None:
    tls_key = Ed25519PrivateKey.generate()
    refused(certificate("x", IDS[0], tls_key, secret(KEYS[1]), ca=False).public_bytes(Encoding.DER), ADMITTED)


def test_no_certificate_and_no_der_prove_nothing() -> None:
    refused(None, ADMITTED)
    refused(b"", ADMITTED)
    refused(b"\x30\x03\x02\x01\x00", ADMITTED)
    der = bytearray(der_of(make_leaf(KEYS[0])))
    der[-1] ^= 1
    refused(bytes(der), ADMITTED)


async def try_tls(client: ssl.SSLContext, *, trusted: list[int]) -> bytes:
    """What a client gets from a TLS server of node 0 that trusts these nodes; empty when it is refused."""
    context = server_context(make_leaf(KEYS[0]))
    for index in trusted:
        trust(context, IDS[index], KEYS[index].public)

    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"in")
        writer.close()

    server = await asyncio.start_server(greet, HOST, 0, ssl=context)
    async with server, asyncio.timeout(DEADLINE_S):
        try:
            reader, writer = await asyncio.open_connection(HOST, server.sockets[0].getsockname()[1], ssl=client)
            try:
                return await reader.read()
            finally:
                writer.transport.abort()
        except OSError:
            return b""


def context_of(leaf: bytes) -> ssl.SSLContext:
    return client_context(leaf, IDS[0], KEYS[0].public)


async def test_tls_lets_in_the_leaf_of_a_trusted_key_alone() -> None:
    assert await try_tls(context_of(make_leaf(KEYS[1])), trusted=[1]) == b"in"
    assert await try_tls(context_of(make_leaf(KEYS[1])), trusted=[2]) == b""
    assert await try_tls(context_of(make_leaf(KEYS[1])), trusted=[]) == b""


async def test_tls_refuses_a_server_of_another_key() -> None:
    expects_node_2 = client_context(make_leaf(KEYS[1]), IDS[2], KEYS[2].public)
    assert await try_tls(expects_node_2, trusted=[1]) == b""


async def test_tls_refuses_a_client_without_certificate() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert await try_tls(context, trusted=[1]) == b""


async def test_tls_refuses_versions_before_1_3() -> None:
    context = context_of(make_leaf(KEYS[1]))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await try_tls(context, trusted=[1]) == b""


async def test_an_admitted_node_cannot_vouch_for_another() -> None:
    """Node 1 signs an intermediate certificate that bears the name of node 2, and a leaf under it."""
    middle, tls_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    between = certificate(IDS[2], IDS[1], middle, secret(KEYS[1]), ca=True)
    leaf = certificate(f"{IDS[2]} tls", IDS[2], tls_key, middle, ca=False)
    for trusted in ([1, 2], [1]):  # with and without an anchor of the same name
        assert await try_tls(context_of(pem_of(tls_key, leaf, between)), trusted=trusted) == b""
    refused(leaf.public_bytes(Encoding.DER), dict(zip(IDS, (key.public for key in KEYS), strict=True)))


async def test_a_leaf_is_no_certificate_authority() -> None:
    """Who steals a leaf's key cannot make further leaves with it."""
    stolen, tls_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    real = certificate(f"{IDS[1]} tls", IDS[1], stolen, secret(KEYS[1]), ca=False)
    further = certificate("x", f"{IDS[1]} tls", tls_key, stolen, ca=False)
    assert await try_tls(context_of(pem_of(tls_key, further, real)), trusted=[1]) == b""


def test_loading_an_anchor_twice_is_loading_it_once() -> None:
    context = server_context(make_leaf(KEYS[0]))
    for _ in range(3):
        trust(context, IDS[1], KEYS[1].public)
    assert context.cert_store_stats()["x509"] == 1
