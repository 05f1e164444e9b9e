/* test_pipe_lb.c - load balancers in the packet path, as stories: choice, translation there and back, health,
 * appliances behind a rule for all ports, the way out, idle flows. */
#include "tests/support_world.h"

#include "dataplane/rng.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MANY = 8 };

struct balancer {
    struct world w;
    uint32_t fe, b[MANY];
    struct image_rule *rule;
    struct image_frontend *frontend;
};

static const char *const backend_name[MANY] = {"b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"};

static struct image_rule *rule_add(struct balancer *x, uint8_t proto, uint16_t from, uint16_t to, size_t n)
{
    struct image_rule *r = &x->frontend->rule[x->frontend->n++];
    *r = (struct image_rule){.id = (uint32_t)x->frontend->n - 1,
                             .proto = proto,
                             .frontend_port = from,
                             .backend_port = to,
                             .timeout = 240 * SECOND,
                             .backend = arena_array(x->w.l.img->arena, MANY, sizeof *r->backend),
                             .n = n};
    for (uint32_t i = 0; i < n; i++)
        r->backend[i] = (struct image_backend){x->b[i], i};
    return r;
}

/* The hub with n backends 10.0.3.4 up, frontend 10.0.3.100, rule tcp/80 to tcp/8080. */
static void setup(struct balancer *x, size_t n)
{
    char text[IP4_STRLEN];
    memset(x, 0, sizeof *x);
    world_new(&x->w);
    struct lab *l = &x->w.l;
    for (uint32_t i = 0; i < n; i++) {
        x->b[i] = lab_port(l, backend_name[i], PORT_NIC, x->w.hub, ip4_format(lab_ip("10.0.3.4") + i, text));
        l->img->port[x->b[i]].table = x->w.hub_t;
    }
    x->fe = lab_port(l, "fe", PORT_FRONTEND, x->w.hub, "10.0.3.100");
    l->img->port[x->fe].flow_timeout = 0;
    x->frontend = arena_alloc(l->img->arena, sizeof *x->frontend);
    x->frontend->rule = arena_array(l->img->arena, 4, sizeof *x->frontend->rule);
    l->img->port[x->fe].frontend = x->frontend;
    l->img->link_global = 9;
    x->rule = rule_add(x, TCP, 80, 8080, n);
}

static void done(struct balancer *x)
{
    lab_free(&x->w.l);
}

static struct trip syn_from(struct balancer *x, uint32_t from, const char *src, uint16_t sport,
                            const char *dst, uint16_t dport)
{
    struct trip t = trip_new(&x->w.l, from, TCP, src, sport, dst, dport);
    t.start.info.tcp_flags = TCP_SYN;
    return t;
}

static struct trip syn(struct balancer *x, uint16_t sport)
{
    return syn_from(x, x->w.vm, "10.0.1.4", sport, "10.0.3.100", 80);
}

/* B-01, B-05, G-04: rules see the client's address and the backend's; the client sees the frontend. */
Test(pipe_lb, there_and_back)
{
    struct balancer x;
    setup(&x, 1);
    world_port(&x.w, x.b[0])->acl[1][1] = lab_acl(&x.w.l, "allow tcp 10.0.1.4/32 10.0.3.4/32 8080");
    struct trip t = syn(&x, 50000);
    STORY(t, "vm> route@0 to fe | >fe lb=b0 dnat=10.0.3.4:8080 to b0 | >b0 subnet#0 here");
    cr_assert_eq(t.now.meta.balanced, 0);
    struct trip back = trip_reply(&t);
    back.start.info.tcp_flags = TCP_SYN | TCP_ACK;
    STORY(back, "b0> known snat=10.0.3.100:80 route@0 to vm | >vm known here");
    cr_assert_eq(back.now.info.src, lab_ip("10.0.3.100"));
    struct trip on = trip_reply(&back);
    on.start.info.tcp_flags = TCP_ACK;
    STORY(on, "vm> known route@0 to fe | >fe dnat=10.0.3.4:8080 to b0 | >b0 known here");
    struct trip direct = syn_from(&x, x.w.vm, "10.0.1.4", 50001, "10.0.3.4", 8080);
    STORY(direct, "vm> route@0 to b0 | >b0 subnet#0 here");
    struct trip plain = trip_reply(&direct);
    STORY(plain, "b0> known route@0 to vm | >vm known here");
    done(&x);
}

