/* test_host_dns.c - DNS servers that forward and cache, and stub resolvers with several servers: who is asked
 * when, what is kept how long, what becomes of loops and silence. */
#include "dataplane/host_int.h"
#include "dataplane/mem_int.h"
#include "tests/support_lan.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { A, B, C, D }; /* A is the client; the rest are servers */

static struct lan *n;
static unsigned answered[LAN_HOSTS]; /* questions that reached a server which knows */
static bool silent[LAN_HOSTS];
static bool (*zone)(const char *name, struct dns_msg *m); /* what C knows, and D */
static bool (*held)(const char *name, struct dns_msg *m); /* what B holds itself */

static void add_rr(struct dns_msg *m, const char *name, uint32_t ttl, const char *target, ip4 addr)
{
    struct dns_answer_rr *rr = &m->rr[m->n++];
    *rr = (struct dns_answer_rr){.type = target ? DNS_TYPE_CNAME : DNS_TYPE_A, .ttl = ttl, .addr = addr};
    snprintf(rr->name, sizeof rr->name, "%s", name);
    if (target)
        snprintf(rr->target, sizeof rr->target, "%s", target);
}

static bool answer(struct lan *lan, unsigned port, bool asked, struct dns_msg *m)
{
    (void)lan;
    m->response = true;
    m->rcode = DNS_RCODE_NOERROR;
    m->n = 0;
    if (!asked)
        return port == B && held && held(m->qname, m);
    answered[port]++;
    if (silent[port])
        return false;
    return zone(m->qname, m);
}

/* db: an alias that lives an hour, and an address that lives 10 s; all else: no such name. */
static bool db_zone(const char *name, struct dns_msg *m)
{
    if (strcasecmp(name, "db.net") != 0) {
        m->rcode = DNS_RCODE_NXDOMAIN;
        return true;
    }
    if (m->qtype != DNS_TYPE_A)
        return true;
    add_rr(m, "db.net", 3600, "db.privatelink.net", 0);
    add_rr(m, "db.privatelink.net", 10, NULL, IP4(10, 0, 0, 9));
    return true;
}

static unsigned add(bool dns, const struct dns_forward *f, size_t n_forwards)
{
    struct host_config c = lan_config(n);
    c.n_listens = 0;
    c.dns_server = dns;
    c.forwards = f;
    c.n_forwards = n_forwards;
    return lan_add(n, &c);
}

#define ADDR(i) IP4(10, 0, 0, 4 + (i))

/* A, B that forwards to C, and C and D that know. */
static void setup(void)
{
    static const struct dns_forward to_c = {"", ADDR(C)};
    n = lan_new();
    n->log_on = true;
    n->dns_fn = answer;
    zone = db_zone;
    held = NULL;
    memset(answered, 0, sizeof answered);
    memset(silent, 0, sizeof silent);
    add(false, NULL, 0);
    add(true, &to_c, 1);
    add(true, NULL, 0);
    add(true, NULL, 0);
}

static void teardown(void)
{
    lan_free(n);
}

TestSuite(host_dns, .init = setup, .fini = teardown);

static uint32_t query(unsigned server, const char *name)
{
    uint32_t f = lan_flow(n, 0, server, 0);
    n->flow[f].spec.name = name;
    n->flow[f].spec.addr = 0;
    n->flow[f].spec.resolver = n->config[server].addr;
    return f;
}

static uint32_t ask(unsigned server, const char *name)
{
    uint32_t f = query(server, name);
    lan_start(n, A, f);
    lan_run(n);
    return f;
}

static uint32_t ask_at(int64_t at_ms, unsigned server, const char *name)
{
    uint32_t f = query(server, name);
    lan_run_until(n, at_ms * LAN_MS);
    n->log_len = 0;
    n->log[0] = 0;
    lan_start(n, A, f);
    lan_run_until(n, at_ms * LAN_MS + 900 * LAN_MS);
    return f;
}

static void assert_log(const char *want)
{
    cr_assert_str_eq(n->log, want);
}

