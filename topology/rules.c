/* rules.c - effective security rules.
 *
 * Purpose. A rule says "VirtualNetwork", "Storage.WestEurope" or "the web servers"; packets carry addresses.
 * Here each rule of a group is written out for one place in the network, so that Azure's effective-rules
 * output (F-11), the trace and the packet classifier all read the same list.
 *
 * Representation. Evaluation order is explicit: user rules by priority (unique per direction, G-01), then the
 * three defaults of the direction (G-02). Each side of a rule is a prefix set in normal form plus the text it
 * came from; groups of NICs become their members' addresses (G-13). One list per (group, subnet, direction):
 * the subnet matters because VirtualNetwork does (G-09).
 *
 * Invariants. The last rule matches every packet, so a lookup always ends in a rule. A side without any
 * address (a group without members, a tag without IPv4 prefixes) makes a rule that never matches, not one
 * that always does: whoever feeds a classifier in which an empty list means "any" leaves such rules out.
 *
 * Cost. A service tag is copied and sorted for each rule that names it; AzureCloud has about ten thousand
 * prefixes. Lists are made once per compiled image, not per packet.
 *
 * Odd cases.
 * - Protocols without ports meet a rule's ports only where these leave none out.
 * - Platform addresses are in VirtualNetwork and AzureLoadBalancer, but platform traffic does not come here
 *   unless a rule names a platform tag (G-14): rules_touch_platform says which.
 * - Security admin rules (G-16) are lists like those of groups, without defaults: what none of them matches
 *   goes on to the groups. They are seen from a subnet, too, because their tags are.
 */
#include "topology/rules.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct default_def {
    enum default_rule which;
    const char *name;
    uint32_t priority;
    enum direction direction;
    enum access access;
    const char *src, *dst; /* a tag, or NULL for any */
} defaults[] = {
    {RULE_ALLOW_VNET_IN, "AllowVnetInBound", 65000, DIR_INBOUND, ACCESS_ALLOW, "VirtualNetwork",
     "VirtualNetwork"},
    {RULE_ALLOW_LB_IN, "AllowAzureLoadBalancerInBound", 65001, DIR_INBOUND, ACCESS_ALLOW, "AzureLoadBalancer",
     NULL},
    {RULE_DENY_ALL_IN, "DenyAllInBound", 65500, DIR_INBOUND, ACCESS_DENY, NULL, NULL},
    {RULE_ALLOW_VNET_OUT, "AllowVnetOutBound", 65000, DIR_OUTBOUND, ACCESS_ALLOW, "VirtualNetwork",
     "VirtualNetwork"},
    {RULE_ALLOW_INTERNET_OUT, "AllowInternetOutBound", 65001, DIR_OUTBOUND, ACCESS_ALLOW, NULL, "Internet"},
    {RULE_DENY_ALL_OUT, "DenyAllOutBound", 65500, DIR_OUTBOUND, ACCESS_DENY, NULL, NULL},
};

static const struct prefix4 everything = {0, 0};
static const struct port_match all_ports = {0, 65535};

/* -- sides ----------------------------------------------------------------------------------------------- */

struct side_build {
    struct arena *a;
    const struct model *m;
    struct route_view view;
    struct eff_side side;
    const char **text;
    size_t cap;
};

static void side_text(struct side_build *b, const char *text)
{
    *(const char **)arena_push(b->a, &b->text, &b->side.n_text, &b->cap, sizeof *b->text) = text;
    b->side.text = b->text;
}

static void side_set(struct side_build *b, struct prefix_set s)
{
    b->side.set = b->side.set.n ? prefixset_union(b->a, b->side.set, s) : s;
}

static void side_any(struct side_build *b)
{
    b->side.any = true;
    side_set(b, (struct prefix_set){&everything, 1});
    side_text(b, "*");
}

static void side_tag(struct side_build *b, const char *tag)
{
    b->side.tagged = true;
    side_set(b, tagspace_tag(b->a, b->m, b->view, tag));
    side_text(b, tag);
}

static void side_match(struct side_build *b, const struct address_match *x)
{
    switch (x->kind) {
    case MATCH_ANY:
        side_any(b);
        return;
    case MATCH_TAG:
        side_tag(b, x->tag);
        return;
    case MATCH_PREFIX:
    default:
        side_set(b, prefixset_make(b->a, &x->prefix, 1));
        side_text(b, prefix4_format(x->prefix, arena_alloc(b->a, PREFIX4_STRLEN)));
        return;
    }
}

