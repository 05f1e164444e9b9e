/* compile.c - the model becomes an image.
 *
 * Ports. Every NIC, private endpoint, service, host and gateway has one; 168.63.129.16 and a resolver for the world
 * outside have the first two. A port keeps its number over all states of a run, by kind and name.
 *
 * Realms. Private addresses mean something within one virtual or on-premises network only, so each is a realm of its
 * own, and networks that are not peered may overlap.
 *
 * Sharing. One route table per subnet, one per network for answers from private endpoints (user routes do not touch
 * those, PE-07), one rule set per (group, place, direction): a thousand NICs of a subnet share them. Next hop i of a
 * table is row i of the effective routes that it was made from, so every decision leads back to its row.
 *
 * Gateways are routers without a machine: what comes from either side leaves by the table of the GatewaySubnet, whose
 * gateway rows lead into the on-premises network instead of to the gateway itself; its Internet row leads to the default
 * site, where forced tunnelling goes. */
#include "topology/compile_int.h"

#include "dataplane/rng.h"
#include "topology/address.h"
#include "topology/resolver.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_RESOLVER_NUMBER        0u
#define PORT_PUBLIC_RESOLVER_NUMBER 1u

struct numbering *numbering_new(void)
{
    struct numbering *r = calloc(1, sizeof *r);
    if (!r)
        arena_oom("numbering");
    r->port = numbers_new(0);
    r->realm = numbers_new(1);
    r->identity = numbers_new(0);
    r->pool = numbers_new(0);
    r->target = numbers_new(0);
    r->region = ids_new(1, 127);
    r->network = ids_new(0x1000, 0xfffffe); /* RFC 7637, 3.2 */
    r->subnet = ids_new(1, 0xffffff);
    r->host = ids_new(IP4(198, 18, 0, 1), IP4(198, 19, 255, 254)); /* 198.18.0.0/15: RFC 2544, never on the Internet */
    numbers_of(r->port, "resolver/168.63.129.16");
    numbers_of(r->port, "resolver/public-resolver");
    return r;
}

void numbering_free(struct numbering *r)
{
    if (!r)
        return;
    numbers_free(r->port);
    numbers_free(r->realm);
    numbers_free(r->identity);
    numbers_free(r->pool);
    numbers_free(r->target);
    ids_free(r->region);
    ids_free(r->network);
    ids_free(r->subnet);
    ids_free(r->host);
    free(r);
}

uint32_t compile_number(struct numbers *n, const char *kind, const char *name)
{
    char buf[512];
    snprintf(buf, sizeof buf, "%s/%s", kind, name);
    return numbers_of(n, buf);
}

uint32_t port_of(struct numbering *r, struct thing t)
{
    static const char *const kind[] = {
        [THING_NIC] = "nic",         [THING_ONPREM_HOST] = "host",    [THING_INTERNET_HOST] = "internet",
        [THING_SERVICE] = "service", [THING_ENDPOINT] = "endpoint", [THING_GATEWAY] = "gateway",
        [THING_LB_FRONTEND] = "frontend",
    };
    if (t.kind == THING_NONE)
        return PORT_NONE;
    return compile_number(r->port, kind[t.kind], thing_name(t));
}

const char *port_name(const struct numbering *r, uint32_t port)
{
    const char *s = numbers_name(r->port, port), *slash = s ? strchr(s, '/') : NULL;
    return slash ? slash + 1 : "?";
}

const struct subnet *identity_subnet(const struct numbering *r, const struct model *m, uint32_t identity)
{
    const char *name = numbers_name(r->identity, identity);
    return name ? model_subnet(m, name) : NULL;
}

/* -- working state -------------------------------------------------------------------------------------------- */

uint32_t compile_realm(struct work *w, const struct vnet *v)
{
    return compile_number(w->r->realm, "vnet", v->name);
}

static uint32_t onprem_realm(struct work *w, const struct onprem *o)
{
    return compile_number(w->r->realm, "onprem", o->name);
}

static uint32_t subnet_identity(struct work *w, const struct subnet *s)
{
    return compile_number(w->r->identity, s->vnet->name, s->name);
}

void compile_address(struct work *w, uint32_t realm, ip4 addr, uint32_t value)
{
    if (addr && exact_set(w->img->addresses, realm, addr, value) != 0)
        arena_oom("address map");
}

/* -- link classes, crossings, pools ---------------------------------------------------------------------------- */

static uint8_t peer_link(const struct vnet *a, const struct vnet *b)
{
    return a == b ? LINK_INTRA_VNET
                  : strcmp(a->location, b->location) == 0 ? LINK_REGIONAL_PEERING : LINK_GLOBAL_PEERING;
}

