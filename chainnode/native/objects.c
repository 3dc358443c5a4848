/* Objects made of bytes: about 1.5 us for a transaction of one record, which is some 25 of them.
 *
 * A frozen dataclass made by its `__init__` takes 0.85 us for five fields. Here each slot is set through its member descriptor, which
 * is what `object.__setattr__` does in the end; nobody has seen the object yet, so it is as immutable as any.
 * What is made never changes, so it is in no cycle: the collector is told to leave it alone, and need not walk the thousands of
 * transactions that wait for a block again and again.
 */
#include "objects.h"

#include <string.h>

static const char CAPSULE[] = "chainnode.native.layout";

static void shape_clear(shape *of) {
    Py_CLEAR(of->type);
    for (int i = 0; i < FIELDS_MAX; i++) Py_CLEAR(of->members[i]);
}

static int shape_begin(shape *of, PyObject *type, const char *const *names, int fields) {
    if (!PyType_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "a layout is made of classes");
        return 0;
    }
    Py_INCREF(type);
    of->type = (PyTypeObject *)type;
    of->fields = fields;
    of->get = (descrgetfunc)PyType_GetSlot(&PyMemberDescr_Type, Py_tp_descr_get);
    of->set = (descrsetfunc)PyType_GetSlot(&PyMemberDescr_Type, Py_tp_descr_set);
    for (int i = 0; i < fields; i++) {
        of->members[i] = PyObject_GetAttrString(type, names[i]);
        if (of->members[i] == NULL) return 0;
        if (!PyObject_TypeCheck(of->members[i], &PyMemberDescr_Type)) {
            PyErr_SetString(PyExc_TypeError, "a layout is made of classes with slots");
            return 0;
        }
    }
    return 1;
}

static void layout_free(layout *known) {
    shape_clear(&known->transaction);
    shape_clear(&known->body);
    shape_clear(&known->invocation);
    shape_clear(&known->signature);
    PyMem_Free(known);
}

static void capsule_free(PyObject *capsule) {
    layout_free(PyCapsule_GetPointer(capsule, CAPSULE));
}

PyObject *py_layout(PyObject *self, PyObject *args) {
    static const char *const TRANSACTION[] = {"raw", "body_bytes", "tx_id", "body", "signatures"};
    static const char *const BODY[] = {"chain_id", "signers", "nonce", "valid_until_ms", "calls", "memo"};
    static const char *const INVOCATION[] = {"contract", "method", "arguments"};
    static const char *const SIGNATURE[] = {"suite", "public_key", "signature"};
    PyObject *types[4];
    Py_ssize_t max[8];
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOO(nnnnnnnn):layout", &types[0], &types[1], &types[2], &types[3], &max[0], &max[1], &max[2], &max[3],
                          &max[4], &max[5], &max[6], &max[7])) {
        return NULL;
    }
    layout *known = PyMem_Calloc(1, sizeof *known);
    if (known == NULL) return PyErr_NoMemory();
    known->max = (limits){(size_t)max[0], (size_t)max[1], (size_t)max[2], (size_t)max[3],
                          (size_t)max[4], (size_t)max[5], (size_t)max[6], (size_t)max[7]};
    int is_whole = shape_begin(&known->transaction, types[0], TRANSACTION, 5) && shape_begin(&known->body, types[1], BODY, 6) &&
                   shape_begin(&known->invocation, types[2], INVOCATION, 3) && shape_begin(&known->signature, types[3], SIGNATURE, 3);
    if (is_whole && (max[1] > SIGNERS_ROOM || max[7] < CALL_DEPTH || max[7] > 100)) {
        PyErr_SetString(PyExc_ValueError, "limits that there is no room for");
        is_whole = 0;
    }
    PyObject *capsule = is_whole ? PyCapsule_New(known, CAPSULE, capsule_free) : NULL;
    if (capsule == NULL) layout_free(known);
    return capsule;
}

int layout_of(PyObject *capsule, void *out) {
    *(layout **)out = PyCapsule_GetPointer(capsule, CAPSULE);
    return *(layout **)out != NULL;
}

PyObject *field_of(const shape *of, PyObject *object, int field) {
    if (!Py_IS_TYPE(object, of->type)) {
        PyErr_SetString(PyExc_TypeError, "an object of another class than the layout's");
        return NULL;
    }
    return of->get(of->members[field], object, (PyObject *)of->type);
}

/* An object with these fields, which are given away; NULL when one of them is. */
static PyObject *make(const shape *of, PyObject *const *fields) {
    PyObject *made = NULL;
    int is_whole = 1;
    for (int i = 0; i < of->fields; i++) is_whole &= fields[i] != NULL;
    if (is_whole) made = PyType_GenericAlloc(of->type, 0);
    for (int i = 0; i < of->fields; i++) {
        if (made != NULL && of->set(of->members[i], made, fields[i]) < 0) Py_CLEAR(made);
        Py_XDECREF(fields[i]);
    }
    if (made != NULL) PyObject_GC_UnTrack(made);
    return made;
}

void pool_empty(pool *shared) {
    for (int i = 0; i < POOL_SLOTS; i++) Py_CLEAR(shared->slots[i].object);
}

static PyObject *new_bytes(span bytes) {
    return PyBytes_FromStringAndSize((const char *)bytes.at, (Py_ssize_t)bytes.size);
}

