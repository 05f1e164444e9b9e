/* test_troubleshoot.c - connection troubleshoot: hops, issues, counts and latencies of probes through small
 * networks. */
#include "topology/troubleshoot.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "tests/support_scenario.h"

static const char *const net =
    "scenario: t\n"
    "subscription: 5b7f\n"
    "virtualNetworks:\n"
    "  - name: hub\n"
    "    addressPrefixes: [10.0.0.0/16]\n"
    "    subnets:\n"
    "      - {name: apps, addressPrefix: 10.0.1.0/24, networkSecurityGroup: apps-nsg, routeTable: rt}\n"
    "      - {name: data, addressPrefix: 10.0.2.0/24, networkSecurityGroup: data-nsg}\n"
    "      - {name: fw, addressPrefix: 10.0.9.0/24}\n"
    "      - {name: GatewaySubnet, addressPrefix: 10.0.255.0/27}\n"
    "networkSecurityGroups:\n"
    "  - {name: apps-nsg, securityRules: [{name: Port80, priority: 100, direction: Outbound, access: Deny, "
    "protocol: Tcp,\n"
    "     destinationPortRange: '80'}]}\n"
    "  - {name: data-nsg, securityRules: [{name: all, priority: 100, direction: Inbound, access: Allow, "
    "protocol: Tcp,\n"
    "     destinationPortRanges: ['443', '22', '25', '80']}, {name: none, priority: 4096, direction: "
    "Inbound,\n"
    "     access: Deny, protocol: '*'}]}\n"
    "routeTables:\n"
    "  - name: rt\n"
    "    routes:\n"
    "      - {name: data, addressPrefix: 10.0.2.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: "
    "10.0.9.4}\n"
    "      - {name: hole, addressPrefix: 13.107.0.0/16, nextHopType: None}\n"
    "networkInterfaces:\n"
    "  - {name: vm, subnet: hub/apps, privateIPAddress: 10.0.1.4}\n"
    "  - {name: db, subnet: hub/data, privateIPAddress: 10.0.2.4, listens: [tcp/443]}\n"
    "  - {name: fw, subnet: hub/fw, privateIPAddress: 10.0.9.4, enableIPForwarding: true, appliance: "
    "{forwards: true, stateful: false,\n"
    "     drops: [tcp/25]}}\n"
    "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"
    "services:\n"
    "  - {name: store, type: Microsoft.Storage/storageAccounts, networkAcls: {defaultAction: Deny}}\n"
    "  - {name: open, type: Microsoft.Storage/storageAccounts}\n"
    "privateEndpoints:\n"
    "  - {name: pe, subnet: hub/fw, service: store, groupIds: [blob], ipConfigurations: [{memberName: blob,\n"
    "     privateIPAddress: 10.0.9.9}]}\n"
    "  - {name: waiting, subnet: hub/fw, service: store, groupIds: [blob], manualRequest: true,\n"
    "     ipConfigurations: [{memberName: blob, privateIPAddress: 10.0.9.10}]}\n"
    "publicIPAddresses: [{name: gw-pip, ipAddress: 20.50.1.4}]\n"
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: Vpn, publicIPAddress: gw-pip, "
    "connections: [hq]}]\n"
    "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], hosts: [{name: pc, ipAddress: "
    "192.168.1.4}]}]\n";

static struct arena *arena;

static void setup(void)
{
    arena = arena_new("test");
}

static void teardown(void)
{
    arena_free(arena);
}

TestSuite(troubleshoot, .init = setup, .fini = teardown);

static void on_packet(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                      const struct trace *t)
{
    troubleshoot_packet(ctx, c, port, at, p, t);
}

static json_t *probe(const char *from, const char *to, uint16_t port, const char *links)
{
    const struct flow f = {.name = "probe",
                           .from = from,
                           .to = to,
                           .destinationPort = port,
                           .requestBytes = 100,
                           .responseBytes = 1024,
                           .count = TROUBLESHOOT_PROBES,
                           .interval = TROUBLESHOOT_INTERVAL};
    struct scenario *sc = sc_parse(arena_printf(arena, "%s%s", net, links));
    struct troubleshoot *t = troubleshoot_new();
    const struct run_options o = {.tap = on_packet, .ctx = t};
    struct run *r = run_new_single(sc, &f, &o);
    run_execute(r);
    json_t *answer = troubleshoot_json(t, r);
    run_free(r);
    troubleshoot_free(t);
    scenario_free(sc);
    return answer;
}

/* => "Reachable 100/0; Source 10.0.1.4; VnetLocal 10.0.2.4 [Local Unknown Reason=NoListener]": status, probes
 * sent and failed, hops with their issues. */
