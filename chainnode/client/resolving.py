"""DIDs as a client comes to know them: the document is made here from the proved record, never taken from a node."""

from dataclasses import dataclass
from typing import assert_never

from chainnode.client.asking import Asker
from chainnode.client.failures import NotProved
from chainnode.client.proved import Proved
from chainnode.client.questions import Question
from chainnode.did import w3c
from chainnode.did.methods import FromItself, FromWeb, OnLedger, how_of
from chainnode.did.record import Identity, decode_identity, decode_superseded
from chainnode.did.syntax import parse_did_url
from chainnode.did.versions import NEWEST, Version, Wanted, fits, is_beyond, metadata_of
from chainnode.errors import Malformed, Rejected
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import Fact, StateFact
from chainnode.types.codes import BAD_DID, FEATURE_MISSING, MALFORMED, OTHER_QUESTION
from contracts.identityrecords import NAME, identity_key, version_key


@dataclass(frozen=True, slots=True)
class ResolvedDid:
    """What is known of a DID. `document` and `metadata` are those of DID Resolution 1.0.

    `document` None: the DID was deactivated (`is_deactivated`), or it, or the version asked for, does not exist; `identity` is the
    ledger's record, None for did:key and for what does not exist. The ledger said so after block `height`, at `time_ns`, and `proof` is
    what convinces anybody else; None for did:key, which is its own proof. `trust` says in a sentence what the answer rests on.
    """

    did: str
    document: dict[str, object] | None
    metadata: dict[str, str | bool]
    trust: str
    identity: Identity | None = None
    height: int | None = None
    time_ns: int | None = None
    proof: Proved[StateFact] | None = None

    @property
    def is_deactivated(self) -> bool:
        """Whether the DID has ended for ever, in the version asked for."""
        return self.metadata.get("deactivated") is True


async def resolve(asker: Asker, did: str, wanted: Wanted, min_height: int) -> ResolvedDid:
    """A version of a DID. Malformed(BAD_DID); Rejected(DID_METHOD_UNKNOWN), or (FEATURE_MISSING) for what has no proof, or no versions."""
    url = parse_did_url(did)
    if not url.is_did:
        raise Malformed(BAD_DID, "a DID is resolved, not a DID URL")
    match how_of(url.did):
        case OnLedger(check):
            check(url.did)
            return await _on_ledger(asker, url.did, wanted, min_height)
        case FromItself(document):
            if wanted != NEWEST:
                raise Rejected(FEATURE_MISSING, f"there are no versions of {url.did}: its method keeps none")
            return ResolvedDid(url.did, document(url.did), {}, "the DID itself, which holds all of its document: nobody is asked")
        case FromWeb():
            raise Rejected(FEATURE_MISSING, f"nothing proves {url.did}; a node that resolves it gives its word at /1.0/identifiers")
        case how:
            assert_never(how)


async def _on_ledger(asker: Asker, did: str, wanted: Wanted, min_height: int) -> ResolvedDid:
    proof = await asker.ask(about_identity(did, wanted), min_height)
    version = version_in(proof.fact, did, wanted)
    height, time_ns = proof.fact.state_height, proof.header.time_ns
    if version is None:
        return ResolvedDid(did, None, {}, _trust(proof), height=height, time_ns=time_ns, proof=proof)
    one = version.identity
    return ResolvedDid(did, w3c.document(one), metadata_of(version), _trust(proof), one, height, time_ns, proof)


def about_identity(did: str, wanted: Wanted) -> Question[StateFact]:
    """What the ledger says of a version of a DID."""

    def answer(fact: Fact) -> StateFact:
        if not isinstance(fact, StateFact):
            raise NotProved(OTHER_QUESTION, f"the node answered with a {type(fact).__name__}, not a StateFact")
        version_in(fact, did, wanted)
        return fact

    query = {} if wanted.sequence is None else {"version_id": str(wanted.sequence)}
    if wanted.time_s is not None:
        query = {"version_time": time_to_text(wanted.time_s * 1_000_000_000)}
    return Question(f"/v1/identities/{did}", answer, query, is_about_now=True, has_min_height=True)


def version_in(fact: StateFact, did: str, wanted: Wanted) -> Version | None:
    """The version that is asked for, or None: the fact shows that there is none. NotProved when it shows neither: INV-45."""
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
        raise NotProved(OTHER_QUESTION, "that one version is not there does not show that the DID is not")
    version = _read_old(fact.value, did)
    _check(version.identity.sequence == sequence, "the record is of another version")
    _check(fits(wanted, version), "the proof shows another version than is asked for")
    return version


def _trust(proof: Proved[StateFact]) -> str:
    """What the answer rests on."""
    block = f"block {proof.header.height} of {proof.header.chain_id}, {time_to_text(proof.header.time_ns)}"
    verified = proof.verified
    if verified is None:
        return f"the word of a node, for {block}: nothing was verified"
    return f"{verified.power_signed} of {verified.power_total} voting power, which signed {block}, traced to the genesis file"


def _read(value: bytes, did: str) -> Identity:
    try:
        one = decode_identity(value)
    except Malformed as error:
        raise NotProved(MALFORMED, f"the record cannot be read: {error.detail}") from error
    _check(one.did == did, "the record is of another DID")
    return one


def _read_old(value: bytes, did: str) -> Version:
    try:
        old = decode_superseded(value)
    except Malformed as error:
        raise NotProved(MALFORMED, f"the record cannot be read: {error.detail}") from error
    _check(old.identity.did == did, "the record is of another DID")
    return Version(old.identity, old.until_ms)


def _check(is_so: bool, reason: str) -> None:
    if not is_so:
        raise NotProved(OTHER_QUESTION, reason)
