/* gen.c - see gen.h. */
#include "bench/gen.h"
#include "bench/bench.h"
#include "dataplane/addr.h"
#include "dataplane/rng.h"

/* Clients of 256 network interfaces, their ports counting up, to one service. The seed chooses the /16 that
 * clients begin in and the service's port. */
struct flow_key gen_flow(uint64_t seed, uint32_t i)
{
    uint32_t mix = (uint32_t)hash_mix(seed);
    return flow_key_make(i & 255, 0, 6, IP4(10, mix & 127, 0, 4) + (i >> 8), IP4(10, 200, 0, 4),
                         (uint16_t)(49152 + i % 16384), (uint16_t)(mix >> 16 & 1023));
}

/* Subnets of 100 endpoints from the fifth address on; the seed chooses the first subnet. */
uint32_t gen_host(uint64_t seed, uint32_t i)
{
    return IP4(10, hash_mix(seed) & 127, 0, 0) + (i / 100 << 8) + 4 + i % 100;
}
