/* What the module offers for transactions and values, beside signatures of items. */
#ifndef CHAINNODE_DECODE_H
#define CHAINNODE_DECODE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "sha256.h"

/* decode(layout, raws): a list with the transaction of each, or the bytes themselves where Python has to look at them. */
PyObject *py_decode(PyObject *self, PyObject *args);

/* decode_batch(layout, batch, count_max): the same for the bytes of a batch; None when these are none. */
PyObject *py_decode_batch(PyObject *self, PyObject *args);

/* decode_value(data, levels): (value,), or None when these are not the canonical bytes of a value with at most so many levels. */
PyObject *py_decode_value(PyObject *self, PyObject *args);

/* encode_value(value, levels): its canonical bytes, or None where Python has to look at it. */
PyObject *py_encode_value(PyObject *self, PyObject *args);

/* A list with the digest of each of the texts. */
PyObject *digests_of(PyObject *texts, const sha256_way *way);

/* sha256_each(texts): the same in the best way. */
PyObject *py_sha256_each(PyObject *self, PyObject *given);

/* verify_transactions(layout, transactions, prefix, tables_bytes_max, use_ifma=HAS_IFMA): a byte for each, 1 when all its signatures
 * of `prefix` and its body count, OTHER_SUITE when Python has to look at them, else 0. */
PyObject *py_verify_transactions(PyObject *self, PyObject *args);

#define OTHER_SUITE 2

#endif
