/* lpm_int.h - inside the longest-prefix match: for lpm*.c, tests and benchmarks. */
#ifndef VNETSIM_DATAPLANE_LPM_INT_H
#define VNETSIM_DATAPLANE_LPM_INT_H

#include "dataplane/exact.h"
#include "dataplane/lpm.h"

#include <stdbool.h>

/* -- next hops: a small identifier for each (lpm_hops.c) ------------------------------------------------- */

#define LPM_PLAIN    0x4000u /* next hop v < LPM_PLAIN is identifier v + 1; 0 stands for LPM_MISS */
#define LPM_HOP_BITS 26      /* of an identifier; those of other next hops begin at LPM_PLAIN + 1 */

struct lpm_hops {
    uint32_t *value, *refs; /* by identifier - LPM_PLAIN - 1; a free one's value is the next free one + 1 */
    uint32_t used, cap, spare;
    struct exact *ids; /* (0, value) -> index into value; NULL before the first */
};

void lpm_hops_free(struct lpm_hops *h);
/* => 0 and the identifier of value, one reference more; or -ENOMEM (unchanged). */
int lpm_hops_get(struct lpm_hops *h, uint32_t value, uint32_t *id);
/* Give one reference back. */
void lpm_hops_put(struct lpm_hops *h, uint32_t id);
size_t lpm_hops_bytes(const struct lpm_hops *h);

static inline uint32_t lpm_hops_value(const struct lpm_hops *h, uint32_t id)
{
    return id <= LPM_PLAIN ? id - 1 : h->value[id - LPM_PLAIN - 1];
}

/* -- requested routes: sorted by address, then length, in blocks (lpm_rib.c) ----------------------------- */

/* A route is one number: address, length (6 bits), identifier of the next hop. Without the last it is the
 * route's key. */
#define LPM_BLOCK 128 /* routes a block holds */

static inline uint64_t lpm_route_make(uint32_t addr, unsigned len, uint32_t hop)
{
    return (uint64_t)addr << 32 | (uint64_t)len << LPM_HOP_BITS | hop;
}

static inline uint32_t lpm_route_addr(uint64_t route)
{
    return (uint32_t)(route >> 32);
}

static inline unsigned lpm_route_len(uint64_t route)
{
    return (unsigned)(route >> LPM_HOP_BITS & 63);
}

static inline uint32_t lpm_route_hop(uint64_t route)
{
    return (uint32_t)route & ((1u << LPM_HOP_BITS) - 1);
}

struct lpm_part {
    uint64_t first; /* no route of this block is less, none of the blocks before is as much */
    uint32_t block, n;
};

struct lpm_rib {
    uint64_t *block;       /* block_cap of LPM_BLOCK routes; a free one's first number is the next free + 1 */
    struct lpm_part *part; /* the blocks in order; at least one */
    uint32_t parts, part_cap, blocks, block_cap, spare;
};

/* A place in the order. */
struct lpm_cursor {
    uint32_t part, at;
};

int lpm_rib_init(struct lpm_rib *r);
void lpm_rib_free(struct lpm_rib *r);
/* Make the routes these n, sorted by key and all different, of an empty one. => 0, or -ENOMEM (unchanged). */
int lpm_rib_fill(struct lpm_rib *r, const uint64_t *route, size_t n);
/* Make room for one route more. => 0, or -ENOMEM (unchanged). */
int lpm_rib_reserve(struct lpm_rib *r);
/* Set a route's hop; room must be reserved. => its former hop, 0: it was not there. */
uint32_t lpm_rib_set(struct lpm_rib *r, uint32_t addr, unsigned len, uint32_t hop);
/* Take out addr/len. => its hop, 0: it was not there. Does not allocate. */
uint32_t lpm_rib_take(struct lpm_rib *r, uint32_t addr, unsigned len);
/* => the hop of the longest prefix of at most len bits that covers addr, 0: none. */
uint32_t lpm_rib_match(const struct lpm_rib *r, uint32_t addr, unsigned len);
/* => the place of the first route from addr/len on. */
struct lpm_cursor lpm_rib_seek(const struct lpm_rib *r, uint32_t addr, unsigned len);
/* => whether there is a route at the cursor, which then moves on. */
bool lpm_rib_next(const struct lpm_rib *r, struct lpm_cursor *c, uint64_t *route);
/* => how many routes lie from one place to a later one. */
size_t lpm_rib_between(const struct lpm_rib *r, struct lpm_cursor from, struct lpm_cursor to);
size_t lpm_rib_bytes(const struct lpm_rib *r);

