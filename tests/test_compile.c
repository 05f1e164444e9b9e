/* test_compile.c - from model to image: ways out of a NIC, what a row of effective routes becomes, tables of
 * sites. */
#include "tests/support_compile.h"

#include <criterion/criterion.h>
#include <string.h>

/* -- ways out of a NIC (O-01) ---------------------------------------------------------------------------- */

static const char outbound[] =
    "virtualNetworks:\n"
    "  - name: v\n"
    "    addressPrefixes: [10.0.0.0/16]\n"
    "    subnets:\n"
    "      - {name: plain, addressPrefix: 10.0.1.0/24}\n"
    "      - {name: nat, addressPrefix: 10.0.2.0/24, natGateway: gw}\n"
    "      - {name: private, addressPrefix: 10.0.3.0/24, defaultOutboundAccess: false}\n"
    "      - {name: guarded, addressPrefix: 10.0.4.0/24, networkSecurityGroup: g}\n"
    "natGateways: [{name: gw, publicIPAddresses: [ngw1, ngw2]}]\n"
    "networkSecurityGroups: [{name: g}]\n"
    "publicIPAddresses: [{name: ngw1}, {name: ngw2}, {name: a}, {name: b}, {name: c}, {name: d, sku: "
    "Basic},\n"
    "  {name: e}, {name: f}, {name: h, sku: Basic}, {name: i}]\n"
    "networkInterfaces:\n"
    "  - {name: default, subnet: v/plain}\n"
    "  - {name: default2, subnet: v/plain}\n"
    "  - {name: private, subnet: v/private}\n"
    "  - {name: nat, subnet: v/nat}\n"
    "  - {name: nat-pip, subnet: v/nat, publicIPAddress: a}\n"
    "  - {name: pip, subnet: v/plain, publicIPAddress: b}\n"
    "  - {name: private-pip, subnet: v/private, publicIPAddress: c}\n"
    "  - {name: basic, subnet: v/plain, publicIPAddress: d}\n"
    "  - {name: guarded, subnet: v/guarded, publicIPAddress: e}\n"
    "  - {name: own-group, subnet: v/plain, publicIPAddress: f, networkSecurityGroup: g}\n"
    "  - {name: sibling-basic, subnet: v/plain, virtualMachine: vm1, publicIPAddress: h}\n"
    "  - {name: sibling1, subnet: v/plain, virtualMachine: vm1}\n"
    "  - {name: sibling-standard, subnet: v/plain, virtualMachine: vm2, publicIPAddress: i}\n"
    "  - {name: sibling2, subnet: v/plain, virtualMachine: VM2}\n";

Test(outbound, nat_gateway_then_public_address_then_default_access)
{
    struct made m = made_new(outbound);
    static const struct {
        const char *nic, *pool;
        bool public, closed; /* G-19 */
    } want[] = {
        {"default", "nic/default", false, false},
        {"default2", "nic/default2", false, false},
        {"private", NULL, false, false},
        {"nat", "natgw/gw", false, false},
        {"nat-pip", "natgw/gw", true, true},
        {"pip", NULL, true, true},
        {"private-pip", NULL, true, true},
        {"basic", NULL, true, false},
        {"guarded", NULL, true, false},
        {"own-group", NULL, true, false},
        {"sibling-basic", NULL, true, false},
        {"sibling1", "nic/sibling1", false, false},
        {"sibling-standard", NULL, true, true},
        {"sibling2", NULL, false, false}, /* O-06: any Standard address of the machine ends it */
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const struct image_port *p = made_at(&m, want[i].nic);
        const char *pool = p->pool == NONE32 ? "none" : numbers_name(m.n->pool, p->pool);
        cr_assert_str_eq(pool, want[i].pool ? want[i].pool : "none", "%s", want[i].nic);
        cr_assert_eq(p->public_addr != 0, want[i].public, "%s", want[i].nic);
        cr_assert_eq(p->inbound_closed, want[i].closed, "%s", want[i].nic);
        if (p->public_addr)
            cr_assert_eq(exact_get(m.img->addresses, REALM_PUBLIC, p->public_addr), p->host.port);
    }
    const struct image_pool *gw = &m.img->pool[made_at(&m, "nat")->pool];
    cr_assert_eq(gw->n, 2);
    cr_assert_eq(gw->realm, made_at(&m, "nat")->realm);
    cr_assert_eq(65536 - gw->first_port, 64512); /* O-02 */
    cr_assert_eq(gw->last_port, 65535);
    cr_assert(!gw->carries_icmp && !gw->carries_fragments);
    const struct image_pool *one = &m.img->pool[made_at(&m, "default")->pool],
                            *two = &m.img->pool[made_at(&m, "default2")->pool];
    cr_assert_neq(one->addr[0], two->addr[0]);
    cr_assert(ip4_is_public(one->addr[0]));
    made_free(&m);
}

