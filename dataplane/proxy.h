/* proxy.h - the header of the PROXY protocol, version 2, as private link services send it (PE-23), and what
 * it does to the sequence numbers of a connection that gets it. Design essay: proxy.c.
 *
 * Specification: haproxy, doc/proxy-protocol.txt, sections 2.2 (header, version 2) and 2.2.8 (private TLV
 * types). */
#ifndef VNETSIM_DATAPLANE_PROXY_H
#define VNETSIM_DATAPLANE_PROXY_H

#include "dataplane/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROXY_FIXED = 16, /* signature, version and command, family, length */
    PROXY_LEN = 36,   /* with two IPv4 ends and the link identifier */
    PROXY_LOCAL_LEN = 16,
    PROXY_MAX = 64,
    PROXY_TLV_AZURE = 0xee,
    PROXY_TLV_LINK = 0x01,
};

struct proxy_header {
    bool local;   /* command LOCAL: a health probe, nothing of the rest is there */
    ip4 src, dst; /* host order, as the ports */
    uint16_t sport, dport;
    bool has_link;
    uint32_t link; /* LINKID of the private endpoint's connection */
};

/* Write a header. => its length; out has room for PROXY_MAX. */
size_t proxy_write(const struct proxy_header *h, uint8_t *out);

/* Read the header that a stream begins with. => its length; 0: the stream begins otherwise; -EAGAIN: it may
 * be one, more bytes are needed; -EINVAL: the signature is there, the rest is not as specified. */
int proxy_read(const uint8_t *data, size_t n, struct proxy_header *h);

/* What the sequence numbers of one connection need, because the backend's stream is longer than the
 * consumer's. */
struct proxy_shift {
    bool wanted, sent; /* the header is due, on its way */
    bool acked;        /* the backend has all of it */
    bool data;         /* the consumer's own bytes, or its FIN, were sent on */
    uint16_t len;
    uint32_t base; /* sequence number of the consumer's first byte */
};

/* => what is added (modulo 2^32) to the sequence number of a segment towards the backend; syn: it is a SYN.
 */
uint32_t proxy_seq_add(const struct proxy_shift *s, bool syn);
/* => what is added to the acknowledgement of a segment towards the consumer. Remembers that the header
 * arrived. */
uint32_t proxy_ack_add(struct proxy_shift *s, uint32_t ack);

#endif
