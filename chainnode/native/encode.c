/* Canonical msgpack of Python's values: about 0.3 us for a record of the state, a tenth of what Python takes. The twin is `codec.py`.
 *
 * Only exact types are taken, so that nothing here can run Python's code and change what is being written.
 */
#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "canonical.h"

#define STARTING_ROOM 512 /* on the stack; most values are shorter */

typedef struct {
    uint8_t *bytes;
    size_t size, room;
    uint8_t first[STARTING_ROOM];
} writer;

/* Room for so many more bytes: where they go, NULL with an exception set. */
static uint8_t *reserve(writer *out, size_t more) {
    if (out->room - out->size < more) {
        size_t room = 2 * out->room + more;
        uint8_t *moved = out->bytes == out->first ? malloc(room) : realloc(out->bytes, room);
        if (moved == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        if (out->bytes == out->first) memcpy(moved, out->first, out->size);
        out->bytes = moved;
        out->room = room;
    }
    out->size += more;
    return out->bytes + out->size - more;
}

/* A first byte and a number of `width` bytes, the highest first. */
static int write_number(writer *out, uint8_t first, int width, uint64_t number) {
    uint8_t *to = reserve(out, (size_t)width + 1);
    if (to == NULL) return -1;
    to[0] = first;
    for (int i = 0; i < width; i++) to[1 + i] = (uint8_t)(number >> 8 * (width - 1 - i));
    return 1;
}

static int write_natural(writer *out, uint64_t number) {
    if (number < 0x80) return write_number(out, (uint8_t)number, 0, 0);
    if (number <= 0xff) return write_number(out, 0xcc, 1, number);
    if (number <= 0xffff) return write_number(out, 0xcd, 2, number);
    if (number <= 0xffffffff) return write_number(out, 0xce, 4, number);
    return write_number(out, 0xcf, 8, number);
}

static int write_negative(writer *out, int64_t number) {
    uint64_t bits = (uint64_t)number;
    if (number >= -32) return write_number(out, (uint8_t)bits, 0, 0);
    if (number >= INT8_MIN) return write_number(out, 0xd0, 1, bits);
    if (number >= INT16_MIN) return write_number(out, 0xd1, 2, bits);
    if (number >= INT32_MIN) return write_number(out, 0xd2, 4, bits);
    return write_number(out, 0xd3, 8, bits);
}

/* The head of an array or a map: `fixed` with its short length, or `marks` with lengths of 2 or 4 bytes. */
static int write_count(writer *out, uint8_t fixed, uint8_t marks, uint64_t count) {
    if (count <= 15) return write_number(out, (uint8_t)(fixed | count), 0, 0);
    if (count <= 0xffff) return write_number(out, marks, 2, count);
    return count <= 0xffffffff ? write_number(out, (uint8_t)(marks + 1), 4, count) : 0;
}

/* Bytes (`marks` 0xc4) or text (0xd9) of such a length, and what they are. */
static int write_content(writer *out, uint8_t marks, span content) {
    uint64_t size = content.size;
    int code = marks == 0xd9 && size <= 31 ? write_number(out, (uint8_t)(0xa0 | size), 0, 0)
               : size <= 0xff              ? write_number(out, marks, 1, size)
               : size <= 0xffff            ? write_number(out, (uint8_t)(marks + 1), 2, size)
               : size <= 0xffffffff        ? write_number(out, (uint8_t)(marks + 2), 4, size)
                                           : 0;
    if (code != 1) return code;
    uint8_t *to = reserve(out, content.size);
    if (to == NULL) return -1;
    memcpy(to, content.at, content.size);
    return 1;
}

static int write_int(writer *out, PyObject *value) {
    int is_beyond;
    long long number = PyLong_AsLongLongAndOverflow(value, &is_beyond);
    if (is_beyond == 0) return number < 0 ? write_negative(out, number) : write_natural(out, (uint64_t)number);
    unsigned long long large = PyLong_AsUnsignedLongLong(value);
    if (large == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return write_natural(out, large);
}

/* The UTF-8 of a text; 0 when it has none. */
static int utf8_of(PyObject *text, span *out) {
    Py_ssize_t size;
    const char *content = PyUnicode_AsUTF8AndSize(text, &size);
    if (content == NULL) {
        PyErr_Clear(); /* a surrogate; when it is memory that is short, Python's writer will say so */
        return 0;
    }
    *out = (span){(const uint8_t *)content, (size_t)size};
    return 1;
}

typedef struct {
    span key;
    PyObject *value;
} pair;

static int compare(const void *one, const void *other) {
    span a = ((const pair *)one)->key, b = ((const pair *)other)->key;
    int order = memcmp(a.at, b.at, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int write_value(writer *out, PyObject *value, int levels);

static int write_pairs(writer *out, PyObject *map, pair *pairs, int levels) {
    PyObject *key, *value;
    Py_ssize_t at = 0;
    size_t count = 0;
    while (PyDict_Next(map, &at, &key, &value)) {
        if (!Py_IS_TYPE(key, &PyUnicode_Type) || !utf8_of(key, &pairs[count].key)) return 0;
        pairs[count++].value = value;
    }
    qsort(pairs, count, sizeof *pairs, compare);
    int code = write_count(out, 0x80, 0xde, count);
    for (size_t i = 0; code == 1 && i < count; i++) {
        code = write_content(out, 0xd9, pairs[i].key);
        if (code == 1) code = write_value(out, pairs[i].value, levels);
    }
    return code;
}

static int write_map(writer *out, PyObject *map, int levels) {
    pair *pairs = malloc(((size_t)PyDict_Size(map) + 1) * sizeof *pairs);
    if (pairs == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int code = write_pairs(out, map, pairs, levels);
    free(pairs);
    return code;
}

static int write_array(writer *out, PyObject *array, int is_tuple, int levels) {
    Py_ssize_t count = is_tuple ? PyTuple_Size(array) : PyList_Size(array);
    int code = write_count(out, 0x90, 0xdc, (uint64_t)count);
    for (Py_ssize_t i = 0; code == 1 && i < count; i++) {
        code = write_value(out, is_tuple ? PyTuple_GetItem(array, i) : PyList_GetItem(array, i), levels);
    }
    return code;
}

/* 1 when the value is written, 0 when Python has to look at it, -1 with an exception set. */
static int write_value(writer *out, PyObject *value, int levels) {
    PyTypeObject *type = Py_TYPE(value);
    span content;
    if (type == &PyUnicode_Type) return utf8_of(value, &content) ? write_content(out, 0xd9, content) : 0;
    if (type == &PyBytes_Type) {
        return write_content(out, 0xc4, (span){(const uint8_t *)PyBytes_AsString(value), (size_t)PyBytes_Size(value)});
    }
    if (type == &PyLong_Type) return write_int(out, value);
    if (value == Py_None) return write_number(out, 0xc0, 0, 0);
    if (value == Py_False) return write_number(out, 0xc2, 0, 0);
    if (value == Py_True) return write_number(out, 0xc3, 0, 0);
    if (levels == 0) return 0;
    if (type == &PyTuple_Type || type == &PyList_Type) return write_array(out, value, type == &PyTuple_Type, levels - 1);
    return type == &PyDict_Type ? write_map(out, value, levels - 1) : 0;
}

PyObject *py_encode_value(PyObject *self, PyObject *args) {
    PyObject *value, *made = NULL;
    int levels;
    writer out;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oi:encode_value", &value, &levels)) return NULL;
    out.bytes = out.first;
    out.size = 0;
    out.room = STARTING_ROOM;
    int code = write_value(&out, value, levels);
    if (code == 1) {
        made = PyBytes_FromStringAndSize((const char *)out.bytes, (Py_ssize_t)out.size);
    } else if (code == 0) {
        made = Py_None;
        Py_INCREF(made);
    }
    if (out.bytes != out.first) free(out.bytes);
    return made;
}
