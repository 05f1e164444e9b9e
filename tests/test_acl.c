/* test_acl.c - the compiled classifier against the linear one, and the linear one against cases worked out
 * by hand. */
#include "dataplane/acl_int.h"
#include "dataplane/acl_ref.h"
#include "dataplane/mem_int.h"
#include "tests/support_mem.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define TCP  6
#define UDP  17
#define ICMP 1
#define ESP  50

static void teardown(void)
{
    support_mem_none_live();
}

TestSuite(acl, .fini = teardown);

static void assert_same(struct acl_hit got, struct acl_hit want, const struct acl *a, size_t key)
{
    cr_assert(got.hit == want.hit && got.id == want.id && got.allow == want.allow,
              "%s, key %zu: %d, %u, %d instead of %d, %u, %d", acl_how(a), key, got.hit, got.id, got.allow,
              want.hit, want.id, want.allow);
}

/* Classify keys every way there is on this machine and compare with the linear classifier.
 * => how many keys hit anything; all answers in want. */
static size_t compare_all(const struct acl *compiled, const struct acl_rule *rules, size_t n_rules,
                          const struct acl_key *keys, size_t n, struct acl_hit *want)
{
    struct acl a = *compiled;
    struct acl_ref *ref = acl_ref_build(rules, n_rules);
    struct acl_hit *hits = calloc(n, sizeof *hits);
    size_t n_hits = 0;
    cr_assert(ref && hits);
    acl_ref_classify_bulk(ref, keys, want, n);
    for (unsigned v = 0; v < ACL_VARIANTS; v++) {
        if (!acl_use(&a, (enum acl_variant)v))
            continue;
        memset(hits, 0xff, n * sizeof *hits);
        acl_classify_bulk(&a, keys, hits, n);
        for (size_t i = 0; i < n; i++) {
            assert_same(hits[i], want[i], &a, i);
            assert_same(acl_classify(&a, &keys[i]), want[i], &a, i);
        }
    }
    for (size_t i = 0; i < n; i++)
        n_hits += want[i].hit;
    free(hits);
    acl_ref_free(ref);
    return n_hits;
}

/* => the answer for one key. */
static struct acl_hit both(const struct acl_rule *rules, size_t n, struct acl_key key)
{
    struct acl *a = acl_build(rules, n);
    struct acl_hit want;
    cr_assert(a);
    compare_all(a, rules, n, &key, 1, &want);
    acl_free(a);
    return want;
}

static void assert_hit(const struct acl_rule *rules, size_t n, struct acl_key key, uint32_t id, bool allow)
{
    struct acl_hit h = both(rules, n, key);
    cr_assert(h.hit);
    cr_assert_eq(h.id, id);
    cr_assert_eq(h.allow, allow);
}

static void assert_miss(const struct acl_rule *rules, size_t n, struct acl_key key)
{
    struct acl_hit h = both(rules, n, key);
    cr_assert_not(h.hit);
    cr_assert_not(h.allow);
    cr_assert_eq(h.id, 0);
}

Test(acl, no_rules)
{
    assert_miss(NULL, 0, (struct acl_key){0, 0, 0, 0, 0});
    assert_miss(NULL, 0, (struct acl_key){UINT32_MAX, UINT32_MAX, 65535, 65535, 255});
}

Test(acl, one_rule_for_anything)
{
    const struct acl_rule any[] = {{.id = 7, .allow = true}};
    assert_hit(any, 1, (struct acl_key){0, 0, 0, 0, 0}, 7, true);
    assert_hit(any, 1, (struct acl_key){UINT32_MAX, UINT32_MAX, 65535, 65535, 255}, 7, true);
    assert_hit(any, 1, (struct acl_key){1, 2, 3, 4, TCP}, 7, true);
}

Test(acl, first_match_decides)
{
    const struct prefix4 host[] = {{IP4(10, 0, 0, 4), 32}}, net[] = {{IP4(10, 0, 0, 0), 24}};
    const struct acl_rule rules[] = {
        {.src = host, .n_src = 1, .allow = false, .id = 100},
        {.src = net, .n_src = 1, .allow = true, .id = 200},
        {.src = host, .n_src = 1, .allow = true, .id = 300},
        {.allow = false, .id = 65500},
    };
    assert_hit(rules, 4, (struct acl_key){IP4(10, 0, 0, 4), 1, 2, 3, TCP}, 100, false);
    assert_hit(rules, 4, (struct acl_key){IP4(10, 0, 0, 3), 1, 2, 3, TCP}, 200, true);
    assert_hit(rules, 4, (struct acl_key){IP4(10, 0, 1, 0), 1, 2, 3, TCP}, 65500, false);
    assert_miss(rules, 3, (struct acl_key){IP4(10, 0, 1, 0), 1, 2, 3, TCP});
    assert_hit(rules + 1, 3, (struct acl_key){IP4(10, 0, 0, 4), 1, 2, 3, TCP}, 200, true);
    assert_hit(rules + 2, 2, (struct acl_key){IP4(10, 0, 0, 4), 1, 2, 3, TCP}, 300, true);
}

