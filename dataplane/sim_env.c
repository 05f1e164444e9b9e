/* sim_env.c - what hosts ask of the engine, and tell it. */
#include "dataplane/sim_int.h"

#include <stdlib.h>

static int64_t env_now(void *ctx)
{
    return ((struct sim *)ctx)->now;
}

static void count_sent(struct flow_result *f, const struct packet_info *info)
{
    f->count.sent++;
    f->count.bytes_sent += info->ip_len;
    if (!f->spec.sport)
        f->spec.sport = info->sport;
}

static void env_output(void *ctx, uint32_t port, struct packet *p)
{
    struct sim *s = ctx;
    struct packet_info info;
    if (packet_parse(p->data, p->len, &info) == 0) {
        struct flow_result *f = sim_flow_of(s, p->meta.flow);
        const bool begins = p->meta.origin == port;
        if (begins)
            sim_note_hop(s, port, p, &info, true);
        if (f && begins && !p->meta.reply && !p->meta.dns)
            count_sent(f, &info);
    }
    sim_out(s, port, p);
}

/* Both ends are one machine: the way is the machine alone. */
static void env_looped(void *ctx, uint32_t port, struct packet *p)
{
    struct sim *s = ctx;
    struct packet_info info;
    struct flow_result *f = sim_flow_of(s, p->meta.flow);
    if (!f || p->meta.dns || packet_parse(p->data, p->len, &info) != 0)
        return;
    sim_note_hop(s, port, p, &info, true);
    if (p->meta.reply)
        sim_note_answer(f, &info);
    else
        count_sent(f, &info);
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
        sim_note_trace(s, p, &info, &t);
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

static void env_done(void *ctx, uint32_t flow, enum flow_outcome what)
{
    struct flow_result *f = sim_flow_of(ctx, flow);
    if (flow & PROBE_FLOW)
        sim_probe_done(ctx, flow, what);
    else if (f)
        sim_finish(ctx, f, sim_outcome(f, what));
}

struct host_env sim_env(struct sim *s)
{
    return (struct host_env){.ctx = s,
                             .pool = s->pool,
                             .now = env_now,
                             .output = env_output,
                             .looped = env_looped,
                             .timer = env_timer,
                             .dropped = env_dropped,
                             .flow = env_flow,
                             .resolved = env_resolved,
                             .done = env_done,
                             .arrived = env_arrived,
                             .admit = env_admit,
                             .reset = env_reset,
                             .dns = env_dns};
}
