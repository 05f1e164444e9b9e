/* host_run.c - a flow of the scenario at its client: resolve the name, then TCP (host_tcp.c), UDP or ICMP
 * echo, then one report of what became of it.
 *
 *   RESOLVE --A record--> TCP: CONNECT --> REQUEST --answer--> CLOSE --> over
 *      |                  UDP, echo:       REQUEST --answer--> over
 *      |                                      with keepOpen: KEEP, a message a second, then on as above
 *      +--no address, no server--> over
 *
 * The stub resolver asks once more after 5 s, with the same port and identification, as glibc's does, and
 * keeps nothing. Of several servers it asks one after the other, each 5 s, in two rounds; one that fails at
 * once gives way at once, and the last of them ends it. UDP and echo send once and wait 5 s. An answer by UDP
 * of more than one datagram (65507 bytes) is complete when all its bytes are there; a refusal is shorter, and
 * complete with its first datagram. */
#include "dataplane/host_int.h"

#include "dataplane/mem.h"
#include "dataplane/rng.h"
#include "dataplane/wire.h"

#include <errno.h>
#include <string.h>

enum { DNS_TRIES = 2, DNS_PORT = 53 };

static struct run *host_run_by_tuple(struct tab_link *l)
{
    return (struct run *)(void *)((uint8_t *)l - offsetof(struct run, by_tuple));
}

struct run *host_run_find(const struct host *h, const struct tuple *t)
{
    for (struct tab_link *l = tab_first(&h->runs, tuple_hash(t)); l; l = tab_next(l)) {
        struct run *r = host_run_by_tuple(l);
        if (tuple_eq(&r->t, t))
            return r;
    }
    return NULL;
}

static void unbind(struct run *r)
{
    if (r->bound)
        tab_del(&r->host->runs, &r->by_tuple);
    r->bound = false;
}

/* Take the port wanted, or one of our own where it is 0. => 0, -EADDRINUSE, -ENOMEM. */
static int bind_port(struct run *r, uint8_t proto, ip4 remote, uint16_t rport, uint16_t wanted)
{
    struct host *h = r->host;
    r->t =
        (struct tuple){.local = h->c.addr, .remote = remote, .lport = wanted, .rport = rport, .proto = proto};
    if (wanted ? host_port_used(h, &r->t) : !host_port_choose(h, &r->t))
        return -EADDRINUSE;
    if (tab_add(&h->runs, &r->by_tuple, tuple_hash(&r->t)))
        return -ENOMEM;
    r->bound = true;
    return 0;
}

void host_run_free(struct run *r)
{
    struct host *h = r->host;
    if (r->conn)
        conn_abandon(r->conn);
    unbind(r);
    hook_del(h, &r->hook);
    if (r->prev)
        r->prev->next = r->next;
    else
        h->run_first = r->next;
    if (r->next)
        r->next->prev = r->prev;
    mem_free(r, sizeof *r);
}

void host_run_end(struct run *r, enum flow_outcome what)
{
    struct host *h = r->host;
    uint32_t flow = r->spec.id;
    host_run_free(r);
    h->env->done(h->env->ctx, flow, what);
}

static struct packet *udp(struct run *r, const void *data, size_t n)
{
    struct host *h = r->host;
    struct eth_fields eth = host_eth(h);
    struct ip_fields ip = host_ip(h, r->t.local, r->t.remote, r->spec.dont_fragment && !r->meta.dns);
    return packet_build_udp(h->env->pool, &eth, &ip, r->t.lport, r->t.rport, data, n);
}

/* -- resolution ------------------------------------------------------------------------------------------ */

static unsigned servers(const struct run *r)
{
    return 1 + (unsigned)r->spec.n_resolver_next;
}

static void dns_ask(struct run *r)
{
    uint8_t buf[512];
    size_t n = payload_dns_query(r->dns_id, r->spec.name, 0, buf, sizeof buf);
    if (!n) { /* no name at all: nothing can be asked */
        host_run_end(r, FLOW_NXDOMAIN);
        return;
    }
    r->tries++;
    hook_set(r->host, &r->hook, host_now(r->host) + HOST_WAIT);
    host_send(r->host, udp(r, buf, n), &r->meta);
}

/* Ask the server whose turn it is: the one asked before by the same port. */
static void dns_try(struct run *r)
{
    unsigned server = r->tries % servers(r);
    ip4 addr = server ? r->spec.resolver_next[server - 1] : r->spec.resolver;
    if (r->bound && server != r->server)
        unbind(r);
    r->server = server;
    if (!addr || (!r->bound && bind_port(r, IPPROTO_NR_UDP, addr, DNS_PORT, 0)))
        host_run_end(r, FLOW_DNS_TIMEOUT);
    else
        dns_ask(r);
}

