/* schema_svc.c - rows of services, private endpoints and links, zones, gateways, other networks, DNS servers.
 */
#include "topology/schema_int.h"

static const struct word words_acl_action[] = {{"Allow", ACCESS_ALLOW}, {"Deny", ACCESS_DENY}, {NULL, 0}};
static const struct word words_status[] = {{"Approved", PE_APPROVED},
                                           {"Pending", PE_PENDING},
                                           {"Rejected", PE_REJECTED},
                                           {"Disconnected", PE_DISCONNECTED},
                                           {NULL, 0}};
static const struct word words_resolution[] = {
    {"Default", RESOLVE_DEFAULT}, {"NxDomainRedirect", RESOLVE_NXDOMAIN_REDIRECT}, {NULL, 0}};
static const struct word words_record[] = {
    {"A", RECORD_A},   {"AAAA", RECORD_AAAA}, {"CNAME", RECORD_CNAME}, {"TXT", RECORD_TXT},
    {"MX", RECORD_MX}, {"PTR", RECORD_PTR},   {"SRV", RECORD_SRV},     {NULL, 0}};
static const struct word words_gateway[] = {
    {"Vpn", GATEWAY_VPN}, {"ExpressRoute", GATEWAY_EXPRESSROUTE}, {NULL, 0}};

/* -- services -------------------------------------------------------------------------------------------- */
static const struct field acl_rows[] = {
    F(network_acls, defaultAction, K_WORD, .words = words_acl_action, .def = "Allow",
      .doc = "What happens to callers that no rule names."),
    F(network_acls, bypass, K_TEXT, .list = true, .def = "AzureServices",
      .doc = "Who passes regardless: AzureServices, None."),
    F(network_acls, ipRules, K_PREFIX, .list = true, .doc = "Public addresses that are allowed."),
    F(network_acls, virtualNetworkRules, K_REF, .list = true, .target = &table_subnet,
      .doc = "Subnets that are allowed through a service endpoint."),
};
static const struct table table_acls = {
    .what = "service firewall", ROWS(acl_rows), .size = sizeof(struct network_acls)};

static const struct field service_rows[] = {
    NAME(service),
    F(service, type, K_TEXT, .required = true,
      .doc = "Resource type, such as Microsoft.Storage/storageAccounts."),
    PLACEMENT(service),
    F(service, publicIPAddress, K_IP,
      .doc = "Its public address; default: one of the service's tag in its region."),
    F(service, replicas, K_REGION, .list = true, .doc = "Further regions it is replicated to."),
    F(service, publicNetworkAccess, K_WORD, .words = words_enabled, .def = "Enabled",
      .doc = "Disabled: private endpoints only."),
    F(service, networkAcls, K_STRUCT, .sub = &table_acls, GIVEN(service, networkAcls.present),
      .doc = "Its firewall."),
    F(service, trustedService, K_BOOL, .def = "false",
      .doc = "Whether it counts as a trusted service when it is the caller."),
    F(service, fqdns, K_TEXT, .list = true,
      .doc = "Its names, where the naming rule of its type is not enough."),
    F(service, listens, K_PORTS, .list = true, GIVEN(service, listens_given),
      .doc = "Ports that answer; absent: every TCP port; []: none."),
    F(service, sku, K_TEXT, .doc = "Its tier."),
};
const struct table table_service = {.what = "service",
                                    ROWS(service_rows),
                                    .size = sizeof(struct service),
                                    .resource = true,
                                    .top = true,
                                    .thing = true,
                                    .identity = "name",
                                    .finish = finish_service};

