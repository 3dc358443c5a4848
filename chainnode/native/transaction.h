/* The bytes of a signed transaction, checked and taken apart without copying: the rules of `chainnode/transactions.py`. */
#ifndef CHAINNODE_TRANSACTION_H
#define CHAINNODE_TRANSACTION_H

#include "canonical.h"

#define BODY_FIELDS 7
#define CALL_DEPTH 3     /* of a call's fields: the body, its list of calls, the call */
#define SIGNERS_ROOM 64 /* `limits.signers` may not be more */

/* What Python's limits are: bytes, and how many. */
typedef struct {
    size_t tx_bytes, signers, calls, memo_bytes, did_bytes, name_bytes, chain_id_bytes, depth;
} limits;

typedef struct {
    span raw, body, chain_id, nonce, memo;
    span signers, calls, signatures; /* their tokens, after the head of the list */
    size_t signer_count, call_count; /* and as many signatures as signers */
    uint64_t valid_until_ms;
    uint8_t tx_id[32];
} transaction;

/* Take a transaction apart, its tx_id aside. 0 when Python has to look at it: it is malformed, or has a signature of another suite than e. */
int read_transaction(span raw, const limits *max, transaction *out);

/* Where the transactions in the bytes of a batch lie. 0 when these are not an array of 1 to `count_max` byte strings. */
int split_batch(span batch, span *raws, size_t count_max, size_t *count);

#endif
