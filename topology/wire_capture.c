/* wire_capture.c - see wire_capture.h.
 *
 * Points get their capture ids from a numbering of their own, by name: a point may be declared before the
 * resource has a port, and the resources of all states are known beforehand. Without `captures` in the file
 * every resource is a point as long as there are at most POINTS_MAX; beyond that only those that a packet
 * passes, so that a large network does not leave a thousand empty files. */
#include "topology/wire_capture.h"

#include "pcaps/capture.h"
#include "topology/cmd.h"
#include "topology/explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define POINTS_MAX 64
#define UNDERLAY   "underlay"

struct wire_capture {
    struct arena *arena;
    struct capture_set *set;
    struct numbers *point;
    int64_t start;
    bool defaults, lazy;
    uint32_t underlay; /* id of that point; UINT32_MAX: nobody asks for it */
    bool *declared;
    size_t n_declared;
};

static const char *kind_text(enum thing_kind k)
{
    static const char *const text[] = {"",        "network interface", "on-premises host", "Internet host",
                                       "service", "private endpoint",  "gateway",          "frontend"};
    return text[k];
}

/* Call fn for every thing of a model that can be a capture point, in file order. */
static void each_thing(const struct model *m, void (*fn)(void *, struct thing), void *ctx)
{
    for (size_t i = 0; i < m->networkInterfaces.n; i++)
        fn(ctx, (struct thing){THING_NIC, &m->networkInterfaces.at[i]});
    for (size_t i = 0; i < m->privateEndpoints.n; i++)
        fn(ctx, (struct thing){THING_ENDPOINT, &m->privateEndpoints.at[i]});
    for (size_t i = 0; i < m->services.n; i++)
        fn(ctx, (struct thing){THING_SERVICE, &m->services.at[i]});
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++)
        fn(ctx, (struct thing){THING_GATEWAY, &m->virtualNetworkGateways.at[i]});
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++)
        for (size_t k = 0; k < m->onPremisesNetworks.at[i].hosts.n; k++)
            fn(ctx, (struct thing){THING_ONPREM_HOST, &m->onPremisesNetworks.at[i].hosts.at[k]});
    for (size_t i = 0; i < m->internetHosts.n; i++)
        fn(ctx, (struct thing){THING_INTERNET_HOST, &m->internetHosts.at[i]});
}

static void count_thing(void *ctx, struct thing t)
{
    (void)t;
    ++*(size_t *)ctx;
}

static void declare(struct wire_capture *w, uint32_t id, const char *name, const char *description)
{
    if (id >= w->n_declared) {
        size_t n = (size_t)id * 2 + 16;
        bool *more = arena_array(w->arena, n, sizeof *more);
        if (w->n_declared)
            memcpy(more, w->declared, w->n_declared * sizeof *more);
        w->declared = more;
        w->n_declared = n;
    }
    if (!w->declared[id])
        capture_point(w->set, id, name, description);
    w->declared[id] = true;
}

static void declare_thing(void *ctx, struct thing t)
{
    struct wire_capture *w = ctx;
    declare(w, numbers_of(w->point, thing_name(t)), thing_name(t), kind_text(t.kind));
}

static void name_thing(void *ctx, struct thing t)
{
    struct wire_capture *w = ctx;
    const char *name = thing_name(t);
    switch (t.kind) {
    case THING_NIC: {
        const struct nic *n = t.p;
        capture_name(w->set, n->privateIPAddress, name);
        if (n->publicIPAddress)
            capture_name(w->set, n->publicIPAddress->ipAddress, n->publicIPAddress->name);
        break;
    }
    case THING_ENDPOINT: {
        const struct private_endpoint *e = t.p;
        for (size_t i = 0; i < e->ipConfigurations.n; i++)
            capture_name(w->set, e->ipConfigurations.at[i].privateIPAddress, name);
        break;
    }
    case THING_SERVICE:
        capture_name(w->set, ((const struct service *)t.p)->publicIPAddress, name);
        break;
    case THING_ONPREM_HOST:
        capture_name(w->set, ((const struct onprem_host *)t.p)->ipAddress, name);
        break;
    case THING_INTERNET_HOST:
        capture_name(w->set, ((const struct internet_host *)t.p)->ipAddress, name);
        break;
    case THING_LB_FRONTEND: {
        const struct lb_frontend *f = t.p;
        capture_name(w->set, f->publicIPAddress ? f->publicIPAddress->ipAddress : f->privateIPAddress, name);
        break;
    }
    case THING_GATEWAY:
    case THING_NONE:
        break;
    }
}

