/* pipe_int.h - the parts of the packet path, shared by pipe*.c.
 *
 *   pipe.c         the order of checks, what each kind of port does
 *   pipe_flow.c    flow records
 *   pipe_close.c   connections that ended
 *   pipe_sweep.c   flows that fell silent
 *   pipe_ahead.c   the image is asked for many packets at once
 *   pipe_batch.c   many packets at a time
 *   pipe_way.c     routes, and what their next hops ask for
 *   pipe_change.c  connections that a change resets
 *   pipe_nat.c     source translation: pools, shares of them, private link services
 *   pipe_lb.c      load balancers: frontends, backends, PROXY protocol on the way
 */
#ifndef VNETSIM_DATAPLANE_PIPE_INT_H
#define VNETSIM_DATAPLANE_PIPE_INT_H

#include "dataplane/flowtab.h"
#include "dataplane/pipe.h"
#include "dataplane/pipe_ahead.h"
#include "dataplane/proxy.h"

/* What a packet of a known flow touches: both directions of it in one cache line. The decision that the last
 * walk came to is there too, and holds for one epoch; see pipe_batch.c. */
struct flow_hot {
    uint64_t count; /* passed on: packets << COUNT_SHIFT | bytes; the rest is in the record */
    uint32_t epoch; /* of the decision */
    uint16_t port;
    uint8_t link, flags;
    uint32_t next;
    uint32_t addr; /* FLOW_SNAT: the new source; FLOW_NAT: place of its translation */
};

enum {
    FLOW_USED = 1,      /* there is such a record */
    FLOW_DECIDED = 2,   /* epoch, next, link and what follows are set */
    FLOW_SNAT = 4,      /* the source becomes addr and port */
    FLOW_NAT = 8,       /* the source is translated by a pool */
    FLOW_IDENTITY = 16, /* the packet gets the subnet's identity */
    FLOW_FIN = 32,      /* this direction is closed */
    FLOW_CLOSED = 64,   /* in the first half, of both: the connection is; in the other: perhaps */
    FLOW_QUEUED = 128,  /* in the first half: it is in the queue of closed ones */
};

struct flow_pair {
    int64_t seen;            /* the last packet, in either direction */
    uint32_t number;         /* of the pair */
    struct flow_hot half[2]; /* by direction at the port: out, in */
};

static_assert(sizeof(struct flow_pair) == 64, "both directions of a flow share a cache line");

/* The rest of a record. Number: twice the pair's, one more for the direction into the port. */
struct flow_state {
    struct flow_key key;
    uint32_t epoch;   /* of next hop */
    uint32_t nexthop; /* in the port's table; NONE32: not looked up */
    uint32_t rules_epoch;
    uint32_t flow;
    uint32_t last_hop; /* who handed the first packet over */
    uint32_t via;      /* port that its route led to last; NONE32 */
    uint32_t pool;     /* that translated its source last; NONE32 */
    uint32_t
        extra; /* NIC, frontend: balanced flow; endpoint of a private link service: translation; NONE32 */
    uint32_t packets, bytes; /* counts, in units of COUNT_PACKETS and COUNT_BYTES */
    uint32_t number;
    bool answer;     /* made by the packet in the other direction */
    bool via_public; /* came in through the instance's public address */
};

static_assert(sizeof(struct flow_state) == 64, "a record is a cache line");

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

/* A translation of a source: (inner, inner_port) looks like an outer address and port towards one
 * destination; those are where answers go to: in the way back. */
struct nat_state {
    _Alignas(64) struct flow_key fwd;
    struct flow_key back;
    int64_t seen;
    int64_t rests; /* until then the port of a closed connection rests; 0: not closed */
    ip4 inner;
    uint32_t owner; /* endpoint's record */
    uint16_t inner_port;
    uint8_t fins; /* directions that are closed: 1 out, 2 in */
    bool answered;
    bool owned; /* fwd is not in the table: the owner leads here */
    bool reset; /* when it idles too long (O-08) */
    uint32_t flow;
    int64_t timeout; /* ns, idle; 0: the pool's */
};

static_assert(offsetof(struct nat_state, owned) < 64,
              "what packets touch of a translation is its first line");

static inline ip4 nat_addr(const struct nat_state *n)
{
    return n->back.dst;
}

static inline uint16_t nat_port(const struct nat_state *n)
{
    return n->back.dport;
}

struct closed { /* TCP connection, since when */
    struct flow_pair *pair;
    int64_t at;
};

#define NAT_WATCH 0x80000000u /* what is watched is a translation, not a balanced flow */

/* Pairs lie in segments, each twice as large as the one before: adding never moves any. */
#define PIPE_SEGMENTS      24u
#define PIPE_SEGMENT_FIRST 256u

