/* exact_bulk.c - batches of exact-match lookups; the table is drawn in exact.c.
 *
 * A batch goes in groups of eight keys through these steps:
 *
 *   hash      all keys; their home buckets are prefetched, AHEAD groups before they are needed
 *   near      the home buckets are searched and the answers written, final or not; keys whose search must go
 *             on past a full bucket wait, noted without a branch
 *   far       as soon as eight wait: their next buckets are prefetched, and searched like home buckets when
 *             the next eight are there. The few that must go on even further are searched for one by one
 *
 * Groups move through a ring, one hashed and one searched at a turn. No step branches on whether a key is
 * there, nor on where: a mispredicted branch costs as much as two lookups, and even one for each key that
 * lies beyond its home (one in fifty of a table that is half full, one in ten of a full one) would be felt.
 *
 * Variants, chosen when a table is made (cpuid), all tested: portable; AVX2 compares four keys at once;
 * AVX-512 hashes eight keys at once, compares all keys of a bucket at once, and collects the values of eight
 * lanes in a vector. Where no key fits, what is collected instead is the word behind the values: the counts
 * of passers-by, which are needed just then. The last, shorter group takes the portable steps. */
#include "dataplane/exact_int.h"

#define LANES  8u
#define RING   16u /* groups under way: hashed and not yet searched, and room to index them */
#define AHEAD  12u
#define ALWAYS __attribute__((always_inline)) static inline

struct group {
    uint64_t hash[LANES], key[LANES], home[LANES]; /* home: addresses */
};

/* Keys whose search goes on: those that wait until they are a whole group, and the group of those before
 * them, whose next buckets are on their way. Keys are named by their positions in the batch. */
struct far {
    size_t wait[2 * LANES], at[LANES];
    unsigned n_wait;
    bool full; /* there is a group */
    struct group group;
    uint32_t realm[LANES], addr[LANES], value[LANES];
};

ALWAYS const struct exact_bucket *home(const struct group *x, unsigned i)
{
    return (const struct exact_bucket *)(uintptr_t)x->home[i];
}

static uint32_t search(const struct exact_array *a, uint32_t realm, uint32_t addr)
{
    uint64_t key = exact_key(realm, addr);
    return exact_find_value(a, hash_u64(key), key);
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

/* The group's answers; those lanes that pending has bits of found none yet. */
static void far_answers(const struct exact_array *a, const struct far *f, unsigned pending, uint32_t *value)
{
    for (unsigned i = 0; i < LANES; i++)
        value[f->at[i]] = f->value[i];
    for (; pending; pending &= pending - 1) {
        unsigned i = (unsigned)__builtin_ctz(pending);
        value[f->at[i]] = search(a, f->realm[i], f->addr[i]);
    }
}

/* Eight that wait become the group. */
static void far_gather(struct far *f, const uint32_t *realm, const uint32_t *addr)
{
    for (unsigned i = 0; i < LANES; i++) {
        f->at[i] = f->wait[i];
        f->realm[i] = realm[f->wait[i]];
        f->addr[i] = addr[f->wait[i]];
        f->wait[i] = f->wait[i + LANES];
    }
    f->n_wait -= LANES;
    f->full = true;
}

/* From home to the next bucket. */
static void far_step(const struct exact_array *a, struct group *x)
{
    for (unsigned i = 0; i < LANES; i++) {
        uint64_t h = x->hash[i];
        x->home[i] = (uintptr_t)&a->buckets[exact_next_of(a, h, exact_home(a, h))];
        __builtin_prefetch(home(x, i));
    }
}

/* -- portable -------------------------------------------------------------------------------------------- */

ALWAYS void hash_portable(const struct exact_array *a, struct group *x, const uint32_t *realm,
                          const uint32_t *addr, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        x->key[i] = exact_key(realm[i], addr[i]);
        x->hash[i] = hash_u64(x->key[i]);
        x->home[i] = (uintptr_t)&a->buckets[exact_home(a, x->hash[i])];
        __builtin_prefetch(home(x, i));
    }
}

/* => the lanes whose search must go on. */
ALWAYS unsigned near_portable(const struct group *x, uint32_t *value, unsigned n)
{
    unsigned pending = 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t v = exact_bucket_get(home(x, i), x->key[i]);
        value[i] = ~v;
        pending |= (unsigned)(!v & (exact_passers(home(x, i), x->hash[i]) != 0)) << i;
    }
    return pending;
}

/* A group of far searches, if there is one, and the next one where keys wait for it; the whole groups of
 * a batch. => keys done. */
