/* run.c - replay a scenario.
 *
 * Everything that happens at a time is a call of the engine: timeline entries first, then flows, so that at
 * equal times changes come before the flows that meet them (scenario contract, section 1). Images are
 * compiled when they come into force and kept until the end: results name objects of the image that decided.
 *
 * What a flow's `to` means is settled when it starts, in the state of that moment: an address, a thing of the
 * scenario, else a DNS name. */
#include "topology/run.h"

#include "topology/firewall.h"
#include "topology/names.h"
#include "topology/resolver.h"
#include "topology/switches.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct start { /* one repetition */
    struct run *run;
    const struct flow *flow;
    uint32_t id;
};

struct step {
    struct run *run;
    size_t state;
};

struct run {
    struct arena *arena;
    const struct scenario *sc;
    struct run_options o;
    struct numbering *numbering;
    struct sim *sim;
    const struct flow *only; /* a run of one flow; NULL: of the scenario */
    struct arena *asking;    /* holds the flow of a question; or NULL */
    bool question;           /* the flow resolves its name and sends nothing */
    struct dns_rr *record;   /* then: all that servers answered of their own */
    size_t n_records, cap_records;
    struct compiled **image; /* by epoch */
    size_t n_images, cap_images;
    const struct compiled *now;
    struct run_flow *flow;
    size_t n_flows, cap_flows;
    const char **service_rule; /* by flow instance */
    const struct service **asked;
    size_t n_instances, done;
    int64_t limit;
};

/* -- what the engine asks -------------------------------------------------------------------------------- */

static void on_tap(void *ctx, uint32_t port, int64_t at, const struct packet *p, const struct trace *t)
{
    struct run *r = ctx;
    if (r->o.tap)
        r->o.tap(r->o.ctx, r->now, port, at, p, t);
}

static void on_underlay(void *ctx, int64_t at, const struct packet *outer, const struct underlay_tunnel *t)
{
    struct run *r = ctx;
    r->o.underlay(r->o.ctx, r->now, at, outer, t);
}

static void on_done(void *ctx, uint32_t flow)
{
    struct run *r = ctx;
    (void)flow;
    r->done++;
    if (r->o.progress)
        r->o.progress(r->o.ctx, sim_now(r->sim), r->done, r->n_instances);
}

/* Remember where a record comes from, for who explains the answer. */
static void keep_record(struct run *r, const struct dns_rr *rr)
{
    struct dns_rr *k = arena_push(r->arena, &r->record, &r->n_records, &r->cap_records, sizeof *k);
    *k = *rr;
    k->name = arena_strdup(r->arena, rr->name);
    k->target = rr->target ? arena_strdup(r->arena, rr->target) : NULL;
    k->source = rr->source ? arena_strdup(r->arena, rr->source) : NULL;
}

static bool on_dns(void *ctx, uint32_t port, uint32_t client, struct dns_msg *m)
{
    struct run *r = ctx;
    struct dns_result res = {0};
    struct arena *a = arena_new("DNS answer");
    const bool known = resolver_answer(a, r->now, port, client, m, &res);
    for (size_t i = 0; i < res.n && r->question; i++)
        keep_record(r, &res.rr[i]);
    arena_free(a);
    return known;
}

static enum reason on_admit(void *ctx, uint32_t port, const struct packet *first, const struct flow_result *f)
{
    struct run *r = ctx;
    const struct thing at = r->now->thing[port],
                       from = f->from < r->now->image->n_ports ? r->now->thing[f->from] : (struct thing){0};
    struct packet_info info;
    if (at.kind != THING_SERVICE || packet_parse(first->data, first->len, &info) != 0)
        return REASON_NONE;
    const struct service *s = at.p;
    const struct vnet *v = thing_vnet(from);
    struct caller c = {.source = info.src, .asked = r->asked[f->spec.id - 1]};
    if (first->meta.endpoint != PORT_NONE && r->now->thing[first->meta.endpoint].kind == THING_ENDPOINT)
        c.endpoint = r->now->thing[first->meta.endpoint].p;
    else if (first->meta.identity != IDENTITY_NONE)
        c.subnet = identity_subnet(r->numbering, r->now->model, first->meta.identity);
    if (from.kind == THING_SERVICE) {
        c.service = from.p;
        c.region = c.service->location;
        c.tenant = c.service->tenant;
    } else if (v) {
        c.region = v->location;
        c.tenant = v->tenant;
    }
    const char *text = NULL;
    enum reason why = firewall_decide(r->arena, r->now->model, s, &c, &text);
    r->service_rule[f->spec.id - 1] = text ? arena_strdup(r->arena, text) : NULL;
    return why;
}

/* -- flows ----------------------------------------------------------------------------------------------- */

