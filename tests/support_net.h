/* support_net.h - small networks made by hand: models for tests of routes and rules, without a scenario file.
 * Prefix and address lists are texts with blanks between them; every maker ends the test on a bad text. */
#ifndef VNETSIM_TESTS_SUPPORT_NET_H
#define VNETSIM_TESTS_SUPPORT_NET_H

#include "dataplane/arena.h"
#include "topology/model.h"
#include "topology/routes.h"

#define NET_MAX 64 /* resources of a kind, and of children of one parent */

/* => a model with the tags of tests/golden/routes/tags.json and the switches at their defaults. */
struct model *net_new(void);
void net_free(struct model *m);

struct vnet *net_vnet(struct model *m, const char *name, const char *location, const char *prefixes);
struct subnet *net_subnet(struct model *m, struct vnet *v, const char *name, const char *prefixes);
/* One link; both links, connected. => the link of a. */
struct peering *net_link(struct vnet *a, struct vnet *b);
struct peering *net_peer(struct vnet *a, struct vnet *b);
void net_list(struct model *m, subnet_list *l, struct subnet *s);
struct nic *net_nic(struct model *m, const char *name, struct subnet *s, const char *ip);
struct lb_frontend *net_frontend(struct model *m, const char *name, struct subnet *s, const char *ip);
/* The subnet's route table is made by the first route. to: a prefix or a tag. hop: an address or NULL. */
struct route *net_route(struct model *m, struct subnet *s, const char *name, const char *to,
                        enum nexthop_type type, const char *hop);
struct route_table *net_table(struct model *m, struct subnet *s);
void net_service(struct model *m, struct subnet *s, const char *service, const char *locations);
struct private_endpoint *net_endpoint(struct model *m, const char *name, struct subnet *s, const char *ips);
struct gateway *net_gateway(struct model *m, struct vnet *v, enum gateway_type type, const char *public_ip,
                            const char *instances);
struct onprem *net_onprem(struct model *m, struct gateway *g, const char *name, const char *prefixes);
struct nsg *net_nsg(struct model *m, const char *name);
/* src, dst: "*", prefixes or tags; ports "*" or "443 8000-8080"; protocol number, 0 any. */
struct security_rule *net_rule(struct model *m, struct nsg *g, const char *name, uint32_t priority,
                               enum direction d, enum access access, uint8_t proto, const char *src,
                               const char *dst, const char *ports);
struct asg *net_asg(struct model *m, const char *name);
void net_join(struct model *m, asg_list *l, struct asg *g);

/* => the shown rows of the subnet's table as text, one line each: "Default Active 10.0.0.0/16 VnetLocal",
 * next hops and a user route's name behind it where it has them; owned by the model. */
const char *net_rows(struct model *m, const struct subnet *s);
/* => "Type matched-prefix" of the row that dst takes, and " Reason" behind it where it drops; owned by the
 * model. */
const char *net_way(struct model *m, const struct subnet *s, const char *dst);

/* => the only row of the subnet's table with this source and first prefix, NULL if there is none; owned by the
 * model. Two such rows end the test. */
const struct eff_route *net_row(struct model *m, const struct subnet *s, enum route_source source,
                                const char *prefix);

ip4 net_ip(const char *text);
struct prefix4 net_prefix(const char *text);

#endif
