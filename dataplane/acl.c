/* acl.c - the classifier: lookups. It is compiled in acl_build.c.
 *
 * A rule is a box in five dimensions: source, destination, the two ports, protocol. What a lookup walks
 * through is one tree, or a few (ACL_TREES), each for some of the boxes; the first rule of all trees is the
 * answer, and a rule that leaves nothing over needs no tree (acl.otherwise).
 *
 *   tree   index of one dimension: pieces of it, each leading to a list of boxes or to an index of another
 *          dimension (after the decision trees of Gupta and McKeown, HiCuts, 1999; that rules which are wide
 * in the same dimensions get trees of their own is from Vamanan et al., EffiCuts, 2010)
 *
 *   index  last values of the pieces, ascending, in lines of 16; above them levels of separators, 17 lines
 * below one; the last value of all is UINT32_MAX. A search compares one line a level, all 16 numbers at once:
 *
 *            level 0              [ s0 s1 ... s15 ]
 *            level 1    [ s0 ... s15 ] [ s0 ... s15 ] ... 17 lines
 *            level 2    [ last values of pieces 0 to 15 ] [ 16 to 31 ] ...       refs, one a piece
 *
 *   list   boxes in the order of their rules, one after the other, the last one marked. A box has all five
 *          dimensions, as sixteen-bit lanes which fit if key - lo <= span; addresses are cut into halves,
 * which is exact for prefixes. One comparison of vectors is four boxes (AVX-512), two (AVX2) or one.
 *
 *            lo    src | src>>16 | dst | dst>>16 | sport | dport | protocol | note, low half
 *            span  the same lanes                                           | note, high half
 *
 *   set    a prefix list or port list that is too long to be cut into boxes: an index without refs, in which
 * odd and even pieces are inside and outside by turns. Its rules' boxes have the hull in their place and are
 *          marked; only if all else fits is the key looked up in the set. Rules with equal lists share a set.
 *
 * Protocols without ports are numbered from 256 on (ACL_PORTLESS), so that a rule about some ports is a rule
 * about protocols 0 to 255 and whatever is in the port lanes of an ICMP packet does not matter.
 *
 * A list holds all boxes of its tree that meet its piece, so reading on past its end does no harm: a box that
 * fits there fits indeed, and if it is of this tree an earlier one in the list has been found. So nothing has
 * to be masked; it only takes three empty boxes at the end of the array.
 *
 * A batch goes in blocks of ACL_BLOCK keys, step by step and without a branch on what is found: through the
 * levels of the index at a tree's root, together; further indexes, those keys that have one; the first boxes
 * of the lists, all keys; the next, those with no box that fits and more to come. A few that are left after
 * ROUNDS are finished one by one.
 *
 * Variants, chosen when a classifier is built (cpuid), all tested; acl_walk.h is compiled once for each.
 * Portable code halves lines and compares lane by lane; AVX2 and AVX-512 compare a line and WINDOW boxes at
 * once, AVX-512 also reads four keys at once and searches the first line for sixteen keys by permutations.
 *
 * Costs: 1,000 rules between subnets and hosts are one tree of three levels: four or five lines of 64 bytes a
 * lookup, 68 bytes a rule. Memory is 32 bytes for each box in each list, 8 for each piece, 8 for a rule's
 * verdict, and 8 for each range of a distinct long list (its index's two borders); acl_tree.c bounds it. */
#include "dataplane/acl_int.h"

#define ROUNDS 4
#define ALWAYS __attribute__((always_inline)) static inline

/* Of some boxes, which the key fits and which are a list's last: bit 8 * i + 7 is box i. */
struct fit {
    uint32_t fits, last;
};

struct block {
    _Alignas(64) struct acl_lanes key[ACL_BLOCK];
    _Alignas(64) uint32_t part[ACL_BLOCK]; /* of the key, in one dimension */
    uint32_t at[ACL_BLOCK];                /* where the key is: in an index; then a reference; then a box */
    uint32_t best[ACL_BLOCK];              /* note of the first rule so far */
    uint32_t pending[ACL_BLOCK], check[ACL_BLOCK]; /* keys */
    unsigned n_pending, n_check;
};

