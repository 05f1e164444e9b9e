/* cmd_routes.c - `vnetsim routes` and `vnetsim rules`: what is effective at a NIC. */
#include "topology/cmd.h"
#include "topology/routes.h"
#include "topology/rules.h"

#include "dataplane/arena.h"

/* Load, find the NIC at the time, and print. */
static int show(const struct cmd_args *a, cmd_printer *print)
{
    int64_t at;
    if (!a->nic)
        return cmd_usage(a, "--nic is missing");
    if (cmd_time(a, &at))
        return EXIT_INPUT;
    struct scenario *sc = cmd_load(a, a->pos[0]);
    if (!sc)
        return EXIT_INPUT;
    const struct model *m = scenario_state(sc, scenario_state_at(sc, at));
    const struct nic *nic = cmd_nic(a, m);
    int status = nic ? cmd_answer(a, m, nic, print, a) : EXIT_INPUT;
    scenario_free(sc);
    return cmd_finish(status);
}

static int print_routes(FILE *to, const struct model *m, const struct nic *nic, const void *ctx)
{
    const struct cmd_args *a = ctx;
    struct arena *arena = arena_new("effective");
    const struct eff_table *t = routes_effective(arena, m, nic->subnet);
    int rc = a->json ? routes_print_json(to, t) : routes_print_table(to, t);
    arena_free(arena);
    return rc;
}

static int print_rules(FILE *to, const struct model *m, const struct nic *nic, const void *ctx)
{
    const struct cmd_args *a = ctx;
    struct arena *arena = arena_new("effective");
    const struct nic_rules *r = rules_of_nic(arena, m, nic);
    int rc = a->json ? rules_print_json(to, r) : rules_print_table(to, r);
    arena_free(arena);
    return rc;
}

static int routes(const struct cmd_args *a)
{
    return show(a, print_routes);
}

static int rules(const struct cmd_args *a)
{
    return show(a, print_rules);
}

const struct command cmd_routes = {
    .name = "routes",
    .usage = "SCENARIO --nic NAME [--at TIME] [--json]",
    .summary = "effective routes of a NIC",
    .help = "The table of `az network nic show-effective-route-table -o table`; with --json its JSON (F-01, "
            "F-02).\n"
            "  --nic NAME  network interface or virtual machine\n"
            "  --at TIME   in virtual time, after the timeline entries of that time (default 0s)",
    .options = "na",
    .min_pos = 1,
    .max_pos = 1,
    .run = routes,
};

const struct command cmd_rules = {
    .name = "rules",
    .usage = "SCENARIO --nic NAME [--at TIME] [--json]",
    .summary = "effective security rules of a NIC",
    .help = "Rules of the subnet's and the NIC's security group in evaluation order, defaults included "
            "(G-02, G-03); with --json\n"
            "the JSON of `az network nic list-effective-nsg` (F-11).\n"
            "  --nic NAME  network interface or virtual machine\n"
            "  --at TIME   in virtual time, after the timeline entries of that time (default 0s)",
    .options = "na",
    .min_pos = 1,
    .max_pos = 1,
    .run = rules,
};
