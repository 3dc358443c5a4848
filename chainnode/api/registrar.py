"""DIF's DID registration over HTTP with secrets that stay with the client: `/1.0/create`, `/1.0/update`, `/1.0/deactivate`.

The node makes the transaction, the client signs it, the node submits it. Nothing is kept in between: the job is all in its id, which
is worth nothing without the signatures. Source: DIF DID Registration, sections 4, 8 and 13.
"""

import base64
import binascii
import json
import secrets
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from chainnode import transactions
from chainnode.api import registering
from chainnode.api.asking import body_of
from chainnode.api.backend import Backend, Reach, Resolved, Submitted
from chainnode.api.forms import code_name, encoded_value_json
from chainnode.api.jsonbody import read_json
from chainnode.api.registering import Members, Party, party_of
from chainnode.api.resolution import metadata_text
from chainnode.crypto import secp256k1
from chainnode.crypto.verify import verify_one
from chainnode.did.record import Identity
from chainnode.did.versions import NEWEST
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.types.codes import (
    ALREADY_EXISTS,
    BAD_DOCUMENT,
    BAD_OPTION,
    BAD_SIGNATURE,
    DEACTIVATED,
    FEATURE_MISSING,
    MALFORMED,
    NOT_FOUND,
    OK,
    REPLAYED,
    SIGNER_MISSING,
    TOO_LARGE,
    WAIT_TIMEOUT,
    WRONG_CHAIN,
)
from chainnode.types.limits import REGISTRATION_BYTES_MAX, REGISTRATION_MS, REGISTRATION_WAIT_MS
from chainnode.types.transaction import Invocation, Signature, TransactionBody
from contracts.identityrecords import NAME

JSON = "application/json"
ALGORITHMS = {"e": "EdDSA", "s": "ES256K", "z": "SM2"}
_SECRET_MEMBERS = ("privateKeyJwk", "privateKeyMultibase", "privateKeyHex", "seed", "mnemonic")
_OPTIONS = ("clientSecretMode", "sponsor", "network", "storeSecrets", "returnSecrets", "requestVerificationMethod")
Start = Callable[[Backend, Members], Awaitable[web.Response]]


async def create(backend: Backend, request: web.Request) -> web.Response:
    """Register a DID."""
    return await _operate(backend, request, _create, finished=201)


async def update(backend: Backend, request: web.Request) -> web.Response:
    """Replace the document of a DID."""
    return await _operate(backend, request, _update, finished=200)


async def deactivate(backend: Backend, request: web.Request) -> web.Response:
    """End a DID for ever."""
    return await _operate(backend, request, _deactivate, finished=200)


async def _operate(backend: Backend, request: web.Request, start: Start, *, finished: int) -> web.Response:
    """Begin a job, or go on with one that has its signatures; what goes wrong is a state too."""
    try:
        body = await body_of(request)
        if len(body) > REGISTRATION_BYTES_MAX:
            raise Malformed(TOO_LARGE, f"a request to register has at most {REGISTRATION_BYTES_MAX} bytes")
        asked = _asked(body)
        job = asked.get("jobId")
        if isinstance(job, str) and _signatures_of(asked):
            return await _finish(backend, job, _signatures_of(asked), finished)
        if isinstance(job, str):
            asked = {**_job_members(job), **{name: value for name, value in asked.items() if value}}
        return await start(backend, asked)
    except Unavailable:
        raise
    except ChainError as error:
        return _state(400, None, {"state": "failed", "error": error.code.name, "reason": error.detail})


# The three operations


async def _create(backend: Backend, asked: Members) -> web.Response:
    given, methods = _object(asked, "didDocument"), _methods_of(asked)
    if not given.get("verificationMethod") and not methods:
        template = {"verificationMethodTemplate": [registering.METHOD_TEMPLATE]}
        kept = {"didDocument": given, "options": asked.get("options")}
        return _state(200, _job_id(kept), {"state": "action", "action": "getVerificationMethod", **template})
    call, party = registering.creation(given, methods)
    if (await backend.resolve(party.did, NEWEST, has_proof=False, reach=Reach.OWN)).identity is not None:
        raise Rejected(ALREADY_EXISTS, f"{party.did} is registered")
    return await _ask_signatures(backend, asked, party.did, call, [party])


async def _update(backend: Backend, asked: Members) -> web.Response:
    operations, documents = asked.get("didDocumentOperation"), asked.get("didDocument")
    if operations not in (None, "setDidDocument", ["setDidDocument"]):
        raise Rejected(FEATURE_MISSING, "a document is replaced as a whole: setDidDocument")
    document = documents[0] if isinstance(documents, list) and len(documents) == 1 else documents
    if not isinstance(document, dict):
        raise Malformed(BAD_DOCUMENT, "an update has one didDocument")
    current = await _current(backend, asked)
    call = registering.change(current, document)
    return await _ask_signatures(backend, asked, current.did, call, await _deciders(backend, current))


