/* SHA-256, the ways to it, and the way in portable C: 1.3 us for 400 bytes, five times what the SHA extensions take. */
#include "sha256.h"

#include <string.h>

const uint32_t SHA256_ROUNDS[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

enum { LANES_WORTH = 9 }; /* texts; of less, pairs are done sooner */

static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static uint32_t turned(uint32_t x, int by) {
    return x >> by | x << (32 - by);
}

static uint32_t word_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Round i, with each of the eight words in the place that makes moving them needless. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                                                     \
    do {                                                                                                                     \
        uint32_t mixed = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + (g ^ (e & (f ^ g))) + SHA256_ROUNDS[i] + w[i]; \
        d += mixed;                                                                                                          \
        h = mixed + (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) | (c & (a | b)));                              \
    } while (0)

static void mix_block(uint32_t state[8], const uint8_t *block) {
    uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 16; i++) w[i] = word_at(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t low = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t high = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    for (int i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    const uint32_t mixed[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) state[i] += mixed[i];
}

void sha256_mix_portable(uint32_t state[8], const uint8_t *blocks, size_t count) {
    for (size_t i = 0; i < count; i++) mix_block(state, blocks + i * SHA256_BLOCK);
}

void sha256_mix_two_portable(uint32_t state[8], const uint8_t *blocks, uint32_t other_state[8], const uint8_t *other_blocks, size_t count) {
    sha256_mix_portable(state, blocks, count);
    sha256_mix_portable(other_state, other_blocks, count);
}

static sha256_way best;

sha256_way sha256_way_of(int use_x86, int use_lanes) {
    sha256_way way = {sha256_mix_portable, sha256_mix_two_portable, NULL};
    if (use_x86 && has_sha_x86()) {
        way.one = sha256_mix_x86;
        way.two = sha256_mix_two_x86;
    }
    if (use_lanes && has_sha_lanes()) way.many = sha256_mix_lanes;
    return way;
}

void sha256_start(void) {
    best = sha256_way_of(1, 1);
}

const sha256_way *sha256_best(void) {
    return &best;
}

/* A number, the highest byte first. */
static void put_word(uint8_t *bytes, uint32_t word) {
    const uint8_t turned[4] = {(uint8_t)(word >> 24), (uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word};
    memcpy(bytes, turned, sizeof turned);
}

/* A text on its way: `count` blocks at `blocks`, then `ends` more in `last`. */
typedef struct {
    uint32_t state[8];
    const uint8_t *blocks;
    size_t count, ends;
    uint8_t last[2 * SHA256_BLOCK];
} progress;

static void go_on(progress *of, size_t count) {
    of->blocks += count * SHA256_BLOCK;
    of->count -= count;
    if (of->count > 0) return;
    of->blocks = of->last;
    of->count = of->ends;
    of->ends = 0;
}

static void begin(progress *of, const sha256_text *given) {
    const uint8_t *text = given->text;
    size_t length = given->length;
    memcpy(of->state, START, sizeof of->state);
    if (given->is_padded) {
        of->blocks = text;
        of->count = length / SHA256_BLOCK;
        of->ends = 0;
        return;
    }
    size_t whole = length / SHA256_BLOCK, rest = length % SHA256_BLOCK, ends = rest + 9 <= SHA256_BLOCK ? 1 : 2;
    memset(of->last, 0, sizeof of->last);
    if (rest > 0) memcpy(of->last, text + whole * SHA256_BLOCK, rest);
    of->last[rest] = 0x80;
    put_word(of->last + ends * SHA256_BLOCK - 8, (uint32_t)((uint64_t)length >> 29));
    put_word(of->last + ends * SHA256_BLOCK - 4, (uint32_t)((uint64_t)length << 3));
    of->blocks = text;
    of->count = whole;
    of->ends = ends;
    if (whole == 0) go_on(of, 0);
}

static void finish(progress *of, const sha256_way *way) {
    while (of->count > 0) {
        way->one(of->state, of->blocks, of->count);
        go_on(of, of->count);
    }
}

static void put_digest(uint8_t digest[32], const uint32_t state[8]) {
    for (int i = 0; i < 8; i++) put_word(digest + 4 * i, state[i]);
}

void sha256(uint8_t digest[32], const uint8_t *text, size_t length, const sha256_way *way) {
    progress one;
    begin(&one, &(sha256_text){digest, text, length, 0});
    finish(&one, way);
    put_digest(digest, one.state);
}

static void leave_lane(progress *of, const uint32_t states[8][SHA256_LANES], size_t lane) {
    for (int i = 0; i < 8; i++) of->state[i] = states[i][lane];
}

static void start_lanes(uint32_t states[8][SHA256_LANES]) {
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < SHA256_LANES; k++) states[i][k] = START[i];
    }
}

