/* test_expect.c - expectations: each key, holding and not holding, against results as written down; then
 * against those of runs. */
#include "dataplane/arena.h"
#include "tests/support_model.h"
#include "topology/node.h"
#include "topology/results.h"
#include "topology/scenario.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* -- one expectation, one result ------------------------------------------------------------------------- */

static const char names[] =
    "virtualNetworks: [{name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: a, addressPrefix: "
    "10.0.1.0/24}]}]\n"
    "networkInterfaces:\n"
    "  - {name: vm1-nic, virtualMachine: vm1, subnet: v/a}\n"
    "  - {name: nva-nic, virtualMachine: nva, subnet: v/a}\n"
    "  - {name: nva-nic2, virtualMachine: nva, subnet: v/a}\n"
    "onPremisesNetworks:\n"
    "  - {name: hq, addressPrefixes: [192.168.0.0/16], hosts: [{name: pc, ipAddress: 192.168.1.10}, {name: "
    "twin, ipAddress: "
    "192.168.1.11}]}\n"
    "  - {name: lab, addressPrefixes: [192.169.0.0/16], hosts: [{name: twin, ipAddress: 192.169.1.10}]}\n"
    "services: [{name: acr, type: Microsoft.ContainerRegistry/registries, publicIPAddress: 20.61.97.129}]\n";

static const char flow[] =
    "{\"verdict\": \"dropped\", \"reason\": \"NsgDeny\", \"nextHopType\": \"None\", \"nextHopIpAddress\": "
    "\"10.0.9.4\","
    " \"route\": \"10.0.2.5/32\", \"routeName\": \"all\", \"routeSource\": \"User\", \"rule\": "
    "\"DenyAllOutBound\","
    " \"networkSecurityGroup\": \"clients-nsg\", \"sourceSeen\": \"10.0.1.4\", \"destinationSeen\": "
    "\"10.0.2.5\","
    " \"resolvedTo\": [\"10.0.2.5\", \"10.0.2.6\"], \"path\": [\"vm1-nic\", \"nva-nic\", \"acr\"],"
    " \"returnPath\": [\"acr\", \"hq/pc\"], \"counts\": {\"delivered\": 512, \"dropped\": 1},"
    " \"chain\": [{\"name\": \"a.azurecr.io\", \"type\": \"CNAME\", \"value\": \"a.privatelink.azurecr.io\", "
    "\"ttl\": 300},"
    "  {\"name\": \"a.privatelink.azurecr.io\", \"type\": \"CNAME\", \"value\": \"b.example\", \"ttl\": 60},"
    "  {\"name\": \"b.example\", \"type\": \"A\", \"value\": \"10.0.2.5\", \"ttl\": 10}]}";

/* The answer to one question, as text: "k: WANT" is YAML. */
static bool holds(const char *key, const char *want, const char *json)
{
    struct loaded l = load_text(names);
    cr_assert_not_null(l.m, "%s", loaded_findings(&l));
    const char *yaml = arena_printf(l.a, "k: %s\n", want);
    const struct node *root = node_parse(l.a, "want", yaml, strlen(yaml), l.d);
    json_t *got = json_loads(json, 0, NULL);
    cr_assert(root && got, "%s, %s", want, json);
    const bool ok = expect_holds(l.m, key, node_get(root, "k"), got);
    json_decref(got);
    loaded_free(&l);
    return ok;
}

