/* lpm_bulk.c - lookups in the image of a longest-prefix match, one and many; the image is drawn in lpm.c.
 *
 * One lookup is a chain of loads; of many lookups the loads overlap. With AVX-512 one gather takes 16 of them
 * a step, at about the same cost however few lanes need it, so that what matters is to keep lanes busy:
 *
 *   64 addresses -> head -> step, while most lanes stand at a node -> answers
 *                                                 | the others
 *                                                 v
 *                         queue: place of the answer, node, rest of the address
 *                           |  ^
 *                           v  | squeezed together (vpcompressd): still at a node
 *                      a round of steps -> answers, stored one by one
 *
 * A round is run whenever some hundreds wait, so that its gathers are full and independent of each other;
 * only the last of a call may not be. Where most addresses need the same number of steps, nothing is ever
 * moved.
 *
 * AVX2 has gathers and cannot squeeze: 32 lanes go round until the last is done. The portable variant
 * keeps lists of the addresses still to be followed, without branching on what they are. */
#include "dataplane/lpm_int.h"

#include <string.h>

#define ALWAYS __attribute__((always_inline)) static inline

/* -- one ------------------------------------------------------------------------------------------------- */

/* Follow a node by the first bits of rest, which are then shifted out. */
ALWAYS uint32_t step(const uint32_t *pool, uint32_t node, uint32_t *rest)
{
    unsigned bits = lpm_node_bits(node), unused = 32 - (8u << lpm_node_size(node));
    const unsigned char *at = (const unsigned char *)pool + lpm_node_at(node) +
                              ((size_t)(*rest >> (32 - bits)) << lpm_node_size(node));
    uint32_t entry;
    memcpy(&entry, at, sizeof entry);
    *rest <<= bits;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return entry >> unused;
#else
    return entry << unused >> unused;
#endif
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
    while (e & LPM_NODE)
        e = step(pool, e, &rest);
    return lpm_hops_value(&t->hops, e);
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
        busy_n += e[i] >> 31;
    }
    while (busy_n) {
        unsigned left = 0;
        for (unsigned k = 0; k < busy_n; k++) {
            unsigned i = busy[k];
            e[i] = step(pool, e[i], &rest[i]);
            busy[left] = (uint8_t)i;
            left += e[i] >> 31;
        }
        busy_n = left;
    }
    for (unsigned i = 0; i < n; i++)
        nexthop[i] = lpm_hops_value(&t->hops, e[i]);
}

static void portable_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (; n >= LANES; n -= LANES, addr += LANES, nexthop += LANES)
        portable_lanes(t, addr, nexthop, LANES);
    portable_lanes(t, addr, nexthop, (unsigned)n);
}

#ifdef __x86_64__
#include <immintrin.h>

/* -- many, AVX-512 --------------------------------------------------------------------------------------- */

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,popcnt")))
#define VECS   4 /* vectors that take their steps together */
#define GROUP  (16 * VECS)
#define MOST   44  /* lanes of a group at a node that make a step of the group worth while */
#define QUEUE  512 /* waiting addresses that set off a round */
#define CHUNK  ((size_t)1 << 14)

/* Addresses still on their way: where their answer goes, the node they stand at, the bits they still have. */
struct queue {
    uint32_t at[QUEUE + 2 * GROUP], entry[QUEUE + 2 * GROUP], rest[QUEUE + 2 * GROUP];
};

struct group {
    __m512i e[VECS], rest[VECS];
};

AVX512 ALWAYS __mmask16 lanes_of(unsigned n, unsigned at)
{
    return at + 16 <= n ? 0xffff : at < n ? (__mmask16)((1u << (n - at)) - 1) : 0;
}

AVX512 ALWAYS unsigned nodes_in(const struct group *g)
{
    unsigned n = 0;
#pragma GCC unroll 4
    for (int k = 0; k < VECS; k++)
        n += (unsigned)__builtin_popcount(_mm512_movepi32_mask(g->e[k]));
    return n;
}

