/* support_scenario.c - see support_scenario.h. */
#include "tests/support_scenario.h"
#include "dataplane/arena.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct scenario *sc_load(const char *path)
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

struct scenario *sc_parse(const char *text)
{
    struct arena *a = arena_new("test");
    struct diag *d = diag_new(a);
    struct scenario *s = scenario_parse("t", text, strlen(text), d);
    if (d->errors)
        diag_print(d, stderr);
    cr_assert_not_null(s);
    arena_free(a);
    return s;
}

char *sc_errors(const char *text)
{
    struct arena *a = arena_new("test");
    struct diag *d = diag_new(a);
    char *out = NULL;
    size_t len;
    FILE *f = open_memstream(&out, &len);
    cr_assert_null(scenario_parse("t", text, strlen(text), d));
    diag_print(d, f);
    fclose(f);
    arena_free(a);
    return out;
}

char *sc_printed(const struct scenario *s)
{
    char *out = NULL;
    size_t len;
    FILE *f = open_memstream(&out, &len);
    cr_assert_eq(scenario_print(s, f), 0);
    fclose(f);
    return out;
}
