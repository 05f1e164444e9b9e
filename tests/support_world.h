/* support_world.h - the network that the tests of the packet path live in, made by hand. */
#ifndef VNETSIM_TESTS_SUPPORT_WORLD_H
#define VNETSIM_TESTS_SUPPORT_WORLD_H

#include "tests/support_image.h"

#define TCP    IPPROTO_NR_TCP
#define UDP    IPPROTO_NR_UDP
#define ICMP   IPPROTO_NR_ICMP
#define SECOND INT64_C(1000000000)

/* A hub with two machines, an appliance, an endpoint and a gateway; a spoke; a site; a network that uses the
 * hub's addresses again; two services, an Internet host and both resolvers. */
struct world {
    struct lab l;
    uint32_t hub, spoke, hq, other;                     /* realms */
    uint32_t hub_t, spoke_t, gw_t, hq_t, other_t, pe_t; /* tables */
    uint32_t out_x, back_x;                             /* crossings hub to spoke and back */
    uint32_t vm, vm2, nva, sp, pe, acr, sto, web, gw, laptop, dns, pubdns, twin, twin2;
};

/* Port numbers differ from realm, table and crossing numbers in type of use only: see struct world.
 * lab_free(&w->l). */
void world_new(struct world *w);
/* The hub's routes, next hops @0 to @4 of table t:
 *   10.0.0.0/16 the hub, 0.0.0.0/0 Internet, 10.1.0.0/16 the spoke (peering), 10.0.2.5/32 pe, 10.0.0.0/8
 * RouteNone */
void world_hub_routes(struct world *w, uint32_t t);
/* vm gets the public address 20.50.1.4. */
void world_public_vm(struct world *w);

static inline struct image_port *world_port(struct world *w, uint32_t p)
{
    return &w->l.img->port[p];
}

static inline struct image_crossing *world_crossing(struct world *w, uint32_t x)
{
    return &w->l.img->crossing[x];
}

/* A new state of the same world: flows look their routes up again. */
static inline void world_change(struct world *w)
{
    w->l.img->epoch++;
}

/* Send the packet, or pass it on: the story must be this one. */
#define STORY(trip, want)   cr_assert_str_eq(trip_go(&(trip)), want)
#define GOES_ON(trip, want) cr_assert_str_eq(trip_on(&(trip)), want)

#endif
