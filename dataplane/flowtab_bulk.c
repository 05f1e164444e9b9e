/* flowtab_bulk.c - batches of flow lookups; the table is drawn in flowtab.c.
 *
 * A batch goes in blocks of LANES keys through four steps, each over the whole block:
 *
 *   hash      all keys; the first lines of their home buckets, which hold the tags, are prefetched
 *   tags      tags are compared; the line of the slot whose tag fits is prefetched if it is not the first;
 * what must be done if that slot is not the key's is noted keys      that slot's key is compared and the
 * answer written; keys whose search must go on, past a full bucket or to a second fitting tag, are listed,
 * without a branch far       the listed ones (one in twenty of a full table), their next buckets prefetched
 * first
 *
 * Four blocks are under way at a time, each at another step. No step branches on whether a flow is there, nor
 * on where. So a miss reads one line, a hit one or two, and none of them waits for another lookup's.
 *
 * Variants, chosen when a table is made (cpuid), all tested: portable compares five tags in one word; SSE2
 * compares tags and keys as vectors; AVX2 is the same code for newer machines; AVX-512 does hashing, tags and
 * keys for eight flows at once, with gathers. The last, shorter block takes the portable steps. */
#include "dataplane/flowtab_int.h"

#define LANES  32u
#define ALWAYS __attribute__((always_inline)) static inline

struct block {
    uint64_t hash[LANES], home[LANES], slot[LANES]; /* home, slot: addresses */
    uint64_t rest[LANES];                           /* not 0: a search that fails in this slot goes on */
    uint32_t pending[LANES];
    uint32_t
        fits; /* bit i: a tag fits, and slot[i] is the first such; else it is any slot of the first line */
    unsigned n_pending;
};

ALWAYS const struct flowtab_bucket *home(const struct block *x, unsigned i)
{
    return (const struct flowtab_bucket *)(uintptr_t)x->home[i];
}

ALWAYS const struct flowtab_slot *slot(const struct block *x, unsigned i)
{
    return (const struct flowtab_slot *)(uintptr_t)x->slot[i];
}

ALWAYS void prefetch_far(const struct flowtab *t, const struct block *x)
{
    for (unsigned k = 0; k < x->n_pending; k++) {
        struct flowtab_probe p = flowtab_probe_hash(t, x->hash[x->pending[k]]);
        const char *next = (const char *)&t->buckets[flowtab_probe_next(t, p)];
        __builtin_prefetch(next);
        __builtin_prefetch(next + MEM_LINE);
    }
}

static void far(const struct flowtab *t, const struct block *x, const struct flow_key *keys, uint64_t *values)
{
    for (unsigned k = 0; k < x->n_pending; k++) {
        unsigned i = x->pending[k], at;
        const struct flowtab_bucket *b = flowtab_find(t, flowtab_probe_hash(t, x->hash[i]), &keys[i], &at);
        values[i] = b ? b->slot[at].value : FLOW_MISS;
    }
}

/* -- portable -------------------------------------------------------------------------------------------- */

ALWAYS void hash_portable(const struct flowtab *t, struct block *x, const struct flow_key *keys, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        x->hash[i] = flowtab_hash(keys[i]);
        x->home[i] = (uintptr_t)&t->buckets[flowtab_home(t, x->hash[i])];
        __builtin_prefetch(home(x, i));
    }
}

/* What the candidates c (some bit in each fitting byte) of lane i's home bucket lead to. */
ALWAYS void note(const struct flowtab *t, struct block *x, unsigned i, uint64_t c)
{
    const struct flowtab_bucket *b = home(x, i);
    const struct flowtab_slot *s = &b->slot[flowtab_candidate_slot(c | !c)];
    x->slot[i] = (uintptr_t)s;
    x->fits |= (uint32_t)(c != 0) << i;
    x->rest[i] = (c & (c - 1)) | flowtab_passers(b, flowtab_probe_hash(t, x->hash[i]));
    __builtin_prefetch(&s->value);
}

