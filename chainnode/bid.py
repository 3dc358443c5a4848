"""did:bid identifiers: `did:bid:` [ACSN `:`] suite letter, encoding letter, suffix of the key's digest.

Three encodings are read, Base58 (f) alone is written. Key strings are in `crypto/keystrings.py`.
Source: Xinghuo RFC-002, section 5; RFC-003, section 4.1.1.
"""

import base64
import binascii
import string
from dataclasses import dataclass
from functools import lru_cache

from chainnode.crypto import base58
from chainnode.crypto.keystrings import BASE58_LETTER, DIGEST_SUFFIX_BYTES, did_suffix, digest_suffix
from chainnode.crypto.suites import SUITES, check_public_key
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DID

PREFIX = "did:bid:"
DID_LENGTH_MAX = 57  # RFC-002 and RFC-003
ACSN_LENGTH = 4
_SUFFIX_LENGTH_MIN = 22
_DECODED_MIN, _DECODED_MAX = 19, 24  # published documents hold such misprints; new DIDs have 22
_ACSN_LETTERS = string.ascii_lowercase + string.digits
_LEGACY_PREFIX = b"\x01"
_DIDS_CACHED = 65_536
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CHECKSUM_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Did:
    """A parsed did:bid. `acsn` None: the main chain.

    `suite` and `encoding` are letters; both None in a legacy DID, and in `did:bid:<acsn>`, which names a
    chain and whose `suffix` is empty. `suffix` is the decoded digest part.
    """

    acsn: str | None
    suite: str | None
    encoding: str | None
    suffix: bytes

    @property
    def is_registrable(self) -> bool:
        """Whether a new document may have this DID: suite known, Base58, exactly 22 bytes."""
        return self.suite is not None and self.encoding == BASE58_LETTER and len(self.suffix) == DIGEST_SUFFIX_BYTES


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_DID, detail)


def _bech32_remainder(values: list[int]) -> int:
    """BIP-173's checksum over 5-bit values; 1 when it holds."""
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = ((remainder & 0x1FFFFFF) << 5) ^ value
        for bit, generator in enumerate(_BECH32_GENERATOR):
            if (top >> bit) & 1:
                remainder ^= generator
    return remainder


