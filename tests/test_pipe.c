/* test_pipe.c - the packet path, as stories: one packet, one image made by hand, and every decision on
 * its way. Here: checks, rules, flow records, the host's agent, peering. */
#include "tests/support_world.h"

#include <criterion/criterion.h>

/* -- order of stages (contract, section 2) --------------------------------------------------------------- */

Test(order, outbound_nic_then_subnet_then_route_inbound_subnet_then_nic)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->acl[0][0] = lab_acl(&w.l, "allow tcp * * *");
    world_port(&w, w.vm)->acl[0][1] = lab_acl(&w.l, "deny udp * * *;allow * * * *");
    world_port(&w, w.vm2)->acl[1][0] = lab_acl(&w.l, "deny tcp * * 22;allow * * * *");
    world_port(&w, w.vm2)->acl[1][1] = lab_acl(&w.l, "allow tcp * * 80;allow * * * *");
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    STORY(t, "vm> nic#0 subnet#1 route@0 to vm2 | >vm2 subnet#0 nic#1 here");
    lab_free(&w.l);
}

/* Every stage denies; taking the first away shows the next. */
Test(order, the_first_stage_that_drops_decides)
{
    struct world w;
    world_new(&w);
    const uint32_t deny = lab_acl(&w.l, "deny * * * *"), t_drop = lab_table(&w.l);
    lab_route(&w.l, t_drop, "0.0.0.0/0", nh_drop(REASON_ROUTE_NONE));
    struct image_port *a = world_port(&w, w.vm), *b = world_port(&w, w.vm2);
    a->acl[0][0] = a->acl[0][1] = b->acl[1][0] = b->acl[1][1] = deny;
    a->table = t_drop;

    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.7.7", 40000, "10.0.1.5", 80);
    STORY(t, "vm> source!Spoofed");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    STORY(t, "vm> nic#0!NsgDeny");
    a->acl[0][0] = NONE32;
    STORY(t, "vm> subnet#0!NsgDeny");
    a->acl[0][1] = NONE32;
    STORY(t, "vm> route@0!RouteNone");
    a->table = w.hub_t;
    world_change(&w);

    t = trip_new(&w.l, w.nva, TCP, "172.16.0.1", 1, "10.0.1.5", 80);
    w.l.img->port[w.nva].table = lab_table(&w.l);
    lab_route(&w.l, w.l.img->port[w.nva].table, "0.0.0.0/0", nh_port(w.vm2, NONE32));
    struct trip wrong = trip_new(&w.l, w.nva, TCP, "172.16.0.1", 1, "10.0.3.3", 80);
    STORY(wrong, "nva> route@0 to vm2 | >vm2 address!IpForwardingOff");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40001, "10.0.1.5", 80);
    STORY(t, "vm> route@0 to vm2 | >vm2 subnet#0!NsgDeny");
    b->acl[1][1] = NONE32;
    STORY(t, "vm> known route@0 to vm2 | >vm2 nic#0!NsgDeny");
    b->acl[1][0] = NONE32;
    STORY(t, "vm> known route@0 to vm2 | >vm2 here");
    lab_free(&w.l);
}

Test(order, a_rule_set_without_a_matching_rule_denies_and_none_allows)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->acl[0][0] = lab_acl(&w.l, "");
    struct trip t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 1, "10.0.1.5", 2);
    STORY(t, "vm> nic#-!NsgDeny");
    t = trip_new(&w.l, w.vm2, UDP, "10.0.1.5", 1, "10.0.1.4", 2);
    STORY(t, "vm2> route@0 to vm | >vm here");
    lab_free(&w.l);
}

/* Rules with ports must not match protocols without them, whatever bytes stand there. */
Test(order, an_echo_has_no_ports_for_rules)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->acl[0][0] = lab_acl(&w.l, "deny * * * 7;allow * * * *");
    struct trip t = trip_new(&w.l, w.vm, ICMP, "10.0.1.4", 7, "10.0.1.5", 0);
    STORY(t, "vm> nic#1 route@0 to vm2 | >vm2 here");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 7, "10.0.1.5", 7);
    STORY(t, "vm> nic#0!NsgDeny");
    lab_free(&w.l);
}

/* -- source and address checks (P-08) -------------------------------------------------------------------- */

