"""Many chains under one main chain: seeds that must pass, the model that foretells them, and bent rules that must be found."""

import importlib.util
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chainnode.foreign import tendermint
from chainnode.relay.facts import PlanRules
from chainnode.types.genesis import ChainParams
from contracts import clients
from tests.sim import many_chains
from tests.sim.anchor_model import Main, Schedule, percentile_of, under_load
from tests.sim.many_chains import Broken, Costs, ManyChains, ManySettings, ManySummary, costs_from

ROOT = Path(__file__).resolve().parents[2]
FEW = ManySettings(1, chains=40, seconds=600)


def run(settings: ManySettings) -> ManySummary:
    """One run, whose command is printed."""
    print(settings.arguments())
    return ManyChains(settings).run()


@pytest.mark.parametrize(
    "settings",
    [
        replace(FEW, seed=11),
        replace(FEW, seed=12, seconds=1200),
        replace(FEW, seed=13, up_s=0),
        replace(FEW, seed=14, gateways=2),
        replace(FEW, seed=15, interval_s=10, seconds=300, poll_s=2, block_s=5, up_s=0),
        replace(FEW, seed=16, interval_s=2, seconds=150, up_s=0, costs=Costs(anchor_us=100_000)),  # twice what it can take
    ],
    ids=["outages", "longer", "none fail", "two gateways", "slow blocks", "too much"],
)
def test_the_model_foretells_how_old_anchors_get(settings: ManySettings) -> None:
    assert settings.errors(run(settings)) == []


def test_a_model_that_knows_no_outages_is_found_out() -> None:
    summary = run(replace(FEW, seconds=1200))
    calm = replace(FEW, seconds=1200, up_s=0).model()
    wrong = replace(summary, lags_by_model_s={name: calm.percentile(share) for name, share in many_chains.SHARES.items()})
    assert FEW.errors(summary) == [] and any("lag p99" in one for one in FEW.errors(wrong))
    assert any("expired" in one for one in FEW.errors(replace(summary, expired=9)))
    assert any("delay" in one for one in FEW.errors(replace(summary, delay_mean_s=summary.delay_mean_s * 1.2)))


def test_a_seed_gives_the_same_digest_twice() -> None:
    short = replace(FEW, seconds=150)
    assert run(short) == run(short)
    assert run(short).digest != run(replace(short, seed=2)).digest


def test_clients_expire_when_no_gateway_comes_in_time_and_alarms_come_first() -> None:
    rare = replace(FEW, up_s=300, down_s=120, trusting_s=100, seconds=900)
    summary = run(rare)
    assert summary.expired > 5 and summary.alarms >= summary.expired // 2
    assert run(replace(rare, gateways=3)).expired < summary.expired


def test_two_gateways_of_a_chain_seldom_send_the_same_anchor() -> None:
    summary = run(replace(FEW, gateways=2, up_s=0))
    assert 0 < summary.doubles < summary.anchors // 10


def test_chains_that_begin_together_stay_together() -> None:
    spread, together = (run(replace(FEW, up_s=0, together=one)) for one in (False, True))
    assert together.anchors_per_block_max > 2 * spread.anchors_per_block_max
    assert together.delay_p99_s > spread.delay_p99_s


def test_a_block_holds_no_more_than_the_parameters_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    burst = replace(FEW, seconds=150, up_s=0, together=True, costs=Costs(block_us=200_000))
    assert run(burst).anchors_per_block_max > 5
    monkeypatch.setattr(many_chains, "PARAMS", ChainParams(block_txs_max=5))
    assert run(burst).anchors_per_block_max == 5
    monkeypatch.setattr(many_chains, "PARAMS", ChainParams(block_bytes_max=3 * 1_200))
    assert run(burst).anchors_per_block_max == 3


def test_a_client_keeps_no_more_states_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    short = replace(FEW, chains=5, seconds=400, trusting_s=10_000, up_s=0)
    assert run(short).states_max > 4
    monkeypatch.setattr(many_chains, "CLIENT_STATES_MAX", 4)
    with pytest.raises(Broken):
        run(short)
    monkeypatch.setattr(clients, "CLIENT_STATES_MAX", 4)
    assert run(short).states_max == 4


