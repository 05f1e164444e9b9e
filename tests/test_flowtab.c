/* test_flowtab.c - flow keys bit by bit, and the flow table against uthash. */
#include "dataplane/addr.h"
#include "dataplane/mem_int.h"
#include "tests/support_flows.h"
#include "tests/support_mem.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
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

TestSuite(flowtab, .init = setup, .fini = teardown);

/* -- keys ------------------------------------------------------------------------------------------------ */

static void assert_key_eq(struct flow_key x, struct flow_key y)
{
    cr_assert_eq(memcmp(&x, &y, sizeof x), 0);
}

static void round_trip(uint32_t port, unsigned dir, uint8_t proto, uint32_t src, uint32_t dst, uint16_t sport,
                       uint16_t dport)
{
    struct flow_key k = flow_key_make(port, dir, proto, src, dst, sport, dport), r = flow_key_reverse(k);
    cr_assert_eq(flow_key_port(k), port);
    cr_assert_eq(flow_key_dir(k), dir);
    cr_assert_eq(flow_key_proto(k), proto);
    cr_assert_eq(k.src, src);
    cr_assert_eq(k.dst, dst);
    cr_assert_eq(k.sport, sport);
    cr_assert_eq(k.dport, dport);
    assert_key_eq(r, flow_key_make(port, !dir, proto, dst, src, dport, sport));
    assert_key_eq(flow_key_reverse(r), k);
}

Test(flowtab, key_round_trip_of_every_bit)
{
    for (unsigned dir = 0; dir < 2; dir++) {
        round_trip(0, dir, 0, 0, 0, 0, 0);
        round_trip(FLOW_PORT_MAX, dir, 255, UINT32_MAX, UINT32_MAX, 65535, 65535);
        for (int b = 0; b < 32; b++) {
            round_trip(1u << b & FLOW_PORT_MAX, dir, 6, 1, 2, 3, 4);
            round_trip(5, dir, (uint8_t)(1u << b), 1, 2, 3, 4);
            round_trip(5, dir, 17, 1u << b, 2, 3, 4);
            round_trip(5, dir, 17, 1, 1u << b, 3, 4);
            round_trip(5, dir, 17, 1, 2, (uint16_t)(1u << b), 4);
            round_trip(5, dir, 17, 1, 2, 3, (uint16_t)(1u << b));
        }
    }
}

Test(flowtab, key_round_trip_property)
{
    struct rng r;
    prop_seed(&r, "flow key");
    for (int i = 0; i < 20000; i++)
        round_trip((uint32_t)rng_below(&r, FLOW_PORT_MAX + 1), (unsigned)rng_below(&r, 2),
                   (uint8_t)rng_u64(&r), (uint32_t)rng_u64(&r), (uint32_t)rng_u64(&r), (uint16_t)rng_u64(&r),
                   (uint16_t)rng_u64(&r));
}

/* -- the table ------------------------------------------------------------------------------------------- */

static struct flow_key nth(uint32_t i)
{
    return flow_key_make(i & 7, i >> 3 & 1, 6, IP4(10, 0, 0, 4) + (i >> 8), IP4(10, 1, 0, 4),
                         (uint16_t)(49152 + i), 443);
}

/* Different keys with equal hashes: the second half is chosen to undo the first (hash_u128). */
static struct flow_key colliding(uint64_t i)
{
    uint64_t w[2] = {i * 0x100000001, 0}, x = (w[0] ^ w[0] >> 32) * 0x9e3779b97f4a7c15u;
    struct flow_key k;
    w[1] = 0x123456789abcdef - (x ^ x >> 29) * 0x94d049bb133111ebu;
    memcpy(&k, w, sizeof k);
    return k;
}

