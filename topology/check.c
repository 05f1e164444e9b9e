/* check.c - the order of the checks, and their common tools.
 *
 * Purpose: a scenario that contradicts itself, or that Azure would refuse, must be refused here with the
 * place and the reason, all findings at once, before any packet moves. Binding (schema.c) has found unknown
 * keys, wrong types and dangling references, values out of range and names taken twice; here is what needs
 * more than one resource to see.
 *
 * Each check is a function over one kind of resource, named after it. Nothing depends on the order of the
 * findings: diag sorts them by place. Checks run for every state of the timeline; findings repeat there with
 * the same text and place and are kept once.
 *
 * Uniqueness (addresses in a network, names, priorities) is one tool: collect (scope, key), sort, look at
 * neighbours. Overlap of prefixes likewise: sorted prefixes either nest or are disjoint. So a check is O(n
 * log n), which matters for models of 100,000 interfaces; only peerings compare pairs, those that the file
 * lists. */
#include "topology/check_int.h"

#include <stdlib.h>
#include <strings.h>

struct origin check_at(const struct node *map, const char *key, struct origin fallback)
{
    const struct node *n = map && map->kind == NODE_MAP ? node_get(map, key) : NULL;
    return n ? n->at : fallback;
}

struct origin check_item(const struct node *map, const char *key, size_t i, struct origin fallback)
{
    const struct node *n = map && map->kind == NODE_MAP ? node_get(map, key) : NULL;
    if (n && n->kind == NODE_SEQ)
        return i < n->n ? n->item[i]->at : n->at;
    return n ? n->at : fallback;
}

struct origin check_prefix_at(const struct node *map, size_t i, struct origin fallback)
{
    bool one = map && map->kind == NODE_MAP && node_get(map, "addressPrefix");
    return check_item(map, one ? "addressPrefix" : "addressPrefixes", i, fallback);
}

void unique_add(struct check *c, struct unique_list *l, struct unique u)
{
    u.order = l->n;
    *(struct unique *)arena_push(c->a, &l->at, &l->n, &l->cap, sizeof *l->at) = u;
}

static int unique_key_cmp(const struct unique *a, const struct unique *b)
{
    if (a->scope != b->scope)
        return a->scope < b->scope ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->text && b->text ? strcasecmp(a->text, b->text) : (a->text != NULL) - (b->text != NULL);
}

static int unique_cmp(const void *a, const void *b)
{
    const struct unique *x = a, *y = b;
    int r = unique_key_cmp(x, y);
    return r ? r : (x->order > y->order) - (x->order < y->order);
}

bool unique_same(const struct unique *a, const struct unique *b)
{
    return unique_key_cmp(a, b) == 0;
}

void unique_sort(struct unique_list *l)
{
    if (l->n)
        qsort(l->at, l->n, sizeof *l->at, unique_cmp);
}

void model_check(const struct model *m, struct diag *d)
{
    struct check c = {m, d, arena_new("check")};
    check_networks(&c);
    check_addresses(&c);
    check_policy(&c);
    check_managers(&c);
    check_services(&c);
    check_balancers(&c);
    check_names(&c);
    check_limits(&c);
    arena_free(c.a);
}