Test(acl, any_combination_of_lists)
{
    const struct prefix4 src[] = {{IP4(10, 0, 0, 0), 24}, {IP4(10, 2, 0, 0), 16}};
    const struct prefix4 dst[] = {{IP4(192, 168, 0, 1), 32}, {IP4(192, 168, 0, 3), 32}};
    const struct acl_range dport[] = {{443, 443}, {8000, 8080}};
    const struct acl_rule rule = {src, dst, 2, 2, NULL, dport, 0, 2, TCP, true, 5};
    const uint32_t in_src[] = {IP4(10, 0, 0, 0), IP4(10, 0, 0, 255), IP4(10, 2, 0, 0), IP4(10, 2, 255, 255)};
    const uint32_t out_src[] = {IP4(9, 255, 255, 255), IP4(10, 0, 1, 0), IP4(10, 1, 255, 255),
                                IP4(10, 3, 0, 0)};
    const uint16_t in_port[] = {443, 8000, 8080}, out_port[] = {442, 444, 7999, 8081, 0, 65535};
    for (int i = 0; i < 4; i++) {
        for (int p = 0; p < 3; p++) {
            assert_hit(&rule, 1, (struct acl_key){in_src[i], dst[1].addr, 9, in_port[p], TCP}, 5, true);
            assert_miss(&rule, 1, (struct acl_key){out_src[i], dst[0].addr, 9, in_port[p], TCP});
            assert_miss(&rule, 1, (struct acl_key){in_src[i], dst[0].addr + 1, 9, in_port[p], TCP});
            assert_miss(&rule, 1, (struct acl_key){in_src[i], dst[0].addr, 9, in_port[p], UDP});
        }
        for (int p = 0; p < 6; p++)
            assert_miss(&rule, 1, (struct acl_key){in_src[i], dst[1].addr, 443, out_port[p], TCP});
    }
}

Test(acl, port_borders)
{
    const struct acl_range low[] = {{0, 0}}, high[] = {{65535, 65535}}, all[] = {{0, 65535}},
                           none[] = {{9, 8}};
    const struct acl_rule rules[] = {
        {.sport = low, .n_sport = 1, .id = 1},
        {.sport = high, .n_sport = 1, .id = 2},
        {.dport = none, .n_dport = 1, .id = 3},
        {.dport = all, .n_dport = 1, .id = 4},
    };
    assert_hit(rules, 4, (struct acl_key){1, 1, 0, 5, UDP}, 1, false);
    assert_hit(rules, 4, (struct acl_key){1, 1, 1, 5, UDP}, 4, false);
    assert_hit(rules, 4, (struct acl_key){1, 1, 65534, 8, UDP}, 4, false);
    assert_hit(rules, 4, (struct acl_key){1, 1, 65535, 9, UDP}, 2, false);
    assert_miss(rules, 3, (struct acl_key){1, 1, 1, 8, TCP});
}

Test(acl, protocols_without_ports)
{
    const struct acl_range some[] = {{0, 100}}, all[] = {{0, 65535}},
                           split[] = {{101, 65535}, {50, 60}, {0, 100}};
    const struct acl_range gap[] = {{0, 100}, {102, 65535}};
    const struct acl_rule with_ports = {.dport = some, .n_dport = 1, .id = 1};
    const struct acl_rule every_port = {.sport = all, .n_sport = 1, .dport = split, .n_dport = 3, .id = 2};
    const struct acl_rule gap_rule = {.sport = gap, .n_sport = 2, .id = 3}, any = {.proto = ICMP, .id = 4};
    const struct acl_key icmp = {1, 2, 0, 0, ICMP}, esp = {1, 2, 0, 0, ESP}, udp = {1, 2, 0, 0, UDP};
    assert_miss(&with_ports, 1, icmp);
    assert_miss(&with_ports, 1, esp);
    assert_hit(&with_ports, 1, udp, 1, false);
    assert_hit(&every_port, 1, icmp, 2, false);
    assert_hit(&every_port, 1, esp, 2, false);
    assert_hit(&every_port, 1, udp, 2, false);
    assert_miss(&gap_rule, 1, icmp);
    assert_hit(&gap_rule, 1, udp, 3, false);
    assert_hit(&any, 1, icmp, 4, false);
    assert_miss(&any, 1, esp);
}

