/* cmd_resolve.c - `vnetsim resolve`: what a name gives at a place, in the form of dig's answer section.
 *
 * The name is asked for with packets, in a run of that one question: what is printed is what a flow would get
 * there. Each record says where the server that knew it had it from, and below stand the questions that it
 * took, with what became of those that were dropped. */
#include "topology/cmd.h"
#include "topology/results.h"

#include "dataplane/arena.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct question { /* one server asked by one machine */
    const char *by;
    ip4 server;
    unsigned times;
    enum reason dropped; /* the last of them, or its answer; REASON_NONE: neither */
    const char *at;      /* and where */
};

struct watch {
    struct arena *arena;
    struct question *at;
    size_t n, cap;
};

static struct question *question_of(struct watch *w, const char *by, ip4 server)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->at[i].server == server && (!by || strcmp(w->at[i].by, by) == 0))
            return &w->at[i];
    return NULL;
}

static void on_packet(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                      const struct trace *t)
{
    struct watch *w = ctx;
    struct packet_info info;
    struct question *q;
    const char *name = port_name(c->numbering, port);
    (void)at;
    if (!p->meta.dns || packet_parse(p->data, p->len, &info) != 0)
        return;
    if (!p->meta.reply && !t->inbound && p->meta.origin == port) {
        if (!(q = question_of(w, name, info.dst))) {
            q = arena_push(w->arena, &w->at, &w->n, &w->cap, sizeof *q);
            *q = (struct question){.by = arena_strdup(w->arena, name), .server = info.dst};
        }
        q->times++;
    }
    q = question_of(w, NULL, p->meta.reply ? info.src : info.dst);
    if (q && trace_reason(t) != REASON_NONE) {
        q->dropped = trace_reason(t);
        q->at = arena_strdup(w->arena, name);
    }
}

/* -- in words -------------------------------------------------------------------------------------------- */

static const char *status_text(const struct flow_result *f)
{
    if (f->reason == REASON_NONE || f->reason == REASON_NO_DATA)
        return "NOERROR";
    if (f->reason == REASON_NX_DOMAIN)
        return "NXDOMAIN";
    return f->dns ? "SERVFAIL" : "no answer";
}

static const char *value_of(const struct dns_answer_rr *rr, char *buf)
{
    return rr->type == DNS_TYPE_A ? ip4_format(rr->addr, buf) : rr->target;
}

static void print_dig(const struct run *run, const struct watch *w, const char *name)
{
    const struct flow_result *f = sim_result(run_sim(run), 1);
    char buf[IP4_STRLEN];
    printf(";; status: %s\n;; QUESTION SECTION:\n;%s.\t\tIN\tA\n\n;; ANSWER SECTION:\n", status_text(f),
           name);
    for (size_t i = 0; f->dns && i < f->dns->n; i++) {
        const struct dns_answer_rr *rr = &f->dns->rr[i];
        const char *source = run_record_source(run, rr);
        printf("%s.\t%u\tIN\t%s\t%s%s\t; %s\n", rr->name, rr->ttl, rr->type == DNS_TYPE_A ? "A" : "CNAME",
               value_of(rr, buf), rr->type == DNS_TYPE_A ? "" : ".", source ? source : "");
    }
    printf("\n;; SERVERS ASKED:\n");
    for (size_t i = 0; i < w->n; i++) {
        const struct question *q = &w->at[i];
        printf("; %s asked %s", q->by, ip4_format(q->server, buf));
        if (q->times > 1)
            printf(" %u times", q->times);
        if (q->dropped)
            printf(", dropped at %s: %s, %s (%s)", q->at, reason_word(q->dropped),
                   reason_sentence(q->dropped), reason_rules(q->dropped));
        putchar('\n');
    }
    if (f->reason == REASON_NO_HOST)
        puts("; it does not run, or is no machine that can ask");
}

static const char *status_word(const struct flow_result *f)
{
    return f->reason == REASON_NONE ? "NoError" : reason_word(f->reason);
}

static void print_json(const struct run *run, const struct watch *w, const char *name)
{
    const struct flow_result *f = sim_result(run_sim(run), 1);
    char buf[IP4_STRLEN];
    json_t *answers = json_array(), *asked = json_array();
    for (size_t i = 0; f->dns && i < f->dns->n; i++) {
        const struct dns_answer_rr *rr = &f->dns->rr[i];
        const char *source = run_record_source(run, rr);
        json_array_append_new(answers,
                              json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", rr->name, "type",
                                        rr->type == DNS_TYPE_A ? "A" : "CNAME", "value", value_of(rr, buf),
                                        "ttl", (json_int_t)rr->ttl, "source", source ? source : ""));
    }
    for (size_t i = 0; i < w->n; i++) {
        const struct question *q = &w->at[i];
        json_t *o = json_pack("{s:s, s:s, s:I}", "by", q->by, "server", ip4_format(q->server, buf), "times",
                              (json_int_t)q->times);
        if (q->dropped)
            json_object_update_new(
                o, json_pack("{s:s, s:s}", "reason", reason_word(q->dropped), "droppedAt", q->at));
        json_array_append_new(asked, o);
    }
    json_t *o = json_pack("{s:s, s:s, s:o, s:o}", "name", name, "status", status_word(f), "chain", answers,
                          "asked", asked);
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}

static void ask(const struct cmd_args *a, const struct scenario *sc, int64_t at)
{
    struct watch w = {.arena = arena_new("question")};
    const struct run_options o = {.tap = on_packet, .ctx = &w};
    struct run *run = run_new_question(sc, a->from, a->pos[1], at, &o);
    run_execute(run);
    if (a->json)
        print_json(run, &w, a->pos[1]);
    else
        print_dig(run, &w, a->pos[1]);
    run_free(run);
    arena_free(w.arena);
}

static int resolve(const struct cmd_args *a)
{
    int64_t at;
    if (!a->from)
        return cmd_usage(a, "--from is missing");
    if (cmd_time(a, &at))
        return EXIT_INPUT;
    struct scenario *sc = cmd_load(a, a->pos[0]);
    if (!sc)
        return EXIT_INPUT;
    int status = EXIT_OK;
    if (model_find(scenario_state(sc, scenario_state_at(sc, at)), a->from).kind == THING_NONE)
        status = cmd_usage(a, "nothing is called '%s' here", a->from);
    else
        ask(a, sc, at);
    scenario_free(sc);
    return cmd_finish(status);
}

const struct command cmd_resolve = {
    .name = "resolve",
    .usage = "SCENARIO --from NAME NAME [--at TIME]",
    .summary = "the chain of records that a name gives at a place",
    .help = "The answer to a question for A records, in the form of dig's answer section; each record says "
            "where it comes from, and\n"
            "below stand the servers that were asked on the way. Nobody has anything in a cache.\n"
            "  --from NAME  who asks: a NIC, a virtual machine, a host\n"
            "  --at TIME    in virtual time, after the timeline entries of that time (default 0s)",
    .options = "fa",
    .min_pos = 2,
    .max_pos = 2,
    .run = resolve,
};
