/* acl.h - first-match rule classifier, compiled from a rule list. Design essay: acl.c.
 *
 * A rule matches a key if each of its parts does: source and destination address in one of the prefixes,
 * protocol equal, each port in one of the ranges; an empty list matches anything (G-17: any combination).
 * Of several rules that match, the first in the list decides (G-01). All numbers in host order. */
#ifndef VNETSIM_DATAPLANE_ACL_H
#define VNETSIM_DATAPLANE_ACL_H

#include "dataplane/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acl; /* opaque; body in acl_int.h */

struct acl_range {
    uint16_t first, last; /* both included; first > last matches nothing */
};

/* One rule; all of it is borrowed while building only. */
struct acl_rule {
    const struct prefix4 *src, *dst; /* empty: any */
    size_t n_src, n_dst;
    const struct acl_range *sport, *dport; /* empty: any */
    size_t n_sport, n_dport;
    uint8_t proto; /* IP protocol number, 0: any */
    bool allow;
    uint32_t id; /* the caller's, returned in a hit */
};

/* What is classified. Only TCP and UDP have ports; for other protocols they are ignored, and a rule whose
 * list leaves any port out does not match. */
struct acl_key {
    uint32_t src, dst;
    uint16_t sport, dport;
    uint8_t proto;
};

struct acl_hit {
    uint32_t id;
    bool allow, hit; /* hit false: no rule matched, and id is 0, allow false */
};

static inline bool acl_has_ports(uint8_t proto)
{
    return proto == 6 || proto == 17;
}

/* Compile rules, in evaluation order. Rules that share a prefix list, be it the same array or equal ones,
 * cost it once.
 * => owned by the caller; NULL: out of memory, or more than 2^30 rules or ten million ranges in one list. */
struct acl *acl_build(const struct acl_rule *rules, size_t n);
/* Free it; NULL is allowed. */
void acl_free(struct acl *a);

/* => the first rule that matches. Cannot fail, does not allocate. */
struct acl_hit acl_classify(const struct acl *a, const struct acl_key *key);

/* Classify n keys, memory latency overlapped. The arrays are borrowed and must not overlap. */
void acl_classify_bulk(const struct acl *a, const struct acl_key *keys, struct acl_hit *hits, size_t n);

/* => bytes of memory held. */
size_t acl_bytes(const struct acl *a);

#endif
