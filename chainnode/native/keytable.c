/* Tables of keys that are set once. Keys and values lie packed, in the order in which they were set; slots say where. A slot is found by a
 * hash whose salt the process draws, since keys come from strangers. Who adds or looks keeps the interpreter's lock, 0.03 us a key, so that
 * nobody sees half of it. The plain twin is in keytable.py. */
#include "keytable.h"

#include <stdlib.h>
#include <string.h>

#include "runsort.h"

enum { TOGETHER = 32, KEYS_FIRST = 32, VALUE_MAX = 1024, HALVES = 8 };
#define KEYS_MAX ((size_t)1 << 30)

/* A slot: the hash of the key above, one more than its position below; 0 when nothing is there. */
typedef struct {
    PyObject_HEAD
    size_t value_bytes, count, room;
    uint8_t *keys, *values; /* room for `room` of each */
    uint64_t *slots;
    int bits; /* there are 2 ** bits slots, those of the highest bits of hashes; at most 5 of 8 are taken */
} key_table;

static uint64_t salt[HALVES + 1];
static int is_salted;

/* 32 bits. Two keys have the same with a chance of 2 ** -32 whatever they are (Thorup, pair-multiply-shift), and the product after it tells
 * those apart whose sums lie in a row. */
static uint32_t hash_of(const uint8_t *key) {
    uint32_t half[HALVES];
    memcpy(half, key, sizeof half);
    uint64_t sum = salt[HALVES];
    for (int i = 0; i < HALVES; i += 2) sum += (salt[i] + half[i + 1]) * (salt[i + 1] + half[i]);
    return (uint32_t)(((sum ^ sum >> 32) * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static size_t home_of(uint32_t hash, int bits) {
    return (size_t)(hash >> (32 - bits));
}

static size_t slots_count(const key_table *table) {
    return table->slots == NULL ? 0 : (size_t)1 << table->bits;
}

/* The slot of a key; the first free one behind its home when it is not there. */
static size_t slot_of(const key_table *table, const uint8_t *key, uint32_t hash) {
    size_t mask = slots_count(table) - 1, at = home_of(hash, table->bits);
    for (uint64_t slot; (slot = table->slots[at]) != 0; at = (at + 1) & mask)
        if (slot >> 32 == hash && memcmp(table->keys + ((uint32_t)slot - 1) * (size_t)KEY, key, KEY) == 0) break;
    return at;
}

/* Put what the table has into other slots, which are empty. */
static void place_all(key_table *table, uint64_t *slots, int bits) {
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < slots_count(table); i++) {
        if (table->slots[i] == 0) continue;
        size_t at = home_of((uint32_t)(table->slots[i] >> 32), bits);
        while (slots[at] != 0) at = (at + 1) & mask;
        slots[at] = table->slots[i];
    }
    free(table->slots);
    table->slots = slots;
    table->bits = bits;
}

static size_t keys_in(int bits) {
    return (((size_t)1 << bits) >> 3) * 5;
}

/* Room for so many keys. 0 with an exception set, and the table as it was. */
static int make_room(key_table *table, size_t count) {
    if (count > KEYS_MAX) {
        PyErr_SetString(PyExc_OverflowError, "a table holds 2 ** 30 keys");
        return 0;
    }
    if (count > table->room) {
        size_t room = 2 * table->room;
        if (room < count) room = count < KEYS_FIRST ? KEYS_FIRST : count;
        uint8_t *keys = realloc(table->keys, room * KEY), *values = NULL;
        if (keys != NULL) {
            table->keys = keys;
            values = realloc(table->values, room * table->value_bytes);
        }
        if (values == NULL) {
            PyErr_NoMemory();
            return 0;
        }
        table->values = values;
        table->room = room;
    }
    int bits = table->bits;
    while (count > keys_in(bits)) bits++;
    if (table->slots != NULL && bits == table->bits) return 1;
    uint64_t *slots = calloc((size_t)1 << bits, sizeof *slots);
    if (slots != NULL) place_all(table, slots, bits);
    else PyErr_NoMemory();
    return slots != NULL;
}

/* Take the newest keys out, down to `count`. What lies behind a slot that becomes free moves up, unless it is at home there. */
static void cut_to(key_table *table, size_t count) {
    size_t mask = slots_count(table) - 1;
    while (table->count > count) {
        const uint8_t *key = table->keys + --table->count * KEY;
        size_t gap = slot_of(table, key, hash_of(key)), at = gap;
        for (uint64_t slot; (slot = table->slots[at = (at + 1) & mask]) != 0;) {
            size_t home = home_of((uint32_t)(slot >> 32), table->bits);
            if (((at - home) & mask) < ((at - gap) & mask)) continue;
            table->slots[gap] = slot;
            gap = at;
        }
        table->slots[gap] = 0;
    }
}

/* A column of items of `width` bytes: packed already, or a list of them, which is packed into memory of ours. */
typedef struct {
    const uint8_t *at;
    size_t count;
    uint8_t *ours;
} column;

/* 0 with an exception set. */
static int read_column(PyObject *given, size_t width, column *out) {
    Py_ssize_t size;
    char *bytes;
    *out = (column){NULL, 0, NULL};
    if (PyBytes_Check(given)) {
        if (PyBytes_AsStringAndSize(given, &bytes, &size) < 0) return 0;
        if ((size_t)size % width != 0) goto wrong;
        *out = (column){(const uint8_t *)bytes, (size_t)size / width, NULL};
        return 1;
    }
    PyObject *items = PySequence_Tuple(given);
    if (items == NULL) return 0;
    out->count = (size_t)PyTuple_Size(items);
    out->at = out->ours = malloc(out->count * width + 1);
    if (out->ours == NULL) PyErr_NoMemory();
    for (size_t i = 0; out->ours != NULL && i < out->count; i++) {
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(items, (Py_ssize_t)i), &bytes, &size) == 0 && (size_t)size == width) {
            memcpy(out->ours + i * width, bytes, width);
            continue;
        }
        free(out->ours);
        out->ours = NULL;
    }
    Py_DECREF(items);
    if (out->ours != NULL) return 1;
    if (PyErr_Occurred()) return 0;
wrong:
    PyErr_SetString(PyExc_ValueError, "keys have 32 bytes, values those of the table");
    return 0;
}

