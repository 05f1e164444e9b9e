/* address.h - which address a resource gets that names none. Design essay: address.c.
 *
 * Private addresses follow A-01: the first four and the last address of each subnet prefix are the
 * platform's, the lowest free one is next. Public addresses are chosen by a hash of the resource's name among
 * the prefixes of a service tag, so that they do not move when other resources come or go. */
#ifndef VNETSIM_TOPOLOGY_ADDRESS_H
#define VNETSIM_TOPOLOGY_ADDRESS_H

#include "topology/diag.h"
#include "topology/model.h"

/* An address that a file fixes somewhere, whether or not the resource exists in this state: timeline entries
 * count. */
struct address_fixed {
    const char *subnet; /* "hub/clients", compared without case; NULL: a public address */
    ip4 ip;
};
struct address_prior {
    const struct address_fixed *at;
    size_t n;
};

/* Complete the addresses of a bound model whose members are 0 (lists: empty or shorter than they must be)
 * where the file gives none. Addresses allocated in an earlier state are set by the caller before, with
 * `allocated` as it was.
 *
 * Order (scenario contract): fixed addresses first (those of the model and of prior; prior NULL: none), then
 * gateway instances in GatewaySubnet, NICs, internal load-balancer frontends, private link service NAT
 * addresses and private endpoints, each in file order. A private endpoint ends with one entry per member of
 * its resource (types.h), in member order, and is followed, at the end of the list, by the endpoints that it brings
 * along (A-13: members of theirs are then theirs); a private link service without natIPs gets one. Then public
 * addresses: services out of their type's tag for their region, else of the whole tag (generic types:
 * TEST-NET-1, 192.0.2.0/24); public IP resources and default outbound addresses out of AzureCloud.<region>,
 * else AzureCloud (no such tag: the benchmark block, 198.18.0.0/15).
 *
 * Every address chosen here is marked `allocated`, is used once, and is the same for the same model on every
 * machine. Errors with place go to d: a subnet that has run out of addresses, a memberName that is unknown,
 * missing or there twice; what could not be given stays 0. Resources whose references are broken (NULL) are
 * skipped. Reads m->tags. Memory from m->arena. */
void address_assign(struct model *m, const struct address_prior *prior, struct diag *d);

/* => the public address under which a NIC without another way out reaches the Internet (O-06), whether or not
 * it uses it: set by address_assign, stable for the NIC's name and region, different from every other address
 * of the model. */
ip4 address_default_outbound(const struct model *m, const struct nic *nic);

/* => whether ip is in one of the subnet's prefixes; whether it is there and a resource may have it. */
bool address_in_subnet(const struct subnet *s, ip4 ip);
bool address_usable(const struct subnet *s, ip4 ip);

/* => the network's subnet for gateways, by its fixed name; NULL: it has none, or v is NULL. */
struct subnet *address_gateway_subnet(const struct vnet *v);

/* => how many resource addresses a prefix has: 2^(32-len) - 5, 0 where that is negative. */
uint64_t address_capacity(struct prefix4 p);

#endif
