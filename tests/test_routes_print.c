/* test_routes_print.c - effective routes and rules as Azure's command line prints them: golden files of one
 * scenario, and published outputs where VNETSIM_DATA has them.
 *
 * VNETSIM_GOLDEN=1 writes tests/golden/routes/NIC.* anew instead of comparing; read the difference before
 * keeping it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "tests/support_net.h"
#include "topology/routes.h"
#include "topology/rules.h"
#include "topology/scenario.h"
#include "topology/tabulate.h"

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t size = 0;
    if (!f)
        return NULL;
    FILE *to = open_memstream(&text, &size);
    for (int c; (c = fgetc(f)) != EOF;)
        fputc(c, to);
    fclose(f);
    fclose(to);
    return text;
}

static void golden(const char *nic, const char *kind, const char *got)
{
    char path[200];
    snprintf(path, sizeof path, "tests/golden/routes/%s.%s", nic, kind);
    if (getenv("VNETSIM_GOLDEN")) {
        FILE *f = fopen(path, "wb");
        cr_assert_not_null(f);
        fputs(got, f);
        fclose(f);
        return;
    }
    char *want = slurp(path);
    cr_assert_not_null(want, "no golden file %s", path);
    cr_assert_str_eq(got, want, "%s differs:\n%s", path, got);
    free(want);
}

static struct scenario *load(struct arena *a, const char *path)
{
    struct diag *d = diag_new(a);
    struct scenario *s = scenario_load(path, d);
    if (!s)
        diag_print(d, stderr);
    cr_assert_not_null(s);
    return s;
}

typedef int print_routes(FILE *, const struct eff_table *);
typedef int print_rules(FILE *, const struct nic_rules *);

static void check_routes(const struct eff_table *t, const char *nic, const char *kind, print_routes *print)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    cr_assert_eq(print(f, t), 0);
    fclose(f);
    golden(nic, kind, text);
    free(text);
}

static void check_rules(const struct nic_rules *r, const char *nic, const char *kind, print_rules *print)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    cr_assert_eq(print(f, r), 0);
    fclose(f);
    golden(nic, kind, text);
    free(text);
}

Test(routes_print, golden_F01_F02_F11)
{
    struct arena *a = arena_new("golden");
    struct scenario *s = load(a, "tests/golden/routes/hub.yaml");
    const struct model *m = scenario_state(s, 0);
    static const char *const nics[] = {"client-nic", "app-nic", "far-nic"};
    for (size_t i = 0; i < 3; i++) {
        const struct nic *nic = model_nic(m, nics[i]);
        const struct eff_table *t = routes_effective(a, m, nic->subnet);
        check_routes(t, nics[i], "routes.txt", routes_print_table);
        check_routes(t, nics[i], "routes.json", routes_print_json);
    }
    check_routes(routes_effective(a, m, model_subnet(m, "hub/GatewaySubnet")), "GatewaySubnet", "routes.txt",
                 routes_print_table);
    const struct nic_rules *r = rules_of_nic(a, m, model_nic(m, "client-nic"));
    check_rules(r, "client-nic", "rules.txt", rules_print_table);
    check_rules(r, "client-nic", "rules.json", rules_print_json);
    scenario_free(s);
    arena_free(a);
}

Test(routes_print, F01_keys_are_all_there_in_alphabetical_order)
{
    char *text = slurp("tests/golden/routes/client-nic.routes.json");
    json_t *top = json_loads(text, 0, NULL), *row;
    size_t i;
    static const char *const keys[] = {"addressPrefix",
                                       "destinationServiceTags",
                                       "disableBgpRoutePropagation",
                                       "hasBgpOverride",
                                       "name",
                                       "nextHopIpAddress",
                                       "nextHopType",
                                       "source",
                                       "state",
                                       "tagMap"};
    cr_assert(json_is_null(json_object_get(top, "nextLink")));
    json_array_foreach(json_object_get(top, "value"), i, row)
    {
        size_t k = 0;
        const char *key;
        json_t *value;
        cr_assert_eq(json_object_size(row), sizeof keys / sizeof keys[0]);
        json_object_foreach(row, key, value) cr_assert_str_eq(key, keys[k++]);
    }
    cr_assert_gt(i, 10);
    json_decref(top);
    free(text);
}

Test(routes_print, F02_layout)
{
    static const char *const head[] = {"Source", "State", "Next Hop IP"};
    static const char *const cell[] = {"User", "Active", "10.0.0.166", "VirtualNetworkGateway", NULL, ""};
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    cr_assert_eq(tabulate(f, head, 3, cell, 2), 0);
    fclose(f);
    cr_assert_str_eq(text, "Source                 State    Next Hop IP\n"
                           "---------------------  -------  -------------\n"
                           "User                   Active   10.0.0.166\n"
                           "VirtualNetworkGateway\n");
    free(text);
}

Test(routes_print, full_disk_is_reported)
{
    struct model *m = net_new();
    struct vnet *v = net_vnet(m, "v", "westeurope", "10.0.0.0/16");
    struct subnet *s = net_subnet(m, v, "s", "10.0.0.0/24");
    s->networkSecurityGroup = net_nsg(m, "g");
    const struct eff_table *t = routes_effective(m->arena, m, s);
    const struct nic_rules *r = rules_of_nic(m->arena, m, net_nic(m, "n", s, "10.0.0.4"));
    for (int i = 0; i < 4; i++) {
        FILE *f = fopen("/dev/full", "w");
        cr_assert_not_null(f);
        int rc = i == 0   ? routes_print_table(f, t)
                 : i == 1 ? routes_print_json(f, t)
                 : i == 2 ? rules_print_table(f, r)
                          : rules_print_json(f, r);
        cr_assert_eq(rc, -ENOSPC, "printer %d", i);
        fclose(f);
    }
    net_free(m);
}

/* -- published outputs ----------------------------------------------------------------------------------- */

