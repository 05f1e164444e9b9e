/* host_forward.c - a network virtual appliance: it passes on what is not addressed to it, keeps state,
 * translates sources.
 *
 * A state is two keys: the flow as its first packet showed it, and the packets of the way back as they will
 * arrive:
 *
 *     forth  client:sport  -> server:dport           (leaves as self:port -> server:dport with snat)
 *     back   server:dport  -> client:sport           (without snat)
 *            server:dport  -> self:port              (with snat; arrives as the appliance's own)
 *
 * Fragments behind the first are matched by the ports in their metadata, ICMP errors by the datagram that
 * they quote. A state that idles for 300 s is gone; that is found out when the next packet passes, oldest
 * first, so states form a list in the order of their last use.
 *
 * A stateful appliance follows a TCP handshake: as long as nothing came back its way, all that it lets pass
 * of a connection is the client's SYN, or its RST. A flow whose answers take another way so stays half open:
 * the client has its SYN-ACK, and what it sends then drops here (PE-15, PE-17).
 *
 * The order of checks is that of a router with a firewall: does it forward at all, is the traffic unwanted,
 * is the flow known or may it begin, TTL, translation, MTU. Without state and translation nothing is kept. A
 * translated port is the client's own where it is free towards that server, else the next free one from 1024
 * up, in turn. */
#include "dataplane/host_int.h"

#include "dataplane/mem.h"
#include "dataplane/rng.h"
#include "dataplane/wire.h"

#include <string.h>

enum { PORT_LOWEST = 1024 };

struct key {
    ip4 src, dst;
    uint16_t sport, dport;
    uint8_t proto;
};

struct state {
    struct tab_link by_forth, by_back;
    struct state *prev, *next;
    struct key forth, back;
    bool translated;
    bool answered; /* something came back */
    int64_t seen;
};

struct nat {
    struct tab forth, back;
    struct state *first, *last; /* longest idle first */
    uint16_t next_port;
};

/* -- keys ------------------------------------------------------------------------------------------------ */

static uint64_t key_hash(const struct key *k)
{
    uint64_t ends = hash_mix((uint64_t)k->src << 32 | k->dst);
    return hash_mix(ends ^ ((uint64_t)k->proto << 32 | (uint64_t)k->sport << 16 | k->dport));
}

static bool key_eq(const struct key *a, const struct key *b)
{
    return a->src == b->src && a->dst == b->dst && a->sport == b->sport && a->dport == b->dport &&
           a->proto == b->proto;
}

static struct key reversed(struct key k)
{
    return (struct key){k.dst, k.src, k.dport, k.sport, k.proto};
}

/* What a packet shows. An ICMP error goes the way of an answer to the datagram that it quotes, and counts as
 * one. */
struct view {
    struct key key;
    bool error;
    struct packet_info quote;
};

static struct view packet_view(const struct packet *p, const struct packet_info *in)
{
    struct view v = {.key = {in->src, in->dst, in->sport, in->dport, in->proto}};
    const struct packet_info *q = &v.quote;
    if (in->frag_offset) {
        v.key.sport = p->meta.sport;
        v.key.dport = p->meta.dport;
    }
    v.error = packet_parse_inner(p->data, in, &v.quote) == 0;
    if (v.error)
        v.key = (struct key){q->dst, q->src, q->dport, q->sport, q->proto};
    return v;
}

/* -- states ---------------------------------------------------------------------------------------------- */

static struct state *of_forth(struct tab_link *l)
{
    return (struct state *)(void *)((uint8_t *)l - offsetof(struct state, by_forth));
}

static struct state *of_back(struct tab_link *l)
{
    return (struct state *)(void *)((uint8_t *)l - offsetof(struct state, by_back));
}

static struct state *find_forth(const struct nat *n, const struct key *k)
{
    for (struct tab_link *l = tab_first(&n->forth, key_hash(k)); l; l = tab_next(l)) {
        if (key_eq(&of_forth(l)->forth, k))
            return of_forth(l);
    }
    return NULL;
}

static struct state *find_back(const struct nat *n, const struct key *k)
{
    for (struct tab_link *l = tab_first(&n->back, key_hash(k)); l; l = tab_next(l)) {
        if (key_eq(&of_back(l)->back, k))
            return of_back(l);
    }
    return NULL;
}

