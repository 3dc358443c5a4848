"""Credentials of the Xinghuo network, read: the W3C's first data model in a token signed with Ed25519 or SM2, claims hidden behind hashes.

An issuer signs the content without the values and salts of hidden claims; the holder shows those that it likes. Three carriers are
read: the token, `{jws, proof}`, and `{jwsHeader, jwsSignature, vcContent}`. Nothing is written here: new credentials are W3C ones.
Sources: Xinghuo RFC-008, 6.1 and 6.5.5; RFC-013, 4.1; RFC-014, 4.1 and 5.
"""

import hashlib
from dataclasses import dataclass

from chainnode.crypto.sm2 import sm3
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_CREDENTIAL, BAD_CREDENTIAL_PROOF, CREDENTIAL_EXPIRED, CREDENTIAL_NOT_YET_VALID, SUITE_UNKNOWN
from chainnode.vc.credential import CREDENTIAL_TYPE
from chainnode.vc.dataintegrity import ASSERTION_METHOD, ResolveMethod
from chainnode.vc.jcs import Document, Json, canonical, check_depth, parse_document
from chainnode.vc.jws import Jws, parse_jws, read_header, read_signature, to_base64url, verify_jws
from chainnode.vc.timestamps import timestamp_ms

CONTEXT = "https://www.w3.org/2018/credentials/v1"
SALT_LENGTH = 16
_SELECTIVE = "sel-disclose-"
_HASH_NAMES = ("SHA256", "SM2", "SM3")  # they write SM2 and mean SM3
_TOKEN, _PARTS = "jws", ("jwsHeader", "jwsSignature", "vcContent")


@dataclass(frozen=True, slots=True)
class BifCredential:
    """A credential that verified. `claims` are those that are shown, `hidden` the names of those that are not.

    `template_id` and `revocation_id` name records of the issuer's network, which were not looked up; empty without one.
    """

    id: str
    types: tuple[str, ...]
    issuer: str
    subject: str
    issued_ms: int
    valid_before_ms: int | None
    template_id: str
    revocation_id: str
    claims: Document
    hidden: tuple[str, ...]
    method: str
    kind: str
    public_key: bytes


def is_bif(value: Json) -> bool:
    """Whether an object is one of the two carriers."""
    return isinstance(value, dict) and (isinstance(value.get(_TOKEN), str) or all(name in value for name in _PARTS))


def verify_bif(value: Json, resolve_method: ResolveMethod, now_ms: int) -> BifCredential:
    """Check a credential in any of its carriers. Tokens without `kid` ask `resolve_method` for the issuer's DID alone: its only key.

    Malformed(BAD_CREDENTIAL); Rejected(BAD_CREDENTIAL_PROOF, SUITE_UNKNOWN, METHOD_NOT_AUTHORISED, CREDENTIAL_EXPIRED,
    CREDENTIAL_NOT_YET_VALID), and whatever `resolve_method` raises.
    """
    token, content, shown = _open(value)
    found = _read_content(content)
    hash_name = _hash_name(content, value)
    claims, hidden = _claims(content["credentialSubject"], shown, hash_name)
    method = _method(token.header, str(content["issuer"]))
    key = resolve_method(method, ASSERTION_METHOD)
    _verify(token, content, key)
    issued_ms, valid_before_ms = found
    if now_ms < issued_ms:
        raise Rejected(CREDENTIAL_NOT_YET_VALID, "issuanceDate is to come")
    if valid_before_ms is not None and now_ms >= valid_before_ms:
        raise Rejected(CREDENTIAL_EXPIRED, "validBefore has passed")
    return BifCredential(
        id=_text(content, "id"),
        types=tuple(content["type"]),
        issuer=str(content["issuer"]),
        subject=_text(content["credentialSubject"], "id"),
        issued_ms=issued_ms,
        valid_before_ms=valid_before_ms,
        template_id=_text(content, "templateId"),
        revocation_id=_text(content, "revocationId"),
        claims=claims,
        hidden=hidden,
        method=method,
        kind=key[0],
        public_key=key[1],
    )


def _open(value: Json) -> tuple[Jws, Document, Document]:
    """Token, content, and what the holder shows besides it: claims by name."""
    check_depth(value)
    if isinstance(value, str):
        token = parse_jws(value)
        return token, token.document, {}
    if not is_bif(value):
        raise _bad("a credential is a token, an object with jws, or one with jwsHeader, jwsSignature and vcContent")
    if isinstance(value.get(_TOKEN), str):
        token = parse_jws(value[_TOKEN])
        proof = value.get("proof", {})
        shown = proof.get("proofs", {}) if isinstance(proof, dict) else None
        if not isinstance(shown, dict):
            raise _bad("proofs of a proof is an object of claims")
        return token, token.document, shown
    header, signature, content = (value[name] for name in _PARTS)
    if not all(isinstance(one, str) for one in (header, signature, content)):
        raise _bad("jwsHeader, jwsSignature and vcContent are texts")
    document = parse_document(content)
    signed = f"{header}.{to_base64url(canonical(_without_shown(document)))}".encode()
    return Jws(read_header(header), b"", signed, read_signature(signature)), document, {}


