/* Points of edwards25519. Every addition is complete: no case apart for equal points, opposite ones or zero. */
#include "group.h"

#include <stdlib.h>

_Alignas(64) niels base_table[BASE_WINDOWS * BASE_HALF];
_Alignas(64) const niels NIELS_ZERO = {{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}};

typedef struct {
    fe sum, difference, z2, t2d; /* y + x, y - x, 2z, 2dt */
} cached;

const point POINT_ZERO = {{{0, 0, 0, 0, 0}}, {{1, 0, 0, 0, 0}}, {{1, 0, 0, 0, 0}}, {{0, 0, 0, 0, 0}}};

static cached point_cached(point p) {
    cached out = {fe_add(p.y, p.x), fe_sub(p.y, p.x), fe_add(p.z, p.z), fe_mul(p.t, FE_2D)};
    return out;
}

INLINE point point_of(fe e, fe f, fe g, fe h) {
    point out = {fe_mul(e, f), fe_mul(g, h), fe_mul(f, g), fe_mul(e, h)};
    return out;
}

/* p + q, where q is given by y + x, y - x, 2dt, and `d` is twice the product of the z. */
INLINE point point_sum(point p, fe sum, fe difference, fe t2d, fe d) {
    fe a = fe_mul(fe_sub(p.y, p.x), difference);
    fe b = fe_mul(fe_add(p.y, p.x), sum);
    fe c = fe_mul(p.t, t2d);
    return point_of(fe_sub(b, a), fe_sub(d, c), fe_add(d, c), fe_add(b, a));
}

/* p + q, or p - q: minus (x, y) is (-x, y). */
static point point_add(point p, const cached *q, int is_negative) {
    fe t2d = fe_chosen(q->t2d, fe_sub(FE_ZERO, q->t2d), is_negative), d = fe_mul(p.z, q->z2);
    return point_sum(p, is_negative ? q->difference : q->sum, is_negative ? q->sum : q->difference, t2d, d);
}

INLINE point point_add_niels(point p, const niels *q, int is_negative) {
    const uint64_t *words = q->words;
    fe sum = fe_from_words(words + 4 * is_negative), difference = fe_from_words(words + 4 - 4 * is_negative);
    fe t2d = fe_from_words(words + 8);
    return point_sum(p, sum, difference, fe_chosen(t2d, fe_sub(FE_ZERO, t2d), is_negative), fe_add(p.z, p.z));
}

static point point_double(point p) {
    fe xx = fe_square(p.x), yy = fe_square(p.y), zz = fe_square(p.z);
    fe h = fe_add(yy, xx), g = fe_sub(yy, xx);
    fe e = fe_sub(fe_square(fe_add(p.x, p.y)), h);
    fe f = fe_sub(fe_add(fe_add(zz, zz), xx), yy);
    return point_of(e, f, g, h);
}

typedef struct {
    fe y, u, v, v3; /* x^2 = u / v */
} equation;

static equation equation_of(const uint8_t encoding[32]) {
    uint64_t words[4];
    memcpy(words, encoding, sizeof words);
    fe y = fe_from_words(words), yy = fe_square(y);
    fe v = fe_add(fe_mul(yy, FE_D), FE_ONE);
    equation out = {y, fe_mul(fe_sub(yy, FE_ONE), FE_ONE), v, fe_mul(fe_square(v), v)};
    return out;
}

fe decode_radicand(const uint8_t encoding[32]) {
    equation one = equation_of(encoding);
    return fe_mul(one.u, fe_mul(fe_square(one.v3), one.v));
}

int point_decode(point *out, const uint8_t encoding[32], fe root) {
    equation one = equation_of(encoding);
    fe x = fe_mul(fe_mul(root, one.v3), one.u); /* u v^3 (u v^7)^((p - 5) / 8) */
    fe square = fe_mul(fe_square(x), one.v);
    if (!fe_is_equal(square, one.u)) {
        if (!fe_is_equal(square, fe_sub(FE_ZERO, one.u))) return 0;
        x = fe_mul(x, FE_SQRT_MINUS_1);
    }
    if (fe_parity(x) != encoding[31] >> 7) x = fe_mul(fe_sub(FE_ZERO, x), FE_ONE);
    point p = {x, one.y, FE_ONE, fe_mul(x, one.y)};
    *out = p;
    return 1;
}

point point_negated(point p) {
    p.x = fe_mul(fe_sub(FE_ZERO, p.x), FE_ONE);
    p.t = fe_mul(fe_sub(FE_ZERO, p.t), FE_ONE);
    return p;
}

