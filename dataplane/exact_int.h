/* exact_int.h - the body of the exact-match table, for exact*.c, tests and benchmarks. Drawn in exact.c. */
#ifndef VNETSIM_DATAPLANE_EXACT_INT_H
#define VNETSIM_DATAPLANE_EXACT_INT_H

#include "dataplane/exact.h"
#include "dataplane/hash.h"
#include "dataplane/mem.h"

#include <assert.h>
#include <stdbool.h>

#define EXACT_SLOTS      5
#define EXACT_PASSED_MAX 15u /* this many or more */

struct exact_bucket {
    uint64_t key[EXACT_SLOTS];
    uint32_t inverse[EXACT_SLOTS]; /* of the value; 0: the slot is free, whatever key it has */
    uint32_t passed; /* eight counts of four bits: entries that found this bucket full and went on, by hash */
};

static_assert(sizeof(struct exact_bucket) == MEM_LINE, "a bucket is one cache line");
static_assert(offsetof(struct exact_bucket, passed) == offsetof(struct exact_bucket, inverse[EXACT_SLOTS]),
              "batches read the counts as if they were one slot more");

/* How batches search a bucket; every one gives the same answers. */
enum exact_variant { EXACT_PORTABLE, EXACT_AVX2, EXACT_AVX512, EXACT_VARIANTS };

struct exact_array {
    struct exact_bucket *buckets; /* NULL: there is none */
    uint64_t mask;                /* buckets - 1 */
    unsigned shift;
};

struct exact {
    struct exact_array now, old; /* old: being moved to now, bucket by bucket */
    uint64_t moved;              /* buckets of old that are empty for good */
    enum exact_variant variant;
    size_t count, room; /* entries, and how many now takes */
};

/* Choose how batches run. => false: this machine cannot run that one; nothing changed. */
bool exact_use(struct exact *t, enum exact_variant v);
/* => the variant in use, in words. */
const char *exact_how(const struct exact *t);
/* The best this machine can run (exact_bulk.c). */
enum exact_variant exact_best(void);

/* -- searching: home, then every step buckets ------------------------------------------------------------ */

static inline uint64_t exact_key(uint32_t realm, uint32_t addr)
{
    return (uint64_t)realm << 32 | addr;
}

static inline uint64_t exact_home(const struct exact_array *a, uint64_t h)
{
    return h >> a->shift & a->mask;
}

/* Steps are odd: with a power of two of buckets they visit all. */
static inline uint64_t exact_next_of(const struct exact_array *a, uint64_t h, uint64_t at)
{
    return (at + (h >> 3 | 1)) & a->mask;
}

/* => not 0: the search for an entry of this hash does not end in this bucket. */
static inline uint32_t exact_passers(const struct exact_bucket *b, uint64_t h)
{
    return b->passed >> (h & 7) * 4 & EXACT_PASSED_MAX;
}

/* => the inverse of the value in this bucket, 0 where the key is not in it. Searched without a branch: free
 * slots have nothing to add, and a key is in one other slot at most. */
static inline uint32_t exact_bucket_get(const struct exact_bucket *b, uint64_t key)
{
    uint32_t v = 0;
    for (int i = 0; i < EXACT_SLOTS; i++)
        v |= b->inverse[i] & -(uint32_t)(b->key[i] == key);
    return v;
}

/* => the value, or EXACT_MISS. */
static inline uint32_t exact_find_value(const struct exact_array *a, uint64_t h, uint64_t key)
{
    uint64_t at = exact_home(a, h);
    for (uint64_t n = 0; n <= a->mask; n++) {
        const struct exact_bucket *b = &a->buckets[at];
        uint32_t v = exact_bucket_get(b, key);
        if (v || !exact_passers(b, h))
            return ~v;
        at = exact_next_of(a, h, at);
    }
    return EXACT_MISS;
}

#endif
