/* test_host.c - simulated machines over a tiny network: what they send, as readable logs; how flows end. */
#include "dataplane/host_int.h"
#include "dataplane/mem_int.h"
#include "dataplane/wire.h"
#include "tests/support_lan.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

enum { TCP = IPPROTO_NR_TCP, UDP = IPPROTO_NR_UDP, ICMP = IPPROTO_NR_ICMP };
enum { A, B, C };

static struct lan *n;

static void setup(void)
{
    n = lan_new();
    n->log_on = true;
    for (int i = 0; i < 2; i++) {
        struct host_config c = lan_config(n);
        lan_add(n, &c);
    }
}

static void teardown(void)
{
    lan_free(n);
}

TestSuite(host, .init = setup, .fini = teardown);

static void assert_log(const char *want)
{
    cr_assert_str_eq(n->log, want);
}

static void assert_done(uint32_t flow, enum flow_outcome what, int64_t at_ms)
{
    cr_assert_eq(n->flow[flow].done, 1, "flow %u is not done", flow);
    cr_assert_eq(n->flow[flow].outcome, what, "flow %u: outcome %d", flow, n->flow[flow].outcome);
    if (at_ms >= 0)
        cr_assert_eq(n->flow[flow].done_at / LAN_MS, at_ms, "flow %u at %ld", flow, (long)n->flow[flow].done_at);
}

static void assert_quiet(void)
{
    for (unsigned i = 0; i < n->n; i++)
        cr_assert_eq(host_connections(n->host[i]), 0, "machine %c has connections", 'A' + (int)i);
}

/* -- TCP -------------------------------------------------------------------------------------------------------------------- */

Test(host, tcp_request_and_answer)
{
    uint32_t f = lan_flow(n, TCP, B, 443);
    n->flow[f].spec.response_bytes = 3000;
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>B S seq 0 len 0\n"
               "5 B>A SA seq 0 ack 1 len 0\n"
               "10 A>B A seq 1 ack 1 len 0\n"
               "10 A>B PA seq 1 ack 1 len 100\n"
               "15 B>A A seq 1 ack 101 len 1460\n"
               "15 B>A A seq 1461 ack 101 len 1460\n"
               "15 B>A PA seq 2921 ack 101 len 80\n"
               "20 A>B A seq 101 ack 2921 len 0\n"
               "20 A>B FA seq 101 ack 3001 len 0\n"
               "25 B>A FA seq 3001 ack 102 len 0\n"
               "30 A>B A seq 102 ack 3002 len 0\n");
    assert_done(f, FLOW_OK, 30);
    cr_assert_eq(n->flow[f].arrived, 1);
    cr_assert_eq(n->flow[f].admitted, 1);
    assert_quiet();
    cr_assert_lt(n->last_event, 1100 * LAN_MS, "no timer outlives a flow for long");
}

Test(host, tcp_refused)
{
    struct host_config c = lan_config(n);
    c.n_listens = 0;
    lan_add(n, &c);
    uint32_t f = lan_flow(n, TCP, C, 80);
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>C S seq 0 len 0\n5 C>A RA seq 0 ack 1 len 0\n");
    assert_done(f, FLOW_REFUSED, 10);
    cr_assert_eq(n->flow[f].arrived, 0);
    assert_quiet();
}

Test(host, tcp_silent_server_and_nobody_there)
{
    struct host_config c = lan_config(n);
    c.n_listens = 0;
    c.silent = true;
    lan_add(n, &c);
    uint32_t f = lan_flow(n, TCP, C, 80), g = lan_flow(n, TCP, C, 80);
    n->flow[g].spec.addr = IP4(10, 9, 9, 9);
    lan_start(n, A, f);
    lan_start(n, A, g);
    lan_run(n);
    assert_log("0 A>C S seq 0 len 0\n0 A>? S seq 0 len 0\n1000 A>C S seq 0 len 0\n1000 A>? S seq 0 len 0\n"
               "3000 A>C S seq 0 len 0\n3000 A>? S seq 0 len 0\n7000 A>C S seq 0 len 0\n7000 A>? S seq 0 len 0\n");
    assert_done(f, FLOW_TIMEOUT, 15000);
    assert_done(g, FLOW_TIMEOUT, 15000);
    assert_quiet();
}

Test(host, tcp_any_listener)
{
    struct host_config c = lan_config(n);
    c.n_listens = 0;
    c.listens_all_tcp = true;
    c.any_addr = true;
    c.addr = 0;
    lan_add(n, &c);
    uint32_t f = lan_flow(n, TCP, B, 12345);
    n->flow[f].spec.addr = IP4(20, 61, 97, 129);
    lan_start(n, A, f);
    lan_run(n);
    assert_done(f, FLOW_OK, -1);
    assert_quiet();
}

Test(host, tcp_sizes)
{
    static const uint64_t size[] = {0, 1, 63, 64, 65, 512, 513, 1460, 1461, 100000, 1048576};
    uint32_t f[11 * 11];
    n->log_on = false;
    for (size_t i = 0; i < 11 * 11; i++) {
        f[i] = lan_flow(n, TCP, B, (uint16_t)(i % 2 ? 80 : 443));
        n->flow[f[i]].spec.request_bytes = size[i / 11];
        n->flow[f[i]].spec.response_bytes = size[i % 11];
        lan_start(n, A, f[i]);
    }
    lan_run(n);
    for (size_t i = 0; i < 11 * 11; i++) {
        assert_done(f[i], FLOW_OK, -1);
        cr_assert_eq(n->flow[f[i]].admitted, 1);
    }
    assert_quiet();
}

