/* check_policy.c - security groups and route tables. */
#include <string.h>
#include <strings.h>

#include "topology/check_int.h"
#include "topology/regions.h"
#include "topology/tags.h"

/* -- service tags ---------------------------------------------------------------------------------------- */

/* => whether the tag is missing perhaps only because the built-in tags are a subset: its region is one. */
static bool beyond_subset(const struct model *m, const char *tag)
{
    const char *dot = strrchr(tag, '.');
    return !m->serviceTags && dot && region_find(dot + 1);
}

static void unknown_tag(struct check *c, const char *tag, struct origin at, const char *where)
{
    const char *near = tagset_suggest(c->m->tags, tag);
    if (beyond_subset(c->m, tag))
        diag_error(
            c->d, at,
            "service tag '%s' in %s is not in the built-in subset; 'serviceTags' names Azure's whole file",
            tag, where);
    else if (near)
        diag_error(c->d, at, "unknown service tag '%s' in %s; did you mean '%s'?", tag, where, near);
    else
        diag_error(c->d, at, "unknown service tag '%s' in %s", tag, where);
}

void check_rule_tag(struct check *c, const char *tag, struct origin at, const char *where)
{
    if (!tag_is_computed(tag) && c->m->tags && !tagset_find(c->m->tags, tag))
        unknown_tag(c, tag, at, where);
}

/* The published file's own mark for routes is of no use: AzureCloud lacks it (R-21 has it). */
static void check_route_tag(struct check *c, const char *tag, struct origin at, const char *where)
{
    if (tag_is_computed(tag) || !strncasecmp(tag, "AzurePlatform", strlen("AzurePlatform")))
        diag_error(c->d, at, "service tag '%s' in %s: it works in security rules only (R-21)", tag, where);
    else if (c->m->tags && !tagset_find(c->m->tags, tag))
        unknown_tag(c, tag, at, where);
}

/* -- security rules -------------------------------------------------------------------------------------- */

static void check_side(struct check *c, const struct address_match *at, size_t n, const char *side,
                       const char *where)
{
    size_t tags = 0;
    for (size_t i = 0; i < n; i++) {
        if (at[i].kind != MATCH_TAG)
            continue;
        check_rule_tag(c, at[i].tag, at[i].at, where);
        if (++tags == 2)
            diag_error(c->d, at[i].at, "%s has two service tags as %s: one is allowed (G-12)", where, side);
    }
}

static void check_rule(struct check *c, const struct security_rule *r, const char *where)
{
    check_side(c, r->source.at, r->source.n, "source", where);
    check_side(c, r->destination.at, r->destination.n, "destination", where);
}

void check_priority(struct check *c, struct unique_list *l, const struct security_rule *r)
{
    unique_add(c, l,
               (struct unique){.scope = r->direction,
                               .number = r->priority,
                               .what = r->name,
                               .at = check_at(r->node, "priority", r->at)});
}

void check_priorities(struct check *c, struct unique_list *l, const char *of, const char *rule)
{
    unique_sort(l);
    for (size_t i = 1; i < l->n; i++)
        if (unique_same(&l->at[i - 1], &l->at[i]))
            diag_error(c->d, l->at[i].at,
                       "priority %u of rule '%s' of '%s' belongs to %s rule '%s' already (%s)",
                       (unsigned)l->at[i].number, l->at[i].what, of,
                       l->at[i].scope == DIR_INBOUND ? "inbound" : "outbound", l->at[i - 1].what, rule);
}

static void check_nsg(struct check *c, const struct nsg *g)
{
    struct unique_list l = {0};
    for (size_t i = 0; i < g->securityRules.n; i++) {
        const struct security_rule *r = &g->securityRules.at[i];
        check_rule(c, r, arena_printf(c->a, "rule '%s' of '%s'", r->name, g->name));
        check_priority(c, &l, r);
    }
    check_priorities(c, &l, g->name, "G-01");
}

/* -- application security groups (G-13) ------------------------------------------------------------------ */

struct member { /* the first member of a group, or NULL */
    const struct vnet *vnet;
    const char *what;
};

static void join(struct check *c, struct member *of, const asg_list *groups, const struct subnet *s,
                 const char *what, const struct node *node, struct origin fallback)
{
    if (!s)
        return;
    for (size_t i = 0; i < groups->n; i++) {
        struct member *x = groups->at[i] ? &of[groups->at[i]->index] : NULL;
        if (x && !x->vnet)
            *x = (struct member){s->vnet, what};
        else if (x && x->vnet != s->vnet)
            diag_error(c->d, check_item(node, "applicationSecurityGroups", i, fallback),
                       "application security group '%s' has members in two virtual networks: %s in '%s', %s "
                       "in '%s' (G-13)",
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
                diag_error(
                    c->d, r->at,
                    "rule '%s' of '%s' joins application security groups of two virtual networks: '%s' "
                    "in '%s', '%s' in '%s' (G-13)",
                    r->name, g->name, first->name, of[first->index].vnet->name, a->name,
                    of[a->index].vnet->name);
        }
}

static void check_groups(struct check *c)
{
    const struct model *m = c->m;
    struct member *of = arena_array(c->a, m->applicationSecurityGroups.n, sizeof *of);
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *x = &m->networkInterfaces.at[i];
        if (x->applicationSecurityGroups.n)
            join(c, of, &x->applicationSecurityGroups, x->subnet, arena_printf(c->a, "'%s'", x->name),
                 x->node, x->at);
    }
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &m->privateEndpoints.at[i];
        join(c, of, &e->applicationSecurityGroups, e->subnet, arena_printf(c->a, "'%s'", e->name), e->node,
             e->at);
    }
    for (size_t i = 0; i < m->networkSecurityGroups.n; i++) {
        const struct nsg *g = &m->networkSecurityGroups.at[i];
        for (size_t k = 0; k < g->securityRules.n; k++)
            check_rule_groups(c, of, g, &g->securityRules.at[k]);
    }
}

/* -- routes ---------------------------------------------------------------------------------------------- */

static void check_route(struct check *c, const struct route *r, const char *where)
{
    static const struct prefix4 host_agent[] = {{IP4_PLATFORM, 32}, {IP4_IMDS, 32}};
    struct origin at = check_at(r->node, "addressPrefix", r->at);
    if (r->tag)
        check_route_tag(c, r->tag, at, where);
    for (size_t i = 0; !r->tag && i < 2; i++)
        if (prefix4_eq(r->addressPrefix, host_agent[i]))
            diag_warning(c->d, at, "%s has no effect: the platform's addresses cannot be routed (R-26)",
                         where);
}

static void check_table(struct check *c, const struct route_table *t)
{
    struct unique_list l = {0};
    char buf[PREFIX4_STRLEN];
    for (size_t i = 0; i < t->routes.n; i++) {
        const struct route *r = &t->routes.at[i];
        uint64_t prefix = r->tag ? 0 : (uint64_t)r->addressPrefix.addr << 8 | r->addressPrefix.len;
        check_route(c, r, arena_printf(c->a, "route '%s' of '%s'", r->name, t->name));
        unique_add(c, &l,
                   (struct unique){.number = prefix,
                                   .text = r->tag,
                                   .what = r->name,
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
