"""did:key: a DID that is a public key, whose document follows from it. Nothing is looked up, nothing can change.

Source: W3C CCG, did:key method, sections 2 and 3.1, of 2025-11.
"""

from nacl.bindings import crypto_sign_ed25519_pk_to_curve25519

from chainnode.did.multikey import decode_multikey, encode_multikey
from chainnode.did.record import PURPOSES, X25519
from chainnode.did.syntax import is_did
from chainnode.did.w3c import CONTEXT
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DID

PREFIX = "did:key:"
_AGREEMENT = "keyAgreement"
_VERSION_DIGITS_MAX = 9


def document(did: str, *, derives_agreement: bool = False) -> dict[str, object]:
    """The document of a did:key; of an Ed25519 key with the X25519 key that is derived from it only when asked.

    Malformed(BAD_DID), whose detail begins with the method's word: invalidDid, invalidPublicKeyLength, invalidPublicKey or
    unsupportedPublicKeyType.
    """
    kind, key = key_of(did)
    multikey = did.rpartition(":")[2]
    method = _method_json(did, multikey)
    members: dict[str, object] = {"@context": [CONTEXT], "id": did, "verificationMethod": [method]}
    if kind == X25519:
        return members | {_AGREEMENT: [method["id"]]}
    members |= {name: [method["id"]] for name in PURPOSES if name != _AGREEMENT}
    if derives_agreement and kind == "e":
        derived = _method_json(did, encode_multikey(X25519, crypto_sign_ed25519_pk_to_curve25519(key)))
        members |= {"verificationMethod": [method, derived], _AGREEMENT: [derived["id"]]}
    return members


def key_of(did: str) -> tuple[str, bytes]:
    """Kind and key of a did:key; errors as for its document."""
    *version, multikey = did.removeprefix(PREFIX).split(":")
    if not did.startswith(PREFIX) or not is_did(did) or len(version) > 1 or not all(_is_version(one) for one in version):
        raise Malformed(BAD_DID, "invalidDid: a did:key is 'did:key:', a version if any, and a Multikey")
    try:
        return decode_multikey(multikey)
    except Malformed as error:
        raise Malformed(BAD_DID, error.detail) from None


def did_key_of(kind: str, key: bytes) -> str:
    """The did:key of a key of one of the kinds in documents."""
    return PREFIX + encode_multikey(kind, key)


def _is_version(text: str) -> bool:
    return text.isdigit() and len(text) <= _VERSION_DIGITS_MAX and int(text) > 0


def _method_json(did: str, multikey: str) -> dict[str, str]:
    return {"id": f"{did}#{multikey}", "type": "Multikey", "controller": did, "publicKeyMultibase": multikey}
