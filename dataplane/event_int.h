/* event_int.h - the part of the event queue that holds what is due later; for event*.c and tests only. Design
 * essay: event_far.c.
 *
 * Times are keys here: int64 with the sign bit flipped, which compare as unsigned numbers. */
#ifndef VNETSIM_DATAPLANE_EVENT_INT_H
#define VNETSIM_DATAPLANE_EVENT_INT_H

#include "dataplane/event.h"

#define FAR_BITS                                                                                             \
    6 /* of a digit of a key: a level has a slot for each value, one word says which are in use */
#define FAR_SLOTS  (1u << FAR_BITS)
#define FAR_LEVELS ((64 + FAR_BITS - 1) / FAR_BITS)
#define FAR_CHUNK  25 /* events of a chunk, which is about 1 KiB */

struct far_chunk {
    uint32_t next, n; /* next: number of a chunk, 0 at the end of a list */
    struct event event[FAR_CHUNK];
};

struct far_list {
    uint32_t head, tail; /* 0: empty */
    size_t n;            /* events */
};

struct far {
    uint64_t base;   /* nothing here is before it; see far_takes */
    size_t n, room;  /* events; how many there can be without allocation */
    uint32_t levels; /* bits: levels with events */
    uint32_t unused; /* list of chunks given back */
    struct far_chunk *chunk;
    size_t n_chunks, fresh;     /* all, of which those from fresh on were never used; 0 never is */
    uint64_t slots[FAR_LEVELS]; /* bits: slots with events */
    struct far_list list[FAR_LEVELS][FAR_SLOTS];
};

static inline uint64_t far_key(int64_t at)
{
    return (uint64_t)at ^ UINT64_C(1) << 63;
}

/* => whether an event of that key, scheduled now, belongs here and not into the heap: it is after base, or at
 * base where others of the same time wait. */
static inline bool far_takes(const struct far *f, uint64_t key)
{
    return key > f->base || (key == f->base && f->slots[0] >> key % FAR_SLOTS & 1);
}

/* Begin with nothing, and a base that takes nothing; end. */
void far_init(struct far *f);
void far_fini(struct far *f);

/* Make room for n events in all. => 0, or -ENOMEM (unchanged). */
int far_reserve(struct far *f, size_t n);

/* Put an event whose key is not before base, behind those of equal time; there is room for it. */
void far_put(struct far *f, const struct event *e);

/* => the smallest key to which base may be set back, with every event staying where it is. */
uint64_t far_lowest(const struct far *f);

/* Move the earliest events, of at least one, into out, and base to where the others begin: those of one time
 * or of a span of time that holds no more than max, or max (up to FAR_CHUNK - 1 more) of too many at one
 * time. Where there are no more than few, move all of them, and base to the end of time. The order in out is
 * that of scheduling among equal times, else none. => their number. Cannot fail. */
size_t far_take(struct far *f, struct event *out, size_t max, size_t few);

#endif
