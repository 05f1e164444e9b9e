/* test_flowlog.c - flow logs: lines in every version, and stories that run through the whole simulation and
 * are read back from the files. The shape of the files: test_flowlog_shape.c. */
#include "pcaps/flowlog.h"
#include "tests/support_flowlog.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* -- lines ----------------------------------------------------------------------------------------------- */

static const char *line(unsigned version, char state, uint8_t proto, bool inbound)
{
    static char buf[FLOWLOG_TUPLE_LEN];
    const struct flowlog_tuple t = {.at = INT64_C(1542110379123456789),
                                    .src = IP4(10, 5, 16, 4),
                                    .dst = IP4(203, 0, 113, 118),
                                    .sport = 59831,
                                    .dport = 443,
                                    .proto = proto,
                                    .inbound = inbound,
                                    .state = state,
                                    .packets = {30, 24},
                                    .bytes = {16978, UINT64_MAX}};
    return flowlog_format(version, &t, buf);
}

#define PLACES "10.5.16.4,203.0.113.118,59831,443,"

Test(flowlog, lines)
{
    cr_expect_str_eq(line(1, 'B', 6, false), "1542110379," PLACES "T,O,A");
    cr_expect_str_eq(line(1, 'D', 17, true), "1542110379," PLACES "U,I,D");
    cr_expect_str_eq(line(1, 'C', 6, false), "");
    cr_expect_str_eq(line(1, 'E', 6, false), "");
    cr_expect_str_eq(line(2, 'B', 6, false), "1542110379," PLACES "T,O,A,B,,,,");
    cr_expect_str_eq(line(2, 'C', 6, true), "1542110379," PLACES "T,I,A,C,30,16978,24,18446744073709551615");
    cr_expect_str_eq(line(2, 'E', 17, false),
                     "1542110379," PLACES "U,O,A,E,30,16978,24,18446744073709551615");
    cr_expect_str_eq(line(2, 'D', 6, true), "1542110379," PLACES "T,I,D,B,,,,");
    cr_expect_str_eq(line(4, 'C', 6, false),
                     "1542110379123," PLACES "6,O,C,NX,30,16978,24,18446744073709551615");
    cr_expect_str_eq(line(4, 'E', 17, true),
                     "1542110379123," PLACES "17,I,E,NX,30,16978,24,18446744073709551615");
}

Test(flowlog, lines_without_counts)
{
    const struct flowlog_tuple t = {
        .at = 1000000000, .src = 1, .dst = 2, .sport = 3, .dport = 4, .proto = 6, .state = 'D'};
    char buf[FLOWLOG_TUPLE_LEN];
    cr_expect_str_eq(flowlog_format(4, &t, buf), "1000,0.0.0.1,0.0.0.2,3,4,6,O,D,NX,0,0,0,0");
    cr_expect_str_eq(flowlog_format(2, &t, buf), "1,0.0.0.1,0.0.0.2,3,4,T,O,D,B,,,,");
}

/* -- stories --------------------------------------------------------------------------------------------- */

/* Lines of one record, "rule tuple" each; *all grows. */
static void read_record(struct logged *s, const json_t *record, const char **all)
{
    size_t i, k, j;
    json_t *flow, *part, *tuple;
    const bool vnet = json_object_get(record, "flowRecords") != NULL;
    const json_t *flows =
        json_object_get(json_object_get(record, vnet ? "flowRecords" : "properties"), "flows");
    cr_assert(json_is_array(flows));
    json_array_foreach(flows, i, flow)
        json_array_foreach(json_object_get(flow, vnet ? "flowGroups" : "flows"), k, part)
            json_array_foreach(json_object_get(part, "flowTuples"), j, tuple) *all = arena_printf(
                s->arena, "%s%s %s\n", *all, logged_text(vnet ? part : flow, "rule"),
                json_string_value(tuple));
}

