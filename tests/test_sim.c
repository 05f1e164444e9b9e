/* test_sim.c - the engine: links, time, order. */
#include "tests/puppet.h"

/* -- links ----------------------------------------------------------------------------------------------- */

Test(links, latency_is_exact)
{
    struct stage_set x;
    set_up(&x, 1);
    link_of(&x, 0)->latency = 3 * MS;
    mute = true;
    send_at(&x, 0, x.w.vm, "10.0.1.5", 1, 0);
    send_at(&x, 5, x.w.vm, "10.0.1.5", 2, 1400);
    sim_run(x.s, INT64_MAX);
    cr_assert_str_eq(diary, "3000000:1:request 3000005:1:request ");
    cr_assert_eq(sim_now(x.s), 3000005);
    tear_down(&x);
}

/* Bits of the whole frame over bits a second; one frame after the other. */
Test(links, bandwidth_is_exact_and_frames_queue)
{
    struct stage_set x;
    set_up(&x, 1);
    link_of(&x, 0)->latency = 1000;
    link_of(&x, 0)->bandwidth = 1000000000; /* 1 bit a nanosecond */
    mute = true;
    send_at(&x, 0, x.w.vm, "10.0.1.5", 1, 1400 - 42); /* 1400 bytes: 11200 ns */
    send_at(&x, 0, x.w.vm, "10.0.1.5", 2, 100 - 42);  /* behind it: 800 ns more */
    send_at(&x, 50000, x.w.vm, "10.0.1.5", 3, 100 - 42);
    send_at(&x, 0, x.w.vm, "10.0.9.4", 4, 100 - 42); /* another wire waits for nobody */
    send_at(&x, 0, x.w.vm2, "10.0.1.4", 5, 100 - 42);
    sim_run(x.s, INT64_MAX);
    cr_assert_str_eq(diary, "1800:2:request 1800:0:request 12200:1:request 13000:1:request 51800:1:request ");
    tear_down(&x);
}

Test(links, low_bandwidths_do_not_round_away)
{
    struct stage_set x;
    set_up(&x, 1);
    link_of(&x, 0)->bandwidth = 3000;
    mute = true;
    send_at(&x, 0, x.w.vm, "10.0.1.5", 1, 100 - 42);
    sim_run(x.s, INT64_MAX);
    cr_assert_str_eq(diary, "266666666:1:request ");
    tear_down(&x);
}

static void jitter_run(uint64_t seed, int64_t *at)
{
    struct stage_set x;
    struct rng r;
    int64_t sent[500];
    rng_seed(&r, 1, "when");
    set_up(&x, seed);
    *link_of(&x, 0) = (struct image_link){.latency = 1000, .jitter = 5000};
    mute = true;
    for (uint16_t i = 0; i < 500; i++) {
        sent[i] = i ? sent[i - 1] + (int64_t)rng_below(&r, 2000) : 0;
        send_at(&x, sent[i], x.w.vm, "10.0.1.5", i, rng_below(&r, 1000));
    }
    sim_run(x.s, INT64_MAX);
    cr_assert_eq(n_got, 500);
    for (size_t i = 0; i < n_got; i++) {
        cr_assert_eq(got[i].id, i, "reordered at %zu", i);
        cr_assert_geq(got[i].at, sent[i] + 1000);
        cr_assert_leq(got[i].at, sent[i] + 6000);
        at[i] = got[i].at;
    }
    tear_down(&x);
}

Test(links, jitter_stays_in_its_bounds_and_never_reorders)
{
    int64_t a[500], b[500], c[500];
    size_t same = 0, late = 0;
    jitter_run(1, a);
    jitter_run(1, b);
    jitter_run(2, c);
    cr_assert_arr_eq(a, b, sizeof a);
    for (size_t i = 0; i < 500; i++)
        same += a[i] == c[i];
    for (size_t i = 1; i < 500; i++)
        late += a[i] != a[i - 1];
    cr_assert_lt(same, 50);
    cr_assert_gt(late, 200); /* spread, not all queued behind one */
}

