/* test_address.c - addresses that nobody named: private ones by A-01, members of endpoints, public ones by
 * name. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "tests/support_model.h"
#include "tests/support_prop.h"
#include "tests/support_tmp.h"
#include "topology/names.h"
#include "topology/scenario.h"

#define ASSERT_IP(got, a, b, c, d)                                                                           \
    do {                                                                                                     \
        char got_[IP4_STRLEN], want_[IP4_STRLEN];                                                            \
        cr_assert_str_eq(ip4_format(got, got_), ip4_format(IP4(a, b, c, d), want_));                         \
    } while (0)

#define HUB                                                                                                  \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: ["                               \
    "{name: clients, addressPrefix: 10.0.1.0/24}, {name: small, addressPrefix: 10.0.2.0/29}, "               \
    "{name: endpoints, addressPrefix: 10.0.3.0/24}, {name: GatewaySubnet, addressPrefix: "                   \
    "10.0.255.0/27}]}]\n"

static struct loaded good(const char *text)
{
    struct loaded l = load_text(text);
    cr_assert_str_eq(loaded_findings(&l), "");
    cr_assert_not_null(l.m);
    return l;
}

Test(address, capacity_is_five_less)
{
    cr_assert_eq(address_capacity((struct prefix4){IP4(10, 0, 0, 0), 24}), 251);
    cr_assert_eq(address_capacity((struct prefix4){IP4(10, 0, 0, 0), 29}), 3);
    cr_assert_eq(address_capacity((struct prefix4){IP4(10, 0, 0, 0), 30}), 0);
    cr_assert_eq(address_capacity((struct prefix4){IP4(10, 0, 0, 0), 32}), 0);
    cr_assert_eq(address_capacity((struct prefix4){0, 0}), 4294967291u);
}

Test(address, usable)
{
    struct loaded l = good(HUB);
    const struct subnet *s = model_subnet(l.m, "hub/small");
    for (ip4 i = 0; i < 8; i++) {
        cr_assert_eq(address_in_subnet(s, IP4(10, 0, 2, i)), true);
        cr_assert_eq(address_usable(s, IP4(10, 0, 2, i)), i >= 4 && i <= 6, "%u", i);
    }
    cr_assert_eq(address_in_subnet(s, IP4(10, 0, 2, 8)), false);
    cr_assert_eq(address_usable(s, IP4(10, 0, 1, 4)), false);
    loaded_free(&l);
}

/* .4 is the first, the lowest free one is next, whatever the order of the file. */
Test(address, lowest_free_first)
{
    struct loaded l = good(HUB "networkInterfaces:\n"
                               "  - {name: a, subnet: hub/clients}\n"
                               "  - {name: b, subnet: hub/clients}\n"
                               "  - {name: c, subnet: hub/clients, privateIPAddress: 10.0.1.5}\n"
                               "  - {name: d, subnet: hub/clients, privateIPAddress: 10.0.1.4}\n"
                               "  - {name: e, subnet: hub/clients, privateIPAddress: 10.0.1.8}\n"
                               "  - {name: f, subnet: hub/clients}\n");
    ASSERT_IP(model_nic(l.m, "a")->privateIPAddress, 10, 0, 1, 6);
    ASSERT_IP(model_nic(l.m, "b")->privateIPAddress, 10, 0, 1, 7);
    ASSERT_IP(model_nic(l.m, "f")->privateIPAddress, 10, 0, 1, 9);
    ASSERT_IP(model_nic(l.m, "c")->privateIPAddress, 10, 0, 1, 5);
    cr_assert(model_nic(l.m, "a")->allocated);
    cr_assert_not(model_nic(l.m, "c")->allocated);
    loaded_free(&l);
}

