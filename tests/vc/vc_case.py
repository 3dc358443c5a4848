"""Keys, a resolver and a credential for tests of credentials."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chainnode.bid import did_of
from chainnode.crypto.suites import PrivateKey, generate
from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.types.codes import METHOD_NOT_AUTHORISED, Code
from chainnode.vc.signatures import p256_key

NOW_MS = 1_790_000_000_000
BASE_CONTEXT = "https://www.w3.org/ns/credentials/v2"


def key(name: str, kind: str = "e") -> PrivateKey:
    """Somebody's key of a kind."""
    secret = hashlib.sha256(f"{name} {kind}".encode()).digest()
    return p256_key(secret) if kind == "p" else generate(kind, secret)


def did(name: str) -> str:
    """Somebody's DID, which is the hash of the Ed25519 key."""
    return did_of("e", key(name).public)


def method(name: str, kind: str = "e") -> str:
    """The verification method of somebody's key."""
    return f"{did(name)}#{kind}"


class Keys:
    """A resolver of what was `put`: everybody's keys of every kind, for all purposes unless it is said otherwise."""

    def __init__(self, *names: str, purposes: tuple[str, ...] = ("assertionMethod", "authentication")) -> None:
        self.known = {(method(name, kind), purpose): key(name, kind) for name in names for kind in "espz" for purpose in purposes}
        self.asked: list[tuple[str, str]] = []

    def __call__(self, method_id: str, purpose: str) -> tuple[str, bytes]:
        self.asked.append((method_id, purpose))
        found = self.known.get((method_id, purpose))
        if found is None:
            raise Rejected(METHOD_NOT_AUTHORISED, f"{method_id} is not there for {purpose}")
        return found.suite, found.public


def credential(**changes: Any) -> dict[str, Any]:
    """A credential without proof; a member set to None is left out."""
    made: dict[str, Any] = {
        "@context": [BASE_CONTEXT],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential"],
        "issuer": did("issuer"),
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": did("subject"), "degree": "博士"},
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


@contextmanager
def refused(code: Code, words: str = "", kind: type[ChainError] | None = None) -> Iterator[None]:
    """What runs in it is refused with this code, and says these words."""
    with pytest.raises((Malformed, Rejected) if kind is None else kind) as caught:
        yield
    assert caught.value.code == code, caught.value
    assert words in caught.value.detail, caught.value.detail


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON value that holds no list and no object."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
        return
    for name, item in items:
        yield from places(item, (*path, name))


def bent(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """The JSON value with something changed there."""
    if not path:
        return change(value)
    if isinstance(value, dict):
        return {name: bent(item, path[1:], change) if name == path[0] else item for name, item in value.items()}
    return [bent(item, path[1:], change) if place == path[0] else item for place, item in enumerate(value)]
