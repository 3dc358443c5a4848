/* SHA-256 (FIPS 180-4). */
#ifndef CHAINNODE_SHA256_H
#define CHAINNODE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK 64
#define SHA256_LANES 16

/* Mix whole blocks into the state. */
typedef void sha256_mixer(uint32_t state[8], const uint8_t *blocks, size_t count);

/* The same for two texts that have nothing to do with each other: what one waits for is time for the other. */
typedef void sha256_pair_mixer(uint32_t state[8], const uint8_t *blocks, uint32_t other_state[8], const uint8_t *other_blocks, size_t count);

/* The same for as many texts as there are lanes. */
typedef void sha256_lanes_mixer(uint32_t states[8][SHA256_LANES], const uint8_t *const blocks[SHA256_LANES], size_t count);

extern const uint32_t SHA256_ROUNDS[64];

sha256_mixer sha256_mix_portable;
sha256_mixer sha256_mix_x86; /* with the SHA extensions; only where `has_sha_x86` */
sha256_pair_mixer sha256_mix_two_portable;
sha256_pair_mixer sha256_mix_two_x86;
sha256_lanes_mixer sha256_mix_lanes; /* with AVX-512; only where `has_sha_lanes` */

/* Whether this processor has those instructions, and this build the code. To ask takes 20 us in a virtual machine. */
int has_sha_x86(void);
int has_sha_lanes(void);

typedef struct {
    sha256_mixer *one;
    sha256_pair_mixer *two;
    sha256_lanes_mixer *many; /* NULL: there are no lanes */
} sha256_way;

/* With what is allowed, as far as it is there. */
sha256_way sha256_way_of(int use_x86, int use_lanes);

void sha256_start(void); /* once, before anything else here */

/* The way for this processor. */
const sha256_way *sha256_best(void);

void sha256(uint8_t digest[32], const uint8_t *text, size_t length, const sha256_way *way);

typedef struct {
    uint8_t *digest;
    const uint8_t *text;
    size_t length;
    int is_padded;
} sha256_text;

/* Many texts, as many at a time as there are lanes. It begins with nothing but the way. */
typedef struct {
    const sha256_way *way;
    size_t count;
    sha256_text waiting[SHA256_LANES];
} sha256_queue;

/* The text, and the room for its digest, are used until SHA256_LANES - 1 more texts were put, or to the end. */
void sha256_put(sha256_queue *queue, uint8_t digest[32], const uint8_t *text, size_t length);

/* On return all digests are there. */
void sha256_finish(sha256_queue *queue);

/* Pad a text where it stands, with SHA256_PADDING bytes of room behind it, for `sha256_put_padded`: its length with that. Half as dear. */
#define SHA256_PADDING 72
size_t sha256_pad(uint8_t *text, size_t length);
void sha256_put_padded(sha256_queue *queue, uint8_t digest[32], const uint8_t *text, size_t length);

/* Inner nodes of a tree (RFC 6962, 2.1): sha256(01 || left || right) of `count` pairs of hashes, which stand one behind the other in
 * `nodes`, or the first in `before` where that is not NULL. */
void sha256_inner(uint8_t *out, const uint8_t *before, const uint8_t *nodes, size_t count, const sha256_way *way);

#endif
