/* event.c - the event queue: what is due soon in a heap, ordered by (time, sequence); what is due later in
 * event_far.c.
 *
 * Representation: one array of events; the children of node i are 4i+1 .. 4i+4, its parent is (i-1)/4. Every
 * node is not after its children. The events lie in the heap themselves: a simulation has hundreds to
 * thousands pending, which fit the first two cache levels, and a level of four children halves the depth of a
 * binary heap for three cheap comparisons more.
 *
 * Order: sequence numbers are unique, so no two events are equal and the order of popping is total: it
 * depends on what was pushed and when, never on the queue's history. Equal times run in the order of
 * scheduling, which is what makes a run repeatable and what merges runs on several workers by (time,
 * sequence).
 *
 * Moves carry a hole: the event to be placed stays in a local until its place is found, each level costs
 * one copy. A pop leaves the hole at the top, for what happens now mostly schedules something: a push that
 * follows sinks from there, and only where none came before the next pop the last event does.
 *
 * Later. Up to SPILL events the heap is the whole queue. Then it is sorted, the first BATCH stay, and all
 * others go to the far part: every event there comes after every event of the heap, which is what
 * far_takes decides for each new one. A pop that finds the heap empty fetches the next batch; where FEW are
 * left it fetches them all and the heap is the whole queue again. So a heap is small when it is used most,
 * and a million pending cost little more than a hundred.
 *
 * Odd cases. An event before the far part's base, even one before the last popped, goes to the heap, at
 * whatever size: times may come in any order, a queue where they often run backwards is a plain heap's
 * speed. A heap that reaches its limit nevertheless is spilled again, as far as far_lowest permits: so a
 * burst within the span of the last batch is spread, too. If memory for the spill is short the heap grows
 * instead, and only a push for which nothing is left fails.
 *
 * Costs: 40 bytes an event; push and pop O(log4 SPILL) and the far part's moves, amortised; pops allocate
 * nothing. Memory doubles and does not shrink; the queue lives as long as its simulation. */
#include "dataplane/event_int.h"
#include "dataplane/mem.h"

#include <assert.h>
#include <errno.h>

#define WAYS    4
#define CAP_MIN 64
#define SPILL   2048 /* events at which a heap is divided */
#define BATCH   64   /* that stay then, and that are fetched at a time */
#define FEW     512  /* of which a heap is made again */

/* What is needed rarely is not inlined: pushes and pops would save registers for it each time. */
#define RARE __attribute__((noinline))

static_assert(sizeof(struct event) == 40, "an event is five words");
static_assert(BATCH + FAR_CHUNK <= FEW && FEW < SPILL, "a divided heap has room for what is fetched");

struct evq {
    struct event *heap;
    size_t n, cap;
    size_t limit; /* events at which the heap is to be divided */
    bool hole;    /* the top is vacant, the n events lie behind it */
    uint64_t next_seq;
    struct far far;
};

static bool before(const struct event *x, const struct event *y)
{
    return x->at != y->at ? x->at < y->at : x->seq < y->seq;
}

struct evq *evq_new(void)
{
    struct evq *q = mem_alloc(sizeof(struct evq));
    if (!q)
        return NULL;
    q->limit = SPILL;
    far_init(&q->far);
    return q;
}

void evq_free(struct evq *q)
{
    if (!q)
        return;
    far_fini(&q->far);
    mem_free(q->heap, q->cap * sizeof *q->heap);
    mem_free(q, sizeof *q);
}

static RARE int grow(struct evq *q, size_t cap)
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

/* Which part pushes will go to is not known: both get the room. */
int evq_reserve(struct evq *q, size_t n)
{
    if (n > q->cap && grow(q, n))
        return -ENOMEM;
    return n > SPILL ? far_reserve(&q->far, n) : 0;
}

/* -- the heap -------------------------------------------------------------------------------------------- */

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

static inline size_t first_child(const struct event *heap, size_t from, size_t n)
{
    size_t best = from, end = n - from < WAYS ? n : from + WAYS;
    for (size_t c = from + 1; c < end; c++)
        if (before(&heap[c], &heap[best]))
            best = c;
    return best;
}

