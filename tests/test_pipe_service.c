/* test_pipe_service.c - stories of packets to platform services: private endpoints, service endpoints, and
 * changes that cut connections. */
#include "tests/support_world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- private endpoints ----------------------------------------------------------------------------------- */

Test(endpoint, carries_a_request_and_its_answer)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "10.0.2.5", 443);
    STORY(t, "vm> route@3 to pe | >pe pe to acr | >acr here");
    cr_assert_eq(t.now.meta.endpoint, w.pe);
    cr_assert_eq(t.now.info.src, lab_ip("10.0.1.4")); /* neither address is touched */
    cr_assert_eq(t.now.info.dst, lab_ip("10.0.2.5"));
    struct trip r = trip_reply(&t);
    STORY(r, "acr> to pe | >pe here | pe> pe route@0 to vm | >vm known here");
    cr_assert_eq(r.now.meta.endpoint, PORT_NONE);
    lab_free(&w.l);
}

Test(endpoint, from_a_peer_and_from_on_premises)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.sp, TCP, "10.1.1.4", 40000, "10.0.2.5", 443);
    STORY(t, "sp> route@3 peering to pe | >pe pe to acr | >acr here");
    struct trip r = trip_reply(&t);
    STORY(r, "acr> to pe | >pe here | pe> pe route@2 peering to sp | >sp known here");
    t = trip_new(&w.l, w.laptop, TCP, "192.168.1.10", 1, "10.0.2.5", 443);
    STORY(t, "laptop> route@1 to gw | >gw here | gw> route@3 to pe | >pe pe to acr | >acr here");
    r = trip_reply(&t);
    STORY(r,
          "acr> to pe | >pe here | pe> pe route@5 to gw | >gw here | gw> route@5 to laptop | >laptop here");
    lab_free(&w.l);
}

Test(endpoint, is_a_gate)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.pe)->gate = REASON_ENDPOINT_NOT_APPROVED;
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "10.0.2.5", 443);
    STORY(t, "vm> route@3 to pe | >pe pe!EndpointNotApproved");
    world_port(&w, w.pe)->gate = REASON_NONE;
    STORY(t, "vm> known route@3 to pe | >pe pe to acr | >acr here");
    struct trip r = trip_reply(&t);
    world_port(&w, w.pe)->gate =
        REASON_ENDPOINT_NOT_APPROVED; /* removed by the owner: nothing passes any more */
    STORY(t, "vm> known route@3 to pe | >pe pe!EndpointNotApproved");
    STORY(r, "acr> to pe | >pe here | pe> pe!EndpointNotApproved");
    lab_free(&w.l);
}

Test(endpoint, does_not_answer_pings)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, ICMP, "10.0.1.4", 5, "10.0.2.5", 0);
    STORY(t, "vm> route@3 to pe | >pe pe!ProtocolUnsupported");
    t = trip_new(&w.l, w.vm, IPPROTO_NR_ESP, "10.0.1.4", 0, "10.0.2.5", 0);
    STORY(t, "vm> route@3 to pe | >pe pe!ProtocolUnsupported");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 5, "10.0.2.5", 443);
    STORY(t, "vm> route@3 to pe | >pe pe to acr | >acr here");
    lab_free(&w.l);
}

/* A service that refuses a datagram says so in ICMP, which does not come through: the endpoint is not at
 * fault. */
Test(endpoint, carries_no_icmp_errors)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 5, "10.0.2.5", 443);
    trip_go(&t);
    struct trip r = trip_reply(&t);
    r.start.info.proto = ICMP;
    r.start.info.icmp_type = 3;
    r.start.info.sport = r.start.info.dport = 0;
    STORY(r, "acr> delivery!ProtocolUnsupported");
    lab_free(&w.l);
}

