/* results.c - results of a run, gathered once: the JSON objects are the truth, expectations and tables read
 * them. */
#include "topology/results.h"

#include "dataplane/arena.h"
#include "topology/address.h"
#include "topology/depends.h"
#include "topology/resolver.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- flows ----------------------------------------------------------------------------------------------- */

/* Keep in `all` only what every repetition says. */
static void keep_common(json_t *all, const json_t *one)
{
    const char *key;
    json_t *value;
    void *tmp;
    json_object_foreach_safe(all, tmp, key, value)
    {
        if (!json_equal(value, json_object_get(one, key)))
            json_object_del(all, key);
    }
}

static json_t *flow_counts(const struct run *run, const struct run_flow *rf, json_t *o)
{
    json_int_t sent = 0, received = 0, bytes_sent = 0, bytes_received = 0, by[VERDICT_COUNT] = {0};
    for (uint32_t i = 0; i < rf->count; i++) {
        const struct flow_result *f = sim_result(run_sim(run), rf->first + i);
        by[f->verdict]++;
        sent += (json_int_t)f->count.sent;
        received += (json_int_t)f->count.received;
        bytes_sent += (json_int_t)f->count.bytes_sent;
        bytes_received += (json_int_t)f->count.bytes_received;
    }
    json_t *counts = json_object();
    for (int v = 1; v < VERDICT_COUNT; v++)
        if (by[v])
            json_object_set_new(counts, verdict_word((enum verdict)v), json_integer(by[v]));
    json_object_set_new(o, "counts", counts);
    json_object_set_new(o, "packets", json_pack("{s:I, s:I}", "sent", sent, "received", received));
    json_object_set_new(o, "bytes", json_pack("{s:I, s:I}", "sent", bytes_sent, "received", bytes_received));
    return o;
}

json_t *results_flow(const struct run *run, const struct run_flow *rf)
{
    static const char *const proto[] = {"tcp", "udp", "icmp"};
    const struct flow *f = rf->flow;
    json_t *common = results_instance(run, rf->first);
    for (uint32_t i = 1; i < rf->count; i++) {
        json_t *one = results_instance(run, rf->first + i);
        keep_common(common, one);
        json_decref(one);
    }
    json_t *o = json_pack("{s:s, s:I, s:s, s:s, s:s}", "name", f->name, "at_ns", (json_int_t)f->at_time,
                          "from", f->from, "to", f->to, "protocol", proto[f->protocol]);
    if (!o)
        arena_oom("results");
    if (f->protocol != FLOW_ICMP)
        json_object_set_new(o, "destinationPort", json_integer(f->destinationPort));
    json_object_update_missing(o, common);
    json_decref(common);
    return flow_counts(run, rf, o);
}

/* -- expectations ---------------------------------------------------------------------------------------- */

static const char *node_text(struct arena *a, const struct node *n)
{
    const char *s = n->kind == NODE_SEQ ? "[" : "{";
    if (n->kind == NODE_SCALAR)
        return n->text;
    for (size_t i = 0; i < n->n; i++)
        s = arena_printf(a, "%s%s%s%s%s", s, i ? ", " : "", n->kind == NODE_MAP ? n->key[i]->text : "",
                         n->kind == NODE_MAP ? ": " : "", node_text(a, n->item[i]));
    return arena_printf(a, "%s%s", s, n->kind == NODE_SEQ ? "]" : "}");
}

/* As node_text, so that what was wanted and what came out read alike. */
static const char *json_text(struct arena *a, const json_t *v)
{
    const char *s = "[", *key;
    json_t *item;
    size_t i;
    if (!v)
        return "absent";
    if (json_is_string(v))
        return arena_strdup(a, json_string_value(v));
    if (json_is_integer(v))
        return arena_printf(a, "%lld", (long long)json_integer_value(v));
    if (json_is_array(v)) {
        for (i = 0; i < json_array_size(v); i++)
            s = arena_printf(a, "%s%s%s", s, i ? ", " : "", json_text(a, json_array_get(v, i)));
        return arena_printf(a, "%s]", s);
    }
    s = "{";
    json_object_foreach((json_t *)(uintptr_t)v, key, item) s =
        arena_printf(a, "%s%s%s: %s", s, s[1] ? ", " : "", key, json_text(a, item));
    return arena_printf(a, "%s}", s);
}

