/* test_lpm.c - longest-prefix match: the compiled table against the binary trie, the trie against a linear
 * scan. */
#include "dataplane/addr.h"
#include "dataplane/lpm_int.h"
#include "dataplane/lpm_ref.h"
#include "dataplane/mem.h"
#include "dataplane/mem_int.h"
#include "tests/support_mem.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct lpm *t;
static struct lpm_ref *ref;

static void setup(void)
{
    t = lpm_new();
    ref = lpm_ref_new();
    cr_assert(t && ref);
}

static void teardown(void)
{
    mem_fail_after(MEM_NEVER_FAIL);
    lpm_free(t);
    lpm_ref_free(ref);
    support_mem_none_live();
}

TestSuite(lpm, .init = setup, .fini = teardown);

static void add(uint32_t addr, unsigned len, uint32_t hop)
{
    cr_assert_eq(lpm_add(t, addr, len, hop), 0);
    cr_assert_eq(lpm_ref_add(ref, addr, len, hop), 0);
    cr_assert_eq(lpm_count(t), lpm_ref_count(ref));
}

/* => what both said. */
static int del(uint32_t addr, unsigned len)
{
    int err = lpm_ref_del(ref, addr, len);
    cr_assert_eq(lpm_del(t, addr, len), err);
    cr_assert_eq(lpm_count(t), lpm_ref_count(ref));
    return err;
}

/* -- adversarial prefixes -------------------------------------------------------------------------------- */

#define POOL 64

/* Nested in, equal to, beside or one bit off prefixes drawn before; lengths at the borders of the compiled
 * levels. */
static struct prefix4 draw(struct rng *r, struct prefix4 *pool)
{
    static const uint8_t border[] = {0,  1,  7,  8,  9,  13, 14, 15, 16, 19,
                                     20, 21, 24, 25, 26, 27, 28, 30, 31, 32};
    struct prefix4 p = pool[rng_below(r, POOL)];
    switch (rng_below(r, 6)) {
    case 0:
        p.addr = (ip4)rng_u64(r);
        break;
    case 1: /* inner */
        p.addr |= (ip4)rng_u64(r) & ~ip4_mask(p.len);
        p.len = (uint8_t)(p.len + rng_below(r, 33u - p.len));
        break;
    case 2: /* outer */
        p.len = (uint8_t)rng_below(r, p.len + 1u);
        break;
    case 3: /* one bit off */
        p.addr ^= (ip4)1 << rng_below(r, 32);
        break;
    case 4: /* the neighbour */
        p.addr += p.len ? (ip4)1 << (32 - p.len) : 0;
        break;
    default:
        break;
    }
    if (rng_below(r, 2))
        p.len = border[rng_below(r, sizeof border)];
    if (rng_below(r, 40) == 0)
        p.addr = rng_below(r, 2) ? 0 : UINT32_MAX;
    p.addr &= ip4_mask(p.len);
    return pool[rng_below(r, POOL)] = p;
}

/* Both sides of both borders of p, and a random address inside. */
static void probes(struct rng *r, struct prefix4 p, uint32_t out[5])
{
    out[0] = p.addr - 1;
    out[1] = p.addr;
    out[2] = p.addr | ((ip4)rng_u64(r) & ~ip4_mask(p.len));
    out[3] = prefix4_last(p);
    out[4] = prefix4_last(p) + 1;
}

static void assert_same_at(const uint32_t *addr, size_t n)
{
    uint32_t got[512];
    cr_assert_leq(n, 512);
    lpm_lookup_bulk(t, addr, got, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t want = lpm_ref_lookup(ref, addr[i]);
        cr_assert_eq(lpm_lookup(t, addr[i]), want, "%08x: %x, not %x", addr[i], lpm_lookup(t, addr[i]), want);
        cr_assert_eq(got[i], want, "batch, %08x", addr[i]);
    }
}

static void assert_same_in_all_variants(const uint32_t *addr, size_t n)
{
    enum lpm_variant usual = t->variant;
    for (int v = LPM_WALK; v < LPM_VARIANTS; v++)
        if (lpm_use(t, (enum lpm_variant)v))
            assert_same_at(addr, n);
    cr_assert(lpm_use(t, usual));
}

static void assert_same_around(struct rng *r, const struct prefix4 *pool)
{
    uint32_t addr[POOL * 5];
    for (int i = 0; i < POOL; i++)
        probes(r, pool[i], addr + (size_t)i * 5);
    assert_same_in_all_variants(addr, POOL * 5);
}

/* -- borders --------------------------------------------------------------------------------------------- */

Test(lpm, empty)
{
    const uint32_t addr[] = {0, 1, IP4(10, 0, 0, 1), UINT32_MAX - 1, UINT32_MAX};
    assert_same_in_all_variants(addr, 5);
    cr_assert_eq(lpm_lookup(t, 0), LPM_MISS);
    cr_assert_eq(lpm_del(t, 0, 0), -ENOENT);
    cr_assert_eq(lpm_count(t), 0);
    lpm_lookup_bulk(t, NULL, NULL, 0);
}

