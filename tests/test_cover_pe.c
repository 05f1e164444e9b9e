/* test_cover_pe.c - stories of private endpoints and of the names that lead to them. */
#include "tests/support_story.h"

#include <criterion/criterion.h>
#include <string.h>

#include "dataplane/arena.h"
#include "topology/scenario.h"

/* A client, an appliance, an endpoint of a storage account with the address 10.0.2.5. */
#define NET(client, endpoints, appliance, more)                                                              \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [\n"                             \
    "  {name: vms, addressPrefix: 10.0.1.0/24" client "},\n"                                                 \
    "  {name: pes, addressPrefix: 10.0.2.0/24" endpoints "}, {name: fw, addressPrefix: 10.0.9.0/24}]}]\n"    \
    "publicIPAddresses: [{name: vm-pip, ipAddress: 20.50.1.4}]\n"                                            \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: vm, subnet: hub/vms, privateIPAddress: 10.0.1.4, publicIPAddress: vm-pip}\n"                 \
    "  - {name: fw, subnet: hub/fw, privateIPAddress: 10.0.9.4, enableIPForwarding: true, appliance: {" appliance "}}\n" \
    "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10},\n"      \
    "  {name: other, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.11}]\n" more
#define PE                                                                                                   \
    "{name: pe, subnet: hub/pes, service: acc, groupIds: [blob], ipConfigurations: [{privateIPAddress: 10.0.2.5}],\n" \
    "  privateDnsZoneGroup: [privatelink.blob.core.windows.net]}"
#define PES "privateEndpoints: [" PE "]\n"
#define ZONE "privateDnsZones: [{name: privatelink.blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}]}]\n"
#define HOST_ROUTE                                                                                           \
    "routeTables: [{name: rt, routes: [{name: pe, addressPrefix: 10.0.2.5/32, nextHopType: VirtualAppliance,\n" \
    "  nextHopIpAddress: 10.0.9.4}]}]\n"

/* PE-15: the reply passes by an appliance that does not translate; one that keeps state then takes the client's next packet
 * for a stray. */
Test(cover_pe, PE15_the_reply_goes_straight_to_the_client)
{
    story(NET(", routeTable: rt", "", "snat: false, stateful: false", PES ZONE HOST_ROUTE)
          "flows: [{from: vm, to: pe, expect: {verdict: delivered, sourceSeen: 10.0.1.4, path: [vm, fw, pe, acc],\n"
          "  returnPath: [acc, pe, vm]}}]\n");
    story(NET(", routeTable: rt", "", "snat: false", PES ZONE HOST_ROUTE)
          "flows: [{from: vm, to: pe, expect: {verdict: dropped, reason: AsymmetricReturn, path: [vm, fw, pe, acc],\n"
          "  returnPath: [acc, pe, vm]}}]\n");
    story(NET(", routeTable: rt", "", "snat: true", PES ZONE HOST_ROUTE)
          "flows: [{from: vm, to: pe, expect: {verdict: delivered, sourceSeen: 10.0.9.4, path: [vm, fw, pe, acc],\n"
          "  returnPath: [acc, pe, fw, vm]}}]\n");
}

/* PE-16: observed, it goes back to whoever delivered the request, and the appliance sees both directions. */
Test(cover_pe, PE16_or_to_the_last_hop)
{
    story("switches: {privateEndpointReturn: lastHop}\n" NET(", routeTable: rt", "", "snat: false", PES ZONE HOST_ROUTE)
          "flows: [{from: vm, to: pe, expect: {verdict: delivered, sourceSeen: 10.0.1.4, path: [vm, fw, pe, acc],\n"
          "  returnPath: [acc, pe, fw, vm]}}]\n");
}

/* PE-19: the endpoint comes while a connection is open: that one stays where it was, the next one goes private. */
Test(cover_pe, PE19_open_connections_keep_their_public_path)
{
    story(NET("", "", "forwards: true", ZONE)
          "timeline: [{at: 5s, add: privateEndpoints, with: " PE "}]\n"
          "flows:\n"
          "  - {at: 1s, from: vm, to: acc.blob.core.windows.net, keepOpen: 20s, expect: {verdict: delivered,\n"
          "     resolvedTo: [20.38.108.10], nextHopType: Internet, sourceSeen: 20.50.1.4, path: [vm, acc]}}\n"
          "  - {at: 6s, from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered,\n"
          "     resolvedTo: [10.0.2.5], nextHopType: InterfaceEndpoint, sourceSeen: 10.0.1.4, path: [vm, pe, acc]}}\n");
}