ALWAYS void tags_portable(const struct flowtab *t, struct block *x, unsigned n)
{
    x->fits = 0;
    for (unsigned i = 0; i < n; i++)
        note(t, x, i, flowtab_candidates(home(x, i)->head, flowtab_probe_hash(t, x->hash[i]).tags));
}

/* Lane i's answer: its slot's value if the tag fitted and the key is the same. */
ALWAYS void answer(struct block *x, unsigned i, unsigned same, uint64_t *values)
{
    same &= x->fits >> i & 1;
    values[i] = slot(x, i)->value | ((uint64_t)same - 1);
    x->pending[x->n_pending] = i;
    x->n_pending += !same & (x->rest[i] != 0);
}

ALWAYS void keys_portable(struct block *x, const struct flow_key *keys, uint64_t *values, unsigned n)
{
    x->n_pending = 0;
    for (unsigned i = 0; i < n; i++)
        answer(x, i, flowtab_same_key(&slot(x, i)->key, &keys[i]), values);
}

/* The whole blocks of a batch, with the steps of one variant: each turn of the loop takes one step with each
 * of four blocks, so that what a step prefetches has a turn's time to arrive. => keys done. */
#define BLOCKS(variant, target)                                                                              \
    target static size_t blocks_##variant(const struct flowtab *t, const struct flow_key *keys,              \
                                          uint64_t *values, size_t n)                                        \
    {                                                                                                        \
        struct block x[4];                                                                                   \
        size_t blocks = n / LANES;                                                                           \
        for (size_t i = 0; blocks && i < blocks + 3; i++) {                                                  \
            if (i < blocks)                                                                                  \
                hash_##variant(t, &x[i % 4], keys + i * LANES, LANES);                                       \
            if (i - 1 < blocks)                                                                              \
                tags_##variant(t, &x[(i - 1) % 4], LANES);                                                   \
            if (i - 2 < blocks) {                                                                            \
                keys_##variant(&x[(i - 2) % 4], keys + (i - 2) * LANES, values + (i - 2) * LANES, LANES);    \
                prefetch_far(t, &x[(i - 2) % 4]);                                                            \
            }                                                                                                \
            if (i - 3 < blocks)                                                                              \
                far(t, &x[(i - 3) % 4], keys + (i - 3) * LANES, values + (i - 3) * LANES);                   \
        }                                                                                                    \
        return blocks * LANES;                                                                               \
    }

BLOCKS(portable, )

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
#include <immintrin.h>

#define WITH_SSE2 __attribute__((target("sse2")))
#define WITH_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define WITH_AVX512                                                                                          \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512cd,avx2,bmi,bmi2,popcnt")))

WITH_SSE2 ALWAYS void hash_sse2(const struct flowtab *t, struct block *x, const struct flow_key *keys,
                                unsigned n)
{
    hash_portable(t, x, keys, n);
}

/* A bit for each slot whose tag fits, moved to where note() expects one: eight apart. */
WITH_SSE2 ALWAYS void tags_sse2(const struct flowtab *t, struct block *x, unsigned n)
{
    x->fits = 0;
    for (unsigned i = 0; i < n; i++) {
        __m128i head = _mm_loadl_epi64((const __m128i *)home(x, i));
        __m128i tag = _mm_set1_epi8((char)((x->hash[i] & 0x7f) | 0x80));
        uint64_t c = (uint64_t)_mm_cvtsi128_si64(_mm_cmpeq_epi8(head, tag)) & FLOWTAB_HIGHS;
        note(t, x, i, c);
    }
}

WITH_SSE2 ALWAYS void keys_sse2(struct block *x, const struct flow_key *keys, uint64_t *values, unsigned n)
{
    x->n_pending = 0;
    for (unsigned i = 0; i < n; i++) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)slot(x, i));
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)&keys[i]);
        answer(x, i, _mm_movemask_epi8(_mm_cmpeq_epi8(a, b)) == 0xffff, values);
    }
}

