/* lpm_bulk.c - lookups in the image of a longest-prefix match, one and many; the image is drawn in lpm.c.
 *
 * One lookup is a chain of loads; of many lookups the loads overlap. AVX-512 has a file of its own,
 * lpm_avx512.c. AVX2 has gathers and cannot squeeze: 32 lanes go round until the last is done. The portable
 * variant keeps lists of the addresses still to be followed, without branching on what they are. */
#include "dataplane/lpm_int.h"

#include <string.h>

#define ALWAYS __attribute__((always_inline)) static inline

/* -- one ------------------------------------------------------------------------------------------------- */

/* Follow a node by the first bits of rest, which are then shifted out. */
ALWAYS uint32_t step(const uint32_t *pool, uint32_t node, uint32_t *rest)
{
    static const uint32_t kept[4] = {0xff, 0xffff, UINT32_MAX};
    unsigned size = lpm_node_size(node);
    uint64_t slot = ((uint64_t)(node >> LPM_PLACE_SHIFT) << 32 | *rest) << lpm_node_bits(node);
    uint32_t entry;
    memcpy(&entry, (const unsigned char *)pool + ((size_t)(slot >> 32) << size), sizeof entry);
    *rest = (uint32_t)slot;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    entry >>= 32 - (8u << size);
#endif
    return (entry & kept[size]) | (LPM_LEAF & ~kept[size]);
}

/* => the entry of the address's piece; rest: the bits the piece leaves. */
ALWAYS uint32_t begin(const struct lpm *t, uint32_t addr, uint32_t *rest)
{
    uint32_t piece = lpm_head_piece(&t->image.head, addr);
    *rest = addr << t->image.head.depth[piece];
    return t->image.head.entry[piece];
}

static uint32_t image_one(const struct lpm *t, uint32_t addr)
{
    const uint32_t *pool = t->image.pool;
    uint32_t rest, e = begin(t, addr, &rest);
    while (lpm_is_node(e))
        e = step(pool, e, &rest);
    return lpm_hops_value(&t->hops, lpm_leaf_hop(e, rest));
}

static uint32_t walk_one(const struct lpm *t, uint32_t addr)
{
    return lpm_hops_value(&t->hops, lpm_rib_match(&t->rib, addr, 32));
}

static void walk_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nexthop[i] = walk_one(t, addr[i]);
}

/* -- many, portable -------------------------------------------------------------------------------------- */

#define LANES 64

/* Up to LANES lookups: busy lists the lanes that still stand at a node. */
static void portable_lanes(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, unsigned n)
{
    const uint32_t *pool = t->image.pool;
    unsigned busy_n = 0;
    uint32_t e[LANES], rest[LANES];
    uint8_t busy[LANES];
    for (unsigned i = 0; i < n; i++) {
        e[i] = begin(t, addr[i], &rest[i]);
        busy[busy_n] = (uint8_t)i;
        busy_n += lpm_is_node(e[i]);
    }
    while (busy_n) {
        unsigned left = 0;
        for (unsigned k = 0; k < busy_n; k++) {
            unsigned i = busy[k];
            e[i] = step(pool, e[i], &rest[i]);
            busy[left] = (uint8_t)i;
            left += lpm_is_node(e[i]);
        }
        busy_n = left;
    }
    for (unsigned i = 0; i < n; i++)
        nexthop[i] = lpm_hops_value(&t->hops, lpm_leaf_hop(e[i], rest[i]));
}

static void portable_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (; n >= LANES; n -= LANES, addr += LANES, nexthop += LANES)
        portable_lanes(t, addr, nexthop, LANES);
    portable_lanes(t, addr, nexthop, (unsigned)n);
}

#ifdef __x86_64__
#include <immintrin.h>

/* -- many, AVX2 ------------------------------------------------------------------------------------------ */

#define AVX2 __attribute__((target("avx2")))

/* One step; lanes at a leaf load anything. */
AVX2 ALWAYS __m256i step8(const uint32_t *pool, __m256i e, __m256i *rest)
{
    const __m256i word = _mm256_set1_epi32(32), eight = _mm256_set1_epi32(8);
    __m256i node = _mm256_srai_epi32(_mm256_xor_si256(e, _mm256_set1_epi32((int)LPM_LEAF)), 31);
    __m256i bits = _mm256_and_si256(e, _mm256_set1_epi32(LPM_BITS));
    __m256i size = _mm256_and_si256(_mm256_srli_epi32(e, LPM_SIZE_SHIFT), _mm256_set1_epi32(3));
    __m256i slot = _mm256_or_si256(_mm256_sllv_epi32(_mm256_srli_epi32(e, LPM_PLACE_SHIFT), bits),
                                   _mm256_srlv_epi32(*rest, _mm256_sub_epi32(word, bits)));
    __m256i unused = _mm256_sub_epi32(word, _mm256_sllv_epi32(eight, size));
    __m256i got =
        _mm256_i32gather_epi32((const int *)pool, _mm256_and_si256(node, _mm256_sllv_epi32(slot, size)), 1);
    __m256i leaf = _mm256_slli_epi32(
        _mm256_xor_si256(_mm256_srli_epi32(e, LPM_SIZE_SHIFT + 1), _mm256_set1_epi32(1)), 31);
    got = _mm256_or_si256(_mm256_srlv_epi32(_mm256_sllv_epi32(got, unused), unused), leaf);
    *rest = _mm256_blendv_epi8(*rest, _mm256_sllv_epi32(*rest, bits), node);
    return _mm256_blendv_epi8(e, got, node);
}

