/* sim.c - the discrete-event engine.
 *
 * A packet's life: a host puts it out (env_output) -> pipe_out decides at the port -> taps see it as the guest does ->
 * translation is applied -> the link delays or loses it -> arrival (deliver) -> pipe_in decides -> taps -> the host gets
 * it, or the port passes it on at once (private endpoints and gateways are not machines).
 *
 * Links. Every ordered pair of ports has a wire of its own with the class's latency, jitter, bandwidth and loss. A wire
 * never reorders: a packet arrives no earlier than the one before it. Random draws come from a stream per wire, seeded by
 * the scenario's seed and the wire's ports, so that one wire's traffic does not change another's luck.
 *
 * Health probes are in sim_probe.c; they are no flows, and neither they nor what they cause keeps a run going.
 *
 * Order. Equal times run in the order of scheduling. Cut connections are reset in ascending flow order. */
#include "dataplane/sim_int.h"
#include "dataplane/underlay_path.h"
#include "dataplane/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grow(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? *cap * 2 : 16;
    void *more = realloc(at, *cap * size);
    if (!more)
        arena_oom("simulation");
    return more;
}

void sim_push(struct sim *s, int64_t at, uint32_t kind, uint32_t a, uint64_t b, void *p)
{
    if (evq_push(s->events, at, kind, a, b, p) != 0)
        arena_oom("event queue");
}

struct flow_result *sim_flow_of(const struct sim *s, uint32_t id)
{
    return id && id <= s->n_flows ? s->flow[id - 1] : NULL;
}

/* -- what is remembered of a flow ----------------------------------------------------------------------------- */

static void hop_add(struct hop_list *l, uint32_t port)
{
    l->port = grow(l->port, l->n, &l->cap, sizeof *l->port);
    l->port[l->n++] = port;
}

/* Fragments after the first tell nothing new. */
static bool tells(const struct packet *p, const struct packet_info *info)
{
    return p->meta.flow && !p->meta.dns && !info->frag_offset;
}

/* A packet begins its way (or goes on) at port: keep the hops of the request until it arrived, of the answer until the
 * client has it. A retransmission starts the list again, and what was sent before it adds nothing any more. */
static void note_hop(struct sim *s, uint32_t port, struct packet *p, const struct packet_info *info, bool begins)
{
    struct flow_result *f = sim_flow_of(s, p->meta.flow);
    if (s->img->port[port].kind == PORT_PLS) /* NAT addresses, where nobody is */
        return;
    if (!f || !tells(p, info) || (p->meta.reply ? f->answered : f->arrived))
        return;
    struct hop_list *l = p->meta.reply ? &f->return_path : &f->path;
    if (begins) {
        l->n = 0;
        p->meta.trail = ++l->trail;
    }
    if (p->meta.trail == l->trail)
        hop_add(l, port);
}

static void note_rules(struct flow_result *f, const struct trace *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct trace_step *st = &t->step[i];
        if (st->stage == STAGE_NIC_NSG || st->stage == STAGE_SUBNET_NSG)
            f->rule = (struct sim_lookup){true, t->epoch, st->a, st->b};
    }
}

static void note_trace(struct sim *s, const struct packet *p, const struct packet_info *info, const struct trace *t)
{
    struct flow_result *f = sim_flow_of(s, p->meta.flow);
    const enum reason r = trace_reason(t);
    s->counter[r]++;
    if (p->meta.probe)
        sim_probe_trace(s, p, r);
    if (!f)
        return;
    if (r != REASON_NONE && (r != REASON_LINK_LOSS || f->drop.reason == REASON_NONE)) {
        f->drop.reason = r;
        f->drop.port = t->port;
        f->drop.reply = p->meta.reply;
    }
    if (!tells(p, info))
        return;
    if (!p->meta.reply || r == REASON_NSG_DENY)
        note_rules(f, t);
    if (p->meta.reply || t->inbound || t->port != f->from || p->meta.origin != f->from || f->route.made)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (t->step[i].stage == STAGE_ROUTE)
            f->route = (struct sim_lookup){true, t->epoch, t->step[i].a, t->step[i].b};
}

static void tap(struct sim *s, uint32_t port, const struct packet *p, const struct trace *t)
{
    if (s->ops.tap)
        s->ops.tap(s->ops.ctx, port, s->now, p, t);
}

