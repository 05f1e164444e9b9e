/* acl_plan.c - the second step of compiling a classifier: what it would be to index some items by one
 * dimension.
 *
 * Items of one value are a group. A sweep over the borders of all groups' ranges keeps the set of active
 * groups, by number; every stretch between two borders is a piece, and stretches side by side with the same
 * groups are one. Pieces anywhere with the same groups share a crowd, so the thousands of prefixes of a tag
 * that no other rule tells apart have one list of items. Two prefixes of 2,000 ranges each are two groups,
 * however many rules have them.
 *
 * An item that has all of every other dimension leaves nothing to items after it in its pieces. A crowd ends
 * with the first such item; ranges nested thousands deep in one dimension alone so make crowds of one item.
 * Groups are numbered in the order of their first items, so the sweep sees at once where to stop.
 *
 * A plan only counts the items of crowds; lists are written for the plan that is chosen. */
#include "dataplane/acl_build.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sweep {
    struct acl_build *b;
    struct acl_plan *p;
    unsigned all;     /* dimensions in which items of a piece have the whole region */
    uint64_t *event;  /* value << 32 | group: from there on the group is active, or is not any more */
    uint32_t *active; /* groups, ascending */
    size_t n_active, n_events, cap_events;
    struct acl_vec seq;
};

/* -- groups ---------------------------------------------------------------------------------------------- */

static void find_groups(struct sweep *s)
{
    struct acl_plan *p = s->p;
    uint32_t *stamp = s->b->stamp, start = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct acl_item *x = &s->b->item[p->item[i]];
        uint32_t value = x->value[p->dim];
        if (!stamp[value]) {
            p->group[p->n_groups] = (struct acl_group){.value = value, .first = i, .ends_at = ACL_NONE};
            stamp[value] = (uint32_t)++p->n_groups;
        }
        struct acl_group *g = &p->group[p->group_of[i] = stamp[value] - 1];
        g->n++;
        if (g->ends_at == ACL_NONE && (x->full | s->all) == ACL_ALL)
            g->ends_at = i;
    }
    for (size_t g = 0; g < p->n_groups; g++) {
        stamp[p->group[g].value] = 0;
        p->group[g].start = start;
        start += p->group[g].n;
        p->group[g].n = 0;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        struct acl_group *g = &p->group[p->group_of[i]];
        p->place[g->start + g->n++] = i;
    }
}

/* -- events ---------------------------------------------------------------------------------------------- */

/* Sort by the upper halves; other is as large. Digits that all have in common are passed over. */
static void sort_events(uint64_t *event, uint64_t *other, size_t n)
{
    for (size_t i = 1; i < n && n <= 48; i++) {
        uint64_t x = event[i];
        size_t to = i;
        for (; to && event[to - 1] > x; to--)
            event[to] = event[to - 1];
        event[to] = x;
    }
    if (n <= 48)
        return;
    uint32_t count[4][256] = {{0}};
    for (size_t i = 0; i < n; i++)
        for (unsigned d = 0; d < 4; d++)
            count[d][event[i] >> (32 + 8 * d) & 0xff]++;
    for (unsigned d = 0; d < 4 && n; d++) {
        uint32_t *c = count[d], sum = 0;
        if (c[event[0] >> (32 + 8 * d) & 0xff] == n)
            continue;
        for (unsigned i = 0; i < 256; i++) {
            uint32_t own = c[i];
            c[i] = sum;
            sum += own;
        }
        for (size_t i = 0; i < n; i++)
            other[c[event[i] >> (32 + 8 * d) & 0xff]++] = event[i];
        memcpy(event, other, n * sizeof *event);
    }
}

/* What ends with the dimension never closes. */
static int list_events(struct sweep *s)
{
    const struct acl_plan *p = s->p;
    size_t n, total = 0;
    for (size_t g = 0; g < p->n_groups; g++) {
        acl_value_ranges(s->b, p->dim, p->group[g].value, &n);
        total += n;
    }
    s->event = mem_array(2 * total, sizeof *s->event);
    if (!s->event)
        return -ENOMEM;
    s->cap_events = 2 * total;
    for (uint64_t g = 0; g < p->n_groups; g++) {
        const uint32_t *r = acl_value_ranges(s->b, p->dim, p->group[g].value, &n);
        for (size_t i = 0; i < n; i++)
            if (!(i & 1) || r[i] != acl_dim_max(p->dim))
                s->event[s->n_events++] = ((uint64_t)r[i] + (i & 1)) << 32 | g;
    }
    sort_events(s->event, s->event + total, s->n_events);
    return 0;
}

