/* test_compile_image.c - from model to image: numbers that stay over a run, private endpoints and their rule
 * sets, machines, what is shared. */
#include "dataplane/arena.h"
#include "tests/support_compile.h"
#include "topology/scenario.h"

#include <criterion/criterion.h>
#include <string.h>

/* -- numbers that stay ------------------------------------------------------------------------ */

static const char comings[] =
    "scenario: t\n"
    "virtualNetworks:\n"
    "  - name: hub\n"
    "    addressPrefixes: [10.0.0.0/16]\n"
    "    subnets:\n"
    "      - {name: a, addressPrefix: 10.0.1.0/24, natGateway: out}\n"
    "      - {name: e, addressPrefix: 10.0.2.0/24}\n"
    "publicIPAddresses: [{name: ip, ipAddress: 20.0.0.1}, {name: ip2, ipAddress: 20.0.0.2}]\n"
    "natGateways: [{name: out, publicIPAddresses: [ip]}]\n"
    "networkInterfaces:\n"
    "  - {name: first, subnet: hub/a}\n"
    "  - {name: second, subnet: hub/a}\n"
    "services: [{name: kv, type: Microsoft.KeyVault/vaults, publicIPAddress: 20.61.97.129}]\n"
    "privateEndpoints: [{name: second-pe, subnet: hub/e, service: kv, groupIds: [vault]}]\n"
    "internetHosts: [{name: web, ipAddress: 93.184.216.34}]\n"
    "timeline:\n"
    "  - {at: 1s, remove: networkInterfaces/first}\n"
    "  - {at: 2s, add: networkInterfaces, with: {name: third, subnet: hub/a}}\n"
    "  - {at: 3s, add: networkInterfaces, with: {name: FIRST, subnet: hub/a}}\n"
    "  - {at: 4s, remove: privateEndpoints/second-pe}\n"
    "  - {at: 5s, update: virtualNetworks/hub/subnets/a, with: {natGateway: null}}\n"
    "  - {at: 6s, add: natGateways, with: {name: other, publicIPAddresses: [ip2]}}\n"
    "  - {at: 7s, update: virtualNetworks/hub/subnets/a, with: {natGateway: out}}\n";

static struct scenario *parse(struct arena *a, const char *text)
{
    struct diag *d = diag_new(a);
    struct scenario *s = scenario_parse("t", text, strlen(text), d);
    if (d->errors)
        diag_print(d, stderr);
    cr_assert_not_null(s);
    return s;
}

static uint32_t number_of(const struct numbers *n, const char *name)
{
    for (uint32_t i = 0; i < numbers_end(n); i++)
        if (numbers_name(n, i) && strcmp(numbers_name(n, i), name) == 0)
            return i;
    cr_assert_fail("no %s", name);
    return 0;
}

static bool up(const struct compiled *c, const char *name)
{
    const uint32_t p = number_of(c->numbering->port, name);
    return p < c->image->n_ports && c->image->port[p].up;
}

Test(numbers, ports_stay_while_resources_come_and_go)
{
    struct arena *a = arena_new("test");
    struct scenario *s = parse(a, comings);
    struct numbering *n = numbering_new();
    struct compiled *c[8];
    for (uint32_t i = 0; i < 8; i++)
        c[i] = compile_model(scenario_state(s, i), n, i, false);
    static const struct {
        const char *name;
        uint32_t states; /* bit k: it is up in state k */
    } want[] = {
        {"resolver/168.63.129.16", 0xff}, {"nic/first", 0xf9},    {"nic/second", 0xff}, {"service/kv", 0xff},
        {"endpoint/second-pe", 0x0f},     {"internet/web", 0xff}, {"nic/third", 0xfc},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const uint32_t p = number_of(n->port, want[i].name);
        for (uint32_t k = 0; k < 8; k++) {
            const bool yes = want[i].states >> k & 1;
            cr_assert_eq(up(c[k], want[i].name), yes, "%s in state %u", want[i].name, k);
            if (yes && p > 1)
                cr_assert_str_eq(thing_name(c[k]->thing[p]),
                                 i == 1 && k >= 3 ? "FIRST" : strchr(want[i].name, '/') + 1);
            else if (p < c[k]->image->n_ports)
                cr_assert_eq(c[k]->thing[p].kind, THING_NONE);
        }
    }
    cr_assert_eq(number_of(n->port, "nic/first"), 2);
    cr_assert_eq(numbers_end(n->port), 8); /* two resolvers, three NICs, service, endpoint, host */
    for (uint32_t k = 0; k < 8; k++) {
        cr_assert_eq(c[k]->image->epoch, k);
        compiled_free(c[k]);
    }
    numbering_free(n);
    scenario_free(s);
    arena_free(a);
}