static const struct {
    enum reason why;
    enum flow_outcome want;
    uint64_t response;
    unsigned answer; /* bytes that come */
} verdicts[] = {
    {REASON_NONE, FLOW_OK, 5000, 5000},
    {REASON_SERVICE_FIREWALL, FLOW_OK, 5000, 512},
    {REASON_WRONG_RESOURCE, FLOW_OK, 100, 100},
    {REASON_PUBLIC_ACCESS_DISABLED, FLOW_OK, 0, 0},
    {REASON_PROXY_PROTOCOL_MISMATCH, FLOW_RESET, 5000, 0},
    {REASON_IDLE_TIMEOUT, FLOW_RESET, 5000, 0},
    {REASON_NO_HEALTHY_BACKEND, FLOW_TIMEOUT, 5000, 0},
};

Test(host, servers_refuse_in_the_way_of_the_verdict)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        for (int keep = 0; keep < 2; keep++) {
            uint32_t f = lan_flow(n, TCP, B, 80);
            n->admit = verdicts[i].why;
            n->flow[f].spec.response_bytes = verdicts[i].response;
            n->flow[f].spec.keep_open = keep && verdicts[i].why && verdicts[i].response > 512 ? 60 * LAN_S : 0;
            int64_t start = n->now;
            lan_start(n, A, f);
            lan_run(n);
            assert_done(f, verdicts[i].want, -1);
            cr_assert_eq(n->flow[f].admitted, 1);
            if (verdicts[i].want == FLOW_OK)
                cr_assert_lt(n->flow[f].done_at - start, 100 * LAN_MS, "a refused client does not keep the connection");
            cr_assert_eq(host_connections(n->host[A]), 0);
            if (verdicts[i].want != FLOW_TIMEOUT)
                cr_assert_eq(host_connections(n->host[B]), 0);
        }
    }
}

Test(host, tcp_kept_open)
{
    uint32_t f = lan_flow(n, TCP, B, 443);
    n->flow[f].spec.keep_open = 3500 * LAN_MS;
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>B S seq 0 len 0\n"
               "5 B>A SA seq 0 ack 1 len 0\n"
               "10 A>B A seq 1 ack 1 len 0\n"
               "10 A>B PA seq 1 ack 1 len 100\n"
               "15 B>A PA seq 1 ack 101 len 1000\n"
               "20 A>B A seq 101 ack 1001 len 0\n"
               "1020 A>B PA seq 101 ack 1001 len 64\n"
               "1025 B>A PA seq 1001 ack 165 len 64\n"
               "1030 A>B A seq 165 ack 1065 len 0\n"
               "2020 A>B PA seq 165 ack 1065 len 64\n"
               "2025 B>A PA seq 1065 ack 229 len 64\n"
               "2030 A>B A seq 229 ack 1129 len 0\n"
               "3020 A>B PA seq 229 ack 1129 len 64\n"
               "3025 B>A PA seq 1129 ack 293 len 64\n"
               "3030 A>B A seq 293 ack 1193 len 0\n"
               "3510 A>B FA seq 293 ack 1193 len 0\n"
               "3515 B>A FA seq 1193 ack 294 len 0\n"
               "3520 A>B A seq 294 ack 1194 len 0\n");
    assert_done(f, FLOW_OK, 3520);
    assert_quiet();
}

Test(host, tcp_kept_open_and_cut)
{
    for (unsigned end = A; end <= B; end++) {
        uint32_t f = lan_flow(n, TCP, B, 443);
        int64_t start = n->now;
        n->flow[f].spec.keep_open = 60 * LAN_S;
        lan_start(n, A, f);
        lan_run_until(n, start + 1500 * LAN_MS);
        cr_assert_eq(host_connections(n->host[A]), 1);
        struct packet *rst[2] = {host_cut(n->host[A], f), host_cut(n->host[B], f)};
        cr_assert(rst[A] && rst[B]);
        cr_assert(rst[A]->meta.reply && !rst[B]->meta.reply);
        cr_assert(rst[A]->meta.flow == f && rst[B]->meta.flow == f);
        lan_deliver(n, end, rst[end]);
        if (end == A)
            assert_done(f, FLOW_RESET, (start + 1500 * LAN_MS) / LAN_MS);
        packet_put(n->pool, rst[1 - end]);
        cr_assert_null(host_cut(n->host[end], f));
        lan_run(n); /* cut at the server: the client's next message meets a reset */
        assert_done(f, FLOW_RESET, -1);
        cr_assert_lt(n->now, start + 4 * LAN_S);
        if (end == A) { /* cut at the client alone the server waits */
            rst[B] = host_cut(n->host[B], f);
            cr_assert(rst[B]);
            lan_deliver(n, B, rst[B]);
        }
        assert_quiet();
    }
    cr_assert_null(host_cut(n->host[A], 99));
    cr_assert_null(host_cut(n->host[A], 0));
}

Test(host, tcp_handshake_is_not_cut)
{
    uint32_t f = lan_flow(n, TCP, B, 443);
    lan_start(n, A, f);
    cr_assert_null(host_cut(n->host[A], f));
    lan_run(n);
    assert_done(f, FLOW_OK, 30);
    cr_assert_null(host_cut(n->host[A], f), "TIME-WAIT is no open connection");
}

