/* Canonical msgpack, the rules of `chainnode/codec.py`, looked at without making anything. */
#ifndef CHAINNODE_CANONICAL_H
#define CHAINNODE_CANONICAL_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *at;
    size_t size;
} span;

typedef struct {
    const uint8_t *at, *end; /* what has not been read yet */
    size_t tokens;           /* that may be read of it */
} reader;

typedef enum { NIL, FALSE_, TRUE_, NATURAL, NEGATIVE, TEXT, BYTES, ARRAY, MAP } kind;

/* One element, or the beginning of an array or a map. */
typedef struct {
    kind kind;
    uint64_t number; /* of NATURAL; of NEGATIVE, in two's complement; how many elements an ARRAY has, or pairs a MAP */
    span content;    /* of TEXT and BYTES */
} token;

reader reader_of(span bytes); /* of any number of tokens */

/* The next token; 0 when it is cut off, or one too many, or not in its shortest form, or of a kind that has no canonical form. That TEXT is UTF-8 is
 * not looked at. */
int read_token(reader *in, token *out);

/* The next token, which must be of this kind. */
int read_kind(reader *in, kind wanted, token *out);

/* Read over the next value: 0 unless it is canonical and has at most `levels` arrays and maps within each other. */
int skip_value(reader *in, int levels);

int is_utf8(span text); /* as Python reads it: no surrogates, nothing in a longer form than it needs */

int is_ascii(span text);

#endif
