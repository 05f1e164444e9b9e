/* flowtab_lines_bulk.c - batches of flow lookups in lines, which are drawn in flowtab_lines.c; the way of a
 * batch is drawn in flowtab_batch.h.
 *
 * Keys that their line sent to the core wait until they are a crowd, and are looked up there in a batch of
 * their own.
 *
 * Variants: portable; SSE2 and AVX2 compare the hashes of a line as a vector; AVX-512 hashes eight keys at
 * once and answers eight lanes together. */
#include "dataplane/flowtab_batch.h"

#define CROWD 256u /* keys that wait for the core until they go there together */

/* Where batches look, and how they look in the core. */
struct place {
    const struct flowtab_part *part;
    enum flowtab_variant variant;
};

/* Keys that wait for the core, by position in the batch. */
struct crowd {
    size_t wait[CROWD + LANES];
    unsigned n_wait;
};

ALWAYS void begin(struct crowd *c)
{
    c->n_wait = 0;
}

ALWAYS const struct flowtab_line *home(const struct group *x, unsigned i)
{
    return (const struct flowtab_line *)(uintptr_t)x->home[i];
}

static APART void serve(const struct place *where, struct crowd *c, const struct flow_key *keys,
                        uint64_t *values)
{
    struct flow_key key[CROWD + LANES];
    uint64_t value[CROWD + LANES];
    for (unsigned i = 0; i < c->n_wait; i++)
        key[i] = keys[c->wait[i]];
    flowtab_core_get_bulk(&where->part->core, where->variant, key, value, c->n_wait);
    for (unsigned i = 0; i < c->n_wait; i++)
        values[c->wait[i]] = value[i];
    c->n_wait = 0;
}

static uint64_t search(const struct flowtab_part *p, struct flow_key key)
{
    const struct flowtab_halves k = flowtab_halves(key);
    return flowtab_part_get(p, k.hash, k.low);
}

static APART void search_lanes(const struct place *where, unsigned lanes, const struct flow_key *keys,
                               uint64_t *values)
{
    for (; lanes; lanes &= lanes - 1)
        values[__builtin_ctz(lanes)] = search(where->part, keys[__builtin_ctz(lanes)]);
}

/* Lane i's answer, given the slots of its line that have its 32 bits of hash. => its two bits, where lane 0
 * has them. */
ALWAYS unsigned answer(const struct group *x, unsigned i, unsigned fits, const struct flow_key *key,
                       uint64_t *value)
{
    const struct flowtab_line *b = home(x, i);
    unsigned slot = (unsigned)__builtin_ctz(fits | 1u << (FLOWTAB_LINE_SLOTS - 1));
    uint64_t other = (uint64_t)!fits | (b->slot[slot].low != flowtab_low(key)) |
                     (flowtab_line_nine(b, slot) != (x->hash[i] >> 32 & FLOWTAB_NINE));
    uint64_t inverse = b->slot[slot].inverse & (other - 1);
    *value = ~inverse;
    return (unsigned)(!fits & (flowtab_line_sent(b) != 0)) | (unsigned)((fits != 0) & !inverse) << AMISS_AT;
}

/* -- portable -------------------------------------------------------------------------------------------- */

ALWAYS void hash_portable(const struct place *where, struct group *x, const struct flow_key *keys, unsigned n)
{
    const struct flowtab_lines *l = &where->part->lines;
    for (unsigned i = 0; i < n; i++) {
        x->hash[i] = flowtab_hash(keys[i]);
        x->home[i] = (uintptr_t)&l->line[flowtab_line_home(l, x->hash[i])];
        __builtin_prefetch(home(x, i));
    }
}

#define fits_portable flowtab_line_fits

#define serve_portable  serve
#define finish_portable serve
NEAR(portable, )
GROUPS(portable, , struct place, struct crowd, CROWD)

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__

WITH_SSE2 ALWAYS unsigned fits_sse2(const struct flowtab_line *x, uint64_t h)
{
    __m128i same = _mm_cmpeq_epi32(_mm_load_si128((const void *)x), _mm_set1_epi32((int)h));
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(same)) & ((1 << FLOWTAB_LINE_SLOTS) - 1);
}

#define hash_sse2   hash_portable
#define serve_sse2  serve
#define finish_sse2 serve
NEAR(sse2, WITH_SSE2)
GROUPS(sse2, WITH_SSE2, struct place, struct crowd, CROWD)

#define fits_avx2   fits_sse2
#define hash_avx2   hash_portable
#define serve_avx2  serve
#define finish_avx2 serve
NEAR(avx2, WITH_AVX2)
GROUPS(avx2, WITH_AVX2, struct place, struct crowd, CROWD)

WITH_AVX512 ALWAYS void hash_avx512(const struct place *where, struct group *x, const struct flow_key *keys,
                                    unsigned n)
{
    const struct flowtab_lines *l = &where->part->lines;
    (void)n;
    __m512i h = hash8(keys);
    _mm512_storeu_si512(x->hash, h);
    h = home8(h, l->size, l->line, 6);
    _mm512_storeu_si512(x->home, h);
    fetch8(h, 1);
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
    __m512i a = load4(x->home, 0), b = load4(x->home + 4, 0);
    __mmask16 low = _mm512_cmpeq_epi32_mask(a, _mm512_permutexvar_epi32(four, hash));
    __mmask16 high = _mm512_cmpeq_epi32_mask(b, hash4);
    uint64_t found = _pdep_u64((uint32_t)high << 16 | low, 0x0f0f0f0f0f0f0f0f);
    __m512i bits = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128((long long)found));
    y.fits = _mm512_test_epi64_mask(bits, _mm512_set1_epi64((1 << FLOWTAB_LINE_SLOTS) - 1));
    y.slot = _mm512_add_epi64(_mm512_loadu_si512(x->home), _mm512_permutexvar_epi64(bits, at));
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
    __m512i a = load4(slot, 0), b = load4(slot + 4, 0);
    __m512i low = _mm512_permutex2var_epi64(_mm512_loadu_si512(keys), odd, _mm512_loadu_si512(keys + 4));
    __mmask8 same = _mm512_mask_cmpeq_epi64_mask(y->same, _mm512_permutex2var_epi64(a, odd, b), low);
    __m512i inverse = _mm512_maskz_permutex2var_epi64(same, a, even, b);
    _mm512_storeu_si512(values, _mm512_xor_si512(inverse, _mm512_set1_epi64(-1)));
    __mmask8 there = _mm512_test_epi64_mask(inverse, inverse);
    return (unsigned)(y->sent & ~y->fits & 0xff) | (unsigned)(y->fits & ~there & 0xff) << AMISS_AT;
}

#define serve_avx512  serve
#define finish_avx512 serve
GROUPS(avx512, WITH_AVX512, struct place, struct crowd, CROWD)
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
    static size_t (*const groups[FLOWTAB_VARIANTS])(const struct place *, const struct flow_key *, uint64_t *,
                                                    size_t) = {groups_portable, groups_sse2, groups_avx2,
                                                               groups_avx512};
    size_t done = groups[v](&(struct place){p, v}, keys, values, n);
    for (; done < n; done++)
        values[done] = search(p, keys[done]);
}
