/* support_kernel.h - the kernel as judge: its routing tables in a network namespace of the test's own, asked
 * where addresses would go. Every function ends the test where the kernel refuses something. */
#ifndef VNETSIM_TESTS_SUPPORT_KERNEL_H
#define VNETSIM_TESTS_SUPPORT_KERNEL_H

#include "dataplane/addr.h"
#include "dataplane/rng.h"

struct kernel;

/* Make an empty network namespace: as root, or in a user namespace of its own. => NULL, and why, where the
 * machine does not allow it. */
struct kernel *kernel_new(const char **why);
/* The same; skips the test where the machine does not allow it. test: "suite::name". */
struct kernel *kernel_needed(const char *test);
void kernel_free(struct kernel *k);

/* What the kernel does with a packet. THROW: this table has no answer, the next rule is tried. */
enum kernel_way {
    KERNEL_VIA,
    KERNEL_UNREACHABLE,
    KERNEL_BLACKHOLE,
    KERNEL_PROHIBIT,
    KERNEL_THROW,
    KERNEL_NOWHERE
};

struct kernel_route {
    uint32_t table; /* 1 to 252, or from 256 on */
    struct prefix4 to;
    enum kernel_way way; /* not NOWHERE */
    uint32_t id;         /* of VIA, below 2^26: answers give it back */
    uint32_t metric;     /* of equal prefixes the least wins; 0 is the least */
};

/* Packets with this mark ask this table; of several tables one after another in the order of the calls. */
void kernel_rule(struct kernel *k, uint32_t mark, uint32_t table);

void kernel_add(struct kernel *k, const struct kernel_route *r, size_t n);
void kernel_del(struct kernel *k, const struct kernel_route *r, size_t n);

struct kernel_answer {
    enum kernel_way way;
    uint32_t id, table; /* of VIA */
    uint8_t len;        /* of VIA: the matched prefix */
};

/* One answer for each of n addresses; 0.0.0.0 must not be asked for: it means "this host". */
void kernel_ask(struct kernel *k, uint32_t mark, const ip4 *dst, size_t n, struct kernel_answer *out);
/* => answers given so far. */
size_t kernel_answers(const struct kernel *k);

/* Addresses at and around the edges of p: first, last, before, after, its neighbours', its halves', with bits
 * flipped, random ones inside and anywhere; never 0.0.0.0. => KERNEL_EDGES. */
#define KERNEL_EDGES 16
size_t kernel_edges(struct rng *r, struct prefix4 p, ip4 *out);

#endif
