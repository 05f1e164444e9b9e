/* test_kernel_routes.c - the kernel as judge of route lookup: large tables in the kernel (support_kernel.h)
 * and in ours, asked at and around the edges of every prefix, and after every change. */
#include "bench/gen.h"
#include "dataplane/lpm.h"
#include "tests/support_kernel.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* -- large tables: one table of the kernel's, one of ours, the route's position as next hop ---------------
 */

struct twin {
    struct kernel *k;
    const struct lpm_route *route;
    struct lpm *place, *hop; /* next hops: positions in route; the routes' own, as benchmarks have them */
};

enum { TABLE = 1000, MARK = 7 };

/* Metrics differ only to spread the kernel's next hops over its hash table. */
static struct kernel_route as_kernel(const struct lpm_route *r, uint32_t id)
{
    return (struct kernel_route){
        .table = TABLE, .to = {r->addr, r->len}, .way = KERNEL_VIA, .id = id, .metric = id};
}

static int by_prefix(const void *x, const void *y)
{
    const struct lpm_route *a = x, *b = y;
    const struct prefix4 p = {a->addr, a->len}, q = {b->addr, b->len};
    return prefix4_cmp(&p, &q);
}

/* => how many different prefixes there are, sorted. */
static size_t sort_unique(struct lpm_route *r, size_t n)
{
    size_t kept = 0;
    qsort(r, n, sizeof *r, by_prefix);
    for (size_t i = 0; i < n; i++)
        if (!kept || by_prefix(&r[kept - 1], &r[i]) != 0)
            r[kept++] = r[i];
    return kept;
}

static struct twin twin_new(struct kernel *k, const struct lpm_route *route, size_t n)
{
    struct twin t = {.k = k, .route = route};
    struct kernel_route *theirs = calloc(n, sizeof *theirs);
    struct lpm_route *place = calloc(n, sizeof *place);
    cr_assert(theirs && place);
    for (size_t i = 0; i < n; i++) {
        place[i] = (struct lpm_route){route[i].addr, (uint32_t)i, route[i].len};
        theirs[i] = as_kernel(&route[i], (uint32_t)i);
    }
    cr_assert_eq(lpm_build(&t.place, place, n), 0);
    cr_assert_eq(lpm_build(&t.hop, route, n), 0);
    kernel_rule(k, MARK, TABLE);
    kernel_add(k, theirs, n);
    free(theirs);
    free(place);
    return t;
}

static void twin_free(struct twin *t)
{
    lpm_free(t->place);
    lpm_free(t->hop);
    kernel_free(t->k);
}

static void twin_check(const struct twin *t, const ip4 *dst, size_t n)
{
    struct kernel_answer a[1024];
    uint32_t place[1024], hop[1024];
    char ip[IP4_STRLEN];
    cr_assert_leq(n, 1024);
    kernel_ask(t->k, MARK, dst, n, a);
    lpm_lookup_bulk(t->place, dst, place, n);
    lpm_lookup_bulk(t->hop, dst, hop, n);
    for (size_t i = 0; i < n; i++) {
        const bool via = a[i].way == KERNEL_VIA;
        const uint32_t want = via ? a[i].id : LPM_MISS, want_hop = via ? t->route[want].nexthop : LPM_MISS;
        ip4_format(dst[i], ip);
        cr_assert(via || a[i].way == KERNEL_NOWHERE);
        cr_assert_eq(place[i], want, "%s: route %u in a batch, %u in the kernel", ip, place[i], want);
        cr_assert_eq(lpm_lookup(t->place, dst[i]), want, "%s: one by one", ip);
        cr_assert_eq(hop[i], want_hop, "%s: next hop %u in a batch, %u in the kernel", ip, hop[i], want_hop);
        cr_assert_eq(lpm_lookup(t->hop, dst[i]), want_hop, "%s: next hop, one by one", ip);
        cr_assert(!via || a[i].len == t->route[want].len);
    }
}

static void check_all_edges(const struct twin *t, const struct lpm_route *route, size_t n, const char *label)
{
    struct rng r;
    ip4 dst[1024];
    size_t used = 0;
    prop_seed(&r, label);
    for (size_t i = 0; i < n; i++) {
        used += kernel_edges(&r, (struct prefix4){route[i].addr, route[i].len}, dst + used);
        if (used + KERNEL_EDGES > 1024 || i + 1 == n) {
            twin_check(t, dst, used);
            used = 0;
        }
    }
    fprintf(stderr, "kernel: %s, %zu routes, %zu answers equal\n", label, n, kernel_answers(t->k));
}