Test(lpm, bad_arguments)
{
    cr_assert_eq(lpm_add(t, 0, 33, 1), -EINVAL);
    cr_assert_eq(lpm_add(t, 0, 256 + 8, 1), -EINVAL);
    cr_assert_eq(lpm_add(t, 0, 8, LPM_MISS), -ERANGE);
    cr_assert_eq(lpm_del(t, 0, 33), -ENOENT);
    cr_assert_eq(lpm_ref_add(ref, 0, 33, 1), -EINVAL);
    cr_assert_eq(lpm_ref_add(ref, 0, 8, LPM_MISS), -ERANGE);
    cr_assert_eq(lpm_ref_del(ref, 0, 33), -ENOENT);
    cr_assert_eq(lpm_count(t), 0);
    cr_assert_eq(lpm_lookup(t, 0), LPM_MISS);
}

Test(lpm, default_and_host_routes)
{
    add(0, 0, 1);
    cr_assert_eq(lpm_lookup(t, 0), 1);
    cr_assert_eq(lpm_lookup(t, UINT32_MAX), 1);
    add(IP4(10, 1, 2, 3), 32, 2);
    add(0, 32, 3);
    add(UINT32_MAX, 32, 4);
    cr_assert_eq(lpm_lookup(t, IP4(10, 1, 2, 2)), 1);
    cr_assert_eq(lpm_lookup(t, IP4(10, 1, 2, 3)), 2);
    cr_assert_eq(lpm_lookup(t, IP4(10, 1, 2, 4)), 1);
    cr_assert_eq(lpm_lookup(t, 0), 3);
    cr_assert_eq(lpm_lookup(t, 1), 1);
    cr_assert_eq(lpm_lookup(t, UINT32_MAX), 4);
    cr_assert_eq(lpm_lookup(t, UINT32_MAX - 1), 1);
    cr_assert_eq(del(0, 0), 0);
    cr_assert_eq(lpm_lookup(t, IP4(10, 1, 2, 2)), LPM_MISS);
    cr_assert_eq(lpm_lookup(t, IP4(10, 1, 2, 3)), 2);
    cr_assert_eq(del(0, 0), -ENOENT);
}

Test(lpm, bits_beyond_the_length_are_ignored)
{
    add(IP4(10, 255, 255, 255), 8, 5);
    cr_assert_eq(lpm_count(t), 1);
    cr_assert_eq(lpm_lookup(t, IP4(10, 0, 0, 0)), 5);
    cr_assert_eq(lpm_lookup(t, IP4(9, 255, 255, 255)), LPM_MISS);
    add(IP4(10, 1, 1, 1), 8, 6);
    cr_assert_eq(lpm_count(t), 1);
    cr_assert_eq(lpm_lookup(t, IP4(10, 0, 0, 0)), 6);
    cr_assert_eq(del(IP4(10, 9, 9, 9), 8), 0);
    cr_assert_eq(lpm_lookup(t, IP4(10, 0, 0, 0)), LPM_MISS);
}

Test(lpm, any_next_hop_but_the_reserved_one)
{
    const uint32_t hops[] = {0, 1, 0x7fffffff, 0x80000000, 0x80000001, UINT32_MAX - 1};
    for (uint32_t i = 0; i < 6; i++)
        add(i << 24, 8, hops[i]);
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert_eq(lpm_lookup(t, i << 24 | 7), hops[i]);
        cr_assert_eq(lpm_ref_lookup(ref, i << 24 | 7), hops[i]);
    }
}

/* => nodes on the way to an address. */
static unsigned steps_to(uint32_t addr)
{
    const struct lpm_head *h = &t->image.head;
    uint32_t piece = lpm_head_piece(h, addr), e = h->entry[piece], rest = addr << h->depth[piece];
    unsigned n = 0;
    for (; lpm_is_node(e); n++) {
        unsigned bits = lpm_node_bits(e);
        size_t at = lpm_node_at(e) + ((size_t)(rest >> (32 - bits)) << lpm_node_size(e));
        uint32_t packed = lpm_node_size(e) < 2;
        memcpy(&e, (const unsigned char *)t->image.pool + at, sizeof e);
        e |= packed ? LPM_LEAF : 0;
        rest <<= bits;
    }
    return n;
}

/* A chain that grew with every length, and all of a batch at its end: everything waits, again and again. */
Test(lpm, long_chains)
{
    enum { MANY = 5000 };
    const uint32_t host = IP4(10, 170, 85, 204);
    uint32_t addr[512];
    uint32_t *many = calloc(MANY, sizeof *many), *got = calloc(MANY, sizeof *got);
    cr_assert(many && got);
    t->image.wait = UINT32_MAX; /* nothing is renewed */
    for (unsigned len = 0; len <= 32; len++)
        add(host, len, len * 40000); /* no forks */
    cr_assert_gt(steps_to(host), 8);
    for (uint32_t i = 0; i < MANY; i++)
        many[i] = i % 7 ? host : host ^ 1u << i % 32;
    for (uint32_t i = 0; i < 512; i++)
        addr[i] = many[i];
    assert_same_in_all_variants(addr, 512);
    lpm_lookup_bulk(t, many, got, MANY);
    for (uint32_t i = 0; i < MANY; i++)
        cr_assert_eq(got[i], lpm_ref_lookup(ref, many[i]));
    free(many);
    free(got);
}

