/* test_firewall.c - what services let in: SE-12 step by step, and the exceptions around it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/arena.h"
#include "tests/support_model.h"
#include "topology/endpoint_policy.h"
#include "topology/firewall.h"

#define NET                                                                                                  \
    "virtualNetworks: [{name: hub, location: westeurope, addressPrefixes: [10.0.0.0/16], subnets: ["         \
    "{name: clients, addressPrefix: 10.0.1.0/24, serviceEndpoints: [{service: Microsoft.Storage}]}, "        \
    "{name: others, addressPrefix: 10.0.2.0/24}]}]\n"
#define ACLS                                                                                                 \
    "networkAcls: {defaultAction: Deny, bypass: [AzureServices], ipRules: [203.0.113.0/24, 198.51.100.7], "  \
    "virtualNetworkRules: [hub/clients]}"
#define ACCOUNT "type: Microsoft.Storage/storageAccounts, location: westeurope"

struct given {
    struct loaded l;
    const struct service *s;
    struct caller c;
};

static struct given with(const char *text)
{
    struct given g = {.l = load_text(text)};
    cr_assert_str_eq(loaded_findings(&g.l), "");
    g.s = &g.l.m->services.at[0];
    return g;
}

static void decide(const struct given *g, enum reason want, const char *text, int line)
{
    const char *rule = NULL;
    enum reason got = firewall_decide(g->l.a, g->l.m, g->s, &g->c, &rule);
    cr_assert_str_eq(reason_word(got), reason_word(want), "line %d", line);
    cr_assert_str_eq(rule, text, "line %d", line);
    cr_assert_eq(firewall_decide(g->l.a, g->l.m, g->s, &g->c, NULL), got, "line %d", line);
}

#define DECIDE(g, want, text) decide(&(g), REASON_##want, text, __LINE__)

static const struct private_endpoint *endpoint(const struct given *g, size_t i)
{
    return &g->l.m->privateEndpoints.at[i];
}

/* SE-12, step 3: without rules, or with default action Allow, rules are inert. */
Test(firewall, open_by_default)
{
    struct given g = with(NET "services: [{name: acc, " ACCOUNT "}, {name: b, " ACCOUNT
                              ", networkAcls: {defaultAction: Allow, "
                              "ipRules: [203.0.113.0/24]}}]\n");
    g.c.source = IP4(20, 1, 2, 3);
    DECIDE(g, NONE, "defaultAction Allow");
    g.s = &g.l.m->services.at[1];
    DECIDE(g, NONE, "defaultAction Allow");
    loaded_free(&g.l);
}

/* Steps 4 to 7. */
Test(firewall, rules)
{
    struct given g = with(NET "services: [{name: acc, " ACCOUNT ", " ACLS "}]\n");
    g.c.source = IP4(203, 0, 113, 200);
    DECIDE(g, NONE, "ipRules 203.0.113.0/24");
    g.c.source = IP4(198, 51, 100, 7);
    DECIDE(g, NONE, "ipRules 198.51.100.7");
    g.c.source = IP4(198, 51, 100, 8);
    DECIDE(g, SERVICE_FIREWALL, "defaultAction Deny");
    g.c.source = IP4(10, 0, 1, 4);
    g.c.region = "westeurope";
    DECIDE(g, SERVICE_FIREWALL,
           "defaultAction Deny"); /* SE-16: listed, and no service endpoint brings the identity */
    g.c.subnet = model_subnet(g.l.m, "hub/clients");
    DECIDE(g, NONE, "virtualNetworkRules hub/clients");
    g.c.subnet = model_subnet(g.l.m, "hub/others");
    DECIDE(g, SERVICE_FIREWALL, "defaultAction Deny"); /* SE-07 */
    loaded_free(&g.l);
}

