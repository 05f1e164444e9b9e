/* test_routes_table.c - table 3.2 (which user routes take a private endpoint's traffic) as a truth table, and
 * properties of random networks: the compiled table against selection, selection against the algorithm of
 * RULES.md as written. */
#include "tests/support_net.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "topology/tags.h"

/* -- table 3.2 ------------------------------------------------------------------------------------------- */

#define POLICY(p) (1u << (p))
#define OFF       (POLICY(PENP_DISABLED) | POLICY(PENP_NSG))
#define ON        (POLICY(PENP_ROUTE_TABLE) | POLICY(PENP_ENABLED))
#define BASIC     2u /* privateEndpointVNetPolicies, as bits */
#define NO_BASIC  1u
#define HOP(t)    (1u << (t))
#define LOCAL     HOP(NH_TYPE_VNET_LOCAL)
#define OTHERS                                                                                               \
    (HOP(NH_TYPE_VIRTUAL_APPLIANCE) | HOP(NH_TYPE_VIRTUAL_NETWORK_GATEWAY) | HOP(NH_TYPE_INTERNET) |         \
     HOP(NH_TYPE_NONE))

enum length { SHORT = 1, LONG = 2, EXACT = 4 }; /* than the endpoint's network prefix; /32 */
enum way { DIRECT, USER_HOP, BROKEN, MAPPED };

/* One line per line of the table, for a client in the endpoint's own network. */
static const struct {
    unsigned policies, lengths, hops, vnet;
    enum route_state state;
    enum way way;
} table[] = {
    {OFF | ON, EXACT, OTHERS, BASIC | NO_BASIC, ROUTE_INVALID, USER_HOP},        /* */
    {OFF, SHORT | LONG, OTHERS | LOCAL, BASIC | NO_BASIC, ROUTE_ACTIVE, DIRECT}, /* */
    {ON, LONG, OTHERS, BASIC | NO_BASIC, ROUTE_INVALID, USER_HOP},               /* */
    {ON, SHORT, OTHERS | LOCAL, BASIC | NO_BASIC, ROUTE_ACTIVE, DIRECT},         /* */
    {ON, LONG | EXACT, LOCAL, NO_BASIC, ROUTE_INVALID, BROKEN},                  /* */
    {ON, LONG | EXACT, LOCAL, BASIC, ROUTE_INVALID, MAPPED},                     /* */
    {OFF, EXACT, LOCAL, NO_BASIC, ROUTE_INVALID, BROKEN}, /* see routes_state.c */
    {OFF, EXACT, LOCAL, BASIC, ROUTE_INVALID, MAPPED},
};

static const struct {
    const char *prefix;
    enum length length;
} lengths[] = {
    {"0.0.0.0/0", SHORT},  {"10.0.0.0/8", SHORT}, {"10.0.0.0/15", SHORT}, {"10.0.0.0/16", LONG},
    {"10.0.0.0/17", LONG}, {"10.0.2.0/24", LONG}, {"10.0.2.4/31", LONG},  {"10.0.2.5/32", EXACT},
};
static const enum nexthop_type hops[] = {NH_TYPE_VIRTUAL_APPLIANCE, NH_TYPE_VIRTUAL_NETWORK_GATEWAY,
                                         NH_TYPE_VNET_LOCAL, NH_TYPE_INTERNET, NH_TYPE_NONE};

struct world { /* an endpoint in a hub, a client beside it and one in a spoke */
    struct model *m;
    struct vnet *hub;
    struct subnet *endpoints, *client, *spoke;
    struct private_endpoint *pe;
};

