/* test_flowlog.c - flow logs: lines in every version, stories that run through the whole simulation and are
 * read back from the files, the shapes of published samples, and a property over traffic with losses. */
#include "dataplane/arena.h"
#include "pcaps/flowlog.h"
#include "tests/support_prop.h"
#include "tests/support_tmp.h"
#include "topology/wire_flowlog.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

struct story {
    struct tmp tmp;
    struct arena *arena;
    struct scenario *sc;
    struct run *run;
    struct wire_flowlog *log;
    json_t *files;          /* as in results.json */
    uint64_t frames, bytes; /* TCP and UDP frames seen at NICs, but what was dropped there */
};

static void on_packet(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                      const struct trace *t)
{
    struct story *s = ctx;
    struct packet_info info;
    wire_flowlog_packet(s->log, c, port, at, p, t);
    if (c->thing[port].kind != THING_NIC || packet_parse(p->data, p->len, &info) != 0 ||
        info.proto == IPPROTO_NR_ICMP || trace_reason(t) == REASON_NSG_DENY)
        return;
    s->frames++;
    s->bytes += p->len;
}

/* Run a scenario and write its flow logs; text follows "scenario: t". */
static void story_begin(struct story *s, const char *text)
{
    memset(s, 0, sizeof *s);
    tmp_make(&s->tmp);
    s->arena = arena_new("story");
    struct diag *d = diag_new(s->arena);
    const char *all = arena_printf(s->arena, "scenario: t\n%s", text);
    s->sc = scenario_parse("t", all, strlen(all), d);
    if (!s->sc)
        diag_print(d, stderr);
    cr_assert_not_null(s->sc);
    s->log = wire_flowlog_open(s->sc, s->tmp.dir);
    const struct run_options o = {.tap = on_packet, .ctx = s};
    s->run = run_new(s->sc, &o);
    run_execute(s->run);
}

static void story_run(struct story *s, const char *text)
{
    story_begin(s, text);
    cr_assert_eq(wire_flowlog_finish(s->log, run_end(s->run)), 0);
    s->files = wire_flowlog_commit(s->log);
    cr_assert_not_null(s->files);
}

static void story_end(struct story *s)
{
    json_decref(s->files);
    wire_flowlog_free(s->log);
    run_free(s->run);
    scenario_free(s->sc);
    arena_free(s->arena);
    tmp_remove(&s->tmp);
}

static json_t *read_json(const char *path)
{
    json_error_t e;
    json_t *o = json_load_file(path, 0, &e);
    cr_assert_not_null(o, "%s:%d: %s", path, e.line, e.text);
    return o;
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    cr_assert_not_null(s, "%s", key);
    return s;
}

/* Lines of one record, "rule tuple" each; *all grows. */
static void read_record(struct story *s, const json_t *record, const char **all)
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
                s->arena, "%s%s %s\n", *all, text_at(vnet ? part : flow, "rule"), json_string_value(tuple));
}

/* => the lines of a log in all its files, with "-- time" before those of each record. */
static const char *lines_of(struct story *s, const char *log)
{
    const char *all = "";
    size_t i, k;
    json_t *f, *record;
    json_array_foreach(s->files, i, f)
    {
        if (strcmp(text_at(f, "name"), log) != 0)
            continue;
        json_t *o = read_json(arena_printf(s->arena, "%s/%s", s->tmp.dir, text_at(f, "file")));
        json_array_foreach(json_object_get(o, "records"), k, record)
        {
            all = arena_printf(s->arena, "%s-- %s\n", all, text_at(record, "time"));
            read_record(s, record, &all);
        }
        json_decref(o);
    }
    return all;
}

static void logs(struct story *s, const char *log, const char *want)
{
    const char *got = lines_of(s, log);
    cr_expect(strcmp(got, want) == 0, "%s\ngot:\n%swant:\n%s", log, got, want);
}

