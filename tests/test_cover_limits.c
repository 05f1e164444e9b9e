/* test_cover_limits.c - every published limit of the rules L-01 to L-14 that a scenario can reach in a test: the number
 * itself is fine, one more is a warning. One test per rule; test_check_services.c shows the texts. */
#include "tests/support_model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often the findings of a text cite a rule; all findings must. */
static size_t cited(const char *text, const char *rule, int line)
{
    struct loaded l = load_checked(text);
    const char *found = loaded_findings(&l);
    size_t lines = 0, n = 0;
    cr_assert_not_null(l.m, "line %d\n%s", line, found);
    for (const char *p = found; *p; p = strchr(p, '\n') + 1)
        lines++;
    for (const char *p = found; (p = strstr(p, rule)); p++)
        n++;
    cr_assert_eq(n, lines, "line %d: other findings\n%s", line, found);
    loaded_free(&l);
    return n;
}

static void limit(const char *rule, const char *before, size_t n, const char *item, const char *after, int line)
{
    char *under = text_many(before, n, item, after), *above = text_many(before, n + 1, item, after);
    cr_expect_eq(cited(under, rule, line), 0, "line %d: %zu are fine", line, n);
    cr_expect_eq(cited(above, rule, line), 1, "line %d: %zu are too many", line, n + 1);
    free(under);
    free(above);
}

#define LIMIT(rule, before, n, item, after) limit("(" rule ")", before, n, item, after, __LINE__)
#define NET                                                                                                  \
    "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/8], subnets: [{name: s, addressPrefix: 10.0.0.0/8}]}]\n"

Test(cover_limits, L01_routes_of_a_table)
{
    LIMIT("L-01", "routeTables: [{name: t, routes: [", 400, "{name: r#, addressPrefix: %/32, nextHopType: None}, ", "]}]\n");
}

Test(cover_limits, L03_groups_of_a_subscription)
{
    LIMIT("L-03", "subscription: sub-a\nnetworkSecurityGroups:\n", 5000, "  - {name: g#}\n", "");
}

Test(cover_limits, L04_addresses_of_a_field)
{
    LIMIT("L-04", "networkSecurityGroups: [{name: g, securityRules: [{name: r, priority: 100, direction: Inbound, access: Allow, "
                  "protocol: Tcp, sourceAddressPrefixes: [", 4000, "%/32, ", "]}]}]\n");
}

Test(cover_limits, L05_application_security_groups)
{
#define ASGS(n) "applicationSecurityGroups: [" n "]\n"
    char *groups = text_many("applicationSecurityGroups: [", 101, "{name: a#}, ", "]\n");
    char head[8192];
    snprintf(head, sizeof head, "%s" NET "networkInterfaces: [{name: n, subnet: v/s, applicationSecurityGroups: [", groups);
    LIMIT("L-05", head, 20, "a#, ", "]}]\n");
    snprintf(head, sizeof head, "%snetworkSecurityGroups: [{name: g, securityRules: [{name: r, priority: 100, direction: Inbound, "
             "access: Allow, protocol: Tcp, sourceApplicationSecurityGroups: [", groups);
    LIMIT("L-05", head, 10, "a#, ", "]}]}]\n");
    snprintf(head, sizeof head, "%snetworkSecurityGroups:\n  - name: g\n    securityRules:\n", groups);
    LIMIT("L-05", head, 100, "      - {name: r#, priority: @, direction: Inbound, access: Allow, protocol: Tcp, "
                             "sourceApplicationSecurityGroups: [a#]}\n", "");
    free(groups);
    LIMIT("L-05", ASGS("{name: a}") NET "networkInterfaces:\n", 4000,
          "  - {name: n#, subnet: v/s, applicationSecurityGroups: [a]}\n", "");
    LIMIT("L-05", ASGS("{name: a}") NET "services: [{name: x, type: Contoso.Things/things}]\nprivateEndpoints:\n", 50,
          "  - {name: p#, subnet: v/s, service: x, groupIds: [g], applicationSecurityGroups: [a]}\n", "");
}

Test(cover_limits, L06_networks)
{
    LIMIT("L-06", "subscription: sub-a\nvirtualNetworks:\n", 1000, "  - {name: v#, addressPrefixes: [10.0.0.0/16], subnets: []}\n", "");
    LIMIT("L-06", "virtualNetworks:\n  - name: v\n    addressPrefixes: [10.0.0.0/8]\n    dnsServers: [", 20, "%, ", "]\n    subnets: []\n");
    LIMIT("L-06", NET "networkInterfaces:\n", 65536, "  - {name: n#, subnet: v/s}\n", "");
}

