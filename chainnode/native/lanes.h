/* Eight elements side by side: each 512-bit register holds one limb, or one word, of eight lanes (AVX-512 IFMA).
 *
 * Limbs are those of field.h, radix 2^51. The multiply-add instructions read the lowest 52 bits of a limb, so both factors
 * must stay below 2^52: products, and sums that were carried, do. Only for the `ifma_*.c` files.
 */
#ifndef CHAINNODE_LANES_H
#define CHAINNODE_LANES_H

#include "ifma.h"

#if defined(__x86_64__)
#define HAVE_LANES 1

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512ifma")))
#define INLINE8 static inline __attribute__((always_inline)) TARGET

typedef struct {
    __m512i v[5];
} fe8;

typedef struct {
    fe8 x, y, z, t;
} point8;

INLINE8 __m512i add(__m512i a, __m512i b) {
    return _mm512_add_epi64(a, b);
}

INLINE8 __m512i filled(uint64_t word) {
    return _mm512_set1_epi64((long long)word);
}

/* Limbs below 2^61 to limbs below 2^51 + 2^15. */
INLINE8 fe8 carried(__m512i r0, __m512i r1, __m512i r2, __m512i r3, __m512i r4) {
    const __m512i mask = filled(MASK51);
    fe8 out;
    out.v[0] = _mm512_madd52lo_epu64(_mm512_and_si512(r0, mask), _mm512_srli_epi64(r4, 51), filled(19));
    out.v[1] = add(_mm512_and_si512(r1, mask), _mm512_srli_epi64(r0, 51));
    out.v[2] = add(_mm512_and_si512(r2, mask), _mm512_srli_epi64(r1, 51));
    out.v[3] = add(_mm512_and_si512(r3, mask), _mm512_srli_epi64(r2, 51));
    out.v[4] = add(_mm512_and_si512(r4, mask), _mm512_srli_epi64(r3, 51));
    return out;
}

INLINE8 fe8 fe8_add(fe8 a, fe8 b) {
    return carried(add(a.v[0], b.v[0]), add(a.v[1], b.v[1]), add(a.v[2], b.v[2]), add(a.v[3], b.v[3]), add(a.v[4], b.v[4]));
}

/* 2p, limb by limb, and a - b by way of it: limbs of b are below 2^52 - 38. */
INLINE8 __m512i twice_p(int limb) {
    return filled(limb == 0 ? UINT64_C(0xfffffffffffda) : UINT64_C(0xffffffffffffe));
}

INLINE8 __m512i less(__m512i a, __m512i b, int limb) {
    return _mm512_sub_epi64(add(a, twice_p(limb)), b);
}

INLINE8 fe8 fe8_sub(fe8 a, fe8 b) {
    return carried(less(a.v[0], b.v[0], 0), less(a.v[1], b.v[1], 1), less(a.v[2], b.v[2], 2), less(a.v[3], b.v[3], 3),
                   less(a.v[4], b.v[4], 4));
}

/* low + 2 * high: a high half weighs 2^52, which is twice the next limb. */
INLINE8 __m512i joined(__m512i low, __m512i high) {
    return add(low, add(high, high));
}

/* a + 19 * b */
INLINE8 __m512i folded(__m512i a, __m512i b) {
    return add(add(a, b), add(_mm512_slli_epi64(b, 1), _mm512_slli_epi64(b, 4)));
}

/* Each sum of halves has at most five terms below 2^52, so a joined one is below 2^56 and a folded one below 2^61. */
INLINE8 fe8 fe8_mul(fe8 a, fe8 b) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i low[10], high[10];
#pragma GCC unroll 10
    for (int k = 0; k < 10; k++) low[k] = high[k] = zero;
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) {
#pragma GCC unroll 5
        for (int j = 0; j < 5; j++) {
            low[i + j] = _mm512_madd52lo_epu64(low[i + j], a.v[i], b.v[j]);
            high[i + j + 1] = _mm512_madd52hi_epu64(high[i + j + 1], a.v[i], b.v[j]);
        }
    }
    return carried(folded(low[0], joined(low[5], high[5])), folded(joined(low[1], high[1]), joined(low[6], high[6])),
                   folded(joined(low[2], high[2]), joined(low[7], high[7])), folded(joined(low[3], high[3]), joined(low[8], high[8])),
                   folded(joined(low[4], high[4]), joined(zero, high[9])));
}

/* Eight rows of eight words to eight columns. */
INLINE8 void transpose(__m512i c[8], const __m512i r[8]) {
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; odd++) {
        __m512i t[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            t[i] = odd ? _mm512_unpackhi_epi64(r[2 * i], r[2 * i + 1]) : _mm512_unpacklo_epi64(r[2 * i], r[2 * i + 1]);
        }
        __m512i first = _mm512_shuffle_i64x2(t[0], t[1], 0x44), second = _mm512_shuffle_i64x2(t[2], t[3], 0x44);
        c[odd] = _mm512_shuffle_i64x2(first, second, 0x88);
        c[odd + 2] = _mm512_shuffle_i64x2(first, second, 0xdd);
        first = _mm512_shuffle_i64x2(t[0], t[1], 0xee), second = _mm512_shuffle_i64x2(t[2], t[3], 0xee);
        c[odd + 4] = _mm512_shuffle_i64x2(first, second, 0x88);
        c[odd + 6] = _mm512_shuffle_i64x2(first, second, 0xdd);
    }
}

