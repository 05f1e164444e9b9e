/* flowtrack.h - conversations as a flow log tells them: which began, go on, ended or were denied at which
 * NIC, by which rule, and how much passed in between (F-07 to F-09). Design essay: flowtrack.c.
 *
 * Fed with every packet that passes a port; knows nothing of files. Times in virtual nanoseconds, addresses
 * and ports in host order. */
#ifndef VNETSIM_TOPOLOGY_FLOWTRACK_H
#define VNETSIM_TOPOLOGY_FLOWTRACK_H

#include "dataplane/packet.h"
#include "dataplane/trace.h"
#include "topology/compile.h"

#define FLOWTRACK_MINUTE    INT64_C(60000000000)   /* collection interval */
#define FLOWTRACK_CONTINUES (5 * FLOWTRACK_MINUTE) /* between statistics of a flow that goes on */

struct flowtrack;

struct track_flow { /* one conversation, or attempt at one, as its first packet showed it at one NIC */
    const struct nic *nic;
    uint8_t mac[6];
    const struct eff_rule
        *rule; /* that denied, else of the group asked last (F-08); NULL: no group was asked */
    bool inbound;
    bool stateless; /* logged without end and counts in version 2 (G-07) */
    uint8_t proto;  /* TCP or UDP */
    ip4 src, dst;   /* private addresses: after translation on the way in, before it on the way out (G-04) */
    uint16_t sport, dport;
};

enum track_state { TRACK_BEGIN, TRACK_CONTINUE, TRACK_END, TRACK_DENY };

struct track_tuple {
    int64_t at;
    uint32_t flow, serial; /* serial: order in which tuples were made */
    enum track_state state;
    uint64_t packets[2],
        bytes[2]; /* since the tuple before: from source to destination, and back; whole frames */
};

/* start_unix_ns: wall clock at virtual time 0, which collection intervals are aligned to. Images handed in
 * must live as long as what is read from here. => never NULL. */
struct flowtrack *flowtrack_new(int64_t start_unix_ns);
void flowtrack_free(struct flowtrack *f);

/* A packet passed a port, as the run's tap hands it over (times never go back). */
void flowtrack_packet(struct flowtrack *f, const struct compiled *c, uint32_t port, int64_t at,
                      const struct packet *p, const struct trace *t);
/* The run ended: what is still open is told as far as it got. Once; nothing may be fed afterwards. */
void flowtrack_end(struct flowtrack *f, int64_t at);

/* After the end: => the number of tuples, in *out the tuples by time; the conversation a tuple belongs to. */
size_t flowtrack_tuples(const struct flowtrack *f, const struct track_tuple **out);
const struct track_flow *flowtrack_flow(const struct flowtrack *f, uint32_t flow);

#endif
