/* underlay.c - packets as the provider carries them.
 *
 * Purpose. A private endpoint is no machine and a service endpoint no route that a guest could see: both are
 * a way of encapsulating at the sender's host. This file makes the packets that a capture between the hosts
 * would show.
 *
 * Representation. An overlay address is put together from parts, each a value under a mask, later parts over
 * earlier ones (the public SONiC DASH documents: service tunnel, private link). The value is masked before it
 * is or-ed in: the prose of those documents leaves that out, their executable model does it, and one
 * published example only comes out so. For a private link the mapping speaks first, then the interface:
 *
 *   fdXX : LLLL LLLL : NNNN NNSS SSSS : v4 v4
 *   mapping          | interface      | the packet's own source
 *
 * XX: the bit 0x80 (a private link) is the mapping's, the region below it the interface's, as are network and
 * subnet. A service tunnel has the same shape without that bit and L. So region, network, subnet and link
 * stand each at a place of its own: distinct identities give distinct prefixes.
 *
 * 4-to-6. Stateless (RFC 7915): the transport header and its payload stay byte by byte, but for the checksum.
 * The pseudo headers of IPv4 and IPv6 sum the same length and protocol, so the checksum moves by the
 * difference of the addresses (RFC 1624); that holds for a first fragment as well, whose datagram is not at
 * hand. A UDP checksum of 0 means none in IPv4 and is forbidden in IPv6 (RFC 8200, 8.1): it is made where the
 * datagram is whole.
 *
 * Outer header. No fragmentation between hosts (DF, and so no identification, RFC 6864), TTL 64, class of
 * service copied (RFC 2983, 6040). Its MAC addresses are made from the outer IPv4 addresses: routers on the
 * way are not shown. */
#include "dataplane/underlay.h"

#include "dataplane/csum.h"
#include "dataplane/wire.h"

#include <errno.h>

enum { GRE_HLEN = 8, IP6_HLEN = 40, IP6_FRAG_HLEN = 8, IPPROTO_NR_GRE = 47, IPPROTO_NR_FRAGMENT = 44 };
enum { GRE_KEY_PRESENT = 0x2000, ETHERTYPE_BRIDGED = 0x6558 };
enum { OUTER_HLEN = WIRE_ETH_HLEN + WIRE_IP_HLEN + GRE_HLEN };

/* -- addresses ------------------------------------------------------------------------------------------- */

struct ip6 underlay_put(struct ip6 base, const struct underlay_part *part)
{
    for (int i = 0; i < 16; i++)
        base.b[i] = (uint8_t)((base.b[i] & ~part->mask.b[i]) | (part->value.b[i] & part->mask.b[i]));
    return base;
}

struct ip6 underlay_widen(ip4 addr)
{
    struct ip6 a = {{0}};
    wire_put32(a.b + 12, addr);
    return a;
}

struct ip6 underlay_link_src(ip4 src, const struct underlay_part *sip, const struct underlay_part *nic)
{
    return underlay_put(underlay_put(underlay_widen(src), sip), nic);
}

struct ip6 underlay_link_dst(ip4 dst, const struct underlay_part *dip)
{
    return underlay_put(underlay_widen(dst), dip);
}

static void put24(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 16);
    wire_put16(p + 1, (uint16_t)v);
}

struct underlay_part underlay_part_nic(const struct underlay_end *client)
{
    struct underlay_part p = {.mask = {{0, 0x7f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}};
    p.value.b[1] = client->region;
    put24(p.value.b + 6, client->network);
    put24(p.value.b + 9, client->subnet);
    return p;
}

struct underlay_part underlay_part_link(uint32_t link)
{
    struct underlay_part p = {.value = {{0xfd, 0x80}}, .mask = {{0xff, 0x80, 0xff, 0xff, 0xff, 0xff}}};
    wire_put32(p.value.b + 2, link);
    return p;
}

struct underlay_part underlay_part_subnet(const struct underlay_end *client)
{
    struct underlay_part p = underlay_part_nic(client);
    p.value.b[0] = 0xfd;
    memset(p.mask.b, 0xff, 12);
    return p;
}

struct underlay_part underlay_part_service(const struct underlay_end *service)
{
    struct underlay_part p = {.value = {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, service->region}}};
    memset(p.mask.b, 0xff, 12);
    return p;
}

/* -- packets --------------------------------------------------------------------------------------------- */

static uint32_t sum6(const struct ip6 *a)
{
    return csum_add(0, a->b, sizeof a->b);
}

