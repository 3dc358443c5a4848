/* Blocks of a run: 4,096 bytes, as many entries as fit, zeros, a checksum. The plain twin is storage/runblocks.py. */
#include "runblocks.h"

#include <string.h>

#include "crc32.h"
#include "runsort.h"

enum { WHOLE = 4096, USABLE = WHOLE - 4 };

static void put_sum(uint8_t *block) {
    uint32_t sum = crc32_of(block, USABLE, 0);
    for (int i = 0; i < 4; i++) block[USABLE + i] = (uint8_t)(sum >> (24 - 8 * i));
}

static int has_its_sum(const uint8_t *block) {
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++) sum = sum << 8 | block[USABLE + i];
    return crc32_of(block, USABLE, 0) == sum;
}

static int is_width(Py_ssize_t width) {
    if (width > KEY && width <= USABLE) return 1;
    PyErr_SetString(PyExc_ValueError, "an entry has a key of 32 bytes and a value, and fits into a block");
    return 0;
}

PyObject *py_write_blocks(PyObject *self, PyObject *args) {
    const uint8_t *entries;
    Py_ssize_t size, width;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#n:write_blocks", &entries, &size, &width) || !is_width(width)) return NULL;
    if (size % width != 0) {
        PyErr_SetString(PyExc_ValueError, "entries are whole");
        return NULL;
    }
    Py_ssize_t filled = USABLE / width * width, count = (size + filled - 1) / filled;
    PyObject *blocks = PyBytes_FromStringAndSize(NULL, count * WHOLE), *firsts = PyBytes_FromStringAndSize(NULL, count * KEY), *made = NULL;
    if (blocks != NULL && firsts != NULL) {
        uint8_t *block = (uint8_t *)PyBytes_AsString(blocks), *first = (uint8_t *)PyBytes_AsString(firsts);
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t at = 0; at < size; at += filled, block += WHOLE, first += KEY) {
            Py_ssize_t some = size - at < filled ? size - at : filled;
            memcpy(block, entries + at, (size_t)some);
            memset(block + some, 0, (size_t)(USABLE - some));
            memcpy(first, block, KEY);
            put_sum(block);
        }
        Py_END_ALLOW_THREADS
        made = PyTuple_Pack(2, blocks, firsts);
    }
    Py_XDECREF(blocks);
    Py_XDECREF(firsts);
    return made;
}

PyObject *py_read_blocks(PyObject *self, PyObject *args) {
    const uint8_t *blocks, *firsts;
    Py_ssize_t size, width, firsts_size;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#ny#:read_blocks", &blocks, &size, &width, &firsts, &firsts_size) || !is_width(width)) return NULL;
    if (size % WHOLE != 0 || size / WHOLE * KEY != firsts_size) {
        PyErr_SetString(PyExc_ValueError, "blocks are whole, and each has a first key");
        return NULL;
    }
    Py_ssize_t filled = USABLE / width * width, count = size / WHOLE, damaged = -1;
    PyObject *made = PyBytes_FromStringAndSize(NULL, count * filled);
    if (made == NULL) return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AsString(made);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count && damaged < 0; i++) {
        const uint8_t *block = blocks + i * WHOLE;
        if (!has_its_sum(block) || memcmp(block, firsts + i * KEY, KEY) != 0) damaged = i;
        memcpy(out + i * filled, block, (size_t)filled);
    }
    Py_END_ALLOW_THREADS
    if (damaged < 0) return made;
    Py_DECREF(made);
    return PyLong_FromSsize_t(damaged);
}