ALWAYS uint32_t lower(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

ALWAYS uint32_t part(const struct acl_lanes *k, unsigned dim)
{
    static const uint8_t shift[ACL_DIMS] = {0, 32, 0, 16, 32};
    static const uint32_t mask[ACL_DIMS] = {UINT32_MAX, UINT32_MAX, 0xffff, 0xffff, 0xffff};
    return (uint32_t)(k->half[dim > ACL_DST] >> shift[dim]) & mask[dim];
}

ALWAYS struct acl_lanes lanes_of(const struct acl_key *key)
{
    uint64_t proto = key->proto | (acl_has_ports(key->proto) ? 0 : ACL_PORTLESS);
    return (struct acl_lanes){
        {key->src | (uint64_t)key->dst << 32, key->sport | (uint32_t)key->dport << 16 | proto << 32}};
}

/* => a box's place among some, 8 * place + 7 being the lowest of bits; no matter what for none. */
ALWAYS unsigned first_of(uint32_t bits)
{
    return (unsigned)__builtin_ctz(bits | 1u << 31) / 8;
}

/* -- portable -------------------------------------------------------------------------------------------- */

#define WITH
#define NAME(x) x##_portable
#define WINDOW  1

ALWAYS uint32_t below_portable(const uint32_t *line, uint32_t v)
{
    uint32_t at = 0;
    for (uint32_t half = ACL_LINE / 2; half; half /= 2)
        at += line[at + half - 1] < v ? half : 0;
    return at + (line[at] < v);
}

ALWAYS struct fit compare_portable(const struct acl_box *b, const struct acl_lanes *k)
{
    unsigned out = 0;
    for (unsigned i = 0; i < ACL_NOTE; i++)
        out |= (uint16_t)((uint16_t)(k->half[i / 4] >> 16 * (i % 4)) - b->lo[i]) > b->span[i];
    return (struct fit){out ? 0 : 0x80, b->lo[ACL_NOTE] & ACL_LAST};
}

ALWAYS void lanes_portable(struct acl_lanes *out, const struct acl_key *key)
{
    *out = lanes_of(key);
}

ALWAYS void ready_portable(struct block *x, const struct acl_key *keys, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        x->key[k] = lanes_of(&keys[k]);
}

ALWAYS void top_portable(struct block *x, const uint32_t *line, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        x->at[k] = below_portable(line, x->part[k]);
}

#include "dataplane/acl_walk.h"
#undef WITH
#undef NAME
#undef WINDOW

/* -- x86-64 ---------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
#include <immintrin.h>

#define WITH    __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define NAME(x) x##_avx2
#define WINDOW  2

WITH ALWAYS uint32_t below_avx2(const uint32_t *line, uint32_t v)
{
    const __m256i sign = _mm256_set1_epi32(INT32_MIN);
    __m256i x = _mm256_xor_si256(_mm256_set1_epi32((int)v), sign);
    __m256i a = _mm256_xor_si256(_mm256_load_si256((const __m256i *)line), sign);
    __m256i b = _mm256_xor_si256(_mm256_load_si256((const __m256i *)(line + 8)), sign);
    a = _mm256_packs_epi32(_mm256_cmpgt_epi32(x, a), _mm256_cmpgt_epi32(x, b));
    return (uint32_t)__builtin_popcount((unsigned)_mm256_movemask_epi8(a)) / 2;
}

WITH ALWAYS struct fit compare_avx2(const struct acl_box *b, const struct acl_lanes *k)
{
    __m256i v0 = _mm256_loadu_si256((const __m256i *)b), v1 = _mm256_loadu_si256((const __m256i *)(b + 1));
    __m256i lo = _mm256_permute2x128_si256(v0, v1, 0x20), span = _mm256_permute2x128_si256(v0, v1, 0x31);
    __m256i key = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)k));
    __m256i out = _mm256_subs_epu16(_mm256_sub_epi16(key, lo), span);
    /* a bit a lane: box 0 in the low half, box 1 in the high one, each with its notes above */
    __m256i in =
        _mm256_packs_epi16(_mm256_cmpeq_epi16(out, _mm256_setzero_si256()), _mm256_slli_epi16(lo, 15));
    uint32_t m = (uint32_t)_mm256_movemask_epi8(in), all = (m & 0x7f007f) + 0x10001;
    return (struct fit){(all & 0x80) | (all >> 8 & 0x8000), m & 0x80008000};
}

/* In one piece, as it will be loaded. */
WITH ALWAYS void lanes_avx2(struct acl_lanes *out, const struct acl_key *key)
{
    struct acl_lanes k = lanes_of(key);
    _mm_store_si128((__m128i *)out, _mm_set_epi64x((long long)k.half[1], (long long)k.half[0]));
}

WITH ALWAYS void ready_avx2(struct block *x, const struct acl_key *keys, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        lanes_avx2(&x->key[k], &keys[k]);
}

WITH ALWAYS void top_avx2(struct block *x, const uint32_t *line, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        x->at[k] = below_avx2(line, x->part[k]);
}

#include "dataplane/acl_walk.h"
#undef WITH
#undef NAME
#undef WINDOW

#define WITH    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,bmi,bmi2,popcnt")))
#define NAME(x) x##_avx512
#define WINDOW  4

WITH ALWAYS uint32_t below_avx512(const uint32_t *line, uint32_t v)
{
    __mmask16 m = _mm512_cmplt_epu32_mask(_mm512_load_si512(line), _mm512_set1_epi32((int)v));
    return (uint32_t)__builtin_popcount(m);
}

