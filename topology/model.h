/* model.h - the Azure model of one moment: what the scenario asks for, with references resolved.
 *
 * A model is bound from the document tree by the tables in schema.c and never changed afterwards: a change in virtual
 * time makes the next model (scenario.h). Members carry the ARM names that the scenario file uses. Everything belongs to
 * the model's arena. Lists keep file order. Pointers between resources are never NULL unless "or NULL" is said.
 * Addresses and ports in host order; times in nanoseconds; sizes in bytes; bandwidths in bits per second. */
#ifndef VNETSIM_TOPOLOGY_MODEL_H
#define VNETSIM_TOPOLOGY_MODEL_H

#include "dataplane/addr.h"
#include "dataplane/verdict.h"
#include "topology/node.h"

#define LIST(T)                                                                                                \
    struct {                                                                                                   \
        T *at;                                                                                                 \
        size_t n;                                                                                              \
    }

#define TIME_NONE INT64_MIN /* an optional time that was not given */

typedef LIST(const char *) str_list;
typedef LIST(ip4) ip4_list;
typedef LIST(struct prefix4) prefix_list;

/* Enumerations: the words are in schema.c, in this order. */
enum endpoint_policies { PENP_DISABLED, PENP_ENABLED, PENP_NSG, PENP_ROUTE_TABLE }; /* PE-08 */
enum vnet_policies { VNETPOL_DISABLED, VNETPOL_BASIC };                             /* */
enum nexthop_type {
    NH_TYPE_NONE, /* "None" */
    NH_TYPE_VNET_LOCAL,
    NH_TYPE_VNET_PEERING,
    NH_TYPE_VNET_GLOBAL_PEERING,
    NH_TYPE_INTERNET,
    NH_TYPE_VIRTUAL_APPLIANCE,
    NH_TYPE_VIRTUAL_NETWORK_GATEWAY,
    NH_TYPE_SERVICE_ENDPOINT,   /* VirtualNetworkServiceEndpoint */
    NH_TYPE_INTERFACE_ENDPOINT, /* InterfaceEndpoint */
    NH_TYPE_CONNECTED_GROUP,    /* ConnectedGroup: Y-20 */
    NH_TYPE_COUNT
};
enum direction { DIR_INBOUND, DIR_OUTBOUND };
enum access { ACCESS_ALLOW, ACCESS_DENY, ACCESS_ALWAYS_ALLOW /* admin rules only */ };
enum ip_sku { SKU_STANDARD, SKU_BASIC };
enum power_state { POWER_RUNNING, POWER_DEALLOCATED };
enum distribution { SPREAD_DEFAULT, SPREAD_SOURCE_IP, SPREAD_SOURCE_IP_PROTOCOL }; /* B-05 */
enum pe_status { PE_APPROVED, PE_PENDING, PE_REJECTED, PE_DISCONNECTED, PE_STATUS_DEFAULT };
enum link_resolution { RESOLVE_DEFAULT, RESOLVE_NXDOMAIN_REDIRECT };
enum gateway_type { GATEWAY_VPN, GATEWAY_EXPRESSROUTE };
enum flow_protocol { FLOW_TCP, FLOW_UDP, FLOW_ICMP };
enum capture_format { CAPTURE_PCAPNG, CAPTURE_PCAP };
enum offer { /* of a subscription: G-15 */
    OFFER_EA,
    OFFER_MCA_E,
    OFFER_EA_DEV_TEST,
    OFFER_PAY_AS_YOU_GO,
    OFFER_CSP,
    OFFER_MSDN,
    OFFER_FREE_TRIAL,
    OFFER_SPONSORSHIP,
    OFFER_OTHER
};
enum record_type { RECORD_A, RECORD_AAAA, RECORD_CNAME, RECORD_TXT, RECORD_MX, RECORD_PTR, RECORD_SRV };

/* What every named resource has. index is the position in its list; node is its map in the document. */
#define RESOURCE                                                                                               \
    const char *name;                                                                                          \
    struct origin at;                                                                                          \
    const struct node *node;                                                                                   \
    uint32_t index;
/* And what top-level resources may have besides (defaults applied). location is canonical (regions.h). */
#define TOP_LEVEL                                                                                              \
    RESOURCE                                                                                                   \
    const char *location, *subscription, *resourceGroup, *tenant;

