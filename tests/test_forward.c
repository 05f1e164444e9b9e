/* test_forward.c - network virtual appliances: forwarding, state, source translation. */
#include "dataplane/host_int.h"
#include "dataplane/mem_int.h"
#include "tests/support_lan_two.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(forward, .init = lan_two_setup, .fini = lan_two_teardown);

static const struct eth_fields ETH = {{9}, {8}};

/* -- appliance ------------------------------------------------------------------------------------------- */

Test(forward, not_an_appliance)
{
    struct ip_fields ip = {.src = 1, .dst = 2, .ttl = 64};
    lan_deliver(n, B, packet_build_udp(n->pool, &ETH, &ip, 1, 2, "x", 1));
    cr_assert(n->drops == 1 && n->last_drop == REASON_APPLIANCE_DROP);
    struct host_config c = n->config[B];
    c.appliance.present = true;
    host_reconfigure(n->host[B], &c);
    lan_deliver(n, B, packet_build_udp(n->pool, &ETH, &ip, 1, 2, "x", 1));
    cr_assert(n->drops == 2 && n->last_drop == REASON_APPLIANCE_DROP);
    cr_assert_eq(n->frames, 0);
}

Test(forward, appliance_passes_both_ways)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        lan_two_teardown();
        lan_two_setup();
        unsigned v = lan_add_appliance(n, mode & 1, mode & 2);
        n->via[A] = v;
        if (!(mode & 1))
            n->via[B] = v;
        uint32_t f = lan_flow(n, TCP, B, 443), u = lan_flow(n, UDP, B, 9), i = lan_flow(n, ICMP, B, 0);
        uint32_t d = lan_flow(n, TCP, B, 24), x = lan_flow(n, UDP, B, 69);
        n->flow[u].spec.request_bytes = n->flow[u].spec.response_bytes = 4000; /* in fragments */
        n->flow[i].spec.request_bytes = 4000;
        uint32_t all[] = {f, u, i, d, x};
        for (int k = 0; k < 5; k++)
            lan_start(n, A, all[k]);
        lan_run(n);
        for (int k = 0; k < 3; k++) {
            lan_assert_done(n, all[k], FLOW_OK, -1);
            cr_assert_eq(n->flow[all[k]].seen_src, n->config[mode & 1 ? v : (unsigned)A].addr);
        }
        lan_assert_done(n, d, FLOW_TIMEOUT, -1);
        lan_assert_done(n, x, FLOW_TIMEOUT, -1);
        cr_assert_eq(n->last_drop, REASON_APPLIANCE_DROP);
        lan_assert_quiet(n);
    }
}

Test(forward, appliance_sees_one_direction_only)
{
    unsigned v = lan_add_appliance(n, false, true);
    n->via[B] = v; /* only the answers pass it */
    uint32_t f = lan_flow(n, TCP, B, 443), u = lan_flow(n, UDP, B, 9), i = lan_flow(n, ICMP, B, 0);
    lan_start(n, A, f);
    lan_start(n, A, u);
    lan_start(n, A, i);
    lan_run(n);
    lan_assert_done(n, f, FLOW_TIMEOUT, -1);
    lan_assert_done(n, u, FLOW_TIMEOUT, -1);
    lan_assert_done(n, i, FLOW_TIMEOUT, -1);
    cr_assert_eq(n->last_drop, REASON_ASYMMETRIC_RETURN);
    cr_assert_geq(n->drops, 3);
}

/* The requests pass it, the answers take another way (PE-15): the handshake stays half open. */
Test(forward, appliance_sees_half_a_handshake)
{
    unsigned v = lan_add_appliance(n, false, true);
    n->via[A] = v;
    uint32_t f = lan_flow(n, TCP, B, 443), u = lan_flow(n, UDP, B, 9), i = lan_flow(n, ICMP, B, 0);
    lan_start(n, A, f);
    lan_start(n, A, u);
    lan_start(n, A, i);
    lan_run(n);
    lan_assert_done(n, f, FLOW_TIMEOUT, -1);
    lan_assert_done(n, u, FLOW_OK, -1); /* one datagram there: nothing to miss */
    lan_assert_done(n, i, FLOW_OK, -1);
    cr_assert_eq(n->last_drop, REASON_ASYMMETRIC_RETURN);
    struct host_config c = n->config[v];
    c.appliance.stateful = false;
    host_reconfigure(n->host[v], &c);
    f = lan_flow(n, TCP, B, 443);
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_done(n, f, FLOW_OK, -1);
}