static ip4 address_of(struct thing t)
{
    switch (t.kind) {
    case THING_NIC:
        return ((const struct nic *)t.p)->privateIPAddress;
    case THING_ONPREM_HOST:
        return ((const struct onprem_host *)t.p)->ipAddress;
    case THING_INTERNET_HOST:
        return ((const struct internet_host *)t.p)->ipAddress;
    case THING_SERVICE:
        return ((const struct service *)t.p)->publicIPAddress;
    case THING_ENDPOINT: {
        const struct private_endpoint *e = t.p;
        return e->ipConfigurations.n ? e->ipConfigurations.at[0].privateIPAddress : 0;
    }
    case THING_GATEWAY: {
        const struct gateway *g = t.p;
        return g->instances.n ? g->instances.at[0] : 0;
    }
    case THING_LB_FRONTEND: {
        const struct lb_frontend *f = t.p;
        return f->privateIPAddress  ? f->privateIPAddress
               : f->publicIPAddress ? f->publicIPAddress->ipAddress
                                    : 0;
    }
    case THING_NONE:
        break;
    }
    return 0;
}

static const struct service *service_named(const struct model *m, const char *name)
{
    struct thing t = model_find(m, name);
    return t.kind == THING_SERVICE ? t.p : NULL;
}

/* Which resource the request is for: what the flow says, else the name's, else what stands at the address. */
static const struct service *asked_for(const struct model *m, const struct flow *f,
                                       const struct flow_spec *spec)
{
    if (f->resource)
        return service_named(m, f->resource);
    return spec->name ? names_service_of(m, spec->name) : NULL;
}

static void start_flow(void *arg)
{
    const struct start *st = arg;
    struct run *r = st->run;
    const struct flow *f = st->flow;
    const struct model *m = r->now->model;
    static const uint8_t proto[] = {
        [FLOW_TCP] = IPPROTO_NR_TCP, [FLOW_UDP] = IPPROTO_NR_UDP, [FLOW_ICMP] = IPPROTO_NR_ICMP};
    struct flow_spec spec = {.proto = proto[f->protocol],
                             .sport = f->sourcePort,
                             .dport = f->destinationPort,
                             .request_bytes = f->requestBytes,
                             .response_bytes = f->responseBytes,
                             .dont_fragment = f->dontFragment,
                             .keep_open = f->keepOpen,
                             .keep_every = f->keepOpenInterval};
    const struct thing from = model_find(m, f->from), to = model_find(m, f->to);
    const ip4 *servers;
    spec.n_resolver_next = resolver_servers(r->arena, m, from, &servers) - 1;
    spec.resolver = servers[0];
    spec.resolver_next = servers + 1;
    if (r->question) {
        spec.proto = 0;
        spec.name = f->to;
    } else if (ip4_parse(f->to, &spec.addr) != 0) {
        if (to.kind != THING_NONE)
            spec.addr = address_of(to);
        else
            spec.name = f->to;
    }
    r->asked[st->id - 1] = asked_for(m, f, &spec);
    if (from.kind == THING_NONE)
        sim_fail(r->sim, st->id, REASON_NO_HOST);
    else
        sim_start(r->sim, st->id, port_of(r->numbering, from), &spec);
}

static void plan_flow(struct run *r, const struct flow *f)
{
    struct run_flow *rf = arena_push(r->arena, &r->flow, &r->n_flows, &r->cap_flows, sizeof *rf);
    *rf = (struct run_flow){.flow = f, .count = f->count};
    for (uint32_t i = 0; i < f->count; i++) {
        struct start *st = arena_alloc(r->arena, sizeof *st);
        *st = (struct start){r, f, sim_flow(r->sim)};
        if (i == 0)
            rf->first = st->id;
        sim_call(r->sim, f->at_time + f->interval * (int64_t)i, start_flow, st);
    }
}

/* -- states ---------------------------------------------------------------------------------------------- */

static void enter(struct run *r, size_t state)
{
    const struct model *m = scenario_state(r->sc, state);
    if (r->o.switches)
        m = switches_model(r->arena, m, r->o.switches);
    struct compiled *c = compile_model(m, r->numbering, (uint32_t)r->n_images, r->o.reference);
    *(struct compiled **)arena_push(r->arena, &r->image, &r->n_images, &r->cap_images, sizeof c) = c;
    r->now = c;
    if (r->o.state)
        r->o.state(r->o.ctx, c);
    sim_set_image(r->sim, c->image);
}

static void enter_state(void *arg)
{
    const struct step *st = arg;
    enter(st->run, st->state);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* One call for each time at which something changes: entries of one time come into force together. */
static void plan_changes(struct run *r)
{
    const struct change *change;
    const size_t n = scenario_changes(r->sc, &change);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && change[i + 1].at == change[i].at)
            continue;
        struct step *st = arena_alloc(r->arena, sizeof *st);
        *st = (struct step){r, i + 1};
        sim_call(r->sim, change[i].at, enter_state, st);
    }
}

