/* The Python module `chainnode.native._verify`: its functions; those that verify items read them, let go of the interpreter's lock, verify. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "decode.h"
#include "objects.h"
#include "scalar.h"
#include "sha256.h"
#include "sha512.h"
#include "sheetobject.h"
#include "tables.h"

/* One (suite, public key, signature, message): its verdict, and whether it is left to `verify_items`; -1 with an exception set. */
static int read_item(PyObject *row, item *out, uint8_t *verdict) {
    char *bytes[3];
    Py_ssize_t sizes[3];
    if (!PyTuple_Check(row) || PyTuple_Size(row) != 4 || !PyUnicode_Check(PyTuple_GetItem(row, 0))) {
        PyErr_SetString(PyExc_TypeError, "an item is (suite, public key, signature, message)");
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(row, i + 1), &bytes[i], &sizes[i]) < 0) return -1;
    }
    if (PyUnicode_CompareWithASCIIString(PyTuple_GetItem(row, 0), "e") != 0) {
        *verdict = OTHER_SUITE;
        return 0;
    }
    *verdict = 0;
    if (sizes[0] != 32 || sizes[1] != 64) return 0;
    *out = (item){.key = (const uint8_t *)bytes[0], .signature = (const uint8_t *)bytes[1], .message = (const uint8_t *)bytes[2],
                  .length = (size_t)sizes[2], .verdict = verdict};
    return 1;
}

static PyObject *py_verify_many(PyObject *self, PyObject *args) {
    PyObject *given;
    Py_ssize_t bytes_max;
    int use_ifma = has_ifma();
    (void)self;
    if (!PyArg_ParseTuple(args, "On|p:verify_many", &given, &bytes_max, &use_ifma)) return NULL;
    PyObject *rows = PySequence_Tuple(given); /* which nobody can change meanwhile, nor what is in it */
    if (rows == NULL) return NULL;
    Py_ssize_t count = PyTuple_Size(rows), ours = 0;
    item *items = malloc((size_t)(count + 1) * sizeof *items);
    uint8_t *verdicts = malloc((size_t)count + 1);
    PyObject *result = NULL;
    if (items == NULL || verdicts == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        int is_ours = read_item(PyTuple_GetItem(rows, i), &items[ours], &verdicts[i]);
        if (is_ours < 0) goto done;
        ours += is_ours;
    }
    int is_done;
    Py_BEGIN_ALLOW_THREADS;
    is_done = verify_items(items, (size_t)ours, bytes_max < 0 ? 0 : (size_t)bytes_max, use_ifma && has_ifma());
    Py_END_ALLOW_THREADS;
    result = is_done ? PyBytes_FromStringAndSize((const char *)verdicts, count) : PyErr_NoMemory();
done:
    free(items);
    free(verdicts);
    Py_DECREF(rows);
    return result;
}

static PyObject *py_tables(PyObject *self, PyObject *ignored) {
    (void)self, (void)ignored;
    tables_state seen = tables_look();
    return Py_BuildValue("{s:n,s:n,s:n,s:n}", "tables", (Py_ssize_t)seen.tables, "bytes", (Py_ssize_t)seen.bytes, "built",
                         (Py_ssize_t)seen.built, "evicted", (Py_ssize_t)seen.evicted);
}

static PyObject *py_forget(PyObject *self, PyObject *ignored) {
    (void)self, (void)ignored;
    tables_forget();
    Py_RETURN_NONE;
}

static PyObject *py_reduce(PyObject *self, PyObject *args) {
    const uint8_t *bytes;
    Py_ssize_t size;
    uint8_t reduced[32];
    (void)self;
    if (!PyArg_ParseTuple(args, "y#:reduce", &bytes, &size)) return NULL;
    if (size != 64) {
        PyErr_SetString(PyExc_ValueError, "64 bytes are reduced");
        return NULL;
    }
    scalar_reduce(reduced, bytes);
    return PyBytes_FromStringAndSize((const char *)reduced, 32);
}

static PyObject *py_sha256(PyObject *self, PyObject *args) {
    const uint8_t *bytes;
    Py_ssize_t size;
    int is_portable;
    uint8_t digest[32];
    (void)self;
    sha256_way portable = sha256_way_of(0, 0);
    if (!PyArg_ParseTuple(args, "y#p:sha256", &bytes, &size, &is_portable)) return NULL;
    sha256(digest, bytes, (size_t)size, is_portable ? &portable : sha256_best());
    return PyBytes_FromStringAndSize((const char *)digest, 32);
}

