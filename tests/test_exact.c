/* test_exact.c - the exact-match table against uthash, and its borders. */
#include "dataplane/exact_int.h"
#include "dataplane/addr.h"
#include "dataplane/hash.h"
#include "dataplane/mem_int.h"
#include "tests/support_mem.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uthash.h>

static struct exact *t;

static void setup(void)
{
    t = exact_new(0);
    cr_assert(t);
}

static void teardown(void)
{
    mem_fail_after(MEM_NEVER_FAIL);
    exact_free(t);
    support_mem_none_live();
}

TestSuite(exact, .init = setup, .fini = teardown);

/* The oracle. */
struct ref {
    uint64_t key;
    uint32_t value;
    UT_hash_handle hh;
};

static uint32_t ref_get(struct ref *refs, uint64_t key)
{
    struct ref *r;
    HASH_FIND(hh, refs, &key, sizeof key, r);
    return r ? r->value : EXACT_MISS;
}

static void ref_set(struct ref **refs, uint64_t key, uint32_t value)
{
    struct ref *r;
    HASH_FIND(hh, *refs, &key, sizeof key, r);
    if (!r) {
        r = calloc(1, sizeof *r);
        r->key = key;
        HASH_ADD(hh, *refs, key, sizeof key, r);
    }
    r->value = value;
}

static int ref_del(struct ref **refs, uint64_t key)
{
    struct ref *r;
    HASH_FIND(hh, *refs, &key, sizeof key, r);
    if (!r)
        return -ENOENT;
    HASH_DEL(*refs, r);
    free(r);
    return 0;
}

static void ref_clear(struct ref **refs)
{
    struct ref *r, *next;
    HASH_ITER (hh, *refs, r, next) {
        HASH_DEL(*refs, r);
        free(r);
    }
}

/* Every entry of the oracle, and each of its 64 neighbours that differ in one bit, single and in one
 * batch. */
static void assert_same(struct ref *refs)
{
    size_t n = 0, cap = HASH_COUNT(refs) * 65;
    uint32_t *realm = calloc(cap + 1, 4), *addr = calloc(cap + 1, 4), *value = calloc(cap + 1, 4);
    uint64_t *key = calloc(cap + 1, 8);
    for (struct ref *r = refs; r; r = r->hh.next)
        for (int bit = 0; bit <= 64; bit++, n++) {
            key[n] = bit < 64 ? r->key ^ (uint64_t)1 << bit : r->key;
            realm[n] = (uint32_t)(key[n] >> 32);
            addr[n] = (uint32_t)key[n];
        }
    for (enum exact_variant v = EXACT_PORTABLE; v < EXACT_VARIANTS; v++) {
        if (!exact_use(t, v))
            continue;
        value[n] = 4711;
        exact_get_bulk(t, realm, addr, value, n);
        for (size_t i = 0; i < n; i++) {
            uint32_t want = ref_get(refs, key[i]);
            cr_assert_eq(exact_get(t, realm[i], addr[i]), want, "key %" PRIx64, key[i]);
            cr_assert_eq(value[i], want, "batch by %s, key %" PRIx64, exact_how(t), key[i]);
        }
        cr_assert_eq(value[n], 4711);
    }
    exact_use(t, exact_best());
    cr_assert_eq(exact_count(t), HASH_COUNT(refs));
    free(realm);
    free(addr);
    free(value);
    free(key);
}

Test(exact, empty)
{
    cr_assert_eq(exact_get(t, 0, 0), EXACT_MISS);
    cr_assert_eq(exact_get(t, UINT32_MAX, UINT32_MAX), EXACT_MISS);
    cr_assert_eq(exact_del(t, 0, 0), -ENOENT);
    cr_assert_eq(exact_count(t), 0);
    exact_get_bulk(t, NULL, NULL, NULL, 0);
}