def _decode_bech32(text: str) -> bytes:
    """Bech32 without a human-readable part: 5-bit groups, then a checksum of six."""
    values = [_BECH32.find(letter) for letter in text]
    if -1 in values or _bech32_remainder([0, *values]) != 1:  # the 0 is what BIP-173 puts behind an empty prefix
        raise _bad("the Bech32 suffix has a foreign letter or a wrong checksum")
    number = 0
    for value in values[:-_BECH32_CHECKSUM_LENGTH]:
        number = number << 5 | value
    bits = 5 * (len(values) - _BECH32_CHECKSUM_LENGTH)
    padding = bits % 8
    if padding > 4 or number & ((1 << padding) - 1):
        raise _bad("the Bech32 suffix ends in stray bits")
    return (number >> padding).to_bytes(bits // 8, "big")


def _decode_base64(text: str) -> bytes:
    """Either alphabet, padded or not; the unused bits must be zero."""
    bare = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _bad("the Base64 suffix does not decode") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != bare:
        raise _bad("the Base64 suffix is not canonical")
    return data


def _decode_base58(text: str) -> bytes:
    try:
        return base58.decode(text)
    except Malformed as error:
        raise _bad(error.detail) from None


_DECODERS = {"f": _decode_base58, "s": _decode_base64, "t": _decode_bech32}


def _parse_suffix(acsn: str | None, text: str) -> Did:
    if len(text) < _SUFFIX_LENGTH_MIN:
        raise _bad("the suffix of the DID is too short")
    if text[0] in SUITES and text[1] in _DECODERS:
        suffix = _DECODERS[text[1]](text[2:])
        if not _DECODED_MIN <= len(suffix) <= _DECODED_MAX:
            raise _bad(f"the suffix of the DID holds {len(suffix)} bytes, not {DIGEST_SUFFIX_BYTES}")
        return Did(acsn, text[0], text[1], suffix)
    suffix = _decode_base58(text)
    if len(suffix) != 1 + DIGEST_SUFFIX_BYTES or suffix[:1] != _LEGACY_PREFIX:
        raise _bad("the suffix of the DID begins with e, s or z and then f, s or t")
    return Did(acsn, None, None, suffix[1:])


@lru_cache(maxsize=_DIDS_CACHED)
def parse_did(text: str) -> Did:
    """The parts of a did:bid. Malformed(BAD_DID) says what is wrong with it; nothing is trimmed or repaired."""
    if not text.startswith(PREFIX):
        raise _bad(f"a DID begins with {PREFIX}")
    if len(text) > DID_LENGTH_MAX:
        raise _bad(f"a DID has at most {DID_LENGTH_MAX} characters")
    acsn, colon, suffix = text.removeprefix(PREFIX).rpartition(":")
    if not colon and len(suffix) != ACSN_LENGTH:
        return _parse_suffix(None, suffix)
    names_chain = not colon
    code = suffix if names_chain else acsn
    if len(code) != ACSN_LENGTH or any(letter not in _ACSN_LETTERS for letter in code):
        raise _bad("an AC number is four lower-case letters or digits")
    return Did(code, None, None, b"") if names_chain else _parse_suffix(code, suffix)


def did_of(suite: str, public_key: bytes, acsn: str | None = None) -> str:
    """The DID that a key has by itself, on the main chain or on the chain `acsn`. Malformed(BAD_KEY), (BAD_DID)."""
    if acsn is None:
        return PREFIX + did_suffix(suite, public_key)
    if len(acsn) != ACSN_LENGTH or any(letter not in _ACSN_LETTERS for letter in acsn):
        raise _bad("an AC number is four lower-case letters or digits")
    return f"{PREFIX}{acsn}:{did_suffix(suite, public_key)}"


@lru_cache(maxsize=_DIDS_CACHED)
def is_did_of(did: str, suite: str, public_key: bytes) -> bool:
    """Whether `did` is, letter for letter, the one written for this key, on whatever chain.

    Strict on purpose: authority hangs on it, so of the forms that `parse_did` reads only the emitted one counts.
    Any text and bytes may be given.
    """
    try:
        acsn = parse_did(did).acsn
        return did == did_of(suite, public_key, acsn)
    except Malformed:
        return False


def normalise(text: str, key: tuple[str, bytes] | None = None) -> str:
    """The one form that is written for a DID as people and SDKs write it; Malformed(BAD_DID).

    Blanks around it go, an AC number becomes lower-case, Base64 and Bech32 become Base58. With `key` (suite, raw
    public key) the DID must be that key's, also in the forms that cannot be read without it: a legacy
    suffix, and the letters `ef` that published SDKs give every key on a sub-chain, SM2 keys too.
    """
    bare = text.strip()
    parts = bare.split(":")
    if len(parts) == 4 or (len(parts) == 3 and len(parts[2]) == ACSN_LENGTH):
        parts[2] = parts[2].lower()
        bare = ":".join(parts)
    did = parse_did(bare)
    if key is not None:
        suite, public_key = key
        check_public_key(suite, public_key)
        is_alias = did.suite == "e" and suite == "z" and did.acsn is not None
        if did.suffix != digest_suffix(suite, public_key) or not (did.suite in (suite, None) or is_alias):
            raise _bad("the DID is not that of the key")
        return did_of(suite, public_key, did.acsn)
    if did.suite is None and did.suffix:
        raise _bad("a legacy DID can be read only together with its public key")
    if did.suite is None:
        return bare
    chain = "" if did.acsn is None else f"{did.acsn}:"
    return f"{PREFIX}{chain}{did.suite}{BASE58_LETTER}{base58.encode(did.suffix)}"