/* => the lines of a log in all its files, with "-- time" before those of each record. */
static const char *lines_of(struct logged *s, const char *log)
{
    const char *all = "";
    size_t i, k;
    json_t *f, *record;
    json_array_foreach(s->files, i, f)
    {
        if (strcmp(logged_text(f, "name"), log) != 0)
            continue;
        json_t *o = logged_json(arena_printf(s->arena, "%s/%s", s->tmp.dir, logged_text(f, "file")));
        json_array_foreach(json_object_get(o, "records"), k, record)
        {
            all = arena_printf(s->arena, "%s-- %s\n", all, logged_text(record, "time"));
            read_record(s, record, &all);
        }
        json_decref(o);
    }
    return all;
}

static void logs(struct logged *s, const char *log, const char *want)
{
    const char *got = lines_of(s, log);
    cr_expect(strcmp(got, want) == 0, "%s\ngot:\n%swant:\n%s", log, got, want);
}

/* Frames: 62 (SYN with options), 54, 154, 54, 54; 62, 1078, 54. Links take 1 ms, and both ends ask for the
 * MAC first. */
#define OUT_A   "10.0.1.4,10.0.2.4,40000,443,"
#define IN_A    "10.0.2.4,10.0.1.4,40000,443,"
#define ALLOWED "DefaultRule_AllowVnetOutBound "

Test(story, conversation)
{
    struct logged s;
    logged_run(&s,
              "start: 2026-03-04T09:58:30Z\n"
              "flowLogs: [{name: sub, target: apps-nsg}, {name: nic, target: vm-nsg}, {name: old, target: "
              "apps-nsg, version: 1},\n"
              "           {name: net, target: hub}]\n" NET(
                  "") "flows: [{at: 1s, from: vm, to: other, destinationPort: 443, sourcePort: 40000}]\n");
    logs(&s, "sub",
         "-- 2026-03-04T09:58:59.9999999Z\n" ALLOWED "1772618311," OUT_A "T,O,A,B,,,,\n" ALLOWED
         "1772618311," OUT_A "T,O,A,E,5,378,3,1194\n");
    logs(&s, "nic", ""); /* F-08: the last group that allowed it has it */
    logs(&s, "old", "-- 2026-03-04T09:58:59.9999999Z\n" ALLOWED "1772618311," OUT_A "T,O,A\n");
    logs(&s, "net",
         "-- 2026-03-04T09:58:59.9999999Z\n" ALLOWED "1772618311001," OUT_A "6,O,B,NX,0,0,0,0\n" ALLOWED
         "1772618311008," OUT_A "6,O,E,NX,5,378,3,1194\n"
         "-- 2026-03-04T09:58:59.9999999Z\n"
         "unspecified 1772618311002," OUT_A "6,I,B,NX,0,0,0,0\n"
         "unspecified 1772618311009," OUT_A "6,I,E,NX,5,378,3,1194\n");
    logged_end(&s);
}

Test(story, denied_by_the_group_that_denies)
{
    struct logged s;
    logged_run(
        &s,
        "flowLogs: [{name: sub, target: apps-nsg}, {name: nic, target: vm-nsg}, {name: net, target: "
        "hub}]\n" NET(
            "") "flows:\n"
                "  - {at: 1s, from: vm, to: other, protocol: udp, destinationPort: 80, sourcePort: 40000}\n"
                "  - {at: 2s, from: other, to: vm, destinationPort: 22, sourcePort: 40000}\n");
    logs(&s, "nic",
         "-- 2026-01-01T00:00:59.9999999Z\n"
         "UserRule_no-80 1767225601,10.0.1.4,10.0.2.4,40000,80,U,O,D,B,,,,\n");
    logs(&s, "sub", /* once, though the SYN came four times */
         "-- 2026-01-01T00:00:59.9999999Z\n"
         "UserRule_no-22 1767225602,10.0.2.4,10.0.1.4,40000,22,T,I,D,B,,,,\n");
    const char *net = lines_of(&s, "net");
    cr_expect_not_null(
        strstr(net, "UserRule_no-80 1767225601001,10.0.1.4,10.0.2.4,40000,80,17,O,D,NX,0,0,0,0\n"), "%s",
        net);
    cr_expect_not_null(
        strstr(net, "UserRule_no-22 1767225602002,10.0.2.4,10.0.1.4,40000,22,6,I,D,NX,0,0,0,0\n"), "%s", net);
    cr_expect_not_null(strstr(net, "unspecified 1767225602001,10.0.2.4,10.0.1.4,40000,22,6,O,B,NX,0,0,0,0\n"),
                       "%s", net);
    logged_end(&s);
}

