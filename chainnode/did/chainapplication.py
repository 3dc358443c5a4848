"""Applications for an AC number, and appeals of chains that were closed: as the ledger keeps them, decided or not."""

import hashlib
from dataclasses import dataclass

from chainnode import codec
from chainnode.bid import ACSN_LENGTH
from chainnode.did.chainform import Form, operator_of, read_form
from chainnode.did.chainrecord import read_validators, validators_value
from chainnode.errors import Malformed
from chainnode.types.bundle import Beginning
from chainnode.types.codes import BAD_CHAIN
from chainnode.types.limits import (
    CHAIN_APPEAL_BYTES_MAX,
    CHAIN_EVIDENCE_MAX,
    CHAIN_ID_BYTES_MAX,
    CHAIN_TTL_S_MAX,
    CHAIN_TTL_S_MIN,
    DID_BYTES_MAX,
    NAME_BYTES_MAX,
    STATE_VALUE_BYTES_MAX,
    TEXT_BYTES_MAX,
)
from chainnode.types.transaction import Value

OPEN, ADMITTED, REJECTED, WITHDRAWN = "open", "admitted", "rejected", "withdrawn"
GRANTED = "granted"  # of an appeal, which is open or rejected else
_INT63_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Application:
    """What an operator asked for in block `height`. `beginning` is its chain's; `evidence` are digests of what it goes by.

    Once decided, in block `decided_height` in the name of `by`, `reason` says why, and `ac` is the number that was given.
    """

    number: int
    form: Form
    beginning: Beginning
    ttl_s: int
    evidence: tuple[bytes, ...]
    height: int
    time_ms: int
    status: str = OPEN
    ac: str = ""
    reason: str = ""
    by: str = ""
    decided_height: int = 0

    @property
    def operator(self) -> str:
        """Who applied."""
        return operator_of(self.form)

    @property
    def digest(self) -> bytes:
        """What stands for it where it is evidence of something else. 32 bytes."""
        return hashlib.sha256(codec.encode((self.number, *_asked(self)))).digest()


@dataclass(frozen=True, slots=True)
class Appeal:
    """What an operator says against the closing of its chain; `evidence` may be empty. Once answered, `reason` says why."""

    ac: str
    number: int
    text: str
    evidence: bytes
    by: str
    height: int
    time_ms: int
    status: str = OPEN
    reason: str = ""
    answered_height: int = 0


def _asked(one: Application) -> tuple[Value, ...]:
    first = one.beginning
    beginning = (first.chain_id, first.genesis_hash, first.time_ns, first.trusting_period_ms, validators_value(first.validators))
    return one.form, beginning, one.ttl_s, one.evidence


def encode_application(one: Application) -> bytes:
    """The value of an application's key in store `chains`."""
    decision = (one.status, one.ac, one.reason, one.by, one.decided_height)
    return codec.encode((one.number, *_asked(one), one.height, one.time_ms, *decision))


def decode_application(value: bytes) -> Application:
    """The application in a value; Malformed."""
    row = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 12)
    number, form, beginning, ttl_s, evidence, height, time_ms, status, ac, reason, by, decided_height = row
    chain_id, genesis_hash, time_ns, trusting_period_ms, keys = codec.as_array(beginning, 5)
    return Application(
        number=codec.as_int(number, 1, _INT63_MAX),
        form=read_form(form),
        beginning=Beginning(
            chain_id=codec.as_str(chain_id, CHAIN_ID_BYTES_MAX),
            genesis_hash=codec.as_bytes(genesis_hash, 32),
            time_ns=codec.as_int(time_ns, 1, _INT63_MAX),
            trusting_period_ms=codec.as_int(trusting_period_ms, 1, _INT63_MAX),
            validators=read_validators(keys),
        ),
        ttl_s=codec.as_int(ttl_s, CHAIN_TTL_S_MIN, CHAIN_TTL_S_MAX),
        evidence=_digests(evidence),
        height=codec.as_int(height, 0, _INT63_MAX),
        time_ms=codec.as_int(time_ms, 0, _INT63_MAX),
        status=codec.as_str(status, NAME_BYTES_MAX),
        ac=codec.as_str(ac, ACSN_LENGTH),
        reason=codec.as_str(reason, TEXT_BYTES_MAX),
        by=codec.as_str(by, DID_BYTES_MAX),
        decided_height=codec.as_int(decided_height, 0, _INT63_MAX),
    )


def encode_appeal(one: Appeal) -> bytes:
    """The value of an appeal's key in store `chains`."""
    said = (one.ac, one.number, one.text, one.evidence, one.by, one.height, one.time_ms)
    return codec.encode((*said, one.status, one.reason, one.answered_height))


def decode_appeal(value: bytes) -> Appeal:
    """The appeal in a value; Malformed."""
    row = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 10)
    ac, number, text, evidence, by, height, time_ms, status, reason, answered_height = row
    return Appeal(
        ac=codec.as_str(ac, ACSN_LENGTH),
        number=codec.as_int(number, 1, _INT63_MAX),
        text=codec.as_str(text, CHAIN_APPEAL_BYTES_MAX),
        evidence=codec.as_bytes(evidence, length_max=32),
        by=codec.as_str(by, DID_BYTES_MAX),
        height=codec.as_int(height, 0, _INT63_MAX),
        time_ms=codec.as_int(time_ms, 0, _INT63_MAX),
        status=codec.as_str(status, NAME_BYTES_MAX),
        reason=codec.as_str(reason, TEXT_BYTES_MAX),
        answered_height=codec.as_int(answered_height, 0, _INT63_MAX),
    )


def _digests(value: Value) -> tuple[bytes, ...]:
    found = codec.as_array(value)
    if len(found) > CHAIN_EVIDENCE_MAX:
        raise Malformed(BAD_CHAIN, f"an application names at most {CHAIN_EVIDENCE_MAX} digests")
    return tuple(codec.as_bytes(one, 32) for one in found)
