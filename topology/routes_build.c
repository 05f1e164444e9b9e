/* routes_build.c - the rows of a table, before anything is said about which of them win.
 *
 * Each function appends one kind of row; routes_build calls them in the order in which Azure's tools list
 * them (F-03).
 *
 * Where the rules are silent, the model decides:
 * - None rows vanish before a peer's prefix as they do before the network's own (Y-05 speaks of the latter
 *   only).
 * - A subnet peering brings the endpoints of the listed subnets, not those of others (follows from Y-19).
 * - Rows over a peering that does not allow access are listed and drop (P-03: object and state remain).
 * - ExpressRoute rows should show the provider's edge (Y-11); the scenario knows no such address, so they
 *   show what a VPN gateway's row would.
 * - A connected group (Y-20) is like a peering that allows access and forwarded traffic, in neither direction
 * a gateway; where both lead to a network, the peering's rows are listed first and so stay.
 * - A VnetLocal user route is inside the network or is None as a whole: what is broader than every
 *   network prefix is only ever used for addresses outside, because the longer system row takes those inside.
 */
#include "topology/connected.h"
#include "topology/regions.h"
#include "topology/routes_int.h"
#include "topology/tags.h"
#include "topology/types.h"

#include <stdlib.h>
#include <string.h>

/* -- helpers --------------------------------------------------------------------------------------------- */

static struct eff_route *row_add(struct route_build *b, enum route_source source, enum nexthop_type type,
                                 struct origin origin)
{
    struct eff_route *r = arena_push(b->a, &b->row, &b->n, &b->cap, sizeof *b->row);
    r->index = (uint32_t)(b->n - 1);
    r->source = source;
    r->type = r->asked = type;
    r->origin = origin;
    return r;
}

static void row_prefix(struct route_build *b, struct eff_route *r, struct prefix4 p)
{
    struct prefix4 *one = arena_alloc(b->a, sizeof *one);
    *one = p;
    r->prefix = one;
    r->n_prefix = 1;
}

static void row_drop(struct eff_route *r, enum reason reason, const char *why)
{
    r->drop = reason;
    r->why = why;
}

/* Effective None: the configured next hop does not work; its address stays. */
static void row_none(struct eff_route *r, const char *why)
{
    r->type = NH_TYPE_NONE;
    row_drop(r, REASON_ROUTE_NONE, why);
}

/* The row leads over a link of the own network. */
static void row_over(struct route_build *b, struct eff_route *r, const struct peering *p)
{
    r->peering = p;
    r->remote = p->remoteVirtualNetwork;
    if (!peering_allows(p))
        row_drop(r, REASON_NO_PEERING,
                 arena_printf(b->a, "the peering with %s does not allow virtual network access (P-03)",
                              r->remote->name));
    else if (!peering_lists(p, b->view.subnet))
        row_drop(r, REASON_NO_PEERING,
                 arena_printf(b->a, "the subnet peering with %s does not list this subnet (Y-19)",
                              r->remote->name));
}

static const struct route_table *table_of(const struct route_build *b)
{
    return b->view.subnet ? b->view.subnet->routeTable : NULL;
}

/* -- system rows ----------------------------------------------------------------------------------------- */

static void add_own(struct route_build *b) /* Y-01 */
{
    const struct vnet *v = b->view.vnet;
    for (size_t i = 0; i < v->addressPrefixes.n; i++)
        row_prefix(b, row_add(b, ROUTE_DEFAULT, NH_TYPE_VNET_LOCAL, v->at), v->addressPrefixes.at[i]);
}

static void add_peerings(struct route_build *b) /* Y-09, Y-19, P-01 */
{
    const struct vnet *v = b->view.vnet;
    for (size_t i = 0; i < v->virtualNetworkPeerings.n; i++) {
        const struct peering *p = &v->virtualNetworkPeerings.at[i];
        bool same = region_same(v->location, p->remoteVirtualNetwork->location);
        prefix_list list = peering_prefixes(b->scratch, p);
        for (size_t k = 0; k < list.n; k++) {
            struct eff_route *r =
                row_add(b, ROUTE_DEFAULT, same ? NH_TYPE_VNET_PEERING : NH_TYPE_VNET_GLOBAL_PEERING, p->at);
            row_prefix(b, r, list.at[k]);
            row_over(b, r, p);
        }
    }
}

