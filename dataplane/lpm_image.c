/* lpm_image.c - the image that lookups read, kept up to date change by change; it is drawn in lpm.c.
 *
 * A changed route changes the answers of the addresses below it that no longer route covers: gaps between the
 * routes below it. Each gap is painted with the new answer (that of the route, or, when it was removed, of
 * the longest prefix around it). Painting walks down where a gap ends within a slot; a node that a gap covers
 * goes. Two things painting cannot do: cut a leaf in two, and write an answer or a node into a packed node
 * that has no room for it; a fork is a leaf here, unless the changed route is around all of it. Then that
 * leaf or that node is compiled anew from the requested routes, which are up to date already, so that
 * whatever else was to be painted there is right from then on.
 *
 * So a change costs the length of its own path, and what is compiled anew is at most one packed node a level.
 * The cuts of the nodes above stay as they were, though they may no longer be the best. Therefore changes go
 * on to renew the image region by region, a region being what hangs from one slot of a piece's first node:
 * about one route is compiled anew for each that changes, so that after as many changes as there are routes
 * all regions are as good as new, and no change takes long. The pieces and their first nodes remain until
 * there are half as many routes again or half of them, the nodes take twice the memory, or a round of
 * renewing has found that a route costs a quarter more, by the plan's measure, than when the pieces were cut:
 * then the image is rebuilt as a whole. A node that comes to hold one answer only becomes a leaf at once.
 *
 * Nodes are powers of two of bytes, from 8 on, and lie at multiples of their size. What is left out before a
 * large one, as freed nodes, waits in a list for its size; larger ones are split when there is nothing else.
 *
 * If memory runs out in the middle the image is marked broken and every entry written from there on is
 * meaningless; the table then answers from the requested routes (lpm.c). */
#include "dataplane/addr.h"
#include "dataplane/lpm_int.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <string.h>

#define PAD         8 /* bytes behind the last node: a lookup reads four wherever an element begins */
#define NO_UNIT     UINT32_MAX
#define UNIT_LOG    3 /* log2 of LPM_UNIT */
#define NO_SLOT     SIZE_MAX
#define REGIONS     16  /* looked at by a change, of which one is renewed */
#define REGION_MOST 512 /* routes of it */
#define COST_SLACK  16384
#define PLAN_MAX    65536 /* bytes of working memory that are kept from one change to the next */

/* -- memory ---------------------------------------------------------------------------------------------- */

/* A small table may be generous: its bytes are few, and the caches hold them. */
static uint32_t step_for(size_t routes)
{
    const size_t bytes = 1000000, most = 128, least = 10;
    size_t step = bytes / (routes + 1);
    return (uint32_t)(step > most ? most : step < least ? least : step);
}

int lpm_image_init(struct lpm_image *m)
{
    *m = (struct lpm_image){.plan.step = step_for(0)};
    lpm_head_clear(&m->head);
    m->cap = MEM_LINE;
    m->pool = mem_alloc(m->cap + PAD);
    return m->pool ? 0 : -ENOMEM;
}

void lpm_image_free(struct lpm_image *m)
{
    mem_free(m->pool, m->cap + PAD);
    lpm_plan_free(&m->plan);
}

size_t lpm_image_bytes(const struct lpm_image *m)
{
    return sizeof m->head + m->cap + PAD;
}

static unsigned char *node_bytes(const struct lpm_image *m, uint32_t node)
{
    return (unsigned char *)m->pool + lpm_node_at(node);
}

static size_t class_bytes(unsigned class)
{
    return (size_t)LPM_UNIT << class;
}

/* Let the image have cap bytes. => whether it has. */
static bool resize(struct lpm_image *m, size_t cap)
{
    uint32_t *pool = mem_resize(m->pool, m->cap + PAD, cap + PAD);
    if (!pool)
        return false;
    m->pool = pool;
    m->cap = cap;
    return true;
}

/* Keep free memory, of which unit is the first unit. */
static void give(struct lpm_image *m, uint32_t unit, unsigned class)
{
    *(m->pool + (size_t)unit * LPM_UNIT / sizeof *m->pool) = m->free[class];
    m->free[class] = unit + 1;
}

