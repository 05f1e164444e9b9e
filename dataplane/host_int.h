/* host_int.h - the parts of a simulated machine, shared by host_*.c; tests may look inside.
 *
 *   host.c          configuration, deadlines, what arrives goes where
 *   host_ip.c       sending: fragments, ARP; receiving: reassembly
 *   host_run.c      flows as a client: resolution, UDP, echo, their end
 *   host_tcp.c      TCP connections
 *   host_app.c      the applications on both their ends
 *   host_udp.c      UDP and ICMP as a server; DNS server
 *   host_dns.c      a DNS server that forwards and caches
 *   host_forward.c  a network virtual appliance: state, source translation
 *   host_payload.c  what application data look like
 *   host_tab.c      hash tables
 */
#ifndef VNETSIM_DATAPLANE_HOST_INT_H
#define VNETSIM_DATAPLANE_HOST_INT_H

#include "dataplane/host.h"
#include "dataplane/host_payload.h"
#include "dataplane/host_tab.h"
#include "dataplane/tcp.h"

#define HOST_S          1000000000ll /* ns */
#define HOST_NEVER      INT64_MAX
#define HOST_WAIT       (5 * HOST_S)  /* for an answer by UDP, ICMP, DNS */
#define HOST_IDLE       (15 * HOST_S) /* for progress of a TCP answer */
#define HOST_TIME_WAIT  (60 * HOST_S)
#define HOST_REASSEMBLY (30 * HOST_S)  /* RFC 1122 section 3.3.2 would allow up to 120 s */
#define HOST_STATE_IDLE (300 * HOST_S) /* appliance: state and translation of an idle flow */
#define HOST_POLL       HOST_S /* no timer is asked for further ahead: none outlives its cause for long */
#define HOST_KEEP_EVERY HOST_S
#define HOST_KEEP       64  /* bytes of a message on a connection kept open */
#define HOST_REFUSAL    512 /* bytes of a refusal, at most */
#define HOST_HEALTH     128 /* bytes of an answer to an HTTP probe */
#define HOST_TTL        64
#define HOST_UDP_MAX    65507
#define HOST_RESPONSE   1024 /* bytes answered where no flow of the scenario says how many */
#define HOST_DATAGRAM   65536

/* A deadline of something a host owns; moving it costs nothing until it must be earlier than what was asked
 * for. */
struct hook {
    void (*fire)(struct host *h, struct hook *k);
    int64_t due;   /* HOST_NEVER: off */
    int64_t armed; /* the earliest time env->timer was asked for and has not fired; HOST_NEVER */
    uint32_t slot;
};

/* Both ends of a conversation, from the host's side. ICMP echo: the identifier in both ports. */
struct tuple {
    ip4 local, remote;
    uint16_t lport, rport;
    uint8_t proto;
};

struct run;

struct conn {
    struct tcp tcp; /* first: a connection is found by its machine */
    struct host *host;
    struct tab_link by_tuple, by_flow;
    struct conn *prev, *next; /* all of the host, oldest first; in TIME-WAIT a list of their own */
    struct hook hook;
    struct tuple t;
    struct packet_meta meta; /* of every packet it sends */
    struct payload say;      /* what it sends */
    bool parked;             /* in TIME-WAIT */
    int64_t forget_at;
    struct run *run;      /* client */
    struct packet *first; /* server: the SYN, until the request is there */
    bool known;           /* server: the flow is one of the scenario */
    uint64_t goal;        /* server: bytes received that make the next message */
    uint64_t response;    /* server: bytes of the answer */
    bool answered;        /* server */
    bool mismatch;        /* server: the stream begins as only one side expects (PE-23) */
    uint32_t header;      /* server: bytes of the PROXY header that it began with */
};

static inline struct conn *conn_by_tuple(struct tab_link *l)
{
    return (struct conn *)(void *)((uint8_t *)l - offsetof(struct conn, by_tuple));
}

struct conn_list {
    struct conn *first, *last;
    size_t n;
};

enum run_phase { RUN_RESOLVE, RUN_CONNECT, RUN_REQUEST, RUN_KEEP, RUN_CLOSE, RUN_OVER };

/* A flow of the scenario under way at its client. */
struct run {
    struct host *host;
    struct hook hook;
    struct run *prev, *next; /* all of the host */
    struct flow_spec spec;
    enum run_phase phase;
    struct tab_link by_tuple; /* UDP, echo, DNS: the socket */
    bool bound;
    struct tuple t;
    struct packet_meta meta;
    uint16_t dns_id;
    uint16_t sequence; /* echo, UDP messages */
    unsigned tries;
    unsigned server;   /* DNS server asked last: 0 resolver, then resolver_next */
    struct conn *conn;
    uint64_t expect, got; /* answer bytes */
    unsigned status;      /* of the answer to an HTTP probe; 0: none yet */
    bool awaiting;        /* an answer, in RUN_KEEP */
    int64_t opened, next_message;
};

struct arp_entry {
    struct tab_link link;
    struct arp_entry *next;
    struct hook hook;
    ip4 addr;
    bool known;
    uint8_t mac[6];
    unsigned tries;
    struct packet *queue, **tail;
    unsigned queued;
};

struct reassembly {
    struct reassembly *next; /* oldest first */
    ip4 src, dst;
    uint16_t id;
    uint8_t proto;
    struct packet_meta meta; /* of the fragment that came first */
    int64_t until;
    struct packet *frags; /* sorted by offset */
};

struct nat; /* Answer the datagram that in describes; meta is that of the answer. */
void host_udp_answer(struct host *h, const struct tuple *t, const struct packet_meta *meta, const void *data, size_t n);

/* host_dns.c */
/* Answer a question, now or when others have: t is the client's conversation (local: the address it asked), meta that of
 * the answer. */
