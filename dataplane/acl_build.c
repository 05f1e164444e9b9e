/* acl_build.c - compiles a rule list for the classifier; what it compiles to is drawn in acl.c.
 *
 * A set of rules under construction is an array of `words` words. Finished sets go through rows_intern, which
 * stores each distinct one once and answers its class.
 *
 * Addresses: rules with equal prefix lists are brought together first, so that a tag used by hundreds of
 * rules is walked once. The prefixes of the distinct lists are sorted by address, then length; a prefix's
 * ancestors then come before it, and a stack of at most 33 holds those that are still open. The set of a
 * prefix is that of the one around it and the rules of the lists it is in.
 *
 * Ports: a sweep over the borders of all ranges counts for each rule how many of its ranges are open. Rules
 * that are in the set of every interval are those that leave no port out: the set for protocols without
 * ports.
 *
 * Order is by rule number and content throughout, never by pointer. Any failing allocation gives up the
 * whole build. */
#include "dataplane/acl.h"
#include "dataplane/acl_int.h"
#include "dataplane/hash.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORTS  65536u
#define DEPTH  34 /* 33 lengths of open prefixes, and the set of the rules without a list */
#define NOBODY UINT32_MAX

struct build {
    struct acl *a;
    const struct acl_rule *rules;
    size_t n, words;
    uint32_t *slots; /* hash table of classes, NOBODY: free */
    size_t n_slots;  /* power of two */
};

/* -- sets of rules --------------------------------------------------------------------------------------- */

static void set_add(uint64_t *set, size_t rule)
{
    set[rule / 64] |= (uint64_t)1 << rule % 64;
}

static void set_remove(uint64_t *set, size_t rule)
{
    set[rule / 64] &= ~((uint64_t)1 << rule % 64);
}

static uint64_t *row_set(const struct acl_rows *r, size_t class)
{
    return r->word + class * r->stride + r->summary;
}

static uint64_t set_hash(const uint64_t *set, size_t words)
{
    uint64_t h = words;
    for (size_t i = 0; i < words; i++)
        h = hash_u128(h, set[i]);
    return h;
}

/* => the slot of an equal row, or the free one where it belongs. */
static size_t slot_of(const struct build *b, const uint64_t *set)
{
    const struct acl_rows *r = &b->a->rows;
    size_t i = set_hash(set, b->words) & (b->n_slots - 1);
    while (b->slots[i] != NOBODY && memcmp(row_set(r, b->slots[i]), set, b->words * sizeof *set) != 0)
        i = (i + 1) & (b->n_slots - 1);
    return i;
}