Test(numbers, pools_stay)
{
    struct arena *a = arena_new("test");
    struct scenario *s = parse(a, comings);
    struct numbering *n = numbering_new();
    uint32_t pool[8];
    for (uint32_t i = 0; i < 8; i++) {
        struct compiled *c = compile_model(scenario_state(s, i), n, i, false);
        const struct image_port *p = &c->image->port[number_of(n->port, "nic/second")];
        pool[i] = p->pool;
        cr_assert_lt(p->pool, c->image->n_pools);
        cr_assert_eq(c->image->pool[p->pool].n, 1);
        cr_assert_eq(c->image->pool[p->pool].addr[0] == made_ip("20.0.0.1"), i < 5 || i == 7, "state %u", i);
        cr_assert_eq(exact_get(c->image->addresses, REALM_PUBLIC, c->image->pool[p->pool].addr[0]),
                     POOL_FLAG | p->pool);
        compiled_free(c);
    }
    for (uint32_t i = 1; i < 8; i++)
        cr_assert_eq(pool[i], i == 5 || i == 6 ? pool[5] : pool[0], "state %u", i);
    cr_assert_neq(pool[5], pool[0]);
    cr_assert_eq(pool[0], number_of(n->pool, "natgw/out"));
    cr_assert_eq(pool[5], number_of(n->pool, "nic/second"));
    numbering_free(n);
    scenario_free(s);
    arena_free(a);
}

Test(numbers, names_of_ports)
{
    struct made m = made_new(
        "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: "
        "10.0.1.0/24}]}]\n"
        "networkInterfaces: [{name: n, subnet: hub/a}]\n"
        "onPremisesNetworks: [{name: hq, addressPrefixes: [192.168.0.0/16], hosts: [{name: pc, "
        "ipAddress: 192.168.1.10}]}]\n"
        "loadBalancers: [{name: lb, frontendIPConfigurations: [{name: fe, subnet: hub/a}]}]\n");
    cr_assert_str_eq(port_name(m.n, 0), "168.63.129.16");
    cr_assert_str_eq(port_name(m.n, made_port(m.n, m.l.m, "pc")), "hq/pc");
    cr_assert_str_eq(port_name(m.n, made_port(m.n, m.l.m, "N")), "n");
    cr_assert_str_eq(port_name(m.n, port_of(m.n, model_find(m.l.m, "lb/fe"))), "lb/fe");
    cr_assert_eq(port_of(m.n, (struct thing){0}), PORT_NONE);
    cr_assert_eq(identity_subnet(m.n, m.l.m, made_at(&m, "n")->identity), model_subnet(m.l.m, "hub/a"));
    cr_assert_null(identity_subnet(m.n, m.l.m, IDENTITY_NONE));
    made_free(&m);
}

/* -- rule sets of private endpoints ---------------------------------------------------------------------- */

