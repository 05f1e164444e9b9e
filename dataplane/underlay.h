/* underlay.h - what traffic of virtual networks looks like on the provider's own wire: NVGRE between hosts, and IPv4
 * turned into IPv6 that carries the identity of the sender for private links and service tunnels. Design essay:
 * underlay.c. RFC 7637, 2784, 2890, 7915, 8200.
 *
 * IPv4 addresses, keys and identifiers in host order; IPv6 addresses as 16 bytes in network order. */
#ifndef VNETSIM_DATAPLANE_UNDERLAY_H
#define VNETSIM_DATAPLANE_UNDERLAY_H

#include "dataplane/packet.h"

struct ip6 {
    uint8_t b[16];
};

struct underlay_part { /* the bits of an overlay address that something decides */
    struct ip6 value, mask; /* value may have bits beyond mask: they do not count */
};

/* => base, with the bits of part's mask from part's value. */
struct ip6 underlay_put(struct ip6 base, const struct underlay_part *part);
/* => addr as the low 32 bits of an otherwise empty address. */
struct ip6 underlay_widen(ip4 addr);
/* The overlay addresses of a private link: sip and dip are the mapping's, nic the sending interface's, which has the
 * last word. A service tunnel needs no formula of its own: underlay_link_dst with a 96-bit part, either end. */
struct ip6 underlay_link_src(ip4 src, const struct underlay_part *sip, const struct underlay_part *nic);
struct ip6 underlay_link_dst(ip4 dst, const struct underlay_part *dip);

#define UNDERLAY_KEY 100u /* NVGRE key of private links and service tunnels, as in the published examples */

/* Who an end is, as far as the provider's network tells. Members that an end has no use for are 0. */
struct underlay_end {
    ip4 host;         /* the provider's address of the machine's host, or of the service's front end */
    uint8_t region;   /* 7 bits, from 1 */
    uint32_t network; /* 24 bits: NVGRE key of the virtual network (RFC 7637: 0x1000 to 0xfffffe) */
    uint32_t subnet;  /* 24 bits, from 1 */
    uint32_t link;    /* private endpoint: its link identifier */
};

/* The derived parts, out of fd00::/8 (unique local, RFC 4193) and 2001:db8::/32 (documentation, RFC 3849); R region,
 * N network, S subnet, L link identifier:
 *   subnet   fdRR:0:0:NNNN:NNSS:SSSS::/96               source of a service tunnel
 *   link     fd80:LLLL:LLLL::  mask ff80:ffff:ffff::    a mapping's sip
 *   nic      00RR:0:0:NNNN:NNSS:SSSS::  mask 007f:0:0:ffff:ffff:ffff::
 *   service  2001:db8:0:RR::/96                         destination: the service's IPv4 address follows */
struct underlay_part underlay_part_subnet(const struct underlay_end *client);
struct underlay_part underlay_part_link(uint32_t link);
struct underlay_part underlay_part_nic(const struct underlay_end *client);
struct underlay_part underlay_part_service(const struct underlay_end *service);

enum underlay_kind { UNDERLAY_NETWORK, UNDERLAY_SERVICE_TUNNEL, UNDERLAY_PRIVATE_LINK };

struct underlay_tunnel { /* how one packet is carried */
    enum underlay_kind kind;
    ip4 src, dst;        /* outer */
    uint32_t key;        /* 24 bits */
    struct ip6 from, to; /* instead of the packet's own; not for UNDERLAY_NETWORK */
    uint32_t sender, receiver, endpoint; /* ports, for whoever names them; endpoint: PORT_NONE but for private links */
};

/* Carry p (which parsed as info says) through t: outer Ethernet and IPv4, GRE with the key, then the frame as it is, or
 * with IPv6 for IPv4 (same payload, TTL and class of service; options go, fragments get a fragment header, checksums of
 * TCP and UDP follow the new pseudo header). p stays the caller's.
 * => 0 and a new packet in *out; -EPROTONOSUPPORT: to be turned into IPv6 and neither TCP nor UDP; -EMSGSIZE: longer
 * than an IPv4 datagram can be; -ENOMEM. */
int underlay_wrap(struct packet_pool *pool, const struct packet *p, const struct packet_info *info,
                  const struct underlay_tunnel *t, struct packet **out);

#endif
