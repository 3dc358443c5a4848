"""The BID document of a DID, Xinghuo's own form: written from the record in one way, read in all the ways that its texts and SDKs write it.

Control is richer on the ledger than in this form, which has no word for controllers, thresholds, or purposes other than authentication,
and none for keys of P-256 and X25519: those stay out. Source: Xinghuo RFC-004, section 5; RFC-005, section 5.
"""

import base64
import re
from contextlib import suppress

from chainnode import bid
from chainnode.crypto import base58
from chainnode.crypto.keystrings import decode_public_key, encode_public_key
from chainnode.crypto.suites import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, SUITES
from chainnode.did.jsonparts import bad, items_of, members_of, number_of, refuse_unknown, text_of
from chainnode.did.record import (
    ASSERTION,
    AUTHENTICATION,
    SIGNING,
    Attribute,
    Control,
    Document,
    Extension,
    Facts,
    Identity,
    Method,
    Service,
)
from chainnode.did.w3c import checked, name_of_uri
from chainnode.errors import Malformed
from chainnode.rfc3339 import time_to_text

VERSION = "1.1.0"  # of the form, as in RFC-004's signed example
CONTEXT = "https://www.w3.org/ns/did/v1"
SUB_RESOLVER = "DIDSubResolver"
_CONTEXTS = (CONTEXT, "https://w3.org/ns/did/v1")
_KEY_TYPES = {"e": "Ed25519", "z": "SM2", "s": "Secp256k1"}
_KIND_OF_TYPE = {name.lower(): kind for kind, name in _KEY_TYPES.items()}
_MEMBERS = (
    "@context",
    "version",
    "id",
    "publicKey",
    "authentication",
    "alsoKnownAs",
    "extension",
    "service",
    "created",
    "updated",
    "proof",
)
_EXTENSION_MEMBERS = ("recovery", "ttl", "delegateSign", "type")
_IN_EITHER = ("attributes", "acsns", "verifiableCredentials")  # the text has them at the top, the examples in the extension
_PROTOCOLS = ("udp", "tcp", "http", "https")
_PORTS = {"http": 80, "https": 443}
_SERVER_MEMBERS = ("protocol", "serverType", "port")
_SERVER = re.compile(r"(udp|tcp|http|https)://([^/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_ADDRESS = re.compile(r"[0-9.]+|\[.*\]")
_DEFAULT = Extension()
_MS_PER_SECOND, _NS_PER_SECOND = 1_000, 1_000_000_000

# A key that a document lists: its fragment, its kind and itself.
_Key = tuple[str, str, bytes]


def document(identity: Identity) -> dict[str, object]:
    """The document of a version; empty, without a member, when the DID was deactivated."""
    if not identity.is_active:
        return {}
    did, facts = identity.did, identity.document.facts
    methods = [method for method in identity.document.methods if method.kind in SUITES]
    members: dict[str, object] = {"@context": [CONTEXT], "version": VERSION, "id": did}
    if methods:
        members["publicKey"] = [_key_json(did, method) for method in methods]
    members["authentication"] = [f"{did}#{method.fragment}" for method in methods if method.purposes & AUTHENTICATION]
    if facts.also_known_as:
        members["alsoKnownAs"] = [{"type": kind, "id": name} for kind, name in facts.also_known_as]
    members["extension"] = _extension_json(identity.document.control, facts.extension)
    if facts.services:
        members["service"] = [_service_json(did, service) for service in facts.services]
    return members | {"created": _time(identity.created_ms), "updated": _time(identity.time_ms)}


def read_document(json: object) -> tuple[str, Document]:
    """The DID and what somebody's BID document says of it, for the ledger; Malformed(BAD_DOCUMENT), (BAD_DID).

    A key of `authentication` gets all purposes of a signing key, another one may make assertions, and one of `recovery` alone becomes a
    recovery DID: the one that is the key's hash. Times, version and proof are passed over: the ledger has its own.
    """
    members = _members(json, "the BID document")
    refuse_unknown(members, (*_MEMBERS, *_IN_EITHER), "the BID document")
    contexts = members.get("@context")
    if not any(one in _CONTEXTS for one in items_of([contexts] if isinstance(contexts, str) else contexts, "@context")):
        raise bad(f"the @context does not have {CONTEXT}")
    did, keys = read_keys(members)
    written = _bare(members.get("id"), "the id")
    extension = _members(members.get("extension", {}), "the extension")
    refuse_unknown(extension, (*_EXTENSION_MEMBERS, *_IN_EITHER), "the extension")
    own, others = _references(members.get("authentication"), "authentication", did, written)
    recovery_own, recovery_others = _references(extension.get("recovery"), "recovery", did, written)
    kinds = {fragment: (kind, key) for fragment, kind, key in keys}
    for fragment in (*own, *recovery_own):
        if fragment not in kinds:
            raise bad(f"publicKey has no key #{fragment}")
    methods = [
        Method(fragment, kind, key, SIGNING if fragment in own else ASSERTION)
        for fragment, kind, key in keys
        if fragment in own or fragment not in recovery_own
    ]
    recovery = [bid.did_of(*kinds[fragment]) for fragment in recovery_own] + recovery_others
    services = members.get("service")
    facts = Facts(
        tuple(_read_service(one) for one in items_of([services] if isinstance(services, dict) else services, "service")),
        tuple(_read_name(one) for one in items_of(members.get("alsoKnownAs"), "alsoKnownAs")),
        _read_extension(extension, members),
    )
    control = Control(controllers=tuple(dict.fromkeys(others)), recovery=tuple(dict.fromkeys(recovery)))
    return did, checked(Document(tuple(methods), control, facts))


def read_keys(members: dict[str, object]) -> tuple[str, list[_Key]]:
    """The DID of a document, in the form that is written, and its public keys."""
    written = _bare(members.get("id"), "the id")
    keys = [_read_key(one, written) for one in items_of(members.get("publicKey"), "publicKey")]
    if len({fragment for fragment, _, _ in keys}) != len(keys):
        raise bad("two keys of publicKey have one id")
    for _, kind, key in keys:
        try:
            return bid.normalise(written, (kind, key)), keys
        except Malformed:
            continue  # not the DID of this key
    return bid.normalise(written), keys


def key_reference(value: object, what: str) -> tuple[str, str]:
    """DID and fragment of a key id, in which blanks do not count."""
    before, _, fragment = _bare(value, what).partition("#")
    return before, fragment


def read_signature(value: object, what: str) -> tuple[bytes, ...]:
    """The bytes that a signatureValue may stand for: hex, else Base58 and Base64. A few texts of 64 bytes have both readings."""
    text = _bare(value, what)
    if len(text) == 2 * SIGNATURE_BYTES and re.fullmatch("[0-9A-Fa-f]+", text):
        return (bytes.fromhex(text),)
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    found = []
    with suppress(Malformed):
        found.append(base58.decode(text))
    with suppress(ValueError):
        found.append(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True))
    found = [one for one in found if 0 < len(one) <= SIGNATURE_BYTES]
    if not found:
        raise bad(f"{what} is not a signature in Base58, Base64 or hex")
    return tuple(sorted(found, key=lambda one: len(one) != SIGNATURE_BYTES))


