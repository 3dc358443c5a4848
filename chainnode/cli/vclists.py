"""`chainnode vc list-create|revoke|suspend|schema`: what an issuer writes to the ledger."""

import argparse
import asyncio
import hashlib
from collections.abc import Callable, Sequence

from chainnode import codec
from chainnode.cli import ask
from chainnode.cli.didparties import Keys, act, open_keys
from chainnode.cli.statewords import words_of
from chainnode.cli.usage import UsageError
from chainnode.cli.vckeys import read_object
from chainnode.cli.vcverify import places_of
from chainnode.client.client import Client
from chainnode.errors import Rejected
from chainnode.types.codes import BAD_STATUS_LIST, NOT_FOUND
from chainnode.types.limits import SCHEMA_VERSIONS_MAX
from chainnode.types.transaction import Invocation
from chainnode.vc.statuslist import REVOCATION, SUSPENSION
from contracts.credentials import NAME, schema_key, schema_version_key


def run_create(args: argparse.Namespace) -> int:
    """Begin a status list of 131,072 entries, all 0. The issuer signs, whom the super nodes have admitted."""
    keys = open_keys(args)
    issuer = _issuer(args, keys)
    call = Invocation(NAME, "create_list", (issuer, args.list, args.purpose, args.size))
    _send(args, issuer, call, keys, f"{issuer} has the list {args.list}, for {args.purpose}")
    return 0


def run_revoke(args: argparse.Namespace) -> int:
    """Set the entries of credentials, or of a list, to revoked: from the next block on, and for ever."""
    return _set(args, REVOCATION, 1, "revoked")


def run_suspend(args: argparse.Namespace) -> int:
    """Set the entries of credentials, or of a list, to suspended, or with --lift back."""
    return _set(args, SUSPENSION, 0 if args.lift else 1, "no longer suspended" if args.lift else "suspended")


def _set(args: argparse.Namespace, purpose: str, value: int, words: str) -> int:
    if bool(args.files) == bool(args.list or args.index) or bool(args.list) != bool(args.index):
        raise UsageError("name credentials, or --list and --index")
    keys = open_keys(args)
    issuer, list_id, indexes = _entries(args, purpose, keys)
    call = Invocation(NAME, "set_status", (issuer, list_id, tuple((index, value) for index in indexes)))

    async def run() -> None:
        async with ask.client_of(args, age_ms_max=None) as client:
            found = await client.status_list(issuer, list_id)
            if found.record.purpose != purpose:
                raise Rejected(BAD_STATUS_LIST, f"the list {list_id} of {issuer} is for {found.record.purpose}, not for {purpose}")
            done = await act(args, client, call, (issuer,), keys)
            if done is not None:
                changed = codec.as_int(done.values[0], 0, len(indexes))
                print(f"{words}: {', '.join(map(str, indexes))} of list {list_id}; {changed} had another value before")

    asyncio.run(run())
    return 0


def _entries(args: argparse.Namespace, purpose: str, keys: Keys) -> tuple[str, str, Sequence[int]]:
    """Issuer, list and indexes."""
    if args.list:
        return _issuer(args, keys), args.list, tuple(dict.fromkeys(args.index))
    found = [entry for name in args.files for entry in places_of(read_object(name), purpose)]
    lists = dict.fromkeys((one.place.issuer, one.place.list_id) for one in found)
    if len(lists) != 1:
        raise UsageError("the credentials are in several lists; one transaction changes one list")
    ((issuer, list_id),) = lists
    return issuer, list_id, tuple(dict.fromkeys(one.index for one in found if one.index is not None))


def run_schema(args: argparse.Namespace) -> int:
    """Register the SHA-256 of a document as the next version of a schema; without a document, show a version, with proof."""
    if args.document is not None and args.version is not None:
        raise UsageError("--version shows a version; a document becomes the next")
    if args.document is None:
        if args.issuer is None:
            raise UsageError("--issuer says whose schema is shown")
        asyncio.run(_show_schema(args))
        return 0
    try:
        digest = hashlib.sha256(args.document.read_bytes()).digest()
    except OSError as error:
        raise UsageError(f"cannot read {args.document}: {error.strerror}") from error
    keys = open_keys(args)
    issuer = _issuer(args, keys)
    call = Invocation(NAME, "register_schema", (issuer, args.schema, digest))
    _send(args, issuer, call, keys, lambda version: f"schema {args.schema} of {issuer} has version {version}, SHA-256 {digest.hex()}")
    return 0


async def _show_schema(args: argparse.Namespace) -> None:
    async with ask.client_of(args, age_ms_max=None) as client:
        version = args.version
        if version is None:
            newest = (await client.state(NAME, schema_key(args.issuer, args.schema))).fact.value
            version = 0 if newest is None else codec.as_int(codec.decode(newest, bytes_max=16), 1, SCHEMA_VERSIONS_MAX)
        proof = await client.state(NAME, schema_version_key(args.issuer, args.schema, version))
        if proof.fact.value is None:
            as_of = f"after block {proof.fact.state_height}; that is proved"
            raise Rejected(NOT_FOUND, f"{args.issuer} has no such version of {args.schema} {as_of}")
        for line in words_of(proof.fact):
            print(line)


def _issuer(args: argparse.Namespace, keys: Keys) -> str:
    if args.issuer is not None:
        return str(args.issuer)
    if not keys[0]:
        raise UsageError("--key-file is the issuer's key; or say --issuer")
    first = keys[0][0]
    return first.did or first.own_did


def _send(args: argparse.Namespace, issuer: str, call: Invocation, keys: Keys, words: str | Callable[[int], str]) -> None:
    async def run() -> None:
        async with ask.client_of(args, age_ms_max=None) as client:
            await _act(args, client, issuer, call, keys, words)

    asyncio.run(run())


async def _act(
    args: argparse.Namespace, client: Client, issuer: str, call: Invocation, keys: Keys, words: str | Callable[[int], str]
) -> None:
    done = await act(args, client, call, (issuer,), keys)
    if done is not None:
        print(words if isinstance(words, str) else words(codec.as_int(done.values[0], 1, SCHEMA_VERSIONS_MAX)))
