/* test_cover_lb.c - stories of load balancers: from the file to the packets. */
#include "tests/support_story.h"

#include <criterion/criterion.h>
#include <string.h>

#include "dataplane/arena.h"
#include "dataplane/host_payload.h"
#include "dataplane/proxy.h"

/* Two web servers behind an internal and a public frontend, a client in the network, one in a peered one, one
 * outside. */
#define WEB(sku, rule, more)                                                                                 \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: net, addressPrefixes: [10.0.0.0/16], subnets: [{name: clients, addressPrefix: "              \
    "10.0.1.0/24},\n"                                                                                        \
    "     {name: web, addressPrefix: 10.0.2.0/24, networkSecurityGroup: g}],\n"                              \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: far}]}\n"                                          \
    "  - {name: far, location: eastus, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: "  \
    "10.1.1.0/24}],\n"                                                                                       \
    "     virtualNetworkPeerings: [{remoteVirtualNetwork: net}]}\n"                                          \
    "networkSecurityGroups: [{name: g, securityRules: [{name: web, priority: 200, direction: Inbound, "      \
    "access: Allow,\n"                                                                                       \
    "  protocol: '*', destinationPortRange: '8080'}]}]\n"                                                    \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: vm, subnet: net/clients, privateIPAddress: 10.0.1.4}\n"                                      \
    "  - {name: far-vm, subnet: far/s, privateIPAddress: 10.1.1.4}\n"                                        \
    "  - {name: w1, subnet: net/web, privateIPAddress: 10.0.2.4, listens: [tcp/8080, udp/8080]}\n"           \
    "  - {name: w2, subnet: net/web, privateIPAddress: 10.0.2.5, listens: [tcp/8080, udp/8080]}\n"           \
    "publicIPAddresses: [{name: pip, ipAddress: 20.50.9.9}, {name: npip, ipAddress: 20.50.7.7}]\n"           \
    "loadBalancers:\n"                                                                                       \
    "  - name: lb\n"                                                                                         \
    "    sku: " sku "\n"                                                                                     \
    "    frontendIPConfigurations: [{name: fe, subnet: net/web, privateIPAddress: 10.0.2.100}]\n"            \
    "    backendAddressPools: [{name: p, networkInterfaces: [w1, w2]}]\n"                                    \
    "    probes: [{name: t, protocol: Tcp, port: 8080, intervalInSeconds: 5, numberOfProbes: 2}]\n"          \
    "    loadBalancingRules: [{name: web, frontendIPConfiguration: fe, backendAddressPool: p, probe: t,\n"   \
    "      protocol: Tcp, frontendPort: 80, backendPort: 8080" rule "}]\n"                                   \
    "  - name: public\n"                                                                                     \
    "    sku: " sku "\n"                                                                                     \
    "    frontendIPConfigurations: [{name: fe, publicIPAddress: pip}]\n"                                     \
    "    backendAddressPools: [{name: p, networkInterfaces: [w1, w2]}]\n"                                    \
    "    loadBalancingRules: [{name: web, frontendIPConfiguration: fe, backendAddressPool: p,\n"             \
    "      protocol: Tcp, frontendPort: 80, backendPort: 8080}]\n"                                           \
    "internetHosts: [{name: out, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n" more

Test(cover_lb, B01_frontends_from_everywhere)
{
    story(WEB("Standard", "",
              "") "flows:\n"
                  "  - {at: 1s, from: vm, to: 10.0.2.100, destinationPort: 80, count: 6, expect: {verdict: "
                  "delivered,\n"
                  "     sourceSeen: 10.0.1.4, via: [lb/fe], returnNotVia: [lb/fe], nextHopType: VnetLocal}}\n"
                  "  - {at: 1s, from: far-vm, to: lb/fe, destinationPort: 80, expect: {verdict: delivered, "
                  "sourceSeen: 10.1.1.4,\n"
                  "     nextHopType: VNetGlobalPeering}}\n"
                  "  - {at: 1s, from: out, to: 20.50.9.9, destinationPort: 80, expect: {verdict: delivered,\n"
                  "     sourceSeen: 93.184.216.34, via: [public/fe]}}\n"
                  "  - {at: 1s, from: vm, to: lb/fe, destinationPort: 81, expect: {verdict: dropped, reason: "
                  "NoBalancingRule,\n"
                  "     path: [vm, lb/fe]}}\n"
                  "  - {at: 1s, from: vm, to: lb/fe, protocol: icmp, expect: {verdict: dropped, reason: "
                  "ProtocolUnsupported}}\n");
}