static struct made endpoint_with(const char *policy, bool group, const char *era)
{
    struct arena *a = arena_new("text");
    struct made m = made_new(arena_printf(
        a,
        "switches: {privateEndpointPolicies: %s}\n"
        "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: e, addressPrefix: "
        "10.0.2.0/24, "
        "privateEndpointNetworkPolicies: %s%s}]}]\n"
        "networkSecurityGroups: [{name: g, securityRules: [{name: r, priority: 100, direction: Inbound, "
        "access: Deny, "
        "protocol: Tcp, sourceAddressPrefix: '*', sourcePortRange: '1000', destinationAddressPrefix: '*', "
        "destinationPortRange: '443'}]}]\n"
        "networkInterfaces: [{name: nic, subnet: v/e}]\n"
        "services: [{name: kv, type: Microsoft.KeyVault/vaults}]\n"
        "privateEndpoints: [{name: pe, subnet: v/e, service: kv, groupIds: [vault]}]\n",
        era, policy, group ? ", networkSecurityGroup: g" : ""));
    arena_free(a);
    return m;
}

Test(endpoint, has_a_rule_set_only_with_the_policy)
{
    static const struct {
        const char *policy;
        bool group, set;
        const char *era;
    } want[] = {
        {"Disabled", true, false, "current"},
        {"RouteTableEnabled", true, false, "current"},
        {"NetworkSecurityGroupEnabled", true, true, "current"},
        {"Enabled", true, true, "current"},
        {"Enabled", false, false, "current"},
        {"Disabled", true, false, "'2021'"},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct made m = endpoint_with(want[i].policy, want[i].group, want[i].era);
        const struct image_port *pe = made_at(&m, "pe"), *nic = made_at(&m, "nic");
        cr_assert_eq(pe->acl[1][1] != NONE32, want[i].set, "%s", want[i].policy);
        cr_assert_eq(pe->acl[1][0], NONE32);
        cr_assert_eq(pe->acl[0][0], NONE32);
        cr_assert_eq(pe->acl[0][1], NONE32);                   /* PE-09: outbound rules mean nothing */
        cr_assert_eq(nic->acl[1][1] != NONE32, want[i].group); /* whatever the policy, machines meet them */
        made_free(&m);
    }
}

/* PE-09: at an endpoint source ports are any; at a machine of the same subnet they count. */
Test(endpoint, source_ports_mean_nothing_there)
{
    struct made m = endpoint_with("Enabled", true, "current");
    const struct acl_key other = {made_ip("10.0.1.4"), made_ip("10.0.2.5"), 2000, 443, IPPROTO_NR_TCP};
    struct acl_key same = other;
    same.sport = 1000;
    const uint32_t pe = made_at(&m, "pe")->acl[1][1], nic = made_at(&m, "nic")->acl[1][1];
    cr_assert_neq(pe, nic);
    cr_assert(!image_acl_check(m.img, pe, &same).allow);
    cr_assert(!image_acl_check(m.img, pe, &other).allow);
    cr_assert_eq(image_acl_check(m.img, pe, &other).id, 0);
    cr_assert(!image_acl_check(m.img, nic, &same).allow);
    cr_assert(image_acl_check(m.img, nic, &other).allow);
    cr_assert_str_eq(m.c->acl[nic]->rule[image_acl_check(m.img, nic, &other).id].name, "AllowVnetInBound");
    made_free(&m);
}

static const char gates[] =
    "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], privateEndpointVNetPolicies: Basic, "
    "subnets: [{name: e, "
    "addressPrefix: 10.0.2.0/24, privateEndpointNetworkPolicies: RouteTableEnabled}]},\n"
    "  {name: w, addressPrefixes: [10.0.0.0/16], subnets: [{name: e, addressPrefix: 10.0.2.0/24}]}]\n"
    "services: [{name: acr, type: Microsoft.ContainerRegistry/registries, sku: Premium}]\n"
    "privateEndpoints:\n"
    "  - {name: ok, subnet: v/e, service: acr, groupIds: [registry]}\n"
    "  - {name: wait, subnet: w/e, service: acr, groupIds: [registry], status: Pending}\n"
    "  - {name: no, subnet: w/e, service: acr, groupIds: [registry], status: Rejected}\n";

