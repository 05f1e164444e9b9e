/* bind.h - from document tree to model. Design essay: bind.c. */
#ifndef VNETSIM_TOPOLOGY_BIND_H
#define VNETSIM_TOPOLOGY_BIND_H

#include "topology/diag.h"
#include "topology/model.h"
#include "topology/schema.h"

struct bound {
    struct model *m;         /* never NULL; only to be used where n_bad is 0 and d had no errors */
    const struct node **bad; /* the elements (maps) that could not be bound */
    size_t n_bad, cap_bad;
};

/* Bind a whole file. Everything goes to a; the tree is borrowed and must live as long. tags: what names of
 * service tags are checked against, kept in the model; NULL: not checked. Findings go to d, all of them.
 * Addresses that the file does not give stay 0. */
struct bound bind_model(struct arena *a, const struct node *root, struct tagset *tags, struct diag *d);

/* => a copy of the tree without the elements that could not be bound; unchanged parts are shared. */
struct node *bind_prune(struct arena *a, const struct node *root, const struct bound *bad);

/* Bind one map with a table that refers to nothing else. => whether it has no errors. */
bool bind_map(struct arena *a, const struct table *t, const struct node *map, void *obj, struct diag *d);

/* => a text in the canonical spelling of the row's kind (durations in their largest unit, words as
 * documented); the text itself where the kind has no other spelling or does not take it. Owned by a, or the
 * text. */
const char *bind_canonical(struct arena *a, const struct field *f, const char *text);

/* Pseudo-kinds of names (registry.h): things by full name, gateways and frontends, bare names of children and
 * machines, aliases of private link services. */
extern const char kind_thing[], kind_more[], kind_bare[], kind_alias[];

#endif
