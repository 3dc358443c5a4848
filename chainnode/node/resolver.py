"""DIDs resolved as their method has it (`did/methods.py`): from the ledger with proof, from themselves, or from a web server if we may."""

import json
from collections.abc import Awaitable, Callable
from typing import assert_never

from chainnode import blocks
from chainnode.api.backend import Resolved
from chainnode.did import w3c
from chainnode.did.methods import FromItself, FromWeb, OnLedger, how_of
from chainnode.did.record import Identity, Superseded, decode_identity, decode_superseded
from chainnode.did.versions import NEWEST, Version, Wanted, find_older, fits, is_beyond, metadata_of
from chainnode.errors import Corrupt, Rejected
from chainnode.node.chain import Chain
from chainnode.node.prover import Prover
from chainnode.node.webfetch import WebFetcher
from chainnode.rfc3339 import time_to_text
from chainnode.types.codes import CORRUPT_STORE, FEATURE_MISSING, WEB_DID_BAD
from contracts.identityrecords import NAME, identity_key, version_key


class Resolver:
    """Answers for one chain. `in_thread` runs what reads the disk; without a `fetcher` nothing is asked of web servers."""

    def __init__(self, chain: Chain, prover: Prover, in_thread: Callable[..., Awaitable[Resolved]], fetcher: WebFetcher | None) -> None:
        self._chain = chain
        self._prover = prover
        self._in_thread = in_thread
        self._fetcher = fetcher

    async def resolve(self, did: str, wanted: Wanted, *, has_proof: bool) -> Resolved:
        """As `api.backend.Backend.resolve`."""
        match how_of(did):
            case OnLedger(check):
                check(did)
                return await self._in_thread(self.on_ledger, did, wanted, has_proof)
            case FromItself(document):
                _refuse_versions(wanted, did)
                return Resolved(document(did), {})
            case FromWeb(url_of):
                if self._fetcher is None:
                    raise Rejected(FEATURE_MISSING, "this node asks no other web servers: its setting resolver.web is off")
                _refuse_versions(wanted, did)
                return Resolved(web_document(did, await self._fetcher.fetch(url_of(did))), {})
            case how:
                assert_never(how)

    def on_ledger(self, did: str, wanted: Wanted, has_proof: bool) -> Resolved:
        """What the ledger says after the last height that can be proved. Blocking; any thread."""
        at = self._prover.provable_height(None)
        key, newest = identity_key(did), self._newest(did, at)
        version = None if newest is None or is_beyond(wanted, newest) else Version(newest)
        if newest is not None and version is not None and not fits(wanted, version):
            older = find_older(wanted, newest, lambda sequence: self._older(did, sequence))
            key, version = version_key(did, older.identity.sequence), Version(older.identity, older.until_ms)
        time_ns = self._time_ns(at + 1)
        bundle = self._prover.state(NAME, key, at) if has_proof else None
        if version is None:
            detail = absence(did, wanted, newest, at, time_ns)
            return Resolved(None, {}, detail, height=at, time_ns=time_ns, bundle=bundle)
        return Resolved(w3c.document(version.identity), metadata_of(version), "", version.identity, at, time_ns, bundle)

    def _newest(self, did: str, at: int) -> Identity | None:
        value = self._chain.state.value_at(NAME, identity_key(did), at)
        return None if value is None else decode_identity(value)

    def _older(self, did: str, sequence: int) -> Superseded:
        """A version that was replaced at a provable height; what is written there once never changes."""
        value = self._chain.state.get(NAME, version_key(did, sequence))
        if value is None:
            raise Corrupt(CORRUPT_STORE, f"version {sequence} of {did} is gone")
        return decode_superseded(value)

    def _time_ns(self, height: int) -> int:
        header = self._chain.state.ledger.header(height)
        assert header is not None
        return blocks.decode_header(header).time_ns


def absence(did: str, wanted: Wanted, newest: Identity | None, height: int, time_ns: int) -> str:
    """What is not there, in a sentence, and as of when."""
    as_of = f"as of height {height}, {time_to_text(time_ns)}"
    if newest is None:
        return f"{did} is not registered {as_of}"
    if wanted.sequence is not None:
        return f"{did} has no version {wanted.sequence}: the newest is {newest.sequence} {as_of}"
    return f"{did} was registered only at {time_to_text(newest.created_ms * 1_000_000)}"


def _refuse_versions(wanted: Wanted, did: str) -> None:
    if wanted != NEWEST:
        raise Rejected(FEATURE_MISSING, f"there are no versions of {did}: its method keeps none")


def web_document(did: str, content: bytes) -> dict[str, object]:
    """The document that a web server keeps for a did:web; Rejected(WEB_DID_BAD) when it is another's, or none."""
    try:
        document = json.loads(content)
        json.dumps(document, allow_nan=False)  # not every number that is read can be written again
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("id") != did:
        raise Rejected(WEB_DID_BAD, f"what the server keeps is not a document whose id is {did}")
    return document