static bool has_connected(const struct route_build *b, const struct vnet *remote, struct prefix4 p)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->row[i].type == NH_TYPE_CONNECTED_GROUP && b->row[i].remote == remote &&
            prefix4_eq(b->row[i].prefix[0], p))
            return true;
    return false;
}

static void add_connected(struct route_build *b) /* Y-20 */
{
    struct connected_link *link;
    const size_t n = connected_links(b->scratch, b->view.vnet, &link);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < link[i].space.n; k++) {
            if (b->view.vnet->connectedGroups.n > 1 && has_connected(b, link[i].remote, link[i].space.at[k]))
                continue;
            struct eff_route *r =
                row_add(b, ROUTE_DEFAULT, NH_TYPE_CONNECTED_GROUP, link[i].group->config->at);
            row_prefix(b, r, link[i].space.at[k]);
            r->remote = link[i].remote;
            r->connected = link[i].group;
        }
}

static void gateway_hops(struct eff_route *r, const struct gateway *g) /* Y-11 */
{
    if (!g->activeActive && g->publicIPAddress) {
        r->next_hop[r->n_next_hop++] = g->publicIPAddress->ipAddress;
        return;
    }
    for (size_t i = 0; i < g->instances.n && r->n_next_hop < ROUTE_HOPS_MAX; i++)
        r->next_hop[r->n_next_hop++] = g->instances.at[i];
}

static struct gateway_connection connection_of(const struct gateway *g, const struct onprem *o)
{
    for (size_t i = 0; i < g->connectionProperties.n; i++)
        if (g->connectionProperties.at[i].onPremisesNetwork == o)
            return g->connectionProperties.at[i];
    return (struct gateway_connection){.asPathLength = 1};
}

/* Two connections that announce one prefix and are equal in everything are one row with two ways.
 * => whether the site has joined a row. */
static bool join_equal(struct route_build *b, size_t first, const struct gateway *g, const struct onprem *o,
                       struct prefix4 p, const struct gateway_connection *x)
{
    for (size_t i = first; i < b->n; i++) {
        struct eff_route *r = &b->row[i];
        if (r->gateway != g || !prefix4_eq(r->prefix[0], p) || r->weight != x->routingWeight ||
            r->path_length != x->asPathLength)
            continue;
        const struct onprem **sites = arena_array(b->a, r->n_sites + 2, sizeof *sites);
        if (r->n_sites)
            memcpy(sites, r->sites, r->n_sites * sizeof *sites);
        else
            sites[r->n_sites++] = r->onprem;
        sites[r->n_sites++] = o;
        r->sites = sites;
        return true;
    }
    return false;
}

static void add_gateway(struct route_build *b, const struct gateway *g, const struct peering *via)
{
    const size_t first = b->n;
    for (size_t i = 0; i < g->connections.n; i++) {
        const struct onprem *o = g->connections.at[i];
        const struct gateway_connection x = connection_of(g, o);
        for (size_t k = 0; k < o->addressPrefixes.n; k++) {
            if (join_equal(b, first, g, o, o->addressPrefixes.at[k], &x))
                continue;
            struct eff_route *r = row_add(b, ROUTE_GATEWAY, NH_TYPE_VIRTUAL_NETWORK_GATEWAY, o->at);
            row_prefix(b, r, o->addressPrefixes.at[k]);
            r->gateway = g;
            r->onprem = o;
            r->weight = x.routingWeight;
            r->path_length = x.asPathLength;
            gateway_hops(r, g);
            if (via)
                row_over(b, r, via);
        }
    }
}

/* Y-10, Y-12, R-23. => whether 0.0.0.0/0 was learned. */
static bool add_gateways(struct route_build *b)
{
    const struct gateway *g[ROUTE_GATEWAYS_MAX];
    const struct peering *via;
    const struct route_table *t = table_of(b);
    if (t && t->disableBgpRoutePropagation)
        return false;
    size_t first = b->n, n = gateways_of(b->m, b->view.vnet, g, ROUTE_GATEWAYS_MAX, &via);
    for (size_t i = 0; i < n; i++)
        add_gateway(b, g[i], via);
    bool learned = false;
    for (size_t i = first; i < b->n; i++)
        learned |= b->row[i].prefix[0].len == 0;
    return learned;
}