async def _deactivate(backend: Backend, asked: Members) -> web.Response:
    current = await _current(backend, asked)
    return await _ask_signatures(backend, asked, current.did, registering.ending(current), await _deciders(backend, current))


async def _current(backend: Backend, asked: Members) -> Identity:
    """The newest version of the DID that is to be changed."""
    did = asked.get("did")
    if not isinstance(did, str):
        raise Malformed(BAD_OPTION, "the DID is missing")
    return await _registered(backend, did)


async def _registered(backend: Backend, did: str) -> Identity:
    found = (await backend.resolve(did, NEWEST, has_proof=False, reach=Reach.OWN)).identity
    if found is None:
        raise Rejected(NOT_FOUND, f"{did} is not registered")
    if not found.is_active:
        raise Rejected(DEACTIVATED, f"{did} was deactivated")
    return found


async def _deciders(backend: Backend, current: Identity) -> list[Party]:
    dids = registering.deciders(current)
    return [party_of(current if did == current.did else await _registered(backend, did)) for did in dids]


# Signatures


async def _ask_signatures(backend: Backend, asked: Members, did: str, call: Invocation, parties: list[Party]) -> web.Response:
    """Make the transaction and ask those who must sign it to do so, the sponsor first if there is one."""
    options = _object(asked, "options")
    sponsor = options.get("sponsor")
    if isinstance(sponsor, str):
        others = [one for one in parties if one.did != sponsor]
        parties = [next((one for one in parties if one.did == sponsor), None) or party_of(await _registered(backend, sponsor)), *others]
    valid_until_ms = time.time_ns() // 1_000_000 + REGISTRATION_MS
    body = TransactionBody(
        backend.info.genesis.chain_id,
        tuple(one.did for one in parties),
        secrets.token_bytes(transactions.NONCE_BYTES),
        valid_until_ms,
        (call,),
        "",
    )
    body_bytes = transactions.encode_body(body)
    transactions.decode_body(body_bytes)  # which checks the limits
    payload = base64.b64encode(transactions.sign_bytes(backend.info.genesis_hash, body_bytes)).decode()
    requests: Members = {
        one.did: {
            "payload": {"contract": call.contract, "method": call.method, "did": did, "chain_id": body.chain_id},
            "serializedPayload": payload,
            "kid": f"{one.did}#{one.fragment}" if one.fragment else one.did,
            "alg": ALGORITHMS[one.suite],
            "purpose": "capabilityInvocation",
        }
        for one in parties
    }
    keys = [[one.suite, one.public_key.hex()] for one in parties]
    job = _job_id({"did": did, "body": base64.b64encode(body_bytes).decode(), "keys": keys})
    return _state(200, job, {"state": "action", "action": "signPayload", "did": did, "signingRequest": requests})


async def _finish(backend: Backend, job: str, given: Members, finished: int) -> web.Response:
    """Submit a transaction that its parties have signed, and tell what became of it."""
    members = _job_members(job)
    did, body_bytes = str(members.get("did")), _base64(members.get("body"), "the body of the job")
    body = transactions.decode_body(body_bytes)
    if body.chain_id != backend.info.genesis.chain_id or [call.contract for call in body.calls] != [NAME]:
        raise Rejected(WRONG_CHAIN, "the job is none of this chain's registrar")
    message, signatures = transactions.sign_bytes(backend.info.genesis_hash, body_bytes), []
    for signer, key in zip(body.signers, _keys_of(members, len(body.signers)), strict=True):
        signatures.append(_signature(signer, key, given.get(signer), message))
    (told,) = await backend.submit([transactions.encode_transaction(body_bytes, signatures)], wait_ms=REGISTRATION_WAIT_MS)
    if told.code is REPLAYED:
        told = await _committed(backend, told)
    if told.code is WAIT_TIMEOUT:
        return _state(200, job, {"state": "wait", "did": did, "wait": "the next block", "waittime": str(REGISTRATION_WAIT_MS)})
    if told.result is None:
        raise Rejected(told.code, told.detail)
    if told.result.code != OK.number:
        reason = json.dumps(encoded_value_json(told.result.data))
        return _state(400, None, {"state": "failed", "did": did, "error": code_name(told.result.code), "reason": reason})
    resolved = await backend.resolve(did, NEWEST, has_proof=True, reach=Reach.OWN)
    assert told.tx_id is not None
    registration: Members = {"tx_id": told.tx_id.hex(), "height": told.height}
    state: Members = {"state": "finished", "did": did, "secret": {}, "didDocument": resolved.document}
    return _state(finished, job, state, registration, resolved)


