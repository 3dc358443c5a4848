"""What the HTTP interface needs of the node behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from chainnode.did.record import Identity
from chainnode.did.versions import Wanted
from chainnode.execution.results import Results
from chainnode.execution.state import State
from chainnode.transactions import decode_result
from chainnode.types.block import Block, Header, PublicKey, ValidatorSet
from chainnode.types.bundle import Bundle, LightBlock, StateProof
from chainnode.types.codes import Code
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.transaction import TxResult
from chainnode.vc.jcs import Document, Json
from chainnode.vc.listplace import ListPlace
from chainnode.vc.login import Answer, Challenge, Login
from chainnode.vc.verify import Result

Finding = TypeVar("Finding")
REFERRED_HEADER = "Chainnode-Referred"  # on a question that a node passes on to another chain


class Reach(Enum):
    """How far a question may go: how a DID is resolved whose AC number is another chain's."""

    OWN = "what this ledger itself says of the DID, whatever its AC number"
    NO_FURTHER = "as OTHERS, but the other chain is not asked: Rejected(REFERRED_TWICE)"
    OTHERS = "what the other chain says, or said as long as that counts"
    OTHERS_NOW = "what the other chain says now"


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """Who this node is; fixed while it runs. `node_id` is a DID, `address` the host:port where peers reach it.

    `web_host` is the host name for which it serves did:web documents, `web_root` the did:bid of the host itself; empty: none.
    """

    genesis: Genesis
    genesis_hash: bytes
    node_id: str
    moniker: str
    version: str
    address: str
    web_host: str = ""
    web_root: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """Where this node stands. Heights are 0 before the first block; `validator_power` 0 means it has no vote.

    `first_height` is the lowest height whose block and results are kept, `first_header_height` the lowest with header and commit.
    `validator_key` is None on a node without one.
    """

    height: int
    time_ns: int
    block_hash: bytes
    app_hash: bytes
    first_height: int
    first_header_height: int
    validator_key: PublicKey | None
    validator_power: int
    peers: int
    is_catching_up: bool


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """A connected peer and the height that it last told of."""

    node_id: str
    moniker: str
    address: str
    height: int
    is_outbound: bool


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of one submitted transaction.

    `code` OK with `encoded` None: taken, not awaited. With `encoded`, the result's bytes: committed at (height, index), whatever
    its code. Any other `code`: not taken and why; or WAIT_TIMEOUT, taken but not committed in time. `tx_id` None: no transaction at all.
    """

    tx_id: bytes | None
    code: Code
    detail: str
    height: int | None = None
    index: int | None = None
    encoded: bytes | None = None

    @property
    def result(self) -> TxResult | None:
        """The result as a value, read anew at each asking."""
        return None if self.encoded is None else decode_result(self.encoded)


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """What became of a batch, all of which was taken. `results` None: not awaited; else committed, from place `first` of `height` on."""

    ids: tuple[bytes, ...]
    height: int | None = None
    first: int = 0
    results: Results | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction in a block, with its result."""

    height: int
    index: int
    raw: bytes
    result: TxResult


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A decided block whose body is kept: its own bytes, and the signed transactions of its batches in order."""

    block: Block
    block_bytes: bytes
    raws: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProvedValue:
    """A state key's value, None when proven absent, after `height`; the proof leads to the app_hash of header `height` + 1."""

    value: bytes | None
    proof: StateProof
    height: int


@dataclass(frozen=True, slots=True)
class Looked(Generic[Finding]):
    """What was found in the state after block `height`; the next header, of `time_ns`, fixes it."""

    answer: Finding
    height: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a DID's method says of it.

    `document` None: the DID is deactivated, if `metadata` say so; else there is no such DID or version, as `detail` says.
    `identity` is the ledger's record of the document. What the ledger says holds after block `height`; the next header, of `time_ns`,
    fixes it. These are None for methods without a ledger. `bundles` prove it if a proof was asked for: for a DID with an AC number what
    this ledger says of that number, and then what the ledger says of the DID, which is another chain's if `chain_id` names one.
    """

    document: dict[str, object] | None
    metadata: dict[str, str | bool]
    detail: str = ""
    identity: Identity | None = None
    height: int | None = None
    time_ns: int | None = None
    bundles: tuple[Bundle, ...] = ()
    chain_id: str = ""

    @property
    def is_deactivated(self) -> bool:
        """Whether the DID has ended for ever."""
        return self.metadata.get("deactivated") is True


class Credentials(Protocol):
    """What a node does about credentials. Verifying raises Unavailable(OVERLOADED), or for what it could not fetch; no verdict then."""

    def is_allowed(self, token: str) -> bool:
        """Whether this is the bearer token of who may have credentials issued."""

    async def issue(self, credential: Document) -> Document:
        """The credential with a proof by the operator's key. Malformed, Rejected(FEATURE_MISSING) on a node without one."""

    async def verify(self, value: Json) -> tuple[Result, tuple[str, ...]]:
        """The result, and what went wrong on the way to it."""

    async def verify_presentation(
        self, value: Json, domain: str | None, challenge: str | None
    ) -> tuple[Result, tuple[Result, ...], tuple[str, ...]]:
        """The results of the whole and of each credential in it, and what went wrong on the way."""

    async def status_list(self, place: ListPlace, height: int | None, *, is_signed: bool | None) -> Document:
        """A list after `height`: signed by its issuer, if that is the operator; or with a bundle. None: signed if it can be.

        Rejected(NOT_FOUND), Rejected(FEATURE_MISSING) when it can not be signed here; else as bundles.
        """

    async def role(self, did: str, role: str, height: int | None) -> Document:
        """The credential that a DID holds a role after `height`, with its bundle. Rejected(NOT_FOUND), else as bundles."""


