/* check_service.c - platform services, private endpoints and service endpoints. */
#include <string.h>
#include <strings.h>

#include "topology/check_int.h"
#include "topology/names.h"
#include "topology/regions.h"
#include "topology/tags.h"
#include "topology/types.h"

static bool is_type(const struct service *s, const char *type)
{
    return s->type && !strncasecmp(s->type, type, strlen(type));
}

static const struct resource_type *type_of(const struct service *s)
{
    return s->type ? type_find(s->type) : NULL;
}

/* -- services -------------------------------------------------------------------------------------------- */

/* SE-14. The plain form of a host is /32 in the model as well, so the text decides. */
static void check_ip_rules(struct check *c, const struct service *s)
{
    const struct node *acls = s->node ? node_get(s->node, "networkAcls") : NULL;
    const struct node *list = acls && acls->kind == NODE_MAP ? node_get(acls, "ipRules") : NULL;
    char buf[PREFIX4_STRLEN], ip[IP4_STRLEN];
    for (size_t i = 0; i < s->networkAcls.ipRules.n; i++) {
        struct prefix4 p = s->networkAcls.ipRules.at[i];
        struct origin at = check_item(acls, "ipRules", i, s->at);
        const struct node *item = list && list->kind == NODE_SEQ && i < list->n ? list->item[i] : NULL;
        const char *text = item && item->kind == NODE_SCALAR ? item->text : "";
        if (!ip4_is_public(p.addr) || !ip4_is_public(prefix4_last(p)))
            diag_error(
                c->d, at,
                "ipRules of '%s': %s is not public, and the firewall sees public addresses only (SE-14)",
                s->name, prefix4_format(p, buf));
        else if (is_type(s, "Microsoft.Storage/") && p.len >= 31 && strchr(text, '/'))
            diag_error(c->d, at, "ipRules of '%s': a storage account takes no /31 and /32; write %s (SE-14)",
                       s->name, p.len == 32 ? ip4_format(p.addr, ip) : "the two addresses");
    }
}

static void check_bypass(struct check *c, const struct service *s)
{
    static const char *const known[] = {"None", "AzureServices", "Logging", "Metrics"};
    const struct node *acls = s->node ? node_get(s->node, "networkAcls") : NULL;
    for (size_t i = 0; i < s->networkAcls.bypass.n; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            found |= !strcasecmp(s->networkAcls.bypass.at[i], known[k]);
        if (!found)
            diag_error(c->d, check_item(acls, "bypass", i, s->at),
                       "unknown bypass '%s' of '%s': it is AzureServices, Logging, Metrics or None",
                       s->networkAcls.bypass.at[i], s->name);
    }
}

/* => whether a service-endpoint row of the service's own region covers its address: a row of all regions
 * holds the whole tag, another one the tags of its regions (SE-05, Y-13). */
static bool row_covers(struct check *c, const struct service *s, const struct service_endpoint_namespace *ns)
{
    for (size_t i = 0; ns->tags[i]; i++) {
        const struct tag *whole = tagset_find(c->m->tags, ns->tags[i]);
        const struct tag *own = tagset_regional(c->m->tags, ns->tags[i], s->location ? s->location : "");
        if (own && tagset_covers(own, s->publicIPAddress))
            return true;
        if (whole && (ns->scope == NAMESPACE_ALL || !own) && tagset_covers(whole, s->publicIPAddress))
            return true;
    }
    return false;
}

static void check_covered(struct check *c, const struct service *s)
{
    const struct resource_type *t = type_of(s);
    const struct service_endpoint_namespace *ns =
        t && t->endpoint_namespace ? namespace_find(t->endpoint_namespace) : NULL;
    char ip[IP4_STRLEN];
    if (ns && c->m->tags && s->publicIPAddress && !row_covers(c, s, ns))
        diag_warning(c->d, check_at(s->node, "publicIPAddress", s->at),
                     "%s of '%s' is not in service tag %s of region '%s': no row of a %s service endpoint "
                     "covers it (Y-13)",
                     ip4_format(s->publicIPAddress, ip), s->name, ns->tags[0], s->location ? s->location : "",
                     ns->name);
}

/* -- private endpoints ----------------------------------------------------------------------------------- */

