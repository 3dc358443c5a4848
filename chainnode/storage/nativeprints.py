"""Prints of the entries of a run (`storage/runprints.py`) by C (`native/runprints.c`): 0.01 us to make one, 0.1 us to seek a key."""

from collections.abc import Sequence

from chainnode.native import _runs

prints_of = _runs.prints


class Search:
    """See `runprints.PlainSearch`."""

    def __init__(self, firsts: bytes, prints: bytes, in_block: int) -> None:
        self._where = (firsts, prints, in_block)

    def places(self, keys: Sequence[bytes], prints: bytes) -> list[tuple[int, int]]:
        """See `runprints.PlainSearch`."""
        return _runs.places(*self._where, keys, prints)