def _key_json(did: str, method: Method) -> dict[str, object]:
    return {
        "id": f"{did}#{method.fragment}",
        "type": _KEY_TYPES[method.kind],
        "controller": did,
        "publicKeyHex": encode_public_key(method.kind, method.key),
    }


def _extension_json(control: Control, extension: Extension) -> dict[str, object]:
    members: dict[str, object] = {"recovery": list(control.recovery)} if control.recovery else {}
    members["ttl"] = extension.ttl_s
    if extension.delegate_signer:
        signature = base58.encode(extension.delegate_signature)
        members["delegateSign"] = {"signer": extension.delegate_signer, "signatureValue": signature}
    members["type"] = extension.type
    members["attributes"] = [
        {"key": one.key, "desc": one.desc, "encrypt": one.encrypt, "format": one.format, "value": one.value} for one in extension.attributes
    ]
    if extension.acsns:
        members["acsns"] = list(extension.acsns)
    if extension.credentials:
        members["verifiableCredentials"] = [{"id": did, "type": kind} for did, kind in extension.credentials]
    return members


def _service_json(did: str, service: Service) -> dict[str, object]:
    members: dict[str, object] = {"id": f"{did}#{service.fragment}", "type": service.type}
    others: dict[str, object] = dict(service.members)
    server = _SERVER.fullmatch(service.endpoint) if service.type == SUB_RESOLVER else None
    port = None if server is None else int(server[3]) if server[3] else _PORTS.get(server[1])
    if server is None or port is None:
        return members | others | {"serviceEndpoint": service.endpoint}
    is_address = _ADDRESS.fullmatch(server[2]) is not None
    place: dict[str, object] = {"protocol": _PROTOCOLS.index(server[1]), "serverType": int(is_address)}
    place["serviceEndpoint"] = server[2].strip("[]")
    if is_address or port != _PORTS.get(server[1]):  # a name at its usual port has none
        place["port"] = port
    return members | {name: value for name, value in others.items() if name not in _SERVER_MEMBERS} | place


