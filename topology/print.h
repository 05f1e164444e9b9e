/* print.h - documents in canonical form. Design essay: print.c. */
#ifndef VNETSIM_TOPOLOGY_PRINT_H
#define VNETSIM_TOPOLOGY_PRINT_H

#include <stdio.h>

#include "topology/node.h"

/* => the document in canonical form: keys in schema order, values in canonical spelling, defaults left out.
 * The document must be one that loads without errors. Owned by a, sharing nothing. */
struct node *print_canonical(struct arena *a, const struct node *document);

/* Write such a document in canonical form. => 0, or a negative errno (the stream is flushed and checked). */
int print_document(const struct node *root, FILE *to);

#endif
