/* test_connected.c - what network managers connect (Y-20): meshes, hubs and spokes; rows, tags, packets. */
#include "tests/support_model.h"
#include "tests/support_prop.h"
#include "tests/support_story.h"
#include "tests/support_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "topology/connected.h"
#include "topology/routes.h"
#include "topology/tagspace.h"
#include "topology/watcher.h"

/* Networks a, b, c in West Europe and far in East US, each with one subnet s. */
#define NET(name, prefix, subnet, more)                                                                      \
    "  - {name: " name ", addressPrefixes: [" prefix "], subnets: [{name: s, addressPrefix: " subnet "}]" more "}\n"
#define FOUR                                                                                                 \
    "virtualNetworks:\n" NET("a", "10.1.0.0/16", "10.1.1.0/24", "") NET("b", "10.2.0.0/16", "10.2.1.0/24", "") \
        NET("c", "10.3.0.0/16", "10.3.1.0/24", "") NET("far", "10.4.0.0/16", "10.4.1.0/24", ", location: eastus")
#define MESH(members, more)                                                                                  \
    "networkManagers: [{name: corp, networkGroups: [{name: g, staticMembers: [" members "]}],\n"             \
    "  connectivityConfigurations: [{name: mesh, connectivityTopology: Mesh, appliesToGroups: [{networkGroup: g}]" more "}]}]\n"

static struct loaded l;

static void load(const char *text)
{
    l = load_checked(text);
    cr_assert_not_null(l.m, "%s", loaded_findings(&l));
}

/* "10.2.0.0/16 ConnectedGroup b" for each row that is neither the network's own, Internet nor None; '!' before what is
 * Invalid, '-' before what drops. */
static const char *rows(const char *subnet)
{
    const struct eff_table *t = routes_effective(l.a, l.m, model_subnet(l.m, subnet));
    const char *all = "";
    char p[PREFIX4_STRLEN];
    for (size_t i = 0; i < t->n; i++) {
        const struct eff_route *r = &t->row[i];
        if (r->source == ROUTE_DEFAULT && !r->remote && !r->endpoint)
            continue;
        all = arena_printf(l.a, "%s%s%s%s %s%s%s", all, *all ? ", " : "",
                           r->state == ROUTE_INVALID ? "!" : r->drop ? "-" : "", prefix4_format(r->prefix[0], p),
                           nexthop_type_word(r->type), r->remote ? " " : "", r->remote ? r->remote->name : "");
    }
    return all;
}

static void are(const char *subnet, const char *want)
{
    cr_expect_str_eq(rows(subnet), want, "%s:\ngot  %s\nwant %s", subnet, rows(subnet), want);
}

static void same(const char *got, const char *want)
{
    cr_expect_str_eq(got, want, "\ngot  %s\nwant %s", got, want);
}

/* -- rows ------------------------------------------------------------------------------------------------ */

Test(connected, Y20_a_row_for_each_other_member_of_the_region)
{
    load(FOUR MESH("a, b, far", ""));
    are("a/s", "10.2.0.0/16 ConnectedGroup b");
    are("b/s", "10.1.0.0/16 ConnectedGroup a");
    are("c/s", "");
    are("far/s", "");
    cr_expect_eq(l.d->warnings, 0, "%s", loaded_findings(&l));
    loaded_free(&l);
}

Test(connected, Y20_global_mesh)
{
    load(FOUR MESH("a, b, far", ", isGlobal: true"));
    are("a/s", "10.2.0.0/16 ConnectedGroup b, 10.4.0.0/16 ConnectedGroup far");
    are("far/s", "10.1.0.0/16 ConnectedGroup a, 10.2.0.0/16 ConnectedGroup b");
    const struct eff_table *t = routes_effective(l.a, l.m, model_subnet(l.m, "a/s"));
    const struct eff_route *r = routes_select(t, lab_ip("10.4.1.9"), NULL);
    cr_assert_eq(r->source, ROUTE_DEFAULT);
    cr_assert_eq(r->drop, REASON_NONE);
    cr_assert_null(r->peering);
    cr_assert_str_eq(r->connected->config->name, "mesh");
    cr_assert_gt(r->origin.line, 0);
    loaded_free(&l);
}