def _verify(token: Jws, content: Document, key: tuple[str, bytes]) -> None:
    """The signature is over the token as it stands, or over its content without values and salts (RFC-014, 5, step 7)."""
    bare = f"{token.signed.decode().partition('.')[0]}.{to_base64url(canonical(_without_shown(content)))}".encode()
    try:
        verify_jws(token.header, token.signed, token.signature, key)
    except Rejected as refusal:
        if refusal.code != BAD_CREDENTIAL_PROOF or bare == token.signed:
            raise
        verify_jws(token.header, bare, token.signature, key)


def _without_shown(content: Document) -> Document:
    """The content without the values and salts of claims that have a hash."""
    subject = content.get("credentialSubject")
    if not isinstance(subject, dict):
        return content
    bare = {name: {"hash": claim["hash"]} if _is_hashed(claim) else claim for name, claim in subject.items()}
    return {**content, "credentialSubject": bare}


def _read_content(content: Document) -> tuple[int, int | None]:
    """Issue time and end of validity; the other members have their forms."""
    contexts, types, subject = content.get("@context"), content.get("type"), content.get("credentialSubject")
    if not isinstance(contexts, list) or CONTEXT not in contexts:
        raise _bad(f"@context is a list with {CONTEXT}")
    if not isinstance(types, list) or CREDENTIAL_TYPE not in types or not all(isinstance(one, str) for one in types):
        raise _bad(f"type is a list of names with {CREDENTIAL_TYPE}")
    if not isinstance(subject, dict) or not subject:
        raise _bad("credentialSubject is an object")
    if not _text(content, "issuer").startswith("did:"):
        raise _bad("issuer is a DID")
    issued_ms = timestamp_ms("issuanceDate", _text(content, "issuanceDate").strip())
    end = _text(content, "validBefore").strip()  # their examples have a blank behind it
    return issued_ms, timestamp_ms("validBefore", end) if end else None


def _hash_name(content: Document, value: Json) -> str | None:
    """How claims are hidden, as the content says, or else the holder's proof; None: the content does not hide any."""
    proof = value.get("proof") if isinstance(value, dict) else None
    said = content.get("parseType") or (proof.get("type") if isinstance(proof, dict) else None)
    if said is None or said == "direct":
        return None
    name = said.removeprefix(_SELECTIVE) if isinstance(said, str) and said.startswith(_SELECTIVE) else ""
    if name not in _HASH_NAMES:
        raise Rejected(SUITE_UNKNOWN, f"claims are hidden by {_SELECTIVE}SHA256 or {_SELECTIVE}SM2, and by nothing else")
    return name


def _claims(subject: Document, shown: Document, hash_name: str | None) -> tuple[Document, tuple[str, ...]]:
    """The claims that are shown, each as its hash says, and the names of the hidden ones."""
    if any(name not in subject or not _is_hashed(subject[name]) for name in shown):
        raise _bad("a claim is shown that the credential does not hide")
    claims, hidden = Document(), []
    for name, claim in subject.items():
        if not _is_hashed(claim):
            claims[name] = claim
            continue
        opened = {**claim, **shown[name]} if isinstance(shown.get(name), dict) else claim
        if "value" not in opened and "salt" not in opened:
            hidden.append(name)
            continue
        claims[name] = _opened(name, opened, str(claim["hash"]), hash_name)
    return claims, tuple(hidden)


def _opened(name: str, claim: Document, said: str, hash_name: str | None) -> str:
    """The value of a claim, when hash and salt fit."""
    value, salt = claim.get("value"), claim.get("salt")
    if not isinstance(value, str) or not isinstance(salt, str):
        raise _bad(f"value and salt of {name} are texts")
    if hash_name is None:
        raise _bad(f"{name} is hidden, and it is not said by which hash")
    # Value and salt are hashed as one text: with salts of any length a holder could move letters from one to the other.
    if len(salt) != SALT_LENGTH:
        raise _bad(f"the salt of {name} has {SALT_LENGTH} letters")
    try:
        text = (value + salt).encode()
    except UnicodeEncodeError:
        raise _bad(f"{name} is not Unicode") from None
    digest = hashlib.sha256(text).digest() if hash_name == "SHA256" else sm3(text)
    if digest.hex() != said.lower():
        raise Rejected(BAD_CREDENTIAL_PROOF, f"value and salt of {name} do not have its hash")
    return value


def _is_hashed(claim: Json) -> bool:
    return isinstance(claim, dict) and isinstance(claim.get("hash"), str) and all(name in ("hash", "value", "salt") for name in claim)


def _method(header: Document, issuer: str) -> str:
    """The key that the token names, of the issuer's document; the issuer when it names none."""
    name = header.get("kid", "")
    if not isinstance(name, str):
        raise _bad("kid is a text")
    if not name:
        return issuer
    fragment = name.removeprefix(issuer).removeprefix("#")
    if not fragment or "#" in fragment or ":" in fragment:
        raise Rejected(BAD_CREDENTIAL_PROOF, "the key that the token names is not one of the issuer's")
    return f"{issuer}#{fragment}"


def _text(document: Document, name: str) -> str:
    """A member that is a text, empty without it."""
    value = document.get(name, "")
    if not isinstance(value, str):
        raise _bad(f"{name} is a text")
    return value


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_CREDENTIAL, detail)
