/* puppet.h - machines that stand in for those of dataplane/host.c in a test of the engine: they send what a
 * test asks for, and write down what they get and when. Definitions, host_* among them: for one file of a
 * test program. */
#ifndef VNETSIM_TESTS_PUPPET_H
#define VNETSIM_TESTS_PUPPET_H

#include "dataplane/rng.h"
#include "dataplane/sim.h"
#include "tests/support_world.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- puppets --------------------------------------------------------------------------------------------- */

struct host {
    const struct host_env *env;
    struct host_config cfg;
    int configured;
};

struct arrival {
    int64_t at;
    uint32_t port;
    uint16_t id; /* of the IP header */
};

static struct host *puppet[LAB_MAX];
static char diary[8192]; /* "TIME:PORT:what " */
static struct arrival got[4096];
static size_t n_got;
static bool mute; /* hosts do not answer */

static inline void note(const struct host *h, const char *what)
{
    const size_t n = strlen(diary);
    snprintf(diary + n, sizeof diary - n, "%" PRId64 ":%u:%s ", h->env->now(h->env->ctx), h->cfg.port, what);
}

struct host *host_new(const struct host_env *env, const struct host_config *c)
{
    struct host *h = calloc(1, sizeof *h);
    *h = (struct host){.env = env, .cfg = *c};
    return puppet[c->port] = h;
}

void host_free(struct host *h)
{
    free(h);
}

void host_stop(struct host *h, uint32_t flow)
{
    (void)flow;
    note(h, "stop");
}

int host_reconfigure(struct host *h, const struct host_config *c)
{
    h->cfg = *c;
    h->configured++;
    return 0;
}

size_t host_connections(const struct host *h)
{
    (void)h;
    return 0;
}

/* A datagram that the machine makes; len bytes of payload, 42 of headers. */
static inline struct packet *datagram(struct host *h, ip4 src, uint16_t sport, ip4 dst, uint16_t dport,
                                      uint16_t id, size_t len)
{
    static const uint8_t payload[1400];
    static const struct eth_fields eth = {{0}, {0}};
    const struct ip_fields ip = {.src = src, .dst = dst, .ttl = 64, .id = id};
    struct packet *p = packet_build_udp(h->env->pool, &eth, &ip, sport, dport, payload, len);
    p->meta.origin = p->meta.last_hop = h->cfg.port;
    return p;
}

static inline void answer(struct host *h, const struct packet *p, const struct packet_info *info)
{
    struct packet *r = datagram(h, info->dst, info->dport, info->src, info->sport, info->ip_id, 10);
    const uint16_t sport = r->meta.sport, dport = r->meta.dport;
    r->meta = p->meta;
    r->meta.sport = sport;
    r->meta.dport = dport;
    r->meta.origin = r->meta.last_hop = h->cfg.port;
    r->meta.reply = true;
    h->env->output(h->env->ctx, h->cfg.port, r);
}

static inline void take(struct host *h, const struct packet *p, const struct packet_info *info)
{
    got[n_got++ % 4096] = (struct arrival){h->env->now(h->env->ctx), h->cfg.port, info->ip_id};
    if (p->meta.reply) {
        note(h, "answer");
        h->env->done(h->env->ctx, p->meta.flow, FLOW_OK);
    } else {
        note(h, "request");
        h->env->arrived(h->env->ctx, h->cfg.port, p);
        if (!mute && h->env->admit(h->env->ctx, h->cfg.port, p) == REASON_NONE)
            answer(h, p, info);
    }
}

void host_input(struct host *h, struct packet *p)
{
    struct packet_info info;
    struct arp_info arp;
    if (packet_parse(p->data, p->len, &info) == 0) {
        if (h->cfg.any_addr || info.dst == h->cfg.addr) {
            take(h, p, &info);
        } else if (h->cfg.appliance.forwards) {
            note(h, "transit");
            h->env->output(h->env->ctx, h->cfg.port, p);
            return;
        } else {
            h->env->dropped(h->env->ctx, h->cfg.port, p, REASON_APPLIANCE_DROP);
        }
    } else if (packet_parse_arp(p->data, p->len, &arp) == 0) {
        note(h, arp.op == 2 && arp.sha[0] == 0x12 && arp.sha[5] == 0xbc ? "arp" : "bad arp");
    }
    packet_put(h->env->pool, p);
}

