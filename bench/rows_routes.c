/* rows_routes.c - longest-prefix match beside rte_fib and rte_lpm: the cloud-shaped tables and a full BGP
 * feed. */
#include "bench/gen.h"
#include "bench/peer.h"
#include "bench/rows.h"
#include "dataplane/lpm_int.h"
#include "dataplane/lpm_ref.h"

#include <stdlib.h>

struct routes_bench {
    struct gen_routes g;
    struct lpm *table;
    struct lpm_ref *trie;
    uint32_t *addr;
    uint64_t *want;
    size_t n;
};

struct route_peer {
    const struct peer_routes *ops;
    void *table;
    const char *how;
    const struct routes_bench *bench;
};

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

static void route_peer_get(void *ctx, void *out)
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

static size_t make_route_peers(const struct routes_bench *b, struct route_peer *peer)
{
    size_t n = 0;
    for (const struct peer_routes *const *p = peer_routes_dpdk; p && *p; p++) {
        peer[n] = (struct route_peer){.ops = *p, .bench = b};
        peer[n].table = (*p)->make(&b->g, &peer[n].how);
        if (peer[n].table)
            n++;
        else
            printf("%s: left out of this table\n", (*p)->name);
    }
    return n;
}

static void lpm_stream_row(struct bench *b, struct routes_bench *r, const char *name, enum gen_stream s,
                           struct route_peer *peer, size_t n_peers, struct ceiling *c)
{
    struct bench_run ours = {.name = "ours batch",
                             .fn = lpm_batch,
                             .ctx = r,
                             .width = 4,
                             .at = r->table->image.root,
                             .bytes = lpm_bytes(r->table)};
    struct bench_row row = {.what = "routes",
                            .table = name,
                            .stream = gen_stream_name[s],
                            .work = r->n,
                            .entries = r->g.n,
                            .want = r->want};
    draw_addresses(r, s);
    row.run[row.n_runs++] = ours;
    ours.name = "ours single";
    ours.how = NULL;
    ours.fn = lpm_single;
    row.run[row.n_runs++] = ours;
    for (size_t i = 0; i < n_peers; i++)
        row.run[row.n_runs++] = (struct bench_run){.name = peer[i].ops->name,
                                                   .how = peer[i].how,
                                                   .fn = route_peer_get,
                                                   .ctx = &peer[i],
                                                   .width = 8,
                                                   .decode = peer[i].ops->decode,
                                                   .at = peer[i].ops->at(peer[i].table),
                                                   .bytes = peer[i].ops->bytes(peer[i].table)};
    ceiling_add(&row, c);
    bench_row(b, &row);
    bench_want(b, "ours batch", NULL, 1.3);
}

static void lpm_memory(struct bench *b, const struct routes_bench *r, const char *name,
                       const struct route_peer *fib)
{
    char goal[96];
    double image = (double)lpm_image_bytes(&r->table->image), all = (double)lpm_bytes(r->table);
    printf("  %zu routes, %zu of them /32: image %.3f MiB, with the requested routes %.2f MiB\n", r->g.n,
           r->g.hosts, image / (1 << 20), all / (1 << 20));
    if (!fib)
        return;
    double peer = (double)fib->ops->bytes(fib->table);
    snprintf(goal, sizeof goal, "routes, %s: what lookups read, thousandths of %s's memory", name,
             fib->ops->name);
    bench_want_at_most(b, goal, 1000 * image / peer, 20, "");
    snprintf(goal, sizeof goal, "routes, %s: all memory, thousandths of %s's", name, fib->ops->name);
    bench_want_at_most(b, goal, 1000 * all / peer, 20, "");
}

static void lpm_rows(struct bench *b, const char *name, struct gen_routes g)
{
    struct routes_bench r = {.g = g, .n = LINES_AT_LEAST * (g.n > 100000 ? 4 : 1)};
    struct route_peer peer[4];
    r.addr = bench_array(r.n, sizeof *r.addr);
    r.want = bench_array(r.n, sizeof *r.want);
    bench_check(lpm_build(&r.table, g.route, g.n), "lpm_build");
    bench_check(lpm_ref_build(&r.trie, g.route, g.n), "lpm_ref_build");
    size_t n_peers = make_route_peers(&r, peer);
    struct ceiling c = ceiling_make(lpm_image_bytes(&r.table->image), r.n, b->seed);
    for (int s = 0; s < GEN_STREAMS; s++)
        lpm_stream_row(b, &r, name, (enum gen_stream)s, peer, n_peers, &c);
    lpm_memory(b, &r, name, n_peers ? peer : NULL);
    for (size_t i = 0; i < n_peers; i++)
        peer[i].ops->free(peer[i].table);
    ceiling_free(&c);
    lpm_free(r.table);
    lpm_ref_free(r.trie);
    gen_routes_free(&r.g);
    bench_free(r.addr, r.n, sizeof *r.addr);
    bench_free(r.want, r.n, sizeof *r.want);
}

void rows_routes(struct bench *b)
{
    const char *data = getenv("VNETSIM_DATA");
    char path[512];
    struct gen_routes feed;
    lpm_rows(b, "cloud, 28 k routes", gen_cloud(1, b->seed));
    lpm_rows(b, "cloud, 3.5 k routes", gen_cloud(8, b->seed));
    snprintf(path, sizeof path, "%s/rib/bart-fullfeed-ipv4-ipv6.txt.xz", data ? data : "");
    if (b->quick)
        return;
    if (!data)
        printf("\nfull feed: skipped, VNETSIM_DATA is not set\n");
    else if (gen_feed(path, b->seed, &feed))
        printf("\nfull feed: skipped, %s cannot be read\n", path);
    else
        lpm_rows(b, "full BGP feed", feed);
}
