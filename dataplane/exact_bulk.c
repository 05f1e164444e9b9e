/* exact_bulk.c - batches of exact-match lookups; the table is drawn in exact.c.
 *
 * A batch goes in groups of sixteen keys through these steps:
 *
 *   hash      all keys, AHEAD groups before they are needed
 *   fetch     their home buckets, FETCH groups before they are needed, even in a table that fits into the
 *             second-level cache. Not at once after the hash: homes just stored as vectors and read back one
 *             by one would make it wait for the stores
 *   near      the home buckets are searched and the answers written, final or not; keys whose search must go
 *             on past a full bucket wait, noted without a branch
 *   far       as soon as sixteen wait: their next buckets are fetched, and searched like home buckets when
 *             the next sixteen are there. The few that must go on even further are searched for one by one
 *
 * The arrays of keys and answers are fetched far ahead as well: a batch larger than the cache ran a fifth
 * slower without. Groups move through a ring, one a turn from step to step; what is left of a batch is one
 * more group with fewer keys. No step branches on whether a key is there, nor on where: a mispredicted branch
 * costs as much as several lookups.
 *
 * What bounds a batch in a table that is in the cache is the number of instructions, about fourteen a key
 * with AVX-512: two to fetch, five and a half to find the slot, one and a half to collect values, the rest
 * divided by sixteen. So there is nothing that is done key by key but to read the bucket's number, the bucket
 * and the key. Two buckets are compared at a time, in halves of keys sorted into one vector, because the
 * processor is slow at making masks: one mask for two buckets, and it selects their values in the same
 * instruction that brings them side by side. A tree of shuffles turns eight such vectors into sixteen values
 * and, on the same way, the sixteen counts of passers-by; a miss is a value of which nothing was selected.
 *
 * Variants, chosen when a table is made (cpuid), all tested: portable; AVX2, which compares four keys at
 * once; AVX-512. */
#include "dataplane/exact_int.h"

#define LANES  16u
#define RING   16u /* groups under way: hashed and not yet searched, and room to index them */
#define AHEAD  13u
#define FETCH  10u
#define STREAM 1024u             /* keys ahead that the caller's arrays are fetched, too */
#define MOST   ((size_t)1 << 20) /* keys at once: positions in a batch are of 32 bits */
#define ALWAYS __attribute__((always_inline)) static inline

struct group {
    _Alignas(MEM_LINE) uint64_t key[LANES]; /* in the variant's own order */
    uint32_t home[LANES];                   /* buckets, in words from the first one on */
    uint32_t low[LANES];                    /* halves of the hashes: class and step */
};

/* Keys whose search goes on: those that wait until they are a whole group, and the group of those before
 * them, whose next buckets are on their way. Keys are named by their positions in the batch. */
struct far {
    uint32_t wait[2 * LANES], at[LANES];
    unsigned n_wait;
    bool full; /* there is a group */
    struct group group;
};

/* Words, because an address is one addition of eight times a register. */
#define WORDS (sizeof(struct exact_bucket) / sizeof(uint64_t))

ALWAYS const struct exact_bucket *home(const struct exact_array *a, const struct group *x, unsigned i)
{
    return (const struct exact_bucket *)(const void *)((const uint64_t *)(const void *)a->buckets +
                                                       x->home[i]);
}

static uint32_t search(const struct exact_array *a, uint32_t realm, uint32_t addr)
{
    uint64_t key = exact_key(realm, addr);
    return exact_find_value(a, hash_u64(key), key);
}

ALWAYS void fetch(const struct exact_array *a, const struct group *x, unsigned n)
{
#pragma GCC unroll 16
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(home(a, x, i));
}

/* The arrays come from memory in order, but the processor's own prefetching stops at every page's end. */
ALWAYS void stream(const uint32_t *realm, const uint32_t *addr, const uint32_t *value, size_t at, size_t n)
{
    size_t later = at + STREAM < n ? at + STREAM : n - 1;
    __builtin_prefetch(realm + later);
    __builtin_prefetch(addr + later);
    __builtin_prefetch(value + later, 1);
}

