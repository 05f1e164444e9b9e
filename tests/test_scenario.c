/* test_scenario.c - scenarios: how texts are read, states over time, addresses that stay, includes. Every key,
 * and the printed form: test_scenario_print.c. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support_scenario.h"

/* -- readings -------------------------------------------------------------------------------------------- */

#define NET                                                                                                  \
    "scenario: x\nlocation: westeurope\n"                                                                    \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: hub, location: northeurope, addressPrefixes: [10.0.0.0/16],\n"                               \
    "     subnets: [{name: a, addressPrefix: 10.0.1.0/24}, {name: b, addressPrefix: 10.0.2.0/24}]}\n"

Test(scenario, texts_compare_without_case_quoted_or_not)
{
    struct scenario *s = sc_parse(
        NET "networkInterfaces:\n"
            "  - {name: 'N1', subnet: HUB/A, mtu: '1400', enableIPForwarding: 'TRUE', powerState: Running}\n"
            "routeTables: [{name: t, routes: [{name: r, addressPrefix: 10.0.0.0/8, nextHopType: none}]}]\n"
            "switches: {privateEndpointPolicies: '2021', ruleChangeKeepsFlows: False}\n"
            "flows: [{from: n1, to: 10.0.2.4, destinationPort: '80', protocol: TCP}]\n");
    const struct model *m = scenario_state(s, 0);
    const struct nic *n = model_nic(m, "n1");
    cr_assert(n->mtu == 1400 && n->enableIPForwarding && n->powerState == POWER_RUNNING);
    cr_assert_eq(n->subnet, model_subnet(m, "hub/a"));
    cr_assert_str_eq(n->location, "northeurope", "where its network is");
    cr_assert_eq(m->routeTables.at[0].routes.at[0].nextHopType, NH_TYPE_NONE);
    cr_assert(m->switches.privateEndpointPolicies2021 && !m->switches.ruleChangeKeepsFlows);
    char *text = sc_printed(s);
    cr_assert_not_null(strstr(text, "nextHopType: None"), "%s", text);
    cr_assert_not_null(strstr(text, "privateEndpointPolicies: 2021"), "%s", text);
    cr_assert_null(strstr(text, "Running"), "a default is left out in any spelling");
    free(text);
    scenario_free(s);
}

Test(scenario, nothing_given_takes_defaults)
{
    struct scenario *s = sc_parse("{\"scenario\": \"x\", \"virtualNetworks\": null, \"links\": ~}");
    const struct model *m = scenario_state(s, 0);
    cr_assert_eq(m->seed, 1);
    cr_assert_eq(m->start_unix_ns, 1767225600000000000);
    cr_assert_eq(m->duration, TIME_NONE);
    cr_assert_str_eq(m->location, "westeurope");
    cr_assert(m->switches.virtualNetworkTagIncludesUdr && m->switches.ruleChangeKeepsFlows &&
              !m->switches.seVsUdrObserved);
    const int64_t latency[] = {50000, 100000, 20000000, 500000, 10000000, 5000000, 200000};
    for (size_t i = 0; i < LINK_CLASS_COUNT; i++) {
        cr_assert_eq(m->links[i].latency, latency[i], "%zu", i);
        cr_assert(m->links[i].jitter == 0 && m->links[i].bandwidth >= 1000000000 && m->links[i].loss <= 0);
    }
    cr_assert_eq(scenario_state_at(s, 0), 0);
    scenario_free(s);
}

