/* test_check.c - what the checks find in a model, with place and text, and what they leave alone. Texts start
 * in line 2; line 1 is "scenario: t". */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "tests/support_model.h"
#include "topology/check.h"

static void expect(const char *text, const char *want, int line)
{
    struct loaded l = load_checked(text);
    const char *got = loaded_findings(&l);
    cr_expect(!strcmp(got, want), "line %d\ngot:\n%swant:\n%s", line, got, want);
    loaded_free(&l);
}

#define FINDS(text, want) expect(text, want, __LINE__)
#define FINE(text)        expect(text, "", __LINE__)

/* -- networks -------------------------------------------------------------------------------------------- */

#define VNET(prefixes, subnets)                                                                              \
    "virtualNetworks:\n  - {name: v, addressPrefixes: [" prefixes "], subnets: [\n" subnets "]}\n"

/* */
Test(check, subnet_sizes)
{
    FINE(VNET("10.0.0.0/8", "{name: a, addressPrefix: 10.0.0.0/8}"));
    FINE(VNET("10.0.0.0/16", "{name: a, addressPrefix: 10.0.0.0/29}"));
    FINDS(VNET("10.0.0.0/16", "{name: a, addressPrefix: 10.0.0.0/30}"),
          "4:26: error: subnet 'v/a' is 10.0.0.0/30: a subnet is between /29 and /8 (A-02)\n");
    FINDS(VNET("10.0.0.0/7", "{name: a, addressPrefixes: [10.0.0.0/7]}"),
          "4:29: error: subnet 'v/a' is 10.0.0.0/7: a subnet is between /29 and /8 (A-02)\n");
}

/* */
Test(check, forbidden_space)
{
    FINE(VNET("20.0.0.0/16, 198.18.0.0/16, 0.0.0.0/8, 100.64.0.0/10, 240.0.0.0/8, 169.253.0.0/16", ""));
    FINDS(VNET("224.1.0.0/16", ""),
          "3:33: error: 224.1.0.0/16 of virtual network 'v' holds addresses of 224.0.0.0/4 "
          "(multicast), which no virtual network may have (A-03)\n");
    FINDS(VNET("10.0.0.0/16, 127.0.0.0/8", ""),
          "3:46: error: 127.0.0.0/8 of virtual network 'v' holds addresses of "
          "127.0.0.0/8 (loopback), which no virtual network may have (A-03)\n");
    FINDS(VNET("169.254.7.0/24", ""),
          "3:33: error: 169.254.7.0/24 of virtual network 'v' holds addresses of 169.254.0.0/16 "
          "(link-local), which no virtual network may have (A-03)\n");
    FINDS(VNET("168.63.0.0/16", ""),
          "3:33: error: 168.63.0.0/16 of virtual network 'v' holds addresses of 168.63.129.16/32 "
          "(the platform's address), which no virtual network may have (A-03)\n");
    FINDS(VNET("255.255.255.0/24", ""),
          "3:33: error: 255.255.255.0/24 of virtual network 'v' holds addresses of "
          "255.255.255.255/32 (broadcast), which no virtual network may have (A-03)\n");
    FINDS(VNET("0.0.0.0/0", ""),
          "3:33: error: 0.0.0.0/0 of virtual network 'v' holds addresses of 224.0.0.0/4 "
          "(multicast), which no virtual network may have (A-03)\n");
}

/* */
Test(check, overlap_in_a_network)
{
    FINE(VNET("10.0.0.0/16, 10.1.0.0/16",
              "{name: a, addressPrefix: 10.0.0.0/25}, {name: b, addressPrefix: 10.0.0.128/25}"));
    FINDS(VNET("10.0.0.0/16, 10.0.128.0/17", ""),
          "3:46: error: 10.0.128.0/17 overlaps 10.0.0.0/16 in virtual network 'v' (A-04)\n");
    FINDS(VNET("10.0.128.0/17, 10.0.0.0/16", ""),
          "3:48: error: 10.0.0.0/16 overlaps 10.0.128.0/17 in virtual network 'v' (A-04)\n");
    FINDS(VNET("10.0.0.0/16",
               "{name: a, addressPrefix: 10.0.1.0/24},\n{name: b, addressPrefix: 10.0.0.0/23},\n"
               "{name: c, addressPrefix: 10.0.1.128/25},\n{name: d, addressPrefix: 10.0.2.0/24}"),
          "5:26: error: subnet 'b' (10.0.0.0/23) overlaps subnet 'a' (10.0.1.0/24) in virtual network 'v' "
          "(A-04)\n"
          "6:26: error: subnet 'c' (10.0.1.128/25) overlaps subnet 'b' (10.0.0.0/23) in virtual network 'v' "
          "(A-04)\n");
    FINDS(VNET("10.0.0.0/16", "{name: a, addressPrefixes: [10.0.0.0/24, 10.1.0.0/24]}"),
          "4:42: error: 10.1.0.0/24 of subnet 'v/a' is not inside an address prefix of 'v' (A-04)\n");
}

#define PAIR(a, b, ab, ba)                                                                                   \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: a, addressPrefixes: [" a "], subnets: [{name: s, addressPrefix: 10.0.0.0/24}],\n"            \
    "     virtualNetworkPeerings: [" ab "]}\n"                                                               \
    "  - {name: b, addressPrefixes: [" b "], subnets: [],\n"                                                 \
    "     virtualNetworkPeerings: [" ba "]}\n"