/* The network goes dark in every phase of a flow: 15 s later it is over. */
Test(host, tcp_into_the_dark)
{
    for (int64_t dark = 2; dark <= 32; dark += 5) {
        uint32_t f = lan_flow(n, TCP, B, 443);
        int64_t start = n->now;
        lan_start(n, A, f);
        lan_run_until(n, start + dark * LAN_MS);
        n->blackhole = true;
        lan_run(n);
        n->blackhole = false;
        /* frames under way arrive: with the answer there, only the goodbye is missing */
        assert_done(f, dark >= 17 ? FLOW_OK : FLOW_TIMEOUT, -1);
        cr_assert_leq(n->flow[f].done_at, start + (dark + 16000) * LAN_MS);
        cr_assert_eq(host_connections(n->host[A]), 0);
    }
    uint32_t f = lan_flow(n, TCP, B, 443);
    int64_t start = n->now;
    n->flow[f].spec.keep_open = 60 * LAN_S;
    lan_start(n, A, f);
    lan_run_until(n, start + 4500 * LAN_MS);
    n->blackhole = true;
    lan_run(n);
    assert_done(f, FLOW_TIMEOUT, -1);
    cr_assert_leq(n->flow[f].done_at, start + 21 * LAN_S);
    cr_assert_geq(n->flow[f].done_at, start + 19 * LAN_S);
}

Test(host, tcp_source_port_by_name_and_again)
{
    n->log_on = false;
    for (int i = 0; i < 5; i++) {
        uint32_t f = lan_flow(n, TCP, B, 443);
        n->flow[f].spec.sport = 40000;
        lan_start(n, A, f);
        uint32_t g = lan_flow(n, TCP, B, 443);
        n->flow[g].spec.sport = 40000;
        lan_start(n, A, g);
        assert_done(g, FLOW_TIMEOUT, n->now / LAN_MS); /* the port is in use */
        lan_run(n);
        assert_done(f, FLOW_OK, -1);
        cr_assert_eq(n->flow[f].seen_sport, 40000);
    }
    assert_quiet();
}

/* The server still has the old connection: challenge, reset, and the repeated SYN opens the new one. */
Test(host, tcp_new_connection_over_a_stale_one)
{
    uint32_t f = lan_flow(n, TCP, B, 443), g = lan_flow(n, TCP, B, 443);
    n->flow[f].spec.sport = n->flow[g].spec.sport = 40000;
    n->flow[f].spec.keep_open = 60 * LAN_S;
    lan_start(n, A, f);
    lan_run_until(n, 100 * LAN_MS);
    lan_deliver(n, A, host_cut(n->host[A], f));
    assert_done(f, FLOW_RESET, 100);
    n->log_len = 0;
    lan_start(n, A, g);
    lan_run(n);
    assert_done(g, FLOW_OK, 1130);
    assert_quiet();
}

Test(host, tcp_ephemeral_ports)
{
    n->log_on = false;
    n->delay = LAN_MS / 10;
    bool *seen = calloc(65536, sizeof *seen);
    for (unsigned i = 0; i < 40000; i++) {
        uint32_t f = i + 1;
        n->flow[f].spec = (struct flow_spec){.id = f, .addr = n->config[B].addr, .proto = TCP, .dport = 443,
                                             .request_bytes = 10, .response_bytes = 10, .keep_open = 3600 * LAN_S};
        lan_start(n, A, f);
    }
    lan_run_until(n, 100 * LAN_MS);
    for (unsigned i = 1; i <= 40000; i++) {
        uint16_t p = n->flow[i].seen_sport;
        if (i <= 16384)
            cr_assert_eq(p, 49151 + i);
        cr_assert_geq(p, 1024);
        cr_assert_not(seen[p], "port %u twice", p);
        seen[p] = true;
    }
    cr_assert_eq(host_connections(n->host[B]), 40000);
    free(seen);
}

/* Private addresses of two networks may be equal: what passed different endpoints is not the same connection. */
Test(host, overlapping_address_spaces)
{
    for (int i = 0; i < 2; i++) {
        struct host_config c = lan_config(n);
        c.addr = IP4(10, 0, 0, 100);
        lan_add(n, &c);
    }
    n->endpoint[2] = 7, n->realm[2] = 1;
    n->endpoint[3] = 8, n->realm[3] = 2;
    uint32_t f = lan_flow(n, TCP, B, 443), g = lan_flow(n, TCP, B, 443);
    n->flow[f].spec.sport = n->flow[g].spec.sport = 50000;
    n->flow[f].spec.keep_open = n->flow[g].spec.keep_open = 10 * LAN_S;
    lan_start(n, 2, f);
    lan_run_until(n, 8 * LAN_MS); /* B's answers go to the first of that address: enough to see two connections */
    lan_start(n, 3, g);
    lan_run_until(n, 14 * LAN_MS);
    cr_assert_eq(host_connections(n->host[B]), 2);
    cr_assert_eq(n->flow[f].arrived, 1);
    cr_assert_eq(n->flow[g].arrived, 1);
}

/* What every packet of a connection carries. */
Test(host, tcp_metadata)
{
    n->endpoint[A] = 70;
    n->realm[A] = 5;
    uint32_t f = lan_flow(n, TCP, B, 443);
    lan_start(n, A, f);
    lan_run_until(n, 12 * LAN_MS);
    struct conn *c = n->host[B]->open.first, *a = n->host[A]->open.first;
    cr_assert(c->meta.flow == f && c->meta.reply && c->meta.origin == B && c->meta.last_hop == B);
    cr_assert(c->meta.endpoint == 70 && c->meta.realm == 5 && c->meta.identity == IDENTITY_NONE);
    cr_assert(a->meta.flow == f && !a->meta.reply && a->meta.origin == A && a->meta.endpoint == PORT_NONE);
    lan_run(n);
    assert_done(f, FLOW_OK, -1);
}

