/* wire_capture.h - from packets at ports to capture files: which points there are, what they are called. */
#ifndef VNETSIM_TOPOLOGY_WIRE_CAPTURE_H
#define VNETSIM_TOPOLOGY_WIRE_CAPTURE_H

#include "topology/run.h"

#include <jansson.h>

struct wire_capture;

/* Open the capture files that the scenario asks for (default: one per point, and all.pcapng) in dir.
 * => NULL after a message on standard error; *status then is the exit status. */
struct wire_capture *wire_capture_open(const struct scenario *sc, const char *dir, const char *userappl, int *status);
/* To be called from the run's hooks. */
void wire_capture_state(struct wire_capture *w, const struct compiled *c);
void wire_capture_packet(struct wire_capture *w, const struct compiled *c, uint32_t port, int64_t at, const struct packet *p,
                         const struct trace *t);
/* => whether a capture asks for the point `underlay`: it is never there by default. */
bool wire_capture_underlay(const struct wire_capture *w);
void wire_capture_outer(struct wire_capture *w, const struct compiled *c, int64_t at, const struct packet *outer,
                        const struct underlay_tunnel *t);
/* Commit all files. => the "captures" array of results.json (a new reference), or NULL after a message. */
json_t *wire_capture_commit(struct wire_capture *w, int64_t end);
/* Frees; what was not committed is removed. */
void wire_capture_free(struct wire_capture *w);

#endif
