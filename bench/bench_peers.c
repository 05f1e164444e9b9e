/* bench_peers.c - the forwarding core's tables beside other projects', their references and the machine's own
 * limit, one thread, one run:
 *
 *   bench_peers [--quick] [--only=flow|exact|lpm|acl|events] DIR
 *
 * Writes results, goals and plots into DIR. A full feed is read from VNETSIM_DATA/rib where that is set. */
#include "bench/bench.h"
#include "bench/gen.h"
#include "bench/peer.h"
#include "dataplane/acl_int.h"
#include "dataplane/acl_ref.h"
#include "dataplane/addr.h"
#include "dataplane/event.h"
#include "dataplane/exact_int.h"
#include "dataplane/flowtab_int.h"
#include "dataplane/lpm_int.h"
#include "dataplane/lpm_ref.h"
#include "dataplane/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_AT_LEAST ((size_t)1 << 18)

/* -- the machine's limit: independent random reads of cache lines ---------------------------------------- */

struct ceiling {
    uint64_t *line, *want;
    uint32_t *index;
    size_t n, lines;
};

static void ceiling_run(void *ctx, void *out)
{
    const struct ceiling *c = ctx;
    uint64_t *value = out;
    for (size_t i = 0; i < c->n; i++)
        value[i] = c->line[(size_t)c->index[i] * 8];
}

static struct ceiling ceiling_make(size_t bytes, size_t n)
{
    struct rng r;
    struct ceiling c = {.n = n, .lines = bytes / 64 + 1};
    c.line = bench_array(c.lines, 64);
    c.want = bench_array(n, sizeof *c.want);
    c.index = bench_array(n, sizeof *c.index);
    rng_seed(&r, 1, "ceiling");
    for (size_t i = 0; i < c.lines; i++)
        c.line[i * 8] = i;
    for (size_t i = 0; i < n; i++)
        c.want[i] = c.index[i] = (uint32_t)rng_below(&r, c.lines);
    return c;
}

static void ceiling_free(struct ceiling *c)
{
    bench_free(c->line, c->lines, 64);
    bench_free(c->want, c->n, sizeof *c->want);
    bench_free(c->index, c->n, sizeof *c->index);
}

static void add_ceiling(struct bench_row *row, struct ceiling *c, size_t bytes)
{
    row->run[row->n_runs++] = (struct bench_run){.name = "ceiling: random lines",
                                                 .fn = ceiling_run,
                                                 .ctx = c,
                                                 .want = c->want,
                                                 .at = c->line,
                                                 .bytes = bytes,
                                                 .width = 8};
}

/* -- keys: what flows and single addresses have in common ------------------------------------------------ */

#define KEY_PEERS 8

struct keys_bench;

struct key_peer {
    const struct peer_keys *ops;
    void *table;
    const struct key_peer *maker; /* whose table it looks into: names with the same table share it */
    const struct keys_bench *bench;
};

struct keys_bench {
    struct key_peer peer[KEY_PEERS];
    size_t n_peers, n, lookups, key_size;
    void *keys;
    uint32_t *realm; /* of single addresses: all the same */
    uint64_t *want;
    struct flowtab *flows;
    struct exact *exact;
};

static const void *nth_key(const struct keys_bench *b, uint32_t i, struct flow_key *flow, uint32_t *host)
{
    *flow = gen_flow(i);
    *host = gen_host(i);
    return b->key_size == 16 ? (const void *)flow : host;
}

static void add_peer(struct keys_bench *b, const struct peer_keys *ops)
{
    struct key_peer *p = &b->peer[b->n_peers];
    struct flow_key flow;
    uint32_t host;
    *p = (struct key_peer){.ops = ops, .bench = b, .maker = p};
    if (ops->make) {
        p->table = ops->make(b->n, b->key_size);
    } else {
        p->maker = p - 1;
        p->table = p->maker->table;
    }
    if (!p->table) {
        printf("%s could not be made for %zu entries: left out\n", ops->name, b->n);
        return;
    }
    for (uint32_t i = 0; ops->make && i < b->n; i++)
        bench_check(ops->add(p->table, nth_key(b, i, &flow, &host), i), ops->name);
    b->n_peers++;
}

