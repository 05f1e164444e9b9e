/* test_hostimport.c - made-up hosts and what becomes of them; and this machine's own netlink answers. */
#include "topology/hostimport.h"

#include "tests/support_prop.h"
#include "topology/scenario.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define N(x) (sizeof(x) / sizeof(x)[0])
#define P(a, b, c, d, l)                                                                                     \
    {                                                                                                        \
        .addr = IP4(a, b, c, d), .len = l                                                                    \
    }
#define MAIN .table = HOST_TABLE_MAIN, .unicast = true

static struct arena *arena;

static void setup(void)
{
    arena = arena_new("test");
}

static void teardown(void)
{
    arena_free(arena);
}

TestSuite(hostimport, .init = setup, .fini = teardown);

static char *text_of(const struct host_view *h, bool json)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    cr_assert_not_null(f);
    hostimport_print(hostimport_plan(arena, h), json, f);
    cr_assert_eq(fclose(f), 0);
    char *copy = arena_strndup(arena, text, n);
    free(text);
    return copy;
}

static const char *prefixes_of(const struct host_import *p)
{
    char buf[PREFIX4_STRLEN];
    const char *s = "";
    for (size_t i = 0; i < p->n_prefixes; i++)
        s = arena_printf(arena, "%s%s%s", s, i ? " " : "", prefix4_format(p->prefix[i].prefix, buf));
    return s;
}

static const char *hosts_of(const struct host_import *p)
{
    char buf[IP4_STRLEN];
    const char *s = "";
    for (size_t i = 0; i < p->n_hosts; i++)
        s = arena_printf(arena, "%s%s%s=%s", s, i ? " " : "", p->host[i].name,
                         ip4_format(p->host[i].ip, buf));
    return s;
}

static const char *notes_of(const struct host_import *p)
{
    const char *s = "";
    for (size_t i = 0; i < p->n_notes; i++)
        s = arena_printf(arena, "%s%s\n", s, p->note[i]);
    return s;
}

/* The text loads without a finding, and says what the plan says. */
static void check_loads(const struct host_import *p, const char *text)
{
    struct diag *d = diag_new(arena);
    struct scenario *sc = scenario_parse("imported", text, strlen(text), d);
    cr_assert_not_null(sc, "line %u: %s\n%s", d->n ? d->at[0].at.line : 0, d->n ? d->at[0].text : "", text);
    cr_assert_eq(d->n, 0, "line %u: %s", d->n ? d->at[0].at.line : 0, d->n ? d->at[0].text : "");
    const struct model *m = scenario_state(sc, 0);
    cr_assert_str_eq(m->scenario, p->name);
    cr_assert_eq(m->onPremisesNetworks.n, p->n_prefixes ? 1 : 0);
    const struct onprem *o = m->onPremisesNetworks.n ? m->onPremisesNetworks.at : NULL;
    if (o) {
        cr_assert_str_eq(o->name, p->name);
        cr_assert_not(o->bgp);
        cr_assert_eq(o->natIPs.n, p->nat_ip ? 1 : 0);
        cr_assert(!p->nat_ip || o->natIPs.at[0] == p->nat_ip);
        cr_assert_eq(o->addressPrefixes.n, p->n_prefixes);
        cr_assert_eq(o->hosts.n, p->n_hosts);
        for (size_t i = 0; i < p->n_prefixes; i++)
            cr_assert(prefix4_eq(o->addressPrefixes.at[i], p->prefix[i].prefix));
        for (size_t i = 0; i < p->n_hosts; i++) {
            cr_assert_str_eq(o->hosts.at[i].name, p->host[i].name);
            cr_assert_eq(o->hosts.at[i].ipAddress, p->host[i].ip);
        }
    }
    scenario_free(sc);
}

/* -- whole texts ---------------------------------------------------------------------------------------- */

