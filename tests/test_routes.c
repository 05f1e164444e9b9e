/* test_routes.c - which rows a subnet has and in which state: one test per rule, named after it, with the
 * whole table as text. Table 3.2 and the property tests are in test_routes_table.c. */
#include "tests/support_net.h"

#include <criterion/criterion.h>
#include <string.h>

static struct model *m;
static struct vnet *hub;
static struct subnet *clients, *gws;

static void setup(void)
{
    m = net_new();
    hub = net_vnet(m, "hub", "westeurope", "10.0.0.0/16");
    clients = net_subnet(m, hub, "clients", "10.0.1.0/24");
    gws = net_subnet(m, hub, "GatewaySubnet", "10.0.255.0/27");
}

static void teardown(void)
{
    net_free(m);
}

TestSuite(routes, .init = setup, .fini = teardown);

#define NONE4                                                                                                \
    "Default Active 10.0.0.0/8 None\n"                                                                       \
    "Default Active 100.64.0.0/10 None\n"                                                                    \
    "Default Active 172.16.0.0/12 None\n"                                                                    \
    "Default Active 192.168.0.0/16 None\n"
#define OWN   "Default Active 10.0.0.0/16 VnetLocal\n"
#define INET  "Default Active 0.0.0.0/0 Internet\n"
#define INVAL "Default Invalid 0.0.0.0/0 Internet\n"

static void rows(const struct subnet *s, const char *want)
{
    const char *got = net_rows(m, s);
    cr_assert_str_eq(got, want, "got:\n%s\nwant:\n%s", got, want);
}

static void way(const struct subnet *s, const char *dst, const char *want)
{
    const char *got = net_way(m, s, dst);
    cr_assert_str_eq(got, want, "%s: got %s, want %s", dst, got, want);
}

static struct vnet *spoke_of(struct vnet *v, const char *name, const char *location, const char *prefixes)
{
    struct vnet *s = net_vnet(m, name, location, prefixes);
    net_peer(v, s);
    return s;
}

/* The only row that starts with this text. */
static const struct eff_route *row(const struct subnet *s, enum route_source source, const char *prefix)
{
    const struct eff_table *t = routes_effective(m->arena, m, s);
    const struct eff_route *found = NULL;
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].source == source && prefix4_eq(t->row[i].prefix[0], net_prefix(prefix))) {
            cr_assert_null(found, "two rows %s", prefix);
            found = &t->row[i];
        }
    return found;
}

static void why_has(const struct eff_route *r, const char *part)
{
    cr_assert_not_null(r);
    cr_assert_not_null(r->why);
    cr_assert_not_null(strstr(r->why, part), "'%s' is not in '%s'", part, r->why);
}

/* -- system rows ----------------------------------------------------------------------------------------- */

Test(routes, Y01_Y02_Y03_plain_subnet)
{
    rows(clients, OWN INET NONE4);
    rows(gws, OWN INET NONE4);
    way(clients, "10.0.255.255", "VnetLocal 10.0.0.0/16");
    way(clients, "10.1.0.0", "None 10.0.0.0/8 RouteNone");
    way(clients, "8.8.8.8", "Internet 0.0.0.0/0");
}

Test(routes, Y01_one_row_per_network_prefix)
{
    struct vnet *v = net_vnet(m, "two", "westeurope", "10.7.0.0/16 192.168.4.0/22");
    struct subnet *s = net_subnet(m, v, "s", "10.7.1.0/24");
    rows(s, "Default Active 10.7.0.0/16 VnetLocal\nDefault Active 192.168.4.0/22 VnetLocal\n" INET NONE4);
}

Test(routes, Y04_observed_none_rows)
{
    m->switches.noneRoutesObserved = true;
    rows(clients, OWN INET "Default Active 10.0.0.0/8 None\n"
                           "Default Active 127.0.0.0/8 None\n"
                           "Default Active 100.64.0.0/10 None\n"
                           "Default Active 25.48.0.0/12 None\n"
                           "Default Active 172.16.0.0/12 None\n"
                           "Default Active 25.4.0.0/14 None\n"
                           "Default Active 25.30.0.0/15 None\n"
                           "Default Active 198.18.0.0/15 None\n"
                           "Default Active 25.33.0.0/16 None\n"
                           "Default Active 40.109.0.0/16 None\n"
                           "Default Active 104.147.0.0/16 None\n"
                           "Default Active 157.59.0.0/16 None\n"
                           "Default Active 192.168.0.0/16 None\n"
                           "Default Active 40.108.0.0/17 None\n"
                           "Default Active 104.146.0.0/17 None\n"
                           "Default Active 23.103.0.0/18 None\n"
                           "Default Active 25.41.0.0/20 None\n"
                           "Default Active 20.35.252.0/22 None\n");
}

Test(routes, Y05_network_prefix_takes_or_removes_none_row)
{
    struct vnet *v = net_vnet(m, "wide", "westeurope", "10.0.0.0/8 192.168.0.0/15");
    rows(net_subnet(m, v, "s", "10.0.0.0/24"),
         "Default Active 10.0.0.0/8 VnetLocal\nDefault Active 192.168.0.0/15 VnetLocal\n" INET
         "Default Active 100.64.0.0/10 None\nDefault Active 172.16.0.0/12 None\n");
}

Test(routes, Y05_peer_prefix_takes_none_row)
{
    spoke_of(hub, "spoke", "westeurope", "192.168.0.0/16");
    rows(clients, OWN "Default Active 192.168.0.0/16 VNetPeering\n" INET
                      "Default Active 10.0.0.0/8 None\nDefault Active 100.64.0.0/10 None\n"
                      "Default Active 172.16.0.0/12 None\n");
}

