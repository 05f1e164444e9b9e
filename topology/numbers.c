/* numbers.c - see numbers.h. */
#include "topology/numbers.h"

#include "dataplane/arena.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct entry {
    const char *folded, *name;
    uint32_t number;
    UT_hash_handle hh;
};

struct numbers {
    struct arena *arena;
    struct entry *by_name;
    struct entry **at;
    size_t n, cap;
    uint32_t first;
};

struct numbers *numbers_new(uint32_t first)
{
    struct arena *a = arena_new("numbers");
    struct numbers *n = arena_alloc(a, sizeof *n);
    n->arena = a;
    n->first = first;
    return n;
}

void numbers_free(struct numbers *n)
{
    if (!n)
        return;
    HASH_CLEAR(hh, n->by_name);
    arena_free(n->arena);
}

uint32_t numbers_of(struct numbers *n, const char *name)
{
    struct entry *e;
    char *folded = arena_strdup(n->arena, name);
    for (char *c = folded; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    HASH_FIND_STR(n->by_name, folded, e);
    if (e)
        return e->number;
    e = arena_alloc(n->arena, sizeof *e);
    e->folded = folded;
    e->name = arena_strdup(n->arena, name);
    e->number = n->first + (uint32_t)n->n;
    HASH_ADD_KEYPTR(hh, n->by_name, e->folded, strlen(e->folded), e);
    *(struct entry **)arena_push(n->arena, &n->at, &n->n, &n->cap, sizeof *n->at) = e;
    return e->number;
}

const char *numbers_name(const struct numbers *n, uint32_t number)
{
    return number >= n->first && number - n->first < n->n ? n->at[number - n->first]->name : NULL;
}

uint32_t numbers_end(const struct numbers *n)
{
    return n->first + (uint32_t)n->n;
}