/* Several groups of one configuration form one mesh; two regions are two connected groups of it. */
Test(connected, Y20_groups_of_a_configuration_are_joined)
{
    load("virtualNetworks:\n" NET("a", "10.1.0.0/16", "10.1.1.0/24", "") NET("b", "10.2.0.0/16", "10.2.1.0/24", "")
             NET("x", "10.3.0.0/16", "10.3.1.0/24", ", location: eastus") NET("y", "10.4.0.0/16", "10.4.1.0/24", ", location: eastus")
         "networkManagers: [{name: corp, networkGroups: [{name: g, staticMembers: [a, x]}, {name: h, staticMembers: [b, y, a]}],\n"
         "  connectivityConfigurations: [{name: mesh, connectivityTopology: Mesh,\n"
         "    appliesToGroups: [{networkGroup: g}, {networkGroup: h}]}]}]\n");
    cr_assert_eq(l.m->connectedGroups.n, 2);
    are("a/s", "10.2.0.0/16 ConnectedGroup b");
    are("b/s", "10.1.0.0/16 ConnectedGroup a");
    are("x/s", "10.4.0.0/16 ConnectedGroup y");
    loaded_free(&l);
}

/* A peering's rows come first; the mesh's stand by as Invalid, and take over when the peering is gone. */
Test(connected, Y20_R02_peering_before_mesh)
{
    load("virtualNetworks:\n" NET("a", "10.1.0.0/16", "10.1.1.0/24", ", virtualNetworkPeerings: [{remoteVirtualNetwork: b}]")
             NET("b", "10.2.0.0/16", "10.2.1.0/24", ", virtualNetworkPeerings: [{remoteVirtualNetwork: a}]") MESH("a, b", ""));
    are("a/s", "10.2.0.0/16 VNetPeering b, !10.2.0.0/16 ConnectedGroup b");
    const struct eff_table *t = routes_effective(l.a, l.m, model_subnet(l.m, "a/s"));
    struct route_candidate *c;
    const size_t n = routes_candidates(l.a, t, lab_ip("10.2.1.4"), &c);
    cr_assert_geq(n, 2);
    cr_assert(c[0].wins);
    same(c[1].why, "the peering row of b has the same prefix, and of system routes the first listed stays (R-02)");
    loaded_free(&l);
}

/* User routes win as over a peering: by equal prefix, or by a longer one; not by a shorter one. */
Test(connected, Y20_R01_R02_user_routes)
{
    load("virtualNetworks:\n"
         "  - {name: a, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24, routeTable: rt}]}\n"
         NET("b", "10.2.0.0/16", "10.2.1.0/24", "") NET("c", "10.3.0.0/16", "10.3.1.0/24", "")
         "networkInterfaces: [{name: nva, subnet: b/s, privateIPAddress: 10.2.1.9}]\n"
         "routeTables: [{name: rt, routes: [\n"
         "  {name: same, addressPrefix: 10.3.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: 10.2.1.9},\n"
         "  {name: longer, addressPrefix: 10.2.7.0/24, nextHopType: None},\n"
         "  {name: shorter, addressPrefix: 10.0.0.0/8, nextHopType: None}]}]\n" MESH("a, b, c", ""));
    are("a/s", "10.2.0.0/16 ConnectedGroup b, !10.3.0.0/16 ConnectedGroup c, 10.3.0.0/16 VirtualAppliance b, "
               "-10.2.7.0/24 None, -10.0.0.0/8 None");
    const struct eff_table *t = routes_effective(l.a, l.m, model_subnet(l.m, "a/s"));
    const struct eff_route *r = routes_select(t, lab_ip("10.3.1.4"), NULL);
    same(r->name, "same");
    cr_assert_str_eq(r->appliance->name, "nva"); /* one connected group away */
    cr_assert_eq(r->drop, REASON_NONE);
    same(routes_select(t, lab_ip("10.2.7.4"), NULL)->name, "longer");
    cr_assert_eq(routes_select(t, lab_ip("10.2.1.4"), NULL)->type, NH_TYPE_CONNECTED_GROUP);
    loaded_free(&l);
}

/* what a gateway learns does not pull the mesh's addresses away; and a mesh carries no gateway's routes. */
Test(connected, Y20_R04_gateways)
{
    load("virtualNetworks:\n"
         "  - {name: a, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24},\n"
         "      {name: GatewaySubnet, addressPrefix: 10.1.255.0/27}]}\n"
         NET("b", "10.2.0.0/16", "10.2.1.0/24", "")
         "virtualNetworkGateways: [{name: gw, virtualNetwork: a, connections: [hq]}]\n"
         "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16, 10.2.1.0/24]}]\n" MESH("a, b", ""));
    are("a/s", "10.2.0.0/16 ConnectedGroup b, 192.168.0.0/16 VirtualNetworkGateway, 10.2.1.0/24 VirtualNetworkGateway");
    are("a/GatewaySubnet", "10.2.0.0/16 ConnectedGroup b, 192.168.0.0/16 VirtualNetworkGateway, 10.2.1.0/24 VirtualNetworkGateway");
    are("b/s", "10.1.0.0/16 ConnectedGroup a");
    const struct eff_table *t = routes_effective(l.a, l.m, model_subnet(l.m, "a/s"));
    cr_assert_eq(routes_select(t, lab_ip("10.2.1.4"), NULL)->type, NH_TYPE_CONNECTED_GROUP);
    loaded_free(&l);
}

