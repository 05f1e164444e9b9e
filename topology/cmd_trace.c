/* cmd_trace.c - `vnetsim trace`: one packet explained stage by stage, there and back.
 *
 * The explanation is not computed beside the data plane: a flow of one request is run in the state of --at,
 * and what the pipeline decided on its first request packet and on the first answer is printed. */
#include "topology/cmd.h"
#include "topology/depends.h"
#include "topology/explain.h"
#include "topology/results.h"
#include "topology/troubleshoot.h"

#include "dataplane/arena.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct hop { /* one packet at one port */
    struct trace trace;
    ip4 dst;
    bool reply;
    const struct compiled *c;
};

struct tracer {
    struct arena *arena;
    struct hop *hop;
    size_t n, cap;
    const struct run *run;
};

static void on_packet(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                      const struct trace *t)
{
    struct tracer *tr = ctx;
    struct packet_info info;
    (void)port;
    (void)at;
    if (p->meta.flow != 1 || p->meta.dns || t->n == 0 || packet_parse(p->data, p->len, &info) != 0 ||
        info.frag_offset)
        return;
    struct hop *h = arena_push(tr->arena, &tr->hop, &tr->n, &tr->cap, sizeof *h);
    *h = (struct hop){.trace = *t, .dst = info.dst, .reply = p->meta.reply, .c = c};
}

/* The way of the first packet of a direction: from its first appearance until it is dropped or delivered to
 * the machine that ends the way. */
static size_t way(const struct tracer *tr, bool reply, uint32_t end, size_t *first)
{
    size_t i = 0, n = 0;
    while (i < tr->n && tr->hop[i].reply != reply)
        i++;
    *first = i;
    for (; i < tr->n; i++) {
        const struct hop *h = &tr->hop[i];
        if (h->reply != reply)
            break;
        n++;
        if (trace_reason(&h->trace) != REASON_NONE || (h->trace.inbound && h->trace.port == end))
            break;
    }
    return n;
}

static void print_way(FILE *to, const struct tracer *tr, bool reply, uint32_t end)
{
    size_t first, n = way(tr, reply, end, &first);
    if (!n)
        return;
    fprintf(to, "%s\n", reply ? "answer" : "request");
    for (size_t i = first; i < first + n; i++) {
        const struct hop *h = &tr->hop[i];
        fprintf(to, "  %s %s\n", h->trace.inbound ? "into" : "out of",
                port_name(h->c->numbering, h->trace.port));
        explain_print(to, h->c, &h->trace, h->dst);
    }
}

static void print_names(FILE *to, const struct flow_result *f)
{
    char buf[IP4_STRLEN];
    if (!f->spec.name)
        return;
    fprintf(to, "name %s\n", f->spec.name);
    for (size_t i = 0; f->dns && i < f->dns->n; i++) {
        const struct dns_answer_rr *rr = &f->dns->rr[i];
        fprintf(to, "    %s %s %s\n", rr->name, rr->type == DNS_TYPE_A ? "A" : "CNAME",
                rr->type == DNS_TYPE_A ? ip4_format(rr->addr, buf) : rr->target);
    }
}

static void print_text(const struct run *run, const struct tracer *tr)
{
    const struct flow_result *f = sim_result(run_sim(run), 1);
    char buf[IP4_STRLEN];
    print_names(stdout, f);
    print_way(stdout, tr, false, f->destination);
    if (f->arrived) {
        const char *rule = run_service_rule(run, 1);
        printf("  arrived at %s from %s", port_name(run_numbering(run), f->destination),
               ip4_format(f->source_seen, buf));
        if (rule)
            printf("; service firewall: %s%s%s", rule, f->denied ? ": denied, " : "", reason_word(f->denied));
        putchar('\n');
    }
    print_way(stdout, tr, true, f->from);
    printf("verdict %s", verdict_word(f->verdict));
    if (f->verdict == VERDICT_DROPPED && f->drop.reason != REASON_NONE)
        printf(" at %s (%s)", port_name(run_numbering(run), f->drop.port),
               f->drop.reply ? "answer" : "request");
    if (f->reason)
        printf(", %s: %s (%s)", reason_word(f->reason), reason_sentence(f->reason), reason_rules(f->reason));
    putchar('\n');
    json_t *flow = results_instance(run, 1);
    depends_add(run, &flow, 1);
    depends_print(stdout, flow);
    json_decref(flow);
}

/* -- JSON: the flow as in results.json, and the steps ---------------------------------------------------- */

static json_t *step_json(struct arena *a, const struct hop *h, const struct trace_step *s)
{
    const struct eff_route *r = s->stage == STAGE_ROUTE ? explain_route(h->c, s->a, s->b) : NULL;
    const struct eff_rule *rule = explain_is_rules(s) ? explain_rule(h->c, s->a, s->b) : NULL;
    const struct origin at = r ? r->origin : rule ? rule->origin : (struct origin){0};
    json_t *o = json_pack("{s:s, s:s}", "stage", stage_word((enum stage)s->stage), "text",
                          explain_step(a, h->c, &h->trace, s));
    if (s->reason)
        json_object_set_new(o, "reason", json_string(reason_word((enum reason)s->reason)));
    if (at.file)
        json_object_set_new(o, "defined",
                            json_pack("{s:s, s:I}", "file", at.file, "line", (json_int_t)at.line));
    if (s->stage == STAGE_ROUTE && s->a < h->c->image->n_tables && h->c->table[s->a]) {
        struct route_candidate *cand;
        char buf[PREFIX4_STRLEN];
        const size_t n = routes_candidates(a, h->c->table[s->a], h->dst, &cand);
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:s}", "addressPrefix",
                                                  prefix4_format(cand[i].prefix, buf), "nextHopType",
                                                  nexthop_type_word(cand[i].row->type), "source",
                                                  route_source_word(cand[i].row->source), "wins",
                                                  cand[i].wins, "why", cand[i].why));
        json_object_set_new(o, "candidates", list);
        const char *note = explain_absent(a, h->c, s, h->dst);
        if (note)
            json_object_set_new(o, "note", json_string(note));
    }
    return o;
}

