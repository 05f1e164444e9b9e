/* flowtab_core_bulk.c - batches of flow lookups in buckets, which are drawn in flowtab_core.c.
 *
 * A batch goes in groups of eight keys through these steps:
 *
 *   hash      all keys; both lines of their home buckets are prefetched, AHEAD groups before they are needed
 *   probe     hashes are compared: which slots fit
 *   near      one group later, their low halves are compared and the answers written, final or not; keys
 * whose search must go on past a bucket wait, noted without a branch far       as soon as eight wait (one in
 * twenty of a full table do): their next buckets are prefetched, and searched like home buckets when the next
 * eight are there. The few that must go on even further are searched for one by one
 *
 * Groups move through a ring, one hashed and one searched at a turn, so that prefetches leave evenly and not
 * in bursts: a core has a few dozen lines under way at most, and far from its caches that bounds the rate,
 * together with the pages that lines are on. The two lines of a bucket cost little more than one there. No
 * step branches on whether a flow is there, nor on where; a mispredicted branch costs more than a lookup.
 *
 * Variants, chosen when a table is made (cpuid), all tested: portable; SSE2 and AVX2 compare hashes as
 * vectors; AVX-512 hashes eight keys at once, compares all hashes of a bucket at once, and collects the slots
 * of eight lanes to compare and answer them together. The last, shorter group takes the portable steps. */
#include "dataplane/flowtab_int.h"
#include "dataplane/flowtab_simd.h"

#define LANES  8u
#define RING   16u /* groups under way: hashed and not yet searched, and room to index them */
#define AHEAD  12u
#define ALWAYS __attribute__((always_inline)) static inline
#define APART  __attribute__((noinline)) /* registers of the loop need not survive it */

#define SELDOM(x) __builtin_expect((x) != 0, 0)

struct group {
    uint64_t hash[LANES], home[LANES]; /* home: addresses of the buckets to look at */
};

/* Keys whose search goes on: those that wait until they are a whole group, and the group of those before
 * them, whose next buckets are on their way. Keys are named by their positions in the batch. */
struct far {
    size_t wait[2 * LANES], at[LANES];
    unsigned n_wait;
    bool full; /* there is a group */
    struct group group;
    struct flow_key key[LANES];
    uint64_t value[LANES];
};

ALWAYS const struct flowtab_bucket *home(const struct group *x, unsigned i)
{
    return (const struct flowtab_bucket *)(uintptr_t)x->home[i];
}

ALWAYS void prefetch(const struct flowtab_bucket *b)
{
    __builtin_prefetch(b->hash);
    __builtin_prefetch(&b->rest[1]);
}

static uint64_t search(const struct flowtab_array *a, struct flow_key key)
{
    unsigned slot;
    const struct flowtab_bucket *b = flowtab_find(a, flowtab_halves(key), &slot);
    return b ? b->rest[slot].value : FLOW_MISS;
}

/* Wait for the pending lanes of the group from first on. */
ALWAYS void wait_for(struct far *f, unsigned pending, size_t first)
{
    unsigned n = f->n_wait;
    for (unsigned i = 0; i < LANES; i++) {
        f->wait[n] = first + i;
        n += pending >> i & 1;
    }
    f->n_wait = n;
}

/* Search for those lanes of a group one by one. */
static APART void search_lanes(const struct flowtab_array *a, unsigned lanes, const struct flow_key *keys,
                               uint64_t *values)
{
    for (; lanes; lanes &= lanes - 1)
        values[__builtin_ctz(lanes)] = search(a, keys[__builtin_ctz(lanes)]);
}

/* Those that still wait in the end. */
static void search_waiting(const struct flowtab_array *a, const struct far *f, const struct flow_key *keys,
                           uint64_t *values)
{
    for (unsigned i = 0; i < f->n_wait; i++)
        values[f->wait[i]] = search(a, keys[f->wait[i]]);
}

/* Eight that wait become the group. */
static void far_gather(struct far *f, const struct flow_key *keys)
{
    for (unsigned i = 0; i < LANES; i++) {
        f->at[i] = f->wait[i];
        f->key[i] = keys[f->wait[i]];
        f->wait[i] = f->wait[i + LANES];
    }
    f->n_wait -= LANES;
}

/* From home to the next bucket. */
static void far_step(const struct flowtab_array *a, struct group *x)
{
    for (unsigned i = 0; i < LANES; i++) {
        const struct flowtab_bucket *b =
            &a->buckets[flowtab_next_of(a, x->hash[i], flowtab_home(a, x->hash[i]))];
        x->home[i] = (uintptr_t)b;
        prefetch(b);
    }
}

