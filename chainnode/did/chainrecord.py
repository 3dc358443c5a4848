"""What a ledger knows of another chain: its AC number, how it begins, who runs it, and where its resolvers are.

A record is the value of the chain's key in store `chains`. From it alone follow the documents of `did:bid:<ac>`, and the trust with which
a bundle of that chain is verified. Source of the document: Xinghuo RFC-004, section 5.1; RFC-005, section 4.3.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from chainnode import codec
from chainnode.bid import ACSN_LENGTH, PREFIX
from chainnode.crypto.keys import POWER_TOTAL_MAX, validator, validator_set
from chainnode.did.record import Attribute, Control, Document, Extension, Facts, Identity, Service
from chainnode.errors import Malformed
from chainnode.rfc3339 import time_to_text
from chainnode.types.block import KeyType, PublicKey, Validator, ValidatorSet
from chainnode.types.bundle import Beginning
from chainnode.types.codes import BAD_CHAIN
from chainnode.types.limits import (
    CHAIN_ENDPOINT_LENGTH_MAX,
    CHAIN_ENDPOINTS_MAX,
    CHAIN_GATEWAYS_MAX,
    CHAIN_ID_BYTES_MAX,
    CHAIN_TTL_S_MAX,
    CHAIN_TTL_S_MIN,
    DID_BYTES_MAX,
    NAME_BYTES_MAX,
    STATE_VALUE_BYTES_MAX,
    TEXT_BYTES_MAX,
    VALIDATORS_MAX,
)
from chainnode.types.transaction import Value

ACTIVE, SUSPENDED, FROZEN, REVOKED = "active", "suspended", "frozen", "revoked"
STATUSES = (ACTIVE, SUSPENDED, FROZEN, REVOKED)
AC_NUMBER = 206  # type of a document that describes a chain
SUB_RESOLVER = "DIDSubResolver"
_ENDPOINT = re.compile(
    r"https?://(?:\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([1-9][0-9]{0,4}))?(?:/[A-Za-z0-9._~-]+)*", re.ASCII
)
_PORT_MAX = 65_535
_PERMIT_BYTES_MAX = 512  # 128 letters
_CHAINS_CACHED = 256
_INT63_MAX = 2**63 - 1
_NS_PER_MS = 1_000_000
_TEXT_MS_MAX = 253_402_300_799_999  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class Permit:
    """What an operator says of its permits, for whom it concerns; empty where it says nothing. `valid_until` is a day."""

    number: str = ""
    filing: str = ""
    authority: str = ""
    valid_until: str = ""


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """A chain with the AC number `ac`. `sequence` counts its versions from 1; the last one was written at `height` in the name of `by`.

    `genesis_hash` names the chain for ever. `genesis_time_ns`, `trusting_period_ms` and `validators` are those of its genesis file.
    `endpoints` are the bases of its resolvers' URLs. What its chain says counts for `ttl_s` from the header that proves it.

    `application` is the number of the one that was admitted last, `client_id` names the light client of the chain here, empty for this
    very chain. `gateways` report in the chain's name. From `expires_ms` on the chain is closed, 0: never. `reason` is that of the last
    decision about it; `appeals` counts those that its operator has made.
    """

    sequence: int
    ac: str
    chain_id: str
    name: str
    operator: str
    genesis_hash: bytes
    genesis_time_ns: int
    trusting_period_ms: int
    validators: ValidatorSet
    endpoints: tuple[str, ...]
    ttl_s: int
    status: str
    by: str
    height: int
    time_ms: int
    created_ms: int
    industry: str = ""
    architecture: str = ""
    gateways: tuple[str, ...] = ()
    permit: Permit = Permit()
    application: int = 0
    client_id: str = ""
    expires_ms: int = 0
    reason: str = ""
    appeals: int = 0

    @property
    def did(self) -> str:
        """The DID of the chain itself."""
        return PREFIX + self.ac

    def is_open_at(self, time_ms: int) -> bool:
        """Whether its DIDs are resolved and its reports are taken at this block time: active, and not expired. There is no grace."""
        return self.status == ACTIVE and not self.is_expired_at(time_ms)

    def is_expired_at(self, time_ms: int) -> bool:
        """Whether its admission has run out."""
        return self.expires_ms != 0 and time_ms >= self.expires_ms

    def closed_because(self, time_ms: int) -> str:
        """Why it is not open at this time, in a sentence; empty when it is."""
        if self.status != ACTIVE:
            return f"the chain {self.did} was {self.status} at height {self.height}: {self.reason}"
        if self.is_expired_at(time_ms):
            return f"the admission of the chain {self.did} has expired at {time_text(self.expires_ms)}"
        return ""


def encode_chain(one: ChainRecord) -> bytes:
    """The value of a chain's key in store `chains`."""
    names = (one.sequence, one.ac, one.chain_id, one.name, one.operator)
    beginning = (one.genesis_hash, one.genesis_time_ns, one.trusting_period_ms, validators_value(one.validators))
    change = (one.endpoints, one.ttl_s, one.status, one.by, one.height, one.time_ms, one.created_ms)
    permit = (one.permit.number, one.permit.filing, one.permit.authority, one.permit.valid_until)
    admission = (one.industry, one.architecture, one.gateways, permit, one.application, one.client_id, one.expires_ms)
    return codec.encode((*names, *beginning, *change, *admission, one.reason, one.appeals))


