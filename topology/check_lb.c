/* check_lb.c - load balancers and private link services: what Azure refuses. */
#include "topology/check_int.h"

#include <string.h>
#include <strings.h>

enum { PORTS_AN_ADDRESS = 64000, PORTS_A_RULE = 8 };

static bool is_ha(const struct lb_rule *r)
{
    return r->protocol == 0;
}

static void check_kind(struct check *c, const struct load_balancer *lb)
{
    for (size_t i = 0; i < lb->loadBalancingRules.n; i++) {
        const struct lb_rule *r = &lb->loadBalancingRules.at[i];
        if (is_ha(r) && (lb->sku == SKU_BASIC || !r->frontendIPConfiguration->subnet))
            diag_error(c->d, check_at(r->node, "protocol", r->at),
                       "rule '%s' of '%s' for all ports needs an internal frontend of a Standard load "
                       "balancer (B-02)",
                       r->name, lb->name);
    }
    for (size_t i = 0; i < lb->outboundRules.n; i++) {
        const struct lb_outbound_rule *r = &lb->outboundRules.at[i];
        if (lb->sku == SKU_BASIC || !r->frontendIPConfiguration->publicIPAddress)
            diag_error(
                c->d, check_at(r->node, "frontendIPConfiguration", r->at),
                "outbound rule '%s' of '%s' needs a public frontend of a Standard load balancer (O-05)",
                r->name, lb->name);
    }
}

static void check_ports(struct check *c, const struct load_balancer *lb)
{
    struct unique_list l = {0};
    for (size_t i = 0; i < lb->loadBalancingRules.n; i++) {
        const struct lb_rule *r = &lb->loadBalancingRules.at[i];
        unique_add(c, &l,
                   (struct unique){.scope = r->frontendIPConfiguration->index,
                                   .number = (uint64_t)r->protocol << 16 | r->frontendPort,
                                   .what = r->name,
                                   .at = check_at(r->node, "frontendPort", r->at)});
    }
    for (size_t i = 0; i < lb->inboundNatRules.n; i++) {
        const struct lb_nat_rule *r = &lb->inboundNatRules.at[i];
        unique_add(c, &l,
                   (struct unique){.scope = r->frontendIPConfiguration->index,
                                   .number = (uint64_t)r->protocol << 16 | r->frontendPort,
                                   .what = r->name,
                                   .at = check_at(r->node, "frontendPort", r->at)});
    }
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++)
        if (unique_same(&l.at[i - 1], &l.at[i]))
            diag_error(c->d, l.at[i].at, "frontend port of rule '%s' of '%s' belongs to rule '%s' already",
                       l.at[i].what, lb->name, l.at[i - 1].what);
}

/* A frontend serves machines of its own network; a pool has those of one. */
static void check_members(struct check *c, const struct load_balancer *lb)
{
    for (size_t i = 0; i < lb->backendAddressPools.n; i++) {
        const struct lb_pool *p = &lb->backendAddressPools.at[i];
        const struct vnet *home = p->networkInterfaces.n ? p->networkInterfaces.at[0]->subnet->vnet : NULL;
        for (size_t k = 0; k < lb->loadBalancingRules.n; k++) {
            const struct lb_rule *r = &lb->loadBalancingRules.at[k];
            if (r->backendAddressPool == p && r->frontendIPConfiguration->subnet)
                home = r->frontendIPConfiguration->subnet->vnet;
        }
        for (size_t k = 0; k < p->networkInterfaces.n; k++)
            if (p->networkInterfaces.at[k]->subnet->vnet != home)
                diag_error(c->d, check_item(p->node, "networkInterfaces", k, p->at),
                           "'%s' of pool '%s/%s' is in network '%s', the pool serves '%s'",
                           p->networkInterfaces.at[k]->name, lb->name, p->name,
                           p->networkInterfaces.at[k]->subnet->vnet->name, home->name);
    }
}

/* => the network that a frontend serves: its own, or that of a public one's machines; NULL: it has none. */
static const struct vnet *network_of(const struct lb_frontend *f)
{
    const struct load_balancer *lb = f->lb;
    if (f->subnet)
        return f->subnet->vnet;
    for (size_t i = 0; i < lb->loadBalancingRules.n; i++) {
        const struct lb_rule *r = &lb->loadBalancingRules.at[i];
        if (r->frontendIPConfiguration == f && r->backendAddressPool->networkInterfaces.n)
            return r->backendAddressPool->networkInterfaces.at[0]->subnet->vnet;
    }
    for (size_t i = 0; i < lb->inboundNatRules.n; i++)
        if (lb->inboundNatRules.at[i].frontendIPConfiguration == f)
            return lb->inboundNatRules.at[i].backendIPConfiguration->subnet->vnet;
    return NULL;
}

