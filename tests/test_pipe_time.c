/* test_pipe_time.c - stories of what changes while flows run: appliances that stop, NICs that are full, the tag that sends
 * the answers of private endpoints back through an appliance. */
#include "tests/support_world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- appliances (R-17) ------------------------------------------------------------------------------------------- */

/* The way from vm to sp leads through the appliance: route @3 of the hub's table. */
static void through_appliance(struct world *w)
{
    world_new(w);
    lab_route(&w->l, w->hub_t, "10.1.0.0/16", nh_port(w->nva, NONE32));
    world_port(w, w->nva)->host.appliance.present = true;
    world_port(w, w->nva)->table = w->pe_t;
}

static void stop(struct world *w)
{
    struct image_nexthop nh = nh_drop(REASON_ROUTE_NONE);
    nh.stopped = true;
    nh.port = w->nva;
    lab_route(&w->l, w->hub_t, "10.1.0.0/16", nh);
    world_port(w, w->nva)->up = false;
    world_change(w);
}

Test(appliance, that_stops_takes_its_flows_along)
{
    struct world w;
    through_appliance(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.1.1.4", 80);
    STORY(t, "vm> route@6 to nva | >nva here");
    GOES_ON(t, "nva> route@2 peering to sp | >sp here");
    stop(&w);
    STORY(t, "vm> known route@7!ApplianceDown");
    STORY(t, "vm> known route@7!ApplianceDown"); /* and the next one as well */
    struct trip late = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 2, "10.1.1.4", 80);
    STORY(late, "vm> route@7!RouteNone"); /* what begins now finds the route as it is */
    STORY(late, "vm> known route@7!RouteNone");
    struct trip other = trip_new(&w.l, w.vm2, TCP, "10.0.1.5", 1, "10.1.1.4", 80);
    STORY(other, "vm2> route@7!RouteNone");
    lab_free(&w.l);
}

Test(appliance, that_runs_again_carries_its_flows_again)
{
    struct world w;
    through_appliance(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.1.1.4", 80);
    STORY(t, "vm> route@6 to nva | >nva here");
    stop(&w);
    STORY(t, "vm> known route@7!ApplianceDown");
    lab_route(&w.l, w.hub_t, "10.1.0.0/16", nh_port(w.nva, NONE32));
    world_port(&w, w.nva)->up = true;
    world_change(&w);
    STORY(t, "vm> known route@8 to nva | >nva known here");
    lab_free(&w.l);
}

Test(appliance, another_route_is_no_stopped_appliance)
{
    struct world w;
    through_appliance(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.1.1.4", 80);
    STORY(t, "vm> route@6 to nva | >nva here");
    lab_route(&w.l, w.hub_t, "10.1.0.0/16", nh_drop(REASON_ROUTE_NONE));
    world_change(&w);
    STORY(t, "vm> known route@7!RouteNone"); /* a route to None that somebody wrote */
    lab_route(&w.l, w.hub_t, "10.1.0.0/16", nh_realm(w.spoke, w.out_x));
    world_change(&w);
    STORY(t, "vm> known route@8 peering to sp | >sp here");
    stop(&w);
    STORY(t, "vm> known route@9!RouteNone"); /* it had not come by the appliance lately */
    lab_free(&w.l);
}

Test(appliance, packets_on_their_way_find_it_down)
{
    struct world w;
    through_appliance(&w);
    world_port(&w, w.nva)->up = false; /* the sender's state does not know yet */
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.1.1.4", 80);
    STORY(t, "vm> route@6 to nva!ApplianceDown");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.9.4", 22);
    STORY(t, "vm> route@0 to nva!NoHost"); /* for the machine itself: nobody there */
    world_port(&w, w.nva)->host.appliance.present = false;
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 5, "10.1.1.4", 80);
    STORY(t, "vm> route@6 to nva!NoHost");
    lab_free(&w.l);
}

Test(appliance, behind_a_gateway_stops_too)
{
    struct world w;
    through_appliance(&w);
    world_port(&w, w.gw)->table = w.hub_t;
    struct trip t = trip_new(&w.l, w.laptop, TCP, "192.168.1.10", 1, "10.1.1.4", 80);
    STORY(t, "laptop> route@2 to gw | >gw here | gw> route@6 to nva | >nva here");
    stop(&w);
    STORY(t, "laptop> route@2 to gw | >gw here | gw> route@7!ApplianceDown");
    t = trip_new(&w.l, w.laptop, TCP, "192.168.1.10", 2, "10.1.1.4", 80);
    STORY(t, "laptop> route@2 to gw | >gw here | gw> route@7!RouteNone");
    lab_free(&w.l);
}

/* -- full NICs (M-05, L-13) --------------------------------------------------------------------------------------- */

Test(limit, is_azures_by_default)
{
    struct world w;
    world_new(&w);
    cr_assert_eq(w.l.img->flow_limit, 500000);
    lab_free(&w.l);
}

Test(limit, ends_new_flows_and_no_old_ones)
{
    struct world w;
    world_new(&w);
    w.l.img->flow_limit = 2;
    world_port(&w, w.vm2)->kind = PORT_INTERNET_HOST; /* only interfaces have a limit */
    struct trip a = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.1.5", 80);
    struct trip b = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 1, "10.0.1.5", 80);
    struct trip c = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 2, "10.0.1.5", 80);
    STORY(a, "vm> route@0 to vm2 | >vm2 here");
    STORY(b, "vm> route@0 to vm2 | >vm2 here");
    STORY(c, "vm> table!FlowLimit");
    STORY(c, "vm> table!FlowLimit");
    STORY(a, "vm> known route@0 to vm2 | >vm2 here");
    struct trip in = trip_new(&w.l, w.sp, TCP, "10.1.1.4", 1, "10.0.1.4", 80); /* flows that come in count as well */
    STORY(in, "sp> route@2 peering to vm | >vm table!FlowLimit");
    cr_assert_eq(pipe_flows(w.l.pipe), 2 * 2 + 2);
    lab_free(&w.l);
}

