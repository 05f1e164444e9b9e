/* test_flowtab_lines.c - the lines of large flow tables against uthash. A table gets them with 10 M flows;
 * here its room is set to a few, and flows are chosen by their hashes to be at home in a few lines, so that
 * little of the memory is ever touched. */
#include "dataplane/mem_int.h"
#include "tests/support_flows.h"
#include "tests/support_mem.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct flowtab *t;

static void setup(void)
{
    t = flowtab_new(0);
    cr_assert(t);
}

static void teardown(void)
{
    mem_fail_after(MEM_NEVER_FAIL);
    flowtab_free(t);
    support_mem_none_live();
}

TestSuite(flowtab_lines, .init = setup, .fini = teardown);

/* A flow at home in one of the first lines of 2^23. */
static struct flow_key at_line(uint64_t line, uint64_t hash, uint64_t low)
{
    return flowtab_key(line << 41 | (hash & ((UINT64_C(1) << 41) - 1)), low);
}

/* Few of each: 32 bits of hash, the nine above, the other half of the key. Hence flows that differ in one of
 * them alone, or whose hashes are opposites. */
static struct flow_key draw(struct rng *r, uint32_t lines)
{
    static const uint64_t words[] = {0, UINT32_MAX, 1, UINT32_MAX - 1, 0x12345678, 0xedcba987};
    uint64_t h = words[rng_below(r, 6)] | rng_below(r, 3) << 32, low = rng_below(r, 3);
    if (rng_below(r, 4) == 0) {
        h = rng_u64(r);
        low = rng_u64(r);
    }
    return at_line(rng_below(r, lines), h, low);
}

static void begin_lines(void)
{
    t->room = 0;
    cr_assert_eq(flowtab_reserve(t, 1), 0);
    cr_assert_not_null(t->now.lines.line);
    cr_assert_eq(t->now.lines.size, FLOWTAB_LINES_LEAST);
    cr_assert_null(t->former.core.now.buckets);
}

/* A line's number and nine bits give back the high half of a hash, whatever the size. */
Test(flowtab_lines, a_line_and_nine_bits_give_the_high_half)
{
    struct rng r;
    prop_seed(&r, "flowtab lines");
    for (uint64_t unit = FLOWTAB_LINES_LEAST / 4; unit < UINT64_C(1) << 29; unit *= 2)
        for (uint64_t size = 4 * unit; size < 8 * unit; size += unit) {
            const struct flowtab_lines l = {.size = size};
            for (int i = 0; i < 3000; i++) {
                uint64_t edge = (rng_below(&r, size) << 32) / size + rng_below(&r, 3);
                uint64_t high = i % 2 ? edge & UINT32_MAX : (uint32_t)rng_u64(&r);
                uint64_t line = flowtab_line_home(&l, high << 32);
                cr_assert_lt(line, size);
                cr_assert_eq(flowtab_line_high(&l, line, high & FLOWTAB_NINE), high);
            }
        }
}

/* Sizes: lines for as many flows as asked for, in no more than 48 bytes each beyond the least; and growth. */
Test(flowtab_lines, memory_of_a_flow)
{
    cr_assert_eq(flowtab_lines_for(0), FLOWTAB_LINES_LEAST);
    for (size_t flows = 15 << 20; flows < UINT64_C(1) << 32; flows = flows * 17 / 16) {
        uint64_t size = flowtab_lines_for(flows);
        cr_assert_geq(size * 145, flows * 100);
        cr_assert_leq(size * 145, flows * 101);
        cr_assert_gt(flowtab_lines_room(size), flows);
    }
    cr_assert_eq(flowtab_lines_for(SIZE_MAX / 16), 0);
    cr_assert_eq(flowtab_lines_more(0), FLOWTAB_LINES_LEAST);
    for (uint64_t size = FLOWTAB_LINES_LEAST, more; (more = flowtab_lines_more(size)); size = more) {
        cr_assert_leq(more * 4, size * 5);
        cr_assert_geq(more * 64, size * 79);
        cr_assert_lt(more, UINT64_C(1) << 32);
    }
    cr_assert_eq(flowtab_reserve(t, 1 << 24), 0);
    cr_assert_lt(flowtab_bytes(t), (size_t)48 << 24);
    cr_assert_eq(flowtab_bytes(t), mem_live_bytes());
}

