/* routes.c - effective routes of a subnet.
 *
 * Purpose. Azure answers "where does this packet go" from one list per subnet, which mixes what the network
 * is (its own prefixes, peers, endpoints), what a gateway learned and what the user asked for. This module
 * makes that list as Azure's tools show it, keeps for every row that loses the reason why, and turns it into
 * a plain longest-prefix table for the packet path. What was asked stays apart from what was compiled: the
 * list is for people, the table for packets.
 *
 * Parts:
 * - routes_build.c    the rows, kind by kind (Y-01 to Y-20, R-15 to R-18)
 * - routes_state.c    which of them live: endpoints, equal prefixes, slices
 * - routes_select.c   one address: which row wins; the same for all addresses at once
 * - routes_explain.c  one address: every row that holds it, with what it lost by
 * - routes_print.c    the tool's table and JSON (F-01, F-02)
 *
 * Representation. A row is a set of prefixes that share everything else: one for most, thousands for a
 * service endpoint or a service-tag route. Prefix arrays are borrowed from the tag set where they can be. A
 * row's prefix is alive or has lost (route_loss); the row is Invalid when it has lost all. Rows are numbered
 * by position; after them come the slices, hidden copies of rows for single endpoint addresses.
 *
 * Invariants. Of living pairs (prefix, row) no two have the same prefix. Each slice's address is one shown
 * Invalid endpoint row's. Rows and reasons depend on nothing but the model: not on addresses in memory, not
 * on hash order.
 *
 * Cost. Building is linear in the model's endpoints and interfaces, settling n log n in the prefixes. A
 * subnet with two large service endpoints has some thousand prefixes, most have ten.
 *
 * Not here. Platform addresses never reach a table. hasBgpOverride has no key in scenarios and
 * is always false. ECMP is the packet path's: gateway rows carry all instances in `gateway`, and all
 * equal connections in `sites`.
 */
#include "topology/routes_int.h"

const struct eff_table *routes_effective_view(struct arena *a, const struct model *m, struct route_view v)
{
    struct route_build b = {.a = a, .scratch = arena_new("effective routes"), .m = m, .view = v};
    routes_build(&b);
    size_t endpoints = 0;
    for (size_t i = 0; i < b.n; i++)
        endpoints += b.row[i].endpoint != NULL;
    /* From here on rows stay where they are: losers point to winners. */
    struct eff_route *row = arena_array(a, b.n + endpoints, sizeof *row);
    for (size_t i = 0; i < b.n; i++)
        row[i] = b.row[i];
    b.row = row;
    routes_settle(&b);
    arena_free(b.scratch);
    struct eff_table *t = arena_alloc(a, sizeof *t);
    *t = (struct eff_table){.model = m, .view = v, .row = row, .n = b.n, .n_all = b.n_all};
    return t;
}

const struct eff_table *routes_effective(struct arena *a, const struct model *m, const struct subnet *s)
{
    return routes_effective_view(a, m, (struct route_view){s->vnet, s});
}

bool route_is_network(const struct eff_route *r)
{
    return r->source == ROUTE_DEFAULT &&
           (r->type == NH_TYPE_VNET_LOCAL || r->type == NH_TYPE_VNET_PEERING ||
            r->type == NH_TYPE_VNET_GLOBAL_PEERING || r->type == NH_TYPE_INTERFACE_ENDPOINT ||
            r->type == NH_TYPE_CONNECTED_GROUP);
}

bool route_is_system(const struct eff_route *r)
{
    return route_is_network(r) || (r->source == ROUTE_DEFAULT && r->type == NH_TYPE_SERVICE_ENDPOINT);
}

bool route_alive(const struct eff_route *r, size_t i)
{
    return !r->loss || !r->loss[i].why;
}

const char *route_label(struct arena *a, const struct eff_route *r)
{
    if (r->source == ROUTE_USER)
        return arena_printf(a, "user route '%s'", r->name);
    if (r->source == ROUTE_GATEWAY)
        return arena_printf(a, "the gateway row of %s", r->onprem->name);
    if (r->endpoint)
        return arena_printf(a, "the endpoint row of %s", r->endpoint->name);
    if (r->service_endpoint)
        return arena_printf(a, "the service endpoint of %s", r->service_endpoint->service);
    if (r->connected)
        return arena_printf(a, "the connected group row of %s", r->remote->name);
    if (r->remote)
        return arena_printf(a, "the peering row of %s", r->remote->name);
    if (r->type == NH_TYPE_VNET_LOCAL)
        return "the network's own row";
    return r->type == NH_TYPE_INTERNET ? "the system's Internet row" : "the system's None row";
}

enum endpoint_policies route_policy(const struct model *m, const struct subnet *s)
{
    return m->switches.privateEndpointPolicies2021 ? PENP_DISABLED : s->privateEndpointNetworkPolicies;
}

struct prefix4 route_endpoint_space(const struct private_endpoint *pe, ip4 ip)
{
    const struct vnet *v = pe->subnet->vnet;
    for (size_t i = 0; i < v->addressPrefixes.n; i++)
        if (prefix4_has(v->addressPrefixes.at[i], ip))
            return v->addressPrefixes.at[i];
    return (struct prefix4){ip, 32};
}

const char *route_policy_word(enum endpoint_policies p)
{
    static const char *const word[] = {
        [PENP_DISABLED] = "Disabled",
        [PENP_ENABLED] = "Enabled",
        [PENP_NSG] = "NetworkSecurityGroupEnabled",
        [PENP_ROUTE_TABLE] = "RouteTableEnabled",
    };
    return word[p];
}

const char *route_source_word(enum route_source s)
{
    static const char *const word[] = {"Default", "User", "VirtualNetworkGateway"};
    return word[s];
}

const char *route_state_word(enum route_state s)
{
    return s == ROUTE_ACTIVE ? "Active" : "Invalid";
}

const char *nexthop_type_word(enum nexthop_type t)
{
    static const char *const word[NH_TYPE_COUNT] = {
        [NH_TYPE_NONE] = "None",
        [NH_TYPE_VNET_LOCAL] = "VnetLocal",
        [NH_TYPE_VNET_PEERING] = "VNetPeering",
        [NH_TYPE_VNET_GLOBAL_PEERING] = "VNetGlobalPeering",
        [NH_TYPE_INTERNET] = "Internet",
        [NH_TYPE_VIRTUAL_APPLIANCE] = "VirtualAppliance",
        [NH_TYPE_VIRTUAL_NETWORK_GATEWAY] = "VirtualNetworkGateway",
        [NH_TYPE_SERVICE_ENDPOINT] = "VirtualNetworkServiceEndpoint",
        [NH_TYPE_INTERFACE_ENDPOINT] = "InterfaceEndpoint",
        [NH_TYPE_CONNECTED_GROUP] = "ConnectedGroup",
    };
    return word[t];
}