/* SE-03: a caller with an identity is not known by its public address any more. */
Test(firewall, identity_replaces_address)
{
    struct given g =
        with(NET "services: [{name: acc, " ACCOUNT ", networkAcls: {defaultAction: Deny, ipRules: "
                 "[203.0.113.9]}}]\n");
    g.c.source = IP4(203, 0, 113, 9);
    DECIDE(g, NONE, "ipRules 203.0.113.9");
    g.c.source = IP4(10, 0, 1, 4);
    g.c.subnet = model_subnet(g.l.m, "hub/clients");
    DECIDE(g, SERVICE_FIREWALL, "defaultAction Deny");
    g.c.source = IP4(203, 0, 113, 9);
    DECIDE(g, SERVICE_FIREWALL,
           "defaultAction Deny"); /* a network with public prefixes is private all the same */
    loaded_free(&g.l);
}

/* SE-14: address rules do not work for callers in a storage account's region; other services and regions are
 * not so. */
Test(firewall, same_region_storage)
{
    struct given g =
        with(NET "services: [{name: acc, " ACCOUNT ", " ACLS "}, {name: kv, type: Microsoft.KeyVault/vaults, "
                 "location: westeurope, " ACLS "}]\n");
    g.c.source = IP4(203, 0, 113, 9);
    g.c.region = "West Europe";
    DECIDE(g, SERVICE_FIREWALL, "defaultAction Deny");
    g.c.region = "northeurope";
    DECIDE(g, NONE, "ipRules 203.0.113.0/24");
    g.c.region = NULL;
    DECIDE(g, NONE, "ipRules 203.0.113.0/24");
    g.s = &g.l.m->services.at[1];
    g.c.region = "westeurope";
    DECIDE(g, NONE, "ipRules 203.0.113.0/24");
    loaded_free(&g.l);
}

/* Step 6: trusted services, where bypass lets them. */
Test(firewall, trusted_services)
{
    struct given g = with(
        NET "services: [{name: acc, " ACCOUNT ", " ACLS "}, {name: no, " ACCOUNT ", networkAcls: "
            "{defaultAction: Deny, bypass: [None]}}, {name: bak, type: Microsoft.RecoveryServices/vaults, "
            "trustedService: true}, {name: web, type: Microsoft.Web/sites}]\n");
    g.c.source = IP4(20, 1, 2, 3);
    g.c.service = &g.l.m->services.at[2];
    DECIDE(g, NONE, "bypass AzureServices");
    g.c.service = &g.l.m->services.at[3];
    DECIDE(g, SERVICE_FIREWALL, "defaultAction Deny");
    g.s = &g.l.m->services.at[1];
    g.c.service = &g.l.m->services.at[2];
    DECIDE(g, SERVICE_FIREWALL, "defaultAction Deny");
    loaded_free(&g.l);
}

/* Step 2, PE-14: closed is closed, for listed subnets and addresses and trusted services; PE-13: not for
 * endpoints. */
Test(firewall, public_access_disabled)
{
    struct given g = with(
        NET "services: [{name: acc, " ACCOUNT ", publicNetworkAccess: Disabled, " ACLS "}, {name: bak, type: "
            "Microsoft.RecoveryServices/vaults, trustedService: true}]\n"
            "privateEndpoints: [{name: pe, subnet: hub/others, service: acc, groupIds: [blob]}]\n");
    g.c.source = IP4(203, 0, 113, 9);
    DECIDE(g, PUBLIC_ACCESS_DISABLED, "publicNetworkAccess Disabled");
    g.c.subnet = model_subnet(g.l.m, "hub/clients");
    DECIDE(g, PUBLIC_ACCESS_DISABLED, "publicNetworkAccess Disabled");
    g.c.service = &g.l.m->services.at[1];
    DECIDE(g, PUBLIC_ACCESS_DISABLED, "publicNetworkAccess Disabled");
    g.c.endpoint = endpoint(&g, 0);
    g.c.source = IP4(10, 0, 2, 9);
    DECIDE(g, NONE, "private endpoint pe");
    loaded_free(&g.l);
}

