"""Channels of Fabric made by hand: organisations with real certificates, configurations, transactions and blocks in real bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chainnode.foreign.fabricbytes import Block, read_block
from chainnode.foreign.protobuf import data, message, number, text

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CHANNEL = "trade"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class Authority:
    """A certificate authority and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)


def subject_of(name: str, units: Sequence[str] = ()) -> x509.Name:
    """A name with organisational units."""
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    return x509.Name([*parts, *(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units)])


def certificate(
    name: str,
    key: Any,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    units: Sequence[str] = (),
    is_authority: bool = False,
    path_length: int | None = None,
    begins: datetime = BEGIN,
    ends: datetime = BEGIN + 3650 * DAY,
) -> x509.Certificate:
    """A certificate, signed by an issuer."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_of(name, units))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256())


def root(name: str, **more: Any) -> Authority:
    """An authority that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(certificate(name, key, subject_of(name), key, is_authority=True, **more), key)


def below(authority: Authority, name: str, **more: Any) -> Authority:
    """An authority for which another vouches."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(certificate(name, key, authority.certificate.subject, authority.key, is_authority=True, **more), key)


@dataclass(frozen=True)
class Person:
    """Somebody with a certificate of an organisation."""

    msp_id: str
    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def identity(self) -> bytes:
        """The serialized identity."""
        return text(1, self.msp_id) + data(2, self.pem)

    def sign(self, content: bytes, *, is_high: bool = False) -> bytes:
        """A signature with s in its lower half, or in its upper."""
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(content)
        r, s = decode_dss_signature(self.key.sign(content, ec.ECDSA(hashes.SHA256())))
        if (s > _ORDER // 2) is not is_high:
            s = _ORDER - s
        return encode_dss_signature(r, s)


def unit_rule(unit: str, authority: bytes = b"") -> bytes:
    """A FabricOUIdentifier."""
    return data(1, authority) + text(2, unit)


@dataclass(frozen=True)
class Org:
    """An organisation as a configuration has it."""

    name: str
    authority: Authority
    intermediates: tuple[Authority, ...] = ()
    admins: tuple[bytes, ...] = ()
    revocations: tuple[bytes, ...] = ()
    units: tuple[bytes, ...] = ()
    has_roles: bool = True
    role_authority: bytes = b""
    crypto: bytes = b""
    kind: int = 0

    def person(
        self,
        name: str,
        role: str = "peer",
        *,
        issuer: Authority | None = None,
        units: Sequence[str] | None = None,
        key: Any = None,
        **more: Any,
    ) -> Person:
        """Somebody with a certificate of its."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        by = issuer or self.authority
        made = certificate(name, key, by.certificate.subject, by.key, units=[role] if units is None else units, **more)
        return Person(self.name, made, key)

    def revoked(self, *people: Person, by: Authority | None = None, key: Any = None) -> bytes:
        """A list of revocations."""
        authority = by or self.authority
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject).last_update(BEGIN).next_update(BEGIN + DAY)
        )
        for one in people:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(BEGIN).build()
            )
        return builder.sign(key or authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    @property
    def msp(self) -> bytes:
        """The value MSP of its group."""
        ous = ("client", "peer", "admin", "orderer")
        roles = number(1, 1) + b"".join(message(place, unit_rule(unit, self.role_authority)) for place, unit in enumerate(ous, 2))
        config = text(1, self.name) + data(2, self.authority.pem)
        config += b"".join(data(3, one.pem) for one in self.intermediates) + b"".join(data(4, one) for one in self.admins)
        config += b"".join(data(5, one) for one in self.revocations) + b"".join(message(7, one) for one in self.units)
        config += self.crypto + (message(11, roles) if self.has_roles else b"")
        return number(1, self.kind) + data(2, config)


@cache
def org(name: str) -> Org:
    """An organisation, the same each time."""
    return Org(name, root(f"ca of {name}"))


@cache
def person(org_name: str, name: str, role: str = "peer") -> Person:
    """Somebody of it, the same each time."""
    return org(org_name).person(name, role)


# Configurations


def entry(field_number: int, name: str, content: bytes) -> bytes:
    """An entry of a map."""
    return message(field_number, text(1, name) + message(2, content))


def group(groups: dict[str, bytes], values: dict[str, bytes], policies: dict[str, bytes]) -> bytes:
    """A ConfigGroup; values as they are, policies as Policy."""
    made = b"".join(entry(2, name, one) for name, one in groups.items())
    made += b"".join(entry(3, name, data(2, one)) for name, one in values.items())
    return made + b"".join(entry(4, name, message(2, one)) for name, one in policies.items()) + text(5, "Admins")


def implicit(name: str, rule: int) -> bytes:
    """A policy over the groups below: 0 any, 1 all, 2 the majority."""
    return number(1, 3) + data(2, text(1, name) + number(2, rule))


def role_of(msp_id: str, role: int = 0) -> bytes:
    """A principal by role: 0 member, 1 admin, 2 client, 3 peer, 4 orderer."""
    return data(2, text(1, msp_id) + number(2, role))


def signed_by(place: int) -> bytes:
    """A part of a policy."""
    return b"\x08" + bytes((place,))


def out_of(needed: int, *parts: bytes) -> bytes:
    """A part of a policy."""
    return message(2, number(1, needed) + b"".join(message(2, one) for one in parts))


def envelope_of(rule: bytes, *principals: bytes) -> bytes:
    """A SignaturePolicyEnvelope."""
    return message(2, rule) + b"".join(message(3, one) for one in principals)


def signature(rule: bytes, *principals: bytes) -> bytes:
    """A policy of signatures."""
    return number(1, 1) + data(2, envelope_of(rule, *principals))


def org_group(one: Org, writer_role: int = 0) -> bytes:
    """The group of an organisation: its members write, its peers endorse."""
    writers, endorsers = (signature(out_of(1, signed_by(0)), role_of(one.name, role)) for role in (writer_role, 3))
    return group({}, {"MSP": one.msp}, {"Writers": writers, "Endorsement": endorsers})


@dataclass(frozen=True)
class Setup:
    """What a configuration says."""

    orgs: tuple[Org, ...] = field(default_factory=lambda: (org("Org1MSP"), org("Org2MSP"), org("Org3MSP")))
    orderer_orgs: tuple[Org, ...] = field(default_factory=lambda: (org("OrdererMSP"),))
    consensus: str = "etcdraft"
    consenters: tuple[tuple[int, Person], ...] = ()
    validation: bytes | None = None
    sequence: int = 1
    channel: str = CHANNEL
    more_policies: dict[str, bytes] = field(default_factory=dict)

    @property
    def config(self) -> bytes:
        """A Config."""
        listed = b"".join(
            message(1, number(1, place) + text(2, "host") + number(3, 7050) + text(4, one.msp_id) + data(5, one.pem))
            for place, one in self.consenters
        )
        policies = {} if self.validation == b"" else {"BlockValidation": self.validation or implicit("Writers", 0)}
        values = {"ConsensusType": text(1, self.consensus) + data(2, b"metadata"), "Orderers": listed}
        orderer = group({one.name: org_group(one) for one in self.orderer_orgs}, values, policies)
        named = {"Endorsement": implicit("Endorsement", 2), "LifecycleEndorsement": implicit("Endorsement", 2), **self.more_policies}
        application = group({one.name: org_group(one) for one in self.orgs}, {}, named)
        root_group = group({"Orderer": orderer, "Application": application}, {"HashingAlgorithm": text(1, "SHA256")}, {})
        return number(1, self.sequence) + message(2, root_group)

    @property
    def envelope(self) -> bytes:
        """The envelope of a config block."""
        channel_header = number(1, 1) + text(4, self.channel)
        header = message(1, channel_header) + data(2, data(1, person("OrdererMSP", "o1", "orderer").identity) + data(2, b"nonce"))
        return data(1, message(1, header) + data(2, message(1, self.config)))


# Blocks


def block_bytes(
    previous: Block | None,
    envelopes: Sequence[bytes],
    signers: Sequence[Person | tuple[int, Person]] = (),
    *,
    last_config: int | None = None,
    changed_data: bytes | None = None,
    block_number: int | None = None,
    previous_hash: bytes | None = None,
    is_high: bool = False,
) -> bytes:
    """A block that follows, signed by people by their identity, or as (number, consenter)."""
    place = (0 if previous is None else previous.number + 1) if block_number is None else block_number
    before = (b"" if previous is None else previous.hash) if previous_hash is None else previous_hash
    data_hash = sha256(b"".join(envelopes)).digest() if changed_data is None else changed_data
    header = number(1, place) + data(2, before) + data(3, data_hash)
    value = b"" if last_config is None else message(1, number(1, last_config))
    der = Block(place, before, data_hash, (), b"", None, ()).header_bytes
    signatures = b""
    for one in signers:
        if isinstance(one, tuple):
            named = number(1, one[0]) + data(2, b"nonce")
            signatures += message(2, data(2, one[1].sign(value + named + der, is_high=is_high)) + data(3, named))
        else:
            named = data(1, one.identity) + data(2, b"nonce")
            signatures += message(2, data(1, named) + data(2, one.sign(value + named + der, is_high=is_high)))
    metadata = message(1, data(1, value) + signatures) + message(1, b"") + message(1, b"\x00")
    return message(1, header) + message(2, b"".join(message(1, one) for one in envelopes)) + message(3, metadata)


def first_block(setup: Setup) -> Block:
    """The block that begins a channel."""
    return read_block(block_bytes(None, [setup.envelope]))


# Transactions


@dataclass(frozen=True)
class Tx:
    """An endorser transaction before it is written."""

    creator: Person
    endorsers: tuple[Person, ...]
    chaincode: str = "goods"
    ran: str | None = None
    writes: tuple[tuple[str, str, bytes | None], ...] = (("goods", "k", b"v"),)
    nonce: bytes = b"1"
    channel: str = CHANNEL
    kind: int = 3
    tx_id: str | None = None
    action_nonce: bytes = b"1"
    proposal_hash: bytes | None = None
    signed_by: Person | None = None
    endorsed_by: Person | None = None
    private: tuple[str, ...] = ()  # namespaces with a hashed write
    metadata: tuple[str, ...] = ()  # namespaces with a write of metadata
    is_high: bool = False
    endorsers_high: bool = False
    actions: int = 1
    epoch: int = 0

    @property
    def results(self) -> bytes:
        """The read-write set."""
        names = dict.fromkeys([*(name for name, _, _ in self.writes), *self.private, *self.metadata])
        made = b""
        for name in names:
            inner = message(1, text(1, "r") + message(2, number(1, 4) + number(2, 2))) + message(1, text(1, "absent"))
            for space, key, value in self.writes:
                if space == name:
                    inner += message(3, text(1, key) + (number(2, 1) if value is None else data(3, value)))
            inner += message(4, text(1, "k") + message(2, text(1, "VALIDATION_PARAMETER"))) if name in self.metadata else b""
            hashed = message(3, text(1, "secret") + data(2, message(2, data(1, b"h")))) if name in self.private else b""
            made += message(2, text(1, name) + data(2, inner) + hashed)
        return made

    @property
    def envelope(self) -> bytes:
        """The envelope."""
        wanted = data(7, message(2, text(2, self.chaincode)))
        tx_id = sha256(self.nonce + self.creator.identity).hexdigest() if self.tx_id is None else self.tx_id
        channel_header = number(1, self.kind) + text(4, self.channel) + text(5, tx_id) + number(6, self.epoch) + wanted
        action_header = data(1, self.creator.identity) + data(2, self.action_nonce)
        proposal = data(1, b"the input")
        ran = message(4, text(2, self.chaincode if self.ran is None else self.ran) + text(3, "1.0"))
        said = data(1, self.results) + message(3, number(1, 200)) + ran
        digest = sha256(channel_header + action_header + proposal).digest() if self.proposal_hash is None else self.proposal_hash
        response = data(1, digest) + data(2, said)
        endorsements = b"".join(
            message(
                2, data(1, one.identity) + data(2, (self.endorsed_by or one).sign(response + one.identity, is_high=self.endorsers_high))
            )
            for one in self.endorsers
        )
        action = data(1, action_header) + data(2, data(1, proposal) + message(2, data(1, response) + endorsements))
        header = message(1, channel_header) + data(2, data(1, self.creator.identity) + data(2, self.nonce))
        payload = message(1, header) + data(2, message(1, action) * self.actions)
        return data(1, payload) + data(2, (self.signed_by or self.creator).sign(payload, is_high=self.is_high))


def tx(*endorsing: str, nonce: int = 1, **changes: Any) -> Tx:
    """A transaction of alice's, endorsed by a peer of each organisation named."""
    made = Tx(person("Org1MSP", "alice", "client"), tuple(person(one, "peer0") for one in endorsing), nonce=b"n%d" % nonce)
    return replace(made, **changes)