Test(lpm, every_length_nested)
{
    const uint32_t host = IP4(10, 170, 85, 204);
    uint32_t addr[33];
    for (unsigned len = 0; len <= 32; len++)
        addr[len] = len ? host ^ (uint32_t)1 << (32 - len) : host; /* covered down to len - 1 */
    for (unsigned len = 0; len <= 32; len++) {
        add(host, len, len);
        assert_same_in_all_variants(addr, 33);
        cr_assert_eq(lpm_lookup(t, host), len);
    }
    for (unsigned len = 1; len <= 32; len++)
        cr_assert_eq(lpm_lookup(t, addr[len]), len - 1);
    for (unsigned len = 0; len <= 32; len++) {
        cr_assert_eq(lpm_lookup(t, host), 32);
        cr_assert_eq(del(host, len), 0);
        assert_same_in_all_variants(addr, 33);
    }
    cr_assert_eq(lpm_lookup(t, host), LPM_MISS);
    cr_assert_eq(t->image.live, 0, "no node may be left");
}

Test(lpm, batches_of_every_small_size)
{
    uint32_t addr[200], hop[200];
    for (uint32_t i = 0; i < 200; i++) {
        addr[i] = IP4(10, 0, 0, 0) + i * 3;
        if (i % 2)
            add(addr[i], 32, i);
    }
    for (size_t n = 0; n <= 200; n++) {
        for (size_t i = 0; i < 200; i++)
            hop[i] = 4711;
        lpm_lookup_bulk(t, addr, hop, n);
        for (size_t i = 0; i < 200; i++)
            cr_assert_eq(hop[i], i >= n ? 4711 : i % 2 ? i : LPM_MISS);
    }
}

/* => whether every entry below is a leaf or a node of different elements, no element beyond the block. */
static bool well_formed(const struct lpm_image *m, uint32_t entry, size_t *bytes)
{
    const unsigned char *b = (const unsigned char *)m->pool + lpm_node_at(entry);
    size_t one = (size_t)1 << lpm_node_size(entry), n = (size_t)1 << lpm_node_bits(entry);
    if (!lpm_is_node(entry))
        return true;
    *bytes += one * n;
    if (lpm_node_at(entry) + one * n > m->used || !lpm_node_bits(entry) || one * n < LPM_UNIT)
        return false;
    bool equal = memcmp(b, b + one, one * (n - 1)) == 0;
    for (size_t i = 0; one == 4 && i < n; i++) {
        uint32_t below;
        memcpy(&below, b + i * one, sizeof below);
        equal = equal && !lpm_is_node(below) && !(below & LPM_FORK);
        if (!well_formed(m, below, bytes))
            return false;
    }
    return !equal;
}

/* Every node is reached once and counted, and none holds one answer only. */
static void assert_well_formed(const struct lpm *x)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < 2048; i++) {
        uint32_t piece = lpm_head_piece(&x->image.head, i << 21);
        cr_assert_lt(piece, LPM_PIECES);
        cr_assert_leq(x->image.head.depth[piece], 8 + LPM_HEAD_MORE);
    }
    for (size_t i = 0; i < LPM_PIECES; i++)
        cr_assert(well_formed(&x->image, x->image.head.entry[i], &bytes), "below piece %zu", i);
    cr_assert_eq(bytes, x->image.live);
    cr_assert_leq(x->image.used, x->image.cap);
}

static void assert_same_everywhere(const uint32_t *addr, size_t n)
{
    uint32_t *got = calloc(n, sizeof *got);
    enum lpm_variant usual = t->variant;
    cr_assert(got);
    for (int v = LPM_PORTABLE; v < LPM_VARIANTS; v++) {
        if (!lpm_use(t, (enum lpm_variant)v))
            continue;
        lpm_lookup_bulk(t, addr, got, n);
        for (size_t i = 0; i < n; i++)
            cr_assert_eq(got[i], lpm_ref_lookup(ref, addr[i]), "variant %d, %zu of %zu: %08x", v, i, n,
                         addr[i]);
    }
    cr_assert(lpm_use(t, usual));
    free(got);
}

/* Of all depths in one batch: what waits for a later step fills up, and a batch is cut into pieces. */
Test(lpm, long_batches)
{
    enum { MANY = 40000 };
    uint32_t *addr = calloc(MANY, sizeof *addr);
    struct prefix4 pool[POOL] = {{0}};
    struct rng r;
    cr_assert(addr);
    prop_seed(&r, "lpm long batches");
    for (uint32_t i = 0; i < 3000; i++) {
        struct prefix4 p = draw(&r, pool);
        add(p.addr, p.len, i);
        addr[i] = p.addr;
    }
    for (uint32_t i = 3000; i < MANY; i++) /* long stretches near routes, long stretches of anything */
        addr[i] =
            i / 1000 % 3 ? addr[rng_below(&r, 3000)] + (uint32_t)rng_below(&r, 3) - 1 : (uint32_t)rng_u64(&r);
    assert_same_everywhere(addr, MANY);
    assert_same_everywhere(addr + 3, 16384);
    assert_same_everywhere(addr + 5, 16385);
    free(addr);
}