/* -- rows become next hops ------------------------------------------------------------------------------- */

static const char mesh[] =
    "virtualNetworks:\n"
    "  - name: hub\n"
    "    addressPrefixes: [10.0.0.0/16, 172.20.0.0/24]\n"
    "    subnets:\n"
    "      - name: a\n"
    "        addressPrefix: 10.0.1.0/24\n"
    "        routeTable: rt\n"
    "        serviceEndpoints: [{service: Microsoft.Storage, locations: [westeurope, northeurope]}]\n"
    "      - {name: b, addressPrefix: 10.0.2.0/24}\n"
    "      - {name: GatewaySubnet, addressPrefix: 10.0.255.0/27}\n"
    "    virtualNetworkPeerings:\n"
    "      - {remoteVirtualNetwork: near, allowGatewayTransit: true, allowForwardedTraffic: true}\n"
    "      - {remoteVirtualNetwork: far}\n"
    "      - {remoteVirtualNetwork: shut, allowVirtualNetworkAccess: false}\n"
    "      - {remoteVirtualNetwork: half}\n"
    "  - name: near\n"
    "    addressPrefixes: [10.1.0.0/16]\n"
    "    subnets: [{name: a, addressPrefix: 10.1.1.0/24}]\n"
    "    virtualNetworkPeerings: [{remoteVirtualNetwork: hub, useRemoteGateways: true}]\n"
    "  - name: far\n"
    "    location: eastus\n"
    "    addressPrefixes: [10.2.0.0/16]\n"
    "    subnets: [{name: a, addressPrefix: 10.2.1.0/24}]\n"
    "    virtualNetworkPeerings: [{remoteVirtualNetwork: hub, allowForwardedTraffic: true}]\n"
    "  - name: shut\n"
    "    addressPrefixes: [10.3.0.0/16]\n"
    "    subnets: [{name: a, addressPrefix: 10.3.1.0/24}]\n"
    "    virtualNetworkPeerings: [{remoteVirtualNetwork: hub}]\n"
    "  - name: half\n"
    "    addressPrefixes: [10.4.0.0/16]\n"
    "    subnets: [{name: a, addressPrefix: 10.4.1.0/24}]\n"
    "routeTables:\n"
    "  - name: rt\n"
    "    routes:\n"
    "      - {name: own, addressPrefix: 10.9.1.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: "
    "10.0.2.9}\n"
    "      - {name: peered, addressPrefix: 10.9.2.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: "
    "10.1.1.9}\n"
    "      - {name: off, addressPrefix: 10.9.3.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: "
    "10.0.2.10}\n"
    "      - {name: lb, addressPrefix: 10.9.4.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: "
    "10.0.2.20}\n"
    "      - {name: gone, addressPrefix: 10.9.5.0/24, nextHopType: None}\n"
    "      - {name: inet, addressPrefix: 10.9.6.0/24, nextHopType: Internet}\n"
    "      - {name: gw, addressPrefix: 10.9.7.0/24, nextHopType: VirtualNetworkGateway}\n"
    "networkInterfaces:\n"
    "  - {name: vm, subnet: hub/a, privateIPAddress: 10.0.1.4}\n"
    "  - {name: vm2, subnet: hub/b, privateIPAddress: 10.0.2.4}\n"
    "  - {name: nva, subnet: hub/b, privateIPAddress: 10.0.2.9, enableIPForwarding: true, appliance: "
    "{forwards: true}}\n"
    "  - {name: nva-off, subnet: hub/b, privateIPAddress: 10.0.2.10, enableIPForwarding: true, powerState: "
    "deallocated}\n"
    "  - {name: near-vm, subnet: near/a, privateIPAddress: 10.1.1.4}\n"
    "  - {name: near-nva, subnet: near/a, privateIPAddress: 10.1.1.9, enableIPForwarding: true}\n"
    "  - {name: far-vm, subnet: far/a, privateIPAddress: 10.2.1.4}\n"
    "  - {name: shut-vm, subnet: shut/a, privateIPAddress: 10.3.1.4}\n"
    "  - {name: half-vm, subnet: half/a, privateIPAddress: 10.4.1.4}\n"
    "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, subnet: hub/b, privateIPAddress: "
    "10.0.2.20}]}]\n"
    "services: [{name: kv, type: Microsoft.KeyVault/vaults}]\n"
    "privateEndpoints:\n"
    "  - {name: pe, subnet: hub/b, service: kv, groupIds: [vault], ipConfigurations: [{memberName: default, "
    "privateIPAddress: 10.0.2.30}]}\n"
    "virtualNetworkGateways: [{name: vpn, virtualNetwork: hub, type: Vpn, connections: [hq, lab]}]\n"
    "onPremisesNetworks:\n"
    "  - {name: hq, addressPrefixes: [192.168.0.0/16, 10.0.2.128/25], natIPs: [198.51.100.7], hosts: [{name: "
    "pc, "
    "ipAddress: 192.168.1.10}]}\n"
    "  - {name: lab, addressPrefixes: [192.169.0.0/16], hosts: [{name: pc, ipAddress: 192.169.1.10}]}\n"
    "  - {name: alone, addressPrefixes: [192.170.0.0/16], hosts: [{name: pc, ipAddress: 192.170.1.10}]}\n";

