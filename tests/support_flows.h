/* support_flows.h - an oracle for flow tables: the same flows in uthash. */
#ifndef VNETSIM_TESTS_SUPPORT_FLOWS_H
#define VNETSIM_TESTS_SUPPORT_FLOWS_H

#include "dataplane/flowtab_int.h"
#include "dataplane/rng.h"

#include <stdlib.h>
#include <uthash.h>

struct flows_ref {
    struct flow_key key;
    uint64_t value;
    bool met;
    UT_hash_handle hh;
};

/* As the functions of flowtab.h, of the flows in *refs (NULL: none). */
uint64_t flows_get(struct flows_ref *refs, struct flow_key key);
void flows_set(struct flows_ref **refs, struct flow_key key, uint64_t value);
int flows_del(struct flows_ref **refs, struct flow_key key);
void flows_clear(struct flows_ref **refs);

/* => the key with one of its 128 bits the other way. */
struct flow_key flows_flip(struct flow_key k, int bit);

/* => a key, one of about span. */
typedef struct flow_key flows_draw(struct rng *r, uint32_t span);
/* Set (so many of 100) or remove drawn flows one by one, in the table and in the oracle, and assert that both
 * say the same at every step. */
void flows_churn(struct flowtab *t, struct flows_ref **refs, struct rng *r, flows_draw *draw, uint32_t span,
                 unsigned set_percent, int steps);
/* One batch of up to FLOWS_BATCH flows is set, looked up, another one removed. */
#define FLOWS_BATCH 700
void flows_churn_batch(struct flowtab *t, struct flows_ref **refs, struct rng *r, flows_draw *draw,
                       uint32_t span, size_t most);

/* Assert that the table has every flow of the oracle, and of the 128 neighbours of each that differ in one
 * bit just those of the oracle: single and in one batch of every variant. */
void flows_assert_same(struct flowtab *t, struct flows_ref *refs);
/* Assert that walking meets each flow once, with its value. */
void flows_assert_walk(const struct flowtab *t, struct flows_ref *refs);

#endif