Test(flowtab, empty)
{
    struct flow_key key = nth(5);
    uint64_t value = 4711;
    cr_assert_eq(flowtab_get(t, (struct flow_key){0}), FLOW_MISS);
    cr_assert_eq(flowtab_get(t, key), FLOW_MISS);
    cr_assert_eq(flowtab_del(t, key), -ENOENT);
    cr_assert_eq(flowtab_next(t, 0, &key, &value), 0);
    cr_assert_eq(value, 4711);
    assert_key_eq(key, nth(5));
    cr_assert_eq(flowtab_count(t), 0);
    flowtab_get_bulk(t, NULL, NULL, 0);
}

Test(flowtab, first_and_last_keys_and_values)
{
    struct flow_key zero = {0}, ones;
    memset(&ones, 0xff, sizeof ones);
    cr_assert_eq(flowtab_set(t, zero, 0), 0);
    cr_assert_eq(flowtab_set(t, ones, UINT64_MAX - 1), 0);
    cr_assert_eq(flowtab_set(t, nth(1), FLOW_MISS), -ERANGE);
    cr_assert_eq(flowtab_get(t, zero), 0);
    cr_assert_eq(flowtab_get(t, ones), UINT64_MAX - 1);
    cr_assert_eq(flowtab_get(t, nth(1)), FLOW_MISS);
    cr_assert_eq(flowtab_count(t), 2);
    cr_assert_eq(flowtab_set(t, zero, 5), 0);
    cr_assert_eq(flowtab_set(t, zero, FLOW_MISS), -ERANGE);
    cr_assert_eq(flowtab_get(t, zero), 5);
    cr_assert_eq(flowtab_count(t), 2);
    cr_assert_eq(flowtab_del(t, zero), 0);
    cr_assert_eq(flowtab_del(t, zero), -ENOENT);
    cr_assert_eq(flowtab_get(t, zero), FLOW_MISS);
    cr_assert_eq(flowtab_get(t, ones), UINT64_MAX - 1);
}

Test(flowtab, both_directions_of_many_flows)
{
    const uint32_t n = 30000;
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(flowtab_set(t, nth(i), 2 * i), 0);
        cr_assert_eq(flowtab_set(t, flow_key_reverse(nth(i)), 2 * i + 1), 0);
    }
    for (uint32_t i = 0; i < 2 * n; i++) {
        cr_assert_eq(flowtab_get(t, nth(i)), i < n ? 2 * i : FLOW_MISS);
        cr_assert_eq(flowtab_get(t, flow_key_reverse(nth(i))), i < n ? 2 * i + 1 : FLOW_MISS);
    }
    cr_assert_leq(flowtab_bytes(t), 2 * n * 64 + 4096);
}

static struct flow_key draw(struct rng *r, uint32_t keys)
{
    uint32_t i = (uint32_t)rng_below(r, keys);
    struct flow_key k = rng_below(r, 2) ? nth(i) : flow_key_reverse(nth(i));
    if (rng_below(r, 8) == 0)
        k = colliding(i % 40);
    return rng_below(r, 8) ? k : flows_flip(k, (int)rng_below(r, 128));
}

Test(flowtab, property_against_uthash)
{
    struct rng r;
    struct flows_ref *refs = NULL;
    const unsigned set_percent[] = {95, 50, 10, 60, 50, 3};
    prop_seed(&r, "flowtab");
    for (int phase = 0; phase < 6; phase++) {
        flows_churn(t, &refs, &r, draw, 300u << phase, set_percent[phase], 5000);
        flows_assert_same(t, refs);
        flows_assert_walk(t, refs);
    }
    flows_clear(&refs);
}

Test(flowtab, equal_hashes)
{
    const uint32_t n = 600;
    cr_assert_eq(flowtab_hash(colliding(1)), flowtab_hash(colliding(n)));
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(flowtab_set(t, colliding(i), i), 0);
    for (uint32_t i = 0; i < 2 * n; i++)
        cr_assert_eq(flowtab_get(t, colliding(i)), i < n ? i : FLOW_MISS);
    for (uint32_t i = 0; i < n; i += 2)
        cr_assert_eq(flowtab_del(t, colliding(i)), 0);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(flowtab_get(t, colliding(i)), i % 2 ? i : FLOW_MISS);
    for (uint32_t i = 1; i < n; i += 2)
        cr_assert_eq(flowtab_del(t, colliding(i)), 0);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(flowtab_get(t, colliding(i)), FLOW_MISS);
    cr_assert_eq(flowtab_count(t), 0);
}