static struct world world_new(enum endpoint_policies policy, enum vnet_policies vnet)
{
    struct world w = {.m = net_new()};
    w.hub = net_vnet(w.m, "hub", "westeurope", "10.0.0.0/16");
    w.hub->privateEndpointVNetPolicies = vnet;
    w.endpoints = net_subnet(w.m, w.hub, "endpoints", "10.0.2.0/24");
    w.endpoints->privateEndpointNetworkPolicies = policy;
    w.client = net_subnet(w.m, w.hub, "clients", "10.0.1.0/24");
    struct vnet *v = net_vnet(w.m, "spoke", "westeurope", "172.20.0.0/16");
    struct peering *up = net_peer(v, w.hub);
    up->useRemoteGateways = up->reverse->allowGatewayTransit = true;
    w.spoke = net_subnet(w.m, v, "clients", "172.20.1.0/24");
    net_gateway(w.m, w.hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4");
    net_nic(w.m, "fw", w.client, "10.0.1.9");
    w.pe = net_endpoint(w.m, "pe", w.endpoints, "10.0.2.5");
    return w;
}

static enum route_state endpoint_state(const struct eff_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].endpoint)
            return t->row[i].state;
    cr_assert_fail("no endpoint row");
    return ROUTE_ACTIVE;
}

static void check_way(const struct eff_table *t, enum way way, enum nexthop_type hop, const struct world *w,
                      const char *label)
{
    struct prefix4 at;
    const struct eff_route *r = routes_select(t, net_ip("10.0.2.5"), &at);
    const struct eff_route *shown = r->slice_of ? r->slice_of : r;
    if (way == DIRECT) {
        cr_assert_eq(r->type, NH_TYPE_INTERFACE_ENDPOINT, "%s", label);
        cr_assert_eq(r->endpoint, w->pe, "%s", label);
        cr_assert_eq(r->drop, REASON_NONE, "%s", label);
        return;
    }
    cr_assert_eq(shown->source, ROUTE_USER, "%s", label);
    cr_assert_eq(r->type, hop, "%s", label);
    cr_assert(prefix4_eq(at, shown->prefix[0]), "%s: the route shown is the user's", label);
    enum reason drop = way == BROKEN         ? REASON_ENDPOINT_ROUTE_INVALID
                       : hop == NH_TYPE_NONE ? REASON_ROUTE_NONE
                                             : REASON_NONE;
    cr_assert_eq(r->drop, drop, "%s", label);
    cr_assert_eq(r->endpoint, way == MAPPED ? w->pe : NULL, "%s", label);
    cr_assert_eq(shown->drop, hop == NH_TYPE_NONE ? REASON_ROUTE_NONE : REASON_NONE,
                 "%s: other addresses of the route are not touched", label);
}

static void check_case(size_t row, enum endpoint_policies policy, enum vnet_policies vnet, size_t length,
                       enum nexthop_type hop)
{
    struct world w = world_new(policy, vnet);
    const char *label = arena_printf(w.m->arena, "line %zu policy %d vnet %d %s %s", row, policy, vnet,
                                     lengths[length].prefix, nexthop_type_word(hop));
    const char *ip = hop == NH_TYPE_VIRTUAL_APPLIANCE ? "10.0.1.9" : NULL;
    net_route(w.m, w.client, "u", lengths[length].prefix, hop, ip);
    const struct eff_table *t = routes_effective(w.m->arena, w.m, w.client);
    cr_assert_eq(endpoint_state(t), table[row].state, "%s", label);
    check_way(t, table[row].way, hop, &w, label);

    /* A client in a peered network: the same, but VnetLocal is None there. */
    net_route(w.m, w.spoke, "u", lengths[length].prefix, hop, ip);
    const struct eff_table *ts = routes_effective(w.m->arena, w.m, w.spoke);
    cr_assert_eq(endpoint_state(ts), table[row].state, "spoke %s", label);
    bool none = hop == NH_TYPE_VNET_LOCAL;
    enum way way = none && table[row].way != DIRECT ? USER_HOP : table[row].way;
    check_way(ts, way, none ? NH_TYPE_NONE : hop, &w, arena_printf(w.m->arena, "spoke %s", label));

    /* 2021: as if every policy were Disabled (PE-07). */
    w.m->switches.privateEndpointPolicies2021 = true;
    const struct eff_table *old = routes_effective(w.m->arena, w.m, w.client);
    bool exact = lengths[length].length == EXACT;
    cr_assert_eq(endpoint_state(old), exact ? ROUTE_INVALID : ROUTE_ACTIVE, "2021 %s", label);
    net_free(w.m);
}