Test(forwarding, a_nic_without_it_neither_sends_nor_takes_foreign_packets)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.5", 1, "10.0.9.4", 2);
    STORY(t, "vm> source!Spoofed");
    world_port(&w, w.vm)->ip_forwarding = true;
    STORY(t, "vm> route@0 to nva | >nva here");

    lab_route(&w.l, w.hub_t, "10.3.0.0/16", nh_port(w.nva, NONE32));
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.3.0.9", 2);
    STORY(t, "vm> route@6 to nva | >nva here");
    world_port(&w, w.nva)->ip_forwarding = false;
    STORY(t, "vm> known route@6 to nva | >nva address!IpForwardingOff");
    lab_free(&w.l);
}

/* What an appliance passes on runs through its own rules both ways (G-18). */
Test(forwarding, a_forwarded_packet_meets_the_appliances_rules_in_and_out)
{
    struct world w;
    world_new(&w);
    lab_route(&w.l, w.hub_t, "10.3.0.0/16", nh_port(w.nva, NONE32));
    world_port(&w, w.nva)->acl[1][1] = lab_acl(&w.l, "allow * 10.0.1.4/32 10.3.0.9/32 *");
    world_port(&w, w.nva)->acl[0][0] = lab_acl(&w.l, "deny * 10.0.1.4/32 10.3.0.9/32 *");
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.3.0.9", 2);
    STORY(t, "vm> route@6 to nva | >nva subnet#0 here");
    GOES_ON(t, "nva> nic#0!NsgDeny");
    lab_free(&w.l);
}

/* The answer to a forwarded packet comes back into a record that the forwarded packet made. */
Test(forwarding, answers_pass_the_appliance_without_a_rule)
{
    struct world w;
    world_new(&w);
    const uint32_t in = lab_acl(&w.l, "allow tcp 10.0.1.4/32 10.1.1.4/32 443"), none = lab_acl(&w.l, "");
    world_crossing(&w, w.out_x)->forwarded = true;
    lab_route(&w.l, w.hub_t, "10.1.1.0/24", nh_port(w.nva, NONE32)); /* @6 */
    world_port(&w, w.nva)->table = w.pe_t;                           /* the hub's routes without it */
    world_port(&w, w.nva)->acl[1][0] = in;
    lab_route(&w.l, w.spoke_t, "10.0.1.0/24", nh_port(w.nva, w.back_x)); /* @4 */
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.1.1.4", 443);
    STORY(t, "vm> route@6 to nva | >nva nic#0 here");
    GOES_ON(t, "nva> route@2 peering to sp | >sp here");
    world_port(&w, w.nva)->acl[0][0] = none;
    struct trip r = trip_reply(&t);
    STORY(r, "sp> known route@4 peering to nva | >nva known here");
    GOES_ON(r, "nva> known route@0 to vm | >vm known here");
    lab_free(&w.l);
}

/* -- flow records (G-05, G-06, G-07, M-07) --------------------------------------------------------------- */

struct guarded { /* vm may open to vm2, nothing else may pass */
    struct world w;
    uint32_t out, in;
};

static void guarded_new(struct guarded *g)
{
    world_new(&g->w);
    struct lab *l = &g->w.l;
    g->out = lab_acl(l, "allow tcp 10.0.1.4/32 10.0.1.5/32 80");
    g->in = lab_acl(l, "allow tcp 10.0.1.4/32 10.0.1.5/32 80");
    world_port(&g->w, g->w.vm)->acl[0][0] = g->out;
    world_port(&g->w, g->w.vm2)->acl[1][0] = g->in;
    world_port(&g->w, g->w.vm)->acl[1][1] = world_port(&g->w, g->w.vm2)->acl[0][1] = lab_acl(l, "");
}