Test(host, tcp_determinism_and_loss)
{
    struct rng r;
    prop_seed(&r, "host loss");
    n->log_on = false;
    unsigned ok = 0;
    for (int i = 0; i < 60; i++) {
        uint64_t hash[2], seed = rng_u64(&r), req = rng_below(&r, 5000), rsp = rng_below(&r, 200000);
        double loss = rng_unit(&r) * 0.2;
        for (int twice = 0; twice < 2; twice++) {
            teardown();
            setup();
            n->log_on = false;
            rng_seed(&n->rng, seed, "loss");
            n->loss = loss, n->dup = 0.05, n->reorder = 0.1;
            uint32_t f = lan_flow(n, TCP, B, 8080);
            n->flow[f].spec.request_bytes = req;
            n->flow[f].spec.response_bytes = rsp;
            lan_start(n, A, f);
            lan_run(n);
            cr_assert_eq(n->flow[f].done, 1);
            cr_assert(n->flow[f].outcome == FLOW_OK || n->flow[f].outcome == FLOW_TIMEOUT, "seed %lu: %d",
                      (unsigned long)seed, n->flow[f].outcome);
            ok += n->flow[f].outcome == FLOW_OK;
            hash[twice] = n->hash;
        }
        cr_assert_eq(hash[0], hash[1], "the same seed gives the same bytes");
    }
    cr_assert_geq(ok, 110, "%u of 120", ok);
}

/* -- names -------------------------------------------------------------------------------------------------------------------- */

static uint32_t named_flow(unsigned server)
{
    uint32_t f = lan_flow(n, TCP, B, 443);
    n->flow[f].spec.name = "myregistry.azurecr.io";
    n->flow[f].spec.addr = 0;
    n->flow[f].spec.resolver = n->config[server].addr;
    return f;
}

static unsigned add_dns(void)
{
    struct host_config c = lan_config(n);
    c.n_listens = 0;
    c.dns_server = true;
    unsigned i = lan_add(n, &c);
    n->dns = (struct dns_msg){.n = 2};
    n->dns.rr[0] = (struct dns_answer_rr){.name = "myregistry.azurecr.io", .type = DNS_TYPE_CNAME, .ttl = 60,
                                          .target = "r.privatelink.azurecr.io"};
    n->dns.rr[1] = (struct dns_answer_rr){.name = "r.privatelink.azurecr.io", .type = DNS_TYPE_A, .ttl = 10,
                                          .addr = n->config[B].addr};
    return i;
}

Test(host, name_resolved_then_connected)
{
    unsigned s = add_dns();
    uint32_t f = named_flow(s);
    lan_start(n, A, f);
    lan_run(n);
    cr_assert_eq(strncmp(n->log, "0 A>C udp 53 len 39\n5 C>A udp 49152 len ", 40), 0, "%s", n->log);
    assert_done(f, FLOW_OK, 40);
    cr_assert_eq(n->flow[f].resolved, 1);
    cr_assert_eq(n->flow[f].answer.n, 2);
    cr_assert_str_eq(n->flow[f].answer.qname, "myregistry.azurecr.io");
    cr_assert_eq(n->flow[f].answer.rr[1].addr, n->config[B].addr);
    cr_assert_eq(n->flow[f].arrived, 1, "the DNS question is not the request");
    assert_quiet();
}

