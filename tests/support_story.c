/* support_story.c - see support_story.h. */
#include "tests/support_story.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "topology/check.h"

static void on_packet(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                      const struct trace *t)
{
    struct story *s = ctx;
    struct packet_info info;
    if (packet_parse(p->data, p->len, &info) != 0)
        return;
    struct story_packet *q = arena_push(s->arena, &s->packet, &s->n_packets, &s->cap_packets, sizeof *q);
    *q = (struct story_packet){.port = arena_strdup(s->arena, port_name(c->numbering, port)),
                               .inbound = t->inbound,
                               .at = at,
                               .info = info};
    memcpy(q->mac, p->data + 6, 6);
}

static const char *printed(struct arena *a, const struct diag *d)
{
    char *buf = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&buf, &len);
    diag_print(d, f);
    fclose(f);
    const char *out = arena_strdup(a, buf);
    free(buf);
    return out;
}

static struct scenario *parse(struct arena *a, const char *yaml, struct diag *d)
{
    const char *text = arena_printf(a, "scenario: t\n%s", yaml);
    return scenario_parse("t", text, strlen(text), d);
}

const char *story_findings(struct arena *a, const char *yaml)
{
    struct diag *d = diag_new(a);
    scenario_free(parse(a, yaml, d));
    return printed(a, d);
}

static void load(struct story *s, const char *yaml)
{
    struct diag *d = diag_new(s->arena);
    s->sc = parse(s->arena, yaml, d);
    cr_assert_not_null(s->sc, "the scenario has errors:\n%s", printed(s->arena, d));
}

static void expectations_hold(const struct story *s)
{
    const struct results *r = s->res;
    for (size_t i = 0; i < r->n_flows; i++)
        cr_assert_gt(json_array_size(json_object_get(r->flow[i], "expect")), 0, "flow %s expects nothing",
                     json_string_value(json_object_get(r->flow[i], "name")));
    for (size_t i = 0; i < r->n_expect; i++)
        cr_expect(r->expect[i].ok, "line %u: %s: %s: got %s, want %s", r->expect[i].at.line, r->expect[i].of,
                  r->expect[i].key, r->expect[i].got, r->expect[i].want);
    cr_assert_gt(r->n_expect, 0);
    cr_assert_eq(r->failed, 0);
}

struct story story_tell(const char *yaml)
{
    struct story s = {.arena = arena_new("story")};
    load(&s, yaml);
    const struct run_options o = {.tap = on_packet, .ctx = &s};
    s.run = run_new(s.sc, &o);
    run_execute(s.run);
    s.res = results_new(s.run);
    expectations_hold(&s);
    return s;
}

void story_end(struct story *s)
{
    results_free(s->res);
    run_free(s->run);
    scenario_free(s->sc);
    arena_free(s->arena);
}

void story(const char *yaml)
{
    struct story s = story_tell(yaml);
    story_end(&s);
}

const char *story_value(struct story *s, const char *flow, const char *key)
{
    for (size_t i = 0; i < s->res->n_flows; i++) {
        if (strcmp(json_string_value(json_object_get(s->res->flow[i], "name")), flow) != 0)
            continue;
        char *text = json_dumps(json_object_get(s->res->flow[i], key), JSON_COMPACT | JSON_ENCODE_ANY);
        const char *out = arena_strdup(s->arena, text ? text : "null");
        free(text);
        return out;
    }
    cr_assert_fail("no flow %s", flow);
    return NULL;
}
