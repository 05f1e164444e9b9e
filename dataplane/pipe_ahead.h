/* pipe_ahead.h - what the packets of a batch that are about to walk will ask of the image, asked for all at
 * once. Internal: pipe*.c. */
#ifndef VNETSIM_DATAPLANE_PIPE_AHEAD_H
#define VNETSIM_DATAPLANE_PIPE_AHEAD_H

#include "dataplane/image.h"

/* Answers of the image for one packet; they depend on it and the packet's values alone. */
struct pipe_ahead {
    uint32_t acl[2]; /* rule sets that were asked, NIC and subnet; NONE32: none */
    struct acl_hit hit[2];
    uint32_t table, nexthop; /* route table that was asked, NONE32: none; LPM_MISS: no route */
};

/* What to ask for: a packet as it stands at its port. */
struct pipe_question {
    struct acl_key key;
    uint32_t port;
    bool inbound, rules; /* rules: it has no record that admits it */
};

#define PIPE_AHEAD_MAX 128u

/* n <= PIPE_AHEAD_MAX; answers belong to the questions of the same index. An image of slow reference tables
 * is not asked. */
void pipe_ask(const struct image *img, const struct pipe_question *q, struct pipe_ahead *answer, size_t n);

#endif
