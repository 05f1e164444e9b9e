/* flowtab_int.h - the body of the flow table, for flowtab*.c, tests and benchmarks. Drawn in flowtab.c. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_INT_H
#define VNETSIM_DATAPLANE_FLOWTAB_INT_H

#include "dataplane/flowtab_lines.h"

/* How batches search; every one gives the same answers. */
enum flowtab_variant { FLOWTAB_PORTABLE, FLOWTAB_SSE2, FLOWTAB_AVX2, FLOWTAB_AVX512, FLOWTAB_VARIANTS };

struct flowtab {
    struct flowtab_part now, former; /* former: being moved to now, which then has lines */
    uint64_t moved;                  /* units of former that are empty for good */
    enum flowtab_variant variant;
    size_t room; /* flows from which there are lines, or more of them */
};

#define FLOWTAB_CORE_FLOWS ((size_t)10 << 20) /* flows up to which there are no lines */

/* Choose how batches run. => false: this machine cannot run that one; nothing changed. */
bool flowtab_use(struct flowtab *t, enum flowtab_variant v);
/* => the variant in use, in words. */
const char *flowtab_how(const struct flowtab *t);
/* The best this machine can run (flowtab_core_bulk.c). */
enum flowtab_variant flowtab_best(void);
/* Look up n flows somewhere: in a core (flowtab_core_bulk.c), in a part (flowtab_lines_bulk.c). */
typedef void flowtab_get_fn(const void *where, enum flowtab_variant v, const struct flow_key *keys,
                            uint64_t *values, size_t n);
flowtab_get_fn flowtab_core_get_bulk, flowtab_part_get_bulk;
/* The same for those that values has as missed so far (flowtab.c): what is not in the new place while a table
 * grows is looked for in the old one. */
void flowtab_get_missed(flowtab_get_fn *get, const void *where, enum flowtab_variant v,
                        const struct flow_key *keys, uint64_t *values, size_t n);
/* => where flows are; for measurements. */
static inline const void *flowtab_memory(const struct flowtab *t)
{
    return t->now.lines.line ? (const void *)t->now.lines.line : (const void *)t->now.core.now.buckets;
}

#endif