Test(exact, first_and_last_keys_and_values)
{
    const uint32_t ends[] = {0, 1, UINT32_MAX - 1, UINT32_MAX};
    uint32_t v = 0;
    for (int r = 0; r < 4; r++)
        for (int a = 0; a < 4; a++)
            cr_assert_eq(exact_set(t, ends[r], ends[a], v++), 0);
    cr_assert_eq(exact_set(t, 7, 7, UINT32_MAX - 1), 0);
    v = 0;
    for (int r = 0; r < 4; r++)
        for (int a = 0; a < 4; a++)
            cr_assert_eq(exact_get(t, ends[r], ends[a]), v++);
    cr_assert_eq(exact_get(t, 7, 7), UINT32_MAX - 1);
    cr_assert_eq(exact_get(t, 2, 0), EXACT_MISS);
    cr_assert_eq(exact_count(t), 17);
}

Test(exact, realms_are_apart)
{
    cr_assert_eq(exact_set(t, 1, IP4(10, 0, 0, 4), 11), 0);
    cr_assert_eq(exact_set(t, 2, IP4(10, 0, 0, 4), 22), 0);
    cr_assert_eq(exact_get(t, 1, IP4(10, 0, 0, 4)), 11);
    cr_assert_eq(exact_get(t, 2, IP4(10, 0, 0, 4)), 22);
    cr_assert_eq(exact_get(t, 3, IP4(10, 0, 0, 4)), EXACT_MISS);
    cr_assert_eq(exact_get(t, IP4(10, 0, 0, 4), 1), EXACT_MISS);
    cr_assert_eq(exact_del(t, 1, IP4(10, 0, 0, 4)), 0);
    cr_assert_eq(exact_get(t, 1, IP4(10, 0, 0, 4)), EXACT_MISS);
    cr_assert_eq(exact_get(t, 2, IP4(10, 0, 0, 4)), 22);
}

Test(exact, replace_keeps_the_count)
{
    cr_assert_eq(exact_set(t, 1, 2, 3), 0);
    cr_assert_eq(exact_set(t, 1, 2, 4), 0);
    cr_assert_eq(exact_set(t, 1, 2, EXACT_MISS), -ERANGE);
    cr_assert_eq(exact_get(t, 1, 2), 4);
    cr_assert_eq(exact_count(t), 1);
    cr_assert_eq(exact_del(t, 1, 2), 0);
    cr_assert_eq(exact_del(t, 1, 2), -ENOENT);
    cr_assert_eq(exact_count(t), 0);
}

Test(exact, counting_addresses_of_one_subnet)
{
    for (uint32_t i = 0; i < 65536; i++)
        cr_assert_eq(exact_set(t, i & 3, IP4(10, 1, 0, 0) + i, i), 0);
    for (uint32_t i = 0; i < 65536; i++) {
        cr_assert_eq(exact_get(t, i & 3, IP4(10, 1, 0, 0) + i), i);
        cr_assert_eq(exact_get(t, (i + 1) & 3, IP4(10, 1, 0, 0) + i), EXACT_MISS);
    }
    cr_assert_eq(exact_reserve(t, 0), 0);
    cr_assert_leq(exact_bytes(t), 65536 * 43 + 4096, "it has just grown by two thirds at most");
}

static void random_step(struct rng *r, struct ref **refs, unsigned keys, unsigned set_percent)
{
    /* few keys, close together in both halves */
    uint32_t realm = (uint32_t)rng_below(r, 4), addr = IP4(10, 0, 0, 0) + (uint32_t)rng_below(r, keys);
    if (rng_below(r, 16) == 0)
        realm = UINT32_MAX - realm;
    uint64_t key = (uint64_t)realm << 32 | addr;
    if (rng_below(r, 100) < set_percent) {
        uint32_t v = (uint32_t)rng_below(r, UINT32_MAX);
        cr_assert_eq(exact_set(t, realm, addr, v), 0);
        ref_set(refs, key, v);
    } else {
        cr_assert_eq(exact_del(t, realm, addr), ref_del(refs, key));
    }
    cr_assert_eq(exact_get(t, realm, addr), ref_get(*refs, key));
    cr_assert_eq(exact_count(t), HASH_COUNT(*refs));
}

