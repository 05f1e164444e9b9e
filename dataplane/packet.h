/* packet.h - a packet: an Ethernet II frame with IPv4 (or ARP) inside, and what the simulation knows of it.
 *
 * Byte order is converted once, at parse and build: packet_info and the arguments of the builders are in host order.
 * RFC 791, 768, 792, 793/9293, 826. */
#ifndef VNETSIM_DATAPLANE_PACKET_H
#define VNETSIM_DATAPLANE_PACKET_H

#include "dataplane/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_NONE     UINT32_MAX /* no data-plane port */
#define IDENTITY_NONE UINT32_MAX
#define ETH_HLEN      14u

enum { IPPROTO_NR_ICMP = 1, IPPROTO_NR_TCP = 6, IPPROTO_NR_UDP = 17, IPPROTO_NR_ESP = 50, IPPROTO_NR_AH = 51 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };

/* Travels beside the bytes, never in them. */
struct packet_meta {
    uint32_t flow;     /* flow instance of the scenario from 1; 0: none */
    uint32_t origin;   /* port of the machine that made the packet */
    uint32_t last_hop; /* port that handed it to the network last (an appliance, or origin) */
    uint32_t endpoint; /* port of the private endpoint it passed (request), or is answered through; PORT_NONE */
    uint32_t identity; /* service endpoint: identity of the source subnet; IDENTITY_NONE */
    uint32_t realm;    /* where the private addresses are meant: network number; set with endpoint or identity */
    uint16_t sport, dport; /* the flow's ports: fragments carry them too (virtual reassembly) */
    ip4 seen_src, seen_dst; /* as it last reached a port, after translation there */
    uint32_t trail;    /* whose hops it adds to: see sim_note_hop */
    bool reply;        /* travels from the responder to the client of its flow */
    bool dns;          /* belongs to the resolution of the flow's name */
    uint32_t balanced; /* a load balancer's frontend handed it to a backend: its number of the flow from 1; 0 */
    uint32_t consumer; /* it came through a private link service: number of the endpoint's record from 1; 0 */
    uint32_t probe;    /* health probe or its answer: number of the target from 1; 0 */
};

struct packet {
    uint8_t *data; /* Ethernet frame */
    uint32_t len, cap;
    struct packet_meta meta;
    struct packet *next; /* free for whoever owns the packet */
};

/* What parsing finds. Offsets count from data. */
struct packet_info {
    uint16_t ethertype;
    ip4 src, dst;
    uint8_t proto, ttl, tos;
    bool df, mf;
    uint16_t ip_id, frag_offset; /* bytes */
    uint16_t ip_len;             /* total length */
    uint32_t l4;                 /* offset of the transport header */
    uint16_t sport, dport;       /* TCP, UDP; ICMP echo: the identifier in both; else 0; fragments but the first: 0 */
    uint32_t seq, ack;           /* TCP */
    uint8_t tcp_flags;
    uint16_t window;
    uint8_t icmp_type, icmp_code;
    uint16_t icmp_id, icmp_seq;  /* echo */
    uint32_t payload, payload_len; /* transport payload within the IP length */
    bool stands_for_error;         /* not parsed: an ICMP error is looked at as an answer of the flow that it quotes */
};

/* Pool of packets: fixed-size buffers, reused; knows how many are out. */
struct packet_pool;
struct packet_pool *packet_pool_new(void); /* NULL: out of memory */
void packet_pool_free(struct packet_pool *p);
size_t packet_pool_out(const struct packet_pool *p); /* packets not given back */
/* => an empty packet with room for cap bytes, meta cleared (ports and identity NONE); NULL: out of memory. */
struct packet *packet_new(struct packet_pool *pool, size_t cap);
struct packet *packet_copy(struct packet_pool *pool, const struct packet *p);
void packet_put(struct packet_pool *pool, struct packet *p);

/* Parse a frame. => 0; -EBADMSG: truncated; -EINVAL: impossible field; -EPROTONOSUPPORT: not IPv4 (ethertype is set).
 * Checksums are not verified here (packet_checksums_ok). */
