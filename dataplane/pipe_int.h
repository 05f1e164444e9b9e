/* pipe_int.h - the parts of the packet path, shared by pipe*.c.
 *
 *   pipe.c         the order of checks, what each kind of port does
 *   pipe_flow.c    flow records
 *   pipe_way.c     routes, and what their next hops ask for
 *   pipe_change.c  connections that a change resets
 *   pipe_nat.c     source translation: pools, shares of them, private link services
 *   pipe_lb.c      load balancers: frontends, backends, PROXY protocol on the way
 */
#ifndef VNETSIM_DATAPLANE_PIPE_INT_H
#define VNETSIM_DATAPLANE_PIPE_INT_H

#include "dataplane/flowtab.h"
#include "dataplane/pipe.h"
#include "dataplane/proxy.h"

struct flow_state {
    struct flow_key key;
    uint32_t epoch;   /* of next hop */
    uint32_t nexthop; /* in the port's table; NONE32: not looked up */
    uint32_t rules_epoch;
    int64_t seen;
    uint32_t flow;
    uint32_t last_hop; /* who handed the first packet over */
    uint32_t via;      /* port that its route led to last; NONE32 */
    uint32_t pool;     /* that translated its source last; NONE32 */
    bool answer;       /* made by the packet in the other direction */
    bool via_public;   /* came in through the instance's public address */
    uint32_t
        extra; /* NIC, frontend: balanced flow; endpoint of a private link service: translation; NONE32 */
};

struct flow_count {     /* records of one port */
    uint32_t n[2];      /* by direction */
    int64_t full_until; /* before that no record expires */
};

/* A flow that a load balancer gave to one of its backends. */
struct balanced {
    uint32_t frontend, backend; /* ports */
    ip4 addr;                   /* what the client sent to, and sees in the answers */
    uint16_t l4port;
    bool translated; /* the backend sees its own address instead, and this port: */
    uint16_t backend_port;
    bool reset; /* when it idles too long */
    uint32_t flow;
    int64_t seen, timeout;
    uint32_t consumer; /* endpoint's record, where it came through a private link service; NONE32 */
    struct proxy_shift proxy;
};

/* A translation of a source: (inner, inner_port) looks like (addr, port) towards one destination. */
struct nat_state {
    struct flow_key fwd, back;
    ip4 inner, addr;
    uint16_t inner_port, port;
    uint8_t fins; /* directions that are closed: 1 out, 2 in */
    bool answered;
    int64_t rests;  /* until then the port of a closed connection rests; 0: not closed */
    bool owned;     /* fwd is not in the table: the owner leads here */
    uint32_t owner; /* endpoint's record */
    int64_t seen;
};

struct pipe {
    struct flowtab *index;    /* key -> position in state */
    struct flow_state *state; /* given back: all zero but nexthop, the next of them */
    size_t n, cap, n_free;
    uint32_t first_free;
    struct flow_count *count; /* by port */
    size_t n_counts;
    struct flowtab *nat_index; /* both keys -> position in nat */
    struct nat_state *nat;
    size_t n_nat, cap_nat;
    struct balanced *balanced;
    size_t n_balanced, cap_balanced;
    uint8_t *down; /* by health target: 1 where no new flow goes there */
    size_t n_down;
    uint8_t header[PROXY_MAX]; /* of the packet at hand */
};

/* One packet on its way through the stages. */
struct ctx {
    struct pipe *p;
    const struct image *img;
    int64_t now;
    uint32_t port;
    const struct image_port *at;
    const struct packet_info *info;
    struct packet_meta *meta;
    struct pipe_decision *d;
    ip4 src, dst; /* as they stand after translation so far */
    uint16_t sport, dport;
};

/* pipe_flow.c */
/* => at with room for one more of size; ends the program when memory does. */
void *pipe_grow(void *at, size_t n, size_t *cap, size_t size);
struct flow_key pipe_key(const struct ctx *c, bool inbound);
/* => the record of key, or NULL: none that is still valid. */
struct flow_state *pipe_state_get(const struct ctx *c, struct flow_key key);
/* Make or renew the record of key. */
struct flow_state *pipe_state_put(const struct ctx *c, struct flow_key key, bool answer);
/* Records of a packet that was let through in one direction at this port, and of its answer. => the packet's
 * own. */
struct flow_state *pipe_state_pair(const struct ctx *c, bool inbound);
/* An admitted packet keeps both directions alive. => its record, or NULL where it needs admission. */
struct flow_state *pipe_state_touch(const struct ctx *c, bool inbound);
/* => whether the port can hold another flow (M-05); if not, the packet is dropped. */
bool pipe_has_room(struct ctx *c);

static inline bool pipe_is_balanced_answer(const struct flow_state *s)
{
    return s && s->answer && s->extra != NONE32;
}

/* pipe_way.c */
/* Look the route up (or take the flow's, in the same epoch), and follow it. s: the flow, or NULL. */
void pipe_route(struct ctx *c, struct flow_state *s);
/* Deliver by the public address map, or by a network's. */
void pipe_to_public(struct ctx *c);
void pipe_to_realm(struct ctx *c, uint32_t realm, uint8_t link);

/* pipe.c */
struct trace_step *pipe_step(struct ctx *c, enum stage stage, enum reason reason);
void pipe_drop(struct ctx *c, enum stage stage, enum reason reason);
void pipe_hand_to(struct ctx *c, uint32_t next, uint8_t link);
void pipe_set_src(struct ctx *c, ip4 addr, uint16_t port);
void pipe_set_dst(struct ctx *c, ip4 addr, uint16_t port);
/* A TCP segment that goes on with a connection: not its first. */
bool pipe_goes_on(const struct ctx *c);

/* pipe_nat.c */
/* Translate the source into the pool. => REASON_NONE, with the source rewritten. */
enum reason nat_out(struct ctx *c, uint32_t pool);
/* => the pool for a flow's source: the interface's, but a flow that left by a load balancer stays there as
 * long as the balancer has its address (O-03). s: the flow, or NULL. */
uint32_t nat_pool(const struct ctx *c, const struct flow_state *s);
/* The destination is an address of the pool: undo. => whether a translation leads back. */
bool nat_in(struct ctx *c, uint32_t pool);
/* A consumer's flow enters a private link service: its endpoint's record leads to its translation. */
enum reason nat_consumer(struct ctx *c, struct flow_state *s);
/* An answer reaches a private link service. => the endpoint that it leaves by, both ends rewritten;
 * PORT_NONE. */
uint32_t nat_provider(struct ctx *c);

/* pipe_lb.c */
void lb_in(struct ctx *c);
/* A packet that a frontend handed over was let in: its answers belong to the balanced flow. */
void lb_admitted(struct ctx *c, struct flow_state *in);
/* An answer leaves a backend. => whether it goes on. */
bool lb_answer(struct ctx *c, struct flow_state *s);

#endif
