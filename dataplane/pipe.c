/* pipe.c - the packet path.
 *
 * Purpose. One packet at one port: which checks does it pass, in which order, who decides, where does it go
 * next.
 *
 * Order (scenario contract, section 2). Out of a NIC: source check (with it what the network carries at all,
 * A-07), security admin rules (G-16), NIC security group, subnet security group, route, then what the route's
 * next hop asks for (peering crossing, translation, identity). Into a NIC: public address, address check,
 * security admin rules, subnet security group, NIC security group. The first stage that drops names the
 * reason; later ones do not run.
 *
 * Flow records. The key is (port, direction, 5-tuple). The first packet that may leave a port makes two
 * records: its own, and one for the answer coming back into that port (G-05: replies need no rule); likewise
 * the other way round. A record keeps the route it found, valid for one image epoch; after a change the route
 * is looked up again (M-07) while the admission stays (G-06, unless the switch says otherwise). Records idle
 * for longer than the port's flow timeout count as absent (G-07). A NIC has room for so many records in each
 * direction; beyond that nothing new begins (M-05), and the port's expired records are searched for and given
 * back then, no sooner than the oldest can have expired. Batches of packets take them away in small steps
 * before that (pipe_sweep.c).
 *
 * Appliances that stop. A route to one turns into None, and what begins later drops as RouteNone. A
 * record that led to the appliance remembers so, and its packets, like those on the way, drop as
 * ApplianceDown.
 *
 * Private endpoints (PE-20, R-31). The endpoint is not a machine on the way: its port checks admission, makes
 * the record that the answers need, and hands on to the service. Answers without a record are dropped: that
 * is the mechanical form of one-directional initiation (PE-04). Service endpoints work alike with the
 * subnet's identity instead of an endpoint.
 *
 * Translation by pools is in pipe_nat.c, load balancers are in pipe_lb.c. Instance public addresses are 1:1
 * and stateless (O-04).
 *
 * Costs: one hash lookup per packet of an established flow, plus one route lookup per flow and epoch; packets
 * that come in batches are cheaper (pipe_batch.c). */
#include "dataplane/pipe_int.h"

#include "dataplane/mem.h"

#include <stdlib.h>
#include <string.h>

