"""DIDs as a client comes to know them: the document is made here from the proved record, never taken from a node.

For a DID with an AC number the client's chain first says, proved, whose it is: its own, or another chain's, whose answer is then
verified from how that chain begins, as the client's own chain has it on record (INV-48). Nodes only carry the answers.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import assert_never

from chainnode.bid import parse_did
from chainnode.client.asking import ACCEPT, Asker
from chainnode.client.failures import NotProved
from chainnode.client.nodes import Node
from chainnode.client.proved import Proved
from chainnode.client.questions import Question, about_state
from chainnode.did import w3c
from chainnode.did.chainrecord import ChainRecord, identity_of_chain
from chainnode.did.methods import FromItself, FromWeb, OnLedger, how_of
from chainnode.did.record import Identity
from chainnode.did.syntax import parse_did_url
from chainnode.did.versions import NEWEST, Version, Wanted, metadata_of
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import Fact, StateFact, Verified
from chainnode.types.codes import BAD_DID, FEATURE_MISSING
from contracts import chains
from contracts.didanswers import chain_in, chain_version, referred, version_in

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class ResolvedDid:
    """What is known of a DID. `document` and `metadata` are those of DID Resolution 1.0.

    `document` None: the DID was deactivated (`is_deactivated`), or it, or the version asked for, does not exist; `identity` is the
    ledger's record, None for did:key and for what does not exist. The ledger said so after block `height`, at `time_ns`, and `proof` is
    what convinces anybody else; None for did:key, which is its own proof. `trust` says in a sentence what the answer rests on.

    Of a DID with an AC number `chain_proof` shows what the client's own chain says of that number, and where that names another chain,
    `chain`, the rest is what the other one says.
    """

    did: str
    document: dict[str, object] | None
    metadata: dict[str, str | bool]
    trust: str
    identity: Identity | None = None
    height: int | None = None
    time_ns: int | None = None
    proof: Proved[StateFact] | None = None
    chain_proof: Proved[StateFact] | None = None
    chain: ChainRecord | None = None

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
            return await _on_ledgers(asker, url.did, wanted, min_height)
        case FromItself(document):
            if wanted != NEWEST:
                raise Rejected(FEATURE_MISSING, f"there are no versions of {url.did}: its method keeps none")
            return ResolvedDid(url.did, document(url.did), {}, "the DID itself, which holds all of its document: nobody is asked")
        case FromWeb():
            raise Rejected(FEATURE_MISSING, f"nothing proves {url.did}; a node that resolves it gives its word at /1.0/identifiers")
        case how:
            assert_never(how)


async def _on_ledgers(asker: Asker, did: str, wanted: Wanted, min_height: int) -> ResolvedDid:
    """A did:bid, from the ledger of the chain that has the say."""
    parsed = parse_did(did)
    if parsed.acsn is None:
        return await _on_ledger(asker, did, wanted, min_height)
    chain_proof = await asker.ask(about_chain(parsed.acsn), min_height)
    chain = chain_in(chain_proof.fact, parsed.acsn)
    if not parsed.suffix:
        version = chain_version(None if chain is None else identity_of_chain(chain), wanted)
        return replace(_found(did, version, chain_proof, _trust(chain_proof)), chain_proof=chain_proof, chain=chain)
    if chain is None or chain.genesis_hash == genesis_hash(asker.genesis):
        return replace(await _on_ledger(asker, did, wanted, min_height), chain_proof=chain_proof)
    if not chain.is_open_at(chain_proof.bundle.headers[-1].header.time_ns // _NS_PER_MS):  # INV-68
        return replace(_found(did, None, chain_proof, _trust(chain_proof)), chain_proof=chain_proof, chain=chain)
    proof = await asker.nodes.first_good(lambda node: _ask_elsewhere(asker, node, chain, did, wanted))
    trust = f"{_trust_in(proof, f'what is on record as {chain.did}')}; on record by {_trust(chain_proof)}"
    version = version_in(proof.fact, did, wanted)
    return replace(_found(did, version, proof, trust), chain_proof=chain_proof, chain=chain)


async def _on_ledger(asker: Asker, did: str, wanted: Wanted, min_height: int) -> ResolvedDid:
    proof = await asker.ask(about_identity(did, wanted), min_height)
    return _found(did, version_in(proof.fact, did, wanted), proof, _trust(proof))


async def _ask_elsewhere(asker: Asker, node: Node, chain: ChainRecord, did: str, wanted: Wanted) -> Proved[StateFact]:
    """What another chain says, as a node of ours carries it. NotProved when it does not prove it; ChainForked."""
    content = await node.get(f"/v1/chains/{chain.ac}/identities/{did}", _query(wanted), ACCEPT)
    try:
        found = await asyncio.to_thread(referred, content, chain, did, wanted, asker.now_ns(), verify=asker.verify)
    except (Malformed, Rejected) as error:
        raise NotProved(error.code, error.detail) from error
    if asker.verify:
        asker.known_of(chain.genesis_hash).add(found.bundle)
    return Proved(found.fact, found.bundle, found.verified)


def about_identity(did: str, wanted: Wanted) -> Question[StateFact]:
    """What the client's own ledger says of a version of a DID."""

    def answer(fact: Fact) -> StateFact:
        try:
            version_in(fact, did, wanted)
        except ChainError as error:
            raise NotProved(error.code, error.detail) from error
        assert isinstance(fact, StateFact), "version_in has seen to it"
        return fact

    return Question(f"/v1/identities/{did}", answer, _query(wanted), is_about_now=True, has_min_height=True)


def about_chain(ac: str) -> Question[StateFact]:
    """What the client's own ledger says of an AC number."""
    asked = about_state(chains.NAME, chains.chain_key(ac), None)

    def answer(fact: Fact) -> StateFact:
        found = asked.answer(fact)
        try:
            chain_in(found, ac)
        except ChainError as error:
            raise NotProved(error.code, error.detail) from error
        return found

    return replace(asked, answer=answer)


def _query(wanted: Wanted) -> dict[str, str]:
    if wanted.time_s is not None:
        return {"version_time": time_to_text(wanted.time_s * 1_000_000_000)}
    return {} if wanted.sequence is None else {"version_id": str(wanted.sequence)}


def _found(did: str, version: Version | None, proof: Proved[StateFact], trust: str) -> ResolvedDid:
    height, time_ns = proof.fact.state_height, proof.header.time_ns
    if version is None:
        return ResolvedDid(did, None, {}, trust, height=height, time_ns=time_ns, proof=proof)
    one = version.identity
    return ResolvedDid(did, w3c.document(one), metadata_of(version), trust, one, height, time_ns, proof)


def _trust(proof: Proved[StateFact]) -> str:
    """What an answer of the client's own chain rests on."""
    return _trust_in(proof, "the genesis file")


def _trust_in(proof: Proved[StateFact], beginning: str) -> str:
    block = f"block {proof.header.height} of {proof.header.chain_id}, {time_to_text(proof.header.time_ns)}"
    verified: Verified | None = proof.verified
    if verified is None:
        return f"the word of a node, for {block}: nothing was verified"
    return f"{verified.power_signed} of {verified.power_total} voting power, which signed {block}, traced to {beginning}"
