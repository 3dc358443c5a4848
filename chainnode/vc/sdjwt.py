"""SD-JWT credentials: issuing, showing some claims, and verifying what is shown, through the library sd-jwt (extra `sdjwt`).

The library hides and opens claims. Around it stand the checks that it leaves out: one reading of the JSON, algorithms by kind of key,
each disclosure used once, times, and the holder's key binding. Sources: RFC 9901, 4, 5 and 7; draft-ietf-oauth-sd-jwt-vc, 3.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from chainnode.crypto.suites import PrivateKey
from chainnode.did.multikey import public_jwk, read_jwk
from chainnode.did.record import P256
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.types.codes import (
    BAD_CREDENTIAL,
    BAD_CREDENTIAL_PROOF,
    CREDENTIAL_EXPIRED,
    CREDENTIAL_NOT_YET_VALID,
    LIBRARY_MISSING,
    METHOD_NOT_AUTHORISED,
    SUITE_UNKNOWN,
    WRONG_CHALLENGE,
)
from chainnode.types.limits import CREDENTIAL_BYTES_MAX, CREDENTIAL_LIST_MAX
from chainnode.vc.dataintegrity import ASSERTION_METHOD, ResolveMethod
from chainnode.vc.jcs import Document, Json, check_depth, parse
from chainnode.vc.jws import ALGORITHMS, Jws, from_base64url, kind_of, parse_jws, sign_jws, to_base64url, verify_jws

TYPE, OLD_TYPE, BINDING_TYPE = "dc+sd-jwt", "vc+sd-jwt", "kb+jwt"
KINDS = ("e", P256)  # EdDSA and ES256
BINDING_AGE_MS_MAX = 300_000  # of a key binding, by its holder's clock
_ALWAYS_SHOWN = ("iss", "nbf", "exp", "cnf", "vct", "status")  # the standard forbids to hide them
_RESERVED = ("_sd", "_sd_alg", "...")
_MS_PER_SECOND = 1_000
_TIME_S_MAX = 253_402_300_799
_HOW = "README.md says under Commands how to install it (extra sdjwt)"


@dataclass(frozen=True, slots=True)
class SdJwt:
    """A credential that verified. `claims` are those that are shown, without the standard's own members of hiding.

    `holder` is the key that the credential is bound to, None when to none; `is_bound` says that its holder has shown to have it.
    """

    type: str
    issuer: str
    claims: Document
    method: str
    kind: str
    public_key: bytes
    holder: tuple[str, bytes] | None
    is_bound: bool


def issue(
    claims: Document, hidden: tuple[str, ...], key: PrivateKey, *, method: str, holder: tuple[str, bytes] | None = None, type: str = TYPE
) -> str:
    """A credential of these claims, `iss` and `vct` among them, those named in `hidden` (at the top) each to be shown or not.

    `method` is the verification method of `key`, of the issuer's document. The library draws the salts.
    """
    _check_claims(claims)
    if method.partition("#")[0] != claims["iss"] or "#" not in method:
        raise Malformed(BAD_CREDENTIAL, "the verification method is one of the issuer's document")
    if any(name not in claims or name in _ALWAYS_SHOWN for name in hidden):
        raise Malformed(BAD_CREDENTIAL, f"claims that can be hidden are there, and none of {', '.join(_ALWAYS_SHOWN)}")
    if "cnf" in claims or _names_reserved(claims):
        raise Malformed(BAD_CREDENTIAL, "the claims use names that the format keeps for itself")
    if key.suite not in KINDS:
        raise Malformed(SUITE_UNKNOWN, f"SD-JWT credentials are signed with Ed25519 or P-256 keys, not with kind '{key.suite}'")
    library, keys = _library(), _key_library()
    named = {library.SDObj(name) if name in hidden else name: value for name, value in claims.items()}
    made = library.SDJWTIssuer(
        named,
        keys(**_private_jwk(key)),
        None if holder is None else keys(**public_jwk(*holder)),
        ALGORITHMS[key.suite],
        extra_header_parameters={"typ": type, "kid": method},
    )
    text: str = made.sd_jwt_issuance
    return text


def present(
    text: str, shown: tuple[str, ...], *, holder_key: PrivateKey | None = None, nonce: str = "", audience: str = "", now_ms: int = 0
) -> str:
    """The credential with these hidden claims alone; with `holder_key`, bound to the verifier `audience` and its `nonce`, at `now_ms`."""
    _, disclosures, binding = _split(text)
    if binding:
        raise Malformed(BAD_CREDENTIAL, "a credential that is bound already cannot be shown in another way")
    names = [one[1] for one in map(_read_disclosure, disclosures) if len(one) == 3]
    if any(name not in names for name in shown):
        raise Malformed(BAD_CREDENTIAL, "a claim is to be shown that the credential does not hide")
    holder = _library().SDJWTHolder(text)
    holder.create_presentation(dict.fromkeys(shown, True))
    chosen: str = holder.sd_jwt_presentation
    if holder_key is None:
        return chosen
    payload = {"nonce": nonce, "aud": audience, "iat": now_ms // _MS_PER_SECOND, "sd_hash": _digest(chosen)}
    return chosen + sign_jws({"typ": BINDING_TYPE}, payload, holder_key)


def verify_sdjwt(text: str, resolve_method: ResolveMethod, now_ms: int, *, audience: str | None = None, nonce: str | None = None) -> SdJwt:
    """Check a credential, and its key binding when `audience` and `nonce` say for whom it must be.

    Malformed(BAD_CREDENTIAL); Rejected(BAD_CREDENTIAL_PROOF, SUITE_UNKNOWN, METHOD_NOT_AUTHORISED, CREDENTIAL_EXPIRED,
    CREDENTIAL_NOT_YET_VALID, WRONG_CHALLENGE), and whatever `resolve_method` raises. One that is bound for somebody is refused by others.
    """
    assert (audience is None) == (nonce is None)
    token, disclosures, binding = _split(text)
    payload = token.document
    _check_header(token, (TYPE, OLD_TYPE))
    _check_claims(payload)
    if payload.get("_sd_alg", "sha-256") != "sha-256":
        raise Rejected(SUITE_UNKNOWN, "claims are hidden by SHA-256, and by nothing else")
    _check_disclosures(payload, disclosures)
    method = _method(token.header, payload["iss"])
    key = resolve_method(method, ASSERTION_METHOD)
    verify_jws(token.header, token.signed, token.signature, key)
    claims = _open(text.rpartition("~")[0] + "~", key)
    _check_claims(claims)
    _check_times(claims, now_ms)
    holder = _holder_of(claims)
    if audience is not None and nonce is not None:
        _check_binding(text, binding, holder, audience, nonce, now_ms)
    elif binding:
        raise Rejected(WRONG_CHALLENGE, "the credential is bound for a verifier; say for whom, and for which nonce")
    return SdJwt(claims["vct"], claims["iss"], claims, method, key[0], key[1], holder, audience is not None)


def is_sdjwt(text: str) -> bool:
    """Whether a text looks like one: a token, with `~` behind it."""
    return "~" in text and text.partition("~")[0].count(".") == 2


def _split(text: str) -> tuple[Jws, tuple[str, ...], str]:
    """The issuer's token, the disclosures, and the key binding, empty without one."""
    parts = text.split("~")
    is_form = 2 <= len(parts) <= CREDENTIAL_LIST_MAX + 2 and (not parts[-1] or parts[-1].count(".") == 2)
    if len(text) > CREDENTIAL_BYTES_MAX or not is_form:
        raise Malformed(BAD_CREDENTIAL, "an SD-JWT is a token, its disclosures and perhaps a key binding, each behind a ~")
    return parse_jws(parts[0]), tuple(parts[1:-1]), parts[-1]