Test(host, negative_answers)
{
    unsigned s = add_dns();
    static const struct {
        uint8_t rcode;
        uint16_t n;
        enum flow_outcome want;
    } rows[] = {{DNS_RCODE_NXDOMAIN, 0, FLOW_NXDOMAIN}, {DNS_RCODE_NOERROR, 0, FLOW_NODATA},
                {DNS_RCODE_NOERROR, 1, FLOW_NODATA},    {DNS_RCODE_SERVFAIL, 0, FLOW_DNS_TIMEOUT},
                {DNS_RCODE_NXDOMAIN, 1, FLOW_NXDOMAIN}, {DNS_RCODE_REFUSED, 0, FLOW_DNS_TIMEOUT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t f = named_flow(s);
        n->dns.rcode = rows[i].rcode;
        n->dns.n = rows[i].n;
        lan_start(n, A, f);
        lan_run(n);
        assert_done(f, rows[i].want, -1);
        cr_assert_eq(n->flow[f].resolved, 1);
        cr_assert_eq(n->flow[f].arrived, 0);
    }
}

Test(host, dns_asked_twice)
{
    unsigned s = add_dns();
    uint32_t f = named_flow(s);
    n->dns_silent = true;
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>C udp 53 len 39\n5000 A>C udp 53 len 39\n");
    assert_done(f, FLOW_DNS_TIMEOUT, 10000);
    cr_assert_eq(n->flow[f].resolved, 0);
    f = named_flow(s);
    int64_t start = n->now;
    lan_start(n, A, f);
    lan_run_until(n, start + LAN_S);
    n->dns_silent = false;
    lan_run(n);
    assert_done(f, FLOW_OK, -1);
    cr_assert_eq((n->flow[f].done_at - start) / LAN_MS, 5040);
}

Test(host, dns_without_a_server)
{
    struct host_config c = lan_config(n);
    c.n_listens = 0;
    lan_add(n, &c);
    uint32_t f = named_flow(C), g = named_flow(B), h = named_flow(B);
    n->flow[h].spec.resolver = 0;
    lan_start(n, A, f); /* nothing listens there: ICMP */
    lan_start(n, A, g); /* listens on udp/53 and is no DNS server */
    lan_start(n, A, h);
    lan_run(n);
    assert_done(f, FLOW_DNS_TIMEOUT, 10);
    assert_done(g, FLOW_DNS_TIMEOUT, 10);
    assert_done(h, FLOW_DNS_TIMEOUT, 0);
    cr_assert_eq(n->flow[g].answer.rcode, DNS_RCODE_REFUSED);
}

/* -- UDP ------------------------------------------------------------------------------------------------------------------------ */

Test(host, udp_request_and_answer)
{
    uint32_t f = lan_flow(n, UDP, B, 4500);
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>B udp 4500 len 100\n5 B>A udp 49152 len 1000\n");
    assert_done(f, FLOW_OK, 10);
    cr_assert(n->flow[f].arrived == 1 && n->flow[f].admitted == 1);
}

Test(host, udp_refused_and_silent)
{
    struct host_config c = lan_config(n);
    c.n_listens = 0;
    lan_add(n, &c);
    uint32_t f = lan_flow(n, UDP, C, 9), g = lan_flow(n, UDP, C, 9);
    n->flow[f].spec.request_bytes = 1400;
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>C udp 9 len 1400\n5 C>A icmp 3/3 len 548\n");
    assert_done(f, FLOW_REFUSED, 10);
    c.silent = true;
    cr_assert_eq(host_reconfigure(n->host[C], &c), 0);
    int64_t start = n->now;
    lan_start(n, A, g);
    lan_run(n);
    assert_done(g, FLOW_TIMEOUT, (start + 5 * LAN_S) / LAN_MS);
    cr_assert(n->flow[f].arrived == 0 && n->flow[g].arrived == 0);
}

Test(host, udp_in_fragments)
{
    uint32_t f = lan_flow(n, UDP, B, 4500);
    n->flow[f].spec.request_bytes = 3000;
    n->flow[f].spec.response_bytes = 1500;
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>B udp 4500 len 1472\n0 A>B fragment at 1480\n0 A>B fragment at 2960\n"
               "5 B>A udp 49152 len 1472\n5 B>A fragment at 1480\n");
    assert_done(f, FLOW_OK, 10);
    cr_assert_eq(n->flow[f].arrived, 1);
}

Test(host, udp_sizes)
{
    static const uint64_t req[] = {0, 1, 64, 1472, 1473, 65507}, rsp[] = {0, 1, 512, 1472, 1473, 65507, 65508, 200000};
    n->log_on = false;
    for (size_t i = 0; i < 6 * 8; i++) {
        uint32_t f = lan_flow(n, UDP, B, 9);
        n->flow[f].spec.request_bytes = req[i / 8];
        n->flow[f].spec.response_bytes = rsp[i % 8];
        lan_start(n, A, f);
        lan_run(n);
        assert_done(f, FLOW_OK, -1);
    }
}

Test(host, udp_too_big)
{
    static const struct {
        uint64_t bytes;
        bool df;
        uint8_t proto;
        bool fits;
    } rows[] = {{1472, true, UDP, true},   {1473, true, UDP, false},  {65507, false, UDP, true},
                {65508, false, UDP, false}, {1472, true, ICMP, true},  {1473, true, ICMP, false},
                {65507, false, ICMP, true}, {65508, false, ICMP, false}, {100000, true, TCP, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t f = lan_flow(n, rows[i].proto, B, 9);
        n->flow[f].spec.request_bytes = rows[i].bytes;
        n->flow[f].spec.dont_fragment = rows[i].df;
        n->log_len = 0, n->log[0] = 0;
        lan_start(n, A, f);
        if (!rows[i].fits) {
            assert_log("");
            assert_done(f, FLOW_TOO_BIG, n->now / LAN_MS);
        }
        lan_run(n);
        assert_done(f, rows[i].fits ? FLOW_OK : FLOW_TOO_BIG, -1);
    }
}

Test(host, udp_kept_open)
{
    uint32_t f = lan_flow(n, UDP, B, 4500);
    n->flow[f].spec.keep_open = 2500 * LAN_MS;
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>B udp 4500 len 100\n5 B>A udp 49152 len 1000\n1010 A>B udp 4500 len 64\n1015 B>A udp 49152 len 64\n"
               "2020 A>B udp 4500 len 64\n2025 B>A udp 49152 len 64\n");
    assert_done(f, FLOW_OK, 2500);
    uint32_t g = lan_flow(n, UDP, B, 4500);
    int64_t start = n->now;
    n->flow[g].spec.keep_open = 60 * LAN_S;
    lan_start(n, A, g);
    lan_run_until(n, start + 2500 * LAN_MS);
    n->blackhole = true;
    lan_run(n);
    assert_done(g, FLOW_TIMEOUT, start / LAN_MS + 3030 + 5000);
}

Test(host, udp_refusals)
{
    static const struct {
        enum reason why;
        enum flow_outcome want;
    } rows[] = {{REASON_SERVICE_FIREWALL, FLOW_OK}, {REASON_NO_HEALTHY_BACKEND, FLOW_TIMEOUT},
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
            assert_done(f, rows[i].want, -1);
            cr_assert_leq(n->flow[f].done_at, start + 5 * LAN_S);
        }
    }
}

