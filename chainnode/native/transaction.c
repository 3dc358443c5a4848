/* Transactions taken apart: each limit and each form, in the order of the fields. About 0.3 us for 500 bytes. */
#include "transaction.h"

#include <string.h>

#define NONCE_BYTES 16
#define VERSION 1

static int read_ascii(reader *in, size_t size_max, span *out) {
    token one;
    if (!read_kind(in, TEXT, &one)) return 0;
    *out = one.content;
    return out->size > 0 && out->size <= size_max && is_ascii(*out);
}

static int read_bytes(reader *in, size_t size, span *out) {
    token one;
    if (!read_kind(in, BYTES, &one)) return 0;
    *out = one.content;
    return out->size == size;
}

static int read_array(reader *in, uint64_t least, uint64_t most, size_t *count) {
    token one;
    if (!read_kind(in, ARRAY, &one) || one.number < least || one.number > most) return 0;
    *count = (size_t)one.number;
    return 1;
}

static int is_same(span one, span other) {
    return one.size == other.size && memcmp(one.at, other.at, one.size) == 0;
}

static int read_signers(reader *in, const limits *max, transaction *out) {
    span signers[SIGNERS_ROOM];
    if (!read_array(in, 1, max->signers, &out->signer_count)) return 0;
    out->signers.at = in->at;
    for (size_t i = 0; i < out->signer_count; i++) {
        if (!read_ascii(in, max->did_bytes, &signers[i])) return 0;
        for (size_t k = 0; k < i; k++) {
            if (is_same(signers[k], signers[i])) return 0;
        }
    }
    out->signers.size = (size_t)(in->at - out->signers.at);
    return 1;
}

static int read_calls(reader *in, const limits *max, transaction *out) {
    if (!read_array(in, 1, max->calls, &out->call_count)) return 0;
    out->calls.at = in->at;
    for (size_t i = 0; i < out->call_count; i++) {
        size_t fields;
        span name;
        const uint8_t *arguments;
        if (!read_array(in, 3, 3, &fields)) return 0;
        if (!read_ascii(in, max->name_bytes, &name)) return 0;
        if (!read_ascii(in, max->name_bytes, &name)) return 0;
        arguments = in->at;
        if (!skip_value(in, (int)max->depth - CALL_DEPTH)) return 0;
        if ((*arguments < 0x90 || *arguments > 0x9f) && *arguments != 0xdc && *arguments != 0xdd) return 0; /* which are arrays */
    }
    out->calls.size = (size_t)(in->at - out->calls.at);
    return 1;
}

static int read_body(const limits *max, transaction *out) {
    reader in = reader_of(out->body);
    size_t fields;
    token version, time, memo;
    if (!read_array(&in, BODY_FIELDS, BODY_FIELDS, &fields)) return 0;
    if (!read_kind(&in, NATURAL, &version) || version.number != VERSION) return 0;
    if (!read_ascii(&in, max->chain_id_bytes, &out->chain_id)) return 0;
    if (!read_signers(&in, max, out)) return 0;
    if (!read_bytes(&in, NONCE_BYTES, &out->nonce)) return 0;
    if (!read_kind(&in, NATURAL, &time) || time.number > INT64_MAX) return 0;
    if (!read_calls(&in, max, out)) return 0;
    if (!read_kind(&in, TEXT, &memo) || memo.content.size > max->memo_bytes || !is_utf8(memo.content)) return 0;
    out->valid_until_ms = time.number;
    out->memo = memo.content;
    return in.at == in.end;
}

static int read_signatures(reader *in, transaction *out) {
    size_t count, fields;
    span suite, key, signature;
    if (!read_array(in, out->signer_count, out->signer_count, &count)) return 0;
    out->signatures.at = in->at;
    for (size_t i = 0; i < count; i++) {
        if (!read_array(in, 3, 3, &fields)) return 0;
        if (!read_ascii(in, 1, &suite) || suite.at[0] != 'e') return 0;
        if (!read_bytes(in, 32, &key)) return 0;
        if (!read_bytes(in, 64, &signature)) return 0;
    }
    out->signatures.size = (size_t)(in->at - out->signatures.at);
    return 1;
}

int read_transaction(span raw, const limits *max, transaction *out) {
    reader in = reader_of(raw);
    size_t fields;
    token body;
    if (raw.size > max->tx_bytes) return 0;
    if (!read_array(&in, 2, 2, &fields) || !read_kind(&in, BYTES, &body)) return 0;
    out->raw = raw;
    out->body = body.content;
    return read_body(max, out) && read_signatures(&in, out) && in.at == in.end;
}

int split_batch(span batch, span *raws, size_t count_max, size_t *count) {
    reader in = reader_of(batch);
    token piece;
    if (!read_array(&in, 1, count_max, count)) return 0;
    for (size_t i = 0; i < *count; i++) {
        if (!read_kind(&in, BYTES, &piece)) return 0;
        raws[i] = piece.content;
    }
    return in.at == in.end;
}