/* -- links --------------------------------------------------------------------------------------------------- */

static struct wire *wire_of(struct sim *s, uint32_t from, uint32_t to, uint8_t link)
{
    struct flow_key key = flow_key_make(from, 0, link, to, 0, 0, 0);
    uint64_t i = flowtab_get(s->wire_index, key);
    if (i == FLOW_MISS) {
        char label[64];
        i = s->n_wires;
        s->wire = grow(s->wire, s->n_wires, &s->cap_wires, sizeof *s->wire);
        struct wire *w = &s->wire[s->n_wires++];
        *w = (struct wire){0};
        snprintf(label, sizeof label, "wire %u %u %u", from, to, link);
        rng_seed(&w->rng, s->seed, label);
        if (flowtab_set(s->wire_index, key, i) != 0)
            arena_oom("wires");
    }
    return &s->wire[i];
}

/* Put p on the wire. A lost packet ends here. */
static void transmit(struct sim *s, uint32_t from, uint32_t to, uint8_t link, struct packet *p)
{
    const struct image_link *l = &s->img->link[link];
    struct wire *w = wire_of(s, from, to, link);
    int64_t start = w->free_at > s->now ? w->free_at : s->now;
    if (l->bandwidth)
        w->free_at = start + (int64_t)((double)p->len * 8e9 / (double)l->bandwidth);
    else
        w->free_at = start;
    int64_t at = w->free_at + l->latency;
    if (l->jitter)
        at += (int64_t)rng_below(&w->rng, (uint64_t)l->jitter + 1);
    if (at < w->last_arrival)
        at = w->last_arrival;
    if (l->loss > 0 && rng_unit(&w->rng) < l->loss) {
        struct packet_info info;
        struct trace t = {.port = from, .epoch = s->img->epoch};
        trace_add(&t, STAGE_LINK, REASON_LINK_LOSS);
        if (packet_parse(p->data, p->len, &info) == 0)
            note_trace(s, p, &info, &t);
        packet_put(s->pool, p);
        return;
    }
    w->last_arrival = at;
    s->packets_flying += !p->meta.probe;
    sim_push(s, at, EV_DELIVER, to, 0, p);
}

/* Show a packet that is about to go on a link as it is between hosts, where somebody looks. */
static void show_underlay(struct sim *s, uint32_t from, const struct pipe_decision *d, const struct packet *p,
                          const struct packet_info *info)
{
    struct underlay_tunnel t;
    struct packet *outer;
    if (!s->ops.underlay || !underlay_path(s->img, from, d->next, d->link, info, &p->meta, &t))
        return;
    const int rc = underlay_wrap(s->pool, p, info, &t, &outer);
    if (rc == -ENOMEM)
        arena_oom("packet");
    if (rc)
        return;
    s->ops.underlay(s->ops.ctx, s->now, outer, &t);
    packet_put(s->pool, outer);
}

/* A packet as the packet path goes by it. An ICMP error belongs to the flow of the datagram that it quotes and passes as an
 * answer of that flow would (RFC 5508): `flow` then is such an answer. */
struct view {
    struct packet_info info, quoted, flow;
    bool error;
};

/* => 0, or what packet_parse says. Services neither send nor take ICMP (SE-10): theirs is looked at as it is. */
static int view_of(const struct sim *s, uint32_t port, const struct packet *p, struct view *v)
{
    int rc = packet_parse(p->data, p->len, &v->info);
    v->flow = v->info;
    v->error = rc == 0 && s->img->port[port].kind != PORT_SERVICE && packet_parse_inner(p->data, &v->info, &v->quoted) == 0;
    if (v->error) {
        v->flow = v->quoted;
        v->flow.src = v->quoted.dst;
        v->flow.dst = v->quoted.src;
        v->flow.sport = v->quoted.dport;
        v->flow.dport = v->quoted.sport;
        v->flow.tcp_flags = TCP_ACK;
        v->flow.frag_offset = 0;
        v->flow.mf = false;
        v->flow.ip_len = v->info.ip_len;
        v->flow.stands_for_error = true;
    }
    return rc;
}