static void resolve(struct run *r)
{
    struct host *h = r->host;
    r->phase = RUN_RESOLVE;
    r->meta.dns = true;
    r->dns_id = (uint16_t)hash_mix((uint64_t)h->c.port << 32 | ++h->counter);
    dns_try(r);
}

/* The server asked says that it cannot answer. */
static void dns_failed(struct run *r)
{
    if (r->tries % servers(r))
        dns_try(r);
    else
        host_run_end(r, FLOW_DNS_TIMEOUT);
}

/* -- UDP and echo ---------------------------------------------------------------------------------------- */

static void udp_message(struct run *r, uint64_t size)
{
    uint8_t buf[HOST_DATAGRAM];
    struct payload say = {.kind = payload_kind(IPPROTO_NR_UDP, r->t.rport), .first = size, .later = 1};
    size_t n = (size_t)size;
    if (say.kind == PAYLOAD_DNS)
        n = payload_dns_query((uint16_t)(r->dns_id + r->sequence),
                              r->spec.name ? r->spec.name : "vnetsim.example", n, buf, HOST_UDP_MAX);
    else
        payload_fill(&say, 0, buf, n);
    r->sequence++;
    host_send(r->host, udp(r, buf, n), &r->meta);
}

static void echo_message(struct run *r)
{
    uint8_t buf[HOST_DATAGRAM];
    struct host *h = r->host;
    struct payload say = {.kind = PAYLOAD_LETTERS, .first = r->spec.request_bytes, .later = 1};
    struct eth_fields eth = host_eth(h);
    struct ip_fields ip = host_ip(h, r->t.local, r->t.remote, r->spec.dont_fragment);
    size_t n = (size_t)r->spec.request_bytes;
    payload_fill(&say, 0, buf, n);
    host_send(
        h,
        packet_build_icmp(h->env->pool, &eth, &ip, WIRE_ICMP_ECHO, 0, (uint32_t)r->t.lport << 16 | 1, buf, n),
        &r->meta);
}

static void datagram_start(struct run *r)
{
    struct host *h = r->host;
    bool is_udp = r->spec.proto == IPPROTO_NR_UDP;
    uint64_t size = r->spec.request_bytes;
    if (size > HOST_UDP_MAX || (r->spec.dont_fragment && size + 28 > h->c.mtu)) {
        host_run_end(r, FLOW_TOO_BIG);
        return;
    }
    r->phase = RUN_REQUEST;
    if (bind_port(r, r->spec.proto, r->spec.addr, is_udp ? r->spec.dport : 0, r->spec.sport)) {
        host_run_end(r, FLOW_TIMEOUT);
        return;
    }
    r->opened = host_now(h);
    r->expect = r->spec.response_bytes;
    hook_set(h, &r->hook, r->opened + HOST_WAIT);
    if (is_udp)
        udp_message(r, size);
    else
        echo_message(r);
}

static void start_transport(struct run *r)
{
    r->meta.dns = false;
    if (!r->spec.proto) {
        host_run_end(r, FLOW_OK);
        return;
    }
    if (r->spec.proto != IPPROTO_NR_TCP) {
        datagram_start(r);
        return;
    }
    r->phase = RUN_CONNECT;
    if (conn_open(r))
        host_run_end(r, FLOW_TIMEOUT); /* no port or no memory: no connection */
}

int64_t host_run_every(const struct run *r)
{
    return r->spec.keep_every > 0 ? r->spec.keep_every : HOST_KEEP_EVERY;
}

int64_t host_run_keep_due(const struct run *r)
{
    int64_t until = r->opened + r->spec.keep_open;
    return r->next_message < until ? r->next_message : until;
}

/* The answer is there, in full or (refused) in brief. */
static void datagram_answered(struct run *r, bool full)
{
    struct host *h = r->host;
    bool is_udp = r->spec.proto == IPPROTO_NR_UDP;
    if (!is_udp || !r->spec.keep_open || !full) {
        host_run_end(r, FLOW_OK);
        return;
    }
    r->phase = RUN_KEEP;
    r->awaiting = false;
    r->next_message = host_now(h) + host_run_every(r);
    hook_set(h, &r->hook, host_run_keep_due(r));
}

