/* pipe_nat.c - translation of sources.
 *
 * A translation makes (inner address, port) look like (outer address, port) towards one destination, so one
 * outer port serves many destinations. It is found by two keys, like a flow, with the pool's number in place
 * of the port:
 *
 *     fwd   inner -> destination        what a machine sends
 *     back  destination -> outer        what comes back
 *
 * The source port is kept where it is free. A machine may have a share of the pool only, that is some of its
 * addresses and a range of ports (O-05): what it has not it cannot take from others, hence SnatExhausted with
 * ports left. With a timeout a translation's port is free again when it was idle for longer; that is found
 * out when somebody wants it.
 *
 * An outbound rule may say that idle connections are reset (O-08): pipe_idle is asked about their
 * translations, too.
 *
 * NAT gateways (O-02) know connections. TCP that begins in the middle, or was idle for too long, is answered
 * with a reset; a new SYN makes a new translation. The port of a closed connection rests before it is used
 * again towards the same destination: 65 s after both FINs, 16 s after a reset, 65 s after a datagram flow
 * timed out (4 minutes, whatever the setting for TCP). A SYN without answer holds it for 30 s.
 *
 * Private link services (PE-21). Consumers' address spaces may overlap, so their flows are told apart by the
 * record at their endpoint, which leads to the translation; only the way back has a key. Answers find the
 * translation, its owner, and from the owner's key the consumer's own addresses. Nothing else leads back:
 * nobody behind the service can open a connection to a consumer (PE-04).
 *
 * Costs: one hash lookup for a known translation; a new one looks for a free port in turn, from the wanted
 * one on. */
#include "dataplane/pipe_int.h"

#include "dataplane/mem.h"
#include "dataplane/spread.h"

static struct flow_key nat_key(uint32_t pool, bool back, uint8_t proto, ip4 src, ip4 dst, uint16_t sport,
                               uint16_t dport)
{
    return flow_key_make(pool, back, proto, src, dst, sport, dport);
}

/* => whether the destination's port makes no difference: echoes have none, a cone's datagrams share (O-05).
 */
static bool loose(const struct ctx *c, const struct image_pool *pool)
{
    return c->info->proto == IPPROTO_NR_ICMP || (pool->cone && c->info->proto == IPPROTO_NR_UDP);
}

static bool has_address(const struct image_pool *pool, ip4 addr)
{
    for (size_t i = 0; i < pool->n; i++)
        if (pool->addr[i] == addr)
            return true;
    return false;
}

/* Timers of NAT gateways, ns (O-02). */
#define SECONDS(n)     ((n)*INT64_C(1000000000))
#define REST_FIN       SECONDS(65)
#define REST_RST       SECONDS(16)
#define REST_HALF_OPEN SECONDS(30)
#define REST_UDP       SECONDS(65)
#define UDP_TIMEOUT    SECONDS(240)

static bool silent_too_long(const struct image_pool *pool, const struct nat_state *n, uint8_t proto,
                            int64_t now)
{
    const int64_t quiet = now - n->seen;
    if (proto != IPPROTO_NR_TCP)
        return quiet > UDP_TIMEOUT;
    if (n->rests)
        return now >= n->rests;
    return quiet > (n->answered ? pool->timeout : REST_HALF_OPEN);
}

/* => whether a NAT gateway no longer knows the flow of a translation. */
static bool forgotten(const struct ctx *c, const struct image_pool *pool, const struct nat_state *n)
{
    return silent_too_long(pool, n, c->info->proto, c->now);
}

/* => whether somebody else may have the translation's port. */
static bool idle(const struct ctx *c, const struct image_pool *pool, const struct nat_state *n)
{
    if (pool->gateway)
        return forgotten(c, pool, n) &&
               (c->info->proto == IPPROTO_NR_TCP || c->now - n->seen > UDP_TIMEOUT + REST_UDP);
    const int64_t timeout = n->timeout ? n->timeout : pool->timeout;
    return timeout && c->now - n->seen > timeout;
}

