/* test_cover_se.c - stories of service endpoints that the shipped scenarios do not tell. */
#include "tests/support_story.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* SE-06: a MySQL server counts as Microsoft.Sql. Its subnet switches the endpoint on for a database server next door, and
 * is refused by the MySQL server until that lists it. */
Test(cover_se, SE06_sql_endpoint_covers_mysql)
{
    story("virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: app, addressPrefix: 10.0.1.0/24}]}]\n"
          "publicIPAddresses: [{name: vm-pip, ipAddress: 20.50.1.4}]\n"
          "networkInterfaces: [{name: vm, subnet: hub/app, privateIPAddress: 10.0.1.4, publicIPAddress: vm-pip}]\n"
          "services: [{name: orders, type: Microsoft.DBforMySQL/servers, publicIPAddress: 13.69.116.141,\n"
          "  networkAcls: {defaultAction: Deny, ipRules: [20.50.1.4]}}]\n"
          "timeline:\n"
          "  - {at: 10s, update: virtualNetworks/hub/subnets/app, with: {serviceEndpoints: [{service: Microsoft.Sql}]}}\n"
          "  - {at: 20s, update: services/orders, with: {networkAcls: {defaultAction: Deny, virtualNetworkRules: [hub/app]}}}\n"
          "flows:\n"
          "  - {at: 1s, from: vm, to: orders.mysql.database.azure.com, destinationPort: 3306,\n"
          "     expect: {verdict: delivered, nextHopType: Internet, sourceSeen: 20.50.1.4}}\n"
          "  - {at: 11s, from: vm, to: orders.mysql.database.azure.com, destinationPort: 3306,\n"
          "     expect: {verdict: denied, reason: ServiceFirewall, nextHopType: VirtualNetworkServiceEndpoint,\n"
          "              route: 13.69.116.128/25, sourceSeen: 10.0.1.4}}\n"
          "  - {at: 21s, from: vm, to: orders.mysql.database.azure.com, destinationPort: 3306,\n"
          "     expect: {verdict: delivered, nextHopType: VirtualNetworkServiceEndpoint, sourceSeen: 10.0.1.4}}\n");
}

#define APP(more)                                                                                            \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [\n"                             \
    "  {name: app, addressPrefix: 10.0.1.0/24, serviceEndpoints: [{service: Microsoft.Storage}]" more "},\n"  \
    "  {name: pes, addressPrefix: 10.0.2.0/24}]}]\n"                                                         \
    "publicIPAddresses: [{name: vm-pip, ipAddress: 20.50.1.4}, {name: nat-pip, ipAddress: 20.50.1.5}]\n"     \
    "networkInterfaces: [{name: vm, subnet: hub/app, privateIPAddress: 10.0.1.4, publicIPAddress: vm-pip}]\n" \
    "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}]\n"      \
    "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"

/* SE-09: the destination stays public. A group that allows the own networks only stops it; the tag of the service, or
 * Internet, lets it through. */
Test(cover_se, SE09_rules_see_a_public_destination)
{
#define GUARDED(allowed)                                                                                     \
    APP(", networkSecurityGroup: g")                                                                         \
    "networkSecurityGroups: [{name: g, securityRules: [\n"                                                   \
    "  {name: ours, priority: 100, direction: Outbound, access: Allow, protocol: '*', destinationAddressPrefix: " allowed "},\n" \
    "  {name: rest, priority: 200, direction: Outbound, access: Deny, protocol: '*'}]}]\n"
    story(GUARDED("VirtualNetwork")
          "flows: [{from: vm, to: acc, expect: {verdict: dropped, reason: NsgDeny, rule: rest, networkSecurityGroup: g}}]\n");
    story(GUARDED("Storage.WestEurope")
          "flows: [{from: vm, to: acc, expect: {verdict: delivered, rule: ours, sourceSeen: 10.0.1.4,\n"
          "  nextHopType: VirtualNetworkServiceEndpoint}},\n"
          "  {from: vm, to: web, expect: {verdict: dropped, reason: NsgDeny, rule: rest}}]\n");
    story(GUARDED("Internet")
          "flows: [{from: vm, to: acc, expect: {verdict: delivered, rule: ours, sourceSeen: 10.0.1.4}},\n"
          "  {from: vm, to: web, expect: {verdict: delivered, rule: ours, sourceSeen: 20.50.1.4}}]\n");
}

