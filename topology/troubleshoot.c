/* troubleshoot.c - see troubleshoot.h.
 *
 * Purpose. Azure's connection troubleshoot sends a hundred probes from a machine and reports where they went
 * and what stopped them. Here the probes are flows of a run; what is reported is read off their results and
 * traces.
 *
 * Hops. The path of the first probe that got through, or of the first probe where none did, and the
 * destination behind it where the path ends before. A private endpoint is the last hop: the service behind it
 * is not the consumer's to see. Types are Azure's: Source, VirtualAppliance, VnetLocal, Internet, Destination
 * (not known to the network); a gateway, for which the tool has no word, is a VirtualNetworkGateway.
 *
 * Issues. The stage that dropped the probe, at the hop where it did. Security rules and routes have Azure's
 * types and contexts (a system route counts as one too); guests are GuestFirewall, names DnsResolution, all
 * else Platform or Unknown with the reason as context. Origin tells the link: Inbound from the hop before,
 * Outbound to the next; what stops the answer lies on the same links, the other way round.
 *
 * Latency. From the first packet of the request to the first of the answer at the source, in whole
 * milliseconds. */
#include "topology/troubleshoot.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "topology/explain.h"
#include "topology/watcher.h"

struct probe {
    int64_t sent, answered; /* -1: not yet */
    uint32_t from;          /* port that sent it */
    struct trace drop;      /* of the last packet that was dropped where a tap saw it */
    bool dropped, drop_reply;
    const struct compiled *c; /* image of the drop */
};

struct troubleshoot {
    struct arena *arena;
    struct probe probe[TROUBLESHOOT_PROBES];
};

struct hop {
    ip4 address;
    const char *type, *resource;
    char id[WATCHER_GUID_LEN];
    uint32_t port; /* PORT_NONE: not on the path */
};

struct troubleshoot *troubleshoot_new(void)
{
    struct arena *a = arena_new("troubleshoot");
    struct troubleshoot *t = arena_alloc(a, sizeof *t);
    t->arena = a;
    for (size_t i = 0; i < TROUBLESHOOT_PROBES; i++)
        t->probe[i].sent = t->probe[i].answered = -1;
    return t;
}

void troubleshoot_free(struct troubleshoot *t)
{
    if (t)
        arena_free(t->arena);
}

void troubleshoot_packet(struct troubleshoot *t, const struct compiled *c, uint32_t port, int64_t at,
                         const struct packet *p, const struct trace *tr)
{
    if (!p->meta.flow || p->meta.flow > TROUBLESHOOT_PROBES || p->meta.dns || !tr->n)
        return;
    struct probe *b = &t->probe[p->meta.flow - 1];
    if (trace_reason(tr) != REASON_NONE) {
        b->drop = *tr;
        b->dropped = true;
        b->drop_reply = p->meta.reply;
        b->c = c;
        return;
    }
    if (b->sent < 0 && !tr->inbound && p->meta.origin == port) {
        b->sent = at;
        b->from = port;
    }
    if (b->sent >= 0 && b->answered < 0 && p->meta.reply && tr->inbound && b->from == port)
        b->answered = at;
}

/* -- hops ------------------------------------------------------------------------------------------------ */

static const char *arm_id(struct arena *a, const char *subscription, const char *group, const char *type,
                          const char *name)
{
    return arena_printf(a, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/%s/%s",
                        subscription, group, type, name);
}

static ip4 endpoint_address(const struct private_endpoint *e, ip4 wanted)
{
    for (size_t i = 0; i < e->ipConfigurations.n; i++)
        if (e->ipConfigurations.at[i].privateIPAddress == wanted)
            return wanted;
    return e->ipConfigurations.n ? e->ipConfigurations.at[0].privateIPAddress : 0;
}

