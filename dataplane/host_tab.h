/* host_tab.h - chained hash table of things that carry their own link; the owner compares keys. Order within
 * a chain is newest first and never depends on addresses in memory. */
#ifndef VNETSIM_DATAPLANE_HOST_TAB_H
#define VNETSIM_DATAPLANE_HOST_TAB_H

#include <stddef.h>
#include <stdint.h>

struct tab_link {
    struct tab_link *next;
    uint64_t hash;
};

struct tab { /* zeroed: empty */
    struct tab_link **slot;
    size_t cap, n;
};

/* => 0, or -ENOMEM (nothing added). The link must not be in a table. */
int tab_add(struct tab *t, struct tab_link *l, uint64_t hash);
/* Take out a link that is in. */
void tab_del(struct tab *t, struct tab_link *l);
/* => the first, the next link of that very hash; NULL. */
struct tab_link *tab_first(const struct tab *t, uint64_t hash);
struct tab_link *tab_next(const struct tab_link *l);
/* Free the table, not what is in it. */
void tab_free(struct tab *t);

#endif
