/* scenario_int.h - the body of a scenario: seen by scenario*.c and tests. */
#ifndef VNETSIM_TOPOLOGY_SCENARIO_INT_H
#define VNETSIM_TOPOLOGY_SCENARIO_INT_H

#include "topology/address.h"
#include "topology/scenario.h"
#include "topology/timeline.h"

struct state {
    struct arena *arena;
    struct model *model;
    struct node *tree; /* with the addresses allocated so far */
};

struct scenario {
    struct arena *a;
    const char *path;
    struct node *document; /* includes merged, as written */
    struct tagset *tags;
    struct entry *entry; /* in the order in which they happen */
    struct change *change;
    size_t n_entries;
    struct state *state;
    size_t n_states; /* n_entries + 1 */
    struct address_prior fixed;
    struct diag *seen; /* findings passed on so far */
};

/* Check the names in flows, expectations and captures against the states. */
void scenario_check_names(struct scenario *s, struct diag *d);

/* => the addresses that the document and its timeline fix. */
struct address_prior scenario_fixed(const struct scenario *s);

#endif