/* From every home the steps of every hash visit every bucket, whatever the size. */
Test(flowtab, steps_visit_all_buckets)
{
    struct rng r;
    prop_seed(&r, "flowtab steps");
    for (size_t flows = 1; flows < 40000; flows = flows * 9 / 8 + 1) {
        struct flowtab *x = flowtab_new(flows);
        const struct flowtab_array *a = &x->now.core.now;
        uint64_t h = rng_u64(&r), at = flowtab_home(a, h);
        uint8_t *seen = calloc(a->size, 1);
        for (uint64_t n = 0; n < a->size; n++) {
            cr_assert_lt(at, a->size);
            cr_assert(!seen[at], "size %zu", (size_t)a->size);
            seen[at] = 1;
            at = flowtab_next_of(a, h, at);
        }
        free(seen);
        flowtab_free(x);
    }
}

/* Hashes are kept instead of keys, so they must lead back. */
Test(flowtab, a_hash_and_half_a_key_give_the_key)
{
    struct rng r;
    prop_seed(&r, "flowtab halves");
    for (int i = 0; i < 20000; i++) {
        uint64_t x = i < 64 ? 1ull << i : rng_u64(&r), low = i % 3 ? rng_u64(&r) : 0;
        struct flow_key key;
        memcpy(&key, (uint64_t[]){x, low}, sizeof key);
        cr_assert_eq(hash_u64_key(hash_u64(x)), x);
        cr_assert_eq(hash_u128_hi(hash_u128(x, low), low), x);
        assert_key_eq(flowtab_key(flowtab_halves(key).hash, flowtab_halves(key).low), key);
    }
}

/* Sizes: never less than asked for, and in tables of some size never more than a third above. */
Test(flowtab, memory_of_a_flow)
{
    for (size_t flows = 1 << 10; flows < 1 << 20; flows = flows * 17 / 16) {
        struct flowtab *x = flowtab_new(flows);
        cr_assert_leq(flows * 5, x->now.core.now.size * 16);
        cr_assert_leq(x->now.core.now.size * 16 * 3, flows * 5 * 4 + 1000, "%zu flows", flows);
        flowtab_free(x);
    }
    cr_assert_eq(flowtab_reserve(t, 1 << 16), 0);
    cr_assert_eq(t->now.core.now.size, 5 << 12);
}

static struct flowtab_bucket *home_of(struct flow_key k)
{
    return &t->now.core.now.buckets[flowtab_home(&t->now.core.now, flowtab_hash(k))];
}

/* Up to 14 passers-by are counted and forgotten; from 15 on the count stays, or flows beyond the bucket
 * were lost. */
static void passers_by(uint32_t n, bool forgotten)
{
    for (uint32_t i = 0; i < 5 + n; i++)
        cr_assert_eq(flowtab_set(t, colliding(i), i), 0);
    for (uint32_t i = 5 + n; i-- > 0;) {
        cr_assert_eq(flowtab_del(t, colliding(i)), 0);
        for (uint32_t k = 0; k < 10 + n; k++)
            cr_assert_eq(flowtab_get(t, colliding(k)), k < i ? k : FLOW_MISS);
    }
    cr_assert_eq(home_of(colliding(0))->passed == 0, forgotten, "%u passers-by", n);
    cr_assert_eq(home_of(colliding(0))->taken, 0);
}

Test(flowtab, counts_of_passers_by)
{
    cr_assert_eq(flowtab_reserve(t, 64), 0);
    passers_by(0, true);
    passers_by(1, true);
    passers_by(14, true);
    passers_by(15, false);
    passers_by(40, false);
}

