"""Organisations of a Fabric channel and the X.509 identities that they vouch for: chains, roles by OU, revocation, signatures. Pure.

As in Fabric, a certificate counts as of the moment when it begins: what ends a certificate's use is a revocation in the configuration.
Certificates of curves that `cryptography` knows and Fabric uses count: P-256, P-384, Ed25519.
Source: Fabric, msp/mspimpl.go, msp/mspimplsetup.go, msp/mspimplvalidate.go, msp/cert.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chainnode.errors import Malformed
from chainnode.foreign import protobuf
from chainnode.foreign.fabricconfig import ChannelConfig
from chainnode.types.codes import BAD_FABRIC_CONFIG, BAD_FABRIC_IDENTITY
from chainnode.types.limits import FABRIC_BLOCK_BYTES_MAX, FABRIC_CERTIFICATES_MAX, FABRIC_CHAIN_MAX, FABRIC_TEXT_BYTES_MAX

ROLES = ("client", "peer", "admin", "orderer")
_BAD = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension, x509.InvalidVersion)
_X509 = 0  # type of an MSP; the other is Idemix
_HALF_ORDERS = {
    SECP256R1.name: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2,
    SECP384R1.name: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973 // 2,
}


@dataclass(frozen=True, slots=True)
class UnitRule:
    """An organisational unit that means something, and under which authority alone (None: whichever)."""

    unit: str
    authority: bytes | None


@dataclass(frozen=True, slots=True)
class Msp:
    """An organisation: its authorities, admins by certificate (DER), revocations, units, and those that tell roles (None: no roles)."""

    name: str
    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]
    admins: tuple[bytes, ...]
    revocations: tuple[x509.CertificateRevocationList, ...]
    units: tuple[UnitRule, ...]
    roles: tuple[tuple[str, UnitRule], ...] | None


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate that its organisation vouches for. `role` is one of ROLES, None when the organisation tells none apart."""

    msp_id: str
    certificate: x509.Certificate
    der: bytes
    units: tuple[str, ...]
    authority_hash: bytes
    role: str | None
    is_admin: bool

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature over the message is this identity's, with s in its lower half."""
        key = self.certificate.public_key()
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, message)
                return True
            if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in _HALF_ORDERS:
                return False
            if decode_dss_signature(signature)[1] > _HALF_ORDERS[key.curve.name]:
                return False
            key.verify(signature, message, ECDSA(hashes.SHA256()))
        except _BAD:
            return False
        return True


class Members:
    """The organisations of a channel, and what was found of identities so far; made for one call and thrown away."""

    def __init__(self, config: ChannelConfig) -> None:
        self._msps: dict[str, Msp] = {}
        for group in config.root.below():
            if "MSP" in group.values:
                found = _read_msp(group.values["MSP"])
                if found is not None and self._msps.setdefault(found.name, found) != found:
                    raise Malformed(BAD_FABRIC_CONFIG, f"the organisation {found.name!r} stands in the configuration in two forms")
        self._known: dict[bytes, Identity | Malformed] = {}

    def identity(self, serialized: bytes) -> Identity:
        """A serialized identity. Malformed(BAD_FABRIC_IDENTITY) when no organisation of the channel vouches for it."""
        found = self._known.get(serialized)
        if found is None:
            try:
                found = self._judged(serialized)
            except Malformed as error:
                found = error
            self._known[serialized] = found
        if isinstance(found, Malformed):
            raise Malformed(found.code, found.detail)
        return found

    def _judged(self, serialized: bytes) -> Identity:
        fields = protobuf.read(serialized, (1, 2), bytes_max=FABRIC_TEXT_BYTES_MAX)
        name = fields.text(1, FABRIC_TEXT_BYTES_MAX)
        if name not in self._msps:
            raise Malformed(BAD_FABRIC_IDENTITY, f"the channel has no organisation {name!r} with X.509 identities")
        try:
            return _identity(self._msps[name], _certificate(fields.data(2, FABRIC_TEXT_BYTES_MAX)))
        except _BAD as error:
            raise Malformed(BAD_FABRIC_IDENTITY, f"a certificate of {name!r} cannot be read or does not verify") from error

    def signers(self, signed: Iterable[tuple[bytes, bytes, bytes]]) -> tuple[Identity, ...]:
        """Who has signed, of (serialized identity, message, signature), each once; what is no identity or no signature is left out."""
        found: dict[bytes, Identity] = {}
        for serialized, message, signature in signed:
            try:
                one = self.identity(serialized)
            except Malformed:
                continue
            if one.has_signed(message, signature):
                found.setdefault(one.msp_id.encode() + b"\x00" + one.der, one)
        return tuple(found.values())


def serialized_identity(msp_id: str, certificate: bytes) -> bytes:
    """An identity in the form in which it signs."""
    return protobuf.text(1, msp_id) + protobuf.data(2, certificate)


