/* support_world.c - see support_world.h. */
#include "tests/support_world.h"

void world_hub_routes(struct world *w, uint32_t t)
{
    lab_route(&w->l, t, "10.0.0.0/16", nh_realm(w->hub, NONE32));     /* @0 */
    lab_route(&w->l, t, "0.0.0.0/0", nh_internet());                  /* @1 */
    lab_route(&w->l, t, "10.1.0.0/16", nh_realm(w->spoke, w->out_x)); /* @2 */
    lab_route(&w->l, t, "10.0.2.5/32", nh_port(w->pe, NONE32));       /* @3 */
    lab_route(&w->l, t, "10.0.0.0/8", nh_drop(REASON_ROUTE_NONE));    /* @4 */
}

static void world_ports(struct world *w)
{
    struct lab *l = &w->l;
    w->vm = lab_port(l, "vm", PORT_NIC, w->hub, "10.0.1.4");
    w->vm2 = lab_port(l, "vm2", PORT_NIC, w->hub, "10.0.1.5");
    w->nva = lab_port(l, "nva", PORT_NIC, w->hub, "10.0.9.4");
    w->sp = lab_port(l, "sp", PORT_NIC, w->spoke, "10.1.1.4");
    w->pe = lab_port(l, "pe", PORT_ENDPOINT, w->hub, "10.0.2.5");
    w->acr = lab_port(l, "acr", PORT_SERVICE, REALM_PUBLIC, "20.61.97.129");
    w->sto = lab_port(l, "sto", PORT_SERVICE, REALM_PUBLIC, "20.150.0.4");
    w->web = lab_port(l, "web", PORT_INTERNET_HOST, REALM_PUBLIC, "93.184.216.34");
    w->gw = lab_port(l, "gw", PORT_GATEWAY, w->hub, "10.0.255.4");
    w->laptop = lab_port(l, "laptop", PORT_ONPREM_HOST, w->hq, "192.168.1.10");
    w->dns = lab_port(l, "dns", PORT_RESOLVER, REALM_PUBLIC, "168.63.129.16");
    w->pubdns = lab_port(l, "pubdns", PORT_RESOLVER, REALM_PUBLIC, "192.0.0.53");
    w->twin = lab_port(l, "twin", PORT_NIC, w->other, "10.0.1.4");
    w->twin2 = lab_port(l, "twin2", PORT_NIC, w->other, "10.0.1.5");
    l->img->resolver = w->dns;
    l->img->public_resolver = w->pubdns;
    l->img->public_resolver_addr = lab_ip("192.0.0.53");
    world_port(w, w->vm)->identity = 7;
    world_port(w, w->vm2)->identity = 7;
    world_port(w, w->twin)->identity = 8;
    world_port(w, w->nva)->ip_forwarding = true;
    world_port(w, w->pe)->service = w->acr;
    for (uint32_t p = w->acr; p <= w->pubdns; p++)
        world_port(w, p)->flow_timeout = 0;
    world_port(w, w->pe)->flow_timeout = 0;
}

static void world_tables(struct world *w)
{
    struct lab *l = &w->l;
    w->hub_t = lab_table(l);
    w->spoke_t = lab_table(l);
    w->gw_t = lab_table(l);
    w->hq_t = lab_table(l);
    w->other_t = lab_table(l);
    w->pe_t = lab_table(l);
    world_hub_routes(w, w->hub_t);
    world_hub_routes(w, w->pe_t);
    lab_route(l, w->spoke_t, "10.1.0.0/16", nh_realm(w->spoke, NONE32));  /* @0 */
    lab_route(l, w->spoke_t, "0.0.0.0/0", nh_internet());                 /* @1 */
    lab_route(l, w->spoke_t, "10.0.0.0/16", nh_realm(w->hub, w->back_x)); /* @2 */
    lab_route(l, w->spoke_t, "10.0.2.5/32", nh_port(w->pe, w->back_x));   /* @3 */
    world_hub_routes(w, w->gw_t);
    lab_route(l, w->gw_t, "192.168.0.0/16", nh_onprem(w->hq));           /* @5 */
    lab_route(l, w->gw_t, "0.0.0.0/0", nh_onprem(w->hq));                /* @6 */
    lab_route(l, w->hq_t, "0.0.0.0/0", nh_onprem(w->hq));                /* @0 */
    lab_route(l, w->hq_t, "10.0.0.0/16", nh_port(w->gw, NONE32));        /* @1 */
    lab_route(l, w->hq_t, "10.1.0.0/16", nh_port(w->gw, NONE32));        /* @2 */
    lab_route(l, w->hub_t, "192.168.0.0/16", nh_port(w->gw, NONE32));    /* @5 */
    lab_route(l, w->pe_t, "192.168.0.0/16", nh_port(w->gw, NONE32));     /* @5 */
    lab_route(l, w->other_t, "10.0.0.0/16", nh_realm(w->other, NONE32)); /* @0 */
    lab_route(l, w->other_t, "0.0.0.0/0", nh_internet());                /* @1 */
    const uint32_t table[][2] = {{w->vm, w->hub_t},    {w->vm2, w->hub_t},    {w->nva, w->hub_t},
                                 {w->sp, w->spoke_t},  {w->gw, w->gw_t},      {w->pe, w->pe_t},
                                 {w->laptop, w->hq_t}, {w->twin, w->other_t}, {w->twin2, w->other_t}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        world_port(w, table[i][0])->table = table[i][1];
    l->img->realm[w->hq].table = w->hq_t;
}

void world_new(struct world *w)
{
    lab_new(&w->l);
    w->hub = lab_realm(&w->l, "10.0.0.0/16");
    w->spoke = lab_realm(&w->l, "10.1.0.0/16");
    w->hq = lab_realm(&w->l, "192.168.0.0/16");
    w->other = lab_realm(&w->l, "10.0.0.0/16");
    w->l.img->realm[w->hq].onprem = true;
    w->out_x = lab_crossing(&w->l, REASON_NONE, false);
    w->back_x = lab_crossing(&w->l, REASON_NONE, false);
    world_ports(w);
    world_tables(w);
}

void world_public_vm(struct world *w)
{
    world_port(w, w->vm)->public_addr = lab_ip("20.50.1.4");
    exact_set(w->l.img->addresses, REALM_PUBLIC, lab_ip("20.50.1.4"), w->vm);
}
