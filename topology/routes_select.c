/* routes_select.c - one address against a table: which row wins, why the others do not, and the same as a
 * plain longest-prefix table.
 *
 * The choice itself (routes_choose) sees only the pairs of prefix and row that hold the address. Selection
 * gathers them by reading the whole table; compilation walks the sorted prefixes as a tree and has them on a
 * stack:
 *
 *      0.0.0.0/0 ---- 10.0.0.0/8 ---- 10.0.0.0/16 ---- 10.0.2.5/32        stack at the endpoint: four pairs
 *                \--- 20.60.0.0/16 --- 20.60.1.0/24                        each prefix is chosen for once
 *
 * All addresses in a prefix and outside its longer ones meet the same pairs, so one choice per distinct
 * prefix holds for them all; prefixes that choose what the next shorter one chose are left out. That keeps
 * the exceptions to longest match (R-04, R-05, table 3.2) out of the fast path: they are decided here, and
 * pure longest match follows.
 *
 * Cost: selection is linear in the prefixes of the table; compilation n log n times the depth of nesting.
 */
#include "topology/routes_int.h"

#include <stdlib.h>
#include <string.h>

/* -- the choice ------------------------------------------------------------------------------------------ */

static bool longer(const struct route_pair *a, const struct route_pair *b)
{
    return !b || a->prefix.len > b->prefix.len;
}

/* the service endpoint's row wins at once, unless a longer or equal prefix is the network's own space.
 */
static const struct route_pair *service_wins(const struct model *m, const struct route_pair *pair, size_t n)
{
    const struct route_pair *se = NULL, *net = NULL;
    if (m->switches.seVsUdrObserved)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (pair[i].alive && pair[i].row->type == NH_TYPE_SERVICE_ENDPOINT && longer(&pair[i], se))
            se = &pair[i];
        if (route_is_network(pair[i].row) && longer(&pair[i], net))
            net = &pair[i];
    }
    return se && longer(se, net) ? se : NULL;
}

struct route_choice routes_choose(const struct model *m, const struct route_pair *pair, size_t n)
{
    struct route_choice c = {.endpoint = service_wins(m, pair, n)};
    for (size_t i = 0; i < n; i++)
        if (pair[i].alive && route_is_system(pair[i].row) && longer(&pair[i], c.system))
            c.system = &pair[i];
    c.best = c.endpoint;
    for (size_t i = 0; i < n && !c.endpoint; i++) {
        bool struck = !pair[i].alive || (c.system && pair[i].row->source == ROUTE_GATEWAY); /* */
        if (!struck && longer(&pair[i], c.best))
            c.best = &pair[i];
    }
    return c;
}

/* -- selection ------------------------------------------------------------------------------------------- */

static const struct eff_route *slice_at(const struct eff_table *t, ip4 dst)
{
    for (size_t i = t->n; i < t->n_all; i++)
        if (t->row[i].prefix[0].addr == dst)
            return &t->row[i];
    return NULL;
}

size_t routes_pairs(struct arena *a, const struct eff_table *t, ip4 dst, struct route_pair **out)
{
    size_t n = 0, cap = 0;
    *out = NULL;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->row[i].n_prefix; k++)
            if (prefix4_has(t->row[i].prefix[k], dst))
                *(struct route_pair *)arena_push(a, out, &n, &cap, sizeof **out) =
                    (struct route_pair){&t->row[i], t->row[i].prefix[k], route_alive(&t->row[i], k)};
    return n;
}

const struct eff_route *routes_select(const struct eff_table *t, ip4 dst, struct prefix4 *matched)
{
    struct arena *scratch = arena_new("route selection");
    struct route_pair *pair;
    size_t n = routes_pairs(scratch, t, dst, &pair);
    struct route_choice c = routes_choose(t->model, pair, n);
    const struct eff_route *row = c.best ? c.best->row : NULL, *slice = slice_at(t, dst);
    if (c.best && matched)
        *matched = c.best->prefix;
    arena_free(scratch);
    return slice ? slice : row;
}

/* -- compilation ----------------------------------------------------------------------------------------- */

struct node_pair { /* what the walk sorts: a pair, and where it was listed */
    struct route_pair pair;
    uint32_t order;
};

static int node_cmp(const void *x, const void *y)
{
    const struct node_pair *a = x, *b = y;
    int c = prefix4_cmp(&a->pair.prefix, &b->pair.prefix);
    return c ? c : a->order < b->order ? -1 : a->order > b->order;
}

static size_t all_pairs(struct arena *a, const struct eff_table *t, struct node_pair **out)
{
    size_t n = 0, total = 0;
    for (size_t i = 0; i < t->n; i++)
        total += t->row[i].n_prefix;
    *out = arena_array(a, total, sizeof **out);
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->row[i].n_prefix; k++, n++)
            (*out)[n] = (struct node_pair){{&t->row[i], t->row[i].prefix[k], route_alive(&t->row[i], k)},
                                           (uint32_t)n};
    if (n)
        qsort(*out, n, sizeof **out, node_cmp);
    return n;
}

struct walk {
    struct arena *scratch;
    const struct eff_table *t;
    struct route_pair *stack; /* pairs that hold the current prefix, shortest first */
    size_t depth, cap;
    struct route_entry chosen[33]; /* the choice at each length that is on the stack */
    bool has[33];
};

static void walk_pop(struct walk *w, struct prefix4 p)
{
    while (w->depth && !prefix4_covers(w->stack[w->depth - 1].prefix, p))
        w->depth--;
    unsigned keep = w->depth ? w->stack[w->depth - 1].prefix.len : 0;
    for (unsigned len = w->depth ? keep + 1 : 0; len <= 32; len++)
        w->has[len] = false;
}

static const struct route_entry *walk_parent(const struct walk *w, unsigned len)
{
    while (len-- > 0)
        if (w->has[len])
            return &w->chosen[len];
    return NULL;
}

/* Choose for prefix p with its pairs on the stack. => whether an entry is needed. */
static bool walk_choose(struct walk *w, struct prefix4 p, struct route_entry *e)
{
    struct route_choice c = routes_choose(w->t->model, w->stack, w->depth);
    const struct eff_route *slice = p.len == 32 ? slice_at(w->t, p.addr) : NULL;
    if (!c.best)
        return false;
    *e = (struct route_entry){p, slice ? slice->index : c.best->row->index, c.best->prefix};
    const struct route_entry *parent = walk_parent(w, p.len);
    w->chosen[p.len] = *e;
    w->has[p.len] = true;
    return !parent || parent->row != e->row || !prefix4_eq(parent->matched, e->matched);
}

size_t routes_compile(struct arena *a, const struct eff_table *t, struct route_entry **out)
{
    struct walk w = {.scratch = arena_new("route compilation"), .t = t};
    struct node_pair *at;
    size_t total = all_pairs(w.scratch, t, &at), n = 0, cap = 0;
    *out = NULL;
    for (size_t i = 0; i < total;) {
        struct prefix4 p = at[i].pair.prefix;
        struct route_entry e;
        walk_pop(&w, p);
        for (; i < total && prefix4_eq(at[i].pair.prefix, p); i++)
            *(struct route_pair *)arena_push(w.scratch, &w.stack, &w.depth, &w.cap, sizeof *w.stack) =
                at[i].pair;
        if (walk_choose(&w, p, &e))
            *(struct route_entry *)arena_push(a, out, &n, &cap, sizeof **out) = e;
    }
    arena_free(w.scratch);
    return n;
}
