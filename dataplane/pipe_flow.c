/* pipe_flow.c - flow records: made, found, kept alive, given back. What they mean is told in pipe.c. */
#include "dataplane/pipe_int.h"

#include <stdlib.h>
#include <string.h>

void *pipe_grow(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? *cap * 2 : 256;
    void *more = realloc(at, *cap * size);
    if (!more)
        arena_oom("flow records");
    return more;
}

size_t pipe_flows(const struct pipe *p)
{
    return p->n - p->n_free;
}

struct flow_key pipe_key(const struct ctx *c, bool inbound)
{
    return flow_key_make(c->port, inbound, c->info->proto, c->src, c->dst, c->sport, c->dport);
}

struct flow_state *pipe_state_get(const struct ctx *c, struct flow_key key)
{
    uint64_t i = flowtab_get(c->p->index, key);
    if (i == FLOW_MISS)
        return NULL;
    struct flow_state *s = &c->p->state[i];
    int64_t timeout = c->at->flow_timeout;
    if (timeout && s->extra < c->p->n_balanced && c->at->kind == PORT_NIC &&
        timeout < c->p->balanced[s->extra].timeout)
        timeout = c->p->balanced[s->extra].timeout; /* a backend remembers as long as its balancer */
    return timeout && c->now - s->seen > timeout ? NULL : s;
}

static struct flow_count *count_of(struct pipe *p, uint32_t port)
{
    if (port >= p->n_counts) {
        const size_t n = (size_t)port * 2 + 16;
        struct flow_count *more = realloc(p->count, n * sizeof *more);
        if (!more)
            arena_oom("flow records");
        memset(more + p->n_counts, 0, (n - p->n_counts) * sizeof *more);
        p->count = more;
        p->n_counts = n;
    }
    return &p->count[port];
}

/* => position of a new record of key. */
static uint64_t state_add(struct pipe *p, struct flow_key key)
{
    uint64_t i;
    if (p->n_free) {
        i = p->first_free;
        p->first_free = p->state[i].nexthop;
        p->n_free--;
    } else {
        p->state = pipe_grow(p->state, p->n, &p->cap, sizeof *p->state);
        i = p->n++;
    }
    if (flowtab_set(p->index, key, i) != 0)
        arena_oom("flow table");
    count_of(p, flow_key_port(key))->n[flow_key_dir(key)]++;
    return i;
}

/* Give the expired records of the port back. */
static void sweep(const struct ctx *c, struct flow_count *count)
{
    struct pipe *p = c->p;
    int64_t oldest = c->now;
    for (size_t i = 0; i < p->n; i++) {
        struct flow_state *s = &p->state[i];
        if (flow_key_port(s->key) != c->port || flowtab_get(p->index, s->key) != i)
            continue;
        if (c->now - s->seen <= c->at->flow_timeout) {
            oldest = s->seen < oldest ? s->seen : oldest;
            continue;
        }
        flowtab_del(p->index, s->key);
        count->n[flow_key_dir(s->key)]--;
        *s = (struct flow_state){.nexthop = p->first_free};
        p->first_free = (uint32_t)i;
        p->n_free++;
    }
    count->full_until = oldest + c->at->flow_timeout + 1;
}

bool pipe_has_room(struct ctx *c)
{
    const uint32_t limit = c->img->flow_limit;
    struct flow_count *count = count_of(c->p, c->port);
    if (!limit || (count->n[0] < limit && count->n[1] < limit))
        return true;
    if (c->at->flow_timeout && c->now >= count->full_until)
        sweep(c, count);
    if (count->n[0] < limit && count->n[1] < limit)
        return true;
    c->d->reason = REASON_FLOW_LIMIT;
    trace_add(&c->d->trace, STAGE_FLOW_TABLE, REASON_FLOW_LIMIT);
    return false;
}

struct flow_state *pipe_state_put(const struct ctx *c, struct flow_key key, bool answer)
{
    struct pipe *p = c->p;
    uint64_t i = flowtab_get(p->index, key);
    if (i == FLOW_MISS)
        i = state_add(p, key);
    p->state[i] = (struct flow_state){.key = key,
                                      .nexthop = NONE32,
                                      .rules_epoch = c->img->epoch,
                                      .seen = c->now,
                                      .flow = c->meta->flow,
                                      .last_hop = c->meta->last_hop,
                                      .via = NONE32,
                                      .pool = NONE32,
                                      .answer = answer,
                                      .extra = NONE32};
    return &p->state[i];
}

struct flow_state *pipe_state_pair(const struct ctx *c, bool inbound)
{
    struct flow_key key = pipe_key(c, inbound);
    pipe_state_put(c, flow_key_reverse(key), true);
    return pipe_state_put(c, key, false);
}

struct flow_state *pipe_state_touch(const struct ctx *c, bool inbound)
{
    struct flow_key key = pipe_key(c, inbound), back = flow_key_reverse(key);
    struct flow_state *s = pipe_state_get(c, key);
    if (!s || (!c->img->rule_change_keeps_flows && !s->answer && s->rules_epoch != c->img->epoch))
        return NULL;
    uint64_t i = flowtab_get(c->p->index, back);
    s->seen = c->now;
    if (i != FLOW_MISS)
        c->p->state[i].seen = c->now;
    return s;
}
