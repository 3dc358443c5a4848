/* Arithmetic modulo p = 2^255 - 19 in five limbs of 51 bits (radix 2^51), portable 64-bit code.
 *
 * "Tight" limbs are below 2^51 + 2^15: what mul and square give. "Loose" limbs are below 2^53.9, what mul and
 * square take: one add or sub of elements that are tight, or sums of two or three tight ones.
 */
#ifndef CHAINNODE_FIELD_H
#define CHAINNODE_FIELD_H

#include <stdint.h>
#include <string.h>

#if !defined(__SIZEOF_INT128__) || !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the native verifier needs a 64-bit little-endian machine and a compiler with 128-bit integers; PyNaCl serves without it"
#endif

typedef unsigned __int128 u128;
typedef struct {
    uint64_t v[5];
} fe;

/* Inlined, the limbs of a formula live in registers. */
#define INLINE static inline __attribute__((always_inline))
#define MASK51 ((UINT64_C(1) << 51) - 1)

static const fe FE_ZERO = {{0, 0, 0, 0, 0}};
static const fe FE_ONE = {{1, 0, 0, 0, 0}};
static const fe FE_D = {{0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff}};
static const fe FE_2D = {{0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff}};
static const fe FE_SQRT_MINUS_1 = {{0x61b274a0ea0b0, 0x0d5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d}};

/* a + b; loose where both are tight or doubled. */
INLINE fe fe_add(fe a, fe b) {
    fe out = {{a.v[0] + b.v[0], a.v[1] + b.v[1], a.v[2] + b.v[2], a.v[3] + b.v[3], a.v[4] + b.v[4]}};
    return out;
}

/* a - b, by way of 4p, for limbs of b below 2^53 - 76. */
INLINE fe fe_sub(fe a, fe b) {
    const uint64_t low = UINT64_C(0x1fffffffffffb4), high = UINT64_C(0x1ffffffffffffc);
    fe out = {{a.v[0] + low - b.v[0], a.v[1] + high - b.v[1], a.v[2] + high - b.v[2], a.v[3] + high - b.v[3], a.v[4] + high - b.v[4]}};
    return out;
}

/* b where `flag` is 1, a where it is 0, without a branch that the processor would guess wrong half of the time. */
INLINE fe fe_chosen(fe a, fe b, int flag) {
    uint64_t mask = (uint64_t)-(int64_t)flag;
    fe out = {{a.v[0] ^ ((a.v[0] ^ b.v[0]) & mask), a.v[1] ^ ((a.v[1] ^ b.v[1]) & mask), a.v[2] ^ ((a.v[2] ^ b.v[2]) & mask),
               a.v[3] ^ ((a.v[3] ^ b.v[3]) & mask), a.v[4] ^ ((a.v[4] ^ b.v[4]) & mask)}};
    return out;
}

/* The five sums of products, below 2^114.5 and the last below 2^110.2, carried to tight limbs. */
INLINE fe fe_carried(u128 r0, u128 r1, u128 r2, u128 r3, u128 r4) {
    fe out;
    uint64_t carry;
    r1 += (uint64_t)(r0 >> 51);
    r2 += (uint64_t)(r1 >> 51);
    r3 += (uint64_t)(r2 >> 51);
    r4 += (uint64_t)(r3 >> 51);
    carry = (uint64_t)(r4 >> 51);
    out.v[1] = (uint64_t)r1 & MASK51;
    out.v[2] = (uint64_t)r2 & MASK51;
    out.v[3] = (uint64_t)r3 & MASK51;
    out.v[4] = (uint64_t)r4 & MASK51;
    out.v[0] = ((uint64_t)r0 & MASK51) + 19 * carry;
    out.v[1] += out.v[0] >> 51;
    out.v[0] &= MASK51;
    return out;
}

INLINE fe fe_mul(fe a, fe b) {
    uint64_t a0 = a.v[0], a1 = a.v[1], a2 = a.v[2], a3 = a.v[3], a4 = a.v[4];
    uint64_t b0 = b.v[0], b1 = b.v[1], b2 = b.v[2], b3 = b.v[3], b4 = b.v[4];
    uint64_t c1 = 19 * b1, c2 = 19 * b2, c3 = 19 * b3, c4 = 19 * b4;
    return fe_carried((u128)a0 * b0 + (u128)a1 * c4 + (u128)a2 * c3 + (u128)a3 * c2 + (u128)a4 * c1,
                      (u128)a0 * b1 + (u128)a1 * b0 + (u128)a2 * c4 + (u128)a3 * c3 + (u128)a4 * c2,
                      (u128)a0 * b2 + (u128)a1 * b1 + (u128)a2 * b0 + (u128)a3 * c4 + (u128)a4 * c3,
                      (u128)a0 * b3 + (u128)a1 * b2 + (u128)a2 * b1 + (u128)a3 * b0 + (u128)a4 * c4,
                      (u128)a0 * b4 + (u128)a1 * b3 + (u128)a2 * b2 + (u128)a3 * b1 + (u128)a4 * b0);
}

