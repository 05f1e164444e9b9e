/* gen.c - see gen.h. */
#include "bench/gen.h"
#include "bench/bench.h"
#include "dataplane/addr.h"
#include "dataplane/rng.h"

/* Clients of 256 network interfaces, their ports counting up, to one service. The seed chooses the /16 that
 * clients begin in and the service's port. */
struct flow_key gen_flow(uint64_t seed, uint32_t i)
{
    uint32_t mix = (uint32_t)hash_mix(seed);
    return flow_key_make(i & 255, 0, 6, IP4(10, mix & 127, 0, 4) + (i >> 8), IP4(10, 200, 0, 4),
                         (uint16_t)(49152 + i % 16384), (uint16_t)(mix >> 16 & 1023));
}

/* Subnets of 100 endpoints from the fifth address on; the seed chooses the first subnet. */
uint32_t gen_host(uint64_t seed, uint32_t i)
{
    return IP4(10, hash_mix(seed) & 127, 0, 0) + (i / 100 << 8) + 4 + i % 100;
}

/* -- rules ----------------------------------------------------------------------------------------------- */

#define TAGS 20
#define TAG  2000 /* prefixes a tag */

static void tag_prefixes(struct prefix4 *tag, struct rng *r)
{
    for (size_t i = 0; i < (size_t)TAGS * TAG; i++)
        tag[i] = (struct prefix4){(ip4)rng_below(r, 1 << 22) << 10, (uint8_t)(22 + rng_below(r, 2))};
}

/* Subnets and hosts to subnets and hosts, one port or a hundred, TCP or UDP. */
struct gen_rules gen_nsg(size_t n, bool tags, uint64_t seed)
{
    struct rng r;
    struct gen_rules g = {.prefix = bench_array(2 * n + (size_t)TAGS * TAG, sizeof *g.prefix),
                          .port = bench_array(n, sizeof *g.port),
                          .rule = bench_array(n, sizeof *g.rule),
                          .n = n,
                          .seed = seed};
    rng_seed(&r, seed, "acl rules");
    for (size_t i = 0; i < 2 * n; i++) {
        uint8_t len = (uint8_t)(rng_below(&r, 2) ? 32 : 20 + rng_below(&r, 9));
        g.prefix[i] = (struct prefix4){(IP4(10, 0, 0, 0) | (ip4)rng_below(&r, 1 << 20)) & ip4_mask(len), len};
    }
    struct prefix4 *tag = g.prefix + 2 * n;
    tag_prefixes(tag, &r);
    for (size_t i = 0; i < n; i++) {
        uint16_t port = (uint16_t)(rng_below(&r, 4) ? rng_below(&r, 1024) : rng_u64(&r) & 0x7fff);
        g.port[i] = (struct acl_range){port, (uint16_t)(port + (rng_below(&r, 5) ? 0 : 100))};
        g.rule[i] = (struct acl_rule){.src = &g.prefix[2 * i],
                                      .n_src = 1,
                                      .dst = &g.prefix[2 * i + 1],
                                      .n_dst = 1,
                                      .dport = &g.port[i],
                                      .n_dport = 1,
                                      .proto = i % 3 ? 6 : 17,
                                      .allow = i % 4,
                                      .id = (uint32_t)i};
        if (tags && rng_below(&r, 10) == 0) {
            g.rule[i].src = tag + rng_below(&r, TAGS) * TAG;
            g.rule[i].n_src = TAG;
        }
    }
    g.rule[n - 1] = (struct acl_rule){.id = (uint32_t)n - 1};
    return g;
}

void gen_rules_free(struct gen_rules *g)
{
    bench_free(g->prefix, 2 * g->n + (size_t)TAGS * TAG, sizeof *g->prefix);
    bench_free(g->port, g->n, sizeof *g->port);
    bench_free(g->rule, g->n, sizeof *g->rule);
}

void gen_keys(const struct gen_rules *g, struct acl_key *key, size_t n)
{
    struct rng r;
    rng_seed(&r, g->seed, "acl keys");
    for (size_t i = 0; i < n; i++) {
        const struct acl_rule *x = &g->rule[rng_below(&r, g->n - 1)];
        struct prefix4 src = x->src[rng_below(&r, x->n_src)], dst = x->dst[0];
        key[i] = (struct acl_key){.src = src.addr | ((ip4)rng_u64(&r) & ~ip4_mask(src.len)),
                                  .dst = dst.addr | ((ip4)rng_u64(&r) & ~ip4_mask(dst.len)),
                                  .sport = (uint16_t)rng_u64(&r),
                                  .dport = x->dport->first,
                                  .proto = x->proto};
        if (rng_below(&r, 10) == 0)
            key[i].dport = 65535;
    }
}