/* Two machines in two subnets; the first has a group of its own and one of its subnet. */
#define LINKS "links: {intraVnet: {latency: 1ms, jitter: 0s}, privateLink: {latency: 1ms, jitter: 0s}}\n"
#define NET(timeout)                                                                                         \
    "virtualNetworks:\n"                                                                                     \
    "  - name: hub\n"                                                                                        \
    "    addressPrefixes: [10.0.0.0/16]\n" timeout "    subnets:\n"                                          \
    "      - {name: apps, addressPrefix: 10.0.1.0/24, networkSecurityGroup: apps-nsg}\n"                     \
    "      - {name: plain, addressPrefix: 10.0.2.0/24}\n"                                                    \
    "networkSecurityGroups:\n"                                                                               \
    "  - name: apps-nsg\n"                                                                                   \
    "    securityRules:\n"                                                                                   \
    "      - {name: no-22, priority: 100, direction: Inbound, access: Deny, protocol: Tcp, "                 \
    "destinationPortRange: "                                                                                 \
    "'22'}\n"                                                                                                \
    "  - name: vm-nsg\n"                                                                                     \
    "    securityRules:\n"                                                                                   \
    "      - {name: web, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, "                  \
    "destinationPortRange: "                                                                                 \
    "'443'}\n"                                                                                               \
    "      - {name: no-80, priority: 110, direction: Outbound, access: Deny, protocol: '*', "                \
    "destinationPortRange: "                                                                                 \
    "'80'}\n"                                                                                                \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: vm, subnet: hub/apps, privateIPAddress: 10.0.1.4, networkSecurityGroup: vm-nsg,\n"           \
    "     listens: [tcp/443, tcp/22, udp/53]}\n"                                                             \
    "  - {name: other, subnet: hub/plain, privateIPAddress: 10.0.2.4, listens: [tcp/443, udp/53]}\n" LINKS

/* Frames: 62 (SYN with options), 54, 154, 54, 54; 62, 1078, 54. Links take 1 ms, and both ends ask for the
 * MAC first. */
#define OUT_A   "10.0.1.4,10.0.2.4,40000,443,"
#define IN_A    "10.0.2.4,10.0.1.4,40000,443,"
#define ALLOWED "DefaultRule_AllowVnetOutBound "

