/* routes_print.c - effective routes as Azure's command line prints them.
 *
 * The table joins the prefixes of a row with blanks, however many there are. Gateway rows appear once per
 * instance (Y-11). JSON has the keys of F-01 in alphabetical order; a user route by service tag names the tag
 * in destinationServiceTags.
 */
#include "topology/routes.h"
#include "topology/tabulate.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* How many times a row is shown, and which next hops the i-th showing has. */
static size_t showings(const struct eff_route *r)
{
    return r->source == ROUTE_GATEWAY && r->n_next_hop > 1 ? r->n_next_hop : 1;
}

static size_t hops_shown(const struct eff_route *r, size_t i, const ip4 **hop)
{
    bool split = showings(r) > 1;
    *hop = r->next_hop + (split ? i : 0);
    return split ? 1 : r->n_next_hop;
}

static const char *join_prefixes(struct arena *a, const struct eff_route *r)
{
    char *text = arena_alloc(a, r->n_prefix * PREFIX4_STRLEN + 1), *at = text;
    for (size_t i = 0; i < r->n_prefix; i++) {
        if (i)
            *at++ = ' ';
        at += strlen(prefix4_format(r->prefix[i], at));
    }
    return text;
}

static const char *join_hops(struct arena *a, const ip4 *hop, size_t n)
{
    char *text = arena_alloc(a, n * IP4_STRLEN + 1), *at = text;
    for (size_t i = 0; i < n; i++) {
        if (i)
            *at++ = ' ';
        at += strlen(ip4_format(hop[i], at));
    }
    return text;
}

int routes_print_table(FILE *to, const struct eff_table *t)
{
    static const char *const head[] = {"Source", "State", "Address Prefix", "Next Hop Type", "Next Hop IP"};
    const size_t cols = sizeof head / sizeof head[0];
    struct arena *a = arena_new("route table");
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += showings(&t->row[i]);
    const char **cell = arena_array(a, n * cols, sizeof *cell), **at = cell;
    for (size_t i = 0; i < t->n; i++) {
        const struct eff_route *r = &t->row[i];
        const char *prefixes = join_prefixes(a, r);
        for (size_t k = 0; k < showings(r); k++, at += cols) {
            const ip4 *hop;
            size_t hops = hops_shown(r, k, &hop);
            at[0] = route_source_word(r->source);
            at[1] = route_state_word(r->state);
            at[2] = prefixes;
            at[3] = nexthop_type_word(r->type);
            at[4] = join_hops(a, hop, hops);
        }
    }
    int rc = tabulate(to, head, cols, cell, n);
    arena_free(a);
    return rc;
}

static json_t *json_prefixes(const struct eff_route *r)
{
    json_t *list = json_array();
    char text[PREFIX4_STRLEN];
    for (size_t i = 0; i < r->n_prefix; i++)
        json_array_append_new(list, json_string(prefix4_format(r->prefix[i], text)));
    return list;
}

static json_t *json_hops(const ip4 *hop, size_t n)
{
    json_t *list = json_array();
    char text[IP4_STRLEN];
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(ip4_format(hop[i], text)));
    return list;
}

static json_t *json_row(const struct eff_table *t, const struct eff_route *r, size_t showing)
{
    const struct route_table *table = t->view.subnet ? t->view.subnet->routeTable : NULL;
    const ip4 *hop;
    size_t hops = hops_shown(r, showing, &hop);
    json_t *tags = json_array(), *o = json_object();
    if (r->source == ROUTE_USER && r->tag)
        json_array_append_new(tags, json_string(r->tag));
    json_object_set_new(o, "addressPrefix", json_prefixes(r));
    json_object_set_new(o, "destinationServiceTags", tags);
    json_object_set_new(o, "disableBgpRoutePropagation",
                        json_boolean(table && table->disableBgpRoutePropagation));
    json_object_set_new(o, "hasBgpOverride", json_false());
    json_object_set_new(o, "name", r->name ? json_string(r->name) : json_null());
    json_object_set_new(o, "nextHopIpAddress", json_hops(hop, hops));
    json_object_set_new(o, "nextHopType", json_string(nexthop_type_word(r->type)));
    json_object_set_new(o, "source", json_string(route_source_word(r->source)));
    json_object_set_new(o, "state", json_string(route_state_word(r->state)));
    json_object_set_new(o, "tagMap", json_object());
    return o;
}

int routes_print_json(FILE *to, const struct eff_table *t)
{
    json_t *value = json_array(), *top = json_object();
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < showings(&t->row[i]); k++)
            json_array_append_new(value, json_row(t, &t->row[i], k));
    json_object_set_new(top, "nextLink", json_null());
    json_object_set_new(top, "value", value);
    int bad = json_dumpf(top, to, JSON_INDENT(2) | JSON_SORT_KEYS);
    fputc('\n', to);
    json_decref(top);
    int rc = stream_status(to);
    return bad && !rc ? -EIO : rc;
}
