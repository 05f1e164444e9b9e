/* bind_plan.c - the binder's first pass: every list at its final size, every name entered. Design essay:
 * bind.c. */
#include "topology/bind_int.h"

#include <string.h>
#include <strings.h>

const char kind_thing[] = "thing", kind_more[] = "more", kind_bare[] = "bare", kind_alias[] = "alias";

struct resource { /* what every struct with RESOURCE begins with */
    RESOURCE
};

#define POKE(obj, S, member, v) (memcpy((char *)(obj) + offsetof(struct S, member), &(v), sizeof(v)))

const struct node *bind_value_of(const struct node *map, const char *key)
{
    const struct node *v = node_get(map, key);
    return node_is_null(v) ? NULL : v;
}

const char *bind_text_of(const struct node *map, const char *key)
{
    const struct node *v = bind_value_of(map, key);
    return v && v->kind == NODE_SCALAR ? v->text : NULL;
}

static size_t count_maps(const struct node *seq)
{
    size_t n = 0;
    for (size_t i = 0; i < seq->n; i++)
        n += seq->item[i]->kind == NODE_MAP;
    return n;
}

static void enter_bare(struct bind *b, const char *name, enum thing_kind kind, void *p, const char *owner,
                       struct origin at)
{
    bool is_new;
    struct reg *e = registry_add(b->m->names, kind_bare, name, p, at, &is_new);
    if (is_new) {
        e->tag = kind;
        return;
    }
    /* a machine's further interfaces are the same machine */
    bool machine = kind == THING_NIC && e->tag == THING_NIC && owner &&
                   strcasecmp(((const struct nic *)e->p)->virtualMachine, owner) == 0;
    e->ambiguous |= !machine;
}

static enum thing_kind thing_of(const struct table *t)
{
    return t == &table_nic             ? THING_NIC
           : t == &table_onprem_host   ? THING_ONPREM_HOST
           : t == &table_internet_host ? THING_INTERNET_HOST
           : t == &table_service       ? THING_SERVICE
           : t == &table_endpoint      ? THING_ENDPOINT
           : t == &table_gateway       ? THING_GATEWAY
           : t == &table_frontend      ? THING_LB_FRONTEND
                                       : THING_NONE;
}

/* Enter a thing into the name space of from, to and via. */
static void enter_thing(struct bind *b, const struct table *t, const struct node *map, const char *path,
                        void *p, struct origin at)
{
    bool is_new;
    struct reg *e = registry_add(b->m->names, t->thing ? kind_thing : kind_more, path, p, at, &is_new);
    if (is_new) {
        e->tag = thing_of(t);
    } else if (t->thing && e->tag != (int)thing_of(t)) {
        diag_error(
            b->d, at,
            "the name '%s' of this %s is taken: interfaces, hosts, services and private endpoints share "
            "one name space",
            path, t->what);
        diag_note(b->d, e->at, "it is here already");
    }
    const char *machine = t == &table_nic ? bind_text_of(map, "virtualMachine") : NULL;
    if (machine) {
        ((struct nic *)p)->virtualMachine =
            machine; /* the entry compares it before the second pass sets it */
        enter_bare(b, machine, THING_NIC, p, machine, at);
    }
    if (t == &table_onprem_host || t == &table_frontend)
        enter_bare(b, strrchr(path, '/') + 1, thing_of(t), p, NULL, at);
}

/* Enter an element under its full path. => the path, or NULL where it has none. */
static const char *enter(struct bind *b, const struct table *t, const struct node *map, void *elem,
                         const char *parent)
{
    const char *name = t->identity ? bind_text_of(map, t->identity) : NULL;
    if (!name || !*name || !parent)
        return NULL;
    const char *path = *parent ? arena_printf(b->a, "%s/%s", parent, name) : name;
    if (t->repeats)
        return path;
    struct origin at = node_get(map, t->identity)->at;
    bool is_new;
    const struct reg *e = registry_add(b->m->names, t, path, elem, at, &is_new);
    if (!is_new) {
        diag_error(b->d, at, "duplicate %s '%s'", t->what, name);
        diag_note(b->d, e->at, "it is here already");
        return path;
    }
    if (t == &table_onprem_host)
        ((struct onprem_host *)elem)->path = path;
    if (t == &table_frontend)
        ((struct lb_frontend *)elem)->path = path;
    if (thing_of(t) != THING_NONE)
        enter_thing(b, t, map, path, elem, at);
    return path;
}

static void plan_element(struct bind *b, const struct table *t, const struct node *map, void *elem,
                         uint32_t index, void *parent, const char *parent_path)
{
    if (t->resource) {
        const char *name = t->identity ? bind_text_of(map, t->identity) : NULL;
        if (!name)
            name = "";
        POKE(elem, resource, name, name);
        POKE(elem, resource, at, map->at);
        POKE(elem, resource, node, map);
        POKE(elem, resource, index, index);
    }
    if (t->at)
        memcpy((char *)elem + t->at - 1, &map->at, sizeof map->at);
    if (t->node)
        memcpy((char *)elem + t->node - 1, &map, sizeof map);
    if (t->parent)
        memcpy((char *)elem + t->parent - 1, &parent, sizeof parent);
    plan_map(b, t, map, elem, enter(b, t, map, elem, parent_path));
}

static void plan_list(struct bind *b, const struct table *t, const struct node *seq, struct list *l,
                      void *parent, const char *path)
{
    l->n = count_maps(seq);
    l->at = arena_array(b->a, l->n, t->size);
    uint32_t k = 0;
    for (size_t i = 0; i < seq->n; i++) {
        if (seq->item[i]->kind != NODE_MAP)
            continue;
        plan_element(b, t, seq->item[i], (char *)l->at + k * t->size, k, parent, path);
        k++;
    }
}

void plan_map(struct bind *b, const struct table *t, const struct node *map, void *obj, const char *path)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct field *f = &t->field[i];
        const struct node *v = f->kind == K_STRUCT && f->size ? bind_value_of(map, f->key) : NULL;
        if (!v)
            continue;
        if (!f->list && v->kind == NODE_MAP) {
            plan_map(b, f->sub, v, (char *)obj + f->offset, path);
        } else if (f->list && v->kind == NODE_SEQ) {
            struct list l;
            plan_list(b, f->sub, v, &l, obj, path);
            memcpy((char *)obj + f->offset, &l, sizeof l);
        }
    }
}
