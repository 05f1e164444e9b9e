/* compile_lb.c - load balancers and private link services, as the data plane knows them.
 *
 * A frontend becomes a port with rules, a probe and a member of a pool become one target of probes. Public
 * frontends translate for their backends as well (O-05): of 64,000 ports an address, less eight for each
 * rule, every member gets a range of its own, in the order of outbound rules and members; without outbound
 * rules the load balancing rules do, with shares by the size of the pool. Who finds nothing left has an empty
 * share, and no port to go out by.
 *
 * A private link service is a port that holds the NAT addresses, for the answers, and a pool of their ports.
 */
#include "topology/compile_int.h"

#include <string.h>

enum { PORT_FIRST = 1024, PORTS_AN_ADDRESS = 64000, PORTS_A_RULE = 8 };
#define SECONDS(n) ((int64_t)(n)*1000000000)

static const char *target_name(struct work *w, const struct load_balancer *lb, const struct lb_probe *p,
                               const struct nic *n)
{
    return arena_printf(w->c->arena, "%s/%s/%s", lb->name, p->name, n->name);
}

void compile_lb_numbers(struct work *w)
{
    const struct model *m = w->m;
    for (size_t i = 0; i < m->loadBalancers.n; i++) {
        const struct load_balancer *lb = &m->loadBalancers.at[i];
        compile_number(w->r->pool, "lb", lb->name);
        for (size_t k = 0; k < lb->frontendIPConfigurations.n; k++)
            port_of(w->r, THING(LB_FRONTEND, &lb->frontendIPConfigurations.at[k]));
        for (size_t k = 0; k < lb->loadBalancingRules.n; k++) {
            const struct lb_rule *r = &lb->loadBalancingRules.at[k];
            for (size_t j = 0; r->probe && j < r->backendAddressPool->networkInterfaces.n; j++)
                numbers_of(w->r->target,
                           target_name(w, lb, r->probe, r->backendAddressPool->networkInterfaces.at[j]));
        }
    }
    for (size_t i = 0; i < m->privateLinkServices.n; i++) {
        compile_number(w->r->pool, "pls", m->privateLinkServices.at[i].name);
        compile_number(w->r->port, "pls", m->privateLinkServices.at[i].name);
    }
}

/* -- the way out ----------------------------------------------------------------------------------------- */

