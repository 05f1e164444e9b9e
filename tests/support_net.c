/* support_net.c - see support_net.h. Lists have room for NET_MAX elements from the start, so that pointers
 * between resources stay good. */
#include "tests/support_net.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topology/tags.h"

static void die(const char *what, const char *text)
{
    fprintf(stderr, "support_net: %s '%s'\n", what, text);
    abort();
}

#define ADD(m, list)                                                                                         \
    (add_check((list).n), (list).at = add_room(m, (list).at, sizeof *(list).at), &(list).at[(list).n++])

static void add_check(size_t n)
{
    if (n >= NET_MAX)
        die("too many", "resources");
}

static void *add_room(struct model *m, void *at, size_t size)
{
    return at ? at : arena_array(m->arena, NET_MAX, size);
}

ip4 net_ip(const char *text)
{
    ip4 ip;
    if (ip4_parse(text, &ip))
        die("address", text);
    return ip;
}

struct prefix4 net_prefix(const char *text)
{
    struct prefix4 p;
    if (prefix4_parse(text, &p))
        die("prefix", text);
    return p;
}

/* Call each for the words of a text. */
static void words(struct model *m, const char *text, void (*each)(struct model *, void *, const char *),
                  void *to)
{
    while (text && *text) {
        size_t n = strcspn(text, " ");
        each(m, to, arena_strndup(m->arena, text, n));
        text += n + strspn(text + n, " ");
    }
}

static void add_prefix(struct model *m, void *to, const char *word)
{
    prefix_list *l = to;
    *ADD(m, *l) = net_prefix(word);
}

static void add_ip(struct model *m, void *to, const char *word)
{
    ip4_list *l = to;
    *ADD(m, *l) = net_ip(word);
}

static void add_word(struct model *m, void *to, const char *word)
{
    str_list *l = to;
    *ADD(m, *l) = word;
}

struct model *net_new(void)
{
    struct arena *a = arena_new("test model");
    struct model *m = arena_alloc(a, sizeof *m);
    char err[200];
    m->arena = a;
    m->switches.virtualNetworkTagIncludesUdr = m->switches.ruleChangeKeepsFlows = true;
    m->tags = tagset_load(a, "tests/golden/routes/tags.json", err, sizeof err);
    if (!m->tags)
        die("tags", err);
    return m;
}

void net_free(struct model *m)
{
    arena_free(m->arena);
}

static struct origin line_of(size_t n)
{
    return (struct origin){"test.yaml", (uint32_t)n, 1};
}

struct vnet *net_vnet(struct model *m, const char *name, const char *location, const char *prefixes)
{
    struct vnet *v = ADD(m, m->virtualNetworks);
    v->name = name;
    v->location = location;
    v->index = (uint32_t)(m->virtualNetworks.n - 1);
    v->at = line_of(v->index + 1);
    v->subscription = "sub";
    v->resourceGroup = "rg";
    v->virtualNetworkPeerings.at = arena_array(m->arena, NET_MAX, sizeof *v->virtualNetworkPeerings.at);
    words(m, prefixes, add_prefix, &v->addressPrefixes);
    return v;
}

struct subnet *net_subnet(struct model *m, struct vnet *v, const char *name, const char *prefixes)
{
    struct subnet *s = ADD(m, v->subnets);
    s->name = name;
    s->vnet = v;
    s->id = (uint32_t)m->subnet_count++;
    s->defaultOutboundAccess = true;
    words(m, prefixes, add_prefix, &s->addressPrefixes);
    return s;
}

struct peering *net_link(struct vnet *a, struct vnet *b)
{
    struct peering *p = &a->virtualNetworkPeerings.at[a->virtualNetworkPeerings.n++];
    add_check(a->virtualNetworkPeerings.n);
    p->remoteVirtualNetwork = b;
    p->allowVirtualNetworkAccess = true;
    return p;
}

