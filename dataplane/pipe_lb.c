/* pipe_lb.c - load balancers.
 *
 * A frontend is an address without a machine. The first packet of a flow finds a rule and a backend; from
 * then on the flow's record at the frontend leads to both, whatever becomes of rule and pool:
 *
 *     client -> frontend  --record-->  struct balanced {backend, address sent to}  <--record--  answers
 *
 * The destination is rewritten before the backend's security groups see the packet (B-01: the client's own
 * address is left alone), and the answers of the backend get the frontend's address as they leave its NIC,
 * before the route: they do not pass the frontend. With floating IP nothing is rewritten, and packets that a
 * user route sends to a frontend on their way elsewhere are not for it: only a rule for all ports
 * takes those, and again nothing is rewritten.
 *
 * Choice. Every backend that is well gets a number out of the flow's five values and its own address; the
 * highest one wins (rendezvous hashing). So the choice depends on nothing but the flow and who is well, and a
 * backend that goes moves only its own flows. A rule may leave the ports out, or protocol and ports (B-05):
 * then all flows of a client meet the same backend. A rule for all ports orders the two ends first: both
 * directions of a flow that crosses one frontend get the same appliance (B-07), and share one record besides,
 * so that they stay together.
 *
 * Health (B-06). A backend whose probe fails gets no new flow. TCP connections stay where they are, with a
 * Basic balancer as long as any backend is well; datagrams and new connections that reuse the five values
 * move on. A machine that is switched off is not well at once.
 *
 * Idle flows (O-08). A connection that is silent for longer than its rule says is forgotten: what follows is
 * dropped, or both ends were reset before, where the rule says so: pipe_idle is asked then.
 *
 * PROXY protocol (PE-23). See proxy.c: here the header is put in front of a consumer's first bytes, on the
 * last lossless step to the backend, and the answers' acknowledgements are taken back. An acknowledgement of
 * the header alone is news to nobody and ends here, as long as the consumer's bytes were not yet sent on.
 *
 * Costs: one hash lookup for a packet of a known flow at the frontend; the answers' record is found anyhow.
 */
#include "dataplane/pipe_int.h"

#include "dataplane/rng.h"

#include <stdlib.h>
#include <string.h>

/* -- health ---------------------------------------------------------------------------------------------- */

void pipe_health(struct pipe *p, uint32_t target, bool well)
{
    if (target >= p->n_down) {
        size_t n = (size_t)target + 64;
        uint8_t *more = realloc(p->down, n);
        if (!more)
            arena_oom("health");
        memset(more + p->n_down, 0, n - p->n_down);
        p->down = more;
        p->n_down = n;
    }
    p->down[target] = !well;
}

bool pipe_is_well(const struct pipe *p, uint32_t target)
{
    return target >= p->n_down || !p->down[target];
}

static bool takes_flows(const struct ctx *c, const struct image_backend *b)
{
    return c->img->port[b->port].up && pipe_is_well(c->p, b->target);
}

/* -- rule and backend ------------------------------------------------------------------------------------ */

/* The rule for a packet: by port, else the one for all ports, which alone takes what only passes through. */
static const struct image_rule *rule_of(const struct ctx *c)
{
    const struct image_frontend *f = c->at->frontend;
    const struct image_rule *all = NULL;
    for (size_t i = 0; i < f->n; i++) {
        const struct image_rule *r = &f->rule[i];
        if (r->proto == 0)
            all = all ? all : r;
        else if (r->proto == c->info->proto && r->frontend_port == c->dport && c->dst == c->at->addr)
            return r;
    }
    return all;
}

static uint64_t flow_hash(const struct ctx *c, const struct image_rule *r)
{
    const bool ports = r->spread == IMAGE_SPREAD_FLOWS, symmetric = r->proto == 0;
    const uint8_t proto = r->spread == IMAGE_SPREAD_ADDRESSES ? 0 : c->info->proto;
    uint64_t a = (uint64_t)c->src << 16 | (ports ? c->sport : 0),
             b = (uint64_t)c->dst << 16 | (ports ? c->dport : 0);
    if (symmetric && a > b) {
        uint64_t t = a;
        a = b;
        b = t;
    }
    return hash_mix(hash_mix(a) + hash_mix(~b) + proto);
}

static const struct image_backend *choose(const struct ctx *c, const struct image_rule *r)
{
    const struct image_backend *best = NULL;
    const uint64_t flow = flow_hash(c, r);
    uint64_t most = 0;
    for (size_t i = 0; i < r->n; i++) {
        uint64_t weight = hash_mix(flow ^ hash_mix(c->img->port[r->backend[i].port].addr));
        if (takes_flows(c, &r->backend[i]) && (!best || weight > most)) {
            best = &r->backend[i];
            most = weight;
        }
    }
    return best;
}

