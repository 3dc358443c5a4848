"""A batch whose transactions were decoded and whose signatures were verified."""

from dataclasses import dataclass

from chainnode.types.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Batch:
    """Verified transactions that travel together. `digest` is the SHA-256 of `batch_bytes`, which hold `txs` in order."""

    digest: bytes
    batch_bytes: bytes
    txs: tuple[Transaction, ...]

    def __post_init__(self) -> None:
        """Refuse a batch without transactions."""
        assert self.txs
