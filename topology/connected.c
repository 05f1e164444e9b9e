/* connected.c - what network managers connect: see connected.h.
 *
 * Purpose. A mesh joins the networks of its groups without any peering: Azure calls the result a connected
 * group, and its routes have the type ConnectedGroup (Y-20). Hub and spoke makes peerings, as one would by
 * hand, and connected groups among the spokes of a group that is DirectlyConnected.
 *
 * Representation. A connected group is a list of members, each with the prefixes that the others reach it by.
 * Who looks does not matter: what overlaps any other member is in nobody's list (the members' own rows have
 * it at home), and so is what overlaps a network outside that is peered with a member. Without overlap the
 * list is the network's own, in its order; else the rest in normal form. A regional mesh is one group per
 * region.
 *
 * Peerings of hub and spoke stand in the networks' own lists, at the configuration's place in the file:
 * routes, checks and tags know nothing of where they come from. Links that are there already stay as they
 * are.
 *
 * Costs: members squared, to find overlaps. */
#include "topology/connected.h"

#include "topology/registry.h"
#include "topology/schema.h"
#include "topology/tagspace.h"

#include <string.h>

/* -- networks of a configuration ------------------------------------------------------------------------- */

struct set {                /* of networks */
    bool *has;              /* by index */
    const struct vnet **at; /* in the order of the groups */
    size_t n;
};

static struct set set_new(struct arena *a, const struct model *m)
{
    return (struct set){arena_array(a, m->virtualNetworks.n, sizeof(bool)),
                        arena_array(a, m->virtualNetworks.n, sizeof(struct vnet *)), 0};
}

static void set_add(struct set *s, const struct vnet *v)
{
    if (!v || s->has[v->index])
        return;
    s->has[v->index] = true;
    s->at[s->n++] = v;
}

static void set_add_group(struct set *s, const struct network_group *g)
{
    for (size_t i = 0; g && i < g->staticMembers.n; i++)
        set_add(s, g->staticMembers.at[i]);
}

static struct set set_of(struct arena *a, const struct model *m, const struct connectivity_config *c)
{
    struct set s = set_new(a, m);
    for (size_t i = 0; i < c->appliesToGroups.n; i++)
        set_add_group(&s, c->appliesToGroups.at[i].networkGroup);
    return s;
}

#define EACH_CONFIG(m, c)                                                                                    \
    for (size_t mgr_ = 0; mgr_ < (m)->networkManagers.n; mgr_++)                                             \
        for (const struct connectivity_config *c =                                                           \
                 (m)->networkManagers.at[mgr_].connectivityConfigurations.at;                                \
             c < (m)->networkManagers.at[mgr_].connectivityConfigurations.at +                               \
                     (m)->networkManagers.at[mgr_].connectivityConfigurations.n;                             \
             c++)

/* -- peerings -------------------------------------------------------------------------------------------- */

struct links { /* lists of links in the making */
    struct arena *a;
    struct model *m;
    size_t *cap; /* by network */
};

static struct reg *known(struct links *l, const struct vnet *from, const char *to)
{
    return registry_find(l->m->names, &table_peering, arena_printf(l->a, "%s/%s", from->name, to));
}

static struct peering *link_to(const struct vnet *from, const struct vnet *to)
{
    for (size_t i = 0; i < from->virtualNetworkPeerings.n; i++)
        if (from->virtualNetworkPeerings.at[i].remoteVirtualNetwork == to)
            return &from->virtualNetworkPeerings.at[i];
    return NULL;
}