#define GROUPS(variant, target)                                                                              \
    target static __attribute__((noinline)) void far_##variant(const struct exact_array *a, struct far *f,   \
                                                               const uint32_t *realm, const uint32_t *addr,  \
                                                               uint32_t *value)                              \
    {                                                                                                        \
        if (f->full)                                                                                         \
            far_answers(a, f, near_##variant(&f->group, f->value, LANES), value);                            \
        f->full = false;                                                                                     \
        if (f->n_wait < LANES)                                                                               \
            return;                                                                                          \
        far_gather(f, realm, addr);                                                                          \
        hash_##variant(a, &f->group, f->realm, f->addr, LANES);                                              \
        far_step(a, &f->group);                                                                              \
    }                                                                                                        \
                                                                                                             \
    target static size_t groups_##variant(const struct exact_array *a, const uint32_t *realm,                \
                                          const uint32_t *addr, uint32_t *value, size_t n)                   \
    {                                                                                                        \
        struct group x[RING];                                                                                \
        struct far f;                                                                                        \
        size_t groups = n / LANES, ahead = groups < AHEAD ? groups : AHEAD;                                  \
        f.n_wait = 0;                                                                                        \
        f.full = false;                                                                                      \
        for (size_t i = 0; i < ahead; i++)                                                                   \
            hash_##variant(a, &x[i % RING], realm + i * LANES, addr + i * LANES, LANES);                     \
        for (size_t i = 0; i < groups; i++) {                                                                \
            size_t k = i + AHEAD;                                                                            \
            if (k < groups)                                                                                  \
                hash_##variant(a, &x[k % RING], realm + k * LANES, addr + k * LANES, LANES);                 \
            wait_##variant(&f, near_##variant(&x[i % RING], value + i * LANES, LANES), i *LANES);            \
            if (__builtin_expect(f.n_wait >= LANES, 0))                                                      \
                far_##variant(a, &f, realm, addr, value);                                                    \
        }                                                                                                    \
        far_##variant(a, &f, realm, addr, value);                                                            \
        while (f.n_wait) {                                                                                   \
            size_t at = f.wait[--f.n_wait];                                                                  \
            value[at] = search(a, realm[at], addr[at]);                                                      \
        }                                                                                                    \
        return groups * LANES;                                                                               \
    }

#define wait_portable wait_for
GROUPS(portable, )

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
#include <immintrin.h>

#define WITH_AVX2   __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define WITH_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,bmi,bmi2,popcnt")))

#define hash_avx2 hash_portable
#define wait_avx2 wait_for

WITH_AVX2 ALWAYS unsigned fits_avx2(const struct exact_bucket *b, uint64_t key)
{
    __m256i keys = _mm256_load_si256((const __m256i *)b->key), k = _mm256_set1_epi64x((long long)key);
    unsigned same = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(keys, k)));
    return same | (unsigned)(b->key[4] == key) << 4;
}

WITH_AVX2 ALWAYS unsigned near_avx2(const struct group *x, uint32_t *value, unsigned n)
{
    unsigned pending = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct exact_bucket *b = home(x, i);
        unsigned fits = fits_avx2(b, x->key[i]);
        uint32_t v = b->inverse[_tzcnt_u32(fits | 1u << (EXACT_SLOTS - 1))] & -(uint32_t)(fits != 0);
        value[i] = ~v;
        pending |= (unsigned)(!v & ((fits | exact_passers(b, x->hash[i])) != 0)) << i;
    }
    return pending;
}

GROUPS(avx2, WITH_AVX2)

WITH_AVX512 ALWAYS __m512i mix(__m512i x, int shift)
{
    return _mm512_xor_si512(x, _mm512_srl_epi64(x, _mm_cvtsi32_si128(shift)));
}

/* hash_u64, eight at a time. */
WITH_AVX512 ALWAYS void hash_avx512(const struct exact_array *a, struct group *x, const uint32_t *realm,
                                    const uint32_t *addr, unsigned n)
{
    (void)n;
    const __m512i base = _mm512_set1_epi64((long long)(uintptr_t)a->buckets);
    __m512i r = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)realm));
    __m512i key = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)addr));
    key = _mm512_or_si512(_mm512_slli_epi64(r, 32), key);
    __m512i h = _mm512_mullo_epi64(mix(key, 32), _mm512_set1_epi64((long long)HASH_MUL_1));
    h = mix(_mm512_mullo_epi64(mix(h, 29), _mm512_set1_epi64((long long)HASH_MUL_2)), 32);
    _mm512_storeu_si512(x->key, key);
    _mm512_storeu_si512(x->hash, h);
    h = _mm512_and_si512(_mm512_srl_epi64(h, _mm_cvtsi32_si128((int)a->shift)),
                         _mm512_set1_epi64((long long)a->mask));
    _mm512_storeu_si512(x->home, _mm512_add_epi64(_mm512_slli_epi64(h, 6), base));
#pragma GCC unroll 8
    for (unsigned k = 0; k < LANES; k++)
        __builtin_prefetch(home(x, k));
}

/* => where lane i's answer is: the slot whose key fits, or the counts where none does. */
WITH_AVX512 ALWAYS const float *at_avx512(const struct group *x, unsigned i, uint64_t *found)
{
    const struct exact_bucket *b = home(x, i);
    uint64_t fits = _mm512_cmpeq_epi64_mask(_mm512_set1_epi64((long long)x->key[i]), _mm512_load_si512(b));
    *found |= fits << 8 * i;
    return (const float *)(const void *)&b->inverse[_tzcnt_u64(fits | 1u << EXACT_SLOTS)];
}

