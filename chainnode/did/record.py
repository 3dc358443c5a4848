"""What the ledger knows of a DID: its document, who controls it, and which version this is.

A record is the value of the DID's key in store `identity`; from it alone follow the W3C document and the BID document.
Everything is canonical msgpack, names are positions, and lists are in the order that their owner gave.
"""

import string
from dataclasses import dataclass, fields

from chainnode import codec
from chainnode.bid import ACSN_LENGTH
from chainnode.crypto.suites import SUITES, check_public_key
from chainnode.did.syntax import is_uri
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DOCUMENT
from chainnode.types.limits import (
    CONTROL_THRESHOLD_MAX,
    DID_BYTES_MAX,
    DOCUMENT_LIST_MAX,
    DOCUMENT_TEXT_BYTES_MAX,
    IDENTITY_KEYS_MAX,
    RECOVERY_DELAY_MS_MAX,
    RECOVERY_DELAY_MS_MIN,
    STATE_VALUE_BYTES_MAX,
)
from chainnode.types.transaction import Value

AUTHENTICATION, ASSERTION, KEY_AGREEMENT, INVOCATION, DELEGATION = 1, 2, 4, 8, 16
PURPOSES = {
    "authentication": AUTHENTICATION,
    "assertionMethod": ASSERTION,
    "keyAgreement": KEY_AGREEMENT,
    "capabilityInvocation": INVOCATION,
    "capabilityDelegation": DELEGATION,
}
SIGNING = AUTHENTICATION | ASSERTION | INVOCATION | DELEGATION
P256, X25519 = "p", "x"  # kinds of keys besides the suites, which sign no transaction
_KEY_BYTES = {P256: 33, X25519: 32}
_FRAGMENT_LETTERS = string.ascii_letters + string.digits + "._-"
_FRAGMENT_MAX = 32
_SERVICE_MEMBERS = ("id", "type", "serviceEndpoint")
_HEIGHT_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Method:
    """A verification method: `fragment` names it in the document, `kind` is a suite, `p` (P-256, compressed) or `x` (X25519).

    `purposes` are the relationships that list it, as bits; a transaction in the DID's name needs INVOCATION.
    """

    fragment: str
    kind: str
    key: bytes
    purposes: int


@dataclass(frozen=True, slots=True)
class Service:
    """A service endpoint: `endpoint` is a URI. `members` are what a Xinghuo sub-resolver says besides, by name, ascending."""

    fragment: str
    type: str
    endpoint: str
    members: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """Who decides about a DID: `threshold` of the `controllers`, DIDs; none of them: the DID itself.

    `recovery_threshold` of the `recovery` DIDs may ask for new keys, which come `recovery_delay_ms` later unless the controllers object.
    """

    controllers: tuple[str, ...] = ()
    threshold: int = 1
    recovery: tuple[str, ...] = ()
    recovery_threshold: int = 1
    recovery_delay_ms: int = RECOVERY_DELAY_MS_MIN


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a BID document. `encrypt` 0 or 1; `format` image, text, video or mixture. Source: Xinghuo RFC-004, 5.1."""

    key: str
    desc: str
    encrypt: int
    format: str
    value: str


@dataclass(frozen=True, slots=True)
class Extension:
    """The part of a document that only Xinghuo knows. `type` 101 person to 999 other; `ttl_s` how long a copy may be kept, seconds."""

    type: int = 999
    ttl_s: int = 86_400
    attributes: tuple[Attribute, ...] = ()
    acsns: tuple[str, ...] = ()
    credentials: tuple[tuple[str, int], ...] = ()  # BID of the credential, type 201 to 204
    delegate_signer: str = ""
    delegate_signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a document says without giving authority. `also_known_as`: pairs of a type and a name.

    The types: 101 BID, 102 DID, 103 domain, 104 Zid, 105 handle.
    """

    services: tuple[Service, ...] = ()
    also_known_as: tuple[tuple[int, str], ...] = ()
    extension: Extension = Extension()


@dataclass(frozen=True, slots=True)
class Document:
    """All that the owner decides."""

    methods: tuple[Method, ...]
    control: Control = Control()
    facts: Facts = Facts()


@dataclass(frozen=True, slots=True)
class Identity:
    """One version. `sequence` counts from 1; `previous` is the SHA-256 of the record before, empty in the first.

    `height` and `time_ms` are of the block that wrote it, `created_ms` of the first version's.
    A deactivated DID has no methods and no facts, and never changes again.
    """

    did: str
    sequence: int
    previous: bytes
    height: int
    time_ms: int
    created_ms: int
    is_active: bool
    document: Document


@dataclass(frozen=True, slots=True)
class Superseded:
    """A version that another replaced at `until_height`, in the block of `until_ms`: it was in force from its own time up to then."""

    identity: Identity
    until_height: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """New methods that recovery asked for: they come in force when somebody says so at or after `ready_ms`, if nobody objects before.

    `sequence` is the version that was in force when they were asked for, `asked_by` those of its recovery DIDs who did.
    """

    did: str
    sequence: int
    methods: tuple[Method, ...]
    asked_by: tuple[str, ...]
    height: int
    ready_ms: int


