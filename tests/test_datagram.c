/* test_datagram.c - UDP, ICMP, fragments and ARP of machines over a tiny network. */
#include "dataplane/host_int.h"
#include "dataplane/mem_int.h"
#include "tests/support_lan_two.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(datagram, .init = lan_two_setup, .fini = lan_two_teardown);

/* -- UDP ------------------------------------------------------------------------------------------------- */

Test(datagram, udp_request_and_answer)
{
    uint32_t f = lan_flow(n, UDP, B, 4500);
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_log(n, "0 A>B udp 4500 len 100\n5 B>A udp 49152 len 1000\n");
    lan_assert_done(n, f, FLOW_OK, 10);
    cr_assert(n->flow[f].arrived == 1 && n->flow[f].admitted == 1);
}

Test(datagram, udp_refused_and_silent)
{
    struct host_config c = lan_config(n);
    c.n_listens = 0;
    lan_add(n, &c);
    uint32_t f = lan_flow(n, UDP, C, 9), g = lan_flow(n, UDP, C, 9);
    n->flow[f].spec.request_bytes = 1400;
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_log(n, "0 A>C udp 9 len 1400\n5 C>A icmp 3/3 len 548\n");
    lan_assert_done(n, f, FLOW_REFUSED, 10);
    c.silent = true;
    cr_assert_eq(host_reconfigure(n->host[C], &c), 0);
    int64_t start = n->now;
    lan_start(n, A, g);
    lan_run(n);
    lan_assert_done(n, g, FLOW_TIMEOUT, (start + 5 * LAN_S) / LAN_MS);
    cr_assert(n->flow[f].arrived == 0 && n->flow[g].arrived == 0);
}

Test(datagram, udp_in_fragments)
{
    uint32_t f = lan_flow(n, UDP, B, 4500);
    n->flow[f].spec.request_bytes = 3000;
    n->flow[f].spec.response_bytes = 1500;
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_log(n, "0 A>B udp 4500 len 1472\n0 A>B fragment at 1480\n0 A>B fragment at 2960\n"
                      "5 B>A udp 49152 len 1472\n5 B>A fragment at 1480\n");
    lan_assert_done(n, f, FLOW_OK, 10);
    cr_assert_eq(n->flow[f].arrived, 1);
}

Test(datagram, udp_sizes)
{
    static const uint64_t req[] = {0, 1, 64, 1472, 1473, 65507},
                          rsp[] = {0, 1, 512, 1472, 1473, 65507, 65508, 200000};
    n->log_on = false;
    for (size_t i = 0; i < 6 * 8; i++) {
        uint32_t f = lan_flow(n, UDP, B, 9);
        n->flow[f].spec.request_bytes = req[i / 8];
        n->flow[f].spec.response_bytes = rsp[i % 8];
        lan_start(n, A, f);
        lan_run(n);
        lan_assert_done(n, f, FLOW_OK, -1);
    }
}