/* -- the compiled image (drawn in lpm.c): storage and changes in lpm_image.c, layout in lpm_plan.c ------- */

/* An entry, 32 bits (drawn in lpm.c):
 *   1 | 0 | identifier of a next hop                                              a leaf
 *   1 | 1 | pattern, a 1, zeros: 14 bits | identifier, 8 bits | another, 8 bits   two: the first where the
 * bits that follow are the pattern, else the second 0 | place, in units of its own size, 24 bits | log2 of
 * its elements' bytes, 2 bits | bits it resolves  a node */
#define LPM_LEAF        0x80000000u
#define LPM_FORK        0x40000000u /* of a leaf: it is two */
#define LPM_FORK_BITS   13          /* of a pattern, at most; at least 1 */
#define LPM_FORK_SHIFT  16
#define LPM_BITS        31u
#define LPM_SIZE_SHIFT  5
#define LPM_PLACE_SHIFT 7
#define LPM_PLACE_MAX   0xffffffu
#define LPM_UNIT        8 /* bytes of the smallest node */
#define LPM_CLASSES     15

static inline bool lpm_is_node(uint32_t entry)
{
    return !(entry & LPM_LEAF);
}

static inline unsigned lpm_node_size(uint32_t entry)
{
    return entry >> LPM_SIZE_SHIFT & 3;
}

static inline unsigned lpm_node_bits(uint32_t entry)
{
    return entry & LPM_BITS;
}

static inline size_t lpm_node_at(uint32_t entry)
{
    return (size_t)(entry >> LPM_PLACE_SHIFT) << (lpm_node_bits(entry) + lpm_node_size(entry));
}

/* => the identifier that a leaf gives the address of which these bits are left. */
static inline uint32_t lpm_leaf_hop(uint32_t leaf, uint32_t rest)
{
    uint32_t want = leaf << 2 & 0xfffc0000u, differ = rest ^ want;
    uint32_t two = leaf >> (differ <= (want ^ (want - 1)) ? 8 : 0) & 255;
    return leaf & LPM_FORK ? two : leaf & ~LPM_LEAF;
}

/* Where lookups begin (lpm_head.c). */
#define LPM_PIECES     64
#define LPM_HEAD_SHIFT 6 /* of a code: how many bits more, above the first piece without so many bits */
#define LPM_HEAD_MORE  3 /* at most */
#define LPM_TOP        (1u << (8 + LPM_HEAD_MORE + 1))

struct lpm_head {
    _Alignas(64) uint8_t code[256];
    uint32_t entry[LPM_PIECES];
    uint8_t depth[LPM_PIECES], pad[4]; /* loads of four bytes end inside */
};

/* => the piece that addr is in. */
static inline uint32_t lpm_head_piece(const struct lpm_head *h, uint32_t addr)
{
    uint32_t code = h->code[addr >> 24], more = code >> LPM_HEAD_SHIFT;
    return (code & (LPM_PIECES - 1)) << more | addr << 8 >> 1 >> (31 - more);
}

/* What compiling needs besides the image: the routes below one entry and how their nodes are cut. */
struct lpm_plan {
    uint64_t *route;
    uint32_t *cut;
    uint32_t *top; /* LPM_TOP costs of the points near the top, numbered as in a heap; NULL: not wanted */
    uint32_t n, route_cap, cuts, cut_cap, at;
    uint32_t cost;           /* of all, as last weighed */
    uint32_t chain_cost[33]; /* of a route alone that many bits down; how its node is cut */
    uint32_t chain_cut[33];
    uint32_t step;       /* bytes that a memory access less is worth, a route */
    uint32_t chain_step; /* `step` and log2 of a leaf's bytes that the chains' costs are for */
    unsigned leaf;
};

