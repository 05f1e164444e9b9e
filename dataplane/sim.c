/* sim.c - the discrete-event engine.
 *
 * A packet's life: a host puts it out (env_output) -> pipe_out decides at the port -> taps see it as the
 * guest does -> translation is applied -> the link delays or loses it -> arrival (deliver) -> pipe_in decides
 * -> taps -> the host gets it, or the port passes it on at once (private endpoints and gateways are not
 * machines).
 *
 * Links are in sim_link.c, what a flow leaves behind in sim_note.c, the services of the engine to its hosts
 * in sim_env.c. Health probes are in sim_probe.c; they are no flows, and neither they nor what they cause
 * keeps a run going.
 *
 * Order. Equal times run in the order of scheduling. Cut connections are reset in ascending flow order. */
#include "dataplane/pipe_view.h"
#include "dataplane/sim_int.h"
#include "dataplane/underlay_path.h"
#include "dataplane/wire.h"

#include <stdlib.h>
#include <string.h>

void sim_push(struct sim *s, int64_t at, uint32_t kind, uint32_t a, uint64_t b, void *p)
{
    if (evq_push(s->events, at, kind, a, b, p) != 0)
        arena_oom("event queue");
}

struct flow_result *sim_flow_of(const struct sim *s, uint32_t id)
{
    return id && id <= s->n_flows ? s->flow[id - 1] : NULL;
}

void *sim_grow(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? *cap * 2 : 16;
    void *more = realloc(at, *cap * size);
    if (!more)
        arena_oom("simulation");
    return more;
}

static void tap(struct sim *s, uint32_t port, const struct packet *p, const struct trace *t)
{
    if (s->ops.tap)
        s->ops.tap(s->ops.ctx, port, s->now, p, t);
}

/* -- packets out of and into ports ----------------------------------------------------------------------- */

static const uint8_t fabric_mac[6] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc}; /* */

/* Every ARP request in a virtual network is answered by the fabric. Takes ownership of p. */
static void answer_arp(struct sim *s, uint32_t port, struct packet *p)
{
    struct arp_info arp;
    struct trace t = {.port = port, .epoch = s->img->epoch};
    int bad = packet_parse_arp(p->data, p->len, &arp);
    tap(s, port, p, &t);
    packet_put(s->pool, p);
    if (bad || arp.op != 1)
        return;
    struct packet *reply = packet_build_arp(s->pool, 2, fabric_mac, arp.tpa, arp.sha, arp.spa);
    if (!reply)
        arena_oom("packet");
    sim_transmit(s, port, port, s->img->link_local, reply);
}

/* Put a packet on the link that was decided on, in pieces where it must be. Takes ownership. */
static void send(struct sim *s, uint32_t port, const struct pipe_decision *d, struct packet *p,
                 const struct packet_info *info)
{
    struct packet *piece;
    if (!d->mtu) {
        sim_show_underlay(s, port, d, p, info);
        sim_transmit(s, port, d->next, d->link, p);
        return;
    }
    if (packet_fragment(s->pool, p, d->mtu, &piece) < 0)
        arena_oom("packet");
    packet_put(s->pool, p);
    for (struct packet *next; piece; piece = next) {
        struct packet_info in;
        next = piece->next;
        if (packet_parse(piece->data, piece->len, &in) == 0)
            sim_show_underlay(s, port, d, piece, &in);
        sim_transmit(s, port, d->next, d->link, piece);
    }
}

/* A NAT gateway answers a segment of a connection that it does not know with a reset (O-02). */
static void refuse_unknown(struct sim *s, uint32_t port, const struct packet *p, const struct packet_info *in)
{
    const struct ip_fields ip = {.src = in->dst, .dst = in->src, .ttl = 64};
    const struct tcp_fields tcp = {
        .sport = in->dport, .dport = in->sport, .seq = in->ack, .flags = TCP_RST, .wscale = -1};
    struct eth_fields eth;
    struct flow_result *f = sim_flow_of(s, p->meta.flow);
    if (in->proto != IPPROTO_NR_TCP || in->frag_offset || in->tcp_flags & TCP_RST)
        return;
    memcpy(eth.src, fabric_mac, 6);
    memcpy(eth.dst, p->data + WIRE_ETH_SRC, 6);
    struct packet *rst = packet_build_tcp(s->pool, &eth, &ip, &tcp, NULL, 0);
    if (!rst)
        arena_oom("packet");
    rst->meta.flow = p->meta.flow;
    rst->meta.reply = !p->meta.reply;
    rst->meta.last_hop = port;
    if (f)
        f->cut = REASON_IDLE_TIMEOUT;
    sim_transmit(s, port, port, s->img->link_local, rst);
}

