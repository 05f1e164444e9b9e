/* host_ip.c - between a host's protocols and the wire: IPv4 fragments both ways (RFC 791, 815), ARP (RFC
 * 826).
 *
 * ARP. With config.arp a packet to a next hop that is not known waits while it is asked for: at once, and
 * twice more a second apart; then what waits is dropped. Answers are believed for the whole run: in Azure
 * every question is answered with the same fabric address and nothing ever changes it.
 *
 * Loop. A machine that is its own DNS server asks itself without the network; what it sends so is delivered
 * when the current call is over, so that nothing is called while it is being changed.
 *
 * Reassembly. Fragments of a datagram are kept in order of offset until they cover it. One that overlaps
 * another is dropped (an exact repetition as well), so the first to arrive counts. Fragments are told apart
 * by addresses, protocol and identification, and by the metadata that tell overlapping address spaces apart.
 * At most 64 datagrams wait, 30 s each; the oldest gives way. */
#include "dataplane/host_int.h"

#include "dataplane/csum.h"
#include "dataplane/mem.h"
#include "dataplane/rng.h"
#include "dataplane/wire.h"

#include <errno.h>
#include <string.h>

enum { ARP_TRIES = 3, ARP_QUEUE = 256, REASSEMBLIES = 64 };

struct ip_fields host_ip(struct host *h, ip4 src, ip4 dst, bool df)
{
    return (struct ip_fields){.src = src, .dst = dst, .ttl = HOST_TTL, .id = h->ip_id++, .df = df};
}

struct eth_fields host_eth(const struct host *h)
{
    struct eth_fields e;
    memcpy(e.src, h->c.mac, 6);
    memcpy(e.dst, h->c.fabric_mac, 6);
    return e;
}

/* -- ARP ------------------------------------------------------------------------------------------------- */

static struct arp_entry *arp_find(const struct host *h, ip4 addr)
{
    for (struct tab_link *l = tab_first(&h->arp, hash_mix(addr)); l; l = tab_next(l)) {
        struct arp_entry *a = (struct arp_entry *)(void *)l; /* link comes first */
        if (a->addr == addr)
            return a;
    }
    return NULL;
}

static void arp_drop_queue(struct host *h, struct arp_entry *a)
{
    for (struct packet *p = a->queue, *next; p; p = next) {
        next = p->next;
        packet_put(h->env->pool, p);
    }
    a->queue = NULL;
    a->tail = &a->queue;
    a->queued = 0;
}

static void arp_ask(struct host *h, struct arp_entry *a)
{
    static const uint8_t nobody[6];
    struct packet *p = packet_build_arp(h->env->pool, 1, h->c.mac, h->c.addr, nobody, a->addr);
    if (p) {
        p->meta.origin = p->meta.last_hop = h->c.port;
        h->env->output(h->env->ctx, h->c.port, p);
    }
    a->tries++;
    hook_set(h, &a->hook, host_now(h) + HOST_S);
}

static void arp_fire(struct host *h, struct hook *k)
{
    struct arp_entry *a = (struct arp_entry *)(void *)((uint8_t *)k - offsetof(struct arp_entry, hook));
    if (a->known)
        return;
    if (a->tries < ARP_TRIES) {
        arp_ask(h, a);
        return;
    }
    a->tries = 0;
    arp_drop_queue(h, a);
}

static struct arp_entry *arp_new(struct host *h, ip4 addr)
{
    struct arp_entry *a = mem_alloc(sizeof *a);
    if (!a)
        return NULL;
    a->addr = addr;
    a->tail = &a->queue;
    if (hook_add(h, &a->hook, arp_fire)) {
        mem_free(a, sizeof *a);
        return NULL;
    }
    if (tab_add(&h->arp, &a->link, hash_mix(addr))) {
        hook_del(h, &a->hook);
        mem_free(a, sizeof *a);
        return NULL;
    }
    a->next = h->arp_first;
    h->arp_first = a;
    return a;
}

void host_arp_free(struct host *h)
{
    for (struct arp_entry *a = h->arp_first, *next; a; a = next) {
        next = a->next;
        arp_drop_queue(h, a);
        mem_free(a, sizeof *a);
    }
    h->arp_first = NULL;
}

static void transmit(struct host *h, struct packet *p, const uint8_t mac[6])
{
    packet_set_eth(p, h->c.mac, mac);
    h->env->output(h->env->ctx, h->c.port, p);
}