/* O-05: ports for each member of a pool of that size. */
static uint32_t default_ports(size_t members)
{
    static const struct {
        size_t up_to;
        uint32_t ports;
    } row[] = {{50, 1024}, {100, 512}, {200, 256}, {400, 128}, {800, 64}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (members <= row[i].up_to)
            return row[i].ports;
    return 32;
}

struct outbound { /* of one load balancer */
    const struct load_balancer *lb;
    uint32_t *next, *end;       /* by frontend: ports not handed out yet */
    struct image_share **share; /* by NIC, only of this load balancer */
};

/* out: the rule that says so, NULL where a load balancing rule does. */
static void take(struct work *w, struct outbound *o, const struct lb_frontend *f, const struct lb_pool *pool,
                 uint32_t ports, const struct lb_outbound_rule *out)
{
    for (size_t i = 0; i < pool->networkInterfaces.n; i++) {
        const uint32_t nic = pool->networkInterfaces.at[i]->index, first = o->next[f->index];
        if (w->share[nic] && w->share[nic] != o->share[nic])
            continue; /* another load balancer has it */
        if (!o->share[nic]) {
            w->share[nic] = o->share[nic] = arena_alloc(w->img->arena, sizeof *o->share[nic]);
            w->share_pool[nic] = compile_number(w->r->pool, "lb", o->lb->name);
        }
        if (first + ports > o->end[f->index])
            continue;
        struct image_share *s = o->share[nic];
        struct image_range *more = arena_array(w->img->arena, s->n + 1, sizeof *more);
        if (s->n)
            memcpy(more, s->range, s->n * sizeof *more);
        more[s->n] = (struct image_range){.addr = f->publicIPAddress->ipAddress,
                                          .first = (uint16_t)first,
                                          .last = (uint16_t)(first + ports - 1),
                                          .reset = out && out->enableTcpReset,
                                          .timeout = out ? SECONDS(60 * out->idleTimeoutInMinutes) : 0};
        s->range = more;
        s->n++;
        o->next[f->index] = first + ports;
    }
}

static bool has_outbound_rule(const struct load_balancer *lb, const struct lb_pool *pool)
{
    for (size_t i = 0; i < lb->outboundRules.n; i++)
        if (lb->outboundRules.at[i].backendAddressPool == pool)
            return true;
    return false;
}

static bool earlier_rule(const struct load_balancer *lb, size_t rule)
{
    const struct lb_rule *r = &lb->loadBalancingRules.at[rule];
    for (size_t i = 0; i < rule; i++)
        if (lb->loadBalancingRules.at[i].backendAddressPool == r->backendAddressPool &&
            lb->loadBalancingRules.at[i].frontendIPConfiguration == r->frontendIPConfiguration)
            return true;
    return false;
}

static void shares_of(struct work *w, const struct load_balancer *lb)
{
    const size_t n = lb->frontendIPConfigurations.n;
    struct arena *a = w->c->arena;
    struct outbound o = {lb, arena_array(a, n, sizeof *o.next), arena_array(a, n, sizeof *o.end),
                         arena_array(a, w->m->networkInterfaces.n, sizeof *o.share)};
    for (size_t i = 0; i < n; i++) {
        o.next[i] = PORT_FIRST;
        o.end[i] = PORT_FIRST + PORTS_AN_ADDRESS;
    }
    for (size_t i = 0; i < lb->loadBalancingRules.n; i++)
        o.end[lb->loadBalancingRules.at[i].frontendIPConfiguration->index] -= PORTS_A_RULE;
    for (size_t i = 0; i < lb->inboundNatRules.n; i++)
        o.end[lb->inboundNatRules.at[i].frontendIPConfiguration->index] -= PORTS_A_RULE;
    for (size_t i = 0; i < lb->outboundRules.n; i++) {
        const struct lb_outbound_rule *r = &lb->outboundRules.at[i];
        const size_t members = r->backendAddressPool->networkInterfaces.n;
        if (r->frontendIPConfiguration->publicIPAddress)
            take(w, &o, r->frontendIPConfiguration, r->backendAddressPool,
                 r->allocatedOutboundPorts ? r->allocatedOutboundPorts : default_ports(members), r);
    }
    for (size_t i = 0; i < lb->loadBalancingRules.n; i++) {
        const struct lb_rule *r = &lb->loadBalancingRules.at[i];
        if (r->frontendIPConfiguration->publicIPAddress && !has_outbound_rule(lb, r->backendAddressPool) &&
            !earlier_rule(lb, i))
            take(w, &o, r->frontendIPConfiguration, r->backendAddressPool,
                 default_ports(r->backendAddressPool->networkInterfaces.n), NULL);
    }
}

void compile_shares(struct work *w)
{
    const struct model *m = w->m;
    const size_t n = m->networkInterfaces.n;
    w->share = arena_array(w->c->arena, n, sizeof *w->share);
    w->share_pool = arena_array(w->c->arena, n, sizeof *w->share_pool);
    w->in_standard_pool = arena_array(w->c->arena, n, sizeof *w->in_standard_pool);
    for (size_t i = 0; i < m->loadBalancers.n; i++) {
        const struct load_balancer *lb = &m->loadBalancers.at[i];
        shares_of(w, lb);
        for (size_t k = 0; lb->sku == SKU_STANDARD && k < lb->backendAddressPools.n; k++)
            for (size_t j = 0; j < lb->backendAddressPools.at[k].networkInterfaces.n; j++)
                w->in_standard_pool[lb->backendAddressPools.at[k].networkInterfaces.at[j]->index] = true;
    }
}

/* The pool that the shares are of: the addresses of all public frontends. */
static uint32_t pool_of(struct work *w, const struct load_balancer *lb)
{
    const uint32_t index = compile_number(w->r->pool, "lb", lb->name);
    struct image_pool *p = &w->img->pool[index];
    uint32_t idle = 4;
    p->addr = arena_array(w->img->arena, lb->frontendIPConfigurations.n, sizeof *p->addr);
    for (size_t i = 0; i < lb->frontendIPConfigurations.n; i++)
        if (lb->frontendIPConfigurations.at[i].publicIPAddress)
            p->addr[p->n++] = lb->frontendIPConfigurations.at[i].publicIPAddress->ipAddress;
    for (size_t i = 0; i < lb->outboundRules.n; i++)
        if (lb->outboundRules.at[i].idleTimeoutInMinutes > idle)
            idle = lb->outboundRules.at[i].idleTimeoutInMinutes;
    for (size_t i = 0; i < lb->backendAddressPools.n; i++)
        if (lb->backendAddressPools.at[i].networkInterfaces.n)
            p->realm = compile_realm(w, lb->backendAddressPools.at[i].networkInterfaces.at[0]->subnet->vnet);
    p->first_port = 1;
    p->cone = true;
    p->timeout = SECONDS(60 * idle);
    return index;
}

/* -- frontends ------------------------------------------------------------------------------------------- */

static void target(struct work *w, uint32_t number, const struct lb_probe *p, const struct nic *n, bool proxy)
{
    struct image_target *t = &w->img->target[number];
    *t = (struct image_target){.port = port_of(w->r, THING(NIC, n)),
                               .tcp_port = p->port,
                               .path = strcmp(p->protocolName, "Http") ? NULL
                                       : p->requestPath ? arena_strdup(w->img->arena, p->requestPath)
                                                        : "/",
                               .interval = SECONDS(p->intervalInSeconds),
                               .count = p->numberOfProbes,
                               .proxy = t->proxy || proxy};
}

/* => the number under which the data plane speaks of a rule. */
static uint32_t note_rule(struct work *w, const char *name)
{
    *(const char **)arena_push(w->c->arena, &w->c->lb_rule, &w->n_rules, &w->cap_rules, sizeof name) = name;
    return (uint32_t)w->n_rules - 1;
}

static struct image_rule rule_of(struct work *w, const struct load_balancer *lb, const struct lb_rule *r,
                                 bool proxy)
{
    const nic_list *members = &r->backendAddressPool->networkInterfaces;
    struct image_rule out = {.id = note_rule(w, r->name),
                             .proto = r->protocol,
                             .spread = r->loadDistribution == SPREAD_SOURCE_IP ? IMAGE_SPREAD_ADDRESSES
                                       : r->loadDistribution == SPREAD_SOURCE_IP_PROTOCOL
                                           ? IMAGE_SPREAD_PROTOCOL
                                           : IMAGE_SPREAD_FLOWS,
                             .frontend_port = r->frontendPort,
                             .backend_port = r->backendPort,
                             .floating = r->enableFloatingIP,
                             .reset = r->enableTcpReset,
                             .timeout = SECONDS(60 * r->idleTimeoutInMinutes)};
    out.backend = arena_array(w->img->arena, members->n, sizeof *out.backend);
    out.n = members->n;
    for (size_t i = 0; i < members->n; i++) {
        const struct nic *n = members->at[i];
        out.backend[i] = (struct image_backend){port_of(w->r, THING(NIC, n)), NONE32};
        if (!r->probe)
            continue;
        out.backend[i].target = numbers_of(w->r->target, target_name(w, lb, r->probe, n));
        target(w, out.backend[i].target, r->probe, n, proxy);
    }
    return out;
}

/* B-09: one machine, whatever probes say of it. */
static struct image_rule nat_rule_of(struct work *w, const struct lb_nat_rule *r)
{
    struct image_rule out = {.id = note_rule(w, r->name),
                             .proto = r->protocol,
                             .frontend_port = r->frontendPort,
                             .backend_port = r->backendPort,
                             .floating = r->enableFloatingIP,
                             .reset = r->enableTcpReset,
                             .timeout = SECONDS(60 * r->idleTimeoutInMinutes)};
    out.backend = arena_alloc(w->img->arena, sizeof *out.backend);
    out.n = 1;
    *out.backend = (struct image_backend){port_of(w->r, THING(NIC, r->backendIPConfiguration)), NONE32};
    return out;
}

/* The frontend's address is the machine's own, too (B-05). */
static void floating(struct work *w, const struct nic *n, ip4 addr)
{
    struct image_port *p = &w->img->port[port_of(w->r, THING(NIC, n))];
    ip4 *more = arena_array(w->img->arena, p->n_floating + 1, sizeof *more);
    if (p->n_floating)
        memcpy(more, p->floating, p->n_floating * sizeof *more);
    more[p->n_floating++] = addr;
    p->floating = more;
    p->host.also = more;
    p->host.n_also = p->n_floating;
}

static bool feeds_proxy(const struct model *m, const struct lb_frontend *f)
{
    for (size_t i = 0; i < m->privateLinkServices.n; i++)
        if (m->privateLinkServices.at[i].loadBalancerFrontend == f &&
            m->privateLinkServices.at[i].enableProxyProtocol)
            return true;
    return false;
}

static void frontend(struct work *w, const struct load_balancer *lb, const struct lb_frontend *f,
                     uint32_t pool)
{
    const bool internal = f->subnet != NULL, proxy = feeds_proxy(w->m, f);
    const uint32_t realm = internal ? compile_realm(w, f->subnet->vnet) : REALM_PUBLIC;
    const ip4 addr = internal ? f->privateIPAddress : f->publicIPAddress->ipAddress;
    struct image_port *p = compile_port(w, THING(LB_FRONTEND, f), PORT_FRONTEND, realm, addr);
    struct image_frontend *out = arena_alloc(w->img->arena, sizeof *out);
    out->basic = lb->sku == SKU_BASIC;
    out->rule =
        arena_array(w->img->arena, lb->loadBalancingRules.n + lb->inboundNatRules.n, sizeof *out->rule);
    for (size_t i = 0; i < lb->loadBalancingRules.n; i++) {
        const struct lb_rule *r = &lb->loadBalancingRules.at[i];
        if (r->frontendIPConfiguration != f)
            continue;
        out->rule[out->n++] = rule_of(w, lb, r, proxy);
        for (size_t k = 0; r->enableFloatingIP && k < r->backendAddressPool->networkInterfaces.n; k++)
            floating(w, r->backendAddressPool->networkInterfaces.at[k], addr);
    }
    for (size_t i = 0; i < lb->inboundNatRules.n; i++) {
        const struct lb_nat_rule *r = &lb->inboundNatRules.at[i];
        if (r->frontendIPConfiguration != f)
            continue;
        out->rule[out->n++] = nat_rule_of(w, r);
        if (r->enableFloatingIP)
            floating(w, r->backendIPConfiguration, addr);
    }
    p->frontend = out;
    p->pool = internal ? NONE32 : pool;
}

/* -- private link services ------------------------------------------------------------------------------- */

const struct image_pls *compile_pls(struct work *w, const struct pls *s)
{
    struct image_pls *out = arena_alloc(w->img->arena, sizeof *out);
    *out = (struct image_pls){.port = compile_number(w->r->port, "pls", s->name),
                              .pool = compile_number(w->r->pool, "pls", s->name),
                              .frontend = port_of(w->r, THING(LB_FRONTEND, s->loadBalancerFrontend)),
                              .proxy = s->enableProxyProtocol};
    return out;
}

static void link_service(struct work *w, const struct pls *s)
{
    const uint32_t realm = compile_realm(w, s->subnet->vnet), n = compile_number(w->r->port, "pls", s->name);
    const uint32_t index = compile_number(w->r->pool, "pls", s->name);
    struct image_port *p = &w->img->port[n];
    struct image_pool *pool = &w->img->pool[index];
    p->kind = PORT_PLS;
    p->up = true;
    p->realm = realm;
    p->addr = s->natIPs.n ? s->natIPs.at[0] : 0;
    p->pool = index;
    *pool = (struct image_pool){.addr = s->natIPs.at,
                                .n = s->natIPs.n,
                                .realm = realm,
                                .first_port = PORT_FIRST,
                                .last_port = 65535,
                                .timeout = PLS_IDLE};
    for (size_t i = 0; i < s->natIPs.n; i++)
        compile_address(w, realm, s->natIPs.at[i], n);
}

void compile_balancers(struct work *w)
{
    const struct model *m = w->m;
    w->img->n_targets = numbers_end(w->r->target);
    w->img->target = arena_array(w->img->arena, w->img->n_targets, sizeof *w->img->target);
    for (size_t i = 0; i < w->img->n_targets; i++)
        w->img->target[i].port = NONE32;
    for (size_t i = 0; i < m->loadBalancers.n; i++) {
        const struct load_balancer *lb = &m->loadBalancers.at[i];
        const uint32_t pool = pool_of(w, lb);
        for (size_t k = 0; k < lb->frontendIPConfigurations.n; k++)
            frontend(w, lb, &lb->frontendIPConfigurations.at[k], pool);
    }
    for (size_t i = 0; i < m->privateLinkServices.n; i++)
        link_service(w, &m->privateLinkServices.at[i]);
}