static const struct {
    const char *key, *want;
    bool ok;
} cases[] = {
    {"verdict", "dropped", true},
    {"verdict", "Dropped", true}, /* names are compared without case */
    {"verdict", "delivered", false},
    {"verdict", "drop", false},
    {"reason", "NsgDeny", true},
    {"reason", "'nsgdeny'", true},
    {"reason", "RouteNone", false},
    {"nextHopType", "None", true}, /* text, not null */
    {"nextHopType", "Internet", false},
    {"nextHopIpAddress", "10.0.9.4", true},
    {"nextHopIpAddress", "10.0.9.40", false},
    {"nextHopIpAddress", "10.0.9", false},
    {"route", "10.0.2.5/32", true},
    {"route", "10.0.2.5", true}, /* a bare address is a /32, as everywhere */
    {"route", "10.0.2.4/32", false},
    {"route", "10.0.2.5/31", false},
    {"route", "10.0.2.0/24", false},
    {"route", "10.0.2.5/320", false},
    {"routeName", "ALL", true},
    {"routeName", "al", false},
    {"routeSource", "User", true},
    {"routeSource", "Default", false},
    {"rule", "DenyAllOutBound", true},
    {"rule", "DenyAllInBound", false},
    {"networkSecurityGroup", "Clients-NSG", true},
    {"networkSecurityGroup", "other", false},
    {"sourceSeen", "10.0.1.4", true},
    {"sourceSeen", "'10.0.1.4'", true},
    {"sourceSeen", "10.0.1.5", false},
    {"destinationSeen", "10.0.2.5", true},
    {"destinationSeen", "10.0.2.6", false},

    /* Addresses of a name: a set. */
    {"resolvedTo", "[10.0.2.5, 10.0.2.6]", true},
    {"resolvedTo", "[10.0.2.6, 10.0.2.5]", true},
    {"resolvesTo", "[10.0.2.6, 10.0.2.5]", true},
    {"resolvesTo", "[10.0.2.6]", false},
    {"resolvedTo", "[10.0.2.5]", false},
    {"resolvedTo", "[10.0.2.5, 10.0.2.5]", false},
    {"resolvedTo", "[10.0.2.5, 10.0.2.6, 10.0.2.7]", false},
    {"resolvedTo", "[]", false},

    /* Paths: complete, in order. */
    {"path", "[vm1-nic, nva-nic, acr]", true},
    {"path", "[vm1, nva, ACR]", true}, /* machines stand for their first NIC */
    {"path", "[vm1-nic, acr]", false},
    {"path", "[vm1-nic, acr, nva-nic]", false},
    {"path", "[vm1-nic, nva-nic, acr, acr]", false},
    {"path", "[vm1-nic, nva-nic2, acr]", false},
    {"path", "[]", false},
    {"returnPath", "[acr, hq/pc]", true},
    {"returnPath", "[acr, pc]", true}, /* a child's bare name */
    {"returnPath", "[pc, acr]", false},

    /* Predicates. */
    {"via", "[nva-nic]", true},
    {"via", "nva-nic", true},
    {"via", "[nva]", true},
    {"via", "[acr, nva-nic]", true}, /* in any order */
    {"via", "[NVA-NIC]", true},
    {"via", "[nva-nic2]", false},
    {"via", "[nva-nic, hq/pc]", false}, /* all of them */
    {"via", "[]", true},
    {"notVia", "[nva-nic2]", true},
    {"notVia", "[hq/pc, nva-nic2]", true},
    {"notVia", "nva-nic", false},
    {"notVia", "[nva]", false},
    {"notVia", "[hq/pc, acr]", false}, /* none of them */
    {"returnVia", "[pc]", true},
    {"returnVia", "[nva-nic]", false},
    {"returnNotVia", "[nva-nic]", true},
    {"returnNotVia", "pc", false},
    {"returnNotVia", "[twin]", true}, /* ambiguous: nothing has that name */

    /* DNS: these records, in this order, others between. */
    {"chain", "[]", true},
    {"chain", "[{type: A}]", true},
    {"chain", "[{name: a.azurecr.io, type: CNAME, value: a.privatelink.azurecr.io, ttl: 300}]", true},
    {"chain", "[{name: A.AzureCR.io}, {type: a, value: 10.0.2.5, ttl: '10'}]", true},
    {"chain", "[{type: CNAME}, {type: CNAME}, {type: A}]", true},
    {"chain", "[{type: CNAME}, {type: CNAME}, {type: CNAME}]", false}, /* one record answers once */
    {"chain", "[{type: A}, {type: CNAME}]", false},
    {"chain", "[{name: b.example, type: A, value: 10.0.2.5}, {name: a.azurecr.io}]", false},
    {"chain", "[{type: A, ttl: 300}]", false},
    {"chain", "[{type: A, value: 10.0.2.6}]", false},
    {"chain", "[{type: AAAA}]", false},
    {"chain", "[{name: a.azurecr.io, value: b.example}]", false}, /* two records do not make one */

    {"counts", "{delivered: 512, dropped: 1}", true},
    {"counts", "{delivered: 512}", true},
    {"counts", "{delivered: '512', reset: 0}", true},
    {"counts", "{delivered: 511}", false},
    {"counts", "{delivered: 512, dropped: 0}", false},
    {"counts", "{delivered: 512, refused: 1}", false},
};

