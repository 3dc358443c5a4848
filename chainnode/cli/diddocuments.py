"""Documents of DIDs, and parts of them, as the options of the command line and files say."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chainnode import bid
from chainnode.cli.keys import read_passphrase
from chainnode.cli.usage import UsageError, argument, whole_number
from chainnode.crypto.keystrings import decode_public_key
from chainnode.crypto.suites import PrivateKey
from chainnode.did import bidview, record, w3c
from chainnode.did.multikey import check_point, decode_multikey
from chainnode.did.record import INVOCATION, P256, PURPOSES, SIGNING, X25519, Control, Document, Facts, Identity, Method, Service
from chainnode.errors import Malformed
from chainnode.node.homes import load_key
from chainnode.types.codes import BAD_DOCUMENT
from chainnode.types.limits import CONTROL_THRESHOLD_MAX, RECOVERY_DELAY_MS_MAX, RECOVERY_DELAY_MS_MIN, STATE_VALUE_BYTES_MAX

_MS_PER_HOUR = 3_600_000
_BID_MEMBERS = ("version", "publicKey", "extension")  # which a W3C document does not have
_PURPOSES_OF = {P256: record.AUTHENTICATION | record.ASSERTION, X25519: record.KEY_AGREEMENT}  # others sign, for all purposes


def add_document_option(parser: argparse.ArgumentParser, what: str) -> None:
    """A file with a document."""
    parser.add_argument("--document", type=Path, metavar="FILE", help=f"{what} of this document, a W3C or a BID one, in JSON")


def add_new_key_options(parser: argparse.ArgumentParser) -> None:
    """Keys that a document shall list."""
    parser.add_argument(
        "--new-key-file", action="append", default=[], type=Path, metavar="FILE", help="sealed key to be listed; again for more"
    )
    parser.add_argument("--new-passphrase-file", type=Path, metavar="FILE", help="of the new keys; else as for the others")
    parser.add_argument(
        "--new-public-key", action="append", default=[], metavar="TEXT", help="key whose holder sits elsewhere: Multikey or Xinghuo's text"
    )
    parser.add_argument(
        "--purpose", action="append", default=[], choices=tuple(PURPOSES), help="what the new keys are for; again for more (default: all)"
    )


def add_control_options(parser: argparse.ArgumentParser) -> None:
    """Who decides, and who may ask for new keys."""
    count = whole_number(1, CONTROL_THRESHOLD_MAX)
    hours = whole_number(RECOVERY_DELAY_MS_MIN // _MS_PER_HOUR, RECOVERY_DELAY_MS_MAX // _MS_PER_HOUR)
    parser.add_argument(
        "--controller", action="append", default=[], type=argument(bid.normalise), metavar="DID", help="who decides; again for each"
    )
    parser.add_argument("--no-controllers", action="store_true", help="the DID decides about itself")
    parser.add_argument("--threshold", type=count, metavar="N", help="so many of the controllers must sign")
    parser.add_argument(
        "--recovery",
        action="append",
        default=[],
        type=argument(bid.normalise),
        metavar="DID",
        help="who may ask for new keys; again for each",
    )
    parser.add_argument("--no-recovery", action="store_true", help="nobody may")
    parser.add_argument("--recovery-threshold", type=count, metavar="N", help="so many of them must sign")
    parser.add_argument("--recovery-delay-hours", type=hours, metavar="H", help="how long the controllers have to object (default 1)")


def add_fact_options(parser: argparse.ArgumentParser) -> None:
    """Services and names."""
    parser.add_argument("--service", action="append", default=[], metavar="ID,TYPE,URI", help="service to add, or to put in place of ID")
    parser.add_argument("--also-known-as", action="append", default=[], metavar="URI", help="another name")


# Files


def read_document(path: Path, did: str) -> tuple[Document, bool]:
    """What a file says of `did`, and whether it is a BID document. Malformed(BAD_DOCUMENT) when it is another's, or none."""
    try:
        with path.open("rb") as opened:
            content = opened.read(STATE_VALUE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    try:
        document = json.loads(content) if len(content) <= STATE_VALUE_BYTES_MAX else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Malformed(BAD_DOCUMENT, f"{path} holds no JSON object of a document's length")
    if not any(name in document for name in _BID_MEMBERS):
        return w3c.read_document(document, did), False
    found, read = bidview.read_document(document)
    if found != did:
        raise Malformed(BAD_DOCUMENT, f"{path} is a document of {found}, not of {did}")
    return read, True


# Keys


def first_document(suite: str, public: bytes) -> Document:
    """The document of a DID whose owner says no more: its one key, for all that it can do."""
    return Document((Method("key-1", suite, public, SIGNING),))


def read_public_key(text: str) -> tuple[str, bytes]:
    """Kind and key of a Multikey, or of Xinghuo's text; Malformed(BAD_KEY)."""
    if text.startswith("z"):
        return decode_multikey(text)
    suite, key = decode_public_key(text)
    check_point(suite, key)
    return suite, key


def new_methods(args: argparse.Namespace, one: Identity, kept: Sequence[Method] = ()) -> tuple[Method, ...]:
    """The new keys, under fragments that no earlier version of the DID can have had: `key-`, and the number of the version to come.

    Each sealed key is opened, so that nobody rotates to a key that was swapped in its file, or that he cannot open.
    """
    keys = [(key.suite, key.public) for key in _open_new(args)] + [read_public_key(text) for text in args.new_public_key]
    asked = sum(PURPOSES[name] for name in dict.fromkeys(args.purpose))
    taken = {method.fragment for method in kept} | {service.fragment for service in one.document.facts.services}
    made = []
    for kind, key in keys:
        name, number = f"key-{one.sequence + 1}", 1
        while name in taken:
            number += 1
            name = f"key-{one.sequence + 1}-{number}"
        taken.add(name)
        made.append(Method(name, kind, key, asked or _PURPOSES_OF.get(kind, SIGNING)))
    return tuple(made)


def _open_new(args: argparse.Namespace) -> list[PrivateKey]:
    if not args.new_key_file:
        return []
    files = [args.new_passphrase_file] if args.new_passphrase_file else args.passphrase_file[:1]
    passphrase = read_passphrase(files[0] if files else None, is_new=False)
    return [load_key(path, passphrase) for path in args.new_key_file]


def rotated_methods(args: argparse.Namespace, one: Identity) -> tuple[Method, ...]:
    """The keys of the next version: the new ones instead of all that sign transactions, what else is listed stays."""
    before = one.document.methods
    if args.document is not None:
        if args.new_key_file or args.new_public_key or args.drop or args.keep:
            raise UsageError("--document says all of the keys: give it, or the other options")
        return _checked(replace(one.document, methods=read_document(args.document, one.did)[0].methods)).methods
    unknown = [name for name in args.drop if name not in [method.fragment for method in before]]
    if unknown:
        raise UsageError(f"version {one.sequence} has no key #{unknown[0]}; it has {', '.join('#' + method.fragment for method in before)}")
    if not (args.new_key_file or args.new_public_key or args.drop):
        raise UsageError("say which keys come (--new-key-file, --new-public-key, --document) or go (--drop)")
    has_new = bool(args.new_key_file or args.new_public_key)
    kept = [
        method for method in before if method.fragment not in args.drop and (args.keep or not has_new or not method.purposes & INVOCATION)
    ]
    return _checked(replace(one.document, methods=(*kept, *new_methods(args, one, kept)))).methods


def _checked(document: Document) -> Document:
    """The next version's document, when the ledger would keep it; else Malformed(BAD_DOCUMENT)."""
    return record.read_document(record.document_value(document))


# Control


def changed_control(args: argparse.Namespace, before: Control) -> Control:
    """What the options change of who decides; the rest stays. Malformed(BAD_DOCUMENT) when so many can never agree."""
    for given, nobody, name in ((args.controller, args.no_controllers, "controller"), (args.recovery, args.no_recovery, "recovery")):
        if given and nobody:
            raise UsageError(f"--{name} names somebody, and --no-{name}{'s' if name == 'controller' else ''} nobody")
    made = before
    if args.no_controllers:
        made = replace(made, controllers=(), threshold=1)
    if args.no_recovery:
        made = replace(made, recovery=(), recovery_threshold=1)
    if args.controller:
        made = replace(made, controllers=tuple(args.controller))
    if args.recovery:
        made = replace(made, recovery=tuple(args.recovery))
    if args.threshold is not None:
        made = replace(made, threshold=args.threshold)
    if args.recovery_threshold is not None:
        made = replace(made, recovery_threshold=args.recovery_threshold)
    if args.recovery_delay_hours is not None:
        made = replace(made, recovery_delay_ms=args.recovery_delay_hours * _MS_PER_HOUR)
    return record.read_control(record.control_value(made))


# Facts


def read_service(text: str) -> Service:
    """A service written as ID,TYPE,URI."""
    fragment, mark, rest = text.partition(",")
    kind, other_mark, uri = rest.partition(",")
    if not (mark and other_mark):
        raise UsageError(f"{text!r} is not ID,TYPE,URI")
    return Service(fragment.removeprefix("#"), kind, uri)


def with_options(args: argparse.Namespace, before: Facts) -> Facts:
    """The facts with the services and names of the options, in their places or behind the others."""
    services = {one.fragment: one for one in before.services} | {one.fragment: one for one in map(read_service, args.service)}
    names = dict.fromkeys((*before.also_known_as, *map(w3c.name_of_uri, args.also_known_as)))
    return record.read_facts(record.facts_value(replace(before, services=tuple(services.values()), also_known_as=tuple(names))))


def changed_facts(args: argparse.Namespace, one: Identity) -> Facts:
    """The facts of the next version: those of a document, or those before, with what the options add and take away."""
    before = one.document.facts
    for name in args.remove_service:
        if name not in [service.fragment for service in before.services]:
            raise UsageError(f"version {one.sequence} has no service #{name}")
    for uri in args.remove_name:
        if uri not in [name for _, name in before.also_known_as]:
            raise UsageError(f"version {one.sequence} does not have the name {uri}")
    facts = before if args.document is None else _facts_of_file(args.document, one)
    services = tuple(service for service in facts.services if service.fragment not in args.remove_service)
    names = tuple(pair for pair in facts.also_known_as if pair[1] not in args.remove_name)
    made = with_options(args, replace(facts, services=services, also_known_as=names))
    return _checked(replace(one.document, facts=made)).facts


def _facts_of_file(path: Path, one: Identity) -> Facts:
    """The facts of a file. A W3C document has no word for some of what the ledger keeps, which then stays as it is."""
    read, is_bid = read_document(path, one.did)
    before = one.document
    if is_bid:
        shown: tuple[object, ...] = tuple((method.kind, method.key) for method in before.methods if method.kind not in _PURPOSES_OF)
        if tuple((method.kind, method.key) for method in read.methods) != shown:
            raise UsageError(f"{path} has other keys than version {one.sequence}; `did rotate` changes keys")
        return read.facts
    if read.methods != before.methods:
        raise UsageError(f"{path} has other keys than version {one.sequence}; `did rotate` changes keys")
    if read.control.controllers != before.control.controllers:
        raise UsageError(f"{path} has other controllers than version {one.sequence}; `did control` changes them")
    known = {(service.fragment, service.type, service.endpoint): service for service in before.facts.services}
    services = tuple(
        known.get((service.fragment, service.type, service.endpoint), service) if not service.members else service
        for service in read.facts.services
    )
    written = (w3c.document(one) or {}).get("alsoKnownAs", [])
    assert isinstance(written, list)
    kinds = {name: kind for kind, name in before.facts.also_known_as}
    unwritten = tuple(pair for pair in before.facts.also_known_as if pair[1] not in written)
    names = tuple((kinds.get(name, kind), name) for kind, name in read.facts.also_known_as)
    return Facts(services, unwritten + names, before.facts.extension)
