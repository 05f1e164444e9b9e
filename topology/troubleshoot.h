/* troubleshoot.h - what Azure's connection troubleshoot says of a connection: hops, issues, probes, latencies
 * (F-06). Design essay: troubleshoot.c. */
#ifndef VNETSIM_TOPOLOGY_TROUBLESHOOT_H
#define VNETSIM_TOPOLOGY_TROUBLESHOOT_H

#include "topology/run.h"

#include <jansson.h>

#define TROUBLESHOOT_PROBES   100               /* as in Azure's samples */
#define TROUBLESHOOT_INTERVAL INT64_C(10000000) /* between probes, ns of virtual time */

struct troubleshoot;

/* For a run of one flow that is repeated TROUBLESHOOT_PROBES times. => never NULL. */
struct troubleshoot *troubleshoot_new(void);
void troubleshoot_free(struct troubleshoot *t);

/* To be called from the run's tap. */
void troubleshoot_packet(struct troubleshoot *t, const struct compiled *c, uint32_t port, int64_t at,
                         const struct packet *p, const struct trace *tr);

/* After the run. => the answer, keys in Azure's order (a new reference); never NULL. */
json_t *troubleshoot_json(const struct troubleshoot *t, const struct run *r);

#endif
