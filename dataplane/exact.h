/* exact.h - exact match on (realm, IPv4 address): the /32 private endpoints and each network's address
 * map. A realm is whatever the caller keeps apart (a network, a route table). Design essay: exact.c. */
#ifndef VNETSIM_DATAPLANE_EXACT_H
#define VNETSIM_DATAPLANE_EXACT_H

#include <stddef.h>
#include <stdint.h>

struct exact;                 /* opaque; body in exact_int.h */
#define EXACT_MISS UINT32_MAX /* reserved value: no such entry */

/* => an empty table with room for capacity_hint entries (0 is allowed), owned by the caller; NULL: out of
 * memory. */
struct exact *exact_new(size_t capacity_hint);
/* Free the table; NULL is allowed. */
void exact_free(struct exact *t);

/* Make room for that many entries in all, so that adding up to there cannot fail. => 0, or -ENOMEM
 * (unchanged). */
int exact_reserve(struct exact *t, size_t entries);

/* Add or replace one entry; addr in host order. => 0, -ENOMEM, or -ERANGE (value is EXACT_MISS); unchanged
 * on error. */
int exact_set(struct exact *t, uint32_t realm, uint32_t addr, uint32_t value);

/* Remove one entry. => 0, or -ENOENT. Does not allocate. */
int exact_del(struct exact *t, uint32_t realm, uint32_t addr);

/* => the value stored for (realm, addr), or EXACT_MISS. Cannot fail, does not allocate. */
uint32_t exact_get(const struct exact *t, uint32_t realm, uint32_t addr);

/* Look up n pairs at once, memory latency overlapped. The arrays are borrowed; value must not overlap the
 * others. */
void exact_get_bulk(const struct exact *t, const uint32_t *realm, const uint32_t *addr, uint32_t *value,
                    size_t n);

/* => entries; bytes of memory held. */
size_t exact_count(const struct exact *t);
size_t exact_bytes(const struct exact *t);

#endif
