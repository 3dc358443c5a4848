/* The rule of ADR-0002, item by item: S < L, key and commitment canonical and not of small order, S*B - h*A = R as bytes.
 *
 * Nothing here depends on what else is in a batch: a table, or lanes, change how S*B - h*A is computed, never what it is.
 */
#include "batch.h"

#include <stdlib.h>

#include "ifma.h"
#include "scalar.h"
#include "sha512.h"
#include "tables.h"

#define CHUNK 64 /* items at one time, which bounds the memory of a call: 60 KB */

typedef struct {
    const item *item;
    table *table; /* NULL: none */
    point minus;  /* of the key, where there is no table */
    int8_t s[BASE_WINDOWS], h[KEY_WINDOWS];
} job;

typedef struct {
    job jobs[CHUNK], *ready[CHUNK], *fresh[CHUNK]; /* those whose key has a table, and the others */
    fe roots[CHUNK];
    point sums[CHUNK];
    fe scratch[2 * CHUNK];
    uint8_t encodings[CHUNK][32];
    challenge_text texts[CHUNK];
    uint8_t digests[CHUNK][64];
} workspace;

/* Whether y, without the sign of x, is below p = 2^255 - 19. */
static int is_canonical(const uint64_t w[4]) {
    return w[3] != UINT64_C(0x7fffffffffffffff) || w[2] != UINT64_MAX || w[1] != UINT64_MAX || w[0] < UINT64_C(0xffffffffffffffed);
}

/* Whether y is that of a point of order 1, 2, 4 or 8, canonically encoded. */
static int is_small_order(const uint64_t w[4]) {
    static const uint64_t SMALL[5][4] = {
        {0, 0, 0, 0},
        {1, 0, 0, 0},
        {0xb027b2c28f95e826, 0xf098eff289f4c345, 0x3933c6d305acdfd5, 0x05fc536d880238b1},
        {0x4fd84d3d706a17c7, 0x0f67100d760b3cba, 0xc6cc392cfa53202a, 0x7a03ac9277fdc74e},
        {0xffffffffffffffec, 0xffffffffffffffff, 0xffffffffffffffff, 0x7fffffffffffffff},
    };
    for (int i = 0; i < 5; i++) {
        if (memcmp(w, SMALL[i], sizeof SMALL[i]) == 0) return 1;
    }
    return 0;
}

static void y_of(uint64_t w[4], const uint8_t encoding[32]) {
    memcpy(w, encoding, 32);
    w[3] &= UINT64_C(0x7fffffffffffffff);
}

/* What can be said of an item by its bytes alone. That R is canonical follows from the comparison of bytes at the end. */
static int is_plausible(const item *one) {
    uint64_t key[4], commitment[4];
    y_of(key, one->key);
    y_of(commitment, one->signature);
    if (!scalar_is_canonical(one->signature + 32)) return 0;
    if (!is_canonical(key)) return 0;
    if (is_small_order(key)) return 0;
    if (is_small_order(commitment)) return 0;
    return 1;
}

static void decide(const job *one, const uint8_t encoding[32]) {
    *one->item->verdict = memcmp(encoding, one->item->signature, 32) == 0;
}

/* How many of `left` jobs are done by the next call of a kernel for lanes; 0: by none, one job is not worth eight lanes. */
static size_t lanes_used(size_t left, int use_ifma) {
    return !use_ifma || left < 2 ? 0 : left < LANES ? left : LANES;
}

/* Decode the keys without table; those that are no points are dropped, and how many are left is returned. */
static size_t decode_fresh(workspace *work, size_t count, int use_ifma) {
    size_t kept = 0, i = 0, used;
    for (size_t k = 0; k < count; k++) work->roots[k] = decode_radicand(work->fresh[k]->item->key);
    for (; (used = lanes_used(count - i, use_ifma)) > 0; i += used) {
        fe eight[LANES] = {{{0}}};
        memcpy(eight, work->roots + i, used * sizeof *eight);
        ifma_power_roots(eight);
        memcpy(work->roots + i, eight, used * sizeof *eight);
    }
    for (; i < count; i++) work->roots[i] = fe_power_root(work->roots[i]);
    for (size_t k = 0; k < count; k++) {
        job *one = work->fresh[k];
        point key;
        if (!point_decode(&key, one->item->key, work->roots[k])) continue;
        one->minus = point_negated(key);
        work->fresh[kept++] = one;
    }
    return kept;
}

