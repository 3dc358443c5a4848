"""Receipts between chains under a hostile relay: seeds that must pass, and bent rules that must be found."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts import clients, packetapps
from contracts.receiptmovebytes import PORT
from tests.sim.two_chains import TwoChains

BLOCKS = 300


def run(seed: int, blocks: int = BLOCKS) -> TwoChains:
    """One seed, which is printed."""
    print(f"seed {seed}, {blocks} blocks")
    world = TwoChains(seed)
    world.run(blocks)
    return world


@pytest.mark.parametrize("seed", range(200, 206))
def test_inv_63_a_seed_passes(seed: int) -> None:
    run(seed)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(20_000, 20_200, 20))
def test_inv_63_many_seeds_pass(first: int) -> None:
    for seed in range(first, first + 20):
        run(seed, 1_000)


def test_seeds_meet_every_step_of_a_journey() -> None:
    met: Counter[tuple[str, str]] = Counter()
    lineages: Counter[int] = Counter()
    for seed in (1, 2, 3, 5):
        world = run(seed)
        met += world.met
        receipts = [one for records in world.records.values() for one in records.receipts.values()]
        lineages.update(len(one.origin.lineage) if one.origin is not None else 0 for one in receipts)
        lineages.update(9 for one in receipts if one.status.value == "returned")
    for method, outcomes in {
        "packets.receive": {"accepted", "refused", "already", "packet-timed-out", "bad-proof"},
        "packets.acknowledge": {"accepted", "refused", "already", "bad-proof"},
        "packets.time_out": {"timed out", "already", "bad-proof", "timeout-not-reached"},
        "clients.update": {"updated", "known", "bad-commit", "stale-header"},
    }.items():
        assert outcomes <= {outcome for name, outcome in met if name == method}, method
    assert {0, 1, 2, 9} <= set(lineages)  # at home, one chain on, two chains on, returned


def test_a_seed_gives_the_same_digest_twice() -> None:
    assert TwoChains(7).run(40) == TwoChains(7).run(40)
    assert TwoChains(7).run(40) != TwoChains(8).run(40)


APP = packetapps.APPS[PORT]
BENT: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "what leaves is not locked": lambda patch: patch.setitem(packetapps.APPS, PORT, replace(APP, on_send=lambda *_: None)),
    "a refusal is not told": lambda patch: patch.setitem(packetapps.APPS, PORT, replace(APP, on_acknowledge=lambda *_: None)),
    "a timeout is not told": lambda patch: patch.setitem(packetapps.APPS, PORT, replace(APP, on_timeout=lambda *_: None)),
    "absence is not proved": lambda patch: patch.setattr(clients, "verify_absence", lambda *_: 2**62),
    "presence is not proved": lambda patch: patch.setattr(clients, "verify_member", lambda *_: None),
}


@pytest.mark.parametrize("name", BENT)
def test_inv_63_the_simulator_finds_a_bent_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BENT[name](monkeypatch)
    with pytest.raises(AssertionError):
        for seed in (1, 2, 3, 5):
            run(seed)
