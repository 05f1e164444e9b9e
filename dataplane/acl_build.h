/* acl_build.h - between the parts of the classifier's compiler, and the sequence of its work:
 *
 *   acl_items.c   the rules become items
 *   acl_plan.c    how items lie in one dimension
 *   acl_tree.c    indexes and lists
 *   acl_build.c   the whole */
#ifndef VNETSIM_DATAPLANE_ACL_BUILD_H
#define VNETSIM_DATAPLANE_ACL_BUILD_H

#include "dataplane/acl_int.h"

/* -- acl_pool.c: numbers, and sequences of numbers ------------------------------------------------------- */

struct acl_vec { /* all zero: empty */
    uint32_t *at;
    size_t n, cap;
};

/* => 0, -ENOMEM (nothing is changed). */
int acl_vec_room(struct acl_vec *v, size_t more);
int acl_vec_push(struct acl_vec *v, uint32_t x);
void acl_vec_free(struct acl_vec *v);

/* Distinct sequences, each stored once and numbered in the order of their coming; all zero: empty. */
struct acl_pool {
    struct acl_vec word, end; /* end: of each sequence */
    struct acl_slot {
        uint64_t hash;
        uint32_t number; /* plus one; 0: free */
    } * slot;
    size_t n_slots; /* power of two */
};

/* => 0 and its number, which is the count before if it is new; -ENOMEM (nothing is changed). */
int acl_pool_put(struct acl_pool *p, const uint32_t *seq, size_t n, uint32_t *number);
/* => sequence of a number, n words; valid until the next put. */
const uint32_t *acl_pool_get(const struct acl_pool *p, uint32_t number, size_t *n);
void acl_pool_free(struct acl_pool *p);

/* -- acl_items.c ----------------------------------------------------------------------------------------- */

#define ACL_ALL ((1u << ACL_DIMS) - 1)

/* A rule, or one of the few combinations of its lists' ranges. */
struct acl_item {
    uint32_t value[ACL_DIMS];
    uint32_t rule;
    uint8_t full; /* bit d: it has all of dimension d */
    bool check;   /* some value is a list */
};

struct acl_build {
    struct acl *a;
    const struct acl_rule *rules;
    size_t n;
    struct acl_pool arrays;           /* the caller's, by address and length */
    struct acl_vec array_list;        /* by array: its list */
    struct acl_pool lists;            /* first, last, first, last ...: neither touching nor overlapping */
    struct acl_vec list_set;          /* by list: its index, 0: none */
    struct acl_pool values[ACL_DIMS]; /* first, last, list or ACL_NONE: first and last are its hull's */
    struct acl_vec scratch;
    struct acl_item *item; /* in the rules' order */
    size_t n_items, cap_items;
    /* acl_tree.c */
    struct acl_pool leaves;  /* lists of items */
    struct acl_vec leaf_ref; /* by leaf */
    uint32_t *stamp;         /* by value: its group in a plan being made, plus one */
    size_t cap_lines, cap_refs, cap_indexes, cap_boxes, limit;
    size_t work, work_limit; /* steps */
    unsigned base;           /* dimensions done at the root of the tree being made */
    double copies;           /* of a box, at most, that a plan may make */
    double time;             /* a lookup, estimated */
};

/* Read the rules. => 0, -ENOMEM. */
int acl_items_make(struct acl_build *b);
uint32_t acl_dim_max(unsigned dim);
/* => the ranges of a value: first, last, first, last ...; n numbers. */
const uint32_t *acl_value_ranges(const struct acl_build *b, unsigned dim, uint32_t value, size_t *n);

/* -- acl_plan.c ------------------------------------------------------------------------------------------ */

/* Items of one value. */
struct acl_group {
    uint32_t value;
    uint32_t first; /* place of its first item in the list planned for; groups are in this order */
    uint32_t start, n;
    uint32_t ends_at; /* place of its first item that leaves nothing to later ones, or ACL_NONE */
    uint32_t open, cover;
    bool wide;
};

/* The pieces of one dimension between the borders of items, and the items in each. Pieces with the same
 * groups have one crowd. */
struct acl_plan {
    unsigned dim;
    const uint32_t *item; /* borrowed */
    size_t n;
    struct acl_group *group;
    uint32_t *group_of, *place; /* by place: its group; by group: its places, from group.start on */
    size_t n_groups;
    struct acl_pool crowds;     /* groups, ascending */
    struct acl_vec size, up_to; /* by crowd: items, and the last one's place */
    struct acl_vec last, crowd; /* by piece: its last value; who is in it */
    struct acl_vec wide;        /* items left out */
    double time;                /* cycles a lookup, estimated */
    double boxes, pieces;       /* bytes of the lists and of the index */
    double ends;                /* of ranges */
};

/* Plan dimension dim for items, which all have the whole region as far as the dimensions in done go; leave
 * out those in more than a share `wide` of the pieces. items is borrowed until the plan is freed.
 * => 0; -ENOMEM; -E2BIG: not worth it. p is to be freed in any case. */
int acl_plan_make(struct acl_build *b, const struct acl_vec *items, unsigned dim, unsigned done, double wide,
                  struct acl_plan *p);
/* Write a crowd's items in order, up to one that leaves nothing to later ones. => 0, -ENOMEM. */
int acl_plan_items(const struct acl_plan *p, uint32_t crowd, struct acl_vec *items);
void acl_plan_free(struct acl_plan *p);

/* => cycles to search a list of n items, or an index, roughly. */
double acl_plan_list(double n);
double acl_plan_search(size_t pieces, bool root);

/* -- acl_tree.c ------------------------------------------------------------------------------------------ */

/* Add an index of n pieces by their last values, the last of which is UINT32_MAX. => 0, -ENOMEM, -E2BIG. */
int acl_index_add(struct acl_build *b, const uint32_t *last, size_t n, unsigned dim, uint32_t *number);
/* Make the trees. => 0, -ENOMEM, -E2BIG: more than b->limit bytes. */
int acl_trees_make(struct acl_build *b);

#endif
