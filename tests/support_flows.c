/* support_flows.c - see support_flows.h. */
#include "tests/support_flows.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct flows_ref *find(struct flows_ref *refs, struct flow_key key)
{
    struct flows_ref *r;
    HASH_FIND(hh, refs, &key, sizeof key, r);
    return r;
}

uint64_t flows_get(struct flows_ref *refs, struct flow_key key)
{
    struct flows_ref *r = find(refs, key);
    return r ? r->value : FLOW_MISS;
}

void flows_set(struct flows_ref **refs, struct flow_key key, uint64_t value)
{
    struct flows_ref *r = find(*refs, key);
    if (!r) {
        r = calloc(1, sizeof *r);
        r->key = key;
        HASH_ADD(hh, *refs, key, sizeof key, r);
    }
    r->value = value;
}

int flows_del(struct flows_ref **refs, struct flow_key key)
{
    struct flows_ref *r = find(*refs, key);
    if (!r)
        return -ENOENT;
    HASH_DEL(*refs, r);
    free(r);
    return 0;
}

void flows_clear(struct flows_ref **refs)
{
    struct flows_ref *r, *next;
    HASH_ITER (hh, *refs, r, next) {
        HASH_DEL(*refs, r);
        free(r);
    }
}

struct flow_key flows_flip(struct flow_key k, int bit)
{
    unsigned char *byte = (unsigned char *)&k + bit / 8;
    *byte ^= (unsigned char)(1u << bit % 8);
    return k;
}

void flows_churn(struct flowtab *t, struct flows_ref **refs, struct rng *r, flows_draw *draw, uint32_t span,
                 unsigned set_percent, int steps)
{
    for (int i = 0; i < steps; i++) {
        struct flow_key k = draw(r, span);
        uint64_t v = rng_below(r, FLOW_MISS);
        if (rng_below(r, 100) < set_percent) {
            cr_assert_eq(flowtab_set(t, k, v), 0);
            flows_set(refs, k, v);
        } else {
            cr_assert_eq(flowtab_del(t, k), flows_del(refs, k));
        }
        cr_assert_eq(flowtab_get(t, k), flows_get(*refs, k));
        cr_assert_eq(flowtab_count(t), HASH_COUNT(*refs));
    }
}

void flows_churn_batch(struct flowtab *t, struct flows_ref **refs, struct rng *r, flows_draw *draw,
                       uint32_t span, size_t most)
{
    static struct flow_key keys[FLOWS_BATCH];
    static uint64_t values[FLOWS_BATCH], got[FLOWS_BATCH];
    size_t n = rng_below(r, most), there = 0;
    for (size_t i = 0; i < n; i++) {
        keys[i] = draw(r, span);
        values[i] = rng_below(r, FLOW_MISS);
        flows_set(refs, keys[i], values[i]);
    }
    cr_assert_eq(flowtab_set_bulk(t, keys, values, n), n);
    flowtab_get_bulk(t, keys, got, n);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(got[i], flows_get(*refs, keys[i]));
    n = rng_below(r, FLOWS_BATCH);
    for (size_t i = 0; i < n; i++) {
        keys[i] = draw(r, span);
        there += flows_del(refs, keys[i]) == 0;
    }
    cr_assert_eq(flowtab_del_bulk(t, keys, n), there);
}

void flows_assert_same(struct flowtab *t, struct flows_ref *refs)
{
    size_t n = 0, cap = HASH_COUNT(refs) * 129;
    struct flow_key *keys = calloc(cap + 1, sizeof *keys);
    uint64_t *values = calloc(cap + 1, sizeof *values);
    for (struct flows_ref *r = refs; r; r = r->hh.next)
        for (int bit = 0; bit <= 128; bit++)
            keys[n++] = bit < 128 ? flows_flip(r->key, bit) : r->key;
    for (enum flowtab_variant v = FLOWTAB_PORTABLE; v < FLOWTAB_VARIANTS; v++) {
        if (!flowtab_use(t, v))
            continue;
        values[n] = 4711;
        flowtab_get_bulk(t, keys, values, n);
        for (size_t i = 0; i < n; i++) {
            uint64_t want = flows_get(refs, keys[i]);
            cr_assert_eq(flowtab_get(t, keys[i]), want);
            cr_assert_eq(values[i], want, "%s", flowtab_how(t));
        }
        cr_assert_eq(values[n], 4711);
    }
    flowtab_use(t, flowtab_best());
    free(keys);
    free(values);
}

void flows_assert_walk(const struct flowtab *t, struct flows_ref *refs)
{
    struct flow_key key;
    uint64_t value;
    size_t met = 0;
    for (struct flows_ref *r = refs; r; r = r->hh.next)
        r->met = false;
    for (size_t c = 0; (c = flowtab_next(t, c, &key, &value)); met++) {
        struct flows_ref *r = find(refs, key);
        cr_assert(r && !r->met);
        cr_assert_eq(value, r->value);
        r->met = true;
    }
    cr_assert_eq(met, HASH_COUNT(refs));
    cr_assert_eq(flowtab_count(t), met);
}
