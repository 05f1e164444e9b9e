/* test_rules.c - sets of addresses, computed tags, and effective security rules: one test per rule, named
 * after it. */
#include "tests/support_hub.h"
#include "tests/support_prop.h"
#include "topology/rules.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(rules, .init = hub_setup, .fini = hub_teardown);
TestSuite(tagspace, .init = hub_setup, .fini = hub_teardown);

/* -- sets ------------------------------------------------------------------------------------------------ */

static const char *text_of(struct prefix_set s)
{
    const char *all = "";
    char p[PREFIX4_STRLEN];
    for (size_t i = 0; i < s.n; i++)
        all = arena_printf(m->arena, "%s%s%s", all, i ? " " : "", prefix4_format(s.at[i], p));
    return all;
}

static void is_set(struct prefix_set s, const char *want)
{
    cr_assert_str_eq(text_of(s), want, "got %s, want %s", text_of(s), want);
}

static struct prefix_set set(const char *text)
{
    struct prefix4 list[32];
    size_t n = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        list[n++] = net_prefix(arena_strndup(m->arena, text, len));
        text += len + strspn(text + len, " ");
    }
    return prefixset_make(m->arena, list, n);
}

Test(tagspace, normal_form)
{
    is_set(set(""), "");
    is_set(set("10.0.0.0/8 10.1.0.0/16 10.0.0.0/8"), "10.0.0.0/8");
    is_set(set("10.1.0.0/16 10.0.0.0/16"), "10.0.0.0/15");
    is_set(set("10.1.0.0/16 10.2.0.0/16"), "10.1.0.0/16 10.2.0.0/16");
    is_set(set("128.0.0.0/1 0.0.0.0/1"), "0.0.0.0/0");
    is_set(set("255.255.255.255/32 0.0.0.0/32"), "0.0.0.0/32 255.255.255.255/32");
    is_set(set("10.0.0.3/32 10.0.0.0/31 10.0.0.2/32 10.0.0.4/30"), "10.0.0.0/29");
}

Test(tagspace, operations)
{
    struct arena *a = m->arena;
    is_set(prefixset_union(a, set("10.0.0.0/9"), set("10.128.0.0/9 11.0.0.0/8")), "10.0.0.0/7");
    is_set(prefixset_minus(a, set("10.0.0.0/29"), set("10.0.0.3/32")), "10.0.0.0/31 10.0.0.2/32 10.0.0.4/30");
    is_set(prefixset_minus(a, set("10.0.0.0/29"), set("0.0.0.0/0")), "");
    is_set(prefixset_intersect(a, set("10.0.0.0/8 12.0.0.0/8"), set("10.5.0.0/16 11.0.0.0/8 12.0.0.0/7")),
           "10.5.0.0/16 12.0.0.0/8");
    is_set(prefixset_complement(a, set("")), "0.0.0.0/0");
    is_set(prefixset_complement(a, set("0.0.0.0/0")), "");
    is_set(prefixset_complement(a, set("128.0.0.0/1")), "0.0.0.0/1");
    is_set(prefixset_complement(a, set("255.255.255.255/32 0.0.0.0/1")),
           "128.0.0.0/2 192.0.0.0/3 224.0.0.0/4 240.0.0.0/5 248.0.0.0/6 252.0.0.0/7 254.0.0.0/8 255.0.0.0/9 "
           "255.128.0.0/10 255.192.0.0/11 255.224.0.0/12 255.240.0.0/13 255.248.0.0/14 255.252.0.0/15 "
           "255.254.0.0/16 255.255.0.0/17 255.255.128.0/18 255.255.192.0/19 255.255.224.0/20 "
           "255.255.240.0/21 255.255.248.0/22 255.255.252.0/23 255.255.254.0/24 255.255.255.0/25 "
           "255.255.255.128/26 255.255.255.192/27 255.255.255.224/28 255.255.255.240/29 255.255.255.248/30 "
           "255.255.255.252/31 255.255.255.254/32");
    cr_assert_eq(prefixset_size(set("0.0.0.0/0")), (uint64_t)1 << 32);
    cr_assert_eq(prefixset_size(set("10.0.0.0/24 10.0.2.0/25")), 384);
}

