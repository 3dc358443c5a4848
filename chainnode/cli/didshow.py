"""`chainnode did resolve`: a DID's document as it is proved, and on whose word."""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from chainnode.bid import PREFIX, parse_did
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli import ask
from chainnode.cli.usage import UsageError, reading_words
from chainnode.client.resolving import ResolvedDid
from chainnode.did import bidview, w3c
from chainnode.did.methods import FromItself, FromWeb, OnLedger, how_of
from chainnode.did.record import Identity
from chainnode.did.syntax import parse_did_url
from chainnode.did.versions import NEWEST, Wanted, wanted_of
from chainnode.did.webmethod import web_document
from chainnode.errors import Malformed, Rejected
from chainnode.node.homes import load_genesis
from chainnode.node.webfetch import WebFetcher
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import AnchoredFact, Fact, StateFact, Verified
from chainnode.types.codes import BAD_BUNDLE, BAD_DID, CHAIN_CLOSED, DEACTIVATED, FEATURE_MISSING, NOT_FOUND, OTHER_QUESTION
from chainnode.types.limits import BUNDLE_BYTES_MAX
from contracts.didanswers import version_in

Members = dict[str, object]
_NS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Found:
    """A document, and what it rests on. `document` None: there is none, for the reason in `absence`; a fact that was proved.

    `bundle_json` is the proof, None for methods without one.
    """

    document: Members | None
    trust: str
    identity: Identity | None = None
    bundle_json: str | None = None
    absence: Rejected | None = None


def run_resolve(args: argparse.Namespace) -> int:
    """The document on standard output, for other programs; what it rests on, for people, on standard error."""
    with reading_words():
        wanted = wanted_of(args.version_id, args.version_time)
        check_did(args.did)
    found = asyncio.run(_find(args, wanted))
    if args.save is not None:
        if found.bundle_json is None:
            raise UsageError(f"--save keeps a proof, and {args.did} has none")
        args.save.write_text(found.bundle_json, encoding="utf-8")
    print(f"trusted: {found.trust}", file=sys.stderr)
    if found.absence is not None:
        raise found.absence
    document = found.document
    if args.bid:
        if found.identity is None:
            raise UsageError(f"--bid shows the documents of did:bid, and this is {args.did}")
        document = bidview.document(found.identity)
    print(_readable(json.dumps(document, indent=2, ensure_ascii=False)))
    return 0


def _readable(text: str) -> str:
    """JSON with escapes for whatever could mislead a terminal, which stands in texts alone."""
    return "".join(letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text)


def check_did(did: str) -> None:
    """Malformed(BAD_DID) or Rejected(DID_METHOD_UNKNOWN) unless it is a DID that can be resolved."""
    if not parse_did_url(did).is_did:
        raise Malformed(BAD_DID, "a DID is resolved, not a DID URL")
    match how_of(did):
        case OnLedger(check):
            check(did)
        case FromItself() | FromWeb():
            pass


async def _find(args: argparse.Namespace, wanted: Wanted) -> _Found:
    url = parse_did_url(args.did)
    match how_of(url.did):
        case OnLedger():
            if args.offline is not None:
                return _offline(args, url.did, wanted)
            async with ask.client_of(args, age_ms_max=None) as client:
                return _of_resolved(await client.resolve(url.did, args.version_id, args.version_time), wanted)
        case FromItself(document):
            _refuse_options(args, wanted, url.did)
            return _Found(document(url.did), "nobody; the document follows from the DID itself, which is the key")
        case FromWeb(url_of):
            _refuse_options(args, wanted, url.did)
            if not args.web:
                raise Rejected(FEATURE_MISSING, f"nothing proves {url.did}; --web asks its server from this machine all the same")
            place = url_of(url.did)
            document_read = web_document(url.did, await WebFetcher().fetch(place))
            return _Found(document_read, f"the word of {place}, now: its owner can change it unseen, and nothing proves it")


def _refuse_options(args: argparse.Namespace, wanted: Wanted, did: str) -> None:
    if wanted != NEWEST:
        raise Rejected(FEATURE_MISSING, f"there are no versions of {did}: its method keeps none")
    if args.offline is not None:
        raise UsageError(f"--offline reads a proof bundle, and {did} has none")


