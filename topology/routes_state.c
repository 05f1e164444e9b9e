/* routes_state.c - which rows of a table are alive.
 *
 * Three steps, in this order:
 * 1. Endpoints: the /32 of a private endpoint is Invalid where a user route may take its place (table 3.2,
 *
 * 2. Equal prefixes: all (prefix, row) pairs are sorted, and of each group one stays (R-02, with,
 *    A row of many prefixes may lose some of them; it is Invalid when it has lost them
 * all.
 * 3. Slices: where an endpoint's /32 is Invalid and a VnetLocal or peering row holds its address, that
 *    address gets a hidden copy of the row, because it alone is treated in another way: dropped, or handed to
 *    the endpoint.
 *
 * Decisions of the model where the rules are silent:
 * - R-13 is read as physics: VnetLocal finds an endpoint only as a mapping, and only high-scale networks
 *   (Basic) have mappings. So a VnetLocal /32 user route loses the endpoint too, whatever the policy.
 * - In observed mode can form a circle (tag beats service endpoint beats explicit prefix beats
 *   tag): user routes are compared with each other first.
 * - A service endpoint and a network's own public prefix of equal length: the network's.
 */
#include "topology/routes_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void lose(struct route_build *b, struct eff_route *r, size_t i, const struct eff_route *to,
                 const char *why)
{
    if (!r->loss)
        r->loss = arena_array(b->a, r->n_prefix, sizeof *r->loss);
    r->loss[i] = (struct route_loss){to, why};
}

/* -- step 1: private endpoints --------------------------------------------------------------------------- */

/* The order of user routes with one prefix: explicit, regional tag, global tag, AzureCloud.region, AzureCloud
 * (R-21). */
static int user_rank(const struct eff_route *r)
{
    if (!r->tag)
        return 0;
    bool cloud = strncasecmp(r->tag, "AzureCloud", 10) == 0 && (r->tag[10] == '\0' || r->tag[10] == '.');
    bool regional = strchr(r->tag, '.') != NULL;
    return 1 + 2 * cloud + !regional;
}

/* The most specific user route that covers ip; *len its length. */
static const struct eff_route *user_covering(const struct route_build *b, ip4 ip, struct prefix4 *at)
{
    const struct eff_route *best = NULL;
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; b->row[i].source == ROUTE_USER && k < b->row[i].n_prefix; k++) {
            struct prefix4 p = b->row[i].prefix[k];
            if (!prefix4_has(p, ip) || (best && p.len < at->len))
                continue;
            if (best && p.len == at->len && user_rank(&b->row[i]) >= user_rank(best))
                continue;
            best = &b->row[i];
            *at = p;
        }
    return best;
}

static const char *why_policy(struct route_build *b, const struct eff_route *r, const struct eff_route *user,
                              struct prefix4 at, struct prefix4 space)
{
    const struct subnet *s = r->endpoint->subnet;
    char u[PREFIX4_STRLEN], v[PREFIX4_STRLEN];
    const char *broken =
        user->type == NH_TYPE_VNET_LOCAL && s->vnet->privateEndpointVNetPolicies == VNETPOL_DISABLED
            ? "; its next hop VnetLocal does not take over, privateEndpointVNetPolicies is not Basic (R-13)"
            : "";
    return arena_printf(b->a,
                        "%s (%s) is as long as the endpoint's network prefix %s or longer, and %s/%s has "
                        "privateEndpointNetworkPolicies %s (R-10)%s",
                        route_label(b->a, user), prefix4_format(at, u), prefix4_format(space, v),
                        s->vnet->name, s->name, route_policy_word(s->privateEndpointNetworkPolicies), broken);
}

/* Table 3.2 for the rows shorter than /32; the /32 user route is an equal prefix like any other. */
static void settle_endpoint(struct route_build *b, struct eff_route *r)
{
    enum endpoint_policies policy = route_policy(b->m, r->endpoint->subnet);
    ip4 ip = r->prefix[0].addr;
    struct prefix4 at = {0, 0}, space = route_endpoint_space(r->endpoint, ip);
    const struct eff_route *user = user_covering(b, ip, &at);
    if (!user || at.len == 32)
        return;
    if ((policy == PENP_ROUTE_TABLE || policy == PENP_ENABLED) && at.len >= space.len)
        lose(b, r, 0, user, why_policy(b, r, user, at, space));
}

/* -- step 2: equal prefixes ------------------------------------------------------------------------------ */

