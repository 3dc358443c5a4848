"""Canonical msgpack: one value has one byte string. All bytes of our own that are hashed, stored or sent are made of it.

None, booleans, integers of -2**63 to 2**64-1, UTF-8 text, bytes, arrays, and maps from text, ordered by the keys' UTF-8
bytes. No floats, no extensions; numbers and lengths in their shortest forms; at most CODEC_DEPTH_MAX arrays and maps
within each other. Arrays decode to tuples. INV-1 begins here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

import msgpack

from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED, TOO_LARGE
from chainnode.types.limits import CODEC_DEPTH_MAX
from chainnode.types.transaction import Value

_PLAIN = frozenset({type(None), bool, int, str, bytes})
_TEXT = frozenset({str})
_TUPLE = frozenset({tuple})
_ARRAYS = frozenset({tuple, list})

# The library makes room for as many elements as a header announces, a thousand levels deep, before it has seen them.
# Without a look at the depth first it may take arrays of this length: 1000 levels of them are 8 MiB.
_QUICK_LENGTH_MAX = 1024


@dataclass(frozen=True, slots=True)
class Native:
    """The same in C (ADR-0013), given the value or the bytes, and CODEC_DEPTH_MAX; None where Python has to look and to say why.

    `decode` is told too how many elements there may be.
    """

    decode: Callable[[bytes, int, int], tuple[Value] | None]
    encode: Callable[[Value, int], bytes | None]


def _native() -> Native | None:
    try:
        from chainnode.native import _verify
    except ImportError:
        return None
    return Native(_verify.decode_value, _verify.encode_value)


NATIVE = _native()


def encode(value: Value) -> bytes:
    """The bytes of a value, about 0.3 us for a transaction's body, 3 us without C. A list counts as a tuple.

    Malformed when it has none: a number beyond 64 bits, text that is not Unicode, another type, too deep.
    """
    if NATIVE is not None:
        written = NATIVE.encode(value, CODEC_DEPTH_MAX)
        if written is not None:
            return written
    try:
        packed: bytes = msgpack.packb(value if is_mapless(value) else _ordered(value, CODEC_DEPTH_MAX))
    except (OverflowError, ValueError) as error:
        raise Malformed(MALFORMED, "a number beyond 64 bits, or text that is not Unicode") from error
    return packed


def decode(data: bytes, *, bytes_max: int, elements_max: int | None = None) -> Value:
    """The value with these bytes, about 0.6 us for a transaction's body, 4 us without C. Malformed when they are not its canonical bytes.

    With `elements_max` more elements than that, where an array is long, are refused before they take 0.5 us each.
    """
    if NATIVE is not None and len(data) <= bytes_max:
        found = NATIVE.decode(data, CODEC_DEPTH_MAX, len(data) if elements_max is None else elements_max)
        if found is not None:
            return found[0]  # and what is refused is read again, to tell why
    value = parse(data, bytes_max=bytes_max, elements_max=elements_max)
    # Writing the value again is what finds long forms, disordered or doubled keys, floats and the like.
    if encode(value) != data:
        raise Malformed(MALFORMED, "the bytes are msgpack, but not in the canonical form")
    return value


def parse(data: bytes, *, bytes_max: int, elements_max: int | None = None) -> Value:
    """What msgpack bytes spell, canonical or not, floats and extensions too; for hot code that checks each type itself.

    About 0.5 us for a transaction's body, a tenth of `decode`.
    """
    if len(data) > bytes_max:
        raise Malformed(TOO_LARGE, f"{len(data)} bytes where {bytes_max} may be")
    try:
        value: Value = msgpack.unpackb(data, use_list=False, max_array_len=_QUICK_LENGTH_MAX)
    except ValueError as error:
        if len(data) <= _QUICK_LENGTH_MAX:
            raise Malformed(MALFORMED, "the bytes are not msgpack") from error
        value = _parse_long(data, elements_max)
    return value


def decode_pieces(data: bytes, *, bytes_max: int, count_max: int) -> tuple[bytes, ...]:
    """The byte strings in canonical bytes of an array that holds nothing else. Malformed at the first thing that is none.

    For lists that strangers send: to read their arrays within arrays costs up to 1 s per MiB, only to refuse them. So nothing but
    heads is looked at, 0.25 us each: every transaction comes by here where there is no C.
    """
    if len(data) > bytes_max:
        raise Malformed(TOO_LARGE, f"{len(data)} bytes where {bytes_max} may be")
    if not data or not (0x90 <= data[0] < 0xA0 or data[0] in (0xDC, 0xDD)):
        raise Malformed(MALFORMED, "these are not the bytes of an array")
    count, offset = _skip(data, 0)
    assert count is not None
    if count > count_max:
        raise Malformed(TOO_LARGE, f"an array of {count} elements where at most {count_max} may be")
    is_canonical = count >= (0 if data[0] < 0xA0 else 0x10 if data[0] == 0xDC else 0x10000)  # or a shorter head would have done
    pieces: list[bytes] = []
    try:
        for _ in range(count):
            kind = data[offset]
            if kind == 0xC5:  # the length of most transactions has two bytes
                length = data[offset + 1] << 8 | data[offset + 2]
                begin, shorter = offset + 3, 0x100
            elif kind == 0xC4:
                length = data[offset + 1]
                begin, shorter = offset + 2, 0
            elif kind == 0xC6:
                length = int.from_bytes(data[offset + 1 : offset + 5])
                begin, shorter = offset + 5, 0x10000
            else:
                raise Malformed(MALFORMED, "something else than bytes in an array of bytes")
            is_canonical &= length >= shorter
            offset = begin + length
            pieces.append(data[begin:offset])
    except IndexError as error:
        raise Malformed(MALFORMED, "an array of bytes is cut off") from error
    if offset != len(data) or not is_canonical:
        raise Malformed(MALFORMED, "the array ends elsewhere than the bytes, or is not in the canonical form")
    return tuple(pieces)


def pack(value: Value) -> bytes:
    """The bytes of a value without maps whose types the caller has checked; for hot code, a fifth of `encode` where there is no C."""
    if NATIVE is not None:
        written = NATIVE.encode(value, CODEC_DEPTH_MAX)
        if written is not None:
            return written
    packed: bytes = msgpack.packb(value)
    return packed


def pack_each(values: Sequence[Value]) -> list[bytes]:
    """`pack` of each of many values, which shares what it costs to begin."""
    packer = msgpack.Packer()
    return [packer.pack(value) for value in values]


def packer() -> Callable[[Value], bytes]:
    """A `pack` for many values in a row, at half the cost. Not for two threads at a time."""
    pack: Callable[[Value], bytes] = msgpack.Packer().pack
    return pack


def is_mapless(value: Value, levels: int = CODEC_DEPTH_MAX) -> bool:
    """Whether `pack` gives the canonical bytes: no map in it, nothing without a canonical form, not too deep; big numbers aside."""
    if type(value) is not tuple:
        return type(value) in _PLAIN
    if _PLAIN.issuperset(map(type, value)):
        return levels > 0
    rows: tuple[Any, ...] = value
    if _TUPLE.issuperset(map(type, value)) and _PLAIN.issuperset(map(type, chain.from_iterable(rows))):
        return levels > 1  # hot: a list of many records
    for item in value:  # a generator would cost half as much again
        if type(item) in _PLAIN:
            continue
        if levels == 1 or not is_mapless(item, levels - 1):
            return False
    return levels > 0


def as_array(value: Value, length: int | None = None) -> tuple[Value, ...]:
    """The value as an array, of `length` elements when given; Malformed otherwise."""
    if type(value) is not tuple:
        _refuse("an array", value)
    if length is not None and len(value) != length:
        raise Malformed(MALFORMED, f"an array of {len(value)} elements where {length} belong")
    return value


def as_int(value: Value, minimum: int, maximum: int) -> int:
    """The value as an integer between two bounds, both included; Malformed otherwise."""
    if type(value) is not int:
        _refuse("an integer", value)
    if not minimum <= value <= maximum:
        raise Malformed(MALFORMED, f"the integer {value} is not between {minimum} and {maximum}")
    return value


def as_bool(value: Value) -> bool:
    """The value as a boolean; Malformed otherwise."""
    if type(value) is not bool:
        _refuse("a boolean", value)
    return value


def as_bytes(value: Value, length: int | None = None, length_max: int | None = None) -> bytes:
    """The value as bytes, of exactly `length` or at most `length_max`; Malformed otherwise."""
    if type(value) is not bytes:
        _refuse("bytes", value)
    if length is not None and len(value) != length:
        raise Malformed(MALFORMED, f"{len(value)} bytes where {length} belong")
    if length_max is not None and len(value) > length_max:
        raise Malformed(MALFORMED, f"{len(value)} bytes where at most {length_max} may be")
    return value


def as_str(value: Value, length_max: int) -> str:
    """The value as text of at most `length_max` UTF-8 bytes; Malformed otherwise."""
    if type(value) is not str:
        _refuse("text", value)
    # A character has one byte at least, so long text is refused without being encoded.
    if len(value) > length_max or (not value.isascii() and len(value.encode()) > length_max):
        raise Malformed(MALFORMED, f"a text of more than {length_max} bytes")
    return value


def as_map(value: Value) -> dict[str, Value]:
    """The value as a map; Malformed otherwise."""
    if type(value) is not dict:
        _refuse("a map", value)
    return value


def _ordered(value: Value, levels: int) -> object:
    """The value with its maps in order of keys, and with nothing in it that has no canonical form.

    Hot for results with events, hence the second look at each type: most elements need no call.
    """
    if isinstance(value, (tuple, list)) and type(value) in _ARRAYS:  # msgpack's extensions are named tuples
        if levels == 0:
            raise Malformed(MALFORMED, f"more than {CODEC_DEPTH_MAX} levels of arrays and maps")
        if _PLAIN.issuperset(map(type, value)):
            return value
        return [item if type(item) in _PLAIN else _ordered(item, levels - 1) for item in value]
    if isinstance(value, dict):
        if levels == 0:
            raise Malformed(MALFORMED, f"more than {CODEC_DEPTH_MAX} levels of arrays and maps")
        if not _TEXT.issuperset(map(type, value)):
            raise Malformed(MALFORMED, "a key of a map that is not text")
        # Python compares text by code points, which is the order of the UTF-8 bytes.
        ordered = sorted(value.items()) if len(value) > 1 else value.items()
        return {key: item if type(item) in _PLAIN else _ordered(item, levels - 1) for key, item in ordered}
    if isinstance(value, int | str | bytes) or value is None:  # enumerations are numbers with a name
        return value
    raise Malformed(MALFORMED, f"a value of type {type(value).__name__}")


def _parse_long(data: bytes, elements_max: int | None) -> Value:
    """What is left of `parse` for long arrays: the depth is known before the library makes room."""
    _check_depth(data, len(data) if elements_max is None else elements_max)
    try:
        value: Value = msgpack.unpackb(data, use_list=False)
    except ValueError as error:
        raise Malformed(MALFORMED, "the bytes are not msgpack") from error
    return value


def _check_depth(data: bytes, elements_max: int) -> None:
    """Malformed unless arrays and maps end, nest at most CODEC_DEPTH_MAX deep, and hold no more elements. About 0.2 us per element."""
    left = elements_max
    open_counts = [1]  # of each array or map that is open, how many elements are to come
    offset = 0
    while open_counts:
        if open_counts[-1] == 0:
            open_counts.pop()
            continue
        open_counts[-1] -= 1
        left -= 1
        if left < 0:
            raise Malformed(TOO_LARGE, f"more than {elements_max} elements")
        if offset >= len(data):
            raise Malformed(MALFORMED, "the bytes are not msgpack")
        elements, offset = _skip(data, offset)
        if elements is not None:
            open_counts.append(elements)
            if len(open_counts) > CODEC_DEPTH_MAX + 1:
                raise Malformed(MALFORMED, f"more than {CODEC_DEPTH_MAX} levels of arrays and maps")


def _skip(data: bytes, offset: int) -> tuple[int | None, int]:
    """The elements of the array or map that begins here (None for anything else), and where the next element begins."""
    first = data[offset]
    offset += 1
    if first < 0x80 or first >= 0xE0:  # small integers
        return None, offset
    if first < 0xA0:  # short maps and arrays
        return (first & 0x0F) * (2 if first < 0x90 else 1), offset
    if first < 0xC0:  # short text
        return None, offset + (first & 0x1F)
    if first >= 0xDC:  # long arrays and maps, lengths of 2 or 4 bytes
        width = 4 if first & 1 else 2
        length = int.from_bytes(data[offset : offset + width], "big")
        return length * (2 if first >= 0xDE else 1), offset + width
    width, fixed = _SIZES[first - 0xC0]
    return None, offset + width + fixed + int.from_bytes(data[offset : offset + width], "big")


# By first byte from 0xC0 to 0xDB: bytes of the length field, and bytes of fixed size.
_SIZES = (
    *((0, 0),) * 4,  # nil, (never used), false, true
    *((1, 0), (2, 0), (4, 0)),  # bytes
    *((1, 1), (2, 1), (4, 1)),  # extensions: length, type, content
    *((0, 4), (0, 8)),  # floats
    *((0, 1), (0, 2), (0, 4), (0, 8)) * 2,  # integers without and with sign
    *((0, 2), (0, 3), (0, 5), (0, 9), (0, 17)),  # extensions of fixed size
    *((1, 0), (2, 0), (4, 0)),  # text
)


def _refuse(wanted: str, value: Value) -> NoReturn:
    raise Malformed(MALFORMED, f"a value of type {type(value).__name__} where {wanted} belongs")
