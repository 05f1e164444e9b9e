/* registry.h - a registry of names that compare without case, one name space per kind. */
#ifndef VNETSIM_TOPOLOGY_REGISTRY_H
#define VNETSIM_TOPOLOGY_REGISTRY_H

#include <stdbool.h>

#include "topology/node.h"

struct registry;

struct reg {
    const char *text; /* as first written */
    void *p;          /* what it names */
    struct origin at;
    int tag;        /* the caller's */
    bool ambiguous; /* the caller's: several things have it */
};

/* => a new registry, owned by a. */
struct registry *registry_new(struct arena *a);

/* Add a name of a kind (any address serves as kind, only equality counts). text is borrowed.
 * => the new entry, *is_new true; or the entry that has the name already, unchanged. */
struct reg *registry_add(struct registry *r, const void *kind, const char *text, void *p, struct origin at,
                         bool *is_new);
/* => the entry, or NULL. */
struct reg *registry_find(const struct registry *r, const void *kind, const char *text);
/* => the nearest name of the kind, or NULL; the first added wins ties. Linear; a registry stops suggesting
 * after some tens of millions of characters compared, so that a file full of wrong names still fails quickly.
 */
const char *registry_suggest(struct registry *r, const void *kind, const char *text);

#endif
