/* packet.c - the pool of packets, and parsing.
 *
 * A packet is one block: the public struct, the pool's bookkeeping, the buffer. Buffers come in four sizes
 * (most packets of a simulation are bare headers or full Ethernet frames; a reassembled datagram is the
 * largest). A packet given back goes on its size's free list and is reused, last in first out; blocks return
 * to the system with the pool. The pool links all its blocks, so freeing it also ends packets that somebody
 * lost; packet_pool_out tells tests about those.
 *
 * Parsing reads the headers once, through a bound, and converts byte order there. It accepts what a receiving
 * stack accepts: padding behind the IP length, header options, fragments. It refuses what contradicts itself,
 * as impossible
 * (-EINVAL), and what ends too early, as truncated (-EBADMSG); a caller that counts can tell them apart.
 *
 * Costs: packet_new O(1) without clearing the buffer; parse reads 34 to 54 bytes. */
#include "dataplane/packet.h"
#include "dataplane/csum.h"
#include "dataplane/mem.h"
#include "dataplane/wire.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

static_assert(ETH_HLEN == WIRE_ETH_HLEN, "one Ethernet header");

#define CLASSES 4
static const uint32_t class_cap[CLASSES] = {192, 1984, 9600, 66048};

struct block {
    struct packet p;   /* first: a packet is its block */
    struct block *all; /* every block of the pool */
    uint32_t class;
    _Alignas(MEM_LINE) uint8_t data[]; /* a frame of 64 bytes is one cache line */
};

struct packet_pool {
    struct block *all;
    struct packet *free[CLASSES];
    size_t out;
};

struct packet_pool *packet_pool_new(void)
{
    return mem_alloc(sizeof(struct packet_pool));
}

static size_t block_size(uint32_t class)
{
    return sizeof(struct block) + class_cap[class];
}

void packet_pool_free(struct packet_pool *pool)
{
    if (!pool)
        return;
    for (struct block *b = pool->all, *next; b; b = next) {
        next = b->all;
        mem_free(b, block_size(b->class));
    }
    mem_free(pool, sizeof *pool);
}

size_t packet_pool_out(const struct packet_pool *pool)
{
    return pool->out;
}

static struct packet *block_new(struct packet_pool *pool, uint32_t class)
{
    struct block *b = mem_alloc(block_size(class));
    if (!b)
        return NULL;
    b->class = class;
    b->p.data = b->data;
    b->p.cap = class_cap[class];
    b->all = pool->all;
    pool->all = b;
    return &b->p;
}

struct packet *packet_new(struct packet_pool *pool, size_t cap)
{
    uint32_t class = 0;
    while (class < CLASSES && cap > class_cap[class])
        class ++;
    if (class == CLASSES)
        return NULL;
    struct packet *p = pool->free[class];
    if (p)
        pool->free[class] = p->next;
    else if (!(p = block_new(pool, class)))
        return NULL;
    p->len = 0;
    p->next = NULL;
    p->meta = (struct packet_meta){
        .origin = PORT_NONE, .last_hop = PORT_NONE, .endpoint = PORT_NONE, .identity = IDENTITY_NONE};
    pool->out++;
    return p;
}

struct packet *packet_copy(struct packet_pool *pool, const struct packet *p)
{
    struct packet *copy = packet_new(pool, p->len);
    if (!copy)
        return NULL;
    memcpy(copy->data, p->data, p->len);
    copy->len = p->len;
    copy->meta = p->meta;
    return copy;
}

void packet_put(struct packet_pool *pool, struct packet *p)
{
    if (!p)
        return;
    struct block *b = (struct block *)(void *)p;
    p->next = pool->free[b->class];
    pool->free[b->class] = p;
    pool->out--;
}

/* -- parsing --------------------------------------------------------------------------------------------- */

static inline int parse_tcp(const uint8_t *t, uint32_t room, struct packet_info *out)
{
    if (room < WIRE_TCP_HLEN)
        return -EBADMSG;
    uint32_t hlen = (uint32_t)(t[WIRE_TCP_OFF] >> 4) * 4;
    if (hlen < WIRE_TCP_HLEN)
        return -EINVAL;
    if (hlen > room)
        return -EBADMSG;
    out->sport = wire_get16(t + WIRE_TCP_SPORT);
    out->dport = wire_get16(t + WIRE_TCP_DPORT);
    out->seq = wire_get32(t + WIRE_TCP_SEQ);
    out->ack = wire_get32(t + WIRE_TCP_ACK);
    out->tcp_flags = t[WIRE_TCP_FLAGS];
    out->window = wire_get16(t + WIRE_TCP_WIN);
    out->payload = out->l4 + hlen;
    out->payload_len = room - hlen;
    return 0;
}

