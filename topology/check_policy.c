/* check_policy.c - security groups and route tables. */
#include <string.h>
#include <strings.h>

#include "topology/check_int.h"
#include "topology/tags.h"

/* -- service tags ------------------------------------------------------------------------------------------------- */

static void unknown_tag(struct check *c, const char *tag, struct origin at, const char *where)
{
    const char *near = c->m->tags ? tagset_suggest(c->m->tags, tag) : NULL;
    if (near)
        diag_error(c->d, at, "unknown service tag '%s' in %s; did you mean '%s'?", tag, where, near);
    else
        diag_error(c->d, at, "unknown service tag '%s' in %s", tag, where);
}

static void check_rule_tag(struct check *c, const char *tag, struct origin at, const char *where)
{
    if (!tag_is_computed(tag) && c->m->tags && !tagset_find(c->m->tags, tag))
        unknown_tag(c, tag, at, where);
}

static void check_route_tag(struct check *c, const char *tag, struct origin at, const char *where)
{
    const struct tag *t = c->m->tags ? tagset_find(c->m->tags, tag) : NULL;
    if (tag_is_computed(tag))
        diag_error(c->d, at, "service tag '%s' in %s: it works in security rules only (R-21)", tag, where);
    else if (c->m->tags && !t)
        unknown_tag(c, tag, at, where);
    else if (t && t->features && !(t->features & TAG_UDR))
        diag_error(c->d, at, "service tag '%s' in %s: Azure does not offer it for routes (R-21)", tag, where);
}

/* -- security rules ----------------------------------------------------------------------------------------------- */

struct rule_side { /* one field of a rule: where packets come from, or go to */
    const struct address_match *at;
    size_t n;
    const asg_list *groups;
    const char *side;
};

static void check_side(struct check *c, struct rule_side s, const char *where)
{
    size_t tags = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.at[i].kind != MATCH_TAG)
            continue;
        check_rule_tag(c, s.at[i].tag, s.at[i].at, where);
        if (++tags == 2)
            diag_error(c->d, s.at[i].at, "%s has two service tags as %s: one is allowed (G-12)", where, s.side);
    }
    if (s.groups->n && s.n)
        diag_error(c->d, s.at[0].at, "%s has both address prefixes and application security groups as %s (G-12)", where,
                   s.side);
}

static void check_rule(struct check *c, const struct security_rule *r, const char *where)
{
    struct rule_side source = {r->source.at, r->source.n, &r->sourceApplicationSecurityGroups, "source"};
    struct rule_side target = {r->destination.at, r->destination.n, &r->destinationApplicationSecurityGroups,
                               "destination"};
    check_side(c, source, where);
    check_side(c, target, where);
    if (r->priority < 100 || r->priority > 4096)
        diag_error(c->d, check_at(r->node, "priority", r->at), "priority %u of %s: it is between 100 and 4096 (G-01)",
                   r->priority, where);
    for (size_t i = 0; i < r->sourcePorts.n; i++)
        if (r->sourcePorts.at[i].first > r->sourcePorts.at[i].last)
            diag_error(c->d, r->at, "source port range %u-%u of %s is backwards", r->sourcePorts.at[i].first,
                       r->sourcePorts.at[i].last, where);
    for (size_t i = 0; i < r->destinationPorts.n; i++)
        if (r->destinationPorts.at[i].first > r->destinationPorts.at[i].last)
            diag_error(c->d, r->at, "destination port range %u-%u of %s is backwards", r->destinationPorts.at[i].first,
                       r->destinationPorts.at[i].last, where);
}

static void check_nsg(struct check *c, const struct nsg *g)
{
    struct unique_list l = {0};
    for (size_t i = 0; i < g->securityRules.n; i++) {
        const struct security_rule *r = &g->securityRules.at[i];
        check_rule(c, r, arena_printf(c->a, "rule '%s' of '%s'", r->name, g->name));
        unique_add(c, &l, (struct unique){.scope = r->direction, .number = r->priority, .what = r->name,
                                          .at = check_at(r->node, "priority", r->at)});
    }
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++)
        if (unique_same(&l.at[i - 1], &l.at[i]))
            diag_error(c->d, l.at[i].at, "priority %u of rule '%s' of '%s' belongs to %s rule '%s' already (G-01)",
                       (unsigned)l.at[i].number, l.at[i].what, g->name,
                       l.at[i].scope == DIR_INBOUND ? "inbound" : "outbound", l.at[i - 1].what);
}

/* -- application security groups (G-13) -------------------------------------------------------------------------- */

struct member { /* the first member of a group, or NULL */
    const struct vnet *vnet;
    const char *what;
};

static void join(struct check *c, struct member *of, const asg_list *groups, const struct subnet *s, const char *what,
                 const struct node *node, struct origin fallback)
{
    if (!s)
        return;
    for (size_t i = 0; i < groups->n; i++) {
        struct member *x = groups->at[i] ? &of[groups->at[i]->index] : NULL;
        if (x && !x->vnet)
            *x = (struct member){s->vnet, what};
        else if (x && x->vnet != s->vnet)
            diag_error(c->d, check_item(node, "applicationSecurityGroups", i, fallback),
                       "application security group '%s' has members in two virtual networks: %s in '%s', %s in '%s' (G-13)",
                       groups->at[i]->name, x->what, x->vnet->name, what, s->vnet->name);
    }
}