WITH_AVX512 ALWAYS __m128i four_avx512(const struct group *x, unsigned i, uint64_t *found)
{
    __m128 v = _mm_load_ss(at_avx512(x, i, found));
    v = _mm_insert_ps(v, _mm_load_ss(at_avx512(x, i + 1, found)), 0x10);
    v = _mm_insert_ps(v, _mm_load_ss(at_avx512(x, i + 2, found)), 0x20);
    return _mm_castps_si128(_mm_insert_ps(v, _mm_load_ss(at_avx512(x, i + 3, found)), 0x30));
}

WITH_AVX512 ALWAYS unsigned near_avx512(const struct group *x, uint32_t *value, unsigned n)
{
    (void)n;
    const __m256i ones = _mm256_set1_epi32(-1);
    uint64_t found = 0;
    __m128i low = four_avx512(x, 0, &found), high = four_avx512(x, 4, &found);
    __m256i v = _mm256_set_m128i(high, low);
    __mmask8 fits = (__mmask8)_mm_test_epi8_mask(_mm_cvtsi64_si128((long long)found),
                                                 _mm_set1_epi8((1 << EXACT_SLOTS) - 1));
    _mm256_storeu_si256((__m256i *)(void *)value, _mm256_mask_xor_epi32(ones, fits, v, ones));
    __m256i class =
        _mm256_and_si256(_mm512_cvtepi64_epi32(_mm512_loadu_si512(x->hash)), _mm256_set1_epi32(7));
    __m256i passed = _mm256_srlv_epi32(v, _mm256_slli_epi32(class, 2));
    __mmask8 stale = _mm256_mask_testn_epi32_mask(fits, v, v);
    __mmask8 passers =
        _mm256_mask_test_epi32_mask((__mmask8)~fits, passed, _mm256_set1_epi32(EXACT_PASSED_MAX));
    return (unsigned)(stale | passers) & 0xff;
}

WITH_AVX512 ALWAYS void wait_avx512(struct far *f, unsigned pending, size_t first)
{
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    __m512i at = _mm512_add_epi64(_mm512_set1_epi64((long long)first), lane);
    _mm512_storeu_si512(f->wait + f->n_wait, _mm512_maskz_compress_epi64((__mmask8)pending, at));
    f->n_wait += (unsigned)__builtin_popcount(pending);
}

GROUPS(avx512, WITH_AVX512)

static bool have(enum exact_variant v)
{
    return v == EXACT_PORTABLE ||
           (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
            __builtin_cpu_supports("bmi2") &&
            (v == EXACT_AVX2 || (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))));
}
#else
#define groups_avx2   groups_portable
#define groups_avx512 groups_portable

static bool have(enum exact_variant v)
{
    return v == EXACT_PORTABLE;
}
#endif

/* -- choice ---------------------------------------------------------------------------------------------- */

enum exact_variant exact_best(void)
{
    return have(EXACT_AVX512) ? EXACT_AVX512 : have(EXACT_AVX2) ? EXACT_AVX2 : EXACT_PORTABLE;
}

bool exact_use(struct exact *t, enum exact_variant v)
{
    if (!have(v))
        return false;
    t->variant = v;
    return true;
}

const char *exact_how(const struct exact *t)
{
    return t->variant == EXACT_AVX512 ? "AVX-512" : t->variant == EXACT_AVX2 ? "AVX2" : "portable";
}

static void get_bulk(const struct exact *t, const struct exact_array *a, const uint32_t *realm,
                     const uint32_t *addr, uint32_t *value, size_t n)
{
    struct group x;
    size_t done = t->variant == EXACT_AVX512 ? groups_avx512(a, realm, addr, value, n)
                  : t->variant == EXACT_AVX2 ? groups_avx2(a, realm, addr, value, n)
                                             : groups_portable(a, realm, addr, value, n);
    unsigned left = (unsigned)(n - done);
    if (!left)
        return;
    hash_portable(a, &x, realm + done, addr + done, left);
    for (unsigned more = near_portable(&x, value + done, left); more; more &= more - 1) {
        size_t at = done + (unsigned)__builtin_ctz(more);
        value[at] = search(a, realm[at], addr[at]);
    }
}

/* While a table grows, what is not in its array is looked for in the old one. */
static void get_old(const struct exact *t, const uint32_t *realm, const uint32_t *addr, uint32_t *value,
                    size_t n)
{
    enum { PART = 16 * LANES };
    uint32_t r[PART], d[PART], v[PART], at[PART];
    for (size_t from = 0, to; from < n; from = to) {
        size_t k = 0;
        to = n - from < PART ? n : from + PART;
        for (size_t i = from; i < to; i++) {
            r[k] = realm[i];
            d[k] = addr[i];
            at[k] = (uint32_t)(i - from);
            k += value[i] == EXACT_MISS;
        }
        get_bulk(t, &t->old, r, d, v, k);
        for (size_t i = 0; i < k; i++)
            value[from + at[i]] = v[i];
    }
}

void exact_get_bulk(const struct exact *t, const uint32_t *realm, const uint32_t *addr, uint32_t *value,
                    size_t n)
{
    get_bulk(t, &t->now, realm, addr, value, n);
    if (t->old.buckets)
        get_old(t, realm, addr, value, n);
}
