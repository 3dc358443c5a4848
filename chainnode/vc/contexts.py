"""The contexts of a credential, checked without a JSON-LD processor: what they are, what they may redefine, which types they know.

What a remote context defines is not looked up; a type that one of them could define is taken. Source: W3C VC Data Model 2.0, 4.3, 4.5, 5.2.
"""

import re

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_CREDENTIAL
from chainnode.types.limits import CREDENTIAL_LIST_MAX
from chainnode.vc.jcs import Document, Json, canonical

BASE = "https://www.w3.org/ns/credentials/v2"
# The terms that the base context defines, all of them protected.
BASE_TERMS = frozenset(
    [
        "id",
        "type",
        "description",
        "digestMultibase",
        "digestSRI",
        "mediaType",
        "name",
        "VerifiableCredential",
        "EnvelopedVerifiableCredential",
        "VerifiablePresentation",
        "EnvelopedVerifiablePresentation",
        "JsonSchemaCredential",
        "JsonSchema",
        "BitstringStatusListCredential",
        "BitstringStatusList",
        "BitstringStatusListEntry",
        "DataIntegrityProof",
        "_sd",
        "_sd_alg",
        "aud",
        "cnf",
        "exp",
        "iat",
        "iss",
        "jku",
        "kid",
        "nbf",
        "sub",
        "x5u",
        "...",
    ]
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f<>\"{}|\\^`]+")
_NOT_IN_IRI = re.compile(r"[\x00-\x20<>\"{}|\\^`]")


def is_url(value: Json) -> bool:
    """Whether the value is an absolute URL, of whatever scheme."""
    return isinstance(value, str) and _URL.fullmatch(value) is not None


def check_contexts(value: Json, types: tuple[str, ...]) -> None:
    """Malformed(BAD_CREDENTIAL) unless `@context` is a list that begins with the base context, and may define each of the types."""
    if not isinstance(value, list) or not 0 < len(value) <= CREDENTIAL_LIST_MAX or value[0] != BASE:
        raise _bad(f"@context is a list that begins with {BASE}")
    known, protected = dict[str, bytes](), dict[str, bytes]()
    has_remote = has_vocabulary = False
    for one in value[1:]:
        if isinstance(one, str):
            if not is_url(one):
                raise _bad(f"the context {one} is not a URL")
            has_remote = has_remote or one != BASE
        elif isinstance(one, dict):
            _read_terms(one, known, protected)
            if "@vocab" in one:
                has_vocabulary = one["@vocab"] is not None
        else:
            raise _bad("a context is a URL or an object")
    for name in types:
        if not (name in BASE_TERMS or name in known or is_url(name) or has_remote or has_vocabulary):
            raise _bad(f"no context defines the type {name}")


def has_base(value: Json) -> bool:
    """Whether `@context` is the base context, or a list with it, which is enough around an envelope."""
    return value == BASE or (isinstance(value, list) and BASE in value)


def _read_terms(context: Document, known: dict[str, bytes], protected: dict[str, bytes]) -> None:
    """Add the terms of an inline context to `known`, and the protected ones to `protected`; Malformed when one may not be defined so."""
    for term, definition in context.items():
        if term.startswith("@"):
            continue
        if term in BASE_TERMS:
            raise _bad(f"a context redefines {term}")
        said = canonical(definition)
        if protected.get(term, said) != said:
            raise _bad(f"a context redefines {term}, which an earlier one protects")
        target = definition.get("@id") if isinstance(definition, dict) else definition
        if isinstance(target, str) and _NOT_IN_IRI.search(target):
            raise _bad(f"a context maps {term} to what is not a URL")
        known[term] = said
        own = definition.get("@protected") if isinstance(definition, dict) else None
        if own is True or (own is None and context.get("@protected") is True):
            protected[term] = said


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_CREDENTIAL, detail)
