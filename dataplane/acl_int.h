/* acl_int.h - inside the classifier, for acl*.c, tests and benchmarks. The structures are drawn in acl.c. */
#ifndef VNETSIM_DATAPLANE_ACL_INT_H
#define VNETSIM_DATAPLANE_ACL_INT_H

#include "dataplane/acl.h"

enum acl_dim { ACL_SRC, ACL_DST, ACL_SPORT, ACL_DPORT, ACL_PROTO, ACL_DIMS };
#define ACL_LISTS 4 /* the dimensions in which a rule has a list */

#define ACL_PORTLESS 0x100u /* added to protocols without ports */
#define ACL_PROTOS   0x200u

/* A key or a border of a box is eight numbers of 16 bits: source and destination in two halves each, low half
 * first, then the ports, then the protocol; the eighth of a box holds the note. */
#define ACL_LANES 8
#define ACL_NOTE  7

struct acl_lanes {
    _Alignas(16) uint64_t half[2]; /* four lanes each, the first the lowest */
};

/* A key fits if, lane by lane, key - lo <= span (modulo 2^16). */
struct acl_box {
    uint16_t lo[ACL_LANES], span[ACL_LANES];
};
_Static_assert(sizeof(struct acl_box) == 32, "two boxes a cache line");

/* A box's note, its lower half in lo: the rule's number and two flags. Notes order as the rules do. */
#define ACL_LAST      1u /* the list ends with this box */
#define ACL_TO_CHECK  2u /* it fits only if the rule's sets hold the key's parts */
#define ACL_NOTE_BITS 2
#define ACL_RULES_MAX ((size_t)1 << 30)
#define ACL_NONE      UINT32_MAX

static inline uint32_t acl_note(const struct acl_box *b)
{
    return b->lo[ACL_NOTE] | (uint32_t)b->span[ACL_NOTE] << 16;
}

/* Reference of a piece of an index: a list (position of its first box) or another index. */
#define ACL_INDEX 0x80000000u

#define ACL_LINE   16 /* numbers a line */
#define ACL_FANOUT (ACL_LINE + 1)
#define ACL_LEVELS 6

/* Pieces of one dimension, by their last values, in levels of lines. */
struct acl_index {
    uint32_t level[ACL_LEVELS]; /* first line of each level; the last one has all last values */
    uint32_t ref;               /* of the first piece */
    uint8_t levels, dim;
    uint8_t flip; /* of a set: 0 if even pieces are outside, 1 if they are inside */
};
_Static_assert(sizeof(struct acl_index) == 32, "two indexes a cache line");

#define ACL_TREES 6
#define ACL_BLOCK 64 /* keys at a time */

enum acl_variant { ACL_PORTABLE, ACL_AVX2, ACL_AVX512, ACL_VARIANTS };

struct acl {
    uint32_t root[ACL_TREES];    /* references */
    uint32_t n_trees, otherwise; /* note of the rule that fits all keys; rule n: none does */
    enum acl_variant variant;
    uint32_t *line; /* of indexes, ACL_LINE numbers each */
    uint32_t *ref;
    struct acl_index *index;
    struct acl_box *box;        /* the first is the empty list */
    struct acl_hit *verdict;    /* by rule, then that of no rule */
    uint32_t (*set)[ACL_LISTS]; /* by rule: indexes of the sets, 0: none; NULL: no rule has any */
    size_t n, n_lines, n_refs, n_indexes, n_boxes;
};

/* The best this machine can run (acl.c). */
enum acl_variant acl_best(void);
/* => false: this machine cannot run it, and nothing is changed. */
bool acl_use(struct acl *a, enum acl_variant v);
/* => its name. */
const char *acl_how(const struct acl *a);

#endif
