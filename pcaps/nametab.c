/* nametab.c - the names of addresses.
 *
 * An array of entries, and a hash table from address to its first and last entry (open addressing, linear
 * probing, at most half full, never deletes). Entries of one address form a list through prev and next, which
 * is also searched for repetitions: an address has few names, so an addition costs one probe and a comparison
 * or two. The hash order is never seen. All memory is the arena's. */
#include "pcaps/nametab.h"
#include "dataplane/arena.h"

#include <string.h>

struct slot {
    uint32_t first, last; /* first + 1, so that zeroed memory is empty; last as it is */
};

struct nametab {
    struct arena *arena;
    struct nametab_entry *entry;
    size_t n, cap;
    struct slot *slot;
    size_t mask, hosts; /* slots - 1; slots in use */
};

enum { SLOTS_FIRST = 64 };

size_t utf8_cut(const char *s, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max && ((unsigned char)s[max] & 0xc0) == 0x80)
        max--;
    return max;
}

struct nametab *nametab_new(void)
{
    struct arena *a = arena_new("names");
    struct nametab *t = arena_alloc(a, sizeof *t);
    t->arena = a;
    t->mask = SLOTS_FIRST - 1;
    t->slot = arena_array(a, SLOTS_FIRST, sizeof *t->slot);
    return t;
}

void nametab_free(struct nametab *t)
{
    if (t)
        arena_free(t->arena);
}

/* => the slot of ip, or the empty one where it belongs. */
static struct slot *find(struct nametab *t, uint32_t ip)
{
    size_t at = (ip * UINT32_C(2654435769)) >> 8;
    for (;; at++) {
        struct slot *s = &t->slot[at & t->mask];
        if (!s->first || t->entry[s->first - 1].ip == ip)
            return s;
    }
}

static void grow(struct nametab *t)
{
    struct slot *old = t->slot;
    size_t n = t->mask + 1;
    t->slot = arena_array(t->arena, n * 2, sizeof *old);
    t->mask = n * 2 - 1;
    for (size_t i = 0; i < n; i++) {
        if (old[i].first)
            *find(t, t->entry[old[i].first - 1].ip) = old[i];
    }
}

static bool has(const struct nametab *t, uint32_t first, const char *name, size_t len)
{
    for (uint32_t i = first; i != NAMETAB_NONE; i = t->entry[i].next) {
        if (t->entry[i].len == len && memcmp(t->entry[i].name, name, len) == 0)
            return true;
    }
    return false;
}

bool nametab_add(struct nametab *t, uint32_t ip, const char *name)
{
    size_t len = utf8_cut(name, strlen(name), NAMETAB_NAME_MAX);
    struct slot *s = find(t, ip);
    if (len == 0 || (s->first && has(t, s->first - 1, name, len)))
        return false;
    uint32_t at = (uint32_t)t->n;
    struct nametab_entry *e = arena_push(t->arena, &t->entry, &t->n, &t->cap, sizeof *e);
    *e = (struct nametab_entry){.ip = ip,
                                .prev = s->first ? s->last : NAMETAB_NONE,
                                .next = NAMETAB_NONE,
                                .len = (uint32_t)len,
                                .name = arena_strndup(t->arena, name, len)};
    if (s->first) {
        t->entry[s->last].next = at;
    } else {
        s->first = at + 1;
        t->hosts++;
    }
    s->last = at;
    if (t->hosts * 2 > t->mask)
        grow(t);
    return true;
}

uint32_t nametab_count(const struct nametab *t)
{
    return (uint32_t)t->n;
}

const struct nametab_entry *nametab_at(const struct nametab *t, uint32_t i)
{
    return &t->entry[i];
}
