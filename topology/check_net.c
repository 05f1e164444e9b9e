/* check_net.c - virtual networks: their prefixes, subnets, peerings and gateways. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "topology/address.h"
#include "topology/check_int.h"

static const char *prefix_text(struct check *c, struct prefix4 p)
{
    char buf[PREFIX4_STRLEN];
    return arena_strdup(c->a, prefix4_format(p, buf));
}

/* -- overlap --------------------------------------------------------------------------------------------- */

struct span { /* one prefix of something */
    struct prefix4 prefix;
    const char *what;
    struct origin at;
    size_t order;
};
struct span_list {
    struct span *at;
    size_t n, cap;
};

static void span_add(struct check *c, struct span_list *l, struct prefix4 p, const char *what,
                     struct origin at)
{
    struct span *s = arena_push(c->a, &l->at, &l->n, &l->cap, sizeof *l->at);
    *s = (struct span){p, what, at, l->n - 1};
}

static int span_cmp(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    int r = prefix4_cmp(&x->prefix, &y->prefix);
    return r ? r : (x->order > y->order) - (x->order < y->order);
}

/* Sorted prefixes nest or are disjoint, so whoever overlaps an earlier one overlaps the last outermost one.
 */
static void spans_check(struct check *c, struct span_list *l, const char *where)
{
    if (l->n)
        qsort(l->at, l->n, sizeof *l->at, span_cmp);
    for (size_t i = 1, outer = 0; i < l->n; i++) {
        const struct span *a = &l->at[outer], *b = &l->at[i];
        if (!prefix4_overlap(a->prefix, b->prefix)) {
            outer = i;
            continue;
        }
        const struct span *first = a->order < b->order ? a : b, *later = first == a ? b : a;
        diag_error(c->d, later->at, "%s overlaps %s in %s (A-04)", later->what, first->what, where);
    }
}

/* -- prefixes -------------------------------------------------------------------------------------------- */

static void check_forbidden(struct check *c, struct prefix4 p, struct origin at, const char *where)
{
    static const struct {
        struct prefix4 prefix;
        const char *why;
    } forbidden[] = {
        {{IP4(224, 0, 0, 0), 4}, "multicast"},          {{IP4(255, 255, 255, 255), 32}, "broadcast"},
        {{IP4(127, 0, 0, 0), 8}, "loopback"},           {{IP4(169, 254, 0, 0), 16}, "link-local"},
        {{IP4_PLATFORM, 32}, "the platform's address"},
    };
    char buf[PREFIX4_STRLEN];
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
        if (prefix4_overlap(p, forbidden[i].prefix)) {
            diag_error(c->d, at,
                       "%s of %s holds addresses of %s (%s), which no virtual network may have (A-03)",
                       prefix_text(c, p), where, prefix4_format(forbidden[i].prefix, buf), forbidden[i].why);
            return;
        }
}

static void check_subnet(struct check *c, const struct vnet *v, const struct subnet *s)
{
    for (size_t i = 0; i < s->addressPrefixes.n; i++) {
        struct prefix4 p = s->addressPrefixes.at[i];
        struct origin at = check_prefix_at(s->node, i, s->at);
        bool inside = false;
        for (size_t k = 0; k < v->addressPrefixes.n; k++)
            inside |= prefix4_covers(v->addressPrefixes.at[k], p);
        if (p.len > 29 || p.len < 8)
            diag_error(c->d, at, "subnet '%s/%s' is %s: a subnet is between /29 and /8 (A-02)", v->name,
                       s->name, prefix_text(c, p));
        if (!inside)
            diag_error(c->d, at, "%s of subnet '%s/%s' is not inside an address prefix of '%s' (A-04)",
                       prefix_text(c, p), v->name, s->name, v->name);
    }
}