Test(flowtab_lines, property_against_uthash)
{
    struct rng r;
    struct flows_ref *refs = NULL;
    const unsigned set_percent[] = {95, 50, 10, 60, 3};
    prop_seed(&r, "flowtab lines");
    begin_lines();
    for (int phase = 0; phase < 5; phase++) {
        flows_churn(t, &refs, &r, draw, 4u << phase, set_percent[phase], 3000);
        flows_assert_same(t, refs);
    }
    flows_assert_walk(t, refs);
    cr_assert_eq(flowtab_set(t, at_line(1, 2, 3), FLOW_MISS), -ERANGE);
    flows_clear(&refs);
}

Test(flowtab_lines, setting_and_removing_in_batches)
{
    struct flows_ref *refs = NULL;
    struct rng r;
    prop_seed(&r, "flowtab lines batches");
    begin_lines();
    for (int round = 0; round < 60; round++)
        flows_churn_batch(t, &refs, &r, draw, 16, round % 2 ? 70 : FLOWS_BATCH);
    flows_assert_same(t, refs);
    flows_assert_walk(t, refs);
    flows_clear(&refs);
}

/* A free slot keeps the opposite of its last hash, and what it had of the key: the flow that fits is not
 * there, and one that is there, in a later slot, is found past it. */
Test(flowtab_lines, the_opposite_of_a_flow_that_left)
{
    for (enum flowtab_variant v = FLOWTAB_PORTABLE; v < FLOWTAB_VARIANTS; v++) {
        if (!flowtab_use(t, v))
            continue;
        const struct flow_key one = at_line(3, 0x100001234, 5), other = at_line(3, 0x1ffffedcb, 5);
        const struct flow_key keys[8] = {one, other, one, other, one, other, one, other};
        uint64_t values[8];
        if (!t->now.lines.line)
            begin_lines();
        flowtab_set(t, one, 1);
        flowtab_set(t, other, 2);
        for (int step = 0; step < 3; step++) {
            flowtab_get_bulk(t, keys, values, 8);
            for (int i = 0; i < 8; i++)
                cr_assert_eq(values[i], i % 2 ? (step < 2 ? 2 : FLOW_MISS) : step ? FLOW_MISS : 1);
            cr_assert_eq(flowtab_get(t, one), step ? FLOW_MISS : 1);
            cr_assert_eq(flowtab_get(t, other), step < 2 ? 2 : FLOW_MISS);
            cr_assert_eq(flowtab_del(t, step ? other : one), step < 2 ? 0 : -ENOENT);
        }
        cr_assert_eq(flowtab_count(t), 0);
    }
}

/* Batches of every length, hits, misses and flows in the core in turn; all flows of two lines. */
Test(flowtab_lines, batches_of_every_small_size)
{
    enum { N = 150 };
    struct flow_key keys[N];
    uint64_t values[N];
    begin_lines();
    for (uint32_t i = 0; i < N; i++) {
        keys[i] = at_line(i % 2 ? 7 : 1000 + i, i * UINT64_C(0x9e3779b97f4a7c15), i);
        if (i % 3)
            cr_assert_eq(flowtab_set(t, keys[i], i), 0);
    }
    for (enum flowtab_variant v = FLOWTAB_PORTABLE; v < FLOWTAB_VARIANTS; v++)
        for (size_t n = 0; n <= N && flowtab_use(t, v); n++) {
            for (size_t i = 0; i < N; i++)
                values[i] = 4711;
            flowtab_get_bulk(t, keys, values, n);
            for (size_t i = 0; i < N; i++)
                cr_assert_eq(values[i], i >= n ? 4711 : i % 3 ? i : FLOW_MISS, "%s", flowtab_how(t));
        }
}

