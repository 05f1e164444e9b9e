/* test_cover_net.c - stories of addresses, security groups, peerings, appliances, gateways and the way out. */
#include "tests/support_story.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"

#define ONE(subnet, more)                                                                                    \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [\n"                             \
    "  {name: a, addressPrefix: 10.0.1.0/24" subnet "}, {name: b, addressPrefix: 10.0.2.0/24}]}]\n" more

/* -- addresses ------------------------------------------------------------------------------------------- */

Test(cover_net, A05_an_address_outlives_deallocation)
{
    story(ONE("", "networkInterfaces: [{name: vm, subnet: hub/a}, {name: off, subnet: hub/a, listens: [tcp/443]}]\n"
                  "timeline:\n"
                  "  - {at: 5s, update: networkInterfaces/off, with: {powerState: deallocated}}\n"
                  "  - {at: 6s, add: networkInterfaces, with: {name: new, subnet: hub/a, listens: [tcp/443]}}\n"
                  "  - {at: 30s, update: networkInterfaces/off, with: {powerState: running}}\n"
                  "flows:\n"
                  "  - {at: 1s, from: vm, to: 10.0.1.5, expect: {verdict: delivered, path: [vm, 'off']}}\n"
                  "  - {at: 8s, from: vm, to: 10.0.1.5, expect: {verdict: dropped, reason: NoHost}}\n"
                  "  - {at: 8s, from: vm, to: 10.0.1.6, expect: {verdict: delivered, path: [vm, new]}}\n"
                  "  - {at: 31s, from: vm, to: 10.0.1.5, expect: {verdict: delivered, path: [vm, 'off']}}\n"));
}

/* the same MAC before and after a stop, another one on another interface; all begin with 00:0d:3a. */
Test(cover_net, A06_mac_addresses_stay)
{
    struct story s = story_tell(
        ONE("", "networkInterfaces: [{name: vm, subnet: hub/a}, {name: srv, subnet: hub/a, listens: [tcp/443]}]\n"
                "timeline: [{at: 5s, update: networkInterfaces/vm, with: {powerState: deallocated}},\n"
                "  {at: 6s, update: networkInterfaces/vm, with: {powerState: running}}]\n"
                "flows: [{at: 1s, from: vm, to: srv, expect: {verdict: delivered}},\n"
                "  {at: 7s, from: vm, to: srv, expect: {verdict: delivered}}]\n"));
    const uint8_t *vm = NULL, *srv = NULL;
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        if (p->inbound)
            continue;
        const uint8_t **known = strcmp(p->port, "vm") == 0 ? &vm : &srv;
        cr_assert_eq(memcmp(p->mac, "\x00\x0d\x3a", 3), 0);
        cr_assert(!*known || memcmp(*known, p->mac, 6) == 0, "packet %zu", i);
        *known = p->mac;
    }
    cr_assert(vm && srv && memcmp(vm, srv, 6) != 0);
    story_end(&s);
}

/* with another primary address it is another MAC, and that one stays; who had nothing to do with it keeps its own. */
Test(cover_net, A06_another_address_another_mac)
{
    struct story s = story_tell(
        ONE("", "networkInterfaces: [{name: vm, subnet: hub/a}, {name: srv, subnet: hub/a, listens: [tcp/443]}]\n"
                "timeline: [{at: 5s, update: networkInterfaces/vm, with: {privateIPAddress: 10.0.1.77}},\n"
                "  {at: 6s, update: networkInterfaces/vm, with: {powerState: running}},\n"
                "  {at: 9s, update: networkInterfaces/vm, with: {privateIPAddress: 10.0.1.78}}]\n"
                "flows: [{at: 1s, from: vm, to: srv, expect: {verdict: delivered}},\n"
                "  {at: 5500ms, from: vm, to: srv, expect: {verdict: delivered, sourceSeen: 10.0.1.77}},\n"
                "  {at: 7s, from: vm, to: srv, expect: {verdict: delivered}},\n"
                "  {at: 10s, from: vm, to: srv, expect: {verdict: delivered, sourceSeen: 10.0.1.78}}]\n"));
    static const int64_t until[] = {INT64_C(5000000000), INT64_C(9000000000), INT64_MAX};
    uint8_t vm[3][6] = {{0}}, srv[6] = {0};
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        size_t k = 0;
        while (p->at >= until[k])
            k++;
        uint8_t *known = strcmp(p->port, "vm") == 0 ? vm[k] : srv;
        if (p->inbound)
            continue;
        cr_assert_eq(memcmp(p->mac, "\x00\x0d\x3a", 3), 0);
        cr_assert(!known[2] || memcmp(known, p->mac, 6) == 0, "packet %zu", i);
        memcpy(known, p->mac, 6);
    }
    cr_assert(vm[0][2] && vm[1][2] && vm[2][2] && srv[2]);
    cr_assert(memcmp(vm[0], vm[1], 6) && memcmp(vm[1], vm[2], 6) && memcmp(vm[0], vm[2], 6));
    story_end(&s);
}