static void list_del(struct nat *n, struct state *s)
{
    *(s->prev ? &s->prev->next : &n->first) = s->next;
    *(s->next ? &s->next->prev : &n->last) = s->prev;
}

static void list_add(struct nat *n, struct state *s)
{
    s->prev = n->last;
    s->next = NULL;
    *(n->last ? &n->last->next : &n->first) = s;
    n->last = s;
}

static void state_free(struct nat *n, struct state *s)
{
    list_del(n, s);
    tab_del(&n->forth, &s->by_forth);
    tab_del(&n->back, &s->by_back);
    mem_free(s, sizeof *s);
}

static void expire(struct host *h)
{
    struct nat *n = h->nat;
    while (n->first && host_now(h) - n->first->seen >= HOST_STATE_IDLE)
        state_free(n, n->first);
}

static void touch(struct host *h, struct state *s)
{
    s->seen = host_now(h);
    list_del(h->nat, s);
    list_add(h->nat, s);
}

void host_forward_free(struct host *h)
{
    if (!h->nat)
        return;
    while (h->nat->first)
        state_free(h->nat, h->nat->first);
    tab_free(&h->nat->forth);
    tab_free(&h->nat->back);
    mem_free(h->nat, sizeof *h->nat);
    h->nat = NULL;
}

/* => whether self:port towards the server of the flow is taken. */
static bool port_taken(const struct host *h, const struct key *back)
{
    struct tuple own = {back->dst, back->src, back->dport, back->proto == IPPROTO_NR_ICMP ? 0 : back->sport,
                        back->proto};
    return find_back(h->nat, back) || host_port_used(h, &own);
}

bool host_forward_uses(const struct host *h, const struct tuple *t)
{
    const uint16_t rport = t->proto == IPPROTO_NR_ICMP ? t->lport : t->rport;
    const struct key back = {t->remote, t->local, rport, t->lport, t->proto};
    return h->nat && find_back(h->nat, &back);
}

static bool has_ports(uint8_t proto)
{
    return proto == IPPROTO_NR_TCP || proto == IPPROTO_NR_UDP || proto == IPPROTO_NR_ICMP;
}

static void set_port(struct key *back, uint16_t port)
{
    back->dport = port;
    if (back->proto == IPPROTO_NR_ICMP) /* the identifier is both */
        back->sport = port;
}

/* Complete the key of the way back. => REASON_NONE, or why there is no translation. */
static enum reason translate(struct host *h, struct key *back)
{
    struct nat *n = h->nat;
    back->dst = h->c.addr;
    if (!port_taken(h, back))
        return REASON_NONE;
    for (unsigned tries = has_ports(back->proto) ? 65536 - PORT_LOWEST : 0; tries; tries--) {
        set_port(back, n->next_port);
        n->next_port = n->next_port == UINT16_MAX ? PORT_LOWEST : (uint16_t)(n->next_port + 1);
        if (!port_taken(h, back))
            return REASON_NONE;
    }
    return REASON_SNAT_EXHAUSTED;
}

static enum reason state_new(struct host *h, const struct key *forth, struct state **out)
{
    struct key back = reversed(*forth);
    enum reason why = h->c.appliance.snat ? translate(h, &back) : REASON_NONE;
    struct state *s = why ? NULL : mem_alloc(sizeof *s);
    if (!s)
        return why ? why : REASON_APPLIANCE_DROP;
    *s =
        (struct state){.forth = *forth, .back = back, .translated = h->c.appliance.snat, .seen = host_now(h)};
    if (tab_add(&h->nat->forth, &s->by_forth, key_hash(forth))) {
        mem_free(s, sizeof *s);
        return REASON_APPLIANCE_DROP;
    }
    if (tab_add(&h->nat->back, &s->by_back, key_hash(&back))) {
        tab_del(&h->nat->forth, &s->by_forth);
        mem_free(s, sizeof *s);
        return REASON_APPLIANCE_DROP;
    }
    list_add(h->nat, s);
    *out = s;
    return REASON_NONE;
}

/* -- packets --------------------------------------------------------------------------------------------- */

static void drop(struct host *h, struct packet *p, enum reason why)
{
    h->env->dropped(h->env->ctx, h->c.port, p, why);
    packet_put(h->env->pool, p);
}