/* Take bytes from the untouched end, aligned. => the first unit, NO_UNIT: out of memory. */
static uint32_t extend(struct lpm_image *m, size_t bytes)
{
    size_t start = (m->used + bytes - 1) & ~(bytes - 1);
    if (start + bytes > m->cap) {
        size_t cap = start + start / 8 + bytes + MEM_LINE;
        if (cap / LPM_UNIT > LPM_PLACE_MAX || !resize(m, cap & ~(size_t)(MEM_LINE - 1)))
            return NO_UNIT;
    }
    for (unsigned class = 0; m->used < start; class ++)
        if (m->used & class_bytes(class)) {
            give(m, (uint32_t)(m->used / LPM_UNIT), class);
            m->used += class_bytes(class);
        }
    m->used += bytes;
    return (uint32_t)(start / LPM_UNIT);
}

static uint32_t take(struct lpm_image *m, unsigned class)
{
    unsigned from = class;
    while (from < LPM_CLASSES && !m->free[from])
        from++;
    if (from == LPM_CLASSES)
        return extend(m, class_bytes(class));
    uint32_t unit = m->free[from] - 1;
    m->free[from] = *(m->pool + (size_t)unit * LPM_UNIT / sizeof *m->pool);
    while (from-- > class)
        give(m, unit + (uint32_t)(class_bytes(from) / LPM_UNIT), from);
    return unit;
}

uint32_t lpm_node_new(struct lpm_image *m, unsigned size, unsigned bits)
{
    unsigned class = size + bits - UNIT_LOG;
    uint32_t unit = m->broken ? NO_UNIT : take(m, class);
    if (unit == NO_UNIT) {
        m->broken = true;
        return LPM_LEAF;
    }
    m->live += class_bytes(class);
    return unit >> class << LPM_PLACE_SHIFT | size << LPM_SIZE_SHIFT | bits;
}

void lpm_node_free(struct lpm_image *m, uint32_t node)
{
    unsigned class = lpm_node_size(node) + lpm_node_bits(node) - UNIT_LOG;
    m->live -= class_bytes(class);
    give(m, (uint32_t)(lpm_node_at(node) / LPM_UNIT), class);
}

/* Free all that hangs from an entry. */
static void tree_free(struct lpm_image *m, uint32_t entry)
{
    if (!lpm_is_node(entry))
        return;
    if (lpm_node_size(entry) == 2) {
        const uint32_t *slot = m->pool + lpm_node_at(entry) / sizeof *slot;
        for (uint32_t i = 0; i < 1u << lpm_node_bits(entry); i++)
            tree_free(m, slot[i]);
    }
    lpm_node_free(m, entry);
}

/* -- nodes ----------------------------------------------------------------------------------------------- */

unsigned lpm_hop_size(uint32_t hop)
{
    return hop < 1u << 8 ? 0 : hop < 1u << 16 ? 1 : 2;
}

/* => the entry that the element is. */
static uint32_t element(const struct lpm_image *m, uint32_t node, uint32_t i)
{
    const unsigned char *b = node_bytes(m, node);
    unsigned size = lpm_node_size(node);
    uint16_t half;
    uint32_t word;
    if (size == 0)
        return LPM_LEAF | b[i];
    memcpy(&half, b + (size_t)i * 2, sizeof half);
    memcpy(&word, b + (size_t)i * sizeof word, sizeof word);
    return size == 1 ? LPM_LEAF | half : word;
}

uint32_t lpm_node_settle(struct lpm_image *m, uint32_t node)
{
    const unsigned char *b = node_bytes(m, node);
    size_t one = (size_t)1 << lpm_node_size(node), bytes = one << lpm_node_bits(node);
    uint32_t leaf = element(m, node, 0);
    if (lpm_is_node(leaf) || leaf & LPM_FORK || memcmp(b, b + one, bytes - one) != 0)
        return node;
    lpm_node_free(m, node);
    return leaf;
}

