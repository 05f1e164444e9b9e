/* test_depends.c - results say which switch they depend on, and what would be otherwise (scenario contract,
 * section 6). */
#include "tests/support_story.h"

#include <criterion/criterion.h>
#include <string.h>

/* The switches that a flow depends on, in order: "name=value/other ..."; and a key of what is otherwise. */
static void depends(struct story *s, const char *flow, const char *want)
{
    char have[256] = "";
    json_t *all = NULL, *d;
    size_t i;
    for (i = 0; i < s->res->n_flows; i++)
        if (strcmp(json_string_value(json_object_get(s->res->flow[i], "name")), flow) == 0)
            all = s->res->flow[i];
    cr_assert(all, "%s", flow);
    json_array_foreach(json_object_get(all, "dependsOn"), i, d)
    {
        size_t n = strlen(have);
        snprintf(have + n, sizeof have - n, "%s%s=%s/%s", n ? " " : "",
                 json_string_value(json_object_get(d, "switch")),
                 json_string_value(json_object_get(d, "value")),
                 json_string_value(json_object_get(d, "other")));
    }
    cr_assert_str_eq(have, want, "%s: %s", flow, have);
}

static void otherwise(struct story *s, const char *flow, const char *want)
{
    const char *have = story_value(s, flow, "dependsOn");
    cr_assert(strstr(have, want), "%s: %s", flow, have);
}

static const char *const endpoint_world =
    "virtualNetworks:\n"
    "  - name: hub\n"
    "    addressPrefixes: [10.0.0.0/16]\n"
    "    subnets:\n"
    "      - {name: clients, addressPrefix: 10.0.1.0/24, routeTable: by-fw}\n"
    "      - {name: plain, addressPrefix: 10.0.4.0/24}\n"
    "      - {name: endpoints, addressPrefix: 10.0.2.0/24, privateEndpointNetworkPolicies: "
    "RouteTableEnabled}\n"
    "      - {name: firewall, addressPrefix: 10.0.9.0/24}\n"
    "networkInterfaces:\n"
    "  - {name: app, subnet: hub/clients, privateIPAddress: 10.0.1.4}\n"
    "  - {name: other, subnet: hub/plain, privateIPAddress: 10.0.4.4}\n"
    "  - {name: fw, subnet: hub/firewall, privateIPAddress: 10.0.9.4, enableIPForwarding: true, appliance: "
    "{forwards: true, stateful: false}}\n"
    "routeTables:\n"
    "  - name: by-fw\n"
    "    routes: [{name: pe, addressPrefix: 10.0.2.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: "
    "10.0.9.4}]\n"
    "services: [{name: vault, type: Microsoft.KeyVault/vaults, publicIPAddress: 20.38.108.10}]\n"
    "privateEndpoints:\n"
    "  - {name: pe, subnet: hub/endpoints, service: vault, groupIds: [vault]}\n"
    "flows:\n"
    "  - {name: inspected, from: app, to: pe, destinationPort: 443, expect: {verdict: delivered, via: "
    "[fw]}}\n"
    "  - {name: straight, from: other, to: pe, destinationPort: 443, expect: {verdict: delivered, notVia: "
    "[fw]}}\n";

Test(depends, return_path_and_policies_of_an_endpoint)
{
    struct story s = story_tell(endpoint_world);
    depends(&s, "inspected", "privateEndpointReturn=client/lastHop privateEndpointPolicies=current/2021");
    otherwise(&s, "inspected", "\"otherwise\":{\"returnPath\":[\"vault\",\"pe\",\"fw\",\"app\"]}");
    otherwise(&s, "inspected", "\"route\":\"10.0.2.4/32\"");
    depends(&s, "straight", "");
    story_end(&s);
}

Test(depends, service_endpoint_against_a_longer_user_route)
{
    struct story s = story_tell(
        "virtualNetworks:\n"
        "  - name: hub\n"
        "    addressPrefixes: [10.0.0.0/16]\n"
        "    subnets:\n"
        "      - {name: a, addressPrefix: 10.0.1.0/24, routeTable: pin, serviceEndpoints: [{service: "
        "Microsoft.Storage}]}\n"
        "      - {name: b, addressPrefix: 10.0.2.0/24, serviceEndpoints: [{service: Microsoft.Storage}]}\n"
        "networkInterfaces:\n"
        "  - {name: pinned, subnet: hub/a, privateIPAddress: 10.0.1.4}\n"
        "  - {name: free, subnet: hub/b, privateIPAddress: 10.0.2.4}\n"
        "routeTables: [{name: pin, routes: [{name: nowhere, addressPrefix: 20.38.108.10/32, nextHopType: "
        "None}]}]\n"
        "services: [{name: data, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}]\n"
        "flows:\n"
        "  - {name: pinned, from: pinned, to: data, destinationPort: 443, expect: {verdict: delivered}}\n"
        "  - {name: free, from: free, to: data, destinationPort: 443, expect: {verdict: delivered}}\n");
    depends(&s, "pinned", "seVsUdr=documented/observed");
    otherwise(&s, "pinned", "\"verdict\":\"dropped\",\"reason\":\"RouteNone\"");
    depends(&s, "free", "");
    story_end(&s);
}

