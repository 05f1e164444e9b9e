/* lpm.c - longest-prefix match: the table and its lookups.
 *
 * What was asked is kept apart from what was compiled. The requested routes are a binary trie (lpm_rib.c);
 * lookups read the image (lpm_image.c), a trie that resolves many bits a step and holds the answers, not the
 * routes:
 *
 *   root[2^8, 2^14 or 2^18]      by the address's first bits; more as the table grows
 *      |- next hop               identifier into hops.value, 0 = LPM_MISS
 *      `- node                   six bits more:
 *           bitmap, 64 bits      bit i: slot i begins a run of equal slots (bit 0 always)
 *           entry[runs]          as in the root; slot i's is entry[popcount(bitmap & bits 0..i) - 1]
 *
 * So a step is one load of the bitmap and one of the entry, mostly in the same cache line, and a run of any
 * length costs four bytes: after Degermark et al. (SIGCOMM 1997) and poptrie (Asai and Ohara, SIGCOMM 2015),
 * with the two kinds of entries in one array. Next hops are replaced by small identifiers to leave a bit for
 * "this is a node" without taking any next hop away from callers.
 *
 * Invariants: between calls the image gives the trie's answers, or is marked broken; a range with one answer
 * is never a node, so that the image depends on the routes alone and not on the order of changes (test_lpm
 * checks it).
 *
 * Errors: adding undoes itself when memory runs out. The image may then be broken, as it may be when the
 * replacement for a removed route finds no memory. Lookups walk the trie instead, slower and right, until the
 * next change or rebuild succeeds: a table can always answer, and removal can always be done.
 *
 * Costs: an update rewrites the nodes on the route's path, at most five of up to 64 slots, and what lies
 * below the route; a short prefix over a full table is a rebuild. About 30 bytes of image a route in a full
 * Internet table, 100 for a lone /32; 12 bytes a trie node. The root is 1 KiB below 64 routes, 64 KiB below
 * 8192, else 1 MiB, and does not shrink.
 *
 * Batches run LANES lookups abreast, level by level; those that reached their answer leave the ranks
 * without a branch. Without a popcount instruction (x86-64 before 2008) the portable variant counts in
 * software. */
#include "dataplane/lpm.h"
#include "dataplane/addr.h"
#include "dataplane/lpm_int.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <string.h>

#define LANES  64
#define ALWAYS __attribute__((always_inline)) static inline

/* -- lookups --------------------------------------------------------------------------------------------- */

ALWAYS uint32_t step(const uint32_t *pool, uint32_t entry, uint32_t addr, unsigned depth)
{
    const uint32_t *w = pool + (size_t)(entry & ~LPM_NODE) * LPM_UNIT;
    unsigned slot = (unsigned)((uint64_t)addr << (32 + depth) >> 58);
    uint64_t map;
    memcpy(&map, w, sizeof map);
    return w[1 + __builtin_popcountll(map & (((uint64_t)2 << slot) - 1))];
}

ALWAYS uint32_t image_one(const struct lpm *t, uint32_t addr)
{
    unsigned depth = t->image.root_bits;
    uint32_t e = t->image.root[addr >> (32 - depth)];
    for (; e & LPM_NODE; depth += LPM_STRIDE)
        e = step(t->image.pool, e, addr, depth);
    return t->hops.value[e];
}

/* Up to LANES lookups: busy lists the lanes that still stand at a node. */
ALWAYS void image_lanes(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, unsigned n)
{
    const uint32_t *root = t->image.root, *pool = t->image.pool, *value = t->hops.value;
    unsigned depth = t->image.root_bits, busy_n = 0;
    uint32_t e[LANES];
    uint8_t busy[LANES];
    for (unsigned i = 0; i < n; i++)
        e[i] = root[addr[i] >> (32 - depth)];
    for (unsigned i = 0; i < n; i++) {
        __builtin_prefetch(pool + (size_t)(e[i] & ~LPM_NODE) * LPM_UNIT);
        busy[busy_n] = (uint8_t)i;
        busy_n += e[i] >> 31;
    }
    for (; busy_n; depth += LPM_STRIDE) {
        unsigned left = 0;
        for (unsigned k = 0; k < busy_n; k++) {
            unsigned i = busy[k];
            e[i] = step(pool, e[i], addr[i], depth);
            __builtin_prefetch(pool + (size_t)(e[i] & ~LPM_NODE) * LPM_UNIT);
            busy[left] = (uint8_t)i;
            left += e[i] >> 31;
        }
        busy_n = left;
    }
    for (unsigned i = 0; i < n; i++)
        nexthop[i] = value[e[i]];
}

ALWAYS void image_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (; n >= LANES; n -= LANES, addr += LANES, nexthop += LANES)
        image_lanes(t, addr, nexthop, LANES);
    image_lanes(t, addr, nexthop, (unsigned)n);
}

static uint32_t portable_one(const struct lpm *t, uint32_t addr)
{
    return image_one(t, addr);
}

static void portable_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    image_bulk(t, addr, nexthop, n);
}

#ifdef __x86_64__
__attribute__((target("popcnt"))) static uint32_t popcnt_one(const struct lpm *t, uint32_t addr)
{
    return image_one(t, addr);
}

__attribute__((target("popcnt"))) static void popcnt_bulk(const struct lpm *t, const uint32_t *addr,
                                                           uint32_t *nexthop, size_t n)
{
    image_bulk(t, addr, nexthop, n);
}