Test(cover_lb, P07_basic_and_global_peering)
{
    story(WEB("Basic", "",
              "") "flows:\n"
                  "  - {at: 1s, from: far-vm, to: lb/fe, destinationPort: 80, expect: {verdict: dropped, "
                  "reason: NoPeering}}\n"
                  "  - {at: 1s, from: far-vm, to: w1, destinationPort: 8080, expect: {verdict: delivered}}\n"
                  "  - {at: 1s, from: vm, to: lb/fe, destinationPort: 80, expect: {verdict: delivered}}\n");
}

/* The client talks to the frontend alone, the servers to the client alone, and checksums are right
 * everywhere. */
Test(cover_lb, B05_who_sees_what)
{
    struct story s = story_tell(
        WEB("Standard", "",
            "") "flows: [{at: 1s, from: vm, to: lb/fe, destinationPort: 80, count: 4, interval: 1s,\n"
                "  responseBytes: 20KiB, expect: {verdict: delivered}}]\n");
    const ip4 fe = IP4(10, 0, 2, 100), vm = IP4(10, 0, 1, 4);
    unsigned client = 0, server = 0, probes = 0;
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        const ip4 other = p->inbound ? p->info.src : p->info.dst;
        if (p->info.proto != IPPROTO_NR_TCP)
            continue;
        if (strcmp(p->port, "vm") == 0) {
            cr_assert_eq(other, fe);
            client++;
        } else if (p->port[0] == 'w') {
            cr_assert(other == vm || other == IP4_PLATFORM);
            server += other == vm;
            probes += other != vm;
        }
    }
    cr_expect(client > 40 && client == server, "%u at the client, %u at the servers", client, server);
    cr_expect(probes > 0);
    story_end(&s);
}

Test(cover_lb, B05_floating_address)
{
    story(WEB("Standard", ", enableFloatingIP: true",
              "") "flows: [{at: 1s, from: vm, to: lb/fe, destinationPort: 80, expect: {verdict: "
                  "refused}}]\n"); /* the port is kept */
}

/* B-03: the rule that lets probes in is a default one; a rule before it takes all members out. */
Test(cover_lb, B03_blocked_probes)
{
    story(WEB(
        "Standard", "",
        "") "timeline: [{at: 2s, add: networkSecurityGroups/g/securityRules, with: {name: x, priority: 100,\n"
            "  direction: Inbound, access: Deny, protocol: '*', sourceAddressPrefix: AzureLoadBalancer}}]\n"
            "flows:\n"
            "  - {at: 9900ms, from: vm, to: lb/fe, destinationPort: 80, expect: {verdict: delivered}}\n"
            "  - {at: 15100ms, from: vm, to: lb/fe, destinationPort: 80, expect: {verdict: dropped, reason: "
            "NoHealthyBackend,\n"
            "     path: [vm, lb/fe]}}\n"
            "  - {at: 15100ms, from: vm, to: w1, destinationPort: 8080, expect: {verdict: delivered}}\n"
            "  - {at: 15100ms, from: out, to: public/fe, destinationPort: 80, expect: {verdict: "
            "delivered}}\n"); /* no probe there */
}

