/* The Python module `chainnode.native._runs`: merges entries of the index, without the interpreter's lock, and asks their filters. The plain
 * twins are in storage/indexmerge.py and storage/runfilter.py; those of its other files in keytable.py and storage/runblocks.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "keytable.h"
#include "runblocks.h"
#include "runsort.h"

enum { SALT = 32, BLOCK = 64, BITS = 6, IN_BLOCK = BLOCK * 8 - 1, AHEAD = 16, TOGETHER = 32 };

/* The entries, ascending, behind each other; of equal keys the one in front. `entries` has room for sorting, too. NULL with an exception
 * set. */
static PyObject *sorted(entry *entries, size_t count, size_t width) {
    Py_BEGIN_ALLOW_THREADS
    count = sort_entries(entries, count, entries + count);
    Py_END_ALLOW_THREADS
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * width));
    if (result == NULL) return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AsString(result);
    Py_BEGIN_ALLOW_THREADS
    write_entries(entries, count, width, out);
    Py_END_ALLOW_THREADS
    return result;
}

static PyObject *py_merge(PyObject *self, PyObject *args) {
    PyObject *given, *result = NULL;
    Py_ssize_t width, size;
    size_t count = 0, at = 0;
    char *bytes;
    (void)self;
    if (!PyArg_ParseTuple(args, "On:merge", &given, &width)) return NULL;
    PyObject *pieces = PySequence_Tuple(given);
    if (pieces == NULL) return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_Size(pieces); i++) {
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(pieces, i), &bytes, &size) < 0) goto done;
        if (width <= KEY || size == 0 || size % width != 0) {
            PyErr_SetString(PyExc_ValueError, "a piece holds entries, each of a key of 32 bytes and a value");
            goto done;
        }
        count += (size_t)(size / width);
    }
    entry *entries = malloc(count * sizeof *entries + sorting_bytes(count));
    if (entries == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyTuple_Size(pieces); i++) {
        PyBytes_AsStringAndSize(PyTuple_GetItem(pieces, i), &bytes, &size);
        for (const uint8_t *key = (uint8_t *)bytes; key < (uint8_t *)bytes + size; key += width) entries[at++] = (entry){read64(key), key};
    }
    result = sorted(entries, count, (size_t)width);
    free(entries);
done:
    Py_DECREF(pieces);
    return result;
}

/* Bits 192 to 255 of key times salt, both big-endian, then mixed. Who does not know the salt cannot choose two keys with the same bits, but
 * keys whose bits differ in the upper half alone: unmixed, these would have the same pattern in blocks of all kinds. */