Test(scenario, bare_names_while_unique)
{
    struct scenario *s = sc_parse(
        NET
        "networkInterfaces:\n"
        "  - {name: first, virtualMachine: vm, subnet: hub/a}\n"
        "  - {name: second, virtualMachine: VM, subnet: hub/a}\n"
        "  - {name: third, virtualMachine: laptop, subnet: hub/a}\n"
        "  - {name: pc, virtualMachine: other, subnet: hub/a}\n"
        "onPremisesNetworks:\n"
        "  - {name: hq, addressPrefixes: [192.168.0.0/16], hosts: [{name: laptop, ipAddress: 192.168.0.4},\n"
        "     {name: printer, ipAddress: 192.168.0.5}, {name: pc, ipAddress: 192.168.0.6}]}\n");
    const struct model *m = scenario_state(s, 0);
    cr_assert_eq(model_find(m, "vm").p, model_nic(m, "first"), "a machine is its first interface");
    cr_assert_eq(model_find(m, "printer").kind, THING_ONPREM_HOST);
    cr_assert_str_eq(thing_name(model_find(m, "PRINTER")), "hq/printer");
    cr_assert_eq(model_find(m, "laptop").kind, THING_NONE);
    cr_assert(model_ambiguous(m, "laptop"));
    cr_assert_eq(model_find(m, "hq/laptop").kind, THING_ONPREM_HOST);
    cr_assert_eq(model_find(m, "pc").kind, THING_NIC, "a full name wins over a bare one");
    cr_assert_eq(model_find(m, "nobody").kind, THING_NONE);
    cr_assert(!model_ambiguous(m, "nobody"));
    cr_assert_str_eq(model_suggest(m, "secnod"), "second");
    scenario_free(s);
}

Test(scenario, approval_by_the_rules)
{
    struct scenario *s = sc_parse(
        NET
        "services:\n"
        "  - {name: mine, type: Microsoft.Storage/storageAccounts}\n"
        "  - {name: theirs, type: Microsoft.Storage/storageAccounts, subscription: sub-z}\n"
        "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, subnet: hub/b}]}]\n"
        "privateLinkServices:\n"
        "  - {name: closed, loadBalancerFrontend: lb/fe, subnet: hub/b, alias: a.b.c}\n"
        "  - {name: open, loadBalancerFrontend: lb/fe, subnet: hub/b, alias: d.e.f, autoApproval: [SUB-A]}\n"
        "privateEndpoints:\n"
        "  - {name: e0, subnet: hub/a, service: mine, groupIds: [blob]}\n"
        "  - {name: e1, subnet: hub/a, service: mine, groupIds: [blob], manualRequest: true}\n"
        "  - {name: e2, subnet: hub/a, service: theirs, groupIds: [blob]}\n"
        "  - {name: e3, subnet: hub/a, service: closed}\n"
        "  - {name: e4, subnet: hub/a, service: a.b.c}\n"
        "  - {name: e5, subnet: hub/a, service: D.E.F}\n"
        "  - {name: e6, subnet: hub/a, service: open, subscription: sub-y}\n"
        "  - {name: e7, subnet: hub/a, service: theirs, groupIds: [blob], status: rejected}\n");
    const struct model *m = scenario_state(s, 0);
    const enum pe_status want[] = {PE_APPROVED, PE_PENDING,  PE_PENDING, PE_APPROVED,
                                   PE_PENDING,  PE_APPROVED, PE_PENDING, PE_REJECTED};
    for (size_t i = 0; i < m->privateEndpoints.n; i++)
        cr_expect_eq(m->privateEndpoints.at[i].status, want[i], "e%zu", i);
    for (size_t i = 1; i < m->privateEndpoints.n; i++)
        cr_expect_neq(m->privateEndpoints.at[i].linkIdentifier, m->privateEndpoints.at[i - 1].linkIdentifier);
    scenario_free(s);
}

Test(scenario, an_alias_that_is_not_given_is_derived_and_usable)
{
#define ALIAS                                                                                                \
    NET "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, subnet: hub/b}]}]\n"               \
        "privateLinkServices: [{name: pls, loadBalancerFrontend: lb/fe, subnet: hub/b}]\n"
    struct scenario *s = sc_parse(ALIAS);
    const struct pls *p = scenario_state(s, 0)->privateLinkServices.at;
    char text[1024];
    cr_assert_eq(strncmp(p->alias, "pls.", 4), 0);
    cr_assert_not_null(strstr(p->alias, ".northeurope.azure.privatelinkservice"), "%s", p->alias);
    snprintf(text, sizeof text, ALIAS "privateEndpoints: [{name: e, subnet: hub/a, service: %s}]\n",
             p->alias);
    scenario_free(s);
    s = sc_parse(text);
    cr_assert(scenario_state(s, 0)->privateEndpoints.at[0].byAlias);
    scenario_free(s);
}

