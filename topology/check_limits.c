/* check_limits.c - Azure's published limits, as warnings.
 *
 * A model above a limit still works here; Azure would refuse it, or quietly not. All numbers are in one
 * table, by rule. Where a limit has changed over the years, the table holds what RULES.md publishes. Limits
 * per subscription, region or group of peers are counted with the same sort that finds duplicates. */
#include <string.h>
#include <strings.h>

#include "topology/check_int.h"

/* X(name, rule, number, what is counted) */
#define LIMITS(X)                                                                                            \
    X(ROUTES, "L-01", 400, "routes")                                                                         \
    X(TABLES, "L-01", 200, "route tables in a subscription and region")                                      \
    X(TAG_ROUTES, "L-02", 25, "routes by service tag")                                                       \
    X(RULES, "L-03", 1000, "security rules")                                                                 \
    X(GROUPS, "L-03", 5000, "network security groups in a subscription")                                     \
    X(FIELD, "L-04", 4000, "addresses and ranges in one field")                                              \
    X(ASG_NIC, "L-05", 20, "application security groups")                                                    \
    X(ASG_RULE, "L-05", 10, "application security groups")                                                   \
    X(ASG_NSG, "L-05", 100, "application security groups")                                                   \
    X(ASG_MEMBERS, "L-05", 4000, "members")                                                                  \
    X(ASG_ENDPOINT_MEMBERS, "L-05", 50, "members, endpoints among them")                                     \
    X(PEERINGS, "L-06", 500, "peerings")                                                                     \
    X(VNETS, "L-06", 1000, "virtual networks in a subscription")                                             \
    X(SUBNETS, "L-06", 3000, "subnets")                                                                      \
    X(PRIVATE_IPS, "L-06", 65536, "private addresses")                                                       \
    X(DNS_SERVERS, "L-06", 20, "DNS servers")                                                                \
    X(PE_VNET, "L-07", 1000, "private endpoints")                                                            \
    X(PE_VNET_HIGH, "L-07", 5000, "private endpoints (high scale)")                                          \
    X(PE_PEERED, "L-07", 4000, "private endpoints in it and its peers")                                      \
    X(PE_PEERED_HIGH, "L-07", 20000, "private endpoints in it and its peers (high scale)")                   \
    X(PE_SUBSCRIPTION, "L-07", 64000, "private endpoints in a subscription")                                 \
    X(PLS_LB, "L-08", 8, "private link services")                                                            \
    X(PLS_NAT, "L-08", 8, "NAT addresses")                                                                   \
    X(PLS_PE, "L-08", 1000, "private endpoints")                                                             \
    X(PLS_SUBSCRIPTION, "L-08", 800, "private link services in a subscription")                              \
    X(PLS_VISIBILITY, "L-08", 100, "subscriptions in visibility")                                            \
    X(PLS_APPROVAL, "L-08", 100, "subscriptions in autoApproval")                                            \
    X(PE_ZONES, "L-09", 5, "zones in its zone group")                                                        \
    X(PE_VAULT, "L-09", 64, "private endpoints")                                                             \
    X(PE_REGISTRY, "L-09", 10, "private endpoints")                                                          \
    X(PE_BACKUP, "L-09", 12, "private endpoints")                                                            \
    X(PE_ADDRESSES, "A-13", 25, "private addresses")                                                         \
    X(VNET_RULES_STORAGE, "L-10", 100, "virtualNetworkRules")                                                \
    X(VNET_RULES_SQL, "L-10", 128, "virtualNetworkRules")                                                    \
    X(VNET_RULES_VAULT, "L-10", 200, "virtualNetworkRules")                                                  \
    X(VNET_RULES_COSMOS, "L-10", 64, "virtualNetworkRules")                                                  \
    X(VNET_RULES_BUS, "L-10", 128, "virtualNetworkRules")                                                    \
    X(IP_RULES_STORAGE, "L-10", 100, "ipRules")                                                              \
    X(IP_RULES_VAULT, "L-10", 1000, "ipRules")                                                               \
    X(SEP_SUBSCRIPTION, "L-12", 500, "service endpoint policies in a subscription")                          \
    X(SEP_SUBNET, "L-12", 100, "service endpoint policies")                                                  \
    X(SEP_RESOURCES, "L-12", 200, "resources in one definition")                                             \
    X(ZONE_RECORDS, "L-14", 25000, "record sets")                                                            \
    X(ZONE_LINKS, "L-14", 1000, "links")                                                                     \
    X(ZONE_REGISTRATIONS, "L-14", 100, "links with registration")                                            \
    X(ADMIN_RULES, "L-15", 100, "security admin rules")                                                      \
    X(GROUP_MEMBERS, "L-16", 250, "virtual networks in one connected group")                                 \
    X(GROUP_ENDPOINTS, "L-16", 2000, "private endpoints in one connected group")                             \
    X(GROUP_ENDPOINTS_HIGH, "L-16", 20000, "private endpoints in one connected group (high scale)")          \
    X(GROUPS_VNET, "L-16", 2, "connected groups")                                                            \
    X(ADMIN_PREFIXES, "L-15", 20000, "IP prefixes in its security admin rules")                              \
    X(NAT_ADDRESSES, "O-02", 16, "public IP addresses")