/* What searching a group => : a bit for each lane that found nothing and must go on to the next bucket, and
 * eight bits above for each that found its hash with another key: to be searched for one by one. */
#define AMISS_AT LANES
#define PENDING  ((1u << AMISS_AT) - 1)

/* Lane i's answer, given the slots of its bucket that hold its hash. => its two bits, where lane 0 has them.
 */
ALWAYS unsigned answer(const struct group *x, unsigned i, unsigned fits, const struct flow_key *key,
                       uint64_t *value)
{
    const struct flowtab_bucket *b = home(x, i);
    const struct flowtab_rest *r = &b->rest[flowtab_first(fits)];
    uint64_t none = !fits, amiss = r->low != flowtab_low(key);
    *value = r->value | -(none | amiss);
    return (unsigned)((none & (flowtab_passers(b, x->hash[i]) != 0)) | (amiss & !none) << AMISS_AT);
}

/* -- portable -------------------------------------------------------------------------------------------- */

ALWAYS void hash_portable(const struct flowtab_array *a, struct group *x, const struct flow_key *keys,
                          unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        x->hash[i] = flowtab_hash(keys[i]);
        x->home[i] = (uintptr_t)&a->buckets[flowtab_home(a, x->hash[i])];
        prefetch(home(x, i));
    }
}

#define fits_portable flowtab_fits_plain

#define NEAR(variant, target)                                                                                \
    struct probed_##variant {                                                                                \
        const struct group *group;                                                                           \
    };                                                                                                       \
                                                                                                             \
    target ALWAYS struct probed_##variant probe_##variant(const struct group *x)                             \
    {                                                                                                        \
        return (struct probed_##variant){x};                                                                 \
    }                                                                                                        \
                                                                                                             \
    target ALWAYS unsigned near_some_##variant(const struct group *x, const struct flow_key *keys,           \
                                               uint64_t *values, unsigned n)                                 \
    {                                                                                                        \
        unsigned more = 0;                                                                                   \
        for (unsigned i = 0; i < n; i++)                                                                     \
            more |= answer(x, i, fits_##variant(home(x, i), x->hash[i]), &keys[i], &values[i]) << i;         \
        return more;                                                                                         \
    }                                                                                                        \
                                                                                                             \
    target ALWAYS unsigned near_##variant(const struct probed_##variant *y, const struct flow_key *keys,     \
                                          uint64_t *values)                                                  \
    {                                                                                                        \
        return near_some_##variant(y->group, keys, values, LANES);                                           \
    }

/* The whole groups of a batch, and what few of them call: the group of far searches is done, and the next
 * one begun where keys wait for it. => keys done. */
#define GROUPS(variant, target)                                                                              \
    target static APART void far_##variant(const struct flowtab_array *a, struct far *f,                     \
                                           const struct flow_key *keys, uint64_t *values)                    \
    {                                                                                                        \
        if (f->full) {                                                                                       \
            struct probed_##variant y = probe_##variant(&f->group);                                          \
            unsigned more = near_##variant(&y, f->key, f->value);                                            \
            search_lanes(a, (more | more >> AMISS_AT) & PENDING, f->key, f->value);                          \
        }                                                                                                    \
        for (unsigned i = 0; f->full && i < LANES; i++)                                                      \
            values[f->at[i]] = f->value[i];                                                                  \
        f->full = f->n_wait >= LANES;                                                                        \
        if (!f->full)                                                                                        \
            return;                                                                                          \
        far_gather(f, keys);                                                                                 \
        hash_##variant(a, &f->group, f->key, LANES);                                                         \
        far_step(a, &f->group);                                                                              \
    }                                                                                                        \
                                                                                                             \
    target static size_t groups_##variant(const struct flowtab_array *a, const struct flow_key *keys,        \
                                          uint64_t *values, size_t n)                                        \
    {                                                                                                        \
        struct group x[RING];                                                                                \
        struct far f;                                                                                        \
        size_t groups = n / LANES, ahead = groups < AHEAD ? groups : AHEAD;                                  \
        if (!groups)                                                                                         \
            return 0;                                                                                        \
        f.n_wait = 0;                                                                                        \
        f.full = false;                                                                                      \
        for (size_t i = 0; i < ahead; i++)                                                                   \
            hash_##variant(a, &x[i % RING], keys + i * LANES, LANES);                                        \
        struct probed_##variant y = probe_##variant(&x[0]);                                                  \
        for (size_t i = 0; i < groups; i++) {                                                                \
            if (i + AHEAD < groups)                                                                          \
                hash_##variant(a, &x[(i + AHEAD) % RING], keys + (i + AHEAD) * LANES, LANES);                \
            struct probed_##variant next = probe_##variant(&x[(i + (i + 1 < groups)) % RING]);               \
            unsigned more = near_##variant(&y, keys + i * LANES, values + i * LANES);                        \
            y = next;                                                                                        \
            wait_##variant(&f, more &PENDING, i *LANES);                                                     \
            if (SELDOM(more >> AMISS_AT))                                                                    \
                search_lanes(a, more >> AMISS_AT, keys + i * LANES, values + i * LANES);                     \
            if (SELDOM(f.n_wait >= LANES))                                                                   \
                far_##variant(a, &f, keys, values);                                                          \
        }                                                                                                    \
        far_##variant(a, &f, keys, values);                                                                  \
        search_waiting(a, &f, keys, values);                                                                 \
        return groups * LANES;                                                                               \
    }

