/* test_names.c - what Azure's DNS answers: whole chains, with their sources, in linked and other networks. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/arena.h"
#include "tests/support_model.h"
#include "topology/names.h"

static struct loaded good(const char *text)
{
    struct loaded l = load_text(text);
    cr_assert_str_eq(loaded_findings(&l), "");
    cr_assert_not_null(l.m);
    return l;
}

static const char *type_word(enum record_type t)
{
    static const char *const word[] = {"A", "AAAA", "CNAME", "TXT", "MX", "PTR", "SRV"};
    return word[t];
}

/* => "name ttl TYPE value; source\n" per record, then the status unless it is OK. */
static const char *ask(const struct loaded *l, const char *vnet, const char *name, enum record_type type)
{
    struct dns_result r;
    const char *out = "";
    char buf[IP4_STRLEN];
    names_resolve(l->a, l->m, vnet ? model_vnet(l->m, vnet) : NULL, name, type, &r);
    for (size_t i = 0; i < r.n; i++)
        out = arena_printf(
            l->a, "%s%s %u %s %s; %s\n", out, r.rr[i].name, r.rr[i].ttl, type_word(r.rr[i].type),
            r.rr[i].type == RECORD_A ? ip4_format(r.rr[i].addr, buf) : r.rr[i].target, r.rr[i].source);
    return arena_printf(l->a, "%s%s", out,
                        r.status == NAMES_OK         ? ""
                        : r.status == NAMES_NXDOMAIN ? "NXDOMAIN\n"
                                                     : "NODATA\n");
}

#define ASK(want, l, vnet, name) cr_assert_str_eq(ask(&(l), vnet, name, RECORD_A), want)

#define NETS                                                                                                 \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: hub, location: westeurope, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, "             \
    "addressPrefix: "                                                                                        \
    "10.0.2.0/24}], virtualNetworkPeerings: [{remoteVirtualNetwork: spoke}]}\n"                              \
    "  - {name: spoke, location: westeurope, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, "           \
    "addressPrefix: "                                                                                        \
    "10.1.1.0/24}], virtualNetworkPeerings: [{remoteVirtualNetwork: hub}]}\n"
#define REGISTRY                                                                                             \
    "services:\n"                                                                                            \
    "  - {name: myregistry, type: Microsoft.ContainerRegistry/registries, location: westeurope, "            \
    "publicIPAddress: 20.61.97.129}\n"                                                                       \
    "  - {name: other, type: Microsoft.ContainerRegistry/registries, location: westeurope, "                 \
    "publicIPAddress: "                                                                                      \
    "20.61.97.130}\n"
#define ZONE(more)                                                                                           \
    "privateDnsZones: [{name: privatelink.azurecr.io, virtualNetworkLinks: [{virtualNetwork: hub" more       \
    "}]}]\n"
#define ENDPOINT(more)                                                                                       \
    "privateEndpoints:\n  - {name: acr-pe, subnet: hub/s, service: myregistry, groupIds: [registry], "       \
    "privateDnsZoneGroup: [privatelink.azurecr.io]" more "}\n"

#define PUBLIC_CHAIN                                                                                         \
    "myregistry.azurecr.io 3600 CNAME myregistry.privatelink.azurecr.io; public DNS\n"                       \
    "myregistry.privatelink.azurecr.io 3600 CNAME myregistry.westeurope.fe.azcr.io; public DNS\n"            \
    "myregistry.westeurope.fe.azcr.io 10 A 20.61.97.129; public DNS\n"
#define PRIVATE_CHAIN                                                                                        \
    "myregistry.azurecr.io 3600 CNAME myregistry.privatelink.azurecr.io; public DNS\n"                       \
    "myregistry.privatelink.azurecr.io 10 A 10.0.2.4; zone privatelink.azurecr.io record myregistry "        \
    "(acr-pe)\n"