Test(cover_net, A18_the_gateway_address_answers_nothing)
{
    story(ONE("", "networkInterfaces: [{name: vm, subnet: hub/a}]\n"
                  "flows:\n"
                  "  - {from: vm, to: 10.0.1.1, protocol: icmp, expect: {verdict: dropped, reason: NoHost}}\n"
                  "  - {from: vm, to: 10.0.1.1, destinationPort: 80, expect: {verdict: dropped, reason: NoHost}}\n"));
}

/* M-04: silence. Nothing at all comes back to a sender whose packets are dropped, wherever that was. */
Test(cover_net, M04_drops_are_silent)
{
    struct story s = story_tell(
        ONE("", "networkInterfaces: [{name: vm, subnet: hub/a}, {name: srv, subnet: hub/b, networkSecurityGroup: g}]\n"
                "networkSecurityGroups: [{name: g, securityRules: [{name: no, priority: 100, direction: Inbound,\n"
                "  access: Deny, protocol: '*'}]}]\n"
                "flows:\n"
                "  - {name: f, from: vm, to: srv, expect: {verdict: dropped, reason: NsgDeny, rule: no}}\n"
                "  - {name: g, from: vm, to: 10.9.9.9, expect: {verdict: dropped, reason: RouteNone}}\n"
                "  - {name: h, from: vm, to: 10.0.2.99, protocol: udp, destinationPort: 53, expect: {verdict: dropped, reason: NoHost}}\n"));
    cr_assert_str_eq(story_value(&s, "f", "packets"), "{\"sent\":4,\"received\":0}");
    cr_assert_str_eq(story_value(&s, "g", "packets"), "{\"sent\":4,\"received\":0}");
    for (size_t i = 0; i < s.n_packets; i++)
        cr_assert_not(strcmp(s.packet[i].port, "vm") == 0 && s.packet[i].inbound, "packet %zu", i);
    story_end(&s);
}

/* M-03: three hosts in a chain of networks: peering lowers nothing. */
Test(cover_net, M03_the_fabric_lowers_no_ttl)
{
    struct story s = story_tell(
        "virtualNetworks:\n"
        "  - {name: near, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.1.0/24}],\n"
        "     virtualNetworkPeerings: [{remoteVirtualNetwork: far}]}\n"
        "  - {name: far, location: eastus, addressPrefixes: [10.1.0.0/16], subnets: [{name: a, addressPrefix: 10.1.1.0/24}],\n"
        "     virtualNetworkPeerings: [{remoteVirtualNetwork: near}]}\n"
        "networkInterfaces: [{name: vm, subnet: near/a}, {name: next, subnet: near/a, listens: [tcp/443]},\n"
        "  {name: srv, subnet: far/a, listens: [tcp/443]}]\n"
        "flows: [{from: vm, to: next, expect: {verdict: delivered}},\n"
        "  {from: vm, to: srv, expect: {verdict: delivered, nextHopType: VNetGlobalPeering}},\n"
        "  {from: vm, to: srv, protocol: icmp, expect: {verdict: delivered}}]\n");
    cr_assert_gt(s.n_packets, 20);
    for (size_t i = 0; i < s.n_packets; i++)
        cr_assert_eq(s.packet[i].info.ttl, 64, "packet %zu", i);
    story_end(&s);
}

