/* compile_ports.c - every thing with an address becomes a port, with its machine and its way out. */
#include "topology/compile_int.h"

#include "dataplane/rng.h"
#include "topology/address.h"
#include "topology/resolver.h"

#include <string.h>

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

static const uint8_t fabric_mac[6] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc}; /* */

static void set_mac(struct host_config *h, const char *name) /* */
{
    const uint64_t x = hash_text(name);
    const uint8_t mac[6] = {0x00, 0x0d, 0x3a, (uint8_t)x, (uint8_t)(x >> 8), (uint8_t)(x >> 16)};
    memcpy(h->mac, mac, 6);
}

static struct host_config machine(struct work *w, uint32_t port, ip4 addr)
{
    struct host_config h = {.port = port, .addr = addr, .mtu = 1500, .answers_ping = true};
    set_mac(&h, numbers_name(w->r->port, port));
    memcpy(h.fabric_mac, fabric_mac, 6);
    return h;
}

static void port_ranges(struct work *w, const port_list *l, const struct port_range **out, size_t *n,
                        bool *ping)
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
    *p = image_port_plain(kind, true, realm, addr);
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
static struct underlay_end underlay_of(struct work *w, uint32_t port, const char *region,
                                       const struct subnet *s)
{
    struct underlay_end e = {.host = ids_of(w->r->host, numbers_name(w->r->port, port)),
                             .region = (uint8_t)ids_of(w->r->region, region ? region : "")};
    if (s) {
        e.network = ids_of(w->r->network, s->vnet->name);
        e.subnet = ids_of(w->r->subnet, numbers_name(w->r->identity, compile_identity(w, s)));
    }
    return e;
}

static bool vm_has_standard_ip(const struct model *m, const struct nic *nic)
{
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *o = &m->networkInterfaces.at[i];
        const bool same = o == nic || (nic->virtualMachine && o->virtualMachine &&
                                       strcasecmp(o->virtualMachine, nic->virtualMachine) == 0);
        if (same && o->publicIPAddress && o->publicIPAddress->sku == SKU_STANDARD)
            return true;
    }
    return false;
}

/* O-01: NAT gateway, then the instance's public address, then a load balancer's, then default outbound
 * access. */
