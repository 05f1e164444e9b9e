/* test_manage.c - what stands above networks: the offers of subscriptions (G-15), the network manager's rules (G-16). */
#include "tests/support_model.h"
#include "tests/support_story.h"
#include "tests/support_world.h"

#include <criterion/criterion.h>
#include <string.h>

#include "dataplane/arena.h"
#include "topology/explain.h"
#include "topology/watcher.h"

/* -- TCP port 25 (G-15) ---------------------------------------------------------------------------------- */

#define MAIL                                                                                                 \
    "internetHosts: [{name: mx, ipAddress: 93.184.216.34, names: [mx.example.org], listens: [tcp/25, tcp/587, udp/25]}]\n"
#define NET                                                                                                  \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [\n"                             \
    "  {name: a, addressPrefix: 10.0.1.0/24}, {name: b, addressPrefix: 10.0.2.0/24, routeTable: rt}]}]\n"    \
    "routeTables: [{name: rt, routes: [{name: all, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance,\n" \
    "  nextHopIpAddress: 10.0.1.9}]}]\n"
#define NICS                                                                                                 \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: vm, subnet: hub/a, listens: [tcp/25]}\n"                                                     \
    "  - {name: rich, subnet: hub/a, subscription: corp}\n"                                                  \
    "  - {name: behind, subnet: hub/b}\n"                                                                    \
    "  - {name: nva, subnet: hub/a, subscription: corp, privateIPAddress: 10.0.1.9, enableIPForwarding: true,\n" \
    "     appliance: {snat: true}}\n"

Test(manage, G15_by_offer)
{
    static const struct {
        const char *offer;
        bool open;
    } all[] = {{"EnterpriseAgreement", true}, {"MCAEnterprise", true}, {"EnterpriseDevTest", false},
               {"PayAsYouGo", false},         {"CSP", false},          {"MSDN", false},
               {"FreeTrial", false},          {"Sponsorship", false},  {"Other", false},
               {"EnterpriseDevTest, port25Exempt: true", true}};
    struct arena *a = arena_new("test");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        story(arena_printf(a,
                           NET MAIL "subscriptions: [{name: sub-a, offer: %s}]\n"
                                    "networkInterfaces: [{name: vm, subnet: hub/a}]\n"
                                    "flows: [{from: vm, to: mx, destinationPort: 25, expect: {%s}}]\n",
                           all[i].offer,
                           all[i].open ? "verdict: delivered, path: [vm, mx]"
                                       : "verdict: dropped, reason: SmtpBlocked, nextHopType: Internet, path: [vm]"));
    arena_free(a);
}

/* Only TCP, only that port, only towards the Internet; the subscription is that of whoever sends it there. */
Test(manage, G15_what_is_blocked)
{
    story(NET MAIL NICS
          "subscriptions: [{name: sub-a, offer: PayAsYouGo}, {name: CORP, offer: EnterpriseAgreement}]\n"
          "flows:\n"
          "  - {name: name, from: vm, to: mx.example.org, destinationPort: 25, expect: {verdict: dropped, reason: SmtpBlocked}}\n"
          "  - {name: submit, from: vm, to: mx, destinationPort: 587, expect: {verdict: delivered}}\n"
          "  - {name: udp, from: vm, to: mx, protocol: udp, destinationPort: 25, expect: {verdict: delivered}}\n"
          "  - {name: from-25, from: vm, to: mx, sourcePort: 25, destinationPort: 587, expect: {verdict: delivered}}\n"
          "  - {name: inside, from: rich, to: vm, destinationPort: 25, expect: {verdict: delivered}}\n"
          "  - {name: other, from: rich, to: mx, destinationPort: 25, expect: {verdict: delivered}}\n"
          "  - {name: forwarded, from: behind, to: mx, destinationPort: 25,\n"
          "     expect: {verdict: delivered, path: [behind, nva, mx]}}\n");
}