static PyObject *new_text(span text) {
    return PyUnicode_FromStringAndSize((const char *)text.at, (Py_ssize_t)text.size);
}

/* What was made of the same bytes before in this call, or `make_new` of them. */
static PyObject *pooled(pool *shared, span bytes, PyObject *(*make_new)(span), PyTypeObject *type) {
    uint64_t first = 0, last = 0;
    if (bytes.size > 64) return make_new(bytes);
    if (bytes.size >= 8) {
        memcpy(&first, bytes.at, 8);
        memcpy(&last, bytes.at + bytes.size - 8, 8);
    } else {
        memcpy(&first, bytes.at, bytes.size);
    }
    size_t slot = (size_t)(((first ^ last * 31) + bytes.size) * UINT64_C(0x9e3779b97f4a7c15) >> 58);
    PyObject *known = shared->slots[slot].object;
    span same = shared->slots[slot].bytes;
    if (known == NULL || !Py_IS_TYPE(known, type) || same.size != bytes.size || memcmp(same.at, bytes.at, bytes.size) != 0) {
        PyObject *made = make_new(bytes);
        if (made == NULL) return NULL;
        Py_XDECREF(known);
        shared->slots[slot].object = known = made;
        shared->slots[slot].bytes = bytes;
    }
    Py_INCREF(known);
    return known;
}

static PyObject *shared_text(pool *shared, span text) {
    return pooled(shared, text, new_text, &PyUnicode_Type);
}

/* A tuple of so many elements, each made by `next`. */
static PyObject *make_tuple(reader *in, uint64_t count, PyObject *(*next)(reader *, const layout *, pool *), const layout *known, pool *shared) {
    PyObject *made = PyTuple_New((Py_ssize_t)count);
    for (uint64_t i = 0; made != NULL && i < count; i++) {
        PyObject *element = next(in, known, shared);
        if (element == NULL || PyTuple_SetItem(made, (Py_ssize_t)i, element) < 0) Py_CLEAR(made);
    }
    if (made != NULL) PyObject_GC_UnTrack(made);
    return made;
}

static PyObject *next_value(reader *in, const layout *known, pool *shared) {
    (void)known;
    return make_value(in, shared);
}

static PyObject *make_map(reader *in, uint64_t count, pool *shared) {
    PyObject *made = PyDict_New();
    for (uint64_t i = 0; made != NULL && i < count; i++) {
        token text;
        read_token(in, &text);
        PyObject *key = shared_text(shared, text.content), *value = key == NULL ? NULL : make_value(in, shared);
        if (value == NULL || PyDict_SetItem(made, key, value) < 0) Py_CLEAR(made);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return made;
}

PyObject *make_value(reader *in, pool *shared) {
    token one;
    int64_t negative;
    read_token(in, &one);
    switch (one.kind) {
    case NIL: Py_RETURN_NONE;
    case FALSE_: Py_RETURN_FALSE;
    case TRUE_: Py_RETURN_TRUE;
    case NATURAL: return PyLong_FromUnsignedLongLong(one.number);
    case NEGATIVE: memcpy(&negative, &one.number, sizeof negative); return PyLong_FromLongLong(negative);
    case TEXT: return shared_text(shared, one.content);
    case BYTES: return new_bytes(one.content);
    case ARRAY: return make_tuple(in, one.number, next_value, NULL, shared);
    case MAP: return make_map(in, one.number, shared);
    }
    Py_UNREACHABLE();
}

static PyObject *next_text(reader *in, const layout *known, pool *shared) {
    token one;
    (void)known;
    read_token(in, &one);
    return shared_text(shared, one.content);
}

static PyObject *next_signature(reader *in, const layout *known, pool *shared) {
    token row, suite, key, signature;
    read_token(in, &row);
    read_token(in, &suite);
    read_token(in, &key);
    read_token(in, &signature);
    PyObject *fields[] = {shared_text(shared, suite.content), pooled(shared, key.content, new_bytes, &PyBytes_Type),
                          new_bytes(signature.content)};
    return make(&known->signature, fields);
}

static PyObject *next_call(reader *in, const layout *known, pool *shared) {
    token row, contract, method;
    read_token(in, &row);
    read_token(in, &contract);
    read_token(in, &method);
    PyObject *fields[] = {shared_text(shared, contract.content), shared_text(shared, method.content), make_value(in, shared)};
    return make(&known->invocation, fields);
}

static PyObject *make_body(const layout *known, const transaction *one, pool *shared) {
    reader signers = reader_of(one->signers), calls = reader_of(one->calls);
    PyObject *fields[] = {
        shared_text(shared, one->chain_id),
        make_tuple(&signers, one->signer_count, next_text, known, shared),
        new_bytes(one->nonce),
        PyLong_FromUnsignedLongLong(one->valid_until_ms),
        make_tuple(&calls, one->call_count, next_call, known, shared),
        shared_text(shared, one->memo),
    };
    return make(&known->body, fields);
}

PyObject *make_transaction(const layout *known, const transaction *one, PyObject *raw, pool *shared) {
    reader signatures = reader_of(one->signatures);
    Py_INCREF(raw);
    PyObject *fields[] = {
        raw,
        new_bytes(one->body),
        PyBytes_FromStringAndSize((const char *)one->tx_id, 32),
        make_body(known, one, shared),
        make_tuple(&signatures, one->signer_count, next_signature, known, shared),
    };
    return make(&known->transaction, fields);
}