Test(flowtab, batches_of_every_small_size)
{
    struct flow_key keys[70];
    uint64_t values[70];
    for (uint32_t i = 0; i < 70; i++) {
        keys[i] = nth(i * 5);
        if (i % 3)
            cr_assert_eq(flowtab_set(t, keys[i], i), 0);
    }
    for (enum flowtab_variant v = FLOWTAB_PORTABLE; v < FLOWTAB_VARIANTS; v++)
        for (size_t n = 0; n <= 70 && flowtab_use(t, v); n++) {
            for (size_t i = 0; i < 70; i++)
                values[i] = 4711;
            flowtab_get_bulk(t, keys, values, n);
            for (size_t i = 0; i < 70; i++)
                cr_assert_eq(values[i], i >= n ? 4711 : i % 3 ? i : FLOW_MISS, "%s", flowtab_how(t));
        }
}

/* Equal hashes, equal tags and long chains in whole blocks; then all removed: free slots keep their old keys
 * and values, which must not be found. */
Test(flowtab, batches_of_colliding_and_removed_flows)
{
    enum { N = 640 };
    static struct flow_key keys[N];
    static uint64_t values[N];
    for (uint32_t i = 0; i < N; i++)
        keys[i] = i % 4 ? nth(i) : colliding(i);
    for (int kept = 2; kept >= 0; kept--) {
        for (uint32_t i = 0; i < N; i++)
            if (kept == 2)
                cr_assert_eq(flowtab_set(t, keys[i], i), 0);
            else if (i % 2 == (unsigned)kept)
                cr_assert_eq(flowtab_del(t, keys[i]), 0);
        for (enum flowtab_variant v = FLOWTAB_PORTABLE; v < FLOWTAB_VARIANTS; v++) {
            if (!flowtab_use(t, v))
                continue;
            flowtab_get_bulk(t, keys, values, N);
            for (uint32_t i = 0; i < N; i++)
                cr_assert_eq(values[i], kept == 2 || (kept == 1 && i % 2 == 0) ? i : FLOW_MISS, "%s",
                             flowtab_how(t));
        }
    }
}

/* The hash of every variant is the same: a full table, looked up in whole blocks, hits and misses in turn. */
Test(flowtab, batches_of_a_full_table)
{
    enum { N = 8192 };
    static struct flow_key keys[N];
    static uint64_t values[N];
    cr_assert_eq(flowtab_reserve(t, N / 2), 0);
    for (uint32_t i = 0; i < N; i++) {
        keys[i] = nth(i);
        if (i % 2)
            cr_assert_eq(flowtab_set(t, keys[i], i), 0);
    }
    for (enum flowtab_variant v = FLOWTAB_PORTABLE; v < FLOWTAB_VARIANTS; v++) {
        if (!flowtab_use(t, v))
            continue;
        flowtab_get_bulk(t, keys, values, N);
        for (uint32_t i = 0; i < N; i++)
            cr_assert_eq(values[i], i % 2 ? i : FLOW_MISS, "%s", flowtab_how(t));
    }
}

Test(flowtab, removing_while_walking)
{
    struct flow_key key;
    uint64_t value;
    size_t met = 0;
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(flowtab_set(t, nth(i), i), 0);
    for (size_t c = 0; (c = flowtab_next(t, c, &key, &value)); met++)
        if (value % 2)
            cr_assert_eq(flowtab_del(t, key), 0);
    cr_assert_eq(met, 1000);
    cr_assert_eq(flowtab_count(t), 500);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(flowtab_get(t, nth(i)), i % 2 ? FLOW_MISS : i);
}

