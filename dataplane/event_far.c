/* event_far.c - what is due later: a radix heap of time, digit by digit.
 *
 * Purpose. A heap of a million events costs a cache miss or two at each of its levels. Most events of such a
 * queue are far from due, and need no order yet: here they lie in buckets that get finer as time comes near,
 * until a bucket is small enough for the heap of event.c. This is what a hierarchical timer wheel does, or
 * the radix heap of Ahuja, Mehlhorn, Orlin and Tarjan (1990), with buckets that are read and written in
 * sequence.
 *
 * Representation. A key is eleven digits of six bits. An event lies at the level of the highest digit in
 * which its key differs from base, in the slot of that digit's value:
 *
 *     base           = 3 . 17 . 40 . 5      level 2, slot 19: all events of 3.19.*.*
 *     key 3.17.40.9  -> level 0, slot 9     level 1, slot 41: all events of 3.17.41.*
 *     key 3.19.2.2   -> level 2, slot 19    level 0, slot 5:  the time base itself
 *
 * So the lowest level in use has the earliest events, and there its first slot; a slot of level 0 is one
 * point of time. Each slot is a list of chunks, filled one behind the other; chunks are numbers in one array
 * and go back to a list of unused ones.
 *
 * Taking. The first slot of the lowest level: where it holds few events they all leave, and base becomes the
 * last key of the slot, so that what is scheduled into the same span later goes to the heap, too. Where it
 * holds many they are spread over the levels below, relative to the slot's first key, and the search begins
 * anew. Where there are many at one time they leave in portions: their list is in the order of scheduling,
 * and later ones of that time go behind them.
 *
 * Invariants. Nothing here is before base. Digits above an event's level equal base's, its digit there is
 * larger; or its key is base. Lists hold equal times in the order of scheduling: they are appended in that
 * order, moved in their order, and equal times are always in one list. base moves forwards in far_take; it
 * may be set back as far as its digits below the lowest level in use can be (far_lowest), for then no event's
 * level changes.
 *
 * Costs. 40 bytes an event, and at most one chunk that is not full for each slot (704 KiB). An event is
 * written once where it enters and once for each level it comes down, ten at most; with n events spread over
 * time about log64(n), whatever their density. Memory grows when an event comes from outside only: however
 * events are spread over lists, full chunks are no more than n / FAR_CHUNK, the others no more than the
 * slots, and one is being read. So taking needs no allocation. */
#include "dataplane/event_int.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <string.h>

void far_init(struct far *f)
{
    *f = (struct far){.base = UINT64_MAX, .fresh = 1};
}

void far_fini(struct far *f)
{
    mem_free(f->chunk, f->n_chunks * sizeof *f->chunk);
}

int far_reserve(struct far *f, size_t n)
{
    if (n <= f->room)
        return 0;
    const size_t need = n / FAR_CHUNK + FAR_LEVELS * FAR_SLOTS + 2;
    if (need > UINT32_MAX)
        return -ENOMEM;
    struct far_chunk *more = mem_resize(f->chunk, f->n_chunks * sizeof *more, need * sizeof *more);
    if (!more)
        return -ENOMEM;
    f->chunk = more;
    f->n_chunks = need;
    f->room = n;
    return 0;
}

/* -- lists ----------------------------------------------------------------------------------------------- */

static uint32_t take_chunk(struct far *f)
{
    const uint32_t i = f->unused ? f->unused : (uint32_t)f->fresh++;
    struct far_chunk *c = &f->chunk[i];
    if (i == f->unused)
        f->unused = c->next;
    c->next = 0;
    c->n = 0;
    return i;
}

static void give_chunk(struct far *f, uint32_t i)
{
    f->chunk[i].next = f->unused;
    f->unused = i;
}

/* => a chunk at the end of the slot's list that has room for an event. */
static struct far_chunk *lengthen(struct far *f, unsigned level, unsigned slot)
{
    struct far_list *l = &f->list[level][slot];
    const uint32_t i = take_chunk(f);
    if (l->tail) {
        f->chunk[l->tail].next = i;
    } else {
        l->head = i;
        f->slots[level] |= UINT64_C(1) << slot;
        f->levels |= 1u << level;
    }
    l->tail = i;
    return &f->chunk[i];
}