/* 198.18.0.0/15 stands among the None rows by one reading only; 203.0.113.7 by neither. */
Test(depends, none_rows_by_either_reading)
{
    struct story s = story_tell(
        "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16],\n"
        "  subnets: [{name: a, addressPrefix: 10.0.1.0/24}]}]\n"
        "networkInterfaces: [{name: app, subnet: hub/a, privateIPAddress: 10.0.1.4}]\n"
        "internetHosts:\n"
        "  - {name: near, ipAddress: 25.4.0.7, listens: [tcp/443]}\n"
        "  - {name: web, ipAddress: 203.0.113.7, listens: [tcp/443]}\n"
        "flows:\n"
        "  - {name: near, from: app, to: near, destinationPort: 443, expect: {verdict: delivered}}\n"
        "  - {name: web, from: app, to: web, destinationPort: 443, expect: {verdict: delivered}}\n");
    depends(&s, "near", "noneRoutes=documented/observed");
    otherwise(&s, "near", "\"nextHopType\":\"None\"");
    depends(&s, "web", "");
    story_end(&s);
}

Test(depends, virtual_network_tag_with_user_routes)
{
    struct story s = story_tell(
        "virtualNetworks:\n"
        "  - name: hub\n"
        "    addressPrefixes: [10.0.0.0/16]\n"
        "    subnets:\n"
        "      - {name: a, addressPrefix: 10.0.1.0/24, routeTable: all, networkSecurityGroup: in-only}\n"
        "networkInterfaces: [{name: app, subnet: hub/a, privateIPAddress: 10.0.1.4, publicIPAddress: pip}]\n"
        "publicIPAddresses: [{name: pip, ipAddress: 20.50.1.4}]\n"
        "routeTables: [{name: all, routes: [{name: web, addressPrefix: 203.0.113.0/24, nextHopType: "
        "Internet}]}]\n"
        "networkSecurityGroups:\n"
        "  - name: in-only\n"
        "    securityRules:\n"
        "      - {name: inside, priority: 200, direction: Outbound, access: Allow, protocol: '*', "
        "destinationAddressPrefix: VirtualNetwork}\n"
        "      - {name: rest, priority: 300, direction: Outbound, access: Deny, protocol: '*'}\n"
        "internetHosts: [{name: web, ipAddress: 203.0.113.7, listens: [tcp/443]}]\n"
        "flows: [{name: web, from: app, to: web, destinationPort: 443, expect: {verdict: delivered, rule: "
        "inside}}]\n");
    depends(&s, "web", "virtualNetworkTagIncludesUdr=true/false");
    otherwise(&s, "web", "\"rule\":\"rest\"");
    story_end(&s);
}

static const char *const rule_change =
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16],\n"
    "  subnets: [{name: a, addressPrefix: 10.0.1.0/24, networkSecurityGroup: g}]}]\n"
    "networkSecurityGroups: [{name: g}]\n"
    "networkInterfaces:\n"
    "  - {name: app, subnet: hub/a, privateIPAddress: 10.0.1.4}\n"
    "  - {name: db, subnet: hub/a, privateIPAddress: 10.0.1.5, listens: [tcp/1433]}\n"
    "flows:\n"
    "  - {name: open, from: app, to: db, destinationPort: 1433, keepOpen: 10s, expect: {verdict: "
    "delivered}}\n"
    "  - {name: short, from: app, to: db, destinationPort: 1433, expect: {verdict: delivered}}\n"
    "timeline:\n"
    "  - {at: 5s, add: networkSecurityGroups/g/securityRules,\n"
    "     with: {name: no, priority: 100, direction: Outbound, access: Deny, protocol: '*', "
    "destinationPortRange: '1433'}}\n";

Test(depends, rules_that_change_under_a_flow)
{
    struct story s = story_tell(rule_change);
    depends(&s, "open", "ruleChangeKeepsFlows=true/false");
    depends(&s, "short", "");
    story_end(&s);
}

/* The run's own value is what the file says, and the other one is the default then. */
Test(depends, from_the_other_side)
{
    char text[4096];
    snprintf(text, sizeof text, "switches: {privateEndpointReturn: lastHop}\n%s", endpoint_world);
    struct story s = story_tell(text);
    depends(&s, "inspected", "privateEndpointReturn=lastHop/client privateEndpointPolicies=current/2021");
    otherwise(&s, "inspected", "\"returnPath\":[\"vault\",\"pe\",\"app\"]");
    story_end(&s);
}
