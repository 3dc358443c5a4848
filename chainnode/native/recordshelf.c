/* A sheet of evidence as it goes to the disk: the batch with holes, as storage/punched.py makes it, and the records, as
 * storage/recordshelf.py does. The plain way finds where in a batch the records of a group stand; here that is known, but whether they
 * stand there for the first time has to be looked at, since it takes the first place (INV-87). 0.05 us a transaction, 0.01 us a record. */
#include "records.h"

#include <string.h>

#define SOUGHT 48 /* bytes: all of a record's algorithm and digest, so never less than a third of that */
#define HOLE 13   /* bytes of one in what is kept */
#define SUFFIX 34 /* the tx_id as msgpack */
#define PARTS 3   /* of a group: prefix, suffix, middles */

static uint8_t *put(uint8_t *to, const void *bytes, size_t size) {
    memcpy(to, bytes, size);
    return to + size;
}

static uint8_t *put_length(uint8_t *to, uint64_t number) {
    const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    return put(to, bytes, sizeof bytes);
}

static size_t first_record(const sheet *one, size_t owner) {
    return owner == 0 ? 0 : one->record_ends[owner - 1];
}

/* Where `sought` stands for the first time, `from` or behind. NULL when nowhere. */
static const uint8_t *seek(const uint8_t *from, const uint8_t *end, span sought) {
    while ((size_t)(end - from) >= sought.size) {
        from = memchr(from, sought.at[0], (size_t)(end - from) - sought.size + 1);
        if (from == NULL || memcmp(from, sought.at, sought.size) == 0) return from;
        from++;
    }
    return NULL;
}

/* The hole for the records of a transaction in the batch behind `at`; 0 when they do not stand there. */
static int find_hole(const sheet *one, size_t at, size_t owner, hole *out) {
    const uint8_t *start = one->batch.at, *end = start + one->batch.size;
    size_t first = first_record(one, owner);
    span sought = one->records[first].middle;
    if (sought.size > SOUGHT) sought.size = SOUGHT;
    const uint8_t *found = at < one->batch.size ? seek(start + at + 1, end, sought) : NULL;
    if (found == NULL) return 0;
    out->begin = (size_t)(found - 1 - start);
    out->count = one->record_ends[owner] - (uint32_t)first;
    if (found == one->records[first].middle.at) {
        out->end = (size_t)(one->record_lists[owner].at + one->record_lists[owner].size - start);
        return 1;
    }
    for (size_t i = first; i < one->record_ends[owner]; i++) { /* something like the first record stands before it */
        span middle = one->records[i].middle;
        if (i > first && (found == end || *found++ != start[out->begin])) return 0;
        if ((size_t)(end - found) < middle.size || memcmp(found, middle.at, middle.size) != 0) return 0;
        found += middle.size;
    }
    out->end = (size_t)(found - start);
    return 1;
}

size_t find_holes(const sheet *one, uint64_t number, hole *holes) {
    size_t found = 0, at = 0;
    int64_t seeking = 4 * (int64_t)one->batch.size; /* bytes that may be read through in vain */
    for (size_t i = 0; i < one->count && seeking > 0; i++) {
        hole following;
        if (find_hole(one, at, i, &holes[found])) {
            holes[found].number = number;
            at = holes[found++].end;
        } else {
            seeking -= 2 * (int64_t)(one->batch.size - at);
            if (i + 1 == one->count || !find_hole(one, at, i + 1, &following)) break;
        }
        number += one->record_ends[i] - first_record(one, i);
    }
    return found;
}

size_t kept_size(const sheet *one, const hole *holes, size_t count) {
    size_t size = 1 + one->batch.size + (count > 0 ? 4 : 0) + count * HOLE;
    for (size_t i = 0; i < count; i++) size -= holes[i].end - holes[i].begin;
    return size;
}

void write_kept(const sheet *one, const hole *holes, size_t count, uint8_t *out) {
    size_t at = 0;
    *out++ = count > 0;
    if (count > 0) out = put_length(out, count);
    for (size_t i = 0; i < count; i++) {
        out = put_length(out, holes[i].begin - at);
        out = put_length(put_length(out, holes[i].number), holes[i].count);
        *out++ = one->batch.at[holes[i].begin];
        at = holes[i].end;
    }
    at = 0;
    for (size_t i = 0; i < count; i++) {
        out = put(out, one->batch.at + at, holes[i].begin - at);
        at = holes[i].end;
    }
    memcpy(out, one->batch.at + at, one->batch.size - at);
}

/* The part of a group: some of a transaction's records. */
typedef struct {
    size_t begin, end, joined; /* bytes of the middles with their lengths */
} part;

/* The records of `owner` among those up to `end`, from `begin` on. */
static part part_of(const sheet *one, size_t owner, size_t begin, size_t end) {
    size_t to = one->record_ends[owner] < end ? one->record_ends[owner] : end;
    span last = one->records[to - 1].middle;
    size_t with_heads = (size_t)(last.at + last.size - one->records[begin].middle.at);
    return (part){begin, to, 4 + 4 * (to - begin) + with_heads - (to - begin - 1)};
}

size_t value_size(const sheet *one, const span *beginnings, size_t owner, size_t begin, size_t end) {
    size_t size = 4;
    for (; begin < end; owner++) {
        part some = part_of(one, owner, begin, end);
        size += PARTS * 4 + beginnings[one->speaker[owner]].size + SUFFIX + some.joined;
        begin = some.end;
    }
    return size;
}

void write_value_of(const sheet *one, const span *beginnings, size_t owner, size_t begin, size_t end, uint8_t *out) {
    size_t groups = 0;
    for (size_t at = begin; at < end; groups++) at = part_of(one, owner + groups, at, end).end;
    uint8_t *length = put_length(out, PARTS * groups);
    out = length + 4 * PARTS * groups;
    for (; begin < end; owner++) {
        part some = part_of(one, owner, begin, end);
        span beginning = beginnings[one->speaker[owner]];
        length = put_length(put_length(put_length(length, beginning.size), SUFFIX), some.joined);
        out = put(out, beginning.at, beginning.size);
        *out++ = 0xc4;
        *out++ = 32;
        out = put(out, one->taken[owner].tx_id, 32);
        out = put_length(out, some.end - some.begin);
        for (size_t i = some.begin; i < some.end; i++) out = put_length(out, one->records[i].middle.size);
        for (size_t i = some.begin; i < some.end; i++) out = put(out, one->records[i].middle.at, one->records[i].middle.size);
        begin = some.end;
    }
}