Test(kernel_routes, cloud_table, .timeout = 60)
{
    struct kernel *k = kernel_needed("kernel_routes::cloud_table");
    struct gen_routes g = gen_cloud(1, 1);
    size_t n = sort_unique(g.route, g.n);
    struct twin t = twin_new(k, g.route, n);
    check_all_edges(&t, g.route, n, "cloud-shaped table");
    cr_assert_gt(kernel_answers(k), 100000);
    twin_free(&t);
    gen_routes_free(&g);
}

/* Nested prefixes stand together in the file, so a stretch of it has them. */
Test(kernel_routes, full_feed_stretch, .timeout = 60)
{
    enum { STRETCH = 12000 };
    const char *data = getenv("VNETSIM_DATA");
    char path[1024];
    struct gen_routes g;
    struct rng r;
    if (!data || !*data) {
        fprintf(stderr, "kernel_routes::full_feed_stretch was skipped: VNETSIM_DATA is not set\n");
        cr_skip("VNETSIM_DATA is not set");
    }
    struct kernel *k = kernel_needed("kernel_routes::full_feed_stretch");
    snprintf(path, sizeof path, "%s/rib/bart-fullfeed-ipv4-ipv6.txt.xz", data);
    cr_assert_eq(gen_feed(path, 1, &g), 0, "%s", path);
    size_t n = sort_unique(g.route, g.n);
    cr_assert_gt(n, 2 * STRETCH);
    prop_seed(&r, "stretch of a feed");
    const struct lpm_route *from = g.route + rng_below(&r, n - STRETCH);
    struct twin t = twin_new(k, from, STRETCH);
    check_all_edges(&t, from, STRETCH, "stretch of a full feed");
    twin_free(&t);
    gen_routes_free(&g);
}

/* -- in step: every change in both, and asked where it can be seen --------------------------------------- */

enum { POOL = 1500, STEPS = 4000 };

/* Prefixes that nest, touch and mirror one another: lengths around a few addresses, bits flipped. */
static size_t make_pool(struct rng *r, struct lpm_route *pool)
{
    ip4 base[24];
    for (size_t i = 0; i < 24; i++)
        base[i] = (ip4)rng_u64(r);
    for (size_t i = 12; i < 24; i++) {
        base[i] = base[rng_below(r, i)];
        base[i] ^= 1u << rng_below(r, 32);
    }
    for (size_t i = 0; i < POOL; i++) {
        uint8_t len = (uint8_t)rng_below(r, 33);
        ip4 at = base[rng_below(r, 24)];
        if (rng_below(r, 2))
            at ^= 1u << rng_below(r, 32);
        pool[i] = (struct lpm_route){at & ip4_mask(len), 0, len};
    }
    return sort_unique(pool, POOL);
}

static void turn(struct twin *t, const struct lpm_route *x, uint32_t at, bool *there)
{
    struct kernel_route theirs = as_kernel(x, at);
    if (*there) {
        kernel_del(t->k, &theirs, 1);
        cr_assert_eq(lpm_del(t->place, x->addr, x->len), 0);
        cr_assert_eq(lpm_del(t->hop, x->addr, x->len), 0);
    } else {
        kernel_add(t->k, &theirs, 1);
        cr_assert_eq(lpm_add(t->place, x->addr, x->len, at), 0);
        cr_assert_eq(lpm_add(t->hop, x->addr, x->len, x->nexthop), 0);
    }
    *there = !*there;
}

Test(kernel_routes, in_step, .timeout = 60)
{
    struct kernel *k = kernel_needed("kernel_routes::in_step");
    static struct lpm_route pool[POOL];
    static bool there[POOL];
    struct rng r;
    ip4 dst[2 * KERNEL_EDGES];
    prop_seed(&r, "routes in step");
    size_t n = make_pool(&r, pool);
    for (size_t i = 0; i < n; i++)
        pool[i].nexthop = (uint32_t)rng_below(&r, 5);
    struct twin t = {.k = k, .route = pool, .place = lpm_new(), .hop = lpm_new()};
    cr_assert(t.place && t.hop);
    kernel_rule(k, MARK, TABLE);
    for (int step = 0; step < STEPS; step++) {
        size_t at = rng_below(&r, n), other = rng_below(&r, n);
        turn(&t, &pool[at], (uint32_t)at, &there[at]);
        kernel_edges(&r, (struct prefix4){pool[at].addr, pool[at].len}, dst);
        kernel_edges(&r, (struct prefix4){pool[other].addr, pool[other].len}, dst + KERNEL_EDGES);
        twin_check(&t, dst, 2 * KERNEL_EDGES);
    }
    for (size_t i = 0; i < n; i++)
        if (there[i])
            turn(&t, &pool[i], (uint32_t)i, &there[i]);
    check_all_edges(&t, pool, n, "changed in step, empty at last");
    cr_assert_eq(lpm_count(t.place) + lpm_count(t.hop), 0);
    twin_free(&t);
}