/* A bitmap over 10 bits of address as oracle: 10.0.b.b with the low 10 bits. */
enum { BITS = 10, SPACE = 1 << BITS };

static struct prefix_set random_set(struct rng *r, bool map[SPACE])
{
    struct prefix4 list[12];
    size_t n = rng_below(r, 12);
    memset(map, 0, SPACE * sizeof map[0]);
    for (size_t i = 0; i < n; i++) {
        uint8_t len = (uint8_t)(32 - rng_below(r, BITS + 1));
        list[i] = (struct prefix4){(IP4(10, 0, 0, 0) | (ip4)rng_below(r, SPACE)) & ip4_mask(len), len};
        for (ip4 ip = list[i].addr; ip <= prefix4_last(list[i]); ip++)
            map[ip & (SPACE - 1)] = true;
    }
    return prefixset_make(m->arena, list, n);
}

static void is_map(struct prefix_set s, const bool map[SPACE])
{
    for (ip4 i = 0; i < SPACE; i++)
        cr_assert_eq(prefixset_has(s, IP4(10, 0, 0, 0) | i), map[i]);
    for (size_t i = 1; i < s.n; i++) {
        cr_assert_lt(prefix4_last(s.at[i - 1]), s.at[i].addr);
        bool twins = s.at[i - 1].len == s.at[i].len && (s.at[i - 1].addr & ip4_mask(s.at[i].len - 1u)) ==
                                                           (s.at[i].addr & ip4_mask(s.at[i].len - 1u));
        cr_assert_not(twins, "two prefixes that one could replace");
    }
}

Test(tagspace, property_algebra)
{
    struct rng r;
    prop_seed(&r, "prefix sets");
    static bool x[SPACE], y[SPACE], z[SPACE];
    for (int round = 0; round < 400; round++) {
        struct prefix_set sx = random_set(&r, x), sy = random_set(&r, y);
        is_map(sx, x);
        for (int i = 0; i < SPACE; i++)
            z[i] = x[i] || y[i];
        is_map(prefixset_union(m->arena, sx, sy), z);
        for (int i = 0; i < SPACE; i++)
            z[i] = x[i] && !y[i];
        is_map(prefixset_minus(m->arena, sx, sy), z);
        for (int i = 0; i < SPACE; i++)
            z[i] = x[i] && y[i];
        is_map(prefixset_intersect(m->arena, sx, sy), z);
        for (int i = 0; i < SPACE; i++)
            z[i] = !x[i];
        struct prefix_set c = prefixset_complement(m->arena, sx);
        is_map(c, z);
        cr_assert_eq(prefixset_size(c) + prefixset_size(sx), (uint64_t)1 << 32);
        cr_assert_str_eq(text_of(prefixset_complement(m->arena, c)), text_of(sx));
    }
}

/* -- computed tags --------------------------------------------------------------------------------------- */

static struct route_view at(const struct subnet *s)
{
    return (struct route_view){s->vnet, s};
}

static void is_vnet(const struct subnet *s, const char *want)
{
    is_set(tagspace_virtual_network(m->arena, m, at(s)), want);
}

static bool internet_has(const struct subnet *s, const char *ip)
{
    return prefixset_has(tagspace_internet(m->arena, m, at(s)), net_ip(ip));
}

Test(tagspace, G09_own_space_and_the_host)
{
    is_vnet(clients, "10.0.0.0/16 168.63.129.16/32");
}

Test(tagspace, G09_P03_peers_that_the_own_link_allows)
{
    struct vnet *a = net_vnet(m, "a", "westeurope", "10.1.0.0/16 10.9.0.0/16");
    struct vnet *b = net_vnet(m, "b", "eastus", "10.2.0.0/16");
    struct vnet *c = net_vnet(m, "c", "eastus", "10.3.0.0/16");
    struct vnet *beyond = net_vnet(m, "beyond", "eastus", "10.4.0.0/16");
    struct peering *pa = net_peer(hub, a), *pb = net_peer(hub, b);
    net_link(hub, c); /* P-01: only initiated */
    net_peer(a, beyond);
    is_vnet(clients, "10.0.0.0/15 10.2.0.0/16 10.9.0.0/16 168.63.129.16/32");
    pa->allowVirtualNetworkAccess = false;
    is_vnet(clients, "10.0.0.0/16 10.2.0.0/16 168.63.129.16/32");
    pb->reverse->allowVirtualNetworkAccess = false; /* the other side's choice is the other side's tag */
    is_vnet(clients, "10.0.0.0/16 10.2.0.0/16 168.63.129.16/32");
    is_vnet(net_subnet(m, b, "s", "10.2.0.0/24"), "10.2.0.0/16 168.63.129.16/32");
}

