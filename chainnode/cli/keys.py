"""`chainnode keys`: make, show, import and export private keys, which stay encrypted on disk."""

import argparse
import getpass
import json
import os
import secrets
import sys
from pathlib import Path

from chainnode.bid import did_of
from chainnode.cli.usage import UsageError
from chainnode.cli.verify import Subparsers
from chainnode.crypto import mnemonic
from chainnode.crypto.keystore import BIF_IV_BYTES, IV_BYTES, SALT_BYTES, open_bif, seal, seal_bif
from chainnode.crypto.keystrings import decode_private_key, encode_private_key, encode_public_key
from chainnode.crypto.slip10 import DEFAULT_PATHS
from chainnode.crypto.suites import PrivateKey, check_public_key, generate
from chainnode.did.multikey import encode_multikey
from chainnode.errors import Malformed
from chainnode.node.homes import load_key
from chainnode.storage.keys import load_key_file, save_key_file
from chainnode.types.codes import BAD_KEY, BAD_KEY_FILE, BAD_PASSPHRASE

PASSPHRASE_VARIABLE = "CHAINNODE_KEYS_PASSPHRASE"
PASSPHRASE_LENGTH_MIN = 8
_WITHOUT_TERMINAL = f"set {PASSPHRASE_VARIABLE}, or name a file: --passphrase-file, or passphrase_file in the settings of a node or a relay"
_SUITES = {"ed25519": "e", "sm2": "z", "secp256k1": "s"}
_LANGUAGES = {"english": mnemonic.ENGLISH, "chinese": mnemonic.CHINESE}
_LEGACY_PATH = "m/44'/526'/1'/0/0"
_INPUT_LENGTH_MAX = 64 * 1024


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `keys new|show|import|export` to the command line."""
    top = subparsers.add_parser("keys", help="make, show, import and export keys", description=__doc__)
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="draw a new key into an encrypted file")
    new.add_argument("--suite", choices=sorted(_SUITES), default="ed25519", help="signature suite (default ed25519)")
    new.add_argument("--mnemonic", action="store_true", help="draw words (BIP-39) and the key from them; show them once on standard error")
    new.add_argument("--words", type=int, choices=sorted(mnemonic.WORDS), help="how many words (default 12)")
    new.add_argument("--language", choices=sorted(_LANGUAGES), help="language of the words (default english)")
    new.set_defaults(run=_new)
    show = actions.add_parser(
        "show", help="print DID and public key in three spellings; needs no passphrase and proves nothing about the seal"
    )
    show.set_defaults(run=_show)
    read = actions.add_parser(
        "import", help="seal a key read from standard input: an encPrivateKey (priS…), a Xinghuo keystore (JSON), or words with --mnemonic"
    )
    read.add_argument("--mnemonic", action="store_true", help="standard input holds words (BIP-39), English or Chinese")
    read.add_argument("--suite", choices=sorted(_SUITES), help="of the key that words stand for (default ed25519)")
    read.add_argument("--path", help="of the key that words stand for (default Xinghuo's, m/44'/2022'/…)")
    read.add_argument(
        "--legacy-go", action="store_true", help=f"derive as Xinghuo's old Go SDK did, which gives other keys (default path {_LEGACY_PATH})"
    )
    read.set_defaults(run=_import)
    export = actions.add_parser("export", help="print the key for other software")
    form = export.add_mutually_exclusive_group(required=True)
    form.add_argument("--bif-keystore", action="store_true", help="a keystore of the Xinghuo SDKs, under the same passphrase")
    form.add_argument("--insecure-plain", action="store_true", help="the bare encPrivateKey: whoever sees it has the key")
    export.set_defaults(run=_export)
    for action in (new, show, read, export):
        action.add_argument("file", type=Path, metavar="FILE", help="the key file")
    for action in (new, read, export):
        action.add_argument(
            "--passphrase-file", type=Path, metavar="FILE", help=f"its first line; else {PASSPHRASE_VARIABLE}, else a prompt"
        )


def read_passphrase(file: Path | None, *, is_new: bool) -> str:
    """The passphrase from a file, the environment or a prompt; Malformed(BAD_PASSPHRASE) when there is none or a new one is short."""
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise Malformed(BAD_PASSPHRASE, f"{file} cannot be read: {error}") from error
        passphrase = lines[0] if lines else ""
    elif PASSPHRASE_VARIABLE in os.environ:
        passphrase = os.environ[PASSPHRASE_VARIABLE]
    elif sys.stdin.isatty():
        passphrase = getpass.getpass(f"New passphrase (at least {PASSPHRASE_LENGTH_MIN} characters): " if is_new else "Passphrase: ")
        if is_new and getpass.getpass("Once more: ") != passphrase:
            raise Malformed(BAD_PASSPHRASE, "the two passphrases differ")
    else:
        raise Malformed(BAD_PASSPHRASE, f"no terminal to ask on: {_WITHOUT_TERMINAL}")
    if is_new and len(passphrase) < PASSPHRASE_LENGTH_MIN:
        raise Malformed(BAD_PASSPHRASE, f"a passphrase has at least {PASSPHRASE_LENGTH_MIN} characters")
    return passphrase


def read_public(path: Path) -> tuple[str, bytes]:
    """Suite and public key from the part of a key file that is not sealed. Malformed(BAD_KEY_FILE) when there is none."""
    document = load_key_file(path)
    suite = str(document.get("suite"))
    try:
        public = bytes.fromhex(str(document["public_key"]))
        check_public_key(suite, public)
    except (KeyError, ValueError, Malformed) as error:
        raise Malformed(BAD_KEY_FILE, f"{path} names no public key") from error
    return suite, public


def _save(args: argparse.Namespace, key: PrivateKey, passphrase: str) -> int:
    sealed = seal(key, passphrase, salt=secrets.token_bytes(SALT_BYTES), iv=secrets.token_bytes(IV_BYTES))
    save_key_file(args.file, sealed)
    _print_public(key.suite, key.public)
    return 0


def _print_public(suite: str, public: bytes) -> None:
    """The DID stands alone on the first line, for scripts."""
    print(did_of(suite, public))
    print(f"public key  {public.hex()}")
    print(f"Xinghuo     {encode_public_key(suite, public)}")
    print(f"Multikey    {encode_multikey(suite, public)}")


def _new(args: argparse.Namespace) -> int:
    if not args.mnemonic and (args.words or args.language):
        raise UsageError("--words and --language are about words: give --mnemonic too")
    passphrase = read_passphrase(args.passphrase_file, is_new=True)
    suite = _SUITES[args.suite]
    if not args.mnemonic:
        return _save(args, generate(suite, secrets.token_bytes(32)), passphrase)
    words = mnemonic.words_of(secrets.token_bytes(mnemonic.WORDS[args.words or 12]), _LANGUAGES[args.language or "english"])
    _save(args, mnemonic.key_of(words, suite), passphrase)
    print(f"Write these words down and keep them safe: who has them has the key ({DEFAULT_PATHS[suite]}),", file=sys.stderr)
    print("nobody can bring them back, and they are not shown again.", file=sys.stderr)
    print(words, file=sys.stderr)
    return 0


def _show(args: argparse.Namespace) -> int:
    suite, public = read_public(args.file)
    _print_public(suite, public)
    return 0


def _import(args: argparse.Namespace) -> int:
    if not args.mnemonic and (args.suite or args.path or args.legacy_go):
        raise UsageError("--suite, --path and --legacy-go are about words: give --mnemonic too")
    if args.legacy_go and args.suite not in (None, "ed25519"):
        raise UsageError("--legacy-go knows Ed25519 keys alone")
    is_typed = args.mnemonic and sys.stdin.isatty()
    text = getpass.getpass("Words: ") if is_typed else sys.stdin.read(_INPUT_LENGTH_MAX).strip()
    passphrase = read_passphrase(args.passphrase_file, is_new=True)
    if args.mnemonic:
        return _save(args, _key_of_words(args, mnemonic.read_words(text)), passphrase)
    if not text.startswith("{"):
        return _save(args, decode_private_key(text), passphrase)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(BAD_KEY, "standard input holds neither an encPrivateKey nor a keystore") from error
    return _save(args, open_bif(document, passphrase), passphrase)


def _key_of_words(args: argparse.Namespace, words: str) -> PrivateKey:
    if args.legacy_go:
        return mnemonic.legacy_go_key(words, args.path or _LEGACY_PATH)
    return mnemonic.key_of(words, _SUITES[args.suite or "ed25519"], args.path)


def _export(args: argparse.Namespace) -> int:
    passphrase = read_passphrase(args.passphrase_file, is_new=False)
    key = load_key(args.file, passphrase)
    if args.insecure_plain:
        print(encode_private_key(key))
    else:
        print(json.dumps(seal_bif(key, passphrase, salt=secrets.token_bytes(SALT_BYTES), iv=secrets.token_bytes(BIF_IV_BYTES))))
    return 0