struct model;
struct vnet;
struct subnet;
struct nic;
struct route_table;
struct nsg;
struct asg;
struct public_ip;
struct nat_gateway;
struct service;
struct private_endpoint;
struct pls;
struct onprem;
struct load_balancer;
struct se_policy;
struct network_manager;
struct connected_group;
struct admin_config;
struct admin_collection;

typedef LIST(struct asg *) asg_list;
typedef LIST(struct nic *) nic_list;
typedef LIST(struct vnet *) vnet_list;
typedef LIST(struct subnet *) subnet_list;

struct port_spec { /* listens, drops */
    uint8_t proto;          /* IP protocol number; 0 with icmp_off */
    uint16_t first, last;   /* 0-65535 for a bare protocol */
    bool icmp_off;          /* "-icmp" */
};
typedef LIST(struct port_spec) port_list;

struct tag_pair {
    const char *key, *value;
};

struct service_endpoint {
    const char *service; /* Microsoft.Storage */
    str_list locations;  /* canonical; default by service (SE-05), filled by the loader; empty or "*": all regions */
    struct origin at;
};

struct subnet {
    RESOURCE
    struct vnet *vnet;
    prefix_list addressPrefixes; /* addressPrefix or addressPrefixes */
    struct nsg *networkSecurityGroup;  /* or NULL */
    struct route_table *routeTable;    /* or NULL */
    struct nat_gateway *natGateway;    /* or NULL */
    bool defaultOutboundAccess;
    LIST(struct service_endpoint) serviceEndpoints;
    LIST(struct se_policy *) serviceEndpointPolicies;
    enum endpoint_policies privateEndpointNetworkPolicies;
    bool privateLinkServiceNetworkPolicies; /* Enabled? */
    uint32_t id;                            /* unique over all networks of the model, from 0, in file order */
};

struct peering {
    struct origin at;
    const struct node *node;
    struct vnet *remoteVirtualNetwork;
    bool allowVirtualNetworkAccess, allowForwardedTraffic, allowGatewayTransit, useRemoteGateways;
    subnet_list localSubnetNames, remoteSubnetNames; /* non-empty: subnet peering */
    struct peering *reverse;                         /* the link back; NULL: only Initiated, no routes (P-01) */
};

struct vnet {
    TOP_LEVEL
    prefix_list addressPrefixes;
    ip4_list dnsServers;
    uint32_t flowTimeoutInMinutes; /* 0: not set */
    enum vnet_policies privateEndpointVNetPolicies;
    LIST(struct subnet) subnets;
    LIST(struct peering) virtualNetworkPeerings; /* those that a network manager makes among them */
    LIST(const struct connected_group *) connectedGroups;
};

struct appliance {
    bool present, forwards, snat, stateful;
    port_list drops;
};

struct nic {
    TOP_LEVEL
    const char *virtualMachine; /* or NULL */
    enum power_state powerState;
    struct subnet *subnet;
    ip4 privateIPAddress; /* always set: allocated where not given */
    bool allocated;
    uint32_t readdressed; /* how often its address has changed since the first state */
    ip4 defaultOutboundAddress; /* always set: O-06, by address_assign; used only without another way out */
    struct public_ip *publicIPAddress;  /* or NULL */
    struct nsg *networkSecurityGroup;   /* or NULL */
    asg_list applicationSecurityGroups;
    bool enableIPForwarding;
    port_list listens;
    uint32_t mtu;
    bool proxyProtocol;
    uint16_t healthStatus; /* of its answers to HTTP probes (B-10) */
    struct appliance appliance;
    LIST(struct tag_pair) tags;
};

struct route {
    RESOURCE
    struct prefix4 addressPrefix; /* valid where tag is NULL */
    const char *tag;              /* service tag, or NULL */
    enum nexthop_type nextHopType;
    ip4 nextHopIpAddress; /* VirtualAppliance only */
};

struct route_table {
    TOP_LEVEL
    bool disableBgpRoutePropagation;
    LIST(struct route) routes;
};

