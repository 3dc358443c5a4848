"""Credentials at a node: issuing with the operator's key, verifying for anybody, status lists and roles out of the ledger's state."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, TypeVarTuple

from chainnode.bid import did_of
from chainnode.crypto.suites import PrivateKey
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.node.chain import Chain
from chainnode.node.config import Config
from chainnode.node.homes import read_passphrase_file
from chainnode.node.prover import Prover
from chainnode.node.webfetch import WebFetcher
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import StateFact
from chainnode.types.codes import BAD_CONFIG, BAD_CREDENTIAL, FEATURE_MISSING, METHOD_NOT_AUTHORISED, NOT_FOUND, OVERLOADED
from chainnode.types.limits import CREDENTIAL_CHECK_MS_MAX, CREDENTIAL_CHECKS_MAX, CREDENTIAL_WORK_MAX
from chainnode.vc import verify
from chainnode.vc.admission import with_admission
from chainnode.vc.issuing import issued, method_of
from chainnode.vc.jcs import Document, Json, check_depth, parse_document
from chainnode.vc.ledgerproof import list_document, role_document, with_bundle
from chainnode.vc.listplace import ListPlace, place_of_url, url_of_list
from chainnode.vc.listrecord import STORE, StatusList, chunk_key, decode_list, list_bits, list_key
from chainnode.vc.needs import keys_in, needs_of
from chainnode.vc.rolerecord import ROLES, role_key
from chainnode.vc.verify import Result, StatusLists
from contracts.credentials import decode_issuer, issuer_key

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")
DocumentOf = Callable[[str], Awaitable[Mapping[str, object] | None]]
TOKEN_LENGTH_MIN = 16
_NS_PER_MS = 1_000_000


class InThread(Protocol):
    """Runs what reads the disk in a thread, once the block that proves the state after `height` is there; None: that of now."""

    async def __call__(self, height: int | None, work: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        """What `work` gives."""


@dataclass(frozen=True, slots=True)
class Issuing:
    """What a node issues with. Without `key` it issues nothing. `home` is the URL under which its status lists are reached."""

    home: str = "http://127.0.0.1:26657"
    key: PrivateKey | None = None
    did: str = ""
    token: str = ""


def issuing_of(config: Config, key: PrivateKey | None) -> Issuing:
    """As the settings say; Malformed(BAD_CONFIG) when the token is none."""
    home = config.credentials_base_url or f"http://{config.api_listen}"
    if key is None:
        return Issuing(home)
    if not config.credentials_token_file:
        raise Malformed(BAD_CONFIG, "credentials.issuer_key needs credentials.token_file: anybody could have credentials issued")
    token = read_passphrase_file(config.home / config.credentials_token_file)
    if len(token) < TOKEN_LENGTH_MIN or not token.isascii():
        raise Malformed(BAD_CONFIG, f"credentials.token_file: a token is one line of at least {TOKEN_LENGTH_MIN} plain letters")
    return Issuing(home, key, config.credentials_issuer_did or did_of(key.suite, key.public), token)


@dataclass(slots=True)
class _Gathered:
    """What was fetched for a verification, and what could not be."""

    documents: dict[str, Mapping[str, object]] = field(default_factory=dict)
    signed: dict[str, Document] = field(default_factory=dict)
    proved: dict[str, Document] = field(default_factory=dict)
    as_of: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def lists(self) -> StatusLists:
        """For `verify`."""
        return StatusLists(self.signed, self.proved, self.as_of)


class CredentialDesk:
    """As `api.backend.Credentials`. `document_of` gives the document of a DID, None when there is none."""

    def __init__(
        self,
        chain: Chain,
        prover: Prover,
        document_of: DocumentOf,
        in_thread: InThread,
        fetcher: WebFetcher | None = None,
        issuing: Issuing | None = None,
    ) -> None:
        self._chain = chain
        self._prover = prover
        self._document_of = document_of
        self._in_thread = in_thread
        self._fetcher = fetcher
        self._issuing = Issuing() if issuing is None else issuing
        self._chain_id = chain.genesis.chain_id
        self._checks = 0

    # Issue

    def is_allowed(self, token: str) -> bool:
        """Whether it is ours; a node without a token takes none."""
        ours = self._issuing.token
        return bool(ours) and hmac.compare_digest(token.encode(), ours.encode())

    async def issue(self, credential: Document) -> Document:
        """With the operator's key, once its DID's document lists it."""
        key, did = self._issuing.key, self._issuing.did
        if key is None:
            raise Rejected(FEATURE_MISSING, "this node issues no credentials: its setting credentials.issuer_key is empty")
        document = await self._document_of(did)
        if document is None:
            raise Rejected(METHOD_NOT_AUTHORISED, f"{did} has no document, so that nobody could verify what it issues; register it first")
        method = method_of(did, document, key)
        return await asyncio.to_thread(issued, credential, key, method, _now_ms())

    # Verify

    async def verify(self, value: Json) -> tuple[Result, tuple[str, ...]]:
        """Whatever its form."""
        async with self._turn(value):
            found = await self._gather(value)
            given = (keys_in(found.documents), _now_ms(), found.lists, self._chain.genesis)
            result = await asyncio.to_thread(verify.verify_credential, value, *given)
            return self._judged(result), tuple(found.warnings)

    async def verify_presentation(
        self, value: Json, domain: str | None, challenge: str | None
    ) -> tuple[Result, tuple[Result, ...], tuple[str, ...]]:
        """For this domain and challenge."""
        async with self._turn(value):
            found = await self._gather(value)
            keys, genesis = keys_in(found.documents), self._chain.genesis
            whole, inside = await asyncio.to_thread(
                verify.verify_presentation, value, keys, _now_ms(), found.lists, genesis, domain=domain, challenge=challenge
            )
            return whole, tuple(map(self._judged, inside)), tuple(found.warnings)

    @asynccontextmanager
    async def _turn(self, value: Json) -> AsyncIterator[None]:
        """A place among those who are verified for; Unavailable(OVERLOADED) when there is none, or it takes too long."""
        check_work(value)
        if self._checks >= CREDENTIAL_CHECKS_MAX:
            raise Unavailable(OVERLOADED, f"{CREDENTIAL_CHECKS_MAX} credentials are being verified")
        self._checks += 1
        try:
            async with asyncio.timeout(CREDENTIAL_CHECK_MS_MAX / 1000):
                yield
        except TimeoutError:
            raise Unavailable(OVERLOADED, f"what the credential asks for did not come within {CREDENTIAL_CHECK_MS_MAX} ms") from None
        finally:
            self._checks -= 1

    async def _gather(self, value: Json) -> _Gathered:
        """Documents and lists. What does not exist is left out, with a warning; what can not be reached now raises Unavailable."""
        found = _Gathered()
        needs = needs_of(value)
        for url in needs.lists:
            await self._add_list(url, found)
        asked = [needs, *map(needs_of, found.signed.values())]
        for did in dict.fromkeys(did for one in asked for did in one.dids):
            document = await self._unless_refused(did, found, self._document_of, did)
            if document is not None:
                found.documents[did] = document
        return found

    async def _add_list(self, url: str, found: _Gathered) -> None:
        place = place_of_url(url)
        if place is not None and place.chain_id in ("", self._chain_id):
            listed = await self._unless_refused(url, found, self._in_thread, None, self._list, place, None)
            if listed is not None:
                record, bits, at = listed
                found.proved[url], found.as_of[url] = list_document(record, bits, url), self._as_of(at)
        elif self._fetcher is None:
            found.warnings.append(f"{url}: this node asks no web servers: its setting resolver.web is off")
        else:
            content = await self._unless_refused(url, found, self._fetcher.fetch, url)
            document = None if content is None else await self._unless_refused(url, found, _document, content)
            if document is not None:
                found.signed[url] = document

    async def _unless_refused(
        self, name: str, found: _Gathered, work: Callable[[*Arguments], Awaitable[Answer]], *arguments: *Arguments
    ) -> Answer | None:
        try:
            return await work(*arguments)
        except (Malformed, Rejected) as refusal:
            found.warnings.append(f"{name}: {refusal.detail or refusal.code.meaning}")
            return None

    def _judged(self, result: Result) -> Result:
        """With what the ledger knows of the issuer now."""
        value = self._chain.state.get(STORE, issuer_key(result.issuer))
        return with_admission(result, None if value is None else decode_issuer(value))

    # What the ledger says

    async def status_list(self, place: ListPlace, height: int | None, *, is_signed: bool | None) -> Document:
        """Signed or with a bundle."""
        record, bits, at = await self._in_thread(height, self._list, place, height)
        key = self._issuing.key
        document = list_document(record, bits, url_of_list(self._issuing.home, ListPlace(place.issuer, place.list_id, self._chain_id)))
        can_sign = key is not None and record.issuer == self._issuing.did
        if is_signed and not can_sign:
            raise Rejected(FEATURE_MISSING, f"this node has no key of {record.issuer}; the proof of the ledger is there without one")
        if can_sign and is_signed is not False:
            return await self.issue(document)
        return await self._in_thread(at, self._with_bundle, document, list_key(place.issuer, place.list_id), at)

    def _list(self, place: ListPlace, height: int | None) -> tuple[StatusList, bytes, int]:
        """Record and bits, and the height after which they are so. Blocking."""
        at = self._prover.provable_height(height)
        value = self._chain.state.value_at(STORE, list_key(place.issuer, place.list_id), at)
        if value is None:
            raise Rejected(NOT_FOUND, f"{place.issuer} has no list {place.list_id} after block {at}")
        record = decode_list(value)
        keys = [chunk_key(place.issuer, place.list_id, number) for number in range(len(record.chunks))]
        chunks = (self._chain.state.value_at(STORE, key, at) if digest else None for key, digest in zip(keys, record.chunks, strict=True))
        return record, list_bits(record, tuple(chunks)), at

    def _with_bundle(self, document: Document, key: bytes, at: int) -> Document:
        return with_bundle(document, self._prover.state(STORE, key, at))

    def _as_of(self, at: int) -> str:
        block = self._prover.light_block(at + 1)
        assert block is not None
        return f"block {at}, {time_to_text(block.header.time_ns)}"

    async def role(self, did: str, role: str, height: int | None) -> Document:
        """With its bundle."""
        return await self._in_thread(height, self._role, did, role, height)

    def _role(self, did: str, role: str, height: int | None) -> Document:
        key, at = role_key(did), self._prover.provable_height(height)
        bundle = self._prover.state(ROLES, key, at)
        fact = StateFact(ROLES, key, self._chain.state.value_at(ROLES, key, at), at)
        return with_bundle(role_document(bundle, fact, did, role), bundle)


def check_work(value: Json) -> None:
    """Malformed(BAD_CREDENTIAL) when so many proofs of so long a text would take too long: each is checked over all of it."""
    check_depth(value)
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) * max(1, text.count('"proofValue"')) > CREDENTIAL_WORK_MAX:
        raise Malformed(BAD_CREDENTIAL, "so many proofs of so long a credential are not verified here")


async def _document(content: bytes) -> Document:
    try:
        return parse_document(content.decode())
    except UnicodeDecodeError:
        raise Malformed(BAD_CREDENTIAL, "the list is not UTF-8") from None


def _now_ms() -> int:
    return time.time_ns() // _NS_PER_MS