static const struct host_link office_link[] = {{1, "lo", true}, {2, "eth0", true}, {3, "wg0", true}};
static const struct host_address office_address[] = {
    {.link = 1, .ip = IP4(127, 0, 0, 1), .len = 8},
    {.link = 2, .ip = IP4(192, 168, 1, 10), .len = 24},
    {.link = 3, .ip = IP4(10, 8, 0, 2), .peer = IP4(10, 8, 0, 1), .len = 32},
};
static const struct host_neighbour office_neighbour[] = {
    {.link = 2, .ip = IP4(192, 168, 1, 20), .known = true},
    {.link = 2, .ip = IP4(192, 168, 1, 1), .known = true},
    {.link = 2, .ip = IP4(192, 168, 1, 99), .known = false},
};
static const struct host_route office_route[] = {
    {.to = P(0, 0, 0, 0, 0), .link = 2, .via = IP4(192, 168, 1, 1), .metric = 100, MAIN},
    {.to = P(192, 168, 1, 0, 24), .link = 2, .metric = 100, MAIN},
    {.to = P(172, 16, 0, 0, 12), .link = 2, .via = IP4(192, 168, 1, 1), MAIN},
};
static const struct host_view office = {
    .name = "office.example.org",
    .link = office_link,
    .address = office_address,
    .neighbour = office_neighbour,
    .route = office_route,
    .n_links = 3,
    .n_addresses = 3,
    .n_neighbours = 3,
    .n_routes = 3,
};
Test(hostimport, an_office_machine_as_yaml)
{
    cr_assert_str_eq(
        text_of(&office, false),
        "# The network of the Linux host office as an on-premises network.\n"
        "# To use it: a virtual network gateway with `connections: [office]`, `listens` at hosts that "
        "answer, and flows.\n"
        "scenario: office\n"
        "description: imported from the host office\n"
        "\n"
        "# left out: default route 0.0.0.0/0 by eth0 via 192.168.1.1; to draw all traffic here, add "
        "0.0.0.0/0 to "
        "addressPrefixes\n"
        "# no public address, so no natIPs: what is forwarded here towards the Internet ends here (R-20)\n"
        "onPremisesNetworks:\n"
        "  - name: office\n"
        "    addressPrefixes:\n"
        "      - 10.8.0.1/32  # wg0\n"
        "      - 10.8.0.2/32  # wg0\n"
        "      - 172.16.0.0/12  # eth0 via 192.168.1.1\n"
        "      - 192.168.1.0/24  # eth0\n"
        "    bgp: false\n"
        "    hosts:\n"
        "      - {name: eth0, ipAddress: 192.168.1.10}  # eth0\n"
        "      - {name: wg0, ipAddress: 10.8.0.2}  # wg0\n"
        "      - {name: neigh-192.168.1.1, ipAddress: 192.168.1.1}  # eth0\n"
        "      - {name: neigh-192.168.1.20, ipAddress: 192.168.1.20}  # eth0\n");
}
Test(hostimport, the_same_machine_as_json)
{
    json_error_t err;
    json_t *o = json_loads(text_of(&office, true), JSON_REJECT_DUPLICATES, &err);
    cr_assert_not_null(o, "%s", err.text);
    json_t *want = json_pack(
        "{s:s, s:s, s:[{s:s, s:[s, s, s, s], s:b, s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}]}",
        "scenario", "office", "description", "imported from the host office", "onPremisesNetworks", "name",
        "office", "addressPrefixes", "10.8.0.1/32", "10.8.0.2/32", "172.16.0.0/12", "192.168.1.0/24", "bgp",
        0, "hosts", "name", "eth0", "ipAddress", "192.168.1.10", "name", "wg0", "ipAddress", "10.8.0.2",
        "name", "neigh-192.168.1.1", "ipAddress", "192.168.1.1", "name", "neigh-192.168.1.20", "ipAddress",
        "192.168.1.20");
    cr_assert_not_null(want);
    cr_assert(json_equal(o, want));
    json_decref(o);
    json_decref(want);
}
Test(hostimport, nothing_but_loopback_is_still_a_scenario)
{
    const struct host_view h = {
        .name = "bare", .link = office_link, .address = office_address, .n_links = 1, .n_addresses = 1};
    cr_assert_str_eq(text_of(&h, false),
                     "# The network of the Linux host bare as an on-premises network.\n"
                     "# To use it: a virtual network gateway with `connections: [bare]`, `listens` at hosts "
                     "that answer, and "
                     "flows.\n"
                     "scenario: bare\n"
                     "description: imported from the host bare\n"
                     "\n"
                     "# nothing to import: the host has no usable IPv4 address or route\n");
    cr_assert_str_eq(text_of(&h, true),
                     "{\n  \"scenario\": \"bare\",\n  \"description\": \"imported from the host bare\",\n"
                     "  \"onPremisesNetworks\": []\n}\n");
}
Test(hostimport, a_host_of_which_nothing_is_known)
{
    const struct host_view h = {.name = ""};
    const struct host_import *p = hostimport_plan(arena, &h);
    check_loads(p, text_of(&h, false));
    check_loads(p, text_of(&h, true));
    cr_assert_str_eq(p->name, "host");
    cr_assert_eq(p->n_prefixes, 0);
    cr_assert_eq(p->n_hosts, 0);
    cr_assert_eq(p->n_notes, 0);
}