/* One direction over a peering: from the network that owns the link into the remote one. */
static uint32_t crossing_of(struct work *w, const struct peering *p)
{
    for (size_t i = 0; i < w->img->n_crossings; i++)
        if (w->c->crossing[i] == p)
            return (uint32_t)i;
    struct image_crossing *x = arena_push(w->img->arena, &w->img->crossing, &w->img->n_crossings, &w->cap_crossings, sizeof *x);
    x->closed = peering_allows(p) ? REASON_NONE : REASON_NO_PEERING;
    x->forwarded = p->reverse && p->reverse->allowForwardedTraffic; /* the receiver's link decides (P-04) */
    *(const struct peering **)arena_push(w->c->arena, &w->c->crossing, &w->n_crossing_notes, &w->cap_crossing_notes,
                                         sizeof p) = p;
    return (uint32_t)w->img->n_crossings - 1;
}

/* Translations outlive an image, so pools have numbers that hold over all states, as ports do. */
static uint32_t pool_add(struct work *w, uint32_t index, const ip4 *addr, size_t n, uint32_t realm)
{
    struct image_pool *p = &w->img->pool[index];
    p->addr = arena_array(w->img->arena, n, sizeof *addr);
    memcpy(p->addr, addr, n * sizeof *addr);
    p->n = n;
    p->realm = realm;
    p->first_port = 1024; /* O-02: 64,512 ports an address */
    p->last_port = 65535;
    for (size_t i = 0; i < n; i++)
        compile_address(w, REALM_PUBLIC, addr[i], POOL_FLAG | index);
    return index;
}

static uint32_t natgw_pool(struct work *w, const struct nat_gateway *g, uint32_t realm)
{
    const uint32_t index = compile_number(w->r->pool, "natgw", g->name);
    if (w->img->pool[index].n)
        return index;
    ip4 *addr = arena_array(w->c->arena, g->publicIPAddresses.n, sizeof *addr);
    for (size_t i = 0; i < g->publicIPAddresses.n; i++)
        addr[i] = g->publicIPAddresses.at[i]->ipAddress;
    w->img->pool[index].gateway = true;
    w->img->pool[index].timeout = (int64_t)g->idleTimeoutInMinutes * 60 * 1000000000;
    return pool_add(w, index, addr, g->publicIPAddresses.n, realm);
}

/* -- route tables ------------------------------------------------------------------------------------------------ */

static struct image_table *table_add(struct work *w, const struct eff_table *rows, size_t n, uint32_t *index)
{
    struct image_table *t = arena_push(w->img->arena, &w->img->table, &w->img->n_tables, &w->cap_tables, sizeof *t);
    *index = (uint32_t)w->img->n_tables - 1;
    *(const struct eff_table **)arena_push(w->c->arena, &w->c->table, &w->n_table_notes, &w->cap_table_notes, sizeof rows) = rows;
    t->nexthop = arena_array(w->img->arena, n, sizeof *t->nexthop);
    t->n = n;
    return t;
}

/* Routes of a table in the making; of equal prefixes the last one counts. */
struct route_list {
    struct lpm_route *at;
    size_t n, cap;
};

static void route_add(struct work *w, struct route_list *l, struct prefix4 p, uint32_t nexthop)
{
    struct lpm_route *r = arena_push(w->c->arena, &l->at, &l->n, &l->cap, sizeof *r);
    *r = (struct lpm_route){p.addr, nexthop, p.len};
}

static void table_seal(struct work *w, struct image_table *t, const struct route_list *l)
{
    int rc = w->img->reference ? lpm_ref_build(&t->ref, l->at, l->n) : lpm_build(&t->lpm, l->at, l->n);
    if (rc)
        arena_oom("route table");
}

static struct image_nexthop nexthop_port(const struct work *w, uint32_t port, uint8_t link)
{
    (void)w;
    return (struct image_nexthop){.action = port == PORT_NONE ? NH_DROP : NH_PORT,
                                  .reason = REASON_NO_HEALTHY_BACKEND,
                                  .port = port,
                                  .crossing = NONE32,
                                  .link = link};
}