/* Gateways, NICs, frontends, private link services, endpoints: that order, and file order in each. */
Test(address, order_of_kinds)
{
    struct loaded l =
        good("virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: all, "
             "addressPrefix: 10.0.1.0/24}, "
             "{name: gatewaysubnet, addressPrefix: 10.0.255.0/27}]}]\n"
             "privateEndpoints: [{name: pe, subnet: hub/all, service: kv, groupIds: [vault]}]\n"
             "services: [{name: kv, type: Microsoft.KeyVault/vaults, location: westeurope}]\n"
             "privateLinkServices: [{name: pls, loadBalancerFrontend: lb/fe, subnet: hub/all}]\n"
             "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, subnet: hub/all}]}]\n"
             "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: Vpn, activeActive: true}]\n"
             "networkInterfaces: [{name: n1, subnet: hub/all}, {name: n2, subnet: hub/all}]\n");
    ASSERT_IP(model_nic(l.m, "n1")->privateIPAddress, 10, 0, 1, 4);
    ASSERT_IP(model_nic(l.m, "n2")->privateIPAddress, 10, 0, 1, 5);
    ASSERT_IP(l.m->loadBalancers.at[0].frontendIPConfigurations.at[0].privateIPAddress, 10, 0, 1, 6);
    cr_assert_eq(l.m->privateLinkServices.at[0].natIPs.n, 1);
    ASSERT_IP(l.m->privateLinkServices.at[0].natIPs.at[0], 10, 0, 1, 7);
    ASSERT_IP(l.m->privateEndpoints.at[0].ipConfigurations.at[0].privateIPAddress, 10, 0, 1, 8);
    cr_assert_eq(l.m->virtualNetworkGateways.at[0].instances.n, 2);
    ASSERT_IP(l.m->virtualNetworkGateways.at[0].instances.at[0], 10, 0, 255, 4);
    ASSERT_IP(l.m->virtualNetworkGateways.at[0].instances.at[1], 10, 0, 255, 5);
    loaded_free(&l);
}

/* What a later change fixes is not given away before. */
Test(address, fixed_anywhere_comes_first)
{
    static const struct address_fixed fixed[] = {
        {"HUB/clients", IP4(10, 0, 1, 4)},
        {"hub/small", IP4(10, 0, 1, 5)},
        {"hub/nowhere", IP4(10, 0, 1, 6)},
        {NULL, IP4(10, 0, 1, 7)},
    };
    struct address_prior prior = {fixed, 4};
    struct loaded l =
        good(HUB "networkInterfaces: [{name: a, subnet: hub/clients}, {name: b, subnet: hub/clients}]\n");
    for (size_t i = 0; i < 2; i++)
        l.m->networkInterfaces.at[i].privateIPAddress = 0;
    address_assign(l.m, &prior, l.d);
    ASSERT_IP(model_nic(l.m, "a")->privateIPAddress, 10, 0, 1, 5);
    ASSERT_IP(model_nic(l.m, "b")->privateIPAddress, 10, 0, 1, 6);
    loaded_free(&l);
}

Test(address, several_prefixes)
{
    struct loaded l = good(
        "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefixes: "
        "[10.0.2.0/29, 10.0.1.0/29]}]}]\n"
        "networkInterfaces: [{name: a, subnet: v/s}, {name: b, subnet: v/s, privateIPAddress: 10.0.1.5}, "
        "{name: c, subnet: v/s}, {name: d, subnet: v/s, privateIPAddress: 10.0.2.5}, {name: e, subnet: v/s},"
        " {name: f, subnet: v/s}]\n");
    ASSERT_IP(model_nic(l.m, "a")->privateIPAddress, 10, 0, 2, 4);
    ASSERT_IP(model_nic(l.m, "c")->privateIPAddress, 10, 0, 2, 6);
    ASSERT_IP(model_nic(l.m, "e")->privateIPAddress, 10, 0, 1, 4);
    ASSERT_IP(model_nic(l.m, "f")->privateIPAddress, 10, 0, 1, 6);
    loaded_free(&l);
}