Test(forward, appliance_without_state_does_not_care)
{
    unsigned v = lan_add_appliance(n, false, false);
    n->via[B] = v;
    uint32_t f = lan_flow(n, TCP, B, 443);
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_done(n, f, FLOW_OK, -1);
    cr_assert_null(n->host[v]->nat);
}

/* The middle of a connection does not make a state. */
Test(forward, appliance_learns_of_an_old_connection)
{
    unsigned v = lan_add_appliance(n, false, true);
    uint32_t f = lan_flow(n, TCP, B, 443);
    n->flow[f].spec.keep_open = 30 * LAN_S;
    lan_start(n, A, f);
    lan_run_until(n, 500 * LAN_MS);
    n->via[A] = n->via[B] = v;
    lan_run(n);
    lan_assert_done(n, f, FLOW_TIMEOUT, -1);
    cr_assert_eq(n->last_drop, REASON_ASYMMETRIC_RETURN);
}

/* Neither do pieces of its segments (a piece but the first has no flags); a datagram's pieces may come in any
 * order. */
Test(forward, pieces_without_state)
{
    unsigned v = lan_add_appliance(n, false, true);
    struct ip_fields ip = {.src = n->config[A].addr, .dst = n->config[B].addr, .ttl = 64};
    struct tcp_fields t = {.sport = 5000, .dport = 9, .flags = TCP_ACK, .wscale = -1};
    uint8_t pay[2000] = {0};
    struct packet *whole[] = {packet_build_tcp(n->pool, &ETH, &ip, &t, pay, sizeof pay),
                              packet_build_udp(n->pool, &ETH, &ip, 5000, 9, pay, sizeof pay)};
    n->blackhole = true;
    for (int i = 0; i < 2; i++) {
        struct packet *list;
        whole[i]->meta.origin = A;
        cr_assert_eq(packet_fragment(n->pool, whole[i], 1500, &list), 2);
        unsigned drops = n->drops;
        lan_deliver(n, v, list->next);
        lan_deliver(n, v, list);
        cr_assert_eq(n->drops - drops, i == 0 ? 2 : 0);
        packet_put(n->pool, whole[i]);
    }
    cr_assert_eq(n->last_drop, REASON_ASYMMETRIC_RETURN);
}

Test(forward, translated_ports)
{
    for (int i = 0; i < 2; i++) {
        struct host_config c = lan_config(n);
        lan_add(n, &c);
    }
    unsigned v = lan_add_appliance(n, true, true);
    uint32_t f[4];
    static const unsigned from[] = {A, C, 3, A};
    n->via[A] = n->via[C] = n->via[3] = v;
    for (int i = 0; i < 4; i++) {
        f[i] = lan_flow(n, i == 3 ? UDP : TCP, B, 443);
        n->flow[f[i]].spec.sport = 5000;
        n->flow[f[i]].spec.keep_open = 2 * LAN_S;
        lan_start(n, from[i], f[i]);
    }
    lan_run(n);
    static const uint16_t want[] = {5000, 1024, 1025,
                                    5000}; /* kept, next free, next free; UDP has ports of its own */
    for (int i = 0; i < 4; i++) {
        lan_assert_done(n, f[i], FLOW_OK, -1);
        cr_assert_eq(n->flow[f[i]].seen_sport, want[i], "flow %d: %u", i, n->flow[f[i]].seen_sport);
        cr_assert_eq(n->flow[f[i]].seen_src, n->config[v].addr);
    }
}

Test(forward, translated_errors_come_back)
{
    unsigned v = lan_add_appliance(n, true, true);
    struct host_config c = n->config[B];
    c.n_listens = 0;
    host_reconfigure(n->host[B], &c);
    n->via[A] = v;
    for (uint64_t size = 0; size < 6000; size = size * 3 + 100) {
        uint32_t f = lan_flow(n, UDP, B, 9);
        n->flow[f].spec.request_bytes = size;
        lan_start(n, A, f);
        lan_run(n);
        lan_assert_done(n, f, FLOW_REFUSED, -1);
    }
}

