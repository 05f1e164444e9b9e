/* compile.h - from the model of one moment to the image that the data plane runs. Design essay: compile.c. */
#ifndef VNETSIM_TOPOLOGY_COMPILE_H
#define VNETSIM_TOPOLOGY_COMPILE_H

#include "dataplane/image.h"
#include "topology/ids.h"
#include "topology/model.h"
#include "topology/numbers.h"
#include "topology/routes.h"
#include "topology/rules.h"

/* Numbers that hold over all images of a run. */
struct numbering {
    struct numbers *port;     /* "nic/vm1-nic", "service/acr": see port_of */
    struct numbers *realm;    /* from 1: "vnet/hub", "onprem/hq" */
    struct numbers *identity; /* "hub/clients" */
    struct numbers *pool;     /* translations: "natgw/egress", "nic/vm1-nic" (default outbound), "onprem/hq",
                                 "lb/lb", "pls/pls" */
    struct numbers *target;   /* health probes: "lb/tcp443/web1-nic" */
    struct ids *region, *network, *subnet, *host; /* what the underlay calls them (underlay.h) */
};

/* An image with what its numbers mean. */
struct compiled {
    struct arena *arena;
    const struct model *model;
    const struct numbering *numbering;
    struct image *image;
    const struct eff_table **table; /* by image table; NULL: not made of effective routes (on-premises) */
    const struct eff_rules **acl;   /* by image rule set; rule ids are positions */
    const struct peering **crossing;
    const char **lb_rule; /* names, by image rule id */
    struct thing *thing;            /* by port; kind THING_NONE: resolver, or not in this state */
};

struct numbering *numbering_new(void);
void numbering_free(struct numbering *r);

/* => the image of the model; epoch orders the images of a run. reference: with the slow tables. Pure: the
 * same inputs give the same image; r gains the numbers of names that are new. m and r must outlive it. */
struct compiled *compile_model(const struct model *m, struct numbering *r, uint32_t epoch, bool reference);
void compiled_free(struct compiled *c);

/* => the port of a thing; PORT_NONE for THING_NONE. */
uint32_t port_of(struct numbering *r, struct thing t);
/* => the name of a port as paths and captures show it: "vm1-nic", "hq/laptop", "168.63.129.16". */
const char *port_name(const struct numbering *r, uint32_t port);
/* => the subnet of an identity in a model, or NULL when it is gone. */
const struct subnet *identity_subnet(const struct numbering *r, const struct model *m, uint32_t identity);

/* The address that resolver questions from outside Azure go to: out of 192.0.0.0/24, which nobody else uses.
 */
#define PUBLIC_RESOLVER IP4(192, 0, 0, 53)

#endif