Test(address, running_out_is_an_error)
{
    struct loaded l = load_text(HUB "networkInterfaces:\n"
                                    "  - {name: a, subnet: hub/small}\n  - {name: b, subnet: hub/small}\n"
                                    "  - {name: c, subnet: hub/small}\n  - {name: d, subnet: hub/small}\n");
    cr_assert_str_eq(loaded_findings(&l),
                     "7:5: error: no address is left in subnet 'hub/small' for network interface 'd': "
                     "it has 3 usable (A-01)\n");
    cr_assert_eq(model_nic(l.m, "c")->privateIPAddress, IP4(10, 0, 2, 6));
    cr_assert_eq(model_nic(l.m, "d")->privateIPAddress, 0);
    loaded_free(&l);
}

/* Oracle: a bitmap per subnet. Random subnets, some interfaces fixed, also on unusable addresses. */
Test(address, property_lowest_free)
{
    struct rng r;
    prop_seed(&r, "address lowest free");
    for (int round = 0; round < 60; round++) {
        char *text;
        size_t len;
        FILE *f = open_memstream(&text, &len);
        unsigned bits = 3 + (unsigned)rng_below(&r, 4), count = (unsigned)rng_below(&r, (1u << bits) + 3);
        bool taken[128] = {false};
        unsigned fixed[140], size = 1u << bits;
        fprintf(
            f,
            "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: "
            "10.0.1.0/%u}]}]\nnetworkInterfaces:\n  - {name: first, subnet: v/s, privateIPAddress: "
            "10.0.1.4}\n",
            32 - bits);
        taken[4] = true;
        for (unsigned i = 0; i < count; i++) {
            fixed[i] = rng_below(&r, 3) == 0 ? (unsigned)rng_below(&r, size) : 0;
            if (fixed[i]) {
                taken[fixed[i]] = true;
                fprintf(f, "  - {name: n%u, subnet: v/s, privateIPAddress: 10.0.1.%u}\n", i, fixed[i]);
            } else {
                fprintf(f, "  - {name: n%u, subnet: v/s}\n", i);
            }
        }
        fclose(f);
        struct loaded l = load_text(text);
        cr_assert_not_null(l.m, "%s", loaded_findings(&l));
        for (unsigned i = 0; i < count; i++) {
            unsigned want = 4;
            while (want < size - 1 && taken[want])
                want++;
            if (!fixed[i] && want < size - 1)
                taken[want] = true;
            ip4 expect = fixed[i] ? IP4(10, 0, 1, fixed[i]) : want < size - 1 ? IP4(10, 0, 1, want) : 0;
            cr_assert_eq(l.m->networkInterfaces.at[i + 1].privateIPAddress, expect, "round %d nic %u\n%s",
                         round, i, text);
        }
        loaded_free(&l);
        free(text);
    }
}

/* -- members --------------------------------------------------------------------------------------------- */

#define REGISTRY                                                                                             \
    "services: [{name: reg, type: Microsoft.ContainerRegistry/registries, location: westeurope, "            \
    "replicas: [northeurope]}]\n"

/* the registry and one data endpoint per region. */
Test(address, members_of_a_registry)
{
    struct loaded l =
        good(HUB REGISTRY "privateEndpoints: [{name: pe, subnet: hub/endpoints, service: reg, "
                          "groupIds: [registry], ipConfigurations: [{memberName: registry_data_northeurope, "
                          "privateIPAddress: 10.0.3.4}]}]\n");
    const struct private_endpoint *e = &l.m->privateEndpoints.at[0];
    cr_assert_eq(e->ipConfigurations.n, 3);
    cr_assert_str_eq(e->ipConfigurations.at[0].memberName, "registry");
    cr_assert_str_eq(e->ipConfigurations.at[1].memberName, "registry_data_westeurope");
    cr_assert_str_eq(e->ipConfigurations.at[2].memberName, "registry_data_northeurope");
    ASSERT_IP(e->ipConfigurations.at[0].privateIPAddress, 10, 0, 3, 5);
    ASSERT_IP(e->ipConfigurations.at[1].privateIPAddress, 10, 0, 3, 6);
    ASSERT_IP(e->ipConfigurations.at[2].privateIPAddress, 10, 0, 3, 4);
    cr_assert(e->ipConfigurations.at[0].allocated);
    cr_assert_not(e->ipConfigurations.at[2].allocated);
    loaded_free(&l);
}