enum limit {
#define X(name, rule, number, text) LIMIT_##name,
    LIMITS(X)
#undef X
};
static const struct {
    const char *rule;
    uint32_t max;
    const char *what;
} limits[] = {
#define X(name, rule, number, text) {rule, number, text},
    LIMITS(X)
#undef X
};

static void over(struct check *c, enum limit l, size_t count, struct origin at, const char *kind,
                 const char *name)
{
    if (count > limits[l].max)
        diag_warning(c->d, at, "%s '%s' has %zu %s; the published limit is %u (%s)", kind, name, count,
                     limits[l].what, limits[l].max, limits[l].rule);
}

/* Limits per subscription: each group of equal keys counts once, the finding is at the first one too many. */
static void over_groups(struct check *c, enum limit l, struct unique_list *list)
{
    size_t run = 0;
    unique_sort(list);
    for (size_t i = 0; i < list->n; i++) {
        run = i && unique_same(&list->at[i - 1], &list->at[i]) ? run + 1 : 1;
        if (run == (size_t)limits[l].max + 1)
            diag_warning(c->d, list->at[i].at, "there are more than %u %s ('%s'), the published limit (%s)",
                         limits[l].max, limits[l].what, list->at[i].text, limits[l].rule);
    }
}

#define OVER_SUBSCRIPTION(c, l, list)                                                                        \
    do {                                                                                                     \
        struct unique_list all_ = {0};                                                                       \
        for (size_t i_ = 0; i_ < (list).n; i_++)                                                             \
            unique_add(c, &all_,                                                                             \
                       (struct unique){.text = (list).at[i_].subscription, .at = (list).at[i_].at});         \
        over_groups(c, l, &all_);                                                                            \
    } while (0)

static void limit_tables(struct check *c)
{
    struct unique_list all = {0};
    for (size_t i = 0; i < c->m->routeTables.n; i++) {
        const struct route_table *t = &c->m->routeTables.at[i];
        struct origin at = check_at(t->node, "routes", t->at);
        size_t tags = 0;
        for (size_t k = 0; k < t->routes.n; k++)
            tags += t->routes.at[k].tag != NULL;
        over(c, LIMIT_ROUTES, t->routes.n, at, "route table", t->name);
        over(c, LIMIT_TAG_ROUTES, tags, at, "route table", t->name);
        const char *group = arena_printf(c->a, "%s, %s", t->subscription ? t->subscription : "",
                                         t->location ? t->location : "");
        unique_add(c, &all, (struct unique){.text = group, .at = t->at});
    }
    over_groups(c, LIMIT_TABLES, &all);
}

