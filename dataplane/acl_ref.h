/* acl_ref.h - the operations of acl.h by trying one rule after the other: the oracle of the tests and the
 * classifier of --reference. Contracts as in acl.h, except that the rules' lists stay borrowed until
 * acl_ref_free. */
#ifndef VNETSIM_DATAPLANE_ACL_REF_H
#define VNETSIM_DATAPLANE_ACL_REF_H

#include "dataplane/acl.h"

struct acl_ref; /* opaque; body in acl_ref.c */

struct acl_ref *acl_ref_build(const struct acl_rule *rules, size_t n);
void acl_ref_free(struct acl_ref *a);
struct acl_hit acl_ref_classify(const struct acl_ref *a, const struct acl_key *key);
void acl_ref_classify_bulk(const struct acl_ref *a, const struct acl_key *keys, struct acl_hit *hits,
                           size_t n);
size_t acl_ref_bytes(const struct acl_ref *a);

/* => whether this one rule matches. */
bool acl_rule_matches(const struct acl_rule *r, const struct acl_key *key);

#endif