/* The lines of the table that speak of a case: exactly one. */
static size_t line_of_case(enum endpoint_policies p, enum vnet_policies v, size_t length,
                           enum nexthop_type hop)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        unsigned vnet = v == VNETPOL_BASIC ? BASIC : NO_BASIC;
        if (!(table[i].policies & POLICY(p)) || !(table[i].lengths & lengths[length].length) ||
            !(table[i].hops & HOP(hop)) || !(table[i].vnet & vnet))
            continue;
        cr_assert_eq(found, SIZE_MAX, "two lines of the table speak of one case");
        found = i;
    }
    cr_assert_neq(found, SIZE_MAX, "no line of the table speaks of a case");
    return found;
}

Test(routes_table, R08_R09_R10_R13_R14_every_case)
{
    size_t cases = 0, used[sizeof table / sizeof table[0]] = {0};
    for (int p = PENP_DISABLED; p <= PENP_ROUTE_TABLE; p++)
        for (int v = VNETPOL_DISABLED; v <= VNETPOL_BASIC; v++)
            for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
                for (size_t h = 0; h < sizeof hops / sizeof hops[0]; h++, cases++) {
                    size_t row = line_of_case((enum endpoint_policies)p, (enum vnet_policies)v, l, hops[h]);
                    used[row]++;
                    check_case(row, (enum endpoint_policies)p, (enum vnet_policies)v, l, hops[h]);
                }
    cr_assert_eq(cases, 4 * 2 * 8 * 5);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        cr_assert_gt(used[i], 0, "line %zu was never used", i);
}

Test(routes_table, R08_no_user_route_at_all)
{
    for (int p = PENP_DISABLED; p <= PENP_ROUTE_TABLE; p++) {
        struct world w = world_new((enum endpoint_policies)p, VNETPOL_DISABLED);
        check_way(routes_effective(w.m->arena, w.m, w.client), DIRECT, NH_TYPE_NONE, &w, "no route");
        net_free(w.m);
    }
}