int packet_parse(const uint8_t *data, size_t len, struct packet_info *out);
/* => whether IP, and TCP/UDP/ICMP of unfragmented packets, carry right checksums. True for what is not IPv4. */
bool packet_checksums_ok(const uint8_t *data, size_t len);
/* The datagram quoted in an ICMP error (unreachable, time exceeded), which info describes: offsets count from data as
 * well; sport and dport are there though the quote may end behind them. => as packet_parse; -EPROTONOSUPPORT: no error. */
int packet_parse_inner(const uint8_t *data, const struct packet_info *info, struct packet_info *inner);
/* => offset of the value of a TCP option of that kind and total length; 0: the segment has none. */
uint32_t packet_tcp_option(const uint8_t *data, const struct packet_info *info, uint8_t kind, uint8_t len);

/* Builders: a whole frame with right lengths and checksums. payload may be NULL with len 0. meta holds the ports (echo:
 * the identifier), the rest is the caller's. NULL: out of memory, or longer than an IP datagram can be. */
struct ip_fields {
    ip4 src, dst;
    uint8_t ttl, tos;
    uint16_t id;
    bool df;
};
struct eth_fields {
    uint8_t src[6], dst[6];
};
struct packet *packet_build_udp(struct packet_pool *, const struct eth_fields *, const struct ip_fields *, uint16_t sport,
                                uint16_t dport, const void *payload, size_t len);
struct tcp_fields {
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    uint16_t mss;    /* option, 0: none (SYN only) */
    int8_t wscale;   /* option, -1: none (SYN only) */
};
struct packet *packet_build_tcp(struct packet_pool *, const struct eth_fields *, const struct ip_fields *,
                                const struct tcp_fields *, const void *payload, size_t len);
struct packet *packet_build_icmp(struct packet_pool *, const struct eth_fields *, const struct ip_fields *, uint8_t type,
                                 uint8_t code, uint32_t rest /* id << 16 | seq for echo */, const void *payload, size_t len);
/* ARP over Ethernet: op 1 request (dst is broadcast), 2 reply. RFC 826. */
struct packet *packet_build_arp(struct packet_pool *, uint16_t op, const uint8_t sha[6], ip4 spa, const uint8_t tha[6],
                                ip4 tpa);
struct arp_info {
    uint16_t op;
    uint8_t sha[6], tha[6];
    ip4 spa, tpa;
};
int packet_parse_arp(const uint8_t *data, size_t len, struct arp_info *out);

/* Rewrites with incremental checksums (RFC 1624), in place; p must have parsed as info says. Fragments but the first
 * keep their transport bytes. UDP checksum 0 stays 0. info and the ports in meta follow (an echo's identifier is both
 * of its ports). */
void packet_set_src(struct packet *p, struct packet_info *info, ip4 src, uint16_t sport);
void packet_set_dst(struct packet *p, struct packet_info *info, ip4 dst, uint16_t dport);
/* Add to a TCP segment's sequence and acknowledgement numbers (modulo 2^32). */
void packet_shift_seq(struct packet *p, struct packet_info *info, uint32_t seq_add, uint32_t ack_add);
/* Decrement the TTL. => the new value; 0: the packet must be dropped. */
uint8_t packet_dec_ttl(struct packet *p, struct packet_info *info);
void packet_set_eth(struct packet *p, const uint8_t src[6], const uint8_t dst[6]);
/* The same inside the datagram that an ICMP error quotes (packet_parse_inner). */
void packet_set_inner_src(struct packet *p, const struct packet_info *info, struct packet_info *inner, ip4 src,
                          uint16_t sport);
void packet_set_inner_dst(struct packet *p, const struct packet_info *info, struct packet_info *inner, ip4 dst,
                          uint16_t dport);
/* Lower the MSS option of a SYN to at most mss (M-02). */
void packet_clamp_mss(struct packet *p, struct packet_info *info, uint16_t mss);

/* Cut an IPv4 packet into fragments that fit mtu (IP bytes). => number made, in order, linked by next in *out;
 * -EMSGSIZE: DF is set; -ENOMEM. p stays the caller's. */
int packet_fragment(struct packet_pool *, const struct packet *p, uint16_t mtu, struct packet **out);

#endif
