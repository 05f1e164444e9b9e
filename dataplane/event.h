/* event.h - the event queue of a discrete-event simulation. Design essay: event.c. */
#ifndef VNETSIM_DATAPLANE_EVENT_H
#define VNETSIM_DATAPLANE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evq; /* opaque */

/* What happens when. kind, a, b and p mean what the scheduler wants; the queue never looks at them, nor
 * owns p. */
struct event {
    int64_t at;   /* virtual time, ns */
    uint64_t seq; /* order of scheduling, from 0, assigned by the queue */
    uint32_t kind, a;
    uint64_t b;
    void *p;
};

/* => an empty queue, owned by the caller; NULL: out of memory. */
struct evq *evq_new(void);
/* Free the queue and the events left in it; NULL is allowed. */
void evq_free(struct evq *q);

/* Make room for n events in all, so that pushes up to there cannot fail. => 0, or -ENOMEM (unchanged). */
int evq_reserve(struct evq *q, size_t n);

/* Schedule an event at a virtual time, any int64 value, also before the last one popped.
 * => 0, or -ENOMEM (unchanged; no sequence number is used up). */
int evq_push(struct evq *q, int64_t at, uint32_t kind, uint32_t a, uint64_t b, void *p);

/* Take out, or look at, the event that is due first: the smallest time, of equal times the one scheduled
 * first. Looking changes nothing that can be seen.
 * => false: the queue is empty and out untouched. Cannot fail, does not allocate. */
bool evq_pop(struct evq *q, struct event *out);
bool evq_peek(struct evq *q, struct event *out);

size_t evq_count(const struct evq *q);

#endif
