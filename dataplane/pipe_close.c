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

void pipe_note_close(struct pipe *p, uint32_t number, uint8_t flags, int64_t now)
{
    if (p->linger == INT64_MAX || !(flags & (TCP_FIN | TCP_RST | TCP_SYN)))
        return;
    struct flow_pair *pair = pipe_pair(p, number / 2);
    struct flow_hot *first = &pair->half[0], *h = &pair->half[number & 1];
    if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) { /* the five values are used again */
        pair->half[0].flags &= (uint8_t) ~(FLOW_FIN | FLOW_CLOSED);
        pair->half[1].flags &= (uint8_t) ~(FLOW_FIN | FLOW_CLOSED);
        return;
    }
    h->flags |= flags & TCP_FIN ? FLOW_FIN : 0;
    if (!(flags & TCP_RST) && !(pair->half[0].flags & pair->half[1].flags & FLOW_FIN))
        return;
    if (pipe_record(p, number)->extra != NONE32 || pipe_record(p, number ^ 1)->extra != NONE32)
        return; /* others remember it, too (B-01, PE-24) */
    first->flags |= FLOW_CLOSED;
    pair->half[1].flags |= FLOW_CLOSED;
    if (first->flags & FLOW_QUEUED)
        return;
    first->flags |= FLOW_QUEUED;
    queue(p, (struct closed){number / 2, now});
}

/* => whether the pair at the head of the queue, which is taken off, is to be given back. */
static bool turn(struct pipe *p, uint32_t *pair, int64_t now)
{
    const uint32_t i = *pair = p->closed[p->first_closed++ & (p->cap_closed - 1)].pair;
    struct flow_pair *at = pipe_pair(p, i);
    struct flow_hot *first = &at->half[0];
    p->n_closed--;
    first->flags &= (uint8_t)~FLOW_QUEUED;
    if (!(first->flags & FLOW_CLOSED))
        return false;
    if (now - at->seen > p->linger)
        return true;
    first->flags |= FLOW_QUEUED;
    queue(p, (struct closed){i, now});
    return false;
}

/* The next n of the queue have their turn. */
static void turns(struct pipe *p, size_t n, int64_t now)
{
    uint32_t dead[GROUP];
    size_t n_dead = 0;
    for (size_t k = 0; k < n; k++) {
        const uint32_t i = p->closed[(p->first_closed + k) & (p->cap_closed - 1)].pair;
        __builtin_prefetch(pipe_pair(p, i), 1);
        __builtin_prefetch(pipe_record(p, 2 * i), 1);
        __builtin_prefetch(pipe_record(p, 2 * i + 1), 1);
    }
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
