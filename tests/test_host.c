/* test_host.c - machines over a tiny network: TCP, names, and what an engine may do to them. */
#include "dataplane/host_int.h"
#include "dataplane/mem_int.h"
#include "tests/support_lan_two.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(host, .init = lan_two_setup, .fini = lan_two_teardown);

/* -- TCP ------------------------------------------------------------------------------------------------- */

Test(host, tcp_request_and_answer)
{
    uint32_t f = lan_flow(n, TCP, B, 443);
    n->flow[f].spec.response_bytes = 3000;
    lan_start(n, A, f);
    lan_run(n);
    lan_assert_log(n, "0 A>B S seq 0 len 0\n"
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
    lan_assert_done(n, f, FLOW_OK, 30);
    cr_assert_eq(n->flow[f].arrived, 1);
    cr_assert_eq(n->flow[f].admitted, 1);
    lan_assert_quiet(n);
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
    lan_assert_log(n, "0 A>C S seq 0 len 0\n5 C>A RA seq 0 ack 1 len 0\n");
    lan_assert_done(n, f, FLOW_REFUSED, 10);
    cr_assert_eq(n->flow[f].arrived, 0);
    lan_assert_quiet(n);
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
    lan_assert_log(
        n,
        "0 A>C S seq 0 len 0\n0 A>? S seq 0 len 0\n1000 A>C S seq 0 len 0\n1000 A>? S seq 0 len 0\n"
        "3000 A>C S seq 0 len 0\n3000 A>? S seq 0 len 0\n7000 A>C S seq 0 len 0\n7000 A>? S seq 0 len 0\n");
    lan_assert_done(n, f, FLOW_TIMEOUT, 15000);
    lan_assert_done(n, g, FLOW_TIMEOUT, 15000);
    lan_assert_quiet(n);
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
    lan_assert_done(n, f, FLOW_OK, -1);
    lan_assert_quiet(n);
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
        lan_assert_done(n, f[i], FLOW_OK, -1);
        cr_assert_eq(n->flow[f[i]].admitted, 1);
    }
    lan_assert_quiet(n);
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
            n->flow[f].spec.keep_open =
                keep && verdicts[i].why && verdicts[i].response > 512 ? 60 * LAN_S : 0;
            int64_t start = n->now;
            lan_start(n, A, f);
            lan_run(n);
            lan_assert_done(n, f, verdicts[i].want, -1);
            cr_assert_eq(n->flow[f].admitted, 1);
            if (verdicts[i].want == FLOW_OK)
                cr_assert_lt(n->flow[f].done_at - start, 100 * LAN_MS,
                             "a refused client does not keep the connection");
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
    lan_assert_log(n, "0 A>B S seq 0 len 0\n"
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
    lan_assert_done(n, f, FLOW_OK, 3520);
    lan_assert_quiet(n);
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
            lan_assert_done(n, f, FLOW_RESET, (start + 1500 * LAN_MS) / LAN_MS);
        packet_put(n->pool, rst[1 - end]);
        cr_assert_null(host_cut(n->host[end], f));
        lan_run(n); /* cut at the server: the client's next message meets a reset */
        lan_assert_done(n, f, FLOW_RESET, -1);
        cr_assert_lt(n->now, start + 4 * LAN_S);
        if (end == A) { /* cut at the client alone the server waits */
            rst[B] = host_cut(n->host[B], f);
            cr_assert(rst[B]);
            lan_deliver(n, B, rst[B]);
        }
        lan_assert_quiet(n);
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
    lan_assert_done(n, f, FLOW_OK, 30);
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
        lan_assert_done(n, f, dark >= 17 ? FLOW_OK : FLOW_TIMEOUT, -1);
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
    lan_assert_done(n, f, FLOW_TIMEOUT, -1);
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
        lan_assert_done(n, g, FLOW_TIMEOUT, n->now / LAN_MS); /* the port is in use */
        lan_run(n);
        lan_assert_done(n, f, FLOW_OK, -1);
        cr_assert_eq(n->flow[f].seen_sport, 40000);
    }
    lan_assert_quiet(n);
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
    lan_assert_done(n, f, FLOW_RESET, 100);
    n->log_len = 0;
    lan_start(n, A, g);
    lan_run(n);
    lan_assert_done(n, g, FLOW_OK, 1130);
    lan_assert_quiet(n);
}

