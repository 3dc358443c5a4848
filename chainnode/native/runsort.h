/* Entries of the index in order. */
#ifndef CHAINNODE_RUNSORT_H
#define CHAINNODE_RUNSORT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { KEY = 32 };

/* An entry: the first 8 bytes of its key as a number, to compare by, and where it is, a key and its value behind it. */
typedef struct {
    uint64_t head;
    const uint8_t *at;
} entry;

static inline uint64_t read64(const uint8_t *bytes) {
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    number = __builtin_bswap64(number);
#endif
    return number;
}

/* What memcpy does; for digests' values and entries without a call. */
static inline void copy_short(uint8_t *out, const uint8_t *from, size_t size) {
    if (size == KEY + 16) memcpy(out, from, KEY + 16);
    else if (size == 16) memcpy(out, from, 16);
    else memcpy(out, from, size);
}

/* Bytes that `sort_entries` needs for as many. */
size_t sorting_bytes(size_t count);

/* Sort `count` entries in place by their keys; of equal keys the one in front stays alone. How many there are then. n log n whatever the
 * keys, and n where they are as good as random. `room` has `sorting_bytes(count)`. */
size_t sort_entries(entry *entries, size_t count, void *room);

/* Write the entries behind each other, each of so many bytes. */
void write_entries(const entry *entries, size_t count, size_t width, uint8_t *out);

#endif