/* -- portable -------------------------------------------------------------------------------------------- */

ALWAYS void hash_portable(const struct exact_array *a, struct group *x, const uint32_t *realm,
                          const uint32_t *addr, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        x->key[i] = exact_key(realm[i], addr[i]);
        uint64_t h = hash_u64(x->key[i]);
        x->low[i] = (uint32_t)h;
        x->home[i] = (uint32_t)(exact_home(a, h) * WORDS);
    }
}

/* => the lanes whose search must go on. */
ALWAYS unsigned near_portable(const struct exact_array *a, const struct group *x, uint32_t *value, unsigned n)
{
    unsigned pending = 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t v = exact_bucket_get_plain(home(a, x, i), x->key[i]);
        value[i] = ~v;
        pending |= (unsigned)(!v & (exact_passers(home(a, x, i), x->low[i]) != 0)) << i;
    }
    return pending;
}

/* Wait for the pending lanes of the group from first on. */
ALWAYS void wait_portable(struct far *f, unsigned pending, uint32_t first)
{
    unsigned n = f->n_wait;
    for (unsigned i = 0; i < LANES; i++) {
        f->wait[n] = first + i;
        n += pending >> i & 1;
    }
    f->n_wait = n;
}

/* Sixteen that wait become the group: hashed, and gone on from home to the next bucket. */
ALWAYS void take_portable(const struct exact_array *a, struct far *f, const uint32_t *realm,
                          const uint32_t *addr)
{
    struct group *x = &f->group;
    for (unsigned i = 0; i < LANES; i++) {
        uint32_t at = f->at[i] = f->wait[i];
        x->key[i] = exact_key(realm[at], addr[at]);
        uint64_t h = hash_u64(x->key[i]);
        x->low[i] = (uint32_t)h;
        x->home[i] = (uint32_t)(exact_next_of(a, h, exact_home(a, h)) * WORDS);
        f->wait[i] = f->wait[i + LANES];
    }
}

/* A group of far searches, if there is one, and the next one where keys wait for it; the whole of a batch. */
#define GROUPS(variant, target)                                                                              \
    target static __attribute__((noinline)) void far_##variant(const struct exact_array *a, struct far *f,   \
                                                               const uint32_t *realm, const uint32_t *addr,  \
                                                               uint32_t *value)                              \
    {                                                                                                        \
        uint32_t v[LANES];                                                                                   \
        unsigned pending = f->full ? near_##variant(a, &f->group, v, LANES) : 0;                             \
        for (unsigned i = 0; f->full && i < LANES; i++)                                                      \
            value[f->at[i]] = v[i];                                                                          \
        for (; pending; pending &= pending - 1) {                                                            \
            uint32_t at = f->at[__builtin_ctz(pending)];                                                     \
            value[at] = search(a, realm[at], addr[at]);                                                      \
        }                                                                                                    \
        f->full = f->n_wait >= LANES;                                                                        \
        if (!f->full)                                                                                        \
            return;                                                                                          \
        take_##variant(a, f, realm, addr);                                                                   \
        fetch(a, &f->group, LANES);                                                                          \
        f->n_wait -= LANES;                                                                                  \
    }                                                                                                        \
                                                                                                             \
    target static void get_##variant(const struct exact_array *a, const uint32_t *realm,                     \
                                     const uint32_t *addr, uint32_t *value, size_t n)                        \
    {                                                                                                        \
        struct group x[RING + 1], *last = &x[RING];                                                          \
        struct far f;                                                                                        \
        const size_t groups = n / LANES, end = groups * LANES;                                               \
        const unsigned left = (unsigned)(n - end);                                                           \
        f.n_wait = 0;                                                                                        \
        f.full = false;                                                                                      \
        for (size_t i = 0; i < groups && i < AHEAD; i++)                                                     \
            hash_##variant(a, &x[i % RING], realm + i * LANES, addr + i * LANES, LANES);                     \
        for (size_t i = 0; i < groups && i < FETCH; i++)                                                     \
            fetch(a, &x[i % RING], LANES);                                                                   \
        if (left) {                                                                                          \
            hash_##variant(a, last, realm + end, addr + end, left);                                          \
            fetch(a, last, left);                                                                            \
        }                                                                                                    \
        for (size_t i = 0; i < groups; i++) {                                                                \
            stream(realm, addr, value, i *LANES, n);                                                         \
            size_t k = i + AHEAD;                                                                            \
            if (k < groups)                                                                                  \
                hash_##variant(a, &x[k % RING], realm + k * LANES, addr + k * LANES, LANES);                 \
            if (i + FETCH < groups)                                                                          \
                fetch(a, &x[(i + FETCH) % RING], LANES);                                                     \
            unsigned pending = near_##variant(a, &x[i % RING], value + i * LANES, LANES);                    \
            wait_##variant(&f, pending, (uint32_t)(i * LANES));                                              \
            if (__builtin_expect(f.n_wait >= LANES, 0))                                                      \
                far_##variant(a, &f, realm, addr, value);                                                    \
        }                                                                                                    \
        if (left)                                                                                            \
            wait_##variant(&f, near_##variant(a, last, value + end, left), (uint32_t)end);                   \
        far_##variant(a, &f, realm, addr, value);                                                            \
        if (f.full)                                                                                          \
            far_##variant(a, &f, realm, addr, value);                                                        \
        while (f.n_wait) {                                                                                   \
            size_t at = f.wait[--f.n_wait];                                                                  \
            value[at] = search(a, realm[at], addr[at]);                                                      \
        }                                                                                                    \
    }

