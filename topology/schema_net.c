/* schema_net.c - rows of networks: virtual networks, interfaces, routes, rules, addresses, load balancers. */
#include "topology/schema_int.h"

const struct word words_enabled[] = {{"Enabled", true}, {"Disabled", false}, {NULL, 0}};
const struct word words_sku[] = {{"Standard", SKU_STANDARD}, {"Basic", SKU_BASIC}, {NULL, 0}};
const struct word words_endpoint_policies[] = {{"Disabled", PENP_DISABLED},
                                               {"Enabled", PENP_ENABLED},
                                               {"NetworkSecurityGroupEnabled", PENP_NSG},
                                               {"RouteTableEnabled", PENP_ROUTE_TABLE},
                                               {NULL, 0}};
const struct word words_nexthop[] = {{"None", NH_TYPE_NONE},
                                     {"VnetLocal", NH_TYPE_VNET_LOCAL},
                                     {"VNetPeering", NH_TYPE_VNET_PEERING},
                                     {"VNetGlobalPeering", NH_TYPE_VNET_GLOBAL_PEERING},
                                     {"Internet", NH_TYPE_INTERNET},
                                     {"VirtualAppliance", NH_TYPE_VIRTUAL_APPLIANCE},
                                     {"VirtualNetworkGateway", NH_TYPE_VIRTUAL_NETWORK_GATEWAY},
                                     {"VirtualNetworkServiceEndpoint", NH_TYPE_SERVICE_ENDPOINT},
                                     {"InterfaceEndpoint", NH_TYPE_INTERFACE_ENDPOINT},
                                     {"ConnectedGroup", NH_TYPE_CONNECTED_GROUP},
                                     {NULL, 0}};
static const struct word words_user_nexthop[] = {{"VirtualAppliance", NH_TYPE_VIRTUAL_APPLIANCE},
                                                 {"VirtualNetworkGateway", NH_TYPE_VIRTUAL_NETWORK_GATEWAY},
                                                 {"VnetLocal", NH_TYPE_VNET_LOCAL},
                                                 {"Internet", NH_TYPE_INTERNET},
                                                 {"None", NH_TYPE_NONE},
                                                 {NULL, 0}}; /* */
static const struct word words_vnet_policies[] = {
    {"Disabled", VNETPOL_DISABLED}, {"Basic", VNETPOL_BASIC}, {NULL, 0}};
static const struct word words_power[] = {
    {"running", POWER_RUNNING}, {"deallocated", POWER_DEALLOCATED}, {NULL, 0}};
const struct word words_direction[] = {
    {"Inbound", DIR_INBOUND}, {"Outbound", DIR_OUTBOUND}, {NULL, 0}};
static const struct word words_access[] = {{"Allow", ACCESS_ALLOW}, {"Deny", ACCESS_DENY}, {NULL, 0}};
static const struct word words_rule_protocol[] = {{"Tcp", 6}, {"Udp", 17}, {"Icmp", 1}, {"Esp", 50},
                                                  {"Ah", 51}, {"*", 0},    {NULL, 0}}; /* G-08 */
static const struct word words_lb_protocol[] = {{"Tcp", 6}, {"Udp", 17}, {"All", 0}, {NULL, 0}};
static const struct word words_nat_protocol[] = {{"Tcp", 6}, {"Udp", 17}, {NULL, 0}};
static const struct word words_distribution[] = {{"Default", SPREAD_DEFAULT},
                                                 {"SourceIP", SPREAD_SOURCE_IP},
                                                 {"SourceIPProtocol", SPREAD_SOURCE_IP_PROTOCOL},
                                                 {NULL, 0}};
static const struct word words_probe_protocol[] = {{"Tcp", 6}, {"Http", 6}, {"Https", 6}, {NULL, 0}};

/* -- virtual networks ------------------------------------------------------------------------------------ */
static const struct field endpoint_rows[] = {
    F(service_endpoint, service, K_TEXT, .required = true,
      .doc = "Namespace whose traffic takes the endpoint, such as Microsoft.Storage."),
    F(service_endpoint, locations, K_REGION, .list = true,
      .doc = "Regions that the endpoint spans; default by service (SE-05)."),
};
static const struct table table_service_endpoint = {.what = "service endpoint",
                                                    ROWS(endpoint_rows),
                                                    .size = sizeof(struct service_endpoint),
                                                    PLACE(service_endpoint),
                                                    .identity = "service"};