/* A-04, P-01: networks that are peered as a whole; others may overlap. */
Test(check, overlap_of_networks)
{
    FINE(PAIR("10.0.0.0/16", "10.0.0.0/8", "", ""));
    FINE(PAIR("10.0.0.0/16", "10.1.0.0/16", "{remoteVirtualNetwork: b}", "{remoteVirtualNetwork: a}"));
    FINDS(PAIR("10.0.0.0/16", "10.1.0.0/16, 10.0.0.0/24", "{remoteVirtualNetwork: b}",
               "{remoteVirtualNetwork: a}"),
          "4:54: error: 'a' and 'b' cannot be peered: 10.0.0.0/16 overlaps 10.0.0.0/24 (A-04)\n");
    FINDS(PAIR("10.0.0.0/16", "10.0.0.0/8", "", "{remoteVirtualNetwork: a}"),
          "6:31: warning: the peering of 'b' with 'a' is only Initiated: 'a' has no link back, so there are "
          "no routes (P-01)\n"
          "6:54: error: 'b' and 'a' cannot be peered: 10.0.0.0/8 overlaps 10.0.0.0/16 (A-04)\n");
    FINE(PAIR("10.0.0.0/16", "10.0.0.0/8", "{remoteVirtualNetwork: b, localSubnetNames: [s]}",
              "{remoteVirtualNetwork: a, remoteSubnetNames: [s]}"));
}

Test(check, peerings)
{
    FINDS(PAIR("10.0.0.0/16", "10.1.0.0/16", "{remoteVirtualNetwork: a}", ""),
          "4:54: error: virtual network 'a' is peered with itself\n");
    FINDS(PAIR("10.0.0.0/16", "10.1.0.0/16", "{remoteVirtualNetwork: b}", ""),
          "4:31: warning: the peering of 'a' with 'b' is only Initiated: 'b' has no link back, so there are "
          "no routes "
          "(P-01)\n");
}

#define TRANSIT(spoke_link, hub_link, more)                                                                  \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: spoke, addressPrefixes: [10.1.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: "      \
    "10.1.0.0/24}],\n"                                                                                       \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: hub" spoke_link "}]}\n"                            \
    "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: "        \
    "10.0.0.0/24}],\n"                                                                                       \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: spoke" hub_link "}]}\n" more
#define HUB_GATEWAY "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: Vpn}]\n"
#define SPOKE_GATEWAY                                                                                        \
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: Vpn}, {name: own, virtualNetwork: "      \
    "spoke, "                                                                                                \
    "type: ExpressRoute}]\n"

/* P-05 */
Test(check, remote_gateways)
{
    FINE(TRANSIT(", useRemoteGateways: true", ", allowGatewayTransit: true", HUB_GATEWAY));
    FINE(TRANSIT("", ", allowGatewayTransit: true", ""));
    FINDS(TRANSIT(", useRemoteGateways: true", "", HUB_GATEWAY),
          "4:78: error: 'spoke' cannot use the gateways of 'hub': its link back lacks allowGatewayTransit "
          "(P-05)\n");
    FINDS(TRANSIT(", useRemoteGateways: true", ", allowGatewayTransit: true", ""),
          "4:78: error: 'spoke' cannot use the gateways of 'hub', which has none (P-05)\n");
    FINDS(TRANSIT(", useRemoteGateways: true", ", allowGatewayTransit: true", SPOKE_GATEWAY),
          "4:78: error: 'spoke' has a gateway of its own ('own') and cannot use the gateways of 'hub' "
          "(P-05)\n");
}

Test(check, one_remote_gateway)
{
    FINDS("virtualNetworks:\n"
          "  - {name: s, addressPrefixes: [10.0.0.0/16], subnets: [], virtualNetworkPeerings: [\n"
          "     {remoteVirtualNetwork: h1, useRemoteGateways: true},\n"
          "     {remoteVirtualNetwork: h2, useRemoteGateways: true}]}\n"
          "  - {name: h1, addressPrefixes: [10.1.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: "
          "10.1.0.0/27}],\n"
          "     virtualNetworkPeerings: [{remoteVirtualNetwork: s, allowGatewayTransit: true}]}\n"
          "  - {name: h2, addressPrefixes: [10.2.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: "
          "10.2.0.0/27}],\n"
          "     virtualNetworkPeerings: [{remoteVirtualNetwork: s, allowGatewayTransit: true}]}\n"
          "virtualNetworkGateways: [{name: g1, virtualNetwork: h1, type: Vpn}, {name: g2, virtualNetwork: "
          "h2, type: Vpn}]\n",
          "5:52: error: 's' uses the gateways of 'h1' already; only one peering may (P-05)\n");
}

#define GATEWAYS(subnet, table, gateways)                                                                    \
    "virtualNetworks:\n  - {name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: " subnet               \
    ", addressPrefix: 10.0.0.0/27, routeTable: rt}]}\nrouteTables: [{name: rt" table                         \
    "}]\nvirtualNetworkGateways: [" gateways "]\n"
#define DEFAULT_ROUTE ", routes: [{name: all, addressPrefix: 0.0.0.0/0, nextHopType: Internet}]"

/* and what a gateway needs. */
Test(check, gateways)
{
    FINE(GATEWAYS(
        "GatewaySubnet", "",
        "{name: a, virtualNetwork: v, type: Vpn}, {name: b, virtualNetwork: v, type: ExpressRoute}"));
    FINE(GATEWAYS("other", ", disableBgpRoutePropagation: true" DEFAULT_ROUTE, ""));
    FINDS(GATEWAYS("other", "", "{name: a, virtualNetwork: v, type: Vpn}"),
          "5:52: error: gateway 'a' needs a subnet 'GatewaySubnet' in virtual network 'v'\n");
    FINDS(GATEWAYS("GatewaySubnet", "",
                   "{name: a, virtualNetwork: v, type: Vpn}, {name: b, virtualNetwork: v, type: Vpn}"),
          "5:93: error: gateway 'b': the virtual network has a gateway of this type already ('a')\n");
    FINDS(GATEWAYS("GatewaySubnet", ", disableBgpRoutePropagation: true", ""),
          "3:119: error: route table 'rt' disables route propagation and cannot be on 'v/GatewaySubnet' "
          "(R-23)\n");
    FINDS(GATEWAYS("GatewaySubnet", DEFAULT_ROUTE, "{name: a, virtualNetwork: v, type: Vpn}"),
          "3:119: error: route table 'rt' has a route for 0.0.0.0/0 and cannot be on 'v/GatewaySubnet' "
          "(R-24)\n");
    FINE(GATEWAYS("GatewaySubnet", DEFAULT_ROUTE, "{name: a, virtualNetwork: v, type: ExpressRoute}"));
}