GROUPS(portable, )

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
#include <immintrin.h>

#define WITH_AVX2   __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define WITH_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,bmi,bmi2,popcnt")))

#define hash_avx2 hash_portable
#define wait_avx2 wait_portable
#define take_avx2 take_portable

WITH_AVX2 ALWAYS unsigned fits_avx2(const struct exact_bucket *b, uint64_t key)
{
    __m256i keys = _mm256_load_si256((const __m256i *)b->key), k = _mm256_set1_epi64x((long long)key);
    unsigned same = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(keys, k)));
    return same | (unsigned)(b->key[4] == key) << 4;
}

WITH_AVX2 ALWAYS unsigned near_avx2(const struct exact_array *a, const struct group *x, uint32_t *value,
                                    unsigned n)
{
    unsigned pending = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct exact_bucket *b = home(a, x, i);
        unsigned fits = fits_avx2(b, x->key[i]);
        uint32_t v = b->inverse[_tzcnt_u32(fits | 1u << (EXACT_SLOTS - 1))] & -(uint32_t)(fits != 0);
        value[i] = ~v;
        pending |= (unsigned)(!v & ((fits | exact_passers(b, x->low[i])) != 0)) << i;
    }
    return pending;
}

GROUPS(avx2, WITH_AVX2)

/* Eight keys or hashes each; the sixteen keys of a group are 0 1 4 5 8 9 12 13 and the others. */
struct eights {
    __m512i a, b;
};

WITH_AVX512 ALWAYS unsigned place_avx512(unsigned lane)
{
    return lane / 4 * 2 + lane % 2 + lane / 2 % 2 * 8;
}

WITH_AVX512 ALWAYS __mmask16 first_avx512(unsigned n)
{
    return (__mmask16)((1u << n) - 1);
}

WITH_AVX512 ALWAYS __m512i low_avx512(struct eights x)
{
    return _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(x.a), _mm512_castsi512_ps(x.b), 0x88));
}

WITH_AVX512 ALWAYS __m512i high_avx512(struct eights x)
{
    return _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(x.a), _mm512_castsi512_ps(x.b), 0xdd));
}

/* hash_u64 after its first and before its last step, which leaves the high half as it is. */
WITH_AVX512 ALWAYS __m512i mix_avx512(__m512i h)
{
    h = _mm512_mullo_epi64(h, _mm512_set1_epi64((long long)HASH_MUL_1));
    h = _mm512_xor_si512(h, _mm512_srli_epi64(h, 29));
    return _mm512_mullo_epi64(h, _mm512_set1_epi64((long long)HASH_MUL_2));
}

