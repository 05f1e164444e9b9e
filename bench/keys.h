/* keys.h - what the rows of flows and of single addresses have in common: keys of 4 or 16 bytes, drawn from
 * the table or half of them from outside, looked up in ours and in every peer. */
#ifndef VNETSIM_BENCH_KEYS_H
#define VNETSIM_BENCH_KEYS_H

#include "bench/peer.h"
#include "bench/rows.h"

#define KEY_PEERS  8
#define KEYS_BATCH 64u

struct keys_bench;

struct key_peer {
    const struct peer_keys *ops;
    void *table;
    const struct key_peer *maker; /* whose table it looks into: names with the same table share it */
    const struct keys_bench *bench;
};

/* Ours: a table and how it is asked; each does the row's whole work, as bench_run. */
struct keys_ours {
    const char *what, *how;
    void *table;
    void (*batch)(void *ctx, void *out), (*single)(void *ctx, void *out);
    /* remove each key and add it again, KEYS_BATCH at a time or one by one; NULL: no such row */
    void (*churn_batch)(void *ctx, void *out), (*churn)(void *ctx, void *out);
    const void *at;
    size_t bytes, width;
};

struct keys_bench {
    struct keys_ours ours;
    struct key_peer peer[KEY_PEERS];
    size_t n_peers, n, lookups, key_size;
    uint64_t seed;
    double of_ceiling; /* goal for hits: this share of the ceiling; 0: none */
    void *keys;
    uint32_t *realm; /* of single addresses: all the same */
    uint64_t *want;
};

enum keys_work { KEYS_HITS, KEYS_HALF, KEYS_CHURN, KEYS_WORKS };

struct keys_bench keys_make(size_t n, size_t key_size, uint64_t seed);
/* Fill the peers' tables; ours is the caller's to fill. */
void keys_add_peers(const struct bench *b, struct keys_bench *k);
/* One row for each work; goal: how many times as fast as rte_hash, 0: none; goal NULL: hits only, as a point
 * of the plot of sizes. */
void keys_rows(struct bench *b, struct keys_bench *k, const char *table, const double *goal);
void keys_free(struct keys_bench *k);

#endif
