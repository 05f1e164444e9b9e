/* rows_routes.c - longest-prefix match beside rte_fib and rte_lpm: lookups in the cloud-shaped tables and in
 * a full BGP feed, changes (a route removed and added again), building, and memory. */
#include "bench/gen.h"
#include "bench/peer.h"
#include "bench/rows.h"
#include "dataplane/lpm_int.h"
#include "dataplane/lpm_ref.h"
#include "dataplane/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MANY_HOPS   20000u
#define ROUTE_PEERS 4
#define BUILT       4096 /* lookups that a table has to answer after it is built */

struct routes_bench;

struct route_peer {
    const struct peer_routes *ops;
    void *table;
    const char *how;
    const struct routes_bench *bench;
    void *built; /* in the row of building */
};

struct routes_bench {
    const char *name;
    struct gen_routes g;
    struct lpm *table, *built;
    struct lpm_ref *trie;
    struct lpm_route *change; /* what the row of changes removes and adds again */
    size_t n_changes;
    uint32_t *addr;
    uint64_t *want;
    size_t n, n_peers;
    struct route_peer peer[ROUTE_PEERS];
};

/* => how many times as fast as the best peer on that stream; 0: no goal. */
struct routes_goals {
    double stream[GEN_STREAMS];
    double image_mib;   /* what lookups read, at most; 0: no goal */
    bool small_for_fib; /* memory a small part of rte_fib's */
};

/* -- lookups --------------------------------------------------------------------------------------------- */

static void lpm_batch(void *ctx, void *out)
{
    struct routes_bench *b = ctx;
    lpm_lookup_bulk(b->table, b->addr, out, b->n);
}

static void lpm_single(void *ctx, void *out)
{
    struct routes_bench *b = ctx;
    uint32_t *hop = out;
    for (size_t i = 0; i < b->n; i++)
        hop[i] = lpm_lookup(b->table, b->addr[i]);
}

static void peer_get(void *ctx, void *out)
{
    const struct route_peer *p = ctx;
    p->ops->lookup(p->table, p->bench->addr, out, p->bench->n);
}

static void draw_addresses(struct routes_bench *b, enum gen_stream s)
{
    gen_addresses(&b->g, s, b->addr, b->n);
    for (size_t i = 0; i < b->n; i++) {
        uint32_t hop = lpm_ref_lookup(b->trie, b->addr[i]);
        b->want[i] = hop == LPM_MISS ? BENCH_MISS : hop;
    }
}

static struct bench_row lookup_row(struct routes_bench *r, enum gen_stream s)
{
    struct bench_run ours = {.name = "ours batch",
                             .fn = lpm_batch,
                             .ctx = r,
                             .width = 4,
                             .at = r->table->image.pool,
                             .bytes = lpm_bytes(r->table)};
    struct bench_row row = {.what = "routes",
                            .table = r->name,
                            .stream = gen_stream_name[s],
                            .work = r->n,
                            .entries = r->g.n,
                            .want = r->want};
    row.run[row.n_runs++] = ours;
    ours.name = "ours single";
    ours.fn = lpm_single;
    row.run[row.n_runs++] = ours;
    for (size_t i = 0; i < r->n_peers; i++) {
        struct route_peer *p = &r->peer[i];
        row.run[row.n_runs++] = (struct bench_run){.name = p->ops->name,
                                                   .how = p->how,
                                                   .fn = peer_get,
                                                   .ctx = p,
                                                   .width = 8,
                                                   .decode = p->ops->decode,
                                                   .at = p->ops->at(p->table),
                                                   .bytes = p->ops->bytes(p->table)};
    }
    return row;
}