/* Which of 200 datagrams are lost, as text. */
static void loss_run(uint64_t seed, double loss, bool company, char text[201])
{
    struct stage_set x;
    set_up(&x, seed);
    link_of(&x, 0)->loss = loss;
    mute = true;
    for (uint16_t i = 0; i < 200; i++) {
        send_at(&x, i * MS, x.w.vm, "10.0.1.5", i, 10);
        if (company) {
            send_at(&x, i * MS, x.w.vm, "10.0.9.4", 1000, 10);
            send_at(&x, i * MS, x.w.vm2, "10.0.1.4", 1000, 10);
        }
    }
    sim_run(x.s, INT64_MAX);
    memset(text, 'x', 200);
    text[200] = 0;
    for (size_t i = 0; i < n_got; i++)
        if (got[i].id != 1000)
            text[got[i].id] = '.';
    cr_assert_eq(sim_counters(x.s)[REASON_LINK_LOSS], (company ? 600 : 200) - n_got);
    tear_down(&x);
}

/* Two wires of one seed, side by side: the first 200 of each, as text. */
static void loss_of_two(char a[201], char b[201])
{
    struct stage_set x;
    set_up(&x, 1);
    link_of(&x, 0)->loss = 0.25;
    mute = true;
    memset(a, 'x', 200);
    memset(b, 'x', 200);
    a[200] = b[200] = 0;
    for (uint16_t i = 0; i < 200; i++) {
        send_at(&x, i * MS, x.w.vm, "10.0.1.5", i, 10);
        send_at(&x, i * MS, x.w.vm2, "10.0.1.4", i, 10);
    }
    sim_run(x.s, INT64_MAX);
    for (size_t i = 0; i < n_got; i++)
        (got[i].port == x.w.vm2 ? a : b)[got[i].id] = '.';
    tear_down(&x);
}

static size_t lost(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == 'x';
    return n;
}

Test(links, loss_is_the_seeds_and_the_wires_own)
{
    char a[201], b[201], c[201], d[201];
    loss_run(1, 0.25, false, a);
    loss_run(1, 0.25, false, b);
    loss_run(1, 0.25, true, c); /* other wires do not change this one's luck */
    loss_run(2, 0.25, false, d);
    cr_assert_str_eq(a, b);
    cr_assert_str_eq(a, c);
    cr_assert_str_neq(a, d);
    cr_assert(lost(a) > 20 && lost(a) < 90, "%zu lost", lost(a));
    loss_of_two(b, c);
    cr_assert_str_eq(a, b);
    cr_assert_str_neq(b, c); /* each direction has luck of its own */
    loss_run(1, 0, false, a);
    cr_assert_eq(lost(a), 0);
    loss_run(1, 1, false, a);
    cr_assert_eq(lost(a), 200);
}

Test(links, a_lost_packet_names_the_link)
{
    struct stage_set x;
    set_up(&x, 1);
    link_of(&x, 0)->loss = 1;
    const uint32_t f = flow(&x, x.w.vm, "10.0.1.5");
    sim_run(x.s, INT64_MAX);
    const struct flow_result *r = sim_result(x.s, f);
    cr_assert_eq(r->verdict, VERDICT_DROPPED);
    cr_assert_eq(r->reason, REASON_LINK_LOSS);
    cr_assert_eq(r->drop.port, x.w.vm);
    cr_assert_eq(r->ended_at, 10 * SECOND);
    cr_assert(!r->arrived);
    tear_down(&x);
}

/* -- time and order -------------------------------------------------------------------------------------- */