/* -- overlap --------------------------------------------------------------------------------------------- */

Test(connected, Y20_overlapping_space_is_taken_out)
{
    load("virtualNetworks:\n" NET("a", "10.1.0.0/16", "10.1.1.0/24", "") NET("b", "10.2.0.0/16, 10.9.0.0/24", "10.2.1.0/24", "")
             NET("c", "10.2.0.0/17, 10.3.0.0/16", "10.3.1.0/24", "") NET("d", "10.9.0.0/24", "10.9.0.0/25", "")
         MESH("a, b, c, d", ""));
    are("a/s", "10.2.128.0/17 ConnectedGroup b, 10.3.0.0/16 ConnectedGroup c");
    are("b/s", "10.1.0.0/16 ConnectedGroup a, 10.3.0.0/16 ConnectedGroup c");
    are("c/s", "10.1.0.0/16 ConnectedGroup a, 10.2.128.0/17 ConnectedGroup b");
    are("d/s", "10.1.0.0/16 ConnectedGroup a, 10.2.128.0/17 ConnectedGroup b, 10.3.0.0/16 ConnectedGroup c");
    same(loaded_findings(&l),
         "8:32: warning: 'b' and 'c' overlap in 10.2.0.0/17: the connected group of 'mesh' carries nothing to those addresses "
         "(Y-20)\n"
         "8:32: warning: 'b' and 'd' overlap in 10.9.0.0/24: the connected group of 'mesh' carries nothing to those addresses "
         "(Y-20)\n");
    loaded_free(&l);
}

/* A peer outside takes its addresses out of the group; its own member still reaches it. */
Test(connected, Y20_overlap_with_an_outside_peer)
{
    load("virtualNetworks:\n" NET("a", "10.1.0.0/16", "10.1.1.0/24", ", virtualNetworkPeerings: [{remoteVirtualNetwork: out}]")
             NET("b", "10.2.0.0/16", "10.2.1.0/24", "") NET("c", "10.3.0.0/16", "10.3.1.0/24", "")
             NET("out", "10.2.0.0/17", "10.2.1.0/24", ", virtualNetworkPeerings: [{remoteVirtualNetwork: a}]") MESH("a, b, c", ""));
    are("a/s", "10.2.0.0/17 VNetPeering out, 10.2.128.0/17 ConnectedGroup b, 10.3.0.0/16 ConnectedGroup c");
    are("c/s", "10.1.0.0/16 ConnectedGroup a, 10.2.128.0/17 ConnectedGroup b");
    same(loaded_findings(&l), "3:122: warning: 'out', peered with 'a', overlaps 'b' in 10.2.0.0/17: the connected group of "
                              "'mesh' carries nothing to those addresses (Y-20)\n");
    loaded_free(&l);
}

Test(connected, Y20_overlap_may_be_disallowed)
{
    struct arena *a = arena_new("test");
    same(story_findings(a, "virtualNetworks:\n" NET("a", "10.1.0.0/16", "10.1.1.0/24", "") NET("b", "10.1.128.0/17", "10.1.129.0/24", "")
                               MESH("a, b", ", connectivityCapabilities: {connectedGroupAddressOverlap: Disallowed}")),
         "t:6:32: error: 'a' and 'b' overlap in 10.1.128.0/17, which the connected group of 'mesh' does not allow (Y-20)\n");
    arena_free(a);
}

/* Why a mesh does not lead where one might think it does. */
Test(connected, Y20_what_a_mesh_leaves_out_is_told)
{
    load("virtualNetworks:\n" NET("a", "10.1.0.0/16", "10.1.1.0/24", "")
             NET("b", "10.2.0.0/16", "10.2.1.0/24", "") NET("c", "10.2.0.0/17", "10.2.1.0/24", "")
                 NET("far", "10.4.0.0/16", "10.4.1.0/24", ", location: eastus")
                     NET("out", "10.5.0.0/16", "10.5.1.0/24", "") MESH("a, b, c, far", ""));
    const struct vnet *a = model_vnet(l.m, "a");
    same(connected_absent(l.a, l.m, a, lab_ip("10.2.1.4")),
         "c is in the mesh 'mesh', too, but that address overlaps and is taken out of it (Y-20)");
    same(connected_absent(l.a, l.m, a, lab_ip("10.4.1.4")),
         "far is in the mesh 'mesh', too, but in another region, and the mesh is not global (Y-20)");
    cr_assert_null(connected_absent(l.a, l.m, a, lab_ip("10.2.200.4")));
    cr_assert_null(connected_absent(l.a, l.m, a, lab_ip("10.1.1.4")));
    cr_assert_null(connected_absent(l.a, l.m, a, lab_ip("10.5.1.4")));
    cr_assert_null(connected_absent(l.a, l.m, model_vnet(l.m, "out"), lab_ip("10.4.1.4")));
    loaded_free(&l);
}

