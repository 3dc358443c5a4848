/* The columns of a batch: about 0.24 us a transaction of 450 bytes, half of which is the SHA-256 of its body.
 *
 * `read_transaction` has looked at every byte before anything here reads it: what is canonical has one form, and can be compared as bytes.
 */
#include "sheet.h"

#include <stdlib.h>
#include <string.h>

#include "sha256.h"

#define SIGNATURE_SIZE 103 /* 93, a1 and the suite, c4 20 and the key, c4 40 and the signature */
#define KEY_AT 5
#define KEY_SIZE 32

static int is_same(span one, span other) {
    return one.size == other.size && memcmp(one.at, other.at, one.size) == 0;
}

static const uint8_t *key_of(const transaction *one, size_t signer) {
    return one->signatures.at + signer * SIGNATURE_SIZE + KEY_AT;
}

static int is_same_speaker(const transaction *one, const transaction *other) {
    if (!is_same(one->signers, other->signers)) return 0;
    for (size_t i = 0; i < one->signer_count; i++) {
        if (memcmp(key_of(one, i), key_of(other, i), KEY_SIZE) != 0) return 0;
    }
    return 1;
}

static uint64_t mixed(uint64_t mark, span bytes) {
    uint64_t word;
    for (size_t i = 0; i < bytes.size; i += sizeof word) {
        size_t left = bytes.size - i;
        word = 0;
        memcpy(&word, bytes.at + i, left < sizeof word ? left : sizeof word);
        mark = (mark ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        mark ^= mark >> 32;
    }
    return mark;
}

/* A number for the slot of a speaker. Whoever makes those of a thousand fall together has each compared with the others: a few ms. */
static uint64_t speaker_mark(const transaction *one) {
    uint64_t mark = mixed(one->signers.size, one->signers);
    for (size_t i = 0; i < one->signer_count; i++) mark = mixed(mark, (span){key_of(one, i), KEY_SIZE});
    return mark;
}

/* Number the speakers in order of appearance. 0 when memory is short. */
static int find_speakers(sheet *one) {
    size_t room = 2;
    while (room < 2 * one->count) room *= 2;
    uint32_t *slots = calloc(room, sizeof *slots); /* the number of a speaker and one; 0: free */
    if (slots == NULL) return 0;
    for (size_t i = 0; i < one->count; i++) {
        const transaction *tx = &one->taken[i];
        if (i > 0 && is_same_speaker(tx, &one->taken[i - 1])) {
            one->speaker[i] = one->speaker[i - 1];
            continue;
        }
        size_t slot = (size_t)speaker_mark(tx) & (room - 1);
        while (slots[slot] != 0 && !is_same_speaker(tx, &one->taken[one->speaker_example[slots[slot] - 1]])) slot = (slot + 1) & (room - 1);
        if (slots[slot] == 0) {
            one->speaker_example[one->speaker_count++] = (uint32_t)i;
            slots[slot] = (uint32_t)one->speaker_count;
        }
        one->speaker[i] = slots[slot] - 1;
    }
    free(slots);
    return 1;
}

/* Take apart and hash each transaction of a batch whose `raws` these are. 0 when Python has to look at one of them. */
static int read_each(sheet *out, const span *raws, const limits *max) {
    sha256_queue queue = {.way = sha256_best()};
    for (size_t i = 0; i < out->count; i++) {
        transaction *one = &out->taken[i];
        if (!read_transaction(raws[i], max, one)) return 0;
        sha256_put(&queue, one->tx_id, one->body.at, one->body.size);
    }
    sha256_finish(&queue);
    return 1;
}

int sheet_read(span batch, const limits *max, size_t count_max, sheet *out) {
    int found = MEMORY_SHORT;
    span *raws;
    *out = (sheet){.batch = batch};
    if (count_max > batch.size) count_max = batch.size; /* each takes a byte at least */
    if (count_max > UINT32_MAX / 4) return 0;
    raws = malloc((count_max + 1) * sizeof *raws);
    if (raws == NULL) return MEMORY_SHORT;
    if (!split_batch(batch, raws, count_max, &out->count)) {
        free(raws);
        return 0;
    }
    out->taken = malloc(out->count * sizeof *out->taken);
    out->speaker = malloc(out->count * sizeof *out->speaker);
    out->speaker_example = malloc(out->count * sizeof *out->speaker_example);
    if (out->taken != NULL && out->speaker != NULL && out->speaker_example != NULL) found = read_each(out, raws, max);
    if (found > 0 && !find_speakers(out)) found = MEMORY_SHORT;
    free(raws);
    if (found <= 0) sheet_free(out);
    return found;
}

static int is_algorithm(span name, const record_rules *rules) {
    for (size_t i = 0; i < rules->algorithm_count; i++) {
        if (is_same(name, rules->algorithms[i])) return 1;
    }
    return 0;
}

/* One record; 0 when it is something else. */
static int take_record(reader *in, const record_rules *rules, record_row *out) {
    token row, algorithm, digest, meta;
    if (!read_kind(in, ARRAY, &row) || row.number != 3) return 0;
    out->middle.at = in->at;
    if (!read_kind(in, TEXT, &algorithm) || !is_algorithm(algorithm.content, rules)) return 0;
    if (!read_kind(in, BYTES, &digest) || digest.content.size != 32) return 0;
    if (!read_kind(in, BYTES, &meta) || meta.content.size > rules->meta_bytes_max) return 0;
    out->middle.size = (size_t)(in->at - out->middle.at);
    out->digest = digest.content.at;
    return 1;
}

/* Where the records of a transaction begin, and how many there are; 0 when it is no call to put records on record. */
static int open_records(const transaction *one, const record_rules *rules, reader *in, size_t *count) {
    token call, contract, method, arguments, rows;
    if (one->signer_count != 1) return 0;
    if (one->call_count != 1) return 0;
    *in = reader_of(one->calls);
    if (!read_kind(in, ARRAY, &call) || !read_kind(in, TEXT, &contract) || !read_kind(in, TEXT, &method)) return 0;
    if (!is_same(contract.content, rules->contract)) return 0;
    if (!is_same(method.content, rules->method)) return 0;
    if (!read_kind(in, ARRAY, &arguments) || arguments.number != 1) return 0;
    if (!read_kind(in, ARRAY, &rows) || rows.number == 0 || rows.number > rules->records_max) return 0;
    *count = (size_t)rows.number;
    return 1;
}

/* How many records all transactions say they have; 0 when one of them is something else. */
static size_t count_records(const sheet *one, const record_rules *rules) {
    size_t total = 0, count;
    reader in;
    for (size_t i = 0; i < one->count; i++) {
        if (!open_records(&one->taken[i], rules, &in, &count)) return 0;
        total += count; /* of records that are there: each takes a byte of the batch */
    }
    return total;
}

static int take_each(sheet *one, const record_rules *rules) {
    record_row *next = one->records;
    for (size_t i = 0; i < one->count; i++) {
        reader in;
        size_t count;
        if (!open_records(&one->taken[i], rules, &in, &count)) return 0;
        const uint8_t *begin = in.at;
        for (size_t k = 0; k < count; k++) {
            if (!take_record(&in, rules, next++)) return 0;
        }
        one->record_ends[i] = (uint32_t)(next - one->records);
        one->record_lists[i] = (span){begin, (size_t)(in.at - begin)};
    }
    return 1;
}

int sheet_take(sheet *one, const record_rules *rules) {
    int found = MEMORY_SHORT;
    size_t total = count_records(one, rules);
    if (total == 0 || total > UINT32_MAX) return 0;
    sheet_drop_records(one);
    one->records = malloc(total * sizeof *one->records);
    one->record_ends = malloc(one->count * sizeof *one->record_ends);
    one->record_lists = malloc(one->count * sizeof *one->record_lists);
    if (one->records != NULL && one->record_ends != NULL && one->record_lists != NULL) found = take_each(one, rules);
    one->record_count = total;
    one->is_taken = found > 0;
    if (found <= 0) sheet_drop_records(one);
    return found;
}

void sheet_drop_records(sheet *one) {
    free(one->records);
    free(one->record_ends);
    free(one->record_lists);
    one->records = NULL;
    one->record_ends = NULL;
    one->record_lists = NULL;
    one->record_count = 0;
    one->is_taken = 0;
}

void sheet_free(sheet *one) {
    sheet_drop_records(one);
    free(one->taken);
    free(one->speaker);
    free(one->speaker_example);
    *one = (sheet){0};
}