static void limit_rule(struct check *c, const struct security_rule *r)
{
    size_t groups = r->sourceApplicationSecurityGroups.n + r->destinationApplicationSecurityGroups.n;
    over(c, LIMIT_FIELD, r->source.n, r->at, "source of rule", r->name);
    over(c, LIMIT_FIELD, r->destination.n, r->at, "destination of rule", r->name);
    over(c, LIMIT_ASG_RULE, groups, r->at, "rule", r->name);
}

static void limit_nsgs(struct check *c)
{
    for (size_t i = 0; i < c->m->networkSecurityGroups.n; i++) {
        const struct nsg *g = &c->m->networkSecurityGroups.at[i];
        struct origin at = check_at(g->node, "securityRules", g->at);
        struct unique_list groups = {0};
        size_t different = 0;
        for (size_t k = 0; k < g->securityRules.n; k++) {
            const struct security_rule *r = &g->securityRules.at[k];
            const asg_list *side[] = {&r->sourceApplicationSecurityGroups,
                                      &r->destinationApplicationSecurityGroups};
            limit_rule(c, r);
            for (size_t q = 0; q < 2; q++)
                for (size_t j = 0; j < side[q]->n; j++)
                    if (side[q]->at[j])
                        unique_add(c, &groups, (struct unique){.number = side[q]->at[j]->index});
        }
        unique_sort(&groups);
        for (size_t k = 0; k < groups.n; k++)
            different += k == 0 || !unique_same(&groups.at[k - 1], &groups.at[k]);
        over(c, LIMIT_RULES, g->securityRules.n, at, "network security group", g->name);
        over(c, LIMIT_ASG_NSG, different, at, "network security group", g->name);
    }
    OVER_SUBSCRIPTION(c, LIMIT_GROUPS, c->m->networkSecurityGroups);
}

static void limit_asgs(struct check *c)
{
    const struct model *m = c->m;
    size_t *members = arena_array(c->a, m->applicationSecurityGroups.n, sizeof *members);
    bool *endpoints = arena_array(c->a, m->applicationSecurityGroups.n, sizeof *endpoints);
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *x = &m->networkInterfaces.at[i];
        over(c, LIMIT_ASG_NIC, x->applicationSecurityGroups.n,
             check_at(x->node, "applicationSecurityGroups", x->at), "network interface", x->name);
        for (size_t k = 0; k < x->applicationSecurityGroups.n; k++)
            if (x->applicationSecurityGroups.at[k])
                members[x->applicationSecurityGroups.at[k]->index]++;
    }
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &m->privateEndpoints.at[i];
        for (size_t k = 0; k < e->applicationSecurityGroups.n; k++)
            if (e->applicationSecurityGroups.at[k]) {
                members[e->applicationSecurityGroups.at[k]->index] += e->ipConfigurations.n;
                endpoints[e->applicationSecurityGroups.at[k]->index] = true;
            }
    }
    for (size_t i = 0; i < m->applicationSecurityGroups.n; i++) {
        const struct asg *g = &m->applicationSecurityGroups.at[i];
        over(c, endpoints[i] ? LIMIT_ASG_ENDPOINT_MEMBERS : LIMIT_ASG_MEMBERS, members[i], g->at,
             "application security group", g->name);
    }
}

/* Count what lies in each network: private addresses and endpoints. */
struct inside {
    size_t addresses, endpoints;
};

static void inside_count(const struct model *m, struct inside *in)
{
    for (size_t i = 0; i < m->networkInterfaces.n; i++)
        if (m->networkInterfaces.at[i].subnet)
            in[m->networkInterfaces.at[i].subnet->vnet->index].addresses++;
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &m->privateEndpoints.at[i];
        if (!e->subnet)
            continue;
        in[e->subnet->vnet->index].endpoints++;
        in[e->subnet->vnet->index].addresses += e->ipConfigurations.n;
    }
}

