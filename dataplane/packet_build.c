/* packet_build.c - whole frames from fields in host order, with right lengths and checksums. */
#include "dataplane/csum.h"
#include "dataplane/packet.h"
#include "dataplane/wire.h"

static void put_eth(uint8_t *d, const uint8_t src[6], const uint8_t dst[6], uint16_t type)
{
    memcpy(d + WIRE_ETH_DST, dst, 6);
    memcpy(d + WIRE_ETH_SRC, src, 6);
    wire_put16(d + WIRE_ETH_TYPE, type);
}

static void put_ip(uint8_t *ip, const struct ip_fields *f, uint8_t proto, uint16_t tlen)
{
    ip[WIRE_IP_VHL] = 0x45;
    ip[WIRE_IP_TOS] = f->tos;
    wire_put16(ip + WIRE_IP_TLEN, tlen);
    wire_put16(ip + WIRE_IP_ID, f->id);
    wire_put16(ip + WIRE_IP_FRAG, f->df ? WIRE_IP_DF : 0);
    ip[WIRE_IP_TTL] = f->ttl;
    ip[WIRE_IP_PROTO] = proto;
    wire_put16(ip + WIRE_IP_SUM, 0);
    wire_put32(ip + WIRE_IP_SRC, f->src);
    wire_put32(ip + WIRE_IP_DST, f->dst);
    wire_put16(ip + WIRE_IP_SUM, csum_fold(csum_add(0, ip, WIRE_IP_HLEN)));
}

/* => a packet with Ethernet and IP headers and the payload in place, hlen bytes left open between them. */
static struct packet *build_ip(struct packet_pool *pool, const struct eth_fields *eth,
                               const struct ip_fields *ip, uint8_t proto, size_t hlen, const void *payload,
                               size_t len)
{
    if (len > UINT16_MAX - WIRE_IP_HLEN - hlen)
        return NULL;
    size_t tlen = WIRE_IP_HLEN + hlen + len;
    struct packet *p = packet_new(pool, ETH_HLEN + tlen);
    if (!p)
        return NULL;
    p->len = (uint32_t)(ETH_HLEN + tlen);
    put_eth(p->data, eth->src, eth->dst, WIRE_ETHERTYPE_IPV4);
    put_ip(p->data + ETH_HLEN, ip, proto, (uint16_t)tlen);
    if (len)
        memcpy(p->data + ETH_HLEN + WIRE_IP_HLEN + hlen, payload, len);
    return p;
}

struct packet *packet_build_udp(struct packet_pool *pool, const struct eth_fields *eth,
                                const struct ip_fields *ip, uint16_t sport, uint16_t dport,
                                const void *payload, size_t len)
{
    struct packet *p = build_ip(pool, eth, ip, IPPROTO_NR_UDP, WIRE_UDP_HLEN, payload, len);
    if (!p)
        return NULL;
    uint8_t *u = p->data + ETH_HLEN + WIRE_IP_HLEN;
    uint16_t ulen = (uint16_t)(WIRE_UDP_HLEN + len);
    wire_put16(u + WIRE_UDP_SPORT, sport);
    wire_put16(u + WIRE_UDP_DPORT, dport);
    wire_put16(u + WIRE_UDP_LEN, ulen);
    wire_put16(u + WIRE_UDP_SUM, 0);
    uint16_t sum = csum_fold(csum_add(csum_pseudo(ip->src, ip->dst, IPPROTO_NR_UDP, ulen), u, ulen));
    wire_put16(u + WIRE_UDP_SUM, sum ? sum : UINT16_MAX); /* 0 would say: no checksum (RFC 768) */
    p->meta.sport = sport;
    p->meta.dport = dport;
    return p;
}

/* MSS, then the window scale aligned by one NOP, as stacks commonly do. => bytes. */
static size_t tcp_options(const struct tcp_fields *f, uint8_t opt[8])
{
    size_t n = 0;
    if (f->mss) {
        opt[n] = WIRE_TCPOPT_MSS;
        opt[n + 1] = 4;
        wire_put16(opt + n + 2, f->mss);
        n += 4;
    }
    if (f->wscale >= 0) {
        opt[n] = WIRE_TCPOPT_NOP;
        opt[n + 1] = WIRE_TCPOPT_WSCALE;
        opt[n + 2] = 3;
        opt[n + 3] = (uint8_t)f->wscale;
        n += 4;
    }
    return n;
}

