/* flowtab_simd.h - what the batches of flowtab_core_bulk.c and flowtab_lines_bulk.c have in common. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_SIMD_H
#define VNETSIM_DATAPLANE_FLOWTAB_SIMD_H

#include "dataplane/flowtab.h"
#include "dataplane/hash.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#define FLOWTAB_AVX512_TARGET                                                                                \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512cd,avx2,bmi,bmi2,popcnt")))
#define FLOWTAB_AVX512_INLINE FLOWTAB_AVX512_TARGET __attribute__((always_inline)) static inline

FLOWTAB_AVX512_INLINE __m512i flowtab_mix8(__m512i x, int shift)
{
    return _mm512_xor_si512(x, _mm512_srl_epi64(x, _mm_cvtsi32_si128(shift)));
}

FLOWTAB_AVX512_INLINE __m512i flowtab_times8(__m512i x, uint64_t y)
{
    return _mm512_mullo_epi64(x, _mm512_set1_epi64((long long)y));
}

/* => hash_u128 of eight keys. */
FLOWTAB_AVX512_INLINE __m512i flowtab_hash8(const struct flow_key *keys)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_add_epi64(even, _mm512_set1_epi64(1));
    __m512i first = _mm512_loadu_si512(keys), second = _mm512_loadu_si512(keys + 4);
    __m512i h = flowtab_times8(flowtab_mix8(_mm512_permutex2var_epi64(first, even, second), 32), HASH_MUL_1);
    h = _mm512_add_epi64(flowtab_times8(flowtab_mix8(h, 29), HASH_MUL_3),
                         _mm512_permutex2var_epi64(first, odd, second));
    h = flowtab_times8(flowtab_mix8(h, 32), HASH_MUL_1);
    return flowtab_mix8(flowtab_times8(flowtab_mix8(h, 29), HASH_MUL_2), 32);
}

/* => where each of eight hashes is at home: base + home * 2^shift, of so many. */
FLOWTAB_AVX512_INLINE __m512i flowtab_home8(__m512i h, uint64_t size, const void *base, int shift)
{
    h = _mm512_mul_epu32(_mm512_srli_epi64(h, 32), _mm512_set1_epi64((long long)size));
    h = _mm512_sll_epi64(_mm512_srli_epi64(h, 32), _mm_cvtsi32_si128(shift));
    return _mm512_add_epi64(h, _mm512_set1_epi64((long long)(uintptr_t)base));
}

/* Prefetch the lines at eight addresses, each so many bytes further on. From registers: loading what a wide
 * store has just written waits for it to reach the cache. */
FLOWTAB_AVX512_INLINE void flowtab_fetch8(__m512i at, size_t further)
{
    const __m256i low = _mm512_castsi512_si256(at), high = _mm512_extracti64x4_epi64(at, 1);
    const uint64_t p[8] = {(uint64_t)_mm256_extract_epi64(low, 0),  (uint64_t)_mm256_extract_epi64(low, 1),
                           (uint64_t)_mm256_extract_epi64(low, 2),  (uint64_t)_mm256_extract_epi64(low, 3),
                           (uint64_t)_mm256_extract_epi64(high, 0), (uint64_t)_mm256_extract_epi64(high, 1),
                           (uint64_t)_mm256_extract_epi64(high, 2), (uint64_t)_mm256_extract_epi64(high, 3)};
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        __builtin_prefetch((const char *)(uintptr_t)p[i] + further);
}

/* => the 16 bytes at four addresses, each so many bytes further on. */
FLOWTAB_AVX512_INLINE __m512i flowtab_load4(const uint64_t *at, size_t further)
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
