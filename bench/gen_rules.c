/* gen_rules.c - rule lists and keys to classify (gen.h). */
#include "bench/bench.h"
#include "bench/gen.h"
#include "dataplane/rng.h"

#include <errno.h>
#include <stdlib.h>

#define TAGS 20
#define TAG  2000 /* prefixes a tag */

static struct gen_rules rules_new(size_t n, size_t more_prefixes, uint64_t seed)
{
    struct gen_rules g = {
        .n = n, .n_prefixes = 2 * n + more_prefixes, .n_ports = 2 * n, .n_rules = n, .seed = seed};
    g.prefix = bench_array(g.n_prefixes, sizeof *g.prefix);
    g.port = bench_array(g.n_ports, sizeof *g.port);
    g.rule = bench_array(g.n, sizeof *g.rule);
    return g;
}

void gen_rules_free(struct gen_rules *g)
{
    bench_free(g->prefix, g->n_prefixes, sizeof *g->prefix);
    bench_free(g->port, g->n_ports, sizeof *g->port);
    bench_free(g->rule, g->n_rules, sizeof *g->rule);
}

/* Rule i with its own prefixes and port ranges: 2 i and 2 i + 1 are source and destination. What leaves
 * nothing out is an empty list. */
static void set_rule(struct gen_rules *g, size_t i, uint8_t proto)
{
    const struct prefix4 *p = &g->prefix[2 * i];
    const struct acl_range *r = &g->port[2 * i];
    g->rule[i] = (struct acl_rule){
        .src = p,
        .n_src = p[0].len > 0,
        .dst = p + 1,
        .n_dst = p[1].len > 0,
        .sport = r,
        .n_sport = r[0].first > 0 || r[0].last<UINT16_MAX, .dport = r + 1, .n_dport = r[1].first> 0 ||
                   r[1].last < UINT16_MAX,
        .proto = proto,
        .allow = i % 4,
        .id = (uint32_t)i};
}

/* -- like those of security groups ----------------------------------------------------------------------- */

static struct prefix4 in_ten(struct rng *r, unsigned len)
{
    return (struct prefix4){(IP4(10, 0, 0, 0) | (ip4)rng_below(r, 1 << 20)) & ip4_mask(len), (uint8_t)len};
}

/* Hosts and subnets, half each. */
static struct prefix4 plain_prefix(struct rng *r)
{
    unsigned len = rng_below(r, 2) ? 32 : 20 + (unsigned)rng_below(r, 9);
    return in_ten(r, len);
}

static struct acl_range plain_port(struct rng *r)
{
    uint16_t port = (uint16_t)(rng_below(r, 4) ? rng_below(r, 1024) : rng_u64(r) & 0x7fff);
    return (struct acl_range){port, (uint16_t)(port + (rng_below(r, 5) ? 0 : 100))};
}

/* Any one in six, networks, subnets and hosts. */
static struct prefix4 wide_prefix(struct rng *r)
{
    static const uint8_t len[] = {0, 16, 20, 24, 28, 32};
    return in_ten(r, len[rng_below(r, sizeof len)]);
}

/* Any one in ten, ranges from a hundred to thousands one in three, else single ones. */
static struct acl_range wide_port(struct rng *r)
{
    uint64_t kind = rng_below(r, 30);
    uint16_t port = (uint16_t)rng_below(r, 32768);
    return kind < 3    ? (struct acl_range){0, UINT16_MAX}
           : kind < 13 ? (struct acl_range){port, (uint16_t)(port + 100 + rng_below(r, 8000))}
                       : plain_port(r);
}

static void use_tags(struct gen_rules *g, struct rng *r)
{
    struct prefix4 *tag = g->prefix + 2 * g->n;
    for (size_t i = 0; i < (size_t)TAGS * TAG; i++)
        tag[i] = (struct prefix4){(ip4)rng_below(r, 1 << 22) << 10, (uint8_t)(22 + rng_below(r, 2))};
    for (size_t i = 0; i < g->n; i++)
        if (rng_below(r, 10) == 0) {
            g->rule[i].src = tag + rng_below(r, TAGS) * TAG;
            g->rule[i].n_src = TAG;
        }
}