/* a Cosmos account one per region besides its own, a Backup vault eleven. */
Test(address, members_of_cosmos_and_backup)
{
    struct loaded l =
        good(HUB "services:\n"
                 "  - {name: acc, type: Microsoft.DocumentDB/databaseAccounts, location: westeurope, "
                 "replicas: [northeurope, eastus]}\n"
                 "  - {name: rsv, type: Microsoft.RecoveryServices/vaults, location: westeurope}\n"
                 "privateEndpoints:\n"
                 "  - {name: c, subnet: hub/endpoints, service: acc, groupIds: [Sql]}\n"
                 "  - {name: b, subnet: hub/endpoints, service: rsv, groupIds: [AzureBackup]}\n");
    cr_assert_eq(l.m->privateEndpoints.at[0].ipConfigurations.n, 4);
    ASSERT_IP(l.m->privateEndpoints.at[0].ipConfigurations.at[3].privateIPAddress, 10, 0, 3, 7);
    cr_assert_eq(l.m->privateEndpoints.n, 4);
    const struct private_endpoint *b = &l.m->privateEndpoints.at[1], *blob = b + 1, *queue = b + 2;
    cr_assert_eq(b->takes.n, 11);
    ASSERT_IP(b->takes.at[0].privateIPAddress, 10, 0, 3, 8);
    ASSERT_IP(b->takes.at[10].privateIPAddress, 10, 0, 3, 18);
    cr_assert_eq(b->ipConfigurations.n, 8);
    ASSERT_IP(b->ipConfigurations.at[7].privateIPAddress, 10, 0, 3, 15);
    cr_assert(blob->whole == b && queue->whole == b && !b->whole && !l.m->privateEndpoints.at[0].whole);
    cr_assert_str_eq(blob->name, "b-blob");
    cr_assert_eq(blob->ipConfigurations.n, 2);
    cr_assert_str_eq(blob->ipConfigurations.at[0].memberName, "AzureBackup-ecs-blob");
    ASSERT_IP(blob->ipConfigurations.at[0].privateIPAddress, 10, 0, 3, 16);
    ASSERT_IP(blob->ipConfigurations.at[1].privateIPAddress, 10, 0, 3, 18);
    cr_assert_str_eq(queue->name, "b-queue");
    cr_assert_eq(queue->ipConfigurations.n, 1);
    ASSERT_IP(queue->ipConfigurations.at[0].privateIPAddress, 10, 0, 3, 17);
    cr_assert(b->linkIdentifier != blob->linkIdentifier && blob->linkIdentifier != queue->linkIdentifier &&
              b->linkIdentifier != queue->linkIdentifier);
    cr_assert(model_find(l.m, "B").p == b && model_find(l.m, "B-Blob").p == blob);
    cr_assert_eq(model_find(l.m, "b-queue").kind, THING_ENDPOINT);
    loaded_free(&l);
}

/* A group of one member takes an entry without memberName, and the only group of a type needs no name. */
Test(address, one_member_needs_no_name)
{
    struct loaded l =
        good(HUB "services: [{name: kv, type: Microsoft.KeyVault/vaults}]\nprivateEndpoints: [{name: pe, "
                 "subnet: hub/endpoints, service: kv, ipConfigurations: [{privateIPAddress: 10.0.3.9}]}]\n");
    const struct private_endpoint *e = &l.m->privateEndpoints.at[0];
    cr_assert_eq(e->ipConfigurations.n, 1);
    cr_assert_str_eq(e->ipConfigurations.at[0].memberName, "vault");
    ASSERT_IP(e->ipConfigurations.at[0].privateIPAddress, 10, 0, 3, 9);
    cr_assert_str_eq(names_endpoint_group(e), "vault");
    loaded_free(&l);
}

