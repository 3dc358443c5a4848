/* SHA-512 of eight texts at a time. */
#include "lanes.h"

#ifdef HAVE_LANES

INLINE8 __m512i xor3(__m512i a, __m512i b, __m512i c) {
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

/* One block of each lane; lanes that are not in `active` keep their state. */
INLINE8 void compress8(__m512i state[8], uint8_t (*blocks)[SHA512_BLOCK], __mmask8 active) {
    const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607));
    __m512i w[16], rows[8], v[8];
    for (int half = 0; half < 2; half++) {
        for (int k = 0; k < LANES; k++) rows[k] = _mm512_shuffle_epi8(_mm512_loadu_si512(blocks[k] + 64 * half), swap);
        transpose(w + 8 * half, rows);
    }
    for (int i = 0; i < 8; i++) v[i] = state[i];
    for (int start = 0; start < 80; start += 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            if (start > 0) {
                __m512i x = w[(i + 1) & 15], y = w[(i + 14) & 15];
                __m512i one = xor3(_mm512_ror_epi64(x, 1), _mm512_ror_epi64(x, 8), _mm512_srli_epi64(x, 7));
                __m512i two = xor3(_mm512_ror_epi64(y, 19), _mm512_ror_epi64(y, 61), _mm512_srli_epi64(y, 6));
                w[i] = add(add(w[i], one), add(w[(i + 9) & 15], two));
            }
            __m512i a = v[(0 - i) & 7], b = v[(1 - i) & 7], c = v[(2 - i) & 7], e = v[(4 - i) & 7], f = v[(5 - i) & 7], g = v[(6 - i) & 7];
            __m512i one = add(add(v[(7 - i) & 7], add(filled(SHA512_ROUNDS[start + i]), w[i])), _mm512_ternarylogic_epi64(e, f, g, 0xca));
            one = add(one, xor3(_mm512_ror_epi64(e, 14), _mm512_ror_epi64(e, 18), _mm512_ror_epi64(e, 41)));
            __m512i two = xor3(_mm512_ror_epi64(a, 28), _mm512_ror_epi64(a, 34), _mm512_ror_epi64(a, 39));
            v[(3 - i) & 7] = add(v[(3 - i) & 7], one);
            v[(7 - i) & 7] = add(add(one, two), _mm512_ternarylogic_epi64(a, b, c, 0xe8));
        }
    }
    for (int i = 0; i < 8; i++) state[i] = _mm512_mask_add_epi64(state[i], active, state[i], v[i]);
}

TARGET void ifma_challenges(uint8_t (*digests)[64], const challenge_text texts[LANES]) {
    uint8_t blocks[LANES][SHA512_BLOCK];
    size_t counts[LANES], most = 0;
    __m512i state[8], columns[8];
    const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607));
    for (int k = 0; k < LANES; k++) {
        counts[k] = sha512_blocks(&texts[k]);
        if (counts[k] > most) most = counts[k];
    }
    for (int i = 0; i < 8; i++) state[i] = filled(SHA512_START[i]);
    for (size_t index = 0; index < most; index++) {
        unsigned active = 0;
        for (int k = 0; k < LANES; k++) {
            if (index >= counts[k]) continue; /* its last block is compressed again, and dropped */
            sha512_block(blocks[k], &texts[k], index);
            active |= 1u << k;
        }
        compress8(state, blocks, (__mmask8)active);
    }
    transpose(columns, state);
    for (int k = 0; k < LANES; k++) _mm512_storeu_si512(digests[k], _mm512_shuffle_epi8(columns[k], swap));
}

#else

void ifma_challenges(uint8_t (*digests)[64], const challenge_text texts[LANES]) {
    (void)digests, (void)texts;
}

#endif
