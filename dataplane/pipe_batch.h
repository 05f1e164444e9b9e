/* pipe_batch.h - many packets through the packet path at a time: parsed, decided, rewritten, counted. Design
 * essay: pipe_batch.c. */
#ifndef VNETSIM_DATAPLANE_PIPE_BATCH_H
#define VNETSIM_DATAPLANE_PIPE_BATCH_H

#include "dataplane/pipe_view.h"

struct pipe_packet {
    struct packet *packet; /* borrowed; bytes and meta are changed in place where it goes on */
    uint32_t port;         /* below n_ports */
    bool inbound;          /* reaches the port from the network; else leaves it */
    /* -- the answer */
    bool hit;      /* decided by what its flow's last walk left */
    bool absorbed; /* ends here, and nobody misses it */
    uint8_t link;  /* class of the link to `next` */
    uint16_t mtu;  /* not 0: must be cut to IP packets of that size */
    int error;     /* what packet_parse says; not 0: no IPv4, nothing else is set, nothing is counted */
    enum reason reason;
    uint32_t next; /* as in pipe_decision */
};

/* Somebody who wants the whole decision of the packets that were no hits: its trace, the segment to insert,
 * the flow to watch. */
struct pipe_walks {
    void *ctx;
    /* In order of the packets, each after it was rewritten. d is valid until it returns. */
    void (*fn)(void *ctx, const struct pipe_packet *pkt, const struct pipe_view *v,
               const struct pipe_decision *d);
};

/* Take n packets through pipe_out and pipe_in of their ports, in order, all at the same time (virtual ns):
 * same decisions, same bytes, same counts as one by one. The MSS of a SYN is lowered where the port asks for
 * it (M-02), addresses and ports are translated with incremental checksums (RFC 1624). walks: NULL: nobody.
 * Records of flows that fell silent are given back in small steps (pipe_sweep). Cannot fail. The image is the
 * one of the last call, or has another epoch. */
void pipe_batch(struct pipe *p, const struct image *img, int64_t now, struct pipe_packet *pkt, size_t n,
                const struct pipe_walks *walks);

#endif