struct address_match { /* one entry of source/destinationAddressPrefix(es) */
    enum { MATCH_ANY, MATCH_PREFIX, MATCH_TAG } kind;
    struct prefix4 prefix;
    const char *tag; /* VirtualNetwork, Internet, AzureLoadBalancer, or a name in the tag set */
    struct origin at;
};
struct port_match {
    uint16_t first, last; /* '*' is 0-65535 */
};

struct security_rule {
    RESOURCE
    uint32_t priority;
    enum direction direction;
    enum access access;
    uint8_t protocol; /* IP protocol number (Tcp, Udp, Icmp, Esp, Ah), 0 for '*' */
    LIST(struct address_match) source, destination; /* empty when application security groups are used */
    LIST(struct port_match) sourcePorts, destinationPorts;
    asg_list sourceApplicationSecurityGroups, destinationApplicationSecurityGroups;
};

struct nsg {
    TOP_LEVEL
    LIST(struct security_rule) securityRules; /* file order; rules.h gives evaluation order with the defaults */
};

/* The network manager: groups of networks, and what is deployed to them. */
struct network_group {
    RESOURCE
    vnet_list staticMembers;
};
struct group_use { /* one of appliesToGroups */
    struct network_group *networkGroup;
    struct origin at;
};
typedef LIST(struct group_use) group_use_list;

enum address_type { ADDRESS_TYPE_NONE /* not said */, ADDRESS_TYPE_PREFIX, ADDRESS_TYPE_TAG };
struct admin_address { /* one of sources, destinations */
    struct address_match addressPrefix;
    enum address_type addressPrefixType;
};
struct admin_rule {            /* security admin rule: G-16 */
    struct security_rule rule; /* its sources, destinations and ports as in a group's rule */
    LIST(struct admin_address) sources, destinations;
    struct admin_collection *collection;
};
struct admin_collection {
    RESOURCE
    struct admin_config *config;
    group_use_list appliesToGroups;
    LIST(struct admin_rule) rules;
};
struct admin_config {
    RESOURCE
    struct network_manager *manager;
    LIST(struct admin_collection) ruleCollections;
};
enum connectivity_topology { TOPOLOGY_MESH, TOPOLOGY_HUB_AND_SPOKE };
enum group_connectivity { GROUP_NONE, GROUP_DIRECTLY_CONNECTED };
struct connectivity_group { /* one of appliesToGroups */
    struct network_group *networkGroup;
    enum group_connectivity groupConnectivity;
    bool isGlobal, useHubGateway;
    struct origin at;
};
struct connectivity_capabilities {
    bool connectedGroupAddressOverlap;        /* Allowed? */
    bool connectedGroupPrivateEndpointsScale; /* HighScale? */
};
struct connectivity_config { /* Y-20 */
    RESOURCE
    struct network_manager *manager;
    enum connectivity_topology connectivityTopology;
    LIST(struct connectivity_group) appliesToGroups;
    vnet_list hubs;
    bool isGlobal, deleteExistingPeering;
    struct connectivity_capabilities connectivityCapabilities;
};
struct network_manager {
    TOP_LEVEL
    LIST(struct network_group) networkGroups;
    LIST(struct connectivity_config) connectivityConfigurations;
    LIST(struct admin_config) securityAdminConfigurations;
};

/* Networks that a configuration connects without peerings (connected.h). */
struct connected_member {
    const struct vnet *vnet;
    prefix_list space; /* of it, what the others reach: nothing that overlaps */
};
struct connected_group {
    const struct connectivity_config *config;
    const char *region; /* NULL: a global one */
    LIST(struct connected_member) members;
};

struct asg {
    TOP_LEVEL
};

struct public_ip {
    TOP_LEVEL
    ip4 ipAddress; /* always set: derived where not given */
    bool allocated;
    enum ip_sku sku;
};

struct nat_gateway {
    TOP_LEVEL
    LIST(struct public_ip *) publicIPAddresses;
    uint32_t idleTimeoutInMinutes;
};