Test(manage, G15_the_forwarding_interface_counts)
{
    story(NET MAIL NICS
          "subscriptions: [{name: sub-a, offer: EnterpriseAgreement}, {name: corp, offer: CSP}]\n"
          "flows: [{from: behind, to: mx, destinationPort: 25,\n"
          "  expect: {verdict: dropped, reason: SmtpBlocked, path: [behind, nva]}}]\n");
}

/* Answers to port 25 of an outside client pass, whatever the offer. */
Test(manage, G15_answers_pass)
{
    story(NET MAIL "publicIPAddresses: [{name: ip, ipAddress: 20.50.1.4}]\n"
                   "networkSecurityGroups: [{name: g, securityRules: [{name: in, priority: 100, direction: Inbound,\n"
                   "  access: Allow, protocol: '*'}]}]\n"
                   "subscriptions: [{name: sub-a, offer: CSP}]\n"
                   "networkInterfaces: [{name: vm, subnet: hub/a, publicIPAddress: ip, networkSecurityGroup: g,\n"
                   "  listens: [tcp/80]}]\n"
                   "flows: [{from: mx, to: 20.50.1.4, sourcePort: 25, destinationPort: 80,\n"
                   "  expect: {verdict: delivered}}]\n");
}

Test(manage, G15_changes_in_time)
{
    story(NET MAIL "subscriptions: [{name: sub-a, offer: EnterpriseDevTest}]\n"
                   "networkInterfaces: [{name: vm, subnet: hub/a}]\n"
                   "timeline: [{at: 30s, update: subscriptions/sub-a, with: {port25Exempt: true}},\n"
                   "  {at: 60s, update: subscriptions/sub-a, with: {offer: PayAsYouGo, port25Exempt: false}}]\n"
                   "flows:\n"
                   "  - {at: 1s, from: vm, to: mx, destinationPort: 25, expect: {verdict: dropped, reason: SmtpBlocked}}\n"
                   "  - {at: 31s, from: vm, to: mx, destinationPort: 25, expect: {verdict: delivered}}\n"
                   "  - {at: 61s, from: vm, to: mx, destinationPort: 25, expect: {verdict: dropped, reason: SmtpBlocked}}\n");
}

/* Where nothing is said, port 25 is open, and the flow that depends on it is warned of; no other is. */
Test(manage, G15_unknown_offer_is_warned_of)
{
    struct arena *a = arena_new("test");
    story(NET MAIL NICS "flows: [{from: vm, to: mx, destinationPort: 25, expect: {verdict: delivered}}]\n");
    const char *found = story_findings(
        a, NET MAIL NICS "subscriptions: [{name: corp, offer: MCAEnterprise}]\n"
                         "flows: [{name: one, from: vm, to: 93.184.216.34, destinationPort: 25},\n"
                         "  {name: two, from: vm, to: mx.example.org, destinationPort: 25},\n"
                         "  {name: known, from: rich, to: mx, destinationPort: 25},\n"
                         "  {name: through, from: behind, to: mx, destinationPort: 25},\n"
                         "  {name: submit, from: vm, to: mx, destinationPort: 587},\n"
                         "  {name: udp, from: vm, to: mx, protocol: udp, destinationPort: 25},\n"
                         "  {name: inside, from: rich, to: vm, destinationPort: 25}]\n");
    cr_assert_str_eq(found,
                     "t:14:67: warning: flow 'one' leaves for TCP port 25 of the Internet by 'vm': most "
                     "subscriptions may not, and what 'sub-a' was bought as is not said under 'subscriptions', so "
                     "it passes (G-15)\n"
                     "t:15:62: warning: flow 'two' leaves for TCP port 25 of the Internet by 'vm': most "
                     "subscriptions may not, and what 'sub-a' was bought as is not said under 'subscriptions', so "
                     "it passes (G-15)\n");
    arena_free(a);
}

/* -- security admin rules (G-16) ------------------------------------------------------------------------- */