/* => products of the low halves with the same factor, their high halves: parts of it. */
WITH_AVX512 ALWAYS __m512i part_avx512(struct eights x, uint64_t of)
{
    const __m512i factor = _mm512_set1_epi64((long long)of);
    return high_avx512((struct eights){_mm512_mul_epu32(x.a, factor), _mm512_mul_epu32(x.b, factor)});
}

WITH_AVX512 ALWAYS void start_avx512(const struct exact_array *a, struct group *x, __m512i realm,
                                     __m512i addr, bool next)
{
    __m512i both = _mm512_xor_si512(addr, realm);
    struct eights h = {mix_avx512(_mm512_unpacklo_epi32(both, realm)),
                       mix_avx512(_mm512_unpackhi_epi32(both, realm))};
    struct eights high = {_mm512_srli_epi64(h.a, 32), _mm512_srli_epi64(h.b, 32)};
    __m512i at = part_avx512(high, a->size);
    if (next) {
        struct eights low = {_mm512_xor_si512(h.a, high.a), _mm512_xor_si512(h.b, high.b)};
        __m512i step = _mm512_mullo_epi32(part_avx512(low, a->strides), _mm512_set1_epi32(BUCKETS_STRIDE));
        at = _mm512_add_epi32(_mm512_add_epi32(at, step), _mm512_set1_epi32(1));
        at = _mm512_min_epu32(at, _mm512_sub_epi32(at, _mm512_set1_epi32((int)a->size)));
    }
    _mm512_store_si512(x->key, _mm512_unpacklo_epi32(addr, realm));
    _mm512_store_si512(x->key + LANES / 2, _mm512_unpackhi_epi32(addr, realm));
    _mm512_store_si512(x->low, _mm512_xor_si512(low_avx512(h), high_avx512(h)));
    _mm512_store_si512(x->home, _mm512_slli_epi32(at, 3));
}

WITH_AVX512 ALWAYS void hash_avx512(const struct exact_array *a, struct group *x, const uint32_t *realm,
                                    const uint32_t *addr, unsigned n)
{
    if (n == LANES)
        start_avx512(a, x, _mm512_loadu_si512(realm), _mm512_loadu_si512(addr), false);
    else
        start_avx512(a, x, _mm512_maskz_loadu_epi32(first_avx512(n), realm),
                     _mm512_maskz_loadu_epi32(first_avx512(n), addr), false);
}

/* Of the buckets of two lanes, one beside the other, in four parts of 128 bits: the inverses of slots 0 1,
 * 2 3, and 4, where the key fits, else 0; the counts. */
WITH_AVX512 ALWAYS __m512i pair_avx512(const struct exact_array *a, const struct group *x, unsigned lane)
{
    const __m512i from = _mm512_setr_epi32(10, 11, 26, 27, 12, 13, 28, 29, 14, 0, 30, 0, 15, 0, 31, 0);
    const __m512i counts = _mm512_setr_epi32(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0);
    unsigned i = place_avx512(lane), j = place_avx512(lane + 1);
    __m512i p = _mm512_load_si512(home(a, x, lane)), q = _mm512_load_si512(home(a, x, lane + 1));
    __m512 dp = _mm512_castsi512_ps(_mm512_xor_epi64(p, _mm512_set1_epi64((long long)x->key[i])));
    __m512 dq = _mm512_castsi512_ps(_mm512_xor_epi64(q, _mm512_set1_epi64((long long)x->key[j])));
    __m512i low = _mm512_castps_si512(_mm512_shuffle_ps(dp, dq, 0x88));
    __m512i high = _mm512_castps_si512(_mm512_shuffle_ps(dp, dq, 0xdd));
    __m512i differ = _mm512_ternarylogic_epi32(low, high, counts, 0xa8); /* (low | high) & counts */
    return _mm512_maskz_permutex2var_epi32(_mm512_mask_testn_epi32_mask(0x55ff, differ, differ), p, from, q);
}

