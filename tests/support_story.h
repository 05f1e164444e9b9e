/* support_story.h - a scenario as a test: YAML in, packets through the network, and every expectation in it must hold. */
#ifndef VNETSIM_TESTS_SUPPORT_STORY_H
#define VNETSIM_TESTS_SUPPORT_STORY_H

#include "dataplane/packet.h"
#include "topology/results.h"

/* A packet at a machine or endpoint: what went in or came out, in the order of time. */
struct story_packet {
    const char *port; /* name of the resource */
    bool inbound;
    int64_t at;
    uint8_t mac[6]; /* source address of the frame */
    struct packet_info info;
};

struct story {
    struct arena *arena;
    struct scenario *sc;
    struct run *run;
    struct results *res;
    struct story_packet *packet; /* IPv4 only */
    size_t n_packets, cap_packets;
};

/* Run a scenario text ("scenario: t" is put before it, on a line of its own). Ends the test, with what was found, where the
 * text has errors, asks for something that is not simulated, has a flow without `expect`, or an expectation that does not
 * hold. story: run and forget. */
void story(const char *yaml);
struct story story_tell(const char *yaml);
void story_end(struct story *s);

/* => a key of a flow of results.json as compact JSON ("\"10.0.0.4\"", "null" where it is absent); owned by s. */
const char *story_value(struct story *s, const char *flow, const char *key);

/* => the findings of a text, one per line as printed; owned by a. */
const char *story_findings(struct arena *a, const char *yaml);

#endif
