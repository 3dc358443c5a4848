"""A chain whose blocks are applied one by one, in runs and by whole batches, in plain Python and in C, and come out the same each way."""

import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import pairwise

from chainnode.crypto.suites import sign
from chainnode.did.record import SIGNING, Document, Method, document_value
from chainnode.digests import genesis_hash
from chainnode.evidencelog import EMPTY_LOG, LogState
from chainnode.execution.engine import BlockContext, BlockOutcome, apply_block, apply_genesis
from chainnode.execution.state import Memos
from chainnode.mempool.batch import Batch
from chainnode.node.chain import kept_of_block
from chainnode.sheets import PlainSheet, Sheet, read_sheet
from chainnode.storage.keeping import Kept
from chainnode.transactions import decode_transaction, encode_batch, encode_body, encode_transaction, sign_bytes
from chainnode.types.codes import CODES
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX
from chainnode.types.transaction import Invocation, Signature, Transaction, TransactionBody, Value
from contracts.registry import SystemContracts
from tests.chain_maker import key_of
from tests.contracts.council import did, genesis_of
from tests.execution.plain_way import apply_plainly
from tests.execution.readers import DictReader, by_key, flat
from tests.execution.record_twin import TwinSheet

LAW = SystemContracts()
GENESIS: Genesis = genesis_of(("ada",), ("v1",))
START_MS = GENESIS.time_ns // 1_000_000
NAMES = ("ada", "mia", "cus", "sue", "sid", "stranger")
DIGESTS = [sha256(b"%d" % number).digest() for number in range(12)]
PARAMS = ChainParams(tx_bytes_max=40_000)
NUMBERS = {code.number: name for name, code in CODES.items()}


def row(digest: bytes = DIGESTS[0], meta: bytes = b"scan", algorithm: str = "sha-256") -> tuple[Value, ...]:
    """A record."""
    return (algorithm, digest, meta)


def recorded(*rows: Value) -> Invocation:
    """A call to put them on record."""
    return Invocation("evidence", "record", (rows,))


def as_read(txs: Sequence[Transaction]) -> Sheet:
    """As the program reads the batch: by C, where it is there."""
    return read_sheet(encode_batch([tx.raw for tx in txs]))


def kept_of(batches: Sequence[Sequence[Transaction]], outcome: BlockOutcome) -> Kept:
    """What goes to the disk."""
    found = [Batch(b"", encode_batch([tx.raw for tx in txs]), PlainSheet(txs)) for txs in batches]
    kept = kept_of_block(found, outcome)
    return Kept(list(kept.batches), list(kept.records))


def codes_of(outcome: BlockOutcome) -> list[str]:
    """The names of the codes of all results."""
    return [NUMBERS[result.code] for result in outcome.results]


