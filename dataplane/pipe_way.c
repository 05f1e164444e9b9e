/* pipe_way.c - where a packet goes from here: its route, what the route's next hop asks for, who has the
 * address. */
#include "dataplane/pipe_int.h"

#include "dataplane/spread.h"

#define SMTP 25u /* TCP port: G-15 */

static uint8_t public_link(const struct ctx *c, uint32_t next)
{
    enum port_kind a = c->at->kind, b = c->img->port[next].kind;
    return a == PORT_INTERNET_HOST || b == PORT_INTERNET_HOST || a == PORT_ONPREM_HOST ||
                   b == PORT_ONPREM_HOST || a == PORT_GATEWAY || b == PORT_GATEWAY /* by way of a site */
                   || b == PORT_RESOLVER || (a == PORT_RESOLVER && b == PORT_NIC)
               ? c->img->link_internet
               : c->img->link_backbone;
}

/* Who takes a packet that a translation let back in: the machine with the address, or the gateway through
 * which a virtual network sent its forced-tunnelled traffic here. */
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

/* => who has the destination in that network, as exact_get. What was asked before was asked for a packet on
 * its way out, whose destination nobody has changed. */
static uint32_t owner(const struct ctx *c, uint32_t realm)
{
    if (c->ahead && c->ahead->realm[c->asked] == realm && c->dst == c->info->dst)
        return c->ahead->owner[c->asked];
    return exact_get(c->img->addresses, realm, c->dst);
}

/* The destination is in the public address map: a port, or a pool whose translation leads back inside. */
void pipe_to_public(struct ctx *c)
{
    uint32_t v = owner(c, REALM_PUBLIC);
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

void pipe_to_realm(struct ctx *c, uint32_t realm, uint8_t link)
{
    const uint32_t v = owner(c, realm);
    if (v == EXACT_MISS)
        pipe_drop(c, STAGE_DELIVERY, REASON_NO_HOST);
    else
        pipe_hand_to(c, v, link);
}

/* Out to the Internet from a NIC: O-01's order was settled when the image was made. */
static void to_internet(struct ctx *c, struct flow_state *s)
{
    enum reason r = REASON_NONE;
    if (!ip4_is_public(c->dst)) {
        pipe_drop(c, STAGE_DELIVERY, REASON_UNROUTABLE);
        return;
    }
    if (pipe_is_balanced_answer(s)) { /* it has the frontend's address */
        pipe_to_public(c);
        return;
    }
    if (c->at->smtp_blocked && c->info->proto == IPPROTO_NR_TCP && c->dport == SMTP && !(s && s->answer)) {
        pipe_drop(c, STAGE_PLATFORM, REASON_SMTP_BLOCKED);
        return;
    }
    if (c->at->kind == PORT_NIC && c->src != c->at->addr) {
        pipe_drop(c, STAGE_SNAT, REASON_NO_OUTBOUND_ACCESS); /* P-09: foreign sources are not translated */
        return;
    }
    const uint32_t pool = nat_pool(c, s);
    c->varies |= pool != c->at->pool;
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
        pipe_to_public(c);
}

static void to_onprem(struct ctx *c, const struct image_nexthop *nh)
{
    const uint32_t realm =
        nh->n_realms
            ? nh->realms[spread_choose(spread_flow(c->info->proto, c->src, c->sport, c->dst, c->dport),
                                       nh->realms, nh->n_realms)]
            : nh->realm;
    const uint8_t link = nh->link;
    const struct image_realm *r = &c->img->realm[realm];
    const uint32_t v = owner(c, realm);
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
            pipe_to_public(c);
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
        pipe_to_realm(c, nh->realm, nh->link);
        break;
    case NH_PORT:
        pipe_hand_to(c, nh->port, nh->link);
        break;
    case NH_INTERNET:
        to_internet(c, s);
        break;
    case NH_SERVICE:
        c->meta->identity = c->at->identity;
        c->identity = true;
        c->meta->realm = c->at->realm;
        pipe_step(c, STAGE_SERVICE_IDENTITY, REASON_NONE);
        pipe_to_public(c);
        break;
    case NH_ONPREM:
        to_onprem(c, nh);
        break;
    }
}

/* Look the route up (or take the flow's, in the same epoch), and follow it. */
void pipe_route(struct ctx *c, struct flow_state *s)
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
        if (c->ahead && c->ahead->table[c->asked] == t) {
            const uint32_t hop = c->ahead->nexthop[c->asked];
            nh = hop == LPM_MISS ? NULL : &table->nexthop[hop];
        } else {
            nh = image_route(c->img, c->port, c->dst);
        }
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