/* Of four lanes: the inverses of slots 0 or 1, 2 or 3, 4; the counts. */
WITH_AVX512 ALWAYS __m512i four_avx512(const struct exact_array *a, const struct group *x, unsigned lane)
{
    __m512 p = _mm512_castsi512_ps(pair_avx512(a, x, lane)),
           q = _mm512_castsi512_ps(pair_avx512(a, x, lane + 2));
    return _mm512_or_si512(_mm512_castps_si512(_mm512_shuffle_ps(p, q, 0x88)),
                           _mm512_castps_si512(_mm512_shuffle_ps(p, q, 0xdd)));
}

WITH_AVX512 ALWAYS unsigned near_avx512(const struct exact_array *a, const struct group *x, uint32_t *value,
                                        unsigned n)
{
    __m512i v0 = four_avx512(a, x, 0), v1 = four_avx512(a, x, 4), v2 = four_avx512(a, x, 8),
            v3 = four_avx512(a, x, 12);
    __m512i even01 = _mm512_shuffle_i32x4(v0, v1, 0x88), odd01 = _mm512_shuffle_i32x4(v0, v1, 0xdd);
    __m512i even23 = _mm512_shuffle_i32x4(v2, v3, 0x88), odd23 = _mm512_shuffle_i32x4(v2, v3, 0xdd);
    __m512i v = _mm512_ternarylogic_epi32(
        _mm512_shuffle_i32x4(even01, even23, 0x88), _mm512_shuffle_i32x4(odd01, odd23, 0x88),
        _mm512_shuffle_i32x4(even01, even23, 0xdd), 0x01); /* none of them */
    __m512i passed = _mm512_shuffle_i32x4(odd01, odd23, 0xdd);
    if (n == LANES)
        _mm512_storeu_si512(value, v);
    else
        _mm512_mask_storeu_epi32(value, first_avx512(n), v);
    __mmask16 miss = _mm512_cmpeq_epi32_mask(v, _mm512_set1_epi32(-1));
    passed = _mm512_srlv_epi32(passed,
                               _mm512_and_si512(_mm512_load_si512(x->low), _mm512_set1_epi32(EXACT_CLASS)));
    miss = _mm512_mask_test_epi32_mask(miss, passed, _mm512_set1_epi32(EXACT_PASSED_MAX));
    return n == LANES ? miss : miss & first_avx512(n);
}

WITH_AVX512 ALWAYS void wait_avx512(struct far *f, unsigned pending, uint32_t first)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i at = _mm512_add_epi32(_mm512_set1_epi32((int)first), lane);
    _mm512_storeu_si512(f->wait + f->n_wait, _mm512_maskz_compress_epi32((__mmask16)pending, at));
    f->n_wait += (unsigned)__builtin_popcount(pending);
}

WITH_AVX512 ALWAYS void take_avx512(const struct exact_array *a, struct far *f, const uint32_t *realm,
                                    const uint32_t *addr)
{
    __m512i at = _mm512_loadu_si512(f->wait);
    start_avx512(a, &f->group, _mm512_i32gather_epi32(at, realm, 4), _mm512_i32gather_epi32(at, addr, 4),
                 true);
    _mm512_storeu_si512(f->at, at);
    _mm512_storeu_si512(f->wait, _mm512_loadu_si512(f->wait + LANES));
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
#define get_avx2   get_portable
#define get_avx512 get_portable

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
    if (t->variant == EXACT_AVX512)
        get_avx512(a, realm, addr, value, n);
    else if (t->variant == EXACT_AVX2)
        get_avx2(a, realm, addr, value, n);
    else
        get_portable(a, realm, addr, value, n);
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
    for (size_t k; n; n -= k, realm += k, addr += k, value += k) {
        k = n < MOST ? n : MOST;
        get_bulk(t, &t->now, realm, addr, value, k);
        if (t->old.buckets)
            get_old(t, realm, addr, value, k);
    }
}