/* PE-20: the endpoint lowers no TTL, an appliance does. */
Test(cover_pe, PE20_M03_the_endpoint_is_no_hop)
{
    struct story s = story_tell(NET(", routeTable: rt", "", "snat: true", PES ZONE HOST_ROUTE)
                                "flows:\n  - {name: by-appliance, from: vm, to: pe, expect: {verdict: delivered}}\n"
                                "  - {name: straight, at: 20s, from: fw, to: pe, expect: {verdict: delivered}}\n");
    unsigned straight = 0, by_appliance = 0;
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        if (strcmp(p->port, "acc") != 0 || !p->inbound)
            continue;
        const bool late = p->at > INT64_C(15000000000);
        cr_assert_eq(p->info.ttl, late ? 64 : 63, "packet %zu", i);
        straight += late;
        by_appliance += !late;
    }
    cr_assert(straight > 3 && by_appliance > 3);
    story_end(&s);
}

/* PE-05 and PE-18: TCP and UDP, no ping; any port that the service has. */
Test(cover_pe, PE18_what_an_endpoint_carries)
{
    story(NET("", "", "forwards: true", PES ZONE)
          "flows:\n"
          "  - {from: vm, to: pe, destinationPort: 445, expect: {verdict: delivered}}\n"
          "  - {from: vm, to: pe, protocol: icmp, expect: {verdict: dropped, reason: ProtocolUnsupported,\n"
          "     nextHopType: InterfaceEndpoint}}\n");
}

/* PE-09: the inbound group of the endpoint's subnet, by its application security group as well; outbound rules there mean
 * nothing. */
Test(cover_pe, PE09_inbound_rules_only)
{
    story("applicationSecurityGroups: [{name: stores}]\n"
          "networkSecurityGroups: [{name: g, securityRules: [\n"
          "  {name: nothing-out, priority: 100, direction: Outbound, access: Deny, protocol: '*'},\n"
          "  {name: https, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, destinationPortRange: '443',\n"
          "   destinationApplicationSecurityGroups: [stores]},\n"
          "  {name: rest, priority: 200, direction: Inbound, access: Deny, protocol: '*'}]}]\n"
          NET("", ", networkSecurityGroup: g, privateEndpointNetworkPolicies: Enabled", "forwards: true", ZONE)
          "privateEndpoints: [{name: pe, subnet: hub/pes, service: acc, groupIds: [blob],\n"
          "  ipConfigurations: [{privateIPAddress: 10.0.2.5}], applicationSecurityGroups: [stores]},\n"
          "  {name: bare, subnet: hub/pes, service: acc, groupIds: [file], ipConfigurations: [{privateIPAddress: 10.0.2.6}]}]\n"
          "flows:\n"
          "  - {from: vm, to: pe, expect: {verdict: delivered, networkSecurityGroup: g, rule: https}}\n"
          "  - {from: vm, to: pe, destinationPort: 445, expect: {verdict: dropped, reason: NsgDeny, rule: rest}}\n"
          "  - {from: vm, to: bare, expect: {verdict: dropped, reason: NsgDeny, rule: rest}}\n");
}

/* PE-06: the request names another account than the endpoint's. */
Test(cover_pe, PE06_no_other_account_of_the_service)
{
    story(NET("", "", "forwards: true", PES ZONE)
          "flows:\n"
          "  - {from: vm, to: 10.0.2.5, resource: acc, expect: {verdict: delivered}}\n"
          "  - {from: vm, to: 10.0.2.5, resource: other, expect: {verdict: denied, reason: WrongResource}}\n");
}

