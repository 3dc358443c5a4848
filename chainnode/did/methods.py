"""The DID methods that are resolved here, and how: a new method is a file with a function, and a row in this table."""

from collections.abc import Callable
from dataclasses import dataclass

from chainnode import bid
from chainnode.did import keymethod, webmethod
from chainnode.did.syntax import parse_did_url
from chainnode.errors import Rejected
from chainnode.types.codes import DID_METHOD_UNKNOWN


@dataclass(frozen=True, slots=True)
class OnLedger:
    """The document is on this ledger. `check` raises Malformed(BAD_DID) for what is no DID of the method."""

    check: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class FromItself:
    """The document follows from the DID. `document` raises Malformed(BAD_DID)."""

    document: Callable[[str], dict[str, object]]


@dataclass(frozen=True, slots=True)
class FromWeb:
    """The document lies on a web server. `url_of` raises Malformed(BAD_DID)."""

    url_of: Callable[[str], str]


How = OnLedger | FromItself | FromWeb

METHODS: dict[str, How] = {
    "bid": OnLedger(bid.parse_did),
    "key": FromItself(keymethod.document),
    "web": FromWeb(webmethod.url_of),
}


def how_of(did: str) -> How:
    """How a DID is resolved; Malformed(BAD_DID), or Rejected(DID_METHOD_UNKNOWN)."""
    name = parse_did_url(did).method
    how = METHODS.get(name)
    if how is None:
        raise Rejected(DID_METHOD_UNKNOWN, f"did:{', did:'.join(METHODS)} are resolved here, not did:{name}")
    return how