/* One step for the lanes at a node; a leaf's first bits are 0, which `kept` leaves alone. */
AVX512 ALWAYS __m512i step16(const uint32_t *pool, __m512i e, __m512i *rest)
{
    const __m512i kept = _mm512_setr_epi32(-1, 0, 0, 0, 0xff, 0xffff, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512i kind = _mm512_srli_epi32(e, LPM_SIZE_SHIFT); /* 4 + size; 0: leaf */
    __m512i bits = _mm512_and_si512(_mm512_srli_epi32(e, LPM_BITS_SHIFT), _mm512_set1_epi32(15));
    __m512i slot = _mm512_srlv_epi32(*rest, _mm512_sub_epi32(_mm512_set1_epi32(32), bits));
    __m512i place = _mm512_slli_epi32(_mm512_and_si512(e, _mm512_set1_epi32(LPM_PLACE)), 3);
    slot = _mm512_sllv_epi32(slot, _mm512_and_si512(kind, _mm512_set1_epi32(3)));
    *rest = _mm512_sllv_epi32(*rest, bits);
    e = _mm512_mask_i32gather_epi32(e, _mm512_movepi32_mask(e), _mm512_add_epi32(place, slot), pool, 1);
    return _mm512_and_si512(e, _mm512_permutexvar_epi32(kind, kept));
}

/* Let the group take a step, and another while most of it stands at a node. */
AVX512 ALWAYS void group_run(const uint32_t *pool, struct group *g, unsigned enough)
{
    while (nodes_in(g) >= enough) {
#pragma GCC unroll 4
        for (int k = 0; k < VECS; k++)
            g->e[k] = step16(pool, g->e[k], &g->rest[k]);
        enough = MOST;
    }
}

/* => the next hops of leaves; anything for nodes. */
AVX512 ALWAYS __m512i hops16(const struct lpm_hops *h, __m512i e)
{
    __m512i plain = _mm512_sub_epi32(e, _mm512_set1_epi32(1));
    if (!h->used)
        return plain;
    __mmask16 m = _mm512_cmpgt_epi32_mask(e, _mm512_set1_epi32(LPM_PLAIN));
    __m512i at = _mm512_sub_epi32(plain, _mm512_set1_epi32(LPM_PLAIN));
    return _mm512_mask_i32gather_epi32(plain, m, at, h->value, 4);
}

/* Queue the lanes that stand at a node behind the first n. => how many there are then. The caller keeps count
 * in a register: these stores must not hide it. */
AVX512 ALWAYS unsigned queue_put(struct queue *q, unsigned n, __m512i at, __m512i e, __m512i rest)
{
    __mmask16 m = _mm512_movepi32_mask(e);
    _mm512_storeu_si512(q->at + n, _mm512_maskz_compress_epi32(m, at));
    _mm512_storeu_si512(q->entry + n, _mm512_maskz_compress_epi32(m, e));
    _mm512_storeu_si512(q->rest + n, _mm512_maskz_compress_epi32(m, rest));
    return n + (unsigned)__builtin_popcount(m);
}

/* Store answers where they belong; those of lanes still at a node are stored over later. Faster than a
 * scatter. */
ALWAYS void spread(uint32_t *nexthop, const uint32_t *to, const uint32_t *hop, unsigned n)
{
    for (; n >= 4; n -= 4, to += 4, hop += 4) {
        nexthop[to[0]] = hop[0];
        nexthop[to[1]] = hop[1];
        nexthop[to[2]] = hop[2];
        nexthop[to[3]] = hop[3];
    }
    while (n--)
        nexthop[to[n]] = hop[n];
}

/* All n that wait take a step or more; who arrives leaves the queue. => how many still wait. */
AVX512 static unsigned queue_run(const struct lpm *t, struct queue *q, unsigned n, uint32_t *nexthop)
{
    _Alignas(64) uint32_t hop[GROUP], to[GROUP];
    unsigned left = 0;
    for (unsigned i = 0; i < n; i += GROUP) {
        struct group g;
        __m512i at[VECS];
#pragma GCC unroll 4
        for (unsigned k = 0; k < VECS; k++) {
            __mmask16 in = lanes_of(n, i + 16 * k);
            at[k] = _mm512_loadu_si512(q->at + i + 16 * k);
            g.rest[k] = _mm512_loadu_si512(q->rest + i + 16 * k);
            g.e[k] = _mm512_maskz_mov_epi32(in, _mm512_loadu_si512(q->entry + i + 16 * k));
        }
        group_run(t->image.pool, &g, 1);
#pragma GCC unroll 4
        for (unsigned k = 0; k < VECS; k++) {
            _mm512_store_si512(hop + 16 * k, hops16(&t->hops, g.e[k]));
            _mm512_store_si512(to + 16 * k, at[k]);
            left = queue_put(q, left, at[k], g.e[k], g.rest[k]);
        }
        spread(nexthop, to, hop, n - i < GROUP ? n - i : GROUP);
    }
    return left;
}

/* => the entries of the addresses' pieces, from registers; rest: the bits the pieces leave. */
AVX512 ALWAYS __m512i begin16(const struct lpm_head *h, __m512i addr, __m512i *rest)
{
    const __m512i *c = (const void *)h->code, *e = (const void *)h->entry;
    __m512i first = _mm512_srli_epi32(addr, 24), byte = _mm512_set1_epi32(255);
    __m512i low = _mm512_permutex2var_epi8(c[0], first, c[1]),
            high = _mm512_permutex2var_epi8(c[2], first, c[3]);
    __m512i code = _mm512_and_si512(_mm512_mask_mov_epi32(low, _mm512_movepi32_mask(addr), high), byte);
    __m512i unused = _mm512_sub_epi32(_mm512_set1_epi32(32), _mm512_srli_epi32(code, LPM_HEAD_SHIFT));
    __m512i piece = _mm512_and_si512(code, _mm512_set1_epi32(LPM_PIECES - 1));
    piece = _mm512_add_epi32(piece, _mm512_srlv_epi32(_mm512_slli_epi32(addr, 8), unused));
    low = _mm512_permutex2var_epi32(e[0], piece, e[1]);
    high = _mm512_permutex2var_epi32(e[2], piece, e[3]);
    __m512i depth =
        _mm512_and_si512(_mm512_permutexvar_epi8(piece, *(const __m512i *)(const void *)h->depth), byte);
    *rest = _mm512_sllv_epi32(addr, depth);
    return _mm512_mask_mov_epi32(low, _mm512_test_epi32_mask(piece, _mm512_set1_epi32(32)), high);
}

/* The piece and the first steps of up to 64 addresses, to be answered at nexthop[i] and on. Masked loads wait
 * for every store before them; only a last, partial group has them. */
AVX512 ALWAYS unsigned group_start(const struct lpm *t, struct queue *q, unsigned waiting,
                                   const uint32_t *addr, uint32_t *nexthop, unsigned i, unsigned n)
{
    const uint32_t *pool = t->image.pool;
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    struct group g;
#pragma GCC unroll 4
    for (unsigned k = 0; k < VECS; k++) {
        __mmask16 in = lanes_of(n, 16 * k);
        __m512i a = n < GROUP ? _mm512_maskz_loadu_epi32(in, addr + i + 16 * k)
                              : _mm512_loadu_si512(addr + i + 16 * k);
        g.e[k] = begin16(&t->image.head, a, &g.rest[k]);
        if (n < GROUP)
            g.e[k] = _mm512_maskz_mov_epi32(in, g.e[k]);
    }
    group_run(pool, &g, MOST);
#pragma GCC unroll 4
    for (unsigned k = 0; k < VECS; k++) {
        __m512i hop = hops16(&t->hops, g.e[k]),
                at = _mm512_add_epi32(lane, _mm512_set1_epi32((int)(i + 16 * k)));
        if (n < GROUP)
            _mm512_mask_storeu_epi32(nexthop + i + 16 * k, lanes_of(n, 16 * k), hop);
        else
            _mm512_storeu_si512(nexthop + i + 16 * k, hop);
        waiting = queue_put(q, waiting, at, g.e[k], g.rest[k]);
    }
    return waiting;
}

AVX512 static void avx512_chunk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, unsigned n)
{
    unsigned i = 0, waiting = 0;
    struct queue q;
    for (; i + GROUP <= n; i += GROUP) {
        waiting = group_start(t, &q, waiting, addr, nexthop, i, GROUP);
        if (waiting >= QUEUE)
            waiting = queue_run(t, &q, waiting, nexthop);
    }
    if (i < n)
        waiting = group_start(t, &q, waiting, addr, nexthop, i, n - i);
    while (waiting)
        waiting = queue_run(t, &q, waiting, nexthop);
}

