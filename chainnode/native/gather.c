/* The signatures of many transactions, gathered from Python's objects and verified outside the interpreter's lock.
 *
 * Keys, signatures and messages are copied into one block of memory, so that nothing of Python's is looked at without the lock.
 */
#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "objects.h"

typedef struct {
    PyObject **held; /* of each transaction its body's bytes and its signatures */
    size_t count;    /* of transactions */
    item *items;
    size_t *owners; /* the transaction of each item */
    size_t item_count, item_room;
    uint8_t *bytes, *verdicts; /* room for what is verified; a byte for each item */
    size_t bytes_size;
} gathered;

/* Hold the parts of each transaction, and count what room they take. 0 with an exception set. */
static int hold(gathered *all, const layout *known, PyObject *rows, size_t prefix_size) {
    for (size_t i = 0; i < all->count; i++) {
        PyObject *row = PyTuple_GetItem(rows, (Py_ssize_t)i);
        PyObject *body = all->held[2 * i] = field_of(&known->transaction, row, TRANSACTION_BODY_BYTES);
        if (body == NULL) return 0;
        PyObject *signatures = all->held[2 * i + 1] = field_of(&known->transaction, row, TRANSACTION_SIGNATURES);
        if (signatures == NULL) return 0;
        if (!PyBytes_Check(body) || !PyTuple_Check(signatures)) {
            PyErr_SetString(PyExc_TypeError, "a transaction has bytes of a body, and a tuple of signatures");
            return 0;
        }
        all->item_room += (size_t)PyTuple_Size(signatures);
        all->bytes_size += prefix_size + (size_t)PyBytes_Size(body) + 96 * (size_t)PyTuple_Size(signatures);
    }
    return 1;
}

/* A field of bytes copied to `to` when it has `size`; 1 when it has, 0 when not, -1 with an exception set. */
static int copy_field(uint8_t *to, const layout *known, PyObject *signature, int field, Py_ssize_t size) {
    PyObject *bytes = field_of(&known->signature, signature, field);
    char *content;
    Py_ssize_t found;
    int is_copied = bytes == NULL || PyBytes_AsStringAndSize(bytes, &content, &found) < 0 ? -1 : found == size;
    if (is_copied == 1) memcpy(to, content, (size_t)size);
    Py_XDECREF(bytes);
    return is_copied;
}

/* One signature over `message`, which lies before `*to`: what it says of the transaction, 1 when that is left to `verify_items`; -1. */
static int gather_one(gathered *all, const layout *known, PyObject *signature, uint8_t **to, span message, size_t owner) {
    uint8_t *key = *to, *rest = *to + 32;
    PyObject *suite = field_of(&known->signature, signature, SIGNATURE_SUITE);
    if (suite == NULL || !PyUnicode_Check(suite)) {
        if (suite != NULL) PyErr_SetString(PyExc_TypeError, "a suite is text");
        Py_XDECREF(suite);
        return -1;
    }
    int is_ours = PyUnicode_CompareWithASCIIString(suite, "e") == 0;
    Py_DECREF(suite);
    if (!is_ours) return OTHER_SUITE;
    int is_long = copy_field(key, known, signature, SIGNATURE_PUBLIC_KEY, 32);
    if (is_long == 1) is_long = copy_field(rest, known, signature, SIGNATURE_SIGNATURE, 64);
    if (is_long != 1) return is_long;
    all->items[all->item_count] = (item){
        .key = key, .signature = rest, .message = message.at, .length = message.size, .verdict = &all->verdicts[all->item_count]};
    all->owners[all->item_count++] = owner;
    *to += 96;
    return 1;
}

/* Copy prefix and body, then keys and signatures, of each transaction. 0 with an exception set. */
static int gather(gathered *all, const layout *known, span prefix, uint8_t *marks) {
    uint8_t *to = all->bytes;
    for (size_t i = 0; i < all->count; i++) {
        PyObject *body = all->held[2 * i], *signatures = all->held[2 * i + 1];
        span message = {to, prefix.size + (size_t)PyBytes_Size(body)};
        memcpy(to, prefix.at, prefix.size);
        memcpy(to + prefix.size, PyBytes_AsString(body), message.size - prefix.size);
        to += message.size;
        marks[i] = 1;
        for (Py_ssize_t k = 0; k < PyTuple_Size(signatures); k++) {
            int mark = gather_one(all, known, PyTuple_GetItem(signatures, k), &to, message, i);
            if (mark < 0) return 0;
            if (mark == OTHER_SUITE || (mark == 0 && marks[i] == 1)) marks[i] = (uint8_t)mark;
        }
    }
    return 1;
}

static int verify_gathered(gathered *all, size_t tables_bytes_max, int use_ifma, uint8_t *marks) {
    if (!verify_items(all->items, all->item_count, tables_bytes_max, use_ifma)) return 0;
    for (size_t i = 0; i < all->item_count; i++) {
        uint8_t *mark = &marks[all->owners[i]];
        if (!all->verdicts[i] && *mark == 1) *mark = 0;
    }
    return 1;
}

/* The marks of the transactions in a tuple. */
static PyObject *verify_rows(gathered *all, const layout *known, PyObject *rows, span prefix, size_t tables_bytes_max, int use_ifma) {
    all->count = (size_t)PyTuple_Size(rows);
    all->held = calloc(2 * all->count + 1, sizeof *all->held);
    if (all->held == NULL) return PyErr_NoMemory();
    if (!hold(all, known, rows, prefix.size)) return NULL;
    all->items = malloc((all->item_room + 1) * sizeof *all->items);
    all->owners = malloc((all->item_room + 1) * sizeof *all->owners);
    all->verdicts = calloc(all->item_room + 1, 1);
    all->bytes = malloc(all->bytes_size + 1);
    PyObject *marks = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)all->count);
    if (all->items == NULL || all->owners == NULL || all->verdicts == NULL || all->bytes == NULL || marks == NULL) {
        Py_XDECREF(marks);
        return PyErr_NoMemory();
    }
    uint8_t *each = (uint8_t *)PyBytes_AsString(marks);
    if (!gather(all, known, prefix, each)) {
        Py_DECREF(marks);
        return NULL;
    }
    int is_done;
    Py_BEGIN_ALLOW_THREADS;
    is_done = verify_gathered(all, tables_bytes_max, use_ifma, each);
    Py_END_ALLOW_THREADS;
    if (is_done) return marks;
    Py_DECREF(marks);
    return PyErr_NoMemory();
}

PyObject *py_verify_transactions(PyObject *self, PyObject *args) {
    layout *known;
    PyObject *given;
    span prefix;
    Py_ssize_t prefix_size, tables_bytes_max;
    int use_ifma = has_ifma();
    gathered all = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "O&Oy#n|p:verify_transactions", layout_of, &known, &given, &prefix.at, &prefix_size, &tables_bytes_max,
                          &use_ifma)) {
        return NULL;
    }
    prefix.size = (size_t)prefix_size;
    PyObject *rows = PySequence_Tuple(given);
    if (rows == NULL) return NULL;
    size_t room = tables_bytes_max < 0 ? 0 : (size_t)tables_bytes_max;
    PyObject *marks = verify_rows(&all, known, rows, prefix, room, use_ifma && has_ifma());
    for (size_t i = 0; all.held != NULL && i < 2 * all.count; i++) Py_XDECREF(all.held[i]);
    free(all.held);
    free(all.items);
    free(all.owners);
    free(all.verdicts);
    free(all.bytes);
    Py_DECREF(rows);
    return marks;
}
