/* explain.h - a data-plane trace in words: which object of the scenario decided, and where it is defined. */
#ifndef VNETSIM_TOPOLOGY_EXPLAIN_H
#define VNETSIM_TOPOLOGY_EXPLAIN_H

#include "dataplane/trace.h"
#include "topology/compile.h"

#include <stdio.h>

/* => one step as a phrase: "route 10.0.2.5/32 InterfaceEndpoint (Default)", "subnet security group clients-nsg: rule
 * DenyAllOutBound denies: dropped, NsgDeny". Owned by a. c must be the image of the trace's epoch. */
const char *explain_step(struct arena *a, const struct compiled *c, const struct trace *t, const struct trace_step *s);

/* => the whole trace in one line, as packet comments carry it: "outbound: …; …; to acr-pe". Owned by a. */
const char *explain_line(struct arena *a, const struct compiled *c, const struct trace *t);

/* Print the trace for people, a line a step, with what lost and the scenario line that caused it. dst: the packet's
 * destination when the route was looked up. */
void explain_print(FILE *to, const struct compiled *c, const struct trace *t, ip4 dst);

/* The row and the matched prefix, the rule, behind a lookup; NULL where there is none. */
const struct eff_route *explain_route(const struct compiled *c, uint32_t table, uint32_t nexthop);
const struct eff_rule *explain_rule(const struct compiled *c, uint32_t acl, uint32_t id);
/* => of a route step: why a mesh does not lead to dst, as connected_absent says it, where no row into a network won. */
const char *explain_absent(struct arena *a, const struct compiled *c, const struct trace_step *s, ip4 dst);
/* => whether the step is the answer of a list of rules: the network manager's, or a group's. */
bool explain_is_rules(const struct trace_step *s);

#endif
