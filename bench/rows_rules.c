/* rows_rules.c - the classifier beside rte_acl and the linear reference: lists like security groups', and
 * ClassBench's; classifying, building, memory. */
#include "bench/gen.h"
#include "bench/peer.h"
#include "bench/rows.h"
#include "dataplane/acl_int.h"
#include "dataplane/acl_ref.h"

#include <errno.h>
#include <stdlib.h>

#define ACL_KEYS  ((size_t)1 << 14)
#define BUILT     256u /* keys that a table has to classify after it is built */
#define ACL_PEERS 4

struct rules_bench;

struct acl_peer {
    const struct peer_rules *ops;
    void *table, *built;
    const struct rules_bench *bench;
};

struct rules_bench {
    const char *name;
    struct gen_rules g;
    struct acl *table, *built;
    struct acl_ref *linear;
    struct acl_key *key;
    struct acl_hit *hit;
    uint64_t *want;
    struct acl_peer peer[ACL_PEERS];
    size_t n_peers;
};

static void ids(const struct acl_hit *hit, uint32_t *id, size_t n)
{
    for (size_t i = 0; i < n; i++)
        id[i] = hit[i].hit ? hit[i].id : UINT32_MAX;
}

/* -- classifying ----------------------------------------------------------------------------------------- */

static void acl_batch(void *ctx, void *out)
{
    struct rules_bench *b = ctx;
    acl_classify_bulk(b->table, b->key, b->hit, ACL_KEYS);
    ids(b->hit, out, ACL_KEYS);
}

static void acl_single(void *ctx, void *out)
{
    struct rules_bench *b = ctx;
    for (size_t i = 0; i < ACL_KEYS; i++)
        b->hit[i] = acl_classify(b->table, &b->key[i]);
    ids(b->hit, out, ACL_KEYS);
}

static void acl_linear(void *ctx, void *out)
{
    struct rules_bench *b = ctx;
    acl_ref_classify_bulk(b->linear, b->key, b->hit, ACL_KEYS);
    ids(b->hit, out, ACL_KEYS);
}

static void peer_run(void *ctx, void *out)
{
    struct acl_peer *p = ctx;
    p->ops->classify(p->table, out);
}

static void classify_row(struct bench *b, struct rules_bench *r, bool linear)
{
    struct bench_row row = {.what = "rules",
                            .table = r->name,
                            .stream = "nine in ten fit",
                            .work = ACL_KEYS,
                            .entries = r->g.n,
                            .want = r->want,
                            .n_runs = 3,
                            .run = {{.name = "ours batch", .fn = acl_batch, .at = r->table->box},
                                    {.name = "ours single", .fn = acl_single, .at = r->table->box},
                                    {.name = "ours linear", .fn = acl_linear}}};
    for (size_t i = 0; i < 3; i++) {
        row.run[i].ctx = r;
        row.run[i].width = 4;
        row.run[i].bytes = i < 2 ? acl_bytes(r->table) : 0;
    }
    if (!linear)
        row.n_runs = 2; /* it takes seconds */
    for (struct acl_peer *p = r->peer; p < r->peer + r->n_peers; p++)
        row.run[row.n_runs++] = (struct bench_run){.name = p->ops->name,
                                                   .how = p->ops->how,
                                                   .fn = peer_run,
                                                   .ctx = p,
                                                   .decode = p->ops->decode,
                                                   .width = 4,
                                                   .bytes = p->ops->bytes(p->table),
                                                   .at = p->ops->at(p->table)};
    bench_row(b, &row);
}

/* -- building -------------------------------------------------------------------------------------------- */

static void acl_built(void *ctx, void *out)
{
    struct rules_bench *b = ctx;
    (void)out;
    b->built = acl_build(b->g.rule, b->g.n);
    bench_check(b->built ? 0 : -ENOMEM, "acl_build");
}

static void acl_built_done(void *ctx, void *out)
{
    struct rules_bench *b = ctx;
    acl_classify_bulk(b->built, b->key, b->hit, BUILT);
    ids(b->hit, out, BUILT);
    acl_free(b->built);
}

static void peer_built(void *ctx, void *out)
{
    struct acl_peer *p = ctx;
    (void)out;
    p->built = p->ops->make(&p->bench->g, p->bench->key, BUILT);
    bench_check(p->built ? 0 : -ENOMEM, p->ops->name);
}

static void peer_built_done(void *ctx, void *out)
{
    struct acl_peer *p = ctx;
    p->ops->classify(p->built, out);
    p->ops->free(p->built);
}