struct pipe *pipe_new(void)
{
    struct pipe *p = calloc(1, sizeof *p);
    if (p) {
        p->index = flowtab_new(1024);
        p->nat_index = flowtab_new(64);
        p->linger = INT64_MAX;
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
    pipe_records_free(p);
    free(p->closed);
    pipe_ways_free(p);
    free(p->count);
    mem_free(p->nat, p->cap_nat * sizeof *p->nat);
    free(p->balanced);
    free(p->down);
    free(p);
}
/* -- outcomes -------------------------------------------------------------------------------------------- */

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
    return p->kind == PORT_NIC && p->host.appliance.present && c->dst != p->addr ? REASON_APPLIANCE_DOWN
                                                                                 : REASON_NO_HOST;
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

/* -- security groups ------------------------------------------------------------------------------------- */

static bool is_host_agent(ip4 a)
{
    return a == IP4_PLATFORM || a == IP4_IMDS;
}

static struct acl_key rule_key(const struct ctx *c)
{
    struct acl_key key = {.src = c->src, .dst = c->dst, .proto = c->info->proto};
    if (key.proto == IPPROTO_NR_TCP || key.proto == IPPROTO_NR_UDP) {
        key.sport = c->sport;
        key.dport = c->dport;
    }
    return key;
}

/* => whether the group at one level lets the packet pass (G-01, G-03; G-14 for the host agent's addresses).
 */
static bool nsg_pass(struct ctx *c, bool inbound, unsigned level)
{
    uint32_t acl = c->at->acl[inbound][level];
    if (acl == NONE32)
        return true;
    if (is_host_agent(inbound ? c->src : c->dst) && !c->img->acl[acl].platform && !c->meta->probe)
        return true; /* probes are subject to rules: B-03 */
    const struct acl_key key = rule_key(c);
    const struct acl_hit hit = c->ahead && c->ahead->acl[level][c->asked] == acl
                                   ? c->ahead->hit[level][c->asked]
                                   : image_acl_check(c->img, acl, &key);
    enum reason reason = hit.hit && hit.allow ? REASON_NONE : REASON_NSG_DENY;
    struct trace_step *s = pipe_step(c, level ? STAGE_SUBNET_NSG : STAGE_NIC_NSG, reason);
    s->a = acl;
    s->b = hit.hit ? hit.id : TRACE_NONE;
    return reason == REASON_NONE;
}

/* The network manager's rules come before all groups (G-16); the host agent's traffic is none of theirs.
 * => whether the packet goes on; *ends: by AlwaysAllow, which spares it the groups. */
static bool admin_pass(struct ctx *c, bool inbound, bool *ends)
{
    const uint32_t acl = c->at->admin[inbound];
    if (acl == NONE32 || (is_host_agent(inbound ? c->src : c->dst) && !c->meta->probe))
        return true;
    const struct acl_key key = rule_key(c);
    const struct acl_hit hit = image_acl_check(c->img, acl, &key);
    const enum reason reason = hit.hit && !hit.allow ? REASON_ADMIN_RULE_DENY : REASON_NONE;
    struct trace_step *s = pipe_step(c, STAGE_ADMIN_RULES, reason);
    s->a = acl;
    s->b = hit.hit ? hit.id : TRACE_NONE;
    *ends = hit.hit && hit.allow && c->img->acl[acl].ends && c->img->acl[acl].ends[hit.id];
    return reason == REASON_NONE;
}

/* The manager's rules, then both groups in the order of the direction. */
static bool nsgs_pass(struct ctx *c, bool inbound)
{
    bool ends = false;
    if (!admin_pass(c, inbound, &ends))
        return false;
    return ends || (nsg_pass(c, inbound, inbound) && nsg_pass(c, inbound, !inbound));
}

/* => whether the address is one of a frontend that the machine answers for (floating IP, B-05). */
static bool is_floating(const struct image_port *p, ip4 addr)
{
    for (size_t i = 0; i < p->n_floating; i++)
        if (p->floating[i] == addr)
            return true;
    return false;
}

/* -- out of each kind of port ---------------------------------------------------------------------------- */

#define PORT_OF_THE_HOST 65330u
#define DHCP_CLIENT      68u
#define DHCP_SERVER      67u

/* unicast TCP, UDP, ICMP, ESP and AH; one UDP source port is the host's own, and so is what asks for a
 * lease. */
static bool is_carried(const struct ctx *c)
{
    switch (c->info->proto) {
    case IPPROTO_NR_UDP:
        if (c->sport == PORT_OF_THE_HOST || (c->sport == DHCP_CLIENT && c->dport == DHCP_SERVER))
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
    struct flow_state *s = pipe_state_touch(c, false);
    if (s) {
        pipe_step(c, STAGE_ESTABLISHED, REASON_NONE);
    } else {
        if (!nsgs_pass(c, false) || !pipe_has_room(c))
            return;
        s = pipe_state_pair(c, false);
        pipe_decide_answers(c, s);
    }
    if (pipe_is_balanced_answer(s) && !lb_answer(c, s))
        return;
    if (is_host_agent(c->dst)) { /* no route leads elsewhere */
        c->meta->realm = c->at->realm;
        c->varies = true;
        if (c->dst == IP4_PLATFORM)
            pipe_hand_to(c, c->img->resolver, c->img->link_local);
        else
            pipe_drop(c, STAGE_DELIVERY, REASON_NO_HOST);
        return;
    }
    pipe_route(c, s);
}

/* What leaves an endpoint's port is an answer that its record carries, or nothing (PE-04). */
static void out_endpoint(struct ctx *c)
{
    struct flow_state *s = pipe_state_touch(c, false);
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
        pipe_route(c, s);
}

/* Resolvers answer into the network that asked: private addresses mean nothing without it. */
static void out_resolver(struct ctx *c)
{
    if (c->meta->realm == REALM_PUBLIC)
        pipe_to_public(c);
    else
        pipe_to_realm(c, c->meta->realm,
                      c->port == c->img->resolver ? c->img->link_local : c->img->link_internet);
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
        if (pipe_state_touch(c, false))
            pipe_to_realm(c, c->meta->realm, c->img->link_backbone);
        else
            pipe_drop(c, STAGE_SERVICE_IDENTITY, REASON_ENDPOINT_REVERSE_INITIATION);
        return;
    }
    if (c->dst == c->img->public_resolver_addr)
        to_public_resolver(c);
    else if (!ip4_is_public(c->dst))
        pipe_drop(c, STAGE_ROUTE, REASON_ENDPOINT_REVERSE_INITIATION);
    else
        pipe_to_public(c);
}

static void out_outside(struct ctx *c)
{
    if (c->dst == c->img->public_resolver_addr)
        to_public_resolver(c);
    else if (c->at->table != NONE32)
        pipe_route(c, NULL);
    else
        pipe_to_public(c);
}

/* Gateways ask nobody; the record is there for its route. */
static void out_gateway(struct ctx *c)
{
    struct flow_state *s = pipe_state_touch(c, false);
    pipe_route(c, s ? s : (c->record = pipe_state_put(c, pipe_key(c, false), false)));
}

static void begin(struct ctx *c, struct pipe_decision *d, bool inbound)
{
    memset(d, 0, offsetof(struct pipe_decision, trace)); /* of the trace, steps beyond n tell nothing */
    d->next = c->port;
    d->trace.port = c->port;
    d->trace.epoch = c->img->epoch;
    d->trace.inbound = inbound;
    d->trace.again = false;
    d->trace.n = 0;
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

static void out(struct ctx *c)
{
    switch (c->at->kind) {
    case PORT_NIC:
        out_nic(c);
        break;
    case PORT_ENDPOINT:
        out_endpoint(c);
        break;
    case PORT_SERVICE:
        out_service(c);
        break;
    case PORT_GATEWAY:
        out_gateway(c);
        break;
    case PORT_RESOLVER:
        out_resolver(c);
        break;
    case PORT_INTERNET_HOST:
    case PORT_ONPREM_HOST:
        out_outside(c);
        break;
    case PORT_FRONTEND: /* nothing lives there: what comes in is handed on at once */
    case PORT_PLS:
        pipe_drop(c, STAGE_ROUTE, REASON_UNROUTABLE);
        break;
    }
}

/* -- into each kind of port ------------------------------------------------------------------------------ */

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
    struct flow_state *s = pipe_state_touch(c, true);
    if (s) {
        pipe_step(c, STAGE_ESTABLISHED, REASON_NONE);
    } else {
        if (!nsgs_pass(c, true) || !pipe_has_room(c))
            return;
        s = pipe_state_pair(c, true);
        pipe_record(c->p, s->number ^ 1)->via_public = public;
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
    c->meta->consumer = s->number + 1;
    pipe_hand_to(c, pls->frontend, c->img->link_private);
}

/* An answer of a backend reaches the NAT address it knows: back to the endpoint. Whatever else comes here
 * wants to reach a consumer that did not ask (PE-04). */
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

/* A request reaches the endpoint: admission, policy, record, on to the service. An answer from the service
 * passes on to pipe_out of the same port. */
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
    struct flow_state *s = pipe_state_touch(c, true);
    if (!s && c->at->pls && pipe_goes_on(c) && pipe_state_find(c->p, pipe_key(c, true))) {
        pipe_drop(c, STAGE_LINK_SERVICE, REASON_FLOW_EXPIRED); /* PE-24 */
        return;
    }
    if (!s) {
        if (!nsgs_pass(c, true)) /* PE-09: only with the policy on, else no rule set is there (PE-07) */
            return;
        s = pipe_state_pair(c, true);
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
    if (!pipe_state_touch(c, true))
        pipe_state_pair(c, true);
    pipe_hand_to(c, c->port, 0);
}

static void in(struct ctx *c)
{
    switch (c->at->kind) {
    case PORT_NIC:
        in_nic(c);
        break;
    case PORT_ENDPOINT:
        in_endpoint(c);
        break;
    case PORT_SERVICE:
    case PORT_RESOLVER:
        in_service(c);
        break;
    case PORT_FRONTEND:
        lb_in(c);
        break;
    case PORT_PLS:
        in_link_service(c);
        break;
    case PORT_GATEWAY:
    case PORT_INTERNET_HOST:
    case PORT_ONPREM_HOST:
        pipe_hand_to(c, c->port, 0);
        break;
    }
}

void pipe_walk(struct pipe *p, const struct image *img, int64_t now, const struct pipe_at *at,
               const struct packet_info *info, struct packet_meta *meta, struct pipe_decision *d)
{
    struct ctx c; /* what is not set here, begin sets; to clear it all first takes longer */
    c.p = p;
    c.img = img;
    c.now = now;
    c.port = at->port;
    c.info = info;
    c.meta = meta;
    c.pair = PAIR_UNKNOWN;
    c.key = at->key;
    c.had = at->pair;
    c.ahead = at->ahead;
    c.asked = at->asked;
    c.record = NULL;
    c.nat = NONE32;
    c.identity = c.varies = false;
    begin(&c, d, at->inbound);
    if (!at->inbound)
        meta->last_hop = at->port;
    if (!c.at->up)
        pipe_drop(&c, STAGE_DELIVERY, at->inbound ? down(&c, at->port) : REASON_NO_HOST);
    else if (at->inbound)
        in(&c);
    else
        out(&c);
    if (!at->inbound)
        fit(&c);
    pipe_decided(&c, at->inbound);
}

void pipe_out(struct pipe *p, const struct image *img, int64_t now, uint32_t port,
              const struct packet_info *info, struct packet_meta *meta, struct pipe_decision *d)
{
    pipe_walk(p, img, now, &(struct pipe_at){.port = port}, info, meta, d);
}

void pipe_in(struct pipe *p, const struct image *img, int64_t now, uint32_t port,
             const struct packet_info *info, struct packet_meta *meta, struct pipe_decision *d)
{
    pipe_walk(p, img, now, &(struct pipe_at){.port = port, .inbound = true}, info, meta, d);
}