/* hub: a client and a server behind closed groups; the server's network is in the manager's group. */
#define TWO                                                                                                  \
    "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [\n"                             \
    "  {name: a, addressPrefix: 10.0.1.0/24}, {name: b, addressPrefix: 10.0.2.0/24, networkSecurityGroup: shut},\n" \
    "  {name: AzureFirewallSubnet, addressPrefix: 10.0.3.0/26}]}]\n"                                         \
    "networkSecurityGroups:\n"                                                                               \
    "  - {name: shut, securityRules: [\n"                                                                    \
    "      {name: no-in, priority: 4000, direction: Inbound, access: Deny, protocol: '*'},\n"                \
    "      {name: no-out, priority: 4000, direction: Outbound, access: Deny, protocol: '*'}]}\n"             \
    "  - {name: open, securityRules: [{name: in, priority: 4000, direction: Inbound, access: Allow, protocol: '*'}]}\n" \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: c, subnet: hub/a}\n"                                                                         \
    "  - {name: s, subnet: hub/b, listens: [tcp/22, tcp/80, tcp/443, tcp/8080, udp/53]}\n"                   \
    "  - {name: fw, subnet: hub/AzureFirewallSubnet, listens: [tcp/22]}\n"
#define MANAGER(rules)                                                                                       \
    "networkManagers:\n"                                                                                     \
    "  - name: corp\n"                                                                                       \
    "    networkGroups: [{name: all, staticMembers: [hub]}]\n"                                               \
    "    securityAdminConfigurations: [{name: base, ruleCollections: [{name: set,\n"                         \
    "      appliesToGroups: [{networkGroup: all}], rules: [\n" rules "]}]}]\n"

/* Deny and AlwaysAllow end it, Allow and no match go on to the groups. */
Test(manage, G16_inbound_actions)
{
    struct story s = story_tell(
        TWO MANAGER("  {name: ssh, priority: 10, direction: Inbound, access: Deny, protocol: Tcp, destinationPortRanges: ['22']},\n"
                    "  {name: web, priority: 20, direction: Inbound, access: AlwaysAllow, protocol: Tcp, destinationPortRanges: ['80']},\n"
                    "  {name: tls, priority: 30, direction: Inbound, access: Allow, protocol: Tcp, destinationPortRanges: ['443']}\n")
        "flows:\n"
        "  - {name: ssh, from: c, to: s, destinationPort: 22, expect: {verdict: dropped, reason: AdminRuleDeny, rule: ssh,\n"
        "     ruleCollection: corp/base/set}}\n"
        "  - {name: web, from: c, to: s, destinationPort: 80, expect: {verdict: delivered, rule: web, ruleCollection: corp/base/set}}\n"
        "  - {name: tls, from: c, to: s, destinationPort: 443, expect: {verdict: dropped, reason: NsgDeny, rule: no-in,\n"
        "     networkSecurityGroup: shut}}\n"
        "  - {name: none, from: c, to: s, destinationPort: 8080, expect: {verdict: dropped, reason: NsgDeny, rule: no-in,\n"
        "     networkSecurityGroup: shut}}\n"
        "  - {name: udp, from: c, to: s, protocol: udp, destinationPort: 53, expect: {verdict: dropped, reason: NsgDeny}}\n");
    cr_assert_str_eq(story_value(&s, "ssh", "networkSecurityGroup"), "null");
    cr_assert_str_eq(story_value(&s, "web", "networkSecurityGroup"), "null");
    cr_assert_str_eq(story_value(&s, "tls", "ruleCollection"), "null");
    story_end(&s);
}