Test(pipe_lb, what_has_no_rule)
{
    struct balancer x;
    setup(&x, 1);
    struct trip t = syn_from(&x, x.w.vm, "10.0.1.4", 50000, "10.0.3.100", 81);
    STORY(t, "vm> route@0 to fe | >fe lb!NoBalancingRule");
    struct trip u = trip_new(&x.w.l, x.w.vm, UDP, "10.0.1.4", 50000, "10.0.3.100", 80);
    STORY(u, "vm> route@0 to fe | >fe lb!NoBalancingRule");
    struct trip p = trip_new(&x.w.l, x.w.vm, ICMP, "10.0.1.4", 7, "10.0.3.100", 0);
    STORY(p, "vm> route@0 to fe | >fe lb!ProtocolUnsupported"); /* B-02 */
    done(&x);
}

static uint32_t backend_of(struct balancer *x, uint16_t sport)
{
    struct trip t = syn(x, sport);
    trip_go(&t);
    cr_assert_eq(t.reason, REASON_NONE, "%s", t.text);
    return t.now.at;
}

/* Every backend gets about its share; one that goes takes only its own flows with it. */
Test(pipe_lb, spreads_and_moves_little)
{
    struct balancer x;
    uint32_t was[4000], n[64] = {0};
    setup(&x, 5);
    for (uint16_t i = 0; i < 4000; i++)
        n[was[i] = backend_of(&x, (uint16_t)(20000 + i))]++;
    for (uint32_t i = 0; i < 5; i++)
        cr_expect(n[x.b[i]] > 650 && n[x.b[i]] < 950, "backend %u has %u of 4000", i, n[x.b[i]]);
    pipe_free(x.w.l.pipe); /* nobody remembers any flow */
    x.w.l.pipe = pipe_new();
    pipe_health(x.w.l.pipe, 2, false);
    for (uint16_t i = 0; i < 4000; i++) {
        uint32_t now = backend_of(&x, (uint16_t)(20000 + i));
        cr_assert_neq(now, x.b[2]);
        if (was[i] != x.b[2])
            cr_assert_eq(now, was[i], "flow %u moved", i);
    }
    done(&x);
}

/* The same five values, the same choice, in whatever order flows come and whoever else is there. */
Test(pipe_lb, depends_on_the_tuple_alone)
{
    struct balancer x, y;
    setup(&x, 6);
    setup(&y, 6);
    for (uint16_t i = 0; i < 500; i++)
        backend_of(&y, (uint16_t)(1000 + 7 * i));
    for (uint16_t i = 0; i < 500; i++)
        cr_assert_eq(backend_of(&x, (uint16_t)(30000 + i)), backend_of(&y, (uint16_t)(30000 + i)));
    done(&x);
    done(&y);
}

/* B-06: TCP stays where it is, datagrams and new connections move. */
Test(pipe_lb, health)
{
    struct balancer x;
    setup(&x, 2);
    rule_add(&x, UDP, 53, 53, 2);
    struct trip t = syn(&x, 50000);
    trip_go(&t);
    uint32_t first = t.now.at, other = x.b[0] == first ? x.b[1] : x.b[0];
    struct trip u = trip_new(&x.w.l, x.w.vm, UDP, "10.0.1.4", 50001, "10.0.3.100", 53);
    trip_go(&u);
    uint32_t u_first = u.now.at, u_other = x.b[0] == u_first ? x.b[1] : x.b[0];
    pipe_health(x.w.l.pipe, first == x.b[0] ? 0 : 1, false);
    t.start.info.tcp_flags = TCP_ACK;
    trip_go(&t);
    cr_expect_eq(t.now.at, first, "an open connection stays");
    t.start.info.tcp_flags = TCP_SYN;
    trip_go(&t);
    cr_expect_eq(t.now.at, other, "a new one goes elsewhere");
    pipe_health(x.w.l.pipe, first == x.b[0] ? 0 : 1, true);
    pipe_health(x.w.l.pipe, u_first == x.b[0] ? 0 : 1, false);
    trip_go(&u);
    cr_expect_eq(u.now.at, u_other, "datagrams move");
    pipe_health(x.w.l.pipe, 0, false);
    pipe_health(x.w.l.pipe, 1, false);
    STORY(u, "vm> known route@0 to fe | >fe lb!NoHealthyBackend");
    struct trip v = syn(&x, 50002);
    STORY(v, "vm> route@0 to fe | >fe lb!NoHealthyBackend");
    t.start.info.tcp_flags = TCP_ACK;
    trip_go(&t);
    cr_expect_eq(t.now.at, other, "Standard keeps connections");
    x.frontend->basic = true;
    trip_go(&t);
    cr_expect_eq(t.reason, REASON_NO_HEALTHY_BACKEND, "Basic ends them");
    done(&x);
}

