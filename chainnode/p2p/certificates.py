"""Certificates that prove a node key, with nothing but the admitted public keys to trust.

A node shows a leaf certificate: a TLS key drawn anew by each process, issuer "CN=<node id>", signed with the node key. The
other side needs an anchor to check it against and has the public key only, so it makes one: a CA certificate with that
name and key. Its own signature is worthless, and nobody looks at it: an anchor is trusted for being there.
Validity spans a century so that TLS depends on no clock; a leaf's key lives in memory as long as the node key does.
"""

import datetime
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chainnode.bid import did_of
from chainnode.crypto import ed25519
from chainnode.crypto.suites import PrivateKey
from chainnode.errors import Rejected
from chainnode.types.codes import NOT_ADMITTED

_NOT_BEFORE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_NOT_AFTER = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)
_ANCHOR_SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(32))  # no secret: OpenSSL does not check an anchor's signature


def node_id(node_key: bytes) -> str:
    """A node's id: the DID of its raw Ed25519 network key."""
    return did_of("e", node_key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(*, subject: str, issuer: str, public_key: Ed25519PublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
    )


def make_leaf(node: PrivateKey) -> bytes:
    """A fresh leaf certificate followed by its private key, in PEM. Keep it in memory."""
    assert node.suite == "e"
    tls_key = Ed25519PrivateKey.generate()
    issuer = node_id(node.public)
    certificate = (
        _builder(subject=f"{issuer} tls", issuer=issuer, public_key=tls_key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(Ed25519PrivateKey.from_private_bytes(node.secret), None)
    )
    private = tls_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM) + private


def _make_anchor(peer_id: str, node_key: bytes) -> str:
    """The anchor of one peer in PEM; the same bytes each time, so that loading it twice is loading it once."""
    certificate = (
        _builder(subject=peer_id, issuer=peer_id, public_key=Ed25519PublicKey.from_public_bytes(node_key))
        .serial_number(1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(_ANCHOR_SIGNER, None)
    )
    return certificate.public_bytes(Encoding.PEM).decode()


def _context(protocol: int, leaf: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the id is in the certificate, not in the address
    context.verify_mode = ssl.CERT_REQUIRED
    # The ssl module reads keys from files only: this one is readable by its owner and gone at once.
    with tempfile.TemporaryDirectory(prefix="chainnode-") as folder:
        path = Path(folder) / "leaf.pem"
        path.touch(mode=0o600)
        path.write_bytes(leaf)
        context.load_cert_chain(path)
    return context


def trust(context: ssl.SSLContext, peer_id: str, node_key: bytes) -> None:
    """Let the context take leaves of this peer from now on. A context never forgets: see `authenticate`."""
    context.load_verify_locations(cadata=_make_anchor(peer_id, node_key))


def server_context(leaf: bytes) -> ssl.SSLContext:
    """The context of the listening side; it trusts nobody until `trust` is called."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, leaf)
    context.num_tickets = 0  # each connection proves its key anew
    return context


def client_context(leaf: bytes, peer_id: str, node_key: bytes) -> ssl.SSLContext:
    """The context for dialling one peer: it trusts that peer alone."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, leaf)
    trust(context, peer_id, node_key)
    return context


def authenticate(leaf_der: bytes | None, admitted: Mapping[str, bytes]) -> str:
    """The id of the admitted node that signed this leaf; Rejected(NOT_ADMITTED).

    TLS has proved that the other side holds the leaf's key and that some anchor vouches for the leaf. This
    check stands alone all the same: the admitted set may have shrunk since the anchor was loaded, and no
    chain over another admitted node's key can pass for the one named.
    """
    if leaf_der is None:
        raise Rejected(NOT_ADMITTED, "the peer showed no certificate")
    try:
        leaf = x509.load_der_x509_certificate(leaf_der)
        names = [str(attribute.value) for attribute in leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)]
        signed, signature = leaf.tbs_certificate_bytes, leaf.signature
    except ValueError as error:
        raise Rejected(NOT_ADMITTED, "the peer's certificate does not decode") from error
    peer_id = names[0] if len(names) == 1 else ""
    node_key = admitted.get(peer_id)
    if node_key is None:
        raise Rejected(NOT_ADMITTED, f"node {peer_id[:64]} is not admitted")
    if not ed25519.verify(node_key, signature, signed):
        raise Rejected(NOT_ADMITTED, f"the certificate is not signed by node {peer_id}")
    return peer_id