Test(acl, whole_address_space_and_hosts)
{
    const struct prefix4 all[] = {{0, 0}}, first[] = {{0, 32}}, last[] = {{UINT32_MAX, 32}};
    const struct acl_rule rules[] = {
        {.src = first, .n_src = 1, .id = 1},
        {.dst = last, .n_dst = 1, .id = 2},
        {.src = all, .n_src = 1, .dst = all, .n_dst = 1, .id = 3},
    };
    assert_hit(rules, 3, (struct acl_key){0, 0, 1, 1, TCP}, 1, false);
    assert_hit(rules, 3, (struct acl_key){1, UINT32_MAX, 1, 1, TCP}, 2, false);
    assert_hit(rules, 3, (struct acl_key){UINT32_MAX, UINT32_MAX - 1, 1, 1, TCP}, 3, false);
}

/* -- property -------------------------------------------------------------------------------------------- */

#define MAX_RULES 700
#define MAX_LIST  12

struct world {
    struct acl_rule rules[MAX_RULES];
    struct prefix4 prefix[2 * MAX_RULES][MAX_LIST];
    struct acl_range range[2 * MAX_RULES][MAX_LIST];
    size_t n;
};

static struct prefix4 draw_prefix(struct rng *r, const struct world *w)
{
    struct prefix4 p = w->prefix[rng_below(r, 2 * w->n)][rng_below(r, MAX_LIST)];
    switch (rng_below(r, 5)) {
    case 0:
        p = (struct prefix4){(ip4)rng_u64(r), (uint8_t)rng_below(r, 33)};
        break;
    case 1:
        p.addr ^= (ip4)1 << rng_below(r, 32);
        break;
    case 2:
        p.addr |= (ip4)rng_u64(r) & ~ip4_mask(p.len);
        p.len = (uint8_t)(p.len + rng_below(r, 33u - p.len));
        break;
    case 3:
        p.len = (uint8_t)(p.len - rng_below(r, p.len + 1u) / 4);
        break;
    default:
        break;
    }
    p.addr &= ip4_mask(p.len);
    return p;
}

static const uint16_t odd_ports[] = {0, 1, 22, 79, 80, 81, 443, 444, 1023, 1024, 32767, 32768, 65534, 65535};

static struct acl_range draw_range(struct rng *r)
{
    uint16_t a = odd_ports[rng_below(r, 14)], b = rng_below(r, 3) ? a : odd_ports[rng_below(r, 14)];
    if (rng_below(r, 4) == 0)
        b = (uint16_t)rng_u64(r);
    if (a > b && rng_below(r, 10))
        return (struct acl_range){b, a};
    return (struct acl_range){a, b};
}

/* Lists are empty, fresh, or those of an earlier rule: the same array, or a copy of it. */
static void draw_rule(struct rng *r, struct world *w, size_t i)
{
    static const uint8_t protos[] = {0, 0, TCP, TCP, UDP, ICMP, ESP, 255};
    struct acl_rule *x = &w->rules[i];
    *x = (struct acl_rule){
        .proto = protos[rng_below(r, 8)], .allow = rng_below(r, 2), .id = (uint32_t)(i * 3)};
    for (size_t k = 0; k < MAX_LIST; k++)
        for (size_t side = 0; side < 2; side++) {
            w->prefix[2 * i + side][k] = draw_prefix(r, w);
            w->range[2 * i + side][k] = draw_range(r);
        }
    x->src = w->prefix[2 * i];
    x->dst = w->prefix[2 * i + 1];
    x->sport = w->range[2 * i];
    x->dport = w->range[2 * i + 1];
    x->n_src = rng_below(r, 2) ? rng_below(r, MAX_LIST + 1) : 0;
    x->n_dst = rng_below(r, 2) ? rng_below(r, MAX_LIST + 1) : 0;
    x->n_sport = rng_below(r, 4) ? 0 : rng_below(r, MAX_LIST + 1);
    x->n_dport = rng_below(r, 3) ? rng_below(r, 4) : 0;
    const struct acl_rule *old = &w->rules[rng_below(r, i + 1)];
    if (rng_below(r, 4) == 0) {
        x->src = old->src;
        x->n_src = old->n_src;
    } else if (rng_below(r, 4) == 0) {
        memcpy(w->prefix[2 * i], old->src, sizeof w->prefix[0]);
        x->n_src = old->n_src;
    }
}

static uint32_t near(struct rng *r, const struct prefix4 *p, size_t n)
{
    if (!n || rng_below(r, 16) == 0)
        return (uint32_t)rng_u64(r);
    struct prefix4 q = p[rng_below(r, n)];
    uint32_t at[] = {q.addr - 1, q.addr, prefix4_last(q), prefix4_last(q) + 1,
                     q.addr | ((uint32_t)rng_u64(r) & ~ip4_mask(q.len))};
    return at[rng_below(r, 5)];
}