Test(pipe_lb, switched_off_backend_gets_nothing_new)
{
    struct balancer x;
    setup(&x, 2);
    struct trip t = syn(&x, 50000);
    trip_go(&t);
    uint32_t first = t.now.at;
    world_port(&x.w, first)->up = false;
    t.start.info.tcp_flags = TCP_ACK;
    trip_go(&t);
    cr_expect_eq(t.reason, REASON_NO_HOST);
    for (uint16_t i = 1; i < 50; i++)
        cr_expect_neq(backend_of(&x, (uint16_t)(50000 + i)), first);
    done(&x);
}

/* B-08 */
Test(pipe_lb, backend_reaches_others_not_itself)
{
    struct balancer x;
    unsigned looped = 0, served = 0;
    setup(&x, 2);
    for (uint16_t i = 0; i < 100; i++) {
        struct trip t = syn_from(&x, x.b[0], "10.0.3.4", (uint16_t)(50000 + i), "10.0.3.100", 80);
        trip_go(&t);
        looped += t.reason == REASON_BACKEND_LOOP;
        served += t.reason == REASON_NONE && t.now.at == x.b[1];
    }
    cr_expect(looped > 25 && served > 25 && looped + served == 100, "%u looped, %u served", looped, served);
    done(&x);
}

Test(pipe_lb, floating_address)
{
    struct balancer x;
    setup(&x, 1);
    const ip4 fe = lab_ip("10.0.3.100");
    x.rule->floating = true;
    x.rule->backend_port = 80;
    struct trip t = syn(&x, 50000);
    STORY(
        t,
        "vm> route@0 to fe | >fe lb=b0 to b0 | >b0 address!IpForwardingOff"); /* a guest that was not told */
    world_port(&x.w, x.b[0])->floating = &fe;
    world_port(&x.w, x.b[0])->n_floating = 1;
    STORY(t, "vm> known route@0 to fe | >fe to b0 | >b0 here");
    cr_expect_eq(t.now.info.dst, fe);
    struct trip back = trip_reply(&t);
    STORY(back, "b0> known route@0 to vm | >vm known here");
    cr_expect_eq(back.now.info.src, fe);
    done(&x);
}

/* R-16, B-02, B-07: appliances behind a frontend to which routes lead. */
static void appliances(struct balancer *x)
{
    setup(x, 4);
    x->frontend->n = 0;
    rule_add(x, 0, 0, 0, 4);
    for (int i = 0; i < 4; i++)
        world_port(&x->w, x->b[i])->ip_forwarding = world_port(&x->w, x->b[i])->host.appliance.present = true;
    lab_route(&x->w.l, x->w.hub_t, "10.0.1.0/24", nh_port(x->fe, NONE32));
}

Test(pipe_lb, all_ports_both_directions_one_appliance)
{
    struct balancer x;
    unsigned n[64] = {0};
    appliances(&x);
    for (uint16_t i = 0; i < 200; i++) {
        struct trip t =
            syn_from(&x, x.w.vm, "10.0.1.4", (uint16_t)(40000 + i), "10.0.1.5", (uint16_t)(1 + i));
        trip_go(&t);
        cr_assert_eq(t.now.info.dst, lab_ip("10.0.1.5"), "nothing is rewritten");
        n[t.now.at]++;
        struct trip back =
            syn_from(&x, x.w.vm2, "10.0.1.5", (uint16_t)(1 + i), "10.0.1.4", (uint16_t)(40000 + i));
        back.start.info.tcp_flags = TCP_SYN | TCP_ACK;
        trip_go(&back);
        cr_assert_eq(back.now.at, t.now.at, "flow %u: %s", i, back.text);
        if (i == 0) { /* and stays with it whoever is well */
            for (uint32_t k = 0; k < 4; k++)
                pipe_health(x.w.l.pipe, k, x.b[k] != t.now.at);
            uint32_t was = back.now.at;
            trip_go(&back);
            cr_assert_eq(back.now.at, was);
            for (uint32_t k = 0; k < 4; k++)
                pipe_health(x.w.l.pipe, k, true);
        }
    }
    for (int i = 0; i < 4; i++)
        cr_expect(n[x.b[i]] > 20, "appliance %d has %u of 200", i, n[x.b[i]]);
    done(&x);
}