Test(exact, property_against_uthash)
{
    struct rng r;
    struct ref *refs = NULL;
    prop_seed(&r, "exact");
    const unsigned percent[] = {95, 50, 10, 60, 50, 2};
    for (int phase = 0; phase < 6; phase++) {
        for (int i = 0; i < 6000; i++)
            random_step(&r, &refs, 300u << phase, percent[phase]);
        assert_same(refs);
    }
    ref_clear(&refs);
}

Test(exact, batches_of_every_small_size)
{
    uint32_t realm[70], addr[70], value[70];
    for (uint32_t i = 0; i < 70; i++) {
        realm[i] = i % 5;
        addr[i] = i * 7;
        if (i % 3)
            cr_assert_eq(exact_set(t, realm[i], addr[i], i), 0);
    }
    for (enum exact_variant v = EXACT_PORTABLE; v < EXACT_VARIANTS; v++)
        for (size_t n = 0; n <= 70 && exact_use(t, v); n++) {
            for (size_t i = 0; i < 70; i++)
                value[i] = 4711;
            exact_get_bulk(t, realm, addr, value, n);
            for (size_t i = 0; i < 70; i++)
                cr_assert_eq(value[i], i >= n ? 4711 : i % 3 ? i : EXACT_MISS, "%s", exact_how(t));
        }
}

/* => an array of n words that ends where memory does. */
static uint32_t *at_the_end(void *pages, size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (uint32_t *)pages + page / 4 - n;
}

static void *two_pages(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)p, MAP_FAILED);
    cr_assert_eq(mprotect(p + page, page, PROT_NONE), 0);
    return p;
}

/* Longer than all groups under way; of a nearly full table, so that some keys lie beyond their homes. Nothing
 * behind a batch is read, nothing before its answers is written. */
Test(exact, batches_of_every_length)
{
    enum { N = 600 };
    void *pages[3] = {two_pages(), two_pages(), two_pages()};
    cr_assert_eq(exact_reserve(t, N), 0);
    for (uint32_t i = 0; i < t->room; i++)
        cr_assert_eq(exact_set(t, i % 7, i * 3, i), 0);
    for (enum exact_variant v = EXACT_PORTABLE; v < EXACT_VARIANTS; v++)
        for (size_t n = 0; n < N && exact_use(t, v); n++) {
            uint32_t *realm = at_the_end(pages[0], n), *addr = at_the_end(pages[1], n),
                     *value = at_the_end(pages[2], n);
            for (uint32_t i = 0; i < n; i++) {
                realm[i] = i % 5 ? i % 7 : 7;
                addr[i] = i * 3;
                value[i] = 4711;
            }
            value[-1] = 4711;
            exact_get_bulk(t, realm, addr, value, n);
            for (uint32_t i = 0; i < n; i++)
                cr_assert_eq(value[i], i % 5 ? i : EXACT_MISS, "%s", exact_how(t));
            cr_assert_eq(value[-1], 4711);
        }
    for (int i = 0; i < 3; i++)
        munmap(pages[i], 2 * (size_t)sysconf(_SC_PAGESIZE));
}

/* Positions in a batch are counted in parts of a million. */
Test(exact, a_batch_of_millions)
{
    const uint32_t n = (1u << 20) + (1u << 19) + 5;
    uint32_t *realm = calloc(n, 4), *addr = calloc(n, 4), *value = calloc(n, 4);
    cr_assert_eq(exact_reserve(t, 1000), 0);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(exact_set(t, 0, i, i), 0);
    for (uint32_t i = 0; i < n; i++)
        addr[i] = i % 1999;
    for (enum exact_variant v = EXACT_PORTABLE; v < EXACT_VARIANTS; v++) {
        if (!exact_use(t, v))
            continue;
        exact_get_bulk(t, realm, addr, value, n);
        for (uint32_t i = 0; i < n; i++)
            cr_assert_eq(value[i], i % 1999 < 1000 ? i % 1999 : EXACT_MISS, "%s", exact_how(t));
    }
    free(realm);
    free(addr);
    free(value);
}