Test(hops, each_type_of_row)
{
    struct made m = made_new(mesh);
    static const struct {
        const char *from, *dst, *way;
    } want[] = {
        {"vm", "10.0.7.7", "realm vnet/hub"},
        {"vm", "172.20.0.9", "realm vnet/hub"},
        {"vm", "10.1.1.4", "realm vnet/near over peering"},
        {"vm", "10.2.1.4", "realm vnet/far over peering"},
        {"vm", "10.3.1.4", "drop NoPeering"}, /* P-03 */
        {"vm", "10.4.1.4", "drop RouteNone"}, /* P-01: only one link, so no row but 10.0.0.0/8 */
        {"vm", "93.184.216.34", "internet"},
        {"vm", "10.9.1.1", "port nic/nva"},
        {"vm", "10.9.2.1", "port nic/near-nva over peering"},
        {"vm", "10.9.3.1", "drop RouteNone"}, /* */
        {"vm", "10.9.4.1", "port frontend/lb/fe"}, /* */
        {"vm", "10.9.5.1", "drop RouteNone"},
        {"vm", "10.9.6.1", "internet"},
        {"vm", "10.9.7.1", "port gateway/vpn"},
        {"vm", "10.8.0.1", "drop RouteNone"},
        {"vm", "192.168.7.7", "port gateway/vpn"},
        {"vm", "192.169.7.7", "port gateway/vpn"},
        {"vm", "10.0.2.30", "port endpoint/pe"},
        {"vm", "10.0.2.200", "realm vnet/hub"}, /* */
        {"vm2", "10.9.1.1", "drop RouteNone"},  /* the route table is the other subnet's */
        {"near-vm", "10.0.2.30", "port endpoint/pe over peering"},
        {"near-vm", "192.168.7.7", "port gateway/vpn over peering"},
        {"near-vm", "10.2.1.4", "drop RouteNone"}, /* P-02 */
        {"far-vm", "192.168.7.7", "drop RouteNone"},
        {"far-vm", "10.0.1.4", "realm vnet/hub over peering"},
        {"shut-vm", "10.0.1.4", "drop NoPeering"},
        {"half-vm", "10.0.1.4", "drop RouteNone"},
        /* The gateway's own table leads on, not back to itself. */
        {"vpn", "192.168.7.7", "onprem onprem/hq"},
        {"vpn", "192.169.7.7", "onprem onprem/lab"},
        {"vpn", "93.184.216.34", "onprem onprem/hq"}, /* forced tunnelling: the first site */
        {"vpn", "10.0.1.4", "realm vnet/hub"},
        {"vpn", "10.0.2.30", "port endpoint/pe"},
        {"vpn", "10.1.1.4", "realm vnet/near over peering"},
        {"vpn", "10.2.1.4", "realm vnet/far over peering"},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        cr_assert_str_eq(made_way(&m, want[i].from, want[i].dst), want[i].way, "%s to %s: %s", want[i].from,
                         want[i].dst, made_way(&m, want[i].from, want[i].dst));
    made_free(&m);
}

Test(hops, a_service_endpoints_row_on_its_subnet_only)
{
    struct made m = made_new(mesh);
    const struct eff_table *t = routes_effective(m.l.a, m.l.m, model_subnet(m.l.m, "hub/a"));
    size_t seen = 0;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; t->row[i].type == NH_TYPE_SERVICE_ENDPOINT && k < t->row[i].n_prefix;
             k++, seen++) {
            char dst[IP4_STRLEN];
            ip4_format(t->row[i].prefix[k].addr, dst);
            cr_assert_str_eq(made_way(&m, "vm", dst), "service");
            cr_assert_str_eq(made_way(&m, "vm2", dst), "internet");
            cr_assert_eq(made_hop(&m, "vm", dst)->link, LINK_BACKBONE);
        }
    cr_assert_gt(seen, 0);
    cr_assert_neq(made_at(&m, "vm")->identity, made_at(&m, "vm2")->identity);
    cr_assert_eq(made_at(&m, "vm2")->identity, made_at(&m, "nva")->identity);
    made_free(&m);
}

