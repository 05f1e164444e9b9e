/* acl_tree.c - the third step of compiling a classifier: indexes, lists and trees out of items.
 *
 * Where there are more than LEAF items all dimensions are planned and the one chosen that makes a lookup
 * shortest, memory weighed in; the lists of its pieces are treated in the same way with the dimensions that
 * are left. At the root groups that are in many pieces are left out, and what is left out makes the next
 * tree.
 *
 * A box is copied into every list whose piece it meets. Two things keep this within bounds: room() refuses
 * more than b->limit bytes, and plans stop after b->work_limit steps. An attempt that fails for either is
 * followed by one that may make fewer copies, the last of which is a single list. If the first attempt works,
 * some more see whether fewer trees, each larger, are faster: by an estimate in cycles, whose constants were
 * measured once. Steps are counted, not timed, so the same rules always make the same trees. */
#include "dataplane/acl_build.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <string.h>

#define LEAF        8                 /* lists up to this length are not cut up */
#define GOOD_ENOUGH 40                /* cycles */
#define WORTH       16                /* bytes an item that a cycle is worth */
#define CACHE       (2.0 * (1 << 20)) /* bytes with which a lookup takes twice as long as with few */
#define LAVISH      64                /* copies of a box, more than most rules need */
#define FEWER       3                 /* trees */

/* Limits: bytes of trees, and steps of work for each item. */
#define BASE      65536
#define PER_ITEM  256
#define PER_RANGE 12 /* each of a range's two numbers */
#define WORK      512

/* -- room ------------------------------------------------------------------------------------------------ */

static size_t bytes_of(const struct acl *a)
{
    return a->n_lines * ACL_LINE * sizeof *a->line + a->n_refs * sizeof *a->ref +
           a->n_indexes * sizeof *a->index + a->n_boxes * sizeof *a->box;
}

/* Make room for n more elements. */
static int room(const struct acl_build *b, void *array, size_t size, size_t used, size_t *cap, size_t n)
{
    void *old;
    if (bytes_of(b->a) + n * size > b->limit)
        return -E2BIG;
    if (*cap - used >= n)
        return 0;
    size_t bigger = used + n + *cap;
    memcpy(&old, array, sizeof old);
    void *p = mem_resize(old, *cap * size, bigger * size);
    if (!p)
        return -ENOMEM;
    memcpy(array, &p, sizeof p);
    *cap = bigger;
    return 0;
}

/* -- indexes --------------------------------------------------------------------------------------------- */

/* Number i of the level above blocks of `span` numbers: the last of block i. */
static uint32_t separator(const uint32_t *last, size_t n, size_t i, size_t span)
{
    size_t at = (i + 1) * span - 1;
    return at < n ? last[at] : UINT32_MAX;
}

/* Write one level: line by line, without the last of every ACL_FANOUT separators. */
static int add_level(struct acl_build *b, const uint32_t *last, size_t n, size_t span, size_t lines,
                     uint32_t *level)
{
    struct acl *a = b->a;
    int err = room(b, &a->line, 4 * ACL_LINE, a->n_lines, &b->cap_lines, lines);
    if (err)
        return err;
    uint32_t *out = a->line + a->n_lines * ACL_LINE;
    size_t step = span == 1 ? ACL_LINE : ACL_FANOUT;
    for (size_t line = 0; line < lines; line++)
        for (size_t i = 0; i < ACL_LINE; i++)
            *out++ = separator(last, n, line * step + i, span);
    *level = (uint32_t)a->n_lines;
    a->n_lines += lines;
    return 0;
}

