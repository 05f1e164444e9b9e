/* acl_int.h - inside the classifier: for acl*.c, tests and benchmarks. */
#ifndef VNETSIM_DATAPLANE_ACL_INT_H
#define VNETSIM_DATAPLANE_ACL_INT_H

#include "dataplane/acl.h"
#include "dataplane/lpm.h"

/* Distinct sets of rules, one row each; a class is a row's number. Row: summary words, then rule words;
 * bit i of the summary says that rule word i is not zero. */
struct acl_rows {
    uint64_t *word;
    size_t n, cap; /* rows */
    size_t words, summary, stride;
};

struct acl_addrs {
    struct lpm *classes; /* most specific listed prefix -> class */
    uint32_t other;      /* class of the addresses outside all lists */
};

struct acl_ports {
    uint16_t *start; /* interval i is start[i] .. start[i + 1] - 1; start[0] = 0 */
    uint32_t *class;
    size_t n, cap;
    uint32_t none; /* class of protocols without ports */
};

struct acl {
    struct acl_addrs src, dst;
    struct acl_ports sport, dport;
    uint32_t proto[256]; /* class by protocol number */
    struct acl_rows rows;
    struct acl_hit *verdict; /* by rule */
    size_t n;
};

static inline const uint64_t *acl_row(const struct acl *a, uint32_t class)
{
    return a->rows.word + class * a->rows.stride;
}

#endif
