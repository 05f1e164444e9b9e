/* bind.c - from document tree to model: see bind.h.
 *
 * Two passes over the same tables. The first (bind_plan.c) lays out every list at its final size, so that
 * elements have addresses, and enters their names; the second (fill) reads the keys, resolves references to
 * those addresses and calls each table's finish function. Order in the file therefore never matters, and a
 * reference may point forwards.
 *
 * Nothing stops at an error. An element that could not be bound whole is remembered as bad, but keeps its
 * place and its name: a reference to it resolves, and no second message follows from the first. What comes
 * after binding (allocation, checks) must not meet half an element; it runs on a model bound again from the
 * tree without the bad elements (bind_prune), without repeating messages.
 *
 * Members are written through memcpy at the row's offset; a LIST of any type is {pointer, count}.
 *
 * Costs: linear in the tree, one hash lookup per name and reference. */
#include "topology/bind_int.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct top { /* what every struct with TOP_LEVEL begins with */
    TOP_LEVEL
};

#define POKE(obj, S, member, v) (memcpy((char *)(obj) + offsetof(struct S, member), &(v), sizeof(v)))
#define PEEK(obj, S, member, v) (memcpy(&(v), (const char *)(obj) + offsetof(struct S, member), sizeof(v)))

/* The element that is being bound will not be whole. */
static void spoil(struct bind *b)
{
    for (struct frame *f = b->frame; f; f = f->up) {
        f->failed = true;
        if (f->element)
            break;
    }
}

void bind_fail(struct bind *b, struct origin at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    diag_error(b->d, at, "%s", arena_vprintf(b->a, fmt, ap));
    va_end(ap);
    spoil(b);
}

/* -- second pass: values --------------------------------------------------------------------------------- */

static void fill_map(struct bind *b, struct frame *fr);

static bool is_scalar(struct bind *b, const struct field *f, const struct node *n)
{
    if (n->kind == NODE_SCALAR)
        return true;
    bind_fail(b, n->at, "'%s' takes single values, not a %s", f->key, n->kind == NODE_MAP ? "map" : "list");
    return false;
}

/* Read one value into a member or a list element. => false after an error. */
static bool fill_value(struct bind *b, const struct field *f, const struct node *n, void *to, size_t size)
{
    if (!is_scalar(b, f, n))
        return false;
    if (f->kind == K_REF) {
        void *p = b->m ? ref_resolve(b, f, n) : NULL;
        memcpy(to, &p, sizeof p);
        return p != NULL;
    }
    if (f->kind == K_TARGET) {
        ref_target(b, n);
        return true;
    }
    int rc = value_read(b, f, n->text, to, size);
    if (rc)
        value_complain(b, f, n, rc);
    else if (f->kind == K_ADDRESS)
        memcpy((char *)to + offsetof(struct address_match, at), &n->at, sizeof n->at);
    return rc == 0;
}

/* Append the values of items to the list at to (NULL: only check them). */
static void fill_list(struct bind *b, const struct field *f, struct node *const *item, size_t n, void *to)
{
    size_t size = value_size(f);
    struct list old = {0};
    if (to)
        memcpy(&old, to, sizeof old);
    struct list l = {arena_array(b->a, old.n + n, size), old.n};
    if (old.n)
        memcpy(l.at, old.at, old.n * size);
    for (size_t i = 0; i < n; i++)
        l.n += fill_value(b, f, item[i], (char *)l.at + l.n * size, size);
    if (to)
        memcpy(to, &l, sizeof l);
}

static void fill_element(struct bind *b, const struct field *f, const struct node *map, void *elem)
{
    struct frame *up = b->frame, fr = {.t = f->sub, .map = map, .obj = elem, .up = up, .element = true};
    const char *name = f->sub->identity ? bind_text_of(map, f->sub->identity) : NULL;
    if (name && up->path)
        fr.path = *up->path ? arena_printf(b->a, "%s/%s", up->path, name) : name;
    fill_map(b, &fr);
    if (fr.failed) {
        const struct node **slot =
            arena_push(b->a, &b->out.bad, &b->out.n_bad, &b->out.cap_bad, sizeof *slot);
        *slot = map;
    }
}

static void fill_elements(struct bind *b, const struct field *f, const struct node *seq, void *to)
{
    struct list l = {0};
    if (to)
        memcpy(&l, to, sizeof l);
    size_t k = 0;
    for (size_t i = 0; i < seq->n; i++) {
        const struct node *n = seq->item[i];
        if (n->kind != NODE_MAP) {
            bind_fail(b, n->at, "'%s' is a list of maps; this is a %s", f->key,
                      n->kind == NODE_SEQ ? "list" : "text");
            continue;
        }
        fill_element(b, f, n, to ? (char *)l.at + k * f->sub->size : arena_alloc(b->a, f->sub->size));
        k++;
    }
}