Test(endpoint, meets_rules_only_where_it_has_a_rule_set)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.2.5", 443);
    STORY(t, "vm> route@3 to pe | >pe pe to acr | >acr here");                                   /* PE-07 */
    world_port(&w, w.pe)->acl[1][1] = lab_acl(&w.l, "deny tcp 10.0.1.4/32 * 443;allow * * * *"); /* PE-09 */
    STORY(t, "vm> known route@3 to pe | >pe pe to acr | >acr here"); /* G-06 holds here too */
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 2, "10.0.2.5", 443);
    STORY(t, "vm> route@3 to pe | >pe subnet#0!NsgDeny");
    t = trip_new(&w.l, w.vm2, TCP, "10.0.1.5", 2, "10.0.2.5", 443);
    STORY(t, "vm2> route@3 to pe | >pe subnet#1 pe to acr | >acr here");
    struct trip r = trip_reply(&t);
    STORY(r, "acr> to pe | >pe here | pe> pe route@0 to vm2 | >vm2 known here");
    lab_free(&w.l);
}

/* Nothing begins at the far side (PE-04). */
Test(endpoint, opens_nothing_towards_the_client)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.acr, TCP, "20.61.97.129", 443, "10.0.1.4", 40000);
    STORY(t, "acr> route@-!EndpointReverseInitiation");
    t = trip_new(&w.l, w.pe, TCP, "10.0.2.5", 443, "10.0.1.4", 40000);
    STORY(t, "pe> pe!EndpointReverseInitiation");
    /* Nor with a forged mark of the endpoint, */
    t = trip_new(&w.l, w.acr, TCP, "10.0.2.5", 443, "10.0.1.4", 40000);
    t.start.meta.endpoint = w.pe;
    STORY(t, "acr> to pe | >pe here | pe> pe!EndpointReverseInitiation");
    /* nor by sending as the endpoint on a flow that a client has open. */
    struct trip q = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "10.0.2.5", 443);
    trip_go(&q);
    t = trip_new(&w.l, w.pe, TCP, "10.0.2.5", 443, "10.0.1.4", 40000);
    STORY(t, "pe> pe!EndpointReverseInitiation");
    struct trip r = trip_reply(&q);
    STORY(r, "acr> to pe | >pe here | pe> pe route@0 to vm | >vm known here");
    lab_free(&w.l);
}

/* Without source translation at the appliance the answer goes straight to the client (PE-15), or, as
 * observed, back to the appliance (PE-16). */
Test(endpoint, answers_go_to_the_client_or_to_the_last_hop)
{
    struct world w;
    world_new(&w);
    lab_route(&w.l, w.hub_t, "10.0.2.5/32", nh_port(w.nva, NONE32)); /* @6 */
    world_port(&w, w.nva)->table = w.pe_t;
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "10.0.2.5", 443);
    STORY(t, "vm> route@6 to nva | >nva here");
    GOES_ON(t, "nva> route@3 to pe | >pe pe to acr | >acr here");
    struct trip r = trip_reply(&t), again = r;
    STORY(r, "acr> to pe | >pe here | pe> pe route@0 to vm | >vm known here");
    w.l.img->endpoint_return_last_hop = true;
    STORY(again, "acr> to pe | >pe here | pe> pe to nva | >nva known here");
    GOES_ON(again, "nva> known route@0 to vm | >vm known here");
    lab_free(&w.l);
}

Test(endpoint, last_hop_may_be_client_or_gateway)
{
    struct world w;
    world_new(&w);
    w.l.img->endpoint_return_last_hop = true;
    struct trip t = trip_new(&w.l, w.sp, TCP, "10.1.1.4", 40000, "10.0.2.5", 443);
    trip_go(&t);
    struct trip r = trip_reply(&t);
    STORY(r, "acr> to pe | >pe here | pe> pe to sp | >sp known here");
    t = trip_new(&w.l, w.laptop, TCP, "192.168.1.10", 1, "10.0.2.5", 443);
    trip_go(&t);
    r = trip_reply(&t);
    STORY(r, "acr> to pe | >pe here | pe> pe to gw | >gw here | gw> route@5 to laptop | >laptop here");
    lab_free(&w.l);
}

/* -- service endpoints ----------------------------------------------------------------------------------- */

