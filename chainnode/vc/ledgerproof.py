"""Credentials that a ledger proves with a state bundle and nobody signs: that a DID holds a role, and status lists.

Nothing in such a credential is believed. It is made again from what its bundle proves, by whoever has the genesis file, and must come
out the same.
"""

import json
from dataclasses import dataclass

from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json, bundle_to_json
from chainnode.errors import Malformed, Rejected
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import Bundle, StateFact, Verified
from chainnode.types.codes import BAD_CREDENTIAL, BAD_CREDENTIAL_PROOF, BAD_STATUS_LIST, NOT_FOUND
from chainnode.types.genesis import Genesis
from chainnode.vc import statuslist
from chainnode.vc.contexts import BASE
from chainnode.vc.jcs import Document, Json
from chainnode.vc.listplace import place_of_url
from chainnode.vc.listrecord import STORE, StatusList, decode_list, has_bits, list_key
from chainnode.vc.rolerecord import ROLES, RoleGrant, decode_role_grants, role_key
from chainnode.vc.statuslist import LIST_CREDENTIAL_TYPE
from chainnode.vc.timestamps import timestamp_text

PROOF_TYPE = "chainnode-bundle"
ROLE_TYPE = "LedgerRoleCredential"
TERMS = "urn:chainnode:terms:"
_NS_PER_MS = 1_000_000
_TEXT_MS_MAX = 253_402_300_799_999  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class LedgerProof:
    """What stands behind a credential: the credential without its proof, and what the bundle proved."""

    document: Document
    verified: Verified

    @property
    def state_height(self) -> int:
        """The block after which it was so."""
        return self.verified.height - 1

    @property
    def as_of(self) -> str:
        """That block, and the time of the header that fixes what was so after it."""
        return f"block {self.state_height}, {time_to_text(self.verified.time_ns)}"


def is_ledger_proved(document: Document) -> bool:
    """Whether the credential says that a bundle proves it."""
    proof = document.get("proof")
    return isinstance(proof, dict) and proof.get("type") == PROOF_TYPE


def with_bundle(document: Document, bundle: Bundle) -> Document:
    """The credential with its proof."""
    return {**document, "proof": {"type": PROOF_TYPE, "bundle": json.loads(bundle_to_json(bundle))}}


def bundle_text(document: Document) -> str:
    """The bundle of a credential in its JSON form; Malformed(BAD_CREDENTIAL) when there is none."""
    proof = document.get("proof")
    bundle = proof.get("bundle") if isinstance(proof, dict) and sorted(map(str, proof)) == ["bundle", "type"] else None
    if not isinstance(bundle, dict):
        raise Malformed(BAD_CREDENTIAL, f"a proof of type {PROOF_TYPE} is an object of type and bundle")
    return json.dumps(bundle, separators=(",", ":"))


def chain_url(genesis_hash: bytes) -> str:
    """The issuer of what a ledger attests: the ledger itself, by the hash of its genesis file."""
    return f"urn:chainnode:{genesis_hash.hex()}"


def verify_ledger_proof(document: Document, genesis: Genesis, now_ms: int) -> LedgerProof:
    """Check a role credential or a list. Malformed, Rejected with the reason; whether it is in force is not looked at.

    INV-51: it is valid only when it is what its bundle proves, word by word.
    """
    bundle = bundle_from_json(bundle_text(document))
    verified = verify_bundle(bundle, genesis, now_ms * _NS_PER_MS)
    if not isinstance(verified.fact, StateFact):
        raise Rejected(BAD_CREDENTIAL_PROOF, "the bundle proves nothing of the ledger's state")
    said = {name: value for name, value in document.items() if name != "proof"}
    types = said.get("type")
    is_list = isinstance(types, list) and LIST_CREDENTIAL_TYPE in types
    if is_list:
        check_list(said, verified.fact, bundle.chain_id)
    else:
        _require_same(_role_again(said, verified), said)
    return LedgerProof(said, verified)


def _require_same(made: Document, said: Document) -> None:
    if json.dumps(made, sort_keys=True) != json.dumps(said, sort_keys=True):
        raise Rejected(BAD_CREDENTIAL_PROOF, "the credential says something else than its bundle proves")


# Roles