/* => whether the flow may stay on its backend. */
static bool stays(const struct ctx *c, const struct balanced *b, const struct image_rule *r)
{
    bool well = false, any = false;
    for (size_t i = 0; r && i < r->n; i++) {
        any |= takes_flows(c, &r->backend[i]);
        well |= r->backend[i].port == b->backend && takes_flows(c, &r->backend[i]);
    }
    return well || (pipe_goes_on(c) && (any || !c->at->frontend->basic));
}

/* -- flows ----------------------------------------------------------------------------------------------- */

static void link_record(struct ctx *c, struct flow_key key, uint32_t extra)
{
    pipe_state_put(c, key, false)->extra = extra;
}

static struct balanced *begin(struct ctx *c, const struct image_rule *r, uint32_t backend, uint32_t *index)
{
    struct pipe *p = c->p;
    const struct flow_key key = pipe_key(c, true);
    p->balanced = pipe_grow(p->balanced, p->n_balanced, &p->cap_balanced, sizeof *p->balanced);
    *index = (uint32_t)p->n_balanced++;
    struct balanced *b = &p->balanced[*index];
    *b = (struct balanced){.frontend = c->port,
                           .backend = backend,
                           .addr = c->dst,
                           .l4port = c->dport,
                           .translated = c->dst == c->at->addr && !r->floating,
                           .backend_port = r->backend_port ? r->backend_port : c->dport,
                           .reset = r->reset && c->info->proto == IPPROTO_NR_TCP,
                           .flow = c->meta->flow,
                           .seen = c->now,
                           .timeout = r->timeout,
                           .consumer = c->meta->consumer ? c->meta->consumer - 1 : NONE32};
    link_record(c, key, *index);
    if (r->proto == 0 && c->dst != c->at->addr) { /* the other direction may come here, too */
        struct flow_key back = key;
        back.src = key.dst, back.dst = key.src;
        back.sport = key.dport, back.dport = key.sport;
        link_record(c, back, *index);
    }
    if (b->consumer != NONE32) {
        uint32_t endpoint = flow_key_port(pipe_record(p, b->consumer)->key);
        const struct image_pls *pls = c->img->port[endpoint].pls;
        b->proxy.wanted = pls && pls->proxy && c->info->proto == IPPROTO_NR_TCP;
    }
    if (b->reset) {
        c->d->watch = *index + 1;
        c->d->watch_at = c->now + b->timeout;
    }
    return b;
}

/* => why the flow cannot begin at that backend. */
static enum reason refuses(const struct ctx *c, const struct image_backend *b)
{
    if (!b)
        return REASON_NO_HEALTHY_BACKEND;
    const struct image_port *to = &c->img->port[b->port];
    if (c->src == to->addr && c->at->realm == to->realm)
        return REASON_BACKEND_LOOP; /* B-08 */
    if (c->at->realm == REALM_PUBLIC && !c->meta->consumer && !c->at->frontend->basic &&
        to->acl[1][0] == NONE32 && to->acl[1][1] == NONE32)
        return REASON_INBOUND_CLOSED; /* G-19 */
    return REASON_NONE;
}

/* The flow's record, or NULL where it has none that counts. */
static struct balanced *known(struct ctx *c, const struct image_rule *r, uint32_t *index)
{
    struct flow_state *s = pipe_state_get(c, pipe_key(c, true));
    struct balanced *b = s && s->extra < c->p->n_balanced ? &c->p->balanced[s->extra] : NULL;
    if (!b || !stays(c, b, r))
        return NULL;
    *index = s->extra;
    if (c->now - b->seen <= b->timeout)
        return b;
    if (pipe_goes_on(c))
        pipe_drop(c, STAGE_BALANCER, REASON_FLOW_EXPIRED);
    return NULL;
}

static struct balanced *balance(struct ctx *c, uint32_t *index)
{
    const struct image_rule *r = rule_of(c);
    struct balanced *b = known(c, r, index);
    if (b || c->d->reason != REASON_NONE)
        return b;
    const struct image_backend *to = r ? choose(c, r) : NULL;
    enum reason why = r ? refuses(c, to) : REASON_NO_BALANCING_RULE;
    struct trace_step *st = pipe_step(c, STAGE_BALANCER, why);
    st->a = to ? to->port : TRACE_NONE;
    st->b = r ? r->id : TRACE_NONE;
    if (why != REASON_NONE)
        return NULL;
    return begin(c, r, to->port, index);
}

