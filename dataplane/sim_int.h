/* sim_int.h - the parts of the engine, shared by sim*.c.
 *
 *   sim.c         events, links, packets on their way, what flows leave behind
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