Test(expect, each_key_both_ways)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(holds(cases[i].key, cases[i].want, flow), cases[i].ok, "%s: %s", cases[i].key,
                     cases[i].want);
}

/* What is absent is nothing that could be expected, but by "not" and by "none". */
Test(expect, absent_keys)
{
    static const char empty[] = "{\"path\": [\"vm1-nic\"], \"returnPath\": [], \"counts\": {\"dropped\": 1}}";
    static const struct {
        const char *key, *want;
        bool ok;
    } absent[] = {
        {"verdict", "dropped", false},
        {"reason", "NsgDeny", false},
        {"reason", "''", false},
        {"nextHopType", "None", false},
        {"sourceSeen", "10.0.1.4", false},
        {"resolvedTo", "[10.0.2.5]", false},
        {"resolvedTo", "[]", false}, /* the flow had no name */
        {"chain", "[{type: A}]", false},
        {"returnPath", "[]", true},
        {"returnVia", "[acr]", false},
        {"returnNotVia", "[acr]", true},
        {"counts", "{delivered: 0}", true},
        {"counts", "{delivered: 1}", false},
    };
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        cr_expect_eq(holds(absent[i].key, absent[i].want, empty), absent[i].ok, "%s: %s", absent[i].key,
                     absent[i].want);
    cr_expect(holds("resolvedTo", "[]", "{\"resolvedTo\": []}")); /* it had one, which gave nothing */
    cr_expect_not(holds("resolvedTo", "[10.0.0.1]", "{\"resolvedTo\": []}"));
}

/* -- runs ------------------------------------------------------------------------------------------------ */

struct ran {
    struct arena *a;
    struct scenario *s;
    struct run *run;
    struct results *r;
};

static struct ran run_text(const char *text)
{
    static const struct run_options none;
    struct ran x = {.a = arena_new("test")};
    struct diag *d = diag_new(x.a);
    x.s = scenario_parse("t", text, strlen(text), d);
    if (d->errors)
        diag_print(d, stderr);
    cr_assert_not_null(x.s);
    x.run = run_new(x.s, &none);
    run_execute(x.run);
    x.r = results_new(x.run);
    return x;
}

static void ran_free(struct ran *x)
{
    results_free(x->r);
    run_free(x->run);
    scenario_free(x->s);
    arena_free(x->a);
}

#define SITE                                                                                                 \
    "scenario: t\n"                                                                                          \
    "virtualNetworks:\n"                                                                                     \
    "  - name: v\n"                                                                                          \
    "    addressPrefixes: [10.0.0.0/16]\n"                                                                   \
    "    subnets:\n"                                                                                         \
    "      - {name: a, addressPrefix: 10.0.1.0/24, networkSecurityGroup: g, routeTable: rt}\n"               \
    "      - {name: b, addressPrefix: 10.0.2.0/24}\n"                                                        \
    "networkSecurityGroups: [{name: g, securityRules: [{name: no-80, priority: 100, direction: Outbound, "   \
    "access: Deny, "                                                                                         \
    "protocol: Tcp, destinationPortRange: '80'}]}]\n"                                                        \
    "routeTables: [{name: rt, routes: [{name: by-nva, addressPrefix: 10.0.3.0/24, nextHopType: "             \
    "VirtualAppliance, "                                                                                     \
    "nextHopIpAddress: 10.0.2.9}]}]\n"                                                                       \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: vm1-nic, virtualMachine: vm1, subnet: v/a, privateIPAddress: 10.0.1.4}\n"                    \
    "  - {name: vm2-nic, virtualMachine: vm2, subnet: v/b, privateIPAddress: 10.0.2.4, listens: [tcp/80, "   \
    "tcp/443]}\n"                                                                                            \
    "services: [{name: acr, type: Microsoft.ContainerRegistry/registries, publicIPAddress: 20.61.97.129}]\n"