static void add_internet(struct route_build *b) /* Y-02 */
{
    row_prefix(b, row_add(b, ROUTE_DEFAULT, NH_TYPE_INTERNET, (struct origin){0}), (struct prefix4){0, 0});
}

/* Whether a row of the network itself or of a peer takes the None row's place (Y-05), or a user route does
 * (Y-08). */
static bool none_replaced(const struct route_build *b, struct prefix4 none)
{
    for (size_t i = 0; i < b->n; i++)
        if (route_is_network(&b->row[i]) && prefix4_covers(b->row[i].prefix[0], none))
            return true;
    const struct route_table *t = table_of(b);
    for (size_t i = 0; t && i < t->routes.n; i++)
        if (!t->routes.at[i].tag && prefix4_eq(t->routes.at[i].addressPrefix, none))
            return true;
    return false;
}

static bool user_default(const struct route_build *b) /* Y-06 */
{
    const struct route_table *t = table_of(b);
    for (size_t i = 0; t && i < t->routes.n; i++)
        if (!t->routes.at[i].tag && t->routes.at[i].addressPrefix.len == 0)
            return true;
    return false;
}

/* Y-03, and Y-04; listed by mask, then address. */
static const struct prefix4 none_documented[] = {
    {IP4(10, 0, 0, 0), 8}, {IP4(100, 64, 0, 0), 10}, {IP4(172, 16, 0, 0), 12}, {IP4(192, 168, 0, 0), 16}};
static const struct prefix4 none_observed[] = {
    {IP4(10, 0, 0, 0), 8},     {IP4(127, 0, 0, 0), 8},    {IP4(100, 64, 0, 0), 10},  {IP4(25, 48, 0, 0), 12},
    {IP4(172, 16, 0, 0), 12},  {IP4(25, 4, 0, 0), 14},    {IP4(25, 30, 0, 0), 15},   {IP4(198, 18, 0, 0), 15},
    {IP4(25, 33, 0, 0), 16},   {IP4(40, 109, 0, 0), 16},  {IP4(104, 147, 0, 0), 16}, {IP4(157, 59, 0, 0), 16},
    {IP4(192, 168, 0, 0), 16}, {IP4(40, 108, 0, 0), 17},  {IP4(104, 146, 0, 0), 17}, {IP4(23, 103, 0, 0), 18},
    {IP4(25, 41, 0, 0), 20},   {IP4(20, 35, 252, 0), 22},
};
#define N_OF(a) (sizeof(a) / sizeof(a)[0])

static void add_none(struct route_build *b)
{
    bool all = b->m->switches.noneRoutesObserved;
    const struct prefix4 *list = all ? none_observed : none_documented;
    size_t n = all ? N_OF(none_observed) : N_OF(none_documented);
    for (size_t i = 0; i < n; i++) {
        if (none_replaced(b, list[i]))
            continue;
        struct eff_route *r = row_add(b, ROUTE_DEFAULT, NH_TYPE_NONE, (struct origin){0});
        row_prefix(b, r, list[i]);
        row_drop(r, REASON_ROUTE_NONE, "address space that nobody claims is dropped (Y-03)");
    }
}

bool routes_none_differs(ip4 addr)
{
    bool documented = false, observed = false;
    for (size_t i = 0; i < N_OF(none_documented); i++)
        documented |= prefix4_has(none_documented[i], addr);
    for (size_t i = 0; i < N_OF(none_observed); i++)
        observed |= prefix4_has(none_observed[i], addr);
    return documented != observed;
}

/* -- service endpoints ----------------------------------------------------------------------------------- */

struct tag_gather {
    const struct tag **at;
    size_t n, cap;
};

static void tag_gather(struct route_build *b, struct tag_gather *g, const struct tag *t)
{
    if (t && t->n)
        *(const struct tag **)arena_push(b->scratch, &g->at, &g->n, &g->cap, sizeof *g->at) = t;
}

