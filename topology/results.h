/* results.h - what a run showed: results.json, expectations held against it, and the tables that `run` prints. */
#ifndef VNETSIM_TOPOLOGY_RESULTS_H
#define VNETSIM_TOPOLOGY_RESULTS_H

#include "topology/run.h"

#include <jansson.h>
#include <stdio.h>

struct expect_result {
    const char *of;  /* flow name, or "scenario" */
    const char *key, *want, *got;
    bool ok;
    struct origin at; /* of the expectation */
};

struct results {
    struct arena *arena;
    const struct run *run;
    json_t **flow; /* one object per scenario flow, in order */
    size_t n_flows;
    struct expect_result *expect; /* flows' in flow order, then the scenario's */
    size_t n_expect, cap_expect, failed;
};

/* Gather the results of an executed run, and check its expectations. What a switch decides is found by running again with
 * the switch the other way (depends.h). => never NULL. */
struct results *results_new(const struct run *r);
void results_free(struct results *r);

/* => the whole of results.json (scenario contract, section 4); a new reference. captures: array for "captures", borrowed;
 * NULL: empty. */
json_t *results_json(const struct results *r, json_t *captures);
/* Print a line per flow and what expectations did not hold. */
void results_print(const struct results *r, FILE *to, bool colour);

/* => what the repetitions of a flow have in common, with their counts; a new reference. */
json_t *results_flow(const struct run *r, const struct run_flow *rf);
/* => the keys of one flow instance, as results.json has them; a new reference. */
json_t *results_instance(const struct run *r, uint32_t flow);

/* Does the text or list wanted agree with what came out? Exposed for tests. key: as in `expect`. */
bool expect_holds(const struct model *m, const char *key, const struct node *want, const json_t *flow);

#endif
