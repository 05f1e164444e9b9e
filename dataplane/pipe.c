/* pipe.c - the packet path.
 *
 * Purpose. One packet at one port: which checks does it pass, in which order, who decides, where does it go next.
 *
 * Order (scenario contract, section 2). Out of a NIC: source check (with it what the network carries at all, A-07), NIC
 * security group, subnet security group, route, then what the route's next hop asks for (peering crossing, translation,
 * identity). Into a NIC: public address, address check, subnet security group, NIC security group. The first stage that
 * drops names the reason; later ones do not run.
 *
 * Flow records. The key is (port, direction, 5-tuple). The first packet that may leave a port makes two records: its own,
 * and one for the answer coming back into that port (G-05: replies need no rule); likewise the other way round. A record
 * keeps the route it found, valid for one image epoch; after a change the route is looked up again (M-07) while the
 * admission stays (G-06, unless the switch says otherwise). Records idle for longer than the port's flow timeout count
 * as absent (G-07). A NIC has room for so many records in each direction; beyond that nothing new begins (M-05), and
 * expired records are searched for and given back only then, no sooner than the oldest can have expired.
 *
 * Appliances that stop. A route to one turns into None, and what begins later drops as RouteNone. A record that
 * led to the appliance remembers so, and its packets, like those on the way, drop as ApplianceDown.
 *
 * Private endpoints (PE-20, R-31). The endpoint is not a machine on the way: its port checks admission, makes the record
 * that the answers need, and hands on to the service. Answers without a record are dropped: that is the mechanical form
 * of one-directional initiation (PE-04). Service endpoints work alike with the subnet's identity instead of an endpoint.
 *
 * Translation by pools is in pipe_nat.c, load balancers are in pipe_lb.c. Instance public addresses are 1:1 and stateless
 * (O-04).
 *
 * Costs: one hash lookup per packet of an established flow, plus one route lookup per flow and epoch. */
#include "dataplane/pipe_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pipe *pipe_new(void)
{
    struct pipe *p = calloc(1, sizeof *p);
    if (p) {
        p->index = flowtab_new(1024);
        p->nat_index = flowtab_new(64);
    }
    if (p && p->index && p->nat_index)
        return p;
    pipe_free(p);
    return NULL;
}

void pipe_free(struct pipe *p)
{
    if (!p)
        return;
    flowtab_free(p->index);
    flowtab_free(p->nat_index);
    free(p->state);
    free(p->count);
    free(p->nat);
    free(p->balanced);
    free(p->down);
    free(p);
}

void *pipe_grow(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? *cap * 2 : 256;
    void *more = realloc(at, *cap * size);
    if (!more)
        arena_oom("flow records");
    return more;
}

size_t pipe_flows(const struct pipe *p)
{
    return p->n - p->n_free;
}

/* -- flow records ------------------------------------------------------------------------------------------ */

struct flow_key pipe_key(const struct ctx *c, bool inbound)
{
    return flow_key_make(c->port, inbound, c->info->proto, c->src, c->dst, c->sport, c->dport);
}

struct flow_state *pipe_state_get(const struct ctx *c, struct flow_key key)
{
    uint64_t i = flowtab_get(c->p->index, key);
    if (i == FLOW_MISS)
        return NULL;
    struct flow_state *s = &c->p->state[i];
    int64_t timeout = c->at->flow_timeout;
    if (timeout && s->extra < c->p->n_balanced && c->at->kind == PORT_NIC &&
        timeout < c->p->balanced[s->extra].timeout)
        timeout = c->p->balanced[s->extra].timeout; /* a backend remembers as long as its balancer */
    return timeout && c->now - s->seen > timeout ? NULL : s;
}

static struct flow_count *count_of(struct pipe *p, uint32_t port)
{
    if (port >= p->n_counts) {
        const size_t n = (size_t)port * 2 + 16;
        struct flow_count *more = realloc(p->count, n * sizeof *more);
        if (!more)
            arena_oom("flow records");
        memset(more + p->n_counts, 0, (n - p->n_counts) * sizeof *more);
        p->count = more;
        p->n_counts = n;
    }
    return &p->count[port];
}

