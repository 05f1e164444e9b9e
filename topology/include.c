/* include.c - see include.h.
 *
 * Included files are merged as trees, before anything is bound, so that a resource does not know which file
 * it came from except by its place; links are overlaid key by key. A file that is reached twice counts once;
 * a file that includes itself, directly or not, is an error. Files are the same if device and inode are. */
#include "topology/include.h"

#include "dataplane/arena.h"
#include "topology/diag.h"
#include "topology/schema.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX 1000

struct file {
    dev_t dev;
    ino_t ino;
    bool open; /* on the way from the main file to here */
};

struct loader {
    struct arena *a;
    struct diag *d;
    const char *main;
    const char *text; /* of the main file, NULL: to be read */
    size_t len;
    struct file *file;
    size_t files, cap;
};

const char *include_path(struct arena *a, const char *base, const char *path)
{
    const char *slash = strrchr(base, '/');
    if (*path == '/' || !slash)
        return path;
    return arena_printf(a, "%.*s%s", (int)(slash - base + 1), base, path);
}

/* -- synonyms and single values -------------------------------------------------------------------------- */

static void normalise(struct loader *l, const struct table *t, struct node *map);

static void normalise_key(struct loader *l, const struct field *f, struct node *map, size_t i)
{
    struct node *v = map->item[i];
    if (f->synonym && node_get(map, f->synonym)) {
        diag_error(l->d, map->key[i]->at, "'%s' and '%s' are the same key", f->key, f->synonym);
    } else if (f->synonym) {
        map->key[i] = node_scalar(l->a, map->key[i]->at, f->synonym);
    }
    if (f->lenient && v->kind == NODE_SCALAR && !node_is_null(v)) {
        map->item[i] = node_list(l->a, NODE_SEQ, v->at, 1);
        map->item[i]->item[0] = v;
    }
    if (!f->sub)
        return;
    for (size_t k = 0; v->kind == NODE_SEQ && k < v->n; k++)
        normalise(l, f->sub, v->item[k]);
    if (v->kind == NODE_MAP)
        normalise(l, f->sub, v);
}

static void normalise(struct loader *l, const struct table *t, struct node *map)
{
    for (size_t i = 0; map->kind == NODE_MAP && i < map->n; i++) {
        const struct field *f = table_field(t, map->key[i]->text);
        if (f)
            normalise_key(l, f, map, i);
    }
}

/* -- files ----------------------------------------------------------------------------------------------- */

/* => whether the file is to be read: not yet seen. Complains about cycles. */
static bool enter(struct loader *l, const char *path, struct origin at, size_t *mine)
{
    struct stat st;
    *mine = SIZE_MAX;
    if (!at.file && (l->text || strcmp(path, "-") == 0))
        return true;
    if (stat(path, &st) != 0)
        return true; /* reading it says why not */
    for (size_t i = 0; i < l->files; i++) {
        if (l->file[i].dev != st.st_dev || l->file[i].ino != st.st_ino)
            continue;
        if (l->file[i].open)
            diag_error(l->d, at, "'%s' includes itself", path);
        return false;
    }
    if (l->files == FILES_MAX) {
        diag_error(l->d, at, "more than %d files are included", FILES_MAX);
        return false;
    }
    struct file *f = arena_push(l->a, &l->file, &l->files, &l->cap, sizeof *f);
    *f = (struct file){st.st_dev, st.st_ino, true};
    *mine = l->files - 1;
    return true;
}

static struct node *joined(struct arena *a, const struct node *first, const struct node *second)
{
    struct node *c = node_list(a, NODE_SEQ, second->at, first->n + second->n);
    if (first->n)
        memcpy(c->item, first->item, first->n * sizeof *c->item);
    if (second->n)
        memcpy(c->item + first->n, second->item, second->n * sizeof *c->item);
    return c;
}

/* => the map under, with what over says replaced and added, maps within alike. */
static struct node *overlaid(struct arena *a, struct node *under, struct node *over)
{
    for (size_t i = 0; i < over->n; i++) {
        struct node *v = over->item[i], *old = node_get(under, over->key[i]->text);
        if (old && old->kind == NODE_MAP && v->kind == NODE_MAP)
            v = overlaid(a, old, v);
        under = node_with(a, under, over->key[i]->text, v);
    }
    return under;
}