/* => the i-th address of realm 0 with one home among 16 buckets and one class of passers-by. */
static uint32_t neighbour(uint32_t i)
{
    uint32_t addr = 0;
    for (;; addr++) {
        uint64_t h = hash_u64(addr);
        if (h >> 60 == 3 && (h & EXACT_CLASS) == 20 && !i--)
            return addr;
    }
}

/* A free slot keeps its old key: it must not hide the same key further on in the bucket, in no variant. */
Test(exact, stale_keys_do_not_hide)
{
    uint32_t realm[32], addr[32], value[32];
    cr_assert_eq(exact_reserve(t, 40), 0);
    cr_assert_eq(t->now.size, 16);
    for (uint32_t i = 0; i < 32; i++) {
        realm[i] = 0;
        addr[i] = neighbour(i / 2);
    }
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(exact_set(t, 0, neighbour(i), i), 0);
    cr_assert_eq(exact_del(t, 0, neighbour(0)), 0);
    t->now.buckets[3].key[0] = neighbour(3); /* stale */
    cr_assert_eq(t->now.buckets[3].key[3], neighbour(3));
    for (enum exact_variant v = EXACT_PORTABLE; v < EXACT_VARIANTS; v++) {
        if (!exact_use(t, v))
            continue;
        exact_get_bulk(t, realm, addr, value, 32);
        for (uint32_t i = 0; i < 32; i++)
            cr_assert_eq(value[i], i / 2 >= 1 && i / 2 <= 3 ? i / 2 : EXACT_MISS, "%s", exact_how(t));
    }
}

/* => the first address, from a given one on, that lives in that bucket with this realm. */
static uint32_t resident(uint32_t realm, uint32_t from, uint64_t at)
{
    while (exact_home(&t->now, hash_u64(exact_key(realm, from))) != at)
        from++;
    return from;
}

/* Vectors compare whole buckets: values must not be taken for keys, nor the counts behind them. */
Test(exact, values_that_look_like_keys)
{
    cr_assert_eq(exact_reserve(t, 40), 0);
    uint32_t like[3] = {resident(5, 100, 3), resident(6, 200, 3), resident(0, 300, 3)};
    const uint32_t v[5] = {~like[0], ~5u, ~like[1], ~6u, ~like[2]};
    uint32_t realm[18] = {0}, addr[18], value[18];
    for (uint32_t i = 0, a = 1000; i < 5; i++, a++) {
        addr[i] = a = resident(0, a, 3);
        cr_assert_eq(exact_set(t, 0, a, v[i]), 0);
        cr_assert_eq(t->now.buckets[3].inverse[i], ~v[i]);
    }
    for (uint32_t i = 5; i < 18; i++) {
        realm[i] = i % 3 == 2 ? 5 : i % 3 == 0 ? 6 : 0;
        addr[i] = i % 3 == 2 ? like[0] : i % 3 == 0 ? like[1] : like[2];
    }
    for (enum exact_variant w = EXACT_PORTABLE; w < EXACT_VARIANTS; w++) {
        if (!exact_use(t, w))
            continue;
        exact_get_bulk(t, realm, addr, value, 18);
        for (uint32_t i = 0; i < 18; i++) {
            cr_assert_eq(value[i], i < 5 ? v[i] : EXACT_MISS, "%s", exact_how(t));
            cr_assert_eq(exact_get(t, realm[i], addr[i]), i < 5 ? v[i] : EXACT_MISS);
        }
    }
}

/* Lanes beyond the end of a batch look for the key 0: here that search would go on, and write an answer. */
Test(exact, lanes_without_a_key)
{
    void *page = two_pages();
    uint32_t realm[40] = {0}, addr[40];
    cr_assert_eq(exact_reserve(t, 40), 0);
    uint64_t none = hash_u64(0);
    for (uint32_t i = 0, a = 1; i < 40; i++, a++) {
        while (a = resident(0, a, exact_home(&t->now, none)), (hash_u64(a) ^ none) & EXACT_CLASS)
            a++;
        addr[i] = a;
        if (i < 20)
            cr_assert_eq(exact_set(t, 0, a, i), 0);
    }
    cr_assert_neq(exact_passers(&t->now.buckets[exact_home(&t->now, none)], none), 0);
    for (enum exact_variant v = EXACT_PORTABLE; v < EXACT_VARIANTS; v++)
        for (uint32_t n = 1; n <= 40 && exact_use(t, v); n++) {
            uint32_t *value = at_the_end(page, n);
            exact_get_bulk(t, realm, addr, value, n);
            for (uint32_t i = 0; i < n; i++)
                cr_assert_eq(value[i], i < 20 ? i : EXACT_MISS, "%s", exact_how(t));
        }
    munmap(page, 2 * (size_t)sysconf(_SC_PAGESIZE));
}

