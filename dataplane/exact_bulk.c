/* exact_bulk.c - batches of exact-match lookups; the table is drawn in exact.c.
 *
 * A batch goes in blocks of LANES keys through three steps, each over the whole block:
 *
 *   hash      all keys; their home buckets are prefetched
 *   near      the home buckets are searched; the answer is written whether final or not, and the few keys
 * whose search must go on past a full bucket are listed, without a branch far       the listed ones, their
 * next buckets prefetched first
 *
 * The hashes of a block are computed before the block in front of it is searched, so a block's lines arrive
 * while the other is worked on. No step branches on whether a key is there: half of the packets of a scan
 * miss, and a mispredicted branch costs as much as the whole lookup.
 *
 * A bucket is one line, so one AVX-512 comparison finds the key among five, another which slots are taken;
 * AVX2 needs two. The portable variant is written out in exact_int.h. The variant is chosen when a table is
 * made (cpuid); tests run all that the machine has. The last, shorter block takes the portable steps. */
#include "dataplane/exact_int.h"

#define LANES  32u
#define ALWAYS __attribute__((always_inline)) static inline

struct block {
    uint64_t hash[LANES], key[LANES], home[LANES]; /* home: addresses of buckets */
    uint32_t pending[LANES];
    unsigned n_pending;
};

ALWAYS const struct exact_bucket *home(const struct block *x, unsigned i)
{
    return (const struct exact_bucket *)(uintptr_t)x->home[i];
}

ALWAYS void prefetch_home(const struct block *x, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(home(x, i));
}

/* Of the keys not found at home (missed: a bit each) those that somebody of their eighth went past. */
ALWAYS void list_far(const struct exact *t, struct block *x, uint32_t missed)
{
    x->n_pending = 0;
    for (; missed; missed &= missed - 1) {
        unsigned i = (unsigned)__builtin_ctz(missed);
        x->pending[x->n_pending] = i;
        x->n_pending += exact_passers(home(x, i), exact_probe_hash(t, x->hash[i])) != 0;
    }
}

static void far(const struct exact *t, struct block *x, uint32_t *value)
{
    if (!x->n_pending)
        return;
    for (unsigned k = 0; k < x->n_pending; k++)
        __builtin_prefetch(&t->buckets[exact_probe_next(t, exact_probe_hash(t, x->hash[x->pending[k]]))]);
    for (unsigned k = 0; k < x->n_pending; k++) {
        unsigned i = x->pending[k];
        value[i] = exact_probe_get(t, exact_probe_hash(t, x->hash[i]), x->key[i]);
    }
}

/* -- portable -------------------------------------------------------------------------------------------- */

ALWAYS void hash_portable(const struct exact *t, struct block *x, const uint32_t *realm, const uint32_t *addr,
                          unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        x->key[i] = exact_key(realm[i], addr[i]);
        x->hash[i] = hash_u64(x->key[i]);
        x->home[i] = (uintptr_t)&t->buckets[x->hash[i] >> t->shift & t->mask];
    }
    prefetch_home(x, n);
}

ALWAYS void near_portable(const struct exact *t, struct block *x, uint32_t *value, unsigned n)
{
    uint32_t missed = 0;
    for (unsigned i = 0; i < n; i++) {
        value[i] = exact_bucket_get(home(x, i), x->key[i]);
        missed |= (uint32_t)(value[i] == EXACT_MISS) << i;
    }
    list_far(t, x, missed);
}

/* The blocks of a batch, with the steps of one variant; whole blocks only. => keys done. */
#define BLOCKS(variant, target)                                                                              \
    target static size_t blocks_##variant(const struct exact *t, const uint32_t *realm,                      \
                                          const uint32_t *addr, uint32_t *value, size_t n)                   \
    {                                                                                                        \
        struct block x[2];                                                                                   \
        size_t i = 0;                                                                                        \
        if (n < LANES)                                                                                       \
            return 0;                                                                                        \
        hash_##variant(t, &x[0], realm, addr, LANES);                                                        \
        for (; i + LANES <= n; i += LANES) {                                                                 \
            struct block *now = &x[i / LANES % 2], *next = &x[(i / LANES + 1) % 2];                          \
            if (i + 2 * LANES <= n)                                                                          \
                hash_##variant(t, next, realm + i + LANES, addr + i + LANES, LANES);                         \
            near_##variant(t, now, value + i, LANES);                                                        \
            far(t, now, value + i);                                                                          \
        }                                                                                                    \
        return i;                                                                                            \
    }

BLOCKS(portable, )

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
#include <immintrin.h>

#define WITH_AVX2   __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define WITH_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,bmi,bmi2,popcnt")))

WITH_AVX2 ALWAYS void hash_avx2(const struct exact *t, struct block *x, const uint32_t *realm,
                                const uint32_t *addr, unsigned n)
{
    hash_portable(t, x, realm, addr, n);
}