Test(address, member_errors)
{
    struct loaded l = load_text(
        HUB REGISTRY
        "privateEndpoints:\n"
        "  - {name: pe, subnet: hub/endpoints, service: reg, groupIds: [registry], ipConfigurations: [\n"
        "      {memberName: registri, privateIPAddress: 10.0.3.5},\n"
        "      {privateIPAddress: 10.0.3.6},\n"
        "      {memberName: registry, privateIPAddress: 10.0.3.7},\n"
        "      {memberName: zzzz, privateIPAddress: 10.0.3.9}]}\n");
    cr_assert_str_eq(
        loaded_findings(&l),
        "6:20: error: unknown member 'registri' of private endpoint 'pe'; did you mean 'registry'?\n"
        "7:7: error: ipConfigurations of private endpoint 'pe': memberName is missing; the members are "
        "registry, registry_data_westeurope, registry_data_northeurope (A-09)\n"
        "9:20: error: unknown member 'zzzz' of private endpoint 'pe'; the members are "
        "registry, registry_data_westeurope, registry_data_northeurope\n");
    loaded_free(&l);
    l = load_text(
        HUB "services: [{name: kv, type: Microsoft.KeyVault/vaults}]\nprivateEndpoints: [{name: pe, subnet: "
            "hub/endpoints, service: kv, ipConfigurations: [\n{memberName: default, privateIPAddress: "
            "10.0.3.9},\n"
            "{privateIPAddress: 10.0.3.8}]}]\n");
    cr_assert_str_eq(
        loaded_findings(&l),
        "6:1: error: ipConfigurations of private endpoint 'pe': two entries for member 'vault'\n");
    loaded_free(&l);
}

/* A replica goes: its address goes with it, silently; the others stay. */
Test(address, a_removed_member)
{
    struct loaded l = good(HUB REGISTRY "privateEndpoints: [{name: pe, subnet: hub/endpoints, service: reg, "
                                        "groupIds: [registry]}]\n");
    struct private_endpoint *e = &l.m->privateEndpoints.at[0];
    l.m->services.at[0].replicas.n = 0;
    e->ipConfigurations.at[1].privateIPAddress = IP4(10, 0, 3, 77);
    address_assign(l.m, NULL, l.d);
    cr_assert_str_eq(loaded_findings(&l), "");
    cr_assert_eq(e->ipConfigurations.n, 2);
    ASSERT_IP(e->ipConfigurations.at[0].privateIPAddress, 10, 0, 3, 4);
    ASSERT_IP(e->ipConfigurations.at[1].privateIPAddress, 10, 0, 3, 77);
    loaded_free(&l);
}

/* -- public ---------------------------------------------------------------------------------------------- */

static bool tagged(const struct model *m, const char *service, const char *region, ip4 ip)
{
    const struct tag *t = *region ? tagset_regional(m->tags, service, region) : tagset_find(m->tags, service);
    cr_assert_not_null(t, "%s.%s", service, region);
    return tagset_covers(t, ip);
}

Test(address, public_address_of_a_service)
{
    struct loaded l =
        good("services:\n"
             "  - {name: acc, type: Microsoft.Storage/storageAccounts, location: westeurope}\n"
             "  - {name: kv, type: Microsoft.KeyVault/vaults, location: northeurope}\n"
             "  - {name: own, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.60.0.1}\n"
             "  - {name: odd, type: Contoso.Things/things, fqdns: [api.example.org]}\n");
    cr_assert(tagged(l.m, "Storage", "westeurope", l.m->services.at[0].publicIPAddress));
    cr_assert(tagged(l.m, "AzureKeyVault", "northeurope", l.m->services.at[1].publicIPAddress));
    ASSERT_IP(l.m->services.at[2].publicIPAddress, 20, 60, 0, 1);
    cr_assert_eq(l.m->services.at[3].publicIPAddress & 0xffffff00, IP4(192, 0, 2, 0));
    cr_assert(l.m->services.at[0].allocated && !l.m->services.at[2].allocated);
    loaded_free(&l);
}