/* Hundreds of keys of one home, and as many that are missed there: searches of many steps, in all lanes, from
 * the first, a middle and the last bucket. */
static void one_home(uint64_t at)
{
    enum { N = 400 };
    uint32_t realm[N] = {0}, addr[N], value[N];
    for (uint32_t i = 0, a = 0; i < N; i++, a++) {
        addr[i] = a = resident(0, a, at);
        if (i % 2)
            cr_assert_eq(exact_set(t, 0, a, i), 0);
    }
    for (enum exact_variant v = EXACT_PORTABLE; v < EXACT_VARIANTS; v++) {
        if (!exact_use(t, v))
            continue;
        exact_get_bulk(t, realm, addr, value, N);
        for (uint32_t i = 0; i < N; i++)
            cr_assert_eq(value[i], i % 2 ? i : EXACT_MISS, "%s", exact_how(t));
    }
}

Test(exact, batches_of_one_home)
{
    cr_assert_eq(exact_reserve(t, 4480), 0);
    cr_assert_eq(t->now.size, 1792);
    one_home(0);
    one_home(1000);
    one_home(1791);
}

/* Long chains of passed buckets, in whole blocks. */
Test(exact, batches_of_crowded_buckets)
{
    enum { N = 4096 };
    static uint32_t realm[N], addr[N], value[N];
    cr_assert_eq(exact_reserve(t, N / 2), 0);
    for (uint32_t i = 0; i < N; i++) {
        addr[i] = i * 7;
        if (i % 2 == 0)
            cr_assert_eq(exact_set(t, 0, i * 7, i), 0);
    }
    for (enum exact_variant v = EXACT_PORTABLE; v < EXACT_VARIANTS; v++) {
        if (!exact_use(t, v))
            continue;
        exact_get_bulk(t, realm, addr, value, N);
        for (uint32_t i = 0; i < N; i++)
            cr_assert_eq(value[i], i % 2 ? EXACT_MISS : i, "%s", exact_how(t));
    }
}

Test(exact, a_full_table_holds_what_was_reserved)
{
    const uint32_t n = 4480;
    cr_assert_eq(exact_reserve(t, n), 0);
    size_t bytes = exact_bytes(t);
    mem_fail_after(0);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(exact_set(t, i, ~i, i), 0);
    cr_assert_eq(exact_bytes(t), bytes);
    cr_assert_eq(exact_set(t, 9999, 0, 1), -ENOMEM, "this is what 1792 buckets take");
    cr_assert_eq(exact_get(t, 9999, 0), EXACT_MISS);
    cr_assert_eq(exact_set(t, 17, ~17u, 18), 0, "replacing needs no room");
    cr_assert_eq(exact_count(t), n);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(exact_get(t, i, ~i), i == 17 ? 18 : i);
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(exact_set(t, 9999, 0, 1), 0);
    cr_assert_eq(exact_get(t, 9999, 0), 1);
}

Test(exact, memory_of_a_table_made_to_measure)
{
    for (size_t n = 10; n < 3000000; n += n / 3) {
        struct exact *x = exact_new(n);
        cr_assert(x);
        cr_assert_geq(x->room, n);
        cr_assert_leq(exact_bytes(x), n * 32 + 256, "%zu entries in %" PRIu64 " buckets", n, x->now.size);
        exact_free(x);
    }
}

