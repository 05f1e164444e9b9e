/* image.h - the seam between model and data plane: one immutable value, compiled from the model, read by the
 * packet path.
 *
 * An image names things by number. Port numbers are stable over all images of a run (a resource keeps its
 * port for life); everything else counts within one image. Mutable run state lives in the pipeline and the
 * hosts, so one image can be run many times and two images compared. Whoever builds an image fills arrays
 * that belong to the image's arena and hands over tables (lpm, acl, exact), which image_free frees. All
 * addresses in host order. */
#ifndef VNETSIM_DATAPLANE_IMAGE_H
#define VNETSIM_DATAPLANE_IMAGE_H

#include "dataplane/acl.h"
#include "dataplane/acl_ref.h"
#include "dataplane/arena.h"
#include "dataplane/exact.h"
#include "dataplane/host.h"
#include "dataplane/lpm.h"
#include "dataplane/lpm_ref.h"
#include "dataplane/underlay.h"
#include "dataplane/verdict.h"

#define REALM_PUBLIC 0u         /* the Internet's address space; virtual and on-premises networks follow */
#define NONE32       UINT32_MAX /* no such index */
#define LINK_MTU     1500u      /* IP packets on links between networks (M-01) */
#define FLOW_LIMIT                                                                                           \
    500000u /* M-05, L-13; a connection through an appliance makes two records in each direction */
#define POOL_FLAG 0x80000000u /* in the public address map: the rest is a translation pool, not a port */

enum port_kind {
    PORT_NIC,
    PORT_ENDPOINT,
    PORT_SERVICE,
    PORT_INTERNET_HOST,
    PORT_ONPREM_HOST,
    PORT_GATEWAY,
    PORT_RESOLVER,
    PORT_FRONTEND /* of a load balancer */,
    PORT_PLS /* NAT addresses of a private link service */
};

struct image_backend {
    uint32_t port;
    uint32_t target; /* health; NONE32: no probe, always well */
};

/* What the choice of a backend depends on (B-05): all five values, the addresses, these and the protocol. */
enum image_spread { IMAGE_SPREAD_FLOWS, IMAGE_SPREAD_ADDRESSES, IMAGE_SPREAD_PROTOCOL };

struct image_rule { /* load balancing */
    uint32_t id;    /* for whoever made the image */
    uint8_t proto;  /* 0: TCP and UDP, on all ports (B-02) */
    uint16_t frontend_port, backend_port;
    uint8_t spread; /* enum image_spread */
    bool floating;  /* backends see the frontend's address */
    bool reset;     /* idle connections are reset (O-08) */
    int64_t timeout;
    struct image_backend *backend;
    size_t n;
};

struct image_frontend {
    struct image_rule *rule;
    size_t n;
    bool basic; /* the Basic kind: P-07, B-06 */
};

struct image_share { /* what one machine has of a pool (O-05) */
    struct image_range {
        ip4 addr;
        uint16_t first, last;
        bool reset;      /* idle connections are reset (O-08) */
        int64_t timeout; /* ns, idle; 0: the pool's */
    } * range;
    size_t n;
};

struct image_pls {     /* private link service, as an endpoint sees it */
    uint32_t port;     /* PORT_PLS: where answers arrive */
    uint32_t pool;     /* of its NAT addresses */
    uint32_t frontend; /* port */
    bool proxy;        /* PE-23 */
};

struct image_target { /* of health probes: one probe at one backend */
    uint32_t port;    /* NONE32: not in this image */
    uint16_t tcp_port;
    int64_t interval; /* ns */
    const char *path; /* asked for by HTTP, and answered with 200 (B-10); NULL: the connection is enough */
    uint32_t count;   /* failures in a row that take it out */
    bool proxy;       /* probes begin with a PROXY header, too (PE-23) */
};

