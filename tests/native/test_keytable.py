"""Tables of keys that are set once, in C and plain, against a dict; each rule of the table in C, bent, is noticed."""

import importlib
import os
import subprocess
import sys
from hashlib import sha256
from random import Random
from threading import Event, Thread

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chainnode.keytable import KeyTable, PlainKeyTable, packed, split
from tests.native.compiled import load_bent

try:
    native = importlib.import_module("chainnode.native._runs")
except ImportError:
    native = None
KINDS = [PlainKeyTable] if native is None else [PlainKeyTable, native.KeyTable]
needs_c = pytest.mark.skipif(native is None, reason="the C code was not built here, or CHAINNODE_NATIVE=0")
WIDTH = 12


@pytest.fixture(params=KINDS, ids=["plain", "C"][: len(KINDS)])
def kind(request):
    """A kind of table."""
    return request.param


def key_of(number):
    """Authors choose keys: some begin alike, some end alike."""
    return [sha256(b"%d" % number).digest(), number.to_bytes(32, "big"), number.to_bytes(8, "little") + bytes(24)][number % 3]


def keys_of(numbers):
    return [key_of(number) for number in numbers]


def values_of(numbers):
    return [b"%012d" % number for number in numbers]


def filled(kind, count):
    table = kind(WIDTH)
    assert table.add(keys_of(range(count)), values_of(range(count)))
    return table


def test_what_was_set_is_there_in_its_order(kind):
    table = kind(WIDTH)
    assert len(table) == 0 and table.known([]) == table.known(b"") == [] and table.known(keys_of(range(3))) == []
    assert packed(table.keys()) == packed(table.values()) == table.entries() == b"" and table.get(key_of(1)) is None
    assert table.add([], []) and table.add(b"", b"") and len(table) == 0
    for begin, end in ((0, 1), (1, 40), (40, 400), (400, 3_000), (3_000, 3_001)):
        keys, values = keys_of(range(begin, end)), values_of(range(begin, end))
        assert table.add(b"".join(keys), values) if begin % 2 else table.add(keys, b"".join(values))
    assert len(table) == 3_001 and table.value_bytes == WIDTH
    assert list(split(table.keys())) == keys_of(range(3_001)) and list(split(table.values(), WIDTH)) == values_of(range(3_001))
    asked = keys_of(range(2_990, 3_010))
    assert table.known(asked) == table.known(tuple(asked)) == table.known(b"".join(asked)) == list(range(11))
    assert [table.get(key) for key in asked] == [*values_of(range(2_990, 3_001)), *[None] * 9]
    assert table.get(b"") is table.get(bytes(31)) is table.get(key_of(1) + b"x") is None
    assert table.entries() == b"".join(key_of(number) + b"%012d" % number for number in range(3_001))


class Untouched(dict):
    """A dict that nobody adds to."""

    def setdefault(self, key, default=None):
        """Fail."""
        raise AssertionError("who looks on would see it")


def test_a_table_that_is_not_extended_does_not_show_what_it_refuses():
    table, other = filled(PlainKeyTable, 3), PlainKeyTable(WIDTH)
    assert other.add(keys_of([7, 2]), values_of([7, 2]))
    table._pieces = Untouched(table._pieces)
    assert not table.extend(other) and len(table) == 3


def test_what_becomes_of_a_list_later_is_nothing_to_the_table(kind):
    table, keys, values = filled(kind, 3), keys_of(range(3, 9)), values_of(range(3, 9))
    assert table.add(keys, values)
    keys.reverse()
    values.clear()
    assert [table.get(key) for key in keys_of(range(10))] == [*values_of(range(9)), None]


def test_a_key_is_set_once_and_a_column_with_one_that_is_set_adds_nothing(kind):
    table = filled(kind, 100)
    for numbers in ([100, 7], [7, 100], [*range(100, 300), 99], [100, 101, 100], [*range(100, 200), 150]):
        assert not table.add(keys_of(numbers), values_of(range(1_000, 1_000 + len(numbers))))
        assert len(table) == 100 and table.known(keys_of(range(300))) == list(range(100))
        assert [table.get(key) for key in keys_of(range(100))] == values_of(range(100))
    assert table.add(keys_of(range(100, 300)), values_of(range(100, 300))) and len(table) == 300


def test_a_table_is_extended_by_another(kind):
    table, other, empty = filled(kind, 100), kind(WIDTH), kind(WIDTH)
    assert other.add(keys_of(range(100, 300)), values_of(range(100, 300))) and table.extend(other) and table.extend(empty)
    assert empty.extend(empty) and empty.joined() == b""
    assert len(table) == 300 and [table.get(key) for key in keys_of(range(301))] == [*values_of(range(300)), None]
    assert table.joined() == b"".join(keys_of(range(300)) + values_of(range(300))) and len(other) == 200
    assert other.cut(1) is None and other.add(keys_of([500]), values_of([500])) and not table.extend(other) and not table.extend(table)
    assert len(table) == 300 and table.get(key_of(500)) is None
    with pytest.raises(ValueError):
        table.extend(kind(WIDTH + 1))


