/* Tables of keys that are set once, as Python sees them. */
#ifndef CHAINNODE_KEYTABLE_H
#define CHAINNODE_KEYTABLE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Add the type `KeyTable` to the module. -1 with an exception set. */
int add_key_table_type(PyObject *module);

#endif
