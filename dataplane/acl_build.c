/* acl_build.c - compiles a rule list for the classifier: rules to items (acl_items.c), items to trees
 * (acl_plan.c, acl_tree.c); what comes of it is drawn in acl.c.
 *
 * Order is by rule number and content throughout, never by pointer. Any failing allocation gives up the whole
 * build. Arrays grow by doubling while building and are cut to their size at the end, so that acl_bytes is
 * what is held. */
#include "dataplane/acl_build.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <string.h>

static int start(struct acl_build *b)
{
    struct acl *a = b->a;
    b->cap_indexes = b->cap_boxes = 1;
    a->index = mem_array(1, sizeof *a->index); /* number 0 means none */
    a->box = mem_array(1, sizeof *a->box);
    a->verdict = mem_array(b->n + 1, sizeof *a->verdict);
    if (!a->index || !a->box || !a->verdict)
        return -ENOMEM;
    a->n_indexes = a->n_boxes = 1;
    /* the empty list: no key has this protocol */
    a->box[0] = (struct acl_box){.lo = {0, 0, 0, 0, 0, 0, UINT16_MAX, ACL_LAST}};
    for (size_t i = 0; i < b->n; i++)
        a->verdict[i] = (struct acl_hit){.id = b->rules[i].id, .allow = b->rules[i].allow, .hit = true};
    return 0;
}

static int fit(void *array, size_t size, size_t *cap, size_t n)
{
    void *old;
    memcpy(&old, array, sizeof old);
    void *p = mem_resize(old, *cap * size, n * size);
    if (!p)
        return -ENOMEM;
    memcpy(array, &p, sizeof p);
    *cap = n;
    return 0;
}

/* Lookups read up to three boxes past the last. */
static int end(struct acl_build *b)
{
    struct acl *a = b->a;
    int err = fit(&a->box, sizeof *a->box, &b->cap_boxes, a->n_boxes + 3);
    for (int i = 0; !err && i < 3; i++)
        a->box[a->n_boxes++] = a->box[0];
    if (!err)
        err = fit(&a->line, sizeof *a->line * ACL_LINE, &b->cap_lines, a->n_lines);
    if (!err)
        err = fit(&a->ref, sizeof *a->ref, &b->cap_refs, a->n_refs);
    return err ? err : fit(&a->index, sizeof *a->index, &b->cap_indexes, a->n_indexes);
}

static int trees(struct acl_build *b)
{
    size_t most = 0;
    for (unsigned d = 0; d < ACL_DIMS; d++)
        most = b->values[d].end.n > most ? b->values[d].end.n : most;
    b->stamp = mem_array(most, sizeof *b->stamp);
    int err = b->stamp ? acl_trees_make(b) : -ENOMEM;
    mem_free(b->stamp, most * sizeof *b->stamp);
    return err;
}

static void clean(struct acl_build *b)
{
    acl_pool_free(&b->arrays);
    acl_pool_free(&b->lists);
    acl_pool_free(&b->leaves);
    for (unsigned d = 0; d < ACL_DIMS; d++)
        acl_pool_free(&b->values[d]);
    acl_vec_free(&b->array_list);
    acl_vec_free(&b->list_set);
    acl_vec_free(&b->leaf_ref);
    acl_vec_free(&b->scratch);
    mem_free(b->item, b->cap_items * sizeof *b->item);
}

static void drop(struct acl *a, size_t lines, size_t refs, size_t indexes, size_t boxes)
{
    mem_free(a->line, lines * ACL_LINE * sizeof *a->line);
    mem_free(a->ref, refs * sizeof *a->ref);
    mem_free(a->index, indexes * sizeof *a->index);
    mem_free(a->box, boxes * sizeof *a->box);
    mem_free(a->verdict, (a->n + 1) * sizeof *a->verdict);
    mem_free(a->set, a->n * sizeof *a->set);
    mem_free(a, sizeof *a);
}

struct acl *acl_build(const struct acl_rule *rules, size_t n)
{
    struct acl *a = n < ACL_RULES_MAX ? mem_alloc(sizeof *a) : NULL;
    struct acl_build b = {.a = a, .rules = rules, .n = n, .limit = SIZE_MAX};
    if (!a)
        return NULL;
    a->n = n;
    a->variant = acl_best();
    int err = start(&b);
    if (!err)
        err = acl_items_make(&b);
    if (!err)
        err = trees(&b);
    if (!err)
        err = end(&b);
    clean(&b);
    if (!err)
        return a;
    drop(a, b.cap_lines, b.cap_refs, b.cap_indexes, b.cap_boxes);
    return NULL;
}

void acl_free(struct acl *a)
{
    if (a)
        drop(a, a->n_lines, a->n_refs, a->n_indexes, a->n_boxes);
}

size_t acl_bytes(const struct acl *a)
{
    return sizeof *a + a->n_lines * ACL_LINE * sizeof *a->line + a->n_refs * sizeof *a->ref +
           a->n_indexes * sizeof *a->index + a->n_boxes * sizeof *a->box + (a->n + 1) * sizeof *a->verdict +
           (a->set ? a->n * sizeof *a->set : 0);
}