static struct expect_result *add(struct results *r, const char *of, const char *key, struct origin at)
{
    struct expect_result *e = arena_push(r->arena, &r->expect, &r->n_expect, &r->cap_expect, sizeof *e);
    *e = (struct expect_result){.of = of, .key = key, .at = at};
    return e;
}

/* The key of results.json that a predicate looks at. */
static const char *seen_key(const char *key)
{
    if (strcmp(key, "via") == 0 || strcmp(key, "notVia") == 0)
        return "path";
    if (strcmp(key, "resolvesTo") == 0)
        return "resolvedTo";
    return strncmp(key, "return", 6) == 0 ? "returnPath" : key;
}

static void expect_flow(struct results *r, const struct run_flow *rf, const json_t *flow)
{
    const struct node *want = rf->flow->expect.present ? rf->flow->expect.node : NULL;
    const struct model *m = run_model(r->run);
    for (size_t i = 0; want && i < want->n; i++) {
        const char *key = want->key[i]->text;
        if (node_is_null(want->item[i])) /* says nothing, as anywhere in the file */
            continue;
        struct expect_result *e = add(r, rf->flow->name, key, want->item[i]->at);
        e->want = node_text(r->arena, want->item[i]);
        e->ok = true;
        if (strcmp(key, "counts") == 0) {
            e->ok = expect_holds(m, key, want->item[i], flow);
            e->got = json_text(r->arena, json_object_get(flow, key));
        }
        for (uint32_t k = 0; k < rf->count && strcmp(key, "counts") != 0 && e->ok; k++) {
            json_t *one = results_instance(r->run, rf->first + k);
            e->ok = expect_holds(m, key, want->item[i], one);
            e->got = json_text(r->arena, json_object_get(one, seen_key(key)));
            json_decref(one);
        }
        r->failed += !e->ok;
    }
}

static bool row_is(const struct eff_route *row, const struct expect_route *w)
{
    bool prefix = !w->has_prefix && !w->addressPrefixText, ip = !w->has_ip;
    if (w->has_prefix)
        for (size_t i = 0; i < row->n_prefix; i++)
            prefix |= prefix4_eq(row->prefix[i], w->addressPrefix);
    else if (w->addressPrefixText)
        prefix = row->tag && strcasecmp(row->tag, w->addressPrefixText) == 0;
    for (size_t i = 0; i < row->n_next_hop; i++)
        ip |= w->has_ip && row->next_hop[i] == w->nextHopIpAddress;
    return prefix && ip && (!w->has_type || row->type == w->nextHopType) &&
           (!w->source || strcasecmp(w->source, route_source_word(row->source)) == 0) &&
           (!w->state || strcasecmp(w->state, route_state_word(row->state)) == 0) &&
           (!w->name || (row->name && strcasecmp(w->name, row->name) == 0));
}

static void expect_row(struct results *r, const struct expectation *x, const struct model *m)
{
    const struct thing who = model_find(m, x->nic); /* or a machine's name */
    const struct nic *nic = who.kind == THING_NIC ? who.p : NULL;
    const struct eff_table *t = nic ? routes_effective(r->arena, m, nic->subnet) : NULL;
    const struct eff_route *hit = NULL;
    for (size_t i = 0; t && i < t->n && !hit; i++)
        hit = row_is(&t->row[i], &x->route) ? &t->row[i] : NULL;
    const char *key = x->no_route ? "noRoute" : "route";
    struct expect_result *e = add(r, "scenario", key, x->at_origin);
    e->want = arena_printf(r->arena, "%s %s", x->nic, node_text(r->arena, node_get(x->node, key)));
    e->got = !nic ? "no such NIC" : hit ? "a row has it" : "no row has it";
    e->ok = nic && (hit != NULL) == !x->no_route;
    r->failed += !e->ok;
}

/* Names are asked for, with packets: what the run's own machines would get, with caches cold. */
static void expect_name(struct results *r, const struct expectation *x, const struct model *m)
{
    const struct run_options quiet = {0};
    struct run *run = run_new_question(run_scenario(r->run), x->from, x->name, x->at, &quiet);
    run_execute(run);
    json_t *o = results_instance(run, 1);
    run_free(run);
    const struct node *want[2] = {node_get(x->node, "resolvedTo"), node_get(x->node, "chain")};
    if (!want[0])
        want[0] = node_get(x->node, "resolvesTo");
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "chain" : "resolvedTo";
        if (!want[i])
            continue;
        struct expect_result *e = add(r, "scenario", key, x->at_origin);
        e->want = arena_printf(r->arena, "%s %s", x->name, node_text(r->arena, want[i]));
        e->got = json_text(r->arena, json_object_get(o, key));
        e->ok = expect_holds(m, key, want[i], o);
        r->failed += !e->ok;
    }
    json_decref(o);
}

