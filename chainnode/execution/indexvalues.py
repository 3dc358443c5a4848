"""What the indexes of a block's records and transactions say of each, made for many at once.

Hot: each transaction and each record of a block has one. 0.003 us each with C of ours (`native/bulk.c`), which packs them, else 0.08.
"""

from collections.abc import Callable, Mapping

from chainnode.keytable import Column

_Make = Callable[[int, int, int], Column]

TABLES: Mapping[str, int] = {"tx": 12, "digest": 16}  # spaces of the index whose keys have 32 bytes: the length of their values


def positions_plainly(first: int, height: int, count: int) -> list[bytes]:
    """The plain twin of `positions`."""
    height_bytes = height.to_bytes(8, "big")
    return [number.to_bytes(8, "big") + height_bytes for number in range(first, first + count)]


def places_plainly(height: int, first: int, count: int) -> list[bytes]:
    """The plain twin of `places`."""
    height_bytes = height.to_bytes(8, "big")
    return [height_bytes + number.to_bytes(4, "big") for number in range(first, first + count)]


def _native() -> tuple[_Make, _Make]:
    try:
        from chainnode.native import _bulk
    except ImportError:
        return positions_plainly, places_plainly
    return _bulk.positions, _bulk.places


_positions, _places = _native()


def positions(first: int, height: int, count: int) -> Column:
    """For `count` records of one height, the first of which has log index `first`: log index (8) ‖ height (8). OverflowError beyond."""
    return _positions(first, height, count)


def places(height: int, first: int, count: int) -> Column:
    """For `count` transactions of one height, the first of which has place `first`: height (8) ‖ place (4). OverflowError beyond."""
    return _places(height, first, count)
