/* address_int.h - between address.c, address_member.c, address_part.c and address_public.c. */
#ifndef VNETSIM_TOPOLOGY_ADDRESS_INT_H
#define VNETSIM_TOPOLOGY_ADDRESS_INT_H

#include "topology/address.h"

/* Make e's list complete: one entry per member of its resource, in member order, addresses of entries that
 * the file does not have left 0. Errors with place for entries that name no member. e has a subnet and a
 * service or a pls. */
void address_members(struct model *m, struct private_endpoint *e, struct diag *d);

/* Take the endpoints apart that Azure makes as several, once they have their addresses (address_part.c): the others are
 * appended to m's list, which moves. An error where a name that results is taken. */
void address_parts(struct model *m, struct diag *d);

/* Choose the public addresses that are 0, and every NIC's default outbound address. */
void address_public(struct model *m, const struct address_prior *prior, struct diag *d);

#endif