struct packet *packet_build_tcp(struct packet_pool *pool, const struct eth_fields *eth,
                                const struct ip_fields *ip, const struct tcp_fields *f, const void *payload,
                                size_t len)
{
    uint8_t opt[8];
    size_t nopt = f->flags & TCP_SYN ? tcp_options(f, opt) : 0, hlen = WIRE_TCP_HLEN + nopt;
    struct packet *p = build_ip(pool, eth, ip, IPPROTO_NR_TCP, hlen, payload, len);
    if (!p)
        return NULL;
    uint8_t *t = p->data + ETH_HLEN + WIRE_IP_HLEN;
    uint16_t tlen = (uint16_t)(hlen + len);
    wire_put16(t + WIRE_TCP_SPORT, f->sport);
    wire_put16(t + WIRE_TCP_DPORT, f->dport);
    wire_put32(t + WIRE_TCP_SEQ, f->seq);
    wire_put32(t + WIRE_TCP_ACK, f->ack);
    t[WIRE_TCP_OFF] = (uint8_t)(hlen / 4 << 4);
    t[WIRE_TCP_FLAGS] = f->flags;
    wire_put16(t + WIRE_TCP_WIN, f->window);
    wire_put16(t + WIRE_TCP_SUM, 0);
    wire_put16(t + WIRE_TCP_URG, 0);
    if (nopt)
        memcpy(t + WIRE_TCP_HLEN, opt, nopt);
    wire_put16(t + WIRE_TCP_SUM,
               csum_fold(csum_add(csum_pseudo(ip->src, ip->dst, IPPROTO_NR_TCP, tlen), t, tlen)));
    p->meta.sport = f->sport;
    p->meta.dport = f->dport;
    return p;
}

struct packet *packet_build_icmp(struct packet_pool *pool, const struct eth_fields *eth,
                                 const struct ip_fields *ip, uint8_t type, uint8_t code, uint32_t rest,
                                 const void *payload, size_t len)
{
    struct packet *p = build_ip(pool, eth, ip, IPPROTO_NR_ICMP, WIRE_ICMP_HLEN, payload, len);
    if (!p)
        return NULL;
    uint8_t *m = p->data + ETH_HLEN + WIRE_IP_HLEN;
    m[WIRE_ICMP_TYPE] = type;
    m[WIRE_ICMP_CODE] = code;
    wire_put16(m + WIRE_ICMP_SUM, 0);
    wire_put32(m + WIRE_ICMP_ID, rest);
    wire_put16(m + WIRE_ICMP_SUM, csum_fold(csum_add(0, m, WIRE_ICMP_HLEN + len)));
    if (type == WIRE_ICMP_ECHO || type == WIRE_ICMP_ECHO_REPLY)
        p->meta.sport = p->meta.dport = (uint16_t)(rest >> 16);
    return p;
}

struct packet *packet_build_arp(struct packet_pool *pool, uint16_t op, const uint8_t sha[6], ip4 spa,
                                const uint8_t tha[6], ip4 tpa)
{
    static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
    struct packet *p = packet_new(pool, ETH_HLEN + WIRE_ARP_LEN);
    if (!p)
        return NULL;
    p->len = ETH_HLEN + WIRE_ARP_LEN;
    put_eth(p->data, sha, op == 1 ? broadcast : tha, WIRE_ETHERTYPE_ARP);
    uint8_t *a = p->data + ETH_HLEN;
    wire_put16(a + WIRE_ARP_HTYPE, 1);
    wire_put16(a + WIRE_ARP_PTYPE, WIRE_ETHERTYPE_IPV4);
    a[WIRE_ARP_HLEN] = 6;
    a[WIRE_ARP_PLEN] = 4;
    wire_put16(a + WIRE_ARP_OP, op);
    memcpy(a + WIRE_ARP_SHA, sha, 6);
    wire_put32(a + WIRE_ARP_SPA, spa);
    memcpy(a + WIRE_ARP_THA, tha, 6);
    wire_put32(a + WIRE_ARP_TPA, tpa);
    return p;
}
