/* flowtab_core_bulk.c - batches of flow lookups in buckets, which are drawn in flowtab_core.c; the way of a
 * batch is drawn in flowtab_batch.h.
 *
 * Keys whose search must go on past a full bucket (one in twenty of a full table) wait until they are eight:
 * their next buckets are prefetched, and searched like home buckets when the next eight are there. The few
 * that must go on even further are searched for one by one. The two lines of a bucket are prefetched together
 * and cost little more than one up to some megabytes.
 *
 * Variants, chosen when a table is made (cpuid), all tested: portable; SSE2 and AVX2 compare hashes as
 * vectors; AVX-512 hashes eight keys at once, compares all hashes of a bucket at once, and answers eight
 * lanes together. The last, shorter group takes the portable steps. */
#include "dataplane/flowtab_batch.h"

/* Keys whose search goes on: those that wait until they are a whole group, and the group of those before
 * them, whose next buckets are on their way. Keys are named by their positions in the batch. */
struct far {
    size_t wait[2 * LANES], at[LANES];
    unsigned n_wait, n; /* n: of the group, all or none */
    struct group group;
    struct flow_key key[LANES];
    uint64_t value[LANES];
};

ALWAYS void begin(struct far *f)
{
    f->n_wait = f->n = 0;
}

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

/* Search for those lanes of a group one by one. */
static APART void search_lanes(const struct flowtab_array *a, unsigned lanes, const struct flow_key *keys,
                               uint64_t *values)
{
    for (; lanes; lanes &= lanes - 1)
        values[__builtin_ctz(lanes)] = search(a, keys[__builtin_ctz(lanes)]);
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

/* The group of far searches is done, and the next one begun where keys wait for it. */
#define FAR(variant, target)                                                                                 \
    target static APART void serve_##variant(const struct flowtab_array *a, struct far *f,                   \
                                             const struct flow_key *keys, uint64_t *values)                  \
    {                                                                                                        \
        if (f->n) {                                                                                          \
            struct probed_##variant y = probe_##variant(&f->group);                                          \
            unsigned more = near_##variant(&y, f->key, f->value);                                            \
            search_lanes(a, (more | more >> AMISS_AT) & PENDING, f->key, f->value);                          \
        }                                                                                                    \
        for (unsigned i = 0; i < f->n; i++)                                                                  \
            values[f->at[i]] = f->value[i];                                                                  \
        f->n = f->n_wait >= LANES ? LANES : 0;                                                               \
        if (!f->n)                                                                                           \
            return;                                                                                          \
        far_gather(f, keys);                                                                                 \
        hash_##variant(a, &f->group, f->key, LANES);                                                         \
        far_step(a, &f->group);                                                                              \
    }                                                                                                        \
                                                                                                             \
    target static void finish_##variant(const struct flowtab_array *a, struct far *f,                        \
                                        const struct flow_key *keys, uint64_t *values)                       \
    {                                                                                                        \
        serve_##variant(a, f, keys, values);                                                                 \
        for (unsigned i = 0; i < f->n_wait; i++)                                                             \
            values[f->wait[i]] = search(a, keys[f->wait[i]]);                                                \
    }

#define ALL(variant, target)                                                                                 \
    FAR(variant, target) GROUPS(variant, target, struct flowtab_array, struct far, LANES)

NEAR(portable, )
ALL(portable, )

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__

#define fits_sse2 flowtab_fits
#define hash_sse2 hash_portable
NEAR(sse2, WITH_SSE2)
ALL(sse2, WITH_SSE2)

WITH_AVX2 ALWAYS unsigned fits_avx2(const struct flowtab_bucket *b, uint64_t h)
{
    __m256i same = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)(const void *)b->hash),
                                      _mm256_set1_epi64x((long long)h));
    unsigned fits = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(same));
    return (fits | (unsigned)(b->hash[4] == h) << 4) & b->taken;
}

#define hash_avx2 hash_portable
NEAR(avx2, WITH_AVX2)
ALL(avx2, WITH_AVX2)

WITH_AVX512 ALWAYS void hash_avx512(const struct flowtab_array *a, struct group *x,
                                    const struct flow_key *keys, unsigned n)
{
    (void)n;
    __m512i h = hash8(keys);
    _mm512_storeu_si512(x->hash, h);
    h = home8(h, a->size, a->buckets, 7);
    _mm512_storeu_si512(x->home, h);
    fetch8(h, 2);
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
    __m512i counts =
        _mm512_permutex2var_epi64(load4(x->home, COUNTS - 8), odd, load4(x->home + 4, COUNTS - 8));
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
    __m512i a = load4(slot, SLOTS + 63 * 16), b = load4(slot + 4, SLOTS + 63 * 16);
    __m512i low = _mm512_permutex2var_epi64(_mm512_loadu_si512(keys), odd, _mm512_loadu_si512(keys + 4));
    __mmask8 same = _mm512_mask_cmpeq_epi64_mask(y->fits, _mm512_permutex2var_epi64(a, odd, b), low);
    __m512i value = _mm512_permutex2var_epi64(a, even, b);
    _mm512_storeu_si512(values, _mm512_mask_mov_epi64(_mm512_set1_epi64(-1), same, value));
    return (unsigned)(y->passers & ~y->fits & 0xff) | (unsigned)(y->fits ^ same) << AMISS_AT;
}

ALL(avx512, WITH_AVX512)

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