static PyObject *py_sha256_by(PyObject *self, PyObject *args) {
    PyObject *given;
    int use_x86, use_lanes;
    (void)self;
    if (!PyArg_ParseTuple(args, "Opp:sha256_by", &given, &use_x86, &use_lanes)) return NULL;
    sha256_way way = sha256_way_of(use_x86, use_lanes);
    return digests_of(given, &way);
}

static PyMethodDef METHODS[] = {
    {"verify_many", py_verify_many, METH_VARARGS, "verify_many(items, tables_bytes_max, use_ifma=HAS_IFMA) -> one byte for each item"},
    {"tables", py_tables, METH_NOARGS, "tables() -> how many tables of keys there are, their bytes, how many were built and evicted"},
    {"forget", py_forget, METH_NOARGS, "forget() -> None: drop all tables and sightings"},
    {"layout", py_layout, METH_VARARGS, "layout(transaction, body, invocation, signature, limits): what C knows of the classes"},
    {"decode", py_decode, METH_VARARGS, "decode(layout, raws) -> list of transactions, or of bytes that Python has to look at"},
    {"decode_batch", py_decode_batch, METH_VARARGS, "decode_batch(layout, batch, count_max) -> the same for a batch, or None"},
    {"read_sheet", py_read_sheet, METH_VARARGS, "read_sheet(layout, batch, count_max) -> Sheet, or None where Python has to look at it"},
    {"decode_value", py_decode_value, METH_VARARGS, "decode_value(data, levels, elements_max) -> (value,), or None where it is not canonical, or more"},
    {"encode_value", py_encode_value, METH_VARARGS, "encode_value(value, levels) -> bytes, or None where Python has to look at it"},
    {"verify_transactions", py_verify_transactions, METH_VARARGS,
     "verify_transactions(layout, transactions, prefix, tables_bytes_max, use_ifma=HAS_IFMA) -> one byte for each transaction"},
    {"sha256_each", py_sha256_each, METH_O, "sha256_each(texts) -> list of digests"},
    {"sha256_by", py_sha256_by, METH_VARARGS, "sha256_by(texts, use_x86, use_lanes) -> list of digests, for the tests"},
    {"sha256", py_sha256, METH_VARARGS, "sha256(bytes, is_portable) -> digest, for the tests"},
    {"reduce", py_reduce, METH_VARARGS, "reduce(64 bytes) -> the number modulo L, for the tests"},
    {NULL, NULL, 0, NULL},
};

static int add_flag(PyObject *module, const char *name, int is_set) {
    PyObject *flag = PyBool_FromLong(is_set);
    int code = PyModule_AddObjectRef(module, name, flag);
    Py_DECREF(flag);
    return code;
}

static int execute(PyObject *module) {
    const char *chosen = getenv("CHAINNODE_NATIVE");
    if (chosen != NULL && strcmp(chosen, "0") == 0) {
        PyErr_SetString(PyExc_ImportError, "switched off by CHAINNODE_NATIVE=0");
        return -1;
    }
    static int is_started = 0; /* under the interpreter's lock */
    if (!is_started && !group_start()) {
        PyErr_NoMemory();
        return -1;
    }
    if (!is_started) tables_start(); /* again, it would lose the tables that there are */
    sha256_start();
    is_started = 1;
    if (add_sheet_type(module) < 0) return -1;
    if (add_flag(module, "HAS_IFMA", has_ifma()) < 0 || add_flag(module, "HAS_SHA_X86", has_sha_x86()) < 0) return -1;
    if (add_flag(module, "HAS_SHA_LANES", has_sha_lanes()) < 0) return -1;
    return PyModule_AddIntConstant(module, "OTHER_SUITE", OTHER_SUITE);
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    module_state *ours = PyModule_GetState(module);
    Py_VISIT(ours->sheet_type);
    return 0;
}

static int clear(PyObject *module) {
    module_state *ours = PyModule_GetState(module);
    Py_CLEAR(ours->sheet_type);
    return 0;
}

static void release(void *module) {
    (void)clear(module);
}

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, (void *)execute}, {0, NULL}};

static struct PyModuleDef MODULE = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_verify",
    .m_doc = "Verification of many Ed25519 signatures, decoding of transactions, and sheets, in C (ADR-0002, ADR-0005, ADR-0013, ADR-0014).",
    .m_size = sizeof(module_state),
    .m_methods = METHODS,
    .m_slots = SLOTS,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC PyInit__verify(void) {
    return PyModuleDef_Init(&MODULE);
}