static void unknown_key(struct loader *l, const struct node *key)
{
    const char *near = table_suggest(&table_root, key->text, true);
    if (near)
        diag_error(l->d, key->at, "unknown key '%s'; did you mean '%s'?", key->text, near);
    else
        diag_error(l->d, key->at, "unknown key '%s' in an included file", key->text);
}

/* Put one key of an included file into the document so far. */
static struct node *merge_key(struct loader *l, struct node *into, const struct node *from, size_t i)
{
    const char *key = from->key[i]->text;
    const struct field *f = table_field(&table_root, key);
    struct node *v = from->item[i], *old = node_get(into, key);
    bool tags = strcmp(key, "serviceTags") == 0;
    if (strcmp(key, "include") == 0)
        return into;
    if (f && !f->section && !tags) {
        diag_error(l->d, from->key[i]->at,
                   "'%s' cannot stand in an included file: it holds resources, serviceTags and links", key);
        return into;
    }
    if (!f) {
        unknown_key(l, from->key[i]);
        return into;
    }
    if (node_is_null(old))
        return node_with(l->a, into, key, v);
    if (f->list && v->kind == NODE_SEQ && old->kind == NODE_SEQ)
        return node_with(l->a, into, key, joined(l->a, v, old));
    if (!f->list && !tags && v->kind == NODE_MAP && old->kind == NODE_MAP) {
        return node_with(l->a, into, key, overlaid(l->a, v, old));
    }
    if (!tags)
        diag_error(l->d, v->at, "'%s' must be a %s", key, f->list ? "list" : "map");
    return into;
}

static struct node *load_file(struct loader *l, const char *rel, struct origin at);

/* Merge the files that a document includes; later ones are put in first, so that the first ends up first. */
static struct node *merge_includes(struct loader *l, struct node *root, const char *rel)
{
    const struct node *list = node_get(root, "include");
    if (node_is_null(list) || list->kind != NODE_SEQ)
        return root; /* a wrong type is the binder's to say */
    struct node **file = arena_array(l->a, list->n, sizeof *file);
    for (size_t i = 0; i < list->n; i++) {
        const struct node *x = list->item[i];
        if (x->kind == NODE_SCALAR && *x->text)
            file[i] = load_file(l, include_path(l->a, rel, x->text), x->at);
    }
    for (size_t i = list->n; i-- > 0;) {
        for (size_t k = 0; file[i] && file[i]->kind == NODE_MAP && k < file[i]->n; k++)
            root = merge_key(l, root, file[i], k);
        if (file[i] && file[i]->kind != NODE_MAP)
            diag_error(l->d, file[i]->at, "an included file is a map of resources");
    }
    return root;
}

/* rel: the file's path as seen from the main file. */
static struct node *load_file(struct loader *l, const char *rel, struct origin at)
{
    bool is_main = !at.file;
    const char *path = is_main ? l->main : include_path(l->a, l->main, rel);
    size_t mine;
    if (!is_main && strcmp(path, "-") == 0)
        path = "./-"; /* standard input is for the main file */
    if (!enter(l, path, at, &mine))
        return NULL;
    struct node *root =
        is_main && l->text ? node_parse(l->a, path, l->text, l->len, l->d) : node_load(l->a, path, l->d);
    const struct node *tags = node_get(root, "serviceTags");
    if (root && !is_main && tags && tags->kind == NODE_SCALAR && *tags->text)
        root = node_with(l->a, root, "serviceTags",
                         node_scalar(l->a, tags->at, include_path(l->a, rel, tags->text)));
    if (root && root->kind == NODE_MAP) {
        normalise(l, &table_root, root);
        root = merge_includes(l, root, rel);
    }
    if (mine != SIZE_MAX)
        l->file[mine].open = false;
    return root;
}

struct node *include_load(struct arena *a, const char *path, struct diag *d)
{
    struct loader l = {.a = a, .d = d, .main = path};
    return load_file(&l, "", (struct origin){0});
}

struct node *include_parse(struct arena *a, const char *name, const char *text, size_t len, struct diag *d)
{
    struct loader l = {.a = a, .d = d, .main = name, .text = text, .len = len};
    return load_file(&l, "", (struct origin){0});
}