static uint32_t place(struct balancer *x, uint32_t from, const char *src, uint8_t proto, uint16_t sport, uint16_t dport)
{
    struct trip t = trip_new(&x->w.l, from, proto, src, sport, "10.0.3.100", dport);
    t.start.info.tcp_flags = proto == TCP ? TCP_SYN : 0;
    trip_go(&t);
    cr_assert_eq(t.reason, REASON_NONE, "%s", t.text);
    return t.now.at;
}

/* B-05: what the choice depends on, and what it does not. */
Test(pipe_lb, distribution_modes)
{
    struct balancer x;
    unsigned ports = 0, protocols = 0, clients = 0;
    setup(&x, MANY);
    struct image_rule *udp = rule_add(&x, UDP, 80, 8080, MANY), *other = rule_add(&x, TCP, 81, 8081, MANY);
    static const uint8_t modes[] = {IMAGE_SPREAD_FLOWS, IMAGE_SPREAD_ADDRESSES, IMAGE_SPREAD_PROTOCOL};
    for (size_t m = 0; m < 3; m++) {
        x.rule->spread = udp->spread = other->spread = modes[m];
        const uint32_t first = place(&x, x.w.vm, "10.0.1.4", TCP, (uint16_t)(1000 * m + 1), 80);
        unsigned same_port = 0, same_proto = 0, same_rule = 0;
        for (uint16_t i = 0; i < 64; i++) {
            const uint16_t sport = (uint16_t)(10000 + 1000 * m + i);
            same_port += place(&x, x.w.vm, "10.0.1.4", TCP, sport, 80) == first;
            same_proto += place(&x, x.w.vm, "10.0.1.4", UDP, sport, 80) == place(&x, x.w.vm, "10.0.1.4", TCP, sport, 80);
            same_rule += place(&x, x.w.vm, "10.0.1.4", TCP, sport, 81) == first;
        }
        const bool sticky = modes[m] != IMAGE_SPREAD_FLOWS, both = modes[m] == IMAGE_SPREAD_ADDRESSES;
        cr_expect(sticky ? same_port == 64 : same_port < 30, "mode %zu: %u of 64 by port", m, same_port);
        cr_expect(sticky ? same_rule == 64 : same_rule < 30, "mode %zu: %u of 64 by rule", m, same_rule);
        cr_expect(both ? same_proto == 64 : same_proto < 40, "mode %zu: %u of 64 by protocol", m, same_proto);
        clients += place(&x, x.w.vm2, "10.0.1.5", TCP, 777, 80) == first;
        ports += same_port, protocols += same_proto;
    }
    cr_expect(clients < 3, "clients differ");
    done(&x);
}

/* The address alone decides, and still a member that goes takes only its own clients along. */
Test(pipe_lb, sticky_clients_move_with_their_member)
{
    struct balancer x;
    setup(&x, 3);
    x.rule->spread = IMAGE_SPREAD_ADDRESSES;
    const uint32_t was = place(&x, x.w.vm, "10.0.1.4", TCP, 50000, 80);
    for (uint32_t k = 0; k < 3; k++)
        pipe_health(x.w.l.pipe, k, x.b[k] != was);
    const uint32_t now = place(&x, x.w.vm, "10.0.1.4", TCP, 50001, 80);
    cr_expect_neq(now, was);
    cr_expect_eq(place(&x, x.w.vm, "10.0.1.4", TCP, 50002, 80), now);
    for (uint32_t k = 0; k < 3; k++)
        pipe_health(x.w.l.pipe, k, true);
    cr_expect_eq(place(&x, x.w.vm, "10.0.1.4", TCP, 50003, 80), was, "back where the hash says");
    done(&x);
}