Test(hops, links_and_crossings)
{
    struct made m = made_new(mesh);
    cr_assert_eq(made_hop(&m, "vm", "10.0.2.4")->link, LINK_INTRA_VNET);
    cr_assert_eq(made_hop(&m, "vm", "10.1.1.4")->link, LINK_REGIONAL_PEERING);
    cr_assert_eq(made_hop(&m, "vm", "10.2.1.4")->link, LINK_GLOBAL_PEERING);
    cr_assert_eq(made_hop(&m, "near-vm", "10.0.2.30")->link, LINK_REGIONAL_PEERING);
    cr_assert_eq(made_hop(&m, "vpn", "192.168.7.7")->link, LINK_GATEWAY);
    /* The receiver's link gives leave to forward (P-04). */
    cr_assert(!m.img->crossing[made_hop(&m, "vm", "10.1.1.4")->crossing].forwarded);
    cr_assert(m.img->crossing[made_hop(&m, "near-vm", "10.0.1.4")->crossing].forwarded);
    cr_assert(m.img->crossing[made_hop(&m, "vm", "10.2.1.4")->crossing].forwarded);
    cr_assert(!m.img->crossing[made_hop(&m, "far-vm", "10.0.1.4")->crossing].forwarded);
    cr_assert_eq(m.img->crossing[made_hop(&m, "vm", "10.1.1.4")->crossing].closed, REASON_NONE);
    made_free(&m);
}

/* The row behind a next hop is the one that selection gives, at every hop of every table. */
Test(hops, lead_back_to_their_rows)
{
    struct made m = made_new(mesh);
    static const char *const dst[] = {"10.0.7.7",  "10.1.1.4",      "10.9.3.1",
                                      "10.0.2.30", "93.184.216.34", "192.168.0.1"};
    static const char *const from[] = {"vm", "vm2", "near-vm", "far-vm", "vpn"};
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 6; k++) {
            const struct eff_table *t = m.c->table[made_at(&m, from[i])->table];
            const struct image_nexthop *nh = made_hop(&m, from[i], dst[k]);
            cr_assert_eq(&t->row[nh->row], routes_select(t, made_ip(dst[k]), NULL));
        }
    made_free(&m);
}

/* -- sites ----------------------------------------------------------------------------------------------- */