/* -- prefixes ------------------------------------------------------------------------------------------- */
Test(hostimport, nested_routes_leave_the_outermost)
{
    const struct host_link l[] = {{2, "eth0", true}};
    const struct host_address a[] = {{.link = 2, .ip = IP4(10, 1, 2, 3), .len = 24}};
    const struct host_route r[] = {
        {.to = P(10, 1, 0, 0, 16), .link = 2, .via = IP4(10, 1, 2, 1), MAIN},
        {.to = P(10, 0, 0, 0, 15), .link = 2, .via = IP4(10, 1, 2, 1), MAIN},
        {.to = P(10, 2, 0, 0, 16), .link = 2, .via = IP4(10, 1, 2, 1), MAIN},
        {.to = P(10, 2, 0, 0, 16), .link = 2, .via = IP4(10, 1, 2, 9), .metric = 5, MAIN},
        {.to = P(10, 3, 255, 255, 32), .link = 2, MAIN},
        {.to = P(9, 255, 255, 255, 32), .link = 2, MAIN},
    };
    const struct host_view h = {"h", l, a, NULL, r, N(l), N(a), 0, N(r)};
    cr_assert_str_eq(prefixes_of(hostimport_plan(arena, &h)),
                     "9.255.255.255/32 10.0.0.0/15 10.2.0.0/16 10.3.255.255/32");
}
Test(hostimport, what_is_no_place_of_its_own_is_left_out)
{
    const struct host_link l[] = {{2, "eth0", true}};
    const struct host_route r[] = {
        {.to = P(169, 254, 0, 0, 16), .link = 2, MAIN},
        {.to = P(169, 254, 169, 254, 32), .link = 2, MAIN},
        {.to = P(127, 0, 0, 0, 8), .link = 2, MAIN},
        {.to = P(224, 0, 0, 0, 4), .link = 2, MAIN},
        {.to = P(255, 255, 255, 255, 32), .link = 2, MAIN},
        {.to = P(168, 63, 129, 16, 32), .link = 2, MAIN},
        {.to = P(0, 0, 0, 0, 8), .link = 2, MAIN},
        {.to = P(10, 9, 0, 0, 16), .table = HOST_TABLE_MAIN},
        {.to = P(10, 8, 0, 0, 16), .link = 2, .table = 255},
        {.to = P(10, 7, 0, 0, 16), .link = 2, .table = 100, .unicast = true},
        {.to = P(168, 63, 129, 0, 24), .link = 2, MAIN},
    };
    const struct host_view h = {"h", l, NULL, NULL, r, N(l), 0, 0, N(r)};
    const struct host_import *p = hostimport_plan(arena, &h);
    cr_assert_str_eq(prefixes_of(p), "168.63.129.0/24");
    cr_assert_str_eq(notes_of(p), "left out: route 10.9.0.0/16, which leads nowhere\n"
                                  "left out: 1 routes of other tables than main\n");
}
Test(hostimport, a_default_route_in_two_halves_is_one)
{
    const struct host_link l[] = {{2, "tun0", true}};
    const struct host_address a[] = {{.link = 2, .ip = IP4(10, 8, 0, 6), .len = 30}};
    const struct host_route r[] = {{.to = P(128, 0, 0, 0, 1), .link = 2, .via = IP4(10, 8, 0, 5), MAIN},
                                   {.to = P(0, 0, 0, 0, 1), .link = 2, .via = IP4(10, 8, 0, 5), MAIN},
                                   {.to = P(64, 0, 0, 0, 2), .link = 2, MAIN}};
    const struct host_view h = {"h", l, a, NULL, r, N(l), N(a), 0, N(r)};
    const struct host_import *p = hostimport_plan(arena, &h);
    cr_assert_str_eq(prefixes_of(p), "10.8.0.4/30 64.0.0.0/2");
    cr_assert_eq(p->n_notes, 3);
    cr_assert_not_null(strstr(p->note[0], "default route 0.0.0.0/1 by tun0 via 10.8.0.5;"), "%s", p->note[0]);
    cr_assert_not_null(strstr(p->note[1], "default route 128.0.0.0/1 by tun0 via 10.8.0.5;"), "%s",
                       p->note[1]);
}
Test(hostimport, a_link_that_is_down_takes_everything_with_it)
{
    const struct host_link l[] = {{2, "eth0", true}, {3, "eth1", false}};
    const struct host_address a[] = {{.link = 3, .ip = IP4(10, 3, 0, 5), .len = 16},
                                     {.link = 2, .ip = IP4(10, 2, 0, 5), .len = 16}};
    const struct host_neighbour n[] = {{3, IP4(10, 3, 0, 6), true}, {2, IP4(10, 2, 0, 6), true}};
    const struct host_route r[] = {{.to = P(10, 4, 0, 0, 16), .link = 3, .via = IP4(10, 3, 0, 6), MAIN}};
    const struct host_view h = {"h", l, a, n, r, N(l), N(a), N(n), N(r)};
    const struct host_import *p = hostimport_plan(arena, &h);
    cr_assert_str_eq(prefixes_of(p), "10.2.0.0/16");
    cr_assert_str_eq(hosts_of(p), "eth0=10.2.0.5 neigh-10.2.0.6=10.2.0.6");
    cr_assert_not_null(strstr(notes_of(p), "left out: address 10.3.0.5 of eth1, which is down\n"));
}

