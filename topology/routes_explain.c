/* routes_explain.c - every row that holds an address, best first, each with what it won or lost by: for
 * `trace`. */
#include "topology/routes_int.h"

#include <stdlib.h>

struct explain {
    struct arena *a;
    const struct eff_table *t;
    ip4 dst;
    struct route_choice choice;
    const struct eff_route *taken; /* the slice, where there is one */
};

/* A row with several prefixes that hold the address stands here once, with the longest that is alive, else
 * the longest. */
static size_t one_per_row(struct route_pair *pair, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct route_pair *last = kept ? &pair[kept - 1] : NULL;
        if (!last || last->row != pair[i].row) {
            pair[kept++] = pair[i];
        } else if (pair[i].alive > last->alive ||
                   (pair[i].alive == last->alive && pair[i].prefix.len > last->prefix.len)) {
            *last = pair[i];
        }
    }
    return kept;
}

static const char *loss_of(const struct route_pair *p)
{
    for (size_t i = 0; p->row->loss && i < p->row->n_prefix; i++)
        if (prefix4_eq(p->row->prefix[i], p->prefix))
            return p->row->loss[i].why;
    return NULL;
}

/* Why a user route does not touch a winning endpoint row (table 3.2). */
static const char *why_endpoint(struct explain *x, const struct route_pair *user)
{
    const struct private_endpoint *pe = x->choice.best->row->endpoint;
    const struct subnet *s = pe->subnet;
    enum endpoint_policies policy = route_policy(x->t->model, s);
    struct prefix4 space = route_endpoint_space(pe, x->dst);
    char p[PREFIX4_STRLEN], v[PREFIX4_STRLEN];
    prefix4_format(user->prefix, p);
    prefix4_format(space, v);
    if (x->t->model->switches.privateEndpointPolicies2021)
        return arena_printf(
            x->a, "%s is shorter than the endpoint's /32, and in 2021 no policy changes that (R-01, R-09)",
            p);
    if (policy == PENP_DISABLED || policy == PENP_NSG)
        return arena_printf(
            x->a,
            "%s is shorter than the endpoint's /32 (R-01); %s/%s has privateEndpointNetworkPolicies %s, so "
            "only a /32 would win (R-09)",
            p, s->vnet->name, s->name, route_policy_word(policy));
    return arena_printf(x->a, "%s is broader than the endpoint's network prefix %s, so its /32 stays (R-10)",
                        p, v);
}

static const char *why_lost(struct explain *x, const struct route_pair *p)
{
    const struct route_pair *best = x->choice.best;
    char mine[PREFIX4_STRLEN], its[PREFIX4_STRLEN];
    const char *why = loss_of(p);
    if (why)
        return why;
    if (x->choice.endpoint && p->row->source != ROUTE_DEFAULT)
        return arena_printf(x->a, "%s wins at once: no user or learned route overrides it (R-05)",
                            route_label(x->a, x->choice.endpoint->row));
    if (x->choice.system && p->row->source == ROUTE_GATEWAY)
        return arena_printf(x->a, "%s holds the address, and beats learned routes of any length (R-04)",
                            route_label(x->a, x->choice.system->row));
    if (best->row->type == NH_TYPE_INTERFACE_ENDPOINT && p->row->source == ROUTE_USER)
        return why_endpoint(x, p);
    prefix4_format(p->prefix, mine);
    prefix4_format(best->prefix, its);
    if (p->prefix.len < best->prefix.len)
        return arena_printf(x->a, "%s is shorter than %s of %s (R-01)", mine, its,
                            route_label(x->a, best->row));
    return arena_printf(x->a, "%s wins at once, before the longer %s (R-05)", route_label(x->a, best->row),
                        mine);
}

static const char *why_won(struct explain *x)
{
    const struct route_pair *best = x->choice.best;
    const char *drop = x->taken->drop ? x->taken->why : NULL;
    char p[PREFIX4_STRLEN];
    prefix4_format(best->prefix, p);
    const char *by = x->choice.endpoint ? "a service endpoint's row wins at once (R-05)"
                                        : arena_printf(x->a, "%s is the longest living prefix (R-01)", p);
    return drop ? arena_printf(x->a, "%s; dropped: %s", by, drop) : by;
}

struct listed {
    struct route_candidate c;
    size_t order;
};

/* The winner first, then by length, then as the table lists them. */
static int listed_cmp(const void *x, const void *y)
{
    const struct listed *a = x, *b = y;
    if (a->c.wins != b->c.wins)
        return a->c.wins ? -1 : 1;
    if (a->c.prefix.len != b->c.prefix.len)
        return (int)b->c.prefix.len - (int)a->c.prefix.len;
    return a->order < b->order ? -1 : a->order > b->order;
}

size_t routes_candidates(struct arena *a, const struct eff_table *t, ip4 dst, struct route_candidate **out)
{
    struct route_pair *pair;
    struct explain x = {.a = a, .t = t, .dst = dst, .taken = routes_select(t, dst, NULL)};
    size_t all = routes_pairs(a, t, dst, &pair);
    struct route_pair *every = arena_array(a, all, sizeof *every);
    for (size_t i = 0; i < all; i++)
        every[i] = pair[i];
    x.choice = routes_choose(t->model, every, all);
    size_t n = one_per_row(pair, all);
    struct listed *l = arena_array(a, n, sizeof *l);
    for (size_t i = 0; i < n; i++) {
        bool wins = x.choice.best && pair[i].row == x.choice.best->row;
        l[i].order = i;
        l[i].c = (struct route_candidate){pair[i].row, wins ? x.choice.best->prefix : pair[i].prefix, wins,
                                          wins            ? why_won(&x)
                                          : x.choice.best ? why_lost(&x, &pair[i])
                                                          : ""};
    }
    if (n)
        qsort(l, n, sizeof *l, listed_cmp);
    *out = arena_array(a, n, sizeof **out);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = l[i].c;
    return n;
}