INLINE fe fe_square(fe a) {
    uint64_t a0 = a.v[0], a1 = a.v[1], a2 = a.v[2], a3 = a.v[3], a4 = a.v[4];
    uint64_t d0 = 2 * a0, d1 = 2 * a1, d2 = 2 * a2, c3 = 19 * a3, c4 = 19 * a4;
    return fe_carried((u128)a0 * a0 + (u128)d1 * c4 + (u128)d2 * c3,
                      (u128)d0 * a1 + (u128)d2 * c4 + (u128)a3 * c3,
                      (u128)d0 * a2 + (u128)a1 * a1 + (u128)(2 * a3) * c4,
                      (u128)d0 * a3 + (u128)d1 * a2 + (u128)a4 * c4,
                      (u128)d0 * a4 + (u128)d1 * a3 + (u128)a2 * a2);
}

static inline fe fe_square_times(fe a, int times) {
    while (times-- > 0) a = fe_square(a);
    return a;
}

/* a^(2^250 - 1), and a^11 on the way: the common part of the two powers below. */
static inline fe fe_power_250(fe a, fe *a11) {
    fe a2 = fe_square(a);
    fe a9 = fe_mul(fe_square_times(a2, 2), a);
    *a11 = fe_mul(a9, a2);
    fe x5 = fe_mul(fe_square(*a11), a9); /* a^(2^5 - 1) */
    fe x10 = fe_mul(fe_square_times(x5, 5), x5);
    fe x20 = fe_mul(fe_square_times(x10, 10), x10);
    fe x40 = fe_mul(fe_square_times(x20, 20), x20);
    fe x50 = fe_mul(fe_square_times(x40, 10), x10);
    fe x100 = fe_mul(fe_square_times(x50, 50), x50);
    fe x200 = fe_mul(fe_square_times(x100, 100), x100);
    return fe_mul(fe_square_times(x200, 50), x50);
}

/* 1/a = a^(p - 2) = a^(2^255 - 21); zero for zero. */
static inline fe fe_invert(fe a) {
    fe a11, x250 = fe_power_250(a, &a11);
    return fe_mul(fe_square_times(x250, 5), a11);
}

/* a^((p - 5) / 8) = a^(2^252 - 3), from which square roots are made. */
static inline fe fe_power_root(fe a) {
    fe a11, x250 = fe_power_250(a, &a11);
    return fe_mul(fe_square_times(x250, 2), a);
}

/* The one number below p that is `a`, as four little-endian words of 64 bits. */
static inline void fe_words(uint64_t words[4], fe a) {
    uint64_t carry;
    for (int round = 0; round < 2; round++) { /* limbs below 2^51, but for a rest in the lowest */
        for (int i = 0; i < 4; i++) {
            a.v[i + 1] += a.v[i] >> 51;
            a.v[i] &= MASK51;
        }
        a.v[0] += 19 * (a.v[4] >> 51);
        a.v[4] &= MASK51;
    }
    carry = (a.v[0] + 19) >> 51; /* 1 where the value is p or more: a + 19 reaches 2^255 */
    for (int i = 1; i < 5; i++) carry = (a.v[i] + carry) >> 51;
    a.v[0] += 19 * carry;
    for (int i = 0; i < 4; i++) {
        a.v[i + 1] += a.v[i] >> 51;
        a.v[i] &= MASK51;
    }
    a.v[4] &= MASK51;
    words[0] = a.v[0] | a.v[1] << 51;
    words[1] = a.v[1] >> 13 | a.v[2] << 38;
    words[2] = a.v[2] >> 26 | a.v[3] << 25;
    words[3] = a.v[3] >> 39 | a.v[4] << 12;
}

/* The limbs of a number of 255 bits; bit 255 is dropped. */
INLINE fe fe_from_words(const uint64_t w[4]) {
    fe out = {{w[0] & MASK51, (w[0] >> 51 | w[1] << 13) & MASK51, (w[1] >> 38 | w[2] << 26) & MASK51, (w[2] >> 25 | w[3] << 39) & MASK51,
               w[3] >> 12 & MASK51}};
    return out;
}

static inline int fe_is_equal(fe a, fe b) {
    uint64_t x[4], y[4];
    fe_words(x, a);
    fe_words(y, b);
    return memcmp(x, y, sizeof x) == 0;
}

/* The lowest bit of the number, which tells x from -x. */
static inline int fe_parity(fe a) {
    uint64_t words[4];
    fe_words(words, a);
    return (int)(words[0] & 1);
}

#endif