Test(cover_limits, L06_subnets)
{
    LIMIT("L-06", "virtualNetworks:\n  - name: v\n    addressPrefixes: [10.0.0.0/8]\n    subnets:\n", 3000,
          "      - {name: s#, addressPrefix: ^}\n", "");
}

Test(cover_limits, L06_peerings)
{
    char *links = text_many("virtualNetworks:\n  - name: v\n    addressPrefixes: [192.168.0.0/16]\n    subnets: []\n"
                            "    virtualNetworkPeerings:\n", 500, "      - {remoteVirtualNetwork: p#}\n", "");
    static const char peer[] =
        "  - {name: p#, addressPrefixes: [^], subnets: [], virtualNetworkPeerings: [{remoteVirtualNetwork: v}]}\n";
    char *full = text_many(links, 500, peer, "");
    cr_expect_eq(cited(full, "(L-06)", __LINE__), 0);
    free(full);
    char *more = text_many(links, 1, "      - {remoteVirtualNetwork: p500}\n", "");
    full = text_many(more, 501, peer, "");
    cr_expect_eq(cited(full, "(L-06)", __LINE__), 1);
    free(links), free(more), free(full);
}

#define HIGH                                                                                                 \
    "virtualNetworks: [{name: v, privateEndpointVNetPolicies: Basic, addressPrefixes: [10.0.0.0/8], subnets: "  \
    "[{name: s, addressPrefix: 10.0.0.0/8, privateEndpointNetworkPolicies: Enabled}]}]\n"
#define THING "services: [{name: x, type: Contoso.Things/things}]\nprivateEndpoints:\n"
#define PE    "  - {name: p#, subnet: v/s, service: x, groupIds: [g]}\n"

Test(cover_limits, L07_private_endpoints)
{
    LIMIT("L-07", NET THING, 1000, PE, "");
    LIMIT("L-07", HIGH THING, 5000, PE, "");
}

/* 4,000 in a network of peers none of which is full. */
Test(cover_limits, L07_private_endpoints_of_peers)
{
    static const char head[] =
        "virtualNetworks:\n"
        "  - {name: v, addressPrefixes: [10.0.0.0/9], subnets: [{name: s, addressPrefix: 10.0.0.0/9}], virtualNetworkPeerings:\n"
        "     [{remoteVirtualNetwork: a}, {remoteVirtualNetwork: b}, {remoteVirtualNetwork: c}]}\n"
        "  - {name: a, addressPrefixes: [172.16.0.0/16], subnets: [{name: s, addressPrefix: 172.16.0.0/16}],\n"
        "     virtualNetworkPeerings: [{remoteVirtualNetwork: v}]}\n"
        "  - {name: b, addressPrefixes: [172.17.0.0/16], subnets: [{name: s, addressPrefix: 172.17.0.0/16}],\n"
        "     virtualNetworkPeerings: [{remoteVirtualNetwork: v}]}\n"
        "  - {name: c, addressPrefixes: [172.18.0.0/16], subnets: [{name: s, addressPrefix: 172.18.0.0/16}],\n"
        "     virtualNetworkPeerings: [{remoteVirtualNetwork: v}]}\n" THING;
    char *a = text_many(head, 1000, "  - {name: a#, subnet: a/s, service: x, groupIds: [g]}\n", "");
    char *b = text_many(a, 1000, "  - {name: b#, subnet: b/s, service: x, groupIds: [g]}\n", "");
    char *c = text_many(b, 999, "  - {name: c#, subnet: c/s, service: x, groupIds: [g]}\n", "");
    char *full = text_many(c, 1, "  - {name: last, subnet: c/s, service: x, groupIds: [g]}\n", "");
    char *all = text_many(c, 1000, PE, ""), *more = text_many(full, 1000, PE, "");
    cr_expect_eq(cited(all, "(L-07)", __LINE__), 0);
    cr_expect_eq(cited(more, "(L-07)", __LINE__), 0, "4,000 with all peers");
    free(all);
    all = text_many(full, 1001, PE, "");
    cr_expect_eq(cited(all, "(L-07)", __LINE__), 2, "1,001 in the network, and 4,001 with its peers");
    free(a), free(b), free(c), free(full), free(all), free(more);
}