static void limit_vnets(struct check *c)
{
    const struct model *m = c->m;
    struct inside *in = arena_array(c->a, m->virtualNetworks.n, sizeof *in);
    inside_count(m, in);
    for (size_t i = 0; i < m->virtualNetworks.n; i++) {
        const struct vnet *v = &m->virtualNetworks.at[i];
        bool high = v->privateEndpointVNetPolicies == VNETPOL_BASIC;
        size_t group = in[i].endpoints;
        for (size_t k = 0; k < v->virtualNetworkPeerings.n; k++)
            if (v->virtualNetworkPeerings.at[k].remoteVirtualNetwork)
                group += in[v->virtualNetworkPeerings.at[k].remoteVirtualNetwork->index].endpoints;
        over(c, LIMIT_PEERINGS, v->virtualNetworkPeerings.n,
             check_at(v->node, "virtualNetworkPeerings", v->at), "virtual network", v->name);
        over(c, LIMIT_SUBNETS, v->subnets.n, check_at(v->node, "subnets", v->at), "virtual network", v->name);
        over(c, LIMIT_DNS_SERVERS, v->dnsServers.n, check_at(v->node, "dnsServers", v->at), "virtual network",
             v->name);
        over(c, LIMIT_PRIVATE_IPS, in[i].addresses, v->at, "virtual network", v->name);
        over(c, high ? LIMIT_PE_VNET_HIGH : LIMIT_PE_VNET, in[i].endpoints, v->at, "virtual network",
             v->name);
        over(c, high ? LIMIT_PE_PEERED_HIGH : LIMIT_PE_PEERED, group, v->at, "virtual network", v->name);
        over(c, LIMIT_GROUPS_VNET, v->connectedGroups.n, v->at, "virtual network", v->name);
        for (size_t k = 0; k < v->subnets.n; k++)
            over(c, LIMIT_SEP_SUBNET, v->subnets.at[k].serviceEndpointPolicies.n, v->subnets.at[k].at,
                 "subnet", v->subnets.at[k].name);
    }
    OVER_SUBSCRIPTION(c, LIMIT_VNETS, m->virtualNetworks);
    for (size_t i = 0; i < m->connectedGroups.n; i++) {
        const struct connected_group *g = &m->connectedGroups.at[i];
        size_t endpoints = 0;
        for (size_t k = 0; k < g->members.n; k++)
            endpoints += in[g->members.at[k].vnet->index].endpoints;
        over(c, LIMIT_GROUP_MEMBERS, g->members.n, g->config->at, "connectivity configuration",
             g->config->name);
        over(c,
             g->config->connectivityCapabilities.connectedGroupPrivateEndpointsScale
                 ? LIMIT_GROUP_ENDPOINTS_HIGH
                 : LIMIT_GROUP_ENDPOINTS,
             endpoints, g->config->at, "connectivity configuration", g->config->name);
    }
}

static bool is_type(const struct service *s, const char *type)
{
    return s->type && !strncasecmp(s->type, type, strlen(type));
}

static void limit_acls(struct check *c)
{
    static const struct {
        const char *type;
        enum limit limit;
    } vnet[] =
        {
            {"Microsoft.Storage/", LIMIT_VNET_RULES_STORAGE},
            {"Microsoft.Sql/", LIMIT_VNET_RULES_SQL},
            {"Microsoft.KeyVault/", LIMIT_VNET_RULES_VAULT},
            {"Microsoft.DocumentDB/", LIMIT_VNET_RULES_COSMOS},
            {"Microsoft.EventHub/", LIMIT_VNET_RULES_BUS},
            {"Microsoft.ServiceBus/", LIMIT_VNET_RULES_BUS},
        },
      ip[] = {
          {"Microsoft.Storage/", LIMIT_IP_RULES_STORAGE},
          {"Microsoft.KeyVault/", LIMIT_IP_RULES_VAULT},
      };
    for (size_t i = 0; i < c->m->services.n; i++) {
        const struct service *s = &c->m->services.at[i];
        struct origin at = check_at(s->node, "networkAcls", s->at);
        for (size_t k = 0; k < sizeof vnet / sizeof vnet[0]; k++)
            if (is_type(s, vnet[k].type))
                over(c, vnet[k].limit, s->networkAcls.virtualNetworkRules.n, at, "service", s->name);
        for (size_t k = 0; k < sizeof ip / sizeof ip[0]; k++)
            if (is_type(s, ip[k].type))
                over(c, ip[k].limit, s->networkAcls.ipRules.n, at, "service", s->name);
    }
}