/* -- tags and private endpoints -------------------------------------------------------------------------- */

Test(connected, G09_Y20_virtual_network_means_the_mesh)
{
    load(FOUR MESH("a, b, far", ""));
    const struct vnet *a = model_vnet(l.m, "a");
    const struct prefix_set s = tagspace_virtual_network(l.a, l.m, (struct route_view){a, &a->subnets.at[0]});
    cr_assert(prefixset_has(s, lab_ip("10.2.1.4")));
    cr_assert(!prefixset_has(s, lab_ip("10.3.1.4")));
    cr_assert(!prefixset_has(s, lab_ip("10.4.1.4")));
    loaded_free(&l);
}

#define ENDPOINT                                                                                             \
    "services: [{name: store, type: Microsoft.Storage/storageAccounts}]\n"                                   \
    "privateEndpoints: [{name: pe, subnet: b/s, service: store, groupIds: [blob],\n"                         \
    "  ipConfigurations: [{memberName: blob, privateIPAddress: 10.2.1.5}]}]\n"

Test(connected, Y15_Y20_private_endpoints)
{
    load(FOUR ENDPOINT MESH("a, b, far", ""));
    are("a/s", "10.2.0.0/16 ConnectedGroup b, 10.2.1.5/32 InterfaceEndpoint b");
    are("b/s", "10.1.0.0/16 ConnectedGroup a, 10.2.1.5/32 InterfaceEndpoint");
    are("far/s", "");
    loaded_free(&l);
}

/* The endpoint's address overlaps another member: nobody reaches it by the mesh. */
Test(connected, Y20_private_endpoint_in_overlapping_space)
{
    load("virtualNetworks:\n" NET("a", "10.1.0.0/16", "10.1.1.0/24", "") NET("b", "10.2.0.0/16", "10.2.1.0/24", "")
             NET("c", "10.2.1.0/24", "10.2.1.0/25", "") ENDPOINT MESH("a, b, c", ""));
    are("a/s", "10.2.0.0/24 ConnectedGroup b, 10.2.2.0/23 ConnectedGroup b, 10.2.4.0/22 ConnectedGroup b, "
               "10.2.8.0/21 ConnectedGroup b, 10.2.16.0/20 ConnectedGroup b, 10.2.32.0/19 ConnectedGroup b, "
               "10.2.64.0/18 ConnectedGroup b, 10.2.128.0/17 ConnectedGroup b");
    are("c/s", rows("a/s")[0] ? arena_printf(l.a, "10.1.0.0/16 ConnectedGroup a, %s", rows("a/s")) : "");
    loaded_free(&l);
}

/* A high-scale group: who is not prepared for it sees the row, and gets nowhere. */
Test(connected, Y20_high_scale)
{
    story("virtualNetworks:\n" NET("a", "10.1.0.0/16", "10.1.1.0/24", "")
          "  - {name: b, addressPrefixes: [10.2.0.0/16], privateEndpointVNetPolicies: Basic,\n"
          "     subnets: [{name: s, addressPrefix: 10.2.1.0/24, privateEndpointNetworkPolicies: Enabled}]}\n"
          NET("c", "10.3.0.0/16", "10.3.1.0/24", ", privateEndpointVNetPolicies: Basic") ENDPOINT
          "networkInterfaces: [{name: plain, subnet: a/s}, {name: high, subnet: c/s}]\n"
          MESH("a, b, c", ", connectivityCapabilities: {connectedGroupPrivateEndpointsScale: HighScale}")
          "flows:\n"
          "  - {from: plain, to: pe, resource: store, expect: {verdict: dropped, reason: NoPeering, nextHopType: InterfaceEndpoint}}\n"
          "  - {from: high, to: pe, resource: store, expect: {verdict: delivered, nextHopType: InterfaceEndpoint}}\n");
}

/* -- packets --------------------------------------------------------------------------------------------- */

