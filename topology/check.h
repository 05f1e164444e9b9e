/* check.h - what is wrong with one state of a scenario, beyond what binding it has already found. Essay:
 * check.c. */
#ifndef VNETSIM_TOPOLOGY_CHECK_H
#define VNETSIM_TOPOLOGY_CHECK_H

#include "topology/diag.h"
#include "topology/model.h"

/* Check a model that is bound and has its addresses (address_assign). Findings go to d, at the place of the
 * key or list item that is wrong, with the rule's number and, where one is near, a suggestion: errors for
 * what Azure would not accept or would contradict itself, warnings for what it accepts and what does not do
 * what it says (limits of section "Limits" of RULES.md, one-sided peerings, addresses that no
 * service-endpoint row covers). Resources with references that did not resolve (NULL) are tolerated and
 * skipped. Not errors, by the contract: on-premises prefixes that are 0.0.0.0/0 or lie inside virtual
 * networks, and overlap of networks that are not peered. */
void model_check(const struct model *m, struct diag *d);

/* Warn where a flow goes out to TCP port 25 of the Internet and the file does not say whether the sender's
 * subscription may (G-15). m: checked without errors, in the state at the flow's time. */
void model_check_smtp(const struct model *m, const struct flow *f, struct diag *d);

#endif
