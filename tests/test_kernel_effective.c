/* test_kernel_effective.c - the kernel as judge of effective routes: what wins in a table is told to the
 * kernel (support_kernel.h) in its own words, metrics for equal prefixes and rules that try one table after
 * the other where Azure has exceptions to the longest match (see load), and it must go the way that
 * routes_select and the compiled image go. */
#include "dataplane/arena.h"
#include "tests/support_kernel.h"
#include "tests/support_prop.h"
#include "topology/compile.h"
#include "topology/diag.h"
#include "topology/scenario.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tables of the kernel's for one of ours, asked one after the other. */
enum { SLICES, SERVICE, SYSTEM, REST, STAGES };

struct judge {
    struct kernel *k;
    struct arena *a;
    struct rng r;
    char *name[256];              /* of tables: network and subnet; they hold over all states of a scenario */
    struct kernel_route *in[256]; /* what the kernel has, sorted */
    size_t n_in[256], n, states, tables;
};

static uint32_t stage_table(size_t table, int stage)
{
    return 1000 + (uint32_t)table * STAGES + (uint32_t)stage;
}

struct pair {
    const struct eff_route *row;
    struct prefix4 prefix;
    bool alive, equal_lost; /* equal_lost: to a row with the same prefix, by nothing but the sources */
};

static bool plain(const struct eff_route *r)
{
    return !r->endpoint && !r->service_endpoint;
}

static bool network(const struct eff_route *r)
{
    return r->source == ROUTE_DEFAULT &&
           (r->type == NH_TYPE_VNET_LOCAL || r->type == NH_TYPE_VNET_PEERING ||
            r->type == NH_TYPE_VNET_GLOBAL_PEERING || r->type == NH_TYPE_INTERFACE_ENDPOINT ||
            r->type == NH_TYPE_CONNECTED_GROUP);
}

static bool has_prefix(const struct eff_route *r, struct prefix4 p)
{
    for (size_t i = 0; i < r->n_prefix; i++)
        if (prefix4_eq(r->prefix[i], p))
            return true;
    return false;
}

static size_t pairs_of(struct judge *j, const struct eff_table *t, struct pair **out)
{
    size_t n = 0, cap = 0;
    *out = NULL;
    for (size_t i = 0; i < t->n; i++)
        for (size_t p = 0; p < t->row[i].n_prefix; p++) {
            const struct eff_route *row = &t->row[i];
            const struct route_loss *lost = row->loss && row->loss[p].why ? &row->loss[p] : NULL;
            struct pair *x = arena_push(j->a, out, &n, &cap, sizeof *x);
            *x = (struct pair){row, row->prefix[p], !lost, false};
            x->equal_lost = lost && lost->to && lost->to->source != row->source &&
                            has_prefix(lost->to, x->prefix) && plain(row) && plain(lost->to);
        }
    return n;
}

/* Next hop None becomes one of three kinds of no. */
static enum kernel_way way_of_row(const struct eff_route *r)
{
    static const enum kernel_way no[] = {KERNEL_UNREACHABLE, KERNEL_BLACKHOLE, KERNEL_PROHIBIT};
    return r->type == NH_TYPE_NONE ? no[r->index % 3] : KERNEL_VIA;
}

struct list {
    struct kernel_route *at;
    size_t n, cap;
};

static void put(struct judge *j, struct list *l, uint32_t table, struct prefix4 to,
                const struct eff_route *row, uint32_t metric)
{
    struct kernel_route *x = arena_push(j->a, &l->at, &l->n, &l->cap, sizeof *x);
    *x = (struct kernel_route){table, to, row ? way_of_row(row) : KERNEL_THROW, row ? row->index : 0, metric};
}

static bool in_system(const struct pair *pair, size_t n, struct prefix4 p)
{
    for (size_t i = 0; i < n; i++)
        if (pair[i].alive && (network(pair[i].row) || pair[i].row->service_endpoint) &&
            prefix4_covers(pair[i].prefix, p))
            return true;
    return false;
}

/* The less, the better: users' before learned before the system's; of learned ones ExpressRoute, then the higher
 * weight, then the shorter path. */