Test(tagspace, G09_Y19_subnet_peering_brings_the_listed_subnets)
{
    struct vnet *a = net_vnet(m, "a", "westeurope", "10.1.0.0/16");
    struct subnet *in = net_subnet(m, a, "in", "10.1.4.0/24");
    net_subnet(m, a, "out", "10.1.5.0/24");
    net_list(m, &net_peer(hub, a)->remoteSubnetNames, in);
    is_vnet(clients, "10.0.0.0/16 10.1.4.0/24 168.63.129.16/32");
}

Test(tagspace, G09_P05_gateway_space_own_and_remote)
{
    struct vnet *spoke = net_vnet(m, "spoke", "westeurope", "10.1.0.0/16");
    struct subnet *s = net_subnet(m, spoke, "s", "10.1.0.0/24");
    struct peering *up = net_peer(spoke, hub);
    net_onprem(m, net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4"), "hq", "192.168.0.0/16");
    is_vnet(clients, "10.0.0.0/15 168.63.129.16/32 192.168.0.0/16");
    is_vnet(s, "10.0.0.0/15 168.63.129.16/32");
    up->useRemoteGateways = up->reverse->allowGatewayTransit = true;
    is_vnet(s, "10.0.0.0/15 168.63.129.16/32 192.168.0.0/16");
}

Test(tagspace, G09_prefixes_of_user_routes_by_switch)
{
    struct subnet *other = net_subnet(m, hub, "other", "10.0.2.0/24");
    net_route(m, clients, "a", "172.16.0.0/12", NH_TYPE_NONE, NULL);
    net_route(m, clients, "t", "Sql", NH_TYPE_INTERNET, NULL); /* a tag is no address prefix */
    is_vnet(clients, "10.0.0.0/16 168.63.129.16/32 172.16.0.0/12");
    is_vnet(other, "10.0.0.0/16 168.63.129.16/32");
    net_route(m, clients, "all", "0.0.0.0/0", NH_TYPE_INTERNET, NULL);
    is_vnet(clients, "0.0.0.0/0");
    m->switches.virtualNetworkTagIncludesUdr = false;
    is_vnet(clients, "10.0.0.0/16 168.63.129.16/32");
}

Test(tagspace, G10_internet_is_every_public_address)
{
    static const char *const in[] = {"1.0.0.0",       "8.8.8.8",         "20.60.0.1",      "203.0.113.7",
                                     "9.255.255.255", "100.63.255.255",  "172.15.255.255", "172.32.0.0",
                                     "192.167.0.1",   "223.255.255.255", "168.63.129.15",  "168.63.129.17"};
    static const char *const out[] = {"0.0.0.1",   "10.0.0.1",        "10.200.0.1",   "100.64.0.1",
                                      "127.0.0.1", "169.254.0.1",     "172.16.0.1",   "192.168.0.1",
                                      "224.0.0.1", "255.255.255.255", "168.63.129.16"};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
        cr_assert(internet_has(clients, in[i]), "%s", in[i]);
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++)
        cr_assert_not(internet_has(clients, out[i]), "%s", out[i]);
    /* the beginning of what Azure's tool prints for it */
    struct prefix_set s = tagspace_internet(m->arena, m, at(clients));
    is_set((struct prefix_set){s.at, 6}, "1.0.0.0/8 2.0.0.0/7 4.0.0.0/6 8.0.0.0/7 11.0.0.0/8 12.0.0.0/6");
}