void sim_out(struct sim *s, uint32_t port, struct packet *p)
{
    struct pipe_view v;
    struct pipe_decision d;
    int rc = pipe_view_of(s->img, port, p, &v);
    if (rc) {
        answer_arp(s, port, p);
        return;
    }
    if (s->img->port[port].mss)
        packet_clamp_mss(p, &v.info, s->img->port[port].mss);
    pipe_out(s->pipe, s->img, s->now, port, pipe_view_flow(&v), &p->meta, &d);
    sim_note_trace(s, p, &v.info, &d.trace);
    d.trace.again =
        p->meta.origin != port && p->meta.seen_src == v.info.src && p->meta.seen_dst == v.info.dst;
    tap(s, port, p, &d.trace);
    if (d.reason == REASON_IDLE_TIMEOUT)
        refuse_unknown(s, port, p, &v.info);
    if (d.reason != REASON_NONE || d.absorbed) {
        packet_put(s->pool, p);
        return;
    }
    if (d.watch)
        sim_push(s, d.watch_at, EV_IDLE, d.watch, 0, NULL);
    pipe_view_apply(p, &v, &d);
    send(s, port, &d, p, &v.info);
}

static void deliver(struct sim *s, uint32_t port, struct packet *p)
{
    struct pipe_view v;
    struct pipe_decision d;
    const enum port_kind kind = s->img->port[port].kind;
    if (pipe_view_of(s->img, port, p, &v) != 0) { /* ARP */
        struct trace t = {.port = port, .epoch = s->img->epoch, .inbound = true};
        tap(s, port, p, &t);
        if (s->host[port])
            host_input(s->host[port], p);
        else
            packet_put(s->pool, p);
        return;
    }
    pipe_in(s->pipe, s->img, s->now, port, pipe_view_flow(&v), &p->meta, &d);
    sim_note_hop(s, port, p, &v.info, false);
    sim_note_trace(s, p, &v.info, &d.trace);
    pipe_view_apply(p, &v, &d);
    p->meta.seen_src = v.info.src;
    p->meta.seen_dst = v.info.dst;
    tap(s, port, p, &d.trace);
    if (d.reason != REASON_NONE) {
        packet_put(s->pool, p);
    } else if (d.next != port) { /* a private endpoint or a frontend hands the request on */
        sim_pass_on(s, port, p, &v.info, &d);
    } else if (kind == PORT_ENDPOINT || kind == PORT_GATEWAY) {
        sim_out(s, port, p);
    } else {
        struct flow_result *f = sim_flow_of(s, p->meta.flow);
        if (f && p->meta.reply && !p->meta.dns && port == f->from)
            sim_note_answer(f, &v.info);
        host_input(s->host[port], p);
    }
}

/* -- public face ----------------------------------------------------------------------------------------- */

struct sim *sim_new(uint64_t seed, const struct sim_ops *ops)
{
    struct sim *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->seed = seed;
    s->ops = *ops;
    s->events = evq_new();
    s->pipe = pipe_new();
    s->pool = packet_pool_new();
    s->wire_index = flowtab_new(64);
    s->env = sim_env(s);
    s->health = health_new();
    if (s->events && s->pipe && s->pool && s->wire_index && s->health)
        return s;
    sim_free(s);
    return NULL;
}

void sim_free(struct sim *s)
{
    struct event e;
    if (!s)
        return;
    for (size_t i = 0; i < s->n_hosts; i++)
        host_free(s->host[i]);
    while (s->events && evq_pop(s->events, &e))
        if (e.kind == EV_DELIVER)
            packet_put(s->pool, e.p);
    for (size_t i = 0; i < s->n_flows; i++) {
        free(s->flow[i]->path.port);
        free(s->flow[i]->return_path.port);
        free(s->flow[i]->dns);
        free(s->flow[i]);
    }
    if (s->events)
        evq_free(s->events);
    if (s->wire_index)
        flowtab_free(s->wire_index);
    pipe_free(s->pipe);
    health_free(s->health);
    if (s->pool)
        packet_pool_free(s->pool);
    free(s->host);
    free(s->wire);
    free(s->call);
    free(s->flow);
    free(s);
}

/* The network resets both ends of a flow, each with the segment its peer would have sent. */
static void cut(struct sim *s, uint32_t id, enum reason why)
{
    struct flow_result *f = sim_flow_of(s, id);
    if (!f || f->done)
        return;
    uint32_t end[2] = {f->from, f->arrived ? f->destination : PORT_NONE};
    for (int i = 0; i < 2; i++) {
        struct host *h = end[i] < s->n_hosts ? s->host[end[i]] : NULL;
        struct packet *rst = h ? host_cut(h, id) : NULL;
        if (!rst)
            continue;
        struct trace t = {.port = end[i], .epoch = s->img->epoch, .inbound = true};
        trace_add(&t, why == REASON_IDLE_TIMEOUT ? STAGE_BALANCER : STAGE_CHANGE, why);
        f->cut = why;
        tap(s, end[i], rst, &t);
        host_input(h, rst);
    }
}