/* PE-01, PE-02 and Y-17 while it is created by hand, approved, rejected; what was approved once carries nothing any more. */
Test(cover_pe, PE02_the_owner_ends_an_open_connection)
{
    story(NET("", "", "forwards: true",
              "privateEndpoints: [{name: pe, subnet: hub/pes, service: acc, groupIds: [blob], manualRequest: true,\n"
              "  ipConfigurations: [{privateIPAddress: 10.0.2.5}]}]\n")
          "timeline: [{at: 20s, approve: pe}, {at: 25s, reject: pe}, {at: 30s, approve: pe}]\n"
          "flows:\n"
          "  - {at: 1s, from: vm, to: pe, expect: {verdict: dropped, reason: EndpointNotApproved, route: 10.0.2.5/32,\n"
          "     nextHopType: InterfaceEndpoint}}\n"
          "  - {at: 21s, from: vm, to: pe, expect: {verdict: delivered}}\n"
          "  - {at: 21s, from: vm, to: pe, keepOpen: 20s, expect: {verdict: dropped, reason: EndpointNotApproved}}\n"
          "  - {at: 31s, from: vm, to: pe, expect: {verdict: dropped, reason: EndpointNotApproved, route: 10.0.2.5/32}}\n"
          "expect:\n"
          "  - {at: 1s, nic: vm, route: {addressPrefix: 10.0.2.5/32, state: Active}}\n"
          "  - {at: 31s, nic: vm, route: {addressPrefix: 10.0.2.5/32, state: Active}}\n");
}

/* fixed at creation, and for life; another endpoint gets the next free one, a removed one gives it back. */
Test(cover_pe, A08_addresses_of_an_endpoint_stay)
{
    story(NET("", "", "forwards: true",
              "privateEndpoints: [{name: p1, subnet: hub/pes, service: acc, groupIds: [blob]},\n"
              "  {name: p2, subnet: hub/pes, service: acc, groupIds: [file]}]\n")
          "timeline:\n"
          "  - {at: 5s, remove: privateEndpoints/p1}\n"
          "  - {at: 28s, add: privateEndpoints, with: {name: p3, subnet: hub/pes, service: other, groupIds: [blob]}}\n"
          "flows:\n"
          "  - {at: 1s, from: vm, to: 10.0.2.4, expect: {verdict: delivered, path: [vm, p1, acc]}}\n"
          "  - {at: 1s, from: vm, to: 10.0.2.5, expect: {verdict: delivered, path: [vm, p2, acc]}}\n"
          "  - {at: 6s, from: vm, to: 10.0.2.4, expect: {verdict: dropped, reason: NoHost, nextHopType: VnetLocal}}\n"
          "  - {at: 30s, from: vm, to: 10.0.2.5, expect: {verdict: delivered, path: [vm, p2, acc]}}\n"
          "  - {at: 30s, from: vm, to: 10.0.2.4, expect: {verdict: delivered, path: [vm, p3, other]}}\n"
          "expect:\n"
          "  - {at: 5s, nic: vm, noRoute: {addressPrefix: 10.0.2.4/32}}\n"
          "  - {at: 5s, nic: vm, route: {addressPrefix: 10.0.2.5/32, state: Active}}\n");
}

/* N-11: a hand-made record leads to where nobody is; the zone group takes its own records along, and the link that is left
 * makes the name unknown, although its public address is there. */
Test(cover_pe, N11_what_outlives_an_endpoint)
{
    story(NET("", "", "forwards: true", PES)
          "privateDnsZones: [{name: privatelink.blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}],\n"
          "  records: [{name: other, type: A, ttl: 300, values: [10.0.2.9]}]}]\n"
          "internetHosts: [{name: home, ipAddress: 203.0.113.9}]\n"
          "timeline:\n"
          "  - {at: 5s, remove: privateEndpoints/pe}\n"
          "  - {at: 5s, add: privateEndpoints, with: {name: again, subnet: hub/fw, service: acc, groupIds: [blob]}}\n"
          "  - {at: 30s, update: privateDnsZones/privatelink.blob.core.windows.net, with: {virtualNetworkLinks: []}}\n"
          "flows:\n"
          "  - {at: 1s, from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [10.0.2.5]}}\n"
          "  - {at: 6s, from: vm, to: acc.blob.core.windows.net, expect: {verdict: unresolved, reason: NxDomain}}\n"
          "  - {at: 6s, from: home, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [20.38.108.10]}}\n"
          "  - {at: 6s, from: vm, to: other.privatelink.blob.core.windows.net, expect: {verdict: dropped, reason: NoHost,\n"
          "     resolvedTo: [10.0.2.9]}}\n"
          "  - {at: 31s, from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [20.38.108.10]}}\n");
}