static uint16_t near_port(struct rng *r, const struct acl_range *p, size_t n)
{
    if (!n || rng_below(r, 16) == 0)
        return (uint16_t)rng_u64(r);
    struct acl_range q = p[rng_below(r, n)];
    uint16_t at[] = {(uint16_t)(q.first - 1), q.first, q.last, (uint16_t)(q.last + 1)};
    return at[rng_below(r, 4)];
}

/* A key on or just beside the borders of one rule. */
static struct acl_key draw_key(struct rng *r, const struct world *w)
{
    const struct acl_rule *x = &w->rules[rng_below(r, w->n)];
    return (struct acl_key){
        .src = near(r, x->src, x->n_src),
        .dst = near(r, x->dst, x->n_dst),
        .sport = near_port(r, x->sport, x->n_sport),
        .dport = near_port(r, x->dport, x->n_dport),
        .proto = x->proto && rng_below(r, 8) ? x->proto : (uint8_t)(rng_below(r, 2) ? TCP : rng_u64(r)),
    };
}

/* => how many of n random keys hit anything. */
static size_t compare(struct rng *r, const struct world *w, size_t n)
{
    struct acl *a = acl_build(w->rules, w->n);
    struct acl_key *keys = calloc(n, sizeof *keys);
    struct acl_hit *want = calloc(n, sizeof *want);
    cr_assert(a && keys && want);
    for (size_t i = 0; i < n; i++) {
        keys[i] = draw_key(r, w);
        memset(&keys[i].proto + 1, (int)rng_below(r, 256),
               3); /* what is behind the protocol does not matter */
    }
    size_t hits = compare_all(a, w->rules, w->n, keys, n, want);
    cr_assert_eq(mem_live_bytes(), acl_bytes(a));
    acl_free(a);
    free(keys);
    free(want);
    return hits;
}

Test(acl, property_against_linear)
{
    struct rng r;
    struct world *w = calloc(1, sizeof *w);
    const size_t sizes[] = {1, 2, 3, 8, 9, 10, 17, 33, 64, 65, 129, 200, 700};
    size_t hits = 0, keys = 0;
    prop_seed(&r, "acl");
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int round = 0; round < (sizes[k] < 20 ? 30 : 3); round++, keys += 1001) {
            w->n = sizes[k];
            for (size_t i = 0; i < w->n; i++)
                draw_rule(&r, w, i);
            hits += compare(&r, w, 1001);
        }
    cr_assert_gt(hits, keys / 10, "hits %zu of %zu", hits, keys);
    cr_assert_lt(hits, keys - keys / 10, "hits %zu of %zu", hits, keys);
    free(w);
}

Test(acl, thousands_of_rules)
{
    const size_t n = 4200;
    struct prefix4 *p = calloc(n, sizeof *p);
    struct acl_rule *rules = calloc(n, sizeof *rules);
    for (size_t i = 0; i < n; i++) {
        p[i] = (struct prefix4){IP4(10, 0, 0, 0) + (uint32_t)i, 32};
        rules[i] = (struct acl_rule){.src = &p[i], .n_src = 1, .id = (uint32_t)i + 1, .allow = i & 1};
    }
    struct acl *a = acl_build(rules, n);
    cr_assert(a);
    for (size_t i = 0; i < n; i++) {
        struct acl_hit h = acl_classify(a, &(struct acl_key){p[i].addr, 1, 2, 3, TCP});
        cr_assert(h.hit);
        cr_assert_eq(h.id, i + 1);
        cr_assert_eq(h.allow, i & 1);
    }
    cr_assert_not(acl_classify(a, &(struct acl_key){p[n - 1].addr + 1, 1, 2, 3, TCP}).hit);
    cr_assert_not(acl_classify(a, &(struct acl_key){p[0].addr - 1, 1, 2, 3, TCP}).hit);
    cr_assert_eq(mem_live_bytes(), acl_bytes(a));
    acl_free(a);
    free(p);
    free(rules);
}

/* Even rules fit the source, odd ones the destination, one rule fits both. */
Test(acl, candidates_that_do_not_match)
{
    enum { N = 4500 };
    static struct acl_rule rules[N];
    const struct prefix4 host[] = {{IP4(10, 0, 0, 4), 32}, {IP4(10, 0, 0, 5), 32}};
    const struct acl_key key = {host[0].addr, host[0].addr, 1, 1, TCP};
    for (uint32_t i = 0; i < N; i++)
        rules[i] =
            (struct acl_rule){.src = &host[i % 2], .n_src = 1, .dst = &host[1 - i % 2], .n_dst = 1, .id = i};
    assert_miss(rules, N, key);
    for (uint32_t i = 1; i < N; i += 487) {
        const struct acl_rule keep = rules[i];
        rules[i].dst = rules[i].src = &host[0];
        assert_hit(rules, N, key, i, false);
        rules[i] = keep;
    }
    rules[N - 1].dst = rules[N - 1].src = &host[0];
    assert_hit(rules, N, key, N - 1, false);
}

