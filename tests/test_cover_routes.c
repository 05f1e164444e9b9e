/* test_cover_routes.c - stories for the rules of route selection that only packets can show. */
#include "tests/support_story.h"

#include <criterion/criterion.h>
#include <string.h>

#include "dataplane/arena.h"

/* A subnet of machines with a route table, an appliance with a public address, an Internet host, a storage account. */
#define TUNNEL(fw_subnet, routes)                                                                            \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [\n"                             \
    "  {name: vms, addressPrefix: 10.0.1.0/24, routeTable: rt},\n"                                           \
    "  {name: plain, addressPrefix: 10.0.2.0/24}, {name: fw, addressPrefix: 10.0.9.0/24}]}]\n"               \
    "networkSecurityGroups: [{name: open, securityRules: [{name: all, priority: 100, direction: Inbound,\n"  \
    "  access: Allow, protocol: '*'}]}]\n"                                                                   \
    "publicIPAddresses: [{name: vm-pip, ipAddress: 20.50.1.4}, {name: fw-pip, ipAddress: 20.50.1.9},\n"      \
    "  {name: plain-pip, ipAddress: 20.50.1.5}]\n"                                                           \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: vm, subnet: hub/vms, privateIPAddress: 10.0.1.4, publicIPAddress: vm-pip, listens: [tcp/80],\n" \
    "     networkSecurityGroup: open}\n"                                                                     \
    "  - {name: vm2, subnet: hub/vms, privateIPAddress: 10.0.1.5, listens: [tcp/443]}\n"                     \
    "  - {name: plain, subnet: hub/plain, privateIPAddress: 10.0.2.4, publicIPAddress: plain-pip,\n"         \
    "     networkSecurityGroup: open, listens: [tcp/80]}\n"                                                  \
    "  - {name: fw, subnet: " fw_subnet ", privateIPAddress: 10.0.9.4, publicIPAddress: fw-pip,\n"           \
    "     enableIPForwarding: true, appliance: {snat: true}}\n"                                              \
    "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}]\n"      \
    "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]},\n"                           \
    "  {name: caller, ipAddress: 203.0.113.9}]\n"                                                            \
    "routeTables: [{name: rt, routes: [\n" routes "]}]\n"
#define ALL "{name: all, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.9.4}"

Test(cover_routes, R19_next_hop_internet_takes_a_service_out_of_a_forced_tunnel)
{
    story(TUNNEL("hub/fw", ALL ", {name: storage, addressPrefix: Storage.WestEurope, nextHopType: Internet}")
          "flows:\n"
          "  - {from: vm, to: acc, expect: {verdict: delivered, nextHopType: Internet, routeName: storage,\n"
          "     routeSource: User, sourceSeen: 20.50.1.4, path: [vm, acc]}}\n"
          "  - {from: vm, to: web, expect: {verdict: delivered, nextHopType: VirtualAppliance,\n"
          "     sourceSeen: 20.50.1.9, path: [vm, fw, web]}}\n");
    story(TUNNEL("hub/fw", ALL)
          "flows: [{from: vm, to: acc, expect: {verdict: delivered, sourceSeen: 20.50.1.9, path: [vm, fw, acc]}}]\n");
}

/* The request comes in through the public address; the answer takes the user route, and the appliance never saw the
 * request. */
Test(cover_routes, R20_a_default_route_to_an_appliance_breaks_inbound_access)
{
    story(TUNNEL("hub/fw", ALL)
          "flows:\n"
          "  - {from: caller, to: 20.50.1.4, destinationPort: 80,\n"
          "     expect: {verdict: dropped, reason: AsymmetricReturn, path: [caller, vm], returnPath: [vm, fw]}}\n"
          "  - {from: caller, to: 20.50.1.5, destinationPort: 80,\n"
          "     expect: {verdict: delivered, path: [caller, plain], returnPath: [plain, caller]}}\n");
}

/* Traffic between neighbours in one subnet obeys the table too. */
Test(cover_routes, R29_neighbours_by_way_of_an_appliance)
{
    story(TUNNEL("hub/fw", "{name: subnet, addressPrefix: 10.0.1.0/24, nextHopType: VirtualAppliance,\n"
                           "  nextHopIpAddress: 10.0.9.4}")
          "flows:\n"
          "  - {from: vm, to: vm2, expect: {verdict: delivered, nextHopType: VirtualAppliance, route: 10.0.1.0/24,\n"
          "     sourceSeen: 10.0.9.4, path: [vm, fw, vm2], returnPath: [vm2, fw, vm]}}\n");
    story(TUNNEL("hub/fw", ALL)
          "flows:\n"
          "  - {from: vm, to: vm2, expect: {verdict: delivered, nextHopType: VnetLocal, route: 10.0.0.0/16,\n"
          "     sourceSeen: 10.0.1.4, path: [vm, vm2], returnPath: [vm2, vm]}}\n");
}

