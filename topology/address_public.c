/* address_public.c - public addresses that nobody named: pools of ranges, a hash that picks. Essay:
 * address.c. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dataplane/arena.h"
#include "dataplane/rng.h"
#include "topology/address_int.h"
#include "topology/regions.h"
#include "topology/tags.h"
#include "topology/types.h"

struct pool {
    struct pool *next;
    const char *tag, *region; /* what it was made for; tag "": none */
    struct tag_range *range;
    uint64_t *before; /* addresses in the ranges before this one */
    size_t n;
    uint64_t size;
};

struct public_plan {
    struct model *m;
    struct diag *d;
    ip4 *slot; /* open addressing, 0 is free; never more than half full */
    size_t mask;
    struct pool *pools; /* newest first */
};

static bool set_has(const struct public_plan *p, ip4 ip)
{
    size_t i = (size_t)hash_mix(ip) & p->mask;
    for (; p->slot[i]; i = (i + 1) & p->mask)
        if (p->slot[i] == ip)
            return true;
    return false;
}

static void set_add(struct public_plan *p, ip4 ip)
{
    size_t i = (size_t)hash_mix(ip) & p->mask;
    if (!ip)
        return;
    for (; p->slot[i]; i = (i + 1) & p->mask)
        if (p->slot[i] == ip)
            return;
    p->slot[i] = ip;
}

/* -- pools ----------------------------------------------------------------------------------------------- */

/* Ranges minus others, both ascending and disjoint. => the number of ranges in out, which has room for n + k.
 */
static size_t range_subtract(const struct tag_range *r, size_t n, const struct tag_range *minus, size_t k,
                             struct tag_range *out)
{
    size_t j = 0, made = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t first = r[i].first;
        while (j < k && minus[j].last < first)
            j++;
        for (size_t q = j; q < k && minus[q].first <= r[i].last; q++) {
            if (minus[q].first > first)
                out[made++] = (struct tag_range){(ip4)first, minus[q].first - 1};
            first = (uint64_t)minus[q].last + 1;
        }
        if (first <= r[i].last)
            out[made++] = (struct tag_range){(ip4)first, r[i].last};
    }
    return made;
}

static void pool_count(struct arena *a, struct pool *p)
{
    p->before = arena_array(a, p->n, sizeof *p->before);
    for (size_t i = 0; i < p->n; i++) {
        p->before[i] = p->size;
        p->size += (uint64_t)p->range[i].last - p->range[i].first + 1;
    }
}

static ip4 pool_at(const struct pool *p, uint64_t index)
{
    size_t lo = 0, hi = p->n;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->before[mid] <= index)
            lo = mid;
        else
            hi = mid;
    }
    return p->range[lo].first + (ip4)(index - p->before[lo]);
}

/* Blocks for what no tag holds: TEST-NET-1 (RFC 5737) for services, the benchmark block (RFC 2544), which is
 * larger, for customers. */
static struct pool *pool_untagged(struct arena *a, bool customers)
{
    static const struct tag_range service = {IP4(192, 0, 2, 0), IP4(192, 0, 2, 255)},
                                  customer = {IP4(198, 18, 0, 0), IP4(198, 19, 255, 255)};
    struct pool *p = arena_alloc(a, sizeof *p);
    p->n = 1;
    p->range = arena_array(a, 1, sizeof *p->range);
    p->range[0] = customers ? customer : service;
    return p;
}

static struct pool *pool_of_tag(struct arena *a, const struct tag *t)
{
    struct pool *p = arena_alloc(a, sizeof *p);
    p->n = t->n_ranges;
    p->range = arena_array(a, p->n, sizeof *p->range);
    if (p->n)
        memcpy(p->range, t->ranges, p->n * sizeof *p->range);
    return p;
}

/* Take the ranges of the services that have service endpoints out of a pool of customers' addresses. */
static void pool_for_customers(struct public_plan *plan, struct pool *p)
{
    const struct tagset *tags = plan->m->tags;
    for (size_t i = 0; i < tags->n; i++) {
        const struct tag *t = tags->tags[i];
        if (!(t->features & TAG_VSE) || !t->n_ranges)
            continue;
        struct tag_range *out = arena_array(plan->m->arena, p->n + t->n_ranges, sizeof *out);
        p->n = range_subtract(p->range, p->n, t->ranges, t->n_ranges, out);
        p->range = out;
    }
}

static const struct tag *tag_for(const struct tagset *tags, const char *service, const char *region)
{
    const struct tag *t = region ? tagset_regional(tags, service, region) : NULL;
    if (!t || !t->n_ranges)
        t = tagset_find(tags, service);
    return t && t->n_ranges ? t : NULL;
}

