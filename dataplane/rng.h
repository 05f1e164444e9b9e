/* rng.h - seeded random streams. xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64. No globals: each component
 * has a stream of its own, derived from the scenario's seed and the component's name, so that adding one component does
 * not change another's draws. */
#ifndef VNETSIM_DATAPLANE_RNG_H
#define VNETSIM_DATAPLANE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

/* Seed from a number and a label (may be ""). Equal inputs give equal streams on every machine. */
void rng_seed(struct rng *r, uint64_t seed, const char *label);

/* => 64 uniform bits; a uniform integer in [0, n), n > 0; a uniform double in [0, 1). */
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n);
double rng_unit(struct rng *r);

/* => a stable 64-bit hash of a text (FNV-1a, then a finaliser): derived addresses, MACs, identifiers. */
uint64_t hash_text(const char *s);
/* => the bits of x mixed (splitmix64's finaliser). */
uint64_t hash_mix(uint64_t x);

#endif