Test(routes_table, R10_the_most_specific_user_route_decides)
{
    struct world w = world_new(PENP_ENABLED, VNETPOL_DISABLED);
    net_route(w.m, w.client, "all", "0.0.0.0/0", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    cr_assert_eq(endpoint_state(routes_effective(w.m->arena, w.m, w.client)), ROUTE_ACTIVE);
    net_route(w.m, w.client, "local", "10.0.2.0/24", NH_TYPE_VNET_LOCAL, NULL);
    check_way(routes_effective(w.m->arena, w.m, w.client), BROKEN, NH_TYPE_VNET_LOCAL, &w, "/24");
    net_route(w.m, w.client, "narrow", "10.0.2.4/30", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.1.9");
    check_way(routes_effective(w.m->arena, w.m, w.client), USER_HOP, NH_TYPE_VIRTUAL_APPLIANCE, &w, "/30");
    net_free(w.m);
}

/* A listed remote subnet's peering row is longer than the user route that invalidates the /32: the address is
 * then found in the peer as a mapping. */
Test(routes_table, R31_peering_row_longer_than_the_user_route)
{
    struct world w = world_new(PENP_ENABLED, VNETPOL_DISABLED);
    struct vnet *v = net_vnet(w.m, "part", "westeurope", "172.30.0.0/16");
    struct subnet *s = net_subnet(w.m, v, "s", "172.30.0.0/24");
    struct peering *p = net_peer(v, w.hub);
    net_list(w.m, &p->remoteSubnetNames, w.endpoints);
    net_route(w.m, s, "u", "10.0.0.0/16", NH_TYPE_NONE, NULL);
    const struct eff_route *r = routes_select(routes_effective(w.m->arena, w.m, s), net_ip("10.0.2.5"), NULL);
    cr_assert_eq(r->type, NH_TYPE_VNET_PEERING);
    cr_assert_eq(r->endpoint, w.pe);
    cr_assert_eq(r->peering, p);
    cr_assert_eq(r->drop, REASON_NONE);
    r = routes_select(routes_effective(w.m->arena, w.m, s), net_ip("10.0.2.6"), NULL);
    cr_assert_null(r->endpoint);
    net_free(w.m);
}

/* -- random networks ------------------------------------------------------------------------------------- */

/* Prefixes out of a small universe, so that they nest, touch and repeat: 10.0-7/16 and what is in it, and tag
 * space. */
static struct prefix4 any_prefix(struct rng *r)
{
    static const uint8_t lens[] = {0, 8, 12, 13, 14, 15, 16, 16, 17, 20, 24, 24, 25, 30, 31, 32};
    uint8_t len = lens[rng_below(r, sizeof lens)];
    ip4 base = rng_below(r, 5) ? IP4(10, 0, 0, 0) | ((ip4)rng_below(r, 8) << 16)
                               : IP4(20, 60, 0, 0) | ((ip4)rng_below(r, 12) << 16);
    ip4 low = rng_below(r, 4) ? ((ip4)rng_below(r, 4) << 8) | (ip4)rng_below(r, 8) : 0;
    return (struct prefix4){(base | low) & ip4_mask(len), len};
}

static const char *text_of(struct model *m, struct prefix4 p)
{
    return prefix4_format(p, arena_alloc(m->arena, PREFIX4_STRLEN));
}

static void random_route(struct rng *r, struct model *m, struct subnet *s, size_t i)
{
    static const char *const tags[] = {"Storage.WestEurope", "Storage", "AzureCloud", "AzureCloud.westeurope",
                                       "Sql.WestEurope"};
    static const char *const appliances[] = {"10.0.0.4", "10.1.0.4", "10.2.0.4", "10.7.7.7"};
    const char *to = rng_below(r, 4) ? text_of(m, any_prefix(r)) : tags[rng_below(r, 5)];
    enum nexthop_type hop = hops[rng_below(r, 5)];
    struct route_table *t = net_table(m, s);
    for (size_t k = 0; k < t->routes.n; k++) { /* no prefix twice */
        const struct route *o = &t->routes.at[k];
        if (strcmp(o->tag ? o->tag : text_of(m, o->addressPrefix), to) == 0)
            return;
    }
    net_route(m, s, arena_printf(m->arena, "u%zu", i), to, hop,
              hop == NH_TYPE_VIRTUAL_APPLIANCE ? appliances[rng_below(r, 4)] : NULL);
}

static void random_subnet(struct rng *r, struct model *m, struct vnet *v, size_t i)
{
    const char *name = arena_printf(m->arena, "s%zu", i);
    ip4 base = v->addressPrefixes.at[0].addr;
    struct subnet *s = net_subnet(m, v, name, text_of(m, (struct prefix4){base | (ip4)i << 8, 24}));
    s->privateEndpointNetworkPolicies = (enum endpoint_policies)rng_below(r, 4);
    if (!rng_below(r, 2))
        net_service(m, s, "Microsoft.Storage", rng_below(r, 2) ? "westeurope" : "westeurope northeurope");
    if (!rng_below(r, 3))
        net_service(m, s, "Microsoft.Sql", "*");
    if (!rng_below(r, 2))
        net_nic(m, "n", s, arena_printf(m->arena, "10.%u.%zu.4", base >> 16 & 255, i))->powerState =
            rng_below(r, 3) ? POWER_RUNNING : POWER_DEALLOCATED;
    for (size_t k = rng_below(r, 3); k > 0; k--) {
        char ip[IP4_STRLEN];
        net_endpoint(m, arena_printf(m->arena, "pe%zu", k), s,
                     ip4_format(base | (ip4)i << 8 | (ip4)(4 + k), ip));
    }
    if (rng_below(r, 4))
        for (size_t k = rng_below(r, 8); k > 0; k--)
            random_route(r, m, s, k);
    if (s->routeTable && !rng_below(r, 5))
        s->routeTable->disableBgpRoutePropagation = true;
}

static void random_gateway(struct rng *r, struct model *m, struct vnet *v)
{
    struct gateway *g =
        net_gateway(m, v, rng_below(r, 2) ? GATEWAY_VPN : GATEWAY_EXPRESSROUTE, "20.0.0.1", "10.0.9.4");
    const char *list = "";
    for (size_t k = 1 + rng_below(r, 6); k > 0; k--)
        list = arena_printf(m->arena, "%s%s%s", list, *list ? " " : "", text_of(m, any_prefix(r)));
    net_onprem(m, g, "hq", list);
}

/* Routes at endpoints on purpose: those of a network's own subnets, of any length, often VnetLocal. */
static void random_cover(struct rng *r, struct model *m, struct vnet *v)
{
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *pe = &m->privateEndpoints.at[i];
        if (pe->subnet->vnet != v || !rng_below(r, 2))
            continue;
        struct subnet *s = &v->subnets.at[rng_below(r, v->subnets.n)];
        uint8_t len = (uint8_t)(14 + rng_below(r, 19));
        struct prefix4 p = {pe->ipConfigurations.at[0].privateIPAddress & ip4_mask(len), len};
        for (size_t k = 0; s->routeTable && k < s->routeTable->routes.n; k++)
            if (!s->routeTable->routes.at[k].tag && prefix4_eq(s->routeTable->routes.at[k].addressPrefix, p))
                return;
        net_route(m, s, "cover", text_of(m, p), rng_below(r, 2) ? NH_TYPE_VNET_LOCAL : NH_TYPE_INTERNET,
                  NULL);
    }
}

static struct model *random_model(struct rng *r)
{
    struct model *m = net_new();
    size_t n = 1 + rng_below(r, 4);
    m->switches.seVsUdrObserved = rng_below(r, 2);
    m->switches.noneRoutesObserved = rng_below(r, 2);
    m->switches.privateEndpointPolicies2021 = !rng_below(r, 5);
    for (size_t i = 0; i < n; i++) {
        struct vnet *v =
            net_vnet(m, arena_printf(m->arena, "v%zu", i), rng_below(r, 2) ? "westeurope" : "eastus",
                     arena_printf(m->arena, "10.%zu.0.0/%d", i, rng_below(r, 3) ? 16 : 20));
        v->privateEndpointVNetPolicies = (enum vnet_policies)rng_below(r, 2);
        if (!rng_below(r, 6))
            v->addressPrefixes.at[v->addressPrefixes.n++] = net_prefix("20.60.1.0/24");
        for (size_t k = rng_below(r, 4); k > 0; k--)
            random_subnet(r, m, v, k);
        for (size_t k = 0; k < i; k++)
            if (rng_below(r, 2)) {
                struct peering *p = net_peer(v, &m->virtualNetworks.at[k]);
                p->useRemoteGateways = rng_below(r, 2);
                p->reverse->allowGatewayTransit = rng_below(r, 2);
                p->allowVirtualNetworkAccess = rng_below(r, 5);
                if (!rng_below(r, 3) && m->virtualNetworks.at[k].subnets.n)
                    net_list(m, &p->remoteSubnetNames, &m->virtualNetworks.at[k].subnets.at[0]);
            }
        random_cover(r, m, v);
        for (size_t k = rng_below(r, 3); k > 0; k--)
            random_gateway(r, m, v);
    }
    return m;
}

/* -- what must hold -------------------------------------------------------------------------------------- */

static bool pair_alive(const struct eff_route *r, size_t i)
{
    return !r->loss || !r->loss[i].why;
}

static bool is_network(const struct eff_route *r)
{
    return r->source == ROUTE_DEFAULT && r->type != NH_TYPE_INTERNET && r->type != NH_TYPE_NONE &&
           r->type != NH_TYPE_SERVICE_ENDPOINT;
}

/* The algorithm as RULES.md writes it, over the states of the rows; slices apart. */
static const struct eff_route *as_written(const struct eff_table *t, ip4 dst)
{
    const struct eff_route *best = NULL, *se = NULL;
    int best_len = -1, se_len = -1, net_len = -1;
    bool system = false;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->row[i].n_prefix; k++) {
            const struct eff_route *r = &t->row[i];
            if (!prefix4_has(r->prefix[k], dst))
                continue;
            if (is_network(r) && r->prefix[k].len > net_len)
                net_len = r->prefix[k].len;
            if (!pair_alive(r, k))
                continue;
            system |= is_network(r) || r->type == NH_TYPE_SERVICE_ENDPOINT;
            if (r->type == NH_TYPE_SERVICE_ENDPOINT && r->prefix[k].len > se_len) {
                se = r;
                se_len = r->prefix[k].len;
            }
        }
    if (se && se_len > net_len && !t->model->switches.seVsUdrObserved)
        return se;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->row[i].n_prefix; k++) {
            const struct eff_route *r = &t->row[i];
            if (!prefix4_has(r->prefix[k], dst) || !pair_alive(r, k) ||
                (system && r->source == ROUTE_GATEWAY))
                continue;
            if (r->prefix[k].len > best_len) {
                best = r;
                best_len = r->prefix[k].len;
            }
        }
    return best;
}