/* Everything starts with a few bits, and all of it differs: more pieces would be worth it than there are. */
Test(lpm, short_prefixes_everywhere)
{
    struct lpm_route routes[2048 + 256];
    uint32_t addr[510], n = 0;
    struct lpm *built;
    for (uint32_t i = 0; i < 2048; i++)
        routes[n++] = (struct lpm_route){.addr = i << 21, .len = 11, .nexthop = i * 7 % 300};
    for (uint32_t i = 0; i < 256; i++)
        routes[n++] =
            (struct lpm_route){.addr = i << 24 | i << 8, .len = (uint8_t)(8 + i % 25), .nexthop = i};
    for (uint32_t i = 0; i < n; i++)
        add(routes[i].addr, routes[i].len, routes[i].nexthop);
    cr_assert_eq(lpm_build(&built, routes, n), 0);
    lpm_free(t);
    t = built;
    assert_well_formed(t);
    for (uint32_t i = 0; i < 2048; i += 255) {
        for (uint32_t k = 0; k < 255; k++) {
            addr[2 * k] = (i + k) << 21;
            addr[2 * k + 1] = addr[2 * k] - 1;
        }
        assert_same_in_all_variants(addr, 510);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t edge[4] = {routes[i].addr, routes[i].addr - 1, routes[i].addr + (1u << 21), ~routes[i].addr};
        del(routes[i].addr, routes[i].len);
        assert_same_at(edge, 4);
    }
    cr_assert_eq(lpm_count(t), 0);
}

/* Hosts of one /24 with next hops that need a byte, two, and four. */
Test(lpm, leaves_of_one_two_and_four_bytes)
{
    enum { HOSTS = 256, OTHERS = 60000 };
    const uint32_t net = IP4(10, 1, 2, 0);
    uint32_t addr[HOSTS + 2];
    for (uint32_t i = 0; i < HOSTS + 2; i++)
        addr[i] = net - 1 + i;
    for (uint32_t i = 0; i < HOSTS; i++)
        add(net + i, 32, i % 254);
    assert_same_in_all_variants(addr, HOSTS + 2);
    for (uint32_t hop = 253; hop < 257; hop++) {
        add(net + hop - 200, 32, hop);
        assert_same_in_all_variants(addr, HOSTS + 2);
    }
    for (uint32_t i = 0; i < OTHERS; i++) /* identifiers run past two bytes */
        add(IP4(11, 0, 0, 0) + i * 1024, 24, LPM_PLAIN - 2 + i);
    for (uint32_t i = 0; i < HOSTS; i += 3) {
        add(net + i, 32, UINT32_MAX - 1 - i);
        assert_same_at(addr, HOSTS + 2);
    }
    assert_same_in_all_variants(addr, HOSTS + 2);
    for (uint32_t i = 0; i < HOSTS; i++) {
        cr_assert_eq(del(net + i, 32), 0);
        assert_same_at(addr, HOSTS + 2);
    }
}

/* A lone route below another: up to 13 bits further down, with small next hops, no node is needed. */
Test(lpm, lone_route_of_every_length)
{
    static const uint32_t pattern[] = {0, UINT32_MAX, 0x55555555, 0xaaaaaaaa, 0x80000001};
    static const uint32_t hops[][2] = {{1, 2}, {254, 0}, {0, 254}, {255, 1}, {1, 255}, {7, UINT32_MAX - 1}};
    struct rng r;
    prop_seed(&r, "lpm lone route");
    for (unsigned h = 0; h < 6; h++)
        for (unsigned len = 1; len <= 32; len++)
            for (unsigned k = 0; k < 5; k++) {
                struct prefix4 p = {pattern[k] & ip4_mask(len), (uint8_t)len};
                uint32_t addr[5 + 32];
                add(0, 0, hops[h][0]);
                add(p.addr, len, hops[h][1]);
                probes(&r, p, addr);
                for (unsigned i = 0; i < 32; i++)
                    addr[5 + i] = pattern[k] ^ 1u << i;
                if (h < 3 && len <= LPM_FORK_BITS)
                    cr_assert_eq(t->image.live, 0, "/%u", len);
                assert_same_in_all_variants(addr, 5 + 32);
                add(p.addr ^ 1, 32, 9); /* in or beside: the fork becomes a node */
                assert_same_in_all_variants(addr, 5 + 32);
                cr_assert_eq(del(p.addr ^ 1, 32) & del(0, 0), 0);
                assert_same_in_all_variants(addr, 5 + 32);
                del(p.addr, len);
                assert_same_in_all_variants(addr, 5 + 32);
                cr_assert_eq(lpm_count(t), 0);
                cr_assert_eq(t->image.live, 0);
            }
}

