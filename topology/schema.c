/* schema.c - see schema.h: looking rows up, walking them. The rows are in schema_net.c, schema_svc.c,
 * schema_run.c.
 *
 * The grammar is data. A row says which key, what kind of value, where in the struct of model.h it goes, its
 * default as one would write it, and one sentence for people. Five readers work from the rows and from
 * nothing else: the binder (bind.c), the printer (print.c), the JSON Schema (jsonschema.c), timeline paths
 * (scenario.c) and schema_walk for the test that the documentation names every key. What rows cannot say is
 * in one function per table (bind_finish.h).
 *
 * Adding a key is one row; adding a resource is one table and one row in its parent. Lookups are linear: the
 * longest table has some forty rows, and a file has few distinct maps with so many keys. */
#include "topology/schema.h"

#include "topology/suggest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct field *table_field(const struct table *t, const char *key)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->field[i].key, key) == 0)
            return &t->field[i];
    }
    return NULL;
}

const char *table_suggest(const struct table *t, const char *key, bool sections)
{
    struct suggest near = {.word = key};
    for (size_t i = 0; i < t->n; i++) {
        if (!sections || t->field[i].section)
            suggest_offer(&near, t->field[i].key);
    }
    return near.best;
}

const struct word *word_find(const struct word *w, const char *text)
{
    for (; w->word; w++) {
        if (strcasecmp(w->word, text) == 0)
            return w;
    }
    return NULL;
}

struct walk {
    void (*each)(void *arg, const char *path, const struct table *t, const struct field *f);
    void *arg;
    char path[256];
};

static void walk(struct walk *w, const struct table *t, size_t len)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct field *f = &t->field[i];
        size_t n =
            len + (size_t)snprintf(w->path + len, sizeof w->path - len, "%s%s", len ? "." : "", f->key);
        w->each(w->arg, w->path, t, f);
        if (f->sub) {
            n += (size_t)snprintf(w->path + n, sizeof w->path - n, "%s", f->list ? "[]" : "");
            walk(w, f->sub, n);
        }
    }
}

void schema_walk(void (*each)(void *arg, const char *path, const struct table *t, const struct field *f),
                 void *arg)
{
    struct walk w = {.each = each, .arg = arg};
    walk(&w, &table_root, 0);
}