/* The hashes of some keys; their homes are on their way here meanwhile. */
static void hash_some(const key_table *table, const uint8_t *keys, size_t count, uint32_t *hashes) {
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_of(keys + i * KEY);
        __builtin_prefetch(&table->slots[home_of(hashes[i], table->bits)]);
    }
}

/* Set all, or none: whether none was there. */
static int add_all(key_table *table, const column *keys, const column *values) {
    size_t before = table->count;
    uint32_t hashes[TOGETHER];
    memcpy(table->keys + before * KEY, keys->at, keys->count * KEY);
    memcpy(table->values + before * table->value_bytes, values->at, keys->count * table->value_bytes);
    for (size_t i = 0; i < keys->count; i++) {
        if (i % TOGETHER == 0) hash_some(table, keys->at + i * KEY, keys->count - i < TOGETHER ? keys->count - i : TOGETHER, hashes);
        size_t at = slot_of(table, keys->at + i * KEY, hashes[i % TOGETHER]);
        if (table->slots[at] != 0) {
            cut_to(table, before);
            return 0;
        }
        table->slots[at] = (uint64_t)hashes[i % TOGETHER] << 32 | (uint64_t)++table->count;
    }
    return 1;
}

static PyObject *table_add(PyObject *self, PyObject *args) {
    key_table *table = (key_table *)self;
    PyObject *given_keys, *given_values, *result = NULL;
    column keys, values;
    if (!PyArg_ParseTuple(args, "OO:add", &given_keys, &given_values)) return NULL;
    if (!read_column(given_keys, KEY, &keys)) return NULL;
    if (read_column(given_values, table->value_bytes, &values)) {
        if (keys.count != values.count) PyErr_SetString(PyExc_ValueError, "a value goes with each key");
        else if (keys.count == 0) result = Py_NewRef(Py_True);
        else if (make_room(table, table->count + keys.count)) result = PyBool_FromLong(add_all(table, &keys, &values));
        free(values.ours);
    }
    free(keys.ours);
    return result;
}