static void assert_outcome(uint32_t f, enum flow_outcome want, int64_t at_ms)
{
    cr_assert_eq(n->flow[f].done, 1);
    cr_assert_eq(n->flow[f].outcome, want, "outcome %d", n->flow[f].outcome);
    cr_assert_eq(n->flow[f].done_at / LAN_MS, at_ms, "at %ld", (long)(n->flow[f].done_at / LAN_MS));
}

/* -- forwarding ------------------------------------------------------------------------------------------ */

Test(host_dns, forwarded_and_relayed)
{
    uint32_t f = ask_at(0, B, "db.net");
    assert_log("0 A>B udp 53 len 24\n"
               "5 B>C udp 53 len 24\n"
               "10 C>B udp 49152 len 69\n"
               "15 B>A udp 49152 len 69\n");
    assert_outcome(f, FLOW_OK, 20);
    const struct dns_msg *m = &n->flow[f].answer;
    cr_assert_str_eq(m->qname, "db.net");
    cr_assert_eq(m->n, 2);
    cr_assert(m->recursion_available && !m->authoritative);
    cr_assert_str_eq(m->rr[0].target, "db.privatelink.net");
    cr_assert_eq(m->rr[0].ttl, 3600);
    cr_assert_eq(m->rr[1].addr, IP4(10, 0, 0, 9));
    cr_assert_eq(m->rr[1].ttl, 10);
    cr_assert_eq(n->flow[f].arrived, 0, "a question is no request");
}

/* The whole answer is kept as long as its shortest record lives, and clients are told what is left. */
Test(host_dns, kept_until_the_shortest_ttl)
{
    ask_at(0, B, "db.net");
    uint32_t f = ask_at(5015, B, "DB.net"); /* stored at 15 ms; names have no case */
    assert_log("5015 A>B udp 53 len 24\n5020 B>A udp 49153 len 72\n");
    cr_assert_eq(n->flow[f].answer.rr[0].ttl, 3595);
    cr_assert_eq(n->flow[f].answer.rr[1].ttl, 5);
    f = ask_at(10005, B, "db.net"); /* arrives at 10.010 s: 5 ms are left */
    cr_assert_eq(n->flow[f].answer.rr[1].ttl, 1);
    cr_assert_eq(answered[C], 1);
    f = ask_at(10010 + 1000, B, "db.net");
    cr_assert_eq(answered[C], 2, "asked again, for the name itself");
    cr_assert_eq(n->flow[f].answer.rr[1].ttl, 10);
    cr_assert_eq(n->flow[f].answer.rr[0].ttl, 3600);
}

Test(host_dns, boundary_of_a_life)
{
    ask_at(0, B, "db.net"); /* kept from 15 ms to 10.015 s */
    uint32_t f = query(B, "db.net"), g = query(B, "db.net");
    lan_run_until(n, 10009 * LAN_MS + 999999);
    lan_start(n, A, f); /* there 1 ns too early */
    lan_run_until(n, 10010 * LAN_MS);
    cr_assert_eq(answered[C], 1);
    lan_start(n, A, g); /* there at 10.015 s */
    lan_run(n);
    cr_assert_eq(answered[C], 2);
}

Test(host_dns, negative_answers_are_kept_300_s)
{
    uint32_t f = ask_at(0, B, "no.net");
    cr_assert_eq(n->flow[f].outcome, FLOW_NXDOMAIN);
    cr_assert_eq(n->flow[f].answer.negative_ttl, 300);
    f = ask_at(299000, B, "no.net");
    cr_assert_eq(n->flow[f].outcome, FLOW_NXDOMAIN);
    cr_assert_eq(n->flow[f].answer.negative_ttl, 2, "stored at 15 ms: 298 whole seconds are gone");
    cr_assert_eq(answered[C], 1);
    f = ask_at(301000, B, "no.net");
    cr_assert_eq(n->flow[f].outcome, FLOW_NXDOMAIN);
    cr_assert_eq(answered[C], 2);
}

