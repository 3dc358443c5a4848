"""Proof bundles: what a stranger is handed, and what it comes to know. Forms: `chainnode/bundlejson.py`, `bundlebytes.py`.

A bundle carries nothing that is not checked: each field is hashed, signed, or compared with the genesis file.
"""

from dataclasses import dataclass

from chainnode.types.block import Commit, Header, PublicKey, ValidatorSet
from chainnode.types.proof import ExistenceProof, NonExistenceProof
from chainnode.types.transaction import Transaction, Value

BUNDLE_VERSION = 1


@dataclass(frozen=True, slots=True)
class LightBlock:
    """A header, the commit for it, and the validators of its height, who signed the commit."""

    header: Header
    commit: Commit
    validators: ValidatorSet


@dataclass(frozen=True, slots=True)
class StateProof:
    """That a store holds a key, or not: the way from the key to the store's root, and from there to the app_hash.

    `proof` is for the stock IavlSpec, `store_proof` for the stock TendermintSpec.
    """

    store: str
    key: bytes
    proof: ExistenceProof | NonExistenceProof
    store_proof: ExistenceProof


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of an RFC 6962 path, lowest first: the sibling's hash, and whether the sibling stands on the left."""

    is_left: bool
    hash: bytes


@dataclass(frozen=True, slots=True)
class HeaderClaim:
    """The chain has this header."""


@dataclass(frozen=True, slots=True)
class StateClaim:
    """The last header's app_hash fixes a key's value, or its absence."""

    proof: StateProof


@dataclass(frozen=True, slots=True)
class EvidenceClaim:
    """The evidence log holds a record. `head` proves the log's size and root in the last header's state."""

    leaf: bytes
    index: int
    path: tuple[bytes, ...]
    head: StateProof


@dataclass(frozen=True, slots=True)
class ResultClaim:
    """The outcome of a transaction, in the last header; the sides of its path are those of the transaction's.

    `block` is the header below, of the block that holds the transaction: the last header names its hash.
    """

    block: Header
    code: int
    data: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TransactionClaim:
    """A block holds a transaction. With `result` None nothing is said of its outcome.

    The transaction is in the last header's block, or, with a result, in the one below.
    """

    raw: bytes
    path: tuple[PathStep, ...]
    result: ResultClaim | None


DirectClaim = HeaderClaim | StateClaim | EvidenceClaim | TransactionClaim


@dataclass(frozen=True, slots=True)
class AnchorClaim:
    """The chain holds the hash of a header of another chain, which it verified. The last header's state fixes all three.

    `chain` is the other chain's record, `client` the state of the light client that follows it, `anchor` the hash of its header.
    """

    chain: StateProof
    client: StateProof
    anchor: StateProof


@dataclass(frozen=True, slots=True)
class AnchoredClaim:
    """Two hops: another chain's `header`, whose hash the chain holds as in an AnchorClaim, fixes what `claim` says.

    With `links` the hash is that of the first of them; each names the next one as the block below it, and the last names `header`.
    """

    chain: StateProof
    client: StateProof
    anchor: StateProof
    header: Header
    claim: DirectClaim
    links: tuple[Header, ...] = ()


Claim = DirectClaim | AnchorClaim | AnchoredClaim


@dataclass(frozen=True, slots=True)
class Bundle:
    """A claim with the way of trust that leads to it from genesis.

    Each of `headers` follows from the one before (the first from the genesis file): by being next to it, or by
    the signatures of more than a third of its validators. The claim hangs on the last.
    """

    chain_id: str
    genesis_hash: bytes
    headers: tuple[LightBlock, ...]
    claim: Claim


@dataclass(frozen=True, slots=True)
class Beginning:
    """What trust in a chain begins with: what its genesis file says, or the ledger of another chain on which it is on record.

    `names` gives keys an operator (a DID) and a name; a record on another chain knows none.
    """

    chain_id: str
    genesis_hash: bytes
    time_ns: int
    trusting_period_ms: int
    validators: ValidatorSet
    names: tuple[tuple[PublicKey, tuple[str, str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Signer:
    """A validator of the last header. `operator` (a DID) and `name` are None unless the genesis file names the key."""

    address: bytes
    operator: str | None
    name: str | None
    power: int
    has_signed: bool


@dataclass(frozen=True, slots=True)
class HeaderFact:
    """The chain decided this header."""

    header: Header


@dataclass(frozen=True, slots=True)
class StateFact:
    """After block `state_height`, `store` held `value` under `key`; None: it held nothing there."""

    store: str
    key: bytes
    value: bytes | None
    state_height: int


@dataclass(frozen=True, slots=True)
class EvidenceFact:
    """Record `index` of an evidence log of `size` records: who put which digest on record, when, by which transaction."""

    submitter: str
    height: int
    time_ms: int
    algorithm: str
    digest: bytes
    meta: Value
    tx_id: bytes
    index: int
    size: int


@dataclass(frozen=True, slots=True)
class TransactionFact:
    """Block `height` holds the transaction. `result_code` and `result_data` are None when the bundle proves no result.

    `own_keys`: per signer, whether its key is the one that its DID is made of.
    `are_signatures_checked` is False when a suite's library is missing here.
    """

    transaction: Transaction
    height: int
    time_ns: int
    result_code: int | None
    result_data: bytes | None
    own_keys: tuple[bool, ...]
    are_signatures_checked: bool


DirectFact = HeaderFact | StateFact | EvidenceFact | TransactionFact


@dataclass(frozen=True, slots=True)
class AnchorFact:
    """After block `state_height` the chain held `header_hash` as that of the header of `height` of the chain with the number `ac`.

    `chain_id`, `genesis_hash` and `status` are what was on record of that chain; `warning` says why it was not open then: suspended, say,
    or expired; empty when it was. `trust` is the trust class of the client.
    """

    ac: str
    chain_id: str
    genesis_hash: bytes
    status: str
    warning: str
    client_id: str
    trust: str
    height: int
    header_hash: bytes
    state_height: int


@dataclass(frozen=True, slots=True)
class AnchoredFact:
    """`fact` holds on the chain that `anchor` tells of, whose `header` fixes it: the anchored one, or one so many `links` below it."""

    anchor: AnchorFact
    header: Header
    fact: DirectFact

    @property
    def ac(self) -> str:
        """The AC number of the chain on which the fact holds."""
        return self.anchor.ac

    @property
    def chain_id(self) -> str:
        """Of the chain on which the fact holds."""
        return self.anchor.chain_id

    @property
    def genesis_hash(self) -> bytes:
        """Of the chain on which the fact holds."""
        return self.anchor.genesis_hash

    @property
    def trust(self) -> str:
        """The trust class of the client that verified the header."""
        return self.anchor.trust

    @property
    def links(self) -> int:
        """How many headers lead from the anchored one down to `header`; 0 when it is the anchored one itself."""
        return self.anchor.height - self.header.height

    @property
    def status(self) -> str:
        """What was on record of the chain: active, suspended, …."""
        return self.anchor.status


Fact = DirectFact | AnchorFact | AnchoredFact


@dataclass(frozen=True, slots=True)
class Verified:
    """What a bundle proved. `height`, `time_ns`, `header_hash` and `signers` are of the last header.

    `trusted_height` is where trust began: 0 the genesis file, else the header whose hash the caller named.
    """

    chain_id: str
    genesis_hash: bytes
    trusted_height: int
    path_heights: tuple[int, ...]
    height: int
    time_ns: int
    header_hash: bytes
    signers: tuple[Signer, ...]
    power_signed: int
    power_total: int
    fact: Fact
