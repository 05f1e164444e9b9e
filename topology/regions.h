/* regions.h - Azure's public regions: names, short codes, pairs. Facts and their sources: regions.c. */
#ifndef VNETSIM_TOPOLOGY_REGIONS_H
#define VNETSIM_TOPOLOGY_REGIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/arena.h"

struct region {
    const char *name;    /* ARM's: westeurope */
    const char *display; /* the portal's: West Europe */
    const char *code;    /* in names of Backup and Automation: we; "" not published */
    const char *cloud; /* how the AzureCloud service tags spell it (AzureCloud.germanywc); mostly the name */
    const char *pair;  /* name of the region that replicates this one, NULL none; not always mutual */
};

/* => the region, by name, display name or tag spelling, without regard to case and blanks; NULL unknown. */
const struct region *region_find(const char *text);

/* => the name in canonical form: that of a known region; of an unknown one, text in lower case without blanks
 * (a region newer than the table works, without pair and code). Owned by the arena or static. */
const char *region_canonical(struct arena *a, const char *text);

/* => the region that text's region is paired with (regions.c), NULL unknown or
 * unpaired. One-way pairs: region_pair("brazilsouth") is southcentralus, whose own pair is northcentralus. */
const char *region_pair(const char *text);

/* => whether both texts name the same region, known or not. */
bool region_same(const char *a, const char *b);

/* => the nearest known name for a message, NULL none near. */
const char *region_suggest(const char *text);

/* The known regions in the order of their names. => NULL past the last. */
const struct region *region_at(size_t i);

#endif