/* What a row of effective routes asks the data plane to do. own: the gateway whose subnet's table this is, or NULL. */
static struct image_nexthop nexthop_of(struct work *w, const struct eff_table *t, const struct eff_route *r,
                                       const struct gateway *own)
{
    const struct vnet *here = t->view.vnet, *there = r->remote ? r->remote : here;
    const uint8_t link = peer_link(here, there);
    struct image_nexthop nh = {.action = NH_DROP, .reason = REASON_ROUTE_NONE, .crossing = NONE32};
    if (r->drop != REASON_NONE) {
        nh.reason = r->drop;
        if (r->appliance && r->appliance->powerState == POWER_DEALLOCATED) {
            nh.stopped = true;
            nh.port = port_of(w->r, THING(NIC, r->appliance));
        }
        nh.row = r->index;
        return nh;
    }
    switch (r->type) {
    case NH_TYPE_VNET_LOCAL:
    case NH_TYPE_VNET_PEERING:
    case NH_TYPE_VNET_GLOBAL_PEERING:
        if (r->endpoint) {
            nh = nexthop_port(w, port_of(w->r, THING(ENDPOINT, r->endpoint)), link);
        } else {
            nh.action = NH_REALM;
            nh.realm = compile_realm(w, there);
            nh.link = link;
        }
        break;
    case NH_TYPE_INTERNET:
        nh.action = NH_INTERNET;
        nh.link = LINK_INTERNET;
        break;
    case NH_TYPE_VIRTUAL_APPLIANCE:
        nh = nexthop_port(w,
                          r->appliance      ? port_of(w->r, THING(NIC, r->appliance))
                          : r->appliance_lb ? port_of(w->r, THING(LB_FRONTEND, r->appliance_lb))
                                            : PORT_NONE,
                          link);
        break;
    case NH_TYPE_VIRTUAL_NETWORK_GATEWAY:
        if (own && r->onprem && r->gateway == own) {
            nh.action = NH_ONPREM;
            nh.realm = onprem_realm(w, r->onprem);
            nh.link = LINK_GATEWAY;
        } else if (r->gateway && r->gateway != own) {
            nh = nexthop_port(w, port_of(w->r, THING(GATEWAY, r->gateway)), link);
        }
        break;
    case NH_TYPE_SERVICE_ENDPOINT:
        nh.action = NH_SERVICE;
        nh.link = LINK_BACKBONE;
        break;
    case NH_TYPE_INTERFACE_ENDPOINT:
        nh = nexthop_port(w, port_of(w->r, THING(ENDPOINT, r->endpoint)), link);
        break;
    case NH_TYPE_NONE:
    case NH_TYPE_COUNT:
        break;
    }
    if (r->peering)
        nh.crossing = crossing_of(w, r->peering);
    nh.row = r->index;
    return nh;
}

/* Where traffic that is forced to a gateway goes: the site that announces 0.0.0.0/0, else its first one. */
static const struct onprem *default_site(const struct gateway *g)
{
    for (size_t i = 0; i < g->connections.n; i++)
        for (size_t k = 0; k < g->connections.at[i]->addressPrefixes.n; k++)
            if (g->connections.at[i]->addressPrefixes.at[k].len == 0)
                return g->connections.at[i];
    return g->connections.n ? g->connections.at[0] : NULL;
}

static uint32_t table_of_routes(struct work *w, const struct eff_table *rows, const struct gateway *own)
{
    uint32_t index;
    struct route_entry *entry;
    struct image_table *t = table_add(w, rows, rows->n_all, &index);
    for (size_t i = 0; i < rows->n_all; i++) {
        t = &w->img->table[index];
        struct image_nexthop nh = nexthop_of(w, rows, &rows->row[i], own);
        const struct onprem *site = own ? default_site(own) : NULL;
        if (site && nh.action == NH_INTERNET) {
            nh.action = NH_ONPREM;
            nh.realm = onprem_realm(w, site);
            nh.link = LINK_GATEWAY;
        }
        t->nexthop[i] = nh;
    }
    struct route_list list = {0};
    const size_t n = routes_compile(w->c->arena, rows, &entry);
    for (size_t i = 0; i < n; i++)
        route_add(w, &list, entry[i].prefix, entry[i].row);
    table_seal(w, t, &list);
    return index;
}

static uint32_t subnet_table(struct work *w, const struct subnet *s)
{
    uint32_t *at = &w->subnet_table[s->id];
    if (*at == NONE32)
        *at = table_of_routes(w, routes_effective(w->c->arena, w->m, s), NULL);
    return *at;
}

static uint32_t vnet_table(struct work *w, const struct vnet *v)
{
    uint32_t *at = &w->vnet_table[v->index];
    if (*at == NONE32)
        *at = table_of_routes(w, routes_effective_view(w->c->arena, w->m, (struct route_view){v, NULL}), NULL);
    return *at;
}

static bool connects(const struct gateway *g, const struct onprem *o)
{
    for (size_t i = 0; i < g->connections.n; i++)
        if (g->connections.at[i] == o)
            return true;
    return false;
}

/* What an on-premises network knows: itself, the networks behind its gateways (P-11, P-12 with gateway transit), and its
 * own way out for the rest. */
static uint32_t onprem_table(struct work *w, const struct onprem *o)
{
    uint32_t index;
    const size_t n_gw = w->m->virtualNetworkGateways.n;
    struct image_table *t = table_add(w, NULL, 2 + n_gw, &index);
    const uint32_t realm = onprem_realm(w, o);
    t->nexthop[0] = (struct image_nexthop){.action = NH_ONPREM, .realm = realm, .crossing = NONE32, .link = LINK_INTRA_VNET, .row = NONE32};
    t->nexthop[1] = (struct image_nexthop){.action = NH_REALM, .realm = realm, .crossing = NONE32, .link = LINK_INTRA_VNET, .row = NONE32};
    struct route_list list = {0};
    route_add(w, &list, (struct prefix4){0, 0}, 0);
    for (size_t g = n_gw; g-- > 0;) { /* the first gateway in the file wins */
        const struct gateway *gw = &w->m->virtualNetworkGateways.at[g];
        if (!connects(gw, o))
            continue;
        t->nexthop[2 + g] = nexthop_port(w, port_of(w->r, THING(GATEWAY, gw)), LINK_GATEWAY);
        t->nexthop[2 + g].row = NONE32;
        const struct vnet *v = gw->virtualNetwork;
        for (size_t i = 0; i < v->addressPrefixes.n; i++)
            route_add(w, &list, v->addressPrefixes.at[i], 2 + (uint32_t)g);
        for (size_t k = 0; k < v->virtualNetworkPeerings.n; k++) {
            const struct peering *p = &v->virtualNetworkPeerings.at[k];
            if (!p->reverse || !p->allowGatewayTransit || !p->reverse->useRemoteGateways)
                continue;
            for (size_t i = 0; i < p->remoteVirtualNetwork->addressPrefixes.n; i++)
                route_add(w, &list, p->remoteVirtualNetwork->addressPrefixes.at[i], 2 + (uint32_t)g);
        }
    }
    for (size_t i = 0; i < o->addressPrefixes.n; i++)
        if (o->addressPrefixes.at[i].len)
            route_add(w, &list, o->addressPrefixes.at[i], 1);
    table_seal(w, t, &list);
    return index;
}