struct peering *net_peer(struct vnet *a, struct vnet *b)
{
    struct peering *p = net_link(a, b);
    p->reverse = net_link(b, a);
    p->reverse->reverse = p;
    return p;
}

void net_list(struct model *m, subnet_list *l, struct subnet *s)
{
    *ADD(m, *l) = s;
}

struct nic *net_nic(struct model *m, const char *name, struct subnet *s, const char *ip)
{
    struct nic *nic = ADD(m, m->networkInterfaces);
    nic->name = name;
    nic->subnet = s;
    nic->subscription = "sub";
    nic->resourceGroup = "rg";
    nic->privateIPAddress = net_ip(ip);
    return nic;
}

struct lb_frontend *net_frontend(struct model *m, const char *name, struct subnet *s, const char *ip)
{
    struct load_balancer *lb = ADD(m, m->loadBalancers);
    struct lb_frontend *fe = ADD(m, lb->frontendIPConfigurations);
    lb->name = fe->name = name;
    fe->lb = lb;
    fe->subnet = s;
    fe->privateIPAddress = net_ip(ip);
    return fe;
}

struct route_table *net_table(struct model *m, struct subnet *s)
{
    if (!s->routeTable) {
        s->routeTable = ADD(m, m->routeTables);
        s->routeTable->name = arena_printf(m->arena, "%s-rt", s->name);
    }
    return s->routeTable;
}

struct route *net_route(struct model *m, struct subnet *s, const char *name, const char *to,
                        enum nexthop_type type, const char *hop)
{
    struct route_table *t = net_table(m, s);
    struct route *r = ADD(m, t->routes);
    r->name = name;
    r->at = line_of(100 + t->routes.n);
    r->nextHopType = type;
    if (isdigit((unsigned char)to[0]))
        r->addressPrefix = net_prefix(to);
    else
        r->tag = to;
    if (hop)
        r->nextHopIpAddress = net_ip(hop);
    return r;
}

void net_service(struct model *m, struct subnet *s, const char *service, const char *locations)
{
    struct service_endpoint *se = ADD(m, s->serviceEndpoints);
    se->service = service;
    words(m, locations, add_word, &se->locations);
}

struct private_endpoint *net_endpoint(struct model *m, const char *name, struct subnet *s, const char *ips)
{
    struct private_endpoint *pe = ADD(m, m->privateEndpoints);
    ip4_list l = {NULL, 0};
    pe->name = name;
    pe->subnet = s;
    words(m, ips, add_ip, &l);
    for (size_t i = 0; i < l.n; i++) {
        struct pe_ip *ip = ADD(m, pe->ipConfigurations);
        ip->memberName = "";
        ip->privateIPAddress = l.at[i];
    }
    return pe;
}

struct gateway *net_gateway(struct model *m, struct vnet *v, enum gateway_type type, const char *public_ip,
                            const char *instances)
{
    struct gateway *g = ADD(m, m->virtualNetworkGateways);
    g->name = "gw";
    g->virtualNetwork = v;
    g->type = type;
    words(m, instances, add_ip, &g->instances);
    g->activeActive = g->instances.n > 1;
    if (public_ip) {
        g->publicIPAddress = ADD(m, m->publicIPAddresses);
        g->publicIPAddress->ipAddress = net_ip(public_ip);
    }
    return g;
}

struct onprem *net_onprem(struct model *m, struct gateway *g, const char *name, const char *prefixes)
{
    struct onprem *o = ADD(m, m->onPremisesNetworks);
    o->name = name;
    o->bgp = true;
    words(m, prefixes, add_prefix, &o->addressPrefixes);
    *ADD(m, g->connections) = o;
    return o;
}

struct nsg *net_nsg(struct model *m, const char *name)
{
    struct nsg *g = ADD(m, m->networkSecurityGroups);
    g->name = name;
    g->subscription = "sub";
    g->resourceGroup = "rg";
    g->at = line_of(200);
    return g;
}