static int parse_udp(const uint8_t *t, uint32_t room, struct packet_info *out)
{
    if (room < WIRE_UDP_HLEN)
        return -EBADMSG;
    uint32_t ulen = wire_get16(t + WIRE_UDP_LEN);
    if (ulen < WIRE_UDP_HLEN || (ulen > room && !out->mf))
        return -EINVAL;
    out->sport = wire_get16(t + WIRE_UDP_SPORT);
    out->dport = wire_get16(t + WIRE_UDP_DPORT);
    out->payload = out->l4 + WIRE_UDP_HLEN;
    out->payload_len = (ulen < room ? ulen : room) - WIRE_UDP_HLEN;
    return 0;
}

static bool icmp_is_echo(uint8_t type)
{
    return type == WIRE_ICMP_ECHO || type == WIRE_ICMP_ECHO_REPLY;
}

static bool icmp_is_error(uint8_t type)
{
    return type == WIRE_ICMP_UNREACHABLE || type == WIRE_ICMP_TIME_EXCEEDED || type == WIRE_ICMP_PARAMETER;
}

static int parse_icmp(const uint8_t *t, uint32_t room, struct packet_info *out)
{
    if (room < WIRE_ICMP_HLEN)
        return -EBADMSG;
    out->icmp_type = t[WIRE_ICMP_TYPE];
    out->icmp_code = t[WIRE_ICMP_CODE];
    if (icmp_is_echo(out->icmp_type)) {
        out->icmp_id = wire_get16(t + WIRE_ICMP_ID);
        out->icmp_seq = wire_get16(t + WIRE_ICMP_SEQ);
        out->sport = out->dport = out->icmp_id;
    }
    out->payload = out->l4 + WIRE_ICMP_HLEN;
    out->payload_len = room - WIRE_ICMP_HLEN;
    return 0;
}

/* Fields of the IPv4 header at ip, with avail bytes behind it; whole: the datagram must be there to its end.
 */
static inline int parse_ip(const uint8_t *ip, size_t avail, bool whole, struct packet_info *out)
{
    if (avail < WIRE_IP_HLEN)
        return -EBADMSG;
    uint32_t hlen = (uint32_t)(ip[WIRE_IP_VHL] & 15) * 4;
    uint16_t frag = wire_get16(ip + WIRE_IP_FRAG);
    out->ip_len = wire_get16(ip + WIRE_IP_TLEN);
    if (ip[WIRE_IP_VHL] >> 4 != 4 || hlen < WIRE_IP_HLEN || out->ip_len < hlen)
        return -EINVAL;
    if (hlen > avail || (whole && out->ip_len > avail))
        return -EBADMSG;
    out->src = wire_get32(ip + WIRE_IP_SRC);
    out->dst = wire_get32(ip + WIRE_IP_DST);
    out->proto = ip[WIRE_IP_PROTO];
    out->ttl = ip[WIRE_IP_TTL];
    out->tos = ip[WIRE_IP_TOS];
    out->ip_id = wire_get16(ip + WIRE_IP_ID);
    out->df = frag & WIRE_IP_DF;
    out->mf = frag & WIRE_IP_MF;
    out->frag_offset = (uint16_t)((frag & WIRE_IP_OFFMASK) * 8);
    if (out->frag_offset + (out->ip_len - hlen) > UINT16_MAX)
        return -EINVAL; /* the datagram would be longer than any (RFC 791) */
    out->l4 += hlen;
    return 0;
}

int packet_parse(const uint8_t *data, size_t len, struct packet_info *out)
{
    *out = (struct packet_info){.l4 = ETH_HLEN};
    if (len < ETH_HLEN)
        return -EBADMSG;
    out->ethertype = wire_get16(data + WIRE_ETH_TYPE);
    if (out->ethertype != WIRE_ETHERTYPE_IPV4)
        return -EPROTONOSUPPORT;
    int rc = parse_ip(data + ETH_HLEN, len - ETH_HLEN, true, out);
    if (rc)
        return rc;
    uint32_t room = ETH_HLEN + out->ip_len - out->l4;
    out->payload = out->l4;
    out->payload_len = room;
    if (out->frag_offset)
        return 0;
    switch (out->proto) {
    case IPPROTO_NR_TCP:
        return parse_tcp(data + out->l4, room, out);
    case IPPROTO_NR_UDP:
        return parse_udp(data + out->l4, room, out);
    case IPPROTO_NR_ICMP:
        return parse_icmp(data + out->l4, room, out);
    default:
        return 0;
    }
}

