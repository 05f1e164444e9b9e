/* peer_uthash.c - uthash: chains of entries that carry the links, with its default hash. */
#include "bench/bench.h"
#include "bench/peer.h"

#include <stdlib.h>
#include <uthash.h>

struct item {
    unsigned char key[16];
    uint64_t value;
    UT_hash_handle hh;
};

struct table {
    struct item *items, *head;
    size_t n, cap, key_size;
};

static void *make(size_t n, size_t key_size)
{
    struct table *t = calloc(1, sizeof *t);
    *t = (struct table){.items = bench_array(n, sizeof *t->items), .cap = n, .key_size = key_size};
    return t;
}

static int add(void *table, const void *key, uint64_t value)
{
    struct table *t = table;
    struct item *it = &t->items[t->n++];
    memcpy(it->key, key, t->key_size);
    it->value = value;
    HASH_ADD(hh, t->head, key, t->key_size, it);
    return 0;
}

static struct item *find(struct table *t, const void *key)
{
    struct item *it;
    HASH_FIND(hh, t->head, key, t->key_size, it);
    return it;
}

static void lookup(void *table, const void *keys, uint64_t *value, size_t n)
{
    struct table *t = table;
    for (size_t i = 0; i < n; i++) {
        struct item *it = find(t, (const char *)keys + i * t->key_size);
        if (it)
            value[i] = it->value;
    }
}

static void done(void *table)
{
    struct table *t = table;
    HASH_CLEAR(hh, t->head);
    bench_free(t->items, t->cap, sizeof *t->items);
    free(t);
}

static size_t bytes(const void *table)
{
    const struct table *t = table;
    return t->n * sizeof *t->items +
           (t->head ? HASH_OVERHEAD(hh, t->head) - t->n * sizeof(UT_hash_handle) : 0);
}

static const void *at(const void *table)
{
    return ((const struct table *)table)->items;
}

static const struct peer_keys uthash = {"uthash", make, add, NULL, lookup, done, bytes, at};

const struct peer_keys *const peer_keys_uthash[] = {&uthash, NULL};
