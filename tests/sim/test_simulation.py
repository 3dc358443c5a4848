"""Seeds that must pass, faults that must be found, and the same digest whenever and wherever a seed is run."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chainnode.consensus import rules
from chainnode.consensus.inputs import StartHeight
from chainnode.node.replica import Replica
from chainnode.node.replicainputs import BlockChecked, Effect, Input, VoteVerified
from chainnode.types.block import VoteType
from chainnode.types.messages import BatchMessage, Message, ProposalMessage, VoteMessage
from tests.sim import host as host_module
from tests.sim.host import Host
from tests.sim.world import PACES, Settings, Violation, World, settings_for

SIMULATE = Path(__file__).resolve().parents[2] / "scripts" / "simulate.py"


@pytest.mark.parametrize("seed", range(100, 124))
def test_a_seed_passes(seed):
    print(settings_for(seed, seconds=10).arguments())
    World(settings_for(seed, seconds=10)).run()


def test_what_all_validators_lost_with_their_power_is_sent_again_soon():
    """Its node had sent it three times, and would have waited for 16 s."""
    World(settings_for(344782872, seconds=20)).run()


@pytest.mark.soak
@pytest.mark.parametrize("first", range(10_000, 10_500, 50))
def test_many_seeds_pass(first):
    for seed in range(first, first + 50):
        print(settings_for(seed, seconds=30).arguments())
        World(settings_for(seed, seconds=30)).run()


@pytest.mark.parametrize("settings", [Settings(7, 4, 6), Settings(8, 5, 6, has_liar=True, has_follower=True)])
def test_a_seed_gives_the_same_digest_twice(settings):
    assert World(settings).run() == World(settings).run()
    assert World(settings).run().digest != World(replace(settings, seed=1000)).run().digest


def test_a_seed_gives_the_same_digest_under_any_hash_seed():
    command = [sys.executable, str(SIMULATE), "--seed", "9", "--seconds", "5", "--validators", "4", "--liar", "--follower"]
    digests = set()
    for hash_seed in ("1", "2", "77"):
        done = subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True, timeout=60
        )
        digests.update(re.findall(r"digest ([0-9a-f]{16})", done.stdout))
    assert len(digests) == 1


class PowerFailure(World):
    """All nodes lose power at once, again and again, each time when one of them has locked a block."""

    failures = 0

    def _trouble(self) -> None:
        """No other trouble."""

    def trace(self, node: Host, item: Input) -> None:
        """Pull the plug."""
        super().trace(node, item)
        is_locked = node.replica is not None and node.replica.core.state.step is rules.Step.PRECOMMIT
        if is_locked and self.failures < 8 and not self.is_calm and node.replica.core.state.locked is not None:
            self.failures += 1
            self.after(None, self.rng.randint(0, 4_000), self._pull_the_plug)

    def _pull_the_plug(self) -> None:
        for node in self.nodes.values():
            if node.is_up:
                node.crash()


@pytest.mark.parametrize("seed", range(3))
def test_a_power_failure_of_all_nodes_loses_no_locked_block(seed):
    world = PowerFailure(Settings(seed, 4, 20, tx_every_ms=100))
    world.run()
    assert world.failures == 8


def test_a_journal_without_the_batches_of_checked_blocks_is_found(monkeypatch):
    encode = host_module.encode_input

    def without_batches(item: Input) -> bytes:
        return encode(replace(item, batches=()) if hasattr(item, "batches") else item)

    def strict(item: Input) -> Input:
        found = host_module_decode(item)
        return replace(found, batches=()) if isinstance(found, BlockChecked) else found

    host_module_decode = host_module.decode_input
    monkeypatch.setattr(host_module, "encode_input", without_batches)
    monkeypatch.setattr(host_module, "decode_input", strict)
    with pytest.raises((Violation, KeyError)):
        for seed in range(5):
            PowerFailure(Settings(seed, 4, 20, tx_every_ms=100)).run()


class Away(World):
    """One node is down for a long time while the others decide many heights."""

    def _trouble(self) -> None:
        """No other trouble."""

    def run(self):
        """Take the node down at once; it comes back with the calm."""
        self.after(None, 1_000_000, lambda: self.nodes["n3"].crash())
        return super().run()

    def crashed(self, node: Host) -> None:
        """It does not come back by itself."""
        super().crashed(node)
        node.epoch += 1


def test_a_node_that_was_away_is_back_in_time():
    world = Away(Settings(3, 4, 40, tx_every_ms=40))
    summary = world.run()
    synced = world.nodes["n3"].replica.sync.counts.blocks_received
    assert synced > 100
    assert summary.recovery_ms < 3_000


def finds(settings: list[Settings]) -> bool:
    """Whether any of these runs fails."""
    for each in settings:
        try:
            World(each).run()
        except (Violation, AssertionError, KeyError):
            return True
    return False


def lying(count: int = 30) -> list[Settings]:
    return [Settings(seed, 4, 15, has_liar=True) for seed in range(count)]


def honest(count: int = 30) -> list[Settings]:
    return [Settings(seed, 4, 15) for seed in range(count)]


def test_a_node_that_forgets_its_journal_and_its_sign_guard_is_found(monkeypatch):
    start = Host.start

    def forgetful(self: Host) -> None:
        self.disk.journal, self.disk.guard, self._synced = {}, ((0, 0, 0), b"", None), None
        start(self)

    monkeypatch.setattr(Host, "start", forgetful)
    assert finds(honest())


def test_a_replay_that_leaves_out_votes_is_found(monkeypatch):
    boot = Replica.boot

    def forgetful(self: Replica, start: StartHeight, journal: list[Input], now_ms: int) -> tuple[Effect, ...]:
        return boot(self, start, [item for item in journal if not isinstance(item, VoteVerified)], now_ms)

    monkeypatch.setattr(Replica, "boot", forgetful)
    assert finds(honest())


def test_a_quorum_of_half_is_found(monkeypatch):
    monkeypatch.setattr("chainnode.consensus.facts.quorum", lambda total: total // 2)
    assert finds(lying())


def test_votes_that_are_not_gossiped_are_found(monkeypatch):
    monkeypatch.setattr("chainnode.gossip.Gossip.answers", lambda self, round, now_ms, polka=None: [])
    assert finds(honest())


def test_a_node_that_never_syncs_is_found(monkeypatch):
    monkeypatch.setattr("chainnode.sync.BlockSync.requests", lambda self, now_ms: ())
    assert finds(honest())


def test_batches_that_are_never_asked_for_are_found(monkeypatch):
    monkeypatch.setattr("chainnode.node.contents.Contents.asks", lambda self, peers, now_ms: [])
    assert finds(honest())


class Plot(World):
    """A network that lets n0 alone decide in round 0, while n2 sees no quorum and is the one to propose in round 1, every fourth height.

    Then the locks of n1 and n3 are all that keeps the others from deciding another block.
    """

    hidden = frozenset({("n3", "n1"), ("n1", "n3"), ("n3", "n2")})  # whose precommits do not reach whom in round 0

    def _choose_powers(self) -> tuple[int, ...]:
        return (1, 1, 1, 1)

    def _trouble(self) -> None:
        """No other trouble."""

    def send(self, sender: Host, peer: str, message: Message) -> None:
        """Carry a message that the plot allows."""
        if self.is_calm or self._is_allowed(sender, self.nodes[peer], message):
            super().send(sender, peer, message)

    def _is_allowed(self, sender: Host, receiver: Host, message: Message) -> bool:
        is_in_first_round = receiver.replica is not None and receiver.replica.round == 0
        if isinstance(message, ProposalMessage):
            return not is_in_first_round or receiver.name != "n2"
        if not isinstance(message, VoteMessage):
            return sender.name != "n0" or isinstance(message, BatchMessage)
        signer = next(node.name for node in self.nodes.values() if node.address == message.vote.validator_address)
        if not is_in_first_round or message.vote.round > 0:
            return sender.name != "n0"
        if message.vote.type is VoteType.PREVOTE:
            return (signer, receiver.name) != ("n3", "n2")
        return (signer, receiver.name) not in self.hidden


def test_locks_keep_a_decision_that_one_node_alone_has_seen():
    world = Plot(Settings(1, 4, 20))
    assert world.run().rounds_max > 0


def test_a_core_that_ignores_its_lock_is_found(monkeypatch):
    def unlocked(state, facts):
        return rules_fresh(state._replace(locked=None, locked_round=-1), facts)

    rules_fresh = rules.upon_fresh_proposal
    monkeypatch.setattr(rules, "RULES", tuple(unlocked if rule is rules_fresh else rule for rule in rules.RULES))
    with pytest.raises(Violation, match="decided another block"):
        Plot(Settings(1, 4, 20)).run()


class EachBeat(World):
    """A node loses its power one beat later each time."""

    restarts_ms = (1,)
    beats = 0

    def _trouble(self) -> None:
        node = self.nodes["n1"]
        if node.is_up and node.beats_to_crash is None and not self.is_calm:
            node.beats_to_crash = self.beats
            self.beats += 1
        if not self.is_calm:
            self.after(None, 50_000, self._trouble)


@pytest.mark.parametrize("settings", [Settings(1, 4, 12, tx_every_ms=50), Settings(2, 4, 12, has_liar=True, tx_every_ms=50)])
def test_a_node_may_crash_at_each_beat(settings):
    world = EachBeat(settings)
    assert world.run().crashes >= world.beats - 1 >= 30


class Split(World):
    """The network falls into two halves, neither of which has a quorum, and heals again with the calm."""

    def _choose_powers(self) -> tuple[int, ...]:
        return (3, 2, 2, 3)

    def _trouble(self) -> None:
        self._partition = {"n0": 0, "n1": 0, "n2": 1, "n3": 1}
        self.after(None, 1_000_000, lambda: self.halted.append(len(self._decided)))

    def __init__(self, settings: Settings) -> None:
        self.halted: list[int] = []
        super().__init__(settings)

    def _calm(self) -> None:
        self.halted.append(len(self._decided))
        super()._calm()


def test_a_partition_halts_the_chain_and_heals():
    world = Split(Settings(1, 4, 20))
    summary = world.run()
    assert world.halted[0] == world.halted[1] < summary.heights
    assert summary.recovery_ms < 3_000


def test_a_settings_line_repeats_its_run():
    settings = settings_for(5, seconds=3)
    assert settings.arguments() == (
        f"--seed 5 --seconds 3 --validators {settings.validators}"
        f" --{'' if settings.has_liar else 'no-'}liar --{'' if settings.has_follower else 'no-'}follower --pace {settings.pace}"
    )
    assert {settings_for(seed).validators for seed in range(100)} == {3, 4, 5, 6, 7}
    assert {settings_for(seed).pace for seed in range(100)} == set(PACES)


@pytest.mark.parametrize("pace", PACES)
def test_each_pace_passes_and_is_what_it_says(pace):
    summary = World(settings_for(31, seconds=20, validators=4, has_liar=False, has_follower=False, pace=pace)).run()
    least, most = {"steady": (60, 200), "spaced": (30, 28_000 // 300), "quiet": (15, 60), "hasty": (60, 250)}[pace]
    assert least <= summary.heights <= most
