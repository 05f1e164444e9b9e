/* flowtab_batch.h - what the batches of lookups in buckets (flowtab_core_bulk.c) and in lines
 * (flowtab_lines_bulk.c) have in common: the way of groups of eight keys.
 *
 *   hash      the keys; the memory at their homes is prefetched, AHEAD groups before it is needed
 *   probe     the hashes there are compared: which slots fit
 *   near      one group later, the rest of the keys is, and the answers are written, final or not; keys whose
 *             search must go on elsewhere wait, noted without a branch
 *   serve     as soon as enough of them wait, their search goes on
 *
 * Groups move through a ring, one hashed, one probed and one answered at a turn, so that prefetches leave
 * evenly and not in bursts: a core has a few dozen lines under way at most, and far from its caches that
 * bounds the rate, together with the pages that lines are on. No step branches on whether a flow is there,
 * nor on where; a mispredicted branch costs more than a lookup. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_BATCH_H
#define VNETSIM_DATAPLANE_FLOWTAB_BATCH_H

#include "dataplane/flowtab_int.h"

#include <string.h>

#define LANES  8u
#define RING   32u /* groups under way: hashed and not yet searched, and room to index them */
#define AHEAD  16u
#define STREAM 64u /* groups ahead that the caller's arrays are fetched, too */
#define ALWAYS __attribute__((always_inline)) static inline
#define APART  __attribute__((noinline)) /* registers of the loop need not survive it */

#define SELDOM(x) __builtin_expect((x) != 0, 0)

struct group {
    uint64_t hash[LANES], home[LANES]; /* home: addresses of the buckets, or lines, to look at */
};

/* What answering a group => : a bit for each lane that found nothing and must go on, and eight bits above for
 * each that found its hash with another key: to be searched for one by one. */
#define AMISS_AT LANES
#define PENDING  ((1u << AMISS_AT) - 1)

/* The caller's arrays come from memory in order, but the processor's own prefetching stops at every page's
 * end. */
ALWAYS void fetch_arrays(const struct flow_key *keys, uint64_t *values)
{
    __builtin_prefetch(keys);
    __builtin_prefetch(keys + LANES / 2);
    __builtin_prefetch(values, 1);
}

/* The pending lanes of the group from first on wait behind n others, by position in the batch. => how many
 * there are then. */
ALWAYS unsigned wait_portable(size_t *wait, unsigned n, unsigned pending, size_t first)
{
    for (unsigned i = 0; i < LANES; i++) {
        wait[n] = first + i;
        n += pending >> i & 1;
    }
    return n;
}

/* Probing, where there is nothing to be gained by it: the group itself; and answering, lane by lane. answer()
 * takes the slots that fit. */
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

/* The whole groups of a batch. Of the including file: hash_##variant, which also prefetches; search_lanes;
 * `later`, where what waits is in wait[n_wait], and its begin, serve_##variant when `enough` do, and
 * finish_##variant. => keys done. */
#define GROUPS(variant, target, place, later, enough)                                                        \
    target static size_t groups_##variant(const place *where, const struct flow_key *keys, uint64_t *values, \
                                          size_t n)                                                          \
    {                                                                                                        \
        struct group x[RING];                                                                                \
        later l;                                                                                             \
        size_t groups = n / LANES, ahead = groups < AHEAD ? groups : AHEAD;                                  \
        if (!groups)                                                                                         \
            return 0;                                                                                        \
        begin(&l);                                                                                           \
        for (size_t i = 0; i < ahead; i++)                                                                   \
            hash_##variant(where, &x[i % RING], keys + i * LANES, LANES);                                    \
        struct probed_##variant y = probe_##variant(&x[0]);                                                  \
        for (size_t i = 0; i < groups; i++) {                                                                \
            if (i + AHEAD < groups)                                                                          \
                hash_##variant(where, &x[(i + AHEAD) % RING], keys + (i + AHEAD) * LANES, LANES);            \
            if (i + STREAM < groups)                                                                         \
                fetch_arrays(keys + (i + STREAM) * LANES, values + (i + STREAM) * LANES);                    \
            struct probed_##variant next = probe_##variant(&x[(i + (i + 1 < groups)) % RING]);               \
            unsigned more = near_##variant(&y, keys + i * LANES, values + i * LANES);                        \
            y = next;                                                                                        \
            l.n_wait = wait_##variant(l.wait, l.n_wait, more & PENDING, i * LANES);                          \
            if (SELDOM(more >> AMISS_AT))                                                                    \
                search_lanes(where, more >> AMISS_AT, keys + i * LANES, values + i * LANES);                 \
            if (SELDOM(l.n_wait >= (enough)))                                                                \
                serve_##variant(where, &l, keys, values);                                                    \
        }                                                                                                    \
        finish_##variant(where, &l, keys, values);                                                           \
        return groups * LANES;                                                                               \
    }

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
#include <immintrin.h>