/* SE-09: no group, or one without rules of its own, lets the endpoint's traffic out as it does the Internet's. */
Test(cover_se, SE09_defaults_let_it_out)
{
    story(APP(", networkSecurityGroup: g") "networkSecurityGroups: [{name: g}]\n"
          "flows: [{from: vm, to: acc, expect: {verdict: delivered, rule: AllowInternetOutBound, networkSecurityGroup: g,\n"
          "  sourceSeen: 10.0.1.4}}]\n");
}

/* SE-17: the subnet goes, and its rule is worth nothing; the service's other rules stand. */
Test(cover_se, SE17_a_deleted_subnet_leaves_no_rule)
{
    story("virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [\n"
          "  {name: app, addressPrefix: 10.0.1.0/24, serviceEndpoints: [{service: Microsoft.Storage}]},\n"
          "  {name: old, addressPrefix: 10.0.2.0/24, serviceEndpoints: [{service: Microsoft.Storage}]}]}]\n"
          "networkInterfaces: [{name: vm, subnet: hub/app, privateIPAddress: 10.0.1.4}, {name: gone, subnet: hub/old}]\n"
          "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10,\n"
          "  networkAcls: {defaultAction: Deny, virtualNetworkRules: [hub/app, hub/old]}}]\n"
          "timeline:\n"
          "  - {at: 5s, remove: networkInterfaces/gone}\n"
          "  - {at: 5s, remove: virtualNetworks/hub/subnets/old}\n"
          "  - {at: 6s, add: virtualNetworks/hub/subnets, with: {name: new, addressPrefix: 10.0.2.0/24,\n"
          "     serviceEndpoints: [{service: Microsoft.Storage}]}}\n"
          "  - {at: 6s, add: networkInterfaces, with: {name: again, subnet: hub/new}}\n"
          "flows:\n"
          "  - {at: 1s, from: gone, to: acc, expect: {verdict: delivered, sourceSeen: 10.0.2.4}}\n"
          "  - {at: 8s, from: vm, to: acc, expect: {verdict: delivered, sourceSeen: 10.0.1.4}}\n"
          "  - {at: 8s, from: again, to: acc, expect: {verdict: denied, reason: ServiceFirewall, sourceSeen: 10.0.2.4}}\n");
}

/* SE-20: by name to the private address, by address over the service endpoint, from one machine at once. */
Test(cover_se, SE20_private_and_service_endpoint_side_by_side)
{
    story(APP("") "privateEndpoints: [{name: pe, subnet: hub/pes, service: acc, groupIds: [blob],\n"
          "  ipConfigurations: [{privateIPAddress: 10.0.2.5}], privateDnsZoneGroup: [privatelink.blob.core.windows.net]}]\n"
          "privateDnsZones: [{name: privatelink.blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}]}]\n"
          "flows:\n"
          "  - {from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [10.0.2.5],\n"
          "     nextHopType: InterfaceEndpoint, path: [vm, pe, acc]}}\n"
          "  - {from: vm, to: acc.queue.core.windows.net, expect: {verdict: delivered, resolvedTo: [20.38.108.10],\n"
          "     nextHopType: VirtualNetworkServiceEndpoint, sourceSeen: 10.0.1.4, path: [vm, acc]}}\n");
}

/* SE-21: neither the NAT gateway nor the public address; the Internet's traffic keeps them. */
Test(cover_se, SE21_service_endpoint_passes_by_nat)
{
    story(APP(", natGateway: nat") "natGateways: [{name: nat, publicIPAddresses: [nat-pip]}]\n"
          "flows:\n"
          "  - {from: vm, to: acc, expect: {verdict: delivered, sourceSeen: 10.0.1.4, path: [vm, acc]}}\n"
          "  - {from: vm, to: web, expect: {verdict: delivered, sourceSeen: 20.50.1.5}}\n");
}

