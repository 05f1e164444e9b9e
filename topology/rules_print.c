/* rules_print.c - effective security rules as Azure's command line prints them (F-11), and as a table.
 *
 * JSON: one object per association of a group, the subnet's before the NIC's, both directions in evaluation
 * order; before them one per network manager whose rules the network has (G-16). "Any" is 0.0.0.0/0 and
 * 0-65535, a protocol of any kind "All"; where a side names a tag its content stands in the expanded list,
 * which is null otherwise; members of application security groups stand in the prefix list itself, as the
 * tools show them.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "topology/rules.h"
#include "topology/tabulate.h"

static const char *protocol_word(uint8_t p)
{
    switch (p) {
    case 0:
        return "All";
    case 1:
        return "Icmp";
    case 6:
        return "Tcp";
    case 17:
        return "Udp";
    case 50:
        return "Esp";
    case 51:
        return "Ah";
    default:
        return "?";
    }
}

static const char *direction_word(enum direction d)
{
    return d == DIR_INBOUND ? "Inbound" : "Outbound";
}

static const char *access_word(enum access x)
{
    return x == ACCESS_ALLOW ? "Allow" : x == ACCESS_DENY ? "Deny" : "AlwaysAllow";
}

/* -- JSON ------------------------------------------------------------------------------------------------ */

/* A list, and beside it its only element or null: the two forms in which Azure gives each side. */
static void json_both(json_t *o, const char *one, const char *many, json_t *list)
{
    json_object_set_new(o, one,
                        json_array_size(list) == 1 ? json_incref(json_array_get(list, 0)) : json_null());
    json_object_set_new(o, many, list);
}

static json_t *json_set(struct prefix_set s)
{
    json_t *list = json_array();
    char text[PREFIX4_STRLEN];
    for (size_t i = 0; i < s.n; i++)
        json_array_append_new(list, json_string(prefix4_format(s.at[i], text)));
    return list;
}

static json_t *json_addresses(const struct eff_side *s)
{
    if (s->grouped)
        return json_set(s->set);
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_text; i++)
        json_array_append_new(list, json_string(strcmp(s->text[i], "*") == 0 ? "0.0.0.0/0" : s->text[i]));
    return list;
}

static json_t *json_ports(const struct eff_side *s)
{
    json_t *list = json_array();
    char text[16];
    for (size_t i = 0; i < s->n_port; i++) {
        snprintf(text, sizeof text, "%u-%u", (unsigned)s->port[i].first, (unsigned)s->port[i].last);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static json_t *json_expanded(const struct eff_side *s)
{
    return s->tagged ? json_set(s->set) : json_null();
}

static json_t *json_rule(const struct eff_rule *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "access", json_string(access_word(r->access)));
    json_both(o, "destinationAddressPrefix", "destinationAddressPrefixes", json_addresses(&r->destination));
    json_both(o, "destinationPortRange", "destinationPortRanges", json_ports(&r->destination));
    json_object_set_new(o, "direction", json_string(direction_word(r->direction)));
    json_object_set_new(o, "expandedDestinationAddressPrefix", json_expanded(&r->destination));
    json_object_set_new(o, "expandedSourceAddressPrefix", json_expanded(&r->source));
    json_object_set_new(o, "name",
                        json_sprintf("%s/%s",
                                     r->admin  ? "securityAdminRules"
                                     : r->rule ? "securityRules"
                                               : "defaultSecurityRules",
                                     r->name));
    json_object_set_new(o, "priority", json_integer((json_int_t)r->priority));
    json_object_set_new(o, "protocol", json_string(protocol_word(r->protocol)));
    json_both(o, "sourceAddressPrefix", "sourceAddressPrefixes", json_addresses(&r->source));
    json_both(o, "sourcePortRange", "sourcePortRanges", json_ports(&r->source));
    return o;
}

/* {"id": ..., "resourceGroup": ...}; kind is the path below Microsoft.Network. */
static json_t *json_ref(const char *subscription, const char *group, const char *kind, const char *parent,
                        const char *child)
{
    json_t *o = json_object();
    json_object_set_new(
        o, "id",
        json_sprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/%s/%s%s%s",
                     subscription, group, kind, parent, child ? "/subnets/" : "", child ? child : ""));
    json_object_set_new(o, "resourceGroup", json_string(group));
    return o;
}

static json_t *json_association(const struct nic_rules *r, bool at_nic)
{
    const struct nic *nic = r->nic;
    const struct vnet *v = nic->subnet->vnet;
    json_t *o = json_object();
    json_object_set_new(
        o, "networkInterface",
        at_nic ? json_ref(nic->subscription, nic->resourceGroup, "networkInterfaces", nic->name, NULL)
               : json_null());
    json_object_set_new(o, "networkManager", json_null());
    json_object_set_new(
        o, "subnet",
        at_nic ? json_null()
               : json_ref(v->subscription, v->resourceGroup, "virtualNetworks", v->name, nic->subnet->name));
    return o;
}

static json_t *json_group(const struct nic_rules *r, const struct nsg *nsg, bool at_nic)
{
    json_t *rules = json_array(), *o = json_object();
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; r->at[i]->nsg && (r->at[i]->nic != NULL) == at_nic && k < r->at[i]->n; k++)
            json_array_append_new(rules, json_rule(&r->at[i]->rule[k]));
    json_object_set_new(o, "association", json_association(r, at_nic));
    json_object_set_new(o, "effectiveSecurityRules", rules);
    json_object_set_new(
        o, "networkSecurityGroup",
        json_ref(nsg->subscription, nsg->resourceGroup, "networkSecurityGroups", nsg->name, NULL));
    json_object_set_new(o, "tagMap", json_null());
    return o;
}

