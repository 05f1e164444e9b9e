/* support_lan.c - see support_lan.h. */
#include "tests/support_lan.h"

#include "dataplane/wire.h"
#include "tests/support_mem.h"
#include "tests/support_tap.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { EV_FRAME = 1, EV_TIMER };

static const uint8_t fabric[6] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc};

/* -- log ------------------------------------------------------------------------------------------------- */

static void say(struct lan *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct lan *n, const char *fmt, ...)
{
    va_list ap;
    if (!n->log_on || n->log_len > LAN_LOG - 256)
        return;
    va_start(ap, fmt);
    n->log_len += (size_t)vsnprintf(n->log + n->log_len, LAN_LOG - n->log_len, fmt, ap);
    va_end(ap);
}

static char name_of(const struct lan *n, ip4 a)
{
    for (unsigned i = 0; i < n->n; i++) {
        if (n->config[i].addr == a)
            return (char)('A' + i);
    }
    return '?';
}

/* Relative numbers: the first seen each way of a pair of machines, a SYN begins anew. */
static void say_tcp(struct lan *n, const struct packet_info *in)
{
    unsigned s = (unsigned)(name_of(n, in->src) - 'A') % LAN_HOSTS,
             d = (unsigned)(name_of(n, in->dst) - 'A') % LAN_HOSTS;
    if (in->tcp_flags & TCP_SYN)
        n->base[s][d & 1] = in->seq;
    say(n, " %s%s%s%s%s seq %u", in->tcp_flags & TCP_SYN ? "S" : "", in->tcp_flags & TCP_FIN ? "F" : "",
        in->tcp_flags & TCP_RST ? "R" : "", in->tcp_flags & TCP_PSH ? "P" : "",
        in->tcp_flags & TCP_ACK ? "A" : "", in->seq - n->base[s][d & 1]);
    if (in->tcp_flags & TCP_ACK)
        say(n, " ack %u", in->ack - n->base[d][s & 1]);
    say(n, " len %u", in->payload_len);
}

static void say_frame(struct lan *n, const struct packet *p)
{
    struct packet_info in;
    struct arp_info arp;
    if (!n->log_on)
        return;
    say(n, "%lld ", (long long)(n->now / LAN_MS));
    if (packet_parse_arp(p->data, p->len, &arp) == 0) {
        say(n, "arp %s %c for %u\n", arp.op == 1 ? "who-has from" : "reply to",
            name_of(n, arp.op == 1 ? arp.spa : arp.tpa), (arp.op == 1 ? arp.tpa : arp.spa) & 255);
        return;
    }
    cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
    say(n, "%c>%c", name_of(n, in.src), name_of(n, in.dst));
    if (in.frag_offset)
        say(n, " fragment at %u", in.frag_offset);
    else if (in.proto == IPPROTO_NR_TCP)
        say_tcp(n, &in);
    else if (in.proto == IPPROTO_NR_UDP)
        say(n, " udp %u len %u", in.dport, in.payload_len);
    else
        say(n, " icmp %u/%u len %u", in.icmp_type, in.icmp_code, in.payload_len);
    say(n, "\n");
}

/* -- env ------------------------------------------------------------------------------------------------- */

static int64_t lan_now(void *ctx)
{
    return ((struct lan *)ctx)->now;
}

static void send_later(struct lan *n, unsigned to, struct packet *p, int64_t delay)
{
    if (evq_push(n->q, n->now + delay, EV_FRAME, to, 0, p) != 0)
        packet_put(n->pool, p);
}

static unsigned next_hop(const struct lan *n, unsigned from, ip4 dst)
{
    if (n->via[from] < LAN_HOSTS)
        return n->via[from];
    for (unsigned i = 0; i < n->n; i++) {
        if (n->config[i].addr == dst && !n->config[i].any_addr)
            return i;
    }
    for (unsigned i = 0; i < n->n; i++) {
        if (n->config[i].any_addr)
            return i;
    }
    return LAN_HOSTS;
}

static void answer_arp(struct lan *n, unsigned port, const struct packet *p)
{
    struct arp_info in;
    if (n->no_arp || packet_parse_arp(p->data, p->len, &in) || in.op != 1)
        return;
    struct packet *a = packet_build_arp(n->pool, 2, fabric, in.tpa, in.sha, in.spa);
    if (a)
        send_later(n, port, a, 0);
}

