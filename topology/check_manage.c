/* check_manage.c - what stands above networks: subscriptions, network managers. */
#include <string.h>
#include <strings.h>

#include "topology/check_int.h"
#include "topology/routes.h"
#include "topology/rules.h"

#define SMTP                  25u
#define APPLIANCES_ON_THE_WAY 8

/* -- TCP port 25 (G-15) ---------------------------------------------------------------------------------- */

/* => the public address that a flow goes to, as far as the file tells without asking DNS; 0: none. */
static ip4 outside(const struct model *m, const char *to)
{
    const struct thing t = model_find(m, to);
    ip4 ip;
    if (t.kind == THING_INTERNET_HOST)
        return ((const struct internet_host *)t.p)->ipAddress;
    if (ip4_parse(to, &ip) == 0)
        return ip4_is_public(ip) ? ip : 0;
    for (size_t i = 0; t.kind == THING_NONE && i < m->internetHosts.n; i++)
        for (size_t k = 0; k < m->internetHosts.at[i].names.n; k++)
            if (strcasecmp(m->internetHosts.at[i].names.at[k], to) == 0)
                return m->internetHosts.at[i].ipAddress;
    return 0;
}

/* => the interface by which the flow leaves Azure for the Internet; NULL: it does not. */
static const struct nic *leaves_by(struct arena *a, const struct model *m, const struct nic *nic, ip4 to)
{
    for (unsigned i = 0; i < APPLIANCES_ON_THE_WAY && nic; i++) {
        const struct eff_route *row = routes_select(routes_effective(a, m, nic->subnet), to, NULL);
        if (!row || row->type == NH_TYPE_INTERNET)
            return row ? nic : NULL;
        nic = row->type == NH_TYPE_VIRTUAL_APPLIANCE ? row->appliance : NULL;
    }
    return NULL;
}

void model_check_smtp(const struct model *m, const struct flow *f, struct diag *d)
{
    if (f->protocol != FLOW_TCP || f->destinationPort != SMTP || !f->from || !f->to)
        return;
    const struct thing from = model_find(m, f->from);
    const ip4 to = from.kind == THING_NIC ? outside(m, f->to) : 0;
    struct arena *a = arena_new("check");
    const struct nic *nic = to ? leaves_by(a, m, from.p, to) : NULL;
    if (nic && !model_subscription(m, nic->subscription))
        diag_warning(
            d, check_at(f->node, "destinationPort", f->at),
            "flow '%s' leaves for TCP port 25 of the Internet by '%s': most subscriptions may not, and what "
            "'%s' was bought as is not said under 'subscriptions', so it passes (G-15)",
            f->name, nic->name, nic->subscription);
    arena_free(a);
}

/* -- security admin rules (G-16) ------------------------------------------------------------------------- */

static const char *direction_word(uint64_t d)
{
    return d == DIR_INBOUND ? "inbound" : "outbound";
}

static void check_admin_side(struct check *c, const struct address_match *at, size_t n, const char *where)
{
    for (size_t i = 0; i < n; i++) {
        if (at[i].kind != MATCH_TAG)
            continue;
        if (!strncasecmp(at[i].tag, "AzurePlatform", strlen("AzurePlatform")))
            diag_error(c->d, at[i].at, "%s names %s, which security admin rules do not take (G-16)", where,
                       at[i].tag);
        else
            check_rule_tag(c, at[i].tag, at[i].at, where);
    }
}

static void check_admin_collection(struct check *c, const struct admin_collection *k)
{
    struct unique_list l = {0};
    for (size_t i = 0; i < k->rules.n; i++) {
        const struct security_rule *r = &k->rules.at[i].rule;
        const char *where = arena_printf(c->a, "security admin rule '%s' of '%s'", r->name, k->name);
        check_admin_side(c, r->source.at, r->source.n, where);
        check_admin_side(c, r->destination.at, r->destination.n, where);
        check_priority(c, &l, r);
    }
    check_priorities(c, &l, k->name, "G-16");
}

/* Rules of one manager that meet in a network: equal priorities in two collections have no order in Azure. */
static void check_admin_meeting(struct check *c, const struct network_manager *m, const struct vnet *v)
{
    struct unique_list l = {0};
    for (size_t i = 0; i < m->securityAdminConfigurations.n; i++) {
        const struct admin_config *conf = &m->securityAdminConfigurations.at[i];
        for (size_t j = 0; j < conf->ruleCollections.n; j++)
            for (size_t r = 0;
                 rules_applies(&conf->ruleCollections.at[j], v) && r < conf->ruleCollections.at[j].rules.n;
                 r++) {
                const struct security_rule *x = &conf->ruleCollections.at[j].rules.at[r].rule;
                unique_add(c, &l,
                           (struct unique){.scope = x->direction,
                                           .number = x->priority,
                                           .what = x->name,
                                           .at = check_at(x->node, "priority", x->at),
                                           .kind = (int)(i * 10000 + j)});
            }
    }
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++)
        if (unique_same(&l.at[i - 1], &l.at[i]) && l.at[i - 1].kind != l.at[i].kind)
            diag_warning(
                c->d, l.at[i].at,
                "priority %u of rule '%s' is also that of %s rule '%s', which reaches '%s' too: Azure "
                "promises no order, here '%s' is tried first (G-16)",
                (unsigned)l.at[i].number, l.at[i].what, direction_word(l.at[i].scope), l.at[i - 1].what,
                v->name, l.at[i - 1].what);
}

