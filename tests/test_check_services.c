/* test_check_services.c - what the checks find in services, endpoints, names and load balancers, and beyond
 * the published limits. */
#include "dataplane/arena.h"
#include "tests/support_check.h"

#include <criterion/criterion.h>
#include <stdlib.h>

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

static void limit(const char *head, size_t n, const char *item, const char *tail, const char *want, int line)
{
    char *under = text_many(head, n, item, tail), *above = text_many(head, n + 1, item, tail);
    expect_findings(under, "", line);
    expect_findings(above, want, line);
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
                    expect_findings(arena_printf(a, "%s]}]\n", text), "", __LINE__);
            }
    cr_assert_eq(n, 26);
    expect_findings(arena_printf(a, "%s]}]\n", text),
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
