"""The W3C document of a DID, written from its record, and read back from what a user gives.

All keys are written as Multikey, which Controlled Identifiers 1.0 defines for SM2 too; for JWKs no name of that curve is registered.
What the standard has no word for stays out: thresholds, recovery, the members of Xinghuo's services and its extension.
Sources: W3C DID Core 1.1, sections 5 and 6; Controlled Identifiers 1.0, section 2.
"""

from chainnode.did import record
from chainnode.did.jsonparts import bad, items_of, members_of, number_of, refuse_unknown, text_of
from chainnode.did.multikey import check_point, decode_multikey, encode_multikey, read_jwk
from chainnode.did.record import PURPOSES, Control, Document, Facts, Identity, Method, Service
from chainnode.did.syntax import is_did, is_uri
from chainnode.errors import Malformed
from chainnode.types.limits import IDENTITY_KEYS_MAX

CONTEXT = "https://www.w3.org/ns/did/v1.1"  # has the terms of Multikey
BID, OTHER_DID, DOMAIN, HANDLE = 101, 102, 103, 105  # types of names
_FIRST_CONTEXTS = (CONTEXT, "https://www.w3.org/ns/did/v1")
_CONTEXTS = (
    *_FIRST_CONTEXTS,
    "https://www.w3.org/ns/cid/v1",
    "https://w3id.org/security/multikey/v1",
    "https://w3id.org/security/jwk/v1",
    "https://w3id.org/security/suites/jws-2020/v1",
    "https://w3id.org/security/suites/ed25519-2020/v1",
    "https://w3id.org/security/suites/x25519-2020/v1",
)
_HANDLE_STARTS = ("hdl:", "info:hdl/", "https://hdl.handle.net/")
# Types of verification methods: the member with the key, and the kinds of keys that it may hold, empty for all.
_TYPES = {
    "Multikey": ("publicKeyMultibase", ""),
    "JsonWebKey": ("publicKeyJwk", ""),
    "JsonWebKey2020": ("publicKeyJwk", ""),
    "Ed25519VerificationKey2020": ("publicKeyMultibase", "e"),
    "X25519KeyAgreementKey2020": ("publicKeyMultibase", record.X25519),
}
_MEMBERS = ("@context", "id", "alsoKnownAs", "controller", "verificationMethod", *PURPOSES, "service")


def document(identity: Identity) -> dict[str, object] | None:
    """The document of a version; None when the DID was deactivated, as it has none then."""
    if not identity.is_active:
        return None
    did, written = identity.did, identity.document
    members: dict[str, object] = {"@context": [CONTEXT], "id": did}
    names = [name for kind, name in written.facts.also_known_as if _is_written_as_uri(kind, name)]
    if names:
        members["alsoKnownAs"] = list(dict.fromkeys(names))
    if written.control.controllers:
        members["controller"] = list(written.control.controllers)
    if written.methods:
        members["verificationMethod"] = [_method_json(did, method) for method in written.methods]
    for name, bit in PURPOSES.items():
        ids = [f"{did}#{method.fragment}" for method in written.methods if method.purposes & bit]
        if ids:
            members[name] = ids
    if written.facts.services:
        members["service"] = [
            {"id": f"{did}#{one.fragment}", "type": one.type, "serviceEndpoint": one.endpoint} for one in written.facts.services
        ]
    return members


def read_document(json: object, did: str) -> Document:
    """What a user's document of `did` says, for the ledger. Malformed(BAD_DOCUMENT) when it says anything that the ledger would not keep.

    Of the controllers any one decides, as in the standard. Ids may be relative; keys may be Multikeys or JWKs, and stand in a
    relationship itself.
    """
    members = members_of(json, "the document")
    refuse_unknown(members, _MEMBERS, "the document")
    if members.get("id") != did:
        raise bad(f"the id of the document is not {did}")
    _check_contexts(members.get("@context", CONTEXT))
    controller = members.get("controller")
    controllers = items_of([controller] if isinstance(controller, str) else controller, "controller")
    return checked(
        Document(
            _read_methods(members, did),
            Control(controllers=tuple(_read_did(one, "a controller") for one in controllers)),
            Facts(
                services=tuple(_read_service(one, did) for one in items_of(members.get("service"), "service")),
                also_known_as=tuple(name_of_uri(one) for one in items_of(members.get("alsoKnownAs"), "alsoKnownAs")),
            ),
        )
    )


def checked(written: Document) -> Document:
    """The document, when it keeps the rules of the ledger's own form; else Malformed(BAD_DOCUMENT)."""
    try:
        for method in written.methods:
            check_point(method.kind, method.key)
        return record.read_document(record.document_value(written))
    except Malformed as error:
        raise bad(error.detail) from None


