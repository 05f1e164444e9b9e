/* peer_lfht.c - liburcu's resizable hash table cds_lfht, one thread; nodes in one array, our hash of the key
 * (it brings none). */
#include "bench/bench.h"
#include "bench/peer.h"
#include "dataplane/hash.h"

#include <stdlib.h>
#include <string.h>
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu-qsbr.h>
#include <urcu/rculfhash.h>

struct item {
    struct cds_lfht_node node;
    uint64_t key[2], value;
};

struct table {
    struct cds_lfht *ht;
    struct item *items;
    size_t n, cap, key_size;
};

static void load(uint64_t *k, const void *key, size_t size)
{
    k[0] = k[1] = 0;
    memcpy(k, key, size);
}

static int same(struct cds_lfht_node *node, const void *key)
{
    return memcmp(caa_container_of(node, struct item, node)->key, key, 16) == 0;
}

static void *make(size_t n, size_t key_size)
{
    struct table *t = calloc(1, sizeof *t);
    size_t buckets = 64;
    while (buckets < n)
        buckets *= 2;
    rcu_register_thread();
    *t = (struct table){.ht = cds_lfht_new(buckets, buckets, buckets, 0, NULL),
                        .items = bench_array(n, sizeof *t->items),
                        .cap = n,
                        .key_size = key_size};
    return t->ht ? t : NULL;
}

static int add(void *table, const void *key, uint64_t value)
{
    struct table *t = table;
    struct item *it = &t->items[t->n++];
    load(it->key, key, t->key_size);
    it->value = value;
    rcu_read_lock();
    cds_lfht_add(t->ht, hash_u128(it->key[0], it->key[1]), &it->node);
    rcu_read_unlock();
    return 0;
}

static void lookup(void *table, const void *keys, uint64_t *value, size_t n)
{
    struct table *t = table;
    struct cds_lfht_iter iter;
    uint64_t k[2];
    rcu_read_lock();
    for (size_t i = 0; i < n; i++) {
        load(k, (const char *)keys + i * t->key_size, t->key_size);
        cds_lfht_lookup(t->ht, hash_u128(k[0], k[1]), same, k, &iter);
        struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
        if (node)
            value[i] = caa_container_of(node, struct item, node)->value;
    }
    rcu_read_unlock();
}

static void done(void *table)
{
    struct table *t = table;
    rcu_read_lock();
    for (size_t i = 0; i < t->n; i++)
        cds_lfht_del(t->ht, &t->items[i].node);
    rcu_read_unlock();
    cds_lfht_destroy(t->ht, NULL);
    bench_free(t->items, t->cap, sizeof *t->items);
    rcu_unregister_thread();
    free(t);
}

static size_t bytes(const void *table)
{
    const struct table *t = table;
    size_t buckets = 64;
    while (buckets < t->cap)
        buckets *= 2;
    return t->n * sizeof *t->items + buckets * sizeof(struct cds_lfht_node);
}

static const void *at(const void *table)
{
    return ((const struct table *)table)->items;
}

static const struct peer_keys lfht = {"cds_lfht", make, add, NULL, lookup, done, bytes, at};

const struct peer_keys *const peer_keys_lfht[] = {&lfht, NULL};