def test_a_main_chain_that_has_too_much_takes_what_it_can() -> None:
    main = Main(0.015, 0.1)
    asked = Schedule(2.0, 1.0, 1.0, 0.0)
    assert not under_load(asked, main, 19).is_full and under_load(asked, main, 21).is_full
    full = under_load(asked, main, 40)
    assert full.interval_s == full.delay_s == pytest.approx(4.03)
    assert full.cycle_s() == pytest.approx(40 / main.anchors_per_s, rel=0.01)


def test_percentiles_of_rises_by_hand() -> None:
    assert percentile_of([(0.0, 10.0)], 0.5) == pytest.approx(5)
    assert percentile_of([(0.0, 10.0), (0.0, 30.0)], 0.5) == pytest.approx(10)
    assert percentile_of([(1.0, 2.0)] * 99 + [(1.0, 101.0)], 0.99) == pytest.approx(99.01)
    calm = Schedule(60.0, 1.0, 1.0, 0.02)
    assert calm.percentile(0.5) == pytest.approx(30.52, abs=0.01) and calm.beyond(61.03) == 0.0
    away = replace(calm, up_s=1800.0, down_s=60.0)
    assert away.beyond(61.0) == pytest.approx(away.away * 60 / away.cycle_s(), rel=0.05)


BENT: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "trust has no end": lambda patch: patch.setattr(tendermint, "is_expired", lambda *_: False),
    "trust ends early": lambda patch: patch.setattr(tendermint, "is_expired", lambda state, latest, now: latest + 75 * 10**9 <= now),
    "gateways anchor at every look": lambda patch: patch.setattr(many_chains, "PlanRules", lambda _, *rest: PlanRules(0, *rest)),
    "what is new counts as known": lambda patch: patch.setattr(clients, "load_consensus_state", lambda *_: b"known"),
}


@pytest.mark.parametrize("name", BENT)
def test_the_simulator_finds_a_bent_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BENT[name](monkeypatch)
    with pytest.raises(Broken):
        run(replace(FEW, up_s=200, down_s=120, trusting_s=90))


FIGURES = {
    "runs": [
        {"scheduled": {"commit_p50_ms": 20.0}, "saturated": {"anchors_per_s": 1, "tx_bytes_per_anchor": 1}},
        {"scheduled": {"commit_p50_ms": 99.0}, "saturated": {"anchors_per_s": 1000.0, "tx_bytes_per_anchor": 1115}},
    ],
    "by_validators": {"1": {"message_bytes": 888}},
}


def test_costs_come_from_the_bench() -> None:
    assert costs_from(FIGURES) == Costs(block_us=17_000, anchor_us=1_000, way_us=2_000, tx_bytes=227)


_spec = importlib.util.spec_from_file_location("simulate", ROOT / "scripts" / "simulate.py")
assert _spec is not None and _spec.loader is not None
simulate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(simulate)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["simulate.py", *arguments])
    code = simulate.main()
    assert isinstance(code, int)
    return code


def test_the_command_tells_a_run_in_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "--chains", "10", "--seconds", "200", "--up-s", "0", "--count", "2") == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert re.match(r"seed 1: 10 chains, 200 s: \d+ anchors and 0 doubles in \d+ blocks, .* lag p50 \d+\.\d\d s \(model \d+\.\d\d\)", first)
    assert second.startswith("seed 2: ") and last == "2 runs, 0 failed"


def test_a_failure_names_the_command_that_repeats_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ManySettings, "errors", lambda self, summary: ["the model is off"])
    arguments = ("--chains", "10", "--seconds", "200", "--gateways", "2", "--together", "--anchor-us", "900")
    assert command(monkeypatch, *arguments) == 1
    out = capsys.readouterr().out
    assert "FAILED seed 1: the model is off" in out
    again = shlex.split(re.search(r"again: \S+ scripts/simulate.py (.+)", out)[1])
    capsys.readouterr()
    assert command(monkeypatch, *again) == 1
    assert capsys.readouterr().out.splitlines()[0].split("digest")[1] == out.splitlines()[0].split("digest")[1]