/* N-01, N-03, N-06, N-09: linked network, peer without link, the public. */
Test(names, one_endpoint_three_views)
{
    struct loaded l = good(NETS REGISTRY ZONE("") ENDPOINT(""));
    ASK(PRIVATE_CHAIN, l, "hub", "myregistry.azurecr.io");
    ASK(PUBLIC_CHAIN, l, "spoke", "myregistry.azurecr.io");
    ASK(PUBLIC_CHAIN, l, NULL, "myregistry.azurecr.io");
    ASK("myregistry.westeurope.data.azurecr.io 3600 CNAME myregistry.westeurope.data.privatelink.azurecr.io; "
        "public DNS\n"
        "myregistry.westeurope.data.privatelink.azurecr.io 10 A 10.0.2.5; zone privatelink.azurecr.io record "
        "myregistry.westeurope.data (acr-pe)\n",
        l, "hub", "myregistry.westeurope.data.azurecr.io");
    /* N-14: the private name itself, here and there */
    ASK("myregistry.privatelink.azurecr.io 10 A 10.0.2.4; zone privatelink.azurecr.io record myregistry "
        "(acr-pe)\n",
        l, "hub", "myregistry.privatelink.azurecr.io");
    ASK("myregistry.privatelink.azurecr.io 3600 CNAME myregistry.westeurope.fe.azcr.io; public DNS\n"
        "myregistry.westeurope.fe.azcr.io 10 A 20.61.97.129; public DNS\n",
        l, NULL, "myregistry.privatelink.azurecr.io");
    loaded_free(&l);
}

/* N-02: no endpoint, no alias, whoever hosts the zone. */
Test(names, resource_without_endpoint)
{
    struct loaded l = good(NETS REGISTRY ZONE("") ENDPOINT(""));
    ASK("other.azurecr.io 300 A 20.61.97.130; public DNS\n", l, "hub", "other.azurecr.io");
    ASK("other.azurecr.io 300 A 20.61.97.130; public DNS\n", l, NULL, "other.azurecr.io");
    ASK("NXDOMAIN\n", l, NULL, "other.privatelink.azurecr.io");
    ASK("NXDOMAIN\n", l, "hub", "other.privatelink.azurecr.io");
    ASK("NXDOMAIN\n", l, "hub", "nobody.azurecr.io");
    loaded_free(&l);
}

Test(names, case_and_trailing_dot)
{
    struct loaded l = good(NETS REGISTRY ZONE("") ENDPOINT(""));
    ASK(PRIVATE_CHAIN, l, "hub", "MyRegistry.AzureCR.io.");
    ASK(PUBLIC_CHAIN, l, NULL, "MYREGISTRY.azurecr.io.");
    loaded_free(&l);
}

/* N-04: a linked zone without the record: the public address is not tried. N-05: unless the link says so. */
Test(names, linked_zone_without_record)
{
#define BARE "privateEndpoints: [{name: acr-pe, subnet: hub/s, service: myregistry, groupIds: [registry]}]\n"
    struct loaded l = good(NETS REGISTRY ZONE("") BARE);
    ASK("myregistry.azurecr.io 3600 CNAME myregistry.privatelink.azurecr.io; public DNS\nNXDOMAIN\n", l,
        "hub", "myregistry.azurecr.io");
    loaded_free(&l);
    l = good(NETS REGISTRY ZONE(", resolutionPolicy: NxDomainRedirect") BARE);
    ASK(PUBLIC_CHAIN, l, "hub", "myregistry.azurecr.io");
    ASK("NXDOMAIN\n", l, "hub", "nobody.privatelink.azurecr.io");
    cr_assert_str_eq(ask(&l, "hub", "myregistry.privatelink.azurecr.io", RECORD_TXT), "NXDOMAIN\n",
                     "A, AAAA, CNAME only");
    cr_assert_str_eq(
        ask(&l, "hub", "myregistry.privatelink.azurecr.io", RECORD_CNAME),
        "myregistry.privatelink.azurecr.io 3600 CNAME myregistry.westeurope.fe.azcr.io; public DNS\n");
    loaded_free(&l);
    /* NODATA is an answer, not NXDOMAIN; other zones than privatelink do not redirect */
    l = good(
        NETS REGISTRY
        "privateDnsZones: [{name: azurecr.io, virtualNetworkLinks: [{virtualNetwork: hub, resolutionPolicy: "
        "NxDomainRedirect}], records: [{name: other, type: TXT, values: [x]}]}]\n");
    ASK("NXDOMAIN\n", l, "hub", "myregistry.azurecr.io");
    ASK("NODATA\n", l, "hub", "other.azurecr.io");
    ASK("other.azurecr.io 300 A 20.61.97.130; public DNS\n", l, "spoke", "other.azurecr.io");
    loaded_free(&l);
}

