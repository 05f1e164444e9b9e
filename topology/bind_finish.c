/* bind_finish.c - see bind_finish.h. One function per table, in the order of the tables. Members whose keys
 * failed are unset (NULL references, empty lists) and have been complained about: nothing here complains
 * about them again. */
#include "topology/bind_finish.h"

#include "dataplane/rng.h"
#include "topology/bind_int.h"
#include "topology/connected.h"
#include "topology/types.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

static bool given(const struct node *map, const char *key)
{
    return !node_is_null(node_get(map, key));
}

static struct origin place_of(const struct node *map, const char *key)
{
    const struct node *v = node_get(map, key);
    return v ? v->at : map->at;
}

/* An address that an earlier state allocated stands in the tree as if it were given. */
static bool derived(const struct node *map, const char *key)
{
    const struct node *v = node_get(map, key);
    return v && v->derived;
}

static const char *lower(struct bind *b, const char *s)
{
    char *t = arena_strdup(b->a, s);
    for (char *p = t; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return t;
}

/* A resource without location is where its network is. */
static void follow(const char **location, const struct subnet *s)
{
    if (!*location && s)
        *location = s->vnet->location;
}

/* -- networks -------------------------------------------------------------------------------------------- */

void finish_subnet(struct bind *b, void *obj, const struct node *map)
{
    struct subnet *s = obj;
    s->id = (uint32_t)b->m->subnet_count++;
    if (!s->addressPrefixes.n && !given(map, "addressPrefix") && !given(map, "addressPrefixes"))
        bind_lacks(b, "addressPrefix");
}

void finish_nic(struct bind *b, void *obj, const struct node *map)
{
    struct nic *n = obj;
    (void)b;
    n->allocated = derived(map, "privateIPAddress");
    follow(&n->location, n->subnet);
}

void finish_route(struct bind *b, void *obj, const struct node *map)
{
    struct route *r = obj;
    if (!given(map, "nextHopType"))
        return;
    bool appliance = r->nextHopType == NH_TYPE_VIRTUAL_APPLIANCE;
    if (appliance && !given(map, "nextHopIpAddress"))
        bind_fail(b, map->at, "route '%s' lacks 'nextHopIpAddress', which VirtualAppliance needs", r->name);
    if (!appliance && given(map, "nextHopIpAddress") && !b->frame->failed)
        bind_fail(b, place_of(map, "nextHopIpAddress"),
                  "'nextHopIpAddress' is for nextHopType VirtualAppliance only");
}

/* One side of a rule: addresses or groups, '*' where neither is given. */
static void rule_side(struct bind *b, const struct node *map, const char *side, void *list, size_t n,
                      size_t groups)
{
    const char *one = arena_printf(b->a, "%sAddressPrefix", side),
               *many = arena_printf(b->a, "%sAddressPrefixes", side),
               *asg = arena_printf(b->a, "%sApplicationSecurityGroups", side);
    if (n && groups)
        bind_fail(b, place_of(map, asg), "'%s' and '%s' exclude each other", asg,
                  given(map, one) ? one : many);
    if (n || groups || given(map, one) || given(map, asg))
        return;
    struct address_match *any = arena_alloc(b->a, sizeof *any);
    any->at = map->at;
    struct {
        struct address_match *at;
        size_t n;
    } l = {any, 1};
    memcpy(list, &l, sizeof l);
}

static void rule_ports(struct bind *b, const struct node *map, const char *one, void *list, size_t n)
{
    if (n || given(map, one))
        return;
    struct port_match *any = arena_alloc(b->a, sizeof *any);
    any->last = UINT16_MAX;
    struct {
        struct port_match *at;
        size_t n;
    } l = {any, 1};
    memcpy(list, &l, sizeof l);
}

void finish_rule(struct bind *b, void *obj, const struct node *map)
{
    struct security_rule *r = obj;
    rule_side(b, map, "source", &r->source, r->source.n, r->sourceApplicationSecurityGroups.n);
    rule_side(b, map, "destination", &r->destination, r->destination.n,
              r->destinationApplicationSecurityGroups.n);
    rule_ports(b, map, "sourcePortRange", &r->sourcePorts, r->sourcePorts.n);
    rule_ports(b, map, "destinationPortRange", &r->destinationPorts, r->destinationPorts.n);
}

/* -- load balancers -------------------------------------------------------------------------------------- */

void finish_frontend(struct bind *b, void *obj, const struct node *map)
{
    struct lb_frontend *f = obj;
    f->allocated = derived(map, "privateIPAddress");
    bool internal = given(map, "subnet"), is_public = given(map, "publicIPAddress");
    if (internal == is_public)
        bind_fail(b, map->at, "frontend '%s' needs either 'subnet' (internal) or 'publicIPAddress' (public)",
                  f->name);
    else if (is_public && given(map, "privateIPAddress"))
        bind_fail(b, place_of(map, "privateIPAddress"), "a public frontend has no 'privateIPAddress'");
}

void finish_probe(struct bind *b, void *obj, const struct node *map)
{
    struct lb_probe *p = obj;
    const struct node *v = node_get(map, "protocol");
    const struct word *w =
        v && v->kind == NODE_SCALAR ? word_find(table_field(&table_probe, "protocol")->words, v->text) : NULL;
    (void)b;
    p->protocolName = w ? w->word : "Tcp";
}

void finish_lb_rule(struct bind *b, void *obj, const struct node *map)
{
    const struct lb_rule *r = obj;
    if (b->frame->failed)
        return;
    if (r->protocol == 0 && (r->frontendPort || r->backendPort))
        bind_fail(b, place_of(map, "protocol"), "protocol All takes ports 0 (an HA-ports rule)");
    if (r->protocol != 0 && (!r->frontendPort || !r->backendPort))
        bind_fail(b, place_of(map, r->frontendPort ? "backendPort" : "frontendPort"),
                  "port 0 is for protocol All only");
}

void finish_lb(struct bind *b, void *obj, const struct node *map)
{
    struct load_balancer *lb = obj;
    (void)b;
    (void)map;
    for (size_t i = 0; i < lb->frontendIPConfigurations.n; i++)
        follow(&lb->location, lb->frontendIPConfigurations.at[i].subnet);
}

void finish_public_ip(struct bind *b, void *obj, const struct node *map)
{
    (void)b;
    ((struct public_ip *)obj)->allocated = derived(map, "ipAddress");
}

/* -- services and endpoints ------------------------------------------------------------------------------ */

/* => a stable alias: name, a number out of what identifies the resource, region (PE-25). */
static const char *derive_alias(struct bind *b, const char *name, const char *subscription,
                                const char *location)
{
    const char *id = lower(b, arena_printf(b->a, "%s/%s", subscription ? subscription : "", name));
    uint64_t h = hash_text(id), g = hash_mix(h);
    return arena_printf(b->a, "%s.%08x-%04x-%04x-%04x-%012" PRIx64 ".%s.azure.privatelinkservice",
                        lower(b, name), (unsigned)(h >> 32), (unsigned)(h >> 16 & 0xffff),
                        (unsigned)(h & 0xffff), (unsigned)(g >> 48), g & 0xffffffffffff, location);
}

void finish_pls(struct bind *b, void *obj, const struct node *map)
{
    struct pls *p = obj;
    bool is_new;
    follow(&p->location, p->subnet);
    if (!p->location)
        p->location = b->m->location;
    if (!p->alias)
        p->alias =
            derive_alias(b, p->name, p->subscription ? p->subscription : b->m->subscription, p->location);
    const struct reg *e = registry_add(b->m->names, kind_alias, p->alias, p, place_of(map, "alias"), &is_new);
    if (!is_new && e->p != p) {
        bind_fail(b, place_of(map, "alias"), "duplicate alias '%s'", p->alias);
        diag_note(b->d, e->at, "it is here already");
    }
}

void finish_service(struct bind *b, void *obj, const struct node *map)
{
    (void)b;
    ((struct service *)obj)->allocated = derived(map, "publicIPAddress");
}

void finish_pe_ip(struct bind *b, void *obj, const struct node *map)
{
    struct pe_ip *ip = obj;
    (void)b;
    if (!ip->memberName)
        ip->memberName = "";
    ip->allocated = derived(map, "privateIPAddress");
}

static bool listed(const str_list *l, const char *word)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->at[i], "*") == 0 || strcasecmp(l->at[i], word) == 0)
            return true;
    }
    return false;
}

