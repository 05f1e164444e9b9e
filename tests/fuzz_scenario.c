/* fuzz_scenario.c - the scenario loader on any text: it loads or says why not, and what loads prints and
 * loads again. */
#include "dataplane/arena.h"
#include "topology/scenario.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *printed(const struct scenario *s, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);
    if (!f || scenario_print(s, f) || fclose(f))
        abort();
    return text;
}

/* => the canonical text, NULL if it does not load. */
static char *load(const char *text, size_t size, size_t *len)
{
    struct arena *a = arena_new("fuzz");
    struct diag *d = diag_new(a);
    struct scenario *s = scenario_parse("fuzz", text, size, d);
    if ((s != NULL) != (d->errors == 0))
        abort();
    char *out = s ? printed(s, len) : NULL;
    scenario_free(s);
    arena_free(a);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = 0, m = 0;
    if (memmem(data, size, "include", 7) || memmem(data, size, "serviceTags", 11))
        return 0; /* no files */
    char *once = load((const char *)data, size, &n);
    char *twice = once ? load(once, n, &m) : NULL;
    if (once && (!twice || n != m || memcmp(once, twice, n) != 0))
        abort();
    free(once);
    free(twice);
    return 0;
}
