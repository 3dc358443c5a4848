/* The tables of keys that sign again and again: a bounded cache, least recently used out, shared by all threads. */
#ifndef CHAINNODE_TABLES_H
#define CHAINNODE_TABLES_H

#include <stddef.h>

#include "group.h"

typedef struct table {
    niels multiples[KEY_ENTRIES]; /* of minus the key's point, for `sum_with_table` */
    uint8_t key[32];
    int users; /* threads that hold it, and the cache */
    uint64_t used;                      /* the look-up that found it last */
    struct table *newer, *older, *next; /* in the order of use; in its bucket */
} table;

typedef struct {
    size_t tables, bytes, built, evicted;
} tables_state;

/* Before anything else, once. */
void tables_start(void);

/* The key's table, to be given back by `table_release`; NULL when there is none. */
table *table_find(const uint8_t key[32]);
void table_release(table *held);

/* Count a signature that verified under a key without table; whether it is time to build one. */
int table_is_due(const uint8_t key[32]);

/* Build the table of minus the point of a key where there is room: all tables together stay within `bytes_max`, and the least
 * recently used go, but none that is in steady use. */
void table_build(const uint8_t key[32], point minus, size_t bytes_max);

tables_state tables_look(void);

/* Forget all tables and sightings. */
void tables_forget(void);

#endif
