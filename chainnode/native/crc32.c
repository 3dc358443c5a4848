/* CRC-32, a byte at a time where it cannot be folded. The plain twin is zlib.crc32, which serves where folding cannot. */
#include "crc32.h"

static uint32_t remainders[256]; /* of each byte */
static int is_folding;

void crc32_start(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t rest = byte;
        for (int i = 0; i < 8; i++) rest = rest & 1 ? rest >> 1 ^ 0xedb88320 : rest >> 1;
        remainders[byte] = rest;
    }
    is_folding = has_crc32_x86();
}

uint32_t crc32_of(const uint8_t *bytes, size_t size, uint32_t before) {
    const uint8_t *end = bytes + size;
    size_t folded = is_folding ? size - size % CRC32_FOLDED : 0;
    uint32_t remainder = ~before;
    if (folded > 0) remainder = crc32_fold_x86(remainder, bytes, folded);
    for (bytes += folded; bytes < end; bytes++) remainder = remainder >> 8 ^ remainders[(remainder ^ *bytes) & 0xff];
    return ~remainder;
}