AVX512 static void avx512_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (; n > CHUNK; n -= CHUNK, addr += CHUNK, nexthop += CHUNK)
        avx512_chunk(t, addr, nexthop, CHUNK);
    avx512_chunk(t, addr, nexthop, (unsigned)n);
}

static bool have_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi");
}

/* -- many, AVX2 ------------------------------------------------------------------------------------------ */

#define AVX2 __attribute__((target("avx2")))

AVX2 ALWAYS __m256i step8(const uint32_t *pool, __m256i e, __m256i *rest)
{
    const __m256i word = _mm256_set1_epi32(32), eight = _mm256_set1_epi32(8);
    __m256i size = _mm256_and_si256(_mm256_srli_epi32(e, LPM_SIZE_SHIFT), _mm256_set1_epi32(3));
    __m256i bits = _mm256_and_si256(_mm256_srli_epi32(e, LPM_BITS_SHIFT), _mm256_set1_epi32(15));
    __m256i slot = _mm256_srlv_epi32(*rest, _mm256_sub_epi32(word, bits));
    __m256i place = _mm256_slli_epi32(_mm256_and_si256(e, _mm256_set1_epi32(LPM_PLACE)), 3);
    __m256i unused = _mm256_sub_epi32(word, _mm256_sllv_epi32(eight, size));
    *rest = _mm256_sllv_epi32(*rest, bits);
    __m256i got =
        _mm256_i32gather_epi32((const int *)pool, _mm256_add_epi32(place, _mm256_sllv_epi32(slot, size)), 1);
    return _mm256_srlv_epi32(_mm256_sllv_epi32(got, unused), unused);
}

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
    __m256i unused = _mm256_sub_epi32(_mm256_set1_epi32(32), _mm256_srli_epi32(code, LPM_HEAD_SHIFT));
    __m256i piece = _mm256_and_si256(code, _mm256_set1_epi32(LPM_PIECES - 1));
    piece = _mm256_add_epi32(piece, _mm256_srlv_epi32(_mm256_slli_epi32(addr, 8), unused));
    __m256i depth = _mm256_i32gather_epi32((const void *)h->depth, piece, 1);
    *rest = _mm256_sllv_epi32(addr, _mm256_and_si256(depth, byte));
    return _mm256_i32gather_epi32((const void *)h->entry, piece, 4);
}

