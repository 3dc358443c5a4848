"""Compact JSON Web Signatures: header, payload and signature in base64url, joined by dots.

The algorithm is never believed: a key counts for the one algorithm of its kind. Source: RFC 7515, 7.1; RFC 8037; RFC 9864.
"""

import base64
import binascii
from dataclasses import dataclass

from chainnode.crypto.suites import PrivateKey
from chainnode.did.record import P256
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_CREDENTIAL, BAD_CREDENTIAL_PROOF, METHOD_NOT_AUTHORISED, SUITE_UNKNOWN
from chainnode.types.limits import CREDENTIAL_BYTES_MAX
from chainnode.vc.jcs import Document, canonical, parse_document
from chainnode.vc.signatures import SIGNATURE_BYTES, sign_message, verify_message

_KINDS = {"EdDSA": "e", "Ed25519": "e", "ES256": P256, "SM2": "z"}
ALGORITHMS = {"e": "EdDSA", P256: "ES256", "z": "SM2"}  # what we write


@dataclass(frozen=True, slots=True)
class Jws:
    """A parsed token: `signed` are the bytes that the signature is over."""

    header: Document
    payload: bytes
    signed: bytes
    signature: bytes

    @property
    def document(self) -> Document:
        """The payload as a JSON object."""
        return document_of(self.payload)


def parse_jws(text: str) -> Jws:
    """The parts of a token; Malformed(BAD_CREDENTIAL) unless it is one, signed by an algorithm that is known here (SUITE_UNKNOWN)."""
    if len(text) > CREDENTIAL_BYTES_MAX or text.count(".") != 2 or not text.isascii():
        raise Malformed(BAD_CREDENTIAL, "a token is three texts of base64url, joined by dots")
    head, body, end = text.split(".")
    return Jws(read_header(head), from_base64url(body), f"{head}.{body}".encode(), read_signature(end))


def read_header(text: str) -> Document:
    """The protected header, with an `alg` that is known here and nothing that must be understood."""
    header = document_of(from_base64url(text))
    kind_of(header)
    if "crit" in header or "b64" in header:
        raise Rejected(SUITE_UNKNOWN, "the token asks for extensions that are not known here")
    return header


def read_signature(text: str) -> bytes:
    """The 64 bytes of a signature. Published Xinghuo tokens carry its hexadecimal digits inside the base64url; both are read."""
    data = from_base64url(text)
    if len(data) == 2 * SIGNATURE_BYTES:
        try:
            data = binascii.unhexlify(data)
        except binascii.Error:
            data = b""
    if len(data) != SIGNATURE_BYTES:
        raise Malformed(BAD_CREDENTIAL, f"a signature has {SIGNATURE_BYTES} bytes")
    return data


def kind_of(header: Document) -> str:
    """The kind of key that the header's algorithm takes."""
    algorithm = header.get("alg")
    kind = _KINDS.get(algorithm) if isinstance(algorithm, str) else None
    if kind is None:
        raise Rejected(SUITE_UNKNOWN, f"the algorithm of a token is one of {', '.join(_KINDS)}")
    return kind


def verify_jws(header: Document, signed: bytes, signature: bytes, key: tuple[str, bytes]) -> None:
    """Rejected(METHOD_NOT_AUTHORISED) when the key is of another kind, (BAD_CREDENTIAL_PROOF) when the signature does not count."""
    kind, public_key = key
    if kind != kind_of(header):
        raise Rejected(METHOD_NOT_AUTHORISED, f"{header['alg']} does not take a key of kind '{kind}'")
    if not verify_message(kind, public_key, signature, signed):
        raise Rejected(BAD_CREDENTIAL_PROOF, "the signature of the token does not verify")


def sign_jws(header: Document, payload: Document, key: PrivateKey) -> str:
    """The token of a payload, with the algorithm of the key's kind added to the header."""
    algorithm = ALGORITHMS.get(key.suite)
    if algorithm is None:
        raise Malformed(SUITE_UNKNOWN, f"tokens are not signed with keys of kind '{key.suite}'")
    signed = ".".join(to_base64url(canonical(part)) for part in ({"alg": algorithm, **header}, payload))
    return f"{signed}.{to_base64url(sign_message(key, signed.encode()))}"


def document_of(data: bytes) -> Document:
    """The JSON object of UTF-8 bytes."""
    try:
        return parse_document(data.decode())
    except UnicodeDecodeError:
        raise Malformed(BAD_CREDENTIAL, "the JSON is not UTF-8") from None


def to_base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The bytes of base64url without padding; Malformed(BAD_CREDENTIAL) for any other text, also one that another text is the form of."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if to_base64url(data) != text:
        raise Malformed(BAD_CREDENTIAL, "the text is not base64url without padding")
    return data