static struct run *run_make(const struct scenario *sc, const struct run_options *o)
{
    struct arena *a = arena_new("run");
    struct run *r = arena_alloc(a, sizeof *r);
    r->arena = a;
    r->sc = sc;
    r->o = *o;
    r->numbering = numbering_new();
    r->limit = INT64_MAX;
    const struct sim_ops ops = {.ctx = r,
                                .tap = on_tap,
                                .admit = on_admit,
                                .dns = on_dns,
                                .flow_done = on_done,
                                .underlay = o->underlay ? on_underlay : NULL};
    r->sim = sim_new(scenario_state(sc, 0)->seed, &ops);
    if (!r->sim)
        arena_oom("simulation");
    return r;
}

static void plan_end(struct run *r)
{
    r->n_instances = sim_flows(r->sim);
    r->service_rule = arena_array(r->arena, r->n_instances, sizeof *r->service_rule);
    r->asked = arena_array(r->arena, r->n_instances, sizeof *r->asked);
}

struct run *run_new(const struct scenario *sc, const struct run_options *o)
{
    struct run *r = run_make(sc, o);
    const struct model *m = scenario_state(sc, 0);
    if (m->duration != TIME_NONE)
        r->limit = m->duration;
    enter(r, 0);
    plan_changes(r);
    for (size_t i = 0; i < m->flows.n; i++)
        plan_flow(r, &m->flows.at[i]);
    for (size_t i = 0; i < m->expect.n; i++) /* a late expectation prolongs the run */
        sim_call(r->sim, m->expect.at[i].at, nothing, NULL);
    plan_end(r);
    return r;
}

static struct run *one_flow(const struct scenario *sc, const struct flow *flow, bool question,
                            const struct run_options *o)
{
    struct run *r = run_make(sc, o);
    r->only = flow;
    r->question = question;
    enter(r, scenario_state_at(sc, flow->at_time));
    plan_flow(r, flow);
    plan_end(r);
    return r;
}

struct run *run_new_single(const struct scenario *sc, const struct flow *flow, const struct run_options *o)
{
    return one_flow(sc, flow, false, o);
}

struct run *run_new_question(const struct scenario *sc, const char *from, const char *name, int64_t at,
                             const struct run_options *o)
{
    struct arena *a = arena_new("question");
    struct flow *f = arena_alloc(a, sizeof *f);
    *f = (struct flow){.name = "question", .at_time = at, .from = from, .to = name, .count = 1};
    struct run *r = one_flow(sc, f, true, o);
    r->asking = a;
    return r;
}

struct run *run_again(const struct run *r, const struct switches *s)
{
    const struct run_options o = {.reference = r->o.reference, .switches = s};
    return r->only ? one_flow(r->sc, r->only, r->question, &o) : run_new(r->sc, &o);
}

void run_free(struct run *r)
{
    if (!r)
        return;
    sim_free(r->sim);
    for (size_t i = 0; i < r->n_images; i++)
        compiled_free(r->image[i]);
    numbering_free(r->numbering);
    arena_free(r->asking);
    arena_free(r->arena);
}

void run_execute(struct run *r)
{
    sim_run(r->sim, r->limit);
}

const struct model *run_model(const struct run *r)
{
    return scenario_state(r->sc, 0);
}

const struct scenario *run_scenario(const struct run *r)
{
    return r->sc;
}

const struct sim *run_sim(const struct run *r)
{
    return r->sim;
}

const struct numbering *run_numbering(const struct run *r)
{
    return r->numbering;
}

size_t run_flows(const struct run *r, const struct run_flow **out)
{
    *out = r->flow;
    return r->n_flows;
}

const struct compiled *run_image(const struct run *r, uint32_t epoch)
{
    return epoch < r->n_images ? r->image[epoch] : NULL;
}

const char *run_service_rule(const struct run *r, uint32_t flow)
{
    return flow && flow <= r->n_instances ? r->service_rule[flow - 1] : NULL;
}

const char *run_record_source(const struct run *r, const struct dns_answer_rr *rr)
{
    for (size_t i = 0; i < r->n_records; i++) {
        const struct dns_rr *k = &r->record[i];
        const bool a = rr->type == DNS_TYPE_A;
        if (k->type == (a ? RECORD_A : RECORD_CNAME) && strcasecmp(k->name, rr->name) == 0 &&
            (a ? k->addr == rr->addr : strcasecmp(k->target, rr->target) == 0))
            return k->source;
    }
    return NULL;
}

int64_t run_end(const struct run *r)
{
    return sim_now(r->sim);
}
