/* test_resolver.c - who asks whom for names: DNS servers in virtual machines and on premises, as packets through networks;
 * zone groups over time. */
#include "tests/support_model.h"
#include "tests/support_story.h"
#include "topology/names.h"
#include "topology/resolver.h"

#include "dataplane/arena.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* A hub with a DNS server, an endpoint and a linked zone; a spoke whose machines ask the server. */
#define NET(hub, spoke, subnet)                                                                              \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: hub, addressPrefixes: [10.0.0.0/16], " hub                                                   \
    "     subnets: [{name: s, addressPrefix: 10.0.1.0/24" subnet "}, {name: GatewaySubnet, addressPrefix: "  \
    "10.0.255.0/27}],\n"                                                                                     \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: spoke, allowGatewayTransit: true}]}\n"             \
    "  - {name: spoke, addressPrefixes: [10.1.0.0/16], " spoke                                               \
    "     subnets: [{name: s, addressPrefix: 10.1.1.0/24}], virtualNetworkPeerings: [{remoteVirtualNetwork: hub}]}\n"
#define NICS(more)                                                                                           \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: dc, subnet: hub/s, privateIPAddress: 10.0.1.4}\n"                                            \
    "  - {name: vm, subnet: spoke/s, privateIPAddress: 10.1.1.4}\n" more
#define STORE                                                                                                \
    "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}]\n"      \
    "privateEndpoints: [{name: pe, subnet: hub/s, service: acc, groupIds: [blob],\n"                         \
    "   ipConfigurations: [{privateIPAddress: 10.0.1.9}], privateDnsZoneGroup: [privatelink.blob.core.windows.net]}]\n"
#define ZONE(links) "privateDnsZones:\n  - {name: privatelink.blob.core.windows.net, virtualNetworkLinks: [" links "]}\n"
#define LINK(v) "{virtualNetwork: " v "}"
#define DC(more) "dnsServers: [{name: dns, networkInterface: dc" more "}]\n"
#define ASK_DC "dnsServers: [10.0.1.4],\n"
#define PLATFORM ", forwarder: 168.63.129.16"
#define TO(who, want) "  - {from: " who ", to: acc.blob.core.windows.net, expect: {" want "}}\n"
#define PRIVATE "verdict: delivered, resolvedTo: [10.0.1.9]"
#define PUBLIC "verdict: delivered, resolvedTo: [20.38.108.10]"
#define NOBODY "verdict: unresolved, reason: DnsUnreachable, resolvedTo: []"