Test(connected, Y20_packets)
{
    story(FOUR ENDPOINT
          "networkInterfaces:\n"
          "  - {name: va, subnet: a/s}\n  - {name: vb, subnet: b/s, listens: [tcp/443]}\n"
          "  - {name: vc, subnet: c/s, listens: [tcp/443]}\n  - {name: vf, subnet: far/s, listens: [tcp/443]}\n" MESH("a, b, far", "")
          "timeline:\n"
          "  - {at: 30s, update: networkManagers/corp/connectivityConfigurations/mesh, with: {isGlobal: true}}\n"
          "  - {at: 60s, add: networkManagers/corp/networkGroups/g/staticMembers, with: c}\n"
          "  - {at: 90s, remove: networkManagers/corp/connectivityConfigurations/mesh}\n"
          "flows:\n"
          "  - {at: 1s, from: va, to: vb, expect: {verdict: delivered, nextHopType: ConnectedGroup, route: 10.2.0.0/16,\n"
          "     routeSource: Default, sourceSeen: 10.1.1.4, path: [va, vb]}}\n"
          "  - {at: 1s, from: va, to: pe, resource: store, expect: {verdict: delivered, nextHopType: InterfaceEndpoint}}\n"
          "  - {at: 1s, from: va, to: vc, expect: {verdict: dropped, reason: RouteNone}}\n"
          "  - {at: 1s, from: va, to: vf, expect: {verdict: dropped, reason: RouteNone}}\n"
          "  - {at: 31s, from: va, to: vf, expect: {verdict: delivered, nextHopType: ConnectedGroup}}\n"
          "  - {at: 31s, from: va, to: vc, expect: {verdict: dropped, reason: RouteNone}}\n"
          "  - {at: 61s, from: vf, to: vc, expect: {verdict: delivered, nextHopType: ConnectedGroup}}\n"
          "  - {at: 91s, from: va, to: vb, expect: {verdict: dropped, reason: RouteNone}}\n"
          "expect:\n"
          "  - {at: 2s, nic: va, route: {addressPrefix: 10.2.0.0/16, nextHopType: ConnectedGroup, source: Default, state: Active}}\n"
          "  - {at: 91s, nic: va, noRoute: {nextHopType: ConnectedGroup}}\n");
}

/* Default groups let the mesh in (VirtualNetwork); an appliance in the mesh may forward over it. */
Test(connected, Y20_G09_P04_groups_and_appliances)
{
    story("virtualNetworks:\n"
          "  - {name: a, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24, routeTable: rt}]}\n"
          NET("b", "10.2.0.0/16", "10.2.1.0/24", "") NET("c", "10.3.0.0/16", "10.3.1.0/24", "")
          "routeTables: [{name: rt, routes: [{name: by-b, addressPrefix: 10.3.0.0/16, nextHopType: VirtualAppliance,\n"
          "  nextHopIpAddress: 10.2.1.9}]}]\n"
          "networkSecurityGroups: [{name: g}]\n"
          "networkInterfaces:\n"
          "  - {name: va, subnet: a/s}\n"
          "  - {name: nva, subnet: b/s, privateIPAddress: 10.2.1.9, enableIPForwarding: true, networkSecurityGroup: g,\n"
          "     appliance: {stateful: false}}\n"
          "  - {name: vc, subnet: c/s, networkSecurityGroup: g, listens: [tcp/443]}\n" MESH("a, b, c", "")
          "flows: [{from: va, to: vc, expect: {verdict: delivered, path: [va, nva, vc], returnPath: [vc, va], rule: AllowVnetInBound,\n"
          "  sourceSeen: 10.1.1.4}}]\n");
}

/* -- hub and spoke --------------------------------------------------------------------------------------- */

#define SPOKES(more)                                                                                         \
    "networkManagers: [{name: corp, networkGroups: [{name: g, staticMembers: [b, c, far, a]}],\n"            \
    "  connectivityConfigurations: [{name: star, connectivityTopology: HubAndSpoke, hubs: [a],\n"            \
    "    appliesToGroups: [{networkGroup: g" more "}]}]}]\n"

Test(connected, P01_Y09_hub_and_spoke_makes_peerings)
{
    load(FOUR SPOKES(""));
    are("a/s", "10.2.0.0/16 VNetPeering b, 10.3.0.0/16 VNetPeering c, 10.4.0.0/16 VNetGlobalPeering far");
    are("b/s", "10.1.0.0/16 VNetPeering a");
    are("far/s", "10.1.0.0/16 VNetGlobalPeering a");
    const struct peering *p = &model_vnet(l.m, "b")->virtualNetworkPeerings.at[0];
    cr_assert(p->allowVirtualNetworkAccess && p->allowForwardedTraffic && !p->useRemoteGateways);
    cr_assert_eq(p->reverse, &model_vnet(l.m, "a")->virtualNetworkPeerings.at[0]);
    cr_assert_eq(p->reverse->reverse, p);
    loaded_free(&l);
}

