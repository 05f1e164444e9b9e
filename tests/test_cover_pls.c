/* test_cover_pls.c - stories of private link services, and their streams byte by byte. */
#include "tests/support_story.h"

#include "dataplane/arena.h"
#include "dataplane/proxy.h"
#include "dataplane/wire.h"
#include "topology/run.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Provider and consumer in one address space: api has the address of the consumer's vm. */
#define NETS(pls, listener)                                                                                  \
    "subscription: sub-p\n"                                                                                  \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: p, addressPrefixes: [10.0.0.0/16], subnets: [{name: b, addressPrefix: 10.0.1.0/24},\n"       \
    "     {name: nat, addressPrefix: 10.0.5.0/24}]}\n"                                                       \
    "  - {name: c, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.1.0/24},\n"       \
    "     {name: e, addressPrefix: 10.0.2.0/24}]}\n"                                                         \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: api, subnet: p/b, privateIPAddress: 10.0.1.4, listens: [tcp/7443, udp/7443]" listener "}\n"  \
    "  - {name: ops, subnet: p/b, privateIPAddress: 10.0.1.9}\n"                                             \
    "  - {name: vm, subnet: c/a, privateIPAddress: 10.0.1.4}\n"                                              \
    "  - {name: vm2, subnet: c/a, privateIPAddress: 10.0.1.5}\n"                                             \
    "loadBalancers:\n"                                                                                       \
    "  - name: lb\n"                                                                                         \
    "    frontendIPConfigurations: [{name: fe, subnet: p/b, privateIPAddress: 10.0.1.100}]\n"                \
    "    backendAddressPools: [{name: p, networkInterfaces: [api]}]\n"                                       \
    "    probes: [{name: t, protocol: Tcp, port: 7443}]\n"                                                   \
    "    loadBalancingRules:\n"                                                                              \
    "      - {name: t, frontendIPConfiguration: fe, backendAddressPool: p, probe: t, protocol: Tcp,\n"       \
    "         frontendPort: 443, backendPort: 7443}\n"                                                       \
    "      - {name: u, frontendIPConfiguration: fe, backendAddressPool: p, probe: t, protocol: Udp,\n"       \
    "         frontendPort: 443, backendPort: 7443}\n"                                                       \
    "privateLinkServices: [{name: pls, loadBalancerFrontend: lb/fe, subnet: p/nat, natIPs: [10.0.5.4],\n"    \
    "  alias: pls.1.westeurope.azure.privatelinkservice" pls "}]\n"
#define ENDPOINT(more)                                                                                       \
    "privateEndpoints: [{name: pe, subnet: c/e, service: pls, ipConfigurations: [{privateIPAddress: "        \
    "10.0.2.4}],\n"                                                                                          \
    "  linkIdentifier: 305419896" more "}]\n"
#define SPEAKS  ", enableProxyProtocol: true"
#define LISTENS ", proxyProtocol: true"

Test(cover_pls, PE21_overlapping_networks)
{
    story(NETS("", "") ENDPOINT(
        "") "flows:\n"
            "  - {at: 1s, from: vm, to: pe, destinationPort: 443, expect: {verdict: delivered, sourceSeen: "
            "10.0.5.4,\n"
            "     destinationSeen: 10.0.1.4, path: [vm, pe, lb/fe, api], returnPath: [api, pe, vm],\n"
            "     nextHopType: InterfaceEndpoint}}\n"
            "  - {at: 1s, from: vm, to: pe, protocol: udp, destinationPort: 443, expect: {verdict: "
            "delivered,\n"
            "     sourceSeen: 10.0.5.4}}\n"
            "  - {at: 1s, from: vm, to: pe, protocol: icmp, expect: {verdict: dropped, reason: "
            "ProtocolUnsupported}}\n"
            "  - {at: 1s, from: vm, to: pe, destinationPort: 80, expect: {verdict: dropped, reason: "
            "NoBalancingRule}}\n"
            "  - {at: 2s, from: vm, to: pe, destinationPort: 443, count: 50, expect: {verdict: delivered}}\n"
            "  - {at: 2s, from: vm2, to: pe, destinationPort: 443, sourcePort: 50000, expect: {verdict: "
            "delivered}}\n"
            "  - {at: 2s, from: vm, to: pe, destinationPort: 443, sourcePort: 50000, expect: {verdict: "
            "delivered}}\n");
}

