"""did:web: a DID that names a place on a web server, where its document lies. Nothing is fetched here.

Source: W3C CCG, did:web method, sections 2.1 and 3.2, of 2026-05.
"""

import json
import re

from chainnode.did.syntax import parse_did_url
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_DID, WEB_DID_BAD

PREFIX = "did:web:"
_WELL_KNOWN = "/.well-known/did.json"
_FILE = "/did.json"
_PORT_MAX = 65_535
_HOST_LENGTH_MAX = 253
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # names beyond ASCII stand as punycode
_HOST = re.compile(rf"(?:{_LABEL}\.)*({_LABEL})")
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*")  # a host whose last label is one is read as an IPv4 address
_PLACE = re.compile("([^:]*)(?::([1-9][0-9]{0,4}))?")


def url_of(did: str) -> str:
    """Where the document of a did:web lies: https, the host's own at a well-known place. Malformed(BAD_DID)."""
    url = parse_did_url(did)
    if url.method != "web" or not url.is_did:
        raise _bad("this is no did:web")
    place, *segments = url.specific_id.split(":")
    host = _place(place.replace("%3A", ":"))
    return f"https://{host}{_WELL_KNOWN}" if not segments else f"https://{host}/{'/'.join(map(_segment, segments))}{_FILE}"


def did_of_url(url: str) -> str:
    """The did:web whose document lies at an https address; the inverse of `url_of`."""
    place, _, path = url.removeprefix("https://").partition("/")
    segments = [] if f"/{path}" == _WELL_KNOWN else path.removesuffix(_FILE).split("/")
    did = PREFIX + ":".join((_place(place).replace(":", "%3A"), *segments))
    if url_of(did) != url:
        raise _bad("the address is not the one that a did:web leads to")
    return did


def _place(text: str) -> str:
    """A host with a port, if any; no user, no address, nothing that needs encoding."""
    match = _PLACE.fullmatch(text)
    host = match[1].lower() if match else ""
    labels = _HOST.fullmatch(host)
    if match is None or labels is None or _NUMBER.fullmatch(labels[1]) or len(host) > _HOST_LENGTH_MAX or int(match[2] or 1) > _PORT_MAX:
        raise _bad("a did:web names a host by its name, in ASCII letters, and a port, if any, behind %3A")
    return host if match[2] is None else f"{host}:{match[2]}"


def _segment(text: str) -> str:
    if text in ("", ".", "..") or re.search("%(?:2F|5C|00)", text):
        raise _bad("a segment of the path of a did:web is not empty, not . or .., and hides no slash")
    return text


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_DID, detail)


def web_document(did: str, content: bytes) -> dict[str, object]:
    """The document that a web server keeps for a did:web; Rejected(WEB_DID_BAD) when it is another's, or none."""
    try:
        document = json.loads(content)
        json.dumps(document, allow_nan=False)  # not every number that is read can be written again
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("id") != did:
        raise Rejected(WEB_DID_BAD, f"what the server keeps is not a document whose id is {did}")
    return document
