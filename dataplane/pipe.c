/* pipe.c - the packet path.
 *
 * Purpose. One packet at one port: which checks does it pass, in which order, who decides, where does it go next.
 *
 * Order (scenario contract, section 2). Out of a NIC: source check, NIC security group, subnet security group, route,
 * then what the route's next hop asks for (peering crossing, translation, identity). Into a NIC: public address, address
 * check, subnet security group, NIC security group. The first stage that drops names the reason; later ones do not run.
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
 * Translation. A pool maps (private address, port) to (public address, port) per destination; the source port is kept
 * where it is free. Instance public addresses are 1:1 and stateless (O-04).
 *
 * Costs: one hash lookup per packet of an established flow, plus one route lookup per flow and epoch. */
#include "dataplane/pipe.h"

#include "dataplane/flowtab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flow_state {
    struct flow_key key;
    uint32_t epoch;   /* of next hop */
    uint32_t nexthop; /* in the port's table; NONE32: not looked up */
    uint32_t rules_epoch;
    int64_t seen;
    uint32_t flow;
    uint32_t last_hop; /* who handed the first packet over */
    uint32_t via;      /* port that its route led to last; NONE32 */
    bool answer;       /* made by the packet in the other direction */
    bool via_public;   /* came in through the instance's public address */
};

struct flow_count { /* records of one port */
    uint32_t n[2];  /* by direction */
    int64_t full_until; /* before that no record expires */
};

struct pipe {
    struct flowtab *index; /* key -> position in state */
    struct flow_state *state; /* given back: all zero but nexthop, the next of them */
    size_t n, cap, n_free;
    uint32_t first_free;
    struct flow_count *count; /* by port */
    size_t n_counts;
    struct flowtab *nat; /* pool translations, both directions */
};

/* One packet on its way through the stages. */
struct ctx {
    struct pipe *p;
    const struct image *img;
    int64_t now;
    uint32_t port;
    const struct image_port *at;
    const struct packet_info *info;
    struct packet_meta *meta;
    struct pipe_decision *d;
    ip4 src, dst; /* as they stand after translation so far */
    uint16_t sport, dport;
};

struct pipe *pipe_new(void)
{
    struct pipe *p = calloc(1, sizeof *p);
    if (p) {
        p->index = flowtab_new(1024);
        p->nat = flowtab_new(64);
    }
    if (p && p->index && p->nat)
        return p;
    pipe_free(p);
    return NULL;
}

void pipe_free(struct pipe *p)
{
    if (!p)
        return;
    flowtab_free(p->index);
    flowtab_free(p->nat);
    free(p->state);
    free(p->count);
    free(p);
}

size_t pipe_flows(const struct pipe *p)
{
    return p->n - p->n_free;
}

/* -- flow records ------------------------------------------------------------------------------------------ */

static struct flow_key key_of(const struct ctx *c, bool inbound)
{
    return flow_key_make(c->port, inbound, c->info->proto, c->src, c->dst, c->sport, c->dport);
}

static struct flow_state *state_get(const struct ctx *c, struct flow_key key)
{
    uint64_t i = flowtab_get(c->p->index, key);
    if (i == FLOW_MISS)
        return NULL;
    struct flow_state *s = &c->p->state[i];
    return c->at->flow_timeout && c->now - s->seen > c->at->flow_timeout ? NULL : s;
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
        if (p->n == p->cap) {
            size_t cap = p->cap ? p->cap * 2 : 256;
            struct flow_state *more = realloc(p->state, cap * sizeof *more);
            if (!more)
                arena_oom("flow records");
            p->state = more;
            p->cap = cap;
        }
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
static struct flow_state *state_put(const struct ctx *c, struct flow_key key, bool answer)
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
                                      .answer = answer};
    return &p->state[i];
}

/* Records of a packet that was let through in one direction at this port, and of its answer. => the packet's own. */
static struct flow_state *state_pair(const struct ctx *c, bool inbound)
{
    struct flow_key key = key_of(c, inbound);
    state_put(c, flow_key_reverse(key), true);
    return state_put(c, key, false);
}