void lpm_node_paint(struct lpm_image *m, uint32_t node, uint32_t first, uint32_t n, uint32_t hop)
{
    unsigned char *b = node_bytes(m, node);
    uint32_t leaf = LPM_LEAF | hop;
    uint16_t half = (uint16_t)hop;
    if (lpm_node_size(node) == 0)
        memset(b + first, (int)hop, n);
    else if (lpm_node_size(node) == 1)
        for (size_t i = first; i < (size_t)first + n; i++)
            memcpy(b + i * 2, &half, sizeof half);
    else
        for (size_t i = first; i < (size_t)first + n; i++)
            memcpy(b + i * 4, &leaf, sizeof leaf);
}

/* -- changing -------------------------------------------------------------------------------------------- */

/* Let the plan's routes be those below addr/depth, but no more than so many. */
static void collect(struct lpm_image *m, const struct lpm_rib *r, uint32_t addr, unsigned depth,
                    uint32_t most)
{
    uint32_t last = addr | ~ip4_mask(depth);
    struct lpm_cursor c = lpm_rib_seek(r, addr, depth + 1);
    uint64_t route;
    m->plan.n = 0;
    while (m->plan.n < most && !m->broken && lpm_rib_next(r, &c, &route) && lpm_route_addr(route) <= last)
        if (lpm_route_len(route) > depth)
            m->broken = lpm_plan_add(&m->plan, route) != 0;
}

/* => the entry for all below addr/depth, from the requested routes. */
static uint32_t compile(struct lpm_image *m, const struct lpm_rib *r, uint32_t addr, unsigned depth)
{
    collect(m, r, addr, depth, UINT32_MAX);
    return m->broken ? LPM_LEAF : lpm_plan_compile(m, depth, lpm_rib_match(r, addr, depth));
}

/* Addresses that shall have one answer; the length of the route that changed. */
struct gap {
    uint32_t first, last, hop;
    unsigned len;
};

static uint32_t paint(struct lpm_image *m, const struct lpm_rib *r, uint32_t entry, uint32_t addr,
                      unsigned depth, struct gap g);

/* => whether a packed node can show the gap: the answer fits, and slots partly covered show it already. */
static bool can_show(const struct lpm_image *m, uint32_t node, uint32_t from, uint32_t to, bool part_from,
                     bool part_to, uint32_t hop)
{
    uint32_t leaf = LPM_LEAF | hop;
    return lpm_hop_size(hop) <= lpm_node_size(node) && (!part_from || element(m, node, from) == leaf) &&
           (!part_to || element(m, node, to) == leaf);
}

/* Paint what the gap covers of a node of entries that resolves down to depth; `slot` is its first. */
static void paint_slots(struct lpm_image *m, const struct lpm_rib *r, size_t slot, uint32_t addr,
                        unsigned depth, struct gap g)
{
    uint32_t span = ~ip4_mask(depth);
    for (uint32_t a = (g.first > addr ? g.first : addr) & ~span;; a += span + 1) {
        size_t at = slot + ((a - addr) >> (32 - depth));
        uint32_t entry = paint(m, r, m->pool[at], a, depth, g);
        m->pool[at] = entry;
        if (g.last - a <= span)
            break;
    }
}

/* => a fork once a route around it has changed: a fork is only made where one route is within, so that all
 * others of its addresses have the same route. */
static uint32_t fork_around(uint32_t fork, uint32_t hop)
{
    return (fork >> 8 & 255) == hop ? LPM_LEAF | hop : (fork & ~255u) | hop;
}

