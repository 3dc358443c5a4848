"""The simulated world: virtual time, a network that misbehaves until it is told to be calm, and what must hold at every step.

Everything follows from the seed: the same seed gives the same digest of all that happened.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from chainnode.consensus.effects import EnteredRound, ReportEquivocation
from chainnode.mempool.batch import Batch
from chainnode.node.replicainputs import Input, Offence, PeerDown, PeerUp, PenalisePeer
from chainnode.types.block import BlockId, ValidatorSet, Vote, VoteType
from chainnode.types.genesis import ChainParams
from chainnode.types.messages import Message
from tests.sim import chain
from tests.sim.host import Applied, Host
from tests.sim.liar import Liar

CALM_MS = 8_000  # how long the calm after the faults is
RECOVERY_MS = 4_000  # how long after so much chaos every node may take to decide something new; after one blip it is 3 s
COMMIT_MS = 3_000  # how long a transaction may wait in the calm
LIAR_FACTOR = 4  # all of these times this much when somebody lies on: it wastes its own rounds, and may get one honest node locked
VALIDATORS_ROTATE_HEIGHTS = 25  # the honest validators' powers change places this often


# How fast a chain is made to go. On a quiet one little is sent, and heartbeats come between.
PACES = {
    "steady": ChainParams(),
    "spaced": ChainParams(block_interval_ms=300),
    "quiet": ChainParams(heartbeat_ms=1_500),
    "hasty": ChainParams(timeout_propose_ms=300, timeout_vote_ms=100, timeout_delta_ms=100),
}


class Violation(AssertionError):
    """Something that must never happen."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What kind of run it is. `seconds` is the virtual time with faults; the calm comes on top."""

    seed: int
    validators: int = 4
    seconds: int = 20
    has_liar: bool = False
    has_follower: bool = False
    tx_every_ms: int = 400
    pace: str = "steady"

    def arguments(self) -> str:
        """The arguments of `scripts/simulate.py` that repeat this run."""
        liar, follower = ("" if flag else "no-" for flag in (self.has_liar, self.has_follower))
        shape = f"--validators {self.validators} --{liar}liar --{follower}follower --pace {self.pace}"
        return f"--seed {self.seed} --seconds {self.seconds} {shape}"


def settings_for(
    seed: int,
    *,
    seconds: int = 20,
    validators: int | None = None,
    has_liar: bool | None = None,
    has_follower: bool | None = None,
    pace: str | None = None,
) -> Settings:
    """The run of a seed; what is None follows from the seed."""
    rng = Random(f"shape of {seed}")
    shape = rng.choice([3, 4, 4, 4, 5, 6, 7]), rng.random() < 0.4, rng.random() < 0.25
    pace = pace or rng.choice(["steady", "steady", *PACES])
    return Settings(
        seed,
        shape[0] if validators is None else validators,
        seconds,
        shape[1] if has_liar is None else has_liar,
        shape[2] if has_follower is None else has_follower,
        3_000 if pace == "quiet" else 400,
        pace,
    )


@dataclass(slots=True)
class Summary:
    """What came of a run. `faults` counts what went wrong by kind, crashes included."""

    seed: int
    digest: str
    heights: int
    txs: int
    faults: dict[str, int]
    rounds_max: int
    recovery_ms: int
    steps: int

    @property
    def crashes(self) -> int:
        """How often a node lost its power."""
        return self.faults.get("crashes", 0)