/* => one bit for each slot that is taken and holds the key. */
WITH_AVX2 ALWAYS unsigned fits_avx2(const struct exact_bucket *b, uint64_t key)
{
    __m256i keys = _mm256_load_si256((const __m256i *)b->key), k = _mm256_set1_epi64x((long long)key);
    __m128i values = _mm_loadu_si128((const __m128i *)b->value);
    unsigned same = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(keys, k)));
    unsigned empty = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(values, _mm_set1_epi32(-1))));
    unsigned last = (b->key[4] == key) & (b->value[4] != EXACT_MISS);
    return (same & ~empty) | last << 4;
}

WITH_AVX2 ALWAYS void near_avx2(const struct exact *t, struct block *x, uint32_t *value, unsigned n)
{
    uint32_t missed = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct exact_bucket *b = home(x, i);
        unsigned fits = fits_avx2(b, x->key[i]);
        uint32_t v = b->value[_tzcnt_u32(fits | 1u << 4)];
        value[i] = v | -(uint32_t)(fits == 0);
        missed |= (uint32_t)(fits == 0) << i;
    }
    list_far(t, x, missed);
}

BLOCKS(avx2, WITH_AVX2)

WITH_AVX512 ALWAYS __m512i mix(__m512i x, int shift)
{
    return _mm512_xor_si512(x, _mm512_srl_epi64(x, _mm_cvtsi32_si128(shift)));
}

/* hash_u64, eight at a time. */
WITH_AVX512 ALWAYS void hash_avx512(const struct exact *t, struct block *x, const uint32_t *realm,
                                    const uint32_t *addr, unsigned n)
{
    const __m128i shift = _mm_cvtsi32_si128((int)t->shift);
    const __m512i base = _mm512_set1_epi64((long long)(uintptr_t)t->buckets);
    for (unsigned i = 0; i < n; i += 8) {
        __m512i r = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)(realm + i)));
        __m512i a = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)(addr + i)));
        __m512i key = _mm512_or_si512(_mm512_slli_epi64(r, 32), a);
        __m512i h = _mm512_mullo_epi64(mix(key, 32), _mm512_set1_epi64((long long)0x9e3779b97f4a7c15u));
        h = _mm512_mullo_epi64(mix(h, 29), _mm512_set1_epi64((long long)0xbf58476d1ce4e5b9u));
        h = mix(h, 32);
        _mm512_storeu_si512(x->key + i, key);
        _mm512_storeu_si512(x->hash + i, h);
        h = _mm512_and_si512(_mm512_srl_epi64(h, shift), _mm512_set1_epi64((long long)t->mask));
        _mm512_storeu_si512(x->home + i, _mm512_add_epi64(_mm512_slli_epi64(h, 6), base));
    }
    prefetch_home(x, n);
}

WITH_AVX512 ALWAYS void near_avx512(const struct exact *t, struct block *x, uint32_t *value, unsigned n)
{
    const __m512i none = _mm512_set1_epi32(-1);
    uint32_t missed = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct exact_bucket *b = home(x, i);
        __m512i line = _mm512_load_si512(b);
        unsigned same = _mm512_cmpeq_epi64_mask(line, _mm512_set1_epi64((long long)x->key[i]));
        unsigned taken = (unsigned)_mm512_cmpneq_epi32_mask(line, none) >> 2 * EXACT_SLOTS;
        unsigned fits = same & taken & ((1u << EXACT_SLOTS) - 1);
        uint32_t v = b->value[_tzcnt_u32(fits | 1u << 4)];
        value[i] = v | -(uint32_t)(fits == 0);
        missed |= (uint32_t)(fits == 0) << i;
    }
    list_far(t, x, missed);
}

BLOCKS(avx512, WITH_AVX512)

static bool have(enum exact_variant v)
{
    return v == EXACT_PORTABLE ||
           (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
            __builtin_cpu_supports("bmi2") &&
            (v == EXACT_AVX2 || (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))));
}
#else
#define blocks_avx2   blocks_portable
#define blocks_avx512 blocks_portable

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

void exact_get_bulk(const struct exact *t, const uint32_t *realm, const uint32_t *addr, uint32_t *value,
                    size_t n)
{
    struct block x;
    size_t done = t->variant == EXACT_AVX512 ? blocks_avx512(t, realm, addr, value, n)
                  : t->variant == EXACT_AVX2 ? blocks_avx2(t, realm, addr, value, n)
                                             : blocks_portable(t, realm, addr, value, n);
    unsigned left = (unsigned)(n - done);
    if (!left)
        return;
    hash_portable(t, &x, realm + done, addr + done, left);
    near_portable(t, &x, value + done, left);
    far(t, &x, value + done);
}
