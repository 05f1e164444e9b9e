/* tags_builtin.h - which published data the built-in subset of service tags (tagset_builtin, tags.h) comes
 * from. */
#ifndef VNETSIM_TOPOLOGY_TAGS_BUILTIN_H
#define VNETSIM_TOPOLOGY_TAGS_BUILTIN_H

#define TAGS_BUILTIN_FILE   "ServiceTags_Public_20251117.json"
#define TAGS_BUILTIN_CHANGE 376

#endif
