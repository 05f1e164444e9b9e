/* ids.c - see ids.h. */
#include "topology/ids.h"

#include "dataplane/arena.h"
#include "dataplane/rng.h"

#include <ctype.h>
#include <string.h>
#include <uthash.h>

struct id {
    const char *name; /* folded */
    uint32_t number;
    UT_hash_handle hh, by_number;
};

struct ids {
    struct arena *arena;
    struct id *names, *numbers;
    uint32_t first, span;
};

struct ids *ids_new(uint32_t first, uint32_t last)
{
    struct arena *a = arena_new("identifiers");
    struct ids *n = arena_alloc(a, sizeof *n);
    n->arena = a;
    n->first = first;
    n->span = last - first + 1;
    return n;
}

void ids_free(struct ids *n)
{
    if (!n)
        return;
    HASH_CLEAR(hh, n->names);
    HASH_CLEAR(by_number, n->numbers);
    arena_free(n->arena);
}

static uint32_t free_number(struct ids *n, uint32_t wish)
{
    struct id *e;
    if (HASH_CNT(by_number, n->numbers) >= n->span)
        return n->first + wish;
    for (;; wish = (wish + 1) % n->span) {
        const uint32_t number = n->first + wish;
        HASH_FIND(by_number, n->numbers, &number, sizeof number, e);
        if (!e)
            return number;
    }
}

uint32_t ids_of(struct ids *n, const char *name)
{
    char folded[512];
    size_t len = 0;
    struct id *e, *taken;
    for (; name[len] && len < sizeof folded - 1; len++)
        folded[len] = (char)tolower((unsigned char)name[len]);
    folded[len] = 0;
    HASH_FIND(hh, n->names, folded, len, e);
    if (e)
        return e->number;
    e = arena_alloc(n->arena, sizeof *e);
    e->name = arena_strdup(n->arena, folded);
    e->number = free_number(n, (uint32_t)(hash_text(folded) % n->span));
    HASH_ADD_KEYPTR(hh, n->names, e->name, len, e);
    HASH_FIND(by_number, n->numbers, &e->number, sizeof e->number, taken);
    if (!taken)
        HASH_ADD(by_number, n->numbers, number, sizeof e->number, e);
    return e->number;
}