static const struct route_entry *naive_lpm(const struct route_entry *e, size_t n, ip4 dst)
{
    const struct route_entry *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (prefix4_has(e[i].prefix, dst) && (!best || e[i].prefix.len > best->prefix.len))
            best = &e[i];
    return best;
}

static void check_address(struct arena *a, const struct eff_table *t, const struct route_entry *e, size_t n,
                          ip4 dst)
{
    struct prefix4 matched = {0, 0};
    char ip[IP4_STRLEN];
    ip4_format(dst, ip);
    const struct eff_route *r = routes_select(t, dst, &matched);
    const struct route_entry *hit = naive_lpm(e, n, dst);
    cr_assert_not_null(r, "%s goes nowhere", ip);
    cr_assert_not_null(hit, "%s is not in the compiled table", ip);
    cr_assert_eq(&t->row[hit->row], r, "%s: compiled row %u, selected row %u", ip, hit->row, r->index);
    cr_assert(prefix4_eq(hit->matched, matched), "%s: matched prefixes differ", ip);
    const struct eff_route *shown = r->slice_of ? r->slice_of : r;
    cr_assert_eq(shown, as_written(t, dst), "%s: not as written", ip);

    struct route_candidate *c;
    size_t nc = routes_candidates(a, t, dst, &c);
    cr_assert_gt(nc, 0);
    cr_assert_eq(c[0].row, shown, "%s", ip);
    for (size_t i = 0; i < nc; i++) {
        cr_assert_eq(c[i].wins, i == 0, "%s", ip);
        cr_assert(prefix4_has(c[i].prefix, dst));
        cr_assert_gt(strlen(c[i].why), 10);
    }
}

