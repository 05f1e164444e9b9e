/* test_scenario_print.c - the printed form of scenarios, which must load to the same models; every key loads,
 * means what it says, and is printed. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "tests/support_scenario.h"
#include "topology/schema.h"
#include "topology/scenario_int.h"

/* -- a model as text, by the tables: what to compare ----------------------------------------------------- */

struct list {
    const char *at;
    size_t n;
};

static void dump_table(FILE *f, const struct table *t, const char *obj);

static void dump_value(FILE *f, const struct field *x, const char *at, size_t size)
{
    const char *text = NULL;
    if (x->kind == K_STRUCT) {
        dump_table(f, x->sub, at);
    } else if (x->kind == K_REF) {
        memcpy(&at, at, sizeof at);
        if (at && x->target->resource)
            memcpy(&text, at, sizeof text);
        fprintf(f, "%s\n", at ? text : "none");
    } else if (x->kind == K_TEXT || x->kind == K_NAME || x->kind == K_REGION ||
               (x->kind == K_WORD && size == sizeof text)) {
        memcpy(&text, at, sizeof text);
        fprintf(f, "%s\n", text ? text : "none");
    } else if (x->kind == K_ADDRESS) {
        struct address_match m;
        memcpy(&m, at, sizeof m);
        fprintf(f, "%d %x/%u %s\n", (int)m.kind, m.prefix.addr, m.prefix.len, m.tag ? m.tag : "");
    } else if (x->kind == K_PREFIX || x->kind == K_ROUTE) {
        struct prefix4 p;
        memcpy(&p, at, sizeof p);
        fprintf(f, "%x/%u\n", p.addr, p.len);
    } else {
        for (size_t i = 0; i < size; i++)
            fprintf(f, "%02x", (unsigned char)at[i]);
        fprintf(f, "\n");
    }
}

static size_t element_size(const struct field *x)
{
    return x->kind == K_STRUCT       ? x->sub->size
           : x->kind == K_IP         ? sizeof(ip4)
           : x->kind == K_PREFIX     ? sizeof(struct prefix4)
           : x->kind == K_PORT_MATCH ? sizeof(struct port_match)
           : x->kind == K_PORTS      ? sizeof(struct port_spec)
           : x->kind == K_ADDRESS    ? sizeof(struct address_match)
                                     : sizeof(void *);
}

static void dump_field(FILE *f, const struct field *x, const char *obj)
{
    struct list l;
    fprintf(f, "%s: ", x->key);
    if (x->kind == K_PAIRS || x->kind == K_EXPECT || x->kind == K_TARGET)
        return;
    if (!x->list && !x->one) {
        dump_value(f, x, obj + x->offset, x->size);
        return;
    }
    memcpy(&l, obj + x->offset, sizeof l);
    for (size_t i = 0; i < l.n; i++)
        dump_value(f, x, l.at + i * element_size(x), element_size(x));
}

static void dump_table(FILE *f, const struct table *t, const char *obj)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->field[i].size)
            dump_field(f, &t->field[i], obj);
    }
}

static char *dump(const struct model *m)
{
    char *out = NULL;
    size_t len;
    FILE *f = open_memstream(&out, &len);
    dump_table(f, &table_root, (const char *)m);
    for (size_t i = 0; i < m->services.n; i++)
        fprintf(f, "%x ", m->services.at[i].publicIPAddress);
    for (size_t i = 0; i < m->privateEndpoints.n; i++)
        fprintf(f, "%s/%s ", m->privateEndpoints.at[i].service ? m->privateEndpoints.at[i].service->name : "",
                m->privateEndpoints.at[i].pls ? m->privateEndpoints.at[i].pls->alias : "");
    for (size_t i = 0; i < m->virtualNetworks.n; i++)
        for (size_t k = 0; k < m->virtualNetworks.at[i].virtualNetworkPeerings.n; k++)
            fprintf(f, "%d ", m->virtualNetworks.at[i].virtualNetworkPeerings.at[k].reverse != NULL);
    fclose(f);
    return out;
}

/* What is printed loads to the same models in every state, and prints the same. dir: where the original is,
 * for the files that it names. */
static void goes_round(const char *path)
{
    struct scenario *s = sc_load(path);
    char *text = sc_printed(s), name[256];
    snprintf(name, sizeof name, "%.*s/printed", (int)(strrchr(path, '/') - path), path);
    struct arena *a = arena_new("test");
    struct diag *d = diag_new(a);
    struct scenario *again = scenario_parse(name, text, strlen(text), d);
    if (d->n)
        diag_print(d, stderr);
    cr_assert_not_null(again, "%s printed does not load:\n%s", path, text);
    cr_assert_eq(d->n, 0);
    char *twice = sc_printed(again);
    cr_assert_str_eq(twice, text, "%s", path);
    cr_assert_eq(s->n_states, again->n_states);
    for (size_t k = 0; k < s->n_states; k++) {
        char *x = dump(scenario_state(s, k)), *y = dump(scenario_state(again, k));
        cr_assert_str_eq(x, y, "%s, state %zu", path, k);
        free(x);
        free(y);
    }
    free(text);
    free(twice);
    scenario_free(s);
    scenario_free(again);
    arena_free(a);
}