static struct pool *pool_make(struct public_plan *plan, const char *tag, const char *region)
{
    struct arena *a = plan->m->arena;
    bool customers = !strcmp(tag, "AzureCloud");
    const struct tag *t = plan->m->tags && *tag ? tag_for(plan->m->tags, tag, region) : NULL;
    struct pool *p = t ? pool_of_tag(a, t) : pool_untagged(a, customers);
    if (t && customers)
        pool_for_customers(plan, p);
    if (!p->n)
        p = pool_untagged(a, customers);
    p->tag = tag;
    p->region = region;
    pool_count(a, p);
    return p;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcasecmp(a, b));
}

/* => the pool of a tag ("": none) in a region (NULL: any). */
static struct pool *pool_get(struct public_plan *plan, const char *tag, const char *region)
{
    for (struct pool *p = plan->pools; p; p = p->next)
        if (same_text(p->tag, tag) && same_text(p->region, region))
            return p;
    struct pool *p = pool_make(plan, tag, region);
    p->next = plan->pools;
    plan->pools = p;
    return p;
}

static const char *service_tag(const struct service *s)
{
    const struct resource_type *t = s->type ? type_find(s->type) : NULL;
    return t && t->tag ? t->tag : "";
}

/* -- picking --------------------------------------------------------------------------------------------- */

static uint64_t hash_name(struct arena *a, const char *kind, const char *name)
{
    char *s = arena_printf(a, "%s %s", kind, name);
    for (char *c = s; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c += 'a' - 'A';
    return hash_text(s);
}

/* => a free address of the pool, which is then used; or 0: none is left. */
static ip4 pick(struct public_plan *p, const struct pool *pool, uint64_t hash)
{
    for (int strict = 1; strict >= 0; strict--)
        for (uint64_t i = 0, at = hash % pool->size; i < pool->size;
             i++, at = at + 1 < pool->size ? at + 1 : 0) {
            ip4 ip = pool_at(pool, at);
            if (set_has(p, ip) || (strict && ((ip & 0xff) == 0 || (ip & 0xff) == 0xff)))
                continue;
            set_add(p, ip);
            return ip;
        }
    return 0;
}

static ip4 pick_or_say(struct public_plan *p, const struct pool *pool, const char *kind, const char *name,
                       struct origin at)
{
    ip4 ip = pick(p, pool, hash_name(p->m->arena, kind, name));
    if (!ip)
        diag_error(p->d, at, "no public address is left for %s '%s': give it one", kind, name);
    return ip;
}

static size_t count_all(const struct model *m, const struct address_prior *prior)
{
    size_t n = (prior ? prior->n : 0) + m->services.n + m->publicIPAddresses.n + m->networkInterfaces.n +
               m->internetHosts.n;
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++)
        n += m->onPremisesNetworks.at[i].natIPs.n;
    return n;
}

static void set_open(struct public_plan *p, const struct address_prior *prior)
{
    const struct model *m = p->m;
    size_t slots = 16, want = 2 * count_all(m, prior);
    while (slots < want)
        slots *= 2;
    p->slot = arena_array(m->arena, slots, sizeof *p->slot);
    p->mask = slots - 1;
    for (size_t i = 0; prior && i < prior->n; i++)
        if (!prior->at[i].subnet)
            set_add(p, prior->at[i].ip);
    for (size_t i = 0; i < m->services.n; i++)
        set_add(p, m->services.at[i].publicIPAddress);
    for (size_t i = 0; i < m->publicIPAddresses.n; i++)
        set_add(p, m->publicIPAddresses.at[i].ipAddress);
    for (size_t i = 0; i < m->internetHosts.n; i++)
        set_add(p, m->internetHosts.at[i].ipAddress);
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++)
        for (size_t k = 0; k < m->onPremisesNetworks.at[i].natIPs.n; k++)
            set_add(p, m->onPremisesNetworks.at[i].natIPs.at[k]);
    for (size_t i = 0; i < m->networkInterfaces.n; i++)
        set_add(p, m->networkInterfaces.at[i].defaultOutboundAddress);
}

void address_public(struct model *m, const struct address_prior *prior, struct diag *d)
{
    struct public_plan p = {.m = m, .d = d};
    set_open(&p, prior);
    for (size_t i = 0; i < m->services.n; i++) {
        struct service *s = &m->services.at[i];
        if (s->publicIPAddress)
            continue;
        s->publicIPAddress =
            pick_or_say(&p, pool_get(&p, service_tag(s), s->location), "service", s->name, s->at);
        s->allocated = true;
    }
    for (size_t i = 0; i < m->publicIPAddresses.n; i++) {
        struct public_ip *x = &m->publicIPAddresses.at[i];
        if (x->ipAddress)
            continue;
        x->ipAddress =
            pick_or_say(&p, pool_get(&p, "AzureCloud", x->location), "public IP address", x->name, x->at);
        x->allocated = true;
    }
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        struct nic *x = &m->networkInterfaces.at[i];
        if (!x->subnet || x->defaultOutboundAddress)
            continue;
        const char *region = x->subnet->vnet->location;
        x->defaultOutboundAddress =
            pick_or_say(&p, pool_get(&p, "AzureCloud", region), "network interface", x->name, x->at);
    }
}