/* What does not answer from the start gets nothing; the first probe decides. */
Test(cover_lb, B06_first_probe)
{
    story(WEB("Standard", "",
              "") "timeline: [{at: 0s, update: networkInterfaces/w1, with: {listens: []}}]\n"
                  "flows: [{at: 100ms, from: vm, to: lb/fe, destinationPort: 80, count: 20, interval: 1ms,\n"
                  "  expect: {verdict: delivered, via: [w2]}}]\n");
}

/* Off at once; on again after one successful probe. */
Test(cover_lb, B06_switched_off_and_on)
{
    story(WEB("Standard", "",
              "") "timeline:\n"
                  "  - {at: 2s, update: networkInterfaces/w1, with: {powerState: deallocated}}\n"
                  "  - {at: 8s, update: networkInterfaces/w1, with: {powerState: running}}\n"
                  "  - {at: 9s, update: networkInterfaces/w2, with: {powerState: deallocated}}\n"
                  "flows:\n"
                  "  - {at: 2s, from: vm, to: lb/fe, destinationPort: 80, count: 20, interval: 1ms, expect: "
                  "{verdict: delivered,\n"
                  "     via: [w2]}}\n"
                  "  - {at: 9100ms, from: vm, to: lb/fe, destinationPort: 80, count: 20, interval: 1ms, "
                  "expect: {verdict: delivered,\n"
                  "     via: [w1]}}\n");
}

/* Neither probes nor what they wait for keep a run going. */
Test(cover_lb, probes_prolong_nothing)
{
    struct story s = story_tell(
        WEB("Standard", "",
            "") "flows: [{at: 7s, from: vm, to: w1, destinationPort: 8080, expect: {verdict: delivered}}]\n");
    cr_expect(run_end(s.run) < INT64_C(7100000000), "%lld", (long long)run_end(s.run));
    cr_expect_eq(sim_flows(run_sim(s.run)), 1);
    unsigned probes = 0;
    for (size_t i = 0; i < s.n_packets; i++)
        probes += strcmp(s.packet[i].port, "w2") == 0 && s.packet[i].inbound &&
                  s.packet[i].info.tcp_flags == TCP_SYN;
    cr_expect_eq(probes, 2, "at 0 s and 5 s: %u", probes);
    story_end(&s);
}

/* O-01, O-05, O-10. */
Test(cover_lb, O05_the_way_out)
{
    story(WEB("Standard", "", "") "flows:\n"
                                  "  - {at: 1s, from: w1, to: out, destinationPort: 443, expect: {verdict: "
                                  "delivered, sourceSeen: 20.50.9.9}}\n"
                                  "  - {at: 1s, from: w2, to: out, destinationPort: 443, expect: {verdict: "
                                  "delivered, sourceSeen: 20.50.9.9}}\n");
    story(
        WEB("Standard", "", "natGateways: [{name: nat, publicIPAddresses: [npip]}]\n") /* which comes first */
        "timeline: [{at: 2s, update: virtualNetworks/net/subnets/web, with: {natGateway: nat}}]\n"
        "flows: [{at: 3s, from: w1, to: out, destinationPort: 443, expect: {verdict: delivered, sourceSeen: "
        "20.50.7.7}}]\n");
}

Test(cover_lb, O05_a_share_can_run_out)
{
    story("virtualNetworks: [{name: n, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: "
          "10.0.1.0/24}]}]\n"
          "networkInterfaces: [{name: a, subnet: n/s}, {name: b, subnet: n/s}]\n"
          "publicIPAddresses: [{name: pip, ipAddress: 20.50.9.9}]\n"
          "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, publicIPAddress: pip}],\n"
          "  backendAddressPools: [{name: p, networkInterfaces: [a, b]}],\n"
          "  outboundRules: [{name: o, frontendIPConfiguration: fe, backendAddressPool: p, "
          "allocatedOutboundPorts: 8}]}]\n"
          "internetHosts: [{name: out, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"
          "flows:\n"
          "  - {at: 1s, from: a, to: out, destinationPort: 443, keepOpen: 20s, count: 10,\n"
          "     expect: {counts: {delivered: 8, dropped: 2}}}\n"
          "  - {at: 2s, from: b, to: out, destinationPort: 443, expect: {verdict: delivered}}\n"
          "  - {at: 2s, from: a, to: out, destinationPort: 443, expect: {verdict: dropped, reason: "
          "SnatExhausted}}\n"
          "  - {at: 300s, from: a, to: out, destinationPort: 443, expect: {verdict: delivered}}\n");
}