enum { PATIENCE = 1 << 22 };

static void add_peers(struct keys_bench *b)
{
    const struct peer_keys *const *all[] = {peer_keys_dpdk, peer_keys_lfht, peer_keys_ck, peer_keys_uthash};
    const size_t n_all = b->n > PATIENCE ? 1 : sizeof all / sizeof *all;
    if (n_all == 1)
        printf("beyond %d entries only DPDK's tables are filled: the others take minutes\n", PATIENCE);
    for (size_t k = 0; k < n_all; k++)
        for (const struct peer_keys *const *p = all[k]; p && *p; p++)
            add_peer(b, *p);
}

static void peers_free(struct keys_bench *b)
{
    for (size_t i = 0; i < b->n_peers; i++)
        if (b->peer[i].ops->make)
            b->peer[i].ops->free(b->peer[i].table);
}

static void peer_get(void *ctx, void *out)
{
    const struct key_peer *p = ctx;
    p->ops->lookup(p->table, p->bench->keys, out, p->bench->lookups);
}

static void peer_churn(void *ctx, void *out)
{
    const struct key_peer *p = ctx;
    const struct keys_bench *b = p->bench;
    uint64_t *value = out;
    for (size_t i = 0; i < b->lookups; i++) {
        const void *key = (const char *)b->keys + i * b->key_size;
        int err = p->ops->del(p->table, key) | p->ops->add(p->table, key, b->want[i]);
        value[i] = b->want[i] + (uint64_t)(err != 0);
    }
}

static void flow_batch(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    flowtab_get_bulk(b->flows, b->keys, out, b->lookups);
}

static void flow_single(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    const struct flow_key *key = b->keys;
    uint64_t *value = out;
    for (size_t i = 0; i < b->lookups; i++)
        value[i] = flowtab_get(b->flows, key[i]);
}

static void flow_churn(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    const struct flow_key *key = b->keys;
    uint64_t *value = out;
    for (size_t i = 0; i < b->lookups; i++) {
        int err = flowtab_del(b->flows, key[i]) | flowtab_set(b->flows, key[i], b->want[i]);
        value[i] = b->want[i] + (uint64_t)(err != 0);
    }
}

static void exact_batch(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    exact_get_bulk(b->exact, b->realm, b->keys, out, b->lookups);
}

static void exact_single(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    const uint32_t *key = b->keys;
    uint32_t *value = out;
    for (size_t i = 0; i < b->lookups; i++)
        value[i] = exact_get(b->exact, b->realm[i], key[i]);
}

/* Keys drawn evenly from the table, or from twice as many of which half are in it. */
static void draw_keys(struct keys_bench *b, bool half)
{
    struct flow_key flow;
    uint32_t host;
    struct rng r;
    rng_seed(&r, 1, half ? "half" : "hits");
    for (size_t i = 0; i < b->lookups; i++) {
        uint32_t k = (uint32_t)rng_below(&r, half ? 2 * (uint64_t)b->n : b->n);
        memcpy((char *)b->keys + i * b->key_size, nth_key(b, k, &flow, &host), b->key_size);
        b->want[i] = k < b->n ? k : BENCH_MISS;
    }
}

enum keys_work { HITS, HALF, CHURN };