static const struct field subnet_rows[] = {
    NAME(subnet),
    K("addressPrefix", subnet, addressPrefixes, K_PREFIX, .one = true, .doc = "Its IPv4 prefix."),
    F(subnet, addressPrefixes, K_PREFIX, .list = true, .doc = "Its IPv4 prefixes, where it has several."),
    F(subnet, networkSecurityGroup, K_REF, .target = &table_nsg, .doc = "Security group of the subnet."),
    F(subnet, routeTable, K_REF, .target = &table_route_table, .doc = "Table of user-defined routes."),
    F(subnet, natGateway, K_REF, .target = &table_nat_gateway,
      .doc = "NAT gateway for traffic to the Internet."),
    F(subnet, defaultOutboundAccess, K_BOOL, .def = "true", .doc = "false makes it a private subnet."),
    F(subnet, serviceEndpoints, K_STRUCT, .list = true, .sub = &table_service_endpoint,
      .doc = "Services that are reached through service endpoints."),
    F(subnet, serviceEndpointPolicies, K_REF, .list = true, .target = &table_policy,
      .doc = "Policies that limit which resources service endpoints reach."),
    F(subnet, privateEndpointNetworkPolicies, K_WORD, .words = words_endpoint_policies, .def = "Disabled",
      .doc = "Whether security groups and routes apply to private endpoints in the subnet (PE-08)."),
    F(subnet, privateLinkServiceNetworkPolicies, K_WORD, .words = words_enabled, .def = "Disabled",
      .doc = "Must be Disabled for the NAT addresses of a private link service (PE-22)."),
};
const struct table table_subnet = {.what = "subnet",
                                   ROWS(subnet_rows),
                                   .size = sizeof(struct subnet),
                                   .resource = true,
                                   .identity = "name",
                                   PARENT(subnet, vnet),
                                   .finish = finish_subnet};

static const struct field peering_rows[] = {
    F(peering, remoteVirtualNetwork, K_REF, .required = true, .target = &table_vnet,
      .doc = "The network at the other end."),
    F(peering, allowVirtualNetworkAccess, K_BOOL, .def = "true",
      .doc = "Whether the remote network counts as VirtualNetwork."),
    F(peering, allowForwardedTraffic, K_BOOL, .def = "false",
      .doc = "Whether traffic that did not originate in the remote network is taken (P-04)."),
    F(peering, allowGatewayTransit, K_BOOL, .def = "false",
      .doc = "Whether the remote network may use this network's gateway."),
    F(peering, useRemoteGateways, K_BOOL, .def = "false",
      .doc = "Whether this network uses the remote network's gateway."),
    F(peering, localSubnetNames, K_REF, .list = true, .target = &table_subnet,
      .doc = "Subnet peering: the subnets of this network that take part."),
    F(peering, remoteSubnetNames, K_REF, .list = true, .target = &table_subnet,
      .doc = "Subnet peering: the subnets of the remote network that take part."),
};
const struct table table_peering = {.what = "peering",
                                    ROWS(peering_rows),
                                    .size = sizeof(struct peering),
                                    PLACE(peering),
                                    NODE(peering),
                                    .identity = "remoteVirtualNetwork"};

static const struct field vnet_rows[] = {
    NAME(vnet),
    PLACEMENT(vnet),
    F(vnet, addressPrefixes, K_PREFIX, .list = true, .required = true, .doc = "Its address space."),
    F(vnet, dnsServers, K_IP, .list = true,
      .doc = "Custom DNS servers; empty: the platform resolver 168.63.129.16."),
    F(vnet, flowTimeoutInMinutes, K_NUMBER, .min = 4, .max = 30, .doc = "Idle timeout of flows (G-07)."),
    F(vnet, privateEndpointVNetPolicies, K_WORD, .words = words_vnet_policies, .def = "Disabled",
      .doc = "Basic: high-scale private endpoints (R-14)."),
    F(vnet, subnets, K_STRUCT, .list = true, .sub = &table_subnet, .doc = "Its subnets."),
    F(vnet, virtualNetworkPeerings, K_STRUCT, .list = true, .sub = &table_peering,
      .doc = "Peering links that start here; both directions are needed."),
};
const struct table table_vnet = {.what = "virtual network",
                                 ROWS(vnet_rows),
                                 .size = sizeof(struct vnet),
                                 .resource = true,
                                 .top = true,
                                 .identity = "name"};