def _read_key(value: object, written: str) -> _Key:
    members = _members(value, "a key of publicKey")
    refuse_unknown(members, ("id", "type", "controller", "publicKeyHex"), "a key of publicKey")
    before, fragment = key_reference(members.get("id"), "the id of a key")
    if before not in ("", written) or not fragment:
        raise bad("the id of a key is that of the document, # and a fragment")
    what = f"the key #{fragment}"
    if _bare(members.get("controller", written), f"the controller of {what}") != written:
        raise bad(f"{what} is controlled by somebody else")
    kind = _KIND_OF_TYPE.get(_bare(members.get("type"), f"the type of {what}").lower())
    text = _bare(members.get("publicKeyHex"), f"publicKeyHex of {what}")
    if kind is None:
        raise bad(f"the type of {what} is not one of {', '.join(_KEY_TYPES.values())}")
    if len(text) == 2 * PUBLIC_KEY_BYTES[kind] and re.fullmatch("[0-9A-Fa-f]+", text):
        return fragment, kind, bytes.fromhex(text)
    try:
        named, key = decode_public_key(text)
    except Malformed as error:
        raise bad(f"{what}: {error.detail}") from None
    if named != kind:
        raise bad(f"{what} is of another type than it says")
    return fragment, kind, key


def _references(value: object, what: str, did: str, written: str) -> tuple[list[str], list[str]]:
    """Fragments of the document's own keys, and the other DIDs whose keys are named."""
    own, others = [], []
    for item in items_of(value, what):
        before, fragment = key_reference(item, f"an entry of {what}")
        if before not in ("", written, did):
            others.append(bid.normalise(before))
        elif fragment:
            own.append(fragment)
        else:
            others.append(did)
    return own, others


def _read_name(value: object) -> tuple[int, str]:
    if isinstance(value, str):
        return name_of_uri(value.strip())
    members = _members(value, "a name in alsoKnownAs")
    refuse_unknown(members, ("type", "id"), "a name in alsoKnownAs")
    return number_of(members.get("type"), "the type of a name in alsoKnownAs"), _bare(members.get("id"), "the id of a name in alsoKnownAs")