/* Put e where the hole at i, one of n nodes, can sink to. */
static inline void sift_down(struct event *heap, size_t i, size_t n, const struct event *e)
{
    size_t c;
    while ((c = i * WAYS + 1) < n) {
        c = first_child(heap, c, n);
        if (!before(&heap[c], e))
            break;
        heap[i] = heap[c];
        i = c;
    }
    heap[i] = *e;
}

/* Fill the hole with the last event. */
static void close_hole(struct evq *q)
{
    const struct event last = q->heap[q->n];
    q->hole = false;
    if (q->n)
        sift_down(q->heap, 0, q->n, &last);
}

static void swap(struct event *x, struct event *y)
{
    const struct event e = *x;
    *x = *y;
    *y = e;
}

/* Sort the heap, which has no hole; it stays a heap. */
static void sort(struct evq *q)
{
    for (size_t n = q->n; n-- > 1;) {
        const struct event last = q->heap[n];
        q->heap[n] = q->heap[0];
        sift_down(q->heap, 0, n, &last);
    }
    for (size_t i = 0; i < q->n / 2; i++)
        swap(&q->heap[i], &q->heap[q->n - 1 - i]);
}

/* -- the far part ---------------------------------------------------------------------------------------- */

/* Move all but the first events of the heap to the far part: as many as its lowest base permits. Those at a
 * base where later ones wait already would come behind them: they stay. */
static RARE void spill(struct evq *q)
{
    struct far *f = &q->far;
    const uint64_t lowest = far_lowest(f);
    size_t keep = BATCH;
    if (q->hole)
        close_hole(q);
    q->limit = 2 * q->n;
    if (far_takes(f, f->base) || (f->n + q->n > f->room && far_reserve(f, f->n + 2 * q->n)))
        return;
    sort(q);
    while (keep < q->n && far_key(q->heap[keep].at) < lowest)
        keep++;
    if (keep == q->n)
        return;
    f->base = far_key(q->heap[keep].at);
    for (size_t i = keep; i < q->n; i++)
        far_put(f, &q->heap[i]);
    q->n = keep;
    q->limit = keep > SPILL / 2 ? 2 * keep : SPILL;
}

/* Fetch what is due next from the far part; the heap is empty. */
static RARE void fetch(struct evq *q)
{
    q->n = far_take(&q->far, q->heap, BATCH, FEW);
    q->limit = SPILL;
    for (size_t i = (q->n + WAYS - 2) / WAYS; i-- > 0;) {
        const struct event e = q->heap[i];
        sift_down(q->heap, i, q->n, &e);
    }
}

static int push_far(struct evq *q, const struct event *e)
{
    struct far *f = &q->far;
    if (f->n == f->room && far_reserve(f, 2 * f->n))
        return -ENOMEM;
    far_put(f, e);
    q->next_seq++;
    return 0;
}

/* -- the queue ------------------------------------------------------------------------------------------- */

int evq_push(struct evq *q, int64_t at, uint32_t kind, uint32_t a, uint64_t b, void *p)
{
    const struct event e = {.at = at, .seq = q->next_seq, .kind = kind, .a = a, .b = b, .p = p};
    if (q->n >= q->limit)
        spill(q);
    if (far_takes(&q->far, far_key(at)))
        return push_far(q, &e);
    if (q->hole) {
        q->hole = false;
        sift_down(q->heap, 0, ++q->n, &e);
    } else {
        if (q->n == q->cap && grow(q, q->cap ? q->cap * 2 : CAP_MIN))
            return -ENOMEM;
        sift_up(q->heap, q->n++, e);
    }
    q->next_seq++;
    return 0;
}

bool evq_peek(struct evq *q, struct event *out)
{
    if (q->hole)
        close_hole(q);
    if (!q->n && q->far.n)
        fetch(q);
    if (!q->n)
        return false;
    *out = q->heap[0];
    return true;
}

bool evq_pop(struct evq *q, struct event *out)
{
    if (!evq_peek(q, out))
        return false;
    q->n--;
    q->hole = true;
    return true;
}

size_t evq_count(const struct evq *q)
{
    return q->n + q->far.n;
}