static void arp_learn(struct host *h, struct arp_entry *a, const uint8_t mac[6])
{
    struct packet *p = a->queue;
    memcpy(a->mac, mac, 6);
    a->known = true;
    hook_set(h, &a->hook, HOST_NEVER);
    a->queue = NULL;
    a->tail = &a->queue;
    a->queued = 0;
    for (struct packet *next; p; p = next) {
        next = p->next;
        p->next = NULL;
        transmit(h, p, a->mac);
    }
}

void host_arp_input(struct host *h, const struct packet *p)
{
    struct arp_info in;
    if (packet_parse_arp(p->data, p->len, &in))
        return;
    struct arp_entry *a = in.op == 2 ? arp_find(h, in.spa) : NULL;
    if (a && !a->known)
        arp_learn(h, a, in.sha);
    if (in.op != 1 || !h->c.addr || in.tpa != h->c.addr)
        return;
    struct packet *answer = packet_build_arp(h->env->pool, 2, h->c.mac, h->c.addr, in.sha, in.spa);
    if (!answer)
        return;
    answer->meta.origin = answer->meta.last_hop = h->c.port;
    h->env->output(h->env->ctx, h->c.port, answer);
}

/* One frame that fits the MTU. */
static void send_frame(struct host *h, struct packet *p)
{
    if (!h->c.arp) {
        transmit(h, p, h->c.fabric_mac);
        return;
    }
    ip4 dst = wire_get32(p->data + ETH_HLEN + WIRE_IP_DST),
        hop = prefix4_has(h->c.onlink, dst) ? dst : h->c.gateway;
    struct arp_entry *a = arp_find(h, hop);
    if (!a)
        a = arp_new(h, hop);
    if (a && a->known) {
        transmit(h, p, a->mac);
        return;
    }
    if (!a || a->queued == ARP_QUEUE) {
        packet_put(h->env->pool, p);
        return;
    }
    p->next = NULL;
    *a->tail = p;
    a->tail = &p->next;
    a->queued++;
    if (a->tries == 0)
        arp_ask(h, a);
}

void host_send_raw(struct host *h, struct packet *p)
{
    struct packet *list;
    if (p->len <= (uint32_t)h->c.mtu + ETH_HLEN) {
        send_frame(h, p);
        return;
    }
    int n = packet_fragment(h->env->pool, p, h->c.mtu, &list);
    packet_put(h->env->pool, p);
    for (struct packet *next; n > 0 && list; list = next) {
        next = list->next;
        list->next = NULL;
        send_frame(h, list);
    }
}

void host_send(struct host *h, struct packet *p, const struct packet_meta *m)
{
    if (!p)
        return;
    uint16_t sport = p->meta.sport, dport = p->meta.dport;
    p->meta = *m;
    p->meta.sport = sport;
    p->meta.dport = dport;
    if (h->c.addr && wire_get32(p->data + ETH_HLEN + WIRE_IP_DST) == h->c.addr) {
        if (h->env->looped)
            h->env->looped(h->env->ctx, h->c.port, p);
        p->next = NULL;
        *h->loop_tail = p;
        h->loop_tail = &p->next;
        return;
    }
    host_send_raw(h, p);
}

void host_loop(struct host *h)
{
    while (h->loop) {
        struct packet *p = h->loop;
        struct packet_info in;
        h->loop = p->next;
        if (!h->loop)
            h->loop_tail = &h->loop;
        if (packet_parse(p->data, p->len, &in) == 0)
            host_deliver(h, p, &in);
        packet_put(h->env->pool, p);
    }
}

/* -- reassembly ------------------------------------------------------------------------------------------ */

static void reassembly_drop(struct host *h, struct reassembly **at)
{
    struct reassembly *r = *at;
    *at = r->next;
    for (struct packet *p = r->frags, *next; p; p = next) {
        next = p->next;
        packet_put(h->env->pool, p);
    }
    mem_free(r, sizeof *r);
    h->n_reasm--;
}

void host_reassembly_free(struct host *h)
{
    while (h->reasm)
        reassembly_drop(h, &h->reasm);
}

static bool same_datagram(const struct reassembly *r, const struct packet *p, const struct packet_info *in)
{
    return r->src == in->src && r->dst == in->dst && r->id == in->ip_id && r->proto == in->proto &&
           r->meta.endpoint == p->meta.endpoint && r->meta.identity == p->meta.identity &&
           r->meta.realm == p->meta.realm;
}

