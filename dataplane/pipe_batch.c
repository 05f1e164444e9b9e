/* pipe_batch.c - the packet path for many packets at a time.
 *
 * Purpose. The first packet of a flow walks: rules, route, next hop, translation (pipe.c). What was decided
 * is kept with the flow's record, and the packets that follow take it from there: one search in the flow
 * table and one cache line of the flow's pair.
 *
 * What is kept (struct flow_hot): next port, link, new source, all valid for one image epoch. A change of the
 * network makes nothing to be searched or cleared: the next packet of each flow sees another epoch and walks
 * again (M-07). A decision is kept only if the flow's next packet must get the same: the stages say when it
 * depends on more (`varies`: load balancers, private link services, answers through a translation, the host's
 * agent), and only TCP and UDP in one piece takes part. Translated sources stay tied to their translation,
 * which is checked and kept alive by every packet; whoever else gets its place makes the flow walk again.
 *
 * What every hit does is what a walk would have done: both directions are kept alive (they share the line),
 * the counts of flow and reason, and what the packet carries along (endpoint, identity).
 *
 * Steps, over a chunk of packets, so that no packet waits for another's memory:
 *
 *   parse    header fields, the outbound key of the flow; what is odd in any way is left to packet_parse
 *   search   flowtab_get_bulk
 *   fetch    the pairs' lines, then the translations' are asked for
 *   ask      rules and routes of all packets that are going to walk: pipe_ahead.c
 *   decide   in order: apply what is kept, or walk
 *
 * Only the last step changes anything, packet by packet in order, and checks what it uses: hence a packet may
 * make the record that a later one in its chunk finds by walking, change it, or end it. Pairs that are given
 * back while the chunk is under way end all hits of that chunk.
 *
 * Costs: see README, performance. A chunk's scratch memory is on the stack. */
#include "dataplane/pipe_batch.h"
#include "dataplane/pipe_int.h"
#include "dataplane/wire.h"

#include <stdlib.h>

#define CHUNK PIPE_AHEAD_MAX

/* What a hit needs to know of a port. */
struct port_brief {
    int64_t timeout;
    ip4 addr, public_addr;
    uint32_t identity, realm;
    uint16_t mtu;  /* 0: as the link */
    bool keeps[2]; /* by direction */
    uint8_t kind;
    bool lowers_mss;
};

static_assert(sizeof(struct port_brief) == 32, "two ports in a cache line");

/* A packet that may be a hit. */
struct lane {
    uint32_t bytes;
    uint32_t number; /* of its record, where its flow has a pair */
    uint8_t at;      /* in the chunk */
    uint8_t ahead;   /* what the image was asked for it; CHUNK: nothing */
    uint8_t proto, tcp_flags;
    bool public; /* came to the machine's public address */
    bool opens;  /* it has to walk */
};

static_assert(CHUNK < UINT8_MAX, "packets of a chunk are counted in bytes");

/* What a chunk leaves from step to step. */
struct scratch {
    size_t lanes;
    struct lane lane[CHUNK + 1];
    struct flow_key key[CHUNK + 1];
    uint64_t place[CHUNK];
    struct flow_pair *pair[CHUNK]; /* NULL: none */
    struct pipe_ahead ahead[CHUNK];
};

struct batch {
    struct pipe *p;
    const struct image *img;
    int64_t now;
    const struct pipe_walks *walks;
    const struct port_brief *brief;
    uint32_t epoch;
    uint8_t link_local;
    struct pipe_count passed;
};

/* -- ports ----------------------------------------------------------------------------------------------- */

static struct port_brief brief_of(const struct image_port *at)
{
    return (struct port_brief){
        .timeout = at->flow_timeout ? at->flow_timeout : INT64_MAX,
        .addr = at->addr,
        .public_addr = at->kind == PORT_NIC ? at->public_addr : 0,
        .identity = at->identity,
        .realm = at->realm,
        .mtu = at->mtu,
        .keeps = {at->up && pipe_keeps(at->kind, false), at->up && pipe_keeps(at->kind, true)},
        .kind = (uint8_t)at->kind,
        .lowers_mss = at->mss != 0};
}