/* The regions that an endpoint reaches: those it names, else the default of its service (SE-05). n = 0: all.
 */
static str_list regions_of(struct route_build *b, const struct service_endpoint *se,
                           const struct service_endpoint_namespace *ns)
{
    const char **own = arena_array(b->scratch, 2, sizeof *own);
    for (size_t i = 0; i < se->locations.n; i++)
        if (strcmp(se->locations.at[i], "*") == 0)
            return (str_list){NULL, 0};
    if (se->locations.n)
        return se->locations;
    return (str_list){own, namespace_regions(b->scratch, ns, b->view.vnet->location, own)};
}

/* Which tags say what the endpoint covers: those of its regions, or the global one where it spans all. */
static struct tag_gather endpoint_tags(struct route_build *b, const struct service_endpoint *se,
                                       const struct service_endpoint_namespace *ns)
{
    struct tag_gather g = {0};
    const str_list regions = regions_of(b, se, ns);
    for (size_t k = 0; ns->tags[k]; k++) {
        if (!regions.n)
            tag_gather(b, &g, tagset_find(b->m->tags, ns->tags[k]));
        for (size_t i = 0; i < regions.n; i++)
            tag_gather(b, &g, tagset_regional(b->m->tags, ns->tags[k], regions.at[i]));
    }
    return g;
}

/* One tag is used as it stands; several are merged, a prefix that occurs twice kept once. */
static void row_tags(struct route_build *b, struct eff_route *r, const struct tag_gather *g)
{
    r->prefix = g->at[0]->prefixes4;
    r->n_prefix = g->at[0]->n;
    if (g->n == 1)
        return;
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < g->n; i++)
        n += g->at[i]->n;
    struct prefix4 *all = arena_array(b->a, n, sizeof *all);
    n = 0;
    for (size_t i = 0; i < g->n; i++) {
        memcpy(all + n, g->at[i]->prefixes4, g->at[i]->n * sizeof *all);
        n += g->at[i]->n;
    }
    qsort(all, n, sizeof *all, prefix4_cmp);
    for (size_t i = 0; i < n; i++)
        if (!kept || !prefix4_eq(all[kept - 1], all[i]))
            all[kept++] = all[i];
    r->prefix = all;
    r->n_prefix = kept;
}

static void add_service_endpoints(struct route_build *b) /* Y-13, Y-14, SE-05 */
{
    const struct subnet *s = b->view.subnet;
    for (size_t i = 0; s && b->m->tags && i < s->serviceEndpoints.n; i++) {
        const struct service_endpoint *se = &s->serviceEndpoints.at[i];
        const struct service_endpoint_namespace *ns = namespace_find(se->service);
        struct tag_gather g = {0};
        if (ns)
            g = endpoint_tags(b, se, ns);
        if (!g.n)
            continue;
        struct eff_route *r = row_add(b, ROUTE_DEFAULT, NH_TYPE_SERVICE_ENDPOINT, se->at);
        r->service_endpoint = se;
        r->tag = ns->tags[0];
        row_tags(b, r, &g);
    }
}

/* -- private endpoints ----------------------------------------------------------------------------------- */

/* The own links by the network they lead to. */
static const struct peering **links_by_vnet(struct route_build *b)
{
    const struct vnet *v = b->view.vnet;
    const struct peering **link = arena_array(b->scratch, b->m->virtualNetworks.n, sizeof *link);
    for (size_t i = 0; i < v->virtualNetworkPeerings.n; i++) {
        const struct peering *p = &v->virtualNetworkPeerings.at[i];
        if (p->reverse && !link[p->remoteVirtualNetwork->index])
            link[p->remoteVirtualNetwork->index] = p;
    }
    return link;
}

/* The connected group by which a network is reached, or NULL; the first in the file. */
static const struct connected_group **groups_by_vnet(struct route_build *b)
{
    struct connected_link *link;
    const size_t n = connected_links(b->scratch, b->view.vnet, &link);
    const struct connected_group **group = arena_array(b->scratch, b->m->virtualNetworks.n, sizeof *group);
    for (size_t i = n; i-- > 0;)
        group[link[i].remote->index] = link[i].group;
    return group;
}