Test(manage, G16_outbound_actions)
{
    story(TWO MANAGER("  {name: ssh, priority: 10, direction: Outbound, access: Deny, protocol: Any, destinations: [{addressPrefix: 10.0.3.0/24}]},\n"
                      "  {name: web, priority: 20, direction: Outbound, access: AlwaysAllow, protocol: Tcp,\n"
                      "   sources: [{addressPrefix: 10.0.2.0/24}], destinations: [{addressPrefix: Internet}]},\n"
                      "  {name: tls, priority: 30, direction: Outbound, access: Allow, protocol: Any}\n")
          "internetHosts: [{name: web, ipAddress: 93.184.216.34, listens: [tcp/443, udp/53]}]\n"
          "flows:\n"
          "  - {from: s, to: web, expect: {verdict: delivered, rule: web, ruleCollection: corp/base/set}}\n"
          "  - {from: s, to: web, protocol: udp, destinationPort: 53, expect: {verdict: dropped, reason: NsgDeny, rule: no-out}}\n"
          "  - {from: c, to: web, expect: {verdict: delivered, rule: tls, ruleCollection: corp/base/set}}\n"
          "  - {from: c, to: fw, destinationPort: 22, expect: {verdict: dropped, reason: AdminRuleDeny, rule: ssh}}\n");
}

/* Between two networks, each of which may be in a group or not; and what Azure leaves out. */
Test(manage, G16_only_members_and_not_every_subnet)
{
    story("virtualNetworks:\n"
          "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.1.0/24},\n"
          "      {name: AzureFirewallSubnet, addressPrefix: 10.0.3.0/26}],\n"
          "     virtualNetworkPeerings: [{remoteVirtualNetwork: free}]}\n"
          "  - {name: free, addressPrefixes: [10.1.0.0/16], subnets: [{name: a, addressPrefix: 10.1.1.0/24}],\n"
          "     virtualNetworkPeerings: [{remoteVirtualNetwork: hub}]}\n"
          "networkInterfaces:\n"
          "  - {name: in, subnet: hub/a, listens: [tcp/22]}\n"
          "  - {name: fw, subnet: hub/AzureFirewallSubnet, listens: [tcp/22]}\n"
          "  - {name: outer, subnet: free/a, listens: [tcp/22]}\n"
          MANAGER("  {name: ssh, priority: 1, direction: Inbound, access: Deny, protocol: Tcp, destinationPortRanges: [20-22]}\n")
          "flows:\n"
          "  - {from: outer, to: in, destinationPort: 22, expect: {verdict: dropped, reason: AdminRuleDeny}}\n"
          "  - {from: in, to: outer, destinationPort: 22, expect: {verdict: delivered}}\n"
          "  - {from: in, to: fw, destinationPort: 22, expect: {verdict: delivered}}\n"
          "  - {from: outer, to: fw, destinationPort: 22, expect: {verdict: delivered}}\n");
}

/* The platform's resolver answers under a rule that denies everything; probes are subject to rules, as in groups. */
Test(manage, G16_platform_traffic)
{
    story("virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.1.0/24}]}]\n"
          "networkInterfaces: [{name: c, subnet: hub/a}, {name: s, subnet: hub/a, listens: [tcp/80]}]\n"
          "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, subnet: hub/a, privateIPAddress: 10.0.1.9}],\n"
          "  backendAddressPools: [{name: p, networkInterfaces: [s]}], probes: [{name: t, port: 80}],\n"
          "  loadBalancingRules: [{name: r, frontendIPConfiguration: fe, backendAddressPool: p, probe: t, protocol: Tcp,\n"
          "    frontendPort: 80, backendPort: 80}]}]\n"
          "internetHosts: [{name: web, ipAddress: 93.184.216.34, names: [www.example.org], listens: [tcp/443]}]\n"
          MANAGER("  {name: none, priority: 50, direction: Outbound, access: Deny, protocol: Any}\n")
          "timeline: [{at: 60s, update: networkManagers/corp/securityAdminConfigurations/base/ruleCollections/set/rules/none,\n"
          "  with: {direction: Inbound, sources: [{addressPrefix: AzureLoadBalancer}]}}]\n"
          "flows:\n"
          "  - {at: 1s, from: c, to: www.example.org, expect: {verdict: dropped, reason: AdminRuleDeny, resolvedTo: [93.184.216.34]}}\n"
          "  - {at: 90s, from: c, to: 10.0.1.9, destinationPort: 80, expect: {verdict: dropped, reason: NoHealthyBackend}}\n");
}