Test(cover_lb, O10_no_default_way_out)
{
    story("virtualNetworks: [{name: n, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: "
          "10.0.1.0/24}]}]\n"
          "networkInterfaces: [{name: a, subnet: n/s}, {name: b, subnet: n/s}, {name: c, subnet: n/s}]\n"
          "loadBalancers:\n"
          "  - {name: lb, frontendIPConfigurations: [{name: fe, subnet: n/s}],\n"
          "     backendAddressPools: [{name: p, networkInterfaces: [a]}]}\n"
          "  - {name: old, sku: Basic, frontendIPConfigurations: [{name: fe, subnet: n/s}],\n"
          "     backendAddressPools: [{name: p, networkInterfaces: [b]}]}\n"
          "internetHosts: [{name: out, ipAddress: 93.184.216.34, listens: [tcp/443]}]\n"
          "flows:\n"
          "  - {at: 1s, from: a, to: out, destinationPort: 443, expect: {verdict: dropped, reason: "
          "NoOutboundAccess}}\n"
          "  - {at: 1s, from: b, to: out, destinationPort: 443, expect: {verdict: delivered}}\n"
          "  - {at: 1s, from: c, to: out, destinationPort: 443, expect: {verdict: delivered}}\n");
}

/* O-08: a connection that says nothing for longer than the rule's timeout ends in silence, or at once where
 * the rule resets. */
Test(cover_lb, O08_idle_connections)
{
    story(WEB("Standard", "", "") "flows:\n"
                                  "  - {name: busy, from: vm, to: lb/fe, destinationPort: 80, keepOpen: 12m, "
                                  "keepOpenInterval: 3m,\n"
                                  "     expect: {verdict: delivered}}\n"
                                  "  - {name: idle, from: vm, to: lb/fe, destinationPort: 80, keepOpen: 12m, "
                                  "keepOpenInterval: 5m,\n"
                                  "     expect: {verdict: dropped, reason: FlowExpired}}\n");
    story(WEB("Standard", ", idleTimeoutInMinutes: 10",
              "") "flows: [{from: vm, to: lb/fe, destinationPort: 80, keepOpen: 25m, keepOpenInterval: 9m,\n"
                  "  expect: {verdict: delivered}}]\n");
    struct story s = story_tell(
        WEB("Standard", ", enableTcpReset: true",
            "") "flows: [{from: vm, to: lb/fe, destinationPort: 80, keepOpen: 12m, keepOpenInterval: 5m,\n"
                "  expect: {verdict: reset, reason: IdleTimeout}}]\n");
    const struct flow_result *f = sim_result(run_sim(s.run), 1);
    cr_expect(f->ended_at >= INT64_C(240000000000) && f->ended_at < INT64_C(240010000000), "%lld",
              (long long)f->ended_at);
    unsigned resets = 0;
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        resets += p->inbound && p->info.tcp_flags & TCP_RST && p->at == f->ended_at;
        if (p->inbound && p->info.tcp_flags & TCP_RST && strcmp(p->port, "vm") == 0)
            cr_expect_eq(p->info.src, IP4(10, 0, 2, 100), "the client hears it from the frontend");
    }
    cr_expect_eq(resets, 2, "both ends: %u", resets);
    story_end(&s);
}