/* -- rule sets ------------------------------------------------------------------------------------------------------ */

static struct acl_rule acl_rule_of(struct work *w, const struct eff_rule *r, bool any_source_port)
{
    struct acl_rule out = {.src = r->source.set.at,
                           .n_src = r->source.set.n,
                           .dst = r->destination.set.at,
                           .n_dst = r->destination.set.n,
                           .proto = r->protocol,
                           .allow = r->access == ACCESS_ALLOW,
                           .id = r->index};
    const struct eff_side *side[2] = {&r->source, &r->destination};
    const struct acl_range **range[2] = {&out.sport, &out.dport};
    size_t *n[2] = {&out.n_sport, &out.n_dport};
    for (int i = any_source_port ? 1 : 0; i < 2; i++) {
        struct acl_range *at = arena_array(w->c->arena, side[i]->n_port, sizeof *at);
        for (size_t k = 0; k < side[i]->n_port; k++)
            at[k] = (struct acl_range){side[i]->port[k].first, side[i]->port[k].last};
        *range[i] = at;
        *n[i] = side[i]->n_port;
    }
    if (out.n_src == 0 || out.n_dst == 0) /* an empty tag or group matches nothing; an empty list would mean anything */
        out.id = NONE32;
    return out;
}

/* In front of the others, what an outbound group says about the platform's addresses, so that no other rule is asked. */
static size_t agent_rules(struct work *w, const struct eff_rules *rules, struct acl_rule *list)
{
    static const struct prefix4 agent[] = {{IP4_PLATFORM, 32}, {IP4_IMDS, 32}};
    size_t n = 0;
    for (size_t k = 0; k < 2; k++) {
        const struct eff_rules *r = rules_for_agent(w->c->arena, rules, agent[k].addr);
        for (size_t i = 0; i < r->n; i++) {
            list[n] = acl_rule_of(w, &r->rule[i], false);
            list[n].dst = &agent[k];
            list[n].n_dst = 1;
            if (i + 1 == r->n) { /* the default: from whatever source */
                list[n].n_src = 0;
                list[n].id = r->rule[i].index;
            }
            n += list[n].id != NONE32;
        }
    }
    return n;
}

/* => the rule set of a group at a place. endpoint: as private endpoints see it, whatever the source port (PE-09). */
static uint32_t acl_of(struct work *w, const struct nsg *nsg, const struct subnet *s, enum direction d, bool endpoint)
{
    if (!nsg)
        return NONE32;
    for (size_t i = 0; i < w->img->n_acls && !endpoint; i++)
        if (w->c->acl[i]->nsg == nsg && w->c->acl[i]->view.subnet == s && w->c->acl[i]->direction == d)
            return (uint32_t)i;
    const struct eff_rules *rules = rules_effective(w->c->arena, w->m, nsg, (struct route_view){s->vnet, s}, d);
    struct acl_rule *list = arena_array(w->c->arena, 3 * rules->n + 2, sizeof *list);
    struct image_acl *a = arena_push(w->img->arena, &w->img->acl, &w->img->n_acls, &w->cap_acls, sizeof *a);
    for (size_t i = 0; i < rules->n; i++)
        a->platform |= rules_touch_platform(&rules->rule[i], PLATFORM_DNS) || rules_touch_platform(&rules->rule[i], PLATFORM_IMDS);
    size_t n = a->platform && d == DIR_OUTBOUND ? agent_rules(w, rules, list) : 0;
    for (size_t i = 0; i < rules->n; i++) {
        list[n] = acl_rule_of(w, &rules->rule[i], endpoint);
        n += list[n].id != NONE32;
    }
    if (w->img->reference)
        a->ref = acl_ref_build(list, n);
    else
        a->acl = acl_build(list, n);
    if (!a->ref && !a->acl)
        arena_oom("rule set");
    *(const struct eff_rules **)arena_push(w->c->arena, &w->c->acl, &w->n_acl_notes, &w->cap_acl_notes, sizeof rules) = rules;
    return (uint32_t)w->img->n_acls - 1;
}

/* -- ports ---------------------------------------------------------------------------------------------------------- */