/* PE-04: no way from the provider to the consumer. */
Test(cover_pls, PE04_reverse)
{
    story(NETS("", "") ENDPOINT(
        "") "flows:\n"
            "  - {at: 0s, from: vm, to: pe, destinationPort: 443, sourcePort: 50000, keepOpen: 5s, expect: "
            "{verdict: delivered}}\n"
            "  - {at: 1s, from: ops, to: 10.0.5.4, destinationPort: 50000, expect: {verdict: dropped,\n"
            "     reason: EndpointReverseInitiation}}\n"
            "  - {at: 1s, from: api, to: 10.0.5.4, destinationPort: 50000, expect: {verdict: dropped,\n"
            "     reason: EndpointReverseInitiation}}\n"
            "  - {at: 1s, from: ops, to: 10.0.2.4, destinationPort: 443, expect: {verdict: dropped, reason: "
            "NoHost}}\n");
}

/* PE-03, PE-25: who is approved at once, and who waits. */
Test(cover_pls, PE03_approval)
{
    static const struct {
        const char *pls, *endpoint, *want;
    } row[] = {
        {"", "", "delivered"},
        {"", ", manualRequest: true", "dropped"},
        {", visibility: ['*']", ", subscription: sub-x", "dropped"},
        {", visibility: ['*'], autoApproval: [sub-x]", ", subscription: sub-x", "delivered"},
        {", visibility: ['*'], autoApproval: ['*']", ", subscription: sub-y, manualRequest: true",
         "delivered"},
        {", visibility: ['*'], autoApproval: [sub-x]", ", subscription: sub-y", "dropped"},
        {", visibility: ['*']", ", subscription: sub-x, status: Approved", "delivered"},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        for (int alias = 0; alias < 2; alias++) {
            char text[8192];
            const bool listed = strstr(row[i].pls, "autoApproval") || strstr(row[i].endpoint, "status");
            const char *want = alias && !listed ? "dropped" : row[i].want; /* by alias nobody is known */
            snprintf(
                text, sizeof text,
                NETS("%s",
                     "") "privateEndpoints: [{name: pe, subnet: c/e, service: %s,\n"
                         "  ipConfigurations: [{privateIPAddress: 10.0.2.4}]%s}]\n"
                         "flows: [{at: 1s, from: vm, to: pe, destinationPort: 443, expect: {verdict: %s}}]\n",
                row[i].pls, alias ? "pls.1.westeurope.azure.privatelinkservice" : "pls", row[i].endpoint,
                want);
            story(text);
        }
}

Test(cover_pls, PE25_visibility)
{
    struct arena *a = arena_new("findings");
    const char *got = story_findings(a, NETS(", visibility: [sub-a]", "") ENDPOINT(", subscription: sub-b"));
    cr_expect(strstr(got, "private link service 'pls' is not visible to subscription 'sub-b' of private "
                          "endpoint 'pe' (PE-25)"),
              "%s", got);
    got = story_findings(a, NETS(", visibility: [sub-a], autoApproval: [sub-b]", ""));
    cr_expect(strstr(got, "visibility does not list it (PE-25)"), "%s", got);
    got = story_findings(a, NETS("", "") ENDPOINT(", subscription: sub-b, tenant: t2"));
    cr_expect(strstr(got, "is not visible to subscription 'sub-b'"), "%s", got);
    cr_expect_str_empty(story_findings(a, NETS("", "") ENDPOINT(", subscription: sub-b")));
    arena_free(a);
}

Test(cover_pls, PE01_consent_and_its_end)
{
    story(NETS("", "")
              ENDPOINT(", manualRequest: true") "timeline: [{at: 5s, approve: pe}, {at: 30s, reject: pe}]\n"
                                                "flows:\n"
                                                "  - {at: 1s, from: vm, to: pe, destinationPort: 443, count: "
                                                "1, expect: {verdict: delivered}}\n" /* SYN of 8 s */
                                                "  - {at: 6s, from: vm, to: pe, destinationPort: 443, "
                                                "expect: {verdict: delivered}}\n"
                                                "  - {at: 31s, from: vm, to: pe, destinationPort: 443, "
                                                "expect: {verdict: dropped, reason: EndpointNotApproved}}\n");
}

/* B-04: a public frontend serves private links as well, and they need no rule that the Internet would need (G-19). Azure's
 * own examples have one. */
Test(cover_pls, B04_a_public_frontend)
{
#define PUBLIC(group, pls)                                                                                   \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: p, addressPrefixes: [10.0.0.0/16], subnets: [{name: b, addressPrefix: 10.0.1.0/24" group "},\n" \
    "     {name: nat, addressPrefix: 10.0.5.0/24}]}\n"                                                       \
    "  - {name: c, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.1.0/24}]}\n"      \
    "networkSecurityGroups: [{name: g, securityRules: [{name: web, priority: 100, direction: Inbound, access: Allow,\n" \
    "  protocol: Tcp, sourceAddressPrefix: Internet, destinationPortRange: '7443'}]}]\n"                     \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: api, subnet: p/b, privateIPAddress: 10.0.1.4, listens: [tcp/7443]}\n"                        \
    "  - {name: vm, subnet: c/a, privateIPAddress: 10.0.1.4}\n"                                              \
    "publicIPAddresses: [{name: pip, ipAddress: 20.50.9.9}]\n"                                               \
    "internetHosts: [{name: out, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"                           \
    "loadBalancers:\n"                                                                                       \
    "  - name: lb\n"                                                                                         \
    "    frontendIPConfigurations: [{name: fe, publicIPAddress: pip}]\n"                                     \
    "    backendAddressPools: [{name: p, networkInterfaces: [api]}]\n"                                       \
    "    loadBalancingRules: [{name: t, frontendIPConfiguration: fe, backendAddressPool: p, protocol: Tcp,\n" \
    "      frontendPort: 443, backendPort: 7443}]\n"                                                         \
    "privateLinkServices: [{name: pls, loadBalancerFrontend: lb/fe, subnet: " pls ", natIPs: [10.0.5.4]}]\n"
#define PE "privateEndpoints: [{name: pe, subnet: c/a, service: pls, ipConfigurations: [{privateIPAddress: 10.0.1.9}]}]\n"
    story(PUBLIC("", "p/nat") PE
          "flows:\n"
          "  - {from: vm, to: pe, expect: {verdict: delivered, sourceSeen: 10.0.5.4, destinationSeen: 10.0.1.4,\n"
          "     path: [vm, pe, lb/fe, api], returnPath: [api, pe, vm]}}\n"
          "  - {from: vm, to: pe, keepOpen: 12m, keepOpenInterval: 3m, expect: {verdict: delivered}}\n"
          "  - {from: out, to: lb/fe, destinationPort: 443, expect: {verdict: dropped, reason: InboundClosed}}\n"
          "  - {from: api, to: out, expect: {verdict: delivered, sourceSeen: 20.50.9.9}}\n");
    story(PUBLIC(", networkSecurityGroup: g", "p/nat") PE
          "flows:\n"
          "  - {from: vm, to: pe, expect: {verdict: delivered, rule: AllowVnetInBound}}\n"
          "  - {from: out, to: lb/fe, destinationPort: 443, expect: {verdict: delivered, rule: web, sourceSeen: 93.184.216.34}}\n");
    struct story s = story_tell(PUBLIC("", "p/nat") PE "flows: [{from: vm, to: pe, responseBytes: 20KiB, expect: {verdict: delivered}}]\n");
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        const ip4 other = p->inbound ? p->info.src : p->info.dst;
        if (p->info.proto == IPPROTO_NR_TCP && !strcmp(p->port, "vm"))
            cr_assert_eq(other, IP4(10, 0, 1, 9));
        if (p->info.proto == IPPROTO_NR_TCP && !strcmp(p->port, "api"))
            cr_assert_eq(other, IP4(10, 0, 5, 4));
    }
    story_end(&s);
    struct arena *a = arena_new("findings");
    const char *got = story_findings(a, PUBLIC("", "c/a"));
    cr_expect(strstr(got, "NAT addresses of private link service 'pls' are in network 'c', its frontend in 'p' (PE-21)"), "%s", got);
    arena_free(a);
#undef PE
}

/* PE-23, B-10: probes by HTTP begin with the header, too; a listener that does not expect it resets them. */
Test(cover_pls, PE23_probes_by_http)
{
#define HTTP                                                                                                 \
    "timeline: [{at: 0s, update: loadBalancers/lb/probes/t, with: {protocol: Http, requestPath: /}}]\n"      \
    "flows: [{at: 11s, from: vm, to: pe, destinationPort: 443, expect: {"
    static const char *const well = "verdict: delivered}}]\n", *const ill = "verdict: dropped, reason: NoHealthyBackend}}]\n";
    char text[8192];
    snprintf(text, sizeof text, "%s%s", NETS(SPEAKS, LISTENS) ENDPOINT("") HTTP, well);
    story(text);
    snprintf(text, sizeof text, "%s%s", NETS(SPEAKS, "") ENDPOINT("") HTTP, ill);
    story(text);
    snprintf(text, sizeof text, "%s%s", NETS("", LISTENS) ENDPOINT("") HTTP, ill);
    story(text);
    snprintf(text, sizeof text, "%s%s", NETS(SPEAKS, LISTENS ", healthStatus: 500") ENDPOINT("") HTTP, ill);
    story(text);
}

/* PE-23: both, neither, and one of the two. */
Test(cover_pls, PE23_both_sides_must_agree)
{
    static const char flow[] = "flows: [{at: 1s, from: vm, to: pe, destinationPort: 443, expect: {";
    char text[8192];
    snprintf(text, sizeof text, "%s%sverdict: delivered}}]\n", NETS(SPEAKS, LISTENS) ENDPOINT(""), flow);
    story(text);
    snprintf(text, sizeof text, "%s%sverdict: delivered}}]\n", NETS("", "") ENDPOINT(""), flow);
    story(text);
    snprintf(text, sizeof text, "%s%sverdict: reset, reason: ProxyProtocolMismatch}}]\n",
             NETS(SPEAKS, "") ENDPOINT(""), flow);
    story(text);
    snprintf(text, sizeof text, "%s%sverdict: reset, reason: ProxyProtocolMismatch}}]\n",
             NETS("", LISTENS) ENDPOINT(""), flow);
    story(text);
    story(
        NETS(SPEAKS, LISTENS) ENDPOINT("") /* the header is for what comes through the service */
        "flows:\n"
        "  - {at: 1s, from: ops, to: lb/fe, destinationPort: 443, expect: {verdict: reset, reason: "
        "ProxyProtocolMismatch}}\n"
        "  - {at: 1s, from: vm, to: pe, protocol: udp, destinationPort: 443, expect: {verdict: delivered}}\n"
        "  - {at: 1s, from: vm, to: pe, destinationPort: 443, requestBytes: 0B, expect: {verdict: "
        "delivered}}\n"
        "  - {at: 1s, from: vm, to: pe, destinationPort: 443, keepOpen: 10s, expect: {verdict: "
        "delivered}}\n");
}

/* PE-24: five minutes, whatever the balancer's rule says. */
Test(cover_pls, PE24_idle_connections)
{
    story(NETS("", "") ENDPOINT("") "timeline: [{at: 0s, update: loadBalancers/lb, with: "
                                    "{loadBalancingRules: [{name: t, frontendIPConfiguration: fe,\n"
                                    "  backendAddressPool: p, protocol: Tcp, frontendPort: 443, backendPort: "
                                    "7443, idleTimeoutInMinutes: 30}]}}]\n"
                                    "flows:\n"
                                    "  - {at: 1s, from: vm, to: pe, destinationPort: 443, keepOpen: 15m, "
                                    "keepOpenInterval: 4m, expect: {verdict: delivered}}\n"
                                    "  - {at: 1s, from: vm, to: pe, destinationPort: 443, keepOpen: 15m, "
                                    "keepOpenInterval: 6m, expect: {verdict: dropped,\n"
                                    "     reason: FlowExpired, path: [vm, pe, lb/fe, api]}}\n");
}

/* -- streams --------------------------------------------------------------------------------------------- */

struct stream { /* one direction of the connection at one machine */
    uint8_t *byte;
    bool *seen;
    size_t n, cap;
    uint32_t syn, fin;
    bool has_syn, has_fin;
    uint64_t acked; /* of this stream, highest, counted like n */
};

struct watcher {
    const char *port;
    struct stream out, in;
    unsigned packets, bad;
};

static struct watcher consumer, backend;

static void take(struct stream *s, const struct packet *p, const struct packet_info *in)
{
    if (in->tcp_flags & TCP_SYN) {
        s->has_syn = true;
        s->syn = in->seq;
    }
    const uint32_t at = in->tcp_flags & TCP_SYN ? 0 : in->seq - s->syn - 1;
    if (in->tcp_flags & TCP_FIN) {
        s->has_fin = true;
        s->fin = at + in->payload_len;
    }
    cr_assert(s->has_syn && at + in->payload_len <= s->cap);
    for (uint32_t i = 0; i < in->payload_len; i++) {
        const uint8_t b = p->data[in->payload + i];
        cr_assert(!s->seen[at + i] || s->byte[at + i] == b, "byte %u changed", at + i);
        s->byte[at + i] = b;
        s->seen[at + i] = true;
    }
    if (in->payload_len && at + in->payload_len > s->n)
        s->n = at + in->payload_len;
}

static void watch(struct watcher *w, const struct packet *p, const struct packet_info *in, bool inbound)
{
    struct stream *mine = inbound ? &w->in : &w->out, *theirs = inbound ? &w->out : &w->in;
    w->packets++;
    w->bad += !packet_checksums_ok(p->data, p->len);
    take(mine, p, in);
    if (!(in->tcp_flags & TCP_ACK))
        return;
    const uint64_t acked = in->ack - theirs->syn - 1;
    cr_assert(acked <= theirs->n + 1, "%s: %llu acknowledged, %zu sent", w->port, (unsigned long long)acked,
              theirs->n);
    if (acked > theirs->acked)
        theirs->acked = acked;
}

static void on_packet(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                      const struct trace *t)
{
    struct packet_info in;
    (void)ctx;
    (void)at;
    if (p->meta.flow != 1 || packet_parse(p->data, p->len, &in) || in.proto != IPPROTO_NR_TCP ||
        trace_reason(t))
        return;
    const char *name = port_name(c->numbering, port);
    if (strcmp(name, "vm") == 0)
        watch(&consumer, p, &in, t->inbound);
    else if (strcmp(name, "api") == 0)
        watch(&backend, p, &in, t->inbound);
}

static void stream_new(struct stream *s)
{
    s->cap = 4 << 20;
    s->byte = calloc(s->cap, 1);
    s->seen = calloc(s->cap, sizeof *s->seen);
}

static void stream_free(struct stream *s)
{
    free(s->byte);
    free(s->seen);
}

/* Run the one flow of a text with everything watched. => whether it was delivered. */
static bool watched(const char *yaml)
{
    struct arena *a = arena_new("text");
    struct diag *d = diag_new(a);
    const char *text = arena_printf(a, "scenario: t\n%s", yaml);
    struct scenario *sc = scenario_parse("t", text, strlen(text), d);
    cr_assert_not_null(sc);
    consumer = (struct watcher){.port = "vm"};
    backend = (struct watcher){.port = "api"};
    stream_new(&consumer.out), stream_new(&consumer.in), stream_new(&backend.out), stream_new(&backend.in);
    const struct run_options o = {.tap = on_packet};
    struct run *r = run_new(sc, &o);
    run_execute(r);
    const bool ok = sim_result(run_sim(r), 1)->verdict == VERDICT_DELIVERED;
    run_free(r);
    scenario_free(sc);
    arena_free(a);
    return ok;
}

static void streams_free(void)
{
    stream_free(&consumer.out), stream_free(&consumer.in), stream_free(&backend.out),
        stream_free(&backend.in);
}

static void whole(const struct stream *s, size_t n, const char *what)
{
    cr_assert_eq(s->n, n, "%s: %zu bytes of %zu", what, s->n, n);
    for (size_t i = 0; i < n; i++)
        cr_assert(s->seen[i], "%s: byte %zu is missing", what, i);
    cr_assert(s->has_fin && s->fin == n, "%s: FIN at %u", what, s->fin);
}

/* The backend's stream is the header and the consumer's, the answers are the same, all numbers and checksums
 * are right. */
static void compare(size_t request, size_t response)
{
    static const struct proxy_header want = {
        .src = IP4(10, 0, 1, 4), .dst = IP4(10, 0, 2, 4), .dport = 443, .has_link = true, .link = 305419896};
    struct proxy_header got;
    cr_assert_eq(consumer.bad + backend.bad, 0);
    whole(&consumer.out, request, "consumer to backend, at the consumer");
    whole(&backend.in, request + PROXY_LEN, "consumer to backend, at the backend");
    whole(&backend.out, response, "backend to consumer, at the backend");
    whole(&consumer.in, response, "backend to consumer, at the consumer");
    cr_assert_eq(proxy_read(backend.in.byte, backend.in.n, &got), PROXY_LEN);
    cr_assert(got.src == want.src && got.dst == want.dst && got.dport == want.dport && got.sport >= 1024 &&
              got.link == want.link && got.has_link);
    cr_assert_arr_eq(consumer.out.byte, backend.in.byte + PROXY_LEN, request);
    cr_assert_arr_eq(consumer.in.byte, backend.out.byte, response);
    cr_assert_eq(consumer.out.acked, request + 1);
    cr_assert_eq(backend.in.acked, request + PROXY_LEN + 1);
}

#define STREAM(links, request, response)                                                                     \
    links NETS(SPEAKS, LISTENS)                                                                              \
        ENDPOINT("") "flows: [{at: 1s, from: vm, to: pe, destinationPort: 443, requestBytes: " request       \
                     "B, responseBytes: " response "B, expect: {verdict: delivered}}]\n"

Test(cover_pls, PE23_streams)
{
    cr_assert(watched(STREAM("", "5000", "300000")));
    compare(5000, 300000);
    streams_free();
    cr_assert(watched(STREAM("", "1000000", "1000")));
    compare(1000000, 1000);
    streams_free();
}

/* Also when packets get lost on every leg: whatever comes first brings the header along, whatever is sent
 * again keeps its numbers. */
Test(cover_pls, PE23_streams_under_loss)
{
    unsigned delivered = 0;
    for (unsigned seed = 1; seed <= 30; seed++) {
        char text[8192], links[200];
        snprintf(links, sizeof links,
                 "seed: %u\nlinks: {intraVnet: {loss: 0.03, latency: 200us}, privateLink: {loss: 0.03}}\n",
                 seed);
        snprintf(text, sizeof text, STREAM("%s", "60000", "60000"), links);
        if (watched(text)) {
            delivered++;
            /* the last acknowledgement may be lost, and with it the end of the stream on one side */
            cr_assert_eq(consumer.bad + backend.bad, 0);
            cr_assert_eq(backend.in.n, 60000 + PROXY_LEN);
            cr_assert_arr_eq(consumer.out.byte, backend.in.byte + PROXY_LEN, 60000);
            cr_assert_arr_eq(consumer.in.byte, backend.out.byte, 60000);
        }
        streams_free();
    }
    cr_expect_gt(delivered, 20, "%u of 30", delivered);
}

Test(cover_pls, PE21_a_port_for_each_connection)
{
    struct story s =
        story_tell(NETS("", "") ENDPOINT("") "flows: [{at: 1s, from: vm, to: pe, destinationPort: 443, "
                                             "count: 300, expect: {verdict: delivered}}]\n");
    bool used[65536] = {0};
    unsigned ports = 0;
    for (size_t i = 0; i < s.n_packets; i++) { /* no two connections share a port towards the backend */
        const struct story_packet *p = &s.packet[i];
        if (strcmp(p->port, "api") != 0 || !p->inbound || p->info.tcp_flags != TCP_SYN ||
            p->info.src == IP4_PLATFORM)
            continue;
        cr_assert_eq(p->info.src, IP4(10, 0, 5, 4));
        cr_assert_not(used[p->info.sport]);
        used[p->info.sport] = true;
        ports++;
    }
    cr_expect_eq(ports, 300);
    story_end(&s);
}