#define wait_portable wait_for
NEAR(portable, )
GROUPS(portable, )

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__

#define WITH_SSE2   __attribute__((target("sse2")))
#define WITH_AVX2   __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define WITH_AVX512 FLOWTAB_AVX512_TARGET

#define fits_sse2 flowtab_fits
#define hash_sse2 hash_portable
#define wait_sse2 wait_for
NEAR(sse2, WITH_SSE2)
GROUPS(sse2, WITH_SSE2)

WITH_AVX2 ALWAYS unsigned fits_avx2(const struct flowtab_bucket *b, uint64_t h)
{
    __m256i same = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)(const void *)b->hash),
                                      _mm256_set1_epi64x((long long)h));
    unsigned fits = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(same));
    return (fits | (unsigned)(b->hash[4] == h) << 4) & b->taken;
}

#define hash_avx2 hash_portable
#define wait_avx2 wait_for
NEAR(avx2, WITH_AVX2)
GROUPS(avx2, WITH_AVX2)

WITH_AVX512 ALWAYS void hash_avx512(const struct flowtab_array *a, struct group *x,
                                    const struct flow_key *keys, unsigned n)
{
    (void)n;
    __m512i h = flowtab_hash8(keys);
    _mm512_storeu_si512(x->hash, h);
    h = flowtab_home8(h, a->size, a->buckets, 7);
    _mm512_storeu_si512(x->home, h);
    flowtab_fetch8(h, 0);
    flowtab_fetch8(h, MEM_LINE);
}

/* => a bit for each word of lane i's home bucket that is its hash, be it in a slot or not. */
WITH_AVX512 ALWAYS __mmask8 words_avx512(const struct group *x, unsigned i)
{
    return _mm512_cmpeq_epi64_mask(_mm512_set1_epi64((long long)x->hash[i]), _mm512_load_si512(home(x, i)));
}

/* => the words of four lanes, eight bits each. */
WITH_AVX512 ALWAYS __mmask32 words4_avx512(const struct group *x, unsigned i)
{
    __mmask16 low = _mm512_kunpackb(words_avx512(x, i + 1), words_avx512(x, i));
    __mmask16 high = _mm512_kunpackb(words_avx512(x, i + 3), words_avx512(x, i + 2));
    return _mm512_kunpackw(high, low);
}

enum { COUNTS = offsetof(struct flowtab_bucket, taken), SLOTS = offsetof(struct flowtab_bucket, rest) };

/* What probing eight home buckets tells: where the slots that fit are, or what is before the slots where none
 * does; lanes that fit; lanes that others of their class passed. */
struct probed_avx512 {
    __m512i slot;
    __mmask8 fits, passers;
};

WITH_AVX512 ALWAYS struct probed_avx512 probe_avx512(const struct group *x)
{
    const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    struct probed_avx512 y;
    __mmask64 words = _mm512_kunpackd(words4_avx512(x, 4), words4_avx512(x, 0));
    __m512i counts = _mm512_permutex2var_epi64(flowtab_load4(x->home, COUNTS - 8), odd,
                                               flowtab_load4(x->home + 4, COUNTS - 8));
    __m512i bits = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128((long long)words));
    bits = _mm512_ternarylogic_epi64(bits, counts, _mm512_set1_epi64(FLOWTAB_ALL_TAKEN), 0x80);
    y.fits = _mm512_test_epi64_mask(bits, bits);
    bits = _mm512_and_si512(bits, _mm512_sub_epi64(_mm512_setzero_si512(), bits));
    y.slot = _mm512_sub_epi64(_mm512_loadu_si512(x->home), _mm512_slli_epi64(_mm512_lzcnt_epi64(bits), 4));
    __m512i class = _mm512_and_si512(_mm512_loadu_si512(x->hash), _mm512_set1_epi64(FLOWTAB_CLASS));
    counts = _mm512_srlv_epi64(_mm512_srli_epi64(counts, 32), class);
    y.passers = _mm512_test_epi64_mask(counts, _mm512_set1_epi64(FLOWTAB_PASSED_MAX));
    return y;
}

