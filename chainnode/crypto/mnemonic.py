"""Words to write down instead of a key: BIP-39, in English and Chinese.

The seed that keys are derived from depends on the words as text, so the same key in two languages has two seeds; there is
no passphrase besides, as with the Xinghuo SDKs. What is wrong with words is said without quoting them.
"""

import hashlib
import unicodedata
from typing import Protocol

from chainnode.crypto.slip10 import CURVES, DEFAULT_PATHS, HARDENED, derive, derive_secret, parse_path
from chainnode.crypto.suites import PrivateKey, generate
from chainnode.errors import Malformed, Unavailable
from chainnode.types.codes import BAD_KEY, LIBRARY_MISSING

ENGLISH = "english"
CHINESE = "chinese_simplified"
LANGUAGES = (ENGLISH, CHINESE, "chinese_traditional")
WORDS = {12: 16, 15: 20, 18: 24, 21: 28, 24: 32}  # number of words -> bytes of entropy
_TEXT_LENGTH_MAX = 1024
_ROUNDS = 2048
_LEGACY_HARDENED = 3  # steps of the old Go SDK, of five
_LEGACY_STEPS = 5


class _WordList(Protocol):
    """What we take of the library: the words of a language, and their checksum."""

    wordlist: list[str]

    def check(self, mnemonic: str) -> bool:
        """Whether the words are of the list and their checksum holds."""

    def to_mnemonic(self, data: bytes) -> str:
        """The words of entropy."""


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_KEY, detail)


def _list(language: str) -> _WordList:
    try:
        from mnemonic import Mnemonic
    except ImportError as error:
        raise Unavailable(LIBRARY_MISSING, "words need the library mnemonic: install chainnode") from error
    return Mnemonic(language)


def words_of(entropy: bytes, language: str = ENGLISH) -> str:
    """The words for 16, 20, 24, 28 or 32 random bytes, with blanks between."""
    assert len(entropy) in WORDS.values() and language in LANGUAGES
    return _list(language).to_mnemonic(entropy)


def read_words(text: str) -> str:
    """The words of a text as people write them, in the form that counts; Malformed(BAD_KEY) unless they are BIP-39 words.

    Capitals, more blanks than needed and line breaks are repaired, and Chinese words may stand without blanks.
    """
    if len(text) > _TEXT_LENGTH_MAX:
        raise _bad("these are too many words")
    words = unicodedata.normalize("NFKD", text).lower().split()
    if not all(map(str.isascii, words)):
        words = list("".join(words))  # a Chinese word is one character
    if len(words) not in WORDS:
        raise _bad(f"there are 12, 15, 18, 21 or 24 words, not {len(words)}")
    phrase = " ".join(words)
    lists = [_list(language) for language in LANGUAGES]
    if any(one.check(phrase) for one in lists):
        return phrase
    for number, word in enumerate(words, 1):
        if not any(word in one.wordlist for one in lists):
            raise _bad(f"word {number} is in no list of BIP-39, neither the English nor a Chinese one")
    raise _bad("the words do not belong together: one is wrong, missing or in another place")


def seed_of(phrase: str) -> bytes:
    """The 64-byte seed of words in the form of `read_words`; takes about a millisecond on purpose."""
    return hashlib.pbkdf2_hmac("sha512", phrase.encode(), b"mnemonic", _ROUNDS)


def key_of(phrase: str, suite: str, path: str | None = None) -> PrivateKey:
    """The key that words stand for, at Xinghuo's path unless another is given."""
    return derive(seed_of(phrase), suite, DEFAULT_PATHS[suite] if path is None else path)


def legacy_go_key(phrase: str, path: str) -> PrivateKey:
    """The Ed25519 key that the old Go SDK gives for these words, which is another one than all other SDKs give.

    It takes BIP-32 over secp256k1, three hardened steps and two others whatever the path says, and the scalar as the seed.
    """
    steps = [step % HARDENED for step in parse_path(path)]
    if len(steps) != _LEGACY_STEPS:
        raise _bad(f"the old Go SDK takes paths of {_LEGACY_STEPS} steps, as m/44'/526'/1'/0/0")
    hardened = [step + HARDENED for step in steps[:_LEGACY_HARDENED]] + steps[_LEGACY_HARDENED:]
    return generate("e", derive_secret(CURVES["s"], seed_of(phrase), hardened)[0])