/* N-16: a pending endpoint is not in DNS; rejected and disconnected ones stay until they are removed. */
Test(names, endpoint_states)
{
    static const char *const plain = "myregistry.azurecr.io 300 A 20.61.97.129; public DNS\n";
    struct loaded l = good(NETS REGISTRY ZONE("") ENDPOINT(", status: Pending"));
    ASK(plain, l, "hub", "myregistry.azurecr.io");
    ASK("NXDOMAIN\n", l, "hub", "myregistry.privatelink.azurecr.io");
    loaded_free(&l);
    l = good(NETS REGISTRY ZONE("") ENDPOINT(", manualRequest: true"));
    ASK(plain, l, "hub", "myregistry.azurecr.io");
    loaded_free(&l);
    l = good(NETS REGISTRY ZONE("") ENDPOINT(", status: Rejected"));
    ASK(PRIVATE_CHAIN, l, "hub", "myregistry.azurecr.io");
    loaded_free(&l);
    l = good(NETS REGISTRY ZONE("") ENDPOINT(", status: Disconnected"));
    ASK(PRIVATE_CHAIN, l, "hub", "myregistry.azurecr.io");
    ASK(PUBLIC_CHAIN, l, NULL, "myregistry.azurecr.io");
    loaded_free(&l);
}

/* N-10: the later endpoint of one resource wins; hand-made records of the name give way to the group, others
 * stay. */
Test(names, later_registration_replaces)
{
    struct loaded l = good(
        NETS REGISTRY
        "privateDnsZones: [{name: privatelink.azurecr.io, virtualNetworkLinks: [{virtualNetwork: hub}], "
        "records: ["
        "{name: MyRegistry, type: A, ttl: 300, values: [10.9.9.9]}, {name: other, type: A, ttl: 77, values: "
        "[10.9.9.1, 10.9.9.2]}"
        "]}]\n" ENDPOINT("") "  - {name: second, subnet: hub/s, service: myregistry, groupIds: [registry], "
                             "privateDnsZoneGroup: [privatelink.azurecr.io]}\n");
    ASK("myregistry.privatelink.azurecr.io 10 A 10.0.2.6; zone privatelink.azurecr.io record myregistry "
        "(second)\n",
        l, "hub", "myregistry.privatelink.azurecr.io");
    ASK("other.privatelink.azurecr.io 77 A 10.9.9.1; zone privatelink.azurecr.io record other\n"
        "other.privatelink.azurecr.io 77 A 10.9.9.2; zone privatelink.azurecr.io record other\n",
        l, "hub", "other.privatelink.azurecr.io");
    loaded_free(&l);
}

/* An endpoint is for one sub-resource: its siblings keep their public names. */
Test(names, by_sub_resource)
{
    struct loaded l = good(
        NETS "services: [{name: acc, type: Microsoft.Storage/storageAccounts, location: westeurope, "
             "publicIPAddress: 20.60.0.1}]\n"
             "privateDnsZones:\n"
             "  - {name: privatelink.blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}]}\n"
             "  - {name: privatelink.queue.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}]}\n"
             "privateEndpoints: [{name: blob-pe, subnet: hub/s, service: acc, groupIds: [blob], "
             "privateDnsZoneGroup: "
             "[privatelink.blob.core.windows.net, privatelink.queue.core.windows.net]}]\n");
    ASK("acc.blob.core.windows.net 3600 CNAME acc.privatelink.blob.core.windows.net; public DNS\n"
        "acc.privatelink.blob.core.windows.net 10 A 10.0.2.4; zone privatelink.blob.core.windows.net record "
        "acc (blob-pe)\n",
        l, "hub", "acc.blob.core.windows.net");
    ASK("acc.queue.core.windows.net 300 A 20.60.0.1; public DNS\n", l, "hub", "acc.queue.core.windows.net");
    ASK("acc-secondary.blob.core.windows.net 300 A 20.60.0.1; public DNS\n", l, "hub",
        "acc-secondary.blob.core.windows.net");
    loaded_free(&l);
}