static void fill_struct(struct bind *b, const struct field *f, const struct node *map, void *to)
{
    struct frame *up = b->frame, fr = {.t = f->sub, .map = map, .obj = to, .path = up->path, .up = up};
    fill_map(b, &fr);
    up->failed |= fr.failed;
}

static void fill_pairs(struct bind *b, const struct field *f, const struct node *map, void *to)
{
    struct tag_pair *p = arena_array(b->a, map->n, sizeof *p);
    struct list l = {p, 0};
    for (size_t i = 0; i < map->n; i++) {
        if (strlen(map->key[i]->text) > 512)
            bind_fail(b, map->key[i]->at, "a key of '%s' is longer than 512 characters", f->key);
        else if (is_scalar(b, f, map->item[i]))
            p[l.n++] = (struct tag_pair){map->key[i]->text, map->item[i]->text};
    }
    memcpy(to, &l, sizeof l);
}

static void check_counts(struct bind *b, const struct node *map)
{
    const struct field number = {.key = "counts", .kind = K_NUMBER};
    uint64_t v;
    for (size_t i = 0; i < map->n; i++) {
        if (verdict_from_word(map->key[i]->text) == VERDICT_NONE)
            bind_fail(b, map->key[i]->at, "unknown verdict '%s' in 'counts'", map->key[i]->text);
        fill_value(b, &number, map->item[i], &v, sizeof v);
    }
}

static void fill_default(struct bind *b, const struct field *f, void *to)
{
    if (!f->list) {
        value_read(b, f, f->def, to, f->size);
        return;
    }
    struct node *one = node_scalar(b->a, (struct origin){0}, f->def);
    fill_list(b, f, &one, 1, to);
}

/* => whether an unknown key of the map was probably meant to be this one: that has been said. */
static bool misspelt(const struct table *t, const struct node *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++) {
        const char *k = map->key[i]->text, *near = table_field(t, k) ? NULL : table_suggest(t, k, false);
        if (near && strcmp(near, key) == 0)
            return true;
    }
    return false;
}

void bind_lacks(struct bind *b, const char *key)
{
    const struct frame *fr = b->frame;
    const char *name = fr->t->identity ? bind_text_of(fr->map, fr->t->identity) : NULL;
    if (misspelt(fr->t, fr->map, key))
        spoil(b);
    else
        bind_fail(b, fr->map->at, "%s%s%s%s lacks '%s'", fr->t->what, name ? " '" : "", name ? name : "",
                  name ? "'" : "", key);
}

static void fill_missing(struct bind *b, struct frame *fr, const struct field *f, void *to)
{
    if (f->required && fr->map) {
        bind_lacks(b, f->key);
    } else if (f->kind == K_STRUCT && !f->list && to) {
        fill_struct(b, f, NULL, to);
    } else if (f->def && to) {
        fill_default(b, f, to);
    }
}

/* => whether the node has the shape that the row wants; complains otherwise. */
static bool has_shape(struct bind *b, const struct field *f, const struct node *v)
{
    bool map =
        !f->list && (f->kind == K_STRUCT || f->kind == K_PAIRS || f->kind == K_COUNTS || f->kind == K_EXPECT);
    if (f->list && v->kind != NODE_SEQ)
        bind_fail(b, v->at, "'%s' must be a list", f->key);
    else if (map && v->kind != NODE_MAP)
        bind_fail(b, v->at, "'%s' must be a map", f->key);
    else
        return true;
    return false;
}

static void fill_one(struct bind *b, const struct field *f, const struct node *v, void *to)
{
    struct node *const item[] = {(struct node *)(uintptr_t)v};
    uint64_t scratch[8];
    if (f->list && to) {
        struct list l;
        memcpy(&l, to, sizeof l);
        if (l.n && f->kind != K_STRUCT && v->n) {
            bind_fail(b, v->at, "'%s' is given in the singular and in the plural", f->key);
            return;
        }
    }
    if (f->kind == K_STRUCT && f->list)
        fill_elements(b, f, v, to);
    else if (f->kind == K_STRUCT)
        fill_struct(b, f, v, to);
    else if (f->kind == K_PAIRS)
        fill_pairs(b, f, v, to);
    else if (f->kind == K_COUNTS)
        check_counts(b, v);
    else if (f->list)
        fill_list(b, f, v->item, v->n, to);
    else if (f->one)
        fill_list(b, f, item, 1, to);
    else
        fill_value(b, f, v, to ? to : scratch, to ? f->size : 0);
}

