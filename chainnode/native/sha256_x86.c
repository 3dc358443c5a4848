/* SHA-256 with the SHA extensions of x86-64: 32 ns a block of 64 bytes, 24 where two texts go side by side. */
#include "sha256.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>
#include <immintrin.h>

#define TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE TARGET __attribute__((always_inline)) static inline

int has_sha_x86(void) {
    unsigned a, b, c, d;
    return __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1;
}

/* The instructions want the eight words as (a b e f) and (c d g h), the first in the highest place. */
typedef struct {
    __m128i abef, cdgh;
} words;

INLINE words load_words(const uint32_t state[8]) {
    __m128i dcba = _mm_loadu_si128((const __m128i *)state), hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
    __m128i badc = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    return (words){_mm_alignr_epi8(badc, efgh, 8), _mm_blend_epi16(efgh, badc, 0xf0)};
}

INLINE void store_words(uint32_t state[8], words of) {
    __m128i badc = _mm_shuffle_epi32(of.cdgh, 0xb1), feba = _mm_shuffle_epi32(of.abef, 0x1b);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, badc, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(badc, feba, 8));
}

INLINE void load_block(__m128i w[4], const uint8_t *block) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    for (int i = 0; i < 4; i++) w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + i), big_endian);
}

INLINE void four_rounds(words *of, __m128i w[4], int i) {
    __m128i *now = &w[i & 3], *last = &w[(i + 3) & 3];
    __m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(SHA256_ROUNDS + 4 * i)));
    of->cdgh = _mm_sha256rnds2_epu32(of->cdgh, of->abef, sum);
    of->abef = _mm_sha256rnds2_epu32(of->abef, of->cdgh, _mm_shuffle_epi32(sum, 0x0e));
    if (i < 12) { /* the words of round 4 * i + 16 on take the place of those just used */
        __m128i next = _mm_sha256msg1_epu32(*now, w[(i + 1) & 3]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(*last, w[(i + 2) & 3], 4));
        *now = _mm_sha256msg2_epu32(next, *last);
    }
}

INLINE words sum_of(words one, words other) {
    return (words){_mm_add_epi32(one.abef, other.abef), _mm_add_epi32(one.cdgh, other.cdgh)};
}

TARGET void sha256_mix_x86(uint32_t state[8], const uint8_t *blocks, size_t count) {
    words now = load_words(state);
    for (; count > 0; count--, blocks += SHA256_BLOCK) {
        words before = now;
        __m128i w[4];
        load_block(w, blocks);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) four_rounds(&now, w, i);
        now = sum_of(now, before);
    }
    store_words(state, now);
}

TARGET void sha256_mix_two_x86(uint32_t state[8], const uint8_t *blocks, uint32_t other_state[8], const uint8_t *other_blocks, size_t count) {
    words now = load_words(state), other = load_words(other_state);
    for (; count > 0; count--, blocks += SHA256_BLOCK, other_blocks += SHA256_BLOCK) {
        words before = now, other_before = other;
        __m128i w[4], other_w[4];
        load_block(w, blocks);
        load_block(other_w, other_blocks);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            four_rounds(&now, w, i);
            four_rounds(&other, other_w, i);
        }
        now = sum_of(now, before);
        other = sum_of(other, other_before);
    }
    store_words(state, now);
    store_words(other_state, other);
}

#else

int has_sha_x86(void) {
    return 0;
}

void sha256_mix_x86(uint32_t state[8], const uint8_t *blocks, size_t count) {
    sha256_mix_portable(state, blocks, count);
}

void sha256_mix_two_x86(uint32_t state[8], const uint8_t *blocks, uint32_t other_state[8], const uint8_t *other_blocks, size_t count) {
    sha256_mix_two_portable(state, blocks, other_state, other_blocks, count);
}

#endif