/* Groups that are nearly everywhere are left to another tree. */
static int leave_out_wide(struct sweep *s, double share)
{
    struct acl_plan *p = s->p;
    uint32_t pieces = 1;
    size_t to = 0;
    for (size_t i = 0; i < s->n_events; i++) {
        struct acl_group *g = &p->group[(uint32_t)s->event[i]];
        pieces += s->event[i] >> 32 && (!i || s->event[i] >> 32 != s->event[i - 1] >> 32);
        g->cover += g->open ? pieces - g->open : 0;
        g->open = g->open ? 0 : pieces;
    }
    for (size_t i = 0; i < p->n_groups; i++) {
        struct acl_group *g = &p->group[i];
        g->cover += g->open ? pieces + 1 - g->open : 0;
        g->wide = g->cover > share * pieces;
    }
    for (size_t i = 0; i < s->n_events; i++)
        if (!p->group[(uint32_t)s->event[i]].wide)
            s->event[to++] = s->event[i];
    s->n_events = to;
    for (size_t i = 0; i < p->n; i++)
        if (p->group[p->group_of[i]].wide && acl_vec_push(&p->wide, p->item[i]))
            return -ENOMEM;
    return 0;
}

/* -- pieces ---------------------------------------------------------------------------------------------- */

static void toggle(struct sweep *s, uint32_t group)
{
    size_t at = 0;
    for (size_t n = s->n_active; n > at;) {
        size_t mid = at + (n - at) / 2;
        if (s->active[mid] < group)
            at = mid + 1;
        else
            n = mid;
    }
    uint32_t *here = s->active + at;
    if (at < s->n_active && *here == group) {
        memmove(here, here + 1, (--s->n_active - at) * sizeof *here);
    } else {
        memmove(here + 1, here, (s->n_active++ - at) * sizeof *here);
        *here = group;
    }
}

/* => how many items a group has up to a place. */
static uint32_t items_to(const struct acl_plan *p, const struct acl_group *g, uint32_t to)
{
    uint32_t n = g->n;
    while (n && p->place[g->start + n - 1] > to)
        n--;
    return n;
}

static int add_crowd(struct sweep *s, uint32_t ends_at)
{
    struct acl_plan *p = s->p;
    uint32_t n = 0;
    for (size_t i = 0; i < s->seq.n; i++)
        n += items_to(p, &p->group[s->seq.at[i]], ends_at);
    s->b->work += n;
    p->boxes += n * (double)sizeof(struct acl_box);
    return acl_vec_push(&p->size, n) || acl_vec_push(&p->up_to, ends_at) ? -ENOMEM : 0;
}

/* The piece from `first` on has the groups that are active. */
static int add_piece(struct sweep *s, uint32_t first)
{
    struct acl_plan *p = s->p;
    uint32_t ends_at = ACL_NONE, crowd;
    s->seq.n = 0;
    for (size_t i = 0; i < s->n_active; i++) {
        const struct acl_group *g = &p->group[s->active[i]];
        if (g->first > ends_at)
            break;
        ends_at = g->ends_at < ends_at ? g->ends_at : ends_at;
        if (acl_vec_push(&s->seq, s->active[i]))
            return -ENOMEM;
    }
    while (s->seq.n && p->group[s->seq.at[s->seq.n - 1]].first > ends_at)
        s->seq.n--;
    s->b->work += s->seq.n;
    if (acl_pool_put(&p->crowds, s->seq.at, s->seq.n, &crowd) ||
        (crowd == p->size.n && add_crowd(s, ends_at)))
        return -ENOMEM;
    if (p->crowd.n && p->crowd.at[p->crowd.n - 1] == crowd)
        return 0;
    if (p->crowd.n && acl_vec_push(&p->last, first - 1))
        return -ENOMEM;
    return acl_vec_push(&p->crowd, crowd);
}

static int cut_pieces(struct sweep *s)
{
    size_t i = 0;
    for (uint64_t at = 0;; at = s->event[i] >> 32) {
        for (; i < s->n_events && s->event[i] >> 32 == at; i++)
            toggle(s, (uint32_t)s->event[i]);
        int err = add_piece(s, (uint32_t)at);
        if (err)
            return err;
        if (s->p->boxes > 2048.0 * (double)s->p->n + 65536 || s->b->work > s->b->work_limit)
            return -E2BIG;
        if (i == s->n_events)
            return acl_vec_push(&s->p->last, UINT32_MAX);
    }
}

