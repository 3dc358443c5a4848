#!/usr/bin/env python3
"""Write the tables of docs/scale.md anew from docs/scale.json, the last line that bench/chains.py printed.

    python bench/chains.py --chains 1 10 30 60 | tail -n 1 > docs/scale.json && python scripts/scaledocs.py

What the tables compute is computed here, by the formulas that the page names.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chainnode.types.genesis import ChainParams
from chainnode.types.limits import CLIENT_STATES_MAX
from tests.sim.anchor_model import Schedule, under_load
from tests.sim.many_chains import ManySettings, costs_from

ROOT = Path(__file__).resolve().parents[1]
PAGE, FIGURES = ROOT / "docs" / "scale.md", ROOT / "docs" / "scale.json"
DAY_S, YEAR_S = 86_400, 365 * 86_400
MANY = (1, 60, 1_000, 10_000)
PARAMS = ChainParams()
# Of docs/performance.md, bench/identity.py --dids 1000000 and bench/footprint.py.
DID_MEMORY_BYTES, DIDS_PER_S, ANSWERS_PER_S, BUNDLE_BYTES, VERIFY_MS = 817, 7_810, 2_180, 2_100, 0.4
DIDS = 10_000_000
Figures = dict[str, Any]


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """In Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def conditions(figures: Figures) -> str:
    """How the bench ran."""
    of = figures["conditions"]
    return (
        f"`{of['command']}`: {of['cores']} cores of an {of['cpu'].replace('(R)', '')}, Python {of['python']}, load before the start"
        f" {of['load_before']:g}; a main chain of {of['validators']} validators, fsync on, mutual TLS; {of['machine']}. Backbone chains:"
        f" {of['backbone_chains']}. Schedule: an anchor every {of['interval_s']:g} s, a look every {of['poll_s']:g} s, a block of each"
        f" chain every {of['block_s']:g} s."
    )


def measured(figures: Figures) -> str:
    """What the bench measured for each number of chains."""
    runs = figures["runs"]
    rows: list[list[object]] = []

    def row(name: str, load: str, cell: Callable[[Figures], object]) -> None:
        rows.append([name, *(cell(run[load]) for run in runs)])

    for load, word in (("saturated", "as much as it takes"), ("one_by_one", "one after the other"), ("scheduled", "on schedule")):
        row(f"{word}: anchors a second", load, lambda one: one["anchors_per_s"])
        row(f"{word}: processor of a validator for each", load, lambda one: f"{one['cpu_us_per_anchor']:,} µs")
        row(f"{word}: anchors in a block", load, lambda one: one["anchors_per_block"])
        if load != "saturated":
            row(
                f"{word}: from sending to the answer, p50; p99",
                load,
                lambda one: f"{one['commit_p50_ms']:.0f}; {one['commit_p99_ms']:.0f} ms",
            )
        row(f"{word}: bytes to peers for each, of a validator", load, lambda one: f"{one['peer_bytes_per_anchor']:,}")
    row("disk of a validator for each", "saturated", lambda one: f"{one.get('disk_bytes_per_anchor', 0):,} bytes")
    row("transaction of an anchor", "saturated", lambda one: f"{one['tx_bytes_per_anchor']:,} bytes")
    for name in ("p50", "p99"):
        row(
            f"lag {name}; by the model",
            "scheduled",
            lambda one, name=name: f"{one[f'lag_{name}_s']:.1f}; {one[f'lag_{name}_s_by_formula']:.1f} s",
        )
    row("cores that the main chain used; the bench itself", "scheduled", lambda one: f"{one['main_cores']}; {one['client_cores']}")
    return table(["", *(f"{run['chains']} chain{'s' * (run['chains'] > 1)}" for run in runs)], rows)


def by_validators(figures: Figures) -> str:
    """What an anchor costs by the size of its chain's validator set."""
    rows = [(count, f"{one['message_bytes']:,}", f"{one['apply_us']:,} µs") for count, one in figures["by_validators"].items()]
    return table(("validators of the backbone chain", "bytes of an update", "processor to apply it"), rows)


def state(figures: Figures) -> str:
    """What the main chain keeps of a chain."""
    one = figures["state"]
    rows = [
        ("entries of the state for an anchor", f"{one['entries_per_state']:g}", "measured"),
        ("bytes of their keys and values", f"{one['bytes_per_state']:,}", "measured"),
        ("memory of the trees for an anchor", size(one["tree_memory_bytes_per_state"]), "measured"),
        (f"a chain with {one['states']:,} anchors, the most that are kept", size(one["bytes_per_chain"]), "measured"),
        ("memory of the trees for such a chain", size(one["tree_memory_bytes_per_state"] * CLIENT_STATES_MAX), "computed"),
    ]
    return table(("what", "figure", ""), rows)


def real(figures: Figures) -> str:
    """Chains with nodes of their own."""
    one = figures["real"]
    if one is None:
        return "Not measured in this run."
    rows = [
        (f"lag p50; by the model (an anchor every {one['interval_s']} s)", f"{one['lag_p50_s']}; {one['lag_p50_s_by_formula']} s"),
        ("lag p99; by the model", f"{one['lag_p99_s']}; {one['lag_p99_s_by_formula']} s"),
        ("memory of a backbone node with its gateway", f"{one['rss_mb_per_backbone_node']} MB"),
        ("cores that it uses", one["cores_per_backbone_node"]),
        ("cores that the main chain uses, four validators", one["main_cores"]),
        ("from the start of all nodes until all chains are admitted, linked and anchored", f"{one['joined_s']} s"),
    ]
    return table((f"{one['chains']} backbone chains with nodes of their own", "measured"), rows)