/* Private endpoints are none of the manager's business; their clients are. */
Test(manage, G16_private_endpoints)
{
    story("virtualNetworks:\n"
          "  - {name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.1.0/24},\n"
          "      {name: e, addressPrefix: 10.0.2.0/24, privateEndpointNetworkPolicies: Enabled}]}\n"
          "networkInterfaces: [{name: c, subnet: hub/a}]\n"
          "services: [{name: store, type: Microsoft.Storage/storageAccounts}]\n"
          "privateEndpoints: [{name: pe, subnet: hub/e, service: store, groupIds: [blob]}]\n"
          MANAGER("  {name: none, priority: 50, direction: Inbound, access: Deny, protocol: Any}\n")
          "timeline: [{at: 60s, update: networkManagers/corp/securityAdminConfigurations/base/ruleCollections/set/rules/none,\n"
          "  with: {direction: Outbound}}]\n"
          "flows:\n"
          "  - {at: 1s, from: c, to: pe, resource: store, expect: {verdict: delivered}}\n"
          "  - {at: 61s, from: c, to: pe, resource: store, expect: {verdict: dropped, reason: AdminRuleDeny, rule: none}}\n");
}

/* What is always allowed does not open a Standard public address that no group guards (G-19). */
Test(manage, G16_G19_public_address)
{
    story(
        "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: "
        "10.0.1.0/24}]}]\n"
        "publicIPAddresses: [{name: ip, ipAddress: 20.50.1.4}, {name: jp, ipAddress: 20.50.1.5}]\n"
        "networkSecurityGroups: [{name: shut}]\n"
        "networkInterfaces: [{name: bare, subnet: hub/a, publicIPAddress: ip, listens: [tcp/443]},\n"
        "  {name: kept, subnet: hub/a, publicIPAddress: jp, networkSecurityGroup: shut, listens: "
        "[tcp/443]}]\n"
        "internetHosts: [{name: web, ipAddress: 93.184.216.34}]\n" MANAGER(
            "  {name: all, priority: 50, direction: Inbound, access: AlwaysAllow, protocol: Any}\n") "flows:"
                                                                                                     "\n"
                                                                                                     "  - "
                                                                                                     "{from: "
                                                                                                     "web, "
                                                                                                     "to: "
                                                                                                     "20.50."
                                                                                                     "1.4, "
                                                                                                     "expect:"
                                                                                                     " {"
                                                                                                     "verdict"
                                                                                                     ": "
                                                                                                     "dropped"
                                                                                                     ", "
                                                                                                     "reason:"
                                                                                                     " Inboun"
                                                                                                     "dClosed"
                                                                                                     "}}\n"
                                                                                                     "  - "
                                                                                                     "{from: "
                                                                                                     "web, "
                                                                                                     "to: "
                                                                                                     "20.50."
                                                                                                     "1.5, "
                                                                                                     "expect:"
                                                                                                     " {"
                                                                                                     "verdict"
                                                                                                     ": "
                                                                                                     "deliver"
                                                                                                     "ed, "
                                                                                                     "rule: "
                                                                                                     "all}}"
                                                                                                     "\n");
}

