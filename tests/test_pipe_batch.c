/* test_pipe_batch.c - batches of packets against one at a time: the same network, the same packets on their
 * way through it, two runs; every decision, every byte, what packets carry along and all counts must be
 * equal.
 *
 * The network is that of support_world.h with a NAT gateway, a pool for outbound rules, a public address,
 * load balancers, a private link service and a way out of the site. Packets follow their way from port to
 * port, machines answer, pass on and complain; between batches the network changes, time jumps, and machines
 * fall ill. */
#include "dataplane/pipe_batch.h"
#include "dataplane/pipe_int.h"
#include "dataplane/rng.h"
#include "dataplane/wire.h"
#include "tests/support_prop.h"
#include "tests/support_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { FLYING = 400, BATCH = 300, ROUNDS = 60 };

/* A packet on its way, once for each run. */
struct flight {
    struct packet *a, *b;
    uint32_t port;
    bool inbound;
};

struct run {
    struct world w;
    struct pipe *batched; /* w.l.pipe takes them one by one */
    struct packet_pool *pool;
    struct flight fly[FLYING];
    size_t n;
    struct rng r;
    uint32_t natgw, outbound, site, b[2], fe, fe_public, pls_nat, pe2, fe_pls, be_pls;
    bool linger;
    uint64_t seed;
};

/* What the tests met, over all seeds. */
struct met {
    size_t packets, hits, by[PORT_PLS + 1][2], source, destination, nat, identity, swept, silent,
        reason[REASON_COUNT];
};

static uint32_t below(struct run *x, uint32_t n)
{
    return (uint32_t)rng_below(&x->r, n);
}

static bool once_in(struct run *x, uint32_t n)
{
    return below(x, n) == 0;
}

/* -- the network ----------------------------------------------------------------------------------------- */

static struct image_port *at(struct run *x, uint32_t port)
{
    return world_port(&x->w, port);
}

static uint32_t frontend(struct run *x, uint32_t realm, const char *addr, const uint32_t *backend, size_t n,
                         uint16_t port)
{
    struct lab *l = &x->w.l;
    struct arena *a = l->img->arena;
    const uint32_t fe = lab_port(l, "fe", PORT_FRONTEND, realm, addr);
    struct image_frontend *f = arena_alloc(a, sizeof *f);
    struct image_rule *r = f->rule = arena_alloc(a, sizeof *r);
    f->n = 1;
    *r = (struct image_rule){.proto = TCP,
                             .frontend_port = port,
                             .backend_port = 8080,
                             .timeout = 300 * SECOND,
                             .reset = true,
                             .n = n};
    r->backend = arena_array(a, n, sizeof *r->backend);
    for (uint32_t i = 0; i < n; i++)
        r->backend[i] = (struct image_backend){backend[i], i};
    l->img->port[fe].frontend = f;
    l->img->port[fe].flow_timeout = 0;
    return fe;
}

static void balancers(struct run *x)
{
    struct lab *l = &x->w.l;
    x->b[0] = lab_port(l, "b0", PORT_NIC, x->w.hub, "10.0.3.4");
    x->b[1] = lab_port(l, "b1", PORT_NIC, x->w.hub, "10.0.3.5");
    at(x, x->b[0])->table = at(x, x->b[1])->table = x->w.hub_t;
    x->fe = frontend(x, x->w.hub, "10.0.3.100", x->b, 2, 80);
    x->fe_public = frontend(x, REALM_PUBLIC, "20.0.1.100", x->b, 2, 80);
    at(x, x->b[1])->acl[1][0] = lab_acl(l, "allow tcp * * 8080;allow * 10.0.0.0/8 * *");
}