/* The row leads over a connected group, which may be for high-scale networks only. */
static void row_connected(struct route_build *b, struct eff_route *r, const struct connected_group *g)
{
    const struct vnet *v = b->view.vnet;
    r->connected = g;
    r->remote = r->endpoint->subnet->vnet;
    if (g->config->connectivityCapabilities.connectedGroupPrivateEndpointsScale &&
        v->privateEndpointVNetPolicies != VNETPOL_BASIC)
        row_drop(r, REASON_NO_PEERING,
                 arena_printf(
                     b->a,
                     "endpoints of a HighScale connected group take privateEndpointVNetPolicies Basic, which "
                     "%s does not have (Y-20)",
                     v->name));
}

static void add_endpoints(struct route_build *b) /* Y-15, Y-16, Y-17, Y-20 */
{
    const struct peering **link = links_by_vnet(b);
    const struct connected_group **group = groups_by_vnet(b);
    for (size_t i = 0; i < b->m->privateEndpoints.n; i++) {
        const struct private_endpoint *pe = &b->m->privateEndpoints.at[i];
        const struct vnet *home = pe->subnet->vnet;
        const struct peering *p = home == b->view.vnet ? NULL : link[home->index];
        const struct connected_group *g = p || home == b->view.vnet ? NULL : group[home->index];
        if (home != b->view.vnet && !p && !g)
            continue;
        for (size_t k = 0; k < pe->ipConfigurations.n; k++) {
            const struct pe_ip *ip = &pe->ipConfigurations.at[k];
            if (p && !peering_exposes(p, ip->privateIPAddress))
                continue;
            if (g && !connected_exposes(b->view.vnet, home, ip->privateIPAddress))
                continue;
            struct eff_route *r =
                row_add(b, ROUTE_DEFAULT, NH_TYPE_INTERFACE_ENDPOINT, ip->at.file ? ip->at : pe->at);
            row_prefix(b, r, (struct prefix4){ip->privateIPAddress, 32});
            r->endpoint = pe;
            r->endpoint_ip = ip;
            if (p)
                row_over(b, r, p);
            else if (g)
                row_connected(b, r, g);
        }
    }
}

/* -- user routes ----------------------------------------------------------------------------------------- */

static const struct nic *nic_at(const struct model *m, const struct vnet *v, ip4 ip)
{
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *nic = &m->networkInterfaces.at[i];
        if (nic->privateIPAddress == ip && nic->subnet->vnet == v)
            return nic;
    }
    return NULL;
}

static const struct lb_frontend *frontend_at(const struct model *m, const struct vnet *v, ip4 ip)
{
    for (size_t i = 0; i < m->loadBalancers.n; i++) {
        const struct load_balancer *lb = &m->loadBalancers.at[i];
        for (size_t k = 0; k < lb->frontendIPConfigurations.n; k++) {
            const struct lb_frontend *fe = &lb->frontendIPConfigurations.at[k];
            if (fe->subnet && fe->subnet->vnet == v && fe->privateIPAddress == ip)
                return fe;
        }
    }
    return NULL;
}

/* Who has the next hop's address in network v? */
static bool appliance_in(struct route_build *b, struct eff_route *r, const struct vnet *v)
{
    r->appliance = nic_at(b->m, v, r->next_hop[0]);
    if (!r->appliance)
        r->appliance_lb = frontend_at(b->m, v, r->next_hop[0]);
    return r->appliance || r->appliance_lb;
}

/* The same one connected group away (Y-20). */
static bool connected_appliance(struct route_build *b, struct eff_route *r)
{
    struct connected_link *link;
    const size_t n = connected_links(b->scratch, b->view.vnet, &link);
    for (size_t i = 0; i < n; i++) {
        if (!connected_exposes(b->view.vnet, link[i].remote, r->next_hop[0]) ||
            !appliance_in(b, r, link[i].remote))
            continue;
        r->remote = link[i].remote;
        r->connected = link[i].group;
        return true;
    }
    return false;
}

/* the address must be that of a running interface or of an internal frontend, here or one peering
 * away. */