/* => by network, whether some collection applies to it. */
static bool *config_reach(struct check *c, const struct admin_config *conf)
{
    const struct model *m = c->m;
    bool *reach = arena_array(c->a, m->virtualNetworks.n, sizeof *reach);
    for (size_t i = 0; i < m->virtualNetworks.n; i++)
        for (size_t j = 0; j < conf->ruleCollections.n && !reach[i]; j++)
            reach[i] = rules_applies(&conf->ruleCollections.at[j], &m->virtualNetworks.at[i]);
    return reach;
}

/* => a region in which both have networks, or NULL. */
static const char *shared_region(const struct model *m, const bool *x, const bool *y)
{
    for (size_t i = 0; i < m->virtualNetworks.n; i++)
        for (size_t k = 0; x[i] && k < m->virtualNetworks.n; k++)
            if (y[k] && strcmp(m->virtualNetworks.at[i].location, m->virtualNetworks.at[k].location) == 0)
                return m->virtualNetworks.at[i].location;
    return NULL;
}

/* One security admin configuration of a manager is deployed to a region. */
static void check_admin_regions(struct check *c, const struct network_manager *m)
{
    const size_t n = m->securityAdminConfigurations.n;
    bool **reach = arena_array(c->a, n, sizeof *reach);
    for (size_t i = 0; n > 1 && i < n; i++) {
        const struct admin_config *conf = &m->securityAdminConfigurations.at[i];
        reach[i] = config_reach(c, conf);
        for (size_t k = 0; k < i; k++) {
            const char *region = shared_region(c->m, reach[k], reach[i]);
            if (!region)
                continue;
            diag_error(
                c->d, conf->at,
                "security admin configuration '%s' reaches networks in %s, where '%s' of '%s' is deployed: a "
                "region takes one; use rule collections (G-16)",
                conf->name, region, m->securityAdminConfigurations.at[k].name, m->name);
            break;
        }
    }
}

/* -- connected groups (Y-20) ----------------------------------------------------------------------------- */

static const char *overlap_text(struct check *c, const struct vnet *v, prefix_list other)
{
    char buf[PREFIX4_STRLEN];
    for (size_t i = 0; i < v->addressPrefixes.n; i++)
        for (size_t k = 0; k < other.n; k++) {
            const struct prefix4 x = v->addressPrefixes.at[i], y = other.at[k];
            if (prefix4_overlap(x, y))
                return arena_strdup(c->a, prefix4_format(x.len > y.len ? x : y, buf));
        }
    return NULL;
}

static void check_overlap_inside(struct check *c, const struct connected_group *g, const struct vnet *v,
                                 const struct vnet *o)
{
    const char *text = overlap_text(c, v, o->addressPrefixes);
    if (text && !g->config->connectivityCapabilities.connectedGroupAddressOverlap)
        diag_error(c->d, g->config->at,
                   "'%s' and '%s' overlap in %s, which the connected group of '%s' does not allow (Y-20)",
                   v->name, o->name, text, g->config->name);
    else if (text)
        diag_warning(c->d, g->config->at,
                     "'%s' and '%s' overlap in %s: the connected group of '%s' carries nothing to those "
                     "addresses (Y-20)",
                     v->name, o->name, text, g->config->name);
}

static bool is_member(const struct connected_group *g, const struct vnet *v)
{
    for (size_t i = 0; i < g->members.n; i++)
        if (g->members.at[i].vnet == v)
            return true;
    return false;
}

/* A network outside that a member is peered with takes its addresses from the group as well. */
static void check_overlap_outside(struct check *c, const struct connected_group *g, const struct vnet *v)
{
    for (size_t i = 0; i < v->virtualNetworkPeerings.n; i++) {
        const struct peering *p = &v->virtualNetworkPeerings.at[i];
        if (!p->reverse || is_member(g, p->remoteVirtualNetwork))
            continue;
        for (size_t k = 0; k < g->members.n; k++) {
            const struct vnet *o = g->members.at[k].vnet;
            const char *text = o != v ? overlap_text(c, o, peering_prefixes(c->a, p)) : NULL;
            if (text)
                diag_warning(c->d, p->at,
                             "'%s', peered with '%s', overlaps '%s' in %s: the connected group of '%s' "
                             "carries nothing to "
                             "those addresses (Y-20)",
                             p->remoteVirtualNetwork->name, v->name, o->name, text, g->config->name);
        }
    }
}

static void check_connected(struct check *c, const struct connected_group *g)
{
    for (size_t i = 0; i < g->members.n; i++) {
        for (size_t k = i + 1; k < g->members.n; k++)
            check_overlap_inside(c, g, g->members.at[i].vnet, g->members.at[k].vnet);
        check_overlap_outside(c, g, g->members.at[i].vnet);
    }
}

void check_managers(struct check *c)
{
    for (size_t i = 0; i < c->m->connectedGroups.n; i++)
        check_connected(c, &c->m->connectedGroups.at[i]);
    for (size_t i = 0; i < c->m->networkManagers.n; i++) {
        const struct network_manager *m = &c->m->networkManagers.at[i];
        for (size_t j = 0; j < m->securityAdminConfigurations.n; j++)
            for (size_t k = 0; k < m->securityAdminConfigurations.at[j].ruleCollections.n; k++)
                check_admin_collection(c, &m->securityAdminConfigurations.at[j].ruleCollections.at[k]);
        check_admin_regions(c, m);
        for (size_t v = 0; v < c->m->virtualNetworks.n; v++)
            check_admin_meeting(c, m, &c->m->virtualNetworks.at[v]);
    }
}
