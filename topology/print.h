/* print.h - the canonical tree behind scenario_print: seen by print.c and tests. */
#ifndef VNETSIM_TOPOLOGY_PRINT_H
#define VNETSIM_TOPOLOGY_PRINT_H

#include "topology/node.h"

/* => the document in canonical form: keys in schema order, values in canonical spelling, defaults left out. The document
 * must be one that loads without errors. Owned by a, sharing nothing. */
struct node *print_canonical(struct arena *a, const struct node *document);

#endif