/* A thousand rules over one long list cost hardly more than one rule over it. */
Test(acl, shared_lists_cost_once)
{
    const size_t n_prefix = 20000, n = 1000;
    struct prefix4 *p = calloc(n_prefix, sizeof *p), *copy = calloc(n_prefix, sizeof *p);
    struct acl_range *ports = calloc(n, sizeof *ports);
    struct acl_rule *rules = calloc(n, sizeof *rules);
    for (size_t i = 0; i < n_prefix; i++)
        copy[i] = p[i] = (struct prefix4){(uint32_t)i << 9, 24};
    for (size_t i = 0; i < n; i++) {
        ports[i] = (struct acl_range){(uint16_t)(i * 10), (uint16_t)(i * 10 + 5)};
        rules[i] = (struct acl_rule){.src = i % 2 ? p : copy,
                                     .n_src = n_prefix,
                                     .dport = &ports[i],
                                     .n_dport = 1,
                                     .id = 1 + (uint32_t)i};
    }
    struct acl *one = acl_build(rules, 1), *all = acl_build(rules, n);
    cr_assert(one && all);
    cr_assert_lt(acl_bytes(all), acl_bytes(one) + 100 * n);
    cr_assert_eq(acl_classify(all, &(struct acl_key){19999u << 9, 0, 0, 9990, TCP}).id, 1000);
    cr_assert_eq(acl_classify(all, &(struct acl_key){19999u << 9, 0, 0, 9995, TCP}).id, 1000);
    cr_assert_not(acl_classify(all, &(struct acl_key){19999u << 9, 0, 0, 9996, TCP}).hit);
    cr_assert_not(acl_classify(all, &(struct acl_key){1u << 8, 0, 0, 9995, TCP}).hit);
    acl_free(one);
    acl_free(all);
    free(p);
    free(copy);
    free(ports);
    free(rules);
}

/* -- families of rules that are hard for indexes --------------------------------------------------------- */

#define PER_RULE 256 /* bytes; and 64 KiB, and what long lists take */

static uint32_t in_prefixes(struct rng *r, const struct prefix4 *p, size_t n)
{
    struct prefix4 q = n ? p[rng_below(r, n)] : (struct prefix4){0, 0};
    return q.addr | ((uint32_t)rng_u64(r) & ~ip4_mask(q.len));
}

static uint16_t in_ranges(struct rng *r, const struct acl_range *p, size_t n)
{
    struct acl_range q = n ? p[rng_below(r, n)] : (struct acl_range){0, 65535};
    return (uint16_t)(q.first + rng_below(r, q.last - q.first + 1u));
}

/* Keys inside and at the borders of rules; memory within bounds, which lists are allowed to exceed by
 * `extra`. */
static void hard(const char *name, const struct acl_rule *rules, size_t n, size_t extra)
{
    enum { KEYS = 700 };
    struct rng r;
    struct acl_key keys[KEYS];
    struct acl_hit want[KEYS];
    struct acl *a = acl_build(rules, n);
    cr_assert(a);
    prop_seed(&r, name);
    for (size_t i = 0; i < KEYS; i++) {
        const struct acl_rule *x = &rules[rng_below(&r, n)];
        bool in = rng_below(&r, 2);
        keys[i] =
            (struct acl_key){in ? in_prefixes(&r, x->src, x->n_src) : near(&r, x->src, x->n_src),
                             in ? in_prefixes(&r, x->dst, x->n_dst) : near(&r, x->dst, x->n_dst),
                             in ? in_ranges(&r, x->sport, x->n_sport) : near_port(&r, x->sport, x->n_sport),
                             in ? in_ranges(&r, x->dport, x->n_dport) : near_port(&r, x->dport, x->n_dport),
                             x->proto ? x->proto : (uint8_t)(rng_below(&r, 8) ? TCP : ICMP)};
    }
    size_t hits = compare_all(a, rules, n, keys, KEYS, want);
    cr_assert_gt(hits, KEYS / 4, "%s: %zu hits", name, hits);
    cr_assert_lt(acl_bytes(a), 65536 + n * PER_RULE + extra, "%s: %zu bytes", name, acl_bytes(a));
    acl_free(a);
}