static json_t *way_json(const struct tracer *tr, bool reply, uint32_t end)
{
    size_t first, n = way(tr, reply, end, &first);
    json_t *list = json_array();
    for (size_t i = first; i < first + n; i++) {
        const struct hop *h = &tr->hop[i];
        json_t *steps = json_array();
        for (size_t k = 0; k < h->trace.n; k++)
            json_array_append_new(steps, step_json(tr->arena, h, &h->trace.step[k]));
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "at",
                                              port_name(h->c->numbering, h->trace.port), "direction",
                                              h->trace.inbound ? "inbound" : "outbound", "steps", steps));
    }
    return list;
}

static void print_json(const struct run *run, const struct tracer *tr)
{
    const struct flow_result *f = sim_result(run_sim(run), 1);
    json_t *o = results_instance(run, 1);
    depends_add(run, &o, 1);
    json_object_set_new(o, "request", way_json(tr, false, f->destination));
    json_object_set_new(o, "answer", way_json(tr, true, f->from));
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}

/* -- the command ----------------------------------------------------------------------------------------- */

static int flow_of_args(const struct cmd_args *a, struct flow *f)
{
    static const char *const word[] = {"tcp", "udp", "icmp"};
    int64_t at;
    char *end;
    if (!a->from || !a->to)
        return cmd_usage(a, "--from and --to are needed");
    if (cmd_time(a, &at))
        return EXIT_INPUT;
    *f = (struct flow){.name = "trace",
                       .at_time = at,
                       .from = a->from,
                       .to = a->to,
                       .requestBytes = 100,
                       .responseBytes = 1024,
                       .count = 1};
    int p = 0;
    while (p < 3 && strcasecmp(a->protocol ? a->protocol : "tcp", word[p]) != 0)
        p++;
    if (p == 3)
        return cmd_usage(a, "--protocol '%s' is not tcp, udp or icmp", a->protocol);
    f->protocol = (enum flow_protocol)p;
    if (f->protocol == FLOW_ICMP)
        return 0;
    const long port = a->port ? strtol(a->port, &end, 10) : 0;
    if (!a->port || *end || port < 1 || port > 65535)
        return cmd_usage(a, "--port needs a number from 1 to 65535");
    f->destinationPort = (uint16_t)port;
    return 0;
}

static void explain(const struct cmd_args *a, const struct scenario *sc, const struct flow *f)
{
    struct tracer tr = {.arena = arena_new("trace")};
    const struct run_options o = {.reference = a->reference, .tap = on_packet, .ctx = &tr};
    struct run *run = run_new_single(sc, f, &o);
    run_execute(run);
    if (a->json)
        print_json(run, &tr);
    else
        print_text(run, &tr);
    run_free(run);
    arena_free(tr.arena);
}

static void on_probe(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                     const struct trace *t)
{
    troubleshoot_packet(ctx, c, port, at, p, t);
}

/* As Azure's connection troubleshoot: many probes instead of one, and only what it shows of them. */
static void troubleshoot(const struct cmd_args *a, const struct scenario *sc, const struct flow *f)
{
    struct flow probes = *f;
    struct troubleshoot *t = troubleshoot_new();
    const struct run_options o = {.reference = a->reference, .tap = on_probe, .ctx = t};
    probes.count = TROUBLESHOOT_PROBES;
    probes.interval = TROUBLESHOOT_INTERVAL;
    struct run *run = run_new_single(sc, &probes, &o);
    run_execute(run);
    json_t *answer = troubleshoot_json(t, run);
    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(answer);
    run_free(run);
    troubleshoot_free(t);
}

static int trace(const struct cmd_args *a)
{
    struct flow f;
    if (flow_of_args(a, &f))
        return EXIT_INPUT;
    struct scenario *sc = cmd_load(a, a->pos[0]);
    if (!sc)
        return EXIT_INPUT;
    const struct model *m = scenario_state(sc, scenario_state_at(sc, f.at_time));
    int status = EXIT_OK;
    if (model_find(m, f.from).kind == THING_NONE)
        status = cmd_usage(a, "nothing is called '%s' here", f.from);
    else if (a->json_as)
        troubleshoot(a, sc, &f);
    else
        explain(a, sc, &f);
    scenario_free(sc);
    return cmd_finish(status);
}

const struct command cmd_trace = {
    .name = "trace",
    .usage = "SCENARIO --from NAME --to ADDRESS-OR-NAME [--protocol tcp|udp|icmp] [--port N] [--at TIME] "
             "[--json[=azure]]",
    .summary = "explain one packet stage by stage, there and back",
    .help =
        "Runs one flow in the state of --at and prints, for its first packet and for the answer: every "
        "stage, the rule or route\n"
        "that decided, the candidates that lost and why, and the file and line that caused it.\n"
        "  --from NAME      NIC, virtual machine, host, service or private endpoint\n"
        "  --to TO          address, DNS name, or name of a resource\n"
        "  --protocol P     tcp (default), udp, icmp\n"
        "  --port N         destination port\n"
        "  --at TIME        in virtual time, after the timeline entries of that time (default 0s)\n"
        "  --json           the stages as JSON\n"
        "  --json=azure     the JSON of `az network watcher test-connectivity` (F-06), out of 100 probes\n"
        "  --reference      use the slow reference tables",
    .json_as = "azure",
    .options = "ftpPar",
    .min_pos = 1,
    .max_pos = 1,
    .run = trace,
};
