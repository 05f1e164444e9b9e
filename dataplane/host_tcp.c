/* host_tcp.c - TCP connections of a host.
 *
 * Connections lie in a table by addresses and ports. A server's are told apart by the metadata of their
 * packets besides (private endpoint, identity, realm): the private addresses of two networks may be equal. A
 * client's are not: its answers come through whatever the network put in between.
 *
 * Connections end in three steps, so that the TCP machine never runs on freed memory: the machine says it is
 * over, the connection leaves the tables and goes to the dead, and the dead are buried when the call from
 * outside ends. Those in TIME-WAIT stay in the table, without a timer, until something happens a minute
 * later. */
#include "dataplane/host_int.h"

#include "dataplane/mem.h"
#include "dataplane/proxy.h"
#include "dataplane/rng.h"
#include "dataplane/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct conn *conn_of(struct tcp *t)
{
    return (struct conn *)(void *)t; /* its first member */
}

/* -- lists and tables ------------------------------------------------------------------------------------ */

static void list_add(struct conn_list *l, struct conn *c)
{
    c->prev = l->last;
    c->next = NULL;
    if (l->last)
        l->last->next = c;
    else
        l->first = c;
    l->last = c;
    l->n++;
}

static void list_del(struct conn_list *l, struct conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        l->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        l->last = c->prev;
    l->n--;
}

static struct conn *conn_find(const struct host *h, const struct tuple *t, const struct packet_meta *m)
{
    for (struct tab_link *l = tab_first(&h->conns, tuple_hash(t)); l; l = tab_next(l)) {
        struct conn *c = conn_by_tuple(l);
        bool here =
            c->meta.endpoint == m->endpoint && c->meta.identity == m->identity && c->meta.realm == m->realm;
        if (tuple_eq(&c->t, t) && (c->tcp.active || here))
            return c;
    }
    return NULL;
}

static void bury(struct host *h, struct conn *c)
{
    tcp_free(&c->tcp);
    packet_put(h->env->pool, c->first);
    mem_free(c, sizeof *c);
}

/* Out of every list and table; freed when the current call ends. */
static void conn_dead(struct conn *c)
{
    struct host *h = c->host;
    tab_del(&h->conns, &c->by_tuple);
    tab_del(&h->flows, &c->by_flow);
    list_del(c->parked ? &h->waiting : &h->open, c);
    hook_del(h, &c->hook);
    c->next = h->dead;
    h->dead = c;
}

void host_tcp_reap(struct host *h)
{
    while (h->waiting.first && host_now(h) >= h->waiting.first->forget_at)
        conn_dead(h->waiting.first);
    for (struct conn *c = h->dead, *next; c; c = next) {
        next = c->next;
        bury(h, c);
    }
    h->dead = NULL;
}

void host_tcp_free(struct host *h)
{
    while (h->open.first)
        conn_dead(h->open.first);
    while (h->waiting.first)
        conn_dead(h->waiting.first);
    for (struct run *r = h->run_first; r; r = r->next)
        r->conn = NULL;
    host_tcp_reap(h);
}

/* After the machine said its last word. */
void conn_over(struct conn *c)
{
    if (c->tcp.state != TCPS_TIME_WAIT) {
        conn_dead(c);
        return;
    }
    list_del(&c->host->open, c);
    c->parked = true;
    c->forget_at = host_now(c->host) + HOST_TIME_WAIT;
    list_add(&c->host->waiting, c);
}

void conn_drop(struct conn *c)
{
    conn_dead(c);
}

void conn_abandon(struct conn *c)
{
    c->run = NULL;
    c->goal = UINT64_MAX; /* nothing is answered on it */
}

static void deadline(struct host *h, struct hook *k)
{
    struct conn *c = (struct conn *)(void *)((uint8_t *)k - offsetof(struct conn, hook));
    tcp_tick(&c->tcp, host_now(h));
}

/* A connection without a machine yet. meta: of the packets it will send. */
static struct conn *conn_new(struct host *h, const struct tuple *t, const struct packet_meta *meta)
{
    struct conn *c = mem_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->host = h;
    c->t = *t;
    c->meta = *meta;
    if (hook_add(h, &c->hook, deadline)) {
        mem_free(c, sizeof *c);
        return NULL;
    }
    if (tab_add(&h->conns, &c->by_tuple, tuple_hash(t)))
        goto no_memory;
    if (tab_add(&h->flows, &c->by_flow, hash_mix(meta->flow))) {
        tab_del(&h->conns, &c->by_tuple);
        goto no_memory;
    }
    list_add(&h->open, c);
    return c;
no_memory:
    hook_del(h, &c->hook);
    mem_free(c, sizeof *c);
    return NULL;
}

static uint32_t initial_sequence(struct host *h)
{
    return (uint32_t)hash_mix((uint64_t)h->c.port << 32 | ++h->counter);
}

static uint16_t own_mss(const struct host *h)
{
    return (uint16_t)(h->c.mtu > 40 + 64 ? h->c.mtu - 40 : 64);
}

