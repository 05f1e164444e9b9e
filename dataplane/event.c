/* event.c - the event queue: a heap of four children a node, ordered by (time, sequence).
 *
 * Representation: one array of events; the children of node i are 4i+1 .. 4i+4, its parent is (i-1)/4. Every
 * node is not after its children. The events lie in the heap themselves: a simulation has hundreds to
 * thousands pending, which fit the first two cache levels, and a level of four children halves the depth of a
 * binary heap for three cheap comparisons more.
 *
 * Order: sequence numbers are unique, so no two events are equal and the order of popping is total: it
 * depends on what was pushed and when, never on the heap's history. Equal times run in the order of
 * scheduling, which is what makes a run repeatable and what merges runs on several workers by (time,
 * sequence).
 *
 * Moves carry a hole: the event to be placed stays in a local until its place is found, each level costs
 * one copy. Costs: 40 bytes an event, push O(log4 n) and in practice O(1) (most events are scheduled
 * late), pop O(log4 n). The array doubles and does not shrink; the queue lives as long as its simulation. */
#include "dataplane/event.h"
#include "dataplane/mem.h"

#include <assert.h>
#include <errno.h>

#define WAYS    4
#define CAP_MIN 64

static_assert(sizeof(struct event) == 40, "an event is five words");

struct evq {
    struct event *heap;
    size_t n, cap;
    uint64_t next_seq;
};

static bool before(const struct event *x, const struct event *y)
{
    return x->at != y->at ? x->at < y->at : x->seq < y->seq;
}

struct evq *evq_new(void)
{
    return mem_alloc(sizeof(struct evq));
}

void evq_free(struct evq *q)
{
    if (!q)
        return;
    mem_free(q->heap, q->cap * sizeof *q->heap);
    mem_free(q, sizeof *q);
}

static int grow(struct evq *q, size_t cap)
{
    if (cap > SIZE_MAX / 2 / sizeof *q->heap)
        return -ENOMEM;
    struct event *bigger = mem_resize(q->heap, q->cap * sizeof *q->heap, cap * sizeof *q->heap);
    if (!bigger)
        return -ENOMEM;
    q->heap = bigger;
    q->cap = cap;
    return 0;
}

int evq_reserve(struct evq *q, size_t n)
{
    return n <= q->cap ? 0 : grow(q, n);
}

/* Put e where the hole at i can rise to. */
static void sift_up(struct event *heap, size_t i, struct event e)
{
    while (i) {
        size_t parent = (i - 1) / WAYS;
        if (!before(&e, &heap[parent]))
            break;
        heap[i] = heap[parent];
        i = parent;
    }
    heap[i] = e;
}

static size_t first_child(const struct event *heap, size_t from, size_t n)
{
    size_t best = from, end = n - from < WAYS ? n : from + WAYS;
    for (size_t c = from + 1; c < end; c++)
        if (before(&heap[c], &heap[best]))
            best = c;
    return best;
}

/* Put e where the hole at the top of n nodes can sink to. */
static void sift_down(struct event *heap, size_t n, struct event e)
{
    size_t i = 0, c;
    while ((c = i * WAYS + 1) < n) {
        c = first_child(heap, c, n);
        if (!before(&heap[c], &e))
            break;
        heap[i] = heap[c];
        i = c;
    }
    heap[i] = e;
}

int evq_push(struct evq *q, int64_t at, uint32_t kind, uint32_t a, uint64_t b, void *p)
{
    if (q->n == q->cap && grow(q, q->cap ? q->cap * 2 : CAP_MIN))
        return -ENOMEM;
    struct event e = {.at = at, .seq = q->next_seq++, .kind = kind, .a = a, .b = b, .p = p};
    sift_up(q->heap, q->n++, e);
    return 0;
}

bool evq_peek(const struct evq *q, struct event *out)
{
    if (!q->n)
        return false;
    *out = q->heap[0];
    return true;
}

bool evq_pop(struct evq *q, struct event *out)
{
    if (!evq_peek(q, out))
        return false;
    if (--q->n)
        sift_down(q->heap, q->n, q->heap[q->n]);
    return true;
}

size_t evq_count(const struct evq *q)
{
    return q->n;
}