Test(scenario, flows_without_names_get_different_ones)
{
    struct scenario *s = sc_parse(
        NET "networkInterfaces: [{name: n, subnet: hub/a}]\n"
            "flows: [{from: n, to: m.org}, {from: n, to: m.org}, {name: n-to-m.org-2, from: n, to: z.org},\n"
            "        {from: n, to: m.org, protocol: udp, destinationPort: 53}]\n");
    const struct flow *f = scenario_state(s, 0)->flows.at;
    cr_assert_str_eq(f[0].name, "n-to-m.org");
    cr_assert_str_eq(f[1].name, "n-to-m.org-3");
    cr_assert_str_eq(f[2].name, "n-to-m.org-2");
    cr_assert_str_eq(f[3].name, "n-to-m.org-4");
    cr_assert_eq(f[0].destinationPort, 443);
    cr_assert(f[0].requestBytes == 100 && f[0].responseBytes == 1024 && f[0].count == 1);
    scenario_free(s);
}

Test(scenario, endpoints_span_the_regions_of_their_service)
{
    struct scenario *s = sc_parse("scenario: x\n"
                               "virtualNetworks:\n"
                               "  - name: hub\n"
                               "    location: North Europe\n"
                               "    addressPrefixes: [10.0.0.0/16]\n"
                               "    subnets:\n"
                               "      - name: a\n"
                               "        addressPrefix: 10.0.1.0/24\n"
                               "        serviceEndpoints:\n"
                               "          - {service: microsoft.storage}\n"
                               "          - {service: Microsoft.Sql}\n"
                               "          - {service: Microsoft.KeyVault}\n"
                               "          - {service: Microsoft.EventHub, locations: [East US]}\n");
    const struct subnet *a = &scenario_state(s, 0)->virtualNetworks.at[0].subnets.at[0];
    const struct service_endpoint *e = a->serviceEndpoints.at;
    cr_assert_eq(e[0].locations.n, 2, "its own and the paired region");
    cr_assert_str_eq(e[0].locations.at[0], "northeurope");
    cr_assert_str_eq(e[0].locations.at[1], "westeurope");
    cr_assert_eq(e[1].locations.n, 1, "its own");
    cr_assert_eq(e[2].locations.n, 0, "all");
    cr_assert_str_eq(e[3].locations.at[0], "eastus");
    scenario_free(s);
}

/* -- time ------------------------------------------------------------------------------------------------ */

Test(scenario, changes_happen_in_order)
{
    struct scenario *s =
        sc_parse(NET "networkInterfaces: [{name: n, subnet: hub/a, privateIPAddress: 10.0.1.9}]\n"
                  "timeline:\n"
                  "  - {at: 2s, update: networkInterfaces/N, with: {mtu: 1400}}\n"
                  "  - {at: 1s, update: networkInterfaces/n, with: {mtu: 1300, listens: [tcp/80]}}\n"
                  "  - {at: 2s, update: networkInterfaces/n, with: {mtu: 1200, listens: null}}\n"
                  "  - {at: 3s, update: links/internet, with: {latency: 1s}}\n"
                  "  - {at: 3s, update: links, with: {gateway: {latency: 2s}}}\n"
                  "  - {at: 4s, remove: links/internet}\n");
    const struct change *c;
    cr_assert_eq(scenario_changes(s, &c), 6);
    cr_assert(c[0].at == 1000000000 && c[1].at == 2000000000 && c[2].at == 2000000000);
    cr_assert_eq(c[0].origin.line, 9);
    cr_assert_str_eq(c[0].summary, "update networkInterfaces/n: mtu, listens");
    const uint32_t mtu[] = {1500, 1300, 1400, 1200};
    for (size_t k = 0; k < 4; k++)
        cr_assert_eq(scenario_state(s, k)->networkInterfaces.at[0].mtu, mtu[k], "state %zu", k);
    cr_assert_eq(scenario_state(s, 2)->networkInterfaces.at[0].listens.n, 1);
    cr_assert_eq(scenario_state(s, 3)->networkInterfaces.at[0].listens.n, 0);
    cr_assert_eq(scenario_state(s, 4)->links[LINK_INTERNET].latency, 1000000000);
    cr_assert_eq(scenario_state(s, 5)->links[LINK_GATEWAY].latency, 2000000000);
    cr_assert_eq(scenario_state(s, 5)->links[LINK_INTERNET].latency, 1000000000);
    cr_assert_eq(scenario_state(s, 6)->links[LINK_INTERNET].latency, 10000000);
    cr_assert_eq(scenario_state_at(s, 0), 0);
    cr_assert_eq(scenario_state_at(s, 999999999), 0);
    cr_assert_eq(scenario_state_at(s, 1000000000), 1);
    cr_assert_eq(scenario_state_at(s, 2000000000), 3, "after all changes of that time");
    cr_assert_eq(scenario_state_at(s, INT64_MAX), 6);
    scenario_free(s);
}

