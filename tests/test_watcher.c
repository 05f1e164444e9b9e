/* test_watcher.c - Network Watcher's next hop and IP flow verify: answers, their exact shapes, agreement with
 * the lists that they are read from. */
#include "tests/support_model.h"
#include "tests/support_prop.h"
#include "topology/watcher.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"

static const char *const net =
    "subscription: 5b7f\n"
    "resourceGroup: prod\n"
    "virtualNetworks:\n"
    "  - name: hub\n"
    "    addressPrefixes: [10.0.0.0/16]\n"
    "    subnets:\n"
    "      - {name: apps, addressPrefix: 10.0.1.0/24, networkSecurityGroup: apps-nsg, routeTable: apps-rt,\n"
    "         serviceEndpoints: [{service: Microsoft.Storage}]}\n"
    "      - {name: plain, addressPrefix: 10.0.2.0/24}\n"
    "      - {name: GatewaySubnet, addressPrefix: 10.0.255.0/27}\n"
    "    virtualNetworkPeerings: [{remoteVirtualNetwork: spoke}, {remoteVirtualNetwork: far}]\n"
    "  - name: spoke\n"
    "    addressPrefixes: [10.1.0.0/16]\n"
    "    subnets: [{name: all, addressPrefix: 10.1.0.0/24}]\n"
    "    virtualNetworkPeerings: [{remoteVirtualNetwork: hub}]\n"
    "  - name: far\n"
    "    location: eastus\n"
    "    addressPrefixes: [10.2.0.0/16]\n"
    "    subnets: [{name: all, addressPrefix: 10.2.0.0/24}]\n"
    "    virtualNetworkPeerings: [{remoteVirtualNetwork: hub}]\n"
    "networkInterfaces:\n"
    "  - {name: vm, subnet: hub/apps, privateIPAddress: 10.0.1.4, networkSecurityGroup: vm-nsg}\n"
    "  - {name: bare, subnet: hub/plain, privateIPAddress: 10.0.2.4, publicIPAddress: bare-pip}\n"
    "  - {name: inner, subnet: hub/plain, privateIPAddress: 10.0.2.5}\n"
    "  - {name: lone, subnet: hub/plain, privateIPAddress: 10.0.2.6, networkSecurityGroup: dns-nsg}\n"
    "publicIPAddresses: [{name: bare-pip, ipAddress: 20.50.1.4}, {name: gw-pip, ipAddress: 20.50.1.5}]\n"
    "routeTables:\n"
    "  - name: apps-rt\n"
    "    resourceGroup: network\n"
    "    routes:\n"
    "      - {name: web, addressPrefix: 93.184.216.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: "
    "10.0.2.4}\n"
    "      - {name: hole, addressPrefix: 198.51.100.0/24, nextHopType: None}\n"
    "networkSecurityGroups:\n"
    "  - name: vm-nsg\n"
    "    securityRules:\n"
    "      - {name: no-smtp, priority: 100, direction: Outbound, access: Deny, protocol: Tcp, "
    "destinationPortRange: '25'}\n"
    "      - {name: web, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, "
    "destinationPortRange: '443'}\n"
    "  - name: apps-nsg\n"
    "    securityRules:\n"
    "      - {name: no-ntp, priority: 100, direction: Outbound, access: Deny, protocol: Udp, "
    "destinationPortRange: '123'}\n"
    "      - {name: partner, priority: 200, direction: Inbound, access: Allow, protocol: '*',\n"
    "         sourceAddressPrefix: 203.0.113.0/24}\n"
    "  - name: dns-nsg\n"
    "    securityRules:\n"
    "      - {name: no-dns, priority: 100, direction: Outbound, access: Deny, protocol: '*',\n"
    "         destinationAddressPrefix: AzurePlatformDNS}\n"
    "services: [{name: store, type: Microsoft.Storage/storageAccounts}]\n"
    "privateEndpoints:\n"
    "  - {name: pe, subnet: spoke/all, service: store, groupIds: [blob], ipConfigurations: [{memberName: "
    "blob, "
    "privateIPAddress: 10.1.0.9}]}\n"
    "virtualNetworkGateways: [{name: gw, virtualNetwork: hub, type: Vpn, publicIPAddress: gw-pip, "
    "connections: [hq]}]\n"
    "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16]}]\n";