BLOCKS(sse2, WITH_SSE2)

#define hash_avx2 hash_sse2
#define tags_avx2 tags_sse2
#define keys_avx2 keys_sse2
BLOCKS(avx2, WITH_AVX2)

WITH_AVX512 ALWAYS __m512i mix(__m512i x, int shift)
{
    return _mm512_xor_si512(x, _mm512_srl_epi64(x, _mm_cvtsi32_si128(shift)));
}

WITH_AVX512 ALWAYS __m512i times(__m512i x, uint64_t y)
{
    return _mm512_mullo_epi64(x, _mm512_set1_epi64((long long)y));
}

/* The first halves of eight keys, and the second. */
WITH_AVX512 ALWAYS void load_keys(const struct flow_key *keys, __m512i *first, __m512i *second)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    __m512i a = _mm512_loadu_si512(keys), b = _mm512_loadu_si512(keys + 4);
    *first = _mm512_permutex2var_epi64(a, even, b);
    *second = _mm512_permutex2var_epi64(a, _mm512_add_epi64(even, _mm512_set1_epi64(1)), b);
}

/* hash_u128, eight at a time. */
WITH_AVX512 ALWAYS void hash_avx512(const struct flowtab *t, struct block *x, const struct flow_key *keys,
                                    unsigned n)
{
    const __m512i size = _mm512_set1_epi64((long long)t->size);
    const __m512i base = _mm512_set1_epi64((long long)(uintptr_t)t->buckets);
    for (unsigned i = 0; i < n; i += 8) {
        __m512i hi, lo, h;
        load_keys(keys + i, &hi, &lo);
        h = times(mix(hi, 32), 0x9e3779b97f4a7c15u);
        h = _mm512_add_epi64(times(mix(h, 29), 0x94d049bb133111ebu), lo);
        h = times(mix(h, 32), 0x9e3779b97f4a7c15u);
        h = mix(times(mix(h, 29), 0xbf58476d1ce4e5b9u), 32);
        _mm512_storeu_si512(x->hash + i, h);
        h = _mm512_srli_epi64(_mm512_mul_epu32(_mm512_srli_epi64(h, 32), size), 32);
        _mm512_storeu_si512(x->home + i, _mm512_add_epi64(_mm512_slli_epi64(h, 7), base));
        for (unsigned k = i; k < i + 8; k++)
            __builtin_prefetch(home(x, k));
    }
}

/* The count of passers-by of each lane's sixth. */
WITH_AVX512 ALWAYS __m512i passers_avx512(__m512i head, __m512i hash)
{
    __m512i eighth_byte = _mm512_and_si512(_mm512_srli_epi64(hash, 7), _mm512_set1_epi64(0xff));
    __m512i sixth = _mm512_srli_epi64(_mm512_mul_epu32(eighth_byte, _mm512_set1_epi64(FLOWTAB_COUNTS)), 8);
    __m512i at = _mm512_add_epi64(_mm512_slli_epi64(sixth, 2), _mm512_set1_epi64(FLOWTAB_COUNTS_AT));
    return _mm512_and_si512(_mm512_srlv_epi64(head, at), _mm512_set1_epi64((long long)FLOWTAB_PASSED_MAX));
}