static void check_rule_groups(struct check *c, const struct member *of, const struct nsg *g,
                              const struct security_rule *r)
{
    const struct asg *first = NULL;
    const asg_list *side[] = {&r->sourceApplicationSecurityGroups, &r->destinationApplicationSecurityGroups};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < side[k]->n; i++) {
            const struct asg *a = side[k]->at[i];
            if (!a || !of[a->index].vnet)
                continue;
            if (!first)
                first = a;
            else if (of[a->index].vnet != of[first->index].vnet)
                diag_error(c->d, r->at, "rule '%s' of '%s' joins application security groups of two virtual networks: '%s' "
                           "in '%s', '%s' in '%s' (G-13)", r->name, g->name, first->name, of[first->index].vnet->name,
                           a->name, of[a->index].vnet->name);
        }
}

static void check_groups(struct check *c)
{
    const struct model *m = c->m;
    struct member *of = arena_array(c->a, m->applicationSecurityGroups.n, sizeof *of);
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *x = &m->networkInterfaces.at[i];
        if (x->applicationSecurityGroups.n)
            join(c, of, &x->applicationSecurityGroups, x->subnet, arena_printf(c->a, "'%s'", x->name), x->node, x->at);
    }
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &m->privateEndpoints.at[i];
        join(c, of, &e->applicationSecurityGroups, e->subnet, arena_printf(c->a, "'%s'", e->name), e->node, e->at);
    }
    for (size_t i = 0; i < m->networkSecurityGroups.n; i++) {
        const struct nsg *g = &m->networkSecurityGroups.at[i];
        for (size_t k = 0; k < g->securityRules.n; k++)
            check_rule_groups(c, of, g, &g->securityRules.at[k]);
    }
}

/* -- routes ------------------------------------------------------------------------------------------------------- */

static bool configurable(enum nexthop_type t)
{
    return t == NH_TYPE_NONE || t == NH_TYPE_VNET_LOCAL || t == NH_TYPE_INTERNET || t == NH_TYPE_VIRTUAL_APPLIANCE ||
           t == NH_TYPE_VIRTUAL_NETWORK_GATEWAY;
}

static void check_next_hop(struct check *c, const struct route *r, const char *where)
{
    struct origin type = check_at(r->node, "nextHopType", r->at), ip = check_at(r->node, "nextHopIpAddress", r->at);
    if (!configurable(r->nextHopType))
        diag_error(c->d, type, "next hop type of %s: Azure makes such rows itself; a route can have VirtualAppliance, "
                   "VirtualNetworkGateway, VnetLocal, Internet or None (R-15)", where);
    else if (r->nextHopType == NH_TYPE_VIRTUAL_APPLIANCE && !r->nextHopIpAddress)
        diag_error(c->d, type, "%s goes to a VirtualAppliance and has no nextHopIpAddress (R-15)", where);
    else if (r->nextHopType != NH_TYPE_VIRTUAL_APPLIANCE && r->nextHopIpAddress)
        diag_error(c->d, ip, "%s has a nextHopIpAddress, which only VirtualAppliance takes (R-15)", where);
}

static void check_route(struct check *c, const struct route *r, const char *where)
{
    static const struct prefix4 host_agent[] = {{IP4_PLATFORM, 32}, {IP4_IMDS, 32}};
    struct origin at = check_at(r->node, "addressPrefix", r->at);
    check_next_hop(c, r, where);
    if (r->tag)
        check_route_tag(c, r->tag, at, where);
    for (size_t i = 0; !r->tag && i < 2; i++)
        if (prefix4_eq(r->addressPrefix, host_agent[i]))
            diag_warning(c->d, at, "%s has no effect: the platform's addresses cannot be routed (R-26)", where);
}

static void check_table(struct check *c, const struct route_table *t)
{
    struct unique_list l = {0};
    char buf[PREFIX4_STRLEN];
    for (size_t i = 0; i < t->routes.n; i++) {
        const struct route *r = &t->routes.at[i];
        uint64_t prefix = r->tag ? 0 : (uint64_t)r->addressPrefix.addr << 8 | r->addressPrefix.len;
        check_route(c, r, arena_printf(c->a, "route '%s' of '%s'", r->name, t->name));
        unique_add(c, &l, (struct unique){.number = prefix, .text = r->tag, .what = r->name,
                                          .at = check_at(r->node, "addressPrefix", r->at)});
    }
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++) {
        const struct unique *u = &l.at[i];
        struct prefix4 p = {(ip4)(u->number >> 8), (uint8_t)u->number};
        if (unique_same(&l.at[i - 1], u))
            diag_error(c->d, u->at, "%s of route '%s' of '%s' has route '%s' already (R-28)",
                       u->text ? u->text : prefix4_format(p, buf), u->what, t->name, l.at[i - 1].what);
    }
}

void check_policy(struct check *c)
{
    for (size_t i = 0; i < c->m->networkSecurityGroups.n; i++)
        check_nsg(c, &c->m->networkSecurityGroups.at[i]);
    check_groups(c);
    for (size_t i = 0; i < c->m->routeTables.n; i++)
        check_table(c, &c->m->routeTables.at[i]);
}
