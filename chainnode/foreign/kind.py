"""What a kind of light client is, whatever family of chains it follows: the rules that it must have, and the words they answer with.

All functions of a kind are pure. What is wrong with the bytes is Malformed, what a rule forbids is Rejected. A kind judges one message
alone; that two states of one height differ, or that time runs backwards between heights, the contract `clients` finds for all kinds.
"""

from dataclasses import dataclass
from typing import Protocol

from chainnode.foreign.heights import RevisionHeight

PROOF, HEADER_QUORUM, ATTESTED = "proof", "header-quorum", "attested"  # classes of trust
STORE_IBC: tuple[bytes, ...] = (b"ibc", b"")  # a prefix: a store in a tree of stores, as in the Cosmos SDK and here
BARE: tuple[bytes, ...] = (b"",)  # another: the key alone


@dataclass(frozen=True, slots=True)
class Begun:
    """What a client begins with, as it is stored. `consensus_state` None: the first update brings the first, and the height is 0."""

    chain_id: str
    client_state: bytes
    height: RevisionHeight
    consensus_state: bytes | None
    time_ns: int


@dataclass(frozen=True, slots=True)
class Advance:
    """A state of the other chain that a message proved. `client_state` is the client's after it.

    `header_hash` has 32 bytes; None where the kind sees no header.
    """

    height: RevisionHeight
    time_ns: int
    client_state: bytes
    consensus_state: bytes
    header_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A message proved that the other chain contradicted itself: the client is to be frozen."""

    reason: str


class Known(Protocol):
    """What the ledger holds of a client, for the rules of its kind."""

    @property
    def kind(self) -> str:
        """The client's kind."""

    @property
    def client_state(self) -> bytes:
        """As it is stored."""

    def consensus_state(self, height: RevisionHeight) -> bytes | None:
        """The consensus state of a height, as it is stored; None when there is none, or no longer."""

    def footing(self) -> "Known | None":
        """The active client that this one rests on; None when it rests on none."""


class Kind(Protocol):
    """The rules of a kind. A module with these names is one."""

    NAME: str
    TRUST: str  # a class of trust
    PREFIX: tuple[bytes, ...]  # where chains of the kind keep what IBC proves; an ICS-24 key is appended to its last part

    def begin(self, client_state: bytes, consensus_state: bytes) -> Begun:
        """What a client with these states begins with. Malformed or Rejected(BAD_CLIENT)."""

    def rests_on(self, client_state: bytes) -> str | None:
        """The id of the client of this chain without which one of this kind knows nothing; None for a kind that stands alone."""

    def update(self, known: Known, message: bytes, now_ns: int) -> Advance | Conflict:
        """What a message proves."""

    def misbehaviour(self, known: Known, message: bytes, now_ns: int) -> Conflict:
        """What a message of misbehaviour proves. Rejected(NO_MISBEHAVIOUR) when it proves none."""

    def frozen(self, client_state: bytes) -> bytes:
        """The client state, frozen."""

    def recovered(self, client_state: bytes, substitute: bytes) -> bytes:
        """The client state, neither frozen nor expired, as its substitute is. Rejected(BAD_CLIENT) when they do not fit."""

    def is_expired(self, client_state: bytes, latest_time_ns: int, now_ns: int) -> bool:
        """Whether a state of that time is too old to trust a header by it."""

    def verify(self, client_state: bytes, consensus_state: bytes, path: tuple[bytes, ...], value: bytes | None, proof: bytes) -> None:
        """Malformed or Rejected unless the other chain held `value` at `path` in that state; None: it held nothing there."""