class Logins(Protocol):
    """Logins of people to applications that use this node for it."""

    def challenge(self, domain: str) -> Challenge:
        """A new one. Rejected(FEATURE_MISSING) on a node without logins, Malformed(BAD_OPTION) for a domain that is not served."""

    async def login(self, answer: Answer) -> Login:
        """Who has come in; as `chainnode.vc.login.verify_challenge`, and as resolving the DID."""


class Backend(Protocol):
    """The node, as the HTTP interface sees it.

    Whatever may touch the disk is async, and the node sees to it that the event loop is not held up. A height that is
    unknown or pruned gives None. The bundles raise ChainError with a stable code: Rejected(NOT_FOUND), Rejected(TX_UNKNOWN),
    Unavailable(HEIGHT_UNKNOWN) when a header that the proof needs is not decided yet, Unavailable(STATE_PRUNED).
    """

    @property
    def info(self) -> NodeInfo:
        """Who this node is."""

    @property
    def credentials(self) -> Credentials:
        """What it does about credentials."""

    @property
    def logins(self) -> Logins:
        """Whom it lets in."""

    def last_height(self) -> int:
        """The last applied height, 0 before the first block."""

    def is_ready(self) -> tuple[bool, str]:
        """Whether the node serves fresh answers, and if not, why in one sentence."""

    def status(self) -> Status:
        """Where this node stands."""

    def peers(self) -> tuple[PeerStatus, ...]:
        """The connected peers."""

    def params(self) -> ChainParams:
        """The parameters in force for the height after the last."""

    async def wait_height(self, height: int) -> None:
        """Return as soon as last_height() >= height. May be cancelled."""

    def check_room(self, size: int, count: int) -> None:
        """Unavailable(OVERLOADED) when so many more bytes and transactions would find no room. Cheap: asked before a body is read."""

    async def submit(self, raws: Sequence[bytes], *, wait_ms: int | None) -> Sequence[Submitted]:
        """Check and take transactions, one outcome for each in order; nothing about a transaction raises.

        `wait_ms` None: do not wait for a block. Otherwise the outcomes come when all are committed, or after `wait_ms`.
        """

    async def submit_batch(self, body: bytes, count: int, *, wait_ms: int | None) -> SubmittedBatch | Sequence[Submitted] | None:
        """The same for the bytes of a batch of `count` transactions, at a tenth of the cost. None: `submit` has to look at each."""

    async def transaction(self, tx_id: bytes) -> Committed | None:
        """The committed transaction with this id."""

    async def light_block(self, height: int) -> LightBlock | None:
        """Header, commit and validators of a height."""

    async def validators(self, height: int) -> ValidatorSet | None:
        """The validators of a height, last_height() + 1 included."""

    async def block(self, height: int) -> StoredBlock | None:
        """The block of a height with its transactions."""

    async def height_of_block(self, block_hash: bytes) -> int | None:
        """The height of the block with this hash, pruned or not."""

    async def results(self, height: int) -> tuple[TxResult, ...] | None:
        """The results of a height's transactions in order, their events with them."""

    async def prove_state(self, store: str, key: bytes, height: int | None) -> ProvedValue:
        """A state key's value or absence after `height`; None is the last height whose next header is decided. Raises as bundles do."""

    async def look(self, work: Callable[[State, int], Finding], height: int | None = None) -> Looked[Finding]:
        """What `work`, which only reads, finds in the state after `height`, None as in `prove_state`. Raises as it does, and as bundles do.

        It is also given the time of the next header, in ns, which fixes that state.
        """

    async def bundle_state(self, store: str, key: bytes, height: int | None) -> Bundle:
        """Proof of the value or absence of a state key after `height`, None as in `prove_state`."""

    async def bundle_evidence(self, record: bytes | int, height: int | None = None) -> Bundle:
        """Proof of an evidence record, named by its index or, the first one, by its digest; in the log after `height`, as in `prove_state`.

        Rejected(NOT_FOUND) when it was not there yet.
        """

    async def bundle_transaction(self, tx_id: bytes, header: int | None = None) -> Bundle:
        """Proof of a transaction with its result. Unavailable(HEIGHT_UNKNOWN) until the header above it is decided.

        With `header` it hangs on this one: that above it, or that of its block, which says nothing of a result; else Malformed(BAD_OPTION).
        """

    async def bundle_anchor(self, ac: str, height: int | None) -> Bundle:
        """Proof that this chain holds the hash of the header of another: the newest; else that of `height` or the next one above it.

        Rejected(NOT_FOUND) when no chain has the AC number, Rejected(CLIENT_FROZEN), Unavailable(NOT_ANCHORED).
        """

    async def bundle_header(self, height: int) -> Bundle:
        """The way of trust from genesis to a header."""

    async def links(self, height: int, to: int) -> tuple[Header, ...]:
        """The headers from `height` down to the one above `to`, which is lower. Unavailable(HEIGHT_UNKNOWN) when one is not here."""

    async def resolve(self, did: str, wanted: Wanted, *, has_proof: bool, reach: Reach = Reach.OTHERS) -> Resolved:
        """A version of a DID, or that there is none.

        Malformed(BAD_DID), Rejected(DID_METHOD_UNKNOWN), Rejected(FEATURE_MISSING) for what a method does not have; of did:web also
        Rejected(NOT_FOUND), Rejected(WEB_DID_BAD), Unavailable(WEB_DID_UNREACHABLE); of another chain's also Rejected(REFERRED_TWICE),
        Unavailable(CHAIN_UNREACHABLE), (CHAIN_NOT_PROVED) and (OVERLOADED). Besides, it raises as bundles do.
        """