Test(tagspace, G10_property_internet_is_public_space)
{
    struct rng r;
    prop_seed(&r, "internet");
    struct prefix_set s = tagspace_internet(m->arena, m, at(clients));
    for (int i = 0; i < 200000; i++) {
        ip4 ip = (ip4)rng_u64(&r);
        cr_assert_eq(prefixset_has(s, ip), ip4_is_public(ip));
    }
}

Test(tagspace, G10_connected_public_space_is_not_internet)
{
    struct vnet *a = net_vnet(m, "a", "westeurope", "20.1.0.0/16");
    net_peer(hub, a);
    net_onprem(m, net_gateway(m, hub, GATEWAY_VPN, "20.0.0.1", "10.0.255.4"), "hq",
               "203.0.113.0/24 0.0.0.0/0");
    net_route(m, clients, "u", "0.0.0.0/0", NH_TYPE_INTERNET, NULL);
    cr_assert_not(internet_has(clients, "20.1.2.3"));
    cr_assert_not(internet_has(clients, "203.0.113.9"));
    cr_assert(internet_has(clients, "20.2.2.3"),
              "neither a learned nor a user default route empties Internet");
}

Test(tagspace, G11_G12_tags_by_name_without_case)
{
    is_set(tagspace_tag(m->arena, m, at(clients), "azureloadbalancer"), "168.63.129.16/32");
    is_set(tagspace_tag(m->arena, m, at(clients), "storage.westeurope"), "20.60.0.0/17 20.60.128.0/24");
    is_set(tagspace_tag(m->arena, m, at(clients), "virtualnetwork"), "10.0.0.0/16 168.63.129.16/32");
    is_set(tagspace_tag(m->arena, m, at(clients), "NoSuchTag"), "");
    cr_assert_eq(prefixset_size(tagspace_tag(m->arena, m, at(clients), "INTERNET")),
                 prefixset_size(tagspace_internet(m->arena, m, at(clients))));
}

Test(tagspace, G13_members_of_a_group)
{
    struct asg *g = net_asg(m, "g"), *empty = net_asg(m, "empty");
    net_join(m, &net_nic(m, "a", clients, "10.0.1.5")->applicationSecurityGroups, g);
    net_join(m, &net_nic(m, "b", clients, "10.0.1.4")->applicationSecurityGroups, g);
    net_nic(m, "c", clients, "10.0.1.6");
    net_join(m, &net_endpoint(m, "pe", clients, "10.0.1.9 10.0.1.12")->applicationSecurityGroups, g);
    is_set(tagspace_asg(m->arena, m, g), "10.0.1.4/31 10.0.1.9/32 10.0.1.12/32");
    is_set(tagspace_asg(m->arena, m, empty), "");
}

/* -- effective rules ------------------------------------------------------------------------------------- */

static const struct eff_rules *eff(const struct nsg *g, enum direction d)
{
    return rules_effective(m->arena, m, g, at(clients), d);
}

static const char *hit(const struct eff_rules *r, uint8_t proto, const char *src, const char *dst,
                       uint16_t port)
{
    const struct eff_rule *e =
        rules_match(r, proto, net_ip(src), proto == 1 ? 0 : 40000, net_ip(dst), proto == 1 ? 0 : port);
    return e->name;
}

static const char *names(const struct eff_rules *r)
{
    const char *all = "";
    for (size_t i = 0; i < r->n; i++) {
        cr_assert_eq(r->rule[i].index, i);
        cr_assert_eq(r->rule[i].direction, r->direction);
        all = arena_printf(m->arena, "%s%s%u %s %s", all, i ? ", " : "", r->rule[i].priority, r->rule[i].name,
                           r->rule[i].access == ACCESS_ALLOW ? "allow" : "deny");
    }
    return all;
}