/* The private zone of key vaults is not "privatelink." and the public suffix. */
Test(names, key_vault)
{
    struct loaded l = good(NETS "services: [{name: kv, type: Microsoft.KeyVault/vaults, location: "
                                "westeurope, publicIPAddress: 20.50.0.1}]\n"
                                "privateDnsZones: [{name: privatelink.vaultcore.azure.net, "
                                "virtualNetworkLinks: [{virtualNetwork: hub}]}]\n"
                                "privateEndpoints: [{name: kv-pe, subnet: hub/s, service: kv, groupIds: "
                                "[vault], privateDnsZoneGroup: "
                                "[privatelink.vaultcore.azure.net]}]\n");
    ASK("kv.vault.azure.net 3600 CNAME kv.privatelink.vaultcore.azure.net; public DNS\n"
        "kv.privatelink.vaultcore.azure.net 10 A 10.0.2.4; zone privatelink.vaultcore.azure.net record kv "
        "(kv-pe)\n",
        l, "hub", "kv.vault.azure.net");
    loaded_free(&l);
}

/* N-12: names of the Backup service are never redirected publicly; the records are there for those who ask
 * for them. */
Test(names, backup)
{
    struct loaded l = good(
        NETS
        "services: [{name: rsv, type: Microsoft.RecoveryServices/vaults, location: westeurope, "
        "publicIPAddress: 20.50.0.1, "
        "fqdns: [id1-rec2.we.backup.windowsazure.com, id1-ecs1.privatelink.we.backup.windowsazure.com]}]\n"
        "privateDnsZones: [{name: privatelink.we.backup.windowsazure.com, virtualNetworkLinks: "
        "[{virtualNetwork: hub}]}]\n"
        "privateEndpoints: [{name: b, subnet: hub/s, service: rsv, groupIds: [AzureBackup], "
        "privateDnsZoneGroup: "
        "[privatelink.we.backup.windowsazure.com]}]\n");
    ASK("id1-rec2.we.backup.windowsazure.com 300 A 20.50.0.1; public DNS\n", l, "hub",
        "id1-rec2.we.backup.windowsazure.com");
    const char *got = ask(&l, "hub", "id1-rec2.privatelink.we.backup.windowsazure.com", RECORD_A);
    cr_assert(strstr(got, "zone privatelink.we.backup.windowsazure.com record id1-rec2 (b)\n"), "%s", got);
    got = ask(&l, "hub", "id1-ecs1.privatelink.we.backup.windowsazure.com", RECORD_A);
    cr_assert(strstr(got, "zone privatelink.we.backup.windowsazure.com record id1-ecs1 (b)\n"), "%s", got);
    ASK("NXDOMAIN\n", l, NULL, "id1-rec2.privatelink.we.backup.windowsazure.com");
    ASK("NXDOMAIN\n", l, NULL, "id1-ecs1.privatelink.we.backup.windowsazure.com");
    loaded_free(&l);
}

/* A type that is not known works by its fqdns. */
Test(names, generic_service)
{
    struct loaded l = good(
        NETS
        "services: [{name: thing, type: Contoso.Things/things, publicIPAddress: 203.0.113.5, fqdns: "
        "[Api.Example.org]}]\n"
        "privateDnsZones: [{name: privatelink.example.org, virtualNetworkLinks: [{virtualNetwork: hub}]}]\n"
        "privateEndpoints: [{name: pe, subnet: hub/s, service: thing, groupIds: [api], privateDnsZoneGroup: "
        "[privatelink.example.org]}]\n");
    ASK("api.example.org 3600 CNAME api.privatelink.example.org; public DNS\n"
        "api.privatelink.example.org 10 A 10.0.2.4; zone privatelink.example.org record api (pe)\n",
        l, "hub", "api.example.org");
    loaded_free(&l);
}