struct image_port {
    enum port_kind kind;
    bool up;        /* exists in this image and runs */
    uint32_t realm; /* network of its address; REALM_PUBLIC for services, Internet hosts, resolvers */
    ip4 addr;
    uint32_t table;     /* routes of what leaves it; NONE32: the public Internet's */
    uint32_t acl[2][2]; /* [0 outbound, 1 inbound][0 NIC, 1 subnet]: rule set or NONE32 */
    uint32_t admin[2]; /* the network manager's rules before those, by direction: rule set or NONE32 (G-16) */
    uint32_t identity; /* service-endpoint identity of its subnet; IDENTITY_NONE */
    bool ip_forwarding;  /* P-08 */
    ip4 public_addr;     /* instance public address, stateless 1:1 (O-04), or 0 */
    bool inbound_closed; /* Standard public address without any security group (G-19) */
    bool smtp_blocked;   /* TCP port 25 of the Internet is out of its reach (G-15) */
    uint32_t pool;       /* source translation towards the Internet where it wins (O-01); NONE32: none */
    const struct image_share *share; /* of that pool; NULL: all of it */
    int64_t flow_timeout;            /* ns, idle (G-07) */
    const ip4 *floating;             /* frontends' addresses that are the machine's own, too (B-05) */
    size_t n_floating;
    const struct image_frontend
        *frontend; /* PORT_FRONTEND; its pool: translations that go out by its address */
    /* private endpoint */
    uint32_t service;     /* port of the service behind it */
    enum reason gate;     /* REASON_NONE: approved */
    bool return_last_hop; /* a NIC whose tag asks for the answers of private endpoints that it sent to (PE-16)
                           */
    const struct image_pls *pls; /* or the private link service; NULL */
    bool high_scale; /* its network's privateEndpointVNetPolicies is Basic: a toggle resets connections
                      */
    const uint32_t *instances; /* gateway with several: their hosts on the provider's network, one of them for
                                  each flow; NULL: that of underlay */
    size_t n_instances;
    uint16_t mtu, mss; /* gateway with a tunnel: largest IP packet, and what it lowers the MSS of a SYN to
                          (M-02); or 0 */
    struct underlay_end underlay; /* who it is on the provider's network */
    /* the machine */
    bool has_host;
    struct host_config host;
};

enum nh_action {
    NH_DROP,     /* reason */
    NH_REALM,    /* look the destination up in a network's address map */
    NH_PORT,     /* hand to a port: appliance, private endpoint, gateway */
    NH_INTERNET, /* translate the source, look up in the public address map */
    NH_SERVICE,  /* keep the private source, attach the subnet's identity (SE-01) */
    NH_ONPREM,   /* into an on-premises network, and from there on to the Internet where it has a way out */
};

struct image_nexthop {
    enum nh_action action;
    enum reason reason;
    uint32_t realm; /* NH_REALM, NH_ONPREM; NH_PORT: network of that port */
    const uint32_t
        *realms; /* NH_ONPREM: sites that are as good, each flow takes one; NULL: that one */
    uint32_t n_realms;
    uint32_t port;     /* NH_PORT; NH_DROP with stopped */
    bool stopped;      /* NH_DROP: because the appliance at port is down */
    uint32_t crossing; /* peering that is crossed, or NONE32 */
    uint8_t link;      /* link class */
    uint32_t row;      /* for whoever made the image: row of the requested routes; NONE32: implied */
};

struct image_table {
    struct lpm *lpm;     /* value: index into nexthop */
    struct lpm_ref *ref; /* instead of lpm in a reference image */
    struct image_nexthop *nexthop;
    size_t n;
};

struct image_acl {
    struct acl *acl;
    struct acl_ref *ref;
    const bool *ends; /* admin rules, by rule id: what it allows is asked of no group (G-16); NULL: a group */
    bool platform;    /* some rule names AzurePlatformDNS or IMDS: host-agent traffic is checked too (G-14) */
};

