/* test_pipe_sweep.c - records of flows that fell silent are given back though nobody asks for them (G-07), in
 * small steps, and no others are. That answers stay the same is compared in test_pipe_batch.c, over random
 * networks. */
#include "dataplane/pipe_batch.h"
#include "dataplane/pipe_int.h"
#include "tests/support_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT (240 * SECOND)

struct run {
    struct world w;
    struct pipe *p;
    struct packet_pool *pool;
};

static void setup(struct run *x)
{
    world_new(&x->w);
    x->p = x->w.l.pipe;
    x->pool = packet_pool_new();
}

static void done(struct run *x)
{
    cr_assert_eq(packet_pool_out(x->pool), 0);
    packet_pool_free(x->pool);
    lab_free(&x->w.l);
}

enum { BURST = 100 };

/* Flows first to first + n of vm, out, each with one packet, in one batch at the run's time. => hits. */
static size_t send(struct run *x, uint8_t proto, uint8_t flags, uint32_t flow, uint32_t first, uint32_t n)
{
    struct pipe_packet k[BURST];
    const struct eth_fields eth = {{2}, {4}};
    const struct ip_fields ip = {.src = lab_ip("10.0.1.4"), .dst = lab_ip("10.0.1.5"), .ttl = 64};
    size_t hits = 0;
    cr_assert_leq(n, BURST);
    for (uint32_t i = 0; i < n; i++) {
        const struct tcp_fields t = {.sport = (uint16_t)(1000 + (first + i) % 50000),
                                     .dport = (uint16_t)(80 + (first + i) / 50000),
                                     .flags = flags,
                                     .wscale = -1};
        struct packet *p = proto == TCP ? packet_build_tcp(x->pool, &eth, &ip, &t, NULL, 0)
                                        : packet_build_udp(x->pool, &eth, &ip, t.sport, t.dport, NULL, 0);
        p->meta.flow = flow;
        p->meta.origin = p->meta.last_hop = x->w.vm;
        k[i] = (struct pipe_packet){.packet = p, .port = x->w.vm};
    }
    pipe_batch(x->p, x->w.l.img, x->w.l.now, k, n, NULL);
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(k[i].reason, REASON_NONE);
        cr_assert_eq(k[i].next, x->w.vm2);
        hits += k[i].hit;
        packet_put(x->pool, k[i].packet);
    }
    return hits;
}

static size_t send_many(struct run *x, uint32_t first, uint32_t n)
{
    size_t hits = 0;
    for (uint32_t i = 0; i < n; i += BURST)
        hits += send(x, UDP, 0, 0, first + i, n - i < BURST ? n - i : BURST);
    return hits;
}

/* => flows that the run's pipe holds. */
static size_t held(const struct run *x)
{
    cr_assert_eq(flowtab_count(x->p->index), pipe_flows(x->p) / 2);
    cr_assert_eq(x->p->n_pairs - x->p->n_free, pipe_flows(x->p) / 2);
    return pipe_flows(x->p) / 2;
}

/* G-07 */
Test(pipe_sweep, silent_flows_leave_though_nobody_asks)
{
    struct run x;
    setup(&x);
    cr_assert_eq(send_many(&x, 0, 5000), 0);
    x.w.l.now = 200 * SECOND;
    cr_assert_eq(send_many(&x, 1000, 100), 100);
    x.w.l.now = 250 * SECOND;
    size_t before = held(&x);
    cr_assert_eq(before, 5000);
    for (int i = 0; i < 2 * 5002; i++) { /* one flow speaks; each packet takes a step */
        cr_assert_eq(send(&x, UDP, 0, 0, 9999, 1), i > 0);
        const size_t now = held(&x);
        cr_assert_leq(before, now + 1 + 3 * !i, "%d: %zu, %zu", i, before, now);
        before = now;
    }
    cr_assert_eq(before, 101);
    cr_assert_eq(send_many(&x, 1000, 100), 100);
    cr_assert_eq(send_many(&x, 1100, 100), 0); /* they begin anew */
    cr_assert_eq(held(&x), 201);
    cr_assert_eq(x.p->n_pairs, 5001);
    done(&x);
}

