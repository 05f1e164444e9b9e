/* bench_tables.c - the forwarding core's tables beside their references and uthash, one thread, one run.
 *
 * Prints millions of operations a second (medians of five interleaved rounds) and ratios. All keys and
 * tables come from a fixed seed. "batch" and "single" are the table's two lookups; "trie" and "linear" the
 * references; "uthash" the usual chained table with its default hash. */
#include "bench/bench.h"
#include "dataplane/acl_ref.h"
#include "dataplane/addr.h"
#include "dataplane/event.h"
#include "dataplane/exact.h"
#include "dataplane/flowtab.h"
#include "dataplane/lpm_ref.h"
#include "dataplane/rng.h"

#include <math.h>
#include <uthash.h>

#define LOOKUPS ((size_t)1 << 18)

static void check(int err, const char *what)
{
    if (err) {
        fprintf(stderr, "bench: %s: %s\n", what, strerror(-err));
        exit(1);
    }
}

/* -- exact match ----------------------------------------------------------------------------------------- */

struct exact_item {
    uint64_t key;
    uint32_t value;
    UT_hash_handle hh;
};

struct exact_bench {
    struct exact *table;
    struct exact_item *items, *hash;
    uint32_t *realm, *addr, *want, *out;
};

static void exact_batch(void *ctx, void *out)
{
    struct exact_bench *b = ctx;
    exact_get_bulk(b->table, b->realm, b->addr, out, LOOKUPS);
}

static void exact_single(void *ctx, void *out)
{
    struct exact_bench *b = ctx;
    uint32_t *value = out;
    for (size_t i = 0; i < LOOKUPS; i++)
        value[i] = exact_get(b->table, b->realm[i], b->addr[i]);
}

static void exact_uthash(void *ctx, void *out)
{
    struct exact_bench *b = ctx;
    uint32_t *value = out;
    for (size_t i = 0; i < LOOKUPS; i++) {
        uint64_t key = (uint64_t)b->realm[i] << 32 | b->addr[i];
        struct exact_item *it;
        HASH_FIND(hh, b->hash, &key, sizeof key, it);
        value[i] = it ? it->value : EXACT_MISS;
    }
}

/* Entry i: one of 64 networks, an address in 10.0.0.0/8; index n and beyond are not in the table. */
static uint64_t exact_key(uint32_t i)
{
    return (uint64_t)(i & 63) << 32 | (IP4(10, 0, 0, 0) + (i >> 6) * 3);
}

static void exact_stream(struct exact_bench *b, uint32_t n, bool half_miss)
{
    struct rng r;
    rng_seed(&r, 1, half_miss ? "exact half" : "exact hits");
    for (size_t i = 0; i < LOOKUPS; i++) {
        uint32_t k = (uint32_t)rng_below(&r, half_miss ? 2 * (uint64_t)n : n);
        b->realm[i] = (uint32_t)(exact_key(k) >> 32);
        b->addr[i] = (uint32_t)exact_key(k);
        b->want[i] = k < n ? k : EXACT_MISS;
    }
}

static void exact_rows(uint32_t n)
{
    struct exact_bench b = {.table = exact_new(n)};
    b.items = bench_array(n, sizeof *b.items);
    b.realm = bench_array(LOOKUPS, 4);
    b.addr = bench_array(LOOKUPS, 4);
    b.want = bench_array(LOOKUPS, 4);
    b.out = bench_array(LOOKUPS, 4);
    for (uint32_t i = 0; i < n; i++) {
        b.items[i].key = exact_key(i);
        b.items[i].value = i;
        HASH_ADD(hh, b.hash, key, sizeof b.items[i].key, &b.items[i]);
        check(exact_set(b.table, (uint32_t)(exact_key(i) >> 32), (uint32_t)exact_key(i), i), "exact_set");
    }
    for (int half = 0; half < 2; half++) {
        char label[64];
        snprintf(label, sizeof label, "exact, %u entries, %s", n, half ? "half misses" : "hits");
        exact_stream(&b, n, half);
        bench_row(&(struct bench_row){
            .label = label,
            .run = {{"batch", exact_batch}, {"single", exact_single}, {"uthash", exact_uthash}},
            .ctx = &b, .out = b.out, .want = b.want, .out_size = LOOKUPS * 4, .work = LOOKUPS});
    }
    printf("%-38s  %.1f bytes an entry\n", "", (double)exact_bytes(b.table) / n);
    HASH_CLEAR(hh, b.hash);
    exact_free(b.table);
    free(b.items);
    free(b.realm);
    free(b.addr);
    free(b.want);
    free(b.out);
}

