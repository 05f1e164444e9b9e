/* routes.h - effective routes of a subnet: the rows that Azure shows, which of them wins for an address, and
 * why the others do not. Rules: sections 2 (Y) and 3 (R) of topology/RULES.md. Design essay: routes.c.
 *
 * All NICs of a subnet share one table. Addresses in host order; memory from the arena given, which must
 * outlive the table; the model is borrowed and must outlive it too. Nothing here fails. */
#ifndef VNETSIM_TOPOLOGY_ROUTES_H
#define VNETSIM_TOPOLOGY_ROUTES_H

#include <stdio.h>

#include "topology/tagspace.h"

enum route_source { ROUTE_DEFAULT, ROUTE_USER, ROUTE_GATEWAY }; /* Default, User, VirtualNetworkGateway */
enum route_state { ROUTE_ACTIVE, ROUTE_INVALID };

#define ROUTE_HOPS_MAX 8

struct eff_route;

struct route_loss {             /* why one prefix of a row never wins as that row's */
    const struct eff_route *to; /* same prefix; or the user route that invalidates an endpoint row */
    const char *why;            /* NULL: the prefix is alive */
};

struct eff_route {
    uint32_t index; /* position in eff_table.row */
    enum route_source source;
    enum route_state state;       /* Invalid: every prefix of the row lost */
    const struct prefix4 *prefix; /* by address, then length */
    size_t n_prefix;
    const char *tag;              /* User: the service tag it names; service endpoint: its tag; or NULL */
    enum nexthop_type type;       /* effective: None where the next hop does not work */
    enum nexthop_type asked;      /* as configured; otherwise as type */
    ip4 next_hop[ROUTE_HOPS_MAX]; /* as shown: appliance (kept where None), gateway instances (Y-11) */
    size_t n_next_hop;
    const char *name;          /* of the user route; or NULL */
    const struct route *route; /* the user route; or NULL */

    /* Where it leads; each NULL where it does not apply. Rows into a peer (its space, its endpoints, its
     * gateway, an appliance there) have the peer and the own link to it. */
    const struct vnet *remote;
    const struct peering *peering;
    const struct connected_group *connected; /* instead of a link: the network manager's (Y-20) */
    const struct private_endpoint *endpoint; /* InterfaceEndpoint rows; slices that deliver (see slice_of) */
    const struct pe_ip *endpoint_ip;
    const struct gateway *gateway; /* gateway rows, and User rows to VirtualNetworkGateway */
    const struct onprem *onprem;   /* gateway rows: whose prefix; the first of those that are equal: */
    const struct onprem **sites;   /* all of them; NULL: there is one */
    size_t n_sites;
    uint32_t weight, path_length; /* gateway rows: of the connection */
    const struct service_endpoint *service_endpoint;
    const struct nic *appliance; /* VirtualAppliance: who has the address, here or in a peer */
    const struct lb_frontend *appliance_lb;

    /* What a packet that takes this row dies of; REASON_NONE: it is carried. RouteNone (type None), NoPeering
     * (P-03, Y-19), EndpointRouteInvalid (slices, R-13). */
    enum reason drop;
    const char *why; /* Invalid: why it lost, naming winner and rule; dropping: why; or NULL */
    const struct eff_route *lost_to; /* Invalid: the winner of its first prefix; else NULL */
    struct route_loss *loss;         /* NULL, or one for each prefix */
    struct origin origin;            /* the scenario line that the row comes from */

    /* A slice is a copy of another row for one endpoint address, made where an endpoint's /32 is Invalid and
     * a VnetLocal or peering row holds its address: it leads to the endpoint (endpoint set) or drops.
     * It is not shown; slice_of is the shown row. NULL for shown rows. */
    const struct eff_route *slice_of;
};

struct eff_table {
    const struct model *model;
    struct route_view view;
    const struct eff_route *row; /* n shown rows in the order of F-03, then the slices: n_all in all */
    size_t n, n_all;
};

/* => the table of a subnet (a GatewaySubnet has one too), or of a network without regard to subnets
 * (view.subnet NULL). */
const struct eff_table *routes_effective(struct arena *a, const struct model *m, const struct subnet *s);
const struct eff_table *routes_effective_view(struct arena *a, const struct model *m, struct route_view v);

/* The row that a packet to dst takes: the algorithm of RULES.md 3.1 over all rows, straightforward and slow;
 * the oracle.
 * => the row, never NULL where a 0/0 row lives (always, in tables made here); NULL otherwise. *matched (or
 * NULL) gets the prefix by which it was found, as results show it. Platform addresses are the caller's
 * business. */
const struct eff_route *routes_select(const struct eff_table *t, ip4 dst, struct prefix4 *matched);

/* Every shown row that holds dst, best first, with the prefix that holds it and what it won or lost by. */
struct route_candidate {
    const struct eff_route *row;
    struct prefix4 prefix;
    bool wins;
    const char *why; /* never NULL: a sentence without full stop, with the rule id */
};
size_t routes_candidates(struct arena *a, const struct eff_table *t, ip4 dst, struct route_candidate **out);

/* The table for a plain longest-prefix structure: pure longest match over the entries gives, for every
 * address, the row that routes_select gives, and its matched prefix. => the number of entries, sorted by
 * prefix, no prefix twice. */
struct route_entry {
    struct prefix4 prefix;  /* key */
    uint32_t row;           /* index into eff_table.row */
    struct prefix4 matched; /* the row's own prefix; as long as key or shorter */
};
size_t routes_compile(struct arena *a, const struct eff_table *t, struct route_entry **out);

/* => whether addr lies in a None row by one reading of the documents only (Y-03, Y-04). */
bool routes_none_differs(ip4 addr);

/* => the words of F-01 and F-02; literals. */
const char *route_source_word(enum route_source s);
const char *route_state_word(enum route_state s);
const char *nexthop_type_word(enum nexthop_type t);

/* Print as `az network nic show-effective-route-table` does: -o table (F-02) and -o json (F-01; one line per
 * gateway instance, Y-11). => 0, or a negative errno when writing failed. */
int routes_print_table(FILE *to, const struct eff_table *t);
int routes_print_json(FILE *to, const struct eff_table *t);

#endif
