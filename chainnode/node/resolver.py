"""DIDs resolved as their method has it (`did/methods.py`): from the ledger with proof, from themselves, or from a web server if we may.

A DID with an AC number is the ledger's of the chain that has it: INV-48.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import assert_never

from chainnode import blocks
from chainnode.api.backend import Reach, Resolved
from chainnode.bid import parse_did
from chainnode.did import w3c
from chainnode.did.chainrecord import ChainRecord, decode_chain, identity_of_chain
from chainnode.did.methods import FromItself, FromWeb, OnLedger, how_of
from chainnode.did.record import Identity, Superseded, decode_identity, decode_superseded
from chainnode.did.versions import NEWEST, Version, Wanted, find_older, fits, is_beyond, metadata_of
from chainnode.did.webmethod import web_document
from chainnode.errors import Corrupt, Rejected
from chainnode.node.chain import Chain
from chainnode.node.prover import Prover
from chainnode.node.referrals import Referrals
from chainnode.node.webfetch import WebFetcher
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import Bundle
from chainnode.types.codes import CORRUPT_STORE, FEATURE_MISSING, REFERRED_TWICE
from contracts import chains
from contracts.didanswers import chain_version
from contracts.identityrecords import NAME, identity_key, version_key

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another chain has the say of a DID. `bundles` prove its record, if that was asked for."""

    chain: ChainRecord
    bundles: tuple[Bundle, ...]


class Resolver:
    """Answers for one chain. `in_thread` runs what reads the disk; without `fetcher` and `referrals` nobody else is asked."""

    def __init__(
        self,
        chain: Chain,
        prover: Prover,
        in_thread: Callable[..., Awaitable[Resolved | Elsewhere]],
        fetcher: WebFetcher | None,
        referrals: Referrals | None = None,
    ) -> None:
        self._chain = chain
        self._prover = prover
        self._in_thread = in_thread
        self._fetcher = fetcher
        self._referrals = referrals

    async def resolve(self, did: str, wanted: Wanted, *, has_proof: bool, reach: Reach = Reach.OTHERS) -> Resolved:
        """As `api.backend.Backend.resolve`."""
        match how_of(did):
            case OnLedger(check):
                check(did)
                found = await self._in_thread(self.on_ledger, did, wanted, has_proof, reach)
                return await self._refer(found, did, wanted, reach) if isinstance(found, Elsewhere) else found
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

    def on_ledger(self, did: str, wanted: Wanted, has_proof: bool, reach: Reach) -> Resolved | Elsewhere:
        """What the ledger says after the last height that can be proved, or who else does. Blocking; any thread.

        Where no chain is on record for its AC number, or this very chain, a DID is this ledger's.
        """
        at = self._prover.provable_height(None)
        parsed = parse_did(did)
        if parsed.acsn is None or (reach is Reach.OWN and parsed.suffix):
            return self._identity(did, wanted, at, has_proof)
        value = self._chain.state.value_at(chains.NAME, chains.chain_key(parsed.acsn), at)
        chain = None if value is None else decode_chain(value)
        bundles = (self._prover.state(chains.NAME, chains.chain_key(parsed.acsn), at),) if has_proof else ()
        time_ns = self._time_ns(at + 1)
        if not parsed.suffix:
            return _of_chain(did, chain, wanted, Resolved(None, {}, "", height=at, time_ns=time_ns, bundles=bundles))
        if chain is None or chain.genesis_hash == self._chain.genesis_hash:
            own = self._identity(did, wanted, at, has_proof)
            return replace(own, bundles=bundles + own.bundles)
        because = chain.closed_because(time_ns // _NS_PER_MS)  # INV-68
        if because:
            return Resolved(None, {}, because, height=at, time_ns=time_ns, bundles=bundles)
        return Elsewhere(chain, bundles)

    async def _refer(self, there: Elsewhere, did: str, wanted: Wanted, reach: Reach) -> Resolved:
        """What another chain says, as it was proved to us."""
        if reach is Reach.NO_FURTHER:
            raise Rejected(REFERRED_TWICE, f"{did} is of the chain {there.chain.did}: ask its resolvers")
        if self._referrals is None:
            raise Rejected(FEATURE_MISSING, "this node asks no other chains: its setting resolver.chains is off")
        found = await self._referrals.ask(there.chain, did, wanted, is_fresh=reach is Reach.OTHERS_NOW)
        height, time_ns = found.fact.state_height, found.bundle.headers[-1].header.time_ns
        bundles = (*there.bundles, found.bundle) if there.bundles else ()
        chain_id = there.chain.chain_id
        if found.version is None:
            newest = None if found.fact.value is None else decode_identity(found.fact.value)
            detail = absence(did, wanted, newest, height, time_ns)
            return Resolved(None, {}, detail, height=height, time_ns=time_ns, bundles=bundles, chain_id=chain_id)
        one = found.version.identity
        return Resolved(w3c.document(one), metadata_of(found.version), "", one, height, time_ns, bundles, chain_id)

    def _identity(self, did: str, wanted: Wanted, at: int, has_proof: bool) -> Resolved:
        """A DID of this ledger."""
        key, newest = identity_key(did), self._newest(did, at)
        version = None if newest is None or is_beyond(wanted, newest) else Version(newest)
        if newest is not None and version is not None and not fits(wanted, version):
            older = find_older(wanted, newest, lambda sequence: self._older(did, sequence))
            key, version = version_key(did, older.identity.sequence), Version(older.identity, older.until_ms)
        time_ns = self._time_ns(at + 1)
        bundles = (self._prover.state(NAME, key, at),) if has_proof else ()
        if version is None:
            detail = absence(did, wanted, newest, at, time_ns)
            return Resolved(None, {}, detail, height=at, time_ns=time_ns, bundles=bundles)
        return Resolved(w3c.document(version.identity), metadata_of(version), "", version.identity, at, time_ns, bundles)

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


def _of_chain(did: str, chain: ChainRecord | None, wanted: Wanted, fresh: Resolved) -> Resolved:
    """What is on record of a chain, put into an answer that says as of when."""
    assert fresh.height is not None and fresh.time_ns is not None
    newest = None if chain is None else identity_of_chain(chain)
    version = chain_version(newest, wanted)
    if version is None:
        return replace(fresh, detail=absence(did, wanted, newest, fresh.height, fresh.time_ns))
    one = version.identity
    return replace(fresh, document=w3c.document(one), metadata=metadata_of(version), identity=one)


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
