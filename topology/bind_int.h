/* bind_int.h - the binder's inside: seen by bind*.c. */
#ifndef VNETSIM_TOPOLOGY_BIND_INT_H
#define VNETSIM_TOPOLOGY_BIND_INT_H

#include "dataplane/arena.h"
#include "topology/bind.h"
#include "topology/registry.h"

struct list { /* what every LIST(T) looks like */
    void *at;
    size_t n;
};

struct frame { /* one map that is being bound */
    const struct table *t;
    const struct node *map; /* NULL: not there, only defaults are set */
    void *obj;              /* NULL: checked, not stored */
    const char *path;       /* "hub/clients"; NULL where an ancestor has no name */
    struct frame *up;
    bool element; /* of a list: what fails is left out as a whole */
    bool failed;
};

struct bind {
    struct arena *a;
    struct model *m; /* NULL: references are not resolved */
    struct diag *d;
    struct frame *frame;
    struct bound out;
};

/* First pass over a map (bind_plan.c): lay out the lists below it in obj, enter their elements under path. */
void plan_map(struct bind *b, const struct table *t, const struct node *map, void *obj, const char *path);

/* => the value of a key, NULL where it is absent or null; its text, NULL where it is no scalar either. */
const struct node *bind_value_of(const struct node *map, const char *key);
const char *bind_text_of(const struct node *map, const char *key);

/* Report an error; the element that is being bound is then left out of what is checked further. */
void bind_fail(struct bind *b, struct origin at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same for a key that the current element needs and does not have; silent where an unknown key was meant
 * for it. */
void bind_lacks(struct bind *b, const char *key);

/* Read a text as the row's kind into to, a member of size bytes. => 0, -EINVAL, -ERANGE. References are not
 * read here. */
int value_read(struct bind *b, const struct field *f, const char *text, void *to, size_t size);
/* Say why value_read did not take the text. */
void value_complain(struct bind *b, const struct field *f, const struct node *n, int why);
/* => the size of one element of the row's list. */
size_t value_size(const struct field *f);
/* Resolve a reference of the current frame. => the struct, or NULL after an error. */
void *ref_resolve(struct bind *b, const struct field *f, const struct node *n);
/* private_endpoint.service, .pls, .byAlias. */
void ref_target(struct bind *b, const struct node *n);

#endif
