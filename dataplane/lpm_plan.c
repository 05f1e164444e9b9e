/* lpm_plan.c - how a set of routes is laid out in nodes: the compiler of lpm.c's image.
 *
 * Where a trie resolves several bits at a step, somebody has to say how many. Here a dynamic programme does,
 * over the binary trie of the routes, from its leaves upwards (after Srinivasan and Varghese, "Fast address
 * lookups using controlled prefix expansion", 1999): what is below a point costs
 *
 *   min over w of   bytes of a node of w bits + step for each route below
 *                   + what is below the points w bits further down
 *
 * or, packed, one node of leaves down to the longest route. `step` is how many bytes one memory access less
 * is worth to a route. The binary trie is never stored: it is the recursion over the sorted routes, halved
 * bit by bit by searching. Each of its points where two routes or more are left notes its decision (cut[], in
 * preorder, with the number of points below, so that emitting can pass over them); a route alone costs the
 * same wherever it is and is looked up by its remaining length: nothing where a fork can hold it. */
#include "dataplane/addr.h"
#include "dataplane/lpm_int.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <string.h>

#define WIDEST 14 /* bits of a node */
#define PACKED 14 /* of a node of leaves */

/* A decision: bits of the node, whether it is packed, points from this one on through all below it. */
#define CUT_PACKED 16u
#define CUT_SHIFT  5

struct weight {
    uint32_t below[WIDEST + 1]; /* cost of what begins that many bits further down */
    unsigned longest;           /* length of the longest route */
};

