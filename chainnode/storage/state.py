"""State over the ledger: flat values on disk, hash trees in memory, proofs at recent heights.

The trees are rebuilt from the flat values at start, about 6 us and 270 bytes of memory per key, and must
give the recorded app_hash. Values that later heights replaced stay in memory as long as their height is provable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from chainnode import evidencelog, statetree
from chainnode.errors import Corrupt, Malformed, Rejected, Unavailable
from chainnode.keytable import Column
from chainnode.statetree import StateTree
from chainnode.storage import layout
from chainnode.storage.ledger import HeightRecord, Ledger, Writes
from chainnode.storage.warm import WarmValues
from chainnode.types.codes import BAD_ARGUMENTS, CORRUPT_STORE, HEIGHT_UNKNOWN, NOT_FOUND, STATE_PRUNED
from chainnode.types.limits import STATE_KEY_BYTES_MAX, STATE_OVERLAY_BYTES_MAX, STATE_ROOTS_KEPT
from chainnode.types.proof import CommitmentProof, ExistenceProof

Replaced = dict[tuple[str, bytes], bytes | None]  # (store, key) -> value before; None: the key was absent
_ENTRY_BYTES = 200  # memory of an overlay entry besides key and value


@dataclass(slots=True)
class StateAt:
    """The trees after a height, and the values that this height replaced.

    `later` is the next height once there is one: a proof under way keeps what it needs when its height is dropped.
    """

    height: int
    trees: Mapping[str, StateTree]
    replaced: Replaced
    replaced_bytes: int
    later: "StateAt | None" = None


class StateStore:
    """The state after the last height, for execution and for proofs. Use `StateStore.open`."""

    def __init__(self, ledger: Ledger, kept: tuple[StateAt, ...]) -> None:
        self.ledger = ledger
        self.warm = WarmValues(ledger.state_get)
        self._kept = kept  # consecutive heights; replaced as a whole, so that readers in other threads see one version

    @staticmethod
    def open(ledger: Ledger) -> "StateStore":
        """Rebuild the trees. Corrupt(CORRUPT_STORE), naming the store, when a root is not the recorded one."""
        last = ledger.last()
        if last is None:
            return StateStore(ledger, ())
        trees: dict[str, StateTree] = {}
        for name, root in ledger.store_roots().items():
            trees[name] = StateTree.build(ledger.state_entries(name))
            if trees[name].root != root:
                raise Corrupt(CORRUPT_STORE, f"the entries of store '{name}' do not give its recorded root")
        _check_app_hash(trees, last.app_hash, last.height)
        return StateStore(ledger, _with_earlier(ledger, StateAt(last.height, trees, {}, 0)))

    def get(self, store: str, key: bytes) -> bytes | None:
        """The value of a state key after the last height."""
        return self.ledger.state_get(store, key)

    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> tuple[tuple[bytes, bytes], ...]:
        """At most `limit` entries whose keys begin with `prefix` and come behind `after`, ascending."""
        return self.ledger.state_iterate(store, prefix, after, limit)

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """The value of an index key after the last height."""
        return self.ledger.index_get(space, key)

    def index_get_many(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of index keys after the last height, in order."""
        return self.ledger.index_get_many(space, keys)

    def index_find(self, space: str, keys: Column) -> dict[bytes, bytes]:
        """Those of the keys that the index holds after the last height, with their values. Cheap when there are none."""
        return self.ledger.index_find(space, keys)

    def commit(self, record: HeightRecord) -> bytes:
        """Apply the record's store writes to the trees, write the height whole, and return its app_hash.

        `app_hash`, `store_roots` and `undo` of the record are filled in here.
        """
        after = self._after(record.height, record.store_writes or {})
        roots = _roots(after.trees)
        app_hash = statetree.app_hash(roots)
        before = self._kept
        # First the overlay, then the values: a proof made meanwhile still finds the values of its own height.
        if before:
            before[-1].later = after
        self._kept = _trimmed((*before, after))
        try:
            self.ledger.commit_height(replace(record, app_hash=app_hash, store_roots=roots, undo=_encode_replaced(after.replaced)))
        except BaseException:
            self._kept = before
            self.warm.forget()
            raise
        self.warm.committed(record.store_writes or {})
        return app_hash

    def app_hash(self, height: int) -> bytes:
        """The app_hash after a recent height."""
        return statetree.app_hash(_roots(self._at(height).trees))

    def heights(self) -> tuple[int, int]:
        """The first and the last height whose state can be proved. The genesis must have been committed."""
        last = self.ledger.last()
        assert last is not None, "the genesis comes first"
        return self._kept[0].height, last.height

    def value_at(self, store: str, key: bytes, height: int) -> bytes | None:
        """The value of a state key after a recent height."""
        return self._value_at(self._at(height), store, key)

    def keys_at(self, store: str, prefix: bytes, after: bytes | None, limit: int, height: int) -> tuple[bytes, ...]:
        """At most `limit` keys that a store held after a recent height, which begin with `prefix` and come behind `after`, ascending."""
        tree = self._at(height).trees.get(store, StateTree())
        return tuple(tree.iterate(prefix, after, limit))

    def prove_state(self, store: str, key: bytes, height: int) -> tuple[bytes | None, tuple[CommitmentProof, CommitmentProof]]:
        """A key's value after `height`, None when it is absent, with proofs for IAVL_SPEC and TENDERMINT_SPEC.

        They lead to the app_hash in header `height` + 1. Unavailable(STATE_PRUNED) below the kept heights.
        """
        if not 0 < len(key) <= STATE_KEY_BYTES_MAX:
            raise Malformed(BAD_ARGUMENTS, "a state key has 1 to 64 bytes")
        state = self._at(height)
        trees = state.trees
        if store not in trees:
            raise Rejected(NOT_FOUND, f"there is no store '{store}'")
        tree = trees[store]
        if not tree.size:
            raise Rejected(NOT_FOUND, f"the store '{store}' is empty, which cannot be proved")

        def value_of(present: bytes) -> bytes:
            value = self._value_at(state, store, present)
            if value is None or sha256(value).digest() != tree.get_hash(present):
                raise Corrupt(CORRUPT_STORE, f"store '{store}' has another value than its tree")
            return value

        proof: CommitmentProof
        if tree.get_hash(key) is None:
            value, proof = None, tree.prove_absence(key, value_of)
        else:
            existence: ExistenceProof = tree.prove(key, value_of)
            value, proof = existence.value, existence
        return value, (proof, statetree.prove_store(_roots(trees), store))

    def prove_record(self, index: int, size: int) -> tuple[bytes, ...]:
        """Path from evidence record `index` to the root of the log as it was at `size`."""
        if not 0 <= index < size <= self.ledger.log_state().size:
            raise Unavailable(NOT_FOUND, "the evidence log has no such record, or is not so long yet")
        return evidencelog.inclusion(self.ledger.tile, index, size)

    def prove_log_growth(self, first: int, second: int) -> tuple[bytes, ...]:
        """Proof that the evidence log at size `second` extends the one at size `first`."""
        if not 0 < first <= second <= self.ledger.log_state().size:
            raise Unavailable(NOT_FOUND, "the evidence log has no such sizes")
        return evidencelog.consistency(self.ledger.tile, first, second)

    def _at(self, height: int) -> StateAt:
        last = self.ledger.last()
        if last is None or height > last.height or height < 0:
            raise Unavailable(HEIGHT_UNKNOWN)
        kept = self._kept
        if height < kept[0].height:
            raise Unavailable(STATE_PRUNED)
        return kept[height - kept[0].height]

    def _value_at(self, state: StateAt, store: str, key: bytes) -> bytes | None:
        # The value on disk is read first: what replaces it meanwhile is then in the overlay for sure.
        value = self.ledger.state_get(store, key)
        place = (store, key)
        later = state.later
        while later is not None:
            if place in later.replaced:
                return later.replaced[place]
            later = later.later
        return value

    def _after(self, height: int, store_writes: Mapping[str, Writes]) -> StateAt:
        trees = dict(self._kept[-1].trees) if self._kept else {}
        replaced: Replaced = {}
        size = 0
        for name, writes in store_writes.items():
            tree = trees.get(name, StateTree())
            trees[name] = tree.update(writes)
            for key, _ in writes:
                value = self.warm.get(name, key)
                replaced[name, key] = value
                size += _ENTRY_BYTES + len(key) + len(value or b"")
        return StateAt(height, trees, replaced, size)


