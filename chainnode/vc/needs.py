"""What must be fetched before a credential can be verified without a network: DID documents and status lists; keys out of documents.

Verifying asks for keys in the middle of its work and cannot wait. So the caller takes `needs_of`, resolves, and gives `keys_in` of the
documents. Source of documents: W3C Controlled Identifiers 1.0, section 3.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from chainnode.did.multikey import decode_multikey, read_jwk
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_CREDENTIAL, METHOD_NOT_AUTHORISED
from chainnode.types.limits import CREDENTIAL_ENTRIES_MAX, CREDENTIAL_LIST_MAX
from chainnode.vc.bifjws import is_bif
from chainnode.vc.credential import ENVELOPED_CREDENTIAL_TYPE, is_enveloped
from chainnode.vc.dataintegrity import ResolveMethod
from chainnode.vc.jcs import Document, Json, check_depth, parse, parse_document
from chainnode.vc.jws import parse_jws


@dataclass(frozen=True, slots=True)
class Needs:
    """The DIDs whose documents, and the URLs whose status lists, a credential asks for; each once, in its order."""

    dids: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


def needs_of(value: Json) -> Needs:
    """What a credential or presentation of any form asks for. Nothing is checked but the size; rubbish asks for nothing.

    Malformed(BAD_CREDENTIAL) when it asks for more than CREDENTIAL_LIST_MAX things of a kind, or has more than
    CREDENTIAL_ENTRIES_MAX status entries.
    """
    dids, lists, entries = dict[str, None](), dict[str, None](), list[str]()
    try:
        _gather(value, dids, entries)
    except (Malformed, Rejected):
        return Needs()  # verifying will say what is wrong with it
    if len(entries) > CREDENTIAL_ENTRIES_MAX:
        raise Malformed(BAD_CREDENTIAL, f"it has more than {CREDENTIAL_ENTRIES_MAX} status entries")
    lists.update(dict.fromkeys(entries))
    if max(len(dids), len(lists)) > CREDENTIAL_LIST_MAX:
        raise Malformed(BAD_CREDENTIAL, f"it asks for more than {CREDENTIAL_LIST_MAX} documents or status lists")
    return Needs(tuple(dids), tuple(lists))


def keys_in(documents: Mapping[str, Mapping[str, object]]) -> ResolveMethod:
    """A resolver of methods out of W3C DID documents, by DID. One that is not there, or does not list the method, is METHOD_NOT_AUTHORISED.

    The DID alone asks for the only key that its document has for the purpose.
    """

    def resolve(method: str, purpose: str) -> tuple[str, bytes]:
        did, hash_sign, _ = method.partition("#")
        document = documents.get(did)
        if document is None:
            raise Rejected(METHOD_NOT_AUTHORISED, f"the document of {did} is not known")
        listed = _methods_for(did, document, purpose)
        if not hash_sign:
            if len(listed) != 1:
                raise Rejected(METHOD_NOT_AUTHORISED, f"{did} has {len(listed)} keys for {purpose}; one of them must be named")
            return _key_of(next(iter(listed.values())))
        if method not in listed:
            raise Rejected(METHOD_NOT_AUTHORISED, f"{method} is not listed for {purpose}")
        return _key_of(listed[method])

    return resolve


def _methods_for(did: str, document: Mapping[str, object], purpose: str) -> dict[str, Mapping[str, object]]:
    """The methods that the relationship lists, by absolute id; they stand in it, or beside it under `verificationMethod`."""
    known = {_absolute(did, one.get("id")): one for one in _objects(document.get("verificationMethod"))}
    listed: dict[str, Mapping[str, object]] = {}
    entries = document.get(purpose)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            listed[_absolute(did, entry.get("id"))] = entry
        elif _absolute(did, entry) in known:
            listed[_absolute(did, entry)] = known[_absolute(did, entry)]
    # A document speaks with its own keys only: a method of another controller would be checked against that one's document.
    return {name: one for name, one in listed.items() if one.get("controller") == did and name.startswith(did + "#")}


def _key_of(method: Mapping[str, object]) -> tuple[str, bytes]:
    text, jwk = method.get("publicKeyMultibase"), method.get("publicKeyJwk")
    if isinstance(text, str):
        return decode_multikey(text)
    if isinstance(jwk, dict):
        return read_jwk(jwk)
    raise Rejected(METHOD_NOT_AUTHORISED, "the method has no key as Multikey or JWK")


def _gather(value: Json, dids: dict[str, None], entries: list[str]) -> None:
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        token = parse_jws(value.strip().partition("~")[0]).document
        _note_did(token.get("iss", token.get("issuer")), dids)
        return
    document = parse(value) if isinstance(value, str) else value
    if not isinstance(document, dict):
        return
    check_depth(document)
    if is_bif(document):
        inner = document["jws"] if isinstance(document.get("jws"), str) else None
        content = parse_jws(inner).document if inner is not None else parse_document(str(document["vcContent"]))
        _note_did(content.get("issuer"), dids)
        return
    if is_enveloped(document, ENVELOPED_CREDENTIAL_TYPE):
        _gather(str(document.get("id")).partition(",")[2], dids, entries)
        return
    for proof in _objects(document.get("proof")):
        _note_did(proof.get("verificationMethod"), dids)
    for entry in _objects(document.get("credentialStatus")):
        url = entry.get("statusListCredential")
        if isinstance(url, str):
            entries.append(url)
    for inside in _objects(document.get("verifiableCredential")):
        _gather(inside, dids, entries)


def _note_did(value: object, dids: dict[str, None]) -> None:
    if isinstance(value, str) and value.startswith("did:"):
        dids[value.partition("#")[0]] = None


def _objects(value: object) -> list[Document]:
    """One object or a list of some, as a list; what is none is left out."""
    items = value if isinstance(value, list) else [value]
    return [one for one in items if isinstance(one, dict)]


def _absolute(did: str, name: object) -> str:
    text = name if isinstance(name, str) else ""
    return did + text if text.startswith("#") else text
