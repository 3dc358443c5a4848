"""Transactions of this node's clients: checked at once, handed to the replica, followed until they are in a block."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chainnode import codec, transactions
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.execution.engine import TX_INDEX
from chainnode.execution.state import State
from chainnode.mempool.pool import Refusal
from chainnode.node.chain import NS_PER_MS, Applied, Chain
from chainnode.node.gathering import Gatherer
from chainnode.node.host import Host
from chainnode.node.replicainputs import TransactionsRefused, TransactionsSubmitted
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one submitted transaction.

    `error` None: it was taken, and when asked to wait, committed: then height, place in the block and result are there.
    """

    tx_id: bytes | None
    error: ChainError | None = None
    height: int | None = None
    index: int | None = None
    result: TxResult | None = None


_End = tuple[int, int, TxResult] | ChainError  # height, place and result, or why it was not taken


class _Waiter:
    """One submission whose client waits: which transactions are still open, and how the others ended."""

    __slots__ = ("done", "ends", "open", "txs")

    def __init__(self, txs: Sequence[Transaction], done: asyncio.Future[None]) -> None:
        self.txs = {tx.tx_id: tx for tx in txs}
        self.open = set(self.txs)
        self.ends: dict[bytes, _End] = {}
        self.done = done

    def end(self, tx_id: bytes, how: _End) -> None:
        """Take down how one ended; the last one lets the client go."""
        self.open.discard(tx_id)
        self.ends[tx_id] = how
        if not self.open and not self.done.done():
            self.done.set_result(None)


