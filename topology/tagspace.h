/* tagspace.h - sets of addresses: prefix-set algebra, and the tags whose content follows from the model.
 * Essay: tagspace.c.
 *
 * A prefix set is in normal form: ascending, disjoint, no two prefixes that one shorter prefix could replace.
 * Equal sets are equal arrays. All memory comes from the arena given. */
#ifndef VNETSIM_TOPOLOGY_TAGSPACE_H
#define VNETSIM_TOPOLOGY_TAGSPACE_H

#include "dataplane/arena.h"
#include "topology/model.h"

struct prefix_set {
    const struct prefix4 *at;
    size_t n;
};

/* => the normal form of any list of prefixes (unordered, overlapping, repeated). */
struct prefix_set prefixset_make(struct arena *a, const struct prefix4 *list, size_t n);
/* => x or y; x without y; x and y; every address outside x. Arguments in normal form. */
struct prefix_set prefixset_union(struct arena *a, struct prefix_set x, struct prefix_set y);
struct prefix_set prefixset_minus(struct arena *a, struct prefix_set x, struct prefix_set y);
struct prefix_set prefixset_intersect(struct arena *a, struct prefix_set x, struct prefix_set y);
struct prefix_set prefixset_complement(struct arena *a, struct prefix_set x);
/* => whether the set holds the address; the number of addresses in it (up to 2^32). */
bool prefixset_has(struct prefix_set s, ip4 ip);
uint64_t prefixset_size(struct prefix_set s);

/* A place in the network from where computed tags are seen: a subnet, or (subnet NULL) its network as such.
 */
struct route_view {
    const struct vnet *vnet;
    const struct subnet *subnet; /* or NULL: no route table, no service endpoints */
};

/* => VirtualNetwork as seen from there (G-09): the network's own prefixes, those of peers that are connected
 * and that the own link allows (P-01, P-03; of a subnet peering the listed subnets only), those of connected groups
 * (Y-20), on-premises
 * prefixes behind the gateway in use (own, or the peer's: P-05), 168.63.129.16, and the explicit prefixes of
 * the subnet's route table unless the switch virtualNetworkTagIncludesUdr is false. */
struct prefix_set tagspace_virtual_network(struct arena *a, const struct model *m, struct route_view v);
/* => Internet (G-10): every public address outside the own, peered and on-premises prefixes (0.0.0.0/0 of an
 * on-premises network does not count). Route-table prefixes take nothing away: a 0/0 route widens
 * VirtualNetwork, and Internet stays. */
struct prefix_set tagspace_internet(struct arena *a, const struct model *m, struct route_view v);
/* => the addresses of a tag: computed (the two above, AzureLoadBalancer = 168.63.129.16: G-11) or out of
 * m->tags; empty for a name that is no tag. Names without case. */
struct prefix_set tagspace_tag(struct arena *a, const struct model *m, struct route_view v, const char *name);
/* => the members of an application security group (G-13): NIC addresses and endpoint IP configurations, as
 * /32. */
struct prefix_set tagspace_asg(struct arena *a, const struct model *m, const struct asg *asg);

#define ROUTE_GATEWAYS_MAX 8 /* gateways of one network that count */

/* What peering and gateways mean for a network; shared with routes_build.c. */
/* => the peer's prefixes that the link brings: all, or the listed subnets' (Y-19). Not in normal form: in the
 * order in which rows are listed. n = 0 where the link is not connected (P-01). */
prefix_list peering_prefixes(struct arena *a, const struct peering *p);
/* => whether the local subnet takes part in the link (subnet peering lists it, or it is no subnet peering;
 * NULL: yes). */
bool peering_lists(const struct peering *p, const struct subnet *local);
/* => whether ip in the peer is among the prefixes that the link brings. */
bool peering_exposes(const struct peering *p, ip4 ip);
/* => whether traffic may use the link: both directions allow virtual network access (P-03). */
bool peering_allows(const struct peering *p);
/* => the gateways that serve a network (own, else over the link that uses the remote gateway: P-05),
 * ExpressRoute before VPN, else file order. *via: the link, NULL for own gateways. n up to max. */
size_t gateways_of(const struct model *m, const struct vnet *v, const struct gateway **out, size_t max,
                   const struct peering **via);

#endif
