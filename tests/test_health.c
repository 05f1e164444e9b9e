/* test_health.c - the counting of probes: every way from one state to another. */
#include "dataplane/health.h"

#include <criterion/criterion.h>

static struct image_port port[2] = {{.up = true}, {.up = true}};
static struct image_target target[2];
static struct image img = {.port = port, .n_ports = 2, .target = target, .n_targets = 2};
static uint64_t row[2];
static unsigned begun;

static void begin(void *ctx, uint32_t t, uint64_t r)
{
    (void)ctx;
    row[t] = r;
    begun++;
}

static struct health *fresh(bool first)
{
    struct health *h = health_new();
    port[0].up = port[1].up = true;
    target[0] = (struct image_target){.port = 0, .count = 2};
    target[1] = (struct image_target){.port = 1, .count = 3};
    begun = 0;
    health_image(h, &img, first, begin, NULL);
    return h;
}

/* A probe of target 0 that ends in time. */
static void probe(struct health *h, bool success)
{
    bool pending;
    cr_assert(health_next(h, 0, row[0], &pending));
    cr_assert_not(pending);
    health_outcome(h, 0, success);
}

Test(health, first_probe_decides)
{
    struct health *h = fresh(true);
    cr_expect_eq(begun, 2);
    cr_expect(health_well(h, 0), "the world is older than the run");
    probe(h, false);
    cr_expect_not(health_well(h, 0));
    cr_expect(health_well(h, 1));
    probe(h, true);
    cr_expect(health_well(h, 0), "one success is enough");
    health_free(h);
}

Test(health, failures_in_a_row)
{
    struct health *h = fresh(true);
    probe(h, true);
    probe(h, false);
    cr_expect(health_well(h, 0));
    probe(h, true);
    probe(h, false);
    cr_expect(health_well(h, 0), "not in a row");
    probe(h, false);
    cr_expect_not(health_well(h, 0));
    health_free(h);
}

Test(health, silence_is_failure)
{
    struct health *h = fresh(true);
    bool pending;
    probe(h, true);
    for (int i = 0; i < 3; i++) {
        cr_expect(health_well(h, 0), "after %d", i);
        cr_assert(health_next(h, 0, row[0], &pending));
        cr_assert_eq(pending, i > 0);
    }
    cr_expect_not(health_well(h, 0));
    health_outcome(h, 0, true);
    cr_expect(health_well(h, 0));
    health_outcome(h, 0, false);
    health_outcome(h, 0, false);
    cr_expect(health_well(h, 0), "nothing was out");
    health_free(h);
}

Test(health, dropped_first_probe)
{
    struct health *h = fresh(true);
    bool pending;
    health_next(h, 0, row[0], &pending);
    health_lost(h, 0);
    cr_expect_not(health_well(h, 0));
    health_outcome(h, 0, true);
    health_next(h, 0, row[0], &pending);
    health_lost(h, 0);
    cr_expect(health_well(h, 0), "later a lost packet decides nothing");
    health_free(h);
}

/* B-06: what appears, or is switched on, is ill until a probe succeeds; what is off is not probed. */
Test(health, off_and_on)
{
    struct health *h = fresh(true);
    bool pending;
    probe(h, true);
    port[0].up = false;
    health_image(h, &img, false, begin, NULL);
    cr_expect_not(health_next(h, 0, row[0], &pending));
    port[0].up = true;
    uint64_t old = row[0];
    health_image(h, &img, false, begin, NULL);
    cr_expect_eq(begun, 3);
    cr_expect_not(health_well(h, 0));
    cr_expect_not(health_next(h, 0, old, &pending), "the old row is over");
    probe(h, true);
    cr_expect(health_well(h, 0));
    target[1].port = NONE32;
    health_image(h, &img, false, begin, NULL);
    cr_expect_eq(begun, 3);
    cr_expect_not(health_next(h, 1, row[1], &pending));
    health_free(h);
}

Test(health, later_image_starts_ill)
{
    struct health *h = fresh(false);
    cr_expect_not(health_well(h, 0));
    probe(h, true);
    cr_expect(health_well(h, 0));
    health_free(h);
}
