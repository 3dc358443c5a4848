/* Many transactions at once: taken apart and hashed outside the interpreter's lock, then made into objects within it.
 *
 * What is not taken here is left to Python's reader, which gives the error; so nothing here tells why.
 */
#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "objects.h"
#include "sha256.h"

/* With less to do it is cheaper to keep the lock than to ask for it again while other threads are at work. */
#define WORTH_LETTING_GO (16 * 1024)

typedef struct {
    size_t count;
    span *raws;
    transaction *taken;
    uint8_t *is_taken;
} work;

static int work_begin(work *all, size_t count) {
    *all = (work){count, calloc(count + 1, sizeof *all->raws), calloc(count + 1, sizeof *all->taken), calloc(count + 1, 1)};
    if (all->raws != NULL && all->taken != NULL && all->is_taken != NULL) return 1;
    PyErr_NoMemory();
    return 0;
}

static void work_end(work *all) {
    free(all->raws);
    free(all->taken);
    free(all->is_taken);
}

static void read_each(work *all, const limits *max) {
    sha256_queue queue = {.way = sha256_best()};
    for (size_t i = 0; i < all->count; i++) {
        transaction *one = &all->taken[i];
        all->is_taken[i] = all->raws[i].at != NULL && read_transaction(all->raws[i], max, one);
        if (all->is_taken[i]) sha256_put(&queue, one->tx_id, one->body.at, one->body.size);
    }
    sha256_finish(&queue);
}

/* Read each outside the lock, then make objects. `rows` are the bytes as Python holds them, NULL when they have yet to be made. */
static PyObject *decode_all(work *all, const layout *known, PyObject *rows, size_t bytes) {
    pool shared;
    PyObject *made;
    if (bytes < WORTH_LETTING_GO) {
        read_each(all, &known->max);
    } else {
        Py_BEGIN_ALLOW_THREADS;
        read_each(all, &known->max);
        Py_END_ALLOW_THREADS;
    }
    memset(&shared, 0, sizeof shared);
    made = PyList_New((Py_ssize_t)all->count);
    for (size_t i = 0; made != NULL && i < all->count; i++) {
        PyObject *raw, *one;
        if (rows != NULL) {
            raw = PyTuple_GetItem(rows, (Py_ssize_t)i);
            Py_INCREF(raw);
        } else {
            raw = PyBytes_FromStringAndSize((const char *)all->raws[i].at, (Py_ssize_t)all->raws[i].size);
        }
        one = raw == NULL || !all->is_taken[i] ? raw : make_transaction(known, &all->taken[i], raw, &shared);
        if (one != raw) Py_XDECREF(raw);
        if (one == NULL || PyList_SetItem(made, (Py_ssize_t)i, one) < 0) Py_CLEAR(made);
    }
    pool_empty(&shared);
    return made;
}

PyObject *py_decode(PyObject *self, PyObject *args) {
    layout *known;
    PyObject *given;
    work all;
    size_t bytes = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "O&O:decode", layout_of, &known, &given)) return NULL;
    PyObject *rows = PySequence_Tuple(given); /* which nobody can change meanwhile, nor what is in it */
    if (rows == NULL) return NULL;
    PyObject *made = NULL;
    if (work_begin(&all, (size_t)PyTuple_Size(rows))) {
        for (size_t i = 0; i < all.count; i++) {
            PyObject *row = PyTuple_GetItem(rows, (Py_ssize_t)i);
            if (!Py_IS_TYPE(row, &PyBytes_Type)) continue;
            all.raws[i] = (span){(const uint8_t *)PyBytes_AsString(row), (size_t)PyBytes_Size(row)};
            bytes += all.raws[i].size;
        }
        made = decode_all(&all, known, rows, bytes);
    }
    work_end(&all);
    Py_DECREF(rows);
    return made;
}

PyObject *py_decode_batch(PyObject *self, PyObject *args) {
    layout *known;
    PyObject *given;
    Py_ssize_t count_max;
    work all;
    (void)self;
    if (!PyArg_ParseTuple(args, "O&On:decode_batch", layout_of, &known, &given, &count_max)) return NULL;
    if (!Py_IS_TYPE(given, &PyBytes_Type) || count_max < 0) Py_RETURN_NONE;
    span batch = {(const uint8_t *)PyBytes_AsString(given), (size_t)PyBytes_Size(given)};
    PyObject *made = NULL;
    if (work_begin(&all, (size_t)count_max)) {
        if (split_batch(batch, all.raws, all.count, &all.count)) {
            made = decode_all(&all, known, NULL, batch.size);
        } else {
            made = Py_None;
            Py_INCREF(made);
        }
    }
    work_end(&all);
    return made;
}

PyObject *py_decode_value(PyObject *self, PyObject *args) {
    PyObject *given;
    int levels;
    Py_ssize_t elements_max;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oin:decode_value", &given, &levels, &elements_max)) return NULL;
    if (!Py_IS_TYPE(given, &PyBytes_Type) || elements_max < 0) Py_RETURN_NONE;
    reader looked = reader_of((span){(const uint8_t *)PyBytes_AsString(given), (size_t)PyBytes_Size(given)});
    looked.tokens = (size_t)elements_max;
    reader in = looked;
    if (!skip_value(&looked, levels) || looked.at != looked.end) Py_RETURN_NONE;
    pool shared;
    memset(&shared, 0, sizeof shared);
    PyObject *value = make_value(&in, &shared), *made = value == NULL ? NULL : PyTuple_Pack(1, value);
    Py_XDECREF(value);
    pool_empty(&shared);
    return made;
}

/* The digests of texts that a tuple holds. */
static PyObject *digest_all(PyObject *rows, const work *all, uint8_t (*digests)[32], size_t bytes, const sha256_way *way) {
    sha256_queue queue = {.way = way};
    PyThreadState *state = bytes < WORTH_LETTING_GO ? NULL : PyEval_SaveThread();
    for (size_t i = 0; i < all->count; i++) sha256_put(&queue, digests[i], all->raws[i].at, all->raws[i].size);
    sha256_finish(&queue);
    if (state != NULL) PyEval_RestoreThread(state);
    PyObject *made = PyList_New(PyTuple_Size(rows));
    for (size_t i = 0; made != NULL && i < all->count; i++) {
        PyObject *one = PyBytes_FromStringAndSize((const char *)digests[i], 32);
        if (one == NULL || PyList_SetItem(made, (Py_ssize_t)i, one) < 0) Py_CLEAR(made);
    }
    return made;
}

PyObject *digests_of(PyObject *given, const sha256_way *way) {
    size_t bytes = 0;
    PyObject *rows = PySequence_Tuple(given), *made = NULL;
    if (rows == NULL) return NULL;
    work all = {.count = (size_t)PyTuple_Size(rows)};
    uint8_t(*digests)[32] = malloc((all.count + 1) * sizeof *digests);
    all.raws = malloc((all.count + 1) * sizeof *all.raws);
    if (digests == NULL || all.raws == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (size_t i = 0; i < all.count; i++) {
        char *text;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(rows, (Py_ssize_t)i), &text, &size) < 0) goto done;
        all.raws[i] = (span){(const uint8_t *)text, (size_t)size};
        bytes += all.raws[i].size;
    }
    made = digest_all(rows, &all, digests, bytes, way);
done:
    free(digests);
    free(all.raws);
    Py_DECREF(rows);
    return made;
}

PyObject *py_sha256_each(PyObject *self, PyObject *given) {
    (void)self;
    return digests_of(given, sha256_best());
}