/* B-05: with SourceIP a client's flows meet one server, whatever their ports and protocol; by default both get some. */
Test(cover_lb, B05_distribution_modes)
{
    story(WEB("Standard", ", loadDistribution: SourceIP", "")
          "flows:\n"
          "  - {at: 1s, from: vm, to: lb/fe, destinationPort: 80, count: 30, interval: 1ms, expect: {verdict: delivered, via: [w2]}}\n"
          "  - {at: 1s, from: far-vm, to: lb/fe, destinationPort: 80, count: 30, interval: 1ms, expect: {verdict: delivered,\n"
          "     via: [w1]}}\n"
          "timeline: [{at: 10s, update: networkInterfaces/w2, with: {powerState: deallocated}}]\n");
    struct story s = story_tell(
        WEB("Standard", "", "") "flows: [{at: 1s, from: vm, to: lb/fe, destinationPort: 80, count: 30, interval: 1ms,\n"
                                "  expect: {verdict: delivered}}]\n");
    cr_expect_str_eq(story_value(&s, "vm-to-lb/fe", "path"), "null", "not all went one way");
    story_end(&s);
}

#define NAT(more)                                                                                            \
    ", enableTcpReset: false}]\n    inboundNatRules: [{name: one, frontendIPConfiguration: fe, backendIPConfiguration: w1,\n" \
    "      protocol: Tcp, frontendPort: 2201, backendPort: 8080}, {name: two, frontendIPConfiguration: fe,\n" \
    "      backendIPConfiguration: w2, protocol: Udp, frontendPort: 2201, backendPort: 8080" more

/* B-09: each port its machine, also where no probe is well; others have no rule; answers have the frontend's address. */
Test(cover_lb, B09_inbound_nat_rules)
{
    story(WEB("Standard", NAT(""), "")
          "timeline: [{at: 2s, update: loadBalancers/lb/probes/t, with: {port: 9}}]\n"
          "flows:\n"
          "  - {at: 1s, from: vm, to: lb/fe, destinationPort: 2201, count: 20, interval: 1ms, expect: {verdict: delivered,\n"
          "     path: [vm, lb/fe, w1], returnPath: [w1, vm], sourceSeen: 10.0.1.4, destinationSeen: 10.0.2.4}}\n"
          "  - {at: 1s, from: vm, to: lb/fe, protocol: udp, destinationPort: 2201, expect: {verdict: delivered, path: [vm, lb/fe, w2]}}\n"
          "  - {at: 1s, from: vm, to: lb/fe, destinationPort: 2202, expect: {verdict: dropped, reason: NoBalancingRule}}\n"
          "  - {at: 20s, from: vm, to: lb/fe, destinationPort: 80, expect: {verdict: dropped, reason: NoHealthyBackend}}\n"
          "  - {at: 20s, from: vm, to: lb/fe, destinationPort: 2201, expect: {verdict: delivered, path: [vm, lb/fe, w1]}}\n");
    struct story s = story_tell(WEB("Standard", NAT(""), "")
                                "flows: [{at: 1s, from: vm, to: lb/fe, destinationPort: 2201, expect: {verdict: delivered}}]\n");
    for (size_t i = 0; i < s.n_packets; i++)
        if (!strcmp(s.packet[i].port, "vm") && s.packet[i].info.proto == IPPROTO_NR_TCP)
            cr_expect_eq(s.packet[i].inbound ? s.packet[i].info.src : s.packet[i].info.dst, IP4(10, 0, 2, 100));
    story_end(&s);
    story(WEB("Standard", NAT(", enableFloatingIP: true"), "")
          "flows: [{at: 1s, from: vm, to: lb/fe, protocol: udp, destinationPort: 2201, expect: {verdict: refused,\n"
          "  path: [vm, lb/fe, w2]}}]\n"); /* the port is kept, too */
    story(WEB("Standard", NAT(", idleTimeoutInMinutes: 6"), "")
          "flows:\n"
          "  - {from: vm, to: lb/fe, destinationPort: 2201, keepOpen: 12m, keepOpenInterval: 5m, expect: {verdict: dropped,\n"
          "     reason: FlowExpired}}\n"
          "  - {from: vm, to: lb/fe, protocol: udp, destinationPort: 2201, keepOpen: 11m, keepOpenInterval: 5m,\n"
          "     expect: {verdict: delivered}}\n");
}