/* Translate, and undo it inside the quoted datagram: its source is where the error goes. */
static void apply(struct packet *p, struct view *v, const struct pipe_decision *d)
{
    struct packet_info *info = &v->info;
    if (d->set_src && (!v->error || info->src == v->flow.src))
        packet_set_src(p, info, d->src, d->sport);
    if (d->set_src && v->error)
        packet_set_inner_dst(p, info, &v->quoted, d->src, d->sport);
    if (d->set_dst)
        packet_set_dst(p, info, d->dst, d->dport);
    if (d->set_dst && v->error)
        packet_set_inner_src(p, info, &v->quoted, d->dst, d->dport);
    if (!v->error)
        packet_shift_seq(p, info, d->seq_add, d->ack_add);
}

/* => the segment that is to go before or behind p on the same way (a PROXY header); NULL: none. */
static struct packet *inserted(struct sim *s, const struct packet *p, const struct packet_info *info,
                               const struct pipe_decision *d)
{
    if (!d->insert)
        return NULL;
    struct eth_fields eth;
    memcpy(eth.dst, p->data, 6);
    memcpy(eth.src, p->data + 6, 6);
    const struct ip_fields ip = {.src = info->src, .dst = info->dst, .ttl = info->ttl, .tos = info->tos,
                                 .id = info->ip_id, .df = info->df};
    const struct tcp_fields tcp = {.sport = info->sport, .dport = info->dport, .seq = d->insert_seq, .ack = info->ack,
                                   .flags = TCP_ACK | TCP_PSH, .window = info->window, .wscale = -1};
    struct packet *q = packet_build_tcp(s->pool, &eth, &ip, &tcp, d->insert, d->insert_len);
    if (!q)
        arena_oom("packet");
    q->meta = p->meta;
    return q;
}

static void pass_on(struct sim *s, uint32_t port, struct packet *p, const struct packet_info *info,
                    const struct pipe_decision *d)
{
    struct packet *header = inserted(s, p, info, d);
    if (d->watch)
        sim_push(s, d->watch_at, EV_IDLE, d->watch, 0, NULL);
    show_underlay(s, port, d, p, info);
    if (header && d->insert_before)
        transmit(s, port, d->next, d->link, header);
    transmit(s, port, d->next, d->link, p);
    if (header && !d->insert_before)
        transmit(s, port, d->next, d->link, header);
}

/* -- packets out of and into ports --------------------------------------------------------------------------- */

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
    transmit(s, port, port, s->img->link_local, reply);
}

/* Put a packet on the link that was decided on, in pieces where it must be. Takes ownership. */
static void send(struct sim *s, uint32_t port, const struct pipe_decision *d, struct packet *p, const struct packet_info *info)
{
    struct packet *piece;
    if (!d->mtu) {
        show_underlay(s, port, d, p, info);
        transmit(s, port, d->next, d->link, p);
        return;
    }
    if (packet_fragment(s->pool, p, d->mtu, &piece) < 0)
        arena_oom("packet");
    packet_put(s->pool, p);
    for (struct packet *next; piece; piece = next) {
        struct packet_info in;
        next = piece->next;
        if (packet_parse(piece->data, piece->len, &in) == 0)
            show_underlay(s, port, d, piece, &in);
        transmit(s, port, d->next, d->link, piece);
    }
}

/* A NAT gateway answers a segment of a connection that it does not know with a reset (O-02). */
static void refuse_unknown(struct sim *s, uint32_t port, const struct packet *p, const struct packet_info *in)
{
    const struct ip_fields ip = {.src = in->dst, .dst = in->src, .ttl = 64};
    const struct tcp_fields tcp = {.sport = in->dport, .dport = in->sport, .seq = in->ack, .flags = TCP_RST, .wscale = -1};
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
    transmit(s, port, port, s->img->link_local, rst);
}