struct entry { /* one prefix of one row */
    struct prefix4 prefix;
    uint32_t row, i;
};

static int entry_cmp(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    int c = prefix4_cmp(&a->prefix, &b->prefix);
    return c ? c : a->row < b->row ? -1 : a->row > b->row;
}

/* Kinds of rows with one prefix; the strongest one wins. */
enum kind { KIND_USER, KIND_NETWORK, KIND_SERVICE, KIND_GATEWAY, KIND_OTHER, KIND_COUNT };

static enum kind kind_of(const struct eff_route *r)
{
    if (r->source == ROUTE_USER)
        return KIND_USER;
    if (r->source == ROUTE_GATEWAY)
        return KIND_GATEWAY;
    if (r->type == NH_TYPE_SERVICE_ENDPOINT)
        return KIND_SERVICE;
    return route_is_network(r) ? KIND_NETWORK : KIND_OTHER;
}

/* which of two learned rows is preferred, and by what. => below 0: a; above: b. */
static int prefer_learned(const struct eff_route *a, const struct eff_route *b, const char **why)
{
    *why = "ExpressRoute beats VPN (R-27)";
    if (a->gateway->type != b->gateway->type)
        return a->gateway->type == GATEWAY_EXPRESSROUTE ? -1 : 1;
    *why = "its connection has the higher weight (R-27)";
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    *why = "its path is shorter (R-27)";
    if (a->path_length != b->path_length)
        return a->path_length < b->path_length ? -1 : 1;
    *why = "of equal rows the first listed stays (R-02)";
    return 0;
}

/* Does a stay before b of the same kind? */
static bool stays(const struct eff_route *a, const struct eff_route *b)
{
    const char *why;
    if (kind_of(a) == KIND_GATEWAY)
        return prefer_learned(a, b, &why) <= 0;
    return kind_of(a) != KIND_USER || user_rank(a) <= user_rank(b);
}

/* does the service endpoint keep its prefix against this user route? */
static bool service_keeps(const struct model *m, const struct eff_route *user)
{
    if (!m->switches.seVsUdrObserved)
        return true;
    return !user->tag || user->asked == NH_TYPE_INTERNET;
}

/* The winner among rows with one prefix: the best of each kind, then the kinds against each other. */
static const struct eff_route *group_winner(const struct route_build *b, const struct entry *e, size_t n)
{
    const struct eff_route *best[KIND_COUNT] = {NULL};
    for (size_t i = 0; i < n; i++) {
        const struct eff_route *r = &b->row[e[i].row];
        enum kind k = kind_of(r);
        if (route_alive(r, e[i].i) && (!best[k] || !stays(best[k], r)))
            best[k] = r;
    }
    bool service = best[KIND_SERVICE] && !best[KIND_NETWORK];
    if (service && best[KIND_USER] && service_keeps(b->m, best[KIND_USER]))
        return best[KIND_SERVICE];
    for (size_t k = 0; k < KIND_COUNT; k++)
        if (best[k])
            return best[k];
    return NULL;
}

static const char *why_same_kind(const struct eff_route *w, const struct eff_route *l)
{
    const char *why = "";
    switch (kind_of(w)) {
    case KIND_USER:
        return w->tag ? "of user routes an explicit prefix beats a tag, and a narrower tag a wider one (R-21)"
                      : "an explicit prefix beats a service tag (R-21)";
    case KIND_GATEWAY:
        prefer_learned(w, l, &why);
        return why;
    case KIND_NETWORK:
    case KIND_SERVICE:
    case KIND_OTHER:
    case KIND_COUNT:
    default:
        return "of system routes the first listed stays (R-02)";
    }
}

/* Why w beats l, both with the same prefix. */
static const char *why_rule(const struct model *m, const struct eff_route *w, const struct eff_route *l)
{
    if (kind_of(w) == kind_of(l))
        return why_same_kind(w, l);
    if (kind_of(w) == KIND_USER && l->type == NH_TYPE_INTERFACE_ENDPOINT)
        return "User beats Default, whatever the endpoint's policies (R-02, R-08)";
    if (kind_of(w) == KIND_USER && kind_of(l) == KIND_SERVICE)
        return "a user route by service tag beats the service endpoint (R-06)";
    if (kind_of(w) == KIND_USER)
        return l->source == ROUTE_GATEWAY ? "User beats VirtualNetworkGateway (R-02)"
                                          : "User beats Default (R-02)";
    if (kind_of(w) == KIND_SERVICE && kind_of(l) == KIND_USER)
        return m->switches.seVsUdrObserved
                   ? "with an equal prefix the service endpoint keeps its traffic (R-06)"
                   : "no user route overrides a service endpoint (R-05)";
    if (kind_of(l) == KIND_GATEWAY)
        return "rows of the network beat learned ones (R-04)";
    if (kind_of(w) == KIND_GATEWAY)
        return "VirtualNetworkGateway beats Default (R-02)";
    return "the network's own space comes first (R-02)";
}