/* B-09, G-19: from the Internet, where the machine's rules decide; what Azure refuses. */
Test(cover_lb, B09_from_outside)
{
#define PUBLIC(group, nat)                                                                                   \
    "virtualNetworks: [{name: n, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24" group "}]},\n" \
    "  {name: m, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24}]}]\n"       \
    "networkSecurityGroups: [{name: g, securityRules: [{name: ssh, priority: 100, direction: Inbound, access: Allow,\n" \
    "  protocol: Tcp, destinationPortRange: '22'}]}]\n"                                                      \
    "networkInterfaces: [{name: a, subnet: n/s, listens: [tcp/22]}, {name: b, subnet: m/s}]\n"               \
    "publicIPAddresses: [{name: pip, ipAddress: 20.50.9.9}]\n"                                               \
    "internetHosts: [{name: out, ipAddress: 93.184.216.34}]\n"                                               \
    "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, publicIPAddress: pip}],\n"             \
    "  backendAddressPools: [{name: p, networkInterfaces: [a]}],\n"                                          \
    "  inboundNatRules: [{name: r, frontendIPConfiguration: fe, backendIPConfiguration: a, protocol: Tcp, frontendPort: 50022,\n" \
    "    backendPort: 22}" nat "\n"
    story(PUBLIC(", networkSecurityGroup: g", "]}]")
          "flows: [{from: out, to: lb/fe, destinationPort: 50022, expect: {verdict: delivered, sourceSeen: 93.184.216.34,\n"
          "  destinationSeen: 10.0.1.4, rule: ssh}}]\n");
    story(PUBLIC("", "]}]")
          "flows: [{from: out, to: lb/fe, destinationPort: 50022, expect: {verdict: dropped, reason: InboundClosed}}]\n");
    struct arena *a = arena_new("findings");
#define NEXT(more)       ", {name: q, frontendIPConfiguration: fe, " more ", backendPort: 80}]"
#define SAYS(text, what) cr_assert(strstr(story_findings(a, text), what), "%s", story_findings(a, text))
    SAYS(PUBLIC("", NEXT("backendIPConfiguration: a, protocol: Tcp, frontendPort: 50022") "}]"),
         "error: frontend port of rule 'q' of 'lb' belongs to rule 'r' already\n");
    SAYS(PUBLIC("", NEXT("backendIPConfiguration: b, protocol: Udp, frontendPort: 50022") "}]"),
         "error: 'b' of inbound NAT rule 'q' of 'lb' is in network 'm', the frontend serves 'n' (B-09)\n");
    SAYS(PUBLIC("", NEXT("backendIPConfiguration: a, protocol: All, frontendPort: 50023") "}]"),
         "error: unknown value 'All' of 'protocol': it takes Tcp or Udp\n");
    SAYS(PUBLIC("", "],\n  outboundRules: [{name: o, frontendIPConfiguration: fe, backendAddressPool: p,\n"
                    "    allocatedOutboundPorts: 64000}]}]"),
         "error: outbound rule 'o' of 'lb' promises 64000 ports to its 1 machines, the frontend has 63992 (O-05)\n");
    arena_free(a);
}

