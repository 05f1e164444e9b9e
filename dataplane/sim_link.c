/* sim_link.c - wires between ports.
 *
 * Every ordered pair of ports has a wire of its own with the class's latency, jitter, bandwidth and loss. A
 * wire never reorders: a packet arrives no earlier than the one before it. Random draws come from a stream
 * per wire, seeded by the scenario's seed and the wire's ports, so that one wire's traffic does not change
 * another's luck. */
#include "dataplane/sim_int.h"
#include "dataplane/underlay_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct wire *wire_of(struct sim *s, uint32_t from, uint32_t to, uint8_t link)
{
    struct flow_key key = flow_key_make(from, 0, link, to, 0, 0, 0);
    uint64_t i = flowtab_get(s->wire_index, key);
    if (i == FLOW_MISS) {
        char label[64];
        i = s->n_wires;
        s->wire = sim_grow(s->wire, s->n_wires, &s->cap_wires, sizeof *s->wire);
        struct wire *w = &s->wire[s->n_wires++];
        *w = (struct wire){0};
        snprintf(label, sizeof label, "wire %u %u %u", from, to, link);
        rng_seed(&w->rng, s->seed, label);
        if (flowtab_set(s->wire_index, key, i) != 0)
            arena_oom("wires");
    }
    return &s->wire[i];
}

void sim_transmit(struct sim *s, uint32_t from, uint32_t to, uint8_t link, struct packet *p)
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
            sim_note_trace(s, p, &info, &t);
        packet_put(s->pool, p);
        return;
    }
    w->last_arrival = at;
    s->packets_flying += !p->meta.probe;
    sim_push(s, at, EV_DELIVER, to, 0, p);
}

void sim_show_underlay(struct sim *s, uint32_t from, const struct pipe_decision *d, const struct packet *p,
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

/* => the segment that is to go before or behind p on the same way (a PROXY header); NULL: none. */
static struct packet *inserted(struct sim *s, const struct packet *p, const struct packet_info *info,
                               const struct pipe_decision *d)
{
    if (!d->insert)
        return NULL;
    struct eth_fields eth;
    memcpy(eth.dst, p->data, 6);
    memcpy(eth.src, p->data + 6, 6);
    const struct ip_fields ip = {.src = info->src,
                                 .dst = info->dst,
                                 .ttl = info->ttl,
                                 .tos = info->tos,
                                 .id = info->ip_id,
                                 .df = info->df};
    const struct tcp_fields tcp = {.sport = info->sport,
                                   .dport = info->dport,
                                   .seq = d->insert_seq,
                                   .ack = info->ack,
                                   .flags = TCP_ACK | TCP_PSH,
                                   .window = info->window,
                                   .wscale = -1};
    struct packet *q = packet_build_tcp(s->pool, &eth, &ip, &tcp, d->insert, d->insert_len);
    if (!q)
        arena_oom("packet");
    q->meta = p->meta;
    return q;
}

void sim_pass_on(struct sim *s, uint32_t port, struct packet *p, const struct packet_info *info,
                 const struct pipe_decision *d)
{
    struct packet *header = inserted(s, p, info, d);
    if (d->watch)
        sim_push(s, d->watch_at, EV_IDLE, d->watch, 0, NULL);
    sim_show_underlay(s, port, d, p, info);
    if (header && d->insert_before)
        sim_transmit(s, port, d->next, d->link, header);
    sim_transmit(s, port, d->next, d->link, p);
    if (header && !d->insert_before)
        sim_transmit(s, port, d->next, d->link, header);
}