/* An admitted packet keeps both directions alive. => its record, or NULL where it needs admission. */
static struct flow_state *state_touch(const struct ctx *c, bool inbound)
{
    struct flow_key key = key_of(c, inbound), back = flow_key_reverse(key);
    struct flow_state *s = state_get(c, key);
    if (!s || (!c->img->rule_change_keeps_flows && !s->answer && s->rules_epoch != c->img->epoch))
        return NULL;
    uint64_t i = flowtab_get(c->p->index, back);
    s->seen = c->now;
    if (i != FLOW_MISS)
        c->p->state[i].seen = c->now;
    return s;
}

/* -- outcomes ------------------------------------------------------------------------------------------------ */

static struct trace_step *step(struct ctx *c, enum stage stage, enum reason reason)
{
    if (reason != REASON_NONE)
        c->d->reason = reason;
    return trace_add(&c->d->trace, stage, reason);
}

static void drop(struct ctx *c, enum stage stage, enum reason reason)
{
    step(c, stage, reason);
}

/* Why nobody takes the packet at a port that is down. */
static enum reason down(const struct ctx *c, uint32_t port)
{
    const struct image_port *p = &c->img->port[port];
    return p->kind == PORT_NIC && p->host.appliance.present && c->dst != p->addr ? REASON_APPLIANCE_DOWN : REASON_NO_HOST;
}

static void hand_to(struct ctx *c, uint32_t next, uint8_t link)
{
    struct trace_step *s = step(c, STAGE_DELIVERY, c->img->port[next].up ? REASON_NONE : down(c, next));
    s->a = next;
    c->d->next = next;
    c->d->link = link;
}

static void set_src(struct ctx *c, ip4 addr, uint16_t port)
{
    c->d->set_src = true;
    c->d->src = c->src = addr;
    c->d->sport = c->sport = port;
    struct trace_step *s = step(c, STAGE_SNAT, REASON_NONE);
    s->addr = addr;
    s->l4port = port;
}

static void set_dst(struct ctx *c, ip4 addr, uint16_t port)
{
    c->d->set_dst = true;
    c->d->dst = c->dst = addr;
    c->d->dport = c->dport = port;
    struct trace_step *s = step(c, STAGE_DNAT, REASON_NONE);
    s->addr = addr;
    s->l4port = port;
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
    if (is_host_agent(inbound ? c->src : c->dst) && !c->img->acl[acl].platform)
        return true;
    struct acl_key key = {.src = c->src, .dst = c->dst, .proto = c->info->proto};
    if (key.proto == IPPROTO_NR_TCP || key.proto == IPPROTO_NR_UDP) {
        key.sport = c->sport;
        key.dport = c->dport;
    }
    struct acl_hit hit = image_acl_check(c->img, acl, &key);
    enum reason reason = hit.hit && hit.allow ? REASON_NONE : REASON_NSG_DENY;
    struct trace_step *s = step(c, level ? STAGE_SUBNET_NSG : STAGE_NIC_NSG, reason);
    s->a = acl;
    s->b = hit.hit ? hit.id : TRACE_NONE;
    return reason == REASON_NONE;
}

/* Both levels, in the order of the direction. */
static bool nsgs_pass(struct ctx *c, bool inbound)
{
    return nsg_pass(c, inbound, inbound) && nsg_pass(c, inbound, !inbound);
}

/* -- translation ----------------------------------------------------------------------------------------------- */

/* Translations are keyed like flows, with the pool in place of the port. Value: address and port of the other side. */
static struct flow_key nat_key(uint32_t pool, bool back, uint8_t proto, ip4 src, ip4 dst, uint16_t sport, uint16_t dport)
{
    return flow_key_make(pool, back, proto, src, dst, sport, dport);
}

static uint64_t nat_value(ip4 addr, uint16_t port)
{
    return (uint64_t)addr << 16 | port;
}

/* => whether a public address and port of the pool are free towards this destination; takes them. */
static bool nat_try(struct ctx *c, uint32_t pool, ip4 addr, uint16_t port)
{
    const bool echo = c->info->proto == IPPROTO_NR_ICMP;
    struct flow_key fwd = nat_key(pool, false, c->info->proto, c->src, c->dst, c->sport, echo ? 0 : c->dport);
    struct flow_key back = nat_key(pool, true, c->info->proto, c->dst, addr, echo ? 0 : c->dport, port);
    if (flowtab_get(c->p->nat, back) != FLOW_MISS)
        return false;
    if (flowtab_set(c->p->nat, fwd, nat_value(addr, port)) || flowtab_set(c->p->nat, back, nat_value(c->src, c->sport)))
        arena_oom("address translation");
    return true;
}