/* A cache behind a cache keeps a negative answer no longer than the first one. */
Test(host_dns, negative_lives_add_up_to_one)
{
    static const struct dns_forward to_b = {"", ADDR(B)};
    unsigned e = add(true, &to_b, 1);
    ask_at(0, B, "no.net");
    ask_at(200000, e, "no.net");
    cr_assert_eq(answered[C], 1);
    ask_at(299000, e, "no.net");
    cr_assert_eq(answered[C], 1);
    ask_at(302000, e, "no.net"); /* lives are told in whole seconds, rounded up */
    cr_assert_eq(answered[C], 2, "not another 300 s from the second server's question");
}

static bool odd_zone(const char *name, struct dns_msg *m)
{
    if (strcmp(name, "zero.net") == 0)
        add_rr(m, name, 0, NULL, IP4(10, 0, 0, 9));
    else if (strcmp(name, "broken.net") == 0)
        m->rcode = DNS_RCODE_SERVFAIL;
    else if (strcmp(name, "refused.net") == 0)
        m->rcode = DNS_RCODE_REFUSED;
    return true; /* others: no data */
}

Test(host_dns, what_is_not_kept)
{
    static const struct {
        const char *name;
        enum flow_outcome want;
        unsigned asked;
    } rows[] = {{"zero.net", FLOW_OK, 2},
                {"broken.net", FLOW_DNS_TIMEOUT, 2},
                {"refused.net", FLOW_DNS_TIMEOUT, 2},
                {"empty.net", FLOW_NODATA, 1}};
    zone = odd_zone;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answered[C] = 0;
        for (unsigned k = 0; k < 2; k++) {
            uint32_t f = ask_at((int64_t)i * 10000 + k * 2000, B, rows[i].name);
            cr_assert_eq(n->flow[f].outcome, rows[i].want, "%s", rows[i].name);
        }
        cr_assert_eq(answered[C], rows[i].asked, "%s", rows[i].name);
    }
}

/* -- which server ---------------------------------------------------------------------------------------- */

static void forwards(unsigned host, const struct dns_forward *f, size_t k)
{
    struct host_config c = n->config[host];
    c.forwards = f;
    c.n_forwards = k;
    cr_assert_eq(host_reconfigure(n->host[host], &c), 0);
}

Test(host_dns, longest_zone_wins)
{
    static const struct dns_forward list[] = {
        {"", ADDR(C)}, {"net", ADDR(C)}, {"privatelink.net", ADDR(D)}, {"privatelink.net", ADDR(C)}};
    static const struct {
        const char *name;
        unsigned who;
    } rows[] = {{"a.org", C},
                {"a.net", C},
                {"x.privatelink.net", D},
                {"privatelink.net", D},
                {"X.PrivateLink.NET", D},
                {"xprivatelink.net", C},
                {"privatelink.net.org", C},
                {"net", C}};
    forwards(B, list, 4);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(answered, 0, sizeof answered);
        ask_at((int64_t)i * 1000000, B, rows[i].name);
        cr_assert_eq(answered[C], rows[i].who == C, "%s", rows[i].name);
        cr_assert_eq(answered[D], rows[i].who == D, "%s", rows[i].name);
    }
}

/* N-08: the public name is what is asked; that the answer leads through a forwarded zone changes nothing. */
Test(host_dns, a_chain_is_not_asked_again)
{
    static const struct dns_forward list[] = {{"privatelink.net", ADDR(D)}, {"", ADDR(C)}};
    forwards(B, list, 2);
    ask_at(0, B, "db.net");
    ask_at(20000, B, "db.net");
    cr_assert_eq(answered[C], 2);
    cr_assert_eq(answered[D], 0);
}

Test(host_dns, nobody_to_ask)
{
    static const struct dns_forward list[] = {{"org", ADDR(C)}};
    forwards(B, list, 1);
    uint32_t f = ask_at(0, B, "db.net");
    assert_outcome(f, FLOW_DNS_TIMEOUT, 10);
    cr_assert_eq(n->flow[f].answer.rcode, DNS_RCODE_SERVFAIL);
}