static void side_groups(struct side_build *b, asg_list groups)
{
    for (size_t i = 0; i < groups.n; i++) {
        b->side.grouped = true;
        side_set(b, tagspace_asg(b->a, b->m, groups.at[i]));
        side_text(b, groups.at[i]->name);
    }
}

static void side_ports(struct side_build *b, const struct port_match *port, size_t n)
{
    b->side.port = n ? port : &all_ports;
    b->side.n_port = n ? n : 1;
}

/* -- rules ----------------------------------------------------------------------------------------------- */

static struct eff_rule rule_user(const struct side_build *place, const struct nsg *nsg,
                                 const struct security_rule *r)
{
    struct side_build src = *place, dst = *place;
    for (size_t i = 0; i < r->source.n; i++)
        side_match(&src, &r->source.at[i]);
    for (size_t i = 0; i < r->destination.n; i++)
        side_match(&dst, &r->destination.at[i]);
    side_groups(&src, r->sourceApplicationSecurityGroups);
    side_groups(&dst, r->destinationApplicationSecurityGroups);
    side_ports(&src, r->sourcePorts.at, r->sourcePorts.n);
    side_ports(&dst, r->destinationPorts.at, r->destinationPorts.n);
    return (struct eff_rule){
        .name = r->name,
        .nsg = nsg,
        .group = nsg ? nsg->name : "",
        .rule = r,
        .priority = r->priority,
        .direction = r->direction,
        .access = r->access,
        .protocol = r->protocol,
        .source = src.side,
        .destination = dst.side,
        .origin = r->at,
    };
}

static void side_default(struct side_build *b, const char *tag)
{
    if (tag)
        side_tag(b, tag);
    else
        side_any(b);
    side_ports(b, NULL, 0);
}

static struct eff_rule rule_default(const struct side_build *place, const struct nsg *nsg,
                                    const struct default_def *d)
{
    struct side_build src = *place, dst = *place;
    side_default(&src, d->src);
    side_default(&dst, d->dst);
    return (struct eff_rule){
        .name = d->name,
        .which = d->which,
        .nsg = nsg,
        .group = nsg->name,
        .priority = d->priority,
        .direction = d->direction,
        .access = d->access,
        .source = src.side,
        .destination = dst.side,
        .origin = nsg->at,
    };
}

/* By priority; equal ones (an error elsewhere) in file order. */
static int rule_cmp(const void *x, const void *y)
{
    const struct security_rule *const *a = x, *const *b = y;
    if ((*a)->priority != (*b)->priority)
        return (*a)->priority < (*b)->priority ? -1 : 1;
    return *a < *b ? -1 : *a > *b; /* both in one array: its order */
}

static size_t rules_sorted(struct arena *a, const struct nsg *nsg, enum direction d,
                           const struct security_rule ***out)
{
    size_t n = 0;
    *out = arena_array(a, nsg->securityRules.n, sizeof **out);
    for (size_t i = 0; i < nsg->securityRules.n; i++)
        if (nsg->securityRules.at[i].direction == d)
            (*out)[n++] = &nsg->securityRules.at[i];
    if (n)
        qsort(*out, n, sizeof **out, rule_cmp);
    return n;
}

const struct eff_rules *rules_effective(struct arena *a, const struct model *m, const struct nsg *nsg,
                                        struct route_view v, enum direction d)
{
    const struct side_build place = {.a = a, .m = m, .view = v};
    const struct security_rule **user;
    size_t n_user = rules_sorted(a, nsg, d, &user), n = 0;
    struct eff_rule *rule = arena_array(a, n_user + sizeof defaults / sizeof defaults[0], sizeof *rule);
    for (size_t i = 0; i < n_user; i++)
        rule[n++] = rule_user(&place, nsg, user[i]);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        if (defaults[i].direction == d)
            rule[n++] = rule_default(&place, nsg, &defaults[i]);
    for (size_t i = 0; i < n; i++)
        rule[i].index = (uint32_t)i;
    struct eff_rules *out = arena_alloc(a, sizeof *out);
    *out = (struct eff_rules){.nsg = nsg, .view = v, .direction = d, .rule = rule, .n = n};
    return out;
}