Test(service, a_service_endpoint_keeps_the_source_and_adds_the_identity)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->pool = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535); /* SE-21: not used */
    lab_route(&w.l, w.hub_t, "20.150.0.0/16", nh_service());                     /* @6 */
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "20.150.0.4", 443);
    STORY(t, "vm> route@6 identity to sto | >sto here");
    cr_assert_eq(t.now.info.src, lab_ip("10.0.1.4"));
    cr_assert_eq(t.now.meta.identity, 7);
    cr_assert_eq(t.now.meta.realm, w.hub);
    struct trip r = trip_reply(&t);
    STORY(r, "sto> to vm | >vm known here");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "20.61.97.129", 443); /* another service: as before */
    STORY(t, "vm> route@1 snat=20.0.0.9:40000 to acr | >acr here");
    cr_assert_eq(t.now.meta.identity, IDENTITY_NONE);
    lab_free(&w.l);
}

Test(service, answers_a_service_endpoint_only_where_it_was_asked)
{
    struct world w;
    world_new(&w);
    lab_route(&w.l, w.hub_t, "20.150.0.0/16", nh_service());
    struct trip t = trip_new(&w.l, w.sto, TCP, "20.150.0.4", 443, "10.0.1.4", 40000);
    t.start.meta.identity = 7;
    t.start.meta.realm = w.hub;
    STORY(t, "sto> identity!EndpointReverseInitiation");
    struct trip q = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "20.150.0.4", 443);
    trip_go(&q);
    struct trip r = trip_reply(&q);
    STORY(r, "sto> to vm | >vm known here");
    lab_free(&w.l);
}

Test(service, answers_no_icmp)
{
    struct world w;
    world_new(&w);
    lab_route(&w.l, w.hub_t, "20.150.0.0/16", nh_service());
    struct trip t = trip_new(&w.l, w.vm, ICMP, "10.0.1.4", 1, "20.150.0.4", 0);
    STORY(t, "vm> route@6 identity to sto | >sto delivery!ProtocolUnsupported");
    t = trip_new(&w.l, w.web, ICMP, "93.184.216.34", 1, "20.150.0.4", 0);
    STORY(t, "web> to sto | >sto delivery!ProtocolUnsupported");
    struct trip q = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 1, "20.150.0.4", 9);
    trip_go(&q);
    struct trip r = trip_reply(&q); /* port unreachable */
    r.start.info.proto = ICMP;
    r.start.info.sport = r.start.info.dport = 0;
    STORY(r, "sto> delivery!ProtocolUnsupported");
    lab_free(&w.l);
}

Test(service, talks_to_public_addresses_as_anybody)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.sto, TCP, "20.150.0.4", 1, "93.184.216.34", 443);
    STORY(t, "sto> to web | >web here");
    struct trip r = trip_reply(&t);
    STORY(r, "web> to sto | >sto here");
    t = trip_new(&w.l, w.sto, TCP, "20.150.0.4", 1, "93.184.216.35", 443);
    STORY(t, "sto> delivery!NoHost");
    lab_free(&w.l);
}

/* -- changes (SE-02) ------------------------------------------------------------------------------------- */

static void start(struct world *w, uint32_t flow, uint32_t from, uint8_t proto, const char *src,
                  uint16_t sport, const char *dst)
{
    struct trip t = trip_new(&w->l, from, proto, src, sport, dst, 443);
    t.start.meta.flow = flow;
    trip_go(&t);
    cr_assert_eq(t.reason, REASON_NONE, "%s", t.text);
    struct trip r = trip_reply(&t);
    trip_go(&r);
    cr_assert_eq(r.reason, REASON_NONE, "%s", r.text);
}

/* The same world with a service endpoint at some ports. */
static void with_service_endpoint(struct world *w, bool vm, bool vm2)
{
    world_new(w);
    const uint32_t se = lab_table(&w->l);
    world_hub_routes(w, se);
    lab_route(&w->l, se, "20.150.0.0/16", nh_service());
    if (vm)
        world_port(w, w->vm)->table = se;
    if (vm2)
        world_port(w, w->vm2)->table = se;
    const uint32_t pool = lab_pool(&w->l, w->hub, "20.0.0.9", 1024, 65535);
    world_port(w, w->vm)->pool = world_port(w, w->vm2)->pool = pool;
}