static void add_match(struct model *m, void *to, const char *word)
{
    struct security_rule *r = to;
    struct address_match *x = ADD(m, r->source);
    if (strcmp(word, "*") == 0) {
        x->kind = MATCH_ANY;
    } else if (isdigit((unsigned char)word[0])) {
        x->kind = MATCH_PREFIX;
        x->prefix = net_prefix(word);
    } else {
        x->kind = MATCH_TAG;
        x->tag = word;
    }
}

static void add_port(struct model *m, void *to, const char *word)
{
    struct security_rule *r = to;
    struct port_match *p = ADD(m, r->destinationPorts);
    unsigned first = 0, last = 65535;
    int n = strcmp(word, "*") == 0 ? 2 : sscanf(word, "%u-%u", &first, &last);
    *p = (struct port_match){(uint16_t)first, (uint16_t)(n == 2 ? last : first)};
}

struct security_rule *net_rule(struct model *m, struct nsg *g, const char *name, uint32_t priority,
                               enum direction d, enum access access, uint8_t proto, const char *src,
                               const char *dst, const char *ports)
{
    struct security_rule *r = ADD(m, g->securityRules);
    r->name = name;
    r->priority = priority;
    r->direction = d;
    r->access = access;
    r->protocol = proto;
    r->at = line_of(200 + g->securityRules.n);
    words(m, dst, add_match, r);
    memcpy(&r->destination, &r->source, sizeof r->destination);
    memset(&r->source, 0, sizeof r->source);
    words(m, src, add_match, r);
    *ADD(m, r->sourcePorts) = (struct port_match){0, 65535};
    words(m, ports, add_port, r);
    return r;
}

struct asg *net_asg(struct model *m, const char *name)
{
    struct asg *g = ADD(m, m->applicationSecurityGroups);
    g->name = name;
    return g;
}

void net_join(struct model *m, asg_list *l, struct asg *g)
{
    *ADD(m, *l) = g;
}

/* -- what came out --------------------------------------------------------------------------------------- */

static void print_row(FILE *f, const struct eff_route *r)
{
    char text[PREFIX4_STRLEN];
    fprintf(f, "%s %s ", route_source_word(r->source), route_state_word(r->state));
    for (size_t i = 0; i < r->n_prefix; i++)
        fprintf(f, "%s%s", i ? "," : "", prefix4_format(r->prefix[i], text));
    fprintf(f, " %s", nexthop_type_word(r->type));
    for (size_t i = 0; i < r->n_next_hop; i++)
        fprintf(f, " %s", ip4_format(r->next_hop[i], text));
    fprintf(f, "%s%s\n", r->name ? " " : "", r->name ? r->name : "");
}

const char *net_rows(struct model *m, const struct subnet *s)
{
    const struct eff_table *t = routes_effective(m->arena, m, s);
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    for (size_t i = 0; i < t->n; i++)
        print_row(f, &t->row[i]);
    fclose(f);
    const char *copy = arena_strdup(m->arena, text);
    free(text);
    return copy;
}

const char *net_way(struct model *m, const struct subnet *s, const char *dst)
{
    struct prefix4 matched;
    char text[PREFIX4_STRLEN];
    const struct eff_route *r = routes_select(routes_effective(m->arena, m, s), net_ip(dst), &matched);
    if (!r)
        return "nowhere";
    return arena_printf(m->arena, "%s %s%s%s", nexthop_type_word(r->type), prefix4_format(matched, text),
                        r->drop ? " " : "", reason_word(r->drop));
}

const struct eff_route *net_row(struct model *m, const struct subnet *s, enum route_source source,
                                const char *prefix)
{
    const struct eff_table *t = routes_effective(m->arena, m, s);
    const struct eff_route *found = NULL;
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].source == source && prefix4_eq(t->row[i].prefix[0], net_prefix(prefix))) {
            if (found)
                die("two rows", prefix);
            found = &t->row[i];
        }
    return found;
}