/* => what stands for addr/depth once the part of the gap in it is painted. */
static uint32_t paint(struct lpm_image *m, const struct lpm_rib *r, uint32_t entry, uint32_t addr,
                      unsigned depth, struct gap g)
{
    uint32_t last = addr | ~ip4_mask(depth);
    if (g.first <= addr && g.last >= last) {
        tree_free(m, entry);
        return LPM_LEAF | g.hop;
    }
    if (entry & LPM_FORK && !lpm_is_node(entry) && g.len <= depth && lpm_hop_size(g.hop) == 0)
        return fork_around(entry, g.hop);
    if (!lpm_is_node(entry))
        return entry == (LPM_LEAF | g.hop) ? entry : compile(m, r, addr, depth);
    unsigned below = depth + lpm_node_bits(entry);
    if (g.first < addr)
        g.first = addr;
    if (g.last > last)
        g.last = last;
    if (lpm_node_size(entry) == 2) {
        paint_slots(m, r, lpm_node_at(entry) / sizeof *m->pool, addr, below, g);
        return m->broken ? LPM_LEAF : lpm_node_settle(m, entry);
    }
    uint32_t span = ~ip4_mask(below), from = (g.first - addr) >> (32 - below),
             to = (g.last - addr) >> (32 - below);
    bool part_from = g.first & span, part_to = ~g.last & span;
    if (!can_show(m, entry, from, to, part_from || (from == to && part_to), part_to, g.hop)) {
        lpm_node_free(m, entry);
        return compile(m, r, addr, depth);
    }
    lpm_node_paint(m, entry, from, to - from + 1, g.hop);
    return lpm_node_settle(m, entry);
}

static void paint_pieces(struct lpm_image *m, const struct lpm_rib *r, struct gap g)
{
    for (uint32_t a = g.first;;) {
        uint32_t piece = lpm_head_piece(&m->head, a), depth = m->head.depth[piece], mask = ip4_mask(depth);
        uint32_t entry = paint(m, r, m->head.entry[piece], a & mask, depth, g);
        m->head.entry[piece] = entry;
        a |= ~mask;
        if (a++ >= g.last)
            return;
    }
}

static void update(struct lpm_image *m, const struct lpm_rib *r, uint32_t addr, unsigned len)
{
    struct gap g = {.first = addr, .hop = lpm_rib_match(r, addr, len), .len = len};
    uint32_t end = addr | ~ip4_mask(len);
    struct lpm_cursor c = lpm_rib_seek(r, addr, len + 1);
    uint64_t route;
    while (!m->broken && lpm_rib_next(r, &c, &route) && lpm_route_addr(route) <= end) {
        uint32_t next = lpm_route_addr(route), last = next | ~ip4_mask(lpm_route_len(route));
        if (next < g.first)
            continue; /* inside the one before */
        if (next > g.first) {
            g.last = next - 1;
            paint_pieces(m, r, g);
        }
        if (last == end)
            return;
        g.first = last + 1;
    }
    g.last = end;
    if (!m->broken)
        paint_pieces(m, r, g);
}

/* -- renewing -------------------------------------------------------------------------------------------- */

/* What is compiled anew by itself: a slot of a piece's first node, or, where that is packed, a piece. */
struct region {
    uint32_t addr, piece;
    size_t slot; /* of the pool, or NO_SLOT */
    unsigned depth;
};

static struct region region_around(const struct lpm_image *m, uint32_t addr)
{
    uint32_t piece = lpm_head_piece(&m->head, addr), entry = m->head.entry[piece];
    unsigned depth = m->head.depth[piece], bits = lpm_node_bits(entry);
    struct region x = {.addr = addr & ip4_mask(depth), .piece = piece, .slot = NO_SLOT, .depth = depth};
    if (lpm_is_node(entry) && lpm_node_size(entry) == 2) {
        x.slot = lpm_node_at(entry) / sizeof *m->pool + (addr << depth >> (32 - bits));
        x.depth += bits;
        x.addr = addr & ip4_mask(x.depth);
    }
    return x;
}

static uint32_t *region_entry(struct lpm_image *m, const struct region *x)
{
    return x->slot == NO_SLOT ? &m->head.entry[x->piece] : m->pool + x->slot;
}

/* => routes with an address in addr/depth. */
static size_t count_below(const struct lpm_rib *r, uint32_t addr, unsigned depth)
{
    uint32_t last = addr | ~ip4_mask(depth);
    struct lpm_cursor end = {.part = r->parts};
    return lpm_rib_between(r, lpm_rib_seek(r, addr, 0),
                           last == UINT32_MAX ? end : lpm_rib_seek(r, last + 1, 0));
}

