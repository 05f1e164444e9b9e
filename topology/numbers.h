/* numbers.h - names to small numbers that never change: data-plane ports, networks, subnets over all states of a run. */
#ifndef VNETSIM_TOPOLOGY_NUMBERS_H
#define VNETSIM_TOPOLOGY_NUMBERS_H

#include <stdint.h>

struct numbers;

/* Numbers are handed out from first upwards, in the order of first use. */
struct numbers *numbers_new(uint32_t first);
void numbers_free(struct numbers *n);
/* => the number of a name (without case), a new one if it is new. Out of memory ends the process (arena.h). */
uint32_t numbers_of(struct numbers *n, const char *name);
/* => the name as first given; NULL for a number not handed out. Owned by n. */
const char *numbers_name(const struct numbers *n, uint32_t number);
/* => one more than the highest number handed out. */
uint32_t numbers_end(const struct numbers *n);

#endif
