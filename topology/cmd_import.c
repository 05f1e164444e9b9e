/* cmd_import.c - `vnetsim import host`: this Linux host as an on-premises network in a scenario. */
#include "topology/cmd.h"
#include "topology/hostimport.h"

#include "pcaps/outfile.h"

#include <errno.h>
#include <string.h>

/* Write to a file that is whole or not there. => exit status. */
static int write_file(const struct host_import *p, bool json, const char *path)
{
    char err[256];
    struct outfile *f = outfile_open(path, err, sizeof err);
    if (!f) {
        fprintf(stderr, "vnetsim: %s\n", err);
        return EXIT_SYSTEM;
    }
    FILE *to = outfile_stream(f);
    if (!to)
        outfile_fail(f, -errno);
    else
        hostimport_print(p, json, to);
    if (to && fclose(to) != 0)
        outfile_fail(f, -errno);
    const int rc = outfile_commit(f);
    return rc ? cmd_system(path, rc) : EXIT_OK;
}

/* JSON has no comments: what was left out is said beside it. */
static void print_notes(const struct host_import *p)
{
    for (size_t i = 0; i < p->n_notes; i++)
        fprintf(stderr, "note: %s\n", p->note[i]);
}

static int import_host(const struct cmd_args *a)
{
    struct arena *arena = arena_new("import host");
    struct host_view host;
    const char *err;
    int status = EXIT_OK;
    if (hostimport_read(arena, &host, &err) != 0) {
        fprintf(stderr, "vnetsim: %s\n", err);
        arena_free(arena);
        return EXIT_SYSTEM;
    }
    const struct host_import *p = hostimport_plan(arena, &host);
    if (a->json && !a->quiet)
        print_notes(p);
    if (a->out && strcmp(a->out, "-") != 0)
        status = write_file(p, a->json, a->out);
    else
        hostimport_print(p, a->json, stdout);
    arena_free(arena);
    return cmd_finish(status);
}

const struct command cmd_import_host = {
    .name = "import host",
    .usage = "[-o SCENARIO] [--json]",
    .summary = "this Linux host as an on-premises network",
    .help =
        "Reads this host's links, IPv4 addresses, neighbours and routes and writes a scenario with an\n"
        "on-premises network made of them; comments say what was left out. Needs no privileges and sends\n"
        "nothing. With --json the scenario is JSON, which loads as well.\n"
        "  -o, --out SCENARIO  where to write (default: standard output)",
    .options = "o",
    .min_pos = 0,
    .max_pos = 0,
    .run = import_host,
};
