"""From a DID document to the part of it, or the place, that a DID URL names. Source: DID Resolution 1.0, sections 5 and 10."""

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

Members = dict[str, object]

ERROR_URL = "https://www.w3.org/ns/did#"
KEY_ERROR_URL = "https://w3id.org/security#"  # Controlled Identifiers 1.0, section 3.5
SERVICE_PARAMETERS = ("service", "serviceType", "relativeRef")
_RELATIONSHIPS = ("authentication", "assertionMethod", "keyAgreement", "capabilityInvocation", "capabilityDelegation")
_URL_LETTERS = ":/?#[]@!$&'()*+,;=-._~%"  # beside letters and digits, what may stand in a URL
_DECODINGS_MAX = 4


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of error of the standard: the end of its URL, its HTTP status, what it means."""

    name: str
    status: int
    title: str
    base: str = ERROR_URL


INVALID_DID = Kind("INVALID_DID", 400, "This is no DID.")
INVALID_DID_URL = Kind("INVALID_DID_URL", 400, "This is no DID URL.")
INVALID_OPTIONS = Kind("INVALID_OPTIONS", 400, "An option is not valid.")
NOT_FOUND = Kind("NOT_FOUND", 404, "There is nothing there.")
REPRESENTATION_NOT_SUPPORTED = Kind("REPRESENTATION_NOT_SUPPORTED", 406, "The form that was asked for is not served.")
INVALID_DID_DOCUMENT = Kind("INVALID_DID_DOCUMENT", 500, "What was found is no document of this DID.")
METHOD_NOT_SUPPORTED = Kind("METHOD_NOT_SUPPORTED", 501, "DIDs of this method are not resolved here.")
FEATURE_NOT_SUPPORTED = Kind("FEATURE_NOT_SUPPORTED", 501, "This is not done here.")
INTERNAL_ERROR = Kind("INTERNAL_ERROR", 500, "The DID could not be resolved.")
INVALID_VERIFICATION_METHOD = Kind("INVALID_VERIFICATION_METHOD", 500, "The DID URL names no verification method.", KEY_ERROR_URL)
INVALID_RELATIONSHIP = Kind(
    "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD", 500, "The verification method does not serve this purpose.", KEY_ERROR_URL
)


class Unresolved(Exception):
    """The answer is an error of the standard."""

    def __init__(self, kind: Kind, detail: str, code: str = "") -> None:
        super().__init__(f"{kind.name}: {detail}")
        self.kind = kind
        self.detail = detail
        self.code = code  # of ours, where there is one


def error_json(error: Unresolved) -> Members:
    """The error as the standard writes it (RFC 9457), with our code."""
    kind, ours = error.kind, {"code": error.code} if error.code else {}
    return {"type": kind.base + kind.name, "title": kind.title, "status": kind.status, "detail": error.detail, **ours}


def fragment_of(document: Members, url: str, relationship: str | None) -> Members:
    """The verification method or service that `url`, a DID with a fragment, names; one that serves the purpose, if one is given."""
    did = str(document["id"])
    methods, services = _entries(document, "verificationMethod"), _entries(document, "service")
    embedded = [one for name in _RELATIONSHIPS for one in _entries(document, name)]
    found = next((one for one in (*methods, *embedded) if _absolute(did, one.get("id")) == url), None)
    if relationship is not None:
        if found is None:
            raise Unresolved(INVALID_VERIFICATION_METHOD, f"{url} is no verification method of the document")
        if not _serves(document, did, url, relationship):
            raise Unresolved(INVALID_RELATIONSHIP, f"{url} is not listed under {relationship}")
    if found is None:
        found = next((one for one in services if _absolute(did, one.get("id")) == url), None)
    if found is None:
        raise Unresolved(NOT_FOUND, f"the document has nothing with the id {url}")
    return {"@context": document["@context"], **found} if "@context" in document else dict(found)


def with_services(document: Members, parameters: dict[str, str]) -> Members:
    """The document with none but the services that the parameters select."""
    return {**document, "service": _selected(document, parameters)}


def service_url(document: Members, parameters: dict[str, str], fragment: str) -> str:
    """The place that the first selected service names, `relativeRef` and the fragment of the DID URL behind it."""
    endpoints = [url for one in _selected(document, parameters) for url in _urls(one.get("serviceEndpoint"))]
    if not endpoints:
        raise Unresolved(NOT_FOUND, "the document has no such service, or none with a URL")
    url = endpoints[0]
    if "relativeRef" in parameters:
        url = _below(url, parameters["relativeRef"])
    if fragment:
        if "#" in url:
            raise Unresolved(INVALID_DID_URL, f"{url} has a fragment already")
        url += f"#{fragment}"
    return quote(url, safe=_URL_LETTERS)  # nothing in it may end the header that it will stand in


def expand(document: Members) -> Members:
    """The document with absolute DID URLs instead of relative ones, as ids and where keys are referred to."""
    did = str(document["id"])
    expanded = dict(document)
    for name in ("verificationMethod", "service", *_RELATIONSHIPS):
        entries = document.get(name)
        if isinstance(entries, list):
            expanded[name] = [
                {**one, "id": _absolute(did, one["id"])} if isinstance(one, dict) and "id" in one else _absolute(did, one)
                for one in entries
            ]
    return expanded


def _entries(document: Members, name: str) -> list[Members]:
    entries = document.get(name)
    return [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []


def _absolute(did: str, text: object) -> object:
    """A relative DID URL made absolute; anything else as it is."""
    return did + text if isinstance(text, str) and text.startswith(("#", "?", "/")) else text


def _serves(document: Members, did: str, url: str, relationship: str) -> bool:
    entries = document.get(relationship) if relationship in _RELATIONSHIPS else None
    ids = [one.get("id") if isinstance(one, dict) else one for one in entries] if isinstance(entries, list) else []
    return url in [_absolute(did, one) for one in ids]


def _selected(document: Members, parameters: dict[str, str]) -> list[Members]:
    """The services whose id and type are those of the parameters; `service` is an id, or the fragment of one."""
    did = str(document["id"])
    found = _entries(document, "service")
    if "service" in parameters:
        name = parameters["service"]
        wanted = name if name.startswith("did:") else f"{did}#{name.removeprefix('#')}"
        found = [one for one in found if _absolute(did, one.get("id")) == wanted]
    if "serviceType" in parameters:
        kinds = [(one, one.get("type")) for one in found]
        found = [one for one, kind in kinds if parameters["serviceType"] in (kind if isinstance(kind, list) else [kind])]
    return found


def _urls(endpoint: object) -> list[str]:
    """The URLs of an endpoint: a text, or texts in a list. Maps are passed over."""
    return [one for one in (endpoint if isinstance(endpoint, list) else [endpoint]) if isinstance(one, str)]


def _below(endpoint: str, reference: str) -> str:
    """The place that a relative reference names below an endpoint, which it never leaves, however it is written."""
    try:
        base, wanted = urlsplit(endpoint), urlsplit(reference)
    except ValueError as error:
        raise Unresolved(INVALID_DID_URL, f"relativeRef: {error}") from None
    if base.scheme not in ("http", "https") or not base.netloc:
        raise Unresolved(FEATURE_NOT_SUPPORTED, f"nothing is below {endpoint}, which is no web address")
    path = _decoded(wanted.path)
    leaves = any(step.partition(";")[0] == ".." for step in path.replace("\\", "/").split("/"))  # some servers cut off what is behind `;`
    if wanted.scheme or wanted.netloc or reference.startswith("//") or leaves:
        raise Unresolved(INVALID_DID_URL, "a relativeRef leads to a place below the service, not elsewhere")
    place = f"{base.path.rstrip('/')}/{wanted.path.lstrip('/')}"
    return urlunsplit((base.scheme, base.netloc, place, wanted.query or base.query, wanted.fragment))


def _decoded(path: str) -> str:
    """What servers that decode a path more than once may make of it."""
    for _ in range(_DECODINGS_MAX):
        path = unquote(path)
    if unquote(path) != path:
        raise Unresolved(INVALID_DID_URL, "a relativeRef is not encoded again and again")
    return path
