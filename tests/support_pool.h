/* support_pool.h - the fixture of tests that build packets: a pool, made before each test and empty after it,
 * and an Ethernet header. The one file of a program that includes it states its suite with pool_setup and
 * pool_teardown. */
#ifndef VNETSIM_TESTS_SUPPORT_POOL_H
#define VNETSIM_TESTS_SUPPORT_POOL_H

#include "dataplane/packet.h"
#include "tests/support_mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct packet_pool *pool;
static const struct eth_fields ETH = {{0, 0x0d, 0x3a, 1, 2, 3}, {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc}};

static void pool_setup(void)
{
    pool = packet_pool_new();
    cr_assert(pool);
}

static void pool_teardown(void)
{
    if (packet_pool_out(pool) != 0)
        abort(); /* a failed assertion in a teardown would not count */
    packet_pool_free(pool);
    support_mem_none_live();
}

#endif
