/* cmd_run.c - `vnetsim run`: replay a scenario, write its captures and results, hold its expectations. */
#include "topology/cmd.h"
#include "topology/results.h"
#include "topology/wire_capture.h"
#include "topology/wire_flowlog.h"

#include "dataplane/arena.h"
#include "pcaps/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct replay {
    struct wire_capture *capture;
    struct wire_flowlog *flowlog;
    bool progress;
    size_t shown;
};

static void on_packet(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                      const struct trace *t)
{
    struct replay *r = ctx;
    wire_capture_packet(r->capture, c, port, at, p, t);
    wire_flowlog_packet(r->flowlog, c, port, at, p, t);
}

static void on_underlay(void *ctx, const struct compiled *c, int64_t at, const struct packet *outer,
                        const struct underlay_tunnel *t)
{
    wire_capture_outer(((struct replay *)ctx)->capture, c, at, outer, t);
}

static void on_state(void *ctx, const struct compiled *c)
{
    wire_capture_state(((struct replay *)ctx)->capture, c);
}

static void on_progress(void *ctx, int64_t now, size_t done, size_t flows)
{
    struct replay *r = ctx;
    if (!r->progress || done * 100 / flows == r->shown)
        return;
    r->shown = done * 100 / flows;
    fprintf(stderr, "\r%3zu %% of %zu flows, virtual time %.3f s ", r->shown, flows, (double)now / 1e9);
    if (done == flows)
        fputs("\r\033[K", stderr);
}

static int write_json(const char *dir, const json_t *o)
{
    char path[4096], err[256];
    snprintf(path, sizeof path, "%s/results.json", dir);
    struct outfile *f = outfile_open(path, err, sizeof err);
    char *text = json_dumps(o, JSON_INDENT(2));
    int rc = f ? 0 : -errno;
    if (f && text) {
        outfile_printf(f, "%s\n", text);
        rc = outfile_commit(f);
    }
    free(text);
    return rc ? cmd_system(path, rc) : EXIT_OK;
}

static int report(const struct cmd_args *a, const struct results *res, const json_t *o, const char *dir)
{
    if (a->json) {
        json_dumpf(o, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (!a->quiet) {
        results_print(res, stdout, cmd_colour(STDOUT_FILENO));
        const size_t logs = json_array_size(json_object_get(o, "flowLogs"));
        printf("captures: %zu in %s\n", json_array_size(json_object_get(o, "captures")), dir);
        if (logs)
            printf("flow logs: %zu in %s\n", logs, dir);
    }
    return cmd_finish(res->failed ? EXIT_EXPECT : EXIT_OK);
}

/* Files without the results that go with them would look like a whole run: take them back. */
static void withdraw(const char *dir, json_t *files)
{
    char path[4096];
    size_t i;
    json_t *f;
    json_array_foreach(files, i, f)
    {
        snprintf(path, sizeof path, "%s/%s", dir, json_string_value(json_object_get(f, "file")));
        unlink(path);
    }
}

/* What the run showed, once its files are complete: all of them get their names, results.json last. */
static int conclude(const struct cmd_args *a, struct replay *r, const struct run *run, const char *dir)
{
    int status = wire_flowlog_finish(r->flowlog, run_end(run));
    if (status != EXIT_OK)
        return status;
    json_t *captures = wire_capture_commit(r->capture, run_end(run));
    json_t *logs = captures ? wire_flowlog_commit(r->flowlog) : NULL;
    status = EXIT_SYSTEM;
    if (logs) {
        struct results *res = results_new(run);
        json_t *all = results_json(res, captures);
        json_object_set(all, "flowLogs", logs);
        status = write_json(dir, all);
        if (status == EXIT_OK) {
            status = report(a, res, all, dir);
        } else {
            withdraw(dir, captures);
            withdraw(dir, logs);
        }
        json_decref(all);
        results_free(res);
    }
    json_decref(logs);
    json_decref(captures);
    return status;
}

static int replay(const struct cmd_args *a, const struct scenario *sc, const char *dir)
{
    int status = EXIT_SYSTEM;
    struct replay r = {.progress = !a->quiet && isatty(STDERR_FILENO)};
    r.capture = wire_capture_open(sc, dir, a->version, &status);
    if (!r.capture)
        return status;
    r.flowlog = wire_flowlog_open(sc, dir);
    const struct run_options o = {.reference = a->reference,
                                  .tap = on_packet,
                                  .underlay = wire_capture_underlay(r.capture) ? on_underlay : NULL,
                                  .state = on_state,
                                  .progress = on_progress,
                                  .ctx = &r};
    struct run *run = run_new(sc, &o);
    run_execute(run);
    status = conclude(a, &r, run, dir);
    wire_flowlog_free(r.flowlog);
    run_free(run);
    wire_capture_free(r.capture);
    return status;
}

static int run_command(const struct cmd_args *a)
{
    struct scenario *sc = cmd_load(a, a->pos[0]);
    if (!sc)
        return EXIT_INPUT;
    struct arena *arena = arena_new("run");
    const char *dir = a->out ? a->out : arena_printf(arena, "%s.out", scenario_state(sc, 0)->scenario);
    int status = replay(a, sc, dir);
    arena_free(arena);
    scenario_free(sc);
    return status;
}

const struct command cmd_run = {
    .name = "run",
    .usage = "SCENARIO [-o DIR] [--reference]",
    .summary = "replay a scenario: captures, results, expectations",
    .help = "Simulates the scenario in virtual time. Writes its captures (pcapng, for Wireshark), flow logs "
            "and results.json into DIR and\n"
            "prints a table of flows and what expectations did not hold. Exit status 1: an expectation did "
            "not hold.\n"
            "  -o, --out DIR  where to write (default ./<scenario>.out)\n"
            "  --reference    use the slow reference tables; the results are the same",
    .options = "or",
    .min_pos = 1,
    .max_pos = 1,
    .run = run_command,
};