static struct bench_row keys_row(struct keys_bench *b, const char *table, enum keys_work w)
{
    static const char *const streams[] = {"hits", "half misses", "remove and add"};
    bool flow = b->key_size == 16;
    size_t bytes = flow ? flowtab_bytes(b->flows) : exact_bytes(b->exact);
    const void *at = flow ? (const void *)b->flows->buckets : b->exact->buckets;
    struct bench_row row = {.what = flow ? "flow table" : "exact match",
                            .table = table,
                            .stream = streams[w],
                            .work = b->lookups,
                            .entries = b->n,
                            .want = b->want};
    struct bench_run ours = {.ctx = b, .at = at, .bytes = bytes, .width = flow ? 8 : 4};
    ours.name = w == CHURN ? "ours" : "ours batch";
    ours.how = flow ? flowtab_how(b->flows) : exact_how(b->exact);
    ours.fn = w == CHURN ? flow_churn : flow ? flow_batch : exact_batch;
    row.run[row.n_runs++] = ours;
    ours.name = "ours single";
    ours.how = NULL;
    ours.fn = flow ? flow_single : exact_single;
    if (w != CHURN)
        row.run[row.n_runs++] = ours;
    for (size_t i = 0; i < b->n_peers; i++) {
        struct key_peer *p = &b->peer[i];
        const struct peer_keys *ops = p->maker->ops;
        if (w == CHURN && !p->ops->del)
            continue;
        row.run[row.n_runs++] = (struct bench_run){.name = p->ops->name,
                                                   .fn = w == CHURN ? peer_churn : peer_get,
                                                   .ctx = p,
                                                   .bytes = ops->bytes(p->table),
                                                   .at = ops->at(p->table),
                                                   .width = 8};
    }
    return row;
}

static void keys_rows(struct bench *b, struct keys_bench *k, const char *table, const double *goal)
{
    size_t bytes = k->flows ? flowtab_bytes(k->flows) : exact_bytes(k->exact);
    struct ceiling c = ceiling_make(bytes, k->lookups);
    for (enum keys_work w = HITS; w <= (k->flows ? CHURN : HALF); w++) {
        draw_keys(k, w == HALF);
        struct bench_row row = keys_row(k, table, w);
        if (w != CHURN)
            add_ceiling(&row, &c, bytes);
        bench_row(b, &row);
        if (goal[w] > 0)
            bench_want(b, row.run[0].name, "rte_hash", goal[w]);
    }
    ceiling_free(&c);
}

static struct keys_bench keys_make(size_t n, size_t key_size)
{
    size_t lookups = n <= 1 << 16 ? LINES_AT_LEAST : n <= 1 << 20 ? (size_t)1 << 20 : (size_t)1 << 22;
    return (struct keys_bench){.n = n,
                               .key_size = key_size,
                               .lookups = lookups,
                               .keys = bench_array(lookups, key_size),
                               .want = bench_array(lookups, 8)};
}

static void keys_free(struct keys_bench *k)
{
    peers_free(k);
    bench_free(k->keys, k->lookups, k->key_size);
    bench_free(k->want, k->lookups, 8);
}

static void flow_rows(struct bench *b, size_t n, const char *table, const double *goal)
{
    struct keys_bench k = keys_make(n, 16);
    k.flows = flowtab_new(n);
    bench_check(k.flows ? 0 : -ENOMEM, "flowtab_new");
    for (uint32_t i = 0; i < n; i++)
        bench_check(flowtab_set(k.flows, gen_flow(i), i), "flowtab_set");
    add_peers(&k);
    keys_rows(b, &k, table, goal);
    flowtab_free(k.flows);
    keys_free(&k);
}

static void exact_rows(struct bench *b, size_t n, const char *table, const double *goal)
{
    struct keys_bench k = keys_make(n, 4);
    k.exact = exact_new(n);
    bench_check(k.exact ? 0 : -ENOMEM, "exact_new");
    k.realm = bench_array(k.lookups, sizeof *k.realm);
    for (size_t i = 0; i < k.lookups; i++)
        k.realm[i] = 7;
    for (uint32_t i = 0; i < n; i++)
        bench_check(exact_set(k.exact, 7, gen_host(i), i), "exact_set");
    add_peers(&k);
    keys_rows(b, &k, table, goal);
    exact_free(k.exact);
    bench_free(k.realm, k.lookups, sizeof *k.realm);
    keys_free(&k);
}

/* A table that grew from nothing, one flow at a time. */
static void flow_memory(struct bench *b)
{
    const uint32_t n = 1u << 25;
    struct flowtab *t = flowtab_new(0);
    bench_check(t ? 0 : -ENOMEM, "flowtab_new");
    for (uint32_t i = 0; i < n; i++)
        bench_check(flowtab_set(t, gen_flow(i), i), "flowtab_set");
    bench_want_at_most(b, "flow table, 32 M flows: memory", (double)flowtab_bytes(t) / n, 48, "bytes");
    flowtab_free(t);
}