Test(datagram, udp_too_big)
{
    static const struct {
        uint64_t bytes;
        bool df;
        uint8_t proto;
        bool fits;
    } rows[] = {{1472, true, UDP, true},    {1473, true, UDP, false},    {65507, false, UDP, true},
                {65508, false, UDP, false}, {1472, true, ICMP, true},    {1473, true, ICMP, false},
                {65507, false, ICMP, true}, {65508, false, ICMP, false}, {100000, true, TCP, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t f = lan_flow(n, rows[i].proto, B, 9);
        n->flow[f].spec.request_bytes = rows[i].bytes;
        n->flow[f].spec.dont_fragment = rows[i].df;
        n->log_len = 0, n->log[0] = 0;
        lan_start(n, A, f);
        if (!rows[i].fits) {
            lan_assert_log(n, "");
            lan_assert_done(n, f, FLOW_TOO_BIG, n->now / LAN_MS);
        }
        lan_run(n);
        lan_assert_done(n, f, rows[i].fits ? FLOW_OK : FLOW_TOO_BIG, -1);
    }
}

Test(datagram, udp_kept_open)
{
    uint32_t f = lan_flow(n, UDP, B, 4500);
    n->flow[f].spec.keep_open = 2500 * LAN_MS;
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_log(n,
                   "0 A>B udp 4500 len 100\n5 B>A udp 49152 len 1000\n1010 A>B udp 4500 len 64\n1015 B>A udp "
                   "49152 len 64\n"
                   "2020 A>B udp 4500 len 64\n2025 B>A udp 49152 len 64\n");
    lan_assert_done(n, f, FLOW_OK, 2500);
    uint32_t g = lan_flow(n, UDP, B, 4500);
    int64_t start = n->now;
    n->flow[g].spec.keep_open = 60 * LAN_S;
    lan_start(n, A, g);
    lan_run_until(n, start + 2500 * LAN_MS);
    n->blackhole = true;
    lan_run(n);
    lan_assert_done(n, g, FLOW_TIMEOUT, start / LAN_MS + 3030 + 5000);
}

Test(datagram, udp_refusals)
{
    static const struct {
        enum reason why;
        enum flow_outcome want;
    } rows[] = {{REASON_SERVICE_FIREWALL, FLOW_OK},
                {REASON_NO_HEALTHY_BACKEND, FLOW_TIMEOUT},
                {REASON_PROXY_PROTOCOL_MISMATCH, FLOW_TIMEOUT}};
    for (size_t i = 0; i < 3; i++) {
        for (uint64_t size = 100; size < 100000; size *= 9) {
            uint32_t f = lan_flow(n, UDP, B, 4500);
            n->admit = rows[i].why;
            n->flow[f].spec.response_bytes = size;
            n->flow[f].spec.keep_open = size > 512 ? 30 * LAN_S : 0;
            int64_t start = n->now;
            lan_start(n, A, f);
            lan_run(n);
            lan_assert_done(n, f, rows[i].want, -1);
            cr_assert_leq(n->flow[f].done_at, start + 5 * LAN_S);
        }
    }
}

Test(datagram, udp_53_is_dns)
{
    static const uint64_t size[] = {1, 40, 100, 5000};
    for (size_t i = 0; i < 16; i++) {
        uint32_t f = lan_flow(n, UDP, B, 53);
        n->flow[f].spec.request_bytes = size[i / 4];
        n->flow[f].spec.response_bytes = size[i % 4];
        n->flow[f].spec.keep_open = i == 5 ? 2 * LAN_S : 0;
        lan_start(n, A, f);
        lan_run(n);
        lan_assert_done(n, f, FLOW_OK, -1);
    }
    cr_assert(strstr(n->log, "udp 53 len 5000") || strstr(n->log, "udp 53 len 1472"));
    cr_assert(strstr(n->log, "udp 53 len 100\n"), "padded to exactly what was asked");
}

/* -- ICMP ------------------------------------------------------------------------------------------------ */

Test(datagram, echo)
{
    uint32_t f = lan_flow(n, ICMP, B, 0), g = lan_flow(n, ICMP, B, 0);
    n->flow[f].spec.request_bytes = 56;
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_log(n, "0 A>B icmp 8/0 len 56\n5 B>A icmp 0/0 len 56\n");
    lan_assert_done(n, f, FLOW_OK, 10);
    cr_assert_eq(n->flow[f].arrived, 1);
    struct host_config c = n->config[B];
    c.answers_ping = false;
    host_reconfigure(n->host[B], &c);
    int64_t start = n->now;
    lan_start(n, A, g);
    lan_run(n);
    lan_assert_done(n, g, FLOW_TIMEOUT, (start + 5 * LAN_S) / LAN_MS);
}

Test(datagram, echo_in_fragments)
{
    uint32_t f = lan_flow(n, ICMP, B, 0);
    n->flow[f].spec.request_bytes = 4000;
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_done(n, f, FLOW_OK, 10);
}

/* -- reassembly ------------------------------------------------------------------------------------------ */

static const struct eth_fields ETH = {{9}, {8}};

/* Send fragments of a datagram of 2000 bytes for B:9 in the order given ("012" and so on; 'd' a repetition of
 * the first, 'o' one that overlaps). => whether it was answered. */
static bool fragments_answered(const char *order, int64_t gap)
{
    static uint16_t id;
    lan_run(n);
    struct ip_fields ip = {.src = n->config[A].addr, .dst = n->config[B].addr, .ttl = 64, .id = ++id};
    uint8_t pay[2000] = {0};
    struct packet *whole = packet_build_udp(n->pool, &ETH, &ip, 1000, 9, pay, sizeof pay), *list, *f[3],
                  *over;
    cr_assert_eq(packet_fragment(n->pool, whole, 700, &list), 3);
    f[0] = list, f[1] = f[0]->next, f[2] = f[1]->next;
    over = packet_copy(n->pool, f[1]); /* moved 8 bytes forward: covers the end of 0 and most of 1 */
    struct packet_info in;
    packet_parse(over->data, over->len, &in);
    wire_put16(over->data + 20, (uint16_t)(WIRE_IP_MF | (in.frag_offset - 8) / 8));
    wire_put16(over->data + 24, 0);
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2)
        sum += wire_get16(over->data + 14 + i);
    wire_put16(over->data + 24, (uint16_t) ~(sum + (sum >> 16)));
    uint64_t before = n->frames;
    for (const char *o = order; *o; o++) {
        const struct packet *p = *o == 'o' ? over : *o == 'd' ? f[0] : f[*o - '0'];
        lan_deliver(n, B, packet_copy(n->pool, p));
        lan_run_until(n, n->now + gap);
    }
    for (int i = 0; i < 3; i++)
        packet_put(n->pool, f[i]);
    packet_put(n->pool, over);
    packet_put(n->pool, whole);
    return n->frames > before;
}