/* Make room for one row more, in the rows and in the hash table (at most half full). */
static int rows_grow(struct build *b)
{
    struct acl_rows *r = &b->a->rows;
    size_t cap = r->cap ? r->cap * 2 : 16, row = r->stride * sizeof *r->word;
    uint64_t *word = mem_resize(r->word, r->cap * row, cap * row);
    if (!word)
        return -ENOMEM;
    r->word = word;
    r->cap = cap;
    uint32_t *slots = mem_array(cap * 2, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    mem_free(b->slots, b->n_slots * sizeof *slots);
    b->slots = slots;
    b->n_slots = cap * 2;
    memset(slots, 0xff, b->n_slots * sizeof *slots);
    for (size_t i = 0; i < r->n; i++)
        slots[slot_of(b, row_set(r, i))] = (uint32_t)i;
    return 0;
}

/* => 0 and the class of a set, or -ENOMEM. */
static int rows_intern(struct build *b, const uint64_t *set, uint32_t *class)
{
    struct acl_rows *r = &b->a->rows;
    if (r->n == r->cap && rows_grow(b))
        return -ENOMEM;
    size_t slot = slot_of(b, set);
    if (b->slots[slot] == NOBODY) {
        uint64_t *row = r->word + r->n * r->stride;
        memcpy(row + r->summary, set, b->words * sizeof *set);
        for (size_t i = 0; i < b->words; i++)
            row[i / 64] |= (uint64_t)(set[i] != 0) << i % 64;
        b->slots[slot] = (uint32_t)r->n++;
    }
    *class = b->slots[slot];
    return 0;
}

/* -- addresses ------------------------------------------------------------------------------------------- */

/* The prefix list of one rule; after sorting, equal lists are neighbours. */
struct list {
    const struct prefix4 *p;
    size_t n, rule;
};

/* One prefix of one distinct list. */
struct member {
    struct prefix4 p;
    uint32_t list;
};

struct addr_build {
    struct list *lists;
    size_t n_lists;    /* rules with a list */
    uint64_t *sets;    /* rules of each distinct list */
    size_t n_distinct;
    struct member *members;
    size_t n_members;
    uint64_t *stack;   /* DEPTH sets; the first: rules without a list */
    struct lpm_route *routes;
};

static int same_list_cmp(const struct list *x, const struct list *y)
{
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    if (x->p == y->p)
        return 0;
    for (size_t i = 0; i < x->n; i++) {
        int c = prefix4_cmp(&x->p[i], &y->p[i]);
        if (c)
            return c;
    }
    return 0;
}

static int list_cmp(const void *x, const void *y)
{
    const struct list *a = x, *b = y;
    int c = same_list_cmp(a, b);
    return c ? c : a->rule < b->rule ? -1 : a->rule > b->rule;
}

static int member_cmp(const void *x, const void *y)
{
    const struct member *a = x, *b = y;
    int c = prefix4_cmp(&a->p, &b->p);
    return c ? c : a->list < b->list ? -1 : a->list > b->list;
}

/* Sort the rules by list; those without one go into the bottom of the stack. */
static int gather_lists(const struct build *b, bool dst, struct addr_build *s)
{
    s->lists = mem_array(b->n, sizeof *s->lists);
    s->stack = mem_array(DEPTH * b->words, sizeof *s->stack);
    if (!s->lists || !s->stack)
        return -ENOMEM;
    for (size_t i = 0; i < b->n; i++) {
        const struct acl_rule *r = &b->rules[i];
        struct list l = {dst ? r->dst : r->src, dst ? r->n_dst : r->n_src, i};
        if (l.n)
            s->lists[s->n_lists++] = l;
        else
            set_add(s->stack, i);
    }
    qsort(s->lists, s->n_lists, sizeof *s->lists, list_cmp);
    return 0;
}

static bool starts_group(const struct addr_build *s, size_t i)
{
    return !i || same_list_cmp(&s->lists[i - 1], &s->lists[i]) != 0;
}

/* Number the distinct lists, note their rules, and sort their prefixes into one array. */
static int gather_members(const struct build *b, struct addr_build *s)
{
    size_t total = 0;
    for (size_t i = 0; i < s->n_lists; i++)
        if (starts_group(s, i)) {
            s->n_distinct++;
            total += s->lists[i].n;
        }
    s->sets = mem_array(s->n_distinct * b->words, sizeof *s->sets);
    s->members = mem_array(total, sizeof *s->members);
    s->n_members = total;
    s->routes = mem_array(total, sizeof *s->routes);
    if (!s->sets || !s->members || !s->routes)
        return -ENOMEM;
    size_t list = 0, at = 0;
    for (size_t i = 0; i < s->n_lists; i++) {
        if (starts_group(s, i)) {
            list++;
            for (size_t k = 0; k < s->lists[i].n; k++)
                s->members[at++] = (struct member){s->lists[i].p[k], (uint32_t)(list - 1)};
        }
        set_add(s->sets + (list - 1) * b->words, s->lists[i].rule);
    }
    qsort(s->members, total, sizeof *s->members, member_cmp);
    return 0;
}

/* => the class of every prefix, as routes for those that differ from what is around them. */
static int classify_members(struct build *b, struct addr_build *s, uint32_t *other, size_t *n_routes)
{
    struct prefix4 open[DEPTH];
    uint32_t class[DEPTH];
    size_t top = 0;
    *n_routes = 0;
    if (rows_intern(b, s->stack, other))
        return -ENOMEM;
    class[0] = *other;
    for (size_t i = 0; i < s->n_members;) {
        struct prefix4 p = s->members[i].p;
        while (top && !prefix4_covers(open[top], p))
            top--;
        uint64_t *set = s->stack + (top + 1) * b->words;
        memcpy(set, s->stack + top * b->words, b->words * sizeof *set);
        for (; i < s->n_members && prefix4_eq(s->members[i].p, p); i++)
            for (size_t w = 0; w < b->words; w++)
                set[w] |= s->sets[s->members[i].list * b->words + w];
        top++;
        open[top] = p;
        if (rows_intern(b, set, &class[top]))
            return -ENOMEM;
        if (class[top] != class[top - 1])
            s->routes[(*n_routes)++] =
                (struct lpm_route){.addr = p.addr, .len = p.len, .nexthop = class[top]};
    }
    return 0;
}

static int build_addrs(struct build *b, bool dst, struct acl_addrs *out)
{
    struct addr_build s = {.lists = NULL};
    size_t n_routes = 0;
    int err = gather_lists(b, dst, &s);
    if (!err)
        err = gather_members(b, &s);
    if (!err)
        err = classify_members(b, &s, &out->other, &n_routes);
    if (!err)
        err = lpm_build(&out->classes, s.routes, n_routes);
    mem_free(s.lists, b->n * sizeof *s.lists);
    mem_free(s.stack, DEPTH * b->words * sizeof *s.stack);
    mem_free(s.sets, s.n_distinct * b->words * sizeof *s.sets);
    mem_free(s.members, s.n_members * sizeof *s.members);
    mem_free(s.routes, s.n_members * sizeof *s.routes);
    return err;
}

/* -- ports ----------------------------------------------------------------------------------------------- */

/* A range of a rule opens before port `at`, or is over. */
struct border {
    uint32_t at, rule;
    int32_t delta;
};

struct port_build {
    struct border *borders;
    size_t n, cap;
    uint32_t *open; /* ranges by rule */
    uint64_t *set, *always;
};

static int border_cmp(const void *x, const void *y)
{
    const struct border *a = x, *b = y;
    return a->at < b->at ? -1 : a->at > b->at;
}

static int gather_borders(const struct build *b, bool dst, struct port_build *s)
{
    for (size_t i = 0; i < b->n; i++)
        s->cap += 2 * (dst ? b->rules[i].n_dport : b->rules[i].n_sport);
    s->borders = mem_array(s->cap, sizeof *s->borders);
    s->open = mem_array(b->n, sizeof *s->open);
    s->set = mem_array(2 * b->words, sizeof *s->set);
    if (!s->borders || !s->open || !s->set)
        return -ENOMEM;
    s->always = s->set + b->words;
    for (size_t i = 0; i < b->n; i++) {
        const struct acl_range *r = dst ? b->rules[i].dport : b->rules[i].sport;
        size_t n = dst ? b->rules[i].n_dport : b->rules[i].n_sport;
        if (!n)
            set_add(s->set, i);
        for (size_t k = 0; k < n; k++)
            if (r[k].first <= r[k].last) {
                s->borders[s->n++] = (struct border){r[k].first, (uint32_t)i, 1};
                s->borders[s->n++] = (struct border){r[k].last + 1u, (uint32_t)i, -1};
            }
    }
    qsort(s->borders, s->n, sizeof *s->borders, border_cmp);
    return 0;
}

/* A range closes at a later port than it opens, so no count falls below zero in whatever order equal ports
 * come. */
static void cross(struct port_build *s, struct border c)
{
    if (c.delta > 0) {
        if (!s->open[c.rule]++)
            set_add(s->set, c.rule);
    } else if (!--s->open[c.rule]) {
        set_remove(s->set, c.rule);
    }
}

static int sweep(struct build *b, struct port_build *s, struct acl_ports *out)
{
    size_t i = 0;
    memset(s->always, 0xff, b->words * sizeof *s->always);
    for (uint32_t at = 0; at < PORTS; at = i < s->n ? s->borders[i].at : PORTS) {
        uint32_t class;
        for (; i < s->n && s->borders[i].at == at; i++)
            cross(s, s->borders[i]);
        if (rows_intern(b, s->set, &class))
            return -ENOMEM;
        for (size_t w = 0; w < b->words; w++)
            s->always[w] &= s->set[w];
        if (out->n && out->class[out->n - 1] == class)
            continue;
        out->start[out->n] = (uint16_t)at;
        out->class[out->n++] = class;
    }
    return rows_intern(b, s->always, &out->none);
}

static int build_ports(struct build *b, bool dst, struct acl_ports *out)
{
    struct port_build s = {.n = 0};
    int err = gather_borders(b, dst, &s);
    if (!err) {
        out->cap = s.n + 1 < PORTS ? s.n + 1 : PORTS;
        out->start = mem_array(out->cap, sizeof *out->start);
        out->class = mem_array(out->cap, sizeof *out->class);
        err = out->start && out->class ? sweep(b, &s, out) : -ENOMEM;
    }
    mem_free(s.borders, s.cap * sizeof *s.borders);
    mem_free(s.open, b->n * sizeof *s.open);
    mem_free(s.set, 2 * b->words * sizeof *s.set);
    return err;
}

/* -- the whole ------------------------------------------------------------------------------------------- */

static int build_protos(struct build *b)
{
    uint64_t *set = mem_array(b->words, sizeof *set);
    int err = set ? 0 : -ENOMEM;
    for (unsigned p = 0; !err && p < 256; p++) {
        memset(set, 0, b->words * sizeof *set);
        for (size_t i = 0; i < b->n; i++)
            if (!b->rules[i].proto || b->rules[i].proto == p)
                set_add(set, i);
        err = rows_intern(b, set, &b->a->proto[p]);
    }
    mem_free(set, b->words * sizeof *set);
    return err;
}

static int build_verdicts(struct build *b)
{
    struct acl_hit *v = b->a->verdict = mem_array(b->n, sizeof *v);
    if (!v)
        return -ENOMEM;
    for (size_t i = 0; i < b->n; i++)
        v[i] = (struct acl_hit){.id = b->rules[i].id, .allow = b->rules[i].allow, .hit = true};
    return 0;
}

struct acl *acl_build(const struct acl_rule *rules, size_t n)
{
    struct build b = {.rules = rules, .n = n, .words = n / 64 + 1};
    struct acl *a = b.a = mem_alloc(sizeof *a);
    if (!a)
        return NULL;
    a->n = n;
    a->rows.words = b.words;
    a->rows.summary = (b.words + 63) / 64;
    a->rows.stride = a->rows.summary + b.words;
    int err = build_verdicts(&b);
    if (!err)
        err = build_addrs(&b, false, &a->src);
    if (!err)
        err = build_addrs(&b, true, &a->dst);
    if (!err)
        err = build_ports(&b, false, &a->sport);
    if (!err)
        err = build_ports(&b, true, &a->dport);
    if (!err)
        err = build_protos(&b);
    mem_free(b.slots, b.n_slots * sizeof *b.slots);
    if (!err)
        return a;
    acl_free(a);
    return NULL;
}

static void free_ports(struct acl_ports *d)
{
    mem_free(d->start, d->cap * sizeof *d->start);
    mem_free(d->class, d->cap * sizeof *d->class);
}

void acl_free(struct acl *a)
{
    if (!a)
        return;
    lpm_free(a->src.classes);
    lpm_free(a->dst.classes);
    free_ports(&a->sport);
    free_ports(&a->dport);
    mem_free(a->rows.word, a->rows.cap * a->rows.stride * sizeof *a->rows.word);
    mem_free(a->verdict, a->n * sizeof *a->verdict);
    mem_free(a, sizeof *a);
}
