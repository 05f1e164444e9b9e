/* pipe_ahead.c - the image is asked for many packets at once.
 *
 * A first packet needs rules and a route, and what they are looked up in is larger than the caches near the
 * core: one after the other, packets wait for memory most of the time. So before a chunk of a batch is
 * decided, all packets that are going to walk are put to the tables' batch lookups. An answer is good
 * whenever it is used, because images do not change; a packet that does not need it after all has cost
 * nothing but time.
 *
 * Ports share few rule sets and route tables, or none (a machine's own group): questions are asked per table,
 * for GROUPS tables of each kind; packets beyond that walk without. */
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

static void ask_rules(const struct image *img, const struct pipe_question *q, struct pipe_ahead *answer,
                      size_t n, unsigned level)
{
    struct group g;
    uint32_t of[PIPE_AHEAD_MAX];
    struct acl_key key[PIPE_AHEAD_MAX];
    struct acl_hit hit[PIPE_AHEAD_MAX];
    for (size_t i = 0; i < n; i++)
        of[i] = q[i].rules ? img->port[q[i].port].acl[q[i].inbound][level] : NONE32;
    for (size_t k = 0; k < GROUPS && gather(&g, of, n); k++) {
        for (size_t i = 0; i < g.n; i++)
            key[i] = q[g.at[i]].key;
        acl_classify_bulk(img->acl[g.table].acl, key, hit, g.n);
        for (size_t i = 0; i < g.n; i++) {
            answer[g.at[i]].acl[level] = g.table;
            answer[g.at[i]].hit[level] = hit[i];
        }
    }
}

static void ask_routes(const struct image *img, const struct pipe_question *q, struct pipe_ahead *answer,
                       size_t n)
{
    struct group g;
    uint32_t of[PIPE_AHEAD_MAX], addr[PIPE_AHEAD_MAX], hop[PIPE_AHEAD_MAX];
    for (size_t i = 0; i < n; i++)
        of[i] = q[i].inbound ? NONE32 : img->port[q[i].port].table;
    for (size_t k = 0; k < GROUPS && gather(&g, of, n); k++) {
        for (size_t i = 0; i < g.n; i++)
            addr[i] = q[g.at[i]].key.dst;
        lpm_lookup_bulk(img->table[g.table].lpm, addr, hop, g.n);
        for (size_t i = 0; i < g.n; i++) {
            answer[g.at[i]].table = g.table;
            answer[g.at[i]].nexthop = hop[i];
        }
    }
}

/* The address maps that routes lead to: looked up for nothing but to have them near. */
static void touch_addresses(const struct image *img, const struct pipe_question *q,
                            const struct pipe_ahead *answer, size_t n)
{
    uint32_t realm[PIPE_AHEAD_MAX], addr[PIPE_AHEAD_MAX], port[PIPE_AHEAD_MAX];
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (answer[i].table == NONE32 || answer[i].nexthop == LPM_MISS)
            continue;
        const struct image_nexthop *nh = &img->table[answer[i].table].nexthop[answer[i].nexthop];
        realm[k] = nh->action == NH_REALM || nh->action == NH_ONPREM ? nh->realm : REALM_PUBLIC;
        addr[k] = q[i].key.dst;
        k += nh->action != NH_DROP && nh->action != NH_PORT;
    }
    if (k)
        exact_get_bulk(img->addresses, realm, addr, port, k);
}

void pipe_ask(const struct image *img, const struct pipe_question *q, struct pipe_ahead *answer, size_t n)
{
    for (size_t i = 0; i < n; i++)
        answer[i] = (struct pipe_ahead){.acl = {NONE32, NONE32}, .table = NONE32};
    if (img->reference)
        return;
    for (unsigned level = 0; level < 2; level++)
        ask_rules(img, q, answer, n, level);
    ask_routes(img, q, answer, n);
    touch_addresses(img, q, answer, n);
}
