/* flowtab_lines_bulk.c - batches of flow lookups in lines, which are drawn in flowtab_lines.c.
 *
 *   hash      groups of eight keys; their lines are prefetched, AHEAD groups before they are needed
 *   near      the hashes of a line are compared, then, of the slot that fits, the rest of the key; answers
 * are written, final or not. Keys that their line sent to the core wait, noted without a branch core      as
 * soon as some dozens wait, their buckets are prefetched; when the next dozens do, they are looked up there
 * in a batch of their own
 *
 * The ring of groups is that of flowtab_core_bulk.c, and as there no step branches on whether a flow is
 * there. Variants: portable, and AVX-512, which hashes eight keys at once and answers eight lanes together.
 */
#include "dataplane/flowtab_int.h"
#include "dataplane/flowtab_simd.h"

#define LANES  8u
#define RING   16u /* groups under way: hashed and not yet searched, and room to index them */
#define AHEAD  12u
#define CROWD  64u /* keys that wait for the core until they go there together */
#define ALWAYS __attribute__((always_inline)) static inline
#define APART  __attribute__((noinline)) /* registers of the loop need not survive it */

struct group {
    uint64_t hash[LANES], line[LANES]; /* line: addresses */
};

/* Keys that wait for the core until they are a crowd, and the crowd before, whose buckets are on their way.
 * Keys are named by their positions in the batch. */
struct crowd {
    size_t wait[CROWD + LANES], at[CROWD + LANES];
    unsigned n_wait, n;
};

ALWAYS const struct flowtab_line *line(const struct group *x, unsigned i)
{
    return (const struct flowtab_line *)(uintptr_t)x->line[i];
}

/* What searching a group => : a bit for each lane that found nothing and may be in the core, and eight bits
 * above for each whose line has its 32 bits of hash with something else: to be searched for one by one. */
#define AMISS_AT LANES
#define PENDING  ((1u << AMISS_AT) - 1)

static void crowd_answer(const struct flowtab_part *p, enum flowtab_variant v, struct crowd *c,
                         const struct flow_key *keys, uint64_t *values)
{
    struct flow_key key[CROWD + LANES];
    uint64_t value[CROWD + LANES];
    for (unsigned i = 0; i < c->n; i++)
        key[i] = keys[c->at[i]];
    flowtab_core_get_bulk(&p->core, v, key, value, c->n);
    for (unsigned i = 0; i < c->n; i++)
        values[c->at[i]] = value[i];
}

/* Answer the crowd; those that wait are the next one. */
static APART void crowd_next(const struct flowtab_part *p, enum flowtab_variant v, struct crowd *c,
                             const struct flow_key *keys, uint64_t *values)
{
    crowd_answer(p, v, c, keys, values);
    for (unsigned i = 0; i < c->n_wait; i++) {
        c->at[i] = c->wait[i];
        flowtab_core_fetch(&p->core, flowtab_hash(keys[c->wait[i]]));
    }
    c->n = c->n_wait;
    c->n_wait = 0;
}

static uint64_t search(const struct flowtab_part *p, struct flow_key key)
{
    const struct flowtab_halves k = flowtab_halves(key);
    return flowtab_part_get(p, k.hash, k.low);
}

static APART void search_lanes(const struct flowtab_part *p, unsigned lanes, const struct flow_key *keys,
                               uint64_t *values)
{
    for (; lanes; lanes &= lanes - 1)
        values[__builtin_ctz(lanes)] = search(p, keys[__builtin_ctz(lanes)]);
}

/* Lane i's answer, given the slots of its line that have its 32 bits of hash. => its two bits, where lane 0
 * has them. */
ALWAYS unsigned answer(const struct group *x, unsigned i, unsigned fits, const struct flow_key *key,
                       uint64_t *value)
{
    const struct flowtab_line *b = line(x, i);
    unsigned slot = (unsigned)__builtin_ctz(fits | 1u << (FLOWTAB_LINE_SLOTS - 1));
    uint64_t other = (uint64_t)!fits | (b->slot[slot].low != flowtab_low(key)) |
                     (flowtab_line_nine(b, slot) != (x->hash[i] >> 32 & FLOWTAB_NINE));
    uint64_t inverse = b->slot[slot].inverse & (other - 1);
    *value = ~inverse;
    return (unsigned)(!fits & (flowtab_line_sent(b) != 0)) | (unsigned)((fits != 0) & !inverse) << AMISS_AT;
}

/* -- portable -------------------------------------------------------------------------------------------- */

ALWAYS void hash_portable(const struct flowtab_lines *l, struct group *x, const struct flow_key *keys,
                          unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        x->hash[i] = flowtab_hash(keys[i]);
        x->line[i] = (uintptr_t)&l->line[flowtab_line_home(l, x->hash[i])];
        __builtin_prefetch(line(x, i));
    }
}