/* -- flow table ------------------------------------------------------------------------------------------ */

struct flow_item {
    struct flow_key key;
    uint64_t value;
    UT_hash_handle hh;
};

struct flow_bench {
    struct flowtab *table;
    struct flow_item *items, *hash;
    struct flow_key *keys;
    uint64_t *want, *out;
    uint32_t n;
};

static void flow_batch(void *ctx, void *out)
{
    struct flow_bench *b = ctx;
    flowtab_get_bulk(b->table, b->keys, out, LOOKUPS);
}

static void flow_single(void *ctx, void *out)
{
    struct flow_bench *b = ctx;
    uint64_t *value = out;
    for (size_t i = 0; i < LOOKUPS; i++)
        value[i] = flowtab_get(b->table, b->keys[i]);
}

static void flow_uthash(void *ctx, void *out)
{
    struct flow_bench *b = ctx;
    uint64_t *value = out;
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct flow_item *it;
        HASH_FIND(hh, b->hash, &b->keys[i], sizeof b->keys[i], it);
        value[i] = it ? it->value : FLOW_MISS;
    }
}

/* Remove a flow and add it again, for flows all over the table; the answers are the flows, plus one on
 * error. */
static void flow_churn(void *ctx, void *out)
{
    struct flow_bench *b = ctx;
    uint64_t *value = out;
    for (size_t i = 0; i < LOOKUPS; i++) {
        int err = flowtab_del(b->table, b->keys[i]) | flowtab_set(b->table, b->keys[i], b->want[i]);
        value[i] = b->want[i] + (uint64_t)(err != 0);
    }
}

static void flow_churn_uthash(void *ctx, void *out)
{
    struct flow_bench *b = ctx;
    uint64_t *value = out;
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct flow_item *it;
        HASH_FIND(hh, b->hash, &b->keys[i], sizeof b->keys[i], it);
        HASH_DEL(b->hash, it);
        HASH_ADD(hh, b->hash, key, sizeof it->key, it);
        value[i] = it->value;
    }
}

static struct flow_key flow_nth(uint32_t i)
{
    return flow_key_make(i & 255, 0, 6, IP4(10, 0, 0, 4) + (i >> 8), IP4(10, 200, 0, 4),
                         (uint16_t)(49152 + i % 16384), 443);
}

static void flow_stream(struct flow_bench *b, bool half_miss)
{
    struct rng r;
    rng_seed(&r, 1, half_miss ? "flow half" : "flow hits");
    for (size_t i = 0; i < LOOKUPS; i++) {
        uint32_t k = (uint32_t)rng_below(&r, half_miss ? 2 * (uint64_t)b->n : b->n);
        b->keys[i] = flow_nth(k);
        b->want[i] = k < b->n ? k : FLOW_MISS;
    }
}

static void flow_row(struct flow_bench *b, const char *what, const struct bench_run *run, size_t n_run)
{
    char label[64];
    struct bench_row row = {
        .ctx = b, .out = b->out, .want = b->want, .out_size = LOOKUPS * 8, .work = LOOKUPS};
    snprintf(label, sizeof label, "flows, %u, %s", b->n, what);
    row.label = label;
    memcpy(row.run, run, n_run * sizeof *run);
    bench_row(&row);
}

