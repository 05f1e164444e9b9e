/* hostimport_read.c - what the kernel knows of this host's network, by route netlink; see hostimport.h.
 *
 * Dumps are read through libnl's caches: one request each for links, addresses, neighbours and routes. That
 * asks for no privilege and sends nothing outside. IPv6 is left aside: the model is IPv4. References:
 * rtnetlink(7), rtnetlink.h. */
#include "topology/hostimport.h"

#include <linux/neighbour.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <unistd.h>

struct reader {
    struct arena *a;
    void *list; /* of what is being read */
    size_t n, cap;
};

/* => whether addr holds an IPv4 address (or a prefix), then in *ip; an empty address is 0.0.0.0. */
static bool ip_of(struct nl_addr *addr, ip4 *ip)
{
    const uint8_t *b;
    if (!addr || nl_addr_get_family(addr) != AF_INET)
        return false;
    b = nl_addr_get_binary_addr(addr);
    *ip = nl_addr_get_len(addr) == 4 ? IP4(b[0], b[1], b[2], b[3]) : 0;
    return true;
}

static void read_link(struct nl_object *o, void *arg)
{
    struct reader *r = arg;
    struct rtnl_link *l = (struct rtnl_link *)o;
    const char *name = rtnl_link_get_name(l);
    struct host_link *to = arena_push(r->a, &r->list, &r->n, &r->cap, sizeof *to);
    to->index = (unsigned)rtnl_link_get_ifindex(l);
    to->name = arena_strdup(r->a, name ? name : "");
    to->up = rtnl_link_get_flags(l) & IFF_UP;
}

static void read_address(struct nl_object *o, void *arg)
{
    struct reader *r = arg;
    struct rtnl_addr *x = (struct rtnl_addr *)o;
    ip4 ip, peer = 0;
    if (!ip_of(rtnl_addr_get_local(x), &ip))
        return;
    ip_of(rtnl_addr_get_peer(x), &peer);
    struct host_address *to = arena_push(r->a, &r->list, &r->n, &r->cap, sizeof *to);
    *to = (struct host_address){.link = (unsigned)rtnl_addr_get_ifindex(x),
                                .ip = ip,
                                .peer = peer,
                                .len = (uint8_t)rtnl_addr_get_prefixlen(x)};
}

static void read_neighbour(struct nl_object *o, void *arg)
{
    struct reader *r = arg;
    struct rtnl_neigh *x = (struct rtnl_neigh *)o;
    ip4 ip;
    if (!ip_of(rtnl_neigh_get_dst(x), &ip))
        return;
    struct host_neighbour *to = arena_push(r->a, &r->list, &r->n, &r->cap, sizeof *to);
    to->link = (unsigned)rtnl_neigh_get_ifindex(x);
    to->ip = ip;
    to->known = rtnl_neigh_get_state(x) & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT);
}

static void read_route(struct nl_object *o, void *arg)
{
    struct reader *r = arg;
    struct rtnl_route *x = (struct rtnl_route *)o;
    struct nl_addr *dst = rtnl_route_get_dst(x);
    struct rtnl_nexthop *hop = rtnl_route_get_nnexthops(x) ? rtnl_route_nexthop_n(x, 0) : NULL;
    ip4 to_ip;
    if (!ip_of(dst, &to_ip))
        return;
    struct host_route *to = arena_push(r->a, &r->list, &r->n, &r->cap, sizeof *to);
    to->to = (struct prefix4){.addr = to_ip, .len = (uint8_t)nl_addr_get_prefixlen(dst)};
    to->table = rtnl_route_get_table(x);
    to->metric = rtnl_route_get_priority(x);
    to->unicast = rtnl_route_get_type(x) == RTN_UNICAST;
    if (hop) {
        to->link = (unsigned)rtnl_route_nh_get_ifindex(hop);
        ip_of(rtnl_route_nh_get_gateway(hop), &to->via);
    }
}

/* Take each object of a cache, and free it. => the list; its length in *n. */
static void *drain(struct arena *a, struct nl_cache *c, void (*each)(struct nl_object *, void *), size_t *n)
{
    struct reader r = {.a = a};
    nl_cache_foreach(c, each, &r);
    nl_cache_free(c);
    *n = r.n;
    return r.list;
}

static int read_all(struct arena *a, struct nl_sock *s, struct host_view *h)
{
    struct nl_cache *c;
    int rc;
    if ((rc = rtnl_link_alloc_cache(s, AF_UNSPEC, &c)) < 0)
        return rc;
    h->link = drain(a, c, read_link, &h->n_links);
    if ((rc = rtnl_addr_alloc_cache(s, &c)) < 0)
        return rc;
    h->address = drain(a, c, read_address, &h->n_addresses);
    if ((rc = rtnl_neigh_alloc_cache(s, &c)) < 0)
        return rc;
    h->neighbour = drain(a, c, read_neighbour, &h->n_neighbours);
    if ((rc = rtnl_route_alloc_cache(s, AF_INET, 0, &c)) < 0)
        return rc;
    h->route = drain(a, c, read_route, &h->n_routes);
    return 0;
}

int hostimport_read(struct arena *a, struct host_view *h, const char **err)
{
    char name[256] = "";
    struct nl_sock *s = nl_socket_alloc();
    int rc;
    *h = (struct host_view){0};
    if (!s)
        arena_oom("netlink socket");
    if (gethostname(name, sizeof name - 1) != 0)
        name[0] = 0;
    h->name = arena_strdup(a, name);
    rc = nl_connect(s, NETLINK_ROUTE);
    if (rc == 0)
        rc = read_all(a, s, h);
    if (rc < 0)
        *err = arena_printf(a, "route netlink: %s", nl_geterror(rc));
    nl_socket_free(s);
    return rc < 0 ? -1 : 0;
}