/* A NAT gateway serves subnets of one network (O-02): the first in the file. */
static void check_nat_gateway(struct check *c, const struct vnet *v, const struct subnet *s)
{
    for (size_t i = 0; s->natGateway && i < v->index; i++) {
        const struct vnet *u = &c->m->virtualNetworks.at[i];
        for (size_t k = 0; k < u->subnets.n; k++)
            if (u->subnets.at[k].natGateway == s->natGateway) {
                diag_error(c->d, check_at(s->node, "natGateway", s->at),
                           "NAT gateway '%s' serves '%s/%s' already and cannot serve another virtual "
                           "network (O-02)",
                           s->natGateway->name, u->name, u->subnets.at[k].name);
                return;
            }
    }
}

static void check_vnet_prefixes(struct check *c, const struct vnet *v)
{
    struct span_list prefixes = {0}, subnets = {0};
    const char *where = arena_printf(c->a, "virtual network '%s'", v->name);
    for (size_t i = 0; i < v->addressPrefixes.n; i++) {
        struct prefix4 p = v->addressPrefixes.at[i];
        struct origin at = check_prefix_at(v->node, i, v->at);
        check_forbidden(c, p, at, where);
        span_add(c, &prefixes, p, prefix_text(c, p), at);
    }
    for (size_t i = 0; i < v->subnets.n; i++) {
        const struct subnet *s = &v->subnets.at[i];
        check_subnet(c, v, s);
        check_nat_gateway(c, v, s);
        for (size_t k = 0; k < s->addressPrefixes.n; k++) {
            struct prefix4 p = s->addressPrefixes.at[k];
            span_add(c, &subnets, p, arena_printf(c->a, "subnet '%s' (%s)", s->name, prefix_text(c, p)),
                     check_prefix_at(s->node, k, s->at));
        }
    }
    spans_check(c, &prefixes, where);
    spans_check(c, &subnets, where);
}

/* -- peerings -------------------------------------------------------------------------------------------- */

static bool whole(const struct peering *p)
{
    return !p->localSubnetNames.n && !p->remoteSubnetNames.n;
}

static void check_peering_overlap(struct check *c, const struct vnet *v, const struct peering *p)
{
    const struct vnet *r = p->remoteVirtualNetwork;
    if (!whole(p) || (p->reverse && whole(p->reverse) && r->index < v->index))
        return; /* said at the other link */
    for (size_t i = 0; i < v->addressPrefixes.n; i++)
        for (size_t k = 0; k < r->addressPrefixes.n; k++)
            if (prefix4_overlap(v->addressPrefixes.at[i], r->addressPrefixes.at[k])) {
                diag_error(c->d, check_at(p->node, "remoteVirtualNetwork", p->at),
                           "'%s' and '%s' cannot be peered: %s overlaps %s (A-04)", v->name, r->name,
                           prefix_text(c, v->addressPrefixes.at[i]),
                           prefix_text(c, r->addressPrefixes.at[k]));
                return;
            }
}

static const struct gateway *gateway_of(const struct model *m, const struct vnet *v)
{
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++)
        if (m->virtualNetworkGateways.at[i].virtualNetwork == v)
            return &m->virtualNetworkGateways.at[i];
    return NULL;
}

/* useRemoteGateways (P-05). */
static void check_transit(struct check *c, const struct vnet *v, const struct peering *p)
{
    struct origin at = check_at(p->node, "useRemoteGateways", p->at);
    const struct vnet *r = p->remoteVirtualNetwork;
    const struct gateway *own = gateway_of(c->m, v);
    if (own)
        diag_error(c->d, at,
                   "'%s' has a gateway of its own ('%s') and cannot use the gateways of '%s' (P-05)", v->name,
                   own->name, r->name);
    if (!gateway_of(c->m, r))
        diag_error(c->d, at, "'%s' cannot use the gateways of '%s', which has none (P-05)", v->name, r->name);
    if (p->reverse && !p->reverse->allowGatewayTransit)
        diag_error(c->d, at,
                   "'%s' cannot use the gateways of '%s': its link back lacks allowGatewayTransit (P-05)",
                   v->name, r->name);
}