/* -- own zones ------------------------------------------------------------------------------------------- */

static bool own_zone(const char *name, struct dns_msg *m)
{
    const size_t k = strlen(name), z = strlen("privatelink.net");
    if (k < z || strcasecmp(name + k - z, "privatelink.net") != 0)
        return false;
    if (strcmp(name, "out.privatelink.net") == 0)
        add_rr(m, name, 60, "db.net", 0);
    else if (strcmp(name, "loop.privatelink.net") == 0)
        add_rr(m, name, 60, "loop.privatelink.net", 0);
    else if (strcmp(name, "db.privatelink.net") == 0 && m->qtype == DNS_TYPE_A)
        add_rr(m, name, 7, NULL, IP4(10, 0, 0, 77));
    else if (strcmp(name, "db.privatelink.net") != 0)
        m->rcode = DNS_RCODE_NXDOMAIN;
    return true;
}

Test(host_dns, own_names_are_answered_at_once)
{
    held = own_zone;
    uint32_t f = ask_at(0, B, "db.privatelink.net"), g = ask_at(1000, B, "none.privatelink.net");
    cr_assert_eq(n->flow[f].outcome, FLOW_OK);
    cr_assert(n->flow[f].answer.authoritative);
    cr_assert_eq(n->flow[f].answer.rr[0].addr, IP4(10, 0, 0, 77));
    cr_assert_eq(n->flow[g].outcome, FLOW_NXDOMAIN);
    cr_assert_eq(answered[C], 0);
}

/* N-12: a public alias that leads into an own zone is followed there, from the cache too. */
Test(host_dns, own_zones_outrank_what_others_say)
{
    held = own_zone;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t f = ask_at(i * 2000, B, "db.net");
        const struct dns_msg *m = &n->flow[f].answer;
        cr_assert_eq(m->n, 2);
        cr_assert_str_eq(m->rr[0].target, "db.privatelink.net");
        cr_assert_eq(m->rr[1].addr, IP4(10, 0, 0, 77));
        cr_assert_eq(m->rr[1].ttl, 7, "own records do not age");
        cr_assert_not(m->authoritative);
    }
    cr_assert_eq(answered[C], 1);
}

Test(host_dns, own_alias_leads_out_and_back)
{
    held = own_zone;
    uint32_t f = ask_at(0, B, "out.privatelink.net");
    const struct dns_msg *m = &n->flow[f].answer;
    cr_assert_eq(m->n, 3);
    cr_assert_str_eq(m->rr[0].target, "db.net");
    cr_assert_str_eq(m->rr[1].target, "db.privatelink.net");
    cr_assert_eq(m->rr[2].addr, IP4(10, 0, 0, 77));
    cr_assert_eq(answered[C], 1);
    f = ask_at(2000, B, "loop.privatelink.net");
    cr_assert_eq(n->flow[f].outcome, FLOW_DNS_TIMEOUT, "an alias of itself ends in SERVFAIL");
}

/* -- silence and loops ----------------------------------------------------------------------------------- */

Test(host_dns, silent_forwarder)
{
    silent[C] = true;
    uint32_t f = ask(B, "db.net");
    assert_log("0 A>B udp 53 len 24\n"
               "5 B>C udp 53 len 24\n"
               "2005 B>C udp 53 len 24\n"
               "4005 B>A udp 49152 len 24\n");
    assert_outcome(f, FLOW_DNS_TIMEOUT, 4010);
    cr_assert_eq(n->flow[f].answer.rcode, DNS_RCODE_SERVFAIL);
}