/* PE-06: the endpoint is for one resource; PE-01: and only while it is approved. */
Test(firewall, through_an_endpoint)
{
    struct given g =
        with(NET "services: [{name: acc, " ACCOUNT "}, {name: theirs, " ACCOUNT "}]\n"
                 "privateEndpoints:\n  - {name: pe, subnet: hub/others, service: acc, groupIds: [blob]}\n"
                 "  - {name: wait, subnet: hub/others, service: acc, groupIds: [blob], status: Pending}\n");
    g.c.endpoint = endpoint(&g, 0);
    g.c.asked = &g.l.m->services.at[1];
    DECIDE(g, WRONG_RESOURCE, "private endpoint pe");
    g.c.asked = &g.l.m->services.at[0];
    DECIDE(g, NONE, "private endpoint pe");
    g.c.asked = NULL;
    DECIDE(g, NONE, "private endpoint pe");
    g.c.endpoint = endpoint(&g, 1);
    DECIDE(g, ENDPOINT_NOT_APPROVED, "private endpoint wait");
    loaded_free(&g.l);
}

/* On the public path the rules are those of the resource that is asked for, not of the one that has the
 * address. */
Test(firewall, shared_address)
{
    struct given g = with(NET "services: [{name: acc, " ACCOUNT "}, {name: shut, " ACCOUNT
                              ", networkAcls: {defaultAction: "
                              "Deny}}]\n");
    g.c.source = IP4(20, 1, 2, 3);
    DECIDE(g, NONE, "defaultAction Allow");
    g.c.asked = &g.l.m->services.at[1];
    DECIDE(g, SERVICE_FIREWALL, "defaultAction Deny");
    loaded_free(&g.l);
}

/* PE-12 and PE-11: Cosmos accounts without rules and Backup vaults close with an approved endpoint; others do
 * not. */
Test(firewall, endpoints_close_some_services)
{
    static const struct {
        const char *type, *group, *status, *more;
        enum reason want;
        const char *text;
    } row[] = {
        {"Microsoft.DocumentDB/databaseAccounts", "Sql", "Approved", "", REASON_PRIVATE_ENDPOINT_ONLY,
         "private endpoint pe"},
        {"Microsoft.DocumentDB/databaseAccounts", "Sql", "Pending", "", REASON_NONE, "defaultAction Allow"},
        {"Microsoft.DocumentDB/databaseAccounts", "Sql", "Rejected", "", REASON_NONE, "defaultAction Allow"},
        {"Microsoft.DocumentDB/databaseAccounts", "Sql", "Approved",
         ", networkAcls: {defaultAction: Deny, ipRules: [20.1.2.0/24]}", REASON_NONE, "ipRules 20.1.2.0/24"},
        {"Microsoft.DocumentDB/databaseAccounts", "Sql", "Approved",
         ", networkAcls: {defaultAction: Deny, virtualNetworkRules: [hub/clients]}", REASON_SERVICE_FIREWALL,
         "defaultAction Deny"},
        {"Microsoft.RecoveryServices/vaults", "AzureBackup", "Approved", "", REASON_PRIVATE_ENDPOINT_ONLY,
         "private endpoint pe"},
        {"Microsoft.RecoveryServices/vaults", "AzureBackup", "Disconnected", "", REASON_NONE,
         "defaultAction Allow"},
        {"Microsoft.Storage/storageAccounts", "blob", "Approved", "", REASON_NONE, "defaultAction Allow"},
        {"Microsoft.ContainerRegistry/registries", "registry", "Approved", "", REASON_NONE,
         "defaultAction Allow"},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct arena *a = arena_new("row");
        struct given g =
            with(arena_printf(a,
                              NET "services: [{name: x, type: %s%s}]\nprivateEndpoints: [{name: pe, subnet: "
                                  "hub/others, service: x, groupIds: [%s], status: %s}]\n",
                              row[i].type, row[i].more, row[i].group, row[i].status));
        g.c.source = IP4(20, 1, 2, 3);
        decide(&g, row[i].want, row[i].text, (int)i);
        g.c.endpoint = !strcmp(row[i].status, "Approved") ? endpoint(&g, 0) : NULL;
        if (g.c.endpoint)
            decide(&g, REASON_NONE, "private endpoint pe", (int)i);
        loaded_free(&g.l);
        arena_free(a);
    }
}

