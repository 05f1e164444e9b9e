/* schema_manage.c - rows of what stands above networks: subscriptions, network managers. */
#include "topology/schema_int.h"

static const struct word words_offer[] = {{"EnterpriseAgreement", OFFER_EA},
                                          {"MCAEnterprise", OFFER_MCA_E},
                                          {"EnterpriseDevTest", OFFER_EA_DEV_TEST},
                                          {"PayAsYouGo", OFFER_PAY_AS_YOU_GO},
                                          {"CSP", OFFER_CSP},
                                          {"MSDN", OFFER_MSDN},
                                          {"FreeTrial", OFFER_FREE_TRIAL},
                                          {"Sponsorship", OFFER_SPONSORSHIP},
                                          {"Other", OFFER_OTHER},
                                          {NULL, 0}}; /* G-15 */

const char *offer_word(enum offer o)
{
    const struct word *w = words_offer;
    while (w->word && w->value != (int)o)
        w++;
    return w->word ? w->word : "";
}

static const struct field subscription_rows[] = {
    NAME(subscription),
    F(subscription, offer, K_WORD, .required = true, .words = words_offer,
      .doc = "What it was bought as: EnterpriseAgreement and MCAEnterprise reach TCP port 25 (G-15)."),
    F(subscription, port25Exempt, K_BOOL, .def = "false",
      .doc = "Whether Microsoft has lifted the block of port 25, as for qualified EnterpriseDevTest."),
};
const struct table table_subscription = {.what = "subscription",
                                         ROWS(subscription_rows),
                                         .size = sizeof(struct subscription),
                                         .resource = true,
                                         .identity = "name"};

/* -- network managers ------------------------------------------------------------------------------------ */
static const struct word words_access[] = {{"Allow", ACCESS_ALLOW},
                                           {"Deny", ACCESS_DENY},
                                           {"AlwaysAllow", ACCESS_ALWAYS_ALLOW},
                                           {NULL, 0}}; /* G-16 */
static const struct word words_protocol[] = {{"Tcp", 6}, {"Udp", 17}, {"Icmp", 1}, {"Esp", 50},
                                             {"Ah", 51}, {"Any", 0},  {NULL, 0}};
static const struct word words_address_type[] = {
    {"IPPrefix", ADDRESS_TYPE_PREFIX}, {"ServiceTag", ADDRESS_TYPE_TAG}, {NULL, 0}};

static const struct field group_rows[] = {
    NAME(network_group),
    F(network_group, staticMembers, K_REF, .list = true, .target = &table_vnet,
      .doc = "Virtual networks in it."),
};
const struct table table_network_group = {.what = "network group",
                                          ROWS(group_rows),
                                          .size = sizeof(struct network_group),
                                          .resource = true,
                                          .identity = "name"};
static const struct field group_use_rows[] = {
    F(group_use, networkGroup, K_REF, .required = true, .target = &table_network_group,
      .doc = "Network group of the same manager."),
};
static const struct table table_group_use = {.what = "use of a network group",
                                             ROWS(group_use_rows),
                                             .size = sizeof(struct group_use),
                                             PLACE(group_use),
                                             .identity = "networkGroup"};

static const struct field admin_address_rows[] = {
    F(admin_address, addressPrefix, K_ADDRESS, .required = true, .doc = "'*', a prefix or a service tag."),
    F(admin_address, addressPrefixType, K_WORD, .words = words_address_type,
      .doc = "IPPrefix or ServiceTag; default: what the prefix looks like."),
};
static const struct table table_admin_address = {.what = "address of an admin rule",
                                                 ROWS(admin_address_rows),
                                                 .size = sizeof(struct admin_address),
                                                 .finish = finish_admin_address};

static const struct field admin_rule_rows[] = {
    K("name", admin_rule, rule.name, K_NAME, .required = true, .doc = "The name that results show."),
    K("priority", admin_rule, rule.priority, K_NUMBER, .required = true, .min = 1, .max = 4096,
      .doc = "Lower numbers are tried first."),
    K("direction", admin_rule, rule.direction, K_WORD, .required = true, .words = words_direction,
      .doc = "Seen from the interface."),
    K("access", admin_rule, rule.access, K_WORD, .required = true, .words = words_access,
      .doc = "Deny and AlwaysAllow end here, after Allow the security groups decide (G-16)."),
    K("protocol", admin_rule, rule.protocol, K_WORD, .required = true, .words = words_protocol,
      .doc = "Tcp, Udp, Icmp, Esp, Ah or Any."),
    F(admin_rule, sources, K_STRUCT, .list = true, .sub = &table_admin_address,
      .doc = "Sources; default: any."),
    F(admin_rule, destinations, K_STRUCT, .list = true, .sub = &table_admin_address,
      .doc = "Destinations; default: any."),
    K("sourcePortRanges", admin_rule, rule.sourcePorts, K_PORT_MATCH, .list = true,
      .doc = "'*', PORT or FIRST-LAST; default: any."),
    K("destinationPortRanges", admin_rule, rule.destinationPorts, K_PORT_MATCH, .list = true,
      .doc = "'*', PORT or FIRST-LAST; default: any."),
};
static const struct table table_admin_rule = {.what = "security admin rule",
                                              ROWS(admin_rule_rows),
                                              .size = sizeof(struct admin_rule),
                                              .resource = true,
                                              .identity = "name",
                                              PARENT(admin_rule, collection),
                                              .finish = finish_admin_rule};