/* => the identifiers that leaves give, as lpm_leaf_hop. */
AVX2 ALWAYS __m256i leaves8(__m256i e, __m256i rest)
{
    const __m256i top = _mm256_set1_epi32((int)0x80000000u);
    __m256i want = _mm256_and_si256(_mm256_slli_epi32(e, 2), _mm256_set1_epi32((int)0xfffc0000u));
    __m256i within = _mm256_xor_si256(want, _mm256_add_epi32(want, _mm256_set1_epi32(-1)));
    __m256i differ = _mm256_xor_si256(_mm256_xor_si256(rest, want), top);
    __m256i second = _mm256_cmpgt_epi32(differ, _mm256_xor_si256(within, top));
    __m256i two = _mm256_blendv_epi8(_mm256_srli_epi32(e, 8), e, second);
    return _mm256_blendv_epi8(_mm256_andnot_si256(top, e), _mm256_and_si256(two, _mm256_set1_epi32(255)),
                              _mm256_srai_epi32(_mm256_slli_epi32(e, 1), 31));
}

/* => the next hops of identifiers. */
AVX2 ALWAYS __m256i hops8(const struct lpm_hops *h, __m256i e)
{
    __m256i plain = _mm256_sub_epi32(e, _mm256_set1_epi32(1));
    __m256i other = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(LPM_PLAIN));
    if (_mm256_testz_si256(other, other))
        return plain;
    __m256i at = _mm256_sub_epi32(plain, _mm256_set1_epi32(LPM_PLAIN));
    return _mm256_mask_i32gather_epi32(plain, (const int *)h->value, at, other, 4);
}

AVX2 ALWAYS __m256i begin8(const struct lpm_head *h, __m256i addr, __m256i *rest)
{
    const __m256i byte = _mm256_set1_epi32(255);
    __m256i code = _mm256_i32gather_epi32((const void *)h->code, _mm256_srli_epi32(addr, 24), 1);
    code = _mm256_and_si256(code, byte);
    __m256i more = _mm256_srli_epi32(code, LPM_HEAD_SHIFT);
    __m256i piece = _mm256_sllv_epi32(_mm256_and_si256(code, _mm256_set1_epi32(LPM_PIECES - 1)), more);
    __m256i below =
        _mm256_srlv_epi32(_mm256_slli_epi32(addr, 8), _mm256_sub_epi32(_mm256_set1_epi32(32), more));
    piece = _mm256_or_si256(piece, below);
    __m256i depth = _mm256_i32gather_epi32((const void *)h->depth, piece, 1);
    *rest = _mm256_sllv_epi32(addr, _mm256_and_si256(depth, byte));
    return _mm256_i32gather_epi32((const void *)h->entry, piece, 4);
}

#define OCTETS 4

/* 32 lookups: lanes that stand at a leaf stay there until the last has found its own. */
AVX2 ALWAYS void avx2_lanes(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop)
{
    const uint32_t *pool = t->image.pool;
    __m256i e[OCTETS], rest[OCTETS], all = _mm256_set1_epi32(-1);
#pragma GCC unroll 4
    for (int k = 0; k < OCTETS; k++) {
        e[k] = begin8(&t->image.head, _mm256_loadu_si256((const void *)(addr + 8 * k)), &rest[k]);
        all = _mm256_and_si256(all, e[k]);
    }
    while (_mm256_movemask_ps(_mm256_castsi256_ps(all)) != 255) {
        all = _mm256_set1_epi32(-1);
#pragma GCC unroll 4
        for (int k = 0; k < OCTETS; k++) {
            e[k] = step8(pool, e[k], &rest[k]);
            all = _mm256_and_si256(all, e[k]);
        }
    }
#pragma GCC unroll 4
    for (int k = 0; k < OCTETS; k++)
        _mm256_storeu_si256((void *)(nexthop + 8 * k), hops8(&t->hops, leaves8(e[k], rest[k])));
}

AVX2 static void avx2_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (; n >= 8 * OCTETS; n -= 8 * OCTETS, addr += 8 * OCTETS, nexthop += 8 * OCTETS)
        avx2_lanes(t, addr, nexthop);
    for (size_t i = 0; i < n; i++)
        nexthop[i] = image_one(t, addr[i]);
}

static bool have_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
#define avx2_bulk portable_bulk

static bool have_avx2(void)
{
    return false;
}
#endif

/* -- which ----------------------------------------------------------------------------------------------- */

uint32_t lpm_lookup(const struct lpm *t, uint32_t addr)
{
    return t->one(t, addr);
}

void lpm_lookup_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    t->bulk(t, addr, nexthop, n);
}

void lpm_aim(struct lpm *t)
{
    static void (*const bulk[LPM_VARIANTS])(const struct lpm *, const uint32_t *, uint32_t *,
                                            size_t) = {walk_bulk, portable_bulk, avx2_bulk, lpm_avx512_bulk};
    enum lpm_variant v = t->image.broken ? LPM_WALK : t->variant;
    t->one = v == LPM_WALK ? walk_one : image_one;
    t->bulk = bulk[v];
}

bool lpm_use(struct lpm *t, enum lpm_variant v)
{
    if ((v == LPM_AVX2 && !have_avx2()) || (v == LPM_AVX512 && !lpm_avx512_there()))
        return false;
    t->variant = v;
    lpm_aim(t);
    return true;
}

enum lpm_variant lpm_best(void)
{
    return lpm_avx512_there() ? LPM_AVX512 : have_avx2() ? LPM_AVX2 : LPM_PORTABLE;
}