Test(scenario, shipped_ones_load_without_findings_and_go_round, .timeout = 60)
{
    glob_t g;
    cr_assert_eq(glob("topology/scenarios/*.yaml", 0, NULL, &g), 0);
    cr_assert_gt(g.gl_pathc, 0);
    for (size_t i = 0; i < g.gl_pathc; i++)
        goes_round(g.gl_pathv[i]);
    globfree(&g);
}
/* -- every key ------------------------------------------------------------------------------------------- */

/* => whether the path of schema_walk occurs in the tree: "a[].b.c". */
static bool occurs(const struct node *n, const char *path)
{
    if (!*path)
        return true;
    if (n->kind == NODE_SEQ) {
        for (size_t i = 0; i < n->n; i++) {
            if (occurs(n->item[i], path))
                return true;
        }
        return false;
    }
    path += *path == '.';
    size_t len = strcspn(path, ".[");
    for (size_t i = 0; n->kind == NODE_MAP && i < n->n; i++) {
        const char *rest = path + len + (path[len] == '[' ? 2 : 0);
        if (strlen(n->key[i]->text) == len && strncmp(n->key[i]->text, path, len) == 0 &&
            occurs(n->item[i], rest))
            return true;
    }
    return false;
}

static void key_occurs(void *arg, const char *path, const struct table *t, const struct field *f)
{
    const struct node *root = arg;
    (void)t;
    const char *chain = strstr(path, ".chain[]."),
               *link = strncmp(path, "links.", 6) == 0 ? strrchr(path, '.') : NULL;
    if (f->synonym || (chain && strncmp(path, "expect", 6) == 0) ||
        (link && strchr(path + 6, '.') && strncmp(path + 6, "intraVnet", 9) != 0))
        return; /* shared rows are looked at once; synonyms are gone by then */
    if (strstr(path, ".location") || strstr(path, ".subscription") || strstr(path, ".resourceGroup") ||
        strstr(path, ".tenant") || strncmp(path, "expect[].noRoute", 16) == 0)
        return;
    cr_expect(occurs(root, path), "no %s in tests/golden/all-keys.yaml", path);
}

Test(scenario, every_key_loads_and_goes_round)
{
    struct scenario *s = sc_load("tests/golden/all-keys.yaml");
    schema_walk(key_occurs, s->document);
    scenario_free(s);
    goes_round("tests/golden/all-keys.yaml");
}