int acl_index_add(struct acl_build *b, const uint32_t *last, size_t n, unsigned dim, uint32_t *number)
{
    struct acl *a = b->a;
    struct acl_index x = {.dim = (uint8_t)dim};
    size_t span[ACL_LEVELS], lines[ACL_LEVELS];
    int err = room(b, &a->index, sizeof x, a->n_indexes, &b->cap_indexes, 1);
    span[0] = 1;
    lines[0] = (n + ACL_LINE - 1) / ACL_LINE;
    unsigned levels = 1;
    for (; lines[levels - 1] > 1; levels++) {
        if (levels == ACL_LEVELS)
            return -E2BIG;
        span[levels] = levels == 1 ? ACL_LINE : span[levels - 1] * ACL_FANOUT;
        lines[levels] = (lines[levels - 1] + ACL_FANOUT - 1) / ACL_FANOUT;
    }
    x.levels = (uint8_t)levels;
    for (unsigned l = 0; !err && l < levels; l++)
        err = add_level(b, last, n, span[levels - 1 - l], lines[levels - 1 - l], &x.level[l]);
    if (err)
        return err;
    *number = (uint32_t)a->n_indexes;
    a->index[a->n_indexes++] = x;
    return 0;
}

/* -- lists ----------------------------------------------------------------------------------------------- */

static struct acl_box box_of(const struct acl_build *b, const struct acl_item *x, bool is_last)
{
    struct acl_box box;
    size_t n;
    for (unsigned d = 0, lane = 0; d < ACL_DIMS; d++) {
        const uint32_t *v = acl_pool_get(&b->values[d], x->value[d], &n);
        box.lo[lane] = (uint16_t)v[0];
        box.span[lane++] = (uint16_t)((v[1] & 0xffff) - (v[0] & 0xffff));
        if (d <= ACL_DST) {
            box.lo[lane] = (uint16_t)(v[0] >> 16);
            box.span[lane++] = (uint16_t)((v[1] >> 16) - (v[0] >> 16));
        }
    }
    uint32_t note = x->rule << ACL_NOTE_BITS | (is_last ? ACL_LAST : 0) | (x->check ? ACL_TO_CHECK : 0);
    box.lo[ACL_NOTE] = (uint16_t)note;
    box.span[ACL_NOTE] = (uint16_t)(note >> 16);
    return box;
}

/* => the list's reference; equal lists are one. */
static int leaf(struct acl_build *b, const struct acl_vec *items, uint32_t *ref)
{
    uint32_t number;
    struct acl *a = b->a;
    if (!items->n) {
        *ref = 0;
        return 0;
    }
    if (acl_pool_put(&b->leaves, items->at, items->n, &number))
        return -ENOMEM;
    if (number == b->leaf_ref.n) {
        int err = room(b, &a->box, sizeof *a->box, a->n_boxes, &b->cap_boxes, items->n);
        if (!err)
            err = acl_vec_push(&b->leaf_ref, (uint32_t)a->n_boxes);
        if (err)
            return err;
        for (size_t i = 0; i < items->n; i++)
            a->box[a->n_boxes++] = box_of(b, &b->item[items->at[i]], i + 1 == items->n);
    }
    *ref = b->leaf_ref.at[number];
    return 0;
}

/* -- trees ----------------------------------------------------------------------------------------------- */

struct tree {
    uint32_t ref;
    double time;
};

static int grow(struct acl_build *b, struct acl_vec *items, unsigned done, struct tree *t);

/* Below an index the lists of its pieces are cut up on their own. */
static int plant(struct acl_build *b, const struct acl_plan *p, unsigned done, struct tree *t)
{
    struct acl *a = b->a;
    struct acl_vec child = {.n = 0}, items = {.n = 0};
    double time = 0, weight = 0.001;
    int err = acl_vec_room(&child, p->size.n);
    for (uint32_t i = 0; !err && i < p->size.n; i++) {
        err = acl_plan_items(p, i, &items);
        if (!err)
            err = grow(b, &items, done | 1u << p->dim, t);
        child.at[i] = t->ref;
        time += t->time * p->size.at[i];
        weight += p->size.at[i];
    }
    uint32_t number = 0;
    if (!err)
        err = acl_index_add(b, p->last.at, p->last.n, p->dim, &number);
    if (!err)
        err = room(b, &a->ref, sizeof *a->ref, a->n_refs, &b->cap_refs, p->last.n);
    if (!err) {
        a->index[number].ref = (uint32_t)a->n_refs;
        for (size_t i = 0; i < p->crowd.n; i++)
            a->ref[a->n_refs++] = child.at[p->crowd.at[i]];
        *t = (struct tree){number | ACL_INDEX, time / weight + acl_plan_search(p->last.n, done == b->base)};
    }
    acl_vec_free(&child);
    acl_vec_free(&items);
    return err;
}