static PyObject *table_get(PyObject *self, PyObject *key) {
    const key_table *table = (const key_table *)self;
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(key, &bytes, &size) < 0) return NULL;
    if (size != KEY || table->count == 0) Py_RETURN_NONE;
    uint64_t slot = table->slots[slot_of(table, (uint8_t *)bytes, hash_of((uint8_t *)bytes))];
    if (slot == 0) Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((char *)table->values + ((uint32_t)slot - 1) * table->value_bytes, (Py_ssize_t)table->value_bytes);
}

/* The positions of those that are set, as a list. */
static PyObject *known_of(const key_table *table, const column *keys) {
    uint32_t hashes[TOGETHER];
    PyObject *found = PyList_New(0);
    if (table->count == 0) return found;
    for (size_t i = 0; found != NULL && i < keys->count; i++) {
        if (i % TOGETHER == 0) hash_some(table, keys->at + i * KEY, keys->count - i < TOGETHER ? keys->count - i : TOGETHER, hashes);
        if (table->slots[slot_of(table, keys->at + i * KEY, hashes[i % TOGETHER])] == 0) continue;
        PyObject *position = PyLong_FromSize_t(i);
        if (position == NULL || PyList_Append(found, position) < 0) Py_CLEAR(found);
        Py_XDECREF(position);
    }
    return found;
}

static PyObject *table_known(PyObject *self, PyObject *given) {
    column keys;
    if (!read_column(given, KEY, &keys)) return NULL;
    PyObject *found = known_of((key_table *)self, &keys);
    free(keys.ours);
    return found;
}

static PyObject *table_keys(PyObject *self, PyObject *ignored) {
    const key_table *table = (const key_table *)self;
    (void)ignored;
    return PyBytes_FromStringAndSize((char *)table->keys, (Py_ssize_t)(table->count * KEY));
}

static PyObject *table_values(PyObject *self, PyObject *ignored) {
    const key_table *table = (const key_table *)self;
    (void)ignored;
    return PyBytes_FromStringAndSize((char *)table->values, (Py_ssize_t)(table->count * table->value_bytes));
}

static PyObject *table_cut(PyObject *self, PyObject *given) {
    Py_ssize_t count = PyLong_AsSsize_t(given);
    if (count == -1 && PyErr_Occurred()) return NULL;
    if (count < 0) {
        PyErr_SetString(PyExc_ValueError, "a table keeps no less than nothing");
        return NULL;
    }
    cut_to((key_table *)self, (size_t)count);
    Py_RETURN_NONE;
}

/* Keys with their values behind them, as they were set. */
static PyObject *table_entries(PyObject *self, PyObject *ignored) {
    const key_table *table = (const key_table *)self;
    size_t width = table->value_bytes;
    (void)ignored;
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(table->count * (KEY + width)));
    if (result == NULL) return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AsString(result);
    for (size_t i = 0; i < table->count; i++, out += KEY + width) {
        memcpy(out, table->keys + i * KEY, KEY);
        copy_short(out + KEY, table->values + i * width, width);
    }
    return result;
}

static PyObject *table_joined(PyObject *self, PyObject *ignored) {
    const key_table *table = (const key_table *)self;
    size_t keys_size = table->count * KEY, values_size = table->count * table->value_bytes;
    (void)ignored;
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(keys_size + values_size));
    if (result == NULL || table->count == 0) return result;
    uint8_t *out = (uint8_t *)PyBytes_AsString(result);
    memcpy(out, table->keys, keys_size);
    memcpy(out + keys_size, table->values, values_size);
    return result;
}