/* N-17: rules do not stand between a machine and the platform's resolver, unless they name it. */
Test(cover_pe, N17_only_the_tag_cuts_off_the_resolver)
{
#define DNS_RULES(tag)                                                                                       \
    "networkSecurityGroups: [{name: g, securityRules: [{name: no-dns, priority: 100, direction: Outbound,\n"  \
    "  access: Deny, protocol: '*', destinationAddressPrefix: " tag ", destinationPortRange: '53'}]}]\n"
    story(DNS_RULES("'*'") NET(", networkSecurityGroup: g", "", "forwards: true", PES ZONE)
          "flows: [{from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [10.0.2.5]}}]\n");
    story(DNS_RULES("AzurePlatformDNS") NET(", networkSecurityGroup: g", "", "forwards: true", PES ZONE)
          "flows:\n  - {from: vm, to: acc.blob.core.windows.net, expect: {verdict: unresolved, reason: DnsUnreachable}}\n"
          "  - {from: vm, to: 10.0.2.5, expect: {verdict: delivered}}\n");
}

/* N-08: the platform's resolver is inside Azure; headquarters without forwarder has the endpoint's route and the public
 * name. */
Test(cover_pe, N08_on_premises_resolves_publicly)
{
    story("virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: pes, addressPrefix: 10.0.2.0/24},\n"
          "  {name: GatewaySubnet, addressPrefix: 10.0.255.0/27}]}]\n"
          "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: ExpressRoute, connections: [hq]}]\n"
          "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], natIPs: [198.51.100.7],\n"
          "  hosts: [{name: pc, ipAddress: 192.168.1.10}]}]\n"
          "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}]\n" PES ZONE
          "flows:\n"
          "  - {from: hq/pc, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [20.38.108.10],\n"
          "     sourceSeen: 198.51.100.7, notVia: [gw, pe]}}\n"
          "  - {from: hq/pc, to: pe, expect: {verdict: delivered, sourceSeen: 192.168.1.10, path: [hq/pc, gw, pe, acc]}}\n"
          "  - {from: hq/pc, to: 168.63.129.16, protocol: udp, destinationPort: 53,\n"
          "     expect: {verdict: dropped}}\n");
}

/* R-14, L-07: Basic asks for the route-table policy on every subnet with endpoints. */
Test(cover_pe, R14_high_scale_needs_the_policy)
{
#define HIGH(policy)                                                                                         \
    "virtualNetworks: [{name: hub, privateEndpointVNetPolicies: Basic, addressPrefixes: [10.0.0.0/16],\n"    \
    "  subnets: [{name: pes, addressPrefix: 10.0.2.0/24, privateEndpointNetworkPolicies: " policy "}]}]\n"   \
    "services: [{name: acc, type: Microsoft.Storage/storageAccounts}]\n"                                     \
    "privateEndpoints: [{name: pe, subnet: hub/pes, service: acc, groupIds: [blob]}]\n"
    struct arena *a = arena_new("findings");
    cr_assert_str_eq(story_findings(a, HIGH("Enabled")), "");
    cr_assert_str_eq(story_findings(a, HIGH("RouteTableEnabled")), "");
#define WARNS(place)                                                                                         \
    place ": warning: 'hub/pes' has private endpoint 'pe' and leaves user routes out; "                      \
          "privateEndpointVNetPolicies Basic needs RouteTableEnabled or Enabled there (R-14)\n"
    cr_assert_str_eq(story_findings(a, HIGH("Disabled")), WARNS("t:3:85"));
    cr_assert_str_eq(story_findings(a, HIGH("NetworkSecurityGroupEnabled")), WARNS("t:3:85"));
    arena_free(a);
}

