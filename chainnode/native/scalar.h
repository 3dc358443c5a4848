/* Numbers modulo L, the order of the base point: one check, one reduction, one recoding. */
#ifndef CHAINNODE_SCALAR_H
#define CHAINNODE_SCALAR_H

#include <stdint.h>

/* Whether 32 little-endian bytes are below L. */
int scalar_is_canonical(const uint8_t bytes[32]);

/* 64 little-endian bytes modulo L, as 32. */
void scalar_reduce(uint8_t out[32], const uint8_t bytes[64]);

/* Digits d[i] from -2^(width-1) to 2^(width-1) - 1 with the sum of d[i] * 2^(width*i) equal to a scalar below L;
 * `count` of them, where width * count >= 254 and width <= 8. */
void scalar_digits(int8_t *digits, int count, int width, const uint8_t scalar[32]);

#endif