/* Compile a region anew, if it is a node; its cost, without steps in a piece's first node, to m->cost.
 * => how many routes that took. */
static uint32_t region_renew(struct lpm_image *m, const struct lpm_rib *r, const struct region *x)
{
    if (!lpm_is_node(*region_entry(m, x)))
        return 0;
    collect(m, r, x->addr, x->depth, REGION_MOST + 1);
    uint32_t n = m->plan.n;
    if (m->broken)
        return 0;
    if (n > REGION_MOST) {
        if (x->slot != NO_SLOT)
            m->cost += (uint64_t)m->plan.step * count_below(r, x->addr, x->depth); /* or more */
        return n / 8;
    }
    tree_free(m, *region_entry(m, x));
    uint32_t entry = lpm_plan_compile(m, x->depth, lpm_rib_match(r, x->addr, x->depth));
    *region_entry(m, x) = entry;
    m->cost += m->plan.cost - (x->slot == NO_SLOT ? n * m->plan.step : 0);
    return n;
}

/* All regions have been renewed: is the image, for its routes, as cheap as when the pieces were cut? */
static void round_end(struct lpm_image *m, size_t routes)
{
    uint64_t cost = m->cost + (uint64_t)m->plan.step * routes; /* in the pieces' first nodes, a step each */
    for (size_t i = 0; i < LPM_PIECES; i++)
        if (lpm_is_node(m->head.entry[i]) && lpm_node_size(m->head.entry[i]) == 2)
            cost += sizeof *m->pool << lpm_node_bits(m->head.entry[i]);
    m->stale = cost * m->routes > (m->first_cost + m->first_cost / 4 + COST_SLACK) * routes;
    m->cost = 0;
}

/* Renew a region, if the last one is as many changes ago as it had routes. */
static void renew(struct lpm_image *m, const struct lpm_rib *r, size_t routes)
{
    if (m->wait) {
        m->wait--;
        return;
    }
    for (int i = 0; i < REGIONS && !m->wait && !m->broken; i++) {
        struct region x = region_around(m, m->next);
        m->wait = region_renew(m, r, &x);
        m->next = (x.addr | ~ip4_mask(x.depth)) + 1;
        if (!m->next) {
            round_end(m, routes);
            return;
        }
    }
}

void lpm_image_update(struct lpm_image *m, const struct lpm_rib *r, uint32_t addr, unsigned len,
                      size_t routes)
{
    if (m->broken || m->stale || m->live > 2 * m->fresh + 16384 || routes > m->routes + m->routes / 2 + 64 ||
        routes < m->routes / 2) {
        lpm_image_rebuild(m, r, routes);
        return;
    }
    update(m, r, addr & ip4_mask(len), len);
    if (!m->broken)
        renew(m, r, routes);
}

/* -- all of it ------------------------------------------------------------------------------------------- */

void lpm_image_rebuild(struct lpm_image *m, const struct lpm_rib *r, size_t routes)
{
    struct lpm_cursor c = lpm_rib_seek(r, 0, 0);
    uint64_t route;
    memset(m->free, 0, sizeof m->free);
    m->live = 0;
    m->used = 0;
    m->broken = false;
    m->plan.n = 0;
    m->plan.step = step_for(routes);
    while (!m->broken && lpm_rib_next(r, &c, &route))
        m->broken = lpm_plan_add(&m->plan, route) != 0;
    lpm_head_compile(m);
    m->fresh = m->live;
    m->next = m->wait = 0;
    m->cost = 0;
    m->stale = false;
    m->routes = (uint32_t)routes;
    if (lpm_plan_bytes(&m->plan) > PLAN_MAX)
        lpm_plan_free(&m->plan);
    size_t enough = (m->used + m->used / 64 + MEM_LINE) & ~(size_t)(MEM_LINE - 1);
    if (!m->broken && enough + enough / 32 < m->cap)
        resize(m, enough); /* where that fails it stays as it is */
}
