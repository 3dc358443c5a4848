"""Solidity's ABI: the examples of its specification, and answers that are cut off."""

import pytest

from chainnode.errors import Malformed
from chainnode.foreign import abi
from chainnode.foreign.abi import Word, encode


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def text(content: bytes) -> bytes:
    return content.ljust(32, b"\0")


def test_the_examples_of_the_specification():
    assert abi.call("baz(uint32,bool)", 69, True).hex() == "cdcd77c0" + words(69, 1).hex()
    expected = words(0x60, 1, 0xA0, 4) + text(b"dave") + words(3, 1, 2, 3)
    assert abi.call("sam(bytes,bool,uint256[])", b"dave", True, [1, 2, 3]).hex() == "a5643bf2" + expected.hex()
    tail = words(0x123, 0x80) + text(b"1234567890") + words(0xE0, 2, 0x456, 0x789, 13) + text(b"Hello, world!")
    found = abi.call("f(uint256,uint32[],bytes10,bytes)", 0x123, [0x456, 0x789], Word(text(b"1234567890")), b"Hello, world!")
    assert found.hex() == "8be65246" + tail.hex()
    nested = words(0x40, 0x140, 2, 0x40, 0xA0, 2, 1, 2, 1, 3, 3, 0x60, 0xA0, 0xE0, 3)
    nested += text(b"one") + words(3) + text(b"two") + words(5) + text(b"three")
    assert abi.call("g(uint256[][],string[])", [[1, 2], [3]], ["one", "two", "three"]).hex() == "2289b18c" + nested.hex()


def test_structs_stand_in_their_place_unless_something_in_them_has_no_fixed_length():
    assert encode((1, (2, Word(text(b"x"))))) == words(1, 2) + text(b"x")
    assert encode((1, b"ab")) == words(0x20, 1, 0x40, 2) + text(b"ab")
    assert encode([(1, 2), (3, 4)]) == words(0x20, 2, 1, 2, 3, 4)
    assert encode([(1, b"")]) == words(0x20, 1, 0x20, 1, 0x40, 0)
    assert encode(abi.address(b"\1" * 20)) == bytes(12) + b"\1" * 20
    assert encode(b"a" * 32) == words(0x20, 32) + b"a" * 32


def test_answers_are_read():
    answer = encode(7, b"content", "text")
    assert abi.number(answer, 0) == 7 and abi.dynamic(answer, 1) == b"content" and abi.dynamic(answer, 2) == b"text"
    assert abi.word(answer, 0) == words(7)


@pytest.mark.parametrize(
    "read",
    [
        lambda: abi.word(words(1), 1),
        lambda: abi.word(words(1)[:31], 0),
        lambda: abi.number(words(2**64), 0),
        lambda: abi.number(words(5), 0, 4),
        lambda: abi.dynamic(words(0x20), 0),
        lambda: abi.dynamic(words(0x40, 1), 0),
        lambda: abi.dynamic(words(0x20, 33) + bytes(32), 0),
        lambda: abi.dynamic(words(0x21, 1) + bytes(33), 0),
        lambda: abi.dynamic(words(2**255), 0),
    ],
)
def test_answers_that_are_cut_off_are_refused(read):
    with pytest.raises(Malformed, match="bad-abi"):
        read()