/* A thing of the scenario as a hop. to: the address the probes were sent to. */
static struct hop hop_of(struct arena *a, struct thing t, ip4 to)
{
    struct hop h = {.address = to, .type = "Destination", .resource = "Unknown", .port = PORT_NONE};
    switch (t.kind) {
    case THING_NIC: {
        const struct nic *n = t.p;
        h.address = n->privateIPAddress;
        h.type = "VnetLocal";
        h.resource = arena_printf(a, "%s/ipConfigurations/ipconfig1",
                                  arm_id(a, n->subscription, n->resourceGroup, "networkInterfaces", n->name));
        break;
    }
    case THING_ENDPOINT: {
        const struct private_endpoint *e = t.p;
        h.address = endpoint_address(e, to);
        h.type = "VnetLocal";
        h.resource = arm_id(a, e->subscription, e->resourceGroup, "privateEndpoints", e->name);
        break;
    }
    case THING_GATEWAY: {
        const struct gateway *g = t.p;
        h.address = g->instances.n ? g->instances.at[0] : 0;
        h.type = "VirtualNetworkGateway";
        h.resource = arm_id(a, g->subscription, g->resourceGroup, "virtualNetworkGateways", g->name);
        break;
    }
    case THING_LB_FRONTEND: {
        const struct lb_frontend *f = t.p;
        h.address = f->privateIPAddress  ? f->privateIPAddress
                    : f->publicIPAddress ? f->publicIPAddress->ipAddress
                                         : to;
        h.type = "VirtualAppliance";
        h.resource = arena_printf(
            a, "%s/frontendIPConfigurations/%s",
            arm_id(a, f->lb->subscription, f->lb->resourceGroup, "loadBalancers", f->lb->name), f->name);
        break;
    }
    case THING_SERVICE:
        h.address = ((const struct service *)t.p)->publicIPAddress;
        h.type = h.resource = "Internet";
        break;
    case THING_INTERNET_HOST:
        h.address = ((const struct internet_host *)t.p)->ipAddress;
        h.type = h.resource = "Internet";
        break;
    case THING_ONPREM_HOST:
        h.address = ((const struct onprem_host *)t.p)->ipAddress;
        break;
    case THING_NONE:
        break;
    }
    return h;
}

static bool near(const struct vnet *here, const struct vnet *there)
{
    for (size_t i = 0; i < here->virtualNetworkPeerings.n; i++)
        if (here->virtualNetworkPeerings.at[i].remoteVirtualNetwork == there)
            return true;
    for (size_t i = 0; i < here->connectedGroups.n; i++)
        for (size_t k = 0; k < here->connectedGroups.at[i]->members.n; k++)
            if (here->connectedGroups.at[i]->members.at[k].vnet == there)
                return true;
    return here == there;
}

/* Who has a private address in the source's network or a peered one; nobody, for the rest of the world. */
static struct thing owner(const struct model *m, const struct thing from, ip4 to)
{
    const struct vnet *here = from.kind == THING_NIC ? ((const struct nic *)from.p)->subnet->vnet : NULL;
    for (size_t i = 0; here && i < m->networkInterfaces.n; i++)
        if (m->networkInterfaces.at[i].privateIPAddress == to &&
            near(here, m->networkInterfaces.at[i].subnet->vnet))
            return (struct thing){THING_NIC, &m->networkInterfaces.at[i]};
    for (size_t i = 0; here && i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &m->privateEndpoints.at[i];
        if (near(here, e->subnet->vnet) && endpoint_address(e, to) == to)
            return (struct thing){THING_ENDPOINT, e};
    }
    return (struct thing){0};
}

static ip4 target(const struct flow_result *f)
{
    for (size_t i = 0; !f->spec.addr && f->dns && i < f->dns->n; i++)
        if (f->dns->rr[i].type == DNS_TYPE_A)
            return f->dns->rr[i].addr;
    return f->spec.addr;
}