#define PIPE_MADE 16u

/* A round over all pairs; see pipe_sweep.c. Times in virtual ns. */
struct sweep {
    uint32_t at;         /* next pair; 0: between rounds */
    int64_t least;       /* shortest timeout of the image's ports; INT64_MAX: none */
    int64_t began;       /* the round */
    int64_t earliest;    /* of those met in it that stay: the first may expire then */
    int64_t quiet_until; /* none expires before that, or then */
};

struct pipe {
    struct flowtab *index; /* a flow's outbound key -> its pair: the address */
    struct flow_pair *pair[PIPE_SEGMENTS];
    struct flow_state *state[PIPE_SEGMENTS];
    uint32_t n_pairs,
        *free_pair; /* pairs that were ever used; of these, given back: without flags but FLOW_QUEUED */
    size_t n_free, cap_free, n_records;
    uint64_t freed, pairs_made; /* count pairs given back, and taken */
    struct sweep sweep;
    struct flow_count *count; /* by port */
    size_t n_counts;
    struct flowtab *nat_index; /* both keys -> position in nat */
    struct nat_state *nat;
    size_t n_nat, cap_nat;
    struct balanced *balanced;
    size_t n_balanced, cap_balanced;
    struct pipe_count count_of[REASON_COUNT];
    int64_t linger;        /* of closed connections; INT64_MAX: as others */
    struct closed *closed; /* queue: n_closed from first_closed on, in a ring of cap_closed, a power of two */
    size_t first_closed, n_closed, cap_closed;
    struct flow_key later_key[PIPE_AHEAD_MAX]; /* pairs that the index is to get, in a batch: pipe_flow.c */
    uint64_t later_place[PIPE_AHEAD_MAX];
    size_t n_later;
    bool later;               /* a chunk of packets is under way */
    uint64_t made[PIPE_MADE]; /* a bit for each pair made since this was cleared, by its key: pipe_flow.c */
    struct flow_pair nobody;  /* of flows that have none: keeps nothing */
    struct way *way;          /* two for each of way_of's ports, in that epoch: pipe_batch.c */
    const struct image *way_of;
    uint32_t way_epoch;
    size_t n_ways; /* ports */
    uint8_t *down; /* by health target: 1 where no new flow goes there */
    size_t n_down;
    uint8_t header[PROXY_MAX]; /* of the packet at hand */
};

#define PAIR_UNKNOWN (NONE32 - 1)

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
    uint32_t pair;              /* of the packet's flow; NONE32: it has none; PAIR_UNKNOWN */
    const struct flow_key *key; /* as in pipe_at: that key had this pair, */
    uint32_t had;
    const struct pipe_ahead *ahead; /* what the image says, where it was asked before: */
    unsigned asked;                 /* index there; or NULL */
    struct flow_state *record;      /* the packet's own, once it is admitted; NULL */
    uint32_t nat;                   /* place of the translation that it got; NONE32 */
    bool identity;                  /* it got the subnet's identity */
    /* The decision depends on more than the record, the epoch and the packet's five values: it must not be
     * kept. Set by whatever reads or changes other state that packets change. */
    bool varies;
};

/* pipe_flow.c */
/* => at with room for one more of size; ends the program when memory does. */
void *pipe_grow(void *at, size_t n, size_t *cap, size_t size);
struct flow_key pipe_key(const struct ctx *c, bool inbound);

static inline unsigned pipe_segment(uint32_t pair)
{
    return 31 - (unsigned)__builtin_clz(pair / PIPE_SEGMENT_FIRST + 1);
}

static inline uint32_t pipe_in_segment(uint32_t pair, unsigned segment)
{
    return pair - (PIPE_SEGMENT_FIRST << segment) + PIPE_SEGMENT_FIRST;
}

/* => a pair, below n_pairs. */
static inline struct flow_pair *pipe_pair(const struct pipe *p, uint32_t pair)
{
    const unsigned s = pipe_segment(pair);
    return &p->pair[s][pipe_in_segment(pair, s)];
}

/* => the pair that the index gives. */
static inline struct flow_pair *pipe_pair_at(uint64_t place)
{
    return (struct flow_pair *)(uintptr_t)place;
}

static inline struct flow_hot *pipe_hot(const struct pipe *p, uint32_t number)
{
    return &pipe_pair(p, number / 2)->half[number & 1];
}

/* Counts in one word, so that a packet is one addition. Packets stay below 2^23, each of them less than 2^16
 * bytes: so bytes stay below 2^40, and the sign says when units of both go to the record. */
#define COUNT_SHIFT   40
#define COUNT_PACKETS (UINT64_C(1) << 23)
#define COUNT_BYTES   (UINT64_C(1) << 32)