/* -- addresses ------------------------------------------------------------------------------------------- */

#define NICS(list)                                                                                           \
    VNET("10.0.0.0/16", "{name: s, addressPrefix: 10.0.1.0/24}, {name: t, addressPrefix: 10.0.2.0/24}")      \
    "networkInterfaces:\n" list

/* */
Test(check, private_addresses)
{
    FINE(NICS("  - {name: a, subnet: v/s, privateIPAddress: 10.0.1.4}\n  - {name: b, subnet: v/s, "
              "privateIPAddress: 10.0.1.254}\n"));
    FINDS(NICS("  - {name: a, subnet: v/s, privateIPAddress: 10.0.2.4}\n"),
          "6:46: error: 10.0.2.4 of network interface 'a' is not in subnet 'v/s' (10.0.1.0/24)\n");
    FINDS(NICS("  - {name: a, subnet: v/s, privateIPAddress: 10.0.1.3}\n"),
          "6:46: error: 10.0.1.3 of network interface 'a' is one of the five addresses that Azure keeps in "
          "'v/s'; the usable "
          "ones are 10.0.1.4 to 10.0.1.254 (A-01)\n");
    FINDS(NICS("  - {name: a, subnet: v/s, privateIPAddress: 10.0.1.255}\n"),
          "6:46: error: 10.0.1.255 of network interface 'a' is one of the five addresses that Azure keeps in "
          "'v/s'; the "
          "usable ones are 10.0.1.4 to 10.0.1.254 (A-01)\n");
    FINDS(NICS("  - {name: a, subnet: v/s, privateIPAddress: 10.0.1.9}\n  - {name: b, subnet: v/s, "
               "privateIPAddress: 10.0.1.9}\n"),
          "7:46: error: 10.0.1.9 of network interface 'b' is the address of network interface 'a' already\n");
    FINDS(
        NICS(
            "  - {name: a, subnet: v/s, privateIPAddress: 10.0.1.9}\n") "services: [{name: kv, type: "
                                                                        "Microsoft.KeyVault/vaults}]\n"
                                                                        "privateEndpoints: [{name: pe, "
                                                                        "subnet: v/s, service: kv, groupIds: "
                                                                        "[vault], ipConfigurations: [\n"
                                                                        "{privateIPAddress: 10.0.1.9}]}]\n",
        "9:1: error: 10.0.1.9 of private endpoint 'pe' is the address of network interface 'a' already\n");
    /* the same address in another network is another address */
    FINE("virtualNetworks:\n"
         "  - {name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}\n"
         "  - {name: w, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}\n"
         "networkInterfaces: [{name: a, subnet: v/s, privateIPAddress: 10.0.1.9}, {name: b, subnet: w/s, "
         "privateIPAddress: "
         "10.0.1.9}]\n");
}

#define PIPS "publicIPAddresses: [{name: p, ipAddress: 20.50.1.4}]\n"

Test(check, public_addresses)
{
    FINDS("publicIPAddresses: [{name: p, ipAddress: 10.0.0.1}]\n",
          "2:42: error: 10.0.0.1 of public IP address 'p' is not a public address\n");
    FINDS(
        "publicIPAddresses: [{name: p, ipAddress: 20.50.1.4}, {name: q, ipAddress: 20.50.1.4}]\n",
        "2:75: error: 20.50.1.4 of public IP address 'q' is the address of public IP address 'p' already\n");
    FINDS(PIPS "internetHosts: [{name: h, ipAddress: 20.50.1.4}, {name: i, ipAddress: 192.168.0.1}]\n",
          "3:38: error: 20.50.1.4 of Internet host 'h' is the address of public IP address 'p' already\n"
          "3:71: error: 192.168.0.1 of Internet host 'i' is not a public address\n");
    FINE("internetHosts: [{name: h, ipAddress: 203.0.113.9}]\n");
    /* services share front ends with each other only */
    FINE("services: [{name: a, type: X/y, publicIPAddress: 20.1.1.1}, {name: b, type: X/y, publicIPAddress: "
         "20.1.1.1}]\n");
    FINDS(PIPS "services: [{name: a, type: X/y, publicIPAddress: 20.50.1.4}]\n",
          "3:50: error: 20.50.1.4 of service 'a' is the address of public IP address 'p' already\n");
    FINDS(PIPS "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], natIPs: [198.51.100.7, "
               "10.1.1.1]}]\n",
          "3:91: error: 10.1.1.1 of on-premises network 'hq' is not a public address\n");
}

Test(check, one_user_per_public_ip)
{
    FINDS(PIPS NICS("  - {name: a, subnet: v/s, publicIPAddress: p}\n  - {name: b, subnet: v/s, "
                    "publicIPAddress: p}\n") "natGateways: [{name: n, publicIPAddresses: [p]}]\n",
          "8:45: error: public IP address 'p' of network interface 'b' belongs to network interface 'a' "
          "already\n"
          "9:45: error: public IP address 'p' of NAT gateway 'n' belongs to network interface 'b' already\n");
}

