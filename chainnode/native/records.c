/* What recording evidence does: leaves of the log, results of transactions (INV-87). The twin is the lane in Python,
 * contracts/evidencelane.py. 0.2 us for a transaction of one record of 256 bytes, nearly all of it SHA-256. */
#include "records.h"

#include <string.h>

#include "sha256.h"

#define SUFFIX 34 /* the tx_id as msgpack */
#define DATA 24   /* and less: what a result says of the log, with a byte, a key and a length before it where it is hashed */

/* evidence.NAME, and the event and its attributes of `evidence.append`: in the order of `transactions.encode_result`. */
static const uint8_t EVENT[] = "\x91\x93\xa8" "evidence" "\xa8" "recorded" "\x83\xa2" "by";
static const uint8_t COUNT[] = "\xa5" "count";
static const uint8_t FIRST[] = "\xa5" "first";

#define RESULT (4 + DATA + sizeof EVENT + sizeof COUNT + 9 + sizeof FIRST + 9) /* and more than a result takes, its signer aside */

static uint8_t *put(uint8_t *to, const void *bytes, size_t size) {
    memcpy(to, bytes, size);
    return to + size;
}

/* A number in its shortest form. */
static uint8_t *put_natural(uint8_t *to, uint64_t number) {
    int width = number < 0x80 ? 0 : number <= 0xff ? 1 : number <= 0xffff ? 2 : number <= 0xffffffff ? 4 : 8;
    if (width == 0) {
        *to = (uint8_t)number;
        return to + 1;
    }
    *to++ = width == 1 ? 0xcc : width == 2 ? 0xcd : width == 4 ? 0xce : 0xcf;
    for (int i = width - 1; i >= 0; i--) *to++ = (uint8_t)(number >> 8 * i);
    return to;
}

size_t longest_middle(const sheet *one) {
    size_t longest = 0;
    for (size_t i = 0; i < one->record_count; i++) {
        if (one->records[i].middle.size > longest) longest = one->records[i].middle.size;
    }
    return longest;
}

void hash_records(const sheet *one, const span *beginnings, uint8_t *rooms, size_t room_size, uint8_t *hashes) {
    sha256_queue queue = {.way = sha256_best()};
    uint8_t suffix[SUFFIX] = {0xc4, 32};
    size_t at = 0;
    for (size_t i = 0; i < one->count; i++) {
        span beginning = beginnings[one->speaker[i]];
        memcpy(suffix + 2, one->taken[i].tx_id, 32);
        for (; at < one->record_ends[i]; at++) {
            span middle = one->records[at].middle;
            uint8_t *room = rooms + at % SHA256_LANES * room_size;
            room[0] = 0; /* of a leaf, RFC 6962, 2.1 */
            uint8_t *end = put(put(put(room + 1, beginning.at, beginning.size), middle.at, middle.size), suffix, SUFFIX);
            sha256_put_padded(&queue, hashes + at * LEAF_HASH, room, sha256_pad(room, (size_t)(end - room)));
        }
    }
    sha256_finish(&queue);
}

size_t results_room(const sheet *one) {
    size_t room = 0;
    for (size_t i = 0; i < one->count; i++) room += RESULT + one->taken[i].signers.size;
    return room;
}

void write_results(const sheet *one, uint64_t first, uint8_t *out, size_t *ends, uint8_t *hashes) {
    const uint8_t head[] = {0, 0x12, 0, 0x91, 0x93}; /* a leaf: field 2 of ExecTxResult; the list of what the one call gave */
    sha256_queue queue = {.way = sha256_best()};
    uint8_t rooms[SHA256_LANES][SHA256_BLOCK];
    const uint8_t *start = out;
    size_t at = 0;
    for (size_t i = 0; i < one->count; i++) {
        uint8_t *hashed = rooms[i % SHA256_LANES];
        uint64_t count = one->record_ends[i] - at;
        uint8_t *end = put_natural(put_natural(put(hashed, head, sizeof head), first), count);
        *end++ = 0x90; /* no digest was there before */
        hashed[2] = (uint8_t)(end - hashed - 3);
        sha256_put_padded(&queue, hashes + i * LEAF_HASH, hashed, sha256_pad(hashed, (size_t)(end - hashed)));
        *out++ = 0x93;
        *out++ = 0; /* OK */
        *out++ = 0xc4;
        out = put(out, hashed + 2, (size_t)hashed[2] + 1);
        out = put(out, EVENT, sizeof EVENT - 1);
        out = put(out, one->taken[i].signers.at, one->taken[i].signers.size); /* of the one signer, as it stands */
        out = put_natural(put(out, COUNT, sizeof COUNT - 1), count);
        out = put_natural(put(out, FIRST, sizeof FIRST - 1), first);
        ends[i] = (size_t)(out - start);
        first += count;
        at = one->record_ends[i];
    }
    sha256_finish(&queue);
}