static struct loaded l;

static void setup(void)
{
    l = load_text(net);
    cr_assert_not_null(l.m, "%s", loaded_findings(&l));
}

static void teardown(void)
{
    loaded_free(&l);
}

TestSuite(nexthop, .init = setup, .fini = teardown);
TestSuite(verify, .init = setup, .fini = teardown);

static ip4 ip(const char *text)
{
    ip4 a;
    cr_assert_eq(ip4_parse(text, &a), 0, "%s", text);
    return a;
}

/* -- next hop (F-04) ------------------------------------------------------------------------------------- */

static const char *hop(const char *nic, const char *to)
{
    char text[IP4_STRLEN];
    const struct watcher_hop h = watcher_next_hop(l.a, l.m, model_nic(l.m, nic), ip(to));
    return arena_printf(l.a, "%s %s %s", h.type, h.address ? ip4_format(h.address, text) : "-",
                        h.route_table);
}

#define WEB_ID                                                                                               \
    "/subscriptions/5b7f/resourceGroups/network/providers/Microsoft.Network/routeTables/apps-rt/routes/web"

Test(nexthop, every_type)
{
    cr_expect_str_eq(hop("vm", "10.0.2.4"), "VirtualNetwork - System Route");
    cr_expect_str_eq(hop("vm", "8.8.8.8"), "Internet - System Route");
    cr_expect_str_eq(hop("vm", "93.184.216.34"), "VirtualAppliance 10.0.2.4 " WEB_ID);
    cr_expect_str_eq(
        hop("vm", "198.51.100.7"),
        "None - /subscriptions/5b7f/resourceGroups/network/providers/Microsoft.Network/routeTables/"
        "apps-rt/routes/hole");
    cr_expect_str_eq(hop("vm", "10.3.0.1"), "None - System Route");
    cr_expect_str_eq(hop("vm", "10.1.0.7"), "VirtualNetworkPeering - System Route");
    cr_expect_str_eq(hop("vm", "10.2.0.7"), "VirtualNetworkPeering - System Route");
    cr_expect_str_eq(hop("vm", "10.1.0.9"), "InterfaceEndpoint - System Route");
    const struct watcher_hop h = watcher_next_hop(l.a, l.m, model_nic(l.m, "vm"), ip("192.168.3.4"));
    cr_expect_str_eq(h.type, "VirtualNetworkGateway");
    cr_expect_neq(h.address, 0);
}

Test(nexthop, depends_on_the_subnet)
{
    const ip4 store = l.m->services.at[0].publicIPAddress;
    char text[IP4_STRLEN];
    cr_expect_str_eq(hop("vm", ip4_format(store, text)), "VirtualNetworkServiceEndpoint - System Route");
    cr_expect_str_eq(hop("inner", ip4_format(store, text)), "Internet - System Route");
    cr_expect_str_eq(hop("inner", "93.184.216.34"), "Internet - System Route");
}

Test(nexthop, a_deallocated_appliance_is_none_and_keeps_its_address)
{
    l.m->networkInterfaces.at[1].powerState = POWER_DEALLOCATED; /* */
    cr_expect_str_eq(hop("vm", "93.184.216.34"), "None 10.0.2.4 " WEB_ID);
}

Test(nexthop, host_agent_is_not_routed)
{
    l.m->routeTables.at[0].routes.at[0].addressPrefix = (struct prefix4){0, 0}; /* */
    cr_expect_str_eq(hop("vm", "8.8.8.8"), "VirtualAppliance 10.0.2.4 " WEB_ID);
    cr_expect_str_eq(hop("vm", "168.63.129.16"), "VirtualNetwork - System Route");
    cr_expect_str_eq(hop("vm", "169.254.169.254"), "VirtualNetwork - System Route");
}

static const char *hop_printed(const char *to, bool json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    const struct watcher_hop h = watcher_next_hop(l.a, l.m, model_nic(l.m, "vm"), ip(to));
    cr_assert_eq(watcher_print_hop(f, &h, json), 0);
    fclose(f);
    const char *copy = arena_strdup(l.a, text);
    free(text);
    return copy;
}

