/* schema.h - the grammar of scenario files as tables: one row per key, one table per map.
 *
 * The loader, its messages, the canonical printer, timeline paths and the JSON Schema for editors all work
 * from these rows, so that none of them can know a key that another does not. Rows are in canonical order.
 * Design essay: schema.c. */
#ifndef VNETSIM_TOPOLOGY_SCHEMA_H
#define VNETSIM_TOPOLOGY_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bind;
struct node;
struct table;

enum kind {
    K_TEXT,       /* const char * */
    K_NAME,       /* the resource's name; stored by the binder */
    K_BOOL,       /* bool */
    K_NUMBER,     /* uint16_t, uint32_t or uint64_t, from min to max */
    K_WORD,       /* one of words; bool, uint8_t or an enumeration */
    K_DURATION,   /* int64_t, ns */
    K_SIZE,       /* uint64_t, bytes */
    K_BANDWIDTH,  /* uint64_t, bit/s */
    K_FRACTION,   /* double, 0 to 1 */
    K_TIME,       /* int64_t, unix ns */
    K_REGION,     /* const char *, canonical */
    K_IP,         /* ip4 */
    K_PREFIX,     /* struct prefix4 */
    K_PORTS,      /* struct port_spec */
    K_PORT_MATCH, /* struct port_match: '*', 80, 80-90 */
    K_ADDRESS,    /* struct address_match: '*', prefix, service tag */
    K_ROUTE,      /* route.addressPrefix or route.tag */
    K_REF,        /* pointer to an element of the target table */
    K_TARGET,     /* private_endpoint.service, .pls and .byAlias */
    K_STRUCT,     /* a map with a table of its own (sub), in place; or a list of them */
    K_PAIRS,      /* struct tag_pair: a map of texts */
    K_COUNTS,     /* a map of verdicts to numbers; checked only */
    K_EXPECT,     /* struct flow_expect with sub as its table */
    K_ANY         /* whatever it is; looked at elsewhere */
};

struct word {
    const char *word; /* canonical spelling; NULL ends the list */
    int value;
};

struct field {
    const char *key;
    enum kind kind;
    uint16_t offset, size; /* of the member; size 0: checked, not stored */
    bool list;             /* a sequence, stored as LIST */
    bool one;              /* a single value stored in a LIST: addressPrefix for addressPrefixes */
    bool lenient;          /* a list that may be written as a single value */
    bool required;
    bool bare;           /* K_PORTS: bare protocols are allowed, '-icmp' is not */
    bool section;        /* of the root: a list of resources, or links; may be included and changed in time */
    uint16_t given;      /* offset + 1 of a bool that is set when the key is there */
    const char *synonym; /* the key it stands for; renamed before anything else */
    const char *def;     /* default, as one would write it; lists: separated by commas; NULL: none */
    const struct word *words;
    const struct table *sub, *target;
    uint64_t min, max; /* K_NUMBER; max 0: what the member holds */
    const char *doc;   /* one sentence */
};

struct table {
    const char *what; /* "subnet", as messages call it */
    const struct field *field;
    size_t n;
    size_t size;          /* of the struct */
    const char *identity; /* the key that names an element in references and timeline paths, NULL none */
    bool resource;        /* the struct begins with RESOURCE */
    bool top;             /* and goes on with TOP_LEVEL */
    bool repeats;         /* names need not be unique */
    bool thing;           /* shares the name space of from, to, via */
    uint16_t at, node,
        parent; /* offset + 1 of struct origin, const struct node *, pointer to the parent's struct */
    void (*finish)(struct bind *b, void *obj, const struct node *map); /* after the fields, or NULL */
};

/* The whole file; one timeline entry; the tables that others need to name. */
extern const struct table table_root, table_change, table_vnet, table_subnet, table_peering, table_nic,
    table_route_table, table_nsg, table_rule, table_asg, table_public_ip, table_nat_gateway, table_lb,
    table_frontend, table_pool, table_probe, table_pls, table_service, table_endpoint, table_pe_ip,
    table_zone, table_zone_link, table_record, table_policy, table_gateway, table_onprem, table_onprem_host,
    table_internet_host, table_dns_server, table_flow, table_flow_expect, table_expectation, table_capture,
    table_flow_log, table_subscription, table_network_manager, table_network_group;

/* One timeline entry as it is written; all but `at` may be NULL. */
struct change_spec {
    int64_t at;
    const char *update, *add, *remove, *approve, *reject, *disconnect, *failover;
};

/* => the row of key, or NULL; keys compare exactly. */
const struct field *table_field(const struct table *t, const char *key);
/* => the nearest key for a message, or NULL; with sections, among those of the root only. */
const char *table_suggest(const struct table *t, const char *key, bool sections);
/* => the value of a word without case, or NULL. */
const struct word *word_find(const struct word *w, const char *text);

/* Call back for every key of the grammar, depth first in canonical order. path is
 * "virtualNetworks[].subnets[].name". Tables that occur in several places are walked in each. */
void schema_walk(void (*each)(void *arg, const char *path, const struct table *t, const struct field *f),
                 void *arg);

#endif
