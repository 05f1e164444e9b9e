/* registry.c - see registry.h. One uthash table per kind, its memory in the arena: nothing to free, insertion
 * order kept. */
#include "topology/registry.h"

#include "dataplane/arena.h"
#include "topology/suggest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define SUGGEST_BUDGET 2000000u /* names compared */

/* uthash takes its memory from the arena `from` of the calling function. */
#define uthash_malloc(n)  arena_alloc(from, n)
#define uthash_free(p, n) ((void)(p))
#include <uthash.h>

struct entry {
    struct reg name; /* first: a name is its entry */
    UT_hash_handle hh;
    char key[]; /* lower case */
};

struct space {
    const void *kind;
    struct entry *head;
    struct space *next;
};

struct registry {
    struct arena *a;
    struct space *first;
    size_t budget;
};

struct registry *registry_new(struct arena *a)
{
    struct registry *r = arena_alloc(a, sizeof *r);
    r->a = a;
    r->budget = SUGGEST_BUDGET;
    return r;
}

static struct space *space(const struct registry *r, const void *kind)
{
    struct space *s = r->first;
    while (s && s->kind != kind)
        s = s->next;
    return s;
}

static void fold(char *to, const char *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (char)tolower((unsigned char)from[i]);
    to[n] = '\0';
}

static struct entry *find(const struct space *s, const char *key, size_t n)
{
    struct entry *e = NULL;
    if (s)
        HASH_FIND(hh, s->head, key, n, e);
    return e;
}

struct reg *registry_find(const struct registry *r, const void *kind, const char *text)
{
    char small[256];
    size_t n = strlen(text);
    char *key = n < sizeof small ? small : arena_alloc(r->a, n + 1);
    fold(key, text, n);
    struct entry *e = find(space(r, kind), key, n);
    return e ? &e->name : NULL;
}

struct reg *registry_add(struct registry *r, const void *kind, const char *text, void *p, struct origin at,
                         bool *is_new)
{
    struct arena *from = r->a;
    struct space *s = space(r, kind);
    if (!s) {
        s = arena_alloc(from, sizeof *s);
        *s = (struct space){kind, NULL, r->first};
        r->first = s;
    }
    size_t n = strlen(text);
    struct entry *e = arena_alloc(from, sizeof *e + n + 1);
    fold(e->key, text, n);
    struct entry *old = find(s, e->key, n);
    *is_new = !old;
    if (old)
        return &old->name;
    e->name = (struct reg){.text = text, .p = p, .at = at};
    HASH_ADD_KEYPTR(hh, s->head, e->key, n, e);
    return &e->name;
}

const char *registry_suggest(struct registry *r, const void *kind, const char *text)
{
    struct suggest near = {.word = text};
    const struct space *s = space(r, kind);
    size_t n = s ? HASH_COUNT(s->head) : 0;
    if (n > r->budget)
        return NULL;
    r->budget -= n;
    for (const struct entry *e = n ? s->head : NULL; e; e = e->hh.next)
        suggest_offer(&near, e->name.text);
    for (const struct entry *e = n && !near.best ? s->head : NULL; e; e = e->hh.next) {
        const char *child = strrchr(e->name.text, '/');
        if (child && strcasecmp(child + 1, text) == 0)
            return e->name.text; /* 'clients' where 'hub/clients' was meant */
    }
    return near.best;
}
