/* lpm_image.c - compiles the requested routes into the image that lookups read; the image is drawn in lpm.c.
 *
 * The image is a function of the answers alone: a range of addresses with one answer is a leaf however many
 * routes say so, everything else is a node. An update recomputes the slots that the route covers and the
 * nodes above them; nodes beside the path are taken over as they are. What is not needed any more is given
 * back before the replacement is made, so an update needs no second copy.
 *
 * Nodes are of seven sizes: 4, 8 and 16 words, the smaller split out of the larger, so that none straddles a
 * cache line it need not touch, and 32 to 80 words in lines. Freed nodes wait in a list for their size.
 *
 * If memory runs out in the middle the image is marked broken and every entry written from there on is
 * meaningless; the table then answers from the requested routes (lpm.c). */
#include "dataplane/lpm_int.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <string.h>

#define SLOTS     (1u << LPM_STRIDE)
#define LINE      16 /* words a cache line */
#define HEAD      2  /* words of a node's bitmap, before its entries */
#define POOL_MIN  (8 * LINE)
#define SMALL_MAX 2 /* the largest class that is split */

static unsigned size_class(unsigned words)
{
    return words <= 4 ? 0 : words <= 8 ? 1 : 1 + (words + LINE - 1) / LINE;
}

static unsigned class_words(unsigned class)
{
    return class < SMALL_MAX ? 4u << class : (class - 1) * LINE;
}

int lpm_image_init(struct lpm_image *m)
{
    *m = (struct lpm_image){.used = LINE}; /* the first line is never a node: 0 means none */
    return lpm_image_fit(m, 0) ? 0 : -ENOMEM;
}

void lpm_image_free(struct lpm_image *m)
{
    mem_free(m->root, m->root ? sizeof *m->root << m->root_bits : 0);
    mem_free(m->pool, m->cap * sizeof *m->pool);
}

size_t lpm_image_bytes(const struct lpm_image *m)
{
    return (sizeof *m->root << m->root_bits) + m->cap * sizeof *m->pool;
}

/* The common prefix lengths shall end where nodes end: 8, 14, 20, 26, 32 and 18, 24, 30. */
static unsigned root_bits_for(size_t routes)
{
    return routes < 64 ? 8 : routes < 8192 ? 14 : 18;
}

bool lpm_image_fit(struct lpm_image *m, size_t routes)
{
    unsigned bits = root_bits_for(routes);
    if (m->root && bits <= m->root_bits)
        return false;
    uint32_t *root = mem_array((size_t)1 << bits, sizeof *root);
    if (!root)
        return false;
    mem_free(m->root, m->root ? sizeof *m->root << m->root_bits : 0);
    m->root = root;
    m->root_bits = bits;
    return true;
}

/* -- nodes ----------------------------------------------------------------------------------------------- */

static uint32_t *node_words(const struct lpm_image *m, uint32_t entry)
{
    return m->pool + (size_t)(entry & ~LPM_NODE) * LPM_UNIT;
}

static uint64_t node_map(const uint32_t *words)
{
    uint64_t map;
    memcpy(&map, words, sizeof map);
    return map;
}

static unsigned node_class(uint64_t map)
{
    return size_class(HEAD + (unsigned)__builtin_popcountll(map));
}

/* Take size words from the untouched end. => node, 0: out of memory. */
static uint32_t pool_extend(struct lpm_image *m, unsigned size)
{
    if (m->used + size > m->cap) {
        size_t cap = m->cap + (m->cap > POOL_MIN ? m->cap : POOL_MIN);
        uint32_t *bigger = mem_resize(m->pool, m->cap * sizeof *bigger, cap * sizeof *bigger);
        if (!bigger)
            return 0;
        m->pool = bigger;
        m->cap = cap;
    }
    uint32_t node = (uint32_t)(m->used / LPM_UNIT);
    m->used += size;
    return node;
}

static void give(struct lpm_image *m, uint32_t node, unsigned class)
{
    *node_words(m, node) = m->free[class];
    m->free[class] = node;
}

static uint32_t take(struct lpm_image *m, unsigned class)
{
    uint32_t node = m->free[class];
    if (node) {
        m->free[class] = *node_words(m, node);
        return node;
    }
    if (class >= SMALL_MAX)
        return pool_extend(m, class_words(class));
    node = take(m, class + 1);
    if (node)
        give(m, node + class_words(class) / LPM_UNIT, class);
    return node;
}

static void node_free(struct lpm_image *m, uint32_t entry)
{
    unsigned class = node_class(node_map(node_words(m, entry)));
    m->live -= class_words(class);
    give(m, entry & ~LPM_NODE, class);
}