static void flow_all(struct bench *b)
{
    static const double small[] = {2.5, 4, 3}, middle[] = {0, 0, 0}, large[] = {2.5, 0, 3};
    flow_rows(b, 1 << 16, "64 k flows", small);
    flow_rows(b, 1 << 20, "1 M flows", middle);
    if (b->quick)
        return;
    flow_rows(b, 1 << 24, "16 M flows", large);
    flow_memory(b);
}

static void exact_all(struct bench *b)
{
    static const double goal[] = {6, 6}, none[] = {0, 0};
    exact_rows(b, 20000, "20 k addresses", goal);
    exact_rows(b, 1 << 20, "1 M addresses", none);
}

/* -- longest-prefix match -------------------------------------------------------------------------------- */

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
    add_ceiling(&row, c, lpm_image_bytes(&r->table->image));
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
    struct ceiling c = ceiling_make(lpm_image_bytes(&r.table->image), r.n);
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

static void lpm_all(struct bench *b)
{
    const char *data = getenv("VNETSIM_DATA");
    char path[512];
    struct gen_routes feed;
    lpm_rows(b, "cloud, 28 k routes", gen_cloud(1));
    lpm_rows(b, "cloud, 3.5 k routes", gen_cloud(8));
    snprintf(path, sizeof path, "%s/rib/bart-fullfeed-ipv4-ipv6.txt.xz", data ? data : "");
    if (b->quick)
        return;
    if (!data)
        printf("\nfull feed: skipped, VNETSIM_DATA is not set\n");
    else if (gen_feed(path, &feed))
        printf("\nfull feed: skipped, %s cannot be read\n", path);
    else
        lpm_rows(b, "full BGP feed", feed);
}

/* -- classifier ------------------------------------------------------------------------------------------ */

#define ACL_KEYS ((size_t)1 << 14)

struct acl_bench {
    struct acl *table;
    struct acl_ref *linear;
    struct acl_key *key;
    struct acl_hit *hit;
};

struct acl_peer {
    const struct peer_rules *ops;
    void *table;
};

static void ids(const struct acl_hit *hit, uint32_t *id)
{
    for (size_t i = 0; i < ACL_KEYS; i++)
        id[i] = hit[i].hit ? hit[i].id : UINT32_MAX;
}

static void acl_batch(void *ctx, void *out)
{
    struct acl_bench *b = ctx;
    acl_classify_bulk(b->table, b->key, b->hit, ACL_KEYS);
    ids(b->hit, out);
}

static void acl_single(void *ctx, void *out)
{
    struct acl_bench *b = ctx;
    for (size_t i = 0; i < ACL_KEYS; i++)
        b->hit[i] = acl_classify(b->table, &b->key[i]);
    ids(b->hit, out);
}

static void acl_linear(void *ctx, void *out)
{
    struct acl_bench *b = ctx;
    acl_ref_classify_bulk(b->linear, b->key, b->hit, ACL_KEYS);
    ids(b->hit, out);
}

static void acl_peer_run(void *ctx, void *out)
{
    struct acl_peer *p = ctx;
    p->ops->classify(p->table, out);
}