struct results *results_new(const struct run *run)
{
    struct arena *a = arena_new("results");
    struct results *r = arena_alloc(a, sizeof *r);
    const struct run_flow *rf;
    r->arena = a;
    r->run = run;
    r->n_flows = run_flows(run, &rf);
    r->flow = arena_array(a, r->n_flows, sizeof *r->flow);
    for (size_t i = 0; i < r->n_flows; i++) {
        r->flow[i] = results_flow(run, &rf[i]);
        const size_t first = r->n_expect;
        expect_flow(r, &rf[i], r->flow[i]);
        json_t *list = json_array();
        for (size_t k = first; k < r->n_expect; k++)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "key", r->expect[k].key, "want",
                                                  r->expect[k].want, "got", r->expect[k].got, "ok",
                                                  r->expect[k].ok));
        json_object_set_new(r->flow[i], "expect", list);
    }
    depends_add(run, r->flow, r->n_flows);
    const struct model *m0 = run_model(run);
    for (size_t i = 0; i < m0->expect.n; i++) {
        const struct expectation *x = &m0->expect.at[i];
        const struct scenario *sc = run_scenario(run);
        const struct model *m = scenario_state(sc, scenario_state_at(sc, x->at));
        if (x->has_route || x->no_route)
            expect_row(r, x, m);
        else
            expect_name(r, x, m);
    }
    return r;
}

void results_free(struct results *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_flows; i++)
        json_decref(r->flow[i]);
    arena_free(r->arena);
}

/* -- results.json ---------------------------------------------------------------------------------------- */

static json_t *json_ip(ip4 a)
{
    char buf[IP4_STRLEN];
    return json_string(ip4_format(a, buf));
}

/* NICs whose way out is default outbound access, and its address (O-01, O-06, O-10). */
static json_t *default_outbound(const struct model *m, const struct compiled *c)
{
    json_t *out = json_object();
    for (uint32_t i = 0; i < c->image->n_ports; i++) {
        const struct image_port *p = &c->image->port[i];
        if (c->thing[i].kind != THING_NIC || p->pool == NONE32 ||
            strncmp(numbers_name(c->numbering->pool, p->pool), "nic/", 4) != 0)
            continue;
        const struct nic *n = c->thing[i].p;
        json_object_set_new(out, n->name, json_ip(address_default_outbound(m, n)));
    }
    return out;
}

/* What the model chose because the file did not say: addresses, identifiers. */
static json_t *chosen(const struct model *m, const struct compiled *c)
{
    json_t *o = json_object(), *nics = json_object(), *pes = json_object(), *services = json_object();
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *n = &m->networkInterfaces.at[i];
        json_object_set_new(nics, n->name, json_ip(n->privateIPAddress));
    }
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &m->privateEndpoints.at[i];
        json_t *ips = json_object();
        for (size_t k = 0; k < e->ipConfigurations.n; k++)
            json_object_set_new(ips, e->ipConfigurations.at[k].memberName,
                                json_ip(e->ipConfigurations.at[k].privateIPAddress));
        json_object_set_new(
            pes, e->name,
            json_pack("{s:I, s:o}", "linkIdentifier", (json_int_t)e->linkIdentifier, "addresses", ips));
    }
    for (size_t i = 0; i < m->services.n; i++)
        json_object_set_new(services, m->services.at[i].name, json_ip(m->services.at[i].publicIPAddress));
    json_object_set_new(o, "networkInterfaces", nics);
    json_object_set_new(o, "defaultOutbound", default_outbound(m, c));
    json_object_set_new(o, "privateEndpoints", pes);
    json_object_set_new(o, "services", services);
    json_t *plss = json_object();
    for (size_t i = 0; i < m->privateLinkServices.n; i++)
        json_object_set_new(plss, m->privateLinkServices.at[i].name,
                            json_string(m->privateLinkServices.at[i].alias));
    json_object_set_new(o, "privateLinkServices", plss);
    json_t *resolvers = json_object();
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++) {
        const struct onprem_host *host;
        const ip4 addr = resolver_onprem(m, &m->onPremisesNetworks.at[i], &host);
        if (addr && !host)
            json_object_set_new(resolvers, m->onPremisesNetworks.at[i].name, json_ip(addr));
    }
    json_object_set_new(o, "onPremisesResolvers", resolvers);
    return o;
}