struct gen_rules gen_nsg(size_t n, enum gen_nsg_kind kind, uint64_t seed)
{
    struct rng r;
    const bool wide = kind == GEN_NSG_WIDE;
    struct gen_rules g = rules_new(n, kind == GEN_NSG_TAGS ? (size_t)TAGS * TAG : 0, seed);
    rng_seed(&r, seed, "acl rules");
    for (size_t i = 0; i < n; i++) {
        g.prefix[2 * i] = wide ? wide_prefix(&r) : plain_prefix(&r);
        g.prefix[2 * i + 1] = wide ? in_ten(&r, 24 + 4 * (unsigned)rng_below(&r, 3)) : plain_prefix(&r);
        g.port[2 * i] = (struct acl_range){0, UINT16_MAX};
        g.port[2 * i + 1] = wide ? wide_port(&r) : plain_port(&r);
        set_rule(&g, i, wide && rng_below(&r, 10) == 0 ? 0 : i % 3 ? 6 : 17);
    }
    if (kind == GEN_NSG_TAGS)
        use_tags(&g, &r);
    g.rule[n - 1] = (struct acl_rule){.id = (uint32_t)n - 1};
    return g;
}

/* -- ClassBench ------------------------------------------------------------------------------------------ */

static bool read_prefix(const unsigned v[5], struct prefix4 *p)
{
    if ((v[0] | v[1] | v[2] | v[3]) > 255 || v[4] > 32)
        return false;
    *p = (struct prefix4){IP4(v[0], v[1], v[2], v[3]) & ip4_mask(v[4]), (uint8_t)v[4]};
    return true;
}

/* "@1.2.3.4/32 5.6.7.8/24 0 : 65535 80 : 80 0x06/0xFF ...": source, destination, ports, protocol and mask. */
static bool read_rule(const char *line, struct gen_rules *g, size_t i)
{
    unsigned s[5], d[5], port[4], proto, mask;
    if (sscanf(line, "@%u.%u.%u.%u/%u %u.%u.%u.%u/%u %u : %u %u : %u %x/%x", &s[0], &s[1], &s[2], &s[3],
               &s[4], &d[0], &d[1], &d[2], &d[3], &d[4], &port[0], &port[1], &port[2], &port[3], &proto,
               &mask) != 16)
        return false;
    if (!read_prefix(s, &g->prefix[2 * i]) || !read_prefix(d, &g->prefix[2 * i + 1]) ||
        (port[0] | port[1] | port[2] | port[3]) > UINT16_MAX)
        return false;
    for (size_t k = 0; k < 2; k++)
        g->port[2 * i + k] = (struct acl_range){(uint16_t)port[2 * k], (uint16_t)port[2 * k + 1]};
    set_rule(g, i, mask ? (uint8_t)proto : 0);
    return true;
}

int gen_classbench(const char *path, uint64_t seed, struct gen_rules *out)
{
    enum { MOST = 20000 };
    char line[256];
    FILE *f = gen_open(path);
    if (!f)
        return -errno;
    struct gen_rules g = rules_new(MOST, 0, seed);
    size_t n = 0;
    while (n < MOST && fgets(line, sizeof line, f))
        n += read_rule(line, &g, n);
    g.n = n;
    *out = g;
    return pclose(f) || !n ? -ENOENT : 0;
}

/* -- keys ------------------------------------------------------------------------------------------------ */

static uint16_t port_in(struct rng *r, const struct acl_range *x, size_t n)
{
    return n ? (uint16_t)(x->first + rng_below(r, x->last - x->first + 1u)) : (uint16_t)rng_u64(r);
}

static ip4 addr_in(struct rng *r, const struct prefix4 *p, size_t n)
{
    const struct prefix4 all = {0, 0}, x = n ? p[rng_below(r, n)] : all;
    return x.addr | ((ip4)rng_u64(r) & ~ip4_mask(x.len));
}

/* Other protocols have no ports here, while a plain comparison of fields finds some: both answers to one key
 * would be right. */
static const struct acl_rule *draw_rule(const struct gen_rules *g, struct rng *r)
{
    const struct acl_rule *x;
    do
        x = &g->rule[rng_below(r, g->n - 1)];
    while (x->proto && !acl_has_ports(x->proto));
    return x;
}

void gen_keys(const struct gen_rules *g, struct acl_key *key, size_t n)
{
    struct rng r;
    rng_seed(&r, g->seed, "acl keys");
    for (size_t i = 0; i < n; i++) {
        const struct acl_rule *x = draw_rule(g, &r);
        key[i].src = addr_in(&r, x->src, x->n_src);
        key[i].dst = addr_in(&r, x->dst, x->n_dst);
        key[i].sport = port_in(&r, x->sport, x->n_sport);
        key[i].dport = port_in(&r, x->dport, x->n_dport);
        key[i].proto = x->proto ? x->proto : rng_below(&r, 2) ? 6 : 17;
        if (rng_below(&r, 10) == 0)
            key[i].dport = 65535;
    }
}