/* Not errors: on-premises 0.0.0.0/0, prefixes inside virtual networks. Hosts must be inside. */
Test(check, on_premises)
{
    FINE(VNET(
        "10.0.0.0/16",
        "") "onPremisesNetworks: [{name: hq, addressPrefixes: [0.0.0.0/0, 10.0.1.0/24], hosts: [{name: h, "
            "ipAddress: 10.0.1.1}]}]\n");
    FINDS("onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/24], hosts: [\n"
          "{name: a, ipAddress: 192.168.0.1},\n{name: b, ipAddress: 192.168.1.1},\n{name: c, ipAddress: "
          "192.168.0.1}]}]\n",
          "4:22: error: 192.168.1.1 of host 'hq/b' is not inside an address prefix of 'hq'\n"
          "5:22: error: 192.168.0.1 of host 'hq/c' is the address of host 'hq/a' already\n");
}

/* -- policy ---------------------------------------------------------------------------------------------- */

#define NSG(rules) "networkSecurityGroups:\n  - {name: g, securityRules: [\n" rules "]}\n"
#define RULE(name, priority, direction, more)                                                                \
    "{name: " name ", priority: " priority ", direction: " direction ", access: Allow, "                     \
    "protocol: Tcp" more "}"

/* G-01 */
Test(check, rule_priorities)
{
    FINE(NSG(RULE("a", "100", "Inbound", "") ",\n" RULE("b", "100", "Outbound",
                                                        "") ",\n" RULE("c", "4096", "Inbound", "")));
    FINDS(NSG(RULE("a", "100", "Inbound", "") ",\n" RULE("b", "100", "Inbound", "")),
          "5:21: error: priority 100 of rule 'b' of 'g' belongs to inbound rule 'a' already (G-01)\n");
}

/* G-12 */
Test(check, rule_sides)
{
    FINDS(
        NSG(RULE(
            "a", "100", "Inbound",
            ",\nsourceAddressPrefix: Storag, destinationAddressPrefix: Storage.Atlantis") ",\n" RULE("b",
                                                                                                     "101",
                                                                                                     "Inboun"
                                                                                                     "d",
                                                                                                     ",\nsour"
                                                                                                     "ceAddre"
                                                                                                     "ssPrefi"
                                                                                                     "x: "
                                                                                                     "QQQQ")),
        "5:22: error: unknown service tag 'Storag' in rule 'a' of 'g'; did you mean 'Storage'?\n"
        "5:56: error: unknown service tag 'Storage.Atlantis' in rule 'a' of 'g'; did you mean "
        "'Storage.EastUS'?\n"
        "7:22: error: unknown service tag 'QQQQ' in rule 'b' of 'g'\n");
    FINE(NSG(RULE("a", "100", "Inbound",
                  ", sourceAddressPrefix: Internet, destinationAddressPrefixes: [10.0.0.0/8, 10.1.0.0/16]")));
    FINDS(NSG(RULE("a", "100", "Inbound", ",\nsourceAddressPrefixes: [10.0.0.0/8, Storage, Internet]")),
          "5:46: error: rule 'a' of 'g' has two service tags as source: one is allowed (G-12)\n");
}

#define ASGS "applicationSecurityGroups: [{name: web}, {name: db}]\n"
#define TWO                                                                                                  \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.0.0/24}]}\n"      \
    "  - {name: w, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.0.0/24}]}\n"

/* G-13 */
Test(check, application_security_groups)
{
    FINE(ASGS TWO "networkInterfaces: [{name: a, subnet: v/s, applicationSecurityGroups: [web]}, {name: b, "
                  "subnet: w/s, "
                  "applicationSecurityGroups: [db]}]\n");
    FINDS(ASGS TWO "networkInterfaces:\n  - {name: a, subnet: v/s, applicationSecurityGroups: [web, db]}\n"
                   "  - {name: b, subnet: w/s, applicationSecurityGroups: [db]}\n",
          "8:56: error: application security group 'db' has members in two virtual networks: 'a' in 'v', 'b' "
          "in 'w' (G-13)\n");
    FINDS(ASGS TWO "networkInterfaces:\n  - {name: a, subnet: v/s, applicationSecurityGroups: [web]}\n"
                   "  - {name: b, subnet: w/s, applicationSecurityGroups: [db]}\n" NSG(
                       RULE("x", "100", "Inbound",
                            ", sourceApplicationSecurityGroups: [web], destinationApplicationSecurityGroups: "
                            "[db]")),
          "11:1: error: rule 'x' of 'g' joins application security groups of two virtual networks: 'web' in "
          "'v', 'db' in 'w' "
          "(G-13)\n");
}

#define ROUTES(list) "routeTables:\n  - {name: rt, routes: [\n" list "]}\n"

