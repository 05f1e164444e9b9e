/* exact_int.h - the body of the exact-match table, for exact.c, tests and benchmarks. */
#ifndef VNETSIM_DATAPLANE_EXACT_INT_H
#define VNETSIM_DATAPLANE_EXACT_INT_H

#include "dataplane/exact.h"
#include "dataplane/mem.h"

#include <assert.h>

#define EXACT_SLOTS 5

struct exact_bucket {
    uint64_t key[EXACT_SLOTS];
    uint32_t value[EXACT_SLOTS];
    uint32_t passed; /* eight counts of four bits: entries that found this bucket full and went on, by hash */
};

static_assert(sizeof(struct exact_bucket) == MEM_LINE, "a bucket is one cache line");

struct exact {
    struct exact_bucket *buckets;
    uint64_t mask; /* buckets - 1 */
    unsigned shift;
    size_t count;
};

#endif