static const struct field pls_rows[] = {
    NAME(pls),
    PLACEMENT(pls),
    F(pls, loadBalancerFrontend, K_REF, .required = true, .target = &table_frontend,
      .doc = "What it publishes: balancer/frontend."),
    F(pls, natIPs, K_IP, .list = true,
      .doc = "Source addresses that the backends see; default: one, the next free."),
    F(pls, subnet, K_REF, .required = true, .target = &table_subnet, .doc = "Where those are."),
    F(pls, enableProxyProtocol, K_BOOL, .def = "false",
      .doc = "Whether connections begin with a PROXY v2 header (PE-23)."),
    F(pls, alias, K_TEXT, .doc = "Its alias; default: derived, shown in results.json."),
    F(pls, visibility, K_TEXT, .list = true, .doc = "Subscriptions that see it, '*' for all."),
    F(pls, autoApproval, K_TEXT, .list = true,
      .doc = "Subscriptions whose connections are approved at once."),
};
const struct table table_pls = {.what = "private link service",
                                ROWS(pls_rows),
                                .size = sizeof(struct pls),
                                .resource = true,
                                .top = true,
                                .identity = "name",
                                .finish = finish_pls};

/* -- private endpoints ----------------------------------------------------------------------------------- */
static const struct field pe_ip_rows[] = {
    F(pe_ip, memberName, K_TEXT, .doc = "Which member; may be left out where the group has one."),
    F(pe_ip, privateIPAddress, K_IP, .required = true, .doc = "Its address."),
};
const struct table table_pe_ip = {.what = "IP configuration",
                                  ROWS(pe_ip_rows),
                                  .size = sizeof(struct pe_ip),
                                  PLACE(pe_ip),
                                  .identity = "memberName",
                                  .finish = finish_pe_ip};
static const struct field endpoint_rows[] = {
    NAME(private_endpoint),
    PLACEMENT(private_endpoint),
    F(private_endpoint, subnet, K_REF, .required = true, .target = &table_subnet,
      .doc = "Where its addresses are."),
    F(private_endpoint, service, K_TARGET, .required = true,
      .doc = "A service, a private link service, or the alias of one."),
    F(private_endpoint, groupIds, K_TEXT, .list = true, .doc = "Sub-resource, such as blob (A-16)."),
    F(private_endpoint, manualRequest, K_BOOL, .def = "false", .doc = "Whether the owner must approve it."),
    F(private_endpoint, status, K_WORD, .words = words_status,
      .doc = "State of the connection; default by the approval rules (PE-03)."),
    F(private_endpoint, ipConfigurations, K_STRUCT, .list = true, .sub = &table_pe_ip,
      .doc = "Addresses; members not named get the next free."),
    F(private_endpoint, privateDnsZoneGroup, K_REF, .list = true, .target = &table_zone,
      .doc = "Zones that get its records."),
    F(private_endpoint, applicationSecurityGroups, K_REF, .list = true, .target = &table_asg,
      .doc = "Groups it is a member of."),
    F(private_endpoint, linkIdentifier, K_NUMBER, .max = UINT32_MAX,
      .doc = "LINKID of the PROXY header; default: derived, shown in results.json."),
};
const struct table table_endpoint = {.what = "private endpoint",
                                     ROWS(endpoint_rows),
                                     .size = sizeof(struct private_endpoint),
                                     .resource = true,
                                     .top = true,
                                     .thing = true,
                                     .identity = "name",
                                     .finish = finish_endpoint};

/* -- names ----------------------------------------------------------------------------------------------- */
static const struct field zone_link_rows[] = {
    F(zone_link, virtualNetwork, K_REF, .required = true, .target = &table_vnet,
      .doc = "Network that sees the zone."),
    F(zone_link, registrationEnabled, K_BOOL, .def = "false",
      .doc = "Whether its machines are registered in the zone."),
    F(zone_link, resolutionPolicy, K_WORD, .words = words_resolution, .def = "Default",
      .doc = "NxDomainRedirect: names that the zone does not hold are asked publicly (N-05)."),
};
const struct table table_zone_link = {.what = "virtual network link",
                                      ROWS(zone_link_rows),
                                      .size = sizeof(struct zone_link),
                                      PLACE(zone_link),
                                      .identity = "virtualNetwork"};
