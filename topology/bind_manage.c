/* bind_manage.c - what the tables of network managers cannot say (bind_finish.h). */
#include "topology/bind_finish.h"
#include "topology/bind_int.h"

void finish_admin_address(struct bind *b, void *obj, const struct node *map)
{
    const struct admin_address *x = obj;
    const bool tag = x->addressPrefix.kind == MATCH_TAG;
    const struct node *type = bind_value_of(map, "addressPrefixType");
    if (b->frame->failed || !type || tag == (x->addressPrefixType == ADDRESS_TYPE_TAG))
        return;
    bind_fail(b, type->at, "'%s' is %s", bind_text_of(map, "addressPrefix"),
              tag ? "no IPPrefix: it reads like a service tag" : "no ServiceTag");
}

/* The plain list of a side, '*' where the rule does not say it. */
static struct list side(struct bind *b, const struct admin_address *from, size_t n, const struct node *map)
{
    struct address_match *at = arena_array(b->a, n + 1, sizeof *at);
    for (size_t i = 0; i < n; i++)
        at[i] = from[i].addressPrefix;
    if (!n)
        at[0] = (struct address_match){.kind = MATCH_ANY, .at = map->at};
    return (struct list){at, n ? n : 1};
}

static struct list all_ports(struct bind *b)
{
    struct port_match *any = arena_alloc(b->a, sizeof *any);
    any->last = UINT16_MAX;
    return (struct list){any, 1};
}

#define PUT_LIST(to, l)                                                                                      \
    do {                                                                                                     \
        const struct list put_ = (l);                                                                        \
        (to).at = put_.at;                                                                                   \
        (to).n = put_.n;                                                                                     \
    } while (0)

void finish_admin_rule(struct bind *b, void *obj, const struct node *map)
{
    struct admin_rule *r = obj;
    PUT_LIST(r->rule.source, side(b, r->sources.at, r->sources.n, map));
    PUT_LIST(r->rule.destination, side(b, r->destinations.at, r->destinations.n, map));
    if (!r->rule.sourcePorts.n)
        PUT_LIST(r->rule.sourcePorts, all_ports(b));
    if (!r->rule.destinationPorts.n)
        PUT_LIST(r->rule.destinationPorts, all_ports(b));
}

void finish_connectivity(struct bind *b, void *obj, const struct node *map)
{
    const struct connectivity_config *c = obj;
    const bool spokes = c->connectivityTopology == TOPOLOGY_HUB_AND_SPOKE;
    const struct node *hubs = bind_value_of(map, "hubs");
    if (b->frame->failed)
        return;
    if (spokes && c->hubs.n != 1)
        bind_fail(b, hubs ? hubs->at : map->at, "connectivity configuration '%s' needs one hub", c->name);
    else if (!spokes && c->hubs.n)
        bind_fail(b, hubs->at, "'hubs' is for connectivityTopology HubAndSpoke only");
}