def name_of_uri(value: object) -> tuple[int, str]:
    """A name of alsoKnownAs with its type: a DID, a handle, or else an address in a domain."""
    name = text_of(value, "a name in alsoKnownAs")
    if not is_uri(name):
        raise bad("a name in alsoKnownAs is a URI")
    if is_did(name):
        return (BID if name.startswith("did:bid:") else OTHER_DID), name
    return (HANDLE if name.startswith(_HANDLE_STARTS) else DOMAIN), name


def _is_written_as_uri(kind: int, name: str) -> bool:
    """Whether a name can stand in alsoKnownAs: a bare domain, or `domain:port`, is no URI of it."""
    return is_did(name) if kind in (BID, OTHER_DID) else is_uri(name) and (kind != DOMAIN or "://" in name)


def _method_json(did: str, method: Method) -> dict[str, str]:
    return {
        "id": f"{did}#{method.fragment}",
        "type": "Multikey",
        "controller": did,
        "publicKeyMultibase": encode_multikey(method.kind, method.key),
    }


def _check_contexts(value: object) -> None:
    contexts = items_of([value] if isinstance(value, str) else value, "@context")
    if not contexts or contexts[0] not in _FIRST_CONTEXTS:
        raise bad(f"the first @context is {CONTEXT}")
    for one in contexts:
        if one not in _CONTEXTS:
            raise bad("the document has an @context that is not known here")


def _read_methods(members: dict[str, object], did: str) -> tuple[Method, ...]:
    """Methods in their order, those that stand in a relationship last, each with the purposes of the relationships that name it."""
    methods: dict[str, tuple[str, bytes]] = {}
    purposes: dict[str, int] = {}

    def add(value: object) -> str:
        fragment, kind, key = _read_method(value, did)
        if fragment in methods:
            raise bad(f"two keys of the document are called #{fragment}")
        methods[fragment] = kind, key
        purposes[fragment] = 0
        return fragment

    for one in items_of(members.get("verificationMethod"), "verificationMethod", IDENTITY_KEYS_MAX):
        add(one)
    for name, bit in PURPOSES.items():
        for one in items_of(members.get(name), name, IDENTITY_KEYS_MAX):
            fragment = _fragment_of(one, did, name) if isinstance(one, str) else add(one)
            if fragment not in methods:
                raise bad(f"{name} names #{fragment}, which is no key of the document")
            purposes[fragment] |= bit
    unused = [fragment for fragment, bits in purposes.items() if not bits]
    if unused:
        raise bad(f"no relationship names #{unused[0]}")
    return tuple(Method(fragment, kind, key, purposes[fragment]) for fragment, (kind, key) in methods.items())


def _read_method(value: object, did: str) -> tuple[str, str, bytes]:
    """Fragment, kind and key."""
    members = members_of(value, "a verification method")
    fragment = _fragment_of(members.get("id"), did, "the id of a verification method")
    what = f"the verification method #{fragment}"
    if members.get("controller") != did:
        raise bad(f"{what} is not controlled by {did}")
    kind_of_method = members.get("type")
    if not isinstance(kind_of_method, str) or kind_of_method not in _TYPES:
        raise bad(f"the type of {what} is not one of {', '.join(_TYPES)}")
    name, kinds = _TYPES[kind_of_method]
    refuse_unknown(members, ("id", "type", "controller", name), what)
    try:
        if name == "publicKeyJwk":
            kind, key = read_jwk(members_of(members.get(name), f"{name} of {what}"))
        else:
            kind, key = decode_multikey(text_of(members.get(name), f"{name} of {what}"))
    except Malformed as error:
        raise bad(f"{what}: {error.detail}") from None
    if kinds and kind not in kinds:
        raise bad(f"{what} has a key of another kind than its type says")
    return fragment, kind, key


def _read_service(value: object, did: str) -> Service:
    members = members_of(value, "a service")
    fragment = _fragment_of(members.get("id"), did, "the id of a service")
    what = f"the service #{fragment}"
    others = {name: one for name, one in members.items() if name not in ("id", "type", "serviceEndpoint")}
    kept = [(name, one if isinstance(one, str) else number_of(one, f"{name} of {what}")) for name, one in sorted(others.items())]
    endpoint = text_of(members.get("serviceEndpoint"), f"the serviceEndpoint of {what}")
    if not is_uri(endpoint):
        raise bad(f"the serviceEndpoint of {what} is not a URI")
    return Service(fragment, text_of(members.get("type"), f"the type of {what}"), endpoint, tuple(kept))


def _read_did(value: object, what: str) -> str:
    did = text_of(value, what)
    if not is_did(did):
        raise bad(f"{what} is not a DID")
    return did


def _fragment_of(value: object, did: str, what: str) -> str:
    """The fragment of an absolute or a relative DID URL of `did`."""
    text = text_of(value, what)
    before, sharp, fragment = text.partition("#")
    if not sharp or before not in ("", did):
        raise bad(f"{what} is not {did}# and a fragment")
    return fragment