Test(names, internet_hosts)
{
    struct loaded l =
        good("internetHosts: [{name: a, ipAddress: 93.184.216.34, names: [WWW.example.org., example.org]}, "
             "{name: b, ipAddress: 93.184.216.35, names: [www.example.org]}]\n");
    ASK("www.example.org 300 A 93.184.216.34; public DNS\nwww.example.org 300 A 93.184.216.35; public DNS\n",
        l, NULL, "www.example.org");
    ASK("example.org 300 A 93.184.216.34; public DNS\n", l, NULL, "example.org");
    cr_assert_str_eq(ask(&l, NULL, "example.org", RECORD_AAAA), "NODATA\n");
    ASK("NXDOMAIN\n", l, NULL, "mail.example.org");
    loaded_free(&l);
}

#define CORP(records)                                                                                        \
    NETS "privateDnsZones: [{name: corp, zoneName: Corp.Example, virtualNetworkLinks: [{virtualNetwork: "    \
         "hub, "                                                                                             \
         "registrationEnabled: true}], records: [" records "]}]\n"

/* Hand-made records: apex, wildcards (RFC 4592), empty non-terminals, aliases. */
Test(names, hand_made_records)
{
    struct loaded l = good(CORP("{name: '@', type: A, ttl: 60, values: [10.0.2.50]}, {name: '*', type: A, "
                                "ttl: 60, values: [10.0.2.51]}, "
                                "{name: www, type: CNAME, ttl: 60, values: [Web.corp.example.]}, {name: web, "
                                "type: A, ttl: 60, values: [10.0.2.52]}, "
                                "{name: a.b, type: A, ttl: 60, values: [10.0.2.53]}, {name: '*.sub', type: "
                                "A, ttl: 60, values: [10.0.2.54]}, "
                                "{name: gone, type: CNAME, ttl: 60, values: [nowhere.example.net]}, {name: "
                                "text, type: TXT, ttl: 60, values: [hello]}"));
    ASK("corp.example 60 A 10.0.2.50; zone corp.example record @\n", l, "hub", "corp.example");
    ASK("x.corp.example 60 A 10.0.2.51; zone corp.example record *\n", l, "hub", "x.corp.example");
    ASK("x.y.corp.example 60 A 10.0.2.51; zone corp.example record *\n", l, "hub", "x.y.corp.example");
    ASK("www.corp.example 60 CNAME web.corp.example; zone corp.example record www\n"
        "web.corp.example 60 A 10.0.2.52; zone corp.example record web\n",
        l, "hub", "www.corp.example");
    ASK("NODATA\n", l, "hub", "b.corp.example");
    ASK("NXDOMAIN\n", l, "hub", "c.b.corp.example");
    ASK("x.sub.corp.example 60 A 10.0.2.54; zone corp.example record *.sub\n", l, "hub",
        "x.sub.corp.example");
    ASK("NODATA\n", l, "hub", "sub.corp.example");
    ASK("NODATA\n", l, "hub", "text.corp.example");
    ASK("gone.corp.example 60 CNAME nowhere.example.net; zone corp.example record gone\nNXDOMAIN\n", l, "hub",
        "gone.corp.example");
    cr_assert_str_eq(ask(&l, "hub", "text.corp.example", RECORD_TXT),
                     "text.corp.example 60 TXT hello; zone corp.example record text\n");
    cr_assert_str_eq(ask(&l, "hub", "www.corp.example", RECORD_CNAME),
                     "www.corp.example 60 CNAME web.corp.example; zone corp.example record www\n");
    cr_assert_str_eq(ask(&l, "hub", "web.corp.example", RECORD_AAAA), "NODATA\n");
    cr_assert_str_eq(ask(&l, "hub", "www.corp.example", RECORD_AAAA),
                     "www.corp.example 60 CNAME web.corp.example; zone corp.example record www\nNODATA\n");
    ASK("NXDOMAIN\n", l, "spoke", "web.corp.example");
    ASK("NXDOMAIN\n", l, NULL, "web.corp.example");
    loaded_free(&l);
}

Test(names, alias_loops_end)
{
    struct loaded l = good(CORP("{name: a, type: CNAME, ttl: 1, values: [b.corp.example]}, "
                                "{name: b, type: CNAME, ttl: 1, values: [a.corp.example]}"));
    struct dns_result r;
    names_resolve(l.a, l.m, model_vnet(l.m, "hub"), "a.corp.example", RECORD_A, &r);
    cr_assert_eq(r.status, NAMES_NODATA);
    cr_assert_eq(r.n, 16);
    loaded_free(&l);
}