/* M-01: machines of one network may agree on more than 1500 bytes; to the Internet the segments stay within it. */
Test(cover_net, M01_mtu)
{
    struct story s = story_tell(
        ONE("", "networkInterfaces: [{name: vm, subnet: hub/a, mtu: 3900}, {name: srv, subnet: hub/a, mtu: 3900, listens: [tcp/443]},\n"
                "  {name: old, subnet: hub/a, listens: [tcp/443]}]\n"
                "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"
                "flows: [{from: vm, to: srv, responseBytes: 16KiB, expect: {verdict: delivered}},\n"
                "  {at: 10s, from: vm, to: old, requestBytes: 16KiB, expect: {verdict: delivered}},\n"
                "  {at: 20s, from: vm, to: web, requestBytes: 16KiB, expect: {verdict: delivered}}]\n"));
    unsigned longest[3] = {0};
    for (size_t i = 0; i < s.n_packets; i++) {
        const size_t which = (size_t)(s.packet[i].at / INT64_C(10000000000));
        if (s.packet[i].info.ip_len > longest[which])
            longest[which] = s.packet[i].info.ip_len;
    }
    cr_assert_eq(longest[0], 3900);
    cr_assert_eq(longest[1], 1500);
    cr_assert_eq(longest[2], 1500);
    story_end(&s);
}

/* -- security groups ------------------------------------------------------------------------------------- */

/* G-03: both groups must allow, in both directions, inside a subnet too. */
Test(cover_net, G03_both_groups_inside_one_subnet)
{
#define TWO(nic_access, subnet_access)                                                                       \
    "networkSecurityGroups:\n"                                                                               \
    "  - {name: nic, securityRules: [{name: n, priority: 100, direction: Inbound, access: " nic_access ", protocol: Tcp}]}\n" \
    "  - {name: sub, securityRules: [{name: s, priority: 100, direction: Inbound, access: " subnet_access ", protocol: Tcp}]}\n" \
    ONE(", networkSecurityGroup: sub", "networkInterfaces: [{name: vm, subnet: hub/a},\n"                    \
        "  {name: srv, subnet: hub/a, networkSecurityGroup: nic, listens: [tcp/443]}]\n")
    story(TWO("Allow", "Allow") "flows: [{from: vm, to: srv, expect: {verdict: delivered, networkSecurityGroup: nic, rule: n}}]\n");
    story(TWO("Deny", "Allow") "flows: [{from: vm, to: srv, expect: {verdict: dropped, networkSecurityGroup: nic, rule: n}}]\n");
    story(TWO("Allow", "Deny") "flows: [{from: vm, to: srv, expect: {verdict: dropped, networkSecurityGroup: sub, rule: s}}]\n");
}

/* G-02: what the default rules say when nobody else does. */
Test(cover_net, G02_defaults_of_an_empty_group)
{
    story("networkSecurityGroups: [{name: g}]\n"
          ONE(", networkSecurityGroup: g",
              "networkInterfaces: [{name: vm, subnet: hub/a, publicIPAddress: p, listens: [tcp/443]},\n"
              "  {name: other, subnet: hub/b, listens: [tcp/443]}]\n"
              "publicIPAddresses: [{name: p, ipAddress: 20.50.1.4}]\n"
              "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"
              "flows:\n"
              "  - {from: other, to: vm, expect: {verdict: delivered, rule: AllowVnetInBound}}\n"
              "  - {from: vm, to: other, expect: {verdict: delivered, rule: AllowVnetOutBound}}\n"
              "  - {from: vm, to: web, expect: {verdict: delivered, rule: AllowInternetOutBound}}\n"
              "  - {from: web, to: 20.50.1.4, expect: {verdict: dropped, reason: NsgDeny, rule: DenyAllInBound}}\n"
              "  - {from: vm, to: 192.168.7.7, expect: {verdict: dropped, reason: NsgDeny, rule: DenyAllOutBound}}\n"));
}

