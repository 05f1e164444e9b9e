/* lpm_ref.c - see lpm_ref.h. A node for each bit of each prefix; a node with neither route nor children
 * does not exist, the root excepted. Nothing is compiled, so there is nothing that could disagree with the
 * routes. */
#include "dataplane/lpm_ref.h"
#include "dataplane/addr.h"
#include "dataplane/mem.h"

#include <errno.h>

struct node {
    struct node *child[2];
    uint32_t nexthop; /* LPM_MISS: no route ends here */
};

struct lpm_ref {
    struct node root;
    size_t routes, nodes;
};

static unsigned bit(uint32_t addr, unsigned depth)
{
    return addr >> (31 - depth) & 1;
}

struct lpm_ref *lpm_ref_new(void)
{
    struct lpm_ref *t = mem_alloc(sizeof *t);
    if (t)
        t->root.nexthop = LPM_MISS;
    return t;
}

static void free_below(struct node *n)
{
    for (int b = 0; b < 2; b++)
        if (n->child[b]) {
            free_below(n->child[b]);
            mem_free(n->child[b], sizeof *n);
        }
}

void lpm_ref_free(struct lpm_ref *t)
{
    if (!t)
        return;
    free_below(&t->root);
    mem_free(t, sizeof *t);
}

int lpm_ref_build(struct lpm_ref **out, const struct lpm_route *routes, size_t n)
{
    struct lpm_ref *t = lpm_ref_new();
    int err = t ? 0 : -ENOMEM;
    for (size_t i = 0; !err && i < n; i++)
        err = lpm_ref_add(t, routes[i].addr, routes[i].len, routes[i].nexthop);
    if (err)
        lpm_ref_free(t);
    else
        *out = t;
    return err;
}

/* Take away the nodes of the path that carry nothing. */
static void prune(struct lpm_ref *t, uint32_t addr, unsigned len)
{
    struct node *path[33] = {&t->root};
    unsigned d = 0;
    while (d < len && path[d]->child[bit(addr, d)]) {
        path[d + 1] = path[d]->child[bit(addr, d)];
        d++;
    }
    for (; d && path[d]->nexthop == LPM_MISS && !path[d]->child[0] && !path[d]->child[1]; d--) {
        path[d - 1]->child[bit(addr, d - 1)] = NULL;
        mem_free(path[d], sizeof *path[d]);
        t->nodes--;
    }
}

static struct node *grow_child(struct lpm_ref *t, struct node *n, unsigned b)
{
    if (!n->child[b] && (n->child[b] = mem_alloc(sizeof *n))) {
        n->child[b]->nexthop = LPM_MISS;
        t->nodes++;
    }
    return n->child[b];
}

int lpm_ref_add(struct lpm_ref *t, uint32_t addr, unsigned len, uint32_t nexthop)
{
    if (len > 32)
        return -EINVAL;
    if (nexthop == LPM_MISS)
        return -ERANGE;
    struct node *n = &t->root;
    for (unsigned d = 0; d < len; d++) {
        n = grow_child(t, n, bit(addr, d));
        if (!n) {
            prune(t, addr, len);
            return -ENOMEM;
        }
    }
    t->routes += n->nexthop == LPM_MISS;
    n->nexthop = nexthop;
    return 0;
}

int lpm_ref_del(struct lpm_ref *t, uint32_t addr, unsigned len)
{
    struct node *n = len > 32 ? NULL : &t->root;
    for (unsigned d = 0; n && d < len; d++)
        n = n->child[bit(addr, d)];
    if (!n || n->nexthop == LPM_MISS)
        return -ENOENT;
    n->nexthop = LPM_MISS;
    t->routes--;
    prune(t, addr, len);
    return 0;
}

uint32_t lpm_ref_lookup(const struct lpm_ref *t, uint32_t addr)
{
    uint32_t best = t->root.nexthop;
    const struct node *n = &t->root;
    for (unsigned d = 0; d < 32 && (n = n->child[bit(addr, d)]); d++)
        if (n->nexthop != LPM_MISS)
            best = n->nexthop;
    return best;
}

void lpm_ref_lookup_bulk(const struct lpm_ref *t, const uint32_t *addr, uint32_t *nexthop, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nexthop[i] = lpm_ref_lookup(t, addr[i]);
}

size_t lpm_ref_count(const struct lpm_ref *t)
{
    return t->routes;
}

size_t lpm_ref_bytes(const struct lpm_ref *t)
{
    return sizeof *t + t->nodes * sizeof(struct node);
}
