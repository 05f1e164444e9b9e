/* hostimport.h - this Linux host's network as an on-premises network of a scenario. Design essay:
 * hostimport.c.
 *
 * Three steps, each of which can be used alone: read what the kernel knows (hostimport_read.c), decide what
 * of it makes an on-premises network (a pure function), print that as a scenario. Addresses are in host
 * order. */
#ifndef VNETSIM_TOPOLOGY_HOSTIMPORT_H
#define VNETSIM_TOPOLOGY_HOSTIMPORT_H

#include "dataplane/addr.h"
#include "dataplane/arena.h"

#include <stdio.h>

/* -- what the kernel knows: lists in any order, texts may hold any bytes -------------------------------- */

#define HOST_TABLE_MAIN 254u /* RT_TABLE_MAIN */

struct host_link {
    unsigned index; /* from 1, unique */
    const char *name;
    bool up; /* administratively */
};

struct host_address {
    unsigned link;
    ip4 ip, peer; /* peer 0: none; else the prefix is the peer's */
    uint8_t len;
};

struct host_neighbour {
    unsigned link;
    ip4 ip;
    bool known; /* it has answered, or somebody entered it: not failed, incomplete or without need of
                   resolution */
};

struct host_route {
    struct prefix4 to;
    unsigned table, link; /* link of the first next hop, 0: none */
    ip4 via;              /* 0: on the link itself */
    uint32_t metric;
    bool unicast; /* false: blackhole, unreachable, prohibit, local, ... */
};

struct host_view {
    const char *name; /* the host's name, with or without domain; "" unknown */
    const struct host_link *link;
    const struct host_address *address;
    const struct host_neighbour *neighbour;
    const struct host_route *route;
    size_t n_links, n_addresses, n_neighbours, n_routes;
};

/* Read links, IPv4 addresses, neighbours and routes through a netlink socket; needs no privileges and sends
 * nothing to any network. => 0; or -1 with one line of text in *err (owned by a). What *h points to is owned
 * by a. */
int hostimport_read(struct arena *a, struct host_view *h, const char **err);

/* -- what becomes of it --------------------------------------------------------------------------------- */

struct import_prefix {
    struct prefix4 prefix;
    const char *from; /* "eth0", "eth0 via 10.0.0.1" */
};

struct import_host {
    const char *name; /* unique without case */
    ip4 ip;
    const char *from; /* the link's name */
};

struct host_import {
    const char *name;             /* of scenario and network */
    struct import_prefix *prefix; /* by address; none covers another */
    struct import_host *host;     /* own addresses by link and address, then neighbours by address */
    ip4 nat_ip;                   /* 0: the host has no public address */
    const char **note;            /* what was left out, one line each */
    size_t n_prefixes, n_hosts, n_notes, cap_prefixes, cap_hosts, cap_notes;
};

/* Make an on-premises network of a host: the same for the same host, in whatever order its lists are. No
 * prefixes mean that there is nothing to import. Owned by a; cannot fail. */
struct host_import *hostimport_plan(struct arena *a, const struct host_view *h);

/* Print it as a scenario that loads without findings, as YAML with the notes as comments or as JSON without
 * them. Errors are the stream's. */
void hostimport_print(const struct host_import *p, bool json, FILE *to);

#endif
