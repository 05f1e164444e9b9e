/* names.h - names as Azure's DNS answers them, a pure function of the model. Design essay: names.c.
 *
 * Names are compared without case; a trailing dot is accepted. Results are in lower case without it. */
#ifndef VNETSIM_TOPOLOGY_NAMES_H
#define VNETSIM_TOPOLOGY_NAMES_H

#include "dataplane/arena.h"
#include "topology/model.h"
#include "topology/types.h"

struct dns_rr {
    const char *name;
    enum record_type type;
    uint32_t ttl;       /* s */
    ip4 addr;           /* A */
    const char *target; /* CNAME: the name; other types but A: the value as text; A: NULL */
    const char *source; /* "zone privatelink.azurecr.io record myregistry (acr-pe)", "public DNS", ... */
};

enum names_status {
    NAMES_OK,       /* the last records answer the question */
    NAMES_NXDOMAIN, /* the name at the end of the chain does not exist */
    NAMES_NODATA,   /* it has no record of the type; also a chain of aliases without end */
};

struct dns_result {
    enum names_status status;
    struct dns_rr *rr; /* the chain in order: CNAME records, then the answers */
    size_t n;
};

/* Answer a question as 168.63.129.16 does inside a network (N-03), or, with vnet NULL, as public DNS does for
 * everybody else. The result belongs to a; nothing is cached. Cannot fail. Time linear in services and
 * endpoints. */
void names_resolve(struct arena *a, const struct model *m, const struct vnet *vnet, const char *qname,
                   enum record_type qtype, struct dns_result *out);

/* Work out what the zone groups of a model have written into its zones, given the state before (NULL: m is the first).
 * Addresses must be assigned. Fills m->zoneRegistrations, which all answers rest on; memory from m's arena. */
void names_register(struct model *m, const struct model *before);

/* One step of the answer that a server gives which holds those zones (dnsServers): an alias, or the end; status is OK for
 * an alias. The longest zone answers. => false: the name is in none of them. */
bool names_held(struct arena *a, const struct model *m, struct private_zone *const *zone, size_t n, const char *qname,
                enum record_type qtype, struct dns_result *out);

/* What a name belongs to. */
struct name_owner {
    const struct service *service;
    const char *group;  /* sub-resource that the name is for; "": any */
    const char *member; /* member of its endpoints; "": any, the first */
    bool private_name;  /* the privatelink form (N-14) */
};

/* => whether the name is one of a service: public, privatelink, or the front end that ends the public chain;
 * *out then says which. Texts belong to a. */
bool names_owner(struct arena *a, const struct model *m, const char *fqdn, struct name_owner *out);

/* => the service alone, or NULL: the resource that a request for the name is for (PE-06). */
const struct service *names_service_of(const struct model *m, const char *fqdn);

/* All public names of a service: those of its type's rule, then its fqdns (types.h). => their number. */
size_t names_of_service(struct arena *a, const struct service *s, struct service_name **out);

/* => the name in lower case without a trailing dot, owned by a. */
char *names_lower(struct arena *a, const char *s);

/* => the sub-resource that an endpoint connects to: its groupId, as the type spells it; the only one of the
 * type where the file gives none; "" otherwise. Borrowed. */
const char *names_endpoint_group(const struct private_endpoint *e);

#endif