/* What the network manager's rules decide is no group's: the network's log tells it under their plain names (G-16). */
Test(story, admin_rules_are_told_by_the_network_only)
{
    struct logged s;
    logged_run(&s, "flowLogs: [{name: sub, target: apps-nsg}, {name: nic, target: vm-nsg}, {name: net, target: hub}]\n"
                  "networkManagers: [{name: corp, networkGroups: [{name: g, staticMembers: [hub]}],\n"
                  "  securityAdminConfigurations: [{name: base, ruleCollections: [{name: set, appliesToGroups: "
                  "[{networkGroup: g}], rules: [\n"
                  "    {name: ssh, priority: 1, direction: Inbound, access: AlwaysAllow, protocol: Tcp, "
                  "destinationPortRanges: ['22']},\n"
                  "    {name: tls, priority: 2, direction: Inbound, access: Deny, protocol: Tcp, "
                  "destinationPortRanges: ['443']}]}]}]}]\n" NET("") "flows:\n"
                  "  - {at: 1s, from: other, to: vm, destinationPort: 22, sourcePort: 40000}\n"
                  "  - {at: 2s, from: other, to: vm, destinationPort: 443, sourcePort: 40000}\n");
    logs(&s, "sub", "");
    logs(&s, "nic", "");
    const char *net = lines_of(&s, "net");
    cr_expect_not_null(strstr(net, "ssh 1767225601002,10.0.2.4,10.0.1.4,40000,22,6,I,B,NX,0,0,0,0\n"), "%s", net);
    cr_expect_not_null(strstr(net, "ssh 1767225601009,10.0.2.4,10.0.1.4,40000,22,6,I,E,NX,5,378,3,1194\n"), "%s", net);
    cr_expect_not_null(strstr(net, "tls 1767225602001,10.0.2.4,10.0.1.4,40000,443,6,I,D,NX,0,0,0,0\n"), "%s", net);
    logged_end(&s);
}