/* In time: rules, members and whole configurations come and go; what was open stays (G-06). */
Test(manage, G16_changes_in_time)
{
    story(TWO "networkManagers: [{name: corp, networkGroups: [{name: all}]}]\n"
              "timeline:\n"
              "  - {at: 10s, add: networkManagers/corp/securityAdminConfigurations, with: {name: base, ruleCollections: [{name: set,\n"
              "       appliesToGroups: [{networkGroup: all}]}]}}\n"
              "  - {at: 11s, add: networkManagers/corp/securityAdminConfigurations/base/ruleCollections/set/rules,\n"
              "     with: {name: ssh, priority: 10, direction: Outbound, access: Deny, protocol: Tcp, destinationPortRanges: ['22']}}\n"
              "  - {at: 20s, add: networkManagers/corp/networkGroups/all/staticMembers, with: hub}\n"
              "  - {at: 50s, update: networkManagers/corp/securityAdminConfigurations/base/ruleCollections/set/rules/ssh, with: {access: Allow}}\n"
              "  - {at: 60s, update: networkManagers/corp/securityAdminConfigurations/base/ruleCollections/set/rules/ssh, with: {access: Deny}}\n"
              "  - {at: 90s, remove: networkManagers/corp/securityAdminConfigurations/base/ruleCollections/set/rules/ssh}\n"
              "flows:\n"
              "  - {name: open, at: 1s, from: c, to: fw, destinationPort: 22, keepOpen: 30s, expect: {verdict: delivered}}\n"
              "  - {at: 12s, from: c, to: fw, destinationPort: 22, expect: {verdict: delivered}}\n"
              "  - {at: 21s, from: c, to: fw, destinationPort: 22, expect: {verdict: dropped, reason: AdminRuleDeny}}\n"
              "  - {at: 51s, from: c, to: fw, destinationPort: 22, expect: {verdict: delivered}}\n"
              "  - {at: 61s, from: c, to: fw, destinationPort: 22, expect: {verdict: dropped, reason: AdminRuleDeny}}\n"
              "  - {at: 91s, from: c, to: fw, destinationPort: 22, expect: {verdict: delivered}}\n");
}

Test(manage, G06_G16_a_new_rule_can_end_open_connections)
{
    story(TWO MANAGER("  {name: ssh, priority: 10, direction: Outbound, access: Allow, protocol: Tcp, destinationPortRanges: ['22']}\n")
          "switches: {ruleChangeKeepsFlows: false}\n"
          "timeline: [{at: 5s, update: networkManagers/corp/securityAdminConfigurations/base/ruleCollections/set/rules/ssh,\n"
          "  with: {access: Deny}}]\n"
          "flows: [{at: 1s, from: c, to: fw, destinationPort: 22, keepOpen: 10s,\n"
          "  expect: {verdict: dropped, reason: AdminRuleDeny, rule: ssh}}]\n");
}

/* The packet path alone, both directions; an answer needs no rule (G-05). */
Test(manage, G16_packet_path)
{
    static const bool ends[] = {false, true, false};
    struct world w;
    world_new(&w);
    struct image_port *a = world_port(&w, w.vm), *b = world_port(&w, w.vm2);
    a->acl[0][0] = a->acl[0][1] = b->acl[1][0] = b->acl[1][1] = lab_acl(&w.l, "deny * * * *");
    a->admin[0] = b->admin[1] = lab_acl(&w.l, "deny tcp * * 22;allow tcp * * 80;allow tcp * * 443");
    w.l.img->acl[a->admin[0]].ends = ends;
    for (int reference = 0; reference < 2; reference++) {
        w.l.img->reference = reference;
        const uint16_t port = (uint16_t)(40000 + reference);
        struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", port, "10.0.1.5", 22);
        STORY(t, "vm> admin#0!AdminRuleDeny");
        t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", port, "10.0.1.5", 443);
        STORY(t, "vm> admin#2 nic#0!NsgDeny");
        t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", port, "10.0.1.5", 80);
        STORY(t, "vm> admin#- nic#0!NsgDeny");
        t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", port, "10.0.1.5", 80);
        STORY(t, "vm> admin#1 route@0 to vm2 | >vm2 admin#1 here");
        struct trip back = trip_reply(&t);
        STORY(back, "vm2> known route@0 to vm | >vm known here");
    }
    a->admin[0] = NONE32;
    a->acl[0][0] = a->acl[0][1] = NONE32;
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 50000, "10.0.1.5", 22);
    STORY(t, "vm> route@0 to vm2 | >vm2 admin#0!AdminRuleDeny");
    lab_free(&w.l);
}

/* -- what the tools show of it */