static void lookup_rows(struct bench *b, struct routes_bench *r, const struct routes_goals *goals)
{
    struct ceiling c = ceiling_make(lpm_image_bytes(&r->table->image), r->n, b->seed);
    for (int s = 0; s < GEN_STREAMS; s++) {
        if (goals ? b->again && goals->stream[s] <= 0 : s != GEN_IN_PREFIX)
            continue;
        draw_addresses(r, (enum gen_stream)s);
        struct bench_row row = lookup_row(r, (enum gen_stream)s);
        ceiling_add(&row, &c);
        bench_row(b, &row);
        if (goals && goals->stream[s] > 0)
            bench_want(b, "ours batch", NULL, goals->stream[s]);
    }
    ceiling_free(&c);
}

/* -- changes --------------------------------------------------------------------------------------------- */

static void lpm_changes(void *ctx, void *out)
{
    const struct routes_bench *b = ctx;
    uint32_t *hop = out;
    for (size_t i = 0; i < b->n_changes; i++) {
        const struct lpm_route *x = &b->change[i];
        int err = lpm_del(b->table, x->addr, x->len) | lpm_add(b->table, x->addr, x->len, x->nexthop);
        hop[i] = err ? LPM_MISS : x->nexthop;
    }
}

static void peer_changes(void *ctx, void *out)
{
    const struct route_peer *p = ctx;
    const struct routes_bench *b = p->bench;
    uint32_t *hop = out;
    for (size_t i = 0; i < b->n_changes; i++) {
        int err = p->ops->del(p->table, &b->change[i]) | p->ops->add(p->table, &b->change[i]);
        hop[i] = err ? LPM_MISS : b->change[i].nexthop;
    }
}

/* => whether the peer is the first of its family. */
static bool first_of_family(const struct routes_bench *r, const struct route_peer *p)
{
    for (const struct route_peer *q = r->peer; q < p; q++)
        if (strcmp(q->ops->family, p->ops->family) == 0)
            return false;
    return true;
}

static void change_row(struct bench *b, struct routes_bench *r)
{
    struct bench_row row = {.what = "routes",
                            .table = r->name,
                            .stream = "remove and add",
                            .work = r->n_changes,
                            .entries = r->g.n,
                            .want = bench_array(r->n_changes, sizeof *row.want)};
    struct rng rng;
    rng_seed(&rng, b->seed, "changes");
    r->change = bench_array(r->n_changes, sizeof *r->change);
    for (size_t i = 0; i < r->n_changes; i++) {
        r->change[i] = r->g.route[rng_below(&rng, r->g.n)];
        ((uint64_t *)(uintptr_t)row.want)[i] = r->change[i].nexthop;
    }
    row.run[row.n_runs++] = (struct bench_run){.name = "ours",
                                               .fn = lpm_changes,
                                               .ctx = r,
                                               .width = 4,
                                               .at = r->table->image.pool,
                                               .bytes = lpm_bytes(r->table)};
    for (struct route_peer *p = r->peer; p < r->peer + r->n_peers; p++)
        if (first_of_family(r, p))
            row.run[row.n_runs++] = (struct bench_run){.name = p->ops->family,
                                                       .fn = peer_changes,
                                                       .ctx = p,
                                                       .width = 4,
                                                       .at = p->ops->at(p->table),
                                                       .bytes = p->ops->bytes(p->table)};
    bench_row(b, &row);
    bench_free((void *)(uintptr_t)row.want, r->n_changes, sizeof *row.want);
    bench_free(r->change, r->n_changes, sizeof *r->change);
    draw_addresses(r, GEN_IN_PREFIX);
    row = lookup_row(r, GEN_IN_PREFIX);
    bench_verify(&row); /* the tables answer as before the changes */
}

/* -- building -------------------------------------------------------------------------------------------- */

static void lpm_built(void *ctx, void *out)
{
    struct routes_bench *b = ctx;
    (void)out;
    bench_check(lpm_build(&b->built, b->g.route, b->g.n), "lpm_build");
}

static void lpm_built_done(void *ctx, void *out)
{
    struct routes_bench *b = ctx;
    lpm_lookup_bulk(b->built, b->addr, out, BUILT);
    lpm_free(b->built);
}