/* => whether a hop is whom the probes were sent to: by its own address, or by its public one. */
static bool is_meant(const struct hop *h, struct thing t, ip4 to)
{
    const struct nic *n = t.kind == THING_NIC ? t.p : NULL;
    return h->address == to || (n && n->publicIPAddress && n->publicIPAddress->ipAddress == to);
}

static struct hop *hop_add(struct arena *a, struct hop **list, size_t *n, size_t *cap, struct hop h)
{
    struct hop *out = arena_push(a, list, n, cap, sizeof h);
    *out = h;
    watcher_guid(arena_printf(a, "hop/%zu/%s/%u", *n, h.resource, h.address), out->id);
    return out;
}

/* The hops of a probe: its path, and its destination. => their number. */
static size_t hops_of(struct arena *a, const struct compiled *c, const struct flow_result *f,
                      struct hop **out)
{
    const struct thing from = f->from < c->image->n_ports ? c->thing[f->from] : (struct thing){0};
    const ip4 to = target(f);
    struct hop *list = NULL;
    size_t n = 0, cap = 0;
    bool there = false; /* the destination is among the hops */
    if (!f->path.n)
        hop_add(a, &list, &n, &cap, hop_of(a, from, 0))->port = f->from;
    for (size_t i = 0; i < f->path.n; i++) {
        const uint32_t port = f->path.port[i];
        const struct thing t = c->thing[port];
        struct hop *h = hop_add(a, &list, &n, &cap, hop_of(a, t, to));
        const bool last =
            (f->arrived && f->destination == port) || t.kind == THING_ENDPOINT || is_meant(h, t, to);
        h->port = port;
        if (t.kind == THING_NIC && !last)
            h->type = "VirtualAppliance";
        there |= i && last;
        if (t.kind == THING_ENDPOINT)
            break;
    }
    list[0].type = "Source";
    if (!there && to)
        hop_add(a, &list, &n, &cap, hop_of(a, owner(c->model, from, to), to));
    *out = list;
    return n;
}

/* -- issues ---------------------------------------------------------------------------------------------- */

struct issue {
    const char *type, *origin, *key, *value;
    uint32_t port;
};

static void issue_of_step(struct arena *a, const struct compiled *c, const struct trace *t, struct issue *i)
{
    const struct trace_step *s = &t->step[t->n - 1];
    const struct eff_rule *rule = explain_is_rules(s) ? explain_rule(c, s->a, s->b) : NULL;
    const struct eff_route *row = s->stage == STAGE_ROUTE ? explain_route(c, s->a, s->b) : NULL;
    if (rule) {
        i->type = "NetworkSecurityRule";
        i->key = "RuleName";
        i->value =
            arena_printf(a, "%s_%s",
                         rule->admin                ? "AdminRule"
                         : rule->which == RULE_USER ? "UserRule"
                                                    : "DefaultRule",
                         rule->name);
    } else if (row) {
        i->type = "UserDefinedRoute";
        i->key = "RouteType";
        i->value = row->source == ROUTE_USER ? "User" : "System";
    }
}

/* What stopped a probe. => false: nothing did. */
static bool issue_of(struct arena *a, const struct probe *b, const struct flow_result *f, struct issue *i)
{
    static const char *const of_verdict[] = {[VERDICT_DROPPED] = "Platform",
                                             [VERDICT_REFUSED] = "Unknown",
                                             [VERDICT_UNRESOLVED] = "DnsResolution"};
    if (f->verdict != VERDICT_DROPPED && f->verdict != VERDICT_REFUSED && f->verdict != VERDICT_UNRESOLVED)
        return false;
    *i = (struct issue){of_verdict[f->verdict], "Local", "Reason", reason_word(f->reason), f->from};
    if (f->verdict == VERDICT_REFUSED)
        i->port = f->path.n ? f->path.port[f->path.n - 1] : f->from;
    if (f->verdict != VERDICT_DROPPED)
        return true;
    i->port = f->drop.reason ? f->drop.port : f->from;
    if (f->reason == REASON_APPLIANCE_DROP || f->reason == REASON_ASYMMETRIC_RETURN)
        i->type = "GuestFirewall";
    else if (b->dropped && trace_reason(&b->drop) == f->drop.reason && b->drop.port == f->drop.port) {
        i->origin = b->drop.inbound != b->drop_reply ? "Inbound" : "Outbound";
        issue_of_step(a, b->c, &b->drop, i);
    }
    return true;
}