static void link_service(struct run *x)
{
    struct lab *l = &x->w.l;
    x->be_pls = lab_port(l, "be", PORT_NIC, x->w.spoke, "10.1.3.4");
    at(x, x->be_pls)->table = x->w.spoke_t;
    x->fe_pls = frontend(x, x->w.spoke, "10.1.3.100", &x->be_pls, 1, 443);
    x->pls_nat = lab_port(l, "nat", PORT_PLS, x->w.spoke, "10.1.5.4");
    x->pe2 = lab_port(l, "pe2", PORT_ENDPOINT, x->w.hub, "10.0.2.6");
    const uint32_t pool = lab_pool(l, x->w.spoke, "10.1.5.4", 2000, 2040);
    exact_del(l->img->addresses, REALM_PUBLIC, lab_ip("10.1.5.4"));
    at(x, x->pls_nat)->pool = pool;
    struct image_pls *pls = arena_alloc(l->img->arena, sizeof *pls);
    *pls =
        (struct image_pls){.port = x->pls_nat, .pool = pool, .frontend = x->fe_pls, .proxy = once_in(x, 2)};
    struct image_port *pe = at(x, x->pe2);
    pe->pls = pls;
    pe->service = PORT_NONE;
    pe->flow_timeout = 300 * SECOND;
    pe->table = x->w.pe_t;
    lab_route(l, x->w.hub_t, "10.0.2.6/32", nh_port(x->pe2, NONE32));
}

static void pools(struct run *x)
{
    struct lab *l = &x->w.l;
    x->natgw = lab_pool(l, x->w.hub, "20.0.0.9", 4000, 4002);
    l->img->pool[x->natgw].gateway = true;
    l->img->pool[x->natgw].timeout = 600 * SECOND;
    x->outbound = lab_pool(l, x->w.hub, "20.0.0.10", 1024, 1100);
    l->img->pool[x->outbound].cone = true;
    l->img->pool[x->outbound].timeout = 200 * SECOND;
    l->img->pool[x->outbound].carries_icmp = l->img->pool[x->outbound].carries_fragments = once_in(x, 2);
    x->site = lab_pool(l, x->w.hq, "20.0.0.11", 1024, 1200);
    l->img->realm[x->w.hq].pool = x->site;
}

static void network(struct run *x)
{
    struct lab *l = &x->w.l;
    world_new(&x->w);
    pools(x);
    balancers(x);
    link_service(x);
    if (once_in(x, 2))
        world_public_vm(&x->w);
    at(x, x->w.vm)->pool = x->natgw;
    at(x, x->w.vm2)->pool = x->outbound;
    at(x, x->w.sp)->pool = x->natgw;
    lab_route(l, x->w.hub_t, "20.150.0.0/16", nh_service());
    at(x, x->w.vm2)->acl[0][1] = lab_acl(l, "deny udp * * 22;allow * * * *");
    at(x, x->w.vm)->acl[1][0] = lab_acl(l, "allow tcp * * 80;allow * 10.0.0.0/8 * *");
    at(x, x->w.sp)->acl[1][1] = lab_acl(l, "allow tcp * * *");
    at(x, x->w.pe)->acl[1][1] = lab_acl(l, "deny * 10.0.1.5/32 * 22;allow * * * *");
    at(x, x->w.gw)->mss = 1300;
    at(x, x->w.gw)->mtu = once_in(x, 2) ? 1400 : 0;
    if (once_in(x, 3))
        l->img->flow_limit = 4 + below(x, 40);
}

/* Something in the network is another way now. */
static void change(struct run *x)
{
    struct world *w = &x->w;
    struct image_table *hub = &w->l.img->table[w->hub_t];
    const uint32_t nic[] = {w->vm, w->vm2, w->sp, w->nva, x->b[0]};
    const uint32_t pool[] = {NONE32, x->natgw, x->outbound};
    w->l.img->reference = once_in(x, 8);
    switch (below(x, 10)) {
    case 0:
        hub->nexthop[1] = once_in(x, 3)   ? nh_drop(REASON_ROUTE_NONE)
                          : once_in(x, 3) ? nh_port(w->nva, NONE32)
                                          : nh_internet();
        break;
    case 1:
        hub->nexthop[2] = once_in(x, 2) ? nh_port(w->nva, NONE32) : nh_realm(w->spoke, w->out_x);
        break;
    case 2:
        at(x, nic[below(x, 5)])->up ^= true;
        break;
    case 3:
        at(x, nic[below(x, 3)])->pool = pool[below(x, 3)];
        break;
    case 4:
        at(x, w->pe)->gate = once_in(x, 3) ? REASON_ENDPOINT_NOT_APPROVED : REASON_NONE;
        break;
    case 5:
        at(x, nic[below(x, 5)])->acl[once_in(x, 2)][once_in(x, 2)] =
            once_in(x, 2) ? NONE32 : below(x, (uint32_t)w->l.img->n_acls);
        at(x, nic[below(x, 5)])->admin[once_in(x, 2)] = /* G-16 */
            once_in(x, 2) ? NONE32 : below(x, (uint32_t)w->l.img->n_acls);
        at(x, nic[below(x, 3)])->smtp_blocked ^= true;
        break;
    case 6:
        w->l.img->rule_change_keeps_flows ^= true;
        break;
    case 7:
        w->l.img->endpoint_return_last_hop ^= true;
        at(x, w->nva)->ip_forwarding = true;
        break;
    case 8:
        world_crossing(w, w->out_x)->closed = once_in(x, 3) ? REASON_NO_PEERING : REASON_NONE;
        world_crossing(w, w->back_x)->forwarded ^= true;
        break;
    case 9:
        for (uint32_t p = 0; p < 5; p++)
            at(x, nic[p])->up = true;
        hub->nexthop[1] = nh_internet();
        break;
    }
    world_change(w);
}