static void check_states(const struct eff_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct eff_route *r = &t->row[i];
        bool alive = false;
        cr_assert_eq(r->index, i);
        for (size_t k = 0; k < r->n_prefix; k++) {
            alive |= pair_alive(r, k);
            if (k)
                cr_assert_lt(prefix4_cmp(&r->prefix[k - 1], &r->prefix[k]), 0, "prefixes in order");
            for (size_t j = i + 1; pair_alive(r, k) && j < t->n; j++)
                for (size_t l = 0; l < t->row[j].n_prefix; l++)
                    cr_assert(!pair_alive(&t->row[j], l) || !prefix4_eq(r->prefix[k], t->row[j].prefix[l]),
                              "two living rows with one prefix: %zu and %zu", i, j);
        }
        cr_assert_eq(r->state, alive ? ROUTE_ACTIVE : ROUTE_INVALID);
        cr_assert(alive || (r->why && r->lost_to));
        cr_assert(!r->drop || r->why, "a dropping row says why");
        cr_assert_eq(r->type == NH_TYPE_NONE, r->drop == REASON_ROUTE_NONE);
    }
}

static void check_slices(const struct eff_table *t)
{
    for (size_t i = t->n; i < t->n_all; i++) {
        const struct eff_route *s = &t->row[i];
        cr_assert_eq(s->index, i);
        cr_assert(s->slice_of >= t->row && s->slice_of < t->row + t->n);
        cr_assert(s->n_prefix == 1 && s->prefix[0].len == 32 && !s->loss);
        cr_assert(prefix4_has(s->slice_of->prefix[0], s->prefix[0].addr));
        cr_assert_eq(s->endpoint == NULL, s->drop == REASON_ENDPOINT_ROUTE_INVALID);
    }
}

static void check_table(struct arena *a, const struct eff_table *t)
{
    struct route_entry *e;
    size_t n = routes_compile(a, t, &e);
    check_states(t);
    check_slices(t);
    for (size_t i = 1; i < n; i++)
        cr_assert_lt(prefix4_cmp(&e[i - 1].prefix, &e[i].prefix), 0, "entries in order, none twice");
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->row[i].n_prefix; k++) {
            struct prefix4 p = t->row[i].prefix[k];
            const ip4 border[] = {p.addr, prefix4_last(p), p.addr - 1, prefix4_last(p) + 1};
            for (size_t b = 0; b < 4; b++)
                check_address(a, t, e, n, border[b]);
        }
}

