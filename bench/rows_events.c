/* rows_events.c - the event queue beside a plain binary heap of numbers, its reference. */
#include "bench/rows.h"
#include "dataplane/event.h"
#include "dataplane/rng.h"

#define EVENTS ((size_t)1 << 18)

struct events {
    size_t pending;
    uint64_t seed;
};

/* The hold model: pop one, push one a random while later. Answers: the sequence numbers in their order. */
static void event_hold(void *ctx, void *out)
{
    const struct events *x = ctx;
    uint64_t *seq = out;
    struct evq *q = evq_new();
    struct event e;
    struct rng r;
    rng_seed(&r, x->seed, "events");
    for (size_t i = 0; i < x->pending; i++)
        bench_check(evq_push(q, (int64_t)rng_below(&r, 100000), 0, 0, 0, NULL), "evq_push");
    for (size_t i = 0; i < EVENTS; i++) {
        evq_pop(q, &e);
        seq[i] = e.seq;
        bench_check(evq_push(q, e.at + (int64_t)rng_below(&r, 100000), 0, 0, 0, NULL), "evq_push");
    }
    evq_free(q);
}

/* The reference: a binary heap of plain numbers, time in the high half and sequence in the low. */
static void event_binary(void *ctx, void *out)
{
    const struct events *x = ctx;
    size_t pending = x->pending, n = 0;
    uint64_t *seq = out, *heap = bench_array(pending + 2, 8), next = 0;
    struct rng r;
    rng_seed(&r, x->seed, "events");
    for (size_t i = 0; i < pending + EVENTS; i++) {
        uint64_t now = 0;
        if (i >= pending) {
            uint64_t last = heap[n--], c = 2, at = 1;
            now = heap[1] >> 32;
            seq[i - pending] = (uint32_t)heap[1];
            for (; c <= n; at = c, c *= 2) {
                c += c < n && heap[c + 1] < heap[c];
                if (heap[c] >= last)
                    break;
                heap[at] = heap[c];
            }
            heap[at] = last;
        }
        uint64_t e = (now + rng_below(&r, 100000)) << 32 | next++, at = ++n;
        for (; at > 1 && heap[at / 2] > e; at /= 2)
            heap[at] = heap[at / 2];
        heap[at] = e;
    }
    bench_free(heap, pending + 2, 8);
}

static void event_row(struct bench *b, size_t pending)
{
    char name[40];
    struct events x = {pending, b->seed};
    uint64_t *want = bench_array(EVENTS, sizeof *want);
    event_binary(&x, want);
    snprintf(name, sizeof name, "%zu pending", pending);
    struct bench_row row = {
        .what = "events",
        .table = name,
        .stream = "pop and push",
        .work = EVENTS,
        .want = want,
        .n_runs = 2,
        .run = {{.name = "ours", .fn = event_hold, .ctx = &x, .width = 8},
                {.name = "binary heap of numbers", .fn = event_binary, .ctx = &x, .width = 8}}};
    bench_row(b, &row);
    bench_free(want, EVENTS, sizeof *want);
}

void rows_events(struct bench *b)
{
    event_row(b, 100);
    event_row(b, 10000);
}
