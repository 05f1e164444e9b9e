/* types.h - what the model knows of platform services: resource types, the sub-resources that private
 * endpoints connect to, their members, public names, private DNS zones, and service-endpoint namespaces. The
 * facts: types_table.c; design essay: types.c.
 *
 * Texts in, texts out: nothing here knows scenarios. Type names, group ids, member names and DNS names are
 * compared without case. Results belong to the arena or are static. Regions may be given in any spelling of
 * regions.h. */
#ifndef VNETSIM_TOPOLOGY_TYPES_H
#define VNETSIM_TOPOLOGY_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/arena.h"

struct name_rule; /* types_int.h */

struct sub_resource {
    const char *group;             /* groupId as ARM writes it; "" for a private link service (A-16) */
    const char *alias;             /* another accepted spelling, or NULL */
    const struct name_rule *rules; /* private */
};

struct resource_type {
    const char *name;               /* as ARM writes it: Microsoft.Storage/storageAccounts */
    const char *title;              /* Azure Storage */
    const char *const *aliases;     /* other accepted spellings, NULL-terminated, or NULL */
    const char *endpoint_namespace; /* Microsoft.Storage; NULL: no service endpoint (SE-04) */
    const char *tag;      /* service tag that holds its public addresses; AzureCloud where none is its own */
    const char *frontend; /* domain of its made-up front ends, see type_frontend_name() */
    const struct sub_resource *groups; /* ends with a NULL group */
};

/* -- types --------------------------------------------------------------------------------------------- */

/* => the type, NULL for one that is not known: such a service is generic, its names are what fqdns says. */
const struct resource_type *type_find(const char *arm_type);

/* => the nearest known type name for a message, NULL none near. */
const char *type_suggest(const char *arm_type);

/* The known types in the order of the table. => NULL past the last. */
const struct resource_type *type_at(size_t i);

/* => the sub-resource of that group id, NULL if the type (not NULL) has none of that name. */
const struct sub_resource *type_group(const struct resource_type *t, const char *group);

/* => the nearest group id of the type for a message, NULL none near. */
const char *type_group_suggest(const struct resource_type *t, const char *group);

/* -- members ------------------------------------------------------------------------------------------- */

/* The members of an endpoint of that group, one private address each, in the order of allocation: one named
 * like the group for most; A-11 (registry and one data endpoint per region), A-12 (Cosmos DB: the account and
 * one per region), A-13 (AzureBackup: eleven, blob and queue of its storage among them; names that a scenario
 * gives may have more). Regions are location and replicas, each once; location may be "" or NULL. Of an
 * unknown type (NULL) or group: one member named like the group.
 * => their number, at least 1; *out owned by the arena. */
size_t type_members(struct arena *a, const struct resource_type *t, const char *group, const char *resource,
                    const char *location, const char *const *replicas, size_t n_replicas, const char ***out);

/* The endpoints that one of that group brings along in Azure, besides the one asked for: "blob" and "queue"
 * for AzureBackup (A-13), none for others.
 * => their number, at most max; out gets static names. */
size_t type_parts(const struct resource_type *t, const char *group, const char **out, size_t max);

/* => which of them has the member; "": the one asked for. */
const char *type_member_part(const struct resource_type *t, const char *group, const char *member);

/* => the member that a memberName of a file means: the one of that name, or, where there is one only, also
 * for NULL, "" and "default" (which ARM uses for some types); NULL none. */
const char *type_member(const char *const *members, size_t n, const char *given);

/* -- names --------------------------------------------------------------------------------------------- */

