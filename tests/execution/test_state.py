"""The overlay: like plain dicts in whatever order it is used, back to the checkpoint exactly, within the limits of keys and values."""

from copy import deepcopy
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chainnode import merkle
from chainnode.evidencelog import EMPTY_LOG, LeafGroup, LeafHashes
from chainnode.execution.state import Mark, State, _Keys
from chainnode.types.limits import STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Event
from tests.execution.readers import DictReader, flat

STORES = st.sampled_from(("goods", "roles"))
KEYS = st.sampled_from([b"a", b"aa", b"ab", b"b", b"ba", b"\xff", b"\xff\xff", b"\x00"])
VALUES = st.binary(min_size=1, max_size=2)
PREFIXES = st.sampled_from([b"", b"a", b"b", b"\xff", b"c"])


def event(name: str) -> Event:
    """An event."""
    return Event("roles", name, {})


@dataclass
class Plain:
    """What the state should hold."""

    values: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    touched: set[tuple[str, bytes]] = field(default_factory=set)
    index: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)  # those of the leaves that did not come as hashes alone
    events: list[Event] = field(default_factory=list)


class AnyUse(RuleBasedStateMachine):
    """A state over dicts, used in any order, block after block."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = DictReader()
        self.log = EMPTY_LOG
        self.logged: list[bytes] = []  # of earlier blocks
        self.plain = Plain()
        self.state = State(self.reader, self.log)
        self.saved = deepcopy(self.plain)
        self.marks: list[tuple[Mark, Plain]] = []  # within the transaction, the oldest first

    @rule(store=STORES, key=KEYS, value=VALUES)
    def put(self, store: str, key: bytes, value: bytes) -> None:
        self.state.store(store).put(key, value)
        self.plain.values[store, key] = value
        self.plain.touched.add((store, key))

    @rule(store=STORES, key=KEYS)
    def delete(self, store: str, key: bytes) -> None:
        self.state.store(store).delete(key)
        self.plain.values.pop((store, key), None)
        self.plain.touched.add((store, key))

    @rule(store=STORES, key=KEYS)
    def get(self, store: str, key: bytes) -> None:
        assert self.state.store(store).get(key) == self.plain.values.get((store, key))

    @rule(store=STORES, prefix=PREFIXES, after=st.none() | KEYS, limit=st.integers(0, 9))
    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> None:
        entries = sorted((key, value) for (name, key), value in self.plain.values.items() if name == store and key.startswith(prefix))
        wanted = [(key, value) for key, value in entries if after is None or key > after][:limit]
        assert list(self.state.store(store).iterate(prefix, after=after, limit=limit)) == wanted

    @rule(space=STORES, key=KEYS, value=VALUES)
    def index(self, space: str, key: bytes, value: bytes) -> None:
        known = self.plain.index.get((space, key))
        assert self.state.index_get(space, key) == known
        assert self.state.index_get_many(space, [key, b"never", key]) == [known, None, known]
        if known is None:
            self.state.index_put_many(space, (key,), (value,))
            self.plain.index[space, key] = value

    @rule(middles=st.lists(st.binary(max_size=2), max_size=3))
    def append(self, middles: list[bytes]) -> None:
        first = self.state.log_append(LeafGroup(b"<", tuple(middles), b">"))
        assert first == len(self.logged) + len(self.plain.leaves)
        self.plain.leaves += [b"<" + middle + b">" for middle in middles]
        self.plain.told += [b"<" + middle + b">" for middle in middles]

    @rule(leaves=st.lists(st.binary(max_size=2), min_size=1, max_size=3))
    def append_hashed(self, leaves: list[bytes]) -> None:
        self.state.log_extend_hashed(LeafHashes(merkle.hash_leaves(leaves)))
        self.plain.leaves += leaves

    @rule(name=st.sampled_from(("came", "went")))
    def emit(self, name: str) -> None:
        self.state.emit(event(name))
        self.plain.events.append(event(name))

    @rule()
    def take_events(self) -> None:
        assert self.state.take_events() == tuple(self.plain.events)
        self.plain.events = []
        self.checkpoint()  # as the engine does

    @rule()
    def checkpoint(self) -> None:
        self.state.checkpoint()
        self.saved = deepcopy(self.plain)
        self.marks = []

    @rule()
    def mark(self) -> None:
        self.marks.append((self.state.mark(), deepcopy(self.plain)))

    @precondition(lambda self: self.marks)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.marks) - 1))
        mark, plain = self.marks[place]
        self.state.undo_to(mark)
        self.plain = deepcopy(plain)
        del self.marks[place + 1 :]

    @rule()
    def rollback(self) -> None:
        self.state.rollback()
        self.marks = []
        self.plain = deepcopy(self.saved)
        self.plain.events = []  # events end with their transaction, whatever comes of it

    @rule()
    def next_block(self) -> None:
        for store, entries in self.state.writes().items():
            for key, value in entries:
                if value is None:
                    self.reader.values.pop((store, key), None)
                else:
                    self.reader.values[store, key] = value
        self.reader.index |= flat(self.state.index_writes())
        self.log = self.state.log_growth()[0]
        self.logged += self.plain.leaves
        assert self.reader.values == self.plain.values and self.reader.index == self.plain.index
        assert (self.log.size, self.log.root) == (len(self.logged), merkle.root(self.logged))
        self.plain = Plain(values=self.plain.values, index=self.plain.index)
        self.state = State(self.reader, self.log)
        self.saved = deepcopy(self.plain)
        self.marks = []

    @invariant()
    def the_writes_are_those_of_the_block(self) -> None:
        writes = self.state.writes()
        wanted = sorted((store, key, self.plain.values.get((store, key))) for store, key in self.plain.touched)
        assert [(store, key, value) for store in sorted(writes) for key, value in writes[store]] == wanted

    @invariant()
    def the_log_is_as_long_as_its_leaves(self) -> None:
        assert self.state.log_size == len(self.logged) + len(self.plain.leaves)
        assert self.state.log_growth()[0].size == self.state.log_size
        assert [leaf for group in self.state.log_groups() for leaf in group.leaves()] == self.plain.told


TestAnyUse = AnyUse.TestCase


def test_a_value_is_read_from_below_once() -> None:
    reader = DictReader({("roles", b"k"): b"v"})
    state = State(reader)
    for _ in range(3):
        assert state.store("roles").get(b"k") == b"v" and state.store("roles").get(b"none") is None
    assert reader.asked == 2


def test_stores_do_not_see_each_other() -> None:
    state = State(DictReader({("roles", b"k"): b"v"}))
    state.store("goods").put(b"k", b"w")
    assert state.store("roles").get(b"k") == b"v" and state.store("goods").get(b"k") == b"w"
    state.store("roles").put(b"other", b"x")
    assert state.store("goods").iterate(b"", limit=9) == ((b"k", b"w"),)


def test_entries_come_behind_the_key_that_is_named() -> None:
    state = State(DictReader({("roles", b"b"): b"below"}))
    for key in (b"a", b"c", b"d"):
        state.store("roles").put(key, b"own")
    behind = {after: [key for key, _ in state.store("roles").iterate(b"", after=after, limit=9)] for after in (b"", b"a", b"b", b"c", b"d")}
    assert behind == {b"": [b"a", b"b", b"c", b"d"], b"a": [b"b", b"c", b"d"], b"b": [b"c", b"d"], b"c": [b"d"], b"d": []}


def test_what_was_undone_is_not_undone_again() -> None:
    state = State(DictReader({("roles", b"k"): b"below"}))
    store = state.store("roles")
    store.put(b"k", b"kept")
    state.checkpoint()
    for value in (b"first", b"second"):
        store.put(b"k", value)
        state.index_put("seen", b"i", b"1")
        state.log_append(LeafGroup(b"", (b"leaf",), b""))
        state.emit(event("came"))
        state.rollback()
        state.rollback()
        assert (store.get(b"k"), state.index_get("seen", b"i"), state.log_size, state.take_events()) == (b"kept", None, 0, ())


def test_a_part_of_a_transaction_is_undone_and_the_rest_kept() -> None:
    state = State(DictReader({("roles", b"k"): b"below"}))
    store = state.store("roles")
    store.put(b"k", b"before")
    state.index_put("seen", b"before", b"1")
    state.log_append(LeafGroup(b"", (b"before",), b""))
    state.emit(event("before"))
    outer = state.mark()
    store.put(b"k", b"between")
    inner = state.mark()
    for mark, left in ((inner, b"between"), (outer, b"before"), (outer, b"before")):
        store.delete(b"k")
        store.put(b"new", b"v")
        state.index_put("seen", b"behind", b"1")
        state.log_append(LeafGroup(b"", (b"a", b"b"), b""))
        assert state.log_growth()[0].size == 3
        state.emit(event("behind"))
        state.undo_to(mark)
        assert (store.get(b"k"), store.get(b"new")) == (left, None)
        assert (state.index_get("seen", b"before"), state.index_get("seen", b"behind")) == (b"1", None)
        assert (state.log_size, state.log_growth()[0].size) == (1, 1)
    assert state.take_events() == (event("before"),)
    state.rollback()
    assert (store.get(b"k"), state.log_size) == (b"below", 0)


def test_a_mark_ends_with_its_transaction() -> None:
    state = State(DictReader())
    state.store("roles").put(b"k", b"v")
    mark = state.mark()
    state.checkpoint()
    with pytest.raises(AssertionError):
        state.undo_to(mark)


def test_deletions_do_not_use_up_the_limit() -> None:
    reader = DictReader({("roles", bytes([number])): b"v" for number in range(10)})
    state = State(reader)
    for number in range(5):
        state.store("roles").delete(bytes([number]))
    assert state.store("roles").iterate(b"", limit=3) == tuple((bytes([number]), b"v") for number in (5, 6, 7))


@pytest.mark.parametrize(
    "key, value, fits",
    [
        (b"", b"v", False),
        (b"k", b"", False),  # an empty value could not be told from none
        (b"k", b"v", True),
        (b"k" * STATE_KEY_BYTES_MAX, b"v" * STATE_VALUE_BYTES_MAX, True),
        (b"k" * (STATE_KEY_BYTES_MAX + 1), b"v", False),
        (b"k", b"v" * (STATE_VALUE_BYTES_MAX + 1), False),
    ],
    ids=["no key", "no value", "shortest", "longest", "key too long", "value too long"],
)
def test_keys_and_values_have_limits(key: bytes, value: bytes, fits: bool) -> None:
    state = State(DictReader())
    if fits:
        state.store("roles").put(key, value)
        assert state.store("roles").get(key) == value
        return
    with pytest.raises(AssertionError):
        state.store("roles").put(key, value)
    assert state.writes() == {}


def test_groups_are_taken_once_and_hashes_never() -> None:
    state = State(DictReader())
    one, two = LeafGroup(b"", (b"one",), b""), LeafGroup(b"", (b"two", b"three"), b"")
    assert not state.has_new_records and state.take_groups() == ()
    state.log_append(one)
    assert state.has_new_records and state.take_groups() == (one,) and state.take_groups() == ()
    state.log_extend_hashed(LeafHashes(merkle.leaf_hash(b"hashed")))
    state.log_extend([two, one])
    assert state.take_groups() == (two, one) and state.log_groups() == (one, two, one)
    assert state.log_size == 5 and state.log_growth()[0].root == merkle.root([b"one", b"hashed", b"two", b"three", b"one"])


def test_an_index_key_is_set_once() -> None:
    state = State(DictReader())
    state.index_put("seen", b"k", b"v")
    with pytest.raises(AssertionError):
        state.index_put("seen", b"k", b"w")
    with pytest.raises(AssertionError):
        state.index_put("seen", b"empty", b"")
    assert state.index_writes() == {"seen": {b"k": b"v"}}


class AllWrites(dict):
    """Writes that nobody goes through."""

    def items(self):
        raise AssertionError("each update of a light client would go through all that a full block has written")


def test_to_iterate_looks_at_the_writes_of_one_store_alone() -> None:
    state = State(DictReader())
    state.store("roles").put(b"ka", b"v")
    state.store("goods").put(b"kb", b"v")
    state.checkpoint()
    state.store("goods").put(b"kc", b"v")
    state.rollback()
    state._writes = AllWrites(state._writes)
    assert state.store("goods").iterate(b"k", limit=9) == ((b"kb", b"v"),)


class Watched(bytes):
    """A key that tells when somebody looks at how it begins."""

    seen: list[bytes] = []

    def startswith(self, *prefix):
        self.seen.append(self)
        return super().startswith(*prefix)


@pytest.mark.parametrize("at_once", [1, 7, 1000])  # few new keys are put in their places, many sorted
def test_to_look_for_a_prefix_is_to_look_at_no_other_keys(at_once: int) -> None:
    """Each of thousands of updates of light clients in a block asks for the heights of its own client."""
    Watched.seen.clear()
    keys, count = _Keys(), 1000
    for number in range(count):
        keys.new += [Watched((number * 7 % count).to_bytes(2, "big") + bytes([last])) for last in (1, 0)]
        if number % at_once == 0 or number == count - 1:
            assert keys.beginning_with((number * 7 % count).to_bytes(2, "big"))[-2:][0][-1] == 0 and not keys.new
    assert len(Watched.seen) <= 3 * (count // at_once + 2)
    assert [keys.beginning_with(number.to_bytes(2, "big")) for number in (0, 500, 999)] == [
        [number.to_bytes(2, "big") + bytes([last]) for last in (0, 1)] for number in (0, 500, 999)
    ]
    assert keys.beginning_with(b"\xff") == [] and len(keys.beginning_with(b"")) == 2 * count