/* PE-03. A private link service's auto-approval list also approves what comes by alias or by hand. */
static enum pe_status default_status(struct bind *b, const struct private_endpoint *pe)
{
    const char *mine = pe->subscription ? pe->subscription : b->m->subscription;
    const char *theirs = pe->service ? pe->service->subscription : pe->pls->subscription;
    if (pe->pls && listed(&pe->pls->autoApproval, mine))
        return PE_APPROVED;
    return pe->byAlias || pe->manualRequest || strcasecmp(mine, theirs) != 0 ? PE_PENDING : PE_APPROVED;
}

/* => a number that no other endpoint has: PE-23's LINKID. */
static uint32_t derive_link(struct bind *b, const struct private_endpoint *pe)
{
    static const char kind[] = "link";
    bool is_new;
    for (uint64_t h = hash_text(lower(b, pe->name));; h = hash_mix(h)) {
        uint32_t id = (uint32_t)h;
        registry_add(b->m->names, kind, arena_printf(b->a, "%u", id), b, pe->at, &is_new);
        if (is_new && id)
            return id;
    }
}

void finish_endpoint(struct bind *b, void *obj, const struct node *map)
{
    struct private_endpoint *pe = obj;
    follow(&pe->location, pe->subnet);
    if (!given(map, "status"))
        pe->status = pe->service || pe->pls ? default_status(b, pe) : PE_PENDING;
    if (!given(map, "linkIdentifier"))
        pe->linkIdentifier = derive_link(b, pe);
}

