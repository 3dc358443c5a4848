"""A batch whose transactions were read and whose signatures were verified."""

from dataclasses import dataclass, field

from chainnode.sheets import Sheet
from chainnode.types.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Batch:
    """Verified transactions that travel together. `digest` is the SHA-256 of `batch_bytes`, of which `sheet` was read."""

    digest: bytes
    batch_bytes: bytes
    sheet: Sheet = field(compare=False, repr=False)

    @property
    def ids(self) -> tuple[bytes, ...]:
        """The id of each transaction, in order."""
        return self.sheet.ids

    @property
    def txs(self) -> tuple[Transaction, ...]:
        """The transactions; to ask for them costs as much as to read the batch."""
        return self.sheet.txs
