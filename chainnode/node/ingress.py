"""Transactions of this node's clients: checked at once, handed to the replica, followed until they are in a block."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chainnode import transactions
from chainnode.digests import batch_digest
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.execution.engine import TX_INDEX, check_work
from chainnode.execution.state import State
from chainnode.mempool.batch import Batch
from chainnode.mempool.pool import Refusal
from chainnode.node.chain import NS_PER_MS, Applied, AppliedBatch, Chain
from chainnode.node.following import Following, Waiter
from chainnode.node.gathering import Gatherer
from chainnode.node.host import Host
from chainnode.node.replicainputs import BatchSubmitted, TransactionsRefused, TransactionsSubmitted
from chainnode.sheets import Speaker, read_sheet, speaker_of
from chainnode.types.codes import (
    BAD_SIGNATURE,
    CLOCK_WRONG,
    EXPIRED,
    KEY_NOT_AUTHORISED,
    NOT_MEMBER,
    OVERLOADED,
    REPLAYED,
    TOO_FAR_AHEAD,
    TOO_LARGE,
    WAIT_TIMEOUT,
    WRONG_CHAIN,
    Code,
)
from chainnode.types.limits import INGRESS_CHECKS_MAX, INGRESS_LOOP_BYTES_MAX, INGRESS_WAITERS_MAX
from chainnode.types.transaction import Transaction, TxResult

_TURNS_OF_HOST = 2  # of the loop: in the next one transactions are handed over, and in the one after it the host has stepped them


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one submitted transaction.

    `error` None: it was taken, and when asked to wait, committed: then height, place in the block and encoded result are there.
    """

    tx_id: bytes | None
    error: ChainError | None = None
    height: int | None = None
    index: int | None = None
    encoded: bytes | None = None

    @property
    def result(self) -> TxResult | None:
        """The result as a value, read anew at each asking."""
        return None if self.encoded is None else transactions.decode_result(self.encoded)


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a submitted batch: all of it was taken, and when asked to wait, committed: then `committed` has height and results."""

    ids: tuple[bytes, ...]
    committed: tuple[int, AppliedBatch] | None = None


class Ingress:
    """One node's door for transactions. Lives on the host's loop."""

    def __init__(self, host: Host, chain: Chain, pool: ThreadPoolExecutor) -> None:
        self._host = host
        self._chain = chain
        self._pool = pool
        self._checking = asyncio.Semaphore(INGRESS_CHECKS_MAX)
        self._singles = Gatherer(lambda raws: self._check(raws), pool)
        self._handed: list[Transaction] = []  # checked in this turn of the loop
        self._following = Following(chain)
        self._waiting = 0  # transactions whose clients wait, those that several wait for counted each time
        self._checked_bytes = self._checked_txs = 0  # of those that are being checked: they have been promised room
        self.taken = 0
        self.refused: dict[str, int] = {}  # by code name

    async def submit(self, raws: Sequence[bytes], *, wait_ms: int | None) -> list[Outcome]:
        """Check transactions and bring them into a block; `wait_ms`: how long to wait until they are there, None not at all."""
        self._check_open()
        size = sum(map(len, raws))
        self.check_room(size, len(raws))  # before they cost anything
        self._check_waiters(len(raws), wait_ms)
        self._checked_bytes, self._checked_txs = self._checked_bytes + size, self._checked_txs + len(raws)
        try:
            if len(raws) == 1 and size <= INGRESS_LOOP_BYTES_MAX:
                checked = [await self._singles.checked(raws[0])]
            else:
                async with self._checking:
                    checked = await asyncio.get_running_loop().run_in_executor(self._pool, self._check, raws)
        finally:
            self._checked_bytes, self._checked_txs = self._checked_bytes - size, self._checked_txs - len(raws)
        txs = [tx for tx in checked if isinstance(tx, Transaction)]
        if not txs:
            return [one for one in checked if isinstance(one, Outcome)]
        self.check_room(sum([len(tx.raw) for tx in txs]), len(txs))  # again: others came meanwhile
        self._check_waiters(len(txs), wait_ms)
        waiter = self._following.follow(txs)
        self._hand_over(txs)
        await self._wait(waiter, wait_ms)
        return [self._outcome(one, waiter, wait_ms) for one in checked]

    async def submit_batch(self, body: bytes, count: int, *, wait_ms: int | None) -> BatchOutcome | list[Outcome] | None:
        """The same for transactions that a client has packed into a batch of so many, which goes on as it came: 1 us a transaction.

        None unless all is well with each of them: then `submit` tells what is not. What it would say, this says, too.
        """
        self._check_open()
        self.check_room(len(body), count)
        self._check_waiters(count, wait_ms)
        self._checked_bytes, self._checked_txs = self._checked_bytes + len(body), self._checked_txs + count
        try:
            async with self._checking:
                batch = await asyncio.get_running_loop().run_in_executor(self._pool, self._check_batch, body)
        finally:
            self._checked_bytes, self._checked_txs = self._checked_bytes - len(body), self._checked_txs - count
        if batch is None:
            return None
        self.check_room(len(body), count)  # again: others came meanwhile
        self._check_waiters(count, wait_ms)
        waiter = self._following.follow_batch(batch)
        self._host.put_now(BatchSubmitted(batch))
        await self._wait(waiter, wait_ms)
        if waiter.whole is not None or (wait_ms is None and not waiter.ends):
            self.taken += count
            return BatchOutcome(batch.ids, None if wait_ms is None else waiter.whole)
        return [self._ended(tx_id, waiter, wait_ms) for tx_id in batch.ids]

    async def _wait(self, waiter: Waiter, wait_ms: int | None) -> None:
        """Until all have ended or the time is over; without one, until the host has them, and has said which of them it does not take."""
        try:
            if wait_ms is None:
                for _ in range(_TURNS_OF_HOST):
                    await asyncio.sleep(0)
            else:
                await self._wait_ms(waiter, wait_ms)
        finally:
            self._following.unfollow(waiter)

    async def _wait_ms(self, waiter: Waiter, wait_ms: int) -> None:
        over = asyncio.get_running_loop().call_later(wait_ms / 1000, waiter.let_go)  # the outcomes say what is still open
        self._waiting += len(waiter.ids)
        try:
            await waiter.done
        finally:
            self._waiting -= len(waiter.ids)
            over.cancel()

    def _check_open(self) -> None:
        """Unavailable when nothing can be checked now."""
        if self._checking.locked():
            raise Unavailable(OVERLOADED)
        if self._host.clock.is_wrong:
            raise Unavailable(CLOCK_WRONG, self._host.clock.reason)  # "expired" would blame the client

    def check_room(self, size: int, count: int) -> None:
        """Unavailable(OVERLOADED) when there is no room for so many more bytes and transactions. Cheap: asked before they are read."""
        if self._host.replica.dissemination.has_room(self._checked_bytes + size, self._checked_txs + count) is not None:
            raise Unavailable(OVERLOADED, "the transactions that wait for a block have used up their room")

    def _check_waiters(self, count: int, wait_ms: int | None) -> None:
        if wait_ms is not None and self._waiting + count > INGRESS_WAITERS_MAX:
            raise Unavailable(OVERLOADED, "too many clients wait for their transactions")

    def _hand_over(self, txs: list[Transaction]) -> None:
        """Give the host what was checked, in one input for all that end their check in this turn of the loop."""
        if not self._handed:
            asyncio.get_running_loop().call_soon(self._put)
        self._handed += txs

    def _put(self) -> None:
        handed, self._handed = self._handed, []
        self._host.put_now(TransactionsSubmitted(tuple(handed)))

    def _check(self, raws: Sequence[bytes]) -> list[Transaction | Outcome]:
        """Decode and verify; in a thread when there is much of it."""
        tip = self._chain.tip
        now_ms = time.time_ns() // NS_PER_MS
        found: list[Transaction | Outcome] = []
        for tx in transactions.decode_each(raws):
            if isinstance(tx, Malformed):
                found.append(self._refuse(None, tx))
                continue
            try:
                self._check_admissible(tx, tip.params.tx_bytes_max, now_ms, tip.params.tx_lifetime_ms_max)
                found.append(tx)
            except (Rejected, Unavailable) as error:
                found.append(self._refuse(tx.tx_id, error))
        verified = self._check_signatures(self._check_replays(found))
        return self._check_senders(verified, tip.time_ns // NS_PER_MS)

    def _check_batch(self, body: bytes) -> Batch | None:
        """Read and verify a batch by its columns, in a thread; None when something is wrong with it, or may be.

        The rules are those of `_check`, and nothing is counted: what is refused here is looked at again there.
        """
        try:
            sheet = read_sheet(body)
        except Malformed:
            return None
        tip, ids = self._chain.tip, sheet.ids
        now_ms = time.time_ns() // NS_PER_MS
        earliest_ms, latest_ms = sheet.valid_until_ms
        is_admissible = (
            sheet.chain_id == self._chain.genesis.chain_id
            and sheet.longest <= tip.params.tx_bytes_max
            and now_ms < earliest_ms
            and latest_ms <= now_ms + tip.params.tx_lifetime_ms_max
            and len(set(ids)) == len(ids)
        )
        if not is_admissible or self._chain.state.index_find(TX_INDEX, ids) or self._chain.contracts.is_too_costly(sheet):
            return None
        try:
            verdicts = sheet.verify_each(self._chain.genesis_hash)
        except Unavailable:  # a suite that is not installed here
            return None
        state, time_ms = State(self._chain.state), tip.time_ns // NS_PER_MS
        if not all(verdicts) or any(self._judge(state, speaker, time_ms) is not None for speaker in sheet.speakers):
            return None
        return Batch(batch_digest(body), body, sheet)

    def _check_admissible(self, tx: Transaction, bytes_max: int, now_ms: int, lifetime_ms: int) -> None:
        chain_id = self._chain.genesis.chain_id
        if tx.body.chain_id != chain_id:
            raise Rejected(WRONG_CHAIN, f"this is chain {chain_id}; the transaction is for {tx.body.chain_id}")
        if len(tx.raw) > bytes_max:
            raise Rejected(TOO_LARGE, f"the transaction has {len(tx.raw)} bytes; {bytes_max} are allowed")
        if tx.body.valid_until_ms <= now_ms:
            raise Rejected(EXPIRED)
        if tx.body.valid_until_ms > now_ms + lifetime_ms:
            raise Rejected(TOO_FAR_AHEAD, f"valid_until_ms may be at most {lifetime_ms} ms ahead")
        check_work(self._chain.contracts.work(tx.body))  # INV-89

    def _check_replays(self, found: list[Transaction | Outcome]) -> list[Transaction | Outcome]:
        ids = [one.tx_id for one in found if isinstance(one, Transaction)]
        known = iter(self._chain.state.index_get_many(TX_INDEX, ids))
        return [
            self._refuse(one.tx_id, Rejected(REPLAYED)) if isinstance(one, Transaction) and next(known) is not None else one
            for one in found
        ]

    def _check_senders(self, found: list[Transaction | Outcome], time_ms: int) -> list[Transaction | Outcome]:
        """Refuse what would fail in a block and stay there for ever: a stranger could fill the chain with it (INV-32).

        The verdict hangs on the signers and their keys alone, which mostly are the same few: each is judged once.
        """
        state = State(self._chain.state)
        judged: dict[Speaker, Rejected | None] = {}
        checked: list[Transaction | Outcome] = []
        for one in found:
            if isinstance(one, Transaction):
                speaker = speaker_of(one)
                if speaker not in judged:
                    judged[speaker] = self._judge(state, speaker, time_ms)
                refusal = judged[speaker]
                checked.append(one if refusal is None else self._refuse(one.tx_id, refusal))
            else:
                checked.append(one)
        return checked

    def _judge(self, state: State, speaker: Speaker, time_ms: int) -> Rejected | None:
        contracts, (signers, keys) = self._chain.contracts, speaker
        for did, (suite, public_key) in zip(signers, keys, strict=True):
            if not contracts.may_sign(state, did, suite, public_key):
                return Rejected(KEY_NOT_AUTHORISED, f"this key does not speak for {did}")
        if not contracts.may_submit(state, signers[0], time_ms):
            return Rejected(NOT_MEMBER, f"{signers[0]} holds no role on this chain")
        return None

    def _check_signatures(self, found: list[Transaction | Outcome]) -> list[Transaction | Outcome]:
        txs = [tx for tx in found if isinstance(tx, Transaction)]
        try:
            verdicts = iter(transactions.verify_each(txs, self._chain.genesis_hash))
        except Unavailable as error:  # a suite that is not installed here
            return [self._refuse(tx.tx_id, error) if isinstance(tx, Transaction) else tx for tx in found]
        return [
            self._refuse(tx.tx_id, Rejected(BAD_SIGNATURE)) if isinstance(tx, Transaction) and not next(verdicts) else tx for tx in found
        ]

    def _refuse(self, tx_id: bytes | None, error: ChainError) -> Outcome:
        self.refused[error.code.name] = self.refused.get(error.code.name, 0) + 1
        return Outcome(tx_id, error)

    def _outcome(self, one: Transaction | Outcome, waiter: Waiter, wait_ms: int | None) -> Outcome:
        return one if isinstance(one, Outcome) else self._ended(one.tx_id, waiter, wait_ms)

    def _ended(self, tx_id: bytes, waiter: Waiter, wait_ms: int | None) -> Outcome:
        end = waiter.ends.get(tx_id)
        if isinstance(end, ChainError):
            return self._refuse(tx_id, end)
        if wait_ms is None:
            self.taken += 1
            return Outcome(tx_id)
        if end is None:
            return Outcome(tx_id, Unavailable(WAIT_TIMEOUT))
        self.taken += 1
        return Outcome(tx_id, None, *end)

    # Told by the host

    def height_applied(self, applied: Applied) -> None:
        """Answer those who wait for a transaction of this height.

        As long as a copy that another key had signed waited here, theirs was not taken (INV-25): it is now, unless it waits already.
        """
        spoilt = self._following.height_applied(applied)
        if spoilt:
            self._hand_over(spoilt)

    def refused_by_mempool(self, effect: TransactionsRefused) -> None:
        """Tell those whose transaction the mempool did not take. One that waits already is no refusal."""
        self._following.end([(tx_id, _REFUSALS[why]()) for tx_id, why in effect.refused if why is not Refusal.DUPLICATE])


def _error(kind: Callable[[Code], ChainError], code: Code) -> Callable[[], ChainError]:
    return lambda: kind(code)


_REFUSALS: dict[Refusal, Callable[[], ChainError]] = {
    Refusal.COMMITTED: _error(Rejected, REPLAYED),
    Refusal.EXPIRED: _error(Rejected, EXPIRED),
    Refusal.FULL: _error(Unavailable, OVERLOADED),
    Refusal.MAKER_FULL: _error(Unavailable, OVERLOADED),
}


def position_of(value: bytes) -> tuple[int, int]:
    """Height and place in the block, from the index of transactions."""
    return int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big")
