/* compile_routes.c - effective routes become tables of next hops. */
#include "topology/compile_int.h"

#include <string.h>

static uint8_t peer_link(const struct vnet *a, const struct vnet *b)
{
    return a == b                                  ? LINK_INTRA_VNET
           : strcmp(a->location, b->location) == 0 ? LINK_REGIONAL_PEERING
                                                   : LINK_GLOBAL_PEERING;
}

/* One direction over a peering: from the network that owns the link into the remote one. */
static uint32_t crossing_of(struct work *w, const struct peering *p)
{
    for (size_t i = 0; i < w->img->n_crossings; i++)
        if (w->c->crossing[i] == p)
            return (uint32_t)i;
    struct image_crossing *x =
        arena_push(w->img->arena, &w->img->crossing, &w->img->n_crossings, &w->cap_crossings, sizeof *x);
    x->closed = peering_allows(p) ? REASON_NONE : REASON_NO_PEERING;
    x->forwarded = p->reverse && p->reverse->allowForwardedTraffic; /* the receiver's link decides (P-04) */
    *(const struct peering **)arena_push(w->c->arena, &w->c->crossing, &w->n_crossing_notes,
                                         &w->cap_crossing_notes, sizeof p) = p;
    return (uint32_t)w->img->n_crossings - 1;
}

static struct image_table *table_add(struct work *w, const struct eff_table *rows, size_t n, uint32_t *index)
{
    struct image_table *t =
        arena_push(w->img->arena, &w->img->table, &w->img->n_tables, &w->cap_tables, sizeof *t);
    *index = (uint32_t)w->img->n_tables - 1;
    *(const struct eff_table **)arena_push(w->c->arena, &w->c->table, &w->n_table_notes, &w->cap_table_notes,
                                           sizeof rows) = rows;
    t->nexthop = arena_array(w->img->arena, n, sizeof *t->nexthop);
    t->n = n;
    return t;
}

/* Routes of a table in the making; of equal prefixes the last one counts. */
struct route_list {
    struct lpm_route *at;
    size_t n, cap;
};

static void route_add(struct work *w, struct route_list *l, struct prefix4 p, uint32_t nexthop)
{
    struct lpm_route *r = arena_push(w->c->arena, &l->at, &l->n, &l->cap, sizeof *r);
    *r = (struct lpm_route){p.addr, nexthop, p.len};
}

static void table_seal(struct work *w, struct image_table *t, const struct route_list *l)
{
    int rc = w->img->reference ? lpm_ref_build(&t->ref, l->at, l->n) : lpm_build(&t->lpm, l->at, l->n);
    if (rc)
        arena_oom("route table");
}

static struct image_nexthop nexthop_port(const struct work *w, uint32_t port, uint8_t link)
{
    (void)w;
    return (struct image_nexthop){.action = port == PORT_NONE ? NH_DROP : NH_PORT,
                                  .reason = REASON_NO_HEALTHY_BACKEND,
                                  .port = port,
                                  .crossing = NONE32,
                                  .link = link};
}

static void equal_sites(struct work *w, const struct eff_route *r, struct image_nexthop *nh)
{
    uint32_t *at = r->n_sites ? arena_array(w->img->arena, r->n_sites, sizeof *at) : NULL;
    for (size_t i = 0; i < r->n_sites; i++)
        at[i] = compile_onprem_realm(w, r->sites[i]);
    nh->realms = at;
    nh->n_realms = (uint32_t)r->n_sites;
}

/* What a row of effective routes asks the data plane to do. own: the gateway whose subnet's table this is, or
 * NULL. */
static struct image_nexthop nexthop_of(struct work *w, const struct eff_table *t, const struct eff_route *r,
                                       const struct gateway *own)
{
    const struct vnet *here = t->view.vnet, *there = r->remote ? r->remote : here;
    const uint8_t link = peer_link(here, there);
    struct image_nexthop nh = {.action = NH_DROP, .reason = REASON_ROUTE_NONE, .crossing = NONE32};
    if (r->drop != REASON_NONE) {
        nh.reason = r->drop;
        if (r->appliance && r->appliance->powerState == POWER_DEALLOCATED) {
            nh.stopped = true;
            nh.port = port_of(w->r, THING(NIC, r->appliance));
        }
        nh.row = r->index;
        return nh;
    }
    switch (r->type) {
    case NH_TYPE_VNET_LOCAL:
    case NH_TYPE_VNET_PEERING:
    case NH_TYPE_VNET_GLOBAL_PEERING:
    case NH_TYPE_CONNECTED_GROUP:
        if (r->endpoint) {
            nh = nexthop_port(w, port_of(w->r, THING(ENDPOINT, r->endpoint)), link);
        } else {
            nh.action = NH_REALM;
            nh.realm = compile_realm(w, there);
            nh.link = link;
        }
        break;
    case NH_TYPE_INTERNET:
        nh.action = NH_INTERNET;
        nh.link = LINK_INTERNET;
        break;
    case NH_TYPE_VIRTUAL_APPLIANCE:
        nh = nexthop_port(w,
                          r->appliance      ? port_of(w->r, THING(NIC, r->appliance))
                          : r->appliance_lb ? port_of(w->r, THING(LB_FRONTEND, r->appliance_lb))
                                            : PORT_NONE,
                          link);
        break;
    case NH_TYPE_VIRTUAL_NETWORK_GATEWAY:
        if (own && r->onprem && r->gateway == own) {
            nh.action = NH_ONPREM;
            nh.realm = compile_onprem_realm(w, r->onprem);
            nh.link = LINK_GATEWAY;
            equal_sites(w, r, &nh);
        } else if (r->gateway && r->gateway != own) {
            nh = nexthop_port(w, port_of(w->r, THING(GATEWAY, r->gateway)), link);
        }
        break;
    case NH_TYPE_SERVICE_ENDPOINT:
        nh.action = NH_SERVICE;
        nh.link = LINK_BACKBONE;
        break;
    case NH_TYPE_INTERFACE_ENDPOINT:
        nh = nexthop_port(w, port_of(w->r, THING(ENDPOINT, r->endpoint)), link);
        break;
    case NH_TYPE_NONE:
    case NH_TYPE_COUNT:
        break;
    }
    if (r->peering)
        nh.crossing = crossing_of(w, r->peering);
    nh.row = r->index;
    return nh;
}