Test(flows, answers_need_no_rule)
{
    struct guarded g;
    guarded_new(&g);
    struct lab *l = &g.w.l;
    struct trip t = trip_new(l, g.w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    STORY(t, "vm> nic#0 route@0 to vm2 | >vm2 nic#0 here");
    cr_assert_eq(pipe_flows(l->pipe), 4);
    struct trip r = trip_reply(&t);
    STORY(r, "vm2> known route@0 to vm | >vm known here");
    STORY(t, "vm> known route@0 to vm2 | >vm2 known here");
    cr_assert_eq(pipe_flows(l->pipe), 4);

    /* Any other number in the five makes another flow. */
    struct trip other = trip_new(l, g.w.vm2, TCP, "10.0.1.5", 80, "10.0.1.4", 40001);
    STORY(other, "vm2> subnet#-!NsgDeny");
    other = trip_new(l, g.w.vm2, TCP, "10.0.1.5", 81, "10.0.1.4", 40000);
    STORY(other, "vm2> subnet#-!NsgDeny");
    other = trip_new(l, g.w.vm2, UDP, "10.0.1.5", 80, "10.0.1.4", 40000);
    STORY(other, "vm2> subnet#-!NsgDeny");
    cr_assert_eq(pipe_flows(l->pipe), 4); /* what is denied leaves nothing behind */
    lab_free(l);
}

Test(flows, an_echo_answer_belongs_to_its_request)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->acl[1][0] = world_port(&w, w.vm2)->acl[0][0] = lab_acl(&w.l, "");
    struct trip t = trip_new(&w.l, w.vm, ICMP, "10.0.1.4", 77, "10.0.1.5", 0);
    STORY(t, "vm> route@0 to vm2 | >vm2 here");
    struct trip r = trip_reply(&t);
    STORY(r, "vm2> known route@0 to vm | >vm known here");
    r = trip_new(&w.l, w.vm2, ICMP, "10.0.1.5", 78, "10.0.1.4", 0);
    STORY(r, "vm2> nic#-!NsgDeny");
    lab_free(&w.l);
}