Test(routes_table, property_compiled_table_is_selection, .timeout = 60)
{
    struct rng r;
    prop_seed(&r, "routes");
    size_t tables = 0, slices = 0, invalid = 0;
    for (int round = 0; round < 250; round++) {
        struct model *m = random_model(&r);
        for (size_t v = 0; v < m->virtualNetworks.n; v++)
            for (size_t s = 0; s < m->virtualNetworks.at[v].subnets.n; s++, tables++) {
                struct arena *a = arena_new("table");
                const struct eff_table *t = routes_effective(a, m, &m->virtualNetworks.at[v].subnets.at[s]);
                check_table(a, t);
                slices += t->n_all - t->n;
                for (size_t i = 0; i < t->n; i++)
                    invalid += t->row[i].state == ROUTE_INVALID;
                arena_free(a);
            }
        net_free(m);
    }
    fprintf(stderr, "%zu tables, %zu slices, %zu invalid rows\n", tables, slices, invalid);
    cr_assert_gt(tables, 700);
    cr_assert_gt(slices, 50, "the generator makes no slices");
    cr_assert_gt(invalid, 200, "the generator makes no conflicts");
}

/* The same table twice: nothing depends on addresses in memory. */
Test(routes_table, property_deterministic)
{
    struct rng r;
    char *text[2] = {NULL, NULL};
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        prop_seed(&r, "routes twice");
        FILE *f = open_memstream(&text[i], &size[i]);
        for (int round = 0; round < 20; round++) {
            struct model *m = random_model(&r);
            void *hole = i ? malloc(4096 * (size_t)round + 1) : NULL;
            for (size_t v = 0; v < m->virtualNetworks.n; v++)
                for (size_t s = 0; s < m->virtualNetworks.at[v].subnets.n; s++)
                    fputs(net_rows(m, &m->virtualNetworks.at[v].subnets.at[s]), f);
            free(hole);
            net_free(m);
        }
        fclose(f);
    }
    cr_assert_str_eq(text[0], text[1]);
    cr_assert_gt(size[0], 1000);
    free(text[0]);
    free(text[1]);
}

Test(routes_table, published_tags_compile, .timeout = 60)
{
    const char *data = getenv("VNETSIM_DATA");
    if (!data || !*data) {
        fprintf(stderr, "routes_table::published_tags_compile was skipped: VNETSIM_DATA is not set\n");
        cr_skip("VNETSIM_DATA is not set");
    }
    struct model *m = net_new();
    char err[300];
    m->tags = tagset_load(m->arena,
                          arena_printf(m->arena, "%s/servicetags/ServiceTags_Public_20251117.json.xz", data),
                          err, sizeof err);
    cr_assert_not_null(m->tags, "%s", err);
    struct vnet *v = net_vnet(m, "v", "westeurope", "10.0.0.0/16");
    struct subnet *s = net_subnet(m, v, "s", "10.0.0.0/24");
    net_service(m, s, "Microsoft.Storage", "westeurope northeurope");
    net_service(m, s, "Microsoft.Sql", "westeurope");
    net_service(m, s, "Microsoft.KeyVault", "*");
    net_route(m, s, "cloud", "AzureCloud", NH_TYPE_INTERNET, NULL);
    net_route(m, s, "storage", "Storage", NH_TYPE_NONE, NULL);
    const struct eff_table *t = routes_effective(m->arena, m, s);
    struct route_entry *e;
    size_t n = routes_compile(m->arena, t, &e);
    cr_assert_gt(n, 5000);
    struct rng r;
    prop_seed(&r, "published tags");
    for (int i = 0; i < 300; i++) {
        const struct eff_route *row = &t->row[rng_below(&r, t->n)];
        struct prefix4 p = row->prefix[rng_below(&r, row->n_prefix)];
        const ip4 border[] = {p.addr, prefix4_last(p), p.addr - 1, prefix4_last(p) + 1};
        check_address(m->arena, t, e, n, border[rng_below(&r, 4)]);
    }
    net_free(m);
}