/* Two that forward to each other: each asks the other once (and once more), and no more. */
Test(host_dns, loop_of_two)
{
    static const struct dns_forward to_b = {"", ADDR(B)};
    unsigned e = add(true, &to_b, 1);
    static struct dns_forward to_e;
    to_e = (struct dns_forward){"", n->config[e].addr};
    forwards(B, &to_e, 1);
    uint32_t f = ask(B, "db.net");
    assert_outcome(f, FLOW_DNS_TIMEOUT, 4010);
    assert_log("0 A>B udp 53 len 24\n"
               "5 B>E udp 53 len 24\n"
               "10 E>B udp 53 len 24\n"
               "2005 B>E udp 53 len 24\n"
               "2010 E>B udp 53 len 24\n"
               "4005 B>A udp 49152 len 24\n"
               "4005 B>E udp 49152 len 24\n"
               "4010 E>B udp 49152 len 24\n");
    f = ask_at(20000, B, "db.net");
    cr_assert_eq(n->flow[f].done, 0, "failures are not kept: it is tried again");
}

Test(host_dns, forwarder_to_itself)
{
    static const struct dns_forward self = {"", ADDR(B)};
    forwards(B, &self, 1);
    uint32_t f = ask(B, "db.net");
    assert_log("0 A>B udp 53 len 24\n4005 B>A udp 49152 len 24\n");
    assert_outcome(f, FLOW_DNS_TIMEOUT, 4010);
}

Test(host_dns, nothing_listens_at_the_forwarder)
{
    static const struct dns_forward to_a = {"", ADDR(A)};
    forwards(B, &to_a, 1);
    uint32_t f = ask(B, "db.net");
    assert_log("0 A>B udp 53 len 24\n5 B>A udp 53 len 24\n10 A>B icmp 3/3 len 52\n15 B>A udp 49152 len 24\n");
    assert_outcome(f, FLOW_DNS_TIMEOUT, 20);
}

/* Questions for one name wait for one fetch; an answer that comes late is swallowed where it was expected. */
Test(host_dns, one_fetch_for_many)
{
    enum { MANY = 20 };
    uint32_t f[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        f[i] = query(B, i % 2 ? "db.net" : "Db.Net");
        lan_start(n, A, f[i]);
    }
    lan_run(n);
    cr_assert_eq(answered[C], 1);
    for (unsigned i = 0; i < MANY; i++)
        assert_outcome(f[i], FLOW_OK, 20);
}

Test(host_dns, slow_upstream)
{
    n->delay = 1500 * LAN_MS; /* 3 s there and back: asked twice, both answers come */
    uint32_t f = ask(B, "db.net");
    cr_assert_eq(answered[C], 2);
    cr_assert_eq(strstr(n->log, "B>C icmp"), NULL, "%s", n->log);
    cr_assert_eq(n->flow[f].done, 1);
}

/* -- the server itself, other types ---------------------------------------------------------------------- */

Test(host_dns, a_server_that_asks_itself)
{
    uint32_t f = query(B, "db.net");
    lan_start(n, B, f);
    lan_run(n);
    assert_log("0 B>C udp 53 len 24\n5 C>B udp 49153 len 69\n");
    assert_outcome(f, FLOW_OK, 10);
    cr_assert_eq(n->flow[f].answer.n, 2);
    f = query(B, "db.net");
    lan_start(n, B, f);
    cr_assert_eq(n->flow[f].done, 1, "out of its cache: nothing to wait for");
}

Test(host_dns, other_types_are_other_questions)
{
    struct dns_msg q = {.id = 7, .recursion_desired = true, .qname = "db.net", .qtype = DNS_TYPE_AAAA}, m;
    struct eth_fields eth = {{1}, {2}};
    struct ip_fields ip = {.src = ADDR(A), .dst = ADDR(B), .ttl = 64};
    uint8_t buf[512];
    ask_at(0, B, "db.net");
    for (unsigned i = 0; i < 2; i++) {
        int len = dns_encode(&q, buf, sizeof buf);
        struct packet *p = packet_build_udp(n->pool, &eth, &ip, 5353, 53, buf, (size_t)len);
        p->meta.dns = true;
        p->meta.origin = p->meta.last_hop = A;
        n->log[n->log_len = 0] = 0;
        lan_deliver(n, B, p);
        lan_run(n);
    }
    cr_assert_eq(answered[C], 2, "AAAA is asked for once, and its absence kept");
    cr_assert(strstr(n->log, "B>A udp 5353"), "%s", n->log);
    cr_assert_eq(strstr(n->log, "B>C"), NULL, "%s", n->log);
    (void)m;
}