static const uint8_t fabric_mac[6] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc}; /* */

static struct host_config machine(struct work *w, uint32_t port, ip4 addr)
{
    struct host_config h = {.port = port, .addr = addr, .mtu = 1500, .answers_ping = true};
    const uint64_t x = hash_text(numbers_name(w->r->port, port));
    const uint8_t mac[6] = {0x00, 0x0d, 0x3a, (uint8_t)x, (uint8_t)(x >> 8), (uint8_t)(x >> 16)}; /* */
    memcpy(h.mac, mac, 6);
    memcpy(h.fabric_mac, fabric_mac, 6);
    return h;
}

static void port_ranges(struct work *w, const port_list *l, const struct port_range **out, size_t *n, bool *ping)
{
    struct port_range *at = arena_array(w->img->arena, l->n, sizeof *at);
    *n = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].icmp_off && ping)
            *ping = false;
        if (!l->at[i].icmp_off)
            at[(*n)++] = (struct port_range){l->at[i].proto, l->at[i].first, l->at[i].last};
    }
    *out = at;
}

/* A port of the image, all defaults; its host is added by the caller. */
static struct image_port *port_at(struct work *w, uint32_t n, enum port_kind kind, uint32_t realm, ip4 addr)
{
    struct image_port *p = &w->img->port[n];
    *p = (struct image_port){.kind = kind,
                             .up = true,
                             .realm = realm,
                             .addr = addr,
                             .table = NONE32,
                             .acl = {{NONE32, NONE32}, {NONE32, NONE32}},
                             .identity = IDENTITY_NONE,
                             .pool = NONE32,
                             .service = PORT_NONE};
    p->host = machine(w, n, addr);
    compile_address(w, realm, addr, n);
    return p;
}

struct image_port *compile_port(struct work *w, struct thing t, enum port_kind kind, uint32_t realm, ip4 addr)
{
    const uint32_t n = port_of(w->r, t);
    w->c->thing[n] = t;
    return port_at(w, n, kind, realm, addr);
}

/* What the provider's network knows of a machine in a subnet (NULL: of a service in a region). */
static struct underlay_end underlay_of(struct work *w, uint32_t port, const char *region, const struct subnet *s)
{
    struct underlay_end e = {.host = ids_of(w->r->host, numbers_name(w->r->port, port)),
                             .region = (uint8_t)ids_of(w->r->region, region ? region : "")};
    if (s) {
        e.network = ids_of(w->r->network, s->vnet->name);
        e.subnet = ids_of(w->r->subnet, numbers_name(w->r->identity, subnet_identity(w, s)));
    }
    return e;
}

static bool vm_has_standard_ip(const struct model *m, const struct nic *nic)
{
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *o = &m->networkInterfaces.at[i];
        const bool same = o == nic || (nic->virtualMachine && o->virtualMachine && strcasecmp(o->virtualMachine, nic->virtualMachine) == 0);
        if (same && o->publicIPAddress && o->publicIPAddress->sku == SKU_STANDARD)
            return true;
    }
    return false;
}

/* O-01: NAT gateway, then the instance's public address, then a load balancer's, then default outbound access. */
static void nic_outbound(struct work *w, const struct nic *nic, struct image_port *p)
{
    const struct subnet *s = nic->subnet;
    if (nic->publicIPAddress) {
        p->public_addr = nic->publicIPAddress->ipAddress;
        p->inbound_closed = nic->publicIPAddress->sku == SKU_STANDARD && !nic->networkSecurityGroup && !s->networkSecurityGroup;
        compile_address(w, REALM_PUBLIC, p->public_addr, p->host.port);
    }
    if (s->natGateway) {
        p->pool = natgw_pool(w, s->natGateway, p->realm);
    } else if (!p->public_addr && w->share[nic->index]) {
        p->pool = w->share_pool[nic->index];
        p->share = w->share[nic->index];
    } else if (!p->public_addr && s->defaultOutboundAccess && !vm_has_standard_ip(w->m, nic) &&
               !w->in_standard_pool[nic->index]) { /* O-10 */
        ip4 addr = address_default_outbound(w->m, nic);
        p->pool = pool_add(w, compile_number(w->r->pool, "nic", nic->name), &addr, 1, p->realm);
    }
}