/* per networks of so many endpoints each: v0, v1, ...; peered with v0 where they are high-scale. */
static char *crowd(unsigned networks, unsigned per, bool high, unsigned more)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    fputs("virtualNetworks:\n", f);
    for (unsigned v = 0; v < networks; v++) {
        fprintf(f,
                "  - {name: v%u, addressPrefixes: [10.%u.0.0/16], subnets: [{name: s, addressPrefix: 10.%u.0.0/16%s}]%s",
                v, v, v, high ? ", privateEndpointNetworkPolicies: Enabled" : "",
                high ? ", privateEndpointVNetPolicies: Basic" : "");
        for (unsigned k = 1; high && !v && k < networks; k++)
            fprintf(f, "%s{remoteVirtualNetwork: v%u}", k == 1 ? ", virtualNetworkPeerings: [" : ", ", k);
        fputs(high ? v ? ", virtualNetworkPeerings: [{remoteVirtualNetwork: v0}]}\n" : "]}\n" : "}\n", f);
    }
    fputs(THING, f);
    for (unsigned i = 0; i < networks * per + more; i++)
        fprintf(f, "  - {name: p%u, subnet: v%u/s, service: x, groupIds: [g]}\n", i, (i < networks * per ? i : i - 1) / per);
    fclose(f);
    return text;
}

/* 20,000 in a group of high-scale peers none of which is full. */
Test(cover_limits, L07_private_endpoints_of_high_scale_peers)
{
    char *full = crowd(5, 4000, true, 0), *more = crowd(5, 4000, true, 1);
    cr_expect_eq(cited(full, "(L-07)", __LINE__), 0);
    cr_expect_eq(cited(more, "(L-07)", __LINE__), 1, "20,001 around v0");
    free(full), free(more);
}

/* 64,000 in a subscription, in networks of 1,000 each. */
Test(cover_limits, L07_private_endpoints_of_a_subscription)
{
    char *full = crowd(64, 1000, false, 0), *more = crowd(65, 985, false, 0);
    cr_expect_eq(cited(full, "(L-07)", __LINE__), 0);
    cr_expect_eq(cited(more, "(L-07)", __LINE__), 1, "64,025");
    free(full), free(more);
}

#define LB "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, subnet: v/s}]}]\nprivateLinkServices:\n"

Test(cover_limits, L08_private_link_services)
{
    LIMIT("L-08", NET LB, 8, "  - {name: p#, loadBalancerFrontend: lb/fe, subnet: v/s}\n", "");
    LIMIT("L-08", NET LB "  - {name: p, loadBalancerFrontend: lb/fe, subnet: v/s, natIPs: [", 8, "10.0.1.#, ", "]}\n");
    LIMIT("L-08", NET LB "  - {name: p, loadBalancerFrontend: lb/fe, subnet: v/s, visibility: [", 100, "sub-#, ", "]}\n");
    LIMIT("L-08", NET LB "  - {name: p, loadBalancerFrontend: lb/fe, subnet: v/s, autoApproval: [", 100, "sub-#, ", "]}\n");
    LIMIT("L-08", HIGH LB "  - {name: p, loadBalancerFrontend: lb/fe, subnet: v/s}\nprivateEndpoints:\n", 1000,
          "  - {name: p#, subnet: v/s, service: p}\n", "");
}

#define ENDPOINTS(type) NET "services: [{name: x, type: " type "}]\nprivateEndpoints:\n"

Test(cover_limits, L09_endpoints_of_a_resource)
{
    LIMIT("L-09", ENDPOINTS("Microsoft.KeyVault/vaults"), 64, "  - {name: p#, subnet: v/s, service: x, groupIds: [vault]}\n", "");
    LIMIT("L-09", ENDPOINTS("Microsoft.ContainerRegistry/registries"), 10, "  - {name: p#, subnet: v/s, service: x, groupIds: [registry]}\n", "");
    LIMIT("L-09", ENDPOINTS("Microsoft.RecoveryServices/vaults"), 12, "  - {name: p#, subnet: v/s, service: x, groupIds: [AzureBackup]}\n", "");
    char *zones = text_many("privateDnsZones: [", 6, "{name: z#.example}, ", "]\n");
    char head[1024];
    snprintf(head, sizeof head, "%s" NET "services: [{name: x, type: Contoso.Things/things}]\nprivateEndpoints: [{name: p, "
             "subnet: v/s, service: x, groupIds: [g], privateDnsZoneGroup: [", zones);
    LIMIT("L-09", head, 5, "z#.example, ", "]}]\n");
    free(zones);
}

