/* support_check.c - see support_check.h. */
#include "tests/support_check.h"

#include <criterion/criterion.h>
#include <string.h>

void expect_findings(const char *text, const char *want, int line)
{
    struct loaded l = load_checked(text);
    const char *got = loaded_findings(&l);
    cr_expect(!strcmp(got, want), "line %d\ngot:\n%swant:\n%s", line, got, want);
    loaded_free(&l);
}