static void flow_rows(uint32_t n)
{
    static const struct bench_run get[] = {
        {"batch", flow_batch}, {"single", flow_single}, {"uthash", flow_uthash}};
    static const struct bench_run churn[] = {{"single", flow_churn}, {"uthash", flow_churn_uthash}};
    struct flow_bench b = {.table = flowtab_new(n), .n = n};
    b.items = bench_array(n, sizeof *b.items);
    b.keys = bench_array(LOOKUPS, sizeof *b.keys);
    b.want = bench_array(LOOKUPS, 8);
    b.out = bench_array(LOOKUPS, 8);
    for (uint32_t i = 0; i < n; i++) {
        b.items[i].key = flow_nth(i);
        b.items[i].value = i;
        HASH_ADD(hh, b.hash, key, sizeof b.items[i].key, &b.items[i]);
        check(flowtab_set(b.table, flow_nth(i), i), "flowtab_set");
    }
    flow_stream(&b, true);
    flow_row(&b, "half misses", get, 3);
    flow_stream(&b, false);
    flow_row(&b, "hits", get, 3);
    flow_row(&b, "remove and add", churn, 2);
    printf("%-38s  %.1f bytes a flow\n", "", (double)flowtab_bytes(b.table) / n);
    HASH_CLEAR(hh, b.hash);
    flowtab_free(b.table);
    free(b.items);
    free(b.keys);
    free(b.want);
    free(b.out);
}

/* -- longest-prefix match -------------------------------------------------------------------------------- */

struct lpm_bench {
    struct lpm *table;
    struct lpm_ref *trie;
    struct lpm_route *routes;
    size_t n;
    uint32_t *addr, *want, *out;
};

static void lpm_batch(void *ctx, void *out)
{
    struct lpm_bench *b = ctx;
    lpm_lookup_bulk(b->table, b->addr, out, LOOKUPS);
}

static void lpm_single(void *ctx, void *out)
{
    struct lpm_bench *b = ctx;
    uint32_t *hop = out;
    for (size_t i = 0; i < LOOKUPS; i++)
        hop[i] = lpm_lookup(b->table, b->addr[i]);
}

static void lpm_trie(void *ctx, void *out)
{
    struct lpm_bench *b = ctx;
    lpm_ref_lookup_bulk(b->trie, b->addr, out, LOOKUPS);
}

static void route(struct lpm_bench *b, uint32_t addr, unsigned len)
{
    b->routes[b->n] = (struct lpm_route){
        .addr = addr & ip4_mask(len), .len = (uint8_t)len, .nexthop = (uint32_t)(b->n % 100)};
    b->n++;
}

/* The shape of a network's table: the address space of peered networks, user routes in and around it, the
 * published prefixes of service endpoints, and private endpoints as /32; scaled to about n routes. */
static void cloud_routes(struct lpm_bench *b, size_t n)
{
    struct rng r;
    rng_seed(&r, 1, "cloud");
    b->routes = bench_array(n, sizeof *b->routes);
    route(b, 0, 0);
    route(b, IP4(10, 0, 0, 0), 8);
    route(b, IP4(172, 16, 0, 0), 12);
    route(b, IP4(192, 168, 0, 0), 16);
    route(b, IP4(100, 64, 0, 0), 10);
    while (b->n < n) {
        uint64_t kind = rng_below(&r, 34);
        uint32_t any = (uint32_t)rng_u64(&r), private = IP4(10, 0, 0, 0) | (any & 0x3fffff);
        if (kind < 4)
            route(b, private, 16 + (unsigned)rng_below(&r, 13));
        else if (kind < 24)
            route(b, (any & 0x1fffffff) | IP4(20, 0, 0, 0), 14 + (unsigned)rng_below(&r, 17));
        else
            route(b, private, 32);
    }
}

/* The shape of a full Internet table: mostly /24, then /22, /23, /20 and shorter. */
static void internet_routes(struct lpm_bench *b, size_t n)
{
    static const uint8_t lens[] = {24, 24, 24, 24, 24, 24, 23, 22, 22, 21, 20, 19, 18, 16};
    struct rng r;
    rng_seed(&r, 1, "internet");
    b->routes = bench_array(n, sizeof *b->routes);
    while (b->n < n)
        route(b, (uint32_t)rng_below(&r, (uint64_t)224 << 24), lens[rng_below(&r, sizeof lens)]);
}

enum stream { UNIFORM, IN_PREFIX, ZIPF };

static uint32_t inside(const struct lpm_bench *b, struct rng *r, uint64_t i)
{
    return b->routes[i].addr | ((uint32_t)rng_u64(r) & ~ip4_mask(b->routes[i].len));
}