/* Where traffic that is forced to a gateway goes: the site that announces 0.0.0.0/0, else its first one. */
static const struct onprem *default_site(const struct gateway *g)
{
    for (size_t i = 0; i < g->connections.n; i++)
        for (size_t k = 0; k < g->connections.at[i]->addressPrefixes.n; k++)
            if (g->connections.at[i]->addressPrefixes.at[k].len == 0)
                return g->connections.at[i];
    return g->connections.n ? g->connections.at[0] : NULL;
}

uint32_t compile_table(struct work *w, const struct eff_table *rows, const struct gateway *own)
{
    uint32_t index;
    struct route_entry *entry;
    struct image_table *t = table_add(w, rows, rows->n_all, &index);
    for (size_t i = 0; i < rows->n_all; i++) {
        t = &w->img->table[index];
        struct image_nexthop nh = nexthop_of(w, rows, &rows->row[i], own);
        const struct onprem *site = own ? default_site(own) : NULL;
        if (site && nh.action == NH_INTERNET) {
            nh.action = NH_ONPREM;
            nh.realm = compile_onprem_realm(w, site);
            nh.link = LINK_GATEWAY;
        }
        t->nexthop[i] = nh;
    }
    struct route_list list = {0};
    const size_t n = routes_compile(w->c->arena, rows, &entry);
    for (size_t i = 0; i < n; i++)
        route_add(w, &list, entry[i].prefix, entry[i].row);
    table_seal(w, t, &list);
    return index;
}

uint32_t compile_subnet_table(struct work *w, const struct subnet *s)
{
    uint32_t *at = &w->subnet_table[s->id];
    if (*at == NONE32)
        *at = compile_table(w, routes_effective(w->c->arena, w->m, s), NULL);
    return *at;
}

uint32_t compile_vnet_table(struct work *w, const struct vnet *v)
{
    uint32_t *at = &w->vnet_table[v->index];
    if (*at == NONE32)
        *at = compile_table(w, routes_effective_view(w->c->arena, w->m, (struct route_view){v, NULL}), NULL);
    return *at;
}

static bool connects(const struct gateway *g, const struct onprem *o)
{
    for (size_t i = 0; i < g->connections.n; i++)
        if (g->connections.at[i] == o)
            return true;
    return false;
}

/* What an on-premises network knows: itself, the networks behind its gateways (P-11, P-12 with gateway
 * transit), and its own way out for the rest. */
uint32_t compile_onprem_table(struct work *w, const struct onprem *o)
{
    uint32_t index;
    const size_t n_gw = w->m->virtualNetworkGateways.n;
    struct image_table *t = table_add(w, NULL, 2 + n_gw, &index);
    const uint32_t realm = compile_onprem_realm(w, o);
    t->nexthop[0] = (struct image_nexthop){
        .action = NH_ONPREM, .realm = realm, .crossing = NONE32, .link = LINK_INTRA_VNET, .row = NONE32};
    t->nexthop[1] = (struct image_nexthop){
        .action = NH_REALM, .realm = realm, .crossing = NONE32, .link = LINK_INTRA_VNET, .row = NONE32};
    struct route_list list = {0};
    route_add(w, &list, (struct prefix4){0, 0}, 0);
    for (size_t g = n_gw; g-- > 0;) { /* the first gateway in the file wins */
        const struct gateway *gw = &w->m->virtualNetworkGateways.at[g];
        if (!connects(gw, o))
            continue;
        t->nexthop[2 + g] = nexthop_port(w, port_of(w->r, THING(GATEWAY, gw)), LINK_GATEWAY);
        t->nexthop[2 + g].row = NONE32;
        const struct vnet *v = gw->virtualNetwork;
        for (size_t i = 0; i < v->addressPrefixes.n; i++)
            route_add(w, &list, v->addressPrefixes.at[i], 2 + (uint32_t)g);
        for (size_t k = 0; k < v->virtualNetworkPeerings.n; k++) {
            const struct peering *p = &v->virtualNetworkPeerings.at[k];
            if (!p->reverse || !p->allowGatewayTransit || !p->reverse->useRemoteGateways)
                continue;
            for (size_t i = 0; i < p->remoteVirtualNetwork->addressPrefixes.n; i++)
                route_add(w, &list, p->remoteVirtualNetwork->addressPrefixes.at[i], 2 + (uint32_t)g);
        }
    }
    for (size_t i = 0; i < o->addressPrefixes.n; i++)
        if (o->addressPrefixes.at[i].len)
            route_add(w, &list, o->addressPrefixes.at[i], 1);
    table_seal(w, t, &list);
    return index;
}
