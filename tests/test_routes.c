/* test_routes.c - which system rows a subnet has and in which state: one test per rule, named after it, with
 * the whole table as text. User routes and explanations: test_routes_user.c. Table 3.2 and the property tests:
 * test_routes_table.c. */
#include "tests/support_hub.h"

TestSuite(routes, .init = hub_setup, .fini = hub_teardown);

#define INVAL "Default Invalid 0.0.0.0/0 Internet\n"

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