def _read_disclosure(text: str) -> list[Any]:
    """Salt, name and value, or salt and value of an element of a list."""
    try:
        value = parse(from_base64url(text).decode())
    except UnicodeDecodeError:
        raise Malformed(BAD_CREDENTIAL, "a disclosure is not UTF-8") from None
    is_one = isinstance(value, list) and len(value) in (2, 3) and isinstance(value[0], str)
    if not is_one or (len(value) == 3 and (not isinstance(value[1], str) or value[1] in _RESERVED)):
        raise Malformed(BAD_CREDENTIAL, "a disclosure is a list of salt, name and value, or of salt and value")
    return list(value)


def _check_disclosures(payload: Document, disclosures: tuple[str, ...]) -> None:
    """Each disclosure is asked for by exactly one digest, at a place of its form, and no digest stands twice (RFC 9901, 7.1)."""
    opened = {_digest(one): _read_disclosure(one) for one in disclosures}
    if len(opened) != len(disclosures):
        raise Malformed(BAD_CREDENTIAL, "a disclosure is there twice")
    named, listed = list[str](), list[str]()
    for value in (payload, *(one[-1] for one in opened.values())):
        _gather(value, named, listed)
    every = [*named, *listed]
    if len(dict.fromkeys(every)) != len(every):
        raise Malformed(BAD_CREDENTIAL, "a digest stands twice")
    for digest, one in opened.items():
        if digest not in (named if len(one) == 3 else listed):
            raise Malformed(BAD_CREDENTIAL, "a disclosure belongs to no hidden claim")
        if digest in payload.get("_sd", []) and one[1] in _ALWAYS_SHOWN:
            raise Malformed(BAD_CREDENTIAL, f"{one[1]} is hidden, and may not be: a holder would leave it out")