/* N-07: the server's links count, whoever its clients are. */
Test(resolver, N07_the_servers_network_counts)
{
    story(NET("", ASK_DC, "") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub")) "flows:\n" TO("vm", PRIVATE) TO("dc", PRIVATE));
    story(NET("", ASK_DC, "") NICS("") STORE DC(PLATFORM) ZONE(LINK("spoke")) "flows:\n" TO("vm", PUBLIC) TO("dc", PUBLIC));
    story(NET("", "", "") NICS("") STORE DC(PLATFORM) ZONE(LINK("spoke")) "flows:\n" TO("vm", PRIVATE) TO("dc", PUBLIC));
}

/* A server without forwarder asks the public resolver, by its own way to the Internet; without one, nobody. */
Test(resolver, recursion_takes_the_way_to_the_internet)
{
    story(NET("", ASK_DC, "") NICS("") STORE DC("") ZONE(LINK("hub") ", " LINK("spoke")) "flows:\n" TO("vm", PUBLIC));
    story(NET("", ASK_DC, ", defaultOutboundAccess: false") NICS("") STORE DC("") ZONE(LINK("hub")) "flows:\n" TO("vm", NOBODY));
    story(NET("", ASK_DC, ", defaultOutboundAccess: false, natGateway: nat") NICS("") STORE DC("") ZONE(LINK("hub"))
          "publicIPAddresses: [{name: ip, ipAddress: 20.50.1.9}]\nnatGateways: [{name: nat, publicIPAddresses: [ip]}]\n"
          "flows:\n" TO("vm", PUBLIC));
}

/* A public address that is nobody's stands for a public resolver; a host is one if it listens. */
Test(resolver, public_resolvers)
{
    story(NET("", "dnsServers: [8.8.8.8],\n", "") NICS("") STORE ZONE(LINK("spoke")) "flows:\n" TO("vm", PUBLIC));
    story(NET("", ASK_DC, "") NICS("") STORE DC(", forwarder: 9.9.9.9") ZONE(LINK("hub"))
          "internetHosts: [{name: quad, ipAddress: 9.9.9.9, listens: [udp/53]}]\nflows:\n" TO("vm", PUBLIC));
    story(NET("", ASK_DC, "") NICS("") STORE DC(", forwarder: 9.9.9.9") ZONE(LINK("hub"))
          "internetHosts: [{name: quad, ipAddress: 9.9.9.9}]\nflows:\n" TO("vm", NOBODY));
}

/* Questions are packets: rules, routes and appliances stand in their way. */
Test(resolver, questions_are_filtered_and_routed)
{
#define RULE(direction, tag)                                                                                 \
    "networkSecurityGroups: [{name: g, securityRules: [{name: r, priority: 100, direction: " direction       \
    ", access: Deny,\n  protocol: Udp, destinationAddressPrefix: " tag ", destinationPortRange: '53'}]}]\n"
    story(RULE("Inbound", "'*'") NET("", ASK_DC, ", networkSecurityGroup: g") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub"))
          "flows:\n" TO("vm", NOBODY) TO("dc", PRIVATE));
    story(RULE("Outbound", "AzurePlatformDNS") NET("", ASK_DC, ", networkSecurityGroup: g") NICS("") STORE DC(PLATFORM)
          ZONE(LINK("hub")) "flows:\n" TO("vm", NOBODY));
    story(RULE("Outbound", "'*'") NET("", ASK_DC, ", networkSecurityGroup: g") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub"))
          "flows:\n" TO("vm", PRIVATE));
    story(NET("", ASK_DC, ", routeTable: rt") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub"))
          "routeTables: [{name: rt, routes: [{name: x, addressPrefix: 10.1.0.0/16, nextHopType: None}]}]\n"
          "flows:\n" TO("vm", NOBODY));
}

/* G-14: a rule that names one platform tag leaves the other alone, and ordinary rules beside it touch neither. */
Test(resolver, N17_ordinary_rules_stay_out_of_it)
{
#define GROUP(tag)                                                                                           \
    "networkSecurityGroups: [{name: g, securityRules: [\n"                                                   \
    "  {name: tag, priority: 100, direction: Outbound, access: Deny, protocol: '*', destinationAddressPrefix: " tag "},\n" \
    "  {name: all, priority: 200, direction: Outbound, access: Deny, protocol: Udp}]}]\n"
    story(GROUP("AzurePlatformIMDS") NET("", "", ", networkSecurityGroup: g") NICS("") STORE ZONE(LINK("hub"))
          "flows:\n" TO("dc", PRIVATE));
    story(GROUP("AzurePlatformDNS") NET("", "", ", networkSecurityGroup: g") NICS("") STORE ZONE(LINK("hub"))
          "flows:\n" TO("dc", NOBODY));
    story("networkSecurityGroups: [{name: g, securityRules: [\n"
          "  {name: yes, priority: 100, direction: Outbound, access: Allow, protocol: Udp, destinationAddressPrefix: "
          "AzurePlatformDNS},\n"
          "  {name: no, priority: 110, direction: Outbound, access: Deny, protocol: '*', destinationAddressPrefix: "
          "AzurePlatformDNS}]}]\n" NET("", "", ", networkSecurityGroup: g") NICS("") STORE ZONE(LINK("hub"))
          "flows:\n" TO("dc", PRIVATE));
}

/* The next server after silence; a machine that is off is silent. */
Test(resolver, servers_in_turn)
{
    story(NET("", "dnsServers: [10.0.1.4, 10.0.1.5],\n", "")
          NICS("  - {name: dc2, subnet: hub/s, privateIPAddress: 10.0.1.5}\n") STORE
          "dnsServers: [{name: one, networkInterface: dc" PLATFORM "}, {name: two, networkInterface: dc2" PLATFORM "}]\n"
          ZONE(LINK("hub"))
          "timeline:\n  - {at: 5s, update: networkInterfaces/dc, with: {powerState: deallocated}}\n"
          "  - {at: 60s, update: virtualNetworks/spoke, with: {dnsServers: []}}\n"
          "flows:\n  - {name: first, from: vm, to: acc.blob.core.windows.net, expect: {" PRIVATE "}}\n"
          "  - {name: second, at: 20s, from: vm, to: acc.blob.core.windows.net, expect: {" PRIVATE "}}\n"
          "  - {name: platform, at: 60s, from: vm, to: acc.blob.core.windows.net, expect: {" PUBLIC "}}\n");
}

/* N-12: a server that holds the privatelink zone itself needs neither links nor platform. */
Test(resolver, N12_own_zone)
{
    story(NET("", ASK_DC, "") NICS("") STORE DC(", zones: [privatelink.blob.core.windows.net]") ZONE("")
          "flows:\n" TO("vm", PRIVATE));
    story(NET("", ASK_DC, "") NICS("") STORE DC(", zones: [mine]")
          "privateDnsZones:\n  - {name: privatelink.blob.core.windows.net, virtualNetworkLinks: [" LINK("spoke") "]}\n"
          "  - {name: mine, zoneName: privatelink.blob.core.windows.net, records: [{name: acc, values: [10.0.1.77]}]}\n"
          "expect:\n  - {from: vm, name: acc.blob.core.windows.net, resolvedTo: [10.0.1.77]}\n"
          "  - {from: vm, name: other.privatelink.blob.core.windows.net, resolvedTo: []}\n"
          "  - {from: dc, name: acc.blob.core.windows.net, resolvedTo: [20.38.108.10]}\n");
}

/* -- on premises ----------------------------------------------------------------------------------------- */

#define SITE(forwarders, hosts)                                                                              \
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, connections: [hq]}]\n"                         \
    "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], dnsForwarders: [" forwarders "],\n"  \
    "   natIPs: [198.51.100.7], hosts: [{name: pc, ipAddress: 192.168.1.10}" hosts "]}]\n"

