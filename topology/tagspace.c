/* tagspace.c - sets of addresses, and the tags whose content follows from the model.
 *
 * Purpose. Security rules speak of VirtualNetwork and Internet; what these hold depends on the network, its
 * peerings, its gateway and even on the route table of the subnet (G-09, G-10). Here they are computed,
 * together with the set algebra that they need.
 *
 * Representation. Outside: prefix sets in normal form (tagspace.h). Inside: spans, pairs of first and last
 * address in 64 bits, ascending, neither overlapping nor adjacent. Prefixes become spans by sorting and
 * merging; spans become prefixes by cutting off, from the left, the largest aligned block that fits. Both
 * directions are canonical, so a set has one form. Union, difference and intersection are one sweep over two
 * span lists:
 *
 *      x   |-----------|      |------|
 *      y        |-----------|    |-|          the sweep visits each border once and asks keep(in x, in y)
 *
 * Cost: n log n to make a set, linear for the rest. A difference can give up to 31 prefixes per border.
 *
 * Odd cases.
 * - A 0.0.0.0/0 user route makes VirtualNetwork everything (G-09). Internet keeps its public addresses all
 *   the same: a rule that denies Internet must not lose its meaning by a forced tunnel. The same holds for an
 *   on-premises network that advertises 0.0.0.0/0.
 * - Public address space inside a network, a peer or on-premises is not Internet there.
 * - Service tags in route tables add nothing to VirtualNetwork: the rule speaks of address prefixes.
 */
#include "topology/tagspace.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "topology/connected.h"
#include "topology/tags.h"

struct span {
    uint64_t first, last;
};
struct spans {
    struct span *at;
    size_t n;
};

/* -- algebra --------------------------------------------------------------------------------------------- */

/* Sorted prefixes, possibly nested or repeated => merged spans. */
static struct spans spans_of(struct arena *a, const struct prefix4 *list, size_t n)
{
    struct spans s = {arena_array(a, n, sizeof *s.at), 0};
    for (size_t i = 0; i < n; i++) {
        struct span x = {list[i].addr, prefix4_last(list[i])};
        if (s.n && x.first <= s.at[s.n - 1].last + 1) {
            if (x.last > s.at[s.n - 1].last)
                s.at[s.n - 1].last = x.last;
        } else {
            s.at[s.n++] = x;
        }
    }
    return s;
}

/* The largest block that starts at first, is aligned, and ends at last or before. */
static struct prefix4 block_at(uint64_t first, uint64_t last)
{
    unsigned len = 32;
    while (len > 0) {
        uint64_t size = (uint64_t)1 << (33 - len);
        if (first % size || first + size - 1 > last)
            break;
        len--;
    }
    return (struct prefix4){(ip4)first, (uint8_t)len};
}

static struct prefix_set set_of(struct arena *a, struct spans s)
{
    struct prefix4 *at = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0; i < s.n; i++)
        for (uint64_t from = s.at[i].first; from <= s.at[i].last;) {
            struct prefix4 *p = arena_push(a, &at, &n, &cap, sizeof *at);
            *p = block_at(from, s.at[i].last);
            from = (uint64_t)prefix4_last(*p) + 1;
        }
    return (struct prefix_set){at, n};
}

struct prefix_set prefixset_make(struct arena *a, const struct prefix4 *list, size_t n)
{
    struct prefix4 *sorted = arena_array(a, n, sizeof *sorted);
    if (n) {
        memcpy(sorted, list, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, prefix4_cmp);
    }
    return set_of(a, spans_of(a, sorted, n));
}

enum keep { KEEP_UNION, KEEP_MINUS, KEEP_INTERSECT };

static bool keeps(enum keep k, bool in_x, bool in_y)
{
    switch (k) {
    case KEEP_UNION:
        return in_x || in_y;
    case KEEP_MINUS:
        return in_x && !in_y;
    case KEEP_INTERSECT:
    default:
        return in_x && in_y;
    }
}

/* Where a sweep stands in one list: the next border, and whether the address before it is inside. */
struct cursor {
    struct spans s;
    size_t i;
    bool in;
};

static uint64_t cursor_border(const struct cursor *c)
{
    if (c->i == c->s.n)
        return UINT64_MAX;
    return c->in ? c->s.at[c->i].last + 1 : c->s.at[c->i].first;
}

static void cursor_pass(struct cursor *c, uint64_t border)
{
    if (cursor_border(c) != border)
        return;
    c->i += c->in;
    c->in = !c->in;
}

