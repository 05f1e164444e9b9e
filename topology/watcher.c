/* watcher.c - see watcher.h.
 *
 * Both answers are read off the lists that the simulation is compiled from, so they cannot differ from what
 * packets meet. They say less than a simulated packet does: next hop does not ask whether anybody takes the
 * packet there, IP flow verify does not ask for routes. That is how Azure's tools work, and why `trace`
 * exists. */
#include "topology/watcher.h"

#include <errno.h>
#include <jansson.h>

#include "dataplane/rng.h"
#include "topology/tabulate.h"

const char *watcher_type_word(enum nexthop_type t)
{
    switch (t) {
    case NH_TYPE_VNET_LOCAL:
        return "VirtualNetwork";
    case NH_TYPE_VNET_PEERING:
    case NH_TYPE_VNET_GLOBAL_PEERING:
        return "VirtualNetworkPeering";
    case NH_TYPE_NONE:
    case NH_TYPE_INTERNET:
    case NH_TYPE_VIRTUAL_APPLIANCE:
    case NH_TYPE_VIRTUAL_NETWORK_GATEWAY:
    case NH_TYPE_SERVICE_ENDPOINT:
    case NH_TYPE_INTERFACE_ENDPOINT:
    case NH_TYPE_CONNECTED_GROUP:
    case NH_TYPE_COUNT:
        break;
    }
    return nexthop_type_word(t);
}

static bool is_host_agent(ip4 a)
{
    return a == IP4_PLATFORM || a == IP4_IMDS;
}

/* -- next hop -------------------------------------------------------------------------------------------- */

static const char *route_id(struct arena *a, const struct route_table *t, const struct route *r)
{
    return arena_printf(
        a, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/routeTables/%s/routes/%s",
        t->subscription, t->resourceGroup, t->name, r->name);
}

struct watcher_hop watcher_next_hop(struct arena *a, const struct model *m, const struct nic *nic, ip4 to)
{
    struct watcher_hop h = {.type = watcher_type_word(NH_TYPE_VNET_LOCAL), .route_table = "System Route"};
    if (is_host_agent(to))
        return h;
    const struct eff_route *row = routes_select(routes_effective(a, m, nic->subnet), to, NULL);
    if (row && row->slice_of)
        row = row->slice_of;
    h.row = row;
    h.type = watcher_type_word(row ? row->type : NH_TYPE_NONE);
    if (row && row->n_next_hop)
        h.address = row->next_hop[0];
    if (row && row->route)
        h.route_table = route_id(a, nic->subnet->routeTable, row->route);
    return h;
}

static int print_json(FILE *to, json_t *o)
{
    int bad = !o || json_dumpf(o, to, JSON_INDENT(2));
    fputc('\n', to);
    json_decref(o);
    int rc = stream_status(to);
    return bad && !rc ? -EIO : rc;
}

int watcher_print_hop(FILE *to, const struct watcher_hop *h, bool json)
{
    char text[IP4_STRLEN];
    const char *address = h->address ? ip4_format(h->address, text) : NULL;
    if (json)
        return print_json(to, json_pack("{s:s?, s:s, s:s}", "nextHopIpAddress", address, "nextHopType",
                                        h->type, "routeTableId", h->route_table));
    const char *const head[] = {"NextHopIpAddress", "NextHopType", "RouteTableId"};
    const char *const cell[] = {address, h->type, h->route_table};
    return tabulate(to, head, 3, cell, 1);
}

/* -- IP flow verify -------------------------------------------------------------------------------------- */

/* Inbound, the rules of a group that names the platform are all asked about it. */
static bool passes_by(const struct eff_rules *r, ip4 remote)
{
    bool platform = false;
    for (size_t i = 0; i < r->n; i++)
        platform |= rules_touch_platform(&r->rule[i], PLATFORM_DNS) ||
                    rules_touch_platform(&r->rule[i], PLATFORM_IMDS);
    return is_host_agent(remote) && !platform;
}

/* => the rule that decides; NULL: the group is not asked (G-14). */
static const struct eff_rule *match(struct arena *a, const struct eff_rules *r,
                                    const struct watcher_packet *p)
{
    if (p->direction == DIR_OUTBOUND && is_host_agent(p->remote))
        r = rules_for_agent(a, r, p->remote);
    if (p->direction == DIR_OUTBOUND)
        return r->n == 1 ? NULL
                         : rules_match(r, p->protocol, p->local, p->local_port, p->remote, p->remote_port);
    return passes_by(r, p->remote)
               ? NULL
               : rules_match(r, p->protocol, p->remote, p->remote_port, p->local, p->local_port);
}

/* => the admin rule that matches; NULL: none, or it is the host agent's traffic. */
static const struct eff_rule *match_admin(const struct eff_rules *r, const struct watcher_packet *p)
{
    if (is_host_agent(p->remote))
        return NULL;
    return p->direction == DIR_OUTBOUND
               ? rules_match_admin(r, p->protocol, p->local, p->local_port, p->remote, p->remote_port)
               : rules_match_admin(r, p->protocol, p->remote, p->remote_port, p->local, p->local_port);
}

static bool inbound_closed(const struct nic *nic, const struct watcher_packet *p)
{
    return p->direction == DIR_INBOUND && nic->publicIPAddress && nic->publicIPAddress->sku == SKU_STANDARD &&
           !nic->networkSecurityGroup && !nic->subnet->networkSecurityGroup && ip4_is_public(p->remote);
}

struct watcher_check watcher_verify(struct arena *a, const struct model *m, const struct nic *nic,
                                    const struct watcher_packet *p)
{
    struct watcher_check c = {.allow = !inbound_closed(nic, p)};
    const struct nic_rules *groups = rules_of_nic(a, m, nic);
    for (size_t i = 0; i < groups->n && c.allow; i++) {
        const struct eff_rules *r = groups->at[i];
        const struct eff_rule *rule = r->direction != p->direction ? NULL
                                      : r->nsg                     ? match(a, r, p)
                                                                   : match_admin(r, p);
        if (!rule)
            continue;
        c.rule = rule;
        c.allow = rule->access != ACCESS_DENY;
        if (rule->access == ACCESS_ALWAYS_ALLOW) /* no group is asked (G-16) */
            break;
    }
    return c;
}

const char *watcher_rule_name(struct arena *a, const struct eff_rule *r)
{
    return arena_printf(a, "%s/%s",
                        r->admin                ? "securityAdminRules"
                        : r->which == RULE_USER ? "securityRules"
                                                : "defaultSecurityRules",
                        r->name);
}

int watcher_print_check(FILE *to, const struct watcher_check *c, bool json)
{
    struct arena *a = arena_new("check");
    const char *access = c->allow ? "Allow" : "Deny", *name = c->rule ? watcher_rule_name(a, c->rule) : NULL;
    const char *const head[] = {"Access", "RuleName", "NetworkSecurityGroup"};
    const char *const cell[] = {access, name, c->rule ? c->rule->group : NULL};
    int rc = json ? print_json(to, json_pack("{s:s, s:s?}", "access", access, "ruleName", name))
                  : tabulate(to, head, 3, cell, 1);
    arena_free(a);
    return rc;
}

/* -- identifiers ----------------------------------------------------------------------------------------- */

void watcher_guid(const char *of, char *out)
{
    const uint64_t x = hash_text(of), y = hash_mix(x);
    snprintf(out, WATCHER_GUID_LEN, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(x >> 32),
             (unsigned)(x >> 16 & 0xffff), (unsigned)(x & 0xfff), 0x8000u | (unsigned)(y >> 48 & 0x3fff),
             (unsigned long long)(y & 0xffffffffffff));
}