@pytest.mark.parametrize("kept", [0, 1, 500, 999, 1_000, 5_000])
def test_the_newest_are_forgotten(kind, kept):
    table = filled(kind, 1_000)
    table.cut(kept)
    kept = min(kept, 1_000)
    assert len(table) == kept and table.known(keys_of(range(1_000))) == list(range(kept))
    assert table.add(keys_of(range(kept, 1_200)), values_of(range(kept, 1_200)))
    assert [table.get(key) for key in keys_of(range(1_200))] == values_of(range(1_200))


@pytest.mark.parametrize(
    "call",
    [
        lambda table: table.add([bytes(31)], [bytes(12)]),
        lambda table: table.add([bytes(33)], [bytes(12)]),
        lambda table: table.add([bytes(32)], [bytes(11)]),
        lambda table: table.add(bytes(31), bytes(12)),
        lambda table: table.add(bytes(32), bytes(13)),
        lambda table: table.add([bytes(31), bytes(33)], bytes(24)),
        lambda table: table.add(bytes(64), bytes(12)),
        lambda table: table.add(bytes(32), bytes(24)),
        lambda table: table.known(bytes(31)),
        lambda table: table.known([bytes(32), b""]),
        lambda table: table.cut(-1),
    ],
)
def test_what_has_another_length_is_refused(kind, call):
    table = filled(kind, 2)
    with pytest.raises(ValueError):
        call(table)
    assert len(table) == 2 and table.known(keys_of(range(3))) == [0, 1]


@pytest.mark.parametrize("value_bytes", [-1, 0, 1_025])
def test_a_value_has_some_bytes(kind, value_bytes):
    with pytest.raises(ValueError):
        kind(value_bytes)


def test_values_of_all_lengths_are_kept(kind):
    for width in (1, 7, 8, 1_024):
        table = kind(width)
        assert table.add(keys_of(range(50)), [bytes([number]) * width for number in range(50)])
        assert table.get(key_of(49)) == b"1" * width and table.entries()[32 : 32 + width] == table.get(table.entries()[:32])


@needs_c
@pytest.mark.parametrize(
    "call",
    [
        lambda table: table.add([7], [bytes(12)]),
        lambda table: table.add(7, []),
        lambda table: table.known(["text"]),
        lambda table: table.get("text"),
        lambda table: table.cut("text"),
        lambda table: table.extend(PlainKeyTable(WIDTH)),
        lambda table: table.extend({}),
        lambda table: native.KeyTable("text"),
        lambda table: native.KeyTable(),
    ],
)
def test_what_is_no_bytes_is_refused_in_c(call):
    table = filled(native.KeyTable, 2)
    with pytest.raises(TypeError):
        call(table)
    assert len(table) == 2