static void forward(struct lan *n, unsigned port, struct packet *p)
{
    unsigned to = next_hop(n, port, wire_get32(p->data + ETH_HLEN + WIRE_IP_DST));
    if (n->endpoint[port] != PORT_NONE && !p->meta.reply) {
        p->meta.endpoint = n->endpoint[port];
        p->meta.realm = n->realm[port];
    }
    for (unsigned copies = 1 + (rng_unit(&n->rng) < n->dup); copies && to < LAN_HOSTS && !n->blackhole;
         copies--) {
        int64_t d =
            n->delay +
            (rng_unit(&n->rng) < n->reorder ? (int64_t)rng_below(&n->rng, 3 * (uint64_t)n->delay) : 0);
        if (rng_unit(&n->rng) < n->loss)
            continue;
        struct packet *copy = packet_copy(n->pool, p);
        if (copy)
            send_later(n, to, copy, d);
    }
    packet_put(n->pool, p);
}

static void lan_output(void *ctx, uint32_t port, struct packet *p)
{
    struct lan *n = ctx;
    cr_assert_lt(port, n->n);
    cr_assert_eq(p->meta.last_hop, port, "whoever hands a packet to the network says so");
    cr_assert_neq(p->meta.origin, PORT_NONE);
    cr_assert(packet_checksums_ok(p->data, p->len));
    cr_assert_leq(p->len, n->config[port].mtu + 14u);
    cr_assert_arr_eq(p->data + 6, n->config[port].mac, 6);
    for (uint32_t i = 0; i < p->len; i++)
        n->hash = (n->hash ^ p->data[i]) * 0x100000001b3u;
    n->hash = hash_mix(n->hash ^ (uint64_t)n->now);
    n->frames++;
    if (n->tap)
        tap_frame(n->tap, n->now, p->data, p->len);
    say_frame(n, p);
    if (wire_get16(p->data + 12) == WIRE_ETHERTYPE_ARP) {
        answer_arp(n, port, p);
        packet_put(n->pool, p);
        return;
    }
    forward(n, port, p);
}

static void lan_timer(void *ctx, uint32_t port, int64_t at, uint64_t cookie)
{
    struct lan *n = ctx;
    cr_assert_geq(at, n->now);
    cr_assert_eq(evq_push(n->q, at, EV_TIMER, port, cookie, NULL), 0);
}

static void lan_dropped(void *ctx, uint32_t port, const struct packet *p, enum reason why)
{
    struct lan *n = ctx;
    (void)p;
    n->drops++;
    n->last_drop = why;
    say(n, "%lld %c drops: %s\n", (long long)(n->now / LAN_MS), 'A' + (int)port, reason_word(why));
}

static const struct flow_spec *lan_spec(void *ctx, uint32_t flow)
{
    struct lan *n = ctx;
    return flow && flow < LAN_FLOWS && n->flow[flow].spec.id ? &n->flow[flow].spec : NULL;
}

static void lan_resolved(void *ctx, uint32_t flow, const struct dns_msg *answer)
{
    struct lan *n = ctx;
    n->flow[flow].resolved++;
    n->flow[flow].answer = *answer;
}

static void lan_done(void *ctx, uint32_t flow, enum flow_outcome what)
{
    struct lan *n = ctx;
    struct lan_flow *f = &n->flow[flow];
    cr_assert_eq(f->done, 0, "flow %u is done twice", flow);
    f->done++;
    f->outcome = what;
    f->done_at = n->now;
}

static void lan_arrived(void *ctx, uint32_t port, const struct packet *p)
{
    struct lan *n = ctx;
    struct packet_info in;
    (void)port;
    cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
    struct lan_flow *f = &n->flow[p->meta.flow];
    f->arrived++;
    f->seen_src = in.src;
    f->seen_sport = in.sport;
}

static enum reason lan_admit(void *ctx, uint32_t port, const struct packet *first)
{
    struct lan *n = ctx;
    (void)port;
    n->flow[first->meta.flow].admitted++;
    return n->admit;
}

static bool lan_dns(void *ctx, uint32_t port, const struct packet *query, struct dns_msg *answer)
{
    struct lan *n = ctx;
    if (n->dns_fn)
        return n->dns_fn(n, port, query != NULL, answer);
    cr_assert(answer->response);
    answer->rcode = n->dns.rcode;
    answer->n = n->dns.n;
    memcpy(answer->rr, n->dns.rr, sizeof answer->rr);
    return !n->dns_silent;
}

/* -- life ------------------------------------------------------------------------------------------------ */

struct lan *lan_new(void)
{
    static struct lan lan;
    struct lan *n = &lan;
    memset(n, 0, sizeof *n);
    n->pool = packet_pool_new();
    n->q = evq_new();
    n->flow = calloc(LAN_FLOWS, sizeof *n->flow);
    cr_assert(n->pool && n->q && n->flow);
    n->delay = 5 * LAN_MS;
    rng_seed(&n->rng, 1, "net");
    for (unsigned i = 0; i < LAN_HOSTS; i++) {
        n->via[i] = LAN_HOSTS;
        n->endpoint[i] = PORT_NONE;
    }
    n->env = (struct host_env){.ctx = n,
                               .pool = n->pool,
                               .now = lan_now,
                               .output = lan_output,
                               .timer = lan_timer,
                               .dropped = lan_dropped,
                               .flow = lan_spec,
                               .resolved = lan_resolved,
                               .done = lan_done,
                               .arrived = lan_arrived,
                               .admit = lan_admit,
                               .dns = lan_dns};
    return n;
}