Test(rules, G01_priority_decides_and_the_first_match_ends)
{
    struct nsg *g = net_nsg(m, "g");
    net_rule(m, g, "late", 4096, DIR_OUTBOUND, ACCESS_ALLOW, 0, "*", "*", "*");
    net_rule(m, g, "in", 100, DIR_INBOUND, ACCESS_DENY, 0, "*", "*", "*");
    net_rule(m, g, "first", 100, DIR_OUTBOUND, ACCESS_DENY, 6, "*", "8.8.8.0/24", "443");
    net_rule(m, g, "second", 200, DIR_OUTBOUND, ACCESS_ALLOW, 6, "*", "8.8.8.8/32", "443");
    const struct eff_rules *out = eff(g, DIR_OUTBOUND);
    cr_assert_str_eq(names(out),
                     "100 first deny, 200 second allow, 4096 late allow, 65000 AllowVnetOutBound allow, "
                     "65001 AllowInternetOutBound allow, 65500 DenyAllOutBound deny");
    cr_assert_str_eq(hit(out, 6, "10.0.1.4", "8.8.8.8", 443), "first");
    cr_assert_str_eq(hit(out, 6, "10.0.1.4", "8.8.8.8", 444), "late");
    cr_assert_str_eq(hit(out, 17, "10.0.1.4", "8.8.8.8", 443), "late");
    cr_assert_eq(out->rule[0].origin.line, 203);
    cr_assert_eq(out->rule[0].rule, &g->securityRules.at[2]);
}

Test(rules, G02_defaults)
{
    struct nsg *g = net_nsg(m, "g");
    const struct eff_rules *in = eff(g, DIR_INBOUND), *out = eff(g, DIR_OUTBOUND);
    cr_assert_str_eq(names(in), "65000 AllowVnetInBound allow, 65001 AllowAzureLoadBalancerInBound allow, "
                                "65500 DenyAllInBound deny");
    cr_assert_str_eq(names(out), "65000 AllowVnetOutBound allow, 65001 AllowInternetOutBound allow, "
                                 "65500 DenyAllOutBound deny");
    cr_assert_eq(in->rule[1].which, RULE_ALLOW_LB_IN);
    cr_assert_eq(out->rule[2].which, RULE_DENY_ALL_OUT);
    cr_assert_null(in->rule[0].rule);
    cr_assert_str_eq(hit(in, 6, "10.0.2.4", "10.0.1.4", 22), "AllowVnetInBound");
    cr_assert_str_eq(hit(in, 1, "10.0.2.4", "10.0.1.4", 0), "AllowVnetInBound");
    cr_assert_str_eq(hit(in, 6, "168.63.129.16", "10.0.1.4", 80),
                     "AllowVnetInBound"); /* the host is in both */
    cr_assert_str_eq(hit(in, 6, "168.63.129.16", "20.1.1.1", 80), "AllowAzureLoadBalancerInBound");
    cr_assert_str_eq(hit(in, 6, "8.8.8.8", "10.0.1.4", 80), "DenyAllInBound");
    cr_assert_str_eq(hit(out, 17, "10.0.1.4", "8.8.8.8", 53), "AllowInternetOutBound");
    cr_assert_str_eq(hit(out, 6, "10.0.1.4", "10.0.9.9", 80), "AllowVnetOutBound");
    /* G-10: private space outside the network is neither */
    cr_assert_str_eq(hit(out, 6, "10.0.1.4", "10.10.10.10", 80), "DenyAllOutBound");
}

Test(rules, G09_default_user_route_widens_virtual_network)
{
    struct nsg *g = net_nsg(m, "g");
    net_route(m, clients, "all", "0.0.0.0/0", NH_TYPE_INTERNET, NULL);
    cr_assert_str_eq(hit(eff(g, DIR_OUTBOUND), 6, "10.0.1.4", "10.10.10.10", 80), "AllowVnetOutBound");
    cr_assert_str_eq(hit(eff(g, DIR_INBOUND), 6, "8.8.8.8", "10.0.1.4", 80), "AllowVnetInBound");
    m->switches.virtualNetworkTagIncludesUdr = false;
    cr_assert_str_eq(hit(eff(g, DIR_OUTBOUND), 6, "10.0.1.4", "10.10.10.10", 80), "DenyAllOutBound");
    cr_assert_str_eq(hit(eff(g, DIR_INBOUND), 6, "8.8.8.8", "10.0.1.4", 80), "DenyAllInBound");
}