/* Every second address of a /20, one by one, in and out: packed nodes come, change and go. */
Test(lpm, every_second_address)
{
    const uint32_t net = IP4(172, 16, 32, 0), n = 2048;
    uint32_t addr[6];
    add(net, 20, 1);
    for (uint32_t out = 0; out < 2; out++)
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = net + (i * 1365 & (n - 1)) * 2, len = at & 2 ? 31 : 32;
            if (out)
                cr_assert_eq(del(at, len), 0);
            else
                add(at, len, 2 + i % 5);
            for (uint32_t k = 0; k < 6; k++)
                addr[k] = at - 2 + k;
            assert_same_at(addr, 6);
        }
    assert_well_formed(t);
    cr_assert_eq(lpm_count(t), 1);
    cr_assert_eq(del(net, 20), 0);
    cr_assert_eq(t->image.live, 0);
}

/* -- properties ------------------------------------------------------------------------------------------ */

static void random_change(struct rng *r, struct prefix4 *pool, unsigned add_percent, uint64_t hops)
{
    uint32_t addr[5];
    struct prefix4 p = draw(r, pool);
    if (rng_below(r, 100) < add_percent)
        add(p.addr, p.len, (uint32_t)rng_below(r, hops));
    else
        del(p.addr, p.len);
    probes(r, p, addr);
    assert_same_at(addr, 5);
}

static void random_run(struct rng *r, int steps, unsigned add_percent, uint64_t hops)
{
    struct prefix4 pool[POOL] = {{0}};
    for (int i = 0; i < steps; i++) {
        random_change(r, pool, add_percent, hops);
        if (i % 64 == 0)
            assert_same_around(r, pool);
    }
    assert_same_around(r, pool);
}

Test(lpm, property_few_hops)
{
    struct rng r;
    prop_seed(&r, "lpm few hops");
    random_run(&r, 3000, 60, 3);
    random_run(&r, 3000, 30, 3);
}

Test(lpm, property_many_hops)
{
    struct rng r;
    prop_seed(&r, "lpm many hops");
    random_run(&r, 3000, 80, UINT32_MAX);
    random_run(&r, 3000, 20, UINT32_MAX);
}

/* The trie against what the words say: the longest of all prefixes that cover the address. */
Test(lpm, property_reference_against_linear_scan)
{
    struct rng r;
    struct prefix4 pool[POOL] = {{0}}, list[200];
    uint32_t hop[200], addr[5];
    prop_seed(&r, "lpm linear");
    for (size_t n = 0; n < 200; n++) {
        list[n] = draw(&r, pool);
        hop[n] = (uint32_t)n;
        add(list[n].addr, list[n].len, hop[n]);
        probes(&r, list[rng_below(&r, n + 1)], addr);
        for (int k = 0; k < 5; k++) {
            size_t best = SIZE_MAX;
            for (size_t i = 0; i <= n; i++)
                if (prefix4_has(list[i], addr[k]) && (best == SIZE_MAX || list[i].len >= list[best].len))
                    best = i;
            cr_assert_eq(lpm_ref_lookup(ref, addr[k]), best == SIZE_MAX ? LPM_MISS : hop[best]);
            cr_assert_eq(lpm_lookup(t, addr[k]), best == SIZE_MAX ? LPM_MISS : hop[best]);
        }
    }
}

static uint32_t hop_of(struct rng *r)
{
    return (uint32_t)rng_below(r, 20);
}

static bool same_below(const struct lpm_image *x, const struct lpm_image *y, uint32_t entry)
{
    const unsigned char *a = (const unsigned char *)x->pool + lpm_node_at(entry);
    const unsigned char *b = (const unsigned char *)y->pool + lpm_node_at(entry);
    size_t one = (size_t)1 << lpm_node_size(entry), n = (size_t)1 << lpm_node_bits(entry);
    if (!lpm_is_node(entry))
        return true;
    if (memcmp(a, b, one * n) != 0)
        return false;
    for (size_t i = 0; one == 4 && i < n; i++) {
        uint32_t below;
        memcpy(&below, a + i * one, sizeof below);
        if (!same_below(x, y, below))
            return false;
    }
    return true;
}

static void assert_same_image(const struct lpm_image *x, const struct lpm_image *y)
{
    cr_assert_eq(memcmp(&x->head, &y->head, sizeof x->head), 0);
    cr_assert_eq(x->live, y->live);
    for (size_t i = 0; i < LPM_PIECES; i++)
        cr_assert(same_below(x, y, x->head.entry[i]));
}

/* However a table came about, built as a whole it is the same to the byte, and until then not much larger. */
Test(lpm, property_whole_image_depends_on_routes_alone)
{
    struct rng r;
    struct prefix4 pool[POOL] = {{0}};
    struct lpm_route routes[1500];
    size_t n = 0;
    prop_seed(&r, "lpm image");
    for (int i = 0; i < 1500; i++) {
        struct prefix4 p = draw(&r, pool);
        routes[n++] = (struct lpm_route){.addr = p.addr, .len = p.len, .nexthop = hop_of(&r)};
        add(p.addr, p.len, routes[n - 1].nexthop);
    }
    struct lpm *built;
    cr_assert_eq(lpm_build(&built, routes, n), 0);
    for (int i = 0; i < 500; i++) {
        struct prefix4 p = draw(&r, pool);
        if (lpm_ref_lookup(ref, p.addr) == LPM_MISS || p.len == 0)
            continue;
        uint32_t probe[1] = {p.addr};
        if (del(p.addr, p.len) == 0) {
            assert_same_at(probe, 1);
            cr_assert_eq(lpm_del(built, p.addr, p.len), 0);
        }
    }
    assert_well_formed(built);
    assert_well_formed(t);
    cr_assert_eq(lpm_count(built), lpm_count(t));
    size_t patched = t->image.live;
    lpm_image_rebuild(&built->image, &built->rib, lpm_count(built));
    lpm_image_rebuild(&t->image, &t->rib, lpm_count(t));
    cr_assert_leq(patched, 2 * t->image.live + 16384 + 4096);
    assert_same_image(&built->image, &t->image);
    assert_well_formed(t);
    lpm_free(t);
    t = built;
    assert_same_around(&r, pool);
}

