"""Submit transactions, wait until they are applied, and have what became of them proved."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from chainnode import codec
from chainnode.client.asking import Asker
from chainnode.client.failures import NotProved
from chainnode.client.nodes import Node
from chainnode.client.outcomes import Outcome, TransactionReceipt, decode_outcomes, receipt_of
from chainnode.client.proved import Proved
from chainnode.client.questions import Question, about_transaction
from chainnode.client.wholeblocks import Results, block_results
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import TransactionFact
from chainnode.types.limits import CLIENT_REQUESTS_MAX, CLIENT_SUBMIT_BYTES, CLIENT_SUBMIT_TXS

Item = TypeVar("Item")
Answer = TypeVar("Answer")
End = Proved[TransactionFact] | Outcome  # proved, or by the word of the node where that is enough

MSGPACK_MEDIA = "application/msgpack"


@dataclass(frozen=True, slots=True)
class _Signed:
    raw: bytes
    tx_id: bytes


async def submit(asker: Asker, raw: bytes) -> TransactionReceipt:
    """Submit to one node after the other until one proves what became of the transaction."""
    one = _Signed(raw, decode_transaction(raw).tx_id)

    async def attempt(node: Node) -> End:
        (outcome,) = await _post(node, [one])
        return await _end_of(asker, outcome, partial(asker.ask_node, node))

    return _receipt(asker, await asker.nodes.first_good(attempt, is_submission=True))


async def submit_many(asker: Asker, raws: Sequence[bytes]) -> tuple[TransactionReceipt | ChainError, ...]:
    """Submit in requests of many, then verify the blocks that hold them. Once no node answers, the rest is not asked for."""
    lost: list[ChainError] = []

    async def post(part: Sequence[_Signed]) -> Sequence[Outcome | ChainError]:
        try:
            return await asker.nodes.first_good(lambda node: _post(node, part), is_submission=True)
        except (NotProved, Rejected, Unavailable) as error:
            return [error] * len(part)

    async def results_at(height: int) -> Results:
        try:
            return {} if lost else await asker.nodes.first_good(lambda node: block_results(asker, node, height))
        except Unavailable as error:
            lost.append(error)
        except (NotProved, Rejected):
            pass  # then each is asked for by itself
        return {}

    async def end(outcome: Outcome | ChainError) -> TransactionReceipt | ChainError:
        if isinstance(outcome, ChainError):
            return outcome
        result = None if outcome.height is None else blocks.get(outcome.height, {}).get(outcome.tx_id)
        try:
            if result is not None and outcome.height is not None:
                return receipt_of(outcome.tx_id, outcome.height, result.code, result.data, None)
            return lost[0] if lost else _receipt(asker, await _end_of(asker, outcome, asker.ask))
        except Unavailable as error:
            if outcome.is_applied:
                lost.append(error)
            return error
        except (Malformed, NotProved, Rejected) as error:
            return error

    signed = [_Signed(raw, decode_transaction(raw).tx_id) for raw in raws]
    outcomes = [outcome for part in await each(post, list(_parts(signed))) for outcome in part]
    applied = [one.height for one in outcomes if isinstance(one, Outcome) and one.is_applied and one.height is not None]
    heights = sorted(set(applied)) if asker.verify else []
    blocks = dict(zip(heights, await each(results_at, heights), strict=True))
    return tuple(await each(end, outcomes))


async def each(work: Callable[[Item], Awaitable[Answer]], items: Sequence[Item]) -> list[Answer]:
    """What the work gives for each item, CLIENT_REQUESTS_MAX of them at a time. The first failure ends the rest."""
    places = asyncio.Semaphore(CLIENT_REQUESTS_MAX)

    async def one(item: Item) -> Answer:
        async with places:
            return await work(item)

    tasks = [asyncio.ensure_future(one(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _post(node: Node, part: Sequence[_Signed]) -> list[Outcome]:
    body = codec.encode(tuple(one.raw for one in part))
    content = await node.post("/v1/transactions", {"wait_ms": str(node.wait_ms)}, body, MSGPACK_MEDIA)
    return decode_outcomes(content, [one.tx_id for one in part])


async def _end_of(asker: Asker, outcome: Outcome, ask: Callable[[Question[TransactionFact]], Awaitable[Proved[TransactionFact]]]) -> End:
    """What became of a transaction that a node has taken, or refused because a block holds it already. Raises why it was not applied."""
    if outcome.is_applied and not asker.verify:
        return outcome
    question = about_transaction(outcome.tx_id, asker.nodes.wait_ms)
    if outcome.is_applied:
        return await ask(question)
    error = outcome.error()
    if isinstance(error, Unavailable):
        raise error
    try:
        return await ask(question)
    except (NotProved, Rejected, Unavailable):
        raise error from None


def _receipt(asker: Asker, end: End) -> TransactionReceipt:
    if isinstance(end, Proved):
        fact = end.fact
        assert fact.result_code is not None and fact.result_data is not None
        return receipt_of(fact.transaction.tx_id, fact.height, fact.result_code, fact.result_data, end)
    assert end.height is not None and end.result is not None
    asker.height = max(asker.height, end.height + 1)
    return receipt_of(end.tx_id, end.height, end.code.number, end.result, None)


def _parts(signed: Sequence[_Signed]) -> Iterator[Sequence[_Signed]]:
    """What goes into one request each."""
    begin = size = 0
    for place, one in enumerate(signed):
        size += len(one.raw)
        if place > begin and (size > CLIENT_SUBMIT_BYTES or place - begin == CLIENT_SUBMIT_TXS):
            yield signed[begin:place]
            begin, size = place, len(one.raw)
    if begin < len(signed):
        yield signed[begin:]
