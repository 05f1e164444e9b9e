/* lpm_rib.c - the requested routes of a longest-prefix match; see lpm_int.h.
 *
 *   part[]   first, block, n                 in order of first
 *                     `-> block[LPM_BLOCK]   address | length | hop, sorted
 *
 * Sorted by address, then length, a prefix stands before all that it contains and these follow it without a
 * gap: what an update must know of the routes below it is one run. Eight bytes a route, blocks half full or
 * more: about 11 bytes a route that was added by itself, 9 in a table built as a whole.
 *
 * The prefixes that contain an address are not neighbours of it. But the last route in order that is not
 * beyond it has a common part with it, and a route that contains the address cannot be longer than that part
 * without being that very route: so one search either finds the answer or shortens the question.
 *
 * Two neighbours that fit into three quarters of a block become one, so that removal, which does not
 * allocate, keeps blocks half full on average. A block that overflows at the very end of the order is not
 * halved: routes often come sorted. The array of parts is one piece; inserting into it moves a few hundred
 * KiB at a million routes, once in 64 additions at most. */
#include "dataplane/lpm_int.h"
#include "dataplane/addr.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <string.h>

#define MERGED (LPM_BLOCK * 3 / 4)
#define FILLED (LPM_BLOCK * 7 / 8) /* of a block in a table built as a whole: some room to add */

/* -- memory ---------------------------------------------------------------------------------------------- */

static size_t block_bytes(size_t blocks)
{
    return blocks * LPM_BLOCK * sizeof(uint64_t);
}

static size_t part_bytes(size_t parts)
{
    return parts * sizeof(struct lpm_part);
}

/* Make room for that many blocks and parts in all. => 0, or -ENOMEM. */
static int room(struct lpm_rib *r, uint32_t blocks, uint32_t parts)
{
    if (blocks > r->block_cap) {
        uint32_t cap = blocks + r->block_cap / 8;
        uint64_t *block = mem_resize(r->block, block_bytes(r->block_cap), block_bytes(cap));
        if (!block)
            return -ENOMEM;
        r->block = block;
        r->block_cap = cap;
    }
    if (parts > r->part_cap) {
        uint32_t cap = parts + r->part_cap / 8;
        struct lpm_part *part = mem_resize(r->part, part_bytes(r->part_cap), part_bytes(cap));
        if (!part)
            return -ENOMEM;
        r->part = part;
        r->part_cap = cap;
    }
    return 0;
}

int lpm_rib_init(struct lpm_rib *r)
{
    *r = (struct lpm_rib){.parts = 1};
    if (room(r, 1, 1))
        return -ENOMEM;
    r->part[0] = (struct lpm_part){.block = r->blocks++};
    return 0;
}

void lpm_rib_free(struct lpm_rib *r)
{
    mem_free(r->block, block_bytes(r->block_cap));
    mem_free(r->part, part_bytes(r->part_cap));
}

size_t lpm_rib_bytes(const struct lpm_rib *r)
{
    return block_bytes(r->block_cap) + part_bytes(r->part_cap);
}

int lpm_rib_reserve(struct lpm_rib *r)
{
    return room(r, r->blocks + !r->spare, r->parts + 1);
}

static uint64_t *part_routes(const struct lpm_rib *r, uint32_t part)
{
    return r->block + (size_t)r->part[part].block * LPM_BLOCK;
}

static uint32_t block_take(struct lpm_rib *r)
{
    uint32_t b = r->spare;
    if (!b)
        return r->blocks++;
    r->spare = (uint32_t)r->block[(size_t)--b * LPM_BLOCK];
    return b;
}

static void block_give(struct lpm_rib *r, uint32_t b)
{
    r->block[(size_t)b * LPM_BLOCK] = r->spare;
    r->spare = b + 1;
}

/* The number by which routes are told apart and sorted: without the hop. */
static uint64_t without_hop(uint64_t route)
{
    return route & ~(uint64_t)0 << LPM_HOP_BITS;
}

int lpm_rib_fill(struct lpm_rib *r, const uint64_t *route, size_t n)
{
    uint32_t parts = (uint32_t)((n + FILLED - 1) / FILLED);
    if (n > UINT32_MAX || room(r, parts, parts))
        return -ENOMEM;
    for (uint32_t i = 0; i < parts; i++, route += FILLED) {
        uint32_t k = (uint32_t)(n < FILLED ? n : FILLED);
        r->part[i] = (struct lpm_part){.first = i ? without_hop(*route) : 0, .block = i, .n = k};
        memcpy(part_routes(r, i), route, k * sizeof *route);
        n -= k;
    }
    r->parts = r->blocks = parts ? parts : 1;
    return 0;
}

/* -- searching ------------------------------------------------------------------------------------------- */

/* => how many of these numbers are less than x. */
static uint32_t count_less(const uint64_t *route, uint32_t n, uint64_t x)
{
    const uint64_t *base = route;
    for (; n > 1; n -= n / 2)
        base += base[n / 2 - 1] < x ? n / 2 : 0;
    return (uint32_t)(base - route) + (n && *base < x);
}

/* => the part that holds x or would. */
static uint32_t part_of(const struct lpm_rib *r, uint64_t x)
{
    const struct lpm_part *base = r->part;
    for (uint32_t n = r->parts; n > 1; n -= n / 2)
        base += base[n / 2].first <= x ? n / 2 : 0;
    return (uint32_t)(base - r->part);
}

