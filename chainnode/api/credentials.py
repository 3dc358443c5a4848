"""Credentials over HTTP: issuing and verifying as the VC API 1.0 of the W3C CCG has it, and what the ledger proves of what they rest on.

Verifying answers 200 when the credential counts and 400 when not, with the same members. Source: VC API, 3.2.1, 3.3.1 and 3.3.2.
"""

from dataclasses import asdict

from aiohttp import web

from chainnode.api.asking import body_of, query_choice, query_whole, wait_for_state
from chainnode.api.backend import Backend
from chainnode.api.problems import NothingHere
from chainnode.bid import parse_did
from chainnode.bundle import fact_of
from chainnode.bundlejson import bundle_to_json
from chainnode.codec import as_int, decode
from chainnode.errors import Malformed
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import Bundle, StateFact
from chainnode.types.codes import CODES, MALFORMED, NOT_FOUND, UNAUTHORISED, UNSUPPORTED_MEDIA
from chainnode.vc.jcs import Document, Json, parse
from chainnode.vc.ledgerproof import PROOF_TYPE
from chainnode.vc.listplace import ListPlace
from chainnode.vc.statuslist import PROBLEM_TYPES
from chainnode.vc.verify import Result
from contracts.credentials import (
    NAME,
    Issuer,
    SchemaVersion,
    decode_issuer,
    decode_schema_version,
    issuer_key,
    schema_key,
    schema_version_key,
)

VC = "application/vc"
_VERIFY_OPTIONS = ("challenge", "domain", "returnCredential", "returnPresentation", "returnProblemDetails", "returnResults", "checks")
_PROBLEM_HOME = "https://www.w3.org/TR/vc-data-model#"
_MALFORMED_TYPE = _PROBLEM_HOME + "MALFORMED_VALUE_ERROR"
_PROOF_TYPE = "https://w3id.org/security#PROOF_VERIFICATION_ERROR"
_PROBLEMS = {"bad-credential": _MALFORMED_TYPE, "bad-credential-proof": _PROOF_TYPE, **PROBLEM_TYPES}


# The VC API