/* Each text in its lane, as long as enough of them have blocks left; a lane that is not in use is given the blocks of another. */
static void finish_in_lanes(progress *texts, size_t count, const sha256_way *way) {
    uint32_t states[8][SHA256_LANES];
    const uint8_t *blocks[SHA256_LANES];
    size_t active = count;
    if (active < LANES_WORTH) return;
    start_lanes(states);
    while (active >= LANES_WORTH) {
        const progress *least = NULL;
        for (size_t k = 0; k < count; k++) {
            if (texts[k].count > 0 && (least == NULL || texts[k].count < least->count)) least = &texts[k];
        }
        size_t all = least->count;
        for (size_t k = 0; k < SHA256_LANES; k++) blocks[k] = k < count && texts[k].count > 0 ? texts[k].blocks : least->blocks;
        way->many(states, blocks, all);
        for (size_t k = 0; k < count; k++) {
            if (texts[k].count == 0) continue;
            go_on(&texts[k], all);
            if (texts[k].count > 0) continue;
            leave_lane(&texts[k], states, k);
            active--;
        }
    }
    for (size_t k = 0; k < count; k++) {
        if (texts[k].count > 0) leave_lane(&texts[k], states, k);
    }
}

/* Each text beside another, as long as there are two. */
static void finish_in_pairs(progress *texts, size_t count, const sha256_way *way) {
    progress *one = NULL;
    for (size_t k = 0; k < count; k++) {
        progress *other = &texts[k];
        while (one != NULL && one->count > 0 && other->count > 0) {
            size_t both = one->count < other->count ? one->count : other->count;
            way->two(one->state, one->blocks, other->state, other->blocks, both);
            go_on(one, both);
            go_on(other, both);
        }
        if (one == NULL || one->count == 0) one = other;
    }
    if (one != NULL) finish(one, way);
}

void sha256_finish(sha256_queue *queue) {
    progress texts[SHA256_LANES];
    for (size_t k = 0; k < queue->count; k++) begin(&texts[k], &queue->waiting[k]);
    if (queue->way->many != NULL) finish_in_lanes(texts, queue->count, queue->way);
    finish_in_pairs(texts, queue->count, queue->way);
    for (size_t k = 0; k < queue->count; k++) put_digest(queue->waiting[k].digest, texts[k].state);
    queue->count = 0;
}

static void put_text(sha256_queue *queue, sha256_text text) {
    queue->waiting[queue->count++] = text;
    if (queue->count == SHA256_LANES) sha256_finish(queue);
}

void sha256_put(sha256_queue *queue, uint8_t digest[32], const uint8_t *text, size_t length) {
    put_text(queue, (sha256_text){digest, text, length, 0});
}

void sha256_put_padded(sha256_queue *queue, uint8_t digest[32], const uint8_t *text, size_t length) {
    put_text(queue, (sha256_text){digest, text, length, 1});
}

size_t sha256_pad(uint8_t *text, size_t length) {
    size_t padded = (length + 8) / SHA256_BLOCK * SHA256_BLOCK + SHA256_BLOCK;
    text[length] = 0x80;
    memset(text + length + 1, 0, padded - length - 9);
    put_word(text + padded - 8, (uint32_t)((uint64_t)length >> 29));
    put_word(text + padded - 4, (uint32_t)((uint64_t)length << 3));
    return padded;
}

/* Texts of two blocks, all padded. */
static void hash_double_blocks(uint8_t *out, uint8_t texts[][2 * SHA256_BLOCK], size_t count, const sha256_way *way) {
    uint32_t states[8][SHA256_LANES], state[8], other[8];
    if (way->many != NULL && count >= LANES_WORTH) {
        const uint8_t *blocks[SHA256_LANES];
        for (size_t k = 0; k < SHA256_LANES; k++) blocks[k] = texts[k < count ? k : 0];
        start_lanes(states);
        way->many(states, blocks, 2);
        for (size_t k = 0; k < count; k++) {
            for (int i = 0; i < 8; i++) put_word(out + 32 * k + 4 * i, states[i][k]);
        }
        return;
    }
    for (size_t k = 0; k < count; k += 2) {
        memcpy(state, START, sizeof state);
        memcpy(other, START, sizeof other);
        if (k + 1 < count) {
            way->two(state, texts[k], other, texts[k + 1], 2);
        } else {
            way->one(state, texts[k], 2);
        }
        put_digest(out + 32 * k, state);
        if (k + 1 < count) put_digest(out + 32 * (k + 1), other);
    }
}

void sha256_inner(uint8_t *out, const uint8_t *before, const uint8_t *nodes, size_t count, const sha256_way *way) {
    uint8_t texts[SHA256_LANES][2 * SHA256_BLOCK] = {{0}};
    for (size_t k = 0; k < SHA256_LANES; k++) {
        texts[k][0] = 1;
        sha256_pad(texts[k], 65);
    }
    for (size_t done = 0; done < count;) {
        size_t some = count - done < SHA256_LANES ? count - done : SHA256_LANES;
        for (size_t k = 0; k < some; k++) {
            size_t first = 0;
            if (before != NULL) {
                memcpy(texts[k] + 1, before, 32);
                before = NULL;
                first = 32;
            }
            memcpy(texts[k] + 1 + first, nodes, 64 - first);
            nodes += 64 - first;
        }
        hash_double_blocks(out + 32 * done, texts, some, way);
        done += some;
    }
}
