/* packet_rewrite.c - changing addresses, ports, TTL and MSS in place, checksums kept right by RFC 1624.
 *
 * The transport checksum of TCP and UDP covers the addresses (pseudo header), so a fragmented datagram keeps
 * it in its first fragment: that one is updated, the others have none. A UDP checksum of 0 means that there
 * is none and stays; a computed 0 is sent as 0xffff (RFC 768). ICMP covers no addresses; the identifier of an
 * echo plays the port. */
#include "dataplane/csum.h"
#include "dataplane/packet.h"
#include "dataplane/wire.h"

/* Where a transport header of that protocol has its checksum; 0: nowhere we know. */
static uint32_t sum_offset(uint8_t proto)
{
    switch (proto) {
    case IPPROTO_NR_TCP:
        return WIRE_TCP_SUM;
    case IPPROTO_NR_UDP:
        return WIRE_UDP_SUM;
    case IPPROTO_NR_ICMP:
        return WIRE_ICMP_SUM;
    default:
        return 0;
    }
}

/* A checksum field in a header; UDP's 0 is not touched. */
static void fix32(uint8_t *sum, bool udp, uint32_t old, uint32_t new)
{
    uint16_t was = wire_get16(sum);
    if (udp && was == 0)
        return;
    uint16_t now = csum_update32(was, old, new);
    wire_put16(sum, udp && now == 0 ? UINT16_MAX : now);
}

static void fix16(uint8_t *sum, bool udp, uint16_t old, uint16_t new)
{
    fix32(sum, udp, old, new);
}

/* at: WIRE_IP_SRC or WIRE_IP_DST. */
static void set_addr(struct packet *p, const struct packet_info *in, uint32_t at, ip4 old, ip4 new)
{
    uint8_t *ip = p->data + ETH_HLEN;
    wire_put32(ip + at, new);
    fix32(ip + WIRE_IP_SUM, false, old, new);
    if (!in->frag_offset && (in->proto == IPPROTO_NR_TCP || in->proto == IPPROTO_NR_UDP))
        fix32(p->data + in->l4 + sum_offset(in->proto), in->proto == IPPROTO_NR_UDP, old, new);
}

static bool is_echo(const struct packet_info *in)
{
    return in->proto == IPPROTO_NR_ICMP &&
           (in->icmp_type == WIRE_ICMP_ECHO || in->icmp_type == WIRE_ICMP_ECHO_REPLY);
}

/* at: offset of the port in its header. => whether there is a port to set. */
static bool set_port(struct packet *p, const struct packet_info *in, uint32_t at, uint16_t port)
{
    bool ports = in->proto == IPPROTO_NR_TCP || in->proto == IPPROTO_NR_UDP;
    if (in->frag_offset || (!ports && !is_echo(in)))
        return false;
    uint8_t *t = p->data + in->l4, *field = t + (ports ? at : WIRE_ICMP_ID);
    fix16(t + sum_offset(in->proto), in->proto == IPPROTO_NR_UDP, wire_get16(field), port);
    wire_put16(field, port);
    return true;
}

/* An echo has one identifier for both ports. */
static void echo_id(struct packet *p, struct packet_info *in, uint16_t id)
{
    in->sport = in->dport = in->icmp_id = id;
    p->meta.sport = p->meta.dport = id;
}

void packet_set_src(struct packet *p, struct packet_info *in, ip4 src, uint16_t sport)
{
    set_addr(p, in, WIRE_IP_SRC, in->src, src);
    in->src = src;
    p->meta.sport = sport;
    if (in->proto == IPPROTO_NR_ICMP && in->frag_offset)
        p->meta.dport = sport;
    if (!set_port(p, in, WIRE_TCP_SPORT, sport))
        return;
    in->sport = sport;
    if (is_echo(in))
        echo_id(p, in, sport);
}

void packet_set_dst(struct packet *p, struct packet_info *in, ip4 dst, uint16_t dport)
{
    set_addr(p, in, WIRE_IP_DST, in->dst, dst);
    in->dst = dst;
    p->meta.dport = dport;
    if (in->proto == IPPROTO_NR_ICMP && in->frag_offset)
        p->meta.sport = dport;
    if (!set_port(p, in, WIRE_TCP_DPORT, dport))
        return;
    in->dport = dport;
    if (is_echo(in))
        echo_id(p, in, dport);
}

