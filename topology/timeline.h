/* timeline.h - one change applied to a document tree. Design essay: timeline.c. */
#ifndef VNETSIM_TOPOLOGY_TIMELINE_H
#define VNETSIM_TOPOLOGY_TIMELINE_H

#include "topology/diag.h"
#include "topology/scenario.h"
#include "topology/schema.h"

struct entry {                      /* a timeline entry as the file has it */
    size_t order;                   /* in the file */
    const struct node *node, *with; /* with: NULL where absent */
    struct change change;
};

/* Read one entry: kind, target, time, summary. => false after an error. */
bool timeline_read(struct arena *a, const struct node *map, struct entry *e, struct diag *d);

/* Apply an entry to the tree of a state; before is that state's model (owner's actions look the connection's
 * state up).
 * => the next tree, sharing what did not change; the same tree where Azure refuses the action
 * (e->change.refused is set then); NULL after an error. Errors carry the entry's place. */
struct node *timeline_apply(struct arena *a, struct node *root, const struct model *before, struct entry *e,
                            struct diag *d);

/* Write the addresses that were allocated in a model into its tree, marked as derived, so that resources keep
 * them in the states that follow. => the tree, or a changed copy. */
struct node *timeline_keep(struct arena *a, struct node *root, const struct model *m);

#endif