Test(host, udp_53_is_dns)
{
    static const uint64_t size[] = {1, 40, 100, 5000};
    for (size_t i = 0; i < 16; i++) {
        uint32_t f = lan_flow(n, UDP, B, 53);
        n->flow[f].spec.request_bytes = size[i / 4];
        n->flow[f].spec.response_bytes = size[i % 4];
        n->flow[f].spec.keep_open = i == 5 ? 2 * LAN_S : 0;
        lan_start(n, A, f);
        lan_run(n);
        assert_done(f, FLOW_OK, -1);
    }
    cr_assert(strstr(n->log, "udp 53 len 5000") || strstr(n->log, "udp 53 len 1472"));
    cr_assert(strstr(n->log, "udp 53 len 100\n"), "padded to exactly what was asked");
}

/* -- ICMP -------------------------------------------------------------------------------------------------------------------------- */

Test(host, echo)
{
    uint32_t f = lan_flow(n, ICMP, B, 0), g = lan_flow(n, ICMP, B, 0);
    n->flow[f].spec.request_bytes = 56;
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>B icmp 8/0 len 56\n5 B>A icmp 0/0 len 56\n");
    assert_done(f, FLOW_OK, 10);
    cr_assert_eq(n->flow[f].arrived, 1);
    struct host_config c = n->config[B];
    c.answers_ping = false;
    host_reconfigure(n->host[B], &c);
    int64_t start = n->now;
    lan_start(n, A, g);
    lan_run(n);
    assert_done(g, FLOW_TIMEOUT, (start + 5 * LAN_S) / LAN_MS);
}

Test(host, echo_in_fragments)
{
    uint32_t f = lan_flow(n, ICMP, B, 0);
    n->flow[f].spec.request_bytes = 4000;
    lan_start(n, A, f);
    lan_run(n);
    assert_done(f, FLOW_OK, 10);
}

/* -- reassembly ---------------------------------------------------------------------------------------------------------------------- */

static const struct eth_fields ETH = {{9}, {8}};

/* Send fragments of a datagram of 2000 bytes for B:9 in the order given ("012" and so on; 'd' a repetition of the first,
 * 'o' one that overlaps). => whether it was answered. */
static bool fragments_answered(const char *order, int64_t gap)
{
    static uint16_t id;
    lan_run(n);
    struct ip_fields ip = {.src = n->config[A].addr, .dst = n->config[B].addr, .ttl = 64, .id = ++id};
    uint8_t pay[2000] = {0};
    struct packet *whole = packet_build_udp(n->pool, &ETH, &ip, 1000, 9, pay, sizeof pay), *list, *f[3], *over;
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
    wire_put16(over->data + 24, (uint16_t)~(sum + (sum >> 16)));
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

Test(host, reassembly)
{
    static const struct {
        const char *order;
        bool want;
    } rows[] = {{"012", true}, {"021", true}, {"102", true}, {"120", true}, {"201", true}, {"210", true}, {"01", false},
                {"02", false}, {"12", false}, {"0d12", true}, {"02d1", true}, {"0o12", true}, {"o12", false},
                {"2o01", false}, {"20o1", true}, {"011", false}, {"22010", true}};
    n->log_on = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(fragments_answered(rows[i].order, 0), rows[i].want, "%s", rows[i].order);
    cr_assert(fragments_answered("012", 14 * LAN_S));
    cr_assert_not(fragments_answered("012", 15 * LAN_S), "30 s are the end");
}

Test(host, reassembly_is_bounded)
{
    n->log_on = false;
    for (int i = 0; i < 200; i++)
        fragments_answered("0", 0);
    cr_assert_eq(n->host[B]->n_reasm, 64);
    cr_assert(fragments_answered("012", 0));
}

Test(host, wrong_checksums_are_dropped)
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

/* -- ARP -------------------------------------------------------------------------------------------------------------------------------- */

static unsigned add_arp_host(void)
{
    struct host_config c = lan_config(n);
    c.arp = true;
    c.onlink = (struct prefix4){IP4(10, 0, 0, 0), 24};
    c.gateway = IP4(10, 0, 0, 1);
    return lan_add(n, &c);
}

Test(host, arp_before_the_first_packet)
{
    unsigned h = add_arp_host();
    uint32_t f = lan_flow(n, UDP, B, 9), g = lan_flow(n, UDP, B, 9), o = lan_flow(n, UDP, B, 9);
    n->flow[f].spec.request_bytes = 2000;
    n->flow[o].spec.addr = IP4(10, 1, 0, 9);
    lan_start(n, h, f);
    lan_run(n);
    lan_start(n, h, g);
    lan_start(n, h, o);
    lan_run(n);
    assert_log("0 arp who-has from C for 5\n0 C>B udp 9 len 1472\n0 C>B fragment at 1480\n5 B>C udp 49152 len 1000\n"
               "1000 C>B udp 9 len 100\n1000 arp who-has from C for 1\n1000 C>? udp 9 len 100\n"
               "1005 B>C udp 49153 len 1000\n");
    assert_done(f, FLOW_OK, -1);
    assert_done(g, FLOW_OK, -1);
}

Test(host, arp_unanswered)
{
    unsigned h = add_arp_host();
    n->no_arp = true;
    uint32_t f = lan_flow(n, UDP, B, 9);
    lan_start(n, h, f);
    lan_run(n);
    assert_log("0 arp who-has from C for 5\n1000 arp who-has from C for 5\n2000 arp who-has from C for 5\n");
    assert_done(f, FLOW_TIMEOUT, 5000);
    n->no_arp = false;
    n->log_len = 0;
    uint32_t g = lan_flow(n, TCP, B, 9);
    lan_start(n, h, g);
    lan_run(n);
    assert_done(g, FLOW_OK, -1);
}

Test(host, arp_questions_answered)
{
    struct arp_info in;
    (void)in;
    lan_deliver(n, B, packet_build_arp(n->pool, 1, n->config[A].mac, n->config[A].addr, (const uint8_t[6]){0},
                                       n->config[B].addr));
    lan_deliver(n, B, packet_build_arp(n->pool, 1, n->config[A].mac, n->config[A].addr, (const uint8_t[6]){0},
                                       n->config[A].addr));
    assert_log("0 arp reply to A for 5\n");
}

/* -- appliance ------------------------------------------------------------------------------------------------------------------------------ */

static unsigned add_appliance(bool snat, bool stateful)
{
    static const struct port_range drops[] = {{IPPROTO_NR_TCP, 23, 25}, {IPPROTO_NR_UDP, 69, 69}};
    struct host_config c = lan_config(n);
    c.appliance.present = c.appliance.forwards = true;
    c.appliance.snat = snat;
    c.appliance.stateful = stateful;
    c.appliance.drops = drops;
    c.appliance.n_drops = 2;
    return lan_add(n, &c);
}

Test(host, not_an_appliance)
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

Test(host, appliance_passes_both_ways)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        teardown();
        setup();
        unsigned v = add_appliance(mode & 1, mode & 2);
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
            assert_done(all[k], FLOW_OK, -1);
            cr_assert_eq(n->flow[all[k]].seen_src, n->config[mode & 1 ? v : (unsigned)A].addr);
        }
        assert_done(d, FLOW_TIMEOUT, -1);
        assert_done(x, FLOW_TIMEOUT, -1);
        cr_assert_eq(n->last_drop, REASON_APPLIANCE_DROP);
        assert_quiet();
    }
}