static uint32_t metric_of(const struct eff_route *r)
{
    if (r->source != ROUTE_GATEWAY)
        return r->source == ROUTE_USER ? 1 : 1u << 30;
    return 2 + ((uint32_t)(r->gateway->type != GATEWAY_EXPRESSROUTE) << 24 | (32000 - r->weight) << 8 | r->path_length);
}

/* Azure's choice in the kernel's words. A table without an answer passes the question on:
 *
 *   SLICES   single addresses of endpoints whose own row lost
 *   SERVICE  service endpoints; prefixes of the network's own, equal or longer, throw the question out
 *   SYSTEM   what lies inside the network's own, its peers' and service endpoints' prefixes: those and users'
 *            routes, no learned ones
 *   REST     everything else
 *
 * In SYSTEM and REST the longest prefix wins, then the least metric. */
static struct kernel_route *load(struct judge *j, const struct eff_table *t, size_t table, size_t *n)
{
    struct pair *pair;
    struct list l = {0};
    size_t n_pairs = pairs_of(j, t, &pair);
    for (size_t i = t->n; i < t->n_all; i++)
        put(j, &l, stage_table(table, SLICES), t->row[i].prefix[0], &t->row[i], 1);
    for (size_t i = 0; i < n_pairs; i++) {
        const struct pair *p = &pair[i];
        const bool se = p->row->service_endpoint != NULL, net = network(p->row);
        if (!t->model->switches.seVsUdrObserved && (net || (se && p->alive)))
            put(j, &l, stage_table(table, SERVICE), p->prefix, net ? NULL : p->row, net ? 1 : 2);
        if (!p->alive && !p->equal_lost)
            continue;
        if (p->row->source != ROUTE_GATEWAY && in_system(pair, n_pairs, p->prefix))
            put(j, &l, stage_table(table, SYSTEM), p->prefix, p->row, metric_of(p->row));
        if (!p->alive || !(net || se))
            put(j, &l, stage_table(table, REST), p->prefix, p->row, metric_of(p->row));
    }
    *n = l.n;
    return l.at;
}

static int by_key(const void *x, const void *y)
{
    const struct kernel_route *a = x, *b = y;
    int c = a->table != b->table ? (a->table < b->table ? -1 : 1) : prefix4_cmp(&a->to, &b->to);
    return c ? c : a->metric < b->metric ? -1 : a->metric > b->metric;
}

static int by_all(const void *x, const void *y)
{
    const struct kernel_route *a = x, *b = y;
    int c = by_key(a, b);
    return c ? c : a->way != b->way ? (a->way < b->way ? -1 : 1) : a->id < b->id ? -1 : a->id > b->id;
}

/* Rows of the network that throw may repeat a prefix. */
static size_t drop_equal(struct kernel_route *r, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!kept || by_key(&r[kept - 1], &r[i]) != 0)
            r[kept++] = r[i];
    return kept;
}

/* Change what the kernel has of a table into what it is to have. */
static void sync_table(struct judge *j, size_t table, struct kernel_route *to, size_t n)
{
    struct kernel_route *from = j->in[table];
    size_t i = 0, m = 0, n_from = j->n_in[table];
    struct list gone = {0}, new = {0};
    while (i < n_from || m < n) {
        int c = i == n_from ? 1 : m == n ? -1 : by_all(&from[i], &to[m]);
        if (c < 0)
            *(struct kernel_route *)arena_push(j->a, &gone.at, &gone.n, &gone.cap, sizeof *to) = from[i];
        if (c > 0)
            *(struct kernel_route *)arena_push(j->a, &new.at, &new.n, &new.cap, sizeof *to) = to[m];
        i += c <= 0;
        m += c >= 0;
    }
    kernel_del(j->k, gone.at, gone.n);
    kernel_add(j->k, new.at, new.n);
    j->in[table] = to;
    j->n_in[table] = n;
}

/* => the table's number, its rules made when it is new. */
static size_t table_number(struct judge *j, const struct eff_table *t)
{
    const struct subnet *s = t->view.subnet;
    char *name = arena_printf(j->a, "%s/%s", t->view.vnet->name, s ? s->name : "");
    for (size_t i = 0; i < j->n; i++)
        if (strcmp(j->name[i], name) == 0)
            return i;
    cr_assert_lt(j->n, sizeof j->name / sizeof *j->name);
    for (int stage = 0; stage < STAGES; stage++)
        kernel_rule(j->k, (uint32_t)j->n + 1, stage_table(j->n, stage));
    j->name[j->n] = name;
    return j->n++;
}

