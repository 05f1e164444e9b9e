/* host.h - a simulated machine: IP stack (ARP, TCP, UDP, ICMP, fragments), client and server applications, and the
 * forwarding of a network virtual appliance.
 *
 * A host hangs on one port of the data plane and talks to the world through struct host_env alone. It knows nothing of
 * Azure: the network between hosts is somebody else's business. All times are virtual nanoseconds. */
#ifndef VNETSIM_DATAPLANE_HOST_H
#define VNETSIM_DATAPLANE_HOST_H

#include "dataplane/dns.h"
#include "dataplane/packet.h"
#include "dataplane/verdict.h"

struct host;

/* One scenario flow instance: what the client is to do. Owned by the engine, looked up by id through env. */
struct flow_spec {
    uint32_t id;         /* from 1 */
    const char *name;    /* resolve this first; NULL: addr is given */
    ip4 addr;
    ip4 resolver;        /* DNS server asked */
    const ip4 *resolver_next; /* asked when it is silent or fails, in turn; borrowed */
    size_t n_resolver_next;
    uint8_t proto;       /* IPPROTO_NR_TCP, UDP, ICMP; 0: the name is resolved, and nothing sent */
    uint16_t sport, dport; /* sport 0: ephemeral, from the host's own counter */
    uint64_t request_bytes, response_bytes;
    bool dont_fragment;
    int64_t keep_open;   /* ns; TCP and UDP */
    int64_t keep_every;  /* ns between the messages of a connection kept open; 0: one a second */
    /* A health probe: a TCP connection that is opened and closed. */
    uint32_t probe;      /* number of its target, from 1; 0: no probe */
    uint32_t realm;      /* network of addr, where the host belongs to none */
    bool proxy;          /* begins with a PROXY header of command LOCAL */
    const char *http;    /* asks for this path by HTTP: only the answer 200 is FLOW_OK (B-10); NULL. Borrowed */
};

enum flow_outcome { /* what the client experienced */
    FLOW_OK,        /* the whole answer came back (and the connection was closed) */
    FLOW_REFUSED,   /* RST to the SYN, ICMP port unreachable */
    FLOW_RESET,     /* RST after establishment */
    FLOW_TIMEOUT,   /* nothing, or not enough, came back */
    FLOW_TOO_BIG,   /* DF and larger than the MTU: nothing was sent */
    FLOW_NXDOMAIN, FLOW_NODATA, FLOW_DNS_TIMEOUT,
};

struct port_range { /* listens, drops */
    uint8_t proto;
    uint16_t first, last;
};

struct dns_forward { /* questions for names in zone are passed on to server */
    const char *zone; /* without final dot; "": every name. Borrowed, outlives the host */
    ip4 server;
};

struct host_env { /* injected by the engine; ctx is handed back */
    void *ctx;
    struct packet_pool *pool;
    int64_t (*now)(void *ctx);
    /* A frame leaves the host into the network through port. Takes ownership. */
    void (*output)(void *ctx, uint32_t port, struct packet *p);
    /* A frame goes to the host's own address and does not leave it; may be NULL. Does not take ownership. */
    void (*looped)(void *ctx, uint32_t port, struct packet *p);
    /* Ask for host_timer(host of port, cookie) at a time; not cancellable (stale cookies are the host's to ignore). */
    void (*timer)(void *ctx, uint32_t port, int64_t at, uint64_t cookie);
    /* The host drops a packet it should forward. Does not take ownership. */
    void (*dropped)(void *ctx, uint32_t port, const struct packet *p, enum reason why);
    const struct flow_spec *(*flow)(void *ctx, uint32_t flow); /* NULL: unknown */
    /* Client side. resolved: the DNS answer that the flow goes on with (or the negative one). */
    void (*resolved)(void *ctx, uint32_t flow, const struct dns_msg *answer);
    void (*done)(void *ctx, uint32_t flow, enum flow_outcome what);
    /* Server side. arrived: the first packet of a flow's request is accepted by its destination. admit: the whole request
     * is there; => REASON_NONE to serve it, else a short refusal is sent (the caller keeps the reason). */
    void (*arrived)(void *ctx, uint32_t port, const struct packet *p);
    enum reason (*admit)(void *ctx, uint32_t port, const struct packet *first);
    /* A server resets the connection that first opened; may be NULL. */
    void (*reset)(void *ctx, uint32_t port, const struct packet *first, enum reason why);
    /* DNS servers: fill answer (question and id are set). => false: no answer at all. Of a server that forwards: answer
     * one step of the question out of the zones that it holds, an alias or the end; query is NULL; => false: none of its
     * names, ask on. */
    bool (*dns)(void *ctx, uint32_t port, const struct packet *query, struct dns_msg *answer);
};

struct host_config {
    uint32_t port;
    ip4 addr;                /* own address; 0 with any_addr */
    const ip4 *also;         /* more own addresses (of a frontend with floating IP); copied */
    size_t n_also;
    bool any_addr;           /* platform services: whatever address a packet is sent to is its own */
    uint8_t mac[6];
    uint8_t fabric_mac[6];   /* destination MAC of all it sends (12:34:56:78:9a:bc, A-17) */
    bool arp;                /* ask before the first packet to a next hop: gateway, or the address itself if on link */
    struct prefix4 onlink;   /* with arp */
    ip4 gateway;
    uint16_t mtu;
    const struct port_range *listens; /* copied */
    size_t n_listens;
    bool listens_all_tcp;    /* platform services without a list */
    bool proxy;              /* TCP listeners expect a PROXY header (PE-23) */
    uint16_t http_status;    /* of answers to a GET that belongs to no flow of a scenario; 0: 200 */
    bool answers_ping;
    bool silent;             /* closed ports get no answer (platform services without a listener still send RST: false) */
    bool dns_server;         /* UDP 53 goes to env->dns */
    const struct dns_forward *forwards; /* copied; with dns_server: what env->dns does not know is asked of others, by the */
    size_t n_forwards;                  /* longest zone, and their answers are kept while they live (host_dns.c) */
    struct {
        bool present, forwards, snat, stateful;
        const struct port_range *drops; /* copied */
        size_t n_drops;
    } appliance;
};

/* env and what it points to outlive the host. => NULL: out of memory. */
struct host *host_new(const struct host_env *env, const struct host_config *c);
void host_free(struct host *h);
/* Take over a changed configuration (listens, appliance, address); connections stay. => 0, -ENOMEM. */
int host_reconfigure(struct host *h, const struct host_config *c);

/* A frame arrives. Takes ownership. */
void host_input(struct host *h, struct packet *p);
void host_timer(struct host *h, uint64_t cookie);

/* Begin a flow as client: resolve if need be, connect, send, receive, close; ends with exactly one env->done. */
void host_start(struct host *h, uint32_t flow);

/* Give a flow up, in silence: no report, no packet. Nothing happens where it is over. */
void host_stop(struct host *h, uint32_t flow);

/* The network cuts a flow (SE-02): => the RST segment which the peer of this host's TCP connection of that flow would
 * send, right in sequence, for the engine to deliver to this host; NULL where it has no open connection of the flow. */
struct packet *host_cut(struct host *h, uint32_t flow);

/* => connections that are not closed, for tests and end-of-run checks. */
size_t host_connections(const struct host *h);

#endif