/* */
Test(check, routes)
{
    FINE(ROUTES(
        "{name: a, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.9.4},\n"
        "{name: b, addressPrefix: 10.0.0.0/8, nextHopType: None},\n{name: c, addressPrefix: 10.0.0.0/16, "
        "nextHopType: "
        "VnetLocal},\n{name: d, addressPrefix: Storage, nextHopType: Internet},\n{name: e, addressPrefix: "
        "Storage.WestEurope, nextHopType: VirtualNetworkGateway}"));
    FINDS(ROUTES("{name: a, addressPrefix: 10.0.0.0/8, nextHopType: None},\n{name: b, addressPrefix: "
                 "10.0.0.0/8, nextHopType: "
                 "Internet},\n{name: c, addressPrefix: Storage, nextHopType: None},\n{name: d, "
                 "addressPrefix: storage, "
                 "nextHopType: None}"),
          "5:26: error: 10.0.0.0/8 of route 'b' of 'rt' has route 'a' already (R-28)\n"
          "7:26: error: storage of route 'd' of 'rt' has route 'c' already (R-28)\n");
    FINDS(ROUTES("{name: a, addressPrefix: Storagee, nextHopType: None}"),
          "4:26: error: unknown service tag 'Storagee' in route 'a' of 'rt'; did you mean 'Storage'?\n");
    FINDS(ROUTES("{name: a, addressPrefix: Storage.BrazilSouth, nextHopType: None}"),
          "4:26: error: service tag 'Storage.BrazilSouth' in route 'a' of 'rt' is not in the built-in "
          "subset; 'serviceTags' "
          "names Azure's whole file\n");
    FINDS(ROUTES("{name: a, addressPrefix: AzurePlatformDNS, nextHopType: None}"),
          "4:26: error: service tag 'AzurePlatformDNS' in route 'a' of 'rt': it works in security rules only "
          "(R-21)\n");
    FINDS(ROUTES("{name: a, addressPrefix: VirtualNetwork, nextHopType: None}"),
          "4:26: error: service tag 'VirtualNetwork' in route 'a' of 'rt': it works in security rules only "
          "(R-21)\n");
    FINDS(
        ROUTES("{name: a, addressPrefix: 168.63.129.16/32, nextHopType: None}"),
        "4:26: warning: route 'a' of 'rt' has no effect: the platform's addresses cannot be routed (R-26)\n");
}

/* -- services -------------------------------------------------------------------------------------------- */

#define ACLS(type, rules)                                                                                    \
    "services:\n  - {name: x, type: " type ", networkAcls: {defaultAction: Deny, ipRules: [" rules "]}}\n"

/* SE-14 */
Test(check, ip_rules)
{
    FINE(ACLS("Microsoft.Storage/storageAccounts", "203.0.113.0/30, 203.0.113.9"));
    FINE(ACLS("Microsoft.KeyVault/vaults", "203.0.113.9/32"));
    FINDS(ACLS("Microsoft.Storage/storageAccounts", "203.0.113.9/32, 203.0.113.0/31, 10.0.0.0/8"),
          "3:101: error: ipRules of 'x': a storage account takes no /31 and /32; write 203.0.113.9 (SE-14)\n"
          "3:117: error: ipRules of 'x': a storage account takes no /31 and /32; write the two addresses "
          "(SE-14)\n"
          "3:133: error: ipRules of 'x': 10.0.0.0/8 is not public, and the firewall sees public addresses "
          "only (SE-14)\n");
    FINDS("services: [{name: x, type: X/y, networkAcls: {defaultAction: Deny, bypass: [AzureServices, "
          "Everyone]}}]\n",
          "2:92: error: unknown bypass 'Everyone' of 'x': it is AzureServices, Logging, Metrics or None\n");
}

/* Y-13: an address that no service-endpoint row covers. */
Test(check, covered_address)
{
    FINE("location: westeurope\nservices: [{name: a, type: Microsoft.Storage/storageAccounts}, {name: b, "
         "type: X/y, "
         "publicIPAddress: 1.2.3.4}]\n");
    FINDS("location: westeurope\nservices: [{name: a, type: Microsoft.Storage/storageAccounts, "
          "publicIPAddress: 1.2.3.4}]\n",
          "3:80: warning: 1.2.3.4 of 'a' is not in service tag Storage of region 'westeurope': no row of a "
          "Microsoft.Storage "
          "service endpoint covers it (Y-13)\n");
}

#define ENDPOINT(type, pe)                                                                                   \
    "virtualNetworks: [{name: v, location: westeurope, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, " \
    "addressPrefix: 10.0.1.0/24}]}]\nservices: [{name: x, type: " type ", location: northeurope}]\n"         \
    "privateEndpoints:\n  - {name: pe, subnet: v/s, service: x, " pe "}\n"

/* */
Test(check, endpoint_regions)
{
    FINE(ENDPOINT("Microsoft.KeyVault/vaults", "location: West Europe"));
    FINE("location: eastus\n" ENDPOINT("Microsoft.KeyVault/vaults", "groupIds: [vault]"));
    FINDS(ENDPOINT("Microsoft.KeyVault/vaults", "location: northeurope"),
          "5:51: error: private endpoint 'pe' is in northeurope and its network 'v' in westeurope: it must "
          "be the same region "
          "(A-14)\n");
    FINDS(ENDPOINT("Microsoft.RecoveryServices/vaults", "groupIds: [AzureBackup]"),
          "5:38: error: private endpoint 'pe': the Backup vault 'x' is in northeurope and the network in "
          "westeurope: it must "
          "be the same region (A-14)\n");
}

/* */
Test(check, group_ids)
{
    FINE(ENDPOINT("Microsoft.Storage/storageAccounts", "groupIds: [Blob]"));
    FINE(ENDPOINT("Contoso.Things/things", "groupIds: [whatever]"));
    FINE(ENDPOINT("Contoso.Things/things", "manualRequest: true"));
    FINDS(ENDPOINT("Microsoft.Storage/storageAccounts", "groupIds: [blobb]"),
          "5:52: error: unknown groupId 'blobb' for 'x'; did you mean 'blob'? (A-16)\n");
    FINDS(ENDPOINT("Microsoft.KeyVault/vaults", "groupIds: [registry]"),
          "5:52: error: unknown groupId 'registry' for 'x'; Microsoft.KeyVault/vaults has vault (A-16)\n");
    FINDS(ENDPOINT("Microsoft.Storage/storageAccounts", "groupIds: [blob, file]"),
          "5:58: error: private endpoint 'pe' has 2 groupIds: each sub-resource needs an endpoint of its own "
          "(A-15)\n");
    FINE(ENDPOINT("Microsoft.DBforPostgreSQL/servers", "groupIds: []"));
    FINDS(ENDPOINT("Microsoft.Storage/storageAccounts", "manualRequest: true"),
          "5:5: error: private endpoint 'pe' needs a groupId for 'x': one of blob, blob_secondary, table, "
          "table_secondary, queue, "
          "queue_secondary, file, file_secondary, web, web_secondary, dfs, dfs_secondary (A-16)\n");
}

