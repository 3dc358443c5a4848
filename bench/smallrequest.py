"""What a small request costs the node that takes it in, in processor microseconds of the loop's thread.

    python bench/smallrequest.py [--requests 4000] [--connections 16] [--rounds 3]

The HTTP interface as a node has it, and the node's door behind it; the block comes at once, without consensus. Beside it an empty
handler of the same library: less than that no request can cost here. The client is a process of its own, each of whose connections
sends its next request when it has an answer.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from blockcost import World, _record
from prometheus_client import CollectorRegistry

from chainnode import codec
from chainnode.api.backend import NodeInfo
from chainnode.api.server import make_app
from chainnode.api.submissions import MSGPACK_MEDIA
from chainnode.execution.results import results_of
from chainnode.node.backend import NodeBackend
from chainnode.node.chain import AppliedBatch
from chainnode.node.dissemination import Dissemination
from chainnode.node.ingress import Ingress
from chainnode.node.listener import listen
from chainnode.types.release import VERSION
from chainnode.types.transaction import Event, TxResult
from httpload import as_fast_as_answered, connect, post_of, request_of
from netbench import conditions, finish, run, sign, spread

HOST, PATH = "127.0.0.1", "/v1/transactions"
WARM = 30  # requests of each connection before the measurement
RESULT = TxResult(0, b"", (Event("evidence", "recorded", {"first": 5, "count": 1}),))


class Blocks:
    """A host whose blocks are there in the next turn of the loop."""

    def __init__(self) -> None:
        self.replica = SimpleNamespace(dissemination=Dissemination(), sync=SimpleNamespace(lacking=str))
        self.clock = SimpleNamespace(is_wrong=False)
        self.ingress: Any = None
        self._height = 0

    def put_now(self, item: Any) -> None:
        """What was submitted is in the next block."""
        asyncio.get_running_loop().call_soon(self._apply, item.txs)

    def _apply(self, txs: Sequence[Any]) -> None:
        self._height += 1
        batch = AppliedBatch(bytes(32), tuple([tx.tx_id for tx in txs]), 0, results_of([RESULT] * len(txs)))
        self.ingress.height_applied(SimpleNamespace(tip=SimpleNamespace(height=self._height), batches=(batch,)))


def client(port: int, requests: list[bytes], connections: int, pipe: Connection) -> None:
    """Warm up, wait for a word, send the rest, tell."""

    async def load() -> None:
        made = await connect(HOST, port, connections)
        await as_fast_as_answered(made, requests[: WARM * connections])
        pipe.send(True)
        pipe.recv()
        await as_fast_as_answered(made, requests[WARM * connections :])
        pipe.send(True)

    run(load())


async def request_us(app: web.Application, requests: list[bytes], connections: int) -> float:
    """Microseconds of the loop's thread for each request after the first ones."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    server = await listen(runner, f"{HOST}:0", most=2 * connections)
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=client, args=(server.sockets[0].getsockname()[1], requests, connections, there)
    )
    process.start()
    try:
        await asyncio.to_thread(here.recv)
        began = time.thread_time()
        here.send(True)
        await asyncio.to_thread(here.recv)
        return (time.thread_time() - began) / (len(requests) - WARM * connections) * 1e6
    finally:
        process.join()
        server.close()
        await runner.cleanup()


def bare() -> web.Application:
    """An application that reads a body and answers with as many bytes as a node."""

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=bytes(50), content_type=MSGPACK_MEDIA)

    app = web.Application()
    app.router.add_post(PATH, handler)
    app.router.add_get("/livez", handler)
    return app


def ours(world: World, pool: ThreadPoolExecutor) -> web.Application:
    """The interface of a node over a chain with its genesis alone."""
    host, chain = Blocks(), world.validators[0].chain
    there: Any = host
    host.ingress = Ingress(there, chain, pool)
    info = NodeInfo(chain.genesis, chain.genesis_hash, "did:bid:bench", "bench", VERSION, HOST)
    backend = NodeBackend(info, chain, there, host.ingress, world.validators[0].network)
    return make_app(backend, registry=CollectorRegistry(), body_bytes_max=2**20)


def posts(world: World, count: int) -> list[bytes]:
    """Requests with one new transaction each."""
    valid_until_ms = time.time_ns() // 1_000_000 + 590_000
    bodies = [codec.encode((sign(world.member, world.validators[0].chain.genesis_hash, _record(), valid_until_ms),)) for _ in range(count)]
    return [post_of(f"{PATH}?wait_ms=55000", len(body), host=HOST, content_type=MSGPACK_MEDIA) + body for body in bodies]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("requests", 4_000), ("connections", 16), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    count = args.requests + WARM * args.connections
    gets = [request_of("/livez", host=HOST, accept="*/*")] * count
    found: dict[str, list[float]] = {"post": [], "bare_post": [], "get": [], "bare_get": []}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        world = World(Path(folder), validators=1, heartbeat_ms=86_400_000, port=28790)
        for _ in range(args.rounds):
            for name, requests in (("post", posts(world, count)), ("get", gets)):
                found[name].append(run(request_us(ours(world, pool), requests, args.connections)))
                found[f"bare_{name}"].append(run(request_us(bare(), requests, args.connections)))
    for name, values in found.items():
        print(f"{name}: {spread(values)} us", flush=True)
    setup = conditions(requests=args.requests, connections=args.connections, rounds=args.rounds)
    finish({"bench": "smallrequest", **{f"us_per_{name}": spread(values)["median"] for name, values in found.items()}, "conditions": setup})


if __name__ == "__main__":
    main()