/* -- interfaces ------------------------------------------------------------------------------------------ */
static const struct field appliance_rows[] = {
    F(appliance, forwards, K_BOOL, .def = "true",
      .doc = "Whether the guest forwards packets that are not its own."),
    F(appliance, snat, K_BOOL, .def = "false",
      .doc = "Whether it translates forwarded flows to its own address."),
    F(appliance, stateful, K_BOOL, .def = "true",
      .doc = "Whether it drops flows whose first packet it did not see."),
    F(appliance, drops, K_PORTS, .list = true, .bare = true,
      .doc = "What its guest drops: tcp/PORT, udp/FIRST-LAST, tcp, udp, icmp."),
};
static const struct table table_appliance = {
    .what = "appliance", ROWS(appliance_rows), .size = sizeof(struct appliance)};

static const struct field nic_rows[] = {
    NAME(nic),
    PLACEMENT(nic),
    F(nic, virtualMachine, K_TEXT, .doc = "The virtual machine that has it."),
    F(nic, powerState, K_WORD, .words = words_power, .def = "running", .doc = "State of that machine."),
    F(nic, subnet, K_REF, .required = true, .target = &table_subnet, .doc = "Where it is: network/subnet."),
    F(nic, privateIPAddress, K_IP, .doc = "Its private address; default: the next free one."),
    F(nic, publicIPAddress, K_REF, .target = &table_public_ip, .doc = "Its public address."),
    F(nic, networkSecurityGroup, K_REF, .target = &table_nsg, .doc = "Security group of the interface."),
    F(nic, applicationSecurityGroups, K_REF, .list = true, .target = &table_asg,
      .doc = "Groups it is a member of."),
    F(nic, enableIPForwarding, K_BOOL, .def = "false",
      .doc = "Whether Azure lets packets through that are not its own."),
    F(nic, listens, K_PORTS, .list = true,
      .doc = "Ports that answer: tcp/PORT, udp/FIRST-LAST; '-icmp': does not answer echo requests."),
    F(nic, mtu, K_NUMBER, .min = 576, .max = 9000, .def = "1500", .doc = "Largest IP packet in bytes."),
    F(nic, proxyProtocol, K_BOOL, .def = "false", .doc = "Whether the listener expects a PROXY v2 header."),
    F(nic, healthStatus, K_NUMBER, .min = 100, .max = 599, .def = "200",
      .doc = "Status that its listeners answer HTTP health probes with (B-10)."),
    F(nic, appliance, K_STRUCT, .sub = &table_appliance, GIVEN(nic, appliance.present),
      .doc = "What the guest does as a network virtual appliance."),
    F(nic, tags, K_PAIRS, .doc = "Resource tags, such as disableSnatOnPL."),
};
const struct table table_nic = {.what = "network interface",
                                ROWS(nic_rows),
                                .size = sizeof(struct nic),
                                .resource = true,
                                .top = true,
                                .thing = true,
                                .identity = "name",
                                .finish = finish_nic};

/* -- routes and rules ------------------------------------------------------------------------------------ */
static const struct field route_rows[] = {
    NAME(route),
    F(route, addressPrefix, K_ROUTE, .required = true, .doc = "Destination: a prefix or a service tag."),
    F(route, nextHopType, K_WORD, .required = true, .words = words_user_nexthop,
      .doc = "Where matching packets go."),
    F(route, nextHopIpAddress, K_IP, .doc = "The appliance's address, with VirtualAppliance only."),
};
static const struct table table_route = {.what = "route",
                                         ROWS(route_rows),
                                         .size = sizeof(struct route),
                                         .resource = true,
                                         .identity = "name",
                                         .finish = finish_route};
