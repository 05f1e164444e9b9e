/* support_prop.c - see support_prop.h. */
#include "tests/support_prop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void prop_seed(struct rng *r, const char *label)
{
    const char *env = getenv("VNETSIM_SEED");
    uint64_t seed = env && *env ? strtoull(env, NULL, 0) : 1;
    fprintf(stderr, "property %s: VNETSIM_SEED=%" PRIu64 "\n", label, seed);
    rng_seed(r, seed, label);
}