/* SE-01, SE-02: several endpoints on one subnet, each for its own service; switching one off concerns that one alone. */
Test(cover_se, SE02_each_service_for_itself)
{
    story("virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: app, addressPrefix: 10.0.1.0/24,\n"
          "  serviceEndpoints: [{service: Microsoft.Storage}, {service: Microsoft.Sql}]}]}]\n"
          "publicIPAddresses: [{name: vm-pip, ipAddress: 20.50.1.4}]\n"
          "networkInterfaces: [{name: vm, subnet: hub/app, privateIPAddress: 10.0.1.4, publicIPAddress: vm-pip}]\n"
          "services:\n"
          "  - {name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}\n"
          "  - {name: db, type: Microsoft.Sql/servers, publicIPAddress: 13.69.116.140}\n"
          "timeline: [{at: 5s, update: virtualNetworks/hub/subnets/app, with: {serviceEndpoints: [{service: Microsoft.Sql}]}}]\n"
          "flows:\n"
          "  - {at: 1s, from: vm, to: acc, keepOpen: 10s, expect: {verdict: reset, reason: ConnectionClosedByChange,\n"
          "     sourceSeen: 10.0.1.4}}\n"
          "  - {at: 1s, from: vm, to: db, keepOpen: 10s, expect: {verdict: delivered, sourceSeen: 10.0.1.4}}\n"
          "  - {at: 6s, from: vm, to: acc, expect: {verdict: delivered, nextHopType: Internet, sourceSeen: 20.50.1.4}}\n"
          "  - {at: 6s, from: vm, to: db, expect: {verdict: delivered, nextHopType: VirtualNetworkServiceEndpoint,\n"
          "     sourceSeen: 10.0.1.4}}\n");
}

/* SE-02: what comes in by the public address is not touched by the switch. */
Test(cover_se, SE02_inbound_traffic_is_not_touched)
{
    story("virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: app, addressPrefix: 10.0.1.0/24}]}]\n"
          "publicIPAddresses: [{name: vm-pip, ipAddress: 20.50.1.4, sku: Basic}]\n"
          "networkInterfaces: [{name: vm, subnet: hub/app, publicIPAddress: vm-pip, listens: [tcp/443]}]\n"
          "internetHosts: [{name: caller, ipAddress: 203.0.113.9}]\n"
          "timeline: [{at: 5s, update: virtualNetworks/hub/subnets/app, with: {serviceEndpoints: [{service: Microsoft.Storage}]}}]\n"
          "flows: [{at: 1s, from: caller, to: 20.50.1.4, keepOpen: 10s, expect: {verdict: delivered, path: [caller, vm],\n"
          "  returnPath: [vm, caller]}}]\n");
}

/* SE-18 in 2018's reading is not modelled for services that lifted it; the others refuse a foreign tenant. */
Test(cover_se, SE18_tenants)
{
    story("virtualNetworks: [{name: hub, tenant: tenant-b, subscription: sub-b, addressPrefixes: [10.0.0.0/16], subnets: [\n"
          "  {name: app, addressPrefix: 10.0.1.0/24, serviceEndpoints: [{service: Microsoft.Storage}, {service: Microsoft.Sql}]}]}]\n"
          "networkInterfaces: [{name: vm, subnet: hub/app, privateIPAddress: 10.0.1.4}]\n"
          "services:\n"
          "  - {name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10,\n"
          "     networkAcls: {defaultAction: Deny, virtualNetworkRules: [hub/app]}}\n"
          "  - {name: db, type: Microsoft.Sql/servers, publicIPAddress: 13.69.116.140,\n"
          "     networkAcls: {defaultAction: Deny, virtualNetworkRules: [hub/app]}}\n"
          "flows:\n"
          "  - {from: vm, to: acc, expect: {verdict: delivered, sourceSeen: 10.0.1.4}}\n"
          "  - {from: vm, to: db, expect: {verdict: denied, reason: TenantMismatch, sourceSeen: 10.0.1.4}}\n");
}

/* A subscription of its own is no obstacle. */
Test(cover_se, SE12_network_and_service_in_different_subscriptions)
{
    story("virtualNetworks: [{name: hub, subscription: sub-b, addressPrefixes: [10.0.0.0/16], subnets: [\n"
          "  {name: app, addressPrefix: 10.0.1.0/24, serviceEndpoints: [{service: Microsoft.Sql}]}]}]\n"
          "networkInterfaces: [{name: vm, subnet: hub/app, privateIPAddress: 10.0.1.4}]\n"
          "services: [{name: db, type: Microsoft.Sql/servers, publicIPAddress: 13.69.116.140,\n"
          "  networkAcls: {defaultAction: Deny, virtualNetworkRules: [hub/app]}}]\n"
          "flows: [{from: vm, to: db, expect: {verdict: delivered, sourceSeen: 10.0.1.4}}]\n");
}

