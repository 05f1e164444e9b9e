/* net.h - a large virtual network for the benchmarks of the packet path, and packets of its flows. */
#ifndef VNETSIM_BENCH_NET_H
#define VNETSIM_BENCH_NET_H

#include "bench/rows.h"
#include "dataplane/flowtab.h"
#include "dataplane/pipe_batch.h"

#include <string.h>

enum { NET_NICS = 128, NET_FRAME = 64, NET_BURST = 256 };

/* NET_NICS machines, ports 0 to NET_NICS - 1: each with the cloud-shaped table of 28,400 routes, a network
 * security group of 100 rules at the NIC and another at the subnet, 16 public addresses to be translated to.
 */
struct net {
    struct image *img;
    uint64_t seed;
    ip4 *dst; /* inside: peers' machines, private endpoints, what is behind appliances */
    size_t n_dst;
};

/* => the address of a machine; it listens on TCP port 443. */
ip4 net_nic(uint32_t nic);

struct net net_make(uint64_t seed);
void net_free(struct net *n);

/* => flow i as its machine's port sees it, outbound: allowed by all rules, with a route; all different.
 * public: to the Internet, its source is translated. */
struct flow_key net_flow(const struct net *n, bool public, uint32_t i);

/* A frame of NET_FRAME bytes of the flow: flags are those of TCP; an answer, if inbound. net_header: without
 * checksums. */
void net_header(uint8_t *frame, struct flow_key flow, bool inbound, uint8_t flags);
void net_frame(uint8_t *frame, struct flow_key flow, bool inbound, uint8_t flags);

/* => what became of a packet: next port, reason, both checksums. */
uint64_t net_answer(const struct pipe_packet *k);

/* Buffers that packets come in, used in turn. */
struct net_ring {
    struct packet_pool *pool;
    struct pipe_packet slot[NET_BURST];
};
void net_ring_new(struct net_ring *r);
void net_ring_free(struct net_ring *r);

/* A frame comes into a buffer, as from a network card or a machine: bytes, and nothing known of it. */
static inline void net_receive(struct pipe_packet *k, const uint8_t *frame, uint32_t port, bool inbound)
{
    struct packet *p = k->packet;
    memcpy(p->data, frame, NET_FRAME);
    p->meta = (struct packet_meta){
        .origin = port, .last_hop = port, .endpoint = PORT_NONE, .identity = IDENTITY_NONE};
    k->port = port;
    k->inbound = inbound;
}

/* The same as pipe_batch, one packet after the other, as the engine does it. */
void net_one_by_one(struct pipe *p, const struct image *img, int64_t now, struct pipe_packet *k, size_t n);

#endif
