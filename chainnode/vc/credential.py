"""The data model of credentials and presentations: whether one has its form, and when it is in force.

Nothing is said here about proofs. Source: W3C Verifiable Credentials Data Model 2.0, sections 4 and 5.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_CREDENTIAL, CREDENTIAL_EXPIRED, CREDENTIAL_NOT_YET_VALID
from chainnode.types.limits import CREDENTIAL_LIST_MAX
from chainnode.vc.contexts import check_contexts, has_base, is_url
from chainnode.vc.jcs import Document, Json, check_depth
from chainnode.vc.statuslist import ENTRY_TYPE, LIST_CREDENTIAL_TYPE, read_entry, read_subject
from chainnode.vc.timestamps import timestamp_ms

CREDENTIAL_TYPE, PRESENTATION_TYPE = "VerifiableCredential", "VerifiablePresentation"
ENVELOPED_CREDENTIAL_TYPE, ENVELOPED_PRESENTATION_TYPE = "EnvelopedVerifiableCredential", "EnvelopedVerifiablePresentation"
_DATA_URL = "data:"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a credential says about itself. `id` empty: none. Times None: it does not say. `statuses` are its entries as they stand."""

    id: str
    types: tuple[str, ...]
    issuer: str
    subjects: tuple[str, ...]
    valid_from_ms: int | None
    valid_until_ms: int | None
    statuses: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Presentation:
    """What a presentation holds: plain credentials, and the data URLs of enveloped ones. `holder` empty: it does not say."""

    id: str
    holder: str
    credentials: tuple[Document, ...]
    enveloped: tuple[str, ...]


def check_credential(value: Json) -> Credential:
    """The credential's own facts; Malformed(BAD_CREDENTIAL) or (BAD_STATUS_LIST) names the member that is not as it must be."""
    check_depth(value)
    document = _object("the credential", value)
    types = _types("type", document.get("type"), CREDENTIAL_TYPE)
    check_contexts(document.get("@context"), types)
    _check_texts(document, "the credential")
    issuer = document.get("issuer")
    if isinstance(issuer, dict):
        _check_texts(issuer, "the issuer")
    subjects = _many("credentialSubject", document.get("credentialSubject"), _check_subject)
    valid_from_ms, valid_until_ms = (
        timestamp_ms(name, document[name]) if name in document else None for name in ("validFrom", "validUntil")
    )
    if valid_from_ms is not None and valid_until_ms is not None and valid_until_ms < valid_from_ms:
        raise _bad("validUntil is before validFrom")
    statuses = _some(document, "credentialStatus", _check_status)
    _some(document, "credentialSchema", _check_schema)
    for name in ("termsOfUse", "evidence", "refreshService", "proof"):
        _some(document, name, _check_typed)
    related = [one["id"] for one in _some(document, "relatedResource", _check_resource)]
    if len(dict.fromkeys(related)) != len(related):
        raise _bad("relatedResource names a resource twice")
    if LIST_CREDENTIAL_TYPE in types:
        read_subject(document)
    ids = tuple(one["id"] for one in subjects if "id" in one)
    return Credential(_id(document), types, _name_or_object("issuer", issuer), ids, valid_from_ms, valid_until_ms, statuses)


def check_presentation(value: Json) -> Presentation:
    """The presentation's own facts; each plain credential in it is checked too. Malformed as `check_credential`."""
    check_depth(value)
    document = _object("the presentation", value)
    check_contexts(document.get("@context"), _types("type", document.get("type"), PRESENTATION_TYPE))
    holder = _name_or_object("holder", document["holder"]) if "holder" in document else ""
    for name in ("termsOfUse", "proof"):
        _some(document, name, _check_typed)
    inside = _some(document, "verifiableCredential", _check_inside)
    enveloped = tuple(one["id"] for one in inside if is_enveloped(one, ENVELOPED_CREDENTIAL_TYPE))
    plain = tuple(one for one in inside if not is_enveloped(one, ENVELOPED_CREDENTIAL_TYPE))
    return Presentation(_id(document), holder, plain, enveloped)


def check_envelope(value: Json, type: str) -> tuple[str, str]:
    """Media type and content of an enveloped credential or presentation; Malformed(BAD_CREDENTIAL) unless it has that form."""
    document = _object("the envelope", value)
    if not is_enveloped(document, type) or not has_base(document.get("@context")):
        raise _bad(f"an envelope has the type {type} and the base context")
    url = document.get("id")
    if not isinstance(url, str) or not url.startswith(_DATA_URL):
        raise _bad("the id of an envelope is a data: URL")
    media, comma, content = url.removeprefix(_DATA_URL).partition(",")
    if not comma or not content or "/" not in media:
        raise _bad("the id of an envelope is a data: URL with a media type and a content")
    return media, content


