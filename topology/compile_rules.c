/* compile_rules.c - effective security rules become rule sets. */
#include "topology/compile_int.h"

static struct acl_rule acl_rule_of(struct work *w, const struct eff_rule *r, bool any_source_port)
{
    struct acl_rule out = {.src = r->source.set.at,
                           .n_src = r->source.set.n,
                           .dst = r->destination.set.at,
                           .n_dst = r->destination.set.n,
                           .proto = r->protocol,
                           .allow = r->access != ACCESS_DENY,
                           .id = r->index};
    const struct eff_side *side[2] = {&r->source, &r->destination};
    const struct acl_range **range[2] = {&out.sport, &out.dport};
    size_t *n[2] = {&out.n_sport, &out.n_dport};
    for (int i = any_source_port ? 1 : 0; i < 2; i++) {
        struct acl_range *at = arena_array(w->c->arena, side[i]->n_port, sizeof *at);
        for (size_t k = 0; k < side[i]->n_port; k++)
            at[k] = (struct acl_range){side[i]->port[k].first, side[i]->port[k].last};
        *range[i] = at;
        *n[i] = side[i]->n_port;
    }
    if (out.n_src == 0 ||
        out.n_dst == 0) /* an empty tag or group matches nothing; an empty list would mean anything */
        out.id = NONE32;
    return out;
}

/* In front of the others, what an outbound group says about the platform's addresses, so that no other rule
 * is asked. */
static size_t agent_rules(struct work *w, const struct eff_rules *rules, struct acl_rule *list)
{
    static const struct prefix4 agent[] = {{IP4_PLATFORM, 32}, {IP4_IMDS, 32}};
    size_t n = 0;
    for (size_t k = 0; k < 2; k++) {
        const struct eff_rules *r = rules_for_agent(w->c->arena, rules, agent[k].addr);
        for (size_t i = 0; i < r->n; i++) {
            list[n] = acl_rule_of(w, &r->rule[i], false);
            list[n].dst = &agent[k];
            list[n].n_dst = 1;
            if (i + 1 == r->n) { /* the default: from whatever source */
                list[n].n_src = 0;
                list[n].id = r->rule[i].index;
            }
            n += list[n].id != NONE32;
        }
    }
    return n;
}

/* Make a rule set of n rules, known as rules from now on. => its index. */
static uint32_t acl_add(struct work *w, const struct eff_rules *rules, const struct acl_rule *list, size_t n)
{
    struct image_acl *a = arena_push(w->img->arena, &w->img->acl, &w->img->n_acls, &w->cap_acls, sizeof *a);
    if (w->img->reference)
        a->ref = acl_ref_build(list, n);
    else
        a->acl = acl_build(list, n);
    if (!a->ref && !a->acl)
        arena_oom("rule set");
    *(const struct eff_rules **)arena_push(w->c->arena, &w->c->acl, &w->n_acl_notes, &w->cap_acl_notes,
                                           sizeof rules) = rules;
    return (uint32_t)w->img->n_acls - 1;
}

static uint32_t acl_known(const struct work *w, const struct nsg *nsg, const struct subnet *s,
                          enum direction d)
{
    for (size_t i = 0; i < w->img->n_acls; i++)
        if (w->c->acl[i]->nsg == nsg && w->c->acl[i]->view.subnet == s && w->c->acl[i]->direction == d)
            return (uint32_t)i;
    return NONE32;
}

uint32_t compile_acl(struct work *w, const struct nsg *nsg, const struct subnet *s, enum direction d,
                     bool endpoint)
{
    const uint32_t known = nsg && !endpoint ? acl_known(w, nsg, s, d) : NONE32;
    if (!nsg || known != NONE32)
        return known;
    const struct eff_rules *rules =
        rules_effective(w->c->arena, w->m, nsg, (struct route_view){s->vnet, s}, d);
    struct acl_rule *list = arena_array(w->c->arena, 3 * rules->n + 2, sizeof *list);
    bool platform = false;
    for (size_t i = 0; i < rules->n; i++)
        platform |= rules_touch_platform(&rules->rule[i], PLATFORM_DNS) ||
                    rules_touch_platform(&rules->rule[i], PLATFORM_IMDS);
    size_t n = platform && d == DIR_OUTBOUND ? agent_rules(w, rules, list) : 0;
    for (size_t i = 0; i < rules->n; i++) {
        list[n] = acl_rule_of(w, &rules->rule[i], endpoint);
        n += list[n].id != NONE32;
    }
    const uint32_t made = acl_add(w, rules, list, n);
    w->img->acl[made].platform = platform;
    return made;
}

uint32_t compile_admin(struct work *w, const struct subnet *s, enum direction d)
{
    const uint32_t known = w->m->networkManagers.n ? acl_known(w, NULL, s, d) : NONE32;
    if (known != NONE32)
        return known;
    const struct eff_rules *rules = rules_admin(w->c->arena, w->m, (struct route_view){s->vnet, s}, d);
    if (!rules)
        return NONE32;
    struct acl_rule *list = arena_array(w->c->arena, rules->n, sizeof *list);
    bool *ends = arena_array(w->img->arena, rules->n, sizeof *ends);
    size_t n = 0;
    for (size_t i = 0; i < rules->n; i++) {
        ends[i] = rules->rule[i].access == ACCESS_ALWAYS_ALLOW;
        list[n] = acl_rule_of(w, &rules->rule[i], false);
        n += list[n].id != NONE32;
    }
    const uint32_t made = acl_add(w, rules, list, n);
    w->img->acl[made].ends = ends;
    return made;
}
