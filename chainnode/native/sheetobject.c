/* Sheets as Python sees them: each question is answered for all transactions in one call, and only answers are made into objects. */
#include "sheetobject.h"

#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "objects.h"
#include "records.h"
#include "sha256.h"

/* With less to do it is cheaper to keep the interpreter's lock than to ask for it again while other threads are at work. */
#define WORTH_LETTING_GO (16 * 1024)
#define DIGEST_SIZE 32

typedef struct {
    PyObject_HEAD
    sheet columns;
    PyObject *batch; /* the bytes that the columns point into */
} sheet_object;

static const sheet *columns_of(PyObject *self) {
    return &((sheet_object *)self)->columns;
}

static PyThreadState *let_go(const sheet *one) {
    return one->batch.size < WORTH_LETTING_GO ? NULL : PyEval_SaveThread();
}

static void take_back(PyThreadState *state) {
    if (state != NULL) PyEval_RestoreThread(state);
}

static PyObject *new_bytes(const uint8_t *at, size_t size) {
    return PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)size);
}

static PyObject *new_text(span text) {
    return PyUnicode_FromStringAndSize((const char *)text.at, (Py_ssize_t)text.size);
}

PyObject *py_read_sheet(PyObject *module, PyObject *args) {
    layout *known;
    PyObject *given;
    Py_ssize_t count_max;
    sheet columns;
    if (!PyArg_ParseTuple(args, "O&On:read_sheet", layout_of, &known, &given, &count_max)) return NULL;
    if (!Py_IS_TYPE(given, &PyBytes_Type) || count_max < 0) Py_RETURN_NONE;
    span batch = {(const uint8_t *)PyBytes_AsString(given), (size_t)PyBytes_Size(given)};
    PyThreadState *state = let_go(&(sheet){.batch = batch});
    int found = sheet_read(batch, &known->max, (size_t)count_max, &columns);
    take_back(state);
    if (found == MEMORY_SHORT) return PyErr_NoMemory();
    if (!found) Py_RETURN_NONE;
    module_state *ours = PyModule_GetState(module);
    sheet_object *made = (sheet_object *)PyType_GenericAlloc((PyTypeObject *)ours->sheet_type, 0);
    if (made == NULL) {
        sheet_free(&columns);
        return NULL;
    }
    made->columns = columns;
    made->batch = Py_NewRef(given);
    return (PyObject *)made;
}

static void sheet_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    sheet_free(&((sheet_object *)self)->columns);
    Py_CLEAR(((sheet_object *)self)->batch);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *sheet_ids(PyObject *self, PyObject *ignored) {
    const sheet *one = columns_of(self);
    PyObject *made = PyTuple_New((Py_ssize_t)one->count);
    (void)ignored;
    for (size_t i = 0; made != NULL && i < one->count; i++) {
        PyObject *id = new_bytes(one->taken[i].tx_id, 32);
        if (id == NULL || PyTuple_SetItem(made, (Py_ssize_t)i, id) < 0) Py_CLEAR(made);
    }
    return made;
}

static PyObject *sheet_chain_id(PyObject *self, PyObject *ignored) {
    const sheet *one = columns_of(self);
    span first = one->taken[0].chain_id;
    (void)ignored;
    for (size_t i = 1; i < one->count; i++) {
        span other = one->taken[i].chain_id;
        if (other.size != first.size || memcmp(other.at, first.at, first.size) != 0) Py_RETURN_NONE;
    }
    return new_text(first);
}

static PyObject *sheet_valid_until_ms(PyObject *self, PyObject *ignored) {
    const sheet *one = columns_of(self);
    uint64_t least = one->taken[0].valid_until_ms, greatest = least;
    (void)ignored;
    for (size_t i = 1; i < one->count; i++) {
        uint64_t time = one->taken[i].valid_until_ms;
        if (time < least) least = time;
        if (time > greatest) greatest = time;
    }
    return Py_BuildValue("(KK)", (unsigned long long)least, (unsigned long long)greatest);
}

static PyObject *sheet_longest(PyObject *self, PyObject *ignored) {
    const sheet *one = columns_of(self);
    size_t longest = 0;
    (void)ignored;
    for (size_t i = 0; i < one->count; i++) {
        if (one->taken[i].raw.size > longest) longest = one->taken[i].raw.size;
    }
    return PyLong_FromSize_t(longest);
}