Test(lpm, build_errors)
{
    const struct lpm_route long_len[] = {{0, 1, 8}, {0, 1, 33}}, miss[] = {{0, LPM_MISS, 8}};
    struct lpm *out = NULL;
    struct lpm_ref *out_ref = NULL;
    cr_assert_eq(lpm_build(&out, long_len, 2), -EINVAL);
    cr_assert_eq(lpm_build(&out, miss, 1), -ERANGE);
    cr_assert_eq(lpm_ref_build(&out_ref, long_len, 2), -EINVAL);
    cr_assert_null(out);
    cr_assert_null(out_ref);
    for (size_t k = 0;; k++) {
        mem_fail_after(k);
        int err = lpm_build(&out, long_len, 1);
        mem_fail_after(MEM_NEVER_FAIL);
        if (!err)
            break;
        cr_assert_eq(err, -ENOMEM);
        cr_assert_null(out);
        cr_assert_lt(k, 100);
    }
    cr_assert_eq(lpm_lookup(out, 5), 1);
    lpm_free(out);
}

/* Every address around every route, then down to nothing. */
Test(lpm, large_table)
{
    struct rng r;
    uint32_t addr[512];
    const uint32_t n = 12000;
    prop_seed(&r, "lpm large");
    for (uint32_t i = 0; i < n; i++)
        add(IP4(10, 0, 0, 0) + i * 256 + (i & 255), i % 7 ? 32 : 24, i);
    add(0, 0, 1);
    add(IP4(10, 0, 0, 0), 8, 2);
    for (uint32_t i = 0; i < n; i += 100) {
        for (uint32_t k = 0; k < 500; k++)
            addr[k] = IP4(10, 0, 0, 0) + (i + k / 5) * 256 + ((i + k / 5) & 255) + k % 5 - 2;
        assert_same_in_all_variants(addr, 500);
    }
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(del(IP4(10, 0, 0, 0) + i * 256 + (i & 255), i % 7 ? 32 : 24), 0);
    cr_assert_eq(t->image.live, 0);
    cr_assert_eq(lpm_lookup(t, IP4(10, 1, 1, 1)), 2);
    cr_assert_eq(lpm_lookup(t, IP4(11, 1, 1, 1)), 1);
}

/* -- memory ---------------------------------------------------------------------------------------------- */

/* => the i-th of 2^22 different prefixes, scattered over 10.0.0.0/8. */
static struct prefix4 scattered(uint32_t i)
{
    uint8_t len = (uint8_t)(24 + i % 9);
    return (struct prefix4){(IP4(10, 0, 0, 0) | (i * 2654435761u & 0x3fffffu) << 2) & ip4_mask(len), len};
}

Test(lpm, churn_keeps_memory_flat)
{
    const uint32_t window = 2000, n = 60000;
    size_t settled = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct prefix4 in = scattered(i), out = scattered(i - window);
        add(in.addr, in.len, i);
        if (i >= window)
            del(out.addr, out.len);
        if (i == n / 3)
            settled = lpm_bytes(t);
    }
    cr_assert_leq(lpm_count(t), window);
    cr_assert_leq(lpm_bytes(t), settled);
    for (uint32_t i = n - 2 * window; i < n; i++) {
        struct prefix4 p = scattered(i);
        cr_assert_eq(lpm_lookup(t, p.addr), lpm_ref_lookup(ref, p.addr));
    }
    cr_assert_eq(mem_live_bytes(), lpm_bytes(t) + lpm_ref_bytes(ref));
}

static unsigned all_steps(uint32_t from, uint32_t n)
{
    unsigned sum = 0;
    for (uint32_t i = from; i < from + n; i++)
        sum += steps_to(scattered(i).addr);
    return sum;
}

/* Change one route far off, again and again. */
static void change_elsewhere(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (i % 2)
            del(IP4(192, 0, 2, 1), 32);
        else
            add(IP4(192, 0, 2, 1), 32, 5);
}

/* => the i-th of hosts in runs, a hundred in each of some /24s. */
static uint32_t in_runs(uint32_t i)
{
    return (scattered(i / 100).addr & ip4_mask(24)) | i * 37 % 256;
}