static void port_nic(struct work *w, const struct nic *nic)
{
    const struct subnet *s = nic->subnet;
    struct image_port *p = compile_port(w, THING(NIC, nic), PORT_NIC, compile_realm(w, s->vnet), nic->privateIPAddress);
    p->up = nic->powerState == POWER_RUNNING;
    p->identity = subnet_identity(w, s);
    p->underlay = underlay_of(w, p->host.port, s->vnet->location, s);
    p->ip_forwarding = nic->enableIPForwarding;
    p->flow_timeout = (int64_t)(s->vnet->flowTimeoutInMinutes ? s->vnet->flowTimeoutInMinutes : 4) * 60 * 1000000000; /* G-07 */
    p->table = subnet_table(w, s);
    for (int in = 0; in < 2; in++) {
        const enum direction d = in ? DIR_INBOUND : DIR_OUTBOUND;
        p->acl[in][0] = acl_of(w, nic->networkSecurityGroup, s, d, false);
        p->acl[in][1] = acl_of(w, s->networkSecurityGroup, s, d, false);
    }
    for (size_t i = 0; i < nic->tags.n; i++) /* case counts (PE-16) */
        p->return_last_hop |= !strcmp(nic->tags.at[i].key, "disableSnatOnPL") && !strcmp(nic->tags.at[i].value, "true");
    nic_outbound(w, nic, p);

    struct host_config *h = &p->host;
    p->has_host = true;
    h->arp = true;
    for (size_t i = 0; i < s->addressPrefixes.n; i++)
        if (prefix4_has(s->addressPrefixes.at[i], nic->privateIPAddress))
            h->onlink = s->addressPrefixes.at[i];
    h->gateway = h->onlink.addr + 1; /* */
    h->mtu = (uint16_t)nic->mtu;
    h->proxy = nic->proxyProtocol;
    port_ranges(w, &nic->listens, &h->listens, &h->n_listens, &h->answers_ping);
    h->appliance.present = nic->appliance.present;
    h->appliance.forwards = nic->appliance.forwards;
    h->appliance.snat = nic->appliance.snat;
    h->appliance.stateful = nic->appliance.stateful;
    port_ranges(w, &nic->appliance.drops, &h->appliance.drops, &h->appliance.n_drops, NULL);
    h->n_forwards = resolver_forwards_nic(w->img->arena, w->m, nic, &h->forwards);
    h->dns_server = h->n_forwards != 0;
}

static void port_service(struct work *w, const struct service *s)
{
    struct image_port *p = compile_port(w, THING(SERVICE, s), PORT_SERVICE, REALM_PUBLIC, s->publicIPAddress);
    p->underlay = underlay_of(w, p->host.port, s->location, NULL);
    p->has_host = true;
    p->host.any_addr = true;
    p->host.answers_ping = false;
    p->host.listens_all_tcp = !s->listens_given;
    port_ranges(w, &s->listens, &p->host.listens, &p->host.n_listens, NULL);
}

static void port_endpoint(struct work *w, const struct private_endpoint *e)
{
    const struct subnet *s = e->subnet;
    const uint32_t realm = compile_realm(w, s->vnet);
    struct image_port *p = compile_port(w, THING(ENDPOINT, e), PORT_ENDPOINT, realm, e->ipConfigurations.n ? e->ipConfigurations.at[0].privateIPAddress : 0);
    for (size_t i = 0; i < e->ipConfigurations.n; i++)
        compile_address(w, realm, e->ipConfigurations.at[i].privateIPAddress, p->host.port);
    p->table = vnet_table(w, s->vnet);
    p->underlay.link = e->linkIdentifier;
    p->high_scale = s->vnet->privateEndpointVNetPolicies == VNETPOL_BASIC;
    p->gate = e->status == PE_APPROVED ? REASON_NONE : REASON_ENDPOINT_NOT_APPROVED; /* PE-01, Y-17 */
    p->service = e->service ? port_of(w->r, THING(SERVICE, e->service)) : PORT_NONE;
    if (e->pls) {
        p->pls = compile_pls(w, e->pls);
        p->flow_timeout = PLS_IDLE;
    }
    const bool policy = s->privateEndpointNetworkPolicies == PENP_NSG || s->privateEndpointNetworkPolicies == PENP_ENABLED;
    if (policy && !w->m->switches.privateEndpointPolicies2021) /* PE-07, PE-08 */
        p->acl[1][1] = acl_of(w, s->networkSecurityGroup, s, DIR_INBOUND, true);
    p->has_host = true; /* so that a flow can be tried from it: PE-04 */
    p->host.answers_ping = false;
}

static void port_gateway(struct work *w, const struct gateway *g)
{
    struct image_port *p = compile_port(w, THING(GATEWAY, g), PORT_GATEWAY, compile_realm(w, g->virtualNetwork), g->instances.n ? g->instances.at[0] : 0);
    for (size_t i = 0; i < g->virtualNetwork->subnets.n; i++) {
        const struct subnet *s = &g->virtualNetwork->subnets.at[i];
        if (strcasecmp(s->name, "GatewaySubnet") != 0)
            continue;
        p->table = table_of_routes(w, routes_effective(w->c->arena, w->m, s), g);
        p->underlay = underlay_of(w, p->host.port, g->virtualNetwork->location, s);
        if (g->type == GATEWAY_VPN) { /* M-02 */
            p->mtu = 1400;
            p->mss = 1350;
        }
    }
}

static void serve_onprem(struct work *w, const struct onprem *o, struct host_config *h)
{
    h->dns_server = true;
    h->n_forwards = resolver_forwards_onprem(w->img->arena, o, &h->forwards);
}

/* The network's own resolver, where no host of the file is it. */
static uint32_t onprem_resolver(struct work *w, const struct onprem *o)
{
    return compile_number(w->r->port, "resolver", arena_printf(w->c->arena, "%s/resolver", o->name));
}

