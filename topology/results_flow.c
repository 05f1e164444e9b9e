/* results_flow.c - what one flow instance showed, as results.json says it. */
#include "topology/explain.h"
#include "topology/results.h"

static void set_text(json_t *o, const char *key, const char *value)
{
    if (value && json_object_set_new(o, key, json_string(value)) != 0)
        arena_oom("results");
}

static void set_ip(json_t *o, const char *key, ip4 a)
{
    char buf[IP4_STRLEN];
    if (a)
        set_text(o, key, ip4_format(a, buf));
}

static void set_new(json_t *o, const char *key, json_t *value)
{
    if (json_object_set_new(o, key, value) != 0)
        arena_oom("results");
}

static ip4 request_target(const struct flow_result *f)
{
    if (f->spec.addr)
        return f->spec.addr;
    for (size_t i = 0; f->dns && i < f->dns->n; i++)
        if (f->dns->rr[i].type == DNS_TYPE_A)
            return f->dns->rr[i].addr;
    return 0;
}

static void set_route(json_t *o, const struct run *run, const struct flow_result *f)
{
    const struct compiled *c = f->route.made ? run_image(run, f->route.epoch) : NULL;
    const struct eff_route *r = c ? explain_route(c, f->route.a, f->route.b) : NULL;
    char buf[PREFIX4_STRLEN];
    struct prefix4 matched;
    const struct thing from = c && f->from < c->image->n_ports ? c->thing[f->from] : (struct thing){0};
    if (!r || from.kind != THING_NIC)
        return;
    set_text(o, "nextHopType", nexthop_type_word(r->type));
    set_ip(o, "nextHopIpAddress", r->n_next_hop ? r->next_hop[0] : 0);
    if (routes_select(c->table[f->route.a], request_target(f), &matched))
        set_text(o, "route", prefix4_format(matched, buf));
    set_text(o, "routeSource", route_source_word(r->source));
    set_text(o, "routeName", r->name);
}

static void set_rule(json_t *o, const struct run *run, const struct flow_result *f)
{
    const struct compiled *c = f->rule.made ? run_image(run, f->rule.epoch) : NULL;
    const struct eff_rule *r = c ? explain_rule(c, f->rule.a, f->rule.b) : NULL;
    if (!r)
        return;
    set_text(o, "rule", r->name);
    set_text(o, r->admin ? "ruleCollection" : "networkSecurityGroup", r->group); /* G-16 */
}

static json_t *hops(const struct run *run, const struct hop_list *l)
{
    json_t *a = json_array();
    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(a, json_string(port_name(run_numbering(run), l->port[i])));
    return a;
}

static void set_names(json_t *o, const struct flow_result *f)
{
    char buf[IP4_STRLEN];
    json_t *to = json_array(), *chain = json_array();
    for (size_t i = 0; f->dns && i < f->dns->n; i++) {
        const struct dns_answer_rr *rr = &f->dns->rr[i];
        const bool a = rr->type == DNS_TYPE_A;
        const char *value = a ? ip4_format(rr->addr, buf) : rr->target;
        if (a)
            json_array_append_new(to, json_string(value));
        json_array_append_new(chain,
                              json_pack("{s:s, s:s, s:s, s:I}", "name", rr->name, "type", a ? "A" : "CNAME",
                                        "value", value, "ttl", (json_int_t)rr->ttl));
    }
    if (f->spec.name)
        set_new(o, "resolvedTo", to);
    else
        json_decref(to);
    if (f->spec.name)
        set_new(o, "chain", chain);
    else
        json_decref(chain);
}

json_t *results_instance(const struct run *run, uint32_t flow)
{
    const struct flow_result *f = sim_result(run_sim(run), flow);
    json_t *o = json_object();
    if (f->done) {
        set_text(o, "verdict", verdict_word(f->verdict));
        set_text(o, "reason", f->reason ? reason_word(f->reason) : NULL);
    }
    if (f->verdict == VERDICT_DROPPED && f->drop.reason != REASON_NONE) {
        set_text(o, "droppedAt", port_name(run_numbering(run), f->drop.port));
        set_text(o, "droppedPacket", f->drop.reply ? "answer" : "request");
    }
    set_route(o, run, f);
    set_rule(o, run, f);
    if (f->arrived) {
        set_ip(o, "sourceSeen", f->source_seen);
        set_ip(o, "destinationSeen", f->destination_seen);
    }
    set_text(o, "serviceRule", run_service_rule(run, flow));
    set_names(o, f);
    set_new(o, "path", hops(run, &f->path));
    set_new(o, "returnPath", hops(run, &f->return_path));
    set_new(o, "duration_ns", json_integer(f->done ? f->ended_at - f->started_at : 0));
    return o;
}