/* S*B - h*A of jobs that all have tables, or all have none. */
static void sum_jobs(job **jobs, point *sums, size_t count, int has_tables, int use_ifma) {
    size_t i = 0, used;
    for (; (used = lanes_used(count - i, use_ifma)) > 0; i += used) {
        lane lanes[LANES];
        point eight[LANES], minus[LANES];
        for (size_t k = 0; k < LANES; k++) {
            const job *one = jobs[i + (k < used ? k : 0)]; /* lanes that are left over do the first one's work again */
            lanes[k] = (lane){one->s, one->h, has_tables ? one->table->multiples : NULL};
            minus[k] = one->minus;
        }
        if (has_tables) {
            ifma_sums(eight, lanes);
        } else {
            ifma_fresh_sums(eight, lanes, minus);
        }
        memcpy(sums + i, eight, used * sizeof *sums);
    }
    for (; i < count; i++) {
        const job *one = jobs[i];
        sums[i] = has_tables ? sum_with_table(one->s, one->h, one->table->multiples) : sum_without_table(one->s, one->h, one->minus);
    }
}

static void challenges(workspace *work, size_t count, int use_ifma) {
    for (size_t i = 0; i < count; i++) {
        const item *one = work->jobs[i].item;
        work->texts[i] = (challenge_text){one->signature, one->key, one->prefix, one->prefix_length, one->message, one->length};
    }
    size_t i = 0;
    for (; use_ifma && i + LANES <= count; i += LANES) ifma_challenges(work->digests + i, work->texts + i);
    for (; i < count; i++) sha512_challenge(work->digests[i], &work->texts[i]);
    for (i = 0; i < count; i++) {
        uint8_t h[32];
        scalar_reduce(h, work->digests[i]);
        scalar_digits(work->jobs[i].h, KEY_WINDOWS, KEY_WIDTH, h);
        scalar_digits(work->jobs[i].s, BASE_WINDOWS, BASE_WIDTH, work->jobs[i].item->signature + 32);
    }
}

static void verify_chunk(workspace *work, const item *items, size_t count, size_t bytes_max, int use_ifma) {
    size_t jobs = 0, ready = 0, fresh = 0;
    for (size_t i = 0; i < count; i++) {
        *items[i].verdict = 0;
        if (is_plausible(&items[i])) work->jobs[jobs++].item = &items[i];
    }
    challenges(work, jobs, use_ifma);
    for (size_t i = 0; i < jobs; i++) {
        job *one = &work->jobs[i];
        one->minus = POINT_ZERO;
        one->table = table_find(one->item->key);
        *(one->table != NULL ? &work->ready[ready++] : &work->fresh[fresh++]) = one;
    }
    fresh = decode_fresh(work, fresh, use_ifma);
    sum_jobs(work->ready, work->sums, ready, 1, use_ifma);
    sum_jobs(work->fresh, work->sums + ready, fresh, 0, use_ifma);
    points_encode(work->encodings, work->sums, work->scratch, ready + fresh);
    for (size_t i = 0; i < ready; i++) {
        decide(work->ready[i], work->encodings[i]);
        table_release(work->ready[i]->table);
    }
    for (size_t i = 0; i < fresh; i++) {
        const job *one = work->fresh[i];
        decide(one, work->encodings[ready + i]);
        if (*one->item->verdict && table_is_due(one->item->key)) table_build(one->item->key, one->minus, bytes_max);
    }
}

int verify_items(const item *items, size_t count, size_t bytes_max, int use_ifma) {
    workspace *work = malloc(sizeof *work);
    if (work == NULL) return 0;
    for (size_t start = 0; start < count; start += CHUNK) {
        verify_chunk(work, items + start, count - start < CHUNK ? count - start : CHUNK, bytes_max, use_ifma);
    }
    free(work);
    return 1;
}