Test(scenario, every_key_means_what_it_says)
{
    struct scenario *s = sc_load("tests/golden/all-keys.yaml");
    const struct model *m = scenario_state(s, 0);
    cr_assert_str_eq(m->scenario, "all-keys");
    cr_assert_eq(m->seed, 7);
    cr_assert_eq(m->start_unix_ns, 1770091506500000000);
    cr_assert_eq(m->duration, 90000000000);
    cr_assert_str_eq(m->location, "westeurope");
    cr_assert(m->switches.seVsUdrObserved && m->switches.privateEndpointReturnLastHop &&
              m->switches.noneRoutesObserved);
    cr_assert(!m->switches.privateEndpointPolicies2021 && !m->switches.virtualNetworkTagIncludesUdr &&
              !m->switches.ruleChangeKeepsFlows);
    const struct subnet *c = model_subnet(m, "HUB/Clients");
    cr_assert_not_null(c);
    cr_assert_eq(c, &m->virtualNetworks.at[0].subnets.at[1]);
    cr_assert_eq(c->vnet, model_vnet(m, "hub"));
    cr_assert_eq(c->id, 1);
    cr_assert_eq(model_subnet(m, "provider/pls")->id, 8);
    cr_assert_eq(m->subnet_count, 9);
    cr_assert_str_eq(c->networkSecurityGroup->name, "clients-nsg");
    cr_assert_str_eq(c->serviceEndpoints.at[0].locations.at[1], "northeurope");
    const struct peering *p = &m->virtualNetworks.at[1].virtualNetworkPeerings.at[1];
    cr_assert_eq(p->localSubnetNames.at[0], model_subnet(m, "spoke/a"));
    cr_assert_eq(p->remoteSubnetNames.at[0], model_subnet(m, "provider/backends"));
    cr_assert_eq(p->reverse, &m->virtualNetworks.at[2].virtualNetworkPeerings.at[0]);
    cr_assert(p->allowVirtualNetworkAccess && !p->allowForwardedTraffic);
    const struct nic *n = model_nic(m, "vm1-nic");
    cr_assert_eq(n->listens.n, 4);
    cr_assert(n->listens.at[3].icmp_off && n->listens.at[2].first == 8000 && n->listens.at[2].last == 8080);
    cr_assert(!n->appliance.present && n->appliance.forwards);
    cr_assert_str_eq(n->tags.at[0].value, "true");
    const struct nic *nva = model_nic(m, "nva-nic");
    cr_assert(nva->appliance.present && nva->appliance.drops.n == 2);
    cr_assert_eq(nva->appliance.drops.at[1].proto, 1);
    cr_assert_str_eq(m->routeTables.at[0].routes.at[1].tag, "Storage.NorthEurope");
    const struct security_rule *r = m->networkSecurityGroups.at[1].securityRules.at;
    cr_assert_eq(r[0].source.at[0].kind, MATCH_ANY);
    cr_assert_eq(r[0].destination.at[0].kind, MATCH_TAG);
    cr_assert(r[0].protocol == 6 && r[1].protocol == 0 && r[2].protocol == 17);
    cr_assert(r[1].sourcePorts.n == 2 && r[1].sourcePorts.at[0].last == 1023 && r[1].source.n == 2);
    cr_assert(r[2].source.n == 0 && r[2].sourceApplicationSecurityGroups.n == 1 &&
              r[2].sourcePorts.at[0].last == 65535);
    const struct private_endpoint *pe = &m->privateEndpoints.at[1];
    cr_assert(pe->byAlias && pe->pls == &m->privateLinkServices.at[0] && !pe->service);
    cr_assert_eq(pe->status, PE_APPROVED, "its subscription is auto-approved");
    cr_assert_neq(pe->linkIdentifier, 0);
    cr_assert_eq(m->privateEndpoints.at[0].linkIdentifier, 305419896);
    cr_assert_str_eq(m->privateDnsZones.at[0].zoneName, "privatelink.azurecr.io");
    cr_assert_eq(m->virtualNetworkGateways.at[0].instances.n, 1);
    cr_assert_eq(m->links[LINK_INTERNET].latency, 99000000, "from the included file");
    cr_assert_eq(m->links[LINK_INTERNET].jitter, 1000000, "from the file itself");
    cr_assert_eq(m->links[LINK_INTRA_VNET].bandwidth, 25000000000);
    cr_assert_str_eq(m->internetHosts.at[0].names.at[0], "www.example.org");
    const struct flow *f = m->flows.at;
    cr_assert(f[0].requestBytes == 2048 && f[0].responseBytes == 1048576 && f[0].keepOpen == 30000000000);
    cr_assert_eq(node_get(f[0].expect.node, "notVia")->kind, NODE_SEQ, "a single value became a list");
    cr_assert_str_eq(f[1].name, "hq/laptop-to-10.0.1.4");
    cr_assert_not_null(node_get(f[1].expect.node, "resolvedTo"), "the synonym was renamed");
    const struct expectation *e = m->expect.at;
    cr_assert(e[0].has_route && !e[0].no_route && e[0].route.has_prefix && e[0].route.has_type &&
              e[0].route.has_ip);
    cr_assert_str_eq(e[0].route.state, "Active");
    cr_assert(e[1].no_route && !e[1].has_route && e[1].route.has_ip && !e[1].route.has_type);
    cr_assert(e[2].has_resolved && e[2].chain.n == 1 && e[2].chain.at[0].ttl == UINT32_MAX &&
              !e[2].chain.at[0].name);
    cr_assert(e[3].has_resolved && e[3].resolvedTo.n == 0);
    scenario_free(s);
}
/* -- printing -------------------------------------------------------------------------------------------- */

Test(scenario, printing_to_a_full_disk_fails)
{
    struct scenario *s = sc_parse("scenario: x\n"
                                  "virtualNetworks: [{name: hub, addressPrefixes: [10.0.0.0/16]}]\n");
    FILE *f = fopen("/dev/full", "w");
    cr_assert_not_null(f);
    cr_assert_lt(scenario_print(s, f), 0);
    fclose(f);
    f = fopen("/dev/full", "w");
    cr_assert_lt(schema_print_json(f), 0);
    fclose(f);
    scenario_free(s);
}

Test(scenario, odd_texts_survive_printing)
{
    struct scenario *s =
        sc_parse("scenario: x\ndescription: \"\\ttab, 'quote', \\\"double\\\", back\\\\slash, "
              "\\u00e9\\u20ac\\U0001F600 \\x07 \\u2028\"\n"
              "tenant: 'true'\nsubscription: ' blank '\nresourceGroup: '# no comment: here'\n");
    char *text = sc_printed(s);
    struct scenario *again = sc_parse(text);
    const struct model *m = scenario_state(s, 0), *n = scenario_state(again, 0);
    cr_assert_str_eq(m->description, n->description);
    cr_assert_str_eq(m->tenant, n->tenant);
    cr_assert_str_eq(m->subscription, n->subscription);
    cr_assert_str_eq(m->resourceGroup, n->resourceGroup);
    cr_assert_not_null(strstr(text, "tenant: 'true'"), "%s", text);
    free(text);
    scenario_free(s);
    scenario_free(again);
}