/* A packet leaves port, from its machine or passed on. Takes ownership. */
static void out(struct sim *s, uint32_t port, struct packet *p)
{
    struct view v;
    struct pipe_decision d;
    int rc = view_of(s, port, p, &v);
    if (rc) {
        answer_arp(s, port, p);
        return;
    }
    if (s->img->port[port].mss)
        packet_clamp_mss(p, &v.info, s->img->port[port].mss);
    pipe_out(s->pipe, s->img, s->now, port, &v.flow, &p->meta, &d);
    note_trace(s, p, &v.info, &d.trace);
    d.trace.again = p->meta.origin != port && p->meta.seen_src == v.info.src && p->meta.seen_dst == v.info.dst;
    tap(s, port, p, &d.trace);
    if (d.reason == REASON_IDLE_TIMEOUT)
        refuse_unknown(s, port, p, &v.info);
    if (d.reason != REASON_NONE || d.absorbed) {
        packet_put(s->pool, p);
        return;
    }
    apply(p, &v, &d);
    send(s, port, &d, p, &v.info);
}

static void deliver(struct sim *s, uint32_t port, struct packet *p)
{
    struct view v;
    struct pipe_decision d;
    const enum port_kind kind = s->img->port[port].kind;
    if (view_of(s, port, p, &v) != 0) { /* ARP */
        struct trace t = {.port = port, .epoch = s->img->epoch, .inbound = true};
        tap(s, port, p, &t);
        if (s->host[port])
            host_input(s->host[port], p);
        else
            packet_put(s->pool, p);
        return;
    }
    pipe_in(s->pipe, s->img, s->now, port, &v.flow, &p->meta, &d);
    note_hop(s, port, p, &v.info, false);
    note_trace(s, p, &v.info, &d.trace);
    apply(p, &v, &d);
    p->meta.seen_src = v.info.src;
    p->meta.seen_dst = v.info.dst;
    tap(s, port, p, &d.trace);
    if (d.reason != REASON_NONE) {
        packet_put(s->pool, p);
    } else if (d.next != port) { /* a private endpoint or a frontend hands the request on */
        pass_on(s, port, p, &v.info, &d);
    } else if (kind == PORT_ENDPOINT || kind == PORT_GATEWAY) {
        out(s, port, p);
    } else {
        struct flow_result *f = sim_flow_of(s, p->meta.flow);
        if (f && p->meta.reply && !p->meta.dns && port == f->from) {
            f->answered = true;
            f->count.received++;
            f->count.bytes_received += v.info.ip_len;
        }
        host_input(s->host[port], p);
    }
}

/* -- what hosts call ------------------------------------------------------------------------------------------- */

static int64_t env_now(void *ctx)
{
    return ((struct sim *)ctx)->now;
}

static void env_output(void *ctx, uint32_t port, struct packet *p)
{
    struct sim *s = ctx;
    struct packet_info info;
    if (packet_parse(p->data, p->len, &info) == 0) {
        struct flow_result *f = sim_flow_of(s, p->meta.flow);
        const bool begins = p->meta.origin == port;
        if (begins)
            note_hop(s, port, p, &info, true);
        if (f && begins && !p->meta.reply && !p->meta.dns) {
            f->count.sent++;
            f->count.bytes_sent += info.ip_len;
            if (!f->spec.sport)
                f->spec.sport = info.sport;
        }
    }
    out(s, port, p);
}

static void env_timer(void *ctx, uint32_t port, int64_t at, uint64_t cookie)
{
    sim_push(ctx, at, EV_TIMER, port, cookie, NULL);
}

static void env_dropped(void *ctx, uint32_t port, const struct packet *p, enum reason why)
{
    struct sim *s = ctx;
    struct packet_info info;
    struct trace t = {.port = port, .epoch = s->img->epoch, .inbound = true};
    trace_add(&t, STAGE_GUEST, why);
    if (packet_parse(p->data, p->len, &info) == 0)
        note_trace(s, p, &info, &t);
}

static const struct flow_spec *env_flow(void *ctx, uint32_t flow)
{
    const struct flow_result *f = sim_flow_of(ctx, flow);
    return flow & PROBE_FLOW ? sim_probe_spec(ctx, flow) : f ? &f->spec : NULL;
}

static void env_resolved(void *ctx, uint32_t flow, const struct dns_msg *answer)
{
    struct flow_result *f = sim_flow_of(ctx, flow);
    if (!f)
        return;
    if (!f->dns && !(f->dns = malloc(sizeof *f->dns)))
        arena_oom("DNS answer");
    *f->dns = *answer;
}

