/* support_lan_two.h - the fixture of tests of two machines: a network n with A and B on it, made before each
 * test and freed after it; the next machine that is added is C. The one file of a program that includes it
 * states its suite with lan_two_setup and lan_two_teardown. */
#ifndef VNETSIM_TESTS_SUPPORT_LAN_TWO_H
#define VNETSIM_TESTS_SUPPORT_LAN_TWO_H

#include "dataplane/wire.h"
#include "tests/support_lan.h"

enum { TCP = IPPROTO_NR_TCP, UDP = IPPROTO_NR_UDP, ICMP = IPPROTO_NR_ICMP };
enum { A, B, C };

static struct lan *n;

static void lan_two_setup(void)
{
    n = lan_new();
    lan_two(n);
}

static void lan_two_teardown(void)
{
    lan_free(n);
}

#endif
