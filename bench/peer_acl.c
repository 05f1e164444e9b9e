/* peer_acl.c - DPDK's rte_acl: AVX-512 with 32 packets abreast, AVX2, scalar. Keys as in a packet, network
 * order, are prepared outside the time. A rule is a product of one prefix each way and one range of
 * destination ports; rule sets with lists (tags) have no such form of a comparable size and are left out. */
#include "bench/bench.h"
#include "bench/peer.h"

#include <rte_acl.h>
#include <rte_byteorder.h>
#include <stdlib.h>

struct packet { /* network order, padded to groups of four bytes */
    uint8_t proto, pad[3];
    uint32_t src, dst;
    uint16_t sport, dport;
};

RTE_ACL_RULE_DEF(acl_rule5, 5);

struct table {
    struct rte_acl_ctx *ctx;
    struct packet *packet;
    const uint8_t **data;
    size_t n, bytes;
    enum rte_acl_classify_alg alg;
};

static const struct rte_acl_field_def fields[5] = {
    {RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, offsetof(struct packet, proto)},
    {RTE_ACL_FIELD_TYPE_MASK, 4, 1, 1, offsetof(struct packet, src)},
    {RTE_ACL_FIELD_TYPE_MASK, 4, 2, 2, offsetof(struct packet, dst)},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, 3, 3, offsetof(struct packet, sport)},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, 4, 3, offsetof(struct packet, dport)}};

static void set_prefix(struct rte_acl_field *f, const struct prefix4 *p, size_t n)
{
    f->value.u32 = n ? p->addr : 0;
    f->mask_range.u32 = n ? p->len : 0;
}

static void set_range(struct rte_acl_field *f, const struct acl_range *r, size_t n)
{
    f->value.u16 = n ? r->first : 0;
    f->mask_range.u16 = n ? r->last : UINT16_MAX;
}

/* Answers are rule numbers plus one: 0 is no match. */
static struct acl_rule5 to_rule(const struct acl_rule *r, size_t i)
{
    struct acl_rule5 x = {
        .data = {.category_mask = 1, .priority = RTE_ACL_MAX_PRIORITY - (int32_t)i, .userdata = r->id + 1}};
    x.field[0].value.u8 = r->proto;
    x.field[0].mask_range.u8 = r->proto ? 0xff : 0;
    set_prefix(&x.field[1], r->src, r->n_src);
    set_prefix(&x.field[2], r->dst, r->n_dst);
    set_range(&x.field[3], r->sport, r->n_sport);
    set_range(&x.field[4], r->dport, r->n_dport);
    return x;
}

static int fill(struct rte_acl_ctx *ctx, const struct gen_rules *g)
{
    struct rte_acl_config conf = {.num_categories = 1, .num_fields = 5};
    for (size_t i = 0; i < 5; i++)
        conf.defs[i] = fields[i];
    for (size_t i = 0; i < g->n; i++) {
        struct acl_rule5 x = to_rule(&g->rule[i], i);
        bench_check(rte_acl_add_rules(ctx, (const struct rte_acl_rule *)&x, 1), "rte_acl_add_rules");
    }
    return rte_acl_build(ctx, &conf);
}

static void put_packets(struct table *t, const struct acl_key *key, size_t n)
{
    t->n = n;
    t->packet = bench_array(n, sizeof *t->packet);
    t->data = bench_array(n, sizeof *t->data);
    for (size_t i = 0; i < n; i++) {
        t->packet[i] = (struct packet){key[i].proto,
                                       {0},
                                       rte_cpu_to_be_32(key[i].src),
                                       rte_cpu_to_be_32(key[i].dst),
                                       rte_cpu_to_be_16(key[i].sport),
                                       rte_cpu_to_be_16(key[i].dport)};
        t->data[i] = (const uint8_t *)&t->packet[i];
    }
}

static void *make(const struct gen_rules *g, const struct acl_key *key, size_t n,
                  enum rte_acl_classify_alg alg)
{
    static unsigned serial;
    char name[24];
    size_t before = peer_dpdk_heap();
    snprintf(name, sizeof name, "acl%u", serial++);
    struct rte_acl_param p = {.name = name,
                              .socket_id = SOCKET_ID_ANY,
                              .rule_size = RTE_ACL_RULE_SZ(5),
                              .max_rule_num = (uint32_t)g->n};
    for (size_t i = 0; i < g->n; i++)
        if (g->rule[i].n_src > 1)
            return NULL;
    struct table *t = calloc(1, sizeof *t);
    t->ctx = rte_acl_create(&p);
    if (!t->ctx || fill(t->ctx, g) || rte_acl_set_ctx_classify(t->ctx, alg)) {
        rte_acl_free(t->ctx);
        free(t);
        return NULL;
    }
    t->bytes = peer_dpdk_heap() - before;
    put_packets(t, key, n);
    return t;
}

static void *make_512(const struct gen_rules *g, const struct acl_key *key, size_t n)
{
    return make(g, key, n, RTE_ACL_CLASSIFY_AVX512X32);
}

static void *make_avx2(const struct gen_rules *g, const struct acl_key *key, size_t n)
{
    return make(g, key, n, RTE_ACL_CLASSIFY_AVX2);
}

static void *make_scalar(const struct gen_rules *g, const struct acl_key *key, size_t n)
{
    return make(g, key, n, RTE_ACL_CLASSIFY_SCALAR);
}

static void classify(void *table, uint32_t *id)
{
    struct table *t = table;
    for (size_t i = 0; i < t->n; i += 256)
        rte_acl_classify(t->ctx, t->data + i, id + i, (uint32_t)(t->n - i < 256 ? t->n - i : 256), 1);
}

static uint64_t decode(const void *id, size_t i)
{
    return (uint64_t)((const uint32_t *)id)[i] - 1;
}

static void done(void *table)
{
    struct table *t = table;
    rte_acl_free(t->ctx);
    bench_free(t->packet, t->n, sizeof *t->packet);
    bench_free(t->data, t->n, sizeof *t->data);
    free(t);
}

static size_t bytes(const void *table)
{
    return ((const struct table *)table)->bytes;
}

static const void *at(const void *table)
{
    return ((const struct table *)table)->ctx;
}

static const struct peer_rules
    a512 = {"rte_acl AVX-512 x32", "AVX512X32", make_512, classify, decode, done, bytes, at},
    avx2 = {"rte_acl AVX2", "AVX2", make_avx2, classify, decode, done, bytes, at},
    scalar = {"rte_acl scalar", "SCALAR", make_scalar, classify, decode, done, bytes, at};

const struct peer_rules *const peer_rules_dpdk[] = {&a512, &avx2, &scalar, NULL};
