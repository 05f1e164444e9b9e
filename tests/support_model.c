/* support_model.c - see support_model.h. */
#include "tests/support_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "topology/bind.h"
#include "topology/check.h"
#include "topology/names.h"
#include "topology/node.h"

struct loaded load_text(const char *text)
{
    struct loaded l = {.a = arena_new("test")};
    const char *all = arena_printf(l.a, "scenario: t\n%s", text);
    l.d = diag_new(l.a);
    struct node *root = node_parse(l.a, "t", all, strlen(all), l.d);
    if (!root)
        return l;
    struct bound b = bind_model(l.a, root, tagset_builtin(l.a), l.d);
    if (b.n_bad || l.d->errors)
        return l;
    l.m = b.m;
    address_assign(l.m, NULL, l.d);
    names_register(l.m, NULL);
    return l;
}

struct loaded load_checked(const char *text)
{
    struct loaded l = load_text(text);
    if (l.m)
        model_check(l.m, l.d);
    return l;
}

void loaded_free(struct loaded *l)
{
    arena_free(l->a);
    l->a = NULL;
}

const char *loaded_findings(const struct loaded *l)
{
    char *buf = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&buf, &len);
    diag_print(l->d, f);
    fclose(f);
    char *out = arena_alloc(l->a, len + 1), *to = out;
    for (const char *line = buf; *line; line = strchr(line, '\n') + 1) {
        const char *start = !strncmp(line, "t:", 2) ? line + 2 : line;
        size_t n = (size_t)(strchr(line, '\n') + 1 - start);
        memcpy(to, start, n);
        to += n;
    }
    free(buf);
    return out;
}

char *text_many(const char *before, size_t n, const char *item, const char *after)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    fputs(before, f);
    for (size_t i = 0; i < n; i++)
        for (const char *p = item; *p; p++)
            if (*p == '#' || *p == '@')
                fprintf(f, "%zu", *p == '#' ? i : 1000 + i);
            else if (*p == '%')
                fprintf(f, "10.%zu.%zu.%zu", i >> 16, i >> 8 & 255, i & 255);
            else if (*p == '^')
                fprintf(f, "10.%zu.%zu.0/24", i >> 8, i & 255);
            else
                fputc(*p, f);
    fputs(after, f);
    fclose(f);
    return text;
}