/* deleteExistingPeering: links between networks of the configuration that it does not ask for. */
static void remove_links(struct links *l, const struct connectivity_config *c)
{
    struct set s = set_of(l->a, l->m, c);
    for (size_t i = 0; i < c->hubs.n; i++)
        set_add(&s, c->hubs.at[i]);
    for (size_t i = 0; i < s.n; i++) {
        struct vnet *v = &l->m->virtualNetworks.at[s.at[i]->index];
        size_t kept = 0;
        for (size_t k = 0; k < v->virtualNetworkPeerings.n; k++) {
            const struct peering p = v->virtualNetworkPeerings.at[k];
            const struct vnet *r = p.remoteVirtualNetwork;
            const bool asked = c->hubs.n && r && (v == c->hubs.at[0] || r == c->hubs.at[0]);
            struct reg *e = r && s.has[r->index] && !asked ? known(l, v, r->name) : NULL;
            if (e)
                e->p = NULL;
            else
                v->virtualNetworkPeerings.at[kept++] = p;
        }
        v->virtualNetworkPeerings.n = kept;
    }
}

static void add_link(struct links *l, const struct connectivity_config *c, struct vnet *from, struct vnet *to,
                     bool transit, bool remote_gateways)
{
    bool is_new;
    if (link_to(from, to))
        return;
    struct peering *p = arena_push(l->a, &from->virtualNetworkPeerings.at, &from->virtualNetworkPeerings.n,
                                   &l->cap[from->index], sizeof *p);
    *p = (struct peering){.at = c->at,
                          .node = c->node,
                          .remoteVirtualNetwork = to,
                          .allowVirtualNetworkAccess = true,
                          .allowForwardedTraffic = true,
                          .allowGatewayTransit = transit,
                          .useRemoteGateways = remote_gateways};
    registry_add(l->m->names, &table_peering, arena_printf(l->a, "%s/%s", from->name, to->name), p, c->at,
                 &is_new);
}

static bool has_gateway(const struct model *m, const struct vnet *v)
{
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++)
        if (m->virtualNetworkGateways.at[i].virtualNetwork == v)
            return true;
    return false;
}

/* Both links for each spoke; a spoke that is to use a gateway which the hub does not have gets none of its
 * own. */
static void add_spokes(struct links *l, const struct connectivity_config *c)
{
    struct vnet *hub = c->hubs.n ? c->hubs.at[0] : NULL;
    for (size_t i = 0; hub && i < c->appliesToGroups.n; i++) {
        const struct network_group *g = c->appliesToGroups.at[i].networkGroup;
        const bool transit = c->appliesToGroups.at[i].useHubGateway;
        for (size_t k = 0; g && k < g->staticMembers.n; k++) {
            struct vnet *spoke = g->staticMembers.at[k];
            if (!spoke || spoke == hub)
                continue;
            add_link(l, c, hub, spoke, transit, false);
            if (!transit || has_gateway(l->m, hub))
                add_link(l, c, spoke, hub, false, transit);
        }
    }
}

/* Lists have moved: the registry follows. */
static void enter_links(struct links *l, struct vnet *v)
{
    for (size_t i = 0; i < v->virtualNetworkPeerings.n; i++) {
        struct peering *p = &v->virtualNetworkPeerings.at[i];
        struct reg *e = p->remoteVirtualNetwork ? known(l, v, p->remoteVirtualNetwork->name) : NULL;
        if (e)
            e->p = p;
    }
}

void connected_peerings(struct arena *a, struct model *m)
{
    struct links l = {a, m, arena_array(a, m->virtualNetworks.n, sizeof *l.cap)};
    bool any = false;
    for (size_t i = 0; i < m->virtualNetworks.n; i++)
        l.cap[i] = m->virtualNetworks.at[i].virtualNetworkPeerings.n;
    EACH_CONFIG(m, c)
    {
        any |= c->deleteExistingPeering || c->connectivityTopology == TOPOLOGY_HUB_AND_SPOKE;
        if (c->deleteExistingPeering)
            remove_links(&l, c);
    }
    EACH_CONFIG(m, c)
    if (c->connectivityTopology == TOPOLOGY_HUB_AND_SPOKE)
        add_spokes(&l, c);
    for (size_t i = 0; any && i < m->virtualNetworks.n; i++)
        enter_links(&l, &m->virtualNetworks.at[i]);
}