/* Up to 30 flows that a line sent on are counted and forgotten; from 31 on the count stays, or flows in the
 * core were lost. */
static void sent_on(uint32_t n, bool forgotten)
{
    const struct flowtab_line *line = &t->now.lines.line[9];
    for (uint32_t i = 0; i < 3 + n; i++)
        cr_assert_eq(flowtab_set(t, at_line(9, i % 5, i), i), 0);
    for (uint32_t i = 3 + n; i-- > 0;) {
        cr_assert_eq(flowtab_del(t, at_line(9, i % 5, i)), 0);
        for (uint32_t k = 0; k < 10 + n; k++)
            cr_assert_eq(flowtab_get(t, at_line(9, k % 5, k)), k < i ? k : FLOW_MISS);
    }
    cr_assert_eq(flowtab_line_sent(line) == 0, forgotten, "%u sent on", n);
    cr_assert_eq(flowtab_count(t), 0);
}

Test(flowtab_lines, counts_of_flows_sent_on)
{
    begin_lines();
    sent_on(0, true);
    sent_on(1, true);
    sent_on(30, true);
    sent_on(31, false);
    sent_on(60, false);
    sent_on(2, false);
}

/* -- growing --------------------------------------------------------------------------------------------- */

/* At every step from buckets to lines: all flows; replacing, removing and adding in both parts. */
Test(flowtab_lines, from_buckets_to_lines_step_by_step)
{
    struct rng r;
    struct flows_ref *refs = NULL;
    uint32_t steps = 0;
    prop_seed(&r, "flowtab lines growth");
    t->room = 900;
    for (uint32_t n = 0; n < 1500; n++) {
        const bool moving = t->former.core.now.buckets;
        const uint64_t moved = t->moved;
        struct flow_key k = draw(&r, 400);
        cr_assert_eq(flowtab_set(t, k, n), 0);
        flows_set(&refs, k, n);
        if (!t->former.core.now.buckets)
            continue;
        cr_assert_leq(t->moved - (moving ? moved : 0), FLOWTAB_MOVED_AT_ONCE);
        steps++;
        k = refs->key;
        cr_assert_eq(flowtab_set(t, k, n + 7), 0);
        flows_set(&refs, k, n + 7);
        for (int i = 0; i < 2; i++) {
            k = draw(&r, 400);
            cr_assert_eq(flowtab_del(t, k), flows_del(&refs, k));
        }
        if (steps % 8 == 0)
            flows_assert_same(t, refs);
        if (steps % 64 == 20)
            flows_assert_walk(t, refs);
    }
    cr_assert_gt(steps, 20);
    cr_assert_not_null(t->now.lines.line);
    cr_assert_null(t->former.core.now.buckets, "moving is over");
    flows_assert_same(t, refs);
    flows_assert_walk(t, refs);
    flows_clear(&refs);
}

/* From lines to more of them: some moved, some not; then all at once, and their number is right. */
Test(flowtab_lines, from_lines_to_more)
{
    struct rng r;
    struct flows_ref *refs = NULL;
    prop_seed(&r, "flowtab more lines");
    begin_lines();
    for (uint32_t n = 0; n < 1500; n++) {
        struct flow_key k = draw(&r, 400);
        cr_assert_eq(flowtab_set(t, k, n), 0);
        flows_set(&refs, k, n);
    }
    cr_assert_gt(t->now.core.count, 100, "enough in the core");
    t->room = flowtab_count(t);
    cr_assert_eq(flowtab_set(t, at_line(400, 1, 1), 1), 0);
    flows_set(&refs, at_line(400, 1, 1), 1);
    cr_assert_eq(t->former.lines.size, FLOWTAB_LINES_LEAST);
    cr_assert_eq(t->now.lines.size, FLOWTAB_LINES_LEAST / 4 * 5);
    for (uint32_t n = 0; n < 40; n++) {
        struct flow_key k = draw(&r, 400);
        cr_assert_eq(flowtab_set(t, k, n), 0);
        flows_set(&refs, k, n);
        k = draw(&r, 400);
        cr_assert_eq(flowtab_del(t, k), flows_del(&refs, k));
        if (n % 8 == 0)
            flows_assert_same(t, refs);
    }
    flows_assert_walk(t, refs);
    cr_assert_not_null(t->former.lines.line, "not all is moved");
    cr_assert_gt(flowtab_part_count(&t->former), 100);
    size_t flows = flowtab_lines_room(FLOWTAB_LINES_LEAST / 4 * 5) + 1;
    cr_assert_eq(flowtab_reserve(t, flows), 0);
    cr_assert_null(t->former.core.now.buckets);
    cr_assert_eq(t->now.lines.size, flowtab_lines_for(flows));
    flows_assert_same(t, refs);
    flows_assert_walk(t, refs);
    flows_clear(&refs);
}

