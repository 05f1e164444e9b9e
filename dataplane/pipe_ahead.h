/* pipe_ahead.h - what the packets of a batch that are about to walk will ask of the image, asked for all at
 * once. Internal: pipe*.c. */
#ifndef VNETSIM_DATAPLANE_PIPE_AHEAD_H
#define VNETSIM_DATAPLANE_PIPE_AHEAD_H

#include "dataplane/image.h"

#define PIPE_AHEAD_MAX 128u

/* What to ask for: packets as they stand at their ports. */
struct pipe_questions {
    size_t n;
    struct acl_key key[PIPE_AHEAD_MAX];
    uint32_t port[PIPE_AHEAD_MAX];
    bool inbound[PIPE_AHEAD_MAX];
    bool rules[PIPE_AHEAD_MAX]; /* it has no record that admits it */
};

/* Answers of the image, each to the question of the same index; they depend on it and the packet's values
 * alone. */
struct pipe_ahead {
    uint32_t acl[2][PIPE_AHEAD_MAX]; /* rule sets that were asked, NIC and subnet; NONE32: none */
    struct acl_hit hit[2][PIPE_AHEAD_MAX];
    uint32_t table[PIPE_AHEAD_MAX];   /* route table that was asked; NONE32: none */
    uint32_t nexthop[PIPE_AHEAD_MAX]; /* LPM_MISS: no route */
    uint32_t realm[PIPE_AHEAD_MAX];   /* whose map was asked for the destination; NONE32: none */
    uint32_t owner[PIPE_AHEAD_MAX];   /* as exact_get; EXACT_MISS */
};

/* Ask. An image of slow reference tables is not asked. */
void pipe_ask(const struct image *img, const struct pipe_questions *q, struct pipe_ahead *answer);

#endif
