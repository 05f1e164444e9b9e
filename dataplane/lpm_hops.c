/* lpm_hops.c - identifiers of a longest-prefix match's next hops: see lpm_int.h.
 *
 * An entry of the image needs one bit for "this is a node", and leaves shall be single bytes where they can.
 * Small next hops, which are what indices into arrays are, are their own identifiers, plus one: a lookup
 * subtracts it and is done, and LPM_MISS comes out of 0. All other next hops get identifiers beyond those,
 * counted by reference, and a lookup reads an array more. */
#include "dataplane/lpm_int.h"
#include "dataplane/mem.h"

#include <errno.h>

#define HOPS_MAX ((1u << LPM_HOP_BITS) - LPM_PLAIN - 1)

static int hops_grow(struct lpm_hops *h)
{
    uint32_t cap = h->cap ? h->cap * 2 : 8;
    uint32_t *value = cap <= HOPS_MAX ? mem_array(cap, sizeof *value) : NULL,
             *refs = value ? mem_array(cap, sizeof *refs) : NULL;
    if (!refs) {
        mem_free(value, cap * sizeof *value);
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

void lpm_hops_free(struct lpm_hops *h)
{
    exact_free(h->ids);
    mem_free(h->value, h->cap * sizeof *h->value);
    mem_free(h->refs, h->cap * sizeof *h->refs);
}

/* => 0 and the index of a value that has none yet. */
static int hops_new(struct lpm_hops *h, uint32_t value, uint32_t *at)
{
    if (!h->spare && h->used == h->cap && hops_grow(h))
        return -ENOMEM;
    *at = h->spare ? h->spare - 1 : h->used;
    if (exact_set(h->ids, 0, value, *at))
        return -ENOMEM;
    if (h->spare)
        h->spare = h->value[*at];
    else
        h->used++;
    h->value[*at] = value;
    return 0;
}

int lpm_hops_get(struct lpm_hops *h, uint32_t value, uint32_t *id)
{
    *id = value + 1;
    if (value < LPM_PLAIN)
        return 0;
    if (!h->ids && !(h->ids = exact_new(0)))
        return -ENOMEM;
    uint32_t at = exact_get(h->ids, 0, value);
    if (at == EXACT_MISS && hops_new(h, value, &at))
        return -ENOMEM;
    h->refs[at]++;
    *id = at + LPM_PLAIN + 1;
    return 0;
}

void lpm_hops_put(struct lpm_hops *h, uint32_t id)
{
    if (id <= LPM_PLAIN)
        return;
    uint32_t at = id - LPM_PLAIN - 1;
    if (--h->refs[at])
        return;
    exact_del(h->ids, 0, h->value[at]);
    h->value[at] = h->spare;
    h->spare = at + 1;
}

size_t lpm_hops_bytes(const struct lpm_hops *h)
{
    return h->cap * (sizeof *h->value + sizeof *h->refs) + (h->ids ? exact_bytes(h->ids) : 0);
}