static const struct field record_rows[] = {
    F(dns_record_spec, name, K_NAME, .required = true,
      .doc = "Name within the zone, '@' for the zone itself."),
    F(dns_record_spec, type, K_WORD, .words = words_record, .def = "A", .doc = "Record type."),
    F(dns_record_spec, ttl, K_NUMBER, .max = 2147483647, .def = "300", .doc = "Seconds."),
    F(dns_record_spec, values, K_TEXT, .list = true, .required = true,
      .doc = "Its data, one text per record."),
};
const struct table table_record = {.what = "record",
                                   ROWS(record_rows),
                                   .size = sizeof(struct dns_record_spec),
                                   .resource = true,
                                   .repeats = true,
                                   .identity = "name",
                                   .finish = finish_record};
static const struct field zone_rows[] = {
    NAME(private_zone),
    PLACEMENT(private_zone),
    F(private_zone, zoneName, K_TEXT,
      .doc = "DNS name, where two zones of one name exist; default: the name."),
    F(private_zone, virtualNetworkLinks, K_STRUCT, .list = true, .sub = &table_zone_link,
      .doc = "Networks that see it."),
    F(private_zone, records, K_STRUCT, .list = true, .sub = &table_record,
      .doc = "Records besides those of zone groups."),
};
const struct table table_zone = {.what = "private DNS zone",
                                 ROWS(zone_rows),
                                 .size = sizeof(struct private_zone),
                                 .resource = true,
                                 .top = true,
                                 .identity = "name",
                                 .finish = finish_zone};

static const struct field definition_rows[] = {
    F(se_policy_definition, service, K_TEXT, .required = true,
      .doc = "Namespace, such as Microsoft.Storage."),
    F(se_policy_definition, serviceResources, K_TEXT, .list = true, .required = true,
      .doc = "What may be reached: services, resource groups, subscriptions."),
};
static const struct table table_definition = {.what = "policy definition",
                                              ROWS(definition_rows),
                                              .size = sizeof(struct se_policy_definition),
                                              PLACE(se_policy_definition),
                                              .repeats = true,
                                              .identity = "service"};
static const struct field policy_rows[] = {
    NAME(se_policy),
    PLACEMENT(se_policy),
    F(se_policy, definitions, K_STRUCT, .list = true, .sub = &table_definition, .doc = "What it allows."),
};
const struct table table_policy = {.what = "service endpoint policy",
                                   ROWS(policy_rows),
                                   .size = sizeof(struct se_policy),
                                   .resource = true,
                                   .top = true,
                                   .identity = "name"};

/* -- gateways and other networks ------------------------------------------------------------------------- */
static const struct field connection_rows[] = {
    F(gateway_connection, onPremisesNetwork, K_REF, .required = true, .target = &table_onprem,
      .doc = "Which connection."),
    F(gateway_connection, routingWeight, K_NUMBER, .max = 32000, .def = "0",
      .doc = "Of equal prefixes the connection with the higher weight wins (R-27)."),
    F(gateway_connection, asPathLength, K_NUMBER, .max = 255, .def = "1",
      .doc = "Networks on the way that the site announces; with equal weight the shorter way wins (R-27)."),
};
static const struct table table_connection = {.what = "connection",
                                              ROWS(connection_rows),
                                              .size = sizeof(struct gateway_connection),
                                              PLACE(gateway_connection),
                                              .identity = "onPremisesNetwork"};