/* -- several servers of a client ------------------------------------------------------------------------- */

static uint32_t query_list(const ip4 *more, size_t k)
{
    uint32_t f = query(C, "db.net");
    n->flow[f].spec.resolver_next = more;
    n->flow[f].spec.n_resolver_next = k;
    return f;
}

Test(host_dns, next_server_after_a_timeout)
{
    static const ip4 next[] = {ADDR(D)};
    uint32_t f = query_list(next, 1);
    silent[C] = true;
    lan_start(n, A, f);
    lan_run(n);
    assert_log("0 A>C udp 53 len 24\n5000 A>D udp 53 len 24\n5005 D>A udp 49153 len 69\n");
    assert_outcome(f, FLOW_OK, 5010);
}

Test(host_dns, two_rounds)
{
    static const ip4 next[] = {ADDR(D)};
    uint32_t f = query_list(next, 1);
    silent[C] = silent[D] = true;
    lan_start(n, A, f);
    lan_run(n);
    assert_log(
        "0 A>C udp 53 len 24\n5000 A>D udp 53 len 24\n10000 A>C udp 53 len 24\n15000 A>D udp 53 len 24\n");
    assert_outcome(f, FLOW_DNS_TIMEOUT, 20000);
}

/* A failure gives way at once: SERVFAIL, a closed port; the last server's ends it. NXDOMAIN is an answer. */
Test(host_dns, next_server_after_a_failure)
{
    static const ip4 next[] = {ADDR(A), ADDR(D)};
    zone = odd_zone;
    uint32_t f = query_list(next, 2);
    n->flow[f].spec.name = "broken.net";
    lan_start(n, A, f);
    lan_run(n);
    cr_assert_eq(answered[C], 1);
    cr_assert_eq(answered[D], 1);
    assert_outcome(f, FLOW_DNS_TIMEOUT, 20);
    zone = db_zone;
    uint32_t g = query_list(next, 2);
    n->flow[g].spec.name = "none.net";
    lan_start(n, A, g);
    lan_run(n);
    cr_assert_eq(answered[C], 2);
    cr_assert_eq(answered[D], 1);
    cr_assert_eq(n->flow[g].outcome, FLOW_NXDOMAIN);
}

/* -- memory ---------------------------------------------------------------------------------------------- */

/* More names than are kept: the oldest go, memory stays flat. */
Test(host_dns, churn_of_the_cache)
{
    enum { NAMES = 5000 };
    static char name[NAMES][16];
    n->log_on = false;
    size_t live[2] = {0};
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < NAMES; i++) {
            snprintf(name[i], sizeof name[i], "n%u.net", i);
            uint32_t f = query(B, name[i]);
            lan_start(n, A, f);
            lan_run_until(n, n->now + 25 * LAN_MS);
            cr_assert_eq(n->flow[f].outcome, FLOW_NXDOMAIN);
            n->flow[f].spec.id = 0;
            n->flow[f].done = 0;
        }
        live[round] = mem_live_bytes();
    }
    cr_assert_eq(live[0], live[1]);
    cr_assert_eq(answered[C], 2 * NAMES, "5000 names at 25 ms each outlast 300 s only in number");
}

/* Every allocation fails in turn: no answer, or a failure, but never a lost block or a hanging flow. */
Test(host_dns, failing_allocations)
{
    for (unsigned fail = 0; fail < 40; fail++) {
        uint32_t f = query(B, "db.net");
        mem_fail_after(fail);
        lan_start(n, A, f);
        lan_run(n);
        mem_fail_after(MEM_NEVER_FAIL);
        cr_assert_eq(n->flow[f].done, 1);
        lan_run_until(n, n->now + 400 * LAN_S);
    }
}