static const char *story(json_t *o)
{
    size_t i, k;
    json_t *hop, *issue;
    const char *all =
        arena_printf(arena, "%s %d/%d", json_string_value(json_object_get(o, "connectionStatus")),
                     (int)json_integer_value(json_object_get(o, "probesSent")),
                     (int)json_integer_value(json_object_get(o, "probesFailed")));
    json_array_foreach(json_object_get(o, "hops"), i, hop)
    {
        all = arena_printf(arena, "%s; %s %s", all, json_string_value(json_object_get(hop, "type")),
                           json_string_value(json_object_get(hop, "address")));
        json_array_foreach(json_object_get(hop, "issues"), k, issue)
        {
            const json_t *context = json_array_get(json_object_get(issue, "context"), 0);
            all = arena_printf(arena, "%s [%s %s %s=%s]", all,
                               json_string_value(json_object_get(issue, "origin")),
                               json_string_value(json_object_get(issue, "type")),
                               json_string_value(json_object_get(context, "key")),
                               json_string_value(json_object_get(context, "value")));
        }
    }
    json_decref(o);
    return all;
}

struct shown {
    const char *from, *to;
    uint16_t port;
    const char *story;
};

static void expect_stories(const struct shown *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = story(probe(row[i].from, row[i].to, row[i].port, ""));
        cr_expect_str_eq(got, row[i].story, "%s to %s:%u: got %s, want %s", row[i].from, row[i].to,
                         row[i].port, got, row[i].story);
    }
}

#define EXPECT_STORIES(rows) expect_stories(rows, sizeof(rows) / sizeof((rows)[0]))

Test(troubleshoot, hops)
{
    static const struct shown rows[] = {
        {"vm", "db", 443, "Reachable 100/0; Source 10.0.1.4; VirtualAppliance 10.0.9.4; VnetLocal 10.0.2.4"},
        {"vm", "fw", 9,
         "Unreachable 100/100; Source 10.0.1.4; "
         "VnetLocal 10.0.9.4 [Local Unknown Reason=NoListener]"},
        {"vm", "93.184.216.34", 443, "Reachable 100/0; Source 10.0.1.4; Internet 93.184.216.34"},
        {"vm", "pe", 443, "Reachable 100/0; Source 10.0.1.4; VnetLocal 10.0.9.9"},
        {"db", "192.168.1.4", 443,
         "Unreachable 100/100; Source 10.0.2.4; VirtualNetworkGateway 10.0.255.4; "
         "Destination 192.168.1.4 [Local Unknown Reason=NoListener]"},
        {"hq/pc", "db", 443,
         "Reachable 100/0; Source 192.168.1.4; VirtualNetworkGateway 10.0.255.4; "
         "VnetLocal 10.0.2.4"},
    };
    EXPECT_STORIES(rows);
}

Test(troubleshoot, issues)
{
    static const struct shown rows[] = {
        {"vm", "db", 80,
         "Unreachable 100/100; "
         "Source 10.0.1.4 [Outbound NetworkSecurityRule RuleName=UserRule_Port80]; "
         "VnetLocal 10.0.2.4"},
        {"fw", "db", 8080,
         "Unreachable 100/100; Source 10.0.9.4; "
         "VnetLocal 10.0.2.4 [Inbound NetworkSecurityRule RuleName=UserRule_none]"},
        {"vm", "10.77.0.1", 443,
         "Unreachable 100/100; "
         "Source 10.0.1.4 [Outbound NetworkSecurityRule RuleName=DefaultRule_DenyAllOutBound]; "
         "Destination 10.77.0.1"},
        {"vm", "13.107.21.200", 443,
         "Unreachable 100/100; Source 10.0.1.4 [Outbound UserDefinedRoute RouteType=User]; "
         "Destination 13.107.21.200"},
        {"fw", "10.77.0.1", 443,
         "Unreachable 100/100; Source 10.0.9.4 [Outbound UserDefinedRoute RouteType=System]; "
         "Destination 10.77.0.1"},
        {"vm", "db", 25,
         "Unreachable 100/100; Source 10.0.1.4; "
         "VirtualAppliance 10.0.9.4 [Local GuestFirewall Reason=ApplianceDrop]; VnetLocal 10.0.2.4"},
        {"vm", "10.0.2.99", 443,
         "Unreachable 100/100; Source 10.0.1.4; "
         "VirtualAppliance 10.0.9.4 [Outbound Platform Reason=NoHost]; Destination 10.0.2.99"},
        {"vm", "waiting", 443,
         "Unreachable 100/100; Source 10.0.1.4; "
         "VnetLocal 10.0.9.10 [Inbound Platform Reason=EndpointNotApproved]"},
        {"vm", "nosuch.example.org", 443,
         "Unreachable 100/100; Source 10.0.1.4 [Local DnsResolution Reason=NxDomain]"},
    };
    EXPECT_STORIES(rows);
}

