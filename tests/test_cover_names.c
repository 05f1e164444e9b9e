/* test_cover_names.c - stories of DNS servers of one's own, in a virtual network and on premises. */
#include "tests/support_story.h"

#include <criterion/criterion.h>

/* A DNS server in the hub, which forwards to the platform; clients in a spoke ask it; headquarters has a forwarder. The
 * endpoint is the hub's. */
#define NET(server, linked, onprem)                                                                                \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: dns, addressPrefix: 10.0.0.0/24},\n"   \
    "     {name: pes, addressPrefix: 10.0.2.0/24}, {name: GatewaySubnet, addressPrefix: 10.0.255.0/27}],\n"  \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: spoke}]}\n"                                        \
    "  - {name: spoke, dnsServers: [10.0.0.4], addressPrefixes: [10.1.0.0/16],\n"                            \
    "     subnets: [{name: vms, addressPrefix: 10.1.1.0/24}], virtualNetworkPeerings: [{remoteVirtualNetwork: hub}]}\n" \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: dc-nic, subnet: hub/dns, privateIPAddress: 10.0.0.4, listens: [udp/53]}\n"                   \
    "  - {name: vm, subnet: spoke/vms, privateIPAddress: 10.1.1.4}\n"                                        \
    "dnsServers: [{name: dc, networkInterface: dc-nic" server "}]\n"                                       \
    "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}]\n"      \
    "privateEndpoints: [{name: pe, subnet: hub/pes, service: acc, groupIds: [blob],\n"                       \
    "  ipConfigurations: [{privateIPAddress: 10.0.2.5}], privateDnsZoneGroup: [privatelink.blob.core.windows.net]}]\n" \
    "privateDnsZones: [{name: privatelink.blob.core.windows.net, virtualNetworkLinks: [" linked "]}]\n" \
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: Vpn, connections: [hq]}]\n"              \
    "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], natIPs: [198.51.100.7],\n"           \
    "  hosts: [{name: pc, ipAddress: 192.168.1.10}]" onprem "}]\n"

#define FORWARDS ", forwarder: 168.63.129.16"

/* N-07: the zone of the asking server's network counts, not the client's. */
Test(cover_names, N07_the_zone_is_linked_to_the_servers_network)
{
    story(NET(FORWARDS, "{virtualNetwork: hub}", "") "flows: [{from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [10.0.2.5],\n"
                         "  nextHopType: InterfaceEndpoint, path: [vm, pe, acc]}}]\n");
    story(NET(FORWARDS, "{virtualNetwork: spoke}", "") "flows: [{from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered,\n"
                           "  resolvedTo: [20.38.108.10], path: [vm, acc]}}]\n");
}

/* N-08: headquarters forwards the public zone to the server in Azure. Forwarding the privatelink zone does not help: nobody
 * asks for that name there, since the resolver that follows the alias is another one. */
Test(cover_names, N08_on_premises_forwards_the_public_zone)
{
#define FORWARD(zone) ", dnsForwarders: [{zone: " zone ", server: 10.0.0.4}]"
    story(NET(FORWARDS, "{virtualNetwork: hub}", FORWARD("blob.core.windows.net"))
          "flows: [{from: hq/pc, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [10.0.2.5],\n"
          "  sourceSeen: 192.168.1.10, path: [hq/pc, gw, pe, acc]}}]\n");
    story(NET(FORWARDS, "{virtualNetwork: hub}", FORWARD("privatelink.blob.core.windows.net"))
          "flows: [{from: hq/pc, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [20.38.108.10],\n"
          "  sourceSeen: 198.51.100.7, notVia: [gw, pe]}}]\n");
    story(NET(FORWARDS, "{virtualNetwork: hub}", FORWARD("database.windows.net"))
          "flows: [{from: hq/pc, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [20.38.108.10]}}]\n");
}

/* N-12: a server of one's own that holds all records needs neither links nor the platform. */
Test(cover_names, N12_a_server_that_holds_the_zone)
{
    story(NET(", zones: [privatelink.blob.core.windows.net]", "", "")
          "flows:\n"
          "  - {from: vm, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [10.0.2.5], path: [vm, pe, acc]}}\n"
          "  - {from: dc-nic, to: acc.blob.core.windows.net, expect: {verdict: delivered, resolvedTo: [20.38.108.10]}}\n");
}