/* -- PROXY protocol -------------------------------------------------------------------------------------- */

static size_t header_of(const struct ctx *c, const struct balanced *b, uint8_t *out)
{
    const struct flow_key k = pipe_record(c->p, b->consumer)->key;
    const struct proxy_header h = {.src = k.src,
                                   .dst = k.dst,
                                   .sport = k.sport,
                                   .dport = k.dport,
                                   .has_link = true,
                                   .link = c->img->port[flow_key_port(k)].underlay.link};
    return proxy_write(&h, out);
}

static void proxy_request(struct ctx *c, struct balanced *b)
{
    const struct packet_info *in = c->info;
    const bool text = in->payload_len || in->tcp_flags & TCP_FIN, syn = in->tcp_flags & TCP_SYN;
    struct pipe_decision *d = c->d;
    if (syn) /* of a new connection, or the same one again */
        b->proxy = (struct proxy_shift){.wanted = true, .base = in->seq + 1};
    if (!syn && !b->proxy.sent && in->tcp_flags & TCP_ACK && !(in->tcp_flags & TCP_RST)) {
        b->proxy.len = (uint16_t)header_of(c, b, c->p->header);
        d->insert = c->p->header;
        d->insert_len = b->proxy.len;
        d->insert_seq = b->proxy.base;
        d->insert_before = text;
        if (text)
            b->proxy.sent = true;
        pipe_step(c, STAGE_PROXY, REASON_NONE);
    }
    d->seq_add = proxy_seq_add(&b->proxy, syn);
    b->proxy.sent |= d->insert != NULL;
    b->proxy.data |= text;
}

/* => whether the answer says anything that the consumer needs. */
static bool proxy_answer(struct ctx *c, struct balanced *b)
{
    const struct packet_info *in = c->info;
    if (!(in->tcp_flags & TCP_ACK))
        return true;
    c->d->ack_add = proxy_ack_add(&b->proxy, in->ack);
    return b->proxy.data || !c->d->ack_add || in->payload_len ||
           in->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST);
}

/* -- packets --------------------------------------------------------------------------------------------- */

void lb_in(struct ctx *c)
{
    c->varies = true;
    const uint8_t proto = c->info->proto;
    uint32_t index;
    if (proto != IPPROTO_NR_TCP && proto != IPPROTO_NR_UDP) {
        pipe_drop(c, STAGE_BALANCER, REASON_PROTOCOL_UNSUPPORTED); /* B-02 */
        return;
    }
    struct balanced *b = balance(c, &index);
    if (!b)
        return;
    b->seen = c->now;
    if (b->proxy.wanted && !c->info->frag_offset)
        proxy_request(c, b);
    if (c->dst == c->at->addr) {
        c->meta->balanced = index + 1;
        if (b->translated)
            pipe_set_dst(c, c->img->port[b->backend].addr, b->backend_port);
    }
    pipe_hand_to(c, b->backend, c->img->link_none);
}

void lb_admitted(struct ctx *c, struct flow_state *in)
{
    const uint32_t index = c->meta->balanced - 1;
    c->varies = true;
    if (in->extra != index) {
        struct flow_state *back = pipe_state_find(c->p, flow_key_reverse(in->key));
        in->extra = index;
        if (back) {
            back->extra = index;
            pipe_hot(c->p, back->number)->flags &= (uint8_t)~FLOW_DECIDED;
        }
    }
    c->meta->balanced = 0;
}

bool lb_answer(struct ctx *c, struct flow_state *s)
{
    struct balanced *b = &c->p->balanced[s->extra];
    b->seen = c->now;
    c->varies = true;
    if (b->translated)
        pipe_set_src(c, b->addr, b->l4port);
    if (b->proxy.wanted && c->info->proto == IPPROTO_NR_TCP && !c->info->frag_offset && !proxy_answer(c, b)) {
        pipe_step(c, STAGE_PROXY, REASON_NONE);
        c->d->absorbed = true;
        return false;
    }
    return true;
}

/* -- idle flows ------------------------------------------------------------------------------------------ */

uint32_t pipe_idle(struct pipe *p, int64_t now, uint32_t watch, int64_t *again)
{
    *again = INT64_MAX;
    if (watch & NAT_WATCH)
        return nat_idle(p, now, watch & ~NAT_WATCH, again);
    struct balanced *b = &p->balanced[watch - 1];
    if (!b->reset)
        return 0;
    if (now - b->seen < b->timeout) {
        *again = b->seen + b->timeout;
        return 0;
    }
    b->reset = false;
    return b->flow;
}