/* N-09 */
Test(check, zone_groups)
{
#define ZONES                                                                                                \
    "privateDnsZones: [{name: privatelink.blob.core.windows.net}, {name: "                                   \
    "privatelink.vaultcore.azure.net}]\n"
    FINE(ENDPOINT("Microsoft.KeyVault/vaults", "privateDnsZoneGroup: [privatelink.vaultcore.azure.net]")
             ZONES);
    FINDS(ENDPOINT("Microsoft.KeyVault/vaults", "privateDnsZoneGroup: [privatelink.blob.core.windows.net]")
              ZONES,
          "5:63: warning: zone 'privatelink.blob.core.windows.net' holds no name of 'x' (vault); its zone is "
          "privatelink.vaultcore.azure.net: the zone group writes nothing there (N-09)\n");
}

#define POLICY(switches, policy)                                                                             \
    switches                                                                                                 \
        "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [\n{name: s, "                 \
        "addressPrefix: 10.0.1.0/24, privateEndpointNetworkPolicies: " policy "}]}]\n"                       \
        "services: [{name: x, type: Microsoft.KeyVault/vaults}]\nprivateEndpoints: [{name: pe, subnet: "     \
        "v/s, service: x}]\n"

/* PE-07: in 2021 the subnet's policies had to be disabled. */
Test(check, policies_of_2021)
{
    FINE(POLICY("", "Enabled"));
    FINE(POLICY("switches: {privateEndpointPolicies: 2021}\n", "Disabled"));
    FINDS(POLICY("switches: {privateEndpointPolicies: 2021}\n", "Enabled"),
          "4:71: error: privateEndpointNetworkPolicies of 'v/s' must be Disabled: private endpoint 'pe' is "
          "there, and the "
          "switch privateEndpointPolicies is 2021 (PE-07)\n");
}

/* SE-04 */
Test(check, service_endpoints)
{
#define SE(list) VNET("10.0.0.0/16", "{name: s, addressPrefix: 10.0.1.0/24, serviceEndpoints: [\n" list "]}")
    FINE(SE("{service: Microsoft.Storage},\n{service: Microsoft.KeyVault}"));
    FINDS(SE("{service: Microsoft.Storag},\n{service: Contoso.Things}"),
          "5:1: error: unknown service 'Microsoft.Storag' in serviceEndpoints of 'v/s'; did you mean "
          "'Microsoft.Storage'? "
          "(SE-04)\n6:1: error: unknown service 'Contoso.Things' in serviceEndpoints of 'v/s' (SE-04)\n");
}

/* -- names ----------------------------------------------------------------------------------------------- */

Test(check, public_names)
{
    FINDS(
        "services:\n  - {name: a, type: Microsoft.Storage/storageAccounts}\n  - {name: b, type: X/y, fqdns: "
        "[A.blob.core.windows.net, 'not a name', -]}\n",
        "4:5: error: the name a.blob.core.windows.net of 'b' belongs to 'a' already\n"
        "4:59: error: 'not a name' in fqdns of 'b' is not a DNS name\n");
    FINDS("internetHosts: [{name: h, ipAddress: 8.8.8.8, names: [www..org, ok.example.org, 'a b.org']}]\n",
          "2:55: error: 'www..org' in names of 'h' is not a DNS name\n"
          "2:81: error: 'a b.org' in names of 'h' is not a DNS name\n");
}

#define LINKS(zones) VNET("10.0.0.0/16", "") "privateDnsZones:\n" zones

/* N-15, N-05, N-13 */
Test(check, zone_links)
{
    FINE(
        LINKS("  - {name: a.example, virtualNetworkLinks: [{virtualNetwork: v, registrationEnabled: true}]}\n"
              "  - {name: b.example, virtualNetworkLinks: [{virtualNetwork: v}]}\n"
              "  - {name: c, zoneName: b.example}\n"));
    FINDS(LINKS("  - {name: a.example, virtualNetworkLinks: [{virtualNetwork: v}]}\n"
                "  - {name: b, zoneName: A.example, virtualNetworkLinks: [{virtualNetwork: v}]}\n"),
          "7:58: error: virtual network 'v' is linked to a zone 'a.example' already (zone resource "
          "'a.example') (N-15)\n");
    FINDS(
        LINKS(
            "  - {name: a.example, virtualNetworkLinks: [{virtualNetwork: v, registrationEnabled: true}]}\n"
            "  - {name: b.example, virtualNetworkLinks: [{virtualNetwork: v, registrationEnabled: true}]}\n"),
        "7:45: error: virtual network 'v' registers in zone 'a.example' already: one is allowed (N-15)\n");
    FINE(LINKS("  - {name: privatelink.a.example, virtualNetworkLinks: [{virtualNetwork: v, "
               "resolutionPolicy: NxDomainRedirect}]}\n"));
    FINDS(LINKS("  - {name: a.example, virtualNetworkLinks: [{virtualNetwork: v, resolutionPolicy: "
                "NxDomainRedirect}]}\n"),
          "6:45: warning: NxDomainRedirect has no effect in zone 'a.example': it is for privatelink zones "
          "(N-05)\n");
    FINE(LINKS("  - {name: blob.core.windows.net}\n"));
    FINDS(LINKS("  - {name: blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: v}]}\n"),
          "6:5: warning: zone 'blob.core.windows.net' hides the public names of every resource of Azure "
          "Storage, Azure Data Lake "
          "Storage Gen2 from the linked networks; the zone for private endpoints is "
          "'privatelink.blob.core.windows.net' (N-13)\n");
}

