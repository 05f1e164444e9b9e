/* tags_int.h - building a tag set; seen by tags*.c and their tests only. */
#ifndef VNETSIM_TOPOLOGY_TAGS_INT_H
#define VNETSIM_TOPOLOGY_TAGS_INT_H

#include "topology/tags.h"

#define TAG_NAME_LIMIT 128 /* bytes with the NUL; the longest published name has 47 characters */

struct tag_entry;

/* => a set without tags. source is borrowed. */
struct tagset *tags_new(struct arena *a, const char *source);

/* => a new entry, NULL if there is a tag of that name, or the name is empty or too long. name and system are
 * copied. expect: how many prefixes will follow, a hint. */
struct tag_entry *tags_add(struct tagset *s, const char *name, const char *system, unsigned features,
                           size_t expect);

/* => the entry of that name, NULL none. */
struct tag_entry *tags_entry(struct tagset *s, const char *name);

/* => the tag under construction: name, service, region and features are set. */
const struct tag *tags_tag(const struct tag_entry *e);

/* Add one prefix, IPv4 or IPv6. => NULL, or what is wrong with the text (a literal). */
const char *tags_prefix(struct tagset *s, struct tag_entry *e, const char *text);

/* => the feature of that published name, 0 unknown. */
unsigned tags_feature(const char *name);

/* Add the platform tags, sort and merge everything. => s, complete. Nothing may be added afterwards. */
struct tagset *tags_finish(struct tagset *s);

#endif