#define WITH_SSE2 __attribute__((target("sse2")))
#define WITH_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define WITH_AVX512                                                                                          \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512cd,avx2,bmi,bmi2,popcnt")))

#define wait_sse2 wait_portable
#define wait_avx2 wait_portable

WITH_AVX512 ALWAYS unsigned wait_avx512(size_t *wait, unsigned n, unsigned pending, size_t first)
{
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    __m512i at = _mm512_add_epi64(_mm512_set1_epi64((long long)first), lane);
    _mm512_storeu_si512(wait + n, _mm512_maskz_compress_epi64((__mmask8)pending, at));
    return n + (unsigned)__builtin_popcount(pending);
}

WITH_AVX512 ALWAYS __m512i mix8(__m512i x, int shift)
{
    return _mm512_xor_si512(x, _mm512_srl_epi64(x, _mm_cvtsi32_si128(shift)));
}

WITH_AVX512 ALWAYS __m512i times8(__m512i x, uint64_t y)
{
    return _mm512_mullo_epi64(x, _mm512_set1_epi64((long long)y));
}

/* => hash_u128 of eight keys. */
WITH_AVX512 ALWAYS __m512i hash8(const struct flow_key *keys)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_add_epi64(even, _mm512_set1_epi64(1));
    __m512i first = _mm512_loadu_si512(keys), second = _mm512_loadu_si512(keys + 4);
    __m512i h = times8(mix8(_mm512_permutex2var_epi64(first, even, second), 32), HASH_MUL_1);
    h = _mm512_add_epi64(times8(mix8(h, 29), HASH_MUL_3),
                         _mm512_permutex2var_epi64(first, odd, second));
    h = times8(mix8(h, 32), HASH_MUL_1);
    return mix8(times8(mix8(h, 29), HASH_MUL_2), 32);
}

/* => where each of eight hashes is at home: base + home * 2^shift, of so many. */
WITH_AVX512 ALWAYS __m512i home8(__m512i h, uint64_t size, const void *base, int shift)
{
    h = _mm512_mul_epu32(_mm512_srli_epi64(h, 32), _mm512_set1_epi64((long long)size));
    h = _mm512_sll_epi64(_mm512_srli_epi64(h, 32), _mm_cvtsi32_si128(shift));
    return _mm512_add_epi64(h, _mm512_set1_epi64((long long)(uintptr_t)base));
}

/* Prefetch so many lines at each of eight addresses. From registers: loading what a wide store has just
 * written waits for it to reach the cache. */
WITH_AVX512 ALWAYS void fetch8(__m512i at, unsigned lines)
{
    const __m256i low = _mm512_castsi512_si256(at), high = _mm512_extracti64x4_epi64(at, 1);
    const uint64_t p[8] = {(uint64_t)_mm256_extract_epi64(low, 0),  (uint64_t)_mm256_extract_epi64(low, 1),
                           (uint64_t)_mm256_extract_epi64(low, 2),  (uint64_t)_mm256_extract_epi64(low, 3),
                           (uint64_t)_mm256_extract_epi64(high, 0), (uint64_t)_mm256_extract_epi64(high, 1),
                           (uint64_t)_mm256_extract_epi64(high, 2), (uint64_t)_mm256_extract_epi64(high, 3)};
#pragma GCC unroll 16
    for (unsigned i = 0; i < 8 * lines; i++)
        __builtin_prefetch((const char *)(uintptr_t)p[i / lines] + i % lines * MEM_LINE);
}

/* => the 16 bytes at four addresses, each so many bytes further on. */
WITH_AVX512 ALWAYS __m512i load4(const uint64_t *at, size_t further)
{
    const char *p[4];
    memcpy(p, at, sizeof p);
    __m512i x = _mm512_castsi128_si512(_mm_load_si128((const void *)(p[0] + further)));
    x = _mm512_inserti64x2(x, _mm_load_si128((const void *)(p[1] + further)), 1);
    x = _mm512_inserti64x2(x, _mm_load_si128((const void *)(p[2] + further)), 2);
    return _mm512_inserti64x2(x, _mm_load_si128((const void *)(p[3] + further)), 3);
}
#endif

#endif
