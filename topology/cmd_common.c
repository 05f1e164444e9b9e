/* cmd_common.c - what commands share; see cmd.h. */
#include "topology/cmd.h"

#include "dataplane/arena.h"
#include "topology/check.h"
#include "topology/suggest.h"
#include "topology/switches.h"
#include "topology/units.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cmd_usage(const struct cmd_args *a, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "%s: ", a->program);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "; see '%s --help'\n", a->program);
    return EXIT_INPUT;
}

struct scenario *cmd_load(const struct cmd_args *a, const char *path)
{
    struct arena *arena = arena_new("diagnostics");
    struct diag *d = diag_new(arena);
    struct scenario *sc = scenario_load(path, d);
    if (d->errors || !a->quiet)
        diag_print(d, stderr);
    if (sc && a->strict && d->warnings) {
        fprintf(stderr, "%s: %zu warnings count as errors (--strict)\n", path, d->warnings);
        scenario_free(sc);
        sc = NULL;
    }
    arena_free(arena);
    return sc;
}

int cmd_time(const struct cmd_args *a, int64_t *at)
{
    *at = 0;
    if (a->at && unit_duration(a->at, at) != 0)
        return cmd_usage(a, "--at '%s' is no duration such as 5s or 250ms", a->at);
    return 0;
}

const struct nic *cmd_nic(const struct cmd_args *a, const struct model *m)
{
    const struct thing t = model_find(m, a->nic);
    if (t.kind == THING_NIC)
        return t.p;
    const char **names = calloc(m->networkInterfaces.n + 1, sizeof *names);
    if (!names)
        arena_oom("names");
    for (size_t i = 0; i < m->networkInterfaces.n; i++)
        names[i] = m->networkInterfaces.at[i].name;
    const char *near = suggest(a->nic, names, m->networkInterfaces.n);
    fprintf(stderr, "%s: unknown network interface '%s'%s%s%s\n", a->program, a->nic,
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(names);
    return NULL;
}

/* => what would be printed; free it. NULL: out of memory. */
static char *printed(const struct model *m, const struct nic *nic, cmd_printer *print, const void *ctx)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    bool bad = print(to, m, nic, ctx) != 0;
    if (fclose(to) == 0 && !bad)
        return text;
    free(text);
    return NULL;
}

int cmd_answer(const struct cmd_args *a, const struct model *m, const struct nic *nic, cmd_printer *print,
               const void *ctx)
{
    struct arena *arena = arena_new("switches");
    char *answer = printed(m, nic, print, ctx);
    if (!answer)
        arena_oom("answer");
    fputs(answer, stdout);
    for (enum switch_id id = 0; !a->quiet && id < SWITCH_COUNT; id++) {
        const struct switches then = switches_other(m->switches, id);
        char *other = printed(switches_model(arena, m, &then), nic, print, ctx);
        if (!other)
            arena_oom("answer");
        if (strcmp(answer, other) != 0)
            fprintf(
                stderr, "note: this answer depends on the switch %s, here %s (%s); with %s it is another\n",
                switch_name(id), switch_value(&m->switches, id), switch_rules(id), switch_value(&then, id));
        free(other);
    }
    free(answer);
    arena_free(arena);
    return EXIT_OK;
}

int cmd_system(const char *what, int error)
{
    fprintf(stderr, "vnetsim: %s: %s\n", what, strerror(error < 0 ? -error : error));
    return EXIT_SYSTEM;
}

int cmd_finish(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "vnetsim: standard output: %s\n", strerror(errno));
        return EXIT_SYSTEM;
    }
    return status;
}

bool cmd_colour(int fd)
{
    const char *no = getenv("NO_COLOR");
    return isatty(fd) && !(no && *no);
}