/* -- packets --------------------------------------------------------------------------------------------- */

/* Takes both. */
static void fly(struct run *x, struct packet *a, struct packet *b, uint32_t port, bool inbound)
{
    cr_assert(a && b);
    if (x->n < FLYING) {
        x->fly[x->n++] = (struct flight){a, b, port, inbound};
        return;
    }
    packet_put(x->pool, a);
    packet_put(x->pool, b);
}

static void launch(struct run *x, struct packet *p, uint32_t port)
{
    fly(x, p, packet_copy(x->pool, p), port, false);
}

static void ip_checksum(struct packet *p)
{
    uint8_t *ip = p->data + ETH_HLEN;
    uint32_t sum = 0;
    wire_put16(ip + WIRE_IP_SUM, 0);
    for (uint32_t i = 0; i < (ip[0] & 15u) * 4u; i += 2)
        sum += wire_get16(ip + i);
    sum = (sum & 0xffff) + (sum >> 16);
    wire_put16(ip + WIRE_IP_SUM, (uint16_t) ~(sum + (sum >> 16)));
}

/* Now and then something is odd about a packet. */
static void spoil(struct run *x, struct packet *p)
{
    uint8_t *ip = p->data + ETH_HLEN;
    switch (below(x, 24)) {
    case 0: /* a fragment, the first or a later one */
        wire_put16(ip + WIRE_IP_FRAG, (uint16_t)(once_in(x, 2) ? WIRE_IP_MF : 3 + WIRE_IP_MF * below(x, 2)));
        ip_checksum(p);
        break;
    case 1: /* without checksum */
        if (ip[WIRE_IP_PROTO] == UDP)
            wire_put16(ip + WIRE_IP_HLEN + WIRE_UDP_SUM, 0);
        break;
    case 2:
        if (p->len > 1)
            p->len = 1 + below(x, p->len - 1);
        break;
    case 3:
        p->data[12 + below(x, p->len - 12 < 40 ? p->len - 12 : 40)] ^= (uint8_t)(1u << below(x, 8));
        break;
    case 4: /* another protocol */
        ip[WIRE_IP_PROTO] = once_in(x, 2) ? IPPROTO_NR_ESP : 47;
        ip_checksum(p);
        break;
    case 5: /* padding, as on short frames */
        if (p->len + 6 < p->cap) {
            memset(p->data + p->len, 0xee, 6);
            p->len += 6;
        }
        break;
    default:
        break;
    }
}

static uint8_t some_flags(struct run *x)
{
    static const uint8_t flags[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST};
    return once_in(x, 3) ? flags[below(x, sizeof flags)] : TCP_ACK;
}

static struct packet *build(struct run *x, uint8_t proto, ip4 src, uint16_t sport, ip4 dst, uint16_t dport,
                            uint8_t flags)
{
    static const uint8_t text[3000];
    const struct eth_fields eth = {{2}, {4}};
    const struct ip_fields ip = {.src = src, .dst = dst, .ttl = 6, .df = once_in(x, 4)};
    const size_t len = once_in(x, 12) ? 1350 + below(x, 400) : below(x, 40);
    const struct tcp_fields t = {.sport = sport,
                                 .dport = dport,
                                 .seq = below(x, 1u << 31),
                                 .ack = below(x, 1u << 31),
                                 .flags = flags,
                                 .window = 1000,
                                 .mss = flags & TCP_SYN ? 1460 : 0,
                                 .wscale = -1};
    if (proto == TCP)
        return packet_build_tcp(x->pool, &eth, &ip, &t, text, len);
    if (proto == UDP)
        return packet_build_udp(x->pool, &eth, &ip, sport, dport, text, len);
    return packet_build_icmp(x->pool, &eth, &ip, WIRE_ICMP_ECHO, 0, (uint32_t)sport << 16 | 1, text, len);
}

