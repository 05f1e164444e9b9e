/* lpm_int.h - inside the longest-prefix match: for lpm*.c, tests and benchmarks. */
#ifndef VNETSIM_DATAPLANE_LPM_INT_H
#define VNETSIM_DATAPLANE_LPM_INT_H

#include "dataplane/exact.h"
#include "dataplane/lpm.h"

#include <stdbool.h>

/* -- requested routes: a binary trie in one array, index 0 is "no node", index 1 the root (lpm_rib.c) ---- */

struct lpm_bit {
    uint32_t child[2];
    uint32_t hop; /* identifier of the route that ends here, 0: none */
};

struct lpm_rib {
    struct lpm_bit *node;
    uint32_t used, cap, spare; /* nodes ever used; room; list of free nodes through child[0] */
    uint32_t n_spare;
};

#define LPM_RIB_ROOT 1u

int lpm_rib_init(struct lpm_rib *r);
void lpm_rib_free(struct lpm_rib *r);
/* Make room for n nodes more. => 0, or -ENOMEM (unchanged). */
int lpm_rib_reserve(struct lpm_rib *r, uint32_t n);
/* => the hop of addr/len, its node made if need be; len nodes must be reserved. Valid until the next
 * change. */
uint32_t *lpm_rib_at(struct lpm_rib *r, uint32_t addr, unsigned len);
/* Take out addr/len. => its hop, 0: it was not there. */
uint32_t lpm_rib_take(struct lpm_rib *r, uint32_t addr, unsigned len);
/* => the hop of the longest prefix that covers addr, 0: none. */
uint32_t lpm_rib_match(const struct lpm_rib *r, uint32_t addr);
size_t lpm_rib_bytes(const struct lpm_rib *r);

/* -- next hops: a small identifier for each distinct one, counted; 0 stands for LPM_MISS (lpm_rib.c) ----- */

struct lpm_hops {
    uint32_t *value, *refs; /* by identifier; a free identifier's value is the next free one */
    uint32_t used, cap, spare;
    struct exact *ids; /* (0, value) -> identifier */
};

int lpm_hops_init(struct lpm_hops *h);
void lpm_hops_free(struct lpm_hops *h);
/* => 0 and the identifier of value, one reference more; or -ENOMEM (unchanged). */
int lpm_hops_get(struct lpm_hops *h, uint32_t value, uint32_t *id);
/* Give one reference back. */
void lpm_hops_put(struct lpm_hops *h, uint32_t id);
size_t lpm_hops_bytes(const struct lpm_hops *h);

/* -- the compiled image (lpm_image.c; drawn in lpm.c) ---------------------------------------------------- */

#define LPM_NODE    0x80000000u /* an entry is LPM_NODE | node, or the identifier of a next hop */
#define LPM_STRIDE  6           /* address bits a node resolves */
#define LPM_UNIT    4           /* words: nodes are numbered in units */
#define LPM_CLASSES 7

struct lpm_image {
    uint32_t *root, *pool; /* 2^root_bits entries; words of the nodes */
    unsigned root_bits;
    uint32_t free[LPM_CLASSES]; /* free nodes by size, linked through their first word; 0: none */
    size_t used, cap, live;     /* words: handed out once; room; in use */
    bool broken;                /* memory ran out while compiling: must not be read */
};

int lpm_image_init(struct lpm_image *m);
void lpm_image_free(struct lpm_image *m);
/* Recompile what the route addr/len can change, or all. The image is broken afterwards if memory ran out. */
void lpm_image_update(struct lpm_image *m, const struct lpm_rib *r, uint32_t addr, unsigned len);
void lpm_image_rebuild(struct lpm_image *m, const struct lpm_rib *r);
/* Make the root fit that many routes. => whether it was replaced: lpm_image_rebuild must follow. Without
 * memory it stays as it is, which is slower and not wrong. */
bool lpm_image_fit(struct lpm_image *m, size_t routes);
size_t lpm_image_bytes(const struct lpm_image *m);

/* -- the table ------------------------------------------------------------------------------------------- */

enum lpm_variant { LPM_WALK, LPM_PORTABLE, LPM_POPCNT };

struct lpm {
    struct lpm_image image;
    struct lpm_hops hops;
    uint32_t (*one)(const struct lpm *t, uint32_t addr);
    void (*bulk)(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n);
    struct lpm_rib rib;
    size_t routes;
    enum lpm_variant variant; /* how lookups read the image when it is whole */
};

/* Choose how lookups run. => false: this machine cannot run that one; nothing changed. */
bool lpm_use(struct lpm *t, enum lpm_variant v);

#endif
