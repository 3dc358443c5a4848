"""Data Integrity proofs over canonical JSON: eddsa-jcs-2022 (Ed25519) and ecdsa-jcs-2019 (P-256), alone, in sets and in chains.

What is signed is SHA-256 of the proof's own members, then SHA-256 of the document. Where keys come from is the caller's business:
`ResolveMethod` gives a key that the controller's document lists for the purpose, or raises. Sources: W3C VC Data Integrity 1.0,
sections 2 and 4; Data Integrity EdDSA Cryptosuites 1.0, 3.3; Data Integrity ECDSA Cryptosuites 1.0, 3.3.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from chainnode.crypto import base58
from chainnode.crypto.suites import PrivateKey
from chainnode.did.record import P256, PURPOSES
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_CREDENTIAL, BAD_CREDENTIAL_PROOF, METHOD_NOT_AUTHORISED, SUITE_UNKNOWN, WRONG_CHALLENGE
from chainnode.types.limits import CREDENTIAL_LIST_MAX
from chainnode.vc.jcs import Document, Json, canonical
from chainnode.vc.signatures import SIGNATURE_BYTES, sign_message, verify_message
from chainnode.vc.timestamps import timestamp_ms

EDDSA, ECDSA = "eddsa-jcs-2022", "ecdsa-jcs-2019"
ASSERTION_METHOD, AUTHENTICATION_METHOD = "assertionMethod", "authentication"
PROOF_TYPE = "DataIntegrityProof"
_SUITE_OF_KIND = {"e": EDDSA, P256: ECDSA}
_KIND_OF_SUITE = {suite: kind for kind, suite in _SUITE_OF_KIND.items()}
_OTHER_ALPHABET = str.maketrans("BbUu", "bBuU")  # between Base58 of BIF and of Bitcoin, which multibase takes
_BASE58BTC = "z"

# (verification method, purpose) -> (kind, public key). Raises when there is no such method, or not for this purpose.
ResolveMethod = Callable[[str, str], tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class ProofOptions:
    """What a proof says of itself. `previous_proof`: ids of the proofs of the same document that this one also signs."""

    verification_method: str
    purpose: str = ASSERTION_METHOD
    created: str | None = None
    expires: str | None = None
    domain: str | None = None
    challenge: str | None = None
    nonce: str | None = None
    id: str | None = None
    previous_proof: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a verifier asks of a proof. `domain` and `challenge` None: it has none."""

    now_ms: int
    purpose: str = ASSERTION_METHOD
    domain: str | None = None
    challenge: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """A proof that verified: by which method's key, of which kind, with which suite, made when (None: it does not say)."""

    method: str
    kind: str
    public_key: bytes
    suite: str
    purpose: str
    created_ms: int | None


def sign(document: Document, key: PrivateKey, options: ProofOptions) -> Document:
    """A proof of the document, which is unchanged; proofs that it has already are not signed unless `previous_proof` names them."""
    suite = _SUITE_OF_KIND.get(key.suite)
    if suite is None:
        raise Malformed(
            SUITE_UNKNOWN, f"credentials are signed with Ed25519 ({EDDSA}) or P-256 ({ECDSA}) keys, not with kind '{key.suite}'"
        )
    named = (
        ("id", options.id),
        ("type", PROOF_TYPE),
        ("cryptosuite", suite),
        ("created", options.created),
        ("expires", options.expires),
        ("verificationMethod", options.verification_method),
        ("proofPurpose", options.purpose),
        ("domain", options.domain),
        ("challenge", options.challenge),
        ("nonce", options.nonce),
        ("previousProof", list(options.previous_proof) or None),
    )
    proof: Document = {name: value for name, value in named if value is not None}
    if "@context" in document:
        proof["@context"] = document["@context"]
    _check_members(proof)
    text = base58.encode(sign_message(key, hash_of(document, proof))).translate(_OTHER_ALPHABET)
    return {**proof, "proofValue": _BASE58BTC + text}


def secured(document: Document, key: PrivateKey, options: ProofOptions) -> Document:
    """The document with one more proof: alone as an object, with others as a list."""
    before = proofs_of(document) if "proof" in document else ()
    made = sign(document, key, options)
    return {**document, "proof": [*before, made] if before else made}


def proofs_of(document: Document) -> tuple[Document, ...]:
    """The proofs that a document carries, at least one; Malformed otherwise."""
    found = document.get("proof")
    proofs = found if isinstance(found, list) else [found]
    if not 0 < len(proofs) <= CREDENTIAL_LIST_MAX or not all(isinstance(one, dict) for one in proofs):
        raise Malformed(BAD_CREDENTIAL, "proof is an object, or a list of some")
    ids = [one["id"] for one in proofs if isinstance(one, dict) and "id" in one]
    if any(ids.index(one) != place for place, one in enumerate(ids)):
        raise Malformed(BAD_CREDENTIAL, "two proofs have the same id")
    return tuple(proofs)


def hash_of(document: Document, proof: Document) -> bytes:
    """The 64 bytes that are signed: of the proof without its value, then of the document with the proofs that this one follows."""
    plain = {name: value for name, value in document.items() if name != "proof"}
    if "@context" in proof:
        plain["@context"] = proof["@context"]
    earlier = _previous(document, proof)
    if earlier:
        plain["proof"] = list(earlier)
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    return hashlib.sha256(canonical(options)).digest() + hashlib.sha256(canonical(plain)).digest()


