/* A cache of tables behind one lock, which is held for look-ups, never for arithmetic.
 *
 * A table costs about as much as three signatures without one in portable code, fifteen in lanes, so it is built when a key
 * has been seen three times: a stranger who uses each key just so often costs us no more than libsodium would. Sightings are
 * counted in a small array that any key may overwrite: keys that are seen once cost no table its place. Neither do keys beyond
 * the room: while the oldest table has been used within STEADY look-ups per table, a new key goes on without, instead of
 * tables being built and thrown away in turn.
 */
#define _DEFAULT_SOURCE /* getentropy: of <unistd.h> with musl, of <sys/random.h> with the others */
#include "tables.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define BUCKETS 4096
#define SIGHTINGS 16384
#define WAYS 8 /* places where a key may be counted */
#define SIGHTINGS_DUE 3
#define STEADY 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static table *buckets[BUCKETS], *newest, *oldest;
static struct {
    uint64_t mark;
    int count;
} sightings[SIGHTINGS];
static tables_state state;
static uint64_t lookups;

static uint64_t salt[4]; /* drawn at start, so that nobody can make keys that share a bucket, which would cost time and nothing else */

void tables_start(void) {
    if (getentropy(salt, sizeof salt) != 0) memset(salt, 0x5a, sizeof salt);
}

static uint64_t folded(uint64_t one, uint64_t other) {
    u128 product = (u128)one * other;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* 64 bits of a key. */
static uint64_t mark_of(const uint8_t key[32]) {
    uint64_t words[4];
    memcpy(words, key, sizeof words);
    return folded(words[0] ^ salt[0], words[1] ^ salt[1]) ^ folded(words[2] ^ salt[2], words[3] ^ salt[3]);
}

static table **bucket_of(const uint8_t key[32]) {
    return &buckets[mark_of(key) % BUCKETS];
}

static table *found(const uint8_t key[32]) {
    table *one = *bucket_of(key);
    while (one != NULL && memcmp(one->key, key, 32) != 0) one = one->next;
    return one;
}

static void unlink_use(table *one) {
    *(one->newer ? &one->newer->older : &newest) = one->older;
    *(one->older ? &one->older->newer : &oldest) = one->newer;
}

static void link_newest(table *one) {
    one->newer = NULL;
    one->older = newest;
    *(newest ? &newest->newer : &oldest) = one;
    newest = one;
}

static void drop_user(table *one) {
    if (--one->users == 0) free(one);
}

static void evict(table *one) {
    table **link = bucket_of(one->key);
    while (*link != one) link = &(*link)->next;
    *link = one->next;
    unlink_use(one);
    state.tables--;
    state.bytes -= sizeof *one;
    drop_user(one);
}

table *table_find(const uint8_t key[32]) {
    pthread_mutex_lock(&lock);
    table *one = found(key);
    lookups++;
    if (one != NULL) {
        one->users++;
        one->used = lookups;
        unlink_use(one);
        link_newest(one);
    }
    pthread_mutex_unlock(&lock);
    return one;
}

void table_release(table *held) {
    pthread_mutex_lock(&lock);
    drop_user(held);
    pthread_mutex_unlock(&lock);
}

int table_is_due(const uint8_t key[32]) {
    uint64_t mark = mark_of(key);
    size_t start = (mark >> 32) % (SIGHTINGS / WAYS) * WAYS, place = start;
    pthread_mutex_lock(&lock);
    for (size_t i = start; i < start + WAYS; i++) {
        if (sightings[i].mark == mark) {
            place = i;
            break;
        }
        if (sightings[i].count < sightings[place].count) place = i; /* the one that was seen least makes room */
    }
    if (sightings[place].mark != mark) {
        sightings[place].mark = mark;
        sightings[place].count = 0;
    }
    int is_due = ++sightings[place].count >= SIGHTINGS_DUE;
    if (is_due) sightings[place].count = 0;
    pthread_mutex_unlock(&lock);
    return is_due;
}

/* Evict what must go for one more table; 0 where the room is taken by tables in steady use. */
static int make_room(size_t bytes_max) {
    if (sizeof(table) > bytes_max) return 0;
    while (state.bytes + sizeof(table) > bytes_max) {
        if (lookups - oldest->used < STEADY * state.tables) return 0;
        evict(oldest);
        state.evicted++;
    }
    return 1;
}

/* Put it into its bucket, as the newest of all. */
static void insert(table *built) {
    table **bucket = bucket_of(built->key);
    built->next = *bucket;
    *bucket = built;
    built->used = lookups;
    link_newest(built);
    state.tables++;
    state.bytes += sizeof *built;
    state.built++;
}

void table_build(const uint8_t key[32], point minus, size_t bytes_max) {
    pthread_mutex_lock(&lock);
    int is_worth_it = found(key) == NULL && make_room(bytes_max);
    pthread_mutex_unlock(&lock);
    if (!is_worth_it) return;
    table *built = aligned_alloc(64, (sizeof *built + 63) / 64 * 64);
    if (built == NULL) return; /* the key goes on without */
    if (!table_fill(built->multiples, minus, KEY_WIDTH, KEY_WINDOWS)) {
        free(built);
        return;
    }
    memcpy(built->key, key, 32);
    built->users = 1;
    pthread_mutex_lock(&lock);
    if (found(key) == NULL && make_room(bytes_max)) { /* else another thread was faster */
        insert(built);
    } else {
        free(built);
    }
    pthread_mutex_unlock(&lock);
}

tables_state tables_look(void) {
    pthread_mutex_lock(&lock);
    tables_state seen = state;
    pthread_mutex_unlock(&lock);
    return seen;
}

void tables_forget(void) {
    pthread_mutex_lock(&lock);
    while (oldest != NULL) evict(oldest);
    memset(sightings, 0, sizeof sightings);
    memset(&state, 0, sizeof state);
    lookups = 0;
    pthread_mutex_unlock(&lock);
}