/* The sum of two points by the products of its formula: (y - x)(y' - x'), (y + x)(y' + x'), 2dtt', 2zz'; d with limbs below 2^53. */
INLINE8 point8 sum_of(fe8 a, fe8 b, fe8 c, fe8 d) {
    fe8 e = fe8_sub(b, a), f = fe8_sub(d, c), g = fe8_add(d, c), h = fe8_add(b, a);
    point8 out = {fe8_mul(e, f), fe8_mul(g, h), fe8_mul(f, g), fe8_mul(e, h)};
    return out;
}

/* Four words of each lane to limbs. */
INLINE8 fe8 limbs(const __m512i w[4]) {
    const __m512i mask = filled(MASK51);
    fe8 out;
    out.v[0] = _mm512_and_si512(w[0], mask);
    out.v[1] = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(w[0], 51), _mm512_slli_epi64(w[1], 13)), mask);
    out.v[2] = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(w[1], 38), _mm512_slli_epi64(w[2], 26)), mask);
    out.v[3] = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(w[2], 25), _mm512_slli_epi64(w[3], 39)), mask);
    out.v[4] = _mm512_srli_epi64(w[3], 12);
    return out;
}

INLINE8 __m512i two_rows(const niels *low, const niels *high) {
    __m512i row = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(low->words + 8)));
    return _mm512_inserti64x4(row, _mm256_loadu_si256((const __m256i *)(high->words + 8)), 1);
}

/* p + q[lane], or p - q[lane] where the lane's bit in `negative` is set. */
INLINE8 point8 add_niels(point8 p, const niels *const q[LANES], __mmask8 negative) {
    __m512i rows[8], words[8], last[4];
#pragma GCC unroll 8
    for (int k = 0; k < LANES; k++) rows[k] = _mm512_loadu_si512(q[k]->words);
    transpose(words, rows);
    __m512i even = two_rows(q[0], q[2]), odd = two_rows(q[1], q[3]), even4 = two_rows(q[4], q[6]), odd4 = two_rows(q[5], q[7]);
    __m512i first = _mm512_unpacklo_epi64(even, odd), second = _mm512_unpacklo_epi64(even4, odd4);
    last[0] = _mm512_shuffle_i64x2(first, second, 0x88);
    last[2] = _mm512_shuffle_i64x2(first, second, 0xdd);
    first = _mm512_unpackhi_epi64(even, odd), second = _mm512_unpackhi_epi64(even4, odd4);
    last[1] = _mm512_shuffle_i64x2(first, second, 0x88);
    last[3] = _mm512_shuffle_i64x2(first, second, 0xdd);

    __m512i plus[4], minus[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        plus[i] = _mm512_mask_blend_epi64(negative, words[i], words[i + 4]);
        minus[i] = _mm512_mask_blend_epi64(negative, words[i + 4], words[i]);
    }
    fe8 t2d = limbs(last);
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) t2d.v[i] = _mm512_mask_sub_epi64(t2d.v[i], negative, twice_p(i), t2d.v[i]);

    fe8 a = fe8_mul(fe8_sub(p.y, p.x), limbs(minus));
    fe8 b = fe8_mul(fe8_add(p.y, p.x), limbs(plus));
    fe8 c = fe8_mul(p.t, t2d);
    fe8 d;
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) d.v[i] = add(p.z.v[i], p.z.v[i]);
    return sum_of(a, b, c, d);
}

/* The entries that a window adds, asked for ahead of time; bit k of what comes back: lane k subtracts its entry. */
INLINE8 __mmask8 choose(const niels *q[LANES], const lane lanes[LANES], int window) {
    unsigned negative = 0;
#pragma GCC unroll 8
    for (int k = 0; k < LANES; k++) {
        int is_base = window < BASE_WINDOWS;
        int digit = is_base ? lanes[k].s[window] : lanes[k].h[window - BASE_WINDOWS];
        const niels *table = is_base ? base_table + window * BASE_HALF : lanes[k].table + (window - BASE_WINDOWS) * KEY_HALF;
        int sign = digit < 0, size = (digit ^ -sign) + sign;
        q[k] = size == 0 ? &NIELS_ZERO : table + size - 1;
        negative |= (unsigned)sign << k;
        __builtin_prefetch(q[k]);
        __builtin_prefetch((const char *)q[k] + sizeof(niels) - 1);
    }
    return (__mmask8)negative;
}

#endif

#endif
