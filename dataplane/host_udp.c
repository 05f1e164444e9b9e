/* host_udp.c - UDP and ICMP at a host: what its clients wait for, what its servers answer, and the refusals.
 *
 * UDP servers keep nothing: a datagram is a request, or (by its size) a message of a flow that is kept open.
 * DNS has two sides: questions of stub resolvers (meta.dns) and everything sent to a DNS server go to
 * env->dns, or to host_dns.c where the server forwards; another listener on port 53 serves a scenario's flow,
 * with an answer that is DNS all the same. */
#include "dataplane/host_int.h"

#include "dataplane/wire.h"

#include <string.h>

enum { DNS_PORT = 53, DNS_CAP = 4096, QUOTE_MAX = 576 - 28 };

void host_udp_answer(struct host *h, const struct tuple *t, const struct packet_meta *meta, const void *data,
                     size_t n)
{
    struct eth_fields eth = host_eth(h);
    struct ip_fields ip = host_ip(h, t->local, t->remote, false);
    host_send(h, packet_build_udp(h->env->pool, &eth, &ip, t->lport, t->rport, data, n), meta);
}

static struct tuple tuple_of(const struct packet_info *in)
{
    return (struct tuple){in->dst, in->src, in->dport, in->sport, IPPROTO_NR_UDP};
}

/* Answer the datagram that in describes. */
static void answer(struct host *h, const struct packet *p, const struct packet_info *in, const void *data,
                   size_t n)
{
    struct tuple t = tuple_of(in);
    struct packet_meta meta = host_answer_meta(h, &p->meta);
    host_udp_answer(h, &t, &meta, data, n);
}

/* RFC 1122 section 3.2.2.1, as much of the datagram as RFC 1812 section 4.3.2.3 says. */
static void unreachable(struct host *h, const struct packet *p, const struct packet_info *in)
{
    struct eth_fields eth = host_eth(h);
    struct ip_fields ip = host_ip(h, in->dst, in->src, false);
    struct packet_meta meta = host_answer_meta(h, &p->meta);
    size_t n = in->ip_len < QUOTE_MAX ? in->ip_len : QUOTE_MAX;
    struct packet *e = packet_build_icmp(h->env->pool, &eth, &ip, WIRE_ICMP_UNREACHABLE, WIRE_ICMP_CODE_PORT,
                                         0, p->data + ETH_HLEN, n);
    if (!e)
        return;
    e->meta.sport = in->dport; /* the flow's, so that the way back can tell whose it is */
    e->meta.dport = in->sport;
    host_send(h, e, &meta);
}

/* The request of a flow is complete. => whether it is answered; refused: with a refusal. */
static bool admitted(struct host *h, const struct packet *p, enum reason *refused)
{
    h->env->arrived(h->env->ctx, h->c.port, p);
    *refused = h->env->admit(h->env->ctx, h->c.port, p);
    enum verdict v = reason_verdict(*refused);
    return *refused == REASON_NONE || (v != VERDICT_DROPPED && v != VERDICT_RESET);
}

static void dns_serve(struct host *h, const struct packet *p, const struct packet_info *in)
{
    uint8_t buf[DNS_CAP];
    struct dns_msg query, reply;
    enum reason refused = REASON_NONE;
    if (dns_decode(p->data + in->payload, in->payload_len, &query) || query.response)
        return;
    if (!p->meta.dns && !admitted(h, p, &refused))
        return;
    if (h->c.dns_server && h->c.n_forwards && !refused) {
        struct tuple t = tuple_of(in);
        struct packet_meta meta = host_answer_meta(h, &p->meta);
        host_dns_ask(h, &t, &meta, &query);
        return;
    }
    reply = query;
    reply.response = reply.recursion_available = true;
    reply.rcode = DNS_RCODE_NOERROR;
    reply.n = 0;
    if (refused || !h->c.dns_server)
        reply.rcode = DNS_RCODE_REFUSED;
    else if (!h->env->dns(h->env->ctx, h->c.port, p, &reply))
        return;
    int n = dns_encode(&reply, buf, sizeof buf);
    if (n > 0)
        answer(h, p, in, buf, (size_t)n);
}