class CommittersReader:
    """An `execution.state.Reader` over the state after the last height, for the task that commits and no other (`storage/warm.py`)."""

    def __init__(self, state: StateStore) -> None:
        self.get = state.warm.get
        self.iterate = state.iterate
        self.index_get = state.index_get
        self.index_get_many = state.index_get_many
        self.index_find = state.index_find


def _roots(trees: Mapping[str, StateTree]) -> dict[str, bytes]:
    """Roots of the stores that hold anything: a store exists from its first key on."""
    return {name: tree.root for name, tree in trees.items() if tree.size}


def _trimmed(kept: tuple[StateAt, ...]) -> tuple[StateAt, ...]:
    """The newest heights, as many as the limits allow, at least two."""
    size = 0
    count = 0
    for state in reversed(kept):
        size += state.replaced_bytes
        count += 1
        if count == STATE_ROOTS_KEPT or (count >= 2 and size > STATE_OVERLAY_BYTES_MAX):
            break
    return kept[-count:]


def _check_app_hash(trees: Mapping[str, StateTree], app_hash: bytes, height: int) -> None:
    if statetree.app_hash(_roots(trees)) != app_hash:
        raise Corrupt(CORRUPT_STORE, f"the state after height {height} does not give its recorded app_hash")


def _with_earlier(ledger: Ledger, newest: StateAt) -> tuple[StateAt, ...]:
    """The newest state with those before it that the ledger still knows how to go back to."""
    kept = [newest]
    while kept[0].height > 0:
        state = kept[0]
        encoded = ledger.undo(state.height)
        summary = ledger.summary(state.height - 1)
        if encoded is None or summary is None:
            break
        replaced = _decode_replaced(encoded)
        writes: dict[str, list[tuple[bytes, bytes | None]]] = {}
        for (store, key), value in replaced.items():
            writes.setdefault(store, []).append((key, value))
        trees = dict(state.trees)
        for store, entries in writes.items():
            trees[store] = trees.get(store, StateTree()).update(sorted(entries))
        _check_app_hash(trees, summary.app_hash, state.height - 1)
        size = sum(_ENTRY_BYTES + len(key) + len(value or b"") for (_, key), value in replaced.items())
        state.replaced, state.replaced_bytes = replaced, size
        kept.insert(0, StateAt(state.height - 1, trees, {}, 0, later=state))
    return tuple(kept)


def _encode_replaced(replaced: Replaced) -> bytes:
    """For each key: store, key, value before with a 1 in front, or nothing when there was none."""
    parts: list[bytes] = []
    for (store, key), value in replaced.items():
        parts.extend((store.encode(), key, b"" if value is None else b"\x01" + value))
    return layout.join_parts(parts)


def _decode_replaced(data: bytes) -> Replaced:
    parts = layout.split_parts(data)
    if len(parts) % 3:
        raise Corrupt(CORRUPT_STORE, "the way back to an earlier state is cut off")
    return {
        (store.decode(errors="replace"), key): value[1:] if value else None
        for store, key, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }
