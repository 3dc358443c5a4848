/* The Python module `chainnode.native._bulk`: what a block does for each of many records. The plain twins are in merkle.py and indexvalues.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "sha256.h"

enum { HASH = 32, WORTH_LETTING_GO = 128 * 1024 }; /* bytes of a checksum: some 10 us */

/* The bytes of an item of a tuple; NULL with an exception set when it is not bytes. */
static const uint8_t *item_bytes(PyObject *items, Py_ssize_t index, Py_ssize_t *size) {
    char *bytes;
    PyObject *item = PyTuple_GetItem(items, index);
    if (item == NULL || PyBytes_AsStringAndSize(item, &bytes, size) < 0) return NULL;
    return (const uint8_t *)bytes;
}

/* sha256(00 || prefix || leaf || suffix) of each, one behind the other. */
static PyObject *py_hash_leaves(PyObject *self, PyObject *args) {
    PyObject *given, *result = NULL;
    const uint8_t *prefix, *suffix;
    Py_ssize_t prefix_size, suffix_size, size, longest = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy#y#:hash_leaves", &given, &prefix, &prefix_size, &suffix, &suffix_size)) return NULL;
    PyObject *leaves = PySequence_Tuple(given);
    if (leaves == NULL) return NULL;
    Py_ssize_t count = PyTuple_Size(leaves);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (item_bytes(leaves, i, &size) == NULL) goto done;
        if (size > longest) longest = size;
    }
    size_t room = (size_t)(1 + prefix_size + longest + suffix_size) + SHA256_PADDING;
    uint8_t *texts = malloc(SHA256_LANES * room);
    result = texts == NULL ? PyErr_NoMemory() : PyBytes_FromStringAndSize(NULL, count * HASH);
    if (result != NULL) {
        uint8_t *out = (uint8_t *)PyBytes_AsString(result);
        sha256_queue queue = {.way = sha256_best()};
        for (Py_ssize_t i = 0; i < count; i++) {
            const uint8_t *leaf = item_bytes(leaves, i, &size);
            uint8_t *text = texts + (size_t)i % SHA256_LANES * room, *end = text + 1 + prefix_size;
            text[0] = 0;
            memcpy(text + 1, prefix, (size_t)prefix_size);
            memcpy(end, leaf, (size_t)size);
            memcpy(end + size, suffix, (size_t)suffix_size);
            sha256_put_padded(&queue, out + i * HASH, text, sha256_pad(text, (size_t)(1 + prefix_size + size + suffix_size)));
        }
        sha256_finish(&queue);
    }
    free(texts);
done:
    Py_DECREF(leaves);
    return result;
}

/* sha256(01 || left || right) of each pair of hashes, one behind the other. `before` is one that stands before the others; an odd one at
 * the end is left out. */
static PyObject *py_hash_pairs(PyObject *self, PyObject *args) {
    const uint8_t *level, *before = NULL;
    Py_ssize_t size, before_size = 0;
    int use_x86 = 1, use_lanes = 1;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#|y#pp:hash_pairs", &level, &size, &before, &before_size, &use_x86, &use_lanes)) return NULL;
    if (size % HASH != 0 || (before_size != 0 && before_size != HASH)) {
        PyErr_SetString(PyExc_ValueError, "hashes have 32 bytes, and one may stand before them");
        return NULL;
    }
    Py_ssize_t count = (before_size + size) / (2 * HASH);
    PyObject *result = PyBytes_FromStringAndSize(NULL, count * HASH);
    if (result == NULL) return NULL;
    sha256_way way = use_x86 && use_lanes ? *sha256_best() : sha256_way_of(use_x86, use_lanes); /* which the tests ask for */
    sha256_inner((uint8_t *)PyBytes_AsString(result), before_size == 0 ? NULL : before, level, (size_t)count, &way);
    return result;
}

static uint8_t *put_number(uint8_t *to, int width, uint64_t number) {
    for (int i = width - 1; i >= 0; i--) *to++ = (uint8_t)(number >> 8 * i);
    return to;
}

/* `count` numbers from `first` on, of `width` bytes each, and beside each the `other`, of 8: behind it when `is_first`. */
static PyObject *numbered(uint64_t first, int width, Py_ssize_t count, uint64_t other, int is_first) {
    if (count < 0) count = 0;
    if (count > 0 && (uint64_t)count - 1 > (width == 8 ? UINT64_MAX : UINT32_MAX) - first) {
        PyErr_SetString(PyExc_OverflowError, "a number is too large");
        return NULL;
    }
    if (count > PY_SSIZE_T_MAX / (8 + width)) return PyErr_NoMemory();
    PyObject *made = PyBytes_FromStringAndSize(NULL, count * (8 + width));
    if (made == NULL) return NULL;
    uint8_t *end = (uint8_t *)PyBytes_AsString(made);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!is_first) end = put_number(end, 8, other);
        end = put_number(end, width, first + (uint64_t)i);
        if (is_first) end = put_number(end, 8, other);
    }
    return made;
}

/* Two numbers, the second at most `most`, and how many. 0 with an exception set. */
static int read_numbers(PyObject *args, const char *format, uint64_t most, uint64_t numbers[2], Py_ssize_t *count) {
    PyObject *given[2];
    if (!PyArg_ParseTuple(args, format, &given[0], &given[1], count)) return 0;
    for (int i = 0; i < 2; i++) {
        numbers[i] = PyLong_AsUnsignedLongLong(given[i]);
        if (numbers[i] == (uint64_t)-1 && PyErr_Occurred()) return 0;
    }
    if (numbers[1] <= most) return 1;
    PyErr_SetString(PyExc_OverflowError, "a number is too large");
    return 0;
}

/* Log index, 8 bytes, and height, 8 bytes, of records one behind the other. */
static PyObject *py_positions(PyObject *self, PyObject *args) {
    uint64_t numbers[2];
    Py_ssize_t count;
    (void)self;
    return read_numbers(args, "OOn:positions", UINT64_MAX, numbers, &count) ? numbered(numbers[0], 8, count, numbers[1], 1) : NULL;
}

/* Height, 8 bytes, and place, 4 bytes, of transactions one behind the other. */
static PyObject *py_places(PyObject *self, PyObject *args) {
    uint64_t numbers[2];
    Py_ssize_t count;
    (void)self;
    return read_numbers(args, "OOn:places", UINT32_MAX, numbers, &count) ? numbered(numbers[1], 4, count, numbers[0], 0) : NULL;
}

/* crc32(data, before=0): what zlib.crc32 is. */
static PyObject *py_crc32(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Py_buffer data;
    (void)self;
    if (count < 1 || count > 2) {
        PyErr_SetString(PyExc_TypeError, "crc32 takes data, and what they follow");
        return NULL;
    }
    unsigned long before = count == 2 ? PyLong_AsUnsignedLongMask(args[1]) : 0;
    if (before == (unsigned long)-1 && PyErr_Occurred()) return NULL;
    if (PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0) return NULL;
    uint32_t sum = (uint32_t)before;
    PyThreadState *state = data.len < WORTH_LETTING_GO ? NULL : PyEval_SaveThread();
    sum = crc32_of(data.buf, (size_t)data.len, sum);
    if (state != NULL) PyEval_RestoreThread(state);
    PyBuffer_Release(&data);
    return PyLong_FromUnsignedLong(sum);
}

static PyMethodDef METHODS[] = {
    {"hash_leaves", py_hash_leaves, METH_VARARGS, "hash_leaves(leaves, prefix, suffix) -> their leaf hashes, joined"},
    {"hash_pairs", py_hash_pairs, METH_VARARGS, "hash_pairs(level, before=b'', use_x86=True, use_lanes=True) -> the hashes above joined hashes, the first of which is `before`"},
    {"positions", py_positions, METH_VARARGS, "positions(first, height, count) -> of each record, joined: log index (8) and height (8)"},
    {"places", py_places, METH_VARARGS, "places(height, first, count) -> of each transaction, joined: height (8) and place (4)"},
    {"crc32", (PyCFunction)(void (*)(void))py_crc32, METH_FASTCALL, "crc32(data, before=0) -> what zlib.crc32 gives"},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) {
    const char *chosen = getenv("CHAINNODE_NATIVE");
    if (chosen != NULL && strcmp(chosen, "0") == 0) {
        PyErr_SetString(PyExc_ImportError, "switched off by CHAINNODE_NATIVE=0");
        return -1;
    }
    sha256_start();
    crc32_start();
    PyObject *flag = PyBool_FromLong(has_crc32_x86());
    int code = PyModule_AddObjectRef(module, "HAS_CRC32_X86", flag);
    Py_DECREF(flag);
    return code;
}

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, (void *)execute}, {0, NULL}};
static struct PyModuleDef MODULE = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "_bulk", .m_doc = "What a block does for each of many records.", .m_methods = METHODS, .m_slots = SLOTS};

PyMODINIT_FUNC PyInit__bulk(void) {
    return PyModuleDef_Init(&MODULE);
}
