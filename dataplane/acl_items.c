/* acl_items.c - the first step of compiling a classifier: rules to items.
 *
 * An item is what becomes a box: a range in each of five dimensions, and the rule. A rule with lists is every
 * combination of their ranges, if there are no more than COMBINATIONS; of a longer list, such as a service
 * tag's prefixes, only the hull goes into the box, and the list becomes a set that keys are checked with.
 * Ports are combined first, since indexes of ports are small and sets cost time.
 *
 * Lists are sorted and joined into ranges that do not touch; what is left are the fewest ranges. Rules with
 * equal lists share the ranges and the set, and an array met before is known by its address and is not read
 * again. Values (a range, or a list with its hull) are numbered for each dimension, so that further steps
 * compare numbers.
 *
 * A rule that can fit no key makes no item: an empty range alone, or some ports of a protocol without ports.
 */
#include "dataplane/acl_build.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <stdlib.h>

#define COMBINATIONS 8 /* of a rule's ranges that become items; longer lists are sets */

uint32_t acl_dim_max(unsigned dim)
{
    return dim <= ACL_DST ? UINT32_MAX : dim == ACL_PROTO ? ACL_PROTOS - 1 : UINT16_MAX;
}

const uint32_t *acl_value_ranges(const struct acl_build *b, unsigned dim, uint32_t value, size_t *n)
{
    const uint32_t *v = acl_pool_get(&b->values[dim], value, n);
    if (v[2] != ACL_NONE)
        return acl_pool_get(&b->lists, v[2], n);
    *n = 2;
    return v;
}

/* -- lists ----------------------------------------------------------------------------------------------- */

static int pair_cmp(const void *x, const void *y)
{
    const uint32_t *a = x, *b = y;
    return a[0] < b[0] ? -1 : a[0] > b[0];
}

/* Sort the pairs in v and join those that touch. */
static void join(struct acl_vec *v)
{
    size_t to = 0;
    if (v->n > 2)
        qsort(v->at, v->n / 2, 2 * sizeof *v->at, pair_cmp);
    for (size_t i = 0; i < v->n; i += 2) {
        uint32_t first = v->at[i], last = v->at[i + 1];
        if (to && (v->at[to - 1] == UINT32_MAX || first <= v->at[to - 1] + 1)) {
            v->at[to - 1] = last > v->at[to - 1] ? last : v->at[to - 1];
        } else {
            v->at[to++] = first;
            v->at[to++] = last;
        }
    }
    v->n = to;
}

/* Append the largest prefixes that make up a range. */
static int cut(struct acl_vec *out, uint32_t first, uint32_t last)
{
    for (;;) {
        uint32_t host = 0; /* bits below the prefix */
        while (host < UINT32_MAX && !(first & (host << 1 | 1)) && (host << 1 | 1) <= last - first)
            host = host << 1 | 1;
        if (acl_vec_push(out, first) || acl_vec_push(out, first + host))
            return -ENOMEM;
        if (first + host == last)
            return 0;
        first += host + 1;
    }
}

/* One of a rule's lists. */
struct source {
    const struct prefix4 *prefix;
    const struct acl_range *range;
    size_t n;
};

static struct source source_of(const struct acl_rule *r, unsigned dim)
{
    return dim == ACL_SRC     ? (struct source){r->src, NULL, r->n_src}
           : dim == ACL_DST   ? (struct source){r->dst, NULL, r->n_dst}
           : dim == ACL_SPORT ? (struct source){NULL, r->sport, r->n_sport}
                              : (struct source){NULL, r->dport, r->n_dport};
}

static int read_ranges(const struct source *s, struct acl_vec *out)
{
    out->n = 0;
    if (acl_vec_room(out, 2 * s->n + 2))
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++)
        if (s->prefix || s->range[i].first <= s->range[i].last) {
            out->at[out->n++] = s->prefix ? s->prefix[i].addr : s->range[i].first;
            out->at[out->n++] = s->prefix ? prefix4_last(s->prefix[i]) : s->range[i].last;
        }
    join(out);
    return 0;
}