static void settle_group(struct route_build *b, const struct entry *e, size_t n)
{
    const struct eff_route *w = n > 1 ? group_winner(b, e, n) : NULL;
    for (size_t i = 0; w && i < n; i++) {
        struct eff_route *r = &b->row[e[i].row];
        if (r == w || !route_alive(r, e[i].i))
            continue;
        lose(
            b, r, e[i].i, w,
            arena_printf(b->a, "%s has the same prefix, and %s", route_label(b->a, w), why_rule(b->m, w, r)));
    }
}

static void settle_equal(struct route_build *b)
{
    size_t n = 0, total = 0;
    for (size_t i = 0; i < b->n; i++)
        total += b->row[i].n_prefix;
    struct entry *e = arena_array(b->scratch, total, sizeof *e);
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->row[i].n_prefix; k++)
            e[n++] = (struct entry){b->row[i].prefix[k], (uint32_t)i, (uint32_t)k};
    if (n)
        qsort(e, n, sizeof *e, entry_cmp);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && prefix4_eq(e[end].prefix, e[i].prefix); end++)
            ;
        settle_group(b, e + i, end - i);
    }
}

/* A row that has lost every prefix is Invalid; the first loss speaks for it. */
static void settle_state(struct eff_route *r)
{
    for (size_t i = 0; i < r->n_prefix; i++)
        if (route_alive(r, i))
            return;
    r->state = ROUTE_INVALID;
    r->lost_to = r->loss[0].to;
    r->why = r->loss[0].why;
}

/* -- step 3: slices -------------------------------------------------------------------------------------- */

static const struct eff_route *winner_at(const struct route_build *b, ip4 ip)
{
    struct eff_table t = {.model = b->m, .view = b->view, .row = b->row, .n = b->n, .n_all = b->n};
    return routes_select(&t, ip, NULL);
}

static void slice_add(struct route_build *b, const struct eff_route *pe, const struct eff_route *of)
{
    struct eff_route *s = &b->row[b->n_all];
    *s = *of;
    s->index = (uint32_t)b->n_all++;
    s->prefix = pe->prefix;
    s->n_prefix = 1;
    s->loss = NULL;
    s->slice_of = of;
    if (of->source == ROUTE_USER &&
        pe->endpoint->subnet->vnet->privateEndpointVNetPolicies != VNETPOL_BASIC) {
        s->drop = REASON_ENDPOINT_ROUTE_INVALID;
        s->why = arena_printf(
            b->a, "the endpoint row of %s is Invalid, and VnetLocal does not take its place (R-13)",
            pe->endpoint->name);
        return;
    }
    s->endpoint = pe->endpoint;
    s->endpoint_ip = pe->endpoint_ip;
}

static bool delivers_locally(const struct eff_route *r)
{
    return r->type == NH_TYPE_VNET_LOCAL || r->type == NH_TYPE_VNET_PEERING ||
           r->type == NH_TYPE_VNET_GLOBAL_PEERING || r->type == NH_TYPE_CONNECTED_GROUP;
}

static bool slice_exists(const struct route_build *b, ip4 ip)
{
    for (size_t i = b->n; i < b->n_all; i++)
        if (b->row[i].prefix[0].addr == ip)
            return true;
    return false;
}

void routes_settle(struct route_build *b)
{
    b->n_all = b->n;
    for (size_t i = 0; i < b->n; i++)
        if (b->row[i].endpoint)
            settle_endpoint(b, &b->row[i]);
    settle_equal(b);
    for (size_t i = 0; i < b->n; i++)
        settle_state(&b->row[i]);
    for (size_t i = 0; i < b->n; i++) {
        const struct eff_route *r = &b->row[i];
        if (!r->endpoint || r->state == ROUTE_ACTIVE || slice_exists(b, r->prefix[0].addr))
            continue;
        const struct eff_route *w = winner_at(b, r->prefix[0].addr);
        if (w && delivers_locally(w))
            slice_add(b, r, w);
    }
}