/* -- security admin rules -------------------------------------------------------------------------------- */

bool rules_applies(const struct admin_collection *k, const struct vnet *v)
{
    for (size_t i = 0; i < k->appliesToGroups.n; i++) {
        const struct network_group *g = k->appliesToGroups.at[i].networkGroup;
        for (size_t j = 0; g && j < g->staticMembers.n; j++)
            if (g->staticMembers.at[j] == v)
                return true;
    }
    return false;
}

/* Subnets of services that Azure leaves out, by the names that these need. */
static bool spared(const struct subnet *s)
{
    static const char *const names[] = {"GatewaySubnet", "AzureFirewallSubnet",
                                        "AzureFirewallManagementSubnet", "AzureBastionSubnet",
                                        "RouteServerSubnet"};
    for (size_t i = 0; s && i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(s->name, names[i]) == 0)
            return true;
    return false;
}

struct admin_list {
    const struct admin_rule **at;
    size_t n, cap;
};

static void admin_gather(struct arena *a, struct admin_list *l, const struct network_manager *mgr,
                         const struct vnet *v, enum direction d)
{
    for (size_t i = 0; i < mgr->securityAdminConfigurations.n; i++) {
        const struct admin_config *conf = &mgr->securityAdminConfigurations.at[i];
        for (size_t j = 0; j < conf->ruleCollections.n; j++) {
            const struct admin_collection *k = &conf->ruleCollections.at[j];
            for (size_t r = 0; rules_applies(k, v) && r < k->rules.n; r++)
                if (k->rules.at[r].rule.direction == d)
                    *(const struct admin_rule **)arena_push(a, &l->at, &l->n, &l->cap, sizeof *l->at) =
                        &k->rules.at[r];
        }
    }
}

/* By priority, equal ones as they stand: insertion, for lists of a hundred. */
static void admin_sort(const struct admin_rule **at, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const struct admin_rule *r = at[i];
        size_t k = i;
        for (; k && at[k - 1]->rule.priority > r->rule.priority; k--)
            at[k] = at[k - 1];
        at[k] = r;
    }
}

const struct eff_rules *rules_admin(struct arena *a, const struct model *m, struct route_view v,
                                    enum direction d)
{
    const struct side_build place = {.a = a, .m = m, .view = v};
    struct admin_list l = {0};
    for (size_t i = 0; i < m->networkManagers.n && !spared(v.subnet); i++) {
        const size_t first = l.n;
        admin_gather(a, &l, &m->networkManagers.at[i], v.vnet, d);
        if (l.n)
            admin_sort(l.at + first, l.n - first);
    }
    if (!l.n)
        return NULL;
    struct eff_rule *rule = arena_array(a, l.n, sizeof *rule);
    for (size_t i = 0; i < l.n; i++) {
        const struct admin_collection *k = l.at[i]->collection;
        rule[i] = rule_user(&place, NULL, &l.at[i]->rule);
        rule[i].admin = l.at[i];
        rule[i].index = (uint32_t)i;
        rule[i].group = arena_printf(a, "%s/%s/%s", k->config->manager->name, k->config->name, k->name);
    }
    struct eff_rules *out = arena_alloc(a, sizeof *out);
    *out = (struct eff_rules){.view = v, .direction = d, .rule = rule, .n = l.n};
    return out;
}

/* -- matching -------------------------------------------------------------------------------------------- */

static bool port_in(const struct eff_side *s, uint16_t port)
{
    for (size_t i = 0; i < s->n_port; i++)
        if (s->port[i].first <= port && port <= s->port[i].last)
            return true;
    return false;
}

bool rules_all_ports(const struct eff_side *s)
{
    for (uint32_t next = 0; next <= 65535;) {
        uint32_t from = next;
        for (size_t i = 0; i < s->n_port; i++)
            if (s->port[i].first <= next && next <= s->port[i].last)
                next = (uint32_t)s->port[i].last + 1;
        if (next == from)
            return false;
    }
    return true;
}

static bool side_matches(const struct eff_side *s, bool has_ports, ip4 ip, uint16_t port)
{
    return prefixset_has(s->set, ip) && (has_ports ? port_in(s, port) : rules_all_ports(s));
}