def _read_msp(raw: bytes) -> Msp | None:
    """The organisation in a configuration's value, None for one whose identities are not X.509."""
    outer = protobuf.read(raw, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    if outer.number(1) != _X509:
        return None
    fields = protobuf.read(outer.message(2), (1, 6, 8, 11), (2, 3, 4, 5, 7, 9, 10), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    crypto = protobuf.read(fields.optional(8) or b"", (1, 2), bytes_max=FABRIC_TEXT_BYTES_MAX)
    if crypto.text(1, 64) not in ("", "SHA2") or crypto.text(2, 64) not in ("", "SHA256"):
        raise Malformed(BAD_FABRIC_CONFIG, "an organisation hashes by another function than SHA-256")
    try:
        return Msp(
            name=fields.text(1, FABRIC_TEXT_BYTES_MAX),
            roots=tuple(map(_certificate, fields.many(2, FABRIC_CERTIFICATES_MAX))),
            intermediates=tuple(map(_certificate, fields.many(3, FABRIC_CERTIFICATES_MAX))),
            admins=tuple(_der_of(_certificate(one)) for one in fields.many(4, FABRIC_CERTIFICATES_MAX)),
            revocations=tuple(map(x509.load_pem_x509_crl, fields.many(5, FABRIC_CERTIFICATES_MAX))),
            units=tuple(map(_unit_rule, fields.many(7, FABRIC_CERTIFICATES_MAX))),
            roles=_roles(fields.optional(11)),
        )
    except _BAD as error:
        raise Malformed(BAD_FABRIC_CONFIG, "a certificate of an organisation cannot be read") from error


def _roles(raw: bytes | None) -> tuple[tuple[str, UnitRule], ...] | None:
    fields = protobuf.read(raw or b"", (1, 2, 3, 4, 5), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    if not fields.number(1, 1):
        return None
    named = ((role, fields.optional(field)) for field, role in enumerate(ROLES, start=2))
    return tuple((role, _unit_rule(one)) for role, one in named if one is not None)


def _unit_rule(raw: bytes) -> UnitRule:
    fields = protobuf.read(raw, (1, 2), bytes_max=FABRIC_TEXT_BYTES_MAX)
    pem = fields.data(1, FABRIC_TEXT_BYTES_MAX)
    return UnitRule(fields.text(2, FABRIC_TEXT_BYTES_MAX), _der_of(_certificate(pem)) if pem else None)


def _identity(msp: Msp, certificate: x509.Certificate) -> Identity:
    """What the organisation says of a certificate; Malformed(BAD_FABRIC_IDENTITY) or one of _BAD when it does not vouch for it."""
    if _is_authority(certificate):
        raise Malformed(BAD_FABRIC_IDENTITY, "the certificate of an authority is no identity")
    chain = _chain(msp, certificate)
    if any(one.issuer == chain[0].subject and _is_issued_by(one, chain[0]) for one in msp.intermediates):
        raise Malformed(BAD_FABRIC_IDENTITY, "an authority above others vouches for no identities itself")
    _check_not_revoked(msp, certificate, chain[0])
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    units = tuple(str(one.value) for one in names)
    issuer = _der_of(chain[0])
    if msp.units and not any(rule.unit in units and rule.authority in (None, issuer) for rule in msp.units):
        raise Malformed(BAD_FABRIC_IDENTITY, f"the certificate names no unit that {msp.name!r} knows")
    der = _der_of(certificate)
    authority_hash = sha256(b"".join(map(_der_of, chain))).digest()
    return Identity(msp.name, certificate, der, units, authority_hash, _role(msp, units, issuer), der in msp.admins)


def _chain(msp: Msp, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
    """The authorities above a certificate up to a root, all valid when it begins, and in one way alone."""
    found: list[tuple[x509.Certificate, ...]] = []
    open_ways: list[tuple[x509.Certificate, ...]] = [()]
    while open_ways:
        way = open_ways.pop()
        below = way[-1] if way else certificate
        if len(way) == FABRIC_CHAIN_MAX:
            continue
        for one in msp.roots:
            if _vouches(one, below, certificate, len(way)):
                found.append((*way, one))
        open_ways += [(*way, one) for one in msp.intermediates if one not in way and _vouches(one, below, certificate, len(way))]
    if len(found) != 1:
        raise Malformed(BAD_FABRIC_IDENTITY, f"{len(found)} ways lead from the certificate to a root of {msp.name!r}, and not one")
    return found[0]


def _vouches(authority: x509.Certificate, below: x509.Certificate, leaf: x509.Certificate, authorities_below: int) -> bool:
    """Whether an authority issued what is below it, and could do so when the leaf began."""
    if below.issuer != authority.subject or not _is_authority(authority) or not _is_issued_by(below, authority):
        return False
    length = authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    if length is not None and length < authorities_below:
        return False
    return authority.not_valid_before_utc <= leaf.not_valid_before_utc <= authority.not_valid_after_utc


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except _BAD:
        return False
    return True


def _check_not_revoked(msp: Msp, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """No list of the issuer, which it has signed, names the certificate."""
    key = issuer.public_key()
    for one in msp.revocations:
        if one.issuer != issuer.subject or one.get_revoked_certificate_by_serial_number(certificate.serial_number) is None:
            continue
        if isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey) and one.is_signature_valid(key):
            raise Malformed(BAD_FABRIC_IDENTITY, f"{msp.name!r} has revoked the certificate")


def _role(msp: Msp, units: tuple[str, ...], issuer: bytes) -> str | None:
    """The one role that the units tell; None when the organisation tells none apart."""
    if msp.roles is None:
        return None
    told = [(role, rule) for unit in units for role, rule in msp.roles if rule.unit == unit]
    if len(told) != 1 or told[0][1].authority not in (None, issuer):
        raise Malformed(BAD_FABRIC_IDENTITY, f"the units of the certificate do not tell one role of {msp.name!r}")
    return told[0][0]


def _certificate(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def _der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