def encode_identity(one: Identity) -> bytes:
    """The value of a DID's key in store `identity`."""
    return codec.encode(_identity_value(one))


def decode_identity(value: bytes) -> Identity:
    """The record in a value; Malformed(MALFORMED) or (BAD_DOCUMENT)."""
    return _read_identity(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX))


def encode_superseded(one: Superseded) -> bytes:
    """The value of a version's key in store `identity`."""
    return codec.encode((_identity_value(one.identity), one.until_height, one.until_ms))


def decode_superseded(value: bytes) -> Superseded:
    """The version in a value."""
    identity, until_height, until_ms = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 3)
    return Superseded(_read_identity(identity), _number(until_height), _number(until_ms))


def encode_recovery(one: Recovery) -> bytes:
    """The value of a DID's pending recovery in store `identity`."""
    methods = tuple(_plain(method) for method in one.methods)
    return codec.encode((one.did, one.sequence, methods, one.asked_by, one.height, one.ready_ms))


def decode_recovery(value: bytes) -> Recovery:
    """The pending recovery in a value."""
    did, sequence, methods, asked_by, height, ready_ms = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 6)
    by = tuple(_did(one) for one in codec.as_array(asked_by))
    return Recovery(_did(did), _number(sequence), read_methods(methods), by, _number(height), _number(ready_ms))


def document_value(document: Document) -> Value:
    """A document as an argument of a call."""
    return (tuple(_plain(one) for one in document.methods), _plain(document.control), facts_value(document.facts))


def methods_value(methods: tuple[Method, ...]) -> Value:
    """Methods as an argument of a call."""
    return tuple(_plain(one) for one in methods)


def control_value(control: Control) -> Value:
    """Control as an argument of a call."""
    return _plain(control)


def facts_value(facts: Facts) -> Value:
    """Facts as an argument of a call."""
    extension = facts.extension
    return (
        tuple(_plain(one) for one in facts.services),
        facts.also_known_as,
        (*_plain(extension)[:2], tuple(_plain(one) for one in extension.attributes), *_plain(extension)[3:]),
    )


def read_document(value: Value) -> Document:
    """The document in a decoded value; Malformed(BAD_DOCUMENT) when a rule about its form does not hold."""
    methods, control, facts = codec.as_array(value, 3)
    document = Document(read_methods(methods), read_control(control), read_facts(facts))
    for fragment in ambiguous(document):
        raise Malformed(BAD_DOCUMENT, f"#{fragment} names a key and a service")
    return document


def ambiguous(document: Document) -> tuple[str, ...]:
    """Fragments that name both a key and a service, which no document may have: a DID URL names one thing."""
    keys = [method.fragment for method in document.methods]
    return tuple([service.fragment for service in document.facts.services if service.fragment in keys])


def read_methods(value: Value) -> tuple[Method, ...]:
    """Verification methods: each has a known kind, a key of its form, purposes that such a key can serve, and a fragment of its own."""
    found = []
    for item in _list(value, IDENTITY_KEYS_MAX):
        fragment, kind, key, purposes = codec.as_array(item, 4)
        method = Method(_fragment(fragment), codec.as_str(kind, 1), codec.as_bytes(key, length_max=65), codec.as_int(purposes, 1, 31))
        _check_key(method)
        found.append(method)
    _check_once("fragment", [method.fragment for method in found])
    _check_once("key", [(method.kind, method.key) for method in found])
    return tuple(found)


def read_control(value: Value) -> Control:
    """Control: thresholds that can be reached, each DID once, a delay within bounds."""
    controllers, threshold, recovery, recovery_threshold, delay_ms = codec.as_array(value, 5)
    control = Control(
        tuple(_did(one) for one in _list(controllers)),
        codec.as_int(threshold, 1, CONTROL_THRESHOLD_MAX),
        tuple(_did(one) for one in _list(recovery)),
        codec.as_int(recovery_threshold, 1, CONTROL_THRESHOLD_MAX),
        codec.as_int(delay_ms, RECOVERY_DELAY_MS_MIN, RECOVERY_DELAY_MS_MAX),
    )
    for dids, needed in ((control.controllers, control.threshold), (control.recovery, control.recovery_threshold)):
        _check_once("DID", list(dids))
        if needed > max(1, len(dids)):
            raise Malformed(BAD_DOCUMENT, f"{needed} of {len(dids)} can never agree")
    return control


def read_facts(value: Value) -> Facts:
    """Facts: each list within its limit, each service with a fragment of its own."""
    services, names, extension = codec.as_array(value, 3)
    facts = Facts(
        tuple(_read_service(one) for one in _list(services)),
        tuple(_read_name(one) for one in _list(names)),
        _read_extension(extension),
    )
    _check_once("service", [service.fragment for service in facts.services])
    return facts


