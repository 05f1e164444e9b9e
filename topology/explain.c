/* explain.c - see explain.h. */
#include "topology/explain.h"

#include "dataplane/arena.h"
#include "topology/connected.h"

const struct eff_route *explain_route(const struct compiled *c, uint32_t table, uint32_t nexthop)
{
    if (table >= c->image->n_tables || !c->table[table] || nexthop >= c->table[table]->n_all)
        return NULL;
    const struct eff_route *r = &c->table[table]->row[nexthop];
    return r->slice_of ? r->slice_of : r;
}

const struct eff_rule *explain_rule(const struct compiled *c, uint32_t acl, uint32_t id)
{
    return acl < c->image->n_acls && id < c->acl[acl]->n ? &c->acl[acl]->rule[id] : NULL;
}

bool explain_is_rules(const struct trace_step *s)
{
    return s->stage == STAGE_ADMIN_RULES || s->stage == STAGE_NIC_NSG || s->stage == STAGE_SUBNET_NSG;
}

static const char *outcome(struct arena *a, const struct trace_step *s)
{
    return s->reason ? arena_printf(a, ": dropped, %s", reason_word((enum reason)s->reason)) : "";
}

static const char *step_nsg(struct arena *a, const struct compiled *c, const struct trace_step *s)
{
    const struct eff_rule *r = explain_rule(c, s->a, s->b);
    if (!r)
        return arena_printf(a, "%s%s", stage_word((enum stage)s->stage), outcome(a, s));
    return arena_printf(a, "%s %s: rule %s %s%s", stage_word((enum stage)s->stage), r->group, r->name,
                        s->reason ? "denies" : "allows", outcome(a, s));
}

/* G-16: what the network manager's rules say, and what follows. */
static const char *step_admin(struct arena *a, const struct compiled *c, const struct trace_step *s)
{
    const struct eff_rule *r = explain_rule(c, s->a, s->b);
    if (!r)
        return "security admin rules: none matches, the security groups decide";
    const char *what = r->access == ACCESS_DENY           ? "denies"
                       : r->access == ACCESS_ALWAYS_ALLOW ? "always allows, no security group is asked"
                                                          : "allows, the security groups decide";
    return arena_printf(a, "security admin rules %s: rule %s %s%s", r->group, r->name, what, outcome(a, s));
}

static const char *row_text(struct arena *a, const struct eff_route *r, const struct prefix4 *matched)
{
    char p[PREFIX4_STRLEN], h[IP4_STRLEN];
    const char *prefix = prefix4_format(matched ? *matched : r->prefix[0], p);
    const char *hop = r->n_next_hop ? arena_printf(a, " %s", ip4_format(r->next_hop[0], h)) : "";
    return arena_printf(a, "%s %s%s (%s%s%s)", prefix, nexthop_type_word(r->type), hop,
                        route_source_word(r->source), r->name ? " " : "", r->name ? r->name : "");
}

static const char *step_route(struct arena *a, const struct compiled *c, const struct trace_step *s)
{
    const struct eff_route *r = explain_route(c, s->a, s->b);
    if (!r)
        return arena_printf(a, "route%s", s->reason ? outcome(a, s) : " of the network outside Azure");
    if (r->n_prefix > 1)
        return arena_printf(a, "route %s %s (%s)%s", r->tag ? r->tag : "", nexthop_type_word(r->type),
                            route_source_word(r->source), outcome(a, s));
    return arena_printf(a, "route %s%s", row_text(a, r, NULL), outcome(a, s));
}

static const char *step_balancer(struct arena *a, const struct compiled *c, const struct trace *t,
                                 const struct trace_step *s)
{
    const char *rule = s->b != TRACE_NONE ? arena_printf(a, ", rule %s", c->lb_rule[s->b]) : "";
    const char *to = s->a != TRACE_NONE ? arena_printf(a, " chooses %s", port_name(c->numbering, s->a)) : "";
    if (s->reason == REASON_IDLE_TIMEOUT)
        return "load balancer resets the idle connection (O-08)";
    return arena_printf(a, "load balancer %s%s%s%s", port_name(c->numbering, t->port), rule, to,
                        outcome(a, s));
}

/* G-15: whose subscription it is. */
static const char *step_platform(struct arena *a, const struct compiled *c, const struct trace *t,
                                 const struct trace_step *s)
{
    const struct thing from = c->thing[t->port];
    const char *name = from.kind == THING_NIC ? ((const struct nic *)from.p)->subscription : NULL;
    const struct subscription *own = model_subscription(c->model, name);
    return own ? arena_printf(a, "subscription %s (%s) may not reach TCP port 25 of the Internet (G-15)%s",
                              own->name, offer_word(own->offer), outcome(a, s))
               : arena_printf(a, "%s%s", stage_word((enum stage)s->stage), outcome(a, s));
}