/* A cloud machine: /32 address, gateway outside of it. The gateway is a neighbour and must be inside a
 * prefix. */
Test(hostimport, neighbours_outside_all_prefixes_bring_their_own)
{
    const struct host_link l[] = {{2, "ens4", true}};
    const struct host_address a[] = {{.link = 2, .ip = IP4(10, 128, 0, 2), .len = 32}};
    const struct host_neighbour n[] = {{2, IP4(10, 128, 0, 1), true}};
    const struct host_view h = {"h", l, a, n, NULL, N(l), N(a), N(n), 0};
    cr_assert_str_eq(prefixes_of(hostimport_plan(arena, &h)), "10.128.0.1/32 10.128.0.2/32");
}

/* -- names ---------------------------------------------------------------------------------------------- */
Test(hostimport, several_addresses_of_a_link_are_numbered)
{
    const struct host_link l[] = {{2, "eth0", true}, {3, "ETH0-2", true}, {4, "neigh-10.0.0.9", true}};
    const struct host_address a[] = {{.link = 4, .ip = IP4(10, 4, 0, 1), .len = 24},
                                     {.link = 3, .ip = IP4(10, 3, 0, 1), .len = 24},
                                     {.link = 2, .ip = IP4(10, 0, 0, 3), .len = 24},
                                     {.link = 2, .ip = IP4(10, 0, 0, 1), .len = 24},
                                     {.link = 2, .ip = IP4(10, 0, 0, 2), .len = 24}};
    const struct host_neighbour n[] = {{2, IP4(10, 0, 0, 9), true}};
    const struct host_view h = {"h", l, a, n, NULL, N(l), N(a), N(n), 0};
    cr_assert_str_eq(
        hosts_of(hostimport_plan(arena, &h)),
        "eth0=10.0.0.1 eth0-2=10.0.0.2 eth0-3=10.0.0.3 ETH0-2-2=10.3.0.1 neigh-10.0.0.9=10.4.0.1 "
        "neigh-10.0.0.9-2=10.0.0.9");
}
Test(hostimport, an_address_is_imported_once)
{
    const struct host_link l[] = {{2, "a", true}, {3, "b", true}};
    const struct host_address a[] = {{.link = 3, .ip = IP4(10, 0, 0, 1), .len = 24},
                                     {.link = 2, .ip = IP4(10, 0, 0, 1), .len = 16}};
    const struct host_neighbour n[] = {
        {3, IP4(10, 0, 0, 7), true}, {2, IP4(10, 0, 0, 7), true}, {3, IP4(10, 0, 0, 1), true}};
    const struct host_view h = {"h", l, a, n, NULL, N(l), N(a), N(n), 0};
    const struct host_import *p = hostimport_plan(arena, &h);
    cr_assert_str_eq(hosts_of(p), "a=10.0.0.1 neigh-10.0.0.7=10.0.0.7");
    cr_assert_str_eq(p->host[1].from, "a");
    cr_assert_str_eq(prefixes_of(p), "10.0.0.0/16");
    cr_assert_not_null(strstr(notes_of(p), "left out: address 10.0.0.1 of b, which is there already\n"));
}
Test(hostimport, names_cannot_break_out_of_their_line)
{
    const struct host_link l[] = {{2, "a\nflows: [{from: x", true},
                                  {3, "br@if3", true},
                                  {4, "\xff\xfe", true},
                                  {5, "--", true},
                                  {6, "true", true},
                                  {7, "7", true}};
    const struct host_address a[] = {
        {.link = 2, .ip = IP4(10, 0, 0, 1), .len = 24}, {.link = 3, .ip = IP4(10, 0, 0, 2), .len = 24},
        {.link = 4, .ip = IP4(10, 0, 0, 3), .len = 24}, {.link = 5, .ip = IP4(10, 0, 0, 4), .len = 24},
        {.link = 6, .ip = IP4(10, 0, 0, 5), .len = 24}, {.link = 7, .ip = IP4(10, 0, 0, 6), .len = 24}};
    const struct host_view h = {"No", l, a, NULL, NULL, N(l), N(a), 0, 0};
    const char *text = text_of(&h, false);
    cr_assert_not_null(strstr(text, "\nscenario: 'No'\n"));
    cr_assert_not_null(strstr(text, "  - name: 'No'\n"));
    cr_assert_not_null(
        strstr(text, "    hosts:\n"
                     "      - {name: a-flows----from--x, ipAddress: 10.0.0.1}  # a-flows----from--x\n"
                     "      - {name: br-if3, ipAddress: 10.0.0.2}  # br-if3\n"
                     "      - {name: link, ipAddress: 10.0.0.3}  # link\n"
                     "      - {name: link-2, ipAddress: 10.0.0.4}  # link\n"
                     "      - {name: 'true', ipAddress: 10.0.0.5}  # true\n"
                     "      - {name: '7', ipAddress: 10.0.0.6}  # 7\n"),
        "%s", text);
    check_loads(hostimport_plan(arena, &h), text);
    check_loads(hostimport_plan(arena, &h), text_of(&h, true));
}
Test(hostimport, host_names_are_made_fit)
{
    static const struct {
        const char *from, *to;
    } at[] = {{"web01", "web01"},
              {"web01.example.org", "web01"},
              {"", "host"},
              {".", "host"},
              {"a b/c", "a-b-c"},
              {"-x-", "x"},
              {"localhost", "localhost"},
              {"\t\n", "host"},
              {"10.0.0.5", "10"},
              {"b\xc3\xbcro", "b--ro"},
              {".example", "example"}};
    for (size_t i = 0; i < N(at); i++) {
        const struct host_view h = {.name = at[i].from};
        cr_expect_str_eq(hostimport_plan(arena, &h)->name, at[i].to);
    }
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    cr_assert_eq(strlen(hostimport_plan(arena, &(struct host_view){.name = longest})->name), 60);
}