/* SE-18: a listed subnet of another tenant; Storage and Key Vault have learnt to take it. */
Test(firewall, tenants)
{
    struct given g =
        with(NET "services: [{name: q, type: Microsoft.EventHub/namespaces, tenant: tenant-a, " ACLS
                 "}, {name: kv, "
                 "type: Microsoft.KeyVault/vaults, tenant: tenant-a, " ACLS
                 "}, {name: acc, tenant: tenant-a, " ACCOUNT ", " ACLS "}]\n");
    g.c.source = IP4(10, 0, 1, 4);
    g.c.subnet = model_subnet(g.l.m, "hub/clients");
    g.c.tenant = "Tenant-A";
    DECIDE(g, NONE, "virtualNetworkRules hub/clients");
    g.c.tenant = NULL;
    DECIDE(g, NONE, "virtualNetworkRules hub/clients");
    g.c.tenant = "tenant-b";
    DECIDE(g, TENANT_MISMATCH, "virtualNetworkRules hub/clients");
    g.s = &g.l.m->services.at[1];
    DECIDE(g, NONE, "virtualNetworkRules hub/clients");
    g.s = &g.l.m->services.at[2];
    DECIDE(g, NONE, "virtualNetworkRules hub/clients");
    g.s = &g.l.m->services.at[0];
    g.c.subnet = model_subnet(g.l.m, "hub/others");
    DECIDE(g, SERVICE_FIREWALL, "defaultAction Deny"); /* not listed: its tenant does not matter */
    loaded_free(&g.l);
}

/* SE-19: policies of the subnet, by name, group, subscription and id; only with the identity. */
#define POLICY_NET                                                                                           \
    "virtualNetworks: [{name: hub, location: westeurope, addressPrefixes: [10.0.0.0/16], subnets: ["         \
    "{name: clients, addressPrefix: 10.0.1.0/24, serviceEndpointPolicies: [one, two]}, "                     \
    "{name: empty, addressPrefix: 10.0.2.0/24, serviceEndpointPolicies: [vaults]}]}]\n"                      \
    "serviceEndpointPolicies:\n"                                                                             \
    "  - {name: one, definitions: [{service: Microsoft.Storage, serviceResources: [Acc, rg-b]}]}\n"          \
    "  - {name: two, definitions: [{service: Microsoft.Storage.Global, serviceResources: ["                   \
    "/subscriptions/s3/resourceGroups/rg-c/providers/Microsoft.Storage/storageAccounts/c1, "                 \
    "/subscriptions/S4, /subscriptions/s5/resourceGroups/rg-e]}]}\n"                                         \
    "  - {name: vaults, definitions: [{service: Microsoft.KeyVault, serviceResources: [kv]}]}\n"
#define POLICY_ONE "serviceEndpointPolicies one, definition Microsoft.Storage: "
#define POLICY_TWO "serviceEndpointPolicies two, definition Microsoft.Storage.Global: "

static const struct service *service_of(const struct given *g, const char *name)
{
    struct thing t = model_find(g->l.m, name);
    cr_assert_eq(t.kind, THING_SERVICE, "%s", name);
    return t.p;
}