/* Replace each element, none of which is zero, by its inverse: one inversion, and three products each. */
static void invert_all(fe *elements, fe *before, size_t count) {
    fe product = FE_ONE;
    for (size_t i = 0; i < count; i++) {
        before[i] = product;
        product = fe_mul(product, elements[i]);
    }
    fe inverse = fe_invert(product);
    for (size_t i = count; i-- > 0;) {
        fe one = fe_mul(inverse, before[i]);
        inverse = fe_mul(inverse, elements[i]);
        elements[i] = one;
    }
}

int table_fill(niels *table, point p, int width, int windows) {
    size_t half = (size_t)1 << (width - 1), count = half * (size_t)windows;
    point *points = malloc(count * sizeof *points);
    fe *z = malloc(2 * count * sizeof *z);
    if (points == NULL || z == NULL) {
        free(points);
        free(z);
        return 0;
    }
    for (size_t start = 0; start < count; start += half) {
        point *multiples = points + start; /* multiples[k - 1] = k * p */
        cached step = point_cached(p);
        multiples[0] = p;
        for (size_t k = 2; k <= half; k++) {
            multiples[k - 1] = k % 2 == 0 ? point_double(multiples[k / 2 - 1]) : point_add(multiples[k - 2], &step, 0);
        }
        p = point_double(multiples[half - 1]);
    }
    for (size_t i = 0; i < count; i++) z[i] = points[i].z;
    invert_all(z, z + count, count);
    for (size_t i = 0; i < count; i++) {
        fe x = fe_mul(points[i].x, z[i]), y = fe_mul(points[i].y, z[i]);
        fe_words(table[i].words, fe_add(y, x));
        fe_words(table[i].words + 4, fe_sub(y, x));
        fe_words(table[i].words + 8, fe_mul(fe_mul(x, y), FE_2D));
    }
    free(points);
    free(z);
    return 1;
}

int group_start(void) {
    point base;
    uint8_t encoding[32];
    memset(encoding, 0x66, sizeof encoding); /* y = 4/5, x even */
    encoding[0] = 0x58;
    return point_decode(&base, encoding, fe_power_root(decode_radicand(encoding))) && table_fill(base_table, base, BASE_WIDTH, BASE_WINDOWS);
}

INLINE point add_digit(point p, const niels *multiples, int digit) {
    int is_negative = digit < 0, size = (digit ^ -is_negative) + is_negative;
    return size == 0 ? p : point_add_niels(p, &multiples[size - 1], is_negative);
}

static point add_base(point p, const int8_t *s) {
    for (int i = 0; i < BASE_WINDOWS; i++) p = add_digit(p, &base_table[i * BASE_HALF], s[i]);
    return p;
}

#define AHEAD 4 /* windows whose entry is asked for before its turn */

point sum_with_table(const int8_t *s, const int8_t *h, const niels *table) {
    point p = add_base(POINT_ZERO, s);
    for (int i = 0; i < KEY_WINDOWS; i++) {
        int digit = i + AHEAD < KEY_WINDOWS ? h[i + AHEAD] : 0;
        if (digit != 0) {
            const char *entry = (const char *)&table[(i + AHEAD) * KEY_HALF + (digit < 0 ? -digit : digit) - 1];
            __builtin_prefetch(entry);
            __builtin_prefetch(entry + sizeof(niels) - 1);
        }
        p = add_digit(p, &table[i * KEY_HALF], h[i]);
    }
    return p;
}

point sum_without_table(const int8_t *s, const int8_t *h, point p) {
    cached multiples[KEY_HALF];
    point multiple = p, sum = POINT_ZERO;
    multiples[0] = point_cached(p);
    for (int k = 1; k < KEY_HALF; k++) {
        multiple = point_add(multiple, &multiples[0], 0);
        multiples[k] = point_cached(multiple);
    }
    for (int i = KEY_WINDOWS - 1; i >= 0; i--) {
        for (int k = 0; k < KEY_WIDTH && i < KEY_WINDOWS - 1; k++) sum = point_double(sum);
        if (h[i] != 0) sum = point_add(sum, &multiples[(h[i] < 0 ? -h[i] : h[i]) - 1], h[i] < 0);
    }
    return add_base(sum, s);
}

void points_encode(uint8_t (*out)[32], const point *points, fe *scratch, size_t count) {
    fe *inverses = scratch, *before = scratch + count;
    for (size_t i = 0; i < count; i++) inverses[i] = points[i].z;
    invert_all(inverses, before, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t words[4];
        fe_words(words, fe_mul(points[i].y, inverses[i]));
        words[3] |= (uint64_t)fe_parity(fe_mul(points[i].x, inverses[i])) << 63;
        memcpy(out[i], words, sizeof words);
    }
}