/* Fragments but the first have no ports; the flow's stand in the meta data. */
Test(flows, later_fragments_belong_to_the_flow)
{
    struct guarded g;
    guarded_new(&g);
    struct trip t = trip_new(&g.w.l, g.w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    t.start.info.mf = true;
    STORY(t, "vm> nic#0 route@0 to vm2 | >vm2 nic#0 here");
    t = trip_new(&g.w.l, g.w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    t.start.info.frag_offset = 1480;
    t.start.info.sport = t.start.info.dport = 0;
    STORY(t, "vm> known route@0 to vm2 | >vm2 known here");
    lab_free(&g.w.l);
}

Test(flows, idle_ones_are_forgotten)
{
    struct guarded g;
    guarded_new(&g);
    struct lab *l = &g.w.l;
    struct trip t = trip_new(l, g.w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    STORY(t, "vm> nic#0 route@0 to vm2 | >vm2 nic#0 here");
    struct trip r = trip_reply(&t);
    l->now += 240 * SECOND; /* exactly the timeout is still alive */
    STORY(r, "vm2> known route@0 to vm | >vm known here");
    l->now += 240 * SECOND; /* the answer kept both directions alive */
    STORY(t, "vm> known route@0 to vm2 | >vm2 known here");
    l->now += 240 * SECOND + 1;
    STORY(r, "vm2> subnet#-!NsgDeny");
    STORY(t, "vm> nic#0 route@0 to vm2 | >vm2 nic#0 here");
    STORY(r, "vm2> known route@0 to vm | >vm known here");
    cr_assert_eq(pipe_flows(l->pipe), 4);
    lab_free(l);
}

Test(flows, the_timeout_is_each_ports_own)
{
    struct guarded g;
    guarded_new(&g);
    struct lab *l = &g.w.l;
    world_port(&g.w, g.w.vm)->flow_timeout = 600 * SECOND;
    struct trip t = trip_new(l, g.w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    trip_go(&t);
    l->now += 300 * SECOND;
    STORY(t, "vm> known route@0 to vm2 | >vm2 nic#0 here");
    world_port(&g.w, g.w.vm)->flow_timeout = 0; /* none */
    l->now += 100000 * SECOND;
    STORY(t, "vm> known route@0 to vm2 | >vm2 nic#0 here");
    lab_free(l);
}

Test(flows, a_rule_change_leaves_them_alone)
{
    struct guarded g;
    guarded_new(&g);
    struct lab *l = &g.w.l;
    struct trip t = trip_new(l, g.w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    trip_go(&t);
    world_port(&g.w, g.w.vm)->acl[0][0] = world_port(&g.w, g.w.vm2)->acl[1][0] = lab_acl(l, "deny * * * *");
    world_change(&g.w);
    struct trip r = trip_reply(&t);
    STORY(t, "vm> known route@0 to vm2 | >vm2 known here");
    STORY(r, "vm2> known route@0 to vm | >vm known here");
    t = trip_new(l, g.w.vm, TCP, "10.0.1.4", 40001, "10.0.1.5", 80); /* a new one meets the new rules */
    STORY(t, "vm> nic#0!NsgDeny");
    lab_free(l);
}

/* ruleChangeKeepsFlows: false. */
Test(flows, a_rule_change_can_end_them)
{
    struct guarded g;
    guarded_new(&g);
    struct lab *l = &g.w.l;
    l->img->rule_change_keeps_flows = false;
    struct trip t = trip_new(l, g.w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    STORY(t, "vm> nic#0 route@0 to vm2 | >vm2 nic#0 here");
    STORY(t, "vm> known route@0 to vm2 | >vm2 known here");
    struct trip r = trip_reply(&t);
    world_change(&g.w); /* not of the rules: both are asked again and say the same; the answer needs no rule
                           as before */
    STORY(r, "vm2> known route@0 to vm | >vm known here");
    STORY(t, "vm> nic#0 route@0 to vm2 | >vm2 nic#0 here");
    STORY(r, "vm2> known route@0 to vm | >vm known here");
    world_port(&g.w, g.w.vm2)->acl[1][0] = lab_acl(l, "deny * * * *");
    world_change(&g.w);
    STORY(t, "vm> nic#0 route@0 to vm2 | >vm2 nic#0!NsgDeny");
    lab_free(l);
}

Test(flows, a_route_change_acts_on_them)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->acl[0][0] = lab_acl(&w.l, "allow tcp * 10.0.1.5/32 *");
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "10.0.1.5", 80);
    STORY(t, "vm> nic#0 route@0 to vm2 | >vm2 here");
    world_port(&w, w.vm)->acl[0][0] = lab_acl(&w.l, "");
    lab_route(&w.l, w.hub_t, "10.0.1.0/24", nh_port(w.nva, NONE32)); /* @6 */
    STORY(t, "vm> known route@0 to vm2 | >vm2 known here"); /* the route stands while the state does */
    world_change(&w);
    STORY(t, "vm> known route@6 to nva | >nva here");
    lab_route(&w.l, w.hub_t, "10.0.1.0/24", nh_drop(REASON_ROUTE_NONE)); /* @7 */
    world_change(&w);
    STORY(t, "vm> known route@7!RouteNone");
    STORY(t, "vm> known route@7!RouteNone");
    lab_free(&w.l);
}

/* -- the host's agent (G-14, R-26) ----------------------------------------------------------------------- */

Test(agent, passes_rules_unless_they_name_it)
{
    struct world w;
    world_new(&w);
    const uint32_t deny = lab_acl(&w.l, "deny * * * *");
    struct image_port *a = world_port(&w, w.vm);
    a->acl[0][0] = a->acl[0][1] = a->acl[1][0] = a->acl[1][1] = deny;
    struct trip t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 5353, "168.63.129.16", 53);
    STORY(t, "vm> to dns | >dns here");
    cr_assert_eq(t.now.meta.realm, w.hub); /* what the resolver answers by */
    struct trip r = trip_reply(&t);
    STORY(r, "dns> to vm | >vm known here");

    struct trip probe = trip_new(&w.l, w.dns, TCP, "168.63.129.16", 1000, "10.0.1.4", 80);
    probe.start.meta.realm = w.hub;
    STORY(probe, "dns> to vm | >vm here");

    w.l.img->acl[deny].platform = true; /* some rule names AzurePlatformDNS */
    STORY(t, "vm> known to dns | >dns here");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 5354, "168.63.129.16", 53);
    STORY(t, "vm> nic#0!NsgDeny");
    probe = trip_new(&w.l, w.dns, TCP, "168.63.129.16", 1001, "10.0.1.4", 80);
    probe.start.meta.realm = w.hub;
    STORY(probe, "dns> to vm | >vm subnet#0!NsgDeny");
    lab_free(&w.l);
}

Test(agent, no_route_leads_elsewhere)
{
    struct world w;
    world_new(&w);
    lab_route(&w.l, w.hub_t, "168.63.129.16/32", nh_port(w.nva, NONE32));
    lab_route(&w.l, w.hub_t, "0.0.0.0/0", nh_drop(REASON_ROUTE_NONE));
    struct trip t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 5353, "168.63.129.16", 53);
    STORY(t, "vm> to dns | >dns here");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 5353, "169.254.169.254", 80);
    STORY(t, "vm> delivery!NoHost");
    lab_free(&w.l);
}