#define INSIDE                                                                                               \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [\n"                             \
    "  {name: vms, addressPrefix: 10.0.1.0/24, routeTable: rt}]}]\n"                                         \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: vm, subnet: hub/vms, privateIPAddress: 10.0.1.4}\n"                                          \
    "  - {name: fw, subnet: hub/vms, privateIPAddress: 10.0.1.9, publicIPAddress: fw-pip,\n"                 \
    "     enableIPForwarding: true, appliance: {snat: true}}\n"                                              \
    "publicIPAddresses: [{name: fw-pip, ipAddress: 20.50.1.9}]\n"                                            \
    "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"                           \
    "routeTables: [{name: rt, routes: [{name: all, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance,\n" \
    "  nextHopIpAddress: 10.0.1.9}]}]\n"

Test(cover_routes, R30_an_appliance_in_the_subnet_that_it_serves_loops)
{
    story(INSIDE "flows: [{from: vm, to: web, expect: {verdict: dropped, reason: RoutingLoop, via: [fw]}}]\n");
}

/* The same networks are peered and tied together by headquarters, which announces the spoke's space. */
Test(cover_routes, P06_R27_peering_before_gateway)
{
    story("virtualNetworks:\n"
          "  - {name: hub, addressPrefixes: [10.0.0.0/16], virtualNetworkPeerings: [{remoteVirtualNetwork: spoke}],\n"
          "     subnets: [{name: a, addressPrefix: 10.0.1.0/24}, {name: GatewaySubnet, addressPrefix: 10.0.255.0/27}]}\n"
          "  - {name: spoke, addressPrefixes: [10.1.0.0/16], virtualNetworkPeerings: [{remoteVirtualNetwork: hub}],\n"
          "     subnets: [{name: a, addressPrefix: 10.1.1.0/24}]}\n"
          "networkInterfaces: [{name: vm, subnet: hub/a}, {name: sp, subnet: spoke/a, listens: [tcp/443]}]\n"
          "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: Vpn, connections: [hq]}]\n"
          "onPremisesNetworks: [{name: hq, addressPrefixes: [10.1.0.0/16, 10.1.1.0/24, 192.168.0.0/16]}]\n"
          "flows: [{from: vm, to: sp, expect: {verdict: delivered, nextHopType: VNetPeering, route: 10.1.0.0/16,\n"
          "  routeSource: Default, path: [vm, sp]}}]\n"
          "expect:\n"
          "  - {at: 0s, nic: vm, route: {addressPrefix: 10.1.0.0/16, source: VirtualNetworkGateway, state: Invalid}}\n"
          "  - {at: 0s, nic: vm, route: {addressPrefix: 10.1.0.0/16, source: Default, state: Active}}\n");
}

/* What a user route of type None takes is gone, whatever shorter routes say. */
Test(cover_routes, R15_R17_none_and_a_stopped_appliance_drop)
{
    story(TUNNEL("hub/fw", "{name: hole, addressPrefix: 93.184.216.0/24, nextHopType: None}, "
                           "{name: gone, addressPrefix: 10.0.2.0/24, nextHopType: VirtualAppliance, "
                           "nextHopIpAddress: 10.0.9.4}")
          "timeline: [{at: 5s, update: networkInterfaces/fw, with: {powerState: deallocated}}]\n"
          "flows:\n"
          "  - {from: vm, to: web, expect: {verdict: dropped, reason: RouteNone, nextHopType: None, routeName: hole}}\n"
          "  - {from: vm, to: plain, destinationPort: 80, expect: {verdict: delivered, path: [vm, fw, plain]}}\n"
          "  - {at: 6s, from: vm, to: plain, destinationPort: 80, expect: {verdict: dropped, reason: RouteNone,\n"
          "     nextHopType: None, nextHopIpAddress: 10.0.9.4, route: 10.0.2.0/24}}\n");
}