static void limit_endpoints(struct check *c)
{
    const struct model *m = c->m;
    size_t *of_service = arena_array(c->a, m->services.n, sizeof *of_service);
    size_t *of_pls = arena_array(c->a, m->privateLinkServices.n, sizeof *of_pls);
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &m->privateEndpoints.at[i];
        if (e->whole)
            continue; /* a vault takes twelve, whatever they bring along */
        over(c, LIMIT_PE_ZONES, e->privateDnsZoneGroup.n, check_at(e->node, "privateDnsZoneGroup", e->at),
             "private endpoint", e->name);
        over(c, LIMIT_PE_ADDRESSES, e->takes.n, e->at, "private endpoint", e->name);
        if (e->service)
            of_service[e->service->index]++;
        if (e->pls)
            of_pls[e->pls->index]++;
    }
    for (size_t i = 0; i < m->services.n; i++) {
        const struct service *s = &m->services.at[i];
        if (is_type(s, "Microsoft.KeyVault/vaults"))
            over(c, LIMIT_PE_VAULT, of_service[i], s->at, "service", s->name);
        if (is_type(s, "Microsoft.ContainerRegistry/registries"))
            over(c, LIMIT_PE_REGISTRY, of_service[i], s->at, "service", s->name);
        if (is_type(s, "Microsoft.RecoveryServices/vaults"))
            over(c, LIMIT_PE_BACKUP, of_service[i], s->at, "service", s->name);
    }
    for (size_t i = 0; i < m->privateLinkServices.n; i++)
        over(c, LIMIT_PLS_PE, of_pls[i], m->privateLinkServices.at[i].at, "private link service",
             m->privateLinkServices.at[i].name);
    OVER_SUBSCRIPTION(c, LIMIT_PE_SUBSCRIPTION, m->privateEndpoints);
}

static void limit_pls(struct check *c)
{
    const struct model *m = c->m;
    size_t *of_lb = arena_array(c->a, m->loadBalancers.n, sizeof *of_lb);
    for (size_t i = 0; i < m->privateLinkServices.n; i++) {
        const struct pls *s = &m->privateLinkServices.at[i];
        over(c, LIMIT_PLS_NAT, s->natIPs.n, check_at(s->node, "natIPs", s->at), "private link service",
             s->name);
        over(c, LIMIT_PLS_VISIBILITY, s->visibility.n, check_at(s->node, "visibility", s->at),
             "private link service", s->name);
        over(c, LIMIT_PLS_APPROVAL, s->autoApproval.n, check_at(s->node, "autoApproval", s->at),
             "private link service", s->name);
        if (s->loadBalancerFrontend)
            of_lb[s->loadBalancerFrontend->lb->index]++;
    }
    for (size_t i = 0; i < m->loadBalancers.n; i++)
        over(c, LIMIT_PLS_LB, of_lb[i], m->loadBalancers.at[i].at, "load balancer",
             m->loadBalancers.at[i].name);
    OVER_SUBSCRIPTION(c, LIMIT_PLS_SUBSCRIPTION, m->privateLinkServices);
}