static void fill_expect(struct bind *b, const struct field *f, const struct node *v, void *to)
{
    struct flow_expect e = {.present = true, .node = v};
    memcpy(to, &e, sizeof e);
    fill_struct(b, f, v, NULL);
}

static void fill_field(struct bind *b, struct frame *fr, const struct field *f)
{
    const struct node *v = bind_value_of(fr->map, f->key);
    void *to = fr->obj && f->size ? (char *)fr->obj + f->offset : NULL;
    if (f->kind == K_ANY || f->synonym)
        return;
    if (!v) {
        fill_missing(b, fr, f, to);
        return;
    }
    if (!has_shape(b, f, v))
        return;
    if (f->given && fr->obj)
        *((bool *)fr->obj + f->given - 1) = true;
    if (f->kind == K_EXPECT)
        fill_expect(b, f, v, to);
    else
        fill_one(b, f, v, to);
}

static void unknown_keys(struct bind *b, const struct frame *fr)
{
    for (size_t i = 0; i < fr->map->n; i++) {
        const struct node *k = fr->map->key[i];
        if (table_field(fr->t, k->text))
            continue;
        const char *near = table_suggest(fr->t, k->text, false);
        if (near)
            diag_error(b->d, k->at, "unknown key '%s'; did you mean '%s'?", k->text, near);
        else
            diag_error(b->d, k->at, "unknown key '%s' in this %s", k->text, fr->t->what);
    }
}

static void inherit(struct bind *b, void *obj)
{
    const struct model *m = b->m;
    const char *v;
#define DEFAULT(member)                                                                                      \
    PEEK(obj, top, member, v);                                                                               \
    if (!v)                                                                                                  \
    POKE(obj, top, member, m->member)
    DEFAULT(location);
    DEFAULT(subscription);
    DEFAULT(resourceGroup);
    DEFAULT(tenant);
#undef DEFAULT
}

static void fill_map(struct bind *b, struct frame *fr)
{
    b->frame = fr;
    if (fr->map)
        unknown_keys(b, fr);
    for (size_t i = 0; i < fr->t->n; i++)
        fill_field(b, fr, &fr->t->field[i]);
    if (fr->map && fr->t->finish && fr->obj)
        fr->t->finish(b, fr->obj, fr->map);
    if (fr->t->top)
        inherit(b, fr->obj);
    b->frame = fr->up;
}

/* -- entry points ---------------------------------------------------------------------------------------- */

struct bound bind_model(struct arena *a, const struct node *root, struct tagset *tags, struct diag *d)
{
    struct bind b = {.a = a, .d = d, .m = arena_alloc(a, sizeof *b.m)};
    b.m->arena = a;
    b.m->tags = tags;
    b.m->names = registry_new(a);
    struct frame fr = {.t = &table_root, .map = root, .obj = b.m, .path = ""};
    if (root->kind != NODE_MAP) {
        diag_error(d, root->at, "a scenario is a map of keys, beginning with 'scenario'");
    } else {
        plan_map(&b, &table_root, root, b.m, "");
        fill_map(&b, &fr);
    }
    b.out.m = b.m;
    return b.out;
}

bool bind_map(struct arena *a, const struct table *t, const struct node *map, void *obj, struct diag *d)
{
    size_t before = d->errors;
    struct bind b = {.a = a, .d = d};
    struct frame fr = {.t = t, .map = map, .obj = obj, .path = ""};
    if (map->kind == NODE_MAP)
        fill_map(&b, &fr);
    else
        diag_error(d, map->at, "a %s is a map of keys", t->what);
    return d->errors == before;
}

static int pointer_cmp(const void *x, const void *y)
{
    const char *const *a = x, *const *b = y;
    return *a < *b ? -1 : *a > *b;
}

static bool is_bad(const struct bound *bad, const struct node *n)
{
    return bad->n_bad && bsearch(&n, bad->bad, bad->n_bad, sizeof *bad->bad, pointer_cmp);
}

static struct node *prune(struct arena *a, const struct node *n, const struct bound *bad)
{
    if (n->kind == NODE_SCALAR)
        return (struct node *)(uintptr_t)n;
    struct node *c = node_list(a, n->kind, n->at, n->n);
    c->n = 0;
    for (size_t i = 0; i < n->n; i++) {
        if (is_bad(bad, n->item[i]))
            continue;
        if (n->kind == NODE_MAP)
            c->key[c->n] = n->key[i];
        c->item[c->n++] = prune(a, n->item[i], bad);
    }
    return c;
}

struct node *bind_prune(struct arena *a, const struct node *root, const struct bound *bad)
{
    qsort(bad->bad, bad->n_bad, sizeof *bad->bad, pointer_cmp); /* for membership only */
    return prune(a, root, bad);
}