Test(onprem, tables)
{
    struct made m = made_new(mesh);
    static const struct {
        const char *from, *dst, *way;
    } want[] = {
        {"hq/pc", "192.168.7.7", "realm onprem/hq"},
        {"hq/pc", "10.0.2.200", "realm onprem/hq"}, /* its own, though inside the hub's space */
        {"hq/pc", "10.0.2.4", "port gateway/vpn"},
        {"hq/pc", "172.20.0.4", "port gateway/vpn"},
        {"hq/pc", "10.0.2.30", "port gateway/vpn"},
        {"hq/pc", "10.1.1.4", "port gateway/vpn"},    /* gateway transit */
        {"hq/pc", "10.2.1.4", "onprem onprem/hq"},    /* none: its own way out */
        {"hq/pc", "192.169.1.1", "onprem onprem/hq"}, /* no hairpin between sites */
        {"hq/pc", "93.184.216.34", "onprem onprem/hq"},
        {"lab/pc", "10.0.1.4", "port gateway/vpn"},
        {"lab/pc", "192.168.1.10", "onprem onprem/lab"},
        {"alone/pc", "10.0.1.4", "onprem onprem/alone"}, /* connected to nothing */
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        cr_assert_str_eq(made_way(&m, want[i].from, want[i].dst), want[i].way, "%s to %s: %s", want[i].from,
                         want[i].dst, made_way(&m, want[i].from, want[i].dst));
    const struct image_realm *hq = &m.img->realm[made_at(&m, "hq/pc")->realm],
                             *lab = &m.img->realm[made_at(&m, "lab/pc")->realm];
    cr_assert(hq->onprem && lab->onprem && !m.img->realm[made_at(&m, "vm")->realm].onprem);
    cr_assert_str_eq(numbers_name(m.n->pool, hq->pool), "onprem/hq");
    cr_assert_eq(m.img->pool[hq->pool].addr[0], made_ip("198.51.100.7"));
    cr_assert_eq(lab->pool, NONE32);
    cr_assert_eq(hq->table, made_at(&m, "hq/pc")->table);
    made_free(&m);
}

Test(onprem, the_first_gateway_of_the_file_wins)
{
    static const char text[] = "virtualNetworks:\n"
                               "  - {name: a, addressPrefixes: [10.0.0.0/16], subnets: [{name: "
                               "GatewaySubnet, addressPrefix: 10.0.255.0/27}]}\n"
                               "  - {name: b, addressPrefixes: [10.0.0.0/16, 10.1.0.0/16], subnets: [{name: "
                               "GatewaySubnet, addressPrefix: "
                               "10.0.255.0/27}]}\n"
                               "virtualNetworkGateways:\n"
                               "  - {name: one, virtualNetwork: a, type: Vpn, connections: [hq]}\n"
                               "  - {name: two, virtualNetwork: b, type: Vpn, connections: [hq]}\n"
                               "onPremisesNetworks: [{name: hq, addressPrefixes: [0.0.0.0/0], hosts: [{name: "
                               "pc, ipAddress: 192.168.1.10}]}]\n";
    struct made m = made_new(text);
    cr_assert_str_eq(made_way(&m, "pc", "10.0.1.1"), "port gateway/one");
    cr_assert_str_eq(made_way(&m, "pc", "10.1.1.1"), "port gateway/two");
    cr_assert_str_eq(made_way(&m, "pc", "192.168.1.11"), "onprem onprem/hq");
    made_free(&m);
}

Test(image, a_second_compilation_gives_the_same)
{
    struct made m = made_new(mesh);
    struct compiled *again = compile_model(m.l.m, m.n, 0, false);
    const struct image *a = m.img, *b = again->image;
    cr_assert_eq(a->n_ports, b->n_ports);
    cr_assert_eq(a->n_tables, b->n_tables);
    cr_assert_eq(a->n_acls, b->n_acls);
    cr_assert_eq(a->n_pools, b->n_pools);
    cr_assert_eq(exact_count(a->addresses), exact_count(b->addresses));
    for (size_t i = 0; i < a->n_ports; i++) {
        cr_assert_eq(a->port[i].addr, b->port[i].addr);
        cr_assert_eq(a->port[i].table, b->port[i].table);
        cr_assert_eq(a->port[i].pool, b->port[i].pool);
        cr_assert_eq(memcmp(a->port[i].host.mac, b->port[i].host.mac, 6), 0);
    }
    for (size_t t = 0; t < a->n_tables; t++)
        for (size_t i = 0; i < a->table[t].n; i++)
            cr_assert_eq(
                memcmp(&a->table[t].nexthop[i], &b->table[t].nexthop[i], sizeof *a->table[t].nexthop), 0);
    compiled_free(again);
    made_free(&m);
}

/* A pool leads back into one network, so a gateway for two would lose the second one's answers. */
Test(outbound, a_nat_gateway_serves_one_network)
{
    struct loaded l = load_checked(
        "virtualNetworks:\n"
        "  - {name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.1.0/24, "
        "natGateway: gw}, {name: b, addressPrefix: 10.0.2.0/24, natGateway: gw}]}\n"
        "  - {name: w, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: 10.0.1.0/24, "
        "natGateway: gw}]}\n"
        "publicIPAddresses: [{name: ip}]\n"
        "natGateways: [{name: gw, publicIPAddresses: [ip]}]\n");
    cr_assert_eq(l.d->errors, 1, "%s", loaded_findings(&l));
    cr_assert_not_null(strstr(loaded_findings(&l), "NAT gateway 'gw' serves 'v/a' already"));
    loaded_free(&l);
}