def _gather(value: Json, named: list[str], listed: list[str]) -> None:
    """All digests of a value: those of hidden members, and those of hidden elements of lists."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and "..." in item:
                if len(item) != 1 or not isinstance(item["..."], str):
                    raise Malformed(BAD_CREDENTIAL, "a hidden element is an object with ... and its digest")
                listed.append(item["..."])
            else:
                _gather(item, named, listed)
    elif isinstance(value, dict):
        digests = value.get("_sd", [])
        if not isinstance(digests, list) or not all(isinstance(one, str) for one in digests) or "..." in value:
            raise Malformed(BAD_CREDENTIAL, "_sd is a list of digests, and ... stands in lists alone")
        named.extend(digests)
        for name, item in value.items():
            if name != "_sd":
                _gather(item, named, listed)


def _open(text: str, key: tuple[str, bytes]) -> Document:
    """The claims with what is disclosed in its places, by the library, which checks the signature again."""
    library, keys = _library(), _key_library()
    from jwcrypto.common import JWException

    public = keys(**public_jwk(*key))
    try:
        claims: Document = library.SDJWTVerifier(text, lambda issuer, header: public).get_verified_payload()
    except (ValueError, KeyError, TypeError, JWException):
        raise Rejected(BAD_CREDENTIAL_PROOF, "the library sd-jwt does not take the credential") from None
    check_depth(claims)
    return claims


def _check_header(token: Jws, types: tuple[str, ...]) -> None:
    if token.header.get("typ") not in types:
        raise Malformed(BAD_CREDENTIAL, f"typ of the token is {types[0]}")
    if kind_of(token.header) not in KINDS:
        raise Rejected(SUITE_UNKNOWN, "SD-JWT credentials are signed with EdDSA or ES256")


def _check_claims(claims: Document) -> None:
    check_depth(claims)
    for name in ("iss", "vct"):
        if not isinstance(claims.get(name), str) or not claims[name]:
            raise Malformed(BAD_CREDENTIAL, f"{name} is a text")
    for name in ("iat", "nbf", "exp"):
        if name in claims and (type(claims[name]) is not int or not 0 <= claims[name] <= _TIME_S_MAX):
            raise Malformed(BAD_CREDENTIAL, f"{name} is a number of seconds since 1970")


def _check_times(claims: Document, now_ms: int) -> None:
    if now_ms < claims.get("nbf", 0) * _MS_PER_SECOND:
        raise Rejected(CREDENTIAL_NOT_YET_VALID, "nbf is to come")
    if "exp" in claims and now_ms >= claims["exp"] * _MS_PER_SECOND:
        raise Rejected(CREDENTIAL_EXPIRED, "exp has passed")


def _holder_of(claims: Document) -> tuple[str, bytes] | None:
    if "cnf" not in claims:
        return None
    binding = claims["cnf"]
    jwk = binding.get("jwk") if isinstance(binding, dict) else None
    if not isinstance(jwk, dict):
        raise Malformed(BAD_CREDENTIAL, "cnf names the holder's key as a jwk")
    return read_jwk(jwk)


def _check_binding(text: str, binding: str, holder: tuple[str, bytes] | None, audience: str, nonce: str, now_ms: int) -> None:
    """The holder's signature over what is shown, for this verifier, now."""
    if holder is None or not binding:
        raise Rejected(WRONG_CHALLENGE, "the holder has not bound the credential to this verifier")
    token = parse_jws(binding)
    _check_header(token, (BINDING_TYPE,))
    payload = token.document
    verify_jws(token.header, token.signed, token.signature, holder)
    if payload.get("aud") != audience or payload.get("nonce") != nonce:
        raise Rejected(WRONG_CHALLENGE, "the holder has bound the credential to another verifier or nonce")
    if payload.get("sd_hash") != _digest(text.removesuffix(binding)):
        raise Rejected(BAD_CREDENTIAL_PROOF, "the holder has signed other disclosures")
    made_s = payload.get("iat")
    if type(made_s) is not int or abs(now_ms - made_s * _MS_PER_SECOND) > BINDING_AGE_MS_MAX:
        raise Rejected(WRONG_CHALLENGE, "the key binding is not of now")