/* -- the machine's outside ------------------------------------------------------------------------------- */

static void segment_send(struct host *h, const struct tuple *t, const struct packet_meta *m,
                         const struct tcp_segment *s, const uint8_t *data)
{
    struct eth_fields eth = host_eth(h);
    struct ip_fields ip = host_ip(h, t->local, t->remote, true);
    struct tcp_fields f = {.sport = t->lport,
                           .dport = t->rport,
                           .seq = s->seq,
                           .ack = s->ack,
                           .flags = s->flags,
                           .window = s->window,
                           .mss = s->mss,
                           .wscale = s->wscale};
    host_send(h, packet_build_tcp(h->env->pool, &eth, &ip, &f, data, s->len), m);
}

static void ops_send(struct tcp *tcp, const struct tcp_segment *s)
{
    uint8_t data[HOST_DATAGRAM];
    struct conn *c = conn_of(tcp);
    c->say.segment = tcp->mss;
    if (s->len)
        payload_fill(&c->say, s->offset, data, s->len);
    segment_send(c->host, &c->t, &c->meta, s, data);
}

static void ops_wake(struct tcp *tcp, int64_t at)
{
    struct conn *c = conn_of(tcp);
    hook_set(c->host, &c->hook, at);
}

static struct tcp_segment segment_of(const struct packet *p, const struct packet_info *in)
{
    struct tcp_segment s = {.seq = in->seq,
                            .ack = in->ack,
                            .flags = in->tcp_flags,
                            .window = in->window,
                            .len = in->payload_len,
                            .wscale = -1};
    if (!(in->tcp_flags & TCP_SYN))
        return s;
    uint32_t mss = packet_tcp_option(p->data, in, WIRE_TCPOPT_MSS, 4);
    uint32_t scale = packet_tcp_option(p->data, in, WIRE_TCPOPT_WSCALE, 3);
    s.mss = mss ? wire_get16(p->data + mss) : 0;
    if (scale)
        s.wscale = (int8_t)(p->data[scale] < 14 ? p->data[scale] : 14);
    return s;
}

static void ops_news(struct tcp *tcp, enum tcp_news what)
{
    host_app_news(conn_of(tcp), what);
}

static const struct tcp_ops ops = {.send = ops_send, .wake = ops_wake, .news = ops_news};

/* -- opening --------------------------------------------------------------------------------------------- */

/* A port that a connection in TIME-WAIT holds is free again for who asks for it by name (RFC 6191 gives the
 * conditions, which the simulation's own peers always meet). */
static void forget_waiting(struct host *h, const struct tuple *t)
{
    for (struct conn *c = h->waiting.first, *next; c; c = next) {
        next = c->next;
        if (tuple_eq(&c->t, t))
            conn_dead(c);
    }
}

static int client_port(struct host *h, struct tuple *t)
{
    if (!t->lport)
        return host_port_choose(h, t) ? 0 : -EADDRNOTAVAIL;
    if (host_port_used(h, t))
        forget_waiting(h, t);
    return host_port_used(h, t) ? -EADDRINUSE : 0;
}

/* The server's name as the payload gives it. */
static void say_host(struct payload *say, const char *name, ip4 addr)
{
    if (name)
        snprintf(say->host, sizeof say->host, "%s", name);
    else
        ip4_format(addr, say->host);
}

int conn_open(struct run *r)
{
    struct host *h = r->host;
    struct tuple t = {.local = h->c.addr,
                      .remote = r->spec.addr,
                      .lport = r->spec.sport,
                      .rport = r->spec.dport,
                      .proto = IPPROTO_NR_TCP};
    int rc = client_port(h, &t);
    struct conn *c = rc ? NULL : conn_new(h, &t, &r->meta);
    if (!c)
        return rc ? rc : -ENOMEM;
    c->run = r;
    r->conn = c;
    c->say = (struct payload){.kind = r->spec.http    ? PAYLOAD_PROBE
                                      : r->spec.proxy ? PAYLOAD_PROXY
                                                      : payload_kind(t.proto, t.rport),
                              .path = r->spec.http,
                              .proxy = r->spec.proxy,
                              .first = r->spec.request_bytes,
                              .later = HOST_KEEP};
    say_host(&c->say, r->spec.name, r->spec.addr);
    if (r->spec.http) {
        const size_t n = strlen(c->say.host);
        snprintf(c->say.host + n, sizeof c->say.host - n, ":%u", t.rport);
    }
    tcp_connect(&c->tcp, &ops, host_now(h), initial_sequence(h), own_mss(h));
    return 0;
}