/* G-06: a rule that comes later stops new connections only; with the switch, the open one too. */
Test(cover_net, G06_a_new_rule_and_an_open_connection)
{
#define LATER(verdict)                                                                                       \
    "networkSecurityGroups: [{name: g}]\n"                                                                   \
    ONE(", networkSecurityGroup: g", "networkInterfaces: [{name: vm, subnet: hub/a},\n"                      \
        "  {name: srv, subnet: hub/b, listens: [tcp/443]}]\n"                                                \
        "timeline: [{at: 5s, add: networkSecurityGroups/g/securityRules, with: {name: no, priority: 100,\n"  \
        "  direction: Outbound, access: Deny, protocol: Tcp}}]\n"                                            \
        "flows:\n  - {at: 1s, from: vm, to: srv, keepOpen: 10s, expect: {" verdict "}}\n"                    \
        "  - {at: 6s, from: vm, to: srv, expect: {verdict: dropped, reason: NsgDeny, rule: no}}\n")
    story(LATER("verdict: delivered"));
    story("switches: {ruleChangeKeepsFlows: false}\n" LATER("verdict: dropped, reason: NsgDeny"));
}

/* G-19: no group at all: open inside, closed from outside at a Standard address, open at a Basic one. */
Test(cover_net, G19_without_any_group)
{
#define BARE(sku)                                                                                            \
    ONE("", "networkInterfaces: [{name: vm, subnet: hub/a, publicIPAddress: p, listens: [tcp/443]},\n"       \
            "  {name: other, subnet: hub/b}]\n"                                                              \
            "publicIPAddresses: [{name: p, ipAddress: 20.50.1.4, sku: " sku "}]\n"                           \
            "internetHosts: [{name: caller, ipAddress: 93.184.216.34}]\n"                                    \
            "flows:\n  - {from: other, to: vm, expect: {verdict: delivered}}\n")
    story(BARE("Standard") "  - {from: caller, to: 20.50.1.4, expect: {verdict: dropped, reason: InboundClosed}}\n");
    story(BARE("Basic") "  - {from: caller, to: 20.50.1.4, expect: {verdict: delivered, destinationSeen: 10.0.1.4}}\n");
}

/* -- peerings and appliances ----------------------------------------------------------------------------- */

/* P-10: spoke to spoke by an appliance in the hub. Each condition once taken away, the packet stops where it is missing. */
#define SPOKES(forwarding, guest, link_a, link_b, table_b)                                                   \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: fw, addressPrefix: 10.0.9.0/24}],\n"   \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: a}, {remoteVirtualNetwork: b}]}\n"                 \
    "  - {name: a, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24, routeTable: ta}],\n" \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: hub" link_a "}]}\n"                                \
    "  - {name: b, addressPrefixes: [10.2.0.0/16], subnets: [{name: s, addressPrefix: 10.2.1.0/24" table_b "}],\n" \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: hub" link_b "}]}\n"                                \
    "routeTables:\n"                                                                                         \
    "  - {name: ta, routes: [{name: b, addressPrefix: 10.2.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.9.4}]}\n" \
    "  - {name: tb, routes: [{name: a, addressPrefix: 10.1.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.9.4}]}\n" \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: va, subnet: a/s}\n  - {name: vb, subnet: b/s, listens: [tcp/443]}\n"                         \
    "  - {name: nva, subnet: hub/fw, privateIPAddress: 10.0.9.4" forwarding ", appliance: {forwards: " guest "}}\n"
#define YES  ", enableIPForwarding: true"
#define LINK ", allowForwardedTraffic: true"
#define TB   ", routeTable: tb"
#define FLOW(expect) "flows: [{from: va, to: vb, expect: {" expect "}}]\n"

Test(cover_net, P10_spoke_to_spoke_and_each_missing_piece)
{
    story(SPOKES(YES, "true", LINK, LINK, TB)
          FLOW("verdict: delivered, sourceSeen: 10.1.1.4, path: [va, nva, vb], returnPath: [vb, nva, va]"));
    story(SPOKES("", "true", LINK, LINK, TB) FLOW("verdict: dropped, reason: IpForwardingOff, path: [va, nva]"));
    story(SPOKES(YES, "false", LINK, LINK, TB) FLOW("verdict: dropped, reason: ApplianceDrop, path: [va, nva]"));
    story(SPOKES(YES, "true", LINK, "", TB) FLOW("verdict: dropped, reason: PeeringNotForwarded, path: [va, nva]"));
    story(SPOKES(YES, "true", "", LINK, TB)
          FLOW("verdict: dropped, reason: PeeringNotForwarded, path: [va, nva, vb], returnPath: [vb, nva]"));
    story(SPOKES(YES, "true", LINK, LINK, "") FLOW("verdict: dropped, reason: RouteNone, path: [va, nva, vb]"));
}