#define fits_portable flowtab_line_fits

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
    target ALWAYS unsigned near_##variant(const struct probed_##variant *y, const struct flow_key *keys,     \
                                          uint64_t *values)                                                  \
    {                                                                                                        \
        const struct group *x = y->group;                                                                    \
        unsigned more = 0;                                                                                   \
        for (unsigned i = 0; i < LANES; i++)                                                                 \
            more |= answer(x, i, fits_##variant(line(x, i), x->hash[i]), &keys[i], &values[i]) << i;         \
        return more;                                                                                         \
    }

/* Wait for the pending lanes of the group from first on. */
ALWAYS void wait_portable(struct crowd *c, unsigned pending, size_t first)
{
    unsigned n = c->n_wait;
    for (unsigned i = 0; i < LANES; i++) {
        c->wait[n] = first + i;
        n += pending >> i & 1;
    }
    c->n_wait = n;
}

#define GROUPS(variant, target)                                                                              \
    target static size_t groups_##variant(const struct flowtab_part *p, enum flowtab_variant v,              \
                                          const struct flow_key *keys, uint64_t *values, size_t n)           \
    {                                                                                                        \
        struct group x[RING];                                                                                \
        struct crowd c;                                                                                      \
        size_t groups = n / LANES, ahead = groups < AHEAD ? groups : AHEAD;                                  \
        if (!groups)                                                                                         \
            return 0;                                                                                        \
        c.n = c.n_wait = 0;                                                                                  \
        for (size_t i = 0; i < ahead; i++)                                                                   \
            hash_##variant(&p->lines, &x[i % RING], keys + i * LANES, LANES);                                \
        struct probed_##variant y = probe_##variant(&x[0]);                                                  \
        for (size_t i = 0; i < groups; i++) {                                                                \
            const size_t k = i + AHEAD;                                                                      \
            if (k < groups)                                                                                  \
                hash_##variant(&p->lines, &x[k % RING], keys + k * LANES, LANES);                            \
            struct probed_##variant next = probe_##variant(&x[(i + (i + 1 < groups)) % RING]);               \
            unsigned more = near_##variant(&y, keys + i * LANES, values + i * LANES);                        \
            y = next;                                                                                        \
            wait_##variant(&c, more &PENDING, i *LANES);                                                     \
            if (__builtin_expect(more >> AMISS_AT, 0))                                                       \
                search_lanes(p, more >> AMISS_AT, keys + i * LANES, values + i * LANES);                     \
            if (__builtin_expect(c.n_wait >= CROWD, 0))                                                      \
                crowd_next(p, v, &c, keys, values);                                                          \
        }                                                                                                    \
        crowd_next(p, v, &c, keys, values);                                                                  \
        crowd_answer(p, v, &c, keys, values);                                                                \
        return groups * LANES;                                                                               \
    }

NEAR(portable, )
GROUPS(portable, )

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__

#define WITH_SSE2   __attribute__((target("sse2")))
#define WITH_AVX2   __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define WITH_AVX512 FLOWTAB_AVX512_TARGET

WITH_SSE2 ALWAYS unsigned fits_sse2(const struct flowtab_line *x, uint64_t h)
{
    __m128i same = _mm_cmpeq_epi32(_mm_load_si128((const void *)x), _mm_set1_epi32((int)h));
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(same)) & ((1 << FLOWTAB_LINE_SLOTS) - 1);
}

#define hash_sse2 hash_portable
#define wait_sse2 wait_portable
NEAR(sse2, WITH_SSE2)
GROUPS(sse2, WITH_SSE2)

#define fits_avx2 fits_sse2
#define hash_avx2 hash_portable
#define wait_avx2 wait_portable
NEAR(avx2, WITH_AVX2)
GROUPS(avx2, WITH_AVX2)

WITH_AVX512 ALWAYS void hash_avx512(const struct flowtab_lines *l, struct group *x,
                                    const struct flow_key *keys, unsigned n)
{
    (void)n;
    __m512i h = flowtab_hash8(keys);
    _mm512_storeu_si512(x->hash, h);
    h = flowtab_home8(h, l->size, l->line, 6);
    _mm512_storeu_si512(x->line, h);
    flowtab_fetch8(h, 0);
}

/* What probing eight lines tells: where the slots that fit are; lanes that fit, also in bits 32 to 40 of
 * their hashes; lanes whose line sent flows on. */
struct probed_avx512 {
    __m512i slot;
    __mmask8 fits, same, sent;
};

/* The first 16 bytes of eight lines, 32 bits of hash for each slot and the rest, are compared at once. Bits
 * of three slots, or of none: slot 0, 1 or 2. */