/* Free all that hangs from an entry. */
static void tree_free(struct lpm_image *m, uint32_t entry)
{
    if (!(entry & LPM_NODE))
        return;
    const uint32_t *w = node_words(m, entry);
    unsigned runs = (unsigned)__builtin_popcountll(node_map(w));
    for (unsigned i = 0; i < runs; i++)
        tree_free(m, w[HEAD + i]);
    node_free(m, entry);
}

/* Write out what an entry stands for, slot by slot. */
static void decode(const struct lpm_image *m, uint32_t entry, uint32_t *slots)
{
    const uint32_t *w = entry & LPM_NODE ? node_words(m, entry) : NULL;
    uint64_t map = w ? node_map(w) : 0;
    size_t run = HEAD - 1;
    for (unsigned i = 0; i < SLOTS; i++) {
        run += map >> i & 1;
        slots[i] = w ? w[run] : entry;
    }
}

/* => the entry that stands for these slots: a leaf where they are one answer, else a new node. */
static uint32_t encode(struct lpm_image *m, const uint32_t *slots)
{
    uint32_t run[SLOTS];
    unsigned runs = 0;
    uint64_t map = 0;
    for (unsigned i = 0; i < SLOTS; i++)
        if (!i || slots[i] != slots[i - 1]) {
            map |= (uint64_t)1 << i;
            run[runs++] = slots[i];
        }
    if (runs == 1)
        return run[0];
    unsigned class = size_class(HEAD + runs);
    uint32_t node = m->broken ? 0 : take(m, class);
    if (!node) {
        m->broken = true;
        return 0;
    }
    uint32_t *w = node_words(m, node);
    memcpy(w, &map, sizeof map);
    memcpy(w + HEAD, run, runs * sizeof *run);
    m->live += class_words(class);
    return node | LPM_NODE;
}

/* -- compiling ------------------------------------------------------------------------------------------- */

static void expand(struct lpm_image *m, const struct lpm_rib *r, uint32_t n, unsigned bits, uint32_t hop,
                   uint32_t *slots);

static uint32_t own_hop(const struct lpm_rib *r, uint32_t n, uint32_t inherited)
{
    return r->node[n].hop ? r->node[n].hop : inherited;
}

/* => the entry for all addresses below trie node n, of which hop covers those that no longer route does. */
static uint32_t compile(struct lpm_image *m, const struct lpm_rib *r, uint32_t n, uint32_t hop)
{
    uint32_t slots[SLOTS];
    if (!r->node[n].child[0] && !r->node[n].child[1])
        return hop;
    expand(m, r, n, LPM_STRIDE, hop, slots);
    return encode(m, slots);
}

/* Fill the 2^bits slots below trie node n (0: nothing there). */
static void expand(struct lpm_image *m, const struct lpm_rib *r, uint32_t n, unsigned bits, uint32_t hop,
                   uint32_t *slots)
{
    hop = own_hop(r, n, hop);
    if (!bits) {
        slots[0] = compile(m, r, n, hop);
    } else if (!n) {
        for (size_t i = 0; i < (size_t)1 << bits; i++)
            slots[i] = hop;
    } else {
        expand(m, r, r->node[n].child[0], bits - 1, hop, slots);
        expand(m, r, r->node[n].child[1], bits - 1, hop, slots + ((size_t)1 << (bits - 1)));
    }
}

/* The route that changed, and how far down its bits the update is. */
struct change {
    uint32_t addr;
    unsigned len, depth;
};

/* Update the slots of one node (2^bits of them, below trie node n) for a changed route. */
static void touch(struct lpm_image *m, const struct lpm_rib *r, uint32_t n, unsigned bits, uint32_t hop,
                  struct change c, uint32_t *slots)
{
    for (; bits && c.depth < c.len; c.depth++) {
        unsigned b = c.addr >> (31 - c.depth) & 1;
        hop = own_hop(r, n, hop);
        n = r->node[n].child[b];
        bits--;
        slots += (size_t)b << bits;
    }
    if (c.depth == c.len) {
        for (size_t i = 0; i < (size_t)1 << bits; i++)
            tree_free(m, slots[i]);
        expand(m, r, n, bits, hop, slots);
    } else {
        uint32_t below[SLOTS], old = slots[0];
        decode(m, old, below);
        if (old & LPM_NODE)
            node_free(m, old);
        touch(m, r, n, LPM_STRIDE, hop, c, below);
        slots[0] = encode(m, below);
    }
}

void lpm_image_update(struct lpm_image *m, const struct lpm_rib *r, uint32_t addr, unsigned len)
{
    touch(m, r, LPM_RIB_ROOT, m->root_bits, 0, (struct change){.addr = addr, .len = len}, m->root);
}

void lpm_image_rebuild(struct lpm_image *m, const struct lpm_rib *r)
{
    memset(m->free, 0, sizeof m->free);
    m->used = LINE;
    m->live = 0;
    m->broken = false;
    expand(m, r, LPM_RIB_ROOT, m->root_bits, 0, m->root);
}