Test(host, appliance_sees_one_direction_only)
{
    unsigned v = add_appliance(false, true);
    n->via[B] = v; /* only the answers pass it */
    uint32_t f = lan_flow(n, TCP, B, 443), u = lan_flow(n, UDP, B, 9), i = lan_flow(n, ICMP, B, 0);
    lan_start(n, A, f);
    lan_start(n, A, u);
    lan_start(n, A, i);
    lan_run(n);
    assert_done(f, FLOW_TIMEOUT, -1);
    assert_done(u, FLOW_TIMEOUT, -1);
    assert_done(i, FLOW_TIMEOUT, -1);
    cr_assert_eq(n->last_drop, REASON_ASYMMETRIC_RETURN);
    cr_assert_geq(n->drops, 3);
}

Test(host, appliance_without_state_does_not_care)
{
    unsigned v = add_appliance(false, false);
    n->via[B] = v;
    uint32_t f = lan_flow(n, TCP, B, 443);
    lan_start(n, A, f);
    lan_run(n);
    assert_done(f, FLOW_OK, -1);
    cr_assert_null(n->host[v]->nat);
}

/* The middle of a connection does not make a state. */
Test(host, appliance_learns_of_an_old_connection)
{
    unsigned v = add_appliance(false, true);
    uint32_t f = lan_flow(n, TCP, B, 443);
    n->flow[f].spec.keep_open = 30 * LAN_S;
    lan_start(n, A, f);
    lan_run_until(n, 500 * LAN_MS);
    n->via[A] = n->via[B] = v;
    lan_run(n);
    assert_done(f, FLOW_TIMEOUT, -1);
    cr_assert_eq(n->last_drop, REASON_ASYMMETRIC_RETURN);
}

Test(host, translated_ports)
{
    for (int i = 0; i < 2; i++) {
        struct host_config c = lan_config(n);
        lan_add(n, &c);
    }
    unsigned v = add_appliance(true, true);
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
    static const uint16_t want[] = {5000, 1024, 1025, 5000}; /* kept, next free, next free; UDP has ports of its own */
    for (int i = 0; i < 4; i++) {
        assert_done(f[i], FLOW_OK, -1);
        cr_assert_eq(n->flow[f[i]].seen_sport, want[i], "flow %d: %u", i, n->flow[f[i]].seen_sport);
        cr_assert_eq(n->flow[f[i]].seen_src, n->config[v].addr);
    }
}

Test(host, translated_errors_come_back)
{
    unsigned v = add_appliance(true, true);
    struct host_config c = n->config[B];
    c.n_listens = 0;
    host_reconfigure(n->host[B], &c);
    n->via[A] = v;
    for (uint64_t size = 0; size < 6000; size = size * 3 + 100) {
        uint32_t f = lan_flow(n, UDP, B, 9);
        n->flow[f].spec.request_bytes = size;
        lan_start(n, A, f);
        lan_run(n);
        assert_done(f, FLOW_REFUSED, -1);
    }
}

