/* depends.h - which results of a run depend on a switch (scenario contract, section 6). The run is made again
 * with each switch the other way, and what flows show is compared: no guess from the code that was passed. */
#ifndef VNETSIM_TOPOLOGY_DEPENDS_H
#define VNETSIM_TOPOLOGY_DEPENDS_H

#include "topology/results.h"

/* Give each flow that depends on a switch a list under "dependsOn": {"switch", "value" (the run's), "rules",
 * "other" (the other value), "otherwise": {the keys that differ, as they are with it; null: absent}}. flow:
 * one object per flow of the run, as results_flow makes them. */
void depends_add(const struct run *r, json_t *const *flow, size_t n);

/* Print a line for each switch that the flow depends on; flow: an object that depends_add has seen. */
void depends_print(FILE *to, const json_t *flow);

#endif