/* P-13, P-05, Y-12: the hub's VPN gateway as the hairpin of two spokes. */
#define GATEWAY(type, remote)                                                                                \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.0.255.0/27}],\n" \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: a, allowGatewayTransit: true},\n"                  \
    "       {remoteVirtualNetwork: b, allowGatewayTransit: true}]}\n"                                        \
    "  - {name: a, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24, routeTable: ta}],\n" \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: hub, useRemoteGateways: " remote "}]}\n"           \
    "  - {name: b, addressPrefixes: [10.2.0.0/16], subnets: [{name: s, addressPrefix: 10.2.1.0/24, routeTable: tb}],\n" \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: hub, useRemoteGateways: " remote "}]}\n"           \
    "routeTables:\n"                                                                                         \
    "  - {name: ta, routes: [{name: b, addressPrefix: 10.2.0.0/16, nextHopType: VirtualNetworkGateway}]}\n"  \
    "  - {name: tb, routes: [{name: a, addressPrefix: 10.1.0.0/16, nextHopType: VirtualNetworkGateway}]}\n"  \
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: " type ", connections: [hq]}]\n"         \
    "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], hosts: [{name: pc, ipAddress: 192.168.1.10}]}]\n" \
    "networkInterfaces: [{name: va, subnet: a/s}, {name: vb, subnet: b/s, listens: [tcp/443]}]\n"

Test(cover_net, P13_a_vpn_gateway_as_hairpin)
{
    story(GATEWAY("Vpn", "true")
          "flows:\n"
          "  - {from: va, to: vb, expect: {verdict: delivered, nextHopType: VirtualNetworkGateway, routeSource: User,\n"
          "     sourceSeen: 10.1.1.4, path: [va, gw, vb], returnPath: [vb, gw, va]}}\n"
          "  - {from: hq/pc, to: vb, expect: {verdict: delivered, sourceSeen: 192.168.1.10, path: [hq/pc, gw, vb]}}\n");
    story(GATEWAY("ExpressRoute", "true")
          "flows: [{from: va, to: vb, expect: {verdict: dropped, reason: RouteNone, nextHopType: None}}]\n");
    story(GATEWAY("Vpn", "false")
          "flows: [{from: va, to: vb, expect: {verdict: dropped, reason: RouteNone, nextHopType: None}},\n"
          "  {from: hq/pc, to: vb, expect: {verdict: dropped, notVia: [gw]}}]\n");
}

/* P-11, P-12: from on-premises to an endpoint: straight from the gateway, or by a firewall where GatewaySubnet says so. The
 * firewall translates, so that the way back is the same. */
#define HYBRID(table, policy)                                                                                \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [\n"                             \
    "  {name: pes, addressPrefix: 10.0.2.0/24" policy "}, {name: fw, addressPrefix: 10.0.9.0/24},\n"         \
    "  {name: GatewaySubnet, addressPrefix: 10.0.255.0/27" table "}]}]\n"                                    \
    "routeTables:\n"                                                                                         \
    "  - {name: host, routes: [{name: pe, addressPrefix: 10.0.2.5/32, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.9.4}]}\n" \
    "  - {name: subnet, routes: [{name: pes, addressPrefix: 10.0.2.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.9.4}]}\n" \
    "networkInterfaces: [{name: fw, subnet: hub/fw, privateIPAddress: 10.0.9.4, enableIPForwarding: true, appliance: {snat: true}}]\n" \
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: Vpn, connections: [hq]}]\n"              \
    "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], hosts: [{name: pc, ipAddress: 192.168.1.10}]}]\n" \
    "services: [{name: db, type: Microsoft.Sql/servers}]\n"                                                  \
    "privateEndpoints: [{name: pe, subnet: hub/pes, service: db, groupIds: [sqlServer],\n"                   \
    "  ipConfigurations: [{privateIPAddress: 10.0.2.5}]}]\n"                                                 \
    "flows: [{from: hq/pc, to: pe, expect: {verdict: delivered, "
#define STRAIGHT "sourceSeen: 192.168.1.10, path: [hq/pc, gw, pe, db], returnPath: [db, pe, gw, hq/pc]}}]\n"
#define BY_FW    "sourceSeen: 10.0.9.4, path: [hq/pc, gw, fw, pe, db], returnPath: [db, pe, fw, gw, hq/pc]}}]\n"

Test(cover_net, P12_on_premises_to_an_endpoint_by_a_firewall)
{
    story(HYBRID("", "") STRAIGHT);
    story(HYBRID(", routeTable: host", "") BY_FW);
    story(HYBRID(", routeTable: subnet", "") STRAIGHT);
    story(HYBRID(", routeTable: subnet", ", privateEndpointNetworkPolicies: RouteTableEnabled") BY_FW);
}

/* P-11: a spoke's endpoint is reached from on-premises with gateway transit, and not without. */
#define SPOKE_PE(remote)                                                                                     \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.0.255.0/27}],\n" \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: spoke, allowGatewayTransit: true}]}\n"             \
    "  - {name: spoke, addressPrefixes: [10.1.0.0/16], subnets: [{name: pes, addressPrefix: 10.1.2.0/24}],\n" \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: hub, useRemoteGateways: " remote "}]}\n"           \
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: ExpressRoute, connections: [hq]}]\n"     \
    "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], hosts: [{name: pc, ipAddress: 192.168.1.10}]}]\n" \
    "services: [{name: db, type: Microsoft.Sql/servers}]\n"                                                  \
    "privateEndpoints: [{name: pe, subnet: spoke/pes, service: db, groupIds: [sqlServer]}]\n"