/* Two tunnels that announce one prefix, each with a host of the same address behind it. */
#define TUNNELS(properties)                                                                                  \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.1.0/24},\n" \
    "  {name: GatewaySubnet, addressPrefix: 10.0.255.0/27}]}]\n"                                             \
    "networkInterfaces: [{name: vm, subnet: hub/a, listens: [tcp/443]}]\n"                                   \
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, activeActive: true, connections: [one, two]" properties "}]\n" \
    "onPremisesNetworks:\n"                                                                                  \
    "  - {name: one, addressPrefixes: [192.168.0.0/16], hosts: [{name: h, ipAddress: 192.168.1.10, listens: [tcp/443]}]}\n" \
    "  - {name: two, addressPrefixes: [192.168.0.0/16], hosts: [{name: h, ipAddress: 192.168.1.10, listens: [tcp/443]}]}\n"

/* the preferred connection has all flows, and another one as soon as that is preferred. */
Test(cover_routes, R27_weights_and_paths)
{
    story(TUNNELS(", connectionProperties: [{onPremisesNetwork: two, routingWeight: 10}]")
          "timeline: [{at: 5s, update: virtualNetworkGateways/gw, with: {connectionProperties:\n"
          "  [{onPremisesNetwork: two, asPathLength: 3}, {onPremisesNetwork: one, asPathLength: 2}]}}]\n"
          "flows:\n"
          "  - {at: 1s, from: vm, to: 192.168.1.10, count: 20, interval: 1ms, expect: {verdict: delivered, path: [vm, gw, two/h],\n"
          "     returnPath: [two/h, gw, vm]}}\n"
          "  - {at: 6s, from: vm, to: 192.168.1.10, count: 20, interval: 1ms, expect: {verdict: delivered, path: [vm, gw, one/h]}}\n"
          "expect:\n"
          "  - {at: 1s, nic: vm, route: {addressPrefix: 192.168.0.0/16, source: VirtualNetworkGateway, state: Invalid}}\n");
    struct arena *a = arena_new("findings");
    const char *got = story_findings(a, TUNNELS(", connectionProperties: [{onPremisesNetwork: three}]")
                                            "  - {name: three, addressPrefixes: [172.16.0.0/16]}\n");
    cr_assert(strstr(got, "error: gateway 'gw' has no connection to 'three', whose properties are given\n"), "%s", got);
    got = story_findings(a, TUNNELS(", connectionProperties: [{onPremisesNetwork: one, routingWeight: 32001}]"));
    cr_assert(strstr(got, "'routingWeight' takes a number from 0 to 32000, not 32001"), "%s", got);
    arena_free(a);
}

/* flows are spread over equal connections, each stays with its own, both ways. */
Test(cover_routes, R28_equal_connections_share_the_flows)
{
    struct story s = story_tell(
        TUNNELS("") "flows: [{name: f, at: 1s, from: vm, to: 192.168.1.10, count: 60, interval: 1ms, responseBytes: 8KiB,\n"
                    "  expect: {verdict: delivered, via: [gw]}},\n"
                    "  {name: long, at: 2s, from: vm, to: 192.168.1.10, keepOpen: 20s, expect: {verdict: delivered}}]\n"
                    "expect: [{at: 1s, nic: vm, noRoute: {addressPrefix: 192.168.0.0/16, source: VirtualNetworkGateway, state: Invalid}}]\n");
    unsigned n[2] = {0};
    uint8_t at[65536] = {0};
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        const bool one = !strcmp(p->port, "one/h"), two = !strcmp(p->port, "two/h");
        if (!one && !two)
            continue;
        const uint16_t port = p->inbound ? p->info.sport : p->info.dport;
        n[two] += at[port] == 0;
        cr_assert(!at[port] || at[port] == 1 + two, "port %u changes over", port);
        at[port] = (uint8_t)(1 + two);
    }
    cr_expect(n[0] > 15 && n[1] > 15 && n[0] + n[1] == 61, "%u and %u flows", n[0], n[1]);
    story_end(&s);
}

/* a connection that goes takes its own flows along, the others do not notice. */
Test(cover_routes, R28_the_other_connection_keeps_its_flows)
{
    struct story s = story_tell(
        TUNNELS("") "timeline: [{at: 10s, update: virtualNetworkGateways/gw, with: {connections: [one]}}]\n"
                    "flows: [{name: f, at: 1s, from: vm, to: 192.168.1.10, count: 30, interval: 1ms, expect: {verdict: delivered}},\n"
                    "  {name: later, at: 11s, from: vm, to: 192.168.1.10, count: 30, interval: 1ms,\n"
                    "   expect: {verdict: delivered, path: [vm, gw, one/h]}}]\n");
    story_end(&s);
}