/* What a name gets does not depend on what else there is, nor on its case. */
Test(address, public_addresses_are_stable)
{
    struct loaded a =
        good(HUB "services: [{name: acc, type: Microsoft.Storage/storageAccounts, location: westeurope}]\n"
                 "networkInterfaces: [{name: vm, subnet: hub/clients}]\n"
                 "publicIPAddresses: [{name: pip, location: westeurope}]\n");
    struct loaded b =
        good(HUB "services: [{name: zzz, type: Microsoft.Storage/storageAccounts, location: westeurope}, "
                 "{name: ACC, type: microsoft.storage/storageaccounts, location: West Europe}]\n"
                 "networkInterfaces: [{name: other, subnet: hub/clients}, {name: VM, subnet: hub/clients}]\n"
                 "publicIPAddresses: [{name: x, location: westeurope}, {name: PIP, location: westeurope}]\n");
    cr_assert_eq(a.m->services.at[0].publicIPAddress, b.m->services.at[1].publicIPAddress);
    cr_assert_eq(a.m->publicIPAddresses.at[0].ipAddress, b.m->publicIPAddresses.at[1].ipAddress);
    cr_assert_eq(address_default_outbound(a.m, model_nic(a.m, "vm")),
                 address_default_outbound(b.m, model_nic(b.m, "vm")));
    cr_assert_neq(a.m->services.at[0].publicIPAddress, b.m->services.at[0].publicIPAddress);
    loaded_free(&a);
    loaded_free(&b);
}

/* O-06: of the region's AzureCloud, of no service that has service endpoints, all different from everything
 * else. */
Test(address, default_outbound)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    fputs("virtualNetworks: [{name: v, location: westeurope, addressPrefixes: [10.0.0.0/16], subnets: "
          "[{name: s, "
          "addressPrefix: 10.0.0.0/20}]}]\nservices: [{name: acc, type: Microsoft.Storage/storageAccounts, "
          "location: "
          "westeurope}]\npublicIPAddresses: [{name: n1, location: westeurope}]\nnetworkInterfaces:\n",
          f);
    for (int i = 0; i < 2000; i++)
        fprintf(f, "  - {name: n%d, subnet: v/s}\n", i);
    fclose(f);
    struct loaded l = good(text);
    ip4 *all = calloc(2002, sizeof *all);
    all[2000] = l.m->services.at[0].publicIPAddress;
    all[2001] = l.m->publicIPAddresses.at[0].ipAddress;
    for (size_t i = 0; i < 2000; i++) {
        all[i] = address_default_outbound(l.m, &l.m->networkInterfaces.at[i]);
        cr_assert(tagged(l.m, "AzureCloud", "westeurope", all[i]));
        cr_assert_not(tagged(l.m, "Storage", "", all[i]));
        cr_assert_not(tagged(l.m, "AzureKeyVault", "", all[i]));
        cr_assert((all[i] & 0xff) != 0 && (all[i] & 0xff) != 0xff);
    }
    cr_assert(tagged(l.m, "AzureCloud", "westeurope", all[2001]));
    for (size_t i = 0; i < 2002; i++)
        for (size_t k = i + 1; k < 2002; k++)
            cr_assert_neq(all[i], all[k], "%zu %zu", i, k);
    free(all);
    free(text);
    loaded_free(&l);
}

/* 254 addresses for services of unknown types, no duplicates, then all 256, then an error. */
Test(address, generic_services_run_out)
{
    char *text;
    size_t len;
    bool seen[256] = {false};
    FILE *f = open_memstream(&text, &len);
    fputs("services:\n", f);
    for (int i = 0; i < 257; i++)
        fprintf(f, "  - {name: s%d, type: A/b, fqdns: [n%d.example.org]}\n", i, i);
    fclose(f);
    struct loaded l = load_text(text);
    for (size_t i = 0; i < 256; i++) {
        ip4 ip = l.m->services.at[i].publicIPAddress;
        cr_assert_eq(ip >> 8, IP4(192, 0, 2, 0) >> 8);
        cr_assert_not(seen[ip & 0xff]);
        cr_assert_eq(i < 254, (ip & 0xff) != 0 && (ip & 0xff) != 0xff);
        seen[ip & 0xff] = true;
    }
    cr_assert_str_eq(loaded_findings(&l),
                     "259:5: error: no public address is left for service 's256': give it one\n");
    cr_assert_eq(l.m->services.at[256].publicIPAddress, 0);
    free(text);
    loaded_free(&l);
}