static const struct field collection_rows[] = {
    NAME(admin_collection),
    F(admin_collection, appliesToGroups, K_STRUCT, .list = true, .required = true, .sub = &table_group_use,
      .doc = "Network groups whose networks have these rules."),
    F(admin_collection, rules, K_STRUCT, .list = true, .sub = &table_admin_rule, .doc = "Its rules."),
};
static const struct table table_collection = {.what = "rule collection",
                                              ROWS(collection_rows),
                                              .size = sizeof(struct admin_collection),
                                              .resource = true,
                                              .identity = "name",
                                              PARENT(admin_collection, config)};
static const struct field admin_config_rows[] = {
    NAME(admin_config),
    F(admin_config, ruleCollections, K_STRUCT, .list = true, .sub = &table_collection,
      .doc = "Its rules, by the groups that they apply to."),
};
static const struct table table_admin_config = {.what = "security admin configuration",
                                                ROWS(admin_config_rows),
                                                .size = sizeof(struct admin_config),
                                                .resource = true,
                                                .identity = "name",
                                                PARENT(admin_config, manager)};

static const struct word words_topology[] = {
    {"Mesh", TOPOLOGY_MESH}, {"HubAndSpoke", TOPOLOGY_HUB_AND_SPOKE}, {NULL, 0}};
static const struct word words_group_connectivity[] = {
    {"None", GROUP_NONE}, {"DirectlyConnected", GROUP_DIRECTLY_CONNECTED}, {NULL, 0}};
static const struct word words_overlap[] = {{"Allowed", true}, {"Disallowed", false}, {NULL, 0}};
static const struct word words_scale[] = {{"Standard", false}, {"HighScale", true}, {NULL, 0}};

static const struct field connectivity_group_rows[] = {
    F(connectivity_group, networkGroup, K_REF, .required = true, .target = &table_network_group,
      .doc = "Network group of the same manager."),
    F(connectivity_group, groupConnectivity, K_WORD, .words = words_group_connectivity, .def = "None",
      .doc = "HubAndSpoke: DirectlyConnected joins its spokes as a mesh does."),
    F(connectivity_group, isGlobal, K_BOOL, .def = "false", .doc = "Whether that joins regions, too."),
    F(connectivity_group, useHubGateway, K_BOOL, .def = "false",
      .doc = "HubAndSpoke: whether its spokes use the hub's gateway (P-05)."),
};
static const struct table table_connectivity_group = {
    .what = "use of a network group in a connectivity configuration",
    ROWS(connectivity_group_rows),
    .size = sizeof(struct connectivity_group),
    PLACE(connectivity_group),
    .identity = "networkGroup"};
static const struct field capability_rows[] = {
    F(connectivity_capabilities, connectedGroupAddressOverlap, K_WORD, .words = words_overlap,
      .def = "Allowed", .doc = "Disallowed: networks of a mesh may not overlap."),
    F(connectivity_capabilities, connectedGroupPrivateEndpointsScale, K_WORD, .words = words_scale,
      .def = "Standard",
      .doc = "HighScale: more private endpoints, for networks with privateEndpointVNetPolicies Basic."),
};
static const struct table table_capabilities = {.what = "map of connectivity capabilities",
                                                ROWS(capability_rows),
                                                .size = sizeof(struct connectivity_capabilities)};
static const struct field connectivity_rows[] = {
    NAME(connectivity_config),
    F(connectivity_config, connectivityTopology, K_WORD, .required = true, .words = words_topology,
      .doc = "Mesh: a connected group (Y-20); HubAndSpoke: peerings."),
    F(connectivity_config, appliesToGroups, K_STRUCT, .list = true, .required = true,
      .sub = &table_connectivity_group,
      .doc = "Network groups that it connects; of HubAndSpoke: the spokes."),
    F(connectivity_config, hubs, K_REF, .list = true, .target = &table_vnet,
      .doc = "HubAndSpoke: the virtual network that is the hub."),
    F(connectivity_config, isGlobal, K_BOOL, .def = "false",
      .doc = "Whether a mesh joins networks of different regions."),
    F(connectivity_config, deleteExistingPeering, K_BOOL, .def = "false",
      .doc = "Whether other peerings between its networks are removed."),
    F(connectivity_config, connectivityCapabilities, K_STRUCT, .sub = &table_capabilities,
      .doc = "What its connected groups may hold."),
};
static const struct table table_connectivity = {.what = "connectivity configuration",
                                                ROWS(connectivity_rows),
                                                .size = sizeof(struct connectivity_config),
                                                .resource = true,
                                                .identity = "name",
                                                PARENT(connectivity_config, manager),
                                                .finish = finish_connectivity};

static const struct field manager_rows[] = {
    NAME(network_manager),
    PLACEMENT(network_manager),
    F(network_manager, networkGroups, K_STRUCT, .list = true, .sub = &table_network_group,
      .doc = "Groups of virtual networks."),
    F(network_manager, connectivityConfigurations, K_STRUCT, .list = true, .sub = &table_connectivity,
      .doc = "Meshes, hubs and spokes of those groups (Y-20)."),
    F(network_manager, securityAdminConfigurations, K_STRUCT, .list = true, .sub = &table_admin_config,
      .doc = "Security admin rules, which come before security groups (G-16)."),
};
const struct table table_network_manager = {.what = "network manager",
                                            ROWS(manager_rows),
                                            .size = sizeof(struct network_manager),
                                            .resource = true,
                                            .top = true,
                                            .identity = "name"};