/* A packet from anywhere to anywhere, or one of few flows that come again and again. */
static void begin_flow(struct run *x)
{
    const struct world *w = &x->w;
    static const char *const to[] = {"10.0.1.4",   "10.0.1.5",     "10.0.9.4",      "10.1.1.4",
                                     "10.0.2.5",   "20.61.97.129", "20.150.0.4",    "93.184.216.34",
                                     "10.0.2.6",   "192.168.1.10", "168.63.129.16", "10.0.3.100",
                                     "20.0.1.100", "20.50.1.4",    "10.77.0.1",     "20.0.0.9"};
    const uint32_t from[] = {w->vm, w->vm2, w->nva, w->sp, w->web, w->laptop, w->twin, x->b[0]};
    const struct {
        uint32_t from;
        const char *to;
        uint16_t sport, dport;
    } often[] = {{w->vm, "93.184.216.34", 40000, 80},  {w->vm, "93.184.216.34", 40000, 443},
                 {w->vm, "93.184.216.34", 40003, 443}, {w->vm2, "20.150.0.4", 40000, 443},
                 {w->vm, "10.0.2.5", 40000, 443},      {w->web, "20.50.1.4", 40000, 80},
                 {w->vm2, "10.1.1.4", 40001, 80},      {w->laptop, "10.0.1.4", 40000, 80},
                 {w->sp, "93.184.216.34", 40001, 80},  {w->vm, "10.0.3.100", 40000, 80},
                 {w->vm, "10.0.3.4", 40000, 8080}, /* as from the frontend, but not */
                 {x->b[0], "10.0.1.4", 8080, 40000},   {w->vm2, "93.184.216.34", 40000, 80},
                 {w->vm, "10.0.2.6", 40000, 443}};
    static const uint16_t port[] = {80, 443, 22};
    const size_t k = below(x, sizeof often / sizeof often[0]);
    const bool rare = once_in(x, 3);
    const uint32_t machine = rare ? from[below(x, sizeof from / sizeof from[0])] : often[k].from;
    const uint8_t proto = once_in(x, 10) ? ICMP : once_in(x, 4) ? UDP : TCP;
    const ip4 src = once_in(x, 20) ? lab_ip("10.0.7.7") : at(x, machine)->addr;
    const ip4 dst = lab_ip(rare ? to[below(x, sizeof to / sizeof to[0])] : often[k].to);
    struct packet *p = build(x, proto, src, rare ? (uint16_t)(40000 + below(x, 2)) : often[k].sport, dst,
                             rare ? port[below(x, 3)] : often[k].dport, some_flags(x));
    p->meta.flow = 1 + below(x, 50);
    p->meta.origin = p->meta.last_hop = machine;
    if (once_in(x, 20))
        p->meta.sport = p->meta.dport = 1;
    spoil(x, p);
    launch(x, p, machine);
}

/* The machine at port has p: it answers or complains. */
static void arrived(struct run *x, const struct packet *p, uint32_t port)
{
    struct packet_info in;
    const struct eth_fields eth = {{2}, {4}};
    if (packet_parse(p->data, p->len, &in) == 0 && !once_in(x, 3)) {
        struct packet *q;
        const struct ip_fields ip = {.src = in.dst, .dst = in.src, .ttl = 64};
        if (once_in(x, 12))
            q = packet_build_icmp(x->pool, &eth, &ip, WIRE_ICMP_UNREACHABLE, 1, 0, p->data + ETH_HLEN,
                                  p->len - ETH_HLEN < 60 ? p->len - ETH_HLEN : 60);
        else
            q = build(x, in.proto, in.dst, in.dport, in.src, in.sport, some_flags(x));
        const uint16_t s = q->meta.sport, d = q->meta.dport;
        q->meta = p->meta;
        q->meta.sport = s;
        q->meta.dport = d;
        q->meta.origin = q->meta.last_hop = port;
        q->meta.reply = !p->meta.reply;
        spoil(x, q);
        launch(x, q, port);
    }
}