int packet_parse_inner(const uint8_t *data, const struct packet_info *info, struct packet_info *inner)
{
    *inner = (struct packet_info){.ethertype = WIRE_ETHERTYPE_IPV4, .l4 = info->payload};
    if (info->proto != IPPROTO_NR_ICMP || info->frag_offset || !icmp_is_error(info->icmp_type))
        return -EPROTONOSUPPORT;
    int rc = parse_ip(data + info->payload, info->payload_len, false, inner);
    if (rc)
        return rc;
    const uint8_t *t = data + inner->l4;
    uint32_t room = info->payload + info->payload_len - inner->l4;
    inner->payload = inner->l4;
    if (inner->frag_offset)
        return 0;
    if (inner->proto == IPPROTO_NR_TCP || inner->proto == IPPROTO_NR_UDP) {
        if (room < 8)
            return -EBADMSG; /* RFC 792: the first 64 bits of the datagram come along */
        inner->sport = wire_get16(t);
        inner->dport = wire_get16(t + 2);
        inner->seq = inner->proto == IPPROTO_NR_TCP ? wire_get32(t + WIRE_TCP_SEQ) : 0;
        return 0;
    }
    return inner->proto == IPPROTO_NR_ICMP ? parse_icmp(t, room, inner) : 0;
}

uint32_t packet_tcp_option(const uint8_t *data, const struct packet_info *in, uint8_t kind, uint8_t len)
{
    uint32_t at = in->l4 + WIRE_TCP_HLEN;
    while (at < in->payload && data[at] != WIRE_TCPOPT_END) {
        if (data[at] == WIRE_TCPOPT_NOP) {
            at++;
            continue;
        }
        if (at + 2 > in->payload || data[at + 1] < 2 || at + data[at + 1] > in->payload)
            return 0;
        if (data[at] == kind && data[at + 1] == len)
            return at + 2;
        at += data[at + 1];
    }
    return 0;
}

static bool l4_ok(const uint8_t *data, const struct packet_info *in)
{
    uint16_t len = (uint16_t)(ETH_HLEN + in->ip_len - in->l4);
    uint32_t sum = 0;
    if (in->proto == IPPROTO_NR_UDP) {
        if (!wire_get16(data + in->l4 + WIRE_UDP_SUM))
            return true; /* RFC 768: none was made */
        len = wire_get16(data + in->l4 + WIRE_UDP_LEN);
    }
    if (in->proto != IPPROTO_NR_ICMP)
        sum = csum_pseudo(in->src, in->dst, in->proto, len);
    return csum_fold(csum_add(sum, data + in->l4, len)) == 0;
}

bool packet_checksums_ok(const uint8_t *data, size_t len)
{
    struct packet_info in;
    int rc = packet_parse(data, len, &in);
    if (rc)
        return rc == -EPROTONOSUPPORT;
    if (csum_fold(csum_add(0, data + ETH_HLEN, (size_t)(data[ETH_HLEN + WIRE_IP_VHL] & 15) * 4)))
        return false;
    if (in.mf || in.frag_offset)
        return true;
    bool known = in.proto == IPPROTO_NR_TCP || in.proto == IPPROTO_NR_UDP || in.proto == IPPROTO_NR_ICMP;
    return !known || l4_ok(data, &in);
}

int packet_parse_arp(const uint8_t *data, size_t len, struct arp_info *out)
{
    if (len < ETH_HLEN + WIRE_ARP_LEN)
        return -EBADMSG;
    const uint8_t *a = data + ETH_HLEN;
    if (wire_get16(data + WIRE_ETH_TYPE) != WIRE_ETHERTYPE_ARP)
        return -EPROTONOSUPPORT;
    if (wire_get16(a + WIRE_ARP_HTYPE) != 1 || wire_get16(a + WIRE_ARP_PTYPE) != WIRE_ETHERTYPE_IPV4 ||
        a[WIRE_ARP_HLEN] != 6 || a[WIRE_ARP_PLEN] != 4)
        return -EINVAL;
    out->op = wire_get16(a + WIRE_ARP_OP);
    memcpy(out->sha, a + WIRE_ARP_SHA, 6);
    memcpy(out->tha, a + WIRE_ARP_THA, 6);
    out->spa = wire_get32(a + WIRE_ARP_SPA);
    out->tpa = wire_get32(a + WIRE_ARP_TPA);
    return 0;
}
