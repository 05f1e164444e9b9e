/* host_tab.c - see host_tab.h. Slots are a power of two, at most as many links as slots; growing moves them
 * in slot order, so that the order of a chain depends on its history alone. When memory runs out chains just
 * grow. */
#include "dataplane/host_tab.h"

#include "dataplane/mem.h"

#include <errno.h>

enum { TAB_MIN = 16 };

static int grow(struct tab *t)
{
    size_t cap = t->cap ? 2 * t->cap : TAB_MIN;
    struct tab_link **slot = mem_array(cap, sizeof(struct tab_link *));
    if (!slot)
        return -ENOMEM;
    for (size_t i = 0; i < t->cap; i++) {
        for (struct tab_link *l = t->slot[i], *next; l; l = next) {
            struct tab_link **to = &slot[l->hash & (cap - 1)];
            next = l->next;
            l->next = *to;
            *to = l;
        }
    }
    mem_free(t->slot, t->cap * sizeof(struct tab_link *));
    t->slot = slot;
    t->cap = cap;
    return 0;
}

int tab_add(struct tab *t, struct tab_link *l, uint64_t hash)
{
    if (t->n >= t->cap && grow(t) && !t->cap)
        return -ENOMEM;
    struct tab_link **to = &t->slot[hash & (t->cap - 1)];
    l->hash = hash;
    l->next = *to;
    *to = l;
    t->n++;
    return 0;
}

void tab_del(struct tab *t, struct tab_link *l)
{
    struct tab_link **at = &t->slot[l->hash & (t->cap - 1)];
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    t->n--;
}

static struct tab_link *same_hash(struct tab_link *l, uint64_t hash)
{
    while (l && l->hash != hash)
        l = l->next;
    return l;
}

struct tab_link *tab_first(const struct tab *t, uint64_t hash)
{
    return t->cap ? same_hash(t->slot[hash & (t->cap - 1)], hash) : NULL;
}

struct tab_link *tab_next(const struct tab_link *l)
{
    return same_hash(l->next, l->hash);
}

void tab_free(struct tab *t)
{
    mem_free(t->slot, t->cap * sizeof(struct tab_link *));
    *t = (struct tab){0};
}