static const struct field route_table_rows[] = {
    NAME(route_table),
    PLACEMENT(route_table),
    F(route_table, disableBgpRoutePropagation, K_BOOL, .def = "false",
      .doc = "Keeps the gateway's routes out (Y-10)."),
    F(route_table, routes, K_STRUCT, .list = true, .sub = &table_route, .doc = "Its routes."),
};
const struct table table_route_table = {.what = "route table",
                                        ROWS(route_table_rows),
                                        .size = sizeof(struct route_table),
                                        .resource = true,
                                        .top = true,
                                        .identity = "name"};

static const struct field rule_rows[] = {
    NAME(security_rule),
    F(security_rule, priority, K_NUMBER, .required = true, .min = 100, .max = 4096,
      .doc = "Lower numbers are tried first."),
    F(security_rule, direction, K_WORD, .required = true, .words = words_direction,
      .doc = "Seen from the interface."),
    F(security_rule, access, K_WORD, .required = true, .words = words_access, .doc = "What a match means."),
    F(security_rule, protocol, K_WORD, .required = true, .words = words_rule_protocol,
      .doc = "Protocol, '*' for any."),
    K("sourceAddressPrefix", security_rule, source, K_ADDRESS, .one = true,
      .doc = "'*', a prefix or a service tag; default '*'."),
    K("sourceAddressPrefixes", security_rule, source, K_ADDRESS, .list = true, .doc = "The same, several."),
    F(security_rule, sourceApplicationSecurityGroups, K_REF, .list = true, .target = &table_asg,
      .doc = "Source by membership instead of address."),
    K("sourcePortRange", security_rule, sourcePorts, K_PORT_MATCH, .one = true,
      .doc = "'*', PORT or FIRST-LAST; default '*'."),
    K("sourcePortRanges", security_rule, sourcePorts, K_PORT_MATCH, .list = true,
      .doc = "The same, several."),
    K("destinationAddressPrefix", security_rule, destination, K_ADDRESS, .one = true,
      .doc = "'*', a prefix or a service tag; default '*'."),
    K("destinationAddressPrefixes", security_rule, destination, K_ADDRESS, .list = true,
      .doc = "The same, several."),
    F(security_rule, destinationApplicationSecurityGroups, K_REF, .list = true, .target = &table_asg,
      .doc = "Destination by membership instead of address."),
    K("destinationPortRange", security_rule, destinationPorts, K_PORT_MATCH, .one = true,
      .doc = "'*', PORT or FIRST-LAST; default '*'."),
    K("destinationPortRanges", security_rule, destinationPorts, K_PORT_MATCH, .list = true,
      .doc = "The same, several."),
};
const struct table table_rule = {.what = "security rule",
                                 ROWS(rule_rows),
                                 .size = sizeof(struct security_rule),
                                 .resource = true,
                                 .identity = "name",
                                 .finish = finish_rule};
static const struct field nsg_rows[] = {
    NAME(nsg),
    PLACEMENT(nsg),
    F(nsg, securityRules, K_STRUCT, .list = true, .sub = &table_rule,
      .doc = "Its rules; the defaults of Azure follow them."),
};
const struct table table_nsg = {.what = "network security group",
                                ROWS(nsg_rows),
                                .size = sizeof(struct nsg),
                                .resource = true,
                                .top = true,
                                .identity = "name"};

static const struct field asg_rows[] = {NAME(asg), PLACEMENT(asg)};
const struct table table_asg = {.what = "application security group",
                                ROWS(asg_rows),
                                .size = sizeof(struct asg),
                                .resource = true,
                                .top = true,
                                .identity = "name"};

/* -- public addresses and load balancers ----------------------------------------------------------------- */
static const struct field public_ip_rows[] = {
    NAME(public_ip),
    PLACEMENT(public_ip),
    F(public_ip, ipAddress, K_IP, .doc = "The address; default: one of the region, derived from the name."),
    F(public_ip, sku, K_WORD, .words = words_sku, .def = "Standard",
      .doc = "Standard is closed to inbound traffic without a security group."),
};
const struct table table_public_ip = {.what = "public address",
                                      ROWS(public_ip_rows),
                                      .size = sizeof(struct public_ip),
                                      .resource = true,
                                      .top = true,
                                      .identity = "name",
                                      .finish = finish_public_ip};
