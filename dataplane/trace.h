/* trace.h - what happened to one packet at one port: small records that name the object that decided.
 * Formatting is done elsewhere, by whoever knows the names behind the numbers. */
#ifndef VNETSIM_DATAPLANE_TRACE_H
#define VNETSIM_DATAPLANE_TRACE_H

#include "dataplane/addr.h"
#include "dataplane/verdict.h"

#include <stdbool.h>
#include <stdint.h>

#define TRACE_NONE UINT32_MAX

/* X(name, word) - stages in the order of the contract, section 2 */
#define STAGES(X)                                                                                              \
    X(SOURCE_CHECK, "source check")                                                                            \
    X(ADDRESS_CHECK, "address check")                                                                          \
    X(PUBLIC_ADDRESS, "public address")                                                                        \
    X(ESTABLISHED, "established flow")                                                                         \
    X(ADMIN_RULES, "security admin rules")                                                                     \
    X(NIC_NSG, "NIC security group")                                                                           \
    X(SUBNET_NSG, "subnet security group")                                                                     \
    X(FLOW_TABLE, "flow table")                                                                                \
    X(ROUTE, "route")                                                                                          \
    X(PEERING, "peering")                                                                                      \
    X(PLATFORM, "platform's outbound rules")                                                                   \
    X(SNAT, "source translation")                                                                              \
    X(DNAT, "destination translation")                                                                         \
    X(BALANCER, "load balancer")                                                                               \
    X(LINK_SERVICE, "private link service")                                                                    \
    X(PROXY, "PROXY protocol")                                                                                 \
    X(ENDPOINT, "private endpoint")                                                                            \
    X(SERVICE_IDENTITY, "service endpoint identity")                                                           \
    X(DELIVERY, "delivery")                                                                                    \
    X(GUEST, "guest")                                                                                          \
    X(LINK, "link")                                                                                            \
    X(SERVICE, "service firewall")                                                                             \
    X(CHANGE, "change")

enum stage {
#define X(name, word) STAGE_##name,
    STAGES(X)
#undef X
        STAGE_COUNT
};

struct trace_step {
    uint8_t stage;  /* enum stage */
    uint8_t reason; /* enum reason; REASON_NONE: passed */
    uint32_t a;     /* ADMIN_RULES, NSG stages: rule set; ROUTE: route table; DELIVERY, ENDPOINT: port handed to; BALANCER: backend; else TRACE_NONE */
    uint32_t b;     /* ADMIN_RULES, NSG stages: rule id, else TRACE_NONE; ROUTE: next hop index in the table; PEERING: crossing; BALANCER: rule */
    ip4 addr;       /* SNAT, DNAT: new address */
    uint16_t l4port;
};

#define TRACE_MAX 12
struct trace {
    uint32_t port;  /* where */
    uint32_t epoch; /* of the image that decided */
    bool inbound;   /* from the network into the port */
    bool again;     /* outbound: the same packet came in here, unchanged; one view of the port needs it once */
    uint8_t n;
    struct trace_step step[TRACE_MAX];
};

static inline struct trace_step *trace_add(struct trace *t, enum stage stage, enum reason reason)
{
    struct trace_step *s = &t->step[t->n < TRACE_MAX ? t->n++ : TRACE_MAX - 1];
    *s = (struct trace_step){(uint8_t)stage, (uint8_t)reason, TRACE_NONE, TRACE_NONE, 0, 0};
    return s;
}

/* => the reason that stopped the packet, or REASON_NONE. */
static inline enum reason trace_reason(const struct trace *t)
{
    return t->n ? (enum reason)t->step[t->n - 1].reason : REASON_NONE;
}

/* => "route", "NIC security group"... */
const char *stage_word(enum stage s);

#endif
