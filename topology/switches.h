/* switches.h - the model's switches (scenario contract, section 6) by number, and each turned the other way:
 * an answer depends on a switch if the same question has another answer then. */
#ifndef VNETSIM_TOPOLOGY_SWITCHES_H
#define VNETSIM_TOPOLOGY_SWITCHES_H

#include "topology/model.h"

enum switch_id {
    SWITCH_SE_VS_UDR,
    SWITCH_ENDPOINT_RETURN,
    SWITCH_NONE_ROUTES,
    SWITCH_ENDPOINT_POLICIES,
    SWITCH_TAG_INCLUDES_UDR,
    SWITCH_RULE_CHANGE,
    SWITCH_COUNT
};

/* => the name and the rules of a switch, and the word of its value; literals. */
const char *switch_name(enum switch_id id);
const char *switch_rules(enum switch_id id);
const char *switch_value(const struct switches *s, enum switch_id id);

/* => the switches with one of them the other way. */
struct switches switches_other(struct switches s, enum switch_id id);

/* => a model that shares everything with m but the switches; memory from the arena, m must outlive it. */
const struct model *switches_model(struct arena *a, const struct model *m, const struct switches *s);

/* => false: in this state the switch cannot change any answer, as nothing is there that it is about.
 * noneRoutes and ruleChangeKeepsFlows are about traffic and changes, which a model does not show: always
 * true. */
bool switches_concern(const struct model *m, enum switch_id id);

#endif