def is_enveloped(document: Document, type: str) -> bool:
    """Whether the object says that it is an envelope of this type."""
    types = document.get("type")
    return types == type or (isinstance(types, list) and type in types)


def check_validity(credential: Credential, now_ms: int) -> None:
    """Rejected(CREDENTIAL_EXPIRED) or (CREDENTIAL_NOT_YET_VALID) unless it is in force at this time."""
    if credential.valid_from_ms is not None and now_ms < credential.valid_from_ms:
        raise Rejected(CREDENTIAL_NOT_YET_VALID, "validFrom is to come")
    if credential.valid_until_ms is not None and now_ms > credential.valid_until_ms:
        raise Rejected(CREDENTIAL_EXPIRED, "validUntil has passed")


def _check_subject(subject: Document) -> None:
    if not subject:
        raise _bad("a credentialSubject says something")


def _check_status(status: Document) -> None:
    if ENTRY_TYPE in _check_typed(status):
        read_entry(status)


def _check_schema(schema: Document) -> None:
    _check_typed(schema)
    if "id" not in schema:
        raise _bad("a credentialSchema has an id")


def _check_typed(item: Document) -> tuple[str, ...]:
    return _types("the type of a part", item.get("type"))


def _check_resource(resource: Document) -> None:
    if "id" not in resource:
        raise _bad("a relatedResource has an id")
    digests = [resource[name] for name in ("digestSRI", "digestMultibase") if name in resource]
    if not digests or not all(isinstance(one, str) and one for one in digests):
        raise _bad("a relatedResource has a digestSRI or a digestMultibase")


def _check_inside(item: Document) -> None:
    if is_enveloped(item, ENVELOPED_CREDENTIAL_TYPE):
        check_envelope(item, ENVELOPED_CREDENTIAL_TYPE)
    else:
        check_credential(item)


def _check_texts(document: Document, what: str) -> None:
    """`name` and `description` are texts, or texts with their language and direction."""
    for name in ("name", "description"):
        value = document.get(name, "")
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                continue
            is_value = isinstance(item, dict) and isinstance(item.get("@value"), str)
            if not is_value or any(key not in ("@value", "@language", "@direction") for key in item):
                raise _bad(f"{name} of {what} is a text, or an object of @value, @language and @direction")
            if item.get("@direction", "ltr") not in ("ltr", "rtl") or not isinstance(item.get("@language", "en"), str):
                raise _bad(f"{name} of {what} has a direction or a language that does not exist")


def _some(document: Document, name: str, check: Callable[[Document], object]) -> tuple[Document, ...]:
    """The objects of a member that need not be there."""
    return _many(name, document[name], check) if name in document else ()


def _many(name: str, value: Json, check: Callable[[Document], object]) -> tuple[Document, ...]:
    """One object, or a list of some; the id of each, if there is one, is a URL."""
    items = value if isinstance(value, list) else [value]
    if not 0 < len(items) <= CREDENTIAL_LIST_MAX:
        raise _bad(f"{name} has 1 to {CREDENTIAL_LIST_MAX} values")
    for item in items:
        found = _object(name, item)
        if not is_enveloped(found, ENVELOPED_CREDENTIAL_TYPE):
            _id(found)
        check(found)
    return tuple(items)


def _types(name: str, value: Json, required: str | None = None) -> tuple[str, ...]:
    """One type, or a list of some, `required` among them."""
    items = value if isinstance(value, list) else [value]
    if not 0 < len(items) <= CREDENTIAL_LIST_MAX or not all(isinstance(one, str) and one and " " not in one for one in items):
        raise _bad(f"{name} is a name or a URL, or a list of some")
    if required is not None and required not in items:
        raise _bad(f"{name} contains {required}")
    return tuple(items)


def _id(document: Document) -> str:
    """The id of an object, empty without one."""
    if "id" not in document:
        return ""
    if not is_url(document["id"]):
        raise _bad("an id is one URL")
    return str(document["id"])


def _name_or_object(name: str, value: Json) -> str:
    """A URL, or that of an object."""
    url = value.get("id") if isinstance(value, dict) else value
    if not is_url(url):
        raise _bad(f"{name} is a URL, or an object whose id is one")
    return str(url)


def _object(name: str, value: Json) -> Document:
    if not isinstance(value, dict):
        raise _bad(f"{name} is an object")
    return value


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_CREDENTIAL, detail)
