/* test_scenario.c - scenarios: states over time, kept addresses, includes, printing and loading again. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "topology/scenario.h"

static struct scenario *load(const char *path)
{
    struct arena *a = arena_new("test");
    struct diag *d = diag_new(a);
    struct scenario *s = scenario_load(path, d);
    if (d->n)
        diag_print(d, stderr);
    cr_assert_eq(d->n, 0, "%s has findings", path);
    cr_assert_not_null(s, "%s", path);
    arena_free(a);
    return s;
}

Test(scenario, shipped_ones_load_without_findings)
{
    glob_t g;
    cr_assert_eq(glob("topology/scenarios/*.yaml", 0, NULL, &g), 0);
    cr_assert_gt(g.gl_pathc, 0);
    for (size_t i = 0; i < g.gl_pathc; i++)
        scenario_free(load(g.gl_pathv[i]));
    globfree(&g);
}
