/* spread.h - one of several equal ways for a flow: a hash of its five values that both directions
 * share, and the candidate that weighs most under it. A candidate that goes takes its own flows only; nothing
 * is remembered. */
#ifndef VNETSIM_DATAPLANE_SPREAD_H
#define VNETSIM_DATAPLANE_SPREAD_H

#include "dataplane/addr.h"
#include "dataplane/rng.h"

/* => a hash of the flow, the same for its answers. Addresses and ports in host order. */
static inline uint64_t spread_flow(uint8_t proto, ip4 src, uint16_t sport, ip4 dst, uint16_t dport)
{
    const uint64_t a = hash_mix((uint64_t)src << 16 | sport), b = hash_mix((uint64_t)dst << 16 | dport);
    return hash_mix(a + b + proto);
}

/* => position of the candidate (n, at least one) that the flow takes. */
static inline size_t spread_choose(uint64_t flow, const uint32_t *candidate, size_t n)
{
    size_t best = 0;
    uint64_t most = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t weight = hash_mix(flow ^ hash_mix(candidate[i]));
        if (i == 0 || weight > most) {
            best = i;
            most = weight;
        }
    }
    return best;
}

#endif
