/* rows_flow.c - the flow table beside other hash tables: hits, half misses, remove and add, and its memory.
 */
#include "bench/keys.h"
#include "dataplane/flowtab_int.h"

#include <errno.h>

#define FAR ((size_t)1 << 24) /* flows: beyond every cache, where reading lines is what bounds */

static void flow_batch(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    flowtab_get_bulk(b->ours.table, b->keys, out, b->lookups);
}

static void flow_single(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    const struct flow_key *key = b->keys;
    uint64_t *value = out;
    for (size_t i = 0; i < b->lookups; i++)
        value[i] = flowtab_get(b->ours.table, key[i]);
}

static void flow_churn(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    struct flowtab *t = b->ours.table;
    const struct flow_key *key = b->keys;
    uint64_t *value = out;
    for (size_t i = 0; i < b->lookups; i++) {
        int err = flowtab_del(t, key[i]) | flowtab_set(t, key[i], b->want[i]);
        value[i] = b->want[i] + (uint64_t)(err != 0);
    }
}

static void flow_churn_batch(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    struct flowtab *t = b->ours.table;
    const struct flow_key *key = b->keys;
    uint64_t *value = out;
    for (size_t i = 0; i < b->lookups; i += KEYS_BATCH) {
        size_t n = b->lookups - i < KEYS_BATCH ? b->lookups - i : KEYS_BATCH;
        bool ok = flowtab_del_bulk(t, key + i, n) == n;
        ok &= flowtab_set_bulk(t, key + i, b->want + i, n) == n;
        for (size_t k = i; k < i + n; k++)
            value[k] = b->want[k] + (uint64_t)!ok;
    }
}

static void flow_rows(struct bench *b, size_t n, const char *table, const double *goal)
{
    struct keys_bench k = keys_make(n, 16, b->seed);
    struct flowtab *t = flowtab_new(n);
    bench_check(t ? 0 : -ENOMEM, "flowtab_new");
    for (uint32_t i = 0; i < n; i++)
        bench_check(flowtab_set(t, gen_flow(b->seed, i), i), "flowtab_set");
    k.ours = (struct keys_ours){.what = "flow table",
                                .how = flowtab_how(t),
                                .table = t,
                                .batch = flow_batch,
                                .single = flow_single,
                                .churn_batch = flow_churn_batch,
                                .churn = flow_churn,
                                .at = flowtab_memory(t),
                                .bytes = flowtab_bytes(t),
                                .width = 8};
    k.of_ceiling = n == FAR ? 0.8 : 0;
    keys_add_peers(b, &k);
    keys_rows(b, &k, table, goal);
    flowtab_free(t);
    keys_free(&k);
}

/* A table that grew from nothing, one flow at a time. */
static void flow_memory(struct bench *b)
{
    const uint32_t n = 1u << 25;
    struct flowtab *t = flowtab_new(0);
    bench_check(t ? 0 : -ENOMEM, "flowtab_new");
    for (uint32_t i = 0; i < n; i++)
        bench_check(flowtab_set(t, gen_flow(b->seed, i), i), "flowtab_set");
    bench_want_at_most(b, "flow table, 32 M flows: memory", (double)flowtab_bytes(t) / n, 48, "bytes");
    flowtab_free(t);
}

/* Points of the plot of sizes that have no other row. */
static void flow_sizes(struct bench *b)
{
    static const struct {
        size_t n;
        const char *name;
        bool quick;
    } size[] = {{1 << 10, "1 k flows", true},  {1 << 12, "4 k flows", false},
                {1 << 14, "16 k flows", true}, {1 << 18, "256 k flows", false},
                {1 << 22, "4 M flows", false}, {1 << 25, "32 M flows", false}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        if (size[i].quick || !b->quick)
            flow_rows(b, size[i].n, size[i].name, NULL);
}

void rows_flow(struct bench *b)
{
    static const double small[] = {2.5, 4, 3}, middle[] = {0, 0, 0}, large[] = {2.5, 0, 3};
    flow_rows(b, 1 << 16, "64 k flows", small);
    if (!b->again)
        flow_rows(b, 1 << 20, "1 M flows", middle);
    if (!b->quick)
        flow_rows(b, FAR, "16 M flows", large);
    if (!b->quick)
        flow_memory(b);
    if (!b->again)
        flow_sizes(b);
}