static void brief(struct pipe *p, const struct image *img)
{
    if (p->brief_of == img && p->brief_epoch == img->epoch && p->n_briefs == img->n_ports)
        return;
    struct port_brief *b = realloc(p->brief, (img->n_ports + 1) * sizeof *b);
    if (!b)
        arena_oom("ports");
    for (size_t i = 0; i < img->n_ports; i++)
        b[i] = brief_of(&img->port[i]);
    p->brief = b;
    p->brief_of = img;
    p->brief_epoch = img->epoch;
    p->n_briefs = img->n_ports;
}

/* -- parse ----------------------------------------------------------------------------------------------- */

/* => whether meta says nothing that a kept decision does not know of. Without a branch on the direction,
 * which nobody can foresee; so below. */
static inline bool plain_meta(const struct port_brief *at, const struct pipe_packet *k)
{
    const struct packet_meta *m = &k->packet->meta;
    if (at->kind == PORT_NIC)
        return !((unsigned)k->inbound & (unsigned)(m->balanced != 0));
    if (at->kind == PORT_ENDPOINT)
        return (k->inbound ? m->endpoint : m->origin) != k->port;
    return true;
}

/* => whether a segment's or datagram's header is whole; room: bytes behind the IP header. */
static inline bool whole(const uint8_t *ip, uint32_t room)
{
    const uint8_t *t = ip + WIRE_IP_HLEN;
    if (ip[WIRE_IP_PROTO] == IPPROTO_NR_TCP) {
        const uint32_t hlen = room < WIRE_TCP_HLEN ? 0 : (uint32_t)(t[WIRE_TCP_OFF] >> 4) * 4;
        return hlen >= WIRE_TCP_HLEN && hlen <= room;
    }
    const uint32_t len = wire_get16(t + WIRE_UDP_LEN);
    return ip[WIRE_IP_PROTO] == IPPROTO_NR_UDP && room >= WIRE_UDP_HLEN && len >= WIRE_UDP_HLEN &&
           len <= room;
}

/* => the outbound key of a packet from src to dst; ports: both as they stand in the header. */
static inline struct flow_key outbound_key(const struct pipe_packet *k, uint8_t proto, ip4 src, ip4 dst,
                                           uint32_t ports)
{
    const uint32_t swap = (src ^ dst) & -(uint32_t)k->inbound;
    const unsigned half = 16u * k->inbound;
    const uint32_t turned = ports << half | ports >> (-half & 31);
    return flow_key_make(k->port, 0, proto, src ^ swap, dst ^ swap, (uint16_t)(turned >> 16),
                         (uint16_t)turned);
}

/* => whether the packet is of the common kind: TCP or UDP, whole, without IP options; else it walks. */
static inline bool parse(const struct port_brief *brief, const struct pipe_packet *k, struct lane *l,
                         struct flow_key *key)
{
    const struct packet *p = k->packet;
    const struct port_brief *at = &brief[k->port];
    const uint8_t *ip = p->data + ETH_HLEN;
    if (!at->keeps[k->inbound] || p->len < ETH_HLEN + WIRE_IP_HLEN + WIRE_UDP_HLEN ||
        wire_get32(p->data + WIRE_ETH_TYPE) >> 8 != (WIRE_ETHERTYPE_IPV4 << 8 | 0x45) ||
        (wire_get16(ip + WIRE_IP_FRAG) & (WIRE_IP_MF | WIRE_IP_OFFMASK)))
        return false;
    const uint32_t bytes = wire_get16(ip + WIRE_IP_TLEN);
    if (bytes < WIRE_IP_HLEN || bytes > p->len - ETH_HLEN || !whole(ip, bytes - WIRE_IP_HLEN) ||
        !plain_meta(at, k))
        return false;
    const uint8_t proto = ip[WIRE_IP_PROTO];
    const uint8_t flags = proto == IPPROTO_NR_TCP ? ip[WIRE_IP_HLEN + WIRE_TCP_FLAGS] : 0;
    const ip4 to = wire_get32(ip + WIRE_IP_DST);
    const bool public = k->inbound && at->public_addr && to == at->public_addr;
    *key = outbound_key(k, proto, wire_get32(ip + WIRE_IP_SRC), public ? at->addr : to,
                        wire_get32(ip + WIRE_IP_HLEN));
    l->bytes = bytes;
    l->proto = proto;
    l->tcp_flags = flags;
    l->public = public;
    /* what opens a connection always walks; its MSS may be lowered besides */
    l->opens = flags & TCP_SYN && (!(flags & TCP_ACK) || (at->lowers_mss && !k->inbound));
    return true;
}

