/* SHA-512 (FIPS 180-4) of a text in pieces: R, A, and the message of a signature, which has a prefix that others share. */
#ifndef CHAINNODE_SHA512_H
#define CHAINNODE_SHA512_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *r, *a; /* 32 bytes each */
    const uint8_t *prefix;
    size_t prefix_length; /* may be 0 */
    const uint8_t *message;
    size_t length; /* of the message behind the prefix */
} challenge_text;

#define SHA512_BLOCK 128

extern const uint64_t SHA512_ROUNDS[80];
extern const uint64_t SHA512_START[8];

/* How many blocks the padded text has. */
size_t sha512_blocks(const challenge_text *text);

/* Block `index` of the padded text. */
void sha512_block(uint8_t block[SHA512_BLOCK], const challenge_text *text, size_t index);

void sha512_challenge(uint8_t digest[64], const challenge_text *text);

#endif