WITH_AVX512 ALWAYS struct probed_avx512 probe_avx512(const struct group *x)
{
    const __m512i at = _mm512_setr_epi64(48, 16, 32, 16, 48, 16, 32, 16);
    const __m512i shift = _mm512_setr_epi64(18, 0, 9, 0, 18, 0, 9, 0);
    const __m512i four = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    const __m512i last = _mm512_setr_epi32(3, 0, 7, 0, 11, 0, 15, 0, 19, 0, 23, 0, 27, 0, 31, 0);
    const __m512i hash = _mm512_loadu_si512(x->hash);
    const __m512i hash4 = _mm512_permutexvar_epi32(_mm512_add_epi32(four, _mm512_set1_epi32(8)), hash);
    struct probed_avx512 y;
    __m512i a = flowtab_load4(x->line, 0), b = flowtab_load4(x->line + 4, 0);
    __mmask16 low = _mm512_cmpeq_epi32_mask(a, _mm512_permutexvar_epi32(four, hash));
    __mmask16 high = _mm512_cmpeq_epi32_mask(b, hash4);
    uint64_t found = _pdep_u64((uint32_t)high << 16 | low, 0x0f0f0f0f0f0f0f0f);
    __m512i bits = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128((long long)found));
    y.fits = _mm512_test_epi64_mask(bits, _mm512_set1_epi64((1 << FLOWTAB_LINE_SLOTS) - 1));
    y.slot = _mm512_add_epi64(_mm512_loadu_si512(x->line), _mm512_permutexvar_epi64(bits, at));
    __m512i rest = _mm512_maskz_permutex2var_epi32(0x5555, a, last, b);
    __m512i nine = _mm512_srlv_epi64(rest, _mm512_permutexvar_epi64(bits, shift));
    nine = _mm512_xor_si512(nine, _mm512_srli_epi64(hash, 32));
    y.same = _mm512_mask_testn_epi64_mask(y.fits, nine, _mm512_set1_epi64(FLOWTAB_NINE));
    y.sent = _mm512_test_epi64_mask(rest, _mm512_set1_epi64(~0u << FLOWTAB_SENT_SHIFT));
    return y;
}

WITH_AVX512 ALWAYS unsigned near_avx512(const struct probed_avx512 *y, const struct flow_key *keys,
                                        uint64_t *values)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    uint64_t slot[LANES];
    _mm512_storeu_si512(slot, y->slot);
    __m512i a = flowtab_load4(slot, 0), b = flowtab_load4(slot + 4, 0);
    __m512i low = _mm512_permutex2var_epi64(_mm512_loadu_si512(keys), odd, _mm512_loadu_si512(keys + 4));
    __mmask8 same = _mm512_mask_cmpeq_epi64_mask(y->same, _mm512_permutex2var_epi64(a, odd, b), low);
    __m512i inverse = _mm512_maskz_permutex2var_epi64(same, a, even, b);
    _mm512_storeu_si512(values, _mm512_xor_si512(inverse, _mm512_set1_epi64(-1)));
    __mmask8 there = _mm512_test_epi64_mask(inverse, inverse);
    return (unsigned)(y->sent & ~y->fits & 0xff) | (unsigned)(y->fits & ~there & 0xff) << AMISS_AT;
}

WITH_AVX512 ALWAYS void wait_avx512(struct crowd *c, unsigned pending, size_t first)
{
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    __m512i at = _mm512_add_epi64(_mm512_set1_epi64((long long)first), lane);
    _mm512_storeu_si512(c->wait + c->n_wait, _mm512_maskz_compress_epi64((__mmask8)pending, at));
    c->n_wait += (unsigned)__builtin_popcount(pending);
}

GROUPS(avx512, WITH_AVX512)
#else
#define groups_sse2   groups_portable
#define groups_avx2   groups_portable
#define groups_avx512 groups_portable
#endif

/* -- choice ---------------------------------------------------------------------------------------------- */

void flowtab_part_get_bulk(const void *part, enum flowtab_variant v, const struct flow_key *keys,
                           uint64_t *values, size_t n)
{
    const struct flowtab_part *p = part;
    if (!p->lines.line) {
        flowtab_core_get_bulk(&p->core, v, keys, values, n);
        return;
    }
    static size_t (*const groups[FLOWTAB_VARIANTS])(const struct flowtab_part *, enum flowtab_variant,
                                                    const struct flow_key *, uint64_t *, size_t) = {
        groups_portable, groups_sse2, groups_avx2, groups_avx512};
    size_t done = groups[v](p, v, keys, values, n);
    for (; done < n; done++)
        values[done] = search(p, keys[done]);
}