struct lb_frontend {
    RESOURCE
    struct load_balancer *lb;
    const char *path;                  /* "lb/fe" */
    struct subnet *subnet;             /* internal; or NULL */
    ip4 privateIPAddress;              /* internal: always set */
    bool allocated;
    struct public_ip *publicIPAddress; /* public; or NULL */
};
struct lb_pool {
    RESOURCE
    nic_list networkInterfaces;
};
struct lb_probe {
    RESOURCE
    uint8_t protocol; /* Tcp 6; Http, Https as Tcp */
    const char *protocolName;
    uint16_t port;
    uint32_t intervalInSeconds, numberOfProbes;
    const char *requestPath; /* or NULL */
};
struct lb_rule {
    RESOURCE
    struct lb_frontend *frontendIPConfiguration;
    struct lb_pool *backendAddressPool;
    struct lb_probe *probe; /* or NULL */
    uint8_t protocol;       /* 0: All */
    uint16_t frontendPort, backendPort;
    enum distribution loadDistribution;
    bool enableFloatingIP, enableTcpReset;
    uint32_t idleTimeoutInMinutes;
};
struct lb_nat_rule { /* one frontend port, one machine (B-09) */
    RESOURCE
    struct lb_frontend *frontendIPConfiguration;
    struct nic *backendIPConfiguration;
    uint8_t protocol;
    uint16_t frontendPort, backendPort;
    bool enableFloatingIP, enableTcpReset;
    uint32_t idleTimeoutInMinutes;
};
struct lb_outbound_rule {
    RESOURCE
    struct lb_frontend *frontendIPConfiguration;
    struct lb_pool *backendAddressPool;
    uint32_t allocatedOutboundPorts, idleTimeoutInMinutes;
    bool enableTcpReset;
};
struct load_balancer {
    TOP_LEVEL
    enum ip_sku sku;
    LIST(struct lb_frontend) frontendIPConfigurations;
    LIST(struct lb_pool) backendAddressPools;
    LIST(struct lb_probe) probes;
    LIST(struct lb_rule) loadBalancingRules;
    LIST(struct lb_nat_rule) inboundNatRules;
    LIST(struct lb_outbound_rule) outboundRules;
};

struct pls {
    TOP_LEVEL
    struct lb_frontend *loadBalancerFrontend;
    ip4_list natIPs;
    struct subnet *subnet;
    bool enableProxyProtocol;
    const char *alias; /* always set: derived where not given */
    str_list visibility, autoApproval;
};

struct network_acls {
    bool present;
    enum access defaultAction;
    str_list bypass;
    prefix_list ipRules;
    subnet_list virtualNetworkRules;
};

struct service {
    TOP_LEVEL
    const char *type;       /* as written, e.g. Microsoft.Storage/storageAccounts */
    ip4 publicIPAddress;    /* always set */
    bool allocated;
    str_list replicas;      /* canonical regions */
    bool publicNetworkAccess; /* Enabled? */
    struct network_acls networkAcls;
    bool trustedService;
    str_list fqdns;
    port_list listens;
    bool listens_given; /* absent: every TCP port is accepted */
    const char *sku;    /* or NULL */
};

struct pe_ip {
    const char *memberName; /* "" for an endpoint without members */
    ip4 privateIPAddress;
    bool allocated;
    struct origin at;
};

struct private_endpoint {
    TOP_LEVEL
    struct subnet *subnet;
    struct service *service;   /* exactly one of service and pls */
    struct pls *pls;
    bool byAlias;              /* named a private link service by its alias */
    str_list groupIds;
    bool manualRequest;
    enum pe_status status;     /* resolved: never PE_STATUS_DEFAULT */
    LIST(struct pe_ip) ipConfigurations; /* complete: one per member, in member order */
    struct private_endpoint *whole;      /* of one that came along with another: that other; NULL */
    LIST(struct pe_ip) takes;            /* of that other: the addresses of all of them; else empty */
    LIST(struct private_zone *) privateDnsZoneGroup;
    asg_list applicationSecurityGroups;
    uint32_t linkIdentifier; /* always set */
};

struct zone_link {
    struct vnet *virtualNetwork;
    bool registrationEnabled;
    enum link_resolution resolutionPolicy;
    struct origin at;
};
struct dns_record_spec {
    RESOURCE
    enum record_type type;
    uint32_t ttl;
    str_list values;
};
struct private_zone {
    TOP_LEVEL
    const char *zoneName; /* the DNS name, lower case; name unless given */
    LIST(struct zone_link) virtualNetworkLinks;
    LIST(struct dns_record_spec) records;
};

