/* address_int.h - between address.c, address_member.c and address_public.c. */
#ifndef VNETSIM_TOPOLOGY_ADDRESS_INT_H
#define VNETSIM_TOPOLOGY_ADDRESS_INT_H

#include "topology/address.h"

/* Make e's list complete: one entry per member of its resource, in member order, addresses of entries that
 * the file does not have left 0. Errors with place for entries that name no member. e has a subnet and a
 * service or a pls. */
void address_members(struct model *m, struct private_endpoint *e, struct diag *d);

/* Choose the public addresses that are 0, and every NIC's default outbound address. */
void address_public(struct model *m, const struct address_prior *prior, struct diag *d);

#endif