static void cut_is(struct world *before, struct world *after, const char *want)
{
    char got[128] = "";
    uint32_t *flows;
    int n = pipe_cut_by_change(before->l.pipe, before->l.img, after->l.img, &flows);
    for (int i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%u", i ? " " : "", flows[i]);
    free(flows);
    cr_assert_str_eq(got, want);
}

Test(change, cuts_the_flows_that_move_to_or_from_a_service_endpoint)
{
    struct world off, on, half;
    with_service_endpoint(&off, false, false);
    with_service_endpoint(&on, true, true);
    with_service_endpoint(&half, true, false);
    struct world *w[] = {&off, &on};
    for (int i = 0; i < 2; i++) {
        start(w[i], 9, w[i]->vm, TCP, "10.0.1.4", 5009, "20.150.0.4");
        start(w[i], 2, w[i]->vm2, TCP, "10.0.1.5", 5002, "20.150.0.4");
        start(w[i], 4, w[i]->vm, TCP, "10.0.1.4", 5004, "20.150.0.4");
        start(w[i], 4, w[i]->vm, TCP, "10.0.1.4", 6004,
              "20.150.0.4"); /* a second connection of the same flow */
        start(w[i], 5, w[i]->vm, UDP, "10.0.1.4", 5005, "20.150.0.4");   /* nothing to reset */
        start(w[i], 6, w[i]->vm, TCP, "10.0.1.4", 5006, "20.61.97.129"); /* not in the service's prefixes */
        start(w[i], 7, w[i]->vm, TCP, "10.0.1.4", 5007, "10.0.1.5");
        start(w[i], 0, w[i]->vm, TCP, "10.0.1.4", 5008, "20.150.0.4"); /* of no flow */
        start(w[i], 8, w[i]->vm, TCP, "10.0.1.4", 5010, "10.0.2.5");
        cut_is(w[i], w[i], "");
    }
    cut_is(&off, &on, "2 4 9");
    cut_is(&on, &off, "2 4 9"); /* both ways */
    cut_is(&off, &half, "4 9"); /* each subnet for itself */
    cut_is(&on, &half, "2");
    lab_free(&off.l);
    lab_free(&on.l);
    lab_free(&half.l);
}

/* a network that changes its policy for high scale resets what its endpoints carry, in both directions.
 */
Test(change, cuts_connections_to_an_endpoint_of_a_network_that_changes_its_policy)
{
    struct world basic, plain, gone;
    with_service_endpoint(&basic, true, false);
    with_service_endpoint(&plain, true, false);
    with_service_endpoint(&gone, false, false);
    world_port(&basic, basic.pe)->high_scale = true;
    start(&basic, 3, basic.vm2, TCP, "10.0.1.5", 5003, "10.0.2.5");
    start(&basic, 1, basic.vm, TCP, "10.0.1.4", 5001, "10.0.2.5");
    start(&basic, 2, basic.vm, UDP, "10.0.1.4", 5002, "10.0.2.5");
    start(&basic, 4, basic.vm, TCP, "10.0.1.4", 5004, "10.0.1.5");
    cut_is(&basic, &plain, "1 3");
    cut_is(&basic, &basic, "");
    start(&plain, 7, plain.vm, TCP, "10.0.1.4", 5001, "10.0.2.5");
    cut_is(&plain, &basic, "7");

    /* What is gone resets nothing: its connections time out. */
    start(&basic, 5, basic.vm, TCP, "10.0.1.4", 5005, "20.150.0.4");
    world_port(&gone, gone.pe)->up = world_port(&gone, gone.vm)->up = false;
    cut_is(&basic, &gone, "");
    world_port(&gone, gone.vm)->up = true;
    cut_is(&basic, &gone, "5");
    lab_free(&basic.l);
    lab_free(&plain.l);
    lab_free(&gone.l);
}
