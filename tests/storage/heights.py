"""Made-up heights for tests of the ledger: deterministic, and different at every height."""

from hashlib import sha256

from chainnode.evidencelog import LeafGroup
from chainnode.storage.ledger import HeightRecord, Ledger
from chainnode.types.block import NIL_BLOCK_ID, BlockId, PartSetHeader

IDENTITY = {"chain_id": "test-1", "genesis_hash": b"g" * 32, "node_id": "did:bid:node"}


def opened(kv, **changes):
    return Ledger.open(kv, **{**IDENTITY, **changes})


def digest(*parts):
    return sha256(repr(parts).encode()).digest()


def block_id(height):
    return BlockId(digest("block", height), PartSetHeader(1, digest("parts", height)))


GENESIS = HeightRecord(
    0,
    1_000,
    NIL_BLOCK_ID,
    b"",
    store_writes={"acc": ((b"count", b"0"), (b"first", b"1")), "goods": ((b"first", b"1"),)},
    index_writes={"tx": {digest("tx", 0): b"%012d" % 0}},
    validator_sets=((1, b"validators 1"),),
    app_hash=digest("app", 0),
)


def height_record(height, *, batches=2, leaves=3):
    """Height 1 and on: two stores, one replaced key, one deleted key, evidence, a validator change every third height."""
    return HeightRecord(
        height,
        1_000 + height,
        block_id(height),
        digest("results", height),
        block_bytes=b"block %d" % height,
        header_bytes=b"header %d" % height,
        commit_bytes=b"seen commit %d" % height,
        last_commit_bytes=b"commit %d" % (height - 1) if height > 1 else None,
        batches=tuple(b"batch %d of %d" % (number, height) for number in range(batches)),
        results=(b"result a of %d" % height, b"", b"result c"),
        store_writes={"acc": _accounts(height), "goods": ((b"unit%03d" % height, b"u"),)},
        index_writes={"tx": {digest("tx", height): b"%012d" % height}, "did": {b"d": b"%d" % height}},
        log_groups=(LeafGroup(b"evidence ", tuple(b"%d of " % number for number in range(leaves)), b"%d" % height),),
        validator_sets=((height + 2, b"validators %d" % (height + 2)),) if height % 3 == 0 else (),
        app_hash=digest("app", height),
    )


def _accounts(height):
    writes = {b"count": b"%d" % height, b"key%03d" % height: b"v%d" % height}
    if height > 2:
        writes[b"key%03d" % (height - 2)] = None
    return tuple(sorted(writes.items()))


def apply_writes(content, record):
    """The state as a dict of (store, key) after a record."""
    after = dict(content)
    for store, writes in (record.store_writes or {}).items():
        for key, value in writes:
            if value is None:
                after.pop((store, key), None)
            else:
                after[store, key] = value
    return after
