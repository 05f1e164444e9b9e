/* pipe_close.c - connections that ended, and when they are forgotten.
 *
 * A record idles until its port's timeout (G-07), and is given back when somebody needs the room. Where
 * connections come and go by the million that is late, so pipe_linger makes a connection that both ends
 * closed, or one reset, idle for a shorter time only. Its pair is marked FLOW_CLOSED, and from then on no
 * record of it counts that was silent for longer; so answers do not depend on when the memory is given back.
 * That is done in the order of closing, by a queue:
 *
 *     closed -> queue -> its time is over: silent since?  yes: given back
 *                                                         no: to the end of the queue
 *
 * A pair is in the queue once at most (FLOW_QUEUED); a new SYN takes FLOW_CLOSED away, and the pair leaves
 * the queue when its turn comes.
 *
 * Costs: nothing for a packet without FIN, RST or SYN; giving back is one removal from the flow table, done
 * in groups whose cache lines are asked for together. */
#include "dataplane/pipe_int.h"

#include <stdlib.h>

#define GROUP PIPE_FREE_GROUP

void pipe_linger(struct pipe *p, int64_t linger)
{
    p->linger = linger;
}

static void queue(struct pipe *p, struct closed c)
{
    if (p->n_closed == p->cap_closed) {
        const size_t cap = p->cap_closed ? 2 * p->cap_closed : 256;
        struct closed *more = malloc(cap * sizeof *more);
        if (!more)
            arena_oom("closed connections");
        for (size_t i = 0; i < p->n_closed; i++)
            more[i] = p->closed[(p->first_closed + i) & (p->cap_closed - 1)];
        free(p->closed);
        p->closed = more;
        p->cap_closed = cap;
        p->first_closed = 0;
    }
    p->closed[(p->first_closed + p->n_closed++) & (p->cap_closed - 1)] = c;
}

/* => whether others remember the connection, too (B-01, PE-24). What they change is never kept as a decision,
 * so that one spares looking. */
static bool is_shared(const struct pipe *p, const struct flow_pair *pair)
{
    const struct flow_state *s = pipe_record(p, 2 * pair->number);
    return !(pair->half[0].flags & pair->half[1].flags & FLOW_DECIDED) &&
           (s[0].extra != NONE32 || s[1].extra != NONE32);
}

void pipe_note_close(struct pipe *p, struct flow_pair *pair, unsigned dir, uint8_t flags, int64_t now)
{
    struct flow_hot *half = pair->half;
    if (p->linger == INT64_MAX || !(flags & (TCP_FIN | TCP_RST | TCP_SYN)))
        return;
    if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) { /* the five values are used again */
        half[0].flags &= (uint8_t) ~(FLOW_FIN | FLOW_CLOSED);
        half[1].flags &= (uint8_t) ~(FLOW_FIN | FLOW_CLOSED);
        return;
    }
    half[dir].flags |= flags & TCP_FIN ? FLOW_FIN : 0;
    const uint8_t both = half[0].flags & half[1].flags;
    if (!(both & FLOW_USED) || !(flags & TCP_RST || both & FLOW_FIN) || is_shared(p, pair))
        return;
    half[1].flags |= FLOW_CLOSED;
    const bool queued = half[0].flags & FLOW_QUEUED;
    half[0].flags |= FLOW_CLOSED | FLOW_QUEUED;
    if (!queued)
        queue(p, (struct closed){pair, now});
}

/* => whether the pair at the head of the queue, which is taken off, is to be given back. */
static bool turn(struct pipe *p, struct flow_pair **pair, int64_t now)
{
    struct flow_pair *at = *pair = p->closed[p->first_closed++ & (p->cap_closed - 1)].pair;
    p->n_closed--;
    at->half[0].flags &= (uint8_t)~FLOW_QUEUED;
    if (!(at->half[0].flags & FLOW_CLOSED))
        return false;
    if (now - at->seen > p->linger)
        return true;
    at->half[0].flags |= FLOW_QUEUED;
    queue(p, (struct closed){at, now});
    return false;
}

/* The next n of the queue have their turn. */
static void turns(struct pipe *p, size_t n, int64_t now)
{
    struct flow_pair *dead[GROUP];
    size_t n_dead = 0;
    for (size_t k = 0; k < n; k++)
        __builtin_prefetch(p->closed[(p->first_closed + k) & (p->cap_closed - 1)].pair, 1);
    for (size_t k = 0; k < n; k++)
        n_dead += turn(p, &dead[n_dead], now);
    pipe_pairs_free(p, dead, n_dead);
}

size_t pipe_tidy(struct pipe *p, int64_t now, size_t budget)
{
    size_t done = 0;
    while (done < budget) {
        size_t n = 0;
        while (n < GROUP && n < p->n_closed && done + n < budget &&
               now - p->closed[(p->first_closed + n) & (p->cap_closed - 1)].at > p->linger)
            n++;
        if (!n)
            break;
        turns(p, n, now);
        done += n;
    }
    return done;
}
