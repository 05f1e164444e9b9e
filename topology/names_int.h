/* names_int.h - between names.c (resolving), names_zone.c (private zones) and names_service.c (names of
 * services). */
#ifndef VNETSIM_TOPOLOGY_NAMES_INT_H
#define VNETSIM_TOPOLOGY_NAMES_INT_H

#include "topology/names.h"
#include "topology/types.h"

/* Times to live. Zone groups: N-09. The others after the public answer for a registry that "Private link for
 * a container registry" shows (aliases near one hour, the address 10 s); what no source shows is a choice. */
enum { TTL_ZONE_GROUP = 10, TTL_REGISTERED = 10, TTL_ALIAS = 3600, TTL_FRONT_END = 10, TTL_PUBLIC = 300 };

struct rr_list {
    struct arena *a;
    struct dns_rr *at;
    size_t n, cap;
};
void rr_add(struct rr_list *l, struct dns_rr rr);

/* => whether the service has an endpoint for that sub-resource ("": any) that is known to DNS (N-16). */
bool service_has_endpoint(const struct model *m, const struct service *s, const char *group);

/* Look a name (lower case) up in public DNS: one step, an alias or the answers. => NAMES_OK if records were
 * added (an alias counts), else why not. */
enum names_status public_lookup(struct rr_list *l, const struct model *m, const char *name,
                                enum record_type type);

/* => whether a name is the zone's own or below it (a zoneName), without case. */
bool zone_has(const char *zone, const char *name);

/* => the link of the network to the zone with the longest name that name is in; *zone is that zone. NULL:
 * none. */
const struct zone_link *zone_for(const struct model *m, const struct vnet *v, const char *name,
                                 const struct private_zone **zone);

/* The same as public_lookup in a private zone. */
enum names_status zone_lookup(struct rr_list *l, const struct model *m, const struct private_zone *z,
                              const char *name, enum record_type type);

#endif
