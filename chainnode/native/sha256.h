/* SHA-256 (FIPS 180-4). */
#ifndef CHAINNODE_SHA256_H
#define CHAINNODE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK 64

/* Mix whole blocks into the state. */
typedef void sha256_mixer(uint32_t state[8], const uint8_t *blocks, size_t count);

extern const uint32_t SHA256_ROUNDS[64];

sha256_mixer sha256_mix_portable;
sha256_mixer sha256_mix_x86; /* with the SHA extensions; only where `has_sha_x86` */

/* Whether this processor has those instructions, and this build the code. To ask takes 20 us in a virtual machine. */
int has_sha_x86(void);

void sha256_start(void); /* once, before anything else here */

/* The mixer for this processor. */
sha256_mixer *sha256_best(void);

void sha256(uint8_t digest[32], const uint8_t *text, size_t length, sha256_mixer *mix);

#endif
