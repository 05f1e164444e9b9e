/* support_prop.h - seeds of property tests: VNETSIM_SEED=number repeats a run. */
#ifndef VNETSIM_TESTS_SUPPORT_PROP_H
#define VNETSIM_TESTS_SUPPORT_PROP_H

#include "dataplane/rng.h"

/* Seed r with the run's seed (VNETSIM_SEED, else 1) and a label, and print both on standard error. */
void prop_seed(struct rng *r, const char *label);

#endif
