/* lpm_rib.c - the requested routes of a longest-prefix match and the identifiers of their next hops; see
 * lpm_int.h.
 *
 * Both are arrays with free lists, so that everything refers by index, one block grows by doubling, and
 * removal never allocates. A trie node with neither route nor children is given back at once, the root
 * excepted: the compiler relies on "a node below the root leads to a route". */
#include "dataplane/lpm_int.h"
#include "dataplane/mem.h"

#include <errno.h>

static unsigned bit(uint32_t addr, unsigned depth)
{
    return addr >> (31 - depth) & 1;
}

/* => a capacity of at least need, twice cap if that is enough. */
static uint32_t grown(uint32_t cap, uint64_t need)
{
    uint64_t more = (uint64_t)cap * 2;
    if (more < need)
        more = need;
    return more > INT32_MAX ? 0 : (uint32_t)more;
}

int lpm_rib_init(struct lpm_rib *r)
{
    *r = (struct lpm_rib){.used = LPM_RIB_ROOT + 1};
    return lpm_rib_reserve(r, 32);
}

void lpm_rib_free(struct lpm_rib *r)
{
    mem_free(r->node, r->cap * sizeof *r->node);
}

int lpm_rib_reserve(struct lpm_rib *r, uint32_t n)
{
    uint64_t need = (uint64_t)r->used + n - (r->n_spare < n ? r->n_spare : n);
    if (need <= r->cap)
        return 0;
    uint32_t cap = grown(r->cap, need);
    struct lpm_bit *bigger = cap ? mem_resize(r->node, r->cap * sizeof *bigger, cap * sizeof *bigger) : NULL;
    if (!bigger)
        return -ENOMEM;
    r->node = bigger;
    r->cap = cap;
    return 0;
}

static uint32_t rib_node(struct lpm_rib *r)
{
    uint32_t i = r->spare;
    if (!i)
        return r->used++;
    r->spare = r->node[i].child[0];
    r->n_spare--;
    r->node[i] = (struct lpm_bit){.hop = 0};
    return i;
}

uint32_t *lpm_rib_at(struct lpm_rib *r, uint32_t addr, unsigned len)
{
    uint32_t i = LPM_RIB_ROOT;
    for (unsigned d = 0; d < len; d++) {
        unsigned b = bit(addr, d);
        if (!r->node[i].child[b])
            r->node[i].child[b] = rib_node(r);
        i = r->node[i].child[b];
    }
    return &r->node[i].hop;
}

uint32_t lpm_rib_take(struct lpm_rib *r, uint32_t addr, unsigned len)
{
    uint32_t path[33] = {LPM_RIB_ROOT};
    for (unsigned d = 0; d < len; d++) {
        path[d + 1] = r->node[path[d]].child[bit(addr, d)];
        if (!path[d + 1])
            return 0;
    }
    uint32_t hop = r->node[path[len]].hop;
    if (!hop)
        return 0;
    r->node[path[len]].hop = 0;
    for (unsigned d = len; d; d--) {
        struct lpm_bit *n = &r->node[path[d]];
        if (n->hop || n->child[0] || n->child[1])
            break;
        r->node[path[d - 1]].child[bit(addr, d - 1)] = 0;
        n->child[0] = r->spare;
        r->spare = path[d];
        r->n_spare++;
    }
    return hop;
}

uint32_t lpm_rib_match(const struct lpm_rib *r, uint32_t addr)
{
    uint32_t i = LPM_RIB_ROOT, best = r->node[i].hop;
    for (unsigned d = 0; d < 32 && (i = r->node[i].child[bit(addr, d)]); d++)
        if (r->node[i].hop)
            best = r->node[i].hop;
    return best;
}

size_t lpm_rib_bytes(const struct lpm_rib *r)
{
    return r->cap * sizeof *r->node;
}

static int hops_grow(struct lpm_hops *h)
{
    uint32_t cap = grown(h->cap, 8);
    uint32_t *value = cap ? mem_array(cap, sizeof *value) : NULL,
             *refs = cap ? mem_array(cap, sizeof *refs) : NULL;
    if (!value || !refs) {
        mem_free(value, cap * sizeof *value);
        mem_free(refs, cap * sizeof *refs);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < h->used; i++) {
        value[i] = h->value[i];
        refs[i] = h->refs[i];
    }
    mem_free(h->value, h->cap * sizeof *value);
    mem_free(h->refs, h->cap * sizeof *refs);
    h->value = value;
    h->refs = refs;
    h->cap = cap;
    return 0;
}

int lpm_hops_init(struct lpm_hops *h)
{
    *h = (struct lpm_hops){.ids = exact_new(0)};
    if (!h->ids || hops_grow(h))
        return -ENOMEM;
    h->value[0] = LPM_MISS;
    h->used = 1;
    return 0;
}

void lpm_hops_free(struct lpm_hops *h)
{
    exact_free(h->ids);
    mem_free(h->value, h->cap * sizeof *h->value);
    mem_free(h->refs, h->cap * sizeof *h->refs);
}

int lpm_hops_get(struct lpm_hops *h, uint32_t value, uint32_t *id)
{
    *id = exact_get(h->ids, 0, value);
    if (*id == EXACT_MISS) {
        if (!h->spare && h->used == h->cap && hops_grow(h))
            return -ENOMEM;
        *id = h->spare ? h->spare : h->used;
        if (exact_set(h->ids, 0, value, *id))
            return -ENOMEM;
        if (h->spare)
            h->spare = h->value[*id];
        else
            h->used++;
        h->value[*id] = value;
    }
    h->refs[*id]++;
    return 0;
}

void lpm_hops_put(struct lpm_hops *h, uint32_t id)
{
    if (--h->refs[id])
        return;
    exact_del(h->ids, 0, h->value[id]);
    h->value[id] = h->spare;
    h->spare = id;
}

size_t lpm_hops_bytes(const struct lpm_hops *h)
{
    return h->cap * (sizeof *h->value + sizeof *h->refs) + exact_bytes(h->ids);
}
