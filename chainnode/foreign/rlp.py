"""RLP, how Ethereum writes lists of byte strings; only the one canonical form is read.

Source: Ethereum yellow paper, appendix B.
"""

from typing import TypeAlias

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_RLP
from chainnode.types.limits import RLP_BYTES_MAX, RLP_DEPTH_MAX, RLP_ITEMS_MAX

Item: TypeAlias = "bytes | tuple[Item, ...]"

_STRING, _LIST = 0x80, 0xC0
_SHORT = 55  # the longest content whose length fits the first byte


def encode(item: Item) -> bytes:
    """The bytes of a byte string or of a list."""
    if isinstance(item, tuple):
        content = b"".join(encode(part) for part in item)
        return _head(_LIST, len(content)) + content
    if len(item) == 1 and item[0] < _STRING:
        return item
    return _head(_STRING, len(item)) + item


def decode(data: bytes, *, bytes_max: int = RLP_BYTES_MAX) -> Item:
    """The one item that `data` is. Malformed(BAD_RLP): cut off, something behind it, not the shortest form, too large or too deep."""
    _require(len(data) <= bytes_max, f"more than {bytes_max} bytes")
    budget = [RLP_ITEMS_MAX]
    item, end = _item(data, 0, len(data), RLP_DEPTH_MAX, budget)
    _require(end == len(data), "bytes behind the item")
    return item


def number(value: int) -> bytes:
    """A number as Ethereum writes it: big-endian, no zero in front, nothing for 0."""
    assert value >= 0
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def as_number(item: Item, bytes_max: int = 8) -> int:
    """The number in an item of at most `bytes_max` bytes. Malformed(BAD_RLP)."""
    content = as_bytes(item)
    _require(len(content) <= bytes_max, f"a number has more than {bytes_max} bytes")
    _require(content[:1] != b"\0", "a number begins with a zero")
    return int.from_bytes(content, "big")


def as_bytes(item: Item, length: int | None = None) -> bytes:
    """The byte string that an item is, of exactly `length` bytes when that is given. Malformed(BAD_RLP)."""
    if isinstance(item, tuple):
        raise Malformed(BAD_RLP, "a list stands where bytes belong")
    _require(length is None or len(item) == length, f"{len(item)} bytes stand where {length} belong")
    return item


def as_list(item: Item, length: int | None = None) -> tuple[Item, ...]:
    """The list that an item is, of exactly `length` items when that is given. Malformed(BAD_RLP)."""
    if not isinstance(item, tuple):
        raise Malformed(BAD_RLP, "bytes stand where a list belongs")
    _require(length is None or len(item) == length, f"a list of {len(item)} stands where one of {length} belongs")
    return item


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Malformed(BAD_RLP, reason)


def _head(kind: int, length: int) -> bytes:
    if length <= _SHORT:
        return bytes((kind + length,))
    size = number(length)
    return bytes((kind + _SHORT + len(size),)) + size


def _item(data: bytes, offset: int, end: int, depth: int, budget: list[int]) -> tuple[Item, int]:
    """The item at `offset` and where it ends. `budget` counts down over all items of the message."""
    budget[0] -= 1
    _require(budget[0] >= 0, f"more than {RLP_ITEMS_MAX} items")
    _require(offset < end, "the bytes are cut off")
    first = data[offset]
    offset += 1
    if first < _STRING:
        return data[offset - 1 : offset], offset
    kind = _LIST if first >= _LIST else _STRING
    length = first - kind
    if length > _SHORT:
        size = data[offset : min(offset + length - _SHORT, end)]
        _require(len(size) == length - _SHORT and size[0] != 0, "a length is cut off or begins with a zero")
        offset += len(size)
        length = int.from_bytes(size, "big")
        _require(length > _SHORT, "a length is not in its shortest form")
    _require(length <= end - offset, "the bytes are cut off")
    stop = offset + length
    if kind == _STRING:
        content = data[offset:stop]
        _require(length != 1 or content[0] >= _STRING, "one byte is not in its shortest form")
        return content, stop
    _require(depth > 0, f"lists nested more than {RLP_DEPTH_MAX} deep")
    parts: list[Item] = []
    while offset < stop:
        part, offset = _item(data, offset, stop, depth - 1, budget)
        parts.append(part)
    return tuple(parts), stop