static json_t *issue_json(const struct issue *i)
{
    return json_pack("{s:[{s:s, s:s}], s:s, s:s, s:s}", "context", "key", i->key, "value", i->value, "origin",
                     i->origin, "severity", "Error", "type", i->type);
}

/* -- the answer ------------------------------------------------------------------------------------------ */

static bool reached(const struct flow_result *f)
{
    return f->verdict == VERDICT_DELIVERED || f->verdict == VERDICT_DENIED || f->verdict == VERDICT_RESET;
}

/* The hop at which something happened: the one of that port, or the last on the way. */
static size_t hop_at(const struct hop *h, size_t n, uint32_t port)
{
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        if (h[i].port == port)
            return i;
        if (h[i].port != PORT_NONE)
            last = i;
    }
    return last;
}

static json_t *hops_json(struct arena *a, const struct compiled *c, const struct probe *b,
                         const struct flow_result *f)
{
    struct hop *h;
    struct issue issue = {0};
    const size_t n = hops_of(a, c, f, &h);
    const bool stopped = issue_of(a, b, f, &issue);
    const size_t where = stopped ? hop_at(h, n, issue.port) : n;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        char text[IP4_STRLEN];
        json_t *issues = json_array(), *next = json_array();
        if (i == where)
            json_array_append_new(issues, issue_json(&issue));
        if (i + 1 < n)
            json_array_append_new(next, json_string(h[i + 1].id));
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:o, s:o, s:s, s:s}", "address",
                                        ip4_format(h[i].address, text), "id", h[i].id, "issues", issues,
                                        "nextHopIds", next, "resourceId", h[i].resource, "type", h[i].type));
    }
    return list;
}

static json_t *milliseconds(bool known, int64_t ns)
{
    return known ? json_integer((ns + 500000) / 1000000) : json_null();
}

json_t *troubleshoot_json(const struct troubleshoot *t, const struct run *r)
{
    const size_t n = sim_flows(run_sim(r));
    size_t got = 0, timed = 0, shown = 0;
    int64_t least = INT64_MAX, most = 0, sum = 0;
    for (size_t i = 0; i < n && i < TROUBLESHOOT_PROBES; i++) {
        const struct probe *b = &t->probe[i];
        if (!reached(sim_result(run_sim(r), (uint32_t)i + 1)))
            continue;
        if (!got++)
            shown = i;
        if (b->sent < 0 || b->answered < b->sent)
            continue;
        const int64_t took = b->answered - b->sent;
        least = took < least ? took : least;
        most = took > most ? took : most;
        sum += took;
        timed++;
    }
    json_t *o = json_object();
    json_object_set_new(o, "avgLatencyInMs", milliseconds(timed, timed ? sum / (int64_t)timed : 0));
    json_object_set_new(o, "connectionStatus", json_string(got ? "Reachable" : "Unreachable"));
    json_object_set_new(
        o, "hops",
        hops_json(t->arena, run_image(r, 0), &t->probe[shown], sim_result(run_sim(r), (uint32_t)shown + 1)));
    json_object_set_new(o, "maxLatencyInMs", milliseconds(timed, most));
    json_object_set_new(o, "minLatencyInMs", milliseconds(timed, least));
    json_object_set_new(o, "probesFailed", json_integer((json_int_t)(n - got)));
    json_object_set_new(o, "probesSent", json_integer((json_int_t)n));
    return o;
}