static void peer_built(void *ctx, void *out)
{
    struct route_peer *p = ctx;
    const char *how;
    (void)out;
    p->built = p->ops->make(&p->bench->g, &how);
    bench_check(p->built ? 0 : -1, p->ops->family);
}

static void peer_built_done(void *ctx, void *out)
{
    struct route_peer *p = ctx;
    p->ops->lookup(p->built, p->bench->addr, out, BUILT);
    p->ops->free(p->built);
}

static void build_row(struct bench *b, struct routes_bench *r)
{
    struct bench_row row = {.what = "routes",
                            .table = r->name,
                            .stream = "build",
                            .work = r->g.n,
                            .answers = BUILT,
                            .entries = r->g.n,
                            .want = r->want};
    row.run[row.n_runs++] = (struct bench_run){.name = "ours",
                                               .fn = lpm_built,
                                               .finish = lpm_built_done,
                                               .ctx = r,
                                               .width = 4,
                                               .bytes = lpm_bytes(r->table)};
    for (struct route_peer *p = r->peer; p < r->peer + r->n_peers; p++)
        if (first_of_family(r, p))
            row.run[row.n_runs++] = (struct bench_run){.name = p->ops->family,
                                                       .fn = peer_built,
                                                       .finish = peer_built_done,
                                                       .ctx = p,
                                                       .width = 8,
                                                       .decode = p->ops->decode,
                                                       .bytes = p->ops->bytes(p->table)};
    bench_row(b, &row);
}

/* -- memory ---------------------------------------------------------------------------------------------- */

static void memory(struct bench *b, const struct routes_bench *r, const struct routes_goals *goals)
{
    char goal[96];
    double image = (double)lpm_image_bytes(&r->table->image), all = (double)lpm_bytes(r->table);
    printf("  %zu routes, %zu of them /32: image %.3f MiB, with the requested routes %.2f MiB\n", r->g.n,
           r->g.hosts, image / (1 << 20), all / (1 << 20));
    if (goals->image_mib > 0) {
        snprintf(goal, sizeof goal, "routes, %s: what lookups read", r->name);
        bench_want_at_most(b, goal, image / (1 << 20), goals->image_mib, "MiB");
    }
    if (!goals->small_for_fib || !r->n_peers)
        return;
    const struct route_peer *fib = &r->peer[0];
    double peer = (double)fib->ops->bytes(fib->table);
    snprintf(goal, sizeof goal, "routes, %s: what lookups read, thousandths of %s's memory", r->name,
             fib->ops->name);
    bench_want_at_most(b, goal, 1000 * image / peer, 20, "");
    snprintf(goal, sizeof goal, "routes, %s: all memory, thousandths of %s's", r->name, fib->ops->name);
    bench_want_at_most(b, goal, 1000 * all / peer, 20, "");
}

/* -- tables ---------------------------------------------------------------------------------------------- */

static void make_peers(struct bench *b, struct routes_bench *r)
{
    for (const struct peer_routes *const *p = b->dpdk ? peer_routes_dpdk : NULL; p && *p; p++) {
        struct route_peer *x = &r->peer[r->n_peers];
        if ((*p)->most && r->g.n > (*p)->most && !b->patient) {
            printf("%s: left out of this table, which would take it minutes to make (--patient)\n",
                   (*p)->name);
            continue;
        }
        *x = (struct route_peer){.ops = *p, .bench = r};
        x->table = (*p)->make(&r->g, &x->how);
        if (x->table)
            r->n_peers++;
        else
            printf("%s: left out of this table\n", (*p)->name);
    }
}