Test(routes, Y06_user_default_removes_none_rows)
{
    net_nic(m, "fw", clients, "10.0.1.9");
    struct subnet *s = net_subnet(m, hub, "s", "10.0.2.0/24");
    net_route(m, s, "all", "0.0.0.0/0", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    rows(s, OWN INVAL "User Active 0.0.0.0/0 VirtualAppliance 10.0.1.9 all\n");
    rows(clients, OWN INET NONE4); /* elsewhere nothing changes */
    why_has(row(s, ROUTE_DEFAULT, "0.0.0.0/0"),
            "user route 'all' has the same prefix, and User beats Default (R-02)");
    cr_assert_eq(row(s, ROUTE_DEFAULT, "0.0.0.0/0")->lost_to->source, ROUTE_USER);
    way(s, "10.9.9.9", "VirtualAppliance 0.0.0.0/0");
}

Test(routes, Y07_learned_default_leaves_neither_internet_nor_none_rows)
{
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    net_onprem(m, g, "hq", "0.0.0.0/0");
    rows(clients, OWN "VirtualNetworkGateway Active 0.0.0.0/0 VirtualNetworkGateway 20.0.0.1\n");
    net_route(m, clients, "inet", "0.0.0.0/0", NH_TYPE_INTERNET, NULL);
    rows(clients, OWN "VirtualNetworkGateway Invalid 0.0.0.0/0 VirtualNetworkGateway 20.0.0.1\n"
                      "User Active 0.0.0.0/0 Internet inet\n");
    why_has(row(clients, ROUTE_GATEWAY, "0.0.0.0/0"), "User beats VirtualNetworkGateway (R-02)");
}

Test(routes, Y08_user_route_removes_the_none_row_that_it_equals)
{
    net_nic(m, "fw", clients, "10.0.1.9");
    net_route(m, clients, "ten", "10.0.0.0/8", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    rows(clients, OWN INET "Default Active 100.64.0.0/10 None\n"
                           "Default Active 172.16.0.0/12 None\n"
                           "Default Active 192.168.0.0/16 None\n"
                           "User Active 10.0.0.0/8 VirtualAppliance 10.0.1.9 ten\n");
}

Test(routes, Y09_peering_rows_by_region)
{
    struct vnet *near = spoke_of(hub, "near", "westeurope", "10.1.0.0/16 10.2.0.0/16");
    struct vnet *far = spoke_of(hub, "far", "eastus", "10.3.0.0/16");
    struct vnet *beyond = spoke_of(near, "beyond", "westeurope", "10.4.0.0/16");
    rows(clients, OWN "Default Active 10.1.0.0/16 VNetPeering\nDefault Active 10.2.0.0/16 VNetPeering\n"
                      "Default Active 10.3.0.0/16 VNetGlobalPeering\n" INET NONE4);
    rows(net_subnet(m, far, "s", "10.3.0.0/24"),
         "Default Active 10.3.0.0/16 VnetLocal\nDefault Active 10.0.0.0/16 VNetGlobalPeering\n" INET NONE4);
    /* P-02: a peer's peer is not there */
    rows(net_subnet(m, beyond, "s", "10.4.0.0/24"),
         "Default Active 10.4.0.0/16 VnetLocal\nDefault Active 10.1.0.0/16 VNetPeering\n"
         "Default Active 10.2.0.0/16 VNetPeering\n" INET NONE4);
    const struct eff_route *r = row(clients, ROUTE_DEFAULT, "10.2.0.0/16");
    cr_assert_eq(r->remote, near);
    cr_assert_eq(r->peering, &hub->virtualNetworkPeerings.at[0]);
    cr_assert_eq(r->drop, REASON_NONE);
}

Test(routes, P01_one_link_alone_makes_no_rows)
{
    struct vnet *v = net_vnet(m, "spoke", "westeurope", "10.1.0.0/16");
    struct subnet *s = net_subnet(m, v, "s", "10.1.0.0/24");
    net_link(hub, v);
    net_endpoint(m, "pe", s, "10.1.0.5");
    rows(clients, OWN INET NONE4);
    rows(s, "Default Active 10.1.0.0/16 VnetLocal\n" INET NONE4
            "Default Active 10.1.0.5/32 InterfaceEndpoint\n");
}

Test(routes, P03_link_without_access_is_listed_and_drops)
{
    struct vnet *v = net_vnet(m, "spoke", "westeurope", "10.1.0.0/16");
    struct subnet *s = net_subnet(m, v, "s", "10.1.0.0/24");
    net_endpoint(m, "pe", s, "10.1.0.5");
    net_peer(hub, v)->allowVirtualNetworkAccess = false;
    rows(clients, OWN "Default Active 10.1.0.0/16 VNetPeering\n" INET NONE4
                      "Default Active 10.1.0.5/32 InterfaceEndpoint\n");
    way(clients, "10.1.0.4", "VNetPeering 10.1.0.0/16 NoPeering");
    way(clients, "10.1.0.5", "InterfaceEndpoint 10.1.0.5/32 NoPeering");
    way(s, "10.0.1.4", "VNetPeering 10.0.0.0/16 NoPeering");
    way(s, "10.1.0.5", "InterfaceEndpoint 10.1.0.5/32");
}

Test(routes, Y10_R23_gateway_rows_and_propagation)
{
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    struct onprem *o = net_onprem(m, g, "hq", "192.168.0.0/24 172.20.0.0/16");
    static const char with[] =
        OWN "VirtualNetworkGateway Active 192.168.0.0/24 VirtualNetworkGateway 20.0.0.1\n"
            "VirtualNetworkGateway Active 172.20.0.0/16 VirtualNetworkGateway 20.0.0.1\n" INET NONE4;
    rows(clients, with);
    rows(gws, with);
    o->bgp = false; /* a static local network gateway gives the same rows */
    rows(clients, with);
    const struct eff_route *r = row(clients, ROUTE_GATEWAY, "172.20.0.0/16");
    cr_assert_eq(r->gateway, g);
    cr_assert_eq(r->onprem, o);
    net_table(m, clients)->disableBgpRoutePropagation = true;
    rows(clients, OWN INET NONE4);
    rows(gws, with);
    o->bgp = true;
    rows(clients, OWN INET NONE4);
}

Test(routes, Y11_active_active_has_its_instances_as_next_hops)
{
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4 10.0.255.5");
    net_onprem(m, g, "hq", "192.168.0.0/24");
    const struct eff_route *r = row(clients, ROUTE_GATEWAY, "192.168.0.0/24");
    cr_assert_eq(r->n_next_hop, 2);
    cr_assert_eq(r->next_hop[0], net_ip("10.0.255.4"));
    cr_assert_eq(r->next_hop[1], net_ip("10.0.255.5"));
}

Test(routes, Y11_no_public_address_shows_the_instance)
{
    struct gateway *g = net_gateway(m, hub, GATEWAY_EXPRESSROUTE, NULL, "10.0.255.4");
    net_onprem(m, g, "hq", "192.168.0.0/24");
    rows(clients,
         OWN "VirtualNetworkGateway Active 192.168.0.0/24 VirtualNetworkGateway 10.0.255.4\n" INET NONE4);
}

Test(routes, Y12_P05_gateway_transit_needs_both_flags)
{
    struct vnet *v = net_vnet(m, "spoke", "westeurope", "10.1.0.0/16");
    struct subnet *s = net_subnet(m, v, "s", "10.1.0.0/24");
    struct peering *up = net_peer(v, hub);
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    net_onprem(m, g, "hq", "192.168.0.0/24");
    static const char without[] =
        "Default Active 10.1.0.0/16 VnetLocal\nDefault Active 10.0.0.0/16 VNetPeering\n" INET NONE4;
    rows(s, without);
    up->useRemoteGateways = true;
    rows(s, without);
    up->reverse->allowGatewayTransit = true;
    rows(s, "Default Active 10.1.0.0/16 VnetLocal\nDefault Active 10.0.0.0/16 VNetPeering\n"
            "VirtualNetworkGateway Active 192.168.0.0/24 VirtualNetworkGateway 20.0.0.1\n" INET NONE4);
    cr_assert_eq(row(s, ROUTE_GATEWAY, "192.168.0.0/24")->remote, hub);
    up->useRemoteGateways = false;
    rows(s, without);
}

/* -- service endpoints ----------------------------------------------------------------------------------- */

#define WEST "20.60.0.0/17,20.60.128.0/24"
#define BOTH "20.60.0.0/17,20.60.128.0/24,20.61.0.0/16"

Test(routes, Y13_Y14_service_endpoint_rows_on_their_subnet_only)
{
    net_service(m, clients, "Microsoft.Storage", "westeurope northeurope");
    net_service(m, clients, "Microsoft.CognitiveServices", "*");
    rows(clients, OWN INET NONE4 "Default Active " BOTH " VirtualNetworkServiceEndpoint\n"
                                 "Default Active 20.80.1.0/24,20.80.2.0/24 VirtualNetworkServiceEndpoint\n");
    rows(gws, OWN INET NONE4);
    way(clients, "20.60.128.1", "VirtualNetworkServiceEndpoint 20.60.128.0/24");
    way(gws, "20.60.128.1", "Internet 0.0.0.0/0");
    const struct eff_route *r = row(clients, ROUTE_DEFAULT, "20.60.0.0/17");
    cr_assert_str_eq(r->tag, "Storage");
    cr_assert_eq(r->service_endpoint, &clients->serviceEndpoints.at[0]);
}

Test(routes, SE05_region_scope)
{
    net_service(m, clients, "microsoft.storage", "westeurope");
    net_service(m, clients, "Microsoft.Sql", "westeurope");
    rows(clients, OWN INET NONE4 "Default Active " WEST " VirtualNetworkServiceEndpoint\n"
                                 "Default Active 20.70.1.0/24 VirtualNetworkServiceEndpoint\n");
    way(clients, "20.61.0.1", "Internet 0.0.0.0/0");
    way(clients, "20.70.2.1", "Internet 0.0.0.0/0");
    struct subnet *s = net_subnet(m, hub, "all", "10.0.3.0/24");
    net_service(m, s, "Microsoft.Storage", "*");
    rows(s, OWN INET NONE4
         "Default Active 20.60.0.0/16,20.61.0.0/16,20.62.0.0/16 VirtualNetworkServiceEndpoint\n");
    struct subnet *def =
        net_subnet(m, hub, "default", "10.0.5.0/24"); /* no locations: own, and paired for Storage */
    net_service(m, def, "Microsoft.Storage", "");
    net_service(m, def, "Microsoft.Sql", "");
    net_service(m, def, "Microsoft.CognitiveServices", "");
    rows(def, OWN INET NONE4 "Default Active " BOTH " VirtualNetworkServiceEndpoint\n"
                             "Default Active 20.70.1.0/24 VirtualNetworkServiceEndpoint\n"
                             "Default Active 20.80.1.0/24,20.80.2.0/24 VirtualNetworkServiceEndpoint\n");
    struct subnet *no = net_subnet(m, hub, "none", "10.0.4.0/24");
    net_service(m, no, "Microsoft.Storage", "eastus");
    rows(no, OWN INET NONE4);
}

Test(routes, R05_service_endpoint_beats_every_user_and_learned_route)
{
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    net_onprem(m, g, "hq", "20.60.0.0/24");
    net_nic(m, "fw", clients, "10.0.1.9");
    net_service(m, clients, "Microsoft.Storage", "westeurope");
    net_route(m, clients, "longer", "20.60.1.0/24", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    net_route(m, clients, "equal", "20.60.0.0/17", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    net_route(m, clients, "tag", "Storage.WestEurope", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    rows(clients, OWN "VirtualNetworkGateway Active 20.60.0.0/24 VirtualNetworkGateway 20.0.0.1\n" INET NONE4
                      "Default Active " WEST " VirtualNetworkServiceEndpoint\n"
                      "User Active 20.60.1.0/24 VirtualAppliance 10.0.1.9 longer\n"
                      "User Invalid 20.60.0.0/17 VirtualAppliance 10.0.1.9 equal\n"
                      "User Invalid " WEST " VirtualAppliance 10.0.1.9 tag\n");
    way(clients, "20.60.0.1", "VirtualNetworkServiceEndpoint 20.60.0.0/17");
    way(clients, "20.60.1.1", "VirtualNetworkServiceEndpoint 20.60.0.0/17");
    way(clients, "20.60.128.1", "VirtualNetworkServiceEndpoint 20.60.128.0/24");
}

Test(routes, R06_observed_service_endpoint_against_user_routes)
{
    m->switches.seVsUdrObserved = true;
    net_nic(m, "fw", clients, "10.0.1.9");
    net_service(m, clients, "Microsoft.Storage", "westeurope northeurope");
    net_route(m, clients, "longer", "20.60.1.0/24", NH_TYPE_INTERNET, NULL);
    net_route(m, clients, "equal", "20.60.0.0/17", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    rows(clients, OWN INET NONE4 "Default Active " BOTH " VirtualNetworkServiceEndpoint\n"
                                 "User Active 20.60.1.0/24 Internet longer\n"
                                 "User Invalid 20.60.0.0/17 VirtualAppliance 10.0.1.9 equal\n");
    way(clients, "20.60.1.1", "Internet 20.60.1.0/24");
    way(clients, "20.60.2.1", "VirtualNetworkServiceEndpoint 20.60.0.0/17");
    why_has(row(clients, ROUTE_USER, "20.60.0.0/17"),
            "with an equal prefix the service endpoint keeps its traffic (R-06)");
}

Test(routes, R06_observed_tag_route_takes_its_region)
{
    m->switches.seVsUdrObserved = true;
    net_nic(m, "fw", clients, "10.0.1.9");
    net_service(m, clients, "Microsoft.Storage", "westeurope northeurope");
    struct route *r =
        net_route(m, clients, "tag", "Storage.WestEurope", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    way(clients, "20.60.0.1", "VirtualAppliance 20.60.0.0/17");
    way(clients, "20.60.128.1", "VirtualAppliance 20.60.128.0/24");
    way(clients, "20.61.0.1", "VirtualNetworkServiceEndpoint 20.61.0.0/16");
    r->nextHopType = NH_TYPE_NONE;
    way(clients, "20.60.0.1", "None 20.60.0.0/17 RouteNone");
    r->nextHopType = NH_TYPE_INTERNET;
    way(clients, "20.60.0.1", "VirtualNetworkServiceEndpoint 20.60.0.0/17");
}

Test(routes, R07_default_routes_never_capture_a_service_endpoint)
{
    net_nic(m, "fw", clients, "10.0.1.9");
    net_service(m, clients, "Microsoft.Sql", "westeurope");
    net_route(m, clients, "all", "0.0.0.0/0", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    way(clients, "20.70.1.1", "VirtualNetworkServiceEndpoint 20.70.1.0/24");
    m->switches.seVsUdrObserved = true;
    way(clients, "20.70.1.1", "VirtualNetworkServiceEndpoint 20.70.1.0/24");
    way(clients, "20.70.2.1", "VirtualAppliance 0.0.0.0/0");
}

Test(routes, Y13_nested_prefixes_of_one_row)
{
    struct route_entry *e;
    net_service(m, clients, "Microsoft.Sql", "*");
    way(clients, "20.70.1.1", "VirtualNetworkServiceEndpoint 20.70.1.0/24");
    way(clients, "20.70.2.1", "VirtualNetworkServiceEndpoint 20.70.0.0/16");
    size_t n = routes_compile(m->arena, routes_effective(m->arena, m, clients), &e), found = 0;
    for (size_t i = 0; i < n; i++)
        found += prefix4_eq(e[i].prefix, net_prefix("20.70.1.0/24")) && prefix4_eq(e[i].matched, e[i].prefix);
    cr_assert_eq(found, 1,
                 "the longer prefix of the same row has an entry, for the sake of what results show");
}

Test(routes, R05_own_public_space_inside_a_service_tag_is_the_networks)
{
    struct vnet *v = net_vnet(m, "public", "westeurope", "20.60.5.0/24");
    struct subnet *s = net_subnet(m, v, "s", "20.60.5.0/25");
    net_service(m, s, "Microsoft.Storage", "westeurope");
    way(s, "20.60.5.1", "VnetLocal 20.60.5.0/24");
    way(s, "20.60.6.1", "VirtualNetworkServiceEndpoint 20.60.0.0/17");
    net_route(m, s, "drop", "20.60.5.0/24", NH_TYPE_NONE, NULL);
    way(s, "20.60.5.1", "None 20.60.5.0/24 RouteNone");
}

/* -- private endpoints ----------------------------------------------------------------------------------- */

Test(routes, Y15_Y16_endpoint_rows_in_own_and_directly_peered_networks)
{
    struct vnet *spoke = spoke_of(hub, "spoke", "westeurope", "10.1.0.0/16");
    struct vnet *far = spoke_of(hub, "far", "eastus", "10.2.0.0/16");
    struct vnet *beyond = spoke_of(spoke, "beyond", "westeurope", "10.3.0.0/16");
    struct private_endpoint *pe = net_endpoint(m, "pe", clients, "10.0.1.5 10.0.1.6");
    static const char both[] =
        "Default Active 10.0.1.5/32 InterfaceEndpoint\nDefault Active 10.0.1.6/32 InterfaceEndpoint\n";
    const struct subnet *has[] = {clients, gws, net_subnet(m, spoke, "s", "10.1.0.0/24"),
                                  net_subnet(m, far, "s", "10.2.0.0/24")};
    for (size_t i = 0; i < 4; i++) {
        const char *got = net_rows(m, has[i]);
        cr_assert_not_null(strstr(got, both), "%s", got);
    }
    rows(net_subnet(m, beyond, "s", "10.3.0.0/24"),
         "Default Active 10.3.0.0/16 VnetLocal\nDefault Active 10.1.0.0/16 VNetPeering\n" INET NONE4);
    const struct eff_route *r = row(has[2], ROUTE_DEFAULT, "10.0.1.6/32");
    cr_assert_eq(r->endpoint, pe);
    cr_assert_eq(r->endpoint_ip, &pe->ipConfigurations.at[1]);
    cr_assert_eq(r->remote, hub);
    cr_assert_null(row(clients, ROUTE_DEFAULT, "10.0.1.6/32")->remote);
    cr_assert_eq(r->n_next_hop, 0);
}

Test(routes, Y17_endpoint_row_in_every_state)
{
    struct private_endpoint *pe = net_endpoint(m, "pe", clients, "10.0.1.5");
    for (int s = PE_APPROVED; s <= PE_DISCONNECTED; s++) {
        pe->status = (enum pe_status)s;
        way(clients, "10.0.1.5", "InterfaceEndpoint 10.0.1.5/32");
    }
}

Test(routes, Y19_subnet_peering)
{
    struct vnet *v = net_vnet(m, "spoke", "westeurope", "10.1.0.0/16");
    struct subnet *in = net_subnet(m, v, "in", "10.1.1.0/24"), *out = net_subnet(m, v, "out", "10.1.2.0/24");
    struct subnet *other = net_subnet(m, hub, "other", "10.0.2.0/24");
    struct peering *p = net_peer(hub, v);
    net_list(m, &p->localSubnetNames, clients);
    net_list(m, &p->remoteSubnetNames, in);
    net_endpoint(m, "pe-in", in, "10.1.1.5");
    net_endpoint(m, "pe-out", out, "10.1.2.5");
    static const char want[] = OWN "Default Active 10.1.1.0/24 VNetPeering\n" INET NONE4
                                   "Default Active 10.1.1.5/32 InterfaceEndpoint\n";
    rows(clients, want);
    rows(other, want);
    way(clients, "10.1.1.4", "VNetPeering 10.1.1.0/24");
    way(other, "10.1.1.4", "VNetPeering 10.1.1.0/24 NoPeering");
    way(other, "10.1.1.5", "InterfaceEndpoint 10.1.1.5/32 NoPeering");
    way(clients, "10.1.2.5", "None 10.0.0.0/8 RouteNone");
    /* the way back: the link back names no subnets, and takes them from this one */
    way(in, "10.0.1.4", "VNetPeering 10.0.1.0/24");
    way(in, "10.0.2.4", "None 10.0.0.0/8 RouteNone");
    way(out, "10.0.1.4", "VNetPeering 10.0.1.0/24 NoPeering");
}

/* -- user routes ----------------------------------------------------------------------------------------- */

Test(routes, R01_longest_prefix)
{
    net_nic(m, "fw", clients, "10.0.1.9");
    net_route(m, clients, "a", "10.0.2.0/24", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    net_route(m, clients, "b", "10.0.2.128/25", NH_TYPE_NONE, NULL);
    way(clients, "10.0.2.127", "VirtualAppliance 10.0.2.0/24");
    way(clients, "10.0.2.128", "None 10.0.2.128/25 RouteNone");
    way(clients, "10.0.3.0", "VnetLocal 10.0.0.0/16");
}

Test(routes, R02_user_gateway_default_with_one_prefix)
{
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    net_onprem(m, g, "hq", "192.168.0.0/16");
    rows(clients, OWN "VirtualNetworkGateway Active 192.168.0.0/16 VirtualNetworkGateway 20.0.0.1\n" INET
                      "Default Active 10.0.0.0/8 None\nDefault Active 100.64.0.0/10 None\n"
                      "Default Active 172.16.0.0/12 None\nDefault Invalid 192.168.0.0/16 None\n");
    why_has(row(clients, ROUTE_DEFAULT, "192.168.0.0/16"),
            "the gateway row of hq has the same prefix, and VirtualNetworkGateway beats Default (R-02)");
    net_route(m, clients, "u", "192.168.0.0/16", NH_TYPE_INTERNET, NULL);
    rows(clients, OWN "VirtualNetworkGateway Invalid 192.168.0.0/16 VirtualNetworkGateway 20.0.0.1\n" INET
                      "Default Active 10.0.0.0/8 None\nDefault Active 100.64.0.0/10 None\n"
                      "Default Active 172.16.0.0/12 None\nUser Active 192.168.0.0/16 Internet u\n");
}

Test(routes, R04_learned_routes_lose_to_the_network_whatever_their_length)
{
    struct vnet *spoke = spoke_of(hub, "spoke", "westeurope", "10.1.0.0/16");
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    net_endpoint(m, "pe", clients, "10.0.1.5");
    net_service(m, clients, "Microsoft.Sql", "westeurope");
    net_onprem(m, g, "hq",
               "10.0.1.0/24 10.0.0.0/16 10.1.0.0/16 10.1.7.0/24 20.70.1.128/25 10.0.1.5/32 10.2.0.0/16");
    (void)spoke;
    rows(clients, OWN "Default Active 10.1.0.0/16 VNetPeering\n"
                      "VirtualNetworkGateway Active 10.0.1.0/24 VirtualNetworkGateway 20.0.0.1\n"
                      "VirtualNetworkGateway Invalid 10.0.0.0/16 VirtualNetworkGateway 20.0.0.1\n"
                      "VirtualNetworkGateway Invalid 10.1.0.0/16 VirtualNetworkGateway 20.0.0.1\n"
                      "VirtualNetworkGateway Active 10.1.7.0/24 VirtualNetworkGateway 20.0.0.1\n"
                      "VirtualNetworkGateway Active 20.70.1.128/25 VirtualNetworkGateway 20.0.0.1\n"
                      "VirtualNetworkGateway Invalid 10.0.1.5/32 VirtualNetworkGateway 20.0.0.1\n"
                      "VirtualNetworkGateway Active 10.2.0.0/16 VirtualNetworkGateway 20.0.0.1\n" INET NONE4
                      "Default Active 20.70.1.0/24 VirtualNetworkServiceEndpoint\n"
                      "Default Active 10.0.1.5/32 InterfaceEndpoint\n");
    way(clients, "10.0.1.77", "VnetLocal 10.0.0.0/16");
    way(clients, "10.1.7.7", "VNetPeering 10.1.0.0/16");
    way(clients, "20.70.1.200", "VirtualNetworkServiceEndpoint 20.70.1.0/24");
    way(clients, "10.0.1.5", "InterfaceEndpoint 10.0.1.5/32");
    way(clients, "10.2.0.1", "VirtualNetworkGateway 10.2.0.0/16");
    m->switches.seVsUdrObserved = true; /* R-06 is about user routes */
    way(clients, "20.70.1.200", "VirtualNetworkServiceEndpoint 20.70.1.0/24");
    why_has(row(clients, ROUTE_GATEWAY, "10.1.0.0/16"), "the peering row of spoke has the same prefix");
}

Test(routes, R08_R09_only_a_user_32_touches_an_endpoint)
{
    net_nic(m, "fw", clients, "10.0.1.9");
    net_endpoint(m, "pe", clients, "10.0.1.5");
    struct subnet *s = net_subnet(m, hub, "s", "10.0.2.0/24");
    net_route(m, s, "near", "10.0.1.4/31", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    way(s, "10.0.1.5", "InterfaceEndpoint 10.0.1.5/32");
    way(s, "10.0.1.4", "VirtualAppliance 10.0.1.4/31");
    net_route(m, s, "exact", "10.0.1.5/32", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    way(s, "10.0.1.5", "VirtualAppliance 10.0.1.5/32");
    const struct eff_route *r = row(s, ROUTE_DEFAULT, "10.0.1.5/32");
    cr_assert_eq(r->state, ROUTE_INVALID);
    why_has(r, "user route 'exact' has the same prefix, and User beats Default, whatever the endpoint's "
               "policies (R-02, R-08)");
    clients->privateEndpointNetworkPolicies = PENP_ENABLED; /* then too it is the /32 that decides, not R-10 */
    why_has(row(s, ROUTE_DEFAULT, "10.0.1.5/32"), "(R-02, R-08)");
    way(clients, "10.0.1.5", "InterfaceEndpoint 10.0.1.5/32"); /* endpoint's policy, but client's route */
}

Test(routes, R10_why_names_policy_and_prefixes)
{
    net_nic(m, "fw", clients, "10.0.1.9");
    net_endpoint(m, "pe", clients, "10.0.1.5");
    clients->privateEndpointNetworkPolicies = PENP_ROUTE_TABLE;
    struct subnet *s = net_subnet(m, hub, "s", "10.0.2.0/24");
    net_route(m, s, "net", "10.0.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    const struct eff_route *r = row(s, ROUTE_DEFAULT, "10.0.1.5/32");
    cr_assert_eq(r->state, ROUTE_INVALID);
    cr_assert_str_eq(
        r->why,
        "user route 'net' (10.0.0.0/16) is as long as the endpoint's network prefix 10.0.0.0/16 or longer, "
        "and hub/clients has privateEndpointNetworkPolicies RouteTableEnabled (R-10)");
    cr_assert_str_eq(r->lost_to->name, "net");
    m->switches.privateEndpointPolicies2021 = true; /* PE-07: then no policy exists */
    way(s, "10.0.1.5", "InterfaceEndpoint 10.0.1.5/32");
}

Test(routes, R12_the_prefix_that_holds_the_endpoint_counts)
{
    struct vnet *v = spoke_of(hub, "spoke", "westeurope", "10.8.0.0/14 10.16.0.0/20");
    struct subnet *s = net_subnet(m, v, "s", "10.16.0.0/24");
    net_nic(m, "fw", clients, "10.0.1.9");
    s->privateEndpointNetworkPolicies = PENP_ENABLED;
    net_endpoint(m, "pe", s, "10.16.0.5");
    struct route *r = net_route(m, clients, "u", "10.16.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    way(clients, "10.16.0.5", "InterfaceEndpoint 10.16.0.5/32"); /* longer than /14, not than /20 */
    r->addressPrefix = net_prefix("10.16.0.0/20");
    way(clients, "10.16.0.5", "VirtualAppliance 10.16.0.0/20");
}

Test(routes, R16_R17_appliance_must_exist_run_and_be_near)
{
    struct vnet *spoke = spoke_of(hub, "spoke", "westeurope", "10.1.0.0/16");
    struct vnet *beyond = spoke_of(spoke, "beyond", "westeurope", "10.2.0.0/16");
    struct nic *near = net_nic(m, "near", net_subnet(m, spoke, "s", "10.1.0.0/24"), "10.1.0.9");
    net_nic(m, "off", net_subnet(m, beyond, "s", "10.2.0.0/24"), "10.2.0.9");
    struct lb_frontend *fe = net_frontend(m, "lb", clients, "10.0.1.10");
    net_route(m, clients, "peer", "10.50.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.1.0.9");
    net_route(m, clients, "lb", "10.51.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.10");
    net_route(m, clients, "too-far", "10.52.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.2.0.9");
    net_route(m, clients, "nobody", "10.53.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.99");
    rows(clients, OWN "Default Active 10.1.0.0/16 VNetPeering\n" INET NONE4
                      "User Active 10.50.0.0/16 VirtualAppliance 10.1.0.9 peer\n"
                      "User Active 10.51.0.0/16 VirtualAppliance 10.0.1.10 lb\n"
                      "User Active 10.52.0.0/16 None 10.2.0.9 too-far\n"
                      "User Active 10.53.0.0/16 None 10.0.1.99 nobody\n");
    const struct eff_route *r = row(clients, ROUTE_USER, "10.50.0.0/16");
    cr_assert_eq(r->appliance, near);
    cr_assert_eq(r->remote, spoke);
    cr_assert_eq(row(clients, ROUTE_USER, "10.51.0.0/16")->appliance_lb, fe);
    cr_assert_eq(row(clients, ROUTE_USER, "10.53.0.0/16")->asked, NH_TYPE_VIRTUAL_APPLIANCE);
    near->powerState = POWER_DEALLOCATED;
    way(clients, "10.50.0.1", "None 10.50.0.0/16 RouteNone"); /* no fall-through to 10.0.0.0/8 or 0.0.0.0/0 */
    why_has(row(clients, ROUTE_USER, "10.50.0.0/16"),
            "near, which has the address 10.1.0.9, is deallocated (R-17)");
}

Test(routes, R15_R17_R25_user_route_to_a_gateway)
{
    net_route(m, clients, "gw", "10.50.0.0/16", NH_TYPE_VIRTUAL_NETWORK_GATEWAY, NULL);
    way(clients, "10.50.0.1", "None 10.50.0.0/16 RouteNone");
    why_has(row(clients, ROUTE_USER, "10.50.0.0/16"), "no gateway");
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    way(clients, "10.50.0.1", "VirtualNetworkGateway 10.50.0.0/16");
    cr_assert_eq(row(clients, ROUTE_USER, "10.50.0.0/16")->gateway, g);
    g->type = GATEWAY_EXPRESSROUTE;
    way(clients, "10.50.0.1", "None 10.50.0.0/16 RouteNone");
    why_has(row(clients, ROUTE_USER, "10.50.0.0/16"), "ExpressRoute gateway (R-15, R-25)");
    net_gateway(m, hub, GATEWAY_VPN, "20.0.0.2", "10.0.255.6");
    way(clients, "10.50.0.1", "None 10.50.0.0/16 RouteNone");
    why_has(row(clients, ROUTE_USER, "10.50.0.0/16"), "two coexist (R-15)");
}

Test(routes, R17_user_route_to_a_remote_gateway)
{
    struct vnet *v = net_vnet(m, "spoke", "westeurope", "10.1.0.0/16");
    struct subnet *s = net_subnet(m, v, "s", "10.1.0.0/24");
    struct peering *up = net_peer(v, hub);
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    net_route(m, s, "gw", "10.50.0.0/16", NH_TYPE_VIRTUAL_NETWORK_GATEWAY, NULL);
    way(s, "10.50.0.1", "None 10.50.0.0/16 RouteNone");
    up->useRemoteGateways = up->reverse->allowGatewayTransit = true;
    way(s, "10.50.0.1", "VirtualNetworkGateway 10.50.0.0/16");
    cr_assert_eq(row(s, ROUTE_USER, "10.50.0.0/16")->gateway, g);
    cr_assert_eq(row(s, ROUTE_USER, "10.50.0.0/16")->remote, hub);
}

Test(routes, R18_vnetlocal_outside_the_network_is_none)
{
    spoke_of(hub, "spoke", "westeurope", "10.1.0.0/16");
    net_route(m, clients, "peer", "10.1.2.0/24", NH_TYPE_VNET_LOCAL, NULL);
    net_route(m, clients, "broad", "10.0.0.0/15", NH_TYPE_VNET_LOCAL, NULL);
    net_route(m, clients, "inside", "10.0.7.0/24", NH_TYPE_VNET_LOCAL, NULL);
    way(clients, "10.1.2.3", "None 10.1.2.0/24 RouteNone");
    why_has(row(clients, ROUTE_USER, "10.1.2.0/24"),
            "VnetLocal for addresses outside hub delivers nothing (R-18)");
    way(clients, "10.0.7.7", "VnetLocal 10.0.7.0/24");
    way(clients, "10.0.8.7", "VnetLocal 10.0.0.0/16");
    cr_assert_eq(row(clients, ROUTE_USER, "10.0.0.0/15")->type, NH_TYPE_NONE);
    cr_assert_eq(row(clients, ROUTE_USER, "10.0.0.0/15")->asked, NH_TYPE_VNET_LOCAL);
}

Test(routes, R21_tags_and_explicit_prefixes)
{
    net_route(m, clients, "cloud", "AzureCloud", NH_TYPE_INTERNET, NULL);
    net_route(m, clients, "cloud-we", "AzureCloud.westeurope", NH_TYPE_INTERNET, NULL);
    net_route(m, clients, "storage-we", "Storage.WestEurope", NH_TYPE_INTERNET, NULL);
    net_route(m, clients, "exact", "20.60.128.0/24", NH_TYPE_NONE, NULL);
    struct prefix4 p;
    const struct eff_table *t = routes_effective(m->arena, m, clients);
    cr_assert_str_eq(routes_select(t, net_ip("20.60.0.1"), &p)->name, "storage-we");
    cr_assert_str_eq(routes_select(t, net_ip("20.60.128.1"), &p)->name, "exact");
    cr_assert_str_eq(routes_select(t, net_ip("20.70.1.1"), &p)->name, "cloud-we");
    cr_assert_str_eq(routes_select(t, net_ip("20.90.0.1"), &p)->name, "cloud");
    rows(clients, OWN INET NONE4 "User Active 20.60.0.0/17,20.70.1.0/24,20.90.0.0/24 Internet cloud\n"
                                 "User Active 20.60.0.0/17,20.70.1.0/24 Internet cloud-we\n"
                                 "User Active " WEST " Internet storage-we\n"
                                 "User Active 20.60.128.0/24 None exact\n");
}

Test(routes, R21_global_service_tag_beats_azurecloud_of_a_region)
{
    net_route(m, clients, "cloud-we", "AzureCloud.westeurope", NH_TYPE_INTERNET, NULL);
    net_route(m, clients, "sql-we", "Sql.WestEurope", NH_TYPE_NONE, NULL);
    way(clients, "20.70.1.1", "None 20.70.1.0/24 RouteNone");
}

Test(routes, R27_expressroute_before_vpn)
{
    struct gateway *vpn = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    struct gateway *er = net_gateway(m, hub, GATEWAY_EXPRESSROUTE, "20.0.0.2", "10.0.255.5");
    net_onprem(m, vpn, "a", "192.168.0.0/24");
    net_onprem(m, er, "b", "192.168.0.0/24");
    rows(clients,
         OWN "VirtualNetworkGateway Active 192.168.0.0/24 VirtualNetworkGateway 20.0.0.2\n"
             "VirtualNetworkGateway Invalid 192.168.0.0/24 VirtualNetworkGateway 20.0.0.1\n" INET NONE4);
    cr_assert_eq(routes_select(routes_effective(m->arena, m, clients), net_ip("192.168.0.9"), NULL)->gateway,
                 er);
}

static struct gateway *two_sites(uint32_t weight_b, uint32_t path_b)
{
    struct gateway *vpn = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    struct onprem *b;
    net_onprem(m, vpn, "a", "192.168.0.0/24 192.168.8.0/24");
    net_onprem(m, vpn, "b", "192.168.0.0/24");
    b = vpn->connections.at[1];
    struct gateway_connection *x = arena_alloc(m->arena, sizeof *x);
    *x = (struct gateway_connection){.onPremisesNetwork = b, .routingWeight = weight_b, .asPathLength = path_b};
    vpn->connectionProperties.at = x;
    vpn->connectionProperties.n = 1;
    return vpn;
}

static void learned(const char *site, const char *why)
{
    const struct eff_table *t = routes_effective(m->arena, m, clients);
    const struct eff_route *w = routes_select(t, net_ip("192.168.0.9"), NULL);
    cr_assert_str_eq(w->onprem->name, site);
    cr_assert_eq(w->n_sites, 0);
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].source == ROUTE_GATEWAY && &t->row[i] != w && t->row[i].prefix[0].len == w->prefix[0].len &&
            t->row[i].prefix[0].addr == w->prefix[0].addr) {
            cr_assert_eq(t->row[i].state, ROUTE_INVALID);
            cr_assert(strstr(t->row[i].why, why), "%s", t->row[i].why);
        }
}

Test(routes, R27_weight_of_a_connection)
{
    two_sites(10, 9);
    learned("b", "its connection has the higher weight (R-27)");
}

Test(routes, R27_length_of_the_path)
{
    two_sites(0, 2);
    learned("a", "its path is shorter (R-27)");
}

Test(routes, R27_a_shorter_path_in_a_later_connection)
{
    two_sites(0, 0);
    learned("b", "its path is shorter (R-27)");
}

/* equal in everything: one row, two ways. */
Test(routes, R28_equal_connections_are_one_row)
{
    two_sites(0, 1);
    rows(clients, OWN "VirtualNetworkGateway Active 192.168.0.0/24 VirtualNetworkGateway 20.0.0.1\n"
                      "VirtualNetworkGateway Active 192.168.8.0/24 VirtualNetworkGateway 20.0.0.1\n" INET NONE4);
    const struct eff_route *w =
        routes_select(routes_effective(m->arena, m, clients), net_ip("192.168.0.9"), NULL);
    cr_assert_eq(w->n_sites, 2);
    cr_assert_str_eq(w->sites[0]->name, "a");
    cr_assert_str_eq(w->sites[1]->name, "b");
    w = routes_select(routes_effective(m->arena, m, clients), net_ip("192.168.8.9"), NULL);
    cr_assert_eq(w->n_sites, 0);
}

Test(routes, R29_subnet_prefix_to_an_appliance_and_its_exemption)
{
    net_nic(m, "fw", gws, "10.0.255.9");
    net_route(m, clients, "net", "10.0.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.255.9");
    rows(clients, "Default Invalid 10.0.0.0/16 VnetLocal\n" INET NONE4
                  "User Active 10.0.0.0/16 VirtualAppliance 10.0.255.9 net\n");
    way(clients, "10.0.1.7", "VirtualAppliance 10.0.0.0/16");
    net_route(m, clients, "self", "10.0.1.0/24", NH_TYPE_VNET_LOCAL, NULL);
    way(clients, "10.0.1.7", "VnetLocal 10.0.1.0/24");
    way(clients, "10.0.2.7", "VirtualAppliance 10.0.0.0/16");
}

Test(routes, F03_order_of_rows)
{
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    spoke_of(hub, "spoke", "westeurope", "10.1.0.0/16");
    net_onprem(m, g, "hq", "192.168.0.0/24");
    net_endpoint(m, "pe", clients, "10.0.1.5");
    net_service(m, clients, "Microsoft.Sql", "westeurope");
    net_route(m, clients, "u", "10.9.0.0/16", NH_TYPE_NONE, NULL);
    rows(clients,
         OWN "Default Active 10.1.0.0/16 VNetPeering\n"
             "VirtualNetworkGateway Active 192.168.0.0/24 VirtualNetworkGateway 20.0.0.1\n" INET NONE4
             "Default Active 20.70.1.0/24 VirtualNetworkServiceEndpoint\n"
             "Default Active 10.0.1.5/32 InterfaceEndpoint\n"
             "User Active 10.9.0.0/16 None u\n");
}

Test(routes, rows_name_their_place)
{
    struct vnet *spoke = spoke_of(hub, "spoke", "westeurope", "10.1.0.0/16");
    (void)spoke;
    net_route(m, clients, "u", "10.9.0.0/16", NH_TYPE_NONE, NULL);
    cr_assert_eq(row(clients, ROUTE_DEFAULT, "10.0.0.0/16")->origin.line, 1);
    cr_assert_eq(row(clients, ROUTE_USER, "10.9.0.0/16")->origin.line, 101);
    cr_assert_null(row(clients, ROUTE_DEFAULT, "0.0.0.0/0")->origin.file);
}

Test(routes, view_without_subnet)
{
    net_service(m, clients, "Microsoft.Sql", "westeurope");
    net_endpoint(m, "pe", clients, "10.0.1.5");
    const struct eff_table *t = routes_effective_view(m->arena, m, (struct route_view){hub, NULL});
    cr_assert_eq(t->n, 1 + 1 + 4 + 1);
    cr_assert_eq(t->row[6].type, NH_TYPE_INTERFACE_ENDPOINT);
}

/* -- explanations ---------------------------------------------------------------------------------------- */

static void explain(const struct subnet *s, const char *dst, const char *want)
{
    struct route_candidate *c;
    char p[PREFIX4_STRLEN];
    size_t n = routes_candidates(m->arena, routes_effective(m->arena, m, s), net_ip(dst), &c);
    const char *got = "";
    for (size_t i = 0; i < n; i++)
        got = arena_printf(m->arena, "%s%s %s %s: %s\n", got, c[i].wins ? "*" : "-",
                           nexthop_type_word(c[i].row->type), prefix4_format(c[i].prefix, p), c[i].why);
    cr_assert_str_eq(got, want, "got:\n%s\nwant:\n%s", got, want);
}

Test(routes, candidates_tell_why_each_lost)
{
    net_nic(m, "fw", gws, "10.0.255.9");
    struct gateway *g = net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    net_onprem(m, g, "hq", "10.0.1.0/25");
    net_endpoint(m, "pe", clients, "10.0.1.5");
    net_route(m, clients, "all", "0.0.0.0/0", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.255.9");
    net_route(m, clients, "net", "10.0.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.255.9");
    explain(
        clients, "10.0.1.5",
        "* InterfaceEndpoint 10.0.1.5/32: 10.0.1.5/32 is the longest living prefix (R-01)\n"
        "- VirtualNetworkGateway 10.0.1.0/25: the endpoint row of pe holds the address, and beats learned "
        "routes of any "
        "length (R-04)\n"
        "- VnetLocal 10.0.0.0/16: user route 'net' has the same prefix, and User beats Default (R-02)\n"
        "- VirtualAppliance 10.0.0.0/16: 10.0.0.0/16 is shorter than the endpoint's /32 (R-01); hub/clients "
        "has "
        "privateEndpointNetworkPolicies Disabled, so only a /32 would win (R-09)\n"
        "- Internet 0.0.0.0/0: user route 'all' has the same prefix, and User beats Default (R-02)\n"
        "- VirtualAppliance 0.0.0.0/0: 0.0.0.0/0 is shorter than the endpoint's /32 (R-01); hub/clients has "
        "privateEndpointNetworkPolicies Disabled, so only a /32 would win (R-09)\n");
    explain(
        clients, "10.0.9.9",
        "* VirtualAppliance 10.0.0.0/16: 10.0.0.0/16 is the longest living prefix (R-01)\n"
        "- VnetLocal 10.0.0.0/16: user route 'net' has the same prefix, and User beats Default (R-02)\n"
        "- Internet 0.0.0.0/0: user route 'all' has the same prefix, and User beats Default (R-02)\n"
        "- VirtualAppliance 0.0.0.0/0: 0.0.0.0/0 is shorter than 10.0.0.0/16 of user route 'net' (R-01)\n");
}

Test(routes, candidates_with_a_service_endpoint)
{
    net_nic(m, "fw", gws, "10.0.255.9");
    net_service(m, clients, "Microsoft.Storage", "westeurope");
    net_route(m, clients, "longer", "20.60.1.0/24", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.255.9");
    explain(clients, "20.60.1.1",
            "* VirtualNetworkServiceEndpoint 20.60.0.0/17: a service endpoint's row wins at once (R-05)\n"
            "- VirtualAppliance 20.60.1.0/24: the service endpoint of Microsoft.Storage wins at once: no "
            "user or learned route "
            "overrides it (R-05)\n"
            "- Internet 0.0.0.0/0: 0.0.0.0/0 is shorter than 20.60.0.0/17 of the service endpoint of "
            "Microsoft.Storage (R-01)\n");
}

Test(routes, candidates_of_a_dropping_row)
{
    net_route(m, clients, "u", "10.53.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.99");
    explain(clients, "10.53.0.1",
            "* None 10.53.0.0/16: 10.53.0.0/16 is the longest living prefix (R-01); dropped: nothing in this "
            "network or a "
            "directly peered one has the address 10.0.1.99 (R-16, R-17)\n"
            "- None 10.0.0.0/8: 10.0.0.0/8 is shorter than 10.53.0.0/16 of user route 'u' (R-01)\n"
            "- Internet 0.0.0.0/0: 0.0.0.0/0 is shorter than 10.53.0.0/16 of user route 'u' (R-01)\n");
}
