/* lpm_avx512.c - many lookups at a time in the image of a longest-prefix match, by AVX-512; the image is
 * drawn in lpm.c.
 *
 * One lookup is a chain of loads; of many lookups the loads overlap. With AVX-512 sixteen addresses go
 * through a few stages together, and each round of the loop runs every stage, each for other addresses, so
 * that no stage waits for the loads of the one before:
 *
 *   begin    the head's piece, from registers                              16 addresses i
 *      |     entry, rest of the address, where to load from: a few lines of memory
 *      v
 *   step     16 loads, entry -> entry, where to load from                  16 addresses i - ahead
 *      |
 *      v
 *   step     16 loads, entry -> entry                                      16 addresses i - 2 ahead
 *      |
 *      +---> identifiers, forks decided -> next hops
 *      |
 *      v     who still stands at a node, few where the plan knew the table
 *   queue    place of the answer, entry, rest; a step for all when some hundreds wait, squeezed together
 *            (vpcompressd), their answers stored one by one
 *
 * The loads are ordinary ones, put together in registers: a gather takes half as long again (Zen 5), and
 * other instructions do not overlap with it. Lanes that have arrived load the pool's first word. What lies in
 * an image larger than a core's caches is prefetched a round after it is known where it is: loads, with all
 * that waits for them, would fill the window of instructions before as many cache misses are under way as can
 * be. Between two stages are 64 or 128 addresses, so that what one has stored is in the cache for the next;
 * more would only make small batches slower. */
#include "dataplane/lpm_int.h"

#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>

#define ALWAYS  __attribute__((always_inline)) static inline
#define AVX512  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,popcnt")))
#define NEAR_BY 64                /* addresses between two stages */
#define FAR_OFF 128               /* the same where the image is larger than a core's caches */
#define FAR     ((size_t)1 << 20) /* which is assumed from so many bytes on */
#define RING    (FAR_OFF / 4)     /* more than two stages ahead, in vectors */
#define QUEUE   256               /* waiting addresses that set off a round */
#define CHUNK   ((size_t)1 << 14)
#define FIELD   (~0u << (LPM_FORK_SHIFT + 2)) /* a fork's pattern, moved to where the rest begins */
#define BYTES   0x1111111111111111u           /* the lowest of each number's four */

/* Sixteen addresses between two stages: the entry they have come to, the bits they still have, the byte of
 * the pool to load. */
struct between {
    _Alignas(64) uint32_t e[16], rest[16], at[16];
};

/* Addresses that two steps were not enough for: where their answer goes, and as above. */
struct queue {
    _Alignas(64) uint32_t to[QUEUE + 32], e[QUEUE + 32], rest[QUEUE + 32], at[QUEUE + 32];
};

AVX512 ALWAYS __mmask16 lanes_of(unsigned n, unsigned at)
{
    return at + 16 <= n ? 0xffff : at < n ? (__mmask16)((1u << (n - at)) - 1) : 0;
}

/* Numbers that stay in registers: the compiler would make them anew wherever they are used. */
struct fixed {
    __m512i leaf, fork, size, byte, field, step, hop, one, kept, lane, half;
};

AVX512 ALWAYS __m512i same16(uint32_t x)
{
    __m512i v = _mm512_set1_epi32((int)x);
    __asm__("" : "+v"(v));
    return v;
}

AVX512 ALWAYS struct fixed fixed_make(void)
{
    return (struct fixed){
        .leaf = same16(LPM_LEAF),
        .fork = same16(LPM_FORK),
        .size = same16(3),
        .byte = same16(255),
        .field = same16(FIELD),
        .step = same16(~FIELD + 1),
        .hop = same16(LPM_LEAF | 255),
        .one = same16(LPM_LEAF + 1),
        .half = same16(LPM_PIECES / 2),
        .kept = _mm512_setr_epi32(0xff, 0xffff, -1, 0, 0xff, 0xffff, -1, 0, 0xff, 0xffff, -1, 0, 0xff, 0xffff,
                                  -1, 0),
        .lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    };
}