struct image_crossing { /* one direction over a peering */
    enum reason closed; /* REASON_NONE: carries traffic (P-03) */
    bool forwarded;     /* the receiver takes packets whose source is not the sender network's (P-04) */
};

struct image_realm {
    struct prefix4 *prefix;
    size_t n;
    bool onprem;
    uint32_t pool;  /* on-premises: translation to the Internet; NONE32: no way out */
    uint32_t table; /* on-premises: its routes, for what comes back through that translation */
};

struct image_pool { /* source translation to one of a few public addresses (O-02, O-06) */
    ip4 *addr;
    size_t n;
    uint32_t realm; /* of the private addresses behind it */
    bool carries_icmp, carries_fragments;
    uint16_t first_port, last_port;
    bool spreads;    /* flows begin at different addresses of it, not all at the first */
    bool cone;       /* UDP: one port towards all ports of a destination (O-05) */
    int64_t timeout; /* ns, idle: then a translation's port is free again; 0: never */
    bool gateway; /* a NAT gateway: TCP that it does not know is reset, ports rest after their use (O-02) */
};

struct image_link {
    int64_t latency, jitter; /* ns */
    uint64_t bandwidth;      /* bit/s, 0: unlimited */
    double loss;
};

struct image {
    struct arena *arena;
    uint32_t epoch;
    bool reference;                /* slow reference tables are used */
    bool endpoint_return_last_hop; /* switch privateEndpointReturn (PE-15, PE-16) */
    bool rule_change_keeps_flows;  /* switch (G-06) */
    uint32_t flow_limit;           /* flow records of a NIC in each direction (M-05); 0: no limit */
    struct image_port *port;
    size_t n_ports;
    struct image_table *table;
    size_t n_tables;
    struct image_acl *acl;
    size_t n_acls;
    struct image_crossing *crossing;
    size_t n_crossings;
    struct image_realm *realm;
    size_t n_realms;
    struct image_pool *pool;
    size_t n_pools;
    struct exact *addresses; /* (realm, address) -> port; public: port or POOL_FLAG | pool */
    struct image_link *link;
    size_t n_links;
    uint8_t link_internet, link_backbone, link_private, link_gateway, link_local;
    uint8_t link_none;           /* no way at all: from a frontend to its backend */
    uint8_t link_global;         /* over global peering (P-07) */
    struct image_target *target; /* numbered as ports are: the same over all images of a run */
    size_t n_targets;
    uint32_t resolver;        /* port of 168.63.129.16 */
    uint32_t public_resolver; /* port of the resolver that hosts outside Azure ask */
    ip4 public_resolver_addr;
};

/* => a port with nothing at it: no table, no rules, no way out. up: false, as of something gone or not yet
 * there. */
static inline struct image_port image_port_plain(enum port_kind kind, bool up, uint32_t realm, ip4 addr)
{
    return (struct image_port){.kind = kind,
                               .up = up,
                               .realm = realm,
                               .addr = addr,
                               .table = NONE32,
                               .acl = {{NONE32, NONE32}, {NONE32, NONE32}},
                               .admin = {NONE32, NONE32},
                               .identity = IDENTITY_NONE,
                               .pool = NONE32,
                               .service = PORT_NONE};
}

/* => an empty image with its arena and address map; NULL: out of memory. */
struct image *image_new(uint32_t epoch);
void image_free(struct image *img);

/* Route lookup in a table, or in a port's, as the packet path does it. => next hop, or NULL (no table, no
 * route). */
const struct image_nexthop *image_lookup(const struct image *img, uint32_t table, ip4 dst);
const struct image_nexthop *image_route(const struct image *img, uint32_t port, ip4 dst);
struct acl_hit image_acl_check(const struct image *img, uint32_t acl, const struct acl_key *key);
/* => whether addr lies in the realm's prefixes. */
bool image_in_realm(const struct image *img, uint32_t realm, ip4 addr);

#endif
