/* ids.h - identifiers out of names: stable, and distinct within one run. */
#ifndef VNETSIM_TOPOLOGY_IDS_H
#define VNETSIM_TOPOLOGY_IDS_H

#include <stdint.h>

struct ids;

/* Identifiers from first to last. */
struct ids *ids_new(uint32_t first, uint32_t last);
void ids_free(struct ids *n);
/* => the identifier of a name (without case): a hash of it, moved on to the next free number where another name has
 * that one. So it depends on the name alone, but for collisions, which the order of first use settles. When all are
 * taken names share identifiers. Out of memory ends the process (arena.h). */
uint32_t ids_of(struct ids *n, const char *name);

#endif
