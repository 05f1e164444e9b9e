/* flowtab.h - exact match on a 16-byte flow key, for a 64-bit value: the index of the unified flow table.
 * Design essay: flowtab.c. All numbers in host order. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_H
#define VNETSIM_DATAPLANE_FLOWTAB_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A 5-tuple, the port of the pipeline where it is seen, and the direction there. Make and read the last
 * word with the functions below only: port in bits 9 to 31, direction in bit 8, protocol in bits 0 to 7. */
struct flow_key {
    uint32_t src, dst;
    uint16_t sport, dport;
    uint32_t port_proto_dir;
};

static_assert(sizeof(struct flow_key) == 16, "a flow key is 16 bytes without padding");

#define FLOW_PORT_MAX ((1u << 23) - 1)

/* => the key; port <= FLOW_PORT_MAX; dir 0: out of the port, 1: into it. */
static inline struct flow_key flow_key_make(uint32_t port, unsigned dir, uint8_t proto, uint32_t src,
                                            uint32_t dst, uint16_t sport, uint16_t dport)
{
    return (struct flow_key){src, dst, sport, dport, port << 9 | (uint32_t)(dir & 1) << 8 | proto};
}

static inline uint32_t flow_key_port(struct flow_key k)
{
    return k.port_proto_dir >> 9;
}

static inline unsigned flow_key_dir(struct flow_key k)
{
    return k.port_proto_dir >> 8 & 1;
}

static inline uint8_t flow_key_proto(struct flow_key k)
{
    return (uint8_t)k.port_proto_dir;
}

/* => the key of the replies: addresses and ports exchanged, the other direction, the same port of the
 * pipeline. */
static inline struct flow_key flow_key_reverse(struct flow_key k)
{
    return (struct flow_key){k.dst, k.src, k.dport, k.sport, k.port_proto_dir ^ 1u << 8};
}

struct flowtab;              /* opaque; body in flowtab_int.h */
#define FLOW_MISS UINT64_MAX /* reserved value: no such flow */

/* => an empty table with room for hint flows (0 is allowed), owned by the caller; NULL: out of memory. */
struct flowtab *flowtab_new(size_t hint);
/* Free the table; NULL is allowed. */
void flowtab_free(struct flowtab *t);

/* Make room for that many flows in all, so that adding up to there cannot fail (beyond 10 M it can where keys
 * are chosen to share a home), and do all the work of it now.
 * => 0, or -ENOMEM (unchanged). */
int flowtab_reserve(struct flowtab *t, size_t flows);

/* Add or replace one flow. The work is bounded: a table that grows does so over many calls.
 * => 0, -ENOMEM, or -ERANGE (value is FLOW_MISS); unchanged on error. */
int flowtab_set(struct flowtab *t, struct flow_key key, uint64_t value);

/* Remove one flow. => 0, or -ENOENT. Does not allocate. */
int flowtab_del(struct flowtab *t, struct flow_key key);

/* => the flow's value, or FLOW_MISS. Cannot fail, does not allocate. */
uint64_t flowtab_get(const struct flowtab *t, struct flow_key key);

/* Look up n flows at once, memory latency overlapped. The arrays are borrowed and must not overlap. */
void flowtab_get_bulk(const struct flowtab *t, const struct flow_key *keys, uint64_t *values, size_t n);

/* The same as setting or removing one after the other, memory latency overlapped.
 * => how many were set: n, or fewer, and the next one could not be; how many were there. */
size_t flowtab_set_bulk(struct flowtab *t, const struct flow_key *keys, const uint64_t *values, size_t n);
size_t flowtab_del_bulk(struct flowtab *t, const struct flow_key *keys, size_t n);

/* Walk all flows, in no order that may reach any output: for (c = 0; (c = flowtab_next(t, c, &key, &value));)
 * ...
 * => the next cursor with *key and *value set, or 0 at the end (both untouched). Removing and replacing
 * flows on the way is allowed; adding makes it unspecified which flows are still met. */
size_t flowtab_next(const struct flowtab *t, size_t cursor, struct flow_key *key, uint64_t *value);

/* => whether a sweep is to remove this flow; must not change the table. */
typedef bool flowtab_dead(void *ctx, struct flow_key key, uint64_t value);

/* Remove the flows that dead() (called once for each flow met) says so of, in no order that may reach any
 * output, but look at no more than budget (at least 1) places for flows, taken or free: bounded work, to be
 * done between packets.
 * => where the next call goes on, 0: the round is complete, begin again. A flow that is there from the
 * beginning of a round to its end is met unless adding moved it meanwhile; then the next round meets it. */
size_t flowtab_sweep(struct flowtab *t, size_t cursor, size_t budget, flowtab_dead *dead, void *ctx);

/* => flows; bytes of memory held. */
size_t flowtab_count(const struct flowtab *t);
size_t flowtab_bytes(const struct flowtab *t);

#endif
