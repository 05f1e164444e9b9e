/* test_manage.c - what stands above networks: the offers of subscriptions (G-15). */
#include "tests/support_model.h"
#include "tests/support_story.h"
#include "tests/support_tmp.h"

#include <criterion/criterion.h>
#include <string.h>

#include "dataplane/arena.h"

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
