/* node.h - the document tree: what a YAML (or JSON) file says, with the place where it says it.
 *
 * Loading, timeline changes and printing all work on this tree; the model (model.h) is bound from it. Nodes belong to
 * the arena they were made in and are shared freely; changed trees are made by copying. */
#ifndef VNETSIM_TOPOLOGY_NODE_H
#define VNETSIM_TOPOLOGY_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct diag;

struct origin {
    const char *file;   /* as the user named it; NULL: not from a file */
    uint32_t line, col; /* from 1; col counts characters */
};

enum node_kind { NODE_SCALAR, NODE_SEQ, NODE_MAP };

struct node {
    enum node_kind kind;
    struct origin at;
    const char *text;         /* scalar: its text; quoted says whether it was quoted */
    bool quoted;
    bool derived;             /* put in by the model: an address (or list of them) that was allocated earlier */
    struct node **item;       /* sequence: items; map: values, key[i] names item[i] */
    struct node **key;        /* map only: scalar nodes, in file order */
    size_t n;
};

/* Parse one YAML document of UTF-8 text. path "-" reads standard input. Errors (syntax, duplicate keys, anchors loops,
 * several documents, tags other than core) go to d with file, line and column.
 * => the root, owned by a; NULL after an error that leaves no tree. */
struct node *node_load(struct arena *a, const char *path, struct diag *d);
/* The same from memory; name is used in messages. */
struct node *node_parse(struct arena *a, const char *name, const char *text, size_t len, struct diag *d);

/* => the value of key in a map, or NULL; names compare exactly. NULL map gives NULL. */
struct node *node_get(const struct node *map, const char *key);
/* => the key's own node (for its place), or NULL. */
struct node *node_key(const struct node *map, const char *key);
/* => a deep copy. */
struct node *node_copy(struct arena *a, const struct node *n);
/* => a new scalar with a copy of text; a new sequence or map of n items, all NULL (keys too), to be filled. */
struct node *node_scalar(struct arena *a, struct origin at, const char *text);
struct node *node_list(struct arena *a, enum node_kind kind, struct origin at, size_t n);
/* => a shallow copy of a map with key set to value (replaced in place, or added last), or with key left out. map may be
 * NULL for an empty one. */
struct node *node_with(struct arena *a, const struct node *map, const char *key, struct node *value);
struct node *node_without(struct arena *a, const struct node *map, const char *key);
/* => whether n says nothing: NULL, or an unquoted empty scalar, `~` or `null`. */
bool node_is_null(const struct node *n);

#endif