def _of_resolved(found: ResolvedDid, wanted: Wanted) -> _Found:
    assert found.proof is not None and found.height is not None and found.time_ns is not None
    as_of = f"as of block {found.height}, {time_to_text(found.time_ns)}"
    absence = _absence(found.did, found.identity, wanted, as_of)
    return _Found(found.document, f"{found.trust}; {as_of}", found.identity, found.proof.bundle_json, absence)


def _absence(did: str, identity: Identity | None, wanted: Wanted, as_of: str) -> Rejected | None:
    """Why there is no document."""
    if identity is None:
        what = "is not registered" if wanted == NEWEST else "has no such version, or is not registered,"
        slip = "" if parse_did(did).is_registrable or parse_did(did).suite is None else "; no key has this DID: is a letter wrong?"
        return Rejected(NOT_FOUND, f"{did} {what} {as_of}; that is proved{slip}")
    if not identity.is_active:
        return Rejected(DEACTIVATED, f"{did} was deactivated in block {identity.height}, for ever; that is proved")
    return None


def _offline(args: argparse.Namespace, did: str, wanted: Wanted) -> _Found:
    """What a kept bundle proves of the DID, with no network; of a DID of another chain, one of two hops."""
    if args.genesis is None:
        raise UsageError("--genesis FILE says which chain the proof must be of")
    text = _bundle_text(args.offline)
    verified = verify_bundle(bundle_from_json(text), load_genesis(args.genesis), time.time_ns())
    fact, time_ns, trust = _said_of(did, verified)
    version = version_in(fact, did, wanted)
    as_of = f"as of block {fact.state_height}, {time_to_text(time_ns)}"
    age_s = (time.time_ns() - time_ns) // _NS_PER_SECOND
    trust = f"{trust}, traced to the genesis file; {as_of}, {age_s:,} s ago: later blocks may say otherwise"
    one = None if version is None else version.identity
    return _Found(None if one is None else w3c.document(one), trust, one, text, _absence(did, one, wanted, as_of))


def _said_of(did: str, verified: Verified) -> tuple[StateFact, int, str]:
    """What a bundle says of a DID, when, and by whose word. Who has the say of a DID with an AC number, two hops alone show."""
    ac, time_ns = parse_did(did).acsn, verified.time_ns
    fact: Fact = verified.fact
    signed = f"{verified.power_signed} of {verified.power_total} voting power, which signed block {verified.height} of {verified.chain_id}"
    if isinstance(fact, AnchoredFact):
        if fact.ac != ac:
            raise Malformed(OTHER_QUESTION, f"the bundle is of the chain {PREFIX}{fact.ac}")
        if fact.anchor.warning:
            raise Rejected(CHAIN_CLOSED, fact.anchor.warning)
        signed += f", whose ledger holds block {fact.header.height} of {fact.chain_id}"
        time_ns, fact = fact.header.time_ns, fact.fact
    elif ac is not None:
        raise Rejected(FEATURE_MISSING, f"who has the say of {did} a bundle of one hop does not show: query it --via the main chain")
    if not isinstance(fact, StateFact):
        raise Malformed(OTHER_QUESTION, "the bundle is not about a DID")
    return fact, time_ns, signed


def _bundle_text(path: Path) -> str:
    """A bundle, alone or in the answer of a resolver."""
    try:
        with path.open("rb") as opened:
            text = opened.read(BUNDLE_BYTES_MAX + 1).decode("utf-8", "replace")
        answer = json.loads(text)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError):
        raise Malformed(BAD_BUNDLE, f"{path} is not JSON") from None
    for name in ("didDocumentMetadata", "didResolutionMetadata"):
        part = answer.get(name) if isinstance(answer, dict) else None
        proofs = part.get("proof") if isinstance(part, dict) else None
        if isinstance(proofs, list) and proofs and isinstance(proofs[0], dict) and "bundle" in proofs[0]:
            return json.dumps(proofs[0]["bundle"])
    return text