Test(pipe_sweep, a_flow_leaves_when_its_time_is_over_and_no_sooner)
{
    struct run x;
    setup(&x);
    const struct image *img = x.w.l.img;
    send_many(&x, 0, 10);
    cr_assert_eq(pipe_sweep(x.p, img, TIMEOUT, 1000), 0);
    cr_assert_eq(held(&x), 10);
    cr_assert_eq(pipe_sweep(x.p, img, TIMEOUT + 1, 4), 4); /* bounded */
    cr_assert_eq(held(&x), 6);
    cr_assert_eq(pipe_sweep(x.p, img, TIMEOUT + 1, 1000), 6);
    cr_assert_eq(held(&x), 0);
    done(&x);
}

/* Each by its own port's time. */
Test(pipe_sweep, ports_have_times_of_their_own)
{
    struct run x;
    setup(&x);
    const struct image *img = x.w.l.img;
    world_port(&x.w, x.w.vm)->flow_timeout = 600 * SECOND;
    send_many(&x, 0, 10);
    cr_assert_eq(pipe_sweep(x.p, img, TIMEOUT, 1000), 0);
    cr_assert_eq(pipe_sweep(x.p, img, TIMEOUT + 1, 1000), 10); /* others may have expired */
    cr_assert_eq(pipe_sweep(x.p, img, TIMEOUT + 1, 1000), 0);
    cr_assert_eq(pipe_sweep(x.p, img, 600 * SECOND, 1000), 10);
    cr_assert_eq(held(&x), 10);
    cr_assert_eq(pipe_sweep(x.p, img, 600 * SECOND + 1, 1000), 10);
    cr_assert_eq(held(&x), 0);
    done(&x);
}

/* While none can have expired nothing is looked at. */
Test(pipe_sweep, rests)
{
    struct run x;
    setup(&x);
    const struct image *img = x.w.l.img;
    for (int i = 0; i < 10; i++) {
        x.w.l.now = i * SECOND;
        send_many(&x, (uint32_t)i * 10, 10);
    }
    x.w.l.now = TIMEOUT + SECOND / 2; /* the first ten are silent for too long */
    cr_assert_eq(pipe_sweep(x.p, img, x.w.l.now, 1000), 100);
    cr_assert_eq(held(&x), 90);
    x.w.l.now = TIMEOUT + SECOND; /* the next ten are not */
    cr_assert_eq(pipe_sweep(x.p, img, x.w.l.now, 1000), 0);
    cr_assert_eq(pipe_sweep(x.p, img, x.w.l.now + 1, 1000), 100);
    cr_assert_eq(held(&x), 80);
    /* another image: other timeouts */
    world_port(&x.w, x.w.vm)->flow_timeout = 234 * SECOND;
    cr_assert_eq(pipe_sweep(x.p, img, x.w.l.now + 1, 1000), 0);
    world_change(&x.w);
    cr_assert_eq(pipe_sweep(x.p, img, x.w.l.now + 1, 1000), 100);
    cr_assert_eq(held(&x), 20);                 /* seen at 8 s and 9 s, now being 241 s */
    world_port(&x.w, x.w.vm)->flow_timeout = 0; /* none */
    world_change(&x.w);
    cr_assert_eq(pipe_sweep(x.p, img, 1000000 * SECOND, 100), 100);
    cr_assert_eq(held(&x), 20);
    done(&x);
}

/* Changes of the network do not keep a round from its end. */
Test(pipe_sweep, goes_on_through_changes)
{
    struct run x;
    setup(&x);
    send_many(&x, 0, 1000);
    x.w.l.now = TIMEOUT + 1;
    for (int i = 0; i < 1002; i++) {
        world_change(&x.w);
        send(&x, UDP, 0, 0, 5000, 1);
    }
    cr_assert_eq(held(&x), 1);
    done(&x);
}

/* Flows come and go: what is held is bounded by those that live, not by those that were. */
Test(pipe_sweep, what_is_held_is_bounded)
{
    struct run x;
    setup(&x);
    world_port(&x.w, x.w.vm)->flow_timeout = 10 * SECOND;
    x.w.l.img->flow_limit = 0;
    uint32_t flow = 0;
    size_t most = 0;
    for (int t = 0; t < 1000; t++) { /* 100 s; 1,000 new flows a second, so 10,000 live */
        x.w.l.now = t * SECOND / 10;
        cr_assert_eq(send_many(&x, flow, BURST), 0);
        flow += BURST;
        most = held(&x) > most ? held(&x) : most;
    }
    cr_assert_geq(held(&x), 10000);
    cr_assert_leq(most, 2 * 10000 + 2 * BURST, "%zu", most);
    cr_assert_leq(x.p->n_pairs, most + BURST);
    done(&x);
}

