"""What a network does when ten times more is asked of it than it can do: committed transactions a second against its peak, and its memory.

    python bench/overload.py [--validators 4] [--seconds 10] [--clients 16] [--factor 10] [--batch 500] [--ask-first]

First the peak: `--clients` requests of `--batch` transactions under way, each waiting for its block. Then clients that do not wait
offer `--factor` times as much a second, and offer again what is refused, for twice as long: the first half fills the nodes' mempools,
the second is what counts. Any answer other than taken and `overloaded` ends the bench. Committed is what a node counts.

The clients share the machine with the nodes, so they cost as little as they can: requests are bytes that were made and signed before,
and what they and the nodes use of the processor is told, and how many bytes of its peers a node reads for a committed transaction
(`peer_bytes`: what grows there is sent more than once). They heed no `Retry-After`. With `--ask-first` they send a body when the node has
said that it has room (`Expect: 100-continue`).
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from chainnode import codec
from chainnode.types.limits import MEMPOOL_OWN_TXS_MAX
from httpload import CONTINUE, OK, Connection, connect, post_of, request_of
from netbench import MSGPACK, Bench, bench_network, conditions, finish, run

WAIT_MS = 55_000
OVERLOADED = 503
WATCH_S = 0.25
COUNTER, PEER_BYTES = "cometbft_consensus_total_txs_total", "cometbft_p2p_message_receive_bytes_total"
ANSWER_BYTES_MAX = 64 * 1024 * 1024
TAKEN, NO_ROOM, OTHERS = "ok", "overloaded", ("wait-timeout", "replayed")  # `replayed`: taken before, when only some were


@dataclass
class Seen:
    """What the bench saw, moment by moment."""

    at_s: list[float] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)
    peer_bytes: list[int] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    nodes_cpu_s: list[float] = field(default_factory=list)
    client_cpu_s: list[float] = field(default_factory=list)
    offered: int = 0
    refused: int = 0

    def rate(self, since: int) -> float:
        """Committed a second, from a moment on."""
        return (self.committed[-1] - self.committed[since]) / (self.at_s[-1] - self.at_s[since])

    def cores(self, cpu_s: list[float], since: int) -> float:
        """How many cores were used, from a moment on."""
        return (cpu_s[-1] - cpu_s[since]) / (self.at_s[-1] - self.at_s[since])


@dataclass(frozen=True, slots=True)
class Request:
    """The bytes of a POST, and where its body begins."""

    whole: bytes
    body_at: int
    transactions: int


def request(raws: Sequence[bytes], *, path: str, ask_first: bool) -> Request:
    """Of these transactions."""
    body = codec.encode(tuple(raws))
    head = post_of(path, len(body), host="node", content_type=MSGPACK["Content-Type"], has_to_ask=ask_first)
    return Request(head + body, len(head), len(raws))


class Client:
    """One connection to a node, opened anew when the node ends it."""

    def __init__(self, url: str, *, ask_first: bool) -> None:
        at = urlsplit(url)
        self._host, self._port = at.hostname or "", at.port or 0
        self._ask_first = ask_first
        self._connection: Connection | None = None

    async def is_taken(self, asked: Request) -> bool:
        """Offer these once; False when the node has no room for all of them."""
        connection = self._connection
        if connection is None or connection.is_over:
            self.close()
            (connection,) = await connect(self._host, self._port, 1)
            self._connection = connection
        status, content = await connection.ask(asked.whole[: asked.body_at] if self._ask_first else asked.whole)
        if status == CONTINUE:
            status, content = await connection.ask(asked.whole[asked.body_at :])
        if status == OVERLOADED:
            return False
        if status != OK:
            sys.exit(f"HTTP {status}: {content[:300]!r}")
        names = {codec.as_array(one)[2] for one in codec.as_array(codec.decode(content, bytes_max=ANSWER_BYTES_MAX))}
        if not names <= {TAKEN, NO_ROOM, *OTHERS}:
            sys.exit(f"transactions failed: {names}")
        return NO_ROOM not in names

    def close(self) -> None:
        """End it."""
        if self._connection is not None:
            self._connection.close()


def counted(text: str, name: str) -> int:
    """The counter with this name, of a node's metrics."""
    return int(float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " "))))