/* -- names ----------------------------------------------------------------------------------------------- */

void finish_zone(struct bind *b, void *obj, const struct node *map)
{
    struct private_zone *z = obj;
    (void)map;
    const char *s = lower(b, z->zoneName ? z->zoneName : z->name);
    size_t n = strlen(s);
    z->zoneName = n && s[n - 1] == '.' ? arena_strndup(b->a, s, n - 1) : s;
}

void finish_record(struct bind *b, void *obj, const struct node *map)
{
    static const char kind[] = "record";
    struct dns_record_spec *r = obj;
    const char *zone = b->frame->up->path;
    bool is_new;
    ip4 ip;
    if (b->frame->failed)
        return;
    const char *key = arena_printf(b->a, "%s/%s/%d", zone ? zone : "", r->name, (int)r->type);
    const struct reg *e = registry_add(b->m->names, kind, key, r, map->at, &is_new);
    if (!is_new) {
        bind_fail(b, place_of(map, "name"), "duplicate record '%s' of one type: list all values in one",
                  r->name);
        diag_note(b->d, e->at, "it is here already");
    }
    const struct node *values = node_get(map, "values");
    for (size_t i = 0; r->type == RECORD_A && i < r->values.n; i++) {
        if (ip4_parse(r->values.at[i], &ip))
            bind_fail(b, values->item[i]->at, "'%s' of record '%s' is not an IPv4 address", r->values.at[i],
                      r->name);
    }
    if (r->type == RECORD_CNAME && r->values.n > 1)
        bind_fail(b, values->at, "record '%s': a CNAME has one value", r->name);
}

void finish_gateway(struct bind *b, void *obj, const struct node *map)
{
    struct gateway *g = obj;
    (void)b;
    (void)map;
    if (!g->location && g->virtualNetwork)
        g->location = g->virtualNetwork->location;
}

/* -- the run --------------------------------------------------------------------------------------------- */

