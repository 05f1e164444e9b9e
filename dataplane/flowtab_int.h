/* flowtab_int.h - the body of the flow table, for flowtab.c, tests and benchmarks. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_INT_H
#define VNETSIM_DATAPLANE_FLOWTAB_INT_H

#include "dataplane/flowtab.h"
#include "dataplane/hash.h"
#include "dataplane/mem.h"

#include <string.h>

#define FLOWTAB_SLOTS      5
#define FLOWTAB_TAGS       0xffffffffffu /* tag of slot i: byte i of the head; 0: the slot is free */
#define FLOWTAB_COUNTS     6             /* four bits each above the tags: flows that went on, by hash */
#define FLOWTAB_COUNTS_AT  40
#define FLOWTAB_PASSED_MAX ((uint64_t)15) /* this many or more */

struct flowtab_slot {
    struct flow_key key;
    uint64_t value;
};

struct flowtab_bucket {
    uint64_t head;
    struct flowtab_slot slot[FLOWTAB_SLOTS];
};

static_assert(sizeof(struct flowtab_bucket) == 2 * MEM_LINE, "a bucket is two cache lines");
static_assert(offsetof(struct flowtab_bucket, slot[2]) < MEM_LINE, "head and two slots share the first line");

struct flowtab {
    struct flowtab_bucket *buckets;
    uint64_t mask; /* buckets - 1 */
    unsigned shift;
    size_t count;
};

static inline uint64_t flowtab_hash(struct flow_key key)
{
    uint64_t w[2];
    memcpy(w, &key, sizeof w);
    return hash_u128(w[0], w[1]);
}

#endif
