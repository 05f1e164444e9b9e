/* cmd_resolve.c - `vnetsim resolve`: what a name gives at a place, in the form of dig's answer section. */
#include "topology/cmd.h"
#include "topology/names.h"

#include "dataplane/arena.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *type_word(enum record_type t)
{
    static const char *const word[] = {"A", "AAAA", "CNAME", "TXT", "MX", "PTR", "SRV"};
    return word[t];
}

static const char *value_of(const struct dns_rr *rr, char *buf)
{
    return rr->type == RECORD_A ? ip4_format(rr->addr, buf) : rr->target;
}

static void print_dig(const struct dns_result *r, const char *name)
{
    static const char *const status[] = {"NOERROR", "NXDOMAIN", "NOERROR"};
    char buf[IP4_STRLEN];
    printf(";; status: %s\n;; QUESTION SECTION:\n;%s.\t\tIN\tA\n\n;; ANSWER SECTION:\n", status[r->status], name);
    for (size_t i = 0; i < r->n; i++)
        printf("%s.\t%u\tIN\t%s\t%s%s\t; %s\n", r->rr[i].name, r->rr[i].ttl, type_word(r->rr[i].type), value_of(&r->rr[i], buf),
               r->rr[i].type == RECORD_CNAME ? "." : "", r->rr[i].source ? r->rr[i].source : "");
}

static int print_json(const struct dns_result *r, const char *name)
{
    static const char *const status[] = {"NoError", "NxDomain", "NoData"};
    char buf[IP4_STRLEN];
    json_t *answers = json_array();
    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(answers, json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", r->rr[i].name, "type", type_word(r->rr[i].type),
                                                 "value", value_of(&r->rr[i], buf), "ttl", (json_int_t)r->rr[i].ttl, "source",
                                                 r->rr[i].source ? r->rr[i].source : ""));
    json_t *o = json_pack("{s:s, s:s, s:o}", "name", name, "status", status[r->status], "chain", answers);
    int rc = json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
    return rc;
}

static int resolve(const struct cmd_args *a)
{
    int64_t at;
    if (!a->from)
        return cmd_usage(a, "--from is missing");
    if (cmd_time(a, &at))
        return EXIT_INPUT;
    struct scenario *sc = cmd_load_runnable(a, a->pos[0]);
    if (!sc)
        return EXIT_INPUT;
    const struct model *m = scenario_state(sc, scenario_state_at(sc, at));
    const struct thing t = model_find(m, a->from);
    int status = EXIT_OK;
    if (t.kind == THING_NONE) {
        status = cmd_usage(a, "nothing is called '%s' here", a->from);
    } else {
        const struct vnet *v = t.kind == THING_NIC ? ((const struct nic *)t.p)->subnet->vnet : NULL;
        struct arena *arena = arena_new("names");
        struct dns_result r;
        names_resolve(arena, m, v, a->pos[1], RECORD_A, &r);
        if (a->json)
            print_json(&r, a->pos[1]);
        else
            print_dig(&r, a->pos[1]);
        arena_free(arena);
    }
    scenario_free(sc);
    return cmd_finish(status);
}

const struct command cmd_resolve = {
    .name = "resolve",
    .usage = "SCENARIO --from NAME NAME [--at TIME]",
    .summary = "the chain of records that a name gives at a place",
    .help = "The answer to a question for A records, in the form of dig's answer section; each record says where it comes from.\n"
            "  --from NAME  who asks: a NIC, a virtual machine, a host\n"
            "  --at TIME    in virtual time, after the timeline entries of that time (default 0s)",
    .options = "fa",
    .min_pos = 2,
    .max_pos = 2,
    .run = resolve,
};