/* N-15: a linked zone comes before public DNS, the longer zone before the shorter. */
Test(names, longest_zone)
{
    struct loaded l =
        good(NETS REGISTRY "privateDnsZones:\n"
                           "  - {name: azurecr.io, virtualNetworkLinks: [{virtualNetwork: hub}], records: "
                           "[{name: other, type: A, values: "
                           "[10.0.2.9]}]}\n"
                           "  - {name: sub.azurecr.io, virtualNetworkLinks: [{virtualNetwork: hub}]}\n"
                           "  - {name: xazurecr.io, virtualNetworkLinks: [{virtualNetwork: spoke}]}\n");
    const char *got = ask(&l, "hub", "other.azurecr.io", RECORD_A);
    cr_assert(strstr(got, "A 10.0.2.9; zone azurecr.io record other\n"), "%s", got);
    ASK("NXDOMAIN\n", l, "hub", "myregistry.azurecr.io"); /* N-13 */
    ASK("NXDOMAIN\n", l, "hub", "other.sub.azurecr.io");
    ASK("other.azurecr.io 300 A 20.61.97.130; public DNS\n", l, "spoke", "other.azurecr.io");
    loaded_free(&l);
}

/* Registration (N-15), and machines by their bare names in their own network only (P-14). */
Test(names, machines)
{
    struct loaded l = good(
        CORP("{name: fixed, type: A, ttl: 60, values: [10.0.2.99]}") "networkInterfaces:\n"
                                                                     "  - {name: n1, virtualMachine: VM1, "
                                                                     "subnet: hub/s}\n  - {name: n2, "
                                                                     "virtualMachine: vm1, subnet: hub/s}\n"
                                                                     "  - {name: n3, virtualMachine: vm3, "
                                                                     "subnet: spoke/s}\n  - {name: n4, "
                                                                     "virtualMachine: fixed, subnet: hub/s}\n"
                                                                     "  - {name: n5, subnet: hub/s}\n");
    ASK("vm1.corp.example 10 A 10.0.2.4; zone corp.example record vm1 (n1)\n", l, "hub", "vm1.corp.example");
    ASK("fixed.corp.example 60 A 10.0.2.99; zone corp.example record fixed\n", l, "hub",
        "fixed.corp.example");
    ASK("NXDOMAIN\n", l, "hub", "vm3.corp.example");
    ASK("NXDOMAIN\n", l, "hub", "n5.corp.example");
    ASK("vm1 10 A 10.0.2.4; virtual network hub (n1)\n", l, "hub", "vm1");
    ASK("NXDOMAIN\n", l, "spoke", "vm1");
    ASK("vm3.internal.cloudapp.net 10 A 10.1.1.4; virtual network spoke (n3)\n", l, "spoke",
        "vm3.internal.cloudapp.net");
    ASK("NXDOMAIN\n", l, NULL, "vm1");
    loaded_free(&l);
}

/* Which resource a name is for (PE-06). */
Test(names, owner)
{
    struct loaded l = good(NETS REGISTRY ZONE("") ENDPOINT(""));
    struct name_owner o;
    cr_assert_eq(names_service_of(l.m, "MYREGISTRY.azurecr.io."), &l.m->services.at[0]);
    cr_assert_eq(names_service_of(l.m, "other.privatelink.azurecr.io"), &l.m->services.at[1]);
    cr_assert_eq(names_service_of(l.m, "myregistry.westeurope.fe.azcr.io"), &l.m->services.at[0]);
    cr_assert_null(names_service_of(l.m, "myregistry.example.org"));
    cr_assert_null(names_service_of(l.m, "registry.azurecr.io"));
    cr_assert_null(names_service_of(l.m, "azurecr.io"));
    cr_assert(names_owner(l.a, l.m, "myregistry.westeurope.data.azurecr.io", &o));
    cr_assert_str_eq(o.group, "registry");
    cr_assert_str_eq(o.member, "registry_data_westeurope");
    cr_assert_not(o.private_name);
    cr_assert(names_owner(l.a, l.m, "myregistry.privatelink.azurecr.io", &o));
    cr_assert_str_eq(o.member, "registry");
    cr_assert(o.private_name);
    loaded_free(&l);
}