static struct prefix_set combine(struct arena *a, struct prefix_set x, struct prefix_set y, enum keep k)
{
    struct cursor cx = {spans_of(a, x.at, x.n), 0, false}, cy = {spans_of(a, y.at, y.n), 0, false};
    struct spans out = {arena_array(a, cx.s.n + cy.s.n + 1, sizeof *out.at), 0};
    bool in = false;
    for (;;) {
        uint64_t bx = cursor_border(&cx), by = cursor_border(&cy), border = bx < by ? bx : by;
        if (border == UINT64_MAX)
            break;
        cursor_pass(&cx, border);
        cursor_pass(&cy, border);
        bool now = keeps(k, cx.in, cy.in);
        if (now && !in)
            out.at[out.n].first = border;
        if (!now && in)
            out.at[out.n++].last = border - 1;
        in = now;
    }
    return set_of(a, out);
}

struct prefix_set prefixset_union(struct arena *a, struct prefix_set x, struct prefix_set y)
{
    return combine(a, x, y, KEEP_UNION);
}

struct prefix_set prefixset_minus(struct arena *a, struct prefix_set x, struct prefix_set y)
{
    return combine(a, x, y, KEEP_MINUS);
}

struct prefix_set prefixset_intersect(struct arena *a, struct prefix_set x, struct prefix_set y)
{
    return combine(a, x, y, KEEP_INTERSECT);
}

struct prefix_set prefixset_complement(struct arena *a, struct prefix_set x)
{
    static const struct prefix4 all = {0, 0};
    return combine(a, (struct prefix_set){&all, 1}, x, KEEP_MINUS);
}

bool prefixset_has(struct prefix_set s, ip4 ip)
{
    size_t lo = 0, hi = s.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s.at[mid].addr <= ip)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && prefix4_has(s.at[lo - 1], ip);
}

uint64_t prefixset_size(struct prefix_set s)
{
    uint64_t size = 0;
    for (size_t i = 0; i < s.n; i++)
        size += (uint64_t)1 << (32 - s.at[i].len);
    return size;
}

/* -- peering and gateways -------------------------------------------------------------------------------- */

/* The remote subnets that a link is limited to: named by the own link, else by the link back. n = 0: no
 * limit. */
static subnet_list remote_limit(const struct peering *p)
{
    if (p->remoteSubnetNames.n || !p->reverse)
        return p->remoteSubnetNames;
    return p->reverse->localSubnetNames;
}

static subnet_list local_limit(const struct peering *p)
{
    if (p->localSubnetNames.n || !p->reverse)
        return p->localSubnetNames;
    return p->reverse->remoteSubnetNames;
}

prefix_list peering_prefixes(struct arena *a, const struct peering *p)
{
    prefix_list out = {NULL, 0};
    if (!p->reverse)
        return out;
    subnet_list only = remote_limit(p);
    if (!only.n)
        return p->remoteVirtualNetwork->addressPrefixes;
    size_t cap = 0;
    for (size_t i = 0; i < only.n; i++)
        for (size_t k = 0; k < only.at[i]->addressPrefixes.n; k++)
            *(struct prefix4 *)arena_push(a, &out.at, &out.n, &cap, sizeof *out.at) =
                only.at[i]->addressPrefixes.at[k];
    return out;
}

bool peering_lists(const struct peering *p, const struct subnet *local)
{
    subnet_list only = local_limit(p);
    bool found = !only.n || !local;
    for (size_t i = 0; i < only.n && !found; i++)
        found = only.at[i] == local;
    return found;
}

static bool list_has(prefix_list l, ip4 ip)
{
    for (size_t i = 0; i < l.n; i++)
        if (prefix4_has(l.at[i], ip))
            return true;
    return false;
}

bool peering_exposes(const struct peering *p, ip4 ip)
{
    if (!p->reverse)
        return false;
    subnet_list only = remote_limit(p);
    if (!only.n)
        return list_has(p->remoteVirtualNetwork->addressPrefixes, ip);
    for (size_t i = 0; i < only.n; i++)
        if (list_has(only.at[i]->addressPrefixes, ip))
            return true;
    return false;
}

bool peering_allows(const struct peering *p)
{
    return p->reverse && p->allowVirtualNetworkAccess && p->reverse->allowVirtualNetworkAccess;
}

static size_t gateways_in(const struct model *m, const struct vnet *v, const struct gateway **out, size_t max)
{
    static const enum gateway_type order[] = {GATEWAY_EXPRESSROUTE, GATEWAY_VPN};
    size_t n = 0;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < m->virtualNetworkGateways.n && n < max; i++) {
            const struct gateway *g = &m->virtualNetworkGateways.at[i];
            if (g->virtualNetwork == v && g->type == order[k])
                out[n++] = g;
        }
    return n;
}

size_t gateways_of(const struct model *m, const struct vnet *v, const struct gateway **out, size_t max,
                   const struct peering **via)
{
    *via = NULL;
    size_t n = gateways_in(m, v, out, max);
    for (size_t i = 0; !n && i < v->virtualNetworkPeerings.n; i++) {
        const struct peering *p = &v->virtualNetworkPeerings.at[i];
        if (!p->useRemoteGateways || !p->reverse || !p->reverse->allowGatewayTransit)
            continue;
        n = gateways_in(m, p->remoteVirtualNetwork, out, max);
        *via = n ? p : NULL;
    }
    return n;
}