/* => what is left of it. */
static uint8_t ttl(struct packet *p)
{
    struct packet_info in;
    return packet_parse(p->data, p->len, &in) ? 0 : packet_dec_ttl(p, &in);
}

static bool passes_on(struct run *x, const struct packet *p, uint32_t port)
{
    struct packet_info in;
    const enum port_kind kind = at(x, port)->kind;
    return kind == PORT_ENDPOINT || kind == PORT_GATEWAY ||
           (port == x->w.nva && packet_parse(p->data, p->len, &in) == 0 && in.dst != at(x, port)->addr);
}

/* -- the two runs ---------------------------------------------------------------------------------------- */

/* One by one, as the engine does. */
static void single(struct pipe *p, const struct image *img, int64_t now, struct pipe_packet *k)
{
    struct pipe_view v;
    struct pipe_decision d;
    struct packet_meta *meta = &k->packet->meta;
    k->error = pipe_view_of(img, k->port, k->packet, &v);
    if (k->error)
        return;
    if (!k->inbound && img->port[k->port].mss)
        packet_clamp_mss(k->packet, &v.info, img->port[k->port].mss);
    if (k->inbound)
        pipe_in(p, img, now, k->port, pipe_view_flow(&v), meta, &d);
    else
        pipe_out(p, img, now, k->port, pipe_view_flow(&v), meta, &d);
    k->reason = d.reason;
    k->next = d.next;
    k->link = d.link;
    k->mtu = d.mtu;
    k->absorbed = d.absorbed;
    if (d.reason == REASON_NONE && !d.absorbed)
        pipe_view_apply(k->packet, &v, &d);
}

static void same_meta(const struct packet_meta *a, const struct packet_meta *b)
{
#define SAME(field) cr_assert_eq(a->field, b->field, #field)
    SAME(flow);
    SAME(origin);
    SAME(last_hop);
    SAME(endpoint);
    SAME(identity);
    SAME(realm);
    SAME(sport);
    SAME(dport);
    SAME(reply);
    SAME(balanced);
#undef SAME
    /* a record's number, which depends on who left before */
    cr_assert_eq(a->consumer == 0, b->consumer == 0);
}

static void same(struct run *x, const struct pipe_packet *a, const struct pipe_packet *b, bool sound)
{
    cr_assert_eq(a->error, b->error);
    if (a->error)
        return;
    cr_assert_eq(a->reason, b->reason, "seed %llu, port %s %s: %s, in a batch %s",
                 (unsigned long long)x->seed, x->w.l.name[a->port], a->inbound ? "in" : "out",
                 reason_word(a->reason), reason_word(b->reason));
    same_meta(&a->packet->meta, &b->packet->meta);
    if (a->reason != REASON_NONE)
        return;
    cr_assert_eq(a->next, b->next);
    cr_assert_eq(a->link, b->link);
    cr_assert_eq(a->mtu, b->mtu);
    cr_assert_eq(a->absorbed, b->absorbed);
    cr_assert_eq(a->packet->len, b->packet->len);
    cr_assert_eq(memcmp(a->packet->data, b->packet->data, a->packet->len), 0, "port %s",
                 x->w.l.name[a->port]);
    cr_assert(!sound || a->absorbed || packet_checksums_ok(b->packet->data, b->packet->len));
}

static void count(struct run *x, struct met *m, const struct pipe_packet *k, const struct packet_info *was)
{
    struct packet_info is;
    const struct image_port *port = at(x, k->port);
    m->packets++;
    m->reason[k->reason]++;
    if (!k->hit)
        return;
    cr_assert_eq(packet_parse(k->packet->data, k->packet->len, &is), 0);
    m->hits++;
    m->by[port->kind][k->inbound]++;
    m->source += is.src != was->src;
    m->destination += is.dst != was->dst;
    m->nat += is.src != was->src && port->pool != NONE32 && is.src == x->w.l.img->pool[port->pool].addr[0];
    m->identity += k->packet->meta.identity == port->identity && port->identity != IDENTITY_NONE;
}

struct walked {
    const struct pipe_packet *last;
    size_t n;
};

