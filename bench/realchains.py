"""Real backbone chains, to compare with those of chaingateways: for each a node with its gateway, as `chainnode devnet` makes them.

The main chain follows each of them and is followed by each; their gateways anchor every 10 s, which is what a devnet sets. They are
idle: their blocks are those in which they hear of the main chain, as often.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from chainnode.cli.backbones import open_chains
from chainnode.cli.joining import ANCHOR_S, POLL_MS, Joining
from chainnode.cli.ledgers import Ledger, ledgers_of
from chainnode.cli.network import Member
from chainnode.cli.telling import Teller
from chainnode.rfc3339 import time_from_text
from netbench import CHAIN_ID, percentile
from tests.sim.anchor_model import Schedule

LOOK_S = 0.25


def cpu_s(members: list[Member]) -> float:
    """Processor seconds that these nodes have used."""
    total = 0.0
    for member in members:
        assert member.process is not None
        fields = Path(f"/proc/{member.process.pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def rss_mb(member: Member) -> float:
    """Resident memory of a node."""
    assert member.process is not None
    lines = Path(f"/proc/{member.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6


def looked(main: Ledger, others: list[Ledger], seconds: float) -> tuple[list[float], int]:
    """The lag of each chain at each look, in seconds; how many anchors there were."""
    lags: list[float] = []
    updates: dict[str, tuple[int, int]] = {}
    until = time.time() + seconds
    while time.time() < until:
        for one in others:
            page: Any = main.get(f"/v1/chains/{one.ac}?{main.no_older}")
            lags.append(time.time() - time_from_text(page["anchor"]["time"]) / 1e9)
            count = page["client"]["updates"]
            updates[str(one.ac)] = updates.get(str(one.ac), (count, count))[0], count
        time.sleep(LOOK_S)
    return lags, sum(last - first for first, last in updates.values())


def measure(count: int, *, port: int, seconds: float) -> dict[str, object]:
    """So many chains under one main chain, for so long."""
    folder = Path(tempfile.mkdtemp(prefix="chainnode-bench-"))
    try:
        chains = open_chains(folder, chain_id=CHAIN_ID, validators=4, backbones=count, port=port)
        with chains.network:
            began = time.monotonic()
            chains.network.start()
            main, others = ledgers_of(chains, Teller({}))
            Joining(chains, main, others, Teller({})).run()
            joined_s = time.monotonic() - began
            nodes = [one.member for one in chains.backbones]
            before = cpu_s(chains.main.members), cpu_s(nodes)
            lags, anchors = looked(main, others, seconds)
            used = cpu_s(chains.main.members) - before[0], cpu_s(nodes) - before[1]
            memory = max(map(rss_mb, nodes))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    model = Schedule(ANCHOR_S, POLL_MS / 1000, ANCHOR_S, 0.0)
    return {
        "chains": count,
        "interval_s": ANCHOR_S,
        "joined_s": round(joined_s, 1),
        "anchors": anchors,
        "lag_p50_s": round(percentile(lags, 0.5), 2),
        "lag_p99_s": round(percentile(lags, 0.99), 2),
        "lag_p50_s_by_formula": round(model.percentile(0.5), 2),
        "lag_p99_s_by_formula": round(model.percentile(0.99), 2),
        "main_cores": round(used[0] / seconds, 3),
        "cores_per_backbone_node": round(used[1] / seconds / count, 3),
        "rss_mb_per_backbone_node": round(memory, 1),
    }