def block_cpu_us(figures: Figures) -> float:
    """What a block by itself takes a validator: of a lone anchor, which makes two, half of what is not the anchor's."""
    lone, anchor_us = figures["runs"][0]["one_by_one"], figures["runs"][-1]["saturated"]["cpu_us_per_anchor"]
    return float(max(0, lone["cpu_us_per_anchor"] - anchor_us) / 2)


def many(figures: Figures) -> str:
    """What N chains make of it, by formula."""
    costs = costs_from(figures)
    most = figures["runs"][-1]["saturated"]
    per_s = most["anchors_per_s"]
    one, block_us = figures["state"], block_cpu_us(figures)
    base = ManySettings(0, costs=costs)
    rows: list[list[object]] = [[name] for name in _MANY_ROWS]
    for chains in MANY:
        rate = chains / base.interval_s
        asked = Schedule(base.interval_s, base.poll_s, base.block_s, 0.0)
        calm, failing = (under_load(each, base.main(), chains) for each in (asked, base.asked()))
        cells = (
            f"{rate:.3g}",
            f"{rate / per_s:.2%}",
            f"{base.main().blocks_per_s(rate):.3g}",
            f"{calm.delay_s * 1000:.0f} ms",
            f"{calm.percentile(0.5):.1f}; {calm.percentile(0.99):.1f} s",
            f"{failing.percentile(0.5):.1f}; {failing.percentile(0.99):.1f} s",
            f"{(base.main().blocks_per_s(rate) * block_us + rate * most['cpu_us_per_anchor']) / 1e6:.1%}",
            size(rate * most["tx_bytes_per_anchor"] * DAY_S),
            size(rate * most.get("disk_bytes_per_anchor", 0) * YEAR_S),
            size(chains * one["bytes_per_chain"]),
            size(chains * one["tree_memory_bytes_per_state"] * CLIENT_STATES_MAX),
        )
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    return table(("computed", *(f"{chains:,}" for chains in MANY)), rows)


_MANY_ROWS = (
    "anchors a second: N / I",
    "share of what the main chain takes: N / I / R",
    "blocks a second: model",
    "delay: model",
    "lag p50; p99, no failures: model",
    "lag p50; p99, one gateway, away 1 minute in 31: model",
    "processor of a validator, share of a core: blocks × B + N / I × C",
    "transactions a day: N / I × T",
    "disk of a validator a year at least, nothing pruned: N / I × D",
    "state, once 1,024 anchors of each are kept: N × S",
    "memory of its trees: N × M",
)


def limits(figures: Figures) -> str:
    """What comes to an end first."""
    costs, most = costs_from(figures), figures["runs"][-1]["saturated"]
    interval_s, each = ManySettings(0).interval_s, most["cpu_us_per_anchor"]
    apply_us = {count: one["apply_us"] for count, one in figures["by_validators"].items()}
    takes = interval_s * most["anchors_per_s"]
    in_block = PARAMS.block_bytes_max // most["tx_bytes_per_anchor"]
    by_bytes = interval_s * in_block / (costs.block_us / 1e6 + in_block * costs.anchor_us / 1e6)
    memory = figures["state"]["tree_memory_bytes_per_state"] * CLIENT_STATES_MAX
    rows: list[tuple[str, str]] = [("processor, chains of one validator: I × R", f"{takes:,.0f}")]
    for count in ("4", "22", "100"):
        shown = takes * each / (each + apply_us[count] - apply_us["1"])
        rows.append((f"processor, chains of {count} validators: I × R × C / (C + A({count}) - A(1))", f"{shown:,.0f}"))
    rows.append((f"bytes: a block holds {min(in_block, PARAMS.block_txs_max):,}, and takes as long as its anchors", f"{by_bytes:,.0f}"))
    rows.append(("memory: 8 GB / M", f"{8e9 / memory:,.0f}"))
    return table(("computed limit", "chains"), rows)


def identities(_: Figures) -> str:
    """Ten million DIDs and their readers."""
    rows = [
        ("memory in each validator, all on one chain: 10⁷ × 817 bytes", size(DIDS * DID_MEMORY_BYTES)),
        ("the same on 60 chains, a validator of each", size(DIDS * DID_MEMORY_BYTES / 60)),
        (f"to register them on one chain, at {DIDS_PER_S:,} a second", f"{DIDS / DIDS_PER_S / 60:.0f} minutes"),
        ("ten million readers, each with one question a day: questions a second", f"{DIDS / DAY_S:.0f}"),
        (f"nodes for that, at {ANSWERS_PER_S:,} answers a second", f"{DIDS / DAY_S / ANSWERS_PER_S:.2f}"),
        ("bytes that such a node sends a day: 10⁷ × 2.1 kB", size(DIDS * BUNDLE_BYTES)),
        (f"processor of a reader for its check: {VERIFY_MS} ms once a day", f"{VERIFY_MS} ms"),
    ]
    return table(("computed", ""), rows)


PARTS = {one.__name__: one for one in (conditions, measured, by_validators, state, real, many, limits, identities)}


def rendered(page: str, figures: Figures) -> str:
    """The page with its parts made anew."""

    def part(found: re.Match[str]) -> str:
        return f"{found[1]}\n{PARTS[found[2]](figures)}\n{found[3]}"

    return re.sub(r"(<!-- made: (\w+) -->)\n.*?(<!-- end -->)", part, page, flags=re.DOTALL)


def main() -> None:
    """Write the page."""
    PAGE.write_text(rendered(PAGE.read_text(), json.loads(FIGURES.read_text())))


if __name__ == "__main__":
    main()
