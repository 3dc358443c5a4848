"""Backbone chains and their gateways in the bench's own process, in front of a real main chain: admitted by the book, anchored over HTTP.

A chain here has one validator, whose headers and commits are real; of the blocks between two anchors nothing is made but their heights.
A gateway signs its transactions with the key of its chain's operator, as the one inside a node does.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from chainnode import codec
from chainnode.bid import did_of
from chainnode.crypto.suites import PrivateKey
from chainnode.did.chainform import new_form
from chainnode.node.homes import load_key, new_key, read_passphrase_file
from chainnode.types.transaction import Invocation, Value
from contracts.chainapplications import arguments_of
from netbench import Bench, post, sign
from tests.sim.anchor_model import Rise
from tests.sim.header_chain import HeaderChain

WAIT_MS = 55_000
LIFETIME_MS = 590_000
HOUR_NS = 3_600 * 10**9
STEP_NS = 1_000_000  # between headers that are made as fast as can be
VOTES = 2  # beside the proposer's, of four


@dataclass
class Gateway:
    """One chain, its operator's key, and the main chain's client of it. `known` is the height that the client is told to trust."""

    chain: HeaderChain
    key: PrivateKey
    client_id: str
    known: int = 0
    messages: list[int] = field(default_factory=list)  # bytes of each

    def anchor(self, genesis_hash: bytes, time_ns: int, *, trusted: int | None = None, unseen: int = 1) -> bytes:
        """A signed transaction that anchors the chain's next block."""
        block = self.chain.decide(time_ns, unseen=unseen)
        message = self.chain.message(block, self.known if trusted is None else trusted)
        self.messages.append(len(message))
        call = Invocation("clients", "update", (self.client_id, message))
        return sign(self.key, genesis_hash, (call,), time.time_ns() // 1_000_000 + LIFETIME_MS)


async def values_of(session: aiohttp.ClientSession, url: str, raw: bytes) -> tuple[Value, ...]:
    """What the calls of a transaction returned. RuntimeError when it failed."""
    (answer,) = await post(session, url, [raw], WAIT_MS)
    return returned(answer)


def returned(answer: Sequence[object]) -> tuple[Value, ...]:
    """What the calls of a committed transaction returned. RuntimeError when it failed."""
    if answer[1] != 0:
        raise RuntimeError(f"a transaction failed: {answer[1:6]}")
    assert isinstance(answer[6], bytes)
    return codec.as_array(codec.decode(answer[6], bytes_max=1 << 20))


async def admit(bench: Bench, session: aiohttp.ClientSession, number: int) -> Gateway:
    """Put chain `number` on record: its operator applies, three of four super nodes vote; the first anchor is in the state."""
    url, chain = bench.network.urls[0], HeaderChain(f"b{number:03d}-1", time.time_ns() - HOUR_NS)
    key = new_key()
    did = did_of(key.suite, key.public)
    passphrase = read_passphrase_file(bench.folder / "passphrase")
    supers = [load_key(member.config.home / "keys" / "operator.json", passphrase) for member in bench.network.members]

    async def call(by: PrivateKey, contract: str, method: str, *arguments: Value) -> Value:
        lasts_ms = time.time_ns() // 1_000_000 + LIFETIME_MS
        (value,) = await values_of(session, url, sign(by, bench.genesis_hash, (Invocation(contract, method, arguments),), lasts_ms))
        return value

    ac = f"b{number:03d}"
    await call(supers[0], "roles", "grant", did, "member", 0, bytes(32))
    form = new_form(name=ac, operator=did, ac=ac, endpoints=("http://127.0.0.1:1",))
    application = await call(key, "chains", "apply", *arguments_of(chain.genesis, form))
    proposal = await call(supers[0], "governance", "propose", "admit_chain", (application, ac, 0), "bench")
    for one in supers[1 : VOTES + 1]:
        status = await call(one, "governance", "vote", proposal, True)
    assert status == "passed", status
    gateway = Gateway(chain, key, f"07-tendermint-{number}")
    anchored = await values_of(session, url, gateway.anchor(bench.genesis_hash, chain.time_ns + STEP_NS))
    assert anchored == ("updated",), anchored
    gateway.known = chain.height
    return gateway


@dataclass
class Sent:
    """What became of anchors: milliseconds from request to answer of each, the blocks they are in, bytes of the transactions."""

    took_ms: list[float] = field(default_factory=list)
    heights: set[int] = field(default_factory=set)
    tx_bytes: int = 0
    seconds: float = 0.0

    def add(self, raws: Sequence[bytes], answers: Sequence[Sequence[object]], took_s: float) -> None:
        """A request with its answer."""
        for raw, answer in zip(raws, answers, strict=True):
            outcome = returned(answer)
            assert outcome == ("updated",), outcome
            assert isinstance(answer[4], int)
            self.heights.add(answer[4])
            self.tx_bytes += len(raw)
            self.took_ms.append(took_s * 1000)


async def saturate(
    bench: Bench, session: aiohttp.ClientSession, gateways: list[Gateway], *, anchors: int, batch: int, under_way: int
) -> Sent:
    """As many anchors as the main chain takes, made before the clock starts, `batch` in a request: the clients cost as little as can be.

    An update trusts a header that is in the state for sure when it is sent: one of before the requests that may be under way.
    """
    window = (under_way + 1) * batch // len(gateways) + 1
    before: dict[int, list[int]] = {number: [one.known] * window for number, one in enumerate(gateways)}
    raws: list[bytes] = []
    for index in range(anchors):
        one, heights = gateways[index % len(gateways)], before[index % len(gateways)]
        raws.append(one.anchor(bench.genesis_hash, one.chain.time_ns + STEP_NS, trusted=heights[-window]))
        heights.append(one.chain.height)
    slices = [raws[start : start + batch] for start in range(0, anchors, batch)]
    sent, done, turn = Sent(), [False] * len(slices), asyncio.Condition()
    began = time.perf_counter()

    async def send(number: int) -> None:
        async with turn:
            await turn.wait_for(lambda: all(done[: max(0, number - under_way + 1)]))
        start = time.perf_counter()
        answers = await post(session, bench.network.urls[number % len(bench.network.urls)], slices[number], WAIT_MS)
        sent.add(slices[number], answers, time.perf_counter() - start)
        async with turn:
            done[number] = True
            turn.notify_all()

    await asyncio.gather(*(send(number) for number in range(len(slices))))
    sent.seconds = time.perf_counter() - began
    for one in gateways:
        one.known = one.chain.height
    return sent


async def one_by_one(bench: Bench, session: aiohttp.ClientSession, gateways: list[Gateway], seconds: float) -> Sent:
    """Every gateway sends its next anchor as soon as it knows of the last, each in a request of its own."""
    sent = Sent()
    began = time.perf_counter()

    async def go(number: int, one: Gateway) -> None:
        url = bench.network.urls[number % len(bench.network.urls)]
        while time.perf_counter() - began < seconds:
            raw = one.anchor(bench.genesis_hash, one.chain.time_ns + STEP_NS)
            start = time.perf_counter()
            answers = await post(session, url, [raw], WAIT_MS)
            sent.add([raw], answers, time.perf_counter() - start)
            one.known = one.chain.height

    await asyncio.gather(*(go(number, one) for number, one in enumerate(gateways)))
    sent.seconds = time.perf_counter() - began
    return sent


@dataclass
class Kept:
    """What a schedule gave: the anchors, and how the lag of each chain rose between them, from the second interval on."""

    sent: Sent
    rises: list[Rise]


async def on_schedule(
    bench: Bench,
    session: aiohttp.ClientSession,
    gateways: list[Gateway],
    *,
    interval_s: float,
    poll_s: float,
    block_s: float,
    seconds: float,
    seed: int,
) -> Kept:
    """Every chain has a block each `block_s`; its gateway looks each `poll_s`, and anchors the newest when the last is `interval_s` old."""
    kept = Kept(Sent(), [])
    draw = random.Random(seed)
    began = time.time()
    chances = [(draw.random() * interval_s, draw.random() * block_s) for _ in gateways]

    async def go(number: int, one: Gateway, first_s: float, phase_s: float) -> None:
        url, newest_s, last = bench.network.urls[number % len(bench.network.urls)], began + first_s - interval_s, None
        look_s = began + first_s
        while look_s < began + seconds:
            await asyncio.sleep(look_s - time.time())
            now_s = time.time()
            if now_s - newest_s >= interval_s:
                newest_s = now_s - (now_s - phase_s) % block_s
                blocks = max(0, int((newest_s - one.chain.time_ns / 1e9) / block_s) - 1)
                raw = one.anchor(bench.genesis_hash, int(newest_s * 1e9), unseen=blocks)
                start = time.perf_counter()
                answers = await post(session, url, [raw], WAIT_MS)
                kept.sent.add([raw], answers, time.perf_counter() - start)
                one.known = one.chain.height
                last = _rise(kept.rises, last, time.time(), newest_s, began + interval_s)
            look_s += poll_s * max(1, int((time.time() - look_s) / poll_s + 1))
        _rise(kept.rises, last, began + seconds, 0.0, began + interval_s)

    await asyncio.gather(*(go(number, one, *chances[number]) for number, one in enumerate(gateways)))
    kept.sent.seconds = seconds
    return kept


def _rise(rises: list[Rise], last: tuple[float, float] | None, now_s: float, newest_s: float, from_s: float) -> tuple[float, float]:
    """Note how the lag has risen since the last anchor, as far as it was after `from_s`; when this one was, and of which time."""
    if last is not None and now_s > from_s:
        rises.append((max(last[0], from_s) - last[1], now_s - last[1]))
    return now_s, newest_s