/* several vaults in one network, one vault in several networks; each endpoint leads to its own. */
Test(cover_pe, A15_vaults_and_networks_many_to_many)
{
    story("virtualNetworks:\n"
          "  - {name: a, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}\n"
          "  - {name: b, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24}]}\n"
          "  - {name: c, addressPrefixes: [10.2.0.0/16], subnets: [{name: s, addressPrefix: 10.2.1.0/24}]}\n"
          "networkInterfaces: [{name: va, subnet: a/s, privateIPAddress: 10.0.1.250},\n"
          "  {name: vb, subnet: b/s, privateIPAddress: 10.1.1.250}, {name: vc, subnet: c/s, privateIPAddress: 10.2.1.250}]\n"
          "services: [{name: one, type: Microsoft.RecoveryServices/vaults, publicIPAddress: 20.61.102.130},\n"
          "  {name: two, type: Microsoft.RecoveryServices/vaults, publicIPAddress: 20.61.102.131}]\n"
          "privateEndpoints:\n"
          "  - {name: a-one, subnet: a/s, service: one, groupIds: [AzureBackup]}\n"
          "  - {name: a-two, subnet: a/s, service: two, groupIds: [AzureBackup]}\n"
          "  - {name: b-one, subnet: b/s, service: one, groupIds: [AzureBackup]}\n"
          "flows:\n"
          "  - {from: va, to: a-one, expect: {verdict: delivered, path: [va, a-one, one]}}\n"
          "  - {from: va, to: a-two, expect: {verdict: delivered, path: [va, a-two, two]}}\n"
          "  - {from: vb, to: b-one, expect: {verdict: delivered, path: [vb, b-one, one]}}\n"
          "  - {from: vb, to: b-one, resource: two, expect: {verdict: denied, reason: WrongResource}}\n"
          "  - {from: vc, to: two, expect: {verdict: denied, reason: PrivateEndpointOnly}}\n"
          "expect:\n"
          "  - {at: 0s, nic: va, route: {addressPrefix: 10.0.1.25/32, nextHopType: InterfaceEndpoint}}\n"
          "  - {at: 0s, nic: va, noRoute: {addressPrefix: 10.0.1.26/32}}\n");
}

/* A registry below Premium has no private endpoints. */
Test(cover_pe, PE27_a_registry_needs_premium)
{
#define REGISTRY(sku)                                                                                        \
    "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}]\n" \
    "services: [{name: reg, type: Microsoft.ContainerRegistry/registries" sku "}]\n"                         \
    "privateEndpoints: [{name: pe, subnet: v/s, service: reg, groupIds: [registry]}]\n"
    struct arena *a = arena_new("findings");
    cr_assert_str_eq(story_findings(a, REGISTRY("")), "");
    cr_assert_str_eq(story_findings(a, REGISTRY(", sku: premium")), "");
    cr_assert_str_eq(story_findings(a, REGISTRY(", sku: Standard")),
                     "t:4:53: error: private endpoint 'pe': the registry 'reg' is Standard, and only Premium has "
                     "private endpoints (PE-27)\n");
    arena_free(a);
}

/* B-04: pools list interfaces and nothing else; the balancer must be a Standard one. */
Test(cover_pe, B04_a_private_link_service_needs_a_standard_balancer)
{
#define PLS(sku)                                                                                             \
    "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}]\n" \
    "loadBalancers: [{name: lb" sku ", frontendIPConfigurations: [{name: fe, subnet: v/s}]}]\n"              \
    "privateLinkServices: [{name: p, loadBalancerFrontend: lb/fe, subnet: v/s}]\n"
    struct arena *a = arena_new("findings");
    cr_assert_str_eq(story_findings(a, PLS("")), "");
    cr_assert_str_eq(story_findings(a, PLS(", sku: Standard")), "");
    cr_assert_str_eq(story_findings(a, PLS(", sku: Basic")),
                     "t:4:55: error: private link service 'p' needs a Standard load balancer (B-04)\n");
    arena_free(a);
}

#define VAULT_NET                                                                                            \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: vms, addressPrefix: 10.0.1.0/24},\n" \
    "  {name: pes, addressPrefix: 10.0.2.0/26}]}]\n"                                                         \
    "networkInterfaces: [{name: vm, subnet: hub/vms}]\n"                                                     \
    "privateDnsZones: [{name: privatelink.we.backup.windowsazure.com, virtualNetworkLinks: [{virtualNetwork: hub}]},\n" \
    "  {name: privatelink.blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}]},\n"           \
    "  {name: privatelink.queue.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}]}]\n"