static void limit_zones(struct check *c)
{
    for (size_t i = 0; i < c->m->privateDnsZones.n; i++) {
        const struct private_zone *z = &c->m->privateDnsZones.at[i];
        struct origin at = check_at(z->node, "virtualNetworkLinks", z->at);
        size_t registering = 0;
        for (size_t k = 0; k < z->virtualNetworkLinks.n; k++)
            registering += z->virtualNetworkLinks.at[k].registrationEnabled;
        over(c, LIMIT_ZONE_RECORDS, z->records.n, check_at(z->node, "records", z->at), "private DNS zone",
             z->name);
        over(c, LIMIT_ZONE_LINKS, z->virtualNetworkLinks.n, at, "private DNS zone", z->name);
        over(c, LIMIT_ZONE_REGISTRATIONS, registering, at, "private DNS zone", z->name);
    }
}

static size_t count_prefixes(const struct security_rule *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->source.n; i++)
        n += r->source.at[i].kind == MATCH_PREFIX;
    for (size_t i = 0; i < r->destination.n; i++)
        n += r->destination.at[i].kind == MATCH_PREFIX;
    return n;
}

static void limit_managers(struct check *c)
{
    for (size_t i = 0; i < c->m->networkManagers.n; i++) {
        const struct network_manager *m = &c->m->networkManagers.at[i];
        size_t rules = 0, prefixes = 0;
        for (size_t j = 0; j < m->securityAdminConfigurations.n; j++) {
            const struct admin_config *conf = &m->securityAdminConfigurations.at[j];
            for (size_t k = 0; k < conf->ruleCollections.n; k++)
                for (size_t r = 0; r < conf->ruleCollections.at[k].rules.n; r++, rules++)
                    prefixes += count_prefixes(&conf->ruleCollections.at[k].rules.at[r].rule);
        }
        struct origin at = check_at(m->node, "securityAdminConfigurations", m->at);
        over(c, LIMIT_ADMIN_RULES, rules, at, "network manager", m->name);
        over(c, LIMIT_ADMIN_PREFIXES, prefixes, at, "network manager", m->name);
    }
}

static void limit_rest(struct check *c)
{
    const struct model *m = c->m;
    for (size_t i = 0; i < m->natGateways.n; i++)
        over(c, LIMIT_NAT_ADDRESSES, m->natGateways.at[i].publicIPAddresses.n, m->natGateways.at[i].at,
             "NAT gateway", m->natGateways.at[i].name);
    for (size_t i = 0; i < m->serviceEndpointPolicies.n; i++) {
        const struct se_policy *p = &m->serviceEndpointPolicies.at[i];
        for (size_t k = 0; k < p->definitions.n; k++)
            over(c, LIMIT_SEP_RESOURCES, p->definitions.at[k].serviceResources.n, p->definitions.at[k].at,
                 "service endpoint policy", p->name);
    }
    OVER_SUBSCRIPTION(c, LIMIT_SEP_SUBSCRIPTION, m->serviceEndpointPolicies);
}

/* A resource has one flow log in Azure; a scenario may ask for two, to compare their versions. */
static void limit_flow_logs(struct check *c)
{
    for (size_t i = 0; i < c->m->flowLogs.n; i++) {
        const struct flow_log *l = &c->m->flowLogs.at[i];
        for (size_t k = 0; k < i; k++) {
            const struct flow_log *before = &c->m->flowLogs.at[k];
            if (strcasecmp(l->target, before->target) != 0 || (l->version == 4) != (before->version == 4))
                continue;
            diag_warning(c->d, l->at, "flow log '%s': Azure keeps one log of '%s', which '%s' is", l->name,
                         l->target, before->name);
            break;
        }
    }
}

void check_limits(struct check *c)
{
    limit_tables(c);
    limit_nsgs(c);
    limit_asgs(c);
    limit_vnets(c);
    limit_acls(c);
    limit_endpoints(c);
    limit_pls(c);
    limit_zones(c);
    limit_managers(c);
    limit_rest(c);
    limit_flow_logs(c);
}