async def _committed(backend: Backend, told: Submitted) -> Submitted:
    """What became of a transaction whose block came after its client was told to wait."""
    found = None if told.tx_id is None else await backend.transaction(told.tx_id)
    return told if found is None else Submitted(told.tx_id, OK, "", found.height, found.index, transactions.encode_result(found.result))


def _signature(did: str, key: tuple[str, bytes], given: object, message: bytes) -> Signature:
    """A party's signature; one over secp256k1 with a high S is written with the low one, which the chain takes."""
    if not isinstance(given, dict):
        raise Rejected(SIGNER_MISSING, f"{did} has not signed")
    suite, public_key = key
    signature = _base64(given.get("signature"), f"the signature of {did}")
    if suite == "s" and len(signature) == secp256k1.SIGNATURE_BYTES:
        s = int.from_bytes(signature[32:], "big")
        signature = signature[:32] + (min(s, secp256k1.ORDER - s) if s < secp256k1.ORDER else s).to_bytes(32, "big")
    if not verify_one(suite, public_key, signature, message):
        raise Rejected(BAD_SIGNATURE, f"the signature of {did} does not hold")
    return Signature(suite, public_key, signature)


# What is asked and answered


def _asked(body: bytes) -> Members:
    """The request; refused when it brings a secret, or wants us to make or keep one."""
    asked = read_json(body)
    if not isinstance(asked, dict):
        raise Malformed(MALFORMED, "the body is a JSON object")
    options = _object(asked, "options")
    for name in options:
        if name not in _OPTIONS:
            raise Rejected(FEATURE_MISSING, f"there is no option '{name[:64]}'")
    is_ours = options.get("clientSecretMode") is True and not options.get("storeSecrets") and not options.get("returnSecrets")
    if not is_ours and not isinstance(asked.get("jobId"), str):
        raise Rejected(FEATURE_MISSING, "secrets stay with the client here: options.clientSecretMode must be true")
    secret = _object(asked, "secret")
    if any(name in one for one in (secret, *_methods_of(asked)) for name in _SECRET_MEMBERS):
        raise Rejected(FEATURE_MISSING, "a private key was sent, which is not wanted here; it should be taken as known to others now")
    return asked


def _object(members: Members, name: str) -> Members:
    """A member that is an object; an absent one is empty."""
    found = members.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Malformed(MALFORMED, f"{name} is a JSON object")
    return found


def _methods_of(asked: Members) -> list[Members]:
    """The keys that the client has made on request."""
    methods = _object(asked, "secret").get("verificationMethod") or []
    if not isinstance(methods, list) or not all(isinstance(one, dict) for one in methods):
        raise Malformed(MALFORMED, "secret.verificationMethod is a list of objects")
    return methods


def _signatures_of(asked: Members) -> Members:
    return _object(_object(asked, "secret"), "signingResponse")


def _keys_of(members: Members, count: int) -> list[tuple[str, bytes]]:
    keys = members.get("keys")
    if not isinstance(keys, list) or len(keys) != count:
        raise Malformed(MALFORMED, "the job has not a key for each signer")
    found = []
    for one in keys:
        if not isinstance(one, list) or len(one) != 2 or one[0] not in ALGORITHMS or not isinstance(one[1], str):
            raise Malformed(MALFORMED, "the job has a key of no suite")
        found.append((str(one[0]), _hexadecimal(one[1])))
    return found


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Malformed(MALFORMED, "a key of the job is not hexadecimal") from None


def _job_id(members: Members) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).decode()


def _job_members(job: str) -> Members:
    try:
        members = read_json(base64.b64decode(job, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, Malformed):
        members = None
    if not isinstance(members, dict):
        raise Malformed(MALFORMED, "the jobId is none that this registrar has given")
    return members


def _base64(text: object, what: str) -> bytes:
    """Either alphabet, padded or not, as clients write it."""
    if isinstance(text, str):
        bare = text.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise Malformed(MALFORMED, f"{what} is not written in base64")


def _state(
    status: int, job: str | None, state: Members, registration: Members | None = None, resolved: Resolved | None = None
) -> web.Response:
    metadata = "{}" if resolved is None else metadata_text(resolved)
    head = json.dumps({"jobId": job, "didState": state, "didRegistrationMetadata": registration or {}})
    return web.Response(status=status, text=f'{head[:-1]}, "didDocumentMetadata": {metadata}}}', content_type=JSON)
