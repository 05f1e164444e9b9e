/* exact.c - a hash table of one cache line a bucket.
 *
 *   bucket, 64 bytes:  key[5] (realm << 32 | addr) | value[5] | passed
 *
 * A key belongs to its home bucket, chosen by the high bits of its hash. When that is full it goes on in odd
 * steps taken from other bits of the hash: with a power of two of buckets they visit every bucket, and keys
 * of one home part ways at once instead of piling up in the neighbour. Every full bucket that an entry went
 * past counts it in `passed`, in one of eight counts chosen by its hash; a search ends at the first bucket
 * that nobody of its eighth went past. Removal undoes the counts on its way: no tombstones, no moving of
 * entries, and a table that churns forever stays as it was when new. A count that reached 15 stays there,
 * which costs searches and never an answer.
 *
 * Empty slots hold the value EXACT_MISS, which is all ones. A bucket is searched without a branch: each of
 * the five slots contributes its value where the key fits and all ones where it does not, and the answer is
 * the AND of them. An empty slot therefore contributes nothing whatever stale key it holds.
 *
 * Costs: at most 4 entries a bucket on average (4/5 full), 16 to 32 bytes an entry beyond the smallest table;
 * a lookup reads one line, rarely two. Growth doubles: the new array is filled before the old one is given
 * up, so an error leaves the table as it was and no entry is ever lost. The table does not shrink.
 *
 * Batches are in exact_bulk.c. */
#include "dataplane/exact.h"
#include "dataplane/exact_int.h"
#include "dataplane/mem.h"

#include <errno.h>

#define PER_LINE 4 /* entries a bucket that a full table has on average */

static inline struct exact_probe probe_of(const struct exact *t, uint64_t key)
{
    return exact_probe_hash(t, hash_u64(key));
}

/* Count one passer-by more or, with -1, less; a full count can no longer tell. */
static void pass(struct exact_bucket *b, struct exact_probe p, int by)
{
    if (exact_passers(b, p) < EXACT_PASSED_MAX)
        b->passed += (uint32_t)by << p.count_at;
}

static size_t room(const struct exact *t)
{
    return (t->mask + 1) * PER_LINE;
}

/* Give t a new empty array of 2^bits buckets. => 0, or -ENOMEM (t untouched). */
static int make_empty(struct exact *t, unsigned bits)
{
    struct exact_bucket *b = bits > 48 ? NULL : mem_array((size_t)1 << bits, sizeof *b);
    if (!b)
        return -ENOMEM;
    for (size_t i = 0; i < (size_t)1 << bits; i++)
        for (int s = 0; s < EXACT_SLOTS; s++)
            b[i].value[s] = EXACT_MISS;
    *t = (struct exact){.buckets = b,
                        .mask = ((uint64_t)1 << bits) - 1,
                        .shift = bits ? 64 - bits : 63,
                        .variant = exact_best()};
    return 0;
}

static unsigned bits_for(size_t entries)
{
    unsigned bits = 0;
    while (bits < 60 && ((size_t)PER_LINE << bits) < entries)
        bits++;
    return bits;
}

static int free_slot(const struct exact_bucket *b)
{
    for (int i = 0; i < EXACT_SLOTS; i++)
        if (b->value[i] == EXACT_MISS)
            return i;
    return -1;
}

/* Add a key that is not in the table, which has room. */
static void insert(struct exact *t, uint64_t key, uint32_t value)
{
    struct exact_probe p = probe_of(t, key);
    int slot;
    while ((slot = free_slot(&t->buckets[p.at])) < 0) {
        pass(&t->buckets[p.at], p, 1);
        p.at = exact_probe_next(t, p);
    }
    t->buckets[p.at].key[slot] = key;
    t->buckets[p.at].value[slot] = value;
    t->count++;
}

struct exact *exact_new(size_t capacity_hint)
{
    struct exact *t = mem_alloc(sizeof *t);
    if (!t || !make_empty(t, bits_for(capacity_hint)))
        return t;
    mem_free(t, sizeof *t);
    return NULL;
}

static void free_buckets(struct exact *t)
{
    mem_free(t->buckets, (t->mask + 1) * sizeof *t->buckets);
}

void exact_free(struct exact *t)
{
    if (!t)
        return;
    free_buckets(t);
    mem_free(t, sizeof *t);
}

int exact_reserve(struct exact *t, size_t entries)
{
    if (entries <= room(t))
        return 0;
    struct exact bigger;
    if (make_empty(&bigger, bits_for(entries)))
        return -ENOMEM;
    bigger.variant = t->variant;
    for (uint64_t i = 0; i <= t->mask; i++)
        for (int s = 0; s < EXACT_SLOTS; s++)
            if (t->buckets[i].value[s] != EXACT_MISS)
                insert(&bigger, t->buckets[i].key[s], t->buckets[i].value[s]);
    free_buckets(t);
    *t = bigger;
    return 0;
}

/* => the bucket that holds key and its slot, or NULL. */
static struct exact_bucket *find(const struct exact *t, uint64_t key, int *slot)
{
    struct exact_probe p = probe_of(t, key);
    for (uint64_t n = 0; n <= t->mask; n++) {
        struct exact_bucket *b = &t->buckets[p.at];
        for (*slot = 0; *slot < EXACT_SLOTS; ++*slot)
            if (b->key[*slot] == key && b->value[*slot] != EXACT_MISS)
                return b;
        if (!exact_passers(b, p))
            return NULL;
        p.at = exact_probe_next(t, p);
    }
    return NULL;
}

int exact_set(struct exact *t, uint32_t realm, uint32_t addr, uint32_t value)
{
    uint64_t key = exact_key(realm, addr);
    int slot;
    if (value == EXACT_MISS)
        return -ERANGE;
    struct exact_bucket *b = find(t, key, &slot);
    if (b) {
        b->value[slot] = value;
        return 0;
    }
    if (exact_reserve(t, t->count + 1))
        return -ENOMEM;
    insert(t, key, value);
    return 0;
}

int exact_del(struct exact *t, uint32_t realm, uint32_t addr)
{
    uint64_t key = exact_key(realm, addr);
    int slot;
    struct exact_bucket *b = find(t, key, &slot);
    if (!b)
        return -ENOENT;
    for (struct exact_probe p = probe_of(t, key); &t->buckets[p.at] != b; p.at = exact_probe_next(t, p))
        pass(&t->buckets[p.at], p, -1);
    b->value[slot] = EXACT_MISS;
    t->count--;
    return 0;
}

uint32_t exact_get(const struct exact *t, uint32_t realm, uint32_t addr)
{
    uint64_t key = exact_key(realm, addr);
    return exact_probe_get(t, probe_of(t, key), key);
}

size_t exact_count(const struct exact *t)
{
    return t->count;
}

size_t exact_bytes(const struct exact *t)
{
    return sizeof *t + (t->mask + 1) * sizeof *t->buckets;
}