/* -- natIPs --------------------------------------------------------------------------------------------- */
static const struct host_link nat_link[] = {
    {2, "lan", true}, {3, "wan0", true}, {4, "wan1", true}, {5, "off", false}};
static const struct host_address nat_at[] = {
    {.link = 2, .ip = IP4(10, 0, 0, 1), .len = 24},    {.link = 3, .ip = IP4(198, 51, 100, 7), .len = 24},
    {.link = 4, .ip = IP4(203, 0, 113, 7), .len = 24}, {.link = 4, .ip = IP4(203, 0, 113, 6), .len = 24},
    {.link = 5, .ip = IP4(20, 0, 0, 1), .len = 24},
};

static ip4 nat_of(const struct host_route *r, size_t n)
{
    const struct host_view h = {"h", nat_link, nat_at, NULL, r, N(nat_link), N(nat_at), 0, n};
    return hostimport_plan(arena, &h)->nat_ip;
}
Test(hostimport, the_public_address_is_that_of_the_default_route)
{
    const struct host_route r[] = {
        {.to = P(0, 0, 0, 0, 0), .link = 3, .metric = 20, MAIN},
        {.to = P(0, 0, 0, 0, 0), .link = 4, .metric = 10, MAIN},
        {.to = P(0, 0, 0, 0, 0), .link = 5, .metric = 1, MAIN},
        {.to = P(0, 0, 0, 0, 0), .link = 2, .metric = 1, .table = 7, .unicast = true}};
    cr_expect_eq(nat_of(r, 4), IP4(203, 0, 113, 6));
    cr_expect_eq(nat_of(r, 1), IP4(198, 51, 100, 7));
    cr_expect_eq(nat_of(NULL, 0), IP4(198, 51, 100, 7), "no default route: the first public address");
    const struct host_route inside = {.to = P(0, 0, 0, 0, 0), .link = 2, MAIN};
    cr_expect_eq(nat_of(&inside, 1), IP4(198, 51, 100, 7), "a private address cannot be the source");
    const struct host_view h = {"h", nat_link, nat_at, NULL, r, N(nat_link), N(nat_at), 0, N(r)};
    cr_expect_not_null(strstr(text_of(&h, false), "\n    natIPs: [203.0.113.6]\n"));
    cr_expect_not_null(strstr(text_of(&h, true), "\"natIPs\": [\n        \"203.0.113.6\"\n"));
}