static void check_nat_rules(struct check *c, const struct load_balancer *lb)
{
    for (size_t i = 0; i < lb->inboundNatRules.n; i++) {
        const struct lb_nat_rule *r = &lb->inboundNatRules.at[i];
        const struct vnet *there = r->backendIPConfiguration->subnet->vnet,
                          *home = network_of(r->frontendIPConfiguration);
        if (home != there)
            diag_error(
                c->d, check_at(r->node, "backendIPConfiguration", r->at),
                "'%s' of inbound NAT rule '%s' of '%s' is in network '%s', the frontend serves '%s' (B-09)",
                r->backendIPConfiguration->name, r->name, lb->name, there->name, home->name);
    }
}

/* O-05: no more ports may be promised than an address has. */
static void check_outbound(struct check *c, const struct load_balancer *lb)
{
    uint64_t *left = arena_array(c->a, lb->frontendIPConfigurations.n, sizeof *left);
    for (size_t i = 0; i < lb->frontendIPConfigurations.n; i++)
        left[i] = PORTS_AN_ADDRESS;
    for (size_t i = 0; i < lb->loadBalancingRules.n; i++)
        left[lb->loadBalancingRules.at[i].frontendIPConfiguration->index] -= PORTS_A_RULE;
    for (size_t i = 0; i < lb->inboundNatRules.n; i++)
        left[lb->inboundNatRules.at[i].frontendIPConfiguration->index] -= PORTS_A_RULE;
    for (size_t i = 0; i < lb->outboundRules.n; i++) {
        const struct lb_outbound_rule *r = &lb->outboundRules.at[i];
        const uint64_t want =
            (uint64_t)r->allocatedOutboundPorts * r->backendAddressPool->networkInterfaces.n;
        uint64_t *have = &left[r->frontendIPConfiguration->index];
        if (want > *have)
            diag_error(c->d, check_at(r->node, "allocatedOutboundPorts", r->at),
                       "outbound rule '%s' of '%s' promises %llu ports to its %zu machines, the frontend has "
                       "%llu (O-05)",
                       r->name, lb->name, (unsigned long long)want,
                       r->backendAddressPool->networkInterfaces.n, (unsigned long long)*have);
        *have -= want < *have ? want : *have;
    }
}

/* -- private link services ------------------------------------------------------------------------------- */

static bool lists(const str_list *l, const char *subscription)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->at[i], "*") || !strcasecmp(l->at[i], subscription))
            return true;
    return false;
}

static void check_pls(struct check *c, const struct pls *s)
{
    if (s->loadBalancerFrontend->lb->sku == SKU_BASIC)
        diag_error(c->d, check_at(s->node, "loadBalancerFrontend", s->at),
                   "private link service '%s' needs a Standard load balancer (B-04)", s->name);
    const struct vnet *home = network_of(s->loadBalancerFrontend);
    if (home && home != s->subnet->vnet)
        diag_error(
            c->d, check_at(s->node, "subnet", s->at),
            "NAT addresses of private link service '%s' are in network '%s', its frontend in '%s' (PE-21)",
            s->name, s->subnet->vnet->name, home->name);
    for (size_t i = 0; s->visibility.n && i < s->autoApproval.n; i++)
        if (!lists(&s->visibility, s->autoApproval.at[i]))
            diag_error(c->d, check_item(s->node, "autoApproval", i, s->at),
                       "'%s' is approved automatically by '%s' but cannot see it: visibility does not list "
                       "it (PE-25)",
                       s->autoApproval.at[i], s->name);
}

/* Who may ask: the owner, who is listed; without a list those of the owner's tenant that have the rights
 * (PE-25). */
static void check_visible(struct check *c, const struct private_endpoint *e)
{
    const struct pls *s = e->pls;
    const bool visible =
        !strcasecmp(e->subscription, s->subscription) ||
        (s->visibility.n ? lists(&s->visibility, e->subscription) : !strcasecmp(e->tenant, s->tenant));
    if (!visible)
        diag_error(
            c->d, check_at(e->node, "service", e->at),
            "private link service '%s' is not visible to subscription '%s' of private endpoint '%s' (PE-25)",
            s->name, e->subscription, e->name);
}

void check_balancers(struct check *c)
{
    const struct model *m = c->m;
    for (size_t i = 0; i < m->loadBalancers.n; i++) {
        check_kind(c, &m->loadBalancers.at[i]);
        check_ports(c, &m->loadBalancers.at[i]);
        check_members(c, &m->loadBalancers.at[i]);
        check_nat_rules(c, &m->loadBalancers.at[i]);
        check_outbound(c, &m->loadBalancers.at[i]);
    }
    for (size_t i = 0; i < m->privateLinkServices.n; i++)
        check_pls(c, &m->privateLinkServices.at[i]);
    for (size_t i = 0; i < m->privateEndpoints.n; i++)
        if (m->privateEndpoints.at[i].pls)
            check_visible(c, &m->privateEndpoints.at[i]);
}