#define SHOWN                                                                                                \
    TWO MANAGER("  {name: late, priority: 300, direction: Inbound, access: Allow, protocol: Any},\n"         \
                "  {name: ssh, priority: 10, direction: Inbound, access: Deny, protocol: Tcp,\n"             \
                "   sources: [{addressPrefix: Internet}, {addressPrefix: 10.9.0.0/16}], destinationPortRanges: ['22', 3389-3390]},\n" \
                "  {name: scan, priority: 20, direction: Inbound, access: AlwaysAllow, protocol: Tcp,\n"     \
                "   sources: [{addressPrefix: 10.0.1.9/32}]}\n")

static const char *verified(struct loaded *l, const char *remote, uint16_t port)
{
    struct watcher_packet p = {.direction = DIR_INBOUND, .protocol = 6, .local = lab_ip("10.0.2.4"),
                               .remote = lab_ip(remote), .local_port = port, .remote_port = 50000};
    const struct watcher_check c = watcher_verify(l->a, l->m, model_nic(l->m, "s"), &p);
    return arena_printf(l->a, "%s %s %s", c.allow ? "Allow" : "Deny", c.rule ? watcher_rule_name(l->a, c.rule) : "-",
                        c.rule ? c.rule->group : "-");
}

Test(manage, G16_verify_flow)
{
    struct loaded l = load_checked(SHOWN);
    cr_assert_not_null(l.m, "%s", loaded_findings(&l));
    cr_expect_str_eq(verified(&l, "93.184.216.34", 22), "Deny securityAdminRules/ssh corp/base/set");
    cr_expect_str_eq(verified(&l, "10.0.1.9", 22), "Allow securityAdminRules/scan corp/base/set");
    cr_expect_str_eq(verified(&l, "10.0.1.4", 22), "Deny securityRules/no-in shut");
    cr_expect_str_eq(verified(&l, "168.63.129.16", 22), "Allow - -");
    loaded_free(&l);
}

static const char *printed(struct arena *a, int (*print)(FILE *, const struct nic_rules *), const struct nic_rules *r)
{
    char *buf = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&buf, &len);
    cr_assert_eq(print(f, r), 0);
    fclose(f);
    const char *out = arena_strdup(a, buf);
    free(buf);
    return out;
}

Test(manage, G16_effective_rules)
{
    struct loaded l = load_checked(SHOWN);
    cr_assert_not_null(l.m, "%s", loaded_findings(&l));
    const struct nic_rules *r = rules_of_nic(l.a, l.m, model_nic(l.m, "s"));
    const char *table = printed(l.a, rules_print_table, r);
    static const char *const lines[] = {
        "Inbound      hub      corp/base/set  10          ssh                            Deny         Tcp         "
        "Internet 10.9.0.0/16  *        *               22 3389-3390   t:20",
        "Inbound      hub      corp/base/set  20          scan                           AlwaysAllow  Tcp         "
        "10.0.1.9/32           *        *               *              t:22",
        "Inbound      hub      corp/base/set  300         late                           Allow        All         "
        "*                     *        *               *              t:19",
        "Inbound      hub/b    shut           4000        no-in                          Deny         All"};
    for (size_t i = 0, at = 0; i < 4; i++) {
        const char *found = strstr(table, lines[i]);
        cr_assert(found && (size_t)(found - table) >= at, "line %zu is missing or out of order:\n%s", i, table);
        at = (size_t)(found - table);
    }
    json_t *o = json_loads(printed(l.a, rules_print_json, r), 0, NULL);
    const json_t *first = json_array_get(json_object_get(o, "value"), 0),
                 *list = json_object_get(first, "effectiveSecurityRules"), *second = json_array_get(json_object_get(o, "value"), 1);
    cr_assert_eq(json_array_size(json_object_get(o, "value")), 2);
    cr_assert(json_is_null(json_object_get(first, "networkSecurityGroup")));
    cr_assert_str_eq(json_string_value(json_object_get(
                         json_object_get(json_object_get(first, "association"), "networkManager"), "id")),
                     "/subscriptions/sub-a/resourceGroups/rg/providers/Microsoft.Network/networkManagers/corp");
    cr_assert_eq(json_array_size(list), 3);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "name")), "securityAdminRules/scan");
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "access")), "AlwaysAllow");
    cr_assert_eq(json_array_size(json_object_get(second, "effectiveSecurityRules")), 8); /* the group's own, as ever */
    json_decref(o);
    loaded_free(&l);
}