def role_document(bundle: Bundle, fact: StateFact, did: str, role: str) -> Document:
    """The credential, without proof, that a DID holds a role; Rejected(NOT_FOUND) when it does not."""
    return _role_document(fact, did, role, _Chain(bundle.chain_id, bundle.genesis_hash, bundle.headers[-1].header.time_ns))


@dataclass(frozen=True, slots=True)
class _Chain:
    """Which ledger it is, and the time of the header that fixes its state."""

    chain_id: str
    genesis_hash: bytes
    time_ns: int


def _role_document(fact: StateFact, did: str, role: str, chain: _Chain) -> Document:
    if (fact.store, fact.key) != (ROLES, role_key(did)):
        raise Rejected(BAD_CREDENTIAL_PROOF, f"the bundle is not about the roles of {did}")
    held = () if fact.value is None else decode_role_grants(fact.value, did)
    time_ms = chain.time_ns // _NS_PER_MS
    grant = next((one for one in held if one.role == role and (one.expires_ms == 0 or time_ms < one.expires_ms)), None)
    if grant is None:
        raise Rejected(NOT_FOUND, f"{did} does not hold the role {role} after block {fact.state_height}")
    issuer = chain_url(chain.genesis_hash)
    made: Document = {
        "@context": [BASE, {"@vocab": TERMS}],
        "id": f"{issuer}:{fact.state_height}:{role}:{did}",
        "type": ["VerifiableCredential", ROLE_TYPE],
        "issuer": {"id": issuer, "name": chain.chain_id},
    }
    if 0 < grant.expires_ms <= _TEXT_MS_MAX:
        made["validUntil"] = timestamp_text(grant.expires_ms)
    return {**made, "credentialSubject": _role_subject(did, grant, fact.state_height, time_ms)}


def _role_subject(did: str, grant: RoleGrant, height: int, time_ms: int) -> Document:
    subject: Document = {"id": did, "role": grant.role, "grantedBy": grant.by, "grantedInBlock": grant.height}
    if grant.evidence:
        subject["evidenceDigest"] = grant.evidence.hex()
    return {**subject, "heldAfterBlock": height, "heldAt": timestamp_text(time_ms)}


def _role_again(said: Document, verified: Verified) -> Document:
    subject = said.get("credentialSubject")
    did, role = (subject.get(name) if isinstance(subject, dict) else None for name in ("id", "role"))
    if not isinstance(did, str) or not isinstance(role, str):
        raise Malformed(BAD_CREDENTIAL, "a ledger proves roles, of a DID, and status lists")
    assert isinstance(verified.fact, StateFact)
    return _role_document(verified.fact, did, role, _Chain(verified.chain_id, verified.genesis_hash, verified.time_ns))


# Status lists


def list_document(record: StatusList, bits: bytes, url: str) -> Document:
    """The credential, without proof, that carries a list; `url` is where it is served."""
    return statuslist.list_credential(
        id=url,
        issuer=record.issuer,
        purpose=record.purpose,
        bits=bits,
        valid_from=timestamp_text(record.changed_ms),
        size=record.size,
    )


def check_list(said: Document, fact: StateFact, chain_id: str) -> bytes:
    """The bits of a list, without its proof, whose record the fact is. Malformed, Rejected when it says anything else."""
    url: Json = said.get("id")
    place = place_of_url(url) if isinstance(url, str) else None
    if place is None:
        raise Malformed(BAD_STATUS_LIST, "the id of a list that a ledger proves is the URL of one")
    if place.chain_id not in ("", chain_id):
        raise Rejected(BAD_STATUS_LIST, f"the list is one of chain {place.chain_id}, not of {chain_id}")
    if (fact.store, fact.key) != (STORE, list_key(place.issuer, place.list_id)):
        raise Rejected(BAD_STATUS_LIST, f"the bundle is not about the list {place.list_id} of {place.issuer}")
    if fact.value is None:
        raise Rejected(NOT_FOUND, f"{place.issuer} has no list {place.list_id} after block {fact.state_height}")
    record = decode_list(fact.value)
    text = statuslist.read_subject(said)["encodedList"]
    bits = statuslist.decode_list(text)
    if not has_bits(record, bits):
        raise Rejected(BAD_STATUS_LIST, "the bits of the list are not those that the ledger has")
    made = list_document(record, b"", str(url))
    _require_same({**made, "credentialSubject": {**made["credentialSubject"], "encodedList": text}}, said)
    return bits