#define VAULT_PE(more)                                                                                       \
    "privateEndpoints: [{name: pe, subnet: hub/pes, service: rsv, groupIds: [AzureBackup], privateDnsZoneGroup:\n" \
    "  [privatelink.we.backup.windowsazure.com, privatelink.blob.core.windows.net,\n"                        \
    "   privatelink.queue.core.windows.net]" more "}]\n"

/* A-13, PE-02: one approval approves the three, one rejection rejects them, one removal removes them; addresses stay. */
Test(cover_pe, A13_three_endpoints_of_one_connection)
{
    story(VAULT_NET
          "services: [{name: rsv, type: Microsoft.RecoveryServices/vaults, publicIPAddress: 20.61.102.130, fqdns:\n"
          "  [r-prot1.privatelink.we.backup.windowsazure.com, rpod.blob.core.windows.net, rpod.queue.core.windows.net]}]\n"
          VAULT_PE(", manualRequest: true")
          "timeline: [{at: 10s, approve: pe}, {at: 30s, reject: pe}, {at: 60s, remove: privateEndpoints/pe},\n"
          "  {at: 61s, add: networkInterfaces, with: {name: late, subnet: hub/pes, listens: [tcp/443]}}]\n"
          "flows:\n"
          "  - {name: p1, from: vm, to: pe, expect: {verdict: dropped, reason: EndpointNotApproved, path: [vm, pe]}}\n"
          "  - {name: p2, from: vm, to: pe-blob, expect: {verdict: dropped, reason: EndpointNotApproved, path: [vm, pe-blob]}}\n"
          "  - {name: p3, from: vm, to: pe-queue, expect: {verdict: dropped, reason: EndpointNotApproved, path: [vm, pe-queue]}}\n"
          "  - {name: a1, at: 11s, from: vm, to: r-prot1.privatelink.we.backup.windowsazure.com,\n"
          "     expect: {verdict: delivered, resolvedTo: [10.0.2.6], path: [vm, pe, rsv]}}\n"
          "  - {name: a2, at: 11s, from: vm, to: rpod.blob.core.windows.net,\n"
          "     expect: {verdict: delivered, resolvedTo: [10.0.2.12], path: [vm, pe-blob, rsv], returnPath: [rsv, pe-blob, vm]}}\n"
          "  - {name: a3, at: 11s, from: vm, to: rpod.queue.core.windows.net,\n"
          "     expect: {verdict: delivered, resolvedTo: [10.0.2.13], path: [vm, pe-queue, rsv]}}\n"
          "  - {name: r2, at: 31s, from: vm, to: pe-blob, expect: {verdict: dropped, reason: EndpointNotApproved}}\n"
          "  - {name: r3, at: 31s, from: vm, to: pe-queue, expect: {verdict: dropped, reason: EndpointNotApproved}}\n"
          "  - {name: after, at: 62s, from: vm, to: 10.0.2.4, expect: {verdict: delivered, path: [vm, late]}}\n"
          "expect:\n"
          "  - {at: 59s, nic: vm, route: {addressPrefix: 10.0.2.14/32, nextHopType: InterfaceEndpoint}}\n"
          "  - {at: 60s, nic: vm, noRoute: {addressPrefix: 10.0.2.12/32}}\n"
          "  - {at: 60s, nic: vm, noRoute: {addressPrefix: 10.0.2.13/32}}\n"
          "  - {at: 60s, from: vm, name: rpod.blob.core.windows.net, resolvedTo: [20.61.102.130]}\n");
}