Test(story, denied_again_in_the_next_minute)
{
    struct logged s; /* SYNs at 58, 59, 61, 65 s */
    logged_run(&s,
              "flowLogs: [{name: nic, target: vm-nsg, version: 1}]\n" NET(
                  "") "flows: [{at: 58s, from: vm, to: other, destinationPort: 80, sourcePort: 40000}]\n");
    logs(&s, "nic",
         "-- 2026-01-01T00:00:59.9999999Z\n"
         "UserRule_no-80 1767225658,10.0.1.4,10.0.2.4,40000,80,T,O,D\n"
         "-- 2026-01-01T00:01:59.9999999Z\n"
         "UserRule_no-80 1767225661,10.0.1.4,10.0.2.4,40000,80,T,O,D\n");
    logged_end(&s);
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

Test(story, long_conversation_continues_every_five_minutes)
{
    struct logged s;
    logged_run(&s, "start: 2026-12-31T23:50:00Z\n"
                  "flowLogs: [{name: net, target: hub}]\n" NET(
                      "") "flows: [{at: 30s, from: vm, to: other, destinationPort: 443, sourcePort: 40000, "
                          "keepOpen: 12m}]\n");
    const char *net = lines_of(&s, "net");
    cr_expect_eq(times(net, ",B,NX,"), 2, "%s", net);
    cr_expect_eq(times(net, ",C,NX,"), 4, "%s", net);
    cr_expect_eq(times(net, ",E,NX,"), 2, "%s", net);
    cr_expect_not_null(strstr(net, "\n" ALLOWED "1798761330001," OUT_A "6,O,C,NX,"), "%s",
                       net); /* 23:55:30 */
    cr_expect_not_null(strstr(net, "\n" ALLOWED "1798761630001," OUT_A "6,O,C,NX,"), "%s",
                       net); /* 00:00:30 */
    cr_expect_not_null(strstr(net, "-- 2027-01-01T00:00:59.9999999Z\n"), "%s", net);
    uint64_t packets = 0, bytes = 0;
    for (const char *c = "CE"; *c; c++) {
        packets += logged_sum(net, *c, 0) + logged_sum(net, *c, 2);
        bytes += logged_sum(net, *c, 1) + logged_sum(net, *c, 3);
    }
    cr_expect_eq(packets, s.frames, "%lu in the log, %lu seen", (unsigned long)packets,
                 (unsigned long)s.frames);
    cr_expect_eq(bytes, s.bytes);
    cr_expect_gt(s.frames, 1000);
    logged_end(&s);
}

Test(story, files_by_hour_and_mac)
{
    struct logged s;
    size_t i;
    json_t *f;
    const char *all = "";
    logged_run(
        &s,
        "start: 2026-12-31T23:59:30Z\n"
        "subscription: 5b7f\n"
        "resourceGroup: Prod\n"
        "flowLogs: [{name: Net, target: hub}, {name: sub, target: apps-nsg}]\n" NET(
            "") "flows: [{at: 1s, from: vm, to: other, destinationPort: 443}, {at: 45s, from: vm, to: other, "
                "destinationPort: 443}]\n");
    json_array_foreach(s.files, i, f) all =
        arena_printf(s.arena, "%s%s %s\n", all, logged_text(f, "name"), logged_text(f, "file"));
    const struct compiled *c = run_image(s.run, 0);
    const char *mac[2];
    for (int k = 0; k < 2; k++) {
        const struct thing t = {THING_NIC, &c->model->networkInterfaces.at[k]};
        uint32_t port = 0;
        while (c->thing[port].p != t.p)
            port++;
        const uint8_t *m = c->image->port[port].host.mac;
        mac[k] = arena_printf(s.arena, "%02X%02X%02X%02X%02X%02X", m[0], m[1], m[2], m[3], m[4], m[5]);
    }
    const bool first = strcmp(mac[0], mac[1]) < 0;
#define VNET_PATH                                                                                            \
    "Net "                                                                                                   \
    "insights-logs-flowlogflowevent/flowLogResourceID=/5B7F_NETWORKWATCHERRG/NETWORKWATCHER_WESTEUROPE_NET/"
#define NSG_PATH                                                                                             \
    "sub "                                                                                                   \
    "insights-logs-networksecuritygroupflowevent/resourceId=/SUBSCRIPTIONS/5B7F/RESOURCEGROUPS/PROD/"        \
    "PROVIDERS/"                                                                                             \
    "MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/APPS-NSG/"
#define OLD "y=2026/m=12/d=31/h=23/m=00/macAddress="
#define NEW "y=2027/m=01/d=01/h=00/m=00/macAddress="
    const char *low = mac[!first], *high = mac[first];
    const char *want =
        arena_printf(s.arena,
                     VNET_PATH OLD "%s/PT1H.json\n" VNET_PATH OLD "%s/PT1H.json\n" VNET_PATH NEW
                                   "%s/PT1H.json\n" VNET_PATH NEW "%s/PT1H.json\n" NSG_PATH OLD
                                   "%s/PT1H.json\n" NSG_PATH NEW "%s/PT1H.json\n",
                     low, high, low, high, mac[0], mac[0]);
    cr_expect(strcmp(all, want) == 0, "got:\n%swant:\n%s", all, want);
    logged_end(&s);
}

Test(story, idle_conversations_end_at_their_timeout)
{
    struct logged s;
    logged_run(&s, "flowLogs: [{name: net, target: hub}]\n" NET(
                      "    flowTimeoutInMinutes: 6\n") "flows: [{at: 1s, from: vm, to: other, protocol: udp, "
                                                       "destinationPort: 53, sourcePort: 40000}]\n"
                                                       "expect: [{at: 8m, nic: vm, noRoute: {addressPrefix: "
                                                       "192.0.2.0/24}}]\n");
    const char *net = lines_of(&s, "net");
    cr_expect_not_null(strstr(net, ALLOWED "1767225601001,10.0.1.4,10.0.2.4,40000,53,17,O,B,NX,0,0,0,0\n"),
                       "%s", net);
    cr_expect_not_null(
        strstr(net, ALLOWED "1767225901001,10.0.1.4,10.0.2.4,40000,53,17,O,C,NX,1,142,1,1066\n"), "%s", net);
    cr_expect_not_null(strstr(net, ALLOWED "1767225961004,10.0.1.4,10.0.2.4,40000,53,17,O,E,NX,0,0,0,0\n"),
                       "%s", net);
    logged_end(&s);
}

Test(story, open_at_the_end_of_the_run)
{
    struct logged s;
    logged_run(&s, "flowLogs: [{name: sub, target: apps-nsg}]\n" NET(
                      "") "flows: [{at: 1s, from: vm, to: other, protocol: udp, destinationPort: 53, "
                          "sourcePort: 40000}]\n");
    cr_expect_lt(run_end(s.run), INT64_C(2000000000)); /* a log does not make a run longer */
    logs(&s, "sub",
         "-- 2026-01-01T00:00:59.9999999Z\n" ALLOWED
         "1767225601,10.0.1.4,10.0.2.4,40000,53,U,O,A,B,,,,\n" ALLOWED
         "1767225601,10.0.1.4,10.0.2.4,40000,53,U,O,A,C,1,142,1,1066\n");
    logged_end(&s);
}

#define INBOUND "flows: [{at: 1s, from: other, to: vm, destinationPort: 443, sourcePort: 40000}]\n"

Test(story, inbound_tcp_of_user_rules_is_stateless)
{
    struct logged s;
    logged_run(&s, "flowLogs: [{name: nic, target: vm-nsg}, {name: net, target: hub}]\n" NET("") INBOUND);
    logs(&s, "nic",
         "-- 2026-01-01T00:00:59.9999999Z\nUserRule_web 1767225601," IN_A "T,I,A,B,,,,\n"); /* G-07 */
    const char *net = lines_of(&s, "net");
    cr_expect_not_null(strstr(net, "UserRule_web 1767225601009," IN_A "6,I,E,NX,5,378,3,1194\n"), "%s", net);
    logged_end(&s);
    logged_run(&s, "flowLogs: [{name: nic, target: vm-nsg}]\n" NET("    flowTimeoutInMinutes: 4\n") INBOUND);
    logs(&s, "nic",
         "-- 2026-01-01T00:00:59.9999999Z\nUserRule_web 1767225601," IN_A
         "T,I,A,B,,,,\nUserRule_web 1767225601," IN_A "T,I,A,E,5,378,3,1194\n");
    logged_end(&s);
}

Test(story, outbound_tcp_of_user_rules_has_counts)
{
    struct logged s; /* G-07 is about inbound */
    logged_run(
        &s, "flowLogs: [{name: out, target: g}]\n"
            "virtualNetworks:\n"
            "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.0.0/24, "
            "networkSecurityGroup: g}]}\n"
            "networkSecurityGroups:\n"
            "  - {name: g, securityRules: [{name: own, priority: 100, direction: Outbound, access: Allow, "
            "protocol: Tcp}]}\n"
            "networkInterfaces:\n"
            "  - {name: x, subnet: hub/a, privateIPAddress: 10.0.0.4}\n"
            "  - {name: y, subnet: hub/a, privateIPAddress: 10.0.0.5, listens: [tcp/443]}\n" LINKS
            "flows: [{at: 1s, from: x, to: y, destinationPort: 443, sourcePort: 40000}]\n");
    const char *out = lines_of(&s, "out");
    cr_expect_eq(times(out, "UserRule_own 1767225601,10.0.0.4,10.0.0.5,40000,443,T,O,A,E,5,378,3,1194\n"), 1,
                 "%s", out);
    logged_end(&s);
}

/* The end of an idle conversation becomes known late; it still stands where it belongs in time. */
Test(story, lines_are_in_order_of_time)
{
    struct logged s;
    logged_run(
        &s,
        "flowLogs: [{name: sub, target: apps-nsg}]\n" NET(
            "") "flows:\n"
                "  - {at: 1s, from: vm, to: other, protocol: udp, destinationPort: 53, sourcePort: 40000}\n"
                "  - {at: 2s, from: vm, to: other, protocol: udp, destinationPort: 53, sourcePort: 40001}\n"
                "  - {at: 245s, from: vm, to: other, protocol: udp, destinationPort: 53, sourcePort: 40000}\n"
                "  - {at: 246s, from: vm, to: other, destinationPort: 443, sourcePort: 40000}\n");
#define UDP(port) "10.0.1.4,10.0.2.4," port ",53,U,O,A,"
    logs(&s, "sub",
         "-- 2026-01-01T00:00:59.9999999Z\n" ALLOWED
         "1767225601," UDP("40000") "B,,,,\n" ALLOWED "1767225602," UDP(
             "40001") "B,,,,\n"
                      "-- 2026-01-01T00:04:59.9999999Z\n" ALLOWED
                      "1767225841," UDP("40000") "E,1,142,1,1066\n" ALLOWED "1767225842," UDP(
                          "40001") "E,1,142,1,1066\n" ALLOWED
                                   "1767225845," UDP("40000") "B,,,,\n" ALLOWED "1767225846," OUT_A
                                                              "T,O,A,B,,,,\n" ALLOWED "1767225846," OUT_A
                                                              "T,O,A,E,5,378,3,1194\n" ALLOWED
                                                              "1767225846," UDP("40000") "C,1,142,1,1066\n");
    logged_end(&s);
}

Test(story, refused_ends_with_the_reset)
{
    struct logged s;
    logged_run(&s, "flowLogs: [{name: sub, target: apps-nsg}]\n" NET(
                      "") "flows: [{at: 1s, from: vm, to: other, destinationPort: 81, sourcePort: 40000}]\n");
    logs(&s, "sub",
         "-- 2026-01-01T00:00:59.9999999Z\n" ALLOWED
         "1767225601,10.0.1.4,10.0.2.4,40000,81,T,O,A,B,,,,\n" ALLOWED
         "1767225601,10.0.1.4,10.0.2.4,40000,81,T,O,A,E,1,62,1,54\n");
    logged_end(&s);
}

/* The same addresses and ports a second time, within the flow's timeout: the packet path asks no rule again.
 */
Test(story, a_conversation_reuses_its_ports)
{
    struct logged s;
    logged_run(&s, "flowLogs: [{name: sub, target: apps-nsg}]\n" NET(
                      "") "flows: [{at: 1s, from: vm, to: other, destinationPort: 443, sourcePort: 40000, "
                          "count: 2, interval: 100s}]\n");
    const char *got = lines_of(&s, "sub");
    cr_expect_eq(times(got, "T,O,A,B,,,,\n"), 2, "%s", got);
    cr_expect_eq(times(got, "T,O,A,E,5,378,3,1194\n"), 2, "%s", got);
    cr_expect_eq(times(got, ALLOWED), 4, "%s", got);
    logged_end(&s);
}

#define ENDPOINT                                                                                             \
    "services: [{name: store, type: Microsoft.Storage/storageAccounts}]\n"                                   \
    "privateEndpoints:\n"                                                                                    \
    "  - {name: pe, subnet: hub/apps, service: store, groupIds: [blob],\n"                                   \
    "     ipConfigurations: [{memberName: blob, privateIPAddress: 10.0.1.9}]}\n"

Test(story, private_endpoints_show_at_the_source_only)
{
    struct logged s; /* PE-10 */
    logged_run(&s, "flowLogs: [{name: sub, target: apps-nsg}, {name: nic, target: vm-nsg}, {name: net, "
                  "target: hub}]\n" NET("") ENDPOINT
              "flows:\n"
              "  - {at: 1s, from: other, to: pe, destinationPort: 443, sourcePort: 40000}\n"
              "  - {at: 2s, from: vm, to: pe, destinationPort: 443, sourcePort: 40000}\n");
    logs(&s, "sub",
         "-- 2026-01-01T00:00:59.9999999Z\n" ALLOWED
         "1767225602,10.0.1.4,10.0.1.9,40000,443,T,O,A,B,,,,\n" ALLOWED
         "1767225602,10.0.1.4,10.0.1.9,40000,443,T,O,A,E,5,378,3,1194\n");
    logs(&s, "nic", "");
    const char *net = lines_of(&s, "net");
    cr_expect_eq(times(net, ",B,NX,"), 2, "%s", net);
    cr_expect_eq(times(net, "10.0.2.4,10.0.1.9,40000,443,6,O,B"), 1, "%s", net);
    logged_end(&s);
}

Test(story, an_appliance_has_both_halves)
{
    struct logged s;
    logged_run(
        &s, "flowLogs: [{name: net, target: hub}]\n"
            "virtualNetworks:\n"
            "  - name: hub\n"
            "    addressPrefixes: [10.0.0.0/16]\n"
            "    subnets:\n"
            "      - {name: a, addressPrefix: 10.0.1.0/24, routeTable: a-rt}\n"
            "      - {name: b, addressPrefix: 10.0.2.0/24, routeTable: b-rt}\n"
            "      - {name: fw, addressPrefix: 10.0.9.0/24}\n"
            "routeTables:\n"
            "  - {name: a-rt, routes: [{name: b, addressPrefix: 10.0.2.0/24, nextHopType: VirtualAppliance, "
            "nextHopIpAddress: 10.0.9.4}]}\n"
            "  - {name: b-rt, routes: [{name: a, addressPrefix: 10.0.1.0/24, nextHopType: VirtualAppliance, "
            "nextHopIpAddress: 10.0.9.4}]}\n"
            "networkInterfaces:\n"
            "  - {name: x, subnet: hub/a, privateIPAddress: 10.0.1.4}\n"
            "  - {name: y, subnet: hub/b, privateIPAddress: 10.0.2.4, listens: [tcp/443]}\n"
            "  - {name: fw, subnet: hub/fw, privateIPAddress: 10.0.9.4, enableIPForwarding: true, appliance: "
            "{forwards: true}}\n" LINKS
            "flows: [{at: 1s, from: x, to: y, destinationPort: 443, sourcePort: 40000}]\n");
    const char *net = lines_of(&s, "net");
    cr_expect_eq(times(net, OUT_A "6,O,E,NX,5,378,3,1194\n"), 2, "%s",
                 net); /* x, and the appliance going out */
    cr_expect_eq(times(net, OUT_A "6,I,E,NX,5,378,3,1194\n"), 2, "%s", net);
    cr_expect_eq(times(net, "\n"), 3 + 8, "%s", net);
    logged_end(&s);
}

Test(story, a_change_that_resets_ends_it)
{
    struct logged s; /* SE-02 */
    logged_run(
        &s,
        "flowLogs: [{name: net, target: hub}]\n" NET(
            "") "services: [{name: store, type: Microsoft.Storage/storageAccounts}]\n"
                "flows: [{at: 1s, from: vm, to: store, destinationPort: 443, sourcePort: 40000, keepOpen: "
                "60s}]\n"
                "timeline:\n"
                "  - {at: 20s, update: virtualNetworks/hub/subnets/apps, with: {serviceEndpoints: [{service: "
                "Microsoft.Storage}]}}\n");
    const char *net = lines_of(&s, "net");
    cr_expect_eq(times(net, ",E,NX,"), 1, "%s", net);
    cr_expect_not_null(strstr(net, "DefaultRule_AllowInternetOutBound 1767225620000,10.0.1.4,"), "%s", net);
    logged_end(&s);
}

Test(story, a_changed_rule_ends_it_where_flows_do_not_outlive_it)
{
    static const char text[] = "flowLogs: [{name: sub, target: apps-nsg}]\n" NET(
        "") "switches: {ruleChangeKeepsFlows: %s}\n"
            "flows: [{at: 1s, from: vm, to: other, destinationPort: 443, sourcePort: 40000, keepOpen: 60s}]\n"
            "timeline:\n"
            "  - {at: 20s, add: networkSecurityGroups/apps-nsg/securityRules, with: {name: stop, priority: "
            "100, direction: Outbound,\n"
            "     access: Deny, protocol: Tcp, destinationPortRange: '443'}}\n";
    struct logged s; /* G-06 */
    char all[4096];
    snprintf(all, sizeof all, text, "true");
    logged_run(&s, all);
    const char *got = lines_of(&s, "sub");
    cr_expect_eq(times(got, "UserRule_stop"), 0, "%s", got);
    cr_expect_not_null(strstr(got, ALLOWED "1767225661," OUT_A "T,O,A,E,"), "%s", got);
    logged_end(&s);
    snprintf(all, sizeof all, text, "false");
    logged_run(&s, all);
    got = lines_of(&s, "sub");
    cr_expect_not_null(strstr(got, ALLOWED "1767225620," OUT_A "T,O,A,E,"), "%s", got);
    cr_expect_not_null(strstr(got, "UserRule_stop 1767225620," OUT_A "T,O,D,B,,,,\n"), "%s", got);
    logged_end(&s);
}

/* G-14: what a machine asks of the host agent is no group's business, and in no log. */
Test(story, host_agent_is_left_out)
{
    struct logged s;
    logged_run(&s, "flowLogs: [{name: net, target: hub}, {name: sub, target: apps-nsg}]\n" NET("") ENDPOINT
              "flows: [{at: 1s, from: vm, to: store.blob.core.windows.net, destinationPort: 443}]\n");
    cr_expect_null(strstr(lines_of(&s, "net"), "168.63.129.16"));
    cr_expect_eq(times(lines_of(&s, "sub"), "\n"), 3);
    logged_end(&s);
}

Test(story, equal_runs_give_equal_bytes)
{
    static const char text[] = "flowLogs: [{name: net, target: hub}, {name: sub, target: apps-nsg}]\n" NET(
        "") "flows:\n"
            "  - {from: vm, to: other, destinationPort: 443, count: 40, interval: 3s}\n"
            "  - {from: other, to: vm, destinationPort: 443, count: 40, interval: 7s}\n";
    struct logged a, b;
    size_t i;
    json_t *f;
    logged_run(&a, text);
    logged_run(&b, text);
    cr_assert(json_equal(a.files, b.files));
    json_array_foreach(a.files, i, f)
    {
        char *one = (char *)file_read(arena_printf(a.arena, "%s/%s", a.tmp.dir, logged_text(f, "file")), NULL);
        char *two = (char *)file_read(arena_printf(a.arena, "%s/%s", b.tmp.dir, logged_text(f, "file")), NULL);
        cr_expect_str_eq(one, two);
        free(one);
        free(two);
    }
    logged_end(&a);
    logged_end(&b);
}

/* -- files that cannot be written ------------------------------------------------------------------------ */

Test(story, nothing_is_left_where_a_file_cannot_be_written)
{
    struct logged s; /* the network's files come first and are complete when the group's folder is refused */
    logged_begin(&s, "flowLogs: [{name: net, target: hub}, {name: nic, target: vm-nsg}]\n" NET("") INBOUND);
    char *path = tmp_path(&s.tmp, "insights-logs-networksecuritygroupflowevent"), *what;
    int rc;
    file_write(path, "x", 1); /* a file where a folder must be */
    cr_expect_eq(wire_flowlog_finish(s.log, run_end(s.run)), 3);
    wire_flowlog_free(s.log);
    s.log = NULL;
    what = command_output(&rc, "find %s -type f", s.tmp.dir);
    cr_expect_str_eq(what, arena_printf(s.arena, "%s\n", path));
    free(what);
    free(path);
    logged_end(&s);
}