static const struct expect_result *expected(const struct ran *x, const char *of, const char *key)
{
    for (size_t i = 0; i < x->r->n_expect; i++)
        if (strcmp(x->r->expect[i].of, of) == 0 && strcmp(x->r->expect[i].key, key) == 0)
            return &x->r->expect[i];
    cr_assert_fail("no expectation %s of %s", key, of);
    return NULL;
}

Test(run, expectations_of_flows_hold_or_fail_with_what_came_out)
{
    struct ran x = run_text(
        SITE
        "flows:\n"
        "  - {name: ok, from: vm1, to: vm2-nic, destinationPort: 443, expect: {verdict: delivered, "
        "nextHopType: "
        "VnetLocal, route: 10.0.0.0/16, routeSource: Default, rule: AllowVnetOutBound, networkSecurityGroup: "
        "g, "
        "sourceSeen: 10.0.1.4, destinationSeen: 10.0.2.4, path: [vm1, vm2], via: [vm2], notVia: [acr], "
        "returnPath: "
        "[vm2-nic, vm1-nic], counts: {delivered: 1}}}\n"
        "  - {name: denied, from: vm1, to: vm2-nic, destinationPort: 80, expect: {verdict: dropped, reason: "
        "NsgDeny, "
        "rule: no-80, networkSecurityGroup: g, path: [vm1-nic]}}\n"
        "  - {name: named, from: vm1, to: acr.azurecr.io, expect: {verdict: delivered, resolvedTo: "
        "[20.61.97.129], "
        "nextHopType: Internet, chain: [{type: A, value: 20.61.97.129}]}}\n"
        "  - {name: no-name, from: vm1, to: nothing.example, expect: {verdict: unresolved, reason: NxDomain, "
        "resolvesTo: []}}\n"
        "  - {name: wrong, from: vm1, to: vm2-nic, destinationPort: 80, expect: {verdict: delivered, "
        "nextHopType: "
        "VnetLocal, sourceSeen: 10.0.1.4, path: [vm1, vm2], counts: {delivered: 1}, rule: No-80}}\n");
    for (size_t i = 0; i < x.r->n_expect; i++) {
        const struct expect_result *e = &x.r->expect[i];
        if (strcmp(e->of, "wrong") != 0 || strcmp(e->key, "rule") == 0)
            cr_expect(e->ok, "%s: %s: wanted %s, got %s", e->of, e->key, e->want, e->got);
        else
            cr_expect_not(e->ok, "%s: %s: wanted %s, got %s", e->of, e->key, e->want, e->got);
    }
    cr_assert_eq(x.r->failed, 5);
    cr_assert_str_eq(expected(&x, "wrong", "verdict")->got, "dropped");
    cr_assert_str_eq(expected(&x, "wrong", "nextHopType")->got, "absent"); /* dropped before the lookup */
    cr_assert_str_eq(expected(&x, "wrong", "path")->want, "[vm1, vm2]");
    cr_assert_gt(expected(&x, "wrong", "verdict")->at.line, 10);
    ran_free(&x);
}

/* All keys hold for every repetition; counts for all of them together. */
Test(run, repetitions)
{
    struct ran x = run_text(
        SITE "timeline: [{at: 2500ms, update: networkInterfaces/vm2-nic, with: {powerState: deallocated}}]\n"
             "flows:\n"
             "  - {name: many, from: vm1, to: vm2-nic, count: 5, interval: 1s, expect: {counts: {delivered: "
             "3, dropped: 2}, nextHopType: VnetLocal, verdict: delivered}}\n"
             "  - {name: same, from: vm1, to: vm2-nic, count: 2, interval: 1s, expect: {counts: {delivered: "
             "2}, verdict: delivered}}\n");
    cr_assert(expected(&x, "many", "counts")->ok, "%s", expected(&x, "many", "counts")->got);
    cr_assert(expected(&x, "many", "nextHopType")->ok);
    cr_assert_not(expected(&x, "many", "verdict")->ok);
    cr_assert_str_eq(expected(&x, "many", "verdict")->got, "dropped");
    cr_assert_null(json_object_get(x.r->flow[0], "verdict")); /* they differ */
    cr_assert_not_null(json_object_get(x.r->flow[0], "nextHopType"));
    cr_assert(expected(&x, "same", "counts")->ok);
    cr_assert_str_eq(json_string_value(json_object_get(x.r->flow[1], "verdict")), "delivered");
    ran_free(&x);
}

