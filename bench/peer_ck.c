/* peer_ck.c - Concurrency Kit's ck_ht, byte-string keys, one thread; its own hash. Entries point at the keys.
 */
#include "bench/bench.h"
#include "bench/peer.h"

#include <ck_ht.h>
#include <stdlib.h>
#include <string.h>

struct table {
    ck_ht_t ht;
    unsigned char *keys;
    size_t n, cap, key_size;
};

static void *ck_alloc(size_t size)
{
    return malloc(size);
}

static void ck_release(void *p, size_t size, bool later)
{
    (void)size;
    (void)later;
    free(p);
}

static struct ck_malloc memory = {.malloc = ck_alloc, .free = ck_release};

static void *make(size_t n, size_t key_size)
{
    struct table *t = calloc(1, sizeof *t);
    if (!ck_ht_init(&t->ht, CK_HT_MODE_BYTESTRING, NULL, &memory, 2 * n, 1))
        return NULL;
    t->keys = bench_array(n, key_size);
    t->cap = n;
    t->key_size = key_size;
    return t;
}

static int add(void *table, const void *key, uint64_t value)
{
    struct table *t = table;
    void *own = t->keys + t->n++ * t->key_size;
    ck_ht_hash_t h;
    ck_ht_entry_t e;
    memcpy(own, key, t->key_size);
    ck_ht_hash(&h, &t->ht, own, (uint16_t)t->key_size);
    /* a value is a pointer, which is never NULL */
    ck_ht_entry_set(&e, h, own, (uint16_t)t->key_size, (void *)(uintptr_t)(value + 1));
    return ck_ht_put_spmc(&t->ht, h, &e) ? 0 : -12;
}

static void lookup(void *table, const void *keys, uint64_t *value, size_t n)
{
    struct table *t = table;
    for (size_t i = 0; i < n; i++) {
        const char *key = (const char *)keys + i * t->key_size;
        ck_ht_hash_t h;
        ck_ht_entry_t e;
        ck_ht_hash(&h, &t->ht, key, (uint16_t)t->key_size);
        ck_ht_entry_key_set(&e, key, (uint16_t)t->key_size);
        if (ck_ht_get_spmc(&t->ht, h, &e))
            value[i] = (uintptr_t)ck_ht_entry_value(&e) - 1;
    }
}

static void done(void *table)
{
    struct table *t = table;
    ck_ht_destroy(&t->ht);
    bench_free(t->keys, t->cap, t->key_size);
    free(t);
}

static size_t bytes(const void *table)
{
    const struct table *t = table;
    size_t slots = 64;
    while (slots < 2 * t->cap)
        slots *= 2;
    return t->n * t->key_size + slots * (sizeof(ck_ht_entry_t) + 1);
}

static const void *at(const void *table)
{
    return ((const struct table *)table)->keys;
}

static const struct peer_keys ck = {"ck_ht", make, add, NULL, lookup, done, bytes, at};

const struct peer_keys *const peer_keys_ck[] = {&ck, NULL};