/* -- over time ------------------------------------------------------------------------------------------- */

/* What was given stays for the life of the resource; later resources follow in timeline order; what a
 * removed endpoint had is free again; an address that a later change fixes was never given to another. */
Test(address, timeline)
{
    static const char text[] =
        "scenario: t\nlocation: westeurope\n" HUB
        "services: [{name: reg, type: Microsoft.ContainerRegistry/registries, replicas: [northeurope]}, "
        "{name: kv, type: "
        "Microsoft.KeyVault/vaults}]\n"
        "privateEndpoints: [{name: pe, subnet: hub/endpoints, service: reg}]\n"
        "networkInterfaces: [{name: a, subnet: hub/clients}]\n"
        "timeline:\n"
        "  - {at: 1s, add: networkInterfaces, with: {name: b, subnet: hub/clients}}\n"
        "  - {at: 2s, add: networkInterfaces, with: {name: c, subnet: hub/clients, privateIPAddress: "
        "10.0.1.4}}\n"
        "  - {at: 3s, update: services/reg, with: {replicas: []}}\n"
        "  - {at: 4s, add: privateEndpoints, with: {name: pe2, subnet: hub/endpoints, service: kv}}\n"
        "  - {at: 5s, remove: privateEndpoints/pe}\n"
        "  - {at: 6s, add: privateEndpoints, with: {name: pe3, subnet: hub/endpoints, service: kv}}\n";
    struct tmp t;
    tmp_make(&t);
    char *path = tmp_path(&t, "t.yaml");
    file_write(path, text, sizeof text - 1);
    struct arena *a = arena_new("test");
    struct diag *d = diag_new(a);
    struct scenario *s = scenario_load(path, d);
    diag_print(d, stderr);
    cr_assert_not_null(s);
    const struct model *first = scenario_state(s, 0), *last = scenario_state(s, 6);
    ASSERT_IP(model_nic(first, "a")->privateIPAddress, 10, 0, 1, 5);
    ASSERT_IP(model_nic(scenario_state(s, 1), "b")->privateIPAddress, 10, 0, 1, 6);
    for (size_t k = 0; k <= 6; k++) {
        const struct model *m = scenario_state(s, k);
        cr_assert_eq(model_nic(m, "a")->privateIPAddress, IP4(10, 0, 1, 5));
        cr_assert(model_nic(m, "a")->allocated);
        cr_assert_eq(address_default_outbound(m, model_nic(m, "a")),
                     address_default_outbound(first, model_nic(first, "a")));
        cr_assert_eq(m->services.at[0].publicIPAddress, first->services.at[0].publicIPAddress);
    }
    ASSERT_IP(model_nic(last, "c")->privateIPAddress, 10, 0, 1, 4);
    ASSERT_IP(model_nic(last, "b")->privateIPAddress, 10, 0, 1, 6);
    cr_assert_eq(scenario_state(s, 2)->privateEndpoints.at[0].ipConfigurations.n, 3);
    cr_assert_eq(scenario_state(s, 3)->privateEndpoints.at[0].ipConfigurations.n, 2);
    ASSERT_IP(scenario_state(s, 4)->privateEndpoints.at[1].ipConfigurations.at[0].privateIPAddress, 10, 0, 3,
              6);
    ASSERT_IP(last->privateEndpoints.at[0].ipConfigurations.at[0].privateIPAddress, 10, 0, 3, 6);
    ASSERT_IP(last->privateEndpoints.at[1].ipConfigurations.at[0].privateIPAddress, 10, 0, 3, 4);
    scenario_free(s);
    arena_free(a);
    free(path);
    tmp_remove(&t);
}