/* What changes leave behind is renewed by later changes, without building the whole. */
Test(lpm, renewing_mends_what_changes_left)
{
    const uint32_t n = 6000, hosts = 2400;
    unsigned left = 0, renewed = 0, fresh = 0;
    struct rng r;
    prop_seed(&r, "lpm renewing");
    add(0, 0, 1);
    for (uint32_t i = 0; i < n; i++)
        add(scattered(i).addr, scattered(i).len, i % 200);
    lpm_image_rebuild(&t->image, &t->rib, t->routes);
    t->image.wait = UINT32_MAX; /* nothing is renewed */
    for (uint32_t i = 0; i < hosts; i++)
        add(in_runs(i), 32, i % 200);
    for (uint32_t i = 0; i < hosts; i++)
        left += steps_to(in_runs(i));
    t->image.wait = 0;
    change_elsewhere(2 * n);
    cr_assert_eq(t->image.routes, n + 1, "not built as a whole since");
    assert_well_formed(t);
    for (uint32_t i = 0; i < hosts; i++)
        renewed += steps_to(in_runs(i));
    for (uint32_t i = 0; i < hosts; i += 50) {
        uint32_t addr[250];
        for (uint32_t k = 0; k < 50; k++)
            probes(&r, (struct prefix4){in_runs(i + k), 32}, addr + (size_t)5 * k);
        assert_same_in_all_variants(addr, 250);
    }
    lpm_image_rebuild(&t->image, &t->rib, t->routes);
    for (uint32_t i = 0; i < hosts; i++)
        fresh += steps_to(in_runs(i));
    cr_assert(left > fresh + fresh / 4 && renewed <= fresh + fresh / 20, "%u steps, %u, %u", left, renewed,
              fresh);
}

/* Where all routes have gone elsewhere, the pieces and first nodes are not the right ones any more. */
Test(lpm, moved_routes_get_an_image_of_their_own)
{
    const uint32_t n = 3000, to = IP4(10, 0, 0, 0) ^ IP4(172, 0, 0, 0);
    for (uint32_t i = 0; i < n; i++)
        add(scattered(i).addr, scattered(i).len, i % 200);
    lpm_image_rebuild(&t->image, &t->rib, t->routes);
    unsigned steps = all_steps(0, n), moved = 0;
    change_elsewhere(2 * n);
    for (uint32_t i = 0; i < n; i++) {
        struct prefix4 p = scattered(i);
        del(p.addr, p.len);
        add(p.addr ^ to, p.len, i % 200);
    }
    change_elsewhere(3 * n);
    for (uint32_t i = 0; i < n; i++)
        moved += steps_to(scattered(i).addr ^ to);
    cr_assert_leq(moved, steps + steps / 20, "%u steps, then %u", steps, moved);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(lpm_lookup(t, scattered(i).addr ^ to), lpm_ref_lookup(ref, scattered(i).addr ^ to));
}

/* A route around many forks comes, changes and goes; some of the forks have its next hop inside. */
Test(lpm, forks_within_a_changing_route)
{
    struct rng r;
    struct prefix4 p[80];
    uint32_t addr[400];
    prop_seed(&r, "lpm forks");
    for (uint32_t i = 0; i < 80; i++) {
        p[i] = (struct prefix4){IP4(10, 0, 0, 0) + (i << 16), (uint8_t)(17 + i % 13)};
        p[i].addr |= (ip4)rng_u64(&r) & 0xffff & ip4_mask(p[i].len);
        add(p[i].addr, p[i].len, i % 5);
        probes(&r, p[i], addr + (size_t)5 * i);
    }
    lpm_image_rebuild(&t->image, &t->rib, t->routes);
    for (int i = 0; i < 400; i++) {
        unsigned len = (unsigned)rng_below(&r, 3) * 8;
        uint32_t hop = rng_below(&r, 8) ? (uint32_t)rng_below(&r, 6) : 70000;
        if (rng_below(&r, 3))
            add(IP4(10, 0, 0, 0) | (uint32_t)rng_below(&r, 80) << 16, len, hop);
        else
            del(IP4(10, 0, 0, 0) | (uint32_t)rng_below(&r, 80) << 16, len);
        assert_same_in_all_variants(addr, 400);
    }
    assert_well_formed(t);
}

Test(lpm, replacing_keeps_memory_flat)
{
    add(IP4(10, 0, 0, 0), 8, 300);
    size_t bytes = lpm_bytes(t);
    for (uint32_t i = 301; i < 10000; i++) {
        add(IP4(10, 0, 0, 0), 8, i);
        add(IP4(10, 0, 0, 0), 8, i);
        cr_assert_eq(lpm_lookup(t, IP4(10, 9, 9, 9)), i);
    }
    cr_assert_eq(lpm_count(t), 1);
    cr_assert_eq(lpm_bytes(t), bytes);
}

/* Give back all spare room, so that the next change needs memory. */
static void trim(void)
{
    struct lpm_image *m = &t->image;
    struct lpm_rib *rib = &t->rib;
    const size_t block = LPM_BLOCK * sizeof *rib->block, pad = lpm_image_bytes(m) - sizeof m->head - m->cap;
    m->pool = mem_resize(m->pool, m->cap + pad, m->used + pad);
    m->cap = m->used;
    memset(m->free, 0, sizeof m->free); /* lost until the next rebuild */
    rib->block = mem_resize(rib->block, rib->block_cap * block, rib->blocks * block);
    rib->block_cap = rib->blocks;
    rib->part = mem_resize(rib->part, rib->part_cap * sizeof *rib->part, rib->parts * sizeof *rib->part);
    rib->part_cap = rib->parts;
    lpm_plan_free(&m->plan);
}

