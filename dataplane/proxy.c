/* proxy.c - the PROXY protocol, version 2, and the arithmetic of a header put into a connection on its way.
 *
 * Header (all numbers in network order but where said):
 *
 *      0   \r\n\r\n\0\r\nQUIT\n                       signature, 12 bytes
 *     12   0x21 version 2, command PROXY              0x20: LOCAL
 *     13   0x11 TCP over IPv4                         0x00 with LOCAL
 *     14   length of what follows                     20, or 0 with LOCAL
 *     16   source, destination, source port, destination port
 *     28   0xee, length 5, 0x01, link identifier in *little* endian (PE-23)
 *
 * Whoever puts the header in ends no connection. The consumer's first byte has sequence number base; towards
 * the backend the header takes base to base + len, so everything from base on moves up by len, and
 * acknowledgements from the backend move down again:
 *
 *     consumer's numbers    base-1 (SYN) | base ............
 *     backend's numbers     base-1 (SYN) | header | base+len ...
 *
 * An acknowledgement of a part of the header, or of all of it, is base on the consumer's side: it
 * acknowledges nothing of the consumer's. Before the header is sent nothing moves. Streams longer than 2^31
 * bytes wrap, so numbers are compared with base only until the header is acknowledged. */
#include "dataplane/proxy.h"

#include "dataplane/wire.h"

#include <errno.h>

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum {
    AT_COMMAND = 12,
    AT_FAMILY = 13,
    AT_LENGTH = 14,
    AT_TLV = 28,
    COMMAND_LOCAL = 0x20,
    COMMAND_PROXY = 0x21,
    FAMILY_TCP4 = 0x11
};

size_t proxy_write(const struct proxy_header *h, uint8_t *out)
{
    memcpy(out, signature, sizeof signature);
    out[AT_COMMAND] = h->local ? COMMAND_LOCAL : COMMAND_PROXY;
    out[AT_FAMILY] = h->local ? 0 : FAMILY_TCP4;
    size_t n = h->local ? PROXY_LOCAL_LEN : h->has_link ? PROXY_LEN : AT_TLV;
    wire_put16(out + AT_LENGTH, (uint16_t)(n - PROXY_FIXED));
    if (h->local)
        return n;
    wire_put32(out + 16, h->src);
    wire_put32(out + 20, h->dst);
    wire_put16(out + 24, h->sport);
    wire_put16(out + 26, h->dport);
    if (!h->has_link)
        return n;
    out[AT_TLV] = PROXY_TLV_AZURE;
    wire_put16(out + AT_TLV + 1, 5);
    out[AT_TLV + 3] = PROXY_TLV_LINK;
    for (int i = 0; i < 4; i++)
        out[AT_TLV + 4 + i] = (uint8_t)(h->link >> 8 * i);
    return n;
}

/* The private TLV among those from data on. => 0, -EINVAL. */
static int read_tlvs(const uint8_t *data, size_t n, struct proxy_header *h)
{
    while (n) {
        size_t len = n < 3 ? 0 : wire_get16(data + 1);
        if (n < 3 || n - 3 < len)
            return -EINVAL;
        const uint8_t *v = data + 3;
        if (data[0] == PROXY_TLV_AZURE && len == 5 && v[0] == PROXY_TLV_LINK) {
            h->has_link = true;
            h->link = (uint32_t)v[4] << 24 | (uint32_t)v[3] << 16 | (uint32_t)v[2] << 8 | v[1];
        }
        data += 3 + len;
        n -= 3 + len;
    }
    return 0;
}

int proxy_read(const uint8_t *data, size_t n, struct proxy_header *h)
{
    *h = (struct proxy_header){0};
    if (memcmp(data, signature, n < sizeof signature ? n : sizeof signature) != 0)
        return 0;
    if (n < PROXY_FIXED)
        return -EAGAIN;
    size_t len = wire_get16(data + AT_LENGTH);
    h->local = data[AT_COMMAND] == COMMAND_LOCAL;
    if (!h->local && data[AT_COMMAND] != COMMAND_PROXY)
        return -EINVAL;
    if (n < PROXY_FIXED + len)
        return -EAGAIN;
    if (h->local)
        return (int)(PROXY_FIXED + len); /* the receiver must skip what is there */
    if (data[AT_FAMILY] != FAMILY_TCP4 || len < AT_TLV - PROXY_FIXED)
        return -EINVAL;
    h->src = wire_get32(data + 16);
    h->dst = wire_get32(data + 20);
    h->sport = wire_get16(data + 24);
    h->dport = wire_get16(data + 26);
    return read_tlvs(data + AT_TLV, PROXY_FIXED + len - AT_TLV, h) ? -EINVAL : (int)(PROXY_FIXED + len);
}

uint32_t proxy_seq_add(const struct proxy_shift *s, bool syn)
{
    return s->sent && !syn ? s->len : 0;
}

uint32_t proxy_ack_add(struct proxy_shift *s, uint32_t ack)
{
    uint32_t past = ack - s->base; /* bytes acknowledged, the header's first */
    if (!s->sent || (!s->acked && past > INT32_MAX))
        return 0;
    if (!s->acked && past < s->len)
        return 0 - past;
    s->acked = true;
    return 0 - (uint32_t)s->len;
}
