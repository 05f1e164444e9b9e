/* schema_int.h - how the rows of schema*.c are written. F: a row whose key is its member's name; K: another
 * key; C: a key that is checked and not stored. The doc sentence is given last. */
#ifndef VNETSIM_TOPOLOGY_SCHEMA_INT_H
#define VNETSIM_TOPOLOGY_SCHEMA_INT_H

#include "topology/bind_finish.h"
#include "topology/model.h"
#include "topology/schema.h"

#define MEMBER(T, m) .offset = offsetof(struct T, m), .size = sizeof(((struct T *)0)->m)
#define F(T, m, k, ...)                                                                                      \
    {                                                                                                        \
        .key = #m, .kind = k, MEMBER(T, m), __VA_ARGS__                                                      \
    }
#define K(name, T, m, k, ...)                                                                                \
    {                                                                                                        \
        .key = name, .kind = k, MEMBER(T, m), __VA_ARGS__                                                    \
    }
#define C(name, k, ...)                                                                                      \
    {                                                                                                        \
        .key = name, .kind = k, __VA_ARGS__                                                                  \
    }
#define GIVEN(T, m)  .given = offsetof(struct T, m) + 1
#define PLACE(T)     .at = offsetof(struct T, at) + 1
#define NODE(T)      .node = offsetof(struct T, node) + 1
#define PARENT(T, m) .parent = offsetof(struct T, m) + 1
#define ROWS(f)      .field = f, .n = sizeof(f) / sizeof(f)[0]

#define NAME(T) F(T, name, K_NAME, .required = true, .doc = "The name that references use.")
#define PLACEMENT(T)                                                                                         \
    F(T, location, K_REGION, .doc = "Azure region; default: its virtual network's, else the scenario's."),   \
        F(T, subscription, K_TEXT, .doc = "Subscription; default: the scenario's."),                         \
        F(T, resourceGroup, K_TEXT, .doc = "Resource group; default: the scenario's."),                      \
        F(T, tenant, K_TEXT, .doc = "Tenant; default: the scenario's.")

extern const struct word words_direction[], words_nexthop[], words_enabled[], words_sku[], words_endpoint_policies[];
extern const struct table table_links, table_switches;

#endif