Test(scenario, lists_are_added_to_and_taken_from)
{
    struct scenario *s = sc_parse(
        NET
        "timeline:\n"
        "  - {at: 1s, add: networkInterfaces, with: {name: n, subnet: hub/a}}\n"
        "  - {at: 2s, add: virtualNetworks/hub/subnets, with: [{name: c, addressPrefix: 10.0.3.0/24},\n"
        "     {name: d, addressPrefix: 10.0.4.0/24}]}\n"
        "  - {at: 3s, add: virtualNetworks/hub/dnsServers, with: 10.0.1.9}\n"
        "  - {at: 4s, add: virtualNetworks/hub/addressPrefixes, with: [10.1.0.0/16]}\n"
        "  - {at: 5s, remove: virtualNetworks/hub/addressPrefixes/10.1.0.0/16}\n"
        "  - {at: 6s, remove: virtualNetworks/hub/subnets/C}\n"
        "  - {at: 7s, add: virtualNetworks, with: {name: far, addressPrefixes: [10.9.0.0/16],\n"
        "     virtualNetworkPeerings: [{remoteVirtualNetwork: hub}]}}\n"
        "  - {at: 7s, add: virtualNetworks/hub/virtualNetworkPeerings, with: {remoteVirtualNetwork: far}}\n"
        "  - {at: 8s, update: virtualNetworks/hub/virtualNetworkPeerings/far, with: {allowForwardedTraffic: "
        "true}}\n"
        "  - {at: 9s, remove: virtualNetworks/hub/virtualNetworkPeerings/far}\n"
        "  - {at: 10s, remove: networkInterfaces/n}\n");
    const struct model *m[12];
    for (size_t k = 0; k < 12; k++)
        m[k] = scenario_state(s, k);
    cr_assert(m[0]->networkInterfaces.n == 0 && m[1]->networkInterfaces.n == 1 &&
              m[11]->networkInterfaces.n == 0);
    cr_assert(m[1]->virtualNetworks.at[0].subnets.n == 2 && m[2]->virtualNetworks.at[0].subnets.n == 4);
    cr_assert_eq(m[3]->virtualNetworks.at[0].dnsServers.at[0], IP4(10, 0, 1, 9));
    cr_assert(m[4]->virtualNetworks.at[0].addressPrefixes.n == 2 &&
              m[5]->virtualNetworks.at[0].addressPrefixes.n == 1);
    cr_assert(model_subnet(m[5], "hub/c") && !model_subnet(m[6], "hub/c") && model_subnet(m[6], "hub/d"));
    cr_assert_null(m[7]->virtualNetworks.at[1].virtualNetworkPeerings.at[0].reverse, "one side only");
    cr_assert_not_null(m[8]->virtualNetworks.at[1].virtualNetworkPeerings.at[0].reverse);
    cr_assert(m[9]->virtualNetworks.at[0].virtualNetworkPeerings.at[0].allowForwardedTraffic);
    cr_assert_eq(m[10]->virtualNetworks.at[0].virtualNetworkPeerings.n, 0);
    scenario_free(s);
}