/* Whoever wants whole decisions gets those of all packets that were no hits, in order. */
static void note_walk(void *ctx, const struct pipe_packet *k, const struct pipe_view *v,
                      const struct pipe_decision *d)
{
    struct walked *w = ctx;
    cr_assert_geq(k, w->last);
    cr_assert_not(k->hit);
    cr_assert_eq(k->reason, d->reason);
    cr_assert_eq(trace_reason(&d->trace), d->reason);
    cr_assert_eq(d->trace.port, k->port);
    cr_assert_eq(d->trace.inbound, k->inbound);
    cr_assert_eq(v->info.ethertype, WIRE_ETHERTYPE_IPV4);
    w->last = k + 1;
    w->n++;
}

/* Take some of the flying packets, in random order, through both pipes. */
static void round_trip(struct run *x, struct met *m)
{
    struct pipe_packet a[BATCH], b[BATCH];
    struct packet_info was[BATCH];
    bool sound[BATCH];
    const size_t n = below(x, (uint32_t)(x->n < BATCH ? x->n : BATCH) + 1);
    const struct image *img = x->w.l.img;
    for (size_t i = 0; i < n; i++) {
        const size_t k = below(x, (uint32_t)x->n);
        const struct flight f = x->fly[k];
        x->fly[k] = x->fly[--x->n];
        a[i] = (struct pipe_packet){.packet = f.a, .port = f.port, .inbound = f.inbound};
        b[i] =
            (struct pipe_packet){.packet = f.b, .port = f.port, .inbound = f.inbound, .error = 77, .mtu = 7};
        sound[i] = packet_checksums_ok(f.a->data, f.a->len);
        (void)packet_parse(f.a->data, f.a->len, &was[i]);
    }
    for (size_t i = 0; i < n; i++)
        single(x->w.l.pipe, img, x->w.l.now, &a[i]);
    struct walked walked = {.last = b};
    pipe_batch(x->batched, img, x->w.l.now, b, n, &(struct pipe_walks){&walked, note_walk});
    for (size_t i = 0; i < n; i++)
        walked.n += b[i].hit || b[i].error;
    cr_assert_eq(walked.n, n);
    for (size_t i = 0; i < n; i++) {
        same(x, &a[i], &b[i], sound[i]);
        count(x, m, &b[i], &was[i]);
        const bool on = !a[i].error && a[i].reason == REASON_NONE && !a[i].absorbed;
        struct packet *p = a[i].packet, *q = b[i].packet;
        if (on && (!a[i].inbound || a[i].next != a[i].port)) {
            fly(x, p, q, a[i].next, true);
            continue;
        }
        if (on && passes_on(x, p, a[i].port) && ttl(p) && ttl(q)) {
            fly(x, p, q, a[i].port, false);
            continue;
        }
        if (on)
            arrived(x, p, a[i].port);
        packet_put(x->pool, p);
        packet_put(x->pool, q);
    }
}

/* => whether a record counts no more: silent for longer than its port allows. */
static bool expired(const struct run *x, const struct pipe *p, uint32_t number)
{
    const int64_t timeout = x->w.l.img->port[flow_key_port(pipe_record(p, number)->key)].flow_timeout;
    return timeout && x->w.l.now - pipe_pair(p, number / 2)->seen > timeout;
}

/* Every record of a is in b, too, with the same counts, unless it is closed, or has expired and was given
 * back there. */
static void same_records(const struct run *x, struct met *m, const struct pipe *a, const struct pipe *b)
{
    for (uint32_t i = 0; i < 2 * a->n_pairs; i++) {
        const struct flow_hot *h = pipe_hot(a, i);
        if (!(h->flags & FLOW_USED) || pipe_pair(a, i / 2)->half[0].flags & FLOW_CLOSED)
            continue;
        const struct flow_state *s = pipe_state_find(b, pipe_record(a, i)->key);
        if (!s && expired(x, a, i)) {
            m->silent += b == x->batched;
            continue;
        }
        cr_assert(s);
        const struct flow_hot *o = pipe_hot(b, s->number);
        cr_assert_eq(h->count, o->count);
        cr_assert_eq(pipe_pair(a, i / 2)->seen, pipe_pair(b, s->number / 2)->seen);
    }
}