static void shift32(struct packet *p, const struct packet_info *in, uint32_t at, uint32_t *value,
                    uint32_t add)
{
    if (!add)
        return;
    fix32(p->data + in->l4 + WIRE_TCP_SUM, false, *value, *value + add);
    *value += add;
    wire_put32(p->data + in->l4 + at, *value);
}

void packet_shift_seq(struct packet *p, struct packet_info *in, uint32_t seq_add, uint32_t ack_add)
{
    if (in->proto != IPPROTO_NR_TCP || in->frag_offset)
        return;
    shift32(p, in, WIRE_TCP_SEQ, &in->seq, seq_add);
    shift32(p, in, WIRE_TCP_ACK, &in->ack, ack_add);
}

uint8_t packet_dec_ttl(struct packet *p, struct packet_info *in)
{
    uint8_t *ip = p->data + ETH_HLEN;
    if (in->ttl == 0)
        return 0;
    uint16_t old = wire_get16(ip + WIRE_IP_TTL);
    ip[WIRE_IP_TTL] = --in->ttl;
    fix16(ip + WIRE_IP_SUM, false, old, wire_get16(ip + WIRE_IP_TTL));
    return in->ttl;
}

void packet_set_eth(struct packet *p, const uint8_t src[6], const uint8_t dst[6])
{
    memcpy(p->data + WIRE_ETH_SRC, src, 6);
    memcpy(p->data + WIRE_ETH_DST, dst, 6);
}

void packet_clamp_mss(struct packet *p, struct packet_info *in, uint16_t mss)
{
    if (in->proto != IPPROTO_NR_TCP || in->frag_offset || !(in->tcp_flags & TCP_SYN))
        return;
    uint32_t at = packet_tcp_option(p->data, in, WIRE_TCPOPT_MSS, 4);
    uint16_t old = at ? wire_get16(p->data + at) : 0;
    if (!at || old <= mss)
        return;
    wire_put16(p->data + at, mss);
    if ((at - in->l4) &
        1) { /* straddles two words of the sum: the same as both bytes swapped (RFC 1071, 2(B)) */
        old = (uint16_t)(old << 8 | old >> 8);
        mss = (uint16_t)(mss << 8 | mss >> 8);
    }
    fix16(p->data + in->l4 + WIRE_TCP_SUM, false, old, mss);
}

/* -- the datagram quoted in an ICMP error ---------------------------------------------------------------- */

/* Change the quoted word at field, keeping the error's own checksum. Quoted bytes start word-aligned. */
static void quote_put16(struct packet *p, const struct packet_info *in, uint8_t *field, uint16_t new)
{
    fix16(p->data + in->l4 + WIRE_ICMP_SUM, false, wire_get16(field), new);
    wire_put16(field, new);
}

/* Address at ip + at becomes addr, port at t + port_at becomes port. The quoted transport checksum stays as
 * it was: it is often cut off, and nobody may rely on it (RFC 5508 section 4.2). */
static void set_inner(struct packet *p, const struct packet_info *in, const struct packet_info *inner,
                      uint32_t at, ip4 addr, uint32_t port_at, uint16_t port)
{
    uint8_t *ip = p->data + in->payload, *sum = ip + WIRE_IP_SUM;
    uint32_t old = wire_get32(ip + at);
    uint16_t check = csum_update32(wire_get16(sum), old, addr);
    quote_put16(p, in, ip + at, (uint16_t)(addr >> 16));
    quote_put16(p, in, ip + at + 2, (uint16_t)addr);
    quote_put16(p, in, sum, check);
    if (inner->frag_offset)
        return;
    if (inner->proto == IPPROTO_NR_TCP || inner->proto == IPPROTO_NR_UDP)
        quote_put16(p, in, p->data + inner->l4 + port_at, port);
    else if (is_echo(inner))
        quote_put16(p, in, p->data + inner->l4 + WIRE_ICMP_ID, port);
}

void packet_set_inner_src(struct packet *p, const struct packet_info *in, struct packet_info *inner, ip4 src,
                          uint16_t sport)
{
    set_inner(p, in, inner, WIRE_IP_SRC, src, WIRE_TCP_SPORT, sport);
    inner->src = src;
    inner->sport = sport;
}

void packet_set_inner_dst(struct packet *p, const struct packet_info *in, struct packet_info *inner, ip4 dst,
                          uint16_t dport)
{
    set_inner(p, in, inner, WIRE_IP_DST, dst, WIRE_TCP_DPORT, dport);
    inner->dst = dst;
    inner->dport = dport;
}