/* (signers, ((suite, key), ...)) of a transaction. */
static PyObject *make_speaker(const transaction *one) {
    reader signers = reader_of(one->signers), signatures = reader_of(one->signatures);
    PyObject *names = PyTuple_New((Py_ssize_t)one->signer_count), *keys = PyTuple_New((Py_ssize_t)one->signer_count), *made = NULL;
    for (size_t i = 0; names != NULL && keys != NULL && i < one->signer_count; i++) {
        token name, row, suite, key, signature;
        read_token(&signers, &name);
        read_token(&signatures, &row);
        read_token(&signatures, &suite);
        read_token(&signatures, &key);
        read_token(&signatures, &signature);
        PyObject *text = new_text(name.content);
        if (text == NULL || PyTuple_SetItem(names, (Py_ssize_t)i, text) < 0) goto done;
        PyObject *pair = Py_BuildValue("(s#y#)", suite.content.at, (Py_ssize_t)suite.content.size, key.content.at,
                                       (Py_ssize_t)key.content.size);
        if (pair == NULL || PyTuple_SetItem(keys, (Py_ssize_t)i, pair) < 0) goto done;
    }
    if (names != NULL && keys != NULL) made = PyTuple_Pack(2, names, keys);
done:
    Py_XDECREF(names);
    Py_XDECREF(keys);
    return made;
}

static PyObject *sheet_speakers(PyObject *self, PyObject *ignored) {
    const sheet *one = columns_of(self);
    PyObject *made = PyTuple_New((Py_ssize_t)one->speaker_count);
    (void)ignored;
    for (size_t i = 0; made != NULL && i < one->speaker_count; i++) {
        PyObject *speaker = make_speaker(&one->taken[one->speaker_example[i]]);
        if (speaker == NULL || PyTuple_SetItem(made, (Py_ssize_t)i, speaker) < 0) Py_CLEAR(made);
    }
    return made;
}

static PyObject *sheet_raw_digests(PyObject *self, PyObject *ignored) {
    const sheet *one = columns_of(self);
    uint8_t(*digests)[32] = malloc(one->count * sizeof *digests);
    (void)ignored;
    if (digests == NULL) return PyErr_NoMemory();
    PyThreadState *state = let_go(one);
    sha256_queue queue = {.way = sha256_best()};
    for (size_t i = 0; i < one->count; i++) sha256_put(&queue, digests[i], one->taken[i].raw.at, one->taken[i].raw.size);
    sha256_finish(&queue);
    take_back(state);
    PyObject *made = PyList_New((Py_ssize_t)one->count);
    for (size_t i = 0; made != NULL && i < one->count; i++) {
        PyObject *digest = new_bytes(digests[i], 32);
        if (digest == NULL || PyList_SetItem(made, (Py_ssize_t)i, digest) < 0) Py_CLEAR(made);
    }
    free(digests);
    return made;
}

/* Verify all signatures over `prefix` and body: a mark for each transaction, 1 when all its signatures count. 0 when memory is short. */
static int verify_columns(const sheet *one, span prefix, size_t tables_bytes_max, int use_ifma, uint8_t *marks) {
    size_t total = 0, next = 0;
    for (size_t i = 0; i < one->count; i++) total += one->taken[i].signer_count;
    item *items = malloc(total * sizeof *items);
    uint8_t *verdicts = calloc(total, 1);
    int is_done = items != NULL && verdicts != NULL;
    for (size_t i = 0; is_done && i < one->count; i++) {
        const transaction *tx = &one->taken[i];
        reader in = reader_of(tx->signatures);
        for (size_t k = 0; k < tx->signer_count; k++) {
            token row, suite, key, signature;
            read_token(&in, &row);
            read_token(&in, &suite);
            read_token(&in, &key);
            read_token(&in, &signature);
            items[next] = (item){key.content.at, signature.content.at, prefix.at, prefix.size, tx->body.at, tx->body.size, &verdicts[next]};
            next++;
        }
    }
    if (is_done) is_done = verify_items(items, total, tables_bytes_max, use_ifma);
    next = 0;
    for (size_t i = 0; is_done && i < one->count; i++) {
        marks[i] = 1;
        for (size_t k = 0; k < one->taken[i].signer_count; k++) marks[i] &= verdicts[next++];
    }
    free(items);
    free(verdicts);
    return is_done;
}

static PyObject *sheet_verify(PyObject *self, PyObject *args) {
    const sheet *one = columns_of(self);
    const uint8_t *prefix;
    Py_ssize_t prefix_size, tables_bytes_max;
    int use_ifma = has_ifma(), is_done;
    if (!PyArg_ParseTuple(args, "y#n|p:verify", &prefix, &prefix_size, &tables_bytes_max, &use_ifma)) return NULL;
    PyObject *marks = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)one->count);
    if (marks == NULL) return NULL;
    uint8_t *each = (uint8_t *)PyBytes_AsString(marks);
    size_t room = tables_bytes_max < 0 ? 0 : (size_t)tables_bytes_max;
    Py_BEGIN_ALLOW_THREADS;
    is_done = verify_columns(one, (span){prefix, (size_t)prefix_size}, room, use_ifma && has_ifma(), each);
    Py_END_ALLOW_THREADS;
    if (is_done) return marks;
    Py_DECREF(marks);
    return PyErr_NoMemory();
}