/* => where the reassembly of that datagram hangs, made if need be; NULL: out of memory. */
static struct reassembly **reassembly_of(struct host *h, const struct packet *p, const struct packet_info *in)
{
    struct reassembly **at = &h->reasm;
    while (h->reasm && host_now(h) >= h->reasm->until)
        reassembly_drop(h, &h->reasm);
    while (*at && !same_datagram(*at, p, in))
        at = &(*at)->next;
    if (*at)
        return at;
    if (h->n_reasm == REASSEMBLIES) {
        reassembly_drop(h, &h->reasm);
        for (at = &h->reasm; *at; at = &(*at)->next)
            ;
    }
    struct reassembly *r = mem_alloc(sizeof *r);
    if (!r)
        return NULL;
    *r = (struct reassembly){.src = in->src,
                             .dst = in->dst,
                             .id = in->ip_id,
                             .proto = in->proto,
                             .meta = p->meta,
                             .until = host_now(h) + HOST_REASSEMBLY};
    *at = r;
    h->n_reasm++;
    return at;
}

struct span { /* of the datagram's payload */
    uint32_t start, end;
    bool last;
    const uint8_t *data;
};

static struct span span_of(const struct packet *p)
{
    const uint8_t *ip = p->data + ETH_HLEN;
    uint32_t hlen = (uint32_t)(ip[WIRE_IP_VHL] & 15) * 4;
    uint16_t frag = wire_get16(ip + WIRE_IP_FRAG);
    struct span s = {
        .start = (uint32_t)(frag & WIRE_IP_OFFMASK) * 8, .last = !(frag & WIRE_IP_MF), .data = ip + hlen};
    s.end = s.start + wire_get16(ip + WIRE_IP_TLEN) - hlen;
    return s;
}

/* Put p in its place. => false: it overlaps, or is empty or uneven. */
static bool insert_fragment(struct reassembly *r, struct packet *p)
{
    struct packet **at = &r->frags;
    struct span s = span_of(p), o;
    if (s.start == s.end || (!s.last && (s.end - s.start) % 8))
        return false;
    for (; *at && (o = span_of(*at)).start < s.start; at = &(*at)->next) {
        if (o.end > s.start || o.last)
            return false;
    }
    if (*at && (span_of(*at).start < s.end || s.last))
        return false;
    p->next = *at;
    *at = p;
    return true;
}

/* => payload bytes of the datagram when there is no hole, else 0. */
static uint32_t covered(const struct reassembly *r)
{
    uint32_t end = 0;
    for (const struct packet *p = r->frags; p; p = p->next) {
        struct span s = span_of(p);
        if (s.start != end)
            return 0;
        end = s.end;
        if (s.last)
            return end;
    }
    return 0;
}

static struct packet *join(struct host *h, const struct reassembly *r, uint32_t len)
{
    const struct packet *first = r->frags;
    uint32_t hlen = (uint32_t)(first->data[ETH_HLEN] & 15) * 4;
    struct packet *whole = hlen + len <= UINT16_MAX ? packet_new(h->env->pool, ETH_HLEN + hlen + len) : NULL;
    if (!whole)
        return NULL;
    uint8_t *ip = whole->data + ETH_HLEN;
    memcpy(whole->data, first->data, ETH_HLEN + hlen);
    for (const struct packet *p = first; p; p = p->next) {
        struct span s = span_of(p);
        memcpy(ip + hlen + s.start, s.data, s.end - s.start);
    }
    whole->len = ETH_HLEN + hlen + len;
    whole->meta = r->meta;
    wire_put16(ip + WIRE_IP_TLEN, (uint16_t)(hlen + len));
    wire_put16(ip + WIRE_IP_FRAG, wire_get16(ip + WIRE_IP_FRAG) & WIRE_IP_DF);
    wire_put16(ip + WIRE_IP_SUM, 0);
    wire_put16(ip + WIRE_IP_SUM, csum_fold(csum_add(0, ip, hlen)));
    return whole;
}

struct packet *host_reassemble(struct host *h, struct packet *p, const struct packet_info *in)
{
    struct reassembly **at = reassembly_of(h, p, in);
    if (!at || !insert_fragment(*at, p)) {
        packet_put(h->env->pool, p);
        return NULL;
    }
    uint32_t len = covered(*at);
    if (!len)
        return NULL;
    struct packet *whole = join(h, *at, len);
    reassembly_drop(h, at);
    return whole;
}
