/* exact_int.h - the body of the exact-match table, for exact.c, tests and benchmarks. */
#ifndef VNETSIM_DATAPLANE_EXACT_INT_H
#define VNETSIM_DATAPLANE_EXACT_INT_H

#include "dataplane/exact.h"
#include "dataplane/hash.h"
#include "dataplane/mem.h"

#include <assert.h>
#include <stdbool.h>

#define EXACT_SLOTS 5

struct exact_bucket {
    uint64_t key[EXACT_SLOTS];
    uint32_t value[EXACT_SLOTS];
    uint32_t passed; /* eight counts of four bits: entries that found this bucket full and went on, by hash */
};

static_assert(sizeof(struct exact_bucket) == MEM_LINE, "a bucket is one cache line");

/* How batches search a bucket; every one gives the same answers. */
enum exact_variant { EXACT_PORTABLE, EXACT_AVX2, EXACT_AVX512, EXACT_VARIANTS };

struct exact {
    struct exact_bucket *buckets;
    uint64_t mask; /* buckets - 1 */
    unsigned shift;
    enum exact_variant variant;
    size_t count;
};

/* Choose how batches run. => false: this machine cannot run that one; nothing changed. */
bool exact_use(struct exact *t, enum exact_variant v);
/* => the variant in use, in words. */
const char *exact_how(const struct exact *t);
/* The best this machine can run (exact_bulk.c). */
enum exact_variant exact_best(void);

/* -- where a key is looked for: home, then every step buckets; and the position of its counts ------------ */

#define EXACT_PASSED_MAX 15u

struct exact_probe {
    uint64_t at, step;
    unsigned count_at;
};

static inline uint64_t exact_key(uint32_t realm, uint32_t addr)
{
    return (uint64_t)realm << 32 | addr;
}

static inline struct exact_probe exact_probe_hash(const struct exact *t, uint64_t h)
{
    return (struct exact_probe){h >> t->shift & t->mask, h >> 3 | 1, (unsigned)(h & 7) * 4};
}

static inline uint64_t exact_probe_next(const struct exact *t, struct exact_probe p)
{
    return (p.at + p.step) & t->mask;
}

static inline uint32_t exact_passers(const struct exact_bucket *b, struct exact_probe p)
{
    return b->passed >> p.count_at & EXACT_PASSED_MAX;
}

/* => the value in this bucket, EXACT_MISS where the key is not in it. */
static inline uint32_t exact_bucket_get(const struct exact_bucket *b, uint64_t key)
{
    uint32_t v = EXACT_MISS;
    for (int i = 0; i < EXACT_SLOTS; i++)
        v &= b->value[i] | -(uint32_t)(b->key[i] != key);
    return v;
}

static inline uint32_t exact_probe_get(const struct exact *t, struct exact_probe p, uint64_t key)
{
    for (uint64_t n = 0; n <= t->mask; n++) {
        const struct exact_bucket *b = &t->buckets[p.at];
        uint32_t v = exact_bucket_get(b, key);
        if (v != EXACT_MISS || !exact_passers(b, p))
            return v;
        p.at = exact_probe_next(t, p);
    }
    return EXACT_MISS;
}

#endif
