/* rows_exact.c - the table of single addresses beside other hash tables with keys of four bytes. */
#include "bench/keys.h"
#include "dataplane/exact_int.h"

#include <errno.h>

#define REALM 7u

static void exact_batch(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    exact_get_bulk(b->ours.table, b->realm, b->keys, out, b->lookups);
}

static void exact_single(void *ctx, void *out)
{
    struct keys_bench *b = ctx;
    const uint32_t *key = b->keys;
    uint32_t *value = out;
    for (size_t i = 0; i < b->lookups; i++)
        value[i] = exact_get(b->ours.table, b->realm[i], key[i]);
}

static void exact_rows(struct bench *b, size_t n, const char *table, const double *goal)
{
    struct keys_bench k = keys_make(n, 4, b->seed);
    struct exact *t = exact_new(n);
    bench_check(t ? 0 : -ENOMEM, "exact_new");
    k.realm = bench_array(k.lookups, sizeof *k.realm);
    for (size_t i = 0; i < k.lookups; i++)
        k.realm[i] = REALM;
    for (uint32_t i = 0; i < n; i++)
        bench_check(exact_set(t, REALM, gen_host(b->seed, i), i), "exact_set");
    k.ours = (struct keys_ours){.what = "exact match",
                                .how = exact_how(t),
                                .table = t,
                                .batch = exact_batch,
                                .single = exact_single,
                                .at = t->now.buckets,
                                .bytes = exact_bytes(t),
                                .width = 4};
    keys_add_peers(b, &k);
    keys_rows(b, &k, table, goal);
    exact_free(t);
    bench_free(k.realm, k.lookups, sizeof *k.realm);
    keys_free(&k);
}

void rows_exact(struct bench *b)
{
    static const double goal[] = {6, 6}, none[] = {0, 0};
    exact_rows(b, 20000, "20 k addresses", goal);
    if (b->again)
        return;
    exact_rows(b, 1 << 20, "1 M addresses", none);
    exact_rows(b, 1 << 10, "1 k addresses", NULL);
    if (b->quick)
        return;
    exact_rows(b, 1 << 17, "128 k addresses", NULL);
    exact_rows(b, 1 << 22, "4 M addresses", NULL);
}