Test(exact, failing_allocation)
{
    mem_fail_after(0);
    cr_assert_null(exact_new(10));
    mem_fail_after(1);
    cr_assert_null(exact_new(10));
    cr_assert_eq(exact_reserve(t, 1000), -ENOMEM);
    cr_assert_eq(exact_reserve(t, SIZE_MAX), -ENOMEM);
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(exact_reserve(t, SIZE_MAX), -ENOMEM);
    cr_assert_eq(exact_set(t, 1, 1, 1), 0);
    cr_assert_eq(exact_get(t, 1, 1), 1);
}

/* Up to 14 passers-by are counted and forgotten; from 15 on the count stays, or entries further on would be
 * lost. */
static void passers_by(uint32_t n, bool forgotten)
{
    for (uint32_t i = 0; i < 5 + n; i++)
        cr_assert_eq(exact_set(t, 0, neighbour(i), i), 0);
    cr_assert_eq(t->now.size, 16);
    for (uint32_t i = 5 + n; i-- > 5;) {
        cr_assert_eq(exact_del(t, 0, neighbour(i)), 0);
        for (uint32_t k = 0; k < 10 + n; k++)
            cr_assert_eq(exact_get(t, 0, neighbour(k)), k < i ? k : EXACT_MISS);
    }
    cr_assert_eq(t->now.buckets[3].passed == 0, forgotten, "%u passers-by", n);
}

Test(exact, counts_of_passers_by)
{
    cr_assert_eq(exact_reserve(t, 40), 0);
    passers_by(0, true);
    passers_by(1, true);
    passers_by(14, true);
    passers_by(15, false);
    passers_by(35, false);
}

static void finish_growth(void)
{
    cr_assert_eq(exact_reserve(t, 0), 0);
    cr_assert_null(t->old.buckets);
}

Test(exact, churn_keeps_memory_and_search_lengths_flat)
{
    const uint32_t live = 3900;
    for (uint32_t i = 0; i < live; i++)
        cr_assert_eq(exact_set(t, 5, i, i), 0);
    finish_growth();
    size_t bytes = exact_bytes(t), held = mem_live_bytes();
    for (uint32_t i = live; i < 400000; i++) {
        cr_assert_eq(exact_del(t, 5, i - live), 0);
        cr_assert_eq(exact_set(t, 5, i, i), 0);
        cr_assert_eq(exact_count(t), live);
    }
    cr_assert_eq(exact_bytes(t), bytes);
    cr_assert_eq(mem_live_bytes(), held);
    cr_assert_eq(held, bytes);
    for (uint32_t i = 0; i < 400000; i++)
        cr_assert_eq(exact_get(t, 5, i), i >= 400000 - live ? i : EXACT_MISS);
    for (uint32_t i = 400000 - live; i < 400000; i++)
        cr_assert_eq(exact_del(t, 5, i), 0);
    for (size_t b = 0; b < t->now.size; b++)
        cr_assert_eq(t->now.buckets[b].passed, 0, "an empty table must search like a new one");
}

/* -- growing --------------------------------------------------------------------------------------------- */

static size_t in_old(void)
{
    size_t n = 0;
    for (size_t b = 0; t->old.buckets && b < t->old.size; b++)
        for (int s = 0; s < EXACT_SLOTS; s++)
            n += t->old.buckets[b].inverse[s] != 0;
    return n;
}

/* No single call moves more than its share; growth ends before the next one begins; nothing is lost. */
Test(exact, growth_is_spread_over_many_calls)
{
    size_t most = 0, grown = 0, before = 0, steps = 0;
    for (uint32_t i = 0; i < 40000; i++) {
        const struct exact_bucket *now = t->now.buckets, *old = t->old.buckets;
        uint64_t moved = t->moved;
        cr_assert_eq(exact_set(t, 3, i, i), 0);
        if (t->now.buckets != now) {
            cr_assert_null(old, "the growth before was not over");
            grown++;
            moved = 0;
            before = i;
        }
        if (t->old.buckets) {
            size_t left = in_old();
            cr_assert_leq(t->moved - moved, 4);
            cr_assert_leq(before - left, 4 * EXACT_SLOTS);
            most = before - left > most ? before - left : most;
            before = left;
            steps++;
            cr_assert_eq(exact_get(t, 3, i - 1), i - 1);
            cr_assert_eq(exact_get(t, 3, (uint32_t)(moved * 2654435761u % i)), moved * 2654435761u % i);
            cr_assert_eq(exact_get(t, 3, i + 1), EXACT_MISS);
        }
    }
    cr_assert_gt(grown, 10);
    cr_assert_gt(steps, 2000);
    cr_assert_gt(most, 12);
}

