"""Validator keys, addresses and the order of a validator set, as CometBFT has them.

Source: CometBFT types/validator.go, types/validator_set.go, crypto/{ed25519,secp256k1}.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from chainnode.crypto.ripemd160 import ripemd160
from chainnode.crypto.suites import PrivateKey, check_public_key
from chainnode.crypto.verify import verify_many
from chainnode.errors import Malformed
from chainnode.types.block import KeyType, PublicKey, Validator, ValidatorSet
from chainnode.types.codes import BAD_KEY, MALFORMED
from chainnode.types.limits import VALIDATORS_MAX

ADDRESS_BYTES = 20
POWER_TOTAL_MAX = (2**63 - 1) // 8  # CometBFT's MaxTotalVotingPower
_KEYS_CACHED = 1024
_COUNTS = b"\x01"  # the mark of `verify_many`
_SUITE_BY_TYPE = {KeyType.ED25519: "e", KeyType.SECP256K1: "s"}
_TYPE_BY_SUITE = {"e": KeyType.ED25519, "s": KeyType.SECP256K1}


@lru_cache(maxsize=_KEYS_CACHED)
def address(public_key: PublicKey) -> bytes:
    """A validator's 20 bytes: SHA-256 cut short (Ed25519), or RIPEMD-160 of SHA-256 (secp256k1)."""
    digest = hashlib.sha256(public_key.data).digest()
    if public_key.type == KeyType.ED25519:
        return digest[:ADDRESS_BYTES]
    return ripemd160(digest)


def suite_of(public_key: PublicKey) -> str:
    """The did:bid letter of a validator key's suite."""
    return _SUITE_BY_TYPE[public_key.type]


def public_key_of(key: PrivateKey) -> PublicKey:
    """The validator key that belongs to a private key; Malformed(BAD_KEY) for a suite that validators do not use."""
    if key.suite not in _TYPE_BY_SUITE:
        raise Malformed(BAD_KEY, f"validators sign with suite e or s, not {key.suite}")
    return PublicKey(_TYPE_BY_SUITE[key.suite], key.public)


def validator(public_key: PublicKey, power: int) -> Validator:
    """A validator with its address; Malformed unless the key has its form and 0 < power <= POWER_TOTAL_MAX."""
    check_public_key(suite_of(public_key), public_key.data)
    if not 0 < power <= POWER_TOTAL_MAX:
        raise Malformed(MALFORMED, f"voting power {power} is not between 1 and {POWER_TOTAL_MAX}")
    return Validator(public_key, power, address(public_key))


def validator_set(validators: Iterable[Validator]) -> ValidatorSet:
    """The validators in CometBFT's order: power descending, then address ascending.

    Malformed when there are none, more than VALIDATORS_MAX, two with one address, or too much power together.
    """
    ordered = tuple(sorted(validators, key=lambda one: (-one.power, one.address)))
    power_total = sum(one.power for one in ordered)
    if not 0 < len(ordered) <= VALIDATORS_MAX:
        raise Malformed(MALFORMED, f"a validator set has 1 to {VALIDATORS_MAX} validators, not {len(ordered)}")
    if len({one.address for one in ordered}) != len(ordered):
        raise Malformed(MALFORMED, "two validators of the set have the same key")
    if power_total > POWER_TOTAL_MAX:
        raise Malformed(MALFORMED, f"the voting power of the set is above {POWER_TOTAL_MAX}")
    return ValidatorSet(ordered, power_total)


def verify(public_key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Whether a validator's signature counts (note the order of arguments: message, then signature). 12 us, 43 us without C."""
    return verify_many([(suite_of(public_key), public_key.data, signature, message)]) == _COUNTS
