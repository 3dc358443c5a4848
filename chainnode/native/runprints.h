/* Prints of the entries of a run, as Python calls for them. */
#ifndef CHAINNODE_RUNPRINTS_H
#define CHAINNODE_RUNPRINTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* prints(entries, entry_bytes, tables) -> the first bytes of the prints of the entries' keys, then the second ones. */
PyObject *py_prints(PyObject *self, PyObject *args);

/* places(firsts, prints, in_block, keys, prints of these) -> (position, entry) for each entry of a key's block that has the print of the key. */
PyObject *py_places(PyObject *self, PyObject *args);

#endif