static void check_peerings(struct check *c, const struct vnet *v)
{
    const struct peering *transit = NULL;
    for (size_t i = 0; i < v->virtualNetworkPeerings.n; i++) {
        const struct peering *p = &v->virtualNetworkPeerings.at[i];
        const struct vnet *r = p->remoteVirtualNetwork;
        struct origin at = check_at(p->node, "remoteVirtualNetwork", p->at);
        if (!r)
            continue;
        if (r == v) {
            diag_error(c->d, at, "virtual network '%s' is peered with itself", v->name);
            continue;
        }
        if (!p->reverse)
            diag_warning(
                c->d, p->at,
                "the peering of '%s' with '%s' is only Initiated: '%s' has no link back, so there are "
                "no routes (P-01)",
                v->name, r->name, r->name);
        check_peering_overlap(c, v, p);
        if (p->useRemoteGateways && transit)
            diag_error(c->d, check_at(p->node, "useRemoteGateways", p->at),
                       "'%s' uses the gateways of '%s' already; only one peering may (P-05)", v->name,
                       transit->remoteVirtualNetwork->name);
        else if (p->useRemoteGateways)
            check_transit(c, v, transit = p);
    }
}

/* -- gateways -------------------------------------------------------------------------------------------- */

static bool has_vpn(const struct model *m, const struct vnet *v)
{
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++)
        if (m->virtualNetworkGateways.at[i].virtualNetwork == v &&
            m->virtualNetworkGateways.at[i].type == GATEWAY_VPN)
            return true;
    return false;
}

/* */
static void check_gateway_subnet(struct check *c, const struct vnet *v, const struct subnet *s)
{
    const struct route_table *t = s->routeTable;
    struct origin at = check_at(s->node, "routeTable", s->at);
    if (!t)
        return;
    if (t->disableBgpRoutePropagation)
        diag_error(c->d, at,
                   "route table '%s' disables route propagation and cannot be on '%s/GatewaySubnet' (R-23)",
                   t->name, v->name);
    for (size_t i = 0; has_vpn(c->m, v) && i < t->routes.n; i++)
        if (!t->routes.at[i].tag && t->routes.at[i].addressPrefix.len == 0)
            diag_error(
                c->d, at,
                "route table '%s' has a route for 0.0.0.0/0 and cannot be on '%s/GatewaySubnet' (R-24)",
                t->name, v->name);
}

/* */
static void check_connections(struct check *c, const struct gateway *g)
{
    for (size_t i = 0; i < g->connectionProperties.n; i++) {
        const struct gateway_connection *x = &g->connectionProperties.at[i];
        bool found = false;
        for (size_t k = 0; k < g->connections.n; k++)
            found |= g->connections.at[k] == x->onPremisesNetwork;
        if (!found)
            diag_error(c->d, x->at, "gateway '%s' has no connection to '%s', whose properties are given",
                       g->name, x->onPremisesNetwork->name);
    }
}

static void check_gateways(struct check *c)
{
    struct unique_list l = {0};
    for (size_t i = 0; i < c->m->virtualNetworkGateways.n; i++) {
        const struct gateway *g = &c->m->virtualNetworkGateways.at[i];
        const struct vnet *v = g->virtualNetwork;
        struct origin at = check_at(g->node, "virtualNetwork", g->at);
        check_connections(c, g);
        if (!v)
            continue;
        if (!address_gateway_subnet(v))
            diag_error(c->d, at, "gateway '%s' needs a subnet 'GatewaySubnet' in virtual network '%s'",
                       g->name, v->name);
        unique_add(c, &l, (struct unique){.scope = v->index, .number = g->type, .what = g->name, .at = at});
    }
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++)
        if (unique_same(&l.at[i - 1], &l.at[i]))
            diag_error(c->d, l.at[i].at,
                       "gateway '%s': the virtual network has a gateway of this type already ('%s')",
                       l.at[i].what, l.at[i - 1].what);
}

void check_networks(struct check *c)
{
    for (size_t i = 0; i < c->m->virtualNetworks.n; i++) {
        const struct vnet *v = &c->m->virtualNetworks.at[i];
        const struct subnet *gs = address_gateway_subnet(v);
        check_vnet_prefixes(c, v);
        check_peerings(c, v);
        if (gs)
            check_gateway_subnet(c, v, gs);
    }
    check_gateways(c);
}
