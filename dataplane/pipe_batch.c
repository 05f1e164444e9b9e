/* pipe_batch.c - the packet path for many packets at a time.
 *
 * Purpose. The first packet of a flow walks: rules, route, next hop, translation (pipe.c). What was decided
 * is kept with the flow's record, and the packets that follow take it from there: one search in the flow
 * table and one cache line, the flow's pair.
 *
 * What is kept (struct flow_hot): next port, link, new source, all valid for one image epoch. A change of the
 * network makes nothing to be searched or cleared: the next packet of each flow sees another epoch and walks
 * again (M-07). A decision is kept only if the flow's next packet must get the same: the stages say when it
 * depends on more (`varies`: load balancers, private link services, answers through a translation, the host's
 * agent), and only TCP and UDP in one piece takes part. Translated sources stay tied to their translation,
 * which is checked and kept alive by every packet; whoever else gets its place makes the flow walk again.
 *
 * What every hit does is what a walk would have done: both directions are kept alive, the counts of flow and
 * reason, and what the packet carries along (endpoint, identity). Most packets need no more than that, at a
 * machine's port, and are taken on by `quick`; the others by `hit`, which knows all there is.
 *
 * Steps, over a chunk of packets, so that no packet waits for another's memory:
 *
 *   parse    header fields, the outbound key of the flow; what is odd in any way is left to packet_parse
 *   search   flowtab_get_bulk, which gives the addresses of pairs
 *   fetch    the pairs' lines, then the translations' are asked for
 *   decide   in order: apply what is kept, or walk; before the first walk, rules and routes are asked for
 *            all that are going to: pipe_ahead.c
 *
 * Only the last step changes anything, packet by packet in order, and checks what it uses: hence a packet may
 * make the record that a later one in its chunk finds by walking, change it, or end it. Pairs that are given
 * back while the chunk is under way end all hits of that chunk. When a batch ends, some records are looked at
 * and given back if their flows fell silent: pipe_sweep.c.
 *
 * Costs: about 160 instructions a packet and those of the search. See README, performance. A chunk's scratch
 * memory is on the stack. */
#include "dataplane/pipe_batch.h"
#include "dataplane/mem.h"
#include "dataplane/pipe_int.h"
#include "dataplane/wire.h"

#define CHUNK       PIPE_AHEAD_MAX
#define SWEEP_EVERY 8u /* packets: one place more is looked at for silent flows */

/* What a hit needs to know of a port in one direction: two of them for each port, out and in. */
struct way {
    int64_t timeout;
    ip4 addr, public_addr; /* that packets may come to; 0: none */
    uint16_t fits;         /* packets up to that size fit any link; 0: nothing is kept here */
    uint16_t mtu;          /* 0: as the link */
    uint8_t turn;          /* bits by which source and destination are turned to stand as outbound */
    uint8_t more;          /* LANE_MORE, or 0 */
    bool endpoint;
    bool balances;   /* packets that a load balancer hands over come this way */
    bool lowers_mss; /* of SYNs */
};

static_assert(sizeof(struct way) <= 32, "both directions of a port in a cache line");

/* A packet after parsing. what: its TCP flags, among them, */
#define LANE_FLAGS (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)
enum {
    LANE_MORE = 8,    /* at no machine's port: it carries other things on */
    LANE_LARGE = 32,  /* perhaps it does not fit the link */
    LANE_PUBLIC = 64, /* came to the machine's public address */
    LANE_ODD = 128,   /* not of the common kind: it walks */
};

struct lane {
    const struct way *way;
    uint16_t bytes;
    uint8_t proto, what;
};

/* What a chunk leaves from step to step. */
struct scratch {
    struct lane lane[CHUNK];
    struct flow_key key[CHUNK]; /* outbound */
    uint64_t place[CHUNK];
    struct flow_pair *pair[CHUNK]; /* or that of nobody */
    uint8_t asked[CHUNK];          /* what the image was asked for a packet: place in ahead; CHUNK: nothing */
    struct pipe_questions question;
    struct pipe_ahead ahead;
};

static_assert(CHUNK < UINT8_MAX, "packets of a chunk are counted in bytes");

struct batch {
    struct pipe *p;
    const struct image *img;
    int64_t now;
    const struct pipe_walks *walks;
    const struct way *way;
    struct flow_pair *nobody;
    uint32_t epoch;
    uint8_t link_local;
    uint64_t passed; /* of a chunk, as in flow_hot */
};