/* B-10: the answer must be 200; who answers otherwise is out until it answers so again. */
Test(cover_lb, B10_probes_by_http)
{
#define HTTP(proto, status, more)                                                                            \
    "virtualNetworks: [{name: n, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}]\n" \
    "networkInterfaces: [{name: vm, subnet: n/s}, {name: a, subnet: n/s, listens: [tcp/8080], healthStatus: " status "},\n" \
    "  {name: b, subnet: n/s, listens: [tcp/8080]}]\n"                                                       \
    "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, subnet: n/s}],\n"                      \
    "  backendAddressPools: [{name: p, networkInterfaces: [a, b]}],\n"                                       \
    "  probes: [{name: h, protocol: " proto ", port: 8080, requestPath: /well}],\n"                          \
    "  loadBalancingRules: [{name: web, frontendIPConfiguration: fe, backendAddressPool: p, probe: h, protocol: Tcp,\n" \
    "    frontendPort: 80, backendPort: 8080}]}]\n" more
    static const char *const ill[] = {"199", "201", "302", "404", "503"};
    struct arena *t = arena_new("texts");
    for (size_t i = 0; i < sizeof ill / sizeof *ill; i++)
        story(arena_printf(t, HTTP("Http", "%s", "flows: [{at: 1s, from: vm, to: lb/fe, destinationPort: 80, count: 20, interval: 1ms,\n"
                                                 "  expect: {verdict: delivered, via: [b], notVia: [a]}}]\n"), ill[i]));
    arena_free(t);
    story(HTTP("Https", "503", "flows: [{at: 1s, from: vm, to: lb/fe, destinationPort: 80, count: 20, interval: 1ms,\n"
                               "  expect: {counts: {delivered: 20}}}]\n"));
    story(HTTP("Http", "503", "timeline: [{at: 7s, update: networkInterfaces/a, with: {healthStatus: 200}},\n"
                              "  {at: 8s, update: networkInterfaces/b, with: {healthStatus: 500}}]\n"
                              "flows:\n"
                              "  - {at: 9900ms, from: vm, to: lb/fe, destinationPort: 80, expect: {verdict: delivered, via: [b]}}\n"
                              "  - {at: 15100ms, from: vm, to: lb/fe, destinationPort: 80, count: 9, interval: 1ms, expect: {verdict:\n"
                              "     delivered, via: [a]}}\n"));
    struct story s = story_tell(HTTP("Http", "503", "flows: [{at: 1s, from: vm, to: lb/fe, destinationPort: 80, expect: {verdict: delivered}}]\n"));
    unsigned asked = 0, answered = 0;
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        if (strcmp(p->port, "a") || !p->info.payload_len)
            continue;
        asked += p->inbound && p->info.src == IP4_PLATFORM;
        answered += !p->inbound && p->info.dst == IP4_PLATFORM;
    }
    cr_expect_eq(asked, 1);
    cr_expect_eq(answered, 1);
    story_end(&s);
}

/* B-10: a probe's request and answer as they are on the wire. */
Test(cover_lb, B10_a_status_is_read)
{
    static const char good[] = "HTTP/1.1 204 No Content\r\n", bad[] = "HTTP/1.1 2x4 ", *other = "SSH-2.0-server";
    cr_expect_eq(payload_http_status((const uint8_t *)good, sizeof good - 1), 204);
    cr_expect_eq(payload_http_status((const uint8_t *)good, 12), 204);
    cr_expect_eq(payload_http_status((const uint8_t *)good, 11), 0, "cut short");
    cr_expect_eq(payload_http_status((const uint8_t *)bad, sizeof bad - 1), 0);
    cr_expect_eq(payload_http_status((const uint8_t *)other, 14), 0);
    const char want[] = "GET /a HTTP/1.1\r\nHost: h:80\r\nUser-Agent: Load Balancer Agent\r\n\r\n";
    uint8_t got[256];
    const size_t n = payload_probe_bytes("/a", "h:80", false);
    cr_assert_eq(n, sizeof want - 1);
    struct payload p = {.kind = PAYLOAD_PROBE, .host = "h:80", .path = "/a", .first = n, .later = 1};
    payload_fill(&p, 0, got, n);
    cr_assert_arr_eq(got, want, n);
    payload_fill(&p, 4, got, 2);
    cr_assert_arr_eq(got, "/a", 2);
    cr_assert_eq(payload_probe_bytes("/a", "h:80", true), n + PROXY_LOCAL_LEN);
    p.proxy = true;
    p.first += PROXY_LOCAL_LEN;
    payload_fill(&p, PROXY_LOCAL_LEN, got, n);
    cr_assert_arr_eq(got, want, n);
}