static char *published(const char *test, const char *name)
{
    const char *data = getenv("VNETSIM_DATA");
    char path[400];
    snprintf(path, sizeof path, "%s/effective-routes/%s", data ? data : "", name);
    char *text = data && *data ? slurp(path) : NULL;
    if (!text) {
        fprintf(stderr, "routes_print::%s was skipped: %s\n", test,
                data && *data ? path : "VNETSIM_DATA is not set");
        cr_skip("no published outputs");
    }
    return text;
}

/* A spoke with routes to an appliance behind a route server, as dmauser/azure-routeserver publishes it. */
Test(routes_print, F02_published_table_of_a_spoke)
{
    char *want =
        published("F02_published_table_of_a_spoke", "dmauser_azure-routeserver-ars_nhip_README_md-01.txt");
    struct model *m = net_new();
    struct vnet *hub = net_vnet(m, "hub", "westeurope", "10.0.0.0/24");
    struct vnet *spoke = net_vnet(m, "spk1", "westeurope", "10.0.1.0/24");
    struct subnet *s = net_subnet(m, spoke, "s", "10.0.1.0/24");
    net_frontend(m, "nva-lb", net_subnet(m, hub, "nva", "10.0.0.160/28"), "10.0.0.166");
    net_peer(spoke, hub);
    net_route(m, s, "default", "0.0.0.0/0", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.0.166");
    net_route(m, s, "all", "10.0.0.0/16", NH_TYPE_VIRTUAL_APPLIANCE, "10.0.0.166");
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    routes_print_table(f, routes_effective(m->arena, m, s));
    fclose(f);
    cr_assert_not_null(strstr(want, text), "not in the published text:\n%s", text);
    free(text);
    free(want);
    net_free(m);
}

/* A plain network of some years ago: each published row is one of ours, but for the name, which that age had
 * not. */
Test(routes_print, F01_published_rows)
{
    char *want =
        published("F01_published_rows",
                  "c7n-NetworkInterfaceTest.test_find_by_default_routes-02-Microsoft_Network_locations_"
                  "southcentralus_operationResults_.json");
    struct model *m = net_new();
    struct vnet *v = net_vnet(m, "v", "southcentralus", "10.0.0.0/16");
    struct subnet *s = net_subnet(m, v, "s", "10.0.0.0/24");
    char *text = NULL;
    size_t size = 0, i, found = 0;
    FILE *f = open_memstream(&text, &size);
    routes_print_json(f, routes_effective(m->arena, m, s));
    fclose(f);
    json_t *ours = json_loads(text, 0, NULL), *theirs = json_loads(want, 0, NULL), *row;
    json_t *list = json_object_get(theirs, "value");
    if (!list) /* recorded with headers around the body */
        list = json_object_get(json_object_get(json_object_get(theirs, "body"), "data"), "value");
    json_array_foreach(json_object_get(ours, "value"), i, row)
    {
        json_object_del(row, "name");
        for (size_t k = 0; k < json_array_size(list); k++)
            found += json_equal(row, json_array_get(list, k));
    }
    cr_assert_gt(json_array_size(list), 4);
    cr_assert_eq(found, json_array_size(list));
    json_decref(ours);
    json_decref(theirs);
    free(text);
    free(want);
    net_free(m);
}