/* 33 prefixes around one address each way, the innermost first; with and without ports. */
Test(acl, hard_nested_prefixes)
{
    enum { N = 33 * 33 };
    static struct acl_rule rules[N];
    static struct prefix4 src[N], dst[N];
    static struct acl_range port[N];
    for (uint32_t i = 0; i < N; i++) {
        uint8_t x = (uint8_t)(32 - i / 33), y = (uint8_t)(32 - i % 33);
        src[i] = (struct prefix4){IP4(10, 11, 12, 13) & ip4_mask(x), x};
        dst[i] = (struct prefix4){IP4(192, 168, 1, 1) & ip4_mask(y), y};
        port[i] = (struct acl_range){(uint16_t)i, (uint16_t)(i + 3000)};
        rules[i] = (struct acl_rule){.src = &src[i], .n_src = 1, .dst = &dst[i], .n_dst = 1, .id = i};
    }
    hard("nested prefixes", rules, N, 0);
    for (uint32_t i = 0; i < N; i++) {
        rules[i].dport = &port[i];
        rules[i].n_dport = 1;
    }
    hard("nested prefixes, ports", rules, N, 0);
}

/* Port ranges that all overlap: one in another, sliding, at random in both dimensions. */
Test(acl, hard_port_ranges)
{
    enum { N = 4000 };
    static struct acl_rule rules[N];
    static struct acl_range a[N], b[N];
    struct rng r;
    prop_seed(&r, "acl ports");
    for (uint32_t i = 0; i < N; i++) {
        a[i] = (struct acl_range){(uint16_t)(32000 - i * 3), (uint16_t)(32000 + i * 5)};
        rules[i] = (struct acl_rule){.dport = &a[i], .n_dport = 1, .id = i};
    }
    hard("nested ports", rules, N, 0);
    for (uint32_t i = 0; i < N; i++)
        a[i] = (struct acl_range){(uint16_t)(i * 8), (uint16_t)(i * 8 + 32000)};
    hard("sliding ports", rules, N, 0);
    for (uint32_t i = 0; i < N; i++) {
        a[i] = draw_range(&r);
        b[i] = draw_range(&r);
        if (a[i].first > a[i].last || b[i].first > b[i].last)
            a[i] = b[i] = (struct acl_range){7, 7};
        rules[i].sport = &b[i];
        rules[i].n_sport = 1;
        rules[i].proto = i % 3 == 0 ? TCP : i % 3 == 1 ? UDP : 0;
    }
    hard("random ports", rules, N, 0);
}

/* No dimension tells much: an eighth of everything and more. */
Test(acl, hard_wide_rules)
{
    enum { N = 1000 };
    static struct acl_rule rules[N];
    static struct prefix4 p[2 * N];
    static struct acl_range port[2 * N];
    struct rng r;
    prop_seed(&r, "acl wide");
    for (uint32_t i = 0; i < 2 * N; i++) {
        uint8_t len = (uint8_t)rng_below(&r, 8);
        uint16_t last = (uint16_t)rng_u64(&r);
        p[i] = (struct prefix4){(uint32_t)rng_u64(&r) & ip4_mask(len), len};
        port[i] = (struct acl_range){last / 2, last};
    }
    for (uint32_t i = 0; i < N; i++)
        rules[i] = (struct acl_rule){.src = &p[2 * i],
                                     .n_src = 1,
                                     .dst = &p[2 * i + 1],
                                     .n_dst = 1,
                                     .sport = &port[2 * i],
                                     .n_sport = 1,
                                     .dport = &port[2 * i + 1],
                                     .n_dport = 1,
                                     .id = i};
    hard("wide", rules, N, 0);
    for (uint32_t i = 0; i < N; i++)
        rules[i] = (struct acl_rule){.proto = (uint8_t)(i % 200 + 1), .id = i};
    hard("protocols", rules, N, 0);
    for (uint32_t i = 0; i < N; i++)
        rules[i] = (struct acl_rule){.proto = i + 1 < N ? UDP : 0, .allow = true, .id = i};
    hard("wild", rules, N, 0);
}

/* Long prefix lists on either side and on both, with one port for all or one each. */
Test(acl, hard_tags)
{
    enum { TAGS = 12, TAG = 900, N = 120 };
    static struct acl_rule rules[N];
    static struct prefix4 p[TAGS][TAG];
    static struct acl_range port[N];
    struct rng r;
    prop_seed(&r, "acl tags");
    for (size_t t = 0; t < TAGS; t++)
        for (size_t i = 0; i < TAG; i++) {
            uint8_t len = (uint8_t)(18 + rng_below(&r, 15));
            p[t][i] = (struct prefix4){(uint32_t)rng_u64(&r) & ip4_mask(len), len};
        }
    for (unsigned how = 0; how < 6; how++) {
        for (uint32_t i = 0; i < N; i++) {
            port[i] = (struct acl_range){443, 443};
            if (how & 1)
                port[i] = (struct acl_range){(uint16_t)(i * 10), (uint16_t)(i * 10 + 15)};
            rules[i] = (struct acl_rule){.dport = &port[i], .n_dport = 1, .proto = i % 7 ? TCP : 0, .id = i};
            if (how >= 2) {
                rules[i].dst = p[i % TAGS];
                rules[i].n_dst = TAG;
            }
            if (how < 2 || how >= 4) {
                rules[i].src = p[i / 10 % TAGS];
                rules[i].n_src = TAG - i % 3;
            }
        }
        hard("tags", rules, N, 3 * TAGS * TAG * 2 * 24);
    }
}