int lpm_plan_add(struct lpm_plan *p, uint64_t route)
{
    if (p->n == p->route_cap) {
        uint32_t cap = p->route_cap ? p->route_cap * 2 : 64;
        uint64_t *more = mem_resize(p->route, p->route_cap * sizeof *more, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        p->route = more;
        p->route_cap = cap;
    }
    p->route[p->n++] = route;
    return 0;
}

void lpm_plan_free(struct lpm_plan *p)
{
    mem_free(p->route, p->route_cap * sizeof *p->route);
    mem_free(p->cut, p->cut_cap * sizeof *p->cut);
    *p = (struct lpm_plan){.step = p->step};
}

size_t lpm_plan_bytes(const struct lpm_plan *p)
{
    return p->route_cap * sizeof *p->route + p->cut_cap * sizeof *p->cut;
}

/* -- deciding -------------------------------------------------------------------------------------------- */

static uint32_t node_cost(unsigned size, unsigned bits)
{
    uint32_t bytes = 1u << (size + bits);
    return bytes < LPM_UNIT ? LPM_UNIT : bytes;
}

/* => the cheapest cut of a point with n routes, the longest `rest` bits further down; its cost to w. */
static uint32_t choose(const struct lpm_plan *p, struct weight *w, uint32_t n, unsigned rest)
{
    uint32_t best = UINT32_MAX, cut = 0;
    if (rest <= PACKED) {
        best = node_cost(p->leaf, rest);
        cut = rest | CUT_PACKED;
    }
    for (unsigned bits = 1; bits <= WIDEST && bits < rest; bits++) {
        uint32_t cost = node_cost(2, bits) + w->below[bits];
        if (cost < best) {
            best = cost;
            cut = bits;
        }
    }
    w->below[0] = best + n * p->step;
    return cut;
}

static void plan_chains(struct lpm_plan *p, unsigned leaf)
{
    p->leaf = leaf;
    p->chain_step = p->step;
    p->chain_cost[0] = 0;
    for (unsigned rest = 1; rest <= 32; rest++) {
        struct weight w = {.longest = rest};
        p->chain_cost[rest] = 0;
        if (leaf == 0 && rest <= LPM_FORK_BITS)
            continue; /* a fork */
        for (unsigned i = 0; i <= WIDEST && i < rest; i++)
            w.below[i] = i ? p->chain_cost[rest - i] : 0;
        p->chain_cut[rest] = choose(p, &w, 1, rest);
        p->chain_cost[rest] = w.below[0];
    }
}

static bool plan_point(struct lpm_plan *p, uint32_t *at)
{
    if (p->cuts == p->cut_cap) {
        uint32_t cap = p->cut_cap ? p->cut_cap * 2 : 64;
        uint32_t *more = mem_resize(p->cut, p->cut_cap * sizeof *more, cap * sizeof *more);
        if (!more)
            return false;
        p->cut = more;
        p->cut_cap = cap;
    }
    *at = p->cuts++;
    return true;
}

uint32_t lpm_plan_halve(const struct lpm_plan *p, uint32_t lo, uint32_t hi, unsigned depth)
{
    uint64_t bit = (uint64_t)1 << (63 - depth);
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (p->route[mid] & bit)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* Note the costs of a route alone at the points on its way. */
static void note_chain(struct lpm_plan *p, uint32_t point, unsigned depth, uint64_t route)
{
    for (; point < LPM_TOP && depth < lpm_route_len(route); depth++) {
        p->top[point] = p->chain_cost[lpm_route_len(route) - depth];
        point = 2 * point + (route >> (63 - depth) & 1);
    }
}

/* Weigh what is at and below a point: the routes [lo, hi), all at least depth bits long; `point` is its
 * number in a heap, near the top. => false: no memory. */
static bool weigh(struct lpm_plan *p, uint32_t lo, uint32_t hi, unsigned depth, uint32_t point,
                  struct weight *w)
{
    lo += lo < hi && lpm_route_len(p->route[lo]) == depth;
    if (hi - lo < 2) {
        unsigned rest = hi - lo ? lpm_route_len(p->route[lo]) - depth : 0;
        w->longest = depth + rest;
        for (unsigned i = 0; i <= WIDEST; i++)
            w->below[i] = i < rest ? p->chain_cost[rest - i] : 0;
        if (p->top && rest)
            note_chain(p, point, depth, p->route[lo]);
        return true;
    }
    struct weight right;
    uint32_t mid = lpm_plan_halve(p, lo, hi, depth), at;
    if (!plan_point(p, &at) || !weigh(p, lo, mid, depth + 1, 2 * point, w) ||
        !weigh(p, mid, hi, depth + 1, 2 * point + 1, &right))
        return false;
    for (unsigned i = WIDEST; i; i--)
        w->below[i] = w->below[i - 1] + right.below[i - 1];
    if (right.longest > w->longest)
        w->longest = right.longest;
    p->cut[at] = choose(p, w, hi - lo, w->longest - depth) | (p->cuts - at) << CUT_SHIFT;
    if (p->top && point < LPM_TOP)
        p->top[point] = w->below[0];
    return true;
}

/* -- emitting -------------------------------------------------------------------------------------------- */

static uint32_t emit_packed(struct lpm_image *m, uint32_t lo, uint32_t hi, unsigned depth, unsigned bits,
                            uint32_t hop)
{
    const struct lpm_plan *p = &m->plan;
    uint32_t all = hop;
    for (uint32_t i = lo; i < hi; i++)
        all |= lpm_route_hop(p->route[i]);
    unsigned size = lpm_hop_size(all);
    if (size + bits < 3)
        size = 3 - bits; /* LPM_UNIT at least */
    uint32_t node = lpm_node_new(m, size, bits);
    if (m->broken)
        return LPM_LEAF;
    lpm_node_paint(m, node, 0, 1u << bits, hop);
    for (uint32_t i = lo; i < hi; i++) {
        uint64_t x = p->route[i];
        uint32_t first = lpm_route_addr(x) << depth >> (32 - bits);
        lpm_node_paint(m, node, first, 1u << (depth + bits - lpm_route_len(x)), lpm_route_hop(x));
    }
    return lpm_node_settle(m, node);
}

/* Fill the 2^bits elements from `at` on with what is below a point of the node. */
static void fill(struct lpm_image *m, uint32_t lo, uint32_t hi, unsigned depth, unsigned bits, uint32_t hop,
                 size_t at)
{
    struct lpm_plan *p = &m->plan;
    if (!bits) {
        uint32_t entry = lpm_plan_emit(m, lo, hi, depth, hop);
        m->pool[at] = entry;
        return;
    }
    if (lo < hi && lpm_route_len(p->route[lo]) == depth)
        hop = lpm_route_hop(p->route[lo++]);
    if (lo == hi) {
        for (size_t i = 0; i < (size_t)1 << bits; i++)
            m->pool[at + i] = LPM_LEAF | hop;
        return;
    }
    uint32_t mid = lpm_plan_halve(p, lo, hi, depth);
    p->at += hi - lo > 1;
    fill(m, lo, mid, depth + 1, bits - 1, hop, at);
    fill(m, mid, hi, depth + 1, bits - 1, hop, at + ((size_t)1 << (bits - 1)));
}

/* => whether one leaf can say what lies below a point with one route. */
static bool can_fork(uint64_t route, unsigned depth, uint32_t hop)
{
    return lpm_route_len(route) - depth <= LPM_FORK_BITS && lpm_hop_size(hop | lpm_route_hop(route)) == 0;
}

static uint32_t make_fork(uint64_t route, unsigned depth, uint32_t hop)
{
    unsigned bits = lpm_route_len(route) - depth;
    uint32_t pattern = lpm_route_addr(route) << depth >> (32 - bits), in = lpm_route_hop(route);
    if (in == hop)
        return LPM_LEAF | hop;
    pattern = (2 * pattern + 1) << (LPM_FORK_BITS - bits);
    return LPM_LEAF | LPM_FORK | pattern << LPM_FORK_SHIFT | in << 8 | hop;
}

/* => the entry for a point; what is already known to lie in it: as weigh. */
uint32_t lpm_plan_emit(struct lpm_image *m, uint32_t lo, uint32_t hi, unsigned depth, uint32_t hop)
{
    struct lpm_plan *p = &m->plan;
    if (lo < hi && lpm_route_len(p->route[lo]) == depth)
        hop = lpm_route_hop(p->route[lo++]);
    if (lo == hi || m->broken)
        return LPM_LEAF | hop;
    bool alone = hi - lo == 1;
    if (alone && can_fork(p->route[lo], depth, hop))
        return make_fork(p->route[lo], depth, hop);
    uint32_t cut = alone ? p->chain_cut[lpm_route_len(p->route[lo]) - depth] : p->cut[p->at];
    unsigned bits = cut & (CUT_PACKED - 1);
    if (cut & CUT_PACKED) {
        p->at += alone ? 0 : cut >> CUT_SHIFT;
        return emit_packed(m, lo, hi, depth, bits, hop);
    }
    uint32_t node = lpm_node_new(m, 2, bits);
    if (m->broken)
        return LPM_LEAF;
    fill(m, lo, hi, depth, bits, hop, lpm_node_at(node) / sizeof *m->pool);
    return m->broken ? LPM_LEAF : lpm_node_settle(m, node);
}

bool lpm_plan_weigh(struct lpm_plan *p, unsigned depth, uint32_t hop)
{
    struct weight w;
    uint32_t all = hop;
    for (uint32_t i = 0; i < p->n; i++)
        all |= lpm_route_hop(p->route[i]);
    if (p->chain_step != p->step || p->leaf != lpm_hop_size(all))
        plan_chains(p, lpm_hop_size(all));
    p->cuts = p->at = 0;
    if (!weigh(p, 0, p->n, depth, 1, &w))
        return false;
    p->cost = w.below[0];
    return true;
}

uint32_t lpm_plan_compile(struct lpm_image *m, unsigned depth, uint32_t hop)
{
    struct lpm_plan *p = &m->plan;
    if (lpm_plan_weigh(p, depth, hop))
        return lpm_plan_emit(m, 0, p->n, depth, hop);
    m->broken = true;
    return LPM_LEAF;
}