/* Zipf: 10,000 hot addresses inside the prefixes, the k-th about 1/k as often as the first. */
static void lpm_stream(struct lpm_bench *b, enum stream s)
{
    enum { HOT = 10000 };
    uint32_t *hot = bench_array(HOT, sizeof *hot);
    struct rng r;
    rng_seed(&r, 1, "lpm stream");
    for (size_t i = 0; i < HOT; i++)
        hot[i] = inside(b, &r, rng_below(&r, b->n));
    for (size_t i = 0; i < LOOKUPS; i++)
        b->addr[i] = s == UNIFORM     ? (uint32_t)rng_u64(&r)
                     : s == IN_PREFIX ? inside(b, &r, rng_below(&r, b->n))
                                      : hot[(size_t)exp(rng_unit(&r) * log(HOT)) - 1];
    lpm_ref_lookup_bulk(b->trie, b->addr, b->want, LOOKUPS);
    free(hot);
}

/* Remove and add every route of a sample, in place. => pairs a second. */
static double lpm_update_rate(struct lpm_bench *b)
{
    struct rng r;
    size_t pairs = 20000;
    rng_seed(&r, 1, "lpm updates");
    double start = bench_now();
    for (size_t i = 0; i < pairs; i++) {
        struct lpm_route x = b->routes[rng_below(&r, b->n - 5) + 5];
        if (lpm_del(b->table, x.addr, x.len) == 0)
            check(lpm_add(b->table, x.addr, x.len, x.nexthop), "lpm_add");
    }
    return (double)pairs / (bench_now() - start);
}

static void lpm_rows(const char *name, size_t n, void (*shape)(struct lpm_bench *b, size_t n))
{
    static const char *const streams[] = {"uniform", "in prefix", "Zipf"};
    struct lpm_bench b = {.n = 0};
    b.addr = bench_array(LOOKUPS, 4);
    b.want = bench_array(LOOKUPS, 4);
    b.out = bench_array(LOOKUPS, 4);
    shape(&b, n);
    double start = bench_now();
    check(lpm_build(&b.table, b.routes, b.n), "lpm_build");
    double built = bench_now() - start;
    check(lpm_ref_build(&b.trie, b.routes, b.n), "lpm_ref_build");
    for (int s = UNIFORM; s <= ZIPF; s++) {
        char label[64];
        snprintf(label, sizeof label, "lpm, %s %zu, %s", name, n, streams[s]);
        lpm_stream(&b, (enum stream)s);
        bench_row(&(struct bench_row){
            .label = label,
            .run = {{"batch", lpm_batch}, {"single", lpm_single}, {"trie", lpm_trie}},
            .ctx = &b, .out = b.out, .want = b.want, .out_size = LOOKUPS * 4, .work = LOOKUPS});
    }
    printf("%-38s  %.2f MiB, trie %.2f MiB; built in %.1f ms, %.0f k remove-and-add pairs a second\n", "",
           (double)lpm_bytes(b.table) / (1 << 20), (double)lpm_ref_bytes(b.trie) / (1 << 20), built * 1e3,
           lpm_update_rate(&b) / 1e3);
    lpm_free(b.table);
    lpm_ref_free(b.trie);
    free(b.routes);
    free(b.addr);
    free(b.want);
    free(b.out);
}

/* -- classifier ------------------------------------------------------------------------------------------ */

#define ACL_LOOKUPS ((size_t)1 << 14)
#define ACL_TAGS    20
#define ACL_TAG     2000 /* prefixes a tag */

struct acl_bench {
    struct acl *table;
    struct acl_ref *linear;
    struct prefix4 *prefixes;
    struct acl_range *ports;
    struct acl_rule *rules;
    size_t n;
    struct acl_key *keys;
    struct acl_hit *want, *out;
};

static void acl_batch(void *ctx, void *out)
{
    struct acl_bench *b = ctx;
    acl_classify_bulk(b->table, b->keys, out, ACL_LOOKUPS);
}

static void acl_single(void *ctx, void *out)
{
    struct acl_bench *b = ctx;
    struct acl_hit *hit = out;
    for (size_t i = 0; i < ACL_LOOKUPS; i++)
        hit[i] = acl_classify(b->table, &b->keys[i]);
}

static void acl_linear(void *ctx, void *out)
{
    struct acl_bench *b = ctx;
    acl_ref_classify_bulk(b->linear, b->keys, out, ACL_LOOKUPS);
}

/* Rules like those of a security group: subnets and hosts to subnets, some from a tag, few ports, all
 * denied last. */