const struct eff_rule *rules_match_admin(const struct eff_rules *r, uint8_t proto, ip4 src, uint16_t sport,
                                         ip4 dst, uint16_t dport)
{
    bool has_ports = proto == 6 || proto == 17;
    for (size_t i = 0; i < r->n; i++) {
        const struct eff_rule *e = &r->rule[i];
        if ((!e->protocol || e->protocol == proto) && side_matches(&e->source, has_ports, src, sport) &&
            side_matches(&e->destination, has_ports, dst, dport))
            return e;
    }
    return NULL;
}

const struct eff_rule *rules_match(const struct eff_rules *r, uint8_t proto, ip4 src, uint16_t sport, ip4 dst,
                                   uint16_t dport)
{
    const struct eff_rule *e = rules_match_admin(r, proto, src, sport, dst, dport);
    return e ? e : &r->rule[r->n - 1];
}

bool rules_touch_platform(const struct eff_rule *r, enum platform_tag which)
{
    static const char *const name[] = {
        [PLATFORM_DNS] = "AzurePlatformDNS",
        [PLATFORM_IMDS] = "AzurePlatformIMDS",
        [PLATFORM_LKM] = "AzurePlatformLKM",
    };
    bool touches = false;
    for (size_t i = 0; r->rule && i < r->rule->source.n; i++)
        touches |=
            r->rule->source.at[i].kind == MATCH_TAG && !strcasecmp(r->rule->source.at[i].tag, name[which]);
    for (size_t i = 0; r->rule && i < r->rule->destination.n; i++)
        touches |= r->rule->destination.at[i].kind == MATCH_TAG &&
                   !strcasecmp(r->rule->destination.at[i].tag, name[which]);
    return touches;
}

static bool destination_names(const struct eff_rule *r, const char *tag)
{
    for (size_t i = 0; r->rule && i < r->rule->destination.n; i++) {
        const struct address_match *d = &r->rule->destination.at[i];
        if (d->kind == MATCH_TAG && !strcasecmp(d->tag, tag))
            return true;
    }
    return false;
}

const struct eff_rules *rules_for_agent(struct arena *a, const struct eff_rules *r, ip4 agent)
{
    struct eff_rule *list = arena_array(a, r->n, sizeof *list);
    struct eff_rules *out = arena_alloc(a, sizeof *out);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (destination_names(&r->rule[i], agent == IP4_PLATFORM ? "AzurePlatformDNS" : "AzurePlatformIMDS"))
            list[n++] = r->rule[i];
    for (size_t i = 0; i < r->n; i++)
        if (r->rule[i].which == RULE_ALLOW_VNET_OUT)
            list[n++] = r->rule[i];
    *out = *r;
    out->rule = list;
    out->n = n;
    return out;
}

/* -- of a NIC -------------------------------------------------------------------------------------------- */

static void place_add(struct arena *a, const struct model *m, struct nic_rules *r, const struct nsg *nsg,
                      enum direction d, bool at_nic)
{
    if (!nsg)
        return;
    struct route_view v = {r->nic->subnet->vnet, r->nic->subnet};
    struct eff_rules *e = arena_alloc(a, sizeof *e);
    *e = *rules_effective(a, m, nsg, v, d);
    e->nic = at_nic ? r->nic : NULL;
    r->at[r->n++] = e;
}

static void place_add_admin(struct arena *a, const struct model *m, struct nic_rules *r, enum direction d)
{
    const struct eff_rules *e =
        rules_admin(a, m, (struct route_view){r->nic->subnet->vnet, r->nic->subnet}, d);
    if (e)
        r->at[r->n++] = e;
}

const struct nic_rules *rules_of_nic(struct arena *a, const struct model *m, const struct nic *nic)
{
    struct nic_rules *r = arena_alloc(a, sizeof *r);
    const struct nsg *own = nic->networkSecurityGroup, *subnet = nic->subnet->networkSecurityGroup;
    r->nic = nic;
    place_add_admin(a, m, r, DIR_INBOUND);
    place_add(a, m, r, subnet, DIR_INBOUND, false);
    place_add(a, m, r, own, DIR_INBOUND, true);
    place_add_admin(a, m, r, DIR_OUTBOUND);
    place_add(a, m, r, own, DIR_OUTBOUND, true);
    place_add(a, m, r, subnet, DIR_OUTBOUND, false);
    return r;
}
