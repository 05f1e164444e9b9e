/* depends.c - see depends.h.
 *
 * A run is made again only with switches that can matter: something must be there that they are about. The
 * rows of type None need no second run unless an address of the run lies where the two readings differ; rules
 * that do not change cut no flows. */
#include "topology/depends.h"

#include "dataplane/arena.h"
#include "topology/switches.h"

#include <string.h>

/* What an answer is; how long it took, and how many packets, follows from it. */
static const char *const compared[] = {"verdict",
                                       "reason",
                                       "droppedAt",
                                       "droppedPacket",
                                       "nextHopType",
                                       "nextHopIpAddress",
                                       "route",
                                       "routeName",
                                       "routeSource",
                                       "rule",
                                       "networkSecurityGroup",
                                       "ruleCollection",
                                       "sourceSeen",
                                       "destinationSeen",
                                       "serviceRule",
                                       "resolvedTo",
                                       "path",
                                       "returnPath",
                                       "counts"};
enum { N_COMPARED = sizeof compared / sizeof compared[0] };

static bool address_matters(const struct run *r)
{
    const struct sim *s = run_sim(r);
    for (uint32_t i = 1; i <= sim_flows(s); i++) {
        const struct flow_result *f = sim_result(s, i);
        bool matters = routes_none_differs(f->spec.addr) || routes_none_differs(f->source_seen) ||
                       routes_none_differs(f->spec.resolver);
        for (size_t k = 0; f->dns && k < f->dns->n; k++)
            matters |= f->dns->rr[k].type == DNS_TYPE_A && routes_none_differs(f->dns->rr[k].addr);
        if (matters)
            return true;
    }
    const struct compiled *c;
    for (uint32_t e = 0; (c = run_image(r, e)); e++)
        for (size_t i = 0; i < c->image->n_ports; i++)
            if (c->image->port[i].kind != PORT_RESOLVER && routes_none_differs(c->image->port[i].addr))
                return true;
    return false;
}

static bool concerns(const struct run *r, enum switch_id id)
{
    const struct compiled *c;
    if (id == SWITCH_NONE_ROUTES)
        return address_matters(r);
    if (id == SWITCH_RULE_CHANGE)
        return run_image(r, 1) != NULL;
    for (uint32_t e = 0; (c = run_image(r, e)); e++)
        if (switches_concern(c->model, id))
            return true;
    return false;
}

/* => what is otherwise in `other`, or NULL: nothing that counts. */
static json_t *difference(const json_t *flow, const json_t *other)
{
    json_t *d = json_object();
    for (size_t i = 0; i < N_COMPARED; i++) {
        json_t *a = json_object_get(flow, compared[i]), *b = json_object_get(other, compared[i]);
        if (a == b || (a && b && json_equal(a, b)) || (!a && strcmp(compared[i], "counts") == 0))
            continue; /* one flow instance has no counts */
        json_object_set_new(d, compared[i], b ? json_incref(b) : json_null());
    }
    if (json_object_size(d))
        return d;
    json_decref(d);
    return NULL;
}

static void note(json_t *flow, const struct switches *now, const struct switches *then, enum switch_id id,
                 json_t *otherwise)
{
    json_t *list = json_object_get(flow, "dependsOn");
    if (!list) {
        list = json_array();
        json_object_set_new(flow, "dependsOn", list);
    }
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "switch", switch_name(id), "value", switch_value(now, id),
                  "rules", switch_rules(id), "other", switch_value(then, id), "otherwise", otherwise);
    if (!o || json_array_append_new(list, o) != 0)
        arena_oom("results");
}

static void compare(const struct run *r, enum switch_id id, json_t *const *flow, size_t n)
{
    const struct switches *now = &run_model(r)->switches, then = switches_other(*now, id);
    struct run *again = run_again(r, &then);
    const struct run_flow *rf;
    const size_t m = run_flows(again, &rf);
    run_execute(again);
    for (size_t i = 0; i < n && i < m; i++) {
        json_t *other = results_flow(again, &rf[i]), *d = difference(flow[i], other);
        if (d)
            note(flow[i], now, &then, id, d);
        json_decref(other);
    }
    run_free(again);
}

void depends_add(const struct run *r, json_t *const *flow, size_t n)
{
    for (enum switch_id id = 0; n && id < SWITCH_COUNT; id++)
        if (concerns(r, id))
            compare(r, id, flow, n);
}

/* -- for people ------------------------------------------------------------------------------------------ */

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void print_value(FILE *to, const json_t *v)
{
    size_t i;
    json_t *item;
    if (json_is_string(v))
        fputs(json_string_value(v), to);
    json_array_foreach((json_t *)(uintptr_t)v, i, item)
    {
        fprintf(to, "%s%s", i ? " > " : "", json_is_string(item) ? json_string_value(item) : "?");
    }
    if (json_is_null(v))
        fputs("none", to);
}

/* What matters of a difference: what is there instead, or where nothing is, what is not. */
static void print_otherwise(FILE *to, const json_t *otherwise)
{
    static const char *const shown[] = {"verdict",    "reason", "nextHopType", "route",      "routeName",
                                        "resolvedTo", "rule",   "sourceSeen",  "returnPath", "path"};
    const char *between = "";
    for (int nulls = 0; nulls < 2 && !*between; nulls++)
        for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
            const json_t *v = json_object_get(otherwise, shown[i]);
            if (!v || json_is_null(v) != nulls)
                continue;
            fprintf(to, "%s%s ", between, shown[i]);
            print_value(to, v);
            between = ", ";
        }
    fputs(*between ? "\n" : "another answer\n", to);
}

void depends_print(FILE *to, const json_t *flow)
{
    const char *name = text(flow, "name");
    size_t i;
    json_t *d;
    json_array_foreach(json_object_get(flow, "dependsOn"), i, d)
    {
        fprintf(to, "%s%sdepends on the switch %s, here %s (%s); with %s: ", name, *name ? " " : "",
                text(d, "switch"), text(d, "value"), text(d, "rules"), text(d, "other"));
        print_otherwise(to, json_object_get(d, "otherwise"));
    }
}
