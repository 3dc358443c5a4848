/* Points of edwards25519 and tables of their multiples (RFC 8032, 5.1; formulas of Hisil, Wong, Carter, Dawson, 2008). */
#ifndef CHAINNODE_GROUP_H
#define CHAINNODE_GROUP_H

#include <stddef.h>

#include "field.h"

typedef struct {
    fe x, y, z, t; /* x/z, y/z and xy = tz: tight */
} point;

typedef struct {
    uint64_t words[12]; /* y + x, y - x, 2dxy of a point with z = 1, four words each, each below p */
} niels;

/* Multiples 1 to 2^(width-1) of P, 2^width P, 2^(2 width) P, ...: with them a scalar of signed digits needs additions alone. */
#define BASE_WIDTH 8
#define BASE_WINDOWS 32
#define BASE_HALF (1 << (BASE_WIDTH - 1))
#define KEY_WIDTH 4
#define KEY_WINDOWS 64
#define KEY_HALF (1 << (KEY_WIDTH - 1))
#define KEY_ENTRIES (KEY_WINDOWS * KEY_HALF)

extern niels base_table[BASE_WINDOWS * BASE_HALF]; /* of B; filled by `group_start` */
extern const niels NIELS_ZERO;
extern const point POINT_ZERO;

/* Fill `base_table`: once, before anything else. 0 when memory is short. */
int group_start(void);

/* Decode a canonical encoding (y below p); 0 where it is of no point. `root` is `fe_power_root` of what `decode_radicand` gives:
 * nine tenths of the work, which lanes can do. */
fe decode_radicand(const uint8_t encoding[32]);
int point_decode(point *out, const uint8_t encoding[32], fe root);

point point_negated(point p);

/* The table of `windows` times 2^(width-1) multiples of P. 0 when memory is short. */
int table_fill(niels *table, point p, int width, int windows);

/* s*B + h*P by tables for both, and by doublings for P. Digits as of `scalar_digits`, with the widths above. */
point sum_with_table(const int8_t *s, const int8_t *h, const niels *table);
point sum_without_table(const int8_t *s, const int8_t *h, point p);

/* Encodings of `count` points by one inversion; `scratch` has room for twice as many elements. */
void points_encode(uint8_t (*out)[32], const point *points, fe *scratch, size_t count);

#endif