/* A refusal by the service is an answer: the connection was there. */
Test(troubleshoot, denied_is_reachable)
{
    const char *got = story(probe("vm", "store.blob.core.windows.net", 443, ""));
    cr_expect_eq(strncmp(got, "Reachable 100/0; Source 10.0.1.4; Internet ", 42), 0, "%s", got);
    cr_expect_null(strchr(got, '['), "%s", got);
}

static long value(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) ? (long)json_integer_value(v) : -1;
}

Test(troubleshoot, latency_is_the_round_trip)
{
    json_t *o = probe("vm", "web", 443, "links: {internet: {latency: 4ms, jitter: 0s}}\n");
    cr_expect_eq(value(o, "minLatencyInMs"), 8);
    cr_expect_eq(value(o, "avgLatencyInMs"), 8);
    cr_expect_eq(value(o, "maxLatencyInMs"), 8);
    json_decref(o);
    o = probe("vm", "web", 443, "links: {internet: {latency: 10ms, jitter: 20ms}}\n");
    cr_expect_geq(value(o, "minLatencyInMs"), 20);
    cr_expect_leq(value(o, "maxLatencyInMs"), 60);
    cr_expect_lt(value(o, "minLatencyInMs"), value(o, "avgLatencyInMs"));
    cr_expect_lt(value(o, "avgLatencyInMs"), value(o, "maxLatencyInMs"));
    json_decref(o);
}

/* Some probes are lost for good: the connection counts as reachable, the rest as failed. */
Test(troubleshoot, some_probes_fail)
{
    json_t *o = probe("vm", "web", 443, "links: {internet: {latency: 4ms, loss: 0.6}}\n");
    const long failed = value(o, "probesFailed");
    cr_expect(failed > 0 && failed < 100, "%ld", failed);
    cr_expect_eq(value(o, "probesSent"), 100);
    cr_expect_str_eq(json_string_value(json_object_get(o, "connectionStatus")), "Reachable");
    cr_expect_eq(value(o, "minLatencyInMs"), 8);
    json_decref(o);
}

Test(troubleshoot, json)
{
    json_t *o = probe("vm", "13.107.21.200", 443, "");
    char *text = json_dumps(o, JSON_INDENT(2));
    const json_t *hops = json_object_get(o, "hops");
    const char *id[2];
    for (size_t i = 0; i < 2; i++) {
        id[i] = json_string_value(json_object_get(json_array_get(hops, i), "id"));
        cr_expect_eq(strlen(id[i]), 36);
    }
    cr_expect_str_neq(id[0], id[1]);
    const char *want = arena_printf(arena,
                                    "{\n"
                                    "  \"avgLatencyInMs\": null,\n"
                                    "  \"connectionStatus\": \"Unreachable\",\n"
                                    "  \"hops\": [\n"
                                    "    {\n"
                                    "      \"address\": \"10.0.1.4\",\n"
                                    "      \"id\": \"%s\",\n"
                                    "      \"issues\": [\n"
                                    "        {\n"
                                    "          \"context\": [\n"
                                    "            {\n"
                                    "              \"key\": \"RouteType\",\n"
                                    "              \"value\": \"User\"\n"
                                    "            }\n"
                                    "          ],\n"
                                    "          \"origin\": \"Outbound\",\n"
                                    "          \"severity\": \"Error\",\n"
                                    "          \"type\": \"UserDefinedRoute\"\n"
                                    "        }\n"
                                    "      ],\n"
                                    "      \"nextHopIds\": [\n"
                                    "        \"%s\"\n"
                                    "      ],\n"
                                    "      \"resourceId\": \"/subscriptions/5b7f/resourceGroups/rg/providers/"
                                    "Microsoft.Network/networkInterfaces/vm/ipConfigurations/ipconfig1\",\n"
                                    "      \"type\": \"Source\"\n"
                                    "    },\n"
                                    "    {\n"
                                    "      \"address\": \"13.107.21.200\",\n"
                                    "      \"id\": \"%s\",\n"
                                    "      \"issues\": [],\n"
                                    "      \"nextHopIds\": [],\n"
                                    "      \"resourceId\": \"Unknown\",\n"
                                    "      \"type\": \"Destination\"\n"
                                    "    }\n"
                                    "  ],\n"
                                    "  \"maxLatencyInMs\": null,\n"
                                    "  \"minLatencyInMs\": null,\n"
                                    "  \"probesFailed\": 100,\n"
                                    "  \"probesSent\": 100\n"
                                    "}",
                                    id[0], id[1], id[1]);
    cr_expect_str_eq(text, want);
    free(text);
    json_decref(o);
}
