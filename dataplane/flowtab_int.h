/* flowtab_int.h - the body of the flow table, for flowtab*.c, tests and benchmarks. Drawn in flowtab.c. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_INT_H
#define VNETSIM_DATAPLANE_FLOWTAB_INT_H

#include "dataplane/flowtab.h"
#include "dataplane/hash.h"
#include "dataplane/mem.h"

#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define FLOWTAB_SLOTS      5
#define FLOWTAB_ALL_TAKEN  0x1fu
#define FLOWTAB_CLASS      0x1cu /* bits of a hash: where in `passed` the count of its class is */
#define FLOWTAB_PASSED_MAX 15u   /* this many or more */

struct flowtab_bucket {
    uint64_t hash[FLOWTAB_SLOTS];
    uint32_t taken;  /* bit i: slot i is */
    uint32_t passed; /* eight counts of four bits: flows that this bucket sent on, by class */
    struct flowtab_rest {
        uint64_t value;
        uint64_t low; /* half of the key; the hash and this half give the other one */
    } rest[FLOWTAB_SLOTS];
};

static_assert(sizeof(struct flowtab_bucket) == 2 * MEM_LINE, "a bucket is two cache lines");
static_assert(offsetof(struct flowtab_bucket, rest[1]) == MEM_LINE, "all hashes are in the first line");

/* How batches search a bucket; every one gives the same answers. */
enum flowtab_variant { FLOWTAB_PORTABLE, FLOWTAB_SSE2, FLOWTAB_AVX2, FLOWTAB_AVX512, FLOWTAB_VARIANTS };

struct flowtab_array {
    struct flowtab_bucket *buckets; /* NULL: there is none */
    uint64_t size;    /* buckets: 4, 5, 6 or 7 times a power of two, or fewer than 4; below 2^32 */
    uint64_t strides; /* size / FLOWTAB_STRIDE */
};

struct flowtab {
    struct flowtab_array now, old; /* old: being moved to now, bucket by bucket */
    uint64_t moved;                /* buckets of old that are empty for good */
    enum flowtab_variant variant;
    size_t count, room; /* flows, and how many now takes */
};

/* Choose how batches run. => false: this machine cannot run that one; nothing changed. */
bool flowtab_use(struct flowtab *t, enum flowtab_variant v);
/* => the variant in use, in words. */
const char *flowtab_how(const struct flowtab *t);
/* The best this machine can run (flowtab_bulk.c). */
enum flowtab_variant flowtab_best(void);

/* -- keys: two halves, of which a bucket keeps one and the hash ------------------------------------------ */

struct flowtab_halves {
    uint64_t hash, low;
};

static inline uint64_t flowtab_low(const struct flow_key *key)
{
    uint64_t low;
    memcpy(&low, (const char *)key + sizeof *key - sizeof low, sizeof low);
    return low;
}

static inline struct flowtab_halves flowtab_halves(struct flow_key key)
{
    uint64_t w[2];
    memcpy(w, &key, sizeof w);
    return (struct flowtab_halves){hash_u128(w[0], w[1]), w[1]};
}

static inline uint64_t flowtab_hash(struct flow_key key)
{
    return flowtab_halves(key).hash;
}

static inline struct flow_key flowtab_key(uint64_t hash, uint64_t low)
{
    uint64_t w[2] = {hash_u128_hi(hash, low), low};
    struct flow_key key;
    memcpy(&key, w, sizeof key);
    return key;
}

/* -- searching: home, then every step buckets ------------------------------------------------------------ */

/* A step is one more than a multiple of 2 * 3 * 5 * 7, hence shares no factor with any size: it visits all.
 */
#define FLOWTAB_STRIDE 210u

static inline uint64_t flowtab_home(const struct flowtab_array *a, uint64_t h)
{
    return (h >> 32) * a->size >> 32;
}

static inline uint64_t flowtab_next_of(const struct flowtab_array *a, uint64_t h, uint64_t at)
{
    uint64_t next = at + ((uint32_t)h * a->strides >> 32) * FLOWTAB_STRIDE + 1;
    return next < a->size ? next : next - a->size;
}

/* => not 0: the search for a flow of this hash does not end in this bucket. */
static inline uint32_t flowtab_passers(const struct flowtab_bucket *b, uint64_t h)
{
    return b->passed >> (h & FLOWTAB_CLASS) & FLOWTAB_PASSED_MAX;
}

/* => a bit for each slot that is taken by a flow of this hash, and the same with vectors where there are any.
 */
static inline unsigned flowtab_fits_plain(const struct flowtab_bucket *b, uint64_t h)
{
    const uint64_t *x = b->hash;
    unsigned fits = (unsigned)(x[0] == h) | (unsigned)(x[1] == h) << 1 | (unsigned)(x[2] == h) << 2 |
                    (unsigned)(x[3] == h) << 3 | (unsigned)(x[4] == h) << 4;
    return fits & b->taken;
}

#ifdef __SSE2__
/* Halves of words are compared; where both fit, the word does. */
static inline unsigned flowtab_fits(const struct flowtab_bucket *b, uint64_t h)
{
    const __m128i want = _mm_set1_epi64x((long long)h), *word = (const __m128i *)(const void *)b->hash;
    __m128 x = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_load_si128(word), want));
    __m128 y = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_load_si128(word + 1), want));
    unsigned fits =
        (unsigned)_mm_movemask_ps(_mm_and_ps(_mm_shuffle_ps(x, y, 0x88), _mm_shuffle_ps(x, y, 0xdd)));
    return (fits | (unsigned)(b->hash[4] == h) << 4) & b->taken;
}
#else
#define flowtab_fits flowtab_fits_plain
#endif

/* => the first of the slots that fits, any if none does. */
static inline unsigned flowtab_first(unsigned fits)
{
    return (unsigned)__builtin_ctz(fits | 1u << (FLOWTAB_SLOTS - 1));
}

/* => the slot that holds the key in this bucket, or FLOWTAB_SLOTS. */
static inline unsigned flowtab_bucket_find(const struct flowtab_bucket *b, struct flowtab_halves k)
{
    for (unsigned fits = flowtab_fits(b, k.hash); fits; fits &= fits - 1)
        if (b->rest[__builtin_ctz(fits)].low == k.low)
            return (unsigned)__builtin_ctz(fits);
    return FLOWTAB_SLOTS;
}

/* => the bucket that holds the key, its slot in *slot, or NULL. */
static inline struct flowtab_bucket *flowtab_find(const struct flowtab_array *a, struct flowtab_halves k,
                                                  unsigned *slot)
{
    uint64_t at = flowtab_home(a, k.hash);
    for (uint64_t n = 0; n < a->size; n++) {
        struct flowtab_bucket *b = &a->buckets[at];
        *slot = flowtab_bucket_find(b, k);
        if (*slot < FLOWTAB_SLOTS)
            return b;
        if (!flowtab_passers(b, k.hash))
            return NULL;
        at = flowtab_next_of(a, k.hash, at);
    }
    return NULL;
}

#endif
