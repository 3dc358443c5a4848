"""Headers of EVM chains that decide blocks by QBFT (Besu, GoQuorum): who sealed them, and when a stranger may believe one.

A header names its validators and carries their seals in its extra data, RLP[vanity, validators, vote, round, seals]. A seal signs
the header with its round and without seals; the block's hash leaves the round out too. Nothing in a header names the chain: keys
of validators must seal on one chain only. Cost is 60 us per seal, and 5 ms for the hashes in plain Python.
Source: Besu at 3fd224e2, QbftExtraDataCodec, BftBlockHashing, BftValidatorsValidationRule; the QBFT specification, section 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.errors import Malformed, Rejected
from chainnode.foreign.ethkeys import ADDRESS_BYTES, recover
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.rlp import Item, as_bytes, as_list, as_number, decode, encode, number
from chainnode.types.codes import BAD_EVM_HEADER, NOT_ENOUGH_SEALS, NOT_ENOUGH_TRUST, TRUST_EXPIRED
from chainnode.types.limits import EVM_HEADER_BYTES_MAX, EVM_HEADER_FIELDS_MAX, LIGHT_CLOCK_DRIFT_MS_MAX, QBFT_VALIDATORS_MAX

_NS_PER_SECOND, _NS_PER_MS = 1_000_000_000, 1_000_000
_FIELDS_MIN = 15
_HASH_BYTES, _BLOOM_BYTES, _NONCE_BYTES, _VANITY_BYTES = 32, 256, 8, 32
_EXTRA = 12  # which field is the extra data
_NO_OMMERS = keccak256(encode(()))
_MIX_HASH = b"ctical byzantine fault tolerance"  # the end of "practical byzantine fault tolerance"
_EXTRA_FIELDS = 5
_ROUND, _SEALS = 3, 4


@dataclass(frozen=True, slots=True)
class QbftHeader:
    """What a light client reads of a header. `seal_digest` is what its validators signed."""

    hash: bytes
    parent_hash: bytes
    state_root: bytes
    height: int
    time_s: int
    round: int
    validators: tuple[bytes, ...]
    seals: tuple[bytes, ...]
    seal_digest: bytes


@dataclass(frozen=True, slots=True)
class TrustedHeader:
    """What a light client keeps of a header that it believes."""

    height: int
    hash: bytes
    time_s: int
    state_root: bytes
    validators: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class QbftRules:
    """What a light client accepts.

    `trust_numerator / trust_denominator` of the trusted validators, rounded up, must have sealed a header whose validators are
    others. From 1/3, of which one at least is honest, to 1.
    """

    trusting_period_ms: int
    clock_drift_ms: int = LIGHT_CLOCK_DRIFT_MS_MAX
    trust_numerator: int = 2
    trust_denominator: int = 3


def quorum(count: int) -> int:
    """How many of `count` validators must seal: two thirds, rounded up. Of 4 that is 3; `success < count * 2 // 3` would let 2 pass."""
    return -(-count * 2 // 3)


def decode_header(raw: bytes) -> QbftHeader:
    """A header from its RLP. Malformed(BAD_RLP), Malformed(BAD_EVM_HEADER)."""
    fields = as_list(decode(raw, bytes_max=EVM_HEADER_BYTES_MAX))
    _require(_FIELDS_MIN <= len(fields) <= EVM_HEADER_FIELDS_MAX, f"a header has not {len(fields)} fields")
    for place in (0, 1, 3, 4, 5, 13):
        as_bytes(fields[place], _HASH_BYTES)
    as_bytes(fields[2], ADDRESS_BYTES)
    as_bytes(fields[6], _BLOOM_BYTES)
    as_bytes(fields[14], _NONCE_BYTES)
    _require(fields[1] == _NO_OMMERS and fields[13] == _MIX_HASH and as_number(fields[7]) == 1, "not a header of QBFT")
    extra = as_list(decode(as_bytes(fields[_EXTRA])), _EXTRA_FIELDS)
    as_bytes(extra[0], _VANITY_BYTES)
    _check_vote(extra[2])
    validators = tuple(as_bytes(one, ADDRESS_BYTES) for one in as_list(extra[1]))
    check_validators(validators)
    seals = tuple(map(as_bytes, as_list(extra[_SEALS])))
    _require(len(seals) <= len(validators), "more seals than validators")
    unsealed = (*extra[:_SEALS], ())
    roundless = (*extra[:_ROUND], number(0), ())
    return QbftHeader(
        hash=_digest(fields, roundless),
        parent_hash=as_bytes(fields[0]),
        state_root=as_bytes(fields[3]),
        height=as_number(fields[8]),
        time_s=as_number(fields[11]),
        round=as_number(extra[_ROUND], 4),
        validators=validators,
        seals=seals,
        seal_digest=_digest(fields, unsealed),
    )


def check_validators(validators: Sequence[bytes]) -> None:
    """Malformed(BAD_EVM_HEADER) unless there are validators, within the limit and each once.

    A chain whose validators a contract chooses names none in its headers, and cannot be followed by them.
    """
    _require(0 < len(validators) <= QBFT_VALIDATORS_MAX, f"a header names 1 to {QBFT_VALIDATORS_MAX} validators")
    _require(len(set(validators)) == len(validators), "a header names a validator twice")


def trusted_of(header: QbftHeader) -> TrustedHeader:
    """The trust that a believed header gives."""
    return TrustedHeader(header.height, header.hash, header.time_s, header.state_root, header.validators)


def verify_header(trusted: TrustedHeader, header: QbftHeader, rules: QbftRules, now_ns: int) -> TrustedHeader:
    """The trust that a later header gives, by the seals of its validators and of the trusted ones.

    Malformed(BAD_EVM_HEADER), Malformed(BAD_SIGNATURE), Rejected(TRUST_EXPIRED), Rejected(NOT_ENOUGH_SEALS), Rejected(NOT_ENOUGH_TRUST).
    """
    if trusted.time_s * _NS_PER_SECOND + rules.trusting_period_ms * _NS_PER_MS <= now_ns:
        raise Rejected(TRUST_EXPIRED, f"the trust in height {trusted.height} has expired")
    _require(header.height > trusted.height, f"height {header.height} is not above the trusted height {trusted.height}")
    _require(header.time_s > trusted.time_s, f"the time of height {header.height} is not after that of the trusted height")
    _require(header.time_s * _NS_PER_SECOND < now_ns + rules.clock_drift_ms * _NS_PER_MS, "the time of the header is ahead of now")
    if header.height == trusted.height + 1:
        _require(header.parent_hash == trusted.hash, "the header right above the trusted one names another parent")
    check_seals(trusted.validators, header, numerator=rules.trust_numerator, denominator=rules.trust_denominator)
    return trusted_of(header)


def check_seals(trusted: Sequence[bytes], header: QbftHeader, *, numerator: int = 2, denominator: int = 3) -> None:
    """INV-81: two thirds of the header's validators sealed it, and when they are not the trusted ones, the fraction of those as well.

    Rejected(NOT_ENOUGH_SEALS), Rejected(NOT_ENOUGH_TRUST), Malformed(BAD_SIGNATURE); Malformed(BAD_EVM_HEADER) when somebody sealed twice
    or is no validator.
    """
    assert 0 < denominator <= 3 * numerator <= 3 * denominator
    if len(header.seals) < quorum(len(header.validators)):
        raise Rejected(NOT_ENOUGH_SEALS, f"{len(header.seals)} of {len(header.validators)} validators sealed height {header.height}")
    sealers: list[bytes] = []
    for seal in header.seals:  # a stranger's first ends it: each costs up to 0.3 ms
        sealer = recover(header.seal_digest, seal)
        _require(sealer in header.validators, "somebody sealed the header who is no validator of it")
        _require(sealer not in sealers, "a validator sealed the header twice")
        sealers.append(sealer)
    if sorted(trusted) != sorted(header.validators):
        overlap = sum(one in trusted for one in sealers)
        if overlap < -(-len(trusted) * numerator // denominator):
            raise Rejected(NOT_ENOUGH_TRUST, f"{overlap} of {len(trusted)} trusted validators sealed height {header.height}")


def contradiction(first: QbftHeader, second: QbftHeader) -> str | None:
    """Why two headers that were verified cannot be of one honest chain; None when they can."""
    low, high = sorted((first, second), key=lambda header: header.height)
    if low.height == high.height:
        return None if low.hash == high.hash else f"two blocks of height {low.height} were sealed"
    if high.time_s <= low.time_s:
        return f"the time of height {high.height} is not after that of height {low.height}"
    return None


def _digest(fields: Sequence[Item], extra: Item) -> bytes:
    return keccak256(encode((*fields[:_EXTRA], encode(extra), *fields[_EXTRA + 1 :])))


def _check_vote(vote: Item) -> None:
    """No vote is an empty list, one is an address with what to do with it."""
    parts = as_list(vote)
    _require(len(parts) in (0, 2), "a vote has two parts")
    if parts:
        as_bytes(parts[0], ADDRESS_BYTES)
        _require(as_bytes(parts[1]) in (b"\xff", b"\x00", b""), "a vote neither adds nor removes")


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Malformed(BAD_EVM_HEADER, reason)