void host_dns_ask(struct host *h, const struct tuple *t, const struct packet_meta *meta, const struct dns_msg *query);
/* A datagram, or (p NULL) an ICMP error, for a question that was passed on. => false: there is none like that. */
bool host_dns_input(struct host *h, const struct tuple *t, const struct packet *p, const struct packet_info *in);
bool host_dns_port_used(const struct host *h, const struct tuple *t);
void host_dns_free(struct host *h);

/* host_forward.c */
struct dns_service; /* host_dns.c */

struct hook_slot {
    struct hook *hook; /* NULL: free */
    uint32_t gen, next_free;
};

struct host {
    const struct host_env *env;
    struct host_config c;
    struct hook_slot *slot;
    uint32_t n_slot, cap_slot, free_slot;
    uint16_t ip_id;
    uint16_t next_port, next_low; /* ephemeral; where 64 in a row are taken: any from 1024 up */
    uint32_t counter;             /* connections so far: initial sequence numbers, DNS ids */
    struct tab conns, flows, runs;
    struct conn_list open, waiting; /* waiting: TIME-WAIT, oldest first */
    struct conn *dead;              /* to be freed when the current call ends, linked by next */
    struct run *run_first;
    struct tab arp;
    struct arp_entry *arp_first;
    struct reassembly *reasm;
    unsigned n_reasm;
    struct nat *nat; /* appliance state, made on demand */
    struct dns_service *dns;          /* cache and open questions, made on demand */
    struct packet *loop, **loop_tail; /* DNS to itself, delivered when the current call ends; linked by next */
};

/* host.c */
int64_t host_now(const struct host *h);
int hook_add(struct host *h, struct hook *k, void (*fire)(struct host *h, struct hook *k)); /* 0, -ENOMEM */
void hook_set(struct host *h, struct hook *k, int64_t at); /* HOST_NEVER: off */
void hook_del(struct host *h, struct hook *k);
uint64_t tuple_hash(const struct tuple *t);
bool tuple_eq(const struct tuple *a, const struct tuple *b);
/* Choose t->lport: 49152 and up in turn, not in use towards the same remote end. => false: none is left. */
bool host_port_choose(struct host *h, struct tuple *t);
bool host_port_used(const struct host *h, const struct tuple *t);
bool host_is_own(const struct host *h, ip4 a);
bool host_listens(const struct host *h, uint8_t proto, uint16_t port);
bool port_ranges_have(const struct port_range *r, size_t n, uint8_t proto, uint16_t port);
/* An accepted packet that is whole and the host's own: to its protocol. Borrows p. */
void host_deliver(struct host *h, struct packet *p, const struct packet_info *in);
/* => metadata of an answer to p. */
struct packet_meta host_answer_meta(const struct host *h, const struct packet_meta *m);

/* host_ip.c */
struct ip_fields host_ip(struct host *h, ip4 src, ip4 dst, bool df);
struct eth_fields host_eth(const struct host *h);
/* Send a built packet (NULL is allowed: out of memory, nothing happens): meta is set but for the ports. Takes
 * ownership. */
void host_send(struct host *h, struct packet *p, const struct packet_meta *m);
/* Send a packet as it is, cut to the MTU. Takes ownership. */
void host_send_raw(struct host *h, struct packet *p);
/* Deliver what the host has sent to itself. */
void host_loop(struct host *h);
void host_arp_input(struct host *h, const struct packet *p);
void host_arp_free(struct host *h);
/* Take a fragment. => the whole datagram once it is complete (owned by the caller), else NULL. Takes
 * ownership of p. */
struct packet *host_reassemble(struct host *h, struct packet *p, const struct packet_info *in);
void host_reassembly_free(struct host *h);

/* host_run.c */
struct run *host_run_find(const struct host *h, const struct tuple *t);
void host_run_input_udp(struct run *r, const struct packet *p, const struct packet_info *in);
void host_run_input_echo(struct run *r);
void host_run_unreachable(struct run *r);
/* Report and forget. */
void host_run_end(struct run *r, enum flow_outcome what);
void host_run_free(struct run *r);
/* The next message of a flow that is kept open is due then at the earliest; HOST_NEVER: it is over. */
int64_t host_run_keep_due(const struct run *r);
/* => ns between messages. */
int64_t host_run_every(const struct run *r);

/* host_tcp.c */
void host_tcp_input(struct host *h, const struct packet *p, const struct packet_info *in);
int conn_open(struct run *r); /* 0, -errno */
/* The TCP machine said its last word: leave the tables, or wait in TIME-WAIT. */
void conn_over(struct conn *c);
/* Its client hears nothing more of it. */
void conn_abandon(struct conn *c);
/* It is gone at once, without a word to the peer. */
void conn_drop(struct conn *c);
void host_tcp_reap(struct host *h);
void host_tcp_free(struct host *h);

/* host_app.c */
void host_app_news(struct conn *c, enum tcp_news what);
/* The deadline of a flow with a connection. */
void host_app_deadline(struct run *r);

/* host_udp.c */
void host_udp_input(struct host *h, const struct packet *p, const struct packet_info *in);
void host_icmp_input(struct host *h, const struct packet *p, const struct packet_info *in);

/* host_forward.c */
/* The packet is not the host's own: pass it on or drop it. Takes ownership. */
void host_forward(struct host *h, struct packet *p, struct packet_info *in);
/* Addressed to the host: undo the source translation. => whether it was the answer of a translated flow (then
 * it is gone). */
bool host_forward_back(struct host *h, struct packet *p, struct packet_info *in);
/* => whether answers to a flow of the host's own would be taken for those to a translated one. */
bool host_forward_uses(const struct host *h, const struct tuple *t);
void host_forward_free(struct host *h);

#endif
