/* Python's objects of transactions and values, made of their bytes without running Python. */
#ifndef CHAINNODE_OBJECTS_H
#define CHAINNODE_OBJECTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "transaction.h"

#define FIELDS_MAX 6

/* A frozen dataclass with slots, and how to reach each. */
typedef struct {
    PyTypeObject *type;
    PyObject *members[FIELDS_MAX]; /* descriptors, in the order of the fields */
    int fields;
    descrgetfunc get;
    descrsetfunc set;
} shape;

/* What C has to know of Python's side: the classes of types/transaction.py, and the limits. */
typedef struct {
    shape transaction, body, invocation, signature;
    limits max;
} layout;

enum { TRANSACTION_RAW, TRANSACTION_BODY_BYTES, TRANSACTION_TX_ID, TRANSACTION_BODY, TRANSACTION_SIGNATURES };
enum { SIGNATURE_SUITE, SIGNATURE_PUBLIC_KEY, SIGNATURE_SIGNATURE };

/* layout(transaction, body, invocation, signature, limits): a capsule of it. */
PyObject *py_layout(PyObject *self, PyObject *args);

/* The layout in a capsule, for PyArg_ParseTuple's O&. */
int layout_of(PyObject *capsule, void *out);

/* A new reference to a field of an object, whose type must be that of the shape; NULL with TypeError. */
PyObject *field_of(const shape *of, PyObject *object, int field);

/* Short texts and keys that have been made in this call: most transactions name the same few. */
#define POOL_SLOTS 64
typedef struct {
    struct {
        span bytes;
        PyObject *object;
    } slots[POOL_SLOTS];
} pool;

void pool_empty(pool *shared);

/* The value that begins here, which `skip_value` took. NULL with an exception when memory is short. */
PyObject *make_value(reader *in, pool *shared);

/* The object of a transaction that `read_transaction` took. `raw` is its bytes. */
PyObject *make_transaction(const layout *known, const transaction *one, PyObject *raw, pool *shared);

#endif
