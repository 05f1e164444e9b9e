/* include.h - one document out of a file and the files that it includes. */
#ifndef VNETSIM_TOPOLOGY_INCLUDE_H
#define VNETSIM_TOPOLOGY_INCLUDE_H

#include "topology/node.h"

/* Load path with its includes: resources of included files come before the file's own, the file's own links
 * and service tags win. Synonyms are renamed, single values that stand for lists become lists. Paths within
 * the document stay relative to the main file. Errors go to d. => the document, owned by a; NULL if the main
 * file gives none. */
struct node *include_load(struct arena *a, const char *path, struct diag *d);
/* The same with the main file's text from memory; name is used in messages and includes are relative to it.
 */
struct node *include_parse(struct arena *a, const char *name, const char *text, size_t len, struct diag *d);

/* => path as seen from the directory of the file base ("-": the working directory). Absolute paths stay. */
const char *include_path(struct arena *a, const char *base, const char *path);

#endif