/* => the dimensions in which these items have one value only. A key outside that fits none of them, so for
 * what they leave over to one another they might as well have all of it. */
static unsigned same_in(const struct acl_build *b, const struct acl_vec *items)
{
    unsigned same = items->n ? ACL_ALL : 0;
    for (size_t i = 1; i < items->n && same; i++)
        for (unsigned d = 0; d < ACL_DIMS; d++)
            if (b->item[items->at[i]].value[d] != b->item[items->at[0]].value[d])
                same &= ~(1u << d);
    return same;
}

/* => numbers in the long lists that these items have in one dimension. */
static size_t long_lists(const struct acl_build *b, const struct acl_vec *items, unsigned dim)
{
    size_t n, sum = 0;
    for (size_t i = 0; i < items->n; i++)
        if (b->item[items->at[i]].check) {
            acl_value_ranges(b, dim, b->item[items->at[i]].value[dim], &n);
            sum += n > 2 ? n : 0;
        }
    return sum;
}

/* Plan the dimensions; those with long lists only if the others are not good enough.
 * => 0 and in *best what costs less than *cost, if anything does. */
static int choose(struct acl_build *b, const struct acl_vec *items, unsigned done, double wide, double *cost,
                  struct acl_plan *best)
{
    const bool roomy = b->copies >= LAVISH || 2 * items->n >= b->n_items;
    for (unsigned i = 0; i < 2 * ACL_DIMS; i++) {
        unsigned d = i % ACL_DIMS;
        struct acl_plan p;
        if (done & 1u << d || (long_lists(b, items, d) > 8 * items->n) != i / ACL_DIMS ||
            (i >= ACL_DIMS && (!roomy || (best->dim != ACL_DIMS && best->time < GOOD_ENOUGH))))
            continue;
        int err = acl_plan_make(b, items, d, done, wide, &p);
        double n = (double)items->n, c = p.time + (p.boxes / n + p.pieces / (n + p.ends / 2)) / WORTH;
        bool fits = p.boxes + (roomy ? 0 : p.pieces) <= b->copies * sizeof(struct acl_box) * n + 1024;
        if (err || p.wide.n == items->n || c >= *cost || !fits) {
            acl_plan_free(&p);
            if (err == -ENOMEM || b->work > b->work_limit)
                return err;
            continue;
        }
        acl_plan_free(best);
        *best = p;
        *cost = c;
    }
    return 0;
}

/* Nothing counts after an item that leaves nothing over. */
static void cut_off(const struct acl_build *b, struct acl_vec *items, unsigned done)
{
    for (size_t i = 0; i < items->n; i++)
        if ((b->item[items->at[i]].full | done) == ACL_ALL)
            items->n = i + 1;
}

static int grow(struct acl_build *b, struct acl_vec *items, unsigned done, struct tree *t)
{
    struct acl_plan best = {.dim = ACL_DIMS};
    done |= same_in(b, items);
    cut_off(b, items, done);
    double time = acl_plan_list((double)items->n), cost = time + 2;
    int err = items->n > LEAF ? choose(b, items, done, 1, &cost, &best) : 0;
    if (!err && best.dim == ACL_DIMS) {
        t->time = time;
        err = leaf(b, items, &t->ref);
    } else if (!err) {
        err = plant(b, &best, done, t);
    }
    acl_plan_free(&best);
    return err;
}

/* The first tree takes what lies well in one dimension, the next one of what is left, and so on. */
static int plant_all(struct acl_build *b, struct acl_vec *items, unsigned trees)
{
    static const double wide[] = {0.5, 0.1};
    struct acl *a = b->a;
    struct tree t = {.ref = 0};
    int err = 0;
    for (a->n_trees = 0; !err && items->n; a->n_trees++) {
        struct acl_plan best = {.dim = ACL_DIMS};
        double cost = acl_plan_list((double)items->n);
        b->base = same_in(b, items);
        if (items->n > LEAF && a->n_trees + 1 < trees)
            for (size_t i = 0; !err && i < sizeof wide / sizeof *wide; i++)
                err = choose(b, items, b->base, wide[i], &cost, &best);
        if (!err && best.dim == ACL_DIMS) {
            err = grow(b, items, b->base, &t);
            items->n = 0;
        } else if (!err) {
            err = plant(b, &best, b->base, &t);
            items->n = 0;
            for (size_t i = 0; !err && i < best.wide.n; i++)
                items->at[items->n++] = best.wide.at[i];
        }
        a->root[a->n_trees] = t.ref;
        b->time += t.time;
        acl_plan_free(&best);
    }
    return err;
}

