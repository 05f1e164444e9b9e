/* health.c - health of probe targets (B-03, B-06).
 *
 *              success                    `count` failures in a row
 *     NEW ----------------> WELL ----------------------------------------> ILL
 *      |  first failure                       success                       |
 *      +---------------------> ILL      WELL <------------------------------+
 *
 * One success is enough to be well. A target of the run's first image is taken as well until its first probe
 * ended, because the world is older than virtual time 0; that first probe alone decides, and at once where
 * the network drops it. Targets that appear later, and machines that are switched on again, are ill until a
 * probe succeeds, as Azure has it. A probe that has not ended when the next one is due has failed.
 *
 * Machines that are switched off are not probed. */
#include "dataplane/health.h"

#include <stdlib.h>
#include <string.h>

struct target {
    bool probed;  /* in the image in force, and its machine runs */
    bool running; /* a probe is out */
    bool decided; /* some probe has ended */
    bool well;
    uint32_t failures, count;
    uint64_t row; /* of probes, in the order of beginning */
};

struct health {
    struct target *at;
    size_t n;
};

struct health *health_new(void)
{
    return calloc(1, sizeof(struct health));
}

void health_free(struct health *h)
{
    if (h)
        free(h->at);
    free(h);
}

static void reserve(struct health *h, size_t n)
{
    if (n <= h->n)
        return;
    struct target *more = realloc(h->at, n * sizeof *more);
    if (!more)
        arena_oom("health");
    memset(more + h->n, 0, (n - h->n) * sizeof *more);
    h->at = more;
    h->n = n;
}

void health_image(struct health *h, const struct image *img, bool first,
                  void (*begin)(void *ctx, uint32_t target, uint64_t row), void *ctx)
{
    reserve(h, img->n_targets);
    for (uint32_t i = 0; i < img->n_targets; i++) {
        const struct image_target *want = &img->target[i];
        struct target *t = &h->at[i];
        const bool on = want->port != NONE32 && img->port[want->port].up, was = t->probed;
        t->probed = on;
        t->count = want->count;
        if (!on || was)
            continue;
        *t = (struct target){
            .probed = true, .well = first, .decided = !first, .count = want->count, .row = t->row + 1};
        begin(ctx, i, t->row);
    }
}

static void failed(struct target *t)
{
    t->failures++;
    if (!t->decided || t->failures >= t->count)
        t->well = false;
    t->decided = true;
}

bool health_next(struct health *h, uint32_t target, uint64_t row, bool *pending)
{
    struct target *t = &h->at[target];
    *pending = false;
    if (t->row != row)
        return false;
    *pending = t->running;
    t->running = t->probed;
    if (*pending)
        failed(t);
    return t->probed;
}

void health_outcome(struct health *h, uint32_t target, bool success)
{
    struct target *t = &h->at[target];
    if (!t->running)
        return;
    t->running = false;
    if (success) {
        t->failures = 0;
        t->well = t->decided = true;
    } else {
        failed(t);
    }
}

void health_lost(struct health *h, uint32_t target)
{
    struct target *t = &h->at[target];
    if (!t->decided)
        t->well = false;
}

bool health_well(const struct health *h, uint32_t target)
{
    return h->at[target].well;
}