/* Counts by reason, and of every flow that is not closed. */
static void same_counts(const struct run *x, struct met *m)
{
    const struct pipe *a = x->w.l.pipe, *b = x->batched;
    for (int r = 0; r < REASON_COUNT; r++) {
        cr_assert_eq(pipe_counts(a)[r].packets, pipe_counts(b)[r].packets, "%s", reason_word((enum reason)r));
        cr_assert_eq(pipe_counts(a)[r].bytes, pipe_counts(b)[r].bytes, "%s", reason_word((enum reason)r));
    }
    same_records(x, m, a, b);
    if (!x->linger)
        same_records(x, m, b, a);
}

static void between(struct run *x, struct met *m)
{
    static const int64_t jump[] = {
        0, 1, SECOND, 5 * SECOND, 30 * SECOND, 100 * SECOND, 250 * SECOND, 400 * SECOND};
    x->w.l.now += jump[once_in(x, 4) ? below(x, 8) : below(x, 4)];
    if (once_in(x, 8))
        change(x);
    if (once_in(x, 10)) {
        const uint32_t target = below(x, 2);
        const bool well = once_in(x, 2);
        pipe_health(x->w.l.pipe, target, well);
        pipe_health(x->batched, target, well);
    }
    if (x->linger && once_in(x, 2))
        m->swept += pipe_tidy(x->batched, x->w.l.now, below(x, 200));
    if (once_in(x, 2))
        pipe_sweep(x->batched, x->w.l.img, x->w.l.now, below(x, 2000));
}

static void scenario(uint64_t seed, struct met *m)
{
    struct run *x = calloc(1, sizeof *x);
    x->seed = seed;
    rng_seed(&x->r, seed, "scenario");
    network(x);
    x->batched = pipe_new();
    x->pool = packet_pool_new();
    x->linger = once_in(x, 3);
    if (x->linger) {
        x->w.l.img->flow_limit = 0; /* how full a port is does depend on when memory is given back */
        pipe_linger(x->w.l.pipe, 20 * SECOND);
        pipe_linger(x->batched, 20 * SECOND);
    }
    for (int i = 0; i < ROUNDS; i++) {
        for (uint32_t k = below(x, 60); k > 0; k--)
            begin_flow(x);
        between(x, m);
        round_trip(x, m);
        same_counts(x, m);
    }
    while (x->n) {
        packet_put(x->pool, x->fly[--x->n].a);
        packet_put(x->pool, x->fly[x->n].b);
    }
    cr_assert_eq(packet_pool_out(x->pool), 0);
    packet_pool_free(x->pool);
    pipe_free(x->batched);
    lab_free(&x->w.l);
    free(x);
}

Test(pipe_batch, decides_rewrites_and_counts_as_one_by_one)
{
    static struct met m;
    struct rng r;
    prop_seed(&r, "pipe_batch");
    for (int i = 0; i < 200; i++)
        scenario(rng_u64(&r), &m);
    /* what was compared must have been there */
    cr_assert_gt(m.hits, m.packets / 20);
    cr_assert_gt(m.source, 500);
    cr_assert_gt(m.nat, 500);
    cr_assert_gt(m.destination, 50);
    cr_assert_gt(m.identity, 500);
    cr_assert_gt(m.swept, 500);
    cr_assert_gt(m.silent, 500);
    for (int k = 0; k <= PORT_PLS; k++)
        for (int in = 0; in < 2; in++)
            cr_assert_eq(m.by[k][in] > 50, pipe_keeps((enum port_kind)k, in), "kind %d: %zu", k, m.by[k][in]);
    cr_assert_gt(m.reason[REASON_FLOW_LIMIT], 100);
    cr_assert_gt(m.reason[REASON_FLOW_EXPIRED], 100);
    cr_assert_gt(m.reason[REASON_IDLE_TIMEOUT], 100);
}

/* RFC 768: a sum that comes to 0 is sent as ones, and one of 0 is none at all. Every sum there is, rewritten
 * both ways. */
