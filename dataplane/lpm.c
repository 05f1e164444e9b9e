/* lpm.c - longest-prefix match: the table.
 *
 * What was asked is kept apart from what was compiled. The requested routes are a sorted sequence
 * (lpm_rib.c); lookups read the image, a trie that resolves many bits a step and holds the answers, not the
 * routes:
 *
 *   head    the address space in up to 64 pieces, each with an entry; found by the first byte and up to three
 *           bits more, in vector registers (lpm_head.c)
 *   nodes   2^bits elements each, by the next bits of the address
 *
 *   entry, 32 bits      1 | 0 | next hop's identifier, 0: LPM_MISS        (lpm_hops.c)
 *                       1 | 1 | pattern, 1 to 13 bits | one identifier, 8 bits | another
 *                       0 | place | log2 of an element's bytes | bits         -> node
 *
 * The elements of a node are entries, or, where everything below is leaves, packed identifiers of one or two
 * bytes: a /24 in which every address has a route of its own is 256 bytes. A node lies at a multiple of its
 * size, so that its place and the address's next bits side by side are the place of an element: a step is two
 * shifts and one load, whatever the node, and 16 addresses at 16 different nodes take a step together
 * (lpm_bulk.c). A fork, the second kind of entry, is a leaf for two: the first identifier where the address
 * goes on with the pattern, the other elsewhere. So a lone route deep below a short one needs no nodes on its
 * way, which is most routes of a small table, and no step.
 *
 * Every node has as many bits as suit what is below it, which lpm_plan.c decides when it compiles: wide nodes
 * where routes are dense, a chain of small ones towards a route too far for a fork. The idea is that of
 * Nilsson and Karlsson ("IP-address lookup using LC-tries", 1999) and of Srinivasan and Varghese (1999); the
 * tables of few bytes for many leaves come from Degermark et al. (SIGCOMM 1997). Changes are painted into the
 * image one by one (lpm_image.c).
 *
 * Invariants: between calls the image gives the routes' answers, or is marked broken; a node has two
 * different elements at least, so that an empty table has no node. How nodes are cut depends on the order of
 * changes, the answers do not; a table built as a whole depends on its routes alone.
 *
 * Errors: adding undoes itself when memory runs out. The image may then be broken, as it may be when the
 * replacement for a removed route finds no memory. Lookups search the requested routes instead, slower and
 * right, until the next change or rebuild succeeds: a table can always answer, and removal can always be
 * done.
 *
 * Costs: an update is a search in the routes, a walk of one path and its part of keeping the image as good as
 * new, about a microsecond; what lies below a short prefix is walked through (0.2 ms for the default route
 * above 28,000). Only a table that has grown by half, lost half, or moved elsewhere is compiled anew at once
 * (2 ms at 28,000 routes, 50 at 900,000). About 4 bytes of image a route in a full Internet table, 9 where
 * most routes are /32s in runs, 30 to 70 in small tables, which are generous; 8 to 12 bytes for the route
 * itself.
 */
#include "dataplane/lpm.h"
#include "dataplane/addr.h"
#include "dataplane/lpm_int.h"
#include "dataplane/mem.h"

#include <errno.h>

/* -- changes --------------------------------------------------------------------------------------------- */

struct lpm *lpm_new(void)
{
    struct lpm *t = mem_alloc(sizeof *t);
    if (!t)
        return NULL;
    if (lpm_rib_init(&t->rib) || lpm_image_init(&t->image)) {
        lpm_free(t);
        return NULL;
    }
    lpm_use(t, lpm_best());
    return t;
}

void lpm_free(struct lpm *t)
{
    if (!t)
        return;
    lpm_image_free(&t->image);
    lpm_hops_free(&t->hops);
    lpm_rib_free(&t->rib);
    mem_free(t, sizeof *t);
}

/* Bring the image up to date after one route changed. */
static void recompile(struct lpm *t, uint32_t addr, unsigned len)
{
    lpm_image_update(&t->image, &t->rib, addr, len, t->routes);
    lpm_aim(t);
}