/* => position of a new record of key. */
static uint64_t state_add(struct pipe *p, struct flow_key key)
{
    uint64_t i;
    if (p->n_free) {
        i = p->first_free;
        p->first_free = p->state[i].nexthop;
        p->n_free--;
    } else {
        p->state = pipe_grow(p->state, p->n, &p->cap, sizeof *p->state);
        i = p->n++;
    }
    if (flowtab_set(p->index, key, i) != 0)
        arena_oom("flow table");
    count_of(p, flow_key_port(key))->n[flow_key_dir(key)]++;
    return i;
}

/* Give the expired records of the port back. */
static void sweep(const struct ctx *c, struct flow_count *count)
{
    struct pipe *p = c->p;
    int64_t oldest = c->now;
    for (size_t i = 0; i < p->n; i++) {
        struct flow_state *s = &p->state[i];
        if (flow_key_port(s->key) != c->port || flowtab_get(p->index, s->key) != i)
            continue;
        if (c->now - s->seen <= c->at->flow_timeout) {
            oldest = s->seen < oldest ? s->seen : oldest;
            continue;
        }
        flowtab_del(p->index, s->key);
        count->n[flow_key_dir(s->key)]--;
        *s = (struct flow_state){.nexthop = p->first_free};
        p->first_free = (uint32_t)i;
        p->n_free++;
    }
    count->full_until = oldest + c->at->flow_timeout + 1;
}

/* => whether the port can hold another flow. */
static bool has_room(struct ctx *c)
{
    const uint32_t limit = c->img->flow_limit;
    struct flow_count *count = count_of(c->p, c->port);
    if (!limit || (count->n[0] < limit && count->n[1] < limit))
        return true;
    if (c->at->flow_timeout && c->now >= count->full_until)
        sweep(c, count);
    if (count->n[0] < limit && count->n[1] < limit)
        return true;
    c->d->reason = REASON_FLOW_LIMIT;
    trace_add(&c->d->trace, STAGE_FLOW_TABLE, REASON_FLOW_LIMIT);
    return false;
}

/* Make or renew the record of key. */
struct flow_state *pipe_state_put(const struct ctx *c, struct flow_key key, bool answer)
{
    struct pipe *p = c->p;
    uint64_t i = flowtab_get(p->index, key);
    if (i == FLOW_MISS)
        i = state_add(p, key);
    p->state[i] = (struct flow_state){.key = key,
                                      .nexthop = NONE32,
                                      .rules_epoch = c->img->epoch,
                                      .seen = c->now,
                                      .flow = c->meta->flow,
                                      .last_hop = c->meta->last_hop,
                                      .via = NONE32,
                                      .pool = NONE32,
                                      .answer = answer,
                                      .extra = NONE32};
    return &p->state[i];
}

/* Records of a packet that was let through in one direction at this port, and of its answer. => the packet's own. */
static struct flow_state *state_pair(const struct ctx *c, bool inbound)
{
    struct flow_key key = pipe_key(c, inbound);
    pipe_state_put(c, flow_key_reverse(key), true);
    return pipe_state_put(c, key, false);
}

/* An admitted packet keeps both directions alive. => its record, or NULL where it needs admission. */
static struct flow_state *state_touch(const struct ctx *c, bool inbound)
{
    struct flow_key key = pipe_key(c, inbound), back = flow_key_reverse(key);
    struct flow_state *s = pipe_state_get(c, key);
    if (!s || (!c->img->rule_change_keeps_flows && !s->answer && s->rules_epoch != c->img->epoch))
        return NULL;
    uint64_t i = flowtab_get(c->p->index, back);
    s->seen = c->now;
    if (i != FLOW_MISS)
        c->p->state[i].seen = c->now;
    return s;
}

/* -- outcomes ------------------------------------------------------------------------------------------------ */

struct trace_step *pipe_step(struct ctx *c, enum stage stage, enum reason reason)
{
    if (reason != REASON_NONE)
        c->d->reason = reason;
    return trace_add(&c->d->trace, stage, reason);
}

void pipe_drop(struct ctx *c, enum stage stage, enum reason reason)
{
    pipe_step(c, stage, reason);
}

/* Why nobody takes the packet at a port that is down. */
static enum reason down(const struct ctx *c, uint32_t port)
{
    const struct image_port *p = &c->img->port[port];
    return p->kind == PORT_NIC && p->host.appliance.present && c->dst != p->addr ? REASON_APPLIANCE_DOWN : REASON_NO_HOST;
}

