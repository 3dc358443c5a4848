/* What a sheet of evidence does, and how it goes to the disk: `RecordSheet` in sheets.py. All here is for a sheet that was taken. */
#ifndef CHAINNODE_RECORDS_H
#define CHAINNODE_RECORDS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "sheet.h"

#define LEAF_HASH 32
#define BEGINNING_BYTES_MAX 65535 /* so that no sum of lengths here can go over */
#define LEAF_ROOM (35 + SHA256_PADDING) /* of a leaf beside its beginning and its middle: the byte before it when it is hashed, the suffix, the padding */

/* `RecordSheet.record` and `RecordSheet.keep`, given their arguments. ValueError when the sheet was not taken. */
PyObject *sheet_record(const sheet *one, PyObject *args);
PyObject *sheet_keep(const sheet *one, PyObject *args);

/* The rest is without Python; `beginnings` has one for each speaker. */

/* The leaf hashes of all records. A room is LEAF_ROOM, the longest beginning and the longest middle; there are SHA256_LANES of them. */
void hash_records(const sheet *one, const span *beginnings, uint8_t *rooms, size_t room_size, uint8_t *hashes);

/* The longest middle of a record. */
size_t longest_middle(const sheet *one);

/* Bytes that all results take at most. */
size_t results_room(const sheet *one);

/* The results of all transactions, one behind the other; where each ends; their leaf hashes. */
void write_results(const sheet *one, uint64_t first, uint8_t *out, size_t *ends, uint8_t *hashes);

/* A place in the batch where the records of a transaction stand. */
typedef struct {
    size_t begin, end;
    uint64_t number; /* of its first record */
    uint32_t count;
} hole;

/* The holes of the batch, at most one for each transaction; how many. */
size_t find_holes(const sheet *one, uint64_t number, hole *holes);

size_t kept_size(const sheet *one, const hole *holes, size_t count);
void write_kept(const sheet *one, const hole *holes, size_t count, uint8_t *out);

/* The value with records `begin` to `end` - 1, the first of which is of transaction `owner`. */
size_t value_size(const sheet *one, const span *beginnings, size_t owner, size_t begin, size_t end);
void write_value_of(const sheet *one, const span *beginnings, size_t owner, size_t begin, size_t end, uint8_t *out);

#endif
