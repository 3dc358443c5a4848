"""Anchor evidence at volume: records go through an outbox on disk into transactions of many, some of which are under way at once.

A record that `add` has taken comes onto the ledger, over crashes of this process and of nodes. It comes there once as long as the
nodes do not deny transactions that they have applied; else it may stand there twice, which is harmless.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from chainnode import codec
from chainnode.client.anchoring import Record
from chainnode.client.client import Client
from chainnode.client.failures import NotProved, TransactionFailed
from chainnode.client.outbox import Outbox, Parcel
from chainnode.client.outcomes import TransactionReceipt
from chainnode.client.signing import LIFETIME_MS, Signer, build_transaction
from chainnode.digests import genesis_hash
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.types.codes import BAD_DIGEST, EXPIRED, META_TOO_LONG, TOO_MANY, TX_UNKNOWN
from chainnode.types.limits import (
    ANCHOR_LINGER_MS,
    ANCHOR_PARCELS,
    ANCHOR_RECORDS,
    CLIENT_RETRY_MS_MAX,
    CLIENT_RETRY_MS_MIN,
    EVIDENCE_META_BYTES_MAX,
    OUTBOX_RECORDS_MAX,
)
from chainnode.types.transaction import Invocation
from contracts.evidence import ALGORITHMS

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
_DIGEST_BYTES = 32
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Anchored:
    """A record on the ledger: its place in the outbox, which counts all that were ever added, and where it stands in the evidence log."""

    place: int
    record: Record
    tx_id: bytes
    height: int
    index: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Records that wait, that are in transactions under way, and that this anchorer has brought onto the ledger."""

    waiting: int
    under_way: int
    anchored: int