Test(scenario, owners_act_and_are_refused)
{
    struct scenario *s =
        sc_parse(NET "services: [{name: st, type: Microsoft.Storage/storageAccounts, subscription: other}]\n"
                  "privateEndpoints: [{name: pe, subnet: hub/a, service: st, groupIds: [blob]}]\n"
                  "timeline:\n"
                  "  - {at: 1s, approve: PE}\n  - {at: 2s, approve: pe}\n  - {at: 3s, reject: pe}\n"
                  "  - {at: 4s, reject: pe}\n  - {at: 5s, approve: pe}\n  - {at: 6s, disconnect: pe}\n"
                  "  - {at: 7s, approve: pe}\n  - {at: 8s, disconnect: pe}\n  - {at: 9s, reject: pe}\n");
    static const struct {
        enum pe_status status;
        bool refused;
    } want[] = {{PE_PENDING, false},      {PE_APPROVED, false},    {PE_APPROVED, true},
                {PE_REJECTED, false},     {PE_REJECTED, true},     {PE_REJECTED, true},
                {PE_DISCONNECTED, false}, {PE_DISCONNECTED, true}, {PE_DISCONNECTED, true},
                {PE_DISCONNECTED, true}};
    const struct change *c;
    cr_assert_eq(scenario_changes(s, &c), 9);
    for (size_t k = 0; k <= 9; k++) {
        cr_expect_eq(scenario_state(s, k)->privateEndpoints.at[0].status, want[k].status, "state %zu", k);
        cr_expect(k == 0 || (c[k - 1].refused != NULL) == want[k].refused, "change %zu", k);
    }
    scenario_free(s);
}

static ip4 nic_ip(const struct scenario *s, size_t state, const char *name)
{
    const struct nic *n = model_nic(scenario_state(s, state), name);
    return n ? n->privateIPAddress : 0;
}

Test(scenario, allocated_addresses_stay)
{
    struct scenario *s = sc_parse(
        NET
        "networkInterfaces: [{name: a, subnet: hub/a}, {name: b, subnet: hub/a}, {name: c, subnet: hub/a}]\n"
        "timeline:\n"
        "  - {at: 1s, remove: networkInterfaces/a}\n"
        "  - {at: 2s, add: networkInterfaces, with: {name: d, subnet: hub/a}}\n"
        "  - {at: 3s, update: networkInterfaces/b, with: {subnet: hub/b}}\n"
        "  - {at: 4s, add: networkInterfaces, with: {name: e, subnet: hub/a, privateIPAddress: 10.0.1.5}}\n"
        "  - {at: 5s, add: networkInterfaces, with: {name: f, subnet: hub/a}}\n"
        "  - {at: 6s, update: networkInterfaces/f, with: {privateIPAddress: 10.0.1.7}}\n");
    /* 10.0.1.5 and 10.0.1.7 are fixed by later entries: never allocated */
    const struct {
        const char *nic;
        ip4 at[7]; /* 10.0.1.x */
    } want[] = {{"a", {4, 0, 0, 0, 0, 0, 0}}, {"b", {6, 6, 6, 260, 260, 260, 260}},
                {"c", {8, 8, 8, 8, 8, 8, 8}}, {"d", {0, 0, 4, 4, 4, 4, 4}},
                {"e", {0, 0, 0, 0, 5, 5, 5}}, {"f", {0, 0, 0, 0, 0, 6, 7}}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        for (size_t k = 0; k < 7; k++) {
            ip4 ip = nic_ip(s, k, want[i].nic);
            cr_expect_eq(ip, want[i].at[k] ? IP4(10, 0, 1, 0) + want[i].at[k] : 0, "%s in state %zu: %x",
                         want[i].nic, k, ip);
        }
    }
    cr_assert(model_nic(scenario_state(s, 5), "c")->allocated);
    cr_assert(!model_nic(scenario_state(s, 5), "e")->allocated);
    char *text = sc_printed(s);
    cr_assert_null(strstr(text, "10.0.1.4"), "allocated addresses are not printed");
    free(text);
    scenario_free(s);
}

