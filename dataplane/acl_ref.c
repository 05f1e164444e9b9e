/* acl_ref.c - see acl_ref.h. */
#include "dataplane/acl_ref.h"
#include "dataplane/mem.h"

#include <string.h>

struct acl_ref {
    struct acl_rule *rules;
    size_t n;
};

struct acl_ref *acl_ref_build(const struct acl_rule *rules, size_t n)
{
    struct acl_ref *a = mem_alloc(sizeof *a);
    if (!a)
        return NULL;
    a->n = n;
    a->rules = mem_array(n, sizeof *rules);
    if (!a->rules) {
        mem_free(a, sizeof *a);
        return NULL;
    }
    if (n)
        memcpy(a->rules, rules, n * sizeof *rules);
    return a;
}

void acl_ref_free(struct acl_ref *a)
{
    if (!a)
        return;
    mem_free(a->rules, a->n * sizeof *a->rules);
    mem_free(a, sizeof *a);
}

static bool in_prefixes(const struct prefix4 *p, size_t n, uint32_t addr)
{
    for (size_t i = 0; i < n; i++)
        if (prefix4_has(p[i], addr))
            return true;
    return !n;
}

static bool in_ranges(const struct acl_range *r, size_t n, uint16_t port)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].first <= port && port <= r[i].last)
            return true;
    return !n;
}

/* => whether every port is in one of the ranges. */
static bool all_ports(const struct acl_range *r, size_t n)
{
    uint32_t covered = 0; /* ports below are */
    while (n && covered <= UINT16_MAX) {
        uint32_t up_to = covered;
        for (size_t i = 0; i < n; i++)
            if (r[i].first <= covered && r[i].last >= up_to)
                up_to = r[i].last + 1u;
        if (up_to == covered)
            return false;
        covered = up_to;
    }
    return true;
}

static bool ports_match(const struct acl_rule *r, const struct acl_key *key)
{
    if (acl_has_ports(key->proto))
        return in_ranges(r->sport, r->n_sport, key->sport) && in_ranges(r->dport, r->n_dport, key->dport);
    return all_ports(r->sport, r->n_sport) && all_ports(r->dport, r->n_dport);
}

bool acl_rule_matches(const struct acl_rule *r, const struct acl_key *key)
{
    return (!r->proto || r->proto == key->proto) && in_prefixes(r->src, r->n_src, key->src) &&
           in_prefixes(r->dst, r->n_dst, key->dst) && ports_match(r, key);
}

struct acl_hit acl_ref_classify(const struct acl_ref *a, const struct acl_key *key)
{
    for (size_t i = 0; i < a->n; i++)
        if (acl_rule_matches(&a->rules[i], key))
            return (struct acl_hit){.id = a->rules[i].id, .allow = a->rules[i].allow, .hit = true};
    return (struct acl_hit){.hit = false};
}

void acl_ref_classify_bulk(const struct acl_ref *a, const struct acl_key *keys, struct acl_hit *hits,
                           size_t n)
{
    for (size_t i = 0; i < n; i++)
        hits[i] = acl_ref_classify(a, &keys[i]);
}

size_t acl_ref_bytes(const struct acl_ref *a)
{
    return sizeof *a + a->n * sizeof *a->rules;
}
