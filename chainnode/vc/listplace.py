"""Where a status list of a ledger is served: the URL that a credential names, whichever node answers at it.

The path names issuer and list, the query the chain, so that no other ledger's list is taken for it; the host is left to whoever issues.
"""

from dataclasses import dataclass
from string import ascii_letters, digits

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_STATUS_LIST
from chainnode.types.limits import DID_URL_BYTES_MAX

PATH = "/v1/credentials/lists/"
_CHAIN = "chain="
_PLAIN = (ascii_letters + digits + "-._~:").encode()  # what stands in a segment as it is, RFC 3986, 3.3
_HEX = "0123456789abcdefABCDEF"


@dataclass(frozen=True, slots=True)
class ListPlace:
    """A list by its issuer and id, and the chain that keeps it; empty: the URL does not say."""

    issuer: str
    list_id: str
    chain_id: str = ""


def url_of_list(home: str, place: ListPlace) -> str:
    """The URL of a list below `home`, which is a scheme and a host, as https://node.example."""
    query = f"?{_CHAIN}{_written(place.chain_id)}" if place.chain_id else ""
    return f"{home.rstrip('/')}{PATH}{_written(place.issuer)}/{_written(place.list_id)}{query}"


def place_of_url(url: str) -> ListPlace | None:
    """The list that a URL names; None when it is none of ours."""
    scheme, slashes, rest = url.partition("://")
    host, mark, path = rest.partition(PATH)
    if scheme not in ("http", "https") or not slashes or not host or "/" in host or not mark or len(url) > DID_URL_BYTES_MAX:
        return None
    path, question, query = path.partition("?")
    parts = path.split("/")
    if "#" in rest or len(parts) != 2 or (question and not query.startswith(_CHAIN)):
        return None
    try:
        issuer, list_id, chain_id = (_read(one) for one in (*parts, query.removeprefix(_CHAIN)))
    except Malformed:
        return None
    return ListPlace(issuer, list_id, chain_id) if issuer and list_id and (chain_id or not question) else None


def _written(text: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())


def _read(text: str) -> str:
    """What was percent-encoded; Malformed when it is nothing that was."""
    found, place = bytearray(), 0
    while place < len(text):
        if text[place] == "%" and place + 2 < len(text) and text[place + 1] in _HEX and text[place + 2] in _HEX:
            found.append(int(text[place + 1 : place + 3], 16))
            place += 3
        elif text[place].isascii() and ord(text[place]) in _PLAIN:
            found.append(ord(text[place]))
            place += 1
        else:
            raise Malformed(BAD_STATUS_LIST, "the URL of the list is not percent-encoded")
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise Malformed(BAD_STATUS_LIST, "the URL of the list is not UTF-8") from None
