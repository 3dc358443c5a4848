"""Credentials as a client verifies them: keys, status lists and admissions come from proofs, never from a node's word."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from chainnode.bid import PREFIX, parse_did
from chainnode.client.asking import Asker
from chainnode.client.failures import NotProved
from chainnode.client.nodes import Node, parse_json
from chainnode.client.proved import Proved
from chainnode.client.questions import Question, about_state
from chainnode.client.resolving import resolve
from chainnode.did.versions import NEWEST
from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import StateFact
from chainnode.types.codes import MALFORMED, NOT_FOUND
from chainnode.vc import verify
from chainnode.vc.admission import with_admission
from chainnode.vc.jcs import Document, Json
from chainnode.vc.ledgerproof import bundle_text, check_list, list_document, role_document, with_bundle
from chainnode.vc.listplace import ListPlace, place_of_url, url_of_list
from chainnode.vc.listrecord import STORE, StatusList, decode_list, list_key
from chainnode.vc.needs import keys_in, needs_of
from chainnode.vc.rolerecord import ROLES, role_key
from chainnode.vc.statuslist import status_of
from chainnode.vc.verify import Result, StatusLists, read_lists
from contracts.credentials import decode_issuer, issuer_key

Members = dict[str, object]
CredentialValue = str | Mapping[str, object]
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller of a verification knows besides the ledger: documents by DID, status lists by URL."""

    documents: Mapping[str, Members]
    lists: Mapping[str, Members]
    min_height: int = 0


