/* acl_pool.c - see acl_build.h. */
#include "dataplane/acl_build.h"
#include "dataplane/hash.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <string.h>

int acl_vec_room(struct acl_vec *v, size_t more)
{
    if (v->cap - v->n >= more)
        return 0;
    size_t cap = v->cap * 2 > v->n + more ? v->cap * 2 : v->n + more + 30;
    uint32_t *at = mem_resize(v->at, v->cap * sizeof *at, cap * sizeof *at);
    if (!at)
        return -ENOMEM;
    v->at = at;
    v->cap = cap;
    return 0;
}

int acl_vec_push(struct acl_vec *v, uint32_t x)
{
    if (v->n == v->cap && acl_vec_room(v, 1))
        return -ENOMEM;
    v->at[v->n++] = x;
    return 0;
}

void acl_vec_free(struct acl_vec *v)
{
    mem_free(v->at, v->cap * sizeof *v->at);
    *v = (struct acl_vec){.n = 0};
}

static uint64_t hash_of(const uint32_t *seq, size_t n)
{
    uint64_t h = n;
    for (; n > 1; n -= 2, seq += 2)
        h = hash_u128(h, seq[0] | (uint64_t)seq[1] << 32);
    return n ? hash_u128(h, seq[0]) : h;
}

const uint32_t *acl_pool_get(const struct acl_pool *p, uint32_t number, size_t *n)
{
    size_t from = number ? p->end.at[number - 1] : 0;
    *n = p->end.at[number] - from;
    return p->word.at + from;
}

/* => the slot of an equal sequence, or the free one where it belongs. */
static struct acl_slot *find(const struct acl_pool *p, const uint32_t *seq, size_t n, uint64_t hash)
{
    for (size_t i = hash >> 20 & (p->n_slots - 1);; i = (i + 1) & (p->n_slots - 1)) {
        struct acl_slot *s = &p->slot[i];
        size_t m;
        if (!s->number)
            return s;
        if (s->hash != hash)
            continue;
        const uint32_t *other = acl_pool_get(p, s->number - 1, &m);
        if (m == n && (!n || memcmp(other, seq, n * sizeof *seq) == 0))
            return s;
    }
}

/* Keep the slots at most half full. */
static int grow(struct acl_pool *p)
{
    size_t n = p->n_slots ? p->n_slots * 4 : 32;
    struct acl_slot *old = p->slot, *slot = mem_array(n, sizeof *slot);
    if (!slot)
        return -ENOMEM;
    for (size_t i = 0; i < p->n_slots; i++) {
        size_t to = old[i].hash >> 20 & (n - 1);
        while (old[i].number && slot[to].number)
            to = (to + 1) & (n - 1);
        if (old[i].number)
            slot[to] = old[i];
    }
    mem_free(old, p->n_slots * sizeof *old);
    p->slot = slot;
    p->n_slots = n;
    return 0;
}

int acl_pool_put(struct acl_pool *p, const uint32_t *seq, size_t n, uint32_t *number)
{
    if (p->word.n + n > UINT32_MAX || (p->end.n * 2 >= p->n_slots && grow(p)))
        return -ENOMEM;
    uint64_t hash = hash_of(seq, n);
    struct acl_slot *s = find(p, seq, n, hash);
    if (!s->number) {
        if (acl_vec_room(&p->word, n) || acl_vec_push(&p->end, (uint32_t)(p->word.n + n)))
            return -ENOMEM;
        if (n)
            memcpy(p->word.at + p->word.n, seq, n * sizeof *seq);
        p->word.n += n;
        *s = (struct acl_slot){hash, (uint32_t)p->end.n};
    }
    *number = s->number - 1;
    return 0;
}

void acl_pool_free(struct acl_pool *p)
{
    acl_vec_free(&p->word);
    acl_vec_free(&p->end);
    mem_free(p->slot, p->n_slots * sizeof *p->slot);
    *p = (struct acl_pool){.n_slots = 0};
}