Test(scenario, endpoints_keep_their_members)
{
    struct scenario *s = sc_parse(
        NET "services: [{name: acr, type: Microsoft.ContainerRegistry/registries, replicas: [eastus]}]\n"
            "privateEndpoints:\n"
            "  - {name: pe, subnet: hub/a, service: acr, groupIds: [registry],\n"
            "     ipConfigurations: [{memberName: registry, privateIPAddress: 10.0.1.20}]}\n"
            "timeline:\n"
            "  - {at: 1s, update: services/acr, with: {replicas: [northeurope, eastus]}}\n"
            "  - {at: 2s, update: services/acr, with: {replicas: []}}\n"
            "  - {at: 3s, update: services/acr, with: {replicas: [eastus]}}\n"
            "  - {at: 4s, remove: privateEndpoints/pe}\n"
            "  - {at: 5s, add: networkInterfaces, with: {name: n, subnet: hub/a}}\n");
    const size_t count[] = {3, 4, 2, 3};
    for (size_t k = 0; k < 4; k++) {
        const struct private_endpoint *pe = scenario_state(s, k)->privateEndpoints.at;
        cr_assert_eq(pe->ipConfigurations.n, count[k], "state %zu", k);
        cr_expect_eq(pe->ipConfigurations.at[0].privateIPAddress, IP4(10, 0, 1, 20));
        cr_expect_not(pe->ipConfigurations.at[0].allocated);
        cr_expect_str_eq(pe->ipConfigurations.at[1].memberName, "registry_data_westeurope");
        cr_expect_eq(pe->ipConfigurations.at[1].privateIPAddress, IP4(10, 0, 1, 4), "state %zu", k);
        cr_expect(pe->ipConfigurations.at[1].allocated);
    }
    cr_expect_eq(nic_ip(s, 5, "n"), IP4(10, 0, 1, 4), "freed with the endpoint");
    scenario_free(s);
}

Test(scenario, findings_of_states_are_told_once)
{
    char *text = sc_errors(NET "networkInterfaces: [{name: n, subnet: hub/zz}]\n"
                               "timeline:\n"
                               "  - {at: 1s, update: virtualNetworks/hub, with: {flowTimeoutInMinutes: 10}}\n"
                               "  - {at: 2s, update: virtualNetworks/hub, with: {flowTimeoutInMinutes: 99}}\n"
                               "  - {at: 3s, update: virtualNetworks/hub, with: {dnsServers: []}}\n");
    cr_assert_str_eq(text, "t:6:39: error: unknown subnet 'hub/zz'; did you mean 'hub/a'?\n"
                           "t:9:72: error: 'flowTimeoutInMinutes' takes a number from 4 to 30, not 99\n");
    free(text);
}

/* -- includes -------------------------------------------------------------------------------------------- */

Test(scenario, includes_come_first_and_once)
{
    struct scenario *s = sc_load("tests/golden/include/main.yaml");
    const struct model *m = scenario_state(s, 0);
    static const char *const names[] = {"shared", "left", "right", "own"};
    cr_assert_eq(m->applicationSecurityGroups.n, 4);
    for (size_t i = 0; i < 4; i++)
        cr_assert_str_eq(m->applicationSecurityGroups.at[i].name, names[i]);
    cr_assert_str_eq(m->applicationSecurityGroups.at[0].at.file, "tests/golden/include/parts/../shared.yaml");
    cr_assert_eq(m->links[LINK_INTERNET].latency, 3000000, "the file itself wins");
    cr_assert_eq(m->links[LINK_GATEWAY].latency, 2000000, "then the last of those included");
    cr_assert_eq(m->links[LINK_BACKBONE].latency, 1000000);
    scenario_free(s);
}
