/* wire_flowlog.h - from packets at ports to flow log files: which logs the scenario asks for, and what they
 * hold. */
#ifndef VNETSIM_TOPOLOGY_WIRE_FLOWLOG_H
#define VNETSIM_TOPOLOGY_WIRE_FLOWLOG_H

#include "topology/run.h"

#include <jansson.h>

struct wire_flowlog;

/* Prepare the flow logs of the scenario, which must outlive this; dir is copied. => never NULL. */
struct wire_flowlog *wire_flowlog_open(const struct scenario *sc, const char *dir);
/* To be called from the run's tap. */
void wire_flowlog_packet(struct wire_flowlog *w, const struct compiled *c, uint32_t port, int64_t at,
                         const struct packet *p, const struct trace *t);
/* The run ended at a virtual time; its images must still be there. Write all files completely; then give them
 * their names. => an exit status; the "flowLogs" array of results.json (a new reference). After a message on
 * standard error EXIT_SYSTEM, NULL. */
int wire_flowlog_finish(struct wire_flowlog *w, int64_t end);
json_t *wire_flowlog_commit(struct wire_flowlog *w);
/* Frees; what was not committed is removed. */
void wire_flowlog_free(struct wire_flowlog *w);

#endif