/* => the translation that a flow has; FLOW_MISS: none, or its public address is no longer the pool's. */
static uint64_t nat_kept(const struct ctx *c, const struct image_pool *pool, struct flow_key fwd)
{
    uint64_t v = flowtab_get(c->p->nat, fwd);
    for (size_t i = 0; i < pool->n && v != FLOW_MISS; i++)
        if (pool->addr[i] == (ip4)(v >> 16))
            return v;
    return FLOW_MISS;
}

/* Source translation to a pool. => REASON_NONE, with the source rewritten. */
static enum reason nat_out(struct ctx *c, uint32_t index)
{
    const struct image_pool *pool = &c->img->pool[index];
    const uint8_t proto = c->info->proto;
    const bool echo = proto == IPPROTO_NR_ICMP;
    if (echo ? !pool->carries_icmp : proto != IPPROTO_NR_TCP && proto != IPPROTO_NR_UDP)
        return REASON_PROTOCOL_UNSUPPORTED;
    if ((c->info->mf || c->info->frag_offset) && !pool->carries_fragments)
        return REASON_FRAGMENT_DROPPED; /* M-06 */
    struct flow_key fwd = nat_key(index, false, proto, c->src, c->dst, c->sport, echo ? 0 : c->dport);
    uint64_t v = nat_kept(c, pool, fwd);
    if (v == FLOW_MISS) {
        const uint32_t span = (uint32_t)(pool->last_port - pool->first_port) + 1;
        const uint32_t first = c->sport >= pool->first_port && c->sport <= pool->last_port
                                   ? (uint32_t)(c->sport - pool->first_port)
                                   : c->sport % span;
        for (size_t a = 0; a < pool->n && v == FLOW_MISS; a++)
            for (uint32_t i = 0; i < span && v == FLOW_MISS; i++) {
                uint16_t port = (uint16_t)(pool->first_port + (first + i) % span);
                if (nat_try(c, index, pool->addr[a], port))
                    v = nat_value(pool->addr[a], port);
            }
    }
    if (v == FLOW_MISS)
        return REASON_SNAT_EXHAUSTED;
    set_src(c, (ip4)(v >> 16), (uint16_t)v);
    return REASON_NONE;
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
        drop(c, STAGE_DELIVERY, ip4_is_public(c->dst) ? REASON_NO_HOST : REASON_UNROUTABLE);
        return;
    }
    if (v & POOL_FLAG) {
        const bool echo = c->info->proto == IPPROTO_NR_ICMP;
        uint32_t pool = v & ~POOL_FLAG;
        struct flow_key back =
            nat_key(pool, true, c->info->proto, c->src, c->dst, echo ? 0 : c->sport, c->dport);
        uint64_t in = flowtab_get(c->p->nat, back);
        if (in == FLOW_MISS) { /* O-09 */
            drop(c, STAGE_DELIVERY, REASON_NO_HOST);
            return;
        }
        set_dst(c, (ip4)(in >> 16), (uint16_t)in);
        v = inside(c, c->img->pool[pool].realm);
        if (v == EXACT_MISS) {
            drop(c, STAGE_DELIVERY, REASON_NO_HOST);
            return;
        }
    }
    hand_to(c, v, public_link(c, v));
}

static void to_realm(struct ctx *c, uint32_t realm, uint8_t link)
{
    uint32_t v = exact_get(c->img->addresses, realm, c->dst);
    if (v == EXACT_MISS)
        drop(c, STAGE_DELIVERY, REASON_NO_HOST);
    else
        hand_to(c, v, link);
}

