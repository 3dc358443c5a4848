/* Filters of a sieve, as Python calls for them. */
#ifndef CHAINNODE_SIEVE_H
#define CHAINNODE_SIEVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* sieve_add(part, salt, entries, entry_bytes) -> None: set the bits of the keys with which the entries begin. */
PyObject *py_sieve_add(PyObject *self, PyObject *args);

/* sieve_likely(parts, salt, keys) -> the positions of the keys that may have been added to one of the parts. */
PyObject *py_sieve_likely(PyObject *self, PyObject *args);

#endif