/* -- rewrite --------------------------------------------------------------------------------------------- */

/* RFC 1624, equation 3, for several words at once: the sum of what they became less what they were. */
static inline uint16_t update(uint16_t check, uint32_t change)
{
    uint32_t sum = (uint32_t)(uint16_t)~check + change;
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

static inline uint32_t change32(uint32_t old, uint32_t new)
{
    return (~old >> 16) + (~old & 0xffff) + (new >> 16) + (new & 0xffff);
}

/* Replace the address at offset addr_at and the port at offset port_at of the header at ip. */
static inline void rewrite(uint8_t *ip, uint8_t proto, unsigned addr_at, unsigned port_at, ip4 addr,
                           uint16_t port)
{
    const bool udp = proto == IPPROTO_NR_UDP;
    uint8_t *t = ip + WIRE_IP_HLEN, *sum = t + (udp ? WIRE_UDP_SUM : WIRE_TCP_SUM);
    const uint32_t change = change32(wire_get32(ip + addr_at), addr);
    const uint32_t ports = (uint16_t)~wire_get16(t + port_at) + (uint32_t)port;
    const uint16_t was = wire_get16(sum);
    wire_put16(ip + WIRE_IP_SUM, update(wire_get16(ip + WIRE_IP_SUM), change));
    wire_put32(ip + addr_at, addr);
    wire_put16(t + port_at, port);
    if (udp && !was)
        return;
    const uint16_t now = update(was, change + ports);
    wire_put16(sum, udp && !now ? UINT16_MAX : now);
}

/* -- decide ---------------------------------------------------------------------------------------------- */

/* What the packet carries on from here: as the stages of pipe.c leave it. */
static inline void carry(struct packet_meta *m, const struct port_brief *at, const struct pipe_packet *k,
                         uint8_t flags)
{
    m->last_hop = k->inbound ? m->last_hop : k->port;
    if (at->kind == PORT_NIC) {
        m->consumer = 0;
        m->balanced = 0; /* inbound it is 0 already */
    } else if (at->kind == PORT_ENDPOINT) {
        m->endpoint = k->inbound ? k->port : PORT_NONE;
        m->realm = k->inbound ? at->realm : m->realm;
    }
    if (flags & FLOW_IDENTITY) {
        m->identity = at->identity;
        m->realm = at->realm;
    }
}

/* => whether the kept decision is not for a packet of that size. */
static inline bool too_large(const struct batch *b, const struct port_brief *at, const struct pipe_packet *k,
                             uint32_t bytes, uint8_t link)
{
    const uint32_t mtu = at->mtu ? at->mtu : link != b->link_local ? LINK_MTU : UINT16_MAX;
    return bytes > (mtu | -(uint32_t)k->inbound);
}

/* Translate as kept. => false: the translation is not the flow's any more; nothing has changed. */
static inline bool translate(const struct batch *b, const struct pipe_packet *k, const struct lane *l,
                             const struct flow_key *key, const struct flow_hot *h)
{
    struct packet_meta *m = &k->packet->meta;
    uint8_t *ip = k->packet->data + ETH_HLEN;
    if (h->flags & FLOW_NAT) {
        const struct nat_state *n = l->tcp_flags & (TCP_FIN | TCP_RST | TCP_SYN)
                                        ? NULL
                                        : nat_again(b->p, b->img, h->addr, *key, b->now);
        if (!n)
            return false;
        rewrite(ip, l->proto, WIRE_IP_SRC, WIRE_TCP_SPORT, nat_addr(n), nat_port(n));
        m->sport = nat_port(n);
    } else if (h->flags & FLOW_SNAT) {
        rewrite(ip, l->proto, WIRE_IP_SRC, WIRE_TCP_SPORT, h->addr, h->port);
        m->sport = h->port;
    } else if (l->public) {
        rewrite(ip, l->proto, WIRE_IP_DST, WIRE_TCP_DPORT, b->p->brief[k->port].addr, key->sport);
        m->dport = key->sport;
    }
    return true;
}

static __attribute__((noinline)) void carry_counts(struct pipe *p, uint32_t number, const struct flow_hot *h,
                                                   uint32_t bytes)
{
    struct flow_state *s = pipe_record(p, number);
    s->packets += !h->packets;
    s->bytes += h->bytes < bytes;
}

/* Decide by what the flow's record keeps. => false: the packet has to walk, nothing has changed. */
static inline bool hit(struct batch *b, struct pipe_packet *k, const struct lane *l,
                       const struct flow_key *key, struct flow_pair *pair)
{
    const struct port_brief *at = &b->brief[k->port];
    struct flow_hot *h = &pair->half[k->inbound];
    const uint8_t flags = h->flags;
    const int64_t silent = b->now - h->seen;
    const uint32_t bytes = l->bytes;
    if (!(flags & FLOW_DECIDED) || h->epoch != b->epoch || silent > at->timeout ||
        too_large(b, at, k, bytes, h->link) || (pair->half[0].flags & FLOW_CLOSED && silent > b->p->linger))
        return false;
    k->next = h->next;
    k->link = h->link;
    if ((flags & (FLOW_NAT | FLOW_SNAT) || l->public) && !translate(b, k, l, key, h))
        return false;
    pair->half[0].seen = pair->half[1].seen = b->now;
    h->packets++;
    h->bytes += bytes;
    if (__builtin_expect(!h->packets | (h->bytes < bytes), 0))
        carry_counts(b->p, l->number, h, bytes);
    b->passed.packets++;
    b->passed.bytes += bytes;
    k->hit = true;
    carry(&k->packet->meta, at, k, flags);
    if (l->tcp_flags & (TCP_FIN | TCP_RST))
        pipe_note_close(b->p, l->number, l->tcp_flags, b->now);
    return true;
}

/* ahead: or NULL. */
static void walk(struct batch *b, struct pipe_packet *k, const struct pipe_ahead *ahead)
{
    struct pipe_view v;
    struct pipe_decision d;
    struct packet *p = k->packet;
    k->error = pipe_view_of(b->img, k->port, p, &v);
    if (k->error)
        return;
    if (!k->inbound && b->img->port[k->port].mss)
        packet_clamp_mss(p, &v.info, b->img->port[k->port].mss);
    pipe_walk(b->p, b->img, b->now, &(struct pipe_at){k->port, k->inbound, ahead}, pipe_view_flow(&v),
              &p->meta, &d);
    k->reason = d.reason;
    k->next = d.next;
    k->link = d.link;
    k->mtu = d.mtu;
    k->absorbed = d.absorbed;
    if (d.reason == REASON_NONE && !d.absorbed)
        pipe_view_apply(p, &v, &d);
    if (b->walks)
        b->walks->fn(b->walks->ctx, k, &v, &d);
}

/* -- batches --------------------------------------------------------------------------------------------- */

static size_t parse_all(const struct batch *b, struct pipe_packet *pkt, size_t n, struct scratch *x)
{
    const struct port_brief *brief = b->brief;
    size_t lanes = 0;
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(pkt[i].packet->data + ETH_HLEN);
    for (size_t i = 0; i < n; i++) {
        struct pipe_packet *k = &pkt[i];
        k->hit = k->absorbed = false;
        k->mtu = 0;
        k->error = 0;
        k->reason = REASON_NONE;
        x->lane[lanes].at = (uint8_t)i;
        lanes += parse(brief, k, &x->lane[lanes], &x->key[lanes]);
    }
    return lanes;
}

/* Inline, or the compiler takes it for a function without effect. */
__attribute__((always_inline)) static inline void fetch(const struct batch *b, const struct pipe_packet *pkt,
                                                        struct scratch *x)
{
    const struct pipe *p = b->p;
    for (size_t i = 0; i < x->lanes; i++) {
        struct lane *l = &x->lane[i];
        x->pair[i] = NULL;
        if (x->place[i] == FLOW_MISS)
            continue;
        l->number = 2 * (uint32_t)x->place[i] + pkt[l->at].inbound;
        x->pair[i] = pipe_pair(p, (uint32_t)x->place[i]);
        __builtin_prefetch(x->pair[i], 1);
    }
    for (size_t i = 0; p->n_nat && i < x->lanes; i++)
        if (x->pair[i] && x->pair[i]->half[0].flags & FLOW_NAT)
            __builtin_prefetch(&p->nat[x->pair[i]->half[0].addr], 1);
}

/* => the packet as its port's tables see it. */
static struct pipe_question question(const struct pipe_packet *k, struct flow_key out, uint8_t proto,
                                     bool rules)
{
    const struct flow_key key = k->inbound ? flow_key_reverse(out) : out;
    return (struct pipe_question){.key = {key.src, key.dst, key.sport, key.dport, proto},
                                  .port = k->port,
                                  .inbound = k->inbound,
                                  .rules = rules};
}

/* The next n new pairs. */
__attribute__((always_inline)) static inline void fetch_free(const struct pipe *p, size_t n)
{
    for (size_t i = 1; i <= n && i <= p->n_free; i++) {
        const uint32_t pair = p->free_pair[p->n_free - i];
        __builtin_prefetch(pipe_pair(p, pair), 1);
        __builtin_prefetch(pipe_record(p, 2 * pair), 1);
        __builtin_prefetch(pipe_record(p, 2 * pair + 1), 1);
    }
}

/* Ask the tables for those that have no record, or none that keeps a decision. */
static void look_ahead(const struct batch *b, const struct pipe_packet *pkt, struct scratch *x)
{
    struct pipe_question q[CHUNK];
    size_t n = 0, new = 0;
    for (size_t i = 0; i < x->lanes; i++) {
        struct lane *l = &x->lane[i];
        const struct pipe_packet *k = &pkt[l->at];
        const struct flow_hot *h = x->pair[i] ? &x->pair[i]->half[k->inbound] : NULL;
        l->ahead = CHUNK;
        if (h && h->flags & FLOW_DECIDED && h->epoch == b->epoch)
            continue;
        l->ahead = (uint8_t)n;
        q[n++] = question(k, x->key[i], l->proto, !h);
        new += !h;
    }
    if (!n)
        return;
    fetch_free(b->p, new);
    pipe_ask(b->img, q, x->ahead, n);
}

static void chunk(struct batch *b, struct pipe_packet *pkt, size_t n)
{
    struct scratch x;
    const uint64_t freed = b->p->freed;
    x.lanes = parse_all(b, pkt, n, &x);
    if (x.lanes)
        flowtab_get_bulk(b->p->index, x.key, x.place, x.lanes);
    fetch(b, pkt, &x);
    look_ahead(b, pkt, &x);
    for (size_t i = 0, l = 0; i < n; i++) {
        const struct lane *lane = l < x.lanes && x.lane[l].at == i ? &x.lane[l] : NULL;
        if (!lane)
            walk(b, &pkt[i], NULL);
        else if (lane->opens || !x.pair[l] || b->p->freed != freed ||
                 !hit(b, &pkt[i], lane, &x.key[l], x.pair[l]))
            walk(b, &pkt[i], lane->ahead < CHUNK ? &x.ahead[lane->ahead] : NULL);
        l += lane != NULL;
    }
}

void pipe_batch(struct pipe *p, const struct image *img, int64_t now, struct pipe_packet *pkt, size_t n,
                const struct pipe_walks *walks)
{
    struct batch b = {.p = p, .img = img, .now = now, .walks = walks};
    brief(p, img);
    b.brief = p->brief;
    b.epoch = img->epoch;
    b.link_local = img->link_local;
    for (size_t i = 0; i < n; i += CHUNK)
        chunk(&b, pkt + i, n - i < CHUNK ? n - i : CHUNK);
    p->count_of[REASON_NONE].packets += b.passed.packets;
    p->count_of[REASON_NONE].bytes += b.passed.bytes;
}