/* A name of `at` as the files show it: found in any state of the scenario, else as written. */
static const char *point_name(const struct scenario *sc, const char *name)
{
    const struct change *c;
    const size_t n = scenario_changes(sc, &c);
    for (size_t k = 0; k <= n; k++) {
        const struct thing t = model_find(scenario_state(sc, k), name);
        if (t.kind != THING_NONE)
            return thing_name(t);
    }
    return strcasecmp(name, UNDERLAY) == 0 ? UNDERLAY : name;
}

static struct capture_spec *specs_of(struct wire_capture *w, const struct scenario *sc)
{
    const struct model *m = scenario_state(sc, 0);
    struct capture_spec *spec = arena_array(w->arena, m->captures.n, sizeof *spec);
    for (size_t i = 0; i < m->captures.n; i++) {
        const struct capture *c = &m->captures.at[i];
        struct capture_point *at = arena_array(w->arena, c->at_points.n, sizeof *at);
        for (size_t k = 0; k < c->at_points.n; k++) {
            const char *name = point_name(sc, c->at_points.at[k]);
            at[k] = (struct capture_point){.id = numbers_of(w->point, name), .name = name};
            if (strcasecmp(name, UNDERLAY) == 0) {
                w->underlay = at[k].id;
                at[k].description = "between the provider's hosts";
            }
        }
        spec[i] = (struct capture_spec){.name = c->name,
                                        .points = at,
                                        .n_points = c->at_points.n,
                                        .format = c->format == CAPTURE_PCAP ? CAPFILE_PCAP : CAPFILE_PCAPNG,
                                        .filter = c->filter};
    }
    return spec;
}

struct wire_capture *wire_capture_open(const struct scenario *sc, const char *dir, const char *userappl,
                                       int *status)
{
    char err[256] = "";
    struct arena *a = arena_new("captures");
    struct wire_capture *w = arena_alloc(a, sizeof *w);
    const struct model *m = scenario_state(sc, 0);
    size_t things = 0;
    w->arena = a;
    w->point = numbers_new(0);
    w->underlay = UINT32_MAX;
    w->start = m->start_unix_ns;
    w->defaults = m->captures.n == 0;
    each_thing(m, count_thing, &things);
    w->lazy = things > POINTS_MAX;
    w->set = capture_open(dir, userappl, specs_of(w, sc), m->captures.n, err, sizeof err);
    if (w->set)
        return w;
    *status = errno == EINVAL ? EXIT_INPUT : EXIT_SYSTEM;
    fprintf(stderr, "vnetsim: %s\n", err);
    wire_capture_free(w);
    return NULL;
}

void wire_capture_state(struct wire_capture *w, const struct compiled *c)
{
    if (w->defaults && !w->lazy)
        each_thing(c->model, declare_thing, w);
    each_thing(c->model, name_thing, w);
    for (size_t i = 0; i < c->model->loadBalancers.n; i++)
        for (size_t k = 0; k < c->model->loadBalancers.at[i].frontendIPConfigurations.n; k++)
            name_thing(w, (struct thing){THING_LB_FRONTEND,
                                         &c->model->loadBalancers.at[i].frontendIPConfigurations.at[k]});
}