/* An endpoint without location is where its network is. */
static void check_region(struct check *c, const struct private_endpoint *e)
{
    const char *net = e->subnet->vnet->location;
    const struct node *given = e->node ? node_get(e->node, "location") : NULL;
    if (!net)
        return;
    if (given && e->location && !region_same(e->location, net))
        diag_error(c->d, given->at,
                   "private endpoint '%s' is in %s and its network '%s' in %s: it must be the same region "
                   "(A-14)",
                   e->name, e->location, e->subnet->vnet->name, net);
    if (e->service && is_type(e->service, "Microsoft.RecoveryServices/vaults") && e->service->location &&
        !region_same(e->service->location, net))
        diag_error(c->d, check_at(e->node, "service", e->at),
                   "private endpoint '%s': the Backup vault '%s' is in %s and "
                   "the network in %s: it must be the same region (A-14)",
                   e->name, e->service->name, e->service->location, net);
}

static const char *group_list(struct check *c, const struct resource_type *t)
{
    const char *s = t->groups[0].group;
    for (size_t i = 1; s && t->groups[i].group; i++)
        s = arena_printf(c->a, "%s, %s", s, t->groups[i].group);
    return s ? s : "";
}

static void check_group(struct check *c, const struct private_endpoint *e, const struct resource_type *t)
{
    struct origin at = check_item(e->node, "groupIds", 0, e->at);
    const char *given = e->groupIds.at[0], *near = type_group_suggest(t, given);
    if (type_group(t, given))
        return;
    if (near)
        diag_error(c->d, at, "unknown groupId '%s' for '%s'; did you mean '%s'? (A-16)", given,
                   e->service->name, near);
    else
        diag_error(c->d, at, "unknown groupId '%s' for '%s'; %s has %s (A-16)", given, e->service->name,
                   t->name, group_list(c, t));
}

/* */
static void check_groups(struct check *c, const struct private_endpoint *e)
{
    const struct resource_type *t = e->service ? type_of(e->service) : NULL;
    if (e->pls && e->groupIds.n)
        diag_error(c->d, check_item(e->node, "groupIds", 0, e->at),
                   "private endpoint '%s' leads to a private link service, which has no groupIds (A-16)",
                   e->name);
    if (e->service && e->groupIds.n > 1)
        diag_error(
            c->d, check_item(e->node, "groupIds", 1, e->at),
            "private endpoint '%s' has %zu groupIds: each sub-resource needs an endpoint of its own (A-15)",
            e->name, e->groupIds.n);
    if (!t)
        return;
    if (e->groupIds.n)
        check_group(c, e, t);
    else if (t->groups[0].group && t->groups[1].group)
        diag_error(c->d, e->at, "private endpoint '%s' needs a groupId for '%s': one of %s (A-16)", e->name,
                   e->service->name, group_list(c, t));
}

/* A zone in the group that holds no name of the sub-resource stays without records. */
static void check_zone_group(struct check *c, const struct private_endpoint *e)
{
    const struct resource_type *t = e->service ? type_of(e->service) : NULL;
    const char *group = names_endpoint_group(e), **usual;
    if (!t || !type_group(t, group))
        return;
    size_t n = type_zones(c->a, t, group, e->service->location, e->service->replicas.at,
                          e->service->replicas.n, &usual);
    for (size_t i = 0; i < e->privateDnsZoneGroup.n; i++) {
        const struct private_zone *z = e->privateDnsZoneGroup.at[i];
        if (z && !type_zone_known(t, group, z->zoneName))
            diag_warning(
                c->d, check_item(e->node, "privateDnsZoneGroup", i, e->at),
                "zone '%s' holds no name of '%s' (%s)%s%s: the zone group writes nothing there (N-09)",
                z->zoneName, e->service->name, group, n ? "; its zone is " : "", n ? usual[0] : "");
    }
}

/* PE-27 */
static void check_tier(struct check *c, const struct private_endpoint *e)
{
    const struct service *s = e->service;
    if (s && s->sku && is_type(s, "Microsoft.ContainerRegistry/registries") &&
        strcasecmp(s->sku, "Premium") != 0)
        diag_error(
            c->d, check_at(e->node, "service", e->at),
            "private endpoint '%s': the registry '%s' is %s, and only Premium has private endpoints (PE-27)",
            e->name, s->name, s->sku);
}