/* Both directions meet the same appliance even where the frontend never saw the first one. */
Test(pipe_lb, all_ports_hash_is_symmetric)
{
    struct balancer x, y;
    appliances(&x);
    appliances(&y);
    for (uint16_t i = 0; i < 200; i++) {
        struct trip t =
            syn_from(&x, x.w.vm, "10.0.1.4", (uint16_t)(40000 + i), "10.0.1.5", (uint16_t)(1 + i));
        struct trip back =
            syn_from(&y, y.w.vm2, "10.0.1.5", (uint16_t)(1 + i), "10.0.1.4", (uint16_t)(40000 + i));
        trip_go(&t);
        trip_go(&back);
        cr_assert_eq(back.now.at, t.now.at);
    }
    done(&x);
    done(&y);
}

Test(pipe_lb, appliance_that_went_down)
{
    struct balancer x;
    appliances(&x);
    struct trip t = syn_from(&x, x.w.vm, "10.0.1.4", 40000, "10.0.1.5", 80);
    trip_go(&t);
    world_port(&x.w, t.now.at)->up = false;
    t.start.info.tcp_flags = TCP_ACK;
    trip_go(&t);
    cr_expect_eq(t.reason, REASON_APPLIANCE_DOWN, "%s", t.text);
    t.start.info.tcp_flags = TCP_SYN;
    trip_go(&t);
    cr_expect_eq(t.reason, REASON_NONE, "%s", t.text);
    done(&x);
}

/* A rule for a port is not for what only passes by. */
Test(pipe_lb, transit_needs_all_ports)
{
    struct balancer x;
    appliances(&x);
    x.frontend->n = 0;
    rule_add(&x, TCP, 80, 80, 4);
    struct trip t = syn_from(&x, x.w.vm, "10.0.1.4", 40000, "10.0.1.5", 80);
    STORY(t, "vm> route@6 to fe | >fe lb!NoBalancingRule");
    done(&x);
}

/* P-07 */
Test(pipe_lb, basic_and_global_peering)
{
    struct balancer x;
    setup(&x, 1);
    x.frontend->basic = true;
    struct image_nexthop nh = nh_realm(x.w.hub, x.w.back_x);
    nh.link = 9;
    lab_route(&x.w.l, x.w.spoke_t, "10.0.3.0/24", nh);
    struct trip t = syn_from(&x, x.w.sp, "10.1.1.4", 40000, "10.0.3.100", 80);
    STORY(t, "sp> route@4 peering to fe!NoPeering");
    x.frontend->basic = false;
    trip_go(&t);
    cr_expect_eq(t.reason, REASON_NONE, "%s", t.text);
    done(&x);
}

/* -- public frontends ------------------------------------------------------------------------------------ */

static void public_frontend(struct balancer *x, size_t n)
{
    setup(x, n);
    struct lab *l = &x->w.l;
    struct image_port *p = &l->img->port[x->fe];
    p->realm = REALM_PUBLIC;
    p->addr = lab_ip("20.50.9.9");
    p->pool = lab_pool(l, x->w.hub, "20.50.9.9", 1, 65535);
    l->img->pool[p->pool].timeout = 240 * SECOND;
    exact_set(l->img->addresses, REALM_PUBLIC, p->addr, x->fe);
    for (size_t i = 0; i < n; i++) {
        struct image_port *b = &l->img->port[x->b[i]];
        struct image_share *s = arena_alloc(l->img->arena, sizeof *s);
        s->range = arena_alloc(l->img->arena, sizeof *s->range);
        s->n = 1;
        s->range[0] = (struct image_range){p->addr, (uint16_t)(1024 + 8 * i), (uint16_t)(1024 + 8 * i + 7)};
        b->share = s;
        b->pool = p->pool;
        b->acl[1][0] = lab_acl(l, "allow tcp * * 8080");
    }
}