Test(nexthop, json)
{
    cr_expect_str_eq(hop_printed("8.8.8.8", true), "{\n"
                                                   "  \"nextHopIpAddress\": null,\n"
                                                   "  \"nextHopType\": \"Internet\",\n"
                                                   "  \"routeTableId\": \"System Route\"\n"
                                                   "}\n");
    cr_expect_str_eq(hop_printed("93.184.216.34", true), "{\n"
                                                         "  \"nextHopIpAddress\": \"10.0.2.4\",\n"
                                                         "  \"nextHopType\": \"VirtualAppliance\",\n"
                                                         "  \"routeTableId\": \"" WEB_ID "\"\n"
                                                         "}\n");
}

Test(nexthop, table)
{
    cr_expect_str_eq(hop_printed("8.8.8.8", false), "NextHopIpAddress    NextHopType    RouteTableId\n"
                                                    "------------------  -------------  --------------\n"
                                                    "                    Internet       System Route\n");
}

/* -- IP flow verify (F-05) ------------------------------------------------------------------------------- */

struct ask {
    const char *nic;
    enum direction direction;
    uint8_t protocol;
    uint16_t local_port;
    const char *remote;
    uint16_t remote_port;
};

static struct watcher_check verify(struct ask q)
{
    const struct nic *nic = model_nic(l.m, q.nic);
    const struct watcher_packet p = {q.direction,  q.protocol,   nic->privateIPAddress,
                                     ip(q.remote), q.local_port, q.remote_port};
    return watcher_verify(l.a, l.m, nic, &p);
}

static const char *verdict(struct ask q)
{
    const struct watcher_check c = verify(q);
    return arena_printf(l.a, "%s %s%s%s", c.allow ? "Allow" : "Deny",
                        c.rule ? watcher_rule_name(l.a, c.rule) : "-", c.rule ? " " : "",
                        c.rule ? c.rule->nsg->name : "");
}

#define OUT(nic, proto, remote, port) verdict((struct ask){nic, DIR_OUTBOUND, proto, 60000, remote, port})
#define IN(nic, proto, port, remote)  verdict((struct ask){nic, DIR_INBOUND, proto, port, remote, 60000})

Test(verify, outbound_asks_the_nic_first)
{
    cr_expect_str_eq(OUT("vm", 6, "13.107.21.200", 80),
                     "Allow defaultSecurityRules/AllowInternetOutBound apps-nsg");
    cr_expect_str_eq(OUT("vm", 6, "13.107.21.200", 25), "Deny securityRules/no-smtp vm-nsg");
    cr_expect_str_eq(OUT("vm", 17, "13.107.21.200", 123), "Deny securityRules/no-ntp apps-nsg");
    cr_expect_str_eq(OUT("vm", 17, "13.107.21.200", 25),
                     "Allow defaultSecurityRules/AllowInternetOutBound apps-nsg");
    cr_expect_str_eq(OUT("vm", 6, "10.1.0.7", 80), "Allow defaultSecurityRules/AllowVnetOutBound apps-nsg");
    cr_expect_str_eq(OUT("vm", 6, "10.9.0.1", 80),
                     "Deny defaultSecurityRules/DenyAllOutBound vm-nsg"); /* G-10 */
}

Test(verify, inbound_asks_the_subnet_first)
{
    cr_expect_str_eq(IN("vm", 6, 443, "203.0.113.7"), "Allow securityRules/web vm-nsg");
    cr_expect_str_eq(IN("vm", 6, 80, "203.0.113.7"), "Deny defaultSecurityRules/DenyAllInBound vm-nsg");
    cr_expect_str_eq(IN("vm", 6, 443, "8.8.8.8"), "Deny defaultSecurityRules/DenyAllInBound apps-nsg");
    cr_expect_str_eq(IN("vm", 6, 443, "198.51.100.7"),
                     "Allow securityRules/web vm-nsg"); /* G-09: a user route's */
    cr_expect_str_eq(IN("vm", 6, 80, "10.1.0.7"), "Allow defaultSecurityRules/AllowVnetInBound vm-nsg");
}

