"""The commands that make, show, import and export keys."""

import json
import stat
from io import StringIO
from pathlib import Path

import pytest
from mnemonic import Mnemonic

from chainnode.cli.keys import PASSPHRASE_VARIABLE
from chainnode.cli.main import main

PUBLISHED = "priSPKt2hVqYmUoyJ24vYb8uzhu7VCab9X9BHz8K68sQZ61Yy5"  # a published test key of the Xinghuo SDKs
PUBLISHED_DID = "did:bid:efdPP4ympm36RxTYQJPber1PRKmLWZE"


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")


def test_a_new_key_is_sealed_and_private(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "keys" / "one.json"
    assert main(["keys", "new", str(file)]) == 0
    printed = capsys.readouterr().out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert main(["keys", "show", str(file)]) == 0
    assert capsys.readouterr().out == printed
    assert main(["keys", "export", "--insecure-plain", str(file)]) == 0
    secret = capsys.readouterr().out.strip()
    assert secret.startswith("priSPK") and secret not in file.read_text()


def test_an_existing_key_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    assert main(["keys", "new", str(file)]) == 0
    before = file.read_bytes()
    assert main(["keys", "new", str(file)]) == 1
    assert "key-file-exists" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_published_key_goes_in_and_out(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file, other = tmp_path / "one.json", tmp_path / "two.json"
    monkeypatch.setattr("sys.stdin", StringIO(PUBLISHED + "\n"))
    assert main(["keys", "import", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == PUBLISHED_DID
    assert main(["keys", "export", "--bif-keystore", str(file)]) == 0
    keystore = capsys.readouterr().out
    assert json.loads(keystore)["address"] == PUBLISHED_DID
    monkeypatch.setattr("sys.stdin", StringIO(keystore))
    assert main(["keys", "import", str(other)]) == 0
    capsys.readouterr()
    assert main(["keys", "export", "--insecure-plain", str(other)]) == 0
    assert capsys.readouterr().out.strip() == PUBLISHED


@pytest.mark.parametrize("text", ["", "rubbish", "{", '{"a": 1}'])
def test_rubbish_is_not_imported(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(text))
    assert main(["keys", "import", str(tmp_path / "one.json")]) == 1
    assert "bad-key" in capsys.readouterr().err
    assert not (tmp_path / "one.json").exists()


def test_the_wrong_passphrase_opens_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "one.json"
    assert main(["keys", "new", str(file)]) == 0
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "wrong horse")
    assert main(["keys", "export", "--insecure-plain", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.err == f"chainnode: bad-passphrase: {file}: The passphrase does not open this key.\n" and "priS" not in captured.out


def test_a_short_or_missing_passphrase_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "short")
    assert main(["keys", "new", str(tmp_path / "one.json")]) == 1
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    monkeypatch.setattr("sys.stdin", StringIO(""))
    assert main(["keys", "new", str(tmp_path / "one.json")]) == 1
    told = capsys.readouterr().err
    assert told.count("bad-passphrase") == 2
    assert all(way in told for way in (PASSPHRASE_VARIABLE, "--passphrase-file", "passphrase_file in the settings"))
    assert not (tmp_path / "one.json").exists()


def test_a_prompt_for_a_new_passphrase_says_how_long_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "correct horse")
    assert main(["keys", "new", str(tmp_path / "one.json")]) == 0
    assert main(["keys", "export", "--insecure-plain", str(tmp_path / "one.json")]) == 0
    assert asked == ["New passphrase (at least 8 characters): ", "Once more: ", "Passphrase: "]
    capsys.readouterr()


def test_a_passphrase_file_is_read_to_the_end_of_its_first_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, words = tmp_path / "one.json", tmp_path / "words"
    words.write_text("another horse\nnote\n")
    assert main(["keys", "new", "--passphrase-file", str(words), str(file)]) == 0
    words.write_text("another horse")
    assert main(["keys", "export", "--insecure-plain", "--passphrase-file", str(words), str(file)]) == 0
    assert main(["keys", "export", "--insecure-plain", str(file)]) == 1


# Of the W3C's did:key specification and its test vectors.
MULTIKEYS = [
    ("e", "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29", "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"),
    ("e", "2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6", "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"),
    ("s", "03874c15c7fda20e539c6e5ba573c139884c351188799f5458b4b41f7924f235cd", "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"),
]


@pytest.mark.parametrize(("suite", "public", "expected"), MULTIKEYS)
def test_a_public_key_is_shown_as_a_multikey(
    suite: str, public: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"suite": suite, "public_key": public}))
    file.chmod(0o600)
    assert main(["keys", "show", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Multikey    {expected}"


@pytest.mark.parametrize(
    "document",
    [
        "{}",
        "[]",
        '{"suite": "e"}',
        '{"suite": "q", "public_key": "00"}',
        '{"suite": "e", "public_key": "00"}',
        '{"suite": "e", "public_key": 7}',
    ],
)
def test_a_file_without_a_public_key_is_refused(document: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    file.write_text(document)
    file.chmod(0o600)
    assert main(["keys", "show", str(file)]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("chainnode: bad-key-file: ") and told.out == ""


# Words

WORDS = "attitude coyote negative library clerk copy portion bus combine gospel topic typical"
WORDS_DID = "did:bid:efeEL8iWhdUthpYXmjeFTjrVYW9Zfmu8"
WORDS_SM2_DID = "did:bid:zfw8G74fgyPvixVvGYYfx41UD7bxt33K"
GO_WORDS = "style orchard science puppy place differ benefit thing wrap type build scare"
GO_DID = "did:bid:ef27xj3fBqdKh6oy9ZM1Lk6CXWxAsuZAN"  # by the rule; the old SDK's own test prints no key


@pytest.mark.parametrize(
    ("options", "count", "language"),
    [((), 12, "english"), (("--words", "24"), 24, "english"), (("--language", "chinese", "--suite", "sm2"), 12, "chinese_simplified")],
)
def test_new_words_are_shown_once_and_bring_the_key_back(
    options: tuple[str, ...],
    count: int,
    language: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    assert main(["keys", "new", "--mnemonic", *options, str(one)]) == 0
    told = capsys.readouterr()
    *warning, words = told.err.splitlines()
    assert len(words.split()) == count and set(words.split()) <= set(Mnemonic(language).wordlist)
    assert "who has them has the key" in warning[0] and words not in told.out and words not in one.read_text()
    suite = [name for name in options if name == "sm2"]
    monkeypatch.setattr("sys.stdin", StringIO(f"  {words.upper()}\n"))
    assert main(["keys", "import", "--mnemonic", *(["--suite", *suite] if suite else []), str(two)]) == 0
    assert capsys.readouterr().out == told.out


def test_no_words_are_shown_for_a_key_that_was_not_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    file.write_text("{}")
    assert main(["keys", "new", "--mnemonic", str(file)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "options", "did"),
    [
        (WORDS, (), WORDS_DID),
        (WORDS, ("--suite", "sm2"), WORDS_SM2_DID),
        (WORDS, ("--suite", "ed25519", "--path", "m/44'/2022'/0'/0'/0'"), WORDS_DID),
        (GO_WORDS, ("--legacy-go",), GO_DID),
        (GO_WORDS, ("--legacy-go", "--path", "m/44/526/1/0/0"), GO_DID),
    ],
)
def test_words_are_imported(
    text: str, options: tuple[str, ...], did: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(text))
    assert main(["keys", "import", "--mnemonic", *options, str(tmp_path / "one.json")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == did


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("abandon " * 12, ()),
        ("", ()),
        (WORDS, ("--path", "m/44'/2022'/0'/0/0")),
        (WORDS, ("--legacy-go", "--path", "m/1")),
    ],
)
def test_bad_words_and_paths_are_refused_without_being_quoted(
    text: str, options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(text))
    assert main(["keys", "import", "--mnemonic", *options, str(tmp_path / "one.json")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("chainnode: bad-key: ") and "abandon" not in told and "coyote" not in told
    assert not (tmp_path / "one.json").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("new", "--words", "24"),
        ("new", "--language", "chinese"),
        ("import", "--suite", "sm2"),
        ("import", "--path", "m"),
        ("import", "--legacy-go"),
        ("import", "--mnemonic", "--legacy-go", "--suite", "sm2"),
    ],
)
def test_options_that_say_nothing_are_wrong_use(command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", *command, str(tmp_path / "one.json")]) == 2
    assert "bad-use" in capsys.readouterr().err and not (tmp_path / "one.json").exists()


def test_words_that_are_typed_are_not_echoed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("not read"))
    monkeypatch.setattr("getpass.getpass", lambda prompt: WORDS)
    assert main(["keys", "import", "--mnemonic", str(tmp_path / "one.json")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == WORDS_DID