struct service_name {
    const char *fqdn;   /* public name: myregistry.westeurope.data.azurecr.io */
    const char *group;  /* whose endpoint answers for it; "": any endpoint of the service */
    const char *member; /* which of its addresses; "": any, the first */
    const char
        *privatelink_fqdn; /* myregistry.westeurope.data.privatelink.azurecr.io; NULL: has no private name */
    const char *zone; /* usual private zone of that: privatelink.azurecr.io; NULL with privatelink_fqdn */
    bool own_address; /* member is this name's alone, and may be one that type_members does not list (A-13) */
    bool redirect;    /* public DNS has a CNAME from fqdn to privatelink_fqdn once there is an endpoint (N-01,
                       * N-02);    false: never (Backup, N-12), or fqdn is the private name itself */
};

/* The public names that the naming rule of the type gives a resource, in lower case, by group, then member. A
 * name that needs a region is left out where there is no location.
 * => their number; 0 for NULL, private link services and types that have names by fqdns only (Backup, N-12).
 */
size_t type_names(struct arena *a, const struct resource_type *t, const char *resource, const char *location,
                  const char *const *replicas, size_t n_replicas, struct service_name **out);

/* The same for names given by a scenario (fqdns). A name that follows a rule of the type (a suffix, or the
 * private zone itself) gets group, member and zone from it, names that fit several members in their order,
 * further ones of a Backup vault a member of their own; another one is a plain public name of the service.
 * Names of an unknown type (NULL) get a zone by the usual form, api.example.org ->
 * api.privatelink.example.org.
 * => n. */
size_t type_names_given(struct arena *a, const struct resource_type *t, const char *const *fqdns, size_t n,
                        struct service_name **out);

/* => the name of the regional front end that the public chain ends in before its address record (S4's dig
 * output shows such a chain). Azure's own names (blob.ams09prdstr05a.store.core.windows.net, a traffic
 * manager, a cluster) name machinery that the model does not have: this one is made up,
 * <resource>.<region>.fe.<domain of the service>, the same for all names of a resource. t may be NULL;
 * location may be "" or NULL and is left out then. */
const char *type_frontend_name(struct arena *a, const struct resource_type *t, const char *resource,
                               const char *location);

/* -- zones --------------------------------------------------------------------------------------------- */

/* The usual private zones of an endpoint of that group (NULL: of every group), each once.
 * => their number; 0 for an unknown type. */
size_t type_zones(struct arena *a, const struct resource_type *t, const char *group, const char *location,
                  const char *const *replicas, size_t n_replicas, const char ***out);

/* => whether zone is a private zone of the type (and of the group, unless NULL), in any region; forms of
 * older documents ({region}.privatelink.azurecr.io) count. */
bool type_zone_known(const struct resource_type *t, const char *group, const char *zone);

/* => whether zone has a label "privatelink": the zones that NxDomainRedirect is for (N-05). */
bool zone_is_privatelink(const char *zone);

/* => the name of the record in zone that stands for fqdn ("myregistry.westeurope.data" in
 * privatelink.azurecr.io), "@" for the zone's own name, NULL if fqdn is not below zone. */
const char *zone_record(struct arena *a, const char *fqdn, const char *zone);

/* -- service-endpoint namespaces ----------------------------------------------------------------------- */

/* Which regions an endpoint reaches that names none (SE-05). */
enum namespace_scope { NAMESPACE_OWN, NAMESPACE_PAIRED, NAMESPACE_ALL };

struct service_endpoint_namespace {
    const char *name;    /* Microsoft.Storage */
    const char *tags[3]; /* the service tags whose prefixes it routes, NULL-terminated (Y-13) */
    enum namespace_scope scope;
};

/* => the namespace of a serviceEndpoints entry, NULL unknown; the nearest name for a message; the i-th, NULL
 * past the last. */
const struct service_endpoint_namespace *namespace_find(const char *name);
const char *namespace_suggest(const char *name);
const struct service_endpoint_namespace *namespace_at(size_t i);

/* The regions of an endpoint in a network of region own: own, and its pair where the scope says so.
 * => their number in out; 0 means all regions. */
size_t namespace_regions(struct arena *a, const struct service_endpoint_namespace *ns, const char *own,
                         const char *out[2]);

#endif
