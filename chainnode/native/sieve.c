/* The filters of a sieve: blocks of 64 bytes, one line of a cache; a key has 6 bits in one of them. What it costs is to wait for memory, so it
 * is asked for ahead, for many keys together. storage/sieve.py says what it is for. */
#include "sieve.h"

#include "runsort.h"

enum { SALT = 32, BLOCK = 64, BITS = 6, IN_BLOCK = BLOCK * 8 - 1, TOGETHER = 32, PARTS_MAX = 32 };

/* Of a filter. */
typedef struct {
    uint8_t *bits;
    size_t size;
} part;

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

static uint8_t *block_of(const part *filter, uint64_t place) {
    return filter->bits + (size_t)((place >> 32) * (filter->size / BLOCK) >> 32) * BLOCK;
}

/* Take hold of a filter; 0 with an exception set when the object is none. */
static int take_part(PyObject *given, Py_buffer *held, part *filter) {
    if (PyObject_GetBuffer(given, held, PyBUF_WRITABLE) < 0) return 0;
    *filter = (part){held->buf, (size_t)held->len};
    if (held->len > 0 && held->len % BLOCK == 0) return 1;
    PyBuffer_Release(held);
    PyErr_SetString(PyExc_ValueError, "a filter has blocks of 64 bytes");
    return 0;
}

static int read_salt(const uint8_t *bytes, Py_ssize_t size, uint64_t *salt) {
    if (size != SALT) {
        PyErr_SetString(PyExc_ValueError, "a salt has 32 bytes");
        return 0;
    }
    for (int i = 0; i < 4; i++) salt[i] = read64(bytes + 8 * (3 - i));
    return 1;
}

PyObject *py_sieve_add(PyObject *self, PyObject *args) {
    PyObject *given;
    const uint8_t *salt_bytes, *entries;
    Py_ssize_t salt_size, size, width;
    uint64_t salt[4];
    Py_buffer held;
    part filter;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy#y#n:sieve_add", &given, &salt_bytes, &salt_size, &entries, &size, &width)) return NULL;
    if (!read_salt(salt_bytes, salt_size, salt)) return NULL;
    if (width < KEY || size % width != 0) {
        PyErr_SetString(PyExc_ValueError, "an entry begins with a key of 32 bytes");
        return NULL;
    }
    if (!take_part(given, &held, &filter)) return NULL;
    for (Py_ssize_t at = 0; at < size;) {
        uint64_t places[TOGETHER];
        int count = 0;
        for (; count < TOGETHER && at < size; count++, at += width) {
            places[count] = place_of(entries + at, salt);
            __builtin_prefetch(block_of(&filter, places[count]), 1);
        }
        for (int k = 0; k < count; k++) {
            uint64_t bit = places[k], step = bit >> 9 | 1;
            uint8_t *block = block_of(&filter, bit);
            for (int i = 0; i < BITS; i++, bit += step) block[(bit & IN_BLOCK) >> 3] |= (uint8_t)(1 << (bit & 7));
        }
    }
    PyBuffer_Release(&held);
    Py_RETURN_NONE;
}

static int may_have(const part *filter, uint64_t place) {
    const uint8_t *block = block_of(filter, place);
    uint64_t bit = place, step = place >> 9 | 1;
    for (int i = 0; i < BITS; i++, bit += step)
        if (!(block[(bit & IN_BLOCK) >> 3] >> (bit & 7) & 1)) return 0;
    return 1;
}

/* Append the position. -1 with an exception set. */
static int append(PyObject *list, Py_ssize_t position) {
    PyObject *number = PyLong_FromSsize_t(position);
    int failed = number == NULL || PyList_Append(list, number) < 0;
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

/* The key at a position, packed or in a tuple; NULL with an exception set when it has not 32 bytes. */
static const uint8_t *key_at(PyObject *keys, Py_ssize_t position) {
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_Check(keys)) return (const uint8_t *)PyBytes_AsString(keys) + position * KEY;
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(keys, position), &bytes, &size) < 0) return NULL;
    if (size == KEY) return (const uint8_t *)bytes;
    PyErr_SetString(PyExc_ValueError, "a key has 32 bytes");
    return NULL;
}

static PyObject *likely(const part *parts, Py_ssize_t part_count, const uint64_t *salt, PyObject *keys, Py_ssize_t count) {
    PyObject *found = PyList_New(0);
    for (Py_ssize_t begin = 0; found != NULL && begin < count; begin += TOGETHER) {
        uint64_t places[TOGETHER];
        int some = count - begin < TOGETHER ? (int)(count - begin) : TOGETHER;
        for (int k = 0; k < some; k++) {
            const uint8_t *key = key_at(keys, begin + k);
            if (key == NULL) {
                Py_DECREF(found);
                return NULL;
            }
            places[k] = place_of(key, salt);
            for (Py_ssize_t i = 0; i < part_count; i++) __builtin_prefetch(block_of(&parts[i], places[k]));
        }
        for (int k = 0; found != NULL && k < some; k++) {
            Py_ssize_t i = 0;
            while (i < part_count && !may_have(&parts[i], places[k])) i++;
            if (i < part_count && append(found, begin + k) < 0) Py_CLEAR(found);
        }
    }
    return found;
}

PyObject *py_sieve_likely(PyObject *self, PyObject *args) {
    PyObject *given_parts, *given_keys, *keys = NULL, *result = NULL;
    const uint8_t *salt_bytes;
    Py_ssize_t salt_size, count = 0;
    uint64_t salt[4];
    Py_buffer held[PARTS_MAX];
    part parts[PARTS_MAX];
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy#O:sieve_likely", &given_parts, &salt_bytes, &salt_size, &given_keys)) return NULL;
    if (!read_salt(salt_bytes, salt_size, salt)) return NULL;
    PyObject *listed = PySequence_Tuple(given_parts);
    if (listed == NULL) return NULL;
    if (PyTuple_Size(listed) > PARTS_MAX) PyErr_SetString(PyExc_ValueError, "a sieve has 32 parts at most");
    else
        while (count < PyTuple_Size(listed) && take_part(PyTuple_GetItem(listed, count), &held[count], &parts[count])) count++;
    if (!PyErr_Occurred()) keys = PyBytes_Check(given_keys) ? Py_NewRef(given_keys) : PySequence_Tuple(given_keys);
    if (keys != NULL && PyBytes_Check(keys) && PyBytes_Size(keys) % KEY != 0) {
        PyErr_SetString(PyExc_ValueError, "a key has 32 bytes");
    } else if (keys != NULL) {
        result = likely(parts, count, salt, keys, PyBytes_Check(keys) ? PyBytes_Size(keys) / KEY : PyTuple_Size(keys));
    }
    while (count > 0) PyBuffer_Release(&held[--count]);
    Py_XDECREF(keys);
    Py_DECREF(listed);
    return result;
}