static uint64_t place_of(const uint8_t *key, const uint64_t *salt) {
    uint64_t sum[4] = {0};
    for (int i = 0; i < 4; i++) {
        uint64_t limb = read64(key + 8 * (3 - i)), carry = 0;
        for (int j = 0; i + j < 4; j++) {
            unsigned __int128 product = (unsigned __int128)limb * salt[j] + sum[i + j] + carry;
            sum[i + j] = (uint64_t)product;
            carry = (uint64_t)(product >> 64);
        }
    }
    uint64_t mixed = (sum[3] ^ sum[3] >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ mixed >> 32;
}

static void read_salt(const uint8_t *bytes, uint64_t *salt) {
    for (int i = 0; i < 4; i++) salt[i] = read64(bytes + 8 * (3 - i));
}

static size_t block_of(uint64_t place, size_t filter_size) {
    return (size_t)((place >> 32) * (filter_size / BLOCK) >> 32) * BLOCK;
}

static int is_filter(Py_ssize_t size, Py_ssize_t salt_size) {
    if (size > 0 && size % BLOCK == 0 && salt_size == SALT) return 1;
    PyErr_SetString(PyExc_ValueError, "a filter has blocks of 64 bytes, and a salt of 32");
    return 0;
}

static PyObject *py_filter_add(PyObject *self, PyObject *args) {
    PyObject *array;
    const uint8_t *salt_bytes, *entries;
    Py_ssize_t salt_size, entries_size, width;
    uint64_t salt[4];
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy#y#n:filter_add", &array, &salt_bytes, &salt_size, &entries, &entries_size, &width)) return NULL;
    Py_ssize_t size = PyByteArray_Check(array) ? PyByteArray_Size(array) : 0;
    if (!is_filter(size, salt_size)) return NULL;
    if (width < KEY || entries_size % width != 0) {
        PyErr_SetString(PyExc_ValueError, "an entry begins with a key of 32 bytes");
        return NULL;
    }
    uint8_t *bits = (uint8_t *)PyByteArray_AsString(array);
    read_salt(salt_bytes, salt);
    for (Py_ssize_t at = 0; at < entries_size;) {
        uint64_t places[TOGETHER];
        int count = 0;
        for (; count < TOGETHER && at < entries_size; count++, at += width) {
            places[count] = place_of(entries + at, salt);
            __builtin_prefetch(bits + block_of(places[count], (size_t)size), 1); /* waiting for memory is what it costs */
        }
        for (int k = 0; k < count; k++) {
            uint64_t bit = places[k], step = bit >> 9 | 1;
            uint8_t *block = bits + block_of(bit, (size_t)size);
            for (int i = 0; i < BITS; i++, bit += step) block[(bit & IN_BLOCK) >> 3] |= (uint8_t)(1 << (bit & 7));
        }
    }
    Py_RETURN_NONE;
}

static int is_known(const uint8_t *bits, size_t size, uint64_t place) {
    const uint8_t *block = bits + block_of(place, size);
    uint64_t bit = place, step = place >> 9 | 1;
    for (int i = 0; i < BITS; i++, bit += step)
        if (!(block[(bit & IN_BLOCK) >> 3] >> (bit & 7) & 1)) return 0;
    return 1;
}

/* The positions of the keys that one filter may hold, as a list. */
static PyObject *known_to(const uint8_t *bits, size_t size, const uint64_t *places, const Py_ssize_t *positions, Py_ssize_t count) {
    PyObject *found = PyList_New(0);
    for (Py_ssize_t i = 0; found != NULL && i < count; i++) {
        if (i + AHEAD < count) __builtin_prefetch(bits + block_of(places[i + AHEAD], size)); /* waiting for memory is what it costs */
        if (!is_known(bits, size, places[i])) continue;
        PyObject *position = PyLong_FromSsize_t(positions[i]);
        if (position == NULL || PyList_Append(found, position) < 0) Py_CLEAR(found);
        Py_XDECREF(position);
    }
    return found;
}

/* The places of keys, packed or in a list, and their positions: those of another length, which no filter holds, have none. How many; -1 with
 * an exception set. */
static Py_ssize_t read_places(PyObject *given, const uint64_t *salt, uint64_t **places, Py_ssize_t **positions) {
    PyObject *keys = PyBytes_Check(given) ? Py_NewRef(given) : PySequence_Tuple(given);
    Py_ssize_t size, count = 0;
    char *bytes;
    if (keys == NULL) return -1;
    int is_packed = PyBytes_Check(given);
    Py_ssize_t asked = is_packed ? PyBytes_Size(keys) / KEY : PyTuple_Size(keys);
    *places = malloc((size_t)(asked + 1) * (sizeof **places + sizeof **positions));
    if (*places == NULL) {
        PyErr_NoMemory();
        count = -1;
    } else {
        *positions = (Py_ssize_t *)(*places + asked + 1);
    }
    for (Py_ssize_t i = 0; count >= 0 && i < asked; i++) {
        if (is_packed) {
            bytes = PyBytes_AsString(keys) + i * KEY;
        } else if (PyBytes_AsStringAndSize(PyTuple_GetItem(keys, i), &bytes, &size) < 0) {
            count = -1;
            break;
        } else if (size != KEY) {
            continue;
        }
        (*positions)[count] = i;
        (*places)[count++] = place_of((uint8_t *)bytes, salt);
    }
    Py_DECREF(keys);
    return count;
}

static PyObject *py_filter_known(PyObject *self, PyObject *args) {
    PyObject *given_filters, *given_keys, *result = NULL;
    const uint8_t *salt_bytes;
    Py_ssize_t salt_size, size, *positions = NULL;
    uint64_t salt[4], *places = NULL;
    char *bits;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy#O:filter_known", &given_filters, &salt_bytes, &salt_size, &given_keys)) return NULL;
    if (!is_filter(BLOCK, salt_size)) return NULL;
    read_salt(salt_bytes, salt);
    PyObject *filters = PySequence_Tuple(given_filters);
    if (filters == NULL) return NULL;
    Py_ssize_t count = read_places(given_keys, salt, &places, &positions);
    if (count >= 0) result = PyList_New(0);
    for (Py_ssize_t i = 0; result != NULL && i < PyTuple_Size(filters); i++) {
        PyObject *found = NULL;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(filters, i), &bits, &size) == 0 && is_filter(size, SALT))
            found = known_to((uint8_t *)bits, (size_t)size, places, positions, count);
        if (found == NULL || PyList_Append(result, found) < 0) Py_CLEAR(result);
        Py_XDECREF(found);
    }
    free(places);
    Py_DECREF(filters);
    return result;
}

static PyMethodDef METHODS[] = {
    {"merge", py_merge, METH_VARARGS, "merge(pieces, entry_bytes) -> the entries of ascending pieces, ascending; of equal keys the first piece's"},
    {"filter_add", py_filter_add, METH_VARARGS, "filter_add(bits, salt, entries, entry_bytes) -> None: set the bits of their keys"},
    {"filter_known", py_filter_known, METH_VARARGS, "filter_known(filters, salt, keys) -> for each filter the positions of keys it may hold"},
    {"write_blocks", py_write_blocks, METH_VARARGS, "write_blocks(entries, entry_bytes) -> (blocks, the first key of each)"},
    {"read_blocks", py_read_blocks, METH_VARARGS, "read_blocks(blocks, entry_bytes, firsts) -> entries, or the number of a damaged one"},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) {
    const char *chosen = getenv("CHAINNODE_NATIVE");
    if (chosen != NULL && strcmp(chosen, "0") == 0) {
        PyErr_SetString(PyExc_ImportError, "switched off by CHAINNODE_NATIVE=0");
        return -1;
    }
    crc32_start();
    return add_key_table_type(module);
}

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, (void *)execute}, {0, NULL}};
static struct PyModuleDef MODULE = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "_runs", .m_doc = "Sorted runs of the index.", .m_methods = METHODS, .m_slots = SLOTS};

PyMODINIT_FUNC PyInit__runs(void) {
    return PyModuleDef_Init(&MODULE);
}
