/* test_loader.c - what the loader accepts and refuses: units, words, defaults, every kind of error with its
 * exact text.
 *
 * Error goldens: tests/golden/errors/NAME.yaml must print NAME.txt. VNETSIM_GOLDEN=NAME renews one on
 * purpose, and VNETSIM_GOLDEN=schema the schema for editors. */
#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "tests/support_prop.h"
#include "topology/bind.h"
#include "topology/scenario.h"
#include "topology/schema.h"
#include "topology/units.h"

static char *slurp(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *s = calloc(1, 1 << 20);
    *len = fread(s, 1, (1 << 20) - 1, f);
    fclose(f);
    return s;
}

static void spill(const char *path, const char *text, size_t len)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fwrite(text, 1, len, f), len);
    cr_assert_eq(fclose(f), 0);
}

static bool renewing(const char *name)
{
    const char *env = getenv("VNETSIM_GOLDEN");
    return env && (strcmp(env, name) == 0 || strcmp(env, "all") == 0);
}

static void equals_golden(const char *path, const char *name, const char *text, size_t len)
{
    if (renewing(name))
        spill(path, text, len);
    size_t want_len;
    char *want = slurp(path, &want_len);
    cr_assert_not_null(want, "%s is missing: VNETSIM_GOLDEN=%s makes it", path, name);
    cr_expect_str_eq(text, want, "%s differs (VNETSIM_GOLDEN=%s renews it); now:\n%s", path, name, text);
    free(want);
}

/* -- error goldens --------------------------------------------------------------------------------------- */

static void check_errors(const char *path)
{
    const char *slash = strrchr(path, '/') + 1;
    char name[128], golden[256], *text = NULL;
    size_t len;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(slash, "."), slash);
    snprintf(golden, sizeof golden, "tests/golden/errors/%s.txt", name);
    struct arena *a = arena_new("test");
    struct diag *d = diag_new(a);
    cr_expect_null(scenario_load(path, d), "%s loads", path);
    cr_expect_gt(d->errors, 0, "%s", path);
    FILE *f = open_memstream(&text, &len);
    diag_print(d, f);
    fclose(f);
    equals_golden(golden, name, text, len);
    free(text);
    arena_free(a);
}

Test(loader, error_goldens)
{
    glob_t g;
    cr_assert_eq(glob("tests/golden/errors/*.yaml", 0, NULL, &g), 0);
    cr_assert_geq(g.gl_pathc, 40);
    for (size_t i = 0; i < g.gl_pathc; i++)
        check_errors(g.gl_pathv[i]);
    globfree(&g);
}

Test(loader, a_missing_file_is_an_error_with_its_name)
{
    struct arena *a = arena_new("test");
    struct diag *d = diag_new(a);
    cr_assert_null(scenario_load("tests/no-such.yaml", d));
    cr_assert_eq(d->n, 1);
    cr_assert_str_eq(d->at[0].at.file, "tests/no-such.yaml");
    cr_assert_null(scenario_load("tests", d), "a folder");
    cr_assert_eq(d->n, 2);
    arena_free(a);
}

/* -- the schema ------------------------------------------------------------------------------------------ */

Test(loader, json_schema_is_current)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    cr_assert_eq(schema_print_json(f), 0);
    fclose(f);
    equals_golden("topology/scenario.schema.json", "schema", text, len);
    free(text);
}

static void check_row(void *arg, const char *path, const struct table *t, const struct field *f)
{
    struct arena *a = arena_new("row");
    size_t *rows = arg, n = strlen(f->doc);
    ++*rows;
    cr_expect(n > 5 && f->doc[n - 1] == '.' && !strchr(f->doc, '\n'), "%s: '%s' is not a sentence", path,
              f->doc);
    cr_expect_eq(table_field(t, f->key), f, "%s: the key is there twice", path);
    cr_expect(!f->required || !f->def, "%s: a required key has no default", path);
    cr_expect(f->kind != K_WORD || f->words, "%s: no words", path);
    cr_expect(f->kind != K_REF || f->target, "%s: no target", path);
    cr_expect(!f->def || strcmp(bind_canonical(a, f, f->def), f->def) == 0,
              "%s: default '%s' is not canonical", path, f->def);
    arena_free(a);
}

Test(loader, every_row_is_whole)
{
    size_t rows = 0;
    schema_walk(check_row, &rows);
    cr_assert_gt(rows, 250);
}

/* => the line of the reference that describes a key: in the section of its map, the row with its name in the
 * first cell. NULL: none. The line is copied into row. */