static bool have_popcnt(void)
{
    return __builtin_cpu_supports("popcnt");
}
#else
#define popcnt_one  portable_one
#define popcnt_bulk portable_bulk

static bool have_popcnt(void)
{
    return false;
}
#endif

static uint32_t walk_one(const struct lpm *t, uint32_t addr)
{
    return t->hops.value[lpm_rib_match(&t->rib, addr)];
}

static void walk_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nexthop[i] = walk_one(t, addr[i]);
}

uint32_t lpm_lookup(const struct lpm *t, uint32_t addr)
{
    return t->one(t, addr);
}

void lpm_lookup_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    t->bulk(t, addr, nexthop, n);
}

/* Point lookups at the image, or at the trie while the image is broken. */
static void aim(struct lpm *t)
{
    enum lpm_variant v = t->image.broken ? LPM_WALK : t->variant;
    t->one = v == LPM_WALK ? walk_one : v == LPM_PORTABLE ? portable_one : popcnt_one;
    t->bulk = v == LPM_WALK ? walk_bulk : v == LPM_PORTABLE ? portable_bulk : popcnt_bulk;
}

bool lpm_use(struct lpm *t, enum lpm_variant v)
{
    if (v == LPM_POPCNT && !have_popcnt())
        return false;
    t->variant = v;
    aim(t);
    return true;
}

/* -- changes --------------------------------------------------------------------------------------------- */

struct lpm *lpm_new(void)
{
    struct lpm *t = mem_alloc(sizeof *t);
    if (!t)
        return NULL;
    if (lpm_rib_init(&t->rib) || lpm_hops_init(&t->hops) || lpm_image_init(&t->image)) {
        lpm_free(t);
        return NULL;
    }
    lpm_use(t, have_popcnt() ? LPM_POPCNT : LPM_PORTABLE);
    return t;
}

void lpm_free(struct lpm *t)
{
    if (!t)
        return;
    lpm_image_free(&t->image);
    lpm_hops_free(&t->hops);
    lpm_rib_free(&t->rib);
    mem_free(t, sizeof *t);
}

/* Put one route into the trie. => its former hop (0: none) and the new one, through the arguments. */
static int request(struct lpm *t, struct lpm_route r, uint32_t *old, uint32_t *hop)
{
    if (r.len > 32)
        return -EINVAL;
    if (r.nexthop == LPM_MISS)
        return -ERANGE;
    if (lpm_rib_reserve(&t->rib, r.len) || lpm_hops_get(&t->hops, r.nexthop, hop))
        return -ENOMEM;
    uint32_t *at = lpm_rib_at(&t->rib, r.addr, r.len);
    *old = *at;
    *at = *hop;
    t->routes += !*old;
    return 0;
}

static void undo(struct lpm *t, struct lpm_route r, uint32_t old, uint32_t hop)
{
    if (old) {
        *lpm_rib_at(&t->rib, r.addr, r.len) = old;
    } else {
        lpm_rib_take(&t->rib, r.addr, r.len);
        t->routes--;
    }
    lpm_hops_put(&t->hops, hop);
}

/* Bring the image up to date after one route changed. */
static void recompile(struct lpm *t, uint32_t addr, unsigned len)
{
    if (lpm_image_fit(&t->image, t->routes) || t->image.broken)
        lpm_image_rebuild(&t->image, &t->rib);
    else
        lpm_image_update(&t->image, &t->rib, addr, len);
    aim(t);
}

int lpm_add(struct lpm *t, uint32_t addr, unsigned len, uint32_t nexthop)
{
    struct lpm_route r = {.addr = addr, .len = len > 32 ? 33 : (uint8_t)len, .nexthop = nexthop};
    uint32_t old, hop;
    int err = request(t, r, &old, &hop);
    if (err)
        return err;
    if (old != hop)
        recompile(t, addr, len);
    if (old != hop && t->image.broken) {
        undo(t, r, old, hop);
        return -ENOMEM;
    }
    if (old)
        lpm_hops_put(&t->hops, old);
    return 0;
}

int lpm_del(struct lpm *t, uint32_t addr, unsigned len)
{
    uint32_t hop = len > 32 ? 0 : lpm_rib_take(&t->rib, addr, len);
    if (!hop)
        return -ENOENT;
    t->routes--;
    recompile(t, addr, len);
    lpm_hops_put(&t->hops, hop);
    return 0;
}

int lpm_build(struct lpm **out, const struct lpm_route *routes, size_t n)
{
    struct lpm *t = lpm_new();
    int err = t ? 0 : -ENOMEM;
    for (size_t i = 0; !err && i < n; i++) {
        uint32_t old, hop;
        err = request(t, routes[i], &old, &hop);
        if (!err && old)
            lpm_hops_put(&t->hops, old);
    }
    if (!err) {
        lpm_image_fit(&t->image, t->routes);
        lpm_image_rebuild(&t->image, &t->rib);
        aim(t);
        err = t->image.broken ? -ENOMEM : 0;
    }
    if (err)
        lpm_free(t);
    else
        *out = t;
    return err;
}

size_t lpm_count(const struct lpm *t)
{
    return t->routes;
}

size_t lpm_bytes(const struct lpm *t)
{
    return sizeof *t + lpm_rib_bytes(&t->rib) + lpm_hops_bytes(&t->hops) + lpm_image_bytes(&t->image);
}
