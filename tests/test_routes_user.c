/* test_routes_user.c - what user routes do to the rows of a subnet, which row wins where several could, and
 * the explanation of both: one test per rule, named after it, with the whole table as text. */
#include "tests/support_hub.h"

TestSuite(routes, .init = hub_setup, .fini = hub_teardown);

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