Test(endpoint, gate_members_and_scale)
{
    struct made m = made_new(gates);
    cr_assert_eq(made_at(&m, "ok")->gate, REASON_NONE);
    cr_assert_eq(made_at(&m, "wait")->gate, REASON_ENDPOINT_NOT_APPROVED);
    cr_assert_eq(made_at(&m, "no")->gate, REASON_ENDPOINT_NOT_APPROVED);
    cr_assert(made_at(&m, "ok")->high_scale && !made_at(&m, "wait")->high_scale);
    cr_assert_eq(made_at(&m, "ok")->service, made_port(m.n, m.l.m, "acr"));
    const struct private_endpoint *pe = model_find(m.l.m, "ok").p;
    cr_assert_eq(pe->ipConfigurations.n, 2); /* every member's address leads to the endpoint */
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(exact_get(m.img->addresses, made_at(&m, "ok")->realm,
                               pe->ipConfigurations.at[i].privateIPAddress),
                     made_port(m.n, m.l.m, "ok"));
    /* The other network has the same addresses, and its own endpoints there. */
    cr_assert_eq(
        exact_get(m.img->addresses, made_at(&m, "wait")->realm, pe->ipConfigurations.at[0].privateIPAddress),
        made_port(m.n, m.l.m, "wait"));
    made_free(&m);
}

/* -- the rest of an image -------------------------------------------------------------------------------- */

static const char sundries[] =
    "switches: {privateEndpointReturn: lastHop, ruleChangeKeepsFlows: false}\n"
    "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], flowTimeoutInMinutes: 10, subnets: [{name: "
    "a, "
    "addressPrefixes: [10.0.1.0/24, 10.0.9.0/24], networkSecurityGroup: g}]}]\n"
    "networkSecurityGroups: [{name: g}, {name: dns, securityRules: [{name: r, priority: 100, direction: "
    "Outbound, access: "
    "Deny, protocol: '*', sourceAddressPrefix: '*', destinationAddressPrefix: AzurePlatformDNS, "
    "destinationPortRange: "
    "'*'}]}]\n"
    "networkInterfaces:\n"
    "  - {name: n, subnet: v/a, privateIPAddress: 10.0.9.4, networkSecurityGroup: dns, mtu: 1400, listens: "
    "[tcp/443, "
    "udp/53-54, '-icmp'], enableIPForwarding: true, appliance: {forwards: true, snat: true, stateful: false, "
    "drops: "
    "[udp/9]}}\n"
    "  - {name: o, subnet: v/a, privateIPAddress: 10.0.1.4, networkSecurityGroup: dns}\n"
    "  - {name: p, subnet: v/a, privateIPAddress: 10.0.1.5, powerState: deallocated}\n"
    "services: [{name: any, type: Microsoft.KeyVault/vaults}, {name: deaf, type: Microsoft.KeyVault/vaults, "
    "listens: []}]\n"
    "links: {internet: {latency: 10ms, jitter: 1ms, bandwidth: 1Gbps, loss: 0.5}}\n";

Test(image, machines_and_switches)
{
    struct made m = made_new(sundries);
    const struct image_port *n = made_at(&m, "n"), *o = made_at(&m, "o"), *p = made_at(&m, "p");
    cr_assert(m.img->endpoint_return_last_hop && !m.img->rule_change_keeps_flows);
    cr_assert(n->up && o->up && !p->up);
    cr_assert(n->ip_forwarding && !o->ip_forwarding);
    cr_assert_eq(n->flow_timeout, INT64_C(600000000000));
    cr_assert_eq(n->host.mtu, 1400);
    cr_assert_eq(n->host.gateway, made_ip("10.0.9.1")); /* A-01, of the prefix that holds the address */
    cr_assert_eq(o->host.gateway, made_ip("10.0.1.1"));
    cr_assert_eq(n->host.n_listens, 2);
    cr_assert_eq(n->host.listens[1].last, 54);
    cr_assert(!n->host.answers_ping && o->host.answers_ping);
    cr_assert(n->host.appliance.present && n->host.appliance.snat && !n->host.appliance.stateful);
    cr_assert_eq(n->host.appliance.n_drops, 1);
    cr_assert(!o->host.appliance.present);
    cr_assert(memcmp(n->host.mac, o->host.mac, 6) != 0);
    cr_assert(memcmp(n->host.mac, (uint8_t[]){0x00, 0x0d, 0x3a}, 3) == 0); /* */
    cr_assert(made_at(&m, "any")->host.listens_all_tcp && !made_at(&m, "deaf")->host.listens_all_tcp);
    cr_assert(!made_at(&m, "any")->host.answers_ping && made_at(&m, "any")->host.any_addr);
    const struct image_link *l = &m.img->link[m.img->link_internet];
    cr_assert(l->latency == 10000000 && l->jitter == 1000000 && l->bandwidth == 1000000000 && l->loss >= 0.5);
    cr_assert_gt(m.img->link[m.img->link_local].latency, 0); /* the others have their defaults */
    made_free(&m);
}

