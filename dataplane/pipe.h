/* pipe.h - the packet path: what happens to one packet at one port. Design essay: pipe.c.
 *
 * The pipeline reads an image and keeps the run state that packets create: flow records and address
 * translations. It decides and records; moving the packet, in time and between hosts, is the engine's work
 * (sim.h). */
#ifndef VNETSIM_DATAPLANE_PIPE_H
#define VNETSIM_DATAPLANE_PIPE_H

#include "dataplane/image.h"
#include "dataplane/packet.h"
#include "dataplane/trace.h"

struct pipe;

struct pipe_decision {
    enum reason reason; /* why the packet is dropped here; REASON_NONE: it goes on */
    uint32_t next;      /* port it is handed to; the deciding port itself for local delivery (pipe_in) */
    uint8_t link;       /* link class on the way there */
    uint16_t mtu;       /* not 0: the packet must be cut to IP packets of that size (it allows that) */
    bool set_src, set_dst;
    ip4 src, dst;
    uint16_t sport, dport;
    uint32_t seq_add, ack_add; /* TCP: to be added, modulo 2^32 */
    /* A segment of its own that goes the same way (PROXY header), before the packet or after it; NULL: none.
     * Valid until the next call. */
    const uint8_t *insert;
    uint16_t insert_len;
    uint32_t insert_seq;
    bool insert_before;
    bool absorbed;  /* the packet ends here and nobody misses it */
    uint32_t watch; /* ask pipe_idle about this flow at watch_at; 0: none */
    int64_t watch_at;
    struct trace trace;
};

/* => NULL: out of memory. */
struct pipe *pipe_new(void);
void pipe_free(struct pipe *p);

/* A packet leaves the machine at port into the network. meta is updated to what the next port must know.
 * Cannot fail: whatever goes wrong is a reason. now in virtual ns. */
void pipe_out(struct pipe *p, const struct image *img, int64_t now, uint32_t port,
              const struct packet_info *info, struct packet_meta *meta, struct pipe_decision *d);
/* A packet reaches port from the network. d->next == port: deliver to the machine there; else it passes on.
 */
void pipe_in(struct pipe *p, const struct image *img, int64_t now, uint32_t port,
             const struct packet_info *info, struct packet_meta *meta, struct pipe_decision *d);

/* Which TCP flows does the change from one image to the next cut? Those whose destination changes between a
 * service-endpoint route and any other at a NIC they leave from (SE-02), and those to a private endpoint
 * whose network changes its policy for high scale, to a service that is in another region afterwards
 * (PE-29), or which a NIC sent there that gets the tag disableSnatOnPL (PE-16).
 * => number of flow ids written to *flows (ascending, each once; malloc'd, the caller frees), or -ENOMEM. */
int pipe_cut_by_change(struct pipe *p, const struct image *before, const struct image *after,
                       uint32_t **flows);

/* A flow that a load balancer spreads, or lets out, and that is to be reset when idle. => the flow whose
 * connection is to be reset now; 0: none, and *again is when to ask again (INT64_MAX: never). */
uint32_t pipe_idle(struct pipe *p, int64_t now, uint32_t watch, int64_t *again);

/* Health of a probe's target: whether new flows go there. Targets nobody spoke of are well. */
void pipe_health(struct pipe *p, uint32_t target, bool well);
bool pipe_is_well(const struct pipe *p, uint32_t target);

/* => flow records held, expired ones included that were not given back yet. */
size_t pipe_flows(const struct pipe *p);

struct pipe_count {
    uint64_t packets, bytes; /* IP packets, whole */
};
/* => what pipe_out and pipe_in decided so far, by reason (REASON_COUNT of them); passed on: [REASON_NONE]. */
const struct pipe_count *pipe_counts(const struct pipe *p);
/* What was passed on under one flow record, as long as it is held: dir 0 out of port, 1 into it. => whether
 * there is that record. */
bool pipe_flow_count(const struct pipe *p, uint32_t port, unsigned dir, const struct packet_info *info,
                     struct pipe_count *out);

/* Forget TCP connections that both ends closed, or one reset, when they were silent for longer than linger ns
 * since; without this call, and with INT64_MAX, they idle like others (G-07). Connections that close later
 * count. */
void pipe_linger(struct pipe *p, int64_t linger);
/* Give back the records of connections that are forgotten so, at most budget of them; answers do not depend
 * on when. => how many it looked at. */
size_t pipe_tidy(struct pipe *p, int64_t now, size_t budget);

/* Give back records of flows that were silent for longer than their ports allow (G-07), of those on which
 * nothing depends any more, by looking at no more than budget places of two records. pipe_batch does so by
 * itself; the engine need not (pipe_sweep.c). Answers do not change, but for a later image that allows a
 * longer silence. The image is the one of the last call, or has another epoch. => how many it looked at; 0:
 * none can have expired. */
size_t pipe_sweep(struct pipe *p, const struct image *img, int64_t now, size_t budget);

#endif