/* -- shapes of the index --------------------------------------------------------------------------------- */

/* Hosts with gaps, so many that the pieces just fill, or just do not fill, one to four levels of lines. */
Test(acl, index_levels)
{
    static const uint32_t sizes[] = {7, 8, 9, 135, 136, 137, 2311, 2312, 2313, 39303, 39304, 39305};
    const size_t most = 39305;
    struct prefix4 *p = calloc(most, sizeof *p);
    struct acl_rule *rules = calloc(most, sizeof *rules);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint32_t n = sizes[k];
        for (uint32_t i = 0; i < n; i++) {
            p[i] = (struct prefix4){IP4(10, 0, 0, 1) + 2 * i, 32};
            rules[i] = (struct acl_rule){.dst = &p[i], .n_dst = 1, .id = i + 1};
        }
        struct acl *a = acl_build(rules, n);
        cr_assert(a);
        for (unsigned v = 0; v < ACL_VARIANTS; v++)
            for (uint32_t i = 0; acl_use(a, (enum acl_variant)v) && i <= 2 * n; i++) {
                struct acl_key key = {i, IP4(10, 0, 0, 0) + i, 0, 0, ICMP};
                struct acl_hit hit = acl_classify(a, &key), bulk;
                acl_classify_bulk(a, &key, &bulk, 1);
                cr_assert_eq(hit.id, i & 1 ? i / 2 + 1 : 0, "%s, %u hosts, %u: %u", acl_how(a), n, i, hit.id);
                assert_same(bulk, hit, a, i);
            }
        cr_assert_not(acl_classify(a, &(struct acl_key){.dst = UINT32_MAX}).hit);
        cr_assert_not(acl_classify(a, &(struct acl_key){.dst = 0}).hit);
        acl_free(a);
    }
    free(p);
    free(rules);
}

/* The same borders as one rule's list, which is looked up in a set; and the list's complement in /0. */
Test(acl, set_levels)
{
    static const uint32_t sizes[] = {9, 135, 136, 137, 2311, 2312, 2313, 39304};
    struct prefix4 *p = calloc(39304, sizeof *p);
    for (size_t k = 0; k < 2 * sizeof sizes / sizeof *sizes; k++) {
        uint32_t n = sizes[k / 2], base = k & 1 ? 0 : IP4(10, 0, 0, 1);
        for (uint32_t i = 0; i < n; i++)
            p[i] = (struct prefix4){base + 2 * i, 32};
        const struct acl_rule rule = {.src = p, .n_src = n, .dst = p, .n_dst = n, .id = 5, .allow = true};
        struct acl *a = acl_build(&rule, 1);
        cr_assert(a);
        for (unsigned v = 0; v < ACL_VARIANTS; v++)
            for (uint32_t i = 0; acl_use(a, (enum acl_variant)v) && i < 2 * n + 1; i++) {
                struct acl_key key = {base + i, base, 0, 0, ICMP};
                bool want = !(i & 1) && i < 2 * n;
                cr_assert_eq(acl_classify(a, &key).hit, want, "%s, %u hosts, %u", acl_how(a), n, i);
                key = (struct acl_key){base + 2 * n - 2, base + i, 0, 0, ICMP};
                cr_assert_eq(acl_classify(a, &key).hit, want, "%s, %u hosts, %u", acl_how(a), n, i);
            }
        cr_assert_not(acl_classify(a, &(struct acl_key){.src = base, .dst = UINT32_MAX}).hit);
        acl_free(a);
    }
    free(p);
}