static void port_onprem_resolver(struct work *w, const struct onprem *o, uint32_t realm, uint32_t table)
{
    const struct onprem_host *host;
    const ip4 addr = resolver_onprem(w->m, o, &host);
    if (host || !addr)
        return;
    struct image_port *p = port_at(w, onprem_resolver(w, o), PORT_ONPREM_HOST, realm, addr);
    p->table = table;
    p->has_host = true;
    serve_onprem(w, o, &p->host);
}

static void ports_onprem(struct work *w, const struct onprem *o)
{
    const uint32_t realm = onprem_realm(w, o);
    struct image_realm *r = &w->img->realm[realm];
    r->onprem = true;
    r->prefix = o->addressPrefixes.at;
    r->n = o->addressPrefixes.n;
    r->pool = o->natIPs.n ? pool_add(w, compile_number(w->r->pool, "onprem", o->name), o->natIPs.at, o->natIPs.n, realm) : NONE32;
    if (r->pool != NONE32) /* a site's own translator is no NAT gateway: it carries all that hosts send */
        w->img->pool[r->pool].carries_icmp = w->img->pool[r->pool].carries_fragments = true;
    const uint32_t table = r->table = onprem_table(w, o);
    for (size_t i = 0; i < o->hosts.n; i++) {
        const struct onprem_host *h = &o->hosts.at[i];
        struct image_port *p = compile_port(w, THING(ONPREM_HOST, h), PORT_ONPREM_HOST, realm, h->ipAddress);
        p->table = table;
        p->has_host = true;
        port_ranges(w, &h->listens, &p->host.listens, &p->host.n_listens, &p->host.answers_ping);
        if (resolver_onprem_host(h))
            serve_onprem(w, o, &p->host);
    }
    port_onprem_resolver(w, o, realm, table);
}

static void port_internet(struct work *w, const struct internet_host *h)
{
    struct image_port *p = compile_port(w, THING(INTERNET_HOST, h), PORT_INTERNET_HOST, REALM_PUBLIC, h->ipAddress);
    p->has_host = true;
    port_ranges(w, &h->listens, &p->host.listens, &p->host.n_listens, &p->host.answers_ping);
    p->host.dns_server = resolver_internet_host(w->m, h);
}

/* A public address that is named as a DNS server and is nobody else's. */
static void name_public_resolver(void *ctx, ip4 addr)
{
    struct work *w = ctx;
    if (ip4_is_public(addr) && exact_get(w->img->addresses, REALM_PUBLIC, addr) == EXACT_MISS)
        compile_address(w, REALM_PUBLIC, addr, PORT_PUBLIC_RESOLVER_NUMBER);
}

static void port_resolver(struct work *w, uint32_t port, ip4 addr)
{
    struct image_port *p = &w->img->port[port];
    *p = (struct image_port){.kind = PORT_RESOLVER,
                             .up = true,
                             .addr = addr,
                             .table = NONE32,
                             .acl = {{NONE32, NONE32}, {NONE32, NONE32}},
                             .identity = IDENTITY_NONE,
                             .pool = NONE32,
                             .service = PORT_NONE,
                             .has_host = true};
    p->host = machine(w, port, addr);
    p->host.any_addr = true;
    p->host.answers_ping = false;
    p->host.dns_server = true;
}

/* -- all of it ---------------------------------------------------------------------------------------------------------- */

/* Give every name its number before arrays are sized by them. */
static void number_all(struct work *w)
{
    const struct model *m = w->m;
    for (size_t i = 0; i < m->virtualNetworks.n; i++)
        compile_realm(w, &m->virtualNetworks.at[i]);
    for (size_t i = 0; i < m->networkInterfaces.n; i++)
        port_of(w->r, THING(NIC, &m->networkInterfaces.at[i]));
    for (size_t i = 0; i < m->natGateways.n; i++)
        compile_number(w->r->pool, "natgw", m->natGateways.at[i].name);
    for (size_t i = 0; i < m->networkInterfaces.n; i++)
        compile_number(w->r->pool, "nic", m->networkInterfaces.at[i].name);
    for (size_t i = 0; i < m->services.n; i++)
        port_of(w->r, THING(SERVICE, &m->services.at[i]));
    for (size_t i = 0; i < m->privateEndpoints.n; i++)
        port_of(w->r, THING(ENDPOINT, &m->privateEndpoints.at[i]));
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++)
        port_of(w->r, THING(GATEWAY, &m->virtualNetworkGateways.at[i]));
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++) {
        onprem_realm(w, &m->onPremisesNetworks.at[i]);
        compile_number(w->r->pool, "onprem", m->onPremisesNetworks.at[i].name);
        for (size_t k = 0; k < m->onPremisesNetworks.at[i].hosts.n; k++)
            port_of(w->r, THING(ONPREM_HOST, &m->onPremisesNetworks.at[i].hosts.at[k]));
    }
    for (size_t i = 0; i < m->internetHosts.n; i++)
        port_of(w->r, THING(INTERNET_HOST, &m->internetHosts.at[i]));
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++) {
        const struct onprem_host *host;
        if (resolver_onprem(m, &m->onPremisesNetworks.at[i], &host) && !host)
            onprem_resolver(w, &m->onPremisesNetworks.at[i]);
    }
    compile_lb_numbers(w);
}