static void datagram_deadline(struct run *r)
{
    int64_t now = host_now(r->host);
    if (r->phase != RUN_KEEP || r->awaiting) {
        host_run_end(r, FLOW_TIMEOUT);
    } else if (now >= r->opened + r->spec.keep_open) {
        host_run_end(r, FLOW_OK);
    } else {
        r->awaiting = true;
        hook_set(r->host, &r->hook, now + HOST_WAIT);
        udp_message(r, HOST_KEEP);
    }
}

static void fire(struct host *h, struct hook *k)
{
    struct run *r = (struct run *)(void *)((uint8_t *)k - offsetof(struct run, hook));
    (void)h;
    if (r->phase == RUN_RESOLVE && r->tries < DNS_TRIES * servers(r))
        dns_try(r);
    else if (r->phase == RUN_RESOLVE)
        host_run_end(r, FLOW_DNS_TIMEOUT);
    else if (r->spec.proto == IPPROTO_NR_TCP)
        host_app_deadline(r);
    else
        datagram_deadline(r);
}

/* -- what arrives ---------------------------------------------------------------------------------------- */

static void resolved(struct run *r, const struct dns_msg *m)
{
    struct host *h = r->host;
    unsigned i = 0;
    hook_set(h, &r->hook, HOST_NEVER);
    h->env->resolved(h->env->ctx, r->spec.id, m);
    while (i < m->n && m->rr[i].type != DNS_TYPE_A)
        i++;
    if (m->rcode != DNS_RCODE_NOERROR && m->rcode != DNS_RCODE_NXDOMAIN) {
        dns_failed(r);
        return;
    }
    unbind(r);
    if (m->rcode == DNS_RCODE_NXDOMAIN) {
        host_run_end(r, FLOW_NXDOMAIN);
    } else if (i == m->n) {
        host_run_end(r, FLOW_NODATA);
    } else {
        r->spec.addr = m->rr[i].addr;
        start_transport(r);
    }
}

void host_run_input_udp(struct run *r, const struct packet *p, const struct packet_info *in)
{
    struct dns_msg m;
    if (r->phase == RUN_RESOLVE) {
        if (dns_decode(p->data + in->payload, in->payload_len, &m) == 0 && m.response && m.id == r->dns_id)
            resolved(r, &m);
        return;
    }
    if (r->phase == RUN_KEEP) {
        if (r->awaiting)
            datagram_answered(r, true);
        return;
    }
    bool any_size = payload_kind(IPPROTO_NR_UDP, r->t.rport) == PAYLOAD_DNS; /* sizes are approximate there */
    bool brief = r->got == 0 && in->payload_len < r->expect &&
                 (r->expect <= HOST_UDP_MAX || in->payload_len <= HOST_REFUSAL);
    r->got += in->payload_len;
    if (any_size || brief || r->got >= r->expect)
        datagram_answered(r, any_size || !brief);
}

void host_run_input_echo(struct run *r)
{
    if (r->phase == RUN_REQUEST)
        datagram_answered(r, true);
}

void host_run_unreachable(struct run *r)
{
    if (r->phase == RUN_RESOLVE)
        dns_failed(r);
    else
        host_run_end(r, FLOW_REFUSED);
}

/* -- beginning ------------------------------------------------------------------------------------------- */

static struct run *host_run_new(struct host *h, const struct flow_spec *spec)
{
    struct run *r = mem_alloc(sizeof *r);
    if (!r)
        return NULL;
    if (hook_add(h, &r->hook, fire)) {
        mem_free(r, sizeof *r);
        return NULL;
    }
    r->host = h;
    r->spec = *spec;
    r->meta = (struct packet_meta){.flow = spec->probe ? 0 : spec->id,
                                   .probe = spec->probe,
                                   .realm = spec->realm,
                                   .origin = h->c.port,
                                   .last_hop = h->c.port,
                                   .endpoint = PORT_NONE,
                                   .identity = IDENTITY_NONE};
    r->next = h->run_first;
    if (r->next)
        r->next->prev = r;
    h->run_first = r;
    return r;
}

void host_start(struct host *h, uint32_t flow)
{
    const struct flow_spec *spec = h->env->flow(h->env->ctx, flow);
    struct run *r = spec ? host_run_new(h, spec) : NULL;
    if (!r)
        h->env->done(h->env->ctx, flow, FLOW_TIMEOUT);
    else if (spec->name)
        resolve(r);
    else
        start_transport(r);
    host_loop(h);
    host_tcp_reap(h);
}

void host_stop(struct host *h, uint32_t flow)
{
    struct run *r = h->run_first;
    while (r && r->spec.id != flow)
        r = r->next;
    if (!r)
        return;
    struct conn *c = r->conn;
    host_run_free(r);
    if (c)
        conn_drop(c);
    host_tcp_reap(h);
}