Test(order, equal_times_run_in_the_order_of_scheduling)
{
    struct stage_set x;
    set_up(&x, 1);
    link_of(&x, 0)->latency = 100;
    mute = true;
    send_at(&x, 50, x.w.vm2, "10.0.1.4", 1, 0); /* arrives at 150 as the first scheduled then */
    send_at(&x, 50, x.w.nva, "10.0.1.5", 2, 700);
    send_at(&x, 150, x.w.vm, "10.0.1.5", 3, 0); /* scheduled before those arrivals: sent before they arrive */
    send_at(&x, 50, x.w.vm, "10.0.9.4", 4, 0);
    sim_run(x.s, INT64_MAX);
    cr_assert_str_eq(diary, "150:0:request 150:1:request 150:2:request 250:1:request ");
    tear_down(&x);
}

static char calls[64];

static void call_it(void *arg)
{
    strncat(calls, arg, sizeof calls - strlen(calls) - 1);
}

static void call_more(void *arg)
{
    struct stage_set *x = arg;
    static char m[] = "m", n[] = "n";
    call_it(m);
    sim_call(x->s, sim_now(x->s), call_it, n);
}

Test(order, calls_run_by_time_then_by_order)
{
    struct stage_set x;
    static char a[] = "a", b[] = "b", c[] = "c", d[] = "d";
    set_up(&x, 1);
    calls[0] = 0;
    sim_call(x.s, 20, call_it, c);
    sim_call(x.s, 10, call_it, a);
    sim_call(x.s, 10, call_it, b);
    sim_call(x.s, 20, call_it, d);
    sim_run(x.s, INT64_MAX);
    cr_assert_str_eq(calls, "abcd");
    cr_assert_eq(sim_now(x.s), 20);
    tear_down(&x);
}

Test(order, a_call_may_schedule_another_for_the_same_time)
{
    struct stage_set x;
    static char z[] = "z", late[] = "l";
    set_up(&x, 1);
    calls[0] = 0;
    sim_call(x.s, 10, call_more, &x);
    sim_call(x.s, 10, call_it, z);
    sim_call(x.s, 11, call_it, late);
    sim_run(x.s, INT64_MAX);
    cr_assert_str_eq(calls, "mznl");
    tear_down(&x);
}

Test(order, a_run_stops_at_its_limit_and_goes_on_from_there)
{
    struct stage_set x;
    set_up(&x, 1);
    link_of(&x, 0)->latency = 10;
    mute = true;
    for (uint16_t i = 0; i < 4; i++)
        send_at(&x, i * 100, x.w.vm, "10.0.1.5", i, 0);
    sim_run(x.s, 99);
    cr_assert_eq(n_got, 1);
    sim_run(x.s, 100); /* what is due at the limit runs, its arrival is later */
    cr_assert_eq(n_got, 1);
    cr_assert_eq(sim_now(x.s), 100);
    cr_assert_eq(sim_packets_out(x.s), 1);
    sim_run(x.s, 110);
    cr_assert_eq(n_got, 2);
    sim_run(x.s, 5); /* nothing runs backwards */
    cr_assert_eq(n_got, 2);
    sim_run(x.s, INT64_MAX);
    cr_assert_eq(n_got, 4);
    cr_assert_eq(sim_now(x.s), 310);
    sim_run(x.s, INT64_MAX);
    cr_assert_eq(sim_now(x.s), 310);
    tear_down(&x);
}

/* Timers alone keep nothing going: the run ends with the last flow. */
Test(order, a_run_ends_with_its_flows)
{
    struct stage_set x;
    set_up(&x, 1);
    link_of(&x, 0)->latency = 7;
    const uint32_t f = flow(&x, x.w.vm, "10.0.1.5");
    sim_run(x.s, INT64_MAX);
    cr_assert(sim_result(x.s, f)->done);
    cr_assert_eq(sim_now(x.s), 14);
    tear_down(&x);
}

Test(order, what_flies_when_the_simulation_is_freed_is_freed_with_it)
{
    struct stage_set x;
    set_up(&x, 1);
    link_of(&x, 0)->latency = 100;
    flow(&x, x.w.vm, "10.0.1.5");
    sim_run(x.s, 50);
    cr_assert_eq(sim_packets_out(x.s), 1);
    sim_free(x.s); /* the sanitizers would tell */
    lab_free(&x.w.l);
}