class Ingress:
    """One node's door for transactions. Lives on the host's loop."""

    def __init__(self, host: Host, chain: Chain, pool: ThreadPoolExecutor) -> None:
        self._host = host
        self._chain = chain
        self._pool = pool
        self._checking = asyncio.Semaphore(INGRESS_CHECKS_MAX)
        self._singles = Gatherer(lambda raws: self._check(raws), pool)
        self._handed: list[Transaction] = []  # checked in this turn of the loop
        self._followed: dict[bytes, list[_Waiter]] = {}
        self._waiting = 0  # transactions whose clients wait, those that several wait for counted each time
        self.taken = 0
        self.refused: dict[str, int] = {}  # by code name

    async def submit(self, raws: Sequence[bytes], *, wait_ms: int | None) -> list[Outcome]:
        """Check transactions and bring them into a block; `wait_ms`: how long to wait until they are there, None not at all."""
        if self._checking.locked():
            raise Unavailable(OVERLOADED)
        if self._host.clock.is_wrong:
            raise Unavailable(CLOCK_WRONG, self._host.clock.reason)  # "expired" would blame the client
        self._check_room(raws, wait_ms)  # before they cost anything
        if len(raws) == 1 and len(raws[0]) <= INGRESS_LOOP_BYTES_MAX:
            checked = [await self._singles.checked(raws[0])]
        else:
            async with self._checking:
                checked = await asyncio.get_running_loop().run_in_executor(self._pool, self._check, raws)
        txs = [tx for tx in checked if isinstance(tx, Transaction)]
        if not txs:
            return [self._outcome(one, None) for one in checked]
        self._check_room([tx.raw for tx in txs], wait_ms)  # again: others came meanwhile
        waiter = None if wait_ms is None else self._follow(txs)
        self._hand_over(txs)
        if waiter is None or wait_ms is None:
            await asyncio.sleep(0)  # then the host has it
        else:
            self._waiting += len(txs)
            try:
                async with asyncio.timeout(wait_ms / 1000):
                    await waiter.done
            except TimeoutError:
                pass  # the outcomes say which are still open
            finally:
                self._waiting -= len(txs)
                self._unfollow(waiter)
        return [self._outcome(one, waiter) for one in checked]

    def _check_room(self, raws: Sequence[bytes], wait_ms: int | None) -> None:
        """Unavailable(OVERLOADED) when there is no room for so many more."""
        if self._host.replica.dissemination.mempool.has_room(sum(map(len, raws)), len(raws)) is not None:
            raise Unavailable(OVERLOADED, "the transactions that wait for a block have used up their room")
        if wait_ms is not None and self._waiting + len(raws) > INGRESS_WAITERS_MAX:
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
        judged: dict[tuple[tuple[str, ...], tuple[tuple[str, bytes], ...]], Rejected | None] = {}
        checked: list[Transaction | Outcome] = []
        for one in found:
            if isinstance(one, Transaction):
                key = one.body.signers, tuple([(made.suite, made.public_key) for made in one.signatures])
                if key not in judged:
                    judged[key] = self._judge(state, one, time_ms)
                refusal = judged[key]
                checked.append(one if refusal is None else self._refuse(one.tx_id, refusal))
            else:
                checked.append(one)
        return checked

    def _judge(self, state: State, one: Transaction, time_ms: int) -> Rejected | None:
        contracts, body = self._chain.contracts, one.body
        for did, made in zip(body.signers, one.signatures, strict=True):
            if not contracts.may_sign(state, did, made.suite, made.public_key):
                return Rejected(KEY_NOT_AUTHORISED, f"this key does not speak for {did}")
        if not contracts.may_submit(state, body.signers[0], time_ms):
            return Rejected(NOT_MEMBER, f"{body.signers[0]} holds no role on this chain")
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

    def _follow(self, txs: list[Transaction]) -> _Waiter:
        waiter = _Waiter(txs, asyncio.get_running_loop().create_future())
        for tx in txs:
            self._followed.setdefault(tx.tx_id, []).append(waiter)
        return waiter

    def _unfollow(self, waiter: _Waiter) -> None:
        for tx_id in waiter.open:
            others = [one for one in self._followed.pop(tx_id, ()) if one is not waiter]
            if others:
                self._followed[tx_id] = others

    def _end(self, tx_id: bytes, how: _End) -> None:
        for waiter in self._followed.pop(tx_id, ()):
            waiter.end(tx_id, how)

    def _outcome(self, one: Transaction | Outcome, waiter: _Waiter | None) -> Outcome:
        if isinstance(one, Outcome):
            return one
        if waiter is None:
            self.taken += 1
            return Outcome(one.tx_id)
        end = waiter.ends.get(one.tx_id)
        if end is None:
            return Outcome(one.tx_id, Unavailable(WAIT_TIMEOUT))
        if isinstance(end, ChainError):
            return self._refuse(one.tx_id, end)
        self.taken += 1
        return Outcome(one.tx_id, None, *end)

    # Told by the host

    def height_applied(self, applied: Applied) -> None:
        """Answer those who wait for a transaction of this height."""
        if not self._followed:
            return
        followed = self._followed
        for index in [index for index, tx_id in enumerate(applied.tx_ids) if tx_id in followed]:
            tx_id, result = applied.tx_ids[index], applied.results[index]
            if tx_id in followed and result.code != REPLAYED.number and not self._is_of_a_copy(tx_id, result):
                self._end(tx_id, (applied.tip.height, index, result))

    def _is_of_a_copy(self, tx_id: bytes, result: TxResult) -> bool:
        """Whether it is not our client's transaction that was refused but its body under another key's signature (INV-25)."""
        if result.code != KEY_NOT_AUTHORISED.number:
            return False
        state = State(self._chain.state)
        ours = [waiter.txs[tx_id] for waiter in self._followed[tx_id]]
        return any(
            all(
                self._chain.contracts.may_sign(state, did, one.suite, one.public_key)
                for did, one in zip(tx.body.signers, tx.signatures, strict=True)
            )
            for tx in ours
        )

    def refused_by_mempool(self, effect: TransactionsRefused) -> None:
        """Tell those whose transaction the mempool did not take. One that waits already is no refusal."""
        for tx_id, why in effect.refused:
            if why is not Refusal.DUPLICATE:
                self._end(tx_id, _REFUSALS[why]())


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
    height, index = codec.as_array(codec.decode(value, bytes_max=64), 2)
    return codec.as_int(height, 1, 2**63 - 1), codec.as_int(index, 0, 2**31)
