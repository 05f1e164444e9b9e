/* sim_note.c - what is remembered of a flow: its way, what decided, how it ended. */
#include "dataplane/sim_int.h"

static void hop_add(struct hop_list *l, uint32_t port)
{
    l->port = sim_grow(l->port, l->n, &l->cap, sizeof *l->port);
    l->port[l->n++] = port;
}

/* Fragments after the first tell nothing new. */
static bool tells(const struct packet *p, const struct packet_info *info)
{
    return p->meta.flow && !p->meta.dns && !info->frag_offset;
}

void sim_note_hop(struct sim *s, uint32_t port, struct packet *p, const struct packet_info *info, bool begins)
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

void sim_note_answer(struct flow_result *f, const struct packet_info *info)
{
    f->answered = true;
    f->count.received++;
    f->count.bytes_received += info->ip_len;
}

static void note_rules(struct flow_result *f, const struct trace *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct trace_step *st = &t->step[i];
        const bool admin = st->stage == STAGE_ADMIN_RULES && st->b != TRACE_NONE;
        if (admin || st->stage == STAGE_NIC_NSG || st->stage == STAGE_SUBNET_NSG)
            f->rule = (struct sim_lookup){true, t->epoch, st->a, st->b};
    }
}

void sim_note_trace(struct sim *s, const struct packet *p, const struct packet_info *info,
                    const struct trace *t)
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
    if (!p->meta.reply || r == REASON_NSG_DENY || r == REASON_ADMIN_RULE_DENY)
        note_rules(f, t);
    if (p->meta.reply || t->inbound || t->port != f->from || p->meta.origin != f->from || f->route.made)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (t->step[i].stage == STAGE_ROUTE)
            f->route = (struct sim_lookup){true, t->epoch, t->step[i].a, t->step[i].b};
}

enum reason sim_outcome(const struct flow_result *f, enum flow_outcome what)
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

void sim_finish(struct sim *s, struct flow_result *f, enum reason why)
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