Test(story, conversation)
{
    struct story s;
    story_run(&s,
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
    story_end(&s);
}

Test(story, denied_by_the_group_that_denies)
{
    struct story s;
    story_run(
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
    story_end(&s);
}

/* What the network manager's rules decide is no group's: the network's log tells it under their plain names (G-16). */
Test(story, admin_rules_are_told_by_the_network_only)
{
    struct story s;
    story_run(&s, "flowLogs: [{name: sub, target: apps-nsg}, {name: nic, target: vm-nsg}, {name: net, target: hub}]\n"
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
    story_end(&s);
}

Test(story, denied_again_in_the_next_minute)
{
    struct story s; /* SYNs at 58, 59, 61, 65 s */
    story_run(&s,
              "flowLogs: [{name: nic, target: vm-nsg, version: 1}]\n" NET(
                  "") "flows: [{at: 58s, from: vm, to: other, destinationPort: 80, sourcePort: 40000}]\n");
    logs(&s, "nic",
         "-- 2026-01-01T00:00:59.9999999Z\n"
         "UserRule_no-80 1767225658,10.0.1.4,10.0.2.4,40000,80,T,O,D\n"
         "-- 2026-01-01T00:01:59.9999999Z\n"
         "UserRule_no-80 1767225661,10.0.1.4,10.0.2.4,40000,80,T,O,D\n");
    story_end(&s);
}

/* => the sum of a column (0: packets there, 1 bytes there, 2 packets back, 3 bytes back) over lines of a
 * state. */
static uint64_t sum(const char *lines, char state, int column)
{
    uint64_t n = 0;
    char mark[8];
    snprintf(mark, sizeof mark, ",%c,NX,", state);
    for (const char *at = lines; (at = strstr(at, mark));) {
        at += strlen(mark);
        for (int i = 0; i < column; i++)
            at = strchr(at, ',') + 1;
        n += strtoull(at, NULL, 10);
    }
    return n;
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
    struct story s;
    story_run(&s, "start: 2026-12-31T23:50:00Z\n"
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
        packets += sum(net, *c, 0) + sum(net, *c, 2);
        bytes += sum(net, *c, 1) + sum(net, *c, 3);
    }
    cr_expect_eq(packets, s.frames, "%lu in the log, %lu seen", (unsigned long)packets,
                 (unsigned long)s.frames);
    cr_expect_eq(bytes, s.bytes);
    cr_expect_gt(s.frames, 1000);
    story_end(&s);
}

Test(story, files_by_hour_and_mac)
{
    struct story s;
    size_t i;
    json_t *f;
    const char *all = "";
    story_run(
        &s,
        "start: 2026-12-31T23:59:30Z\n"
        "subscription: 5b7f\n"
        "resourceGroup: Prod\n"
        "flowLogs: [{name: Net, target: hub}, {name: sub, target: apps-nsg}]\n" NET(
            "") "flows: [{at: 1s, from: vm, to: other, destinationPort: 443}, {at: 45s, from: vm, to: other, "
                "destinationPort: 443}]\n");
    json_array_foreach(s.files, i, f) all =
        arena_printf(s.arena, "%s%s %s\n", all, text_at(f, "name"), text_at(f, "file"));
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
    story_end(&s);
}

Test(story, idle_conversations_end_at_their_timeout)
{
    struct story s;
    story_run(&s, "flowLogs: [{name: net, target: hub}]\n" NET(
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
    story_end(&s);
}

Test(story, open_at_the_end_of_the_run)
{
    struct story s;
    story_run(&s, "flowLogs: [{name: sub, target: apps-nsg}]\n" NET(
                      "") "flows: [{at: 1s, from: vm, to: other, protocol: udp, destinationPort: 53, "
                          "sourcePort: 40000}]\n");
    cr_expect_lt(run_end(s.run), INT64_C(2000000000)); /* a log does not make a run longer */
    logs(&s, "sub",
         "-- 2026-01-01T00:00:59.9999999Z\n" ALLOWED
         "1767225601,10.0.1.4,10.0.2.4,40000,53,U,O,A,B,,,,\n" ALLOWED
         "1767225601,10.0.1.4,10.0.2.4,40000,53,U,O,A,C,1,142,1,1066\n");
    story_end(&s);
}

#define INBOUND "flows: [{at: 1s, from: other, to: vm, destinationPort: 443, sourcePort: 40000}]\n"

Test(story, inbound_tcp_of_user_rules_is_stateless)
{
    struct story s;
    story_run(&s, "flowLogs: [{name: nic, target: vm-nsg}, {name: net, target: hub}]\n" NET("") INBOUND);
    logs(&s, "nic",
         "-- 2026-01-01T00:00:59.9999999Z\nUserRule_web 1767225601," IN_A "T,I,A,B,,,,\n"); /* G-07 */
    const char *net = lines_of(&s, "net");
    cr_expect_not_null(strstr(net, "UserRule_web 1767225601009," IN_A "6,I,E,NX,5,378,3,1194\n"), "%s", net);
    story_end(&s);
    story_run(&s, "flowLogs: [{name: nic, target: vm-nsg}]\n" NET("    flowTimeoutInMinutes: 4\n") INBOUND);
    logs(&s, "nic",
         "-- 2026-01-01T00:00:59.9999999Z\nUserRule_web 1767225601," IN_A
         "T,I,A,B,,,,\nUserRule_web 1767225601," IN_A "T,I,A,E,5,378,3,1194\n");
    story_end(&s);
}

Test(story, outbound_tcp_of_user_rules_has_counts)
{
    struct story s; /* G-07 is about inbound */
    story_run(
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
    story_end(&s);
}

/* The end of an idle conversation becomes known late; it still stands where it belongs in time. */
Test(story, lines_are_in_order_of_time)
{
    struct story s;
    story_run(
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
    story_end(&s);
}

Test(story, refused_ends_with_the_reset)
{
    struct story s;
    story_run(&s, "flowLogs: [{name: sub, target: apps-nsg}]\n" NET(
                      "") "flows: [{at: 1s, from: vm, to: other, destinationPort: 81, sourcePort: 40000}]\n");
    logs(&s, "sub",
         "-- 2026-01-01T00:00:59.9999999Z\n" ALLOWED
         "1767225601,10.0.1.4,10.0.2.4,40000,81,T,O,A,B,,,,\n" ALLOWED
         "1767225601,10.0.1.4,10.0.2.4,40000,81,T,O,A,E,1,62,1,54\n");
    story_end(&s);
}

/* The same addresses and ports a second time, within the flow's timeout: the packet path asks no rule again.
 */
Test(story, a_conversation_reuses_its_ports)
{
    struct story s;
    story_run(&s, "flowLogs: [{name: sub, target: apps-nsg}]\n" NET(
                      "") "flows: [{at: 1s, from: vm, to: other, destinationPort: 443, sourcePort: 40000, "
                          "count: 2, interval: 100s}]\n");
    const char *got = lines_of(&s, "sub");
    cr_expect_eq(times(got, "T,O,A,B,,,,\n"), 2, "%s", got);
    cr_expect_eq(times(got, "T,O,A,E,5,378,3,1194\n"), 2, "%s", got);
    cr_expect_eq(times(got, ALLOWED), 4, "%s", got);
    story_end(&s);
}

#define ENDPOINT                                                                                             \
    "services: [{name: store, type: Microsoft.Storage/storageAccounts}]\n"                                   \
    "privateEndpoints:\n"                                                                                    \
    "  - {name: pe, subnet: hub/apps, service: store, groupIds: [blob],\n"                                   \
    "     ipConfigurations: [{memberName: blob, privateIPAddress: 10.0.1.9}]}\n"

Test(story, private_endpoints_show_at_the_source_only)
{
    struct story s; /* PE-10 */
    story_run(&s, "flowLogs: [{name: sub, target: apps-nsg}, {name: nic, target: vm-nsg}, {name: net, "
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
    story_end(&s);
}

Test(story, an_appliance_has_both_halves)
{
    struct story s;
    story_run(
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
    story_end(&s);
}

Test(story, a_change_that_resets_ends_it)
{
    struct story s; /* SE-02 */
    story_run(
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
    story_end(&s);
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
    struct story s; /* G-06 */
    char all[4096];
    snprintf(all, sizeof all, text, "true");
    story_run(&s, all);
    const char *got = lines_of(&s, "sub");
    cr_expect_eq(times(got, "UserRule_stop"), 0, "%s", got);
    cr_expect_not_null(strstr(got, ALLOWED "1767225661," OUT_A "T,O,A,E,"), "%s", got);
    story_end(&s);
    snprintf(all, sizeof all, text, "false");
    story_run(&s, all);
    got = lines_of(&s, "sub");
    cr_expect_not_null(strstr(got, ALLOWED "1767225620," OUT_A "T,O,A,E,"), "%s", got);
    cr_expect_not_null(strstr(got, "UserRule_stop 1767225620," OUT_A "T,O,D,B,,,,\n"), "%s", got);
    story_end(&s);
}

/* G-14: what a machine asks of the host agent is no group's business, and in no log. */
Test(story, host_agent_is_left_out)
{
    struct story s;
    story_run(&s, "flowLogs: [{name: net, target: hub}, {name: sub, target: apps-nsg}]\n" NET("") ENDPOINT
              "flows: [{at: 1s, from: vm, to: store.blob.core.windows.net, destinationPort: 443}]\n");
    cr_expect_null(strstr(lines_of(&s, "net"), "168.63.129.16"));
    cr_expect_eq(times(lines_of(&s, "sub"), "\n"), 3);
    story_end(&s);
}

Test(story, equal_runs_give_equal_bytes)
{
    static const char text[] = "flowLogs: [{name: net, target: hub}, {name: sub, target: apps-nsg}]\n" NET(
        "") "flows:\n"
            "  - {from: vm, to: other, destinationPort: 443, count: 40, interval: 3s}\n"
            "  - {from: other, to: vm, destinationPort: 443, count: 40, interval: 7s}\n";
    struct story a, b;
    size_t i;
    json_t *f;
    story_run(&a, text);
    story_run(&b, text);
    cr_assert(json_equal(a.files, b.files));
    json_array_foreach(a.files, i, f)
    {
        char *one = (char *)file_read(arena_printf(a.arena, "%s/%s", a.tmp.dir, text_at(f, "file")), NULL);
        char *two = (char *)file_read(arena_printf(a.arena, "%s/%s", b.tmp.dir, text_at(f, "file")), NULL);
        cr_expect_str_eq(one, two);
        free(one);
        free(two);
    }
    story_end(&a);
    story_end(&b);
}

/* -- files that cannot be written ------------------------------------------------------------------------ */

Test(story, nothing_is_left_where_a_file_cannot_be_written)
{
    struct story s; /* the network's files come first and are complete when the group's folder is refused */
    story_begin(&s, "flowLogs: [{name: net, target: hub}, {name: nic, target: vm-nsg}]\n" NET("") INBOUND);
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
    story_end(&s);
}

/* -- shapes ---------------------------------------------------------------------------------------------- */

/* A text with what differs from line to line replaced: numbers N, addresses A, protocol P, direction F. */
static const char *pattern(struct arena *a, const char *tuple)
{
    const char *out = "";
    int field = 0;
    for (const char *at = tuple;; field++) {
        const size_t n = strcspn(at, ",");
        const char *text = arena_strndup(a, at, n);
        ip4 ip;
        const bool digits = n && strspn(text, "0123456789") == n;
        const char *as = digits ? "N" : ip4_parse(text, &ip) == 0 ? "A" : text;
        if (field == 5 && !digits)
            as = *text == 'T' || *text == 'U' ? "P" : text;
        if (field == 6)
            as = *text == 'I' || *text == 'O' ? "F" : text;
        out = arena_printf(a, "%s%s%s", out, field ? "," : "", as);
        if (!at[n])
            return out;
        at += n + 1;
    }
}

/* Digits and hexadecimal letters as 0, for times and identifiers. */
static const char *digits(struct arena *a, const char *text)
{
    char *s = arena_strdup(a, text);
    for (char *c = s; *c; c++)
        if (isxdigit((unsigned char)*c))
            *c = '0';
    return s;
}

static json_t *patterns(struct arena *a, const json_t *tuples)
{
    json_t *set = json_object(), *t;
    size_t i;
    json_array_foreach(tuples, i, t) json_object_set_new(set, pattern(a, json_string_value(t)), json_true());
    return set;
}

/* Key by key, in order: ours has what the sample has, nothing else, of the same types. Lists are alike where
 * each of our elements is like the sample's first; tuples have no form that no tuple of the sample has. */
static void alike(struct arena *a, const char *where, const json_t *ours, const json_t *sample,
                  const json_t *forms)
{
    cr_assert_eq(json_typeof(ours), json_typeof(sample), "%s", where);
    if (json_is_object(ours)) {
        void *x = json_object_iter((json_t *)(uintptr_t)ours),
             *y = json_object_iter((json_t *)(uintptr_t)sample);
        cr_assert_eq(json_object_size(ours), json_object_size(sample), "%s", where);
        for (; x; x = json_object_iter_next((json_t *)(uintptr_t)ours, x),
                  y = json_object_iter_next((json_t *)(uintptr_t)sample, y)) {
            const char *key = json_object_iter_key(x);
            cr_assert_str_eq(key, json_object_iter_key(y), "%s", where);
            alike(a, arena_printf(a, "%s/%s", where, key), json_object_iter_value(x),
                  json_object_iter_value(y), forms);
        }
    } else if (json_is_array(ours)) {
        for (size_t i = 0; i < json_array_size(ours); i++)
            alike(a, where, json_array_get(ours, i), json_array_get(sample, 0), forms);
    } else if (json_is_string(ours)) {
        const char *text = json_string_value(ours), *key = strrchr(where, '/') + 1;
        if (strcmp(key, "flowTuples") == 0)
            cr_assert_not_null(json_object_get(forms, pattern(a, text)), "no published tuple is like %s",
                               text);
        else if (strcmp(key, "time") == 0 || strcmp(key, "systemId") == 0 ||
                 strcmp(key, "flowLogGUID") == 0 || strcmp(key, "mac") == 0 ||
                 strcmp(key, "macAddress") == 0 || strcmp(key, "aclID") == 0)
            cr_assert_str_eq(digits(a, text), digits(a, json_string_value(sample)), "%s", where);
        else if (strcmp(key, "category") == 0 || strcmp(key, "operationName") == 0)
            cr_assert_str_eq(text, json_string_value(sample), "%s", where);
    } else {
        cr_assert(json_equal(ours, sample), "%s", where);
    }
}

/* All tuples of a published file. */
static void gather(const json_t *o, json_t *into)
{
    const char *key;
    json_t *v;
    size_t i;
    json_t *changing = (json_t *)(uintptr_t)o;
    json_object_foreach(changing, key, v)
    {
        if (strcmp(key, "flowTuples") == 0)
            json_array_extend(into, v);
        else
            gather(v, into);
    }
    json_array_foreach(o, i, v) gather(v, into);
}

/* What no group was asked about has no identifier that could be compared. */
static bool of_no_group(const json_t *o)
{
    char *text = json_dumps(o, 0);
    const bool is = strstr(text, "\"unspecified\"") != NULL;
    free(text);
    return is;
}

static void like_sample(const char *name, const char *log)
{
    const char *data = getenv("VNETSIM_DATA");
    struct story s;
    size_t i;
    json_t *f;
    char path[1024];
    if (!data) {
        fprintf(stderr, "shape::%s was skipped: VNETSIM_DATA is not set\n", log);
        cr_skip("VNETSIM_DATA is not set");
    }
    snprintf(path, sizeof path, "%s/flowlogs/%s", data, name);
    json_t *sample = read_json(path), *tuples = json_array();
    gather(sample, tuples);
    story_run(&s,
              "flowLogs: [{name: one, target: apps-nsg, version: 1}, {name: two, target: apps-nsg}, {name: "
              "net, target: hub}]\n" NET(
                  "    flowTimeoutInMinutes: 4\n") "flows:\n"
                                                   "  - {at: 1s, from: vm, to: other, destinationPort: 443, "
                                                   "count: 3, interval: 50s}\n"
                                                   "  - {at: 2s, from: other, to: vm, destinationPort: 22}\n"
                                                   "  - {at: 3s, from: vm, to: other, protocol: udp, "
                                                   "destinationPort: 53}\n"
                                                   "expect: [{at: 5m, nic: vm, noRoute: {addressPrefix: "
                                                   "192.0.2.0/24}}]\n");
    json_t *forms = patterns(s.arena, tuples);
    size_t files = 0;
    json_array_foreach(s.files, i, f)
    {
        if (strcmp(text_at(f, "name"), log) != 0)
            continue;
        json_t *ours = read_json(arena_printf(s.arena, "%s/%s", s.tmp.dir, text_at(f, "file")));
        if (!of_no_group(ours)) {
            alike(s.arena, "", ours, sample, forms);
            files++;
        }
        json_decref(ours);
    }
    cr_assert_gt(files, 0);
    json_decref(forms);
    json_decref(tuples);
    json_decref(sample);
    story_end(&s);
}

Test(shape, version_1)
{
    like_sample("msdocs-nsg-flow-log-v1.json", "one");
}

Test(shape, version_2)
{
    like_sample("msdocs-nsg-flow-log-v2.json", "two");
}

Test(shape, version_4)
{
    like_sample("msdocs-vnet-flow-log-v4.json", "net");
}

/* -- any traffic ----------------------------------------------------------------------------------------- */

struct life {        /* of one conversation at one NIC, as the log tells it */
    const char *who; /* file, 5-tuple and direction */
    char last;
    long long at;
};

/* B opens, C and E need an open one, times do not go back. */
static void check_life(struct story *s, struct life *l, size_t *n, const char *file, const char *tuple)
{
    const char *field[13];
    char *copy = arena_strdup(s->arena, tuple), *rest = copy;
    for (int i = 0; i < 13; i++)
        field[i] = strsep(&rest, ",");
    const char *who = arena_printf(s->arena, "%s %s %s %s %s %s %s", file, field[1], field[2], field[3],
                                   field[4], field[5], field[6]);
    const char state = field[7][0];
    const long long at = atoll(field[0]);
    size_t i = 0;
    while (i < *n && strcmp(l[i].who, who) != 0)
        i++;
    if (i == *n)
        l[(*n)++] = (struct life){who, 'E', 0};
    cr_assert(state == 'B' || state == 'D' ? l[i].last == 'E' || l[i].last == 'D'
                                           : l[i].last == 'B' || l[i].last == 'C',
              "%s", tuple);
    cr_assert_geq(at, l[i].at, "%s", tuple);
    l[i].last = state;
    l[i].at = at;
}

static const char *without_hour(struct arena *a, const char *file)
{
    return strrchr(arena_strdup(a, file), '=');
}

/* Random conversations over lossy links: the counts of all lines are what passed the NICs, whatever was lost.
 */
Test(property, every_frame_is_counted_once)
{
    struct rng rng;
    prop_seed(&rng, "flow logs");
    for (int round = 0; round < 8; round++) {
        struct story s;
        struct life life[512];
        size_t n = 0, i, k, j, g, h;
        struct arena *a = arena_new("scenario");
        const char *flows = "flows:\n";
        for (int f = 0; f < 30; f++)
            flows = arena_printf(a,
                                 "%s  - {at: %us, from: %s, to: %s, protocol: %s, destinationPort: %u, "
                                 "sourcePort: %u, keepOpen: %us, responseBytes: %uB}\n",
                                 flows, (unsigned)rng_below(&rng, 600), f % 2 ? "vm" : "other",
                                 f % 2 ? "other" : "vm", rng_below(&rng, 3) ? "tcp" : "udp",
                                 (unsigned[]){443, 53, 80, 22}[rng_below(&rng, 4)],
                                 40000 + (unsigned)rng_below(&rng, 30), (unsigned)rng_below(&rng, 700),
                                 (unsigned)rng_below(&rng, 20000));
        story_run(&s, arena_printf(a, "seed: %u\nflowLogs: [{name: net, target: hub}]\n%s%s%s",
                                   (unsigned)rng_below(&rng, 1000), NET(""), flows,
                                   "timeline: [{at: 300s, update: links/intraVnet, with: {loss: 0.05}}]\n"));
        uint64_t packets = 0, bytes = 0;
        json_t *f, *record, *flow, *group, *tuple;
        json_array_foreach(s.files, i, f)
        {
            json_t *o = read_json(arena_printf(s.arena, "%s/%s", s.tmp.dir, text_at(f, "file")));
            const char *mac = without_hour(s.arena, text_at(f, "file"));
            json_array_foreach(json_object_get(o, "records"), k, record)
                json_array_foreach(json_object_get(json_object_get(record, "flowRecords"), "flows"), j, flow)
                    json_array_foreach(json_object_get(flow, "flowGroups"), g, group)
                        json_array_foreach(json_object_get(group, "flowTuples"), h, tuple)
            {
                const char *text = json_string_value(tuple);
                cr_assert_lt(n, 511);
                check_life(&s, life, &n, mac, text);
                const char *line_text = arena_printf(s.arena, "%s\n", text);
                for (const char *c = "CE"; *c; c++) {
                    packets += sum(line_text, *c, 0) + sum(line_text, *c, 2);
                    bytes += sum(line_text, *c, 1) + sum(line_text, *c, 3);
                }
            }
            json_decref(o);
        }
        cr_assert_eq(packets, s.frames, "round %d: %lu in the log, %lu seen", round, (unsigned long)packets,
                     (unsigned long)s.frames);
        cr_assert_eq(bytes, s.bytes, "round %d", round);
        cr_assert_gt(s.frames, 100);
        story_end(&s);
        arena_free(a);
    }
}