Test(connected, Y20_directly_connected_spokes)
{
    load(FOUR SPOKES(", groupConnectivity: DirectlyConnected"));
    are("b/s", "10.1.0.0/16 VNetPeering a, 10.3.0.0/16 ConnectedGroup c, !10.1.0.0/16 ConnectedGroup a");
    are("far/s", "10.1.0.0/16 VNetGlobalPeering a");
    loaded_free(&l);
    load(FOUR SPOKES(", groupConnectivity: DirectlyConnected, isGlobal: true"));
    are("far/s", "10.1.0.0/16 VNetGlobalPeering a, 10.2.0.0/16 ConnectedGroup b, 10.3.0.0/16 ConnectedGroup c, "
                 "!10.1.0.0/16 ConnectedGroup a");
    loaded_free(&l);
}

#define HUB_GATEWAY                                                                                          \
    "virtualNetworks:\n"                                                                                     \
    "  - {name: a, addressPrefixes: [10.1.0.0/16], subnets: [{name: s, addressPrefix: 10.1.1.0/24},\n"       \
    "      {name: GatewaySubnet, addressPrefix: 10.1.255.0/27}]}\n"                                          \
    NET("b", "10.2.0.0/16", "10.2.1.0/24", "") NET("c", "10.3.0.0/16", "10.3.1.0/24", "")                    \
    NET("far", "10.4.0.0/16", "10.4.1.0/24", "")

Test(connected, P05_hub_as_gateway)
{
    load(HUB_GATEWAY "virtualNetworkGateways: [{name: gw, virtualNetwork: a, connections: [hq]}]\n"
                     "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16]}]\n" SPOKES(", useHubGateway: true"));
    are("b/s", "10.1.0.0/16 VNetPeering a, 192.168.0.0/16 VirtualNetworkGateway a");
    cr_expect_eq(l.d->warnings + l.d->errors, 0, "%s", loaded_findings(&l));
    loaded_free(&l);
    load(HUB_GATEWAY SPOKES(", useHubGateway: true")); /* no gateway: the spokes' links are not made */
    are("b/s", "");
    cr_assert_eq(model_vnet(l.m, "b")->virtualNetworkPeerings.n, 0);
    cr_assert_eq(model_vnet(l.m, "a")->virtualNetworkPeerings.n, 3);
    loaded_free(&l);
}

/* Links of one's own stay as they are, unless the configuration removes what it does not ask for. */
Test(connected, P01_existing_peerings)
{
    static const char nets[] = "virtualNetworks:\n" NET(
        "a", "10.1.0.0/16", "10.1.1.0/24",
        ", virtualNetworkPeerings: [{remoteVirtualNetwork: b, allowVirtualNetworkAccess: false}]")
        NET("b", "10.2.0.0/16", "10.2.1.0/24",
            ", virtualNetworkPeerings: [{remoteVirtualNetwork: c}, {remoteVirtualNetwork: a}, {remoteVirtualNetwork: far}]")
            NET("c", "10.3.0.0/16", "10.3.1.0/24", ", virtualNetworkPeerings: [{remoteVirtualNetwork: b}]")
                NET("far", "10.4.0.0/16", "10.4.1.0/24", ", virtualNetworkPeerings: [{remoteVirtualNetwork: b}]");
#define STAR(remove)                                                                                         \
    "networkManagers: [{name: corp, networkGroups: [{name: g, staticMembers: [b, c]}],\n"                    \
    "  connectivityConfigurations: [{name: star, connectivityTopology: HubAndSpoke, hubs: [a],\n"            \
    "    appliesToGroups: [{networkGroup: g}], deleteExistingPeering: " remove "}]}]\n"
    struct arena *a = arena_new("test");
    load(arena_printf(a, "%s%s", nets, STAR("false")));
    are("b/s", "10.3.0.0/16 VNetPeering c, -10.1.0.0/16 VNetPeering a, 10.4.0.0/16 VNetPeering far");
    are("c/s", "10.2.0.0/16 VNetPeering b, 10.1.0.0/16 VNetPeering a");
    loaded_free(&l);
    load(arena_printf(a, "%s%s", nets, STAR("true")));
    are("b/s", "-10.1.0.0/16 VNetPeering a, 10.4.0.0/16 VNetPeering far");
    are("c/s", "10.1.0.0/16 VNetPeering a");
    are("far/s", "10.2.0.0/16 VNetPeering b");
    loaded_free(&l);
    load(arena_printf(a, "%s%s", nets, MESH("a, b, c", ", deleteExistingPeering: true")));
    are("b/s", "10.4.0.0/16 VNetPeering far, 10.1.0.0/16 ConnectedGroup a, 10.3.0.0/16 ConnectedGroup c");
    are("a/s", "10.2.0.0/16 ConnectedGroup b, 10.3.0.0/16 ConnectedGroup c");
    loaded_free(&l);
    arena_free(a);
}