Test(run, expectations_of_rows)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"{nic: vm1-nic, route: {addressPrefix: 10.0.0.0/16, nextHopType: VnetLocal, source: Default, state: "
         "Active}}",
         true},
        {"{nic: vm1, route: {addressPrefix: 10.0.0.0/16}}", true}, /* the machine's name */
        {"{nic: VM1-NIC, route: {state: active, addressPrefix: 10.0.0.0/16}}", true},
        {"{nic: vm1-nic, route: {addressPrefix: 10.0.0.0/17}}", false},
        {"{nic: vm1-nic, route: {addressPrefix: 10.0.0.0/16, nextHopType: Internet}}", false},
        {"{nic: vm1-nic, route: {name: by-nva, source: User}}", true},
        {"{nic: vm1-nic, route: {name: by-nva, nextHopType: None}}", true}, /* nobody is at 10.0.2.9 */
        {"{nic: vm1-nic, route: {name: by-nva, nextHopIpAddress: 10.0.2.9}}", true},
        {"{nic: vm1-nic, route: {name: by-nva, nextHopIpAddress: 10.0.2.8}}", false},
        {"{nic: vm2-nic, route: {name: by-nva}}", false}, /* another subnet */
        {"{nic: vm1-nic, noRoute: {name: other}}", true},
        {"{nic: vm1-nic, noRoute: {addressPrefix: 10.0.3.0/24}}", false},
        {"{nic: vm1-nic, noRoute: {addressPrefix: 10.0.3.0/24, source: Default}}", true},
        {"{at: 5s, nic: vm1-nic, noRoute: {addressPrefix: 10.0.3.0/24}}",
         true}, /* after the change of that time */
        {"{at: 4999ms, nic: vm1-nic, noRoute: {addressPrefix: 10.0.3.0/24}}", false},
        {"{from: vm1, name: acr.azurecr.io, resolvedTo: [20.61.97.129]}", true},
        {"{from: vm1, name: ACR.azurecr.io, resolvesTo: [20.61.97.129], chain: [{type: A}]}", true},
        {"{from: vm1, name: acr.azurecr.io, resolvedTo: [20.61.97.128]}", false},
        {"{from: vm1, name: acr.azurecr.io, resolvedTo: []}", false},
        {"{from: vm1, name: nothing.example, resolvedTo: []}", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *a = arena_new("text");
        struct ran x =
            run_text(arena_printf(a,
                                  "%stimeline: [{at: 5s, update: routeTables/rt, with: {routes: []}}]\n"
                                  "expect: [%s]\n",
                                  SITE, rows[i].text));
        cr_expect_eq(x.r->failed == 0, rows[i].ok, "%s: got %s", rows[i].text, x.r->expect[0].got);
        cr_assert_geq(x.r->n_expect, 1);
        ran_free(&x);
        arena_free(a);
    }
}

/* A late expectation prolongs the run. */
Test(run, goes_on_to_the_last_expectation)
{
    struct ran x = run_text(SITE "expect: [{at: 77s, nic: vm1-nic, noRoute: {name: x}}]\n");
    cr_assert_eq(run_end(x.run), INT64_C(77000000000));
    ran_free(&x);
    x = run_text(SITE "duration: 5s\nexpect: [{at: 77s, nic: vm1-nic, noRoute: {name: x}}]\n");
    cr_assert_leq(run_end(x.run), INT64_C(77000000000));
    cr_assert_eq(x.r->failed, 0); /* rows are of the state, not of the run */
    ran_free(&x);
}
