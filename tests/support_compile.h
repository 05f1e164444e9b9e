/* support_compile.h - scenario texts as images, for tests. */
#ifndef VNETSIM_TESTS_SUPPORT_COMPILE_H
#define VNETSIM_TESTS_SUPPORT_COMPILE_H

#include "tests/support_model.h"
#include "topology/compile.h"

struct made { /* one model and its image */
    struct loaded l;
    struct numbering *n;
    struct compiled *c;
    const struct image *img;
};

/* Load a text (as load_checked), without errors, and compile it. */
struct made made_new(const char *text);
void made_free(struct made *m);

/* By the names that scenarios use: the port's number, the port. */
uint32_t made_port(struct numbering *n, const struct model *m, const char *name);
const struct image_port *made_at(const struct made *m, const char *name);

ip4 made_ip(const char *text);

/* Where what leaves the port goes: the next hop, and in words: "realm vnet/hub", "port nic/nva", "internet",
 * "service", "onprem onprem/hq", "drop RouteNone"; and " over peering" where it crosses one. */
const struct image_nexthop *made_hop(const struct made *m, const char *from, const char *dst);
const char *made_way(const struct made *m, const char *from, const char *dst);

#endif