Test(limit, expired_flows_make_room)
{
    struct world w;
    world_new(&w);
    w.l.img->flow_limit = 2;
    world_port(&w, w.vm2)->kind = PORT_INTERNET_HOST;
    struct trip a = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.1.5", 80);
    struct trip b = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 2, "10.0.1.5", 80);
    struct trip c = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 3, "10.0.1.5", 80);
    struct trip d = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 4, "10.0.1.5", 80);
    trip_go(&a);
    w.l.now = 100 * SECOND;
    trip_go(&b);
    STORY(c, "vm> table!FlowLimit");
    w.l.now = 240 * SECOND; /* idle for 240 s is not longer than the timeout */
    STORY(c, "vm> table!FlowLimit");
    w.l.now++;
    STORY(c, "vm> route@0 to vm2 | >vm2 here");
    STORY(d, "vm> table!FlowLimit");
    STORY(b, "vm> known route@0 to vm2 | >vm2 here");
    STORY(a, "vm> table!FlowLimit"); /* it had gone, and there is no room to come back */
    w.l.now = 600 * SECOND;
    for (int i = 0; i < 1000; i++) { /* memory does not grow: records are used again */
        struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", (uint16_t)(1000 + i), "10.0.1.5", 80);
        trip_go(&t);
        cr_assert_eq(t.reason, REASON_NONE, "%d: %s", i, t.text);
        w.l.now += 121 * SECOND;
    }
    cr_assert_eq(pipe_flows(w.l.pipe), 2 * 2);
    lab_free(&w.l);
}

Test(limit, appliances_hold_half_as_many_connections)
{
    struct world w;
    through_appliance(&w);
    w.l.img->flow_limit = 4;
    for (uint16_t i = 1; i <= 3; i++) {
        struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", i, "10.1.1.4", 80);
        if (i < 3) {
            STORY(t, "vm> route@6 to nva | >nva here");
            GOES_ON(t, "nva> route@2 peering to sp | >sp here");
        } else {
            STORY(t, "vm> route@6 to nva | >nva table!FlowLimit");
        }
    }
    w.l.img->flow_limit = 0; /* none */
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 3, "10.1.1.4", 80);
    STORY(t, "vm> known route@6 to nva | >nva here");
    lab_free(&w.l);
}

/* -- the tag disableSnatOnPL (PE-16) -------------------------------------------------------------------------------- */

