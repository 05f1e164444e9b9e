/* resolver.h - who asks whom for names, and what each DNS server of the model answers. Design essay:
 * resolver.c. */
#ifndef VNETSIM_TOPOLOGY_RESOLVER_H
#define VNETSIM_TOPOLOGY_RESOLVER_H

#include "dataplane/dns.h"
#include "dataplane/host.h"
#include "topology/compile.h"
#include "topology/names.h"

/* => how many addresses a machine asks, in that order (at least one); memory from a or the model's. */
size_t resolver_servers(struct arena *a, const struct model *m, struct thing from, const ip4 **out);

/* The address that an on-premises network's hosts ask. => that of the first host that listens on udp/53,
 * *host; else one that the model chose, *host NULL; 0: the network has no hosts. host may be NULL. */
ip4 resolver_onprem(const struct model *m, const struct onprem *o, const struct onprem_host **host);

/* => whether the host is a DNS server: on premises one like its network's resolver; on the Internet, if some
 * resource names its address as a DNS server, a public resolver. */
bool resolver_onprem_host(const struct onprem_host *h);
bool resolver_internet_host(const struct model *m, const struct internet_host *h);

/* Call fn for every address that some resource names as a DNS server, in file order; one may occur again. */
void resolver_each_named(const struct model *m, void (*fn)(void *ctx, ip4 addr), void *ctx);

/* What the DNS server on a NIC passes on, and to whom (0: there is none); what an on-premises network's does.
 * => their number; memory from a, where names belong to the model or to a. */
size_t resolver_forwards_nic(struct arena *a, const struct model *m, const struct nic *nic,
                             const struct dns_forward **out);
size_t resolver_forwards_onprem(struct arena *a, const struct onprem *o, const struct dns_forward **out);

/* Fill in the answer of the DNS server on a port to m's question, asked by the machine on port client
 * (PORT_NONE: by nobody else). *res gets the records with their sources. => false: none of the server's own
 * names, or no DNS server. Memory from a. */
bool resolver_answer(struct arena *a, const struct compiled *c, uint32_t port, uint32_t client,
                     struct dns_msg *m, struct dns_result *res);

/* => the virtual network that a thing is in, or NULL. */
const struct vnet *thing_vnet(struct thing t);

#endif
