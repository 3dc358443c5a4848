"""The signature of a BID document, or of a Xinghuo credential: over its canonical JSON without `proof`, written in BIF's Base58.

It shows that a key of the document signed these words, not that the key may speak for the DID: that the ledger says. Documents signed by
Xinghuo's own SDK do not verify, as it signs other bytes. Source: Xinghuo RFC-004, section 6.1.6; RFC 8785.
"""

from chainnode.crypto import base58
from chainnode.crypto.suites import PrivateKey, sign
from chainnode.crypto.verify import verify_one
from chainnode.did.bidview import key_reference, read_keys, read_signature
from chainnode.did.jsonparts import bad, items_of, members_of
from chainnode.errors import Malformed
from chainnode.vc.jcs import canonical

_PROOF = "proof"


def signed_bytes(document: dict[str, object]) -> bytes:
    """What is signed: JCS of the document without its proof, as it was received. Malformed(BAD_DOCUMENT)."""
    try:
        return canonical({name: value for name, value in document.items() if name.strip() != _PROOF})
    except Malformed as error:
        raise bad(error.detail) from None


def sign_proof(document: dict[str, object], key: PrivateKey, key_id: str) -> dict[str, object]:
    """The document with a proof by `key`, whose id is `key_id`, instead of any that it had."""
    signature = sign(key, signed_bytes(document))
    bare = {name: value for name, value in document.items() if name.strip() != _PROOF}
    return bare | {_PROOF: {"creator": key_id, "signatureValue": base58.encode(signature)}}


def verify_proof(document: dict[str, object], key: tuple[str, bytes] | None = None) -> bool:
    """Whether the document's one proof is by `key`, a suite and a public key; without it, by the key of the document that the proof names.

    That key must be one of `authentication` or `recovery`. Malformed(BAD_DOCUMENT) when there is no proof, or no such key.
    """
    members = {name.strip(): value for name, value in members_of(document, "the document").items()}
    proofs = members.get(_PROOF)
    one = items_of([proofs] if isinstance(proofs, dict) else proofs, "proof", 1)
    if not one:
        raise bad("the document has no proof")
    proof = {name.strip(): value for name, value in members_of(one[0], "the proof").items()}
    candidates = read_signature(proof.get("signatureValue"), "the signatureValue of the proof")
    suite, public = key or _own_key(members, proof.get("creator"))
    message = signed_bytes(document)
    return any(verify_one(suite, public, signature, message) for signature in candidates)


def _own_key(members: dict[str, object], creator: object) -> tuple[str, bytes]:
    """The key of the document that a proof names."""
    did, keys = read_keys(members)
    written, _ = key_reference(members.get("id"), "the id")
    before, fragment = key_reference(creator, "the creator of the proof")
    if before not in (written, did):
        raise bad("the proof is by a key of another DID, which must be given")
    extension = members.get("extension")
    recovery = {name.strip(): one for name, one in extension.items()}.get("recovery") if isinstance(extension, dict) else None
    named = [
        key_reference(one, "a key id")
        for one in (*items_of(members.get("authentication"), "authentication"), *items_of(recovery, "recovery"))
    ]
    found = [(kind, key) for name, kind, key in keys if name == fragment]
    if not found or not any(name == fragment and whose in ("", written, did) for whose, name in named):
        raise bad(f"the document has no key #{fragment} for authentication or recovery")
    return found[0]