/* -- ports ----------------------------------------------------------------------------------------------- */

static struct way way_of(const struct image_port *at, bool inbound)
{
    const bool keeps = at->up && pipe_keeps(at->kind, inbound);
    return (struct way){.timeout = at->flow_timeout ? at->flow_timeout : INT64_MAX,
                        .addr = at->addr,
                        .public_addr = inbound && at->kind == PORT_NIC ? at->public_addr : 0,
                        .fits = !keeps    ? 0
                                : inbound ? UINT16_MAX
                                : at->mtu ? at->mtu
                                          : LINK_MTU,
                        .mtu = at->mtu,
                        .turn = inbound ? 0 : 32,
                        .more = at->kind == PORT_NIC ? 0 : LANE_MORE,
                        .endpoint = at->kind == PORT_ENDPOINT,
                        .balances = inbound && at->kind == PORT_NIC,
                        .lowers_mss = !inbound && at->mss != 0};
}

void pipe_ways_free(struct pipe *p)
{
    mem_free(p->way, 2 * p->n_ways * sizeof *p->way);
}

void pipe_ways(struct pipe *p, const struct image *img, int64_t now)
{
    if (p->way_of == img && p->way_epoch == img->epoch && p->n_ways == img->n_ports)
        return;
    pipe_ways_free(p);
    p->way = mem_array(2 * img->n_ports, sizeof *p->way);
    if (!p->way)
        arena_oom("ports");
    for (size_t i = 0; i < 2 * img->n_ports; i++)
        p->way[i] = way_of(&img->port[i / 2], i & 1);
    p->way_of = img;
    p->way_epoch = img->epoch;
    p->n_ways = img->n_ports;
    pipe_sweep_image(p, img, now);
}

static inline const struct way *way_at(const struct batch *b, const struct pipe_packet *k)
{
    return &b->way[2 * (size_t)k->port + k->inbound];
}

/* -- parse ----------------------------------------------------------------------------------------------- */

/* => whether meta says something that a kept decision does not know of. Without a branch on the direction,
 * which nobody can foresee; so below. */
static inline bool odd_meta(const struct way *w, const struct pipe_packet *k)
{
    const struct packet_meta *m = &k->packet->meta;
    if (w->endpoint)
        return (k->inbound ? m->endpoint : m->origin) == k->port;
    return (unsigned)w->balances & (unsigned)(m->balanced != 0);
}

/* => the flags of a segment whose header is whole, or LANE_ODD; bytes: of the IP packet. */
static inline unsigned parse_tcp(const uint8_t *t, uint32_t bytes)
{
    if (bytes < WIRE_IP_HLEN + WIRE_TCP_HLEN)
        return LANE_ODD;
    const uint32_t words = t[WIRE_TCP_OFF] >> 4;
    if (words != 5 && (words < 5 || words * 4 > bytes - WIRE_IP_HLEN))
        return LANE_ODD;
    return t[WIRE_TCP_FLAGS] & LANE_FLAGS;
}

static inline unsigned parse_udp(const uint8_t *t, uint32_t bytes)
{
    const uint32_t room = bytes - WIRE_IP_HLEN, len = wire_get16(t + WIRE_UDP_LEN);
    return bytes < WIRE_IP_HLEN + WIRE_UDP_HLEN || len < WIRE_UDP_HLEN || len > room ? LANE_ODD : 0;
}

/* => the outbound key of a packet; both: source and destination, ports: the same, as they stand in the
 * header. */
static inline struct flow_key outbound_key(const struct way *w, const struct pipe_packet *k, uint8_t proto,
                                           uint64_t both, uint32_t ports)
{
    const unsigned by = w->turn, half = by / 2;
    const uint64_t turned = both << by | both >> (-by & 63);
    const uint32_t turned_ports = ports << half | ports >> (-half & 31);
    return flow_key_make(k->port, 0, proto, (uint32_t)turned, (uint32_t)(turned >> 32),
                         (uint16_t)turned_ports, (uint16_t)(turned_ports >> 16));
}

/* The common kind: TCP or UDP, whole, without IP options. => what it is, the rest of the lane and the key
 * set; LANE_ODD: it is another. */