class World:
    """One run. Build it, then `run`."""

    restarts_ms: tuple[int, ...] = (1, 100, 1_000, 5_000)  # how long a node that crashed may be away

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rng = Random(settings.seed)
        self.params = PACES[settings.pace]
        self.now_us = 0
        self.is_calm = False
        self.reply_blocks_max = self.rng.choice([1, 3, 16])
        self.steps = self.rounds_max = self.txs_submitted = 0
        self.faults: dict[str, int] = {}
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._trace = sha256()
        self._partition: dict[str, int] = {}
        self._loss = self._duplication = 0
        self._delay_ms_max = 20
        self._decided: list[tuple[BlockId, bytes]] = []
        self._votes: dict[tuple[bytes, int, int, VoteType], BlockId | None] = {}
        self._valid_until_ms: dict[bytes, int] = {}  # of each transaction that a client has made
        self.powers = self._choose_powers()
        self.liar: Liar | None = None
        self.nodes: dict[str, Host] = {}
        for number in range(settings.validators + settings.has_follower):
            is_validator = number < settings.validators
            kind = Liar if settings.has_liar and number == settings.validators - 1 else Host
            offset_ns = self.rng.randint(-100_000_000, 100_000_000)
            node = kind(self, number, is_validator=is_validator, clock_offset_ns=offset_ns)
            self.nodes[node.name] = node
            if isinstance(node, Liar):
                self.liar = node

    def _choose_powers(self) -> tuple[int, ...]:
        """Unequal powers; the last one, the liar's, is less than a third."""
        powers = [self.rng.randint(1, 12) for _ in range(self.settings.validators)]
        if self.settings.has_liar:
            powers[0] += sum(powers[:-1]) < 3
            powers[-1] = max(1, min(powers[-1], (sum(powers[:-1]) - 1) // 2))
        return tuple(powers)

    def validators_at(self, height: int) -> ValidatorSet:
        """The validators of a height, which everyone knows."""
        shift = height // VALIDATORS_ROTATE_HEIGHTS % (len(self.powers) - 1)
        honest = self.powers[:-1]
        return chain.make_validators((*honest[shift:], *honest[:shift], self.powers[-1]))

    def describe(self) -> str:
        """Who takes part, in words."""
        powers = ", ".join(f"{name} {power}" for name, power in zip(self.nodes, self.powers, strict=False))
        lies = "nobody lies" if self.liar is None else f"{self.liar.name} lies ({self.liar.habits()})"
        follower = f", n{len(self.powers)} follows without a vote" if self.settings.has_follower else ""
        return f"{len(self.powers)} validators with power {powers}; {lies}{follower}; pace: {self.settings.pace}"

    # Time

    def after(self, node: Host | None, delay_us: int, work: Callable[[], None]) -> None:
        """Do something later, unless the node has crashed by then."""
        epoch = 0 if node is None else node.epoch

        def guarded() -> None:
            if node is None or (node.epoch == epoch and node.is_up):
                work()

        self._count += 1
        heapq.heappush(self._queue, (self.now_us + delay_us, self._count, guarded))

    def run(self) -> Summary:
        """The whole run: chaos, then calm; Violation when anything is wrong."""
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            self._connect(node)
        calm_us = self.settings.seconds * 1_000_000
        end_us = calm_us + self._patience(CALM_MS) * 1000
        self.after(None, 0, self._submit)
        self.after(None, self.rng.randint(0, 3_000_000), self._trouble)
        self._run_until(calm_us)
        self._calm()
        goal = max(node.height for node in self._honest()) + 1
        recovery_ms = self._run_until_all_at(goal, calm_us + self._patience(RECOVERY_MS) * 1000)
        self._run_until(end_us)
        self._check_nothing_lost()
        return Summary(
            self.settings.seed,
            self._trace.hexdigest(),
            len(self._decided),
            self.txs_submitted,
            self.faults,
            self.rounds_max,
            recovery_ms,
            self.steps,
        )

    def _patience(self, duration_ms: int) -> int:
        return duration_ms * LIAR_FACTOR if self.liar is not None else duration_ms

    def _run_until(self, end_us: int) -> None:
        while self._queue and self._queue[0][0] <= end_us:
            self.now_us, _, work = heapq.heappop(self._queue)
            work()
        self.now_us = end_us

    def _run_until_all_at(self, height: int, end_us: int) -> int:
        start_us = self.now_us
        while any(node.height < height for node in self._honest()):
            if not self._queue or self._queue[0][0] > end_us:
                where = {node.name: (node.height, node.replica and node.replica.round) for node in self._honest()}
                self.fail(f"no new height within {self._patience(RECOVERY_MS)} ms of calm: {where}, wanted {height}")
            self.now_us, _, work = heapq.heappop(self._queue)
            work()
        return (self.now_us - start_us) // 1000

    # The network

    def peers_of(self, node: Host) -> list[str]:
        """Who is connected with a node: all that run; a follower reaches two validators only."""
        return [other.name for other in self.nodes.values() if other is not node and other.is_up and self._are_linked(node, other)]

    def _are_linked(self, one: Host, other: Host) -> bool:
        return all(self.nodes[a].address is not None or b in ("n0", "n1") for a, b in ((one.name, other.name), (other.name, one.name)))

    def send(self, sender: Host, peer: str, message: Message) -> None:
        """Carry a message, or lose it, or carry it twice."""
        receiver = self.nodes[peer]
        if not receiver.is_up or self._partition.get(sender.name) != self._partition.get(peer):
            return
        if self.rng.randrange(1000) < self._loss:
            self._count_fault("messages lost")
            return
        copies = 2 if self.rng.randrange(1000) < self._duplication else 1
        for _ in range(copies):
            delay_us = self.rng.randint(500, self._delay_ms_max * 1000)
            self.after(receiver, delay_us, lambda: receiver.receive(sender.name, message))

    def _connect(self, node: Host) -> None:
        for name in self.peers_of(node):
            other = self.nodes[name]
            node.take(PeerUp(name, other.height + 1, other.address is not None))

    # Trouble

    def _trouble(self) -> None:
        """One of the things that go wrong, again and again until the calm."""
        if self.is_calm:
            return
        rng = self.rng
        what = rng.randrange(7)
        if what == 0:
            self._loss, self._duplication = rng.choice([0, 20, 100, 300]), rng.choice([0, 50, 200])
        elif what == 1:
            self._count_fault("changes of delay")
            self._delay_ms_max = rng.choice([5, 20, 100, 400, 1500])
        elif what == 2:
            self._count_fault("partitions")
            sides = rng.choice([2, 2, 3])
            self._partition = {name: rng.randrange(sides) for name in self.nodes}
            self.after(None, rng.randint(200_000, 4_000_000), self._heal)
        elif what in (3, 4, 5):
            for node in rng.sample(list(self.nodes.values()), rng.choice([1, 1, 1, 2, len(self.nodes)])):
                if node.is_honest and node.is_up and node.beats_to_crash is None:
                    node.beats_to_crash = rng.randrange(30)
        else:
            one, other = rng.sample(list(self.nodes.values()), 2)
            self._reconnect(one, other)
        self.after(None, rng.randint(50_000, 1_500_000), self._trouble)

    def _count_fault(self, kind: str) -> None:
        self.faults[kind] = self.faults.get(kind, 0) + 1

    def _heal(self) -> None:
        self._partition = {}

    def _reconnect(self, one: Host, other: Host) -> None:
        if one.is_up and other.is_up and self._are_linked(one, other):
            self._count_fault("broken connections")
            for node, peer in ((one, other), (other, one)):
                node.take(PeerDown(peer.name))
                node.take(PeerUp(peer.name, peer.height + 1, peer.address is not None))

    def _calm(self) -> None:
        """All faults end: every node runs, every message arrives soon."""
        self.is_calm = True
        self._loss = self._duplication = 0
        self._delay_ms_max = 20
        self._heal()
        for node in self.nodes.values():
            node.beats_to_crash = None
        for node in self.nodes.values():
            if not node.is_up:
                self._restart(node)

    def crashed(self, node: Host) -> None:
        """A node lost its power; it comes back."""
        self._count_fault("crashes")
        for other in self.nodes.values():
            if other.is_up and self._are_linked(node, other):
                other.take(PeerDown(node.name))
        epoch = node.epoch
        delay_us = self.rng.choice(self.restarts_ms) * 1000
        self.after(None, delay_us, lambda: self._restart(node) if node.epoch == epoch and not node.is_up else None)

    def _restart(self, node: Host) -> None:
        node.start()
        if not node.is_up:
            return
        self._connect(node)
        for name in self.peers_of(node):
            self.nodes[name].take(PeerUp(node.name, node.height + 1, node.address is not None))

    # Clients

    def _submit(self) -> None:
        """A client gives new transactions to a node, sometimes to a second one too; some are soon too old for a block."""
        nodes = list(self.nodes.values())
        lasts_ms = self.rng.choice([10**7] * 9 + [self.rng.randint(0, 3_000)])
        txs = []
        for _ in range(self.rng.choice([1, 1, 2, 5])):
            self.txs_submitted += 1
            txs.append(chain.make_tx(self.txs_submitted, chain.GENESIS_MS + self.now_us // 1000 + lasts_ms))
        self._valid_until_ms.update((tx.tx_id, tx.body.valid_until_ms) for tx in txs)
        self.rng.choice(nodes).submit(tuple(txs))
        if self.rng.random() < 0.15:
            other = self.rng.choice(nodes)
            self.after(other, self.rng.randint(0, 500_000), lambda: other.submit(tuple(txs)))
        self.after(None, self.rng.randint(0, 2 * self.settings.tx_every_ms * 1000), self._submit)

    # What must hold

    def fail(self, what: str) -> None:
        """Stop the run."""
        raise Violation(f"{what} (at {self.now_us // 1000} ms of {self.settings.arguments()})")

    def is_signed(self, batch: Batch) -> bool:
        """Whether clients have signed all of a batch."""
        return all(tx.tx_id in self._valid_until_ms for tx in batch.txs)

    def known_batches(self, batches: tuple[Batch, ...]) -> None:
        """Batches of a proposed block: what is in them must have been submitted."""
        if not all(self.is_signed(batch) for batch in batches):
            self.fail("a proposed block holds what nobody has signed")

    def signed(self, node: Host, vote: Vote) -> None:
        """INV-7: an honest validator signs one vote per height, round and type, whatever crashes."""
        key = (vote.validator_address, vote.height, vote.round, vote.type)
        if self._votes.setdefault(key, vote.block_id) != vote.block_id:
            self.fail(f"{node.name} signed twice at {key[1:]}")

    def applied(self, node: Host, applied: Applied) -> None:
        """INV-9, INV-10: all nodes decide the same block at a height, with the same state after it, and a commit that proves it."""
        height = node.height
        block_id = chain.block_id_of(applied.block_bytes)
        self._note(f"applied {node.name} {height} {block_id.hash.hex()}")
        if not chain.is_decided_by(applied.commit, block_id, height, self.validators_at(height)):
            self.fail(f"{node.name} decided {height} without a commit")
        if any(tx_id not in self._valid_until_ms for tx_id in applied.tx_ids):
            self.fail(f"{node.name} committed what nobody has signed")
        if len(self._decided) < height:
            self._decided.append((block_id, applied.app_hash))
        elif self._decided[height - 1] != (block_id, applied.app_hash):
            self.fail(f"{node.name} decided another block at {height}")

    def reported(self, node: Host, effect: ReportEquivocation) -> None:
        """INV-12: only who equivocates is accused."""
        if self.liar is None or effect.vote_a.validator_address != self.liar.address:
            self.fail(f"{node.name} accuses an honest validator")
        if effect.vote_a.block_id == effect.vote_b.block_id:
            self.fail(f"{node.name} accuses with two equal votes")

    def penalised(self, node: Host, effect: PenalisePeer) -> None:
        """An honest peer is never found guilty."""
        if self.nodes[effect.peer].is_honest and effect.offence in (Offence.BAD_BLOCK, Offence.BAD_REPLY):
            self.fail(f"{node.name} blames {effect.peer} for {effect.offence}")

    def entered(self, node: Host, effect: EnteredRound) -> None:
        """A node entered a round."""
        self.rounds_max = max(self.rounds_max, effect.round)

    def trace(self, node: Host, item: Input) -> None:
        """Every step of an honest node is part of the digest."""
        self.steps += 1
        self._note(f"{self.now_us} {node.name} {type(item).__name__}")

    def _note(self, line: str) -> None:
        self._trace.update(line.encode() + b"\n")

    def _honest(self) -> list[Host]:
        return [node for node in self.nodes.values() if node.is_honest]

    def _check_nothing_lost(self) -> None:
        """INV-13: what a node took and did not forget in a crash is committed, unless it has expired."""
        for node in self._honest():
            for tx_id, (epoch, taken_us) in node.accepted.items():
                is_fresh = taken_us > self.now_us - self._patience(COMMIT_MS) * 1000
                is_expired = self._valid_until_ms[tx_id] < chain.GENESIS_MS + self.now_us // 1000
                if is_expired:
                    continue
                if epoch == node.epoch and not is_fresh and tx_id not in node.committed:
                    self.fail(f"{node.name} took a transaction at {taken_us // 1000} ms that is lost")