/* A packet passes, out of (1) or into (2) the pool's network. */
static void note(const struct ctx *c, struct nat_state *n, uint8_t direction)
{
    n->seen = c->now;
    n->answered |= direction == 2;
    if (c->info->proto != IPPROTO_NR_TCP || n->rests)
        return;
    n->fins |= c->info->tcp_flags & TCP_FIN ? direction : 0;
    if (c->info->tcp_flags & TCP_RST)
        n->rests = c->now + REST_RST;
    else if (n->fins == 3)
        n->rests = c->now + REST_FIN;
}

/* What a NAT gateway does with a flow that it knew, or never did (i is FLOW_MISS). => REASON_NONE: *i is its
 * translation, or FLOW_MISS where it gets a new one. */
static enum reason gateway_knows(const struct ctx *c, const struct image_pool *pool, uint64_t *i)
{
    const struct nat_state *n = *i != FLOW_MISS ? &c->p->nat[*i] : NULL;
    if (c->info->proto == IPPROTO_NR_TCP && !c->info->frag_offset) {
        const bool opens = (c->info->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
        if (!opens)
            return !n || forgotten(c, pool, n) ? REASON_IDLE_TIMEOUT : REASON_NONE;
        if (n && (n->rests || forgotten(c, pool, n)))
            *i = FLOW_MISS;
    } else if (n && forgotten(c, pool, n)) {
        *i = FLOW_MISS;
    }
    return REASON_NONE;
}

static void table_set(struct pipe *p, struct flow_key key, uint64_t i)
{
    if (flowtab_set(p->nat_index, key, i) != 0)
        arena_oom("address translation");
}

/* Give the place of a translation to somebody else: its keys lead there no more. */
static void evict(struct pipe *p, uint64_t i)
{
    struct nat_state *n = &p->nat[i];
    if (!n->owned && flowtab_get(p->nat_index, n->fwd) == i)
        flowtab_del(p->nat_index, n->fwd);
    flowtab_del(p->nat_index, n->back);
    n->owner = NONE32;
}

/* Room for one more, each on a line of its own. */
static void nat_grow(struct pipe *p)
{
    if (p->n_nat < p->cap_nat)
        return;
    const size_t cap = p->cap_nat ? 2 * p->cap_nat : 64;
    struct nat_state *more = mem_resize(p->nat, p->cap_nat * sizeof *more, cap * sizeof *more);
    if (!more)
        arena_oom("address translation");
    p->nat = more;
    p->cap_nat = cap;
}

/* => place of a new translation to (addr, port) of the pool towards where the packet goes; FLOW_MISS: that is
 * taken. */
static uint64_t take(struct ctx *c, uint32_t index, ip4 addr, uint16_t port)
{
    struct pipe *p = c->p;
    const struct image_pool *pool = &c->img->pool[index];
    struct flow_key back =
        nat_key(index, true, c->info->proto, c->dst, addr, loose(c, pool) ? 0 : c->dport, port);
    uint64_t i = flowtab_get(p->nat_index, back);
    if (i != FLOW_MISS && !idle(c, pool, &p->nat[i]))
        return FLOW_MISS;
    if (i != FLOW_MISS) {
        evict(p, i);
    } else {
        nat_grow(p);
        i = p->n_nat++;
    }
    p->nat[i] = (struct nat_state){
        .back = back, .inner = c->src, .inner_port = c->sport, .owner = NONE32, .seen = c->now};
    table_set(p, back, i);
    return i;
}

/* The same, with any port of a range, the wanted one first. */
static uint64_t take_from(struct ctx *c, uint32_t index, ip4 addr, uint16_t from, uint16_t to)
{
    const uint32_t span = (uint32_t)(to - from) + 1;
    const uint32_t first = c->sport >= from && c->sport <= to ? (uint32_t)(c->sport - from) : c->sport % span;
    uint64_t i = FLOW_MISS;
    for (uint32_t k = 0; k < span && i == FLOW_MISS; k++)
        i = take(c, index, addr, (uint16_t)(from + (first + k) % span));
    return i;
}

/* O-08: the rule that gave the range says how long a connection may idle, and whether it is reset then. */
static void watch(struct ctx *c, const struct image_range *r, uint64_t i)
{
    struct nat_state *n = &c->p->nat[i];
    n->timeout = r->timeout;
    n->flow = c->meta->flow;
    n->reset = r->reset && n->flow && c->info->proto == IPPROTO_NR_TCP;
    if (!n->reset)
        return;
    c->d->watch = NAT_WATCH | (uint32_t)i;
    c->d->watch_at = c->now + n->timeout;
}

uint32_t nat_idle(struct pipe *p, int64_t now, uint32_t index, int64_t *again)
{
    struct nat_state *n = &p->nat[index];
    if (!n->reset)
        return 0;
    if (now - n->seen < n->timeout) {
        *again = n->seen + n->timeout;
        return 0;
    }
    n->reset = false;
    return n->flow;
}

/* => place of a new translation; FLOW_MISS: nothing is free. */
static uint64_t choose(struct ctx *c, uint32_t index)
{
    const struct image_pool *pool = &c->img->pool[index];
    const struct image_share *s = c->at->kind == PORT_NIC ? c->at->share : NULL;
    uint64_t i = FLOW_MISS;
    for (size_t a = 0; s && a < s->n && i == FLOW_MISS; a++) {
        i = take_from(c, index, s->range[a].addr, s->range[a].first, s->range[a].last);
        if (i != FLOW_MISS)
            watch(c, &s->range[a], i);
    }
    const size_t first =
        pool->spreads ? spread_flow(c->info->proto, c->src, c->sport, c->dst, c->dport) % pool->n : 0;
    for (size_t a = 0; !s && a < pool->n && i == FLOW_MISS; a++)
        i = take_from(c, index, pool->addr[(first + a) % pool->n], pool->first_port, pool->last_port);
    return i;
}

/* => place of the translation that the packet's flow has; FLOW_MISS: none, or its public address is no longer
 * the pool's. */
static uint64_t known(const struct ctx *c, uint32_t index)
{
    const struct image_pool *pool = &c->img->pool[index];
    uint64_t i = flowtab_get(c->p->nat_index, nat_key(index, false, c->info->proto, c->src, c->dst, c->sport,
                                                      loose(c, pool) ? 0 : c->dport));
    return i != FLOW_MISS && has_address(pool, nat_addr(&c->p->nat[i])) ? i : FLOW_MISS;
}

uint32_t nat_pool(const struct ctx *c, const struct flow_state *s)
{
    const uint32_t was = s ? s->pool : NONE32;
    const bool balanced = was != NONE32 && was < c->img->n_pools && c->img->pool[was].cone;
    return balanced && known(c, was) != FLOW_MISS ? was : c->at->pool;
}

enum reason nat_out(struct ctx *c, uint32_t index)
{
    const struct image_pool *pool = &c->img->pool[index];
    const uint8_t proto = c->info->proto;
    if (proto == IPPROTO_NR_ICMP ? !pool->carries_icmp : proto != IPPROTO_NR_TCP && proto != IPPROTO_NR_UDP)
        return REASON_PROTOCOL_UNSUPPORTED;
    if ((c->info->mf || c->info->frag_offset) && !pool->carries_fragments)
        return REASON_FRAGMENT_DROPPED; /* M-06 */
    struct flow_key fwd =
        nat_key(index, false, proto, c->src, c->dst, c->sport, loose(c, pool) ? 0 : c->dport);
    uint64_t i = known(c, index), was = i;
    enum reason why = pool->gateway ? gateway_knows(c, pool, &i) : REASON_NONE;
    if (why != REASON_NONE)
        return why;
    if (i == FLOW_MISS && (i = choose(c, index)) != FLOW_MISS) {
        if (was != FLOW_MISS)
            c->p->nat[was].fwd = (struct flow_key){0}; /* it leads there no more */
        c->p->nat[i].fwd = fwd;
        table_set(c->p, fwd, i);
    }
    if (i == FLOW_MISS)
        return REASON_SNAT_EXHAUSTED;
    struct nat_state *n = &c->p->nat[i];
    note(c, n, 1);
    c->varies |= c->nat != NONE32 || proto == IPPROTO_NR_ICMP;
    c->nat = (uint32_t)i;
    pipe_set_src(c, nat_addr(n), nat_port(n));
    return REASON_NONE;
}

const struct nat_state *nat_again(struct pipe *p, const struct image *img, uint32_t place,
                                  struct flow_key out, int64_t now)
{
    struct nat_state *n = &p->nat[place];
    const uint32_t index = flow_key_port(n->fwd);
    const uint8_t proto = flow_key_proto(out);
    const struct flow_key k = n->fwd;
    if (k.src != out.src || k.dst != out.dst || k.sport != out.sport || flow_key_proto(k) != proto ||
        flow_key_dir(k) || index >= img->n_pools)
        return NULL;
    const struct image_pool *pool = &img->pool[index];
    if (k.dport != out.dport && !(pool->cone && proto == IPPROTO_NR_UDP))
        return NULL;
    if (pool->gateway && silent_too_long(pool, n, proto, now))
        return NULL;
    n->seen = now;
    return n;
}

bool nat_in(struct ctx *c, uint32_t index)
{
    c->varies = true;
    const struct image_pool *pool = &c->img->pool[index];
    uint64_t i = flowtab_get(c->p->nat_index, nat_key(index, true, c->info->proto, c->src, c->dst,
                                                      loose(c, pool) ? 0 : c->sport, c->dport));
    if (i == FLOW_MISS)
        return false;
    struct nat_state *n = &c->p->nat[i];
    if (pool->gateway && forgotten(c, pool, n))
        return false;
    note(c, n, 2);
    pipe_set_dst(c, n->inner, n->inner_port);
    return true;
}

enum reason nat_consumer(struct ctx *c, struct flow_state *s)
{
    struct pipe *p = c->p;
    c->varies = true;
    const uint32_t pool = c->at->pls->pool, owner = s->number;
    struct nat_state *n = s->extra < p->n_nat ? &p->nat[s->extra] : NULL;
    if (!n || n->owner != owner || !has_address(&c->img->pool[pool], nat_addr(n))) {
        uint64_t i = choose(c, pool);
        if (i == FLOW_MISS)
            return REASON_SNAT_EXHAUSTED;
        n = &p->nat[i];
        n->owned = true;
        n->owner = owner;
        s->extra = (uint32_t)i;
    }
    n->seen = c->now;
    pipe_set_src(c, nat_addr(n), nat_port(n));
    return REASON_NONE;
}

uint32_t nat_provider(struct ctx *c)
{
    struct pipe *p = c->p;
    uint64_t i = flowtab_get(p->nat_index,
                             nat_key(c->at->pool, true, c->info->proto, c->src, c->dst, c->sport, c->dport));
    if (i == FLOW_MISS || p->nat[i].owner >= 2 * p->n_pairs ||
        !(pipe_hot(p, p->nat[i].owner)->flags & FLOW_USED) || pipe_record(p, p->nat[i].owner)->extra != i)
        return PORT_NONE;
    const struct flow_key k = pipe_record(p, p->nat[i].owner)->key;
    p->nat[i].seen = c->now;
    pipe_set_src(c, k.dst, k.dport);
    pipe_set_dst(c, k.src, k.sport);
    return flow_key_port(k);
}
