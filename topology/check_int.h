/* check_int.h - between the files of check.c. */
#ifndef VNETSIM_TOPOLOGY_CHECK_INT_H
#define VNETSIM_TOPOLOGY_CHECK_INT_H

#include "dataplane/arena.h"
#include "topology/check.h"

struct check {
    const struct model *m;
    struct diag *d;
    struct arena *a; /* scratch, freed after the check */
};

/* The place of a key's value in a resource's map, of the i-th item of a list there; the fallback (the
 * resource) where the file does not say it. A key that holds one value instead of a list stands for its first
 * item. */
struct origin check_at(const struct node *map, const char *key, struct origin fallback);
struct origin check_item(const struct node *map, const char *key, size_t i, struct origin fallback);
/* The place of the i-th address prefix of a network or subnet: of addressPrefixes, or addressPrefix. */
struct origin check_prefix_at(const struct node *map, size_t i, struct origin fallback);

/* Something whose key must be unique: sort by key, then by order of appearance. */
struct unique {
    uint64_t scope;  /* keys of different scopes never clash */
    uint64_t number; /* the key: number, then text without case (NULL: none) */
    const char *text;
    const char *what; /* for messages: "network interface 'a'" */
    struct origin at;
    size_t order; /* set by unique_add */
    int kind;     /* free for the caller */
};
struct unique_list {
    struct unique *at;
    size_t n, cap;
};
void unique_add(struct check *c, struct unique_list *l, struct unique u);
/* Sort; afterwards items with equal scope and key are neighbours, in the order in which they were added. */
void unique_sort(struct unique_list *l);
bool unique_same(const struct unique *a, const struct unique *b);
/* Note a security rule's priority; then report those that two rules of one direction have. of: whose rules. */
void check_priority(struct check *c, struct unique_list *l, const struct security_rule *r);
void check_priorities(struct check *c, struct unique_list *l, const char *of, const char *rule);

/* Complain of a service tag in a security rule that nobody knows. */
void check_rule_tag(struct check *c, const char *tag, struct origin at, const char *where); /* check_policy.c */

void check_networks(struct check *c);  /* check_net.c: prefixes, subnets, peerings, gateways */
void check_addresses(struct check *c); /* check_address.c: who has which address */
void check_policy(struct check *c);    /* check_policy.c: security groups, routes */
void check_managers(struct check *c);  /* check_manage.c: network managers */
void check_services(struct check *c);  /* check_service.c: services, endpoints, service endpoints */
void check_names(struct check *c);     /* check_names.c: DNS names, private zones, records */
void check_limits(struct check *c);    /* check_limits.c */
void check_balancers(struct check *c); /* check_lb.c: load balancers, private link services */

#endif
