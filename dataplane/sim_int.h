/* sim_int.h - the parts of the engine, shared by sim*.c.
 *
 *   sim.c         events, packets out of and into ports, changes
 *   sim_link.c    wires between ports
 *   sim_note.c    what flows leave behind
 *   sim_env.c     what hosts ask of the engine
 *   sim_probe.c   health probes
 */
#ifndef VNETSIM_DATAPLANE_SIM_INT_H
#define VNETSIM_DATAPLANE_SIM_INT_H

#include "dataplane/event.h"
#include "dataplane/flowtab.h"
#include "dataplane/health.h"
#include "dataplane/rng.h"
#include "dataplane/sim.h"

enum { EV_DELIVER, EV_TIMER, EV_CALL, EV_PROBE, EV_IDLE };

#define PROBE_FLOW                                                                                           \
    0x80000000u /* the flow id of a target's probe, as its host knows it: with the target's number */

struct wire {
    int64_t free_at, last_arrival;
    struct rng rng;
};

struct call {
    void (*fn)(void *);
    void *arg;
};

struct sim {
    uint64_t seed;
    struct sim_ops ops;
    struct host_env env;
    struct evq *events;
    int64_t now;
    const struct image *img;
    struct pipe *pipe;
    struct packet_pool *pool;
    struct host **host; /* by port; NULL: none */
    size_t n_hosts;
    struct flowtab *wire_index;
    struct wire *wire;
    size_t n_wires, cap_wires;
    struct call *call;
    size_t n_calls, cap_calls, calls_left, packets_flying, flows_open;
    struct flow_result **flow;
    size_t n_flows, cap_flows;
    uint64_t counter[REASON_COUNT];
    struct health *health;
    struct flow_spec probe; /* handed to the host that probes */
};

/* sim.c */
void sim_push(struct sim *s, int64_t at, uint32_t kind, uint32_t a, uint64_t b, void *p);
struct flow_result *sim_flow_of(const struct sim *s, uint32_t id); /* NULL: no flow of the scenario */

/* => at with room for one more of size; ends the program when memory does. */
void *sim_grow(void *at, size_t n, size_t *cap, size_t size);
/* A packet leaves port, from its machine or passed on. Takes ownership. */
void sim_out(struct sim *s, uint32_t port, struct packet *p);

/* sim_link.c */
/* Put p on the wire. A lost packet ends here. */
void sim_transmit(struct sim *s, uint32_t from, uint32_t to, uint8_t link, struct packet *p);
/* Show a packet that is about to go on a link as it is between hosts, where somebody looks. */
void sim_show_underlay(struct sim *s, uint32_t from, const struct pipe_decision *d, const struct packet *p,
                       const struct packet_info *info);
/* Put p on the link that was decided on, with the segment that goes before or behind it. */
void sim_pass_on(struct sim *s, uint32_t port, struct packet *p, const struct packet_info *info,
                 const struct pipe_decision *d);

/* sim_note.c */
/* A packet begins its way (or goes on) at port: keep the hops of the request until it arrived, of the answer
 * until the client has it. A retransmission starts the list again, and what was sent before it adds nothing
 * any more. */
void sim_note_hop(struct sim *s, uint32_t port, struct packet *p, const struct packet_info *info,
                  bool begins);
/* A packet of the answer reaches the client. */
void sim_note_answer(struct flow_result *f, const struct packet_info *info);
void sim_note_trace(struct sim *s, const struct packet *p, const struct packet_info *info,
                    const struct trace *t);
/* => why a flow ended like this. */
enum reason sim_outcome(const struct flow_result *f, enum flow_outcome what);
void sim_finish(struct sim *s, struct flow_result *f, enum reason why);

/* sim_env.c */
struct host_env sim_env(struct sim *s);

/* sim_probe.c */
/* A new image is in force. */
void sim_probe_image(struct sim *s, bool first);
/* The next probe of a target is due. */
void sim_probe(struct sim *s, uint32_t target, uint64_t row);
/* What became of a probe's packet at a port. */
void sim_probe_trace(struct sim *s, const struct packet *p, enum reason why);
const struct flow_spec *sim_probe_spec(struct sim *s, uint32_t flow);
void sim_probe_done(struct sim *s, uint32_t flow, enum flow_outcome what);

#endif
