"""Protobuf by hand, for messages of other chains: a strict reader, and a writer as gogoproto's for proto3.

Numbers and byte strings are left out when they are zero or empty; a sub-message is written when it is there, empty or not. What is
read has the same form, so that a message has one: fields ascending, none doubled or unknown, no zero written out, no number longer
than need be. About 2 us per field.
"""

from dataclasses import dataclass

from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED

UINT64_MAX = 2**64 - 1
INT64_MAX = 2**63 - 1
_VARINT, _BYTES = 0, 2
_TYPE_URL_LENGTH_MAX = 128


def uvarint(value: int) -> bytes:
    """An unsigned varint of up to 64 bits."""
    assert 0 <= value <= UINT64_MAX
    encoded = bytearray()
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number(field: int, value: int) -> bytes:
    """A number, left out when it is 0; a negative one is its two's complement of 64 bits."""
    return uvarint(field << 3 | _VARINT) + uvarint(value & UINT64_MAX) if value else b""


def data(field: int, content: bytes) -> bytes:
    """Bytes, left out when there are none."""
    return message(field, content) if content else b""


def text(field: int, content: str) -> bytes:
    """A text, left out when it is empty."""
    return data(field, content.encode())


def message(field: int, content: bytes) -> bytes:
    """A sub-message, or an item of a repeated field, which is written even when it is empty."""
    return uvarint(field << 3 | _BYTES) + uvarint(len(content)) + content


@dataclass(frozen=True, slots=True)
class Fields:
    """A message that was read: the contents of each of its fields, in their order. Each accessor raises Malformed(MALFORMED)."""

    contents: dict[int, list[int | bytes]]

    def number(self, field: int, most: int = UINT64_MAX) -> int:
        """A number from 0 to `most`, 0 when it is left out."""
        value = self.contents.get(field, [0])[0]
        if not isinstance(value, int):
            raise Malformed(MALFORMED, f"field {field} of the message is no number")
        if value > most:
            raise Malformed(MALFORMED, f"field {field} of the message is above {most}")
        return value

    def signed(self, field: int) -> int:
        """A number of 64 bits that may be negative, 0 when it is left out."""
        value = self.number(field)
        return value - 2**64 if value > INT64_MAX else value

    def data(self, field: int, length_max: int) -> bytes:
        """At most `length_max` bytes, none when they are left out."""
        content = self.optional(field)
        if content is None:
            return b""
        if not 0 < len(content) <= length_max:
            raise Malformed(MALFORMED, f"field {field} of the message is written though empty, or longer than {length_max} bytes")
        return content

    def text(self, field: int, length_max: int) -> str:
        """A text of at most `length_max` bytes, empty when it is left out."""
        return _text(self.data(field, length_max))

    def message(self, field: int) -> bytes:
        """The bytes of a sub-message that must be there."""
        content = self.optional(field)
        if content is None:
            raise Malformed(MALFORMED, f"field {field} of the message is missing")
        return content

    def optional(self, field: int) -> bytes | None:
        """The bytes of a sub-message, None when it is not there."""
        content = self.contents.get(field, [None])[0]
        if isinstance(content, int):
            raise Malformed(MALFORMED, f"field {field} of the message is a number")
        return content

    def many(self, field: int, count_max: int) -> tuple[bytes, ...]:
        """The items of a repeated field of messages, texts or bytes, at most `count_max`."""
        found = self.contents.get(field, [])
        if len(found) > count_max:
            raise Malformed(MALFORMED, f"field {field} of the message has more than {count_max} items")
        items = tuple(item for item in found if isinstance(item, bytes))
        if len(items) != len(found):
            raise Malformed(MALFORMED, f"field {field} of the message has a number among its items")
        return items

    def many_texts(self, field: int, count_max: int, length_max: int) -> tuple[str, ...]:
        """The items of a repeated field of texts, at most `count_max` of at most `length_max` bytes."""
        items = self.many(field, count_max)
        if any(len(item) > length_max for item in items):
            raise Malformed(MALFORMED, f"an item of field {field} of the message is longer than {length_max} bytes")
        return tuple(map(_text, items))