void wire_capture_packet(struct wire_capture *w, const struct compiled *c, uint32_t port, int64_t at,
                         const struct packet *p, const struct trace *t)
{
    const char *name = port_name(c->numbering, port);
    if (c->thing[port].kind == THING_NONE)
        return; /* resolvers are no capture points */
    if (c->thing[port].kind == THING_LB_FRONTEND && w->defaults)
        return; /* a frontend is no machine: shown where the file asks for it */
    const uint32_t id = numbers_of(w->point, name);
    if (w->defaults)
        declare(w, id, name, kind_text(c->thing[port].kind));
    if (!capture_wants(w->set, id))
        return;
    struct arena *a = arena_new("comment");
    const char *comment = t->n ? explain_line(a, c, t) : NULL;
    capture_packet(w->set, id, w->start + at, t->inbound ? PCAPNG_DIR_IN : PCAPNG_DIR_OUT, t->again, p->data,
                   p->len, &comment, comment ? 1 : 0);
    arena_free(a);
}

bool wire_capture_underlay(const struct wire_capture *w)
{
    return w->underlay != UINT32_MAX;
}

/* Addresses of hosts and front ends get names as they turn up: "app-nic.host". */
static void name_host(struct wire_capture *w, struct arena *a, const struct compiled *c, uint32_t port)
{
    const ip4 host = c->image->port[port].underlay.host;
    if (host)
        capture_name(w->set, host, arena_printf(a, "%s.host", port_name(c->numbering, port)));
    for (size_t i = 1; i < c->image->port[port].n_instances; i++)
        capture_name(w->set, c->image->port[port].instances[i],
                     arena_printf(a, "%s.host%zu", port_name(c->numbering, port), i + 1));
}

static const char *outer_line(struct arena *a, const struct compiled *c, const struct underlay_tunnel *t)
{
    const char *from = port_name(c->numbering, t->sender), *to = port_name(c->numbering, t->receiver);
    switch (t->kind) {
    case UNDERLAY_PRIVATE_LINK:
        return arena_printf(a, "private link 0x%08x of %s: %s to %s",
                            c->image->port[t->endpoint].underlay.link, port_name(c->numbering, t->endpoint),
                            from, to);
    case UNDERLAY_SERVICE_TUNNEL:
        return arena_printf(a, "service tunnel: %s to %s", from, to);
    case UNDERLAY_NETWORK:
        break;
    }
    const struct thing there = c->thing[t->receiver];
    const struct vnet *v = there.kind == THING_GATEWAY ? ((const struct gateway *)there.p)->virtualNetwork
                                                       : ((const struct nic *)there.p)->subnet->vnet;
    return arena_printf(a, "virtual network %s: %s to %s", v->name, from, to);
}

void wire_capture_outer(struct wire_capture *w, const struct compiled *c, int64_t at,
                        const struct packet *outer, const struct underlay_tunnel *t)
{
    struct arena *a = arena_new("comment");
    const char *comment = outer_line(a, c, t);
    name_host(w, a, c, t->sender);
    name_host(w, a, c, t->receiver);
    capture_packet(w->set, w->underlay, w->start + at, PCAPNG_DIR_NONE, false, outer->data, outer->len,
                   &comment, 1);
    arena_free(a);
}

json_t *wire_capture_commit(struct wire_capture *w, int64_t end)
{
    char err[256] = "";
    const struct capture_result *res;
    if (capture_commit(w->set, w->start, w->start + end, err, sizeof err) != 0) {
        fprintf(stderr, "vnetsim: %s\n", err);
        return NULL;
    }
    json_t *list = json_array();
    const size_t n = capture_results(w->set, &res);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "name", res[i].name, "file", res[i].file,
                                              "packets", (json_int_t)res[i].packets));
    return list;
}

void wire_capture_free(struct wire_capture *w)
{
    if (!w)
        return;
    capture_free(w->set);
    numbers_free(w->point);
    arena_free(w->arena);
}