/* => 0 and the list of more than one element, or -ENOMEM. An array met before is not read again. */
static int list_of(struct acl_build *b, const struct source *s, uint32_t *list)
{
    uint64_t at = s->prefix ? (uintptr_t)s->prefix : (uintptr_t)s->range;
    const uint32_t name[4] = {(uint32_t)at, (uint32_t)(at >> 32), (uint32_t)s->n,
                              (uint32_t)((uint64_t)s->n >> 32)};
    uint32_t array;
    if (acl_pool_put(&b->arrays, name, 4, &array))
        return -ENOMEM;
    if (array == b->array_list.n) {
        if (read_ranges(s, &b->scratch) || acl_pool_put(&b->lists, b->scratch.at, b->scratch.n, list) ||
            acl_vec_push(&b->array_list, *list))
            return -ENOMEM;
        if (*list == b->list_set.n && acl_vec_push(&b->list_set, 0))
            return -ENOMEM;
    }
    *list = b->array_list.at[array];
    return 0;
}

/* The index of a list that items check keys with. */
static int make_set(struct acl_build *b, unsigned dim, uint32_t list)
{
    size_t n;
    const uint32_t *r = acl_pool_get(&b->lists, list, &n);
    struct acl_vec last = {.n = 0};
    int err = b->list_set.at[list] ? 0 : acl_vec_room(&last, n + 1);
    if (!err && !b->list_set.at[list]) {
        for (size_t i = 0; i < n; i += 2) {
            if (r[i])
                last.at[last.n++] = r[i] - 1;
            last.at[last.n++] = r[i + 1];
        }
        if (last.at[last.n - 1] != UINT32_MAX)
            last.at[last.n++] = UINT32_MAX;
        err = acl_index_add(b, last.at, last.n, dim, &b->list_set.at[list]);
        if (!err)
            b->a->index[b->list_set.at[list]].flip = r[0] == 0;
    }
    acl_vec_free(&last);
    return err;
}

/* -- items ----------------------------------------------------------------------------------------------- */

/* What a rule leaves through in each dimension: pairs, or a list that is too long to be cut up. */
struct parts {
    struct acl_vec pair[ACL_DIMS];
    uint32_t list[ACL_DIMS];
    bool never;
};

/* All from the first to the last; for addresses, the prefix around them. */
static void hull(unsigned dim, const uint32_t *range, size_t n, uint32_t out[2])
{
    uint32_t differ = dim <= ACL_DST ? range[0] ^ range[n - 1] : 0;
    uint32_t host = differ ? UINT32_MAX >> __builtin_clz(differ) : 0;
    out[0] = range[0] & ~host;
    out[1] = range[n - 1] | host;
}

/* One dimension of a rule, given how many combinations there are of those before. */
static int read_part(struct acl_build *b, const struct acl_rule *r, unsigned dim, size_t *combinations,
                     struct parts *p)
{
    struct source s = source_of(r, dim);
    struct acl_vec *out = &p->pair[dim];
    size_t n = 2;
    const uint32_t *range;
    uint32_t one[2] = {0, acl_dim_max(dim)};
    out->n = 0;
    p->list[dim] = ACL_NONE;
    if (s.n > 1) {
        if (list_of(b, &s, &p->list[dim]))
            return -ENOMEM;
        range = acl_pool_get(&b->lists, p->list[dim], &n);
    } else if (s.n) {
        one[0] = s.prefix ? s.prefix->addr : s.range->first;
        one[1] = s.prefix ? prefix4_last(*s.prefix) : s.range->last;
        range = one;
    } else {
        range = one;
    }
    p->never |= !n || range[0] > range[1];
    for (size_t i = 0; i < n && out->n / 2 * *combinations <= COMBINATIONS; i += 2)
        if (dim <= ACL_DST ? cut(out, range[i], range[i + 1])
                           : acl_vec_push(out, range[i]) || acl_vec_push(out, range[i + 1]))
            return -ENOMEM;
    if (out->n / 2 * *combinations > COMBINATIONS) {
        out->n = 2;
        hull(dim, range, n, out->at);
        return make_set(b, dim, p->list[dim]);
    }
    *combinations *= out->n / 2;
    p->list[dim] = ACL_NONE;
    return 0;
}

