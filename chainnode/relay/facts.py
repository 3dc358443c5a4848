"""What a relay knows of two chains that follow each other, and what it may do about it: facts and steps of `plan`.

Heights are plain numbers: the revision of a followed chain is the same all its life. Times are nanoseconds since 1970.
"""

from dataclasses import dataclass

NS_PER_S = 1_000_000_000
ANCHORED = "20-anchored"  # the kind of clients that take a chain's state from a third chain, the hub


@dataclass(frozen=True, slots=True)
class Tip:
    """The highest header of a chain that was verified."""

    height: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Hub:
    """Where an anchored client has its knowledge from: `client_id` follows the hub, `subject` is the hub's client of the followed chain."""

    client_id: str
    subject: str


@dataclass(frozen=True, slots=True)
class ClientView:
    """A light client as the chain says that keeps it, proved by that chain's state.

    `root` and `next_validators_hash` are of its latest consensus state; empty where a kind has none. `trusting_ns` None: it never expires.
    `state` and `consensus` are the bytes of both, for who builds messages.
    """

    client_id: str
    kind: str
    trust: str
    chain_id: str
    latest: int
    latest_time_ns: int
    root: bytes
    next_validators_hash: bytes
    trusting_ns: int | None
    is_frozen: bool
    state: bytes
    consensus: bytes
    hub: Hub | None = None

    def left_ns(self, now_ns: int) -> int | None:
        """How long the client can still be updated; None: for ever, at most 0: it has expired."""
        return None if self.trusting_ns is None else self.latest_time_ns + self.trusting_ns - now_ns

    def is_usable(self, now_ns: int) -> bool:
        """Whether anything can be proved to it."""
        left_ns = self.left_ns(now_ns)
        return not self.is_frozen and (left_ns is None or left_ns > 0)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two chains, and its client of the other. `hub` is the hub's client of the other chain, for an anchored client.

    `client` None: it is followed, and follows nobody.
    """

    name: str
    tip: Tip
    client: ClientView | None
    hub: ClientView | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A packet whose commitment its sending chain still holds.

    `sent_height` is None while only the answer was seen; `answered_height` is where the other chain wrote the acknowledgement, None before.
    It is left alone until `not_before_ns`, after a failure.
    """

    sequence: int
    timeout_ns: int
    sent_height: int | None
    is_received: bool
    answered_height: int | None
    not_before_ns: int = 0


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """All that `plan` looks at. `a_to_b` are packets that chain a has sent."""

    a: Side
    b: Side
    a_to_b: tuple[Waiting, ...]
    b_to_a: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class PlanRules:
    """How often headers are carried over, and how old a height may be of which the other chain can still prove its state.

    A header is carried over after this time, or when the other chain has made `anchor_heights` blocks; 0: by time alone.
    """

    anchor_interval_ns: int
    provable_heights: int
    packets_max: int  # in one step
    anchor_heights: int = 0


@dataclass(frozen=True, slots=True)
class Update:
    """Carry a header over to the client on chain `on`; with `is_at_hub` to the hub's client of the chain that `on` follows."""

    on: str
    reason: str
    is_at_hub: bool = False


@dataclass(frozen=True, slots=True)
class Freeze:
    """Tell the anchored client on chain `on` that the hub froze its own client of the chain."""

    on: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Prove packets to chain `on` by the state that header `height` of the other chain fixes; with `has_update` after an update to it.

    `receive` are numbers of the other chain's packets, `acknowledge` and `time_out` of its own.
    """

    on: str
    height: int
    has_update: bool
    receive: tuple[int, ...] = ()
    acknowledge: tuple[int, ...] = ()
    time_out: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many packets."""
        return len(self.receive) + len(self.acknowledge) + len(self.time_out)


Step = Update | Freeze | Deliver


@dataclass(frozen=True, slots=True)
class Alarm:
    """What an operator must see to: `kind` is expiring, expired or frozen."""

    on: str
    client_id: str
    kind: str
    left_ns: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, each step by itself, and what is wrong."""

    steps: tuple[Step, ...]
    alarms: tuple[Alarm, ...]