static void judge_answer(const char *name, const struct eff_table *t, const struct image_table *img, ip4 dst,
                         const struct kernel_answer *a)
{
    struct prefix4 matched = {0, 0};
    char ip[IP4_STRLEN];
    const struct eff_route *row = routes_select(t, dst, &matched);
    ip4_format(dst, ip);
    cr_assert(row && a->way == way_of_row(row), "%s: %s, row %u: the kernel goes another way (%d)", ip, name,
              row ? row->index : 0, (int)a->way);
    if (a->way == KERNEL_VIA) {
        cr_assert_eq(a->id, row->index, "%s: row %u, by the kernel %u", ip, row->index, a->id);
        cr_assert(row->slice_of ? a->len == 32 : a->len == matched.len, "%s: another prefix", ip);
    }
    uint32_t hop = lpm_lookup(img->lpm, dst);
    cr_assert_lt(hop, img->n);
    cr_assert_eq(img->nexthop[hop].row, row->index, "%s: row %u in the image, %u by the kernel", ip,
                 img->nexthop[hop].row, row->index);
}

static void judge_table(struct judge *j, const struct eff_table *t, const struct image_table *img)
{
    size_t table = table_number(j, t), n;
    struct kernel_route *to = load(j, t, table, &n);
    qsort(to, n, sizeof *to, by_all);
    n = drop_equal(to, n);
    sync_table(j, table, to, n);
    for (size_t i = 0; i < t->n_all; i++)
        for (size_t p = 0; p < t->row[i].n_prefix; p++) {
            ip4 dst[KERNEL_EDGES];
            uint32_t hop[KERNEL_EDGES];
            struct kernel_answer a[KERNEL_EDGES];
            kernel_edges(&j->r, t->row[i].prefix[p], dst);
            kernel_ask(j->k, (uint32_t)table + 1, dst, KERNEL_EDGES, a);
            lpm_lookup_bulk(img->lpm, dst, hop, KERNEL_EDGES);
            for (size_t e = 0; e < KERNEL_EDGES; e++) {
                judge_answer(j->name[table], t, img, dst[e], &a[e]);
                cr_assert_eq(hop[e], lpm_lookup(img->lpm, dst[e]));
            }
        }
    j->tables++;
}

static void judge_scenario(struct judge *j, const char *path)
{
    struct diag *d = diag_new(j->a);
    struct scenario *s = scenario_load(path, d);
    const struct change *change;
    struct numbering *numbers = numbering_new();
    cr_assert(s, "%s", path);
    const size_t changes = scenario_changes(s, &change);
    for (size_t state = 0; state <= changes; state++, j->states++) {
        struct compiled *c = compile_model(scenario_state(s, state), numbers, (uint32_t)state, false);
        for (size_t i = 0; i < c->image->n_tables; i++)
            if (c->table[i])
                judge_table(j, c->table[i], &c->image->table[i]);
        compiled_free(c);
    }
    numbering_free(numbers);
    scenario_free(s);
}

/* Every table of every state of every shipped scenario; from state to state the kernel gets the difference.
 */
Test(kernel_effective, shipped_scenarios, .timeout = 60)
{
    struct judge j = {0};
    glob_t g;
    size_t answers = 0;
    cr_assert_eq(glob("topology/scenarios/*.yaml", 0, NULL, &g), 0);
    prop_seed(&j.r, "tables of scenarios");
    for (size_t i = 0; i < g.gl_pathc; i++) {
        j.k = kernel_needed("kernel_effective::shipped_scenarios");
        j.a = arena_new("judge");
        j.n = 0;
        memset(j.n_in, 0, sizeof j.n_in);
        judge_scenario(&j, g.gl_pathv[i]);
        answers += kernel_answers(j.k);
        kernel_free(j.k);
        arena_free(j.a);
    }
    fprintf(stderr, "kernel: %zu scenarios, %zu states, %zu tables, %zu answers equal\n", g.gl_pathc,
            j.states, j.tables, answers);
    cr_assert_gt(g.gl_pathc, 20);
    cr_assert_gt(answers, 20000);
    globfree(&g);
}
