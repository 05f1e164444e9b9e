/* cmd_check.c - `vnetsim check`: validate only; print the canonical form. */
#include "topology/cmd.h"

#include <stdio.h>

static int check(const struct cmd_args *a)
{
    int status = EXIT_OK;
    for (int i = 0; i < a->n_pos; i++) {
        struct scenario *sc = cmd_load(a, a->pos[i]);
        if (!sc) {
            status = EXIT_INPUT;
            if (a->json)
                printf("{\"file\": \"%s\", \"ok\": false}\n", a->pos[i]);
            continue;
        }
        if (a->print)
            scenario_print(sc, stdout);
        else if (a->json)
            printf("{\"file\": \"%s\", \"ok\": true, \"scenario\": \"%s\"}\n", a->pos[i],
                   scenario_state(sc, 0)->scenario);
        else if (!a->quiet)
            printf("%s: ok (%s)\n", a->pos[i], scenario_state(sc, 0)->scenario);
        scenario_free(sc);
    }
    return cmd_finish(status);
}

const struct command cmd_check = {
    .name = "check",
    .usage = "SCENARIO... [--print] [--strict]",
    .summary = "validate scenario files",
    .help = "Reads each file ('-': standard input) with its includes and its timeline, and reports every "
            "finding with file, line\n"
            "and column on standard error.\n"
            "  --print   print the canonical form: it loads to the same model\n"
            "  --strict  warnings (limits, addresses that no service endpoint covers) are errors",
    .options = "cs",
    .min_pos = 1,
    .max_pos = -1,
    .run = check,
};