AVX512 ALWAYS __mmask16 nodes16(const struct fixed *f, __m512i e)
{
    return _mm512_testn_epi32_mask(e, f->leaf);
}

/* => the bytes to load for the lanes at a node, 0 for others; rest: the bits that remain then. */
AVX512 ALWAYS __m512i aim16(const struct fixed *f, __m512i e, __m512i *rest)
{
    __mmask16 nodes = nodes16(f, e);
    __m512i size = _mm512_and_si512(_mm512_srli_epi32(e, LPM_SIZE_SHIFT), f->size);
    __m512i slot = _mm512_shldv_epi32(_mm512_srli_epi32(e, LPM_PLACE_SHIFT), *rest, e);
    *rest = _mm512_mask_rolv_epi32(*rest, nodes, *rest, e);
    return _mm512_maskz_sllv_epi32(nodes, slot, size);
}

ALWAYS int load(const char *at)
{
    int x;
    memcpy(&x, at, sizeof x);
    return x;
}

/* The loads, one by one. */
AVX512 ALWAYS __m128i fetch4(const char *pool, const uint32_t *at)
{
    __m128i x = _mm_cvtsi32_si128(load(pool + at[0]));
    x = _mm_insert_epi32(x, load(pool + at[1]), 1);
    x = _mm_insert_epi32(x, load(pool + at[2]), 2);
    return _mm_insert_epi32(x, load(pool + at[3]), 3);
}