void lan_free(struct lan *n)
{
    struct event e;
    while (evq_pop(n->q, &e)) {
        if (e.kind == EV_FRAME)
            packet_put(n->pool, e.p);
    }
    for (unsigned i = 0; i < n->n; i++)
        host_free(n->host[i]);
    if (packet_pool_out(n->pool)) {
        fprintf(stderr, "%zu packets are left over\n", packet_pool_out(n->pool));
        abort(); /* a failed assertion in a teardown would not count */
    }
    packet_pool_free(n->pool);
    evq_free(n->q);
    free(n->flow);
    support_mem_none_live();
}

struct host_config lan_config(const struct lan *n)
{
    static const struct port_range all[] = {{IPPROTO_NR_TCP, 1, 65535}, {IPPROTO_NR_UDP, 1, 65535}};
    struct host_config c = {.port = n->n,
                            .addr = IP4(10, 0, 0, 4) + n->n,
                            .mac = {0, 0x0d, 0x3a, 0, 0, (uint8_t)n->n},
                            .mtu = 1500,
                            .listens = all,
                            .n_listens = 2,
                            .answers_ping = true};
    memcpy(c.fabric_mac, fabric, 6);
    return c;
}

unsigned lan_add(struct lan *n, const struct host_config *c)
{
    cr_assert_lt(n->n, LAN_HOSTS);
    n->config[n->n] = *c;
    n->host[n->n] = host_new(&n->env, c);
    cr_assert(n->host[n->n]);
    return n->n++;
}

unsigned lan_add_arp(struct lan *n)
{
    struct host_config c = lan_config(n);
    c.arp = true;
    c.onlink = (struct prefix4){IP4(10, 0, 0, 0), 24};
    c.gateway = IP4(10, 0, 0, 1);
    return lan_add(n, &c);
}

unsigned lan_add_appliance(struct lan *n, bool snat, bool stateful)
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

uint32_t lan_flow(struct lan *n, uint8_t proto, unsigned to, uint16_t dport)
{
    uint32_t id = 1;
    while (n->flow[id].spec.id)
        id++;
    n->flow[id].spec = (struct flow_spec){.id = id,
                                          .addr = n->config[to].addr,
                                          .proto = proto,
                                          .dport = dport,
                                          .request_bytes = 100,
                                          .response_bytes = 1000};
    return id;
}

void lan_start(struct lan *n, unsigned from, uint32_t flow)
{
    host_start(n->host[from], flow);
}

void lan_deliver(struct lan *n, unsigned to, struct packet *p)
{
    host_input(n->host[to], p);
}

void lan_run_until(struct lan *n, int64_t at)
{
    struct event e;
    for (unsigned count = 0; evq_peek(n->q, &e) && e.at <= at; count++) {
        cr_assert_lt(count, 20000000, "no end");
        evq_pop(n->q, &e);
        cr_assert_geq(e.at, n->now);
        n->now = n->last_event = e.at;
        if (e.kind == EV_FRAME)
            host_input(n->host[e.a], e.p);
        else
            host_timer(n->host[e.a], e.b);
    }
    if (at != INT64_MAX)
        n->now = at;
}

void lan_run(struct lan *n)
{
    lan_run_until(n, INT64_MAX);
}

void lan_two(struct lan *n)
{
    n->log_on = true;
    for (int i = 0; i < 2; i++) {
        struct host_config c = lan_config(n);
        lan_add(n, &c);
    }
}

void lan_assert_log(const struct lan *n, const char *want)
{
    cr_assert_str_eq(n->log, want);
}

void lan_assert_done(const struct lan *n, uint32_t flow, enum flow_outcome what, int64_t at_ms)
{
    const struct lan_flow *f = &n->flow[flow];
    cr_assert_eq(f->done, 1, "flow %u is not done", flow);
    cr_assert_eq(f->outcome, what, "flow %u: outcome %d", flow, f->outcome);
    if (at_ms >= 0)
        cr_assert_eq(f->done_at / LAN_MS, at_ms, "flow %u at %ld", flow, (long)f->done_at);
}

void lan_assert_quiet(const struct lan *n)
{
    for (unsigned i = 0; i < n->n; i++)
        cr_assert_eq(host_connections(n->host[i]), 0, "machine %c has connections", 'A' + (int)i);
}
