/* test_check.c - what the checks find in networks, addresses, rules and routes, with place and text, and what
 * they leave alone. Services, names and limits: test_check_services.c. */
#include "tests/support_check.h"

#include <criterion/criterion.h>

/* -- networks -------------------------------------------------------------------------------------------- */

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
#define HOLDS(prefixes, at, prefix, block)                                                                   \
    FINDS(VNET(prefixes, ""), "3:" at ": error: " prefix " of virtual network 'v' holds addresses of " block \
                              ", which no virtual network may have (A-03)\n")
    HOLDS("224.1.0.0/16", "33", "224.1.0.0/16", "224.0.0.0/4 (multicast)");
    HOLDS("10.0.0.0/16, 127.0.0.0/8", "46", "127.0.0.0/8", "127.0.0.0/8 (loopback)");
    HOLDS("169.254.7.0/24", "33", "169.254.7.0/24", "169.254.0.0/16 (link-local)");
    HOLDS("168.63.0.0/16", "33", "168.63.0.0/16", "168.63.129.16/32 (the platform's address)");
    HOLDS("255.255.255.0/24", "33", "255.255.255.0/24", "255.255.255.255/32 (broadcast)");
    HOLDS("0.0.0.0/0", "33", "0.0.0.0/0", "224.0.0.0/4 (multicast)");
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