static void server_open(struct host *h, const struct tuple *t, const struct packet *p,
                        const struct tcp_segment *s)
{
    struct packet_meta meta = host_answer_meta(h, &p->meta);
    const struct flow_spec *spec = meta.flow ? h->env->flow(h->env->ctx, meta.flow) : NULL;
    struct packet *first = packet_copy(h->env->pool, p);
    struct conn *c = first ? conn_new(h, t, &meta) : NULL;
    if (!c) {
        packet_put(h->env->pool, first);
        return;
    }
    c->first = first;
    c->known = spec != NULL;
    c->goal = spec ? spec->request_bytes : 0;
    c->response = spec ? spec->response_bytes : HOST_RESPONSE;
    c->say = (struct payload){
        .kind = payload_kind(t->proto, spec ? spec->dport : t->lport), /* as the client says */
        .answer = true,
        .first = c->response,
        .later = spec ? HOST_KEEP : HOST_RESPONSE};
    say_host(&c->say, spec ? spec->name : NULL, t->local);
    h->env->arrived(h->env->ctx, h->c.port, p);
    tcp_accept(&c->tcp, &ops, host_now(h), initial_sequence(h), own_mss(h), s);
}

/* A health probe by HTTP, not a flow of the scenario (B-10). */
static void answer_probe(struct conn *c)
{
    c->say.kind = PAYLOAD_HTTP;
    c->say.status = c->host->c.http_status ? c->host->c.http_status : 200;
    c->say.first = c->response = HOST_HEALTH;
}

/* What a client's stream begins with: a PROXY header where one is expected, and only there (PE-23). */
static void first_bytes(struct conn *c, const uint8_t *data, size_t n)
{
    struct proxy_header header;
    const int len = proxy_read(data, n, &header);
    const bool there = len > 0 || len == -EINVAL || (len == -EAGAIN && n >= PROXY_FIXED);
    c->mismatch = c->host->c.proxy ? len <= 0 : there;
    if (c->mismatch)
        return;
    if (len > 0) {
        c->header = (uint32_t)len;
        c->goal += c->header;
    }
    if (!c->known && n >= c->header + 4 && memcmp(data + c->header, "GET ", 4) == 0)
        answer_probe(c);
}

void host_tcp_input(struct host *h, const struct packet *p, const struct packet_info *in)
{
    struct tuple t = {in->dst, in->src, in->dport, in->sport, IPPROTO_NR_TCP};
    struct tcp_segment s = segment_of(p, in), reset;
    struct conn *c = conn_find(h, &t, &p->meta);
    bool opens = (s.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
    if (c && c->parked && opens && seq_lt(c->tcp.rcv_nxt, s.seq)) {
        conn_dead(c); /* a new connection ends TIME-WAIT, RFC 9293 section 3.10.7.4 */
        c = NULL;
    }
    if (c) {
        if (!c->tcp.active && !c->tcp.received && s.len && s.seq == c->tcp.rcv_nxt)
            first_bytes(c, p->data + in->payload, in->payload_len);
        if (c->run && c->run->spec.http && !c->tcp.received && s.len && s.seq == c->tcp.rcv_nxt)
            c->run->status = payload_http_status(p->data + in->payload, in->payload_len);
        tcp_input(&c->tcp, host_now(h), &s);
        if (c->parked && c->tcp.state == TCPS_CLOSED)
            conn_dead(c);
        return;
    }
    if (opens && host_listens(h, IPPROTO_NR_TCP, t.lport)) {
        server_open(h, &t, p, &s);
        return;
    }
    if (!h->c.silent && tcp_reset_for(&s, &reset)) {
        struct packet_meta meta = host_answer_meta(h, &p->meta);
        segment_send(h, &t, &meta, &reset, NULL);
    }
}

/* -- cut ------------------------------------------------------------------------------------------------- */

static struct conn *conn_of_flow(const struct host *h, uint32_t flow)
{
    for (struct tab_link *l = tab_first(&h->flows, hash_mix(flow)); l; l = tab_next(l)) {
        struct conn *c = (struct conn *)(void *)((uint8_t *)l - offsetof(struct conn, by_flow));
        if (c->meta.flow == flow && !c->parked && c->tcp.state >= TCPS_SYN_RCVD)
            return c;
    }
    return NULL;
}

struct packet *host_cut(struct host *h, uint32_t flow)
{
    struct conn *c = flow ? conn_of_flow(h, flow) : NULL;
    if (!c)
        return NULL;
    struct eth_fields eth;
    memcpy(eth.src, h->c.fabric_mac, 6);
    memcpy(eth.dst, h->c.mac, 6);
    struct ip_fields ip = {.src = c->t.remote, .dst = c->t.local, .ttl = HOST_TTL, .df = true};
    struct tcp_fields f = {.sport = c->t.rport,
                           .dport = c->t.lport,
                           .seq = c->tcp.rcv_nxt,
                           .ack = c->tcp.snd_max,
                           .flags = TCP_RST | TCP_ACK,
                           .wscale = -1};
    struct packet *p = packet_build_tcp(h->env->pool, &eth, &ip, &f, NULL, 0);
    if (!p)
        return NULL;
    p->meta = c->meta;
    p->meta.reply = !c->meta.reply;
    p->meta.origin = p->meta.last_hop = PORT_NONE;
    p->meta.sport = c->t.rport;
    p->meta.dport = c->t.lport;
    return p;
}