/* The appliance's own connections and those it translates do not meet. */
Test(host, appliance_is_a_host_too)
{
    unsigned v = add_appliance(true, true);
    n->via[A] = v;
    uint32_t own = lan_flow(n, TCP, B, 443), f = lan_flow(n, TCP, B, 443), in = lan_flow(n, TCP, v, 443);
    n->flow[own].spec.sport = n->flow[f].spec.sport = 5000;
    n->flow[own].spec.keep_open = n->flow[f].spec.keep_open = 2 * LAN_S;
    lan_start(n, v, own);
    lan_run_until(n, LAN_S / 2);
    lan_start(n, A, f);
    lan_start(n, A, in);
    lan_run(n);
    assert_done(own, FLOW_OK, -1);
    assert_done(f, FLOW_OK, -1);
    assert_done(in, FLOW_OK, -1);
    cr_assert_eq(n->flow[own].seen_sport, 5000);
    cr_assert_eq(n->flow[f].seen_sport, 1024);
}

Test(host, state_idles_for_five_minutes)
{
    unsigned v = add_appliance(true, true);
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

Test(host, ttl_ends_a_loop)
{
    unsigned v = add_appliance(false, false), w = add_appliance(false, false);
    n->via[A] = v, n->via[v] = w, n->via[w] = v;
    uint32_t f = lan_flow(n, UDP, B, 9);
    lan_start(n, A, f);
    lan_run(n);
    cr_assert_eq(n->drops, 1);
    cr_assert_eq(n->last_drop, REASON_ROUTING_LOOP);
    cr_assert_eq(n->frames, 64);
    assert_done(f, FLOW_TIMEOUT, 5000);
}

Test(host, appliance_with_a_smaller_mtu)
{
    unsigned v = add_appliance(false, false);
    n->config[v].mtu = 1400;
    host_reconfigure(n->host[v], &n->config[v]);
    n->via[A] = v;
    uint32_t f = lan_flow(n, UDP, B, 9), g = lan_flow(n, UDP, B, 9);
    n->flow[f].spec.request_bytes = n->flow[g].spec.request_bytes = 1472;
    n->flow[g].spec.dont_fragment = true;
    lan_start(n, A, f);
    lan_run(n);
    assert_done(f, FLOW_OK, -1);
    lan_start(n, A, g);
    lan_run(n);
    assert_done(g, FLOW_TIMEOUT, -1);
    cr_assert_eq(n->last_drop, REASON_MTU_EXCEEDED);
}

Test(host, translation_runs_out_of_ports)
{
    unsigned v = add_appliance(true, true);
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

/* -- what the engine may do to hosts ------------------------------------------------------------------------------------------------------------ */

Test(host, reconfigured_while_connected)
{
    uint32_t f = lan_flow(n, TCP, B, 443), g = lan_flow(n, TCP, B, 443);
    n->flow[f].spec.keep_open = 3 * LAN_S;
    lan_start(n, A, f);
    lan_run_until(n, 500 * LAN_MS);
    struct host_config c = n->config[B];
    c.n_listens = 0;
    cr_assert_eq(host_reconfigure(n->host[B], &c), 0);
    lan_start(n, A, g);
    lan_run(n);
    assert_done(f, FLOW_OK, -1);
    assert_done(g, FLOW_REFUSED, -1);
}

Test(host, stale_timers_are_ignored)
{
    host_timer(n->host[A], 0);
    host_timer(n->host[A], UINT64_MAX);
    uint32_t f = lan_flow(n, TCP, B, 443);
    lan_start(n, A, f);
    for (uint64_t i = 0; i < 8; i++)
        host_timer(n->host[A], i);
    lan_run(n);
    assert_done(f, FLOW_OK, 30);
}

Test(host, freed_in_the_middle)
{
    for (int64_t at = 0; at < 40; at += 3) {
        teardown();
        setup();
        unsigned v = add_appliance(true, true), h = add_arp_host();
        n->no_arp = at & 1;
        n->via[A] = v;
        uint32_t f = lan_flow(n, TCP, B, 443), u = lan_flow(n, UDP, B, 9), s = named_flow(B);
        n->flow[u].spec.request_bytes = 9000;
        lan_start(n, A, f);
        lan_start(n, A, u);
        lan_start(n, A, s);
        lan_start(n, h, lan_flow(n, UDP, B, 9));
        lan_run_until(n, at * LAN_MS);
    }
}

/* Memory runs out after any number of allocations: flows end or stop, nothing leaks, nothing crashes. */
Test(host, without_memory)
{
    for (size_t k = 0; k < 60; k++) {
        teardown();
        setup();
        n->log_on = false;
        n->delay = LAN_MS;
        unsigned v = add_appliance(true, true), s = add_dns();
        n->via[A] = v;
        cr_assert_eq(evq_reserve(n->q, 100000), 0);
        uint32_t f = lan_flow(n, TCP, B, 443), u = lan_flow(n, UDP, B, 9), d = named_flow(s);
        n->flow[f].spec.response_bytes = n->flow[u].spec.request_bytes = 20000;
        n->reorder = 0.3;
        mem_fail_after(k);
        lan_start(n, A, f);
        lan_start(n, A, u);
        lan_start(n, A, d);
        lan_run(n);
        mem_fail_after(MEM_NEVER_FAIL);
        cr_assert_eq(n->flow[f].done, 1, "k %zu", k);
        cr_assert_eq(n->flow[u].done, 1, "k %zu", k);
        cr_assert_eq(n->flow[d].done, 1, "k %zu", k);
    }
    struct host_config c = n->config[A];
    mem_fail_after(0);
    cr_assert_null(host_new(&n->env, &c));
    cr_assert_eq(host_reconfigure(n->host[A], &c), -12);
    mem_fail_after(1);
    cr_assert_null(host_new(&n->env, &c));
    mem_fail_after(MEM_NEVER_FAIL);
}