Test(cover_net, P11_on_premises_and_a_spokes_endpoint)
{
    story(SPOKE_PE("true") "flows: [{from: hq/pc, to: pe, expect: {verdict: delivered, path: [hq/pc, gw, pe, db],\n"
                           "  returnPath: [db, pe, gw, hq/pc]}}]\n");
    story(SPOKE_PE("false") "flows: [{from: hq/pc, to: pe, expect: {verdict: dropped, notVia: [gw, pe]}}]\n");
}

/* -- out to the Internet --------------------------------------------------------------------------------- */

#define OUT(subnet, nic)                                                                                     \
    ONE(subnet, "networkInterfaces: [{name: vm, virtualMachine: v, subnet: hub/a" nic "},\n"                 \
                "  {name: second, virtualMachine: v, subnet: hub/b},\n"                                      \
                "  {name: fw, subnet: hub/b, privateIPAddress: 10.0.2.9, publicIPAddress: fw-pip, enableIPForwarding: true,\n" \
                "   appliance: {snat: true}}]\n"                                                             \
                "publicIPAddresses: [{name: vm-pip, ipAddress: 20.50.1.4}, {name: fw-pip, ipAddress: 20.50.1.9},\n" \
                "  {name: nat-pip, ipAddress: 20.50.1.5}]\n"                                                 \
                "natGateways: [{name: nat, publicIPAddresses: [nat-pip]}]\n"                                 \
                "routeTables: [{name: rt, routes: [{name: all, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance,\n" \
                "  nextHopIpAddress: 10.0.2.9}]}]\n"                                                         \
                "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n")              \
    "flows: [{name: f, from: vm, to: web, expect: "
#define PIP ", publicIPAddress: vm-pip"

/* O-01: each way out gives way to the one before it. */
Test(cover_net, O01_order_of_the_ways_out)
{
    story(OUT(", routeTable: rt, natGateway: nat", PIP) "{verdict: delivered, sourceSeen: 20.50.1.9, via: [fw]}}]\n");
    story(OUT(", natGateway: nat", PIP) "{verdict: delivered, sourceSeen: 20.50.1.5, nextHopType: Internet, route: 0.0.0.0/0}}]\n");
    story(OUT("", PIP) "{verdict: delivered, sourceSeen: 20.50.1.4}}]\n");
    story(OUT(", defaultOutboundAccess: false", "") "{verdict: dropped, reason: NoOutboundAccess}}]\n");
    struct story s = story_tell(OUT("", "") "{verdict: delivered, nextHopType: Internet}}]\n");
    const char *seen = story_value(&s, "f", "sourceSeen");
    cr_assert(strcmp(seen, "\"20.50.1.4\"") && strcmp(seen, "\"20.50.1.5\"") && strcmp(seen, "\"20.50.1.9\"") &&
                  strcmp(seen, "\"10.0.1.4\"") && strcmp(seen, "null"),
              "%s", seen);
    story_end(&s);
}