Test(image, tables_and_rule_sets_are_shared)
{
    struct made m = made_new(sundries);
    const struct image_port *n = made_at(&m, "n"), *o = made_at(&m, "o");
    cr_assert_eq(n->table, o->table);
    cr_assert_eq(memcmp(n->acl, o->acl, sizeof n->acl), 0);
    cr_assert_eq(m.img->n_acls, 4);               /* two groups, two directions */
    cr_assert(m.img->acl[n->acl[0][0]].platform); /* G-14: a rule names AzurePlatformDNS */
    cr_assert(!m.img->acl[n->acl[0][1]].platform);
    cr_assert_eq(m.c->acl[n->acl[0][0]]->direction, DIR_OUTBOUND);
    cr_assert_eq(m.c->acl[n->acl[1][0]]->direction, DIR_INBOUND);
    cr_assert_str_eq(m.c->acl[n->acl[1][1]]->nsg->name, "g");
    cr_assert_str_eq(m.c->acl[n->acl[1][0]]->nsg->name, "dns");
    made_free(&m);
}

/* A group without members matches nothing: the rule is left out, and must not turn into one for everything.
 */
Test(image, rules_for_nobody_match_nobody)
{
    struct made m = made_new(
        "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: "
        "10.0.1.0/24, "
        "networkSecurityGroup: g}]}]\n"
        "applicationSecurityGroups: [{name: empty}, {name: web}]\n"
        "networkSecurityGroups: [{name: g, securityRules: [\n"
        "  {name: to-nobody, priority: 100, direction: Inbound, access: Deny, protocol: '*', "
        "sourceAddressPrefix: '*', "
        "destinationApplicationSecurityGroups: [empty], destinationPortRange: '*'},\n"
        "  {name: from-nobody, priority: 110, direction: Inbound, access: Deny, protocol: '*', "
        "sourceApplicationSecurityGroups: [empty], destinationAddressPrefix: '*', destinationPortRange: "
        "'*'},\n"
        "  {name: to-web, priority: 120, direction: Inbound, access: Deny, protocol: '*', "
        "sourceAddressPrefix: '*', "
        "destinationApplicationSecurityGroups: [web], destinationPortRange: '*'}]}]\n"
        "networkInterfaces:\n"
        "  - {name: n, subnet: v/a, privateIPAddress: 10.0.1.4}\n"
        "  - {name: w, subnet: v/a, privateIPAddress: 10.0.1.5, applicationSecurityGroups: [web]}\n");
    const uint32_t acl = made_at(&m, "n")->acl[1][1];
    struct acl_key k = {made_ip("10.0.1.9"), made_ip("10.0.1.4"), 1, 2, IPPROTO_NR_TCP};
    cr_assert_str_eq(m.c->acl[acl]->rule[image_acl_check(m.img, acl, &k).id].name, "AllowVnetInBound");
    k.dst = made_ip("10.0.1.5"); /* ids are positions in the whole list, the rules left out included */
    cr_assert_str_eq(m.c->acl[acl]->rule[image_acl_check(m.img, acl, &k).id].name, "to-web");
    made_free(&m);
}