@lru_cache(maxsize=_CHAINS_CACHED)
def decode_chain(value: bytes) -> ChainRecord:
    """The record in a value; Malformed(MALFORMED), (BAD_KEY) or (BAD_CHAIN). With 100 validators 0.5 ms, and an operator has up to 64."""
    row = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 25)
    sequence, ac, chain_id, name, operator, genesis_hash, genesis_time_ns, trusting_period_ms, keys, endpoints, ttl_s = row[:11]
    status, by, height, time_ms, created_ms = row[11:16]
    industry, architecture, gateways, permit, application, client_id, expires_ms, reason, appeals = row[16:]
    return ChainRecord(
        sequence=codec.as_int(sequence, 1, _INT63_MAX),
        ac=codec.as_str(ac, ACSN_LENGTH),
        chain_id=codec.as_str(chain_id, CHAIN_ID_BYTES_MAX),
        name=codec.as_str(name, TEXT_BYTES_MAX),
        operator=codec.as_str(operator, DID_BYTES_MAX),
        genesis_hash=codec.as_bytes(genesis_hash, length=32),
        genesis_time_ns=codec.as_int(genesis_time_ns, 1, _INT63_MAX),
        trusting_period_ms=codec.as_int(trusting_period_ms, 1, _INT63_MAX),
        validators=read_validators(keys),
        endpoints=read_endpoints(endpoints),
        ttl_s=codec.as_int(ttl_s, CHAIN_TTL_S_MIN, CHAIN_TTL_S_MAX),
        status=codec.as_str(status, NAME_BYTES_MAX),
        by=codec.as_str(by, DID_BYTES_MAX),
        height=codec.as_int(height, 0, _INT63_MAX),
        time_ms=codec.as_int(time_ms, 0, _INT63_MAX),
        created_ms=codec.as_int(created_ms, 0, _INT63_MAX),
        industry=codec.as_str(industry, NAME_BYTES_MAX),
        architecture=codec.as_str(architecture, NAME_BYTES_MAX),
        gateways=_read_gateways(gateways),
        permit=Permit(*(codec.as_str(one, _PERMIT_BYTES_MAX) for one in codec.as_array(permit, 4))),
        application=codec.as_int(application, 0, _INT63_MAX),
        client_id=codec.as_str(client_id, NAME_BYTES_MAX),
        expires_ms=codec.as_int(expires_ms, 0, _INT63_MAX),
        reason=codec.as_str(reason, TEXT_BYTES_MAX),
        appeals=codec.as_int(appeals, 0, _INT63_MAX),
    )