static void acl_row_of(struct bench *b, size_t n, bool tags)
{
    char name[40];
    struct gen_rules g = gen_nsg(n, tags);
    struct acl_bench a = {acl_build(g.rule, n), acl_ref_build(g.rule, n),
                          bench_array(ACL_KEYS, sizeof *a.key), bench_array(ACL_KEYS, sizeof *a.hit)};
    struct acl_peer peer[4] = {0};
    uint64_t *want = bench_array(ACL_KEYS, sizeof *want);
    bench_check(a.table && a.linear ? 0 : -ENOMEM, "acl_build");
    gen_keys(&g, a.key, ACL_KEYS);
    acl_ref_classify_bulk(a.linear, a.key, a.hit, ACL_KEYS);
    for (size_t i = 0; i < ACL_KEYS; i++)
        want[i] = a.hit[i].hit ? a.hit[i].id : BENCH_MISS;
    snprintf(name, sizeof name, "%zu rules%s", n, tags ? ", a tenth with a tag" : "");
    struct bench_row row = {.what = "rules",
                            .table = name,
                            .stream = "nine in ten fit",
                            .work = ACL_KEYS,
                            .entries = n,
                            .want = want,
                            .n_runs = 3,
                            .run = {{.name = "ours batch", .fn = acl_batch, .at = a.table->rows.word},
                                    {.name = "ours single", .fn = acl_single, .at = a.table->rows.word},
                                    {.name = "ours linear", .fn = acl_linear}}};
    for (size_t i = 0; i < 3; i++) {
        row.run[i].ctx = &a;
        row.run[i].width = 4;
        row.run[i].bytes = i < 2 ? acl_bytes(a.table) : 0;
    }
    struct acl_peer *p = peer;
    for (const struct peer_rules *const *ops = peer_rules_dpdk; ops && *ops; ops++) {
        p->ops = *ops;
        p->table = (*ops)->make(&g, a.key, ACL_KEYS);
        if (!p->table)
            continue;
        row.run[row.n_runs++] = (struct bench_run){.name = p->ops->name,
                                                   .how = p->ops->how,
                                                   .fn = acl_peer_run,
                                                   .ctx = p,
                                                   .decode = p->ops->decode,
                                                   .width = 4,
                                                   .bytes = p->ops->bytes(p->table),
                                                   .at = p->ops->at(p->table)};
        p++;
    }
    bench_row(b, &row);
    for (p = peer; p < peer + 4; p++)
        if (p->table)
            p->ops->free(p->table);
    acl_free(a.table);
    acl_ref_free(a.linear);
    gen_rules_free(&g);
    bench_free(a.key, ACL_KEYS, sizeof *a.key);
    bench_free(a.hit, ACL_KEYS, sizeof *a.hit);
    bench_free(want, ACL_KEYS, sizeof *want);
}

static void acl_all(struct bench *b)
{
    acl_row_of(b, 1000, false);
    acl_row_of(b, 1000, true);
    acl_row_of(b, 4000, false);
}

/* -- event queue ----------------------------------------------------------------------------------------- */

#define EVENTS ((size_t)1 << 18)

/* The hold model: pop one, push one a random while later. Answers: the sequence numbers in their order. */
static void event_hold(void *ctx, void *out)
{
    size_t pending = *(size_t *)ctx;
    uint64_t *seq = out;
    struct evq *q = evq_new();
    struct event e;
    struct rng r;
    rng_seed(&r, 1, "events");
    for (size_t i = 0; i < pending; i++)
        bench_check(evq_push(q, (int64_t)rng_below(&r, 100000), 0, 0, 0, NULL), "evq_push");
    for (size_t i = 0; i < EVENTS; i++) {
        evq_pop(q, &e);
        seq[i] = e.seq;
        bench_check(evq_push(q, e.at + (int64_t)rng_below(&r, 100000), 0, 0, 0, NULL), "evq_push");
    }
    evq_free(q);
}

/* The reference: a binary heap of plain numbers, time in the high half and sequence in the low. */
static void event_binary(void *ctx, void *out)
{
    size_t pending = *(size_t *)ctx, n = 0;
    uint64_t *seq = out, *heap = bench_array(pending + 2, 8), next = 0;
    struct rng r;
    rng_seed(&r, 1, "events");
    for (size_t i = 0; i < pending + EVENTS; i++) {
        uint64_t now = 0;
        if (i >= pending) {
            uint64_t last = heap[n--], c = 2, at = 1;
            now = heap[1] >> 32;
            seq[i - pending] = (uint32_t)heap[1];
            for (; c <= n; at = c, c *= 2) {
                c += c < n && heap[c + 1] < heap[c];
                if (heap[c] >= last)
                    break;
                heap[at] = heap[c];
            }
            heap[at] = last;
        }
        uint64_t e = (now + rng_below(&r, 100000)) << 32 | next++, at = ++n;
        for (; at > 1 && heap[at / 2] > e; at /= 2)
            heap[at] = heap[at / 2];
        heap[at] = e;
    }
    bench_free(heap, pending + 2, 8);
}