static const struct field nat_gateway_rows[] = {
    NAME(nat_gateway),
    PLACEMENT(nat_gateway),
    F(nat_gateway, publicIPAddresses, K_REF, .list = true, .target = &table_public_ip,
      .doc = "Its public addresses."),
    F(nat_gateway, idleTimeoutInMinutes, K_NUMBER, .min = 4, .max = 120, .def = "4",
      .doc = "Idle timeout of TCP flows (O-02)."),
};
const struct table table_nat_gateway = {.what = "NAT gateway",
                                        ROWS(nat_gateway_rows),
                                        .size = sizeof(struct nat_gateway),
                                        .resource = true,
                                        .top = true,
                                        .identity = "name"};

static const struct field frontend_rows[] = {
    NAME(lb_frontend),
    F(lb_frontend, subnet, K_REF, .target = &table_subnet, .doc = "Internal: where its address is."),
    F(lb_frontend, privateIPAddress, K_IP, .doc = "Internal: its address; default: the next free one."),
    F(lb_frontend, publicIPAddress, K_REF, .target = &table_public_ip, .doc = "Public: its address."),
};
const struct table table_frontend = {.what = "load balancer frontend",
                                     ROWS(frontend_rows),
                                     .size = sizeof(struct lb_frontend),
                                     .resource = true,
                                     .identity = "name",
                                     PARENT(lb_frontend, lb),
                                     .finish = finish_frontend};
static const struct field pool_rows[] = {
    NAME(lb_pool),
    F(lb_pool, networkInterfaces, K_REF, .list = true, .target = &table_nic, .doc = "Its members."),
};
const struct table table_pool = {.what = "backend pool",
                                 ROWS(pool_rows),
                                 .size = sizeof(struct lb_pool),
                                 .resource = true,
                                 .identity = "name"};
static const struct field probe_rows[] = {
    NAME(lb_probe),
    F(lb_probe, protocol, K_WORD, .words = words_probe_protocol, .def = "Tcp",
      .doc = "Tcp: the port must accept; Http: it must answer 200; Https is probed as Tcp."),
    F(lb_probe, port, K_NUMBER, .required = true, .min = 1, .doc = "Port that must answer."),
    F(lb_probe, requestPath, K_TEXT, .doc = "Path that Http probes ask for; default: /."),
    F(lb_probe, intervalInSeconds, K_NUMBER, .min = 5, .max = 65535, .def = "5",
      .doc = "Seconds between probes."),
    F(lb_probe, numberOfProbes, K_NUMBER, .min = 1, .max = 100, .def = "2",
      .doc = "Probes in a row that decide."),
};
const struct table table_probe = {.what = "probe",
                                  ROWS(probe_rows),
                                  .size = sizeof(struct lb_probe),
                                  .resource = true,
                                  .identity = "name",
                                  .finish = finish_probe};
static const struct field lb_rule_rows[] = {
    NAME(lb_rule),
    F(lb_rule, frontendIPConfiguration, K_REF, .required = true, .target = &table_frontend,
      .doc = "Frontend of this load balancer."),
    F(lb_rule, backendAddressPool, K_REF, .required = true, .target = &table_pool,
      .doc = "Pool of this load balancer."),
    F(lb_rule, probe, K_REF, .target = &table_probe, .doc = "Probe of this load balancer."),
    F(lb_rule, protocol, K_WORD, .required = true, .words = words_lb_protocol,
      .doc = "All with ports 0: an HA-ports rule (B-02)."),
    F(lb_rule, frontendPort, K_NUMBER, .required = true, .doc = "Port at the frontend."),
    F(lb_rule, backendPort, K_NUMBER, .required = true, .doc = "Port at the members."),
    F(lb_rule, loadDistribution, K_WORD, .words = words_distribution, .def = "Default",
      .doc = "What the choice of a member depends on: all five values, or the addresses (B-05)."),
    F(lb_rule, enableFloatingIP, K_BOOL, .def = "false",
      .doc = "Whether members see the frontend's address as destination."),
    F(lb_rule, enableTcpReset, K_BOOL, .def = "false", .doc = "Whether idle connections are reset (O-08)."),
    F(lb_rule, idleTimeoutInMinutes, K_NUMBER, .min = 4, .max = 100, .def = "4",
      .doc = "Idle timeout (O-08)."),
};
static const struct table table_lb_rule = {.what = "load balancing rule",
                                           ROWS(lb_rule_rows),
                                           .size = sizeof(struct lb_rule),
                                           .resource = true,
                                           .identity = "name",
                                           .finish = finish_lb_rule};