static void fill(struct rng *r, struct prefix4 *pool, int n)
{
    for (int i = 0; i < n; i++) {
        struct prefix4 p = draw(r, pool);
        add(p.addr, p.len, hop_of(r));
    }
}

/* Let the k-th allocation of one change fail, for each k, at each of many states of the table. */
Test(lpm, failing_allocation_changes_no_answer)
{
    struct rng r;
    struct prefix4 pool[POOL] = {{0}};
    size_t failures = 0, walked = 0;
    prop_seed(&r, "lpm failing");
    for (int round = 0; round < 400; round++) {
        fill(&r, pool, 3);
        struct prefix4 p = draw(&r, pool);
        uint32_t hop = 1000 + (uint32_t)round;
        trim();
        for (size_t k = 0;; k++) {
            mem_fail_after(k);
            int err = lpm_add(t, p.addr, p.len, hop);
            mem_fail_after(MEM_NEVER_FAIL);
            if (!err)
                break;
            cr_assert_eq(err, -ENOMEM);
            cr_assert_lt(k, 100);
            failures++;
            walked += t->image.broken;
            cr_assert_eq(lpm_count(t), lpm_ref_count(ref));
            assert_same_around(&r, pool);
        }
        cr_assert_eq(lpm_ref_add(ref, p.addr, p.len, hop), 0);
        cr_assert_not(t->image.broken);
        assert_same_around(&r, pool);
    }
    cr_assert_gt(failures, 100);
    cr_assert_gt(walked, 20, "no failure hit the compiler");
}

Test(lpm, removal_succeeds_without_memory)
{
    struct rng r;
    struct prefix4 pool[POOL] = {{0}};
    prop_seed(&r, "lpm removal");
    fill(&r, pool, 3000);
    trim();
    mem_fail_after(0);
    for (int i = 0; i < 20000 && lpm_count(t); i++) {
        struct prefix4 p = draw(&r, pool);
        del(p.addr, p.len);
        if (i % 500 == 0)
            assert_same_around(&r, pool);
    }
    mem_fail_after(MEM_NEVER_FAIL);
    assert_same_around(&r, pool);
    add(0, 0, 9);
    cr_assert_not(t->image.broken, "the next change with memory mends the image");
    assert_same_around(&r, pool);
}

/* Routes that all say the same compile to nothing; without the widest, the others need nodes. */
Test(lpm, removal_that_needs_memory_answers_from_the_routes)
{
    uint32_t addr[320];
    add(0, 0, 1);
    for (uint32_t i = 1; i < 256; i += 2)
        add(IP4(10, 0, 0, 0) + i, 32, 1);
    for (uint32_t i = 0; i < 320; i++)
        addr[i] = IP4(9, 255, 255, 224) + i;
    cr_assert_eq(t->image.live, 0);
    trim();
    mem_fail_after(0);
    cr_assert_eq(del(0, 0), 0);
    cr_assert(t->image.broken);
    cr_assert_eq(lpm_lookup(t, IP4(10, 0, 0, 0)), LPM_MISS);
    cr_assert_eq(lpm_lookup(t, IP4(10, 0, 0, 1)), 1);
    assert_same_at(addr, 320);
    cr_assert_eq(lpm_add(t, IP4(11, 0, 0, 0), 8, 1), -ENOMEM);
    assert_same_at(addr, 320);
    cr_assert_eq(del(IP4(10, 0, 0, 5), 32), 0);
    assert_same_at(addr, 320);
    mem_fail_after(MEM_NEVER_FAIL);
    add(IP4(11, 0, 0, 0), 8, 1);
    cr_assert_not(t->image.broken);
    assert_same_in_all_variants(addr, 320);
}

Test(lpm, new_fails_without_memory)
{
    for (size_t k = 0;; k++) {
        mem_fail_after(k);
        struct lpm *x = lpm_new();
        mem_fail_after(MEM_NEVER_FAIL);
        if (x) {
            cr_assert_eq(k, 4, "the table, its blocks, their order, the nodes");
            lpm_free(x);
            break;
        }
    }
    mem_fail_after(0);
    cr_assert_null(lpm_ref_new());
    cr_assert_eq(lpm_ref_add(ref, IP4(1, 2, 3, 4), 32, 1), -ENOMEM);
    mem_fail_after(20);
    cr_assert_eq(lpm_ref_add(ref, IP4(1, 2, 3, 4), 32, 1), -ENOMEM);
    cr_assert_eq(lpm_ref_lookup(ref, IP4(1, 2, 3, 4)), LPM_MISS);
    size_t empty = lpm_ref_bytes(ref);
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(lpm_ref_add(ref, IP4(1, 2, 3, 4), 32, 1), 0);
    cr_assert_eq(lpm_ref_del(ref, IP4(1, 2, 3, 4), 32), 0);
    cr_assert_eq(lpm_ref_bytes(ref), empty, "a failed or undone addition leaves no nodes");
}
