"""Single submissions checked together: those of one turn of the loop share a check, each gets its own verdict, nothing is left waiting."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from chainnode.errors import Unavailable
from chainnode.node import gathering as module
from chainnode.node.gathering import Gatherer
from chainnode.types.codes import OVERLOADED
from chainnode.types.limits import INGRESS_LOOP_BYTES_MAX
from tests.patience import DEADLINE_S


class Checks:
    """What was checked together, and where."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.threads: list[threading.Thread] = []
        self.error: BaseException | None = None

    def check(self, raws: Sequence[bytes]) -> list[bytes]:
        self.groups.append(list(raws))
        self.threads.append(threading.current_thread())
        if self.error is not None:
            raise self.error
        return [raw.upper() for raw in raws]


async def turns() -> None:
    """Let the loop do all that is ready."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def pool() -> AsyncIterator[ThreadPoolExecutor]:
    made = ThreadPoolExecutor(1)
    yield made
    made.shutdown()


async def test_what_comes_in_one_turn_shares_a_check(pool: ThreadPoolExecutor) -> None:
    checks = Checks()
    gatherer = Gatherer(checks.check, pool)
    async with asyncio.timeout(DEADLINE_S):
        assert await asyncio.gather(*(gatherer.checked(raw) for raw in (b"a", b"b", b"c"))) == [b"A", b"B", b"C"]
        assert await gatherer.checked(b"d") == b"D"
    assert checks.groups == [[b"a", b"b", b"c"], [b"d"]]
    assert set(checks.threads) == {threading.main_thread()}


async def test_much_is_checked_in_a_thread_and_what_comes_meanwhile_together_after_it(pool: ThreadPoolExecutor) -> None:
    """Consensus shares the loop: many that are small are as long as one that is large."""
    checks = Checks()
    gatherer = Gatherer(checks.check, pool)
    go = threading.Event()
    pool.submit(go.wait)
    large = [bytes([65 + number]) * (INGRESS_LOOP_BYTES_MAX // 4) for number in range(5)]
    async with asyncio.timeout(DEADLINE_S):
        first = [asyncio.create_task(gatherer.checked(raw)) for raw in large]
        await turns()
        assert not gatherer._waiting  # they are in the thread
        later = [asyncio.create_task(gatherer.checked(raw)) for raw in (b"a", b"b")]
        await turns()
        go.set()
        assert await asyncio.gather(*first, *later) == [*large, b"A", b"B"]
    assert checks.groups == [large, [b"a", b"b"]]
    assert [one is threading.main_thread() for one in checks.threads] == [False, True]


async def test_a_client_that_leaves_takes_nothing_from_the_others(pool: ThreadPoolExecutor) -> None:
    checks = Checks()
    gatherer = Gatherer(checks.check, pool)
    leaving, staying = asyncio.create_task(gatherer.checked(b"a")), asyncio.create_task(gatherer.checked(b"b"))
    await asyncio.sleep(0)  # both wait
    leaving.cancel()
    async with asyncio.timeout(DEADLINE_S):
        assert await staying == b"B"
    assert leaving.cancelled()


async def test_a_check_that_breaks_is_told_to_all_and_the_next_works(pool: ThreadPoolExecutor) -> None:
    checks = Checks()
    gatherer = Gatherer(checks.check, pool)
    checks.error = AssertionError("our bug")
    async with asyncio.timeout(DEADLINE_S):
        told = await asyncio.gather(*(gatherer.checked(raw) for raw in (b"a", b"b")), return_exceptions=True)
        assert told == [checks.error] * 2
        checks.error = None
        assert await gatherer.checked(b"c") == b"C"


async def test_only_so_many_wait(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INGRESS_GATHERED_MAX", 2)
    gatherer = Gatherer(Checks().check, pool)
    async with asyncio.timeout(DEADLINE_S):
        told = await asyncio.gather(*(gatherer.checked(raw) for raw in (b"a", b"b", b"c")), return_exceptions=True)
    assert told[:2] == [b"A", b"B"]
    assert isinstance(told[2], Unavailable) and told[2].code is OVERLOADED
