/* rows_rules.c - the classifier beside rte_acl and the linear reference. */
#include "bench/gen.h"
#include "bench/peer.h"
#include "bench/rows.h"
#include "dataplane/acl_int.h"
#include "dataplane/acl_ref.h"

#include <errno.h>

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
    struct gen_rules g = gen_nsg(n, tags, b->seed);
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

void rows_rules(struct bench *b)
{
    acl_row_of(b, 1000, false);
    acl_row_of(b, 1000, true);
    acl_row_of(b, 4000, false);
}
