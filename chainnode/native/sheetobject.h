/* The Python type `Sheet`: a batch by columns, which never changes but for the records that `take` finds. */
#ifndef CHAINNODE_SHEETOBJECT_H
#define CHAINNODE_SHEETOBJECT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* What the module holds for itself. */
typedef struct {
    PyObject *sheet_type;
} module_state;

/* Make the type. -1 with an exception set. */
int add_sheet_type(PyObject *module);

/* read_sheet(layout, batch, count_max): a Sheet, or None where Python has to look at the batch. */
PyObject *py_read_sheet(PyObject *module, PyObject *args);

#endif
