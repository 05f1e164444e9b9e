/* hash.h - hashes of the tables' keys, inline. They spread structured keys (counting addresses, keys
 * differing in one bit); they do not resist someone who chooses keys to collide: such a table gets slow,
 * never wrong. Take table positions from the high bits. The constants are the golden ratio's and those of
 * splitmix64's finaliser. Every step can be undone, so a table may keep hashes instead of keys. */
#ifndef VNETSIM_DATAPLANE_HASH_H
#define VNETSIM_DATAPLANE_HASH_H

#include <stdint.h>

#define HASH_MUL_1 0x9e3779b97f4a7c15u
#define HASH_MUL_2 0xbf58476d1ce4e5b9u
#define HASH_MUL_3 0x94d049bb133111ebu

/* => 64 mixed bits of a 64-bit key; distinct keys give distinct hashes. */
static inline uint64_t hash_u64(uint64_t x)
{
    x = (x ^ x >> 32) * HASH_MUL_1;
    x = (x ^ x >> 29) * HASH_MUL_2;
    return x ^ x >> 32;
}

/* => 64 mixed bits of a 128-bit key; keys that agree in one half and differ in the other never collide. */
static inline uint64_t hash_u128(uint64_t hi, uint64_t lo)
{
    uint64_t x = (hi ^ hi >> 32) * HASH_MUL_1;
    return hash_u64((x ^ x >> 29) * HASH_MUL_3 + lo);
}

/* -- backwards; products with an odd number's inverse modulo 2^64 undo multiplying by it ------------------
 */

#define HASH_INVERSE_1 0xf1de83e19937733du
#define HASH_INVERSE_2 0x96de1b173f119089u
#define HASH_INVERSE_3 0x319642b2d24d8ec3u

/* => the x whose x ^ x >> 29 is given. */
static inline uint64_t hash_unshift_29(uint64_t x)
{
    return x ^ x >> 29 ^ x >> 58;
}

/* => the key whose hash_u64 is given. */
static inline uint64_t hash_u64_key(uint64_t h)
{
    h = hash_unshift_29((h ^ h >> 32) * HASH_INVERSE_2) * HASH_INVERSE_1;
    return h ^ h >> 32;
}

/* => the hi whose hash_u128 with this lo is given. */
static inline uint64_t hash_u128_hi(uint64_t h, uint64_t lo)
{
    uint64_t x = hash_unshift_29((hash_u64_key(h) - lo) * HASH_INVERSE_3) * HASH_INVERSE_1;
    return x ^ x >> 32;
}

#endif