/* No memory for lines, for a larger core behind them, for what moves into such a core: nothing is lost, and
 * with memory it goes on. */
Test(flowtab_lines, growth_that_finds_no_memory)
{
    uint32_t n = 0;
    t->room = 500;
    for (; n < 500; n++)
        cr_assert_eq(flowtab_set(t, at_line(n % 8, n, n), n), 0);
    for (size_t after = 0; after < 2; after++) {
        mem_fail_after(after);
        cr_assert_eq(flowtab_set(t, at_line(1, n, n), n), -ENOMEM);
        cr_assert_eq(flowtab_count(t), n);
    }
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(flowtab_set(t, at_line(1, n, n), n), 0);
    n++;
    cr_assert_eq(t->now.lines.size, FLOWTAB_LINES_LEAST);
    t->now.core.room = t->now.core.count;
    mem_fail_after(0);
    for (uint64_t before = 1, left = 0; before != left;) {
        before = flowtab_part_count(&t->former);
        cr_assert_eq(flowtab_set(t, at_line(100 + n, n, n), n), 0, "its line has room");
        n++;
        left = flowtab_part_count(&t->former);
    }
    cr_assert_gt(flowtab_part_count(&t->former), 400, "their lines are full, the core does not take them");
    cr_assert_eq(flowtab_reserve(t, 0), -ENOMEM);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(flowtab_get(t, at_line(i <= 500 ? (i < 500 ? i % 8 : 1) : 100 + i, i, i)), i);
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(flowtab_reserve(t, 0), 0);
    cr_assert_null(t->former.core.now.buckets);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(flowtab_get(t, at_line(i <= 500 ? (i < 500 ? i % 8 : 1) : 100 + i, i, i)), i);
    cr_assert_eq(flowtab_count(t), n);
    cr_assert_eq(flowtab_bytes(t), mem_live_bytes());
}

/* -- sweeping -------------------------------------------------------------------------------------------- */

static bool odd(void *ctx, struct flow_key key, uint64_t value)
{
    (void)key;
    ++*(size_t *)ctx;
    return value % 2;
}

Test(flowtab_lines, sweeping_removes_the_dead)
{
    enum { N = 2000 };
    size_t calls = 0, c = 0, rounds = 0;
    begin_lines();
    for (uint32_t i = 0; i < N; i++)
        cr_assert_eq(flowtab_set(t, at_line(i % 300, i, i), i), 0);
    do {
        c = flowtab_sweep(t, c, 1 << 20, odd, &calls);
        rounds++;
    } while (c);
    cr_assert_eq(calls, N);
    cr_assert_geq(rounds, (3 * FLOWTAB_LINES_LEAST) >> 20);
    cr_assert_eq(flowtab_count(t), N / 2);
    for (uint32_t i = 0; i < N; i++)
        cr_assert_eq(flowtab_get(t, at_line(i % 300, i, i)), i % 2 ? FLOW_MISS : i);
    for (uint32_t i = 0; i < 300; i++)
        cr_assert_leq(flowtab_line_sent(&t->now.lines.line[i]), 4,
                      "as many as the line sent on and are left");
}