Test(cover_limits, L10_rules_of_a_resource)
{
    static const struct {
        const char *type;
        size_t n;
    } row[] = {{"Microsoft.Storage/storageAccounts", 100},          {"Microsoft.Sql/servers", 128},
               {"Microsoft.KeyVault/vaults", 200},                  {"Microsoft.DocumentDB/databaseAccounts", 64},
               {"Microsoft.EventHub/namespaces", 128},              {"Microsoft.ServiceBus/namespaces", 128}};
    char *net = text_many("virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/8], subnets: [\n", 201,
                          "  {name: s#, addressPrefix: 10.#.0.0/24},\n", "]}]\n");
    char *head = malloc(strlen(net) + 256);
    cr_assert_not_null(head);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        sprintf(head, "%sservices: [{name: x, type: %s, networkAcls: {defaultAction: Deny, virtualNetworkRules: [", net, row[i].type);
        LIMIT("L-10", head, row[i].n, "v/s#, ", "]}}]\n");
    }
    free(net);
    free(head);
    LIMIT("L-10", "services: [{name: x, type: Microsoft.KeyVault/vaults, networkAcls: {defaultAction: Deny, ipRules: [", 1000,
          "20.0.0.0/30, ", "]}}]\n");
}

/* L-11: as many as there are subnets and services. */
Test(cover_limits, L11_service_endpoints_are_not_limited)
{
    char *text = text_many("virtualNetworks:\n  - name: v\n    addressPrefixes: [10.0.0.0/8]\n    subnets:\n", 250,
                           "      - {name: s#, addressPrefix: 10.#.0.0/24, serviceEndpoints: [{service: Microsoft.Storage}, "
                           "{service: Microsoft.Sql}, {service: Microsoft.KeyVault}, {service: Microsoft.ServiceBus}, "
                           "{service: Microsoft.EventHub}, {service: Microsoft.AzureCosmosDB}, {service: Microsoft.Web}]}\n", "");
    cr_assert_eq(cited(text, "(L-", __LINE__), 0);
    free(text);
}

Test(cover_limits, L12_service_endpoint_policies)
{
    LIMIT("L-12", "subscription: sub-a\nserviceEndpointPolicies:\n", 500, "  - {name: p#}\n", "");
    char *policies = text_many("serviceEndpointPolicies:\n", 101, "  - {name: p#}\n", "");
    char *head = malloc(strlen(policies) + 256);
    cr_assert_not_null(head);
    sprintf(head, "%svirtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.0.0/24, "
            "serviceEndpointPolicies: [", policies);
    LIMIT("L-12", head, 100, "p#, ", "]}]}]\n");
    free(policies);
    free(head);
    char *services = text_many("services: [", 201, "{name: a#, type: Microsoft.Storage/storageAccounts}, ", "]\n");
    head = malloc(strlen(services) + 256);
    cr_assert_not_null(head);
    sprintf(head, "%slocation: westeurope\nserviceEndpointPolicies: [{name: p, definitions: [{service: Microsoft.Storage, "
            "serviceResources: [", services);
    LIMIT("L-12", head, 200, "a#, ", "]}]}]\n");
    free(services);
    free(head);
}

Test(cover_limits, L14_zones)
{
    LIMIT("L-14", "privateDnsZones:\n  - name: z.example\n    records:\n", 25000, "      - {name: r#, type: A, values: [10.0.0.4]}\n", "");
    char *nets = text_many("virtualNetworks:\n", 1001, "  - {name: v#, addressPrefixes: [10.0.0.0/16], subnets: [], subscription: s#}\n", "");
    char *head = malloc(strlen(nets) + 256);
    cr_assert_not_null(head);
    sprintf(head, "%sprivateDnsZones:\n  - name: z.example\n    virtualNetworkLinks:\n", nets);
    LIMIT("L-14", head, 1000, "      - {virtualNetwork: v#}\n", "");
    LIMIT("L-14", head, 100, "      - {virtualNetwork: v#, registrationEnabled: true}\n", "");
    free(nets);
    free(head);
}