/* One datagram; patience: 10 s, or the flow's own. */
void host_start(struct host *h, uint32_t flow)
{
    const struct flow_spec *f = h->env->flow(h->env->ctx, flow);
    struct packet *p = datagram(h, h->cfg.addr, f->sport ? f->sport : (uint16_t)(40000 + flow), f->addr,
                                f->dport, (uint16_t)flow, f->request_bytes);
    p->meta.flow = flow;
    h->env->timer(h->env->ctx, h->cfg.port,
                  h->env->now(h->env->ctx) + (f->keep_open ? f->keep_open : 10 * SECOND), flow);
    h->env->output(h->env->ctx, h->cfg.port, p);
}

void host_timer(struct host *h, uint64_t cookie)
{
    h->env->done(h->env->ctx, (uint32_t)cookie, FLOW_TIMEOUT);
}

struct packet *host_cut(struct host *h, uint32_t flow)
{
    struct packet *p = datagram(h, 1, 1, h->cfg.addr, 1, (uint16_t)flow, 0);
    char text[32];
    snprintf(text, sizeof text, "cut%u", flow);
    note(h, text);
    p->meta.flow = flow;
    p->meta.reply = false;
    return p;
}

/* -- a world with machines ------------------------------------------------------------------------------- */

struct stage_set {
    struct world w;
    struct sim *s;
};

static inline void machines(struct world *w)
{
    for (uint32_t p = 0; p < w->l.img->n_ports; p++) {
        struct image_port *at = world_port(w, p);
        at->has_host = at->kind != PORT_ENDPOINT && at->kind != PORT_GATEWAY;
        at->host = (struct host_config){.port = p, .addr = at->addr, .mtu = 1500};
        at->host.any_addr = at->kind == PORT_SERVICE;
        at->host.appliance.forwards = p == w->nva;
    }
}

static inline void set_up_ops(struct stage_set *x, uint64_t seed, const struct sim_ops *ops)
{
    world_new(&x->w);
    machines(&x->w);
    x->s = sim_new(seed, ops);
    sim_set_image(x->s, x->w.l.img);
    diary[0] = 0;
    n_got = 0;
    mute = false;
}

static inline void set_up(struct stage_set *x, uint64_t seed)
{
    static const struct sim_ops none;
    set_up_ops(x, seed, &none);
}

static inline void tear_down(struct stage_set *x)
{
    cr_assert_eq(sim_packets_out(x->s), 0);
    sim_free(x->s);
    lab_free(&x->w.l);
}

static inline struct image_link *link_of(struct stage_set *x, uint8_t i)
{
    return &x->w.l.img->link[i];
}

/* Have a machine send a datagram of no flow, now. */
static inline void send_now(struct stage_set *x, uint32_t from, const char *to, uint16_t id, size_t len)
{
    struct host *h = puppet[from];
    cr_assert_eq(h->env->ctx, x->s);
    h->env->output(h->env->ctx, from, datagram(h, h->cfg.addr, id, lab_ip(to), 9, id, len));
}

struct later {
    struct stage_set *x;
    uint32_t from;
    const char *to;
    uint16_t id;
    size_t len;
};

static inline void send_later(void *arg)
{
    const struct later *l = arg;
    send_now(l->x, l->from, l->to, l->id, l->len);
}

static inline void send_at(struct stage_set *x, int64_t at, uint32_t from, const char *to, uint16_t id,
                           size_t len)
{
    struct later *l = arena_alloc(x->w.l.img->arena, sizeof *l);
    *l = (struct later){x, from, to, id, len};
    sim_call(x->s, at, send_later, l);
}

static inline uint32_t flow(struct stage_set *x, uint32_t from, const char *to)
{
    const uint32_t id = sim_flow(x->s);
    const struct flow_spec spec = {
        .addr = lab_ip(to), .proto = IPPROTO_NR_UDP, .dport = 443, .request_bytes = 100};
    sim_start(x->s, id, from, &spec);
    return id;
}

static inline const char *names(struct stage_set *x, const struct hop_list *l)
{
    static char text[256];
    text[0] = 0;
    for (size_t i = 0; i < l->n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
                 x->w.l.name[l->port[i]]);
    return text;
}

#define MS INT64_C(1000000)

#endif