/* Every size of a batch around the blocks' gives each key its own answer and writes nothing else. */
Test(acl, batch_sizes)
{
    enum { MOST = 3 * ACL_BLOCK + 2 };
    struct prefix4 p[40];
    struct acl_rule rules[40];
    struct acl_key keys[MOST];
    struct acl_hit hits[MOST + 1];
    for (uint32_t i = 0; i < 40; i++) {
        p[i] = (struct prefix4){IP4(10, 0, 0, 0) + 3 * i, 32};
        rules[i] = (struct acl_rule){.src = &p[i], .n_src = 1, .id = 100 + i};
    }
    for (uint32_t i = 0; i < MOST; i++)
        keys[i] = (struct acl_key){.src = IP4(10, 0, 0, 0) + i * 7 % 120, .proto = TCP};
    struct acl *a = acl_build(rules, 40);
    for (unsigned v = 0; v < ACL_VARIANTS; v++)
        for (size_t n = 0; acl_use(a, (enum acl_variant)v) && n <= MOST; n++) {
            memset(hits, 0xee, sizeof hits);
            acl_classify_bulk(a, keys, hits, n);
            for (uint32_t i = 0; i < n; i++) {
                cr_assert_eq(hits[i].hit, i * 7 % 120 % 3 == 0);
                cr_assert_eq(hits[i].id, i * 7 % 120 % 3 ? 0 : 100 + i * 7 % 120 / 3);
            }
            cr_assert_eq(hits[n].id, 0xeeeeeeee);
        }
    acl_free(a);
}

/* Rules between subnets and hosts, as security groups have them, are small. */
Test(acl, bytes_a_rule)
{
    enum { N = 1000 };
    static struct acl_rule rules[N];
    static struct prefix4 p[2 * N];
    static struct acl_range port[N];
    struct rng r;
    prop_seed(&r, "acl bytes");
    for (uint32_t i = 0; i < 2 * N; i++) {
        uint8_t len = (uint8_t)(rng_below(&r, 2) ? 32 : 20 + rng_below(&r, 9));
        p[i] = (struct prefix4){(IP4(10, 0, 0, 0) | (uint32_t)rng_below(&r, 1 << 20)) & ip4_mask(len), len};
    }
    for (uint32_t i = 0; i < N; i++) {
        port[i].first = port[i].last = (uint16_t)rng_below(&r, 1024);
        rules[i] = (struct acl_rule){.src = &p[2 * i],
                                     .n_src = 1,
                                     .dst = &p[2 * i + 1],
                                     .n_dst = 1,
                                     .dport = &port[i],
                                     .n_dport = 1,
                                     .proto = i % 3 ? TCP : UDP,
                                     .id = i};
    }
    rules[N - 1] = (struct acl_rule){.id = N - 1};
    hard("security group", rules, N, 0);
    struct acl *a = acl_build(rules, N);
    cr_assert_lt(acl_bytes(a), 100 * N, "%zu bytes", acl_bytes(a));
    acl_free(a);
}

Test(acl, variants)
{
    struct acl *a = acl_build(NULL, 0);
    cr_assert_eq(a->variant, acl_best());
    cr_assert(acl_use(a, ACL_PORTABLE));
    cr_assert_str_eq(acl_how(a), "portable");
    for (unsigned v = 0; v < ACL_VARIANTS; v++)
        cr_assert_eq(acl_use(a, (enum acl_variant)v), v <= acl_best());
    acl_free(a);
}

/* -- memory ---------------------------------------------------------------------------------------------- */

Test(acl, the_lists_are_borrowed_while_building_only)
{
    struct prefix4 src[] = {{IP4(10, 0, 0, 0), 8}};
    struct acl_range dport[] = {{80, 80}};
    struct acl_rule rule = {.src = src, .n_src = 1, .dport = dport, .n_dport = 1, .id = 9, .allow = true};
    struct acl *a = acl_build(&rule, 1);
    memset(src, 0xff, sizeof src);
    memset(dport, 0xff, sizeof dport);
    memset(&rule, 0xff, sizeof rule);
    struct acl_hit h = acl_classify(a, &(struct acl_key){IP4(10, 1, 1, 1), 0, 0, 80, TCP});
    cr_assert(h.hit && h.allow);
    cr_assert_eq(h.id, 9);
    acl_free(a);
}

Test(acl, failing_allocation)
{
    struct rng r;
    struct world *w = calloc(1, sizeof *w);
    prop_seed(&r, "acl failing");
    w->n = 70;
    for (size_t i = 0; i < w->n; i++)
        draw_rule(&r, w, i);
    size_t k = 0;
    for (;; k++) {
        mem_fail_after(k);
        struct acl *a = acl_build(w->rules, w->n);
        mem_fail_after(MEM_NEVER_FAIL);
        if (a) {
            cr_assert_eq(mem_live_bytes(), acl_bytes(a));
            acl_free(a);
            break;
        }
        cr_assert_eq(mem_live_blocks(), 0, "allocation %zu", k);
    }
    cr_assert_gt(k, 30);
    for (k = 0; k < 2; k++) {
        mem_fail_after(k);
        cr_assert_null(acl_ref_build(w->rules, w->n));
    }
    free(w);
}