void finish_flow_log(struct bind *b, void *obj, const struct node *map)
{
    struct flow_log *l = obj;
    if (!l->target)
        return;
    bool nsg = registry_find(b->m->names, &table_nsg, l->target),
         net = registry_find(b->m->names, &table_vnet, l->target);
    const char *near = registry_suggest(b->m->names, &table_nsg, l->target);
    if (!near)
        near = registry_suggest(b->m->names, &table_vnet, l->target);
    if (!nsg && !net)
        bind_fail(b, place_of(map, "target"), "unknown network security group or virtual network '%s'%s%s%s",
                  l->target, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    else if (!l->version)
        l->version = net ? 4 : 2;
    else if (l->version == 3 || (l->version == 4 && !net) || (l->version < 3 && !nsg))
        bind_fail(b, place_of(map, "version"), "a flow log of a %s has version %s",
                  net ? "virtual network" : "security group", net ? "4" : "1 or 2");
}

/* FROM-to-TO, with a number where that is taken. Names in the file were entered before. */
static const char *derive_flow(struct bind *b, struct flow *f)
{
    bool is_new;
    const char *base = arena_printf(b->a, "%s-to-%s", f->from ? f->from : "", f->to ? f->to : ""),
               *name = base;
    for (unsigned k = 2;; k++) {
        registry_add(b->m->names, &table_flow, name, f, f->at, &is_new);
        if (is_new)
            return name;
        name = arena_printf(b->a, "%s-%u", base, k);
    }
}

void finish_flow(struct bind *b, void *obj, const struct node *map)
{
    struct flow *f = obj;
    if (!given(map, "name"))
        f->name = derive_flow(b, f);
    bool port = given(map, "destinationPort");
    if (f->protocol == FLOW_ICMP && (port || given(map, "sourcePort")))
        bind_fail(b, place_of(map, port ? "destinationPort" : "sourcePort"), "icmp has no ports");
    if (f->protocol == FLOW_UDP && !port)
        bind_lacks(b, "destinationPort");
    if (f->protocol == FLOW_TCP && !port)
        f->destinationPort = 443;
}

void finish_expect_route(struct bind *b, void *obj, const struct node *map)
{
    struct expect_route *r = obj;
    (void)b;
    (void)map;
    r->has_prefix = r->addressPrefixText && prefix4_parse(r->addressPrefixText, &r->addressPrefix) == 0;
}

void finish_expectation(struct bind *b, void *obj, const struct node *map)
{
    const struct expectation *e = obj;
    bool route = given(map, "nic") && (given(map, "route") != given(map, "noRoute"));
    bool name = given(map, "from") && given(map, "name") && (given(map, "resolvedTo") || given(map, "chain"));
    bool either = given(map, "nic") != given(map, "from");
    (void)e;
    if (!either || !(route || name))
        bind_fail(
            b, map->at,
            "an expectation has 'nic' and one of 'route', 'noRoute'; or 'from', 'name' and 'resolvedTo' or "
            "'chain'");
}

void finish_chain(struct bind *b, void *obj, const struct node *map)
{
    (void)b;
    if (!given(map, "ttl"))
        ((struct chain_expect *)obj)->ttl = UINT32_MAX;
}

static void pair_peerings(struct bind *b, struct vnet *v)
{
    for (size_t i = 0; i < v->virtualNetworkPeerings.n; i++) {
        struct peering *p = &v->virtualNetworkPeerings.at[i];
        if (!p->remoteVirtualNetwork)
            continue;
        const struct reg *e = registry_find(
            b->m->names, &table_peering, arena_printf(b->a, "%s/%s", p->remoteVirtualNetwork->name, v->name));
        p->reverse = e ? e->p : NULL;
    }
}

/* SE-05: which regions an endpoint spans that names none; an empty list means all. */
static void span_regions(struct bind *b, const struct vnet *v, struct service_endpoint *se)
{
    const struct service_endpoint_namespace *ns = se->service ? namespace_find(se->service) : NULL;
    const char *out[2];
    size_t n = ns && !se->locations.n ? namespace_regions(b->a, ns, v->location, out) : 0;
    if (!n)
        return;
    se->locations.at = arena_array(b->a, n, sizeof *se->locations.at);
    memcpy(se->locations.at, out, n * sizeof *out);
    se->locations.n = n;
}

static void span_all(struct bind *b, struct vnet *v)
{
    for (size_t i = 0; i < v->subnets.n; i++) {
        for (size_t k = 0; k < v->subnets.at[i].serviceEndpoints.n; k++)
            span_regions(b, v, &v->subnets.at[i].serviceEndpoints.at[k]);
    }
}

void finish_root(struct bind *b, void *obj, const struct node *map)
{
    struct model *m = obj;
    if (!given(map, "duration"))
        m->duration = TIME_NONE;
    connected_peerings(b->a, m);
    for (size_t i = 0; i < m->virtualNetworks.n; i++) {
        pair_peerings(b, &m->virtualNetworks.at[i]);
        span_all(b, &m->virtualNetworks.at[i]);
    }
    connected_groups(b->a, m);
}