Test(datagram, reassembly)
{
    static const struct {
        const char *order;
        bool want;
    } rows[] = {{"012", true},  {"021", true},  {"102", true},  {"120", true},   {"201", true},
                {"210", true},  {"01", false},  {"02", false},  {"12", false},   {"0d12", true},
                {"02d1", true}, {"0o12", true}, {"o12", false}, {"2o01", false}, {"20o1", true},
                {"011", false}, {"22010", true}};
    n->log_on = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(fragments_answered(rows[i].order, 0), rows[i].want, "%s", rows[i].order);
    cr_assert(fragments_answered("012", 14 * LAN_S));
    cr_assert_not(fragments_answered("012", 15 * LAN_S), "30 s are the end");
}

Test(datagram, reassembly_is_bounded)
{
    n->log_on = false;
    for (int i = 0; i < 200; i++)
        fragments_answered("0", 0);
    cr_assert_eq(n->host[B]->n_reasm, 64);
    cr_assert(fragments_answered("012", 0));
}

Test(datagram, wrong_checksums_are_dropped)
{
    struct ip_fields ip = {.src = n->config[A].addr, .dst = n->config[B].addr, .ttl = 64};
    struct packet *p = packet_build_udp(n->pool, &ETH, &ip, 1000, 9, "abc", 3);
    p->data[p->len - 1] ^= 1;
    lan_deliver(n, B, p);
    p = packet_build_udp(n->pool, &ETH, &ip, 1000, 9, "abc", 3);
    p->len = 30;
    lan_deliver(n, B, p);
    cr_assert_eq(n->frames, 0);
    p = packet_build_udp(n->pool, &ETH, &ip, 1000, 9, "abc", 3);
    lan_deliver(n, B, p);
    cr_assert_eq(n->frames, 1);
}

/* -- ARP ------------------------------------------------------------------------------------------------- */

Test(datagram, arp_before_the_first_packet)
{
    unsigned h = lan_add_arp(n);
    uint32_t f = lan_flow(n, UDP, B, 9), g = lan_flow(n, UDP, B, 9), o = lan_flow(n, UDP, B, 9);
    n->flow[f].spec.request_bytes = 2000;
    n->flow[o].spec.addr = IP4(10, 1, 0, 9);
    lan_start(n, h, f);
    lan_run(n);
    lan_start(n, h, g);
    lan_start(n, h, o);
    lan_run(n);
    lan_assert_log(
        n,
        "0 arp who-has from C for 5\n0 C>B udp 9 len 1472\n0 C>B fragment at 1480\n5 B>C udp 49152 len 1000\n"
        "1000 C>B udp 9 len 100\n1000 arp who-has from C for 1\n1000 C>? udp 9 len 100\n"
        "1005 B>C udp 49153 len 1000\n");
    lan_assert_done(n, f, FLOW_OK, -1);
    lan_assert_done(n, g, FLOW_OK, -1);
}

Test(datagram, arp_unanswered)
{
    unsigned h = lan_add_arp(n);
    n->no_arp = true;
    uint32_t f = lan_flow(n, UDP, B, 9);
    lan_start(n, h, f);
    lan_run(n);
    lan_assert_log(
        n, "0 arp who-has from C for 5\n1000 arp who-has from C for 5\n2000 arp who-has from C for 5\n");
    lan_assert_done(n, f, FLOW_TIMEOUT, 5000);
    n->no_arp = false;
    n->log_len = 0;
    uint32_t g = lan_flow(n, TCP, B, 9);
    lan_start(n, h, g);
    lan_run(n);
    lan_assert_done(n, g, FLOW_OK, -1);
}

Test(datagram, arp_questions_answered)
{
    lan_deliver(n, B,
                packet_build_arp(n->pool, 1, n->config[A].mac, n->config[A].addr, (const uint8_t[6]){0},
                                 n->config[B].addr));
    lan_deliver(n, B,
                packet_build_arp(n->pool, 1, n->config[A].mac, n->config[A].addr, (const uint8_t[6]){0},
                                 n->config[A].addr));
    lan_assert_log(n, "0 arp reply to A for 5\n");
}