static const char *reference_row(const char *text, const char *map, const char *key, char *row, size_t size)
{
    char head[300], cell[128];
    snprintf(head, sizeof head, "`%s`", *map ? map : "(file)");
    snprintf(cell, sizeof cell, "`%s`", key);
    bool inside = false;
    while (text && *text) {
        const char *end = strchr(text, '\n');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        snprintf(row, size, "%.*s", (int)n, text);
        text = end ? end + 1 : NULL;
        if (row[0] == '#')
            inside = strncmp(row, "### ", 4) == 0 && strstr(row, head);
        char *bar = inside && row[0] == '|' ? strchr(row + 1, '|') : NULL,
             *at = bar ? strstr(row, cell) : NULL;
        if (at && at < bar)
            return bar;
    }
    return NULL;
}

static void row_is_documented(void *arg, const char *path, const struct table *t, const struct field *f)
{
    char map[256], row[4096], def[64];
    (void)t;
    snprintf(map, sizeof map, "%.*s", (int)(strlen(path) - strlen(f->key)), path);
    if (*map)
        map[strlen(map) - 1] = '\0'; /* the dot */
    const char *middle = reference_row(arg, map, f->key, row, sizeof row);
    cr_expect_not_null(middle, "topology/SCENARIO.md says nothing about %s", path);
    if (!middle)
        return;
    char *end = strchr(middle + 1, '|');
    if (end)
        *end = '\0';
    snprintf(def, sizeof def, "`%s`", f->def ? f->def : "");
    cr_expect_eq(f->required, strstr(middle, "*required*") != NULL, "%s: required or not: %s", path, middle);
    cr_expect(!f->def || strncmp(path, "links.", 6) == 0 || strstr(middle, def), "%s: default %s: %s", path,
              def, middle);
}

Test(loader, the_reference_names_every_key)
{
    size_t len;
    char *text = slurp("topology/SCENARIO.md", &len);
    cr_assert_not_null(text);
    schema_walk(row_is_documented, text);
    free(text);
}

/* -- units ----------------------------------------------------------------------------------------------- */