/* Two runs alike give back alike: the same places in the same order. */
Test(pipe_sweep, is_deterministic)
{
    struct run x[2];
    for (int r = 0; r < 2; r++) {
        free(malloc((size_t)r * 4096 + 1)); /* addresses differ */
        setup(&x[r]);
        for (int t = 0; t < 200; t++) {
            x[r].w.l.now = t * 3 * SECOND;
            send_many(&x[r], (uint32_t)(t * 37) % 5000, 50);
        }
        for (int t = 0; t < 5; t++) {
            x[r].w.l.now += TIMEOUT;
            send_many(&x[r], 0, 50);
        }
    }
    cr_assert_eq(held(&x[0]), held(&x[1]));
    cr_assert_gt(x[0].p->n_free, 0);
    cr_assert_eq(x[0].p->n_free, x[1].p->n_free);
    cr_assert_eq(memcmp(x[0].p->free_pair, x[1].p->free_pair, x[0].p->n_free * sizeof(uint32_t)), 0);
    done(&x[0]);
    done(&x[1]);
}

/* SE-02: a change resets TCP connections of the scenario that take another way, also silent ones. */
Test(pipe_sweep, connections_that_a_change_may_reset_stay)
{
    struct run x;
    setup(&x);
    struct lab *l = &x.w.l;
    cr_assert_eq(send(&x, TCP, TCP_SYN, 5, 0, 1), 0);
    cr_assert_eq(send(&x, TCP, TCP_SYN, 0, 1, 1), 0);
    cr_assert_eq(send(&x, UDP, 0, 6, 2, 1), 0);
    l->now = 2 * TIMEOUT;
    cr_assert_eq(pipe_sweep(x.p, l->img, l->now, 1000), 3);
    cr_assert_eq(held(&x), 1);
    const uint32_t t = lab_table(l);
    lab_route(l, t, "10.0.1.5/32", nh_service());
    struct image after = *l->img;
    after.port = malloc(after.n_ports * sizeof *after.port);
    memcpy(after.port, l->img->port, after.n_ports * sizeof *after.port);
    after.port[x.w.vm].table = t;
    uint32_t *flows;
    cr_assert_eq(pipe_cut_by_change(x.p, l->img, &after, &flows), 1);
    cr_assert_eq(flows[0], 5);
    free(flows);
    free(after.port);
    done(&x);
}

/* Where nothing times out nothing leaves. */
Test(pipe_sweep, ports_without_timeout_keep_theirs)
{
    struct run x;
    setup(&x);
    struct lab *l = &x.w.l;
    struct trip t = trip_new(l, x.w.vm, TCP, "10.0.1.4", 50000, "10.0.2.5", 443); /* endpoint, service */
    t.start.info.tcp_flags = TCP_SYN;
    t.start.meta.flow = 0;
    trip_go(&t);
    cr_assert_eq(t.reason, REASON_NONE);
    cr_assert_eq(pipe_flows(x.p), 6);
    l->now = 100 * TIMEOUT;
    cr_assert_eq(pipe_sweep(x.p, l->img, l->now, 1000), 3);
    cr_assert_eq(pipe_flows(x.p), 4); /* what vm's port knew is gone */
    struct trip back = trip_reply(&t);
    back.start.info.tcp_flags = TCP_ACK;
    trip_go(&back);
    cr_assert_eq(back.reason, REASON_NONE); /* into vm as something new: it has no rules */
    done(&x);
}

/* The endpoint of a private link service, with a balancer behind it that remembers for 400 s. */
static void link_service(struct run *x)
{
    struct lab *l = &x->w.l;
    struct arena *a = l->img->arena;
    const uint32_t fe = lab_port(l, "fe", PORT_FRONTEND, x->w.spoke, "10.1.3.100");
    const uint32_t be = lab_port(l, "be", PORT_NIC, x->w.spoke, "10.1.3.4");
    const uint32_t nat = lab_port(l, "nat", PORT_PLS, x->w.spoke, "10.1.5.4");
    const uint32_t pool = lab_pool(l, x->w.spoke, "10.1.5.4", 2000, 2003);
    struct image_frontend *f = arena_alloc(a, sizeof *f);
    struct image_pls *pls = arena_alloc(a, sizeof *pls);
    struct image_port *pe = world_port(&x->w, x->w.pe);
    exact_del(l->img->addresses, REALM_PUBLIC, lab_ip("10.1.5.4"));
    f->n = 1;
    f->rule = arena_alloc(a, sizeof *f->rule);
    *f->rule = (struct image_rule){
        .proto = TCP, .frontend_port = 443, .backend_port = 7443, .timeout = 400 * SECOND, .n = 1};
    f->rule->backend = arena_alloc(a, sizeof *f->rule->backend);
    f->rule->backend[0] = (struct image_backend){be, NONE32};
    *pls = (struct image_pls){.port = nat, .pool = pool, .frontend = fe};
    l->img->port[be].table = x->w.spoke_t;
    l->img->port[fe].flow_timeout = 0;
    l->img->port[fe].frontend = f;
    l->img->port[nat].pool = pool;
    pe->pls = pls;
    pe->service = PORT_NONE;
    pe->flow_timeout = 300 * SECOND;
}