static void acl_rules(struct acl_bench *b, bool tags)
{
    struct rng r;
    rng_seed(&r, 1, "acl rules");
    for (size_t i = 0; i < 2 * b->n; i++) {
        uint8_t len = (uint8_t)(rng_below(&r, 2) ? 32 : 20 + rng_below(&r, 9));
        b->prefixes[i] =
            (struct prefix4){(IP4(10, 0, 0, 0) | (ip4)rng_below(&r, 1 << 20)) & ip4_mask(len), len};
    }
    struct prefix4 *tag = b->prefixes + 2 * b->n;
    for (size_t i = 0; i < (size_t)ACL_TAGS * ACL_TAG; i++)
        tag[i] = (struct prefix4){(ip4)rng_below(&r, 1 << 22) << 10, (uint8_t)(22 + rng_below(&r, 2))};
    for (size_t i = 0; i < b->n; i++) {
        uint16_t port = (uint16_t)(rng_below(&r, 4) ? rng_below(&r, 1024) : rng_u64(&r) & 0x7fff);
        b->ports[i] = (struct acl_range){port, (uint16_t)(port + (rng_below(&r, 5) ? 0 : 100))};
        b->rules[i] = (struct acl_rule){
            .src = &b->prefixes[2 * i], .n_src = 1, .dst = &b->prefixes[2 * i + 1], .n_dst = 1,
            .dport = &b->ports[i], .n_dport = 1, .proto = i % 3 ? 6 : 17, .allow = i % 4, .id = (uint32_t)i};
        if (tags && rng_below(&r, 10) == 0) {
            b->rules[i].src = tag + rng_below(&r, ACL_TAGS) * ACL_TAG;
            b->rules[i].n_src = ACL_TAG;
        }
    }
    b->rules[b->n - 1] = (struct acl_rule){.id = (uint32_t)b->n - 1};
}

/* Nine in ten keys fit some rule, the others only the last. */
static void acl_stream(struct acl_bench *b)
{
    struct rng r;
    rng_seed(&r, 1, "acl keys");
    for (size_t i = 0; i < ACL_LOOKUPS; i++) {
        const struct acl_rule *x = &b->rules[rng_below(&r, b->n - 1)];
        struct prefix4 src = x->src[rng_below(&r, x->n_src)], dst = x->dst[0];
        b->keys[i] = (struct acl_key){.src = src.addr | ((ip4)rng_u64(&r) & ~ip4_mask(src.len)),
                                      .dst = dst.addr | ((ip4)rng_u64(&r) & ~ip4_mask(dst.len)),
                                      .sport = (uint16_t)rng_u64(&r),
                                      .dport = x->dport->first,
                                      .proto = x->proto};
        if (rng_below(&r, 10) == 0)
            b->keys[i].dport = 65535;
    }
    acl_ref_classify_bulk(b->linear, b->keys, b->want, ACL_LOOKUPS);
}

/* Field by field: hits have padding. */
static int acl_cmp(const void *out, const void *want, size_t size)
{
    const struct acl_hit *x = out, *y = want;
    for (size_t i = 0; i < size / sizeof *x; i++)
        if (x[i].id != y[i].id || x[i].allow != y[i].allow || x[i].hit != y[i].hit)
            return 1;
    return 0;
}

static void acl_row(size_t n, bool tags)
{
    char label[64];
    struct acl_bench b = {.n = n};
    b.prefixes = bench_array(2 * n + (size_t)ACL_TAGS * ACL_TAG, sizeof *b.prefixes);
    b.ports = bench_array(n, sizeof *b.ports);
    b.rules = bench_array(n, sizeof *b.rules);
    b.keys = bench_array(ACL_LOOKUPS, sizeof *b.keys);
    b.want = bench_array(ACL_LOOKUPS, sizeof *b.want);
    b.out = bench_array(ACL_LOOKUPS, sizeof *b.out);
    acl_rules(&b, tags);
    double start = bench_now();
    b.table = acl_build(b.rules, n);
    double built = bench_now() - start;
    b.linear = acl_ref_build(b.rules, n);
    check(b.table && b.linear ? 0 : -12, "acl_build");
    acl_stream(&b);
    snprintf(label, sizeof label, "acl, %zu rules%s", n, tags ? ", a tenth with a tag" : "");
    bench_row(&(struct bench_row){
        .label = label,
        .run = {{"batch", acl_batch}, {"single", acl_single}, {"linear", acl_linear}},
        .ctx = &b, .out = b.out, .want = b.want, .out_size = ACL_LOOKUPS * sizeof *b.out, .work = ACL_LOOKUPS,
        .cmp = acl_cmp});
    printf("%-38s  %.2f MiB; built in %.1f ms\n", "", (double)acl_bytes(b.table) / (1 << 20), built * 1e3);
    acl_free(b.table);
    acl_ref_free(b.linear);
    free(b.prefixes);
    free(b.ports);
    free(b.rules);
    free(b.keys);
    free(b.want);
    free(b.out);
}