Test(rules, G10_deny_internet_holds_under_a_forced_tunnel)
{
    struct nsg *g = net_nsg(m, "g");
    net_rule(m, g, "no-web", 100, DIR_OUTBOUND, ACCESS_DENY, 0, "*", "Internet", "*");
    net_route(m, clients, "all", "0.0.0.0/0", NH_TYPE_INTERNET, NULL);
    cr_assert_str_eq(hit(eff(g, DIR_OUTBOUND), 6, "10.0.1.4", "8.8.8.8", 80), "no-web");
    cr_assert_str_eq(hit(eff(g, DIR_OUTBOUND), 6, "10.0.1.4", "10.0.2.2", 80), "AllowVnetOutBound");
}

Test(rules, G08_protocols_and_ports)
{
    struct nsg *g = net_nsg(m, "g");
    net_rule(m, g, "icmp", 100, DIR_INBOUND, ACCESS_ALLOW, 1, "*", "*", "*");
    net_rule(m, g, "any-443", 110, DIR_INBOUND, ACCESS_ALLOW, 0, "*", "*", "443");
    net_rule(m, g, "esp", 120, DIR_INBOUND, ACCESS_ALLOW, 50, "*", "*", "*");
    net_rule(m, g, "halves", 130, DIR_INBOUND, ACCESS_ALLOW, 51, "*", "*", "0-100 101-65535");
    net_rule(m, g, "gap", 125, DIR_INBOUND, ACCESS_DENY, 51, "*", "*", "0-100 102-65535");
    const struct eff_rules *in = eff(g, DIR_INBOUND);
    cr_assert_str_eq(hit(in, 1, "8.8.8.8", "10.0.1.4", 0), "icmp");
    cr_assert_str_eq(hit(in, 6, "8.8.8.8", "10.0.1.4", 443), "any-443");
    cr_assert_str_eq(hit(in, 17, "8.8.8.8", "10.0.1.4", 443), "any-443");
    cr_assert_str_eq(hit(in, 6, "8.8.8.8", "10.0.1.4", 444), "DenyAllInBound");
    cr_assert_str_eq(hit(in, 50, "8.8.8.8", "10.0.1.4", 443), "esp");
    cr_assert_str_eq(hit(in, 51, "8.8.8.8", "10.0.1.4", 0), "halves");
}

Test(rules, G17_any_combination_matches)
{
    struct nsg *g = net_nsg(m, "g");
    net_rule(m, g, "r", 100, DIR_INBOUND, ACCESS_ALLOW, 6, "1.0.0.0/24 3.0.0.0/24", "10.0.1.4/32 10.0.1.6/32",
             "80 8000-8080");
    const struct eff_rules *in = eff(g, DIR_INBOUND);
    const char *const src[] = {"1.0.0.9", "3.0.0.9"}, *const dst[] = {"10.0.1.4", "10.0.1.6"};
    const uint16_t yes[] = {80, 8000, 8080}, no[] = {79, 81, 7999, 8081};
    for (size_t s = 0; s < 2; s++)
        for (size_t d = 0; d < 2; d++) {
            for (size_t p = 0; p < 3; p++)
                cr_assert_str_eq(hit(in, 6, src[s], dst[d], yes[p]), "r");
            for (size_t p = 0; p < 4; p++)
                cr_assert_str_eq(hit(in, 6, src[s], dst[d], no[p]), "DenyAllInBound");
        }
    cr_assert_str_eq(hit(in, 6, "2.0.0.9", "10.0.1.4", 80), "DenyAllInBound");
    cr_assert_str_eq(hit(in, 6, "1.0.0.9", "10.0.1.5", 80), "DenyAllInBound");
}

Test(rules, G12_service_tags)
{
    struct nsg *g = net_nsg(m, "g");
    net_rule(m, g, "storage", 100, DIR_OUTBOUND, ACCESS_ALLOW, 6, "VirtualNetwork", "Storage.westeurope",
             "443");
    net_rule(m, g, "none", 110, DIR_OUTBOUND, ACCESS_DENY, 0, "*", "Internet", "*");
    const struct eff_rules *out = eff(g, DIR_OUTBOUND);
    cr_assert_str_eq(hit(out, 6, "10.0.1.4", "20.60.1.1", 443), "storage");
    cr_assert_str_eq(hit(out, 6, "10.0.1.4", "20.61.1.1", 443), "none"); /* another region's */
    cr_assert_str_eq(hit(out, 6, "9.9.9.9", "20.60.1.1", 443), "none");
    cr_assert(out->rule[0].destination.tagged);
    cr_assert_str_eq(out->rule[0].destination.text[0], "Storage.westeurope");
}

