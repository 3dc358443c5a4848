/* Prints of the entries of a run: two bytes for each, by tables. The plain twins are in storage/runprints.py, which says what they are for. */
#include "runprints.h"

#include <string.h>

#include "runsort.h"

enum { PRINT = 2, VALUES = 256, TABLES = KEY * VALUES * PRINT };

PyObject *py_prints(PyObject *self, PyObject *args) {
    const uint8_t *entries, *tables;
    Py_ssize_t size, tables_size, width;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#ny#:prints", &entries, &size, &width, &tables, &tables_size)) return NULL;
    if (width < KEY || size % width != 0 || tables_size != TABLES) {
        PyErr_SetString(PyExc_ValueError, "an entry begins with a key of 32 bytes, and the tables have 16,384");
        return NULL;
    }
    Py_ssize_t count = size / width;
    PyObject *result = PyBytes_FromStringAndSize(NULL, count * PRINT);
    if (result == NULL) return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AsString(result);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count; i++) {
        const uint8_t *key = entries + i * width;
        uint16_t sum = 0, more;
        for (int at = 0; at < KEY; at++) {
            memcpy(&more, tables + (at * VALUES + key[at]) * PRINT, PRINT);
            sum ^= more;
        }
        uint8_t both[PRINT];
        memcpy(both, &sum, PRINT);
        out[i] = both[0];
        out[count + i] = both[1];
    }
    Py_END_ALLOW_THREADS
    return result;
}

/* How many of the first keys of blocks are not above the key. */
static Py_ssize_t not_above(const uint8_t *firsts, Py_ssize_t blocks, const uint8_t *key) {
    Py_ssize_t low = 0, high = blocks;
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        if (memcmp(firsts + middle * KEY, key, KEY) <= 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Append (position, entry). -1 with an exception set. */
static int append(PyObject *list, Py_ssize_t position, Py_ssize_t number) {
    PyObject *pair = Py_BuildValue("(nn)", position, number);
    int failed = pair == NULL || PyList_Append(list, pair) < 0;
    Py_XDECREF(pair);
    return failed ? -1 : 0;
}

PyObject *py_places(PyObject *self, PyObject *args) {
    const uint8_t *firsts, *prints, *asked;
    Py_ssize_t firsts_size, prints_size, asked_size, in_block, size;
    PyObject *given;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#y#nOy#:places", &firsts, &firsts_size, &prints, &prints_size, &in_block, &given, &asked, &asked_size)) return NULL;
    Py_ssize_t blocks = firsts_size / KEY, count = prints_size / PRINT;
    PyObject *keys = PySequence_Tuple(given), *found = NULL;
    if (keys == NULL) return NULL;
    if (in_block <= 0 || firsts_size % KEY != 0 || prints_size % PRINT != 0 || blocks != count / in_block + (count % in_block != 0) ||
        asked_size != PyTuple_Size(keys) * PRINT) {
        PyErr_SetString(PyExc_ValueError, "a block has a first key, an entry a print, and a key, too");
    } else {
        found = PyList_New(0);
    }
    for (Py_ssize_t i = 0; found != NULL && i < PyTuple_Size(keys); i++) {
        char *key;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(keys, i), &key, &size) < 0) {
            Py_CLEAR(found);
        } else if (size != KEY) {
            PyErr_SetString(PyExc_ValueError, "a key has 32 bytes");
            Py_CLEAR(found);
        } else {
            Py_ssize_t at = (not_above(firsts, blocks, (const uint8_t *)key) - 1) * in_block, end = at + in_block < count ? at + in_block : count;
            for (; found != NULL && at >= 0 && at < end; at++) {
                const uint8_t *same = memchr(prints + at, asked[i], (size_t)(end - at));
                at = same == NULL ? end : same - prints;
                if (same != NULL && prints[count + at] == asked[asked_size / PRINT + i] && append(found, i, at) < 0) Py_CLEAR(found);
            }
        }
    }
    Py_DECREF(keys);
    return found;
}