/* On-premises reaches the spokes that use the hub's gateway, and answers find their way back. */
Test(connected, P05_P11_hub_as_gateway_in_packets)
{
    story(HUB_GATEWAY
          "virtualNetworkGateways: [{name: gw, virtualNetwork: a, connections: [hq]}]\n"
          "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], hosts: [{name: pc, ipAddress: "
          "192.168.0.9}]}]\n"
          "networkInterfaces: [{name: vb, subnet: b/s, listens: [tcp/443]}, {name: va, subnet: a/s, listens: "
          "[tcp/443]}]\n" SPOKES(
              ", useHubGateway: true") "timeline: [{at: 30s, remove: "
                                       "networkManagers/corp/networkGroups/g/staticMembers/b}]\n"
                                       "flows:\n"
                                       "  - {at: 1s, from: pc, to: 10.2.1.4, expect: {verdict: delivered, "
                                       "path: [hq/pc, gw, vb], returnPath: [vb, gw, hq/pc]}}\n"
                                       "  - {at: 1s, from: vb, to: va, expect: {verdict: delivered, "
                                       "nextHopType: VNetPeering}}\n"
                                       "  - {at: 31s, from: vb, to: va, expect: {verdict: dropped, reason: "
                                       "RouteNone}}\n"
                                       "  - {at: 31s, from: pc, to: 10.2.1.4, expect: {verdict: dropped}}\n");
}

/* -- who has which address, by counting ------------------------------------------------------------------ */

enum { NETS = 7 };

static bool holds(const struct vnet *v, ip4 ip)
{
    for (size_t i = 0; i < v->addressPrefixes.n; i++)
        if (prefix4_has(v->addressPrefixes.at[i], ip))
            return true;
    return false;
}

/* => the member that an address belongs to for everybody in a group: the only one that has it, and nobody
 * outside who is peered with a member has it, too. */
static const struct vnet *only_one(const struct connected_group *g, ip4 ip)
{
    const struct vnet *only = NULL;
    bool member[NETS] = {false};
    for (size_t i = 0; i < g->members.n; i++)
        member[g->members.at[i].vnet->index] = true;
    for (size_t i = 0; i < g->members.n; i++) {
        const struct vnet *v = g->members.at[i].vnet;
        if (holds(v, ip) && only)
            return NULL;
        only = holds(v, ip) ? v : only;
    }
    for (size_t i = 0; i < g->members.n; i++)
        for (size_t k = 0; k < g->members.at[i].vnet->virtualNetworkPeerings.n; k++) {
            const struct vnet *out = g->members.at[i].vnet->virtualNetworkPeerings.at[k].remoteVirtualNetwork;
            if (!member[out->index] && holds(out, ip))
                return NULL;
        }
    return only;
}

static bool peer_has(const struct vnet *v, ip4 ip)
{
    for (size_t i = 0; i < v->virtualNetworkPeerings.n; i++)
        if (holds(v->virtualNetworkPeerings.at[i].remoteVirtualNetwork, ip))
            return true;
    return false;
}

static const char *random_nets(struct arena *a, struct rng *r)
{
    const char *text = "virtualNetworks:\n";
    bool peered[NETS][NETS] = {{false}};
    for (int n = 0; n < 3; n++) {
        const uint32_t x = (uint32_t)rng_below(r, NETS), y = (uint32_t)rng_below(r, NETS);
        peered[x][y] = peered[y][x] = x != y;
    }
    for (uint32_t i = 0; i < NETS; i++) {
        const char *prefixes = "", *links = "";
        for (size_t k = 0, n = 1 + rng_below(r, 2); k < n; k++) {
            const unsigned len = 14 + (unsigned)rng_below(r, 5);
            const ip4 at = (IP4(10, 0, 0, 0) | (ip4)rng_below(r, 1 << 20)) & ~(UINT32_MAX >> len);
            char p[PREFIX4_STRLEN];
            prefixes = arena_printf(a, "%s%s%s", prefixes, k ? ", " : "",
                                    prefix4_format((struct prefix4){at, (uint8_t)len}, p));
        }
        for (uint32_t k = 0; k < NETS; k++)
            if (peered[i][k])
                links = arena_printf(a, "%s%s{remoteVirtualNetwork: n%u}", links, *links ? ", " : "", k);
        text = arena_printf(
            a, "%s  - {name: n%u, location: %s, addressPrefixes: [%s], virtualNetworkPeerings: [%s]}\n", text,
            i, rng_below(r, 2) ? "eastus" : "westus", prefixes, links);
    }
    const char *members = "";
    for (uint32_t i = 0; i < NETS; i++)
        if (rng_below(r, 4))
            members = arena_printf(a, "%s%sn%u", members, *members ? ", " : "", i);
    return arena_printf(
        a,
        "%snetworkManagers: [{name: m, networkGroups: [{name: g, staticMembers: [%s]}], "
        "connectivityConfigurations: [\n"
        "  {name: mesh, connectivityTopology: Mesh, isGlobal: %s, appliesToGroups: [{networkGroup: g}]}]}]\n",
        text, members, rng_below(r, 2) ? "true" : "false");
}

