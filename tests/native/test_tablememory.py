"""A table of keys in C for which there is no memory says so, and stays as it was."""

import importlib

import pytest

from chainnode.keytable import packed
from tests.native.compiled import load_bent
from tests.native.test_keytable import WIDTH, filled, keys_of, values_of

try:
    native = importlib.import_module("chainnode.native._runs")
except ImportError:
    native = None
needs_c = pytest.mark.skipif(native is None, reason="the C code was not built here, or CHAINNODE_NATIVE=0")

ADDED = {
    "keys": ("uint8_t *keys = realloc(table->keys, room * KEY)", "uint8_t *keys = count > 50 ? NULL : realloc(table->keys, room * KEY)"),
    "values": ("values = realloc(table->values, room", "values = count > 50 ? NULL : realloc(table->values, room"),
    "slots": ("uint64_t *slots = calloc(", "uint64_t *slots = count > 50 ? NULL : calloc("),
    "a list of keys": ("out->ours = malloc(out->count * width + 1)", "out->ours = out->count > 50 ? NULL : malloc(out->count * width + 1)"),
    "a list of values": ("out->ours = malloc(", "out->ours = out->count > 50 && width == 12 ? NULL : malloc("),
}


@needs_c
@pytest.mark.parametrize("name", ADDED)
def test_a_table_without_memory_for_more_stays_as_it_was(objects, name):
    find, replace = ADDED[name]
    kind = load_bent(objects, "keytable.c", find, replace, name="_runs").KeyTable
    table, other = filled(kind, 40), kind(WIDTH)
    for _ in range(3):
        with pytest.raises(MemoryError):
            table.add(keys_of(range(40, 400)), values_of(range(40, 400)))
        assert len(table) == 40 and table.known(packed(keys_of(range(400)))) == list(range(40))
        assert table.keys() == packed(keys_of(range(40))) and table.values() == packed(values_of(range(40)))
    assert table.add(packed(keys_of([41])), packed(values_of([41]))) and table.get(keys_of([41])[0]) == values_of([41])[0]
    assert other.extend(table) and other.joined() == table.joined()
    table.cut(3)
    assert table.known(packed(keys_of(range(400)))) == [0, 1, 2]


ASKED = {
    "keys that are looked up": ("out->ours = malloc(", "out->ours = 1 ? NULL : malloc(", lambda table: table.known(keys_of(range(9)))),
}


@needs_c
@pytest.mark.parametrize("name", ASKED)
def test_a_table_without_memory_for_an_answer_says_so(objects, name):
    find, replace, call = ASKED[name]
    table = load_bent(objects, "keytable.c", find, replace, name="_runs").KeyTable(WIDTH)
    assert table.add(packed(keys_of(range(30))), packed(values_of(range(30))))
    for _ in range(3):
        with pytest.raises(MemoryError):
            call(table)
    assert table.known(packed(keys_of(range(40)))) == list(range(30))


@needs_c
def test_merging_without_memory_says_so(objects):
    runs = load_bent(objects, "runs.c", "entry *entries = malloc(", "entry *entries = 1 ? NULL : malloc(", name="_runs")
    for _ in range(3):
        with pytest.raises(MemoryError):
            runs.merge([bytes(48)], 48)