/* The appliance's own connections and those it translates do not meet. */
Test(forward, appliance_is_a_host_too)
{
    unsigned v = lan_add_appliance(n, true, true);
    n->via[A] = v;
    uint32_t own = lan_flow(n, TCP, B, 443), f = lan_flow(n, TCP, B, 443), in = lan_flow(n, TCP, v, 443);
    n->flow[own].spec.sport = n->flow[f].spec.sport = 5000;
    n->flow[own].spec.keep_open = n->flow[f].spec.keep_open = 2 * LAN_S;
    lan_start(n, v, own);
    lan_run_until(n, LAN_S / 2);
    lan_start(n, A, f);
    lan_start(n, A, in);
    lan_run(n);
    lan_assert_done(n, own, FLOW_OK, -1);
    lan_assert_done(n, f, FLOW_OK, -1);
    lan_assert_done(n, in, FLOW_OK, -1);
    cr_assert_eq(n->flow[own].seen_sport, 5000);
    cr_assert_eq(n->flow[f].seen_sport, 1024);
}

Test(forward, state_idles_for_five_minutes)
{
    unsigned v = lan_add_appliance(n, true, true);
    n->via[A] = v;
    struct ip_fields ip = {.src = n->config[A].addr, .dst = n->config[B].addr, .ttl = 64};
    struct ip_fields back = {.src = n->config[B].addr, .dst = n->config[v].addr, .ttl = 64};
    n->blackhole = true;
    static const struct {
        int64_t wait;
        bool known;
    } rows[] = {{299 * LAN_S, true}, {300 * LAN_S, false}};
    for (int i = 0; i < 2; i++) {
        struct packet *p = packet_build_udp(n->pool, &ETH, &ip, 5000, 9, "x", 1);
        p->meta.origin = A;
        lan_deliver(n, v, p);
        lan_run_until(n, n->now + rows[i].wait);
        uint64_t before = n->frames;
        p = packet_build_udp(n->pool, &ETH, &back, 9, 5000, "x", 1);
        p->meta.reply = true;
        p->meta.origin = B;
        lan_deliver(n, v, p);
        cr_assert_eq(n->frames, before + 1);
        /* known: passed on; else delivered to the appliance itself, which refuses it */
        cr_assert_eq(strstr(n->log, "B>A udp 5000") != NULL, rows[i].known, "%s", n->log);
        n->log_len = 0, n->log[0] = 0;
    }
}

Test(forward, ttl_ends_a_loop)
{
    unsigned v = lan_add_appliance(n, false, false), w = lan_add_appliance(n, false, false);
    n->via[A] = v, n->via[v] = w, n->via[w] = v;
    uint32_t f = lan_flow(n, UDP, B, 9);
    lan_start(n, A, f);
    lan_run(n);
    cr_assert_eq(n->drops, 1);
    cr_assert_eq(n->last_drop, REASON_ROUTING_LOOP);
    cr_assert_eq(n->frames, 64);
    lan_assert_done(n, f, FLOW_TIMEOUT, 5000);
}

Test(forward, appliance_with_a_smaller_mtu)
{
    unsigned v = lan_add_appliance(n, false, false);
    n->config[v].mtu = 1400;
    host_reconfigure(n->host[v], &n->config[v]);
    n->via[A] = v;
    uint32_t f = lan_flow(n, UDP, B, 9), g = lan_flow(n, UDP, B, 9);
    n->flow[f].spec.request_bytes = n->flow[g].spec.request_bytes = 1472;
    n->flow[g].spec.dont_fragment = true;
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_done(n, f, FLOW_OK, -1);
    lan_start(n, A, g);
    lan_run(n);
    lan_assert_done(n, g, FLOW_TIMEOUT, -1);
    cr_assert_eq(n->last_drop, REASON_MTU_EXCEEDED);
}

Test(forward, translation_runs_out_of_ports)
{
    unsigned v = lan_add_appliance(n, true, true);
    n->log_on = false;
    struct ip_fields ip = {.src = 0, .dst = n->config[B].addr, .ttl = 64};
    for (unsigned i = 0; i < 64513; i++) {
        ip.src = IP4(10, 50, 0, 0) + i;
        struct packet *p = packet_build_udp(n->pool, &ETH, &ip, 5000, 9, "x", 1);
        p->meta.origin = A;
        n->blackhole = true;
        lan_deliver(n, v, p);
    }
    cr_assert_eq(n->drops, 1, "64512 ports from 1024 to 65535");
    cr_assert_eq(n->last_drop, REASON_SNAT_EXHAUSTED);
}
