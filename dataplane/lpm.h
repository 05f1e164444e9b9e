/* lpm.h - longest-prefix match, IPv4 alone so far: the routes as requested, and an image compiled from them
 * for lookup. Design essay: lpm.c. Addresses in host order. A next hop is any number but LPM_MISS: the
 * caller's index or handle. */
#ifndef VNETSIM_DATAPLANE_LPM_H
#define VNETSIM_DATAPLANE_LPM_H

#include <stddef.h>
#include <stdint.h>

struct lpm;                 /* opaque; body in lpm_int.h */
#define LPM_MISS UINT32_MAX /* reserved next hop: no covering prefix */

struct lpm_route {
    uint32_t addr, nexthop; /* bits of addr beyond len are ignored */
    uint8_t len;
};

/* => an empty table, owned by the caller; NULL: out of memory. */
struct lpm *lpm_new(void);
/* Free the table; NULL is allowed. */
void lpm_free(struct lpm *t);

/* Make a table of n routes at once, compiled once; of equal prefixes the last counts. routes is borrowed.
 * => 0 and *out owned by the caller; or -ENOMEM, -ERANGE, -EINVAL as lpm_add (*out untouched). */
int lpm_build(struct lpm **out, const struct lpm_route *routes, size_t n);

/* Add or replace one route, visible at once; bits of addr beyond len are ignored.
 * => 0, -ENOMEM, -EINVAL (len > 32) or -ERANGE (nexthop is LPM_MISS); on error no answer changes. */
int lpm_add(struct lpm *t, uint32_t addr, unsigned len, uint32_t nexthop);

/* Remove one route, visible at once. => 0, or -ENOENT (also for len > 32). Cannot run out of memory. */
int lpm_del(struct lpm *t, uint32_t addr, unsigned len);

/* => the next hop of the longest prefix that covers addr, or LPM_MISS. Cannot fail, does not allocate. */
uint32_t lpm_lookup(const struct lpm *t, uint32_t addr);

/* Look up n addresses, memory latency overlapped. The arrays are borrowed and must not overlap. */
void lpm_lookup_bulk(const struct lpm *t, const uint32_t *addr, uint32_t *nexthop, size_t n);

/* => routes; bytes of memory held, requested routes included. */
size_t lpm_count(const struct lpm *t);
size_t lpm_bytes(const struct lpm *t);

#endif