#define OCTETS 4

/* 32 lookups: lanes that stand at a leaf stay there until the last has found its own. */
AVX2 ALWAYS void avx2_lanes(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop)
{
    const uint32_t *pool = t->image.pool;
    __m256i e[OCTETS], rest[OCTETS], some = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int k = 0; k < OCTETS; k++) {
        e[k] = begin8(&t->image.head, _mm256_loadu_si256((const void *)(addr + 8 * k)), &rest[k]);
        some = _mm256_or_si256(some, e[k]);
    }
    while (_mm256_movemask_ps(_mm256_castsi256_ps(some))) {
        some = _mm256_setzero_si256();
#pragma GCC unroll 4
        for (int k = 0; k < OCTETS; k++) {
            __m256i node = _mm256_srai_epi32(e[k], 31);
            __m256i to = step8(pool, _mm256_and_si256(e[k], node), &rest[k]);
            e[k] = _mm256_blendv_epi8(e[k], to, node);
            some = _mm256_or_si256(some, e[k]);
        }
    }
#pragma GCC unroll 4
    for (int k = 0; k < OCTETS; k++)
        _mm256_storeu_si256((void *)(nexthop + 8 * k), hops8(&t->hops, e[k]));
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
#define avx512_bulk portable_bulk
#define avx2_bulk   portable_bulk

static bool have_avx512(void)
{
    return false;
}

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
                                            size_t) = {walk_bulk, portable_bulk, avx2_bulk, avx512_bulk};
    enum lpm_variant v = t->image.broken ? LPM_WALK : t->variant;
    t->one = v == LPM_WALK ? walk_one : image_one;
    t->bulk = bulk[v];
}

bool lpm_use(struct lpm *t, enum lpm_variant v)
{
    if ((v == LPM_AVX2 && !have_avx2()) || (v == LPM_AVX512 && !have_avx512()))
        return false;
    t->variant = v;
    lpm_aim(t);
    return true;
}

enum lpm_variant lpm_best(void)
{
    return have_avx512() ? LPM_AVX512 : have_avx2() ? LPM_AVX2 : LPM_PORTABLE;
}