WITH_AVX512 ALWAYS void tags_avx512(const struct flowtab *t, struct block *x, unsigned n)
{
    (void)t;
    const __m512i one = _mm512_set1_epi64(1), bytes = _mm512_set1_epi64(FLOWTAB_ONES);
    x->fits = 0;
    for (unsigned i = 0; i < n; i += 8) {
        __m512i home8 = _mm512_loadu_si512(x->home + i), hash = _mm512_loadu_si512(x->hash + i);
        __m512i head = _mm512_i64gather_epi64(home8, NULL, 1);
        __m512i tag =
            _mm512_or_si512(_mm512_and_si512(hash, _mm512_set1_epi64(0x7f)), _mm512_set1_epi64(0x80));
        __m512i tags = times(tag, FLOWTAB_ONES);
        /* one bit in each fitting byte of the five */
        __m512i c = _mm512_and_si512(_mm512_movm_epi8(_mm512_cmpeq_epi8_mask(head, tags)), bytes);
        __m512i lower =
            _mm512_andnot_si512(c, _mm512_sub_epi64(c, one)); /* the bits below the first candidate */
        __mmask8 fits = _mm512_test_epi64_mask(c, c);
        __m512i s = _mm512_srli_epi64(_mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_lzcnt_epi64(lower)), 3);
        s = _mm512_maskz_mov_epi64(fits, s);
        /* head 8 bytes, slots 24 */
        __m512i at = _mm512_add_epi64(_mm512_slli_epi64(s, 4), _mm512_slli_epi64(s, 3));
        at = _mm512_add_epi64(
            _mm512_add_epi64(home8, _mm512_set1_epi64(offsetof(struct flowtab_bucket, slot))), at);
        __m512i more = _mm512_and_si512(c, _mm512_sub_epi64(c, one));
        _mm512_storeu_si512(x->slot + i, at);
        _mm512_storeu_si512(x->rest + i, _mm512_or_si512(more, passers_avx512(head, hash)));
        x->fits |= (uint32_t)fits << i;
        for (unsigned k = i; k < i + 8; k++)
            __builtin_prefetch(&slot(x, k)->value);
    }
}

WITH_AVX512 ALWAYS void keys_avx512(struct block *x, const struct flow_key *keys, uint64_t *values,
                                    unsigned n)
{
    uint32_t more = 0;
    for (unsigned i = 0; i < n; i += 8) {
        __m512i at = _mm512_loadu_si512(x->slot + i), rest = _mm512_loadu_si512(x->rest + i), hi, lo;
        load_keys(keys + i, &hi, &lo);
        __mmask8 same = (__mmask8)(x->fits >> i);
        same = _mm512_mask_cmpeq_epi64_mask(same, _mm512_i64gather_epi64(at, NULL, 1), hi);
        same = _mm512_mask_cmpeq_epi64_mask(same, _mm512_i64gather_epi64(at, (const void *)8, 1), lo);
        __m512i miss = _mm512_set1_epi64(-1);
        _mm512_storeu_si512(values + i, _mm512_mask_i64gather_epi64(miss, same, at, (const void *)16, 1));
        more |= (uint32_t)(uint8_t)(_mm512_test_epi64_mask(rest, rest) & ~same) << i;
    }
    for (x->n_pending = 0; more; more &= more - 1)
        x->pending[x->n_pending++] = (uint32_t)__builtin_ctz(more);
}

BLOCKS(avx512, WITH_AVX512)

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
#define blocks_sse2   blocks_portable
#define blocks_avx2   blocks_portable
#define blocks_avx512 blocks_portable

static bool have(enum flowtab_variant v)
{
    return v == FLOWTAB_PORTABLE;
}
#endif

/* -- choice ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t (*blocks)(const struct flowtab *t, const struct flow_key *keys, uint64_t *values, size_t n);
} variants[FLOWTAB_VARIANTS] = {
    {"portable", blocks_portable}, {"SSE2", blocks_sse2}, {"AVX2", blocks_avx2}, {"AVX-512", blocks_avx512}};

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

void flowtab_get_bulk(const struct flowtab *t, const struct flow_key *keys, uint64_t *values, size_t n)
{
    struct block x;
    size_t done = variants[t->variant].blocks(t, keys, values, n);
    unsigned left = (unsigned)(n - done);
    if (!left)
        return;
    hash_portable(t, &x, keys + done, left);
    tags_portable(t, &x, left);
    keys_portable(&x, keys + done, values + done, left);
    far(t, &x, keys + done, values + done);
}