/* Out to the Internet from a NIC: O-01's order was settled when the image was made. */
static void to_internet(struct ctx *c, const struct flow_state *s)
{
    enum reason r = REASON_NONE;
    if (!ip4_is_public(c->dst)) {
        drop(c, STAGE_DELIVERY, REASON_UNROUTABLE);
        return;
    }
    if (c->at->kind == PORT_NIC && c->src != c->at->addr) {
        drop(c, STAGE_SNAT, REASON_NO_OUTBOUND_ACCESS); /* P-09: foreign sources are not translated */
        return;
    }
    if (c->at->public_addr && (c->at->pool == NONE32 || (s && s->via_public)))
        set_src(c, c->at->public_addr, c->sport);
    else if (c->at->pool != NONE32)
        r = nat_out(c, c->at->pool);
    else
        r = REASON_NO_OUTBOUND_ACCESS;
    if (r != REASON_NONE)
        drop(c, STAGE_SNAT, r);
    else
        to_public(c);
}

static void to_onprem(struct ctx *c, uint32_t realm, uint8_t link)
{
    const struct image_realm *r = &c->img->realm[realm];
    uint32_t v = exact_get(c->img->addresses, realm, c->dst);
    if (v != EXACT_MISS) {
        hand_to(c, v, link);
    } else if (!ip4_is_public(c->dst)) {
        drop(c, STAGE_DELIVERY, REASON_NO_HOST);
    } else if (r->pool == NONE32) {
        drop(c, STAGE_DELIVERY, REASON_ON_PREMISES_NO_INTERNET);
    } else {
        enum reason why = nat_out(c, r->pool);
        if (why != REASON_NONE)
            drop(c, STAGE_SNAT, why);
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
    struct trace_step *s = step(c, STAGE_PEERING, r);
    s->b = nh->crossing;
    return r == REASON_NONE;
}

static void follow(struct ctx *c, const struct image_nexthop *nh, const struct flow_state *s)
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
        hand_to(c, nh->port, nh->link);
        break;
    case NH_INTERNET:
        to_internet(c, s);
        break;
    case NH_SERVICE:
        c->meta->identity = c->at->identity;
        c->meta->realm = c->at->realm;
        step(c, STAGE_SERVICE_IDENTITY, REASON_NONE);
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
        drop(c, STAGE_ROUTE, REASON_UNROUTABLE);
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
    struct trace_step *st = step(c, STAGE_ROUTE, r);
    st->a = t;
    st->b = nh ? (uint32_t)(nh - table->nexthop) : TRACE_NONE;
    if (r != REASON_NONE)
        return;
    if (s)
        s->via = nh->action == NH_PORT ? nh->port : NONE32;
    follow(c, nh, s);
}

/* -- out of each kind of port ------------------------------------------------------------------------------- */

static void out_nic(struct ctx *c)
{
    if (c->src != c->at->addr && !c->at->ip_forwarding) {
        drop(c, STAGE_SOURCE_CHECK, REASON_SPOOFED);
        return;
    }
    struct flow_state *s = state_touch(c, false);
    if (s) {
        step(c, STAGE_ESTABLISHED, REASON_NONE);
    } else {
        if (!nsgs_pass(c, false) || !has_room(c))
            return;
        s = state_pair(c, false);
    }
    if (is_host_agent(c->dst)) { /* no route leads elsewhere */
        c->meta->realm = c->at->realm;
        if (c->dst == IP4_PLATFORM)
            hand_to(c, c->img->resolver, c->img->link_local);
        else
            drop(c, STAGE_DELIVERY, REASON_NO_HOST);
        return;
    }
    route(c, s);
}

/* What leaves an endpoint's port is an answer that its record carries, or nothing (PE-04). */
static void out_endpoint(struct ctx *c)
{
    struct flow_state *s = state_touch(c, false);
    if (!s || !s->answer || c->meta->origin == c->port) {
        drop(c, STAGE_ENDPOINT, REASON_ENDPOINT_REVERSE_INITIATION);
        return;
    }
    if (c->at->gate != REASON_NONE) {
        drop(c, STAGE_ENDPOINT, c->at->gate);
        return;
    }
    step(c, STAGE_ENDPOINT, REASON_NONE)->a = c->port;
    c->meta->endpoint = PORT_NONE;
    const bool known = s->last_hop < c->img->n_ports;
    if (known && (c->img->endpoint_return_last_hop || c->img->port[s->last_hop].return_last_hop)) /* PE-16 */
        hand_to(c, s->last_hop, c->img->link_local);
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
    hand_to(c, c->img->public_resolver, c->img->link_internet);
}

