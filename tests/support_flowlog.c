/* support_flowlog.c - see support_flowlog.h. */
#include "tests/support_flowlog.h"
#include "tests/support_scenario.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void on_packet(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                      const struct trace *t)
{
    struct logged *s = ctx;
    struct packet_info info;
    wire_flowlog_packet(s->log, c, port, at, p, t);
    if (c->thing[port].kind != THING_NIC || packet_parse(p->data, p->len, &info) != 0 ||
        info.proto == IPPROTO_NR_ICMP || trace_reason(t) == REASON_NSG_DENY)
        return;
    s->frames++;
    s->bytes += p->len;
}

void logged_begin(struct logged *s, const char *text)
{
    memset(s, 0, sizeof *s);
    tmp_make(&s->tmp);
    s->arena = arena_new("story");
    s->sc = sc_parse(arena_printf(s->arena, "scenario: t\n%s", text));
    s->log = wire_flowlog_open(s->sc, s->tmp.dir);
    const struct run_options o = {.tap = on_packet, .ctx = s};
    s->run = run_new(s->sc, &o);
    run_execute(s->run);
}

void logged_run(struct logged *s, const char *text)
{
    logged_begin(s, text);
    cr_assert_eq(wire_flowlog_finish(s->log, run_end(s->run)), 0);
    s->files = wire_flowlog_commit(s->log);
    cr_assert_not_null(s->files);
}

void logged_end(struct logged *s)
{
    json_decref(s->files);
    wire_flowlog_free(s->log);
    run_free(s->run);
    scenario_free(s->sc);
    arena_free(s->arena);
    tmp_remove(&s->tmp);
}

json_t *logged_json(const char *path)
{
    json_error_t e;
    json_t *o = json_load_file(path, 0, &e);
    cr_assert_not_null(o, "%s:%d: %s", path, e.line, e.text);
    return o;
}

const char *logged_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    cr_assert_not_null(s, "%s", key);
    return s;
}

uint64_t logged_sum(const char *lines, char state, int column)
{
    uint64_t n = 0;
    char mark[8];
    snprintf(mark, sizeof mark, ",%c,NX,", state);
    for (const char *at = lines; (at = strstr(at, mark));) {
        at += strlen(mark);
        for (int i = 0; i < column; i++)
            at = strchr(at, ',') + 1;
        n += strtoull(at, NULL, 10);
    }
    return n;
}