/* -- computed tags --------------------------------------------------------------------------------------- */

struct gather { /* prefixes on their way into a set */
    struct arena *a;
    struct prefix4 *at;
    size_t n, cap;
};

static void gather(struct gather *g, struct prefix4 p)
{
    *(struct prefix4 *)arena_push(g->a, &g->at, &g->n, &g->cap, sizeof *g->at) = p;
}

static void gather_list(struct gather *g, prefix_list l, bool default_too)
{
    for (size_t i = 0; i < l.n; i++)
        if (l.at[i].len || default_too)
            gather(g, l.at[i]);
}

/* The space that belongs to the network or is connected to it. */
static void gather_connected(struct gather *g, const struct model *m, const struct vnet *v, bool default_too)
{
    const struct gateway *gw[ROUTE_GATEWAYS_MAX];
    const struct peering *via;
    gather_list(g, v->addressPrefixes, true);
    for (size_t i = 0; i < v->virtualNetworkPeerings.n; i++)
        if (v->virtualNetworkPeerings.at[i].allowVirtualNetworkAccess)
            gather_list(g, peering_prefixes(g->a, &v->virtualNetworkPeerings.at[i]), true);
    struct connected_link *link;
    const size_t links = connected_links(g->a, v, &link);
    for (size_t i = 0; i < links; i++) /* Y-20 */
        gather_list(g, link[i].space, true);
    size_t n = gateways_of(m, v, gw, ROUTE_GATEWAYS_MAX, &via);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < gw[i]->connections.n; k++)
            gather_list(g, gw[i]->connections.at[k]->addressPrefixes, default_too);
}

struct prefix_set tagspace_virtual_network(struct arena *a, const struct model *m, struct route_view v)
{
    struct gather g = {.a = a};
    gather_connected(&g, m, v.vnet, true);
    gather(&g, (struct prefix4){IP4_PLATFORM, 32});
    const struct route_table *t = v.subnet ? v.subnet->routeTable : NULL;
    for (size_t i = 0; t && m->switches.virtualNetworkTagIncludesUdr && i < t->routes.n; i++)
        if (!t->routes.at[i].tag)
            gather(&g, t->routes.at[i].addressPrefix);
    return prefixset_make(a, g.at, g.n);
}

/* Every public address, by the same list as ip4_is_public. */
static struct prefix_set public_space(struct arena *a)
{
    static const struct prefix4 closed[] = {
        {IP4(0, 0, 0, 0), 8},      {IP4(10, 0, 0, 0), 8},     {IP4(100, 64, 0, 0), 10},
        {IP4(127, 0, 0, 0), 8},    {IP4(169, 254, 0, 0), 16}, {IP4(172, 16, 0, 0), 12},
        {IP4(192, 168, 0, 0), 16}, {IP4(224, 0, 0, 0), 3},    {IP4_PLATFORM, 32},
    };
    return prefixset_complement(a, prefixset_make(a, closed, sizeof closed / sizeof closed[0]));
}

struct prefix_set tagspace_internet(struct arena *a, const struct model *m, struct route_view v)
{
    struct gather g = {.a = a};
    gather_connected(&g, m, v.vnet, false);
    return prefixset_minus(a, public_space(a), prefixset_make(a, g.at, g.n));
}

struct prefix_set tagspace_tag(struct arena *a, const struct model *m, struct route_view v, const char *name)
{
    static const struct prefix4 probes[] = {{IP4_PLATFORM, 32}};
    if (strcasecmp(name, "VirtualNetwork") == 0)
        return tagspace_virtual_network(a, m, v);
    if (strcasecmp(name, "Internet") == 0)
        return tagspace_internet(a, m, v);
    if (strcasecmp(name, "AzureLoadBalancer") == 0)
        return (struct prefix_set){probes, 1};
    const struct tag *t = m->tags ? tagset_find(m->tags, name) : NULL;
    return t ? prefixset_make(a, t->prefixes4, t->n) : (struct prefix_set){NULL, 0};
}

static bool asg_listed(asg_list l, const struct asg *asg)
{
    for (size_t i = 0; i < l.n; i++)
        if (l.at[i] == asg)
            return true;
    return false;
}

struct prefix_set tagspace_asg(struct arena *a, const struct model *m, const struct asg *asg)
{
    struct gather g = {.a = a};
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *nic = &m->networkInterfaces.at[i];
        if (asg_listed(nic->applicationSecurityGroups, asg))
            gather(&g, (struct prefix4){nic->privateIPAddress, 32});
    }
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *pe = &m->privateEndpoints.at[i];
        for (size_t k = 0; asg_listed(pe->applicationSecurityGroups, asg) && k < pe->ipConfigurations.n; k++)
            gather(&g, (struct prefix4){pe->ipConfigurations.at[k].privateIPAddress, 32});
    }
    return prefixset_make(a, g.at, g.n);
}