Test(pipe_lb, public_frontend_in)
{
    struct balancer x;
    public_frontend(&x, 1);
    struct trip t = syn_from(&x, x.w.web, "93.184.216.34", 50000, "20.50.9.9", 80);
    STORY(t, "web> to fe | >fe lb=b0 dnat=10.0.3.4:8080 to b0 | >b0 nic#0 here");
    struct trip back = trip_reply(&t);
    STORY(back, "b0> known snat=20.50.9.9:80 route@1 to web | >web here");
    world_port(&x.w, x.b[0])->acl[1][0] = NONE32; /* G-19 */
    struct trip u = syn_from(&x, x.w.web, "93.184.216.34", 50001, "20.50.9.9", 80);
    STORY(u, "web> to fe | >fe lb=b0!InboundClosed");
    x.frontend->basic = true;
    trip_go(&u);
    cr_expect_eq(u.reason, REASON_NONE, "a Basic one is open: %s", u.text);
    done(&x);
}

/* O-05: shares of ports; the same port serves several destinations; idle ones are free again. */
Test(pipe_lb, public_frontend_out)
{
    struct balancer x;
    public_frontend(&x, 2);
    struct trip t = syn_from(&x, x.b[1], "10.0.3.5", 50000, "93.184.216.34", 443);
    STORY(t, "b1> route@1 snat=20.50.9.9:1032 to web | >web here");
    struct trip back = trip_reply(&t);
    STORY(back, "web> dnat=10.0.3.5:50000 to b1 | >b1 known here");
    for (uint16_t i = 1; i < 8; i++) {
        struct trip u = syn_from(&x, x.b[1], "10.0.3.5", (uint16_t)(50000 + i), "93.184.216.34", 443);
        trip_go(&u);
        cr_assert_eq(u.reason, REASON_NONE, "%s", u.text);
        cr_assert(u.now.info.sport >= 1032 && u.now.info.sport <= 1039);
    }
    struct trip more = syn_from(&x, x.b[1], "10.0.3.5", 51000, "93.184.216.34", 443);
    STORY(more, "b1> route@1 snat!SnatExhausted");
    struct trip elsewhere = syn_from(&x, x.b[1], "10.0.3.5", 51000, "93.184.216.34", 444);
    trip_go(&elsewhere);
    cr_expect_eq(elsewhere.reason, REASON_NONE, "%s", elsewhere.text);
    struct trip neighbour = syn_from(&x, x.b[0], "10.0.3.4", 51000, "93.184.216.34", 443);
    trip_go(&neighbour);
    cr_expect(neighbour.now.info.sport >= 1024 && neighbour.now.info.sport <= 1031, "%s", neighbour.text);
    x.w.l.now += 241 * SECOND;
    trip_go(&more);
    cr_expect_eq(more.reason, REASON_NONE, "an idle port is free again: %s", more.text);
    back.start.info.dport = back.start.meta.dport =
        more.now.info.sport; /* and leads to its new owner alone */
    trip_go(&back);
    cr_expect_eq(back.now.info.dport, 51000, "%s", back.text);
    done(&x);
}

/* O-05: towards one destination all its ports see a datagram socket under one port. */
Test(pipe_lb, cone)
{
    struct balancer x;
    public_frontend(&x, 1);
    x.w.l.img->pool[world_port(&x.w, x.fe)->pool].cone = true;
    struct trip t = trip_new(&x.w.l, x.b[0], UDP, "10.0.3.4", 5000, "93.184.216.34", 53);
    trip_go(&t);
    struct trip u = trip_new(&x.w.l, x.b[0], UDP, "10.0.3.4", 5000, "93.184.216.34", 123);
    trip_go(&u);
    cr_expect_eq(u.now.info.sport, t.now.info.sport);
    struct trip v = trip_new(&x.w.l, x.b[0], UDP, "10.0.3.4", 5001, "93.184.216.34", 53);
    trip_go(&v);
    cr_expect_neq(v.now.info.sport, t.now.info.sport);
    done(&x);
}

Test(pipe_lb, empty_share)
{
    struct balancer x;
    public_frontend(&x, 1);
    static const struct image_share none;
    world_port(&x.w, x.b[0])->share = &none;
    struct trip t = syn_from(&x, x.b[0], "10.0.3.4", 50000, "93.184.216.34", 443);
    STORY(t, "b0> route@1 snat!SnatExhausted");
    done(&x);
}

/* -- idle flows ------------------------------------------------------------------------------------------ */

