/* schema_run.c - rows of the file itself: its head, links, switches, flows, expectations, changes, captures.
 */
#include "topology/schema_int.h"

static const struct word words_protocol[] = {
    {"tcp", FLOW_TCP}, {"udp", FLOW_UDP}, {"icmp", FLOW_ICMP}, {NULL, 0}};
static const struct word words_format[] = {{"pcapng", CAPTURE_PCAPNG}, {"pcap", CAPTURE_PCAP}, {NULL, 0}};
static const struct word words_source[] = {
    {"Default", 0}, {"User", 1}, {"VirtualNetworkGateway", 2}, {NULL, 0}};
static const struct word words_state[] = {{"Active", 0}, {"Invalid", 1}, {NULL, 0}};
static const struct word words_verdict[] = {
#define X(name, word, sentence) {word, VERDICT_##name},
    VERDICTS(X)
#undef X
        {NULL, 0}};
static const struct word words_reason[] = {
#define X(name, word, verdict, rules, sentence) {word, REASON_##name},
    REASONS(X)
#undef X
        {NULL, 0}};

/* -- links ----------------------------------------------------------------------------------------------- */
#define LINK_ROWS(id, lat, bw)                                                                               \
    static const struct field id##_rows[] = {                                                                \
        F(link_spec, latency, K_DURATION, .def = lat, .doc = "One-way delay."),                              \
        F(link_spec, jitter, K_DURATION, .def = "0s", .doc = "Largest random addition to it."),              \
        F(link_spec, bandwidth, K_BANDWIDTH, .def = bw, .doc = "Capacity; 0: unlimited."),                   \
        F(link_spec, loss, K_FRACTION, .def = "0", .doc = "Fraction of packets that get lost."),             \
    };                                                                                                       \
    static const struct table table_##id = {                                                                 \
        .what = "link", ROWS(id##_rows), .size = sizeof(struct link_spec)};

LINK_ROWS(intra, "50us", "10Gbps")
LINK_ROWS(regional, "100us", "10Gbps")
LINK_ROWS(global, "20ms", "10Gbps")
LINK_ROWS(backbone, "500us", "10Gbps")
LINK_ROWS(internet, "10ms", "1Gbps")
LINK_ROWS(gateway_, "5ms", "1Gbps")
LINK_ROWS(private, "200us", "10Gbps")

#define LINK(name, class, table, text)                                                                       \
    {                                                                                                        \
        .key = name, .kind = K_STRUCT, .offset = sizeof(struct link_spec) * class,                           \
        .size = sizeof(struct link_spec), .sub = &table, .doc = text                                         \
    }
static const struct field links_rows[] = {
    LINK("intraVnet", LINK_INTRA_VNET, table_intra, "Inside one virtual network."),
    LINK("regionalPeering", LINK_REGIONAL_PEERING, table_regional, "Peering inside one region."),
    LINK("globalPeering", LINK_GLOBAL_PEERING, table_global, "Peering between regions."),
    LINK("backbone", LINK_BACKBONE, table_backbone, "To services over Azure's backbone."),
    LINK("internet", LINK_INTERNET, table_internet, "To the Internet."),
    LINK("gateway", LINK_GATEWAY, table_gateway_, "Through a gateway to on-premises networks."),
    LINK("privateLink", LINK_PRIVATE_LINK, table_private, "From a private endpoint to its resource."),
};
const struct table table_links = {
    .what = "links", ROWS(links_rows), .size = sizeof(struct link_spec[LINK_CLASS_COUNT])};

/* -- switches: the first word is the default ------------------------------------------------------------- */
static const struct word words_observed[] = {{"documented", false}, {"observed", true}, {NULL, 0}};
static const struct word words_return[] = {{"client", false}, {"lastHop", true}, {NULL, 0}};
static const struct word words_era[] = {{"current", false}, {"2021", true}, {NULL, 0}};
static const struct field switch_rows[] = {
    K("seVsUdr", switches, seVsUdrObserved, K_WORD, .words = words_observed, .def = "documented",
      .doc = "Whether longer user routes beat service endpoint routes (R-05, R-06)."),
    K("privateEndpointReturn", switches, privateEndpointReturnLastHop, K_WORD, .words = words_return,
      .def = "client", .doc = "Where a private endpoint sends replies (PE-15, PE-16)."),
    K("noneRoutes", switches, noneRoutesObserved, K_WORD, .words = words_observed, .def = "documented",
      .doc = "Which system routes with next hop None exist (Y-03, Y-04)."),
    K("privateEndpointPolicies", switches, privateEndpointPolicies2021, K_WORD, .words = words_era,
      .def = "current", .doc = "2021: no network policies for private endpoints exist (PE-07, PE-08)."),
    F(switches, virtualNetworkTagIncludesUdr, K_BOOL, .def = "true",
      .doc = "Whether user routes widen VirtualNetwork (G-09)."),
    F(switches, ruleChangeKeepsFlows, K_BOOL, .def = "true",
      .doc = "Whether flows outlive a rule that denies them (G-06)."),
};
const struct table table_switches = {.what = "switches", ROWS(switch_rows), .size = sizeof(struct switches)};

/* -- flows and expectations ------------------------------------------------------------------------------ */
static const struct field chain_rows[] = {
    F(chain_expect, name, K_TEXT, .doc = "Owner name."),
    F(chain_expect, type, K_TEXT, .doc = "Record type."),
    F(chain_expect, value, K_TEXT, .doc = "Its data."),
    F(chain_expect, ttl, K_NUMBER, .max = 2147483647, .doc = "Seconds."),
};
static const struct table table_chain = {
    .what = "DNS record", ROWS(chain_rows), .size = sizeof(struct chain_expect), .finish = finish_chain};

static const struct field flow_expect_rows[] = {
    C("verdict", K_WORD, .words = words_verdict, .doc = "What became of the flow."),
    C("reason", K_WORD, .words = words_reason, .doc = "Which reason decided."),
    C("nextHopType", K_WORD, .words = words_nexthop, .doc = "Route lookup of the sender's first packet."),
    C("nextHopIpAddress", K_IP, .doc = "Next hop of that route."),
    C("route", K_TEXT, .doc = "Prefix of that route."),
    C("routeName", K_TEXT, .doc = "Name of that route, where it is a user route."),
    C("routeSource", K_WORD, .words = words_source, .doc = "Default, User or VirtualNetworkGateway."),
    C("rule", K_TEXT, .doc = "The security rule that decided."),
    C("networkSecurityGroup", K_TEXT, .doc = "Its group."),
    C("ruleCollection", K_TEXT, .doc = "Of a security admin rule: manager/configuration/collection."),
    C("sourceSeen", K_IP, .doc = "Source address of the request where it arrived."),
    C("destinationSeen", K_IP, .doc = "Destination address where it arrived."),
    C("resolvedTo", K_IP, .list = true, .doc = "Addresses that the name gave; []: none."),
    C("resolvesTo", K_IP, .list = true, .synonym = "resolvedTo", .doc = "The same as resolvedTo."),
    C("path", K_TEXT, .list = true, .doc = "Hops of the request, complete and in order."),
    C("via", K_TEXT, .list = true, .lenient = true, .doc = "Hops that the request must take."),
    C("notVia", K_TEXT, .list = true, .lenient = true, .doc = "Hops that it must not take."),
    C("returnPath", K_TEXT, .list = true, .doc = "Hops of the answer, complete and in order."),
    C("returnVia", K_TEXT, .list = true, .lenient = true, .doc = "Hops that the answer must take."),
    C("returnNotVia", K_TEXT, .list = true, .lenient = true, .doc = "Hops that it must not take."),
    C("chain", K_STRUCT, .list = true, .sub = &table_chain, .doc = "DNS records that occur in this order."),
    C("counts", K_COUNTS, .doc = "Verdicts over all repetitions."),
};
const struct table table_flow_expect = {.what = "expectation of a flow", ROWS(flow_expect_rows)};

static const struct field flow_rows[] = {
    F(flow, name, K_NAME, .doc = "Its name in results; default: FROM-to-TO."),
    K("at", flow, at_time, K_DURATION, .def = "0s", .doc = "When it starts."),
    F(flow, from, K_TEXT, .required = true, .doc = "Interface, machine, host, service or private endpoint."),
    F(flow, to, K_TEXT, .required = true,
      .doc = "DNS name, address, interface, host, service or private endpoint."),
    F(flow, protocol, K_WORD, .words = words_protocol, .def = "tcp", .doc = "tcp, udp or icmp."),
    F(flow, destinationPort, K_NUMBER, .min = 1, .doc = "Port of tcp (default 443) and udp (must be given)."),
    F(flow, sourcePort, K_NUMBER, .min = 1, .doc = "Default: an ephemeral port."),
    F(flow, resource, K_TEXT,
      .doc = "Resource the request is for, where an address serves many; default: the name's."),
    F(flow, requestBytes, K_SIZE, .def = "100B", .doc = "Size of the request; icmp: the payload."),
    F(flow, dontFragment, K_BOOL, .def = "false", .doc = "Whether its packets may not be fragmented."),
    F(flow, responseBytes, K_SIZE, .def = "1KiB", .doc = "Size of the answer."),
    F(flow, keepOpen, K_DURATION, .def = "0s", .doc = "How long the connection stays open after the answer."),
    F(flow, keepOpenInterval, K_DURATION, .def = "1s", .doc = "Time between the messages on a connection kept open."),
    F(flow, count, K_NUMBER, .min = 1, .max = 1000000, .def = "1", .doc = "How often it is repeated."),
    F(flow, interval, K_DURATION, .def = "0s", .doc = "Time between repetitions."),
    F(flow, expect, K_EXPECT, .sub = &table_flow_expect, .doc = "What must become of it."),
};
const struct table table_flow = {.what = "flow",
                                 ROWS(flow_rows),
                                 .size = sizeof(struct flow),
                                 .resource = true,
                                 .identity = "name",
                                 .finish = finish_flow};

static const struct field expect_route_rows[] = {
    K("addressPrefix", expect_route, addressPrefixText, K_TEXT, .doc = "One of the row's prefixes."),
    F(expect_route, source, K_WORD, .words = words_source, .doc = "Default, User or VirtualNetworkGateway."),
    F(expect_route, state, K_WORD, .words = words_state, .doc = "Active or Invalid."),
    F(expect_route, nextHopType, K_WORD, .words = words_nexthop, GIVEN(expect_route, has_type),
      .doc = "Its next hop type."),
    F(expect_route, nextHopIpAddress, K_IP, GIVEN(expect_route, has_ip), .doc = "One of its next hops."),
    F(expect_route, name, K_TEXT, .doc = "Name of the user route."),
};
static const struct table table_expect_route = {.what = "route",
                                                ROWS(expect_route_rows),
                                                .size = sizeof(struct expect_route),
                                                .finish = finish_expect_route};
static const struct field expectation_rows[] = {
    F(expectation, at, K_DURATION, .def = "0s", .doc = "When it must hold, after all changes of that time."),
    F(expectation, nic, K_TEXT, .doc = "Whose effective routes are looked at."),
    F(expectation, route, K_STRUCT, .sub = &table_expect_route, GIVEN(expectation, has_route),
      .doc = "Some row has all these values."),
    K("noRoute", expectation, route, K_STRUCT, .sub = &table_expect_route, GIVEN(expectation, no_route),
      .doc = "No row has them."),
    F(expectation, from, K_TEXT, .doc = "Who resolves."),
    F(expectation, name, K_TEXT, .doc = "The name that is resolved."),
    F(expectation, resolvedTo, K_IP, .list = true, GIVEN(expectation, has_resolved),
      .doc = "Addresses it gives; []: none."),
    C("resolvesTo", K_IP, .list = true, .synonym = "resolvedTo", .doc = "The same as resolvedTo."),
    F(expectation, chain, K_STRUCT, .list = true, .sub = &table_chain,
      .doc = "DNS records that occur in this order."),
};
const struct table table_expectation = {.what = "expectation",
                                        ROWS(expectation_rows),
                                        .size = sizeof(struct expectation),
                                        .at = offsetof(struct expectation, at_origin) + 1,
                                        NODE(expectation),
                                        .finish = finish_expectation};

/* -- changes, captures, logs ----------------------------------------------------------------------------- */
static const struct field change_rows[] = {
    F(change_spec, at, K_DURATION, .required = true, .doc = "When it happens."),
    F(change_spec, update, K_TEXT, .doc = "Path of the element whose keys are replaced, lists as a whole."),
    F(change_spec, add, K_TEXT, .doc = "Path of the list that gets another element."),
    F(change_spec, remove, K_TEXT, .doc = "Path of the element that goes."),
    F(change_spec, approve, K_TEXT, .doc = "Private endpoint whose connection the owner approves."),
    F(change_spec, reject, K_TEXT, .doc = "Private endpoint whose connection the owner rejects."),
    F(change_spec, disconnect, K_TEXT, .doc = "Private endpoint whose connection the owner removes."),
    F(change_spec, failover, K_TEXT, .doc = "Storage account whose secondary region becomes the primary (PE-29)."),
    C("with", K_ANY, .doc = "The keys of update, the element of add."),
};
const struct table table_change = {.what = "change", ROWS(change_rows), .size = sizeof(struct change_spec)};

static const struct field capture_rows[] = {
    F(capture, name, K_NAME, .required = true, .doc = "Name of its file."),
    K("at", capture, at_points, K_TEXT, .list = true, .lenient = true,
      .doc = "Interfaces, hosts, endpoints, gateways, services, underlay; default: every point."),
    F(capture, format, K_WORD, .words = words_format, .def = "pcapng", .doc = "pcapng or pcap."),
    F(capture, filter, K_TEXT, .doc = "libpcap filter expression."),
};
const struct table table_capture = {.what = "capture",
                                    ROWS(capture_rows),
                                    .size = sizeof(struct capture),
                                    .resource = true,
                                    .identity = "name"};
static const struct field flow_log_rows[] = {
    NAME(flow_log),
    F(flow_log, target, K_TEXT, .required = true, .doc = "A network security group or a virtual network."),
    F(flow_log, version, K_NUMBER, .min = 1, .max = 4,
      .doc = "1 or 2 for a group (default 2), 4 for a network."),
};
const struct table table_flow_log = {.what = "flow log",
                                     ROWS(flow_log_rows),
                                     .size = sizeof(struct flow_log),
                                     .resource = true,
                                     .identity = "name",
                                     .finish = finish_flow_log};

/* -- the file -------------------------------------------------------------------------------------------- */
#define SECTION(m, table, text)                                                                              \
    F(model, m, K_STRUCT, .list = true, .section = true, .sub = &table, .doc = text)
static const struct field root_rows[] = {
    F(model, scenario, K_NAME, .required = true, .doc = "Name of the scenario."),
    F(model, description, K_TEXT, .doc = "One line about it."),
    C("include", K_TEXT, .list = true, .doc = "Files whose resources belong to this one, relative to it."),
    F(model, seed, K_NUMBER, .def = "1", .doc = "Every random choice derives from it."),
    K("start", model, start_unix_ns, K_TIME, .def = "2026-01-01T00:00:00Z",
      .doc = "Wall clock at virtual time 0."),
    F(model, duration, K_DURATION, .doc = "Length of the run; default: until everything is done."),
    F(model, location, K_REGION, .def = "westeurope", .doc = "Region of resources that name none."),
    F(model, subscription, K_TEXT, .def = "sub-a", .doc = "Subscription of resources that name none."),
    F(model, resourceGroup, K_TEXT, .def = "rg", .doc = "Resource group of resources that name none."),
    F(model, tenant, K_TEXT, .def = "tenant-a", .doc = "Tenant of resources that name none."),
    F(model, serviceTags, K_TEXT,
      .doc = "Azure's published service-tag file, relative to this one; default: the built-in subset."),
    F(model, switches, K_STRUCT, .sub = &table_switches, .doc = "Where Azure's documents disagree."),
    F(model, flowLogs, K_STRUCT, .list = true, .sub = &table_flow_log, .doc = "Flow logs to write."),
    SECTION(subscriptions, table_subscription, "Subscriptions, and what they were bought as."),
    SECTION(virtualNetworks, table_vnet, "Virtual networks."),
    SECTION(networkInterfaces, table_nic, "Network interfaces."),
    SECTION(routeTables, table_route_table, "Route tables."),
    SECTION(networkSecurityGroups, table_nsg, "Network security groups."),
    SECTION(applicationSecurityGroups, table_asg, "Application security groups."),
    SECTION(publicIPAddresses, table_public_ip, "Public addresses."),
    SECTION(natGateways, table_nat_gateway, "NAT gateways."),
    SECTION(loadBalancers, table_lb, "Load balancers."),
    SECTION(privateLinkServices, table_pls, "Private link services."),
    SECTION(services, table_service, "Platform services."),
    SECTION(privateEndpoints, table_endpoint, "Private endpoints."),
    SECTION(privateDnsZones, table_zone, "Private DNS zones."),
    SECTION(serviceEndpointPolicies, table_policy, "Service endpoint policies."),
    SECTION(virtualNetworkGateways, table_gateway, "Virtual network gateways."),
    SECTION(onPremisesNetworks, table_onprem, "On-premises networks."),
    SECTION(networkManagers, table_network_manager, "Virtual network managers."),
    SECTION(internetHosts, table_internet_host, "Hosts on the Internet."),
    SECTION(dnsServers, table_dns_server, "DNS servers in virtual machines."),
    F(model, links, K_STRUCT, .section = true, .sub = &table_links,
      .doc = "Delay, capacity and loss by class of link."),
    F(model, flows, K_STRUCT, .list = true, .sub = &table_flow, .doc = "What is sent."),
    F(model, expect, K_STRUCT, .list = true, .sub = &table_expectation, .doc = "What must hold besides."),
    C("timeline", K_ANY, .list = true, .sub = &table_change, .doc = "Changes in virtual time."),
    F(model, captures, K_STRUCT, .list = true, .sub = &table_capture,
      .doc = "What is recorded; default: everything."),
};
const struct table table_root = {
    .what = "scenario file", ROWS(root_rows), .size = sizeof(struct model), .finish = finish_root};
