/* rows_events.c - the event queue beside a plain binary heap of numbers, its reference.
 *
 * The hold model: so many events are pending; each step takes the earliest out and schedules one an
 * exponentially distributed while after it, or, one time in ten, at the time of the one scheduled before: a
 * tie. Times that pending events have from the start are distributed the same way, so the model is in
 * balance at once. Whiles are drawn beforehand, outside the time. Both queues live through all rounds: their
 * memory is as scattered as it gets. The order of their sequence numbers is compared after each round. */
#include "bench/rows.h"
#include "dataplane/event.h"
#include "dataplane/mem_int.h"
#include "dataplane/rng.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define WHILES    ((size_t)1 << 20)
#define SPACING   100 /* mean time between two events due: a hundredth are ties by chance */
#define SEQ_BITS  28  /* of a number of the binary heap; the others are its time */
#define HOLDS_MIN ((size_t)1 << 18)
#define HOLDS_MAX ((size_t)1 << 20)

struct binary {
    uint64_t *at, next;
    size_t n;
};

struct events {
    size_t pending, holds;
    uint32_t *later; /* WHILES of them; 0: a tie */
    struct evq *ours;
    struct binary heap;
    uint64_t *seq[2]; /* in the order of the last round */
    int64_t last[2];  /* the time of the last event scheduled */
    size_t used[2];   /* whiles */
    size_t ours_bytes, heap_bytes;
};

static uint32_t next_while(struct events *x, int who)
{
    return x->later[x->used[who]++ % WHILES];
}

static void binary_push(struct binary *h, uint64_t time)
{
    const uint64_t e = time << SEQ_BITS | h->next++;
    size_t i = ++h->n;
    for (; i > 1 && h->at[i / 2] > e; i /= 2)
        h->at[i] = h->at[i / 2];
    h->at[i] = e;
}

static uint64_t binary_pop(struct binary *h)
{
    const uint64_t first = h->at[1], last = h->at[h->n--];
    size_t i = 1;
    for (size_t c = 2; c <= h->n; i = c, c *= 2) {
        c += c < h->n && h->at[c + 1] < h->at[c];
        if (h->at[c] >= last)
            break;
        h->at[i] = h->at[c];
    }
    h->at[i] = last;
    return first;
}

static void hold_ours(void *ctx, void *out)
{
    struct events *x = ctx;
    (void)out;
    for (size_t i = 0; i < x->holds; i++) {
        struct event e;
        evq_pop(x->ours, &e);
        x->seq[0][i] = e.seq;
        const uint32_t later = next_while(x, 0);
        x->last[0] = later ? e.at + later : x->last[0];
        bench_check(evq_push(x->ours, x->last[0], 0, 0, 0, NULL), "evq_push");
    }
}

static void hold_binary(void *ctx, void *out)
{
    struct events *x = ctx;
    (void)out;
    for (size_t i = 0; i < x->holds; i++) {
        const uint64_t e = binary_pop(&x->heap);
        x->seq[1][i] = e & ((UINT64_C(1) << SEQ_BITS) - 1);
        const uint32_t later = next_while(x, 1);
        x->last[1] = later ? (int64_t)(e >> SEQ_BITS) + later : x->last[1];
        binary_push(&x->heap, (uint64_t)x->last[1]);
    }
}

static void compare(void *ctx, void *out)
{
    const struct events *x = ctx;
    *(uint64_t *)out = memcmp(x->seq[0], x->seq[1], x->holds * sizeof *x->seq[0]) == 0;
}

static void nothing_to_compare(void *ctx, void *out)
{
    (void)ctx;
    *(uint64_t *)out = 1;
}

static void draw_whiles(struct events *x, uint64_t seed)
{
    struct rng r;
    rng_seed(&r, seed, "events");
    for (size_t i = 0; i < WHILES; i++) {
        const double w = 1 - log(1 - rng_unit(&r)) * SPACING * (double)x->pending;
        x->later[i] = rng_below(&r, 10) == 0 ? 0 : w < UINT32_MAX ? (uint32_t)w : UINT32_MAX;
    }
}

static void fill(struct events *x)
{
    size_t before = mem_live_bytes();
    x->ours = evq_new();
    bench_check(x->ours ? 0 : -ENOMEM, "evq_new");
    for (size_t i = 0; i < x->pending; i++) {
        const uint32_t later = next_while(x, 0);
        x->last[0] = later ? later : x->last[0];
        bench_check(evq_push(x->ours, x->last[0], 0, 0, 0, NULL), "evq_push");
    }
    x->ours_bytes = mem_live_bytes() - before;
    x->heap_bytes = (x->pending + 2) * sizeof *x->heap.at;
    x->heap.at = bench_array(x->pending + 2, sizeof *x->heap.at);
    for (size_t i = 0; i < x->pending; i++) {
        const uint32_t later = next_while(x, 1);
        x->last[1] = later ? later : x->last[1];
        binary_push(&x->heap, (uint64_t)x->last[1]);
    }
}

static struct events make(size_t pending, uint64_t seed)
{
    struct events x = {.pending = pending, .holds = pending < HOLDS_MIN ? HOLDS_MIN : HOLDS_MAX};
    x.later = bench_array(WHILES, sizeof *x.later);
    for (int k = 0; k < 2; k++)
        x.seq[k] = bench_array(x.holds, sizeof *x.seq[k]);
    draw_whiles(&x, seed);
    fill(&x);
    return x;
}

static void unmake(struct events *x)
{
    evq_free(x->ours);
    bench_free(x->heap.at, x->pending + 2, sizeof *x->heap.at);
    for (int k = 0; k < 2; k++)
        bench_free(x->seq[k], x->holds, sizeof *x->seq[k]);
    bench_free(x->later, WHILES, sizeof *x->later);
}

static void event_row(struct bench *b, const char *name, size_t pending, double goal)
{
    static const uint64_t same = 1;
    struct events x = make(pending, b->seed);
    struct bench_row row = {.what = "events",
                            .table = name,
                            .stream = "hold, a tenth ties",
                            .work = x.holds,
                            .answers = 1,
                            .entries = pending,
                            .rounds = pending > HOLDS_MAX ? 3 : 0,
                            .want = &same,
                            .n_runs = 2};
    row.run[0] = (struct bench_run){
        .name = "ours", .fn = hold_ours, .finish = nothing_to_compare, .bytes = x.ours_bytes};
    row.run[1] = (struct bench_run){.name = "binary heap of numbers",
                                    .fn = hold_binary,
                                    .finish = compare,
                                    .at = x.heap.at,
                                    .bytes = x.heap_bytes};
    for (size_t i = 0; i < row.n_runs; i++) {
        row.run[i].ctx = &x;
        row.run[i].width = 8;
    }
    bench_row(b, &row);
    if (goal > 0)
        bench_want_rate(b, "ours", goal);
    unmake(&x);
}

void rows_events(struct bench *b)
{
    if (!b->again) {
        event_row(b, "100 pending", 100, 0);
        event_row(b, "10 k pending", 10000, 0);
    }
    event_row(b, "1 M pending", 1000000, 10);
    if (!b->quick && !b->again)
        event_row(b, "10 M pending", 10000000, 0);
}