/* A connection through a load balancer may have been idle too long (O-08). */
static void idle(struct sim *s, uint32_t watch)
{
    int64_t again;
    uint32_t id = pipe_idle(s->pipe, s->now, watch, &again);
    if (id)
        cut(s, id, REASON_IDLE_TIMEOUT);
    else if (again != INT64_MAX)
        sim_push(s, again, EV_IDLE, watch, 0, NULL);
}

static void place_hosts(struct sim *s, const struct image *img)
{
    if (img->n_ports > s->n_hosts) {
        struct host **more = realloc(s->host, img->n_ports * sizeof *more);
        if (!more)
            arena_oom("hosts");
        memset(more + s->n_hosts, 0, (img->n_ports - s->n_hosts) * sizeof *more);
        s->host = more;
        s->n_hosts = img->n_ports;
    }
    for (uint32_t i = 0; i < img->n_ports; i++) {
        const struct image_port *p = &img->port[i];
        if (!p->has_host)
            continue;
        int bad = 0;
        if (!s->host[i])
            bad = !(s->host[i] = host_new(&s->env, &p->host));
        else
            bad = host_reconfigure(s->host[i], &p->host) != 0;
        if (bad)
            arena_oom("host");
    }
}

void sim_set_image(struct sim *s, const struct image *img)
{
    const struct image *before = s->img;
    s->img = img;
    place_hosts(s, img);
    sim_probe_image(s, !before);
    if (!before)
        return;
    uint32_t *flows;
    int n = pipe_cut_by_change(s->pipe, before, img, &flows);
    if (n < 0)
        arena_oom("change");
    for (int i = 0; i < n; i++)
        cut(s, flows[i], REASON_CONNECTION_CLOSED_BY_CHANGE);
    free(flows);
}

void sim_call(struct sim *s, int64_t at, void (*fn)(void *), void *arg)
{
    s->call = sim_grow(s->call, s->n_calls, &s->cap_calls, sizeof *s->call);
    s->call[s->n_calls] = (struct call){fn, arg};
    s->calls_left++;
    sim_push(s, at, EV_CALL, 0, s->n_calls++, NULL);
}

uint32_t sim_flow(struct sim *s)
{
    s->flow = sim_grow(s->flow, s->n_flows, &s->cap_flows, sizeof *s->flow);
    struct flow_result *f = calloc(1, sizeof *f);
    if (!f)
        arena_oom("flow");
    s->flow[s->n_flows++] = f;
    s->flows_open++;
    f->spec.id = (uint32_t)s->n_flows;
    f->from = f->destination = PORT_NONE;
    return f->spec.id;
}

void sim_start(struct sim *s, uint32_t id, uint32_t from, const struct flow_spec *spec)
{
    struct flow_result *f = s->flow[id - 1];
    f->spec = *spec;
    f->spec.id = id;
    f->from = from;
    f->started = true;
    f->started_at = s->now;
    if (from < s->n_hosts && s->host[from] && s->img->port[from].up)
        host_start(s->host[from], id);
    else
        sim_finish(s, f, REASON_NO_HOST);
}

void sim_fail(struct sim *s, uint32_t id, enum reason why)
{
    struct flow_result *f = s->flow[id - 1];
    f->started_at = s->now;
    sim_finish(s, f, why);
}

void sim_run(struct sim *s, int64_t until)
{
    struct event e;
    while ((s->calls_left || s->flows_open || s->packets_flying) && evq_peek(s->events, &e) &&
           e.at <= until) {
        evq_pop(s->events, &e);
        s->now = e.at;
        switch (e.kind) {
        case EV_DELIVER:
            s->packets_flying -= !((struct packet *)e.p)->meta.probe;
            deliver(s, e.a, e.p);
            break;
        case EV_PROBE:
            sim_probe(s, e.a, e.b);
            break;
        case EV_IDLE:
            idle(s, e.a);
            break;
        case EV_TIMER:
            if (s->host[e.a])
                host_timer(s->host[e.a], e.b);
            break;
        case EV_CALL:
            s->calls_left--;
            s->call[e.b].fn(s->call[e.b].arg);
            break;
        }
    }
}

int64_t sim_now(const struct sim *s)
{
    return s->now;
}

size_t sim_flows(const struct sim *s)
{
    return s->n_flows;
}

const struct flow_result *sim_result(const struct sim *s, uint32_t flow)
{
    return sim_flow_of(s, flow);
}

const uint64_t *sim_counters(const struct sim *s)
{
    return s->counter;
}

size_t sim_packets_out(const struct sim *s)
{
    return packet_pool_out(s->pool);
}

const struct image *sim_image(const struct sim *s)
{
    return s->img;
}
