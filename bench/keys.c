/* keys.c - see keys.h. */
#include "bench/keys.h"
#include "dataplane/rng.h"

#include <string.h>

enum { PATIENCE = 1 << 20 };

static const void *nth_key(const struct keys_bench *b, uint32_t i, struct flow_key *flow, uint32_t *host)
{
    *flow = gen_flow(b->seed, i);
    *host = gen_host(b->seed, i);
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
    } else if (b->n_peers) {
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

void keys_add_peers(const struct bench *bench, struct keys_bench *b)
{
    const struct peer_keys *const *all[] = {bench->dpdk ? peer_keys_dpdk : NULL, peer_keys_lfht, peer_keys_ck,
                                            peer_keys_uthash};
    const size_t n_all = b->n > PATIENCE && !bench->patient ? 1 : sizeof all / sizeof *all;
    if (n_all == 1)
        printf("beyond %d entries only DPDK's tables are filled: the others take minutes (--patient)\n",
               PATIENCE);
    for (size_t k = 0; k < n_all; k++)
        for (const struct peer_keys *const *p = all[k]; p && *p; p++)
            add_peer(b, *p);
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

/* => the number of lookup i's key: drawn evenly from the table, or from twice as many of which half are in
 * it; for changes one after another in a scattered order, so that no batch has a key twice. */
static uint32_t draw(const struct keys_bench *b, enum keys_work w, struct rng *r, size_t i)
{
    if (w == KEYS_CHURN)
        return (uint32_t)((i * UINT64_C(0x9e3779b1) + b->seed) % b->n);
    return (uint32_t)rng_below(r, w == KEYS_HALF ? 2 * (uint64_t)b->n : b->n);
}

static void draw_keys(struct keys_bench *b, enum keys_work w)
{
    struct flow_key flow;
    uint32_t host;
    struct rng r;
    rng_seed(&r, b->seed, w == KEYS_HALF ? "half" : "hits");
    for (size_t i = 0; i < b->lookups; i++) {
        uint32_t k = draw(b, w, &r, i);
        memcpy((char *)b->keys + i * b->key_size, nth_key(b, k, &flow, &host), b->key_size);
        b->want[i] = k < b->n ? k : BENCH_MISS;
    }
}

static void add_ours(struct bench_row *row, struct keys_bench *b, enum keys_work w)
{
    const struct keys_ours *o = &b->ours;
    struct bench_run run = {.ctx = b, .at = o->at, .bytes = o->bytes, .width = o->width};
    run.name = "ours batch";
    run.how = o->how;
    run.fn = w == KEYS_CHURN ? o->churn_batch : o->batch;
    row->run[row->n_runs++] = run;
    run.name = "ours single";
    run.how = NULL;
    run.fn = w == KEYS_CHURN ? o->churn : o->single;
    row->run[row->n_runs++] = run;
}

static struct bench_row keys_row(struct keys_bench *b, const char *table, enum keys_work w)
{
    static const char *const streams[KEYS_WORKS] = {"hits", "half misses", "remove and add"};
    struct bench_row row = {.what = b->ours.what,
                            .table = table,
                            .stream = streams[w],
                            .work = b->lookups,
                            .entries = b->n,
                            .want = b->want};
    add_ours(&row, b, w);
    for (size_t i = 0; i < b->n_peers; i++) {
        struct key_peer *p = &b->peer[i];
        const struct peer_keys *ops = p->maker->ops;
        if (w == KEYS_CHURN && !p->ops->del)
            continue;
        row.run[row.n_runs++] = (struct bench_run){.name = p->ops->name,
                                                   .fn = w == KEYS_CHURN ? peer_churn : peer_get,
                                                   .ctx = p,
                                                   .bytes = ops->bytes(p->table),
                                                   .at = ops->at(p->table),
                                                   .width = 8};
    }
    return row;
}

void keys_rows(struct bench *b, struct keys_bench *k, const char *table, const double *goal)
{
    struct ceiling c = ceiling_make(k->ours.bytes, k->lookups, k->seed);
    for (enum keys_work w = KEYS_HITS; w < (k->ours.churn ? KEYS_WORKS : KEYS_CHURN); w++) {
        if (goal ? b->again && goal[w] <= 0 : w != KEYS_HITS)
            continue;
        draw_keys(k, w);
        struct bench_row row = keys_row(k, table, w);
        if (w != KEYS_CHURN)
            ceiling_add(&row, &c);
        bench_row(b, &row);
        if (goal && goal[w] > 0)
            bench_want(b, row.run[0].name, "rte_hash", goal[w]);
        if (w == KEYS_HITS && k->of_ceiling > 0)
            bench_want(b, row.run[0].name, "ceiling", k->of_ceiling);
    }
    ceiling_free(&c);
}

struct keys_bench keys_make(size_t n, size_t key_size, uint64_t seed)
{
    size_t lookups = n <= 1 << 16 ? LINES_AT_LEAST : n <= 1 << 20 ? (size_t)1 << 20 : (size_t)1 << 21;
    return (struct keys_bench){.n = n,
                               .key_size = key_size,
                               .seed = seed,
                               .lookups = lookups,
                               .keys = bench_array(lookups, key_size),
                               .want = bench_array(lookups, 8)};
}

void keys_free(struct keys_bench *k)
{
    for (size_t i = 0; i < k->n_peers; i++)
        if (k->peer[i].ops->make)
            k->peer[i].ops->free(k->peer[i].table);
    bench_free(k->keys, k->lookups, k->key_size);
    bench_free(k->want, k->lookups, 8);
}
