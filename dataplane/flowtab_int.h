/* flowtab_int.h - the body of the flow table, for flowtab.c, tests and benchmarks. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_INT_H
#define VNETSIM_DATAPLANE_FLOWTAB_INT_H

#include "dataplane/flowtab.h"
#include "dataplane/hash.h"
#include "dataplane/mem.h"

#include <stdbool.h>
#include <string.h>

#define FLOWTAB_SLOTS      5
#define FLOWTAB_TAGS       0xffffffffffu /* tag of slot i: byte i of the head; 0: the slot is free */
#define FLOWTAB_COUNTS     6             /* four bits each above the tags: flows that went on, by hash */
#define FLOWTAB_COUNTS_AT  40
#define FLOWTAB_PASSED_MAX ((uint64_t)15) /* this many or more */

struct flowtab_slot {
    struct flow_key key;
    uint64_t value;
};

struct flowtab_bucket {
    uint64_t head;
    struct flowtab_slot slot[FLOWTAB_SLOTS];
};

static_assert(sizeof(struct flowtab_bucket) == 2 * MEM_LINE, "a bucket is two cache lines");
static_assert(offsetof(struct flowtab_bucket, slot[2]) < MEM_LINE, "head and two slots share the first line");

/* How batches search a bucket; every one gives the same answers. */
enum flowtab_variant { FLOWTAB_PORTABLE, FLOWTAB_SSE2, FLOWTAB_AVX2, FLOWTAB_AVX512, FLOWTAB_VARIANTS };

struct flowtab {
    struct flowtab_bucket *buckets;
    uint64_t size;    /* buckets: 4, 5, 6 or 7 times a power of two, or fewer than 4; below 2^32 */
    uint64_t strides; /* size / FLOWTAB_STRIDE */
    enum flowtab_variant variant;
    size_t count;
};

/* Choose how batches run. => false: this machine cannot run that one; nothing changed. */
bool flowtab_use(struct flowtab *t, enum flowtab_variant v);
/* => the variant in use, in words. */
const char *flowtab_how(const struct flowtab *t);
/* The best this machine can run (flowtab_bulk.c). */
enum flowtab_variant flowtab_best(void);

static inline uint64_t flowtab_hash(struct flow_key key)
{
    uint64_t w[2];
    memcpy(w, &key, sizeof w);
    return hash_u128(w[0], w[1]);
}

/* -- searching ------------------------------------------------------------------------------------------- */

#define FLOWTAB_ONES  0x0101010101u
#define FLOWTAB_HIGHS 0x8080808080u

/* A step is one more than a multiple of 2 * 3 * 5 * 7, hence shares no factor with any size: it visits all.
 */
#define FLOWTAB_STRIDE 210u

/* Where a key is looked for: home, then every step buckets; its tag in all five bytes; where its counts
 * are. */
struct flowtab_probe {
    uint64_t at, step, tags;
    unsigned count_at;
};

static inline uint64_t flowtab_home(const struct flowtab *t, uint64_t h)
{
    return (h >> 32) * t->size >> 32;
}

static inline struct flowtab_probe flowtab_probe_hash(const struct flowtab *t, uint64_t h)
{
    unsigned sixth = (unsigned)((h >> 7 & 0xff) * FLOWTAB_COUNTS >> 8);
    return (struct flowtab_probe){flowtab_home(t, h), ((uint32_t)h * t->strides >> 32) * FLOWTAB_STRIDE + 1,
                                  ((h & 0x7f) | 0x80) * FLOWTAB_ONES, FLOWTAB_COUNTS_AT + 4 * sixth};
}

static inline uint64_t flowtab_probe_next(const struct flowtab *t, struct flowtab_probe p)
{
    uint64_t next = p.at + p.step;
    return next < t->size ? next : next - t->size;
}

static inline uint64_t flowtab_passers(const struct flowtab_bucket *b, struct flowtab_probe p)
{
    return b->head >> p.count_at & FLOWTAB_PASSED_MAX;
}

static inline bool flowtab_same_key(const struct flow_key *x, const struct flow_key *y)
{
    uint64_t a[2], b[2];
    memcpy(a, x, sizeof a);
    memcpy(b, y, sizeof b);
    return !((a[0] ^ b[0]) | (a[1] ^ b[1]));
}

/* => the high bit of each byte whose tag fits, and now and then of the byte above one: candidates, to be
 * compared. */
static inline uint64_t flowtab_candidates(uint64_t head, uint64_t tags)
{
    uint64_t x = (head ^ tags) & FLOWTAB_TAGS;
    return (x - FLOWTAB_ONES) & ~x & FLOWTAB_HIGHS;
}

static inline unsigned flowtab_candidate_slot(uint64_t c)
{
    return (unsigned)__builtin_ctzll(c) / 8;
}

/* => the slot that holds key in this bucket, or FLOWTAB_SLOTS. */
static inline unsigned flowtab_bucket_find(const struct flowtab_bucket *b, uint64_t tags,
                                           const struct flow_key *key)
{
    for (uint64_t c = flowtab_candidates(b->head, tags); c; c &= c - 1)
        if (flowtab_same_key(&b->slot[flowtab_candidate_slot(c)].key, key))
            return flowtab_candidate_slot(c);
    return FLOWTAB_SLOTS;
}

/* => the bucket that holds key, its slot in *slot, or NULL. */
static inline struct flowtab_bucket *flowtab_find(const struct flowtab *t, struct flowtab_probe p,
                                                  const struct flow_key *key, unsigned *slot)
{
    for (uint64_t n = 0; n < t->size; n++) {
        struct flowtab_bucket *b = &t->buckets[p.at];
        *slot = flowtab_bucket_find(b, p.tags, key);
        if (*slot < FLOWTAB_SLOTS)
            return b;
        if (!flowtab_passers(b, p))
            return NULL;
        p.at = flowtab_probe_next(t, p);
    }
    return NULL;
}

#endif
