/* routes_int.h - inside of routes: building rows, settling their states, choosing among them. */
#ifndef VNETSIM_TOPOLOGY_ROUTES_INT_H
#define VNETSIM_TOPOLOGY_ROUTES_INT_H

#include "topology/routes.h"

struct route_build {
    struct arena *a;       /* the table's */
    struct arena *scratch; /* freed when the table is done */
    const struct model *m;
    struct route_view view;
    struct eff_route *row; /* room for slices behind the rows is reserved when the rows are complete */
    size_t n, n_all, cap;
};

/* Append the rows of sections 2 and 3 (Y-01 to Y-20, R-15 to R-18) in the order of F-03, all Active. */
void routes_build(struct route_build *b);

/* Set the states: endpoints by table 3.2, then one live row for each prefix (R-02 to R-06,
 * ), then the slices of endpoints whose /32 is Invalid. */
void routes_settle(struct route_build *b);

/* One prefix of one row, as a candidate for an address. */
struct route_pair {
    const struct eff_route *row;
    struct prefix4 prefix;
    bool alive;
};

/* What an address meets, and what follows from it. */
struct route_choice { /* each or NULL */
    const struct route_pair *best;
    const struct route_pair *system;   /* the longest living row of the network's own kinds: R-04 */
    const struct route_pair *endpoint; /* the service endpoint's row that wins at once: R-05 */
};
/* Choose among all pairs that hold one address (3.1); any order, dead ones included. */
struct route_choice routes_choose(const struct model *m, const struct route_pair *pair, size_t n);

/* Gather the pairs of the shown rows that hold dst, in table order. => how many. */
size_t routes_pairs(struct arena *a, const struct eff_table *t, ip4 dst, struct route_pair **out);

/* => whether a Default row belongs to the network's own space: VnetLocal, peering, private endpoint. */
bool route_is_network(const struct eff_route *r);
/* => the same or a service endpoint's: what beats learned routes of any length. */
bool route_is_system(const struct eff_route *r);
/* => "user route 'all'", "the endpoint row of acr-pe": how sentences name a row. */
const char *route_label(struct arena *a, const struct eff_route *r);
/* => whether prefix i of the row is alive. */
bool route_alive(const struct eff_route *r, size_t i);
/* => the policy that counts for routes to endpoints in the subnet: always Disabled with
 * privateEndpointPolicies 2021. */
enum endpoint_policies route_policy(const struct model *m, const struct subnet *s);
/* => the prefix of the endpoint's network that holds ip. */
struct prefix4 route_endpoint_space(const struct private_endpoint *pe, ip4 ip);
const char *route_policy_word(enum endpoint_policies p);

#endif