Test(loader, durations)
{
    static const struct {
        const char *text, *canonical;
        int rc;
        int64_t ns;
    } row[] = {
        {"0", "0s", 0, 0},
        {"0s", "0s", 0, 0},
        {"1ns", "1ns", 0, 1},
        {"250us", "250us", 0, 250000},
        {"0.1ms", "100us", 0, 100000},
        {"1500ms", "1500ms", 0, 1500000000},
        {"60s", "1m", 0, 60000000000},
        {"90 s", "90s", 0, 90000000000},
        {"1.5h", "90m", 0, 5400000000000},
        {"2.50m", "150s", 0, 150000000000},
        {"9223372036854775807ns", "9223372036854775807ns", 0, INT64_MAX},
        {"9223372036854775808ns", NULL, -ERANGE, 0},
        {"2562048h", NULL, -ERANGE, 0},
        {"99999999999999999999s", NULL, -ERANGE, 0},
        {"0.5ns", NULL, -ERANGE, 0},
        {"1.0000000001s", NULL, -ERANGE, 0},
        {"1", NULL, -EINVAL, 0},
        {"", NULL, -EINVAL, 0},
        {"s", NULL, -EINVAL, 0},
        {"-1s", NULL, -EINVAL, 0},
        {"1.s", NULL, -EINVAL, 0},
        {".5s", NULL, -EINVAL, 0},
        {"1S", NULL, -EINVAL, 0},
        {"1s ", NULL, -EINVAL, 0},
        {"1s2", NULL, -EINVAL, 0},
        {"0.0", NULL, -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        int64_t ns = -7;
        char buf[UNIT_STRLEN];
        cr_expect_eq(unit_duration(row[i].text, &ns), row[i].rc, "%s", row[i].text);
        cr_expect_eq(ns, row[i].rc ? -7 : row[i].ns, "%s: %" PRId64, row[i].text, ns);
        if (!row[i].rc)
            cr_expect_str_eq(unit_format_duration(ns, buf), row[i].canonical);
    }
}

Test(loader, sizes_bandwidths_fractions)
{
    uint64_t v;
    double f;
    char buf[UNIT_STRLEN];
    cr_assert_eq(unit_size("2KiB", &v), 0);
    cr_assert_eq(v, 2048);
    cr_assert_str_eq(unit_format_size(v, buf), "2KiB");
    cr_assert_eq(unit_size("1.5KiB", &v), 0);
    cr_assert_eq(v, 1536);
    cr_assert_str_eq(unit_format_size(v, buf), "1536B");
    cr_assert_eq(unit_size("0.3KiB", &v), -ERANGE);
    cr_assert_eq(unit_size("1KB", &v), -EINVAL);
    cr_assert_eq(unit_size("100 B", &v), 0);
    cr_assert_eq(unit_size("17179869184GiB", &v), -ERANGE);
    cr_assert_str_eq(unit_format_size(0, buf), "0B");
    cr_assert_eq(unit_bandwidth("2.5Gbps", &v), 0);
    cr_assert_eq(v, 2500000000);
    cr_assert_str_eq(unit_format_bandwidth(v, buf), "2500Mbps");
    cr_assert_eq(unit_bandwidth("10gbps", &v), -EINVAL);
    cr_assert_eq(unit_fraction("0.001", &f), 0);
    cr_assert_str_eq(unit_format_fraction(f, buf), "0.001");
    cr_assert_eq(unit_fraction("1", &f), 0);
    cr_assert_str_eq(unit_format_fraction(f, buf), "1");
    cr_assert_eq(unit_fraction("1.01", &f), -ERANGE);
    cr_assert_eq(unit_fraction("1e-3", &f), -EINVAL);
    cr_assert_eq(unit_fraction("nan", &f), -EINVAL);
    cr_assert_eq(unit_fraction("0.1.2", &f), -EINVAL);
    cr_assert_eq(unit_number("18446744073709551615", &v), 0);
    cr_assert_eq(v, UINT64_MAX);
    cr_assert_eq(unit_number("18446744073709551616", &v), -ERANGE);
    cr_assert_eq(unit_number("+1", &v), -EINVAL);
}

Test(loader, moments)
{
    static const struct {
        const char *text;
        int rc;
        int64_t s, ns;
    } row[] = {
        {"1970-01-01T00:00:00Z", 0, 0, 0},
        {"2026-01-01T00:00:00Z", 0, 1767225600, 0},
        {"2024-02-29T23:59:59.25Z", 0, 1709251199, 250000000},
        {"2100-03-01T00:00:00Z", 0, 4107542400, 0},
        {"2261-12-31T23:59:59.999999999Z", 0, 9214646399, 999999999},
        {"2026-02-29T00:00:00Z", -EINVAL, 0, 0},
        {"2100-02-29T00:00:00Z", -EINVAL, 0, 0},
        {"2026-13-01T00:00:00Z", -EINVAL, 0, 0},
        {"2026-01-00T00:00:00Z", -EINVAL, 0, 0},
        {"2026-01-01T24:00:00Z", -EINVAL, 0, 0},
        {"2026-01-01T00:00:60Z", -EINVAL, 0, 0},
        {"2026-01-01T00:00:00", -EINVAL, 0, 0},
        {"2026-01-01T00:00:00+00:00", -EINVAL, 0, 0},
        {"2026-01-01T00:00:00.1234567891Z", -EINVAL, 0, 0},
        {"2026-01-01", -EINVAL, 0, 0},
        {"2262-01-01T00:00:00Z", -ERANGE, 0, 0},
        {"1969-12-31T23:59:59Z", -ERANGE, 0, 0},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        int64_t t = -7;
        char buf[UNIT_STRLEN];
        cr_expect_eq(unit_time(row[i].text, &t), row[i].rc, "%s", row[i].text);
        cr_expect_eq(t, row[i].rc ? -7 : row[i].s * 1000000000 + row[i].ns, "%s: %" PRId64, row[i].text, t);
        if (!row[i].rc)
            cr_expect_str_eq(unit_format_time(t, buf), row[i].text);
    }
}

Test(loader, quantities_read_back)
{
    struct rng r;
    prop_seed(&r, "quantities");
    for (int i = 0; i < 20000; i++) {
        char buf[UNIT_STRLEN];
        uint64_t v = rng_u64(&r) >> rng_below(&r, 63), u;
        static const uint64_t round[] = {1, 1000, 1024, 60, 3600};
        v = (v >> 1) / round[v % 5] * round[v % 5];
        int64_t t = -1;
        double f = (double)(v % 1000003) / 1000003, g;
        cr_assert_eq(unit_duration(unit_format_duration((int64_t)v, buf), &t), 0, "%s", buf);
        cr_assert_eq(t, (int64_t)v, "%s", buf);
        cr_assert_eq(unit_size(unit_format_size(v, buf), &u), 0, "%s", buf);
        cr_assert_eq(u, v, "%s", buf);
        cr_assert_eq(unit_bandwidth(unit_format_bandwidth(v, buf), &u), 0, "%s", buf);
        cr_assert_eq(u, v, "%s", buf);
        cr_assert_eq(unit_fraction(unit_format_fraction(f, buf), &g), 0, "%s", buf);
        cr_assert(!(f < g) && !(f > g), "%s", buf);
        t = (int64_t)(v % 9214646400000000000);
        int64_t back = -1;
        cr_assert_eq(unit_time(unit_format_time(t, buf), &back), 0, "%s", buf);
        cr_assert_eq(back, t, "%s", buf);
    }
}

/* -- damage ---------------------------------------------------------------------------------------------- */

struct text {
    char s[65536];
    size_t n;
};

static void replace(struct text *t, size_t at, size_t len, const char *with, size_t m)
{
    if (t->n - len + m >= sizeof t->s)
        return;
    memmove(t->s + at + m, t->s + at + len, t->n - at - len);
    memcpy(t->s + at, with, m);
    t->n += m - len;
}

/* The line, or the run of word characters, around a random place. */
static void pick(struct rng *r, const struct text *t, bool line, size_t *at, size_t *len)
{
    const char *stop = line ? "\n" : " ,:[]{}\n";
    size_t i = (size_t)rng_below(r, t->n), z = i;
    while (i > 0 && !strchr(stop, t->s[i - 1]))
        i--;
    while (z < t->n && !strchr(stop, t->s[z]))
        z++;
    *at = i;
    *len = z - i + (line && z < t->n);
}

static void damage(struct rng *r, struct text *t)
{
    static const char *const word[] = {
        "",      "null", "[]",   "{}",    "'*'",  "*",    "10.0.0.0/8", "10.0.1.4", "Allow", "-1",
        "hub",   "0",    "true", "99999", "a/b",  "&x",   "*x",         "{a: b}",   "[[]]",  "'",
        "\"",    "#",    "\t",   "\xff",  "~",    "1s",   "pcap",       "|",        "!x",    "?",
        "hub/a", "None", "- ",   ": ",    "2021", "1KiB", "@",          "tcp/80",   "..",    "- -"};
    struct text was = *t;
    size_t at, len, other, more;
    bool line = rng_below(r, 2);
    pick(r, t, line, &at, &len);
    pick(r, t, line, &other, &more);
    const char *w = word[rng_below(r, sizeof word / sizeof word[0])];
    char c = (char)rng_below(r, 256);
    switch (rng_below(r, 6)) {
    case 0:
        replace(t, at, len, "", 0);
        break;
    case 1:
        replace(t, at, 0, was.s + at, len);
        break;
    case 2:
        replace(t, at, len, was.s + other, more);
        break;
    case 3:
        replace(t, at, 0, was.s + other, more);
        break;
    case 4:
        replace(t, at, line ? 0 : len, w, strlen(w));
        break;
    default:
        replace(t, at, len > 0, &c, 1);
        break;
    }
}

/* Load a text: it must either load or say why not. => its findings. */
static size_t load_text(const struct text *t)
{
    struct arena *a = arena_new("test");
    struct diag *d = diag_new(a);
    struct scenario *s = scenario_parse("damaged", t->s, t->n, d);
    size_t errors = d->errors;
    cr_assert_eq(s != NULL, errors == 0, "loaded and errors are %zu", errors);
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    diag_print(d, f);
    if (s)
        cr_assert_eq(scenario_print(s, f), 0);
    fclose(f);
    free(text);
    scenario_free(s);
    arena_free(a);
    return errors;
}

/* Valid files, damaged a little or a lot, never crash the loader. */
Test(loader, damaged_files)
{
    struct rng r;
    glob_t g;
    size_t good = 0, bad = 0;
    prop_seed(&r, "damage");
    cr_assert_eq(glob("topology/scenarios/*.yaml", 0, NULL, &g), 0);
    for (int i = 0; i < 3000; i++) {
        static struct text t;
        size_t len;
        char *s = slurp(g.gl_pathv[rng_below(&r, g.gl_pathc)], &len);
        t.n = len;
        memcpy(t.s, s, len);
        free(s);
        for (uint64_t k = 1 + rng_below(&r, i % 4 ? 2 : 12); k; k--)
            damage(&r, &t);
        if (load_text(&t))
            bad++;
        else
            good++;
    }
    globfree(&g);
    cr_assert_gt(good, 100, "every file was broken");
    cr_assert_gt(bad, 1000, "no file was broken");
}

/* What the fuzzer found, and what it starts from. */
Test(loader, corpus_replays)
{
    glob_t g;
    cr_assert_eq(glob("tests/corpus/scenario/*", 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        struct arena *a = arena_new("test");
        struct diag *d = diag_new(a);
        struct scenario *s = scenario_load(g.gl_pathv[i], d);
        cr_expect_eq(s != NULL, d->errors == 0, "%s", g.gl_pathv[i]);
        scenario_free(s);
        arena_free(a);
    }
    globfree(&g);
}