class Anchorer:
    """`async with Anchorer(client, signer, path) as anchorer`: `await anchorer.add(records)`, and at the end `await anchorer.drain()`.

    `on_anchored` is told of each transaction's records, at least once, before the outbox forgets them. What is still in the outbox when
    the block is left, or the process ends, goes on when an anchorer is opened on it again. Errors that another try does not heal, a
    sender without a role for one, end the work: `add` and `drain` raise them, and the records stay in the outbox.
    """

    def __init__(
        self,
        client: Client,
        signer: Signer,
        path: Path,
        *,
        on_anchored: Callable[[Sequence[Anchored]], Awaitable[None]] | None = None,
        records: int = ANCHOR_RECORDS,
        parcels: int = ANCHOR_PARCELS,
        linger_ms: int = ANCHOR_LINGER_MS,
        lifetime_ms: int = LIFETIME_MS,
        now_ms: Callable[[], int] = lambda: time.time_ns() // _NS_PER_MS,
    ) -> None:
        assert records > 0 and parcels > 0
        self._client, self._signer, self._path = client, signer, path
        self._genesis_hash = genesis_hash(client.genesis)
        self._on_anchored = on_anchored
        self._records, self._parcels, self._linger_ms, self._lifetime_ms = records, parcels, linger_ms, lifetime_ms
        self._now_ms = now_ms
        self._thread = ThreadPoolExecutor(1, "outbox")  # the one that touches the file
        self._turn = asyncio.Lock()  # of who packs
        self._changed = asyncio.Condition()
        self._waiting = self._under_way = self._anchored = 0
        self._error: BaseException | None = None

    async def __aenter__(self) -> Self:
        """Open the outbox and go on with what is in it."""
        self._outbox = await self._in_thread(lambda: Outbox(self._path, self._genesis_hash, self._signer.did))
        left = await self._in_thread(self._outbox.parcels)
        self._left = left[::-1]
        self._waiting, self._under_way = await self._in_thread(self._outbox.counts)
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._parcels)]
        self._watch = asyncio.create_task(self._end_together())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; what is under way stays in the outbox."""
        tasks = [*self._tasks, self._watch]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._in_thread(self._outbox.close)
        self._thread.shutdown()

    @property
    def progress(self) -> Progress:
        """How far the work is."""
        return Progress(self._waiting, self._under_way, self._anchored)

    async def add(self, records: Sequence[Record]) -> int:
        """Take records; the place of the first. Once it returns they are on disk. Waits while the outbox has no room for them.

        Malformed for a record that the ledger would refuse, or for more than an outbox holds; then none is taken.
        """
        if not 0 < len(records) <= OUTBOX_RECORDS_MAX:
            raise Malformed(TOO_MANY, f"an outbox takes 1 to {OUTBOX_RECORDS_MAX} records")
        for place, (algorithm, digest, meta) in enumerate(records):
            if algorithm not in ALGORITHMS or len(digest) != _DIGEST_BYTES:
                raise Malformed(BAD_DIGEST, f"record {place} is no digest of {_DIGEST_BYTES} bytes by one of {', '.join(ALGORITHMS)}")
            if len(meta) > EVIDENCE_META_BYTES_MAX:
                raise Malformed(META_TOO_LONG, f"record {place}: a description has at most {EVIDENCE_META_BYTES_MAX} bytes")
        async with self._changed:
            await self._changed.wait_for(lambda: self._error is not None or self._has_room(len(records)))
        self._check()
        first = await self._in_thread(lambda: self._outbox.add(records))
        await self._note(waiting=len(records))
        return first

    async def drain(self) -> Progress:
        """Wait until the outbox is empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._error is not None or self._waiting + self._under_way == 0)
        self._check()
        return self.progress

    def _has_room(self, count: int) -> bool:
        return self._waiting + self._under_way + count <= OUTBOX_RECORDS_MAX

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    # The work

    async def _work(self) -> None:
        """Carry one parcel after the other."""
        while True:
            await self._carry(await self._next())

    async def _end_together(self) -> None:
        """The first error, of ours or of `on_anchored`, ends the work of all and is told to whoever waits."""
        done, others = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in others:
            task.cancel()
        self._error = next(error for task in done if (error := task.exception()) is not None)
        log.error("anchoring_ended", extra={"detail": str(self._error)})
        await self._note()

    async def _next(self) -> Parcel:
        """The next parcel: one that an earlier process left, else a new one, full or after a short while."""
        async with self._turn:
            if self._left:
                return self._left.pop()
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._waiting > 0)
                    try:
                        async with asyncio.timeout(self._linger_ms / 1000):
                            await self._changed.wait_for(lambda: self._waiting >= self._records)
                    except TimeoutError:
                        pass
                parcel = await self._in_thread(lambda: self._outbox.pack(self._records, self._sign))
                if parcel is not None:
                    await self._note(waiting=-len(parcel.records), under_way=len(parcel.records))
                    return parcel

    def _sign(self, records: Sequence[Record]) -> tuple[bytes, int]:
        now_ms = self._now_ms()
        _, raw = build_transaction(
            self._client.genesis.chain_id,
            self._genesis_hash,
            [self._signer],
            [Invocation("evidence", "record", (tuple(records),))],
            lifetime_ms=self._lifetime_ms,
            now_ms=now_ms,
        )
        return raw, now_ms + self._lifetime_ms

    async def _carry(self, parcel: Parcel) -> None:
        """Send a parcel until the ledger has it, or can have it no more: then its records wait again."""
        pause_ms = CLIENT_RETRY_MS_MIN
        while True:
            try:
                receipt = await self._client.submit(parcel.raw)
            except TransactionFailed:
                await self._give_back(parcel)
                raise
            except (Unavailable, NotProved) as error:
                log.warning("anchoring_delayed", extra={"code": error.code.name, "detail": error.detail})
            except Rejected as error:
                if error.code is not EXPIRED:
                    raise
                if await self._is_lost(parcel):
                    await self._give_back(parcel)
                    return
            else:
                await self._settle(parcel, receipt)
                return
            await asyncio.sleep(pause_ms / 1000)
            pause_ms = min(2 * pause_ms, CLIENT_RETRY_MS_MAX)

    async def _is_lost(self, parcel: Parcel) -> bool:
        """Whether the chain's proved time has passed the parcel's end without a node that knows its transaction."""
        try:
            header = (await self._client.header()).header
            if header.time_ns // _NS_PER_MS <= parcel.valid_until_ms:
                return False
            await self._client.submit(parcel.raw)
        except (Unavailable, NotProved):
            return False
        except Rejected as error:
            return error.code in (EXPIRED, TX_UNKNOWN)
        return False  # a node has it after all; the next try settles it

    async def _settle(self, parcel: Parcel, receipt: TransactionReceipt) -> None:
        (returned,) = receipt.values
        first = codec.as_int(codec.as_array(returned, 3)[0], 0, 2**63 - 1)
        if self._on_anchored is not None:
            await self._on_anchored(
                [
                    Anchored(place, record, receipt.tx_id, receipt.height, first + offset)
                    for offset, (place, record) in enumerate(parcel.records)
                ]
            )
        await self._in_thread(lambda: self._outbox.settle(parcel))
        await self._note(under_way=-len(parcel.records), anchored=len(parcel.records))

    async def _give_back(self, parcel: Parcel) -> None:
        await self._in_thread(lambda: self._outbox.unpack(parcel))
        await self._note(waiting=len(parcel.records), under_way=-len(parcel.records))

    async def _note(self, *, waiting: int = 0, under_way: int = 0, anchored: int = 0) -> None:
        async with self._changed:
            self._waiting, self._under_way, self._anchored = self._waiting + waiting, self._under_way + under_way, self._anchored + anchored
            self._changed.notify_all()

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
