"""Logins at a node, for applications that do not check signatures themselves: challenges of a few domains, and answers, each once."""

import secrets
import time

from chainnode.errors import Malformed, Rejected
from chainnode.node.credentials import DocumentOf
from chainnode.types.codes import BAD_OPTION, FEATURE_MISSING, METHOD_NOT_AUTHORISED
from chainnode.types.limits import LOGIN_LIFETIME_MS
from chainnode.vc.login import NONCE_BYTES, SECRET_BYTES, Answer, Challenge, Login, Nonces, new_challenge, verify_challenge
from chainnode.vc.needs import keys_in

_NS_PER_MS = 1_000_000


class LoginDesk:
    """As `api.backend.Logins`. The secret is drawn at the start: after a restart, who has a challenge asks for another."""

    def __init__(self, domains: tuple[str, ...], chain_id: str, document_of: DocumentOf) -> None:
        self._domains = domains
        self._chain_id = chain_id
        self._document_of = document_of
        self._secret = secrets.token_bytes(SECRET_BYTES)
        self._nonces = Nonces()

    def challenge(self, domain: str) -> Challenge:
        """For a domain of the settings."""
        self._check(domain)
        nonce = secrets.token_bytes(NONCE_BYTES)
        return new_challenge(domain, nonce, _now_ms(), LOGIN_LIFETIME_MS, chain_id=self._chain_id, secret=self._secret)

    async def login(self, answer: Answer) -> Login:
        """Resolve the DID, and check the answer with the keys that its document lists now."""
        domain = answer.challenge.domain
        self._check(domain)
        document = await self._document_of(answer.did)
        if document is None:
            raise Rejected(METHOD_NOT_AUTHORISED, f"{answer.did} has no document: it is not registered, or was deactivated")
        return verify_challenge(
            answer,
            keys_in({answer.did: document}),
            _now_ms(),
            domain=domain,
            chain_id=self._chain_id,
            secret=self._secret,
            nonces=self._nonces,
        )

    def _check(self, domain: str) -> None:
        if not self._domains:
            raise Rejected(FEATURE_MISSING, "this node lets nobody in: its setting login.domains is empty")
        if domain not in self._domains:
            raise Malformed(BAD_OPTION, "the domain is none of this node's setting login.domains")


def _now_ms() -> int:
    return time.time_ns() // _NS_PER_MS