Test(flowtab, a_full_table_holds_what_was_reserved)
{
    cr_assert_eq(flowtab_reserve(t, 4096), 0);
    size_t bytes = flowtab_bytes(t);
    mem_fail_after(0);
    for (uint32_t i = 0; i < 4096; i++)
        cr_assert_eq(flowtab_set(t, nth(i), i), 0);
    cr_assert_eq(flowtab_bytes(t), bytes);
    cr_assert_eq(flowtab_set(t, nth(4096), 1), -ENOMEM);
    cr_assert_eq(flowtab_get(t, nth(4096)), FLOW_MISS);
    cr_assert_eq(flowtab_set(t, nth(17), 18), 0, "replacing needs no room");
    for (uint32_t i = 0; i < 4096; i++)
        cr_assert_eq(flowtab_get(t, nth(i)), i == 17 ? 18 : i);
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(flowtab_set(t, nth(4096), 1), 0);
    cr_assert_eq(flowtab_count(t), 4097);
}

Test(flowtab, failing_allocation)
{
    mem_fail_after(0);
    cr_assert_null(flowtab_new(10));
    mem_fail_after(1);
    cr_assert_null(flowtab_new(10));
    cr_assert_eq(flowtab_reserve(t, 1000), -ENOMEM);
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(flowtab_reserve(t, SIZE_MAX), -ENOMEM);
    cr_assert_eq(flowtab_set(t, nth(1), 1), 0);
    cr_assert_eq(flowtab_get(t, nth(1)), 1);
}

static void finish_growth(void)
{
    cr_assert_eq(flowtab_reserve(t, 0), 0);
    cr_assert_null(t->now.core.old.buckets);
}

Test(flowtab, churn_keeps_memory_and_searches_flat)
{
    const uint32_t live = 3900, n = 300000;
    for (uint32_t i = 0; i < live; i++)
        cr_assert_eq(flowtab_set(t, nth(i), i), 0);
    finish_growth();
    size_t bytes = flowtab_bytes(t);
    for (uint32_t i = live; i < n; i++) {
        cr_assert_eq(flowtab_del(t, nth(i - live)), 0);
        cr_assert_eq(flowtab_set(t, nth(i), i), 0);
        cr_assert_eq(flowtab_count(t), live);
    }
    cr_assert_eq(flowtab_bytes(t), bytes);
    cr_assert_eq(mem_live_bytes(), bytes);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(flowtab_get(t, nth(i)), i >= n - live ? i : FLOW_MISS);
    for (uint32_t i = n - live; i < n; i++)
        cr_assert_eq(flowtab_del(t, nth(i)), 0);
    for (size_t b = 0; b < t->now.core.now.size; b++)
        cr_assert_eq(t->now.core.now.buckets[b].passed | t->now.core.now.buckets[b].taken, 0,
                     "an empty table must search like a new one");
}

/* -- growing --------------------------------------------------------------------------------------------- */

static size_t in_old(void)
{
    size_t n = 0;
    for (size_t b = 0; b < t->now.core.old.size; b++)
        n += (size_t)__builtin_popcount(t->now.core.old.buckets[b].taken);
    return n;
}

/* No single call moves more than its share; growth ends before the next one begins; and nothing is ever lost
 * on the way. */
Test(flowtab, growth_is_spread_over_many_calls)
{
    size_t most = 0, grown = 0, before = 0, steps = 0;
    for (uint32_t i = 0; i < 60000; i++) {
        const struct flowtab_bucket *now = t->now.core.now.buckets, *old = t->now.core.old.buckets;
        uint64_t moved = t->now.core.moved;
        cr_assert_eq(flowtab_set(t, nth(i), i), 0);
        if (t->now.core.now.buckets != now) {
            cr_assert_null(old, "the growth before was not over");
            grown++;
            moved = 0;
            before = i;
        }
        size_t left = in_old();
        if (t->now.core.old.buckets) {
            cr_assert_leq(t->now.core.moved - moved, 8);
            cr_assert_leq(before - left, 8 * FLOWTAB_SLOTS);
            most = before - left > most ? before - left : most;
            before = left;
            steps++;
            cr_assert_eq(flowtab_get(t, nth(i - 1)), i - 1);
            cr_assert_eq(flowtab_get(t, nth((uint32_t)(moved * 2654435761u % i))), moved * 2654435761u % i);
            cr_assert_eq(flowtab_get(t, nth(i + 1)), FLOW_MISS);
        }
    }
    cr_assert_gt(grown, 10);
    cr_assert_gt(steps, 2000);
    cr_assert_gt(most, 20);
}