Test(verify, without_groups)
{
    cr_expect_str_eq(OUT("inner", 6, "8.8.8.8", 25), "Allow -");
    cr_expect_str_eq(IN("inner", 6, 22, "8.8.8.8"), "Allow -");
    cr_expect_str_eq(IN("bare", 6, 22, "8.8.8.8"),
                     "Deny -"); /* G-19: Standard public address, nothing opens it */
    cr_expect_str_eq(IN("bare", 6, 22, "10.0.1.4"), "Allow -");
    cr_expect_str_eq(OUT("bare", 6, "8.8.8.8", 22), "Allow -");
    l.m->publicIPAddresses.at[0].sku = SKU_BASIC;
    cr_expect_str_eq(IN("bare", 6, 22, "8.8.8.8"), "Allow -");
}

Test(verify, host_agent_passes_by)
{
    cr_expect_str_eq(OUT("vm", 17, "168.63.129.16", 53), "Allow -"); /* G-14 */
    cr_expect_str_eq(OUT("vm", 6, "169.254.169.254", 25), "Allow -");
    cr_expect_str_eq(OUT("lone", 17, "168.63.129.16", 53), "Deny securityRules/no-dns dns-nsg");
}

static const char *check_printed(struct ask q, bool json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    const struct watcher_check c = verify(q);
    cr_assert_eq(watcher_print_check(f, &c, json), 0);
    fclose(f);
    const char *copy = arena_strdup(l.a, text);
    free(text);
    return copy;
}

Test(verify, json_and_table)
{
    const struct ask deny = {"vm", DIR_OUTBOUND, 6, 60000, "13.107.21.200", 25};
    const struct ask allow = {"vm", DIR_OUTBOUND, 6, 60000, "13.107.21.200", 80};
    const struct ask none = {"inner", DIR_OUTBOUND, 6, 60000, "13.107.21.200", 80};
    cr_expect_str_eq(check_printed(deny, true), "{\n"
                                                "  \"access\": \"Deny\",\n"
                                                "  \"ruleName\": \"securityRules/no-smtp\"\n"
                                                "}\n");
    cr_expect_str_eq(check_printed(allow, true),
                     "{\n"
                     "  \"access\": \"Allow\",\n"
                     "  \"ruleName\": \"defaultSecurityRules/AllowInternetOutBound\"\n"
                     "}\n");
    cr_expect_str_eq(check_printed(none, true), "{\n  \"access\": \"Allow\",\n  \"ruleName\": null\n}\n");
    cr_expect_str_eq(check_printed(deny, false), "Access    RuleName               NetworkSecurityGroup\n"
                                                 "--------  ---------------------  ----------------------\n"
                                                 "Deny      securityRules/no-smtp  vm-nsg\n");
}

/* Property: a packet is allowed exactly where every group of its direction allows it on its own. */
Test(verify, agrees_with_each_group)
{
    static const char *const remotes[] = {"203.0.113.7", "198.51.100.7", "10.1.0.7", "10.9.0.1", "8.8.8.8"};
    static const uint16_t ports[] = {0, 25, 80, 123, 443, 65535};
    struct rng rng;
    unsigned allowed = 0, denied = 0;
    prop_seed(&rng, "verify");
    for (int i = 0; i < 500; i++) {
        const struct ask q = {"vm",
                              rng_below(&rng, 2) ? DIR_INBOUND : DIR_OUTBOUND,
                              rng_below(&rng, 2) ? 6 : 17,
                              ports[rng_below(&rng, 6)],
                              remotes[rng_below(&rng, 5)],
                              ports[rng_below(&rng, 6)]};
        const struct nic *nic = model_nic(l.m, "vm");
        const struct nic_rules *groups = rules_of_nic(l.a, l.m, nic);
        bool all = true;
        for (size_t k = 0; k < groups->n; k++) {
            const struct eff_rules *r = groups->at[k];
            const bool out = q.direction == DIR_OUTBOUND;
            if (r->direction == q.direction)
                all &= rules_match(r, q.protocol, out ? nic->privateIPAddress : ip(q.remote),
                                   out ? q.local_port : q.remote_port,
                                   out ? ip(q.remote) : nic->privateIPAddress,
                                   out ? q.remote_port : q.local_port)
                           ->access == ACCESS_ALLOW;
        }
        cr_assert_eq(verify(q).allow, all, "case %d", i);
        all ? allowed++ : denied++;
    }
    cr_expect(allowed > 50 && denied > 50, "%u allowed, %u denied", allowed, denied);
}
