"""The load and the figures made of it, without a system and without a clock that matters."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from peers_load import Request, cpu_ticks, enough, file_system, latencies, one_by_one, ours_by_theirs, saturate

from tests.patience import DEADLINE_S


class Echo:
    """A server that says how many writes it was asked for, when all `together` requests have come."""

    headers = {"X-Test": "yes"}
    pids = ()

    def __init__(self, together: int = 1) -> None:
        self.together, self.seen, self.largest = together, [], 0
        self._waiting = 0
        self._all = asyncio.Event()

    def committed(self, status: int, content: bytes) -> int:
        if status != 200:
            raise ValueError(f"HTTP {status}")
        return int(content)

    async def answer(self, request: web.Request) -> web.Response:
        content = await request.read()
        self.seen.append((request.headers.get("X-Test"), content))
        self._waiting += 1
        self.largest = max(self.largest, self._waiting)
        if self._waiting == self.together:
            self._all.set()
        await asyncio.wait_for(self._all.wait(), DEADLINE_S)
        self._waiting -= 1
        return web.Response(body=content)


@pytest.fixture
async def serve():
    runners = []

    async def start(system: Echo) -> str:
        app = web.Application()
        app.router.add_post("/", system.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_writes_of_clients_that_wait_at_the_same_time_are_all_counted(serve):
    """With `count += await ...` each client would forget what the others added meanwhile."""
    system = Echo(together=4)
    url = await serve(system)
    load = await saturate(system, [[Request(url, b"5", 5)] * 3 for _ in range(4)], 60)
    assert (load.writes, len(load.took_ms), system.largest) == (60, 12, 4)
    assert load.per_second == pytest.approx(60 / load.seconds)
    assert set(system.seen) == {("yes", b"5")}


async def test_no_request_is_sent_when_the_time_is_over(serve):
    system = Echo()
    url = await serve(system)
    with pytest.raises(ValueError, match="no request"):
        await saturate(system, [[Request(url, b"1", 1)]], 0)
    assert system.seen == []


async def test_an_answer_that_tells_of_fewer_writes_ends_the_run(serve):
    system = Echo()
    url = await serve(system)
    with pytest.raises(ValueError, match="1 of 2 writes"):
        await saturate(system, [[Request(url, b"1", 2)]], 60)


async def test_one_by_one_never_has_two_under_way(serve):
    system = Echo()
    url = await serve(system)
    took_ms = await one_by_one(system, [Request(url, b"1", 1)] * 5, 0)
    assert (len(took_ms), system.largest) == (5, 1)


def test_ticks_are_found_behind_a_name_with_blanks_and_brackets():
    stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 700 30 99 98 20"
    assert cpu_ticks(stat) == 730


def test_requests_last_for_the_seconds_with_some_to_spare():
    assert enough(1000, seconds=10, clients=10, batch=100) * 10 * 100 >= 15_000
    assert enough(0.1, seconds=1, clients=64, batch=1) == 1


def test_rounds_are_compared_pair_by_pair():
    """Not the median of ours by the median of theirs, 1.8: what slows both in one round leaves the ratio."""
    assert ours_by_theirs([(100, 50), (30, 10), (90, 90)]) == 2.0


def test_latencies_are_the_median_and_the_99th_of_100():
    assert latencies(list(range(100))) == {"p50_ms": 50, "p99_ms": 99}


def test_the_file_system_is_that_of_the_nearest_mount():
    mounts = "a / ext4 rw 0 0\nb /tmp tmpfs rw 0 0\nc /tmp/deep/er xfs rw 0 0\n"
    assert file_system(mounts, Path("/tmp/deep")) == "tmpfs"
    assert file_system(mounts, Path("/tmpx")) == "ext4"
    assert file_system("", Path("/tmp")) == "?"