struct zone_registration { /* an address that a zone group has written (names_register.c) */
    struct private_zone *zone;
    struct private_endpoint *endpoint;
    const char *record; /* within the zone */
    ip4 addr;
    bool live; /* false: somebody else has written that name since (N-10) */
};

struct se_policy_definition {
    const char *service;
    str_list serviceResources;
    struct origin at;
};
struct se_policy {
    TOP_LEVEL
    LIST(struct se_policy_definition) definitions;
};

struct gateway_connection { /* how the gateway prefers one of its connections */
    struct onprem *onPremisesNetwork;
    uint32_t routingWeight, asPathLength;
    struct origin at;
};
struct gateway {
    TOP_LEVEL
    struct vnet *virtualNetwork;
    enum gateway_type type;
    bool activeActive;
    struct public_ip *publicIPAddress; /* or NULL */
    LIST(struct onprem *) connections;
    LIST(struct gateway_connection) connectionProperties; /* those of connections without an entry are the defaults */
    ip4_list instances; /* first addresses of GatewaySubnet: one, or two with activeActive */
};

struct onprem_host {
    RESOURCE
    struct onprem *network;
    const char *path; /* "hq/laptop" */
    ip4 ipAddress;
    port_list listens;
};
struct dns_forwarder {
    const char *zone;
    ip4 server;
    struct origin at;
};
struct onprem {
    TOP_LEVEL
    prefix_list addressPrefixes;
    bool bgp;
    ip4_list natIPs;
    LIST(struct dns_forwarder) dnsForwarders;
    LIST(struct onprem_host) hosts;
};

struct internet_host {
    RESOURCE
    ip4 ipAddress;
    str_list names;
    port_list listens;
};

struct dns_server {
    RESOURCE
    struct nic *networkInterface;
    ip4 forwarder; /* 0: none */
    LIST(struct private_zone *) zones;
};

struct link_spec {
    int64_t latency, jitter; /* ns */
    uint64_t bandwidth;      /* bit/s; 0: unlimited */
    double loss;             /* fraction */
};
enum link_class {
    LINK_INTRA_VNET,
    LINK_REGIONAL_PEERING,
    LINK_GLOBAL_PEERING,
    LINK_BACKBONE,
    LINK_INTERNET,
    LINK_GATEWAY,
    LINK_PRIVATE_LINK,
    LINK_CLASS_COUNT
};

struct switches { /* scenario contract, section 6: false/0 is the default value */
    bool seVsUdrObserved;
    bool privateEndpointReturnLastHop;
    bool noneRoutesObserved;
    bool privateEndpointPolicies2021;
    bool virtualNetworkTagIncludesUdr; /* default true */
    bool ruleChangeKeepsFlows;         /* default true */
};

struct subscription {
    RESOURCE
    enum offer offer;
    bool port25Exempt;
};

struct flow_log {
    RESOURCE
    const char *target;
    uint32_t version;
};

struct expect_route { /* a row that must, or must not, be there; NULL or unset members are not compared */
    bool has_prefix, has_type, has_ip;
    struct prefix4 addressPrefix;
    const char *addressPrefixText; /* as written: a prefix or a service tag */
    const char *source, *state, *name;
    enum nexthop_type nextHopType;
    ip4 nextHopIpAddress;
};

struct chain_expect { /* members that are NULL (ttl: UINT32_MAX) are not compared */
    const char *name, *type, *value;
    uint32_t ttl;
};
typedef LIST(struct chain_expect) chain_list;

struct expectation { /* scenario level */
    struct origin at_origin;
    const struct node *node;
    int64_t at; /* ns */
    const char *nic;
    bool no_route;
    bool has_route;
    struct expect_route route;
    const char *from, *name;
    bool has_resolved;
    ip4_list resolvedTo;
    chain_list chain;
};

struct flow_expect { /* node keeps every key as written; results.c compares text */
    bool present;
    const struct node *node;
};

