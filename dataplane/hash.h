/* hash.h - hashes of the tables' keys, inline. They spread structured keys (counting addresses, keys
 * differing in one bit); they do not resist someone who chooses keys to collide: such a table gets slow,
 * never wrong. Take table positions from the high bits. The constants are the golden ratio's and those of
 * splitmix64's finaliser. */
#ifndef VNETSIM_DATAPLANE_HASH_H
#define VNETSIM_DATAPLANE_HASH_H

#include <stdint.h>

/* => 64 mixed bits of a 64-bit key; distinct keys give distinct hashes. */
static inline uint64_t hash_u64(uint64_t x)
{
    x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    return x ^ x >> 32;
}

/* => 64 mixed bits of a 128-bit key; keys that agree in one half and differ in the other never collide. */
static inline uint64_t hash_u128(uint64_t hi, uint64_t lo)
{
    uint64_t x = (hi ^ hi >> 32) * 0x9e3779b97f4a7c15u;
    return hash_u64((x ^ x >> 29) * 0x94d049bb133111ebu + lo);
}

#endif