Test(host, tcp_ephemeral_ports)
{
    n->log_on = false;
    n->delay = LAN_MS / 10;
    bool *seen = calloc(65536, sizeof *seen);
    for (unsigned i = 0; i < 40000; i++) {
        uint32_t f = i + 1;
        n->flow[f].spec = (struct flow_spec){.id = f,
                                             .addr = n->config[B].addr,
                                             .proto = TCP,
                                             .dport = 443,
                                             .request_bytes = 10,
                                             .response_bytes = 10,
                                             .keep_open = 3600 * LAN_S};
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

/* Private addresses of two networks may be equal: what passed different endpoints is not the same connection.
 */
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
    lan_run_until(
        n, 8 * LAN_MS); /* B's answers go to the first of that address: enough to see two connections */
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
    lan_assert_done(n, f, FLOW_OK, -1);
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
            lan_two_teardown();
            lan_two_setup();
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

/* -- names ----------------------------------------------------------------------------------------------- */

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
    n->dns.rr[0] = (struct dns_answer_rr){.name = "myregistry.azurecr.io",
                                          .type = DNS_TYPE_CNAME,
                                          .ttl = 60,
                                          .target = "r.privatelink.azurecr.io"};
    n->dns.rr[1] = (struct dns_answer_rr){
        .name = "r.privatelink.azurecr.io", .type = DNS_TYPE_A, .ttl = 10, .addr = n->config[B].addr};
    return i;
}

Test(host, name_resolved_then_connected)
{
    unsigned s = add_dns();
    uint32_t f = named_flow(s);
    lan_start(n, A, f);
    lan_run(n);
    cr_assert_eq(strncmp(n->log, "0 A>C udp 53 len 39\n5 C>A udp 49152 len ", 40), 0, "%s", n->log);
    lan_assert_done(n, f, FLOW_OK, 40);
    cr_assert_eq(n->flow[f].resolved, 1);
    cr_assert_eq(n->flow[f].answer.n, 2);
    cr_assert_str_eq(n->flow[f].answer.qname, "myregistry.azurecr.io");
    cr_assert_eq(n->flow[f].answer.rr[1].addr, n->config[B].addr);
    cr_assert_eq(n->flow[f].arrived, 1, "the DNS question is not the request");
    lan_assert_quiet(n);
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
        lan_assert_done(n, f, rows[i].want, -1);
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
    lan_assert_log(n, "0 A>C udp 53 len 39\n5000 A>C udp 53 len 39\n");
    lan_assert_done(n, f, FLOW_DNS_TIMEOUT, 10000);
    cr_assert_eq(n->flow[f].resolved, 0);
    f = named_flow(s);
    int64_t start = n->now;
    lan_start(n, A, f);
    lan_run_until(n, start + LAN_S);
    n->dns_silent = false;
    lan_run(n);
    lan_assert_done(n, f, FLOW_OK, -1);
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
    lan_assert_done(n, f, FLOW_DNS_TIMEOUT, 10);
    lan_assert_done(n, g, FLOW_DNS_TIMEOUT, 10);
    lan_assert_done(n, h, FLOW_DNS_TIMEOUT, 0);
    cr_assert_eq(n->flow[g].answer.rcode, DNS_RCODE_REFUSED);
}

/* -- what the engine may do to hosts --------------------------------------------------------------------- */

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
    lan_assert_done(n, f, FLOW_OK, -1);
    lan_assert_done(n, g, FLOW_REFUSED, -1);
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
    lan_assert_done(n, f, FLOW_OK, 30);
}

Test(host, freed_in_the_middle)
{
    for (int64_t at = 0; at < 40; at += 3) {
        lan_two_teardown();
        lan_two_setup();
        unsigned v = lan_add_appliance(n, true, true), h = lan_add_arp(n);
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
        lan_two_teardown();
        lan_two_setup();
        n->log_on = false;
        n->delay = LAN_MS;
        unsigned v = lan_add_appliance(n, true, true), s = add_dns();
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