static struct trip through_to_endpoint(struct world *w)
{
    lab_route(&w->l, w->hub_t, "10.0.2.5/32", nh_port(w->nva, NONE32));
    world_port(w, w->nva)->table = w->pe_t;
    struct trip t = trip_new(&w->l, w->vm, TCP, "10.0.1.4", 40000, "10.0.2.5", 443);
    t.start.meta.flow = 3;
    STORY(t, "vm> route@6 to nva | >nva here");
    GOES_ON(t, "nva> route@3 to pe | >pe pe to acr | >acr here");
    return t;
}

Test(tag, sends_answers_back_through_the_interface_that_has_it)
{
    struct world w;
    world_new(&w);
    struct trip t = through_to_endpoint(&w), r = trip_reply(&t), again = r;
    STORY(r, "acr> to pe | >pe here | pe> pe route@0 to vm | >vm known here");
    world_port(&w, w.nva)->return_last_hop = true;
    STORY(again, "acr> to pe | >pe here | pe> pe to nva | >nva known here");
    GOES_ON(again, "nva> known route@0 to vm | >vm known here");
    /* flows that do not come by it are answered as before */
    struct trip peer = trip_new(&w.l, w.sp, TCP, "10.1.1.4", 40000, "10.0.2.5", 443);
    trip_go(&peer);
    r = trip_reply(&peer);
    STORY(r, "acr> to pe | >pe here | pe> pe route@2 peering to sp | >sp known here");
    lab_free(&w.l);
}

static void cut_is(struct world *before, struct world *after, const char *want)
{
    char got[64] = "";
    uint32_t *flows;
    int n = pipe_cut_by_change(before->l.pipe, before->l.img, after->l.img, &flows);
    for (int i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%u", i ? " " : "", flows[i]);
    free(flows);
    cr_assert_str_eq(got, want);
}

Test(tag, resets_the_flows_of_its_interface_when_it_comes)
{
    struct world plain, tagged;
    world_new(&plain);
    world_new(&tagged);
    world_port(&tagged, tagged.nva)->return_last_hop = true;
    through_to_endpoint(&plain);
    through_to_endpoint(&tagged);
    struct trip direct = trip_new(&plain.l, plain.sp, TCP, "10.1.1.4", 1, "10.0.2.5", 443);
    direct.start.meta.flow = 4;
    trip_go(&direct);
    cut_is(&plain, &tagged, "3");
    cut_is(&plain, &plain, "");
    cut_is(&tagged, &tagged, "");
    cut_is(&tagged, &plain, ""); /* nothing is said of taking it away */
    lab_free(&plain.l);
    lab_free(&tagged.l);
}

/* -- sizes (M-01, M-02) --------------------------------------------------------------------------------------------- */

static const char *sized(struct trip *t, uint16_t len, bool df)
{
    t->start.info.ip_len = len;
    t->start.info.df = df;
    return trip_go(t);
}

Test(size, is_free_within_a_network_only)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->pool = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    w.l.img->link_local = 0; /* the class that the lab's routes within a network have */
    struct trip t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 1, "10.0.1.5", 80);
    cr_assert_str_eq(sized(&t, 9000, true), "vm> route@0 to vm2 | >vm2 here");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 1, "93.184.216.34", 80);
    cr_assert_str_eq(sized(&t, 1500, true), "vm> route@1 snat=20.0.0.9:1025 to web | >web here");
    cr_assert_str_eq(sized(&t, 1501, true), "vm> known route@1 snat=20.0.0.9:1025 to web link!MtuExceeded");
    lab_free(&w.l);
}

Test(size, of_a_tunnel)
{
    struct world w;
    struct packet_info in = {.src = IP4(192, 168, 1, 10), .dst = IP4(10, 0, 1, 4), .proto = UDP, .sport = 1, .dport = 2};
    world_new(&w);
    world_port(&w, w.gw)->mtu = 1400;
    for (uint16_t len = 1399; len <= 1402; len++)
        for (int df = 0; df < 2; df++) {
            struct packet_meta meta = {.origin = w.laptop, .endpoint = PORT_NONE, .identity = IDENTITY_NONE};
            struct pipe_decision d;
            in.ip_len = len;
            in.df = df;
            pipe_out(w.l.pipe, w.l.img, 0, w.gw, &in, &meta, &d);
            cr_assert_eq(d.reason, df && len > 1400 ? REASON_MTU_EXCEEDED : REASON_NONE);
            cr_assert_eq(d.mtu, !df && len > 1400 ? 1400 : 0);
            cr_assert_eq(d.next, w.vm);
        }
    lab_free(&w.l);
}
