/* peer.h - what the benchmarks compare with: tables of other projects behind a few functions. Each
 * bench/peer_*.c is compiled where its library's headers are installed (make deps-bench) and adds its tables
 * here. A function that returns a pointer returns NULL if the library could not make the table. */
#ifndef VNETSIM_BENCH_PEER_H
#define VNETSIM_BENCH_PEER_H

#include "bench/gen.h"

/* A table of routes; lookup writes answers as decode reads them. add and del: one route; => 0, or not. Peers
 * of one family have the same tables and differ in their lookups; the first of them stands for all where
 * tables are made and changed. */
struct peer_routes {
    const char *name, *family;
    size_t most; /* routes beyond which making the table takes minutes; 0: none */
    void *(*make)(const struct gen_routes *g, const char **how);
    int (*add)(void *table, const struct lpm_route *r);
    int (*del)(void *table, const struct lpm_route *r);
    void (*lookup)(void *table, const uint32_t *addr, void *hop, size_t n);
    uint64_t (*decode)(const void *hop, size_t i);
    void (*free)(void *table);
    size_t (*bytes)(const void *table);
    const void *(*at)(const void *table); /* an address inside */
};

/* A table of keys of 4 or 16 bytes for 8-byte values. lookup leaves the answers of misses alone. churn
 * removes each key and adds it again. */
struct peer_keys {
    const char *name;
    void *(*make)(size_t n, size_t key_size);
    int (*add)(void *table, const void *key, uint64_t value);
    int (*del)(void *table, const void *key);
    void (*lookup)(void *table, const void *keys, uint64_t *value, size_t n);
    void (*free)(void *table);
    size_t (*bytes)(const void *table);
    const void *(*at)(const void *table);
};

/* A classifier; answers of 4 bytes: the rule's id. classify is for the keys that make was given. */
struct peer_rules {
    const char *name, *how;
    void *(*make)(const struct gen_rules *g, const struct acl_key *key, size_t n);
    void (*classify)(void *table, uint32_t *id);
    uint64_t (*decode)(const void *id, size_t i);
    void (*free)(void *table);
    size_t (*bytes)(const void *table);
    const void *(*at)(const void *table);
};

/* What is there, ended by NULL; the array itself is not there (its address is NULL) without its library. */
#define PEER_OPTIONAL __attribute__((weak))
extern const struct peer_routes *const peer_routes_dpdk[] PEER_OPTIONAL;
extern const struct peer_keys *const peer_keys_dpdk[] PEER_OPTIONAL;
extern const struct peer_keys *const peer_keys_lfht[] PEER_OPTIONAL;
extern const struct peer_keys *const peer_keys_ck[] PEER_OPTIONAL;
extern const struct peer_keys *const peer_keys_uthash[] PEER_OPTIONAL;
extern const struct peer_rules *const peer_rules_dpdk[] PEER_OPTIONAL;

/* Start DPDK with room for mib of tables. => NULL, or why not. *reserved: on reserved huge pages. */
const char *peer_dpdk_start(size_t mib, bool *reserved) PEER_OPTIONAL;
void peer_dpdk_stop(void) PEER_OPTIONAL;
/* => bytes allocated from DPDK's heap. */
size_t peer_dpdk_heap(void);

#endif