static struct trip segment(struct run *x, uint16_t sport, uint8_t flags)
{
    struct trip t = trip_new(&x->w.l, x->w.vm, TCP, "10.0.1.4", sport, "10.0.2.5", 443);
    t.start.info.tcp_flags = flags;
    t.start.meta.flow = 0;
    trip_go(&t);
    return t;
}

/* PE-24: the endpoint's record that expired ends the connection; a backend's lives as long as its balancer's
 * (B-05). */
Test(pipe_sweep, what_others_depend_on_stays)
{
    struct run x;
    setup(&x);
    struct lab *l = &x.w.l;
    link_service(&x);
    struct trip t = segment(&x, 50000, TCP_SYN), back;
    cr_assert_eq(t.reason, REASON_NONE);
    const size_t all = pipe_flows(x.p);
    for (int i = 0; i < 2; i++) {
        l->now += 250 * SECOND;
        pipe_sweep(x.p, l->img, l->now, 1000);
        cr_assert_eq(pipe_flows(x.p), all - 2); /* of vm's port */
        back = trip_reply(&t);
        back.start.info.tcp_flags = TCP_ACK;
        trip_go(&back); /* by way of the backend's, the service's and the endpoint's records */
        cr_assert_eq(back.reason, REASON_NONE, "%s", back.text);
        cr_assert_eq(back.now.at, x.w.vm);
        cr_assert_eq(back.now.info.src, lab_ip("10.0.2.5"));
    }
    l->now += 1000 * SECOND;
    pipe_sweep(x.p, l->img, l->now, 1000);
    cr_assert_eq(pipe_flows(x.p), all - 2);
    t = segment(&x, 50000, TCP_ACK);
    cr_assert_eq(t.reason, REASON_FLOW_EXPIRED);
    cr_assert_eq(t.now.at, x.w.pe);
    /* also one that got no translation, the pool having four ports */
    for (uint16_t i = 1; i <= 4; i++)
        cr_assert_eq(segment(&x, 50000 + i, TCP_SYN).reason, i < 4 ? REASON_NONE : REASON_SNAT_EXHAUSTED);
    l->now += 1000 * SECOND;
    pipe_sweep(x.p, l->img, l->now, 1000);
    cr_assert_eq(segment(&x, 50004, TCP_ACK).reason, REASON_FLOW_EXPIRED);
    done(&x);
}

/* A closed connection is given back as silent while it waits to be forgotten; its place is another's when its
 * turn comes. */
Test(pipe_sweep, a_queued_connection_leaves_once)
{
    struct run x;
    setup(&x);
    struct lab *l = &x.w.l;
    pipe_linger(x.p, 1000 * SECOND);
    send(&x, TCP, TCP_SYN, 0, 0, 1);
    send(&x, TCP, TCP_RST, 0, 0, 1);
    cr_assert_eq(x.p->n_closed, 1);
    l->now = TIMEOUT + 1;
    cr_assert_eq(pipe_sweep(x.p, l->img, l->now, 1000), 1);
    cr_assert_eq(held(&x), 0);
    send(&x, TCP, TCP_SYN, 0, 1, 1);
    cr_assert_eq(x.p->n_pairs, 1);
    l->now = 1001 * SECOND;
    send(&x, TCP, TCP_SYN, 0, 1, 1); /* expired, begins anew */
    cr_assert_eq(pipe_tidy(x.p, l->now, 10), 1);
    cr_assert_eq(held(&x), 1);
    cr_assert_eq(send(&x, TCP, TCP_ACK, 0, 1, 1), 1);
    done(&x);
}