/* The checksum of the segment at l4 of len bytes, whose addresses changed as t says. */
static void mend_checksum(uint8_t *l4, uint32_t len, const struct packet_info *info,
                          const struct underlay_tunnel *t)
{
    const bool udp = info->proto == IPPROTO_NR_UDP;
    uint8_t *at = l4 + (udp ? WIRE_UDP_SUM : WIRE_TCP_SUM);
    const uint16_t old = wire_get16(at);
    const uint32_t six = sum6(&t->from) + sum6(&t->to);
    uint16_t sum;
    if (udp && !old) {
        if (info->mf)
            return;
        sum = csum_fold(csum_add(six + info->proto + len, l4, len));
    } else {
        /* ~HC' = ~HC + m' - m, where subtracting is adding the complement */
        const uint16_t four = csum_fold(csum_pseudo(info->src, info->dst, 0, 0));
        const uint16_t new = (uint16_t)~csum_fold(six);
        sum = csum_fold((uint32_t)(uint16_t)~old + four + new);
    }
    wire_put16(at, udp && !sum ? 0xffff : sum);
}

static uint8_t *put_ip6(uint8_t *at, const struct packet_info *info, uint32_t len,
                        const struct underlay_tunnel *t)
{
    const bool fragment = info->mf || info->frag_offset;
    wire_put32(at, 6u << 28 | (uint32_t)info->tos << 20);
    wire_put16(at + 4, (uint16_t)(len + (fragment ? IP6_FRAG_HLEN : 0)));
    at[6] = fragment ? IPPROTO_NR_FRAGMENT : info->proto;
    at[7] = info->ttl;
    memcpy(at + 8, t->from.b, 16);
    memcpy(at + 24, t->to.b, 16);
    at += IP6_HLEN;
    if (!fragment)
        return at;
    at[0] = info->proto;
    at[1] = 0;
    wire_put16(at + 2, (uint16_t)(info->frag_offset |
                                  info->mf)); /* a multiple of 8 bytes, the flag in the last bit */
    wire_put32(at + 4, info->ip_id);
    return at + IP6_FRAG_HLEN;
}

static void mac_of(uint8_t *mac, ip4 host)
{
    mac[0] = 0x02; /* locally administered */
    mac[1] = 0;
    wire_put32(mac + 2, host);
}

static void put_outer(uint8_t *at, const struct packet_info *info, uint32_t inner,
                      const struct underlay_tunnel *t)
{
    uint8_t *ip = at + WIRE_ETH_HLEN, *gre = ip + WIRE_IP_HLEN;
    mac_of(at + WIRE_ETH_DST, t->dst);
    mac_of(at + WIRE_ETH_SRC, t->src);
    wire_put16(at + WIRE_ETH_TYPE, WIRE_ETHERTYPE_IPV4);
    memset(ip, 0, WIRE_IP_HLEN);
    ip[WIRE_IP_VHL] = 0x45;
    ip[WIRE_IP_TOS] = info->tos;
    wire_put16(ip + WIRE_IP_TLEN, (uint16_t)(WIRE_IP_HLEN + GRE_HLEN + inner));
    wire_put16(ip + WIRE_IP_FRAG, WIRE_IP_DF);
    ip[WIRE_IP_TTL] = 64;
    ip[WIRE_IP_PROTO] = IPPROTO_NR_GRE;
    wire_put32(ip + WIRE_IP_SRC, t->src);
    wire_put32(ip + WIRE_IP_DST, t->dst);
    wire_put16(ip + WIRE_IP_SUM, csum_fold(csum_add(0, ip, WIRE_IP_HLEN)));
    wire_put16(gre, GRE_KEY_PRESENT);
    wire_put16(gre + 2, ETHERTYPE_BRIDGED);
    wire_put32(gre + 4, t->key << 8); /* no flow id (RFC 7637, 3.2) */
}

int underlay_wrap(struct packet_pool *pool, const struct packet *p, const struct packet_info *info,
                  const struct underlay_tunnel *t, struct packet **out)
{
    const bool six = t->kind != UNDERLAY_NETWORK, fragment = info->mf || info->frag_offset;
    const uint32_t l4_len = ETH_HLEN + info->ip_len - info->l4;
    const uint32_t inner =
        six ? ETH_HLEN + IP6_HLEN + (fragment ? IP6_FRAG_HLEN : 0) + l4_len : ETH_HLEN + info->ip_len;
    if (six && info->proto != IPPROTO_NR_TCP && info->proto != IPPROTO_NR_UDP)
        return -EPROTONOSUPPORT;
    if (WIRE_IP_HLEN + GRE_HLEN + inner > UINT16_MAX)
        return -EMSGSIZE;
    struct packet *o = packet_new(pool, OUTER_HLEN + inner);
    if (!o)
        return -ENOMEM;
    o->len = OUTER_HLEN + inner;
    put_outer(o->data, info, inner, t);
    uint8_t *frame = o->data + OUTER_HLEN;
    memcpy(frame, p->data, six ? ETH_HLEN : inner);
    if (six) {
        wire_put16(frame + WIRE_ETH_TYPE, WIRE_ETHERTYPE_IPV6);
        uint8_t *l4 = put_ip6(frame + ETH_HLEN, info, l4_len, t);
        memcpy(l4, p->data + info->l4, l4_len);
        if (!info->frag_offset)
            mend_checksum(l4, l4_len, info, t);
    }
    *out = o;
    return 0;
}