/* */
static void check_high_scale(struct check *c, const struct private_endpoint *e)
{
    const struct subnet *s = e->subnet;
    const enum endpoint_policies p = s->privateEndpointNetworkPolicies;
    if (s->vnet->privateEndpointVNetPolicies == VNETPOL_BASIC && (p == PENP_DISABLED || p == PENP_NSG) &&
        !c->m->switches.privateEndpointPolicies2021)
        diag_warning(c->d, check_at(s->node, "privateEndpointNetworkPolicies", s->at),
                     "'%s/%s' has private endpoint '%s' and leaves user routes out; "
                     "privateEndpointVNetPolicies Basic needs RouteTableEnabled or Enabled there (R-14)",
                     s->vnet->name, s->name, e->name);
}

static void check_endpoint(struct check *c, const struct private_endpoint *e)
{
    const struct subnet *s = e->subnet;
    if (!s)
        return;
    check_region(c, e);
    check_groups(c, e);
    check_zone_group(c, e);
    check_tier(c, e);
    check_high_scale(c, e);
    if (c->m->switches.privateEndpointPolicies2021 && s->privateEndpointNetworkPolicies != PENP_DISABLED)
        diag_error(c->d, check_at(s->node, "privateEndpointNetworkPolicies", s->at),
                   "privateEndpointNetworkPolicies of '%s/%s' must be Disabled: private endpoint '%s' is "
                   "there, and the "
                   "switch privateEndpointPolicies is 2021 (PE-07)",
                   s->vnet->name, s->name, e->name);
}

/* -- service endpoints ----------------------------------------------------------------------------------- */

static void check_service_endpoints(struct check *c, const struct subnet *s)
{
    for (size_t i = 0; i < s->serviceEndpoints.n; i++) {
        const struct service_endpoint *e = &s->serviceEndpoints.at[i];
        struct origin at = check_item(s->node, "serviceEndpoints", i, s->at);
        const struct service_endpoint_namespace *ns = e->service ? namespace_find(e->service) : NULL;
        const char *near = e->service && !ns ? namespace_suggest(e->service) : NULL;
        if (!e->service)
            continue;
        if (near)
            diag_error(c->d, at,
                       "unknown service '%s' in serviceEndpoints of '%s/%s'; did you mean '%s'? (SE-04)",
                       e->service, s->vnet->name, s->name, near);
        else if (!ns)
            diag_error(c->d, at, "unknown service '%s' in serviceEndpoints of '%s/%s' (SE-04)", e->service,
                       s->vnet->name, s->name);
    }
}

static void check_definitions(struct check *c, const struct se_policy *p)
{
    for (size_t i = 0; i < p->definitions.n; i++) {
        const struct se_policy_definition *d = &p->definitions.at[i];
        const char *near = d->service && !namespace_find(d->service) ? namespace_suggest(d->service) : NULL;
        if (near)
            diag_error(c->d, d->at, "unknown service '%s' in definitions of '%s'; did you mean '%s'? (SE-04)",
                       d->service, p->name, near);
        else if (d->service && !namespace_find(d->service))
            diag_error(c->d, d->at, "unknown service '%s' in definitions of '%s' (SE-04)", d->service,
                       p->name);
    }
}

void check_services(struct check *c)
{
    const struct model *m = c->m;
    for (size_t i = 0; i < m->serviceEndpointPolicies.n; i++)
        check_definitions(c, &m->serviceEndpointPolicies.at[i]);
    for (size_t i = 0; i < m->services.n; i++) {
        check_ip_rules(c, &m->services.at[i]);
        check_bypass(c, &m->services.at[i]);
        check_covered(c, &m->services.at[i]);
    }
    for (size_t i = 0; i < m->privateEndpoints.n; i++)
        if (!m->privateEndpoints.at[i].whole)
            check_endpoint(c, &m->privateEndpoints.at[i]);
    for (size_t i = 0; i < m->virtualNetworks.n; i++)
        for (size_t k = 0; k < m->virtualNetworks.at[i].subnets.n; k++)
            check_service_endpoints(c, &m->virtualNetworks.at[i].subnets.at[k]);
    for (size_t i = 0; i < m->privateLinkServices.n; i++) {
        const struct pls *s = &m->privateLinkServices.at[i];
        if (s->subnet && s->subnet->privateLinkServiceNetworkPolicies)
            diag_error(c->d, check_at(s->subnet->node, "privateLinkServiceNetworkPolicies", s->subnet->at),
                       "privateLinkServiceNetworkPolicies of '%s/%s' must be Disabled: private link service "
                       "'%s' has its "
                       "NAT addresses there (PE-22)",
                       s->subnet->vnet->name, s->subnet->name, s->name);
    }
}