/* At every step of a growth: all entries, single and in batches of every variant; replacing, removing and
 * adding again of entries in both arrays. */
Test(exact, growth_step_by_step)
{
    struct ref *refs = NULL;
    struct rng r;
    prop_seed(&r, "exact growth");
    cr_assert_eq(exact_reserve(t, 256), 0);
    uint32_t n = 0, growths = 0;
    while (growths < 3) {
        const struct exact_bucket *now = t->now.buckets;
        cr_assert_eq(exact_set(t, n % 3, n, n), 0);
        ref_set(&refs, (uint64_t)(n % 3) << 32 | n, n);
        n++;
        growths += t->now.buckets != now;
        if (!t->old.buckets)
            continue;
        cr_assert_eq(exact_set(t, (uint32_t)(refs->key >> 32), (uint32_t)refs->key, n + 7), 0);
        ref_set(&refs, refs->key, n + 7);
        for (int i = 0; i < 2; i++) {
            uint32_t k = (uint32_t)rng_below(&r, n);
            cr_assert_eq(exact_del(t, k % 3, k), ref_del(&refs, (uint64_t)(k % 3) << 32 | k));
        }
        if (n % 3 == 0)
            assert_same(refs);
    }
    finish_growth();
    assert_same(refs);
    ref_clear(&refs);
}

/* Reserving in the middle of a growth, and growth that finds no memory. */
Test(exact, growth_and_allocation)
{
    uint32_t n = 0;
    for (; !t->old.buckets || t->old.size < 100; n++)
        cr_assert_eq(exact_set(t, 1, n, n), 0);
    mem_fail_after(0);
    cr_assert_eq(exact_reserve(t, 10 * n), -ENOMEM);
    while (exact_set(t, 1, n, n) == 0)
        n++;
    cr_assert_eq(n, t->room, "what was under way goes on, the next growth fails");
    for (uint32_t i = 0; i <= n; i++)
        cr_assert_eq(exact_get(t, 1, i), i < n ? i : EXACT_MISS);
    mem_fail_after(MEM_NEVER_FAIL);
    for (; !t->old.buckets; n++)
        cr_assert_eq(exact_set(t, 1, n, n), 0);
    cr_assert_eq(exact_reserve(t, 10 * n), 0);
    size_t bytes = exact_bytes(t);
    cr_assert_eq(mem_live_bytes(), bytes);
    mem_fail_after(0);
    for (uint32_t i = n; i < 10 * n; i++)
        cr_assert_eq(exact_set(t, 1, i, i), 0);
    cr_assert_eq(exact_bytes(t), bytes);
    for (uint32_t i = 0; i < 10 * n; i++)
        cr_assert_eq(exact_get(t, 1, i), i);
}

/* Batches while most of a table is still in the old array, of every small size. */
Test(exact, small_batches_while_growing)
{
    uint32_t realm[70], addr[70], value[70], n = 0;
    for (; !t->old.buckets || t->old.size < 200; n++)
        cr_assert_eq(exact_set(t, 1, n, n), 0);
    for (uint32_t i = 0; i < 70; i++) {
        realm[i] = 1;
        addr[i] = i % 3 ? i * 5 : n + i;
    }
    for (enum exact_variant v = EXACT_PORTABLE; v < EXACT_VARIANTS; v++)
        for (size_t k = 0; k <= 70 && exact_use(t, v); k++) {
            exact_get_bulk(t, realm, addr, value, k);
            for (size_t i = 0; i < k; i++)
                cr_assert_eq(value[i], i % 3 ? i * 5 : EXACT_MISS, "%s", exact_how(t));
        }
}
