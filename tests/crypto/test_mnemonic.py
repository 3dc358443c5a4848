"""Words: BIP-39's own vectors, both kinds of Chinese, what people write, and what is refused without being quoted."""

import sys
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.crypto.mnemonic import CHINESE, ENGLISH, LANGUAGES, WORDS, key_of, legacy_go_key, read_words, seed_of, words_of
from chainnode.crypto.slip10 import DEFAULT_PATHS
from chainnode.errors import Malformed, Unavailable
from chainnode.types.codes import BAD_KEY, LIBRARY_MISSING

ZEROS = "abandon " * 11 + "about"
GO_WORDS = "style orchard science puppy place differ benefit thing wrap type build scare"


def refused(text: str) -> str:
    with pytest.raises(Malformed) as caught:
        read_words(text)
    assert caught.value.code == BAD_KEY
    return caught.value.detail


def test_the_first_vector_of_bip39() -> None:
    assert words_of(bytes(16)) == ZEROS
    seed = (
        "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc19a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
    )
    assert seed_of(ZEROS).hex() == seed


@given(st.sampled_from(sorted(WORDS.values())).flatmap(lambda size: st.binary(min_size=size, max_size=size)), st.sampled_from(LANGUAGES))
def test_words_are_read_as_they_were_made(entropy: bytes, language: str) -> None:
    words = words_of(entropy, language)
    assert WORDS[len(words.split())] == len(entropy)
    assert read_words(words) == words == normalize("NFKD", words)
    if language != ENGLISH:
        assert read_words(words.replace(" ", "")) == read_words(words.replace(" ", "\u3000")) == words


def test_what_people_write_is_repaired() -> None:
    assert read_words("  ABANDON\tabandon\n" + "Abandon  " * 9 + "about\r\n") == ZEROS


def test_a_key_in_two_languages_has_two_seeds() -> None:
    assert seed_of(words_of(bytes(16))) != seed_of(words_of(bytes(16), CHINESE))


@pytest.mark.parametrize(
    "text", ["", "about", "abandon " * 11, "abandon " * 13, ZEROS + " about", "的" * 11, "abandon " * 500, ZEROS + " " * 1024]
)
def test_a_wrong_number_of_words_is_refused(text: str) -> None:
    assert "words" in refused(text)


def test_a_wrong_word_is_named_by_its_place_and_not_quoted() -> None:
    detail = refused("abandon " * 6 + "abandom " + "abandon " * 4 + "about")
    assert "word 7" in detail and "abando" not in detail


@pytest.mark.parametrize("text", ["abandon " * 12, "about " + "abandon " * 11, "的" * 12, "abandon " * 11 + "的"])
def test_words_whose_checksum_does_not_hold_are_refused(text: str) -> None:
    assert refused(text)


def test_words_of_two_lists_do_not_belong_together() -> None:
    english, chinese = words_of(bytes(16)).split(), words_of(bytes(16), CHINESE).split()
    mixed = english[:6] + chinese[6:]
    assert "abandon" not in refused(" ".join(mixed))


def test_without_the_library_it_is_said_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mnemonic", None)
    for act in (lambda: words_of(bytes(16)), lambda: read_words(ZEROS)):
        with pytest.raises(Unavailable) as caught:
            act()
        assert caught.value.code == LIBRARY_MISSING


def test_each_suite_has_its_path() -> None:
    for suite, path in DEFAULT_PATHS.items():
        assert key_of(ZEROS, suite) == key_of(ZEROS, suite, path) != key_of(ZEROS, suite, "m/0'")


def test_the_old_go_sdk_gives_other_keys() -> None:
    """BIP-0032 along m/44'/526'/1'/0/0 on secp256k1 for both spellings; the scalar is the seed."""
    scalar = key_of(GO_WORDS, "s", "m/44'/526'/1'/0/0").secret
    for path in ("m/44'/526'/1'/0/0", "m/44/526/1/0/0", "m/44'/526'/1'/0'/0'"):
        key = legacy_go_key(GO_WORDS, path)
        assert (key.suite, key.secret) == ("e", scalar)
    for path in ("m", "m/1/2/3/4", "m/1/2/3/4/5/6"):
        with pytest.raises(Malformed):
            legacy_go_key(GO_WORDS, path)