/* Hosts outside ask a resolver of their own, and are answered in their network. */
Test(agent, outside_asks_the_public_resolver)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.laptop, UDP, "192.168.1.10", 9, "192.0.0.53", 53);
    STORY(t, "laptop> to pubdns | >pubdns here");
    struct trip r = trip_reply(&t);
    STORY(r, "pubdns> to laptop | >laptop here");
    t = trip_new(&w.l, w.web, UDP, "93.184.216.34", 9, "192.0.0.53", 53);
    STORY(t, "web> to pubdns | >pubdns here");
    r = trip_reply(&t);
    STORY(r, "pubdns> to web | >web here");
    t = trip_new(&w.l, w.acr, UDP, "20.61.97.129", 9, "192.0.0.53", 53);
    STORY(t, "acr> to pubdns | >pubdns here");
    r = trip_reply(&t);
    STORY(r, "pubdns> to acr | >acr here");
    t = trip_new(&w.l, w.laptop, UDP, "192.168.1.10", 9, "168.63.129.16", 53); /* N-08 */
    trip_go(&t);
    cr_assert_neq(t.reason, REASON_NONE);
    lab_free(&w.l);
}

/* -- peering (P-03, P-04) -------------------------------------------------------------------------------- */

Test(peering, open_and_closed)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.1.1.4", 2);
    STORY(t, "vm> route@2 peering to sp | >sp here");
    struct trip r = trip_reply(&t);
    STORY(r, "sp> known route@2 peering to vm | >vm known here");
    world_crossing(&w, w.back_x)->closed = REASON_NO_PEERING; /* each direction has its own */
    STORY(r, "sp> known route@2 peering!NoPeering");
    STORY(t, "vm> known route@2 peering to sp | >sp known here");
    world_crossing(&w, w.out_x)->closed = REASON_NO_PEERING;
    STORY(t, "vm> known route@2 peering!NoPeering");
    lab_free(&w.l);
}

Test(peering, forwarded_traffic_needs_leave)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.nva, TCP, "172.16.0.1", 1, "10.1.1.4", 2);
    STORY(t, "nva> route@2 peering!PeeringNotForwarded");
    struct trip own =
        trip_new(&w.l, w.nva, TCP, "10.0.77.77", 1, "10.1.1.4", 2); /* of the network, though not its own */
    STORY(own, "nva> route@2 peering to sp | >sp here");
    world_crossing(&w, w.back_x)->forwarded = true; /* the other link does not count */
    STORY(t, "nva> known route@2 peering!PeeringNotForwarded");
    world_crossing(&w, w.out_x)->forwarded = true;
    STORY(t, "nva> known route@2 peering to sp | >sp here");
    world_crossing(&w, w.out_x)->closed = REASON_NO_PEERING; /* and does not open what is closed */
    STORY(t, "nva> known route@2 peering!NoPeering");
    lab_free(&w.l);
}

Test(peering, gateways_forward_without_leave)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.laptop, TCP, "192.168.1.10", 1, "10.1.1.4", 2);
    STORY(t, "laptop> route@2 to gw | >gw here | gw> route@2 peering to sp | >sp here");
    lab_route(&w.l, w.spoke_t, "192.168.0.0/16", nh_port(w.gw, w.back_x)); /* @4 */
    struct trip r = trip_reply(&t);
    STORY(r, "sp> known route@4 peering to gw | >gw here | gw> route@5 to laptop | >laptop here");
    world_crossing(&w, w.out_x)->closed = REASON_NO_PEERING;
    STORY(t, "laptop> route@2 to gw | >gw here | gw> route@2 peering!NoPeering");
    lab_free(&w.l);
}
