/* What Python asks of a sheet of evidence. Hashing lets go of the interpreter's lock, copying does not: asking for it again costs more. */
#include "records.h"

#include <stdlib.h>

#include "sha256.h"

#define WORTH_LETTING_GO (16 * 1024) /* bytes of a batch */

/* How the leaves of each speaker begin. Their bytes are held by `held`, which nobody can change. */
typedef struct {
    PyObject *held;
    span *each;
    size_t longest;
} beginnings;

static void beginnings_end(beginnings *all) {
    Py_XDECREF(all->held);
    free(all->each);
}

/* 0 with an exception set; then there is nothing to end. */
static int beginnings_of(const sheet *one, PyObject *given, beginnings *out) {
    *out = (beginnings){PySequence_Tuple(given), NULL, 0};
    if (out->held == NULL) return 0;
    size_t count = (size_t)PyTuple_Size(out->held);
    if (!one->is_taken) {
        PyErr_SetString(PyExc_ValueError, "take finds the records first");
    } else if (count != one->speaker_count) {
        PyErr_Format(PyExc_ValueError, "%zu beginnings of leaves where %zu speak", count, one->speaker_count);
    } else if ((out->each = malloc((count + 1) * sizeof *out->each)) == NULL) {
        PyErr_NoMemory();
    } else {
        size_t i = 0;
        for (; i < count; i++) {
            PyObject *item = PyTuple_GetItem(out->held, (Py_ssize_t)i);
            char *bytes;
            Py_ssize_t size;
            if (PyBytes_AsStringAndSize(item, &bytes, &size) < 0) break;
            if (size > BEGINNING_BYTES_MAX) {
                PyErr_SetString(PyExc_OverflowError, "the beginning of a leaf is too long");
                break;
            }
            out->each[i] = (span){(const uint8_t *)bytes, (size_t)size};
            if ((size_t)size > out->longest) out->longest = (size_t)size;
        }
        if (i == count) return 1;
    }
    beginnings_end(out);
    return 0;
}

/* A number such that `count` more make at most `most`; 0 with an exception set. */
static int number_of(PyObject *given, size_t count, uint64_t most, uint64_t *out) {
    *out = PyLong_AsUnsignedLongLong(given);
    if (*out == (uint64_t)-1 && PyErr_Occurred()) return 0;
    if (count <= most && *out <= most - count) return 1;
    PyErr_SetString(PyExc_OverflowError, "the number of a record is too large");
    return 0;
}

/* Room for results on their way to Python. */
typedef struct {
    size_t leaf_size;
    uint8_t *leaves, *results;
    size_t *ends;
} room;

static PyObject *list_of(const uint8_t *bytes, const size_t *ends, size_t count) {
    PyObject *made = PyList_New((Py_ssize_t)count);
    size_t at = 0;
    for (size_t i = 0; made != NULL && i < count; i++) {
        PyObject *piece = PyBytes_FromStringAndSize((const char *)bytes + at, (Py_ssize_t)(ends[i] - at));
        if (piece == NULL || PyList_SetItem(made, (Py_ssize_t)i, piece) < 0) Py_CLEAR(made);
        at = ends[i];
    }
    return made;
}

static PyObject *record_all(const sheet *one, const beginnings *all, uint64_t first, const room *to) {
    PyObject *leaves = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(one->record_count * LEAF_HASH));
    PyObject *hashes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(one->count * LEAF_HASH)), *results = NULL, *made = NULL;
    if (leaves != NULL && hashes != NULL) {
        uint8_t *leaves_at = (uint8_t *)PyBytes_AsString(leaves), *hashes_at = (uint8_t *)PyBytes_AsString(hashes);
        PyThreadState *state = one->batch.size < WORTH_LETTING_GO ? NULL : PyEval_SaveThread();
        hash_records(one, all->each, to->leaves, to->leaf_size, leaves_at);
        write_results(one, first, to->results, to->ends, hashes_at);
        if (state != NULL) PyEval_RestoreThread(state);
        results = list_of(to->results, to->ends, one->count);
    }
    if (results != NULL) made = PyTuple_Pack(3, leaves, results, hashes);
    Py_XDECREF(leaves);
    Py_XDECREF(hashes);
    Py_XDECREF(results);
    return made;
}

PyObject *sheet_record(const sheet *one, PyObject *args) {
    PyObject *given, *number, *made = NULL;
    beginnings all;
    uint64_t first;
    if (!PyArg_ParseTuple(args, "OO:record", &given, &number) || !beginnings_of(one, given, &all)) return NULL;
    if (number_of(number, one->record_count, UINT64_MAX, &first)) {
        size_t leaf_size = LEAF_ROOM + all.longest + longest_middle(one);
        room to = {leaf_size, malloc(SHA256_LANES * leaf_size), malloc(results_room(one)), malloc(one->count * sizeof *to.ends)};
        made = to.leaves == NULL || to.results == NULL || to.ends == NULL ? PyErr_NoMemory() : record_all(one, &all, first, &to);
        free(to.leaves);
        free(to.results);
        free(to.ends);
    }
    beginnings_end(&all);
    return made;
}

/* The values of the shelf of records, at most `chunk` in each. */
static PyObject *values_of(const sheet *one, const beginnings *all, size_t chunk) {
    PyObject *made = PyList_New(0);
    size_t owner = 0;
    for (size_t begin = 0; made != NULL && begin < one->record_count; begin += chunk) {
        size_t end = one->record_count - begin < chunk ? one->record_count : begin + chunk;
        while (one->record_ends[owner] <= begin) owner++;
        PyObject *value = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)value_size(one, all->each, owner, begin, end));
        if (value != NULL) write_value_of(one, all->each, owner, begin, end, (uint8_t *)PyBytes_AsString(value));
        PyObject *pair = value == NULL ? NULL : Py_BuildValue("nN", (Py_ssize_t)(end - begin), value);
        if (pair == NULL || PyList_Append(made, pair) < 0) Py_CLEAR(made);
        Py_XDECREF(pair);
        if (end == one->record_count) break; /* `begin` could go over */
    }
    return made;
}

static PyObject *kept_of(const sheet *one, uint64_t number) {
    hole *holes = malloc(one->count * sizeof *holes);
    if (holes == NULL) return PyErr_NoMemory();
    size_t count = find_holes(one, number, holes);
    PyObject *kept = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)kept_size(one, holes, count));
    if (kept != NULL) write_kept(one, holes, count, (uint8_t *)PyBytes_AsString(kept));
    free(holes);
    return kept;
}

PyObject *sheet_keep(const sheet *one, PyObject *args) {
    PyObject *given, *asked, *kept = NULL, *values = NULL, *made = NULL;
    Py_ssize_t chunk;
    beginnings all;
    uint64_t number;
    if (!PyArg_ParseTuple(args, "OOn:keep", &given, &asked, &chunk) || !beginnings_of(one, given, &all)) return NULL;
    if (chunk <= 0) {
        PyErr_SetString(PyExc_ValueError, "a value holds one record at least");
    } else if (number_of(asked, one->record_count, (uint64_t)UINT32_MAX + 1, &number)) {
        kept = kept_of(one, number);
        values = kept == NULL ? NULL : values_of(one, &all, (size_t)chunk);
        if (values != NULL) made = PyTuple_Pack(2, kept, values);
    }
    Py_XDECREF(kept);
    Py_XDECREF(values);
    beginnings_end(&all);
    return made;
}
