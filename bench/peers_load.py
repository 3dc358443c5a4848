"""One load for all systems of a comparison: requests made before, a number of them under way for some seconds, or one at a time."""

import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from netbench import percentile

ANSWER_S, STOP_S = 60.0, 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """A body to post, and how many writes it asks for."""

    url: str
    body: bytes
    writes: int


class System(Protocol):
    """A running system under load."""

    @property
    def headers(self) -> dict[str, str]:
        """Of every request."""

    @property
    def pids(self) -> tuple[int, ...]:
        """Its processes."""

    def requests(self, *, clients: int, each: int, batch: int) -> list[list[Request]]:
        """For each of `clients`, `each` new requests of `batch` writes, to be sent in this order."""

    def committed(self, status: int, content: bytes) -> int | Awaitable[int]:
        """How many writes an answer says are committed, or will when they are. ValueError when it says anything else.

        A system whose answers do not tell of commits has a method `watching()`, too: what finds out, entered around a load.
        """


class Starter(Protocol):
    """A system that can be started afresh."""

    name: str
    facts: dict[str, object]

    def start(self, *, under_load: bool) -> AbstractContextManager[System]:
        """From nothing until it serves, set up for a load or for single writes; stopped and removed at the end."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a system did under load."""

    writes: int
    seconds: float
    took_ms: tuple[float, ...]  # of each request, whatever it holds
    system_cpu_us: float  # of all processes of the system, per write
    client_cpu_share: float  # of one core: near 1 the client is what limits

    @property
    def per_second(self) -> float:
        """Committed writes a second."""
        return self.writes / self.seconds


async def saturate(system: System, queues: list[list[Request]], seconds: float) -> Load:
    """Each client sends its requests one after the other until the time is over, and awaits its last answer."""
    writes, took_ms = 0, []
    cpu_s, own_cpu_s, began = cpu_seconds(system.pids), time.process_time(), time.perf_counter()

    async def client(session: aiohttp.ClientSession, queue: list[Request]) -> None:
        nonlocal writes
        for request in queue:
            sent = time.perf_counter()
            if sent - began >= seconds:
                return
            committed = await _send(session, system, request)
            writes += committed  # in a statement of its own: `+= await` would forget what others added meanwhile
            took_ms.append((time.perf_counter() - sent) * 1000)

    async with _session(system, len(queues)) as session, _watching(system):
        await asyncio.gather(*(client(session, queue) for queue in queues))
        passed = time.perf_counter() - began
    if not writes:
        raise ValueError("no request was sent within the time")
    cpu_us = (cpu_seconds(system.pids) - cpu_s) / writes * 1e6
    return Load(writes, passed, tuple(took_ms), cpu_us, (time.process_time() - own_cpu_s) / passed)


async def one_by_one(system: System, queue: list[Request], pause_ms: int) -> list[float]:
    """Milliseconds that each request takes when nothing else is under way."""
    took_ms = []
    async with _session(system, 1) as session, _watching(system):
        for request in queue:
            await asyncio.sleep(pause_ms / 1000)
            sent = time.perf_counter()
            await _send(session, system, request)
            took_ms.append((time.perf_counter() - sent) * 1000)
    return took_ms


def _session(system: System, clients: int) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=clients)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=ANSWER_S), headers=system.headers)


def _watching(system: System) -> AbstractAsyncContextManager[None]:
    watching: AbstractAsyncContextManager[None] = getattr(system, "watching", nullcontext)()
    return watching


async def _send(session: aiohttp.ClientSession, system: System, request: Request) -> int:
    async with session.post(request.url, data=request.body) as answer:
        found = system.committed(answer.status, await answer.read())
    committed = found if isinstance(found, int) else await found
    if committed != request.writes:
        raise ValueError(f"{committed} of {request.writes} writes were committed")
    return committed


def spawn(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A process that is heard of only through its sockets."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask all to end, wait, and kill what does not."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor seconds that these processes have used."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum(cpu_ticks(Path(f"/proc/{pid}/stat").read_text()) for pid in pids) / ticks


def cpu_ticks(stat: str) -> int:
    """User and system ticks from the text of /proc/PID/stat; the name in it may hold blanks and brackets."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def enough(rate: float, *, seconds: float, clients: int, batch: int) -> int:
    """Requests per client that last for `seconds` at a rate seen before, with half as many to spare."""
    return int(rate * seconds * 1.5 / clients / batch) + 1


def ours_by_theirs(pairs: Sequence[tuple[float, float]]) -> float:
    """The median, over the rounds, of ours by theirs in the same round: what drifts on the machine drifts for both."""
    return round(statistics.median(ours / theirs for ours, theirs in pairs), 2)


def latencies(took_ms: Sequence[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    return {"p50_ms": round(percentile(took_ms, 0.5), 2), "p99_ms": round(percentile(took_ms, 0.99), 2)}


def file_system(mounts: str, folder: Path) -> str:
    """The type of the file system that holds a folder, from the text of /proc/mounts: on tmpfs fsync costs nothing."""
    points = [line.split()[1:3] for line in mounts.splitlines()]
    holding = [(len(point), kind) for point, kind in points if folder.is_relative_to(point)]
    return max(holding, key=lambda one: one[0], default=(0, "?"))[1]


def fsync_ms(writes: int = 100) -> float:
    """What it costs here to append 4,096 bytes and wait until they are on disk: the median."""
    took_ms = []
    with tempfile.TemporaryFile() as file:
        for _ in range(writes):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            took_ms.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(took_ms), 2)
