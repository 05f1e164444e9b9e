/* types_int.h - the rows of the table of resource types; seen by types*.c and their tests only. */
#ifndef VNETSIM_TOPOLOGY_TYPES_INT_H
#define VNETSIM_TOPOLOGY_TYPES_INT_H

#include "topology/types.h"

enum rule_flag {
    RULE_EACH_REGION = 1 << 0, /* once for the location and each replica */
    RULE_GIVEN = 1 << 1,       /* the name cannot be derived: only fqdns brings it */
    RULE_NO_REDIRECT = 1 << 2, /* public DNS never points at the private name (N-12) */
    RULE_ADDRESS = 1 << 3,     /* each of its names has an address of its own */
    RULE_BLOB = 1 << 4,        /* its member is one of the endpoint that comes along for blobs, */
    RULE_QUEUE = 1 << 5,       /* or for queues */
};

/* One public name of a sub-resource: record + "." + suffix, in private record + "." + zone. Texts are
 * patterns: {name} the resource and {region}, {geo} (a region's short code) stand for one label or part of
 * one, {any} for any labels. No record: a zone that is accepted and that nothing is derived from. No suffix:
 * a member without a name. */
struct name_rule {
    const char *member, *record, *suffix, *zone;
    unsigned flags;
};

#define RULES(...)                                                                                           \
    (const struct name_rule[])                                                                               \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            NULL, NULL, NULL, NULL, 0                                                                        \
        }                                                                                                    \
    }
#define GROUPS(...)                                                                                          \
    (const struct sub_resource[])                                                                            \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            NULL, NULL, NULL                                                                                 \
        }                                                                                                    \
    }
#define NAMES(...)                                                                                           \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

/* -- patterns (types_pattern.c) -------------------------------------------------------------------------- */

enum { VAR_NAME, VAR_REGION, VAR_GEO, VAR_ANY, VAR_COUNT };

/* What the placeholders stand for, borrowed texts without NUL; length 0: not known. */
struct vars {
    struct {
        const char *at;
        size_t n;
    } v[VAR_COUNT];
};

/* Let a placeholder stand for text; NULL or "": not known. */
void pattern_set(struct vars *v, int which, const char *text);

/* => the pattern filled in, owned by the arena; NULL if a placeholder of it is not known. */
const char *pattern_fill(struct arena *a, const char *pattern, const struct vars *v);

/* => whether all of s has the form of the pattern p (without case); v then holds what the placeholders stand
 * for, the first where a kind occurs twice. */
bool pattern_match(const char *p, const char *s, struct vars *v);

/* -- the table (types_table.c) --------------------------------------------------------------------------- */

extern const struct resource_type type_table[];
extern const size_t type_count;
extern const struct service_endpoint_namespace namespace_table[];
extern const size_t namespace_count;

#endif