Test(firewall, endpoint_policies)
{
    static const struct {
        const char *name, *place, *lists;
    } row[] = {
        {"acc", "subscription: s1, resourceGroup: rg-a", POLICY_ONE "Acc"},
        {"acc-secondary", "subscription: s1, resourceGroup: rg-a", POLICY_ONE "Acc"},
        {"acc2", "subscription: s1, resourceGroup: rg-a", NULL},
        {"b1", "subscription: s1, resourceGroup: RG-B", POLICY_ONE "rg-b"},
        {"c1", "subscription: s3, resourceGroup: rg-c",
         POLICY_TWO "/subscriptions/s3/resourceGroups/rg-c/providers/Microsoft.Storage/storageAccounts/c1"},
        {"c2", "subscription: s3, resourceGroup: rg-c", NULL},
        {"c1x", "subscription: s3, resourceGroup: rg-c", NULL},
        {"d1", "subscription: s4, resourceGroup: rg-z", POLICY_TWO "/subscriptions/S4"},
        {"d2", "subscription: s44, resourceGroup: rg-z", NULL},
        {"e1", "subscription: s5, resourceGroup: rg-e", POLICY_TWO "/subscriptions/s5/resourceGroups/rg-e"},
        {"e2", "subscription: s5, resourceGroup: rg-f", NULL},
    };
    char text[8192];
    size_t n = (size_t)snprintf(text, sizeof text, "%sservices:\n", POLICY_NET);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "  - {name: %s, type: Microsoft.Storage/storageAccounts, "
                              "location: westeurope, %s}\n", row[i].name, row[i].place);
    snprintf(text + n, sizeof text - n, "  - {name: kv, type: Microsoft.KeyVault/vaults, location: westeurope}\n");
    struct given g = with(text);
    g.c.source = IP4(10, 0, 1, 4);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        g.s = service_of(&g, row[i].name);
        g.c.subnet = model_subnet(g.l.m, "hub/clients");
        const char *why = NULL;
        cr_assert_eq(endpoint_policy_allows(g.l.a, g.l.m, g.c.subnet, g.s, &why), row[i].lists != NULL, "%s", row[i].name);
        cr_assert_str_eq(why, row[i].lists ? row[i].lists : POLICY_ONE "not listed", "%s", row[i].name);
        if (row[i].lists)
            DECIDE(g, NONE, "defaultAction Allow");
        else
            DECIDE(g, ENDPOINT_POLICY_DENY, POLICY_ONE "not listed");
        g.c.subnet = model_subnet(g.l.m, "hub/empty"); /* no definition for storage: all of it */
        DECIDE(g, NONE, "defaultAction Allow");
        g.c.subnet = NULL; /* not through the endpoint */
        DECIDE(g, NONE, "defaultAction Allow");
    }
    g.s = service_of(&g, "kv");
    g.c.subnet = model_subnet(g.l.m, "hub/clients");
    DECIDE(g, NONE, "defaultAction Allow");
    g.c.asked = service_of(&g, "acc2"); /* what counts is the resource, not the address */
    g.s = service_of(&g, "acc");
    DECIDE(g, ENDPOINT_POLICY_DENY, POLICY_ONE "not listed");
    g.c.asked = service_of(&g, "acc");
    g.s = service_of(&g, "acc2");
    DECIDE(g, NONE, "defaultAction Allow");
    loaded_free(&g.l);
}

/* Before the service's own rules, also where those would refuse; classic accounts cannot be listed. */
Test(firewall, endpoint_policies_come_first)
{
    struct given g = with(POLICY_NET "services: [{name: shut, " ACCOUNT ", publicNetworkAccess: Disabled}, {name: acc, "
                          "type: Microsoft.ClassicStorage/storageAccounts, location: westeurope, publicIPAddress: 20.1.2.3}]\n");
    g.c.source = IP4(10, 0, 1, 4);
    g.c.subnet = model_subnet(g.l.m, "hub/clients");
    DECIDE(g, ENDPOINT_POLICY_DENY, POLICY_ONE "not listed");
    g.s = service_of(&g, "acc");
    DECIDE(g, ENDPOINT_POLICY_DENY, POLICY_ONE "not listed");
    g.c.subnet = model_subnet(g.l.m, "hub/empty");
    DECIDE(g, NONE, "defaultAction Allow");
    loaded_free(&g.l);
}