AVX512 ALWAYS __m512i fetch16(const uint32_t *pool, const uint32_t *at)
{
    const char *p = (const char *)pool;
    __m256i low = _mm256_set_m128i(fetch4(p, at + 4), fetch4(p, at));
    __m256i high = _mm256_set_m128i(fetch4(p, at + 12), fetch4(p, at + 8));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* => the entries that lanes at a node have loaded; other lanes keep theirs. */
AVX512 ALWAYS __m512i take16(const struct fixed *f, __m512i e, __m512i loaded)
{
    __m512i kept = _mm512_permutexvar_epi32(_mm512_srli_epi32(e, LPM_SIZE_SHIFT), f->kept);
    __m512i to = _mm512_ternarylogic_epi32(loaded, kept, f->leaf, 0xe2); /* kept ? loaded : leaf */
    return _mm512_mask_mov_epi32(e, nodes16(f, e), to);
}

/* => the next hops of leaves; anything for nodes. */
AVX512 ALWAYS __m512i hops16(const struct fixed *f, const struct lpm_hops *h, __m512i e, __m512i rest)
{
    __m512i want = _mm512_slli_epi32(e, 2), less = _mm512_sub_epi32(want, f->step);
    __m512i differ = _mm512_ternarylogic_epi32(rest, want, less, 0x18); /* rest ^ want, where want == less */
    __mmask16 first = _mm512_testn_epi32_mask(differ, f->field);
    __m512i two = _mm512_mask_srai_epi32(e, first, e, 8);
    __m512i leaf = _mm512_mask_and_epi32(e, _mm512_test_epi32_mask(e, f->fork), two, f->hop);
    __m512i plain = _mm512_sub_epi32(leaf, f->one);
    if (!h)
        return plain;
    __mmask16 other = _mm512_mask_cmpge_epi32_mask(_mm512_movepi32_mask(e), plain, same16(LPM_PLAIN));
    __m512i at = _mm512_sub_epi32(plain, same16(LPM_PLAIN));
    return _mm512_mask_i32gather_epi32(plain, other, at, h->value, 4);
}

/* Queue the lanes that stand at a node behind the first n. => how many there are then. */
AVX512 ALWAYS unsigned queue_put(struct queue *q, unsigned n, __m512i to, __m512i e, __m512i rest,
                                 __mmask16 m)
{
    _mm512_storeu_si512(q->to + n, _mm512_maskz_compress_epi32(m, to));
    _mm512_storeu_si512(q->e + n, _mm512_maskz_compress_epi32(m, e));
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

/* All n that wait take a step; who arrives leaves the queue. => how many still wait. Where the queue is written
 * depends on what was loaded: no loads of the pool come after that. */
AVX512 ALWAYS unsigned queue_step(const struct lpm *t, struct queue *q, unsigned n, uint32_t *nexthop)
{
    const struct fixed f = fixed_make();
    const struct lpm_hops *h = t->hops.used ? &t->hops : NULL;
    unsigned left = 0;
    for (unsigned i = 0; i < n; i += 16) {
        __m512i rest = _mm512_load_si512(q->rest + i), e = _mm512_load_si512(q->e + i);
        e = _mm512_mask_mov_epi32(f.leaf, lanes_of(n, i), e);
        _mm512_store_si512(q->e + i, e);
        _mm512_store_si512(q->at + i, aim16(&f, e, &rest));
        _mm512_store_si512(q->rest + i, rest);
    }
    for (unsigned i = 0; i < n; i += 16) {
        __m512i rest = _mm512_load_si512(q->rest + i), e = _mm512_load_si512(q->e + i);
        e = take16(&f, e, fetch16(t->image.pool, q->at + i));
        _mm512_store_si512(q->e + i, e);
        _mm512_store_si512(q->at + i, hops16(&f, h, e, rest));
    }
    spread(nexthop, q->to, q->at, n);
    for (unsigned i = 0; i < n; i += 16) {
        __m512i rest = _mm512_load_si512(q->rest + i), to = _mm512_load_si512(q->to + i);
        __m512i e = _mm512_load_si512(q->e + i);
        left = queue_put(q, left, to, e, rest, nodes16(&f, e));
    }
    return left;
}

/* Take steps until fewer than `enough` wait. => how many still do. Kept out of the loops that call it, which
 * have their numbers in registers. */
AVX512 __attribute__((noinline)) static unsigned queue_run(const struct lpm *t, struct queue *q, unsigned n,
                                                           unsigned enough, uint32_t *nexthop)
{
    while (n >= enough)
        n = queue_step(t, q, n, nexthop);
    return n;
}

/* => the entries of the addresses' pieces, from registers; rest: the bits the pieces leave. The code's own
 * bits beyond the piece are shifted up, where nobody looks. */
AVX512 ALWAYS __m512i begin16(const struct fixed *f, const struct lpm_head *h, __m512i addr, __m512i *rest)
{
    const __m512i *c = (const void *)h->code, *e = (const void *)h->entry;
    const __m512i depth = *(const __m512i *)(const void *)h->depth;
    __m512i first = _mm512_srli_epi32(addr, 24), low = _mm512_permutex2var_epi8(c[0], first, c[1]),
            high = _mm512_permutex2var_epi8(c[2], first, c[3]);
    __m512i code = _mm512_mask_mov_epi32(low, _mm512_movepi32_mask(addr), high);
    __m512i more = _mm512_srli_epi32(_mm512_and_si512(code, f->byte), LPM_HEAD_SHIFT);
    __m512i piece = _mm512_shldv_epi32(code, _mm512_slli_epi32(addr, 8), more);
    low = _mm512_permutex2var_epi32(e[0], piece, e[1]);
    high = _mm512_permutex2var_epi32(e[2], piece, e[3]);
    *rest = _mm512_sllv_epi32(addr, _mm512_maskz_permutexvar_epi8(BYTES, piece, depth));
    return _mm512_mask_mov_epi32(low, _mm512_test_epi32_mask(piece, f->half), high);
}

ALWAYS struct between *slot_of(struct between *ring, size_t i)
{
    return &ring[i / 16 % RING];
}

AVX512 ALWAYS void between_put(const struct fixed *f, struct between *b, __m512i e, __m512i rest)
{
    _mm512_store_si512(b->e, e);
    _mm512_store_si512(b->at, aim16(f, e, &rest));
    _mm512_store_si512(b->rest, rest);
}

AVX512 ALWAYS __m512i between_take(const struct fixed *f, const uint32_t *pool, const struct between *b,
                                   __m512i *rest)
{
    *rest = _mm512_load_si512(b->rest);
    return take16(f, _mm512_load_si512(b->e), fetch16(pool, b->at));
}

/* Fetch into the caches what is to be loaded. */
ALWAYS void between_ask(const uint32_t *pool, const struct between *b)
{
#pragma GCC unroll 16
    for (unsigned k = 0; k < 16; k++)
        __builtin_prefetch((const char *)pool + b->at[k]);
}

/* Up to CHUNK addresses, i and on in each round. Masked loads wait for every store before them; only a last,
 * partial vector has them. */
AVX512 ALWAYS void avx512_lanes(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n,
                                const size_t ahead)
{
    const struct fixed f = fixed_make();
    const uint32_t *pool = t->image.pool;
    const struct lpm_hops *h = t->hops.used ? &t->hops : NULL;
    const size_t whole = n & ~(size_t)15, lanes = (n + 15) & ~(size_t)15;
    const __mmask16 last = (__mmask16)((1u << n % 16) - 1);
    unsigned waiting = 0;
    __m512i rest, e;
    struct queue q;
    struct between ring[RING];
    for (size_t i = 0; i < lanes + 2 * ahead; i += 16) {
        if (i < lanes) {
            __m512i a = i < whole ? _mm512_loadu_si512(addr + i) : _mm512_maskz_loadu_epi32(last, addr + i);
            e = begin16(&f, &t->image.head, a, &rest);
            between_put(&f, slot_of(ring, i), e, rest);
        }
        if (ahead == FAR_OFF && i - 16 < lanes)
            between_ask(pool, slot_of(ring, i - 16));
        if (i - ahead < lanes) {
            e = between_take(&f, pool, slot_of(ring, i - ahead), &rest);
            between_put(&f, slot_of(ring, i - ahead), e, rest);
        }
        if (ahead == FAR_OFF && i - ahead - 16 < lanes)
            between_ask(pool, slot_of(ring, i - ahead - 16));
        size_t k = i - 2 * ahead;
        if (k >= lanes)
            continue;
        e = between_take(&f, pool, slot_of(ring, k), &rest);
        __m512i hop = hops16(&f, h, e, rest);
        __mmask16 left = nodes16(&f, e);
        if (k < whole) {
            _mm512_storeu_si512(nexthop + k, hop);
        } else {
            _mm512_mask_storeu_epi32(nexthop + k, last, hop);
            left &= last;
        }
        if (ahead == FAR_OFF || left) { /* a wrong guess would take long to be found out */
            __m512i at = _mm512_add_epi32(f.lane, _mm512_set1_epi32((int)k));
            waiting = queue_put(&q, waiting, at, e, rest, left);
            if (waiting >= QUEUE)
                waiting = queue_run(t, &q, waiting, QUEUE, nexthop);
        }
    }
    if (waiting)
        queue_run(t, &q, waiting, 1, nexthop);
}

AVX512 static void avx512_chunk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    if (t->image.cap > FAR)
        avx512_lanes(t, addr, nexthop, n, FAR_OFF);
    else
        avx512_lanes(t, addr, nexthop, n, NEAR_BY);
}

AVX512 void lpm_avx512_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (; n > CHUNK; n -= CHUNK, addr += CHUNK, nexthop += CHUNK)
        avx512_chunk(t, addr, nexthop, CHUNK);
    avx512_chunk(t, addr, nexthop, n);
}

bool lpm_avx512_there(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}
#else
void lpm_avx512_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nexthop[i] = lpm_lookup(t, addr[i]);
}

bool lpm_avx512_there(void)
{
    return false;
}
#endif
