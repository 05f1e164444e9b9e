/* support_lan.h - a tiny network for host tests: named machines, a delay line that may lose, repeat and
 * reorder, a log of what passed, and a capture. Deterministic by seed. */
#ifndef VNETSIM_TESTS_SUPPORT_LAN_H
#define VNETSIM_TESTS_SUPPORT_LAN_H

#include "dataplane/event.h"
#include "dataplane/host.h"
#include "dataplane/rng.h"

#include <stdio.h>

enum { LAN_HOSTS = 8, LAN_FLOWS = 70000, LAN_LOG = 1 << 18 };

#define LAN_MS 1000000ll
#define LAN_S  1000000000ll

struct lan_flow {
    struct flow_spec spec;
    unsigned done, arrived, admitted, resolved; /* how often */
    enum flow_outcome outcome;
    int64_t done_at;
    struct dns_msg answer;
    ip4 seen_src;
    uint16_t seen_sport;
};

struct lan {
    struct packet_pool *pool;
    struct evq *q;
    struct host_env env;
    struct host *host[LAN_HOSTS];
    struct host_config config[LAN_HOSTS];
    unsigned n;
    unsigned via[LAN_HOSTS]; /* packets of a host are handed to this one first; LAN_HOSTS: straight on */
    int64_t now, delay;
    struct rng rng;
    double loss, dup, reorder;
    bool blackhole;                                 /* nothing arrives */
    bool no_arp;                                    /* the fabric does not answer */
    uint32_t endpoint[LAN_HOSTS], realm[LAN_HOSTS]; /* put on requests from there */
    struct lan_flow *flow;                          /* LAN_FLOWS, from 1 */
    enum reason admit;                              /* what servers are told */
    bool dns_silent;
    struct dns_msg dns; /* what DNS servers answer: rcode and records */
    bool (*dns_fn)(struct lan *n, unsigned port, bool asked, struct dns_msg *answer); /* instead; asked: by a packet */
    unsigned drops;
    enum reason last_drop;
    FILE *tap;
    bool log_on;
    char log[LAN_LOG];
    size_t log_len;
    uint64_t hash; /* of every frame and its time */
    uint64_t frames;
    int64_t last_event;
    uint32_t base[LAN_HOSTS * 2][2]; /* first sequence numbers, for the log */
};

/* An empty network (one at a time, static) / the end: frees all and checks that nothing is left over. */
struct lan *lan_new(void);
void lan_free(struct lan *n);

/* A configuration with address 10.0.0.(4+i), MTU 1500. Change it, then add. => the machine's number. */
struct host_config lan_config(const struct lan *n);
unsigned lan_add(struct lan *n, const struct host_config *c);

/* A machine that asks by ARP in 10.0.0.0/24, and sends the rest to 10.0.0.1. => its number. */
unsigned lan_add_arp(struct lan *n);

/* An appliance that drops TCP 23 to 25 and UDP 69. => the machine's number. */
unsigned lan_add_appliance(struct lan *n, bool snat, bool stateful);

/* A TCP flow of 100 bytes there and 1000 back from port to the machine; change spec of net->flow[id], then
 * start. */
uint32_t lan_flow(struct lan *n, uint8_t proto, unsigned to, uint16_t dport);
void lan_start(struct lan *n, unsigned from, uint32_t flow);

/* Run until nothing is left, or to a time. */
void lan_run(struct lan *n);
void lan_run_until(struct lan *n, int64_t at);

/* Hand a packet to a machine at once. */
void lan_deliver(struct lan *n, unsigned to, struct packet *p);

/* Two machines, 0 and 1 (A and B in the log), and a log. */
void lan_two(struct lan *n);

/* What passed so far is exactly that text. / The flow is over, once, with that outcome, in that millisecond
 * (-1: any). / No machine has an open connection. */
void lan_assert_log(const struct lan *n, const char *want);
void lan_assert_done(const struct lan *n, uint32_t flow, enum flow_outcome what, int64_t at_ms);
void lan_assert_quiet(const struct lan *n);

#endif
