/* test_event.c - order, ties, growth and failing allocation of the event queue. */
#include "dataplane/event.h"
#include "dataplane/mem_int.h"
#include "tests/support_mem.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

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
    cr_assert_eq(evq_push(q, 0, 0, 0, 0, NULL), -ENOMEM);
    struct event e;
    cr_assert(evq_peek(q, &e));
    cr_assert_eq(e.at, -4999);
}