#define OUTBOUND(more)                                                                                       \
    "virtualNetworks: [{name: n, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24}]}]\n" \
    "networkInterfaces: [{name: a, subnet: n/s}]\n"                                                          \
    "publicIPAddresses: [{name: pip, ipAddress: 20.50.9.9}]\n"                                               \
    "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, publicIPAddress: pip}],\n"             \
    "  backendAddressPools: [{name: p, networkInterfaces: [a]}],\n"                                          \
    "  outboundRules: [{name: o, frontendIPConfiguration: fe, backendAddressPool: p" more "}]}]\n"           \
    "internetHosts: [{name: out, ipAddress: 93.184.216.34, listens: [tcp/443, udp/53]}]\n"

/* O-08: an outbound rule that resets does so to both ends, when nothing passed for its timeout, and to nobody else. */
Test(cover_lb, O08_outbound_rules_reset)
{
    struct story s = story_tell(OUTBOUND(", enableTcpReset: true")
                                "flows: [{from: a, to: out, destinationPort: 443, keepOpen: 12m, keepOpenInterval: 5m,\n"
                                "  expect: {verdict: reset, reason: IdleTimeout, sourceSeen: 20.50.9.9}}]\n");
    const struct flow_result *f = sim_result(run_sim(s.run), 1);
    cr_expect(f->ended_at >= INT64_C(240000000000) && f->ended_at < INT64_C(240100000000), "%lld", (long long)f->ended_at);
    unsigned inside = 0, outside = 0;
    for (size_t i = 0; i < s.n_packets; i++) {
        const struct story_packet *p = &s.packet[i];
        if (!p->inbound || !(p->info.tcp_flags & TCP_RST))
            continue;
        cr_expect_eq(p->at, f->ended_at);
        inside += !strcmp(p->port, "a") && p->info.src == IP4(93, 184, 216, 34);
        outside += !strcmp(p->port, "out") && p->info.src == IP4(20, 50, 9, 9);
    }
    cr_expect(inside == 1 && outside == 1, "%u inside, %u outside", inside, outside);
    story_end(&s);
    story(OUTBOUND(", enableTcpReset: true")
          "flows:\n"
          "  - {from: a, to: out, destinationPort: 443, keepOpen: 12m, keepOpenInterval: 3m, expect: {verdict: delivered}}\n"
          "  - {from: a, to: out, destinationPort: 443, expect: {verdict: delivered}}\n"
          "  - {from: a, to: out, protocol: udp, destinationPort: 53, keepOpen: 12m, keepOpenInterval: 5m, expect: {verdict: delivered}}\n");
    story(OUTBOUND(", enableTcpReset: true, idleTimeoutInMinutes: 10")
          "flows:\n"
          "  - {from: a, to: out, destinationPort: 443, keepOpen: 25m, keepOpenInterval: 9m, expect: {verdict: delivered}}\n"
          "  - {from: a, to: out, destinationPort: 443, keepOpen: 25m, keepOpenInterval: 11m, expect: {verdict: reset,\n"
          "     reason: IdleTimeout}}\n");
    story(OUTBOUND("") "flows: [{from: a, to: out, destinationPort: 443, keepOpen: 12m, keepOpenInterval: 5m,\n"
                       "  expect: {verdict: delivered}}]\n"); /* nobody else wanted the port */
}

/* O-05, O-08: the port of a connection that was reset is free for the next one. */
Test(cover_lb, O08_a_reset_frees_the_port)
{
    story(OUTBOUND(", enableTcpReset: true, allocatedOutboundPorts: 1")
          "flows:\n"
          "  - {from: a, to: out, destinationPort: 443, keepOpen: 12m, keepOpenInterval: 5m, expect: {verdict: reset,\n"
          "     reason: IdleTimeout}}\n"
          "  - {at: 200s, from: a, to: out, destinationPort: 443, expect: {verdict: dropped, reason: SnatExhausted}}\n"
          "  - {at: 241s, from: a, to: out, destinationPort: 443, expect: {verdict: delivered}}\n");
}