static void out_service(struct ctx *c)
{
    if (c->info->proto == IPPROTO_NR_ICMP && c->meta->reply) { /* SE-10, PE-18: port unreachable, too */
        drop(c, STAGE_DELIVERY, REASON_PROTOCOL_UNSUPPORTED);
        return;
    }
    if (c->meta->endpoint != PORT_NONE) {
        hand_to(c, c->meta->endpoint, c->img->link_private);
        return;
    }
    if (c->meta->identity != IDENTITY_NONE) {
        if (state_touch(c, false))
            to_realm(c, c->meta->realm, c->img->link_backbone);
        else
            drop(c, STAGE_SERVICE_IDENTITY, REASON_ENDPOINT_REVERSE_INITIATION);
        return;
    }
    if (c->dst == c->img->public_resolver_addr)
        to_public_resolver(c);
    else if (!ip4_is_public(c->dst))
        drop(c, STAGE_ROUTE, REASON_ENDPOINT_REVERSE_INITIATION);
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
    route(c, s ? s : state_put(c, key_of(c, false), false));
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
        drop(c, STAGE_LINK, REASON_MTU_EXCEEDED);
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
        drop(&c, STAGE_DELIVERY, REASON_NO_HOST);
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
        const bool known = state_get(c, key_of(c, true)) != NULL;
        c->dst = was;
        if (c->at->inbound_closed && !known) {
            drop(c, STAGE_PUBLIC_ADDRESS, REASON_INBOUND_CLOSED);
            return;
        }
        set_dst(c, c->at->addr, c->dport); /* G-04: rules see the private address */
    }
    if (c->dst != c->at->addr && !c->at->ip_forwarding) {
        drop(c, STAGE_ADDRESS_CHECK, REASON_IP_FORWARDING_OFF);
        return;
    }
    if (state_touch(c, true)) {
        step(c, STAGE_ESTABLISHED, REASON_NONE);
    } else {
        if (!nsgs_pass(c, true) || !has_room(c))
            return;
        struct flow_key key = key_of(c, true);
        state_put(c, flow_key_reverse(key), true)->via_public = public;
        state_put(c, key, false);
    }
    hand_to(c, c->port, 0);
}

/* A request reaches the endpoint: admission, policy, record, on to the service. An answer from the service passes on to
 * pipe_out of the same port. */
static void in_endpoint(struct ctx *c)
{
    if (c->meta->endpoint == c->port) { /* the service's answer */
        hand_to(c, c->port, 0);
        return;
    }
    enum reason r = c->at->gate;
    if (r == REASON_NONE && c->info->proto != IPPROTO_NR_TCP && c->info->proto != IPPROTO_NR_UDP)
        r = REASON_PROTOCOL_UNSUPPORTED; /* PE-18 */
    if (r != REASON_NONE) {
        drop(c, STAGE_ENDPOINT, r);
        return;
    }
    if (!state_touch(c, true)) {
        if (!nsgs_pass(c, true)) /* PE-09: only with the policy on, else no rule set is there (PE-07) */
            return;
        state_pair(c, true);
    }
    struct trace_step *s = step(c, STAGE_ENDPOINT, REASON_NONE);
    s->a = c->port;
    c->meta->endpoint = c->port;
    c->meta->realm = c->at->realm;
    hand_to(c, c->at->service, c->img->link_private);
}

static void in_service(struct ctx *c)
{
    if (c->info->proto == IPPROTO_NR_ICMP) { /* SE-10 */
        drop(c, STAGE_DELIVERY, REASON_PROTOCOL_UNSUPPORTED);
        return;
    }
    if (!state_touch(c, true))
        state_pair(c, true);
    hand_to(c, c->port, 0);
}

void pipe_in(struct pipe *p, const struct image *img, int64_t now, uint32_t port, const struct packet_info *info,
             struct packet_meta *meta, struct pipe_decision *d)
{
    struct ctx c = {.p = p, .img = img, .now = now, .port = port, .info = info, .meta = meta};
    begin(&c, d, true);
    if (!c.at->up) {
        drop(&c, STAGE_DELIVERY, down(&c, port));
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
    case PORT_GATEWAY:
    case PORT_INTERNET_HOST:
    case PORT_ONPREM_HOST:
        hand_to(&c, port, 0);
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
