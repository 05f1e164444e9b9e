/* switches.c - see switches.h. */
#include "topology/switches.h"

#include "dataplane/arena.h"

#include <stddef.h>

static const struct {
    const char *name, *rules, *word[2];
    size_t at;
} known[SWITCH_COUNT] = {
    [SWITCH_SE_VS_UDR] = {"seVsUdr",
                          "R-05, R-06",
                          {"documented", "observed"},
                          offsetof(struct switches, seVsUdrObserved)},
    [SWITCH_ENDPOINT_RETURN] = {"privateEndpointReturn",
                                "PE-15, PE-16",
                                {"client", "lastHop"},
                                offsetof(struct switches, privateEndpointReturnLastHop)},
    [SWITCH_NONE_ROUTES] = {"noneRoutes",
                            "Y-03, Y-04",
                            {"documented", "observed"},
                            offsetof(struct switches, noneRoutesObserved)},
    [SWITCH_ENDPOINT_POLICIES] = {"privateEndpointPolicies",
                                  "PE-07, PE-08",
                                  {"current", "2021"},
                                  offsetof(struct switches, privateEndpointPolicies2021)},
    [SWITCH_TAG_INCLUDES_UDR] = {"virtualNetworkTagIncludesUdr",
                                 "G-09",
                                 {"false", "true"},
                                 offsetof(struct switches, virtualNetworkTagIncludesUdr)},
    [SWITCH_RULE_CHANGE] = {"ruleChangeKeepsFlows",
                            "G-06",
                            {"false", "true"},
                            offsetof(struct switches, ruleChangeKeepsFlows)},
};

const char *switch_name(enum switch_id id)
{
    return known[id].name;
}

const char *switch_rules(enum switch_id id)
{
    return known[id].rules;
}

const char *switch_value(const struct switches *s, enum switch_id id)
{
    return known[id].word[*(const bool *)((const char *)s + known[id].at)];
}

struct switches switches_other(struct switches s, enum switch_id id)
{
    bool *value = (bool *)((char *)&s + known[id].at);
    *value = !*value;
    return s;
}

const struct model *switches_model(struct arena *a, const struct model *m, const struct switches *s)
{
    struct model *other = arena_alloc(a, sizeof *other);
    *other = *m;
    other->switches = *s;
    return other;
}

static bool any_subnet(const struct model *m, bool (*has)(const struct subnet *))
{
    for (size_t i = 0; i < m->virtualNetworks.n; i++)
        for (size_t k = 0; k < m->virtualNetworks.at[i].subnets.n; k++)
            if (has(&m->virtualNetworks.at[i].subnets.at[k]))
                return true;
    return false;
}

static bool has_service_endpoint(const struct subnet *s)
{
    return s->serviceEndpoints.n != 0;
}

static bool has_policy(const struct subnet *s)
{
    return s->privateEndpointNetworkPolicies != PENP_DISABLED;
}

bool switches_concern(const struct model *m, enum switch_id id)
{
    switch (id) {
    case SWITCH_SE_VS_UDR:
        return any_subnet(m, has_service_endpoint);
    case SWITCH_ENDPOINT_RETURN:
        return m->privateEndpoints.n != 0;
    case SWITCH_ENDPOINT_POLICIES:
        return m->privateEndpoints.n && any_subnet(m, has_policy);
    case SWITCH_TAG_INCLUDES_UDR:
        return (m->networkSecurityGroups.n || m->networkManagers.n) && m->routeTables.n;
    case SWITCH_NONE_ROUTES:
    case SWITCH_RULE_CHANGE:
    case SWITCH_COUNT:
        break;
    }
    return true;
}