static void env_arrived(void *ctx, uint32_t port, const struct packet *p)
{
    struct flow_result *f = sim_flow_of(ctx, p->meta.flow);
    struct packet_info info;
    if (!f || f->arrived || p->meta.dns || packet_parse(p->data, p->len, &info) != 0)
        return;
    f->arrived = true;
    f->destination = port;
    f->source_seen = info.src;
    f->destination_seen = info.dst;
    f->source_port_seen = info.sport;
}

static enum reason env_admit(void *ctx, uint32_t port, const struct packet *first)
{
    struct sim *s = ctx;
    struct flow_result *f = sim_flow_of(s, first->meta.flow);
    if (!f || !s->ops.admit)
        return REASON_NONE;
    enum reason r = s->ops.admit(s->ops.ctx, port, first, f);
    if (r != REASON_NONE)
        f->denied = r;
    return r;
}

static void env_reset(void *ctx, uint32_t port, const struct packet *first, enum reason why)
{
    struct flow_result *f = first ? sim_flow_of(ctx, first->meta.flow) : NULL;
    (void)port;
    if (f && f->cut == REASON_NONE)
        f->cut = why;
}

static bool env_dns(void *ctx, uint32_t port, const struct packet *query, struct dns_msg *answer)
{
    struct sim *s = ctx;
    return s->ops.dns && s->ops.dns(s->ops.ctx, port, query ? query->meta.last_hop : PORT_NONE, answer);
}

static enum reason outcome_reason(const struct flow_result *f, enum flow_outcome what)
{
    switch (what) {
    case FLOW_OK:
        return f->denied;
    case FLOW_REFUSED:
        return REASON_NO_LISTENER;
    case FLOW_RESET:
        return f->cut != REASON_NONE ? f->cut : REASON_CONNECTION_CLOSED_BY_CHANGE;
    case FLOW_TIMEOUT:
        return f->drop.reason != REASON_NONE ? f->drop.reason : REASON_NO_HOST;
    case FLOW_TOO_BIG:
        return REASON_MTU_EXCEEDED;
    case FLOW_NXDOMAIN:
        return REASON_NX_DOMAIN;
    case FLOW_NODATA:
        return REASON_NO_DATA;
    case FLOW_DNS_TIMEOUT:
        return REASON_DNS_UNREACHABLE;
    }
    return REASON_NONE;
}

static void finish(struct sim *s, struct flow_result *f, enum reason why)
{
    if (f->done)
        return;
    f->done = true;
    f->ended_at = s->now;
    f->reason = why;
    f->verdict = reason_verdict(why);
    s->flows_open--;
    if (s->ops.flow_done)
        s->ops.flow_done(s->ops.ctx, f->spec.id);
}

static void env_done(void *ctx, uint32_t flow, enum flow_outcome what)
{
    struct flow_result *f = sim_flow_of(ctx, flow);
    if (flow & PROBE_FLOW)
        sim_probe_done(ctx, flow, what);
    else if (f)
        finish(ctx, f, outcome_reason(f, what));
}

/* -- public face ------------------------------------------------------------------------------------------------ */

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
    s->env = (struct host_env){.ctx = s,
                               .pool = s->pool,
                               .now = env_now,
                               .output = env_output,
                               .timer = env_timer,
                               .dropped = env_dropped,
                               .flow = env_flow,
                               .resolved = env_resolved,
                               .done = env_done,
                               .arrived = env_arrived,
                               .admit = env_admit,
                               .reset = env_reset,
                               .dns = env_dns};
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
    s->call = grow(s->call, s->n_calls, &s->cap_calls, sizeof *s->call);
    s->call[s->n_calls] = (struct call){fn, arg};
    s->calls_left++;
    sim_push(s, at, EV_CALL, 0, s->n_calls++, NULL);
}

uint32_t sim_flow(struct sim *s)
{
    s->flow = grow(s->flow, s->n_flows, &s->cap_flows, sizeof *s->flow);
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
        finish(s, f, REASON_NO_HOST);
}

void sim_fail(struct sim *s, uint32_t id, enum reason why)
{
    struct flow_result *f = s->flow[id - 1];
    f->started_at = s->now;
    finish(s, f, why);
}

void sim_run(struct sim *s, int64_t until)
{
    struct event e;
    while ((s->calls_left || s->flows_open || s->packets_flying) && evq_peek(s->events, &e) && e.at <= until) {
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
