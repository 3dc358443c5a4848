/* Numbers modulo L. The reduction is Barrett's with words of 64 bits (Handbook of Applied Cryptography, 14.42). */
#include "scalar.h"

#include <string.h>

#include "field.h"

/* L = 2^252 + 27742317777372353535851937790883648493, and floor(2^512 / L). */
static const uint64_t ORDER[5] = {0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000, 0};
static const uint64_t RECIPROCAL[5] = {0xed9ce5a30a2c131b, 0x2106215d086329a7, 0xffffffffffffffeb, 0xffffffffffffffff, 0xf};

/* a - b over `count` words; 1 when it borrows, that is, when a < b. */
static int subtract(uint64_t *out, const uint64_t *a, const uint64_t *b, int count) {
    uint64_t borrow = 0;
    for (int i = 0; i < count; i++) {
        u128 difference = (u128)a[i] - b[i] - borrow;
        out[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
    return (int)borrow;
}

int scalar_is_canonical(const uint8_t bytes[32]) {
    uint64_t words[4], rest[4];
    memcpy(words, bytes, sizeof words);
    return subtract(rest, words, ORDER, 4);
}

/* The lowest `keep` words of a * b. */
static void multiply(uint64_t *out, const uint64_t a[5], const uint64_t b[5], int keep) {
    memset(out, 0, (size_t)keep * sizeof *out);
    for (int i = 0; i < 5; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 5 && i + j < keep; j++) {
            u128 sum = (u128)a[i] * b[j] + out[i + j] + carry;
            out[i + j] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
        if (i + 5 < keep) out[i + 5] = carry;
    }
}

void scalar_reduce(uint8_t out[32], const uint8_t bytes[64]) {
    uint64_t x[8], product[10], multiple[5], rest[5];
    memcpy(x, bytes, sizeof x);
    multiply(product, x + 3, RECIPROCAL, 10);   /* the quotient x / L, at most two too small, is product / 2^320 */
    multiply(multiple, product + 5, ORDER, 5);
    subtract(rest, x, multiple, 5);
    uint64_t less[5];
    while (!subtract(less, rest, ORDER, 5)) memcpy(rest, less, sizeof rest);
    memcpy(out, rest, 32);
}

void scalar_digits(int8_t *digits, int count, int width, const uint8_t scalar[32]) {
    int carry = 0, half = 1 << (width - 1);
    for (int i = 0; i < count; i++) {
        int bit = i * width, byte = bit >> 3;
        int pair = scalar[byte] | (byte < 31 ? scalar[byte + 1] << 8 : 0);
        int digit = (pair >> (bit & 7) & (2 * half - 1)) + carry;
        carry = digit >= half;
        digits[i] = (int8_t)(digit - carry * 2 * half);
    }
}