/* -- any host ------------------------------------------------------------------------------------------- */
#define MANY 100
struct any {
    char names[MANY][16];
    struct host_link link[MANY];
    struct host_address address[MANY * 2];
    struct host_neighbour neighbour[MANY * 2];
    struct host_route route[MANY * 2];
    struct host_view view;
};

static ip4 any_ip(struct rng *r)
{
    static const ip4 base[] = {IP4(10, 0, 0, 0),    IP4(10, 0, 1, 0),    IP4(192, 168, 0, 0),
                               IP4(203, 0, 113, 0), IP4(169, 254, 1, 0), IP4(127, 0, 0, 0),
                               IP4(224, 0, 0, 0),   IP4(168, 63, 129, 0)};
    return base[rng_below(r, N(base))] + (ip4)rng_below(r, 64);
}

static struct prefix4 any_prefix(struct rng *r)
{
    const unsigned len = (unsigned)rng_below(r, 33);
    return (struct prefix4){any_ip(r) & ip4_mask(len), (uint8_t)len};
}

static void any_make(struct any *x, struct rng *r)
{
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(x->names[i], sizeof x->names[i], "%s%u", i % 3 ? "eth" : "Veth@",
                 (unsigned)rng_below(r, 60));
        x->link[i] = (struct host_link){i + 1, x->names[i], rng_below(r, 4) > 0};
    }
    for (unsigned i = 0; i < MANY * 2; i++) {
        const unsigned link = 1 + (unsigned)rng_below(r, MANY + 2);
        x->address[i] = (struct host_address){.link = link,
                                              .ip = any_ip(r),
                                              .peer = rng_below(r, 9) ? 0 : any_ip(r),
                                              .len = (uint8_t)rng_below(r, 33)};
        x->neighbour[i] = (struct host_neighbour){link, any_ip(r), rng_below(r, 2)};
        x->route[i] = (struct host_route){.to = any_prefix(r),
                                          .table = rng_below(r, 4) ? HOST_TABLE_MAIN : 255,
                                          .link = link,
                                          .via = rng_below(r, 2) ? any_ip(r) : 0,
                                          .metric = (uint32_t)rng_below(r, 3),
                                          .unicast = rng_below(r, 5)};
    }
    x->view = (struct host_view){"any", x->link,  x->address, x->neighbour, x->route,
                                 MANY,  MANY * 2, MANY * 2,   MANY * 2};
}