/* O-06: a Standard address on one interface takes default outbound access from the machine's others. */
Test(cover_net, O06_a_standard_address_ends_default_access)
{
    story(OUT("", PIP) "{verdict: delivered, sourceSeen: 20.50.1.4}},\n"
                       "  {from: second, to: web, expect: {verdict: dropped, reason: NoOutboundAccess}}]\n");
    story(OUT("", "") "{verdict: delivered}},\n  {from: second, to: web, expect: {verdict: delivered}}]\n");
}

/* O-02: TCP and UDP, no ICMP; O-04: an interface's own address carries ICMP both ways. */
Test(cover_net, O02_O04_icmp_by_nat_gateway_and_by_own_address)
{
    story(OUT(", natGateway: nat", "") "{verdict: delivered}},\n"
          "  {from: vm, to: web, protocol: icmp, expect: {verdict: dropped, reason: ProtocolUnsupported, nextHopType: Internet}}]\n");
    story(OUT("", PIP) "{verdict: delivered}},\n"
          "  {from: vm, to: web, protocol: icmp, expect: {verdict: delivered, sourceSeen: 20.50.1.4}}]\n");
}

/* O-09: what nobody asked for ends at the NAT gateway's address. */
Test(cover_net, O09_unsolicited_packets)
{
    story(OUT(", natGateway: nat", "") "{verdict: delivered}},\n"
          "  {from: web, to: 20.50.1.5, destinationPort: 40000, expect: {verdict: dropped, reason: NoHost}}]\n");
}

/* O-07: a service without service endpoint sees a public source, and is as near as the backbone is. */
Test(cover_net, O07_public_source_on_the_backbone)
{
    struct story s = story_tell(
        ONE("", "links: {backbone: {latency: 1ms, jitter: 0ms}, internet: {latency: 50ms, jitter: 0ms}}\n"
                "networkInterfaces: [{name: vm, subnet: hub/a, publicIPAddress: p}]\n"
                "publicIPAddresses: [{name: p, ipAddress: 20.50.1.4}]\n"
                "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}]\n"
                "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"
                "flows: [{name: near, from: vm, to: acc, expect: {verdict: delivered, nextHopType: Internet, sourceSeen: 20.50.1.4}},\n"
                "  {name: far, from: vm, to: web, expect: {verdict: delivered, nextHopType: Internet, sourceSeen: 20.50.1.4}}]\n"));
    const int64_t near = strtoll(story_value(&s, "near", "duration_ns"), NULL, 10);
    const int64_t far = strtoll(story_value(&s, "far", "duration_ns"), NULL, 10);
    cr_assert(near > 2000000 && near < 10000000, "%lld", (long long)near);
    cr_assert(far > 100000000, "%lld", (long long)far);
    story_end(&s);
}

/* An ICMP error is part of the flow that it quotes: rules let it in as an answer, translations lead it back and are undone
 * in the quoted datagram; a NAT gateway carries none (O-02, O-04). */
Test(cover_net, port_unreachable_comes_back_through_translations)
{
    struct story s = story_tell(
        "virtualNetworks:\n"
        "  - name: hub\n"
        "    addressPrefixes: [10.0.0.0/16]\n"
        "    subnets:\n"
        "      - {name: a, addressPrefix: 10.0.1.0/24, networkSecurityGroup: closed}\n"
        "      - {name: b, addressPrefix: 10.0.2.0/24, natGateway: gw}\n"
        "networkSecurityGroups: [{name: closed}]\n"
        "publicIPAddresses: [{name: pip, ipAddress: 20.50.1.4}, {name: gwip, ipAddress: 20.50.1.5}]\n"
        "natGateways: [{name: gw, publicIPAddresses: [gwip]}]\n"
        "networkInterfaces:\n"
        "  - {name: a1, subnet: hub/a, publicIPAddress: pip}\n"
        "  - {name: b1, subnet: hub/b}\n"
        "onPremisesNetworks:\n"
        "  - {name: hq, addressPrefixes: [192.168.0.0/16], natIPs: [198.51.100.7],\n"
        "     hosts: [{name: laptop, ipAddress: 192.168.1.10}]}\n"
        "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"
        "flows:\n"
        "  - {name: pip, from: a1, to: web, protocol: udp, destinationPort: 7,\n"
        "     expect: {verdict: refused, reason: NoListener, path: [a1, web], returnPath: [web, a1]}}\n"
        "  - {name: site, from: laptop, to: web, protocol: udp, destinationPort: 7,\n"
        "     expect: {verdict: refused, reason: NoListener}}\n"
        "  - {name: gateway, from: b1, to: web, protocol: udp, destinationPort: 7,\n"
        "     expect: {verdict: dropped, reason: ProtocolUnsupported}}\n");
    size_t errors = 0;
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        if (p->info.proto != IPPROTO_NR_ICMP || strcmp(p->port, "a1") != 0)
            continue;
        errors++;
        cr_assert(p->inbound);
        cr_assert_eq(p->info.dst, IP4(10, 0, 1, 4));
        cr_assert_eq(p->info.src, IP4(93, 184, 216, 34));
    }
    cr_assert_eq(errors, 1);
    story_end(&s);
}