/* How rte_acl looks keys up does not matter here: the first of its kinds stands for all. */
static void build_row(struct bench *b, struct rules_bench *r)
{
    struct bench_row row = {.what = "rules",
                            .table = r->name,
                            .stream = "build",
                            .work = r->g.n,
                            .answers = BUILT,
                            .entries = r->g.n,
                            .want = r->want};
    row.run[row.n_runs++] = (struct bench_run){.name = "ours",
                                               .fn = acl_built,
                                               .finish = acl_built_done,
                                               .ctx = r,
                                               .width = 4,
                                               .bytes = acl_bytes(r->table)};
    if (r->n_peers)
        row.run[row.n_runs++] = (struct bench_run){.name = "rte_acl",
                                                   .fn = peer_built,
                                                   .finish = peer_built_done,
                                                   .ctx = &r->peer[0],
                                                   .decode = r->peer[0].ops->decode,
                                                   .width = 4,
                                                   .bytes = r->peer[0].ops->bytes(r->peer[0].table)};
    bench_row(b, &row);
}

/* -- lists ----------------------------------------------------------------------------------------------- */

static void goals(struct bench *b, const struct rules_bench *r)
{
    char goal[96];
    if (!r->n_peers)
        return;
    snprintf(goal, sizeof goal, "rules, %s: memory, parts of %s's", r->name, r->peer[0].ops->name);
    bench_want_at_most(b, goal, (double)acl_bytes(r->table) / (double)r->peer[0].ops->bytes(r->peer[0].table),
                       0.25, "");
}

static void make_peers(struct bench *b, struct rules_bench *r)
{
    for (const struct peer_rules *const *ops = b->dpdk ? peer_rules_dpdk : NULL; ops && *ops; ops++) {
        struct acl_peer *p = &r->peer[r->n_peers];
        *p = (struct acl_peer){.ops = *ops, .bench = r};
        p->table = (*ops)->make(&r->g, r->key, ACL_KEYS);
        if (p->table)
            r->n_peers++;
        else
            printf("%s: left out of this list\n", (*ops)->name);
    }
}

static void rows_of(struct bench *b, const char *name, struct gen_rules g, bool with_goals)
{
    struct rules_bench r = {.name = name,
                            .g = g,
                            .table = acl_build(g.rule, g.n),
                            .linear = acl_ref_build(g.rule, g.n),
                            .key = bench_array(ACL_KEYS, sizeof *r.key),
                            .hit = bench_array(ACL_KEYS, sizeof *r.hit),
                            .want = bench_array(ACL_KEYS, sizeof *r.want)};
    bench_check(r.table && r.linear ? 0 : -ENOMEM, "acl_build");
    gen_keys(&g, r.key, ACL_KEYS);
    acl_ref_classify_bulk(r.linear, r.key, r.hit, ACL_KEYS);
    for (size_t i = 0; i < ACL_KEYS; i++)
        r.want[i] = r.hit[i].hit ? r.hit[i].id : BENCH_MISS;
    make_peers(b, &r);
    classify_row(b, &r, with_goals && !b->again);
    if (with_goals) {
        bench_want(b, "ours batch", "rte_acl", 1.3);
        goals(b, &r);
    }
    build_row(b, &r);
    if (with_goals)
        bench_want(b, "ours", "rte_acl", 10);
    for (struct acl_peer *p = r.peer; p < r.peer + r.n_peers; p++)
        p->ops->free(p->table);
    acl_free(r.table);
    acl_ref_free(r.linear);
    gen_rules_free(&r.g);
    bench_free(r.key, ACL_KEYS, sizeof *r.key);
    bench_free(r.hit, ACL_KEYS, sizeof *r.hit);
    bench_free(r.want, ACL_KEYS, sizeof *r.want);
}

static void classbench_rows(struct bench *b)
{
    static const char *const file[] = {"acl1_1k",     "fw1_1k",     "ipc1_1k",
                                       "acl1_10k.xz", "fw1_10k.xz", "ipc1_10k.xz"};
    static const char *const name[] = {"ClassBench acl1, 1 k", "ClassBench fw1, 1 k",
                                       "ClassBench ipc1, 1 k", "ClassBench acl1, 10 k",
                                       "ClassBench fw1, 10 k", "ClassBench ipc1, 10 k"};
    const char *data = getenv("VNETSIM_DATA");
    if (!data || !*data) {
        printf("\nClassBench: left out, VNETSIM_DATA is not set\n");
        return;
    }
    for (size_t i = 0; i < (b->quick ? 3 : 6); i++) {
        char path[1024];
        struct gen_rules g;
        snprintf(path, sizeof path, "%s/acl/%s", data, file[i]);
        if (gen_classbench(path, b->seed, &g) == 0)
            rows_of(b, name[i], g, false);
        else
            printf("\n%s: left out, %s cannot be read\n", name[i], path);
    }
}

void rows_rules(struct bench *b)
{
    rows_of(b, "1000 rules", gen_nsg(1000, GEN_NSG_PLAIN, b->seed), true);
    rows_of(b, "1000 rules, wide", gen_nsg(1000, GEN_NSG_WIDE, b->seed), true);
    if (b->again)
        return;
    rows_of(b, "1000 rules, a tenth with a tag", gen_nsg(1000, GEN_NSG_TAGS, b->seed), false);
    rows_of(b, "4000 rules", gen_nsg(4000, GEN_NSG_PLAIN, b->seed), false);
    classbench_rows(b);
}
