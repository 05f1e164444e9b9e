/* test_event.c - order, ties, growth and failing allocation of the event queue. */
#include "dataplane/event_int.h"
#include "dataplane/mem.h"
#include "dataplane/mem_int.h"
#include "tests/support_mem.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct evq *q;

static void setup(void)
{
    q = evq_new();
    cr_assert(q);
}

static void teardown(void)
{
    evq_free(q);
    support_mem_none_live();
}

TestSuite(event, .init = setup, .fini = teardown);

static int event_cmp(const void *x, const void *y)
{
    const struct event *a = x, *b = y;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void assert_same(const struct event *got, const struct event *want)
{
    cr_assert_eq(got->at, want->at);
    cr_assert_eq(got->seq, want->seq);
    cr_assert_eq(got->kind, want->kind);
    cr_assert_eq(got->a, want->a);
    cr_assert_eq(got->b, want->b);
    cr_assert_eq(got->p, want->p);
}

Test(event, empty)
{
    struct event e = {.at = 7, .seq = 8};
    cr_assert_not(evq_pop(q, &e));
    cr_assert_not(evq_peek(q, &e));
    cr_assert_eq(e.at, 7);
    cr_assert_eq(e.seq, 8);
    cr_assert_eq(evq_count(q), 0);
}

Test(event, carries_what_was_pushed)
{
    int x;
    struct event got,
        want = {.at = INT64_MAX, .seq = 0, .kind = UINT32_MAX, .a = 5, .b = UINT64_MAX, .p = &x};
    cr_assert_eq(evq_push(q, want.at, want.kind, want.a, want.b, want.p), 0);
    cr_assert(evq_peek(q, &got));
    assert_same(&got, &want);
    cr_assert_eq(evq_count(q), 1);
    cr_assert(evq_pop(q, &got));
    assert_same(&got, &want);
    cr_assert_eq(evq_count(q), 0);
}

Test(event, equal_times_run_in_order_of_scheduling)
{
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(evq_push(q, i % 3 ? 10 : -10, 0, i, 0, NULL), 0);
    struct event e;
    for (uint32_t i = 0; i < 1000; i += 3) {
        cr_assert(evq_pop(q, &e));
        cr_assert_eq(e.a, i);
        cr_assert_eq(e.at, -10);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        if (i % 3 == 0)
            continue;
        cr_assert(evq_pop(q, &e));
        cr_assert_eq(e.a, i);
        cr_assert_eq(e.at, 10);
    }
    cr_assert_not(evq_pop(q, &e));
}

Test(event, scheduled_now_runs_after_those_already_due)
{
    struct event e;
    evq_push(q, 5, 0, 1, 0, NULL);
    evq_push(q, 5, 0, 2, 0, NULL);
    cr_assert(evq_pop(q, &e));
    cr_assert_eq(e.a, 1);
    evq_push(q, 5, 0, 3, 0, NULL);
    cr_assert(evq_pop(q, &e));
    cr_assert_eq(e.a, 2);
    cr_assert(evq_pop(q, &e));
    cr_assert_eq(e.a, 3);
}

Test(event, extreme_times)
{
    const int64_t at[] = {0, INT64_MAX, INT64_MIN, -1, 1, INT64_MAX, INT64_MIN};
    const uint64_t order[] = {2, 6, 3, 0, 4, 1, 5};
    for (size_t i = 0; i < 7; i++)
        cr_assert_eq(evq_push(q, at[i], 0, 0, 0, NULL), 0);
    struct event e;
    for (size_t i = 0; i < 7; i++) {
        cr_assert(evq_pop(q, &e));
        cr_assert_eq(e.seq, order[i]);
        cr_assert_eq(e.at, at[order[i]]);
    }
}

/* Random pushes and pops against a sorted list; few distinct times, so that ties are the rule. */
static void random_run(struct rng *r, size_t steps, uint64_t times, unsigned push_percent)
{
    struct event *model = calloc(steps, sizeof *model), e;
    size_t lo = 0, hi = 0;
    uint64_t seq = 0;
    for (size_t i = 0; i < steps; i++) {
        if (rng_below(r, 100) < push_percent) {
            struct event new = {
                .at = (int64_t)rng_below(r, times), .seq = seq++, .a = (uint32_t)i, .b = rng_u64(r)};
            cr_assert_eq(evq_push(q, new.at, 0, new.a, new.b, NULL), 0);
            model[hi++] = new;
            qsort(model + lo, hi - lo, sizeof *model, event_cmp);
        } else if (evq_pop(q, &e)) {
            assert_same(&e, &model[lo++]);
        }
        cr_assert_eq(evq_count(q), hi - lo);
    }
    while (evq_pop(q, &e))
        assert_same(&e, &model[lo++]);
    cr_assert_eq(lo, hi);
    free(model);
}

Test(event, property_ties)
{
    struct rng r;
    prop_seed(&r, "event ties");
    random_run(&r, 1500, 4, 60);
    evq_free(q);
    setup();
    random_run(&r, 1500, 1000, 52);
    evq_free(q);
    setup();
    random_run(&r, 1200, 1, 90);
}

Test(event, many_sorted)
{
    struct rng r;
    prop_seed(&r, "event many");
    const size_t n = 100000;
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(evq_push(q, (int64_t)rng_below(&r, n / 4), 0, 0, 0, NULL), 0);
    struct event prev, e;
    cr_assert(evq_pop(q, &prev));
    for (size_t i = 1; i < n; i++, prev = e) {
        cr_assert(evq_pop(q, &e));
        cr_assert_lt(event_cmp(&prev, &e), 0);
    }
    cr_assert_not(evq_pop(q, &e));
}

Test(event, churn_keeps_memory_flat)
{
    for (int i = 0; i < 60; i++)
        evq_push(q, i, 0, 0, 0, NULL);
    size_t bytes = mem_live_bytes();
    struct event e;
    for (int i = 60; i < 100000; i++) {
        cr_assert_eq(evq_push(q, i, 0, 0, 0, NULL), 0);
        cr_assert(evq_pop(q, &e));
        cr_assert_eq(e.at, i - 60);
    }
    cr_assert_eq(mem_live_bytes(), bytes);
}

Test(event, failing_allocation_leaves_the_queue_as_it_was)
{
    struct event e;
    size_t n = 0;
    mem_fail_after(2);
    while (evq_push(q, (int64_t)(n % 7), 0, (uint32_t)n, 0, NULL) == 0)
        n++;
    cr_assert_gt(n, 1);
    cr_assert_eq(evq_push(q, 0, 0, 0, 0, NULL), -ENOMEM);
    cr_assert_eq(evq_reserve(q, n + 1), -ENOMEM);
    cr_assert_eq(evq_count(q), n);
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(evq_push(q, 100, 0, 0, 0, NULL), 0);
    struct event prev = {.at = -1};
    for (size_t i = 0; i < n; i++, prev = e) {
        cr_assert(evq_pop(q, &e));
        cr_assert_lt(event_cmp(&prev, &e), 0);
        cr_assert_eq(e.at, e.a % 7);
    }
    cr_assert(evq_pop(q, &e));
    cr_assert_eq(e.seq, n, "a failed push must not use up a sequence number");
}

Test(event, new_fails_without_memory)
{
    mem_fail_after(0);
    cr_assert_null(evq_new());
}

Test(event, reserve_makes_pushes_safe)
{
    cr_assert_eq(evq_reserve(q, 5000), 0);
    cr_assert_eq(evq_reserve(q, 10), 0);
    cr_assert_eq(evq_reserve(q, SIZE_MAX / 8), -ENOMEM);
    mem_fail_after(0);
    for (int i = 0; i < 5000; i++)
        cr_assert_eq(evq_push(q, -i, 0, 0, 0, NULL), 0);
    size_t n = 5000;
    while (n < 20000 && evq_push(q, 0, 0, 0, 0, NULL) == 0)
        n++;
    cr_assert_lt(n, 20000, "room for ever, and no allocation");
    cr_assert_eq(evq_count(q), n);
    struct event e;
    cr_assert(evq_peek(q, &e));
    cr_assert_eq(e.at, -4999);
}

/* -- large queues beside a sorted list ------------------------------------------------------------------- */

struct due {
    int64_t at;
    uint64_t seq;
};

struct model {
    struct due *due; /* sorted; lo .. hi are pending */
    size_t lo, hi, cap;
    uint64_t seq;
    int64_t now; /* the last popped */
};

static void model_push(struct model *m, int64_t at)
{
    size_t lo = m->lo, hi = m->hi;
    cr_assert_lt(hi, m->cap);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (m->due[mid].at <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    memmove(&m->due[lo + 1], &m->due[lo], (m->hi - lo) * sizeof *m->due);
    m->due[lo] = (struct due){at, m->seq++};
    m->hi++;
}

static void push_both(struct model *m, int64_t at)
{
    uint64_t mark = hash_mix(m->seq);
    cr_assert_eq(evq_push(q, at, (uint32_t)mark, (uint32_t)(mark >> 32), ~mark, (void *)(uintptr_t)mark), 0);
    model_push(m, at);
    cr_assert_eq(evq_count(q), m->hi - m->lo);
}

/* => whether there was one. */
static bool pop_both(struct model *m, bool look)
{
    struct event e = {.at = 3}, seen = {.at = 4};
    bool any = m->lo < m->hi;
    if (look)
        cr_assert_eq(evq_peek(q, &seen), any);
    cr_assert_eq(evq_pop(q, &e), any);
    if (!any)
        return false;
    uint64_t seq = m->due[m->lo].seq, mark = hash_mix(seq);
    const struct event want = {m->due[m->lo].at,       seq,   (uint32_t)mark,
                               (uint32_t)(mark >> 32), ~mark, (void *)(uintptr_t)mark};
    assert_same(&e, &want);
    if (look)
        assert_same(&seen, &want);
    m->now = e.at;
    m->lo++;
    cr_assert_eq(evq_count(q), m->hi - m->lo);
    return true;
}

/* a + b, held within the range. */
static int64_t later(int64_t a, uint64_t b)
{
    return b > (uint64_t)INT64_MAX - (uint64_t)a ? INT64_MAX : (int64_t)((uint64_t)a + b);
}

enum { SOON, ANY_SCALE, SPARSE, NOW, EDGES, ANY, PAST, KINDS };

static int64_t draw(struct rng *r, const struct model *m, unsigned kind)
{
    switch (kind) {
    case SOON:
        return later(m->now, rng_below(r, 50));
    case ANY_SCALE: /* any number of bits: each level of digits */
        return later(m->now, rng_u64(r) >> rng_below(r, 64));
    case SPARSE:
        return later(m->now, rng_below(r, 1000) << 40);
    case NOW:
        return m->now;
    case EDGES:
        return (int64_t)((UINT64_C(1) << 63) + (rng_below(r, 7) - 3));
    case PAST:
        return rng_below(r, 2) ? (int64_t)((uint64_t)m->now - rng_below(r, 1000)) : m->now;
    default:
        return (int64_t)rng_u64(r);
    }
}

static void run_phase(struct rng *r, struct model *m, unsigned kind, unsigned push_percent, size_t steps)
{
    const size_t burst = rng_below(r, 4) ? 0 : rng_below(r, 4000);
    const int64_t at = draw(r, m, kind);
    for (size_t i = 0; i < burst && m->hi < m->cap; i++)
        push_both(m, at);
    for (size_t i = 0; i < steps && m->hi < m->cap; i++) {
        if (rng_below(r, 100) < push_percent)
            push_both(m, draw(r, m, kind));
        else
            pop_both(m, rng_below(r, 8) == 0);
    }
}

/* Phases that grow, hold and shrink the queue, each with one kind of times below kinds. */
static void run_phases(struct rng *r, unsigned kinds, size_t cap)
{
    struct model m = {.due = calloc(cap, sizeof *m.due), .cap = cap};
    while (m.hi < m.cap) {
        static const unsigned percent[] = {95, 50, 50, 5};
        run_phase(r, &m, (unsigned)rng_below(r, kinds), percent[rng_below(r, 4)], 1 + rng_below(r, 6000));
    }
    while (pop_both(&m, false))
        ;
    free(m.due);
}

Test(event, property_times_that_run_forwards)
{
    struct rng r;
    prop_seed(&r, "event forwards");
    for (int i = 0; i < 4; i++) {
        run_phases(&r, EDGES, 20000);
        evq_free(q);
        setup();
    }
}

Test(event, property_any_times)
{
    struct rng r;
    prop_seed(&r, "event any");
    for (int i = 0; i < 4; i++) {
        run_phases(&r, KINDS, 20000);
        evq_free(q);
        setup();
    }
}

Test(event, property_reserved_pushes_never_fail)
{
    struct rng r;
    prop_seed(&r, "event reserved");
    cr_assert_eq(evq_reserve(q, 9000), 0);
    mem_fail_after(0);
    struct model m = {.due = calloc(50000, sizeof *m.due), .cap = 50000};
    while (m.hi < m.cap) {
        unsigned kind = (unsigned)rng_below(&r, KINDS);
        for (size_t n = rng_below(&r, 9001); m.hi < m.cap && m.hi - m.lo < n;)
            push_both(&m, draw(&r, &m, kind));
        for (size_t n = rng_below(&r, 9001); n-- > 0 && pop_both(&m, false);)
            if (rng_below(&r, 3) && m.hi < m.cap)
                push_both(&m, draw(&r, &m, kind));
    }
    free(m.due);
}

/* Every allocation but the first few of each push fails at first: the push is repeated with memory. */
static void run_short_of_memory(struct rng *r, size_t few)
{
    struct model m = {.due = calloc(30000, sizeof *m.due), .cap = 30000};
    size_t failed = 0;
    while (m.hi < m.cap) {
        int64_t at = draw(r, &m, m.hi % 3000 < 2000 ? ANY_SCALE : ANY);
        mem_fail_after(few);
        int err = evq_push(q, at, 0, 0, 0, NULL);
        mem_fail_after(MEM_NEVER_FAIL);
        cr_assert(err == 0 || err == -ENOMEM);
        cr_assert_eq(evq_count(q), m.hi - m.lo + !err);
        failed += err != 0;
        cr_assert_eq(err ? evq_push(q, at, 0, 0, 0, NULL) : 0, 0);
        model_push(&m, at);
        struct event e;
        if (m.hi % 7 == 0 && evq_pop(q, &e))
            cr_assert_eq(e.seq, m.due[m.lo++].seq);
    }
    for (struct event e; evq_pop(q, &e); m.lo++)
        cr_assert_eq(e.seq, m.due[m.lo].seq);
    cr_assert_eq(m.lo, m.hi);
    cr_assert(few ? failed == 0 : failed > 3);
    free(m.due);
}

Test(event, property_short_of_memory)
{
    struct rng r;
    prop_seed(&r, "event short of memory");
    run_short_of_memory(&r, 0);
    evq_free(q);
    setup();
    run_short_of_memory(&r, 2);
}

Test(event, large_churn_keeps_memory_flat)
{
    struct rng r;
    struct event e;
    prop_seed(&r, "event churn");
    for (int i = 0; i < 10000; i++)
        evq_push(q, (int64_t)rng_below(&r, 1000000), 0, 0, 0, NULL);
    size_t bytes = mem_live_bytes();
    for (int i = 0; i < 150000; i++) {
        cr_assert(evq_pop(q, &e));
        cr_assert_eq(evq_push(q, e.at + (int64_t)(rng_u64(&r) >> (34 + rng_below(&r, 30))), 0, 0, 0, NULL),
                     0);
    }
    cr_assert_eq(mem_live_bytes(), bytes);
}

/* -- the far part alone ---------------------------------------------------------------------------------- */

static uint64_t far_fill(struct far *f, struct rng *r, size_t n, uint64_t base)
{
    far_init(f);
    cr_assert_eq(far_reserve(f, n), 0);
    f->base = base;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t room = UINT64_MAX - base;
        uint64_t key = base + (rng_below(r, 4) ? room >> rng_below(r, 64) & rng_u64(r) : 0);
        struct event e = {.at = (int64_t)(key ^ UINT64_C(1) << 63), .seq = i};
        far_put(f, &e);
        sum += hash_mix(i);
    }
    return sum;
}

Test(event, property_far_batches)
{
    static const uint64_t base[] = {0, 1, 12345678901234567u, UINT64_MAX - 70, UINT64_MAX};
    struct rng r;
    struct far *f = mem_alloc(sizeof *f);
    struct event out[64 + FAR_CHUNK];
    prop_seed(&r, "event far");
    for (size_t k = 0; k < 5; k++) {
        uint64_t sum = far_fill(f, &r, 5000, base[k]), last = 0;
        for (size_t left = 5000; left;) {
            size_t n = far_take(f, out, 64, 10);
            cr_assert(n > 0 && n <= left && n < 64 + FAR_CHUNK);
            left -= n;
            cr_assert_eq(f->n, left);
            for (size_t i = 0; i < n; i++) {
                uint64_t key = far_key(out[i].at);
                cr_assert(key >= last && key <= f->base, "a batch is behind the former, and not behind base");
                sum -= hash_mix(out[i].seq);
            }
            if (left) {
                cr_assert_leq(far_lowest(f), f->base);
                last = f->base;
            }
        }
        cr_assert_eq(sum, 0, "each event once");
        cr_assert_eq(f->base, UINT64_MAX);
        cr_assert_not(far_takes(f, UINT64_MAX));
        far_fini(f);
    }
    mem_free(f, sizeof *f);
}
