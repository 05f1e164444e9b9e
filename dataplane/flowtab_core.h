/* flowtab_core.h - the buckets of the flow table: places for flows of any number, drawn in flowtab_core.c.
 * Not to be used but by flowtab*.c, tests and benchmarks. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_CORE_H
#define VNETSIM_DATAPLANE_FLOWTAB_CORE_H

#include "dataplane/buckets.h"
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
#define FLOWTAB_MOVED_AT_ONCE 8 /* buckets, or lines, that one flow added takes along in growth */

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

struct flowtab_array {
    struct flowtab_bucket *buckets; /* NULL: there is none */
    uint64_t size;    /* buckets: 4, 5, 6 or 7 times a power of two, or fewer than 4; below 2^32 */
    uint64_t strides; /* size / BUCKETS_STRIDE */
};

struct flowtab_core {
    struct flowtab_array now, old; /* old: being moved to now, bucket by bucket */
    uint64_t moved;                /* buckets of old that are empty for good */
    size_t count, room;            /* flows, and how many now takes */
};

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

static inline uint64_t flowtab_home(const struct flowtab_array *a, uint64_t h)
{
    return buckets_home(a->size, h);
}

static inline uint64_t flowtab_next_of(const struct flowtab_array *a, uint64_t h, uint64_t at)
{
    return buckets_next(a->size, a->strides, h, at);
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

/* -- all of them: in now, and what growing has left in old (flowtab_core.c) ------------------------------ */

/* Make an empty one with room for so many. => 0, or -ENOMEM (unchanged). */
int flowtab_core_init(struct flowtab_core *c, size_t flows);
void flowtab_core_free(struct flowtab_core *c);
/* As flowtab_reserve. */
int flowtab_core_reserve(struct flowtab_core *c, size_t flows);
size_t flowtab_core_bytes(const struct flowtab_core *c);

/* As flowtab_set, _del and _get, wherever the flow is. */
int flowtab_core_set_anywhere(struct flowtab_core *c, uint64_t hash, uint64_t low, uint64_t value);
int flowtab_core_del_anywhere(struct flowtab_core *c, uint64_t hash, uint64_t low);
uint64_t flowtab_core_get_anywhere(const struct flowtab_core *c, uint64_t hash, uint64_t low);

/* => whether the flow is there, its value being another one then. */
bool flowtab_core_replace(struct flowtab_core *c, uint64_t hash, uint64_t low, uint64_t value);

/* Places for flows are numbered through. => how many; the bucket of one, its slot. */
size_t flowtab_core_places(const struct flowtab_core *c);
struct flowtab_bucket *flowtab_core_place(const struct flowtab_core *c, size_t i, unsigned *slot);
/* Take the flow in this slot out. */
void flowtab_core_take(struct flowtab_core *c, struct flowtab_bucket *b, unsigned slot);

/* The home bucket of this hash will be read, or written. */
static inline void flowtab_core_fetch(const struct flowtab_core *c, uint64_t hash)
{
    const struct flowtab_bucket *b = &c->now.buckets[flowtab_home(&c->now, hash)];
    __builtin_prefetch(b->hash, 1);
    __builtin_prefetch(&b->rest[1], 1);
}

/* Fill the first free slot. */
static inline void flowtab_bucket_put(struct flowtab_bucket *b, uint64_t h, struct flowtab_rest rest)
{
    unsigned slot = (unsigned)__builtin_ctz(~b->taken);
    b->hash[slot] = h;
    b->rest[slot] = rest;
    b->taken |= 1u << slot;
}

/* Most flows are new, and their home bucket has room. */
static inline int flowtab_core_set(struct flowtab_core *c, struct flowtab_halves k, uint64_t value)
{
    struct flowtab_bucket *b = &c->now.buckets[flowtab_home(&c->now, k.hash)];
    if ((flowtab_fits(b, k.hash) | flowtab_passers(b, k.hash)) || b->taken == FLOWTAB_ALL_TAKEN ||
        c->old.buckets || c->count == c->room)
        return flowtab_core_set_anywhere(c, k.hash, k.low, value);
    flowtab_bucket_put(b, k.hash, (struct flowtab_rest){value, k.low});
    c->count++;
    return 0;
}

/* Most flows are in their home bucket. */
static inline int flowtab_core_del(struct flowtab_core *c, struct flowtab_halves k)
{
    struct flowtab_bucket *b = &c->now.buckets[flowtab_home(&c->now, k.hash)];
    unsigned fits = flowtab_fits(b, k.hash);
    if (!fits || b->rest[flowtab_first(fits)].low != k.low)
        return flowtab_core_del_anywhere(c, k.hash, k.low);
    b->taken &= ~(1u << flowtab_first(fits));
    c->count--;
    return 0;
}

/* The home bucket decides, without a branch on how, unless the search goes on. */
static inline uint64_t flowtab_core_get(const struct flowtab_core *c, struct flowtab_halves k)
{
    const struct flowtab_bucket *b = &c->now.buckets[flowtab_home(&c->now, k.hash)];
    unsigned fits = flowtab_fits(b, k.hash);
    const struct flowtab_rest *r = &b->rest[flowtab_first(fits)];
    uint64_t other = (uint64_t)!fits | (r->low != k.low);
    uint64_t more = fits | flowtab_passers(b, k.hash) | (c->old.buckets != NULL);
    if (__builtin_expect((more & -other) != 0, 0))
        return flowtab_core_get_anywhere(c, k.hash, k.low);
    return r->value | -other;
}

#endif