static uint32_t *none_array(struct work *w, size_t n)
{
    uint32_t *a = arena_array(w->c->arena, n, sizeof *a);
    for (size_t i = 0; i < n; i++)
        a[i] = NONE32;
    return a;
}

static void image_frame(struct work *w)
{
    struct image *img = w->img;
    const struct model *m = w->m;
    img->endpoint_return_last_hop = m->switches.privateEndpointReturnLastHop;
    img->rule_change_keeps_flows = m->switches.ruleChangeKeepsFlows;
    img->n_ports = numbers_end(w->r->port);
    img->port = arena_array(img->arena, img->n_ports, sizeof *img->port);
    for (size_t i = 0; i < img->n_ports; i++) /* gone or not yet there: down, and nothing else can be asked of it */
        img->port[i] = (struct image_port){.table = NONE32, .pool = NONE32, .identity = IDENTITY_NONE, .service = PORT_NONE,
                                           .acl = {{NONE32, NONE32}, {NONE32, NONE32}}};
    w->c->thing = arena_array(w->c->arena, img->n_ports, sizeof *w->c->thing);
    img->n_realms = numbers_end(w->r->realm);
    img->realm = arena_array(img->arena, img->n_realms, sizeof *img->realm);
    img->n_pools = numbers_end(w->r->pool);
    img->pool = arena_array(img->arena, img->n_pools, sizeof *img->pool);
    img->n_links = LINK_CLASS_COUNT + 1; /* and the last one, of no length */
    img->link = arena_array(img->arena, img->n_links, sizeof *img->link);
    for (size_t i = 0; i < LINK_CLASS_COUNT; i++)
        img->link[i] = (struct image_link){m->links[i].latency, m->links[i].jitter, m->links[i].bandwidth, m->links[i].loss};
    img->link_internet = LINK_INTERNET;
    img->link_backbone = LINK_BACKBONE;
    img->link_private = LINK_PRIVATE_LINK;
    img->link_gateway = LINK_GATEWAY;
    img->link_local = LINK_INTRA_VNET;
    img->link_global = LINK_GLOBAL_PEERING;
    img->link_none = LINK_CLASS_COUNT;
    img->resolver = PORT_RESOLVER_NUMBER;
    img->public_resolver = PORT_PUBLIC_RESOLVER_NUMBER;
    img->public_resolver_addr = PUBLIC_RESOLVER;
}

struct compiled *compile_model(const struct model *m, struct numbering *r, uint32_t epoch, bool reference)
{
    struct arena *a = arena_new("compiled");
    struct compiled *c = arena_alloc(a, sizeof *c);
    struct work w = {.c = c, .r = r, .m = m};
    *c = (struct compiled){.arena = a, .model = m, .numbering = r, .image = image_new(epoch)};
    if (!c->image)
        arena_oom("image");
    w.img = c->image;
    w.img->reference = reference;
    number_all(&w);
    image_frame(&w);
    w.subnet_table = none_array(&w, m->subnet_count);
    w.vnet_table = none_array(&w, m->virtualNetworks.n);
    for (size_t i = 0; i < m->virtualNetworks.n; i++) {
        const struct vnet *v = &m->virtualNetworks.at[i];
        w.img->realm[compile_realm(&w, v)] = (struct image_realm){v->addressPrefixes.at, v->addressPrefixes.n, false, NONE32, NONE32};
    }
    port_resolver(&w, PORT_RESOLVER_NUMBER, IP4_PLATFORM);
    port_resolver(&w, PORT_PUBLIC_RESOLVER_NUMBER, PUBLIC_RESOLVER);
    compile_shares(&w);
    for (size_t i = 0; i < m->networkInterfaces.n; i++)
        port_nic(&w, &m->networkInterfaces.at[i]);
    for (size_t i = 0; i < m->services.n; i++)
        port_service(&w, &m->services.at[i]);
    for (size_t i = 0; i < m->privateEndpoints.n; i++)
        port_endpoint(&w, &m->privateEndpoints.at[i]);
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++)
        port_gateway(&w, &m->virtualNetworkGateways.at[i]);
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++)
        ports_onprem(&w, &m->onPremisesNetworks.at[i]);
    for (size_t i = 0; i < m->internetHosts.n; i++)
        port_internet(&w, &m->internetHosts.at[i]);
    compile_address(&w, REALM_PUBLIC, PUBLIC_RESOLVER, PORT_PUBLIC_RESOLVER_NUMBER);
    resolver_each_named(m, name_public_resolver, &w);
    compile_balancers(&w);
    assert(w.n_acl_notes == w.img->n_acls && w.n_table_notes == w.img->n_tables);
    return c;
}

void compiled_free(struct compiled *c)
{
    if (!c)
        return;
    image_free(c->image);
    arena_free(c->arena);
}
