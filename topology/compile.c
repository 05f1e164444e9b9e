/* compile.c - the model becomes an image.
 *
 * Ports. Every NIC, private endpoint, service, host and gateway has one; 168.63.129.16 and a resolver for the
 * world outside have the first two. A port keeps its number over all states of a run, by kind and name.
 *
 * Realms. Private addresses mean something within one virtual or on-premises network only, so each is a realm
 * of its own, and networks that are not peered may overlap.
 *
 * Sharing. One route table per subnet, one per network for answers from private endpoints (user routes do not
 * touch those, PE-07), one rule set per (group, place, direction): a thousand NICs of a subnet share them.
 * Next hop i of a table is row i of the effective routes that it was made from, so every decision leads back
 * to its row.
 *
 * Gateways are routers without a machine: what comes from either side leaves by the table of the
 * GatewaySubnet, whose gateway rows lead into the on-premises network instead of to the gateway itself; its
 * Internet row leads to the default site, where forced tunnelling goes. */
#include "topology/compile_int.h"

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
    r->host = ids_new(IP4(198, 18, 0, 1),
                      IP4(198, 19, 255, 254)); /* 198.18.0.0/15: RFC 2544, never on the Internet */
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
        [THING_NIC] = "nic",
        [THING_ONPREM_HOST] = "host",
        [THING_INTERNET_HOST] = "internet",
        [THING_SERVICE] = "service",
        [THING_ENDPOINT] = "endpoint",
        [THING_GATEWAY] = "gateway",
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

/* -- working state --------------------------------------------------------------------------------------- */

uint32_t compile_realm(struct work *w, const struct vnet *v)
{
    return compile_number(w->r->realm, "vnet", v->name);
}

uint32_t compile_onprem_realm(struct work *w, const struct onprem *o)
{
    return compile_number(w->r->realm, "onprem", o->name);
}

uint32_t compile_identity(struct work *w, const struct subnet *s)
{
    return compile_number(w->r->identity, s->vnet->name, s->name);
}

void compile_address(struct work *w, uint32_t realm, ip4 addr, uint32_t value)
{
    if (addr && exact_set(w->img->addresses, realm, addr, value) != 0)
        arena_oom("address map");
}

static void name_public_resolver(void *ctx, ip4 addr)
{
    struct work *w = ctx;
    if (ip4_is_public(addr) && exact_get(w->img->addresses, REALM_PUBLIC, addr) == EXACT_MISS)
        compile_address(w, REALM_PUBLIC, addr, PORT_PUBLIC_RESOLVER_NUMBER);
}

/* -- all of it ------------------------------------------------------------------------------------------- */

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
        compile_onprem_realm(w, &m->onPremisesNetworks.at[i]);
        compile_number(w->r->pool, "onprem", m->onPremisesNetworks.at[i].name);
        for (size_t k = 0; k < m->onPremisesNetworks.at[i].hosts.n; k++)
            port_of(w->r, THING(ONPREM_HOST, &m->onPremisesNetworks.at[i].hosts.at[k]));
    }
    for (size_t i = 0; i < m->internetHosts.n; i++)
        port_of(w->r, THING(INTERNET_HOST, &m->internetHosts.at[i]));
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++) {
        const struct onprem_host *host;
        if (resolver_onprem(m, &m->onPremisesNetworks.at[i], &host) && !host)
            compile_onprem_resolver(w, &m->onPremisesNetworks.at[i]);
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
    for (size_t i = 0; i < img->n_ports; i++) /* until something is compiled there */
        img->port[i] = image_port_plain(PORT_NIC, false, REALM_PUBLIC, 0);
    w->c->thing = arena_array(w->c->arena, img->n_ports, sizeof *w->c->thing);
    img->n_realms = numbers_end(w->r->realm);
    img->realm = arena_array(img->arena, img->n_realms, sizeof *img->realm);
    img->n_pools = numbers_end(w->r->pool);
    img->pool = arena_array(img->arena, img->n_pools, sizeof *img->pool);
    img->n_links = LINK_CLASS_COUNT + 1; /* and the last one, of no length */
    img->link = arena_array(img->arena, img->n_links, sizeof *img->link);
    for (size_t i = 0; i < LINK_CLASS_COUNT; i++)
        img->link[i] = (struct image_link){m->links[i].latency, m->links[i].jitter, m->links[i].bandwidth,
                                           m->links[i].loss};
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
        w.img->realm[compile_realm(&w, v)] =
            (struct image_realm){v->addressPrefixes.at, v->addressPrefixes.n, false, NONE32, NONE32};
    }
    compile_resolver(&w, PORT_RESOLVER_NUMBER, IP4_PLATFORM);
    compile_resolver(&w, PORT_PUBLIC_RESOLVER_NUMBER, PUBLIC_RESOLVER);
    compile_shares(&w);
    for (size_t i = 0; i < m->networkInterfaces.n; i++)
        compile_nic(&w, &m->networkInterfaces.at[i]);
    for (size_t i = 0; i < m->services.n; i++)
        compile_service(&w, &m->services.at[i]);
    for (size_t i = 0; i < m->privateEndpoints.n; i++)
        compile_endpoint(&w, &m->privateEndpoints.at[i]);
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++)
        compile_gateway(&w, &m->virtualNetworkGateways.at[i]);
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++)
        compile_onprem(&w, &m->onPremisesNetworks.at[i]);
    for (size_t i = 0; i < m->internetHosts.n; i++)
        compile_internet(&w, &m->internetHosts.at[i]);
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