struct flow {
    RESOURCE
    int64_t at_time; /* ns ("at") */
    const char *from, *to;
    enum flow_protocol protocol;
    uint16_t destinationPort, sourcePort; /* 0: ephemeral, or none (icmp) */
    const char *resource;                 /* or NULL */
    uint64_t requestBytes, responseBytes;
    bool dontFragment;
    int64_t keepOpen; /* ns, 0: close after the answer */
    int64_t keepOpenInterval;
    uint32_t count;
    int64_t interval;
    struct flow_expect expect;
};

struct capture {
    RESOURCE
    str_list at_points;
    enum capture_format format;
    const char *filter; /* or NULL */
};

struct model {
    struct arena *arena;
    const char *scenario, *description;
    uint64_t seed;
    int64_t start_unix_ns; /* wall clock at virtual time 0 */
    int64_t duration;      /* ns, or TIME_NONE */
    const char *location, *subscription, *resourceGroup, *tenant;
    const char *serviceTags; /* path as the tag loader opens it, or NULL for the built-in subset */
    struct tagset *tags;
    struct switches switches;
    LIST(struct subscription) subscriptions;
    LIST(struct vnet) virtualNetworks;
    LIST(struct nic) networkInterfaces;
    LIST(struct route_table) routeTables;
    LIST(struct nsg) networkSecurityGroups;
    LIST(struct asg) applicationSecurityGroups;
    LIST(struct public_ip) publicIPAddresses;
    LIST(struct nat_gateway) natGateways;
    LIST(struct load_balancer) loadBalancers;
    LIST(struct pls) privateLinkServices;
    LIST(struct service) services;
    LIST(struct private_endpoint) privateEndpoints;
    LIST(struct private_zone) privateDnsZones;
    LIST(struct se_policy) serviceEndpointPolicies;
    LIST(struct gateway) virtualNetworkGateways;
    LIST(struct onprem) onPremisesNetworks;
    LIST(struct network_manager) networkManagers;
    LIST(struct connected_group) connectedGroups; /* what those make of meshes */
    LIST(struct internet_host) internetHosts;
    LIST(struct dns_server) dnsServers;
    LIST(struct flow_log) flowLogs;
    struct link_spec links[LINK_CLASS_COUNT]; /* defaults filled in */
    LIST(struct flow) flows;
    LIST(struct expectation) expect;
    LIST(struct capture) captures;
    LIST(struct zone_registration) zoneRegistrations; /* by names_register; in file order of endpoints */
    size_t subnet_count;
    struct registry *names; /* what references and model_find look names up in */
};

/* What a bare name in `from`, `to`, `via`, `nic` may mean: the shared name space of the contract, section 1. */
enum thing_kind { THING_NONE, THING_NIC, THING_ONPREM_HOST, THING_INTERNET_HOST, THING_SERVICE, THING_ENDPOINT,
                  THING_GATEWAY, THING_LB_FRONTEND };
struct thing {
    enum thing_kind kind;
    const void *p; /* struct nic, onprem_host, internet_host, service, private_endpoint, gateway, lb_frontend */
};
/* Look a name up, without case: NIC, virtual machine (its first NIC), host ("hq/laptop", or "laptop" while unique),
 * service, private endpoint; also gateways and load-balancer frontends ("lb/fe"). => kind THING_NONE: no such thing. */
struct thing model_find(const struct model *m, const char *name);
/* => whether the name is a bare one that several things share: model_find gives none then. */
bool model_ambiguous(const struct model *m, const char *name);
/* => the nearest name that model_find would find, NULL none near. */
const char *model_suggest(const struct model *m, const char *name);
/* => the display name of a thing as paths and captures show it: "vm1-nic", "hq/laptop", "acr-pe", "lb/fe". */
const char *thing_name(struct thing t);
/* Find by name, without case. => NULL: none. subnet_name is "vnet/subnet". */
struct nic *model_nic(const struct model *m, const char *name);
struct vnet *model_vnet(const struct model *m, const char *name);
struct subnet *model_subnet(const struct model *m, const char *subnet_name);
struct subscription *model_subscription(const struct model *m, const char *name);
/* => whether Azure keeps the subscription's machines from TCP port 25 of the Internet (G-15). */
bool subscription_blocks_smtp(const struct subscription *s);
/* => the word of an offer as the file writes it: "PayAsYouGo". A literal. */
const char *offer_word(enum offer o);

#endif