/* The UTF-8 bytes of each text in a tuple, which keeps them; NULL with an exception set. */
static span *texts_of(PyObject *texts) {
    Py_ssize_t count = PyTuple_Size(texts), size;
    span *spans = malloc(((size_t)count + 1) * sizeof *spans);
    if (spans == NULL) PyErr_NoMemory();
    for (Py_ssize_t i = 0; spans != NULL && i < count; i++) {
        const char *text = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(texts, i), &size);
        if (text == NULL) {
            free(spans);
            return NULL;
        }
        spans[i] = (span){(const uint8_t *)text, (size_t)size};
    }
    return spans;
}

/* All digests, one behind the other: a column of `keytable.py`. */
static PyObject *pack_digests(const sheet *one) {
    PyObject *made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)one->record_count * DIGEST_SIZE);
    if (made == NULL) return NULL;
    char *to = PyBytes_AsString(made);
    for (size_t i = 0; i < one->record_count; i++) memcpy(to + i * DIGEST_SIZE, one->records[i].digest, DIGEST_SIZE);
    return made;
}

/* Find the records aside, without the lock; then put them in place, unless another thread has: whatever the rules, they are the same. */
static PyObject *take_records(sheet *one, const record_rules *rules) {
    sheet aside = *one;
    aside.records = NULL;
    aside.record_ends = NULL;
    aside.record_lists = NULL;
    PyThreadState *state = let_go(one);
    int found = sheet_take(&aside, rules);
    take_back(state);
    if (found == MEMORY_SHORT) return PyErr_NoMemory();
    if (!found) Py_RETURN_NONE;
    if (one->is_taken) {
        sheet_drop_records(&aside);
    } else { /* the records alone: who verifies has no lock and reads the other columns meanwhile */
        one->records = aside.records;
        one->record_ends = aside.record_ends;
        one->record_lists = aside.record_lists;
        one->record_count = aside.record_count;
        one->is_taken = 1;
    }
    return pack_digests(one);
}

static PyObject *py_take(PyObject *self, PyObject *args) {
    Py_ssize_t records_max, meta_bytes_max;
    PyObject *contract, *method, *given, *found = NULL;
    if (!PyArg_ParseTuple(args, "UUOnn:take", &contract, &method, &given, &records_max, &meta_bytes_max)) return NULL;
    if (records_max < 0 || meta_bytes_max < 0) Py_RETURN_NONE;
    PyObject *algorithms = PySequence_Tuple(given);
    if (algorithms == NULL) return NULL;
    PyObject *call = PyTuple_Pack(2, contract, method);
    span *names = texts_of(algorithms), *words = call == NULL || names == NULL ? NULL : texts_of(call);
    if (words != NULL) {
        record_rules rules = {words[0], words[1], names, (size_t)PyTuple_Size(algorithms), (size_t)records_max, (size_t)meta_bytes_max};
        found = take_records(&((sheet_object *)self)->columns, &rules);
    }
    free(words);
    free(names);
    Py_XDECREF(call);
    Py_DECREF(algorithms);
    return found;
}

static PyObject *py_record(PyObject *self, PyObject *args) {
    return sheet_record(columns_of(self), args);
}

static PyObject *py_keep(PyObject *self, PyObject *args) {
    return sheet_keep(columns_of(self), args);
}

static PyMethodDef METHODS[] = {
    {"ids", sheet_ids, METH_NOARGS, "ids() -> the tx id of each transaction"},
    {"chain_id", sheet_chain_id, METH_NOARGS, "chain_id() -> the chain that all are for, or None"},
    {"valid_until_ms", sheet_valid_until_ms, METH_NOARGS, "valid_until_ms() -> (least, greatest)"},
    {"longest", sheet_longest, METH_NOARGS, "longest() -> bytes of the longest transaction"},
    {"speakers", sheet_speakers, METH_NOARGS, "speakers() -> (signers, ((suite, key), ...)) of each speaker, in order of appearance"},
    {"raw_digests", sheet_raw_digests, METH_NOARGS, "raw_digests() -> list of the SHA-256 of each transaction"},
    {"verify", sheet_verify, METH_VARARGS, "verify(prefix, tables_bytes_max, use_ifma=HAS_IFMA) -> one byte for each transaction"},
    {"take", py_take, METH_VARARGS, "take(contract, method, algorithms, records_max, meta_bytes_max) -> the digests, joined, or None"},
    {"record", py_record, METH_VARARGS, "record(beginnings, first) -> (leaf hashes, list of results, leaf hashes of results)"},
    {"keep", py_keep, METH_VARARGS, "keep(beginnings, number, chunk) -> (batch as kept, list of (leaves, value))"},
    {NULL, NULL, 0, NULL},
};

int add_sheet_type(PyObject *module) {
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)sheet_dealloc},
        {Py_tp_methods, METHODS},
        {Py_tp_doc, (void *)"A batch by columns (ADR-0014)."},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "chainnode.native._verify.Sheet",
        .basicsize = sizeof(sheet_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    module_state *ours = PyModule_GetState(module);
    ours->sheet_type = PyType_FromModuleAndSpec(module, &spec, NULL);
    return ours->sheet_type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)ours->sheet_type);
}