#define RECORDS(list) "privateDnsZones:\n  - {name: a.example, records: [\n" list "]}\n"

Test(check, records)
{
    FINE(RECORDS(
        "{name: '@', type: A, values: [10.0.0.1]}, {name: '*', type: TXT, values: [x]}, {name: w, type: "
        "CNAME, values: "
        "[x.y.]},\n{name: a, type: A, values: [10.0.0.1]}, {name: a, type: AAAA, values: ['fd00::1']}"));
    FINDS(
        RECORDS("{name: b, type: A, values: [10.0.0.1]},\n{name: b, type: CNAME, values: [x.y]},\n"
                "{name: 'x y', type: A, values: [10.0.0.1]},\n{name: '@', type: CNAME, values: ['z y']},\n"
                "{name: s, type: AAAA, values: [10.0.0.1]},\n{name: a.*, type: A, values: [10.0.0.1]}"),
        "5:1: error: record 'b' in zone 'a.example': a CNAME cannot stand beside other records\n"
        "6:8: error: 'x y' in zone 'a.example' is not a record name: labels relative to the zone, @ or *\n"
        "7:1: error: record '@' in zone 'a.example' cannot be a CNAME\n"
        "7:35: error: 'z y' of record '@' in zone 'a.example' is not a DNS name\n"
        "8:32: error: '10.0.0.1' of record 's' in zone 'a.example' is not an IPv6 address\n"
        "9:8: error: 'a.*' in zone 'a.example' is not a record name: labels relative to the zone, @ or *\n");
    FINDS("privateDnsZones:\n  - {name: ok, zoneName: a..b}\n  - {name: 'a b'}\n",
          "3:26: error: 'a..b' is not a DNS name\n4:12: error: 'a b' is not a DNS name\n");
}

/* PE-22 */
Test(check, private_link_service_policies)
{
#define PLS(policy)                                                                                          \
    VNET("10.0.0.0/16",                                                                                      \
         "{name: s, addressPrefix: 10.0.1.0/24, privateLinkServiceNetworkPolicies: " policy "}")             \
    "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, subnet: v/s}]}]\n"                     \
    "privateLinkServices: [{name: p, loadBalancerFrontend: lb/fe, subnet: v/s}]\n"
    FINE(PLS("Disabled"));
    FINDS(
        PLS("Enabled"),
        "4:74: error: privateLinkServiceNetworkPolicies of 'v/s' must be Disabled: private link service 'p' "
        "has its NAT addresses there (PE-22)\n");
}

/* -- limits ---------------------------------------------------------------------------------------------- */

/* => head, n items and tail; in an item, # is its number and @ the same from 1000 on. To be freed. */
static char *many(const char *head, int n, const char *item, const char *tail)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    fputs(head, f);
    for (int i = 0; i < n; i++)
        for (const char *p = item; *p; p++)
            if (*p == '#' || *p == '@')
                fprintf(f, "%d", *p == '#' ? i : 1000 + i);
            else
                fputc(*p, f);
    fputs(tail, f);
    fclose(f);
    return text;
}

static void limit(const char *head, int n, const char *item, const char *tail, const char *want, int line)
{
    char *under = many(head, n, item, tail), *above = many(head, n + 1, item, tail);
    expect(under, "", line);
    expect(above, want, line);
    free(under);
    free(above);
}

#define LIMIT(head, n, item, tail, want) limit(head, n, item, tail, want, __LINE__)

/* One limit of each way of counting: exactly the published number is fine, one more is a warning. */
Test(check, limits)
{
    LIMIT("networkSecurityGroups:\n  - name: g\n    securityRules:\n", 1000,
          "      - {name: r#, priority: @, direction: Inbound, access: Allow, protocol: Tcp}\n", "",
          "5:7: warning: network security group 'g' has 1001 security rules; the published limit is 1000 "
          "(L-03)\n");
    LIMIT("services: [{name: a, type: Microsoft.Storage/storageAccounts, networkAcls: {defaultAction: Deny, "
          "ipRules: [",
          100, "203.0.113.#, ", "]}}]\n",
          "2:76: warning: service 'a' has 101 ipRules; the published limit is 100 (L-10)\n");
    LIMIT("virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: "
          "10.0.1.0/24}]}]\n"
          "services: [{name: reg, type: Microsoft.ContainerRegistry/registries}]\nprivateEndpoints: [",
          10, "{name: p#, subnet: v/s, service: reg}, ", "]\n",
          "3:12: warning: service 'reg' has 11 private endpoints; the published limit is 10 (L-09)\n");
    LIMIT("natGateways: [{name: n, publicIPAddresses: [", 16, "p#, ",
          "]}]\npublicIPAddresses: [{name: p0}, {name: p1}, {name: p2}, {name: p3}, {name: p4}, {name: p5}, "
          "{name: p6}, {name: "
          "p7}, {name: p8}, {name: p9}, {name: p10}, {name: p11}, {name: p12}, {name: p13}, {name: p14}, "
          "{name: p15}, {name: p16}]\n",
          "2:15: warning: NAT gateway 'n' has 17 public IP addresses; the published limit is 16 (O-02)\n");
    LIMIT("subscription: sub-a\nlocation: westeurope\nrouteTables:\n", 200, "  - {name: rt#}\n", "",
          "205:5: warning: there are more than 200 route tables in a subscription and region ('sub-a, "
          "westeurope'), the "
          "published limit (L-01)\n");
}