async def issue(backend: Backend, request: web.Request) -> web.Response:
    """Sign a credential with the operator's key, for who has the token (INV-52)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not backend.credentials.is_allowed(token.strip()):
        raise _Unauthorised(UNAUTHORISED, "credentials are issued for who sends the token of the setting credentials.token_file")
    members = await _members(request, "credential", "options")
    credential = _object(members, "credential")
    options = _object(members, "options")
    for name in options:
        if name != "credentialId":
            raise Malformed(MALFORMED, f"there is no option '{name[:64]}'")
    if "credentialId" in options:
        credential = {"id": options["credentialId"], **credential}
    return web.json_response({"verifiableCredential": await backend.credentials.issue(credential)}, status=201)


async def verify(backend: Backend, request: web.Request) -> web.Response:
    """Whether a credential counts, and why."""
    members = await _members(request, "verifiableCredential", "options")
    _options(members)
    value = members.get("verifiableCredential")
    result, warnings = await backend.credentials.verify(value)
    return _verdict(result, warnings, {**_result_json(result), "credential": value})


async def verify_presentation(backend: Backend, request: web.Request) -> web.Response:
    """Whether a presentation counts, for this domain and challenge, and each credential in it."""
    members = await _members(request, "verifiablePresentation", "options")
    options = _options(members)
    domain, challenge = (_text_option(options, name) for name in ("domain", "challenge"))
    value = members.get("verifiablePresentation")
    whole, inside, warnings = await backend.credentials.verify_presentation(value, domain, challenge)
    results = [{"verified": one.is_valid, **_result_json(one), "problemDetails": _problems(one, ())} for one in inside]
    return _verdict(whole, warnings, {**_result_json(whole), "presentation": value, "credentialResults": results})


class _Unauthorised(Malformed):
    """The token is missing or another one; HTTP 401."""


async def _members(request: web.Request, *names: str) -> Document:
    """The body, a JSON object of these members, read without doubt."""
    if request.content_type not in ("application/json", VC):
        raise Malformed(UNSUPPORTED_MEDIA, "the body is application/json")
    body = await body_of(request)
    try:
        found: Json = parse(body.decode())
    except UnicodeDecodeError:
        raise Malformed(MALFORMED, "the body is not UTF-8") from None
    if not isinstance(found, dict) or any(name not in names for name in found) or names[0] not in found:
        raise Malformed(MALFORMED, f"the body is a JSON object with {names[0]}, and with options if you like")
    return found


def _object(members: Document, name: str) -> Document:
    found = members.get(name, {})
    if not isinstance(found, dict):
        raise Malformed(MALFORMED, f"{name} is a JSON object")
    return found


def _options(members: Document) -> Document:
    """The options of a verification; those that change what is answered are taken, and answered with everything."""
    options = _object(members, "options")
    for name in options:
        if name not in _VERIFY_OPTIONS:
            raise Malformed(MALFORMED, f"there is no option '{name[:64]}'")
    return options


def _text_option(options: Document, name: str) -> str | None:
    found = options.get(name)
    if found is not None and not isinstance(found, str):
        raise Malformed(MALFORMED, f"{name} is a text")
    return found


def _verdict(result: Result, warnings: tuple[str, ...], more: Document) -> web.Response:
    errors = [] if result.is_valid else [f"{result.code}: {result.detail or CODES[result.code].meaning}"]
    document = {
        "verified": result.is_valid,
        "checks": list(result.checked),
        "warnings": [*warnings, *(f"not checked: {one}" for one in result.unchecked)],
        "errors": errors,
        "problemDetails": _problems(result, warnings),
        **more,
    }
    return web.json_response(document, status=200 if result.is_valid else 400)


def _result_json(result: Result) -> Document:
    keys = [{"verificationMethod": one.method, "kind": one.kind, "publicKey": one.public_key.hex()} for one in result.keys]
    return {"form": result.form, "issuer": result.issuer, "keys": keys}


def _problems(result: Result, warnings: tuple[str, ...]) -> list[Document]:
    """What failed as the VC API has it (RFC 9457), with our code."""
    if result.is_valid:
        return []
    code = CODES[result.code]
    type = _PROBLEMS.get(code.name, "about:blank")
    detail = "; ".join((result.detail or code.meaning, *warnings))
    return [{"type": type, "title": code.meaning, "code": code.name, "detail": detail}]


# What the ledger proves


async def status_list(backend: Backend, request: web.Request) -> web.Response:
    """A status list as a credential."""
    chain = request.query.get("chain", "")
    if chain not in ("", backend.info.genesis.chain_id):
        raise NothingHere(NOT_FOUND, f"this node has lists of chain {backend.info.genesis.chain_id}")
    proof = query_choice(request, "proof", ("any", "bundle", "signature"), "any")
    height = query_whole(request.query, "height")
    await wait_for_state(backend, request)
    place = ListPlace(_did(request, "issuer"), request.match_info["list"])
    is_signed = None if proof == "any" else proof == "signature"
    document = await backend.credentials.status_list(place, height, is_signed=is_signed)
    return _credential(request, document)


async def issuer(backend: Backend, request: web.Request) -> web.Response:
    """What is known of an issuer, or that nothing is."""
    did = _did(request, "did")
    await wait_for_state(backend, request)
    bundle = await backend.bundle_state(NAME, issuer_key(did), query_whole(request.query, "height"))
    value = _value(bundle)
    return _proved("issuer", None if value is None else _issuer_json(decode_issuer(value)), bundle)


async def schema(backend: Backend, request: web.Request) -> web.Response:
    """A version of a schema, the newest unless the query says which, or that there is none."""
    did, schema_id, height = _did(request, "issuer"), request.match_info["schema"], query_whole(request.query, "height")
    version = query_whole(request.query, "version")
    await wait_for_state(backend, request)
    bundles: tuple[Bundle, ...] = ()
    if version is None:
        newest = await backend.bundle_state(NAME, schema_key(did, schema_id), height)
        value, height = _value(newest), newest.headers[-1].header.height - 1
        if value is None:
            return _proved("schema", None, newest)
        version, bundles = as_int(decode(value, bytes_max=16), 1, 2**31), (newest,)
    bundle = await backend.bundle_state(NAME, schema_version_key(did, schema_id, version), height)
    value = _value(bundle)
    return _proved("schema", None if value is None else _schema_json(decode_schema_version(value)), *bundles, bundle)


async def role(backend: Backend, request: web.Request) -> web.Response:
    """The credential that a DID holds a role."""
    name = request.query.get("role")
    if not name:
        raise Malformed(MALFORMED, "role says which role")
    height = query_whole(request.query, "height")
    await wait_for_state(backend, request)
    return _credential(request, await backend.credentials.role(_did(request, "did"), name, height))


def _credential(request: web.Request, document: Document) -> web.Response:
    """A credential as application/vc for who names it; clients at large know JSON by its name alone."""
    is_named = any(VC in one for one in request.headers.getall("Accept", ()))
    return web.json_response(document, content_type=VC if is_named else "application/json", headers={"Vary": "Accept"})


def _did(request: web.Request, name: str) -> str:
    did = request.match_info[name]
    parse_did(did)
    return did


def _value(bundle: Bundle) -> bytes | None:
    fact = fact_of(bundle)
    assert isinstance(fact, StateFact)
    return fact.value


def _issuer_json(one: Issuer) -> Document:
    return {**asdict(one), "evidence": one.evidence.hex()}


def _schema_json(one: SchemaVersion) -> Document:
    time = time_to_text(one.time_ms * 1_000_000)
    members = {"issuer": one.issuer, "schema": one.schema_id, "version": one.version, "digest": one.digest.hex()}
    return {**members, "height": one.height, "time": time}


def _proved(name: str, record: Document | None, *bundles: Bundle) -> web.Response:
    """A record, or null, with the bundles that prove it; 200 either way, as absence is proved too."""
    header = bundles[-1].headers[-1].header
    head = {name: record, "height": header.height - 1, "time": time_to_text(header.time_ns)}
    proofs = [{"type": PROOF_TYPE, "bundle": parse(bundle_to_json(one))} for one in bundles]
    return web.json_response({**head, "proof": proofs})
