/* health.h - which backends are well: probes in turn, their outcomes counted. Design essay: health.c. */
#ifndef VNETSIM_DATAPLANE_HEALTH_H
#define VNETSIM_DATAPLANE_HEALTH_H

#include "dataplane/image.h"

struct health;

/* => NULL: out of memory. */
struct health *health_new(void);
void health_free(struct health *h);

/* A new image is in force: its targets are probed from now on, others no more; first: it is the run's first
 * image, whose world was there before. begin is called for each target that begins anew, with the number of
 * its row of probes. */
void health_image(struct health *h, const struct image *img, bool first,
                  void (*begin)(void *ctx, uint32_t target, uint64_t row), void *ctx);

/* Time for the next probe of a row. => whether there is to be one. *pending: the one before has not ended,
 * which counts as failed. */
bool health_next(struct health *h, uint32_t target, uint64_t row, bool *pending);
/* The probe that is out ended. */
void health_outcome(struct health *h, uint32_t target, bool success);
/* A packet of the target's probe was dropped: that decides about the very first one at once. */
void health_lost(struct health *h, uint32_t target);

bool health_well(const struct health *h, uint32_t target);

#endif
