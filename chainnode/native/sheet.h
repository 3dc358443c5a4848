/* A batch by columns: what must be known of its transactions, without an object of Python's for each (ADR-0014). */
#ifndef CHAINNODE_SHEET_H
#define CHAINNODE_SHEET_H

#include "transaction.h"

/* A record of evidence: its bytes behind the head of its array, which is one byte, as they stand in a leaf; its digest of 32 bytes. */
typedef struct {
    span middle;
    const uint8_t *digest;
} record_row;

/* All spans and pointers lie in the bytes of the batch, which the owner keeps alive. */
typedef struct {
    span batch;
    size_t count;              /* transactions */
    transaction *taken;        /* of each, tx_id included */
    uint32_t *speaker;         /* of each: the number of its speaker */
    size_t speaker_count;      /* speakers are the same when signers and keys are */
    uint32_t *speaker_example; /* of each speaker: the first transaction that has it */
    /* Since `sheet_take`, when it succeeded: */
    int is_taken;
    size_t record_count;
    record_row *records;   /* of all transactions, one behind the other */
    uint32_t *record_ends; /* of each transaction: the end of its records in `records` */
    span *record_lists;    /* of each transaction: from the first record's head byte to the end of the last record */
} sheet;

/* What is a plain call to put evidence on record. */
typedef struct {
    span contract, method;
    const span *algorithms;
    size_t algorithm_count, records_max, meta_bytes_max;
} record_rules;

#define MEMORY_SHORT (-1)

/* The sheet of a batch, to be freed by `sheet_free`. 0 when Python has to look at the batch, MEMORY_SHORT; then there is nothing to free. */
int sheet_read(span batch, const limits *max, size_t count_max, sheet *out);

/* Find the records: `RecordSheet.take` in sheets.py. 0 when a transaction is something else, MEMORY_SHORT; then the sheet is as before. */
int sheet_take(sheet *one, const record_rules *rules);

/* Free the records; the sheet is as before `sheet_take`. */
void sheet_drop_records(sheet *one);

void sheet_free(sheet *one);

#endif
