/* Eight signatures side by side, with the 52-bit multiply-add instructions of AVX-512 (IFMA). Only where `has_ifma`. */
#ifndef CHAINNODE_IFMA_H
#define CHAINNODE_IFMA_H

#include "group.h"
#include "sha512.h"

#define LANES 8

typedef struct {
    const int8_t *s, *h; /* digits, as for `sum_with_table` */
    const niels *table;
} lane;

/* The same as `sum_with_table` for each lane; t is not set. */
void ifma_sums(point out[LANES], const lane lanes[LANES]);

/* The same as `sum_without_table` for each lane and its point; the lanes' tables are not read. */
void ifma_fresh_sums(point out[LANES], const lane lanes[LANES], const point points[LANES]);

/* `fe_power_root` of each, in its place. */
void ifma_power_roots(fe elements[LANES]);

/* The same as `sha512_challenge` for each lane. */
void ifma_challenges(uint8_t (*digests)[64], const challenge_text texts[LANES]);

#endif