/* O-03: the NAT gateway comes while a connection is open: that one keeps the balancer's address, new ones take the new way. It
 * does not outlive the balancer. */
Test(cover_net, O03_open_flows_keep_the_balancer)
{
#define BALANCED                                                                                             \
    ONE("", "networkInterfaces: [{name: vm, subnet: hub/a}]\n"                                               \
            "publicIPAddresses: [{name: lb-pip, ipAddress: 20.50.1.8}, {name: nat-pip, ipAddress: 20.50.1.5}]\n" \
            "natGateways: [{name: nat, publicIPAddresses: [nat-pip]}]\n"                                     \
            "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, publicIPAddress: lb-pip}],\n"  \
            "  backendAddressPools: [{name: pool, networkInterfaces: [vm]}],\n"                              \
            "  outboundRules: [{name: out, frontendIPConfiguration: fe, backendAddressPool: pool}]}]\n"      \
            "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n")                  \
    "timeline:\n  - {at: 5s, update: virtualNetworks/hub/subnets/a, with: {natGateway: nat}}\n"
    story(BALANCED "flows:\n"
                   "  - {at: 1s, from: vm, to: web, keepOpen: 20s, expect: {verdict: delivered, sourceSeen: 20.50.1.8}}\n"
                   "  - {at: 6s, from: vm, to: web, expect: {verdict: delivered, sourceSeen: 20.50.1.5}}\n");
    story(BALANCED "  - {at: 10s, remove: loadBalancers/lb}\n"
                   "flows:\n"
                   "  - {at: 1s, from: vm, to: web, keepOpen: 20s, expect: {verdict: reset, reason: IdleTimeout, sourceSeen: 20.50.1.8}}\n"
                   "  - {at: 11s, from: vm, to: web, expect: {verdict: delivered, sourceSeen: 20.50.1.5}}\n");
}

/* What a machine sends to itself never leaves it: not even a group that denies all is asked. */
Test(cover_net, a_machine_talks_to_itself)
{
    struct story s = story_tell(
        "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16],\n"
        "  subnets: [{name: a, addressPrefix: 10.0.1.0/24, networkSecurityGroup: none}]}]\n"
        "networkSecurityGroups:\n"
        "  - name: none\n"
        "    securityRules: [{name: no, priority: 100, direction: Outbound, access: Deny, protocol: '*'}]\n"
        "networkInterfaces: [{name: app, subnet: hub/a, privateIPAddress: 10.0.1.4, listens: [tcp/443]}]\n"
        "flows:\n"
        "  - {name: own, from: app, to: app, destinationPort: 443, responseBytes: 4KiB, requestBytes: 4KiB,\n"
        "     expect: {verdict: delivered, sourceSeen: 10.0.1.4, path: [app], returnPath: [app]}}\n"
        "  - {name: closed, from: app, to: app, destinationPort: 80, expect: {verdict: refused}}\n"
        "  - {name: ping, from: app, to: 10.0.1.4, protocol: icmp, expect: {verdict: delivered}}\n");
    cr_assert_eq(s.n_packets, 0);
    cr_assert(strstr(story_value(&s, "own", "packets"), "\"received\":"));
    cr_assert_str_eq(story_value(&s, "own", "route"), "null");
    story_end(&s);
}
