/* Blocks of a run, as Python calls for them. */
#ifndef CHAINNODE_RUNBLOCKS_H
#define CHAINNODE_RUNBLOCKS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* write_blocks(entries, entry_bytes) -> (blocks, the first key of each). */
PyObject *py_write_blocks(PyObject *self, PyObject *args);

/* read_blocks(blocks, entry_bytes, first keys) -> the entries in them, or the number of the first that is not as it was written. */
PyObject *py_read_blocks(PyObject *self, PyObject *args);

#endif