def _method(header: Document, issuer: str) -> str:
    """The key that the token names, of the issuer's document; the issuer alone, which means its only key, when it names none."""
    name = header.get("kid", "")
    if not isinstance(name, str):
        raise Malformed(BAD_CREDENTIAL, "kid is a text")
    if not name:
        return issuer
    if name.startswith("#"):
        return issuer + name
    if name.partition("#")[0] != issuer or "#" not in name:
        raise Rejected(METHOD_NOT_AUTHORISED, "the key that the token names is not one of the issuer's")
    return name


def _names_reserved(value: Json) -> bool:
    if isinstance(value, dict):
        return any(name in _RESERVED or _names_reserved(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_names_reserved, value))


def _private_jwk(key: PrivateKey) -> dict[str, str]:
    return {**public_jwk(key.suite, key.public), "d": to_base64url(key.secret)}


def _digest(text: str) -> str:
    return to_base64url(hashlib.sha256(text.encode()).digest())


def _library() -> Any:
    try:
        import sd_jwt.common
        import sd_jwt.holder
        import sd_jwt.issuer
        import sd_jwt.verifier
    except ImportError as error:
        raise Unavailable(LIBRARY_MISSING, f"SD-JWT credentials need the library sd-jwt; {_HOW}") from error
    return _Library(sd_jwt.common.SDObj, sd_jwt.issuer.SDJWTIssuer, sd_jwt.holder.SDJWTHolder, sd_jwt.verifier.SDJWTVerifier)


def _key_library() -> Any:
    try:
        from jwcrypto.jwk import JWK
    except ImportError as error:
        raise Unavailable(LIBRARY_MISSING, f"SD-JWT credentials need the library jwcrypto; {_HOW}") from error
    return JWK


@dataclass(frozen=True, slots=True)
class _Library:
    """What is taken of sd-jwt."""

    SDObj: Any
    SDJWTIssuer: Any
    SDJWTHolder: Any
    SDJWTVerifier: Any