def test_who_looks_on_sees_all_of_a_column_or_nothing(kind):
    """A column is longer than the table was, so that it grows while others look."""
    columns = [(keys_of(range(end // 2, end)), values_of(range(end // 2, end))) for end in (2, 20, 200, 2_000, 20_000)]
    tables, over, wrong, looks = [kind(WIDTH)], Event(), [], [0]

    def look():
        while not over.is_set():
            table = tables[0]
            for keys, _ in columns:
                found = len(table.known(keys))
                if found not in (0, len(keys)):
                    wrong.append((len(keys), found))
            table.entries()
            looks[0] += 1

    reader = Thread(target=look)
    reader.start()
    try:
        while looks[0] < 3:
            for keys, values in columns:
                tables[0].add(keys, values)
            tables[0] = kind(WIDTH)  # `cut` promises nothing to who looks on
    finally:
        over.set()
        reader.join()
    assert not wrong


class Machine(RuleBasedStateMachine):
    """Columns added, refused and forgotten in any order, in both kinds of table."""

    @initialize()
    def start(self):
        self.tables, self.model = [kind(WIDTH) for kind in KINDS], {}

    @rule(first=st.integers(0, 400), count=st.integers(0, 120), is_packed=st.booleans())
    def add(self, first, count, is_packed):
        numbers = range(first, first + count)
        keys, values = keys_of(numbers), values_of(numbers)
        is_new = self.model.keys().isdisjoint(keys)
        for table in self.tables:
            assert table.add(b"".join(keys) if is_packed else keys, b"".join(values) if is_packed else values) is is_new
        if is_new:
            self.model |= dict(zip(keys, values, strict=True))

    @rule(count=st.integers(0, 300))
    def cut(self, count):
        for table in self.tables:
            table.cut(count)
        self.model = dict(list(self.model.items())[:count])

    @invariant()
    def all_is_there(self):
        if not hasattr(self, "model"):
            return
        asked = keys_of(range(530))
        for table in self.tables:
            assert len(table) == len(self.model)
            assert table.known(asked) == [position for position, key in enumerate(asked) if key in self.model]
            assert packed(table.keys()) == b"".join(self.model) and packed(table.values()) == b"".join(self.model.values())
            assert table.entries() == b"".join(key + value for key, value in self.model.items())


class TestMachine(Machine.TestCase):
    settings = settings(deadline=None, max_examples=25, stateful_step_count=20)


def test_the_environment_switches_c_off():
    code = "from chainnode.keytable import KeyTable, PlainKeyTable; print(KeyTable is PlainKeyTable)"
    for chosen, plainly in (("0", "True"), ("1", str(native is None and KeyTable is PlainKeyTable))):
        if chosen == "1" and native is None:
            continue
        environment = {**os.environ, "CHAINNODE_NATIVE": chosen}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60)
        assert ran.stdout.strip() == plainly


@needs_c
def test_the_salt_is_drawn_by_each_process():
    code = "import os; real, asked = os.urandom, []; os.urandom = lambda n: asked.append(n) or real(n); "
    code += "import chainnode.native._runs; print(asked)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[72]"


def agrees(kind):
    """Whether a table does what the plain one does, in a row of calls that uses each of its rules."""
    dice, table, plain, at = Random(5), kind(WIDTH), PlainKeyTable(WIDTH), 0
    for step in range(60):
        count = dice.choice([1, 2, 33, 70])
        numbers = [*range(at, at + count)] if step % 4 else [*range(at, at + count - 1), max(0, at - 1)]
        column = keys_of(numbers), values_of(numbers)
        if table.add(*column) is not plain.add(*column):
            return False
        at = len(plain)
        if step % 7 == 6:
            at = dice.randrange(at)
            table.cut(at)
            plain.cut(at)
        asked = keys_of(range(at + 40))
        if len(table) != len(plain) or table.known(asked) != plain.known(asked):
            return False
        if [table.get(key) for key in asked] != [plain.get(key) for key in asked]:
            return False
    for _ in range(3_000):  # tables that have just grown: in a few of them what was set last lies in front of what was set first
        table_of_many, keys = kind(1), dice.randbytes(641 * 32)
        table_of_many.add(keys[: 639 * 32], bytes(639))
        table_of_many.add(keys[639 * 32 :], bytes(2))
        table_of_many.cut(320)
        if len(table_of_many.known(keys)) != 320:
            return False
    return table.entries() == plain.entries() and table.keys() == packed(plain.keys()) and table.values() == packed(plain.values())


BENT = {
    "the whole key counts": ("key, KEY) == 0) break;", "key, KEY) == 0 || slot % 16 == 0) break;"),
    "the hash of the slot counts": ("if (slot >> 32 == hash && memcmp", "if (slot >> 32 == hash + 1 && memcmp"),
    "the next slot": ("slot = table->slots[at]) != 0; at = (at + 1) & mask)", "slot = table->slots[at]) != 0; at = (at + 3) & mask)"),
    "all slots move": ("i < slots_count(table); i++) {\n        if", "i < slots_count(table) / 2; i++) {\n        if"),
    "each into a free one": ("while (slots[at] != 0) at = (at + 1) & mask;", ""),
    "to its new home": ("home_of((uint32_t)(table->slots[i] >> 32), bits);\n        while", "i;\n        while"),
    "what lies behind moves up": ("            table->slots[gap] = slot;\n            gap = at;\n", ""),
    "but not past its home": ("if (((at - home) & mask) < ((at - gap) & mask)) continue;", ""),
    "none is added of a column with a known key": ("            cut_to(table, before);\n            return 0;", "            return 0;"),
    "a known key is refused": ("        if (table->slots[at] != 0) {\n            cut_to", "        if (0) {\n            cut_to"),
}


@needs_c
@pytest.mark.parametrize("name", BENT)
def test_a_bent_rule_is_noticed(objects, name):
    find, replace = BENT[name]
    assert not agrees(load_bent(objects, "keytable.c", find, replace, name="_runs").KeyTable)


def keeps_no_reference(kind):
    """Whether keys are as little in use as before, after calls that succeed and that fail."""
    table, keys = filled(kind, 3), keys_of(range(40))
    before = [sys.getrefcount(key) for key in keys]
    for _ in range(20):
        assert table.known(keys) == [0, 1, 2] and not table.add(keys, values_of(range(40))) and table.get(keys[5]) is None
        for last in (b"", "text"):
            with pytest.raises((ValueError, TypeError)):
                table.known([*keys, last])
    return [sys.getrefcount(key) for key in keys] == before


@needs_c
def test_a_reference_that_is_kept_is_noticed(objects):
    assert not keeps_no_reference(load_bent(objects, "keytable.c", "    Py_DECREF(items);\n", "", name="_runs").KeyTable)


@needs_c
def test_every_check_passes_as_the_rules_are():
    assert agrees(native.KeyTable) and keeps_no_reference(native.KeyTable)
