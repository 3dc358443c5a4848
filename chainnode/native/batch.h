/* Verification of many Ed25519 signatures, each by itself, by the rule of ADR-0002. */
#ifndef CHAINNODE_BATCH_H
#define CHAINNODE_BATCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *key;       /* 32 bytes */
    const uint8_t *signature; /* 64 bytes */
    const uint8_t *prefix;    /* of the message: what many messages begin with */
    size_t prefix_length;     /* may be 0 */
    const uint8_t *message;   /* the rest */
    size_t length;
    uint8_t *verdict;         /* becomes 1 where the signature counts, else 0 */
} item;

/* Decide each of the items. Tables of keys may take `bytes_max`. `use_ifma` only where `has_ifma`. 0 when memory is short. */
int verify_items(const item *items, size_t count, size_t bytes_max, int use_ifma);

/* Whether this processor has the instructions of the `ifma_*.c` files, and this build the code. */
int has_ifma(void);

#endif
