"""The client of a chain: ask and submit, through one node or several, and believe what is proved."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Self

import aiohttp

from chainnode import codec
from chainnode.client.anchoring import Item, records_of
from chainnode.client.asking import Asker
from chainnode.client.credentials import (
    CredentialValue,
    Given,
    Members,
    ProvedStatusList,
    VerifiedCredential,
    role_credential,
    status_list,
    verify_credential,
    verify_presentation,
)
from chainnode.client.events import END_OF_HEIGHT, LedgerEvent, Place, Wanted, follow
from chainnode.client.failures import NotProved
from chainnode.client.nodes import Json, Node, Nodes, check_urls, parse_json
from chainnode.client.otherchain import OtherChain
from chainnode.client.outcomes import TransactionReceipt
from chainnode.client.proved import Proved
from chainnode.client.questions import about_digest, about_header, about_record, about_state, about_transaction
from chainnode.client.resolving import ResolvedDid, resolve
from chainnode.client.signing import Signer, build_transaction
from chainnode.client.submitting import each, submit, submit_many
from chainnode.did.versions import wanted_of
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError
from chainnode.types.bundle import EvidenceFact, HeaderFact, StateFact, TransactionFact
from chainnode.types.codes import MALFORMED
from chainnode.types.genesis import Genesis
from chainnode.types.limits import ANCHOR_RECORDS, CLIENT_HEARTBEATS_MAX, CLIENT_TIMEOUT_MS
from chainnode.types.transaction import Invocation
from chainnode.vc.listplace import ListPlace

_INT64_MAX = 2**63 - 1


class Client:
    """`async with Client(urls, genesis) as client`. Each method raises a ChainError, within `timeout_ms`, or tells what is proved.

    `verify=False` takes the word of the nodes, for those who ask their own. `age_ms_max`: how old an answer about now may be, by our
    clock; None: three heartbeats. `headers` go with each request, to pass a proxy that asks for them.

    Unavailable: no node answered well in time. Rejected: a node says no, by its word. NotProved: no node proved an answer.
    ChainForked: more than a third of the voting power lies.
    """

    def __init__(
        self,
        urls: Sequence[str],
        genesis: Genesis,
        *,
        verify: bool = True,
        timeout_ms: int = CLIENT_TIMEOUT_MS,
        age_ms_max: int | None = None,
        headers: Mapping[str, str] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        check_urls(urls)
        self.genesis = genesis
        self._genesis_hash = genesis_hash(genesis)
        self._urls = urls
        self._verify = verify
        self._timeout_ms = timeout_ms
        self._age_ms_max = CLIENT_HEARTBEATS_MAX * genesis.params.heartbeat_ms if age_ms_max is None else age_ms_max
        self._headers = {**(headers or {}), "Accept-Encoding": "identity"}
        self._now_ns = now_ns

    async def __aenter__(self) -> Self:
        """Connections are made when they are needed."""
        self._session = aiohttp.ClientSession(headers=self._headers, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        self._nodes = Nodes(self._urls, self._session, self._timeout_ms)
        self._asker = Asker(self._nodes, self.genesis, self._verify, self._age_ms_max, self._now_ns)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections; streams of events end."""
        await self._session.close()

    # Ask

    async def state(self, store: str, key: bytes, height: int | None = None, *, min_height: int = 0) -> Proved[StateFact]:
        """What a store holds under a key (`fact.value`; None: nothing), after block `height` or now.

        Now is never before anything that this client has seen, its own transactions too, nor before block `min_height`, of which
        somebody else told.
        """
        return await self._asker.ask(about_state(store, key, height), min_height)

    async def resolve(
        self, did: str, version_id: int | str | None = None, version_time: str | None = None, *, min_height: int = 0
    ) -> ResolvedDid:
        """A DID's document, or that there is none: the newest, the version with a number, or the one in force at a time.

        `version_time` is written as 2026-11-25T08:00:00Z. did:key is worked out here; did:web has no proof and is
        refused.
        """
        wanted = wanted_of(None if version_id is None else str(version_id), version_time)
        return await resolve(self._asker, did, wanted, min_height)

    async def verify_credential(
        self,
        value: CredentialValue,
        *,
        documents: Mapping[str, Members] | None = None,
        lists: Mapping[str, Members] | None = None,
        min_height: int = 0,
    ) -> VerifiedCredential:
        """Whether a credential of any form counts, with keys, status lists and the issuer's admission as the ledger proves them now.

        `documents` by DID and `lists` by URL are what the caller knows of issuers and lists that are not on the ledger.
        """
        return await verify_credential(self._asker, value, Given(documents or {}, lists or {}, min_height))

    async def verify_presentation(
        self,
        value: CredentialValue,
        *,
        domain: str | None = None,
        challenge: str | None = None,
        documents: Mapping[str, Members] | None = None,
        lists: Mapping[str, Members] | None = None,
        min_height: int = 0,
    ) -> VerifiedCredential:
        """The same of a presentation for this domain and challenge; `inside` are the results of its credentials."""
        given = Given(documents or {}, lists or {}, min_height)
        return await verify_presentation(self._asker, value, given, domain=domain, challenge=challenge)

    async def status_list(
        self, issuer: str, list_id: str, height: int | None = None, *, url: str = "", min_height: int = 0
    ) -> ProvedStatusList:
        """A status list of the ledger, after block `height` or now. Rejected(NOT_FOUND) when it is proved that there is none.

        `url` is its name in a credential; else the list is called as the node does.
        """
        return await status_list(self._asker, ListPlace(issuer, list_id), height, min_height, url)

    async def role_credential(self, did: str, role: str, height: int | None = None, *, min_height: int = 0) -> Members:
        """The credential, with its proof, that a DID holds a role. Rejected(NOT_FOUND) when it is proved that it does not."""
        return await role_credential(self._asker, did, role, height, min_height)

    async def evidence(self, digest: bytes, *, min_height: int = 0) -> Proved[EvidenceFact]:
        """The first record of a digest. That there is none is the nodes' word: Rejected(NOT_FOUND)."""
        return await self._asker.ask(about_digest(digest), min_height)

    async def record(self, index: int, *, min_height: int = 0) -> Proved[EvidenceFact]:
        """The record at a place of the evidence log."""
        return await self._asker.ask(about_record(index), min_height)

    async def transaction(self, tx_id: bytes) -> Proved[TransactionFact]:
        """An applied transaction with its result. That there is none is the nodes' word: Rejected(TX_UNKNOWN)."""
        return await self._asker.ask(about_transaction(tx_id, self._nodes.wait_ms))

    async def header(self, height: int | None = None) -> Proved[HeaderFact]:
        """The header of a height, or the newest."""
        return await self._asker.ask(about_header(height))

    def anchored(self, ac: str, urls: Sequence[str]) -> OtherChain:
        """Facts of the chain with an AC number, which its nodes at `urls` tell, proved from this client's genesis file in two hops."""
        return OtherChain(self._asker, self._nodes.others(urls), ac)

    async def status(self) -> dict[str, Json]:
        """Where a node stands, by its own word."""
        document = parse_json(await self._nodes.first_good(lambda node: node.get("/v1/status", {})))
        if not isinstance(document, dict):
            raise NotProved(MALFORMED, "the status is no JSON object")
        return document

    # Submit

    async def submit(self, what: bytes | Invocation | Sequence[Invocation], *signers: Signer, memo: str = "") -> TransactionReceipt:
        """Submit a signed transaction, or calls that `signers` sign here, the first as sender; wait until it is applied.

        TransactionFailed when a rule said no. Rejected when no node takes it. Unavailable when no block had it in time: it may still be
        applied. To submit the same bytes again is harmless.
        """
        raw = what if isinstance(what, bytes) else self.sign(what, *signers, memo=memo)
        return await submit(self._asker, raw)

    def sign(self, calls: Invocation | Sequence[Invocation], *signers: Signer, memo: str = "") -> bytes:
        """A transaction of this chain, to be submitted within a minute. Malformed when it breaks a limit."""
        calls = (calls,) if isinstance(calls, Invocation) else calls
        return build_transaction(self.genesis.chain_id, self._genesis_hash, signers, calls, memo=memo)[1]

    async def submit_many(self, raws: Sequence[bytes]) -> tuple[TransactionReceipt | ChainError, ...]:
        """Submit signed transactions and wait for all. Each has, in order, its receipt, or the error that `submit` would raise."""
        return await submit_many(self._asker, raws)

    async def anchor(self, items: Sequence[Item], *signers: Signer) -> tuple[Proved[EvidenceFact], ...]:
        """Put files, or SHA-256 digests made elsewhere, on record, ANCHOR_RECORDS in one transaction; the proof of each record.

        A digest may come with a description, as `(digest, "where it is from")`.
        """
        records = await asyncio.to_thread(records_of, items)
        proofs: list[Proved[EvidenceFact]] = []
        for begin in range(0, len(records), ANCHOR_RECORDS):
            part = records[begin : begin + ANCHOR_RECORDS]
            receipt = await self.submit(Invocation("evidence", "record", (tuple(part),)), *signers)
            ((first, _, _),) = (codec.as_array(value, 3) for value in codec.as_array(receipt.values, 1))
            index = codec.as_int(first, 0, _INT64_MAX)
            questions = [about_record(index + place, digest=digest, tx_id=receipt.tx_id) for place, (_, digest, _) in enumerate(part)]
            proofs += await each(self._asker.ask, questions)
        return tuple(proofs)

    # Follow

    async def events(
        self, after: Place | int | None = None, *, contract: str | None = None, name: str | None = None
    ) -> AsyncIterator[LedgerEvent]:
        """Events of contracts for ever, over lost connections and nodes: from the next block on, or after a height or an event's place.

        Events are the nodes' word, in no proof: take them as a hint of what to ask for. Their heights and times are proved.
        """
        if after is None:
            after = (await self.header()).header.height
        place = (after, END_OF_HEIGHT) if isinstance(after, int) else after

        async def prove(node: Node, height: int) -> HeaderFact:
            return (await self._asker.ask_node(node, about_header(height))).fact

        async for event in follow(self._nodes, place, Wanted(contract, name, self._age_ms_max, prove if self._verify else None)):
            yield event