def _read_gateways(value: Value) -> tuple[str, ...]:
    found = tuple(codec.as_str(one, DID_BYTES_MAX) for one in codec.as_array(value))
    if len(found) > 2 * CHAIN_GATEWAYS_MAX:
        raise Malformed(BAD_CHAIN, f"a chain has at most {2 * CHAIN_GATEWAYS_MAX} gateways")
    return found


def time_text(time_ms: int) -> str:
    """A block time for people."""
    return time_to_text(time_ms * _NS_PER_MS) if time_ms <= _TEXT_MS_MAX else f"{time_ms} ms after 1970"


def validators_value(validators: ValidatorSet) -> Value:
    """A validator set as an argument of a call: rows of 1 for Ed25519 or 2 for secp256k1, key and power."""
    return tuple((int(one.public_key.type), one.public_key.data, one.power) for one in validators.validators)


def read_validators(value: Value) -> ValidatorSet:
    """The validators in a decoded value, in their order. Malformed when they make no set."""
    found: list[Validator] = []
    for row in codec.as_array(value):
        if len(found) == VALIDATORS_MAX:
            raise Malformed(BAD_CHAIN, f"a chain has at most {VALIDATORS_MAX} validators")
        kind, key, power = codec.as_array(row, 3)
        public_key = PublicKey(KeyType(codec.as_int(kind, KeyType.ED25519, KeyType.SECP256K1)), codec.as_bytes(key, length_max=33))
        found.append(validator(public_key, codec.as_int(power, 1, POWER_TOTAL_MAX)))
    return validator_set(found)


def read_endpoints(value: Value) -> tuple[str, ...]:
    """The bases of resolvers' URLs in a decoded value: each once, with http or https, without query, fragment and slash at the end."""
    found = tuple(codec.as_str(one, CHAIN_ENDPOINT_LENGTH_MAX) for one in codec.as_array(value))
    if not 0 < len(found) <= CHAIN_ENDPOINTS_MAX or len(dict.fromkeys(found)) != len(found):
        raise Malformed(BAD_CHAIN, f"a chain has 1 to {CHAIN_ENDPOINTS_MAX} resolvers, each named once")
    for one in found:
        match = _ENDPOINT.fullmatch(one)
        if match is None or int(match[1] or 0) > _PORT_MAX:
            raise Malformed(BAD_CHAIN, "a resolver is named by http:// or https://, a host in small letters, a port if need be, and a path")
    return found


def beginning_of_chain(one: ChainRecord) -> Beginning:
    """What trust in the chain begins with."""
    return Beginning(one.chain_id, one.genesis_hash, one.genesis_time_ns, one.trusting_period_ms, one.validators)


def identity_of_chain(one: ChainRecord) -> Identity:
    """The chain as an identity, from which both forms of its document are made; it is not on the ledger in this form."""
    services = tuple(Service(f"resolver-{number}", SUB_RESOLVER, each) for number, each in enumerate(one.endpoints, start=1))
    attributes = (
        Attribute("name", "name of the chain", 0, "text", one.name),
        Attribute("chainId", "chain id", 0, "text", one.chain_id),
        Attribute("genesisHash", "SHA-256 of its genesis", 0, "text", one.genesis_hash.hex()),
        Attribute("status", "whether its DIDs are resolved", 0, "text", one.status),
        *((Attribute("expires", "when its admission ends", 0, "text", time_text(one.expires_ms)),) if one.expires_ms else ()),
    )
    facts = Facts(services, (), Extension(AC_NUMBER, one.ttl_s, attributes))
    document = Document((), Control(controllers=(one.operator,)), facts)
    is_there = one.status != REVOKED
    return Identity(one.did, one.sequence, b"", one.height, one.time_ms, one.created_ms, is_there, document if is_there else Document(()))
