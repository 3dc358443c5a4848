/* The Python module `chainnode.native._runs`: merges entries of the index, without the interpreter's lock. The plain twin is in
 * storage/indexmerge.py; those of its other files in keytable.py and in storage/runblocks.py, runprints.py and plainsieve.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "keytable.h"
#include "runblocks.h"
#include "runprints.h"
#include "runsort.h"
#include "sieve.h"

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

static PyMethodDef METHODS[] = {
    {"merge", py_merge, METH_VARARGS, "merge(pieces, entry_bytes) -> the entries of all pieces, ascending; of equal keys the first piece's"},
    {"sieve_add", py_sieve_add, METH_VARARGS, "sieve_add(part, salt, entries, entry_bytes) -> None: set the bits of their keys"},
    {"sieve_likely", py_sieve_likely, METH_VARARGS, "sieve_likely(parts, salt, keys) -> the positions of keys that one of them may have"},
    {"prints", py_prints, METH_VARARGS, "prints(entries, entry_bytes, tables) -> the first bytes of their prints, then the second ones"},
    {"places", py_places, METH_VARARGS, "places(firsts, prints, in_block, keys, prints of these) -> (position, entry) where a print is the same"},
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
