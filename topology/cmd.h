/* cmd.h - the command line: one function per command, one table of them, options shared. */
#ifndef VNETSIM_TOPOLOGY_CMD_H
#define VNETSIM_TOPOLOGY_CMD_H

#include "topology/scenario.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses (scenario contract, section 3). */
enum { EXIT_OK = 0, EXIT_EXPECT = 1, EXIT_INPUT = 2, EXIT_SYSTEM = 3 };

struct cmd_args {
    const char *program, *version; /* "vnetsim", "vnetsim 0.1.0" */
    bool json, quiet, strict, print, reference;
    const char *json_as; /* --json=SHAPE: another shape than the command's own; or NULL */
    const char *out, *nic, *from, *to, *protocol, *port, *at, *direction, *local, *remote;
    const char *const *pos; /* positional arguments */
    int n_pos;
};

struct command {
    const char *name;     /* "run"; "import host": two words */
    const char *usage;    /* after the name */
    const char *summary;  /* one line for the list */
    const char *help;     /* more, for --help */
    const char *json_as;  /* the one SHAPE that --json may name; or NULL */
    const char *options;  /* letters of cmd_options that it takes */
    int min_pos, max_pos; /* -1: any number */
    int (*run)(const struct cmd_args *a);
};

extern const struct command cmd_run, cmd_check, cmd_routes, cmd_rules, cmd_trace, cmd_nexthop,
    cmd_verify_flow, cmd_resolve, cmd_import_host;

/* Say what is wrong with the command line. => EXIT_INPUT. */
int cmd_usage(const struct cmd_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* => the scenario, or NULL after its findings were printed to standard error. Warnings are printed too,
 * unless quiet. */
struct scenario *cmd_load(const struct cmd_args *a, const char *path);
/* => 0 and the time of --at (0 where it is not given), or EXIT_INPUT. */
int cmd_time(const struct cmd_args *a, int64_t *at);
/* => the NIC of --nic in the model of --at; NULL after a message with a suggestion. */
const struct nic *cmd_nic(const struct cmd_args *a, const struct model *m);
/* Print an answer about a NIC of a model to standard output, and note on standard error, unless quiet, which
 * switches it depends on: with which the printer prints something else. print => 0, or a negative errno. =>
 * exit status. */
typedef int cmd_printer(FILE *to, const struct model *m, const struct nic *nic, const void *ctx);
int cmd_answer(const struct cmd_args *a, const struct model *m, const struct nic *nic, cmd_printer *print,
               const void *ctx);
/* Report a failure of the system. => EXIT_SYSTEM. */
int cmd_system(const char *what, int error);
/* Flush standard output. => EXIT_OK, or EXIT_SYSTEM after a message (disk full, closed pipe). */
int cmd_finish(int status);
/* => whether to use colour on a stream: a terminal, and NO_COLOR unset. */
bool cmd_colour(int fd);

#endif