@dataclass
class Twins:
    """One chain applied all ways, block by block."""

    seed: int = 0
    height: int = 0
    log: LogState = EMPTY_LOG
    reader: DictReader = field(default_factory=DictReader)
    used: list[Transaction] = field(default_factory=list)
    memos: Memos = field(default_factory=Memos)  # kept from block to block, as a chain does
    next_memos: Memos = field(default_factory=Memos)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._keep(apply_genesis(LAW, GENESIS))

    @property
    def time_ms(self) -> int:
        """Of the next block."""
        return START_MS + (self.height + 1) * 1_000

    def signed(
        self, names: tuple[str, ...], *calls: Invocation, key: str = "", until_ms: int | None = None, chain_id: str = ""
    ) -> Transaction:
        """A transaction of these. `key`: whose key signs in place of the first signer's own."""
        until_ms = self.time_ms + 60_000 if until_ms is None else until_ms
        body = TransactionBody(chain_id or GENESIS.chain_id, tuple(map(did, names)), self.random.randbytes(16), until_ms, calls)
        body_bytes = encode_body(body)
        keys = [key_of(key or names[0]), *map(key_of, names[1:])]
        message = sign_bytes(genesis_hash(GENESIS), body_bytes)
        return decode_transaction(encode_transaction(body_bytes, [Signature("e", one.public, sign(one, message)) for one in keys]))

    def apply(self, *txs: Transaction) -> list[str]:
        """The codes of a block, however its transactions are put into batches: each alone, some together, all in one."""
        last = self._do([[tx] for tx in txs])
        cuts = sorted(random.Random(self.seed + self.height).sample(range(1, len(txs)), min(3, len(txs) - 1))) if txs else []
        split = [txs[begin:end] for begin, end in pairwise((0, *cuts, len(txs)))] if txs else []
        for batches in (split, [txs] if txs else []):
            outcome = self._do(batches)
            assert outcome.results == last.results
            last = outcome
        self._count(last)
        return codes_of(last)

    def apply_batches(self, *batches: Sequence[Transaction]) -> BlockOutcome:
        """A block of these batches, by the plain twin of what C does."""
        outcome = self._do(batches)
        self._count(outcome)
        return outcome

    def _do(self, batches: Sequence[Sequence[Transaction]]) -> BlockOutcome:
        """All ways agree on all that a block does; what the last of them made of it."""
        context = BlockContext(GENESIS.chain_id, self.height + 1, self.time_ms)
        plain = apply_plainly(LAW, self.reader, self.log, context, PARAMS, batches)
        kept = kept_of(batches, plain)
        indexed = by_key(plain.index_writes)
        order = {space: list(entries) for space, entries in indexed.items()}
        dice = random.Random(self.seed + self.height)
        outcome = plain
        for way in (PlainSheet, as_read, lambda txs: dice.choice((PlainSheet, TwinSheet, as_read))(txs), TwinSheet):
            memos = deepcopy(self.memos)
            outcome = apply_block(LAW, self.reader, self.log, context, PARAMS, [way(txs) for txs in batches], memos)
            self.next_memos = memos
            said = f"seed {self.seed}, height {context.height}"
            for place, (one, other) in enumerate(zip(outcome.results, plain.results, strict=True)):
                assert one == other, f"{said}, transaction {place}"
            assert outcome.results.encoded == plain.results.encoded and outcome.results.hashes == plain.results.hashes, said
            assert [batch.leaves for batch in outcome.batches] == [batch.leaves for batch in plain.batches], said
            assert replace(outcome, batches=(), index_writes={}) == replace(plain, batches=(), index_writes={}), said
            added = by_key(outcome.index_writes)
            assert added == indexed and {space: list(entries) for space, entries in added.items()} == order, said
            assert kept_of(batches, outcome) == kept, said
        return outcome

    def _count(self, outcome: BlockOutcome) -> None:
        self.height += 1
        self.memos = self.next_memos
        self._keep(outcome)

    def _keep(self, outcome: BlockOutcome) -> None:
        for store, entries in outcome.store_writes.items():
            for key, value in entries:
                if value is None:
                    self.reader.values.pop((store, key), None)
                else:
                    self.reader.values[store, key] = value
        self.reader.index |= flat(outcome.index_writes)
        self.log = outcome.log_growth[0]

    # Random transactions

    def any(self) -> Transaction:
        """Good ones mostly."""
        dice = self.random
        kind = dice.randrange(20)
        who = dice.choice(NAMES)
        if kind < 8:
            return self.signed((who,), recorded(*(self.any_row() for _ in range(dice.choice((1, 1, 2, 5))))))
        if kind < 11:
            return self.signed((who,), recorded(*dice.choice(BAD_ARGUMENTS)))
        if kind == 11:
            return self.signed((who,), recorded(self.any_row()), recorded(*dice.choice(((self.any_row(),), ()))))
        if kind == 12:
            return self.signed((who, dice.choice([name for name in NAMES if name != who])), recorded(self.any_row()))
        if kind == 13:
            until_ms = self.time_ms + dice.choice((-1, 0, PARAMS.tx_lifetime_ms_max, PARAMS.tx_lifetime_ms_max + 1))
            return self.signed((who,), recorded(self.any_row()), until_ms=until_ms)
        if kind == 14 and self.used:
            return dice.choice(self.used)
        if kind == 15:
            return self.signed((who,), recorded(self.any_row()), key=dice.choice(NAMES), chain_id=dice.choice(("", "other-1")))
        return self.signed((who,), *self.any_change(who))

    def any_row(self) -> tuple[Value, ...]:
        """A record of one of few digests, or of a new one."""
        digest = self.random.choice([*DIGESTS, self.random.randbytes(32)])
        return row(digest, self.random.randbytes(self.random.choice((0, 3, 300))), self.random.choice(("sha-256", "sm3", "sha3-256")))

    def any_change(self, who: str) -> tuple[Invocation, ...]:
        """Calls that change who may do what, and calls that fail behind them."""
        dice = self.random
        whom, tail = did(dice.choice(NAMES)), dice.choice(((), (), (recorded(),), (recorded(self.any_row()),)))
        listed = document_value(Document((Method("new", "e", key_of(dice.choice(NAMES)).public, SIGNING),)))
        return dice.choice(
            (
                (Invocation("roles", "grant", (whom, "member", 0, b"\x05" * 32)), *tail),
                (Invocation("roles", "revoke", (whom, "member", "because")), *tail),
                (Invocation("identity", "create", (did(who), listed)), *tail),
                (Invocation("supervision", "propose", ("account", whom, "because", b"\x05" * 32, 0)), *tail),
                (Invocation("supervision", "sign", (dice.randrange(1, 4),)), *tail),
                (Invocation("supervision", "lift", (dice.randrange(1, 4), "because")), *tail),
                (Invocation("goods", "commission", (f"i-{dice.randrange(3)}", "s", (("code", "tea", 5, "KGM", b"\x01" * 32),))), *tail),
                (Invocation("nothing", "here", ()), *tail),
            )
        )


BAD_ARGUMENTS: tuple[tuple[Value, ...], ...] = (
    (),
    (row(b"\x01" * 31),),
    (row(algorithm="md5"),),
    (row(algorithm="evidence"), row()),
    (row(meta=b"m" * (EVIDENCE_META_BYTES_MAX + 1)),),
    (row(), row(meta=b"m" * (EVIDENCE_META_BYTES_MAX + 1))),
    (row(meta=b"m" * EVIDENCE_META_BYTES_MAX),),
    (("sha-256", DIGESTS[0]),),
    (row(), ("sha-256", DIGESTS[0])),
    ((*row(), b""),),
    ("sha-256",),
    (row(), 7),
    ((b"sha-256", DIGESTS[0], b""),),
    (("sha-256", "d" * 32, b""),),
    (("sha-256", DIGESTS[0], "scan"),),
    (("sha-256", DIGESTS[0], None),),
    ((("sha-256",), DIGESTS[0], b""),),
    (({"sha-256": 1}, DIGESTS[0], b""),),
    tuple(row(sha256(b"many %d" % number).digest()) for number in range(300)),
    tuple(row(sha256(b"big %d" % number).digest(), b"m" * 900) for number in range(60)),  # beyond tx_bytes_max
)