/* SE-01: private address spaces may overlap, so it is the network's identity that counts and not the address: of two
 * networks with the same addresses one is listed. */
Test(cover_se, SE01_identity_and_not_address)
{
    story("virtualNetworks:\n"
          "  - {name: ours, addressPrefixes: [10.0.0.0/16], subnets: [{name: app, addressPrefix: 10.0.1.0/24,\n"
          "     serviceEndpoints: [{service: Microsoft.KeyVault}]}]}\n"
          "  - {name: theirs, addressPrefixes: [10.0.0.0/16], subnets: [{name: app, addressPrefix: 10.0.1.0/24,\n"
          "     serviceEndpoints: [{service: Microsoft.KeyVault}]}]}\n"
          "networkInterfaces: [{name: vm, subnet: ours/app, privateIPAddress: 10.0.1.4},\n"
          "  {name: twin, subnet: theirs/app, privateIPAddress: 10.0.1.4}]\n"
          "services: [{name: kv, type: Microsoft.KeyVault/vaults, publicIPAddress: 20.61.103.226,\n"
          "  networkAcls: {defaultAction: Deny, virtualNetworkRules: [ours/app]}}]\n"
          "flows:\n"
          "  - {from: vm, to: kv, sourcePort: 50000, expect: {verdict: delivered, sourceSeen: 10.0.1.4}}\n"
          "  - {from: twin, to: kv, sourcePort: 50000, expect: {verdict: denied, reason: ServiceFirewall,\n"
          "     sourceSeen: 10.0.1.4, nextHopType: VirtualNetworkServiceEndpoint}}\n");
}

/* SE-01: over the backbone, though the address is public: as near as an account without service endpoint, and not as far as
 * the Internet. */
Test(cover_se, SE01_stays_on_the_backbone)
{
    struct story s = story_tell(
        APP("") "links: {backbone: {latency: 1ms, jitter: 0ms}, internet: {latency: 50ms, jitter: 0ms}}\n"
        "flows: [{name: near, from: vm, to: acc, expect: {verdict: delivered, nextHopType: VirtualNetworkServiceEndpoint}},\n"
        "  {name: far, from: vm, to: web, expect: {verdict: delivered, nextHopType: Internet}}]\n");
    const int64_t near = strtoll(story_value(&s, "near", "duration_ns"), NULL, 10);
    const int64_t far = strtoll(story_value(&s, "far", "duration_ns"), NULL, 10);
    cr_assert(near > 2000000 && near < 10000000, "%lld", (long long)near);
    cr_assert(far > 100000000, "%lld", (long long)far);
    story_end(&s);
}

/* D1-23: a circuit's traffic to services has either of its two addresses, so a firewall must list both. */
Test(cover_se, two_addresses_of_a_circuit)
{
#define CIRCUIT(type, rules)                                                                                 \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.0.255.0/27}]}]\n" \
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: " type ", connections: [hq]}]\n"          \
    "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], natIPs: [198.51.100.7, 198.51.100.8],\n" \
    "  hosts: [{name: pc, ipAddress: 192.168.1.10}]}]\n"                                                     \
    "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10,\n"      \
    "  networkAcls: {defaultAction: Deny, ipRules: [" rules "]}}]\n"                                         \
    "flows: [{name: f, from: hq/pc, to: acc, count: 40, interval: 1ms, expect: {"
    story(CIRCUIT("ExpressRoute", "198.51.100.7, 198.51.100.8") "verdict: delivered}}]\n");
    story(CIRCUIT("Vpn", "198.51.100.7") "verdict: delivered, sourceSeen: 198.51.100.7}}]\n"); /* one is used up first */
    struct story s = story_tell(CIRCUIT("ExpressRoute", "198.51.100.7") "via: [acc]}}]\n");
    const char *counts = story_value(&s, "f", "counts");
    cr_expect(strstr(counts, "delivered") && strstr(counts, "denied"), "%s", counts);
    story_end(&s);
}