/* -- what it is worth ------------------------------------------------------------------------------------ */

double acl_plan_list(double n)
{
    return n <= 4 ? 9 : 3 + 2 * n;
}

double acl_plan_search(size_t pieces, bool root)
{
    unsigned levels = 1;
    for (; pieces > ACL_LINE; pieces /= ACL_FANOUT)
        levels++;
    return root ? 4 + 4 * levels : 12 + 8 * levels;
}

/* => cycles for a crowd of n out of `all` items. A long one can be cut up again, all the better if it is a
 * small part of all. */
static double crowd_time(double n, double all)
{
    return n <= 24 ? acl_plan_list(n) : 30 + 5 * log2(n) + 2 * n * (n / all) * (n / all);
}

/* Weighted by items: who has more items gets more keys. */
static void estimate(struct acl_plan *p, bool root)
{
    double time = 0, items = 0.001, all = (double)p->n;
    for (size_t i = 0; i < p->size.n; i++) {
        double n = p->size.at[i];
        time += n * crowd_time(n, all);
        items += n;
    }
    p->time = time / items + acl_plan_search(p->last.n, root);
    if (p->wide.n)
        p->time += 15 + 3 * log2(1.0 + (double)p->wide.n);
    p->pieces = 8.0 * (double)p->last.n;
}

static int make(struct sweep *s, double wide)
{
    struct acl_plan *p = s->p;
    p->group = mem_array(p->n, sizeof *p->group + 3 * sizeof *p->place);
    if (!p->group)
        return -ENOMEM;
    p->place = (uint32_t *)(p->group + p->n);
    p->group_of = p->place + p->n;
    s->active = p->group_of + p->n;
    find_groups(s);
    int err = list_events(s);
    s->b->work += p->n + s->n_events;
    p->ends = (double)s->n_events;
    if (!err && wide < 1)
        err = leave_out_wide(s, wide);
    return err ? err : cut_pieces(s);
}

int acl_plan_make(struct acl_build *b, const struct acl_vec *items, unsigned dim, unsigned done, double wide,
                  struct acl_plan *p)
{
    struct sweep s = {.b = b, .p = p, .all = done | 1u << dim};
    *p = (struct acl_plan){.dim = dim, .item = items->at, .n = items->n};
    int err = make(&s, wide);
    if (!err)
        estimate(p, done == b->base);
    mem_free(s.event, s.cap_events * sizeof *s.event);
    acl_vec_free(&s.seq);
    return err;
}

static int place_cmp(const void *x, const void *y)
{
    const uint32_t *a = x, *b = y;
    return *a < *b ? -1 : *a > *b;
}

/* Sort few places by themselves; find many by going through them all. */
int acl_plan_items(const struct acl_plan *p, uint32_t crowd, struct acl_vec *items)
{
    size_t n_groups;
    const uint32_t *seq = acl_pool_get(&p->crowds, crowd, &n_groups), ends = p->up_to.at[crowd];
    items->n = 0;
    if (acl_vec_room(items, p->size.at[crowd]))
        return -ENOMEM;
    for (size_t i = 0; i < n_groups; i++) {
        const struct acl_group *g = &p->group[seq[i]];
        for (uint32_t k = 0; k < g->n && p->place[g->start + k] <= ends; k++) {
            uint32_t place = p->place[g->start + k];
            size_t to = items->n++;
            for (; items->n <= 32 && to && items->at[to - 1] > place; to--)
                items->at[to] = items->at[to - 1];
            items->at[to] = place;
        }
    }
    if (items->n > 32)
        qsort(items->at, items->n, sizeof *items->at, place_cmp);
    for (size_t i = 0; i < items->n; i++)
        items->at[i] = p->item[items->at[i]];
    return 0;
}

void acl_plan_free(struct acl_plan *p)
{
    mem_free(p->group, p->n * (sizeof *p->group + 3 * sizeof *p->place));
    acl_pool_free(&p->crowds);
    acl_vec_free(&p->size);
    acl_vec_free(&p->up_to);
    acl_vec_free(&p->last);
    acl_vec_free(&p->crowd);
    acl_vec_free(&p->wide);
}
