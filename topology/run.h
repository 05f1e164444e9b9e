/* run.h - replay a scenario: its flows as packets, its timeline as new images, in virtual time. Design essay: run.c. */
#ifndef VNETSIM_TOPOLOGY_RUN_H
#define VNETSIM_TOPOLOGY_RUN_H

#include "dataplane/sim.h"
#include "topology/compile.h"
#include "topology/scenario.h"

struct run;

struct run_options {
    bool reference; /* slow reference tables */
    const struct switches *switches; /* instead of the scenario's; NULL: those */
    /* Every packet that passes a port; may be NULL. c is the image in force. */
    void (*tap)(void *ctx, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p, const struct trace *t);
    /* The same as hosts of the provider carry them, encapsulated; may be NULL, which saves the work. */
    void (*underlay)(void *ctx, const struct compiled *c, int64_t at, const struct packet *outer, const struct underlay_tunnel *t);
    /* A new state is in force (also the first); may be NULL. */
    void (*state)(void *ctx, const struct compiled *c);
    /* Now and then, for a progress line; may be NULL. */
    void (*progress)(void *ctx, int64_t now, size_t done, size_t flows);
    void *ctx;
};

/* One flow of the scenario: its repetitions are consecutive flow instances of the engine. */
struct run_flow {
    const struct flow *flow;
    uint32_t first, count;
};

/* Prepare a run of the scenario (which must outlive it). => never NULL. */
struct run *run_new(const struct scenario *sc, const struct run_options *o);
/* Prepare a run of one flow in the state that holds at flow->at_time, without any later change. flow is borrowed. */
struct run *run_new_single(const struct scenario *sc, const struct flow *flow, const struct run_options *o);
/* Prepare a run of one question for the address of a name, asked by a thing of the state that holds at a time, without any
 * later change; nobody has anything in its cache. It is flow 1. The texts are borrowed. */
struct run *run_new_question(const struct scenario *sc, const char *from, const char *name, int64_t at, const struct run_options *o);
/* Prepare the same run with other switches and nobody who looks on. r must outlive it. */
struct run *run_again(const struct run *r, const struct switches *s);
void run_free(struct run *r);

/* Run to the end: the scenario's duration, or until all is done. */
void run_execute(struct run *r);

const struct model *run_model(const struct run *r); /* state 0 */
const struct scenario *run_scenario(const struct run *r);
const struct sim *run_sim(const struct run *r);
const struct numbering *run_numbering(const struct run *r);
size_t run_flows(const struct run *r, const struct run_flow **out);
/* => the image of an epoch that has been in force; NULL otherwise. */
const struct compiled *run_image(const struct run *r, uint32_t epoch);
/* => what decided when a service refused or took the request of a flow instance ("ipRules 203.0.113.0/24"); or NULL. */
const char *run_service_rule(const struct run *r, uint32_t flow);
/* => in a run of a question: where a record of the answer comes from ("zone privatelink.azurecr.io record acr (acr-pe)"),
 * as the server that knew it told; NULL: none did. */
const char *run_record_source(const struct run *r, const struct dns_answer_rr *rr);
int64_t run_end(const struct run *r); /* virtual time at which the run ended, ns */

#endif
