/* tags.h - service tags: names for sets of Azure's public prefixes. Design essay: tags.c.
 *
 * A set is the built-in subset or the file that Azure publishes weekly. It belongs to the arena that it was
 * made in and is never changed afterwards. Names are compared without case, as ARM does. */
#ifndef VNETSIM_TOPOLOGY_TAGS_H
#define VNETSIM_TOPOLOGY_TAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/addr.h"
#include "dataplane/arena.h"

/* Where Azure says that a tag may be used (networkFeatures of the published file). */
enum tag_feature {
    TAG_API = 1 << 0, /* listed by the service-tag API */
    TAG_NSG = 1 << 1, /* in security rules */
    TAG_UDR = 1 << 2, /* as prefix of a user-defined route */
    TAG_FW = 1 << 3,  /* in Azure Firewall rules */
    TAG_VSE = 1 << 4, /* the service has service endpoints: set on nine global tags */
};

struct tag_range {
    ip4 first, last; /* both inclusive */
};

struct tag {
    const char *name;    /* as published: Storage.WestEurope */
    const char *service; /* the name without region: Storage; of AzureFrontDoor.Frontend all of it */
    const char *region;  /* the suffix of the name, canonical (regions.h): westeurope; "" in a global tag */
    const char *system_service; /* as published: AzureStorage; may be "" */
    unsigned features;          /* of enum tag_feature */

    const struct prefix4 *prefixes4; /* by address, then length; no prefix twice */
    size_t n;
    const char *const *prefixes6; /* kept as text, in the order of the source; they have no effect yet */
    size_t count6;
    const struct tag_range *ranges; /* what prefixes4 cover: ascending, neither overlapping nor adjacent */
    size_t n_ranges;
};

struct tagset {
    const char *source;            /* the path, or a text that says which built-in data it is */
    const char *cloud;             /* "Public" */
    long long change;              /* change number of the published file */
    size_t published;              /* tags in the source */
    size_t n;                      /* tags in the set: published and the platform tags, which no file lists */
    const struct tag *const *tags; /* ordered by name without case */
    struct tag_registry *registry; /* private to tags.c */
};

/* => the built-in subset: enough for service endpoints and the usual rules in six regions. Cannot fail. */
struct tagset *tagset_builtin(struct arena *a);

/* Read Azure's published file (JSON, or the same compressed with xz). => the set, or NULL with a message in
 * err: "PATH:LINE:COLUMN: text" for what is not JSON, "PATH: text" for the rest. errlen > 0. */
struct tagset *tagset_load(struct arena *a, const char *path, char *err, size_t errlen);

/* => the tag of that name, NULL none. Computed tags (tag_is_computed) are never in a set. */
const struct tag *tagset_find(const struct tagset *s, const char *name);

/* => the tag of a service in a region (any spelling of regions.h), by the suffix of the tag's name; NULL
 * none. */
const struct tag *tagset_regional(const struct tagset *s, const char *service, const char *region);

/* => the name nearest to an unknown one, for a message; computed tags count; NULL none near. */
const char *tagset_suggest(const struct tagset *s, const char *name);

/* => whether the tag holds the address. Binary search, no allocation. */
bool tagset_covers(const struct tag *t, ip4 a);

/* => whether the name is VirtualNetwork, Internet or AzureLoadBalancer: sets of addresses that follow from
 * the model (G-09 to G-11), not from a list. */
bool tag_is_computed(const char *name);

#endif
