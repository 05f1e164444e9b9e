/* scenario_fixed.c - the addresses that a file fixes anywhere: no allocation may take one, whenever its
 * resource exists.
 *
 * They are read off the tree, not off a model: an address in a timeline entry belongs to no model yet. A map
 * that names a subnet lends it to the maps inside it (an endpoint to its ipConfigurations); an update that
 * does not name one is about a resource of the file, or of an entry that adds it. */
#include "topology/scenario_int.h"

#include "dataplane/arena.h"

#include <string.h>
#include <strings.h>

struct fixed {
    struct arena *a;
    struct address_fixed *at;
    size_t n, cap;
};

static void add(struct fixed *f, const char *subnet, const struct node *n)
{
    ip4 ip;
    if (!n || n->kind != NODE_SCALAR || ip4_parse(n->text, &ip))
        return;
    struct address_fixed *x = arena_push(f->a, &f->at, &f->n, &f->cap, sizeof *x);
    *x = (struct address_fixed){subnet, ip};
}

static const char *subnet_of(const struct node *map, const char *outer)
{
    const struct node *s = node_get(map, "subnet");
    return s && s->kind == NODE_SCALAR ? s->text : outer;
}

static void collect(struct fixed *f, const struct node *n, const char *subnet)
{
    if (n->kind == NODE_MAP) {
        subnet = subnet_of(n, subnet);
        const struct node *nat = node_get(n, "natIPs");
        add(f, subnet, node_get(n, "privateIPAddress"));
        add(f, NULL, node_get(n, "publicIPAddress"));
        add(f, NULL, node_get(n, "ipAddress"));
        for (size_t i = 0; nat && nat->kind == NODE_SEQ && i < nat->n; i++)
            add(f, subnet, nat->item[i]);
    }
    for (size_t i = 0; n->kind != NODE_SCALAR && i < n->n; i++) {
        if (n->kind == NODE_SEQ || strcmp(n->key[i]->text, "timeline") != 0)
            collect(f, n->item[i], subnet);
    }
}

/* => the subnet of the element of that name among the maps of a list, or NULL. */
static const char *subnet_in(const struct node *list, const char *name)
{
    for (size_t i = 0; list && list->kind == NODE_SEQ && i < list->n; i++) {
        const struct node *n = node_get(list->item[i], "name");
        if (n && n->kind == NODE_SCALAR && strcasecmp(n->text, name) == 0)
            return subnet_of(list->item[i], NULL);
    }
    return NULL;
}

/* The subnet of what an entry changes, "section/name" or "section/name/list/child". */
static const char *target_subnet(const struct scenario *s, struct arena *a, const struct entry *e)
{
    const char *path = e->change.target, *slash = strchr(path, '/');
    if (e->change.kind != CHANGE_UPDATE || !slash)
        return NULL;
    const char *section = arena_strndup(a, path, (size_t)(slash - path)), *name = strrchr(path, '/') + 1;
    const struct node *list = node_get(s->document, section);
    const char *found = subnet_in(list, name);
    for (size_t i = 0; !found && list && list->kind == NODE_SEQ && i < list->n; i++)
        found = subnet_in(node_get(list->item[i], "frontendIPConfigurations"), name);
    for (size_t i = 0; !found && i < s->n_entries; i++) {
        const struct node *with = s->entry[i].with, *n = node_get(with, "name");
        if (s->entry[i].change.kind == CHANGE_ADD && n && n->kind == NODE_SCALAR &&
            strcasecmp(n->text, name) == 0)
            found = subnet_of(with, NULL);
    }
    return found;
}

struct address_prior scenario_fixed(const struct scenario *s)
{
    struct fixed f = {.a = s->a};
    collect(&f, s->document, NULL);
    for (size_t i = 0; i < s->n_entries; i++) {
        if (s->entry[i].with)
            collect(&f, s->entry[i].with, target_subnet(s, s->a, &s->entry[i]));
    }
    return (struct address_prior){f.at, f.n};
}
