/* Sorting of entries: they are dealt out to buckets, one for four of them, by where their heads lie between the least and the greatest; what
 * is in a bucket is sorted by comparing, since keys that strangers chose may all lie in one. */
#include "runsort.h"

enum { BUCKET = 4, FEW = 12, AHEAD = 16 };

/* Below 0 when a's key comes first, 0 when they are the same. */
static int compare(const entry *a, const entry *b) {
    if (a->head != b->head) return a->head < b->head ? -1 : 1;
    return memcmp(a->at + 8, b->at + 8, KEY - 8);
}

/* By putting each into its place among those before. */
static void insert_each(entry *a, size_t count) {
    for (size_t i = 1; i < count; i++) {
        entry one = a[i];
        size_t at = i;
        for (; at > 0 && compare(&a[at - 1], &one) > 0; at--) a[at] = a[at - 1];
        a[at] = one;
    }
}

/* By merging the sorted halves; equal ones stay in their order. `spare` has room for one half. */
static void sort_by_halves(entry *a, size_t count, entry *spare) {
    if (count <= FEW) {
        insert_each(a, count);
        return;
    }
    size_t half = count / 2, i = 0, j = half, at = 0;
    sort_by_halves(a, half, spare);
    sort_by_halves(a + half, count - half, spare);
    memcpy(spare, a, half * sizeof *a);
    while (i < half && j < count) a[at++] = compare(&spare[i], &a[j]) <= 0 ? spare[i++] : a[j++];
    memcpy(a + at, spare + i, (half - i) * sizeof *a);
}

size_t sorting_bytes(size_t count) {
    return (count + 1) * sizeof(entry) + (count / BUCKET + 1) * sizeof(size_t);
}

size_t sort_entries(entry *entries, size_t count, void *room) {
    entry *dealt = room;
    size_t buckets = count / BUCKET + 1, *ends = (size_t *)(dealt + count + 1), begin = 0, kept = 0;
    uint64_t least = UINT64_MAX, greatest = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].head < least) least = entries[i].head;
        if (entries[i].head > greatest) greatest = entries[i].head;
    }
    int shift = greatest > least ? __builtin_clzll(greatest - least) : 0; /* so that a narrow range is told apart, too */
    memset(ends, 0, buckets * sizeof *ends);
#define BUCKET_OF(one) (size_t)((unsigned __int128)(((one).head - least) << shift) * buckets >> 64)
    for (size_t i = 0; i < count; i++) ends[BUCKET_OF(entries[i])]++;
    for (size_t i = 0; i < buckets; i++) {
        size_t size = ends[i];
        ends[i] = begin;
        begin += size;
    }
    for (size_t i = 0; i < count; i++) dealt[ends[BUCKET_OF(entries[i])]++] = entries[i];
#undef BUCKET_OF
    begin = 0;
    for (size_t i = 0; i < buckets; i++) {
        sort_by_halves(dealt + begin, ends[i] - begin, entries);
        begin = ends[i];
    }
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare(&entries[kept - 1], &dealt[i]) != 0) entries[kept++] = dealt[i];
    return kept;
}

void write_entries(const entry *entries, size_t count, size_t width, uint8_t *out) {
    for (size_t i = 0; i < count; i++, out += width) {
        if (i + AHEAD < count) __builtin_prefetch(entries[i + AHEAD].at);
        copy_short(out, entries[i].at, width);
    }
}