static inline uint64_t pipe_count_of(uint32_t bytes)
{
    return UINT64_C(1) << COUNT_SHIFT | bytes;
}

/* => a record by its number, which is below 2 n_pairs. */
static inline struct flow_state *pipe_record(const struct pipe *p, uint32_t number)
{
    const unsigned s = pipe_segment(number / 2);
    return &p->state[s][2 * (size_t)pipe_in_segment(number / 2, s) + (number & 1)];
}

/* Free what records lie in. */
void pipe_records_free(struct pipe *p);
/* Pairs that are made from now on are indexed when pipe_index_now is called, all at once. Searches and
 * removals know of them before. */
void pipe_index_later(struct pipe *p);
void pipe_index_now(struct pipe *p);
/* => the record of key, also when it is no longer valid, or NULL. */
struct flow_state *pipe_state_find(const struct pipe *p, struct flow_key key);
/* => the record of key, or NULL: none that is still valid. */
struct flow_state *pipe_state_get(struct ctx *c, struct flow_key key);
/* Make or renew the record of key. */
struct flow_state *pipe_state_put(const struct ctx *c, struct flow_key key, bool answer);
/* Records of a packet that was let through in one direction at this port, and of its answer. => the packet's
 * own. */
struct flow_state *pipe_state_pair(struct ctx *c, bool inbound);
/* An admitted packet keeps both directions alive. => its record, or NULL where it needs admission. */
struct flow_state *pipe_state_touch(struct ctx *c, bool inbound);
/* The packet's decision is complete: count it, and keep the decision with its record where it will be the
 * same for the flow's next packet. */
void pipe_decided(struct ctx *c, bool inbound);
/* Give the records of n pairs back, whatever their age; each pair once. */
#define PIPE_FREE_GROUP 32u
void pipe_pairs_free(struct pipe *p, struct flow_pair *const *pair, size_t n);
/* What a NIC lets out, its answers come in to: decide for them, too. s: the flow's new record, outbound. */
void pipe_decide_answers(const struct ctx *c, const struct flow_state *s);
/* A connection's packet was passed on, in direction dir: remember which ends closed. Only with pipe_linger.
 */
void pipe_note_close(struct pipe *p, struct flow_pair *pair, unsigned dir, uint8_t tcp_flags, int64_t now);
/* => whether that kind of port decides alike for all packets of a flow that it admitted, as long as no stage
 * says otherwise (varies). */
bool pipe_keeps(enum port_kind kind, bool inbound);

/* => whether pipe_count_carry must be called. */
static inline bool pipe_count_packet(struct flow_hot *h, uint32_t bytes)
{
    h->count += pipe_count_of(bytes);
    return __builtin_expect((int64_t)h->count < 0, 0);
}

/* The counts are full: part of them goes to the record. */
void pipe_count_carry(struct pipe *p, uint32_t number);

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

/* pipe_sweep.c */
/* Ports may have other timeouts from here on. */
void pipe_sweep_image(struct pipe *p, const struct image *img, int64_t now);

/* pipe_batch.c */
/* What is read off the image once: it is another than before, or has another epoch. */
void pipe_ways(struct pipe *p, const struct image *img, int64_t now);
void pipe_ways_free(struct pipe *p);

/* pipe.c */
struct pipe_at {
    uint32_t port;
    bool inbound;
    const struct pipe_ahead *ahead; /* or NULL */
    unsigned asked;                 /* index there */
    const struct flow_key *key;     /* outbound key that was searched for, NULL: none was */
    uint32_t pair;                  /* what was found since p->made was cleared; NONE32: nothing */
};
/* pipe_out and pipe_in. */
void pipe_walk(struct pipe *p, const struct image *img, int64_t now, const struct pipe_at *at,
               const struct packet_info *info, struct packet_meta *meta, struct pipe_decision *d);
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
/* The same again for a packet of the flow `out` (a record's key), which is no SYN, FIN or RST, by the place
 * of its translation. => the translation; NULL: it is another's now or forgotten, ask nat_out. */
const struct nat_state *nat_again(struct pipe *p, const struct image *img, uint32_t place,
                                  struct flow_key out, int64_t now);
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

/* pipe_idle for a translation. */
uint32_t nat_idle(struct pipe *p, int64_t now, uint32_t index, int64_t *again);

/* pipe_lb.c */
void lb_in(struct ctx *c);
/* A packet that a frontend handed over was let in: its answers belong to the balanced flow. */
void lb_admitted(struct ctx *c, struct flow_state *in);
/* An answer leaves a backend. => whether it goes on. */
bool lb_answer(struct ctx *c, struct flow_state *s);

#endif