/* -- attempts -------------------------------------------------------------------------------------------- */

struct attempt {
    unsigned trees;
    double copies;
};

/* What there is before any tree. */
struct mark {
    size_t lines, indexes, boxes;
};

static void clear(struct acl_build *b, const struct mark *m)
{
    acl_pool_free(&b->leaves);
    b->leaf_ref.n = 0;
    b->a->n_lines = m->lines;
    b->a->n_indexes = m->indexes;
    b->a->n_boxes = m->boxes;
    b->a->n_refs = 0;
    b->work = 0;
    b->time = 0;
}

/* => 0 and in b->time what a lookup costs, more where more than a cache's worth of memory is read. */
static int try(struct acl_build *b, const struct mark *m, const struct attempt *how, struct acl_vec *items)
{
    struct acl *a = b->a;
    clear(b, m);
    b->copies = how->copies;
    items->n = 0;
    for (size_t i = 0; i < b->n_items; i++)
        items->at[items->n++] = (uint32_t)i;
    a->otherwise = (uint32_t)b->n << ACL_NOTE_BITS;
    cut_off(b, items, 0);
    if (items->n && b->item[items->at[items->n - 1]].full == ACL_ALL)
        a->otherwise = b->item[items->at[--items->n]].rule << ACL_NOTE_BITS;
    int err = plant_all(b, items, how->trees);
    b->time *= 1 + (double)(bytes_of(a) - m->lines * sizeof(uint32_t) * ACL_LINE) / CACHE;
    return err;
}

/* Fewer trees than the first attempt made, each larger: a lookup that goes through fewer may be faster. It
 * ends where memory or work become too much, or would: the next one takes half as much work again as the
 * last.
 * => the best of the attempts in *best. */
static int try_fewer(struct acl_build *b, const struct mark *m, struct acl_vec *items, struct attempt *best)
{
    const unsigned first = b->a->n_trees;
    struct attempt last = *best;
    double time = b->time;
    int err = 0;
    b->work_limit = 3 * b->work + 50 * b->n_items;
    for (unsigned trees = FEWER; trees && !err && b->work + b->work / 2 < b->work_limit; trees--)
        if (trees < first) {
            last = (struct attempt){trees, LAVISH};
            err = try(b, m, &last, items);
            if (!err && b->time < time) {
                time = b->time;
                *best = last;
            }
        }
    b->work_limit = SIZE_MAX;
    return err == -ENOMEM || last.trees == best->trees ? err : try(b, m, best, items);
}

/* The more an attempt may copy boxes the better the trees, but some rules would need too many copies. The
 * last one makes none. */
int acl_trees_make(struct acl_build *b)
{
    static const double copies[] = {LAVISH, 24, 4, 0};
    const struct mark m = {b->a->n_lines, b->a->n_indexes, b->a->n_boxes};
    struct acl_vec items = {.n = 0};
    struct attempt how = {.trees = ACL_TREES};
    int err = acl_vec_room(&items, b->n_items + 1) ? -ENOMEM : -E2BIG;
    b->limit = bytes_of(b->a) + BASE + PER_ITEM * b->n_items + PER_RANGE * b->lists.word.n;
    b->work_limit = WORK * (b->n_items + 1000) + WORK / 32 * b->lists.word.n;
    for (unsigned i = 0; err == -E2BIG && i < sizeof copies / sizeof *copies; i++) {
        how.copies = copies[i];
        if (how.copies < 1)
            b->limit = b->work_limit = SIZE_MAX;
        err = try(b, &m, &how, &items);
    }
    if (!err && how.copies >= LAVISH)
        err = try_fewer(b, &m, &items, &how);
    acl_vec_free(&items);
    return err;
}