static void user_appliance(struct route_build *b, struct eff_route *r)
{
    const struct vnet *v = b->view.vnet;
    char ip[IP4_STRLEN];
    bool found = appliance_in(b, r, v);
    for (size_t i = 0; !found && i < v->virtualNetworkPeerings.n; i++) {
        const struct peering *p = &v->virtualNetworkPeerings.at[i];
        if (!peering_exposes(p, r->next_hop[0]) || !appliance_in(b, r, p->remoteVirtualNetwork))
            continue;
        row_over(b, r, p);
        found = true;
    }
    found = found || connected_appliance(b, r);
    if (!found)
        row_none(r,
                 arena_printf(
                     b->a, "nothing in this network or a directly peered one has the address %s (R-16, R-17)",
                     ip4_format(r->next_hop[0], ip)));
    else if (r->appliance && r->appliance->powerState == POWER_DEALLOCATED)
        row_none(r, arena_printf(b->a, "%s, which has the address %s, is deallocated (R-17)",
                                 r->appliance->name, ip4_format(r->next_hop[0], ip)));
}

static void user_gateway(struct route_build *b, struct eff_route *r) /* */
{
    const struct gateway *g[ROUTE_GATEWAYS_MAX];
    const struct peering *via;
    size_t n = gateways_of(b->m, b->view.vnet, g, ROUTE_GATEWAYS_MAX, &via);
    if (!n)
        row_none(r, "the network has no gateway and uses no peer's (R-17)");
    else if (n == 1 && g[0]->type == GATEWAY_VPN)
        r->gateway = g[0];
    else
        row_none(r, n == 1 ? "a user route cannot lead to an ExpressRoute gateway (R-15, R-25)"
                           : "a user route cannot lead to a gateway where two coexist (R-15)");
    if (r->gateway && via)
        row_over(b, r, via);
}

static void user_local(struct route_build *b, struct eff_route *r) /* */
{
    for (size_t i = 0; i < r->n_prefix; i++) {
        bool inside = false;
        for (size_t k = 0; k < b->view.vnet->addressPrefixes.n; k++)
            inside |= prefix4_covers(b->view.vnet->addressPrefixes.at[k], r->prefix[i]);
        if (inside)
            continue;
        row_none(r, arena_printf(b->a, "VnetLocal for addresses outside %s delivers nothing (R-18)",
                                 b->view.vnet->name));
        return;
    }
}

static void user_hop(struct route_build *b, struct eff_route *r, const struct route *u)
{
    if (u->nextHopType == NH_TYPE_VIRTUAL_APPLIANCE) {
        r->next_hop[r->n_next_hop++] = u->nextHopIpAddress;
        user_appliance(b, r);
    } else if (u->nextHopType == NH_TYPE_VIRTUAL_NETWORK_GATEWAY) {
        user_gateway(b, r);
    } else if (u->nextHopType == NH_TYPE_VNET_LOCAL) {
        user_local(b, r);
    } else if (u->nextHopType == NH_TYPE_NONE) {
        row_drop(r, REASON_ROUTE_NONE, "the user route asks for next hop None (R-15)");
    }
}

static void add_user(struct route_build *b, const struct route *u)
{
    const struct tag *t = u->tag && b->m->tags ? tagset_find(b->m->tags, u->tag) : NULL;
    if (u->tag && (!t || !t->n)) /* a tag without IPv4 prefixes routes nothing */
        return;
    struct eff_route *r = row_add(b, ROUTE_USER, u->nextHopType, u->at);
    r->name = u->name;
    r->route = u;
    r->tag = u->tag;
    if (t) {
        r->prefix = t->prefixes4;
        r->n_prefix = t->n;
    } else {
        row_prefix(b, r, u->addressPrefix);
    }
    user_hop(b, r, u);
}

void routes_build(struct route_build *b)
{
    const struct route_table *t = table_of(b);
    add_own(b);
    add_peerings(b);
    add_connected(b);
    if (!add_gateways(b)) { /* Y-07 */
        add_internet(b);
        if (!user_default(b))
            add_none(b);
    }
    add_service_endpoints(b);
    add_endpoints(b);
    for (size_t i = 0; t && i < t->routes.n; i++)
        add_user(b, &t->routes.at[i]);
}