/* => the place of the first route that is not less than x, in the part where it would be put. */
static struct lpm_cursor place_of(const struct lpm_rib *r, uint64_t x)
{
    uint32_t p = part_of(r, x);
    return (struct lpm_cursor){.part = p, .at = count_less(part_routes(r, p), r->part[p].n, x)};
}

static bool is_at(const struct lpm_rib *r, struct lpm_cursor c, uint64_t x)
{
    return c.at < r->part[c.part].n && without_hop(part_routes(r, c.part)[c.at]) == x;
}

struct lpm_cursor lpm_rib_seek(const struct lpm_rib *r, uint32_t addr, unsigned len)
{
    return place_of(r, lpm_route_make(addr, len, 0));
}

bool lpm_rib_next(const struct lpm_rib *r, struct lpm_cursor *c, uint64_t *route)
{
    while (c->at == r->part[c->part].n) {
        if (c->part + 1 == r->parts)
            return false;
        c->part++;
        c->at = 0;
    }
    *route = part_routes(r, c->part)[c->at++];
    return true;
}

/* => the last route less than x; false: there is none. */
static bool last_before(const struct lpm_rib *r, uint64_t x, uint64_t *route)
{
    struct lpm_cursor c = place_of(r, x);
    while (!c.at) {
        if (!c.part)
            return false;
        c.at = r->part[--c.part].n;
    }
    *route = part_routes(r, c.part)[c.at - 1];
    return true;
}

uint32_t lpm_rib_match(const struct lpm_rib *r, uint32_t addr, unsigned len)
{
    uint64_t route;
    for (;;) {
        addr &= ip4_mask(len);
        if (!last_before(r, lpm_route_make(addr, len + 1, 0), &route))
            return 0;
        uint32_t apart = addr ^ lpm_route_addr(route);
        unsigned common = apart ? (unsigned)__builtin_clz(apart) : 32;
        if (lpm_route_len(route) <= common)
            return lpm_route_hop(route);
        len = common; /* less than len: a route before addr differs from it within len bits */
    }
}

size_t lpm_rib_between(const struct lpm_rib *r, struct lpm_cursor from, struct lpm_cursor to)
{
    size_t n = to.at;
    for (uint32_t p = from.part; p < to.part; p++)
        n += r->part[p].n;
    return n - from.at;
}

/* -- changing -------------------------------------------------------------------------------------------- */

/* Make a part out of the routes of part p from at on. */
static void split(struct lpm_rib *r, uint32_t p, uint32_t at, uint64_t first)
{
    struct lpm_part upper = {.first = first, .block = block_take(r), .n = r->part[p].n - at};
    memmove(r->part + p + 2, r->part + p + 1, part_bytes(r->parts - p - 1));
    r->part[p + 1] = upper;
    r->parts++;
    memcpy(part_routes(r, p + 1), part_routes(r, p) + at, upper.n * sizeof *r->block);
    r->part[p].n = at;
}

uint32_t lpm_rib_set(struct lpm_rib *r, uint32_t addr, unsigned len, uint32_t hop)
{
    uint64_t x = lpm_route_make(addr & ip4_mask(len), len, 0);
    struct lpm_cursor c = place_of(r, x);
    if (is_at(r, c, x)) {
        uint64_t *at = part_routes(r, c.part) + c.at;
        uint32_t old = lpm_route_hop(*at);
        *at = x | hop;
        return old;
    }
    if (r->part[c.part].n == LPM_BLOCK) {
        bool end = c.part + 1 == r->parts && c.at == LPM_BLOCK;
        if (end)
            split(r, c.part, LPM_BLOCK, x);
        else
            split(r, c.part, LPM_BLOCK / 2, without_hop(part_routes(r, c.part)[LPM_BLOCK / 2]));
        c = place_of(r, x);
    }
    uint64_t *at = part_routes(r, c.part) + c.at;
    memmove(at + 1, at, (r->part[c.part].n++ - c.at) * sizeof *at);
    *at = x | hop;
    return 0;
}

/* Make one part of p and its successor where they fit. */
static void merge(struct lpm_rib *r, uint32_t p)
{
    if (p + 1 >= r->parts || r->part[p].n + r->part[p + 1].n > MERGED)
        return;
    memcpy(part_routes(r, p) + r->part[p].n, part_routes(r, p + 1), r->part[p + 1].n * sizeof *r->block);
    r->part[p].n += r->part[p + 1].n;
    block_give(r, r->part[p + 1].block);
    r->parts--;
    memmove(r->part + p + 1, r->part + p + 2, part_bytes(r->parts - p - 1));
}

uint32_t lpm_rib_take(struct lpm_rib *r, uint32_t addr, unsigned len)
{
    uint64_t x = lpm_route_make(addr & ip4_mask(len), len, 0);
    struct lpm_cursor c = place_of(r, x);
    if (!is_at(r, c, x))
        return 0;
    uint64_t *at = part_routes(r, c.part) + c.at;
    uint32_t hop = lpm_route_hop(*at);
    memmove(at, at + 1, (--r->part[c.part].n - c.at) * sizeof *at);
    merge(r, c.part);
    if (c.part)
        merge(r, c.part - 1);
    return hop;
}