Test(rules, G13_groups_and_an_empty_one_never_matches)
{
    struct nsg *g = net_nsg(m, "g");
    struct asg *members = net_asg(m, "web"), *empty = net_asg(m, "empty");
    net_join(m, &net_nic(m, "a", clients, "10.0.1.5")->applicationSecurityGroups, members);
    struct security_rule *r = net_rule(m, g, "to-web", 100, DIR_INBOUND, ACCESS_ALLOW, 6, "*", "", "80");
    net_join(m, &r->destinationApplicationSecurityGroups, members);
    struct security_rule *e = net_rule(m, g, "to-nobody", 90, DIR_INBOUND, ACCESS_DENY, 0, "*", "", "*");
    net_join(m, &e->destinationApplicationSecurityGroups, empty);
    const struct eff_rules *in = eff(g, DIR_INBOUND);
    cr_assert_str_eq(in->rule[0].name, "to-nobody");
    cr_assert_eq(in->rule[0].destination.set.n, 0);
    cr_assert_str_eq(hit(in, 6, "8.8.8.8", "10.0.1.5", 80), "to-web");
    cr_assert_str_eq(hit(in, 6, "8.8.8.8", "10.0.1.6", 80), "DenyAllInBound");
    cr_assert(in->rule[1].destination.grouped);
}

Test(rules, G14_only_named_platform_tags_touch_the_platform)
{
    struct nsg *g = net_nsg(m, "g");
    net_rule(m, g, "dns", 100, DIR_OUTBOUND, ACCESS_DENY, 0, "*", "azureplatformdns", "53");
    net_rule(m, g, "imds", 110, DIR_OUTBOUND, ACCESS_DENY, 0, "*", "AzurePlatformIMDS", "80");
    net_rule(m, g, "lkm", 120, DIR_OUTBOUND, ACCESS_DENY, 0, "*", "AzurePlatformLKM", "1688");
    net_rule(m, g, "all", 130, DIR_OUTBOUND, ACCESS_DENY, 0, "*", "*", "*");
    net_rule(m, g, "host", 140, DIR_OUTBOUND, ACCESS_DENY, 0, "*", "168.63.129.16/32", "*");
    const struct eff_rules *out = eff(g, DIR_OUTBOUND);
    const bool want[8][3] = {{true, false, false}, {false, true, false}, {false, false, true}};
    for (size_t i = 0; i < out->n; i++)
        for (int p = PLATFORM_DNS; p <= PLATFORM_LKM; p++)
            cr_assert_eq(rules_touch_platform(&out->rule[i], (enum platform_tag)p), want[i][p], "%s %d",
                         out->rule[i].name, p);
    cr_assert(prefixset_has(out->rule[0].destination.set, IP4_PLATFORM));
    cr_assert(prefixset_has(out->rule[1].destination.set, IP4_IMDS));
}

Test(rules, G03_order_of_groups_at_a_nic)
{
    struct nic *nic = net_nic(m, "vm-nic", clients, "10.0.1.4");
    cr_assert_eq(rules_of_nic(m->arena, m, nic)->n, 0);
    nic->networkSecurityGroup = net_nsg(m, "own");
    const struct nic_rules *r = rules_of_nic(m->arena, m, nic);
    cr_assert_eq(r->n, 2);
    cr_assert_eq(r->at[0]->direction, DIR_INBOUND);
    cr_assert_eq(r->at[1]->direction, DIR_OUTBOUND);
    clients->networkSecurityGroup = net_nsg(m, "subnet");
    r = rules_of_nic(m->arena, m, nic);
    cr_assert_eq(r->n, 4);
    static const char *const want[] = {"subnet", "own", "own", "subnet"};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_str_eq(r->at[i]->nsg->name, want[i]);
        cr_assert_eq(r->at[i]->direction, i < 2 ? DIR_INBOUND : DIR_OUTBOUND);
        cr_assert_eq(r->at[i]->nic, strcmp(want[i], "own") == 0 ? nic : NULL);
    }
}