/* -- connected groups ------------------------------------------------------------------------------------ */

struct gather {
    struct arena *a;
    struct prefix4 *at;
    size_t n, cap;
};

/* Of other's prefixes, those that overlap v's. */
static void gather_overlaps(struct gather *g, const struct vnet *v, prefix_list other)
{
    for (size_t i = 0; i < v->addressPrefixes.n; i++)
        for (size_t k = 0; k < other.n; k++)
            if (prefix4_overlap(v->addressPrefixes.at[i], other.at[k]))
                *(struct prefix4 *)arena_push(g->a, &g->at, &g->n, &g->cap, sizeof *g->at) = other.at[k];
}

/* What the group carries of one of its members. */
static prefix_list space_of(struct arena *a, const struct set *s, const struct vnet *v)
{
    struct gather g = {.a = a};
    for (size_t i = 0; i < s->n; i++) {
        const struct vnet *o = s->at[i];
        if (o != v)
            gather_overlaps(&g, v, o->addressPrefixes);
        for (size_t k = 0; k < o->virtualNetworkPeerings.n; k++) {
            const struct peering *p = &o->virtualNetworkPeerings.at[k];
            if (p->reverse && !s->has[p->remoteVirtualNetwork->index])
                gather_overlaps(&g, v, peering_prefixes(a, p));
        }
    }
    if (!g.n)
        return v->addressPrefixes;
    const struct prefix_set rest = prefixset_minus(
        a, prefixset_make(a, v->addressPrefixes.at, v->addressPrefixes.n), prefixset_make(a, g.at, g.n));
    prefix_list out = {arena_array(a, rest.n, sizeof *out.at), rest.n};
    if (rest.n)
        memcpy(out.at, rest.at, rest.n * sizeof *out.at);
    return out;
}

struct groups { /* in the making */
    struct arena *a;
    struct model *m;
    size_t cap;
};

static void add_group(struct groups *x, const struct connectivity_config *c, const char *region,
                      const struct set *s)
{
    if (s->n < 2)
        return;
    struct connected_group *g =
        arena_push(x->a, &x->m->connectedGroups.at, &x->m->connectedGroups.n, &x->cap, sizeof *g);
    *g = (struct connected_group){.config = c, .region = region};
    g->members.at = arena_array(x->a, s->n, sizeof *g->members.at);
    for (size_t i = 0; i < s->n; i++)
        g->members.at[g->members.n++] = (struct connected_member){s->at[i], space_of(x->a, s, s->at[i])};
}

/* One group, or one for each region in which there are members. */
static void add_mesh(struct groups *x, const struct connectivity_config *c, bool global, const struct set *s)
{
    bool *done = arena_array(x->a, s->n + 1, sizeof *done);
    if (global)
        add_group(x, c, NULL, s);
    for (size_t i = 0; !global && i < s->n; i++) {
        if (done[i])
            continue;
        struct set part = set_new(x->a, x->m);
        for (size_t k = i; k < s->n; k++)
            if (strcmp(s->at[i]->location, s->at[k]->location) == 0) {
                set_add(&part, s->at[k]);
                done[k] = true;
            }
        add_group(x, c, s->at[i]->location, &part);
    }
}

static void add_config(struct groups *x, const struct connectivity_config *c)
{
    bool global = c->isGlobal;
    if (c->connectivityTopology == TOPOLOGY_MESH) {
        const struct set s = set_of(x->a, x->m, c);
        for (size_t i = 0; i < c->appliesToGroups.n; i++)
            global |= c->appliesToGroups.at[i].isGlobal;
        add_mesh(x, c, global, &s);
        return;
    }
    for (size_t i = 0; i < c->appliesToGroups.n; i++) {
        struct set s = set_new(x->a, x->m);
        set_add_group(&s, c->appliesToGroups.at[i].networkGroup);
        if (c->appliesToGroups.at[i].groupConnectivity == GROUP_DIRECTLY_CONNECTED)
            add_mesh(x, c, global || c->appliesToGroups.at[i].isGlobal, &s);
    }
}