@dataclass(frozen=True, slots=True)
class VerifiedCredential:
    """`result` says whether it counts, what was checked, and what not; `inside` the same of each credential in a presentation.

    `warnings` say what could not be had. `proofs` are those of the ledger on which the result rests, each for `chainnode verify`.
    """

    result: Result
    inside: tuple[Result, ...] = ()
    warnings: tuple[str, ...] = ()
    proofs: tuple[Proved[StateFact], ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether it counts."""
        return self.result.is_valid


@dataclass(frozen=True, slots=True)
class ProvedStatusList:
    """A status list of the ledger. `document` is its credential without a proof, `proof` what proves it."""

    document: Document
    record: StatusList
    bits: bytes
    proof: Proved[StateFact]

    def status(self, index: int) -> int:
        """The value of an entry; Rejected(STATUS_OUT_OF_RANGE)."""
        return status_of(self.bits, index, self.record.size)

    @property
    def as_of(self) -> str:
        """After which block it is so, and the time of the header that fixes that."""
        return f"block {self.proof.fact.state_height}, {time_to_text(self.proof.header.time_ns)}"


@dataclass(slots=True)
class _Gathered:
    documents: dict[str, Mapping[str, object]] = field(default_factory=dict)
    signed: dict[str, Document] = field(default_factory=dict)
    proved: dict[str, Document] = field(default_factory=dict)
    as_of: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    proofs: list[Proved[StateFact]] = field(default_factory=list)

    @property
    def lists(self) -> StatusLists:
        """The status lists, as the verifier takes them."""
        return StatusLists(self.signed, self.proved, self.as_of)


async def verify_credential(asker: Asker, value: CredentialValue, given: Given) -> VerifiedCredential:
    """As `client.Client`."""
    plain, found = _plain(value), _Gathered()
    await _gather(asker, plain, given, found)
    now_ms = asker.now_ns() // _NS_PER_MS
    keys = keys_in(found.documents)
    result = await asyncio.to_thread(verify.verify_credential, plain, keys, now_ms, found.lists, asker.genesis)
    result = await _judged(asker, result, given, found)
    return VerifiedCredential(result, (), tuple(found.warnings), tuple(found.proofs))


async def verify_presentation(
    asker: Asker, value: CredentialValue, given: Given, *, domain: str | None, challenge: str | None
) -> VerifiedCredential:
    """As `client.Client`."""
    plain, found = _plain(value), _Gathered()
    await _gather(asker, plain, given, found)
    now_ms = asker.now_ns() // _NS_PER_MS
    keys = keys_in(found.documents)
    whole, inside = await asyncio.to_thread(
        verify.verify_presentation, plain, keys, now_ms, found.lists, asker.genesis, domain=domain, challenge=challenge
    )
    judged = [await _judged(asker, one, given, found) for one in inside]
    return VerifiedCredential(whole, tuple(judged), tuple(found.warnings), tuple(found.proofs))


def _plain(value: CredentialValue) -> Json:
    return value if isinstance(value, str) else dict(value)


async def _gather(asker: Asker, value: Json, given: Given, found: _Gathered) -> None:
    """Lists and documents: of the ledger as they are proved, others as the caller gave them."""
    needs = needs_of(value)
    for url in needs.lists:
        place = place_of_url(url)
        if place is not None and place.chain_id in ("", asker.genesis.chain_id):
            try:
                one = await status_list(asker, place, None, given.min_height, url)
            except Rejected as refusal:
                found.warnings.append(f"{url}: {refusal.detail}")
                continue
            found.proved[url], found.as_of[url] = one.document, one.as_of
            found.proofs.append(one.proof)
        elif url not in given.lists:
            found.warnings.append(f"{url}: the list is not on this ledger, and was not given")
    others = {url: dict(document) for url, document in given.lists.items() if url in needs.lists and url not in found.proved}
    read = read_lists(others, asker.genesis, asker.now_ns() // _NS_PER_MS)
    found.signed.update(read.signed)
    found.proved.update(read.proved)
    found.as_of.update(read.as_of)
    asked = [needs, *map(needs_of, found.signed.values())]
    for did in dict.fromkeys(did for one in asked for did in one.dids):
        await _add_document(asker, did, given, found)


async def _add_document(asker: Asker, did: str, given: Given, found: _Gathered) -> None:
    """What the ledger proves wins over what was given."""
    try:
        resolved = await resolve(asker, did, NEWEST, given.min_height)
    except (Malformed, Rejected) as refusal:
        if did in given.documents:
            found.documents[did] = given.documents[did]
        else:
            found.warnings.append(f"{did}: {refusal.detail}")
        return
    if resolved.proof is not None:
        found.proofs.append(resolved.proof)
    if resolved.document is not None:
        found.documents[did] = resolved.document
    else:
        found.warnings.append(f"{did} was deactivated" if resolved.is_deactivated else f"{did} is not registered")


async def _judged(asker: Asker, result: Result, given: Given, found: _Gathered) -> Result:
    """With what the ledger proves of the issuer's admission, when it can have one."""
    if not result.issuer.startswith(PREFIX) or not _is_registrable(result.issuer):
        return with_admission(result, None)
    proof = await asker.ask(about_state(STORE, issuer_key(result.issuer), None), given.min_height)
    found.proofs.append(proof)
    value = proof.fact.value
    return with_admission(result, None if value is None else decode_issuer(value))


def _is_registrable(did: str) -> bool:
    try:
        return parse_did(did).is_registrable
    except Malformed:
        return False


# Lists and roles


async def status_list(asker: Asker, place: ListPlace, height: int | None, min_height: int, url: str = "") -> ProvedStatusList:
    """A list whose bits are those of the proved record; `url` is its name in a credential, else what the node calls it."""
    key = list_key(place.issuer, place.list_id)
    state = about_state(STORE, key, height)
    path, _, _ = url_of_list("", place).partition("?")
    question = Question(path, state.answer, {**state.query, "proof": "bundle"}, state.is_about_now, state.has_min_height)

    async def ask(node: Node) -> ProvedStatusList:
        least = max(min_height, asker.height - 1)
        content = await node.get(question.path, asker.query_of(node, question, least))
        document = parse_json(content)
        if not isinstance(document, dict):
            raise NotProved(MALFORMED, "the list is no JSON object")
        said: Document = {name: value for name, value in document.items() if name != "proof"}
        try:
            bundle = bundle_text(dict(document)).encode()
        except Malformed as error:
            raise NotProved(error.code, error.detail) from error
        proof = await asker.believe(bundle, question, least)
        try:  # INV-50: the bits are those of the proved record
            bits = check_list(said, proof.fact, asker.genesis.chain_id)
        except ChainError as error:
            raise NotProved(error.code, error.detail) from error
        assert proof.fact.value is not None
        record = decode_list(proof.fact.value)
        return ProvedStatusList(list_document(record, bits, url) if url else said, record, bits, proof)

    try:
        return await asker.nodes.first_good(ask)
    except Rejected as refusal:
        if refusal.code is not NOT_FOUND:
            raise
    proof = await asker.ask(state, min_height)  # that there is none is proved, or it is not believed
    if proof.fact.value is None:
        raise Rejected(NOT_FOUND, f"{place.issuer} has no list {place.list_id} after block {proof.fact.state_height}; that is proved")
    raise NotProved(NOT_FOUND, f"the list {place.list_id} of {place.issuer} is there, and no node shows it")


async def role_credential(asker: Asker, did: str, role: str, height: int | None, min_height: int) -> Members:
    """Made here from the proved record."""
    parse_did(did)
    proof = await asker.ask(about_state(ROLES, role_key(did), height), min_height)
    return with_bundle(role_document(proof.bundle, proof.fact, did, role), proof.bundle)