/* What one network manager has for the network, in both directions (G-16). */
static json_t *json_manager(const struct nic_rules *r, const struct network_manager *m)
{
    json_t *rules = json_array(), *o = json_object();
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->at[i]->n; k++)
            if (r->at[i]->rule[k].admin && r->at[i]->rule[k].admin->collection->config->manager == m)
                json_array_append_new(rules, json_rule(&r->at[i]->rule[k]));
    json_object_set_new(
        o, "association",
        json_pack("{s:n, s:o, s:n}", "networkInterface", "networkManager",
                  json_ref(m->subscription, m->resourceGroup, "networkManagers", m->name, NULL), "subnet"));
    json_object_set_new(o, "effectiveSecurityRules", rules);
    json_object_set_new(o, "networkSecurityGroup", json_null());
    json_object_set_new(o, "tagMap", json_null());
    return o;
}

/* The managers whose rules come first, each once, in the order in which they are tried. */
static void json_managers(json_t *value, const struct nic_rules *r)
{
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; !r->at[i]->nsg && k < r->at[i]->n; k++) {
            const struct network_manager *m = r->at[i]->rule[k].admin->collection->config->manager;
            bool told = false;
            for (size_t j = 0; j <= i; j++)
                for (size_t l = 0; !r->at[j]->nsg && l < (j == i ? k : r->at[j]->n); l++)
                    told |= r->at[j]->rule[l].admin->collection->config->manager == m;
            if (!told)
                json_array_append_new(value, json_manager(r, m));
        }
}

int rules_print_json(FILE *to, const struct nic_rules *r)
{
    const struct nsg *subnet = r->nic->subnet->networkSecurityGroup, *own = r->nic->networkSecurityGroup;
    json_t *value = json_array(), *top = json_object();
    json_managers(value, r);
    if (subnet)
        json_array_append_new(value, json_group(r, subnet, false));
    if (own)
        json_array_append_new(value, json_group(r, own, true));
    json_object_set_new(top, "nextLink", json_null());
    json_object_set_new(top, "value", value);
    int bad = json_dumpf(top, to, JSON_INDENT(2) | JSON_SORT_KEYS);
    fputc('\n', to);
    json_decref(top);
    int rc = stream_status(to);
    return bad && !rc ? -EIO : rc;
}

/* -- table ----------------------------------------------------------------------------------------------- */

static const char *join_text(struct arena *a, const struct eff_side *s)
{
    const char *all = s->n_text ? s->text[0] : "";
    for (size_t i = 1; i < s->n_text; i++)
        all = arena_printf(a, "%s %s", all, s->text[i]);
    return all;
}

static const char *join_ports(struct arena *a, const struct eff_side *s)
{
    const char *all = "";
    for (size_t i = 0; i < s->n_port; i++) {
        unsigned first = s->port[i].first, last = s->port[i].last;
        const char *gap = i ? " " : "";
        if (first == 0 && last == 65535)
            all = arena_printf(a, "%s%s*", all, gap);
        else if (first == last)
            all = arena_printf(a, "%s%s%u", all, gap, first);
        else
            all = arena_printf(a, "%s%s%u-%u", all, gap, first, last);
    }
    return all;
}

static const char *place_text(struct arena *a, const struct eff_rules *e)
{
    if (!e->nsg)
        return e->view.vnet->name;
    if (e->nic)
        return e->nic->name;
    return arena_printf(a, "%s/%s", e->view.vnet->name, e->view.subnet->name);
}

static const char *defined_text(struct arena *a, const struct eff_rule *r)
{
    if (!r->rule)
        return "default";
    return r->origin.file ? arena_printf(a, "%s:%u", r->origin.file, r->origin.line) : "";
}

enum { COLS = 12 };

static void table_row(struct arena *a, const char **cell, const struct eff_rules *e, const struct eff_rule *r)
{
    const char *row[COLS] = {
        direction_word(r->direction),
        place_text(a, e),
        r->group,
        arena_printf(a, "%u", r->priority),
        r->name,
        access_word(r->access),
        protocol_word(r->protocol),
        join_text(a, &r->source),
        join_ports(a, &r->source),
        join_text(a, &r->destination),
        join_ports(a, &r->destination),
        defined_text(a, r),
    };
    memcpy(cell, row, sizeof row);
}

int rules_print_table(FILE *to, const struct nic_rules *r)
{
    static const char *const head[COLS] = {"Direction", "Place",       "Group",       "Priority",
                                           "Name",      "Access",      "Protocol",    "Source",
                                           "Ports",     "Destination", "Dest. Ports", "Defined"};
    struct arena *a = arena_new("rule table");
    size_t n = 0, at = 0;
    for (size_t i = 0; i < r->n; i++)
        n += r->at[i]->n;
    const char **cell = arena_array(a, n * COLS, sizeof *cell);
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->at[i]->n; k++)
            table_row(a, cell + COLS * at++, r->at[i], &r->at[i]->rule[k]);
    int rc = tabulate(to, head, COLS, cell, n);
    arena_free(a);
    return rc;
}