/* At every step of a growth: all flows, single and in batches of every variant; the walk; replacing, removing
 * and adding again of flows in both arrays. */
Test(flowtab, growth_step_by_step)
{
    struct flows_ref *refs = NULL;
    struct rng r;
    prop_seed(&r, "flowtab growth");
    cr_assert_eq(flowtab_reserve(t, 320), 0);
    uint32_t n = 0, growths = 0;
    while (growths < 3) {
        const struct flowtab_bucket *now = t->now.core.now.buckets;
        struct flow_key k = n % 5 ? nth(n) : colliding(n % 35);
        cr_assert_eq(flowtab_set(t, k, n), 0);
        flows_set(&refs, k, n++);
        growths += t->now.core.now.buckets != now;
        if (!t->now.core.old.buckets)
            continue;
        k = refs->key;
        cr_assert_eq(flowtab_set(t, k, n + 7), 0);
        flows_set(&refs, k, n + 7);
        for (int i = 0; i < 2; i++) {
            k = nth((uint32_t)rng_below(&r, n));
            cr_assert_eq(flowtab_del(t, k), flows_del(&refs, k));
        }
        flows_assert_walk(t, refs);
        if (n % 4 == 0)
            flows_assert_same(t, refs);
    }
    finish_growth();
    flows_assert_same(t, refs);
    flows_assert_walk(t, refs);
    flows_clear(&refs);
}

/* Reserving in the middle of a growth, and growth that finds no memory. */
Test(flowtab, growth_and_allocation)
{
    uint32_t n = 0;
    for (; !t->now.core.old.buckets || t->now.core.old.size < 100; n++)
        cr_assert_eq(flowtab_set(t, nth(n), n), 0);
    mem_fail_after(0);
    cr_assert_eq(flowtab_reserve(t, 10 * n), -ENOMEM);
    while (flowtab_set(t, nth(n), n) == 0)
        n++;
    cr_assert_eq(n, t->now.core.room, "what was under way goes on, the next growth fails");
    for (uint32_t i = 0; i <= n; i++)
        cr_assert_eq(flowtab_get(t, nth(i)), i < n ? i : FLOW_MISS);
    mem_fail_after(MEM_NEVER_FAIL);
    for (; !t->now.core.old.buckets; n++)
        cr_assert_eq(flowtab_set(t, nth(n), n), 0);
    cr_assert_eq(flowtab_reserve(t, 10 * n), 0);
    size_t bytes = flowtab_bytes(t);
    cr_assert_eq(mem_live_bytes(), bytes);
    mem_fail_after(0);
    for (uint32_t i = n; i < 10 * n; i++)
        cr_assert_eq(flowtab_set(t, nth(i), i), 0);
    cr_assert_eq(flowtab_bytes(t), bytes);
    for (uint32_t i = 0; i < 10 * n; i++)
        cr_assert_eq(flowtab_get(t, nth(i)), i);
}

/* -- many flows at once ---------------------------------------------------------------------------------- */

Test(flowtab, setting_and_removing_in_batches)
{
    struct flows_ref *refs = NULL;
    struct rng r;
    prop_seed(&r, "flowtab batches");
    for (int round = 0; round < 60; round++) {
        flows_churn_batch(t, &refs, &r, draw, 1500, round < 20 ? 70 : FLOWS_BATCH);
        flows_assert_walk(t, refs);
    }
    flows_assert_same(t, refs);
    flows_clear(&refs);
}