/* O-08 */
Test(pipe_lb, idle_flow_is_forgotten)
{
    struct balancer x;
    setup(&x, 1);
    struct trip t = syn(&x, 50000);
    trip_go(&t);
    cr_expect_eq(t.last.watch, 0);
    t.start.info.tcp_flags = TCP_ACK;
    x.w.l.now += 240 * SECOND;
    trip_go(&t);
    cr_expect_eq(t.reason, REASON_NONE, "%s", t.text);
    struct trip back = trip_reply(&t);
    x.w.l.now += 200 * SECOND;
    trip_go(&back);
    cr_expect_eq(back.reason, REASON_NONE, "answers keep it alive: %s", back.text);
    x.w.l.now += 200 * SECOND;
    trip_go(&t);
    cr_expect_eq(t.reason, REASON_NONE, "%s", t.text);
    x.w.l.now += 240 * SECOND + 1;
    trip_go(&t);
    cr_expect_eq(t.reason, REASON_FLOW_EXPIRED, "%s", t.text);
    t.start.info.tcp_flags = TCP_SYN;
    trip_go(&t);
    cr_expect_eq(t.reason, REASON_NONE, "a new connection is welcome: %s", t.text);
    done(&x);
}

/* The NIC's own memory (G-07) is no shorter than the balancer's. */
Test(pipe_lb, long_idle_answer_is_translated)
{
    struct balancer x;
    setup(&x, 1);
    x.rule->timeout = 1800 * SECOND;
    struct trip t = syn(&x, 50000);
    trip_go(&t);
    struct trip back = trip_reply(&t);
    x.w.l.now += 1700 * SECOND;
    trip_go(&back);
    cr_expect_eq(back.now.info.src, lab_ip("10.0.3.100"), "%s", back.text);
    done(&x);
}

Test(pipe_lb, idle_flow_is_reset)
{
    struct balancer x;
    int64_t again;
    setup(&x, 1);
    x.rule->reset = true;
    struct trip t = syn(&x, 50000);
    t.start.meta.flow = 7;
    trip_go(&t);
    struct pipe_decision d;
    struct packet_meta m = t.now.meta;
    struct packet_info in = t.start.info;
    in.sport = 50001;
    pipe_in(x.w.l.pipe, x.w.l.img, 5, x.fe, &in, &m, &d);
    cr_assert_eq(d.watch, 2);
    cr_assert_eq(d.watch_at, 240 * SECOND + 5);
    cr_expect_eq(pipe_idle(x.w.l.pipe, 240 * SECOND - 1, 1, &again), 0);
    cr_expect_eq(again, 240 * SECOND);
    cr_expect_eq(pipe_idle(x.w.l.pipe, 240 * SECOND, 1, &again), 7);
    cr_expect_eq(again, INT64_MAX);
    cr_expect_eq(pipe_idle(x.w.l.pipe, 300 * SECOND, 1, &again), 0, "once is enough");
    done(&x);
}

/* Random flows and changes: a known flow is where it was, or its backend is not well; whoever serves is well,
 * unless the connection was there before. */
Test(pipe_lb, property_flows_stay)
{
    struct rng r;
    struct balancer x;
    uint32_t at[512] = {0};
    bool well[MANY];
    prop_seed(&r, "balanced flows");
    setup(&x, MANY);
    for (int i = 0; i < MANY; i++)
        well[i] = true;
    for (int step = 0; step < 20000; step++) {
        uint32_t k = (uint32_t)rng_below(&r, MANY), flow = (uint32_t)rng_below(&r, 512);
        if (rng_below(&r, 8) == 0)
            pipe_health(x.w.l.pipe, k, well[k] = !well[k]);
        struct trip t = syn(&x, (uint16_t)(20000 + flow));
        bool opens = !at[flow] || rng_below(&r, 4) == 0, any = false;
        for (int i = 0; i < MANY; i++)
            any |= well[i];
        t.start.info.tcp_flags = opens ? TCP_SYN : TCP_ACK;
        trip_go(&t);
        if (!any && opens && t.reason == REASON_NO_HEALTHY_BACKEND)
            continue;
        cr_assert_eq(t.reason, REASON_NONE, "%s", t.text);
        uint32_t served = t.now.at - x.b[0];
        cr_assert(!opens || well[served]);
        cr_assert(!at[flow] || at[flow] - 1 == served || (opens && !well[at[flow] - 1]));
        at[flow] = served + 1;
    }
    done(&x);
}