/* -- event queue ----------------------------------------------------------------------------------------- */

struct event_bench {
    size_t pending;
    uint64_t *want, *out;
};

/* The hold model: pop one, push one a random while later. Answers: the sequence numbers in the order they
 * ran. */
static void event_hold(void *ctx, void *out)
{
    struct event_bench *b = ctx;
    uint64_t *seq = out;
    struct evq *q = evq_new();
    struct event e;
    struct rng r;
    rng_seed(&r, 1, "events");
    for (size_t i = 0; i < b->pending; i++)
        check(evq_push(q, (int64_t)rng_below(&r, 100000), 0, 0, 0, NULL), "evq_push");
    for (size_t i = 0; i < LOOKUPS; i++) {
        evq_pop(q, &e);
        seq[i] = e.seq;
        check(evq_push(q, e.at + (int64_t)rng_below(&r, 100000), 0, 0, 0, NULL), "evq_push");
    }
    evq_free(q);
}

static int64_t event_at(uint64_t packed)
{
    return (int64_t)(packed >> 32);
}

/* The reference: a binary heap of plain numbers, time in the high half and sequence in the low. */
static void event_binary(void *ctx, void *out)
{
    struct event_bench *b = ctx;
    uint64_t *seq = out, *heap = bench_array(b->pending + 2, 8), next = 0;
    size_t n = 0;
    struct rng r;
    rng_seed(&r, 1, "events");
    for (size_t i = 0; i < b->pending + LOOKUPS; i++) {
        int64_t now = 0;
        if (i >= b->pending) {
            uint64_t last = heap[n--], c = 2, at = 1;
            now = event_at(heap[1]);
            seq[i - b->pending] = (uint32_t)heap[1];
            for (; c <= n; at = c, c *= 2) {
                c += c < n && heap[c + 1] < heap[c];
                if (heap[c] >= last)
                    break;
                heap[at] = heap[c];
            }
            heap[at] = last;
        }
        uint64_t e = (uint64_t)(now + (int64_t)rng_below(&r, 100000)) << 32 | next++, at = ++n;
        for (; at > 1 && heap[at / 2] > e; at /= 2)
            heap[at] = heap[at / 2];
        heap[at] = e;
    }
    free(heap);
}

static void event_row(size_t pending)
{
    char label[64];
    struct event_bench b = {pending, bench_array(LOOKUPS, 8), bench_array(LOOKUPS, 8)};
    event_binary(&b, b.want);
    snprintf(label, sizeof label, "events, %zu pending, pop and push", pending);
    bench_row(&(struct bench_row){
        .label = label,
        .run = {{"queue", event_hold}, {"binary heap of numbers", event_binary}},
        .ctx = &b, .out = b.out, .want = b.want, .out_size = LOOKUPS * 8, .work = LOOKUPS});
    free(b.want);
    free(b.out);
}

int main(void)
{
    double start = bench_now();
    printf("millions of operations a second; medians of %d interleaved rounds; every answer checked\n",
           BENCH_ROUNDS);
    exact_rows(65536);
    exact_rows(1000000);
    flow_rows(65536);
    flow_rows(1000000);
    lpm_rows("cloud", 499, cloud_routes);
    lpm_rows("cloud", 3405, cloud_routes);
    lpm_rows("internet", 200000, internet_routes);
    acl_row(1000, false);
    acl_row(1000, true);
    acl_row(4000, false);
    event_row(100);
    event_row(10000);
    printf("%.1f s\n", bench_now() - start);
    return 0;
}