void connected_groups(struct arena *a, struct model *m)
{
    struct groups x = {.a = a, .m = m};
    size_t *cap = arena_array(a, m->virtualNetworks.n, sizeof *cap);
    EACH_CONFIG(m, c)
    add_config(&x, c);
    for (size_t i = 0; i < m->connectedGroups.n; i++)
        for (size_t k = 0; k < m->connectedGroups.at[i].members.n; k++) {
            struct vnet *v = &m->virtualNetworks.at[m->connectedGroups.at[i].members.at[k].vnet->index];
            *(const struct connected_group **)arena_push(a, &v->connectedGroups.at, &v->connectedGroups.n,
                                                         &cap[v->index], sizeof *v->connectedGroups.at) =
                &m->connectedGroups.at[i];
        }
}

/* -- what a network reaches ------------------------------------------------------------------------------ */

size_t connected_links(struct arena *a, const struct vnet *v, struct connected_link **out)
{
    size_t n = 0, cap = 0;
    *out = NULL;
    for (size_t i = 0; i < v->connectedGroups.n; i++) {
        const struct connected_group *g = v->connectedGroups.at[i];
        for (size_t k = 0; k < g->members.n; k++)
            if (g->members.at[k].vnet != v)
                *(struct connected_link *)arena_push(a, out, &n, &cap, sizeof **out) =
                    (struct connected_link){g, g->members.at[k].vnet, g->members.at[k].space};
    }
    return n;
}

bool connected_exposes(const struct vnet *here, const struct vnet *there, ip4 ip)
{
    for (size_t i = 0; i < here->connectedGroups.n; i++) {
        const struct connected_group *g = here->connectedGroups.at[i];
        for (size_t k = 0; k < g->members.n; k++)
            for (size_t p = 0; g->members.at[k].vnet == there && p < g->members.at[k].space.n; p++)
                if (prefix4_has(g->members.at[k].space.at[p], ip))
                    return true;
    }
    return false;
}

static bool holds(const struct vnet *v, ip4 ip)
{
    for (size_t i = 0; i < v->addressPrefixes.n; i++)
        if (prefix4_has(v->addressPrefixes.at[i], ip))
            return true;
    return false;
}

static bool same_group(const struct vnet *v, const struct connectivity_config *c, const struct vnet *other)
{
    for (size_t i = 0; i < v->connectedGroups.n; i++)
        for (size_t k = 0; v->connectedGroups.at[i]->config == c && k < v->connectedGroups.at[i]->members.n;
             k++)
            if (v->connectedGroups.at[i]->members.at[k].vnet == other)
                return true;
    return false;
}

const char *connected_absent(struct arena *a, const struct model *m, const struct vnet *v, ip4 ip)
{
    const char *why = NULL;
    EACH_CONFIG(m, c)
    {
        const struct set s = c->connectivityTopology == TOPOLOGY_MESH ? set_of(a, m, c) : set_new(a, m);
        for (size_t i = 0; s.has[v->index] && i < s.n; i++) {
            const struct vnet *o = s.at[i];
            if (o == v || !holds(o, ip))
                continue;
            if (connected_exposes(v, o, ip))
                return NULL;
            why = same_group(v, c, o) ? arena_printf(a,
                                                     "%s is in the mesh '%s', too, but that address overlaps "
                                                     "and is taken out of it (Y-20)",
                                                     o->name, c->name)
                                      : arena_printf(a,
                                                     "%s is in the mesh '%s', too, but in another region, "
                                                     "and the mesh is not global (Y-20)",
                                                     o->name, c->name);
        }
    }
    return why;
}
