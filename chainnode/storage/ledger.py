"""The ledger on disk: everything that a height decided, written whole or not at all (INV-6).

Bytes pass through unparsed. What is large goes to segment files first; one atomic, synced batch per height then says that it counts.
A height that `last` reports is complete.
`commit_height` may be called by one task at a time; readers and `prune` may run in other threads beside it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainnode import evidencelog, merkle
from chainnode.errors import Corrupt
from chainnode.evidencelog import Growth, LeafGroup, LogState, TileGrowth
from chainnode.keytable import Column
from chainnode.storage import layout
from chainnode.storage.index import Index
from chainnode.storage.indexspace import Entries
from chainnode.storage.keeping import Kept, keep_plainly
from chainnode.storage.kv import KV, Change
from chainnode.storage.layout import HeightSummary, height_key
from chainnode.storage.punched import fill
from chainnode.storage.recordshelf import RecordShelf
from chainnode.storage.segments import EMPTY, Shelf, decode_ends, encode_ends
from chainnode.types.block import BlockId
from chainnode.types.codes import CORRUPT_STORE, WRONG_DATA_VERSION, WRONG_GENESIS_DATA, WRONG_KEY_DATA
from chainnode.types.limits import PRUNE_KEYS_STEP, STATE_UNDO_HEIGHTS

Writes = Sequence[tuple[bytes, bytes | None]]  # ascending keys; None deletes


@dataclass(frozen=True, slots=True)
class HeightRecord:
    """All that is written for one height. At height 0, the genesis, block, header and commit are empty.

    `commit_bytes` is the commit seen for this block; `last_commit_bytes` the parent's, as the block carries it.
    `app_hash`, `store_roots` and `undo` come from the state trees (`StateStore.commit` fills them in).
    `kept` is what is written of batches and evidence, where somebody has made it; else it is made of `batches` and `log_groups`. So is
    `log_growth`, what the evidence makes of the log.
    `validator_sets` names the height from which each set is in force; only changes need be given.
    """

    height: int
    time_ns: int
    block_id: BlockId
    results_hash: bytes
    block_bytes: bytes = b""
    header_bytes: bytes = b""
    commit_bytes: bytes = b""
    last_commit_bytes: bytes | None = None
    batches: Sequence[bytes] = ()
    results: Sequence[bytes] = ()
    store_writes: Mapping[str, Writes] | None = None
    index_writes: Mapping[str, Entries] | None = None
    log_groups: Sequence[LeafGroup] = ()
    kept: Kept | None = None
    log_growth: Growth | None = None
    validator_sets: Sequence[tuple[int, bytes]] = ()
    app_hash: bytes = b""
    store_roots: Mapping[str, bytes] | None = None
    undo: bytes = b""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a call of `prune` removed."""

    keys: int
    bytes: int


