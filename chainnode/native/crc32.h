/* CRC-32 as zlib has it: the polynomial 04c11db7, the lowest bit first. */
#ifndef CHAINNODE_CRC32_H
#define CHAINNODE_CRC32_H

#include <stddef.h>
#include <stdint.h>

#define CRC32_FOLDED 16 /* bytes that are folded at a time */

/* Whether this processor multiplies without carry, and this build has the code for it. */
int has_crc32_x86(void);

void crc32_start(void); /* once, before anything else here */

/* What zlib.crc32(bytes, before) is. */
uint32_t crc32_of(const uint8_t *bytes, size_t size, uint32_t before);

/* The remainder, as it is between two bytes, after `size` bytes more: a multiple of CRC32_FOLDED, not 0. Only where `has_crc32_x86`. */
uint32_t crc32_fold_x86(uint32_t remainder, const uint8_t *bytes, size_t size);

#endif
