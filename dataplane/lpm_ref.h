/* lpm_ref.h - the operations of lpm.h on a plain binary trie, one bit a step: the oracle of the tests and
 * the tables of --reference. Contracts as in lpm.h. */
#ifndef VNETSIM_DATAPLANE_LPM_REF_H
#define VNETSIM_DATAPLANE_LPM_REF_H

#include "dataplane/lpm.h"

struct lpm_ref; /* opaque; body in lpm_ref.c */

struct lpm_ref *lpm_ref_new(void);
void lpm_ref_free(struct lpm_ref *t);
int lpm_ref_build(struct lpm_ref **out, const struct lpm_route *routes, size_t n);
int lpm_ref_add(struct lpm_ref *t, uint32_t addr, unsigned len, uint32_t nexthop);
int lpm_ref_del(struct lpm_ref *t, uint32_t addr, unsigned len);
uint32_t lpm_ref_lookup(const struct lpm_ref *t, uint32_t addr);
void lpm_ref_lookup_bulk(const struct lpm_ref *t, const uint32_t *addr, uint32_t *nexthop, size_t n);
size_t lpm_ref_count(const struct lpm_ref *t);
size_t lpm_ref_bytes(const struct lpm_ref *t);

#endif