static void nic_outbound(struct work *w, const struct nic *nic, struct image_port *p)
{
    const struct subnet *s = nic->subnet;
    if (nic->publicIPAddress) {
        p->public_addr = nic->publicIPAddress->ipAddress;
        p->inbound_closed = nic->publicIPAddress->sku == SKU_STANDARD && !nic->networkSecurityGroup &&
                            !s->networkSecurityGroup;
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

void compile_nic(struct work *w, const struct nic *nic)
{
    const struct subnet *s = nic->subnet;
    struct image_port *p =
        compile_port(w, THING(NIC, nic), PORT_NIC, compile_realm(w, s->vnet), nic->privateIPAddress);
    p->up = nic->powerState == POWER_RUNNING;
    p->identity = compile_identity(w, s);
    p->underlay = underlay_of(w, p->host.port, s->vnet->location, s);
    p->ip_forwarding = nic->enableIPForwarding;
    p->flow_timeout = (int64_t)(s->vnet->flowTimeoutInMinutes ? s->vnet->flowTimeoutInMinutes : 4) * 60 *
                      1000000000; /* G-07 */
    p->table = compile_subnet_table(w, s);
    for (int in = 0; in < 2; in++) {
        const enum direction d = in ? DIR_INBOUND : DIR_OUTBOUND;
        p->acl[in][0] = compile_acl(w, nic->networkSecurityGroup, s, d, false);
        p->acl[in][1] = compile_acl(w, s->networkSecurityGroup, s, d, false);
        p->admin[in] = compile_admin(w, s, d);
    }
    const struct subscription *owner = model_subscription(w->m, nic->subscription);
    p->smtp_blocked = owner && subscription_blocks_smtp(owner); /* G-15 */
    for (size_t i = 0; i < nic->tags.n; i++)                    /* case counts (PE-16) */
        p->return_last_hop |=
            !strcmp(nic->tags.at[i].key, "disableSnatOnPL") && !strcmp(nic->tags.at[i].value, "true");
    nic_outbound(w, nic, p);

    struct host_config *h = &p->host;
    if (nic->readdressed)
        set_mac(h, arena_printf(w->c->arena, "%s#%u", numbers_name(w->r->port, h->port), nic->readdressed));
    p->has_host = true;
    h->arp = true;
    for (size_t i = 0; i < s->addressPrefixes.n; i++)
        if (prefix4_has(s->addressPrefixes.at[i], nic->privateIPAddress))
            h->onlink = s->addressPrefixes.at[i];
    h->gateway = h->onlink.addr + 1; /* */
    h->mtu = (uint16_t)nic->mtu;
    h->proxy = nic->proxyProtocol;
    h->http_status = nic->healthStatus;
    port_ranges(w, &nic->listens, &h->listens, &h->n_listens, &h->answers_ping);
    h->appliance.present = nic->appliance.present;
    h->appliance.forwards = nic->appliance.forwards;
    h->appliance.snat = nic->appliance.snat;
    h->appliance.stateful = nic->appliance.stateful;
    port_ranges(w, &nic->appliance.drops, &h->appliance.drops, &h->appliance.n_drops, NULL);
    h->n_forwards = resolver_forwards_nic(w->img->arena, w->m, nic, &h->forwards);
    h->dns_server = h->n_forwards != 0;
}

void compile_service(struct work *w, const struct service *s)
{
    struct image_port *p = compile_port(w, THING(SERVICE, s), PORT_SERVICE, REALM_PUBLIC, s->publicIPAddress);
    p->underlay = underlay_of(w, p->host.port, s->location, NULL);
    p->has_host = true;
    p->host.any_addr = true;
    p->host.answers_ping = false;
    p->host.listens_all_tcp = !s->listens_given;
    port_ranges(w, &s->listens, &p->host.listens, &p->host.n_listens, NULL);
}

void compile_endpoint(struct work *w, const struct private_endpoint *e)
{
    const struct subnet *s = e->subnet;
    const uint32_t realm = compile_realm(w, s->vnet);
    struct image_port *p =
        compile_port(w, THING(ENDPOINT, e), PORT_ENDPOINT, realm,
                     e->ipConfigurations.n ? e->ipConfigurations.at[0].privateIPAddress : 0);
    for (size_t i = 0; i < e->ipConfigurations.n; i++)
        compile_address(w, realm, e->ipConfigurations.at[i].privateIPAddress, p->host.port);
    p->table = compile_vnet_table(w, s->vnet);
    p->underlay.link = e->linkIdentifier;
    p->high_scale = s->vnet->privateEndpointVNetPolicies == VNETPOL_BASIC;
    p->gate = e->status == PE_APPROVED ? REASON_NONE : REASON_ENDPOINT_NOT_APPROVED; /* PE-01, Y-17 */
    p->service = e->service ? port_of(w->r, THING(SERVICE, e->service)) : PORT_NONE;
    if (e->pls) {
        p->pls = compile_pls(w, e->pls);
        p->flow_timeout = PLS_IDLE;
    }
    const bool policy =
        s->privateEndpointNetworkPolicies == PENP_NSG || s->privateEndpointNetworkPolicies == PENP_ENABLED;
    if (policy && !w->m->switches.privateEndpointPolicies2021) /* PE-07, PE-08 */
        p->acl[1][1] = compile_acl(w, s->networkSecurityGroup, s, DIR_INBOUND, true);
    p->has_host = true; /* so that a flow can be tried from it: PE-04 */
    p->host.answers_ping = false;
}

/* Y-11, R-28: each instance of an active-active gateway has a host of its own. */
static void gateway_instances(struct work *w, const struct gateway *g, struct image_port *p)
{
    if (g->instances.n < 2)
        return;
    uint32_t *at = arena_array(w->img->arena, g->instances.n, sizeof *at);
    at[0] = p->underlay.host;
    for (size_t i = 1; i < g->instances.n; i++)
        at[i] = ids_of(w->r->host,
                       arena_printf(w->c->arena, "%s/%zu", numbers_name(w->r->port, p->host.port), i));
    p->instances = at;
    p->n_instances = g->instances.n;
}

void compile_gateway(struct work *w, const struct gateway *g)
{
    struct image_port *p =
        compile_port(w, THING(GATEWAY, g), PORT_GATEWAY, compile_realm(w, g->virtualNetwork),
                     g->instances.n ? g->instances.at[0] : 0);
    for (size_t i = 0; i < g->virtualNetwork->subnets.n; i++) {
        const struct subnet *s = &g->virtualNetwork->subnets.at[i];
        if (strcasecmp(s->name, "GatewaySubnet") != 0)
            continue;
        p->table = compile_table(w, routes_effective(w->c->arena, w->m, s), g);
        p->underlay = underlay_of(w, p->host.port, g->virtualNetwork->location, s);
        gateway_instances(w, g, p);
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
uint32_t compile_onprem_resolver(struct work *w, const struct onprem *o)
{
    return compile_number(w->r->port, "resolver", arena_printf(w->c->arena, "%s/resolver", o->name));
}

static void port_onprem_resolver(struct work *w, const struct onprem *o, uint32_t realm, uint32_t table)
{
    const struct onprem_host *host;
    const ip4 addr = resolver_onprem(w->m, o, &host);
    if (host || !addr)
        return;
    struct image_port *p = port_at(w, compile_onprem_resolver(w, o), PORT_ONPREM_HOST, realm, addr);
    p->table = table;
    p->has_host = true;
    serve_onprem(w, o, &p->host);
}

static bool by_expressroute(const struct model *m, const struct onprem *o)
{
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++) {
        const struct gateway *g = &m->virtualNetworkGateways.at[i];
        for (size_t k = 0; g->type == GATEWAY_EXPRESSROUTE && k < g->connections.n; k++)
            if (g->connections.at[k] == o)
                return true;
    }
    return false;
}

void compile_onprem(struct work *w, const struct onprem *o)
{
    const uint32_t realm = compile_onprem_realm(w, o);
    struct image_realm *r = &w->img->realm[realm];
    r->onprem = true;
    r->prefix = o->addressPrefixes.at;
    r->n = o->addressPrefixes.n;
    r->pool = o->natIPs.n ? pool_add(w, compile_number(w->r->pool, "onprem", o->name), o->natIPs.at,
                                     o->natIPs.n, realm)
                          : NONE32;
    if (r->pool != NONE32) /* a site's own translator is no NAT gateway: it carries all that hosts send */
        w->img->pool[r->pool].carries_icmp = w->img->pool[r->pool].carries_fragments = true;
    if (r->pool != NONE32) /* a circuit has two addresses, and uses both */
        w->img->pool[r->pool].spreads = by_expressroute(w->m, o);
    const uint32_t table = r->table = compile_onprem_table(w, o);
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

void compile_internet(struct work *w, const struct internet_host *h)
{
    struct image_port *p =
        compile_port(w, THING(INTERNET_HOST, h), PORT_INTERNET_HOST, REALM_PUBLIC, h->ipAddress);
    p->has_host = true;
    port_ranges(w, &h->listens, &p->host.listens, &p->host.n_listens, &p->host.answers_ping);
    p->host.dns_server = resolver_internet_host(w->m, h);
}

/* A public address that is named as a DNS server and is nobody else's. */
void compile_resolver(struct work *w, uint32_t port, ip4 addr)
{
    struct image_port *p = &w->img->port[port];
    *p = image_port_plain(PORT_RESOLVER, true, REALM_PUBLIC, addr);
    p->has_host = true;
    p->host = machine(w, port, addr);
    p->host.any_addr = true;
    p->host.answers_ping = false;
    p->host.dns_server = true;
}
