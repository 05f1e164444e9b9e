/* pipe_ahead.c - the image is asked for many packets at once.
 *
 * A first packet needs rules and a route, and what they are looked up in is larger than the caches near the
 * core: one after the other, packets wait for memory most of the time. So before a chunk of a batch is
 * decided, all packets that are going to walk are put to the tables' batch lookups. An answer is good
 * whenever it is used, because images do not change; a packet that does not need it after all has cost
 * nothing but time.
 *
 * Ports share few rule sets and route tables, or none (a machine's own group): where all questions are for
 * one table they go there as they are; else they are asked per table, for GROUPS tables of each kind, and
 * packets beyond that walk without. */
#include "dataplane/pipe_ahead.h"

#define GROUPS 8u

/* The packets that are to be put to one table. */
struct group {
    uint32_t table;
    uint8_t at[PIPE_AHEAD_MAX];
    size_t n;
};

/* Take those that want the table of the first that wants any; of[i]: its table, NONE32: no more. => whether
 * there are any. */
static bool gather(struct group *g, uint32_t *of, size_t n)
{
    g->n = 0;
    g->table = NONE32;
    for (size_t i = 0; i < n; i++) {
        if (g->table == NONE32)
            g->table = of[i];
        if (of[i] == NONE32 || of[i] != g->table)
            continue;
        g->at[g->n++] = (uint8_t)i;
        of[i] = NONE32;
    }
    return g->n > 0;
}

/* => whether all want the same table, and one that is there. */
static bool one_table(const uint32_t *of, size_t n)
{
    uint32_t other = 0;
    for (size_t i = 1; i < n; i++)
        other |= of[i] ^ of[0];
    return !other && of[0] != NONE32;
}

static void ask_some_rules(const struct image *img, const struct pipe_questions *q, struct pipe_ahead *answer,
                           unsigned level, uint32_t *of)
{
    struct group g;
    struct acl_key key[PIPE_AHEAD_MAX];
    struct acl_hit hit[PIPE_AHEAD_MAX];
    for (size_t i = 0; i < q->n; i++)
        answer->acl[level][i] = NONE32;
    for (size_t k = 0; k < GROUPS && gather(&g, of, q->n); k++) {
        for (size_t i = 0; i < g.n; i++)
            key[i] = q->key[g.at[i]];
        acl_classify_bulk(img->acl[g.table].acl, key, hit, g.n);
        for (size_t i = 0; i < g.n; i++) {
            answer->acl[level][g.at[i]] = g.table;
            answer->hit[level][g.at[i]] = hit[i];
        }
    }
}

static void ask_rules(const struct image *img, const struct pipe_questions *q, struct pipe_ahead *answer,
                      unsigned level)
{
    uint32_t of[PIPE_AHEAD_MAX];
    of[0] = NONE32;
    for (size_t i = 0; i < q->n; i++)
        of[i] = answer->acl[level][i] =
            q->rules[i] ? img->port[q->port[i]].acl[q->inbound[i]][level] : NONE32;
    if (one_table(of, q->n))
        acl_classify_bulk(img->acl[of[0]].acl, q->key, answer->hit[level], q->n);
    else
        ask_some_rules(img, q, answer, level, of);
}

static void ask_some_routes(const struct image *img, const uint32_t *dst, struct pipe_ahead *answer, size_t n,
                            uint32_t *of)
{
    struct group g;
    uint32_t addr[PIPE_AHEAD_MAX], hop[PIPE_AHEAD_MAX];
    for (size_t i = 0; i < n; i++)
        answer->table[i] = NONE32;
    for (size_t k = 0; k < GROUPS && gather(&g, of, n); k++) {
        for (size_t i = 0; i < g.n; i++)
            addr[i] = dst[g.at[i]];
        lpm_lookup_bulk(img->table[g.table].lpm, addr, hop, g.n);
        for (size_t i = 0; i < g.n; i++) {
            answer->table[g.at[i]] = g.table;
            answer->nexthop[g.at[i]] = hop[i];
        }
    }
}

static void ask_routes(const struct image *img, const struct pipe_questions *q, const uint32_t *dst,
                       struct pipe_ahead *answer)
{
    uint32_t of[PIPE_AHEAD_MAX];
    of[0] = NONE32;
    for (size_t i = 0; i < q->n; i++)
        of[i] = answer->table[i] = q->inbound[i] ? NONE32 : img->port[q->port[i]].table;
    if (one_table(of, q->n))
        lpm_lookup_bulk(img->table[of[0]].lpm, dst, answer->nexthop, q->n);
    else
        ask_some_routes(img, dst, answer, q->n, of);
}

/* The address maps that routes lead to. */
static void ask_owners(const struct image *img, const uint32_t *dst, struct pipe_ahead *answer, size_t n)
{
    uint32_t realm[PIPE_AHEAD_MAX], addr[PIPE_AHEAD_MAX], owner[PIPE_AHEAD_MAX];
    uint8_t at[PIPE_AHEAD_MAX + 1];
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        answer->realm[i] = NONE32;
        if (answer->table[i] == NONE32 || answer->nexthop[i] == LPM_MISS)
            continue;
        const struct image_nexthop *nh = &img->table[answer->table[i]].nexthop[answer->nexthop[i]];
        realm[k] = nh->action == NH_REALM || nh->action == NH_ONPREM ? nh->realm : REALM_PUBLIC;
        addr[k] = dst[i];
        at[k] = (uint8_t)i;
        k += nh->action != NH_DROP && nh->action != NH_PORT;
    }
    if (k)
        exact_get_bulk(img->addresses, realm, addr, owner, k);
    for (size_t i = 0; i < k; i++) {
        answer->realm[at[i]] = realm[i];
        answer->owner[at[i]] = owner[i];
    }
}

static void nothing(struct pipe_ahead *answer, size_t n)
{
    for (size_t i = 0; i < n; i++)
        answer->acl[0][i] = answer->acl[1][i] = answer->table[i] = answer->realm[i] = NONE32;
}

void pipe_ask(const struct image *img, const struct pipe_questions *q, struct pipe_ahead *answer)
{
    uint32_t dst[PIPE_AHEAD_MAX];
    if (!q->n || img->reference) {
        nothing(answer, q->n);
        return;
    }
    for (size_t i = 0; i < q->n; i++)
        dst[i] = q->key[i].dst;
    for (unsigned level = 0; level < 2; level++)
        ask_rules(img, q, answer, level);
    ask_routes(img, q, dst, answer);
    ask_owners(img, dst, answer, q->n);
}