def read(raw: bytes, single: tuple[int, ...], repeated: tuple[int, ...] = (), *, bytes_max: int, items_max: int | None = None) -> Fields:
    """The fields of a message of at most `bytes_max` bytes; those that may stand more than once are `repeated`. Malformed(MALFORMED).

    With `items_max` more items than that of one field are refused before the rest is read: an empty one has two bytes.
    """
    if len(raw) > bytes_max:
        raise Malformed(MALFORMED, f"the message is longer than {bytes_max} bytes")
    contents: dict[int, list[int | bytes]] = {}
    offset = last = items = 0
    while offset < len(raw):
        tag, offset = read_uvarint(raw, offset)
        value, offset = read_uvarint(raw, offset)
        field, wire_type = tag >> 3, tag & 7
        if field < last or (field == last and field not in repeated) or (field not in single and field not in repeated):
            raise Malformed(MALFORMED, f"the message has a field {field} that is unknown, doubled, or out of order")
        items = items + 1 if field == last else 1
        if items_max is not None and items > items_max:
            raise Malformed(MALFORMED, f"field {field} of the message has more than {items_max} items")
        if wire_type == _VARINT and value:
            contents.setdefault(field, []).append(value)
        elif wire_type == _BYTES and value <= len(raw) - offset:
            contents.setdefault(field, []).append(raw[offset : offset + value])
            offset += value
        else:
            raise Malformed(MALFORMED, f"field {field} of the message is cut off, a written zero, or of another kind than it should be")
        last = field
    return Fields(contents)


def read_numbers(packed: bytes, *, count_max: int) -> tuple[int, ...]:
    """The numbers of a packed repeated field. Malformed(MALFORMED)."""
    found: list[int] = []
    offset = 0
    while offset < len(packed):
        value, offset = read_uvarint(packed, offset)
        found.append(value)
        if len(found) > count_max:
            raise Malformed(MALFORMED, f"a list of the message has more than {count_max} numbers")
    return tuple(found)


def read_bytes(raw: bytes, offset: int) -> tuple[bytes, int]:
    """Bytes behind their length at this place, and the place behind them. Malformed(MALFORMED)."""
    length, offset = read_uvarint(raw, offset)
    if length > len(raw) - offset:
        raise Malformed(MALFORMED, "bytes in the message are cut off")
    return raw[offset : offset + length], offset + length


def pack_any(type_url: str, value: bytes) -> bytes:
    """google.protobuf.Any{1: type_url, 2: value}."""
    return text(1, type_url) + data(2, value)


def unpack_any(raw: bytes, *, bytes_max: int) -> tuple[str, bytes]:
    """Type and bytes of the message in an Any. Malformed(MALFORMED)."""
    fields = read(raw, (1, 2), bytes_max=bytes_max)
    return fields.text(1, _TYPE_URL_LENGTH_MAX), fields.data(2, bytes_max)


def unpack(raw: bytes, type_url: str, *, bytes_max: int) -> bytes:
    """The bytes of the message of this type in an Any. Malformed(MALFORMED)."""
    found, value = unpack_any(raw, bytes_max=bytes_max)
    if found != type_url:
        raise Malformed(MALFORMED, f"the message is not of type {type_url}")
    return value


def read_uvarint(raw: bytes, offset: int) -> tuple[int, int]:
    """A number of up to 64 bits at this place, and the place behind it. Malformed(MALFORMED)."""
    value = 0
    for shift in range(0, 70, 7):
        if offset == len(raw):
            break
        byte = raw[offset]
        offset += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value > UINT64_MAX or (byte == 0 and shift):
                break
            return value, offset
    raise Malformed(MALFORMED, "a number in the message is cut off, or longer than need be")


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Malformed(MALFORMED, "a text in the message is not UTF-8") from error
