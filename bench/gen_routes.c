/* gen_routes.c - tables of routes, and addresses to look up (gen.h). Nothing but the data plane's basis is
 * needed, so that tests have the same tables.
 *
 * The cloud-shaped table, in numbers of routes at scale 1:
 *
 *   5       default, 10/8, 172.16/12, 192.168/16, 100.64/10: the system's own
 *   ~20     address spaces of the network and its peers: /16 in 10.0.0.0/10, of which subnets are cut
 *   400     user routes: inside those spaces, /18 to /28, evenly
 *   3,000   prefixes of service endpoints and tags: public addresses 4.0.0.0 to 52.255.255.255; lengths like
 *           the published lists: /24 and shorter 45 %, /25 to /28 40 %, /29 to /31 15 %
 *   5,000   learned by BGP from sites: half of them aggregates /16 to /22 and half /24, in 172.16/12,
 *           192.168/16, 10.64/10 and 100.64/10
 *   20,000  private endpoints, /32: subnets are dedicated to them, so they stand in runs of up to 120 from a
 *           subnet's fifth address on (platforms hand out the lowest free one), in /24s of the peers' spaces
 *
 * Streams: uniform over all addresses; in-prefix: a route drawn evenly, then an address inside it; Zipf: the
 * k-th of 10,000 in-prefix addresses about 1/k as often as the first. */
#include "bench/gen.h"
#include "dataplane/addr.h"
#include "dataplane/rng.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gen_stream_name[GEN_STREAMS] = {"uniform", "in-prefix", "Zipf"};

/* One of GEN_HOPS, whatever the order of the routes, and for equal prefixes the same. */
static uint32_t next_hop(uint64_t seed, uint32_t addr, unsigned len)
{
    return (uint32_t)(hash_mix(hash_mix(seed) ^ (uint64_t)len << 32 ^ (addr & ip4_mask(len))) % GEN_HOPS);
}

static void put(struct gen_routes *g, uint32_t addr, unsigned len)
{
    if (g->n == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 4096;
        g->route = realloc(g->route, g->cap * sizeof *g->route);
        if (!g->route)
            abort();
    }
    g->route[g->n] = (struct lpm_route){
        .addr = addr & ip4_mask(len), .len = (uint8_t)len, .nexthop = next_hop(g->seed, addr, len)};
    g->n++;
    g->hosts += len == 32;
}

static void system_routes(struct gen_routes *g, struct rng *r)
{
    put(g, 0, 0);
    put(g, IP4(10, 0, 0, 0), 8);
    put(g, IP4(172, 16, 0, 0), 12);
    put(g, IP4(192, 168, 0, 0), 16);
    put(g, IP4(100, 64, 0, 0), 10);
    for (uint32_t i = 0; i < 20; i++)
        put(g, IP4(10, i * 3 + (uint32_t)rng_below(r, 3), 0, 0), 16);
}

static void service_route(struct gen_routes *g, struct rng *r)
{
    uint64_t kind = rng_below(r, 100);
    unsigned len = kind < 45   ? 14 + (unsigned)rng_below(r, 11)
                   : kind < 85 ? 25 + (unsigned)rng_below(r, 4)
                               : 29 + (unsigned)rng_below(r, 3);
    put(g, IP4(4, 0, 0, 0) + (uint32_t)rng_below(r, (uint64_t)49 << 24), len);
}

static void site_route(struct gen_routes *g, struct rng *r)
{
    static const struct prefix4 space[] = {{IP4(172, 16, 0, 0), 12},
                                           {IP4(192, 168, 0, 0), 16},
                                           {IP4(10, 64, 0, 0), 10},
                                           {IP4(100, 64, 0, 0), 10}};
    struct prefix4 in = space[rng_below(r, 4)];
    unsigned len = rng_below(r, 2) ? 24 : 16 + (unsigned)rng_below(r, 7);
    put(g, in.addr | ((uint32_t)rng_u64(r) & ~ip4_mask(in.len)), len);
}

static void endpoint_routes(struct gen_routes *g, struct rng *r, size_t n)
{
    while (n) {
        size_t run = 1 + rng_below(r, 120);
        uint32_t subnet = g->route[5 + rng_below(r, 20)].addr | (uint32_t)rng_below(r, 256) << 8;
        for (run = run < n ? run : n; run; run--, n--)
            put(g, subnet + 3 + (uint32_t)run, 32);
    }
}

struct gen_routes gen_cloud(unsigned scale_down, uint64_t seed)
{
    struct gen_routes g = {.seed = seed};
    struct rng r;
    rng_seed(&r, seed, "cloud");
    system_routes(&g, &r);
    for (unsigned i = 0; i < 400 / scale_down; i++)
        put(&g, IP4(10, 0, 0, 0) | ((uint32_t)rng_u64(&r) & 0x3fffff), 18 + (unsigned)rng_below(&r, 11));
    for (unsigned i = 0; i < 3000 / scale_down; i++)
        service_route(&g, &r);
    for (unsigned i = 0; i < 5000 / scale_down; i++)
        site_route(&g, &r);
    endpoint_routes(&g, &r, 20000 / scale_down);
    return g;
}

FILE *gen_open(const char *path)
{
    setenv("FILE_TO_READ", path, 1); /* no quoting of names */
    return popen("exec xz -dcf -- \"$FILE_TO_READ\"", "r");
}

int gen_feed(const char *path, uint64_t seed, struct gen_routes *out)
{
    char line[128];
    unsigned a, b, c, d, len;
    struct gen_routes g = {.seed = seed};
    FILE *f = gen_open(path);
    if (!f)
        return -errno;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%u.%u.%u.%u/%u", &a, &b, &c, &d, &len) == 5 && (a | b | c | d) < 256 && len <= 32)
            put(&g, IP4(a, b, c, d), len);
    *out = g;
    return pclose(f) || !g.n ? -ENOENT : 0;
}

void gen_routes_free(struct gen_routes *g)
{
    free(g->route);
}

static uint32_t inside(const struct gen_routes *g, struct rng *r)
{
    const struct lpm_route *x = &g->route[rng_below(r, g->n)];
    return x->addr | ((uint32_t)rng_u64(r) & ~ip4_mask(x->len));
}

void gen_addresses(const struct gen_routes *g, enum gen_stream s, uint32_t *addr, size_t n)
{
    enum { HOT = 10000 };
    uint32_t hot[HOT];
    struct rng r;
    rng_seed(&r, g->seed, "addresses");
    for (size_t i = 0; i < HOT; i++)
        hot[i] = inside(g, &r);
    for (size_t i = 0; i < n; i++)
        addr[i] = s == GEN_UNIFORM     ? (uint32_t)rng_u64(&r)
                  : s == GEN_IN_PREFIX ? inside(g, &r)
                                       : hot[(size_t)exp(rng_unit(&r) * log(HOT)) - 1];
}