/* => how many addresses were asked that the mesh leads to. */
static size_t check_viewer(const struct vnet *v, struct rng *r)
{
    size_t hits = 0;
    const struct eff_table *t = routes_effective_view(l.a, l.m, (struct route_view){v, NULL});
    for (int n = 0; n < 200; n++) {
        const ip4 ip = IP4(10, 0, 0, 0) | (ip4)rng_below(r, 1 << 20);
        if (holds(v, ip) ||
            peer_has(v, ip)) /* their rows are longer or come first, or not: another test's business */
            continue;
        const struct eff_route *row = routes_select(t, ip, NULL);
        const struct vnet *want = v->connectedGroups.n ? only_one(v->connectedGroups.at[0], ip) : NULL;
        char text[IP4_STRLEN];
        cr_assert_eq(row->type == NH_TYPE_CONNECTED_GROUP, want != NULL, "%s from %s", ip4_format(ip, text),
                     v->name);
        if (want)
            cr_assert_eq(row->remote, want, "%s from %s", ip4_format(ip, text), v->name);
        hits += want != NULL;
    }
    return hits;
}

Test(connected, property_Y20_who_has_an_address_for_everybody)
{
    struct rng r;
    prop_seed(&r, "meshes");
    size_t hits = 0;
    for (int round = 0; round < 60; round++) {
        struct arena *a = arena_new("test");
        l = load_text(random_nets(a, &r));
        cr_assert_not_null(l.m, "%s", loaded_findings(&l));
        for (size_t i = 0; i < l.m->virtualNetworks.n; i++)
            hits += check_viewer(&l.m->virtualNetworks.at[i], &r);
        loaded_free(&l);
        arena_free(a);
    }
    cr_assert_gt(hits, 1000, "%zu", hits);
}

/* -- limits ---------------------------------------------------------------------------------------------- */

Test(connected, L16_groups_and_members)
{
    struct arena *a = arena_new("test");
    const char *nets = "virtualNetworks:\n", *names = "";
    for (int i = 0; i <= 250; i++) {
        nets = arena_printf(a, "%s  - {name: n%d, addressPrefixes: [10.%d.0.0/16], subnets: []}\n", nets, i, i);
        names = arena_printf(a, "%s%sn%d", names, i ? ", " : "", i);
    }
    load(arena_printf(a, "%snetworkManagers: [{name: corp, networkGroups: [{name: g, staticMembers: [%s]}],\n"
                         "  connectivityConfigurations: [{name: one, connectivityTopology: Mesh, appliesToGroups: "
                         "[{networkGroup: g}]}]}]\n",
                      nets, names));
    same(loaded_findings(&l), "255:32: warning: connectivity configuration 'one' has 251 virtual networks in one connected "
                              "group; the published limit is 250 (L-16)\n");
    loaded_free(&l);
    load(FOUR "networkManagers: [{name: corp, networkGroups: [{name: g, staticMembers: [a, b]}, {name: h, staticMembers: [a, c]}],\n"
              "  connectivityConfigurations: [\n"
              "  {name: one, connectivityTopology: Mesh, appliesToGroups: [{networkGroup: g}]},\n"
              "  {name: two, connectivityTopology: Mesh, appliesToGroups: [{networkGroup: h}]},\n"
              "  {name: three, connectivityTopology: Mesh, appliesToGroups: [{networkGroup: g}]}]}]\n");
    same(loaded_findings(&l), "3:5: warning: virtual network 'a' has 3 connected groups; the published limit is 2 (L-16)\n");
    are("a/s", "10.2.0.0/16 ConnectedGroup b, 10.3.0.0/16 ConnectedGroup c");
    loaded_free(&l);
    arena_free(a);
}
