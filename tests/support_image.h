/* support_image.h - images of the data plane made by hand, and packets sent through them without an engine or
 * hosts.
 *
 * A lab has the fast and the reference tables at once, so img->reference may be turned while it is used.
 * Prefixes and addresses are texts; every maker ends the test on a bad one. */
#ifndef VNETSIM_TESTS_SUPPORT_IMAGE_H
#define VNETSIM_TESTS_SUPPORT_IMAGE_H

#include "dataplane/pipe.h"

#define LAB_MAX 48 /* of each: ports, tables, next hops of a table, rule sets, crossings, realms, pools */

struct lab {
    struct image *img;
    struct pipe *pipe;
    int64_t now;
    const char *name[LAB_MAX]; /* of ports */
};

void lab_new(struct lab *l);
void lab_free(struct lab *l);

ip4 lab_ip(const char *text);

/* prefixes: separated by blanks. => realm, from 1. */
uint32_t lab_realm(struct lab *l, const char *prefixes);
/* name is borrowed (a literal). The port is up, has no table, rule set, pool or identity, and is in its
 * realm's address map. => port. */
uint32_t lab_port(struct lab *l, const char *name, enum port_kind kind, uint32_t realm, const char *addr);
/* => pool of one address with ports first to last, in the public address map. */
uint32_t lab_pool(struct lab *l, uint32_t realm, const char *addr, uint16_t first, uint16_t last);
uint32_t lab_crossing(struct lab *l, enum reason closed, bool forwarded);

uint32_t lab_table(struct lab *l);
/* Add a route, or replace the one of the same prefix. => index of its next hop. */
uint32_t lab_route(struct lab *l, uint32_t table, const char *prefix, struct image_nexthop nh);
struct image_nexthop nh_drop(enum reason r);
struct image_nexthop nh_realm(uint32_t realm, uint32_t crossing);
struct image_nexthop nh_port(uint32_t port, uint32_t crossing);
struct image_nexthop nh_internet(void);
struct image_nexthop nh_service(void);
struct image_nexthop nh_onprem(uint32_t realm);

/* A rule set: "allow tcp * 10.0.0.0/8 443; deny * * * *" - action, protocol (tcp, udp, icmp or *), source,
 * destination, destination port; ids count from 0. "" has no rule, so denies everything. => rule set. */
uint32_t lab_acl(struct lab *l, const char *rules);

/* One packet on its way from machine to machine. */
struct packet_at {
    struct packet_info info;
    struct packet_meta meta;
    uint32_t at; /* port of the machine that has it, or where it was dropped */
};
struct trip {
    struct lab *l;
    struct packet_at start, now;
    enum reason reason; /* REASON_NONE: delivered to the machine at `at` */
    struct pipe_decision last;
    char text[1024]; /* what happened, see trip_go */
};

/* A packet that the machine at port is about to send. */
struct trip trip_new(struct lab *l, uint32_t port, uint8_t proto, const char *src, uint16_t sport,
                     const char *dst, uint16_t dport);
/* The answer to a packet that arrived, by the machine that has it. */
struct trip trip_reply(const struct trip *t);
/* Send it from its start, as the engine would: out of the port, translated, into the next, until a machine
 * has it or it is dropped. trip_on: the machine that has it passes it on.
 * => t->text: decisions separated by " | ", "vm>" out of a port, ">vm" into it, then the steps in order:
 *   admin#ID          the network manager's rule that decided (#- none)
 *   nic#ID subnet#ID  rule set and the rule that decided (#- none)     known  established flow
 *   route@N           next hop N of the table (@- none)                peering  public  source  address
 *   snat=A:P dnat=A:P                                                  pe  identity  change  lb=BACKEND  pls  proxy
 *   to PORT           handed to; "here": to the machine
 * and "!Reason" behind the step that dropped it; a drop without a port to hand to is "delivery!Reason". */
const char *trip_go(struct trip *t);
const char *trip_on(struct trip *t);

#endif