def verify(document: Document, proof: Document, resolve_method: ResolveMethod, expected: Expected) -> Verified:
    """Check one proof of a document that carries it, or does not.

    Malformed when the proof has no valid form, Rejected(SUITE_UNKNOWN, BAD_CREDENTIAL_PROOF, METHOD_NOT_AUTHORISED, WRONG_CHALLENGE)
    when a rule says no, and whatever `resolve_method` raises. A proof for a domain or challenge that nobody expects is refused:
    it was made for somebody else.
    """
    _check_members(proof)
    suite = proof["cryptosuite"]
    kind = _KIND_OF_SUITE.get(suite)
    if kind is None:
        raise Rejected(SUITE_UNKNOWN, f"the cryptosuite is not {EDDSA} or {ECDSA}")
    _check_meant_for(proof, expected)
    _check_context(document, proof)
    signature = _signature(proof)
    method = proof["verificationMethod"]
    found_kind, public_key = resolve_method(method, expected.purpose)
    if found_kind != kind:
        raise Rejected(METHOD_NOT_AUTHORISED, f"{suite} does not take a key of kind '{found_kind}'")
    if not verify_message(kind, public_key, signature, hash_of(document, proof)):
        raise Rejected(BAD_CREDENTIAL_PROOF, f"the signature by {method} does not verify")
    created = proof.get("created")
    return Verified(method, kind, public_key, suite, expected.purpose, None if created is None else timestamp_ms("created", created))


def verify_all(document: Document, resolve_method: ResolveMethod, expected: Expected) -> tuple[Verified, ...]:
    """Check every proof of a document, each of which must count."""
    return tuple(verify(document, proof, resolve_method, expected) for proof in proofs_of(document))


def _check_members(proof: Document) -> None:
    """Types and forms of a proof's members."""
    if proof.get("type") != PROOF_TYPE:
        raise Rejected(SUITE_UNKNOWN, f"only proofs of type {PROOF_TYPE} are verified")
    for name in ("cryptosuite", "verificationMethod", "proofPurpose"):
        if not isinstance(proof.get(name), str) or not proof[name]:
            raise Malformed(BAD_CREDENTIAL, f"{name} of a proof is a text")
    if proof["proofPurpose"] not in PURPOSES:
        raise Malformed(BAD_CREDENTIAL, "proofPurpose is none that a DID document has")
    for name in ("id", "challenge", "nonce"):
        if name in proof and not isinstance(proof[name], str):
            raise Malformed(BAD_CREDENTIAL, f"{name} of a proof is a text")
    for name in ("domain", "previousProof"):
        if name in proof and not _texts(proof[name]):
            raise Malformed(BAD_CREDENTIAL, f"{name} of a proof is a text, or a list of some")
    for name in ("created", "expires"):
        if name in proof:
            timestamp_ms(name, proof[name])


def _check_meant_for(proof: Document, expected: Expected) -> None:
    """Purpose, time, domain and challenge are those that the verifier has in mind."""
    if proof["proofPurpose"] != expected.purpose:
        raise Rejected(METHOD_NOT_AUTHORISED, f"the proof is for {proof['proofPurpose']}, not for {expected.purpose}")
    if "expires" in proof and expected.now_ms >= timestamp_ms("expires", proof["expires"]):
        raise Rejected(BAD_CREDENTIAL_PROOF, f"the proof has run out at {proof['expires']}")
    domains = _texts(proof.get("domain"))
    if (expected.domain is not None or domains) and expected.domain not in domains:
        raise Rejected(WRONG_CHALLENGE, "the proof is not for this domain")
    if expected.challenge != proof.get("challenge"):
        raise Rejected(WRONG_CHALLENGE, "the proof does not answer this challenge")


def _check_context(document: Document, proof: Document) -> None:
    """The document's contexts begin with those of the proof."""
    if "@context" not in proof:
        return
    ours, theirs = _contexts(document.get("@context")), _contexts(proof["@context"])
    if ours[: len(theirs)] != theirs:
        raise Rejected(BAD_CREDENTIAL_PROOF, "the proof was made with other contexts")


def _contexts(value: Json) -> list[bytes]:
    return [canonical(one) for one in (value if isinstance(value, list) else [value])]


def _signature(proof: Document) -> bytes:
    text = proof.get("proofValue")
    if not isinstance(text, str) or text[:1] != _BASE58BTC:
        raise Malformed(BAD_CREDENTIAL, "proofValue is a signature in multibase base58btc, which begins with z")
    try:
        signature = base58.decode(text[1:].translate(_OTHER_ALPHABET))
    except Malformed:
        raise Malformed(BAD_CREDENTIAL, "proofValue is not base58btc") from None
    if len(signature) != SIGNATURE_BYTES:
        raise Malformed(BAD_CREDENTIAL, f"proofValue holds {SIGNATURE_BYTES} bytes")
    return signature


def _previous(document: Document, proof: Document) -> tuple[Document, ...]:
    """The proofs that this one follows, in the order of the document."""
    wanted = _texts(proof.get("previousProof"))
    if not wanted:
        return ()
    found = tuple(one for one in proofs_of(document) if one.get("id") in wanted)
    if len(found) != len(dict.fromkeys(wanted)):
        raise Rejected(BAD_CREDENTIAL_PROOF, "a proof that another follows is not there")
    return found


def _texts(value: Json) -> tuple[str, ...]:
    """A text, or a list of texts, as a tuple; empty for anything else."""
    items = value if isinstance(value, list) else [value]
    return tuple(items) if len(items) <= CREDENTIAL_LIST_MAX and all(isinstance(one, str) for one in items) else ()