static PyObject *table_extend(PyObject *self, PyObject *given) {
    key_table *table = (key_table *)self;
    if (Py_TYPE(given) != Py_TYPE(self)) {
        PyErr_SetString(PyExc_TypeError, "a table is extended by another");
        return NULL;
    }
    const key_table *other = (const key_table *)given;
    column keys = {other->keys, other->count, NULL}, values = {other->values, other->count, NULL};
    if (other->value_bytes != table->value_bytes) {
        PyErr_SetString(PyExc_ValueError, "values of both tables have one length");
        return NULL;
    }
    if (keys.count == 0) Py_RETURN_TRUE;
    if (other == table) Py_RETURN_FALSE;
    return make_room(table, table->count + keys.count) ? PyBool_FromLong(add_all(table, &keys, &values)) : NULL;
}

static Py_ssize_t table_length(PyObject *self) {
    return (Py_ssize_t)((key_table *)self)->count;
}

static PyObject *table_value_bytes(PyObject *self, void *ignored) {
    (void)ignored;
    return PyLong_FromSize_t(((key_table *)self)->value_bytes);
}

static PyObject *table_new(PyTypeObject *type, PyObject *args, PyObject *named) {
    Py_ssize_t value_bytes;
    static char *names[] = {"value_bytes", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, named, "n:KeyTable", names, &value_bytes)) return NULL;
    if (value_bytes < 1 || value_bytes > VALUE_MAX) {
        PyErr_SetString(PyExc_ValueError, "a value has 1 to 1,024 bytes");
        return NULL;
    }
    key_table *made = (key_table *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (made == NULL) return NULL;
    made->value_bytes = (size_t)value_bytes;
    made->bits = 6;
    return (PyObject *)made;
}

static void table_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    key_table *table = (key_table *)self;
    free(table->keys);
    free(table->values);
    free(table->slots);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef METHODS[] = {
    {"add", table_add, METH_VARARGS, "add(keys, values) -> whether none of them was set; else nothing is added"},
    {"extend", table_extend, METH_O, "extend(table) -> whether none of its keys was set; else nothing is added"},
    {"get", table_get, METH_O, "get(key) -> its value, or None"},
    {"known", table_known, METH_O, "known(keys) -> the positions of those that are set"},
    {"keys", table_keys, METH_NOARGS, "keys() -> all, packed, in the order in which they were set"},
    {"values", table_values, METH_NOARGS, "values() -> those of the keys, packed"},
    {"joined", table_joined, METH_NOARGS, "joined() -> all keys, then all values"},
    {"cut", table_cut, METH_O, "cut(count) -> None: forget all but the first keys"},
    {"entries", table_entries, METH_NOARGS, "entries() -> keys with their values, in the order in which they were set"},
    {NULL, NULL, 0, NULL},
};

/* 32 random bits for each part of the salt, twice. -1 with an exception set. */
static int draw_salt(void) {
    if (is_salted) return 0; /* tables of another interpreter in this process may be filled by it */
    PyObject *os = PyImport_ImportModule("os");
    PyObject *drawn = os == NULL ? NULL : PyObject_CallMethod(os, "urandom", "n", (Py_ssize_t)sizeof salt);
    char *bytes;
    Py_ssize_t size;
    if (drawn != NULL && PyBytes_AsStringAndSize(drawn, &bytes, &size) == 0 && (size_t)size == sizeof salt) {
        memcpy(salt, bytes, sizeof salt);
        is_salted = 1;
    }
    Py_XDECREF(drawn);
    Py_XDECREF(os);
    return is_salted ? 0 : -1;
}

int add_key_table_type(PyObject *module) {
    static PyGetSetDef members[] = {{"value_bytes", table_value_bytes, NULL, "bytes of a value", NULL}, {NULL, NULL, NULL, NULL, NULL}};
    static PyType_Slot slots[] = {
        {Py_tp_new, (void *)table_new},
        {Py_tp_dealloc, (void *)table_dealloc},
        {Py_tp_methods, METHODS},
        {Py_tp_getset, members},
        {Py_sq_length, (void *)table_length},
        {Py_tp_doc, (void *)"KeyTable(value_bytes): keys of 32 bytes, each set once to a value of fixed length."},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "chainnode.native._runs.KeyTable",
        .basicsize = sizeof(key_table),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    if (draw_salt() < 0) return -1;
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    int code = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return code;
}
