"""Issuing a credential: what is checked before a key signs it, and which verification method the key is."""

from collections.abc import Mapping

from chainnode.crypto.suites import PrivateKey
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_CREDENTIAL, METHOD_NOT_AUTHORISED
from chainnode.vc.credential import check_credential
from chainnode.vc.dataintegrity import ASSERTION_METHOD, ProofOptions, secured
from chainnode.vc.jcs import Document
from chainnode.vc.listplace import ListPlace, url_of_list
from chainnode.vc.needs import keys_in
from chainnode.vc.statuslist import ENTRY_TYPE
from chainnode.vc.timestamps import timestamp_text


def method_of(did: str, document: Mapping[str, object], key: PrivateKey, purpose: str = ASSERTION_METHOD) -> str:
    """The first method of a DID's document that is this key, listed for the purpose; Rejected(METHOD_NOT_AUTHORISED) without one."""
    resolve = keys_in({did: document})
    methods = document.get("verificationMethod")
    for one in methods if isinstance(methods, list) else []:
        name = one.get("id") if isinstance(one, dict) else None
        if not isinstance(name, str):
            continue
        method = did + name if name.startswith("#") else name
        try:
            found = resolve(method, purpose)
        except (Malformed, Rejected):
            continue
        if found == (key.suite, key.public):
            return method
    raise Rejected(METHOD_NOT_AUTHORISED, f"the document of {did} does not list this key for {purpose}")


def issued(given: Document, key: PrivateKey, method: str, now_ms: int, *, entries: tuple[Document, ...] = ()) -> Document:
    """The credential with a proof by `key`. The issuer is the method's DID, which is filled in when the credential names none.

    `entries` are added to its status. Malformed(BAD_CREDENTIAL) when it is none, names another issuer, or carries a proof already.
    """
    did = method.partition("#")[0]
    if "proof" in given:
        raise Malformed(BAD_CREDENTIAL, "the credential carries a proof already")
    document = {**given} if "issuer" in given else {**given, "issuer": did}
    if entries:
        there = document.get("credentialStatus", [])
        every = [*(there if isinstance(there, list) else [there]), *entries]
        document["credentialStatus"] = every[0] if len(every) == 1 else every
    found = check_credential(document)
    if found.issuer != did:
        raise Malformed(BAD_CREDENTIAL, f"the credential names the issuer {found.issuer}, and the key is of {did}")
    return secured(document, key, ProofOptions(method, created=timestamp_text(now_ms // 1000 * 1000)))


def status_entry(home: str, place: ListPlace, purpose: str, index: int) -> Document:
    """An entry of one bit for `credentialStatus`."""
    url = url_of_list(home, place)
    return {
        "id": f"{url}#{index}",
        "type": ENTRY_TYPE,
        "statusPurpose": purpose,
        "statusListIndex": str(index),
        "statusListCredential": url,
    }