async def watch(bench: Bench, seen: Seen) -> None:
    """Look at the first node's counter, and at the memory and processor time of all, until cancelled."""
    at = urlsplit(bench.network.urls[0])
    (connection,) = await connect(at.hostname or "", at.port or 0, 1)
    while True:
        text = (await connection.get(request_of("/metrics", host="node", accept="*/*"))).decode()
        seen.committed.append(counted(text, COUNTER))
        seen.peer_bytes.append(counted(text, PEER_BYTES))
        seen.at_s.append(time.perf_counter())
        seen.rss_mb.append(max(bench.rss_mb()))
        seen.nodes_cpu_s.append(bench.cpu_s())
        seen.client_cpu_s.append(time.process_time())
        await asyncio.sleep(WATCH_S)


async def offer(bench: Bench, requests: list[Request], *, seconds: float, clients: int, rate: float | None, ask_first: bool) -> Seen:
    """Offer for so long: each client its next when it has an answer, or, at a rate, whether or not anything is committed."""
    seen = Seen()
    began = time.perf_counter()

    async def one(number: int) -> None:
        client, mine, turn = Client(bench.network.urls[number % len(bench.network.urls)], ask_first=ask_first), None, 0
        while time.perf_counter() < began + seconds:
            if mine is None:
                if not requests:
                    break
                mine = requests.pop()
            if rate is not None:
                turn += 1
                await asyncio.sleep(max(0.0, began + turn * mine.transactions * clients / rate - time.perf_counter()))
            seen.offered += mine.transactions
            if await client.is_taken(mine):
                mine = None
            else:
                seen.refused += mine.transactions
        client.close()

    watching = asyncio.create_task(watch(bench, seen))
    await asyncio.gather(*(one(number) for number in range(clients)))
    watching.cancel()
    if not requests:
        sys.exit("there were not enough transactions: take a higher --peak")
    return seen


def run_one(bench: Bench, args: argparse.Namespace, peak: float | None) -> tuple[float, dict[str, object]]:
    """Sign, offer, and tell; the peak itself when it is not known yet."""
    if peak is None:
        seconds, clients, rate, count = args.seconds, args.clients, None, args.peak * args.seconds
    else:
        seconds, clients, rate = args.seconds * 2, args.clients * args.factor, peak * args.factor
        count = peak * seconds + MEMPOOL_OWN_TXS_MAX * args.validators
    count = int(count * 1.2) + clients * args.batch
    ask_first = args.ask_first and peak is not None
    raws = bench.evidence(count, records=1, meta_bytes=224)
    path = f"/v1/transactions?wait_ms={WAIT_MS}" if peak is None else "/v1/transactions"
    requests = [request(raws[at : at + args.batch], path=path, ask_first=ask_first) for at in range(0, count, args.batch)]
    del raws
    seen = run(offer(bench, requests, seconds=seconds, clients=clients, rate=rate, ask_first=ask_first))
    half = 0 if peak is None else len(seen.at_s) // 2
    memory = {"first": seen.rss_mb[0], "half": seen.rss_mb[len(seen.rss_mb) // 2], "last": seen.rss_mb[-1]}
    told: dict[str, object] = {"tx_per_s": round(seen.rate(half)), "offered_per_s": round(seen.offered / seconds)}
    told |= {"refused_share": round(seen.refused / seen.offered, 2), "rss_mb": {name: round(one) for name, one in memory.items()}}
    told |= {
        name: round(seen.cores(cpu_s, half), 2) for name, cpu_s in (("node_cores", seen.nodes_cpu_s), ("client_cores", seen.client_cpu_s))
    }
    told["cpu_us"] = round(seen.cores(seen.nodes_cpu_s, half) / seen.rate(half) / args.validators * 1e6, 1)
    told["peer_bytes"] = round((seen.peer_bytes[-1] - seen.peer_bytes[half]) / (seen.committed[-1] - seen.committed[half]))
    print("peak" if peak is None else "overload", told, flush=True)
    return seen.rate(half), told


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--factor", type=int, default=10)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--peak", type=int, default=70_000, help="transactions a second for which to sign beforehand")
    parser.add_argument("--ask-first", action="store_true", help="under overload, ask for room before a body is sent")
    parser.add_argument("--port", type=int, default=28650)
    args = parser.parse_args()
    with bench_network(validators=args.validators, port=args.port) as bench:
        peak, of_peak = run_one(bench, args, None)
        overload, of_overload = run_one(bench, args, peak)
    setup = conditions(**{name: value for name, value in vars(args).items() if name != "port"})
    told = {"peak": of_peak, "overload": of_overload, "share_of_peak": round(overload / peak, 2)}
    finish({"bench": "overload", **told, "conditions": setup})


if __name__ == "__main__":
    main()