Test(pipe_batch, rewrites_every_checksum_of_a_datagram)
{
    struct world w;
    world_new(&w);
    world_public_vm(&w);
    struct packet_pool *pool = packet_pool_new();
    const struct eth_fields eth = {{2}, {4}};
    const struct ip_fields out = {.src = lab_ip("10.0.1.4"), .dst = lab_ip("93.184.216.34"), .ttl = 64};
    const struct ip_fields in = {.src = lab_ip("93.184.216.34"), .dst = lab_ip("20.50.1.4"), .ttl = 64};
    size_t hits = 0, ones = 0;
    for (uint32_t i = 0; i < 0x10000; i++) {
        uint8_t text[2];
        wire_put16(text, (uint16_t)i);
        struct packet *p[2] = {packet_build_udp(pool, &eth, &out, 7, 9, text, 2),
                               packet_build_udp(pool, &eth, &in, 9, 7, text, 2)};
        struct pipe_packet k[2] = {{.packet = p[0], .port = w.vm},
                                   {.packet = p[1], .port = w.vm, .inbound = true}};
        if (i == 0xabcd)
            wire_put16(p[0]->data + ETH_HLEN + WIRE_IP_HLEN + WIRE_UDP_SUM, 0);
        pipe_batch(w.l.pipe, w.l.img, 0, k, 2, NULL);
        for (int d = 0; d < 2; d++) {
            struct packet_info is;
            const uint16_t sum = wire_get16(p[d]->data + ETH_HLEN + WIRE_IP_HLEN + WIRE_UDP_SUM);
            cr_assert_eq(k[d].reason, REASON_NONE);
            cr_assert(packet_checksums_ok(p[d]->data, p[d]->len), "%u", i);
            cr_assert_eq(packet_parse(p[d]->data, p[d]->len, &is), 0);
            cr_assert_eq(d ? is.dst : is.src, lab_ip(d ? "10.0.1.4" : "20.50.1.4"));
            cr_assert_eq(sum == 0, i == 0xabcd && d == 0);
            hits += k[d].hit;
            ones += sum == UINT16_MAX;
            packet_put(pool, p[d]);
        }
    }
    cr_assert_eq(hits, 2 * 0x10000 - 2);
    cr_assert_geq(ones, 2);
    packet_pool_free(pool);
    lab_free(&w.l);
}

/* Counts of a flow share a word, and what is too much for it goes on in the record: by hits, and by walks. */
Test(pipe_batch, counts_beyond_a_word)
{
    struct world w;
    world_new(&w);
    struct packet_pool *pool = packet_pool_new();
    const struct eth_fields eth = {{2}, {4}};
    const struct ip_fields ip = {.src = lab_ip("10.0.1.4"), .dst = lab_ip("10.0.1.5"), .ttl = 64};
    struct packet *p = packet_build_udp(pool, &eth, &ip, 7, 9, NULL, 0);
    struct packet_info in;
    struct pipe_count n;
    const uint64_t bytes = (UINT64_C(1) << 39) + (UINT64_C(1) << 32) - 60; /* no more are possible */
    cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
    cr_assert_not(pipe_flow_count(w.l.pipe, w.vm, 0, &in, &n));
    for (uint64_t i = 0; i < 6; i++) {
        struct pipe_packet k = {.packet = p, .port = w.vm};
        if (i == 4) { /* the route is looked up again: a walk */
            pipe_hot(w.l.pipe, 0)->count += (COUNT_PACKETS - 2) << COUNT_SHIFT;
            world_change(&w);
        }
        pipe_batch(w.l.pipe, w.l.img, 0, &k, 1, NULL);
        cr_assert_eq(k.hit, i > 0 && i != 4);
        cr_assert(pipe_flow_count(w.l.pipe, w.vm, 0, &in, &n));
        cr_assert_eq(n.packets, i == 0 ? 1 : i < 4 ? COUNT_PACKETS + i - 2 : 2 * COUNT_PACKETS + i - 4);
        cr_assert_eq(n.bytes, i == 0 ? 28 : bytes + 28 * i);
        cr_assert_eq(pipe_record(w.l.pipe, 0)->packets, i < 2 ? 0 : i < 4 ? 1 : 2);
        cr_assert_eq(pipe_record(w.l.pipe, 0)->bytes, i < 2 ? 0 : i < 4 ? 128 : 129);
        if (i == 0)
            pipe_hot(w.l.pipe, 0)->count = (COUNT_PACKETS - 2) << COUNT_SHIFT | bytes;
    }
    packet_pool_free(pool);
    lab_free(&w.l);
}
