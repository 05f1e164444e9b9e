/* wire.h - where the fields of Ethernet, ARP, IPv4, TCP, UDP and ICMP headers lie, and how to read and write
 * them.
 *
 * Everything on the wire is in network order (big endian); the accessors take and give host order and want no
 * alignment. Offsets count from the start of the header. Nothing here checks bounds: see cursor.h and
 * packet.h. IEEE 802.3, RFC 826, 791, 9293, 768, 792. */
#ifndef VNETSIM_DATAPLANE_WIRE_H
#define VNETSIM_DATAPLANE_WIRE_H

#include <stdint.h>
#include <string.h>

static inline uint16_t wire_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void wire_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void wire_put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

enum { WIRE_ETH_DST = 0, WIRE_ETH_SRC = 6, WIRE_ETH_TYPE = 12, WIRE_ETH_HLEN = 14 };
enum { WIRE_ETHERTYPE_IPV4 = 0x0800, WIRE_ETHERTYPE_ARP = 0x0806, WIRE_ETHERTYPE_IPV6 = 0x86dd };

/* ARP for IPv4 over Ethernet */
enum {
    WIRE_ARP_HTYPE = 0,
    WIRE_ARP_PTYPE = 2,
    WIRE_ARP_HLEN = 4,
    WIRE_ARP_PLEN = 5,
    WIRE_ARP_OP = 6,
    WIRE_ARP_SHA = 8,
    WIRE_ARP_SPA = 14,
    WIRE_ARP_THA = 18,
    WIRE_ARP_TPA = 24,
    WIRE_ARP_LEN = 28,
};

enum {
    WIRE_IP_VHL = 0, /* version 4, header length in words */
    WIRE_IP_TOS = 1,
    WIRE_IP_TLEN = 2,
    WIRE_IP_ID = 4,
    WIRE_IP_FRAG = 6, /* flags and offset in units of 8 bytes */
    WIRE_IP_TTL = 8,
    WIRE_IP_PROTO = 9,
    WIRE_IP_SUM = 10,
    WIRE_IP_SRC = 12,
    WIRE_IP_DST = 16,
    WIRE_IP_HLEN = 20, /* without options */
};
enum { WIRE_IP_DF = 0x4000, WIRE_IP_MF = 0x2000, WIRE_IP_OFFMASK = 0x1fff };
enum { WIRE_IPOPT_END = 0, WIRE_IPOPT_NOP = 1, WIRE_IPOPT_COPIED = 0x80 };

enum {
    WIRE_TCP_SPORT = 0,
    WIRE_TCP_DPORT = 2,
    WIRE_TCP_SEQ = 4,
    WIRE_TCP_ACK = 8,
    WIRE_TCP_OFF = 12, /* header length in words, upper half of the byte */
    WIRE_TCP_FLAGS = 13,
    WIRE_TCP_WIN = 14,
    WIRE_TCP_SUM = 16,
    WIRE_TCP_URG = 18,
    WIRE_TCP_HLEN = 20, /* without options */
};
enum { WIRE_TCPOPT_END = 0, WIRE_TCPOPT_NOP = 1, WIRE_TCPOPT_MSS = 2, WIRE_TCPOPT_WSCALE = 3 };

enum { WIRE_UDP_SPORT = 0, WIRE_UDP_DPORT = 2, WIRE_UDP_LEN = 4, WIRE_UDP_SUM = 6, WIRE_UDP_HLEN = 8 };

enum {
    WIRE_ICMP_TYPE = 0,
    WIRE_ICMP_CODE = 1,
    WIRE_ICMP_SUM = 2,
    WIRE_ICMP_ID = 4,
    WIRE_ICMP_SEQ = 6,
    WIRE_ICMP_HLEN = 8
};
enum {
    WIRE_ICMP_ECHO_REPLY = 0,
    WIRE_ICMP_UNREACHABLE = 3,
    WIRE_ICMP_ECHO = 8,
    WIRE_ICMP_TIME_EXCEEDED = 11,
    WIRE_ICMP_PARAMETER = 12
};
enum { WIRE_ICMP_CODE_PORT = 3 }; /* of UNREACHABLE */

#endif