def _read_service(value: object) -> Service:
    members = _members(value, "a service")
    _, fragment = key_reference(members.pop("id", None), "the id of a service")  # under whatever BID
    what = f"the service #{fragment}"
    kind = _bare(members.pop("type", None), f"the type of {what}")
    kind = SUB_RESOLVER if kind == "DIDSubResolve" else kind
    endpoint = _bare(members.pop("serviceEndpoint", None), f"the serviceEndpoint of {what}")
    if kind == SUB_RESOLVER and "://" not in endpoint and "protocol" in members:
        protocol, _, port = (members.pop(name, None) for name in _SERVER_MEMBERS)
        number = number_of(protocol, f"the protocol of {what}")
        if not 0 <= number < len(_PROTOCOLS):
            raise bad(f"the protocol of {what} is none of 0 to {len(_PROTOCOLS) - 1}")
        scheme = _PROTOCOLS[number]
        endpoint = f"{scheme}://[{endpoint}]" if ":" in endpoint else f"{scheme}://{endpoint}"
        if port is not None and port != _PORTS.get(scheme):
            endpoint += f":{number_of(port, f'the port of {what}')}"
    kept = [(name, one if isinstance(one, str) else number_of(one, f"{name} of {what}")) for name, one in sorted(members.items())]
    return Service(fragment, kind, endpoint, tuple(kept))


def _read_extension(extension: dict[str, object], top: dict[str, object]) -> Extension:
    lists: dict[str, list[object]] = {}
    for name in _IN_EITHER:
        if name in extension and name in top:
            raise bad(f"{name} stands in the document and in its extension")
        lists[name] = items_of(extension.get(name, top.get(name)), name)
    signer, signature = "", b""
    if "delegateSign" in extension:
        delegate = _members(extension["delegateSign"], "delegateSign")
        refuse_unknown(delegate, ("signer", "signatureValue"), "delegateSign")
        signer = _bare(delegate.get("signer"), "the signer of delegateSign")
        signature = read_signature(delegate.get("signatureValue"), "the signatureValue of delegateSign")[0]
    return Extension(
        number_of(extension.get("type", _DEFAULT.type), "the type of the extension"),
        number_of(extension.get("ttl", _DEFAULT.ttl_s), "the ttl"),
        tuple(_read_attribute(one) for one in lists["attributes"]),
        tuple(_bare(one, "an AC number").lower() for one in lists["acsns"]),
        tuple(_read_credential(one) for one in lists["verifiableCredentials"]),
        signer,
        signature,
    )


def _read_attribute(value: object) -> Attribute:
    members = _members(value, "an attribute")
    refuse_unknown(members, ("key", "desc", "encrypt", "format", "value"), "an attribute")
    texts = [members.get(name, default) for name, default in (("desc", ""), ("format", "text"), ("value", ""))]
    if not all(isinstance(one, str) for one in texts):
        raise bad("desc, format and value of an attribute are texts")
    desc, form, content = (str(one) for one in texts)
    encrypt = number_of(members.get("encrypt", 0), "encrypt of an attribute")
    return Attribute(text_of(members.get("key"), "the key of an attribute"), desc, encrypt, form, content)


def _read_credential(value: object) -> tuple[str, int]:
    members = _members(value, "a verifiable credential")
    refuse_unknown(members, ("id", "type"), "a verifiable credential")
    did = _bare(members.get("id"), "the id of a verifiable credential")
    return did, number_of(members.get("type"), "the type of a verifiable credential")


def _members(value: object, what: str) -> dict[str, object]:
    """The members of an object, under names without blanks around them."""
    members = members_of(value, what)
    trimmed = {name.strip(): one for name, one in members.items()}
    if len(trimmed) != len(members):
        raise bad(f"{what} has a member twice")
    return trimmed


def _bare(value: object, what: str) -> str:
    """A text without blanks, in which none belongs."""
    return text_of("".join(value.split()) if isinstance(value, str) else value, what)


def _time(time_ms: int) -> str:
    return time_to_text(time_ms // _MS_PER_SECOND * _NS_PER_SECOND)