static json_t *events(const struct results *r)
{
    const struct change *c;
    const size_t n = scenario_changes(run_scenario(r->run), &c);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_pack("{s:I, s:s}", "at_ns", (json_int_t)c[i].at, "change", c[i].summary);
        if (c[i].refused)
            json_object_set_new(o, "refused", json_string(c[i].refused));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *counters(const struct results *r)
{
    const uint64_t *n = sim_counters(run_sim(r->run));
    json_t *o = json_object();
    json_object_set_new(o, "forwarded", json_integer((json_int_t)n[REASON_NONE]));
    for (int i = 1; i < REASON_COUNT; i++)
        if (n[i])
            json_object_set_new(o, reason_word((enum reason)i), json_integer((json_int_t)n[i]));
    return o;
}

json_t *results_json(const struct results *r, json_t *captures)
{
    const struct model *m = run_model(r->run);
    json_t *flows = json_array(), *expect = json_array();
    for (size_t i = 0; i < r->n_flows; i++)
        json_array_append(flows, r->flow[i]);
    for (size_t i = 0; i < r->n_expect; i++)
        if (strcmp(r->expect[i].of, "scenario") == 0)
            json_array_append_new(expect, json_pack("{s:s, s:s, s:s, s:b}", "key", r->expect[i].key, "want",
                                                    r->expect[i].want, "got", r->expect[i].got, "ok",
                                                    r->expect[i].ok));
    json_t *o = json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "scenario", m->scenario, "seed",
                          (json_int_t)m->seed, "flows", flows, "expect", expect, "events", events(r),
                          "counters", counters(r), "chosen", chosen(m, run_image(r->run, 0)));
    if (!o)
        arena_oom("results");
    json_object_set_new(o, "captures", captures ? json_incref(captures) : json_array());
    return o;
}

/* -- tables ---------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "-";
}

static const char *const columns[] = {"name", "from", "to", "verdict", "reason", "nextHopType", "sourceSeen"};
static const char *const heads[] = {"FLOW", "FROM", "TO", "VERDICT", "REASON", "NEXT HOP", "SOURCE SEEN"};
enum { N_COLUMNS = sizeof columns / sizeof columns[0] };

static const char *cell(struct arena *a, const json_t *flow, size_t column)
{
    const char *s = text_of(flow, columns[column]);
    if (strcmp(columns[column], "verdict") != 0 || strcmp(s, "-") != 0)
        return s;
    return json_text(a, json_object_get(flow, "counts")); /* repetitions that differ */
}

void results_print(const struct results *r, FILE *to, bool colour)
{
    size_t width[N_COLUMNS];
    for (size_t c = 0; c < N_COLUMNS; c++) {
        width[c] = strlen(heads[c]);
        for (size_t i = 0; i < r->n_flows; i++) {
            size_t n = strlen(cell(r->arena, r->flow[i], c));
            width[c] = n > width[c] ? n : width[c];
        }
    }
    for (size_t c = 0; c < N_COLUMNS && r->n_flows; c++)
        fprintf(to, "%-*s%s", c + 1 < N_COLUMNS ? (int)width[c] : 0, heads[c],
                c + 1 < N_COLUMNS ? "  " : "\n");
    for (size_t i = 0; i < r->n_flows; i++)
        for (size_t c = 0; c < N_COLUMNS; c++)
            fprintf(to, "%-*s%s", c + 1 < N_COLUMNS ? (int)width[c] : 0, cell(r->arena, r->flow[i], c),
                    c + 1 < N_COLUMNS ? "  " : "\n");
    for (size_t i = 0; i < r->n_flows; i++)
        depends_print(to, r->flow[i]);
    for (size_t i = 0; i < r->n_expect; i++) {
        const struct expect_result *e = &r->expect[i];
        if (!e->ok)
            fprintf(to, "%sfailed%s  %s:%u: %s: %s: expected %s, got %s\n", colour ? "\033[31m" : "",
                    colour ? "\033[0m" : "", e->at.file ? e->at.file : "-", e->at.line, e->of, e->key,
                    e->want, e->got);
    }
    if (r->n_expect)
        fprintf(to, "expectations: %zu held, %zu failed\n", r->n_expect - r->failed, r->failed);
}
