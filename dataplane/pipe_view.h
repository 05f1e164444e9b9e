/* pipe_view.h - a packet as the packet path goes by it, and what a decision does to its bytes. */
#ifndef VNETSIM_DATAPLANE_PIPE_VIEW_H
#define VNETSIM_DATAPLANE_PIPE_VIEW_H

#include "dataplane/pipe.h"

/* An ICMP error belongs to the flow of the datagram that it quotes and passes as an answer of that flow would
 * (RFC 5508): `answer` then is such an answer. quoted and answer are there for errors only. */
struct pipe_view {
    struct packet_info info, quoted, answer;
    bool error;
};

/* => what the packet path is asked about. */
static inline const struct packet_info *pipe_view_flow(const struct pipe_view *v)
{
    return v->error ? &v->answer : &v->info;
}

/* Look at a packet that leaves or reaches port. Services neither send nor take ICMP (SE-10): theirs is looked
 * at as it is. => 0, or what packet_parse says. */
int pipe_view_of(const struct image *img, uint32_t port, const struct packet *p, struct pipe_view *v);

/* Translate as decided, checksums kept right, and undo it inside the quoted datagram: its source is where the
 * error goes. */
void pipe_view_apply(struct packet *p, struct pipe_view *v, const struct pipe_decision *d);

#endif