static void event_row(struct bench *b, size_t pending)
{
    char name[40];
    uint64_t *want = bench_array(EVENTS, sizeof *want);
    event_binary(&pending, want);
    snprintf(name, sizeof name, "%zu pending", pending);
    struct bench_row row = {
        .what = "events",
        .table = name,
        .stream = "pop and push",
        .work = EVENTS,
        .want = want,
        .n_runs = 2,
        .run = {{.name = "ours", .fn = event_hold, .ctx = &pending, .width = 8},
                {.name = "binary heap of numbers", .fn = event_binary, .ctx = &pending, .width = 8}}};
    bench_row(b, &row);
    bench_free(want, EVENTS, sizeof *want);
}

static void event_all(struct bench *b)
{
    event_row(b, 100);
    event_row(b, 10000);
}

/* -- the run --------------------------------------------------------------------------------------------- */

static void say_left_out(void)
{
    const struct {
        const char *name;
        bool there;
    } peer[] = {{"DPDK (libdpdk-dev)", peer_dpdk_start != NULL},
                {"liburcu (liburcu-dev)", peer_keys_lfht != NULL},
                {"Concurrency Kit (libck-dev)", peer_keys_ck != NULL},
                {"uthash (uthash-dev)", peer_keys_uthash != NULL}};
    for (size_t i = 0; i < sizeof peer / sizeof *peer; i++)
        if (!peer[i].there)
            printf("left out, not installed when this was built: %s; make deps-bench installs it\n",
                   peer[i].name);
}

/* The C library's memory on huge pages too, for our small tables as for the peers' that use it.
 * => what keeps the heap's first pages, which are no huge ones, from being used. */
static void *use_huge_pages(char **argv)
{
    if (getenv("GLIBC_TUNABLES"))
        return malloc((size_t)4 << 20);
    setenv("GLIBC_TUNABLES",
           "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:"
           "glibc.malloc.top_pad=67108864:glibc.malloc.trim_threshold=4294967296",
           1);
    execv("/proc/self/exe", argv);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(struct bench *b);
    } part[] = {
        {"flow", flow_all}, {"exact", exact_all}, {"lpm", lpm_all}, {"acl", acl_all}, {"events", event_all}};
    struct bench b = {.rounds = 9};
    const char *only = NULL, *dir = "build/bench";
    bool reserved = false;
    void *pad = use_huge_pages(argv);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            b.quick = true;
        else if (strncmp(argv[i], "--only=", 7) == 0)
            only = argv[i] + 7;
        else
            dir = argv[i];
    }
    b.rounds = b.quick ? 5 : 9;
    double start = bench_now();
    printf(
        "first, how many times faster the row's first is; then millions a second, medians (quartiles) of %d "
        "interleaved rounds; every answer checked\n",
        b.rounds);
    say_left_out();
    const char *why = peer_dpdk_start ? peer_dpdk_start(b.quick ? 512 : 2560, &reserved) : NULL;
    if (why) {
        fprintf(stderr, "bench: DPDK does not start: %s\n", why);
        return 1;
    }
    if (peer_dpdk_start)
        printf("DPDK's memory: %s\n", reserved ? "reserved huge pages" : "transparent huge pages asked for");
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (!only || strcmp(only, part[i].name) == 0)
            part[i].fn(&b);
    bench_check(bench_write(&b, dir), dir);
    size_t met = 0;
    for (size_t i = 0; i < b.n_goals; i++)
        met += b.goal[i].met;
    printf("\n%zu of %zu goals met; %.1f s; figures and plots in %s\n", met, b.n_goals, bench_now() - start,
           dir);
    if (peer_dpdk_stop)
        peer_dpdk_stop();
    free(b.result);
    free(b.goal);
    free(pad);
    return 0;
}
