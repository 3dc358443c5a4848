"""`chainnode did`: register DIDs, resolve them with proof, change them, and lose nothing when a key is lost."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from chainnode import bid
from chainnode.cli import ask, diddevices, diddocuments, didparties, didrecord, didshow
from chainnode.cli.didparties import Keys, act, deciders, open_keys
from chainnode.cli.didrecord import current, record_of, stamp
from chainnode.cli.usage import UsageError, argument
from chainnode.cli.verify import Subparsers
from chainnode.client.client import Client
from chainnode.client.outcomes import TransactionReceipt
from chainnode.did import record
from chainnode.did.record import Control, Document, Identity
from chainnode.errors import Rejected
from chainnode.rfc3339 import time_to_text
from chainnode.types.codes import ALREADY_EXISTS, NO_RECOVERY
from chainnode.types.transaction import Invocation, Value
from contracts.identityrecords import NAME, recovery_key

_EPILOG = """\
Who sends a transaction needs a role on the chain: give the key of one who has it as --sponsor-key-file, unless a signer has.
Number and hash of the version that a change replaces are read from the chain, with proof. docs/identity.md is a tutorial."""
_NS_PER_MS = 1_000_000


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add the commands below `did`."""
    top = subparsers.add_parser(
        "did",
        help="register, resolve, change DIDs",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_readers(actions)
    _add_create(actions)
    _add_changes(actions)
    _add_recovery(actions)
    diddevices.add_parser(actions)
    _add_drafts(actions)


def _add_readers(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    resolve = actions.add_parser("resolve", help="print a DID's document, verified", description=didshow.run_resolve.__doc__)
    resolve.add_argument("did", help="did:bid, did:key, or with --web did:web")
    resolve.add_argument("--version-id", metavar="N", help="the version with this number")
    resolve.add_argument("--version-time", metavar="TIME", help="the version in force then, e.g. 2026-11-25T08:00:00Z")
    resolve.add_argument("--bid", action="store_true", help="print Xinghuo's form of the document")
    resolve.add_argument("--save", type=Path, metavar="FILE", help="keep the proof, for --offline and `chainnode verify`")
    resolve.add_argument("--offline", type=Path, metavar="BUNDLE", help="ask nobody: check this proof, or this answer of a resolver")
    resolve.add_argument("--web", action="store_true", help="fetch a did:web, which nothing proves, from its server")
    resolve.set_defaults(run=didshow.run_resolve)
    show = actions.add_parser("show", help="say what the ledger knows of a DID", description=didrecord.run_show.__doc__)
    show.add_argument("did", type=argument(bid.normalise))
    show.add_argument("--history", action="store_true", help="all earlier versions too")
    show.set_defaults(run=didrecord.run_show)
    for parser in (resolve, show):
        didparties.add_node_options(parser)


def _add_create(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    create = actions.add_parser("create", help="register the DID of a key", description=_create.__doc__)
    didparties.add_signing_options(create)
    create.add_argument("--public-key", metavar="TEXT", help="register the DID of this key, whose holder signs elsewhere")
    diddocuments.add_document_option(create, "begin with the content")
    diddocuments.add_control_options(create)
    diddocuments.add_fact_options(create)
    create.set_defaults(run=_create)


def _add_changes(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    update = _add_change(actions, "update", "change services and names", _update)
    diddocuments.add_document_option(update, "take services, names and extension")
    diddocuments.add_fact_options(update)
    update.add_argument("--remove-service", action="append", default=[], metavar="ID", help="service to take away")
    update.add_argument("--remove-name", action="append", default=[], metavar="URI", help="other name to take away")
    rotate = _add_change(actions, "rotate", "replace keys", _rotate)
    diddocuments.add_document_option(rotate, "take the keys")
    diddocuments.add_new_key_options(rotate)
    rotate.add_argument("--keep", action="store_true", help="the keys that sign transactions now stay beside the new ones")
    rotate.add_argument("--drop", action="append", default=[], metavar="ID", help="key to take away")
    diddocuments.add_control_options(_add_change(actions, "control", "change who decides and who can recover", _control))
    deactivate = _add_change(actions, "deactivate", "end a DID for ever", _deactivate)
    deactivate.add_argument("--for-ever", action="store_true", help="there is no way back: say that you mean it")


def _add_recovery(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    recover = _add_change(actions, "recover", "ask for new keys, as its recovery DIDs", _recover)
    diddocuments.add_new_key_options(recover)
    _add_change(actions, "veto", "stop a recovery", _veto)
    _add_change(actions, "finish", "let recovered keys come in force once the delay has passed", _finish)


def _add_change(
    actions: "Subparsers[argparse.ArgumentParser]", name: str, summary: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=summary, description=run.__doc__)
    parser.add_argument("did", type=argument(bid.normalise))
    didparties.add_signing_options(parser)
    parser.set_defaults(run=run)
    return parser


def _add_drafts(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    cosign = actions.add_parser("cosign", help="say what a transaction of --offline-sign does, and sign it", description=_cosign.__doc__)
    cosign.add_argument(
        "--key-file", "--key", dest="key_files", action="append", default=[], metavar="[DID=]FILE", help="sealed key of a signer"
    )
    didparties.add_passphrase_option(cosign)
    cosign.set_defaults(run=_cosign, signer=[], sponsor=None, sponsor_key_file=None, offline_sign=None)
    send = actions.add_parser("send", help="submit a transaction that all have signed", description=_send.__doc__)
    ask.add_node_option(send)
    send.add_argument("--print", action="store_true", dest="only_print", help="send nothing: print the signed transaction in hexadecimal")
    send.set_defaults(run=_send)
    for parser in (cosign, send):
        parser.add_argument("file", type=Path, metavar="FILE", help="the transaction")
        parser.add_argument("--genesis", type=Path, metavar="FILE", help="the chain's genesis.json, which each signature is bound to")


# Register


def _create(args: argparse.Namespace) -> int:
    """Register the DID of the first key, with a document or, without one, with that key for all purposes."""
    parties = open_keys(args)
    if args.public_key is None and not parties[0]:
        raise UsageError("--key-file is the key whose DID is registered; or give --public-key, with --offline-sign")
    if args.public_key is not None and parties[0]:
        raise UsageError("the key signs here (--key-file) or elsewhere (--public-key), not both")
    if args.public_key is not None:
        if args.offline_sign is None:
            raise UsageError("--public-key goes with --offline-sign: its holder has to sign")
        suite, public = diddocuments.read_public_key(args.public_key)
        did = bid.did_of(suite, public)
        args.signer = [*args.signer, did]
    else:
        key = parties[0][0].key
        did, suite, public = parties[0][0].did or parties[0][0].own_did, key.suite, key.public
    written = diddocuments.first_document(suite, public) if args.document is None else diddocuments.read_document(args.document, did)[0]
    control = diddocuments.changed_control(args, written.control)
    document = replace(written, control=control, facts=diddocuments.with_options(args, written.facts))
    asyncio.run(_register(args, did, record.read_document(record.document_value(document)), parties))
    return 0


async def _register(args: argparse.Namespace, did: str, document: Document, parties: Keys) -> None:
    async with ask.client_of(args, age_ms_max=None) as client:
        if await record_of(client, did) is not None:
            raise Rejected(ALREADY_EXISTS, f"{did} is registered; `did update` and `did rotate` change it")
        call = Invocation(NAME, "create", (did, record.document_value(document)))
        if await act(args, client, call, (did,), parties) is not None:
            print(f"{did} is registered: version 1")


# Change


def _update(args: argparse.Namespace) -> int:
    """Change services and other names: those of a document instead of all before, or some to come and to go."""
    if not (args.document or args.service or args.also_known_as or args.remove_service or args.remove_name):
        raise UsageError("say what changes: --service, --also-known-as, --remove-service, --remove-name or --document")
    return _change(args, "update", lambda one: (record.facts_value(diddocuments.changed_facts(args, one)),))


def _rotate(args: argparse.Namespace) -> int:
    """Replace keys: the new ones come instead of all that sign transactions; keys for other purposes stay, unless they are dropped."""
    return _change(args, "rotate", lambda one: (record.methods_value(diddocuments.rotated_methods(args, one)),))


def _control(args: argparse.Namespace) -> int:
    """Change who decides about a DID, and who can ask for new keys; what no option names stays. Of new controllers no signature is asked.

    Once there are recovery DIDs, a change of them takes their quorum too: give their keys besides.
    """

    def values(one: Identity) -> tuple[Value, ...]:
        after = diddocuments.changed_control(args, one.document.control)
        if after == one.document.control:
            raise UsageError("nothing would change: --controller, --threshold, --recovery and the others say what")
        return (record.control_value(after),)

    return _change(args, "set_control", values, lambda one: (*deciders(one), *one.document.control.recovery))


def _deactivate(args: argparse.Namespace) -> int:
    """End a DID for ever, by those who decide about it or by its recovery quorum. Its old versions can still be resolved."""
    if not args.for_ever:
        raise UsageError("a deactivated DID never comes back: add --for-ever if you mean it")
    return _change(args, "deactivate", lambda _: (), lambda one: (*deciders(one), *one.document.control.recovery))


def _change(
    args: argparse.Namespace,
    method: str,
    values: Callable[[Identity], tuple[Value, ...]],
    candidates: Callable[[Identity], tuple[str, ...]] = deciders,
) -> int:
    """Replace the current version, as it is proved, by the next."""

    async def change(client: Client, one: Identity, parties: Keys) -> None:
        call = Invocation(NAME, method, (one.did, *stamp(one), *values(one)))
        done = await act(args, client, call, tuple(dict.fromkeys(candidates(one))), parties)
        if done is not None:
            print(f"{one.did} {'was deactivated' if method == 'deactivate' else 'changed'}: version {one.sequence + 1}")

    return _with_current(args, change)


def _with_current(args: argparse.Namespace, work: Callable[[Client, Identity, Keys], Awaitable[None]]) -> int:
    """Work on the current version with the keys of the command line, which are opened first."""
    did, parties = args.did, open_keys(args)

    async def run() -> None:
        async with ask.client_of(args, age_ms_max=None) as client:
            await work(client, await current(client, did), parties)

    asyncio.run(run())
    return 0


# Recover


def _recover(args: argparse.Namespace) -> int:
    """Ask for new keys, by a quorum of the recovery DIDs. They come in force with `did finish` after the delay, unless vetoed."""
    if not (args.new_key_file or args.new_public_key):
        raise UsageError("say which keys shall come: --new-key-file or --new-public-key")

    async def ask_for(client: Client, one: Identity, parties: Keys) -> None:
        control: Control = one.document.control
        if not control.recovery:
            raise Rejected(NO_RECOVERY, f"{one.did} names no recovery DIDs")
        methods = record.methods_value(diddocuments.new_methods(args, one))
        done = await act(args, client, Invocation(NAME, "recover", (one.did, *stamp(one), methods)), control.recovery, parties)
        if done is not None:
            print(f"the new keys can come in force from {_time_of(done)} on, with `did finish`")

    return _with_current(args, ask_for)


def _time_of(done: TransactionReceipt) -> str:
    (ready_ms,) = done.values
    assert isinstance(ready_ms, int)
    return time_to_text(ready_ms * _NS_PER_MS)


def _veto(args: argparse.Namespace) -> int:
    """Stop a recovery, by those who decide about the DID; not when all recovery DIDs ask and fewer were enough."""

    async def veto(client: Client, one: Identity, parties: Keys) -> None:
        if await act(args, client, Invocation(NAME, "veto_recovery", (one.did,)), deciders(one), parties) is not None:
            print(f"the recovery of {one.did} is off")

    return _with_current(args, veto)


def _finish(args: argparse.Namespace) -> int:
    """Let recovered keys come in force, by anybody with a role on the chain, once the delay has passed. Controllers go."""

    async def finish(client: Client, one: Identity, parties: Keys) -> None:
        pending = (await client.state(NAME, recovery_key(one.did))).fact.value
        if pending is None:
            raise Rejected(NO_RECOVERY, f"no recovery of {one.did} is pending")
        ready_ms = record.decode_recovery(pending).ready_ms
        print(f"the new keys can come in force from {time_to_text(ready_ms * _NS_PER_MS)} on")
        done = await act(args, client, Invocation(NAME, "finish_recovery", (one.did,)), (), parties)
        if done is not None:
            print(f"{one.did} changed: version {one.sequence + 1}")

    return _with_current(args, finish)


# Drafts


def _cosign(args: argparse.Namespace) -> int:
    """Say in plain words what a transaction does and, with a key, sign it. Asks nobody; read it before you give the key."""
    return didparties.run_cosign(args)


def _send(args: argparse.Namespace) -> int:
    """Submit a transaction that all have signed, wait for its block, print what its calls returned."""
    asyncio.run(didparties.send_file(args))
    return 0
