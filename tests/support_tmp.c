/* support_tmp.c - see support_tmp.h. */
#include "tests/support_tmp.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tmp_make(struct tmp *t)
{
    const char *base = getenv("TMPDIR");
    snprintf(t->dir, sizeof t->dir, "%s/vnetsim-test-XXXXXX", base && strlen(base) < 32 ? base : "/tmp");
    cr_assert(mkdtemp(t->dir), "mkdtemp %s", t->dir);
}

void tmp_remove(struct tmp *t)
{
    int rc;
    free(command_output(&rc, "rm -rf '%s'", t->dir));
    cr_assert_eq(rc, 0);
}

void tmp_skip(struct tmp *t, const char *test, const char *why)
{
    tmp_remove(t);
    fprintf(stderr, "%s was skipped: %s\n", test, why);
    cr_skip_test("%s", why);
}

char *tmp_path(const struct tmp *t, const char *name)
{
    char *s;
    cr_assert(asprintf(&s, "%s/%s", t->dir, name) >= 0);
    return s;
}

static int shown(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

char *tmp_list(const struct tmp *t)
{
    struct dirent **name;
    char *s = strdup("");
    int n = scandir(t->dir, &name, shown, by_name);
    cr_assert(n >= 0);
    for (int i = 0; i < n; i++) {
        char *more;
        cr_assert(asprintf(&more, "%s%s%s", s, i ? " " : "", name[i]->d_name) >= 0);
        free(s);
        free(name[i]);
        s = more;
    }
    free(name);
    return s;
}

static uint8_t *slurp(FILE *f, size_t *n)
{
    size_t used = 0, cap = 4096;
    uint8_t *buf = malloc(cap);
    size_t k;
    while (buf && (k = fread(buf + used, 1, cap - used - 1, f)) > 0) {
        used += k;
        if (used + 1 == cap)
            buf = realloc(buf, cap *= 2);
    }
    cr_assert(buf);
    buf[used] = 0;
    if (n)
        *n = used;
    return buf;
}

uint8_t *file_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    uint8_t *data = slurp(f, n);
    fclose(f);
    return data;
}

void file_write(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f, "cannot write %s", path);
    cr_assert_eq(fwrite(data, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

char *command_output(int *rc, const char *fmt, ...)
{
    va_list ap;
    char *command;
    va_start(ap, fmt);
    cr_assert(vasprintf(&command, fmt, ap) >= 0);
    va_end(ap);
    FILE *f = popen(command, "r");
    cr_assert(f, "cannot run %s", command);
    char *out = (char *)slurp(f, NULL);
    *rc = pclose(f);
    free(command);
    return out;
}

bool program_exists(const char *name)
{
    int rc;
    free(command_output(&rc, "command -v %s", name));
    return rc == 0;
}