/* goals NULL: one row, as a point of the plot of sizes. g becomes the function's. */
static void rows_of(struct bench *b, const char *name, struct gen_routes g, const struct routes_goals *goals)
{
    struct routes_bench r = {.name = name, .g = g, .n = LINES_AT_LEAST, .n_changes = 8192};
    if (g.n > 100000) {
        r.n *= 4;
        r.n_changes = 2048;
    }
    r.addr = bench_array(r.n, sizeof *r.addr);
    r.want = bench_array(r.n, sizeof *r.want);
    bench_check(lpm_build(&r.table, g.route, g.n), "lpm_build");
    bench_check(lpm_ref_build(&r.trie, g.route, g.n), "lpm_ref_build");
    make_peers(b, &r);
    lookup_rows(b, &r, goals);
    if (goals)
        memory(b, &r, goals);
    if (goals && !b->again) {
        change_row(b, &r);
        build_row(b, &r);
    }
    for (size_t i = 0; i < r.n_peers; i++)
        r.peer[i].ops->free(r.peer[i].table);
    lpm_free(r.table);
    lpm_ref_free(r.trie);
    gen_routes_free(&r.g);
    bench_free(r.addr, r.n, sizeof *r.addr);
    bench_free(r.want, r.n, sizeof *r.want);
}

/* A file that the user names, or one of real data. => its routes' label, NULL: none. */
static const char *find_feed(const struct bench *b, struct gen_routes *g)
{
    const char *data = getenv("VNETSIM_DATA");
    char path[1024];
    if (b->feed) {
        bench_check(gen_feed(b->feed, b->seed, g), b->feed);
        return "the feed given";
    }
    if (!data || !*data) {
        printf("\nfull feed: left out, neither FEED nor VNETSIM_DATA is set\n");
        return NULL;
    }
    snprintf(path, sizeof path, "%s/rib/bart-fullfeed-ipv4-ipv6.txt.xz", data);
    if (gen_feed(path, b->seed, g)) {
        printf("\nfull feed: left out, %s cannot be read\n", path);
        return NULL;
    }
    return "full BGP feed";
}

/* => every nth route of g. */
static struct gen_routes every(const struct gen_routes *g, size_t nth)
{
    struct gen_routes part = {.n = g->n / nth, .cap = g->n / nth, .seed = g->seed};
    part.route = malloc((part.n + 1) * sizeof *part.route);
    bench_check(part.route ? 0 : -ENOMEM, "memory");
    for (size_t i = 0; i < part.n; i++) {
        part.route[i] = g->route[i * nth];
        part.hosts += part.route[i].len == 32;
    }
    return part;
}

static void feed_rows(struct bench *b)
{
    static const struct routes_goals full = {.stream = {1.3, 1.3, 0}, .image_mib = 5};
    struct gen_routes feed;
    const char *name = find_feed(b, &feed);
    if (!name)
        return;
    if (!b->again && !b->quick) {
        rows_of(b, "a ninth of the feed", every(&feed, 9), NULL);
        rows_of(b, "a third of the feed", every(&feed, 3), NULL);
    }
    rows_of(b, name, feed, &full);
}

/* Thousands of next hops for the single addresses, as a data plane with a port for each endpoint has; equal
 * prefixes have the same. */
static struct gen_routes many_hops(struct gen_routes g)
{
    for (size_t i = 0; i < g.n; i++)
        if (g.route[i].len == 32)
            g.route[i].nexthop = GEN_HOPS + (g.route[i].addr * 0x9e3779b1u >> 8) % MANY_HOPS;
    return g;
}

void rows_routes(struct bench *b)
{
    static const struct routes_goals cloud = {.stream = {1.3, 1.3, 1.3}, .small_for_fib = true},
                                     none = {.image_mib = 0};
    if (!b->again)
        rows_of(b, "cloud, 450 routes", gen_cloud(64, b->seed), NULL);
    rows_of(b, "cloud, 3.5 k routes", gen_cloud(8, b->seed), &cloud);
    rows_of(b, "cloud, 28 k routes", gen_cloud(1, b->seed), &cloud);
    if (!b->quick && !b->again)
        rows_of(b, "cloud, 28 k routes, 20 k hops", many_hops(gen_cloud(1, b->seed)), &none);
    if (!b->quick || b->feed)
        feed_rows(b);
}
