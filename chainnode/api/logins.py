"""Login with a DID over HTTP, for applications that leave it to a node: a challenge for the holder to sign, then the answer, once.

The node says who has signed, by which key. What that lets somebody do, and for how long, is the application's to say.
"""

import json

from aiohttp import web

from chainnode.api.asking import body_of
from chainnode.api.backend import Backend
from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED
from chainnode.vc.login import challenge_json, read_answer


async def challenge(backend: Backend, request: web.Request) -> web.Response:
    """A challenge of an application."""
    made = backend.logins.challenge(request.query.get("domain", ""))
    return web.json_response(challenge_json(made), headers={"Cache-Control": "no-store"})


async def login(backend: Backend, request: web.Request) -> web.Response:
    """Who has answered."""
    try:
        answer: object = json.loads(await body_of(request))
    except (ValueError, RecursionError):
        raise Malformed(MALFORMED, "the body is a JSON object: challenge, did, verificationMethod, signature") from None
    found = await backend.logins.login(read_answer(answer))
    document = {
        "did": found.did,
        "verificationMethod": found.method,
        "kind": found.kind,
        "publicKey": found.public_key.hex(),
    }
    return web.json_response(document, headers={"Cache-Control": "no-store"})