/* Protocols in the order of the keys' lane: those with ports first. */
static int read_proto(const struct acl_rule *r, struct parts *p)
{
    bool all_ports = true;
    for (unsigned d = ACL_SPORT; d <= ACL_DPORT; d++)
        all_ports &= p->list[d] == ACL_NONE && p->pair[d].n == 2 && p->pair[d].at[0] == 0 &&
                     p->pair[d].at[1] == UINT16_MAX;
    uint32_t v = r->proto | (acl_has_ports(r->proto) ? 0 : ACL_PORTLESS);
    uint32_t first = r->proto ? v : 0, last = r->proto ? v : all_ports ? ACL_PROTOS - 1 : ACL_PORTLESS - 1;
    p->never |= r->proto && !all_ports && !acl_has_ports(r->proto);
    p->list[ACL_PROTO] = ACL_NONE;
    p->pair[ACL_PROTO].n = 0;
    return acl_vec_push(&p->pair[ACL_PROTO], first) || acl_vec_push(&p->pair[ACL_PROTO], last) ? -ENOMEM : 0;
}

static int add_item(struct acl_build *b, const struct parts *p, const size_t at[ACL_DIMS], uint32_t rule)
{
    if (b->n_items == b->cap_items) {
        size_t cap = b->cap_items * 2 + 16;
        struct acl_item *item = mem_resize(b->item, b->cap_items * sizeof *item, cap * sizeof *item);
        if (!item)
            return -ENOMEM;
        b->item = item;
        b->cap_items = cap;
    }
    struct acl_item *x = &b->item[b->n_items];
    *x = (struct acl_item){.rule = rule};
    for (unsigned d = 0; d < ACL_DIMS; d++) {
        const uint32_t *pair = p->pair[d].at + 2 * at[d], v[3] = {pair[0], pair[1], p->list[d]};
        if (acl_pool_put(&b->values[d], v, 3, &x->value[d]))
            return -ENOMEM;
        x->full |= (uint8_t)((v[2] == ACL_NONE && !v[0] && v[1] == acl_dim_max(d)) << d);
        x->check |= v[2] != ACL_NONE;
    }
    b->n_items++;
    return 0;
}

/* Every combination of the parts. */
static int add_items(struct acl_build *b, const struct parts *p, uint32_t rule)
{
    size_t at[ACL_DIMS] = {0};
    for (unsigned d = 0; d < ACL_DIMS;) {
        if (add_item(b, p, at, rule))
            return -ENOMEM;
        for (d = 0; d < ACL_DIMS && ++at[d] == p->pair[d].n / 2; d++)
            at[d] = 0;
    }
    return 0;
}

static int note_sets(struct acl_build *b, const struct parts *p, uint32_t rule)
{
    for (unsigned d = 0; d < ACL_LISTS; d++) {
        if (p->list[d] == ACL_NONE)
            continue;
        if (!b->a->set && !(b->a->set = mem_array(b->n, sizeof *b->a->set)))
            return -ENOMEM;
        b->a->set[rule][d] = b->list_set.at[p->list[d]];
    }
    return 0;
}

int acl_items_make(struct acl_build *b)
{
    static const uint8_t order[ACL_LISTS] = {ACL_DPORT, ACL_SPORT, ACL_DST, ACL_SRC};
    struct parts p = {.never = false};
    int err = 0;
    for (size_t i = 0; !err && i < b->n; i++) {
        size_t combinations = 1;
        p.never = false;
        for (unsigned k = 0; !err && !p.never && k < ACL_LISTS; k++)
            err = read_part(b, &b->rules[i], order[k], &combinations, &p);
        if (!err && !p.never)
            err = read_proto(&b->rules[i], &p);
        if (!err && !p.never)
            err = note_sets(b, &p, (uint32_t)i);
        if (!err && !p.never)
            err = add_items(b, &p, (uint32_t)i);
    }
    for (unsigned d = 0; d < ACL_DIMS; d++)
        acl_vec_free(&p.pair[d]);
    return err;
}