WITH_AVX512 ALWAYS unsigned near_avx512(const struct probed_avx512 *y, const struct flow_key *keys,
                                        uint64_t *values)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    uint64_t slot[8];
    _mm512_storeu_si512(slot, y->slot);
    __m512i a = flowtab_load4(slot, SLOTS + 63 * 16), b = flowtab_load4(slot + 4, SLOTS + 63 * 16);
    __m512i low = _mm512_permutex2var_epi64(_mm512_loadu_si512(keys), odd, _mm512_loadu_si512(keys + 4));
    __mmask8 same = _mm512_mask_cmpeq_epi64_mask(y->fits, _mm512_permutex2var_epi64(a, odd, b), low);
    __m512i value = _mm512_permutex2var_epi64(a, even, b);
    _mm512_storeu_si512(values, _mm512_mask_mov_epi64(_mm512_set1_epi64(-1), same, value));
    return (unsigned)(y->passers & ~y->fits & 0xff) | (unsigned)(y->fits ^ same) << AMISS_AT;
}

WITH_AVX512 ALWAYS void wait_avx512(struct far *f, unsigned pending, size_t first)
{
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    __m512i at = _mm512_add_epi64(_mm512_set1_epi64((long long)first), lane);
    _mm512_storeu_si512(f->wait + f->n_wait, _mm512_maskz_compress_epi64((__mmask8)pending, at));
    f->n_wait += (unsigned)__builtin_popcount(pending);
}

GROUPS(avx512, WITH_AVX512)

static bool have(enum flowtab_variant v)
{
    if (v == FLOWTAB_AVX512)
        return have(FLOWTAB_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
    return v != FLOWTAB_AVX2 || (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                                 __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"));
}
#else
#define groups_sse2   groups_portable
#define groups_avx2   groups_portable
#define groups_avx512 groups_portable

static bool have(enum flowtab_variant v)
{
    return v == FLOWTAB_PORTABLE;
}
#endif

/* -- choice ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t (*groups)(const struct flowtab_array *a, const struct flow_key *keys, uint64_t *values, size_t n);
} variants[FLOWTAB_VARIANTS] = {
    {"portable", groups_portable}, {"SSE2", groups_sse2}, {"AVX2", groups_avx2}, {"AVX-512", groups_avx512}};

enum flowtab_variant flowtab_best(void)
{
    enum flowtab_variant v = FLOWTAB_AVX512;
    while (!have(v))
        v--;
    return v;
}

bool flowtab_use(struct flowtab *t, enum flowtab_variant v)
{
    if (!have(v))
        return false;
    t->variant = v;
    return true;
}

const char *flowtab_how(const struct flowtab *t)
{
    return variants[t->variant].name;
}

static void get_bulk(enum flowtab_variant v, const struct flowtab_array *a, const struct flow_key *keys,
                     uint64_t *values, size_t n)
{
    struct group x;
    size_t done = variants[v].groups(a, keys, values, n);
    unsigned left = (unsigned)(n - done);
    if (!left)
        return;
    hash_portable(a, &x, keys + done, left);
    unsigned more = near_some_portable(&x, keys + done, values + done, left);
    search_lanes(a, (more | more >> AMISS_AT) & PENDING, keys + done, values + done);
}

static void get_old(const void *core, enum flowtab_variant v, const struct flow_key *keys, uint64_t *values,
                    size_t n)
{
    const struct flowtab_core *c = core;
    get_bulk(v, &c->old, keys, values, n);
}

void flowtab_core_get_bulk(const void *core, enum flowtab_variant v, const struct flow_key *keys,
                           uint64_t *values, size_t n)
{
    const struct flowtab_core *c = core;
    get_bulk(v, &c->now, keys, values, n);
    if (c->old.buckets)
        flowtab_get_missed(get_old, c, v, keys, values, n);
}
