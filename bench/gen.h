/* gen.h - tables and streams of the benchmarks, all from one seed. The distributions are written down in
 * gen_routes.c. */
#ifndef VNETSIM_BENCH_GEN_H
#define VNETSIM_BENCH_GEN_H

#include "dataplane/acl.h"
#include "dataplane/flowtab.h"
#include "dataplane/lpm.h"

#include <stdio.h>

struct gen_routes {
    struct lpm_route *route;
    size_t n, cap;
    size_t hosts; /* of these, /32 */
    uint64_t seed;
};

/* The table of a large virtual network; scale 1: 28,400 routes. Next hops, here and in a feed: one of GEN_HOPS,
 * a hash of seed, prefix and length. */
#define GEN_HOPS 100u
struct gen_routes gen_cloud(unsigned scale_down, uint64_t seed);
/* The routes of a file, xz-compressed or plain: an IPv4 prefix at the beginning of a line, other lines do not
 * count. => 0, or -errno. */
int gen_feed(const char *path, uint64_t seed, struct gen_routes *out);
void gen_routes_free(struct gen_routes *g);

enum gen_stream { GEN_UNIFORM, GEN_IN_PREFIX, GEN_ZIPF, GEN_STREAMS };
extern const char *const gen_stream_name[GEN_STREAMS];
void gen_addresses(const struct gen_routes *g, enum gen_stream s, uint32_t *addr, size_t n);

/* => flow i of a busy network: all different. */
struct flow_key gen_flow(uint64_t seed, uint32_t i);
/* => entry i of a table of private endpoints: all different. */
uint32_t gen_host(uint64_t seed, uint32_t i);

struct gen_rules {
    struct prefix4 *prefix;
    struct acl_range *port;
    struct acl_rule *rule;
    size_t n, n_prefixes, n_ports, n_rules; /* the last three: room */
    uint64_t seed;
};

/* Rules like those of a security group, all denied last. PLAIN: subnets and hosts, one port or a hundred;
 * TAGS: a tenth of them from one of 20 lists of 2,000 prefixes; WIDE: many any's, ranges and whole networks.
 */
enum gen_nsg_kind { GEN_NSG_PLAIN, GEN_NSG_TAGS, GEN_NSG_WIDE };
struct gen_rules gen_nsg(size_t n, enum gen_nsg_kind kind, uint64_t seed);
/* The rules of a file in ClassBench's format, xz-compressed or plain. => 0, or -errno. */
int gen_classbench(const char *path, uint64_t seed, struct gen_rules *out);
void gen_rules_free(struct gen_rules *g);
/* Keys, of TCP and UDP, of which nine in ten fit some rule but the last. */
void gen_keys(const struct gen_rules *g, struct acl_key *key, size_t n);

/* Open a file to read, xz-compressed or plain. => NULL: cannot. Close it with pclose: not 0 where the file
 * could not be read. */
FILE *gen_open(const char *path);

#endif
