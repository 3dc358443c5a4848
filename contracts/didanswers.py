"""What proved facts say of DIDs and of other chains: a true proof of something else is no answer.

For nodes and clients alike, who verify what another chain says before they tell it: from its beginning, as this ledger has it on record.
"""

from dataclasses import dataclass

from chainnode.bundle import fact_of, verify_from
from chainnode.bundlebytes import bundle_from_content
from chainnode.did.chainrecord import ChainRecord, beginning_of_chain, decode_chain
from chainnode.did.record import Identity, decode_identity, decode_superseded
from chainnode.did.versions import Version, Wanted, fits, is_beyond
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.types.bundle import Bundle, Fact, StateFact, Verified
from chainnode.types.codes import FEATURE_MISSING, OTHER_QUESTION, STALE_ANSWER
from contracts import chains
from contracts.identityrecords import NAME, identity_key, version_key

_NS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Referred:
    """What another chain says of a DID. `version` None: `fact` shows that there is none. `verified` None: nobody was asked to verify it."""

    bundle: Bundle
    verified: Verified | None
    fact: StateFact
    version: Version | None


def version_in(fact: Fact, did: str, wanted: Wanted) -> Version | None:
    """The version that is asked for, or None: the fact shows that there is none. INV-45: it shows one or the other.

    Malformed(OTHER_QUESTION) when it shows neither, Malformed when what it shows cannot be read.
    """
    if not isinstance(fact, StateFact):
        raise Malformed(OTHER_QUESTION, f"the proof is of a {type(fact).__name__}, not of a StateFact")
    _check(fact.store == NAME, "the proof is about another store")
    if fact.key == identity_key(did):
        if fact.value is None:
            return None
        newest = _read(fact.value, did)
        if is_beyond(wanted, newest):
            return None
        version = Version(newest)
        _check(fits(wanted, version), "the proof shows the newest version, and an older one is asked for")
        return version
    sequence = int.from_bytes(fact.key[-8:], "big")
    _check(fact.key == version_key(did, sequence), "the proof is about another key")
    if fact.value is None:
        raise Malformed(OTHER_QUESTION, "that one version is not there does not show that the DID is not")
    old = decode_superseded(fact.value)
    _check(old.identity.did == did, "the record is of another DID")
    version = Version(old.identity, old.until_ms)
    _check(version.identity.sequence == sequence, "the record is of another version")
    _check(fits(wanted, version), "the proof shows another version than is asked for")
    return version


def chain_in(fact: Fact, ac: str) -> ChainRecord | None:
    """The chain that has an AC number, removed or not, or None: the fact shows that none ever had it. Raises as `version_in`."""
    if not isinstance(fact, StateFact):
        raise Malformed(OTHER_QUESTION, f"the proof is of a {type(fact).__name__}, not of a StateFact")
    _check((fact.store, fact.key) == (chains.NAME, chains.chain_key(ac)), "the proof is about another key")
    found = None if fact.value is None else decode_chain(fact.value)
    _check(found is None or found.ac == ac, "the record is of another chain")
    return found


def chain_version(newest: Identity | None, wanted: Wanted) -> Version | None:
    """The version of a chain's document that is asked for, None when there is none.

    Rejected(FEATURE_MISSING) for an earlier one than the newest: the ledger keeps no others of a chain.
    """
    if newest is None or is_beyond(wanted, newest):
        return None
    version = Version(newest)
    if not fits(wanted, version):
        raise Rejected(FEATURE_MISSING, f"of {newest.did} the ledger keeps version {newest.sequence} alone, the newest")
    return version


def referred(content: bytes, chain: ChainRecord, did: str, wanted: Wanted, now_ns: int, *, verify: bool = True) -> Referred:
    """What a bundle of another chain says of a DID (INV-48): the chain on record proves it, it is about this DID, and young enough.

    Raises a ChainError with the reason; Unavailable(STALE_ANSWER) when `ttl_s` are over.
    """
    bundle = bundle_from_content(content)
    verified = verify_from(bundle, beginning_of_chain(chain), now_ns) if verify else None
    fact = fact_of(bundle) if verified is None else verified.fact
    version = version_in(fact, did, wanted)
    assert isinstance(fact, StateFact), "version_in has seen to it"
    if now_ns >= good_until_ns(bundle, chain):
        raise Unavailable(STALE_ANSWER, f"the answer of {chain.chain_id} hangs on a header that is older than {chain.ttl_s} s")
    return Referred(bundle, verified, fact, version)


def good_until_ns(bundle: Bundle, chain: ChainRecord) -> int:
    """Until when an answer of another chain counts."""
    return bundle.headers[-1].header.time_ns + chain.ttl_s * _NS_PER_SECOND


def _read(value: bytes, did: str) -> Identity:
    one = decode_identity(value)
    _check(one.did == did, "the record is of another DID")
    return one


def _check(is_so: bool, reason: str) -> None:
    if not is_so:
        raise Malformed(OTHER_QUESTION, reason)