static inline void append(struct far *f, const struct event *e)
{
    const uint64_t key = far_key(e->at);
    const unsigned level = (63 - (unsigned)__builtin_clzll((key ^ f->base) | 1)) / FAR_BITS;
    const unsigned slot = (unsigned)(key >> level * FAR_BITS) % FAR_SLOTS;
    struct far_list *l = &f->list[level][slot];
    struct far_chunk *c = &f->chunk[l->tail];
    if (!l->tail || c->n == FAR_CHUNK)
        c = lengthen(f, level, slot);
    c->event[c->n++] = *e;
    l->n++;
}

void far_put(struct far *f, const struct event *e)
{
    append(f, e);
    f->n++;
}

/* => the list of a slot, which is empty then. */
static struct far_list detach(struct far *f, unsigned level, unsigned slot)
{
    const struct far_list l = f->list[level][slot];
    f->list[level][slot] = (struct far_list){0};
    f->slots[level] &= ~(UINT64_C(1) << slot);
    if (!f->slots[level])
        f->levels &= ~(1u << level);
    return l;
}

/* => level and, in *slot, slot of the earliest events. */
static unsigned first_slot(const struct far *f, unsigned *slot)
{
    const unsigned level = (unsigned)__builtin_ctz(f->levels);
    *slot = (unsigned)__builtin_ctzll(f->slots[level]);
    return level;
}

/* Move the list's first events into out, chunk by chunk until there are max or more. => their number. */
static size_t take_list(struct far *f, struct far_list *l, struct event *out, size_t max)
{
    size_t n = 0;
    while (l->head && n < max) {
        const uint32_t i = l->head;
        const struct far_chunk *c = &f->chunk[i];
        __builtin_prefetch(&f->chunk[c->next]);
        memcpy(out + n, c->event, c->n * sizeof *out);
        n += c->n;
        l->head = c->next;
        give_chunk(f, i);
    }
    l->n -= n;
    f->n -= n;
    return n;
}

/* -- time passes ----------------------------------------------------------------------------------------- */

uint64_t far_lowest(const struct far *f)
{
    if (!f->levels)
        return 0;
    const unsigned shift = (unsigned)__builtin_ctz(f->levels) * FAR_BITS;
    return f->base >> shift << shift;
}

static void prefetch_chunk(const struct far_chunk *c)
{
    for (size_t at = 0; at < sizeof *c; at += 64)
        __builtin_prefetch((const char *)c + at);
}

/* Put the events of a detached list where they belong by the new base. */
static void spread(struct far *f, const struct far_list *l)
{
    for (uint32_t i = l->head, next; i; i = next) {
        const struct far_chunk *c = &f->chunk[i];
        next = c->next;
        prefetch_chunk(&f->chunk[next]);
        for (uint32_t k = 0; k < c->n; k++)
            append(f, &c->event[k]);
        give_chunk(f, i);
    }
}

static size_t take_all(struct far *f, struct event *out)
{
    size_t n = 0;
    while (f->levels) {
        unsigned slot, level = first_slot(f, &slot);
        struct far_list l = detach(f, level, slot);
        n += take_list(f, &l, out + n, SIZE_MAX);
    }
    f->base = UINT64_MAX;
    return n;
}

/* Take from a slot of level 0: one time. */
static size_t take_now(struct far *f, unsigned slot, struct event *out, size_t max)
{
    struct far_list *l = &f->list[0][slot];
    const size_t n = take_list(f, l, out, max);
    f->base = f->base >> FAR_BITS << FAR_BITS | slot;
    if (!l->head)
        detach(f, 0, slot);
    return n;
}

size_t far_take(struct far *f, struct event *out, size_t max, size_t few)
{
    unsigned slot, level;
    if (f->n <= few)
        return take_all(f, out);
    while ((level = first_slot(f, &slot)) > 0) {
        const unsigned shift = level * FAR_BITS;
        struct far_list l = detach(f, level, slot);
        f->base = ((f->base >> shift & ~(uint64_t)(FAR_SLOTS - 1)) | slot) << shift;
        if (l.n <= max) {
            f->base |= (UINT64_C(1) << shift) - 1;
            return take_list(f, &l, out, max);
        }
        spread(f, &l);
    }
    return take_now(f, slot, out, max);
}