const char *explain_step(struct arena *a, const struct compiled *c, const struct trace *t,
                         const struct trace_step *s)
{
    char ip[IP4_STRLEN];
    const char *word = stage_word((enum stage)s->stage),
               *port = s->a != TRACE_NONE ? port_name(c->numbering, s->a) : "";
    switch ((enum stage)s->stage) {
    case STAGE_ADMIN_RULES:
        return step_admin(a, c, s);
    case STAGE_NIC_NSG:
    case STAGE_SUBNET_NSG:
        return step_nsg(a, c, s);
    case STAGE_ROUTE:
        return step_route(a, c, s);
    case STAGE_PEERING: {
        const struct peering *p = s->b < c->image->n_crossings ? c->crossing[s->b] : NULL;
        return arena_printf(a, "peering to %s%s", p ? p->remoteVirtualNetwork->name : "?", outcome(a, s));
    }
    case STAGE_SNAT:
    case STAGE_DNAT:
        return s->addr ? arena_printf(a, "%s to %s:%u", word, ip4_format(s->addr, ip), s->l4port)
                       : arena_printf(a, "%s%s", word, outcome(a, s));
    case STAGE_BALANCER:
        return step_balancer(a, c, t, s);
    case STAGE_LINK_SERVICE:
        return s->reason ? arena_printf(a, "%s%s", word, outcome(a, s))
                         : arena_printf(a, "private link service %s", port);
    case STAGE_PROXY:
        return t->inbound ? "PROXY header put in front (PE-23)"
                          : "acknowledgement of the PROXY header ends here (PE-23)";
    case STAGE_ENDPOINT:
        return arena_printf(a, "private endpoint %s%s",
                            s->a != TRACE_NONE ? port : port_name(c->numbering, t->port), outcome(a, s));
    case STAGE_DELIVERY:
        if (s->reason)
            return arena_printf(a, "delivery%s", outcome(a, s));
        return s->a == t->port ? "delivered" : arena_printf(a, "to %s", port);
    case STAGE_SERVICE_IDENTITY:
        return s->reason ? arena_printf(a, "%s%s", word, outcome(a, s))
                         : "private source kept, subnet identity attached (SE-01)";
    case STAGE_CHANGE:
        return "connection closed by a change of the network (SE-02)";
    case STAGE_PLATFORM:
        return step_platform(a, c, t, s);
    case STAGE_SOURCE_CHECK:
    case STAGE_ADDRESS_CHECK:
    case STAGE_PUBLIC_ADDRESS:
    case STAGE_ESTABLISHED:
    case STAGE_GUEST:
    case STAGE_LINK:
    case STAGE_SERVICE:
    case STAGE_FLOW_TABLE:
    case STAGE_COUNT:
        break;
    }
    return arena_printf(a, "%s%s", word, outcome(a, s));
}

const char *explain_line(struct arena *a, const struct compiled *c, const struct trace *t)
{
    const char *line = t->inbound ? "inbound" : "outbound";
    for (size_t i = 0; i < t->n; i++)
        line = arena_printf(a, "%s%s %s", line, i ? ";" : ":", explain_step(a, c, t, &t->step[i]));
    return line;
}

const char *explain_absent(struct arena *a, const struct compiled *c, const struct trace_step *s, ip4 dst)
{
    const struct eff_route *r = explain_route(c, s->a, s->b);
    const bool inside = r && (r->remote || r->type == NH_TYPE_VNET_LOCAL);
    return s->stage != STAGE_ROUTE || !r || inside
               ? NULL
               : connected_absent(a, c->model, c->table[s->a]->view.vnet, dst);
}

/* -- for people ------------------------------------------------------------------------------------------ */

static void print_place(FILE *to, struct origin at)
{
    if (at.file)
        fprintf(to, "  [%s:%u]", at.file, at.line);
}

static void print_route(FILE *to, struct arena *a, const struct compiled *c, const struct trace_step *s,
                        ip4 dst)
{
    struct route_candidate *cand;
    const struct eff_table *t = s->a < c->image->n_tables ? c->table[s->a] : NULL;
    if (!t) {
        fprintf(to, "    %s\n", step_route(a, c, s));
        return;
    }
    size_t n = routes_candidates(a, t, dst, &cand);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "    %s %s", cand[i].wins ? "route" : "     ", row_text(a, cand[i].row, &cand[i].prefix));
        print_place(to, cand[i].row->origin);
        fprintf(to, "\n          %s: %s\n", cand[i].wins ? "wins" : "loses", cand[i].why);
    }
    const char *note = explain_absent(a, c, s, dst);
    if (note)
        fprintf(to, "          note: %s\n", note);
    if (s->reason)
        fprintf(to, "    dropped, %s: %s (%s)\n", reason_word((enum reason)s->reason),
                reason_sentence((enum reason)s->reason), reason_rules((enum reason)s->reason));
}

static void print_rule(FILE *to, struct arena *a, const struct compiled *c, const struct trace_step *s)
{
    const struct eff_rule *r = explain_rule(c, s->a, s->b);
    fprintf(to, "    %s", s->stage == STAGE_ADMIN_RULES ? step_admin(a, c, s) : step_nsg(a, c, s));
    if (r) {
        fprintf(to, " (priority %u)", r->priority);
        print_place(to, r->origin);
    }
    fputc('\n', to);
}

void explain_print(FILE *to, const struct compiled *c, const struct trace *t, ip4 dst)
{
    struct arena *a = arena_new("explanation");
    for (size_t i = 0; i < t->n; i++) {
        const struct trace_step *s = &t->step[i];
        if (s->stage == STAGE_ROUTE) {
            print_route(to, a, c, s, dst);
        } else if (explain_is_rules(s)) {
            print_rule(to, a, c, s);
        } else {
            fprintf(to, "    %s\n", explain_step(a, c, t, s));
            if (s->reason)
                fprintf(to, "      %s (%s)\n", reason_sentence((enum reason)s->reason),
                        reason_rules((enum reason)s->reason));
        }
    }
    arena_free(a);
}