WITH ALWAYS struct fit compare_avx512(const struct acl_box *b, const struct acl_lanes *k)
{
    const uint32_t notes = 0x80808080u;
    __m512i v0 = _mm512_loadu_si512(b), v1 = _mm512_loadu_si512(b + 2);
    __m512i lo = _mm512_shuffle_i64x2(v0, v1, 0x88), span = _mm512_shuffle_i64x2(v0, v1, 0xdd);
    __m512i key = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)k));
    __mmask32 out = _mm512_cmpgt_epu16_mask(_mm512_sub_epi16(key, lo), span);
    /* a byte of out without its high bit is 0 if the box fits; no carry leaves a byte */
    __mmask32 last = _mm512_test_epi16_mask(lo, _mm512_set1_epi16(ACL_LAST));
    return (struct fit){~((out & ~notes) + ~notes) & notes, last & notes};
}

WITH ALWAYS void lanes_avx512(struct acl_lanes *out, const struct acl_key *key)
{
    struct acl_lanes k = lanes_of(key);
    _mm_store_si128((__m128i *)out, _mm_set_epi64x((long long)k.half[1], (long long)k.half[0]));
}

/* Four keys at a time, which lie in memory as their lanes do, but for the bytes past the protocol. */
WITH ALWAYS void ready_avx512(struct block *x, const struct acl_key *keys, unsigned n)
{
    const __m512i tcp = _mm512_set1_epi16(6), udp = _mm512_set1_epi16(17);
    unsigned k = 0;
    for (; k + 4 <= n; k += 4) {
        __m512i v = _mm512_maskz_loadu_epi8(0x1fff1fff1fff1fff, &keys[k]);
        __mmask32 portless = _mm512_mask_cmpneq_epi16_mask(0x40404040, v, tcp);
        portless = _mm512_mask_cmpneq_epi16_mask(portless, v, udp);
        __m512i bit = _mm512_maskz_set1_epi16(portless, ACL_PORTLESS);
        _mm512_store_si512(&x->key[k], _mm512_or_si512(v, bit));
    }
    for (; k < n; k++)
        lanes_avx512(&x->key[k], &keys[k]);
}

/* Sixteen keys at a time, by halving. */
WITH ALWAYS void top_avx512(struct block *x, const uint32_t *line, unsigned n)
{
    __m512i all = _mm512_load_si512(line);
    for (unsigned k = 0; k < n; k += 16) {
        __m512i v = _mm512_load_si512(x->part + k), at = _mm512_setzero_si512();
        for (int half = ACL_LINE / 2; half; half /= 2) {
            __m512i mid = _mm512_permutexvar_epi32(_mm512_add_epi32(at, _mm512_set1_epi32(half - 1)), all);
            at = _mm512_mask_add_epi32(at, _mm512_cmplt_epu32_mask(mid, v), at, _mm512_set1_epi32(half));
        }
        __mmask16 more = _mm512_cmplt_epu32_mask(_mm512_permutexvar_epi32(at, all), v);
        _mm512_store_si512(x->at + k, _mm512_mask_add_epi32(at, more, at, _mm512_set1_epi32(1)));
    }
}

#include "dataplane/acl_walk.h"

static bool have(enum acl_variant v)
{
    if (v == ACL_AVX512)
        return have(ACL_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return v != ACL_AVX2 || (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                             __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"));
}
#else
#define one_avx2    one_portable
#define bulk_avx2   bulk_portable
#define one_avx512  one_portable
#define bulk_avx512 bulk_portable

static bool have(enum acl_variant v)
{
    return v == ACL_PORTABLE;
}
#endif

/* -- choice ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t (*one)(const struct acl *a, const struct acl_key *key);
    void (*bulk)(const struct acl *a, const struct acl_key *keys, struct acl_hit *hits, size_t n);
} variants[ACL_VARIANTS] = {{"portable", one_portable, bulk_portable},
                            {"AVX2", one_avx2, bulk_avx2},
                            {"AVX-512", one_avx512, bulk_avx512}};

enum acl_variant acl_best(void)
{
    enum acl_variant v = ACL_AVX512;
    while (!have(v))
        v--;
    return v;
}

bool acl_use(struct acl *a, enum acl_variant v)
{
    if (!have(v))
        return false;
    a->variant = v;
    return true;
}

const char *acl_how(const struct acl *a)
{
    return variants[a->variant].name;
}

struct acl_hit acl_classify(const struct acl *a, const struct acl_key *key)
{
    return a->verdict[variants[a->variant].one(a, key) >> ACL_NOTE_BITS];
}

void acl_classify_bulk(const struct acl *a, const struct acl_key *keys, struct acl_hit *hits, size_t n)
{
    variants[a->variant].bulk(a, keys, hits, n);
}
