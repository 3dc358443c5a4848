/* Canonical msgpack: one pass over the bytes, about 0.2 us for a transaction's body. The twin is `codec.py`, which writes the value
 * again and compares. */
#include "canonical.h"

#include <string.h>

reader reader_of(span bytes) {
    return (reader){bytes.at, bytes.at + bytes.size, SIZE_MAX};
}

static size_t left(const reader *in) {
    return (size_t)(in->end - in->at);
}

/* A number of `width` bytes, the highest first. */
static int read_number(reader *in, size_t width, uint64_t *out) {
    if (left(in) < width) return 0;
    *out = 0;
    for (size_t i = 0; i < width; i++) *out = *out << 8 | *in->at++;
    return 1;
}

/* The same where a number up to `least` would have had a shorter form. */
static int read_long(reader *in, size_t width, uint64_t least, uint64_t *out) {
    return read_number(in, width, out) && *out > least;
}

static int read_content(reader *in, token *out) {
    if (left(in) < out->number) return 0;
    out->content = (span){in->at, (size_t)out->number};
    in->at += out->number;
    return 1;
}

/* What the first byte from 0xc0 on begins. */
static int read_marked(reader *in, uint8_t first, token *out) {
    switch (first) {
    case 0xc0: out->kind = NIL; return 1;
    case 0xc2: out->kind = FALSE_; return 1;
    case 0xc3: out->kind = TRUE_; return 1;
    case 0xc4: out->kind = BYTES; return read_number(in, 1, &out->number) && read_content(in, out);
    case 0xc5: out->kind = BYTES; return read_long(in, 2, 0xff, &out->number) && read_content(in, out);
    case 0xc6: out->kind = BYTES; return read_long(in, 4, 0xffff, &out->number) && read_content(in, out);
    case 0xcc: out->kind = NATURAL; return read_long(in, 1, 0x7f, &out->number);
    case 0xcd: out->kind = NATURAL; return read_long(in, 2, 0xff, &out->number);
    case 0xce: out->kind = NATURAL; return read_long(in, 4, 0xffff, &out->number);
    case 0xcf: out->kind = NATURAL; return read_long(in, 8, 0xffffffff, &out->number);
    /* A negative number fills its width: what is read, sign extended, lies below the least number of half the width. */
    case 0xd0: out->kind = NEGATIVE; return read_long(in, 1, 0x7f, &out->number) && (out->number |= ~UINT64_C(0xff)) < (uint64_t)-32;
    case 0xd1: out->kind = NEGATIVE; return read_long(in, 2, 0x7fff, &out->number) && (out->number |= ~UINT64_C(0xffff)) < (uint64_t)-0x80;
    case 0xd2:
        out->kind = NEGATIVE;
        return read_long(in, 4, 0x7fffffff, &out->number) && (out->number |= ~UINT64_C(0xffffffff)) < (uint64_t)-0x8000;
    case 0xd3: out->kind = NEGATIVE; return read_long(in, 8, INT64_MAX, &out->number) && out->number < (uint64_t)INT32_MIN;
    case 0xd9: out->kind = TEXT; return read_long(in, 1, 0x1f, &out->number) && read_content(in, out);
    case 0xda: out->kind = TEXT; return read_long(in, 2, 0xff, &out->number) && read_content(in, out);
    case 0xdb: out->kind = TEXT; return read_long(in, 4, 0xffff, &out->number) && read_content(in, out);
    case 0xdc: out->kind = ARRAY; return read_long(in, 2, 0x0f, &out->number);
    case 0xdd: out->kind = ARRAY; return read_long(in, 4, 0xffff, &out->number);
    case 0xde: out->kind = MAP; return read_long(in, 2, 0x0f, &out->number);
    case 0xdf: out->kind = MAP; return read_long(in, 4, 0xffff, &out->number);
    default: return 0; /* floats, extensions, and the byte that begins nothing */
    }
}

int read_token(reader *in, token *out) {
    if (left(in) == 0) return 0;
    if (in->tokens == 0) return 0;
    in->tokens--;
    uint8_t first = *in->at++;
    if (first < 0x80) {
        *out = (token){.kind = NATURAL, .number = first};
    } else if (first < 0x90) {
        *out = (token){.kind = MAP, .number = first & 0x0f};
    } else if (first < 0xa0) {
        *out = (token){.kind = ARRAY, .number = first & 0x0f};
    } else if (first < 0xc0) {
        *out = (token){.kind = TEXT, .number = first & 0x1f};
        return read_content(in, out);
    } else if (first >= 0xe0) {
        *out = (token){.kind = NEGATIVE, .number = ~UINT64_C(0xff) | first};
    } else {
        return read_marked(in, first, out);
    }
    return 1;
}

int read_kind(reader *in, kind wanted, token *out) {
    return read_token(in, out) && out->kind == wanted;
}

/* Whether the keys of a map stand in the order of their bytes, each once. */
static int is_before(span one, span other) {
    size_t shared = one.size < other.size ? one.size : other.size;
    int order = shared == 0 ? 0 : memcmp(one.at, other.at, shared);
    return order < 0 || (order == 0 && one.size < other.size);
}

static int skip_pairs(reader *in, uint64_t count, int levels) {
    span before = {NULL, 0};
    for (uint64_t i = 0; i < count; i++) {
        token key;
        if (!read_kind(in, TEXT, &key) || !is_utf8(key.content)) return 0;
        if (i > 0 && !is_before(before, key.content)) return 0;
        before = key.content;
        if (!skip_value(in, levels)) return 0;
    }
    return 1;
}

int skip_value(reader *in, int levels) {
    token one;
    if (!read_token(in, &one)) return 0;
    if (one.kind == TEXT) return is_utf8(one.content);
    if (one.kind != ARRAY && one.kind != MAP) return 1;
    if (levels == 0) return 0;
    if (one.kind == MAP) return skip_pairs(in, one.number, levels - 1);
    for (uint64_t i = 0; i < one.number; i++) {
        if (!skip_value(in, levels - 1)) return 0; /* each takes a byte at least, so a count that is a lie ends soon */
    }
    return 1;
}

int is_ascii(span text) {
    uint64_t all = 0, eight;
    size_t i = 0;
    for (; i + 8 <= text.size; i += 8) {
        memcpy(&eight, text.at + i, 8);
        all |= eight;
    }
    for (; i < text.size; i++) all |= text.at[i];
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

/* RFC 3629, section 4. */
int is_utf8(span text) {
    if (is_ascii(text)) return 1;
    for (size_t i = 0; i < text.size;) {
        uint8_t first = text.at[i++];
        if (first < 0x80) continue;
        if (first < 0xc2 || first > 0xf4) return 0;
        size_t more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        if (text.size - i < more) return 0;
        uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80, most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (text.at[i] < least || text.at[i] > most) return 0;
        for (size_t k = 1; k < more; k++) {
            if ((text.at[i + k] & 0xc0) != 0x80) return 0;
        }
        i += more;
    }
    return 1;
}