struct lpm_image {
    struct lpm_head head;
    uint32_t *pool;             /* the nodes: one block of memory */
    bool broken;                /* memory ran out while compiling: must not be read */
    uint32_t free[LPM_CLASSES]; /* free nodes by size, linked through their first word;
                                 each by its unit + 1, 0: none */
    size_t used, cap, live;     /* bytes: handed out once; room; in use */
    size_t fresh;               /* live when last built as a whole */
    uint32_t routes;            /* then */
    uint32_t next, wait;        /* where renewing goes on, after so many changes */
    uint64_t cost, first_cost;  /* of what this round has renewed; of all, when built */
    bool stale;                 /* to be built as a whole */
    struct lpm_plan plan;
};

int lpm_image_init(struct lpm_image *m);
void lpm_image_free(struct lpm_image *m);
/* Bring the image up to date after the route addr/len changed; routes: how many there are. The image is
 * broken afterwards if memory ran out. */
void lpm_image_update(struct lpm_image *m, const struct lpm_rib *r, uint32_t addr, unsigned len,
                      size_t routes);
void lpm_image_rebuild(struct lpm_image *m, const struct lpm_rib *r, size_t routes);
/* => bytes that lookups may read. */
size_t lpm_image_bytes(const struct lpm_image *m);

/* => a node of LPM_UNIT bytes at least. The image is broken afterwards if memory ran out. */
uint32_t lpm_node_new(struct lpm_image *m, unsigned size, unsigned bits);
void lpm_node_free(struct lpm_image *m, uint32_t entry);
/* => the only leaf that all slots of the node hold, the node then being free; or the node. */
uint32_t lpm_node_settle(struct lpm_image *m, uint32_t node);
/* Set slots of a node to one identifier, which must fit. */
void lpm_node_paint(struct lpm_image *m, uint32_t node, uint32_t first, uint32_t n, uint32_t hop);
/* => log2 of the bytes an identifier takes. */
unsigned lpm_hop_size(uint32_t hop);

/* => the entry for all addresses below addr/depth: the plan's routes (sorted, all longer), of which hop
 * covers what they do not. The image is broken afterwards if memory ran out. */
uint32_t lpm_plan_compile(struct lpm_image *m, unsigned depth, uint32_t hop);
/* One piece, of which every address has no route. */
void lpm_head_clear(struct lpm_head *h);
/* Cut the plan's whole address space into pieces and compile them. */
void lpm_head_compile(struct lpm_image *m);
/* The two halves of compiling: decide (hop covers what the routes do not; => false: no memory), and make the
 * nodes of the plan's routes [lo, hi), in the same order. */
bool lpm_plan_weigh(struct lpm_plan *p, unsigned depth, uint32_t hop);
uint32_t lpm_plan_emit(struct lpm_image *m, uint32_t lo, uint32_t hi, unsigned depth, uint32_t hop);
/* => the first of the routes [lo, hi), equal in their first `depth` bits, whose next bit is set. */
uint32_t lpm_plan_halve(const struct lpm_plan *p, uint32_t lo, uint32_t hi, unsigned depth);
/* Collect one route. => 0, or -ENOMEM. */
int lpm_plan_add(struct lpm_plan *p, uint64_t route);
void lpm_plan_free(struct lpm_plan *p);
size_t lpm_plan_bytes(const struct lpm_plan *p);

/* -- the table ------------------------------------------------------------------------------------------- */

enum lpm_variant { LPM_WALK, LPM_PORTABLE, LPM_AVX2, LPM_AVX512, LPM_VARIANTS };

struct lpm {
    struct lpm_image image;
    struct lpm_hops hops;
    uint32_t (*one)(const struct lpm *t, uint32_t addr);
    void (*bulk)(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n);
    struct lpm_rib rib;
    size_t routes;
    enum lpm_variant variant; /* how lookups read the image when it is whole */
};

/* Choose how lookups run (lpm_bulk.c). => false: this machine cannot run that one; nothing changed. */
bool lpm_use(struct lpm *t, enum lpm_variant v);
enum lpm_variant lpm_best(void);
/* Many lookups by AVX-512 (lpm_avx512.c), if it is there. */
bool lpm_avx512_there(void);
void lpm_avx512_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n);
/* Point lookups at the image, or at the requested routes while the image is broken. */
void lpm_aim(struct lpm *t);

#endif