/* L-02 */
Test(check, tag_routes)
{
    static const char *const tag[] = {"Storage",    "Sql",      "AzureKeyVault", "AzureCosmosDB",
                                      "ServiceBus", "EventHub", "AppService",    "AzureContainerRegistry",
                                      "AzureCloud"};
    static const char *const region[] = {"westeurope", "northeurope", "eastus"};
    struct arena *a = arena_new("tags");
    const char *text = "routeTables: [{name: rt, routes: [";
    struct tagset *set = tagset_builtin(a);
    size_t n = 0;
    for (size_t i = 0; i < 9; i++)
        for (size_t k = 0; k < 3 && n < 26; k++)
            if (tagset_regional(set, tag[i], region[k])) {
                text = arena_printf(a, "%s{name: r%zu, addressPrefix: %s.%s, nextHopType: None}, ", text, n,
                                    tag[i], region[k]);
                if (++n == 25)
                    expect(arena_printf(a, "%s]}]\n", text), "", __LINE__);
            }
    cr_assert_eq(n, 26);
    expect(arena_printf(a, "%s]}]\n", text),
           "2:34: warning: route table 'rt' has 26 routes by service tag; the published limit is 25 (L-02)\n",
           __LINE__);
    arena_free(a);
}

Test(limits, one_flow_log_a_resource)
{
    struct loaded l = load_checked("virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16]}]\n"
                                   "networkSecurityGroups: [{name: g}]\n"
                                   "flowLogs:\n"
                                   "  - {name: a, target: g, version: 1}\n"
                                   "  - {name: b, target: v}\n"
                                   "  - {name: c, target: G}\n");
    cr_expect_str_eq(loaded_findings(&l), "7:5: warning: flow log 'c': Azure keeps one log of 'G', which 'a' is\n");
    loaded_free(&l);
}

#define BALANCER(kind, frontend, rest)                                                                       \
    NICS("  - {name: a, subnet: v/s}\n  - {name: b, subnet: v/s}\n")                                         \
    "publicIPAddresses: [{name: pip}]\n"                                                                     \
    "loadBalancers:\n"                                                                                       \
    "  - name: lb\n"                                                                                         \
    "    sku: " kind "\n"                                                                                    \
    "    frontendIPConfigurations: [{name: fe, " frontend "}]\n"                                             \
    "    backendAddressPools: [{name: p, networkInterfaces: [a, b]}]\n" rest
#define BALANCING(rules) "    loadBalancingRules: [" rules "]\n"
#define BALANCE(name, proto, from)                                                                           \
    "{name: " name ", frontendIPConfiguration: fe, backendAddressPool: p, protocol: " proto                  \
    ", frontendPort: " from ", backendPort: " from "}"
#define OUTBOUND(ports)                                                                                      \
    "    outboundRules: [{name: o, frontendIPConfiguration: fe, backendAddressPool: p, "                     \
    "allocatedOutboundPorts: " ports "}]\n"

/* B-02, O-05 */
Test(check, load_balancers)
{
    FINE(BALANCER("Standard", "subnet: v/t", BALANCING(BALANCE("x", "All", "0"))));
    FINE(BALANCER("Basic", "subnet: v/t",
                  BALANCING(BALANCE("x", "Tcp", "80") ", " BALANCE("y", "Udp", "80"))));
    FINDS(BALANCER("Basic", "subnet: v/t", BALANCING(BALANCE("x", "All", "0"))),
          "14:98: error: rule 'x' of 'lb' for all ports needs an internal frontend of a Standard load balancer "
          "(B-02)\n");
    FINDS(BALANCER("Standard", "publicIPAddress: pip", BALANCING(BALANCE("x", "All", "0"))),
          "14:98: error: rule 'x' of 'lb' for all ports needs an internal frontend of a Standard load balancer "
          "(B-02)\n");
    FINDS(BALANCER("Standard", "subnet: v/t",
                   BALANCING(BALANCE("x", "Tcp", "80") ", " BALANCE("y", "Tcp", "80"))),
          "14:230: error: frontend port of rule 'y' of 'lb' belongs to rule 'x' already\n");
    FINE(BALANCER("Standard", "publicIPAddress: pip", OUTBOUND("32000")));
    FINDS(BALANCER("Standard", "publicIPAddress: pip", OUTBOUND("32008")),
          "14:107: error: outbound rule 'o' of 'lb' promises 64016 ports to its 2 machines, the frontend has 64000 "
          "(O-05)\n");
    FINDS(BALANCER("Standard", "publicIPAddress: pip", OUTBOUND("32000") BALANCING(BALANCE("x", "Tcp", "80"))),
          "14:107: error: outbound rule 'o' of 'lb' promises 64000 ports to its 2 machines, the frontend has 63992 "
          "(O-05)\n");
    FINDS(BALANCER("Standard", "subnet: v/t", OUTBOUND("8")),
          "14:56: error: outbound rule 'o' of 'lb' needs a public frontend of a Standard load balancer (O-05)\n");
}

Test(check, members_of_a_pool)
{
    FINDS("virtualNetworks:\n"
          "  - {name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}\n"
          "  - {name: w, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24}]}\n"
          "networkInterfaces: [{name: a, subnet: v/s}, {name: b, subnet: w/s}]\n"
          "loadBalancers:\n"
          "  - {name: lb, backendAddressPools: [{name: p, networkInterfaces: [a, b]}]}\n",
          "7:71: error: 'b' of pool 'lb/p' is in network 'w', the pool serves 'v'\n");
}
