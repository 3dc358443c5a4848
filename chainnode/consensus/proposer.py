"""Whose turn it is to propose."""

from functools import lru_cache
from math import gcd

from chainnode.types.block import Validator, ValidatorSet

_GOLDEN_NUMERATOR, _GOLDEN_DENOMINATOR = 618_034, 1_000_000


@lru_cache(maxsize=256)
def _stride(total: int) -> int:
    """A number coprime to `total`, near its golden section, so that neighbouring turns fall far apart."""
    stride = max(1, total * _GOLDEN_NUMERATOR // _GOLDEN_DENOMINATOR)
    while gcd(stride, total) != 1:
        stride += 1
    return stride


def proposer(validators: ValidatorSet, height: int, round: int) -> Validator:
    """The proposer of a round: over `total` successive rounds each validator has turns in proportion to its power.

    Powers are divided by their greatest common divisor; equal powers take turns in set order.
    """
    assert height > 0 and round >= 0 and validators.validators
    divisor = gcd(*(validator.power for validator in validators.validators))
    total = validators.power_total // divisor
    is_equal = total == len(validators.validators)
    slot = (height + round) * (1 if is_equal else _stride(total)) % total
    for validator in validators.validators:
        slot -= validator.power // divisor
        if slot < 0:
            return validator
    raise AssertionError("the powers do not add up to the total")