Test(flowtab, setting_in_batches_stops_where_it_fails)
{
    enum { N = 100 };
    struct flow_key keys[N];
    uint64_t values[N];
    for (uint32_t i = 0; i < N; i++) {
        keys[i] = nth(i);
        values[i] = i;
    }
    values[70] = FLOW_MISS;
    cr_assert_eq(flowtab_set_bulk(t, keys, values, N), 70);
    cr_assert_eq(flowtab_count(t), 70);
    mem_fail_after(0);
    values[70] = 70;
    cr_assert_eq(flowtab_set_bulk(t, keys, values, N), t->now.core.room);
    cr_assert_eq(flowtab_count(t), t->now.core.room);
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(flowtab_del_bulk(t, keys, N), t->now.core.room);
    cr_assert_eq(flowtab_del_bulk(t, keys, N), 0);
    cr_assert_eq(flowtab_set_bulk(t, keys, values, 0), 0);
}

/* -- sweeping -------------------------------------------------------------------------------------------- */

struct sweep {
    uint8_t *met;
    size_t calls;
    uint64_t divisor; /* flows whose value it divides are dead; 0: all */
};

static bool dead_by_value(void *ctx, struct flow_key key, uint64_t value)
{
    struct sweep *s = ctx;
    assert_key_eq(key, nth((uint32_t)value));
    s->met[value]++;
    s->calls++;
    return !s->divisor || value % s->divisor == 0;
}

static void sweep_round(size_t budget, struct sweep *s)
{
    size_t c = 0, rounds = 0;
    do {
        size_t before = s->calls;
        c = flowtab_sweep(t, c, budget, dead_by_value, s);
        cr_assert_leq(s->calls - before, budget);
        rounds++;
    } while (c);
    cr_assert_geq(rounds * budget, s->calls);
}

Test(flowtab, sweeping_removes_the_dead_within_its_budget)
{
    enum { N = 3000 };
    const size_t budgets[] = {1, 2, 7, 64, 1000, SIZE_MAX / 1000000};
    static uint8_t met[N];
    for (size_t k = 0; k < sizeof budgets / sizeof *budgets; k++) {
        struct sweep s = {met, 0, 3};
        for (uint32_t i = 0; i < N; i++)
            cr_assert_eq(flowtab_set(t, nth(i), i), 0);
        memset(met, 0, sizeof met);
        sweep_round(budgets[k], &s);
        cr_assert_eq(s.calls, N);
        cr_assert_eq(flowtab_count(t), N - N / 3);
        for (uint32_t i = 0; i < N; i++) {
            cr_assert_eq(met[i], 1);
            cr_assert_eq(flowtab_get(t, nth(i)), i % 3 ? i : FLOW_MISS);
        }
        sweep_round(budgets[k], &s);
        cr_assert_eq(s.calls, N + N - N / 3, "the dead are gone, the others stayed");
        s.divisor = 0;
        sweep_round(budgets[k], &s);
        cr_assert_eq(flowtab_count(t), 0);
        sweep_round(budgets[k], &s);
        cr_assert_eq(s.calls, N + 2 * (N - N / 3));
    }
}

/* Adding and removing in between, and through growths: no flow is met that is not there, the dead go in the
 * end, the others stay. */
Test(flowtab, sweeping_while_the_table_changes)
{
    static uint8_t met[40000];
    struct sweep s = {met, 0, 2};
    size_t c = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        cr_assert_eq(flowtab_set(t, nth(i), i), 0);
        c = flowtab_sweep(t, c, 2, dead_by_value, &s);
        if (i % 5 == 4)
            flowtab_del(t, nth(i - 1));
    }
    for (int rounds = 0; rounds < 3; rounds++)
        do
            c = flowtab_sweep(t, c, 64, dead_by_value, &s);
        while (c);
    for (uint32_t i = 0; i < 20000; i++)
        cr_assert_eq(flowtab_get(t, nth(i)), i % 2 && i % 5 != 3 ? i : FLOW_MISS);
    cr_assert_eq(flowtab_sweep(t, SIZE_MAX, 64, dead_by_value, &s), 0, "a cursor from a larger table");
}