/* in some regions an endpoint takes more than eleven: as many as its names need. */
Test(cover_pe, A13_more_than_eleven_addresses)
{
    story(VAULT_NET
          "services: [{name: rsv, type: Microsoft.RecoveryServices/vaults, publicIPAddress: 20.61.102.130, fqdns:\n"
          "  [r-prot1.privatelink.we.backup.windowsazure.com, r-prot2.privatelink.we.backup.windowsazure.com,\n"
          "   pod1.blob.core.windows.net, pod2.blob.core.windows.net, pod3.blob.core.windows.net, pod1.queue.core.windows.net,\n"
          "   pod2.queue.core.windows.net]}]\n"
          VAULT_PE("")
          "flows:\n"
          "  - {from: vm, to: r-prot2.privatelink.we.backup.windowsazure.com,\n"
          "     expect: {verdict: delivered, resolvedTo: [10.0.2.15], path: [vm, pe, rsv]}}\n"
          "  - {from: vm, to: pod3.blob.core.windows.net,\n"
          "     expect: {verdict: delivered, resolvedTo: [10.0.2.16], path: [vm, pe-blob, rsv]}}\n"
          "  - {from: vm, to: pod2.queue.core.windows.net,\n"
          "     expect: {verdict: delivered, resolvedTo: [10.0.2.17], path: [vm, pe-queue, rsv]}}\n"
          "expect:\n"
          "  - {at: 0s, nic: vm, route: {addressPrefix: 10.0.2.17/32, nextHopType: InterfaceEndpoint}}\n"
          "  - {at: 0s, nic: vm, noRoute: {addressPrefix: 10.0.2.18/32}}\n");
}

/* names that result may not be taken; who acts, acts on the one asked for; 25 addresses are the most. */
Test(cover_pe, A13_what_cannot_be)
{
    static const char vault[] = "services: [{name: rsv, type: Microsoft.RecoveryServices/vaults, publicIPAddress: 20.61.102.130}";
    struct arena *a = arena_new("findings");
    cr_assert_str_eq(story_findings(a, arena_printf(a, "%s%s, {name: pe-queue, type: Contoso/things, publicIPAddress: "
                                                       "192.0.2.9}]\n%s",
                                                    VAULT_NET, vault, VAULT_PE(""))),
                     "t:9:20: error: private endpoint 'pe' brings along one named 'pe-queue', and that name is taken "
                     "(A-13)\nt:8:105: note: it is here already\n");
    cr_assert_str_eq(story_findings(a, arena_printf(a, "%s%s]\n%stimeline: [{at: 1s, reject: pe-blob}]\n", VAULT_NET, vault,
                                                    VAULT_PE(""))),
                     "t:12:29: error: 'pe-blob' came along with 'pe', whose connection is its own: act on that one (A-13)\n");
    cr_assert_str_eq(story_findings(a, arena_printf(a, "%s%s]\n%stimeline: [{at: 1s, remove: privateEndpoints/pe-blob}]\n",
                                                    VAULT_NET, vault, VAULT_PE(""))),
                     "t:12:29: error: there is no private endpoint 'pe-blob' at that time\n");
    const char *names = "fqdns: [pod0.blob.core.windows.net";
    for (int i = 1; i <= 16; i++)
        names = arena_printf(a, "%s, pod%d.blob.core.windows.net", names, i);
    const char *full = arena_printf(a, "%s%s, %s]}]\n%s", VAULT_NET, arena_strndup(a, vault, strlen(vault) - 1), names,
                                    VAULT_PE(""));
    cr_assert_str_eq(story_findings(a, full),
                     "t:9:20: warning: private endpoint 'pe' has 26 private addresses; the published limit is 25 (A-13)\n");
    arena_free(a);
}

#define FAILOVER(account, what)                                                                              \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: vms, addressPrefix: 10.0.1.0/24},\n" \
    "  {name: pes, addressPrefix: 10.0.2.0/24}]}]\n"                                                         \
    "networkInterfaces: [{name: vm, subnet: hub/vms}]\n"                                                     \
    "services: [{name: acc, type: " account "}]\n"                                                           \
    "privateDnsZones: [{name: privatelink.blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}]}]\n" \
    "timeline: [{at: 10s, failover: " what "}]\n"
#define ACCOUNT(region) "Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10, location: " region

/* PE-29: the primary's endpoint follows with its address, open connections end, public names have another address; a
 * secondary is read by its own endpoint alone. */
