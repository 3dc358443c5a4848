"""What the indexes of a block's records and transactions say of each, made for many at once.

Hot: each transaction and each record of a block has one. 0.003 us each with C of ours (`native/bulk.c`), else 0.02. Both pack them: an
object for each would take 0.08.
"""

from array import array
from collections.abc import Callable, Mapping

_ONE = array("H", (1,)).tobytes()
_Make = Callable[[int, int, int], bytes]

TABLES: Mapping[str, int] = {"tx": 12, "digest": 16}  # spaces of the index whose keys have 32 bytes: the length of their values


def positions_plainly(first: int, height: int, count: int) -> bytes:
    """The plain twin of `positions`."""
    numbers = array("Q", (0, height)) * count
    numbers[::2] = array("Q", range(first, first + count))
    return _big_endian(numbers)


def places_plainly(height: int, first: int, count: int) -> bytes:
    """The plain twin of `places`."""
    numbers = array("I", (*divmod(height, 2**32), 0)) * count
    numbers[2::3] = array("I", range(first, first + count))
    return _big_endian(numbers)


def _big_endian(numbers: "array[int]") -> bytes:
    if _ONE != b"\x00\x01":
        numbers.byteswap()
    return numbers.tobytes()


def _native() -> tuple[_Make, _Make]:
    try:
        from chainnode.native import _bulk
    except ImportError:
        return positions_plainly, places_plainly
    return _bulk.positions, _bulk.places


_positions, _places = _native()


def positions(first: int, height: int, count: int) -> bytes:
    """For `count` records of one height, the first of which has log index `first`: log index (8) ‖ height (8). OverflowError beyond."""
    return _positions(first, height, count)


def places(height: int, first: int, count: int) -> bytes:
    """For `count` transactions of one height, the first of which has place `first`: height (8) ‖ place (4). OverflowError beyond."""
    return _places(height, first, count)
