/* sim.h - the discrete-event engine: hosts on ports, links between them, packets and changes in virtual time.
 *
 * Time is integer nanoseconds from 0; events run by (time, order of scheduling); nothing here reads a clock.
 * The engine owns hosts, packets and flow results; images are borrowed and must live as long as the
 * simulation. */
#ifndef VNETSIM_DATAPLANE_SIM_H
#define VNETSIM_DATAPLANE_SIM_H

#include "dataplane/dns.h"
#include "dataplane/host.h"
#include "dataplane/image.h"
#include "dataplane/pipe.h"
#include "dataplane/underlay.h"

struct sim;

struct hop_list {
    uint32_t *port;
    size_t n, cap;
    uint32_t trail; /* of the packet that adds to it */
};

struct sim_lookup { /* one decision, with the image it belongs to */
    bool made;
    uint32_t epoch, a, b; /* as in struct trace_step: table and next hop, or rule set and rule */
};

struct flow_result {
    struct flow_spec spec; /* as started; ports filled in when known */
    uint32_t from;
    bool started, done;
    int64_t started_at, ended_at;
    enum verdict verdict;
    enum reason reason;
    struct sim_lookup route; /* first lookup of the request at the sending port */
    struct sim_lookup rule;  /* rule that denied, else the last one evaluated for the request */
    struct {
        enum reason reason;
        uint32_t port; /* where it was last dropped */
        bool reply;    /* what was dropped: request or answer */
    } drop;
    bool arrived;
    uint32_t destination; /* port where the request arrived */
    ip4 source_seen, destination_seen;
    uint16_t source_port_seen;
    struct hop_list path, return_path;
    bool answered; /* an answer came back to the client */
    struct {
        uint64_t sent, received, bytes_sent, bytes_received;
    } count;
    struct dns_msg *dns; /* what the name gave; NULL: not asked or no answer */
    enum reason denied;  /* the service's refusal */
    enum reason cut;     /* closed by a change */
};

struct sim_ops { /* injected; every member may be NULL */
    void *ctx;
    /* A packet passes a port, as the machine there sees it (before translation on the way out, after it on
     * the way in). */
    void (*tap)(void *ctx, uint32_t port, int64_t at, const struct packet *p, const struct trace *t);
    /* The whole request reached a service: may it be served? */
    enum reason (*admit)(void *ctx, uint32_t port, const struct packet *first,
                         const struct flow_result *flow);
    /* A DNS server is asked: fill answer (host.h says more). client is the port that asks (after NAT, the one
     * that sent it last); PORT_NONE: the server itself, for the next step of a question. */
    bool (*dns)(void *ctx, uint32_t port, uint32_t client, struct dns_msg *answer);
    void (*flow_done)(void *ctx, uint32_t flow);
    /* A packet as hosts of the provider carry it, encapsulated. Costs a copy of each packet where it is set.
     */
    void (*underlay)(void *ctx, int64_t at, const struct packet *outer, const struct underlay_tunnel *t);
};

/* => NULL: out of memory. */
struct sim *sim_new(uint64_t seed, const struct sim_ops *ops);
void sim_free(struct sim *s);

/* Put an image in force, now. Hosts appear, change or go with their ports; TCP connections that the change
 * closes are reset at both ends (SE-02). */
void sim_set_image(struct sim *s, const struct image *img);

/* Call fn at a virtual time, before anything scheduled later for the same time. */
void sim_call(struct sim *s, int64_t at, void (*fn)(void *arg), void *arg);

/* Reserve a flow (ids count from 1, in order of this call); sim_start begins it now. spec.id is filled in;
 * spec.name is borrowed. */
uint32_t sim_flow(struct sim *s);
void sim_start(struct sim *s, uint32_t flow, uint32_t from, const struct flow_spec *spec);
/* End a flow that cannot begin. */
void sim_fail(struct sim *s, uint32_t flow, enum reason why);

/* Run until all calls were made, all flows are done and no packet is on its way; or until a time (INT64_MAX:
 * no limit). */
void sim_run(struct sim *s, int64_t until);

int64_t sim_now(const struct sim *s);
size_t sim_flows(const struct sim *s);
const struct flow_result *sim_result(const struct sim *s, uint32_t flow);
/* => packets dropped for each reason so far (REASON_COUNT numbers); packets forwarded in [REASON_NONE]. */
const uint64_t *sim_counters(const struct sim *s);
/* => packets that somebody still holds; 0 after a complete run. */
size_t sim_packets_out(const struct sim *s);
const struct image *sim_image(const struct sim *s);

#endif