int lpm_add(struct lpm *t, uint32_t addr, unsigned len, uint32_t nexthop)
{
    uint32_t hop, old;
    if (len > 32)
        return -EINVAL;
    if (nexthop == LPM_MISS)
        return -ERANGE;
    if (lpm_rib_reserve(&t->rib) || lpm_hops_get(&t->hops, nexthop, &hop))
        return -ENOMEM;
    old = lpm_rib_set(&t->rib, addr, len, hop);
    t->routes += !old;
    if (old != hop)
        recompile(t, addr, len);
    if (old != hop && t->image.broken) {
        if (old)
            lpm_rib_set(&t->rib, addr, len, old);
        else
            lpm_rib_take(&t->rib, addr, len);
        t->routes -= !old;
        lpm_hops_put(&t->hops, hop);
        return -ENOMEM;
    }
    lpm_hops_put(&t->hops, old);
    return 0;
}

int lpm_del(struct lpm *t, uint32_t addr, unsigned len)
{
    uint32_t hop = len > 32 ? 0 : lpm_rib_take(&t->rib, addr, len);
    if (!hop)
        return -ENOENT;
    t->routes--;
    recompile(t, addr, len);
    lpm_hops_put(&t->hops, hop);
    return 0;
}

/* -- all at once ----------------------------------------------------------------------------------------- */

/* Sort by eleven bits from shift on, keeping the order of equals. */
static void sort_digit(const uint64_t *in, uint64_t *out, size_t n, unsigned shift)
{
    enum { DIGITS = 1 << 11 };
    size_t at[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        at[in[i] >> shift & (DIGITS - 1)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t here = at[d];
        at[d] = sum;
        sum += here;
    }
    for (size_t i = 0; i < n; i++)
        out[at[in[i] >> shift & (DIGITS - 1)]++] = in[i];
}

/* Sort by key, keeping the order of equals. */
static void sort_routes(uint64_t *route, uint64_t *other, size_t n)
{
    for (unsigned shift = LPM_HOP_BITS; shift < 64; shift += 20) {
        sort_digit(route, other, n, shift);
        sort_digit(other, route, n, shift + 10);
    }
}

/* Of equal keys keep the last. => how many are left. */
static size_t keep_last(struct lpm *t, uint64_t *route, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && route[i] >> LPM_HOP_BITS == route[i + 1] >> LPM_HOP_BITS)
            lpm_hops_put(&t->hops, lpm_route_hop(route[i]));
        else
            route[kept++] = route[i];
    }
    return kept;
}

static int build(struct lpm *t, const struct lpm_route *routes, size_t n, uint64_t *route, uint64_t *other)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t hop;
        if (routes[i].len > 32)
            return -EINVAL;
        if (routes[i].nexthop == LPM_MISS)
            return -ERANGE;
        if (lpm_hops_get(&t->hops, routes[i].nexthop, &hop))
            return -ENOMEM;
        route[i] = lpm_route_make(routes[i].addr & ip4_mask(routes[i].len), routes[i].len, hop);
    }
    sort_routes(route, other, n);
    t->routes = keep_last(t, route, n);
    if (lpm_rib_fill(&t->rib, route, t->routes))
        return -ENOMEM;
    lpm_image_rebuild(&t->image, &t->rib, t->routes);
    lpm_aim(t);
    return t->image.broken ? -ENOMEM : 0;
}

int lpm_build(struct lpm **out, const struct lpm_route *routes, size_t n)
{
    struct lpm *t = lpm_new();
    uint64_t *route = mem_array(n, sizeof *route), *other = mem_array(n, sizeof *other);
    int err = t && route && other ? build(t, routes, n, route, other) : -ENOMEM;
    mem_free(route, n * sizeof *route);
    mem_free(other, n * sizeof *other);
    if (err)
        lpm_free(t);
    else
        *out = t;
    return err;
}

size_t lpm_count(const struct lpm *t)
{
    return t->routes;
}

size_t lpm_bytes(const struct lpm *t)
{
    return sizeof *t - sizeof t->image.head + lpm_rib_bytes(&t->rib) + lpm_hops_bytes(&t->hops) +
           lpm_image_bytes(&t->image) + lpm_plan_bytes(&t->image.plan);
}
