"""How a chain begins: parameters, validators and first roles, as read from genesis.json."""

from dataclasses import dataclass

from chainnode.types.block import PublicKey


@dataclass(frozen=True, slots=True)
class ChainParams:
    """Rules that every node must agree on; changed only by governance. Milliseconds and bytes."""

    block_bytes_max: int = 4 * 1024 * 1024  # sum of the batches' bytes
    block_txs_max: int = 10_000
    tx_bytes_max: int = 1024 * 1024
    tx_lifetime_ms_max: int = 600_000  # how far ahead of block time valid_until_ms may be
    precision_ms: int = 500  # proposer-based time: clock difference between honest nodes
    message_delay_ms: int = 4_000  # proposer-based time: how late a proposal may arrive
    timeout_propose_ms: int = 1_000
    timeout_vote_ms: int = 500
    timeout_delta_ms: int = 500  # linear growth per round
    timeout_ms_max: int = 10_000  # cap
    block_interval_ms: int = 0  # least time between two blocks
    heartbeat_ms: int = 60_000  # an idle chain makes an empty block this often
    trusting_period_ms: int = 5 * 365 * 24 * 3_600_000  # for light clients that start at genesis


@dataclass(frozen=True, slots=True)
class GenesisValidator:
    """A validator at genesis. `operator` is the DID of the organisation.

    `node_key` is the node's raw Ed25519 network key (32 bytes); its node id is `bid.did_of("e", node_key)`.
    """

    operator: str
    name: str
    public_key: PublicKey
    power: int
    node_key: bytes
    peer_address: str  # host:port


@dataclass(frozen=True, slots=True)
class GenesisGrant:
    """A role held from the first block on. `expires_ms` 0 means never."""

    did: str
    role: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Genesis:
    """The whole of genesis.json. `time_ns` is the time of the last moment before the first block."""

    chain_id: str
    time_ns: int
    params: ChainParams
    validators: tuple[GenesisValidator, ...]
    grants: tuple[GenesisGrant, ...]