void pipe_hand_to(struct ctx *c, uint32_t next, uint8_t link)
{
    const struct image_port *to = &c->img->port[next];
    enum reason r = to->up ? REASON_NONE : down(c, next);
    if (to->up && to->kind == PORT_FRONTEND && to->frontend->basic && link == c->img->link_global)
        r = REASON_NO_PEERING; /* P-07 */
    struct trace_step *s = pipe_step(c, STAGE_DELIVERY, r);
    s->a = next;
    c->d->next = next;
    c->d->link = link;
}

void pipe_set_src(struct ctx *c, ip4 addr, uint16_t port)
{
    c->d->set_src = true;
    c->d->src = c->src = addr;
    c->d->sport = c->sport = port;
    struct trace_step *s = pipe_step(c, STAGE_SNAT, REASON_NONE);
    s->addr = addr;
    s->l4port = port;
}

void pipe_set_dst(struct ctx *c, ip4 addr, uint16_t port)
{
    c->d->set_dst = true;
    c->d->dst = c->dst = addr;
    c->d->dport = c->dport = port;
    struct trace_step *s = pipe_step(c, STAGE_DNAT, REASON_NONE);
    s->addr = addr;
    s->l4port = port;
}

bool pipe_goes_on(const struct ctx *c)
{
    return c->info->proto == IPPROTO_NR_TCP && !c->info->frag_offset &&
           (c->info->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

/* -- security groups ----------------------------------------------------------------------------------------- */

static bool is_host_agent(ip4 a)
{
    return a == IP4_PLATFORM || a == IP4_IMDS;
}

/* => whether the group at one level lets the packet pass (G-01, G-03; G-14 for the host agent's addresses). */
static bool nsg_pass(struct ctx *c, bool inbound, unsigned level)
{
    uint32_t acl = c->at->acl[inbound][level];
    if (acl == NONE32)
        return true;
    if (is_host_agent(inbound ? c->src : c->dst) && !c->img->acl[acl].platform && !c->meta->probe)
        return true; /* probes are subject to rules: B-03 */
    struct acl_key key = {.src = c->src, .dst = c->dst, .proto = c->info->proto};
    if (key.proto == IPPROTO_NR_TCP || key.proto == IPPROTO_NR_UDP) {
        key.sport = c->sport;
        key.dport = c->dport;
    }
    struct acl_hit hit = image_acl_check(c->img, acl, &key);
    enum reason reason = hit.hit && hit.allow ? REASON_NONE : REASON_NSG_DENY;
    struct trace_step *s = pipe_step(c, level ? STAGE_SUBNET_NSG : STAGE_NIC_NSG, reason);
    s->a = acl;
    s->b = hit.hit ? hit.id : TRACE_NONE;
    return reason == REASON_NONE;
}

/* Both levels, in the order of the direction. */
static bool nsgs_pass(struct ctx *c, bool inbound)
{
    return nsg_pass(c, inbound, inbound) && nsg_pass(c, inbound, !inbound);
}

/* -- delivery ---------------------------------------------------------------------------------------------------- */

static uint8_t public_link(const struct ctx *c, uint32_t next)
{
    enum port_kind a = c->at->kind, b = c->img->port[next].kind;
    return a == PORT_INTERNET_HOST || b == PORT_INTERNET_HOST || a == PORT_ONPREM_HOST || b == PORT_ONPREM_HOST
                   || a == PORT_GATEWAY || b == PORT_GATEWAY /* by way of a site */
                   || b == PORT_RESOLVER || (a == PORT_RESOLVER && b == PORT_NIC)
               ? c->img->link_internet
               : c->img->link_backbone;
}

/* Who takes a packet that a translation let back in: the machine with the address, or the gateway through which a
 * virtual network sent its forced-tunnelled traffic here. */
static uint32_t inside(const struct ctx *c, uint32_t realm)
{
    uint32_t v = exact_get(c->img->addresses, realm, c->dst);
    if (v == EXACT_MISS && c->img->realm[realm].onprem) {
        const struct image_nexthop *nh = image_lookup(c->img, c->img->realm[realm].table, c->dst);
        if (nh && nh->action == NH_PORT)
            v = nh->port;
    }
    return v;
}

/* The destination is in the public address map: a port, or a pool whose translation leads back inside. */
static void to_public(struct ctx *c)
{
    uint32_t v = exact_get(c->img->addresses, REALM_PUBLIC, c->dst);
    if (v == EXACT_MISS) {
        pipe_drop(c, STAGE_DELIVERY, ip4_is_public(c->dst) ? REASON_NO_HOST : REASON_UNROUTABLE);
        return;
    }
    const bool frontend = !(v & POOL_FLAG) && c->img->port[v].kind == PORT_FRONTEND;
    const uint32_t pool = v & POOL_FLAG ? v & ~POOL_FLAG : frontend ? c->img->port[v].pool : NONE32;
    if (pool != NONE32 && c->info->stands_for_error && !c->img->pool[pool].carries_icmp) { /* O-02 */
        pipe_drop(c, STAGE_DELIVERY, REASON_PROTOCOL_UNSUPPORTED);
        return;
    }
    if (pool != NONE32 && nat_in(c, pool))
        v = inside(c, c->img->pool[pool].realm);
    else if (!frontend && pool != NONE32)
        v = EXACT_MISS; /* O-09 */
    if (v == EXACT_MISS) {
        pipe_drop(c, STAGE_DELIVERY, REASON_NO_HOST);
        return;
    }
    pipe_hand_to(c, v, public_link(c, v));
}

static void to_realm(struct ctx *c, uint32_t realm, uint8_t link)
{
    uint32_t v = exact_get(c->img->addresses, realm, c->dst);
    if (v == EXACT_MISS)
        pipe_drop(c, STAGE_DELIVERY, REASON_NO_HOST);
    else
        pipe_hand_to(c, v, link);
}

static bool is_balanced_answer(const struct flow_state *s)
{
    return s && s->answer && s->extra != NONE32;
}

/* Out to the Internet from a NIC: O-01's order was settled when the image was made. */
static void to_internet(struct ctx *c, struct flow_state *s)
{
    enum reason r = REASON_NONE;
    if (!ip4_is_public(c->dst)) {
        pipe_drop(c, STAGE_DELIVERY, REASON_UNROUTABLE);
        return;
    }
    if (is_balanced_answer(s)) { /* it has the frontend's address */
        to_public(c);
        return;
    }
    if (c->at->kind == PORT_NIC && c->src != c->at->addr) {
        pipe_drop(c, STAGE_SNAT, REASON_NO_OUTBOUND_ACCESS); /* P-09: foreign sources are not translated */
        return;
    }
    const uint32_t pool = nat_pool(c, s);
    if (c->at->public_addr && (pool == NONE32 || (s && s->via_public)))
        pipe_set_src(c, c->at->public_addr, c->sport);
    else if (pool != NONE32)
        r = nat_out(c, pool);
    else
        r = REASON_NO_OUTBOUND_ACCESS;
    if (s)
        s->pool = pool;
    if (r != REASON_NONE)
        pipe_drop(c, STAGE_SNAT, r);
    else
        to_public(c);
}

static void to_onprem(struct ctx *c, uint32_t realm, uint8_t link)
{
    const struct image_realm *r = &c->img->realm[realm];
    uint32_t v = exact_get(c->img->addresses, realm, c->dst);
    if (v != EXACT_MISS) {
        pipe_hand_to(c, v, link);
    } else if (!ip4_is_public(c->dst)) {
        pipe_drop(c, STAGE_DELIVERY, REASON_NO_HOST);
    } else if (r->pool == NONE32) {
        pipe_drop(c, STAGE_DELIVERY, REASON_ON_PREMISES_NO_INTERNET);
    } else {
        enum reason why = nat_out(c, r->pool);
        if (why != REASON_NONE)
            pipe_drop(c, STAGE_SNAT, why);
        else
            to_public(c);
    }
}

/* => whether the packet may cross the peering that the next hop leads over (P-03, P-04). */
static bool crosses(struct ctx *c, const struct image_nexthop *nh)
{
    if (nh->crossing == NONE32)
        return true;
    const struct image_crossing *x = &c->img->crossing[nh->crossing];
    enum reason r = x->closed;
    /* Traffic that a gateway forwards needs no permission (P-04). */
    if (r == REASON_NONE && !x->forwarded && c->at->kind != PORT_GATEWAY &&
        !image_in_realm(c->img, c->at->realm, c->src))
        r = REASON_PEERING_NOT_FORWARDED;
    struct trace_step *s = pipe_step(c, STAGE_PEERING, r);
    s->b = nh->crossing;
    return r == REASON_NONE;
}

static void follow(struct ctx *c, const struct image_nexthop *nh, struct flow_state *s)
{
    if (nh->action != NH_DROP && !crosses(c, nh))
        return;
    switch (nh->action) {
    case NH_DROP:
        break;
    case NH_REALM:
        to_realm(c, nh->realm, nh->link);
        break;
    case NH_PORT:
        pipe_hand_to(c, nh->port, nh->link);
        break;
    case NH_INTERNET:
        to_internet(c, s);
        break;
    case NH_SERVICE:
        c->meta->identity = c->at->identity;
        c->meta->realm = c->at->realm;
        pipe_step(c, STAGE_SERVICE_IDENTITY, REASON_NONE);
        to_public(c);
        break;
    case NH_ONPREM:
        to_onprem(c, nh->realm, nh->link);
        break;
    }
}

/* Look the route up (or take the flow's, in the same epoch), and follow it. */
static void route(struct ctx *c, struct flow_state *s)
{
    const uint32_t t = c->at->table;
    if (t == NONE32) {
        pipe_drop(c, STAGE_ROUTE, REASON_UNROUTABLE);
        return;
    }
    const struct image_table *table = &c->img->table[t];
    const struct image_nexthop *nh;
    if (s && s->epoch == c->img->epoch && s->nexthop != NONE32) {
        nh = &table->nexthop[s->nexthop];
    } else {
        nh = image_route(c->img, c->port, c->dst);
        if (s) {
            s->epoch = c->img->epoch;
            s->nexthop = nh ? (uint32_t)(nh - table->nexthop) : NONE32;
        }
    }
    enum reason r = !nh ? REASON_UNROUTABLE : nh->action == NH_DROP ? nh->reason : REASON_NONE;
    if (nh && nh->stopped && s && s->via == nh->port)
        r = REASON_APPLIANCE_DOWN;
    struct trace_step *st = pipe_step(c, STAGE_ROUTE, r);
    st->a = t;
    st->b = nh ? (uint32_t)(nh - table->nexthop) : TRACE_NONE;
    if (r != REASON_NONE)
        return;
    if (s)
        s->via = nh->action == NH_PORT ? nh->port : NONE32;
    follow(c, nh, s);
}

/* => whether the address is one of a frontend that the machine answers for (floating IP, B-05). */
static bool is_floating(const struct image_port *p, ip4 addr)
{
    for (size_t i = 0; i < p->n_floating; i++)
        if (p->floating[i] == addr)
            return true;
    return false;
}

/* -- out of each kind of port ------------------------------------------------------------------------------- */

#define PORT_OF_THE_HOST 65330u

/* unicast TCP, UDP, ICMP, ESP and AH; one UDP source port is the host's own. */
static bool is_carried(const struct ctx *c)
{
    switch (c->info->proto) {
    case IPPROTO_NR_UDP:
        if (c->sport == PORT_OF_THE_HOST)
            return false;
        break;
    case IPPROTO_NR_TCP:
    case IPPROTO_NR_ICMP:
    case IPPROTO_NR_ESP:
    case IPPROTO_NR_AH:
        break;
    default:
        return false;
    }
    return c->dst >> 28 != 14 && c->dst != UINT32_MAX; /* multicast, broadcast */
}

static void out_nic(struct ctx *c)
{
    if (c->src != c->at->addr && !c->at->ip_forwarding && !is_floating(c->at, c->src)) {
        pipe_drop(c, STAGE_SOURCE_CHECK, REASON_SPOOFED);
        return;
    }
    if (!is_carried(c)) {
        pipe_drop(c, STAGE_SOURCE_CHECK, REASON_PROTOCOL_UNSUPPORTED);
        return;
    }
    c->meta->balanced = c->meta->consumer = 0;
    struct flow_state *s = state_touch(c, false);
    if (s) {
        pipe_step(c, STAGE_ESTABLISHED, REASON_NONE);
    } else {
        if (!nsgs_pass(c, false) || !has_room(c))
            return;
        s = state_pair(c, false);
    }
    if (is_balanced_answer(s) && !lb_answer(c, s))
        return;
    if (is_host_agent(c->dst)) { /* no route leads elsewhere */
        c->meta->realm = c->at->realm;
        if (c->dst == IP4_PLATFORM)
            pipe_hand_to(c, c->img->resolver, c->img->link_local);
        else
            pipe_drop(c, STAGE_DELIVERY, REASON_NO_HOST);
        return;
    }
    route(c, s);
}

/* What leaves an endpoint's port is an answer that its record carries, or nothing (PE-04). */
static void out_endpoint(struct ctx *c)
{
    struct flow_state *s = state_touch(c, false);
    if (!s || !s->answer || c->meta->origin == c->port) {
        pipe_drop(c, STAGE_ENDPOINT, REASON_ENDPOINT_REVERSE_INITIATION);
        return;
    }
    if (c->at->gate != REASON_NONE) {
        pipe_drop(c, STAGE_ENDPOINT, c->at->gate);
        return;
    }
    pipe_step(c, STAGE_ENDPOINT, REASON_NONE)->a = c->port;
    c->meta->endpoint = PORT_NONE;
    const bool known = s->last_hop < c->img->n_ports;
    if (known && (c->img->endpoint_return_last_hop || c->img->port[s->last_hop].return_last_hop)) /* PE-16 */
        pipe_hand_to(c, s->last_hop, c->img->link_local);
    else
        route(c, s);
}

/* Resolvers answer into the network that asked: private addresses mean nothing without it. */
static void out_resolver(struct ctx *c)
{
    if (c->meta->realm == REALM_PUBLIC)
        to_public(c);
    else
        to_realm(c, c->meta->realm, c->port == c->img->resolver ? c->img->link_local : c->img->link_internet);
}

static void to_public_resolver(struct ctx *c)
{
    c->meta->realm = c->at->realm;
    pipe_hand_to(c, c->img->public_resolver, c->img->link_internet);
}

static void out_service(struct ctx *c)
{
    if (c->info->proto == IPPROTO_NR_ICMP && c->meta->reply) { /* SE-10, PE-18: port unreachable, too */
        pipe_drop(c, STAGE_DELIVERY, REASON_PROTOCOL_UNSUPPORTED);
        return;
    }
    if (c->meta->endpoint != PORT_NONE) {
        pipe_hand_to(c, c->meta->endpoint, c->img->link_private);
        return;
    }
    if (c->meta->identity != IDENTITY_NONE) {
        if (state_touch(c, false))
            to_realm(c, c->meta->realm, c->img->link_backbone);
        else
            pipe_drop(c, STAGE_SERVICE_IDENTITY, REASON_ENDPOINT_REVERSE_INITIATION);
        return;
    }
    if (c->dst == c->img->public_resolver_addr)
        to_public_resolver(c);
    else if (!ip4_is_public(c->dst))
        pipe_drop(c, STAGE_ROUTE, REASON_ENDPOINT_REVERSE_INITIATION);
    else
        to_public(c);
}

static void out_outside(struct ctx *c)
{
    if (c->dst == c->img->public_resolver_addr)
        to_public_resolver(c);
    else if (c->at->table != NONE32)
        route(c, NULL);
    else
        to_public(c);
}

/* Gateways ask nobody; the record is there for its route. */
static void out_gateway(struct ctx *c)
{
    struct flow_state *s = state_touch(c, false);
    route(c, s ? s : pipe_state_put(c, pipe_key(c, false), false));
}

static void begin(struct ctx *c, struct pipe_decision *d, bool inbound)
{
    memset(d, 0, sizeof *d);
    d->next = c->port;
    d->trace.port = c->port;
    d->trace.epoch = c->img->epoch;
    d->trace.inbound = inbound;
    c->d = d;
    c->at = &c->img->port[c->port];
    c->src = c->info->src;
    c->dst = c->info->dst;
    const bool ports = !c->info->frag_offset;
    c->sport = ports ? c->info->sport : c->meta->sport;
    c->dport = ports ? c->info->dport : c->meta->dport;
    /* An echo request and its answer have one identifier: both directions must make the same flow. */
    if (c->info->proto == IPPROTO_NR_ICMP)
        c->dport = c->sport;
}

/* Larger packets stay within a network (M-01); tunnels take less (M-02). Nothing tells the sender (M-04). */
static void fit(struct ctx *c)
{
    const uint16_t mtu = c->at->mtu ? c->at->mtu : c->d->link != c->img->link_local ? LINK_MTU : 0;
    if (c->d->reason != REASON_NONE || !mtu || c->info->ip_len <= mtu)
        return;
    if (c->info->df)
        pipe_drop(c, STAGE_LINK, REASON_MTU_EXCEEDED);
    else
        c->d->mtu = mtu;
}

void pipe_out(struct pipe *p, const struct image *img, int64_t now, uint32_t port, const struct packet_info *info,
              struct packet_meta *meta, struct pipe_decision *d)
{
    struct ctx c = {.p = p, .img = img, .now = now, .port = port, .info = info, .meta = meta};
    begin(&c, d, false);
    meta->last_hop = port;
    if (!c.at->up) {
        pipe_drop(&c, STAGE_DELIVERY, REASON_NO_HOST);
        return;
    }
    switch (c.at->kind) {
    case PORT_NIC:
        out_nic(&c);
        break;
    case PORT_ENDPOINT:
        out_endpoint(&c);
        break;
    case PORT_SERVICE:
        out_service(&c);
        break;
    case PORT_GATEWAY:
        out_gateway(&c);
        break;
    case PORT_RESOLVER:
        out_resolver(&c);
        break;
    case PORT_INTERNET_HOST:
    case PORT_ONPREM_HOST:
        out_outside(&c);
        break;
    case PORT_FRONTEND: /* nothing lives there: what comes in is handed on at once */
    case PORT_PLS:
        pipe_drop(&c, STAGE_ROUTE, REASON_UNROUTABLE);
        break;
    }
    fit(&c);
}

/* -- into each kind of port --------------------------------------------------------------------------------- */

static void in_nic(struct ctx *c)
{
    const bool public = c->at->public_addr && c->dst == c->at->public_addr;
    if (public) {
        const ip4 was = c->dst;
        c->dst = c->at->addr;
        const bool known = pipe_state_get(c, pipe_key(c, true)) != NULL;
        c->dst = was;
        if (c->at->inbound_closed && !known) {
            pipe_drop(c, STAGE_PUBLIC_ADDRESS, REASON_INBOUND_CLOSED);
            return;
        }
        pipe_set_dst(c, c->at->addr, c->dport); /* G-04: rules see the private address */
    }
    if (c->dst != c->at->addr && !c->at->ip_forwarding && !is_floating(c->at, c->dst)) {
        pipe_drop(c, STAGE_ADDRESS_CHECK, REASON_IP_FORWARDING_OFF);
        return;
    }
    struct flow_state *s = state_touch(c, true);
    if (s) {
        pipe_step(c, STAGE_ESTABLISHED, REASON_NONE);
    } else {
        if (!nsgs_pass(c, true) || !has_room(c))
            return;
        struct flow_key key = pipe_key(c, true);
        pipe_state_put(c, flow_key_reverse(key), true)->via_public = public;
        s = pipe_state_put(c, key, false);
    }
    if (c->meta->balanced)
        lb_admitted(c, s);
    c->meta->consumer = 0;
    pipe_hand_to(c, c->port, 0);
}

/* On into the provider's network, where the consumer is one of the service's own addresses (PE-21). */
static void to_link_service(struct ctx *c, struct flow_state *s)
{
    const struct image_pls *pls = c->at->pls;
    pipe_step(c, STAGE_LINK_SERVICE, REASON_NONE)->a = pls->port;
    pipe_set_dst(c, c->img->port[pls->frontend].addr, c->dport);
    enum reason r = nat_consumer(c, s);
    if (r != REASON_NONE) {
        pipe_drop(c, STAGE_LINK_SERVICE, r);
        return;
    }
    c->meta->consumer = (uint32_t)(s - c->p->state) + 1;
    pipe_hand_to(c, pls->frontend, c->img->link_private);
}

/* An answer of a backend reaches the NAT address it knows: back to the endpoint. Whatever else comes here wants to reach a
 * consumer that did not ask (PE-04). */
static void in_link_service(struct ctx *c)
{
    uint32_t endpoint = nat_provider(c);
    if (endpoint == PORT_NONE) {
        pipe_drop(c, STAGE_LINK_SERVICE, REASON_ENDPOINT_REVERSE_INITIATION);
        return;
    }
    pipe_step(c, STAGE_LINK_SERVICE, REASON_NONE)->a = c->port;
    c->meta->endpoint = endpoint;
    pipe_hand_to(c, endpoint, c->img->link_private);
}

/* A request reaches the endpoint: admission, policy, record, on to the service. An answer from the service passes on to
 * pipe_out of the same port. */
static void in_endpoint(struct ctx *c)
{
    if (c->meta->endpoint == c->port) { /* the service's answer */
        pipe_hand_to(c, c->port, 0);
        return;
    }
    enum reason r = c->at->gate;
    if (r == REASON_NONE && c->info->proto != IPPROTO_NR_TCP && c->info->proto != IPPROTO_NR_UDP)
        r = REASON_PROTOCOL_UNSUPPORTED; /* PE-18 */
    if (r != REASON_NONE) {
        pipe_drop(c, STAGE_ENDPOINT, r);
        return;
    }
    struct flow_state *s = state_touch(c, true);
    if (!s && c->at->pls && pipe_goes_on(c) && flowtab_get(c->p->index, pipe_key(c, true)) != FLOW_MISS) {
        pipe_drop(c, STAGE_LINK_SERVICE, REASON_FLOW_EXPIRED); /* PE-24 */
        return;
    }
    if (!s) {
        if (!nsgs_pass(c, true)) /* PE-09: only with the policy on, else no rule set is there (PE-07) */
            return;
        s = state_pair(c, true);
    }
    pipe_step(c, STAGE_ENDPOINT, REASON_NONE)->a = c->port;
    if (c->at->pls) {
        to_link_service(c, s);
        return;
    }
    c->meta->endpoint = c->port;
    c->meta->realm = c->at->realm;
    pipe_hand_to(c, c->at->service, c->img->link_private);
}

static void in_service(struct ctx *c)
{
    if (c->info->proto == IPPROTO_NR_ICMP) { /* SE-10 */
        pipe_drop(c, STAGE_DELIVERY, REASON_PROTOCOL_UNSUPPORTED);
        return;
    }
    if (!state_touch(c, true))
        state_pair(c, true);
    pipe_hand_to(c, c->port, 0);
}

void pipe_in(struct pipe *p, const struct image *img, int64_t now, uint32_t port, const struct packet_info *info,
             struct packet_meta *meta, struct pipe_decision *d)
{
    struct ctx c = {.p = p, .img = img, .now = now, .port = port, .info = info, .meta = meta};
    begin(&c, d, true);
    if (!c.at->up) {
        pipe_drop(&c, STAGE_DELIVERY, down(&c, port));
        return;
    }
    switch (c.at->kind) {
    case PORT_NIC:
        in_nic(&c);
        break;
    case PORT_ENDPOINT:
        in_endpoint(&c);
        break;
    case PORT_SERVICE:
    case PORT_RESOLVER:
        in_service(&c);
        break;
    case PORT_FRONTEND:
        lb_in(&c);
        break;
    case PORT_PLS:
        in_link_service(&c);
        break;
    case PORT_GATEWAY:
    case PORT_INTERNET_HOST:
    case PORT_ONPREM_HOST:
        pipe_hand_to(&c, port, 0);
        break;
    }
}

/* -- changes ------------------------------------------------------------------------------------------------ */

static bool takes_service_endpoint(const struct image *img, uint32_t port, ip4 dst)
{
    if (port >= img->n_ports || img->port[port].kind != PORT_NIC || !img->port[port].up)
        return false;
    const struct image_nexthop *nh = image_route(img, port, dst);
    return nh && nh->action == NH_SERVICE;
}

/* The tag of an appliance resets the flows to private endpoints that it passes on (PE-16). */
static bool gains_tag(const struct image *before, const struct image *after, uint32_t port)
{
    return port < before->n_ports && port < after->n_ports && !before->port[port].return_last_hop &&
           after->port[port].return_last_hop;
}

static bool cuts(const struct image *before, const struct image *after, const struct flow_state *s)
{
    const uint32_t port = flow_key_port(s->key);
    if (!s->flow || s->answer || flow_key_proto(s->key) != IPPROTO_NR_TCP || port >= before->n_ports ||
        port >= after->n_ports || !after->port[port].up)
        return false; /* what is gone resets nothing */
    if (before->port[port].kind == PORT_ENDPOINT)
        return before->port[port].high_scale != after->port[port].high_scale || gains_tag(before, after, s->last_hop);
    return !flow_key_dir(s->key) &&
           takes_service_endpoint(before, port, s->key.dst) != takes_service_endpoint(after, port, s->key.dst);
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

int pipe_cut_by_change(struct pipe *p, const struct image *before, const struct image *after, uint32_t **flows)
{
    size_t n = 0, kept = 0;
    uint32_t *list = malloc((p->n + 1) * sizeof *list);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < p->n; i++)
        if (cuts(before, after, &p->state[i]))
            list[n++] = p->state[i].flow;
    qsort(list, n, sizeof *list, by_number);
    for (size_t i = 0; i < n; i++)
        if (!kept || list[kept - 1] != list[i])
            list[kept++] = list[i];
    *flows = list;
    return (int)kept;
}