def _identity_value(one: Identity) -> Value:
    head = (one.did, one.sequence, one.previous, one.height, one.time_ms, one.created_ms, one.is_active)
    return (*head, document_value(one.document))


def _read_identity(value: Value) -> Identity:
    did, sequence, previous, height, time_ms, created_ms, is_active, document = codec.as_array(value, 8)
    return Identity(
        _did(did),
        codec.as_int(sequence, 1, _HEIGHT_MAX),
        codec.as_bytes(previous, length_max=32),
        _number(height),
        _number(time_ms),
        _number(created_ms),
        codec.as_bool(is_active),
        read_document(document),
    )


def _read_service(value: Value) -> Service:
    fragment, kind, endpoint, members = codec.as_array(value, 4)
    pairs = []
    for member in _list(members):
        name, content = codec.as_array(member, 2)
        pairs.append((_text(name), content if isinstance(content, int) and not isinstance(content, bool) else _text(content)))
    if any(not name.isascii() or not name.isalnum() or name in _SERVICE_MEMBERS for name, _ in pairs):
        raise Malformed(BAD_DOCUMENT, "a member of a service has a name of letters and digits of its own")
    if pairs != sorted(pairs, key=lambda pair: pair[0]):
        raise Malformed(BAD_DOCUMENT, "the members of a service are not in order")
    _check_once("member", [name for name, _ in pairs])
    uri = _text(endpoint)
    if not is_uri(uri):
        raise Malformed(BAD_DOCUMENT, "the endpoint of a service is a URI")
    return Service(_fragment(fragment), _text(kind), uri, tuple(pairs))


def _read_name(value: Value) -> tuple[int, str]:
    kind, text = codec.as_array(value, 2)
    return codec.as_int(kind, 101, 105), _text(text)


def _read_extension(value: Value) -> Extension:
    kind, ttl_s, attributes, acsns, credentials, signer, signature = codec.as_array(value, 7)
    read = []
    for attribute in _list(attributes):
        key, desc, encrypt, form, content = codec.as_array(attribute, 5)
        read.append(Attribute(_text(key), _text(desc), codec.as_int(encrypt, 0, 1), _text(form), _text(content)))
    pairs = [codec.as_array(one, 2) for one in _list(credentials)]
    return Extension(
        codec.as_int(kind, 101, 999),
        codec.as_int(ttl_s, 0, 2**31 - 1),
        tuple(read),
        tuple(_acsn(one) for one in _list(acsns)),
        tuple((_text(did), codec.as_int(credential, 201, 999)) for did, credential in pairs),
        _text(signer),
        codec.as_bytes(signature, length_max=64),
    )


def _acsn(value: Value) -> str:
    text = codec.as_str(value, ACSN_LENGTH)
    if len(text) != ACSN_LENGTH or not text.isascii() or not text.isalnum() or text != text.lower():
        raise Malformed(BAD_DOCUMENT, "an AC number is four lower-case letters or digits")
    return text


def _check_key(method: Method) -> None:
    if method.kind in SUITES:
        check_public_key(method.kind, method.key)
        allowed = SIGNING
    elif method.kind == P256 and len(method.key) == _KEY_BYTES[P256] and method.key[:1] in (b"\x02", b"\x03"):
        allowed = AUTHENTICATION | ASSERTION | KEY_AGREEMENT | DELEGATION
    elif method.kind == X25519 and len(method.key) == _KEY_BYTES[X25519]:
        allowed = KEY_AGREEMENT
    else:
        raise Malformed(BAD_DOCUMENT, f"a key of kind '{method.kind}' has another form")
    if method.purposes & ~allowed:
        raise Malformed(BAD_DOCUMENT, f"a key of kind '{method.kind}' cannot serve all the purposes named")


def _fragment(value: Value) -> str:
    text = codec.as_str(value, _FRAGMENT_MAX)
    if not text or any(letter not in _FRAGMENT_LETTERS for letter in text):
        raise Malformed(BAD_DOCUMENT, "a fragment is of letters, digits, '.', '_' and '-'")
    return text


def _check_once(what: str, values: list[str] | list[tuple[str, bytes]]) -> None:
    if len(dict.fromkeys(values)) != len(values):
        raise Malformed(BAD_DOCUMENT, f"a {what} is listed twice")


def _list(value: Value, length_max: int = DOCUMENT_LIST_MAX) -> tuple[Value, ...]:
    items = codec.as_array(value)
    if len(items) > length_max:
        raise Malformed(BAD_DOCUMENT, f"a list of a document has at most {length_max} entries")
    return items


def _text(value: Value) -> str:
    return codec.as_str(value, DOCUMENT_TEXT_BYTES_MAX)


def _did(value: Value) -> str:
    return codec.as_str(value, DID_BYTES_MAX)


def _number(value: Value) -> int:
    return codec.as_int(value, 0, _HEIGHT_MAX)


def _plain(one: Method | Service | Control | Attribute | Extension) -> tuple[Value, ...]:
    """The members in order."""
    return tuple(getattr(one, field.name) for field in fields(one))