static void shuffle(struct rng *r, void *at, size_t n, size_t size)
{
    char tmp[64], *p = at;
    cr_assert_leq(size, sizeof tmp);
    for (size_t i = n - 1; i > 0; i--) {
        const size_t k = rng_below(r, (uint32_t)i + 1);
        memcpy(tmp, p + i * size, size);
        memcpy(p + i * size, p + k * size, size);
        memcpy(p + k * size, tmp, size);
    }
}

/* What a scenario needs to load: addresses inside prefixes and once, names once. And no prefix more than is
 * needed. */
static void check_plan(const struct host_import *p)
{
    for (size_t i = 0; i < p->n_hosts; i++) {
        size_t covers = 0;
        for (size_t k = 0; k < p->n_prefixes; k++)
            covers += prefix4_has(p->prefix[k].prefix, p->host[i].ip);
        cr_assert_eq(covers, 1, "host %s is in %zu prefixes", p->host[i].name, covers);
        for (size_t k = 0; k < i; k++) {
            cr_assert_neq(p->host[i].ip, p->host[k].ip);
            cr_assert_neq(strcasecmp(p->host[i].name, p->host[k].name), 0);
        }
    }
    for (size_t i = 0; i < p->n_prefixes; i++) {
        cr_assert_gt(p->prefix[i].prefix.len, 1);
        for (size_t k = 0; k < i; k++)
            cr_assert_not(prefix4_overlap(p->prefix[i].prefix, p->prefix[k].prefix));
    }
}
Test(hostimport, any_host_gives_a_sound_network_whatever_the_order_of_its_lists)
{
    struct rng r;
    struct any *x = arena_alloc(arena, sizeof *x);
    prop_seed(&r, "hostimport");
    for (int round = 0; round < 30; round++) {
        any_make(x, &r);
        const struct host_import *p = hostimport_plan(arena, &x->view);
        check_plan(p);
        cr_assert_gt(p->n_hosts, 50);
        const char *yaml = text_of(&x->view, false), *json = text_of(&x->view, true);
        check_loads(p, yaml);
        check_loads(p, json);
        shuffle(&r, x->link, MANY, sizeof *x->link);
        shuffle(&r, x->address, MANY * 2, sizeof *x->address);
        shuffle(&r, x->neighbour, MANY * 2, sizeof *x->neighbour);
        shuffle(&r, x->route, MANY * 2, sizeof *x->route);
        cr_assert(strcmp(text_of(&x->view, false), yaml) == 0, "round %d: the order of lists shows", round);
        cr_assert(strcmp(text_of(&x->view, true), json) == 0, "round %d: the order of lists shows", round);
    }
}

/* -- this machine --------------------------------------------------------------------------------------- */
Test(hostimport, the_kernel_is_asked_without_privileges)
{
    struct host_view h;
    const char *err = NULL;
    cr_assert_eq(hostimport_read(arena, &h, &err), 0, "%s", err);
    const unsigned lo = if_nametoindex("lo");
    size_t loopbacks = 0;
    cr_assert_gt(h.n_links, 0);
    for (size_t i = 0; i < h.n_links; i++) {
        cr_assert_eq(if_nametoindex(h.link[i].name), h.link[i].index);
        loopbacks += h.link[i].index == lo;
    }
    cr_assert_eq(loopbacks, 1);
    for (size_t i = 0; i < h.n_addresses; i++)
        cr_assert(h.address[i].len <= 32 && h.address[i].ip != 0);
    for (size_t i = 0; i < h.n_routes; i++)
        cr_assert_eq(h.route[i].to.addr & ~ip4_mask(h.route[i].to.len), 0);
    check_plan(hostimport_plan(arena, &h));
}