static const struct field nat_rule_rows[] = {
    NAME(lb_nat_rule),
    F(lb_nat_rule, frontendIPConfiguration, K_REF, .required = true, .target = &table_frontend,
      .doc = "Frontend of this load balancer."),
    F(lb_nat_rule, backendIPConfiguration, K_REF, .required = true, .target = &table_nic,
      .doc = "Interface that gets what comes to the port."),
    F(lb_nat_rule, protocol, K_WORD, .required = true, .words = words_nat_protocol, .doc = "Tcp or Udp."),
    F(lb_nat_rule, frontendPort, K_NUMBER, .required = true, .min = 1, .doc = "Port at the frontend."),
    F(lb_nat_rule, backendPort, K_NUMBER, .required = true, .min = 1, .doc = "Port at the interface."),
    F(lb_nat_rule, enableFloatingIP, K_BOOL, .def = "false",
      .doc = "Whether the interface sees the frontend's address as destination."),
    F(lb_nat_rule, enableTcpReset, K_BOOL, .def = "false", .doc = "Whether idle connections are reset (O-08)."),
    F(lb_nat_rule, idleTimeoutInMinutes, K_NUMBER, .min = 4, .max = 30, .def = "4",
      .doc = "Idle timeout (O-08)."),
};
static const struct table table_nat_rule = {.what = "inbound NAT rule",
                                            ROWS(nat_rule_rows),
                                            .size = sizeof(struct lb_nat_rule),
                                            .resource = true,
                                            .identity = "name"};
static const struct field outbound_rows[] = {
    NAME(lb_outbound_rule),
    F(lb_outbound_rule, frontendIPConfiguration, K_REF, .required = true, .target = &table_frontend,
      .doc = "Public frontend."),
    F(lb_outbound_rule, backendAddressPool, K_REF, .required = true, .target = &table_pool,
      .doc = "Pool whose members go out here."),
    F(lb_outbound_rule, allocatedOutboundPorts, K_NUMBER, .max = 64000, .def = "0",
      .doc = "Source ports per member; 0: by pool size (O-05)."),
    F(lb_outbound_rule, idleTimeoutInMinutes, K_NUMBER, .min = 4, .max = 120, .def = "4",
      .doc = "Idle timeout (O-08)."),
    F(lb_outbound_rule, enableTcpReset, K_BOOL, .def = "false",
      .doc = "Whether idle connections are reset (O-08)."),
};
static const struct table table_outbound = {.what = "outbound rule",
                                            ROWS(outbound_rows),
                                            .size = sizeof(struct lb_outbound_rule),
                                            .resource = true,
                                            .identity = "name"};
static const struct field lb_rows[] = {
    NAME(load_balancer),
    PLACEMENT(load_balancer),
    F(load_balancer, sku, K_WORD, .words = words_sku, .def = "Standard",
      .doc = "Private link services need Standard."),
    F(load_balancer, frontendIPConfigurations, K_STRUCT, .list = true, .sub = &table_frontend,
      .doc = "Its frontends."),
    F(load_balancer, backendAddressPools, K_STRUCT, .list = true, .sub = &table_pool, .doc = "Its pools."),
    F(load_balancer, probes, K_STRUCT, .list = true, .sub = &table_probe, .doc = "Its health probes."),
    F(load_balancer, loadBalancingRules, K_STRUCT, .list = true, .sub = &table_lb_rule, .doc = "Its rules."),
    F(load_balancer, inboundNatRules, K_STRUCT, .list = true, .sub = &table_nat_rule,
      .doc = "Frontend ports of single interfaces (B-09)."),
    F(load_balancer, outboundRules, K_STRUCT, .list = true, .sub = &table_outbound,
      .doc = "Source translation for members."),
};
const struct table table_lb = {.what = "load balancer",
                               ROWS(lb_rows),
                               .size = sizeof(struct load_balancer),
                               .resource = true,
                               .top = true,
                               .identity = "name",
                               .finish = finish_lb};
