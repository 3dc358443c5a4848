"""Values that were lately read or written are those of the store, whatever is read and written, and take bounded memory."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chainnode.storage.warm import WarmValues

PLACES = st.tuples(st.sampled_from(("goods", "roles")), st.sampled_from([b"a", b"b", b"c", b"d"]))
VALUES = st.none() | st.binary(min_size=1, max_size=900)


class AnyUse(RuleBasedStateMachine):
    """A store with what was lately read of it beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[tuple[str, bytes], bytes] = {}
        self.warm = WarmValues(lambda store, key: self.values.get((store, key)), bytes_max=4000)

    @rule(place=PLACES)
    def read(self, place: tuple[str, bytes]) -> None:
        assert self.warm.get(*place) == self.values.get(place)

    @rule(writes=st.dictionaries(PLACES, VALUES, max_size=4))
    def commit(self, writes: dict[tuple[str, bytes], bytes | None]) -> None:
        stores: dict[str, list[tuple[bytes, bytes | None]]] = {}
        for (store, key), value in sorted(writes.items(), key=lambda item: item[0]):
            stores.setdefault(store, []).append((key, value))
            if value is None:
                self.values.pop((store, key), None)
            else:
                self.values[store, key] = value
        self.warm.committed(stores)

    @rule(place=PLACES, value=st.binary(min_size=1, max_size=9))
    def be_uncertain(self, place: tuple[str, bytes], value: bytes) -> None:
        self.values[place] = value
        self.warm.forget()

    @invariant()
    def bounded(self) -> None:
        kept = [*self.warm._newer.items(), *self.warm._older.items()]
        assert sum(300 + len(key) + len(value or b"") for (_, key), value in kept) <= 4000 + 2 * 1300


TestAnyUse = AnyUse.TestCase


def test_the_least_recent_are_forgotten_and_all_after_a_doubt() -> None:
    asked: list[bytes] = []
    warm = WarmValues(lambda store, key: asked.append(key), bytes_max=20 * 400)
    keys = [b"%d" % number for number in range(100)]
    for key in keys:
        warm.get("goods", key)
        warm.get("goods", b"0")  # in use
    assert asked == keys
    warm.get("goods", keys[-1])
    warm.get("goods", keys[50])
    assert asked == [*keys, keys[50]]
    warm.forget()
    warm.get("goods", b"0")
    assert asked[-1] == b"0"


def test_what_was_read_or_written_is_not_asked_of_the_store_again() -> None:
    asked: list[bytes] = []

    def read(store: str, key: bytes) -> bytes | None:
        asked.append(key)
        return None

    warm = WarmValues(read)
    warm.committed({"goods": ((b"written", b"1"), (b"gone", None))})
    assert [warm.get("goods", key) for key in (b"read", b"read", b"written", b"gone")] == [None, None, b"1", None]
    assert asked == [b"read"]