static uint64_t answer_size(const struct host *h, const struct packet *p, const struct packet_info *in)
{
    const struct flow_spec *f = p->meta.flow ? h->env->flow(h->env->ctx, p->meta.flow) : NULL;
    if (!f)
        return HOST_RESPONSE;
    bool keep = f->keep_open && in->payload_len == HOST_KEEP && f->request_bytes != HOST_KEEP;
    return keep ? HOST_KEEP : f->response_bytes;
}

static void dns_shaped(struct host *h, const struct packet *p, const struct packet_info *in, uint64_t size,
                       bool refuse)
{
    uint8_t buf[HOST_DATAGRAM];
    struct dns_msg query;
    if (dns_decode(p->data + in->payload, in->payload_len, &query) || query.response)
        return;
    size_t n = payload_dns_answer(&query, in->dst, refuse, size < HOST_UDP_MAX ? (size_t)size : HOST_UDP_MAX,
                                  buf, HOST_UDP_MAX);
    if (n)
        answer(h, p, in, buf, n);
}

static void udp_serve(struct host *h, const struct packet *p, const struct packet_info *in)
{
    uint8_t buf[HOST_DATAGRAM];
    enum reason refused;
    uint64_t size = answer_size(h, p, in);
    struct payload say = {.kind = payload_kind(IPPROTO_NR_UDP, in->dport), .answer = true, .later = 1};
    if (!admitted(h, p, &refused))
        return;
    if (refused && size > HOST_REFUSAL)
        size = HOST_REFUSAL;
    if (say.kind == PAYLOAD_DNS) {
        dns_shaped(h, p, in, size, refused != REASON_NONE);
        return;
    }
    do { /* at least one datagram, though empty */
        size_t n = size < HOST_UDP_MAX ? (size_t)size : HOST_UDP_MAX;
        say.first = n;
        payload_fill(&say, 0, buf, n);
        answer(h, p, in, buf, n);
        size -= n;
    } while (size);
}

void host_udp_input(struct host *h, const struct packet *p, const struct packet_info *in)
{
    struct tuple t = tuple_of(in);
    struct run *r = host_run_find(h, &t);
    if (r) {
        host_run_input_udp(r, p, in);
        return;
    }
    if (host_dns_input(h, &t, p, in))
        return;
    /* an answer is never served, or two listeners would answer each other for ever */
    if (p->meta.reply || !host_listens(h, IPPROTO_NR_UDP, in->dport)) {
        if (!h->c.silent)
            unreachable(h, p, in);
        return;
    }
    if (in->dport == DNS_PORT && (p->meta.dns || h->c.dns_server))
        dns_serve(h, p, in);
    else
        udp_serve(h, p, in);
}

/* -- ICMP ------------------------------------------------------------------------------------------------ */

static void echo_serve(struct host *h, const struct packet *p, const struct packet_info *in)
{
    enum reason refused;
    if (!h->c.answers_ping || !admitted(h, p, &refused) || refused)
        return;
    struct eth_fields eth = host_eth(h);
    struct ip_fields ip = host_ip(h, in->dst, in->src, false);
    struct packet_meta meta = host_answer_meta(h, &p->meta);
    uint32_t rest = (uint32_t)in->icmp_id << 16 | in->icmp_seq;
    host_send(h,
              packet_build_icmp(h->env->pool, &eth, &ip, WIRE_ICMP_ECHO_REPLY, 0, rest, p->data + in->payload,
                                in->payload_len),
              &meta);
}

void host_icmp_input(struct host *h, const struct packet *p, const struct packet_info *in)
{
    struct packet_info q;
    struct run *r = NULL;
    if (in->icmp_type == WIRE_ICMP_ECHO) {
        echo_serve(h, p, in);
    } else if (in->icmp_type == WIRE_ICMP_ECHO_REPLY) {
        struct tuple t = {in->dst, in->src, in->icmp_id, 0, IPPROTO_NR_ICMP};
        r = host_run_find(h, &t);
        if (r)
            host_run_input_echo(r);
    } else if (in->icmp_type == WIRE_ICMP_UNREACHABLE && in->icmp_code == WIRE_ICMP_CODE_PORT &&
               packet_parse_inner(p->data, in, &q) == 0 && q.proto == IPPROTO_NR_UDP) {
        struct tuple t = {q.src, q.dst, q.sport, q.dport, IPPROTO_NR_UDP};
        r = host_run_find(h, &t);
        if (r)
            host_run_unreachable(r);
        else
            host_dns_input(h, &t, NULL, NULL);
    }
}
