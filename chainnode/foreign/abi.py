"""Solidity's ABI: the bytes of a call, and of what it answers.

The kind of a value is that of Python: an `int` is any uint, a `bool` a bool, `bytes` and `str` are bytes and string, `Word` is bytes32 or
an address, a tuple is a struct (or a list of fixed length), a list an array. Source: Solidity's Contract ABI Specification, strict mode.
"""

from dataclasses import dataclass
from typing import TypeAlias

from chainnode.errors import Malformed
from chainnode.foreign.keccak import keccak256
from chainnode.types.codes import BAD_ABI

WORD_BYTES = 32
_ADDRESS_BYTES = 20
_UINT256_MAX = 2**256 - 1
SELECTOR_BYTES = 4


@dataclass(frozen=True, slots=True)
class Word:
    """32 bytes as they are."""

    content: bytes

    def __post_init__(self) -> None:
        assert len(self.content) == WORD_BYTES


AbiValue: TypeAlias = "int | bytes | str | Word | tuple[AbiValue, ...] | list[AbiValue]"


def address(content: bytes) -> Word:
    """An address as a word."""
    assert len(content) == _ADDRESS_BYTES
    return Word(content.rjust(WORD_BYTES, b"\0"))


def call(signature: str, *arguments: AbiValue) -> bytes:
    """The bytes of a call of a method, named as in `transfer(address,uint256)`."""
    return selector(signature) + encode(*arguments)


def selector(signature: str) -> bytes:
    """The four bytes by which a method, or an error, is named."""
    return keccak256(signature.encode())[:SELECTOR_BYTES]


def encode(*values: AbiValue) -> bytes:
    """abi.encode(values): what has a fixed length stands in its place, of all else the place says where it is."""
    fixed = [None if _is_dynamic(value) else _content(value) for value in values]
    offset = sum(WORD_BYTES if content is None else len(content) for content in fixed)
    written, behind = bytearray(), bytearray()
    for value, content in zip(values, fixed, strict=True):
        if content is None:
            content = (offset + len(behind)).to_bytes(WORD_BYTES, "big")
            behind += _content(value)
        written += content
    return bytes(written + behind)


def word(data: bytes, place: int) -> bytes:
    """The word at a place of an answer. Malformed(BAD_ABI) when it is cut off."""
    found = data[place * WORD_BYTES : (place + 1) * WORD_BYTES]
    if len(found) != WORD_BYTES:
        raise Malformed(BAD_ABI, "the answer of a contract is cut off")
    return found


def number(data: bytes, place: int, most: int = 2**64 - 1) -> int:
    """The number at a place of an answer. Malformed(BAD_ABI) when it is above `most`."""
    value = int.from_bytes(word(data, place), "big")
    if value > most:
        raise Malformed(BAD_ABI, f"a number of a contract's answer is above {most}")
    return value


def dynamic(data: bytes, place: int) -> bytes:
    """The bytes, or the text, to which the word at a place of an answer leads. Malformed(BAD_ABI)."""
    start = number(data, place, len(data))
    length = int.from_bytes(data[start : start + WORD_BYTES], "big")
    content = data[start + WORD_BYTES : start + WORD_BYTES + length]
    if start % WORD_BYTES or len(data) < start + WORD_BYTES or len(content) != length:
        raise Malformed(BAD_ABI, "the answer of a contract is cut off")
    return content


def _is_dynamic(value: AbiValue) -> bool:
    if isinstance(value, tuple):
        return any(_is_dynamic(part) for part in value)
    return isinstance(value, bytes | str | list)


def _content(value: AbiValue) -> bytes:
    """A value without the word that leads to it."""
    match value:
        case int():
            assert 0 <= value <= _UINT256_MAX
            return value.to_bytes(WORD_BYTES, "big")
        case Word(content):
            return content
        case str():
            return _content(value.encode())
        case bytes():
            return len(value).to_bytes(WORD_BYTES, "big") + value.ljust(-(-len(value) // WORD_BYTES) * WORD_BYTES, b"\0")
        case tuple():
            return encode(*value)
        case list():
            return len(value).to_bytes(WORD_BYTES, "big") + encode(*value)
