/* flowtab_simd.h - what the batches of flowtab_core_bulk.c and flowtab_lines_bulk.c have in common. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_SIMD_H
#define VNETSIM_DATAPLANE_FLOWTAB_SIMD_H

#include "dataplane/flowtab.h"
#include "dataplane/hash.h"

#ifdef __x86_64__
#include <immintrin.h>

#define FLOWTAB_AVX512_TARGET                                                                                \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,bmi,bmi2,popcnt")))
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
#endif

#endif
