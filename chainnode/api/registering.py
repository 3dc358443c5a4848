"""What a DID registration asks of the ledger: which call, and who must sign it. Source: DIF DID Registration 0.x, sections 5 to 10.

A W3C document says less than a record. What it has no word for stays as it is: the extension, recovery, thresholds, names that are no
URI, what a Xinghuo service says besides.
"""

import hashlib
from dataclasses import dataclass, replace

from chainnode.bid import did_of, is_did_of
from chainnode.crypto.suites import SUITES
from chainnode.did import w3c
from chainnode.did.multikey import decode_multikey, read_jwk
from chainnode.did.record import (
    INVOCATION,
    Control,
    Document,
    Facts,
    Identity,
    control_value,
    document_value,
    encode_identity,
    facts_value,
    methods_value,
)
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_DOCUMENT, FEATURE_MISSING, SIGNER_MISSING
from chainnode.types.transaction import Invocation
from contracts.identityrecords import NAME

Members = dict[str, object]
_RELATIONSHIPS = ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation")
METHOD_TEMPLATE: Members = {"id": "#key-1", "type": "Multikey", "purpose": list(_RELATIONSHIPS)}


@dataclass(frozen=True, slots=True)
class Party:
    """A DID that must sign, and with which key: `fragment` is empty for the key that the DID is the hash of, not registered yet."""

    did: str
    suite: str
    public_key: bytes
    fragment: str = ""


def party_of(one: Identity) -> Party:
    """A registered DID with the first of its keys that signs transactions; Rejected(SIGNER_MISSING) when it has none."""
    for method in one.document.methods:
        if method.purposes & INVOCATION and method.kind in SUITES:
            return Party(one.did, method.kind, method.key, method.fragment)
    raise Rejected(SIGNER_MISSING, f"{one.did} has no key that signs transactions")


def creation(given: Members, methods: list[Members]) -> tuple[Invocation, Party]:
    """The call that registers a document with its own keys and `methods`; the DID is that of its id, or of its first key.

    Malformed(BAD_DOCUMENT) when there is no key that the DID is the hash of.
    """
    members = _with_methods(given, methods)
    did = members.get("id")
    if did is None:
        did = did_of(*_first_key(members))
    if not isinstance(did, str):
        raise Malformed(BAD_DOCUMENT, "the id of the document is not a text")
    document = w3c.read_document(_for(members, did), did)
    for method in document.methods:
        if is_did_of(did, method.kind, method.key):
            return Invocation(NAME, "create", (did, document_value(document))), Party(did, method.kind, method.key, method.fragment)
    raise Malformed(BAD_DOCUMENT, f"no key of the document is the one that {did} is the hash of")


def change(current: Identity, given: Members) -> Invocation:
    """The call that makes `given` the document. The ledger changes keys, controllers, or the rest: one of them at a time.

    Malformed(BAD_DOCUMENT) when nothing changes, Rejected(FEATURE_MISSING) when more than one part does.
    """
    did, old = current.did, current.document
    before = w3c.read_document(w3c.document(current), did)
    after = w3c.read_document(_for(dict(given), did), did)
    head = (did, current.sequence, hashlib.sha256(encode_identity(current)).digest())
    calls = []
    if after.methods != before.methods:
        calls.append(Invocation(NAME, "rotate", (*head, methods_value(after.methods))))
    if after.control.controllers != before.control.controllers:
        control = replace(old.control, controllers=after.control.controllers)
        calls.append(Invocation(NAME, "set_control", (*head, control_value(_reachable(control)))))
    if (after.facts.services, after.facts.also_known_as) != (before.facts.services, before.facts.also_known_as):
        calls.append(Invocation(NAME, "update", (*head, facts_value(_facts(old, before, after)))))
    if not calls:
        raise Malformed(BAD_DOCUMENT, "the document is the one that is registered already")
    if len(calls) > 1:
        raise Rejected(FEATURE_MISSING, "keys, controllers, and services with other names change one at a time, each in a block of its own")
    return calls[0]


def ending(current: Identity) -> Invocation:
    """The call that deactivates a DID."""
    return Invocation(NAME, "deactivate", (current.did, current.sequence, hashlib.sha256(encode_identity(current)).digest()))


def deciders(current: Identity) -> tuple[str, ...]:
    """Who must sign a change: as many controllers as decide, the first ones, or the DID itself."""
    control = current.document.control
    return control.controllers[: control.threshold] if control.controllers else (current.did,)


def _facts(old: Document, before: Document, after: Document) -> Facts:
    """The new services and names, with what the ledger knows of those that stay."""
    known = {(one.fragment, one.type, one.endpoint): one for one in old.facts.services}
    services = tuple(known.get((one.fragment, one.type, one.endpoint), one) for one in after.facts.services)
    unwritten = tuple(name for name in old.facts.also_known_as if name[1] not in [text for _, text in before.facts.also_known_as])
    kinds = {text: kind for kind, text in old.facts.also_known_as}
    names = tuple((kinds.get(text, kind), text) for kind, text in after.facts.also_known_as)
    return replace(old.facts, services=services, also_known_as=(*names, *unwritten))


def _reachable(control: Control) -> Control:
    if control.threshold > max(1, len(control.controllers)):
        raise Malformed(BAD_DOCUMENT, f"{control.threshold} controllers decide; there can not be fewer")
    return control


def _for(members: Members, did: str) -> Members:
    """The document with what registrars' clients leave out: context, id, and the controllers of keys."""
    methods = members.get("verificationMethod")
    if isinstance(methods, list):
        methods = [{"controller": did, **one} if isinstance(one, dict) else one for one in methods]
        members = {**members, "verificationMethod": methods}
    return {"@context": [w3c.CONTEXT], "id": did, **members}


def _with_methods(given: Members, methods: list[Members]) -> Members:
    """The document with keys that the client made on request, each under the relationships of its `purpose`."""
    members = dict(given)
    listed = members.get("verificationMethod", [])
    keys = list(listed) if isinstance(listed, list) else []
    for number, one in enumerate(methods, start=len(keys) + 1):
        key = {name: value for name, value in one.items() if name != "purpose"}
        key.setdefault("id", f"#key-{number}")
        keys.append(key)
        purposes = one.get("purpose", list(_RELATIONSHIPS))
        for name in purposes if isinstance(purposes, list) else []:
            names = members.get(str(name), [])
            members[str(name)] = [*(names if isinstance(names, list) else []), key["id"]]
    return {**members, "verificationMethod": keys}


def _first_key(members: Members) -> tuple[str, bytes]:
    """Suite and bytes of the first key; a document without an id is its."""
    methods = members.get("verificationMethod")
    first = methods[0] if isinstance(methods, list) and methods else None
    if not isinstance(first, dict):
        raise Malformed(BAD_DOCUMENT, "the document has no key")
    jwk, multikey = first.get("publicKeyJwk"), first.get("publicKeyMultibase")
    kind, key = read_jwk(jwk) if isinstance(jwk, dict) else decode_multikey(multikey if isinstance(multikey, str) else "")
    if kind not in SUITES:
        raise Malformed(BAD_DOCUMENT, "the first key of the document is none that a did:bid is the hash of")
    return kind, key
