"""A key of the command line with the verification method that it is, and the files that credentials are read from and written to."""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from chainnode import bid
from chainnode.cli import ask
from chainnode.cli.keys import read_passphrase
from chainnode.cli.usage import UsageError
from chainnode.crypto.suites import PrivateKey
from chainnode.did.keymethod import did_key_of, document
from chainnode.errors import Rejected
from chainnode.node.homes import load_key
from chainnode.storage.files import save_new
from chainnode.types.codes import NOT_FOUND
from chainnode.types.limits import CREDENTIAL_BYTES_MAX
from chainnode.vc.issuing import method_of
from chainnode.vc.jcs import Document, parse_document


@dataclass(frozen=True, slots=True)
class Holder:
    """A key, and the method that it is."""

    key: PrivateKey
    method: str

    @property
    def did(self) -> str:
        """Whose it is."""
        return self.method.partition("#")[0]


def open_holder(args: argparse.Namespace, purpose: str) -> Holder:
    """The key of --key-file. With --method and --did-key nobody is asked; else the node proves the document that lists it."""
    key = load_key(args.key_file, read_passphrase(args.passphrase_file, is_new=False))
    if args.method is not None:
        if "#" not in args.method or not args.method.startswith("did:"):
            raise UsageError("--method is the id of a verification method, as did:bid:…#key-1")
        return Holder(key, args.method)
    if args.did_key:
        did = did_key_of(key.suite, key.public)
        return Holder(key, method_of(did, document(did), key, purpose))
    did = bid.did_of(key.suite, key.public) if args.did is None else args.did
    return Holder(key, asyncio.run(_method(args, did, key, purpose)))


async def _method(args: argparse.Namespace, did: str, key: PrivateKey, purpose: str) -> str:
    async with ask.client_of(args, age_ms_max=None) as client:
        found = await client.resolve(did)
    if found.document is None:
        why = "was deactivated" if found.is_deactivated else "is not registered"
        raise Rejected(NOT_FOUND, f"{did} {why}: nobody could verify what it signs; see `did create`, or --did-key, which needs none")
    return method_of(did, found.document, key, purpose)


def read_text(name: str) -> str:
    """What a file holds, `-` for standard input; one byte more than a credential may have is enough to refuse it."""
    try:
        if name == "-":
            content = sys.stdin.buffer.read(CREDENTIAL_BYTES_MAX + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(CREDENTIAL_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    return content.decode("utf-8", "replace").strip()


def read_object(name: str) -> Document:
    """The JSON object of a file."""
    return parse_document(read_text(name))


def write_text(path: Path | None, text: str) -> None:
    """To a new file, or to standard output."""
    if path is None:
        print(text)
        return
    try:
        save_new(path, (text + "\n").encode(), mode=0o644)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already; move it away if you mean it") from error


def to_text(document: Document) -> str:
    """A JSON object for people."""
    return json.dumps(document, indent=2, ensure_ascii=False)
