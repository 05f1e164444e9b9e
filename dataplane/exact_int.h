/* exact_int.h - the body of the exact-match table, for exact*.c, tests and benchmarks. Drawn in exact.c. */
#ifndef VNETSIM_DATAPLANE_EXACT_INT_H
#define VNETSIM_DATAPLANE_EXACT_INT_H

#include "dataplane/buckets.h"
#include "dataplane/exact.h"
#include "dataplane/hash.h"
#include "dataplane/mem.h"

#include <assert.h>
#include <stdbool.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define EXACT_SLOTS      5
#define EXACT_CLASS      0x1cu /* bits of a hash: where in `passed` the count of its class is */
#define EXACT_PASSED_MAX 15u   /* this many or more */

struct exact_bucket {
    uint64_t key[EXACT_SLOTS];
    uint32_t inverse[EXACT_SLOTS]; /* of the value; 0: the slot is free, whatever key it has */
    uint32_t
        passed; /* eight counts of four bits: entries that found this bucket full and went on, by class */
};

static_assert(sizeof(struct exact_bucket) == MEM_LINE, "a bucket is one cache line");
static_assert(offsetof(struct exact_bucket, passed) == offsetof(struct exact_bucket, inverse[EXACT_SLOTS]),
              "batches read the counts as if they were one slot more");

/* How batches search a bucket; every one gives the same answers. */
enum exact_variant { EXACT_PORTABLE, EXACT_AVX2, EXACT_AVX512, EXACT_VARIANTS };

struct exact_array {
    struct exact_bucket *buckets; /* NULL: there is none */
    uint64_t size;    /* buckets: 4, 5, 6 or 7 times a power of two, or fewer than 4; below 2^29 */
    uint64_t strides; /* size / BUCKETS_STRIDE */
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
    return buckets_home(a->size, h);
}

/* Depends on the low half of the hash only. */
static inline uint64_t exact_next_of(const struct exact_array *a, uint64_t h, uint64_t at)
{
    return buckets_next(a->size, a->strides, h, at);
}

/* => not 0: the search for an entry of this hash does not end in this bucket. */
static inline uint32_t exact_passers(const struct exact_bucket *b, uint64_t h)
{
    return b->passed >> (h & EXACT_CLASS) & EXACT_PASSED_MAX;
}

/* => the inverse of the value in this bucket, 0 where the key is not in it; and the same with vectors where
 * there are any. Searched without a branch: free slots have nothing to add, and a key is in one other slot at
 * most. */
static inline uint32_t exact_bucket_get_plain(const struct exact_bucket *b, uint64_t key)
{
    uint32_t v = 0;
#pragma GCC unroll 5
    for (int i = 0; i < EXACT_SLOTS; i++)
        v |= b->inverse[i] & -(uint32_t)(b->key[i] == key);
    return v;
}

#ifdef __SSE2__
/* Halves of keys are compared; where both fit, the key does. */
static inline uint32_t exact_bucket_get(const struct exact_bucket *b, uint64_t key)
{
    const __m128i want = _mm_set1_epi64x((long long)key), *k = (const __m128i *)(const void *)b->key;
    __m128 x = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_load_si128(k), want));
    __m128 y = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_load_si128(k + 1), want));
    __m128 fits = _mm_and_ps(_mm_shuffle_ps(x, y, 0x88), _mm_shuffle_ps(x, y, 0xdd));
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)b->inverse);
    v = _mm_and_si128(v, _mm_castps_si128(fits));
    v = _mm_or_si128(v, _mm_unpackhi_epi64(v, v));
    v = _mm_or_si128(v, _mm_srli_epi64(v, 32));
    return (uint32_t)_mm_cvtsi128_si32(v) | (b->inverse[4] & -(uint32_t)(b->key[4] == key));
}
#else
#define exact_bucket_get exact_bucket_get_plain
#endif

/* => not 0: the search in which this bucket gave v ends with it. In one number, since whether a search hits
 * is hard to foretell and whether it ends is easy. */
static inline uint32_t exact_search_ends(const struct exact_bucket *b, uint64_t h, uint32_t v)
{
    return v | (exact_passers(b, h) - 1) >> 31;
}

/* => the value, or EXACT_MISS. */
static inline uint32_t exact_find_value(const struct exact_array *a, uint64_t h, uint64_t key)
{
    uint64_t at = exact_home(a, h);
    for (uint64_t n = 0; n < a->size; n++) {
        const struct exact_bucket *b = &a->buckets[at];
        uint32_t v = exact_bucket_get(b, key);
        if (exact_search_ends(b, h, v))
            return ~v;
        at = exact_next_of(a, h, at);
    }
    return EXACT_MISS;
}

#endif