static const struct field gateway_rows[] = {
    NAME(gateway),
    PLACEMENT(gateway),
    F(gateway, virtualNetwork, K_REF, .required = true, .target = &table_vnet,
      .doc = "Network with a GatewaySubnet."),
    F(gateway, type, K_WORD, .words = words_gateway, .def = "Vpn", .doc = "Vpn or ExpressRoute."),
    F(gateway, activeActive, K_BOOL, .def = "false", .doc = "Two instances instead of one (Y-11)."),
    F(gateway, publicIPAddress, K_REF, .target = &table_public_ip, .doc = "Its public address."),
    F(gateway, connections, K_REF, .list = true, .target = &table_onprem,
      .doc = "On-premises networks behind it."),
    F(gateway, connectionProperties, K_STRUCT, .list = true, .sub = &table_connection,
      .doc = "Weight and path length of connections."),
};
const struct table table_gateway = {.what = "virtual network gateway",
                                    ROWS(gateway_rows),
                                    .size = sizeof(struct gateway),
                                    .resource = true,
                                    .top = true,
                                    .identity = "name",
                                    .finish = finish_gateway};
static const struct field forwarder_rows[] = {
    F(dns_forwarder, zone, K_TEXT, .required = true, .doc = "Names that are forwarded."),
    F(dns_forwarder, server, K_IP, .required = true, .doc = "Where to."),
};
static const struct table table_forwarder = {.what = "DNS forwarder",
                                             ROWS(forwarder_rows),
                                             .size = sizeof(struct dns_forwarder),
                                             PLACE(dns_forwarder),
                                             .identity = "zone"};
static const struct field host_rows[] = {
    NAME(onprem_host),
    F(onprem_host, ipAddress, K_IP, .required = true, .doc = "Its address."),
    F(onprem_host, listens, K_PORTS, .list = true, .doc = "Ports that answer."),
};
const struct table table_onprem_host = {.what = "on-premises host",
                                        ROWS(host_rows),
                                        .size = sizeof(struct onprem_host),
                                        .resource = true,
                                        .thing = true,
                                        .identity = "name",
                                        PARENT(onprem_host, network)};
static const struct field onprem_rows[] = {
    NAME(onprem),
    PLACEMENT(onprem),
    F(onprem, addressPrefixes, K_PREFIX, .list = true, .required = true, .doc = "Prefixes it advertises."),
    F(onprem, bgp, K_BOOL, .def = "true", .doc = "false: known by a local network gateway instead."),
    F(onprem, natIPs, K_IP, .list = true, .doc = "Public sources of its Internet traffic."),
    F(onprem, dnsForwarders, K_STRUCT, .list = true, .sub = &table_forwarder,
      .doc = "Conditional forwarders of its resolver."),
    F(onprem, hosts, K_STRUCT, .list = true, .sub = &table_onprem_host, .doc = "Its hosts."),
};
const struct table table_onprem = {.what = "on-premises network",
                                   ROWS(onprem_rows),
                                   .size = sizeof(struct onprem),
                                   .resource = true,
                                   .top = true,
                                   .identity = "name"};
static const struct field internet_rows[] = {
    NAME(internet_host),
    F(internet_host, ipAddress, K_IP, .required = true, .doc = "Its public address."),
    F(internet_host, names, K_TEXT, .list = true, .doc = "Its DNS names."),
    F(internet_host, listens, K_PORTS, .list = true, .doc = "Ports that answer."),
};
const struct table table_internet_host = {.what = "Internet host",
                                          ROWS(internet_rows),
                                          .size = sizeof(struct internet_host),
                                          .resource = true,
                                          .thing = true,
                                          .identity = "name"};
static const struct field dns_rows[] = {
    NAME(dns_server),
    F(dns_server, networkInterface, K_REF, .required = true, .target = &table_nic, .doc = "Where it runs."),
    F(dns_server, forwarder, K_IP, .doc = "Where it forwards what it does not know, such as 168.63.129.16."),
    F(dns_server, zones, K_REF, .list = true, .target = &table_zone, .doc = "Zones it holds itself."),
};
const struct table table_dns_server = {.what = "DNS server",
                                       ROWS(dns_rows),
                                       .size = sizeof(struct dns_server),
                                       .resource = true,
                                       .identity = "name"};
