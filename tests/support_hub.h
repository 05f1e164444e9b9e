/* support_hub.h - the fixture of tests of effective routes and rules: a model m with the network hub and its
 * subnets clients and gws, made before each test and freed after it. The one file of a program that includes it
 * states its suites with hub_setup and hub_teardown. */
#ifndef VNETSIM_TESTS_SUPPORT_HUB_H
#define VNETSIM_TESTS_SUPPORT_HUB_H

#include "tests/support_net.h"

#include <criterion/criterion.h>
#include <string.h>

static struct model *m;
static struct vnet *hub;
static struct subnet *clients, *gws;

static void hub_setup(void)
{
    m = net_new();
    hub = net_vnet(m, "hub", "westeurope", "10.0.0.0/16");
    clients = net_subnet(m, hub, "clients", "10.0.1.0/24");
    gws = net_subnet(m, hub, "GatewaySubnet", "10.0.255.0/27");
}

static void hub_teardown(void)
{
    net_free(m);
}

/* The system rows of a network without more. */
#define NONE4                                                                                                \
    "Default Active 10.0.0.0/8 None\n"                                                                       \
    "Default Active 100.64.0.0/10 None\n"                                                                    \
    "Default Active 172.16.0.0/12 None\n"                                                                    \
    "Default Active 192.168.0.0/16 None\n"
#define OWN  "Default Active 10.0.0.0/16 VnetLocal\n"
#define INET "Default Active 0.0.0.0/0 Internet\n"
#define WEST "20.60.0.0/17,20.60.128.0/24" /* Storage.WestEurope */

static inline void rows(const struct subnet *s, const char *want)
{
    const char *got = net_rows(m, s);
    cr_assert_str_eq(got, want, "got:\n%s\nwant:\n%s", got, want);
}

static inline void way(const struct subnet *s, const char *dst, const char *want)
{
    const char *got = net_way(m, s, dst);
    cr_assert_str_eq(got, want, "%s: got %s, want %s", dst, got, want);
}

static inline struct vnet *spoke_of(struct vnet *v, const char *name, const char *location,
                                    const char *prefixes)
{
    struct vnet *s = net_vnet(m, name, location, prefixes);
    net_peer(v, s);
    return s;
}

static inline const struct eff_route *row(const struct subnet *s, enum route_source source,
                                          const char *prefix)
{
    return net_row(m, s, source, prefix);
}

static inline void why_has(const struct eff_route *r, const char *part)
{
    cr_assert_not_null(r);
    cr_assert_not_null(r->why);
    cr_assert_not_null(strstr(r->why, part), "'%s' is not in '%s'", part, r->why);
}

#endif