Test(resolver, N08_what_is_forwarded)
{
    story(NET("", "", "") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub")) SITE("", "") "flows:\n" TO("hq/pc", PUBLIC));
    story(NET("", "", "") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub"))
          SITE("{zone: privatelink.blob.core.windows.net, server: 10.0.1.4}", "") "flows:\n" TO("hq/pc", PUBLIC));
    story(NET("", "", "") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub"))
          SITE("{zone: blob.core.windows.net, server: 168.63.129.16}", "") "flows:\n" TO("hq/pc", NOBODY));
    story(NET("", "", "") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub"))
          SITE("{zone: Blob.Core.Windows.Net., server: 10.0.1.4}", "") "flows:\n" TO("hq/pc", PRIVATE));
    story(NET("", "", "") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub"))
          SITE("{zone: windows.net, server: 168.63.129.16}, {zone: blob.core.windows.net, server: 10.0.1.4}", "")
          "flows:\n" TO("hq/pc", PRIVATE));
}

/* Machines in Azure that ask a server on premises, which sends what is private back. */
Test(resolver, servers_on_premises)
{
    story(NET("", "dnsServers: [192.168.0.53],\n", "") NICS("") STORE DC(PLATFORM) ZONE(LINK("hub"))
          SITE("{zone: blob.core.windows.net, server: 10.0.1.4}", ", {name: dns, ipAddress: 192.168.0.53, listens: [udp/53]}")
          "flows:\n" TO("vm", NOBODY) TO("hq/pc", PRIVATE)); /* the spoke has no way there: no useRemoteGateways */
    story(NET("dnsServers: [192.168.0.53],\n", "", "") NICS("  - {name: vm2, subnet: hub/s, privateIPAddress: 10.0.1.20}\n") STORE
          DC(PLATFORM) ZONE(LINK("hub"))
          SITE("{zone: blob.core.windows.net, server: 10.0.1.4}", ", {name: dns, ipAddress: 192.168.0.53, listens: [udp/53]}")
          "flows:\n" TO("vm2", PRIVATE) "expect:\n  - {from: hq/dns, name: acc.blob.core.windows.net, resolvedTo: [10.0.1.9]}\n");
}

static ip4 chosen(const char *site, const char **host)
{
    struct arena *a = arena_new("test");
    struct loaded l = load_text(arena_printf(a, "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16]}]\n"
                                                "onPremisesNetworks: [{name: hq, %s}]\n", site));
    const struct onprem_host *h;
    cr_assert_not_null(l.m, "%s", loaded_findings(&l));
    const ip4 addr = resolver_onprem(l.m, &l.m->onPremisesNetworks.at[0], &h);
    *host = h ? "a host" : "chosen";
    loaded_free(&l);
    arena_free(a);
    return addr;
}

Test(resolver, address_on_premises)
{
    static const struct {
        const char *site, *host;
        ip4 want;
    } rows[] = {
        {"addressPrefixes: [192.168.0.0/16], hosts: [{name: a, ipAddress: 192.168.1.1}]", "chosen", IP4(192, 168, 255, 254)},
        {"addressPrefixes: [192.168.0.0/30], hosts: [{name: a, ipAddress: 192.168.0.2}]", "chosen", IP4(192, 168, 0, 1)},
        {"addressPrefixes: [192.168.0.0/16], hosts: [{name: a, ipAddress: 192.168.255.254}, "
         "{name: b, ipAddress: 192.168.255.253}]", "chosen", IP4(192, 168, 255, 252)},
        {"addressPrefixes: [10.0.1.0/24, 172.16.0.0/24], hosts: [{name: a, ipAddress: 172.16.0.1}]", "chosen",
         IP4(172, 16, 0, 254)},
        {"addressPrefixes: [10.0.1.0/24], hosts: [{name: a, ipAddress: 10.0.1.1}]", "chosen", IP4(10, 0, 1, 254)},
        {"addressPrefixes: [0.0.0.0/0], hosts: [{name: a, ipAddress: 172.16.5.1}]", "chosen", IP4(172, 16, 5, 254)},
        {"addressPrefixes: [192.168.0.0/16], hosts: [{name: a, ipAddress: 192.168.1.1, listens: [udp/54]}, "
         "{name: b, ipAddress: 192.168.1.2, listens: [tcp/53, udp/50-60]}, {name: c, ipAddress: 192.168.1.3, listens: [udp/53]}]",
         "a host", IP4(192, 168, 1, 2)},
        {"addressPrefixes: [192.168.0.0/16]", "chosen", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *host;
        char buf[IP4_STRLEN];
        const ip4 got = chosen(rows[i].site, &host);
        cr_expect_eq(got, rows[i].want, "%s: %s", rows[i].site, ip4_format(got, buf));
        cr_expect_str_eq(host, rows[i].host, "%s", rows[i].site);
    }
}

/* -- what servers answer --------------------------------------------------------------------------------- */

static void copy_name(char *to, const char *from)
{
    snprintf(to, DNS_NAME_MAX, "%s", from);
}

/* AAAA and other types: the aliases, and no data; the name exists (RFC 2308). */
Test(resolver, other_types_are_no_data)
{
    static const struct {
        const char *name;
        uint16_t type;
        uint8_t rcode;
        uint16_t n;
    } rows[] = {{"acc.blob.core.windows.net", DNS_TYPE_A, DNS_RCODE_NOERROR, 2},
                {"acc.blob.core.windows.net", DNS_TYPE_AAAA, DNS_RCODE_NOERROR, 1},
                {"acc.blob.core.windows.net", DNS_TYPE_CNAME, DNS_RCODE_NOERROR, 1},
                {"acc.blob.core.windows.net", 15, DNS_RCODE_NOERROR, 1},
                {"acc.privatelink.blob.core.windows.net", DNS_TYPE_AAAA, DNS_RCODE_NOERROR, 0},
                {"none.blob.core.windows.net", DNS_TYPE_AAAA, DNS_RCODE_NXDOMAIN, 0}};
    struct loaded l = load_text(NET("", "", "") NICS("") STORE ZONE(LINK("hub")));
    struct numbering *r = numbering_new();
    struct compiled *c = compile_model(l.m, r, 0, false);
    const uint32_t client = port_of(r, model_find(l.m, "dc"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_msg m = {.qtype = rows[i].type};
        struct dns_result res;
        copy_name(m.qname, rows[i].name);
        cr_assert(resolver_answer(l.a, c, c->image->resolver, client, &m, &res));
        cr_expect_eq(m.rcode, rows[i].rcode, "row %zu", i);
        cr_expect_eq(m.n, rows[i].n, "row %zu: %u", i, m.n);
    }
    struct dns_msg m = {.qtype = DNS_TYPE_A, .qname = "acc.blob.core.windows.net"};
    struct dns_result res;
    cr_expect_not(resolver_answer(l.a, c, client, client, &m, &res), "a machine without a server knows nothing");
    compiled_free(c);
    numbering_free(r);
    loaded_free(&l);
}

Test(resolver, held_zones)
{
    struct loaded l = load_text("privateDnsZones:\n  - {name: corp.example, records: [{name: www, type: CNAME, values: [far.net]}]}\n"
                                "  - {name: eu.corp.example, records: [{name: www, values: [10.0.0.1]}]}\n"
                                "  - {name: other.example, records: [{name: www, values: [10.0.0.2]}]}\n");
    struct private_zone *held[] = {&l.m->privateDnsZones.at[0], &l.m->privateDnsZones.at[1]};
    struct dns_result r;
    cr_assert(names_held(l.a, l.m, held, 2, "WWW.Corp.Example", RECORD_A, &r));
    cr_expect(r.status == NAMES_OK && r.n == 1 && r.rr[0].type == RECORD_CNAME, "one step: the alias is not followed");
    cr_assert(names_held(l.a, l.m, held, 2, "www.eu.corp.example", RECORD_A, &r));
    cr_expect(r.n == 1 && r.rr[0].addr == IP4(10, 0, 0, 1), "the longest zone");
    cr_assert(names_held(l.a, l.m, held, 2, "none.corp.example", RECORD_A, &r));
    cr_expect_eq(r.status, NAMES_NXDOMAIN);
    cr_expect_not(names_held(l.a, l.m, held, 2, "www.other.example", RECORD_A, &r));
    cr_expect_not(names_held(l.a, l.m, held, 2, "xcorp.example", RECORD_A, &r));
    loaded_free(&l);
}

/* -- one question alone, and in a run -------------------------------------------------------------------- */

static bool caches(const struct model *m)
{
    return m->dnsServers.n || m->onPremisesNetworks.n;
}

/* What `vnetsim resolve` and expectations say of a name is what the flow of that moment got. => names compared. */
static size_t compare(const char *path)
{
    struct arena *a = arena_new("test");
    const struct run_options quiet = {0};
    const struct run_flow *rf;
    size_t compared = 0;
    struct scenario *sc = scenario_load(path, diag_new(a));
    cr_assert_not_null(sc, "%s", path);
    struct run *run = run_new(sc, &quiet);
    run_execute(run);
    const size_t n = run_flows(run, &rf);
    for (size_t i = 0; i < n && !caches(run_model(run)); i++) {
        if (!sim_result(run_sim(run), rf[i].first)->spec.name)
            continue;
        struct run *one = run_new_question(sc, rf[i].flow->from, rf[i].flow->to, rf[i].flow->at_time, &quiet);
        run_execute(one);
        json_t *in_run = results_instance(run, rf[i].first), *alone = results_instance(one, 1);
        cr_expect(json_equal(json_object_get(in_run, "chain"), json_object_get(alone, "chain")), "%s: %s", path,
                  rf[i].flow->name);
        cr_expect_eq(sim_result(run_sim(one), 1)->count.sent, 0, "nothing but the question is sent");
        json_decref(in_run);
        json_decref(alone);
        run_free(one);
        compared++;
    }
    run_free(run);
    scenario_free(sc);
    arena_free(a);
    return compared;
}

Test(resolver, a_question_alone_gets_the_same_answer)
{
    glob_t g;
    size_t compared = 0;
    cr_assert_eq(glob("topology/scenarios/*.yaml", 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++)
        compared += compare(g.gl_pathv[i]);
    globfree(&g);
    cr_expect_gt(compared, 20, "%zu", compared);
}

/* -- findings -------------------------------------------------------------------------------------------- */

static void finds(const char *text, const char *want)
{
    struct loaded l = load_checked(text);
    cr_expect_str_eq(loaded_findings(&l), want);
    loaded_free(&l);
}

Test(resolver, findings)
{
    finds("virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}]\n"
          "networkInterfaces: [{name: dc, subnet: hub/s}, {name: d2, subnet: hub/s}]\n"
          "dnsServers:\n  - {name: a, networkInterface: dc}\n  - {name: b, networkInterface: d2}\n"
          "  - {name: c, networkInterface: DC}\n",
          "7:33: error: network interface 'dc' has a DNS server already, 'a'\n");
}

/* -- zone groups over time ------------------------------------------------------------------------------- */

#define TWO_NETS                                                                                             \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}\n"    \
    "networkInterfaces: [{name: vm, subnet: hub/s, privateIPAddress: 10.0.1.4}]\n"                           \
    "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}]\n"
#define PE(name, ip, more)                                                                                   \
    "{name: " name ", subnet: hub/s, service: acc, groupIds: [blob], ipConfigurations: [{privateIPAddress: " ip "}]" more "}"
#define IN_GROUP ", privateDnsZoneGroup: [privatelink.blob.core.windows.net]"
#define HELD(records)                                                                                        \
    "privateDnsZones: [{name: privatelink.blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}]" records "}]\n"
#define AT(t, ips) "  - {at: " t ", from: vm, name: acc.blob.core.windows.net, resolvedTo: [" ips "]}\n"

/* N-10: the later registration stands; N-11: it takes the record along. */
Test(registration, last_writer_wins)
{
    story(TWO_NETS HELD("") "privateEndpoints: [" PE("a", "10.0.1.10", IN_GROUP) "]\n"
          "timeline:\n"
          "  - {at: 1s, add: privateEndpoints, with: " PE("b", "10.0.1.11", IN_GROUP) "}\n"
          "  - {at: 2s, update: networkInterfaces/vm, with: {mtu: 1400}}\n" /* whatever else happens changes nothing */
          "  - {at: 3s, remove: privateEndpoints/b}\n"
          "  - {at: 4s, update: privateEndpoints/a, with: {groupIds: [blob]}}\n"
          "  - {at: 5s, update: privateEndpoints/a, with: {privateDnsZoneGroup: []}}\n"
          "  - {at: 6s, update: privateEndpoints/a, with: {privateDnsZoneGroup: [privatelink.blob.core.windows.net]}}\n"
          "expect:\n" AT("0s", "10.0.1.10") AT("1s", "10.0.1.11") AT("2s", "10.0.1.11") AT("3s", "") AT("4s", "") AT("5s", "")
              AT("6s", "10.0.1.10"));
}

/* The earlier endpoint goes: the later one's record is not its own. */
Test(registration, removal_of_the_loser_changes_nothing)
{
    story(TWO_NETS HELD("") "privateEndpoints: [" PE("a", "10.0.1.10", IN_GROUP) ", " PE("b", "10.0.1.11", IN_GROUP) "]\n"
          "timeline:\n  - {at: 1s, remove: privateEndpoints/a}\n  - {at: 2s, remove: privateEndpoints/b}\n"
          "expect:\n" AT("0s", "10.0.1.11") AT("1s", "10.0.1.11") AT("2s", "20.38.108.10"));
}

/* Approval is when a name appears (N-16), and so counts as the write; a rejection takes nothing back. */
Test(registration, approval_writes)
{
    story(TWO_NETS HELD("")
          "privateEndpoints: [" PE("late", "10.0.1.10", IN_GROUP ", status: Pending") ", " PE("b", "10.0.1.11", IN_GROUP) "]\n"
          "timeline:\n  - {at: 1s, approve: late}\n  - {at: 2s, reject: late}\n"
          "expect:\n" AT("0s", "10.0.1.11") AT("1s", "10.0.1.10") AT("2s", "10.0.1.10"));
}

/* A new address is written, and is a later write. */
Test(registration, another_address_is_another_write)
{
    story(TWO_NETS HELD("") "privateEndpoints: [" PE("a", "10.0.1.10", IN_GROUP) ", " PE("b", "10.0.1.11", IN_GROUP) "]\n"
          "timeline:\n  - {at: 1s, update: privateEndpoints/a, with: {ipConfigurations: [{privateIPAddress: 10.0.1.12}]}}\n"
          "expect:\n" AT("0s", "10.0.1.11") AT("1s", "10.0.1.12"));
}

/* Records by hand: under a group's record they come back when it goes; written later, they are the later write. */
Test(registration, hands)
{
    story(TWO_NETS HELD(", records: [{name: acc, values: [10.0.1.99]}]")
          "privateEndpoints: [" PE("a", "10.0.1.10", IN_GROUP) ", " PE("b", "10.0.1.11", "") "]\n"
          "timeline:\n  - {at: 1s, remove: privateEndpoints/a}\n"
          "expect:\n" AT("0s", "10.0.1.10") AT("1s", "10.0.1.99"));
    story(TWO_NETS HELD("") "privateEndpoints: [" PE("a", "10.0.1.10", IN_GROUP) "]\n"
          "timeline:\n"
          "  - {at: 1s, add: privateDnsZones/privatelink.blob.core.windows.net/records, with: {name: other, values: [10.0.1.98]}}\n"
          "  - {at: 2s, add: privateDnsZones/privatelink.blob.core.windows.net/records, with: {name: ACC, values: [10.0.1.99]}}\n"
          "  - {at: 3s, update: privateDnsZones/privatelink.blob.core.windows.net/records/other, with: {values: [10.0.1.97]}}\n"
          "expect:\n" AT("0s", "10.0.1.10") AT("1s", "10.0.1.10") AT("2s", "10.0.1.99") AT("3s", "10.0.1.99"));
}

/* Zones are told apart by resource, not by DNS name: two of one name hold what was written into each. */
Test(registration, zones_of_one_name)
{
    story("virtualNetworks:\n"
          "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}\n"
          "  - {name: spoke, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24}]}\n"
          "networkInterfaces: [{name: vm, subnet: hub/s}, {name: vm2, subnet: spoke/s}]\n"
          "services: [{name: acc, type: Microsoft.Storage/storageAccounts, publicIPAddress: 20.38.108.10}]\n"
          "privateDnsZones:\n"
          "  - {name: one, zoneName: privatelink.blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: hub}]}\n"
          "  - {name: two, zoneName: privatelink.blob.core.windows.net, virtualNetworkLinks: [{virtualNetwork: spoke}]}\n"
          "privateEndpoints: [" PE("a", "10.0.1.10", ", privateDnsZoneGroup: [one]") "]\n"
          "timeline:\n"
          "  - {at: 1s, add: privateEndpoints, with: " PE("b", "10.0.1.11", ", privateDnsZoneGroup: [two]") "}\n"
          "  - {at: 2s, remove: privateEndpoints/b}\n"
          "expect:\n" AT("0s", "10.0.1.10") AT("1s", "10.0.1.10") AT("2s", "10.0.1.10")
          "  - {at: 0s, from: vm2, name: acc.blob.core.windows.net, resolvedTo: []}\n"
          "  - {at: 1s, from: vm2, name: acc.blob.core.windows.net, resolvedTo: [10.0.1.11]}\n"
          "  - {at: 2s, from: vm2, name: acc.blob.core.windows.net, resolvedTo: []}\n");
}