/* -- findings */

Test(manage, G16_findings)
{
    struct arena *a = arena_new("test");
    cr_assert_str_eq(
        story_findings(a, TWO MANAGER("  {name: a, priority: 10, direction: Inbound, access: Deny, protocol: Any},\n"
                                      "  {name: b, priority: 10, direction: Outbound, access: Deny, protocol: Any},\n"
                                      "  {name: c, priority: 10, direction: Inbound, access: Allow, protocol: Any,\n"
                                      "   sources: [{addressPrefix: AzurePlatformDNS}, {addressPrefix: Storag}]}\n")),
        "t:21:23: error: priority 10 of rule 'c' of 'set' belongs to inbound rule 'a' already (G-16)\n"
        "t:22:30: error: security admin rule 'c' of 'set' names AzurePlatformDNS, which security admin rules do not take (G-16)\n"
        "t:22:65: error: unknown service tag 'Storag' in security admin rule 'c' of 'set'; did you mean 'Storage'?\n");
    cr_assert_str_eq(
        story_findings(a, TWO "networkManagers: [{name: corp, networkGroups: [{name: all, staticMembers: [hub]}], securityAdminConfigurations: [\n"
                              "  {name: one, ruleCollections: [{name: x, appliesToGroups: [{networkGroup: all}], rules: [\n"
                              "     {name: a, priority: 10, direction: Inbound, access: Deny, protocol: Any}]},\n"
                              "   {name: y, appliesToGroups: [{networkGroup: all}], rules: [\n"
                              "     {name: b, priority: 10, direction: Inbound, access: Deny, protocol: Any}]}]},\n"
                              "  {name: two, ruleCollections: [{name: x, appliesToGroups: [{networkGroup: all}]}]}]}]\n"),
        "t:18:26: warning: priority 10 of rule 'b' is also that of inbound rule 'a', which reaches 'hub' too: Azure promises "
        "no order, here 'a' is tried first (G-16)\n"
        "t:19:3: error: security admin configuration 'two' reaches networks in westeurope, where 'one' of 'corp' is deployed: a "
        "region takes one; use rule collections (G-16)\n");
    arena_free(a);
}

Test(manage, L15_rules_and_prefixes)
{
    struct arena *a = arena_new("test");
    const char *rules = "";
    for (int i = 1; i <= 101; i++)
        rules = arena_printf(a, "%s%s{name: r%d, priority: %d, direction: Inbound, access: Deny, protocol: Any}", rules, i > 1 ? "," : "", i, i);
    const char *head = TWO "networkManagers: [{name: corp, networkGroups: [{name: all}],\n"
                           "  securityAdminConfigurations: [{name: base, ruleCollections: [{name: x, appliesToGroups: [{networkGroup: all}], rules: [\n";
    cr_assert_str_eq(story_findings(a, arena_printf(a, "%s%s]}]}]}]\n", head, rules)),
                     "t:15:32: warning: network manager 'corp' has 101 security admin rules; the published limit is 100 (L-15)\n");
    const char *sides = "";
    for (int i = 0; i < 201; i++)
        sides = arena_printf(a, "%s%s{addressPrefix: 10.%d.0.0/16}", sides, i ? "," : "", i);
    rules = "";
    for (int i = 1; i <= 100; i++)
        rules = arena_printf(a, "%s%s{name: r%d, priority: %d, direction: Inbound, access: Deny, protocol: Any, sources: [%s]}", rules,
                             i > 1 ? "," : "", i, i, sides);
    cr_assert_str_eq(story_findings(a, arena_printf(a, "%s%s]}]}]}]\n", head, rules)),
                     "t:15:32: warning: network manager 'corp' has 20100 IP prefixes in its security admin rules; the "
                     "published limit is 20000 (L-15)\n");
    arena_free(a);
}