class Ledger:
    """The heights of one chain in one KV. Use `Ledger.open`."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        self._last: HeightSummary | None = None
        self._log = evidencelog.EMPTY_LOG
        self._log_size = 0
        self._edges: dict[int, tuple[int, bytes]] = {}  # the growing tile of each level: index, bytes
        self._bodies, self._records = Shelf(kv.blobs("bodies")), RecordShelf(kv)
        ends = decode_ends(kv.get(layout.META_ENDS) or encode_ends((EMPTY, EMPTY)))
        for blobs, end in zip((self._bodies.blobs, self._records.blobs), ends, strict=True):
            blobs.cut(end)
        self._index = Index(kv)
        last = kv.get(layout.META_LAST)
        if last is not None:
            summary = self.summary(layout.decode_height(last))
            if summary is None:
                raise Corrupt(CORRUPT_STORE, "the last height has no summary")
            self._last = summary
            self._log_size = summary.log_size
            self._log = evidencelog.state_at(self.tile, summary.log_size)

    @staticmethod
    def open(kv: KV, *, chain_id: str, genesis_hash: bytes, node_id: str) -> "Ledger":
        """The ledger in `kv`, which belongs to this chain, genesis and node from its first use on."""
        expected = (
            (layout.META_VERSION, layout.encode_height(layout.LAYOUT_VERSION), WRONG_DATA_VERSION),
            (layout.META_CHAIN, chain_id.encode(), WRONG_GENESIS_DATA),
            (layout.META_GENESIS, genesis_hash, WRONG_GENESIS_DATA),
            (layout.META_NODE, node_id.encode(), WRONG_KEY_DATA),
        )
        if kv.get(layout.META_VERSION) is None:
            kv.write([(key, value) for key, value, _ in expected], sync=True)
        for key, value, code in expected:
            found = kv.get(key)
            if found != value:
                raise Corrupt(code, f"{code.meaning} Found {_told(key, found)}, expected {_told(key, value)}.")
        return Ledger(kv)

    def last(self) -> HeightSummary | None:
        """The last complete height; None before the genesis is committed."""
        return self._last

    def summary(self, height: int) -> HeightSummary | None:
        """What the next height needed to know of `height`."""
        data = self._kv.get(height_key(layout.SUMMARY, height))
        return None if data is None else layout.decode_summary(data)

    def log_state(self) -> LogState:
        """The evidence log after the last height."""
        return self._log

    def commit_height(self, record: HeightRecord) -> None:
        """Write a height whole: on return it outlives a loss of power; on an error the last height is as before."""
        height = record.height
        assert height == (0 if self._last is None else self._last.height + 1), "heights are committed in order"
        assert len(record.app_hash) == merkle.HASH_BYTES
        self._index.make_room()
        log, growths = record.log_growth or evidencelog.append_groups(self._log, record.log_groups)
        kept = record.kept or keep_plainly(record.batches, record.log_groups)
        assert log.size == self._log.size + sum([leaves for leaves, _ in kept.records])
        tiles = self._grown(growths)
        summary = HeightSummary(height, record.time_ns, record.block_id, record.app_hash, record.results_hash, self._log.size, log.size)
        changes: list[Change] = [
            (layout.META_LAST, layout.encode_height(height)),
            (height_key(layout.SUMMARY, height), layout.encode_summary(summary)),
            (layout.META_ROOTS, _encode_roots(record.store_roots or {})),
            (height_key(layout.UNDO, height), record.undo),
        ]
        if height >= STATE_UNDO_HEIGHTS:
            changes.append((height_key(layout.UNDO, height - STATE_UNDO_HEIGHTS), None))
        changes.extend(_block_changes(record))
        changes.extend(self._body_changes(record, kept.batches))
        changes.extend(_state_changes(record))
        indexed = self._index.prepare(height, record.index_writes or {})
        changes.extend(indexed.changes)
        changes.extend(self._records.put(height, self._log.size, kept.records))
        changes.append((layout.META_ENDS, encode_ends((self._bodies.blobs.end(), self._records.blobs.end()))))
        changes.extend((layout.tile_key(level, index), content) for (level, index), content in tiles.items())
        self._kv.write(changes, sync=True)
        self._index.commit(indexed)
        self._last, self._log, self._log_size = summary, log, log.size
        for (level, index), content in tiles.items():
            self._edges[level] = (index, content)

    def block_bytes(self, height: int) -> bytes | None:
        """The block; None when it is unknown or pruned."""
        return self._kv.get(height_key(layout.BLOCK, height))

    def header(self, height: int) -> bytes | None:
        """The header's bytes; never pruned."""
        return self._kv.get(height_key(layout.HEADER, height))

    def commit(self, height: int) -> bytes | None:
        """The commit's bytes: the one in the next block when there is one, else the one seen; never pruned."""
        return self._kv.get(height_key(layout.COMMIT, height))

    def batches(self, height: int) -> tuple[bytes, ...]:
        """The batches of a block in order; empty as well when the height is unknown or pruned. `prune` beside it leaves all or none."""
        kept = [value for _, value in self._kv.iterate(layout.batch_key(height, 0), layout.batch_key(height + 1, 0))]
        parts = [part for value in kept if (part := self._body(height, value)) is not None]
        read_middles = self._middles_of(height)
        try:
            batches = tuple([fill(part, read_middles) for part in parts])
        except Corrupt as error:
            raise Corrupt(error.code, f"the body of height {height}: {error.detail}") from error
        return batches if height >= self.first_body() else ()

    def results(self, height: int) -> tuple[bytes, ...] | None:
        """Encoded results in order of transactions; None when unknown or pruned."""
        kept = self._kv.get(height_key(layout.RESULTS, height))
        if not kept:
            return None if kept is None else ()
        data = self._body(height, kept)
        return None if data is None else layout.split_parts(data)

    def validators(self, height: int) -> bytes | None:
        """The validator set in force at `height`: that of the last change at or below it."""
        found = self._kv.iterate(height_key(layout.VALIDATORS, 0), height_key(layout.VALIDATORS, height + 1), reverse=True)
        return next((value for _, value in found), None)

    def first_body(self) -> int:
        """The lowest height whose block, batches and results are kept; 1 when nothing was pruned."""
        data = self._kv.get(layout.META_FIRST_BODY)
        return 1 if data is None else layout.decode_height(data)

    def state_get(self, store: str, key: bytes) -> bytes | None:
        """The value of a state key after the last height."""
        return self._kv.get(layout.name_prefix(layout.STATE, store) + key)

    def state_iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> tuple[tuple[bytes, bytes], ...]:
        """At most `limit` entries whose keys begin with `prefix` and come behind `after`, ascending."""
        base = layout.name_prefix(layout.STATE, store)
        start = base + prefix
        if after is not None and base + after >= start:
            start = base + after + b"\x00"
        skip = len(base)
        found: list[tuple[bytes, bytes]] = []
        if limit > 0:
            for key, value in self._kv.iterate(start, layout.after_prefix(base + prefix)):
                found.append((key[skip:], value))
                if len(found) == limit:
                    break
        return tuple(found)

    def state_entries(self, store: str) -> Iterator[tuple[bytes, bytes]]:
        """All entries of a store, ascending."""
        base = layout.name_prefix(layout.STATE, store)
        for key, value in self._kv.iterate(base, layout.after_prefix(base)):
            yield key[len(base) :], value

    def store_roots(self) -> dict[str, bytes]:
        """State root of each store after the last height, as recorded."""
        return _decode_roots(self._kv.get(layout.META_ROOTS) or b"")

    def undo(self, height: int) -> bytes | None:
        """How to go back to the state before `height`; kept for the newest heights."""
        return self._kv.get(height_key(layout.UNDO, height))

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """The value of an index key after the last height."""
        return self._index.find(space, (key,)).get(key)

    def index_get_many(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of index keys after the last height, in order."""
        found = self._index.find(space, keys)
        return [found.get(key) for key in keys]

    def index_find(self, space: str, keys: Column) -> dict[bytes, bytes]:
        """Those of the keys that the index holds after the last height, with their values. Cheap when there are none."""
        return self._index.find(space, keys)

    def index_entries(self) -> Iterator[tuple[str, bytes, bytes]]:
        """The whole index after the last height: space, key, value; to compare two ledgers."""
        return self._index.entries()

    def is_index_due(self) -> bool:
        """Whether `tend_index` has something to do."""
        return self._index.is_due()

    def tend_index(self) -> bool:
        """A bounded step of work on the index, beside commits; whether there is more. Who never calls it commits more slowly."""
        return self._index.tend()

    def entries(self, kind: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All entries of a kind of `storage/layout.py` as they are stored, ascending; to compare two ledgers."""
        return self._kv.iterate(kind, layout.after_prefix(kind))

    def tile(self, level: int, index: int) -> bytes:
        """A tile of the evidence log as far as it had grown at the last height; empty when it had not. Those of level 0 are made anew."""
        nodes = (self._log_size >> level * evidencelog.TILE_LEVELS) - index * evidencelog.TILE_HASHES
        length = max(0, min(nodes, evidencelog.TILE_HASHES)) * merkle.HASH_BYTES
        if level == 0:
            first = index * evidencelog.TILE_HASHES
            is_full = length == evidencelog.TILE_HASHES * merkle.HASH_BYTES
            return self._records.full_tile(index) if is_full else self._records.tile(first, first + length // merkle.HASH_BYTES)
        edge = self._edges.get(level)
        content = edge[1] if edge is not None and edge[0] == index else self._kv.get(layout.tile_key(level, index)) or b""
        if len(content) < length:
            raise Corrupt(CORRUPT_STORE, f"tile {level}/{index} of the evidence log is not as long as it should be")
        return content[:length]

    def log_first_index(self, height: int) -> int | None:
        """Index of the first evidence record that `height` appended, were there one; None for an unknown height."""
        summary = self.summary(height)
        return None if summary is None else summary.first_record

    def log_record(self, index: int) -> tuple[int, bytes] | None:
        """The height that appended evidence record `index`, and the record; None beyond the end."""
        if not 0 <= index < self._log.size:
            return None
        return self._records.record(index)

    def height_of_log_index(self, index: int) -> int | None:
        """The height that appended evidence record `index`; None beyond the end."""
        found = self.log_record(index)
        return None if found is None else found[0]

    def prune(self, below_height: int) -> Pruned:
        """Remove blocks, batches and results below a height, and give their room back to the disk.

        Headers, commits, state and evidence stay, and so does the last height's body. Deletes in small
        writes, so commits are not held up for long; may be repeated after an interruption.
        """
        last = self._last
        below = min(below_height, last.height if last else 0)
        if below <= 0:
            return Pruned(0, 0)
        if below > self.first_body():
            self._kv.write([(layout.META_FIRST_BODY, layout.encode_height(below))], sync=True)
        keys = size = 0
        for kind in (layout.BLOCK, layout.BATCH, layout.RESULTS):
            start, stop = height_key(kind, 0), height_key(kind, below)
            step: list[Change] = []
            for key, value in self._kv.iterate(start, stop):
                step.append((key, None))
                size += len(key) + len(value)
                if len(step) == PRUNE_KEYS_STEP:
                    self._kv.write(step, sync=False)
                    keys += len(step)
                    step.clear()
            if step:
                self._kv.write(step, sync=True)
                keys += len(step)
            self._kv.compact(start, stop)
        return Pruned(keys, size + self._bodies.blobs.drop_below(below))

    def close(self) -> None:
        """Release the store; waits for `tend_index`."""
        self._index.close()
        self._kv.close()

    def _body_changes(self, record: HeightRecord, batches: Sequence[bytes]) -> Iterator[Change]:
        """Batches and results, written behind each other."""
        results_key = height_key(layout.RESULTS, record.height)
        if not record.results:
            yield results_key, b""
        joined = (layout.join_parts(record.results),) if record.results else ()
        kept = self._bodies.put(record.height, (*batches, *joined))
        keys = [layout.batch_key(record.height, position) for position in range(len(batches))]
        yield from zip((*keys, results_key), kept, strict=False)

    def _body(self, height: int, kept: bytes) -> bytes | None:
        """A part of a body; None when it was pruned meanwhile."""
        try:
            data = self._bodies.get(kept)
        except Corrupt as error:
            raise Corrupt(error.code, f"the body of height {height}: {error.detail}") from error
        if data is None and height >= self.first_body():
            raise Corrupt(CORRUPT_STORE, f"a segment with the body of height {height} is missing")
        return data

    def _middles_of(self, height: int) -> Callable[[int, int], Sequence[bytes]]:
        """Leaves by their number in the height, read when the first is asked for."""
        known: list[bytes] = []

        def read(first: int, count: int) -> Sequence[bytes]:
            summary = self.summary(height)
            if not known and summary is not None:
                groups = self._records.groups(summary.first_record, summary.log_size)
                known.extend([middle for group in groups for middle in group.middles])
            return known[first : first + count]

        return read

    def _grown(self, growths: Sequence[TileGrowth]) -> dict[tuple[int, int], bytes]:
        """The tiles that are kept and grow, whole. In order of index, so that the last of a level is its edge."""
        tiles: dict[tuple[int, int], bytes] = {}
        for growth in growths:
            assert growth.level, "hashes of records are made anew when they are asked for"
            old = self.tile(growth.level, growth.index)
            assert len(old) == growth.offset * merkle.HASH_BYTES
            tiles[growth.level, growth.index] = old + growth.hashes
        return tiles


def _told(key: bytes, value: bytes | None) -> str:
    """What a folder says of itself, as people write it."""
    if value is None or key == layout.META_GENESIS:
        return "nothing" if value is None else value.hex()
    return f"version {int.from_bytes(value)}" if key == layout.META_VERSION else value.decode(errors="replace")


def _block_changes(record: HeightRecord) -> Iterator[Change]:
    height = record.height
    if height:
        yield height_key(layout.BLOCK, height), record.block_bytes
        yield height_key(layout.HEADER, height), record.header_bytes
        yield height_key(layout.COMMIT, height), record.commit_bytes
    if record.last_commit_bytes is not None:
        yield height_key(layout.COMMIT, height - 1), record.last_commit_bytes
    for first_height, validators in record.validator_sets:
        yield height_key(layout.VALIDATORS, first_height), validators


def _state_changes(record: HeightRecord) -> Iterator[Change]:
    for store, writes in (record.store_writes or {}).items():
        prefix = layout.name_prefix(layout.STATE, store)
        for key, value in writes:
            yield prefix + key, value


def _encode_roots(roots: Mapping[str, bytes]) -> bytes:
    return layout.join_parts([part for name in sorted(roots) for part in (name.encode(), roots[name])])


def _decode_roots(data: bytes) -> dict[str, bytes]:
    parts = layout.split_parts(data)
    if len(parts) % 2:
        raise Corrupt(CORRUPT_STORE, "the list of state roots is cut off")
    return {name.decode(errors="replace"): root for name, root in zip(parts[::2], parts[1::2], strict=True)}