/* The last steps, the same both ways. */
static void pass_on(struct host *h, struct packet *p, const struct packet_info *in)
{
    if (in->ip_len > h->c.mtu && in->df) {
        drop(h, p, REASON_MTU_EXCEEDED);
        return;
    }
    p->meta.last_hop = h->c.port;
    host_send_raw(h, p);
}

/* => whether a packet without state may begin a flow. */
static bool may_begin(const struct packet *p, const struct packet_info *in, bool error)
{
    if (error || p->meta.reply)
        return false;
    return in->proto != IPPROTO_NR_TCP || (in->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* => whether the packet goes on with a connection of which the appliance has not seen an answer. */
static bool half_open(const struct host *h, const struct state *s, const struct packet_info *in)
{
    return h->c.appliance.stateful && !s->answered && in->proto == IPPROTO_NR_TCP && !in->frag_offset &&
           !(in->tcp_flags & (TCP_SYN | TCP_RST));
}

/* The state of the packet, found or made, in *out where the appliance keeps any; forth: the packet is on the
 * way there. */
static enum reason admit(struct host *h, const struct packet *p, const struct packet_info *in,
                         const struct view *v, struct state **out, bool *forth)
{
    *out = find_forth(h->nat, &v->key);
    *forth = *out != NULL;
    if (!*out)
        *out = find_back(h->nat, &v->key);
    if (*out) {
        touch(h, *out);
        if (!*forth)
            (*out)->answered = true;
        return half_open(h, *out, in) ? REASON_ASYMMETRIC_RETURN : REASON_NONE;
    }
    if (may_begin(p, in, v->error)) {
        *forth = true;
        return state_new(h, &v->key, out);
    }
    if (h->c.appliance.stateful)
        return REASON_ASYMMETRIC_RETURN;
    *forth = !p->meta.reply && !v->error;
    return *forth ? state_new(h, &v->key, out)
                  : REASON_NONE; /* translation only: what began before we came */
}

static bool unwanted(const struct host *h, const struct packet *p, const struct packet_info *in)
{
    uint16_t dport = in->frag_offset ? p->meta.dport : in->dport;
    return !p->meta.reply && port_ranges_have(h->c.appliance.drops, h->c.appliance.n_drops, in->proto, dport);
}

static bool nat_ready(struct host *h)
{
    if (!h->nat && (h->nat = mem_alloc(sizeof *h->nat)))
        h->nat->next_port = PORT_LOWEST;
    return h->nat != NULL;
}

void host_forward(struct host *h, struct packet *p, struct packet_info *in)
{
    struct state *s = NULL;
    struct view v = packet_view(p, in);
    bool forth = true, keeps = h->c.appliance.stateful || h->c.appliance.snat;
    if (!h->c.appliance.present || !h->c.appliance.forwards || unwanted(h, p, in) ||
        (keeps && !nat_ready(h))) {
        drop(h, p, REASON_APPLIANCE_DROP);
        return;
    }
    if (keeps) {
        expire(h);
        enum reason why = admit(h, p, in, &v, &s, &forth);
        if (why) {
            drop(h, p, why);
            return;
        }
    }
    if (packet_dec_ttl(p, in) == 0) {
        drop(h, p, REASON_ROUTING_LOOP);
        return;
    }
    if (s && s->translated && forth) {
        if (v.error)
            packet_set_inner_dst(p, in, &v.quote, s->back.dst, s->back.dport);
        packet_set_src(p, in, s->back.dst, s->back.dport);
    }
    pass_on(h, p, in);
}

bool host_forward_back(struct host *h, struct packet *p, struct packet_info *in)
{
    struct view v = packet_view(p, in);
    expire(h);
    struct state *s = find_back(h->nat, &v.key);
    if (!s || !s->translated)
        return false;
    s->answered = true;
    touch(h, s);
    if (packet_dec_ttl(p, in) == 0) {
        drop(h, p, REASON_ROUTING_LOOP);
        return true;
    }
    if (v.error)
        packet_set_inner_src(p, in, &v.quote, s->forth.src, s->forth.sport);
    packet_set_dst(p, in, s->forth.src, s->forth.sport);
    pass_on(h, p, in);
    return true;
}