Test(cover_pe, PE29_failover)
{
    struct story s = story_tell(FAILOVER(ACCOUNT("westeurope"), "acc")
          "privateEndpoints:\n"
          "  - {name: pe, subnet: hub/pes, service: acc, groupIds: [blob], privateDnsZoneGroup: [privatelink.blob.core.windows.net]}\n"
          "flows:\n"
          "  - {name: b, at: 1s, from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered, path: [vm, pe, acc]}}\n"
          "  - {name: open, at: 8s, from: vm, to: acc.blob.core.windows.net, keepOpen: 9s, expect: {verdict: reset,\n"
          "     reason: ConnectionClosedByChange}}\n"
          "  - {name: public, at: 8s, from: vm, to: acc, keepOpen: 9s, expect: {verdict: reset, reason: ConnectionClosedByChange,\n"
          "     destinationSeen: 20.38.108.10}}\n"
          "  - {name: a, at: 11s, from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [10.0.2.4],\n"
          "     path: [vm, pe, acc]}}\n"
          "  - {name: old, at: 11s, from: vm, to: 20.38.108.10, expect: {verdict: dropped, reason: NoHost}}\n"
          "expect: [{at: 1s, from: vm, name: acc-secondary.blob.core.windows.net, resolvedTo: [20.38.108.10]}]\n");
    const struct service *was = scenario_state(s.sc, 0)->services.at, *now = scenario_state(s.sc, 1)->services.at;
    cr_expect_str_eq(was->location, "westeurope");
    cr_expect_str_eq(now->location, "northeurope");
    cr_expect_neq(was->publicIPAddress, now->publicIPAddress);
    story_end(&s);
    s = story_tell(FAILOVER(ACCOUNT("westeurope, replicas: [eastus]"), "ACC") "expect: [{at: 0s, nic: vm, route: {addressPrefix: 10.0.0.0/16}}]\n");
    cr_expect_str_eq(scenario_state(s.sc, 1)->services.at->location, "eastus", "where it is replicated to");
    cr_expect_eq(scenario_state(s.sc, 1)->services.at->replicas.n, 0);
    story_end(&s);
}

Test(cover_pe, PE29_what_cannot_fail_over)
{
    struct story s = story_tell(FAILOVER(ACCOUNT("qatarcentral"), "acc") "expect: [{at: 0s, nic: vm, route: {addressPrefix: 10.0.0.0/16}}]\n");
    const struct change *c;
    cr_assert_eq(scenario_changes(s.sc, &c), 1);
    cr_expect_str_eq(c->refused, "qatarcentral has no paired region that 'acc' could fail over to (PE-29)");
    cr_expect_eq(scenario_state(s.sc, 1)->services.at->publicIPAddress, IP4(20, 38, 108, 10));
    story_end(&s);
    struct arena *a = arena_new("findings");
    const char *got = story_findings(a, FAILOVER("Microsoft.KeyVault/vaults", "acc"));
    cr_assert(strstr(got, "error: 'acc' is no storage account: failover is for those (PE-29)\n"), "%s", got);
    got = story_findings(a, FAILOVER(ACCOUNT("westeurope"), "ac"));
    cr_assert(strstr(got, "error: there is no service 'ac' at that time; did you mean 'acc'?\n"), "%s", got);
    arena_free(a);
}

/* D0-25: later editions dropped that an endpoint belongs to its network's subscription: it need not, and whether it is
 * approved at once depends on the resource's (PE-03). */
Test(cover_pe, PE03_endpoints_of_other_subscriptions)
{
    story("subscription: sub-net\n"
          "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: vms, addressPrefix: 10.0.1.0/24}]}]\n"
          "networkInterfaces: [{name: vm, subnet: hub/vms}]\n"
          "services: [{name: acc, type: Microsoft.Storage/storageAccounts, subscription: sub-data, publicIPAddress: 20.38.108.10}]\n"
          "privateEndpoints:\n"
          "  - {name: same, subnet: hub/vms, service: acc, groupIds: [blob], subscription: sub-data}\n"
          "  - {name: other, subnet: hub/vms, service: acc, groupIds: [table], subscription: sub-c}\n"
          "  - {name: network, subnet: hub/vms, service: acc, groupIds: [file]}\n"
          "timeline: [{at: 30s, approve: other}]\n"
          "flows:\n"
          "  - {from: vm, to: same, expect: {verdict: delivered, path: [vm, same, acc]}}\n"
          "  - {from: vm, to: other, expect: {verdict: dropped, reason: EndpointNotApproved}}\n"
          "  - {from: vm, to: network, expect: {verdict: dropped, reason: EndpointNotApproved}}\n"
          "  - {at: 31s, from: vm, to: other, expect: {verdict: delivered}}\n");
}