static inline unsigned parse(const struct way *w, const struct pipe_packet *k, struct lane *l,
                             struct flow_key *key)
{
    const struct packet *p = k->packet;
    const uint8_t *ip = p->data + ETH_HLEN, *t = ip + WIRE_IP_HLEN;
    unsigned what;
    if (p->len < ETH_HLEN + WIRE_IP_HLEN + WIRE_UDP_HLEN)
        return LANE_ODD;
    const uint32_t bytes = wire_get16(ip + WIRE_IP_TLEN);
    const uint32_t frag = wire_get32(ip + WIRE_IP_FRAG); /* and TTL and protocol */
    const uint8_t proto = (uint8_t)frag;
    if (wire_get32(p->data + WIRE_ETH_TYPE) >> 8 != (WIRE_ETHERTYPE_IPV4 << 8 | 0x45) ||
        frag & (uint32_t)(WIRE_IP_MF | WIRE_IP_OFFMASK) << 16 || bytes > p->len - ETH_HLEN || odd_meta(w, k))
        return LANE_ODD;
    if (proto == IPPROTO_NR_TCP)
        what = parse_tcp(t, bytes);
    else if (proto == IPPROTO_NR_UDP)
        what = parse_udp(t, bytes);
    else
        return LANE_ODD;
    if (bytes > w->fits)
        what |= w->fits ? LANE_LARGE : LANE_ODD;
    const ip4 to = wire_get32(ip + WIRE_IP_DST);
    *key = outbound_key(w, k, proto, (uint64_t)wire_get32(ip + WIRE_IP_SRC) << 32 | to, wire_get32(t));
    if (to == w->public_addr && to) {
        key->src = w->addr;
        what |= LANE_PUBLIC;
    }
    l->way = w;
    l->bytes = (uint16_t)bytes;
    l->proto = proto;
    return what | w->more;
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
static inline void carry(struct packet_meta *m, const struct pipe_packet *k)
{
    m->last_hop = k->inbound ? m->last_hop : k->port;
    m->consumer = 0;
    m->balanced = 0; /* inbound it is 0 already */
}

/* The same at no machine's port, or where the packet gets an identity. */
static __attribute__((noinline)) void carry_more(const struct batch *b, const struct pipe_packet *k,
                                                 uint8_t flags)
{
    const struct image_port *at = &b->img->port[k->port];
    struct packet_meta *m = &k->packet->meta;
    if (!k->inbound)
        m->last_hop = k->port;
    if (at->kind == PORT_NIC)
        carry(m, k);
    if (at->kind == PORT_ENDPOINT) {
        m->endpoint = k->inbound ? k->port : PORT_NONE;
        m->realm = k->inbound ? at->realm : m->realm;
    }
    if (flags & FLOW_IDENTITY) {
        m->identity = at->identity;
        m->realm = at->realm;
    }
}

/* => whether the kept decision is not for a packet of that size. */
static inline bool too_large(const struct batch *b, const struct way *w, uint32_t bytes, uint8_t link)
{
    return w->fits != UINT16_MAX && bytes > (w->mtu ? w->mtu : link != b->link_local ? LINK_MTU : UINT16_MAX);
}

/* Translate as kept. => false: the translation is not the flow's any more; nothing has changed. */
static inline bool translate(const struct batch *b, const struct pipe_packet *k, const struct lane *l,
                             const struct flow_key *key, const struct flow_hot *h)
{
    struct packet_meta *m = &k->packet->meta;
    uint8_t *ip = k->packet->data + ETH_HLEN;
    if (h->flags & FLOW_NAT) {
        const struct nat_state *n =
            l->what & (TCP_FIN | TCP_RST | TCP_SYN) ? NULL : nat_again(b->p, b->img, h->addr, *key, b->now);
        if (!n)
            return false;
        rewrite(ip, l->proto, WIRE_IP_SRC, WIRE_TCP_SPORT, nat_addr(n), nat_port(n));
        m->sport = nat_port(n);
    } else if (h->flags & FLOW_SNAT) {
        rewrite(ip, l->proto, WIRE_IP_SRC, WIRE_TCP_SPORT, h->addr, h->port);
        m->sport = h->port;
    } else if (l->what & LANE_PUBLIC) {
        rewrite(ip, l->proto, WIRE_IP_DST, WIRE_TCP_DPORT, l->way->addr, key->sport);
        m->dport = key->sport;
    }
    return true;
}

/* What every hit does. */
static inline void pass(struct batch *b, struct pipe_packet *k, const struct lane *l, struct flow_pair *pair,
                        struct flow_hot *h)
{
    k->hit = true;
    k->absorbed = false;
    k->link = h->link;
    k->mtu = 0;
    k->error = 0;
    k->reason = REASON_NONE;
    k->next = h->next;
    pair->seen = b->now;
    b->passed += pipe_count_of(l->bytes);
    if (pipe_count_packet(h, l->bytes))
        pipe_count_carry(b->p, 2 * pair->number + k->inbound);
}

/* Take the packet on by what its flow's record keeps, where nothing is to be done but that. => false: it has
 * more to it, nothing has changed. */
static inline bool quick(struct batch *b, struct pipe_packet *k, const struct lane *l, struct flow_pair *pair)
{
    struct flow_hot *h = &pair->half[k->inbound];
    const unsigned special = FLOW_SNAT | FLOW_NAT | FLOW_IDENTITY | FLOW_CLOSED;
    if (l->what & (0xff & ~TCP_ACK) || h->epoch != b->epoch ||
        (h->flags & (FLOW_DECIDED | special)) != FLOW_DECIDED || b->now - pair->seen > l->way->timeout)
        return false;
    pass(b, k, l, pair, h);
    carry(&k->packet->meta, k);
    return true;
}

/* The same with whatever there is to it. => false: the packet has to walk, nothing has changed. */
static bool hit(struct batch *b, struct pipe_packet *k, const struct lane *l, const struct flow_key *key,
                struct flow_pair *pair)
{
    const struct way *w = l->way;
    struct flow_hot *h = &pair->half[k->inbound];
    const uint8_t flags = h->flags, what = l->what;
    const int64_t silent = b->now - pair->seen;
    if (what & LANE_ODD || !(flags & FLOW_DECIDED) || h->epoch != b->epoch || silent > w->timeout ||
        (pair->half[0].flags & FLOW_CLOSED && silent > b->p->linger))
        return false;
    if (what & (LANE_LARGE | TCP_SYN)) {
        if (what & LANE_LARGE && too_large(b, w, l->bytes, h->link))
            return false;
        /* what opens a connection always walks; its MSS may be lowered besides */
        if (what & TCP_SYN && (!(what & TCP_ACK) || w->lowers_mss))
            return false;
    }
    if ((flags & (FLOW_NAT | FLOW_SNAT) || what & LANE_PUBLIC) && !translate(b, k, l, key, h))
        return false;
    pass(b, k, l, pair, h);
    if (what & LANE_MORE || flags & FLOW_IDENTITY)
        carry_more(b, k, flags);
    else
        carry(&k->packet->meta, k);
    if (what & (TCP_FIN | TCP_RST))
        pipe_note_close(b->p, pair, k->inbound, what & LANE_FLAGS, b->now);
    return true;
}

static void walk(struct batch *b, struct pipe_packet *k, const struct pipe_at *at)
{
    struct pipe_view v;
    struct pipe_decision d;
    struct packet *p = k->packet;
    k->hit = k->absorbed = false;
    k->mtu = 0;
    k->reason = REASON_NONE;
    k->error = pipe_view_of(b->img, k->port, p, &v);
    if (k->error)
        return;
    if (!k->inbound && b->img->port[k->port].mss)
        packet_clamp_mss(p, &v.info, b->img->port[k->port].mss);
    pipe_walk(b->p, b->img, b->now, at, pipe_view_flow(&v), &p->meta, &d);
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

static void parse_all(const struct batch *b, const struct pipe_packet *pkt, size_t n, struct scratch *x)
{
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(pkt[i].packet->data + ETH_HLEN);
    for (size_t i = 0; i < n; i++) {
        x->lane[i].what = (uint8_t)parse(way_at(b, &pkt[i]), &pkt[i], &x->lane[i], &x->key[i]);
        if (x->lane[i].what & LANE_ODD)
            x->key[i] = (struct flow_key){0};
    }
}

/* Inline, or the compiler takes it for a function without effect. */
__attribute__((always_inline)) static inline void fetch(const struct batch *b, struct scratch *x, size_t n)
{
    const struct pipe *p = b->p;
    for (size_t i = 0; i < n; i++) {
        x->pair[i] = x->place[i] == FLOW_MISS ? b->nobody : pipe_pair_at(x->place[i]);
        __builtin_prefetch(x->pair[i], 1);
    }
    for (size_t i = 0; p->n_nat && i < n; i++)
        if (x->pair[i]->half[0].flags & FLOW_NAT)
            __builtin_prefetch(&p->nat[x->pair[i]->half[0].addr], 1);
}

/* Put the packet to the tables as its port sees it. */
static void ask(struct pipe_questions *q, const struct pipe_packet *k, struct flow_key out, uint8_t proto,
                bool rules)
{
    const struct flow_key key = k->inbound ? flow_key_reverse(out) : out;
    q->key[q->n] = (struct acl_key){key.src, key.dst, key.sport, key.dport, proto};
    q->port[q->n] = k->port;
    q->inbound[q->n] = k->inbound;
    q->rules[q->n++] = rules;
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

/* Ask the tables for those from packet i on that have no record, or none that keeps a decision. */
static void look_ahead(const struct batch *b, const struct pipe_packet *pkt, size_t i, size_t n,
                       struct scratch *x)
{
    size_t new = 0;
    x->question.n = 0;
    for (; i < n; i++) {
        const struct pipe_packet *k = &pkt[i];
        const struct flow_hot *h = &x->pair[i]->half[k->inbound];
        x->asked[i] = CHUNK;
        if (x->lane[i].what & LANE_ODD || (h->flags & FLOW_DECIDED && h->epoch == b->epoch))
            continue;
        x->asked[i] = (uint8_t)x->question.n;
        ask(&x->question, k, x->key[i], x->lane[i].proto, x->pair[i] == b->nobody);
        new += x->pair[i] == b->nobody;
    }
    fetch_free(b->p, new);
    pipe_ask(b->img, &x->question, &x->ahead);
}

/* => where packet i is to walk, with all that is known of it. found: what the search says still holds. */
static struct pipe_at walk_at(const struct batch *b, const struct pipe_packet *k, const struct scratch *x,
                              size_t i, bool found)
{
    const bool asked = x->asked[i] < CHUNK;
    return (struct pipe_at){.port = k->port,
                            .inbound = k->inbound,
                            .ahead = asked ? &x->ahead : NULL,
                            .asked = asked ? x->asked[i] : 0,
                            .key = found && !(x->lane[i].what & LANE_ODD) ? &x->key[i] : NULL,
                            .pair = x->pair[i] == b->nobody ? NONE32 : x->pair[i]->number};
}

/* n is not 0. */
static void chunk(struct batch *b, struct pipe_packet *pkt, size_t n)
{
    struct scratch x;
    x.key[0].src = 0; /* parse_all sets all of them, which the compiler does not see */
    const uint64_t freed = b->p->freed;
    bool asked = false, there = true;
    parse_all(b, pkt, n, &x);
    pipe_index_later(b->p);
    flowtab_get_bulk(b->p->index, x.key, x.place, n);
    fetch(b, &x, n);
    b->passed = 0;
    for (size_t i = 0; i < n; i++) {
        struct pipe_packet *k = &pkt[i];
        if (there && (quick(b, k, &x.lane[i], x.pair[i]) || hit(b, k, &x.lane[i], &x.key[i], x.pair[i])))
            continue;
        if (!asked)
            look_ahead(b, pkt, i, n, &x);
        asked = true;
        const struct pipe_at at = walk_at(b, k, &x, i, there);
        walk(b, k, &at);
        there = b->p->freed == freed;
    }
    pipe_index_now(b->p);
    b->p->count_of[REASON_NONE].packets += b->passed >> COUNT_SHIFT;
    b->p->count_of[REASON_NONE].bytes += b->passed & ((UINT64_C(1) << COUNT_SHIFT) - 1);
}

void pipe_batch(struct pipe *p, const struct image *img, int64_t now, struct pipe_packet *pkt, size_t n,
                const struct pipe_walks *walks)
{
    struct batch b = {.p = p, .img = img, .now = now, .walks = walks};
    const uint64_t made = p->pairs_made;
    pipe_ways(p, img, now);
    b.way = p->way;
    b.nobody = &p->nobody;
    b.epoch = img->epoch;
    b.link_local = img->link_local;
    for (size_t i = 0; i < n; i += CHUNK)
        chunk(&b, pkt + i, n - i < CHUNK ? n - i : CHUNK);
    pipe_sweep(p, img, now, 2 * (size_t)(p->pairs_made - made) + n / SWEEP_EVERY + 1);
}
